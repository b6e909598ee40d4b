r"""Terminal output made into plain text, as it is read later: a log for people.

Control sequences, control strings and control characters are taken out, and each line
is as the screen showed it at its end (`folding.py`).  Characters stay whole however the
bytes come; those that are no UTF-8 become U+FFFD.

A line is written when it ends.  An unfinished one, such as a prompt, is written as well
if the caller flushes, so that it is in the log soon.  If the line only goes on from
there, the rest is added; if what was written has changed since, as a progress bar does,
it is written again, as a line of its own.  To go back and overwrite it would work for
regular files alone, would pull the text from under `tail -f` and other writers, and
would lose what the screen showed in between.
"""

import codecs
import re

from novaconsole.capture.timestamps import stamp_lines
from novaconsole.vt.line import EDITS, ScreenLine
from novaconsole.vt.parser import ControlSequence, SequenceParser, Text

# So much of an unfinished line is kept as it came, before it is folded.
_MAX_UNFOLDED_BYTES = 32 * 1024

# Whole control sequences that are not carried out.  CAN in place of one breaks off what
# it breaks off, and goes with the other control characters: the parser, which takes its
# time for each event, has less to do.
_OTHERS = re.compile(rb"\x1b\[[\x30-\x3f]*(?:[ABEFHILMNOQ-~]|[\x20-\x2f]+[\x40-\x7e])")
_CAN = b"\x18"
_NOT_TEXT = bytes(sorted({*range(0x20), 0x7F} - {*b"\b\t\n\r\x1b"}))
_NUMBER = re.compile(rb"[0-9]{0,9}")
_TO_FOLD = re.compile(rb"[\b\r\x1b]")
_C1 = re.compile(rb"\xc2[\x80-\x9f]")  # more control characters, as UTF-8 has them


class PlainText:
    """Takes terminal output in any pieces, gives the text for the log.

    Attributes:
        is_behind: whether something has come that `flush` may have to write.
    """

    def __init__(self) -> None:
        self._parser = SequenceParser()
        self._line = bytearray()  # what is unfinished, and not yet in the row
        self._row = ScreenLine()
        self._written = b""  # of the row, as the log has it
        self._is_inside = False  # a line, in the log
        self._stamp = b""
        self.is_behind = False

    def feed(self, data: bytes, stamp: bytes = b"") -> bytes:
        """Take bytes; what to write now.

        Args:
            data: what has come.
            stamp: put in front of the lines that begin in it.  A line that is written
                again has the stamp of the first bytes since it was written.
        """
        if not self.is_behind:
            self._stamp = stamp
        text = self._strip(data)
        out = b""
        if (end := text.find(b"\n")) >= 0:
            self._line += text[:end]
            last = text.rindex(b"\n") + 1
            out = self._end_with(self._take_line())
            out += stamp_lines(_plain(text[end + 1 : last]), stamp)
            text = text[last:]
            self._stamp = stamp
        self._line += text
        self.is_behind = self.is_behind or bool(text)
        if len(self._line) > _MAX_UNFOLDED_BYTES:
            out += self._fold()
        return out

    def flush(self) -> bytes:
        """What there is of the unfinished line, if the log does not have it."""
        if not self.is_behind:
            return b""
        out = self._fold()
        text = self._row.text.encode()
        # A line that is being erased tells nothing new.
        if not self._written.startswith(text.rstrip(b" ")):
            out += self._go_on_to(text)
            self._written = text
        self.is_behind = False
        return out

    def finish(self) -> bytes:
        """End the last line: what comes next into the log has nothing to do with it."""
        text = self._take_line()
        return self._end_with(text) if text or self._is_inside else b""

    def _strip(self, data: bytes) -> bytes:
        """Text, the control characters that move, and the sequences to carry out."""
        if b"\x1b" in data:
            data = _OTHERS.sub(_CAN, data)
        if b"\x1b" in data or self._parser.is_inside:
            data = b"".join(map(_as_text, self._parser.feed(data)))
        return data.translate(None, _NOT_TEXT)

    def _take_line(self) -> bytes:
        """The unfinished line as the screen shows it; nothing of it is kept."""
        line = bytes(self._line)
        self._line.clear()
        if self._row.is_fresh:  # as nearly always
            return _plain(line + b"\n")[:-1]
        full = self._row.feed(_without_c1(line.decode(errors="replace")).decode())
        return (full + self._row.take()).encode()

    def _end_with(self, text: bytes) -> bytes:
        out = self._go_on_to(text) + b"\n"
        self._written = b""
        self._is_inside = self.is_behind = False
        return out

    def _fold(self) -> bytes:
        """Put what is unfinished into the row; rows that are full go into the log."""
        text, used = codecs.utf_8_decode(self._line, "replace", False)
        del self._line[:used]
        full = self._row.feed(_without_c1(text).decode()).encode()
        if not full:
            return b""
        out = self._go_on_to(full)
        self._written = b""
        return out

    def _go_on_to(self, text: bytes) -> bytes:
        """What makes the row in the log this one."""
        new, start = text, b""
        if text.startswith(self._written):
            new = text[len(self._written) :]
        else:
            start = b"\n"
        if start or not self._is_inside:
            start += self._stamp
        self._is_inside = True
        return start + new


def _as_text(event: Text | ControlSequence) -> bytes:
    """Text, or a sequence that is carried out as `Row` takes it; else nothing."""
    if isinstance(event, Text):
        return event.data
    is_edit = event.kind == b"[" and event.final in EDITS
    if is_edit and _NUMBER.fullmatch(event.parameters):
        return b"\x1b[" + event.parameters + event.final
    return b""


def _without_c1(text: str) -> bytes:
    data = text.encode()
    return _C1.sub(b"", data) if b"\xc2" in data else data


def _plain(lines: bytes) -> bytes:
    """Whole lines, each as the screen shows it at its end."""
    lines = lines.replace(b"\r\n", b"\n")
    if not lines.isascii():
        lines = _without_c1(lines.decode(errors="replace"))
    if not (b"\x1b" in lines or b"\r" in lines or b"\b" in lines):
        return lines  # as nearly always
    match = _TO_FOLD.search(lines)
    parts, position, row = [], 0, ScreenLine()
    while match is not None:
        start = lines.rfind(b"\n", position, match.start()) + 1 or position
        end = lines.find(b"\n", match.end())
        full = row.feed(lines[start:end].decode())
        parts += [lines[position:start], (full + row.take()).encode()]
        position = end
        match = _TO_FOLD.search(lines, position)
    return b"".join([*parts, lines[position:]])
