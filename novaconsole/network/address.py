"""Hosts and URLs: the checks that a websocket URL and a proxy URL have in common.

Addresses as in RFC 3986.  Python's `urlsplit` accepts nearly everything and drops some
control characters silently, so what can stand in a request is checked here.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from novaconsole.redaction import mask_tokens, printable

_UNSAFE = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]")
_MAX_SHOWN = 200  # characters of a URL that others chose
_HOST = re.compile(r"[0-9A-Za-z._:%-]+")


def split_url(url: str) -> SplitResult:
    """Take a URL apart; reading `port` from the result does not fail.

    Raises:
        ValueError: it is malformed or holds characters that a URL must not hold.  The
            reason repeats no part of the URL, which may be secret.
    """
    if _UNSAFE.search(url):
        raise ValueError("it holds a blank or a control character")
    # Python's own reasons are not kept: they quote.
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("its host cannot be read") from None
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("its port is not a number from 1 to 65535")
    return parts


def ascii_host(host: str) -> str:
    """Return a host as the resolver takes it, an international name in IDNA.

    Raises:
        ValueError: it cannot be a host.
    """
    name = host if host.isascii() else host.encode("idna").decode("ascii")
    if not _HOST.fullmatch(name):
        raise ValueError("not a host")
    return name


def bracketed(host: str) -> str:
    """Return a host as it stands in a URL: an IPv6 address is put in brackets."""
    return f"[{host}]" if ":" in host else host


def comparable(host: str) -> str:
    """Return a host in the form for comparisons: lower case, without a final dot."""
    return host.lower().rstrip(".")


def ip_addresses(host: str) -> list[IPv4Address | IPv6Address]:
    """Return the address that a host is, or an empty list for a name.

    An IPv4-mapped IPv6 address is returned in both forms, IPv6 first.
    """
    try:
        address = ip_address(comparable(host))
    except ValueError:
        return []
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return [address, mapped] if mapped else [address]


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine (names: RFC 6761 section 6.3)."""
    if addresses := ip_addresses(host):
        return addresses[-1].is_loopback
    name = comparable(host)
    return name == "localhost" or name.endswith(".localhost")


def shown_location(location: str) -> str:
    """Return where a redirect leads, for display.

    The query is left out, because a login page is often told there where the user comes
    from: with the token.  So is a login.
    """
    before, query, _ = location.partition("?")
    plain = mask_tokens(before.partition("#")[0])
    return printable(plain + ("?…" if query else ""))[:_MAX_SHOWN]
