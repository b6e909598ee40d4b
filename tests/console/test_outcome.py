"""How a session ends: the statuses that scripts rely on, and the words for people."""

import signal

import pytest

from novaconsole.console.outcome import EXIT_STATUSES, Ended, Reason
from novaconsole.errors import ConnectError, TimedOut
from novaconsole.websocket.close import CloseReason

# RFC 6455 section 7.4.1 and the registry of IANA: what a server may close with.
CODES = [1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1011, 1012, 1013, 1014]


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        (Ended(Reason.QUIT), 0),
        (Ended(Reason.INPUT_ENDED), 0),
        (Ended(Reason.INPUT_ENDED, close_reason=CloseReason(1000)), 0),
        (Ended(Reason.OUTPUT_CLOSED), 0),
        (Ended(Reason.MATCHED), 0),
        (Ended(Reason.TIMED_OUT, error=TimedOut("no match")), 124),
        (Ended(Reason.CLOSED), 3),
        (Ended(Reason.CLOSED, close_reason=CloseReason(1000)), 3),
        (Ended(Reason.CLOSED, close_reason=CloseReason(None)), 3),
        (Ended(Reason.CLOSED, error=ConnectError("refused")), 3),  # was attached once
        (Ended(Reason.HANGUP), 129),
        (Ended(Reason.SIGNAL, signum=signal.SIGHUP), 129),
        (Ended(Reason.SIGNAL, signum=signal.SIGINT), 130),
        (Ended(Reason.SIGNAL, signum=signal.SIGQUIT), 131),
        (Ended(Reason.SIGNAL, signum=signal.SIGTERM), 143),
    ],
    ids=str,
)
def test_every_end_has_the_status_of_the_contract(ended: Ended, status: int) -> None:
    assert ended.exit_status == status


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_status_that_is_documented(reason: Reason) -> None:
    status = Ended(reason, signum=signal.SIGTERM).exit_status
    documented = {shown for shown, _ in EXIT_STATUSES}
    assert ("128 + n" if status > 128 else str(status)) in documented


@pytest.mark.parametrize("code", CODES)
def test_a_close_code_of_the_standard_is_told_in_words(code: int) -> None:
    words, _, rest = str(CloseReason(code)).partition(" (")
    assert words not in {"", "closed"}
    assert rest == f"code {code})"
    assert (
        str(CloseReason(code, "for a reason")) == f"for a reason (code {code}, {words})"
    )


@pytest.mark.parametrize(
    ("closed", "text"),
    [
        (CloseReason(None), "no close frame received"),
        (CloseReason(None, "no answer to pings"), "no answer to pings"),
        (CloseReason(1000), "closed normally (code 1000)"),
        (
            CloseReason(1000, "Target closed"),
            "Target closed (code 1000, closed normally)",
        ),
        (CloseReason(1003, "text"), "text (code 1003, unsupported kind of data)"),
        (CloseReason(4001), "closed (code 4001)"),
        (CloseReason(4001, "kicked"), "kicked (code 4001, closed)"),
    ],
)
def test_how_the_websocket_ended_is_told_with_the_reason_given(
    closed: CloseReason, text: str
) -> None:
    assert str(closed) == text
