"""Through real proxies: tinyproxy for HTTP CONNECT, microsocks for SOCKS5."""

import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import trio

from novaconsole.errors import ConnectError
from novaconsole.network.http_connect import connect_through
from novaconsole.network.proxy import Proxy
from novaconsole.network.target import Target
from novaconsole.websocket.client import open_connection
from support.certificates import Certificates
from support.frames import BINARY, Frame, close_frame
from support.program import run
from support.servers import (
    AT_ONCE_SECONDS,
    LOOPBACK,
    TOKEN,
    Peer,
    PeerServer,
    background,
    nothing_left,
    read_all,
    refused_port,
    serving_peers,
)

DATA = bytes(range(256)) * 1024
START_SECONDS = 20.0  # for a program to start, on a busy machine

Running = AbstractAsyncContextManager[int]


def needs(name: str, package: str) -> pytest.MarkDecorator:
    """Skips a test where the program is not installed."""
    return pytest.mark.skipif(
        shutil.which(name) is None, reason=f"no {name} here (Debian: {package})"
    )


NEEDS_TINYPROXY = needs("tinyproxy", "tinyproxy-bin")
NEEDS_MICROSOCKS = needs("microsocks", "microsocks")


@asynccontextmanager
async def running(command: Sequence[str], port: int) -> AsyncIterator[int]:
    """A proxy that accepts connections; killed in the end."""
    process = await trio.lowlevel.open_process(
        [*command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with trio.fail_after(START_SECONDS):
            while True:
                assert process.poll() is None, "it ended"
                try:
                    probe = await trio.open_tcp_stream(LOOPBACK, port)
                except OSError:
                    await trio.sleep(0.01)  # there is no event for it
                else:
                    await probe.aclose()
                    break
        yield port
    finally:
        process.kill()
        with trio.CancelScope(shield=True):  # it is killed
            await process.wait()


def tinyproxy(directory: Path, *settings: str) -> Running:
    port = refused_port()
    lines = [f"Port {port}", f"Listen {LOOPBACK}", "Timeout 60", *settings]
    file = directory / "tinyproxy.conf"
    file.write_text("".join(f"{line}\n" for line in lines))
    return running(["tinyproxy", "-d", "-c", str(file)], port)


def microsocks(_: Path, *options: str) -> Running:
    port = refused_port()
    return running(["microsocks", "-i", LOOPBACK, "-p", str(port), *options], port)


class Kind(NamedTuple):
    """A proxy: how to start it, how to make it require a login, and how to log in."""

    scheme: str
    start: Callable[..., Running]
    requires_login: Sequence[str]
    login: str


TINYPROXY = Kind("http", tinyproxy, ["BasicAuth user p4ss"], "user:p4ss@")
MICROSOCKS = Kind(
    "socks5", microsocks, ["-u", "user", "-P", "p/4:#ss"], "user:p%2F4%3A%23ss@"
)
KINDS = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(TINYPROXY, id="tinyproxy", marks=NEEDS_TINYPROXY),
        pytest.param(MICROSOCKS, id="microsocks", marks=NEEDS_MICROSOCKS),
        pytest.param(
            MICROSOCKS._replace(scheme="socks5h"),
            id="microsocks, socks5h",
            marks=NEEDS_MICROSOCKS,
        ),
    ],
)


async def check_console(
    proxy: Proxy, target: Target, server: PeerServer, tls: ssl.SSLContext | None
) -> None:
    """Attach through the proxy, and have data both ways."""
    with trio.fail_after(START_SECONDS):
        stream = await connect_through(proxy, target)
        if tls is not None:
            stream = trio.SSLStream(
                stream, tls, server_hostname=target.host, https_compatible=True
            )
        deadline = trio.current_time() + AT_ONCE_SECONDS
        async with (
            background() as nursery,
            open_connection(stream, target, deadline=deadline) as connection,
        ):
            peer = await server.next_peer()
            assert f"GET /?token={TOKEN} ".encode() in peer.request
            nursery.start_soon(connection.send, DATA)
            assert await peer.receive_bytes(len(DATA)) == DATA
            nursery.start_soon(echo_and_close, peer)
            assert await read_all(connection) == DATA


async def echo_and_close(peer: Peer) -> None:
    await peer.send(Frame(BINARY, DATA), close_frame(1000))
    await peer.answer_close()


