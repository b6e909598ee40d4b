"""What follows a loss or a failed try: another one, when, or the end."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.console.outcome import ConnectionSummary
from novaconsole.console.retry import GOOD_SECONDS, RetryPolicy
from novaconsole.errors import (
    CloudError,
    CloudUnreachable,
    ConnectError,
    ConnectionLost,
    ConsoleUnavailable,
    HandshakeFailed,
    NovaConsoleError,
    Retryable,
    ServerNotActive,
    ServerNotFound,
    UsageError,
)
from novaconsole.websocket.close import CloseReason
from support.pieces import thorough

JITTER = 1.2
TRIES = 60
REFUSALS_OF_ONE_URL = 20
MOST_SECONDS_BETWEEN_TRIES = 5.0 * JITTER
MOST_SECONDS_BETWEEN_LOOKS = 1.5 * JITTER
ANY = st.booleans()
SOON = [ConnectError("no"), HandshakeFailed("no"), CloudUnreachable("no")]
IN_TIME = [
    ServerNotFound("no"),
    ServerNotActive("no"),
    ConsoleUnavailable("not ready", retryable=Retryable.IN_TIME),
]
NEVER = [
    UsageError("no"),
    CloudError("no"),
    ConsoleUnavailable("no"),
    ServerNotActive("deleted", retryable=Retryable.NONE),
]


def connection(
    *, seconds: float = 30.0, bytes_in: int = 100, closed: CloseReason | None = None
) -> ConnectionSummary:
    return ConnectionSummary(
        "web1", True, seconds, bytes_in, closed or CloseReason(None)
    )


def useless_link(closed: CloseReason | None = None) -> ConnectionSummary:
    """The proxy accepts everybody, and hangs up on those it does not want."""
    return connection(seconds=0.1, bytes_in=0, closed=closed)


def retry_policy(
    *, wait: bool = False, reconnect: bool = False, renews: bool = True
) -> RetryPolicy:
    return RetryPolicy(wait=wait, reconnect=reconnect, renews=renews)


def until_none(ask: Callable[[], float | None]) -> Iterator[float]:
    """The pauses up to the end, which must come."""
    for _ in range(10 * TRIES):
        pause = ask()
        if pause is None:
            return
        yield pause
    raise AssertionError("it never gives up")


def after_attached(**wishes: bool) -> RetryPolicy:
    """The console was there and has just been lost; another try follows at once."""
    lost = retry_policy(reconnect=True, **wishes)
    assert lost.after_connection(connection()) == 0
    return lost


# ---- who wishes nothing


@pytest.mark.parametrize("renews", [True, False])
@pytest.mark.parametrize("error", [*SOON, *IN_TIME, *NEVER], ids=repr)
def test_without_a_wish_the_first_error_is_the_end(
    error: NovaConsoleError, renews: bool
) -> None:
    assert retry_policy(renews=renews).after_error(error) is None


@pytest.mark.parametrize("renews", [True, False])
@pytest.mark.parametrize(
    "lost", [connection(), useless_link()], ids=["used", "useless"]
)
def test_without_a_wish_a_loss_is_the_end(
    lost: ConnectionSummary, renews: bool
) -> None:
    assert retry_policy(renews=renews).after_connection(lost) is None


@pytest.mark.parametrize("error", [*SOON, *IN_TIME], ids=repr)
def test_to_reconnect_is_not_to_wait(error: NovaConsoleError) -> None:
    """A wrong name shall not be tried for ever."""
    assert retry_policy(reconnect=True).after_error(error) is None


@pytest.mark.parametrize("error", [*SOON, *IN_TIME], ids=repr)
def test_to_wait_is_not_to_reconnect(error: NovaConsoleError) -> None:
    waiting = retry_policy(wait=True)
    assert waiting.after_error(error) is not None
    assert waiting.after_connection(connection()) is None
    assert waiting.after_error(error) is None


# ---- --wait


@pytest.mark.parametrize("error", IN_TIME, ids=repr)
def test_a_server_is_waited_for_as_long_as_it_takes(error: NovaConsoleError) -> None:
    waiting = retry_policy(wait=True)
    pauses = [waiting.after_error(error) for _ in range(10 * TRIES)]
    assert all(pause is not None for pause in pauses)
    assert max(filter(None, pauses)) <= MOST_SECONDS_BETWEEN_LOOKS


@pytest.mark.parametrize("error", NEVER, ids=repr)
@pytest.mark.parametrize("attached", [True, False])
def test_what_will_never_be_is_not_waited_for(
    error: NovaConsoleError, attached: bool
) -> None:
    tried = after_attached(wait=True) if attached else retry_policy(wait=True)
    assert tried.after_error(error) is None


@pytest.mark.parametrize("error", SOON, ids=repr)
def test_a_disturbance_is_given_so_many_tries(error: NovaConsoleError) -> None:
    waiting = retry_policy(wait=True)
    pauses = list(until_none(lambda: waiting.after_error(error)))
    assert len(pauses) == TRIES - 1
    assert max(pauses) <= MOST_SECONDS_BETWEEN_TRIES
    assert sum(pauses) > 180, "a router needs minutes to come back"


# ---- --reconnect


@pytest.mark.parametrize("renews", [True, False])
@pytest.mark.parametrize(
    "closed", [CloseReason(None), CloseReason(1000), CloseReason(1012)], ids=str
)
@pytest.mark.parametrize(
    ("seconds", "bytes_in"), [(30.0, 0), (GOOD_SECONDS, 0), (90.0, 9)]
)
def test_after_a_connection_that_lasted_the_first_try_is_made_at_once(
    renews: bool, closed: CloseReason, seconds: float, bytes_in: int
) -> None:
    lost = retry_policy(reconnect=True, renews=renews)
    used = connection(seconds=seconds, bytes_in=bytes_in, closed=closed)
    for _ in range(10 * TRIES):  # however often
        assert lost.after_connection(used) == 0


def test_a_url_that_was_refused_from_the_start_stays_so() -> None:
    """Its token has expired; nothing gives another one."""
    tried = retry_policy(reconnect=True, renews=False)
    assert tried.after_connection(useless_link()) is None


@pytest.mark.parametrize("wishes", [{"wait": True}, {"reconnect": True}], ids=str)
def test_with_a_cloud_a_refusal_is_tried_again_with_a_new_url(
    wishes: dict[str, bool],
) -> None:
    tried = retry_policy(**wishes)
    pauses = list(until_none(lambda: tried.after_connection(useless_link())))
    assert len(pauses) == TRIES - 1
    assert min(pauses) > 0, "the proxy is not to be hammered"


@pytest.mark.parametrize("renews", [True, False])
@pytest.mark.parametrize("error", SOON, ids=repr)
def test_an_outage_without_end_ends(error: NovaConsoleError, renews: bool) -> None:
    tried = after_attached(renews=renews)
    pauses = list(until_none(lambda: tried.after_error(error)))
    assert len(pauses) == TRIES - 1
    assert max(pauses) <= MOST_SECONDS_BETWEEN_TRIES


@pytest.mark.parametrize("renews", [True, False])
def test_a_proxy_that_drops_everybody_from_now_on_is_given_up(renews: bool) -> None:
    tried = after_attached(renews=renews)
    pauses = list(until_none(lambda: tried.after_connection(useless_link())))
    assert len(pauses) == (TRIES if renews else REFUSALS_OF_ONE_URL) - 1
    assert min(pauses) > 0
    assert max(pauses) <= MOST_SECONDS_BETWEEN_TRIES


def test_refusals_and_drops_are_counted_together() -> None:
    tried = after_attached()
    kinds: itertools.cycle[Callable[[], float | None]] = itertools.cycle(
        [
            lambda: tried.after_error(SOON[0]),
            lambda: tried.after_connection(useless_link()),
            lambda: tried.after_error(IN_TIME[0]),  # a sign of life, not a failure
        ]
    )
    pauses = list(until_none(lambda: next(kinds)()))
    failed = [pause for at, pause in enumerate(pauses, start=1) if at % 3]
    assert len(failed) == TRIES - 1


def test_every_outage_has_tries_of_its_own() -> None:
    tried = after_attached()
    for _ in range(3):
        assert len(list(until_none(lambda: tried.after_error(SOON[0])))) == TRIES - 1
        assert tried.after_connection(connection()) == 0


def test_a_server_that_is_started_again_is_looked_for_often() -> None:
    """Its boot loader waits for some seconds only."""
    tried = after_attached()
    for _ in range(TRIES):
        pause = tried.after_error(IN_TIME[0])
        assert pause is not None
        assert pause <= MOST_SECONDS_BETWEEN_LOOKS


# ---- a console that comes and goes


@pytest.mark.parametrize("closed", [None, CloseReason(1000), CloseReason(1011)])
@pytest.mark.parametrize("seconds", [0.0, 1.0, GOOD_SECONDS - 0.1])
def test_a_connection_is_good_after_seconds_not_after_bytes(
    seconds: float, closed: CloseReason | None
) -> None:
    """One byte must not make the pauses short again: each try asks for a new URL."""
    tried = after_attached()
    short = connection(seconds=seconds, bytes_in=10_000, closed=closed)
    pauses = [*until_none(lambda: tried.after_connection(short))]
    assert len(pauses) == TRIES - 1
    assert min(pauses) > 0
    assert min(pauses[20:]) >= 5.0 * 0.8


def test_in_20_seconds_few_urls_are_asked_for() -> None:
    tried = after_attached()
    short = connection(seconds=0.0, bytes_in=1)
    pauses = until_none(lambda: tried.after_connection(short))
    elapsed = [*itertools.takewhile(lambda t: t < 20, itertools.accumulate(pauses))]
    assert len(elapsed) <= 12


# ---- ~R


@pytest.mark.parametrize("reconnect", [True, False])
@pytest.mark.parametrize(
    "lost", [connection(), useless_link()], ids=["used", "useless"]
)
def test_by_hand_the_try_is_made_at_once(
    lost: ConnectionSummary, reconnect: bool
) -> None:
    tried = retry_policy(reconnect=reconnect, renews=False)
    assert tried.after_connection(lost, by_hand=True) == 0


@pytest.mark.parametrize("renews", [True, False])
def test_by_hand_the_outage_is_bounded_too(renews: bool) -> None:
    tried = retry_policy(renews=renews)
    assert tried.after_connection(connection(), by_hand=True) == 0
    assert len(list(until_none(lambda: tried.after_error(SOON[0])))) == TRIES - 1
    assert tried.after_connection(connection(), by_hand=True) == 0
    pauses = list(until_none(lambda: tried.after_connection(useless_link())))
    assert len(pauses) == (TRIES if renews else REFUSALS_OF_ONE_URL) - 1


def test_by_hand_is_for_once() -> None:
    tried = retry_policy()
    assert tried.after_connection(useless_link(), by_hand=True) == 0
    assert tried.after_error(SOON[0]) is not None
    assert tried.after_connection(connection()) is None
    assert tried.after_error(SOON[0]) is None


def test_by_hand_again_before_the_new_link_has_settled() -> None:
    tried = retry_policy()
    for _ in range(10 * TRIES):
        assert tried.after_connection(useless_link(), by_hand=True) == 0


# ---- whatever happens

EVENTS = st.one_of(
    st.sampled_from([*SOON, *IN_TIME, *NEVER]),
    st.builds(
        connection,
        seconds=st.floats(min_value=0, max_value=100),
        bytes_in=st.integers(min_value=0, max_value=3),
        closed=st.sampled_from(
            [CloseReason(None), CloseReason(1000), CloseReason(1011, "no")]
        ),
    ),
)


@thorough
@given(wait=ANY, reconnect=ANY, renews=ANY, events=st.lists(st.tuples(EVENTS, ANY)))
def test_pauses_are_bounded_and_useless_tries_never_follow_at_once(
    wait: bool,
    reconnect: bool,
    renews: bool,
    events: list[tuple[NovaConsoleError | ConnectionSummary, bool]],
) -> None:
    tried = RetryPolicy(wait=wait, reconnect=reconnect, renews=renews)
    for event, by_hand in events:
        if isinstance(event, NovaConsoleError):
            pause = tried.after_error(event)
            at_once_is_fine = False
        else:
            pause = tried.after_connection(event, by_hand=by_hand)
            at_once_is_fine = by_hand or event.seconds >= GOOD_SECONDS
        if pause is not None:
            assert (pause == 0) is at_once_is_fine
            assert 0 <= pause <= MOST_SECONDS_BETWEEN_TRIES


@thorough
@given(
    wait=ANY,
    renews=ANY,
    failures=st.lists(
        st.sampled_from([*SOON, useless_link()]), min_size=TRIES, max_size=2 * TRIES
    ),
)
def test_no_mixture_of_failures_is_tried_for_ever(
    wait: bool, renews: bool, failures: list[NovaConsoleError | ConnectionSummary]
) -> None:
    tried = after_attached(wait=wait, renews=renews)
    pauses = [
        tried.after_error(failure)
        if isinstance(failure, NovaConsoleError)
        else tried.after_connection(failure)
        for failure in failures
    ]
    refusals = 0
    for number, (failure, pause) in enumerate(zip(failures, pauses, strict=True), 1):
        refusals += isinstance(failure, ConnectionSummary)
        is_refused = (
            isinstance(failure, ConnectionSummary) and refusals >= REFUSALS_OF_ONE_URL
        )
        given_up = number >= TRIES or (is_refused and not renews)
        if given_up:
            assert pause is None
            return
        assert pause is not None


def test_a_lost_connection_is_a_disturbance() -> None:
    """Where it is raised, as by a link that is closed under the session."""
    assert after_attached().after_error(ConnectionLost("gone")) is not None
