"""The recording of a session: an asciicast, in a file that the user names.

The header is written with the first event, when the size of the terminal and the name
of the server are known.  A session that did not come about leaves an empty file.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import trio

from novaconsole.capture import asciicast
from novaconsole.capture.files import PrivateFile, named
from novaconsole.errors import UsageError
from novaconsole.redaction import mask_tokens, printable

_SIZE = os.terminal_size((80, 24))  # if there is no terminal


@dataclass(frozen=True)
class RecordingOptions:
    """What to record in which file.

    Attributes:
        name: of the file, with `{server}` and `{time}` filled in later.
        overwrite: start it afresh, whatever is in it; without, a file that is not
            empty is refused.
        with_input: record what is sent to the guest as well.
        source: the option and the variable that gave the name, or None for no variable.
    """

    name: str
    overwrite: bool = False
    with_input: bool = False
    source: str | None = None


class Recording(PrivateFile):
    """Writes each event when it happens.

    An event is one line and one write, so that after SIGKILL only the last line can be
    incomplete.  Nothing waits: if the file is a FIFO, a slow reader is an error.

    Args:
        options: what to record in which file, created with mode 0600.
        server: what the user calls the server, for the name of the file.
        title: asked for what is recorded when the recording begins.
        on_error: told once, in one sentence, when the recording had to end.

    Raises:
        UsageError: the file cannot be opened, or is not empty.
    """

    def __init__(
        self,
        options: RecordingOptions,
        server: str,
        title: Callable[[], str],
        on_error: Callable[[str], None],
    ) -> None:
        path = named(options.name, server)
        super().__init__(path, "recording", "--record", overwrite=options.overwrite)
        assert self._fd is not None
        if os.fstat(self._fd).st_size:
            os.close(self._fd)
            raise UsageError(
                f"recording {path} already exists",
                "give --overwrite to replace it",
            )
        self._title = title
        self._on_error = on_error
        self._with_input = options.with_input
        self._encoder = asciicast.Encoder()
        self._size = _SIZE
        self._started: float | None = None  # on trio's clock
        self._length = 0

    def output(self, data: bytes) -> None:
        """Record bytes that are about to be shown."""
        self._write(self._encoder.output(self._now(), data))

    def input(self, data: bytes) -> None:
        """Record bytes that are about to be sent, if input is recorded."""
        if self._with_input:
            self._write(self._encoder.input(self._now(), data))

    def mark(self, label: str) -> None:
        """Record a point that a player can jump to."""
        label = printable(mask_tokens(label))
        self._write(self._encoder.marker(self._now(), label))

    def resize(self, size: os.terminal_size) -> None:
        """Record the size of the terminal; 0 by 0 means that there is none."""
        if 0 in size or size == self._size:
            return
        self._size = size
        if self._started is not None:
            self._write(self._encoder.resize(self._now(), size.columns, size.lines))

    def end(self) -> None:
        """End the recording and close its file."""
        if self._started is not None:
            self._write(self._encoder.end(self._now()))
        self.close(self._on_error)

    def _now(self) -> float:
        """Return the seconds since the recording began; begin it if necessary."""
        now = trio.current_time()
        if self._started is None:
            self._started = now
            self._write(
                asciicast.header(
                    columns=self._size.columns,
                    lines=self._size.lines,
                    timestamp=int(time.time()),
                    title=f"console of {printable(mask_tokens(self._title()))}",
                    term=os.environ.get("TERM"),
                )
            )
        return now - self._started

    def _write(self, line: bytes) -> None:
        if self._fd is None:
            return
        written = 0
        try:
            while written < len(line):  # a disk that fills up takes a part
                written += os.write(self._fd, line[written:])
        except OSError as exc:
            with suppress(OSError):  # FIFOs and devices cannot be truncated
                os.ftruncate(self._fd, self._length)  # half a line is not JSON
            self._give_up(exc, self._on_error)
        else:
            self._length += written


@contextmanager
def open_recording(
    options: RecordingOptions | None,
    title: Callable[[], str],
    on_error: Callable[[str], None],
) -> Iterator[Recording | None]:
    """Open the recording, if there is to be one, and end it on leaving.

    Args:
        options: what the user asked for.
        title: asked for the server's name now, and when the recording begins.
        on_error: told once, in one sentence, when the recording had to end.

    Raises:
        UsageError: it cannot be written, or already exists.
    """
    if options is None:
        yield None
        return
    try:
        recording = Recording(options, title(), title, on_error)
    except UsageError as exc:
        exc.blame(options.source)
        raise
    try:
        yield recording
    finally:
        recording.end()
