r"""Keyboard bytes in, `Send` and `Command` events out: the `~` escapes of a session.

Rules as in OpenSSH's clientloop.c (process_escapes): an escape is recognised at the
start of the session and after CR or LF; a handled escape keeps the start of the line;
`~~` sends one `~`; an unknown `~x` sends both.

There are two differences from OpenSSH.  What the terminal itself sends in reply to the
guest's queries (`vt/replies.py`) is not typing, and does not end the start of the line:
busybox's shell asks for the cursor position after every prompt, so `~.` would otherwise
work only now and then.  And between the marks around a paste (bracketed paste) nothing
is an escape; marks that the guest has not asked for are taken out.
"""

import enum
import math
import re
from dataclasses import dataclass

from novaconsole.vt.paste import PASTE_BEGINS, PASTE_MARKS, Paste
from novaconsole.vt.replies import ReplyMatcher, State


class Action(enum.Enum):
    """What an escape asks novaconsole to do."""

    DISCONNECT = "disconnect"
    SUSPEND = "suspend"
    BREAK = "break"
    RECONNECT = "reconnect"
    LOG = "log"
    INFO = "info"
    MORE_MESSAGES = "more messages"
    FEWER_MESSAGES = "fewer messages"
    HELP = "help"
    LITERAL = "literal"


@dataclass(frozen=True)
class Escape:
    """One row of the table of escapes.

    Attributes:
        key: what is typed after the escape character, as a byte.
        shown: the key as people write it.
        action: what it does.
        meaning: what it does, for `~?`, the README and the manual.
    """

    key: bytes
    shown: str
    action: Action
    meaning: str


_INFO = "show the connection: server, time, bytes, round trip"
_BREAK = "explain why there is no BREAK and what to use instead"
# `key` of LITERAL is whatever the escape character is.
ESCAPES = (
    Escape(b".", ".", Action.DISCONNECT, "disconnect"),
    Escape(b"\x1a", "^Z", Action.SUSPEND, "suspend novaconsole; fg resumes it"),
    Escape(b"R", "R", Action.RECONNECT, "reconnect, with a new URL from the cloud"),
    Escape(b"L", "L", Action.LOG, "start or stop the log"),
    Escape(b"I", "I", Action.INFO, _INFO),
    Escape(b"B", "B", Action.BREAK, _BREAK),
    Escape(b"v", "v", Action.MORE_MESSAGES, "show more messages"),
    Escape(b"V", "V", Action.FEWER_MESSAGES, "show fewer messages"),
    Escape(b"?", "?", Action.HELP, "show this list"),
    Escape(b"", "", Action.LITERAL, "send the escape character itself"),
)

_ACTIONS = {escape.key[0]: escape.action for escape in ESCAPES if escape.key}
# What ends the quick way through a line: its end, or what may mark a paste.
_STOP = re.compile(rb"[\r\n]|\x1b")
_CR, _LF, _ESC = 0x0D, 0x0A, 0x1B
# Longer than a mark takes that comes in two pieces, and not to be felt after Esc.
_KEY_SECONDS = 0.03
_PASTE_SECONDS = 5.0  # if the end mark was lost, `~.` works again after this


@dataclass(frozen=True)
class Send:
    """Bytes for the guest."""

    data: bytes


@dataclass(frozen=True)
class Command:
    """Something for novaconsole to do."""

    action: Action


KeyboardEvent = Send | Command


def show_char(char: bytes) -> str:
    """The escape character as people write it: `~`, `^A`."""
    code = char[0]
    return chr(code) if 0x20 <= code < 0x7F else f"^{chr(code ^ 0x40)}"


def how_to_leave(char: bytes | None) -> str:
    """What the user is told on attaching.

    Args:
        char: the escape character in force, or None.
    """
    if char is None:
        return "no escape character: closing the terminal disconnects"
    return f'type "{show_char(char)}." to disconnect'


def help_lines(char: bytes) -> list[str]:
    """The answer to `~?`, a line each; `char` is the escape character in force."""
    shown = show_char(char)
    lines = [
        f"{shown}{escape.shown or shown:<4} {escape.meaning}" for escape in ESCAPES
    ]
    return [*lines, "escapes are recognised only right after Enter"]


def _sent(data: bytes | bytearray) -> list[KeyboardEvent]:
    return [Send(bytes(data))] if data else []


