"""HTTP CONNECT: the tunnel, whatever the proxy answers, and what is left open."""

import errno
import os
import ssl
from base64 import b64decode
from collections.abc import Iterable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.errors import ConnectError, NovaConsoleError
from novaconsole.network.http_connect import connect_through, open_tunnel
from novaconsole.network.proxy import Proxy
from novaconsole.network.proxy_errors import unreachable
from novaconsole.network.target import Target
from support.certificates import Certificates
from support.frames import header
from support.pieces import CUTS, cut, thorough, ways_to_cut
from support.servers import (
    AT_ONCE_SECONDS,
    LOOPBACK,
    Handler,
    Server,
    answer,
    answer_for_ever,
    close_after_request,
    close_at_once,
    full_backlog,
    mute,
    nothing_left,
    read_head,
    refused_port,
    serving,
    tls_server,
)
from support.sockets import reset_when_closed

TARGET = Target.parse("ws://nova.example:6083/?token=5ec2e7-0f-this-te57")
PROXY = Proxy("http", LOOPBACK, 3128)
USER, PASSWORD = "jörg", "s3cr3t: w0rd"
OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
EARLY = b"\x00\r\n\r\nHTTP/1.1 500 not a head any more\r\n\r\n\xff"


def proxy_at(server: Server, scheme: str = "http", *, login: bool = False) -> Proxy:
    user, password = (USER, PASSWORD) if login else (None, None)
    return Proxy(scheme, server.host, server.port, user, password)


async def failure(
    handler: Handler, scheme: str = "http", *, login: bool = False
) -> NovaConsoleError:
    """The error for a proxy that behaves like this, checked for what holds for all."""
    with nothing_left():
        async with serving(handler) as server:
            proxy = proxy_at(server, scheme, login=login)
            with (
                trio.fail_after(AT_ONCE_SECONDS),
                pytest.raises(ConnectError) as caught,
            ):
                await connect_through(proxy, TARGET)
    error = caught.value
    assert proxy.address in str(error)
    assert error.hint
    for text in (str(error), error.hint, repr(error)):
        assert PASSWORD not in text
        assert "token" not in text
        assert text.isprintable()
    return error


async def read(stream: trio.abc.Stream, max_bytes: int | None = None) -> bytes:
    """Everything up to the end."""
    data = b""
    with trio.fail_after(AT_ONCE_SECONDS):
        while piece := await stream.receive_some(max_bytes):
            data += piece
    return data


# ---- the request


@pytest.mark.parametrize(
    ("host", "address"),
    [("nova.example", b"nova.example"), ("[fd00::1]", b"[fd00::1]")],
)
async def test_the_request_has_no_superfluous_header(host: str, address: bytes) -> None:
    heads = []

    async def handler(stream: trio.abc.Stream) -> None:
        heads.append(await read_head(stream))
        await stream.send_all(OK)

    async with serving(handler) as server:
        target = Target.parse(f"wss://{host}/?token=secret")
        async with await connect_through(proxy_at(server), target):
            pass
    request = b"CONNECT %b:443 HTTP/1.1\r\nHost: %b:443\r\n\r\n" % (address, address)
    assert heads == [request]


@pytest.mark.parametrize(
    ("user", "password", "login"),
    [
        (USER, PASSWORD, f"{USER}:{PASSWORD}"),
        ("u", None, "u:"),
        ("", "p", ":p"),
        ("u" * 300, "p" * 300, "u" * 300 + ":" + "p" * 300),
    ],
)
async def test_the_login_is_basic_in_utf_8(
    user: str, password: str | None, login: str
) -> None:
    heads = []

    async def handler(stream: trio.abc.Stream) -> None:
        heads.append(await read_head(stream))
        await stream.send_all(OK)

    async with serving(handler) as server:
        proxy = Proxy("http", LOOPBACK, server.port, user, password)
        async with await connect_through(proxy, TARGET):
            pass
    scheme, _, coded = header(heads[0], "Proxy-Authorization").partition(" ")
    assert scheme == "Basic"
    assert b64decode(coded, validate=True).decode() == login


