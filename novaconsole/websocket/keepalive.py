"""Pings: they keep an idle connection open, and detect a dead one.

A peer that leaves two pings in a row unanswered is lost.  Any byte it sends counts as a
sign of life, and any byte it takes: a slow guest may need long for a large paste.

Two kinds of silence are our own and do not count: an interval in which we did not read,
because our screen was stuck, and the time in which this program was suspended (each
interval is measured while it runs).
"""

from typing import Protocol

import trio

from novaconsole.errors import ConnectionLost, in_words

_UNANSWERED_PINGS = 2
_FIRST_PING_SECONDS = 1.0  # soon, so that the round trip time is known


class Pinged(Protocol):
    """What `keep_alive` needs of a connection.

    Attributes:
        bytes_out: payload that the peer has taken.
        is_reading: whether our side is waiting for bytes.
    """

    is_reading: bool
    bytes_out: int

    @property
    def bytes_received(self) -> int:
        """Bytes from the network, control frames included."""

    async def ping(self) -> None:
        """Ping, and wait for the pong."""

    async def abort(self, reason: str) -> None:
        """Close the connection without a closing handshake."""


async def keep_alive(connection: Pinged, interval: float) -> None:
    """Ping every `interval` seconds; abort the connection when the peer is lost.

    Args:
        connection: to be pinged.
        interval: seconds.
    """
    unanswered = 0
    pause = min(_FIRST_PING_SECONDS, interval)
    async with trio.open_nursery() as pings:
        while unanswered < _UNANSWERED_PINGS:
            await trio.sleep(pause)
            started = trio.current_time()
            before = (connection.bytes_received, connection.bytes_out)
            answered = trio.Event()
            # A task of its own: a ping that is cancelled while it is being sent would
            # leave half a frame behind.
            pings.start_soon(_ping, connection, answered, pings.cancel_scope)
            with trio.move_on_after(interval):
                await answered.wait()
            pause = max(0, started + interval - trio.current_time())
            moved = before != (connection.bytes_received, connection.bytes_out)
            silent = not (answered.is_set() or moved) and connection.is_reading
            unanswered = unanswered + 1 if silent else 0
        seconds = _UNANSWERED_PINGS * interval
        await connection.abort(f"no answer to pings for {in_words(seconds)}")
        pings.cancel_scope.cancel(reason="the peer is lost")


async def _ping(
    connection: Pinged, answered: trio.Event, keepalive: trio.CancelScope
) -> None:
    try:
        await connection.ping()
    except ConnectionLost:
        keepalive.cancel(reason="the connection is closed")
    else:
        answered.set()
