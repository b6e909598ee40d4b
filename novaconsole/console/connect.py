"""From a console's address to an open connection, within one deadline."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial

import trio

from novaconsole.errors import ConnectError, HandshakeFailed, in_words
from novaconsole.network.proxy import Proxy
from novaconsole.network.target import Target, TLSOptions
from novaconsole.network.tcp import SilentSendStream, limit_receive_buffer, open_tcp
from novaconsole.network.tls import start_tls, tls_context
from novaconsole.websocket.client import open_connection
from novaconsole.websocket.connection import SUBPROTOCOLS, Connection

_log = logging.getLogger(__name__)
_MISDIRECTED_HINT = (
    "ask the cloud's operator to set [serial_console] base_url: the URL names this "
    "machine, and the cloud is elsewhere"
)


@dataclass(frozen=True)
class ConnectOptions:
    """How to connect to a websocket.

    Attributes:
        timeout: seconds for TCP, TLS and upgrade together.
        keepalive: seconds between pings; 0 for none.
        subprotocols: to offer.
        headers: to send with the upgrade; may hold secrets.
        proxy: gives the proxy for a target, or None for a direct connection.
    """

    timeout: float = 10
    keepalive: float = 20
    subprotocols: Sequence[str] = SUBPROTOCOLS
    headers: Sequence[tuple[bytes, bytes]] = field(default=(), repr=False)
    proxy: Callable[[Target], Proxy | None] = lambda _: None


@dataclass(frozen=True)
class ConsoleAddress:
    """Where a console is now.

    Attributes:
        target: its websocket.
        tls: how to check its certificate.
        is_misdirected: whether a cloud elsewhere names this machine as its proxy.
    """

    target: Target
    tls: TLSOptions
    is_misdirected: bool = False


@asynccontextmanager
async def connect(
    address: ConsoleAddress, options: ConnectOptions
) -> AsyncIterator[Connection]:
    """Connect to a serial console: TCP, TLS and upgrade within one deadline.

    Args:
        address: where the console is.
        options: how to connect.

    Raises:
        ConnectError: it cannot be reached, or not in time.
        UsageError: a file for TLS cannot be used.
    """
    async with AsyncExitStack() as stack:
        try:
            connection = await _open(stack, address, options)
        except ConnectError as exc:
            if not address.is_misdirected:
                raise
            raise ConnectError(
                str(exc), _MISDIRECTED_HINT, retryable=exc.retryable
            ) from exc
        yield connection


async def _open(
    stack: AsyncExitStack, address: ConsoleAddress, options: ConnectOptions
) -> Connection:
    target, tls = address.target, address.tls
    deadline = trio.current_time() + options.timeout
    with fail_at(deadline, target, options):
        stream = await open_stream(target, tls, options.proxy(target))
    return await upgrade(stack, stream, target, tls, options, deadline)


async def open_stream(
    target: Target, tls: TLSOptions, proxy: Proxy | None = None
) -> trio.abc.Stream:
    """Connect to the target, through a proxy if one is given, with TLS for `wss`.

    Raises:
        ConnectError: it cannot be reached.
        UsageError: a file for TLS or an extra for the proxy is missing.
    """
    context = tls_context(tls) if target.secure else None
    stream = await reach(target, proxy)
    return await start_tls(stream, target, context) if context else stream


async def reach(target: Target, proxy: Proxy | None) -> trio.abc.Stream:
    """Connect to the target, through a proxy if one is given, without TLS.

    Raises:
        ConnectError: it cannot be reached.
        UsageError: an extra for the proxy is missing.
    """
    if proxy is None:
        return SilentSendStream(await open_tcp(target))
    # Imported here, because few need it.
    from novaconsole.network.http_connect import connect_through

    return SilentSendStream(await connect_through(proxy, target))


@contextmanager
def fail_at(deadline: float, target: Target, options: ConnectOptions) -> Iterator[None]:
    """Limit the time for reaching the target.

    Args:
        deadline: on trio's clock.
        target: for the message.
        options: for the message.

    Raises:
        ConnectError: it took longer.
    """
    try:
        with trio.fail_at(deadline):
            yield
    except trio.TooSlowError:
        proxy = options.proxy(target)
        way = f" through the proxy {proxy.address}" if proxy else ""
        raise ConnectError(
            f"no answer from {target.address}{way} within {in_words(options.timeout)}",
            "check for a missing VPN or route to the cloud, or a firewall in between",
        ) from None


async def upgrade(
    stack: AsyncExitStack,
    stream: trio.abc.Stream,
    target: Target,
    tls: TLSOptions,
    options: ConnectOptions,
    deadline: float,
) -> Connection:
    """Make a stream a websocket.

    A server that refuses our subprotocols (400) is connected to once more, without
    any.

    Args:
        stack: closes the connection.
        stream: connected to the target; closed with the connection, or on failure.
        target: where it leads.
        tls: how to check its certificate, if there has to be a second connection.
        options: how to connect.
        deadline: on trio's clock.

    Raises:
        ConnectError: the server did not agree, or not in time.
    """

    async def enter(stream: trio.abc.Stream, subprotocols: Sequence[str]) -> Connection:
        connection = open_connection(
            stream,
            target,
            deadline=deadline,
            subprotocols=subprotocols,
            headers=options.headers,
            keepalive=options.keepalive,
            limit_inflow=partial(limit_receive_buffer, stream),
        )
        return await stack.enter_async_context(connection)

    try:
        return await enter(stream, options.subprotocols)
    except HandshakeFailed as exc:
        if exc.status != 400 or not options.subprotocols:
            raise
    _log.debug("refused with 400: trying again without a subprotocol")
    with fail_at(deadline, target, options):
        stream = await open_stream(target, tls, options.proxy(target))
    return await enter(stream, ())
