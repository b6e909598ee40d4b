"""Every error that a caller may want to catch, with what to try and the exit status.

A message is one sentence without a full stop, the thing first, and never holds a
token.  A hint is what to type or look at next.  Foreign exceptions become these in
the one module that owns the library they come from.
"""

import enum
from typing import Self

STATUS_INTERRUPTED = 130  # 128 + SIGINT, as shells report Ctrl-C


class Retryable(enum.Enum):
    """Whether trying again may help who does not mind to wait."""

    NONE = "none"
    SOON = "soon"  # a disturbance: worth some tries
    IN_TIME = "in time"  # a state of the server: as long as it takes


class NovaConsoleError(Exception):
    """Base of all errors of novaconsole; never raised itself.

    Args:
        message: what happened, in the user's terms.
        hint: what to try, or None where nothing sensible can be said.
        hope: whether trying again may help; None for what the class says.

    Attributes:
        exit_status: for the shell.
        hope: whether trying again may help.
    """

    exit_status = 1
    retryable = Retryable.NONE

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


class UsageError(NovaConsoleError):
    """What was asked for makes no sense, whatever the cloud or the network does."""

    exit_status = 2


class TimedOut(NovaConsoleError):
    """What was waited for did not come in time."""

    exit_status = 124  # as timeout(1)


class GuestNotReady(NovaConsoleError):
    """No command can be run in the guest, or not to its end."""


class OutputFailed(NovaConsoleError):
    """Standard output cannot be written."""

    @classmethod
    def because(cls, reason: OSError) -> Self:
        """The error for a write that failed."""
        return cls(f"cannot write the output: {reason.strerror}")


class CloudError(NovaConsoleError):
    """The cloud could not be asked, or did not want to answer."""


class CloudUnreachable(CloudError):
    """The cloud did not answer, or not in a sensible way."""

    retryable = Retryable.SOON


class ServerNotFound(CloudError):
    """No server has this name or id."""

    retryable = Retryable.IN_TIME


class ServerAmbiguous(CloudError):
    """Several servers have this name."""


class ServerNotActive(CloudError):
    """The server is in a state in which its console URL leads nowhere, or elsewhere."""

    retryable = Retryable.IN_TIME


class ConsoleUnavailable(CloudError):
    """The cloud has the server but gives no serial console for it."""


class ConnectError(NovaConsoleError):
    """The websocket could not be reached: name, route, refusal, TLS or time."""

    retryable = Retryable.SOON


class HandshakeFailed(ConnectError):
    """Something answered, but not with a websocket.

    Args:
        message: what happened.
        hint: what to try.
        status: the HTTP status of the answer, or None where it was not HTTP.
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
