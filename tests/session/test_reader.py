"""What comes from the guest: to the log, to the screen, and looked at for `--until`."""

import errno
from random import Random
from typing import cast

import pytest
import trio
import trio.testing

from novaconsole.console.outcome import Outcome, Reason
from novaconsole.errors import OutputFailed
from novaconsole.guest.expect import Patterns
from novaconsole.session.display import Display
from novaconsole.session.history import HistoryReplay
from novaconsole.session.reader import UntilSink, read_output
from novaconsole.websocket.close import CloseReason
from support.session_fakes import (
    FakeConnection,
    FakeLog,
    FakeScreen,
    FakeSource,
    Said,
    session_of,
)

LOST = CloseReason(None)


async def test_output_is_logged_and_shown_byte_for_byte() -> None:
    connection, screen, log = FakeConnection(), FakeScreen(), FakeLog()
    data = bytes(range(256))
    async with session_of(Said()) as (session, _):
        attachment = connection.attachment().attachment
        connection.receive(data[:100])
        connection.receive(data[100:])
        connection.end(LOST)
        await read_output(session, attachment, log, Display(screen), None)
        assert attachment.output_came.is_set()
        assert session.outcome is None  # the connection may be replaced
    assert screen.shown == log.written == data
    assert connection.shown == len(data)


async def test_the_log_has_what_the_screen_has_not_taken_yet() -> None:
    connection, log = FakeConnection(), FakeLog()
    screen = FakeScreen(stuck=True)
    async with session_of(Said()) as (session, nursery):
        attachment = connection.attachment().attachment
        connection.receive(b"last words")
        nursery.start_soon(read_output, session, attachment, log, Display(screen), None)
        await trio.testing.wait_all_tasks_blocked()
        session.end(Outcome(Reason.SIGNAL, signum=9))
    assert log.written == b"last words"
    assert screen.shown == b""


async def test_a_match_is_shown_before_it_ends_the_session() -> None:
    connection, screen, said = FakeConnection(), FakeScreen(), Said()
    async with session_of(said, until=Patterns("never", "login: $")) as (
        session,
        nursery,
    ):
        attachment = connection.attachment().attachment
        connection.receive(b"web1 lo")
        connection.receive(b"gin: ")
        nursery.start_soon(
            read_output, session, attachment, FakeLog(), Display(screen), None
        )
    assert session.outcome == Outcome(Reason.MATCHED)
    assert screen.shown == b"web1 login: "
    assert said.events == [("matched", {"pattern": "login: $", "text": "login: "})]


async def test_a_line_that_was_cut_off_is_not_continued_by_the_next_connection() -> (
    None
):
    async with session_of(Said(), until=Patterns("login: ")) as (session, _):
        for part in (b"log", b"in: "):
            connection = FakeConnection()
            connection.receive(part)
            connection.end(LOST)
            attachment = connection.attachment().attachment
            await read_output(
                session, attachment, FakeLog(), Display(FakeScreen()), None
            )
        assert session.outcome is None


@pytest.mark.parametrize(
    ("trouble", "reason", "status"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), Reason.OUTPUT_CLOSED, 0),
        (OSError(errno.ENOSPC, "No space left on device"), Reason.FAILED, 1),
    ],
    ids=["reader gone", "disk full"],
)
async def test_a_screen_that_cannot_be_written_ends_the_session(
    trouble: OSError, reason: Reason, status: int
) -> None:
    connection, screen = FakeConnection(), FakeScreen(keeps_modes=False)
    screen.trouble = trouble
    async with session_of(Said()) as (session, nursery):
        attachment = connection.attachment().attachment
        connection.receive(b"x")
        nursery.start_soon(
            read_output, session, attachment, FakeLog(), Display(screen), None
        )
    assert session.outcome is not None
    assert session.outcome.reason is reason
    assert session.outcome.exit_status == status
    if reason is Reason.FAILED:
        error = cast("OutputFailed", session.outcome.error)
        assert str(error) == "cannot write the output: No space left on device"


async def test_history_comes_first_and_live_output_follows_without_a_gap(
    autojump_clock: trio.testing.MockClock,
) -> None:
    connection, screen, log = FakeConnection(), FakeScreen(), FakeLog()
    history = HistoryReplay(10, FakeSource(log="boot\nlogin: ro"))
    async with session_of(Said()) as (session, nursery):
        attachment = connection.attachment().attachment
        connection.receive(b"login: root\r\n")
        nursery.start_soon(
            read_output, session, attachment, log, Display(screen), history
        )
        await trio.sleep(1)
        connection.receive(b"# ")
        await trio.sleep(1)
        session.end(Outcome(Reason.QUIT))
    assert screen.shown == b"boot\r\nlogin: root\r\n# "
    assert log.written == b"login: root\r\n# "  # what the guest sent, and no more


async def test_history_counts_for_until_but_is_no_sign_of_life(
    autojump_clock: trio.testing.MockClock,
) -> None:
    connection = FakeConnection()
    history = HistoryReplay(10, FakeSource(log="web1 login: "))
    async with session_of(Said(), until=Patterns("login: $")) as (session, nursery):
        attachment = connection.attachment().attachment
        nursery.start_soon(
            read_output, session, attachment, FakeLog(), Display(FakeScreen()), history
        )
    assert session.outcome == Outcome(Reason.MATCHED)
    assert not attachment.output_came.is_set()


async def test_a_pattern_that_is_too_slow_ends_the_session() -> None:
    slow = Patterns("[ab]*a[ab]{1000}c")
    connection, screen = FakeConnection(), FakeScreen()
    hostile = "".join(Random(1).choices("ab", k=65536)).encode()
    async with session_of(Said(), until=slow) as (session, nursery):
        attachment = connection.attachment().attachment
        connection.receive(hostile)
        nursery.start_soon(
            read_output, session, attachment, FakeLog(), Display(screen), None
        )
    assert session.outcome is not None
    assert session.outcome.reason is Reason.FAILED
    assert session.outcome.exit_status == 2
    assert "too slow" in str(session.outcome.error)
    assert screen.shown == hostile


@pytest.mark.parametrize(
    "source", ["[ab]*a[ab]{14}c", "[ab]*a[ab]{400}c", "([ab])*a([ab]){14}$"]
)
async def test_while_a_slow_pattern_is_matched_other_tasks_run(source: str) -> None:
    """Those that read `~.` and the clock, every few thousandths of a second."""
    hostile = "".join(Random(1).choices("ab", k=65536)).encode()
    rounds = 0
    async with session_of(Said()) as (session, nursery):

        async def run_meanwhile() -> None:
            nonlocal rounds
            while True:
                await trio.lowlevel.checkpoint()
                rounds += 1

        nursery.start_soon(run_meanwhile)
        await UntilSink(Patterns(source), session).write(hostile)
        session.end(Outcome(Reason.QUIT))
    assert rounds > 40  # in half a second, or more
