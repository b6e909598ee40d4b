"""Connect through a SOCKS5 proxy (RFC 1928, RFC 1929), with an optional extra.

The only module that touches python_socks.
"""

import math

import trio

from novaconsole.errors import ConnectError, UsageError
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
from novaconsole.network.target import Target
from novaconsole.redaction import printable

_MAX_BYTES = 255  # of user, password and name: their length is sent as one byte
_NOT_ALLOWED = 2  # RFC 1928 section 6
_REPLIES = {
    1: "the proxy gave no reason",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
}


async def open_socks(proxy: Proxy, target: Target) -> trio.SocketStream:
    """Connect to the target through a SOCKS5 proxy.

    The proxy resolves the target's name, for `socks5` as for `socks5h`: a name in the
    cloud's network may not be known here.

    Deadlines are the caller's; when cancelled, nothing is left open.

    Args:
        proxy: the proxy, and how to log in there.
        target: what to connect to through it.

    Raises:
        ConnectError: the proxy cannot be reached, or does not connect to the target.
        UsageError: the extra is not installed, or SOCKS5 cannot carry the user or
            the password.
    """
    try:
        from python_socks import ProxyConnectionError, ProxyError, ProxyType
        from python_socks.async_.trio.v2 import Proxy as Client
    except ImportError as exc:
        raise missing_package() from exc
    _check_fits(proxy, target)
    client = Client(
        ProxyType.SOCKS5, proxy.host, proxy.port, proxy.user, proxy.password, rdns=True
    )
    try:
        # If none is given, the library sets a timeout of its own.
        opened = await client.connect(target.host, target.port, timeout=math.inf)
    except ProxyConnectionError as exc:
        cause = exc.__cause__
        raise unreachable(proxy, cause if isinstance(cause, OSError) else exc) from exc
    except ProxyError as exc:
        raise _refusal(proxy, target, exc.error_code, str(exc)) from exc
    except trio.BrokenResourceError as exc:
        raise _closed(proxy) from exc
    except ValueError as exc:  # the address in its reply is malformed
        raise _not_socks(proxy) from exc
    stream = opened.trio_stream
    assert isinstance(stream, trio.SocketStream)
    return stream


def missing_package() -> UsageError:
    """Return the error for an extra that is not installed."""
    return UsageError(
        "a SOCKS proxy needs a package that is not installed",
        "install novaconsole with the extra: pip install 'novaconsole[socks]', "
        "or the same with pipx or uv tool",
    )


def _check_fits(proxy: Proxy, target: Target) -> None:
    """Check what the library would only reject with an arbitrary exception.

    Raises:
        ConnectError: the target's name is malformed.
        UsageError: the user or the password cannot be sent.
    """
    for text in (proxy.user or "", proxy.password or ""):
        if not text.isascii() or len(text) > _MAX_BYTES:
            raise UsageError(
                "user and password for a SOCKS proxy must be ASCII and "
                f"at most {_MAX_BYTES} characters long"
            )
    try:
        fits = len(target.host.encode("idna")) <= _MAX_BYTES
    except UnicodeError:
        fits = False
    if not fits:
        raise ConnectError(
            f"the name {printable(target.host)} cannot be resolved: it is malformed",
            "check the host in the console URL",
        )


def _refusal(
    proxy: Proxy, target: Target, code: int | None, message: str
) -> ConnectError:
    """Return the error for a reply other than success.

    Args:
        proxy: the proxy.
        target: what it should have connected to.
        code: the reply's code (RFC 1928 section 6), or None if there was no such reply.
        message: the library's words.
    """
    if code == _NOT_ALLOWED:
        return forbidden(proxy, target)
    if code is not None:
        reason = _REPLIES.get(code, message.lower())
        return target_unreachable(proxy, target, reason)
    # Without a code, only the library's words tell the cases apart.
    if "authentication" in message.lower():
        if proxy.user is None:
            return login_required(proxy)
        return login_rejected(
            proxy, "check them; percent-encode special characters in the proxy URL"
        )
    if "closed" in message.lower():
        return _closed(proxy)
    return _not_socks(proxy)


def _closed(proxy: Proxy) -> ConnectError:
    return closed_early(proxy, f"check that it is a SOCKS5 proxy, {WITHOUT_PROXY}")


def _not_socks(proxy: Proxy) -> ConnectError:
    return ConnectError(
        f"the proxy {proxy.address} does not speak SOCKS5",
        "check the port; for an HTTP proxy, use http:// instead of socks5://",
    )
