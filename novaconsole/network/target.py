"""The target: a websocket URL taken apart, and never shown with its token.

Addresses as in RFC 3986 and RFC 6455 section 3.  Nova's serial proxy takes the token
from the query (`?token=`) and ignores the path.

This module loads neither trio nor ssl, so that the command line can check a URL and
describe the use of TLS quickly.  What `TLSOptions` means is in `tls.py`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from novaconsole.errors import UsageError
from novaconsole.network.address import ascii_host, bracketed, split_url
from novaconsole.redaction import mask_tokens

_DEFAULT_PORTS = {"ws": 80, "wss": 443}
# Some clouds hand out http:// and https://, which browsers take as well.
_SECURE = {"ws": False, "http": False, "wss": True, "https": True}
_FORMS = "write it as ws://HOST:PORT/?token=… or wss://…"
_URL = re.compile(r"[a-z][a-z0-9+.-]*:/", re.IGNORECASE)
_TOKEN = re.compile(r"token(?:=|%3d)", re.IGNORECASE)
# The pages of other consoles, as in vnc_auto.html (nova.conf: [vnc], [spice], [mks]).
_OTHER_CONSOLES = {"vnc": "noVNC", "spice": "SPICE", "rdp": "RDP", "mks": "MKS"}
_OTHER_FOLDERS = {"novnc": "noVNC", "spice": "SPICE"}
_SERIAL_URL = "get the serial one: openstack console url show --serial SERVER"


def is_url(text: str) -> bool:
    """Whether SERVER is meant as a URL, of whatever kind, and not as a name or an id.

    What may hold a token is never sent to a cloud as the name of a server.
    """
    return bool(_URL.match(text.lstrip()) or _TOKEN.search(text))


def _other_console(path: str) -> str | None:
    """Which console a page is for, if that is not a serial one."""
    for part in path.lower().split("/"):
        if part in _OTHER_FOLDERS:
            return _OTHER_FOLDERS[part]
        if part.endswith(".html"):
            for word, console in _OTHER_CONSOLES.items():
                if word in part:
                    return console
    return None


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
            url: a `ws://` or `wss://` URL; `http://` and `https://` mean the same.
            name: the name of the server that it leads to.

        Raises:
            UsageError: it is not such a URL.  The message does not repeat it.
        """
        url = url.strip()
        scheme, separator, _ = url.partition("://")
        if not separator or scheme.lower() not in _SECURE:
            raise UsageError("not a websocket URL", _FORMS)
        try:
            parts = split_url(url)
        except ValueError as exc:
            raise UsageError(f"bad websocket URL: {exc}", _FORMS) from None
        if not parts.hostname:
            raise UsageError("bad websocket URL: it has no host", _FORMS)
        if other := _other_console(parts.path):
            raise UsageError(
                f"this is the URL of a {other} console, not of a serial one",
                _SERIAL_URL,
            )
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
        secure = _SECURE[parts.scheme]
        return cls(
            secure=secure,
            host=host,
            port=parts.port or _DEFAULT_PORTS["wss" if secure else "ws"],
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
        cacert: file or directory of the certificates to trust, instead of those of the
            environment's variables and of the system.
        cert: file of our certificate (PEM), and of the key if `key` is None.
        key: file of the key of `cert`.
        insecure: check nothing.
        cacert_source: where `cacert` was set, for messages.
        cert_source: where `cert` was set, for messages.
        key_source: where `key` was set or can be set.
    """

    cacert: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    insecure: bool = False
    cacert_source: str = field(default="--cacert", compare=False, repr=False)
    cert_source: str = field(default="--cert", compare=False, repr=False)
    key_source: str = field(default="--key", compare=False, repr=False)
