"""How long to wait before the next try, and when to give up."""

import random
from collections.abc import Callable

_FIRST_SECONDS = 0.25
_FACTOR = 1.5
_JITTER = 0.2  # many clients lose one proxy at the same moment


class Backoff:
    """The pauses of one outage.

    Args:
        tries: how many may fail.
        most_seconds: the longest pause, but for the jitter.
        uniform: random.uniform, or what takes its place.

    Attributes:
        failed: tries that have failed.
    """

    def __init__(
        self,
        tries: int,
        most_seconds: float,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.failed = 0
        self._tries = tries
        self._most_seconds = most_seconds
        self._uniform = uniform
        self._seconds = _FIRST_SECONDS

    def pause(self) -> float:
        """Seconds to wait now; longer each time."""
        seconds = self._seconds
        self._seconds = min(self._most_seconds, seconds * _FACTOR)
        return seconds * self._uniform(1 - _JITTER, 1 + _JITTER)

    def fail(self) -> bool:
        """A try has failed; whether another may be made."""
        self.failed += 1
        return self.failed < self._tries
