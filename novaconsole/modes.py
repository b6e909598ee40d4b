r"""Which modes of the terminal the guest has switched on, and how to undo that.

A session ends in the middle of vim, of a boot menu, of a crash.  What the guest set
and did not reset is reset then, and nothing else: a plain session adds no byte.

Rules from xterm's "Control Sequences" (ctlseqs: DECSET, DECSCUSR, DECSTBM, SGR),
ECMA-48, and kitty's keyboard protocol.  Some resets move the cursor (DECSTBM, DECOM);
it is saved and put back around them.
"""

import re

from novaconsole.sequences import Sequence, SequenceParser, Text

# DECSET numbers that leave traces, and whether they are on in a terminal at rest.
_PRIVATE_MODES = {
    1: False,  # DECCKM, application cursor keys
    5: False,  # DECSCNM, reverse video
    6: False,  # DECOM, origin
    7: True,  # DECAWM, wrap
    9: False,  # X10 mouse
    25: True,  # DECTCEM, the cursor is visible
    47: False,  # alternate screen, in its three forms
    1047: False,
    1049: False,
    66: False,  # DECNKM, application keypad
    69: False,  # DECLRMM, left and right margins
    **dict.fromkeys(range(1000, 1007), False),  # mouse; 1004 is focus
    1015: False,  # mouse in urxvt's form
    1016: False,  # mouse in pixels
    2004: False,  # bracketed paste
    2026: False,  # synchronized output
    2031: False,  # reports of the colour scheme
    2048: False,  # reports of the size
}
_INSERT, _NEW_LINE = 4, 20  # ANSI modes IRM and LNM
_MOVES_CURSOR = (6,)
# The screen is left last but for what belongs to the screen that is shown then.
_SCREENS = (1049, 1047, 47)
_SHIFT_OUT, _SHIFT_IN = 0x0E, 0x0F

# SGR parameters that switch a thing on, by the one that switches it off.
_SGR_OFF = {
    **dict.fromkeys((1, 2), 22),
    3: 23,
    **dict.fromkeys((4, 21), 24),
    **dict.fromkeys((5, 6), 25),
    7: 27,
    8: 28,
    9: 29,
    **dict.fromkeys((*range(30, 39), *range(90, 98)), 39),
    **dict.fromkeys((*range(40, 49), *range(100, 108)), 49),
    53: 55,
    58: 59,
}
_PARAMETERS = re.compile(rb"[0-9;:]{0,256}")  # others mean something else
_MAX_PUSHES = 16  # kitty keeps no more, either
_MAX_COLOURS = 256
_SGR_LONG = (38, 48, 58)  # colours with more numbers behind them


