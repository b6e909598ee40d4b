"""How a session ends: expected ends are values, with one exit status each.

The statuses are the contract with scripts: 0 the user, the input or a match ended it,
3 the other side or the network did, 124 the time did, 128 + n signal n did.
"""

import enum
import signal
from dataclasses import dataclass

import trio

from novaconsole.errors import NovaConsoleError
from novaconsole.events import Field
from novaconsole.network.target import Target
from novaconsole.websocket.close import CloseReason
from novaconsole.websocket.connection import Connection

# nova-serialproxy looks at the token after the upgrade, and hangs up a moment later;
# when the compute host does not answer, it takes 60 seconds.
_AT_ONCE_SECONDS = 10
SETTLED_SECONDS = 1.0
_RPC_SECONDS = 55
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
        close_reason: how the websocket ended, if the other side closed it.
        error: what to say of it: why it could not be opened again, where that was
            tried, or what has not come in time.
    """

    reason: Reason
    signum: int | None = None
    close_reason: CloseReason | None = None
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


@dataclass(frozen=True)
class ConnectionSummary:
    """What is known of a link that has ended.

    Attributes:
        title: the server's name or address.
        named: whether a cloud was asked for the server.
        seconds: how long the link was open.
        bytes_in: payload received.
        close_reason: how it ended, or None unless the other side ended it.
        bytes_out: payload sent.
    """

    title: str
    named: bool
    seconds: float
    bytes_in: int
    close_reason: CloseReason | None = None
    bytes_out: int = 0

    def as_event(self) -> dict[str, Field]:
        """For programs; there is no code where the other side has sent none."""
        close_reason = self.close_reason
        return {
            "code": close_reason.code if close_reason else None,
            "reason": close_reason.reason if close_reason else "",
            "seconds": round(self.seconds, 3),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
        }

    @property
    def was_used(self) -> bool:
        """Whether it led to a console; the proxy accepts everybody at first."""
        return self.bytes_in > 0 or self.seconds >= SETTLED_SECONDS

    @property
    def is_refusal(self) -> bool:
        """Whether the proxy did not want us, or found nothing behind it.

        For a bad token, a refused guest or a wrong Origin it accepts the upgrade and
        then hangs up without a word.
        """
        return (
            self._is_speechless
            and self.bytes_in == 0
            and self.seconds < _AT_ONCE_SECONDS
        )

    @property
    def is_late_refusal(self) -> bool:
        """Whether the proxy waited for the compute host, in vain."""
        return (
            self._is_speechless and self.bytes_in == 0 and self.seconds > _RPC_SECONDS
        )

    @property
    def _is_speechless(self) -> bool:
        return self.close_reason == CloseReason(None)


def summarize(connection: Connection, target: Target) -> ConnectionSummary:
    """What is known of a link, for the last words.

    Args:
        connection: the websocket.
        target: what it leads to.
    """
    return ConnectionSummary(
        title=target.title,
        named=target.name is not None,
        seconds=trio.current_time() - connection.opened_at,
        bytes_in=connection.bytes_in,
        close_reason=connection.close_reason,
        bytes_out=connection.bytes_out,
    )
