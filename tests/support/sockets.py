"""Helpers for sockets of every kind: plain ones, and those of trio."""

import socket
import struct
from typing import Protocol


class _HasOptions(Protocol):
    def setsockopt(self, level: int, option: int, value: bytes, /) -> object: ...


def reset_when_closed(stream: _HasOptions) -> None:
    """Make closing this socket send a RST, as a crash or a firewall does.

    With a linger time of zero close() discards what is unsent and aborts the
    connection (socket(7), SO_LINGER).
    """
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
