"""The way through a SOCKS5 proxy (RFC 1928, RFC 1929), as an optional extra.

The only module that touches python_socks.
"""

import math

import trio

from novaconsole.errors import ConnectError, UsageError
from novaconsole.network.proxy import Proxy
from novaconsole.network.target import Target
from novaconsole.network.tcp import error_words, first_cause
from novaconsole.redaction import printable

_MAX_BYTES = 255  # of user, password and name: one byte holds their length
_WITHOUT = "--proxy '' goes without one"
_NOT_ALLOWED = 2  # RFC 1928 section 6
_UNREACHED = {
    1: "it failed, and does not say why",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
}


async def open_socks(proxy: Proxy, target: Target) -> trio.SocketStream:
    """Connect to the target through a SOCKS5 proxy.

    The proxy resolves the target's name, for `socks5` as for `socks5h`: a name of the
    cloud's network need not mean anything here.

    Deadlines are the caller's; when cancelled, nothing is left open.

    Args:
        proxy: the proxy, and how to log in there.
        target: where to go from it.

    Raises:
        ConnectError: the proxy cannot be reached, or does not lead to the target.
        UsageError: the extra is not installed, or SOCKS5 cannot carry the user or
            the password.
    """
    try:
        from python_socks import ProxyConnectionError, ProxyError, ProxyType
        from python_socks.async_.trio.v2 import Proxy as Client
    except ImportError as exc:
        raise UsageError(
            "a SOCKS proxy wants an extra that is not installed",
            "pip install 'novaconsole[socks]'",
        ) from exc
    _check_fits(proxy, target)
    client = Client(
        ProxyType.SOCKS5, proxy.host, proxy.port, proxy.user, proxy.password, rdns=True
    )
    try:
        # Without a timeout it would set one of its own.
        opened = await client.connect(target.host, target.port, timeout=math.inf)
    except ProxyConnectionError as exc:
        cause = exc.__cause__
        raise unreachable(proxy, cause if isinstance(cause, OSError) else exc) from exc
    except ProxyError as exc:
        raise _refusal(proxy, target, exc.error_code, str(exc)) from exc
    except trio.BrokenResourceError as exc:
        raise _closed(proxy) from exc
    except ValueError as exc:  # the address that it sent makes no sense
        raise _not_socks(proxy) from exc
    stream = opened.trio_stream
    assert isinstance(stream, trio.SocketStream)
    return stream


def unreachable(proxy: Proxy, exc: OSError) -> ConnectError:
    """What to tell when TCP does not get as far as the proxy, of whatever kind.

    Args:
        proxy: the proxy.
        exc: what `trio.open_tcp_stream` raised.
    """
    first = first_cause(exc)
    if isinstance(first, ConnectionRefusedError):
        hint = f"is the proxy at {proxy.address} running? {_WITHOUT}"
    else:
        hint = f"check the proxy's address, and this machine's network; {_WITHOUT}"
    return ConnectError(
        f"cannot connect to the proxy {proxy.address}: {error_words(first)}", hint
    )


def _check_fits(proxy: Proxy, target: Target) -> None:
    """See that the library can send what it is given; it would raise anything.

    Raises:
        ConnectError: the target's name is malformed.
        UsageError: the user or the password cannot be sent.
    """
    for text in (proxy.user or "", proxy.password or ""):
        if not text.isascii() or len(text) > _MAX_BYTES:
            raise UsageError(
                "user and password for a SOCKS proxy have to be ASCII, "
                f"with {_MAX_BYTES} characters at most"
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
    proxy: Proxy, target: Target, code: int | None, words: str
) -> ConnectError:
    """What a proxy that answered something else than success is told as."""
    address = proxy.address
    if code == _NOT_ALLOWED:
        return ConnectError(
            f"the proxy {address} does not allow connections to {target.address}",
            f"ask who runs the proxy; {_WITHOUT}",
        )
    if code is not None:
        reason = _UNREACHED.get(code, words.lower())
        return ConnectError(
            f"the proxy {address} could not reach {target.address}: {reason}",
            f"does the proxy see the cloud's network? {_WITHOUT}",
        )
    # The rest has no code; only the library's words tell it apart.
    if "authentication" in words.lower():
        if proxy.user is None:
            return ConnectError(
                f"the proxy {address} wants a user and a password",
                "give them in the proxy's URL: socks5://USER:PASSWORD@HOST:PORT",
            )
        return ConnectError(
            f"the proxy {address} does not accept user and password",
            "check them; in the proxy's URL, special characters are percent-encoded",
        )
    if "closed" in words.lower():
        return _closed(proxy)
    return _not_socks(proxy)


def _closed(proxy: Proxy) -> ConnectError:
    return ConnectError(
        f"the proxy {proxy.address} closed the connection before it answered",
        f"is it a SOCKS5 proxy? {_WITHOUT}",
    )


def _not_socks(proxy: Proxy) -> ConnectError:
    return ConnectError(
        f"the proxy {proxy.address} does not speak SOCKS5",
        "check the port; an HTTP proxy wants http:// in place of socks5://",
    )
