"""The log: everything the guest sends, byte for byte, into a file of the user's.

Bytes are handed to the kernel before they are shown, so that the file is complete up
to the last byte on the screen even after SIGKILL.  Trouble with the disk is told once
and never ends the session.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import trio

from novaconsole.errors import UsageError

_MODE = 0o600  # passwords are typed and keys are printed on a console


class LogFile:
    """Copies the guest's bytes to a file.

    Args:
        path: the file; created with mode 0600, appended to if it is there.
        overwrite: start it afresh.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        # O_NONBLOCK counts for a FIFO only: it must not stop us while nobody reads.
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        flags |= os.O_TRUNC if overwrite else os.O_APPEND
        try:
            self._fd: int | None = os.open(path, flags, _MODE)
        except OSError as exc:
            raise UsageError(
                f"cannot write the log {path}: {exc.strerror}",
                "give --log a file that you may write",
            ) from exc

    @property
    def is_open(self) -> bool:
        """Whether bytes are still written."""
        return self._fd is not None

    async def write(self, data: bytes, on_trouble: Callable[[str], None]) -> None:
        """Write everything.

        Args:
            data: what the guest sent.
            on_trouble: told once, in one sentence, when the log had to end.
        """
        sent = 0
        while self._fd is not None and sent < len(data):
            try:
                sent += os.write(self._fd, data[sent:])
            except BlockingIOError:  # a FIFO whose reader is slow
                with suppress(trio.ClosedResourceError):
                    await trio.lowlevel.wait_writable(self._fd)
            except OSError as exc:
                self._give_up(exc, on_trouble)

    def close(self, on_trouble: Callable[[str], None], last: bytes = b"") -> None:
        """Let go of the file; who waits in `write` is woken.

        Args:
            on_trouble: told once, in one sentence, when the log is not complete.
            last: still written, as far as it goes without waiting.
        """
        try:
            while self._fd is not None and last:
                last = last[os.write(self._fd, last) :]
            self._let_go()  # where a disk in the network may tell its trouble
        except OSError as exc:
            self._give_up(exc, on_trouble)

    def _give_up(self, exc: OSError, on_trouble: Callable[[str], None]) -> None:
        with suppress(OSError):
            self._let_go()
        on_trouble(f"log {self.path}: {exc.strerror}; the log ends here")

    def _let_go(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            trio.lowlevel.notify_closing(fd)
            os.close(fd)
