"""The typing tasks: keyboard or pipe to the guest, and the escapes in between."""

from contextlib import suppress
from datetime import timedelta
from signal import SIGINT

import trio

from novaconsole.console.outcome import Ended, Reason
from novaconsole.errors import ConnectionLost
from novaconsole.session.attachment import Attachment
from novaconsole.session.escapes import Action, Command, EscapeParser, Send, help_lines
from novaconsole.session.state import Session
from novaconsole.terminal.pipes import Input
from novaconsole.terminal.tty import Terminal

# `~.` acts at once: what was typed before it may take so long.
_FLUSH_SECONDS = 0.05
_TYPED_BYTES = 64 * 1024
# More than anybody types ahead, and so little that Linux refills the terminal's buffer,
# which it does at 128 (n_tty.c, TTY_THRESHOLD_UNTHROTTLE): so all of a paste is read in
# large pieces.
_TYPED_AHEAD_BYTES = 100
_INTERRUPT = b"\x03"
_BREAK_LINES = (
    "Nova's serial console cannot carry a BREAK",
    "in a Linux guest, for SysRq: echo LETTER > /proc/sysrq-trigger",
    "for a guest that hangs, an NMI from outside: openstack server dump create SERVER",
)


async def read_keyboard(session: Session, keyboard: Terminal) -> None:
    """Split what is typed into what the guest gets and what is for us.

    Runs as long as the session, over all its links.
    """
    parser = EscapeParser(session.escape)
    while session.ended is None:
        # Byte by byte, but for the bulk of a paste: what the user types after "~."
        # is for the shell, and what has been read cannot be given back.
        limit = 1
        if session.escape is None:
            limit = _TYPED_BYTES
        elif not parser.may_escape:
            limit = max(1, keyboard.waiting_bytes() - _TYPED_AHEAD_BYTES)
        data = await keyboard.receive_some(limit)
        if not data:
            session.end(Ended(Reason.HANGUP))
        for event in parser.feed(data):
            if session.ended is not None:
                return  # what was pasted behind "~." goes nowhere
            match event:
                case Send(typed):
                    _type(session, typed)
                case Command(action):
                    _obey(session, action, keyboard)
        if len(data) > 1:
            # The rest of a paste follows only now: it is not to be read byte by byte.
            await trio.lowlevel.checkpoint()


def _type(session: Session, typed: bytes) -> None:
    attachment = session.attachment
    if attachment is not None:
        if session.options.unattended.read_only:
            return  # without a bell: the terminal's answers to the guest come here too
        attachment.typed.send_nowait(typed)
        if b"\r" in typed or b"\n" in typed:
            attachment.enter_typed.set()
    elif _INTERRUPT in typed and not session.retry_policy.was_attached:
        session.end(Ended(Reason.SIGNAL, signum=SIGINT))  # nobody else can mean it
    else:
        session.ring()


class PipedInput:
    """Standard input that is no terminal: sent as it is, as fast as it is taken.

    Args:
        source: where it is read.
    """

    def __init__(self, source: Input) -> None:
        self._source = source
        self._read = b""  # and not yet taken by a link

    async def feed(self, attachment: Attachment) -> None:
        """Send it into one link; what that does not take is kept for the next."""
        with attachment.typed:
            while data := self._read or await self._source.receive_some():
                self._read = data
                if b"\r" in data or b"\n" in data:
                    attachment.enter_typed.set()
                await attachment.typed.send(data)
                self._read = b""


async def send_input(
    session: Session, attachment: Attachment, typed: trio.MemoryReceiveChannel[bytes]
) -> None:
    """Send what was typed into one link, then see to it that the session ends."""
    async for first in typed:
        data = first + _waiting(typed)
        if session.options.recording:
            session.options.recording.input(data)
        try:
            await attachment.connection.send(data)
        except ConnectionLost:
            return  # who reads finds out why, after the guest's last bytes
    if session.ended is not None:  # "~.": all that was typed before it has left
        session.nursery.cancel_scope.cancel(reason=session.ended.reason.value)
        return
    if session.options.unattended.until is not None:
        return  # it goes on for as long as that has not come
    session.input_has_ended = True
    await session.wait_for_quiet()
    session.end(Ended(Reason.INPUT_ENDED))


def _waiting(typed: trio.MemoryReceiveChannel[bytes]) -> bytes:
    """What else was typed meanwhile: one frame for all of it."""
    pieces = []
    with suppress(trio.WouldBlock, trio.EndOfChannel):
        while True:
            pieces.append(typed.receive_nowait())
    return b"".join(pieces)


def _obey(session: Session, action: Action, keyboard: Terminal) -> None:
    attachment = session.attachment
    match action:
        case Action.DISCONNECT:
            if attachment is not None:
                attachment.typed.close()
            session.end(Ended(Reason.QUIT), grace=_FLUSH_SECONDS if attachment else 0)
        case Action.SUSPEND:
            session.display.rest()
            keyboard.suspend()
            session.display.set_again()
        case Action.RECONNECT:
            if attachment is None:
                session.answer("not attached; trying already")
            else:
                session.detach(hasty=True)
                attachment.reconnect.set()
        case Action.MORE_MESSAGES:
            session.notices.change_verbosity(+1)
        case Action.FEWER_MESSAGES:
            session.notices.change_verbosity(-1)
        case Action.LOG:
            session.answer(session.options.log.toggle())
        case Action.INFO:
            session.answer(*_info_lines(session))
        case Action.BREAK:
            session.answer(*_BREAK_LINES)
        case Action.HELP:
            assert session.escape is not None
            session.answer(*help_lines(session.escape))


def _info_lines(session: Session) -> list[str]:
    attachment = session.attachment
    files = [f"log: {session.options.log.path or 'none'}"]
    if recording := session.options.recording:
        files.append(f"recording: {recording.path if recording.is_open else 'none'}")
    if attachment is None:
        return ["not attached: waiting for the server or the network", *files]
    connection = attachment.connection
    attached = timedelta(seconds=round(trio.current_time() - connection.opened_at))
    if connection.round_trip is not None:
        delay = f"{connection.round_trip * 1000:.1f} ms"
    else:
        delay = "not known" if session.options.connect.keepalive else "no keepalive"
    return [
        f"attached to: {attachment.target}",
        f"for: {attached}",
        f"bytes: {connection.bytes_in} in, {connection.bytes_out} out",
        f"round trip: {delay}",
        *files,
    ]
