"""The console task: find the console, attach, show what comes; again after a loss."""

import math

import trio

from novaconsole.console.connect import open_destination
from novaconsole.console.explain import describe_loss
from novaconsole.console.outcome import (
    SETTLED_SECONDS,
    ConnectionSummary,
    Ended,
    Reason,
)
from novaconsole.errors import NovaConsoleError, OutputFailed
from novaconsole.guest.expect import OutputBuffer
from novaconsole.network.target import Target
from novaconsole.session.attachment import Attachment
from novaconsole.session.history import HistoryReplay
from novaconsole.session.keyboard import PipedInput, read_keyboard, send_input
from novaconsole.session.silence import explain_silence
from novaconsole.session.state import Session
from novaconsole.terminal.pipes import Output
from novaconsole.websocket.connection import Connection


class Console:
    """The task, and what it remembers from one link to the next.

    Args:
        session: that it is part of.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._options = options = session.options
        piped = session.stdio.piped
        may_send = not options.unattended.read_only
        self._piped = PipedInput(piped) if piped and may_send else None
        self._replay = HistoryReplay(options.history) if options.history else None
        self._window = OutputBuffer()
        self._has_announced = False
        self._told: str | None = None  # in this outage

    async def run(self) -> None:
        """Attach; end the session when there is nothing more to hope for."""
        session = self._session
        try:
            await self._options.source.start(session.nursery, session.size())
            await self._stay_attached()
        except NovaConsoleError as exc:
            if session.last is None:
                await self._show_history_alone()
                session.fail(exc)
            else:
                session.end(Ended(Reason.CLOSED, error=exc))

    async def _stay_attached(self) -> None:
        session, retry_policy = self._session, self._session.retry_policy
        while True:
            try:
                connection, by_hand = await self._attach_once()
            except NovaConsoleError as exc:
                pause = retry_policy.after_error(exc)
                if pause is None:
                    raise
                self._tell(f"waiting: {exc}")
            else:
                # Nothing sent and nothing received: it was no console at all.
                was_used = connection.bytes_out > 0 or not connection.is_refusal
                if session.input_has_ended and was_used:
                    session.end(
                        Ended(Reason.INPUT_ENDED, close_reason=connection.close_reason)
                    )
                    return
                pause = retry_policy.after_link(connection, by_hand=by_hand)
                if pause is None:
                    session.end(
                        Ended(Reason.CLOSED, close_reason=connection.close_reason)
                    )
                    return
                session.notices.event("reconnecting", by_hand=by_hand)
                self._tell(
                    "reconnecting"
                    if by_hand
                    else f"{describe_loss(connection)}; reconnecting"
                )
            await trio.sleep(pause)

    async def _attach_once(self) -> tuple[ConnectionSummary, bool]:
        """Attach once, until the link ends; how it ended, and whether by hand."""
        session, source = self._session, self._options.source
        destination = await source.locate()
        target, tls = destination.target, destination.tls
        session.notices.event("connecting", title=target.title, url=target.masked_url)
        if target.secure and tls.insecure and not self._has_announced:
            session.notices.say("the certificate is not checked (--insecure)")
        async with open_destination(destination, self._options.connect) as connection:
            return await self._use(connection, target)

    async def _use(
        self, connection: Connection, target: Target
    ) -> tuple[ConnectionSummary, bool]:
        session = self._session
        # A person and a paste bound what is typed; a pipe has to wait.
        limit = math.inf if session.stdio.keyboard else 0
        send, receive = trio.open_memory_channel[bytes](limit)
        attachment = Attachment(connection, target, send)
        session.attach(attachment)
        again = "again " if self._has_announced else ""
        self._mark(f"attached {again}to {target.title}")
        session.notices.event("attached", title=target.title, url=target.masked_url)
        self._window = (
            OutputBuffer()
        )  # what was torn off with the last link is no beginning
        if self._replay:
            session.quiet_since = math.inf  # the end of piped input waits for it
        try:
            async with trio.open_nursery() as tasks:
                self._announce(attachment, tasks)
                tasks.start_soon(send_input, session, attachment, receive)
                tasks.start_soon(explain_silence, session, attachment)
                if self._piped:
                    tasks.start_soon(self._piped.feed, attachment)
                tasks.start_soon(self._read, attachment, tasks.cancel_scope)
                await attachment.reconnect.wait()
                tasks.cancel_scope.cancel(reason="the user wants another link")
        finally:
            session.detach()
            self._mark(describe_loss(attachment.summary))
            session.notices.event("closed", **attachment.summary.as_event())
        return attachment.summary, attachment.reconnect.is_set()

    async def _read(self, attachment: Attachment, tasks: trio.CancelScope) -> None:
        """Show what the guest sends, up to the end of the link."""
        if self._replay:
            source = self._options.source
            start = await self._replay.join(
                attachment.connection,
                source,
                self._options.log.write,
                self._session.notices.say,
            )
            if attachment.connection.bytes_in:
                attachment.output_came.set()  # which the history alone is not
            await self._write(start)
            self._look_at(start)
            self._session.quiet_since = trio.current_time()
        async for data in attachment.connection:
            await self._options.log.write(data)
            await self._show(attachment, data)
            self._look_at(data)
            if self._replay:
                self._replay.note(data)
        tasks.cancel(reason="the link has ended")

    def _mark(self, words: str | None) -> None:
        if words and self._options.recording:
            self._options.recording.mark(words)

    def _look_at(self, data: bytes) -> None:
        """End the session when that has been shown which it was to wait for."""
        until = self._options.unattended.until
        if until is not None:
            self._window.feed(data)
            if (match := self._window.find(until)) is not None:
                pattern = until.sources[match.index]
                self._session.notices.event("matched", pattern=pattern, text=match.text)
                self._session.end(Ended(Reason.MATCHED))

    async def _show(self, attachment: Attachment, data: bytes) -> None:
        self._session.quiet_since = math.inf
        attachment.output_came.set()
        started = trio.current_time()
        await self._write(data)
        attachment.connection.note_shown(len(data), started)
        self._session.quiet_since = trio.current_time()

    async def _write(self, data: bytes) -> None:
        try:
            await self._session.display.show(data)
        except BrokenPipeError:
            self._session.end(Ended(Reason.OUTPUT_CLOSED))
            await trio.sleep_forever()
        except OSError as exc:
            self._session.fail(OutputFailed(f"cannot write the output: {exc.strerror}"))
            await trio.sleep_forever()

    async def _show_history_alone(self) -> None:
        """The console cannot be reached; what the guest printed may explain it."""
        if self._replay:
            text = await self._replay.alone(self._options.source)
            await self._write(text)

    # ---- what the user is told

    def _announce(self, attachment: Attachment, tasks: trio.Nursery) -> None:
        if self._has_announced:
            tasks.start_soon(self._announce_again, attachment)
            return
        self._has_announced = True
        self._session.notices.say(f"connected to: {attachment.target}")
        self._begin()

    async def _announce_again(self, attachment: Attachment) -> None:
        # Not at once: the proxy accepts everybody, and hangs up on some.
        with trio.move_on_after(SETTLED_SECONDS):
            await attachment.output_came.wait()
        self._told = None
        self._session.notices.say(f"connected again to: {attachment.target}")

    def _tell(self, text: str) -> None:
        """Say what is waited for, when it changes."""
        if text != self._told:
            self._told = text
            self._session.notices.say(text)
        self._begin()

    def _begin(self) -> None:
        """Take the terminal, and let the tasks that serve all links run."""
        session = self._session
        if session.has_begun:
            return
        if self._options.unattended.read_only:
            session.notices.say("read-only: nothing is sent to the guest")
        session.say_how_to_leave()
        session.take_terminal()
        if session.stdio.keyboard:
            session.nursery.start_soon(read_keyboard, session, session.stdio.keyboard)
        if isinstance(session.stdio.screen, Output):
            session.nursery.start_soon(self._watch_output, session.stdio.screen)

    async def _watch_output(self, output: Output) -> None:
        """End the session when nobody reads standard output any more."""
        await output.wait_reader_gone()
        self._session.end(Ended(Reason.OUTPUT_CLOSED))
