"""The stream below the websocket library: it judges the response to the upgrade."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from novaconsole.errors import HandshakeFailed
from novaconsole.websocket.handshake import ResponseHead
from novaconsole.websocket.stream import MonitoredStream
from support.servers import LOOPBACK, nothing_left
from support.sockets import reset_when_closed

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


@asynccontextmanager
async def tcp_pair() -> AsyncIterator[tuple[trio.SocketStream, trio.SocketStream]]:
    """Two ends of a connection over loopback."""
    with nothing_left():
        [listener] = await trio.open_tcp_listeners(0, host=LOOPBACK)
        async with listener:
            port = listener.socket.getsockname()[1]
            near = await trio.open_tcp_stream(LOOPBACK, port)
            far = await listener.accept()
        async with near, far:
            yield near, far


async def reset(stream: trio.SocketStream) -> None:
    reset_when_closed(stream)
    await stream.aclose()


async def read_to_the_end(stream: MonitoredStream) -> bytes:
    received = b""
    while data := await stream.receive_some(7):
        received += data
    return received


async def test_bytes_pass_both_ways_and_are_counted() -> None:
    async with tcp_pair() as (near, far):
        stream = MonitoredStream(near)
        await stream.wait_send_all_might_not_block()
        for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"view")):
            await stream.send_all(data)
            assert await far.receive_some() == bytes(data)
        await far.send_all(bytes(range(256)))
        await far.send_eof()
        assert await read_to_the_end(stream) == bytes(range(256))
        assert stream.bytes_received == 256


async def test_an_accepted_upgrade_passes_unchanged_with_what_follows() -> None:
    async with tcp_pair() as (near, far):
        stream = MonitoredStream(near, ResponseHead())
        await far.send_all(ACCEPTED + b"\x82\x01x")
        await far.send_eof()
        assert await read_to_the_end(stream) == ACCEPTED + b"\x82\x01x"
        assert stream.bytes_received == len(ACCEPTED) + 3


async def test_a_refused_upgrade_is_a_handshake_error_at_once() -> None:
    async with tcp_pair() as (near, far):
        stream = MonitoredStream(near, ResponseHead())
        await far.send_all(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        with pytest.raises(HandshakeFailed, match="403 Forbidden") as caught:
            await stream.receive_some()
        assert caught.value.status == 403


@pytest.mark.parametrize("is_reset", [False, True])
async def test_an_end_or_reset_before_the_response_is_a_handshake_error(
    is_reset: bool,
) -> None:
    async with tcp_pair() as (near, far):
        stream = MonitoredStream(near, ResponseHead())
        await far.send_all(b"HTTP/1.1 ")
        assert await stream.receive_some() == b"HTTP/1.1 "
        await (reset(far) if is_reset else far.send_eof())
        with pytest.raises(HandshakeFailed, match="closed the connection"):
            await stream.receive_some()


async def test_a_reset_after_the_upgrade_is_a_broken_resource_error() -> None:
    async with tcp_pair() as (near, far):
        stream = MonitoredStream(near, ResponseHead())
        await far.send_all(ACCEPTED)
        assert await stream.receive_some() == ACCEPTED
        await reset(far)
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()


async def test_disconnect_closes_the_socket_even_when_cancelled() -> None:
    async with tcp_pair() as (near, far):
        stream = MonitoredStream(near)
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.disconnect()
        assert near.socket.fileno() == -1
        assert await far.receive_some() == b""
        with pytest.raises(trio.ClosedResourceError):
            await stream.send_all(b"x")
        assert not stream.closed_by_library


async def test_a_close_by_the_library_before_the_upgrade_is_a_handshake_error() -> None:
    async with tcp_pair() as (near, far):
        stream = MonitoredStream(near, ResponseHead())
        with pytest.raises(HandshakeFailed):
            await stream.aclose()
        assert await far.receive_some() == b""
    async with tcp_pair() as (near, far):
        stream = MonitoredStream(near, ResponseHead())
        stream.mark_open()
        await stream.aclose()
        assert stream.closed_by_library
        assert await far.receive_some() == b""


async def test_the_response_to_the_upgrade_measures_the_round_trip(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """So that a screen that is slow from the start does not throttle a long path."""
    limits: list[int | None] = []
    near, far = trio.testing.memory_stream_pair()
    stream = MonitoredStream(near, ResponseHead(), limits.append)
    await stream.send_all(b"GET / HTTP/1.1")
    await trio.sleep(0.1)  # the round trip, on the mock clock
    await far.send_all(ACCEPTED)
    await stream.receive_some()
    shown_at = trio.current_time()
    stream.note_shown(200_000, shown_at - 0.2)  # 1 MB/s
    # What the screen takes in a round trip and the 15 ms beyond it.
    [limit] = limits
    assert limit == pytest.approx(1_000_000 * 0.115, rel=0.01)
