r"""Follows a guest's output, to know what has to be undone in the user's terminal.

The problem: a session may end in the middle of vim, of a boot menu, of a crash.  The
guest then never resets what it set, and the user's shell is left on the alternate
screen, without a cursor, with the mouse reporting.  To reset everything blindly is no
way out: it would clear what the user had set, and move the cursor in a session that
was plain.  So the output is followed, and `undo` returns the reset of what the guest
set and did not reset itself, and of nothing else.

The invariants, which the tests check with random output:

* after `undo` there is nothing to undo, and after a plain session there never was;
* after `undo` and `redo`, as for a suspension, the terminal is as the guest left it;
* it makes no difference in which pieces the output came.

Terminals differ.  Some do not know DECSTR and XTRESTORE (tmux), or stay on the
alternate screen after RIS.  A setting that may or may not be back at its default is
"in doubt": it is undone once more in the end, which does no harm, but not redone.

The speed matters because every byte that is shown passes through here first.  The
parser in Python costs some microseconds for each sequence, and coloured output has a
sequence every few bytes.  So a regular expression takes in one step everything that
guests print nearly always (text, colours, cursor movements, erasing), and of what it
matched only the last colours and toggles are looked at; the parser sees the rest.
Text without any ESC or C2 costs four searches for a byte.  Measured on one core: plain
text runs at the speed of memory, coloured log lines at 50 MB/s and more, full screens
of single coloured characters at 20 to 40 MB/s; a pty takes 100 to 190 MB/s of text.

Rules from xterm's "Control Sequences" (ctlseqs), ECMA-48, and kitty's keyboard
protocol.
"""

import re

from novaconsole.vt.modes import (
    BRACKETED_PASTE,
    HIDDEN_CURSOR,
    LINE_DRAWING,
    SHIFT,
    Toggle,
)
from novaconsole.vt.parser import ControlSequence, SequenceParser, Text
from novaconsole.vt.queries import answers_to
from novaconsole.vt.state import TerminalState
from novaconsole.vt.title import Titles

# Nearly all that guests print: text, colours, the toggles below, and what only moves
# the cursor and erases.  The repeated group cannot fail after it has matched, so that
# a plain `*` never backtracks.
_USUAL = re.compile(
    rb"""(?: [^\x1b]+
           | \x1b (?: \[ (?: [0-9;:]{0,256} [@-HJ-MPSTXZ`abd-gm] | \?25[hl] )
                    | \([0B] ) )*""",
    re.VERBOSE,
)
_USUAL_TOGGLES = (SHIFT, HIDDEN_CURSOR, LINE_DRAWING)
_MAX_QUERIES = 64
_ATTRIBUTES = re.compile(rb"\x1b\[([0-9;:]*)m")
_PLAIN_ATTRIBUTES = (b"\x1b[m", b"\x1b[0m")
# Sequences that may set a font, which SGR 0 does not undo on the Linux console.
_FONTS = re.compile(rb"\x1b\[((?:[0-9;:]*;)?1[0-9](?:;[0-9;:]*)?)m")
# C1 controls in UTF-8, which xterm and others take for ESC and a letter (ECMA-48 5.3).
_C1 = re.compile(rb"\xc2([\x80-\x9f])")


