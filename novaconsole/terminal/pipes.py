"""Standard input and output that are no terminals: pipes, files, sockets, /dev/null.

They are shared with other processes, so their flags stay as they are.
"""

import os
import stat
from contextlib import suppress

import trio

_READ_BYTES = 64 * 1024
_SHARED_WRITE_BYTES = 512  # _POSIX_PIPE_BUF
_FILE_BYTES = 1024 * 1024  # a file takes all of what we have


class Input:
    """Reads from an inherited file descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    async def receive_some(self, max_bytes: int = _READ_BYTES) -> bytes:
        """Wait for data; empty at its end."""
        try:
            await trio.lowlevel.wait_readable(self._fd)
        except PermissionError:
            # epoll does not watch files and /dev/null; reading these returns at once.
            return await trio.to_thread.run_sync(os.read, self._fd, max_bytes)
        return os.read(self._fd, max_bytes)

    def close(self) -> None:
        """Nothing: the descriptor belongs to whoever started us."""


class Output:
    """Writes to an inherited file descriptor.

    A pipe is opened once more by way of /proc where there is such a thing, to have it
    non-blocking for us alone.  Elsewhere a write of PIPE_BUF bytes into a pipe that
    polls as writable does not block (POSIX, pipe(7)).
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._private = False
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            with suppress(OSError):
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
                self._fd = os.open(f"/proc/self/fd/{fd}", flags)
                self._private = True

    async def send_all(self, data: bytes) -> None:
        """Write everything.

        Raises:
            BrokenPipeError: nobody reads any more.
            OSError: the file cannot be written, as when the disk is full.
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
        """Wait until a write does not block; how much it may write."""
        try:
            await trio.lowlevel.wait_writable(self._fd)
        except PermissionError:  # a file: epoll does not watch it
            await trio.lowlevel.checkpoint()
            return _FILE_BYTES
        return _SHARED_WRITE_BYTES

    async def wait_reader_gone(self) -> None:
        """Wait until nobody reads the pipe any more; for ever, if it is no pipe.

        Without this, `| grep -m1 login:` would end with the next output only.
        """
        if not self._private:
            await trio.sleep_forever()
        # Nothing can be read from this end: only the error wakes us (poll(2), POLLERR).
        await trio.lowlevel.wait_readable(self._fd)

    def close(self) -> None:
        """Let go of our own descriptor, if there is one."""
        if self._private:
            trio.lowlevel.notify_closing(self._fd)
            os.close(self._fd)
