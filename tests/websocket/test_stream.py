"""The stream below the websocket library: it judges the answer to the upgrade."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

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
            here = await trio.open_tcp_stream(LOOPBACK, port)
            there = await listener.accept()
        async with here, there:
            yield here, there


async def reset(stream: trio.SocketStream) -> None:
    reset_when_closed(stream)
    await stream.aclose()


async def read_to_the_end(monitored: MonitoredStream) -> bytes:
    received = b""
    while data := await monitored.receive_some(7):
        received += data
    return received


async def test_it_passes_bytes_both_ways_and_counts_them() -> None:
    async with tcp_pair() as (here, there):
        monitored = MonitoredStream(here)
        await monitored.wait_send_all_might_not_block()
        for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"view")):
            await monitored.send_all(data)
            assert await there.receive_some() == bytes(data)
        await there.send_all(bytes(range(256)))
        await there.send_eof()
        assert await read_to_the_end(monitored) == bytes(range(256))
        assert monitored.bytes_received == 256


async def test_an_accepted_upgrade_passes_unchanged_with_what_follows() -> None:
    async with tcp_pair() as (here, there):
        monitored = MonitoredStream(here, ResponseHead())
        await there.send_all(ACCEPTED + b"\x82\x01x")
        await there.send_eof()
        assert await read_to_the_end(monitored) == ACCEPTED + b"\x82\x01x"
        assert monitored.bytes_received == len(ACCEPTED) + 3


async def test_a_bad_answer_raises_at_once() -> None:
    async with tcp_pair() as (here, there):
        monitored = MonitoredStream(here, ResponseHead())
        await there.send_all(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        with pytest.raises(HandshakeFailed, match="403 Forbidden") as caught:
            await monitored.receive_some()
        assert caught.value.status == 403


@pytest.mark.parametrize("broken_off", [False, True])
async def test_an_end_before_the_answer_is_an_error(broken_off: bool) -> None:
    async with tcp_pair() as (here, there):
        monitored = MonitoredStream(here, ResponseHead())
        await there.send_all(b"HTTP/1.1 ")
        assert await monitored.receive_some() == b"HTTP/1.1 "
        await (reset(there) if broken_off else there.send_eof())
        with pytest.raises(HandshakeFailed, match="closed the connection"):
            await monitored.receive_some()


async def test_a_broken_connection_is_broken_after_the_upgrade() -> None:
    async with tcp_pair() as (here, there):
        monitored = MonitoredStream(here, ResponseHead())
        await there.send_all(ACCEPTED)
        assert await monitored.receive_some() == ACCEPTED
        await reset(there)
        with pytest.raises(trio.BrokenResourceError):
            await monitored.receive_some()


async def test_disconnect_closes_even_when_cancelled() -> None:
    async with tcp_pair() as (here, there):
        monitored = MonitoredStream(here)
        with trio.CancelScope() as scope:
            scope.cancel()
            await monitored.disconnect()
        assert here.socket.fileno() == -1
        assert await there.receive_some() == b""
        with pytest.raises(trio.ClosedResourceError):
            await monitored.send_all(b"x")
        assert not monitored.given_up


async def test_giving_up_before_the_upgrade_is_an_error() -> None:
    async with tcp_pair() as (here, there):
        monitored = MonitoredStream(here, ResponseHead())
        with pytest.raises(HandshakeFailed):
            await monitored.aclose()
        assert await there.receive_some() == b""
    async with tcp_pair() as (here, there):
        monitored = MonitoredStream(here, ResponseHead())
        monitored.opened()
        await monitored.aclose()
        assert monitored.given_up
        assert await there.receive_some() == b""


async def test_the_answer_to_the_upgrade_tells_how_long_the_way_is() -> None:
    """So that a screen that is slow at once does not bound a long way to nothing."""
    limits: list[int | None] = []
    async with tcp_pair() as (here, there):
        monitored = MonitoredStream(here, ResponseHead(), limits.append)
        await monitored.send_all(b"GET / HTTP/1.1")
        await trio.sleep(0.1)  # the way
        await there.send_all(ACCEPTED)
        await monitored.receive_some()
    shown_at = trio.current_time()
    monitored.note_shown(200_000, shown_at - 0.2)  # 1 MB/s
    [limit] = limits
    assert limit is not None
    assert 1_000_000 * 0.1 < limit < 1_000_000 * 0.2
