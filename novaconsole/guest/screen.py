r"""Tells whether a guest's output is that of a full-screen program.

Keys do harm in an editor, so nothing may be typed into one.  Such programs use the
alternate screen, or they hide the cursor or move it to any place of the screen.  Shells
do none of these, except between saving and restoring the cursor, for a clock in a
corner, and to clear the screen.

Nothing says that a program of the second kind has ended.  It is taken to have ended
when more lines than a screen has have come without another such sequence.  A prompt
may come sooner, in a line of its own.  A guest that was reset in the middle of a
program never leaves the alternate screen; there, it takes many more lines.
"""

import re

from novaconsole.guest.marks import without_commands
from novaconsole.vt.parser import ControlSequence, SequenceParser, Text

_SCREEN_LINES = 60  # more than the usual 24
_LOST_LINES = 200  # after which not even the alternate screen is believed in
_ALTERNATE_SCREENS = {47, 1047, 1049}
_CURSOR = 25
_LATEST_BYTES = 4096  # of a console log: enough to see what uses the screen
# A console log has lost each ESC.
_LOST_ESC = re.compile(rb"(?<!\x1b)(?=\[[?\d;]*[A-Za-z])")


class ScreenUse:
    """Looks for a full-screen program in output.

    Attributes:
        is_alternate: whether the alternate screen is shown.
    """

    def __init__(self) -> None:
        self._parser = SequenceParser()
        self._lines = _SCREEN_LINES  # since the cursor was moved or hidden
        self._is_saved = self._is_home = self._is_cleared = False
        self.is_alternate = False

    @property
    def is_full(self) -> bool:
        """Whether a full-screen program seems to run."""
        return self.is_alternate or self._lines < _SCREEN_LINES

    @property
    def is_in_line(self) -> bool:
        """Whether the current line may be any line of such a program's screen."""
        return self.is_alternate or self._lines == 0

    def feed(self, data: bytes) -> None:
        """Take what the guest has sent."""
        for event in self._parser.feed(data):
            is_home, self._is_home = self._is_home, False
            if isinstance(event, Text):
                if is_home:
                    self._mark()
                self._is_cleared = False
                self._lines += event.data.count(b"\n")
                if self._lines >= _LOST_LINES:
                    self.is_alternate = False
            elif event.kind == b"[":
                self._control(event, is_home)
            elif not event.kind and event.final in b"78":
                self._is_saved = event.final == b"7"

    def feed_console_log(self, log: bytes) -> None:
        """Take the console log, as Nova keeps it, up to now."""
        latest = without_commands(log)[-_LATEST_BYTES:]
        self.feed(_LOST_ESC.sub(b"\x1b", latest))

    def _mark(self) -> None:
        if not self._is_saved:
            self._lines = 0

    def _control(self, event: ControlSequence, is_home: bool) -> None:
        if is_home and event.final != b"J":
            self._mark()
        match event.final, event.numbers:
            case b"J", _:
                self._is_cleared = True
            case b"H" | b"f", [] | [0 | 1] | [0 | 1, 0 | 1]:
                self._is_home = not self._is_cleared  # harmless if it is cleared next
            case (b"H" | b"f" | b"d", _) | (b"r", [_, _]):
                self._mark()
            case b"h" | b"l", numbers if event.parameters[:1] == b"?":
                if _ALTERNATE_SCREENS.intersection(numbers):
                    self.is_alternate = event.final == b"h"
                    self._lines = 0 if self.is_alternate else _SCREEN_LINES
                elif _CURSOR in numbers and event.final == b"l":
                    self._mark()
            case b"s" | b"u", _:
                self._is_saved = event.final == b"s"
