"""Pings: they keep idle connections open on the way, and find the dead ones.

A peer that leaves two pings unanswered is lost.  Bytes of any kind count as life, those
too that it took from us: a slow guest may take long over a large paste.  An interval in
which our own side did not read, for its screen was stuck, does not count.  Nor does the
time while this program was suspended: every interval is one of its running.
"""

from typing import Protocol

import trio

from novaconsole.errors import ConnectionLost

_UNANSWERED_PINGS = 2
_FIRST_PING_SECONDS = 1.0  # so that the round trip is soon known


class Pinged(Protocol):
    """What can be pinged.

    Attributes:
        bytes_received: on the wire.
        bytes_out: that it took.
        is_awaited: whether our own side is waiting for bytes.
    """

    is_awaited: bool
    bytes_out: int

    @property
    def bytes_received(self) -> int: ...  # noqa: D102 # above

    async def ping(self) -> None:
        """Ping, and wait for the answer."""

    async def lose(self, reason: str) -> None:
        """Give it up."""


async def keep_alive(connection: Pinged, interval: float) -> None:
    """Ping every `interval` seconds; give the link up when nobody answers.

    Args:
        connection: to be pinged.
        interval: seconds.
    """
    unanswered = 0
    pause = min(_FIRST_PING_SECONDS, interval)
    async with trio.open_nursery() as pings:
        while unanswered < _UNANSWERED_PINGS:
            await trio.sleep(pause)
            started, before = (
                trio.current_time(),
                (connection.bytes_received, connection.bytes_out),
            )
            answered = trio.Event()
            # A task of its own: cancelled in the middle of sending, it would leave half
            # a frame behind.
            pings.start_soon(_ping, connection, answered, pings.cancel_scope)
            with trio.move_on_after(interval):
                await answered.wait()
            pause = max(0, started + interval - trio.current_time())
            moved = before != (connection.bytes_received, connection.bytes_out)
            silent = not (answered.is_set() or moved) and connection.is_awaited
            unanswered = unanswered + 1 if silent else 0
        seconds = _UNANSWERED_PINGS * interval
        await connection.lose(f"no answer to pings for {seconds:g} seconds")
        pings.cancel_scope.cancel(reason="the link is lost")


async def _ping(
    connection: Pinged, answered: trio.Event, all_of_this: trio.CancelScope
) -> None:
    try:
        await connection.ping()
    except ConnectionLost:
        all_of_this.cancel(reason="the link is closed")
    else:
        answered.set()
