"""SOCKS5 (RFC 1928): the tunnel, whatever the proxy answers, and what is left open."""

import sys

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.errors import ConnectError, UsageError
from novaconsole.network.http_connect import connect_through
from novaconsole.network.proxy import Proxy
from novaconsole.network.target import Target
from support.pieces import thorough
from support.servers import (
    AT_ONCE_SECONDS,
    LOOPBACK,
    Handler,
    Server,
    close_at_once,
    mute,
    nothing_left,
    serving,
)
from support.sockets import reset_when_closed

TARGET = Target.parse("ws://nova.example:6083/?token=5ec2e7-0f-this-te57")
EARLY = b"\x00\r\n\r\nHTTP/1.1 500 not a head any more\r\n\r\n\xff"


def proxy_at(server: Server, scheme: str = "socks5") -> Proxy:
    return Proxy(scheme, server.host, server.port)


async def read(stream: trio.abc.Stream) -> bytes:
    """Everything up to the end."""
    with trio.fail_after(AT_ONCE_SECONDS):
        return b"".join([data async for data in stream])


async def failure(handler: Handler) -> ConnectError:
    """The error for a proxy that behaves like this, checked for what holds for all."""
    with nothing_left():
        async with serving(handler) as server:
            proxy = proxy_at(server)
            with (
                trio.fail_after(AT_ONCE_SECONDS),
                pytest.raises(ConnectError) as caught,
            ):
                await connect_through(proxy, TARGET)
    error = caught.value
    assert proxy.address in str(error)
    assert error.hint
    for text in (str(error), error.hint, repr(error)):
        assert "token" not in text
        assert text.isprintable()
    return error


def socks(*answers: bytes, stay: bool = True) -> Handler:
    """Answer each message of the client with the next of these."""

    async def handler(stream: trio.abc.Stream) -> None:
        for data in answers:
            await stream.receive_some()
            await stream.send_all(data)
        if stay:
            await mute(stream)

    return handler


NO_LOGIN, GRANTED = b"\x05\x00", b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"


async def test_the_proxy_resolves_the_name_and_no_byte_is_lost() -> None:
    requests = []

    async def handler(stream: trio.abc.Stream) -> None:
        for data in (NO_LOGIN, GRANTED + EARLY):
            requests.append(bytes(await stream.receive_some()))
            await stream.send_all(data)

    for scheme in ("socks5", "socks5h"):
        requests.clear()
        with nothing_left():
            async with serving(handler) as server:
                proxy = proxy_at(server, scheme)
                async with await connect_through(proxy, TARGET) as stream:
                    assert await read(stream) == EARLY
        request = b"\x05\x01\x00\x03\x0cnova.example" + (6083).to_bytes(2, "big")
        assert requests == [b"\x05\x01\x00", request]


