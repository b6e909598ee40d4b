"""An attached console that says nothing: the one line that tells why that may be.

A second client of one console is accepted and then hears nothing, for qemu serves one
at a time; what it types is kept and run in the guest when the first has left.  Nobody
on the way tells it so.
"""

from contextlib import suppress

import trio

from novaconsole.errors import ConnectionLost, NovaConsoleError
from novaconsole.session.attachment import Attachment
from novaconsole.session.state import Session
from novaconsole.websocket.connection import Connection

_AFTER_ENTER_SECONDS = 4.0
_ANSWER_SECONDS = 10.0
SILENT = (
    "no output, though the connection is alive: nothing listens on ttyS0 in the guest, "
    "or another client holds the console; what you type now may be run there later"
)
PROXY_SILENT = (
    "the proxy has not answered: the server's compute host may be down, which it finds "
    "out within a minute"
)


async def explain_silence(session: Session, attachment: Attachment) -> None:
    """Say why nothing comes, once, if nothing came after Enter."""
    await attachment.enter_typed.wait()
    await trio.sleep(_AFTER_ENTER_SECONDS)
    if session.silence_explained:
        return
    words = await _find_reason(session, attachment.connection)
    if words is not None and not attachment.output_came.is_set():
        session.silence_explained = True
        session.notices.say(words)


async def _find_reason(session: Session, connection: Connection) -> str | None:
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
        server = await session.options.source.server()
        if server is not None and server.hint is not None:
            return f"no output: server {server.name!r} is {server.state}: {server.hint}"
    return SILENT if answered else PROXY_SILENT
