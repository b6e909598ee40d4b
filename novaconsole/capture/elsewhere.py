"""Leaves out what is drawn elsewhere on the screen, such as apt's progress bar.

A program that keeps a bar or a clock on the screen saves the cursor, moves it to
another row, draws, and restores the cursor, often in the middle of a line.  In a log of
lines that text belongs to no line.

The cursor may never be restored, for instance if the guest was reset.  So what is drawn
is held, and if it is more than a bar could be, it counts as ordinary text after all.
"""

import re

from novaconsole.vt.parser import ControlSequence

_SAVE, _RESTORE, _MOVE = b"\x1b7", b"\x1b8", b"\x1b[H"
_TOKEN = re.compile(rb"\x1b7|\x1b8|\x1b\[H|(?:[^\x1b]|\x1b(?!7|8|\[H))+")
_MAX_HELD_BYTES = 4096  # twice a screen of 24 lines

# DECSC and DECRC; SCOSC and SCORC; and what leaves the row (ECMA-48: CUP, HVP, VPA,
# CUU, CUD, CNL, CPL; DECSTBM).
ESCAPES = b"78"
FINALS = b"suHfdABEFr"


def marker(sequence: ControlSequence) -> bytes:
    """Return a sequence as `ElsewhereFilter` understands it, or nothing.

    Args:
        sequence: one with a final byte of ESCAPES or FINALS.
    """
    if not sequence.kind:
        return b"" if sequence.parameters else b"\x1b" + sequence.final
    if sequence.final in (b"s", b"u"):
        if sequence.parameters:  # margins, or the keyboard protocol of kitty
            return b""
        return _SAVE if sequence.final == b"s" else _RESTORE
    return b"" if sequence.parameters.startswith((b"<", b"=", b">", b"?")) else _MOVE


class ElsewhereFilter:
    """Takes text with markers, and returns it without them and what is elsewhere."""

    def __init__(self) -> None:
        self._is_saved = False
        self._held: bytearray | None = None

    def feed(self, text: bytes) -> bytes:
        """Take text in pieces that cut no marker."""
        if b"\x1b" not in text and self._held is None:
            return text  # nearly always
        out = bytearray()
        for token in _TOKEN.finditer(text):
            match token[0]:
                case b"\x1b7":
                    self._is_saved = True
                case b"\x1b8":
                    self._is_saved, self._held = False, None
                case b"\x1b[H" if self._is_saved:
                    self._held = self._held or bytearray()
                case b"\x1b[H":
                    pass  # there is nothing to go back to
                case drawn if self._held is not None:
                    self._held += drawn
                case printed:
                    out += printed
            if self._held and len(self._held) > _MAX_HELD_BYTES:
                out += self.release()
        return bytes(out)

    def release(self) -> bytes:
        """Return what is held: the cursor will not be restored."""
        held, self._held, self._is_saved = self._held, None, False
        return bytes(held or b"")
