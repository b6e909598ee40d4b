"""The last words of a session: why it ended, and what to try.

Almost every failure of Nova's serial proxy looks the same on the wire, so the time
since attaching, the bytes that came, and what the cloud says of the server have to
tell them apart.
"""

from dataclasses import dataclass

from novaconsole.cloud.server import Server
from novaconsole.console.outcome import Closed, Ended, Reason
from novaconsole.events import Fact

# nova-serialproxy looks at the token after the upgrade, and hangs up a moment later;
# when the compute host does not answer, it takes 60 seconds.
_AT_ONCE_SECONDS = 10
SETTLED_SECONDS = 1.0
_RPC_SECONDS = 55
_TARGET_CLOSED = 1000  # however the guest's machine ends
_STALE = "the token has probably expired or is wrong"
_REFUSED = "the token was probably refused, or the port has just moved"
_NEW_URL = "get a new URL: openstack console url show --serial SERVER"
_AGAIN = "run novaconsole again for a new token"
_LATER = "try again later"
_STAY = "--reconnect attaches again by itself"


@dataclass(frozen=True)
class Finished:
    """What is known of a link that has ended.

    Attributes:
        title: the server's name or address.
        named: whether a cloud was asked for the server.
        seconds: how long the link was open.
        bytes_in: payload received.
        closed: how it ended; None while nobody but us has ended it.
        bytes_out: payload sent.
    """

    title: str
    named: bool
    seconds: float
    bytes_in: int
    closed: Closed | None = None
    bytes_out: int = 0

    def as_event(self) -> dict[str, Fact]:
        """For programs; there is no code where the other side has sent none."""
        closed = self.closed
        return {
            "code": closed.code if closed else None,
            "reason": closed.reason if closed else "",
            "seconds": round(self.seconds, 3),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
        }

    @property
    def was_used(self) -> bool:
        """Whether it led to a console; the proxy accepts everybody at first."""
        return self.bytes_in > 0 or self.seconds >= SETTLED_SECONDS

    @property
    def is_refusal(self) -> bool:
        """Whether the proxy did not want us, or found nothing behind it.

        For a bad token, a refused guest or a wrong Origin it accepts the upgrade and
        then hangs up without a word.
        """
        return (
            self._is_speechless
            and self.bytes_in == 0
            and self.seconds < _AT_ONCE_SECONDS
        )

    @property
    def is_late_refusal(self) -> bool:
        """Whether the proxy waited for the compute host, in vain."""
        return (
            self._is_speechless and self.bytes_in == 0 and self.seconds > _RPC_SECONDS
        )

    @property
    def _is_speechless(self) -> bool:
        closed = self.closed
        return closed is not None and closed.code is None and not closed.reason


def last_words(ended: Ended, link: Finished) -> str | None:
    """What has happened, in one line; None where it explains itself."""
    match ended.reason:
        case Reason.QUIT:
            return f"disconnected from {link.title}"
        case Reason.CLOSED:
            return loss(link)
        case _:
            return None


def loss(link: Finished) -> str | None:
    """What became of a link, in one line; None if it has not ended."""
    closed = link.closed
    if closed is None:
        return None
    if link.is_refusal:
        why = _REFUSED if link.named else _STALE
        return f"{link.title} dropped the connection at once: {why}"
    if closed.code is None:
        return f"connection to {link.title} lost: {closed}"
    return f"connection to {link.title} closed by the other side: {closed}"


def advice(
    link: Finished, server: Server | None, *, reconnects: bool = False
) -> str | None:
    """The cause as far as it can be known, and what to try.

    Args:
        link: the one that was lost.
        server: as the cloud has it now; None where it was not asked or does not tell.
        reconnects: whether attaching again was tried, in vain.
    """
    stay = _LATER if reconnects else _STAY
    if link.closed is None:
        return None
    if server is not None and server.hint is not None:
        return f"server {server.name!r} is {server.state}: {server.hint}"
    if link.is_refusal:
        return _AGAIN if link.named else _NEW_URL
    if link.is_late_refusal:
        return "the compute host has probably not answered; tell the cloud's operator"
    if server is not None and server.task:
        return f"server {server.name!r} is {server.state}: {stay}"
    if link.closed.code is None:
        way_back = stay if link.named else f"if --reconnect does not help, {_NEW_URL}"
        return f"the proxy or the network between has probably failed; {way_back}"
    if not link.named:
        return None
    if link.closed.code == _TARGET_CLOSED:
        return f"the guest's machine was probably powered off or restarted; {stay}"
    return stay
