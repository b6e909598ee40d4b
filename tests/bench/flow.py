"""Throughput and its cost: output, a steady guest, a paste."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from bench import longway
from bench.clients import (
    NOVACONSOLE,
    PICOWS,
    SOCAT,
    WEBSOCKET_CLIENT,
    WEBSOCKETS,
    Client,
    attached,
    cpu_seconds,
)
from bench.report import Figure, Target
from bench.sink import Stalled
from bench.suite import CPU, OURS, Bench, Sample, figure, for_each

_FRAMES = (16, 256, 4096, 65536)
_SMALL = (16, 256)
_RUN_SECONDS, _QUICK_SECONDS = 0.8, 0.3
_TRIAL_SECONDS = 0.3
_RATE = "MB/s"
_ROUND_TRIP = 0.05


def throughput(bench: Bench) -> Iterator[Figure]:
    """Server to screen: MB of payload per second, from the first to the last byte."""
    for frame in _FRAMES:
        small = frame in _SMALL
        yield from _throughput(
            bench,
            f"throughput, pty, {frame} B",
            frame,
            {
                SOCAT: Target("≥", 0.4 if frame == 16 else 0.9),
                WEBSOCKET_CLIENT: Target("≥", 10) if small else None,
                PICOWS: Target(">", 1) if small else None,
            },
            pipe=False,
        )
    for frame in _FRAMES:
        yield from _throughput(
            bench,
            f"throughput, pipe, {frame} B",
            frame,
            {
                PICOWS: Target(">", 1) if frame in _SMALL else Target("≥", 0.5),
                WEBSOCKETS: None,
            },
            pipe=True,
        )


def _throughput(
    bench: Bench,
    what: str,
    frame: int,
    targets: dict[Client, Target | None],
    *,
    pipe: bool,
) -> Iterator[Figure]:
    clients = bench.there(NOVACONSOLE, *targets)
    samples = bench.in_turn(
        what,
        {
            client.name: _Flood(bench, client, frame, pipe=pipe).measure
            for client in clients
        },
    )
    for client in clients[1:]:
        yield figure(what, samples, _RATE, client.name, targets[client])


class _Flood:
    """A flood with as many bytes as take about a second.

    Args:
        bench: the run.
        client: to measure.
        frame: bytes of payload in a frame.
        mode: the behaviour of the source.
        pipe: as for `attached`.
        behind_websockify: as for `attached`.
    """

    def __init__(
        self,
        bench: Bench,
        client: Client,
        frame: int,
        *,
        mode: str = "flood",
        pipe: bool = False,
        behind_websockify: bool = False,
    ) -> None:
        self._seconds = _QUICK_SECONDS if bench.quick else _RUN_SECONDS
        self._attached = partial(
            attached,
            client,
            *(mode, "--frame", str(frame)),
            pipe=pipe,
            behind_websockify=behind_websockify,
        )
        self._frame = frame
        self._total = 0

    def measure(self) -> Sample:
        if not self._total:
            self._total = self._find_total()
        with self._attached("--total", str(self._total)) as client:
            client.wait_for_output()
            cpu = cpu_seconds(client.pid)
            proxy_cpu = cpu_seconds(client.proxy) if client.proxy else 0.0
            sink = client.sink
            sink.read_to(self._total)
            seconds = (sink.last_at - sink.first_at) / 1e9
            size = sink.seen - sink.first
            sample = {
                _RATE: size / seconds / 1e6,
                CPU: (cpu_seconds(client.pid) - cpu) * 1e9 / size,
            }
            if client.proxy:
                proxy_cpu = cpu_seconds(client.proxy) - proxy_cpu
                sample["websockify"] = proxy_cpu * 1e9 / size
            return sample

    def _find_total(self) -> int:
        """Run for a moment, which also warms up all caches."""
        with self._attached() as client:
            client.wait_for_output()
            sink = client.sink
            sink.read_for(_TRIAL_SECONDS)
            if sink.last_at <= sink.first_at:
                raise Stalled("no output but the first")
            rate = (sink.seen - sink.first) * 1e9 / (sink.last_at - sink.first_at)
        frames = max(2, round(rate * self._seconds / self._frame))
        return frames * self._frame


def files(bench: Bench) -> Iterator[Figure]:
    """What a log and a recording cost: the same program, with and without."""
    with tempfile.TemporaryDirectory() as directory:
        file = f"{directory}/file"
        for option in ("--log", "--record"):
            client = _with_options(option, file, "--overwrite")
            for frame in (256, 65536):
                what, peer = f"throughput, pty, {frame} B, {option}", "without"
                floods = {OURS: client, peer: NOVACONSOLE}
                samples = bench.in_turn(
                    what,
                    {
                        name: _Flood(bench, each, frame).measure
                        for name, each in floods.items()
                    },
                )
                yield figure(what, samples, _RATE, peer, Target("≥", 0.85))


def _with_options(*options: str) -> Client:
    return replace(
        NOVACONSOLE, command=lambda place: [*NOVACONSOLE.command(place), *options]
    )


def long_way(bench: Bench) -> Iterator[Figure]:
    """50 ms to the guest and back: a fast terminal must keep the network busy."""
    what = f"throughput, pty, 4096 B, {_ROUND_TRIP * 1000:g} ms away"
    clients = bench.there(NOVACONSOLE, WEBSOCKET_CLIENT, SOCAT)
    try:
        with longway.long_way(_ROUND_TRIP) as way:
            measure = partial(_long_way, way, 2.0 if bench.quick else 8.0)
            samples = bench.in_turn(what, for_each(clients, measure))
    except longway.NoLongWay as exc:
        bench.remark(f"{what}: skipped: {exc}")
        return
    for client in clients[1:]:
        yield figure(what, samples, _RATE, client.name, Target("≥", 0.9))


def _long_way(way: longway.LongWay, seconds: float, client: Client) -> Sample:
    with attached(client, "flood", "--frame", "4096", way=way) as running:
        running.wait_for_output()
        sink = running.sink
        sink.read_for(seconds / 4)  # TCP starts slowly
        start, seen = sink.last_at, sink.seen
        sink.read_for(seconds)
        return {_RATE: (sink.seen - seen) * 1e3 / (sink.last_at - start)}


def websockify(bench: Bench) -> Iterator[Figure]:
    """Behind the real proxy, in front of a guest that writes 16 bytes at a time."""
    what = "behind websockify, 16 B writes"
    if not bench.has_websockify(what):
        return
    clients = bench.there(NOVACONSOLE, WEBSOCKET_CLIENT)
    samples = bench.in_turn(
        what,
        {
            client.name: _Flood(
                bench, client, 16, mode="drip", behind_websockify=True
            ).measure
            for client in clients
        },
    )
    for client in clients[1:]:
        yield figure(what, samples, _RATE, client.name, Target("≥", 1))
    ours = samples[OURS]
    yield Figure(
        "  our CPU to the proxy's",
        CPU,
        [sample[CPU] for sample in ours],
        "websockify",
        [sample["websockify"] for sample in ours],
        Target("≤", 0.5),
    )


def steady(bench: Bench) -> Iterator[Figure]:
    """The realistic case: 16 bytes every 200 µs."""
    what, unit = "steady guest, 16 B each 200 µs", "CPU %"
    total = 16 * 5000 * (1 if bench.quick else 4)

    def measure(client: Client) -> Sample:
        source = ("steady", "--period", "0.0002", "--total", str(total))
        with attached(client, *source) as running:
            sink = running.sink
            # Later than at once: the first frames arrive together.
            sink.read_to(total // 10)
            start, cpu = sink.last_at, cpu_seconds(running.pid)
            sink.read_to(total)
            cpu = cpu_seconds(running.pid) - cpu
            return {unit: 100 * cpu * 1e9 / (sink.last_at - start)}

    clients = bench.there(NOVACONSOLE, WEBSOCKET_CLIENT, PICOWS)
    samples = bench.in_turn(what, for_each(clients, measure))
    targets = {WEBSOCKET_CLIENT: Target("≤", 0.6)}
    for client in clients[1:]:
        yield figure(what, samples, unit, client.name, targets.get(client))


def paste(bench: Bench) -> Iterator[Figure]:
    """A paste through the terminal, until the server has its last byte."""
    size = 1024 * (128 if bench.quick else 1024)
    clients = bench.there(NOVACONSOLE, WEBSOCKET_CLIENT, PICOWS, SOCAT)
    targets = {WEBSOCKET_CLIENT: Target("≤", 1.2)}
    line = b"interface eth0 is one line of a pasted configuration"
    # An escape can follow the end of a line: each may cost something.
    for title, unit in {"lines of 49 B": line + b"\n", "a single line": line}.items():
        what = f"paste of {size // 1024} KiB, {title}"
        text = (unit * (size // len(unit) + 1))[:size]
        samples = bench.in_turn(what, for_each(clients, partial(_paste, text)))
        for client in clients[1:]:
            yield figure(what, samples, "ms", client.name, targets.get(client))


def _paste(text: bytes, client: Client) -> Sample:
    with attached(client, "count", "--total", str(len(text))) as running:
        running.wait_for_output()
        began_at = running.type(text)
        received_at = running.reports.wait("received", running.sink)["at"]
        return {"ms": (received_at - began_at) / 1e6}
