"""How a connection ended, and how a session did: values, not exceptions.

Each end of a session has one exit status.  The statuses are the contract with scripts:
0 the user, the end of the input or a match ended it, 1 the console could not be
reached, 3 the connection was closed or lost, 124 time ran out, 128 + n signal n ended
it.
"""

import enum
import signal
from dataclasses import dataclass

import trio

from novaconsole.console.token_lifetime import lifetime_that_ended
from novaconsole.errors import ConnectionLost, NovaConsoleError, TimedOut
from novaconsole.events import Field
from novaconsole.network.target import Target
from novaconsole.websocket.close import CloseReason
from novaconsole.websocket.connection import Connection

# nova-serialproxy checks the token after the upgrade, and hangs up a moment later ...
SETTLED_SECONDS = 1.0
_REFUSED_WITHIN_SECONDS = 10
# ... or after 60 seconds, if the compute host does not answer.
_RPC_SECONDS = 55

# What the demo says, where a real console closes with "Target closed".
DEMO_ENDED = "the demo's shell has ended"

# For the README and the manual page.
EXIT_STATUSES = (
    (
        "0",
        (
            "you left with `~.`; `--until` matched; piped input ended; "
            "the reader of the output has gone"
        ),
    ),
    ("1", "the console could not be reached, or the output not be written"),
    ("2", "wrong usage"),
    ("3", "the connection was closed or lost while attached"),
    ("124", "`--timeout` expired"),
    (
        "128 + n",
        "signal n: 129 hang-up, 130 Ctrl-C, 131 quit, 143 termination",
    ),
)


class Reason(enum.Enum):
    """What ended the session."""

    QUIT = "quit"  # the user typed the escape
    INPUT_ENDED = "input ended"  # piped input ended, and so did the wait after it
    OUTPUT_CLOSED = "output closed"  # the reader of standard output has gone
    MATCHED = "matched"  # the output that was waited for came
    TIMED_OUT = "timed out"
    CLOSED = "closed"  # by the other side, or by the network
    FAILED = "failed"  # the console could not be reached, or output not be written
    HANGUP = "hangup"  # our own terminal has gone
    SIGNAL = "signal"


@dataclass(frozen=True)
class Outcome:
    """How a session ended.

    Attributes:
        reason: what ended it.
        signum: the number of the signal, if one did.
        error: what the user has to be told, if it is an error.
    """

    reason: Reason
    signum: int | None = None
    error: NovaConsoleError | None = None

    @property
    def exit_status(self) -> int:
        """The status for the shell."""
        match self.reason:
            case Reason.FAILED:
                assert self.error is not None
                return self.error.exit_status
            case Reason.CLOSED:
                return ConnectionLost.exit_status
            case Reason.TIMED_OUT:
                return TimedOut.exit_status
            case Reason.HANGUP:
                return 128 + signal.SIGHUP
            case Reason.SIGNAL:
                return 128 + (self.signum or 0)
            case _:
                return 0


@dataclass(frozen=True)
class ConnectionSummary:
    """What is known of a connection that has ended.

    Attributes:
        title: the server's name or address.
        named: whether a cloud was asked for the server.
        seconds: how long the connection was open.
        bytes_in: payload received.
        close_reason: how it ended, or None if only we have ended it.
        bytes_out: payload sent.
        names_origin: whether the request had a Host or Origin that the user chose.
        token_age: seconds since the URL was requested, or if it was given, since the
            program has known it; None if that is not known.
    """

    title: str
    named: bool
    seconds: float
    bytes_in: int
    close_reason: CloseReason | None = None
    bytes_out: int = 0
    names_origin: bool = False
    token_age: float | None = None

    def as_event(self) -> dict[str, Field]:
        """The fields of the event `closed`; `code` is null without a close frame."""
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
        """Whether it led to a console; the proxy accepts every client at first."""
        return self.bytes_in > 0 or self.seconds >= SETTLED_SECONDS

    @property
    def is_refusal(self) -> bool:
        """Whether the proxy refused us, or found nothing behind it.

        For a bad token, a guest's port that refuses or a wrong Origin it accepts the
        upgrade and then hangs up without a close frame.
        """
        return (
            self._ended_without_a_word
            and self.bytes_in == 0
            and self.seconds < _REFUSED_WITHIN_SECONDS
        )

    @property
    def is_late_refusal(self) -> bool:
        """Whether the proxy waited for the compute host, in vain."""
        return (
            self._ended_without_a_word
            and self.bytes_in == 0
            and self.seconds > _RPC_SECONDS
        )

    @property
    def token_lifetime(self) -> int | None:
        """Seconds after which the cloud seems to end every session, or None.

        With enforce_session_timeout, nova-serialproxy hangs up without a close frame
        when the token expires.  Only the time gives that away.
        """
        if self.token_age is None or not self._ended_without_a_word:
            return None
        return lifetime_that_ended(self.token_age, was_given=not self.named)

    @property
    def _ended_without_a_word(self) -> bool:
        return self.close_reason == CloseReason(None)


def summarize(connection: Connection, target: Target) -> ConnectionSummary:
    """What is known of a connection now.

    Args:
        connection: open or closed.
        target: what it leads to.
    """
    return ConnectionSummary(
        title=target.title,
        named=target.name is not None,
        seconds=trio.current_time() - connection.opened_at,
        bytes_in=connection.bytes_in,
        close_reason=connection.close_reason,
        bytes_out=connection.bytes_out,
        names_origin=connection.names_origin,
        token_age=(
            None
            if connection.located_at is None
            else trio.current_time() - connection.located_at
        ),
    )
