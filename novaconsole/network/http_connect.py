"""Connect through a proxy: HTTP CONNECT (RFC 9110 section 9.3.6), or SOCKS.

TLS to the target, if it uses TLS, comes on top.  Deadlines are the caller's.
"""

import base64
import logging
from contextlib import suppress

import h11
import trio

from novaconsole.errors import ConnectError
from novaconsole.network.address import shown_location
from novaconsole.network.proxy import Proxy
from novaconsole.network.proxy_errors import (
    WITHOUT_PROXY,
    closed_early,
    forbidden,
    login_rejected,
    login_required,
    target_unreachable,
    unreachable,
)
from novaconsole.network.socks import open_socks
from novaconsole.network.target import Target
from novaconsole.redaction import printable

_READ_BYTES = 4 * 1024
_MAX_HEAD_BYTES = 16 * 1024
_TOO_LONG = 431  # h11's hint for a head above the limit
_PREFIX = b"HTTP/"

_log = logging.getLogger(__name__)


async def connect_through(proxy: Proxy, target: Target) -> trio.abc.Stream:
    """Connect to the proxy, and through it to the target.

    When cancelled, nothing is left open.

    Args:
        proxy: the proxy, and how to log in there.
        target: what to connect to through it.

    Returns:
        A stream to the target, as if connected directly.

    Raises:
        ConnectError: the proxy cannot be reached, or does not connect to the target.
        UsageError: support for SOCKS is not installed, or SOCKS cannot carry the login.
    """
    if proxy.scheme != "http":
        return await open_socks(proxy, target)
    try:
        stream = await trio.open_tcp_stream(proxy.host, proxy.port)
    except OSError as exc:
        raise unreachable(proxy, exc) from exc
    try:
        return await open_tunnel(stream, target, proxy)
    except BaseException:  # a cancellation included
        await trio.aclose_forcefully(stream)
        raise


async def open_tunnel(
    stream: trio.abc.Stream, target: Target, proxy: Proxy
) -> trio.abc.Stream:
    """Ask an HTTP proxy for a tunnel to the target.

    Args:
        stream: connected to the proxy; still the caller's if this fails.
        target: where the tunnel leads to.
        proxy: how to log in, and its address for messages.

    Returns:
        The tunnel.  Closing it closes the stream.

    Raises:
        ConnectError: the proxy did not open a tunnel.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
    request = _request(connection, target, proxy)
    # A proxy may refuse without reading the request; its response can still be read.
    with suppress(trio.BrokenResourceError):
        await stream.send_all(request)
    response = await _receive_response(connection, stream, proxy)
    reason = bytes(response.reason).decode("latin-1")
    status = printable(f"{response.status_code} {reason}".strip())
    _log.debug("response of the proxy %s: %s", proxy.address, status)
    location = dict(response.headers).get(b"location")
    if 300 <= response.status_code < 400 and location:
        status += f", a redirect to {shown_location(location.decode('latin-1'))},"
    if not 200 <= response.status_code < 300:
        raise _refusal(response.status_code, status, target, proxy)
    prefix, _ = connection.trailing_data
    return _PrefixedStream(stream, prefix) if prefix else stream


def _request(connection: h11.Connection, target: Target, proxy: Proxy) -> bytes:
    headers = [("Host", target.address)]
    if proxy.user is not None:
        login = f"{proxy.user}:{proxy.password or ''}".encode(errors="surrogateescape")
        basic = base64.b64encode(login).decode("ascii")  # RFC 7617
        headers.append(("Proxy-Authorization", f"Basic {basic}"))
    request = h11.Request(method="CONNECT", target=target.address, headers=headers)
    data = connection.send(request)
    assert data is not None
    connection.send(h11.EndOfMessage())  # sends nothing, but changes the state
    return data


async def _receive_response(
    connection: h11.Connection, stream: trio.abc.Stream, proxy: Proxy
) -> h11.Response:
    """Receive the head of the final response.

    Raises:
        ConnectError: there was none.
    """
    start = b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as exc:
            if exc.error_status_hint == _TOO_LONG:
                raise ConnectError(
                    f"the response of the proxy {proxy.address} is too long",
                    f"check that it is an HTTP proxy, {WITHOUT_PROXY}",
                ) from exc
            raise _not_http(proxy) from exc
        if isinstance(event, h11.Response):
            return event
        if event is not h11.NEED_DATA:
            continue  # 1xx: the final response follows
        data = b""
        with suppress(trio.BrokenResourceError):
            data = bytes(await stream.receive_some(_READ_BYTES))
        if not data:  # h11 would call this a malformed response
            raise closed_early(
                proxy,
                "check that it is an HTTP proxy without TLS; for a SOCKS proxy, use "
                "socks5:// instead of http://",
            )
        # h11 would wait for the end of the head, which may never come.
        start = (start + data)[: len(_PREFIX)]
        if not _PREFIX.startswith(start):
            raise _not_http(proxy)
        connection.receive_data(data)


def _not_http(proxy: Proxy) -> ConnectError:
    return ConnectError(
        f"the proxy {proxy.address} does not speak HTTP",
        "check the port; for a SOCKS proxy, use socks5:// instead of http://",
    )


def _refusal(code: int, status: str, target: Target, proxy: Proxy) -> ConnectError:
    match code:
        case 401 | 407 if proxy.user is None:
            return login_required(proxy)
        case 401 | 407:
            return login_rejected(
                proxy, "check them; only Basic authentication is supported"
            )
        case 403:
            return forbidden(
                proxy,
                target,
                reason=status,
                hint="ask its operator, as it may only allow port 443",
            )
        case 500 | 502 | 503 | 504:
            return target_unreachable(proxy, target, status)
        case _:
            return ConnectError(
                f"the proxy {proxy.address} answered {status} "
                "instead of opening a tunnel",
                f"check that it is an HTTP proxy that allows CONNECT, {WITHOUT_PROXY}",
            )


class _PrefixedStream(trio.abc.Stream):
    """A stream whose first bytes have been read already, and are received first.

    Attributes:
        transport_stream: the stream below, named as in a TLS stream.
    """

    def __init__(self, stream: trio.abc.Stream, prefix: bytes) -> None:
        self.transport_stream = self._stream = stream
        self._prefix = prefix

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive some bytes; none at the end of the stream."""
        if not self._prefix:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()  # before taking bytes, so that none is lost
        data = self._prefix[:max_bytes]
        self._prefix = self._prefix[len(data) :]
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of the data."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the stream can take more data."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream, and drop what has not been received."""
        self._prefix = b""
        await self._stream.aclose()
