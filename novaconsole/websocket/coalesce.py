"""Many small websocket frames made one, before the websocket library sees them.

A guest under qemu sends frames of five bytes, and the library takes 30 microseconds
for each, whatever its size.  All that one read brought costs it one frame this way.

What a console sends is a stream of bytes, so where its messages begin and end means
nothing.  Only whole binary messages without a mask are joined, and a torn one is
handed on in parts; everything else passes untouched and in order, for the library to
judge: control frames, text, fragments, and whatever breaks RFC 6455 section 5.2.
"""

import struct

_BINARY = 0x82  # FIN, no reserved bit, opcode 2
_FIN, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F
_TEXT_OR_BINARY = (1, 2)
_PINGS = (9, 10)  # and pongs; a close frame is the end of joining
_MASKED = 0x80
_LENGTH_16, _LENGTH_64 = 126, 127
_SMALL = 125
_ENDLESS = 1 << 63  # more than a header can say


class FrameJoiner:
    """Takes what comes from the wire behind the upgrade, gives fewer frames."""

    def __init__(self) -> None:
        self._torn = b""  # a header that is not whole
        self._left = 0  # bytes to come of the payload under way
        self._is_joined = False  # whether that payload is
        self._inside_message = False  # of several fragments

    def feed(self, data: bytes) -> bytes:
        """Take bytes of any number of frames, whole or torn.

        Returns:
            The same for the websocket library; what could be joined, joined.
        """
        if self._torn:
            data, self._torn = self._torn + data, b""
        out: list[bytes] = []
        payloads: list[bytes] = []
        position = self._go_on(data, out, payloads)
        size = len(data)
        while True:
            if not self._inside_message:
                position = _take_whole_frames(data, position, payloads)
            if position == size:
                break
            consumed = self._take_header(data[position : position + 14])
            if consumed is None:
                self._torn = data[position:]
                break
            if not self._is_joined:
                _flush(payloads, out)
                out.append(data[position : position + consumed])
            position += consumed
            rest = data[position : position + self._left]
            (payloads if self._is_joined else out).append(rest)
            position += len(rest)
            self._left -= len(rest)
        _flush(payloads, out)
        return b"".join(out)

    def _go_on(self, data: bytes, out: list[bytes], payloads: list[bytes]) -> int:
        """The rest of the payload under way; where it ends."""
        part = data[: self._left]
        if part:
            (payloads if self._is_joined else out).append(part)
            self._left -= len(part)
        return len(part)

    def _take_header(self, head: bytes) -> int | None:
        """Read a header; its length, or None while it is torn."""
        if len(head) < 2:
            return None
        first, second = head[0], head[1]
        opcode = first & _OPCODE
        is_fragment = opcode in (0, *_TEXT_OR_BINARY)
        is_odd = bool(first & _RESERVED or second & _MASKED)
        if is_fragment:
            is_odd |= (opcode == 0) != self._inside_message
        else:
            is_odd |= opcode not in _PINGS or not first & _FIN or second > _SMALL
        size, length, form, smallest = 2, second, "", 0
        if second == _LENGTH_16:
            size, form, smallest = 4, "!H", _LENGTH_16
        elif second == _LENGTH_64:
            size, form, smallest = 10, "!Q", 1 << 16
        if not is_odd and form:
            if len(head) < size:
                return None
            (length,) = struct.unpack(form, head[2:size])
            is_odd = not smallest <= length < _ENDLESS
        if is_odd:
            # Hands off: all that follows passes, as if it were the payload.
            self._is_joined, self._left = False, _ENDLESS
            return 2
        self._is_joined = first == _BINARY
        if is_fragment:
            self._inside_message = not first & _FIN
        self._left = length
        return size


def _take_whole_frames(data: bytes, position: int, payloads: list[bytes]) -> int:
    """The way of nearly all frames, in few steps; where there is another kind."""
    size = len(data)
    last = size - 4  # where the longest header that is read here fits
    while position <= last and data[position] == _BINARY:
        length = data[position + 1]
        start = position + 2
        if length > _SMALL:
            if length != _LENGTH_16:
                break
            length = data[start] << 8 | data[start + 1]
            if length < _LENGTH_16:
                break
            start += 2
        end = start + length
        if end > size:
            break
        payloads.append(data[start:end])
        position = end
    return position


def _flush(payloads: list[bytes], out: list[bytes]) -> None:
    """Write what has been collected as one frame."""
    if not payloads:
        return
    payload = b"".join(payloads)
    payloads.clear()
    length = len(payload)
    if length <= _SMALL:
        out.append(struct.pack("!BB", _BINARY, length))
    elif length < 1 << 16:
        out.append(struct.pack("!BBH", _BINARY, _LENGTH_16, length))
    else:
        out.append(struct.pack("!BBQ", _BINARY, _LENGTH_64, length))
    out.append(payload)
