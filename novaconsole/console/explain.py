"""What a session says at its end: why it ended, and what to try.

On the wire, almost every failure of nova-serialproxy looks the same.  What tells them
apart is the time since the upgrade, the bytes that came, and what the cloud says of the
server.
"""

from typing import TYPE_CHECKING

from novaconsole.console.outcome import DEMO_ENDED, ConnectionSummary, Outcome, Reason

if TYPE_CHECKING:
    from novaconsole.cloud.server import Server

_TARGET_CLOSED = 1000  # however the guest's machine ended
_STALE = "the token has probably expired or is wrong"
_REFUSED = "the token was probably refused, or the port has just moved"
_ORIGIN_REFUSED = "the given Origin or Host was probably refused, or the token"
_OTHER_ORIGIN = (
    "try without --origin and without Origin and Host of -H; if that does not help, "
)
_NEW_URL = "get a new URL: openstack console url show --serial SERVER"
_AGAIN = "run novaconsole again, which gets a new token"
_LATER = "try again later"
_TELL_OPERATOR = "tell the cloud's operator"
_DEMO_AGAIN = "run novaconsole --demo again to start another one"
_RECONNECT = "use --reconnect to attach again automatically"


def closing_message(outcome: Outcome, connection: ConnectionSummary) -> str | None:
    """What has happened, in one line, or None if there is nothing to explain."""
    match outcome.reason:
        case Reason.QUIT:
            return f"disconnected from {connection.title}"
        case Reason.CLOSED:
            return describe_loss(connection)
        case _:
            return None


def describe_loss(connection: ConnectionSummary) -> str | None:
    """What became of a connection, in one line, or None if we ended it."""
    close_reason = connection.close_reason
    if close_reason is None:
        return None
    if connection.is_refusal:
        why = _REFUSED if connection.named else _STALE
        if connection.names_origin:
            why = _ORIGIN_REFUSED
        return f"{connection.title} dropped the connection at once: {why}"
    if lifetime := connection.token_lifetime:
        return (
            f"connection to {connection.title} lost {_minutes(lifetime)} after its "
            "token was made: the cloud probably ends every session then "
            "(enforce_session_timeout)"
        )
    if close_reason.reason == DEMO_ENDED:
        return DEMO_ENDED
    if close_reason.code is None:
        return f"connection to {connection.title} lost: {close_reason}"
    return f"connection to {connection.title} closed by the other side: {close_reason}"


def suggest(
    connection: ConnectionSummary, server: "Server | None", *, reconnects: bool = False
) -> str | None:
    """What to try, and behind it the cause as far as it can be known.

    Args:
        connection: the one that was lost.
        server: its present state, or None if the cloud was not asked or did not say.
        reconnects: whether attaching again has been tried without success.
    """
    again = _LATER if reconnects else _RECONNECT
    if connection.close_reason is None:
        return None
    if server is not None and server.hint is not None:
        return _because(server.hint, f"server {server.name!r} is {server.state}")
    if connection.close_reason.reason == DEMO_ENDED:
        return None if reconnects else _DEMO_AGAIN
    if connection.is_refusal:
        new = _AGAIN if connection.named else _NEW_URL
        return f"{_OTHER_ORIGIN}{new}" if connection.names_origin else new
    if connection.token_lifetime and (server is None or not server.task):
        return again if connection.named else _NEW_URL
    if connection.is_late_refusal:
        return _because(_TELL_OPERATOR, "the compute host has probably not answered")
    if server is not None and server.task:
        return _because(again, f"server {server.name!r} is {server.state}")
    if connection.close_reason.code is None:
        if not connection.named:
            again = f"{again}, or {_NEW_URL}"
        return _because(again, "the proxy or the network in between probably failed")
    if not connection.named:
        if connection.close_reason.is_orderly:
            return None
        return f"{again}, or {_NEW_URL}"
    if connection.close_reason.code == _TARGET_CLOSED:
        return _because(again, "the server was probably powered off or restarted")
    return again


def _minutes(seconds: int) -> str:
    minutes = seconds // 60
    return "one minute" if minutes == 1 else f"{minutes} minutes"


def _because(hint: str, cause: str) -> str:
    return f"{hint} ({cause})"
