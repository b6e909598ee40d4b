"""The terminal and the standard streams, on a pty whose other side the test holds."""

import os
import random
import subprocess
import sys
import termios
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import NoReturn

import pytest
import trio
import trio.testing

from novaconsole.terminal.stdio import (
    RedirectedInput,
    RedirectedOutput,
    open_stdio,
)
from novaconsole.terminal.tty import Terminal, open_terminal, raw_modes, set_size

PATIENCE = 10.0
NOISE = random.Random(4).randbytes(300_000)


class Pty:
    """The two sides of a pty."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        self._is_open = True

    def modes(self) -> list[object]:
        return termios.tcgetattr(self.slave)

    async def read(self, count: int) -> bytes:
        """What a person at the terminal sees."""
        seen = b""
        with trio.fail_after(PATIENCE):
            while len(seen) < count:
                await trio.lowlevel.wait_readable(self.master)
                seen += os.read(self.master, count - len(seen))
        return seen

    def hang_up(self) -> None:
        """The person closes the window."""
        if self._is_open:
            os.close(self.master)
        self._is_open = False


@pytest.fixture(name="pty")
def _pty() -> Iterator[Pty]:
    with a_pty() as pty:
        yield pty


@contextmanager
def a_pty() -> Iterator[Pty]:
    pty = Pty()
    yield pty
    pty.hang_up()
    os.close(pty.slave)


@contextmanager
def opened(pty: Pty) -> Iterator[Terminal]:
    terminal = open_terminal(pty.slave)
    try:
        yield terminal
    finally:
        terminal.close()


def unavailable(*_: object, **__: object) -> NoReturn:
    raise PermissionError


@pytest.fixture(params=["by name", "by /proc", "shared"])
def terminal(
    request: pytest.FixtureRequest, pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    """A terminal that has a name, one that has none, as in a container, and one of
    another user, as after su.
    """
    with monkeypatch.context() as patch:
        if request.param != "by name":
            patch.setattr(os, "ttyname", unavailable)
        if request.param == "shared":
            patch.setattr(os, "open", unavailable)
        # To be closed in the test, for that wants trio to run.
        return open_terminal(pty.slave)


def open_fds() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


# ---- modes


def test_raw_means_no_processing_at_all(pty: Pty) -> None:
    iflag, oflag, cflag, lflag, *_, cc = raw_modes(termios.tcgetattr(pty.slave))
    assert not iflag & (
        termios.BRKINT
        | termios.ICRNL
        | termios.INLCR
        | termios.IGNCR
        | termios.ISTRIP
        | termios.IXON
        | termios.IXOFF
        | termios.IXANY
        | termios.PARMRK
    )
    assert not oflag & termios.OPOST
    assert not lflag & (
        termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG | termios.ECHONL
    )
    assert cflag & termios.CSIZE == termios.CS8
    assert (cc[termios.VMIN], cc[termios.VTIME]) == (1, 0)


def test_making_raw_modes_leaves_those_they_are_made_of(pty: Pty) -> None:
    modes = termios.tcgetattr(pty.slave)
    modes[6][termios.VMIN] = 3
    raw_modes(modes)
    assert modes[6][termios.VMIN] == 3


async def test_raw_mode_and_back(pty: Pty, terminal: Terminal) -> None:
    strange = termios.tcgetattr(pty.slave)
    strange[0] |= termios.IXANY | termios.INLCR
    strange[3] &= ~termios.ECHO
    strange[6][termios.VEOF] = b"\x05"
    termios.tcsetattr(pty.slave, termios.TCSANOW, strange)
    before = pty.modes()
    terminal.enter_raw()
    assert terminal.is_raw
    assert pty.modes() == raw_modes(termios.tcgetattr(pty.slave)) != before
    terminal.restore()
    assert not terminal.is_raw
    assert pty.modes() == before
    terminal.close()


async def test_closing_restores(pty: Pty, terminal: Terminal) -> None:
    before = pty.modes()
    terminal.enter_raw()
    terminal.close()
    assert pty.modes() == before


async def test_a_terminal_that_was_never_raw_is_left_alone(
    pty: Pty, terminal: Terminal
) -> None:
    changed = termios.tcgetattr(pty.slave)
    changed[3] ^= termios.ECHO
    termios.tcsetattr(pty.slave, termios.TCSANOW, changed)
    after = pty.modes()
    terminal.resume()
    terminal.close()
    assert pty.modes() == after


async def test_what_was_typed_before_raw_mode_stays(
    pty: Pty, terminal: Terminal
) -> None:
    os.write(pty.master, b"typed early")
    await pty.read(len(b"typed early"))  # the echo: it has arrived
    terminal.enter_raw()
    with trio.fail_after(PATIENCE):
        assert await terminal.receive_some() == b"typed early"
    terminal.close()


async def test_what_was_typed_stays_when_raw_mode_ends(
    pty: Pty, terminal: Terminal
) -> None:
    terminal.enter_raw()
    os.write(pty.master, b"~.for the shell\n")
    with trio.fail_after(PATIENCE):
        assert await terminal.receive_some(1) == b"~"
        assert await terminal.receive_some(1) == b"."
    terminal.close()
    assert os.read(pty.slave, 100) == b"for the shell\n"


SUSPENDED = """
import os, signal, sys, termios, trio
from novaconsole.terminal.tty import open_terminal, raw_modes

