r"""Runs one command in a guest's shell: console output in, keys and command output out.

The problem: ssh has a channel for each stream, an end of output and an exit status.  A
serial console has one line that shows everything, what is typed included, on which the
kernel prints as well, and nothing on it says where output begins or how a command
ended.  So:

1. `LoginDialogue` (login.py) finds the way to a shell prompt.
2. One line is typed there, the loader: an `sh` that switches the tty's echo off, and
   says so with a mark.
3. The loader reads the script (script.py), line by line, and acknowledges each with a
   mark.  A line that got lost is noticed in this way, and the tty's input queue, which
   drops what it has no room for, never holds more than one.
4. The script runs the command.  It prints a mark before the command's output, and
   after it one with the exit status; that one twice, because the kernel may print into
   one of them.
5. The script restores the tty's settings.  If `LoginDialogue` had to log in, the shell
   is left again.

A mark is the word `MARK`, `_`, and a letter that says what it means; `MARK` is random,
so that no output contains it by accident.  What is typed is echoed at first, and an
echo must not be taken for the mark itself, so no mark is ever typed whole: printf puts
it together in the guest.  The script is typed in octal because in the tty's canonical
mode bytes such as Ctrl-C, Ctrl-D and backspace would act instead of arriving.

| mark | from | meaning |
| --- | --- | --- |
| `r` and settings | loader | ready; the settings of the tty, as `stty -g` prints them |
| `a` | loader | a line has arrived |
| `b` | script | the command's output begins |
| `e` and a number | script | the output has ended, with this exit status |
| `x` | interactive shell | the loader has ended |

As with `ssh host command`, the command's standard output is a pipe and not a terminal,
and its standard input is /dev/null; but standard error goes to the same stream.
"""

import enum
import math
import re

from novaconsole.errors import GuestNotReady
from novaconsole.guest import script as guestscript
from novaconsole.guest.login import CTRL_C, ENTER, LoginDialogue, RecentOutput

_LOADER_SECONDS = 10.0
_REPEAT_SECONDS = 2.0
_STOP_SECONDS = 2.0  # for a command that was interrupted
_LEAVE_SECONDS = 5.0
_QUIET_SECONDS = 0.4
# A login prompt with nothing after it for so long comes from a getty, not the command.
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
    RESTORING = enum.auto()  # the command has ended, the script has not
    LEAVING = enum.auto()  # the shell that was logged in to
    OVER = enum.auto()


