"""The server's end of a websocket, for the demo and for tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio
import trio_websocket
from trio_websocket import WebSocketConnection

from novaconsole.websocket.connection import (
    SUBPROTOCOLS,
    Connection,
    running_connection,
)
from novaconsole.websocket.stream import MonitoredStream


@asynccontextmanager
async def accept_connection(
    stream: trio.abc.Stream, allows: Callable[[str], bool], *, deadline: float
) -> AsyncIterator[Connection | None]:
    """Upgrade a stream to a websocket, as a server; close both on leaving.

    Args:
        stream: leads to a client that has just connected.
        allows: called with path and query of the request.
        deadline: on trio's clock, for the upgrade.

    Yields:
        The connection, or None if the request is not allowed.  As with
        nova-serialproxy, the client notices that after the upgrade, when the
        connection ends without a close frame.

    Raises:
        HandshakeFailed: the client did not ask for a websocket in time.
    """
    monitored_stream = MonitoredStream(stream)
    path = ""

    async def upgrade(nursery: trio.Nursery) -> WebSocketConnection:
        nonlocal path
        request = await trio_websocket.wrap_server_stream(nursery, monitored_stream)
        path = request.path
        offered = [
            name for name in SUBPROTOCOLS if name in request.proposed_subprotocols
        ]
        return await request.accept(subprotocol=offered[0] if offered else None)

    async with running_connection(monitored_stream, upgrade, "a client", deadline) as (
        _,
        connection,
    ):
        if allows(path):
            yield connection
        else:
            await monitored_stream.disconnect()
            yield None
