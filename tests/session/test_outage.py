"""What is said of an outage: each thing once."""

from novaconsole.session.outage import OutageReport
from support.session_fakes import Said

LOST = "connection to web1 lost: no close frame received"
TO = "web1 (ws://h/?token=***)"
AGAIN = f"connected again to: {TO}"


def test_a_console_that_comes_and_goes_is_no_wall_of_lines() -> None:
    said = Said()
    report = OutageReport(said)
    for _ in range(100):
        report.lost(LOST)
        report.attached(TO)
    report.lasted(TO)
    assert said.lines == [
        f"{LOST}; reconnecting",
        AGAIN,
        f"{LOST}; reconnecting again",
        AGAIN,
    ]


def test_reasons_that_differ_each_time_are_no_wall_either() -> None:
    said = Said()
    report = OutageReport(said)
    for number in range(100):
        report.lost(f"closed with {number}")
        report.attached(TO)
    assert len(said.lines) == 4


def test_that_it_is_connected_again_is_said_once_if_that_lasts() -> None:
    said = Said()
    report = OutageReport(said)
    for _ in range(2):
        report.lost(LOST)
        report.attached(TO)
        report.lasted(TO)
    assert said.lines == [f"{LOST}; reconnecting", AGAIN] * 2


def test_what_is_waited_for_is_said_when_it_changes() -> None:
    said = Said()
    report = OutageReport(said)
    for state in ("BUILD", "BUILD", "ERROR", "BUILD"):
        report.waiting(state)
        report.lost(LOST)
    assert said.lines == [
        "waiting: BUILD",
        f"{LOST}; reconnecting",
        "waiting: ERROR",
        "waiting: BUILD",
    ]


def test_the_user_is_answered_each_time() -> None:
    said = Said()
    report = OutageReport(said)
    for _ in range(2):
        report.end()
        report.lost(None)
        report.attached(TO)
    assert said.lines == ["reconnecting", AGAIN] * 2
