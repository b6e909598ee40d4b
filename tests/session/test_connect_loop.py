"""Attaching, and attaching again: who decides, what is said, and how it all ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import trio
import trio.testing

from novaconsole.console.connect import ConnectOptions, ConsoleAddress
from novaconsole.console.outcome import Outcome, Reason
from novaconsole.console.retry import RetryPolicy
from novaconsole.errors import (
    CloudError,
    ConnectError,
    NovaConsoleError,
    ServerNotActive,
)
from novaconsole.session.connect_loop import ConnectLoop
from novaconsole.session.display import Display
from novaconsole.session.keyboard import PipedInput
from novaconsole.session.state import Session
from novaconsole.websocket.close import CloseReason
from novaconsole.websocket.connection import Connection
from support.session_fakes import (
    TARGET,
    FakeConnection,
    FakeLog,
    FakeRecorder,
    FakeScreen,
    FakeSource,
    Said,
    session_of,
)

TARGET_CLOSED = CloseReason(1000, "Target closed")
GONE = CloseReason(None)
CONNECTED = "connected to: web1 (ws://console.example:6083/?token=***)"
AGAIN = CONNECTED.replace("connected", "connected again")
CLOSED = (
    "connection to web1 closed by the other side: Target closed "
    "(code 1000, closed normally)"
)
LEAVE = 'type "~." to disconnect'


class World:
    """A session with a network in which connections come when the test says so.

    Attributes:
        said: what people and programs are told.
        screen: what is shown.
        recorder: what is recorded.
        session: the session.
        connected: how many connections have been made.
    """

    def __init__(
        self, source: FakeSource, *, piped: PipedInput | None = None, **options: Any
    ) -> None:
        self.source = source
        self.piped = piped
        self.options = options
        self.said, self.screen, self.recorder = Said(), FakeScreen(), FakeRecorder()
        self.log = FakeLog()
        self.connected = 0
        self.outcome: Outcome | None = None
        self.session: Session | None = None
        self._put, self._next = trio.open_memory_channel[FakeConnection](100)

    def connection(self, *output: bytes, ends: CloseReason | None = None) -> None:
        """What the next attempt to connect gets: output, and then its end, if any."""
        connection = FakeConnection()
        for data in output:
            connection.receive(data)
        if ends is not None:
            connection.end(ends)
        self._put.send_nowait(connection)

    @asynccontextmanager
    async def connect(
        self, address: ConsoleAddress, options: ConnectOptions
    ) -> AsyncIterator[Connection]:
        """Stands in for the network."""
        assert address.target == TARGET
        connection = await self._next.receive()
        connection.opened_at = trio.current_time()
        self.connected += 1
        yield cast("Connection", connection)

    async def run(self, seconds: float = 1000) -> Outcome:
        """Run the loop until it ends the session, or for so long."""
        async with session_of(self.said, **self.options) as (session, nursery):
            self.session = session
            policy = RetryPolicy(
                wait=session.options.wait,
                reconnect=session.options.reconnect,
                renews=self.source.renews,
            )
            loop = ConnectLoop(
                session,
                self.source,
                ConnectOptions(),
                policy,
                connect=self.connect,
                display=Display(self.screen, self.recorder),
                log=self.log,
                recorder=self.recorder,
                piped=self.piped,
                how_to_leave=LEAVE,
            )
            await nursery.start(loop.stay_attached)
            with trio.move_on_after(seconds):
                await trio.sleep_forever()
            session.end(Outcome(Reason.QUIT))
        assert session.outcome is not None
        return session.outcome


# ---- the first connection


async def test_attaching_says_where_and_how_to_leave(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World(FakeSource())
    world.connection(b"login: ")
    assert await world.run() == Outcome(Reason.QUIT)
    assert world.said.lines == [CONNECTED, LEAVE]
    assert world.screen.shown == world.log.written == b"login: "


async def test_a_console_that_cannot_be_reached_is_a_failure(
    autojump_clock: trio.testing.MockClock,
) -> None:
    error = ConnectError("refused")
    world = World(FakeSource(error))
    outcome = await world.run()
    assert outcome == Outcome(Reason.FAILED, error=error)
    assert outcome.exit_status == 1
    assert world.said.lines == []  # so the terminal is never taken
    assert world.connected == 0


async def test_what_the_guest_printed_is_shown_if_it_cannot_be_reached(
    autojump_clock: trio.testing.MockClock,
) -> None:
    error = ServerNotActive("server 'web1' is SHUTOFF")
    world = World(FakeSource(error, log="Kernel panic\n"), history=10)
    assert (await world.run()).error is error
    assert world.screen.shown == b"Kernel panic\r\n"


async def test_waiting_is_said_once_and_the_user_can_leave_meanwhile(
    autojump_clock: trio.testing.MockClock,
) -> None:
    states = [ServerNotActive("server 'web1' is BUILD") for _ in range(5)]
    world = World(FakeSource(*states), wait=True)
    world.connection(b"# ")
    assert await world.run() == Outcome(Reason.QUIT)
    assert world.said.lines == [
        "waiting: server 'web1' is BUILD",
        LEAVE,
        CONNECTED,
    ]
    assert world.source.located == 6


async def test_each_state_that_is_waited_for_is_said(
    autojump_clock: trio.testing.MockClock,
) -> None:
    states: list[NovaConsoleError] = [
        ServerNotActive("server 'web1' is BUILD"),
        ServerNotActive("server 'web1' is BUILD"),
        ServerNotActive("server 'web1' is ERROR"),
    ]
    world = World(FakeSource(*states), wait=True)
    world.connection()
    await world.run()
    waiting = [line for line in world.said.lines if line.startswith("waiting")]
    assert waiting == [
        "waiting: server 'web1' is BUILD",
        "waiting: server 'web1' is ERROR",
    ]


async def test_read_only_is_said(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World(FakeSource(), read_only=True)
    world.connection()
    await world.run()
    assert world.said.lines == [
        CONNECTED,
        "read-only: nothing is sent to the guest",
        LEAVE,
    ]


# ---- the end of a connection


async def test_a_connection_that_ends_ends_the_session_with_3(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World(FakeSource())
    world.connection(b"bye\r\n", ends=TARGET_CLOSED)
    outcome = await world.run()
    assert outcome == Outcome(Reason.CLOSED)
    assert outcome.exit_status == 3
    assert world.screen.shown == b"bye\r\n"
    assert world.session is not None
    assert world.session.last is not None
    assert world.session.last.close_reason == TARGET_CLOSED


async def test_with_reconnect_a_new_connection_takes_its_place(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World(FakeSource(), reconnect=True)
    world.connection(b"one\r\n", ends=TARGET_CLOSED)
    world.connection(b"two\r\n")
    assert await world.run() == Outcome(Reason.QUIT)
    assert world.screen.shown == b"one\r\ntwo\r\n"
    assert world.said.lines == [
        CONNECTED,
        LEAVE,
        f"{CLOSED}; reconnecting",
        AGAIN,
    ]
    assert world.source.located == 2  # each time with a new URL
    assert world.recorder.all("mark") == [
        "attached to web1",
        CLOSED,
        "attached again to web1",
    ]


async def test_a_console_that_prints_and_closes_does_not_make_a_wall_of_lines(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World(FakeSource(), reconnect=True)
    for _ in range(10):
        world.connection(b"x", ends=TARGET_CLOSED)
    world.connection(b"login: ")
    start = trio.current_time()
    assert await world.run() == Outcome(Reason.QUIT)
    assert world.said.lines == [
        CONNECTED,
        LEAVE,
        f"{CLOSED}; reconnecting",
        AGAIN,
        f"{CLOSED}; reconnecting again",
        AGAIN,
    ]
    assert world.session is not None
    assert trio.current_time() - start > 10, "and each try comes later than the last"


async def test_an_outage_that_does_not_end_is_given_up_with_the_last_reason(
    autojump_clock: trio.testing.MockClock,
) -> None:
    error = CloudError("the cloud refused the request")
    world = World(FakeSource(None, error), reconnect=True)
    world.connection(b"x", ends=GONE)
    outcome = await world.run()
    assert outcome == Outcome(Reason.CLOSED, error=error)
    assert outcome.exit_status == 3  # it was attached once


async def test_programs_are_told_each_step(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World(FakeSource(), reconnect=True)
    world.connection(b"x", ends=GONE)
    world.connection(b"y")
    await world.run()
    assert [name for name, _ in world.said.events] == [
        *("connecting", "attached", "closed", "reconnecting"),
        *("connecting", "attached", "closed"),
    ]


async def test_reconnecting_by_hand_needs_no_option(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World(FakeSource())
    world.connection(b"one\r\n")
    world.connection(b"two\r\n")

    async def ask() -> None:
        await trio.sleep(5)
        assert world.session is not None
        assert world.session.attachment is not None
        world.session.attachment.reconnect.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        assert await world.run() == Outcome(Reason.QUIT)
    assert world.screen.shown == b"one\r\ntwo\r\n"
    assert "reconnecting" in world.said.lines


# ---- piped input


class EndedInput:
    """Piped input that has ended, after some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def receive_some(self) -> bytes:
        await trio.lowlevel.checkpoint()
        data, self._data = self._data, b""
        return data


async def test_the_guest_may_close_after_the_input_has_ended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World(FakeSource(), piped=PipedInput(EndedInput(b"poweroff\r")))
    world.connection(b"Power down\r\n")

    async def power_off() -> None:
        await trio.sleep(0.1)
        assert world.session is not None
        assert world.session.input_has_ended
        attachment = world.session.attachment
        assert attachment is not None
        cast("FakeConnection", attachment.connection).end(TARGET_CLOSED)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(power_off)
        outcome = await world.run()
    assert outcome == Outcome(Reason.INPUT_ENDED)
    assert outcome.exit_status == 0


async def test_piped_input_that_a_refusal_swallowed_is_no_success(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The proxy accepts every client, and hangs up on those with a bad token."""
    world = World(FakeSource(), piped=PipedInput(EndedInput(b"")))
    world.connection(ends=GONE)
    assert (await world.run()).exit_status == 3
