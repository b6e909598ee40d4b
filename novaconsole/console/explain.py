"""The last words of a session: why it ended, and what to try.

Almost every failure of Nova's serial proxy looks the same on the wire, so the time
since attaching, the bytes that came, and what the cloud says of the server have to
tell them apart.
"""

from novaconsole.cloud.server import Server
from novaconsole.console.outcome import ConnectionSummary, Ended, Reason

_TARGET_CLOSED = 1000  # however the guest's machine ends
_STALE = "the token has probably expired or is wrong"
_REFUSED = "the token was probably refused, or the port has just moved"
_NEW_URL = "get a new URL: openstack console url show --serial SERVER"
_AGAIN = "run novaconsole again for a new token"
_LATER = "try again later"
_STAY = "--reconnect attaches again by itself"


def closing_message(ended: Ended, connection: ConnectionSummary) -> str | None:
    """What has happened, in one line; None where it explains itself."""
    match ended.reason:
        case Reason.QUIT:
            return f"disconnected from {connection.title}"
        case Reason.CLOSED:
            return describe_loss(connection)
        case _:
            return None


def describe_loss(connection: ConnectionSummary) -> str | None:
    """What became of a link, in one line; None if it has not ended."""
    close_reason = connection.close_reason
    if close_reason is None:
        return None
    if connection.is_refusal:
        why = _REFUSED if connection.named else _STALE
        return f"{connection.title} dropped the connection at once: {why}"
    if close_reason.code is None:
        return f"connection to {connection.title} lost: {close_reason}"
    return f"connection to {connection.title} closed by the other side: {close_reason}"


def suggest(
    connection: ConnectionSummary, server: Server | None, *, reconnects: bool = False
) -> str | None:
    """The cause as far as it can be known, and what to try.

    Args:
        connection: the one that was lost.
        server: as the cloud has it now; None where it was not asked or does not tell.
        reconnects: whether attaching again was tried, in vain.
    """
    stay = _LATER if reconnects else _STAY
    if connection.close_reason is None:
        return None
    if server is not None and server.hint is not None:
        return f"server {server.name!r} is {server.state}: {server.hint}"
    if connection.is_refusal:
        return _AGAIN if connection.named else _NEW_URL
    if connection.is_late_refusal:
        return "the compute host has probably not answered; tell the cloud's operator"
    if server is not None and server.task:
        return f"server {server.name!r} is {server.state}: {stay}"
    if connection.close_reason.code is None:
        way_back = (
            stay if connection.named else f"if --reconnect does not help, {_NEW_URL}"
        )
        return f"the proxy or the network between has probably failed; {way_back}"
    if not connection.named:
        return None
    if connection.close_reason.code == _TARGET_CLOSED:
        return f"the guest's machine was probably powered off or restarted; {stay}"
    return stay
