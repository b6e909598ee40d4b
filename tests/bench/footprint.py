"""What the program takes for itself: time to start, memory, wake-ups."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial

from bench.clients import (
    ENVIRONMENT,
    HERE,
    IMPORTS,
    INTERPRETER,
    NOVACONSOLE,
    PROGRAM,
    Client,
    attached,
)
from bench.report import Figure, Target
from bench.suite import OURS, Bench, Sample, figure, for_each

_SMALLEST = (sys.executable, str(HERE / "peers" / "smallest_typer.py"))
_MS, _MB = "ms", "MB"


def startup(bench: Bench) -> Iterator[Figure]:
    """The whole process, warm; and with a URL, up to the first byte on the screen."""
    for option in ("--version", "--help"):
        what, peer = f"start-up, {option}", "smallest typer program"
        measures = {
            OURS: partial(_whole_process, (*PROGRAM, option)),
            peer: partial(_whole_process, (*_SMALLEST, option)),
        }
        for measure in measures.values():
            measure()  # warm
        samples = bench.in_turn(what, measures)
        yield figure(what, samples, _MS, peer, Target("≤", 1.3))

    what, peer = "--url to the first byte", f"python -c '{IMPORTS}'"
    imports = (sys.executable, "-c", IMPORTS)
    samples = bench.in_turn(
        what, {OURS: _first_byte, peer: partial(_whole_process, imports)}
    )
    yield figure(what, samples, _MS, peer, Target("≤", 1.15))


def _whole_process(command: Sequence[str]) -> Sample:
    start = time.monotonic_ns()
    subprocess.run(
        command,
        check=True,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    return {_MS: (time.monotonic_ns() - start) / 1e6}


def _first_byte() -> Sample:
    with attached(NOVACONSOLE, "hello") as running:
        running.wait_for_output()
        return {_MS: (running.sink.first_at - running.started_at) / 1e6}


def memory(bench: Bench) -> Iterator[Figure]:
    """The most that was resident, attached, to an interpreter with the packages."""

    def measure(client: Client) -> Sample:
        with attached(client, "hello") as running:
            running.wait_for_output()
            running.sink.read_for(0.5)
            return {_MB: running.status("VmHWM") * 1024 / 1e6}

    clients = (NOVACONSOLE, INTERPRETER)
    samples = bench.in_turn("memory", for_each(clients, measure))
    yield figure("memory, attached", samples, _MB, INTERPRETER.name, Target("≤", 1.15))


def idle(bench: Bench) -> Iterator[Figure]:
    """Wake-ups while nothing happens, without keepalive."""
    seconds = 3 if bench.quick else 20

    def measure() -> Sample:
        with attached(NOVACONSOLE, "hello") as running:
            running.wait_for_output()
            running.sink.read_for(1.0)
            before = running.status("voluntary_ctxt_switches")
            running.sink.read_for(seconds)
            return {"wake-ups": running.status("voluntary_ctxt_switches") - before}

    what = f"idle for {seconds} s"
    samples = bench.in_turn(what, {OURS: measure})
    yield figure(what, samples, "wake-ups", target=Target("≤", 0))


def stuck(bench: Bench) -> Iterator[Figure]:
    """Growth while a flood meets a terminal that nobody reads."""

    def measure() -> Sample:
        source = ("interruptible", "--after", "1", "--frame", "256")
        with attached(NOVACONSOLE, *source, rate=0) as running:
            running.wait_for_output()
            running.sink.read_for(0.5)
            before = running.status("VmRSS")
            running.sink.read_for(2.0 if bench.quick else 6.0)
            return {"KiB": running.status("VmRSS") - before}

    samples = bench.in_turn("stuck terminal", {OURS: measure})
    yield figure("growth, stuck terminal", samples, "KiB", target=Target("<", 1024))
