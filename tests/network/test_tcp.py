"""TCP: receiving is prompt, and sending never fails; over real sockets."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing

from novaconsole.console.connect import open_stream
from novaconsole.network.target import TLSOptions
from novaconsole.network.tcp import SilentSendStream
from support.servers import LOOPBACK, Server, nothing_left
from support.sockets import reset_when_closed

Pair = tuple[SilentSendStream, socket.socket]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """Our end of a connection, and the other side's socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = await trio.open_tcp_stream(*listener.getsockname())
        other, _ = listener.accept()
        with other:
            yield SilentSendStream(stream), other
            await stream.aclose()


async def test_bytes_that_have_arrived_are_received(pair: Pair) -> None:
    ours, other = pair
    other.sendall(b"hello")
    assert await ours.receive_some(4) == b"hell"
    assert await ours.receive_some() == b"o"


async def test_receiving_waits_for_bytes(pair: Pair) -> None:
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


async def test_the_end_is_received_as_no_bytes(pair: Pair) -> None:
    ours, other = pair
    other.shutdown(socket.SHUT_WR)
    assert await ours.receive_some() == b""
    assert await ours.receive_some() == b""


async def test_a_reset_is_a_broken_resource_error(pair: Pair) -> None:
    ours, other = pair
    reset_when_closed(other)
    other.close()
    with pytest.raises(trio.BrokenResourceError, match="Connection reset"):
        await ours.receive_some()


async def test_closing_wakes_the_task_that_receives(pair: Pair) -> None:
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


async def test_a_cancelled_receive_loses_no_bytes(pair: Pair) -> None:
    ours, other = pair
    other.sendall(b"hello")
    with trio.CancelScope() as scope:
        scope.cancel()
        await ours.receive_some()
    assert scope.cancelled_caught
    assert await ours.receive_some() == b"hello"


async def test_a_flood_does_not_starve_other_tasks(pair: Pair) -> None:
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


# ---- sending on a broken connection


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[trio.abc.Stream, trio.SocketStream]]:
    """Both ends of a connection, ours as `open_stream` gives it."""
    with nothing_left():
        [listener] = await trio.open_tcp_listeners(0, host=LOOPBACK)
        async with listener:
            server = Server(LOOPBACK, listener.socket.getsockname()[1])
            near = await open_stream(server.target(), TLSOptions())
            far = await listener.accept()
        async with near, far:
            yield near, far


async def reset(stream: trio.SocketStream) -> None:
    reset_when_closed(stream)
    await stream.aclose()


async def test_bytes_that_arrived_before_a_failed_send_can_be_received() -> None:
    async with connected() as (near, far):
        await near.wait_send_all_might_not_block()
        await far.send_all(b"last words")
        await reset(far)
        for _ in range(3):
            await near.send_all(b"typed")
        assert await near.receive_some(4) == b"last"
        assert await near.receive_some() == b" words"
        with suppress(trio.BrokenResourceError):
            assert await near.receive_some() == b""


async def test_only_receiving_reports_a_broken_connection() -> None:
    async with connected() as (near, far):
        await reset(far)
        with pytest.raises(trio.BrokenResourceError):
            await near.receive_some()


async def test_sending_on_a_broken_connection_can_be_cancelled() -> None:
    async with connected() as (near, far):
        await reset(far)
        with trio.move_on_after(0.05) as scope:
            while True:
                await near.send_all(b"x")
        assert scope.cancelled_caught


async def test_sending_on_a_closed_stream_raises_closed_resource_error() -> None:
    async with connected() as (near, far):
        await near.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await near.send_all(b"x")
        assert await far.receive_some() == b""
