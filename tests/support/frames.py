"""Websocket frames and the server's side of the upgrade, from RFC 6455 alone.

Nothing here comes from a websocket library, so that no library is tested against
itself.  The module imports the standard library only: the source of the benchmarks
loads it in a process whose start is measured.
"""

import base64
import hashlib
import struct
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_FIN = _MASKED = 0x80


class Frame(NamedTuple):
    """One frame (RFC 6455, section 5.2).

    Attributes:
        opcode: one of the constants above.
        payload: without the mask.
        fin: whether it is the last frame of its message.
        masked: whether it was masked, as every frame from a client has to be.
    """

    opcode: int
    payload: bytes
    fin: bool = True
    masked: bool = False

    def encoded(self) -> bytes:
        """The frame as a server sends it: without a mask."""
        first = self.opcode | (_FIN if self.fin else 0)
        size = len(self.payload)
        if size < 126:
            head = struct.pack("!BB", first, size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", first, 126, size)
        else:
            head = struct.pack("!BBQ", first, 127, size)
        return head + self.payload


def close_frame(code: int | None = None, reason: str = "") -> Frame:
    """A close frame; without a code its payload is empty."""
    payload = b"" if code is None else struct.pack("!H", code) + reason.encode()
    return Frame(CLOSE, payload)


class FrameReader:
    """Decodes frames from a stream of bytes, in whatever pieces they arrive."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes | bytearray) -> None:
        """Take the next bytes of the stream."""
        self._data += data

    def next_frame(self) -> Frame | None:
        """The next frame, or None while it is incomplete."""
        data = self._data
        if len(data) < 2:
            return None
        size, at = data[1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(data[2 : 2 + width]), 2 + width
        masked = bool(data[1] & _MASKED)
        start = at + (4 if masked else 0)
        if len(data) < start + size:
            return None
        payload = bytes(data[start : start + size])
        if masked:
            payload = _unmasked(payload, bytes(data[at:start]))
        frame = Frame(data[0] & 0x0F, payload, bool(data[0] & _FIN), masked)
        del data[: start + size]
        return frame


def _unmasked(payload: bytes, key: bytes) -> bytes:
    """XOR with the key (RFC 6455, section 5.3), as one operation on two integers."""
    mask = (key * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload) ^ int.from_bytes(mask)
    return number.to_bytes(len(payload))


def header(request: bytes, name: str) -> str:
    """The value of a request header, or an empty string if it is missing."""
    for line in request.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.strip().lower() == name.lower():
            return value.strip()
    return ""


def accept_key(key: str) -> bytes:
    """The Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _ACCEPT_GUID).digest())


def acceptance(request: bytes, extra: bytes = b"") -> bytes:
    """The response that accepts an upgrade request.

    Args:
        request: the head of the request.
        extra: more header lines, each with its line end.
    """
    return (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n%b\r\n"
        % (accept_key(header(request, "Sec-WebSocket-Key")), extra)
    )
