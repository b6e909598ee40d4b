"""What the tasks of a session share: how it ends, and the connection in use.

Any task may end the session by naming the outcome; the first one counts.  Nothing here
waits: tasks that have to wait for one another do so on the events of an `Attachment` or
on `OutputActivity`.
"""

from dataclasses import dataclass, field

import trio

from novaconsole.console.outcome import (
    ConnectionSummary,
    Outcome,
    Reason,
    summarize,
)
from novaconsole.guest.expect import Patterns
from novaconsole.network.target import Target
from novaconsole.session.activity import OutputActivity
from novaconsole.terminal.notices import Notices
from novaconsole.websocket.connection import Connection

# `~.` acts at once: this is all the time that the closing handshake gets then.
_HASTY_CLOSE_SECONDS = 0.015


@dataclass(frozen=True)
class SessionOptions:
    """What the user asked for.

    Attributes:
        escape: the escape character, one byte, or None for none.
        close_wait: seconds without output after which the session ends once piped
            input has ended.
        timeout: seconds after which the session ends, time spent on waiting for the
            server or the network included; infinity for no limit.
        wait: whether to wait until the server is running.
        reconnect: whether to attach again when the connection is lost.
        history: lines of the console log to show first.
        until: output that ends the session, or None.
        reads_stdin: whether standard input that is no terminal is for the guest.
        read_only: whether nothing may be sent to the guest.
    """

    escape: bytes | None
    close_wait: float
    timeout: float
    wait: bool = False
    reconnect: bool = False
    history: int = 0
    until: Patterns | None = None
    reads_stdin: bool = True
    read_only: bool = False


def _set_event() -> trio.Event:
    event = trio.Event()
    event.set()
    return event


@dataclass(frozen=True)
class Attachment:
    """One connection of a session, and what belongs to it.

    What was typed for a connection ends with it: keys must not reach a guest that has
    rebooted meanwhile.

    Attributes:
        connection: the websocket.
        target: what it leads to.
        typed: takes what is for the guest.
        enter_typed: set when Enter was among it.
        output_came: set when output of the guest has been shown.
        reconnect: set when the user has asked for another connection.
        may_show: set when output may be shown: a message that announces it comes first.
    """

    connection: Connection
    target: Target
    typed: trio.MemorySendChannel[bytes]
    enter_typed: trio.Event = field(default_factory=trio.Event)
    output_came: trio.Event = field(default_factory=trio.Event)
    reconnect: trio.Event = field(default_factory=trio.Event)
    may_show: trio.Event = field(default_factory=_set_event)

    def summary(self) -> ConnectionSummary:
        """What is known of the connection now."""
        return summarize(self.connection, self.target)

    async def announce_output(self) -> None:
        """Output has come; wait until it may be shown."""
        self.output_came.set()
        if not self.may_show.is_set():
            await self.may_show.wait()

    def hurry_close(self) -> None:
        """Give the closing handshake next to no time."""
        self.connection.limit_close(_HASTY_CLOSE_SECONDS)


class Session:
    """The state that the tasks share.

    Args:
        scope: of all tasks; cancelling it ends them.
        options: what the user asked for.
        notices: for messages.

    Attributes:
        options: what the user asked for.
        notices: for messages.
        activity: tells when output was shown last.
        begun: set when the terminal is ours; no output may be shown before.
    """

    def __init__(
        self, scope: trio.CancelScope, options: SessionOptions, notices: Notices
    ) -> None:
        self.options = options
        self.notices = notices
        self.activity = OutputActivity()
        self.begun = trio.Event()
        self._scope = scope
        self._outcome: Outcome | None = None
        self._attachment: Attachment | None = None
        self._last: ConnectionSummary | None = None
        self._input_has_ended = False

    # ---- the end

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, or None if it goes on."""
        return self._outcome

    def end(self, outcome: Outcome, *, grace: float = 0) -> None:
        """End the session.  Only the first call has an effect.

        Args:
            outcome: how it ends.
            grace: seconds for what is under way; 0 ends it at once.
        """
        if self._outcome is not None:
            return
        self._outcome = outcome
        if self._attachment and outcome.reason is not Reason.INPUT_ENDED:
            self._attachment.hurry_close()
        if grace:
            deadline = trio.current_time() + grace
            self._scope.deadline = min(self._scope.deadline, deadline)
        else:
            self.cancel()

    def cancel(self) -> None:
        """End the grace period: everything that was under way is done."""
        assert self._outcome is not None
        self._scope.cancel(reason=self._outcome.reason.value)

    # ---- the connection

    @property
    def attachment(self) -> Attachment | None:
        """The connection in use; None before the first and during an outage."""
        return self._attachment

    @property
    def last(self) -> ConnectionSummary | None:
        """What is known of the connection in use or the one before it."""
        if self._attachment is not None:
            return self._attachment.summary()
        return self._last

    def attach(self, attachment: Attachment) -> None:
        """Use a connection from now on."""
        self._attachment = attachment

    def detach(self) -> None:
        """Stop using the connection: keys go nowhere from now on."""
        if self._attachment is not None:
            self._last = self._attachment.summary()
            self._attachment = None

    # ---- piped input

    @property
    def input_has_ended(self) -> bool:
        """Whether piped input has been sent to its end."""
        return self._input_has_ended

    def end_input(self) -> None:
        """All of piped input has been sent."""
        self._input_has_ended = True
