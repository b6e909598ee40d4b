"""How a session ends: the exit statuses that scripts rely on."""

import signal

import pytest

from novaconsole.console.outcome import EXIT_STATUSES, Outcome, Reason
from novaconsole.errors import ConnectError, TimedOut, UsageError


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome(Reason.QUIT), 0),
        (Outcome(Reason.INPUT_ENDED), 0),
        (Outcome(Reason.OUTPUT_CLOSED), 0),
        (Outcome(Reason.MATCHED), 0),
        (Outcome(Reason.TIMED_OUT, error=TimedOut("no match")), 124),
        (Outcome(Reason.CLOSED), 3),
        (Outcome(Reason.CLOSED, error=ConnectError("refused")), 3),  # was attached once
        (Outcome(Reason.FAILED, error=ConnectError("refused")), 1),
        (Outcome(Reason.FAILED, error=UsageError("bad file")), 2),
        (Outcome(Reason.HANGUP), 129),
        (Outcome(Reason.SIGNAL, signum=signal.SIGHUP), 129),
        (Outcome(Reason.SIGNAL, signum=signal.SIGINT), 130),
        (Outcome(Reason.SIGNAL, signum=signal.SIGQUIT), 131),
        (Outcome(Reason.SIGNAL, signum=signal.SIGTERM), 143),
    ],
    ids=str,
)
def test_every_end_has_the_status_of_the_contract(
    outcome: Outcome, status: int
) -> None:
    assert outcome.exit_status == status


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_status_that_is_documented(reason: Reason) -> None:
    status = Outcome(
        reason, signum=signal.SIGTERM, error=ConnectError("refused")
    ).exit_status
    documented = {shown for shown, _ in EXIT_STATUSES}
    assert ("128 + n" if status > 128 else str(status)) in documented
