"""The connection as the session sees it: bytes both ways, pings, and every end."""

import math
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import trio

from novaconsole.console.connect import ConnectOptions, ConsoleAddress, connect
from novaconsole.errors import ConnectionLost, HandshakeFailed
from novaconsole.network.target import TLSOptions
from novaconsole.websocket.close import CloseReason
from novaconsole.websocket.server import accept_connection
from support.certificates import Certificates
from support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    close_frame,
)
from support.servers import (
    AT_ONCE_SECONDS,
    TOKEN,
    Peer,
    background,
    linked,
    nothing_left,
    read_all,
    serving,
    serving_peers,
)

ALL_BYTES = bytes(range(256))
MIB = 1024 * 1024
QUEUED_MESSAGES = 64  # more than a connection takes in while it is not read
MAX_FRAME_BYTES = 64 * 1024
PING_SECONDS = 0.2


@pytest.fixture(params=["ws", "wss"])
def maybe_tls(
    request: pytest.FixtureRequest, certificates: Certificates
) -> Certificates | None:
    return certificates if request.param == "wss" else None


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


# ---- bytes


async def test_all_byte_values_pass_both_ways(maybe_tls: Certificates | None) -> None:
    async with linked(maybe_tls) as (connection, peer):
        await connection.send(ALL_BYTES)
        assert await peer.receive() == Frame(BINARY, ALL_BYTES, masked=True)
        await peer.send(Frame(BINARY, ALL_BYTES))
        assert await anext(connection) == ALL_BYTES
        assert (connection.bytes_out, connection.bytes_in) == (256, 256)


@pytest.mark.parametrize(
    "size", [1, 125, 126, MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, MIB]
)
async def test_frames_to_the_server_are_binary_masked_and_not_long(
    size: int, maybe_tls: Certificates | None
) -> None:
    """A large send arrives complete and in order."""
    data = noise(size)
    received: list[Frame] = []

    async def receive(peer: Peer) -> None:
        while sum(len(frame.payload) for frame in received) < size:
            frame = await peer.receive()
            assert frame is not None
            received.append(frame)

    async with linked(maybe_tls) as (connection, peer):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive, peer)
            await connection.send(data)
        assert connection.bytes_out == size
    assert b"".join(frame.payload for frame in received) == data
    for frame in received:
        assert (frame.opcode, frame.fin, frame.masked) == (BINARY, True, True)
        assert 0 < len(frame.payload) <= MAX_FRAME_BYTES


async def test_an_empty_send_sends_no_frame() -> None:
    async with linked() as (connection, peer):
        await connection.send(b"")
        await connection.send(b"x")
        assert await peer.receive() == Frame(BINARY, b"x", masked=True)


async def test_a_frame_of_a_mebibyte_is_received_whole(
    maybe_tls: Certificates | None,
) -> None:
    data = noise(MIB)
    async with linked(maybe_tls) as (connection, peer), background() as nursery:
        nursery.start_soon(peer.send, Frame(BINARY, data), close_frame(1000))
        assert await read_all(connection) == data


@pytest.mark.timeout(300)  # takes some seconds on an idle machine
async def test_a_hundred_thousand_frames_of_one_byte_lose_nothing() -> None:
    data = noise(100_000)
    frames = b"".join(Frame(BINARY, bytes([byte])).encoded() for byte in data)
    async with linked() as (connection, peer), background() as nursery:
        nursery.start_soon(peer.send_raw, frames + close_frame(1000).encoded())
        assert await read_all(connection) == data


