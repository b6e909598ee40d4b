"""An open websocket: bytes both ways, pings, and how it ended.

This module and its two front ends, `client.py` and `server.py`, are the only ones that
touch trio_websocket (and the exceptions of wsproto and h11 that it lets through).

trio-websocket reads frames in a background task.  It runs in a nursery of its own here,
and an error in it becomes a value, `Connection.close_reason`: no exception group leaves
this module.

Workarounds for trio-websocket 0.12:

- Its connect timeout does not end the background task, so ours cancels the nursery.
- A ping that arrives during the closing handshake raises LocalProtocolError in the
  background task (trio-websocket#184).
- After the other side has closed, `aclose()` leaves the socket open.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import h11
import trio
import trio_websocket
import wsproto.utilities
from trio_websocket import WebSocketConnection

from novaconsole.errors import ConnectionLost, HandshakeFailed
from novaconsole.websocket.close import CloseReason
from novaconsole.websocket.handshake import invalid_upgrade
from novaconsole.websocket.stream import MonitoredStream

SUBPROTOCOLS = ("binary",)  # the only one of nova-serialproxy since websockify 0.9

_CLOSE_SECONDS = 2.0
_MAX_FRAME_BYTES = 8 * 1024  # so that a slow guest is seen to take something
_PROTOCOL_BROKEN = "the other side broke the websocket protocol"
_ABNORMAL = 1006  # RFC 6455: no close frame came

_log = logging.getLogger(__name__)

Upgrade = Callable[[trio.Nursery], Awaitable[WebSocketConnection]]


class Connection:
    """An open websocket.

    Attributes:
        title: what it leads to, for messages.
        opened_at: when the upgrade was finished, on trio's clock.
        bytes_in: payload received.
        bytes_out: payload sent.
        is_reading: whether our side is waiting for bytes.
        round_trip: seconds that the latest ping took, or None before the first pong.
        closed_here: whether we have closed it, while it was open.
    """

    def __init__(
        self, websocket: WebSocketConnection, stream: MonitoredStream, title: str
    ) -> None:
        self._websocket = websocket
        self._stream = stream
        self._close_reason: CloseReason | None = None
        self._close_seconds = _CLOSE_SECONDS
        self._closing_handshake = trio.CancelScope()
        self.is_reading = False
        self.title = title
        self.opened_at = trio.current_time()
        self.bytes_in = self.bytes_out = 0
        self.closed_here = False
        self.round_trip: float | None = None
        self._names_origin = False
        self._located_at: float | None = None

    @property
    def names_origin(self) -> bool:
        """Whether the upgrade had a Host or Origin that the user chose."""
        return self._names_origin

    def note_origin(self) -> None:
        """The upgrade had a Host or Origin that the user chose."""
        self._names_origin = True

    @property
    def located_at(self) -> float | None:
        """When its URL was known, on trio's clock, or None if that was not noted."""
        return self._located_at

    def note_located(self, when: float) -> None:
        """Its URL was known at this time of trio's clock."""
        self._located_at = when

    @property
    def close_reason(self) -> CloseReason | None:
        """How it ended, or None while it is open."""
        if self._close_reason is None:
            reason = self._websocket.closed
            if reason is None:
                return None
            if reason.code != _ABNORMAL:
                self._close_reason = CloseReason(reason.code, reason.reason or "")
            elif self._stream.closed_by_library:
                self._close_reason = CloseReason(None, _PROTOCOL_BROKEN)
            else:
                self._close_reason = CloseReason(None)
        return self._close_reason

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Receive some bytes; after the last of them, `close_reason` is set."""
        self.is_reading = True
        try:
            message = await self._websocket.get_message()
        except trio_websocket.ConnectionClosed:
            if self.close_reason is None:
                self._close_reason = CloseReason(None, _PROTOCOL_BROKEN)
            raise StopAsyncIteration from None
        finally:
            self.is_reading = False
        data = message.encode() if isinstance(message, str) else message
        self.bytes_in += len(data)
        return data

    async def send(self, data: bytes) -> None:
        """Send bytes, in binary frames.

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
                raise self._lost() from exc
            self.bytes_out += len(piece)

    async def ping(self) -> None:
        """Ping, and wait for the pong.

        Raises:
            ConnectionLost: the websocket is closed.
        """
        started = trio.current_time()
        try:
            await self._websocket.ping()
        except (
            trio_websocket.ConnectionClosed,
            wsproto.utilities.LocalProtocolError,  # our close frame has been sent
        ) as exc:
            raise self._lost() from exc
        self.round_trip = trio.current_time() - started
        self._stream.note_round_trip(self.round_trip)

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(f"the connection to {self.title} is closed")

    @property
    def bytes_received(self) -> int:
        """Bytes from the network, control frames included."""
        return self._stream.bytes_received

    def note_shown(self, size: int, started: float) -> None:
        """Record that the screen has just taken output; the receive buffer may change.

        Args:
            size: bytes of it.
            started: when it was given to the screen, on trio's clock.
        """
        self._stream.note_shown(size, started)

    def limit_close(self, seconds: float) -> None:
        """Set how long the closing handshake may take; by default 2 seconds."""
        self._close_seconds = seconds

    async def abort(self, reason: str) -> None:
        """Close the socket without a closing handshake, because the peer is lost."""
        if self.close_reason is None:
            self._close_reason = CloseReason(None, reason)
        await self._stream.disconnect()

    async def aclose(self, reason: str | None = None) -> None:
        """Send a close frame, and wait for the peer's within the limit."""
        self.closed_here |= self.close_reason is None
        with trio.move_on_after(
            self._close_seconds, shield=True
        ) as self._closing_handshake:
            try:
                await self._websocket.aclose(reason=reason)
            except wsproto.utilities.LocalProtocolError:
                _log.debug("the other side has sent its close frame first")

    def cancel_closing_handshake(self) -> None:
        """Stop waiting for the peer's close frame: no task is left to receive it."""
        self._closing_handshake.cancel(reason="no close frame can be received")


