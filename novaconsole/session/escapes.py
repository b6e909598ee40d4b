r"""Keyboard bytes in, `Send` and `Command` events out: the `~` escapes of a session.

Rules as in OpenSSH's clientloop.c (process_escapes): an escape is recognised at the
start of the session and after CR or LF; a handled escape keeps the start of the line;
`~~` sends one `~`; an unknown `~x` sends both.

There is one difference from OpenSSH: what the terminal itself sends in reply to the
guest's queries (`vt/replies.py`) is not typing, and does not end the start of the line.
The shell of a busybox guest asks for the cursor position after every prompt, so `~.`
would otherwise work only now and then.
"""

import enum
import re
from dataclasses import dataclass

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


# `key` of LITERAL is whatever the escape character is.
ESCAPES = (
    Escape(b".", ".", Action.DISCONNECT, "disconnect"),
    Escape(b"\x1a", "^Z", Action.SUSPEND, "suspend novaconsole; fg resumes it"),
    Escape(b"R", "R", Action.RECONNECT, "reconnect, with a new URL from the cloud"),
    Escape(b"L", "L", Action.LOG, "start or stop the log"),
    Escape(
        b"I", "I", Action.INFO, "show the connection: server, time, bytes, round trip"
    ),
    Escape(
        b"B", "B", Action.BREAK, "explain why there is no BREAK and what to use instead"
    ),
    Escape(b"v", "v", Action.MORE_MESSAGES, "show more messages"),
    Escape(b"V", "V", Action.FEWER_MESSAGES, "show fewer messages"),
    Escape(b"?", "?", Action.HELP, "show this list"),
    Escape(b"", "", Action.LITERAL, "send the escape character itself"),
)

_ACTIONS = {escape.key[0]: escape.action for escape in ESCAPES if escape.key}
_LINE_END = re.compile(rb"[\r\n]")
_CR, _LF, _ESC = 0x0D, 0x0A, 0x1B


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
    """The answer to `~?`, a line each.

    Args:
        char: the escape character in force.
    """
    shown = show_char(char)
    lines = [
        f"{shown}{escape.shown or shown:<4} {escape.meaning}" for escape in ESCAPES
    ]
    return [*lines, "escapes are recognised only right after Enter"]


class EscapeParser:
    """Splits what is typed into bytes for the guest and commands for novaconsole.

    The events do not depend on how the input is split into pieces.

    Args:
        char: the escape character, one byte, or None to pass on every byte.
    """

    def __init__(self, char: bytes | None) -> None:
        self._char = None if char is None else char[0]
        self._at_line_start = True
        self._pending = False  # the escape character has come, its key has not
        self._reply = ReplyMatcher()
        self._held = bytearray()  # after a pending escape: maybe a terminal's reply

    @property
    def may_escape(self) -> bool:
        """Whether the next byte can be part of an escape.

        Who reads the keyboard byte by byte while this is true leaves what is typed
        after `~.` to the shell.
        """
        return self._char is not None and (self._at_line_start or self._pending)

    def feed(self, data: bytes) -> list[KeyboardEvent]:
        """Take what was typed; return what follows from it, in order.

        Bytes are held back only behind a pending escape character: the character
        itself, and after it what may yet turn out to be a terminal's reply.
        """
        if self._char is None:
            return [Send(data)] if data else []
        undecided = self._pending or self._reply.active
        if data and not undecided and self._char not in data and _ESC not in data:
            # Most of a paste: many lines at once.
            self._at_line_start = data[-1] in (_CR, _LF)
            return [Send(data)]
        events: list[KeyboardEvent] = []
        out = bytearray()
        position = 0
        while position < len(data):
            if self._typing_inside_a_line:
                end = _LINE_END.search(data, position)
                stop = len(data) if end is None else end.end()
                out += data[position:stop]
                position = stop
                self._at_line_start = end is not None
                continue
            byte = data[position]
            position += 1
            action = self._take(byte, out)
            if action is not None:
                if out:
                    events.append(Send(bytes(out)))
                    out.clear()
                events.append(Command(action))
        if out:
            events.append(Send(bytes(out)))
        return events

    @property
    def _typing_inside_a_line(self) -> bool:
        return not (self._at_line_start or self._pending or self._reply.active)

    def _take(self, byte: int, out: bytearray) -> Action | None:
        """One byte at the start of a line, behind an escape, or inside a reply."""
        if byte == _ESC and not self._reply.active and self._char != _ESC:
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
            out.append(byte)
            self._at_line_start = byte in (_CR, _LF)
        return None

    def _forward(self, byte: int, out: bytearray) -> None:
        (self._held if self._pending else out).append(byte)

    def _take_reply(self, byte: int, out: bytearray) -> Action | None:
        state = self._reply.feed(byte)
        if state is State.NO_REPLY:
            return self._typed_after_all(byte, out)
        self._forward(byte, out)
        if state is State.COMPLETE and self._pending:
            # The reply overtakes the escape character, which is still undecided.
            out += self._held
            self._held.clear()
        return None

    def _typed_after_all(self, byte: int, out: bytearray) -> Action | None:
        """What began like a reply was typed, so it ends the start of the line."""
        if self._pending:
            assert self._char is not None
            out.append(self._char)
            out += self._held
            self._held.clear()
            self._pending = False
        out.append(byte)
        self._at_line_start = byte in (_CR, _LF)
        return None

    def _take_key(self, byte: int, out: bytearray) -> Action | None:
        self._pending = False
        action = _ACTIONS.get(byte)
        if action is not None:
            return action
        if byte != self._char:
            assert self._char is not None
            out.append(self._char)
        out.append(byte)
        self._at_line_start = byte in (_CR, _LF)
        return None
