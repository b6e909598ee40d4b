"""The tasks of a session: keyboard, websocket, signals, and what joins them.

Each task may end the session by naming the end; the first one wins.  The task that
reads the keyboard waits for nothing else, so `~.` works whatever else hangs: what is
typed goes through a channel to the task that sends it, what we say through another to
the task that shows it.
"""

import math
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import trio

from novaconsole.connect import ConnectOptions, open_console
from novaconsole.ending import Ended, Reason
from novaconsole.errors import ConnectionLost, NovaConsoleError
from novaconsole.escape import (
    Action,
    Command,
    EscapeParser,
    Send,
    help_lines,
    show_char,
)
from novaconsole.link import Link
from novaconsole.locate import Source
from novaconsole.logfile import LogFile
from novaconsole.notices import VERBOSE, Notices
from novaconsole.pipes import Output
from novaconsole.stdio import Stdio
from novaconsole.target import Target
from novaconsole.terminal import Terminal

# `~.` acts at once: what was typed before it, and the goodbye, may take so long.
_FLUSH_SECONDS = 0.05
_HASTY_GOODBYE_SECONDS = 0.05
_SLOW_SCREEN_SECONDS = 0.1
_TYPED_BYTES = 64 * 1024
_TYPED_AHEAD_BYTES = 1024  # more than anybody types ahead
_QUEUED_NOTICES = 256
_BREAK_LINES = (
    "Nova's serial console cannot carry a BREAK",
    "in a Linux guest, for SysRq: echo LETTER > /proc/sysrq-trigger",
    "for a guest that hangs, an NMI from outside: openstack server dump create SERVER",
)