async def test_any_splitting_of_the_stream_gives_the_same_bytes() -> None:
    frames = [
        Frame(BINARY, b"login: "),
        Frame(PING, b"are you there"),
        Frame(TEXT, "ä€🐧".encode()),
        Frame(BINARY, b"ab", fin=False),
        Frame(CONTINUATION, b"cd"),
        Frame(BINARY, noise(300)),
        close_frame(1000, "Target closed"),
    ]
    data = b"".join(frame.encoded() for frame in frames)
    async with linked() as (connection, peer), background() as nursery:

        async def send_in_single_bytes() -> None:
            for at in range(len(data)):
                await peer.send_raw(data[at : at + 1])

        nursery.start_soon(send_in_single_bytes)
        received = await read_all(connection)
    assert received == b"login: " + "ä€🐧".encode() + b"abcd" + noise(300)
    assert connection.close_reason == CloseReason(1000, "Target closed")


async def test_text_from_the_server_is_received_as_utf_8() -> None:
    text = "Grüße €🐧\r\n".encode()
    async with linked() as (connection, peer):
        await peer.send(
            Frame(TEXT, text),
            Frame(TEXT, text[:3], fin=False),  # in the middle of a character
            Frame(CONTINUATION, text[3:9], fin=False),
            Frame(CONTINUATION, text[9:]),
            close_frame(1000),
        )
        assert await read_all(connection) == text * 2


async def test_fragments_are_joined_with_pings_between_them() -> None:
    async with linked() as (connection, peer):
        await peer.send(
            Frame(BINARY, b"one ", fin=False),
            Frame(PING, b"!"),
            Frame(CONTINUATION, b"two ", fin=False),
            Frame(CONTINUATION, b"", fin=False),
            Frame(CONTINUATION, b"three"),
        )
        assert await anext(connection) == b"one two three"
        assert await peer.receive() == Frame(PONG, b"!", masked=True)


async def test_bytes_that_came_with_the_response_to_the_upgrade_are_not_lost() -> None:
    async def upgrade_and_print(stream: trio.abc.Stream) -> None:
        peer = Peer(stream)
        await peer.upgrade(Frame(BINARY, b"login: "))
        await peer.answer_close()

    async with serving(upgrade_and_print) as server:
        options = ConnectOptions()
        async with connect(
            ConsoleAddress(server.target(), TLSOptions()), options
        ) as connection:
            assert await anext(connection) == b"login: "


# ---- close reasons


@pytest.mark.parametrize(
    ("frame", "close_reason"),
    [
        (close_frame(1000, "Target closed"), CloseReason(1000, "Target closed")),
        (close_frame(1000), CloseReason(1000)),
        (close_frame(1001, "bye"), CloseReason(1001, "bye")),
        (close_frame(1011, "zu spät ✗"), CloseReason(1011, "zu spät ✗")),
        (close_frame(1008), CloseReason(1008)),
        (close_frame(4321, "own code"), CloseReason(4321, "own code")),
        (close_frame(), CloseReason(1005)),
    ],
    ids=str,
)
async def test_a_close_frame_says_how_it_ended(
    frame: Frame, close_reason: CloseReason, maybe_tls: Certificates | None
) -> None:
    async with linked(maybe_tls) as (connection, peer):
        assert connection.close_reason is None
        await peer.send(Frame(BINARY, b"last words"), frame)
        assert await read_all(connection) == b"last words"
        assert connection.close_reason == close_reason
        answer = await peer.receive()
        assert answer is not None
        assert answer.opcode == CLOSE
        assert answer.payload[:2] == frame.payload[:2]
        with pytest.raises(ConnectionLost) as caught:
            await connection.send(b"too late")
        assert caught.value.exit_status == 3
    assert connection.close_reason == close_reason


async def test_frames_after_a_close_frame_are_ignored(
    maybe_tls: Certificates | None,
) -> None:
    async with linked(maybe_tls) as (connection, peer):
        await peer.send(
            Frame(BINARY, b"last words"),
            close_frame(1000, "Target closed"),
            Frame(PING, b"?"),
            Frame(BINARY, b"more"),
            close_frame(1011, "no"),
        )
        assert await read_all(connection) == b"last words"
        assert connection.close_reason == CloseReason(1000, "Target closed")
    assert connection.close_reason == CloseReason(1000, "Target closed")


