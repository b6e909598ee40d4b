r"""Which modes of the terminal the guest has switched on, and how to undo that.

A session ends in the middle of vim, of a boot menu, of a crash.  What the guest set
and did not reset is reset then, and nothing else: a plain session adds no byte.

Rules from xterm's "Control Sequences" (ctlseqs: DECSET, DECSCUSR, DECSTBM, DECSC),
ECMA-48, and kitty's keyboard protocol.  Terminals differ: DECSTR and XTRESTORE, which
tmux does not know, and RIS, which leaves its alternate screen on, may have reset a
thing or not.  So it is reset once more in the end, which does no harm, but not set
again after a suspension.
"""

import re
from dataclasses import dataclass

from novaconsole.vt.modes import (
    FIRST,
    HERE,
    LAST,
    MARGINS,
    MODES,
    ORIGIN,
    SCREEN,
    THERE,
    Trace,
    Traces,
)
from novaconsole.vt.parser import ControlSequence, SequenceParser, Text
from novaconsole.vt.sgr import Attributes

_SCREENS = (47, 1047, 1049)  # the alternate screen, in its three forms
_VT52, _ORIGIN, _CURSOR_KEPT, _SCREEN_AND_CURSOR = 2, 6, 1048, 1049
# DECSET numbers that leave traces, and whether they are on in a terminal at rest.
_PRIVATE_MODES = {
    1: False,  # DECCKM, application cursor keys
    _VT52: True,  # DECANM: it is not
    5: False,  # DECSCNM, reverse video
    _ORIGIN: False,  # DECOM
    7: True,  # DECAWM, wrap
    8: True,  # DECARM, keys repeat
    9: False,  # X10 mouse
    25: True,  # DECTCEM, the cursor is visible
    66: False,  # DECNKM, application keypad
    69: False,  # DECLRMM, left and right margins
    **dict.fromkeys(_SCREENS, False),
    **dict.fromkeys(range(1000, 1007), False),  # mouse; 1004 is focus
    1015: False,  # mouse in urxvt's form
    1016: False,  # mouse in pixels
    2004: False,  # bracketed paste
    2026: False,  # synchronized output
    2031: False,  # reports of the colour scheme
    2048: False,  # reports of the size
}
_ORDERS = {_VT52: FIRST, 2026: FIRST, _ORIGIN: ORIGIN}
_UNDOES = {
    _VT52: b"\x1b<",  # ESC [ means nothing there
    # The cursor goes home, and DECRC would switch origin on again: better go on at the
    # foot of the screen than above what is there.  LF scrolls if the margins are gone.
    _ORIGIN: b"\x1b[?6l\x1b[9999H\n",
}
_ANSI_MODES = {
    2: False,  # KAM, the keyboard is locked
    4: False,  # IRM, insert
    12: True,  # SRM, no local echo
    20: False,  # LNM, LF is CR LF
}

# By the byte behind ESC, what is designated there at rest.
_CHARSETS = {
    **dict.fromkeys((b"(", b")", b"*", b"+"), b"B"),  # G0 to G3: ASCII
    b"%": b"G",  # UTF-8
    b" ": b"F",  # replies in 7 bits
}
# Others there mean something else.
_ODD_ONES = {b"%": b"@", b" ": b"G"}
_SLOTS = {b"-": b")", b".": b"*", b"/": b"+"}  # G1 to G3, for large sets
_SHIFT_OUT, _SHIFT_IN = b"\x0e", b"\x0f"

# Nearly all that guests print: text, colours, the pairs below, and what only moves
# and erases.
_USUAL = re.compile(
    rb"""(?: [^\x1b]+
           | \x1b (?: \[ (?: [0-9;:]{0,256} [@-HJ-MPSTXZ`a-gm] | \?25[hl] )
                    | \([0B] ) )*+""",
    re.VERBOSE,
)
_Pair = tuple[bytes, bytes, bytes]  # key, what sets it, what resets it
_SHIFTS = (b"shift", _SHIFT_OUT, _SHIFT_IN)
_PAIRS = (
    (b"?25", b"\x1b[?25l", b"\x1b[?25h"),
    (b"(", b"\x1b(0", b"\x1b(B"),
)
_COLOURS = re.compile(rb"\x1b\[([0-9;:]*)m")
# Maybe fonts, which no reset ends.
_FONTS = re.compile(rb"\x1b\[((?:[0-9;:]*;)?1[0-9](?:;[0-9;:]*)?)m")
# What xterm and others take for ESC and a letter (ECMA-48 5.3, as UTF-8).
_C1 = re.compile(rb"\xc2([\x80-\x9f])")
_COLOUR_COMMANDS = re.compile(rb"4|5|1[0-9]")  # OSC numbers; 100 more reset
_MAX_PUSHES = 16  # kitty keeps no more, either
_MAX_COLOURS = 256

