"""What the program itself costs: time to start, memory, wake-ups."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from bench.clients import (
    ENVIRONMENT,
    HERE,
    IMPORTS,
    INTERPRETER,
    NOVACONSOLE,
    PROGRAM,
    Client,
    Place,
    attached,
)
from bench.report import Figure, Target
from bench.suite import OURS, Bench, Sample, figure, for_each
from support.fake_cloud import fake_cloud

_SMALLEST = (sys.executable, str(HERE / "peers" / "smallest_typer.py"))
_CLOUD_IMPORTS = f"{IMPORTS}, openstack"
_MS, _MB = "ms", "MB"
_QUICK_PING_SECONDS = 0.01


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

    what, peer = "name to the first byte", f"python -c '{_CLOUD_IMPORTS}'"
    imports = (sys.executable, "-c", _CLOUD_IMPORTS)
    with fake_cloud() as cloud:
        cloud.add("vm")

        def attach(place: Place) -> Sequence[str]:
            cloud.console_url = place.url
            settings = [
                f"{name}={value}" for name, value in cloud.environment().items()
            ]
            return ["env", *settings, *PROGRAM, "vm"]

        client = replace(NOVACONSOLE, command=attach)
        samples = bench.in_turn(
            what,
            {
                OURS: partial(_first_byte, client),
                peer: partial(_whole_process, imports),
            },
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


def _first_byte(client: Client = NOVACONSOLE) -> Sample:
    with attached(client, "hello") as running:
        running.wait_for_output()
        return {_MS: (running.sink.first_at - running.started_at) / 1e6}


def memory(bench: Bench) -> Iterator[Figure]:
    """Peak resident memory when attached, beside an interpreter with the packages."""

    def measure(client: Client) -> Sample:
        with attached(client, "hello") as running:
            running.wait_for_output()
            running.sink.read_for(0.5)
            return {_MB: running.status("VmHWM") * 1024 / 1e6}

    clients = (NOVACONSOLE, INTERPRETER)
    samples = bench.in_turn("memory", for_each(clients, measure))
    yield figure("memory, attached", samples, _MB, INTERPRETER.name, Target("≤", 1.15))


def idle(bench: Bench) -> Iterator[Figure]:
    """Wake-ups while nothing happens: without keepalive, and for each of its pings."""
    seconds = 3 if bench.quick else 20

    def wake_ups(client: Client, *, answered: bool = False) -> float:
        with attached(client, "hello", behind_websockify=answered) as running:
            running.wait_for_output()
            running.sink.read_for(1.5)
            before = running.status("voluntary_ctxt_switches")
            running.sink.read_for(seconds)
            return running.status("voluntary_ctxt_switches") - before

    what, unit = f"idle for {seconds} s", "wake-ups"
    samples = bench.in_turn(what, {OURS: lambda: {unit: wake_ups(NOVACONSOLE)}})
    yield figure(what, samples, unit, target=Target("≤", 0))
    if not bench.has_websockify("keepalive"):  # our source answers no pings
        return
    what, unit = "keepalive: ping sent, answer read", "wake-ups a ping"
    pinging = _with_keepalive(1)
    samples = bench.in_turn(
        what,
        {OURS: lambda: {unit: wake_ups(pinging, answered=True) / seconds}},
    )
    yield figure(what, samples, unit, target=Target("≤", 2.1))


def endurance(bench: Bench) -> Iterator[Figure]:
    """Growth over a lot of output, and over the pings of a day, in quick succession."""
    gib = 1 if bench.quick else 10
    what = f"growth over {gib} GiB of output"

    def show() -> Sample:
        with attached(NOVACONSOLE, "flood", "--frame", "4096", pipe=True) as running:
            running.sink.read_to(1 << 28)  # the first quarter of a GiB warms up
            before = running.status("VmRSS")
            running.sink.read_until(
                lambda: running.sink.seen >= gib << 30, what, seconds=600
            )
            return {"KiB": running.status("VmRSS") - before}

    samples = bench.in_turn(what, {OURS: show}, times=1)
    yield figure(what, samples, "KiB", target=Target("<", 1024))

    pings = 400 if bench.quick else 24 * 60 * 60 // 20
    what = f"growth over {pings} pings"

    def ping() -> Sample:
        client = _with_keepalive(_QUICK_PING_SECONDS)
        with attached(client, "hello", behind_websockify=True) as running:
            running.wait_for_output()
            running.sink.read_for(1.5)
            before = running.status("VmRSS")
            running.sink.read_for(pings * _QUICK_PING_SECONDS)
            return {"KiB": running.status("VmRSS") - before}

    if bench.has_websockify(what):
        samples = bench.in_turn(what, {OURS: ping}, times=1)
        yield figure(what, samples, "KiB", target=Target("<", 256))


def _with_keepalive(seconds: float) -> Client:
    return replace(
        NOVACONSOLE,
        command=lambda place: [*PROGRAM, "--url", place.url, f"--keepalive={seconds}"],
    )


def stuck(bench: Bench) -> Iterator[Figure]:
    """Growth while a flood meets a terminal that is not read."""

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
