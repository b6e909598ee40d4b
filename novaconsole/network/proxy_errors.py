"""The errors of connecting through a proxy that HTTP and SOCKS have in common."""

from novaconsole.errors import ConnectError
from novaconsole.network.proxy import Proxy
from novaconsole.network.target import Target
from novaconsole.network.tcp import describe_error, first_cause

WITHOUT_PROXY = "or connect without it: --proxy ''"


def unreachable(proxy: Proxy, exc: OSError) -> ConnectError:
    """Return the error for a proxy to which TCP cannot connect.

    Args:
        proxy: the proxy.
        exc: what `trio.open_tcp_stream` raised.
    """
    first = first_cause(exc)
    if isinstance(first, ConnectionRefusedError):
        advice = "check that the proxy is running"
    else:
        advice = "check the proxy's address and this machine's network"
    return ConnectError(
        f"cannot connect to the proxy {proxy.address}: {describe_error(first)}",
        f"{advice}, {WITHOUT_PROXY}",
    )


def closed_early(proxy: Proxy, hint: str) -> ConnectError:
    """Return the error for a proxy that closed the connection without an answer."""
    return ConnectError(
        f"the proxy {proxy.address} closed the connection before it answered", hint
    )


def login_required(proxy: Proxy) -> ConnectError:
    """Return the error for a missing login."""
    return ConnectError(
        f"the proxy {proxy.address} requires a user and a password",
        f"give them in the proxy URL: {proxy.scheme}://USER:PASSWORD@HOST:PORT",
    )


def login_rejected(proxy: Proxy, hint: str) -> ConnectError:
    """Return the error for a wrong login."""
    return ConnectError(
        f"the proxy {proxy.address} rejected the user and password", hint
    )


def forbidden(
    proxy: Proxy, target: Target, *, reason: str = "", hint: str = "ask its operator"
) -> ConnectError:
    """Return the error for a target that the proxy's rules forbid."""
    what = f"the proxy {proxy.address} does not allow connections to {target.address}"
    return ConnectError(
        f"{what}: {reason}" if reason else what, f"{hint}, {WITHOUT_PROXY}"
    )


def target_unreachable(proxy: Proxy, target: Target, reason: str) -> ConnectError:
    """Return the error for a target to which the proxy cannot connect."""
    return ConnectError(
        f"the proxy {proxy.address} could not reach {target.address}: {reason}",
        f"check that the proxy can reach the cloud's network, {WITHOUT_PROXY}",
    )