# ---- the tunnel


class Pieces(trio.abc.Stream):
    """A connection on which bytes come in these pieces, and then its end."""

    def __init__(self, pieces: Iterable[bytes], *, sends: bool = True) -> None:
        self._pieces = list(pieces)
        self._sends = sends
        self.sent = b""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > (max_bytes or len(piece)):
            self._pieces.insert(0, piece[max_bytes:])
        return piece[:max_bytes]

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        if not self._sends:
            raise trio.BrokenResourceError
        self.sent += data

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def through(pieces: Iterable[bytes], max_bytes: int | None = None) -> bytes | str:
    """The bytes from the tunnel, or the error about the proxy."""

    async def main() -> bytes | str:
        try:
            stream = await open_tunnel(Pieces(pieces), TARGET, PROXY)
        except ConnectError as exc:
            return f"{exc}: {exc.hint}"
        return await read(stream, max_bytes)

    return trio.run(main)


HEADS = [
    OK,
    b"HTTP/1.0 200 OK\r\n\r\n",
    b"HTTP/1.1 200\r\n\r\n",
    b"HTTP/1.1 200 OK\nVia: x\n\n",
    b"HTTP/1.1 299 Why not\r\n\r\n",
    # RFC 9110 section 9.3.6: these headers mean nothing in a response to CONNECT.
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
]


@pytest.mark.parametrize("head", HEADS)
def test_a_tunnel_loses_nothing(head: bytes) -> None:
    for cuts in ways_to_cut(head + EARLY):
        assert through(cut(head + EARLY, cuts)) == EARLY
    assert through([head]) == b""


REFUSALS = [
    b"HTTP/1.1 403 Filtered\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\nX: y\r\n\r\n<html>",
    b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
    b"HTTP/1.1 two OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\r\n",
    b"HTTQ/1.1 200 OK\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HT",
    b"\x05\xff",
]


@pytest.mark.parametrize("data", REFUSALS)
def test_the_error_for_a_refusal_does_not_depend_on_the_pieces(data: bytes) -> None:
    error = through([data])
    assert isinstance(error, str)
    for cuts in ways_to_cut(data):
        assert through(cut(data, cuts)) == error


@thorough
@given(
    st.sampled_from(HEADS),
    st.binary(max_size=300),
    CUTS,
    st.none() | st.integers(1, 9),
)
def test_the_bytes_of_a_tunnel_do_not_depend_on_the_pieces(
    head: bytes, data: bytes, cuts: list[int], max_bytes: int | None
) -> None:
    assert through(cut(head + data, cuts), max_bytes) == data


@thorough
@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda x: b"HTTP/1.1 " + x))
def test_any_answer_is_a_tunnel_or_a_connect_error(data: bytes) -> None:
    result = through([data])
    if isinstance(result, str):
        assert result.isprintable()
    else:
        assert data.endswith(result)


async def test_a_refusal_is_read_although_the_request_could_not_be_sent() -> None:
    refusal = Pieces([b"HTTP/1.1 403 No\r\n\r\n"], sends=False)
    with pytest.raises(ConnectError, match="does not allow"):
        await open_tunnel(refusal, TARGET, PROXY)


async def test_a_failed_tunnel_leaves_the_stream_to_the_caller() -> None:
    with nothing_left():
        async with serving(answer(b"HTTP/1.1 403 No\r\n\r\n", stay=True)) as server:
            stream = await trio.open_tcp_stream(LOOPBACK, server.port)
            async with stream:
                with pytest.raises(ConnectError):
                    await open_tunnel(stream, TARGET, PROXY)
                await stream.send_all(b"still open")


