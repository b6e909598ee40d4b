"""TCP as a console wants it; over real sockets."""

import socket
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from novaconsole.network.tcp import ReceiveDecides
from support.sockets import reset_when_closed

Pair = tuple[ReceiveDecides, socket.socket]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """Our end of a connection, and the other side's socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = await trio.open_tcp_stream(*listener.getsockname())
        other, _ = listener.accept()
        with other:
            yield ReceiveDecides(stream), other
            await stream.aclose()


async def test_what_arrived_is_received(pair: Pair) -> None:
    ours, other = pair
    other.sendall(b"hello")
    assert await ours.receive_some(4) == b"hell"
    assert await ours.receive_some() == b"o"


async def test_what_arrives_is_waited_for(pair: Pair) -> None:
    ours, other = pair
    received = []

    async def receive() -> None:
        received.append(await ours.receive_some())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        assert not received
        other.sendall(b"hello")
    assert received == [b"hello"]


async def test_the_end_is_empty(pair: Pair) -> None:
    ours, other = pair
    other.shutdown(socket.SHUT_WR)
    assert await ours.receive_some() == b""
    assert await ours.receive_some() == b""


async def test_a_reset_is_an_error(pair: Pair) -> None:
    ours, other = pair
    reset_when_closed(other)
    other.close()
    with pytest.raises(trio.BrokenResourceError, match="Connection reset"):
        await ours.receive_some()


async def test_who_closes_it_wakes_who_waits(pair: Pair) -> None:
    ours, _ = pair
    async with trio.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await ours.receive_some()

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        await ours.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await ours.receive_some()


async def test_who_is_cancelled_loses_no_byte(pair: Pair) -> None:
    ours, other = pair
    other.sendall(b"hello")
    with trio.CancelScope() as scope:
        scope.cancel()
        await ours.receive_some()
    assert scope.cancelled_caught
    assert await ours.receive_some() == b"hello"


async def test_a_flood_lets_others_have_their_turn(pair: Pair) -> None:
    ours, other = pair
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    other.sendall(bytes(1000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(count_turns)
        for _ in range(1000):
            await ours.receive_some(1)
        nursery.cancel_scope.cancel()
    assert turns > 500
