"""Hands the script to the loader in the guest, line by line (script.py, command.py)."""

import math
import re

from novaconsole.errors import GuestNotReady
from novaconsole.guest import script as guestscript
from novaconsole.guest.login import CTRL_C, ENTER

_SECONDS = 10.0  # for the next acknowledgement
_REPEAT_SECONDS = 2.0
_LINE_END = b"\n"  # which means the same to the script, if that runs already

_SETTINGS = re.compile(rb"r([0-9a-f:]+)")
_WANTED = re.compile(rb"a(\d+)")


class Loading:
    """What has been handed to a loader, and what it has acknowledged.

    Args:
        mark: random letters and digits.
        lines: the script.
        ends_shell: whether the shell ends after the loader.

    Attributes:
        deadline: when to call `wake`, on the caller's clock.
        error: why it is of no use to wait any more, or None.
        is_acknowledged: whether the loader has answered at all.
        is_complete: whether the last line has been typed.
        settings: of the tty, for stty.
    """

    def __init__(self, mark: str, lines: list[bytes], *, ends_shell: bool) -> None:
        self._loader = guestscript.loader(mark, ends_shell=ends_shell)
        self._lines = lines
        self._sent = 0
        self._is_asked = False
        self._give_up_at = self.deadline = math.inf
        self.error: GuestNotReady | None = None
        self.is_acknowledged = False
        self.settings = b"sane"  # until the loader has told

    @property
    def is_complete(self) -> bool:
        """Whether the last line has been typed."""
        return self._sent == len(self._lines)

    def begin(self, now: float) -> bytes:
        """Return what starts the loader."""
        return self._type(self._loader + ENTER, now)

    def wake(self, now: float) -> bytes:
        """Return what makes the loader repeat itself; to be called at the deadline."""
        if now >= self._give_up_at:
            self.error = GuestNotReady(
                "the guest shows a shell prompt but does not answer like a shell",
                "attach without --run to see what is there",
            )
            return CTRL_C
        self._is_asked = True
        self.deadline = now + _REPEAT_SECONDS
        return _LINE_END

    def answer(self, meaning: bytes, now: float) -> bytes:
        """Return what to type for a mark `r` or `a`; empty if that is on its way."""
        self.is_acknowledged = True
        number = 0
        if settings := _SETTINGS.fullmatch(meaning):
            self.settings = settings[1]
        elif wanted := _WANTED.fullmatch(meaning):
            number = int(wanted[1])
        else:
            return b""  # other output was mixed into it
        is_lost = self._is_asked and number < self._sent
        if number >= len(self._lines) or not (number == self._sent or is_lost):
            return b""
        # The line that runs the script goes with the one before.
        self._sent = number + 1 + (number == len(self._lines) - 2)
        self._is_asked = False
        lines = self._lines[number : self._sent]
        return self._type(b"".join(line + _LINE_END for line in lines), now)

    def early_end(self) -> GuestNotReady:
        """Return the error for a loader that has ended before the script began."""
        if not self.is_acknowledged:
            return GuestNotReady("the guest has no sh, stty or printf")
        return GuestNotReady("the guest lost a part of the script", "try it again")

    def _type(self, keys: bytes, now: float) -> bytes:
        self._give_up_at = now + _SECONDS
        self.deadline = now + _REPEAT_SECONDS
        return keys
