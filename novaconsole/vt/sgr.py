r"""Follows which colours, bold and other attributes SGR sequences have switched on.

Rules from ECMA-48 8.3.117, xterm's ctlseqs (colours with several numbers), and what
terminals have added: styles and colours of underlines (kitty, VTE, mintty), fonts (the
Linux console, mintty), frames, super- and subscript (mintty).  All of it is in one
table, because a terminal that does not know a number ignores it.
"""

from collections.abc import Iterable
from typing import Self

# The parameter that switches an attribute off, by those that switch it on.
_OFF = {
    **dict.fromkeys((1, 2), 22),
    **dict.fromkeys((3, 20), 23),
    **dict.fromkeys((4, 21), 24),
    **dict.fromkeys((5, 6), 25),
    7: 27,
    8: 28,
    9: 29,
    **dict.fromkeys((*range(30, 39), *range(90, 98)), 39),
    **dict.fromkeys((*range(40, 49), *range(100, 108)), 49),
    **dict.fromkeys((51, 52), 54),
    53: 55,
    58: 59,
    **dict.fromkeys((73, 74), 75),
}
_FONTS, _DEFAULT_FONT = range(11, 20), 10
_LONG = (38, 48, 58)  # colours, followed by more numbers
_LENGTHS = {b"5": 3, b"2": 5}  # how many numbers, by the second one


class Attributes:
    """The attributes that differ from plain text."""

    def __init__(self) -> None:
        self._set: dict[int, bytes] = {}  # what switches it off -> what switched it on
        self._font = b""

    def __bool__(self) -> bool:
        return bool(self._set or self._font)

    def __or__(self, other: Self) -> Self:
        """Return the attributes that are on in either."""
        both = self.copy()
        both._set |= other._set
        both._font = other._font or self._font
        return both

    def copy(self) -> Self:
        """Return a copy that later changes do not affect."""
        copy = type(self)()
        copy._set, copy._font = self._set.copy(), self._font
        return copy

    def note(self, texts: Iterable[bytes]) -> None:
        """Take the parameters of SGR sequences, in order."""
        texts = list(texts)
        # Of equal ones only the last counts, whatever is between them.
        for text in reversed(dict.fromkeys(reversed(texts))):
            self._note(text)

    def undo(self) -> bytes:
        """Return what makes text plain again."""
        font = b"\x1b[%dm" % _DEFAULT_FONT if self._font else b""
        return font + (b"\x1b[m" if self._set else b"")

    def redo(self) -> bytes:
        """Return what switches the same attributes on again."""
        settings = [self._font] if self._font else []
        settings += self._set.values()
        return b"".join(b"\x1b[%bm" % setting for setting in settings)

    def _note(self, text: bytes) -> None:
        parts = text.split(b";")
        position = 0
        while position < len(parts):
            number, colon, kind = parts[position].partition(b":")
            used = 1
            code = int(number or 0)
            if code in _LONG and not colon:
                used = _LENGTHS.get(b"".join(parts[position + 1 : position + 2]), 1)
            self._apply(code, kind, b";".join(parts[position : position + used]))
            position += used

    def _apply(self, code: int, kind: bytes, setting: bytes) -> None:
        if code == 0:
            self._set.clear()
        elif code in _FONTS:  # SGR 0 does not reset it on the Linux console
            self._font = setting
        elif code == _DEFAULT_FONT:
            self._font = b""
        elif code in _OFF and not (code == 4 and kind == b"0"):  # 4:0 is "no underline"
            self._set[_OFF[code]] = setting
        else:
            self._set.pop(_OFF.get(code, code), None)
