"""Against the real proxy: nova-serialproxy is websockify with a token check."""

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from novaconsole.console.connect import ConnectOptions, ConsoleAddress, connect
from novaconsole.errors import ConnectError
from novaconsole.network.target import TLSOptions
from novaconsole.websocket.close import CloseReason
from support.certificates import Certificates
from support.frames import BINARY, CLOSE, PING, PONG, Frame, FrameReader
from support.servers import (
    AT_ONCE_SECONDS,
    LOOPBACK,
    Handler,
    Server,
    background,
    nothing_left,
    read_all,
    read_head,
    refused_port,
    serving,
)

DATA = random.Random(6083).randbytes(512 * 1024) + bytes(range(256))
NO_TLS = TLSOptions()
DEFAULTS = ConnectOptions()


@asynccontextmanager
async def websockify(
    directory: Path, target_port: int, *options: str
) -> AsyncIterator[Server]:
    """The proxy in front of a guest, given its listening socket as inetd would do."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        # The proxy is killed in the end, and would leave half a report on its coverage.
        unmeasured = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("COVERAGE_")
        }
        command = [sys.executable, "-m", "websockify", "--inetd", *options]
        proxy = await trio.lowlevel.open_process(
            [*command, f"{LOOPBACK}:{target_port}"],
            stdin=listener.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=directory,  # it looks for a certificate here
            env=unmeasured,
        )
        server = Server(LOOPBACK, listener.getsockname()[1])
    try:
        yield server
    finally:
        # This also kills the process that it starts for each connection.
        os.killpg(proxy.pid, signal.SIGKILL)
        with trio.CancelScope(shield=True):  # it is killed
            await proxy.wait()


async def echo(stream: trio.abc.Stream) -> None:
    async for data in stream:
        await stream.send_all(data)


def listen(received: trio.MemorySendChannel[bytes]) -> Handler:
    """A guest that only listens."""

    async def handler(stream: trio.abc.Stream) -> None:
        async for data in stream:
            await received.send(bytes(data))
        await received.aclose()

    return handler


@pytest.mark.parametrize("subprotocols", [("binary",), ()])
async def test_bytes_pass_both_ways_unchanged(
    subprotocols: tuple[str, ...], tmp_path: Path
) -> None:
    options = ConnectOptions(subprotocols=subprotocols)
    received = b""
    with nothing_left():
        async with (
            serving(echo) as guest,
            websockify(tmp_path, guest.port) as proxy,
            connect(ConsoleAddress(proxy.target(), NO_TLS), options) as connection,
            background() as nursery,
        ):
            nursery.start_soon(connection.send, DATA)
            while len(received) < len(DATA):
                received += await anext(connection)
    assert received == DATA


async def test_the_end_of_the_guest_closes_the_websocket_normally(
    tmp_path: Path,
) -> None:
    async def print_and_leave(stream: trio.abc.Stream) -> None:
        await stream.send_all(DATA)

    with nothing_left():
        async with (
            serving(print_and_leave) as guest,
            websockify(tmp_path, guest.port) as proxy,
            connect(ConsoleAddress(proxy.target(), NO_TLS), DEFAULTS) as connection,
        ):
            assert await read_all(connection) == DATA
            assert connection.close_reason == CloseReason(1000, "Target closed")


async def test_leaving_is_answered_and_everything_typed_has_arrived(
    tmp_path: Path,
) -> None:
    send, received = trio.open_memory_channel[bytes](0)
    with nothing_left():
        async with (
            serving(listen(send)) as guest,
            websockify(tmp_path, guest.port) as proxy,
        ):
            async with connect(
                ConsoleAddress(proxy.target(), NO_TLS), DEFAULTS
            ) as connection:
                await connection.send(b"echo hello\r")
                await connection.send(b"exit\r")
                connection.limit_close(AT_ONCE_SECONDS * 2)
                left_at = trio.current_time()
            assert trio.current_time() - left_at < AT_ONCE_SECONDS
            with trio.fail_after(AT_ONCE_SECONDS):
                typed = b"".join([data async for data in received])
    assert typed == b"echo hello\rexit\r"


async def test_our_pings_are_answered(tmp_path: Path) -> None:
    options = ConnectOptions(keepalive=0.1)
    with nothing_left():
        async with (
            serving(echo) as guest,
            websockify(tmp_path, guest.port) as proxy,
            connect(ConsoleAddress(proxy.target(), NO_TLS), options) as connection,
            background() as nursery,
        ):
            nursery.start_soon(read_all, connection)
            with trio.fail_after(AT_ONCE_SECONDS):
                while connection.round_trip is None:  # noqa: ASYNC110 # there is no event for it
                    await trio.sleep(0.01)
            assert connection.close_reason is None


class Tap:
    """Stands between a client and the proxy, and records the frames that pass.

    Attributes:
        sent: by the client.
        received: by the client.
    """

    def __init__(self, proxy: Server) -> None:
        self._proxy = proxy
        self.sent: list[Frame] = []
        self.received: list[Frame] = []

    def frames(self, opcode: int) -> list[Frame]:
        """The frames of a kind that the client has sent."""
        return [frame for frame in self.sent if frame.opcode == opcode]

    async def relay(self, client: trio.abc.Stream) -> None:
        async with await trio.open_tcp_stream(LOOPBACK, self._proxy.port) as proxy:
            await proxy.send_all(await read_head(client))
            answer = await read_head(proxy)
            await client.send_all(answer)
            early = answer.partition(b"\r\n\r\n")[2]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, client, proxy, self.sent)
                await self._pass_on(proxy, client, self.received, early)
                nursery.cancel_scope.cancel()

    async def _pass_on(
        self,
        source: trio.abc.Stream,
        sink: trio.abc.Stream,
        frames: list[Frame],
        early: bytes = b"",
    ) -> None:
        reader = FrameReader()
        reader.feed(early)
        while data := await source.receive_some():
            reader.feed(data)
            while frame := reader.next_frame():
                frames.append(frame)
            await sink.send_all(data)


async def test_the_frames_between_client_and_proxy_are_as_expected(
    tmp_path: Path,
) -> None:
    """Binary and masked to the proxy; its pings are answered with the same payload."""
    received = b""
    async with (
        serving(echo) as guest,
        websockify(tmp_path, guest.port, "--heartbeat=1") as proxy,
        background() as nursery,
    ):
        tap = Tap(proxy)
        async with (
            serving(tap.relay) as front,
            connect(
                ConsoleAddress(front.target(), NO_TLS), ConnectOptions(keepalive=0)
            ) as connection,
        ):
            nursery.start_soon(connection.send, DATA)
            while len(received) < len(DATA):
                received += await anext(connection)
            with trio.fail_after(AT_ONCE_SECONDS):
                while not tap.frames(PONG):  # noqa: ASYNC110 # there is no event for it
                    await trio.sleep(0.01)
            connection.limit_close(AT_ONCE_SECONDS)
    assert received == DATA
    sent = [frame.payload for frame in tap.frames(BINARY)]
    assert b"".join(sent) == DATA
    assert max(map(len, sent)) <= 64 * 1024
    assert all(frame.masked for frame in tap.sent)
    assert {frame.opcode for frame in tap.sent} == {BINARY, PONG, CLOSE}
    pings = [frame.payload for frame in tap.received if frame.opcode == PING]
    pongs = [frame.payload for frame in tap.frames(PONG)]
    assert pongs == pings[: len(pongs)]


async def test_a_guest_that_cannot_be_reached_is_a_close_code(tmp_path: Path) -> None:
    with nothing_left():
        async with (
            websockify(tmp_path, refused_port()) as proxy,
            connect(ConsoleAddress(proxy.target(), NO_TLS), DEFAULTS) as connection,
        ):
            assert await read_all(connection) == b""
            reason = "Failed to connect to downstream server"
            assert connection.close_reason == CloseReason(1011, reason)


# ---- TLS


async def test_wss_works_and_ws_to_the_same_port_suggests_wss(
    certificates: Certificates, tmp_path: Path
) -> None:
    received = b""
    with nothing_left():
        async with (
            serving(echo) as guest,
            websockify(
                tmp_path, guest.port, f"--cert={certificates.good_pem}", "--ssl-only"
            ) as proxy,
            background() as nursery,
        ):
            tls = TLSOptions(certificates.cacert)
            async with connect(
                ConsoleAddress(proxy.target("wss"), tls), DEFAULTS
            ) as connection:
                nursery.start_soon(connection.send, DATA)
                while len(received) < len(DATA):
                    received += await anext(connection)
            with pytest.raises(ConnectError) as caught:
                async with connect(
                    ConsoleAddress(proxy.target("ws"), NO_TLS), DEFAULTS
                ):
                    pass
    assert received == DATA
    assert "wss://" in (caught.value.hint or "")


async def test_wss_to_a_proxy_without_a_certificate_suggests_ws(
    certificates: Certificates, tmp_path: Path
) -> None:
    with nothing_left():
        async with serving(echo) as guest, websockify(tmp_path, guest.port) as proxy:
            tls = TLSOptions(certificates.cacert)
            with pytest.raises(ConnectError) as caught:
                async with connect(ConsoleAddress(proxy.target("wss"), tls), DEFAULTS):
                    pass
    assert "ws://" in (caught.value.hint or "")
