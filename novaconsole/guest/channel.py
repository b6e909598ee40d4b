"""The line while a command runs: what is typed to the script, and what it prints.

What is typed is lines, of which each begins with a letter.  script.py carries them out.

| line | meaning |
| --- | --- |
| (empty) | are you there? |
| `j` pid | the command may begin; it is the process group to end |
| `d` n | n bytes of input follow the line |
| `b` n text | n bytes of input, written in octal (quicker, if they are few) |
| `e` | the input has ended |
| `k` signal | send it to the command |
| `q` | all that the script has printed has been read |

Input has to be held back here.  The tty of a serial line throws away what it has no
room for, and cannot tell this program to wait.  So no more is sent than fits into the
pipe that the script writes it to, 64 KiB on Linux, before the script says that it has
been passed on to the command.

Output is checked.  The script prints the length of each piece after it.  If more has
come, something else was printed to the console in the middle, such as a message of the
kernel, and the output is damaged.  Nothing less than all of it can be repeated, so that
is told, at the end.
"""

import math
import re

from novaconsole.errors import GuestNotReady
from novaconsole.guest.liveness import Liveness
from novaconsole.guest.script import SILENCE_SECONDS, octal

_FRAME_BYTES = 16384
_FEW_BYTES = 64
_WINDOW_BYTES = 48 * 1024
_STOPS = (b"INT", b"TERM", b"KILL")
_STOP_SECONDS = 2.0  # for each
_NUMBER = re.compile(rb"\d+")


class CommandChannel:
    """Says what to type to the script, and takes the marks that it prints.

    Attributes:
        started: whether the command was started, or None if it may have been.
        status: the command's exit status, once all its output has come; else None.
        has_quit: whether the script has been told to restore the line and end.
        is_lost: whether nothing can be had of the script any more.
        error: why the command has no status, or None.
    """

    def __init__(self) -> None:
        self.started: bool | None = False
        self.status: int | None = None
        self.has_quit = self.is_lost = False
        self.error: GuestNotReady | None = None
        self._pid: bytes | None = None  # once the command may begin
        self._status: int | None = None
        self._is_damaged = False  # something else was printed amid the output
        self._liveness = Liveness()
        self._is_given_up = False  # the command, by the script
        self._stops = 0
        self._stop_at = math.inf
        self._sent = self._passed_on = 0
        self._input_has_ended = False
        self._piece = 0  # bytes of output since the last mark of a length

    @property
    def deadline(self) -> float:
        """When to call `wake`, on the caller's clock."""
        return self._stop_at if self._stops else self._liveness.deadline

    def begin(self, now: float) -> None:
        """The script has begun."""
        self._liveness.begin(now)

    @property
    def is_at_login(self) -> bool:
        """Whether the output ends with a login prompt."""
        return self._liveness.is_at_login

    @property
    def room(self) -> int:
        """How many bytes of input may be sent now."""
        if self._pid is None or self._input_has_ended:
            return 0
        return _WINDOW_BYTES - (self._sent - self._passed_on)

    def send(self, data: bytes) -> bytes:
        """Return what is typed for input, of which there is at least one byte."""
        self._sent += len(data)
        starts = range(0, len(data), _FRAME_BYTES)
        return b"".join(_frame(data[start : start + _FRAME_BYTES]) for start in starts)

    def end_input(self) -> bytes:
        """Return the line that ends the input, once, if the command may begin."""
        if self._pid is None or self._input_has_ended:
            return b""
        self._input_has_ended = True
        return b"e\n"

    def wake(self, now: float, *, is_listening: bool) -> bytes:
        """Return what is typed at the deadline.

        Args:
            now: the time on the caller's clock.
            is_listening: whether all that the guest has sent was fed at once.
        """
        if self._stops:
            return self.interrupt(now)
        typed = self._liveness.wake(now, is_listening=is_listening)
        if self._liveness.has_gone:
            self._lose("the shell in the guest ended before the command")
        return typed

    def interrupt(self, now: float) -> bytes:
        """Return what stops the command, by stronger means each time."""
        if self._pid is None:
            self.has_quit = True
            return b"q\n"
        if self._stops < len(_STOPS):
            signal = _STOPS[self._stops]
            self._stops += 1
            self._stop_at = now + _STOP_SECONDS
            self._liveness.clear()
            return b"k %b\n" % signal
        if self._liveness.is_at_login:  # that answers what was typed
            self._lose("the shell in the guest ended before the command")
        else:
            self._lose("the command in the guest does not stop")
        return b""

    def _lose(self, message: str) -> None:
        self.is_lost = True
        self.error = GuestNotReady(message)

    def take_output(self, data: bytes, now: float) -> bytes:
        """Take output that came between marks; returns what the command printed."""
        self._liveness.feed(data, now)
        if not self.started:
            return b""
        self._piece += len(data)
        return data

    def take_mark(self, meaning: bytes, now: float) -> bytes:
        """Take a mark of the script; returns what is typed in answer."""
        value = meaning[1:]
        match meaning[:1]:
            case b"j" if self._pid is None:
                self._pid, self.started = value, None
                return b"j %b\n" % value
            case b"b":
                self.started = True
                self._liveness.clear()
            case b"n":
                self._liveness.begin(now)
            case b"+" if _NUMBER.fullmatch(value):
                self._passed_on = max(self._passed_on, min(int(value), self._sent))
            case b".":
                # A length that cannot be read is as good as a wrong one.
                if value and value != b"%d" % self._piece:
                    self._is_damaged = True
                self._piece = 0
            case b"e" if _NUMBER.fullmatch(value):
                self._status = int(value)
            case b"g":
                self._is_given_up = True
            case b"z":
                return self._end()
        return b""

    def _end(self) -> bytes:
        """All output has come; the status came before."""
        self.has_quit = True
        if self._is_given_up:
            self.error = GuestNotReady(
                f"the guest did not hear from here for {SILENCE_SECONDS} seconds, and "
                "stopped the command",
                "run it with nohup in the guest if it is to go on by itself",
            )
        elif self._status is None:
            self.error = shell_killed()
        elif self._is_damaged or not self.started:
            self.started = True
            self.error = GuestNotReady(
                "the command was run, but other output was mixed into its own",
                "run dmesg -n 1 in the guest to keep kernel messages off its console",
            )
        else:
            self.status = self._status
        return b"q\n"


def shell_killed() -> GuestNotReady:
    """Return the error for a script that has not reported the command's end."""
    return GuestNotReady("the command ended the shell that ran it")


def _frame(data: bytes) -> bytes:
    if len(data) > _FEW_BYTES:
        return b"d %d\n%b" % (len(data), data)
    return b"b %d %b\n" % (len(data), octal(data).replace(b" ", b"\\0040"))
