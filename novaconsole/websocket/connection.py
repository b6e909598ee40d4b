"""The websocket: bytes both ways, pings, and how it ended.

The only module that touches trio_websocket (and wsproto's exceptions, which it lets
through).  Its background task runs in a nursery of its own, and what goes wrong there
becomes a value, `Link.closed`: no exception group comes out of a link.

What is worked around, all in trio-websocket 0.12: its connect timeout does not end the
background task; a ping that arrives while we close raises LocalProtocolError there
(trio-websocket#184); aclose() after the other side's close leaves the socket open.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import h11
import trio
import trio_websocket
import wsproto.utilities
from trio_websocket import WebSocketConnection

from novaconsole.errors import ConnectionLost, HandshakeFailed
from novaconsole.network.target import Target
from novaconsole.websocket.close import CloseReason
from novaconsole.websocket.handshake import ResponseHead, invalid_upgrade
from novaconsole.websocket.keepalive import keep_alive
from novaconsole.websocket.stream import MonitoredStream

SUBPROTOCOLS = ("binary",)  # all that nova-serialproxy has known since websockify 0.9

_READ_BYTES = 64 * 1024
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024  # the proxy sends 64 KiB at most
_MAX_FRAME_BYTES = 8 * 1024  # so that a slow guest is seen to take something
# What waits here is shown after Ctrl-C, and is memory of a screen that is stuck.
_QUEUED_MESSAGES = 1
_PROTOCOL_BROKEN = "the other side broke the websocket protocol"
_ABNORMAL = 1006  # RFC 6455: no close frame came

_log = logging.getLogger(__name__)

Upgrade = Callable[[trio.Nursery], Awaitable[WebSocketConnection]]


class Connection:
    """An open websocket.

    Attributes:
        title: what it leads to, for messages.
        opened_at: trio's clock when the upgrade was done, in seconds.
        bytes_in: payload received.
        bytes_out: payload sent.
        is_awaited: whether our own side is waiting for bytes, as it should be.
        round_trip: seconds that the latest ping took, None before there was one.
        close_timeout: seconds that the goodbye may take.
    """

    def __init__(
        self, websocket: WebSocketConnection, monitored: MonitoredStream, title: str
    ) -> None:
        self._websocket = websocket
        self._wire = monitored
        self._closed: CloseReason | None = None
        self.is_awaited = False
        self._goodbye = trio.CancelScope()
        self.title = title
        self.opened_at = trio.current_time()
        self.bytes_in = self.bytes_out = 0
        self.round_trip: float | None = None
        self.close_timeout = 2.0

    @property
    def closed(self) -> CloseReason | None:
        """How it ended; None while it is open."""
        if self._closed is None and (reason := self._websocket.closed) is not None:
            if reason.code != _ABNORMAL:
                self._closed = CloseReason(reason.code, reason.reason or "")
            elif self._wire.given_up:
                self._closed = CloseReason(None, _PROTOCOL_BROKEN)
            else:
                self._closed = CloseReason(None)
        return self._closed

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes of the guest; after the last, `closed` says why."""
        self.is_awaited = True
        try:
            message = await self._websocket.get_message()
        except trio_websocket.ConnectionClosed:
            if self.closed is None:
                self._closed = CloseReason(None, _PROTOCOL_BROKEN)
            raise StopAsyncIteration from None
        finally:
            self.is_awaited = False
        data = message.encode() if isinstance(message, str) else message
        self.bytes_in += len(data)
        return data

    async def send(self, data: bytes) -> None:
        """Send bytes to the guest, in binary frames.

        Raises:
            ConnectionLost: the websocket is closed.
        """
        for start in range(0, len(data), _MAX_FRAME_BYTES):
            piece = data[start : start + _MAX_FRAME_BYTES]
            try:
                await self._websocket.send_message(piece)
            except (
                trio_websocket.ConnectionClosed,
                wsproto.utilities.LocalProtocolError,
            ) as exc:
                raise ConnectionLost(
                    f"the connection to {self.title} is closed"
                ) from exc
            self.bytes_out += len(piece)

    async def ping(self) -> None:
        """Ping, and wait for the answer.

        Raises:
            ConnectionLost: the websocket is closed.
        """
        started = trio.current_time()
        try:
            await self._websocket.ping()
        except (
            trio_websocket.ConnectionClosed,
            wsproto.utilities.LocalProtocolError,  # the goodbye has been said
        ) as exc:
            raise ConnectionLost(f"the connection to {self.title} is closed") from exc
        self.round_trip = trio.current_time() - started
        self._wire.note_round_trip(self.round_trip)

    @property
    def bytes_received(self) -> int:
        """On the wire, answers to pings included."""
        return self._wire.bytes_received

    def note_shown(self, size: int, started: float) -> None:
        """The screen has taken bytes: what is on its way may have to be bounded.

        Args:
            size: how many.
            started: on trio's clock, when the screen was given them.
        """
        self._wire.note_shown(size, started)

    async def lose(self, reason: str) -> None:
        """Close the socket, for the other side is gone."""
        if self.closed is None:
            self._closed = CloseReason(None, reason)
        await self._wire.disconnect()

    async def aclose(self, reason: str | None = None) -> None:
        """Say goodbye, for `close_timeout` seconds at most."""
        with trio.move_on_after(self.close_timeout, shield=True) as self._goodbye:
            try:
                await self._websocket.aclose(reason=reason)
            except wsproto.utilities.LocalProtocolError:
                _log.debug("goodbye overtaken by the other side's")

    def nobody_listens(self) -> None:
        """The background task has ended: no answer to our goodbye will be seen."""
        self._goodbye.cancel(reason="no answer can come")


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
        stream: connected to the target, with TLS where it wants that.
        target: what to ask for.
        deadline: on trio's clock, for the upgrade.
        subprotocols: to offer; none for an empty sequence.
        headers: to send with the request.
        keepalive: seconds between pings; 0 for none.
        limit_inflow: told how many bytes the stream's receive buffer may hold, None
            for as many as the kernel likes.

    Raises:
        HandshakeFailed: the server did not agree to the upgrade in time.
    """
    head = ResponseHead(lambda status: _log.debug("answer: %s", status))
    monitored = MonitoredStream(stream, head, limit_inflow)

    async def upgrade(nursery: trio.Nursery) -> WebSocketConnection:
        return await trio_websocket.wrap_client_stream(
            nursery,
            monitored,  # type: ignore[arg-type]  # takes any stream, says the docstring
            target.host_header,
            target.resource,
            subprotocols=subprotocols,
            extra_headers=list(headers),
            message_queue_size=_QUEUED_MESSAGES,
            max_message_size=_MAX_MESSAGE_BYTES,
            receive_buffer_size=_READ_BYTES,
        )

    async with running_connection(monitored, upgrade, target.title, deadline) as (
        nursery,
        connection,
    ):
        if keepalive:
            nursery.start_soon(keep_alive, connection, keepalive)
        yield connection


@asynccontextmanager
async def running_connection(
    monitored: MonitoredStream,
    upgrade: Upgrade,
    title: str,
    deadline: float,
) -> AsyncIterator[tuple[trio.Nursery, Connection]]:
    """Run a websocket in a nursery of its own; the nursery and the open connection.

    Args:
        monitored: the stream below.
        upgrade: agrees with the other side on a websocket, in the nursery it is given.
        title: what the connection leads to, for messages.
        deadline: on trio's clock, for the upgrade.

    Raises:
        HandshakeFailed: there was no agreement in time.
    """
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        try:
            connection, background = await _start(
                nursery, monitored, upgrade, title, deadline
            )
            try:
                yield nursery, connection
            finally:
                await connection.aclose()
                background.cancel(reason="the link is closed")
        except trio.Cancelled:
            raise
        except BaseException as exc:  # noqa: BLE001 # raised below
            failure = exc  # outside the nursery it does not come in a group
        finally:
            await monitored.disconnect()
        nursery.cancel_scope.cancel(reason="the link is closed")
    if failure is not None:
        raise failure


async def _start(
    nursery: trio.Nursery,
    monitored: MonitoredStream,
    upgrade: Upgrade,
    title: str,
    deadline: float,
) -> tuple[Connection, trio.CancelScope]:
    try:
        with trio.fail_at(deadline):
            connection, background = await nursery.start(
                _run_websocket, monitored, upgrade, title
            )
            return connection, background
    except trio.TooSlowError:
        raise HandshakeFailed(
            f"{title} did not answer the websocket upgrade in time",
            "the address may lead to another service; --connect-timeout waits longer",
        ) from None


async def _run_websocket(
    monitored: MonitoredStream,
    upgrade: Upgrade,
    title: str,
    *,
    task_status: trio.TaskStatus[tuple[Connection, trio.CancelScope]],
) -> None:
    """Run trio-websocket's background task; its errors end the link and no more."""
    scope = trio.CancelScope()
    connection = None
    try:
        with scope:
            async with trio.open_nursery() as nursery:
                connection = Connection(await upgrade(nursery), monitored, title)
                monitored.opened()
                # Whoever cancels the link's user must not cancel this task, without
                # which nobody sees the answer to our goodbye.  The link's end does.
                scope.shield = True
                task_status.started((connection, scope))
    except* (wsproto.utilities.ProtocolError, h11.ProtocolError) as group:
        _log.debug("websocket protocol error: %s", group.exceptions[0])
        if connection is None:
            raise invalid_upgrade() from group
    except* HandshakeFailed as group:
        raise group.exceptions[0] from None
    finally:
        if connection is not None:
            connection.nobody_listens()
