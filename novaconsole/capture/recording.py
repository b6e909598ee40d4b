"""The recording: the session as an asciicast, into a file of the user's.

It begins with the first event, so that what is known by then is in its header, and a
session that never came about leaves an empty file.
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

_SIZE = os.terminal_size((80, 24))  # where there is no terminal


@dataclass(frozen=True)
class RecordingOptions:
    """What to record in which file.

    Attributes:
        name: of the file, with `{server}` and `{time}` filled in later.
        overwrite: start it afresh, whatever is in it; without, a file that is not
            empty is refused.
        with_input: record what is sent to the guest as well.
    """

    name: str
    overwrite: bool = False
    with_input: bool = False


class Recording(PrivateFile):
    """Writes down what happens, when it happens.

    An event is one write of one line, so that after SIGKILL only the last line can be
    in pieces.  It never waits: of a FIFO, a reader who is slow is trouble.

    Args:
        options: what to record in which file, created with mode 0600.
        server: what the user calls the server, for the name of the file.
        title: asked for what is recorded when the recording begins.
        on_trouble: told once, in one sentence, when the recording had to end.

    Raises:
        UsageError: the file cannot be written, or must not be.
    """

    def __init__(
        self,
        options: RecordingOptions,
        server: str,
        title: Callable[[], str],
        on_trouble: Callable[[str], None],
    ) -> None:
        path = named(options.name, server)
        super().__init__(path, "recording", "--record", overwrite=options.overwrite)
        assert self._fd is not None
        if os.fstat(self._fd).st_size:
            os.close(self._fd)
            raise UsageError(
                f"the recording {path} is there already",
                "--overwrite starts it afresh",
            )
        self._title = title
        self._on_trouble = on_trouble
        self._with_input = options.with_input
        self._encoder = asciicast.Encoder()
        self._size = _SIZE
        self._started: float | None = None  # on trio's clock
        self._length = 0

    def output(self, data: bytes) -> None:
        """Bytes are about to be shown."""
        self._write(self._encoder.output(self._now(), data))

    def input(self, data: bytes) -> None:
        """Bytes are about to be sent to the guest."""
        if self._with_input:
            self._write(self._encoder.input(self._now(), data))

    def mark(self, label: str) -> None:
        """Something happened that a player may jump to."""
        label = printable(mask_tokens(label))
        self._write(self._encoder.marker(self._now(), label))

    def resize(self, size: os.terminal_size) -> None:
        """The terminal has this size; both 0 where there is none."""
        if 0 in size or size == self._size:
            return
        self._size = size
        if self._started is not None:
            self._write(self._encoder.resize(self._now(), size.columns, size.lines))

    def end(self) -> None:
        """Nothing more happens."""
        if self._started is not None:
            self._write(self._encoder.end(self._now()))
        self.close(self._on_trouble)

    def _now(self) -> float:
        """Seconds since the beginning, which may be now."""
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
            while written < len(line):  # a disk that fills up takes a part of it first
                written += os.write(self._fd, line[written:])
        except OSError as exc:
            with suppress(OSError):  # which FIFOs and devices do not know
                os.ftruncate(self._fd, self._length)  # half a line is no JSON
            self._give_up(exc, self._on_trouble)
        else:
            self._length += written


@contextmanager
def open_recording(
    options: RecordingOptions | None,
    title: Callable[[], str],
    on_trouble: Callable[[str], None],
) -> Iterator[Recording | None]:
    """Open the recording, if the user wants one, and end it on leaving.

    Args:
        options: what the user asked for.
        title: asked for the server's name now, and when the recording begins.
        on_trouble: told once, in one sentence, when the recording had to end.

    Raises:
        UsageError: it cannot be written, or already exists.
    """
    if options is None:
        yield None
        return
    recording = Recording(options, title(), title, on_trouble)
    try:
        yield recording
    finally:
        recording.end()
