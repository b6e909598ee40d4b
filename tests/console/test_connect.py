"""From a target to an open link: everything that goes wrong on the way is one error."""

import logging
import socket
import traceback
from pathlib import Path

import pytest
import trio

from novaconsole.console.connect import ConnectOptions, ConsoleAddress, connect
from novaconsole.errors import ConnectError, HandshakeFailed, UsageError
from novaconsole.network.target import Target, TLSOptions
from novaconsole.websocket.close import CloseReason
from support.certificates import Certificates
from support.frames import acceptance, header
from support.servers import (
    AT_ONCE_SECONDS,
    LOOPBACK,
    TOKEN,
    Handler,
    Peer,
    PeerServer,
    Server,
    answer,
    answer_for_ever,
    background,
    close_after_request,
    close_at_once,
    full_backlog,
    mute,
    nothing_left,
    read_head,
    refused_port,
    serving,
    serving_peers,
    tls_server,
    upgrade_and_answer_close,
)

NO_TLS = TLSOptions()
DEFAULTS = ConnectOptions()
# What is judged at once must not need it; what hangs would.
LONG_SECONDS = 30.0
SHORT_SECONDS = 0.3

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
HAPROXY_503 = (
    b"HTTP/1.0 503 Service Unavailable\r\ncache-control: no-cache\r\n"
    b"content-type: text/html\r\n\r\n<html><body><h1>503 Service Unavailable</h1>\n"
    b"No server is available to handle this request.\n</body></html>\n"
)


async def failure(
    caplog: pytest.LogCaptureFixture,
    target: Target,
    tls: TLSOptions = NO_TLS,
    *,
    timeout: float = LONG_SECONDS,
) -> ConnectError:
    """The error of a connection that must fail: one, with advice, without the token."""
    caplog.set_level(logging.DEBUG)
    address = ConsoleAddress(target, tls)
    with trio.fail_after(AT_ONCE_SECONDS), pytest.raises(ConnectError) as caught:
        async with connect(address, ConnectOptions(timeout)):
            pass
    error = caught.value
    assert error.exit_status == 1
    assert error.hint
    for text in (str(error), error.hint):
        assert "\n" not in text
    for text in (
        str(error),
        error.hint,
        repr(error),
        "".join(traceback.format_exception(error)),
        caplog.text,
    ):
        assert TOKEN not in text
    return error


async def check_open(
    server: PeerServer,
    target: Target,
    tls: TLSOptions = NO_TLS,
    options: ConnectOptions = DEFAULTS,
) -> Peer:
    """A connection that must work, from the upgrade to the goodbye."""
    async with (
        background() as nursery,
        connect(ConsoleAddress(target, tls), options) as connection,
    ):
        peer = await server.next_peer()
        await connection.send(b"x")
        assert await peer.receive_bytes(1) == b"x"
        nursery.start_soon(peer.answer_close)
    return peer


# ---- what answers is no websocket


