"""The keyboard: what the guest gets, what is for us, and what happens in an outage."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
import trio.testing

from novaconsole.console.outcome import Outcome, Reason
from novaconsole.console.retry import RetryPolicy
from novaconsole.guest.expect import Patterns
from novaconsole.session.display import Display
from novaconsole.session.keyboard import KeyboardReader, PipedInput, send_typed
from novaconsole.session.state import Session
from novaconsole.terminal.notices import Verbosity
from novaconsole.websocket.close import CloseReason
from support.session_fakes import (
    FakeConnection,
    FakeKeyboard,
    FakeLog,
    FakeRecorder,
    FakeScreen,
    Said,
    session_of,
)


@dataclass
class Desk:
    """A person at a keyboard.

    Attributes:
        bells: how often a key went nowhere.
    """

    session: Session
    nursery: trio.Nursery
    keyboard: FakeKeyboard
    screen: FakeScreen
    display: Display
    policy: RetryPolicy
    said: Said
    bells: int = 0

    async def type(self, data: bytes) -> None:
        """Type, and let all of it be read."""
        self.keyboard.type(data)
        await trio.testing.wait_all_tasks_blocked()

    def attach(self, connection: FakeConnection, *, sends: bool = True) -> None:
        """Attach the session to a connection."""
        fake = connection.attachment()
        self.session.attach(fake.attachment)
        if sends:
            self.nursery.start_soon(
                send_typed, self.session, fake.attachment, fake.typed, None
            )


@asynccontextmanager
async def sitting_down(**options: object) -> AsyncIterator[Desk]:
    """A session whose keyboard is read; ended by the test or at its end."""
    said, screen, keyboard = Said(), FakeScreen(), FakeKeyboard()
    async with session_of(said, **options) as (session, nursery):
        policy = RetryPolicy(wait=True, reconnect=True, renews=True)
        display = Display(screen)
        desk = Desk(session, nursery, keyboard, screen, display, policy, said)

        def bell() -> None:
            desk.bells += 1

        reader = KeyboardReader(
            session,
            keyboard,
            policy,
            display=display,
            log=FakeLog(),
            bell=bell,
            info=lambda: ["attached to: web1"],
        )
        nursery.start_soon(reader.read)
        yield desk
        if session.outcome is None:
            session.end(Outcome(Reason.SIGNAL, signum=15))


async def test_what_is_typed_reaches_the_guest() -> None:
    connection = FakeConnection()
    async with sitting_down() as desk:
        desk.attach(connection)
        await desk.type(b"ls -l\r")
        assert connection.sent == b"ls -l\r"
        assert desk.session.attachment is not None
        assert desk.session.attachment.enter_typed.is_set()
        assert desk.bells == 0


async def test_enter_is_noticed_only_when_it_is_typed() -> None:
    connection = FakeConnection()
    async with sitting_down() as desk:
        desk.attach(connection)
        await desk.type(b"ls")
        assert desk.session.attachment is not None
        assert not desk.session.attachment.enter_typed.is_set()


async def test_the_escape_ends_the_session_at_once() -> None:
    async with sitting_down() as desk:
        await desk.type(b"~.")
    assert desk.session.outcome == Outcome(Reason.QUIT)


async def test_what_was_typed_before_the_escape_is_sent_first() -> None:
    connection = FakeConnection()
    async with sitting_down() as desk:
        desk.attach(connection)
        await desk.type(b"exit\r~.")
    assert connection.sent == b"exit\r"
    assert desk.session.outcome == Outcome(Reason.QUIT)


async def test_the_escape_works_while_the_network_accepts_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    connection = FakeConnection()
    async with sitting_down() as desk:
        connection.stop_accepting()
        desk.attach(connection)
        started = trio.current_time()
        await desk.type(b"x\r~.")
    assert desk.session.outcome == Outcome(Reason.QUIT)
    assert connection.sent == b""
    assert trio.current_time() - started < 0.2


async def test_what_is_pasted_behind_the_escape_goes_nowhere() -> None:
    connection = FakeConnection()
    async with sitting_down() as desk:
        desk.attach(connection)
        await desk.type(b"~.rm -rf /\r")
    assert connection.sent == b""


async def test_keys_in_an_outage_are_dropped_with_a_bell() -> None:
    """A guest that has rebooted meanwhile must not get them."""
    connection = FakeConnection()
    async with sitting_down() as desk:
        await desk.type(b"y")
        assert desk.bells == 1
        desk.attach(connection)
        await desk.type(b"z")
        assert desk.bells == 1
        assert connection.sent == b"z"


async def test_ctrl_c_before_the_first_console_ends_the_wait() -> None:
    async with sitting_down() as desk:
        await desk.type(b"\x03")
    assert desk.session.outcome == Outcome(Reason.SIGNAL, signum=signal.SIGINT)


async def test_ctrl_c_in_a_later_outage_is_a_key_like_any_other() -> None:
    async with sitting_down() as desk:
        desk.policy.after_connection(
            FakeConnection().attachment().attachment.summary(), by_hand=True
        )
        await desk.type(b"\x03")
        assert desk.session.outcome is None
        assert desk.bells == 1


async def test_read_only_sends_nothing_and_rings_no_bell() -> None:
    connection = FakeConnection()
    async with sitting_down(read_only=True) as desk:
        desk.attach(connection)
        await desk.type(b"x\r")
        assert connection.sent == b""
        assert desk.bells == 0
        await desk.type(b"~.")
    assert desk.session.outcome == Outcome(Reason.QUIT)


async def test_a_terminal_that_goes_away_hangs_up() -> None:
    async with sitting_down() as desk:
        desk.keyboard.hang_up()
        await trio.testing.wait_all_tasks_blocked()
    assert desk.session.outcome == Outcome(Reason.HANGUP)


async def test_without_an_escape_every_byte_is_for_the_guest() -> None:
    connection = FakeConnection()
    async with sitting_down(escape=None) as desk:
        desk.attach(connection)
        await desk.type(b"~.\r~?")
        assert connection.sent == b"~.\r~?"
        assert desk.said.lines == []


async def test_while_suspended_the_terminal_has_none_of_the_guests_modes() -> None:
    async with sitting_down() as desk:
        await desk.display.show(b"\x1b[?1049h")
        await desk.type(b"~\x1a")
        assert desk.keyboard.suspended == 1
        assert desk.screen.shown == b"\x1b[?1049h" + b"\x1b[?1049l" + b"\x1b[?1049h"


async def test_reconnecting_by_hand_drops_the_connection() -> None:
    connection = FakeConnection()
    usual = connection.close_limit
    async with sitting_down() as desk:
        desk.attach(connection)
        attachment = desk.session.attachment
        await desk.type(b"~R")
        assert attachment is not None
        assert attachment.reconnect.is_set()
        assert desk.session.attachment is None
        assert connection.close_limit < usual


async def test_reconnecting_in_an_outage_is_answered() -> None:
    async with sitting_down() as desk:
        await desk.type(b"~R")
        assert desk.said.lines == ["not attached; trying to connect already"]


@pytest.mark.parametrize(
    ("keys", "first_line"),
    [
        (b"~I", "attached to: web1"),
        (b"~L", "log: stopped"),
        (b"~B", "Nova's serial console cannot carry a BREAK"),
        (b"~v", "messages: verbose"),
        (b"~V", "messages: quiet"),
        (b"~?", "~.    disconnect"),
    ],
)
async def test_an_escape_is_answered_here_and_not_sent(
    keys: bytes, first_line: str
) -> None:
    connection = FakeConnection()
    async with sitting_down() as desk:
        desk.attach(connection)
        await desk.type(keys)
        assert desk.said.lines[0] == first_line
        assert connection.sent == b""


async def test_what_was_asked_for_is_answered_however_quiet() -> None:
    async with sitting_down() as desk:
        desk.said.change_verbosity(-2)
        desk.said.lines.clear()
        assert desk.said.verbosity is Verbosity.QUIET
        await desk.type(b"~?")
        assert len(desk.said.lines) > 5


# ---- piped input


class FakeInput:
    """Redirected input that gives some pieces, and then ends or waits."""

    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        self._pieces = [*pieces]
        self._ends = ends

    async def receive_some(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._pieces:
            return self._pieces.pop(0)
        if not self._ends:
            await trio.sleep_forever()
        return b""


async def pipe_into(
    session: Session,
    nursery: trio.Nursery,
    piped: PipedInput,
    connection: FakeConnection,
    recorder: FakeRecorder | None = None,
) -> None:
    fake = connection.attachment(0)
    session.attach(fake.attachment)
    nursery.start_soon(piped.feed, fake.attachment)
    nursery.start_soon(send_typed, session, fake.attachment, fake.typed, recorder)


async def test_piped_input_is_sent_and_its_end_ends_the_session(
    autojump_clock: trio.testing.MockClock,
) -> None:
    connection, recorder = FakeConnection(), FakeRecorder()
    started = trio.current_time()
    async with session_of(Said(), close_wait=0.5) as (session, nursery):
        piped = PipedInput(FakeInput(b"upt", b"ime\r", b"~.\r"))
        await pipe_into(session, nursery, piped, connection, recorder)
    assert connection.sent == b"uptime\r~.\r"
    assert b"".join(recorder.all("input")) == connection.sent
    assert session.outcome == Outcome(Reason.INPUT_ENDED)
    assert session.input_has_ended
    assert trio.current_time() - started == pytest.approx(0.5)


async def test_output_that_still_comes_is_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    connection = FakeConnection()
    started = trio.current_time()
    async with session_of(Said(), close_wait=0.5) as (session, nursery):
        await pipe_into(session, nursery, PipedInput(FakeInput(b"x")), connection)
        with session.activity.showing():
            await trio.sleep(10)
    assert trio.current_time() - started == pytest.approx(10.5)


async def test_with_until_the_end_of_the_input_ends_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    connection = FakeConnection()
    async with session_of(Said(), until=Patterns("never")) as (session, nursery):
        await pipe_into(session, nursery, PipedInput(FakeInput(b"x")), connection)
        await trio.sleep(3600 / 2)
        assert session.outcome is None
        session.end(Outcome(Reason.TIMED_OUT))


async def test_input_that_a_lost_connection_did_not_take_goes_into_the_next() -> None:
    first, second = FakeConnection(), FakeConnection()
    piped = PipedInput(FakeInput(b"one\r", b"two\r", ends=False))
    async with session_of(Said()) as (session, _nursery):
        async with trio.open_nursery() as tasks:
            first.stop_accepting()
            await pipe_into(session, tasks, piped, first)
            await trio.testing.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert first.sent == b""
        async with trio.open_nursery() as tasks:
            await pipe_into(session, tasks, piped, second)
            await trio.testing.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        session.end(Outcome(Reason.SIGNAL, signum=2))
    # What was handed to the first may have been sent, so only the rest is.
    assert second.sent == b"two\r"


async def test_typing_into_a_closed_connection_ends_nothing() -> None:
    """The task that reads finds out why it is closed, after the last output."""
    connection = FakeConnection()
    connection.close_reason = CloseReason(1000)
    async with sitting_down() as desk:
        desk.attach(connection)
        await desk.type(b"x")
        assert desk.session.outcome is None