@pytest.mark.parametrize("break_off", [Peer.close, Peer.reset])
@pytest.mark.parametrize("data", [b"", b"last words"])
async def test_an_end_without_a_close_frame_has_no_code(
    break_off: Callable[[Peer], Awaitable[None]],
    data: bytes,
    maybe_tls: Certificates | None,
) -> None:
    async with linked(maybe_tls) as (connection, peer):
        if data:
            await peer.send(Frame(BINARY, data))
        await break_off(peer)
        assert await read_all(connection) == data
        assert connection.close_reason == CloseReason(None)


async def send_more_than_is_taken(peer: Peer, *last: Frame) -> bytes:
    """Fill the connection, which is not read, and the client's kernel behind it."""
    words = [b"line %d\r\n" % number for number in range(QUEUED_MESSAGES * 4)]
    # As text, because binary frames are merged.
    await peer.send(*(Frame(TEXT, word) for word in words))
    await peer.wait_client_took_all()  # and takes nothing more before it is read
    await peer.send(Frame(BINARY, noise(10_000)), Frame(BINARY, b"last words"), *last)
    return b"".join(words) + noise(10_000) + b"last words"


@pytest.mark.parametrize("break_off", [Peer.close, Peer.reset])
async def test_what_came_before_the_end_is_not_lost_when_sending_fails_first(
    break_off: Callable[[Peer], Awaitable[None]], maybe_tls: Certificates | None
) -> None:
    """A key typed at the wrong moment must not cost the guest's last words."""
    async with linked(maybe_tls) as (connection, peer):
        sent = await send_more_than_is_taken(peer)
        await break_off(peer)
        await connection.send(b"typed")  # a closed socket answers this with a reset
        await peer.wait_client_was_reset()
        for _ in range(3):
            await connection.send(b"typed")  # fails on the socket
        assert peer.waiting_for_client() > 10_000
        assert connection.close_reason is None
        assert await read_all(connection) == sent
        assert connection.close_reason == CloseReason(None)


async def test_a_close_frame_is_not_lost_when_sending_fails_first(
    maybe_tls: Certificates | None,
) -> None:
    async with linked(maybe_tls) as (connection, peer):
        sent = await send_more_than_is_taken(peer, close_frame(1000, "Target closed"))
        await peer.reset()
        await peer.wait_client_was_reset()
        await connection.send(b"typed")  # fails on the socket
        assert peer.waiting_for_client() > 10_000
        assert await read_all(connection) == sent
        assert connection.close_reason == CloseReason(1000, "Target closed")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x83\x00", id="reserved opcode"),
        pytest.param(b"\xc2\x01x", id="reserved bit"),
        pytest.param(b"\x82\x81\x00\x00\x00\x00x", id="masked by the server"),
        pytest.param(b"\x80\x01x", id="continuation of nothing"),
        pytest.param(b"\x89\x7e\x00\x7e" + b"x" * 126, id="long ping"),
        pytest.param(Frame(TEXT, b"\xff\xfe").encoded(), id="text that is not UTF-8"),
        pytest.param(Frame(CLOSE, b"\x03").encoded(), id="half a close code"),
        pytest.param(
            close_frame(1006).encoded(), id="close code that must not be sent"
        ),
    ],
)
async def test_a_broken_protocol_ends_the_connection_with_a_reason(data: bytes) -> None:
    async with linked() as (connection, peer):
        await peer.send_raw(Frame(BINARY, b"before").encoded() + data)
        with trio.fail_after(AT_ONCE_SECONDS):
            assert await read_all(connection) == b"before"
        assert connection.close_reason is not None
        assert connection.close_reason.reason


async def test_a_message_without_bounds_ends_the_connection() -> None:
    async with linked() as (connection, peer), background() as nursery:

        async def send_for_ever() -> None:
            with suppress(trio.BrokenResourceError):
                await peer.send(Frame(BINARY, b"x", fin=False))
                while True:
                    await peer.send(Frame(CONTINUATION, bytes(MIB), fin=False))

        nursery.start_soon(send_for_ever)
        with trio.fail_after(AT_ONCE_SECONDS * 4):
            assert await read_all(connection) == b""
        assert connection.close_reason is not None
        assert connection.close_reason.code == 1009


