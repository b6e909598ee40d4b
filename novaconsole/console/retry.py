"""What follows the end of a link, or a failed try: another try, when, or the end.

Pure decisions; `console.py` carries them out.
"""

from novaconsole.console.backoff import Backoff
from novaconsole.console.explain import Finished
from novaconsole.errors import Hope, NovaConsoleError

_TRIES = 60  # five minutes of a network that refuses at once
_TRIES_WITH_ONE_URL = 20  # a minute and a half, for the guest to boot
_MOST_SECONDS_BETWEEN_TRIES = 5.0
# A boot loader shows its menu for five seconds: who looks less often misses it.
_MOST_SECONDS_BETWEEN_LOOKS = 1.5


class Persistence:
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
        match error.hope:
            case Hope.IN_TIME:
                return self._looks.pause()
            case Hope.SOON if self._tries.fail():
                return self._tries.pause()
            case _:
                return None

    def after_link(self, link: Finished, *, by_hand: bool = False) -> float | None:
        """A link has ended, by the user's `~R` or by itself.

        Returns:
            Seconds to wait before the next try; None to give up.
        """
        if by_hand:
            self.was_attached = self._by_hand = True
            self._start_outage()
            return 0
        if link.was_used:
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
