"""Writing to a terminal: whole pieces, and messages of our own between them."""

import os
import re
from contextlib import suppress

import trio

from novaconsole.terminal.fd import write_within

# On a terminal that could not be opened anew a write may block, unless it is small.
_SHARED_WRITE_BYTES = 256
_LAST_WRITE_SECONDS = 0.02
_CAN = b"\x18"
# Modes and colours at the end of output, which do not move the cursor.
_UNMOVING = re.compile(rb"(?:\x1b\[[0-9;?]*[hlm])+\Z")
_UNMOVING_ENDS = (b"h", b"l", b"m")
_TAIL_BYTES = 64


class TerminalWriter:
    """The output side of a terminal.

    Args:
        fd: open on the terminal.
        private: whether the open file description is ours alone, and non-blocking.
    """

    def __init__(self, fd: int, *, private: bool) -> None:
        self._fd = fd
        self._private = private
        self._write_lock = trio.StrictFIFOLock()
        self._at_line_start = True
        self._is_partial = False  # the latest write has not been finished

    @property
    def is_raw(self) -> bool:
        """Whether the terminal is in raw mode now, and we put it there."""
        return False

    @property
    def inside_line(self) -> bool:
        """Whether the cursor stands behind unfinished output."""
        return not self._at_line_start

    async def send_all(self, data: bytes) -> None:
        """Write everything, waiting while the terminal accepts nothing.

        Raises:
            BrokenPipeError: the terminal has gone.
        """
        if not data:
            return
        piece = len(data) if self._private else _SHARED_WRITE_BYTES
        try:  # without a detour through the scheduler: a key is waiting for its echo
            self._write_lock.acquire_nowait()
        except trio.WouldBlock:
            await self._write_lock.acquire()
        try:
            self._is_partial = True
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
            self._is_partial = False
            self._note_end(data)
        finally:
            self._write_lock.release()

    def write_now(self, data: bytes) -> None:
        """Write as much as the terminal accepts at once: the last thing to show.

        If the latest `send_all` was cancelled, it may have stopped inside a control
        sequence; CAN makes the terminal drop that first (ECMA-48, 8.3.6).
        """
        if self._is_partial:
            data = _CAN + data
        with suppress(OSError):  # the terminal has gone
            write_within(self._fd, data, _LAST_WRITE_SECONDS)

    def notice(self, text: str) -> str:
        """A line of our own, as it has to be written here now.

        It starts on a line of its own, and in raw mode a line ends in CR LF, because
        the terminal does not add the CR.
        """
        start = "" if self._at_line_start else "\r\n"
        return f"{start}{text}\r\n" if self.is_raw else f"{start}{text}\n"

    def bell(self) -> str:
        """What makes a sound or a flash here."""
        return "\a"

    def _note_end(self, data: bytes) -> None:
        """Note where the cursor is after output."""
        if data.endswith(_UNMOVING_ENDS):
            data = _UNMOVING.sub(b"", data[-_TAIL_BYTES:])
            if not data:
                return
        self._at_line_start = data[-1:] in (b"\n", b"\r")