# ---- the closing handshake


async def test_leaving_sends_a_close_frame() -> None:
    async with linked() as (connection, peer):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.aclose, "that is all")
            frame = await peer.receive()
            assert frame == Frame(CLOSE, b"\x03\xe8that is all", masked=True)
            await peer.send(close_frame(1000))
        await connection.aclose()  # a second call is harmless
    assert connection.close_reason == CloseReason(1000)


async def read_on(peer: Peer) -> None:
    while await peer.receive():
        pass


async def read_nothing(_: Peer) -> None:
    pass


async def flood(peer: Peer) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while True:
            await peer.send(Frame(BINARY, bytes(4096)))


async def ping_on(peer: Peer) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while frame := await peer.receive():
            await peer.send(Frame(PING, frame.payload), Frame(BINARY, b"!"))


@pytest.mark.parametrize("peer_does", [read_on, read_nothing, flood, ping_on])
@pytest.mark.parametrize("close_seconds", [0, 0.3])
async def test_leaving_does_not_wait_longer_than_the_limit(
    peer_does: Callable[[Peer], Awaitable[None]],
    close_seconds: float,
    maybe_tls: Certificates | None,
) -> None:
    """The peer is busy in some way, but never answers our close frame."""
    async with linked(maybe_tls, at_the_end=peer_does) as (connection, _):
        connection.limit_close(close_seconds)
        left_at = trio.current_time()
    # A second more allows for a busy machine.
    assert trio.current_time() - left_at < close_seconds + 1


async def test_leaving_is_bounded_while_typed_bytes_are_stuck(
    maybe_tls: Certificates | None,
) -> None:
    """The peer reads nothing, so the close frame is stuck as well."""
    async with linked(maybe_tls, at_the_end=read_nothing) as (connection, _):
        with trio.move_on_after(0.3) as sending:
            await connection.send(bytes(64 * MIB))
        assert sending.cancelled_caught
        connection.limit_close(0.3)
        left_at = trio.current_time()
    assert trio.current_time() - left_at < 0.3 + 1


async def test_the_peers_close_frame_is_found_behind_unread_output(
    maybe_tls: Certificates | None,
) -> None:
    async with linked(maybe_tls) as (connection, peer):
        await peer.send(*[Frame(BINARY, bytes(100))] * QUEUED_MESSAGES * 4)
        connection.limit_close(AT_ONCE_SECONDS * 2)
        left_at = trio.current_time()
    assert trio.current_time() - left_at < AT_ONCE_SECONDS
    assert connection.close_reason == CloseReason(1000)


async def test_pings_that_cross_our_close_frame_are_harmless() -> None:
    async def ping_then_answer(peer: Peer) -> None:
        closing = (await peer.receive_until(CLOSE))[-1]
        await peer.send(Frame(PING, b"?"), Frame(BINARY, b"!"), Frame(PING, b"?"))
        await peer.send(Frame(CLOSE, closing.payload))

    async with linked(at_the_end=ping_then_answer) as (connection, _):
        connection.limit_close(AT_ONCE_SECONDS * 2)
        left_at = trio.current_time()
    assert trio.current_time() - left_at < AT_ONCE_SECONDS
    assert connection.close_reason == CloseReason(1000)


async def test_leaving_after_a_reset_does_not_wait() -> None:
    async with linked() as (connection, peer):
        await peer.reset()
        assert await read_all(connection) == b""
        connection.limit_close(AT_ONCE_SECONDS * 2)
        left_at = trio.current_time()
    assert trio.current_time() - left_at < AT_ONCE_SECONDS


