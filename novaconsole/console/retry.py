"""What follows the end of a link, or a failed try: another try, when, or the end.

Pure decisions; `console.py` carries them out.
"""

import random
from collections.abc import Callable

from novaconsole.console.outcome import ConnectionSummary
from novaconsole.errors import NovaConsoleError, Retryable

_TRIES = 60  # five minutes of a network that refuses at once
_TRIES_WITH_ONE_URL = 20  # a minute and a half, for the guest to boot
_MOST_SECONDS_BETWEEN_TRIES = 5.0
# A boot loader shows its menu for five seconds: who looks less often misses it.
_MOST_SECONDS_BETWEEN_LOOKS = 1.5
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


class RetryPolicy:
    """Decides what the user's wishes mean after each try.

    Args:
        wait: try until the console has been reached for the first time.
        reconnect: try again whenever it was lost.
        renews: whether each try has a new URL.

    Attributes:
        was_attached: whether a link has led to a console.
    """

    def __init__(self, *, wait: bool, reconnect: bool, renews: bool) -> None:
        self._wait = wait
        self._reconnect = reconnect
        self._renews = renews
        self.was_attached = False
        self._by_hand = False
        self._start_outage()

    def _start_outage(self) -> None:
        self._tries = Backoff(_TRIES, _MOST_SECONDS_BETWEEN_TRIES)
        self._refusals = 0
        self._looks = Backoff(_TRIES, _MOST_SECONDS_BETWEEN_LOOKS)

    @property
    def _is_wanted(self) -> bool:
        if self.was_attached:
            return self._reconnect or self._by_hand
        return self._wait

    def after_error(self, error: NovaConsoleError) -> float | None:
        """A try has failed.

        Returns:
            Seconds to wait before the next; None to give up.
        """
        if not self._is_wanted:
            return None
        match error.retryable:
            case Retryable.IN_TIME:
                return self._looks.pause()
            case Retryable.SOON if self._tries.fail():
                return self._tries.pause()
            case _:
                return None

    def after_link(
        self, connection: ConnectionSummary, *, by_hand: bool = False
    ) -> float | None:
        """A link has ended, by the user's `~R` or by itself.

        Returns:
            Seconds to wait before the next try; None to give up.
        """
        if by_hand:
            self.was_attached = self._by_hand = True
            self._start_outage()
            return 0
        if connection.was_used:
            self.was_attached = True
            self._by_hand = False
            self._start_outage()
            return 0 if self._reconnect else None
        # The proxy accepts everybody, and hangs up on those it does not want.
        self._refusals += 1
        is_useless = not self._renews and (
            not self.was_attached or self._refusals >= _TRIES_WITH_ONE_URL
        )
        if is_useless or not (self._is_wanted or self._reconnect):
            return None
        return self._tries.pause() if self._tries.fail() else None
