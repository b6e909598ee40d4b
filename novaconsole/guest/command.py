r"""Runs one command in a guest's shell: console output in, keys and command output out.

The problem: ssh has a channel for each stream, an end of input and of output, and an
exit status.  A serial console has one line that shows everything, what is typed
included, on which the kernel prints as well, and nothing on it says where output begins
or how a command ended.  So:

1. `LoginDialogue` (login.py) finds the way to a shell prompt.
2. One line is typed there, the loader: an `sh` that switches the tty's echo off, and
   says so with a mark (marks.py).
3. The loader reads the script (script.py), line by line, and acknowledges each with a
   mark.  A line that got lost is noticed in this way, and the tty's input queue, which
   drops what it has no room for, never holds more than one.
4. The script stops unless it runs as the user that was asked for.
5. It makes the line raw.  It runs the command, passes on what is typed to it,
   and marks its output (channel.py).  It ends the command if nothing comes from here
   any more, and this program ends if nothing comes from there (liveness.py).
6. It restores the tty's settings.  A login that `LoginDialogue` has made ends
   with the loader's line, even if this program or the connection has ended before.

As with `ssh host command`, the command has no terminal: its standard input and output
are pipes.  Its standard error goes to the same one as its output.
"""

import enum
import math

from novaconsole.errors import GuestNotReady
from novaconsole.guest.channel import CommandChannel, shell_killed
from novaconsole.guest.leaving import Leaving
from novaconsole.guest.loading import Loading
from novaconsole.guest.login import CTRL_C, ENTER, LoginDialogue
from novaconsole.guest.marks import Mark, MarkedStream
from novaconsole.guest.script import restoring_line, script_lines