@pytest.mark.parametrize("peer_is_mute", [False, True])
async def test_a_cancelled_connection_does_the_closing_handshake_and_ends(
    peer_is_mute: bool,
) -> None:
    """It sends a close frame, waits for the peer's, and closes the socket."""
    frames = []
    waited_for_answer = False

    async def listen(peer: Peer) -> None:
        nonlocal waited_for_answer
        while frame := await peer.receive():
            frames.append(frame)
            if frame.opcode == CLOSE and not peer_is_mute:
                with trio.move_on_after(0.1) as scope:
                    await peer.receive()
                waited_for_answer = scope.cancelled_caught
                await peer.send(close_frame(1000))

    with nothing_left():
        async with serving_peers() as server, trio.open_nursery() as nursery:
            target = server.target()
            with trio.CancelScope() as scope:
                async with connect(
                    ConsoleAddress(target, TLSOptions()), ConnectOptions()
                ) as connection:
                    nursery.start_soon(listen, await server.next_peer())
                    connection.limit_close(0.3 if peer_is_mute else AT_ONCE_SECONDS)
                    await connection.send(b"x")
                    cancelled_at = trio.current_time()
                    scope.cancel()
                    await connection.send(b"y" * MIB)
            assert scope.cancelled_caught
            # A second more allows for a busy machine.
            assert trio.current_time() - cancelled_at < 0.3 + 1
        # The nursery has ended, so the peer has seen the end of the connection.
    assert [frame.payload for frame in frames] == [b"x", b"\x03\xe8"]
    assert waited_for_answer or peer_is_mute


async def test_a_cancelled_receive_loses_no_bytes() -> None:
    async with linked() as (connection, peer):
        with trio.move_on_after(0.05) as scope:
            await anext(connection)
        assert scope.cancelled_caught
        await peer.send(Frame(BINARY, b"later"))
        assert await anext(connection) == b"later"


# ---- pings


async def test_a_ping_is_answered_while_the_consumer_is_busy() -> None:
    async with linked() as (connection, peer):
        shown = [Frame(BINARY, b"%d" % number) for number in range(QUEUED_MESSAGES)]
        await peer.send(*shown, Frame(PING, b"are you there"))
        with trio.fail_after(AT_ONCE_SECONDS):
            assert await peer.receive() == Frame(PONG, b"are you there", masked=True)
        await peer.send(close_frame(1000))
        assert await read_all(connection) == b"".join(frame.payload for frame in shown)


