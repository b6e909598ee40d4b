"""Every error that a caller can catch, with a hint and the exit status.

A message is one sentence that begins with the subject, has no full stop and never holds
a token.  A hint says what to try next, and begins with a verb.  The exceptions of a
library are converted to these in the module that owns the library.
"""

import enum
from typing import Self

# What to try for a console on which nothing answers.
NO_ANSWER_HINT = (
    "check that a getty or a shell runs on ttyS0 in the guest, and that no other "
    "client holds the console"
)

STATUS_INTERRUPTED = 130  # 128 + SIGINT, as shells report Ctrl-C


def in_words(seconds: float) -> str:
    """Seconds as people write them: "1 second", "2.5 seconds"."""
    number = f"{seconds:.3f}".rstrip("0").rstrip(".")
    return "1 second" if number == "1" else f"{number} seconds"


class Retryable(enum.Enum):
    """Whether the operation is worth retrying."""

    NONE = "none"
    SOON = "soon"  # a temporary failure: worth a few attempts
    IN_TIME = "in time"  # a state of the server: worth waiting for its end


class NovaConsoleError(Exception):
    """Base of all errors of novaconsole; never raised itself.

    Args:
        message: what happened, in the user's terms.
        hint: what to try, or None if there is nothing useful to suggest.
        retryable: whether the operation is worth retrying, or None for the default of
            the class.

    Attributes:
        exit_status: for the shell.
        hint: what to try, or None.
        retryable: whether the operation is worth retrying.
        started: whether the command that was to be run in the guest had begun; None if
            that is not known, or if there was no command.
    """

    exit_status = 1
    retryable = Retryable.NONE
    started: bool | None = None

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        retryable: Retryable | None = None,
    ) -> None:
        super().__init__(message)
        self.hint = hint
        if retryable is not None:
            self.retryable = retryable

    def blame(self, source: str | None) -> None:
        """Let the message begin with the option that gave what is refused.

        Args:
            source: as messages show it, with its variable; None changes nothing.
        """
        if source is not None:
            option = source.partition(" ")[0]
            reason = str(self).removeprefix(f"{option}: ")
            self.args = (f"{source}: {reason}",)


class UsageError(NovaConsoleError):
    """The request makes no sense, whatever the cloud or the network does."""

    exit_status = 2


class TimedOut(NovaConsoleError):
    """The time ran out before the expected event."""

    exit_status = 124  # as with timeout(1)

    @classmethod
    def of_command(
        cls, started: bool | None, seconds: float, hint: str | None = None
    ) -> Self:
        """The error for a command in the guest whose time ran out.

        Args:
            started: whether it was started, or None if that is not known.
            seconds: its time.
            hint: what to try, or None.
        """
        if started:
            message = f"the command has not ended within {in_words(seconds)}"
        elif started is None:
            message = f"the command may not have started within {in_words(seconds)}"
        else:
            message = f"the command was not started within {in_words(seconds)}"
        error = cls(message, hint)
        error.started = started
        return error


class GuestNotReady(NovaConsoleError):
    """A command could not be run in the guest, or did not run to its end."""


class OutputFailed(NovaConsoleError):
    """Standard output could not be written."""

    @classmethod
    def because(cls, reason: OSError) -> Self:
        """The error for a write that failed."""
        return cls(f"cannot write the output: {reason.strerror}")


class InputFailed(NovaConsoleError):
    """Standard input could not be read."""

    @classmethod
    def because(cls, reason: OSError) -> Self:
        """The error for a read that failed."""
        return cls(f"cannot read the input: {reason.strerror}")


class CloudError(NovaConsoleError):
    """The cloud could not be reached or refused the request."""


class CloudUnreachable(CloudError):
    """The cloud did not answer, or failed to handle the request."""

    retryable = Retryable.SOON


class ServerNotFound(CloudError):
    """No server has this name or id."""

    retryable = Retryable.IN_TIME


class ServerAmbiguous(CloudError):
    """Several servers have this name."""


class ServerNotActive(CloudError):
    """The server is in a state in which its URL does not lead to its console."""

    retryable = Retryable.IN_TIME


class ConsoleUnavailable(CloudError):
    """The cloud has the server, but offers no serial console for it."""


class ConnectError(NovaConsoleError):
    """The websocket could not be reached: name, route, refusal, TLS or timeout."""

    retryable = Retryable.SOON


class HandshakeFailed(ConnectError):
    """The server answered, but did not open a websocket.

    Args:
        message: what happened.
        hint: what to try.
        status: the HTTP status of the response, or None if it was not HTTP.
    """

    def __init__(
        self, message: str, hint: str | None = None, *, status: int | None = None
    ) -> None:
        super().__init__(message, hint)
        self.status = status


class ConnectionLost(NovaConsoleError):
    """The connection was closed or lost."""

    exit_status = 3
    retryable = Retryable.SOON
