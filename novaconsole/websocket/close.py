"""How a websocket ended: the close code in a user's words (RFC 6455 section 7.4)."""

from dataclasses import dataclass

# RFC 6455 section 7.4.1 and the IANA registry of close codes.
_CLOSE_CODES = {
    1000: "closed normally",
    1001: "the server is going away",
    1002: "websocket protocol error",
    1003: "unsupported kind of data",
    1005: "closed without a code",
    1007: "text that is not UTF-8",
    1008: "refused by policy",
    1009: "message too big",
    1011: "the server failed",
    1012: "the service is restarting",
    1013: "try again later",
    1014: "bad gateway",
}

_ORDERLY = (1000, 1001)


@dataclass(frozen=True)
class CloseReason:
    """How the websocket ended.

    Attributes:
        code: the close code that the other side sent, or None if the connection ended
            without a close frame (which RFC 6455 calls 1006).
        reason: the text that came with the code, or what is known about the loss.
    """

    code: int | None
    reason: str = ""

    @property
    def is_orderly(self) -> bool:
        """Whether the other side said that it was done, and not that it failed."""
        return self.code in _ORDERLY

    def __str__(self) -> str:
        if self.code is None:
            return self.reason or "no close frame received"
        words = _CLOSE_CODES.get(self.code, "closed")
        if not self.reason:
            return f"{words} (code {self.code})"
        return f"{self.reason} (code {self.code}, {words})"