@KINDS
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("with_login", [False, True], ids=["open", "login"])
@pytest.mark.parametrize("host", [LOOPBACK, "localhost"])
async def test_a_console_works_through_a_proxy(
    kind: Kind,
    secure: bool,
    with_login: bool,
    host: str,
    tmp_path: Path,
    certificates: Certificates,
) -> None:
    context = certificates.server_context(certificates.good) if secure else None
    trusting = ssl.create_default_context(cafile=certificates.cacert)
    with nothing_left():
        async with (
            serving_peers(tls=context) as server,
            kind.start(tmp_path, *(kind.requires_login if with_login else ())) as port,
        ):
            user = kind.login if with_login else ""
            proxy = Proxy.parse(f"{kind.scheme}://{user}{LOOPBACK}:{port}")
            target = server.target("wss" if secure else "ws", host)
            await check_console(proxy, target, server, trusting if secure else None)


@KINDS
@pytest.mark.parametrize(
    ("user", "message"),
    [("", "requires a user and a password"), ("user:wr0ng@", "rejected the user")],
    ids=["without", "wrong"],
)
async def test_a_missing_or_wrong_login_is_a_connect_error(
    kind: Kind,
    user: str,
    message: str,
    tmp_path: Path,
) -> None:
    with nothing_left():
        async with (
            serving_peers() as server,
            kind.start(tmp_path, *kind.requires_login) as port,
        ):
            proxy = Proxy.parse(f"{kind.scheme}://{user}{LOOPBACK}:{port}")
            with (
                trio.fail_after(START_SECONDS),
                pytest.raises(ConnectError, match=message) as caught,
            ):
                await connect_through(proxy, server.target())
            assert server.connections == 0
    assert "wr0ng" not in f"{caught.value} {caught.value.hint}"


@KINDS
async def test_a_target_that_refuses_is_an_error_about_the_target(
    kind: Kind, tmp_path: Path
) -> None:
    target = Target.parse(f"ws://{LOOPBACK}:{refused_port()}/")
    async with kind.start(tmp_path) as port:
        proxy = Proxy.parse(f"{kind.scheme}://{LOOPBACK}:{port}")
        message = re.escape(
            f"the proxy {proxy.address} could not reach {target.address}"
        )
        with trio.fail_after(START_SECONDS), pytest.raises(ConnectError, match=message):
            await connect_through(proxy, target)


@NEEDS_TINYPROXY
async def test_a_port_that_the_proxy_forbids_is_an_error_that_says_so(
    tmp_path: Path,
) -> None:
    async with (
        serving_peers() as server,
        tinyproxy(tmp_path, "ConnectPort 443") as port,
    ):
        proxy = Proxy.parse(f"{LOOPBACK}:{port}")
        with trio.fail_after(START_SECONDS), pytest.raises(ConnectError) as caught:
            await connect_through(proxy, server.target())
    assert f"does not allow connections to {LOOPBACK}:{server.port}" in str(
        caught.value
    )


@NEEDS_MICROSOCKS
async def test_http_to_a_socks_proxy_suggests_socks(tmp_path: Path) -> None:
    async with microsocks(tmp_path) as port:
        proxy = Proxy.parse(f"http://{LOOPBACK}:{port}")
        with trio.fail_after(START_SECONDS), pytest.raises(ConnectError) as caught:
            await connect_through(proxy, Target.parse("ws://nova.invalid/"))
    assert "socks5://" in (caught.value.hint or "")


@KINDS
@pytest.mark.parametrize("way", ["option", "variable"])
async def test_the_program_connects_through_the_proxy(
    kind: Kind, way: str, tmp_path: Path, certificates: Certificates
) -> None:
    """With `--proxy`, or with a variable for a host that is not this machine."""
    tls = certificates.server_context(certificates.good)
    async with (
        serving_peers(tls=tls) as server,
        kind.start(tmp_path, *kind.requires_login) as port,
        background() as nursery,
    ):
        proxy = f"{kind.scheme}://{kind.login}{LOOPBACK}:{port}"
        # The variable is ignored for this machine, so the target is another host.
        host = LOOPBACK if way == "option" else "console.invalid"
        argv = ["--proxy", proxy] if way == "option" else []
        variables = {} if way == "option" else {"HTTPS_PROXY": proxy}
        program = partial(
            run,
            tmp_path,
            *argv,
            *("--cacert", str(certificates.cacert), "-w", "5"),
            f"wss://{host}:{server.port}/?token={TOKEN}",
            typed=b"typed",
            timeout=START_SECONDS,
            variables=variables,
        )
        with trio.fail_after(START_SECONDS):
            if way == "option":
                nursery.start_soon(serve_console, server)
            done = await trio.to_thread.run_sync(program)
    printed = done.stderr.decode()
    assert kind.login not in printed
    if way == "option":
        assert (done.returncode, done.stdout) == (0, DATA), printed
    else:
        assert done.returncode == 1
        assert f"the proxy {LOOPBACK}:{port} could not reach console.invalid" in printed


async def serve_console(server: PeerServer) -> None:
    peer = await server.next_peer()
    assert await peer.receive_bytes(5) == b"typed"
    await echo_and_close(peer)