@pytest.mark.parametrize("max_bytes", [None, 1, 7])
async def test_bytes_that_follow_the_head_are_not_lost(max_bytes: int | None) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await read_head(stream)
        await stream.send_all(OK + EARLY)
        await stream.send_all(b" and " + await stream.receive_some())

    with nothing_left():
        async with (
            serving(handler) as server,
            await connect_through(proxy_at(server), TARGET) as stream,
        ):
            await stream.wait_send_all_might_not_block()
            await stream.send_all(b"back")
            assert await read(stream, max_bytes) == EARLY + b" and back"


async def test_a_cancelled_receive_loses_no_bytes() -> None:
    async with (
        serving(answer(OK + EARLY)) as server,
        await connect_through(proxy_at(server), TARGET) as stream,
    ):
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.receive_some()
        assert scope.cancelled_caught
        assert await read(stream) == EARLY


async def test_a_closed_tunnel_raises_closed_resource_error() -> None:
    async with serving(answer(OK + EARLY)) as server:
        stream = await connect_through(proxy_at(server), TARGET)
        await stream.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some()


@pytest.mark.parametrize("ahead", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_tls_works_in_the_tunnel(
    certificates: Certificates, ahead: bytes
) -> None:
    context = certificates.server_context(certificates.good)

    async def handler(stream: trio.abc.Stream) -> None:
        assert isinstance(stream, trio.SocketStream)
        await read_head(stream)
        await stream.send_all(ahead + OK)
        async with tls_server(stream, context) as inner:
            async for data in inner:
                await inner.send_all(data)

    with nothing_left():
        async with serving(handler) as server:
            tunnel = await connect_through(proxy_at(server), TARGET)
            trusting = ssl.create_default_context(cafile=certificates.cacert)
            async with trio.SSLStream(
                tunnel, trusting, server_hostname=LOOPBACK, https_compatible=True
            ) as stream:
                await stream.send_all(b"hello")
                with trio.fail_after(AT_ONCE_SECONDS):
                    assert await stream.receive_some() == b"hello"


# ---- errors


def status(line: str) -> Handler:
    """Refuse and stay connected, so that waiting for the end would be noticed."""
    return answer(f"HTTP/1.1 {line}\r\n\r\n".encode("latin-1"), stay=True)


@pytest.mark.parametrize(
    ("line", "login", "message", "hint"),
    [
        (
            "407 X",
            False,
            "requires a user and a password",
            "http://USER:PASSWORD@HOST:P",
        ),
        (
            "401 X",
            False,
            "requires a user and a password",
            "http://USER:PASSWORD@HOST:P",
        ),
        ("407 X", True, "rejected the user and password", "only Basic"),
        ("401 X", True, "rejected the user and password", "only Basic"),
        ("403 Filtered", False, "allow connections to nova.example:6083: 403 F", "443"),
        (
            "500 X",
            False,
            "could not reach nova.example:6083: 500 X",
            "check that the proxy",
        ),
        (
            "502 X",
            False,
            "could not reach nova.example:6083: 502 X",
            "check that the proxy",
        ),
        (
            "503 X",
            False,
            "could not reach nova.example:6083: 503 X",
            "check that the proxy",
        ),
        (
            "504",
            False,
            "could not reach nova.example:6083: 504",
            "check that the proxy",
        ),
        ("405 No", False, "answered 405 No instead of opening a tunnel", "CONNECT"),
        (
            "302 Found",
            False,
            "answered 302 Found instead of opening a tunnel",
            "CONNECT",
        ),
        ("418 a\x9bb", False, r"answered 418 a\x9bb instead", "CONNECT"),
        ("101 Switching", False, "does not speak HTTP", "socks5://"),
        ("abc", False, "does not speak HTTP", "socks5://"),
        ("418 \x1b[31m", False, r"answered 418 \x1b[31m instead", "CONNECT"),
    ],
)
async def test_each_refusal_has_a_message_and_a_hint(
    line: str, login: bool, message: str, hint: str
) -> None:
    error = await failure(status(line), login=login)
    assert message in str(error)
    assert hint in (error.hint or "")


@pytest.mark.parametrize("data", [b"SSH-2.0-x\r\n", b"\x05\xff", b"220 m ESMTP\r\n"])
async def test_another_protocol_is_an_error_at_once(data: bytes) -> None:
    assert "does not speak HTTP" in str(await failure(answer(data, stay=True)))


async def reset(stream: trio.abc.Stream) -> None:
    assert isinstance(stream, trio.SocketStream)
    await read_head(stream)
    reset_when_closed(stream)


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(close_at_once, id="at once"),
        pytest.param(close_after_request, id="after the request"),
        pytest.param(reset, id="reset"),
        pytest.param(answer(b"HTTP/1.1 20"), id="in the status line"),
        pytest.param(answer(b"HTTP/1.1 200 OK\r\nX: y\r\n"), id="in the head"),
    ],
)
async def test_a_closed_connection_is_an_error_of_its_own(handler: Handler) -> None:
    error = await failure(handler)
    assert "closed the connection before it answered" in str(error)
    assert "socks5://" in (error.hint or "")


