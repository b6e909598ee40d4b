"""What a guest leaves behind in the terminal, and in which order that is undone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

# The order.  What belongs to a screen comes before that is left, for its own return
# restores the cursor, and what goes with that.
FIRST, HERE, MARGINS, ORIGIN, SCREEN, THERE, MODES, LAST = range(8)


@dataclass(frozen=True)
class Trace:
    """One thing that is set.

    Attributes:
        order: when it is undone.
        undo: puts it to rest.
        redo: sets it again; empty where it may be at rest already.
    """

    order: int
    undo: bytes
    redo: bytes


class Traces:
    """All that is set, each under a key of its own.

    Args:
        traces: to begin with.
    """

    def __init__(self, traces: Iterable[tuple[bytes, Trace]] = ()) -> None:
        self._traces = dict(traces)

    def __contains__(self, key: bytes) -> bool:
        return key in self._traces

    def __iter__(self) -> Iterator[Trace]:
        """In the order of undoing, which does not depend on when they were set."""
        items = self._traces.items()
        rank = {key: (trace.order, len(key), key) for key, trace in items}
        return (self._traces[key] for key in sorted(rank, key=rank.__getitem__))

    def __or__(self, other: Self) -> Self:
        return type(self)((self._traces | other._traces).items())

    def mark(self, key: bytes, trace: Trace, *, is_set: bool = True) -> None:
        """It has been set, or put to rest."""
        if is_set:
            self._traces[key] = trace
        else:
            self._traces.pop(key, None)

    def doubt(self, key: bytes) -> None:
        """It may have been put to rest: undo it once more, but do not set it again."""
        if key in self._traces:
            self._traces[key] = replace(self._traces[key], redo=b"")

    def of(self, keys: Iterable[bytes]) -> Self:
        """Those with these keys, to be kept."""
        return type(self)((key, self._traces[key]) for key in keys if key in self)

    def not_before(self, order: int) -> Self:
        """The same, undone at that place or later."""
        return type(self)(
            (key, replace(trace, order=max(trace.order, order)))
            for key, trace in self._traces.items()
        )

    def drop(self, keys: Iterable[bytes]) -> None:
        """They have been put to rest."""
        for key in keys:
            self._traces.pop(key, None)
