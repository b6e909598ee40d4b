"""The log of a session: raw or plain text, with or without timestamps, on or off.

Bytes are written at once.  Only an unfinished line of plain text is held back for a
moment, because it may still change; a task of its own then writes it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from novaconsole.capture.files import AUTOMATIC_NAME, PrivateFile, named
from novaconsole.capture.timestamps import Timestamper
from novaconsole.errors import UsageError

if TYPE_CHECKING:
    from novaconsole.capture.plaintext import PlainText

# The contract: within a second, the log has what is on the screen.
_HELD_BACK_SECONDS = 0.5


@dataclass(frozen=True)
class LogOptions:
    """What to write to which file.

    Attributes:
        name: of the file, with `{server}` and `{time}` filled in later; None starts
            no log until `~L` does.
        overwrite: start the file afresh.
        plain: write plain text.
        timestamps: write the time at the start of each line.
        source: the option and the variable that gave the name, or None for no variable.
    """

    name: str | None = None
    overwrite: bool = False
    plain: bool = False
    timestamps: bool = False
    source: str | None = None


class SessionLog:
    """A log that can be started and stopped.

    Args:
        options: what to write to which file.
        server: what the user calls the server, for the name of the file.
        on_error: told, once each time, of trouble with the disk.
    """

    def __init__(
        self, options: LogOptions, server: str, on_error: Callable[[str], None]
    ) -> None:
        self._options = options
        self._server = server
        self._on_error = on_error
        self._plain = options.plain
        self._timestamps = options.timestamps
        self._path: Path | None = None
        self._file: LogFile | None = None
        self._formatter: PlainText | Timestamper | None = None
        self._lock = trio.Lock()
        self._has_pending = trio.Event()

    @property
    def path(self) -> Path | None:
        """The file that is being written, or None."""
        return self._path if self._file and self._file.is_open else None

    @property
    def exposure(self) -> str | None:
        """What to tell the user if others may read the file, or None."""
        return self._file.exposure if self._file is not None else None

    def start(self, name: str = AUTOMATIC_NAME, *, overwrite: bool = False) -> None:
        """Start the log.

        Args:
            name: the name of the file; `{server}` and `{time}` are filled in.
            overwrite: whether to empty the file first.

        Raises:
            UsageError: the name is not valid, or the file cannot be opened.
        """
        path = named(name, self._server)
        self._open(path, overwrite=overwrite)
        self._path = path

    def toggle(self) -> str:
        """Stop the log or start it, and return a message that says so.

        A log that was started before is continued in the same file.
        """
        if self.path is not None:
            self.close()
            return "log: stopped"
        try:
            if self._path is None:
                self.start()
            else:
                self._open(self._path, overwrite=False)
        except UsageError as exc:
            return f"log: {exc}"
        return f"log: writing to {self._path}"

    async def write(self, data: bytes) -> None:
        """Take what the guest has sent.

        When this returns, all is written except an unfinished line of plain text.
        """
        if self.path is None:
            return
        if self._formatter is None:
            await self._write(data)
            return
        timestamp = _timestamp() if self._timestamps else b""
        async with self._lock:
            await self._write(self._formatter.feed(data, timestamp))
        if self._formatter.has_pending:
            self._has_pending.set()

    async def keep_up(self) -> None:
        """Write what was held back, shortly after it came; runs until cancelled."""
        while True:
            await self._has_pending.wait()
            await trio.sleep(_HELD_BACK_SECONDS)
            self._has_pending = trio.Event()
            async with self._lock:
                if self._formatter is not None:
                    await self._write(self._formatter.flush())

    def close(self) -> None:
        """Stop the log; what was held back is written first."""
        if self._file is not None:
            last = self._formatter.finish() if self._formatter is not None else b""
            self._file.close(self._on_error, last)
            self._file = None

    async def _write(self, data: bytes) -> None:
        if self._file is not None:  # ~L may have stopped the log during a wait
            await self._file.write(data, self._on_error)

    def _open(self, path: Path, *, overwrite: bool) -> None:
        self._file = LogFile(path, overwrite=overwrite)
        if self._plain:
            # Here, because few need it, and a session has to start at once.
            from novaconsole.capture.plaintext import PlainText

            self._formatter = PlainText()
        elif self._timestamps:
            self._formatter = Timestamper()


def _timestamp() -> bytes:
    """The time now in ISO 8601, with a space after it."""
    now = datetime.now().astimezone()
    return now.isoformat(timespec="milliseconds").encode() + b" "


class LogFile(PrivateFile):
    """A log file, written byte for byte.

    Args:
        path: the file; created with mode 0600, appended to if it exists.
        overwrite: whether to empty it first.

    Raises:
        UsageError: the file cannot be opened.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        super().__init__(path, "log", "--log", overwrite=overwrite)

    async def write(self, data: bytes, on_error: Callable[[str], None]) -> None:
        """Write everything, waiting for the reader of a FIFO if it is slow.

        Args:
            data: the bytes to write.
            on_error: called with a message if the log has to end.
        """
        sent = 0
        while self._fd is not None and sent < len(data):
            try:
                sent += os.write(self._fd, data[sent:])
            except BlockingIOError:  # a FIFO whose reader is slow
                with suppress(trio.ClosedResourceError):
                    await trio.lowlevel.wait_writable(self._fd)
            except OSError as exc:
                self._give_up(exc, on_error)


@contextmanager
def open_log(
    options: LogOptions, server: str, on_error: Callable[[str], None]
) -> Iterator[SessionLog]:
    """Open the log, which `~L` may start later; close it on leaving.

    Args:
        options: what the user asked for.
        server: what the user calls the server.
        on_error: told, in one sentence, each time that the log had to end.

    Raises:
        UsageError: it cannot be written.
    """
    with closing(SessionLog(options, server, on_error)) as log:
        if options.name is not None:
            try:
                log.start(options.name, overwrite=options.overwrite)
            except UsageError as exc:
                exc.blame(options.source)
                raise
        yield log
