"""One run of the suite: the clients that take part, their turns, and remarks."""

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from bench.clients import NOVACONSOLE, OPENSSH, Client
from bench.report import Figure, Target
from bench.sink import Stalled
from bench.sshd import SSH

Sample = dict[str, float]  # unit: amount
OURS = NOVACONSOLE.name
CPU = "CPU s/GB"  # for as much output; reported beside the throughput


@dataclass
class Bench:
    """What the figures need to know of the run.

    Attributes:
        pairs: how often each client has its turn.
        quick: small sizes, to see whether it works; the figures are worth nothing.
        ssh: a server to compare to.
        remarks: what was skipped, and why.
    """

    pairs: int
    quick: bool
    ssh: SSH | None
    remarks: list[str] = field(default_factory=list)

    def there(self, *clients: Client) -> list[Client]:
        """The clients that are installed; the others are remarked on once."""
        for client in clients:
            if client.missing:
                self.remark(f"{client.name}: skipped: {client.missing}")
        return [
            client
            for client in clients
            if not client.missing and (client is not OPENSSH or self.ssh)
        ]

    def has_websockify(self, what: str) -> bool:
        """Whether the real proxy is installed; if not, a remark says so."""
        if importlib.util.find_spec("websockify") is None:
            self.remark(f"{what}: skipped: pip install websockify")
            return False
        return True

    def remark(self, words: str) -> None:
        if words not in self.remarks:
            self.remarks.append(words)

    def in_turn(
        self,
        what: str,
        measures: Mapping[str, Callable[[], Sample]],
        *,
        times: int | None = None,
    ) -> dict[str, list[Sample]]:
        """Measure A B A B …; a client that fails takes no further part.

        Args:
            what: is measured, for remarks.
            measures: for each name, one measurement.
            times: how often; None for as many as there are pairs.
        """
        samples: dict[str, list[Sample]] = {name: [] for name in measures}
        failed = set[str]()
        for _ in range(times or self.pairs):
            for name, measure in measures.items():
                if name in failed:
                    continue
                try:
                    samples[name].append(measure())
                except Stalled as exc:
                    failed.add(name)
                    samples[name].clear()
                    self.remark(f"{name}: failed at {what}: {exc}")
        return samples


def figure(
    what: str,
    samples: Mapping[str, Sequence[Sample]],
    unit: str,
    peer: str = "",
    target: Target | None = None,
) -> Figure:
    """Our samples of a unit compared to a peer's, or by themselves.

    Args:
        what: was measured.
        samples: by name, from `Bench.in_turn`.
        unit: to take of them.
        peer: to compare to.
        target: for the value.
    """
    ours = [sample[unit] for sample in samples[OURS]]
    theirs = [sample[unit] for sample in samples.get(peer, ())]
    our_cpu, their_cpu = (
        [sample[CPU] for sample in samples.get(name, ()) if CPU in sample]
        for name in (OURS, peer)
    )
    return Figure(what, unit, ours, peer, theirs, target, our_cpu, their_cpu)


def for_each(
    clients: Iterable[Client], measure: Callable[[Client], Sample]
) -> dict[str, Callable[[], Sample]]:
    """The same measurement for each client."""
    return {client.name: partial(measure, client) for client in clients}
