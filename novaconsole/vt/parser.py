r"""Takes terminal output apart into text and control sequences.

The grammar is that of ECMA-48 (5.3 escape sequences, 5.4 control sequences, 5.6 control
strings) as terminals implement it: CAN and SUB cancel a sequence, ESC cancels it and
begins another, other control characters inside a control sequence are carried out at
once, and BEL ends an OSC string (xterm's ctlseqs; vt100.net/emu/dec_ansi_parser).

A read may end anywhere, so the parser keeps a partial sequence until it is whole.
Regular expressions recognise whole sequences; the state machine, which takes a run of
bytes or a single byte at a time, sees only sequences that are partial or odd.

Only the 7-bit forms are recognised: in UTF-8, bytes 80 to 9F are parts of characters.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# No terminal knows longer ones; they are noise or an attack.
_MAX_SEQUENCE_BYTES = 4096
_ESC, _BEL, _CAN, _SUB = 0x1B, 0x07, 0x18, 0x1A
_STRINGS = b"PX]^_"  # DCS, SOS, OSC, PM, APC
_CSI, _OSC, _ST = b"[]\\"
_KINDS = b"[" + _STRINGS


@dataclass(frozen=True)
class Text:
    """Printed characters and control characters such as CR and BEL."""

    data: bytes


@dataclass(frozen=True)
class ControlSequence:
    """An escape sequence, a control sequence or a control string.

    Attributes:
        kind: the byte after ESC if it introduces something: `[` for a control
            sequence, `]`, `P`, `X`, `^` or `_` for a control string.  Empty for an
            escape sequence.
        parameters: what is between kind and final byte; the text of a control string.
        final: the final byte; empty for a control string.
    """

    kind: bytes
    parameters: bytes
    final: bytes = b""

    @property
    def numbers(self) -> list[int]:
        """The parameters as numbers, 0 if empty; none if one is not a number."""
        match = _NUMBERS.fullmatch(self.parameters)
        parts = match[1].split(b";") if match else ()
        return [int(part.partition(b":")[0] or 0) for part in parts]


# The limit is the parser's; Python refuses to convert very long numbers.
_NUMBERS = re.compile(rb"[?>=<]?([0-9;:]{0,%d})" % _MAX_SEQUENCE_BYTES)
_PLAIN = re.compile(rb"[^\x1b]+")
# Whole sequences as they nearly always come: in one piece, without a control inside.
_CONTROL_SEQUENCE = re.compile(rb"\x1b\[([\x30-\x3f]*[\x20-\x2f]*)([\x40-\x7e])")
_ESCAPE_SEQUENCE = re.compile(rb"\x1b([\x20-\x2f]*)([0-OQ-WYZ\\`-~])")
# What a partial sequence may continue with, by kind; `_take` handles other bytes.
_RUNS = {
    **dict.fromkeys(_STRINGS, re.compile(rb"[^\x18\x1a\x1b]+")),
    _OSC: re.compile(rb"[^\x07\x18\x1a\x1b]+"),
    _CSI: re.compile(rb"[\x20-\x3f]+"),
}
_CONTROLS = re.compile(rb"[\x00-\x17\x19\x1c-\x1f]+")  # carried out at once
_INTERMEDIATES = re.compile(rb"[\x20-\x2f]+")


class SequenceParser:
    """Takes bytes in any pieces, and yields text and whole sequences in order.

    Attributes:
        awaits_end: whether the last control string has had no end.  It may have been
            cancelled, but not every terminal accepts that: tmux does not in a DCS.
    """

    def __init__(self) -> None:
        self._partial = bytearray()  # a sequence that is not whole, after its ESC
        self._is_partial = False
        self._string_escape = False  # inside a control string, after an ESC
        self.awaits_end = False

    @property
    def is_inside(self) -> bool:
        """Whether a sequence has begun and has not ended."""
        return self._is_partial

    def feed(self, data: bytes) -> Iterator[Text | ControlSequence]:
        """Take bytes, and yield what is in them.

        A partial sequence is held back until it is whole or cancelled.
        """
        position, size = 0, len(data)
        while position < size:
            if self._is_partial:
                position = self._take_run(data, position)
                if position == size:
                    break
                controls = _CONTROLS.match(data, position)
                if controls and not self._is_inside_string:
                    yield Text(controls[0])
                    position = controls.end()
                    continue
                event = self._take(data[position])
                position += 1
                if event is not None:
                    yield event
                continue
            if data[position] != _ESC:
                match = _PLAIN.match(data, position)
                assert match is not None
                yield Text(match[0])
            else:
                kind = data[position + 1 : position + 2]
                whole = _CONTROL_SEQUENCE if kind == b"[" else _ESCAPE_SEQUENCE
                match = whole.match(data, position)
                if match is None or len(match[1]) >= _MAX_SEQUENCE_BYTES:
                    self._begin()
                    position += 1
                    continue
                if kind == b"\\":
                    self.awaits_end = False
                yield ControlSequence(kind if kind == b"[" else b"", match[1], match[2])
            position = match.end()

    @property
    def _is_inside_string(self) -> bool:
        return self._is_partial and bool(self._partial) and self._partial[0] in _STRINGS

    def _begin(self) -> None:
        self._is_partial, self._string_escape = True, False
        self._partial.clear()

    def _end(
        self, event: Text | ControlSequence | None = None
    ) -> Text | ControlSequence | None:
        self._is_partial = False
        return event

    def _take_run(self, data: bytes, position: int) -> int:
        """Take what can only continue a partial sequence; return where that ends."""
        if self._string_escape and self._is_inside_string:
            return position
        run = (
            _RUNS.get(self._partial[0], _INTERMEDIATES)
            if self._partial
            else _INTERMEDIATES
        )
        match = run.match(data, position)
        if match is None:
            return position
        room = _MAX_SEQUENCE_BYTES + 1 - len(self._partial)
        self._partial += match[0][:room]
        return match.end()  # what is too long is cut, but its end still counts

    def _take(self, byte: int) -> Text | ControlSequence | None:
        """Take the byte of a partial sequence that no run has taken."""
        if self._is_inside_string:
            return self._take_of_string(byte)
        if byte == _ESC:
            self._begin()
            return None
        if byte in (_CAN, _SUB) or len(self._partial) > _MAX_SEQUENCE_BYTES:
            return self._end()
        if byte >= 0x80:
            return self._end(Text(bytes([byte])))
        if byte == 0x7F:
            return None
        if not self._partial and byte in _KINDS:
            self._partial.append(byte)
            self.awaits_end = self.awaits_end or self._is_inside_string
            return None
        if byte == _ST and not self._partial:
            self.awaits_end = False
        kind = bytes(self._partial[:1]) if self._partial[:1] == b"[" else b""
        middle = bytes(self._partial[len(kind) :])
        return self._end(ControlSequence(kind, middle, bytes([byte])))

    def _take_of_string(self, byte: int) -> Text | ControlSequence | None:
        if self._string_escape and byte != _ST:
            self._begin()  # that ESC began another sequence
            return self._take(byte)
        if byte in (_CAN, _SUB):
            return self._end()
        if byte == _ESC:
            self._string_escape = True
            return None
        self.awaits_end = False
        return self._end(
            ControlSequence(bytes(self._partial[:1]), bytes(self._partial[1:]))
        )
