"""Pings: dead peers and networks are noticed, and living ones are not given up."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from support.program import PATIENCE
from support.shell import Guest, Shell, unchanged, wait_until

INTERVAL = 0.5
LOST = b"lost: no answer to pings for 1 seconds\r\n"
# Three intervals are promised.  A busy machine may take longer, but not as long as TCP,
# which needs a quarter of an hour.
SOON_ENOUGH = 15.0
# The guest in a process of its own: it reads a number and waits for as many pings.
SERVER = """
import sys
from support.shell import Guest

with Guest(host=sys.argv[1], greeting=b"login: ") as guest:
    print(guest.url, flush=True)
    wanted = int(sys.stdin.readline())
    guest.wait_for(lambda: guest.pings >= wanted)
    print("pinged")
"""
ROUND_TRIP = re.compile(rb"round trip: (\d+\.\d) ms\r\n")


class ServerProcess:
    """A guest that can be stopped like any process.

    Args:
        command: comes before the interpreter.
        host: the address to listen on.
    """

    def __init__(self, *command: str, host: str = "127.0.0.1") -> None:
        tests = Path(__file__).parent.parent
        self._process = subprocess.Popen(
            [*command, sys.executable, "-c", SERVER, host],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(tests)},
            text=True,
        )
        assert self._process.stdout
        self.url = self._process.stdout.readline().strip()

    def stop(self) -> None:
        """Stop the process; its kernel still answers TCP."""
        os.kill(self._process.pid, SIGSTOP)
        stat = Path(f"/proc/{self._process.pid}/stat")
        wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")

    def resume(self) -> None:
        """Continue the process."""
        os.kill(self._process.pid, SIGCONT)

    def wait_pings(self, count: int) -> None:
        """Wait until it has read so many pings and has ended."""
        told, _ = self._process.communicate(f"{count}\n", timeout=2 * PATIENCE)
        assert told == "pinged\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def server_process(*command: str, host: str = "127.0.0.1") -> Iterator[ServerProcess]:
    server = ServerProcess(*command, host=host)
    try:
        yield server
    finally:
        server.kill()


def test_a_server_that_hangs_is_lost_after_two_pings(tmp_path: Path) -> None:
    with server_process() as server, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--keepalive {INTERVAL} {server.url}")
        shell.expect(b"login: ")
        server.stop()
        start = time.monotonic()
        assert shell.prompt() == 3
        assert INTERVAL < time.monotonic() - start < SOON_ENOUGH
        assert LOST in shell.output
        server.resume()
        server.wait_pings(2)


def test_a_server_that_hung_for_a_while_is_reconnected_to(tmp_path: Path) -> None:
    """Its kernel accepts the new connection long before the process does."""
    with server_process() as server, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect --keepalive {INTERVAL} {server.url}")
        shell.expect(b"login: ")
        server.stop()
        shell.expect(LOST.replace(b"\r\n", b"; reconnecting\r\n"))
        server.resume()
        shell.expect(b"connected again to: ")
        shell.type(b"~.")
        assert shell.prompt() == 0


def test_without_keepalive_no_ping_is_sent(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--keepalive 0 {guest.url}")
        shell.type(b"~I")
        shell.expect(b"round trip: not measured (--keepalive 0)\r\n")
        shell.type(b"~.")
        assert shell.prompt() == 0
    assert guest.pings == 0


def test_the_first_ping_is_sent_soon_and_its_round_trip_is_shown(
    tmp_path: Path,
) -> None:
    """The interval does not delay it."""
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--keepalive 3600 {guest.url}")
        guest.wait_for(lambda: guest.pings)
        guest.send(b"after the pong")
        shell.expect(b"after the pong")
        shell.type(b"~I")
        (milliseconds,) = shell.expect(ROUND_TRIP)
        assert float(milliseconds) < PATIENCE * 1000
        shell.type(b"~.")
        assert shell.prompt() == 0


# ---- peers that are alive


def test_time_spent_suspended_does_not_count_as_silence(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--keepalive {INTERVAL} {guest.url}")
        program = shell.job
        guest.wait_for(lambda: guest.pings)
        os.kill(program, SIGSTOP)
        shell.expect(b"Stopped")
        shell.prompt()
        asleep = time.monotonic() + 4 * INTERVAL
        wait_until(lambda: time.monotonic() > asleep)
        pings = guest.pings
        shell.start("fg")
        guest.wait_for(lambda: guest.pings > pings + 3)
        guest.send(b"still here")
        shell.expect(b"still here")
        shell.type(b"~.")
        assert shell.prompt() == 0


def test_a_stuck_screen_does_not_count_as_a_dead_peer(tmp_path: Path) -> None:
    with Guest(floods=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--keepalive {INTERVAL} {guest.url}")
        shell.wait_stuck()
        stuck = time.monotonic() + 6 * INTERVAL
        wait_until(lambda: time.monotonic() > stuck)
        pings = guest.pings
        while guest.pings < pings + 5:  # more than a dead peer is sent
            shell.expect(b"z\r\n", window=1024)
        shell.type(b"~.")
        assert shell.prompt() == 0


# ---- a network that loses every packet

_HERE, _THERE = "nc-test-here", "nc-test-there"
_SETUP = (
    f"netns add {_HERE}",
    f"netns add {_THERE}",
    f"-n {_HERE} link add nc0 type veth peer name nc1 netns {_THERE}",
    f"-n {_HERE} address add 10.213.7.1/30 dev nc0",
    f"-n {_THERE} address add 10.213.7.2/30 dev nc1",
    f"-n {_HERE} link set nc0 up",
    f"-n {_THERE} link set nc1 up",
)


def ip(arguments: str) -> None:
    command = ["ip", *arguments.split()]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)


@pytest.fixture
def two_networks() -> Iterator[None]:
    """Two network namespaces with a cable between them and no way outside."""
    try:
        try:
            for arguments in _SETUP:
                ip(arguments)
        except (OSError, subprocess.CalledProcessError) as exc:
            pytest.skip(f"no network namespaces: they need root and iproute2 ({exc})")
        yield
    finally:
        for name in (_HERE, _THERE):
            with suppress(OSError, subprocess.CalledProcessError):
                ip(f"netns delete {name}")


@pytest.mark.usefixtures("two_networks")
@pytest.mark.parametrize("typing", [False, True])
def test_a_network_that_loses_every_packet_is_noticed(
    tmp_path: Path, typing: bool
) -> None:
    there, here = (f"ip netns exec {name}" for name in (_THERE, _HERE))
    with (
        server_process(*there.split(), host="10.213.7.2") as server,
        Shell(tmp_path) as shell,
        unchanged(shell),
    ):
        program = f"{here} novaconsole"
        shell.attach(f"--keepalive {INTERVAL} {server.url}", program=program)
        shell.expect(b"login: ")
        ip(f"-n {_THERE} link set nc1 down")
        start = time.monotonic()
        if typing:
            shell.type(b"lost in the network\r")
        assert shell.prompt() == 3
        assert time.monotonic() - start < SOON_ENOUGH
        assert LOST in shell.output
