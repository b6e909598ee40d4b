"""The input and output of a command, against the same bytes over the bare line.

    python tests/bench/commands.py [--url URL --login USER] [--pairs 3] [--bytes 500000]

The bare line is a websocket loop on a tty that `stty raw` was typed into: what the
console itself can do.  The guest is the demo's, or the one behind the URL, whose shell
must be open at its prompt or, with --login and $NOVACONSOLE_PASSWORD, at its login.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from novaconsole import SerialConsole, connect

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script

from bench.report import Figure, Target, table
from support.guests import BASH, over_websocket

_LINE = b"a line of text\n"
_ROUNDS = 50
_SECONDS = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description="A command's input and output.")
    parser.add_argument("--url", help="of a console; else the demo's")
    parser.add_argument("--login", help="the user to log in as")
    parser.add_argument("--pairs", type=int, default=3, help="of measures; 3")
    parser.add_argument("--bytes", type=int, default=500_000, help="each way; 500000")
    options = parser.parse_args()
    if options.url:
        trio.run(measure, options.url, options)
    else:
        with over_websocket(*BASH) as url:
            trio.run(measure, url, options)


async def measure(url: str, options: argparse.Namespace) -> None:
    data = random.Random(0).randbytes(options.bytes)
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    for _ in range(options.pairs):
        theirs.append(await bare(url, options.login, data))
        ours.append(await through_a_command(url, options.login, data))
    figures = [
        Figure(
            name,
            unit,
            [each[name] for each in ours],
            "bare line" if name in theirs[0] else "",
            [each[name] for each in theirs if name in each],
            target,
        )
        for name, unit, target in (
            ("to a command's input", "kB/s", Target("≥", 0.8)),
            ("from its output", "kB/s", Target("≥", 0.8)),
            ("a line and its answer", "ms", Target("≤", 1.5)),
            ("start to first output", "s", None),
        )
    ]
    print(table(figures))


async def bare(url: str, login: str | None, data: bytes) -> dict[str, float]:
    """Measure the line itself."""
    async with connect(url) as console:
        await log_in(console, login)
        size = len(data)
        async with raw(console, b"head -c %d >/dev/null; echo done" % size):
            began = time.perf_counter()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(console.send, data)
                await received_until(console, b"done\n")
            to = size / 1000 / (time.perf_counter() - began)
        async with raw(console, b"head -c %d /dev/urandom" % size) as first:
            came = len(first or await console.receive())
            began = time.perf_counter()
            while came < size:
                came += len(await console.receive())
            out = size / 1000 / (time.perf_counter() - began)
        async with raw(console, b"dd bs=4096 count=%d" % _ROUNDS):
            rounds = []
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                await console.send(_LINE)
                await received_until(console, b"\n")
                rounds.append((time.perf_counter() - began) * 1000)
        return {
            "to a command's input": to,
            "from its output": out,
            "a line and its answer": statistics.median(rounds),
        }


async def through_a_command(
    url: str, login: str | None, data: bytes
) -> dict[str, float]:
    """Measure the same through a process."""
    password = os.environ.get("NOVACONSOLE_PASSWORD")
    size = len(data)
    began = time.perf_counter()
    async with connect(url) as console:
        command = f"echo; head -c {size} >/dev/null; echo"
        async with console.process(command, login=login, password=password) as process:
            await process.stdout.receive_some()
            start = time.perf_counter() - began
            began = time.perf_counter()
            await process.stdin.send_all(data)
            await process.stdout.receive_some()
            to = size / 1000 / (time.perf_counter() - began)
            await process.wait()
        command = f"head -c {size} /dev/urandom"
        async with console.process(command, login=login, password=password) as process:
            came = len(await process.stdout.receive_some())
            began = time.perf_counter()
            while came < size:
                came += len(await process.stdout.receive_some())
            out = size / 1000 / (time.perf_counter() - began)
            await process.wait()
        async with console.process("cat", login=login, password=password) as process:
            rounds = []
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                await process.stdin.send_all(_LINE)
                answer = b""
                while not answer.endswith(b"\n"):
                    answer += await process.stdout.receive_some()
                rounds.append((time.perf_counter() - began) * 1000)
            await process.stdin.aclose()
            await process.wait()
    return {
        "to a command's input": to,
        "from its output": out,
        "a line and its answer": statistics.median(rounds),
        "start to first output": start,
    }


async def log_in(console: SerialConsole, login: str | None) -> None:
    await console.send(b"\r")
    found = await console.expect("[#$] $", "login: $", timeout=_SECONDS)
    if found.index == 1 and login:
        await console.send(login.encode() + b"\r")
        await console.expect("assword: $", timeout=_SECONDS)
        await console.send(os.environ["NOVACONSOLE_PASSWORD"].encode() + b"\r")
        await console.expect("[#$] $", timeout=_SECONDS)


@asynccontextmanager
async def raw(console: SerialConsole, command: bytes) -> AsyncIterator[bytes]:
    """A raw tty while a command runs that ends by itself; yields its first output."""
    await console.send(
        b"stty raw -echo; echo rea''dy; %b 2>/dev/null; stty sane\r" % command
    )
    yield await received_until(console, b"ready\n")
    await console.send(b"\r")
    await console.expect("[#$] $", timeout=_SECONDS)


async def received_until(console: SerialConsole, end: bytes) -> bytes:
    """Receive up to these bytes; returns what came after them."""
    received = b""
    while end not in received:
        received = received[-len(end) :] + await console.receive()
    return received.partition(end)[2]


if __name__ == "__main__":
    main()
