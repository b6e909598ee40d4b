"""What to attach to: a websocket URL taken apart, and nowhere shown with its token.

Addresses as in RFC 3986 and RFC 6455 section 3.  Nova's serial proxy takes the token
from the query (`?token=`) and does not care for the path.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from urllib.parse import quote, urlsplit

from novaconsole.errors import UsageError
from novaconsole.redaction import mask_tokens

_DEFAULT_PORTS = {"ws": 80, "wss": 443}
_FORMS = "ws://HOST:PORT/?token=… or wss://…"
_HOST = re.compile(r"[0-9A-Za-z._:%-]+")


def is_url(text: str) -> bool:
    """Whether SERVER is meant as a websocket URL rather than a name or an id."""
    return text.lower().startswith(("ws://", "wss://"))


def is_loopback(host: str) -> bool:
    """Whether a name or address means this very machine."""
    name = host.lower().rstrip(".")
    try:
        address = ip_address(name)
    except ValueError:
        # RFC 6761 section 6.3
        return name == "localhost" or name.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


@dataclass(frozen=True)
class Target:
    """A websocket to open.

    Attributes:
        secure: whether TLS is spoken (`wss`).
        host: name or address, an IPv6 address without its brackets.
        port: TCP port.
        resource: path and query for the request line; holds the token.
        name: the server's name, where a cloud was asked.
    """

    secure: bool
    host: str
    port: int
    resource: str = field(repr=False)
    name: str | None = None

    @classmethod
    def parse(cls, url: str, *, name: str | None = None) -> "Target":
        """Take a websocket URL apart.

        Args:
            url: a `ws://` or `wss://` URL.
            name: the name of the server that it leads to.

        Raises:
            UsageError: it is no such URL.  The message does not repeat it.
        """
        url = url.strip()
        if not is_url(url):
            raise UsageError("not a websocket URL", f"it looks like {_FORMS}")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            # The reason would name a part of the URL, which might be the token.
            raise UsageError("bad websocket URL", f"it looks like {_FORMS}") from None
        unfit = re.search(r"[\x00-\x20\x7f\ud800-\udfff]", url)
        if not parts.hostname or unfit or port == 0:
            raise UsageError("bad websocket URL", f"it looks like {_FORMS}")
        if parts.username is not None:
            raise UsageError(
                "user and password in a websocket URL are not supported",
                "give them as -H 'Authorization: Basic …'",
            )
        query = f"?{parts.query}" if parts.query else ""
        return cls(
            secure=parts.scheme == "wss",
            host=_ascii_host(parts.hostname),
            port=port or _DEFAULT_PORTS[parts.scheme],
            resource=quote((parts.path or "/") + query, safe="/?&=%:@!$'()*+,;~-._"),
            name=name,
        )

    @property
    def scheme(self) -> str:
        """`ws` or `wss`."""
        return "wss" if self.secure else "ws"

    @property
    def address(self) -> str:
        """Host and port for messages, an IPv6 address in brackets."""
        return f"{self._bracketed_host}:{self.port}"

    @property
    def host_header(self) -> str:
        """The Host header (RFC 9110 section 7.2): no port where it is the default."""
        if self.port == _DEFAULT_PORTS[self.scheme]:
            return self._bracketed_host
        return self.address

    @property
    def masked_url(self) -> str:
        """The URL for people to read, the token hidden."""
        return f"{self.scheme}://{self.host_header}{mask_tokens(self.resource)}"

    @property
    def title(self) -> str:
        """What to call it: the server's name, or where no cloud was asked the host."""
        return self.name or self.address

    @property
    def _bracketed_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.name} ({self.masked_url})" if self.name else self.masked_url


def _ascii_host(host: str) -> str:
    bad_host = UsageError(
        "bad host name in the websocket URL", f"it looks like {_FORMS}"
    )
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise bad_host from None
    if not _HOST.fullmatch(ascii_host):
        raise bad_host
    return ascii_host


@dataclass(frozen=True)
class TLSOptions:
    """How the other side's certificate is checked and ours is shown.

    Attributes:
        cacert: file with the certificates to trust, in place of the system's.
        cert: file with our certificate (PEM), and the key if `key` is None.
        key: file with the key of `cert`.
        insecure: check nothing.
    """

    cacert: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    insecure: bool = False
