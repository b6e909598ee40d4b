"""Tells whether the script in the guest is still there.

If the guest reboots, or something kills the shell above the command, a getty takes over
the console and nothing reports the end of the command.  So the script is asked now and
then, with an empty line, which a getty answers with another prompt and nothing else
minds.  The script answers at once, whatever the command does.  After two questions in
vain none is asked: who knows what reads the console now.  A login prompt then tells
that the script has gone; anything else may be a guest that stands still for a while.

The questions also tell the script that this program is still there (script.py).
"""

import math

from novaconsole.guest.recent import RecentOutput

QUESTION = b"\n"

_ASK_SECONDS = 4.0
_QUIET_SECONDS = 2.0  # after a login prompt
_IN_VAIN = 2
_KEPT_BYTES = 200


class Liveness:
    """Asks, and looks at the end of what the console shows.

    Attributes:
        deadline: when to call `wake`, on the caller's clock.
        is_at_login: whether the output ends with a login prompt.
        has_gone: whether a getty has the console.
    """

    def __init__(self) -> None:
        self._latest = b""
        self._unanswered = 0
        self.deadline = math.inf
        self.has_gone = False

    @property
    def is_at_login(self) -> bool:
        """Whether the output ends with a login prompt."""
        output = RecentOutput()
        output.feed(self._latest)
        return output.is_at_login

    def clear(self) -> None:
        """Forget what was printed until now."""
        self._latest = b""

    def begin(self, now: float) -> None:
        """The script has begun, or has answered."""
        self._unanswered = 0
        self.deadline = now + _ASK_SECONDS

    def feed(self, data: bytes, now: float) -> None:
        """Take what the guest has sent."""
        self._latest = (self._latest + data)[-_KEPT_BYTES:]
        if self._unanswered >= _IN_VAIN:
            self.deadline = now + _QUIET_SECONDS

    def wake(self, now: float, *, is_listening: bool) -> bytes:
        """Return what is to be typed; to be called at the deadline.

        Args:
            now: the time on the caller's clock.
            is_listening: whether an answer would have been heard.
        """
        if is_listening and self._unanswered >= _IN_VAIN:
            self.has_gone = self.is_at_login
            self.deadline = math.inf
            return b""
        self._unanswered += is_listening
        self.deadline = now + _ASK_SECONDS
        return QUESTION
