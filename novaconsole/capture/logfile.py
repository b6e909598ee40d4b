"""The log: everything the guest sends, byte for byte, into a file of the user's."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import trio

from novaconsole.capture.files import PrivateFile


class LogFile(PrivateFile):
    """Copies the guest's bytes to a file.

    Args:
        path: the file; created with mode 0600, appended to if it is there.
        overwrite: start it afresh.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        super().__init__(path, "log", "--log", overwrite=overwrite)

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