_RESTORE_SECONDS = 5.0


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
        has_stdin: whether the command's input is given here; else it is empty.

    Attributes:
        status: the command's exit status, or None if it is not known.
        error: why the command was not run to its end, or None.
    """

    def __init__(
        self,
        command: str,
        mark: str,
        login: LoginDialogue,
        *,
        force_login: bool = False,
        has_stdin: bool = False,
    ) -> None:
        self._command, self._mark = command, mark
        self._login, self._force_login = login, force_login
        self._has_stdin, self._input_has_ended = has_stdin, False
        self._phase = _Phase.FINDING
        self._other_user: str | None = None  # whose shell it is
        self._new_loading()
        self._typed, self._shown = bytearray(), bytearray()
        self._deadline = math.inf
        self.status: int | None = None
        self.error: GuestNotReady | None = None

    @property
    def started(self) -> bool | None:
        """Whether the command was started, or None if it may have been."""
        return self._channel.started

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
            case _Phase.RUNNING:
                return self._channel.deadline
            case _Phase.LEAVING:
                return self._leaving.deadline
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

    # ---- the command's input

    @property
    def takes_input(self) -> bool:
        """Whether the command is to be run yet, or runs."""
        return self._has_stdin and self._phase.value <= _Phase.RUNNING.value

    @property
    def input_room(self) -> int:
        """How many bytes of input are taken now; 0 before the command runs."""
        return self._channel.room if self.takes_input else 0

    def give_input(self, data: bytes) -> None:
        """Send input to the command; no more than there is room for."""
        assert 0 < len(data) <= self.input_room
        self._typed += self._channel.send(data)

    def end_input(self) -> None:
        """End the command's input; it ends at once if the command runs already."""
        self._input_has_ended = True
        if self.takes_input:
            self._typed += self._channel.end_input()

    # ---- what happens

    def feed(self, data: bytes, now: float) -> None:
        """Take what the guest has sent."""
        if self._phase is _Phase.FINDING:
            self._login.feed(data, now)
            return
        if self._phase is _Phase.LEAVING:
            self._leaving.feed(data, now)
            return
        for event in self._stream.feed(data):
            if isinstance(event, Mark):
                self._handle_mark(event.meaning, now)
                continue
            output = self._channel.take_output(event, now)
            if self._phase is _Phase.RUNNING:
                self._shown += output

    def wake(self, now: float, *, is_listening: bool = True) -> None:
        """Take the next step; to be called at the deadline.

        Args:
            now: the time on the caller's clock.
            is_listening: whether all that the guest has sent was fed at once.
        """
        match self._phase:
            case _Phase.FINDING:
                self._find(now)
            case _Phase.LOADING:
                self._typed += self._loading.wake(now)
                if self._loading.error is not None:
                    self._fail(self._loading.error, now)
            case _Phase.RUNNING:
                self._typed += self._channel.wake(now, is_listening=is_listening)
                self._look_at_channel(now)
            case _Phase.RESTORING:
                self._leave(now)
            case _Phase.LEAVING:
                self._leaving.wake(now)
                is_over = self._leaving.is_over
                self._phase = _Phase.OVER if is_over else _Phase.LEAVING

    def interrupt(self, now: float) -> None:
        """Stop the command, by stronger means each time, and clean up after it."""
        self._other_user = None  # do not log anybody out any more
        match self._phase:
            case _Phase.FINDING:
                self._leave(now)
            case _Phase.LOADING:
                # The line ends, lest the script has made it raw already.
                keys = CTRL_C + (b"\n" if self._loading.is_complete else b"")
                self._restore(keys, now)
            case _Phase.RUNNING:
                self._typed += self._channel.interrupt(now)
                self._look_at_channel(now)

    def _fail(self, error: GuestNotReady, now: float) -> None:
        self.error = error
        self._leave(now)

    def _find(self, now: float) -> None:
        self._login.wake(now)
        if self._login.error is not None:
            self._fail(self._login.error, now)
        elif self._login.is_at_shell:
            self._new_loading()
            self._phase = _Phase.LOADING
            self._typed += self._loading.begin(now)

    def _new_loading(self) -> None:
        is_ours = self._login.has_logged_in
        lines = script_lines(
            self._command,
            self._mark,
            self._login.login,
            is_ours=is_ours,
            has_stdin=self._has_stdin,
        )
        self._loading = Loading(self._mark, lines, ends_shell=is_ours)
        self._stream = MarkedStream(self._mark)
        self._channel = CommandChannel()
        self._other_user = None

    def _handle_mark(self, meaning: bytes, now: float) -> None:
        kind = meaning[:1]
        if self._phase is _Phase.LOADING and kind in (b"s", b"w", b"j"):
            self._phase = _Phase.RUNNING
            self._channel.begin(now)
        match self._phase:
            case _ if kind == b"x":
                self._end_of_loader(now)
            case _Phase.LOADING:
                self._typed += self._loading.answer(meaning, now)
            case _Phase.RUNNING if kind == b"w":
                self._find_other_user(meaning[1:], now)
            case _Phase.RUNNING:
                self._typed += self._channel.take_mark(meaning, now)
                if self._input_has_ended:
                    self._typed += self._channel.end_input()
                self._look_at_channel(now)

    def _find_other_user(self, name: bytes, now: float) -> None:
        self._other_user = name.decode(errors="replace") or "unknown"
        self._restore(b"", now)
        if self._login.has_logged_in or not self._force_login:
            self.error = self._login.other_user(self._other_user)

    def _look_at_channel(self, now: float) -> None:
        self.status, self.error = self._channel.status, self._channel.error
        if self._channel.is_lost:
            self._leave(now)
        elif self._channel.has_quit:
            self._restore(b"", now)

    def _restore(self, keys: bytes, now: float) -> None:
        self._phase = _Phase.RESTORING
        self._typed += keys
        self._deadline = now + _RESTORE_SECONDS

    def _end_of_loader(self, now: float) -> None:
        """The interactive shell is back at its prompt, or ends."""
        match self._phase:
            case _Phase.LOADING:
                self._fail(self._loading.early_end(), now)
            case _Phase.RUNNING:
                if not self._login.has_logged_in:
                    restore = restoring_line(self._loading.settings, self._mark)
                    self._typed += restore + ENTER
                self._fail(shell_killed(), now)
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
        is_out = self._channel.is_at_login or self._login.is_at_login
        if not self._login.has_logged_in or is_out or self._login.is_on_full_screen:
            self._phase = _Phase.OVER
            return
        self._phase, self._leaving = _Phase.LEAVING, Leaving(now)
        if not self._loading.is_acknowledged:  # else the shell ends after the loader
            self._typed += b" exit" + ENTER
