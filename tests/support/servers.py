"""Small servers on loopback, most of them misbehaving, and certificates for them.

`Peer` speaks websocket frames by hand (RFC 6455 section 5), so that nothing here shares
code with the library under test.
"""

import base64
import fcntl
import hashlib
import os
import socket
import ssl
import struct
import sys
import termios
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme

from novaconsole.console.connect import open_stream
from novaconsole.network.target import Target, TLSOptions
from novaconsole.websocket.client import open_connection
from novaconsole.websocket.connection import Connection

TOKEN = "5ec2e7-0f-this-te57"
LOOPBACK = "127.0.0.1"

# A hang must not look like slowness on a busy machine: what should happen at once may
# take so long, which is less than any timeout that would end a hang.
AT_ONCE_SECONDS = 5.0

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_TCP_CLOSE = b"\x07"  # tcpi_state in linux/tcp.h
_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Handler = Callable[[trio.abc.Stream], Awaitable[None]]


# ---- servers


@dataclass
class Server:
    """A server that is listening.

    Attributes:
        host: address.
        port: TCP port.
        connections: accepted so far.
    """

    host: str
    port: int
    connections: int = 0

    def target(self, scheme: str = "ws", host: str | None = None) -> Target:
        host = host or self.host
        host = f"[{host}]" if ":" in host else host
        return Target.parse(f"{scheme}://{host}:{self.port}/?token={TOKEN}")


@asynccontextmanager
async def background() -> AsyncIterator[trio.Nursery]:
    """A nursery for servers: cancelled at the end; the test's own error comes bare."""
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except (Exception, pytest.fail.Exception) as exc:  # noqa: BLE001 # raised below
            failure = exc
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


