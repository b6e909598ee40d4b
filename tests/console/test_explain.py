"""The last words: what tells one loss from another, and what to try."""

import pytest

from novaconsole.cloud.server import Server
from novaconsole.console.explain import closing_message, describe_loss, suggest
from novaconsole.console.outcome import ConnectionSummary, Outcome, Reason
from novaconsole.websocket.close import CloseReason

URL_HINT = "openstack console url show --serial"
GONE = CloseReason(None)
NO_PONG = CloseReason(None, "no answer to pings for 40 seconds")


def summary(
    closed: CloseReason | None = GONE,
    *,
    named: bool = True,
    seconds: float = 30.0,
    bytes_in: int = 1000,
    names_origin: bool = False,
    token_age: float | None = None,
) -> ConnectionSummary:
    return ConnectionSummary(
        "web1",
        named,
        seconds,
        bytes_in,
        closed,
        names_origin=names_origin,
        token_age=token_age,
    )


def server(status: str, *, task: str | None = None, off: bool = False) -> Server:
    return Server("web1", "3f9a-27c1", status, task, powered_off=off)


# ---- for programs


@pytest.mark.parametrize(
    ("closed", "code", "reason"),
    [
        (None, None, ""),
        (GONE, None, ""),
        (NO_PONG, None, "no answer to pings for 40 seconds"),
        (CloseReason(1000, "Target closed"), 1000, "Target closed"),
    ],
)
def test_programs_are_told_all(
    closed: CloseReason | None, code: int | None, reason: str
) -> None:
    assert summary(closed, seconds=1.23456).as_event() == {
        "code": code,
        "reason": reason,
        "seconds": 1.235,
        "bytes_in": 1000,
        "bytes_out": 0,
    }


# ---- what happened


def test_who_quits_is_told_from_what() -> None:
    words = closing_message(Outcome(Reason.QUIT), summary(None))
    assert words == "disconnected from web1"


@pytest.mark.parametrize("closed", [GONE, CloseReason(1011)])
def test_who_quits_after_a_loss_is_told_the_same(closed: CloseReason) -> None:
    """As in an outage."""
    words = closing_message(Outcome(Reason.QUIT), summary(closed))
    assert words == "disconnected from web1"


@pytest.mark.parametrize(
    "closed", [CloseReason(1000, "Target closed"), CloseReason(1011)]
)
@pytest.mark.parametrize("seconds", [0.1, 30.0, 60.0])
def test_a_close_is_told_with_code_and_reason(
    closed: CloseReason, seconds: float
) -> None:
    """Also at once and before any byte: who closes properly says why."""
    connection = summary(closed, seconds=seconds, bytes_in=0)
    assert (
        describe_loss(connection)
        == f"connection to web1 closed by the other side: {closed}"
    )
    assert not connection.is_refusal
    assert not connection.is_late_refusal


@pytest.mark.parametrize(
    ("closed", "seconds", "bytes_in"),
    [
        (GONE, 60.0, 0),
        (GONE, 60.0, 1),
        (GONE, 0.1, 1),
        (NO_PONG, 0.1, 0),
        (NO_PONG, 60.0, 1),
    ],
)
def test_a_loss_is_told_as_such(
    closed: CloseReason, seconds: float, bytes_in: int
) -> None:
    words = describe_loss(summary(closed, seconds=seconds, bytes_in=bytes_in))
    assert words == f"connection to web1 lost: {closed}"


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_dropped_at_once_without_a_byte_means_the_token(
    named: bool, seconds: float
) -> None:
    connection = summary(named=named, seconds=seconds, bytes_in=0)
    words = describe_loss(connection)
    assert words is not None
    assert words.startswith("web1 dropped the connection at once: ")
    assert "token" in words
    assert ("expired or is wrong" in words) is not named, "a new token is never old"


@pytest.mark.parametrize(
    ("seconds", "bytes_in", "closed", "refusal", "late"),
    [
        (0.0, 0, GONE, True, False),
        (9.9, 0, GONE, True, False),
        (10.0, 0, GONE, False, False),
        (55.0, 0, GONE, False, False),
        (60.0, 0, GONE, False, True),  # how long the proxy waits for the compute host
        (0.0, 1, GONE, False, False),
        (60.0, 1, GONE, False, False),
        (0.0, 0, None, False, False),
        (60.0, 0, None, False, False),
        (0.0, 0, NO_PONG, False, False),
        (60.0, 0, NO_PONG, False, False),
        (0.0, 0, CloseReason(1006), False, False),
    ],
)
def test_a_refusal_is_known_by_its_time_and_its_silence(
    seconds: float, bytes_in: int, closed: CloseReason | None, refusal: bool, late: bool
) -> None:
    connection = summary(closed, seconds=seconds, bytes_in=bytes_in)
    assert (connection.is_refusal, connection.is_late_refusal) == (refusal, late)


