"""A guest that is faster than its clients; run as a script, in a process of its own.

It serves one client over a websocket, over raw TCP or, behind sshd, over its own
terminal.  All frames are built beforehand, because a source that has to compute would
measure itself.  It reports events as JSON lines to a FIFO, with the time of
CLOCK_MONOTONIC, which is the same in every process.
"""

import argparse
import json
import os
import select
import socket
import sys
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).parents[1]))  # the directory of the tests

from support.frames import BINARY, CLOSE, Frame, FrameReader, acceptance, header

CTRL_C = b"\x03"
HELLO = b"."
_BLOCK_BYTES = 1024 * 1024
_WRITE_BYTES = 256 * 1024
_LINE = b"[   12.345678] systemd[1]: Started a unit of the guest, as they do.\r\n"


class Way:
    """How bytes get to the client and back: websocket frames, or plain bytes.

    Args:
        reader: file descriptor.
        writer: file descriptor; may be the same.
        framed: by websocket, as a server.
    """

    def __init__(self, reader: int, writer: int, *, framed: bool) -> None:
        self.reader, self.writer = reader, writer
        self._framed = framed
        self._frames = FrameReader()

    def encoded(self, payload: bytes) -> bytes:
        """The payload as one frame, or unchanged if the way has no frames."""
        return Frame(BINARY, payload).encoded() if self._framed else payload

    def send(self, data: bytes | memoryview) -> None:
        """Write all of the data, which is encoded already."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.writer, view[:_WRITE_BYTES]) :]
            except BlockingIOError:
                select.select([], [self.writer], [])

    def receive(self) -> list[bytes]:
        """What the client sent, frame by frame.

        Raises:
            EOFError: the client has closed the connection.
        """
        data = os.read(self.reader, _WRITE_BYTES)
        if not data:
            raise EOFError
        return self._payloads(data) if self._framed else [data]

    def _payloads(self, data: bytes) -> list[bytes]:
        self._frames.feed(data)
        payloads = []
        while frame := self._frames.next_frame():
            if frame.opcode == CLOSE:
                raise EOFError
            payloads.append(frame.payload)
        return payloads


class Block:
    """As many frames of the same size as fit into a megabyte.

    Attributes:
        data: the frames.
        frame: bytes of one of them on the wire.
        payload: bytes of the guest in one of them.
    """

    def __init__(self, way: Way, payload: int) -> None:
        count = max(1, _BLOCK_BYTES // payload)
        text = _LINE * (count * payload // len(_LINE) + 1)
        frames = [
            way.encoded(text[start : start + payload])
            for start in range(0, count * payload, payload)
        ]
        self.data = memoryview(b"".join(frames))
        self.frame, self.payload = len(frames[0]), payload


class ConsoleSource:
    """The guest, with one method for each behaviour.

    Args:
        way: to the client.
        options: of the command line.
        report: called with an event and its values.
    """

    def __init__(
        self, way: Way, options: argparse.Namespace, report: Callable[..., None]
    ) -> None:
        self._way, self._options, self._report = way, options, report

    def flood(self) -> None:
        """Send `--total` bytes of payload, rounded up to frames; 0 means for ever."""
        block = Block(self._way, self._options.frame)
        left = -(-self._options.total // block.payload) * block.frame or None
        while left is None:
            self._way.send(block.data)
        while left:
            piece = block.data[:left]
            self._way.send(piece)
            left -= len(piece)
        self.idle()

    def drip(self) -> None:
        """Like `flood`, with one write for each frame, as qemu does it."""
        frame = bytes(Block(self._way, self._options.frame).data[: self._options.frame])
        count = -(-self._options.total // self._options.frame) or 2**62
        for _ in range(count):
            os.write(self._way.writer, frame)
        self.idle()

    def steady(self) -> None:
        """Send a frame each `--period` seconds."""
        frame = self._way.encoded(_LINE[: self._options.frame])
        due = time.monotonic()
        for _ in range(-(-self._options.total // self._options.frame)):
            time.sleep(max(0.0, due - time.monotonic()))
            due += self._options.period
            self._way.send(frame)
        self.idle()

    def echo(self) -> None:
        """Send back what arrives."""
        self._way.send(self._way.encoded(HELLO))
        while True:
            for payload in self._way.receive():
                self._way.send(self._way.encoded(payload))

    def interruptible(self) -> None:
        """Flood from `--after` seconds on, until Ctrl-C arrives."""
        way, block, sent = self._way, Block(self._way, self._options.frame), 0
        way.send(way.encoded(HELLO))
        time.sleep(self._options.after)
        for fd in (way.reader, way.writer):
            os.set_blocking(fd, False)
        while True:
            readable, writable, _ = select.select([way.reader], [way.writer], [])
            if readable and any(CTRL_C in keys for keys in way.receive()):
                break
            if writable:
                try:
                    start = sent % len(block.data)
                    end = start + _WRITE_BYTES
                    sent += os.write(way.writer, block.data[start:end])
                except BlockingIOError:
                    pass
        at = time.monotonic_ns()
        partial = -sent % block.frame
        start = sent % len(block.data)
        shown = (sent + partial) // block.frame * block.payload + len(HELLO)
        self._report("interrupted", at=at, total=shown)
        way.send(block.data[start : start + partial])
        os.set_blocking(way.reader, True)
        self.idle()

    def count(self) -> None:
        """Receive `--total` bytes."""
        self._way.send(self._way.encoded(HELLO))
        left = self._options.total
        while left > 0:
            left -= sum(len(payload) for payload in self._way.receive())
        self._report("received", at=time.monotonic_ns())
        self.idle()

    def hello(self) -> None:
        """Send one byte and no more."""
        self._way.send(self._way.encoded(HELLO))
        self.idle()

    def idle(self) -> NoReturn:
        """Wait until the client leaves."""
        while True:
            self._way.receive()


def _accept(listener: socket.socket, unsent: int, *, framed: bool) -> Way:
    client, _ = listener.accept()
    if framed:  # raw TCP is qemu's, which leaves Nagle's algorithm on
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if unsent:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, unsent)
    fd = client.detach()
    if framed:
        head = b""
        while b"\r\n\r\n" not in head:
            head += os.read(fd, 4096)
        os.write(fd, _upgrade(head))
    return Way(fd, fd, framed=framed)


def _upgrade(request: bytes) -> bytes:
    offer = header(request, "Sec-WebSocket-Protocol")
    return acceptance(request, b"Sec-WebSocket-Protocol: binary\r\n" if offer else b"")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", type=Path, help="FIFO")
    parser.add_argument("way", choices=["ws", "tcp", "stdio"])
    parser.add_argument("mode", help="a method of ConsoleSource")
    parser.add_argument("--host", default="127.0.0.1", help="to listen on")
    parser.add_argument("--frame", type=int, default=16, help="bytes of payload")
    parser.add_argument("--total", type=int, default=0, help="bytes of payload")
    parser.add_argument("--period", type=float, default=0.0, help="seconds")
    parser.add_argument("--after", type=float, default=0.0, help="seconds")
    parser.add_argument("--unsent", type=int, default=0, help="TCP_NOTSENT_LOWAT")
    options = parser.parse_args()

    with options.reports.open("w", buffering=1) as reports:

        def report(event: str, **values: int) -> None:
            reports.write(json.dumps({"event": event, **values}) + "\n")

        if options.way == "stdio":
            tty.setraw(0)
            way = Way(0, 1, framed=False)
        else:
            with socket.create_server((options.host, 0)) as listener:
                report("listening", port=listener.getsockname()[1])
                way = _accept(listener, options.unsent, framed=options.way == "ws")
        try:
            getattr(ConsoleSource(way, options, report), options.mode)()
        except (EOFError, OSError):
            sys.exit()  # the client has left


if __name__ == "__main__":
    main()
