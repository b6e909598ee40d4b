"""The keyboard: what is typed goes to the guest, and escapes are obeyed.

The task that reads the keyboard waits for nothing else, so that `~.` works whatever the
network, the guest or the screen is doing: what is typed goes through a channel to
another task, which sends it.
"""

from collections.abc import Callable
from contextlib import suppress
from signal import SIGINT
from typing import Protocol

import trio

from novaconsole.console.outcome import Outcome, Reason
from novaconsole.console.retry import RetryPolicy
from novaconsole.errors import ConnectionLost
from novaconsole.session.answers import HASTY_ANSWER_SECONDS, AnsweringTerminal
from novaconsole.session.display import Display, Recorder
from novaconsole.session.escapes import Action, Command, EscapeParser, Send, help_lines
from novaconsole.session.info import BREAK_LINES
from novaconsole.session.state import Attachment, Session

# `~.` acts at once; what was typed before it gets this long to be sent.
_FLUSH_SECONDS = 0.05
_TYPED_BYTES = 64 * 1024
# More than anybody types ahead, but less than the 128 bytes at which Linux refills the
# terminal's buffer (n_tty.c, TTY_THRESHOLD_UNTHROTTLE), so that all of a paste is read
# in large pieces.
_TYPED_AHEAD_BYTES = 100
_INTERRUPT = b"\x03"


class KeyboardTerminal(AnsweringTerminal, Protocol):
    """The terminal that a person types on."""

    async def receive_some(self, max_bytes: int) -> bytes:
        """Wait for input; an empty result means that the terminal has gone."""
        ...

    def suspend(self) -> None:
        """Stop the whole job; return when it is continued."""
        ...


class StoppableLog(Protocol):
    """A log that the user can stop and start."""

    def toggle(self) -> str:
        """Stop it or start it; what to tell the user."""
        ...


class KeyboardReader:
    """Splits what is typed into what the guest gets and what is for us.

    Args:
        session: that it is part of.
        terminal: where the user types.
        policy: knows whether a console has been reached yet.
        display: cleaned up while the program is suspended.
        log: started and stopped by `~L`.
        bell: tells the user that a key goes nowhere.
        info: the lines for `~I`.
    """

    def __init__(
        self,
        session: Session,
        terminal: KeyboardTerminal,
        policy: RetryPolicy,
        *,
        display: Display,
        log: StoppableLog,
        bell: Callable[[], None],
        info: Callable[[], list[str]],
    ) -> None:
        self._session = session
        self._terminal = terminal
        self._policy = policy
        self._display = display
        self._log = log
        self._bell = bell
        self._info = info
        self._escape = session.options.escape

    async def read(self) -> None:
        """Read until the session has ended, across all its connections."""
        session, terminal = self._session, self._terminal
        parser = EscapeParser(self._escape)
        while session.outcome is None:
            # Byte by byte, except for the bulk of a paste: what the user types after
            # "~." is for the shell, and bytes that were read cannot be given back.
            limit = 1
            if self._escape is None:
                limit = _TYPED_BYTES
            elif not parser.may_escape:
                limit = max(1, terminal.waiting_bytes() - _TYPED_AHEAD_BYTES)
            data = None
            with trio.move_on_after(parser.patience):
                data = await terminal.receive_some(limit)
            if data is None:
                events = parser.give_up_waiting()
            else:
                if not data:
                    session.end(Outcome(Reason.HANGUP))
                self._display.due_answers.note_input(data)
                parser.strip_marks(not self._display.guest_marks_pastes)
                events = parser.feed(data)
            for event in events:
                if session.outcome is not None:
                    return  # what was pasted behind "~." goes nowhere
                match event:
                    case Send(typed):
                        self._type(typed)
                    case Command(Action.SUSPEND):
                        await self._suspend()
                    case Command(action):
                        self._run_escape(action)
            if data and len(data) > 1:
                # The rest of a paste arrives after this; without the checkpoint it
                # would be read byte by byte.
                await trio.lowlevel.checkpoint()

    def _type(self, typed: bytes) -> None:
        session, attachment = self._session, self._session.attachment
        if attachment is not None:
            if session.options.read_only:
                return  # no bell: the terminal's replies to the guest come here, too
            attachment.typed.send_nowait(typed)
            if b"\r" in typed or b"\n" in typed:
                attachment.enter_typed.set()
        elif _INTERRUPT in typed and not self._policy.was_attached:
            session.end(Outcome(Reason.SIGNAL, signum=SIGINT))  # there is no guest yet
        else:
            self._bell()

    def _run_escape(self, action: Action) -> None:
        session, notices = self._session, self._session.notices
        attachment = session.attachment
        match action:
            case Action.DISCONNECT:
                if attachment is not None:
                    attachment.typed.close()
                grace = _FLUSH_SECONDS if attachment else 0
                session.end(Outcome(Reason.QUIT), grace=grace)
            case Action.RECONNECT:
                if attachment is None:
                    notices.answer("not attached; trying to connect already")
                else:
                    session.detach()
                    attachment.hurry_close()
                    attachment.reconnect.set()
            case Action.MORE_MESSAGES:
                notices.change_verbosity(+1)
            case Action.FEWER_MESSAGES:
                notices.change_verbosity(-1)
            case Action.LOG:
                notices.answer(self._log.toggle())
            case Action.INFO:
                self._answer(*self._info())
            case Action.BREAK:
                self._answer(*BREAK_LINES)
            case Action.HELP:
                assert self._escape is not None
                self._answer(*help_lines(self._escape))

    async def _suspend(self) -> None:
        answers = self._display.due_answers
        self._display.reset_modes()
        # They are the guest's, and not the shell's that comes now.
        await answers.take(self._terminal, HASTY_ANSWER_SECONDS, self._type)
        self._terminal.suspend()
        self._display.restore_modes()

    def _answer(self, *lines: str) -> None:
        for line in lines:
            self._session.notices.answer(line)


