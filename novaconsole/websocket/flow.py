"""Flow control: how much to receive, and when, so that Ctrl-C takes effect at once.

The problem: output that the network has already taken from the guest is still shown
after the user typed Ctrl-C.  With the receive buffer that a kernel chooses and a
terminal of 1 MB/s, that was measured as 1.4 MB more on the screen, as with ssh; with a
buffer of 16 KiB it was 0.6 MB.  At 100 kB/s the same buffer made the difference between
12 seconds and 3.6.  But a small buffer also limits throughput to one buffer a round
trip: 16 KiB at 100 ms is 160 kB/s.

The rule of `ReceiveWindow`: a screen that is the bottleneck limits what is in flight to
what it can show in a moment plus one round trip.  A screen that mostly waits for the
network sets no limit, because then only the kernel knows how much the path needs.  The
screen is the bottleneck when it is busy at least half of the time; its rate is measured
while it is busy.  A limit that turns out to be what the screen waits for is doubled
until the kernel decides again.

`ReadPacer` handles the opposite case, a guest that prints little but steadily (16 bytes
every 200 microseconds).  Every read costs a round of the event loop, so the next read
is delayed slightly and finds several writes at once.  Measured: 22 percent of a core
without it, 5.5 percent with it.  Only a read that closely follows another one delays
the next: the echo of a key is never held up, however fast the user types.

No I/O and no clock here: times are arguments.
"""

_GATHER_SECONDS = 0.003
_CLOSE_TOGETHER_SECONDS = 0.006
_SMALL_READ_BYTES = 4 * 1024

_SECONDS_IN_FLIGHT = 0.015
_MEASURING_SECONDS = 0.05  # a shorter time says nothing about a rate
_MIN_LIMIT_BYTES = 16 * 1024
_READ_BYTES = 64 * 1024
_MAX_LIMIT_BYTES = 256 * 1024  # above that the kernel decides
_GROWTH = 2
_BUSY_SHARE = 0.5  # of the time: above that the screen is the bottleneck


class ReceiveWindow:
    """Measures the screen and derives the size of the receive buffer from that.

    Attributes:
        limit: bytes, or None to leave it to the kernel.
        round_trip: the shortest round trip so far, in seconds.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self.round_trip = 0.0
        # Of the measurement that is under way:
        self._bytes = 0
        self._busy_seconds = 0.0
        self._since: float | None = None
        self._has_measured = False

    @property
    def read_bytes(self) -> int:
        """How many bytes to receive at once."""
        if not self._has_measured:
            return _MIN_LIMIT_BYTES  # so that a slow screen is noticed early
        return min(self.limit or _READ_BYTES, _READ_BYTES)

    def note_shown(self, size: int, started: float, ended: float) -> bool:
        """Record that the screen has taken some output.

        Args:
            size: bytes of it.
            started: when the output was given to the screen, in seconds on any clock.
            ended: when the screen had taken all of it, on the same clock.

        Returns:
            Whether `limit` has changed.
        """
        if self._since is None:
            self._since = started
        self._bytes += size
        self._busy_seconds += ended - started
        elapsed = ended - self._since
        if elapsed < _MEASURING_SECONDS:
            return False
        self._has_measured = True
        before = self.limit
        if self._busy_seconds >= _BUSY_SHARE * elapsed:
            seconds = _SECONDS_IN_FLIGHT + self.round_trip
            self._set_limit(int(self._bytes / self._busy_seconds * seconds))
        elif self.limit is not None and self._bytes >= self.limit:
            # The screen waits, and a full window came: the limit may be the cause.
            self._set_limit(self.limit * _GROWTH)
        self._bytes, self._busy_seconds, self._since = 0, 0.0, None
        return self.limit != before

    def _set_limit(self, size: int) -> None:
        is_limited = size < _MAX_LIMIT_BYTES
        self.limit = max(_MIN_LIMIT_BYTES, size) if is_limited else None


class ReadPacer:
    """Delays reads slightly, so that steady small output is handled in batches.

    Attributes:
        next_read: the earliest time for the next read, on the caller's clock.
    """

    def __init__(self) -> None:
        self.next_read = 0.0
        self._latest = 0.0

    def note_read(self, size: int, now: float) -> None:
        """Record a read.

        Args:
            size: bytes received.
            now: the current time in seconds.
        """
        follows_closely = now - self._latest < _CLOSE_TOGETHER_SECONDS
        self._latest = now
        self.next_read = now
        if follows_closely and size < _SMALL_READ_BYTES:
            self.next_read += _GATHER_SECONDS
