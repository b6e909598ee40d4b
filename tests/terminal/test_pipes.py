"""Standard input and output that are no terminals, without touching their flags.

The descriptors are shared with whoever started us: were one of them made non-blocking,
another program would fail to read or write.
"""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from novaconsole.terminal.stdio import RedirectedInput, RedirectedOutput
from support.servers import AT_ONCE_SECONDS, background, nothing_left

DATA = bytes(range(256)) * 4096  # a MiB; a pipe holds 64 KiB
A_WHILE = 0.1  # long enough for what does not wait to show that


@contextmanager
def inherited(*fds: int) -> Iterator[None]:
    """As we get them: open and blocking, which they must still be at the end."""
    try:
        with nothing_left():
            yield
        for fd in fds:
            assert os.get_blocking(fd)
    finally:
        for fd in fds:
            os.close(fd)


@contextmanager
def output_to(fd: int) -> Iterator[RedirectedOutput]:
    output = RedirectedOutput(fd)
    try:
        yield output
        assert os.get_blocking(fd)
    finally:
        output.close()


async def read_some(fd: int, limit: int = 64 * 1024) -> bytes:
    await trio.lowlevel.wait_readable(fd)
    piece = os.read(fd, limit)
    assert piece, "nobody writes any more"
    return piece


async def read_exactly(fd: int, size: int) -> bytes:
    received = b""
    while len(received) < size:
        received += await read_some(fd, size - len(received))
    return received


def socket_pair() -> tuple[int, int]:
    one, other = socket.socketpair()
    return one.detach(), other.detach()


def pair(kind: str) -> tuple[int, int]:
    """A reader and a writer."""
    return os.pipe() if kind == "pipe" else socket_pair()


# ---- output


@pytest.mark.parametrize("kind", ["pipe", "socket"])
async def test_output_is_exact(kind: str) -> None:
    reader, writer = pair(kind)
    received = b""

    async def read() -> None:
        nonlocal received
        received = await read_exactly(reader, len(DATA) + 3)

    with inherited(reader, writer), output_to(writer) as output:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await output.send_all(b"")
            await output.send_all(DATA)
            await output.send_all(b"end")
    assert received == DATA + b"end"


@pytest.mark.parametrize("kind", ["pipe", "socket"])
async def test_output_that_nobody_takes_waits_and_can_be_cancelled(kind: str) -> None:
    """Were the write to block, nothing would cancel it."""
    flood = b"." * len(DATA) * 8
    reader, writer = pair(kind)
    with inherited(reader, writer), output_to(writer) as output:
        with trio.move_on_after(A_WHILE) as scope:
            await output.send_all(flood)
        assert scope.cancelled_caught
        received = b""
        async with background() as nursery:  # and it goes on once somebody reads
            nursery.start_soon(output.send_all, b"!" * len(DATA))
            with trio.fail_after(AT_ONCE_SECONDS):
                while b"!" not in received:  # there is never room for all of it
                    received += await read_some(reader, 4096)
    assert 0 < received.index(b"!") < len(flood)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
@pytest.mark.parametrize("early", [True, False])
async def test_output_that_nobody_reads_any_more(kind: str, early: bool) -> None:
    reader, writer = pair(kind)
    with inherited(writer):
        if early:
            os.close(reader)
        with output_to(writer) as output:
            if not early:
                os.close(reader)
            with trio.fail_after(AT_ONCE_SECONDS), pytest.raises(BrokenPipeError):
                await output.send_all(b"x")


@pytest.mark.parametrize("kind", ["pipe", "socket"])
async def test_the_reader_leaves_while_output_waits(kind: str) -> None:
    reader, writer = pair(kind)
    with inherited(writer), output_to(writer) as output:

        async def leave() -> None:
            await read_exactly(reader, 4096)
            os.close(reader)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave)
            with trio.fail_after(AT_ONCE_SECONDS), pytest.raises(BrokenPipeError):
                await output.send_all(DATA)


@pytest.mark.parametrize("append", [False, True])
async def test_output_to_a_file(append: bool, tmp_path: Path) -> None:
    """Behind what is there: `(date; novaconsole …) > file`, or `>> file`."""
    path = tmp_path / "out"
    path.write_bytes(b"before ")
    fd = os.open(path, os.O_WRONLY | (os.O_APPEND if append else 0))
    with inherited(fd), output_to(fd) as output:
        os.write(fd, b"header ")
        await output.send_all(DATA)
        await output.send_all(b"end")
    start = b"before header " if append else b"header "
    assert path.read_bytes() == start + DATA + b"end"