@pytest.mark.parametrize(
    "ended",
    [
        Outcome(Reason.INPUT_ENDED),
        Outcome(Reason.MATCHED),
        Outcome(Reason.OUTPUT_CLOSED),
        Outcome(Reason.HANGUP),
        Outcome(Reason.SIGNAL, signum=15),
    ],
    ids=str,
)
def test_an_end_that_explains_itself_needs_no_words(ended: Outcome) -> None:
    assert closing_message(ended, summary(seconds=0.0, bytes_in=0)) is None


def test_who_was_lost_is_told_of_the_loss() -> None:
    connection = summary()
    assert closing_message(Outcome(Reason.CLOSED), connection) == describe_loss(
        connection
    )


def test_nothing_is_lost_while_the_link_is_open() -> None:
    connection = summary(None, seconds=0.0, bytes_in=0)
    assert closing_message(Outcome(Reason.CLOSED), connection) is None
    assert describe_loss(connection) is None
    assert suggest(connection, server("SHUTOFF")) is None


# ---- what to try


@pytest.mark.parametrize("closed", [GONE, NO_PONG, CloseReason(1011)])
@pytest.mark.parametrize("seconds", [0.0, 30.0, 60.0])
@pytest.mark.parametrize(
    ("found", "state", "command"),
    [
        (server("SHUTOFF"), "SHUTOFF", "openstack server start 3f9a-27c1"),
        (server("ACTIVE", off=True), "powered off", "openstack server start 3f9a-27c1"),
        (server("PAUSED"), "PAUSED", "openstack server unpause 3f9a-27c1"),
        (server("ERROR"), "ERROR", "openstack server show 3f9a-27c1"),
        (server("HARD_REBOOT"), "HARD_REBOOT", "--wait"),
        (server("SHUTOFF", task="powering-on"), "(powering-on)", "server start"),
    ],
    ids=str,
)
def test_a_server_that_does_not_run_explains_any_loss(
    closed: CloseReason, seconds: float, found: Server, state: str, command: str
) -> None:
    hint = suggest(summary(closed, seconds=seconds, bytes_in=0), found)
    assert hint is not None
    assert "(server 'web1' is " in hint
    assert state in hint
    assert command in hint.partition(" (server ")[0]


@pytest.mark.parametrize("found", [None, server("ACTIVE")])
def test_who_was_refused_needs_a_new_token(found: Server | None) -> None:
    hint = suggest(summary(seconds=0.5, bytes_in=0), found)
    assert hint is not None
    assert "run novaconsole again" in hint
    assert URL_HINT not in hint


def test_who_gave_a_url_needs_another_one() -> None:
    hint = suggest(summary(named=False, seconds=0.5, bytes_in=0), None)
    assert hint is not None
    assert URL_HINT in hint


@pytest.mark.parametrize("named", [True, False])
def test_who_gave_an_origin_is_told_that_it_may_be_refused(named: bool) -> None:
    """The proxy accepts the upgrade and hangs up, as for a bad token."""
    connection = summary(named=named, seconds=0.5, bytes_in=0, names_origin=True)
    assert "Origin or Host" in str(describe_loss(connection))
    assert str(suggest(connection, None)).startswith("try without --origin ")


