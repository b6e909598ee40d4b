"""How a session ends: expected ends are values, with one exit status each.

The statuses are the contract with scripts: 0 the user, the input or a match ended it,
3 the other side or the network did, 124 the time did, 128 + n signal n did.
"""

import enum
import signal
from dataclasses import dataclass

from novaconsole.errors import NovaConsoleError

_STATUS_GONE = 3
_STATUS_TIMED_OUT = 124  # as timeout(1)

# For the README and the manual page.
EXIT_STATUSES = (
    (
        "0",
        (
            "you left with `~.`; `--until` matched; piped input ended; "
            "nobody reads the output any more"
        ),
    ),
    ("1", "the console could not be reached, and a line says why"),
    ("2", "wrong usage"),
    ("3", "the connection was closed or lost while attached"),
    ("124", "the time of `--timeout` was over"),
    (
        "128 + n",
        "signal n: 129 hang-up, 130 Ctrl-C, 131 quit, 143 termination",
    ),
)

# RFC 6455 section 7.4.1 and the IANA registry of close codes, in a user's words.
_CLOSE_CODES = {
    1000: "closed normally",
    1001: "the server is going away",
    1002: "websocket protocol error",
    1003: "kind of data not accepted",
    1005: "closed without a code",
    1007: "text that is not UTF-8",
    1008: "refused by policy",
    1009: "message too big",
    1011: "the server failed",
    1012: "the service is restarting",
    1013: "try again later",
    1014: "bad gateway",
}


@dataclass(frozen=True)
class Closed:
    """How the websocket ended.

    Attributes:
        code: the close code that the other side sent; None where the connection went
            away without a close frame (which RFC 6455 calls 1006).
        reason: the text that came with the code, or what is known of the loss.
    """

    code: int | None
    reason: str = ""

    def __str__(self) -> str:
        if self.code is None:
            return self.reason or "gone without a close frame"
        words = _CLOSE_CODES.get(self.code, "closed")
        if not self.reason:
            return f"{words} (code {self.code})"
        return f"{self.reason} (code {self.code}, {words})"


class Reason(enum.Enum):
    """Who or what ended the session."""

    QUIT = "quit"  # the user typed the escape
    INPUT_ENDED = "input ended"  # piped input ended, and the wait after it
    OUTPUT_CLOSED = "output closed"  # nobody reads standard output any more
    MATCHED = "matched"  # the output that was waited for came
    TIMED_OUT = "timed out"
    CLOSED = "closed"  # the other side or the network
    HANGUP = "hangup"  # our own terminal went away
    SIGNAL = "signal"


@dataclass(frozen=True)
class Ended:
    """The one end of a session.

    Attributes:
        reason: who or what ended it.
        signum: the signal, where it was one.
        closed: how the websocket ended, where the other side did it.
        error: what to say of it: why it could not be opened again, where that was
            tried, or what has not come in time.
    """

    reason: Reason
    signum: int | None = None
    closed: Closed | None = None
    error: NovaConsoleError | None = None

    @property
    def exit_status(self) -> int:
        """The status for the shell."""
        match self.reason:
            case Reason.CLOSED:
                return _STATUS_GONE
            case Reason.TIMED_OUT:
                return _STATUS_TIMED_OUT
            case Reason.HANGUP:
                return 128 + signal.SIGHUP
            case Reason.SIGNAL:
                return 128 + (self.signum or 0)
            case _:
                return 0
