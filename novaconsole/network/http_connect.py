"""The way through a proxy: HTTP CONNECT (RFC 9110 section 9.3.6), or SOCKS.

TLS to the target, where it wants that, comes on top.  Deadlines are the caller's.
"""

import base64
import logging
from contextlib import suppress

import h11
import trio

from novaconsole.errors import ConnectError
from novaconsole.network.proxy import Proxy
from novaconsole.network.socks import open_socks, unreachable
from novaconsole.network.target import Target
from novaconsole.redaction import printable

_READ_BYTES = 4 * 1024
_MAX_HEAD_BYTES = 16 * 1024
_TOO_LONG = 431  # what h11 would have a server answer
_PREFIX = b"HTTP/"
_WITHOUT = "--proxy '' goes without one"

_log = logging.getLogger(__name__)


async def connect_through(proxy: Proxy, target: Target) -> trio.abc.Stream:
    """Connect to the proxy, and through it to the target.

    When cancelled, nothing is left open.

    Args:
        proxy: the proxy, and how to log in there.
        target: where to go from it.

    Returns:
        A stream to the target, as if connected directly.

    Raises:
        ConnectError: the proxy cannot be reached, or does not lead to the target.
        UsageError: SOCKS is wanted and not installed, or cannot carry the login.
    """
    if proxy.scheme != "http":
        return await open_socks(proxy, target)
    try:
        stream = await trio.open_tcp_stream(proxy.host, proxy.port)
    except OSError as exc:
        raise unreachable(proxy, exc) from exc
    try:
        return await open_tunnel(stream, target, proxy)
    except BaseException:  # a cancellation, too
        await trio.aclose_forcefully(stream)
        raise


async def open_tunnel(
    stream: trio.abc.Stream, target: Target, proxy: Proxy
) -> trio.abc.Stream:
    """Ask an HTTP proxy for a tunnel to the target.

    Args:
        stream: connected to the proxy; stays the caller's if this fails.
        target: where the tunnel shall lead.
        proxy: how to log in, and its name for messages.

    Returns:
        The tunnel.  Closing it closes the stream.

    Raises:
        ConnectError: the proxy does not give one.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
    request = _request(connection, target, proxy)
    # A proxy may refuse without reading; its answer is there all the same.
    with suppress(trio.BrokenResourceError):
        await stream.send_all(request)
    response = await _receive_response(connection, stream, proxy)
    reason = bytes(response.reason).decode("latin-1")
    status = printable(f"{response.status_code} {reason}".strip())
    _log.debug("answer of the proxy %s: %s", proxy.address, status)
    if not 200 <= response.status_code < 300:
        raise _refusal(response.status_code, status, target, proxy)
    ahead, _ = connection.trailing_data
    return _WithBytesAhead(stream, ahead) if ahead else stream


def _request(connection: h11.Connection, target: Target, proxy: Proxy) -> bytes:
    headers = [("Host", target.address)]
    if proxy.user is not None:
        login = f"{proxy.user}:{proxy.password or ''}".encode()
        basic = base64.b64encode(login).decode("ascii")  # RFC 7617
        headers.append(("Proxy-Authorization", f"Basic {basic}"))
    request = h11.Request(method="CONNECT", target=target.address, headers=headers)
    data = connection.send(request)
    assert data is not None
    connection.send(h11.EndOfMessage())  # nothing to send, but the state changes
    return data


async def _receive_response(
    connection: h11.Connection, stream: trio.abc.Stream, proxy: Proxy
) -> h11.Response:
    """The final answer, when its head is whole.

    Raises:
        ConnectError: there is none.
    """
    start = b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as exc:
            if exc.error_status_hint == _TOO_LONG:
                raise ConnectError(
                    f"the answer of the proxy {proxy.address} has no end",
                    f"is it an HTTP proxy? {_WITHOUT}",
                ) from exc
            raise _not_http(proxy) from exc
        if isinstance(event, h11.Response):
            return event
        if event is not h11.NEED_DATA:
            continue  # 1xx: the final one follows
        data = b""
        with suppress(trio.BrokenResourceError):
            data = bytes(await stream.receive_some(_READ_BYTES))
        if not data:  # h11 would call this a malformed answer
            raise ConnectError(
                f"the proxy {proxy.address} closed the connection before it answered",
                "is it an HTTP proxy, without TLS of its own? a SOCKS proxy wants "
                "socks5:// in place of http://",
            )
        # h11 would wait for the end of the head, which may never come.
        start = (start + data)[: len(_PREFIX)]
        if not _PREFIX.startswith(start):
            raise _not_http(proxy)
        connection.receive_data(data)


def _not_http(proxy: Proxy) -> ConnectError:
    return ConnectError(
        f"the proxy {proxy.address} does not speak HTTP",
        "check the port; a SOCKS proxy wants socks5:// in place of http://",
    )


def _refusal(code: int, status: str, target: Target, proxy: Proxy) -> ConnectError:
    address = proxy.address
    match code:
        case 401 | 407 if proxy.user is None:
            return ConnectError(
                f"the proxy {address} wants a user and a password",
                "give them in the proxy's URL: http://USER:PASSWORD@HOST:PORT",
            )
        case 401 | 407:
            return ConnectError(
                f"the proxy {address} does not accept user and password",
                "check them; of the ways to log in to a proxy, only Basic is supported",
            )
        case 403:
            return ConnectError(
                f"the proxy {address} does not allow connections to {target.address}: "
                f"{status}",
                f"it may allow port 443 only: ask who runs it; {_WITHOUT}",
            )
        case 500 | 502 | 503 | 504:
            return ConnectError(
                f"the proxy {address} could not reach {target.address}: {status}",
                f"does the proxy see the cloud's network? {_WITHOUT}",
            )
        case _:
            return ConnectError(
                f"the proxy {address} answered {status}, not with a tunnel",
                f"is it an HTTP proxy that allows CONNECT? {_WITHOUT}",
            )


class _WithBytesAhead(trio.abc.Stream):
    """A stream of which some bytes have been read already; they come first."""

    def __init__(self, stream: trio.abc.Stream, ahead: bytes) -> None:
        self.transport_stream = self._stream = stream
        self._ahead = ahead

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive; empty at the end."""
        if not self._ahead:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()  # before they are taken: none may be lost
        data = self._ahead[:max_bytes]
        self._ahead = self._ahead[len(data) :]
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream below."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream below."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """As the stream below."""
        self._ahead = b""
        await self._stream.aclose()
