"""From a target to an open link: TCP, TLS and upgrade within one deadline."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import trio

from novaconsole.errors import ConnectError, HandshakeFailed
from novaconsole.link import SUBPROTOCOLS, Link, open_link
from novaconsole.target import Target, TLSOptions
from novaconsole.transport import open_stream

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConnectOptions:
    """How to reach a websocket.

    Attributes:
        timeout: seconds for TCP, TLS and upgrade together.
        keepalive: seconds between pings; 0 for none.
        subprotocols: to offer.
        headers: to send with the upgrade; may hold secrets.
    """

    timeout: float = 10
    keepalive: float = 20
    subprotocols: Sequence[str] = SUBPROTOCOLS
    headers: Sequence[tuple[bytes, bytes]] = ()


@asynccontextmanager
async def open_console(
    target: Target, tls: TLSOptions, options: ConnectOptions
) -> AsyncIterator[Link]:
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

    async def enter_link(stack: AsyncExitStack, subprotocols: Sequence[str]) -> Link:
        try:
            with trio.fail_at(deadline):
                stream = await open_stream(target, tls)
        except trio.TooSlowError:
            raise ConnectError(
                f"no answer from {target.address} within {options.timeout:g} seconds",
                "is a VPN or a route to the cloud missing, or a firewall in the way?",
            ) from None
        link = open_link(
            stream,
            target,
            deadline=deadline,
            subprotocols=subprotocols,
            headers=options.headers,
            keepalive=options.keepalive,
        )
        return await stack.enter_async_context(link)

    async with AsyncExitStack() as stack:
        try:
            link = await enter_link(stack, options.subprotocols)
        except HandshakeFailed as exc:
            if exc.status != 400 or not options.subprotocols:
                raise
            _log.debug("refused with 400: once more without a subprotocol")
            link = await enter_link(stack, ())
        yield link
