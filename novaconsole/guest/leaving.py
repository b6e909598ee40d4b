"""Waits for the end of a login that this program has made."""

import math

from novaconsole.guest.recent import RecentOutput

_SECONDS = 5.0
_QUIET_SECONDS = 0.4


class Leaving:
    """Waits for a login prompt, but not for long.

    Attributes:
        deadline: when to call `wake`, on the caller's clock.
        is_over: whether there is nothing more to wait for.
    """

    def __init__(self, now: float) -> None:
        self._output = RecentOutput()
        self.deadline = self._give_up_at = now + _SECONDS
        self.is_over = False

    def feed(self, data: bytes, now: float) -> None:
        """Take what the guest has sent."""
        self._output.feed(data)
        self.deadline = min(self._give_up_at, now + _QUIET_SECONDS)

    def wake(self, now: float) -> None:
        """Look whether it has ended; to be called at the deadline."""
        self.is_over = now >= self._give_up_at or self._output.is_at_login
        self.deadline = math.inf if self.is_over else self._give_up_at
