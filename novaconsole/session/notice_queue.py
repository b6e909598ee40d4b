"""Messages during a session: queued, and written between the guest's bytes.

The terminal may accept nothing for a while, and whoever says something must not wait
for it, least of all the task that reads the keyboard.  Libraries log from the thread
that asks the cloud, so a line may also come from another thread.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio

from novaconsole.terminal.notices import Notices
from novaconsole.terminal.stdio import OutputStream

_CAPACITY = 256  # lines; more are dropped while the terminal accepts nothing
_BELL = "\a"


class NoticeQueue:
    """Takes the lines that `notices` has to show, for one stream.

    Args:
        notices: whose lines are taken over while `open` is entered.
        stream: where they are written.
    """

    def __init__(self, notices: Notices, stream: OutputStream) -> None:
        self._notices = notices
        self._stream = stream
        self._thread = threading.get_ident()
        self._trio_token = trio.lowlevel.current_trio_token()
        self._unshown = ""  # the line that is being written, and may be cut off
        self._added = self._shown = 0
        self._progress = trio.Event()
        self._put, self._lines = trio.open_memory_channel[str](_CAPACITY)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Queue lines while this is entered; then write those that are left at once."""
        self._notices.hand_to(self._add, self._flush)
        try:
            yield
        finally:
            self._notices.write_directly(inside_a_line=self._stream.inside_line)
            line = self._unshown
            with suppress(trio.WouldBlock):
                while True:
                    if line not in ("", _BELL):
                        self._notices.repeat(line)
                    line = self._lines.receive_nowait()

    async def show(self) -> None:
        """Write the lines as they come, until cancelled."""
        async for line in self._lines:
            self._unshown = line
            bell = self._stream.bell()
            text = bell if line == _BELL else self._stream.notice(line)
            with suppress(OSError):  # the reader has gone
                await self._stream.send_all(text.encode(errors="replace"))
            self._unshown = ""
            self._shown += 1
            self._progress.set()
            self._progress = trio.Event()

    async def _flush(self) -> None:
        """Wait until the lines that have been added are shown."""
        wanted = self._added
        while self._shown < wanted:
            await self._progress.wait()

    def bell(self) -> None:
        """Tell the user that a key goes nowhere."""
        if self._stream.bell():
            self._add_here(_BELL)

    def _add(self, line: str) -> None:
        if threading.get_ident() == self._thread:
            self._add_here(line)
            return
        with suppress(trio.RunFinishedError):
            self._trio_token.run_sync_soon(self._add_here, line)

    def _add_here(self, line: str) -> None:
        with suppress(trio.WouldBlock):
            self._put.send_nowait(line)
            self._added += 1
