"""The input of a command: real shells on a real pty, as `ssh host command` has it."""

import os
import random
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

import novaconsole
from novaconsole import Completed, GuestNotReady, SerialConsole
from support.guests import BASH, PATIENCE, attached, over_websocket
from support.processes import is_running

SHELLS = {
    "bash": BASH,
    "dash": ("env", "PS1=# ", "dash", "-i"),
    "busybox": ("env", "PS1=# ", "busybox", "sh", "-i"),
}
EVERY_BYTE = bytes(range(256))
# What means something to a tty, to a shell's `read`, to ssh and to this program.
SPECIAL = (
    b"\r\n\n\r\r\n \n\t\n\x03\x04\x11\x12\x13\x15\x16\x1a\x1c\x7f\x00\xff\xff\x00"
    b"~.\r~.\n\\0101 \\ %s %% -n\ne\nq\nk KILL\nd 5\n"
)


@pytest.fixture(params=SHELLS)
def guest(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a guest with a shell that somebody left open: each of them."""
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param}")
    with over_websocket(*SHELLS[request.param]) as url:
        yield url


@pytest.fixture
def bash() -> Iterator[str]:
    """The same, with bash alone."""
    with over_websocket(*BASH) as url:
        yield url


async def run(url: str, command: str, stdin: bytes) -> Completed:
    async with attached(url) as console:
        return await console.run(command, stdin=stdin, timeout=PATIENCE)


@asynccontextmanager
async def path_with(
    console: SerialConsole, directory: Path, **programs: str
) -> AsyncIterator[None]:
    """Let the guest's shell find these programs first."""
    for name, text in programs.items():
        program = directory / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    await console.send(b'old=$PATH PATH=%b:"$PATH"; echo s""et\r' % bytes(directory))
    await console.expect("set\n.*# $", timeout=PATIENCE)
    yield
    await console.send(b'PATH=$old; echo un""set\r')
    await console.expect("unset\n", timeout=PATIENCE)


# ---- exact


@pytest.mark.parametrize("stdin", [b"", EVERY_BYTE, SPECIAL, SPECIAL * 100, b"\n"])
async def test_what_goes_in_comes_out(guest: str, stdin: bytes) -> None:
    assert await run(guest, "cat", stdin) == Completed(0, stdin)


async def test_ten_megabytes_of_anything(bash: str) -> None:
    data = random.Random(12).randbytes(10_000_000)
    assert await run(bash, "cat", data) == Completed(0, data)


async def test_a_command_that_reads_late_loses_nothing(guest: str) -> None:
    """It is more than the tty, its driver and the pipes hold together."""
    data = random.Random(12).randbytes(1_000_000)
    assert await run(guest, "sleep 2; cat", data) == Completed(0, data)


async def test_pieces_of_all_sizes(bash: str) -> None:
    rest = random.Random(12).randbytes(100_000)

    async def pieces() -> AsyncIterator[bytes]:
        at = 0
        for size in [1, 63, 64, 65, 4095, 4096, 4097, 50_000, 100_000]:
            yield rest[at : at + size]
            at += size

    async with attached(bash) as console:
        assert await console.run("cat", stdin=pieces()) == Completed(0, rest)


async def test_an_answer_comes_while_the_input_stays_open(guest: str) -> None:
    command = 'while read -r line; do echo "got $line"; done; exit 7'
    async with attached(guest) as console, console.process(command) as process:
        for word in ("one", "two", "begin", "nc"):
            await process.stdin.send_all(f"{word}\n".encode())
            assert await received(process, f"got {word}\n".encode())
        await process.stdin.aclose()
        assert await process.wait() == 7


async def received(process: novaconsole.Process, wanted: bytes) -> bool:
    output = b""
    while output != wanted:
        piece = await process.stdout.receive_some()
        assert piece, output
        output += piece
    return True


async def test_output_without_a_line_end_comes_at_once(guest: str) -> None:
    """Also if it ends with the first byte of a mark."""
    async with attached(guest) as console, console.process("cat") as process:
        for piece in (b"n", b"nc", b"\r", b"\x00n"):
            await process.stdin.send_all(piece)
            assert await received(process, piece)


async def test_without_input_there_is_none(guest: str) -> None:
    async with attached(guest) as console:
        assert await console.run("cat; echo end") == Completed(0, b"end\n")


# ---- the end


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield EVERY_BYTE * 16


@pytest.mark.parametrize(
    ("command", "ended"),
    [
        ("head -c 10 | wc -c", Completed(0, b"10\n")),
        ("exit 5", Completed(5, b"")),
        ("exec <&-; sleep 1; echo end; exit 6", Completed(6, b"end\n")),
        ("kill -9 $$", Completed(128 + 9, b"")),
    ],
)
async def test_the_end_of_the_command_ends_it_while_input_comes(
    guest: str, command: str, ended: Completed
) -> None:
    async with attached(guest) as console:
        done = await console.run(command, stdin=endless())
        assert Completed(done.status, done.output.lstrip()) == ended
        # And nothing is left on the line for the next one.
        assert await console.run("cat", stdin=SPECIAL) == Completed(0, SPECIAL)


async def test_input_after_the_end_is_refused(bash: str) -> None:
    async with attached(bash) as console, console.process("true") as process:
        assert await process.wait() == 0
        with pytest.raises(trio.BrokenResourceError):
            await process.stdin.send_all(b"more")


async def test_leaving_the_block_stops_the_command(bash: str) -> None:
    async with attached(bash) as console:
        async with console.process("echo $$; exec sleep 1000") as process:
            pid = int(await process.stdout.receive_some())
            assert is_running(pid)
        assert not is_running(pid)
        assert await console.run("echo next") == Completed(0, b"next\n")


async def test_output_that_nobody_reads_holds_up_nothing_but_itself(bash: str) -> None:
    async with attached(bash) as console:
        async with console.process("yes") as process:
            await process.stdout.receive_some(1)
            await trio.testing.wait_all_tasks_blocked(0.1)
        assert await console.run("echo next") == Completed(0, b"next\n")


async def test_an_exception_of_the_caller_is_raised_unchanged(bash: str) -> None:
    async with attached(bash) as console:
        with pytest.raises(KeyError, match="mine"):
            async with console.process("sleep 1000"):
                raise KeyError("mine")
        assert await console.run("echo next") == Completed(0, b"next\n")


async def test_input_that_cannot_be_had_ends_the_command(bash: str) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise OSError("mine")

    async with attached(bash) as console:
        with pytest.raises(OSError, match="mine"):
            await console.run("cat", stdin=broken())
        assert await console.run("echo next") == Completed(0, b"next\n")


# ---- guests that lack something


async def test_a_dd_that_reads_no_full_blocks_is_enough(
    bash: str, tmp_path: Path
) -> None:
    dd = 'case "$*" in *iflag=*) exit 1;; esac; exec /bin/dd "$@"'
    data = random.Random(12).randbytes(20_000)
    async with attached(bash) as console, path_with(console, tmp_path, dd=dd):
        assert await console.run("cat", stdin=data) == Completed(0, data)


async def test_a_dd_that_tells_no_bytes_is_enough(bash: str, tmp_path: Path) -> None:
    """As Debian's busybox-static."""
    dd = '{ /bin/dd "$@" 2>&1 >&3 | grep records >&2; } 3>&1'
    async with attached(bash) as console, path_with(console, tmp_path, dd=dd):
        assert await console.run("cat", stdin=SPECIAL) == Completed(0, SPECIAL)


async def test_without_setsid_a_command_can_be_stopped(
    bash: str, tmp_path: Path
) -> None:
    async with attached(bash) as console:
        (tmp_path / "bin").mkdir()
        for name in ("sh", "bash", "dd", "stty", "cat", "sleep", "id", "kill"):
            found = shutil.which(name)
            if found is not None:
                (tmp_path / "bin" / name).symlink_to(found)
        await console.send(b"old=$PATH PATH=%b; echo s''et\r" % bytes(tmp_path / "bin"))
        await console.expect("set\n.*# $", timeout=PATIENCE)
        with pytest.raises(novaconsole.TimedOut):
            await console.run("echo $$; exec sleep 1000", timeout=3)
        assert await console.run("echo next") == Completed(0, b"next\n")


# ---- what else is printed on the line


@pytest.mark.parametrize("stdin", [None, EVERY_BYTE])
async def test_what_another_program_prints_to_the_console_is_noticed(
    bash: str, stdin: bytes | None
) -> None:
    """As the kernel does for users who may not keep it off."""
    async with attached(bash) as console:
        await console.send(b"line=$(tty); export line; echo s''et\r")
        await console.expect("set\n.*# $", timeout=PATIENCE)
        with pytest.raises(GuestNotReady, match="mixed into its own") as caught:
            await console.run("echo one; echo noise > $line; echo two", stdin=stdin)
        assert caught.value.started
        assert await console.run("echo next") == Completed(0, b"next\n")


def test_the_guests_programs_are_those_of_the_machine() -> None:
    """What the stand-ins above call."""
    assert os.access("/bin/dd", os.X_OK)
