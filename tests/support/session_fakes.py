"""Stand-ins for what a session talks to: small, and without a terminal or a network.

Each is what the session's Protocols ask for and no more; what they stand for is tested
by itself (`tests/terminal`, `tests/websocket`).
"""

import math
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import trio

from novaconsole.cloud.server import Server
from novaconsole.console.connect import ConsoleAddress
from novaconsole.errors import ConnectionLost, ConsoleUnavailable, NovaConsoleError
from novaconsole.network.target import Target, TLSOptions
from novaconsole.session.state import Attachment, Session, SessionOptions
from novaconsole.terminal.notices import Notices, Verbosity
from novaconsole.websocket.close import CloseReason
from novaconsole.websocket.connection import Connection

TARGET = Target.parse("ws://console.example:6083/?token=secret", name="web1")


class FakeScreen:
    """A terminal's screen, or with `keeps_modes=False` a pipe.

    Attributes:
        shown: everything that was written.
        trouble: raised by the next write.
    """

    def __init__(self, *, keeps_modes: bool = True, stuck: bool = False) -> None:
        self.keeps_modes = keeps_modes
        self.shown = b""
        self.trouble: OSError | None = None
        self.inside_line = False
        self._accepts = trio.Event()
        if not stuck:
            self._accepts.set()

    def accept(self) -> None:
        """From now on writes succeed."""
        self._accepts.set()

    async def send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        await self._accepts.wait()
        if self.trouble is not None:
            raise self.trouble
        self.write_now(data)

    def write_now(self, data: bytes) -> None:
        self.shown += data
        self.inside_line = not data.endswith((b"\n", b"\r"))

    def notice(self, text: str) -> str:
        return f"{text}\n"

    def bell(self) -> str:
        return "\a" if self.keeps_modes else ""

    def size(self) -> os.terminal_size:
        return os.terminal_size((80, 24) if self.keeps_modes else (0, 0))


