"""The terminal: raw mode and back, reading, writing, size, suspending.

The only module that touches termios.  A terminal is opened once more by its name, so
that non-blocking is a property of our own file description: O_NONBLOCK on the
inherited one would be shared with the shell and would stay after SIGKILL (libuv's
uv_tty_init does the same for the same reason).
"""

import errno
import fcntl
import os
import select
import signal
import sys
import termios
import time
from contextlib import suppress
from copy import deepcopy
from typing import Any

import trio

_READ_BYTES = 64 * 1024
# On a terminal that could not be opened anew a write may block, unless it is small.
_SHARED_WRITE_BYTES = 256
_BURST_READS = 1024  # then the other tasks have their turn
_FOREGROUND_POLL_SECONDS = 0.25
_LAST_WRITE_SECONDS = 0.02
_CAN = b"\x18"
_OPEN_FLAGS = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC

_Modes = list[Any]  # what termios.tcgetattr returns


def raw_modes(modes: _Modes) -> _Modes:
    """The modes of a terminal with all processing off, made from its present ones.

    POSIX cfmakeraw; written out because tty.setraw before Python 3.12 leaves INLCR,
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


class Terminal:
    """One terminal device; `open_terminal` makes one.

    Raw mode is wanted or not; whether it is in force depends on the shell as well, for
    a job in the background must leave the terminal alone.

    Attributes:
        at_line_start: whether what was written last ended a line.
        is_raw: whether the terminal is in raw mode by our doing.
        is_cut: whether what was written last has not been written to its end.
    """

    def __init__(self, fd: int, *, private: bool) -> None:
        self._fd = fd
        self._private = private
        self._saved: _Modes | None = None
        self._raw_wanted = False
        self._burst = 0
        self._write_lock = trio.StrictFIFOLock()
        self.at_line_start = True
        self.is_raw = False
        self.is_cut = False

    def waiting_bytes(self) -> int:
        """How much has been typed and not been read."""
        with suppress(OSError):
            count = fcntl.ioctl(self._fd, termios.FIONREAD, bytes(4))
            return int.from_bytes(count, sys.byteorder)
        return 0

    async def receive_some(self, max_bytes: int = _READ_BYTES) -> bytes:
        """Wait for typing; empty when the terminal is gone.

        A burst is read without letting other tasks run in between, so that the bytes
        of one key stay together.
        """
        may_read = self._private and self._burst < _BURST_READS
        while True:
            if not self._is_foreground():
                # It is typed for the shell; reading it would stop us.
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

    async def send_all(self, data: bytes) -> None:
        """Write everything, waiting while the terminal takes nothing.

        Raises:
            BrokenPipeError: the terminal is gone.
        """
        if not data:
            return
        piece = len(data) if self._private else _SHARED_WRITE_BYTES
        try:  # at once where nobody else writes: a key waits for its echo
            self._write_lock.acquire_nowait()
        except trio.WouldBlock:
            await self._write_lock.acquire()
        try:
            self.is_cut = True
            with memoryview(data) as view:
                sent = 0
                while sent < len(view):
                    if not self._private:
                        await trio.lowlevel.wait_writable(self._fd)
                    try:
                        sent += os.write(self._fd, view[sent : sent + piece])
                    except BlockingIOError:
                        await trio.lowlevel.wait_writable(self._fd)
                    except OSError as exc:
                        raise BrokenPipeError(*exc.args) from exc
            self.is_cut = False
            self.at_line_start = data[-1:] in (b"\n", b"\r")
        finally:
            self._write_lock.release()

    def write_now(self, data: bytes) -> None:
        """Write what can be written within a moment: the last thing to show.

        Where a write was cut off before, a sequence may have been: that is broken off.
        """
        if self.is_cut:
            data = _CAN + data
        deadline = time.monotonic() + _LAST_WRITE_SECONDS
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        with suppress(OSError):
            while data and poll.poll(max(0, deadline - time.monotonic()) * 1000):
                with suppress(BlockingIOError):
                    data = data[os.write(self._fd, data) :]

    def enter_raw(self) -> None:
        """Switch all processing off; what has been typed already stays."""
        self._raw_wanted = True
        self.resume()

    def restore(self) -> None:
        """Put the modes back as they were found.

        Does nothing in the background: there the shell has set its own modes.
        """
        self._raw_wanted = False
        if self.is_raw and self._saved is not None and self._is_foreground():
            self._apply(self._saved)
        self.is_raw = False

    def suspend(self) -> None:
        """Stop the whole job as the shell's own ^Z does; returns when it goes on."""
        if self._saved is not None:
            self._apply(self._saved)
        self.is_raw = False
        # The user may change the modes meanwhile: find them anew.
        self._saved = None
        # 0: the process group, so that `novaconsole … | tee` stops as one.
        os.kill(0, signal.SIGTSTP)
        self.resume()

    def resume(self) -> None:
        """Take raw mode up again, for the shell has set modes of its own meanwhile.

        Called after SIGCONT too, for nobody can catch SIGSTOP.
        """
        self.is_raw = self._raw_wanted and self._is_foreground()
        if not self.is_raw:
            return
        with suppress(termios.error):  # the terminal is gone; reading it will tell
            if self._saved is None:
                self._saved = termios.tcgetattr(self._fd)
            self._apply(raw_modes(self._saved))

    def _apply(self, modes: _Modes) -> None:
        # TCSANOW, not TCSADRAIN: the kernel processes output when it is written, so
        # there is nothing to wait for, and waiting for a terminal that takes no output
        # would not end.  Never TCSAFLUSH: it throws away what was typed.
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self._fd, termios.TCSANOW, modes)

    async def _wait_foreground(self) -> None:
        # The shell tells nobody when it gives the terminal to a job that was running.
        while not self._is_foreground():  # noqa: ASYNC110 # there is no event
            await trio.sleep(_FOREGROUND_POLL_SECONDS)
        self.resume()

    def _is_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:  # not our controlling terminal: no job control on it
            return True

    def size(self) -> os.terminal_size:
        """Columns and lines; both 0 where the terminal does not know."""
        try:
            return os.get_terminal_size(self._fd)
        except OSError:
            return os.terminal_size((0, 0))

    def close(self) -> None:
        """Restore the modes and let go."""
        self.restore()
        if self._private:
            trio.lowlevel.notify_closing(self._fd)
            os.close(self._fd)


def open_terminal(fd: int) -> Terminal:
    """The terminal that an inherited file descriptor is open on.

    Args:
        fd: a file descriptor for which os.isatty is true.
    """
    with suppress(OSError):
        return Terminal(_reopen(fd, os.ttyname(fd)), private=True)
    with suppress(OSError):
        # A container may not show the name of the terminal that it was given.
        return Terminal(_reopen(fd, f"/proc/self/fd/{fd}"), private=True)
    return Terminal(fd, private=False)


def open_controlling_terminal() -> Terminal | None:
    """The terminal that the job belongs to, whatever the standard streams are.

    None where there is none, as under cron.
    """
    with suppress(OSError):
        return Terminal(os.open("/dev/tty", _OPEN_FLAGS), private=True)
    return None


def _reopen(fd: int, name: str) -> int:
    reopened = os.open(name, _OPEN_FLAGS)
    # In another mount namespace the name may belong to another terminal.
    if os.fstat(reopened).st_rdev != os.fstat(fd).st_rdev:
        os.close(reopened)
        raise OSError(errno.ENODEV, "another terminal has this name")
    return reopened


def set_size(fd: int, size: os.terminal_size) -> None:
    """Tell a pty how large it is."""
    termios.tcsetwinsize(fd, (size.lines, size.columns))
