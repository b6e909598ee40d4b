"""Tells a login prompt of the guest from a command's output that looks like one.

If the guest reboots or the command kills the shell above it, a getty takes over the
console, and nothing reports the end of the command.  A getty answers Enter with another
prompt, and a command does not, because it does not read the console.
"""

import math

from novaconsole.guest.login import ENTER, RecentOutput

_SUSPICIOUS_SECONDS = 10.0  # of quiet after a prompt
_ANSWER_SECONDS = 5.0
_QUIET_SECONDS = 2.0  # after an answer
_ANSWERS = 2
_QUESTIONS = 6  # in all
_KEPT_BYTES = 200


class GettyWatch:
    """Looks at the end of the output, and asks.

    Attributes:
        deadline: when to call `wake`, on the caller's clock.
        is_at_login: whether the output ends with a login prompt.
        has_taken_over: whether a getty has the console.
    """

    def __init__(self) -> None:
        self._latest = b""
        self._answers = self._questions = 0
        self.deadline = math.inf
        self.has_taken_over = False

    @property
    def is_at_login(self) -> bool:
        """Whether the output ends with a login prompt."""
        output = RecentOutput()
        output.feed(self._latest)
        return output.is_at_login

    def clear(self) -> None:
        """Forget what was printed until now."""
        self._latest = b""
        self.deadline = math.inf

    def feed(self, data: bytes, now: float) -> None:
        """Take what the guest has sent."""
        self._latest = (self._latest + data)[-_KEPT_BYTES:]
        self.deadline = now + (_QUIET_SECONDS if self._answers else _SUSPICIOUS_SECONDS)

    def wake(self, now: float) -> bytes:
        """Return what is to be typed; to be called at the deadline."""
        self.deadline = math.inf
        if not self.is_at_login or self._questions == _QUESTIONS:
            self._answers = 0
        elif self._answers == _ANSWERS:
            self.has_taken_over = True
        else:  # the prompt is either the first one or an answer
            self._answers += 1
            self._questions += 1
            self._latest = b""
            self.deadline = now + _ANSWER_SECONDS
            return ENTER
        return b""