class InputSource(Protocol):
    """Redirected standard input."""

    async def receive_some(self) -> bytes:
        """Wait for data; an empty result is the end."""
        ...


class PipedInput:
    """Redirected standard input: sent unchanged, as fast as it is accepted.

    Args:
        source: where it is read.
    """

    def __init__(self, source: InputSource) -> None:
        self._source = source
        self._read = b""  # and not yet accepted by a connection

    async def feed(self, attachment: Attachment) -> None:
        """Send it into one connection; the rest is kept for the next."""
        with attachment.typed:
            while data := self._read or await self._source.receive_some():
                self._read = data
                if b"\r" in data or b"\n" in data:
                    attachment.enter_typed.set()
                await attachment.typed.send(data)
                self._read = b""


async def send_typed(
    session: Session,
    attachment: Attachment,
    typed: trio.MemoryReceiveChannel[bytes],
    recorder: Recorder | None,
) -> None:
    """Send what was typed into one connection; when that has ended, end the session.

    Args:
        session: that it is part of.
        attachment: the connection.
        typed: the other end of `attachment.typed`.
        recorder: records what is sent, or None.
    """
    async for first in typed:
        data = first + _waiting(typed)
        if recorder is not None:
            recorder.input(data)
        try:
            await attachment.connection.send(data)
        except ConnectionLost:
            return  # the reader finds out why, after the guest's last bytes
    if session.outcome is not None:  # "~.": everything typed before it has been sent
        session.cancel()
        return
    if session.options.until is not None:
        return  # the session goes on until there is a match
    session.end_input()
    await session.activity.wait_quiet(session.options.close_wait)
    session.end(Outcome(Reason.INPUT_ENDED))


def _waiting(typed: trio.MemoryReceiveChannel[bytes]) -> bytes:
    """What else has been typed meanwhile, to be sent in one frame."""
    pieces = []
    with suppress(trio.WouldBlock, trio.EndOfChannel):
        while True:
            pieces.append(typed.receive_nowait())
    return b"".join(pieces)
