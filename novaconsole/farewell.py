"""The last words of a session: why it ended, and what to try.

Almost every failure of Nova's serial proxy looks the same on the wire, so the time
since attaching and the bytes that came have to tell them apart.
"""

from dataclasses import dataclass

from novaconsole.ending import Ended, Reason

# nova-serialproxy looks at the token after the upgrade, and hangs up a moment later.
_AT_ONCE_SECONDS = 10
_STALE = "the token has probably expired or is wrong"
_NEW_URL = "get a new URL: openstack console url show --serial SERVER"
_AGAIN = "run novaconsole again for a new token"


@dataclass(frozen=True)
class Attachment:
    """What is known of the link that a session had.

    Attributes:
        title: the server's name or address.
        named: whether a cloud was asked for the server.
        seconds: how long the link was open.
        bytes_in: payload received.
    """

    title: str
    named: bool
    seconds: float
    bytes_in: int


def last_words(ended: Ended, link: Attachment) -> list[str]:
    """What to tell the user, a line each."""
    match ended.reason:
        case Reason.QUIT:
            return [f"disconnected from {link.title}"]
        case Reason.CLOSED if ended.closed is not None:
            closed = ended.closed
            at_once = link.seconds < _AT_ONCE_SECONDS and link.bytes_in == 0
            if closed.code is None and not closed.reason and at_once:
                return [
                    f"{link.title} dropped the connection at once: {_STALE}",
                    _AGAIN if link.named else _NEW_URL,
                ]
            if closed.code is None:
                return [f"connection to {link.title} lost: {closed}"]
            return [f"connection to {link.title} closed by the other side: {closed}"]
        case _:
            return []
