"""From a target to an open link: TCP, TLS and upgrade within one deadline."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial

import trio

from novaconsole.errors import ConnectError, HandshakeFailed
from novaconsole.network.proxy import Proxy
from novaconsole.network.target import Target, TLSOptions
from novaconsole.network.tcp import SilentSendStream, limit_receive_buffer, open_tcp
from novaconsole.network.tls import start_tls, tls_context
from novaconsole.websocket.client import open_connection
from novaconsole.websocket.connection import SUBPROTOCOLS, Connection

_log = logging.getLogger(__name__)
_MISLED_HINT = (
    "the cloud names this machine as its proxy, which it cannot mean: its operator "
    "must set [serial_console] base_url"
)


@dataclass(frozen=True)
class ConnectOptions:
    """How to reach a websocket.

    Attributes:
        timeout: seconds for TCP, TLS and upgrade together.
        keepalive: seconds between pings; 0 for none.
        subprotocols: to offer.
        headers: to send with the upgrade; may hold secrets.
        proxy: which proxy a target is reached through; None for none.
    """

    timeout: float = 10
    keepalive: float = 20
    subprotocols: Sequence[str] = SUBPROTOCOLS
    headers: Sequence[tuple[bytes, bytes]] = field(default=(), repr=False)
    proxy: Callable[[Target], Proxy | None] = lambda _: None


async def open_stream(
    target: Target, tls: TLSOptions, proxy: Proxy | None = None
) -> trio.abc.Stream:
    """TCP, by way of a proxy where there is one, and TLS where the target wants it.

    Raises:
        ConnectError: it cannot be reached.
        UsageError: a file for TLS or an extra for the proxy is missing.
    """
    context = tls_context(tls) if target.secure else None
    stream = await reach(target, proxy)
    return await start_tls(stream, target, context) if context else stream


async def reach(target: Target, proxy: Proxy | None) -> trio.abc.Stream:
    """TCP to the target, by way of a proxy where there is one.

    Raises:
        ConnectError: it cannot be reached.
        UsageError: an extra for the proxy is missing.
    """
    if proxy is None:
        return SilentSendStream(await open_tcp(target))
    # Here, for few need it.
    from novaconsole.network.http_connect import connect_through

    return SilentSendStream(await connect_through(proxy, target))


@contextmanager
def fail_at(deadline: float, target: Target, options: ConnectOptions) -> Iterator[None]:
    """Limit how long it takes to reach the target.

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
        way = f" by way of the proxy {proxy.address}" if proxy else ""
        raise ConnectError(
            f"no answer from {target.address}{way} within {options.timeout:g} seconds",
            "is a VPN or a route to the cloud missing, or a firewall in the way?",
        ) from None


@asynccontextmanager
async def open_console(
    target: Target, tls: TLSOptions, options: ConnectOptions
) -> AsyncIterator[Connection]:
    """Connect to a serial console.

    Args:
        target: where it is.
        tls: how to trust it, where it is `wss`.
        options: how to reach it.

    Raises:
        ConnectError: it cannot be reached, or not in time.
        UsageError: a file for TLS cannot be used.
    """
    deadline = trio.current_time() + options.timeout
    async with AsyncExitStack() as stack:
        with fail_at(deadline, target, options):
            stream = await open_stream(target, tls, options.proxy(target))
        yield await upgrade(stack, stream, target, tls, options, deadline)


async def upgrade(
    stack: AsyncExitStack,
    stream: trio.abc.Stream,
    target: Target,
    tls: TLSOptions,
    options: ConnectOptions,
    deadline: float,
) -> Connection:
    """Make a stream a websocket; another one, where it refuses our subprotocols.

    Args:
        stack: the link is closed with it.
        stream: connected to the target; closed with the link, or on failure.
        target: where it leads.
        tls: how to trust it, should it have to be connected to once more.
        options: how to reach it.
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
    _log.debug("refused with 400: once more without a subprotocol")
    with fail_at(deadline, target, options):
        stream = await open_stream(target, tls, options.proxy(target))
    return await enter(stream, ())


@dataclass(frozen=True)
class ConsoleAddress:
    """A console that can be connected to now.

    Attributes:
        target: its websocket.
        tls: how to trust it.
        misled: whether a cloud elsewhere names this machine, which it cannot mean.
    """

    target: Target
    tls: TLSOptions
    misled: bool = False


@asynccontextmanager
async def open_destination(
    destination: ConsoleAddress, options: ConnectOptions
) -> AsyncIterator[Connection]:
    """Connect to a console that has been located.

    Raises:
        ConnectError: it cannot be reached, or not in time.
        UsageError: a file for TLS cannot be used.
    """
    async with AsyncExitStack() as stack:
        console = open_console(destination.target, destination.tls, options)
        try:
            connection = await stack.enter_async_context(console)
        except ConnectError as exc:
            if not destination.misled:
                raise
            raise ConnectError(str(exc), _MISLED_HINT, retryable=exc.retryable) from exc
        yield connection
