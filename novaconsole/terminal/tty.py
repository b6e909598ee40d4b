"""A terminal: raw mode and back, reading, writing, its size, suspending.

The only module that touches termios.  A terminal is opened once more by its name
(`fd.reopen` says why), so that reads and writes never block and the inherited
descriptor keeps its flags.
"""

import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any

import trio

from novaconsole.terminal.fd import is_foreground, reopen
from novaconsole.terminal.writer import TerminalWriter

_READ_BYTES = 64 * 1024
_BURST_READS = 1024  # before other tasks run
_FOREGROUND_POLL_SECONDS = 0.25
_PROBE = b"\0"
_PS_SECONDS = 2.0
_OPEN_FLAGS = os.O_RDWR | os.O_NOCTTY

_Modes = list[Any]  # what termios.tcgetattr returns


def raw_modes(modes: _Modes) -> _Modes:
    """The given modes with all processing of input and output switched off.

    As cfmakeraw(3).  Written out because tty.setraw before Python 3.12 leaves INLCR,
    IGNCR, IXOFF and IXANY as they are.
    """
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = deepcopy(modes)
    iflag &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.IGNPAR
        | termios.PARMRK
        | termios.INPCK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
        | termios.IXANY
        | termios.IXOFF
    )
    oflag &= ~termios.OPOST
    cflag = (cflag & ~(termios.PARENB | termios.CSIZE)) | termios.CS8
    lflag &= ~(
        termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN
    )
    cc[termios.VMIN], cc[termios.VTIME] = 1, 0
    return [iflag, oflag, cflag, lflag, ispeed, ospeed, cc]


