"""Small servers on loopback, most of them misbehaving.

`Peer` is the server's side of a websocket, frame by frame.
"""

import fcntl
import os
import socket
import ssl
import sys
import termios
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import pytest
import trio

from novaconsole.console.connect import open_stream
from novaconsole.network.target import Target, TLSOptions
from novaconsole.websocket.client import open_connection
from novaconsole.websocket.connection import Connection
from support.certificates import Certificates
from support.frames import BINARY, CLOSE, Frame, FrameReader, acceptance
from support.sockets import reset_when_closed

TOKEN = "5ec2e7-0f-this-te57"
LOOPBACK = "127.0.0.1"

# The bound for what should happen at once: long enough for a busy machine, and shorter
# than any timeout that would end a hang.
AT_ONCE_SECONDS = 5.0

_TCP_CLOSE = b"\x07"  # tcpi_state in linux/tcp.h

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
    """A nursery for servers, cancelled at the end; does not group the test's errors."""
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
    """The head of a request, or a part of it if the client hangs up."""
    head = b""
    while b"\r\n\r\n" not in head and (data := await stream.receive_some()):
        head += data
    return head


async def mute(stream: trio.abc.Stream) -> None:
    """Accept and read, and send nothing until the client hangs up."""
    while await stream.receive_some():
        pass


async def close_at_once(_: trio.abc.Stream) -> None:
    """Accept and close."""


async def close_after_request(stream: trio.abc.Stream) -> None:
    """Read the request and close."""
    await read_head(stream)


def answer(data: bytes, *, stay: bool = False) -> Handler:
    """Answer the request with these bytes, then close.

    With `stay` it does not close before the client: the client then has to judge the
    bytes without seeing the end.
    """

    async def handler(stream: trio.abc.Stream) -> None:
        await read_head(stream)
        await stream.send_all(data)
        if stay:
            await mute(stream)

    return handler


def answer_for_ever(start: bytes, more: bytes) -> Handler:
    """Answer the request with a start, and then with more without end."""

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
    """A port that answers no SYN, because the backlog of its listener is full."""
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
        """The client's next frame, or None if it has hung up."""
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
        """Frames up to and including the first with this opcode."""
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

    async def answer_close(self) -> None:
        """Read until the close frame, answer it, and wait until the client hangs up."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while frame := await self.receive():
                if frame.opcode == CLOSE:
                    await self.send(Frame(CLOSE, frame.payload))

    def waiting_for_client(self) -> int:
        """How many received bytes the client has not read yet."""
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
        """Close TCP without a close frame."""
        await trio.aclose_forcefully(self._stream)

    async def reset(self) -> None:
        """Reset TCP, as a crash or a firewall does."""
        reset_when_closed(_tcp_socket(self._stream))
        await trio.aclose_forcefully(self._stream)


async def upgrade_and_answer_close(stream: trio.abc.Stream) -> None:
    """A websocket that only waits for the client's closing handshake."""
    peer = Peer(stream)
    await peer.upgrade()
    await peer.answer_close()


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
    certificates: Certificates | None = None,
    *,
    keepalive: float = 0,
    meanwhile: Callable[[Peer], Awaitable[None]] | None = None,
    at_the_end: Callable[[Peer], Awaitable[None]] = Peer.answer_close,
) -> AsyncIterator[tuple[Connection, Peer]]:
    """A connection and its peer; nothing may be left open at the end.

    Args:
        certificates: for `wss`, or None for `ws`.
        keepalive: seconds between pings, or 0 for none.
        meanwhile: what the peer does all the time, the closing handshake included.
        at_the_end: what the peer does during the closing handshake otherwise.
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
    """All data up to the end of the connection."""
    return b"".join([data async for data in connection])


# ---- what is left


@contextmanager
def nothing_left() -> Iterator[None]:
    """Check that the block leaves no file descriptor, thread or task behind."""
    before = _resources()
    yield
    assert (left := _resources() - before) == set(), left


def _resources() -> set[tuple[str, object]]:
    found: set[tuple[str, object]] = set()
    for fd, name in _descriptors():
        found.add((f"descriptor {fd}", name))
    for thread in threading.enumerate():
        # Trio keeps idle threads for some seconds, under this name.
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
    """The open descriptors, with the names that the kernel gives them."""
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