@pytest.mark.parametrize(
    ("answers", "login", "message", "hint"),
    [
        (
            [b"\x05\xff"],
            False,
            "requires a user and a password",
            "socks5://USER:PASSWORD",
        ),
        (
            [b"\x05\x02"],
            False,
            "requires a user and a password",
            "socks5://USER:PASSWORD",
        ),
        ([b"\x05\xff"], True, "rejected the user and password", "percent"),
        ([b"\x05\x02", b"\x01\x01"], True, "rejected the user and", "percent"),
        ([b"HTTP/1.1 400 \r\n\r\n"], False, "does not speak SOCKS5", "http://"),
        ([NO_LOGIN, b"\x04\x00\x00"], False, "does not speak SOCKS5", "http://"),
        (
            [NO_LOGIN, b"\x05\x00\x00\x03\x01\xff\x00\x50"],
            False,
            "does not speak SOCKS5",
            "http://",
        ),
    ],
)
async def test_a_failed_negotiation_has_a_message_and_a_hint(
    answers: list[bytes], login: bool, message: str, hint: str
) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await socks(*answers)(stream)

    with nothing_left():
        async with serving(handler) as server:
            user, password = ("user", "s3cr3t") if login else (None, None)
            proxy = Proxy("socks5", LOOPBACK, server.port, user, password)
            with (
                trio.fail_after(AT_ONCE_SECONDS),
                pytest.raises(ConnectError) as caught,
            ):
                await connect_through(proxy, TARGET)
    assert f"the proxy {proxy.address} {message}" in str(caught.value)
    assert hint in (caught.value.hint or "")
    assert "s3cr3t" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (1, "could not reach nova.example:6083: the proxy gave no reason"),
        (2, "does not allow connections to nova.example:6083"),
        (3, "could not reach nova.example:6083: network unreachable"),
        (4, "could not reach nova.example:6083: host unreachable"),
        (5, "could not reach nova.example:6083: connection refused"),
        (6, "could not reach nova.example:6083: time to live expired"),
        (7, "could not reach nova.example:6083: command not supported"),
        (8, "could not reach nova.example:6083: address type not supported"),
        (99, "does not speak SOCKS5"),
    ],
)
async def test_each_reply_code_has_words(code: int, message: str) -> None:
    reply = bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0])
    assert message in str(await failure(socks(NO_LOGIN, reply)))


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(close_at_once, id="at once"),
        pytest.param(socks(b"\x05", stay=False), id="in the first answer"),
        pytest.param(socks(NO_LOGIN, b"", stay=False), id="after the first"),
        pytest.param(socks(NO_LOGIN, b"\x05\x00", stay=False), id="in the second"),
    ],
)
async def test_a_proxy_that_closes_is_an_error_of_its_own(handler: Handler) -> None:
    error = await failure(handler)
    assert "closed the connection before it answered" in str(error)


async def test_a_proxy_that_resets_the_connection_is_an_error_of_its_own() -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        assert isinstance(stream, trio.SocketStream)
        await stream.receive_some()
        reset_when_closed(stream)

    error = await failure(handler)
    assert "closed the connection before it answered" in str(error)


@pytest.mark.parametrize(
    ("user", "password"),
    [("jörg", "s3cr3t"), ("u", "s3cr3t€"), ("u" * 256, "s3cr3t"), ("u", "s3cr3t" * 50)],
    ids=["the user", "the password", "a long user", "a long password"],
)
async def test_a_login_that_socks_cannot_carry_is_a_usage_error(
    user: str, password: str
) -> None:
    with pytest.raises(UsageError, match="ASCII") as caught:
        await connect_through(Proxy("socks5", LOOPBACK, 1, user, password), TARGET)
    assert "s3cr3t" not in str(caught.value)


@thorough
@given(
    st.lists(
        st.sampled_from([NO_LOGIN, b"\x05\x02", b"\x01\x00", GRANTED, GRANTED[:4]])
        | st.binary(max_size=30),
        min_size=1,
        max_size=3,
    )
)
def test_any_answer_is_a_tunnel_or_a_connect_error(
    answers: list[bytes],
) -> None:
    async def connect() -> None:
        async with serving(socks(b"".join(answers), stay=False)) as server:
            try:
                proxy = proxy_at(server)
                async with await connect_through(proxy, TARGET):
                    pass
            except ConnectError as exc:
                assert str(exc).isprintable()  # noqa: PT017 # or it is a tunnel

    trio.run(connect)


@pytest.mark.parametrize("host", ["a" * 64, ".".join(["a" * 63] * 5)])
async def test_a_name_that_socks_cannot_carry_is_a_connect_error(host: str) -> None:
    with pytest.raises(ConnectError, match="malformed"):
        await connect_through(Proxy("socks5", LOOPBACK, 1), Target(False, host, 1, "/"))


async def test_without_the_extra_socks_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        await connect_through(Proxy("socks5", LOOPBACK, 1), TARGET)
    assert "pip install 'novaconsole[socks]'" in str(caught.value.hint)
