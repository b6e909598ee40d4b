"""The client's end of a websocket: the upgrade, on a stream that leads to a console."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import trio
import trio_websocket
from trio_websocket import WebSocketConnection

from novaconsole.errors import UsageError
from novaconsole.network.target import Target
from novaconsole.websocket.connection import (
    SUBPROTOCOLS,
    Connection,
    running_connection,
)
from novaconsole.websocket.handshake import ResponseHead, names_origin, split_host
from novaconsole.websocket.keepalive import keep_alive
from novaconsole.websocket.stream import MonitoredStream

_READ_BYTES = 64 * 1024
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024  # the proxy sends 64 KiB at most
# What is queued is still shown after Ctrl-C, and takes memory if the screen is stuck.
_QUEUED_MESSAGES = 1

_log = logging.getLogger(__name__)


@asynccontextmanager
async def open_connection(
    stream: trio.abc.Stream,
    target: Target,
    *,
    deadline: float,
    subprotocols: Sequence[str] = SUBPROTOCOLS,
    headers: Sequence[tuple[bytes, bytes]] = (),
    keepalive: float = 0,
    limit_inflow: Callable[[int | None], None] = lambda _: None,
) -> AsyncIterator[Connection]:
    """Upgrade a stream to a websocket, as a client; close both on leaving.

    Args:
        stream: connected to the target, with TLS if the target is secure.
        target: the resource to request.
        deadline: on trio's clock, for the upgrade.
        subprotocols: to offer; an empty sequence offers none.
        headers: to send with the request; a Host replaces the target's.
        keepalive: seconds between pings; 0 sends none.
        limit_inflow: called with the number of bytes that the receive buffer of the
            stream may hold, or None to leave that to the kernel.

    Raises:
        HandshakeFailed: the server did not agree to the upgrade in time.
        UsageError: the upgrade cannot be made with these headers.
    """
    has_origin = names_origin(headers)
    try:
        host, headers = split_host(headers)
    except UsageError:
        await trio.aclose_forcefully(stream)
        raise
    head = ResponseHead(
        lambda status: _log.debug("response: %s", status), names_origin=has_origin
    )
    monitored_stream = MonitoredStream(stream, head, limit_inflow)

    async def upgrade(nursery: trio.Nursery) -> WebSocketConnection:
        return await trio_websocket.wrap_client_stream(
            nursery,
            monitored_stream,  # type: ignore[arg-type]  # documented to take any stream
            host or target.host_header,
            target.resource,
            subprotocols=subprotocols,
            extra_headers=list(headers),
            message_queue_size=_QUEUED_MESSAGES,
            max_message_size=_MAX_MESSAGE_BYTES,
            receive_buffer_size=_READ_BYTES,
        )

    async with running_connection(
        monitored_stream, upgrade, target.title, deadline
    ) as (nursery, connection):
        if has_origin:
            connection.note_origin()
        if keepalive:
            nursery.start_soon(keep_alive, connection, keepalive)
        yield connection