async def test_an_endless_response_is_an_error() -> None:
    error = await failure(answer_for_ever(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 99))
    assert "is too long" in str(error)


# ---- connecting to the proxy


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
async def test_a_proxy_that_is_not_running_is_a_connect_error(scheme: str) -> None:
    port = refused_port()
    with nothing_left(), pytest.raises(ConnectError) as caught:
        await connect_through(Proxy(scheme, LOOPBACK, port, USER[0], "p"), TARGET)
    where = f"{LOOPBACK}:{port}"
    message = f"cannot connect to the proxy {where}: connection refused"
    assert str(caught.value) == message
    hint = "check that the proxy is running, or connect without it: --proxy ''"
    assert caught.value.hint == hint


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_name_that_does_not_resolve_is_a_connect_error(
    scheme: str,
) -> None:
    """The name is too long, so that no DNS server is asked."""
    host = ".".join(["a" * 63] * 5)
    with nothing_left(), pytest.raises(ConnectError) as caught:
        await connect_through(Proxy(scheme, host, 1), TARGET)
    assert str(caught.value).startswith(f"cannot connect to the proxy {host}:1: ")
    assert "--proxy ''" in (caught.value.hint or "")


def test_of_several_causes_the_first_is_named() -> None:
    """Trio wraps them like this if a name has several addresses."""
    lost = OSError(errno.EHOSTUNREACH, "Error connecting to ('10.0.0.1', 1): …")
    exc = OSError("all attempts to connect to h:1 failed")
    exc.__cause__ = ExceptionGroup("several", [ExceptionGroup("more", [lost])])
    error = unreachable(Proxy("http", "h", 1), exc)
    words = os.strerror(errno.EHOSTUNREACH).lower()
    assert str(error) == f"cannot connect to the proxy h:1: {words}"
    bare = unreachable(Proxy("http", "h", 1), OSError("nothing known"))
    assert str(bare) == "cannot connect to the proxy h:1: nothing known"


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_cancelling_while_the_proxy_is_silent_leaves_nothing_open(
    scheme: str,
) -> None:
    asked = trio.Event()

    async def handler(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        asked.set()
        await mute(stream)

    with nothing_left():
        async with serving(handler) as server, trio.open_nursery() as nursery:

            async def cancel_when_asked() -> None:
                await asked.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(cancel_when_asked)
            with trio.fail_after(AT_ONCE_SECONDS):
                await connect_through(proxy_at(server, scheme), TARGET)
    assert nursery.cancel_scope.cancelled_caught


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_cancelling_while_tcp_connects_leaves_nothing_open(scheme: str) -> None:
    with full_backlog() as port, nothing_left():
        with trio.move_on_after(0.05) as scope:
            await connect_through(Proxy(scheme, LOOPBACK, port), TARGET)
        assert scope.cancelled_caught
