"""The head of the server's response to the upgrade, judged as it arrives.

A server that does not speak websocket must not cost the user the whole connect timeout.
This module only looks at the bytes; the websocket library gets them afterwards.

Rules from RFC 9112 (status line) and RFC 6455 section 4.1 (101 and nothing else).
"""

import re
from collections.abc import Callable

from novaconsole.errors import HandshakeFailed
from novaconsole.redaction import printable

_MAX_HEAD_BYTES = 16 * 1024  # as in h11, which reads it next
_PREFIX = b"HTTP/"
_STATUS_LINE = re.compile(rb"HTTP/\d\.\d (\d{3})(?: ([^\r\n]*))?\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_OTHER_SERVICE = "check the URL: it may be out of date, or lead to another service"
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


class ResponseHead:
    """Collects the response until its head is complete.

    Args:
        on_status: called with the status line, for debugging.

    Attributes:
        trailing_data: what was received after the head, once that is complete.
    """

    def __init__(self, on_status: Callable[[str], None] = lambda _: None) -> None:
        self.trailing_data = b""
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
            raise HandshakeFailed(
                f"the server responded {f'{status} {reason}'.strip()} "
                "instead of opening a websocket",
                _HINTS.get(status, _OTHER_SERVICE),
                status=status,
            )


def invalid_upgrade() -> HandshakeFailed:
    """Return the error for a 101 that does not follow RFC 6455 section 4.1."""
    return HandshakeFailed(
        "the server's response is not a valid websocket upgrade", _OTHER_SERVICE
    )