class ModeTracker:
    """Follows what the guest prints."""

    def __init__(self) -> None:
        self._parser = SequenceParser()
        self._rest()

    def _rest(self) -> None:
        """A terminal at rest: nothing has been switched."""
        self._private: dict[int, bool] = {}  # those that differ
        self._ansi: set[int] = set()
        self._attributes: dict[int, bytes] = {}  # off-number → what set it
        self._cursor_shape = b""
        self._keypad = False
        self._shifted_out = False
        self._charsets: dict[bytes, bytes] = {}  # "(" or ")" → designation
        self._margins = b""
        self._keyboard: list[bytes] = []  # kitty's stack, as pushed
        self._keyboard_flags = b""
        self._other_keys = b""  # xterm's modifyOtherKeys
        self._link = b""
        self._palette: dict[bytes, list[bytes]] = {}  # what resets → what was set

    def feed(self, data: bytes) -> None:
        """Note what was printed."""
        if not (self._parser.is_inside or b"\x1b" in data):
            if b"\x0e" in data or b"\x0f" in data:
                self._shift(data)
            return
        for event in self._parser.feed(data):
            if isinstance(event, Text):
                self._shift(event.data)
            else:
                self._note(event)

    # ---- undoing

    def undo(self) -> bytes:
        """What puts the terminal to rest; empty for a terminal that is."""
        out = bytearray()
        if self._parser.is_inside:
            out += b"\x18"  # CAN: the terminal waits for the end of a sequence
        if self._private.get(2026):
            out += b"\x1b[?2026l"
        if self._link:
            out += b"\x1b]8;;\x1b\\"
        if self._keyboard:
            out += b"\x1b[<%du" % len(self._keyboard)
        if self._keyboard_flags:
            out += b"\x1b[=0u"
        if self._other_keys:
            out += b"\x1b[>4m"
        for mode in _SCREENS:
            if self._private.get(mode):
                out += b"\x1b[?%dl" % mode
        for mode, is_on in sorted(self._private.items()):
            if mode not in (2026, *_SCREENS, *_MOVES_CURSOR):
                out += b"\x1b[?%d%c" % (mode, b"l" if is_on else b"h")
        moving = bytearray()
        if self._margins:
            moving += b"\x1b[r"
        if self._private.get(6):
            moving += b"\x1b[?6l"
        if moving:
            out += b"\x1b7" + moving + b"\x1b8"
        for mode in sorted(self._ansi):
            out += b"\x1b[%dl" % mode
        if self._shifted_out:
            out += b"\x0f"
        for slot in sorted(self._charsets):
            out += b"\x1b%bB" % slot
        if self._keypad:
            out += b"\x1b>"
        if self._cursor_shape:
            out += b"\x1b[0 q"
        if self._attributes:
            out += b"\x1b[m"
        for reset in self._palette:
            out += b"\x1b]%b\x1b\\" % reset
        return bytes(out)

    def redo(self) -> bytes:
        """What sets everything again that `undo` has reset, after a suspension.

        A sequence that was broken off stays so.
        """
        out = bytearray()
        for mode in _SCREENS:
            if self._private.get(mode):
                out += b"\x1b[?%dh" % mode
        for mode, is_on in sorted(self._private.items()):
            if mode not in (*_SCREENS, *_MOVES_CURSOR):
                out += b"\x1b[?%d%c" % (mode, b"h" if is_on else b"l")
        moving = bytearray()
        if self._margins:
            moving += b"\x1b[%br" % self._margins
        if self._private.get(6):
            moving += b"\x1b[?6h"
        if moving:
            out += b"\x1b7" + moving + b"\x1b8"
        for mode in sorted(self._ansi):
            out += b"\x1b[%dh" % mode
        for slot, designation in sorted(self._charsets.items()):
            out += b"\x1b%b%b" % (slot, designation)
        if self._shifted_out:
            out += b"\x0e"
        if self._keypad:
            out += b"\x1b="
        if self._cursor_shape:
            out += b"\x1b[%b q" % self._cursor_shape
        for flags in self._keyboard:
            out += b"\x1b[>" + flags + b"u"
        if self._keyboard_flags:
            out += b"\x1b[=" + self._keyboard_flags + b"u"
        if self._other_keys:
            out += b"\x1b[>%bm" % self._other_keys
        for attribute in self._attributes.values():
            out += b"\x1b[%bm" % attribute
        settings = [self._link] if self._link else []
        for texts in self._palette.values():
            settings += texts
        for text in settings:
            out += b"\x1b]%b\x1b\\" % text
        return bytes(out)

    # ---- what the guest printed

    def _shift(self, data: bytes) -> None:
        out, back = data.rfind(_SHIFT_OUT), data.rfind(_SHIFT_IN)
        if out != back:
            self._shifted_out = out > back

    def _note(self, sequence: Sequence) -> None:
        match sequence.kind:
            case b"[":
                self._note_control_sequence(sequence)
            case b"]":
                self._note_command(sequence.parameters)
            case b"":
                self._note_escape(sequence.parameters, sequence.final)

    def _note_escape(self, intermediates: bytes, final: bytes) -> None:
        match intermediates, final:
            case b"", b"c":  # RIS
                self._rest()
            case b"", b"=" | b">":
                self._keypad = final == b"="
            case b"(" | b")" as slot, _:
                if final == b"B":  # ASCII
                    self._charsets.pop(slot, None)
                else:
                    self._charsets[slot] = final

    def _note_command(self, text: bytes) -> None:
        number, _, rest = text.partition(b";")
        match number:
            case b"8":
                self._link = text if rest.partition(b";")[2] else b""
            case b"4" | b"10" | b"11" | b"12" if rest and not rest.endswith(b"?"):
                settings = self._palette.setdefault(b"%d" % (int(number) + 100), [])
                settings.append(text)
                del settings[:-_MAX_COLOURS]
            case b"104" | b"110" | b"111" | b"112" if not rest:
                self._palette.pop(number, None)

    def _note_control_sequence(self, sequence: Sequence) -> None:
        prefix = sequence.parameters[:1]
        if prefix not in (b"?", b">", b"<", b"="):
            prefix = b""
        plain = sequence.parameters[len(prefix) :]
        if prefix == b"" and sequence.final == b"q" and plain.endswith(b" "):
            shape = plain[:-1]
            self._cursor_shape = shape if shape.isdigit() and int(shape) else b""
        elif prefix == b"" and sequence.final == b"p" and plain == b"!":  # DECSTR
            self._soft_reset()
        elif _PARAMETERS.fullmatch(plain):
            self._note_setting(prefix, plain, sequence)

    def _note_setting(self, prefix: bytes, plain: bytes, sequence: Sequence) -> None:
        match prefix, sequence.final:
            case b"?", b"h" | b"l":
                for mode in sequence.numbers:
                    self._set_private(mode, is_on=sequence.final == b"h")
            case b"", b"h" | b"l":
                for mode in sequence.numbers:
                    if mode in (_INSERT, _NEW_LINE):
                        self._set_ansi(mode, is_on=sequence.final == b"h")
            case b"", b"m":
                self._set_attributes(plain)
            case b"", b"r":
                self._margins = plain if plain.strip(b"0;") else b""
            case b">", b"u":
                self._keyboard.append(plain)
                del self._keyboard[:-_MAX_PUSHES]
            case b"<", b"u":
                count = sequence.numbers[0] or 1
                del self._keyboard[max(0, len(self._keyboard) - count) :]
            case b"=", b"u":
                is_reset = plain.partition(b";")[0] in (b"", b"0")
                self._keyboard_flags = b"" if is_reset else plain
            case b">", b"m" if plain.partition(b";")[0] == b"4":
                is_reset = plain.partition(b";")[2] in (b"", b"0")
                self._other_keys = b"" if is_reset else plain

    def _set_private(self, mode: int, *, is_on: bool) -> None:
        at_rest = _PRIVATE_MODES.get(mode)
        if at_rest is None:
            return
        if is_on == at_rest:
            self._private.pop(mode, None)
        else:
            self._private[mode] = is_on

    def _set_ansi(self, mode: int, *, is_on: bool) -> None:
        if is_on:
            self._ansi.add(mode)
        else:
            self._ansi.discard(mode)

    def _soft_reset(self) -> None:
        """DECSTR resets some things only (VT510 manual)."""
        for mode in (1, 6, 7, 25, 66, 69):
            self._private.pop(mode, None)
        self._ansi.clear()
        self._attributes.clear()
        self._charsets.clear()
        self._shifted_out = False
        self._keypad = False
        self._margins = b""

    def _set_attributes(self, text: bytes) -> None:
        parts = text.split(b";")
        position = 0
        while position < len(parts):
            part = parts[position]
            number = int(part.partition(b":")[0] or 0)
            used = 1
            if number in _SGR_LONG and b":" not in part:
                mode = parts[position + 1 : position + 2]
                used = {b"5": 3, b"2": 5}.get(mode[0] if mode else b"", 1)
            if number == 0:
                self._attributes.clear()
            elif number in _SGR_OFF:
                setting = b";".join(parts[position : position + used])
                self._attributes[_SGR_OFF[number]] = setting
            else:
                self._attributes.pop(number, None)
            position += used