async def test_output_to_dev_null() -> None:
    fd = os.open(os.devnull, os.O_WRONLY)
    with inherited(fd), output_to(fd) as output:
        await output.send_all(DATA)


async def test_output_to_a_full_disk() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    with inherited(fd), output_to(fd) as output:
        with pytest.raises(OSError, match="No space") as caught:
            await output.send_all(b"x")
        assert caught.value.errno == errno.ENOSPC


async def test_the_end_of_the_reader_is_seen_without_writing() -> None:
    reader, writer = os.pipe()
    with inherited(writer), output_to(writer) as output:
        with trio.move_on_after(A_WHILE) as scope:
            await output.wait_reader_gone()
        assert scope.cancelled_caught
        await output.send_all(b"x")
        assert await read_exactly(reader, 1) == b"x"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(output.wait_reader_gone)
            await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(AT_ONCE_SECONDS):
                os.close(reader)
                while nursery.child_tasks:
                    await trio.lowlevel.checkpoint()


async def test_the_end_of_the_reader_is_seen_while_output_waits() -> None:
    """Two tasks wait for the same pipe, and both are told."""
    reader, writer = os.pipe()
    told: list[str] = []

    async def send() -> None:
        with pytest.raises(BrokenPipeError):
            await output.send_all(DATA)
        told.append("send")

    async def wait() -> None:
        await output.wait_reader_gone()
        told.append("wait")

    with inherited(writer), output_to(writer) as output:
        with trio.fail_after(AT_ONCE_SECONDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                nursery.start_soon(wait)
                await read_exactly(reader, 4096)
                await trio.testing.wait_all_tasks_blocked()
                assert told == []
                os.close(reader)
    assert sorted(told) == ["send", "wait"]


async def test_a_file_has_no_reader_that_could_go() -> None:
    fd = os.open(os.devnull, os.O_WRONLY)
    with inherited(fd), output_to(fd) as output:
        assert not output.is_watched


# ---- input


@pytest.mark.parametrize("kind", ["pipe", "socket"])
async def test_input_is_exact_and_ends(kind: str) -> None:
    reader, writer = pair(kind)
    received = b""

    async def write() -> None:
        await output.send_all(DATA)
        output.close()
        os.close(writer)

    with inherited(reader):
        output, source = RedirectedOutput(writer), RedirectedInput(reader)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            while data := await source.receive_some():
                received += data
        assert await source.receive_some() == b""
    assert received == DATA


@pytest.mark.parametrize("kind", ["pipe", "socket"])
async def test_input_waits_and_swallows_nothing_when_cancelled(kind: str) -> None:
    """What comes later is for the next program that reads."""
    reader, writer = pair(kind)
    with inherited(reader, writer):
        with trio.move_on_after(A_WHILE) as scope:
            await RedirectedInput(reader).receive_some()
        assert scope.cancelled_caught
        os.write(writer, b"later")
        assert await read_exactly(reader, 5) == b"later"


async def test_input_takes_no_more_than_asked() -> None:
    reader, writer = os.pipe()
    with inherited(reader, writer):
        os.write(writer, b"url\nrest")
        assert await RedirectedInput(reader).receive_some(4) == b"url\n"
        assert await read_exactly(reader, 4) == b"rest"


async def test_input_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(DATA)
    fd = os.open(path, os.O_RDONLY)
    received = b""
    with inherited(fd):
        while data := await RedirectedInput(fd).receive_some():
            received += data
    assert received == DATA


async def test_input_from_dev_null() -> None:
    fd = os.open(os.devnull, os.O_RDONLY)
    with inherited(fd):
        assert await RedirectedInput(fd).receive_some() == b""


async def test_input_that_nobody_will_write_any_more() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    with inherited(reader):
        assert await RedirectedInput(reader).receive_some() == b""


async def test_input_and_output_may_be_one_socket() -> None:
    """As inetd and `socat EXEC:` give them."""
    ours, theirs = socket_pair()
    duplicate = os.dup(ours)
    received = b""

    async def read() -> None:
        nonlocal received
        received = await read_exactly(theirs, len(DATA))

    with inherited(ours, theirs, duplicate), output_to(duplicate) as output:
        os.write(theirs, b"typed")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(output.send_all, DATA)
            assert await RedirectedInput(ours).receive_some() == b"typed"
    assert received == DATA