_CURSOR = (b"shift", *_CHARSETS, b"?6")  # what DECSC saves, attributes apart
_SOFTLY_RESET = (
    *(b"?1", b"?7", b"?25", b"?66", b"?69", b"2", b"4", b"keypad", b"margins"),
    *_CURSOR,
)


@dataclass(frozen=True)
class _Saved:
    """What comes back with a saved cursor."""

    traces: Traces
    attributes: Attributes


class ModeTracker:
    """Follows what the guest prints."""

    def __init__(self) -> None:
        self._parser = SequenceParser()
        self._is_c1_torn = False
        self._palette: dict[bytes, list[bytes]] = {}  # what resets → what was set
        self._traces = Traces()
        self._rest()

    def _rest(self) -> None:
        """RIS: all is at rest but what some terminals keep."""
        # In this form leaving it moves no cursor, whatever screen is shown.
        screen = Trace(SCREEN, b"\x1b[?47l", b"")
        was_alternate, self._traces = b"screen" in self._traces, Traces()
        self._traces.mark(b"screen", screen, is_set=was_alternate)
        self._attributes = Attributes()
        self._softly_plain = False  # attributes were reset where DECSTR is known
        self._keyboard: dict[int, list[bytes]] = {}  # by screen: kitty's, as pushed
        self._cursor: _Saved | None = None
        self._cursor_of_screen: _Saved | None = None  # comes back when that is left
        self._saved_modes: dict[int, bool] = {}

    def feed(self, data: bytes) -> None:
        """Note what was printed."""
        is_torn = self._is_c1_torn or self._parser.is_inside
        if not (is_torn or b"\x1b" in data or b"\xc2" in data):
            self._note_pair(_SHIFTS, data, 0, len(data))  # all that plain text can do
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

    # ---- undoing

    def undo(self) -> bytes:
        """What puts the terminal to rest; empty for a terminal that is."""
        traces, attributes = self._all_traces(), self._attributes
        if self._cursor_of_screen:
            # They come back with the screen, and what is undone before that.
            traces |= self._cursor_of_screen.traces.not_before(THERE)
            attributes |= self._cursor_of_screen.attributes
        out = bytearray()
        if self._parser.is_inside:
            out += b"\x18"  # CAN: the terminal waits for the end of a sequence
        if self._parser.awaits_end:
            out += b"\x1b\\"
        for trace in traces:
            out += trace.undo
        out += attributes.undo()
        if self._softly_plain and not out.endswith(b"\x1b[m"):
            out += b"\x1b[m"
        for reset in self._palette:
            out += b"\x1b]%b\x1b\\" % reset
        return bytes(out)

    def redo(self) -> bytes:
        """What sets everything again that `undo` has reset, after a suspension.

        A sequence that was broken off stays so.
        """
        out = bytearray()
        for trace in reversed(list(self._all_traces())):
            out += trace.redo
        out += self._attributes.redo()
        for texts in self._palette.values():
            for text in texts:
                out += b"\x1b]%b\x1b\\" % text
        return bytes(out)

    def _all_traces(self) -> Traces:
        traces = Traces() | self._traces
        for screen, stack in self._keyboard.items():
            redo = b"".join(b"\x1b[>" + flags + b"u" for flags in stack)
            trace = Trace(self._place(screen), b"\x1b[<%du" % len(stack), redo)
            traces.mark(b"u%d" % screen, trace, is_set=bool(stack))
        return traces

    @property
    def _screen(self) -> int:
        """The screen that is shown: the alternate one is 1."""
        return int(b"screen" in self._traces)

    def _place(self, screen: int) -> int:
        """When that is undone which belongs to a screen."""
        return HERE if screen == self._screen == 1 else THERE

    # ---- what the guest printed

    def _in_seven_bits(self, data: bytes) -> bytes:
        if self._is_c1_torn:
            data, self._is_c1_torn = b"\xc2" + data, False
        if b"\xc2" not in data:
            return data
        if data.endswith(b"\xc2"):
            data, self._is_c1_torn = data[:-1], True
        return _C1.sub(lambda match: bytes([0x1B, match[1][0] - 0x40]), data)

    def _note_usual(self, data: bytes, start: int, end: int) -> None:
        # Of pairs only the last counts, and no colour before a reset.
        for pair in (_SHIFTS, *_PAIRS):
            self._note_pair(pair, data, start, end)
        plain_at = (data.rfind(plain, start, end) for plain in (b"\x1b[m", b"\x1b[0m"))
        if (latest := max(plain_at)) >= 0:
            self._note_colours([*_FONTS.findall(data, start, latest), b"0"])
            start = latest
        if colours := _COLOURS.findall(data, start, end):
            self._note_colours(colours)

    def _note_pair(self, pair: _Pair, data: bytes, start: int, end: int) -> None:
        key, sets, resets = pair
        set_at, reset_at = (data.rfind(it, start, end) for it in (sets, resets))
        if set_at != reset_at:
            trace = Trace(MODES, resets, sets)
            self._traces.mark(key, trace, is_set=set_at > reset_at)

    def _note_colours(self, texts: list[bytes]) -> None:
        self._attributes.note(texts)
        self._softly_plain = self._softly_plain and texts[-1:] not in ([b""], [b"0"])

    def _note(self, sequence: ControlSequence) -> None:
        match sequence.kind:
            case b"[":
                self._note_control_sequence(sequence)
            case b"]":
                self._note_command(sequence.parameters)
            case b"":
                self._note_escape(sequence.parameters, sequence.final)

    def _note_escape(self, intermediates: bytes, final: bytes) -> None:
        match intermediates, final:
            case b"", b"c":
                self._rest()
            case b"", b"7":
                self._cursor = self._save()
            case b"", b"8":
                self._restore(self._cursor)
            case b"", b"=" | b">":
                keypad = Trace(MODES, b"\x1b>", b"\x1b=")
                self._traces.mark(b"keypad", keypad, is_set=final == b"=")
            case b"", b"<":
                self._set_private(_VT52, is_on=True)
            case b"", b"l":  # HP's memory lock; the region begins at the cursor
                self._set_margins(b"1")
            case b"", b"n" | b"o":  # locking shifts, to G2 and G3
                self._traces.mark(b"shift", Trace(MODES, _SHIFT_IN, b"\x1b" + final))
            case _:
                self._designate(intermediates[:1], intermediates[1:] + final)

    def _designate(self, slot: bytes, designation: bytes) -> None:
        redo = b"\x1b" + slot + designation
        slot = _SLOTS.get(slot, slot)
        at_rest = _CHARSETS.get(slot)
        if at_rest is not None:
            odd = _ODD_ONES.get(slot)
            is_odd = designation == odd if odd else designation != at_rest
            trace = Trace(MODES, b"\x1b" + slot + at_rest, redo)
            self._traces.mark(slot, trace, is_set=is_odd)

    def _note_command(self, text: bytes) -> None:
        number, _, rest = text.partition(b";")
        if number == b"8":
            connection = Trace(FIRST, b"\x1b]8;;\x1b\\", b"\x1b]%b\x1b\\" % text)
            is_link = bool(rest.partition(b";")[2])
            self._traces.mark(b"link", connection, is_set=is_link)
        elif _COLOUR_COMMANDS.fullmatch(number):
            if rest and not rest.endswith(b"?"):
                settings = self._palette.setdefault(b"1%02d" % int(number), [])
                settings.append(text)
                del settings[:-_MAX_COLOURS]
        elif not rest:
            self._palette.pop(number, None)

    def _note_control_sequence(self, sequence: ControlSequence) -> None:
        prefix = sequence.parameters[:1]
        if prefix not in (b"?", b">", b"<", b"="):
            prefix = b""
        plain = sequence.parameters[len(prefix) :]
        match prefix, plain, sequence.final:
            case b"", b"!", b"p":
                self._soft_reset()
            case b"", _, b"q" if plain.endswith(b" "):
                shape = Trace(LAST, b"\x1b[0 q", b"\x1b[%bq" % plain)
                is_shape = plain[:-1].strip(b"0").isdigit()
                self._traces.mark(b"shape", shape, is_set=is_shape)
            case _ if sequence.numbers:
                self._note_setting(prefix, plain, sequence)

    def _note_setting(
        self, prefix: bytes, plain: bytes, sequence: ControlSequence
    ) -> None:
        match prefix, sequence.final:
            case b"?", b"h" | b"l" | b"s" | b"r":
                for mode in sequence.numbers:
                    self._note_private(mode, sequence.final)
            case b"", b"h" | b"l":
                for mode in sequence.numbers:
                    self._set_ansi(mode, is_on=sequence.final == b"h")
            case b"", b"m":
                self._note_colours([plain])
            case b"", b"r":
                self._set_margins(plain)
            case b"", b"s" if not plain:
                self._cursor = self._save()
            case b"", b"u" if not plain:
                self._restore(self._cursor)
            case b"", b"i" if plain in (b"4", b"5"):  # what follows goes to a printer
                printer = Trace(FIRST, b"\x1b[4i", b"\x1b[5i")
                self._traces.mark(b"printer", printer, is_set=plain == b"5")
            case b">" | b"<" | b"=", b"u":
                self._note_keyboard(prefix, plain, sequence.numbers[0])
            case b">", b"m" if sequence.numbers[0] == 4:
                other_keys = Trace(MODES, b"\x1b[>4m", b"\x1b[>%bm" % plain)
                is_set = any(sequence.numbers[1:])
                self._traces.mark(b">4", other_keys, is_set=is_set)

    # ---- what that means

    def _note_private(self, mode: int, final: bytes) -> None:
        at_rest = _PRIVATE_MODES.get(mode)
        if final in b"hl" and mode == _CURSOR_KEPT:
            self._note_escape(b"", b"7" if final == b"h" else b"8")
        elif at_rest is None:
            return
        elif final in b"hl":
            self._set_private(mode, is_on=final == b"h")
        elif final == b"s":
            self._saved_modes[mode] = at_rest != (_key(mode) in self._traces)
        elif (was_on := self._saved_modes.get(mode, at_rest)) != at_rest:
            self._set_private(mode, is_on=was_on)
        else:
            self._traces.doubt(_key(mode))

    def _set_private(self, mode: int, *, is_on: bool) -> None:
        if mode in _SCREENS:
            self._set_screen(mode, is_on=is_on)
            return
        on, off = b"\x1b[?%dh" % mode, b"\x1b[?%dl" % mode
        undo, redo = (off, on) if is_on else (on, off)
        trace = Trace(_ORDERS.get(mode, MODES), _UNDOES.get(mode, undo), redo)
        is_set = is_on != _PRIVATE_MODES[mode]
        self._traces.mark(_key(mode), trace, is_set=is_set)

    def _set_screen(self, mode: int, *, is_on: bool) -> None:
        if is_on:
            if mode == _SCREEN_AND_CURSOR and not self._screen:
                self._cursor_of_screen = self._save()
            screen = Trace(SCREEN, b"\x1b[?%dl" % mode, b"\x1b[?%dh" % mode)
            self._traces.mark(b"screen", screen)
            return
        if mode == _SCREEN_AND_CURSOR:
            # tmux leaves all of this as it is, but for attributes.
            self._restore(self._cursor_of_screen, for_sure=False)
        self._cursor_of_screen = None
        self._traces.drop((b"screen", b"=1"))
        self._keyboard.pop(1, None)

    def _set_ansi(self, mode: int, *, is_on: bool) -> None:
        at_rest = _ANSI_MODES.get(mode)
        if at_rest is not None:
            on, off = b"\x1b[%dh" % mode, b"\x1b[%dl" % mode
            trace = Trace(MODES, *((off, on) if is_on else (on, off)))
            self._traces.mark(b"%d" % mode, trace, is_set=is_on != at_rest)

    def _set_margins(self, plain: bytes) -> None:
        # The cursor goes home with it; DECSC and DECRC bring it back.
        redo = b"\x1b7\x1b[%br\x1b8" % plain
        trace = Trace(MARGINS, b"\x1b7\x1b[r\x1b8", redo)
        self._traces.mark(b"margins", trace, is_set=bool(plain.strip(b"0;")))

    def _note_keyboard(self, prefix: bytes, plain: bytes, number: int) -> None:
        """Kitty's protocol: flags are pushed, popped and set, for each screen."""
        stack = self._keyboard.setdefault(self._screen, [])
        if prefix == b">":
            stack.append(plain)
            del stack[:-_MAX_PUSHES]
        elif prefix == b"<":
            del stack[max(0, len(stack) - (number or 1)) :]
        else:
            place = self._place(self._screen)
            flags = Trace(place, b"\x1b[=0u", b"\x1b[=" + plain + b"u")
            self._traces.mark(b"=%d" % self._screen, flags, is_set=number > 0)

    def _soft_reset(self) -> None:
        """DECSTR resets some things only (VT510 manual)."""
        for key in _SOFTLY_RESET:
            self._traces.doubt(key)
        self._softly_plain = self._softly_plain or bool(self._attributes)
        self._attributes = Attributes()

    def _save(self) -> _Saved:
        return _Saved(self._traces.of(_CURSOR), self._attributes.copy())

    def _restore(self, saved: _Saved | None, *, for_sure: bool = True) -> None:
        if saved is not None:  # else terminals differ
            if for_sure:
                self._traces.drop(_CURSOR)
            for key in _CURSOR:
                self._traces.doubt(key)
            self._traces |= saved.traces
            self._attributes = saved.attributes.copy()


def _key(mode: int) -> bytes:
    return b"screen" if mode in _SCREENS else b"?%d" % mode