class RemoteCommand:
    """Takes what comes from the console, and says what to type and what to show.

    Args:
        command: a command line for the user's shell; it must not contain NUL.
        mark: random letters and digits.
        login: finds the way to a shell.

    Attributes:
        status: the exit status of the command, or None if it is not known.
        error: why the command was not run to its end, or None.
    """

    def __init__(self, command: str, mark: str, login: LoginDialogue) -> None:
        self._mark = mark.encode() + b"_"
        self._loader = guestscript.loader(mark) + ENTER
        self._lines = guestscript.script_lines(command)
        self._login = login
        self._phase = _Phase.FINDING
        self._typed = bytearray()
        self._stream = bytearray()  # not read yet; begins when the loader is typed
        self._latest = b""  # of everything that came
        self._settings = b""  # of the tty, as stty prints them
        self._shown = bytearray()
        self._stops = 0
        self._has_begun = self._has_ended = False  # the command's output
        self._deadline = self._give_up_at = math.inf
        self.status: int | None = None
        self.error: GuestNotReady | None = None

    # ---- the caller's side

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to do."""
        return self._phase is _Phase.OVER

    @property
    def deadline(self) -> float:
        """When to call `wake`, on the caller's clock."""
        if self._phase is _Phase.FINDING:
            return self._login.deadline
        return self._deadline

    def take_typed(self) -> bytes:
        """Return what is to be typed now; it is returned once."""
        data = self._login.take_typed() + self._typed
        self._typed.clear()
        return data

    def take_output(self) -> bytes:
        """Return what the command has printed since the last call."""
        data = bytes(self._shown)
        self._shown.clear()
        return data

    def feed(self, data: bytes, now: float) -> None:
        """Take what the guest has sent."""
        self._latest = (self._latest + data)[-_LATEST_BYTES:]
        match self._phase:
            case _Phase.FINDING:
                self._login.feed(data, now)
                return
            case _Phase.RUNNING if not self._stops:
                self._deadline = now + _GETTY_SECONDS
            case _Phase.LEAVING:
                self._deadline = min(self._give_up_at, now + _QUIET_SECONDS)
        self._stream += data
        self._read_marks(now)

    def wake(self, now: float) -> None:
        """Take the next step; to be called at the deadline."""
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
        """Stop the command, by stronger means each time, and clean up after it."""
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
        self._typed += data
        self._deadline = deadline

    def _fail(self, message: str, hint: str | None, now: float) -> None:
        self.error = GuestNotReady(message, hint)
        self._leave(now)

    def _find(self, now: float) -> None:
        self._login.wake(now)
        if self._login.error is not None:
            self.error = self._login.error
            self._leave(now)
        elif self._login.is_at_shell:
            self._phase = _Phase.LOADING
            self._give_up_at = now + _LOADER_SECONDS
            self._type(self._loader, now + _REPEAT_SECONDS)

    # ---- the loader, the script and their marks

    def _ask_loader(self, now: float) -> None:
        """No acknowledgement has come; the loader sends another for an empty line."""
        if now < self._give_up_at:
            self._type(ENTER, now + _REPEAT_SECONDS)
        else:
            self._fail(
                "the guest shows a shell prompt but does not answer like a shell",
                "attach without --run to see what is running there",
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
                return  # the rest of the mark is still to come
            size = end + 1 or len(self._mark)
            word = bytes(self._stream[len(self._mark) : size]).rstrip(b"\r\n")
            del self._stream[:size]
            self._handle_mark(word, now)

    def _held(self) -> int:
        """How many bytes at the end may be the beginning of a mark or of CR LF."""
        stream, mark = self._stream, self._mark
        for size in range(min(len(mark) - 1, len(stream)), 0, -1):
            if stream.endswith(mark[:size]):
                return size
        return int(stream.endswith(b"\r"))

    def _show(self, size: int) -> None:
        """Take bytes from the stream; they are output while the command runs."""
        if self._has_begun and not self._has_ended:
            self._shown += self._stream[:size].replace(b"\r\n", b"\n")
        del self._stream[:size]

    def _handle_mark(self, word: bytes, now: float) -> None:
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
                "the command was run, but other output was mixed into its own",
                "run dmesg -n 1 in the guest to keep kernel messages off its console",
            )

    def _end_of_loader(self, now: float) -> None:
        """The interactive shell is back at its prompt."""
        match self._phase:
            case _Phase.LOADING:
                self._fail("the guest has no sh, stty or printf", None, now)
            case _Phase.RUNNING:
                restore = b" stty " + (self._settings or b"sane") + ENTER
                self._type(restore, now + _LEAVE_SECONDS)
                self._fail("the command ended the shell that ran it", None, now)
            case _:
                self._leave(now)

    # ---- the end

    @property
    def _is_at_login(self) -> bool:
        output = RecentOutput()
        output.feed(self._latest)
        return output.is_at_login

    def _look_for_getty(self) -> None:
        """End if the shell that would report the end of the command is gone."""
        self._deadline = math.inf
        if self._is_at_login:
            self._phase = _Phase.OVER
            self.error = GuestNotReady(
                "the shell in the guest ended before the command"
            )

    def _leave(self, now: float) -> None:
        if self._login.has_logged_in and not self._is_at_login:
            self._phase = _Phase.LEAVING
            self._latest = b""
            self._give_up_at = now + _LEAVE_SECONDS
            self._type(b" exit" + ENTER, self._give_up_at)
        else:
            self._phase = _Phase.OVER