class PingAnswerer:
    """Answers pings and the close frame, and counts the pings."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[bytes](math.inf)

    async def __call__(self, peer: Peer) -> None:
        while frame := await peer.receive():
            if frame.opcode == PING:
                self._send.send_nowait(frame.payload)
                await peer.send(Frame(PONG, frame.payload))
            elif frame.opcode == CLOSE:
                await peer.send(frame)

    async def wait_answered(self, count: int) -> set[bytes]:
        """Wait for this many pings; return their distinct payloads."""
        with trio.fail_after(AT_ONCE_SECONDS):
            return {await self._receive.receive() for _ in range(count)}


async def test_a_peer_that_answers_pings_stays(maybe_tls: Certificates | None) -> None:
    answerer = PingAnswerer()
    async with (
        linked(maybe_tls, keepalive=PING_SECONDS, meanwhile=answerer) as (
            connection,
            _,
        ),
        background() as nursery,
    ):
        started = trio.current_time()
        assert connection.round_trip is None
        nursery.start_soon(read_all, connection)
        assert len(await answerer.wait_answered(6)) == 6
        # The first comes early; two unanswered ones would have been too many.
        assert trio.current_time() - started >= PING_SECONDS * 5 * 0.9
        assert connection.close_reason is None
        assert connection.round_trip is not None
        assert 0 < connection.round_trip < PING_SECONDS


@pytest.mark.parametrize("answers_first", [0, 2])
async def test_a_peer_that_stops_answering_is_lost_after_two_intervals(
    answers_first: int, maybe_tls: Certificates | None
) -> None:
    pings: list[float] = []
    last_life = 0.0

    async def answer_some(peer: Peer) -> None:
        nonlocal last_life
        while frame := await peer.receive():
            if frame.opcode == PING:
                if len(pings) < answers_first:
                    await peer.send(Frame(PONG, frame.payload))
                    last_life = trio.current_time()
                pings.append(trio.current_time())

    async with linked(maybe_tls, keepalive=PING_SECONDS) as (connection, peer):
        async with background() as nursery:
            last_life = trio.current_time()
            nursery.start_soon(answer_some, peer)
            with trio.fail_after(AT_ONCE_SECONDS):
                assert await read_all(connection) == b""
        assert connection.close_reason == CloseReason(
            None, "no answer to pings for 0.4 seconds"
        )
        assert trio.current_time() - last_life >= PING_SECONDS * 2
        # One more if a stalled machine saw a pong too late.
        assert answers_first + 2 <= len(pings) <= answers_first + 3
        with pytest.raises(ConnectionLost):
            await connection.send(b"anybody?")
    assert connection.close_reason == CloseReason(
        None, "no answer to pings for 0.4 seconds"
    )


async def test_a_peer_that_reads_nothing_is_lost_and_the_sender_gets_an_error(
    maybe_tls: Certificates | None,
) -> None:
    async with linked(maybe_tls, keepalive=PING_SECONDS) as (connection, _):

        async def paste() -> None:
            with pytest.raises(ConnectionLost):
                await connection.send(bytes(64 * MIB))

        with trio.fail_after(AT_ONCE_SECONDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(paste)
                assert await read_all(connection) == b""
        assert connection.close_reason == CloseReason(
            None, "no answer to pings for 0.4 seconds"
        )


async def test_output_counts_as_a_sign_of_life() -> None:
    """A guest that prints is alive, even if its pongs get lost."""
    pings = 0

    async def swallow(peer: Peer) -> None:
        nonlocal pings
        while frame := await peer.receive():
            pings += frame.opcode == PING

    async def print_on(peer: Peer) -> None:
        while True:
            await peer.send(Frame(BINARY, b"."))
            await trio.sleep(PING_SECONDS / 10)

    async with linked(keepalive=PING_SECONDS) as (connection, peer):
        async with background() as nursery:
            nursery.start_soon(swallow, peer)
            nursery.start_soon(print_on, peer)
            with trio.fail_after(AT_ONCE_SECONDS * 2):
                async for _ in connection:
                    if pings >= 6:
                        break
            assert connection.close_reason is None
        connection.limit_close(0)


async def test_an_interval_in_which_we_do_not_read_does_not_count(
    maybe_tls: Certificates | None,
) -> None:
    """While our screen is stuck we do not read, so we cannot see a pong."""
    answerer = PingAnswerer()
    words = [b"%d " % number for number in range(QUEUED_MESSAGES * 4)]
    async with linked(maybe_tls, keepalive=PING_SECONDS, meanwhile=answerer) as (
        connection,
        peer,
    ):
        # As text, because binary frames are merged.
        await peer.send(*(Frame(TEXT, word) for word in words))
        await answerer.wait_answered(6)
        assert connection.close_reason is None
        assert connection.round_trip is None  # so none of the six pongs was seen
        await peer.send(close_frame(1000))
        assert await read_all(connection) == b"".join(words)
        assert connection.close_reason == CloseReason(1000)


async def test_without_keepalive_there_are_no_pings() -> None:
    async with linked(keepalive=0) as (connection, peer):
        with trio.move_on_after(PING_SECONDS * 3):
            await anext(connection)
        await connection.send(b"first of all")
        assert await peer.receive() == Frame(BINARY, b"first of all", masked=True)


@pytest.mark.parametrize(
    "close_reason", [CloseReason(1000, "Target closed"), CloseReason(None)]
)
async def test_pings_do_not_change_how_it_ended(
    close_reason: CloseReason, maybe_tls: Certificates | None
) -> None:
    """The end comes while a ping is unanswered."""
    async with linked(maybe_tls, keepalive=PING_SECONDS) as (connection, peer):
        await peer.receive_until(PING)
        if close_reason.code:
            await peer.send(close_frame(close_reason.code, close_reason.reason))
        await peer.close()
        assert await read_all(connection) == b""
        assert connection.close_reason == close_reason
        with trio.move_on_after(PING_SECONDS * 4):  # the screen may still be busy
            await trio.sleep_forever()
        assert connection.close_reason == close_reason


async def test_keepalive_ends_with_the_connection() -> None:
    """Leaving does not wait for the end of a long interval."""
    async with linked(keepalive=3600) as (connection, peer):
        await peer.send(close_frame(1000, "Target closed"))
        assert await read_all(connection) == b""
        left_at = trio.current_time()
    assert trio.current_time() - left_at < AT_ONCE_SECONDS


# ---- the server's side


async def test_our_client_and_our_server_understand_each_other() -> None:
    served = trio.Event()

    async def echo(stream: trio.abc.Stream) -> None:
        deadline = trio.current_time() + AT_ONCE_SECONDS
        async with accept_connection(
            stream, lambda _: True, deadline=deadline
        ) as connection:
            assert connection is not None
            async for data in connection:
                await connection.send(data)
                if data.endswith(b"exit"):
                    await connection.aclose("Target closed")
        served.set()

    with nothing_left():
        async with serving(echo) as server:
            options = ConnectOptions()
            async with connect(
                ConsoleAddress(server.target(), TLSOptions()), options
            ) as connection:
                await connection.send(ALL_BYTES + b"exit")
                assert await read_all(connection) == ALL_BYTES + b"exit"
                assert connection.close_reason == CloseReason(1000, "Target closed")
            with trio.fail_after(AT_ONCE_SECONDS):
                await served.wait()


async def test_a_client_that_is_not_allowed_is_dropped_after_the_upgrade() -> None:
    requested = []
    accepted = []

    def allows(resource: str) -> bool:
        requested.append(resource)
        return False

    async def refuse(stream: trio.abc.Stream) -> None:
        deadline = trio.current_time() + AT_ONCE_SECONDS
        async with accept_connection(stream, allows, deadline=deadline) as connection:
            accepted.append(connection)

    with nothing_left():
        async with serving(refuse) as server:
            options = ConnectOptions()
            async with connect(
                ConsoleAddress(server.target(), TLSOptions()), options
            ) as connection:
                assert await read_all(connection) == b""
                assert connection.close_reason == CloseReason(None)
    assert requested == [f"/?token={TOKEN}"]
    assert accepted == [None]


@pytest.mark.parametrize("request_", [b"", b"\x16\x03\x01garbage\r\n\r\n"])
async def test_a_client_that_does_not_ask_for_a_websocket_fails_at_the_deadline(
    request_: bytes,
) -> None:
    send, failures = trio.open_memory_channel[HandshakeFailed](1)

    async def serve(stream: trio.abc.Stream) -> None:
        deadline = trio.current_time() + 0.3
        with pytest.raises(HandshakeFailed) as caught:
            async with accept_connection(stream, lambda _: True, deadline=deadline):
                pass
        send.send_nowait(caught.value)

    with nothing_left():
        async with serving(serve) as server:
            tcp = await trio.open_tcp_stream(server.host, server.port)
            async with tcp:
                await tcp.send_all(request_)
                with trio.fail_after(AT_ONCE_SECONDS):
                    await failures.receive()
                    while await tcp.receive_some():
                        pass


async def test_a_ping_during_the_closing_handshake_raises_connection_lost() -> None:
    """The keepalive task may send one, as it knows nothing of the handshake."""
    async with linked() as (connection, peer), background() as nursery:
        connection.limit_close(AT_ONCE_SECONDS)
        nursery.start_soon(connection.aclose)
        await peer.receive_until(CLOSE)  # left unanswered
        with pytest.raises(ConnectionLost):
            await connection.ping()
        await peer.send(close_frame(1000))
