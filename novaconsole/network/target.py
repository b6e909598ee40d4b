"""The target: a websocket URL taken apart, and never shown with its token.

Addresses as in RFC 3986 and RFC 6455 section 3.  Nova's serial proxy takes the token
from the query (`?token=`) and ignores the path.

This module loads neither trio nor ssl, so that the command line can check a URL and
describe the use of TLS quickly.  What `TLSOptions` means is in `tls.py`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from novaconsole.errors import UsageError
from novaconsole.network.address import ascii_host, bracketed, split_url
from novaconsole.redaction import mask_tokens

_DEFAULT_PORTS = {"ws": 80, "wss": 443}
_FORMS = "write it as ws://HOST:PORT/?token=… or wss://…"


def is_url(text: str) -> bool:
    """Whether SERVER is a websocket URL rather than a name or an id."""
    return text.lower().startswith(("ws://", "wss://"))


@dataclass(frozen=True)
class Target:
    """A websocket to open.

    Attributes:
        secure: whether to use TLS (`wss`).
        host: name or address, an IPv6 address without its brackets.
        port: TCP port.
        resource: path and query for the request line; holds the token.
        name: the server's name, or None if the URL did not come from a cloud.
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
            UsageError: it is not such a URL.  The message does not repeat it.
        """
        url = url.strip()
        if not is_url(url):
            raise UsageError("not a websocket URL", _FORMS)
        try:
            parts = split_url(url)
        except ValueError:
            # Not chained: the reason could name the token.
            raise UsageError("bad websocket URL", _FORMS) from None
        if not parts.hostname or parts.port == 0:
            raise UsageError("bad websocket URL", _FORMS)
        if parts.username is not None:
            raise UsageError(
                "user and password in a websocket URL are not supported",
                "give them as -H 'Authorization: Basic …'",
            )
        try:
            host = ascii_host(parts.hostname)
        except ValueError:
            raise UsageError("bad host name in the websocket URL", _FORMS) from None
        query = f"?{parts.query}" if parts.query else ""
        return cls(
            secure=parts.scheme == "wss",
            host=host,
            port=parts.port or _DEFAULT_PORTS[parts.scheme],
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
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def host_header(self) -> str:
        """The Host header (RFC 9110 section 7.2), without the port if it is default."""
        if self.port == _DEFAULT_PORTS[self.scheme]:
            return bracketed(self.host)
        return self.address

    @property
    def masked_url(self) -> str:
        """The URL for display, with the token hidden."""
        return f"{self.scheme}://{self.host_header}{mask_tokens(self.resource)}"

    @property
    def title(self) -> str:
        """What to call it in messages: the server's name, or else the address."""
        return self.name or self.address

    def __str__(self) -> str:
        return f"{self.name} ({self.masked_url})" if self.name else self.masked_url


@dataclass(frozen=True)
class TLSOptions:
    """How to check the other side's certificate, and which one to present.

    Attributes:
        cacert: file of the certificates to trust, instead of the system's.
        cert: file of our certificate (PEM), and of the key if `key` is None.
        key: file of the key of `cert`.
        insecure: check nothing.
    """

    cacert: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    insecure: bool = False
