r"""Runs one command in a guest's shell: console output in, keys and command output out.

The problem: ssh has a channel for each stream, an end of output and an exit status.  A
serial console has one line that shows everything, what is typed included, on which the
kernel prints as well, and nothing on it says where output begins or how a command
ended.  So:

1. `LoginDialogue` (login.py) finds the way to a shell prompt.
2. One line is typed there, the loader: an `sh` that switches the tty's echo off, and
   says so with a mark (marks.py).
3. The loader reads the script (script.py), line by line, and acknowledges each with a
   mark.  A line that got lost is noticed in this way, and the tty's input queue, which
   drops what it has no room for, never holds more than one.
4. The script stops unless it runs as the user that was asked for.
5. The script runs the command.  It prints a mark before the command's output, and
   after it one with the exit status; that one twice, because the kernel may print into
   one of them.
6. The script restores the tty's settings.  A login that `LoginDialogue` has made ends
   with the loader's line, even if this program or the connection has ended before.

As with `ssh host command`, the command's standard output is a pipe and not a terminal,
and its standard input is /dev/null; but standard error goes to the same stream.
"""

import enum
import math
import re

from novaconsole.errors import GuestNotReady
from novaconsole.guest.getty import GettyWatch
from novaconsole.guest.loading import Loading
from novaconsole.guest.login import CTRL_C, ENTER, LoginDialogue
from novaconsole.guest.marks import Mark, MarkedStream
from novaconsole.guest.script import restoring_line, script_lines

_STOP_SECONDS = 2.0  # for a command that was interrupted
_LEAVE_SECONDS = 5.0
_QUIET_SECONDS = 0.4
_STOPS = (CTRL_C, CTRL_C, b"\x1c")
_STATUS = re.compile(rb"e(\d+)")
_SHELL_ENDED = "the shell in the guest ended before the command"


class _Phase(enum.Enum):
    FINDING = enum.auto()
    LOADING = enum.auto()
    RUNNING = enum.auto()
    RESTORING = enum.auto()  # the command has ended, the script has not
    LEAVING = enum.auto()  # waits for the end of our login
    OVER = enum.auto()


