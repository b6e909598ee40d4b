"""A long distance on one machine: two network namespaces with a delay between them.

Run as a script, this is the relay: a process that holds two TUN devices and passes each
packet on after the delay.  It replaces tc's netem, which not every kernel has.
"""

import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_HERE, _THERE = "nc-bench-here", "nc-bench-there"
_DEVICES = {_HERE: ("ncb0", "10.213.8.1"), _THERE: ("ncb1", "10.213.8.2")}
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_PACKET_BYTES = 64 * 1024
_PACKETS_AT_ONCE = 64


class NoLongWay(Exception):
    """This machine or user cannot create network namespaces or TUN devices."""


@dataclass(frozen=True)
class LongWay:
    """Where the two ends are.

    Attributes:
        here: prefix of commands on the client's side.
        there: prefix of commands on the server's side.
        address: the address of the server's side.
    """

    here: Sequence[str]
    there: Sequence[str]
    address: str


@contextmanager
def long_way(round_trip: float) -> Iterator[LongWay]:
    """Two networks with a round trip of this many seconds between them.

    Raises:
        NoLongWay: root, iproute2 and /dev/net/tun are needed.
    """
    command = [sys.executable, __file__, str(round_trip / 2)]
    relay = None
    try:
        try:
            for name in _DEVICES:
                _ip("netns", "add", name)
            relay = subprocess.Popen(command, stdout=subprocess.PIPE)
            assert relay.stdout is not None
            if not relay.stdout.readline():
                raise NoLongWay("no /dev/net/tun")
            for name, (device, address) in _DEVICES.items():
                _ip("link", "set", device, "netns", name)
                _ip("-n", name, "address", "add", f"{address}/30", "dev", device)
                _ip("-n", name, "link", "set", device, "up")
        except (OSError, subprocess.CalledProcessError) as exc:
            raise NoLongWay(f"it needs root and iproute2 ({exc})") from exc
        here, there = (("ip", "netns", "exec", name) for name in _DEVICES)
        yield LongWay(here, there, _DEVICES[_THERE][1])
    finally:
        if relay is not None:
            relay.kill()
            relay.wait()
        for name in _DEVICES:
            with suppress(OSError, subprocess.CalledProcessError):
                _ip("netns", "delete", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)


def _open_tun(name: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI)
    fcntl.ioctl(fd, _TUNSETIFF, flags)
    return fd


def _relay(seconds: float) -> None:
    one, two = (_open_tun(device) for device, _ in _DEVICES.values())
    print("ready", flush=True)
    other = {one: two, two: one}
    on_their_way: deque[tuple[float, int, bytes]] = deque()
    while True:
        wait = on_their_way[0][0] - time.monotonic() if on_their_way else None
        ready, _, _ = select.select([one, two], [], [], wait and max(0.0, wait))
        for fd in ready:
            with suppress(BlockingIOError):
                for _ in range(_PACKETS_AT_ONCE):
                    packet = os.read(fd, _PACKET_BYTES)
                    due = time.monotonic() + seconds
                    on_their_way.append((due, other[fd], packet))
        now = time.monotonic()
        while on_their_way and on_their_way[0][0] <= now:
            _, fd, packet = on_their_way.popleft()
            with suppress(OSError):  # it is not up yet
                os.write(fd, packet)


if __name__ == "__main__":
    _relay(float(sys.argv[1]))
