"""The state that the tasks of a session share, and the two that serve all others.

Each task may end the session by naming the end; the first one wins.  The task that
reads the keyboard waits for nothing else, so `~.` works whatever else hangs: what is
typed goes through a channel to the task that sends it, what we say through another to
the task that shows it.
"""

import math
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import trio

from novaconsole.capture.log import SessionLog
from novaconsole.capture.recording import Recording
from novaconsole.console.connect import ConnectOptions
from novaconsole.console.outcome import Ended, Reason
from novaconsole.console.retry import RetryPolicy
from novaconsole.console.source import ConsoleSource
from novaconsole.errors import NovaConsoleError
from novaconsole.session.attachment import Attachment
from novaconsole.session.display import Display
from novaconsole.session.escapes import show_char
from novaconsole.session.unattended import ATTENDED, Unattended
from novaconsole.terminal.notices import VERBOSE, Notices
from novaconsole.terminal.stdio import Stdio
from novaconsole.terminal.tty import Terminal

# `~.` acts at once: so long may the goodbye take.
_HASTY_GOODBYE_SECONDS = 0.015
_QUEUED_NOTICES = 256
_SLOW_SCREEN_SECONDS = 0.1
_BELL = "\a"


@dataclass(frozen=True)
class SessionOptions:
    """What the user asked for.

    Attributes:
        source: knows where the console is.
        connect: how to reach it.
        escape: the escape character, one byte; None for none.
        log: takes the guest's bytes, where the user wants that.
        close_wait: seconds without output after which piped input that has ended
            ends the session.
        wait: whether to wait until the server runs.
        reconnect: whether to attach again when the connection is lost.
        history: lines of the console log to show first.
        recording: of the session; None for none.
        unattended: what ends the session by itself.
    """

    source: ConsoleSource
    connect: ConnectOptions
    escape: bytes | None
    log: SessionLog
    close_wait: float
    wait: bool = False
    reconnect: bool = False
    history: int = 0
    recording: Recording | None = None
    unattended: Unattended = ATTENDED


