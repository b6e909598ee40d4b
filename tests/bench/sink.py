"""The screen: reads a client's output, at full speed or like a slow terminal."""

import os
import select
import time
from collections.abc import Callable

# A read returns at most 4 KiB from a terminal driver, and 64 KiB from a pipe.
_READ_BYTES = 64 * 1024
_SLOW_READS_PER_SECOND = 100
_SLOW_READ_BYTES = 4096
_LATE_NS = 10_000_000  # how far a slow terminal may fall behind and catch up
_STUCK_NS = 60_000_000_000


class Stalled(Exception):
    """Expected output or an expected event did not arrive in time."""


class Sink:
    """Counts what it reads.

    Args:
        fd: a pty master, or the end of a pipe.
        rate: bytes per second; None as fast as it comes, 0 for a terminal that is
            stuck from the second byte on.

    Attributes:
        fd: see above.
        seen: bytes so far.
        first_at: time of the first read, in nanoseconds of the monotonic clock; 0
            before there was one.
        first: bytes in the first read.
        last_at: time of the latest read.
    """

    def __init__(self, fd: int, rate: int | None = None) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.seen = self.first = self.first_at = self.last_at = 0
        self._rate = rate
        self._piece = _READ_BYTES
        if rate is not None:
            self._piece = min(_SLOW_READ_BYTES, max(1, rate // _SLOW_READS_PER_SECOND))
        self._due = 0
        self._history: list[tuple[int, int]] = []

    def seen_at(self, at: int) -> int:
        """Bytes read until then; for a slow sink."""
        return max((seen for when, seen in self._history if when <= at), default=0)

    def read_until(
        self,
        done: Callable[[], bool],
        what: str,
        *,
        also: int | None = None,
        seconds: float = 60.0,
    ) -> None:
        """Read until a condition holds; it is checked after each read.

        Args:
            done: the condition.
            what: it is, for messages.
            also: wake up when this descriptor is readable.
            seconds: patience.

        Raises:
            Stalled: it took too long.
        """
        end = time.monotonic_ns() + int(seconds * 1e9)
        while not done():
            now = time.monotonic_ns()
            if now >= end:
                raise Stalled(f"no {what} within {seconds:g} s")
            if self._due > now:
                _wait([], also, min(self._due, end) - now)
            elif not self._read(now):
                _wait([self.fd], also, end - now)

    def read_to(self, total: int) -> None:
        """Read until this many bytes have arrived in all.

        Raises:
            Stalled: it took too long.
        """
        self.read_until(lambda: self.seen >= total, f"{total} bytes of output")

    def read_for(self, seconds: float) -> None:
        """Read for some time."""
        end = time.monotonic_ns() + int(seconds * 1e9)
        while (now := time.monotonic_ns()) < end:
            if self._due > now:
                _wait([], None, min(self._due, end) - now)
            elif not self._read(now):
                _wait([self.fd], None, end - now)

    def _read(self, now: int) -> bool:
        try:
            size = len(os.read(self.fd, self._piece))
        except BlockingIOError:
            return False
        if not size:
            raise Stalled("the client closed its output")
        self.last_at = time.monotonic_ns()
        self.seen += size
        if not self.first:
            self.first, self.first_at = size, self.last_at
        if self._rate is not None:
            cost = size * 1_000_000_000 // self._rate if self._rate else _STUCK_NS
            self._due = max(self._due, now - _LATE_NS) + cost
            self._history.append((self.last_at, self.seen))
        return True


def _wait(fds: list[int], also: int | None, nanoseconds: int) -> None:
    wanted = fds if also is None else [*fds, also]
    select.select(wanted, [], [], max(0, nanoseconds) / 1e9)
