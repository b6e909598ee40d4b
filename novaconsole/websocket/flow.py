"""How much may be on its way to us, so that Ctrl-C is felt and nothing is slowed.

What the network has taken from the guest and the screen has not shown is shown after
Ctrl-C, too: with a slow terminal and the buffers that a kernel likes, for many seconds.
So a slow screen bounds what is in flight to what it takes in a moment and one round
trip.  A fast one does not, for on a long way the network must not wait for us.
"""

_GATHER_SECONDS = 0.003
_CLOSELY_SECONDS = 0.006
_LITTLE_BYTES = 4 * 1024

_SECONDS_IN_FLIGHT = 0.015
_MEASURED_SECONDS = 0.05  # less tells nothing about a rate
_LEAST_BYTES = 16 * 1024
_READ_BYTES = 64 * 1024
_MOST_BYTES = 256 * 1024  # above that the kernel knows better
_GROWTH = 2
_BUSY = 0.5  # of the time: then the screen is what everything waits for


class ReceiveWindow:
    """Watches the screen; says how large the receive buffer should be.

    Attributes:
        limit: bytes; None to leave it to the kernel.
        round_trip: the shortest that was seen, in seconds.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self.round_trip = 0.0
        self._bytes = 0
        self._busy = 0.0
        self._since: float | None = None
        self._is_measured = False

    @property
    def read_bytes(self) -> int:
        """How much to receive at once."""
        if not self._is_measured:
            return _LEAST_BYTES  # so that a slow screen is soon found out
        return min(self.limit or _READ_BYTES, _READ_BYTES)

    def note_shown(self, size: int, started: float, ended: float) -> bool:
        """Something was shown.

        Args:
            size: bytes of it.
            started: when it was given to the screen, in seconds of any clock.
            ended: when the screen had taken all of it, on the same clock.

        Returns:
            Whether the limit has changed.
        """
        if self._since is None:
            self._since = started
        self._bytes += size
        self._busy += ended - started
        elapsed = ended - self._since
        if elapsed < _MEASURED_SECONDS:
            return False
        self._is_measured = True
        before = self.limit
        if self._busy >= _BUSY * elapsed:
            seconds = _SECONDS_IN_FLIGHT + self.round_trip
            self._set(int(self._bytes / self._busy * seconds))
        elif self.limit is not None and self._bytes >= self.limit:
            self._set(self.limit * _GROWTH)  # the screen waits, maybe for the limit
        self._bytes, self._busy, self._since = 0, 0.0, None
        return self.limit != before

    def _set(self, wanted: int) -> None:
        self.limit = max(_LEAST_BYTES, wanted) if wanted < _MOST_BYTES else None


class ReadPacer:
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