@asynccontextmanager
async def serving(
    handler: Handler, *, host: str = LOOPBACK, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """Serve connections, each closed when its handler returns."""
    listeners = await trio.open_tcp_listeners(0, host=host)
    server = Server(host, listeners[0].socket.getsockname()[1])

    async def handle(tcp: trio.SocketStream) -> None:
        server.connections += 1
        stream = tcp if tls is None else tls_server(tcp, tls)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await handler(stream)
            await trio.aclose_forcefully(stream)

    async with background() as nursery:
        await nursery.start(partial(trio.serve_listeners, handle, listeners))
        yield server


def tls_server(
    tcp: trio.SocketStream, context: ssl.SSLContext
) -> "trio.SSLStream[trio.SocketStream]":
    return trio.SSLStream(tcp, context, server_side=True, https_compatible=True)


async def read_head(stream: trio.abc.Stream) -> bytes:
    """The head of a request; what there is of it, if the client leaves."""
    head = b""
    while b"\r\n\r\n" not in head and (data := await stream.receive_some()):
        head += data
    return head


async def mute(stream: trio.abc.Stream) -> None:
    """Accept, read, say nothing until the client leaves."""
    while await stream.receive_some():
        pass


async def close_at_once(_: trio.abc.Stream) -> None:
    """Accept and close."""


async def close_after_request(stream: trio.abc.Stream) -> None:
    """Read the request and close."""
    await read_head(stream)


def answer(data: bytes, *, stay: bool = False) -> Handler:
    """Answer the request with these bytes, then close, or stay until the client leaves.

    Who stays shows whether the client judged the bytes or waited for the end.
    """

    async def handler(stream: trio.abc.Stream) -> None:
        await read_head(stream)
        await stream.send_all(data)
        if stay:
            await mute(stream)

    return handler


def answer_for_ever(start: bytes, more: bytes) -> Handler:
    """Answer the request with a start, and then with more and more."""

    async def handler(stream: trio.abc.Stream) -> None:
        await read_head(stream)
        await stream.send_all(start)
        while True:
            await stream.send_all(more)

    return handler


def refused_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as unused:
        unused.bind((LOOPBACK, 0))
        port: int = unused.getsockname()[1]
        return port


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port whose TCP does not answer any more: the queue of the server is full."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        waiting = []
        try:
            while True:
                waiting.append(socket.socket())
                waiting[-1].settimeout(0.2)
                try:
                    waiting[-1].connect(listener.getsockname())
                except TimeoutError:
                    break
            yield listener.getsockname()[1]
        finally:
            for client in waiting:
                client.close()


# ---- raw websocket


@dataclass(frozen=True)
class Frame:
    """A frame as it came from the wire."""

    opcode: int
    payload: bytes
    fin: bool = True
    masked: bool = False

    def encoded(self) -> bytes:
        """The frame without a mask, as servers send it."""
        first = self.opcode | (0x80 if self.fin else 0)
        size = len(self.payload)
        if size < 126:
            head = struct.pack("!BB", first, size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", first, 126, size)
        else:
            head = struct.pack("!BBQ", first, 127, size)
        return head + self.payload


def close_frame(code: int | None = None, reason: str = "") -> Frame:
    payload = b"" if code is None else struct.pack("!H", code) + reason.encode()
    return Frame(CLOSE, payload)


class FrameReader:
    """Takes frames out of bytes."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes | bytearray) -> None:
        self._data += data

    def next_frame(self) -> Frame | None:
        """The next frame; None while it is not whole."""
        data = self._data
        if len(data) < 2:
            return None
        size, at = data[1] & 0x7F, 2
        if size >= 126:
            length = 2 if size == 126 else 8
            size, at = int.from_bytes(data[2 : 2 + length], "big"), 2 + length
        masked = bool(data[1] & 0x80)
        start = at + (4 if masked else 0)
        if len(data) < start + size:
            return None
        payload = bytes(data[start : start + size])
        if masked:
            mask = (bytes(data[at:start]) * (size // 4 + 1))[:size]
            number = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
            payload = number.to_bytes(size, "big")
        frame = Frame(data[0] & 0x0F, payload, bool(data[0] & 0x80), masked)
        del data[: start + size]
        return frame


class Peer:
    """The server's side of a websocket, frame by frame.

    Attributes:
        request: the head of the upgrade request.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._client_address = _tcp_socket(stream).getpeername()
        self._frames = FrameReader()
        self._sending = trio.StrictFIFOLock()
        self.request = b""

    async def upgrade(self, *frames: Frame) -> None:
        """Read the request and accept it; send frames together with that."""
        self.request = await read_head(self._stream)
        data = b"".join(frame.encoded() for frame in frames)
        await self._stream.send_all(acceptance(self.request) + data)

    async def send(self, *frames: Frame) -> None:
        """Send frames, all at once."""
        await self.send_raw(b"".join(frame.encoded() for frame in frames))

    async def send_raw(self, data: bytes) -> None:
        async with self._sending:
            await self._stream.send_all(data)

    async def receive(self) -> Frame | None:
        """The client's next frame; None when the client has gone."""
        while (frame := self._frames.next_frame()) is None:
            try:
                data = await self._stream.receive_some(64 * 1024)
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            self._frames.feed(data)
        return frame

    async def receive_until(self, opcode: int) -> list[Frame]:
        """Frames up to and with the first of this kind."""
        frames = []
        while frame := await self.receive():
            frames.append(frame)
            if frame.opcode == opcode:
                return frames
        raise AssertionError(f"gone before a frame {opcode}; got {frames}")

    async def receive_bytes(self, size: int) -> bytes:
        """The payload of so many bytes of data frames."""
        payload = b""
        while len(payload) < size:
            frame = await self.receive()
            assert frame is not None, f"gone after {len(payload)} bytes"
            if frame.opcode == BINARY:
                payload += frame.payload
        return payload

    async def answer_goodbye(self) -> None:
        """Read until the client says goodbye, answer that, and wait until it goes."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while frame := await self.receive():
                if frame.opcode == CLOSE:
                    await self.send(Frame(CLOSE, frame.payload))

    def waiting_for_client(self) -> int:
        """How many bytes the client's kernel has that the client did not take yet."""
        with self._client() as client:
            count = fcntl.ioctl(client.fileno(), termios.FIONREAD, bytes(4))
        return int.from_bytes(count, sys.byteorder)

    async def wait_client_took_all(self) -> None:
        with trio.fail_after(AT_ONCE_SECONDS):
            while self.waiting_for_client():  # noqa: ASYNC110 # there is no event for it
                await trio.sleep(0.001)

    async def wait_client_was_reset(self) -> None:
        """Wait until the client's kernel has been told that the connection is dead."""
        state = b""
        with trio.fail_after(AT_ONCE_SECONDS):
            while state != _TCP_CLOSE:
                with self._client() as client:
                    state = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
                await trio.sleep(0.001)  # there is no event for it

    @contextmanager
    def _client(self) -> Iterator[socket.socket]:
        """The client's socket, which is in this process, to ask the kernel about."""
        for fd, name in _descriptors():
            if name.startswith("socket:"):
                with socket.socket(fileno=os.dup(fd)) as candidate:
                    if candidate.getsockname() == self._client_address:
                        yield candidate
                        return
        raise AssertionError("the client has closed its socket")

    async def close(self) -> None:
        """Close TCP in an orderly way, without a close frame."""
        await trio.aclose_forcefully(self._stream)

    async def reset(self) -> None:
        """Break TCP off, as a crash or a firewall does."""
        tcp = _tcp_socket(self._stream)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self._stream)


async def upgrade_and_say_goodbye(stream: trio.abc.Stream) -> None:
    """A websocket that only waits for the client to leave."""
    peer = Peer(stream)
    await peer.upgrade()
    await peer.answer_goodbye()


def acceptance(request: bytes, extra: bytes = b"") -> bytes:
    """The right answer to an upgrade request."""
    key = header(request, "Sec-WebSocket-Key").encode()
    accept = base64.b64encode(hashlib.sha1(key + _ACCEPT_GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n%b\r\n" % (accept, extra)
    )


def header(request: bytes, name: str) -> str:
    """A header of a request; empty if it is not there."""
    for line in request.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return ""


@dataclass
class PeerServer(Server):
    """A server that upgrades every connection and hands it to the test."""

    peers: list[Peer] = field(default_factory=list)
    _came: trio.Event = field(default_factory=trio.Event)

    async def next_peer(self) -> Peer:
        await self._came.wait()
        self._came = trio.Event()
        return self.peers[-1]

    async def handle(self, stream: trio.abc.Stream) -> None:
        peer = Peer(stream)
        await peer.upgrade()
        self.peers.append(peer)
        self._came.set()
        await trio.sleep_forever()


@asynccontextmanager
async def serving_peers(
    *, host: str = LOOPBACK, tls: ssl.SSLContext | None = None
) -> AsyncIterator[PeerServer]:
    peers = PeerServer(host, 0)
    async with serving(peers.handle, host=host, tls=tls) as server:
        peers.port = server.port
        yield peers


@asynccontextmanager
async def linked(
    certificates: "Certificates | None" = None,
    *,
    keepalive: float = 0,
    meanwhile: Callable[[Peer], Awaitable[None]] | None = None,
    at_the_end: Callable[[Peer], Awaitable[None]] = Peer.answer_goodbye,
) -> AsyncIterator[tuple[Connection, Peer]]:
    """A link and its peer.  On leaving, nothing may be left.

    Args:
        certificates: for `wss`; None for `ws`.
        keepalive: seconds between pings; 0 for none.
        meanwhile: what the peer does all the time, the goodbye included.
        at_the_end: what the peer does while the client leaves, if it does nothing yet.
    """
    context = certificates.server_context(certificates.good) if certificates else None
    tls = TLSOptions(cacert=certificates.cacert if certificates else None)
    with nothing_left():
        async with serving_peers(tls=context) as server, background() as nursery:
            target = server.target("wss" if certificates else "ws")
            stream = await open_stream(target, tls)
            deadline = trio.current_time() + AT_ONCE_SECONDS
            async with open_connection(
                stream, target, deadline=deadline, keepalive=keepalive
            ) as connection:
                peer = await server.next_peer()
                if meanwhile:
                    nursery.start_soon(meanwhile, peer)
                yield connection, peer
                if not meanwhile:
                    nursery.start_soon(at_the_end, peer)


async def read_all(connection: Connection) -> bytes:
    """Everything up to the end of a link."""
    return b"".join([data async for data in connection])


# ---- certificates


class Certificates:
    """An authority, and certificates good and bad.

    Args:
        directory: for the files.
    """

    def __init__(self, directory: Path) -> None:
        now = datetime.now(UTC)
        names = (LOOPBACK, "::1", "localhost")
        authority = trustme.CA()
        self.cacert = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.cacert))
        self.good = authority.issue_cert(*names)
        self.good_pem = directory / "good.pem"
        self.good.private_key_and_cert_chain_pem.write_to_path(str(self.good_pem))
        self.expired = authority.issue_cert(
            *names, not_before=now - timedelta(days=2), not_after=now - timedelta(1)
        )
        self.not_yet_valid = authority.issue_cert(
            *names, not_before=now + timedelta(days=1), not_after=now + timedelta(2)
        )
        self.wrong_host = authority.issue_cert("elsewhere.invalid")
        self.untrusted = trustme.CA().issue_cert(*names)
        # What shows us to a server that wants to know.
        client = authority.issue_cert("someone@elsewhere.invalid")
        self.client_cert = directory / "client.pem"
        self.client_key = directory / "client.key"
        for blob in client.cert_chain_pems:
            blob.write_to_path(str(self.client_cert), append=True)
        client.private_key_pem.write_to_path(str(self.client_key))
        self._authority = authority

    def server_context(self, certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        return context

    def demanding_context(self) -> ssl.SSLContext:
        """Of a server that wants a certificate of ours."""
        context = self.server_context(self.good)
        context.verify_mode = ssl.CERT_REQUIRED
        self._authority.configure_trust(context)
        return context


# ---- what is left


@contextmanager
def nothing_left() -> Iterator[None]:
    """No file descriptor, thread or task may be left of what runs inside."""
    before = _resources()
    yield
    assert (left := _resources() - before) == set(), left


def _resources() -> set[tuple[str, object]]:
    found: set[tuple[str, object]] = set()
    for fd, name in _descriptors():
        found.add((f"descriptor {fd}", name))
    for thread in threading.enumerate():
        # Trio keeps threads that have nothing to do for some seconds, under this name.
        if not thread.name.startswith("Trio thread"):
            found.add((f"thread {thread.name}", thread))
    root = trio.lowlevel.current_root_task()
    waiting = [root] if root else []
    while waiting:
        task = waiting.pop()
        found.add((f"task {task.name}", task))
        waiting += [
            child for nursery in task.child_nurseries for child in nursery.child_tasks
        ]
    return found


def _descriptors() -> list[tuple[int, str]]:
    """What is open, and what the kernel calls it."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that lists them
            found.append((int(fd), os.readlink(f"/proc/self/fd/{fd}")))
    return found


def _tcp_socket(stream: trio.abc.Stream) -> trio.socket.SocketType:
    """The socket below TCP or TLS."""
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    assert isinstance(stream, trio.SocketStream)
    return stream.socket
