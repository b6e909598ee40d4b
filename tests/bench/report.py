"""Figures: ratios to a peer or amounts, each with a target; as a table and as JSON."""

import json
import operator
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_COMPARISONS = {"≤": operator.le, "≥": operator.ge, "<": operator.lt, ">": operator.gt}
_HEADINGS = (
    *("figure", "unit", "ours", "theirs", "peer"),
    *("value", "spread", "CPU", "target", "met"),
)


@dataclass(frozen=True)
class Target:
    """What a value should be, as in `≤ 0.5`.

    Attributes:
        sign: one of ≤ ≥ < >.
        limit: on the other side of it.
    """

    sign: str
    limit: float

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"

    def is_met(self, value: float) -> bool:
        return bool(_COMPARISONS[self.sign](value, self.limit))


@dataclass
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured.
        unit: of the samples.
        ours: samples of novaconsole.
        peer: what it is compared to; empty where the amount itself counts.
        theirs: samples of the peer, taken in turn with ours.
        target: None where the figure is for information.
        our_cpu: CPU time for the same work, in any unit.
        their_cpu: that of the peer.
    """

    name: str
    unit: str
    ours: Sequence[float]
    peer: str = ""
    theirs: Sequence[float] = field(default_factory=list)
    target: Target | None = None
    our_cpu: Sequence[float] = field(default_factory=list)
    their_cpu: Sequence[float] = field(default_factory=list)

    @property
    def value(self) -> float | None:
        """The ratio of the medians, or the median amount; None without samples."""
        if not self.ours or (self.peer and not self.theirs):
            return None
        ours = statistics.median(self.ours)
        return ours / statistics.median(self.theirs) if self.peer else ours

    @property
    def spread(self) -> tuple[float, float] | None:
        """The lowest and the highest value of the pairs."""
        if self.value is None:
            return None
        values = [*self.ours]
        if self.peer:
            # The runs of a pair follow each other, so pairs drift less than samples do.
            pairs = zip(self.ours, self.theirs, strict=False)
            values = [ours / theirs for ours, theirs in pairs]
        return min(values), max(values)

    @property
    def cpu(self) -> float | None:
        """CPU time as a ratio to the peer's."""
        if not self.our_cpu or not self.their_cpu:
            return None
        return statistics.median(self.our_cpu) / statistics.median(self.their_cpu)

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        if self.value is None:
            return "not measured"
        return "yes" if self.target.is_met(self.value) else "NO"

    def row(self) -> tuple[str, ...]:
        spread = self.spread if len(self.ours) > 1 else None
        return (
            self.name,
            self.unit,
            _median(self.ours),
            _median(self.theirs),
            self.peer,
            "-" if self.value is None else _short(self.value),
            f"{_short(spread[0])}-{_short(spread[1])}" if spread else "",
            "" if self.cpu is None else _short(self.cpu),
            str(self.target or ""),
            self.verdict,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": list(self.ours),
            "peer": self.peer or None,
            "theirs": list(self.theirs),
            "value": self.value,
            "spread": self.spread,
            "target": str(self.target) if self.target else None,
            "met": self.verdict or None,
            "our_cpu": list(self.our_cpu),
            "their_cpu": list(self.their_cpu),
            "cpu_ratio": self.cpu,
        }


def _median(samples: Sequence[float]) -> str:
    return _short(statistics.median(samples)) if samples else ""


def _short(number: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def table(figures: Iterable[Figure]) -> str:
    """A table in Markdown, with columns that line up."""
    rows = [_HEADINGS, *(figure.row() for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        + " |"
        for row in rows
    )


def write_json(
    file: Path, figures: Iterable[Figure], remarks: Sequence[str], **run: object
) -> None:
    """Write every sample as JSON.

    Args:
        file: to write.
        figures: in their order.
        remarks: what was skipped, and why.
        run: how it was measured.
    """
    document = {
        "run": {
            **run,
            "python": platform.python_version(),
            "kernel": platform.release(),
            "cores": os.cpu_count(),
        },
        "remarks": list(remarks),
        "figures": [figure.as_json() for figure in figures],
    }
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
