"""Merged or not, the websocket library finds the same in a stream of frames."""

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    TextMessage,
)
from wsproto.utilities import RemoteProtocolError

from novaconsole.websocket.coalesce import FrameCoalescer
from support.pieces import CUTS, cut, thorough, ways_to_cut

FIN, MASK = 0x80, 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def encoded(first: int, payload: bytes, *, form: int = 0, mask: int = 0) -> bytes:
    """A frame; `form` above 0 encodes its length in a longer form than necessary."""
    size = len(payload)
    if size < 126 and not form:
        return bytes([first, mask | size]) + payload
    if size < 1 << 16 and form < 2:
        return struct.pack("!BBH", first, mask | 126, size) + payload
    return struct.pack("!BBQ", first, mask | 127, size) + payload


def binary(payload: bytes) -> bytes:
    return encoded(FIN | BINARY, payload)


def parsed(pieces: Iterable[bytes]) -> list[object]:
    """What the library finds: adjacent data in one, the rest in order, or an error."""
    connection = Connection(ConnectionType.CLIENT)
    found: list[object] = []
    try:
        for piece in pieces:
            connection.receive_data(piece)
            for event in connection.events():
                _note(found, event)
    except RemoteProtocolError as exc:
        found.append(str(exc))
    return found


def _note(found: list[object], event: Event) -> None:
    match event:
        case BytesMessage(data=data):
            if found and isinstance(found[-1], bytearray):
                found[-1] += data
            elif data:
                found.append(bytearray(data))
        case TextMessage(data=text):
            found.append(("text", text, event.message_finished))
        case Ping() | Pong():
            found.append((type(event), bytes(event.payload)))
        case CloseConnection():
            found.append(("close", event.code, event.reason))


def merged(pieces: Iterable[bytes]) -> list[bytes]:
    coalescer = FrameCoalescer()
    return [coalescer.feed(piece) for piece in pieces]


PAYLOADS = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([125, 126, 127, 300, 1 << 16]).map(bytes),
)
ORDINARY = st.one_of(
    PAYLOADS.map(binary),
    st.binary(max_size=125).map(lambda data: encoded(FIN | PING, data)),
    st.binary(max_size=125).map(lambda data: encoded(FIN | PONG, data)),
    st.text(max_size=9).map(lambda text: encoded(FIN | TEXT, text.encode())),
    st.lists(st.binary(max_size=9), max_size=3).map(
        lambda parts: b"".join(
            [
                encoded(BINARY, b"first"),
                *(encoded(CONTINUATION, part) for part in parts),
                encoded(FIN | PING, b"between"),
                encoded(FIN | CONTINUATION, b"last"),
            ]
        )
    ),
    st.sampled_from(["", "a reason"]).map(
        lambda text: encoded(FIN | CLOSE, struct.pack("!H", 1000) + text.encode())
    ),
)
UNUSUAL = st.one_of(
    st.binary(max_size=30),
    st.builds(
        encoded,
        st.integers(0, 255),
        PAYLOADS,
        form=st.integers(0, 2),
        mask=st.sampled_from([0, MASK]),
    ),
)


@thorough
@given(st.lists(st.one_of(ORDINARY, UNUSUAL), max_size=8).map(b"".join), CUTS)
def test_the_library_finds_the_same_in_the_merged_stream(
    stream: bytes, cuts: list[int]
) -> None:
    pieces = cut(stream, cuts)
    assert parsed(merged(pieces)) == parsed(pieces)


def test_the_binary_frames_of_one_read_become_one_frame() -> None:
    frames = [binary(b"%d" % number) for number in range(1000)]
    payload = b"".join(b"%d" % number for number in range(1000))
    assert merged([b"".join(frames)]) == [binary(payload)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 1 << 16])
def test_a_payload_that_arrives_in_parts_is_passed_on_in_parts(size: int) -> None:
    frame = binary(bytes(size)) + binary(b"next")
    for cuts in ways_to_cut(frame) if size < 200 else [[9], [1 << 15], [size + 9]]:
        pieces = cut(frame, cuts)
        assert parsed(merged(pieces)) == [bytearray(bytes(size) + b"next")]


@pytest.mark.parametrize(
    "between",
    [
        encoded(FIN | PING, b"ping"),
        encoded(FIN | TEXT, b"text"),
        encoded(BINARY, b"some") + encoded(FIN | CONTINUATION, b"more"),
    ],
)
def test_frames_that_are_not_merged_stay_in_their_place(between: bytes) -> None:
    stream = binary(b"a") + binary(b"b") + between + binary(b"c") + binary(b"d")
    assert merged([stream]) == [binary(b"ab") + between + binary(b"cd")]


@pytest.mark.parametrize(
    "unusual",
    [
        encoded(FIN | BINARY | 0x40, b"compressed"),
        encoded(FIN | BINARY, b"long form", form=1),
        encoded(FIN | BINARY, b"longest form", form=2),
        encoded(FIN | BINARY, b"mask" + b"ed", mask=MASK),
        encoded(FIN | CONTINUATION, b"of nothing"),
        encoded(FIN | CLOSE, b"\x03\xe8"),
        b"\x82\xff" + b"\xff" * 8,
    ],
)
def test_after_an_unusual_frame_the_stream_is_unchanged(unusual: bytes) -> None:
    stream = unusual + binary(b"c") + binary(b"d")
    coalescer = FrameCoalescer()
    assert (
        coalescer.feed(binary(b"a") + binary(b"b") + stream) == binary(b"ab") + stream
    )
    assert coalescer.feed(stream) == stream
