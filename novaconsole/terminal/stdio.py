"""The three standard streams: terminals, pipes, files or nothing.

Standard input is the keyboard or redirected data, standard output shows the guest's
bytes, standard error carries our messages.  Streams on the same terminal share one
object, so that a write through one waits for a write through the other.

Redirected streams are shared with other processes, so their flags stay untouched.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass
from typing import Protocol

import trio

from novaconsole.terminal.fd import reopen
from novaconsole.terminal.tty import (
    Terminal,
    has_waiting,
    open_controlling_terminal,
    open_terminal,
)

_READ_BYTES = 64 * 1024
_SHARED_WRITE_BYTES = 512  # _POSIX_PIPE_BUF
# Names in TERM of what knows no bracketed paste; some of them would print it.
_OLD_TERMINALS = re.compile(r"vt[0-9]|(dumb|unknown|ansi|linux|cons[0-9]+|sun|)(-|$)")
_FILE_BYTES = 1024 * 1024  # a file accepts everything at once


class OutputStream(Protocol):
    """What output and messages are written to: a terminal, or whatever replaces it.

    Attributes:
        keeps_modes: modes that a guest switches on here stay on until they are
            switched off.
    """

    keeps_modes: bool

    @property
    def inside_line(self) -> bool:
        """Whether a message has to end an unfinished line first."""
        ...

    async def send_all(self, data: bytes) -> None:
        """Write everything.

        Raises:
            BrokenPipeError: the reader has gone.
            OSError: it cannot be written, as when a disk is full.
        """
        ...

    def write_now(self, data: bytes) -> None:
        """Write as much as is accepted at once."""
        ...

    def notice(self, text: str) -> str:
        """A line of our own, as it has to be written here now."""
        ...

    def bell(self) -> str:
        """What makes a sound or a flash here; empty if nothing does."""
        ...

    def size(self) -> os.terminal_size:
        """Columns and lines; both 0 if this is not a terminal."""
        ...


class RedirectedInput:
    """Reads from an inherited descriptor that is not a terminal."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._is_file = stat.S_ISREG(os.fstat(fd).st_mode)

    @property
    def holds_data(self) -> bool:
        """Whether this is a pipe or a file with data that was not read yet."""
        if self._is_file:
            end = os.fstat(self._fd).st_size
            return os.lseek(self._fd, 0, os.SEEK_CUR) < end
        if not stat.S_ISFIFO(os.fstat(self._fd).st_mode):
            return False
        return has_waiting(self._fd)

    async def receive_some(self, max_bytes: int = _READ_BYTES) -> bytes:
        """Wait for data; an empty result is the end."""
        # Reading a file or /dev/null returns at once.  epoll refuses both; kqueue takes
        # a file, but does not report its end, and refuses some devices (not tried).
        if not (self._is_file or await self._has_no_event()):
            return os.read(self._fd, max_bytes)
        return await trio.to_thread.run_sync(os.read, self._fd, max_bytes)

    async def _has_no_event(self) -> bool:
        """Wait for data; whether that cannot be waited for."""
        try:
            await trio.lowlevel.wait_readable(self._fd)
        except OSError:
            return True
        return False


