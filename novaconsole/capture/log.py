"""The log of a session: as the guest sends it or for people, and on or off.

What is written waits for nothing.  Only of plain text an unfinished line is held back,
for a moment; a task of its own then writes it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import trio

from novaconsole.capture.files import AUTOMATIC_NAME, PrivateFile, named
from novaconsole.capture.plaintext import PlainText
from novaconsole.capture.timestamps import Stamper
from novaconsole.errors import UsageError

# The contract is that a log has within a second what is on the screen.
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
    """

    name: str | None = None
    overwrite: bool = False
    plain: bool = False
    timestamps: bool = False


class SessionLog:
    """A log that can be started and stopped.

    Args:
        options: what to write to which file.
        server: what the user calls the server, for the name of the file.
        on_trouble: told, once each time, of trouble with the disk.
    """

    def __init__(
        self, options: LogOptions, server: str, on_trouble: Callable[[str], None]
    ) -> None:
        self._options = options
        self._server = server
        self._say = on_trouble
        self._plain = options.plain
        self._timestamps = options.timestamps
        self._path: Path | None = None
        self._file: LogFile | None = None
        self._form: PlainText | Stamper | None = None
        self._in_turn = trio.Lock()
        self._is_behind = trio.Event()

    @property
    def path(self) -> Path | None:
        """The file that is written now, if one is."""
        return self._path if self._file and self._file.is_open else None

    def start(self, name: str = AUTOMATIC_NAME, *, overwrite: bool = False) -> None:
        """Start the log.

        Args:
            name: of the file; `{server}` and `{time}` are filled in.
            overwrite: start the file afresh.

        Raises:
            UsageError: the name is bad, or the file cannot be written.
        """
        path = named(name, self._server)
        self._open(path, overwrite=overwrite)
        self._path = path

    def toggle(self) -> str:
        """Stop the log, or start it; what to tell of that.

        One that has been started before goes on in its file.
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

        When this returns, all of it is written but an unfinished line of plain text.
        """
        if self.path is None:
            return
        if self._form is None:
            await self._write(data)
            return
        stamp = _stamp() if self._timestamps else b""
        async with self._in_turn:
            await self._write(self._form.feed(data, stamp))
        if self._form.is_behind:
            self._is_behind.set()

    async def keep_up(self) -> None:
        """Write what is held back, soon after it has come; runs until cancelled."""
        while True:
            await self._is_behind.wait()
            await trio.sleep(_HELD_BACK_SECONDS)
            self._is_behind = trio.Event()
            async with self._in_turn:
                if self._form is not None:
                    await self._write(self._form.flush())

    def close(self) -> None:
        """Stop the log; what was held back is written."""
        if self._file is not None:
            last = self._form.finish() if self._form is not None else b""
            self._file.close(self._say, last)
            self._file = None

    async def _write(self, data: bytes) -> None:
        if self._file is not None:  # ~L may have stopped it during a wait
            await self._file.write(data, self._say)

    def _open(self, path: Path, *, overwrite: bool) -> None:
        self._file = LogFile(path, overwrite=overwrite)
        if self._plain:
            self._form = PlainText()
        elif self._timestamps:
            self._form = Stamper()


def _stamp() -> bytes:
    """The time now: ISO 8601, to be put in front of a line."""
    now = datetime.now().astimezone()
    return now.isoformat(timespec="milliseconds").encode() + b" "


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


@contextmanager
def open_log(
    options: LogOptions, server: str, on_trouble: Callable[[str], None]
) -> Iterator[SessionLog]:
    """Open the log, which `~L` may start later; close it on leaving.

    Args:
        options: what the user asked for.
        server: what the user calls the server.
        on_trouble: told, in one sentence, each time that the log had to end.

    Raises:
        UsageError: it cannot be written.
    """
    with closing(SessionLog(options, server, on_trouble)) as log:
        if options.name is not None:
            log.start(options.name, overwrite=options.overwrite)
        yield log
