r"""One command in a guest's shell: bytes of its console in, what to type out.

A serial line has neither an end of output nor an exit status, it shows what is typed,
and somebody may have left it anywhere.  So:

1. The way into a shell is found (`whereabouts.py`).
2. Into the shell goes one line, the loader: `sh` that switches the echo off and says so
   by a mark.  A mark is a word that nobody can guess.
3. The loader reads the script line by line and acknowledges each; nothing may get lost.
4. The script (`guestscript.py`) runs the command, and prints marks in front of its
   output and, with the status, behind it: twice, for the kernel may print into one.
5. The terminal's settings are restored; whom we logged in, we log out.

As with ssh the command's standard output is a pipe and no terminal, but there is one
stream: its standard error goes the same way.  Its standard input is /dev/null.
"""

import enum
import math
import re

from novaconsole.errors import GuestNotReady
from novaconsole.guest import script as guestscript
from novaconsole.guest.login import CTRL_C, ENTER, LoginDialogue, Printed

_LOADER_SECONDS = 10.0
_REPEAT_SECONDS = 2.0
_STOP_SECONDS = 2.0  # for a command that has been interrupted
_LEAVE_SECONDS = 5.0
_QUIET_SECONDS = 0.4
# Who prints a login prompt and then nothing for so long is taken for a getty.
_GETTY_SECONDS = 10.0
_LATEST_BYTES = 200
_LONGEST_MARK = 400

_STOPS = (CTRL_C, CTRL_C, b"\x1c")
_SETTINGS = re.compile(rb"r([0-9a-f:]+)")
_STATUS = re.compile(rb"e(\d+)")


class _Phase(enum.Enum):
    FINDING = enum.auto()
    LOADING = enum.auto()
    RUNNING = enum.auto()
    RESTORING = enum.auto()  # the script has done its work
    LEAVING = enum.auto()  # the shell that we logged in to
    OVER = enum.auto()


