"""The websocket task: find the console, attach, show what comes; again after a loss.

    stay_attached
        per connection a nursery of its own:
            read_output · send_typed · SilenceExplainer.watch · PipedInput.feed

Leaving that nursery closes the connection.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from novaconsole.console.connect import ConnectOptions, ConsoleAddress, connect
from novaconsole.console.explain import describe_loss
from novaconsole.console.outcome import (
    SETTLED_SECONDS,
    ConnectionSummary,
    Outcome,
    Reason,
)
from novaconsole.console.retry import (
    GOOD_SECONDS,
    Connect,
    RetryPolicy,
    connect_with_retries,
)
from novaconsole.console.source import ConsoleSource
from novaconsole.errors import NovaConsoleError
from novaconsole.network.target import Target
from novaconsole.session.display import Display, Recorder
from novaconsole.session.keyboard import PipedInput, send_typed
from novaconsole.session.outage import OutageReport
from novaconsole.session.reader import OutputSink, read_output, show_text
from novaconsole.session.silence import SilenceExplainer
from novaconsole.session.state import Attachment, Session
from novaconsole.websocket.connection import Connection

if TYPE_CHECKING:
    from novaconsole.session.history import HistoryReplay


class ConnectLoop:
    """Attaches, and attaches again for as long as the policy allows.

    Args:
        session: that it is part of.
        source: finds the console.
        options: how to connect.
        policy: decides whether to try again.
        connect: `connect.connect`, or a stand-in for tests.
        display: shows output.
        log: takes output.
        recorder: records the session, or None.
        piped: redirected input to send, or None.
        how_to_leave: what to tell the user about that, or None.
    """

    def __init__(
        self,
        session: Session,
        source: ConsoleSource,
        options: ConnectOptions,
        policy: RetryPolicy,
        *,
        connect: Connect = connect,
        display: Display,
        log: OutputSink,
        recorder: Recorder | None = None,
        piped: PipedInput | None = None,
        how_to_leave: str | None = None,
    ) -> None:
        self._session = session
        self._source = source
        self._options = options
        self._connect = connect
        self._policy = policy
        self._display = display
        self._log = log
        self._recorder = recorder
        self._piped = piped
        self._how_to_leave = how_to_leave
        lines = session.options.history
        self._history = _history(lines, source) if lines else None
        self._silence = SilenceExplainer(session, source)
        self._has_announced = self._has_asked = False
        self._outage = OutageReport(session.notices)
        self._task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED

    async def stay_attached(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run until the session has ended.

        Reports that it has started when the terminal is needed: attached, or waiting
        and having said for what.  Then it waits for `session.begun`.
        """
        self._task_status = task_status
        session = self._session
        try:
            await self._attach_again_and_again()
        except NovaConsoleError as exc:
            if session.last is None:
                if self._history is not None:
                    # What the guest printed may explain why it cannot be reached.
                    text = await self._history.alone()
                    await show_text(session, self._display, text)
                session.end(Outcome(Reason.FAILED, error=exc))
            else:
                session.end(Outcome(Reason.CLOSED, error=exc))
        if not self._has_asked:
            task_status.started()

    async def _attach_again_and_again(self) -> None:
        session, policy = self._session, self._policy
        while True:
            async with connect_with_retries(
                self._source,
                self._options,
                policy,
                connect=self._connect,
                on_address=self._tell_address,
                on_failure=self._tell_failure,
            ) as (connection, target):
                lost, by_hand = await self._use(connection, target)
            # Nothing sent and nothing received: there was no console at all.
            was_used = lost.bytes_out > 0 or not lost.is_refusal
            if session.input_has_ended and was_used:
                # What the guest had still to say may be lost with the connection.
                is_all = lost.close_reason is not None and lost.close_reason.is_orderly
                session.end(Outcome(Reason.INPUT_ENDED if is_all else Reason.CLOSED))
                return
            pause = policy.after_connection(lost, by_hand=by_hand)
            if pause is None:
                session.end(Outcome(Reason.CLOSED))
                return
            session.notices.event("reconnecting", by_hand=by_hand)
            if by_hand:
                self._outage.end()
            self._outage.lost(None if by_hand else describe_loss(lost))
            self._ask_for_terminal()
            await trio.sleep(pause)

    async def _use(
        self, connection: Connection, target: Target
    ) -> tuple[ConnectionSummary, bool]:
        """Use a connection until it ends; what became of it, and whether by `~R`."""
        session = self._session
        # Typing is bounded by the person and by a paste; a pipe has to wait.
        limit = math.inf if self._piped is None else 0
        send, receive = trio.open_memory_channel[bytes](limit)
        attachment = Attachment(connection, target, send)
        if self._has_announced:
            attachment = replace(attachment, may_show=trio.Event())
        session.attach(attachment)
        self._mark(
            f"attached {'again ' if self._has_announced else ''}to {target.title}"
        )
        session.notices.event("attached", title=target.title, url=target.masked_url)
        try:
            async with trio.open_nursery() as tasks:
                if self._has_announced:
                    tasks.start_soon(self._announce_again, attachment)
                else:
                    self._has_announced = True
                    session.notices.say(f"connected to: {target}")
                    self._ask_for_terminal()
                    await session.begun.wait()
                tasks.start_soon(
                    send_typed, session, attachment, receive, self._recorder
                )
                tasks.start_soon(self._silence.watch, attachment)
                if self._piped is not None:
                    tasks.start_soon(self._piped.feed, attachment)
                tasks.start_soon(self._read, attachment, tasks.cancel_scope)
                await attachment.reconnect.wait()
                tasks.cancel_scope.cancel(reason="the user wants another connection")
        finally:
            session.detach()
            lost = attachment.summary()
            self._mark(describe_loss(lost))
            session.notices.event("closed", **lost.as_event())
        return lost, attachment.reconnect.is_set()

    async def _read(self, attachment: Attachment, tasks: trio.CancelScope) -> None:
        await read_output(
            self._session, attachment, self._log, self._display, self._history
        )
        tasks.cancel(reason="the connection has ended")

    def _mark(self, label: str | None) -> None:
        if label and self._recorder is not None:
            self._recorder.mark(label)

    # ---- what the user is told

    def _tell_address(self, address: ConsoleAddress) -> None:
        target = address.target
        notices = self._session.notices
        notices.event("connecting", title=target.title, url=target.masked_url)
        if target.secure and address.tls.insecure and not self._has_announced:
            notices.say("the certificate is not checked (--insecure)")

    async def _announce_again(self, attachment: Attachment) -> None:
        # Not at once: the proxy accepts every client, and hangs up on some.
        with trio.move_on_after(SETTLED_SECONDS):
            await attachment.output_came.wait()
        self._outage.attached(str(attachment.target))
        # Before the first output, not in the middle of the guest's line.
        await self._session.notices.flush()
        attachment.may_show.set()
        await trio.sleep_until(attachment.connection.opened_at + GOOD_SECONDS)
        self._outage.lasted(str(attachment.target))

    def _tell_failure(self, error: NovaConsoleError) -> None:
        self._outage.waiting(str(error))
        self._ask_for_terminal()

    def _ask_for_terminal(self) -> None:
        """The user can leave with the escape from now on: say so, once."""
        if self._has_asked:
            return
        self._has_asked = True
        if self._session.options.read_only:
            self._session.notices.say("read-only: nothing is sent to the guest")
        if self._how_to_leave is not None:
            self._session.notices.say(self._how_to_leave)
        self._task_status.started()


def _history(lines: int, source: ConsoleSource) -> "HistoryReplay":
    # Imported here, because few need it, and a session has to start at once.
    from novaconsole.session.history import HistoryReplay

    return HistoryReplay(lines, source)