fd = int(sys.argv[1])
told = []

def suspended(*_):
    modes = termios.tcgetattr(fd)
    told.append(modes)
    modes[6][termios.VERASE] = b"\\x0b"  # as stty erase ^K
    termios.tcsetattr(fd, termios.TCSANOW, modes)

async def main():
    before = termios.tcgetattr(fd)
    signal.signal(signal.SIGTSTP, suspended)
    terminal = open_terminal(fd)
    terminal.enter_raw()
    terminal.suspend()
    [meanwhile] = told
    assert meanwhile[:6] == before[:6], "the shell has its own modes back"
    assert termios.tcgetattr(fd) == raw_modes(meanwhile), "raw again"
    terminal.close()
    assert termios.tcgetattr(fd) == meanwhile != before, "as the user set them"

trio.run(main)
"""


def test_suspending_gives_the_modes_back_and_finds_them_anew(pty: Pty) -> None:
    """In a process group of its own, for all of that is suspended."""
    subprocess.run(
        [sys.executable, "-P", "-c", SUSPENDED, str(pty.slave)],
        pass_fds=[pty.slave],
        start_new_session=True,
        timeout=PATIENCE,
        check=True,
    )


# ---- flags


async def test_the_inherited_descriptor_keeps_its_flags(
    pty: Pty, terminal: Terminal
) -> None:
    terminal.enter_raw()
    assert os.get_blocking(pty.slave)
    with trio.move_on_after(0.05):
        await terminal.receive_some()
    with trio.move_on_after(0.05):
        await terminal.send_all(NOISE)
    assert os.get_blocking(pty.slave)
    terminal.close()
    assert os.get_blocking(pty.slave)
    assert os.isatty(pty.slave)


async def test_nothing_stays_open(pty: Pty) -> None:
    before = open_fds()
    for _ in range(3):
        with opened(pty) as terminal:
            terminal.enter_raw()
    assert open_fds() == before


async def test_a_name_that_belongs_to_another_terminal_is_not_believed(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_pty() as other:
        name = os.ttyname(other.slave)
        before = open_fds()
        with monkeypatch.context() as patch:
            patch.setattr(os, "ttyname", lambda _: name)
            terminal = open_terminal(pty.slave)
        await terminal.send_all(b"here")
        assert await pty.read(4) == b"here"
        terminal.close()
        assert open_fds() == before


# ---- bytes


async def test_all_bytes_pass_both_ways(pty: Pty, terminal: Terminal) -> None:
    every = bytes(range(256))
    terminal.enter_raw()
    await terminal.send_all(every)
    assert await pty.read(256) == every
    os.write(pty.master, every)
    received = b""
    with trio.fail_after(PATIENCE):
        while len(received) < 256:
            received += await terminal.receive_some()
    assert received == every
    terminal.close()


async def test_no_more_is_read_than_asked_for(pty: Pty, terminal: Terminal) -> None:
    terminal.enter_raw()
    os.write(pty.master, b"abcdef")
    with trio.fail_after(PATIENCE):
        assert [await terminal.receive_some(1) for _ in range(3)] == [b"a", b"b", b"c"]
        assert await terminal.receive_some() == b"def"
    terminal.close()


async def test_much_output_arrives_whole(pty: Pty, terminal: Terminal) -> None:
    terminal.enter_raw()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(terminal.send_all, NOISE)
        assert await pty.read(len(NOISE)) == NOISE
    terminal.close()


async def test_two_writers_do_not_mix(pty: Pty, terminal: Terminal) -> None:
    terminal.enter_raw()
    async with trio.open_nursery() as nursery:
        for letter in (b"a", b"b"):
            nursery.start_soon(terminal.send_all, letter * 50_000)
        seen = await pty.read(100_000)
    assert seen in (b"a" * 50_000 + b"b" * 50_000, b"b" * 50_000 + b"a" * 50_000)
    terminal.close()


@pytest.mark.parametrize("stuck", ["reading", "writing"])
async def test_a_terminal_that_does_nothing_stops_nobody_else(
    pty: Pty, terminal: Terminal, stuck: str
) -> None:
    """A call that blocked would block this test for ever."""
    terminal.enter_raw()
    wait: dict[str, Callable[[], Awaitable[object]]] = {
        "reading": terminal.receive_some,
        "writing": lambda: terminal.send_all(NOISE),
    }
    with trio.move_on_after(0.2) as waiting:
        await wait[stuck]()
    assert waiting.cancelled_caught
    terminal.close()


async def test_typing_is_read_while_the_screen_is_stuck(
    pty: Pty, terminal: Terminal
) -> None:
    terminal.enter_raw()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(terminal.send_all, NOISE)
        await trio.testing.wait_all_tasks_blocked()
        os.write(pty.master, b"~.")
        with trio.fail_after(PATIENCE):
            assert await terminal.receive_some() == b"~."
        nursery.cancel_scope.cancel()
    terminal.close()


@pytest.mark.parametrize(
    ("data", "at_line_start"),
    [
        (b"", True),
        (b"login: ", False),
        (b"line\n", True),
        (b"line\r\n", True),
        (b"over and over\r", True),
        (b"\n ", False),
    ],
)
async def test_where_the_line_stands(
    pty: Pty, data: bytes, at_line_start: bool
) -> None:
    with opened(pty) as terminal:
        assert not terminal.inside_line
        await terminal.send_all(data)
        assert terminal.inside_line != at_line_start
        await terminal.send_all(b"")
        assert terminal.inside_line != at_line_start


# ---- the end of the terminal


async def test_typing_ends_when_the_terminal_goes(pty: Pty, terminal: Terminal) -> None:
    terminal.enter_raw()
    async with trio.open_nursery() as nursery:

        async def read_to_the_end() -> None:
            with trio.fail_after(PATIENCE):
                assert await terminal.receive_some() == b""

        nursery.start_soon(read_to_the_end)
        await trio.testing.wait_all_tasks_blocked()
        pty.hang_up()
    terminal.close()


async def test_writing_to_a_terminal_that_has_gone(
    pty: Pty, terminal: Terminal
) -> None:
    terminal.enter_raw()
    pty.hang_up()
    with trio.fail_after(PATIENCE), pytest.raises(BrokenPipeError):
        await terminal.send_all(b"anybody?")
    terminal.close()


async def test_a_terminal_that_goes_while_it_is_stuck(
    pty: Pty, terminal: Terminal
) -> None:
    terminal.enter_raw()
    async with trio.open_nursery() as nursery:

        async def write_to_the_end() -> None:
            with trio.fail_after(PATIENCE), pytest.raises(BrokenPipeError):
                await terminal.send_all(NOISE)

        nursery.start_soon(write_to_the_end)
        await trio.testing.wait_all_tasks_blocked()
        pty.hang_up()
    terminal.close()


async def test_raw_mode_on_a_terminal_that_has_gone_is_no_error(
    pty: Pty, terminal: Terminal
) -> None:
    """It may go while we connect; reading it then tells."""
    pty.hang_up()
    terminal.enter_raw()
    with trio.fail_after(PATIENCE):
        assert await terminal.receive_some() == b""
    terminal.close()


async def test_the_size_of_a_terminal_that_has_gone(
    pty: Pty, terminal: Terminal
) -> None:
    pty.hang_up()
    assert terminal.size() == (0, 0)
    terminal.close()


# ---- size


async def test_the_size_is_the_terminals(pty: Pty, terminal: Terminal) -> None:
    assert terminal.size() == (0, 0)  # as a pty is made: not known
    set_size(pty.master, os.terminal_size((132, 43)))
    assert terminal.size() == (132, 43)
    terminal.close()


# ---- the standard streams


@contextmanager
def standard_streams(*fds: int) -> Iterator[None]:
    """Put descriptors in place of the standard streams, for a while."""
    with ExitStack() as stack:
        for number, fd in enumerate(fds):
            saved = os.dup(number)
            stack.callback(os.close, saved)
            stack.callback(os.dup2, saved, number)
            os.dup2(fd, number)
        yield


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Its reader and writer."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


async def test_streams_on_one_terminal_share_it(pty: Pty) -> None:
    with standard_streams(pty.slave, pty.slave, pty.slave):
        before = open_fds()
        with open_stdio() as stdio:
            assert isinstance(stdio.screen, Terminal)
            assert stdio.keyboard is stdio.screen is stdio.messages
            assert stdio.piped is None
        assert open_fds() == before


async def test_streams_on_different_terminals_do_not(pty: Pty) -> None:
    with (
        a_pty() as other,
        standard_streams(pty.slave, other.slave, pty.slave),
        open_stdio() as stdio,
    ):
        assert stdio.keyboard is stdio.messages is not stdio.screen
        await stdio.screen.send_all(b"there")
        assert await other.read(5) == b"there"
        await stdio.messages.send_all(b"here")
        assert await pty.read(4) == b"here"


async def test_leaving_the_streams_restores_the_terminal(pty: Pty) -> None:
    before = pty.modes()
    with standard_streams(pty.slave, pty.slave, pty.slave):
        with suppress(ZeroDivisionError), open_stdio() as stdio:
            assert stdio.keyboard is not None
            stdio.keyboard.enter_raw()
            assert pty.modes() != before
            raise ZeroDivisionError
        assert [os.get_blocking(fd) for fd in range(3)] == [True] * 3
    assert pty.modes() == before


async def test_input_from_a_pipe_is_no_keyboard(pty: Pty) -> None:
    with (
        pipe() as (reader, writer),
        standard_streams(reader, pty.slave, pty.slave),
        open_stdio() as stdio,
    ):
        assert stdio.keyboard is None
        assert isinstance(stdio.piped, RedirectedInput)
        assert isinstance(stdio.screen, Terminal)
        os.write(writer, b"data")
        assert await stdio.piped.receive_some() == b"data"


async def test_output_into_a_pipe_is_no_screen(pty: Pty) -> None:
    with (
        pipe() as (reader, writer),
        standard_streams(pty.slave, writer, pty.slave),
        open_stdio() as stdio,
    ):
        assert isinstance(stdio.keyboard, Terminal)
        assert isinstance(stdio.screen, RedirectedOutput)
        assert stdio.messages is stdio.keyboard
        await stdio.screen.send_all(b"data")
        assert os.read(reader, 100) == b"data"


@pytest.mark.parametrize("terminal_on", [1, 2])
async def test_the_keyboard_is_the_terminal_of_the_other_streams(
    pty: Pty, terminal_on: int
) -> None:
    with pipe() as (reader, writer), ExitStack() as stack:
        fds = [reader, writer, writer]
        fds[terminal_on] = pty.slave
        stack.enter_context(standard_streams(*fds))
        stdio = stack.enter_context(open_stdio(keyboard_from_terminal=True))
        assert stdio.piped is None
        assert stdio.keyboard is not None
        assert stdio.keyboard in (stdio.screen, stdio.messages)
        stdio.keyboard.enter_raw()
        os.write(pty.master, b"typed")
        with trio.fail_after(PATIENCE):
            assert await stdio.keyboard.receive_some() == b"typed"
