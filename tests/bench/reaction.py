"""Reaction times: the echo of a key, Ctrl-C and `~.` under a flood."""

import random
import statistics
import time
from collections.abc import Iterator
from functools import partial

from bench.clients import (
    NOVACONSOLE,
    OPENSSH,
    PICOWS,
    WEBSOCKET_CLIENT,
    WEBSOCKETS,
    Client,
    attached,
)
from bench.report import Figure, Target
from bench.suite import OURS, Bench, Sample, figure, for_each

_CTRL_C = b"\x03"
_FLOOD_FRAME = "256"
_SLOW = {"1 MB/s": 1_000_000, "100 kB/s": 100_000}
# A sender on loopback buffers 2.5 MB by default, because its segments are 64 KiB; on
# Ethernet it buffers 87 kB.  The client can bound only what has left the sender.
_SMALL_SEND_BUFFER = ("--unsent", str(64 * 1024))
_P50, _P99 = "p50 µs", "p99 µs"


def echo(bench: Bench) -> Iterator[Figure]:
    """From a key on the terminal to its echo."""
    keys = 100 if bench.quick else 500

    def measure(client: Client) -> Sample:
        pause = random.Random(4)
        times = []
        with attached(client, "echo", ssh=bench.ssh) as running:
            running.wait_for_output()
            sink = running.sink
            for number in range(keys):
                # In step with no clock, and slower than any pacing.
                time.sleep(pause.uniform(0.004, 0.008))
                expected = sink.seen + 1
                typed_at = running.type(b"abcdefgh"[number % 8 :][:1])
                sink.read_to(expected)
                times.append((sink.last_at - typed_at) / 1e3)
        return {
            _P50: statistics.median(times),
            _P99: statistics.quantiles(times, n=100)[98],
        }

    clients = bench.there(NOVACONSOLE, WEBSOCKET_CLIENT, OPENSSH, PICOWS, WEBSOCKETS)
    samples = bench.in_turn("echo of a key", for_each(clients, measure))
    p50 = {WEBSOCKET_CLIENT: Target("≤", 1.25), OPENSSH: Target("<", 1)}
    p99 = {WEBSOCKET_CLIENT: Target("≤", 1)}
    for client in clients[1:]:
        yield figure("echo of a key", samples, _P50, client.name, p50.get(client))
        yield figure("echo of a key", samples, _P99, client.name, p99.get(client))


def interrupt(bench: Bench) -> Iterator[Figure]:
    """Ctrl-C under a flood: time until the guest has it, and output shown since."""
    clients = bench.there(NOVACONSOLE, OPENSSH, WEBSOCKET_CLIENT)
    targets = {OPENSSH: Target("≤", 0.6)}
    for title, rate, buffer in (
        *((title, rate, _SMALL_SEND_BUFFER) for title, rate in _SLOW.items()),
        ("1 MB/s, loopback's send buffer", _SLOW["1 MB/s"], ()),
    ):
        what = f"shown after the guest stopped, {title}"
        measure = partial(_interrupt, bench, rate, buffer)
        samples = bench.in_turn(what, for_each(clients, measure))
        for client in clients[1:]:
            yield figure(what, samples, "kB", client.name, targets.get(client))
    what = "Ctrl-C to the guest, fast terminal"
    clients += bench.there(PICOWS)
    samples = bench.in_turn(
        what, for_each(clients, partial(_interrupt, bench, None, ()))
    )
    targets = {WEBSOCKET_CLIENT: Target("≤", 0.5)}
    for client in clients[1:]:
        yield figure(what, samples, "ms", client.name, targets.get(client))


def _interrupt(
    bench: Bench, rate: int | None, buffer: tuple[str, ...], client: Client
) -> Sample:
    source = ("interruptible", "--frame", _FLOOD_FRAME, *buffer)
    with attached(client, *source, ssh=bench.ssh, rate=rate) as running:
        running.wait_for_output()
        running.sink.read_for(0.5 if bench.quick else 2.0)
        typed_at = running.type(_CTRL_C)
        stopped = running.reports.wait("interrupted", running.sink)
        sink = running.sink
        # To the last byte, at the terminal's speed, to see that none is missing.
        sink.read_to(stopped["total"])
        sample = {"ms": (stopped["at"] - typed_at) / 1e6}
        if rate is not None:
            sample["kB"] = (stopped["total"] - sink.seen_at(stopped["at"])) / 1e3
        return sample


def leave(bench: Bench) -> Iterator[Figure]:
    """`~.` under a flood: from the key to the end of the process."""

    def measure(rate: int | None) -> Sample:
        source = ("interruptible", "--frame", _FLOOD_FRAME)
        with attached(
            NOVACONSOLE, *source, rate=rate, messages_on_screen=True
        ) as running:
            running.wait_for_output()
            running.sink.read_for(0.5 if bench.quick else 1.5)
            running.type(b"~")
            running.sink.read_for(0.2)
            typed_at = running.type(b".")
            return {"ms": (running.wait_for_end() - typed_at) / 1e6}

    for title, rate in {"fast": None, **_SLOW, "stuck": 0}.items():
        what = f"~. to the end, terminal: {title}"
        samples = bench.in_turn(what, {OURS: partial(measure, rate)})
        yield figure(what, samples, "ms", target=Target("≤", 50))
