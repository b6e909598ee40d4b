"""The latest text that a guest has printed, as a person would read it."""

import codecs
import re

from novaconsole.vt.line import EDITS, ScreenLine
from novaconsole.vt.parser import ControlSequence
from novaconsole.vt.text import TextFilter

_KEPT_CHARACTERS = 4096
# BEL stays: a guest that only beeps has answered.
_KEPT_CONTROLS = b"\a\b\t\n\r"
_EDIT = re.compile(r"\x1b\[[0-9]*[@-~]")
_NUMBER = re.compile(rb"[0-9]{0,9}")
# A kernel message (printk.time), which may come in the middle of a line.
_MESSAGE = re.compile(r"\[ *\d+\.\d{6}\] [^\n]*\n")
_UNFINISHED_MESSAGE = re.compile(r"\[[ \d.]*(\]( [^\n]*)?)?$")
_LOGIN = re.compile(r"(?<!last )login: ?$", re.IGNORECASE)


class RecentOutput:
    """The latest text that a guest has printed, without kernel messages."""

    def __init__(self) -> None:
        self._filter = TextFilter(_KEPT_CONTROLS, EDITS, _kept_edit)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._kept = ""

    def feed(self, data: bytes) -> None:
        """Take what the guest has sent."""
        text = self._kept + self._decoder.decode(self._filter.feed(data))
        self._kept = _MESSAGE.sub("", text)[-_KEPT_CHARACTERS:]

    def clear(self) -> None:
        """Forget what was printed until now."""
        self._kept = ""

    @property
    def text(self) -> str:
        """All that is kept, up to a kernel message that has begun."""
        return _EDIT.sub("", _UNFINISHED_MESSAGE.sub("", self._kept))

    @property
    def line(self) -> str:
        """The line that the cursor is in, up to the cursor."""
        line = ScreenLine()
        line.feed(_UNFINISHED_MESSAGE.sub("", self._kept).rpartition("\n")[2])
        return line.text_before_cursor

    @property
    def is_at_login(self) -> bool:
        """Whether the text ends with a login prompt."""
        return _LOGIN.search(self.line) is not None


def _kept_edit(sequence: ControlSequence) -> bytes:
    """Return a sequence in the form that `ScreenLine` carries out, or nothing."""
    if _NUMBER.fullmatch(sequence.parameters):
        return b"\x1b[" + sequence.parameters + sequence.final
    return b""
