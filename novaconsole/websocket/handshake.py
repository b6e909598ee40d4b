"""The head of the server's response to the upgrade, judged as it arrives.

A server that does not speak websocket must not cost the user the whole connect timeout.
This module only looks at the bytes; the websocket library gets them afterwards.

Rules from RFC 9112 (status line) and RFC 6455 section 4.1 (101 and nothing else).
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

from novaconsole.errors import HandshakeFailed, UsageError
from novaconsole.network.address import shown_location
from novaconsole.redaction import printable

_MAX_HEAD_BYTES = 16 * 1024  # as in h11, which reads it next
_PREFIX = b"HTTP/"
_HOST_VALUE = re.compile(rb"[0-9A-Za-z._:\[\]-]+")
# The upgrade depends on these; a second one of them, or another, would break it.
_OURS = {
    *("connection", "upgrade", "content-length", "transfer-encoding"),
    *("sec-websocket-key", "sec-websocket-version", "sec-websocket-accept"),
    *("sec-websocket-extensions", "sec-websocket-protocol"),
}
_ONCE = ("host", "origin")

Headers = Sequence[tuple[bytes, bytes]]
_STATUS_LINE = re.compile(rb"HTTP/\d\.\d (\d{3})(?: ([^\r\n]*))?\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LOCATION = re.compile(rb"\nlocation:[ \t]*([^\r\n]*)", re.IGNORECASE)
_OTHER_SERVICE = "check the URL: it may be out of date, or lead to another service"
_OWN_HEADERS_HINT = (
    "try without --origin and without Host and Origin of -H, which the server may "
    "have refused"
)
_PROXY_DOWN = "tell the cloud's operator that nova-serialproxy is probably down"
_HINTS = {
    400: "check the URL: it may be incomplete",
    401: "give the login that the gateway in front of nova-serialproxy requires: "
    "-H 'Authorization: …'",
    403: "check the gateway in front of nova-serialproxy: it forbids the connection",
    502: _PROXY_DOWN,
    503: _PROXY_DOWN,
    504: _PROXY_DOWN,
}


def split_host(headers: Headers) -> tuple[str | None, Headers]:
    """Take the Host out of the headers that the user gave: there can only be one.

    Returns:
        The Host, or None if it is not among them; and the other headers.

    Raises:
        UsageError: the upgrade cannot be made with these headers.
    """
    names = [name.decode("latin-1").lower() for name, _ in headers]
    for name in names:
        if name in _OURS:
            raise UsageError(
                f"the header {name} is set by novaconsole itself",
                "use --no-subprotocols to offer no subprotocol"
                if name == "sec-websocket-protocol"
                else "omit it from -H",
            )
    count = Counter(names)
    for name in _ONCE:
        if count[name] > 1:
            raise UsageError(f"the header {name} is given more than once")
    if "host" not in count:
        return None, headers
    host = headers[names.index("host")][1]
    if not _HOST_VALUE.fullmatch(host):
        raise UsageError("bad header Host", "write it as -H 'Host: NAME' or NAME:PORT")
    others = [header for header in headers if header[0].lower() != b"host"]
    return host.decode("ascii"), others


def names_origin(headers: Headers) -> bool:
    """Whether one of the headers says for which host or site the request is."""
    return any(name.lower().decode("latin-1") in _ONCE for name, _ in headers)


class ResponseHead:
    """Collects the response until its head is complete.

    Args:
        on_status: called with the status line, for debugging.
        names_origin: whether the request has a Host or Origin that the user chose.

    Attributes:
        trailing_data: what was received after the head, once that is complete.
    """

    def __init__(
        self,
        on_status: Callable[[str], None] = lambda _: None,
        *,
        names_origin: bool = False,
    ) -> None:
        self.trailing_data = b""
        self._names_origin = names_origin
        self._data = bytearray()
        self._on_status = on_status

    def feed(self, data: bytes) -> bool:
        """Take received bytes.

        Returns:
            Whether the head is complete; it accepts the upgrade then.

        Raises:
            HandshakeFailed: the response is anything else.
        """
        self._data += data
        if not _PREFIX.startswith(self._data[: len(_PREFIX)]):
            raise HandshakeFailed(
                "the server does not speak HTTP",
                "check the port; use wss:// instead of ws:// if the port expects TLS",
            )
        end = _HEAD_END.search(self._data, 0, _MAX_HEAD_BYTES)
        if end is None and len(self._data) >= _MAX_HEAD_BYTES:
            raise HandshakeFailed(
                "the server's response to the upgrade is too long", _OTHER_SERVICE
            )
        if end is None:
            return False
        self._check_status()
        self.trailing_data = bytes(self._data[end.end() :])
        return True

    def end(self) -> HandshakeFailed:
        """Return the error for a connection that closed within the head."""
        if _STATUS_LINE.match(self._data):
            try:
                self._check_status()
            except HandshakeFailed as failure:
                return failure
        return HandshakeFailed(
            "the server closed the connection before it answered",
            "try again in a moment, or use wss:// instead of ws://",
        )

    def _check_status(self) -> None:
        match = _STATUS_LINE.match(self._data)
        if match is None:
            raise HandshakeFailed(
                "the server's response to the upgrade is not HTTP", _OTHER_SERVICE
            )
        self._on_status(match[0].decode("latin-1").strip())
        status = int(match[1])
        if status != 101:
            reason = printable((match[2] or b"").decode("latin-1").strip())
            message = (
                f"the server responded {f'{status} {reason}'.strip()} "
                "instead of opening a websocket"
            )
            hint = _HINTS.get(status, _OTHER_SERVICE)
            if self._names_origin and 400 <= status < 500:
                hint = _OWN_HEADERS_HINT
            location = _LOCATION.search(self._data)
            if 300 <= status < 400 and location:
                where = shown_location(location[1].decode("latin-1").strip())
                message += f": it redirects to {where}"
                hint = _hint_for_redirect(where)
            raise HandshakeFailed(message, hint, status=status)


def _hint_for_redirect(where: str) -> str:
    if where.lower().startswith(("https://", "wss://")):
        return "use wss:// instead of ws:// if it is the same host, or check the URL"
    return _OTHER_SERVICE


def invalid_upgrade() -> HandshakeFailed:
    """Return the error for a 101 that does not follow RFC 6455 section 4.1."""
    return HandshakeFailed(
        "the server's response is not a valid websocket upgrade", _OTHER_SERVICE
    )
