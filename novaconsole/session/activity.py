"""When output was last shown: what a session waits for after piped input has ended."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class OutputActivity:
    """Knows whether output is being shown, and since when none is."""

    def __init__(self) -> None:
        self._busy = 0
        self._idle = trio.Event()
        self._idle.set()
        self._quiet_since = trio.current_time()

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Output is on its way to the screen while this is entered."""
        self._busy += 1
        if self._busy == 1:
            self._idle = trio.Event()
        try:
            yield
        finally:
            self._busy -= 1
            self._quiet_since = trio.current_time()
            if not self._busy:
                self._idle.set()

    async def wait_quiet(self, seconds: float) -> None:
        """Wait until no output has been shown for so long, counted from now on."""
        started = trio.current_time()
        while True:
            await self._idle.wait()
            over = max(self._quiet_since, started) + seconds
            if trio.current_time() >= over:
                return
            await trio.sleep_until(over)