@asynccontextmanager
async def running_connection(
    stream: MonitoredStream, upgrade: Upgrade, title: str, deadline: float
) -> AsyncIterator[tuple[trio.Nursery, Connection]]:
    """Run a websocket in a nursery of its own; gives the nursery and the connection.

    Args:
        stream: leads to the other side; closed on leaving.
        upgrade: negotiates the websocket, in the nursery that it is given.
        title: what the connection leads to, for messages.
        deadline: on trio's clock, for the upgrade.

    Raises:
        HandshakeFailed: the upgrade failed, or was not finished in time.
    """
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        try:
            connection, background = await _start(
                nursery, stream, upgrade, title, deadline
            )
            try:
                yield nursery, connection
            finally:
                await connection.aclose()
                background.cancel(reason="the connection is closed")
        except trio.Cancelled:
            raise
        except BaseException as exc:  # noqa: BLE001 # raised below
            failure = exc  # outside the nursery, so that it is not wrapped in a group
        finally:
            await stream.disconnect()
        nursery.cancel_scope.cancel(reason="the connection is closed")
    if failure is not None:
        raise failure


async def _start(
    nursery: trio.Nursery,
    stream: MonitoredStream,
    upgrade: Upgrade,
    title: str,
    deadline: float,
) -> tuple[Connection, trio.CancelScope]:
    try:
        with trio.fail_at(deadline):
            connection, background = await nursery.start(
                _run_websocket, stream, upgrade, title
            )
            return connection, background
    except trio.TooSlowError:
        raise HandshakeFailed(
            f"{title} did not answer the websocket upgrade in time",
            "check the URL, which may lead to another service; "
            "or allow more time with --connect-timeout",
        ) from None


async def _run_websocket(
    stream: MonitoredStream,
    upgrade: Upgrade,
    title: str,
    *,
    task_status: trio.TaskStatus[tuple[Connection, trio.CancelScope]],
) -> None:
    """Run trio-websocket's background task; its errors only end the connection."""
    scope = trio.CancelScope()
    connection = None
    # Raised at the end: before Python 3.11.4, what is raised inside `except*` becomes a
    # group (gh-103590).
    failure: HandshakeFailed | None = None
    cause: BaseException | None = None
    try:
        with scope:
            async with trio.open_nursery() as nursery:
                connection = Connection(await upgrade(nursery), stream, title)
                stream.mark_open()
                # The background task receives the answer to our close frame, so it has
                # to outlive a cancellation of the connection's user.  It is cancelled
                # through this scope once the connection is closed.
                scope.shield = True
                task_status.started((connection, scope))
    except* (wsproto.utilities.ProtocolError, h11.ProtocolError) as group:
        _log.debug("websocket protocol error: %s", group.exceptions[0])
        if connection is None:
            failure, cause = invalid_upgrade(), group
    except* HandshakeFailed as group:
        failure = _first(group)
    finally:
        if connection is not None:
            connection.cancel_closing_handshake()
    if failure is not None:
        raise failure from cause


def _first(group: BaseExceptionGroup[HandshakeFailed]) -> HandshakeFailed:
    exc = group.exceptions[0]
    return exc if isinstance(exc, HandshakeFailed) else _first(exc)