class EscapeParser:
    """Splits what is typed into bytes for the guest and commands for novaconsole.

    The events do not depend on how the input is split into pieces.

    Args:
        char: the escape character, one byte, or None to pass on every byte.
    """

    def __init__(self, char: bytes | None) -> None:
        self._strips_marks = False
        self._paste = Paste()
        self._char = None if char is None else char[0]
        self._at_line_start = True
        self._pending = False  # the escape character has come, its key has not
        self._reply = ReplyMatcher()
        self._held = bytearray()  # maybe a reply behind a pending escape, or a mark

    def strip_marks(self, is_on: bool) -> None:
        """Take out the marks of pastes from now on, or not."""
        self._strips_marks = is_on

    @property
    def may_escape(self) -> bool:
        """Whether the next byte can be part of an escape."""
        is_typing = self._char is not None and not self._paste.is_open
        return is_typing and (self._at_line_start or self._pending)

    @property
    def patience(self) -> float:
        """Seconds to wait for more before `give_up_waiting` is to be called."""
        if self._paste.is_open:
            return _PASTE_SECONDS
        return _KEY_SECONDS if self._held and not self._pending else math.inf

    def give_up_waiting(self) -> list[KeyboardEvent]:
        """Nothing more has come: there is no mark, and no paste any more."""
        data = bytearray(self._paste.give_up())
        if not self._pending:
            self._let_go(data)
        return _sent(data)

    def feed(self, data: bytes) -> list[KeyboardEvent]:
        """Take what was typed; return what follows from it, in order.

        Held back are a pending escape character, what may yet turn out to be a reply
        behind it, and what may yet be a mark that is taken out.
        """
        if self._char is None:
            return _sent(data)
        undecided = self._pending or self._reply.active or self._paste.is_open
        if data and not undecided and self._char not in data and _ESC not in data:
            # Most of a paste: many lines at once.
            self._at_line_start = data[-1] in (_CR, _LF)
            return [Send(data)]
        events: list[KeyboardEvent] = []
        out = bytearray()
        position = 0
        while position < len(data):
            if self._paste.is_open:
                pasted, data = self._paste.feed(data[position:])
                position = 0
                out += pasted
                if self._paste.at_line_start is not None:
                    self._at_line_start = self._paste.at_line_start
                continue
            if self._typing_inside_a_line and not self._is_start(data[position]):
                end = _STOP.search(data, position)
                stop = len(data) if end is None else end.end()
                if end is not None and self._is_start(end[0][0]):
                    stop = end.start()
                out += data[position:stop]
                position = stop
                self._at_line_start = data[stop - 1] in (_CR, _LF)
                continue
            byte = data[position]
            position += 1
            action = self._take(byte, out)
            if action is not None:
                events += [*_sent(out), Command(action)]
                out.clear()
        return [*events, *_sent(out)]

    @property
    def _typing_inside_a_line(self) -> bool:
        return not (self._at_line_start or self._pending or self._reply.active)

    def _is_start(self, byte: int) -> bool:
        """Whether the byte may begin what the terminal sends by itself."""
        return byte == _ESC and self._char != _ESC

    def _take(self, byte: int, out: bytearray) -> Action | None:
        """One byte at the start of a line, behind an escape, or inside a reply."""
        if self._is_start(byte) and not self._reply.active:
            self._reply.start()
            self._forward(byte, out)
            return None
        if self._reply.active:
            return self._take_reply(byte, out)
        if self._pending:
            return self._take_key(byte, out)
        if byte == self._char:
            self._pending = True
        else:
            self._type(byte, out)
        return None

    def _forward(self, byte: int, out: bytearray) -> None:
        self._held.append(byte)
        may_be_mark = any(mark.startswith(self._held) for mark in PASTE_MARKS)
        if not (self._pending or (self._strips_marks and may_be_mark)):
            self._let_go(out)

    def _let_go(self, out: bytearray) -> None:
        out += self._held
        self._held.clear()

    def _take_reply(self, byte: int, out: bytearray) -> Action | None:
        state = self._reply.feed(byte)
        if self._reply.paste_mark is not None:
            self._take_mark(self._reply.paste_mark, out)
            return None
        if state is State.NO_REPLY:
            return self._typed_after_all(byte, out)
        if state is State.RESTARTED:
            typed, self._held = self._held[:-1], self._held[-1:]
            self._send_pending(out)
            self._at_line_start = False
            out += typed
        self._forward(byte, out)
        if state is State.COMPLETE:
            # The reply overtakes the escape character, which is still undecided.
            self._let_go(out)
        return None

    def _take_mark(self, whole: bytes, out: bytearray) -> None:
        # A mark that came so slowly that its start was let go is passed on whole.
        mark = bytes(self._held) + whole[-1:]
        self._held.clear()
        strips = self._strips_marks and mark == whole
        if strips:
            mark = b""
        if whole == PASTE_BEGINS:
            self._paste.begin(strips=strips)
            self._send_pending(out)
        out += mark

    def _send_pending(self, out: bytearray) -> None:
        """The escape character that was pending is typed after all."""
        if self._pending:
            assert self._char is not None
            out.append(self._char)
            self._pending = self._at_line_start = False

    def _typed_after_all(self, byte: int, out: bytearray) -> Action | None:
        """What began like a reply was typed, so it ends the start of the line."""
        self._send_pending(out)
        self._let_go(out)
        if byte == _ESC:  # another sequence
            self._at_line_start = False
            self._reply.start()
            self._forward(byte, out)
        else:
            self._type(byte, out)
        return None

    def _type(self, byte: int, out: bytearray) -> None:
        out.append(byte)
        self._at_line_start = byte in (_CR, _LF)

    def _take_key(self, byte: int, out: bytearray) -> Action | None:
        action = _ACTIONS.get(byte)
        if action is None:
            if byte != self._char:
                self._send_pending(out)
            self._type(byte, out)
        self._pending = False
        return action