@dataclass(frozen=True)
class SessionOptions:
    """What the user asked for.

    Attributes:
        source: knows where the console is.
        connect: how to reach it.
        escape: the escape character, one byte; None for none.
        log: copies the guest's bytes; None for no log.
        close_wait: seconds without output after which piped input that has ended
            ends the session.
    """

    source: Source
    connect: ConnectOptions
    escape: bytes | None
    log: LogFile | None
    close_wait: float


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
        link: the websocket, None before it was open.
        target: what it leads to.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        stdio: Stdio,
        notices: Notices,
        options: SessionOptions,
    ) -> None:
        self._nursery = nursery
        self._stdio = stdio
        self._notices = notices
        self._options = options
        self._escape = options.escape if stdio.keyboard else None
        # A person and a paste bound what is typed; a pipe has to wait.
        limit = math.inf if stdio.keyboard else 0
        self._typed, self._to_send = trio.open_memory_channel[bytes](limit)
        self._said, self._to_show = trio.open_memory_channel[str](_QUEUED_NOTICES)
        self.link: Link | None = None
        self.target: Target | None = None
        self._input_has_ended = False
        self._quiet_since = math.inf
        self.ended: Ended | None = None
        self.failure: NovaConsoleError | None = None

    def end(self, ended: Ended, *, grace: float = 0) -> None:
        """End the session; who comes second is too late.

        Args:
            ended: how.
            grace: seconds for what is under way.
        """
        if self.ended is not None or self.failure is not None:
            return
        self.ended = ended
        if self.link and ended.reason is not Reason.INPUT_ENDED:
            self.link.close_timeout = _HASTY_GOODBYE_SECONDS
        scope = self._nursery.cancel_scope
        if grace:
            scope.deadline = trio.current_time() + grace
        else:
            scope.cancel(reason=ended.reason.value)

    # ---- tasks

    async def watch_signals(self, signals: AsyncIterator[int]) -> None:
        """Act on signals, from the first to the last moment."""
        keyboard = self._stdio.keyboard
        async for signum in signals:
            if signum == signal.SIGCONT:
                if keyboard:
                    keyboard.resume()
            elif signum == signal.SIGWINCH:
                self._tell_size()
            else:
                self.end(Ended(Reason.SIGNAL, signum=signum))

    async def read_console(self) -> None:
        """Find the console, connect to it, and show what the guest sends."""
        options = self._options
        try:
            destination = await options.source.locate(self._nursery, self._size())
            target, tls = destination.target, destination.tls
            if target.secure and tls.insecure:
                self._notices.say("the certificate is not checked (--insecure)")
            async with open_console(target, tls, options.connect) as link:
                self._attach(link, target)
                async for data in link:
                    await self._show(data)
                self._end_by_other_side(link)
        except NovaConsoleError as exc:
            self._fail(exc)
        except BrokenPipeError:
            self.end(Ended(Reason.OUTPUT_CLOSED))
        except OSError as exc:
            self._fail(NovaConsoleError(f"cannot write the output: {exc.strerror}"))

    async def read_keyboard(self, keyboard: Terminal, link: Link) -> None:
        """Split what is typed into what the guest gets and what is for us."""
        parser = EscapeParser(self._escape)
        while self.ended is None:
            # Byte by byte, but for the bulk of a paste: what the user types after "~."
            # is for the shell, and what has been read cannot be given back.
            limit = 1
            if self._escape is None:
                limit = _TYPED_BYTES
            elif not parser.may_escape:
                limit = max(1, keyboard.waiting_bytes() - _TYPED_AHEAD_BYTES)
            data = await keyboard.receive_some(limit)
            if not data:
                self.end(Ended(Reason.HANGUP))
            for event in parser.feed(data):
                if self.ended is not None:
                    return  # what was pasted behind "~." goes nowhere
                match event:
                    case Send(typed):
                        self._typed.send_nowait(typed)
                    case Command(action):
                        self._obey(action, keyboard, link)

    async def read_pipe(self) -> None:
        """Send piped input as it is, as fast as it is taken."""
        assert self._stdio.piped is not None
        with self._typed:
            while data := await self._stdio.piped.receive_some():
                await self._typed.send(data)

    async def send_input(self, link: Link) -> None:
        """Send what was typed, then see to it that the session ends."""
        async for data in self._to_send:
            try:
                await link.send(data + self._waiting_input())
            except ConnectionLost:
                return  # read_console finds out why, after the guest's last bytes
        if self.ended is not None:  # "~.": all that was typed before it has left
            self._nursery.cancel_scope.cancel(reason=self.ended.reason.value)
            return
        self._input_has_ended = True
        await self._wait_for_quiet()
        self.end(Ended(Reason.INPUT_ENDED))

    async def watch_output(self, output: Output) -> None:
        """End the session when nobody reads standard output any more."""
        await output.wait_reader_gone()
        self.end(Ended(Reason.OUTPUT_CLOSED))

    async def show_notices(self) -> None:
        """Write what we say between the guest's bytes."""
        messages = self._stdio.messages
        async for line in self._to_show:
            start, end = "", "\n"
            if isinstance(messages, Terminal):
                start = "" if messages.at_line_start else "\r\n"
                end = "\r\n" if messages.is_raw else "\n"
            try:
                await messages.send_all(f"{start}{line}{end}".encode(errors="replace"))
            except OSError:
                return  # nobody listens

    def leave(self) -> None:
        """The tasks are over: let what we say be written at once again."""
        messages = self._stdio.messages
        inside_a_line = isinstance(messages, Terminal) and not messages.at_line_start
        self._notices.write_directly(inside_a_line=inside_a_line)

    # ---- parts of tasks

    def _attach(self, link: Link, target: Target) -> None:
        self.link, self.target = link, target
        self._quiet_since = trio.current_time()
        self._notices.say(f"connected to: {target}")
        keyboard = self._stdio.keyboard
        if self._escape:
            self._notices.say(f'type "{show_char(self._escape)}." to disconnect')
        elif keyboard:
            self._notices.say("no escape character: closing the terminal disconnects")
        if keyboard:
            keyboard.enter_raw()
        self._notices.hand_to(self._queue_notice)
        self._nursery.start_soon(self.show_notices)
        self._nursery.start_soon(self.send_input, link)
        if isinstance(self._stdio.screen, Output):
            self._nursery.start_soon(self.watch_output, self._stdio.screen)
        if keyboard:
            self._nursery.start_soon(self.read_keyboard, keyboard, link)
        else:
            self._nursery.start_soon(self.read_pipe)

    async def _show(self, data: bytes) -> None:
        self._quiet_since = math.inf
        if self._options.log:
            await self._options.log.write(data, self._notices.say)
        await self._stdio.screen.send_all(data)
        self._quiet_since = trio.current_time()

    def _end_by_other_side(self, link: Link) -> None:
        if self._input_has_ended:
            self.end(Ended(Reason.INPUT_ENDED, closed=link.closed))
        else:
            self.end(Ended(Reason.CLOSED, closed=link.closed))

    def _fail(self, error: NovaConsoleError) -> None:
        if self.ended is None:
            self.failure = error
        self._nursery.cancel_scope.cancel(reason="failed")

    def _waiting_input(self) -> bytes:
        """What else was typed meanwhile: one frame for all of it."""
        pieces = []
        while self._to_send.statistics().current_buffer_used:
            pieces.append(self._to_send.receive_nowait())
        return b"".join(pieces)

    async def _wait_for_quiet(self) -> None:
        wait = self._options.close_wait
        while (over := self._quiet_since + wait) > trio.current_time():
            shown_at_once = over != math.inf
            pause = (
                over - trio.current_time() if shown_at_once else _SLOW_SCREEN_SECONDS
            )
            await trio.sleep(pause)

    def _queue_notice(self, line: str) -> None:
        try:
            self._said.send_nowait(line)
        except trio.WouldBlock:
            return  # the terminal takes nothing; the user will not miss this most

    # ---- escapes

    def _obey(self, action: Action, keyboard: Terminal, link: Link) -> None:
        match action:
            case Action.DISCONNECT:
                self._typed.close()
                self.end(Ended(Reason.QUIT), grace=_FLUSH_SECONDS)
            case Action.SUSPEND:
                keyboard.suspend()
            case Action.MORE_MESSAGES:
                self._notices.change_verbosity(+1)
            case Action.FEWER_MESSAGES:
                self._notices.change_verbosity(-1)
            case Action.INFO:
                self._answer(*self._info_lines(link))
            case Action.BREAK:
                self._answer(*_BREAK_LINES)
            case Action.HELP:
                assert self._escape is not None
                self._answer(*help_lines(self._escape))

    def _answer(self, *lines: str) -> None:
        for line in lines:
            self._notices.say(line, self._notices.verbosity)  # was asked for

    def _info_lines(self, link: Link) -> list[str]:
        attached = timedelta(seconds=round(trio.current_time() - link.opened_at))
        if link.round_trip is not None:
            delay = f"{link.round_trip * 1000:.1f} ms"
        else:
            delay = "not known" if self._options.connect.keepalive else "no keepalive"
        log = self._options.log
        return [
            f"attached to: {self.target}",
            f"for: {attached}",
            f"bytes: {link.bytes_in} in, {link.bytes_out} out",
            f"round trip: {delay}",
            f"log: {log.path if log and log.is_open else 'none'}",
        ]

    def _size(self) -> os.terminal_size:
        for stream in (self._stdio.screen, self._stdio.keyboard):
            if isinstance(stream, Terminal):
                return stream.size()
        return os.terminal_size((0, 0))

    def _tell_size(self) -> None:
        columns, lines = self._size()
        self._notices.say(
            f"the terminal has {columns} columns and {lines} lines; a serial line "
            f"cannot tell the guest: stty columns {columns} rows {lines}",
            VERBOSE,
        )
