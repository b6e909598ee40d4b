"""`--history`: the console log first, joined to the live stream without a gap.

The log is fetched while the connection is already open and live bytes are kept back,
so that the two overlap; `cloud/console_log.py` finds out where.  To know that the live
bytes have come as far as the log goes, the proxy is pinged after the log has come: what
was sent before the answer has arrived by then.
"""

from collections.abc import Awaitable, Callable

import trio

from novaconsole.cloud.console_log import SeenOutput, for_screen, last_lines
from novaconsole.console.source import ConsoleSource
from novaconsole.errors import ConnectionLost, NovaConsoleError
from novaconsole.websocket.connection import Connection

_FETCH_SECONDS = 10.0
# A hard reboot starts the log afresh: nothing that was seen is in it, all of it is new.
_ALL_LINES = 1_000_000
# What has arrived with the answer to a ping needs this long to be picked up.
_PICK_UP_SECONDS = 0.05


class HistoryReplay:
    """Shows the console log first, and after an outage what was missed.

    Args:
        lines: of the console log to show at the start.
        source: has the console log.
    """

    def __init__(self, lines: int, source: ConsoleSource) -> None:
        self._lines = lines
        self._source = source
        self._seen = SeenOutput()
        self._has_begun = False

    async def write(self, data: bytes) -> None:
        """Remember output that has been shown."""
        self._seen.add(data)

    async def join(
        self,
        connection: Connection,
        log: Callable[[bytes], Awaitable[None]],
        say: Callable[[str], None],
    ) -> bytes:
        """Fetch the log, and find out how the live stream continues it.

        Args:
            connection: just opened.
            log: given the live bytes as they come.
            say: told why there is no history.

        Returns:
            What to show before the rest of the stream.
        """
        live = bytearray()
        text: str | None = None
        reading = trio.CancelScope()
        has_all = False
        async with trio.open_nursery() as both:

            async def fetch() -> None:
                nonlocal text, has_all
                text = await self._fetch(say)
                with trio.move_on_after(_FETCH_SECONDS):
                    try:
                        await connection.ping()
                    except ConnectionLost:
                        return  # the reading below ends by itself
                await trio.sleep(_PICK_UP_SECONDS)
                has_all = True
                reading.cancel(reason="fetched")

            both.start_soon(fetch)
            while not has_all:
                data: bytes | None = b""
                with trio.CancelScope() as reading:  # without the log: it is never cut
                    data = await anext(connection, None)
                if data is None:
                    break
                live += data
                await log(data)
        if text is None:
            self._has_begun = True
            self._seen.resume("", bytes(live), self._lines)
            return bytes(live)
        if not self._has_begun:
            self._has_begun = True
            joined = self._seen.begin(text, bytes(live), self._lines)
            return for_screen(joined.text) + joined.rest
        gap = self._seen.resume(text, bytes(live), _ALL_LINES)
        if not gap.complete:
            say("some output may be missing here, or be shown twice")
        return for_screen(gap.text) + bytes(live)

    async def alone(self) -> bytes:
        """The log of a server that cannot be attached to; empty if there is none."""
        with trio.move_on_after(_FETCH_SECONDS):
            try:
                text = await self._source.console_log()
            except NovaConsoleError:
                return b""  # the user needs the reason for not being attached
            shown = for_screen(last_lines(text, self._lines))
            return shown if shown.endswith(b"\n") or not shown else shown + b"\r\n"
        return b""

    async def _fetch(self, say: Callable[[str], None]) -> str | None:
        with trio.move_on_after(_FETCH_SECONDS):
            try:
                text = await self._source.console_log()
            except NovaConsoleError as exc:
                say(f"no history: {exc}")
                return None
            if not text:
                say("no history: the console log is empty")
            return text or None
        say("no history: the cloud takes too long")
        return None