class RedirectedOutput:
    """Writes to an inherited descriptor that is not a terminal.

    A pipe is opened once more through /proc if the system has that, to make it
    non-blocking for us alone.  Elsewhere a write of PIPE_BUF bytes into a pipe that
    polls as writable does not block (POSIX, pipe(7)).

    Attributes:
        keeps_modes: never: modes are a matter of terminals.
        is_watched: whether `wait_reader_gone` can be called.
    """

    keeps_modes = False
    inside_line = False

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._private = False
        mode = os.fstat(fd).st_mode
        self._is_file = stat.S_ISREG(mode)
        if stat.S_ISFIFO(mode):
            with suppress(OSError):
                self._fd = reopen(fd, os.O_WRONLY)
                self._private = True
        self.is_watched = self._private

    async def send_all(self, data: bytes) -> None:
        """Write everything.

        Raises:
            BrokenPipeError: the reader has gone.
            OSError: it cannot be written, as when a disk is full.
        """
        with memoryview(data) as view:
            sent = 0
            while sent < len(view):
                piece = len(view) if self._private else await self._wait_room()
                try:
                    sent += os.write(self._fd, view[sent : sent + piece])
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(self._fd)

    async def _wait_room(self) -> int:
        """Wait until a write does not block; the number of bytes it may have."""
        if not self._is_file:
            with suppress(OSError):  # epoll and kqueue refuse some devices
                await trio.lowlevel.wait_writable(self._fd)
                return _SHARED_WRITE_BYTES
        await trio.lowlevel.checkpoint()
        return _FILE_BYTES

    def write_now(self, data: bytes) -> None:
        """Nothing: what undoes the modes of a terminal is of no use here."""

    def notice(self, text: str) -> str:
        """The line."""
        return f"{text}\n"

    def bell(self) -> str:
        """Empty: a program that reads this does not want control characters."""
        return ""

    def size(self) -> os.terminal_size:
        """Both 0."""
        return os.terminal_size((0, 0))

    async def wait_reader_gone(self) -> None:
        """Wait until the reader of the pipe has gone; needs `is_watched`.

        Without this, `| grep -m1 login:` would end only with the next output.
        """
        # This end cannot be read: only the error wakes us (poll(2), POLLERR).
        await trio.lowlevel.wait_readable(self._fd)

    def close(self) -> None:
        """Close our own descriptor, if there is one."""
        if self._private:
            trio.lowlevel.notify_closing(self._fd)
            os.close(self._fd)


@dataclass(frozen=True)
class Stdio:
    """Where input comes from and where output and messages go.

    Attributes:
        keyboard: the terminal that a person types on, or None.
        piped: redirected input, or None if there is a keyboard.
        screen: for the guest's bytes.
        messages: for our own.
        watched: the screen again, if it is a pipe whose reader may go; else None.
    """

    keyboard: Terminal | None
    piped: RedirectedInput | None
    screen: OutputStream
    messages: OutputStream
    watched: RedirectedOutput | None = None

    def raw(self, on_raw: Callable[[], None]) -> AbstractContextManager[None]:
        """Raw mode on the keyboard, if there is one.

        Args:
            on_raw: called whenever raw mode has been entered.
        """
        return self.keyboard.raw(on_raw) if self.keyboard else nullcontext()

    @property
    def marks_pastes(self) -> bool:
        """Whether the keyboard's terminal can be told on the screen to mark pastes."""
        term = os.environ.get("TERM", "")
        is_one = self.keyboard is not None and self.screen is self.keyboard
        return is_one and _OLD_TERMINALS.match(term) is None

    def size(self) -> os.terminal_size:
        """The size of the terminal; both 0 if there is none."""
        streams = (self.screen, *([self.keyboard] if self.keyboard else []))
        sizes = (stream.size() for stream in streams)
        return next((size for size in sizes if any(size)), os.terminal_size((0, 0)))


@contextmanager
def open_stdio(*, keyboard_from_terminal: bool = False) -> Iterator[Stdio]:
    """Open the standard streams; on leaving, the terminal is as it was.

    Args:
        keyboard_from_terminal: the keyboard is the controlling terminal, because
            standard input was used for something else.  Without a controlling
            terminal, the rest of standard input is data.
    """
    with ExitStack() as stack:
        terminals: dict[int, Terminal] = {}
        watched: list[RedirectedOutput] = []

        def terminal_on(fd: int) -> Terminal:
            device = os.fstat(fd).st_rdev
            if device not in terminals:
                terminals[device] = open_terminal(fd)
                stack.callback(terminals[device].close)
            return terminals[device]

        def output_on(fd: int) -> OutputStream:
            if os.isatty(fd):
                return terminal_on(fd)
            output = RedirectedOutput(fd)
            stack.callback(output.close)
            if fd == 1 and output.is_watched:
                watched.append(output)
            return output

        screen, messages = output_on(1), output_on(2)
        keyboard = None
        if os.isatty(0):
            keyboard = terminal_on(0)
        elif keyboard_from_terminal:
            keyboard = next(reversed(terminals.values()), None)
            if keyboard is None:
                keyboard = open_controlling_terminal()
                if keyboard is not None:
                    stack.callback(keyboard.close)
        piped = RedirectedInput(0) if keyboard is None else None
        yield Stdio(keyboard, piped, screen, messages, next(iter(watched), None))


def terminal_size() -> os.terminal_size:
    """The size of the terminal on any standard stream; both 0 if there is none."""
    for fd in (1, 0, 2):
        with suppress(OSError):
            return os.get_terminal_size(fd)
    return os.terminal_size((0, 0))