class Session:
    """The state that the tasks share.

    Args:
        nursery: of the tasks; cancelling it ends them.
        stdio: the standard streams.
        notices: for what we say.
        options: what the user asked for.

    Attributes:
        ended: how it ended, None where it failed.
        failure: why the console could not be reached, None where it could.
        attachment: the link in use; None before the first and in an outage.
        last: the attachment before, None before the first has ended.
        persistence: decides whether there is another link.
        display: shows what the guest sends.
        has_begun: whether the terminal is ours.
        input_has_ended: whether piped input has been sent to its end.
        silence_explained: whether the user has been told why nothing comes.
        quiet_since: on trio's clock, when the latest output had been shown; infinity
            while some waits for the screen.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        stdio: Stdio,
        notices: Notices,
        options: SessionOptions,
    ) -> None:
        self.nursery = nursery
        self.stdio = stdio
        self.notices = notices
        self.options = options
        self.escape = options.escape if stdio.keyboard else None
        self.ended: Ended | None = None
        self.failure: NovaConsoleError | None = None
        self.attachment: Attachment | None = None
        self.last: Attachment | None = None
        self.retry_policy = RetryPolicy(
            wait=options.wait, reconnect=options.reconnect, renews=options.source.renews
        )
        self.input_has_ended = False
        self.silence_explained = False
        self.quiet_since = math.inf
        self.has_begun = False
        self.display = Display(stdio.screen, options.recording)
        self._thread = threading.get_ident()
        self._trio_token = trio.lowlevel.current_trio_token()
        self._unshown = ""  # what is being written, and may be cut off
        self._said, self._to_show = trio.open_memory_channel[str](_QUEUED_NOTICES)

    # ---- the end

    def end(self, ended: Ended, *, grace: float = 0) -> None:
        """End the session; who comes second is too late.

        Args:
            ended: how.
            grace: seconds for what is under way.
        """
        if self.is_over:
            return
        self.ended = ended
        if self.attachment and ended.reason is not Reason.INPUT_ENDED:
            self.attachment.connection.limit_close(_HASTY_GOODBYE_SECONDS)
        scope = self.nursery.cancel_scope
        if grace:
            scope.deadline = min(scope.deadline, trio.current_time() + grace)
        else:
            scope.cancel(reason=ended.reason.value)

    def fail(self, error: NovaConsoleError) -> None:
        """The console cannot be reached; nothing happens if the end is there before."""
        if not self.is_over:
            self.failure = error
        self.nursery.cancel_scope.cancel(reason="failed")

    @property
    def is_over(self) -> bool:
        """Whether the end has been named."""
        return self.ended is not None or self.failure is not None

    # ---- the beginning

    def take_terminal(self) -> None:
        """From now on keys are ours, and what we say goes between the guest's bytes."""
        self.has_begun = True
        if self.stdio.keyboard:
            self.stdio.keyboard.enter_raw()
        self.notices.hand_to(self._queue_notice)
        self.nursery.start_soon(self._show_notices)

    def attach(self, attachment: Attachment) -> None:
        """A link is open."""
        self.attachment = attachment
        self.quiet_since = trio.current_time()

    def detach(self, *, hasty: bool = False) -> None:
        """The link is of no use any more.

        Args:
            hasty: nobody wants to wait for its goodbye.
        """
        if self.attachment is not None:
            self.last, self.attachment = self.attachment, None
            if hasty:
                self.last.connection.limit_close(_HASTY_GOODBYE_SECONDS)

    def say_how_to_leave(self) -> None:
        """The second line that everybody is told."""
        if self.escape:
            self.notices.say(f'type "{show_char(self.escape)}." to disconnect')
        elif self.stdio.keyboard:
            self.notices.say("no escape character: closing the terminal disconnects")

    # ---- tasks

    async def watch_signals(self, signals: AsyncIterator[int]) -> None:
        """Act on signals, from the first to the last moment."""
        keyboard = self.stdio.keyboard
        async for signum in signals:
            if self.options.recording:  # of a change during a stop nobody tells
                self.options.recording.resize(self.size())
            if signum == signal.SIGCONT:
                if keyboard:
                    keyboard.resume()
            elif signum == signal.SIGWINCH:
                self._tell_size()
            else:
                self.end(Ended(Reason.SIGNAL, signum=signum))

    async def _show_notices(self) -> None:
        """Write what we say between the guest's bytes."""
        messages = self.stdio.messages
        async for line in self._to_show:
            start, end = "", "\n"
            if isinstance(messages, Terminal):
                if line == _BELL:
                    end = ""
                else:
                    start = "" if messages.at_line_start else "\r\n"
                    end = "\r\n" if messages.is_raw else "\n"
            self._unshown = line
            try:
                await messages.send_all(f"{start}{line}{end}".encode(errors="replace"))
            except OSError:
                return  # nobody listens
            self._unshown = ""

    def leave(self) -> None:
        """The tasks are over: let what we say be written at once again."""
        self.display.rest()
        messages = self.stdio.messages
        inside_a_line = isinstance(messages, Terminal) and not messages.at_line_start
        self.notices.write_directly(inside_a_line=inside_a_line)
        line = self._unshown
        with suppress(trio.WouldBlock):
            while True:
                if line not in ("", _BELL):
                    self.notices.repeat(line)
                line = self._to_show.receive_nowait()

    # ---- for the tasks

    def ring(self) -> None:
        """Tell that a key goes nowhere."""
        if isinstance(self.stdio.messages, Terminal):
            self._queue_notice(_BELL)

    def answer(self, *lines: str) -> None:
        """Say what was asked for, whatever the verbosity."""
        for line in lines:
            self.notices.answer(line)

    def size(self) -> os.terminal_size:
        """Of the terminal; both 0 where there is none."""
        for stream in (self.stdio.screen, self.stdio.keyboard):
            if isinstance(stream, Terminal):
                return stream.size()
        return os.terminal_size((0, 0))

    async def wait_for_quiet(self) -> None:
        """Wait until no output has come for `close_wait` seconds from now on."""
        wait, now = self.options.close_wait, trio.current_time()
        while (over := max(self.quiet_since, now) + wait) > trio.current_time():
            # Infinity while the screen is busy: look again in a moment.
            soon = trio.current_time() + _SLOW_SCREEN_SECONDS
            await trio.sleep_until(soon if over == math.inf else over)

    def _queue_notice(self, line: str) -> None:
        if threading.get_ident() == self._thread:
            self._queue_here(line)
            return
        # The libraries that ask the cloud log from a thread of their own.
        with suppress(trio.RunFinishedError):
            self._trio_token.run_sync_soon(self._queue_here, line)

    def _queue_here(self, line: str) -> None:
        # The terminal takes nothing: the user will not miss this most.
        with suppress(trio.WouldBlock):
            self._said.send_nowait(line)

    def _tell_size(self) -> None:
        columns, lines = self.size()
        self.notices.say(
            f"the terminal has {columns} columns and {lines} lines; a serial line "
            f"cannot tell the guest: stty columns {columns} rows {lines}",
            VERBOSE,
        )
