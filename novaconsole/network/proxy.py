"""Which proxy leads to the websocket, if any: its URL, and what the environment says.

The variables are a convention without a standard.  This follows curl (its manual page,
"Environment" and `--noproxy`), and where that is silent Go's `httpproxy`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote, urlsplit

from novaconsole.errors import UsageError
from novaconsole.network.target import Target, is_loopback

_SCHEMES = ("http", "socks5", "socks5h")
_DEFAULT_PORT = 1080  # curl's, whatever the scheme
_FORMS = "it looks like http://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT"
_HOST = re.compile(r"[0-9A-Za-z._:%-]+")
_UNFIT = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BRACKETED = re.compile(r"\[([^\[\]]+)\](/\d+)?")
# What the resolver takes as an IPv4 address, short and hexadecimal forms included.
_NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)")


@dataclass(frozen=True)
class Proxy:
    """A proxy to go through.

    Attributes:
        scheme: `http`, `socks5` or `socks5h`.
        host: name or address, an IPv6 address without its brackets.
        port: TCP port.
        user: to log in with, None for no login.
        password: of the user, None where the URL has none.
    """

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, *, source: str = "--proxy") -> "Proxy":
        """Take a proxy's URL apart.

        Without a scheme it is `http`; without a port 1080.  User and password are
        percent-decoded.

        Args:
            url: the URL.
            source: the option or variable that it came from, for messages.

        Raises:
            UsageError: it is no such URL, or of a kind that is not supported.  The
                message does not repeat it, for it may hold a password.
        """
        url = url.strip()
        bad_url = UsageError(f"{source}: not a proxy's URL", _FORMS)
        if _UNFIT.search(url):
            raise bad_url
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
            user, password = _decoded(parts.username), _decoded(parts.password)
            host = _ascii_host(parts.hostname or "")
        except ValueError:
            # The reason would name a part of the URL, which might be the password.
            raise bad_url from None
        if parts.scheme not in _SCHEMES:
            raise UsageError(
                f"{source}: this kind of proxy is not supported",
                "supported are http://, socks5:// and socks5h://",
            )
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            # Most likely a password with one of these in it; "host" and "port" would
            # be the user and the start of the password.
            raise UsageError(
                f"{source}: not a proxy's URL",
                "in user and password, write / ? # as %2F %3F %23",
            )
        if port == 0:
            raise bad_url
        if _CONTROL.search(f"{user}{password}") or ":" in (user or ""):
            # RFC 7617 section 2 cannot carry them.
            raise UsageError(
                f"{source}: a user cannot have a colon, nor user or password "
                "a control character"
            )
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port or _DEFAULT_PORT,
            user=user if user or password else None,
            password=password,
        )

    @property
    def address(self) -> str:
        """Host and port for messages, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text, errors="strict")


def _ascii_host(host: str) -> str:
    """The host as the resolver wants it.

    Raises:
        ValueError: it cannot be one.
    """
    # Also where it is ASCII: a label may be empty or too long.
    ascii_host = host.encode("idna").decode("ascii")
    if not _HOST.fullmatch(ascii_host):
        raise ValueError("not a host")
    return host if host.isascii() else ascii_host


def choose_proxy(
    given: str | None, target: Target, environ: Mapping[str, str]
) -> Proxy | None:
    """The proxy to go through to a target.

    What is given comes first, whatever NO_PROXY says.  Otherwise it is HTTPS_PROXY for
    `wss`, HTTP_PROXY for `ws`, or else ALL_PROXY; each in lower case before upper
    case.  The first of them that is set decides, and if it is empty there is no proxy.
    What is on this machine is never looked for behind a proxy of the environment.

    Args:
        given: a proxy's URL; empty for no proxy at all, None to ask the environment.
        target: where the way shall lead.
        environ: the environment's variables.

    Returns:
        The proxy; None to connect directly.

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
    """Value and name of the first variable that is set, or nothing twice."""
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
    host = _plain(target.host)
    addresses = _addresses(host)
    if addresses:
        network = _without_brackets(rest)
        return any(_contains(network, address) for address in addresses)
    name = _plain(rest).removeprefix("*").removeprefix(".")
    # The end of an address is no domain: "2.3" does not exempt 1.2.3.
    is_below = host.endswith(f".{name}") and not _NUMERIC.fullmatch(host)
    return host == name or is_below


def _split_port(entry: str) -> tuple[str, int | None]:
    """Host, name or network; and the port, if there is one."""
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
    """Whether it is a network, or one address, and holds the other."""
    return _is_network(network) and address in ip_network(network, strict=False)


def _addresses(host: str) -> list[IPv4Address | IPv6Address]:
    """The address that a host is, in both forms if it has two; nothing for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return []
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return [address, mapped] if mapped else [address]


def _without_brackets(text: str) -> str:
    match = _BRACKETED.fullmatch(text)
    return match[1] + (match[2] or "") if match else text


def _plain(host: str) -> str:
    """A host for comparing."""
    return host.lower().rstrip(".")
