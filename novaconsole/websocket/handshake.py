"""The head of the server's answer to the websocket upgrade, judged as it arrives.

Why: a server that is no websocket server must not cost the user the whole connect
timeout.  The bytes go on to the websocket library afterwards; this only looks.

Rules from RFC 9112 (status line) and RFC 6455 section 4.1 (101 and nothing else).
"""

import re
from collections.abc import Callable

from novaconsole.errors import HandshakeFailed
from novaconsole.redaction import printable

_MAX_HEAD_BYTES = 16 * 1024  # as h11, which reads it next
_PREFIX = b"HTTP/"
_STATUS_LINE = re.compile(rb"HTTP/\d\.\d (\d{3})(?: ([^\r\n]*))?\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_OTHER_SERVICE = "the address leads to another service; ask for a new URL"
_PROXY_DOWN = "nova-serialproxy behind this address is down; tell the cloud's operator"
_HINTS = {
    400: "the URL may be incomplete; ask for a new one",
    401: "something in front of the proxy wants a login",
    403: "something in front of the proxy forbids it",
    502: _PROXY_DOWN,
    503: _PROXY_DOWN,
    504: _PROXY_DOWN,
}


class ResponseHead:
    """Collects the answer until its head is whole.

    Args:
        on_status: told the status line, for debugging.

    Attributes:
        behind: what has been received behind the head, when that is whole.
    """

    def __init__(self, on_status: Callable[[str], None] = lambda _: None) -> None:
        self.behind = b""
        self._data = bytearray()
        self._on_status = on_status

    def feed(self, data: bytes) -> bool:
        """Take what was received.

        Returns:
            Whether the head is whole, and says that the upgrade is accepted.

        Raises:
            HandshakeFailed: the answer is something else.
        """
        self._data += data
        if not _PREFIX.startswith(self._data[: len(_PREFIX)]):
            raise HandshakeFailed(
                "the server does not speak HTTP",
                "check the port; a TLS port wants wss:// in place of ws://",
            )
        end = _HEAD_END.search(self._data, 0, _MAX_HEAD_BYTES)
        if end is None and len(self._data) >= _MAX_HEAD_BYTES:
            raise HandshakeFailed(
                "the server's answer to the upgrade has no end", _OTHER_SERVICE
            )
        if end is None:
            return False
        self._judge()
        self.behind = bytes(self._data[end.end() :])
        return True

    def end(self) -> HandshakeFailed:
        """The connection was closed before the head was whole."""
        if _STATUS_LINE.match(self._data):
            try:
                self._judge()
            except HandshakeFailed as failure:
                return failure
        return HandshakeFailed(
            "the server closed the connection before it answered",
            "the proxy may be restarting, or want wss:// in place of ws://",
        )

    def _judge(self) -> None:
        match = _STATUS_LINE.match(self._data)
        if match is None:
            raise HandshakeFailed(
                "the server's answer to the upgrade is not HTTP", _OTHER_SERVICE
            )
        self._on_status(match[0].decode("latin-1").strip())
        status = int(match[1])
        if status != 101:
            reason = printable((match[2] or b"").decode("latin-1").strip())
            raise HandshakeFailed(
                f"the server answered {f'{status} {reason}'.strip()}, not a websocket",
                _HINTS.get(status, _OTHER_SERVICE),
                status=status,
            )


def invalid_upgrade() -> HandshakeFailed:
    """The server said 101, but not as RFC 6455 section 4.1 wants it."""
    return HandshakeFailed(
        "the server's answer is no valid websocket upgrade", _OTHER_SERVICE
    )