class RemoteCommand:
    """Takes what comes from the console, and says what to type and what to show.

    Args:
        command: for the user's shell; it must not contain NUL.
        mark: random letters and digits.
        login: finds the way to a shell.
        force_login: whether to log out a shell of another user than asked for.

    Attributes:
        status: the command's exit status, or None if it is not known.
        started: whether the command was started, or None if it may have been.
        error: why the command was not run to its end, or None.
    """

    def __init__(
        self, command: str, mark: str, login: LoginDialogue, force_login: bool = False
    ) -> None:
        self._command, self._mark = command, mark
        self._login, self._force_login = login, force_login
        self._phase = _Phase.FINDING
        self._other_user: str | None = None  # whose shell it is
        self._new_loading()
        self._typed, self._shown = bytearray(), bytearray()
        self._getty = GettyWatch()
        self._stops = 0
        self._has_ended = False  # the command's output
        self._deadline = self._give_up_at = math.inf
        self.status: int | None = None
        self.started: bool | None = False
        self.error: GuestNotReady | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to do."""
        return self._phase is _Phase.OVER

    @property
    def deadline(self) -> float:
        """When to call `wake`, on the caller's clock."""
        match self._phase:
            case _Phase.FINDING:
                return self._login.deadline
            case _Phase.LOADING:
                return self._loading.deadline
            case _Phase.RUNNING if not self._stops:
                return self._getty.deadline
        return self._deadline

    @property
    def timeout_hint(self) -> str | None:
        """What to try if the time runs out now, or None."""
        if self._phase is _Phase.FINDING and (line := self._login.line):
            return f"attach without --run: the guest's last line is {line[-80:]!r}"
        if self.started is False:
            return "attach without --run to see what the guest shows"
        if self.error is not None:
            return "attach without --run to stop it: it still runs in the guest"
        return None

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
        if self._phase is _Phase.FINDING:
            self._login.feed(data, now)
            return
        if self._phase is _Phase.LEAVING:
            self._deadline = min(self._give_up_at, now + _QUIET_SECONDS)
        for event in self._stream.feed(data):
            if isinstance(event, Mark):
                self._handle_mark(event.meaning, now)
                continue
            self._getty.feed(event, now)
            if self.started and not self._has_ended:
                self._shown += event

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
                self._typed += self._getty.wake(now)
                if self._getty.has_taken_over:
                    self._fail(_SHELL_ENDED, now)
            case _Phase.RESTORING:
                self._leave(now)
            case _ if now >= self._give_up_at or self._getty.is_at_login:
                self._phase = _Phase.OVER
            case _:
                self._deadline = self._give_up_at

    def interrupt(self, now: float) -> None:
        """Stop the command, by stronger means each time, and clean up after it."""
        self._other_user = None  # do not log anybody out any more
        match self._phase:
            case _Phase.FINDING:
                self._leave(now)
            case _Phase.LOADING:
                self._phase = _Phase.RESTORING
                self._type(CTRL_C, now + _STOP_SECONDS)
            case _Phase.RUNNING if self._stops < len(_STOPS):
                self._type(_STOPS[self._stops], now + _STOP_SECONDS)
                self._stops += 1
                self._getty.clear()
            case _Phase.RUNNING if self._getty.is_at_login:  # that answers the last one
                self._fail(_SHELL_ENDED, now)
            case _Phase.RUNNING:
                self._phase = _Phase.OVER
                self.error = GuestNotReady("the command in the guest does not stop")

    def _type(self, data: bytes, deadline: float) -> None:
        self._typed += data
        self._deadline = deadline

    def _fail(self, message: str, now: float, hint: str | None = None) -> None:
        self.error = GuestNotReady(message, hint)
        self._leave(now)

    def _find(self, now: float) -> None:
        self._login.wake(now)
        if self._login.error is not None:
            self.error = self._login.error
            self._leave(now)
        elif self._login.is_at_shell:
            self._new_loading()
            self._phase = _Phase.LOADING
            self._typed += self._loading.begin(now)

    @property
    def _is_ours(self) -> bool:
        """Whether the shell ends after the loader."""
        return self._login.has_logged_in

    def _new_loading(self) -> None:
        is_ours = self._is_ours
        lines = script_lines(self._command, self._login.login, is_ours=is_ours)
        self._loading = Loading(self._mark, lines, ends_shell=is_ours)
        self._stream = MarkedStream(self._mark)
        self._other_user = None

    def _ask_loader(self, now: float) -> None:
        """No acknowledgement has come."""
        self._typed += self._loading.wake(now)
        if self._loading.has_failed:
            message = "the guest shows a shell prompt but does not answer like a shell"
            self._fail(message, now, "attach without --run to see what is there")

    def _handle_mark(self, meaning: bytes, now: float) -> None:
        is_loading = self._phase is _Phase.LOADING
        is_running = self._phase in (_Phase.LOADING, _Phase.RUNNING)
        match meaning[:1]:
            case b"r" | b"a" if is_loading:
                self._typed += self._loading.answer(meaning, now)
                self.started = None if self._loading.is_complete else False
            case b"s" | b"b" if is_running:
                self._phase = _Phase.RUNNING
                self._getty.clear()
                self.started = self.started or meaning[:1] == b"b" or None
            case b"w" if is_running:
                self._find_other_user(meaning[1:], now)
            case b"e" if is_running:
                self._has_ended = True
                if status := _STATUS.fullmatch(meaning):
                    self._end_of_command(int(status[1]), now)
            case b"x":
                self._end_of_loader(now)

    def _find_other_user(self, name: bytes, now: float) -> None:
        self.started = False
        self._other_user = name.decode(errors="replace") or "unknown"
        self._restore(now)
        hint = "log out there first, or add --force-login to have it logged out"
        if self._is_ours:
            hint = "check what is run there at login"
        elif self._force_login:
            return
        other, wanted = self._other_user, self._login.login
        message = f"the shell in the guest is that of {other!r}, not of {wanted!r}"
        self.error = GuestNotReady(message, hint)
        if self._is_ours:
            self._leave(now)

    def _end_of_command(self, status: int, now: float) -> None:
        self._restore(now)
        if self.started:
            self.status = status
        else:
            self.started = True
            message = "the command was run, but other output was mixed into its own"
            hint = "run dmesg -n 1 in the guest to keep kernel messages off its console"
            self.error = GuestNotReady(message, hint)
        if self._is_ours:
            self._leave(now)

    def _restore(self, now: float) -> None:
        self._phase = _Phase.RESTORING
        self._deadline = now + _LEAVE_SECONDS

    def _end_of_loader(self, now: float) -> None:
        """The interactive shell is back at its prompt."""
        match self._phase:
            case _Phase.LOADING if not self._loading.is_acknowledged:
                self._fail("the guest has no sh, stty or printf", now)
            case _Phase.LOADING:
                self._fail("the guest lost a part of the script", now, "try it again")
            case _Phase.RUNNING:
                if not self._is_ours:
                    restore = restoring_line(self._loading.settings, self._mark)
                    self._type(restore + ENTER, now + _LEAVE_SECONDS)
                self._fail("the command ended the shell that ran it", now)
            case _:
                self._leave(now)

    def _leave(self, now: float) -> None:
        """Wait for the end of the login that this program made."""
        if self._other_user is not None and self.error is None:
            self._phase = _Phase.FINDING
            self._login.log_out(self._other_user, now)
            self.error = self._login.error
            if self.error is None:
                return
        is_out = self._getty.is_at_login or self._login.is_at_login
        if not self._is_ours or is_out or self._login.is_on_full_screen:
            self._phase = _Phase.OVER
            return
        self._phase = _Phase.LEAVING
        self._getty.clear()
        self._give_up_at = now + _LEAVE_SECONDS
        # Once the loader runs, the shell ends with it.
        keys = b"" if self._loading.is_acknowledged else b" exit" + ENTER
        self._type(keys, self._give_up_at)