@pytest.mark.parametrize(
    ("handler", "message", "hint", "status"),
    [
        pytest.param(close_at_once, "closed the connection", "", None, id="closes"),
        pytest.param(
            close_after_request, "closed the connection", "", None, id="closes later"
        ),
        pytest.param(
            answer(b"HTTP/1.1 101 Swi"), "closed the connection", "", None, id="half"
        ),
        pytest.param(
            answer(HAPROXY_503), "503 Service Unavailable", "down", 503, id="503"
        ),
        pytest.param(
            answer(HAPROXY_503, stay=True), "503 Service", "down", 503, id="503 stays"
        ),
        pytest.param(
            answer(b"HTTP/1.0 503 Service Unavailable\r\n"),
            "503 Service Unavailable",
            "down",
            503,
            id="503 without an end",
        ),
        pytest.param(
            answer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
            "403 Forbidden",
            "forbids",
            403,
            id="403",
        ),
        pytest.param(
            answer(b"HTTP/1.1 403 Forbidden\r\n\r\n", stay=True),
            "403 Forbidden",
            "forbids",
            403,
            id="403 stays",
        ),
        pytest.param(
            answer(b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n"),
            "responded 404 instead",
            "another service",
            404,
            id="404 without words",
        ),
        pytest.param(
            answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", stay=True),
            "200 OK",
            "",
            200,
            id="web page",
        ),
        pytest.param(
            answer(b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", stay=True),
            "302 Found",
            "",
            302,
            id="redirect",
        ),
        pytest.param(
            answer(b"HTTP/1.1 500 Oops\r\n\r\n", stay=True),
            "500 Oops",
            "",
            500,
            id="500",
        ),
        pytest.param(
            answer(b"SSH-2.0-OpenSSH_9.9\r\n", stay=True),
            "does not speak HTTP",
            "port",
            None,
            id="ssh",
        ),
        pytest.param(
            answer(b"\x00\xff\x1b[2J" * 9, stay=True),
            "does not speak HTTP",
            "port",
            None,
            id="garbage",
        ),
        pytest.param(
            answer(b"HTTP/1.1 later\r\n\r\n", stay=True),
            "not HTTP",
            "",
            None,
            id="garbage after HTTP/",
        ),
        pytest.param(
            answer(b"HTTP/1.1 404 \x1b[2J\x07gone\r\n\r\n"),
            r"404 \x1b[2J\x07gone",
            "",
            404,
            id="control characters",
        ),
        pytest.param(
            answer_for_ever(b"HTTP/1.1 101 Switching Protocols\r\n", b"X: y\r\n" * 99),
            "too long",
            "",
            None,
            id="endless head",
        ),
        pytest.param(
            answer_for_ever(b"HTTP/1.1 101 ", b"a" * 999),
            "too long",
            "",
            None,
            id="endless status line",
        ),
    ],
)
async def test_an_answer_that_is_no_websocket_is_told_at_once(
    handler: Handler,
    message: str,
    hint: str,
    status: int | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with nothing_left():
        async with serving(handler) as server:
            error = await failure(caplog, server.target())
    assert isinstance(error, HandshakeFailed)
    assert message in str(error)
    assert hint in (error.hint or "")
    assert error.status == status
    assert server.connections == 1


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(b"Upgrade: websocket\r\nConnection: Upgrade\r\n", id="no accept"),
        pytest.param(
            b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
            id="wrong accept",
        ),
        pytest.param(b"", id="no upgrade"),
        pytest.param(b"Upgrade: h2c\r\nConnection: Upgrade\r\n", id="other upgrade"),
        pytest.param(b"not a header\r\n", id="bad header"),
    ],
)
async def test_an_acceptance_that_is_not_valid_is_told_at_once(
    extra: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    data = b"HTTP/1.1 101 Switching Protocols\r\n" + extra + b"\r\n"
    with nothing_left():
        async with serving(answer(data, stay=True)) as server:
            error = await failure(caplog, server.target())
    assert isinstance(error, HandshakeFailed)
    assert "upgrade" in str(error)


async def test_a_mute_server_costs_the_timeout_and_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with nothing_left():
        async with serving(mute) as server:
            started = trio.current_time()
            error = await failure(caplog, server.target(), timeout=SHORT_SECONDS)
            assert trio.current_time() - started >= SHORT_SECONDS
    assert "did not answer the websocket upgrade in time" in str(error)
    assert "--connect-timeout" in (error.hint or "")


async def test_a_head_that_drips_does_not_outlast_the_timeout(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def drip(stream: trio.abc.Stream) -> None:
        await read_head(stream)
        await stream.send_all(b"HTTP/1.1 101 Switching Protocols\r\nX: ")
        while True:
            await stream.send_all(b"x")
            await trio.sleep(SHORT_SECONDS / 10)

    with nothing_left():
        async with serving(drip) as server:
            error = await failure(caplog, server.target(), timeout=SHORT_SECONDS)
    assert "in time" in str(error)


async def test_a_head_in_single_bytes_is_accepted() -> None:
    async def drip(stream: trio.abc.Stream) -> None:
        head = acceptance(await read_head(stream))
        for at in range(len(head)):
            await stream.send_all(head[at : at + 1])
        await Peer(stream).answer_close()

    async with (
        serving(drip) as server,
        connect(ConsoleAddress(server.target(), NO_TLS), DEFAULTS) as connection,
    ):
        pass
    assert connection.close_reason == CloseReason(1000)


# ---- subprotocol


def refuse_with_400(heads: list[bytes], times: int, then: Handler) -> Handler:
    """Answer 400 so many times, which is how a proxy refuses a subprotocol."""

    async def handler(stream: trio.abc.Stream) -> None:
        if len(heads) >= times:
            await then(stream)
            return
        heads.append(await read_head(stream))
        await stream.send_all(BAD_REQUEST)

    return handler


async def test_a_refused_subprotocol_is_tried_once_more_without() -> None:
    heads: list[bytes] = []
    with nothing_left():
        async with serving_peers() as peers:
            handler = refuse_with_400(heads, 1, peers.handle)
            async with serving(handler) as server:
                peer = await check_open(peers, server.target())
    assert server.connections == 2
    assert header(heads[0], "Sec-WebSocket-Protocol") == "binary"
    assert b"sec-websocket-protocol" not in peer.request.lower()


async def test_a_400_without_a_subprotocol_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heads: list[bytes] = []
    with nothing_left():
        async with serving(refuse_with_400(heads, 9, mute)) as server:
            error = await failure(caplog, server.target())
    assert isinstance(error, HandshakeFailed)
    assert error.status == 400
    offered = [header(head, "Sec-WebSocket-Protocol") for head in heads]
    assert offered == ["binary", ""]


@pytest.mark.parametrize("mute_in", ["TLS", "upgrade"])
async def test_both_tries_share_one_timeout(
    mute_in: str, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """The first takes almost all of it, and the other does not answer."""
    context = certificates.server_context(certificates.good)
    timeout = 2.0
    heads: list[bytes] = []

    async def handler(tcp: trio.abc.Stream) -> None:
        if heads and mute_in == "TLS":
            await mute(tcp)
        assert isinstance(tcp, trio.SocketStream)
        stream = tls_server(tcp, context)
        heads.append(await read_head(stream))
        if len(heads) == 1:
            await trio.sleep(timeout * 0.8)
            await stream.send_all(BAD_REQUEST)
        await mute(stream)

    with nothing_left():
        async with serving(handler) as server:
            started = trio.current_time()
            target = server.target("wss")
            tls = TLSOptions(certificates.cacert)
            await failure(caplog, target, tls, timeout=timeout)
            assert server.connections == 2
            # With a timeout each, the second try alone would take all of one.
            assert timeout <= trio.current_time() - started < timeout * 1.8


@pytest.mark.parametrize("subprotocols", [(), ("binary",), ("binary", "base64")])
async def test_subprotocols_and_headers_are_sent_as_asked(
    subprotocols: tuple[str, ...],
) -> None:
    options = ConnectOptions(
        subprotocols=subprotocols, headers=[(b"Origin", b"https://cloud.invalid")]
    )
    async with serving_peers() as server:
        peer = await check_open(server, server.target(), options=options)
    offered = header(peer.request, "Sec-WebSocket-Protocol")
    assert offered == ", ".join(subprotocols)
    assert header(peer.request, "Origin") == "https://cloud.invalid"


async def test_no_second_try_where_no_subprotocol_was_offered() -> None:
    heads: list[bytes] = []
    async with serving(refuse_with_400(heads, 9, mute)) as server:
        address = ConsoleAddress(server.target(), NO_TLS)
        with pytest.raises(HandshakeFailed):
            async with connect(address, ConnectOptions(subprotocols=())):
                pass
    assert len(heads) == 1


# ---- TCP and names


async def test_a_refused_port(caplog: pytest.LogCaptureFixture) -> None:
    port = refused_port()
    with nothing_left():
        error = await failure(caplog, Server(LOOPBACK, port).target())
    assert str(error) == f"cannot connect to 127.0.0.1:{port}: connection refused"
    assert "nova-serialproxy" in (error.hint or "")


async def test_no_route(caplog: pytest.LogCaptureFixture) -> None:
    """To a broadcast address there is no TCP; the one of loopback stays on loopback."""
    with nothing_left():
        error = await failure(caplog, Server("127.255.255.255", 6083).target())
    words = "cannot connect to 127.255.255.255:6083: network is unreachable"
    assert str(error) == words
    assert "route" in (error.hint or "")


@pytest.mark.parametrize("name", ["name.invalid", "no..such", f"{'x' * 64}.invalid"])
async def test_a_name_that_does_not_resolve(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with nothing_left():
        error = await failure(caplog, Server(name, 6083).target())
    assert f"the name {name} cannot be resolved" in str(error)
    assert "DNS" in (error.hint or "")


async def test_tcp_that_does_not_answer_costs_the_timeout(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with full_backlog() as port, nothing_left():
        target = Server(LOOPBACK, port).target()
        error = await failure(caplog, target, timeout=SHORT_SECONDS)
    assert f"no answer from 127.0.0.1:{port} within 0.3 seconds" == str(error)
    assert "route" in (error.hint or "")


# ---- TLS


@pytest.mark.parametrize(
    ("certificate", "host", "message", "hint"),
    [
        ("untrusted", LOOPBACK, "is not trusted: it is from an unknown", "--cacert"),
        ("expired", LOOPBACK, "has expired", "--insecure"),
        ("not_yet_valid", LOOPBACK, "is not valid yet", "clock"),
        (
            "wrong_host",
            LOOPBACK,
            "is not valid for 127.0.0.1",
            "is not in the certificate",
        ),
        (
            "wrong_host",
            "localhost",
            "is not valid for localhost",
            "is not in the certificate",
        ),
    ],
)
async def test_a_bad_certificate(
    certificate: str,
    host: str,
    message: str,
    hint: str,
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
) -> None:
    context = certificates.server_context(getattr(certificates, certificate))
    with nothing_left():
        async with serving(mute, tls=context) as server:
            error = await failure(
                caplog, server.target("wss", host), TLSOptions(certificates.cacert)
            )
    assert message in str(error)
    assert hint in (error.hint or "")
    assert type(error) is ConnectError


@pytest.mark.parametrize(
    "certificate", ["untrusted", "expired", "not_yet_valid", "wrong_host"]
)
async def test_insecure_takes_any_certificate(
    certificate: str, certificates: Certificates
) -> None:
    context = certificates.server_context(getattr(certificates, certificate))
    options = TLSOptions(insecure=True)
    with nothing_left():
        async with serving_peers(tls=context) as server:
            await check_open(server, server.target("wss"), options)


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.9\r\n"]
)
async def test_a_plain_server_where_tls_is_asked(
    data: bytes, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async def speak_plainly(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(data)
        await mute(stream)

    with nothing_left():
        async with serving(speak_plainly) as server:
            error = await failure(
                caplog, server.target("wss"), TLSOptions(certificates.cacert)
            )
    assert f"127.0.0.1:{server.port} does not speak TLS" == str(error)
    assert "ws://" in (error.hint or "")


async def test_a_server_that_closes_where_tls_is_asked(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """What nova-serialproxy without a certificate does."""

    async def read_and_close(stream: trio.abc.Stream) -> None:
        await stream.receive_some()

    with nothing_left():
        async with serving(read_and_close) as server:
            error = await failure(
                caplog, server.target("wss"), TLSOptions(certificates.cacert)
            )
    assert "the TLS handshake" in str(error)
    assert "ws://" in (error.hint or "")


async def test_a_tls_server_where_none_is_asked(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    context = certificates.server_context(certificates.good)
    with nothing_left():
        async with serving(mute, tls=context) as server:
            error = await failure(caplog, server.target("ws"))
    assert "wss://" in (error.hint or "")


async def test_a_server_mute_in_tls_costs_the_timeout(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with nothing_left():
        async with serving(mute) as server:
            error = await failure(
                caplog,
                server.target("wss"),
                TLSOptions(certificates.cacert),
                timeout=SHORT_SECONDS,
            )
    assert "no answer from" in str(error)


async def test_a_server_that_wants_a_certificate_of_ours_gets_it(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    options = TLSOptions(
        certificates.cacert, certificates.client_cert, certificates.client_key
    )
    with nothing_left():
        async with serving_peers(tls=certificates.demanding_context()) as server:
            target = server.target("wss")
            await failure(caplog, target, TLSOptions(certificates.cacert))
            await check_open(server, target, options)


async def test_a_good_certificate_is_found_good_by_name_and_by_address(
    certificates: Certificates,
) -> None:
    context = certificates.server_context(certificates.good)
    options = TLSOptions(certificates.cacert)
    with nothing_left():
        async with serving_peers(tls=context) as server:
            for host in (LOOPBACK, "localhost"):
                await check_open(server, server.target("wss", host), options)


async def test_a_file_that_is_no_certificate_is_found_before_connecting(
    tmp_path: Path,
) -> None:
    no_pem = tmp_path / "no.pem"
    no_pem.write_text("-----BEGIN NOTHING-----")
    async with serving(mute) as server:
        with pytest.raises(UsageError, match="--cacert"):
            async with connect(
                ConsoleAddress(server.target("wss"), TLSOptions(no_pem)), DEFAULTS
            ):
                pass
        assert server.connections == 0


# ---- IPv6


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine's loopback")
@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_an_ipv6_address(scheme: str, certificates: Certificates) -> None:
    """In brackets in the Host header (RFC 9110), without them in the certificate."""
    secure = scheme == "wss"
    context = certificates.server_context(certificates.good) if secure else None
    with nothing_left():
        async with serving_peers(host="::1", tls=context) as server:
            target = server.target(scheme)
            peer = await check_open(server, target, TLSOptions(certificates.cacert))
    assert header(peer.request, "Host") == f"[::1]:{server.port}"


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine's loopback")
async def test_a_refused_port_at_an_ipv6_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket(socket.AF_INET6) as unused:
        unused.bind(("::1", 0))
        port = unused.getsockname()[1]
    error = await failure(caplog, Server("::1", port).target())
    assert str(error) == f"cannot connect to [::1]:{port}: connection refused"


# ---- the request, and leaving early


async def test_the_request_says_host_and_token() -> None:
    async with serving_peers() as server:
        peer = await check_open(server, server.target())
    assert peer.request.startswith(b"GET /?token=%b HTTP/1.1\r\n" % TOKEN.encode())
    assert header(peer.request, "Host") == f"127.0.0.1:{server.port}"
    assert header(peer.request, "Origin") == ""


@pytest.mark.parametrize("where", ["TCP", "TLS", "upgrade"])
async def test_cancelled_while_connecting(
    where: str, certificates: Certificates
) -> None:
    """Nothing hangs and the socket is closed, wherever it happens."""
    scheme = "wss" if where == "TLS" else "ws"
    with full_backlog() as port, nothing_left():
        async with serving(mute) as server:
            if where == "TCP":
                server.port = port
            target = server.target(scheme)
            options = ConnectOptions(LONG_SECONDS)
            started = trio.current_time()
            with trio.move_on_after(SHORT_SECONDS) as scope:
                async with connect(
                    ConsoleAddress(target, TLSOptions(certificates.cacert)), options
                ):
                    pass
            assert scope.cancelled_caught
            assert trio.current_time() - started < AT_ONCE_SECONDS


@pytest.mark.parametrize(
    "error",
    [
        ValueError("of the caller"),
        HandshakeFailed("of the caller", status=400),
        trio.TooSlowError("of the caller"),
        trio.BrokenResourceError("of the caller"),
        ExceptionGroup("of the caller", [ValueError()]),
        KeyboardInterrupt("of the caller"),
        SystemExit(4),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_of_the_caller_comes_out_as_it_is(error: BaseException) -> None:
    with nothing_left():
        async with serving(upgrade_and_answer_close) as server:
            with pytest.raises(type(error)) as caught:
                async with connect(ConsoleAddress(server.target(), NO_TLS), DEFAULTS):
                    raise error
    assert caught.value is error
    assert server.connections == 1