class Terminal(TerminalWriter):
    """One terminal device; `open_terminal` makes one.

    Asking for raw mode is one thing; whether it is in force also depends on the shell,
    because a job in the background must leave the terminal alone.

    Attributes:
        keeps_modes: modes that a guest switches on here stay on until they are
            switched off.
    """

    keeps_modes = True

    def __init__(self, fd: int, *, private: bool) -> None:
        super().__init__(fd, private=private)
        self._saved: _Modes | None = None
        self._raw_wanted = False
        self._burst = 0
        self._is_raw = False
        self._on_raw: Callable[[], None] = lambda: None

    @property
    def is_raw(self) -> bool:
        """Whether the terminal is in raw mode now, and we put it there."""
        return self._is_raw

    def waiting_bytes(self) -> int:
        """The number of bytes that were typed and have not been read."""
        with suppress(OSError):
            count = fcntl.ioctl(self._fd, termios.FIONREAD, bytes(4))
            return int.from_bytes(count, sys.byteorder)
        return 0

    async def wait_input(self) -> None:
        """Wait until there is something to read."""
        await trio.lowlevel.wait_readable(self._fd)

    def take_waiting(self) -> bytes | None:
        """Read what is waiting; None if `put_back` would not work.

        Linux may refuse to put anything back since 6.2 (dev.tty.legacy_tiocsti).  So
        that is tried first, and what it put there is taken out.
        """
        waiting = self.waiting_bytes()
        try:
            fcntl.ioctl(self._fd, termios.TIOCSTI, _PROBE)
        except OSError:
            return None
        data = self.read_waiting()
        at = data.find(_PROBE, waiting)
        return data[:at] + data[at + 1 :] if at >= 0 else data

    def read_waiting(self) -> bytes:
        """Read what is waiting."""
        try:
            return os.read(self._fd, _READ_BYTES)
        except OSError:
            return b""

    def put_back(self, data: bytes) -> None:
        """Make data readable again, as if it had been typed just now."""
        with suppress(OSError):
            for byte in data:
                fcntl.ioctl(self._fd, termios.TIOCSTI, bytes([byte]))

    async def receive_some(self, max_bytes: int = _READ_BYTES) -> bytes:
        """Wait for input; an empty result means that the terminal has gone.

        A burst is read without letting other tasks run in between, so that the bytes
        of one key stay together.
        """
        may_read = self._private and self._burst < _BURST_READS
        while True:
            if not self._is_foreground():
                # The input is for the shell, and reading it would stop us (SIGTTIN).
                await self._wait_foreground()
                may_read = self._private
            if may_read:
                self._burst += 1
                try:
                    return os.read(self._fd, max_bytes)
                except BlockingIOError:
                    pass
                except OSError:
                    return b""  # EIO: the terminal hung up
            self._burst = 0
            await trio.lowlevel.wait_readable(self._fd)
            may_read = True

    @contextmanager
    def raw(self, on_raw: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Raw mode while this is entered; the modes as they were afterwards.

        Args:
            on_raw: called whenever raw mode has been entered, as after a stop.
        """
        self._on_raw = on_raw
        self.enter_raw()
        try:
            yield
        finally:
            self.restore()

    def end_echoed_line(self) -> None:
        """Begin a line behind a key that the terminal has echoed, such as `^C`."""
        if self._is_raw or not self._is_foreground():
            return
        with suppress(termios.error):
            if termios.tcgetattr(self._fd)[3] & termios.ECHO:
                self.write_now(b"\n")

    def enter_raw(self) -> None:
        """Switch all processing off; input that is waiting stays."""
        self._raw_wanted = True
        self.resume()

    def restore(self) -> None:
        """Set the modes back to what they were.

        In the background this does nothing: the shell has set modes of its own.
        """
        self._raw_wanted = False
        if self._is_raw and self._saved is not None and self._is_foreground():
            self._apply(self._saved)
        self._is_raw = False

    def suspend(self) -> None:
        """Stop the whole job, as ^Z in the shell does; return when it is continued."""
        if self._saved is not None:
            self._apply(self._saved)
        self._is_raw = False
        # The user may change the modes while we are stopped: read them again.
        self._saved = None
        # 0: the process group, so that `novaconsole … | tee` stops as one.
        os.kill(0, signal.SIGTSTP)
        self.resume()

    def resume(self) -> None:
        """Enter raw mode again, after the shell has set modes of its own.

        Also called on SIGCONT, because SIGSTOP cannot be caught.
        """
        self._is_raw = self._raw_wanted and self._is_foreground()
        if not self._is_raw:
            return
        with suppress(termios.error):  # the terminal has gone; reading will tell
            if self._saved is None:
                self._saved = termios.tcgetattr(self._fd)
            self._apply(raw_modes(self._saved))
            self._on_raw()

    def _apply(self, modes: _Modes) -> None:
        # TCSANOW, not TCSADRAIN: the kernel processes output when it is written, so
        # there is nothing to wait for, and waiting for a terminal that takes no output
        # would not end.  Never TCSAFLUSH: it throws away what was typed.
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self._fd, termios.TCSANOW, modes)

    async def _wait_foreground(self) -> None:
        # The kernel has no event for a running job becoming the foreground one.
        while not self._is_foreground():  # noqa: ASYNC110 # as above
            await trio.sleep(_FOREGROUND_POLL_SECONDS)
        self.resume()

    def _is_foreground(self) -> bool:
        return is_foreground(self._fd)

    def size(self) -> os.terminal_size:
        """Columns and lines; both 0 if the terminal does not know."""
        try:
            return os.get_terminal_size(self._fd)
        except OSError:
            return os.terminal_size((0, 0))

    def close(self) -> None:
        """Restore the modes and close our own descriptor."""
        self.restore()
        if self._private:
            trio.lowlevel.notify_closing(self._fd)
            os.close(self._fd)


def open_terminal(fd: int) -> Terminal:
    """The terminal that an inherited descriptor is open on.

    Args:
        fd: a descriptor for which os.isatty is true.
    """
    with suppress(OSError):
        return Terminal(reopen(fd, _OPEN_FLAGS, os.ttyname(fd)), private=True)
    with suppress(OSError):
        # In a container the terminal may have no name, but the kernel still has it.
        return Terminal(reopen(fd, _OPEN_FLAGS), private=True)
    return Terminal(fd, private=False)


def open_controlling_terminal() -> Terminal | None:
    """The terminal that the job belongs to, or None if it has none, as under cron."""
    flags = _OPEN_FLAGS | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(OSError):
        return Terminal(os.open(_controlling_terminal(), flags), private=True)
    return None


def _controlling_terminal() -> str:
    """The name of the terminal that the job belongs to.

    On macOS neither kqueue nor poll takes /dev/tty, but they take the terminal by its
    own name, which ps knows (not tried there).
    """
    if sys.platform.startswith("linux"):
        return "/dev/tty"
    with suppress(OSError, subprocess.SubprocessError):
        command = ["ps", "-o", "tty=", "-p", str(os.getpid())]
        output = subprocess.check_output(  # noqa: S603 # the arguments are ours
            command, text=True, timeout=_PS_SECONDS
        )
        if output.strip(" ?-\n"):
            return f"/dev/{output.strip()}"
    return "/dev/tty"


def set_size(fd: int, size: os.terminal_size) -> None:
    """Set the size of a pty."""
    termios.tcsetwinsize(fd, (size.lines, size.columns))


def has_waiting(fd: int) -> bool:
    """Whether a terminal or pipe holds input that can be read at once."""
    return any(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))
