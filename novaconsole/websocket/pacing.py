"""When to read next: a guest that prints steadily is shown in small heaps.

A read that brings sixteen bytes costs as much as one that brings a thousand.  What
comes first is shown at once, so that no key waits for its echo; what follows closely
and is little may gather for a moment that nobody sees.
"""

_GATHER_SECONDS = 0.003
_CLOSELY_SECONDS = 0.006
_LITTLE_BYTES = 4 * 1024


class Pacer:
    """Looks at what each read brought and when.

    Attributes:
        next_read: the earliest time for the next, on the caller's clock.
    """

    def __init__(self) -> None:
        self.next_read = 0.0
        self._latest = 0.0

    def note_read(self, size: int, now: float) -> None:
        """A read has brought bytes.

        Args:
            size: how many.
            now: in seconds.
        """
        follows = now - self._latest < _CLOSELY_SECONDS
        self._latest = now
        self.next_read = now
        if follows and size < _LITTLE_BYTES:
            self.next_read += _GATHER_SECONDS