class FakeKeyboard:
    """A terminal's keyboard.

    Attributes:
        suspended: how often the job was stopped.
        is_forgetful: nothing that was read can be put back.
    """

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[bytes](math.inf)
        self._left = b""
        self.suspended = 0
        self.is_forgetful = False

    def type(self, data: bytes) -> None:
        self._send.send_nowait(data)

    def hang_up(self) -> None:
        self._send.close()

    def waiting_bytes(self) -> int:
        return len(self._left)

    async def receive_some(self, max_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._left:
            async for data in self._receive:
                self._left = data
                break
        data, self._left = self._left[:max_bytes], self._left[max_bytes:]
        return data

    async def wait_input(self) -> None:
        await trio.lowlevel.checkpoint()
        if not self._left:
            self._left = await self._receive.receive()

    def take_waiting(self) -> bytes | None:
        return None if self.is_forgetful else self.read_waiting()

    def read_waiting(self) -> bytes:
        data, self._left = self._left, b""
        return data

    def put_back(self, data: bytes) -> None:
        self._left = data + self._left

    def suspend(self) -> None:
        self.suspended += 1


class FakeConnection:
    """A websocket: what the test lets it receive, and what was sent.

    Attributes:
        sent: everything that was typed into the guest.
        close_reason: how it ended, or None.
        close_limit: seconds that the closing handshake may take.
    """

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[bytes](math.inf)
        self.sent = b""
        self.close_reason: CloseReason | None = None
        self.close_limit = 2.0
        self.opened_at = trio.current_time()
        self.bytes_in = self.bytes_out = 0
        self.round_trip: float | None = None
        self.names_origin = False
        self.located_at: float | None = None
        self.answers_pings = True
        self.shown = 0
        self._accepts = trio.Event()
        self._accepts.set()

    def receive(self, data: bytes) -> None:
        """The guest prints something."""
        self._send.send_nowait(data)

    def end(self, reason: CloseReason) -> None:
        """The other side closes the connection, or the network does."""
        self.close_reason = reason
        self._send.close()

    def stop_accepting(self) -> None:
        """The network takes no more of what is sent."""
        self._accepts = trio.Event()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._receive.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
        self.bytes_in += len(data)
        return data

    async def send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        await self._accepts.wait()
        if self.close_reason is not None:
            raise ConnectionLost("the connection is closed")
        self.sent += data
        self.bytes_out += len(data)

    def note_located(self, when: float) -> None:
        self.located_at = when

    def limit_close(self, seconds: float) -> None:
        self.close_limit = seconds

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.close_reason is not None:
            raise ConnectionLost("the connection is closed")
        if not self.answers_pings:
            await trio.sleep_forever()

    def note_shown(self, size: int, started: float) -> None:
        self.shown += size

    def attachment(self, limit: float = math.inf) -> "FakeAttachment":
        """This connection as one of a session, and what is typed for it."""
        send, receive = trio.open_memory_channel[bytes](limit)
        return FakeAttachment(
            Attachment(cast("Connection", self), TARGET, send), self, receive
        )


@dataclass(frozen=True)
class FakeAttachment:
    """An attachment, its fake connection, and the end that sends what is typed."""

    attachment: Attachment
    connection: FakeConnection
    typed: trio.MemoryReceiveChannel[bytes]


class FakeSource:
    """Finds a console, or raises the next of its errors; None stands for success.

    Attributes:
        renews: whether each URL is new.
        errors: raised one after another by `locate`.
        located: how often `locate` was called.
    """

    title = "web1"

    def __init__(
        self,
        *errors: NovaConsoleError | None,
        renews: bool = True,
        server: Server | None = None,
        log: str | None = None,
    ) -> None:
        self.renews = renews
        self.errors = [*errors]
        self.located = 0
        self._server = server
        self._log = log

    async def locate(self) -> ConsoleAddress:
        await trio.lowlevel.checkpoint()
        self.located += 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return ConsoleAddress(TARGET, TLSOptions())

    async def server(self) -> Server | None:
        await trio.lowlevel.checkpoint()
        return self._server

    async def console_log(self) -> str:
        await trio.lowlevel.checkpoint()
        if self._log is None:
            raise ConsoleUnavailable("only a cloud has the console log")
        return self._log


@dataclass
class FakeRecorder:
    """Notes what would be recorded."""

    events: list[tuple[str, Any]] = field(default_factory=list)

    def output(self, data: bytes) -> None:
        self.events.append(("output", data))

    def input(self, data: bytes) -> None:
        self.events.append(("input", data))

    def mark(self, label: str) -> None:
        self.events.append(("mark", label))

    def resize(self, size: os.terminal_size) -> None:
        self.events.append(("resize", size))

    def all(self, kind: str) -> list[Any]:
        return [what for event, what in self.events if event == kind]


class FakeLog:
    """Takes output and forgets nothing."""

    def __init__(self) -> None:
        self.written = b""
        self.path = None

    async def write(self, data: bytes) -> None:
        self.written += data

    def toggle(self) -> str:
        return "log: stopped"


class Said(Notices):
    """Messages and events, kept for the test.

    Attributes:
        lines: everything that people are told.
        events: everything that programs are told.
    """

    def __init__(self, verbosity: Verbosity = Verbosity.NORMAL) -> None:
        super().__init__(verbosity)
        self.lines: list[str] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.hand_to(self._keep)

    def _keep(self, line: str) -> None:
        self.lines.append(line.removeprefix("novaconsole: "))

    def event(self, name: str, /, **fields: Any) -> None:
        self.events.append((name, fields))

    def hand_back(self) -> Callable[[str], None]:
        """What lines are handed to."""
        return self._keep


def options(**changed: Any) -> SessionOptions:
    """What a user asks for who gives no option."""
    usual: dict[str, Any] = {"escape": b"~", "close_wait": 0.5, "timeout": math.inf}
    return SessionOptions(**usual | changed)


@asynccontextmanager
async def session_of(
    said: Notices, **changed: Any
) -> AsyncIterator[tuple[Session, trio.Nursery]]:
    """A session, and the nursery that its end cancels; fails if that takes an hour."""
    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            session = Session(nursery.cancel_scope, options(**changed), said)
            session.begun.set()
            yield session, nursery