@pytest.mark.parametrize(
    ("named", "age", "lifetime"),
    [
        (True, 600.0, "10 minutes"),
        (True, 598.5, "10 minutes"),  # whole seconds, up to one early
        (True, 600.9, "10 minutes"),
        (True, 59.2, "one minute"),
        (True, 3600.1, "60 minutes"),
        (True, 603.0, None),
        (True, 420.0, None),  # an operator would hardly choose this
        (True, 7200.0, "120 minutes"),
        (True, 597.0, None),
        (True, 30.0, None),
        (True, 0.5, None),
        (True, None, None),
        (False, 600.0, "10 minutes"),
        (False, 590.0, "10 minutes"),  # requested a while before
        (False, 297.0, "5 minutes"),
        (False, 295.0, None),
        (False, 602.0, None),
    ],
)
def test_a_session_that_ends_with_its_token_is_told_so(
    named: bool, age: float | None, lifetime: str | None
) -> None:
    """Nova's enforce_session_timeout: no close frame, only the time tells."""
    connection = summary(named=named, seconds=(age or 30) - 0.2, token_age=age)
    words = str(describe_loss(connection))
    hint = str(suggest(connection, None))
    if lifetime is None:
        assert "enforce_session_timeout" not in words
    else:
        assert f"lost {lifetime} after its token was made" in words
        assert "enforce_session_timeout" in words
        assert "proxy or the network" not in hint
        assert ("--reconnect" in hint) is named, "a URL that has expired stays so"


@pytest.mark.parametrize(
    "closed", [CloseReason(1000), CloseReason(1011), CloseReason(None, "no answer")]
)
def test_an_end_that_says_why_is_not_the_tokens(closed: CloseReason) -> None:
    words = str(describe_loss(summary(closed, token_age=600.0)))
    assert "enforce_session_timeout" not in words


@pytest.mark.parametrize("named", [True, False])
def test_a_refusal_after_a_minute_is_the_compute_hosts(named: bool) -> None:
    hint = suggest(summary(named=named, seconds=60.5, bytes_in=0), None)
    assert hint is not None
    assert "compute host" in hint
    assert "operator" in hint


@pytest.mark.parametrize("closed", [GONE, CloseReason(1000)])
def test_a_server_that_changes_comes_back(closed: CloseReason) -> None:
    hint = suggest(summary(closed), server("REBOOT", task="rebooting"))
    assert hint is not None
    assert "--reconnect" in hint
    assert hint.endswith("(server 'web1' is REBOOT (rebooting))")


@pytest.mark.parametrize("closed", [GONE, NO_PONG])
@pytest.mark.parametrize("found", [None, server("ACTIVE")])
def test_a_loss_while_the_server_runs_is_the_networks(
    closed: CloseReason, found: Server | None
) -> None:
    hint = suggest(summary(closed), found)
    assert hint is not None
    assert "proxy or the network" in hint
    assert "--reconnect" in hint


@pytest.mark.parametrize("found", [None, server("ACTIVE")])
def test_a_close_says_enough_of_itself(found: Server | None) -> None:
    hint = suggest(summary(CloseReason(1011)), found)
    assert hint is not None
    assert hint.startswith("use --reconnect ")


@pytest.mark.parametrize("found", [None, server("ACTIVE")])
def test_target_closed_means_the_guests_machine(found: Server | None) -> None:
    hint = suggest(summary(CloseReason(1000, "Target closed")), found)
    assert hint is not None
    assert "probably powered off or restarted" in hint
    assert "--reconnect" in hint


@pytest.mark.parametrize("closed", [GONE, NO_PONG])
def test_a_url_that_worked_once_may_not_work_again(closed: CloseReason) -> None:
    """Nova's tokens work for some minutes only."""
    hint = suggest(summary(closed, named=False), None)
    assert hint is not None
    assert "proxy or the network" in hint
    assert URL_HINT in hint


@pytest.mark.parametrize(
    "closed", [CloseReason(1000, "Target closed"), CloseReason(1001)]
)
def test_who_closes_a_url_in_order_says_enough(closed: CloseReason) -> None:
    assert suggest(summary(closed, named=False), None) is None


@pytest.mark.parametrize("code", [1002, 1008, 1011, 1014])
def test_a_failure_behind_a_url_has_a_hint(code: int) -> None:
    hint = str(suggest(summary(CloseReason(code), named=False), None))
    assert hint.startswith("use --reconnect ")
    assert URL_HINT in hint


@pytest.mark.parametrize(
    "closed", [GONE, NO_PONG, CloseReason(1000), CloseReason(1011)]
)
@pytest.mark.parametrize("found", [None, server("ACTIVE"), server("ACTIVE", task="x")])
def test_who_has_tried_to_reconnect_is_not_told_to(
    closed: CloseReason, found: Server | None
) -> None:
    hint = suggest(summary(closed), found, reconnects=True)
    assert hint is not None
    assert "--reconnect" not in hint
    assert "later" in hint
