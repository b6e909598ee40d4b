"""Many consoles in one process: what each costs in memory and CPU.

    python tests/bench/consoles.py [--consoles 50] [--seconds 10]

Each is attached to a demo guest of its own, in another process.  They are measured
idle, with a ping every 20 seconds, and with guests that print ten lines a second.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import trio

from novaconsole import SerialConsole, connect

_GUESTS = """
import os, sys, trio
from novaconsole.console.demo import serve_demo

async def main():
    async with trio.open_nursery() as nursery:
        for _ in range(int(sys.argv[1])):
            size = os.terminal_size((80, 24))
            print(await nursery.start(serve_demo, size, sys.argv[2:]), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()

trio.run(main)
"""
_PRINTING = "read x; while sleep 0.1; do echo 0123456789abcdef; done"


def main() -> None:
    parser = argparse.ArgumentParser(description="Many consoles in one process.")
    parser.add_argument("--consoles", type=int, default=50, help="how many; 50")
    parser.add_argument("--seconds", type=float, default=10, help="of each measure; 10")
    options = parser.parse_args()
    with guests(options.consoles) as urls:
        trio.run(measure, urls, options.seconds)


@contextmanager
def guests(count: int) -> Iterator[list[str]]:
    """This many guests in a process of their own; yields their URLs."""
    with subprocess.Popen(
        [sys.executable, "-c", _GUESTS, str(count), "sh", "-c", _PRINTING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        yield [server.stdout.readline().strip() for _ in range(count)]
        server.communicate()


async def measure(urls: list[str], seconds: float) -> None:
    count = len(urls)
    before = resident()
    started = time.monotonic()
    consoles: list[SerialConsole] = []
    async with trio.open_nursery() as nursery:
        for url in urls:
            nursery.start_soon(hold, url, consoles)
        while len(consoles) < count:  # noqa: ASYNC110 # it is over in a second
            await trio.sleep(0.01)
        print(f"attaching {count} consoles: {time.monotonic() - started:.2f} s")
        received = [0]
        for console in consoles:
            nursery.start_soon(read, console, received)
        per_console = partial(share, count=count, seconds=seconds)
        print("idle:", await per_console(before=before))
        for console in consoles:
            await console.send(b"\r")
        print("with 10 lines a second:", await per_console(before=before))
        print(f"received: {received[0]} bytes")
        nursery.cancel_scope.cancel()


async def hold(url: str, consoles: list[SerialConsole]) -> None:
    async with connect(url) as console:
        consoles.append(console)
        await trio.sleep_forever()


async def read(console: SerialConsole, received: list[int]) -> None:
    async for data in console:
        received[0] += len(data)


async def share(count: int, seconds: float, before: int) -> str:
    """The cost of one console, measured over this many seconds."""
    await trio.sleep(1)
    cpu = time.process_time()
    await trio.sleep(seconds)
    cpu = time.process_time() - cpu
    memory = (resident() - before) / count
    return f"{memory:.0f} KiB and {cpu / seconds / count:.3%} of a core each"


def resident() -> int:
    """Memory of this process, in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


if __name__ == "__main__":
    main()
