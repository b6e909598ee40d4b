r"""Makes terminal output into plain text, to be read later: a log for people.

Control sequences, control strings and control characters are taken out, and each line
is written as the screen showed it at its end (`vt/line.py`), without what was drawn
elsewhere on the screen meanwhile (`capture/elsewhere.py`).  Characters stay whole
however the bytes come; bytes that are not UTF-8 become U+FFFD.

A line is written when it ends.  An unfinished one, such as a prompt, is written when
the caller flushes, so that it is in the log soon.  If the line only continues, the rest
is added later.  If what was written has changed, as in a progress bar, the line is
written again, as a line of its own.  Going back to overwrite it was rejected: it works
for regular files only, takes the text away from `tail -f` and from other writers, and
loses what the screen showed in between.

Most output has no ESC, CR or BS inside a line, so that is checked for whole blocks
first; only lines with one of them go through `ScreenLine`.
"""

import codecs
import re

from novaconsole.capture import elsewhere
from novaconsole.capture.timestamps import add_timestamps
from novaconsole.vt.line import EDITS, ScreenLine
from novaconsole.vt.parser import ControlSequence
from novaconsole.vt.text import TextFilter

# At most so much of an unfinished line is kept as it came.
_MAX_RAW_BYTES = 32 * 1024

_KEPT_CONTROLS = b"\b\t\n\r"
_NUMBER = re.compile(rb"[0-9]{0,9}")
_MOVES = re.compile(rb"[\b\r\x1b]")  # what needs a ScreenLine
_C1 = re.compile(rb"\xc2[\x80-\x9f]")  # C1 control characters in UTF-8


class PlainText:
    """Takes terminal output in any pieces, and returns the text for the log.

    Attributes:
        has_pending: whether something has come that `flush` may have to write.
    """

    def __init__(self) -> None:
        self._filter = TextFilter(
            _KEPT_CONTROLS, EDITS + elsewhere.FINALS, _kept, elsewhere.ESCAPES
        )
        self._elsewhere = elsewhere.ElsewhereFilter()
        self._raw = bytearray()  # the end of the unfinished line, not yet in `_line`
        self._line = ScreenLine()
        self._written = b""  # the unfinished line as the log has it
        self._is_inside_line = False  # in the log
        self._timestamp = b""
        self.has_pending = False

    def feed(self, data: bytes, timestamp: bytes = b"") -> bytes:
        """Take bytes, and return what to write now.

        Args:
            data: the bytes that have come.
            timestamp: the text to put before lines that begin in them.  A line that is
                written again has the timestamp of the first bytes since it was written.
        """
        if not self.has_pending:
            self._timestamp = timestamp
        return self._add(self._elsewhere.feed(self._filter.feed(data)), timestamp)

    def _add(self, text: bytes, timestamp: bytes) -> bytes:
        out = b""
        if (end := text.find(b"\n")) >= 0:
            self._raw += text[:end]
            last = text.rindex(b"\n") + 1
            out = self._end_with(self._take_line())
            out += add_timestamps(_plain(text[end + 1 : last]), timestamp)
            text = text[last:]
            self._timestamp = timestamp
        self._raw += text
        self.has_pending = self.has_pending or bool(text)
        if len(self._raw) > _MAX_RAW_BYTES:
            out += self._draw()
        return out

    def flush(self) -> bytes:
        """Return what the log does not have yet of the unfinished line."""
        if not self.has_pending:
            return b""
        out = self._draw()
        text = self._line.text.encode()
        # A line that is being erased has nothing new.
        if not self._written.startswith(text.rstrip(b" ")):
            out += self._continue_to(text)
            self._written = text
        self.has_pending = False
        return out

    def finish(self) -> bytes:
        """Return what ends the last line; what comes next does not belong to it."""
        out = self._add(self._elsewhere.release(), self._timestamp)
        text = self._take_line()
        if text or self._is_inside_line:
            out += self._end_with(text)
        return out

    def _take_line(self) -> bytes:
        """Return the unfinished line as the screen shows it, and forget it."""
        raw = bytes(self._raw)
        self._raw.clear()
        if self._line.is_fresh:  # nearly always
            return _plain(raw + b"\n")[:-1]
        full = self._line.feed(_without_c1(raw.decode(errors="replace")).decode())
        return (full + self._line.take()).encode()

    def _end_with(self, text: bytes) -> bytes:
        out = self._continue_to(text) + b"\n"
        self._written = b""
        self._is_inside_line = self.has_pending = False
        return out

    def _draw(self) -> bytes:
        """Draw the raw bytes on the line; return lines of the screen that are full."""
        text, used = codecs.utf_8_decode(self._raw, "replace", False)
        del self._raw[:used]
        full = self._line.feed(_without_c1(text).decode()).encode()
        if not full:
            return b""
        out = self._continue_to(full)
        self._written = b""
        return out

    def _continue_to(self, text: bytes) -> bytes:
        """Return what turns the line in the log into this one."""
        new, start = text, b""
        if text.startswith(self._written):
            new = text[len(self._written) :]
        else:
            start = b"\n"
        if start or not self._is_inside_line:
            start += self._timestamp
        self._is_inside_line = True
        return start + new


def _kept(sequence: ControlSequence) -> bytes:
    """Return a sequence in the form that is understood here, or nothing."""
    if not sequence.kind or sequence.final in elsewhere.FINALS:
        return elsewhere.marker(sequence)
    if _NUMBER.fullmatch(sequence.parameters):
        return b"\x1b[" + sequence.parameters + sequence.final
    return b""


def _without_c1(text: str) -> bytes:
    data = text.encode()
    return _C1.sub(b"", data) if b"\xc2" in data else data


def _plain(lines: bytes) -> bytes:
    """Return whole lines, each as the screen shows it at its end."""
    lines = lines.replace(b"\r\n", b"\n")
    if not lines.isascii():
        lines = _without_c1(lines.decode(errors="replace"))
    if not (b"\x1b" in lines or b"\r" in lines or b"\b" in lines):
        return lines  # nearly always
    match = _MOVES.search(lines)
    parts, position, line = [], 0, ScreenLine()
    while match is not None:
        start = lines.rfind(b"\n", position, match.start()) + 1 or position
        end = lines.find(b"\n", match.end())
        full = line.feed(lines[start:end].decode())
        parts += [lines[position:start], (full + line.take()).encode()]
        position = end
        match = _MOVES.search(lines, position)
    return b"".join([*parts, lines[position:]])
