"""Which proxy leads to the websocket, if any: its URL, and the environment.

The variables are a convention without a standard.  This follows curl (its manual page,
"Environment" and `--noproxy`), and Go's `httpproxy` where curl's page says nothing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import unquote

from novaconsole.errors import UsageError
from novaconsole.network.address import (
    ascii_host,
    bracketed,
    comparable,
    ip_addresses,
    is_loopback,
    split_url,
)
from novaconsole.network.target import Target

_SCHEMES = ("http", "socks5", "socks5h")
_DEFAULT_PORT = 1080  # curl's, whatever the scheme
_FORMS = "write it as http://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BRACKETED = re.compile(r"\[([^\[\]]+)\](/\d+)?")
# What the resolver takes as an IPv4 address, short and hexadecimal forms included.
_NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)")


@dataclass(frozen=True)
class Proxy:
    """A proxy to connect through.

    Attributes:
        scheme: `http`, `socks5` or `socks5h`.
        host: name or address, an IPv6 address without its brackets.
        port: TCP port.
        user: to log in with, or None for no login.
        password: of the user, or None if the URL has none.
    """

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, *, source: str = "--proxy") -> "Proxy":
        """Take a proxy URL apart.

        The default scheme is `http`, the default port 1080.  User and password are
        percent-decoded.

        Args:
            url: the URL.
            source: the option or variable that it came from, for messages.

        Raises:
            UsageError: it is not a proxy URL, or of a kind that is not supported.  The
                message does not repeat it, because it may hold a password.
        """
        url = url.strip()
        bad_url = UsageError(f"{source}: not a proxy URL", _FORMS)
        try:
            parts = split_url(url if "://" in url else f"http://{url}")
            user, password = _decoded(parts.username), _decoded(parts.password)
            host = ascii_host(parts.hostname or "")
            host.encode("idna")  # raises, if a label is empty or too long
        except ValueError:
            # Not chained: the reason could name the password.
            raise bad_url from None
        if parts.scheme not in _SCHEMES:
            raise UsageError(
                f"{source}: this kind of proxy is not supported",
                "use http://, socks5:// or socks5h://",
            )
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            # Most likely a password with one of these in it; "host" and "port" would
            # be the user and the start of the password.
            raise UsageError(
                f"{source}: not a proxy URL",
                "write / ? # in user and password as %2F %3F %23",
            )
        if _CONTROL.search(f"{user}{password}") or ":" in (user or ""):
            # RFC 7617 section 2 cannot carry them.
            raise UsageError(
                f"{source}: the user must not contain a colon, and neither user nor "
                "password a control character"
            )
        return cls(
            scheme=parts.scheme,
            host=host,
            port=parts.port or _DEFAULT_PORT,
            user=user if user or password else None,
            password=password,
        )

    @property
    def address(self) -> str:
        """Host and port for messages, an IPv6 address in brackets."""
        return f"{bracketed(self.host)}:{self.port}"


# Gives the proxy for a target, or None for a direct connection.
ProxyChooser = Callable[[Target], Proxy | None]


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text, errors="strict")


def choose_proxy(
    given: str | None, target: Target, environ: Mapping[str, str]
) -> Proxy | None:
    """Choose the proxy for a target, or None to connect directly.

    A URL that is given comes first, whatever NO_PROXY says.  Otherwise the variable is
    HTTPS_PROXY for `wss` or HTTP_PROXY for `ws`, then ALL_PROXY; each in lower case
    before upper case.  The first of them that is set decides, and an empty one means no
    proxy.  A target on this machine never goes through a proxy of the environment.

    Args:
        given: a proxy URL; empty for no proxy at all, None to use the environment.
        target: what to connect to.
        environ: the environment's variables.

    Raises:
        UsageError: the URL is bad, wherever it came from.
    """
    if given is not None:
        return Proxy.parse(given) if given.strip() else None
    if is_loopback(target.host):
        return None
    exempt, _ = _first_set(environ, "no_proxy")
    if any(_matches(entry, target) for entry in re.split(r"[,\s]+", exempt)):
        return None
    scheme_name = "https_proxy" if target.secure else "http_proxy"
    url, source = _first_set(environ, scheme_name, "all_proxy")
    return Proxy.parse(url, source=source) if url.strip() else None


def _first_set(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    """Return value and name of the first variable that is set, or two empty strings."""
    for lower in names:
        for name in (lower, lower.upper()):
            # To a CGI program, a client's "Proxy:" header is HTTP_PROXY (httpoxy).
            forged = name == "HTTP_PROXY" and "REQUEST_METHOD" in environ
            if name in environ and not forged:
                return environ[name], name
    return "", ""


def _matches(entry: str, target: Target) -> bool:
    """Whether an entry of NO_PROXY exempts the target."""
    if entry == "*":
        return True
    rest, port = _split_port(entry)
    if port not in (None, target.port):
        return False
    addresses = ip_addresses(target.host)
    if addresses:
        network = _without_brackets(rest)
        return any(_contains(network, address) for address in addresses)
    host = comparable(target.host)
    name = comparable(rest).removeprefix("*").removeprefix(".")
    # The end of an address is not a domain: "2.3" does not exempt 1.2.3.
    is_below = host.endswith(f".{name}") and not _NUMERIC.fullmatch(host)
    return host == name or is_below


def _split_port(entry: str) -> tuple[str, int | None]:
    """Split an entry into a name, address or network and the port, if it has one."""
    head, colon, tail = entry.rpartition(":")
    # The last group of a bare IPv6 address looks like a port.
    is_port = re.fullmatch("[0-9]+", tail) and not _is_network(entry)
    return (head, int(tail)) if colon and is_port else (entry, None)


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _contains(network: str, address: IPv4Address | IPv6Address) -> bool:
    """Whether a text is a network or address that includes the address."""
    return _is_network(network) and address in ip_network(network, strict=False)


def _without_brackets(text: str) -> str:
    match = _BRACKETED.fullmatch(text)
    return match[1] + (match[2] or "") if match else text
