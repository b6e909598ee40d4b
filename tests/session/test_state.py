"""Who ends a session, and how: the first outcome counts."""

import pytest
import trio
import trio.testing

from novaconsole.console.outcome import Outcome, Reason
from novaconsole.websocket.close import CloseReason
from support.session_fakes import FakeConnection, Said, session_of


async def test_the_first_outcome_counts() -> None:
    async with session_of(Said()) as (session, nursery):
        assert session.outcome is None
        session.end(Outcome(Reason.QUIT))
        session.end(Outcome(Reason.CLOSED))
        assert nursery.cancel_scope.cancel_called
    assert session.outcome == Outcome(Reason.QUIT)


async def test_the_end_cancels_every_task() -> None:
    ended = []

    async def task(number: int) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(number)

    async with session_of(Said()) as (session, nursery):
        for number in range(3):
            nursery.start_soon(task, number)
        await trio.testing.wait_all_tasks_blocked()
        session.end(Outcome(Reason.SIGNAL, signum=15))
    assert sorted(ended) == [0, 1, 2]


async def test_grace_lets_what_is_under_way_finish(
    autojump_clock: trio.testing.MockClock,
) -> None:
    started = trio.current_time()
    async with session_of(Said()) as (session, nursery):
        nursery.start_soon(trio.sleep_forever)
        session.end(Outcome(Reason.QUIT), grace=0.05)
        assert not nursery.cancel_scope.cancel_called
    assert trio.current_time() - started == pytest.approx(0.05)


async def test_grace_ends_as_soon_as_all_is_done(
    autojump_clock: trio.testing.MockClock,
) -> None:
    started = trio.current_time()
    async with session_of(Said()) as (session, nursery):
        nursery.start_soon(trio.sleep_forever)
        session.end(Outcome(Reason.QUIT), grace=0.05)
        session.cancel()
    assert trio.current_time() == started


@pytest.mark.parametrize(
    ("reason", "hurries"),
    [(Reason.QUIT, True), (Reason.SIGNAL, True), (Reason.INPUT_ENDED, False)],
)
async def test_only_piped_input_takes_time_for_the_closing_handshake(
    reason: Reason, hurries: bool
) -> None:
    connection = FakeConnection()
    usual = connection.close_limit
    async with session_of(Said()) as (session, _):
        session.attach(connection.attachment().attachment)
        session.end(Outcome(reason))
    assert (connection.close_limit < usual) is hurries


async def test_the_last_connection_is_remembered_after_it_has_ended() -> None:
    connection = FakeConnection()
    async with session_of(Said()) as (session, _):
        assert session.last is None
        session.attach(connection.attachment().attachment)
        connection.bytes_in = 7
        assert session.last is not None
        assert session.last.bytes_in == 7
        session.detach()
        assert session.attachment is None
        lost = session.last
        connection.end(CloseReason(1000))
        connection.bytes_in = 8
        assert session.last == lost
