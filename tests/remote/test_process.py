"""A process over a scripted console, on trio's mock clock."""

from collections.abc import Callable

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from novaconsole.errors import ConnectionLost, GuestNotReady
from novaconsole.guest.command import RemoteCommand
from novaconsole.guest.login import LoginDialogue
from novaconsole.guest.script import SILENCE_SECONDS
from novaconsole.remote.process import Process

MARK = "nc0123"


def mark(word: str) -> bytes:
    return f"{MARK}_{word}\n".encode()


class ScriptedConsole:
    """A guest with a shell, in which the loader and the script do what they should."""

    def __init__(self) -> None:
        self._to_us, self._from_guest = trio.open_memory_channel[bytes](1000)
        self.typed = b""
        self.at: list[tuple[float, bytes]] = []
        self.answers: Callable[[bytes], bytes] = answer
        self.print(b"# ")

    def print(self, data: bytes) -> None:
        self._to_us.send_nowait(data)

    def hang_up(self) -> None:
        self._to_us.close()

    async def send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.typed += data
        self.at.append((trio.current_time(), data))
        if answer := self.answers(data):
            self.print(answer)

    async def receive(self) -> bytes:
        try:
            return await self._from_guest.receive()
        except trio.EndOfChannel:
            raise ConnectionLost("connection to vm lost") from None


def answer(typed: bytes) -> bytes:
    """What a guest prints when this is typed; its command runs on."""
    if typed.startswith(b"0:"):
        return mark("a1") + mark("s") + mark("j42") + mark("j42")
    if b"sh -c" in typed:
        return mark("r500:5:bf")
    if typed.startswith(b"j 42"):
        return mark("b")
    if typed.startswith(b"k "):
        return mark("e130") + mark("e130") + mark("z") + mark("z")
    if typed == b"q\n":
        return mark("x") + b"# "
    return mark("n") if typed == b"\n" else b""


def open_process(console: ScriptedConsole, *, has_stdin: bool = True) -> Process:
    dialogue = LoginDialogue(None, None, trio.current_time())
    return Process(
        console, RemoteCommand("command", MARK, dialogue, has_stdin=has_stdin)
    )


async def begun(process: Process) -> None:
    """The command takes input from its beginning on."""
    await process.stdin.send_all(b"input")
    await trio.testing.wait_all_tasks_blocked()
    assert process.started


async def test_the_guest_is_asked_while_nobody_reads_the_output(
    autojump_clock: MockClock,
) -> None:
    """It would end the command if it heard nothing."""
    console = ScriptedConsole()
    async with open_process(console).running() as process:
        await begun(process)
        for _ in range(3):
            console.print(bytes(60_000))
        since = trio.current_time()
        await trio.sleep(300)
        asked = [time for time, typed in console.at if typed == b"\n" and time > since]
        pauses = [
            later - time for time, later in zip([since, *asked], asked, strict=False)
        ]
        assert max(pauses) < SILENCE_SECONDS / 2
        assert trio.current_time() - asked[-1] < SILENCE_SECONDS / 2


async def test_a_lost_connection_is_told_with_how_far_it_came(
    autojump_clock: MockClock,
) -> None:
    console = ScriptedConsole()
    async with open_process(console).running() as process:
        await begun(process)
        console.print(b"out")
        console.hang_up()
        assert await process.stdout.receive_some() == b"out"
        assert await process.stdout.receive_some() == b""
        with pytest.raises(ConnectionLost, match="connection to vm lost") as caught:
            await process.wait()
        assert caught.value.started is True
        with pytest.raises(trio.BrokenResourceError, match="connection to vm lost"):
            await process.stdin.send_all(b"more")


async def test_a_guest_without_a_shell_is_told_by_input_and_end(
    autojump_clock: MockClock,
) -> None:
    console = ScriptedConsole()
    console.answers = lambda _: b"\r\nlogin: "
    console.print(b"\r\nlogin: ")
    async with open_process(console).running() as process:
        with pytest.raises(trio.BrokenResourceError, match="asks for a login"):
            await process.stdin.send_all(b"data")
        with pytest.raises(GuestNotReady, match="asks for a login") as caught:
            await process.wait()
        assert caught.value.started is False


async def test_an_interrupt_ends_it_with_the_status_of_the_command(
    autojump_clock: MockClock,
) -> None:
    console = ScriptedConsole()
    async with open_process(console).running() as process:
        await begun(process)
        process.interrupt()
        assert await process.wait() == 130
    assert console.typed.endswith(b"k INT\nq\n")


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_leaving_stops_the_command_and_restores_the_line(
    is_cancelled: bool, autojump_clock: MockClock
) -> None:
    console = ScriptedConsole()
    with trio.CancelScope() as scope:
        async with open_process(console).running() as process:
            await begun(process)
            if is_cancelled:
                scope.cancel()
    assert console.typed.endswith(b"k INT\nq\n")


async def test_a_guest_that_does_not_answer_holds_up_nobody(
    autojump_clock: MockClock,
) -> None:
    console = ScriptedConsole()
    async with open_process(console).running() as process:
        await begun(process)
        console.answers = lambda _: b""
        since = trio.current_time()
    assert trio.current_time() - since < 5


async def test_closed_output_is_dropped(
    autojump_clock: MockClock,
) -> None:
    console = ScriptedConsole()
    async with open_process(console).running() as process:
        await begun(process)
        await process.stdout.aclose()
        for _ in range(10):
            console.print(bytes(60_000) + mark(".60000"))
        console.print(mark("e0") + mark("z"))
        assert await process.wait() == 0