class RemoteCommand:
    """Takes what comes of the console, and says what to type and what to show.

    Args:
        command: for the shell; no NUL is in it.
        mark: letters and digits that nobody can guess.
        where: finds the way into the shell.

    Attributes:
        status: of the command; None while it is not known.
        error: why the command has not been run to its end; None where it has.
    """

    def __init__(self, command: str, mark: str, where: LoginDialogue) -> None:
        self._mark = mark.encode() + b"_"
        self._loader = guestscript.loader(mark) + ENTER
        self._lines = guestscript.script_lines(command)
        self._where = where
        self._phase = _Phase.FINDING
        self._stream = bytearray()  # since the loader, and not understood yet
        self._latest = b""  # of all that came
        self._settings = b""  # of the terminal, as stty has them
        self._shown = bytearray()
        self._stops = 0
        self._has_begun = self._has_ended = False  # the command's output
        self._deadline = self._give_up_at = math.inf
        self.status: int | None = None
        self.error: GuestNotReady | None = None

    # ---- what the caller does

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to do."""
        return self._phase is _Phase.OVER

    @property
    def deadline(self) -> float:
        """When `wake` has to be called, on the caller's clock."""
        if self._phase is _Phase.FINDING:
            return self._where.deadline
        return self._deadline

    def take_typed(self) -> bytes:
        """What is to be typed now."""
        data = bytes(self._where.typed)
        self._where.typed.clear()
        return data

    def take_output(self) -> bytes:
        """What the command has printed since the last time."""
        data = bytes(self._shown)
        self._shown.clear()
        return data

    def feed(self, data: bytes, now: float) -> None:
        """Take what the guest has sent."""
        self._latest = (self._latest + data)[-_LATEST_BYTES:]
        match self._phase:
            case _Phase.FINDING:
                self._where.feed(data, now)
                return
            case _Phase.RUNNING if not self._stops:
                self._deadline = now + _GETTY_SECONDS
            case _Phase.LEAVING:
                self._deadline = min(self._give_up_at, now + _QUIET_SECONDS)
        self._stream += data
        self._read_marks(now)

    def wake(self, now: float) -> None:
        """The deadline has come."""
        match self._phase:
            case _Phase.FINDING:
                self._find(now)
            case _Phase.LOADING:
                self._ask_loader(now)
            case _Phase.RUNNING if self._stops:
                self.interrupt(now)
            case _Phase.RUNNING:
                self._look_for_getty()
            case _Phase.RESTORING:
                self._leave(now)
            case _ if now >= self._give_up_at or self._is_at_login:
                self._phase = _Phase.OVER
            case _:
                self._deadline = self._give_up_at

    def interrupt(self, now: float) -> None:
        """Stop the command, by ever stronger means, and restore what is to be."""
        match self._phase:
            case _Phase.FINDING:
                self._leave(now)
            case _Phase.LOADING:
                self._phase = _Phase.RESTORING
                self._type(CTRL_C, now + _STOP_SECONDS)
            case _Phase.RUNNING if self._stops < len(_STOPS):
                self._type(_STOPS[self._stops], now + _STOP_SECONDS)
                self._stops += 1
            case _Phase.RUNNING:
                self._phase = _Phase.OVER
                self.error = GuestNotReady("the command in the guest does not stop")

    def _type(self, data: bytes, deadline: float) -> None:
        self._where.typed += data
        self._deadline = deadline

    def _fail(self, what: str, hint: str | None, now: float) -> None:
        self.error = GuestNotReady(what, hint)
        self._leave(now)

    def _find(self, now: float) -> None:
        self._where.wake(now)
        if self._where.error is not None:
            self.error = self._where.error
            self._leave(now)
        elif self._where.is_at_shell:
            self._phase = _Phase.LOADING
            self._give_up_at = now + _LOADER_SECONDS
            self._type(self._loader, now + _REPEAT_SECONDS)

    # ---- the loader, the script and their marks

    def _ask_loader(self, now: float) -> None:
        """No acknowledgement has come: an empty line gets another."""
        if now < self._give_up_at:
            self._type(ENTER, now + _REPEAT_SECONDS)
        else:
            self._fail(
                "what looked like a shell in the guest does not answer like one",
                "attach without --run and see what it is",
                now,
            )

    def _read_marks(self, now: float) -> None:
        """Take the stream apart into output and marks."""
        while self._phase in (_Phase.LOADING, _Phase.RUNNING, _Phase.RESTORING):
            at = self._stream.find(self._mark)
            if at < 0:
                self._show(len(self._stream) - self._held())
                return
            self._show(at)
            end = self._stream.find(b"\n", 0, _LONGEST_MARK)
            if end < 0 and len(self._stream) < _LONGEST_MARK:
                return  # the rest is to come
            size = end + 1 or len(self._mark)
            word = bytes(self._stream[len(self._mark) : size]).rstrip(b"\r\n")
            del self._stream[:size]
            self._obey(word, now)

    def _held(self) -> int:
        """How many bytes at the end may be the beginning of a mark or of CR LF."""
        stream, mark = self._stream, self._mark
        for size in range(min(len(mark) - 1, len(stream)), 0, -1):
            if stream.endswith(mark[:size]):
                return size
        return int(stream.endswith(b"\r"))

    def _show(self, size: int) -> None:
        """So much at the beginning of the stream is output, while the command runs."""
        if self._has_begun and not self._has_ended:
            self._shown += self._stream[:size].replace(b"\r\n", b"\n")
        del self._stream[:size]

    def _obey(self, word: bytes, now: float) -> None:
        match word[:1]:
            case b"r" | b"a" if self._phase is _Phase.LOADING:
                if settings := _SETTINGS.fullmatch(word):
                    self._settings = settings[1]
                self._give_up_at = now + _LOADER_SECONDS
                self._type(self._lines.pop(0) + ENTER, now + _REPEAT_SECONDS)
                if not self._lines:
                    self._phase = _Phase.RUNNING
                    self._deadline = math.inf
            case b"b":
                self._has_begun = True
            case b"e" if self._phase is _Phase.RUNNING:
                self._has_ended = True
                if status := _STATUS.fullmatch(word):
                    self._end_of_command(int(status[1]), now)
            case b"x":
                self._end_of_loader(now)

    def _end_of_command(self, status: int, now: float) -> None:
        self._phase = _Phase.RESTORING
        self._deadline = now + _LEAVE_SECONDS
        if self._has_begun:
            self.status = status
        else:
            self.error = GuestNotReady(
                "something else has printed into the command's output",
                "the command has been run; dmesg -n 1 in the guest keeps the kernel "
                "quiet",
            )

    def _end_of_loader(self, now: float) -> None:
        """The interactive shell has got its terminal back."""
        match self._phase:
            case _Phase.LOADING:
                self._fail("the guest has no sh, stty or printf", None, now)
            case _Phase.RUNNING:
                restore = b" stty " + (self._settings or b"sane") + ENTER
                self._type(restore, now + _LEAVE_SECONDS)
                self._fail("the command has ended the shell that ran it", None, now)
            case _:
                self._leave(now)

    # ---- the end

    @property
    def _is_at_login(self) -> bool:
        printed = Printed()
        printed.feed(self._latest)
        return printed.is_at_login

    def _look_for_getty(self) -> None:
        """Whether the shell that would tell us of the end is no more."""
        self._deadline = math.inf
        if self._is_at_login:
            self._phase = _Phase.OVER
            self.error = GuestNotReady("the shell in the guest has ended")

    def _leave(self, now: float) -> None:
        if self._where.has_logged_in and not self._is_at_login:
            self._phase = _Phase.LEAVING
            self._latest = b""
            self._give_up_at = now + _LEAVE_SECONDS
            self._type(b" exit" + ENTER, self._give_up_at)
        else:
            self._phase = _Phase.OVER
