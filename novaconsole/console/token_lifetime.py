"""Whether a cloud ended a session because the token of its URL had expired.

With `enforce_session_timeout`, nova-serialproxy hangs up when the token expires
(nova/console/websocketproxy.py), without a close frame, as if the network had failed.
Only the token's age gives that away: operators choose the lifetime
(`[consoleauth] token_ttl`) from few numbers.
"""

import math

_DEFAULT_MINUTES = 10
_MINUTES = {1, 2, 3, 5, _DEFAULT_MINUTES, 15, 20, 30, 45}  # and whole hours
# The proxy counts whole seconds, and hangs up as much as one early.
_EARLY_SECONDS, _LATE_SECONDS = 2.0, 1.0
# A URL that was given may have been requested a while before.
_EARLY_SECONDS_OF_URL = 4.0
_EARLY_SECONDS_OF_URL_BY_DEFAULT = 15.0


def lifetime_that_ended(token_age: float, *, was_given: bool) -> int | None:
    """The lifetime in seconds that a token of this age has just reached, or None.

    Args:
        token_age: seconds since the URL was requested, or if it was given, since the
            program has known it.
        was_given: whether the user gave the URL.
    """
    minutes = math.ceil((token_age - _LATE_SECONDS) / 60)
    if minutes not in _MINUTES and (minutes % 60 or not minutes):
        return None
    early = _EARLY_SECONDS
    if was_given:
        is_default = minutes == _DEFAULT_MINUTES
        early = (
            _EARLY_SECONDS_OF_URL_BY_DEFAULT if is_default else _EARLY_SECONDS_OF_URL
        )
    seconds = minutes * 60
    return seconds if token_age >= seconds - early else None