class ModeTracker:
    """Follows what the guest prints.

    Attributes:
        titles: keeps the title from before the session.
    """

    def __init__(self) -> None:
        self.titles = Titles()
        self._queries: list[bytes] = []
        self._pastes_may_be_unmarked = False
        self._parser = SequenceParser()
        self._has_partial_c1 = False
        self._state = TerminalState()

    def feed(self, data: bytes) -> None:
        """Take note of output that the terminal shows."""
        is_partial = self._has_partial_c1 or self._parser.is_inside
        if not (is_partial or b"\x1b" in data or b"\xc2" in data):
            # Plain text can do nothing else.
            self._note_toggle(SHIFT, data, 0, len(data))
            return
        data = self._in_seven_bits(data)
        position, size = 0, len(data)
        while position < size:
            if not self._parser.is_inside:
                usual = _USUAL.match(data, position)
                assert usual is not None
                if usual.end() > position:
                    self._note_usual(data, position, usual.end())
                    position = usual.end()
            end = data.find(b"\x1b", position + 1)
            piece = data[position : end if end >= 0 else size]
            for event in self._parser.feed(piece):
                if isinstance(event, Text):
                    self._note_usual(event.data, 0, len(event.data))
                else:
                    self._note(event)
            position += len(piece)

    def undo(self) -> bytes:
        """Return what brings all defaults back; empty if nothing differs."""
        out = b""
        if self._parser.is_inside:
            out += b"\x18"  # CAN: the terminal waits for the end of a sequence
        if self._parser.awaits_end:
            out += b"\x1b\\"
        return out + self._state.undo() + self.titles.undo()

    def redo(self) -> bytes:
        """Return what makes all settings again that `undo` has undone.

        A sequence that `undo` has broken off stays so.
        """
        return self._state.redo() + self.titles.redo()

    def take_queries(self) -> list[bytes]:
        """Return the kinds of the replies that the guest has asked the terminal for.

        Each is returned once.
        """
        queries, self._queries = self._queries, []
        return queries

    @property
    def marks_pastes(self) -> bool:
        """Whether the guest wants pastes to be marked (bracketed paste)."""
        return self._state.marks_pastes

    def take_paste_reset(self) -> bool:
        """Return whether the guest may have switched the marks off since the last call.

        Not inside a sequence, which must not be interrupted: then the next call tells.
        """
        if not self._pastes_may_be_unmarked or self._parser.is_inside:
            return False
        self._pastes_may_be_unmarked = False
        return True

    def _in_seven_bits(self, data: bytes) -> bytes:
        """Return the data with ESC and a letter in place of C1 controls."""
        if self._has_partial_c1:
            data, self._has_partial_c1 = b"\xc2" + data, False
        if b"\xc2" not in data:
            return data
        if data.endswith(b"\xc2"):
            data, self._has_partial_c1 = data[:-1], True
        return _C1.sub(lambda match: bytes([0x1B, match[1][0] - 0x40]), data)

    # ---- what nearly always comes

    def _note_usual(self, data: bytes, start: int, end: int) -> None:
        # Of a toggle only the last counts, and no attribute before a reset.
        for toggle in _USUAL_TOGGLES:
            self._note_toggle(toggle, data, start, end)
        latest = max(data.rfind(plain, start, end) for plain in _PLAIN_ATTRIBUTES)
        if latest >= 0:
            fonts = _FONTS.findall(data, start, latest)
            self._state.set_attributes([*fonts, b"0"])
            start = latest
        if attributes := _ATTRIBUTES.findall(data, start, end):
            self._state.set_attributes(attributes)

    def _note_toggle(self, toggle: Toggle, data: bytes, start: int, end: int) -> None:
        set_at = data.rfind(toggle.sets, start, end)
        reset_at = data.rfind(toggle.resets, start, end)
        if set_at != reset_at:
            self._state.toggle(toggle, is_set=set_at > reset_at)

    # ---- single sequences

    def _note(self, sequence: ControlSequence) -> None:
        self._queries += answers_to(sequence)
        del self._queries[:-_MAX_QUERIES]
        match sequence.kind:
            case b"[":
                self._note_control_sequence(sequence)
            case b"]":
                self._note_command(sequence.parameters)
            case b"":
                self._note_escape(sequence.parameters, sequence.final)

    def _note_escape(self, intermediates: bytes, final: bytes) -> None:
        state = self._state
        match intermediates, final:
            case b"", b"c":
                state.full_reset()
                self._pastes_may_be_unmarked = True
            case b"", b"7":
                state.save_cursor()
            case b"", b"8":
                state.restore_cursor()
            case b"", b"=" | b">":
                state.set_application_keypad(is_on=final == b"=")
            case b"", b"<":
                state.leave_vt52()
            case b"", b"l":
                state.lock_memory()
            case b"", b"n" | b"o":
                state.lock_shift(final)
            case _:
                state.designate(intermediates[:1], intermediates[1:] + final)

    def _note_command(self, text: bytes) -> None:
        """Take note of an OSC string."""
        number, _, rest = text.partition(b";")
        self.titles.note_command(number, text)
        if number == b"8":
            is_open = bool(rest.partition(b";")[2])
            self._state.set_hyperlink(text, is_open=is_open)
        else:
            self._state.set_colours(number, rest)

    def _note_control_sequence(self, sequence: ControlSequence) -> None:
        prefix = sequence.parameters[:1]
        if prefix not in (b"?", b">", b"<", b"="):
            prefix = b""
        plain = sequence.parameters[len(prefix) :]
        match prefix, plain, sequence.final:
            case b"", b"!", b"p":
                self._state.soft_reset()
                self._pastes_may_be_unmarked = True
            case b"", _, b"q" if plain.endswith(b" "):
                self._state.set_cursor_shape(plain[:-1])
            case b"?", _, _:
                self._note_private(sequence)
            case b"", _, _:
                self._note_ansi(plain, sequence)
            case _:
                self._note_keyboard(prefix, plain, sequence)

    def _note_private(self, sequence: ControlSequence) -> None:
        state = self._state
        for mode in sequence.numbers:
            self._pastes_may_be_unmarked |= mode == BRACKETED_PASTE
            match sequence.final:
                case b"h" | b"l":
                    state.set_private_mode(mode, is_on=sequence.final == b"h")
                case b"s":
                    state.save_private_mode(mode)
                case b"r":
                    state.restore_private_mode(mode)

    def _note_ansi(self, plain: bytes, sequence: ControlSequence) -> None:
        state, numbers = self._state, sequence.numbers
        match sequence.final:
            case b"h" | b"l":
                for mode in numbers:
                    state.set_ansi_mode(mode, is_on=sequence.final == b"h")
            case b"m" if numbers:
                state.set_attributes([plain])
            case b"r" if numbers:
                state.set_margins(plain)
            case b"s" if not plain:
                state.save_cursor()
            case b"u" if not plain:
                state.restore_cursor()
            case b"t" if numbers[:1] == [22]:
                self.titles.note_push()
            case b"t" if numbers[:1] == [23]:
                self.titles.note_pop()
            case b"i" if plain in (b"4", b"5"):
                state.set_printer(is_on=plain == b"5")

    def _note_keyboard(
        self, prefix: bytes, plain: bytes, sequence: ControlSequence
    ) -> None:
        """Kitty's flags are pushed (>), popped (<) and set (=); XTMODKEYS is `>`."""
        state, numbers = self._state, sequence.numbers
        if not numbers:
            return
        match prefix, sequence.final:
            case b">", b"u":
                state.push_keyboard(plain)
            case b"<", b"u":
                state.pop_keyboard(numbers[0])
            case b"=", b"u":
                state.set_keyboard(plain, is_set=numbers[0] > 0)
            case b">", b"m" if numbers[0] == 4:
                state.set_other_keys(plain, is_set=any(numbers[1:]))
