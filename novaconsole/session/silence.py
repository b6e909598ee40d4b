"""An attached console that prints nothing: one line that says why that may be.

A second client of one console is accepted and then receives nothing, because qemu
serves one at a time; what it types is kept, and is run in the guest when the first
client has left.  Neither qemu nor the proxy reports this.
"""

from contextlib import suppress

import trio

from novaconsole.console.source import ConsoleSource
from novaconsole.errors import NO_ANSWER_HINT, ConnectionLost, NovaConsoleError
from novaconsole.session.state import Attachment, Session
from novaconsole.websocket.connection import Connection

_AFTER_ENTER_SECONDS = 4.0
_ANSWER_SECONDS = 10.0
SILENT = (
    f"no output, although the connection is alive: {NO_ANSWER_HINT}; what you type now "
    "may be run there later"
)
PROXY_SILENT = (
    "the proxy has not answered: the server's compute host may be down, which the "
    "proxy finds out within a minute"
)


class SilenceExplainer:
    """Says once in a session why no output comes.

    Args:
        session: that it is part of.
        source: may know the server's state.
    """

    def __init__(self, session: Session, source: ConsoleSource) -> None:
        self._session = session
        self._source = source
        self._has_explained = False

    async def watch(self, attachment: Attachment) -> None:
        """Explain it if nothing has come some seconds after Enter."""
        await attachment.enter_typed.wait()
        await trio.sleep(_AFTER_ENTER_SECONDS)
        if self._has_explained:
            return
        reason = await self._find_reason(attachment.connection)
        if reason is not None and not attachment.output_came.is_set():
            self._has_explained = True
            self._session.notices.say(reason)

    async def _find_reason(self, connection: Connection) -> str | None:
        if connection.bytes_in:
            return None
        answered = False
        with trio.move_on_after(_ANSWER_SECONDS):
            try:
                await connection.ping()
            except ConnectionLost:
                return None
            answered = True
        with suppress(NovaConsoleError):
            server = await self._source.server()
            if server is not None and server.hint is not None:
                state = f"server {server.name!r} is {server.state}"
                return f"no output, because {state}: {server.hint}"
        return SILENT if answered else PROXY_SILENT
