"""Hostile guests and proxies: the session ends with a message, memory stays bounded."""

import os
import subprocess
from pathlib import Path

import pytest
import trio

from support import program
from support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    Frame,
    acceptance,
    close_frame,
)
from support.servers import Handler, Peer, answer_for_ever, mute, read_head, serving

MIB = 1 << 20
# The interpreter and its libraries take 40; a message may take 16, and is copied.
MOST_MIB = 80
# The program; at its end it writes down its peak memory (proc(5)).
_MEASURED = r"""
import os, re
from pathlib import Path
from novaconsole.__main__ import main

leave = os._exit

def measured(status):
    told = Path("/proc/self/status").read_text()
    Path("memory").write_text(re.search(r"VmHWM:\s+(\d+) kB", told)[1])
    leave(status)

os._exit = measured
main()
"""
_CONTROLS = bytes(set(range(0x20)) - {0x0A}) + b"\x7f\x9b"


def measured(home: Path, url: str, silent: int) -> subprocess.CompletedProcess[bytes]:
    return program.run(
        *(home, "--url", url),
        command=(*program.PYTHON, "-c", _MEASURED),
        stdin=silent,
        timeout=program.PATIENCE * 2,
    )


async def run(home: Path, handler: Handler) -> subprocess.CompletedProcess[bytes]:
    """Run the program against a server; check its messages and its memory."""
    silent, never_written = os.pipe()
    async with serving(handler) as server:
        url = f"ws://{server.host}:{server.port}/"
        try:
            done = await trio.to_thread.run_sync(measured, home, url, silent)
        finally:
            os.close(silent)
            os.close(never_written)
    lines = done.stderr.splitlines()
    assert all(line.startswith(b"novaconsole: ") for line in lines), done.stderr
    assert not set(done.stderr) & set(_CONTROLS)
    memory = int((home / "memory").read_text()) // 1024
    assert memory < MOST_MIB
    return done


def sending(data: bytes, *, times: int = 1, last: bytes = b"") -> Handler:
    """Upgrade and send; hang up at once, or with `last` when the client does."""

    async def handler(stream: trio.abc.Stream) -> None:
        await stream.send_all(acceptance(await read_head(stream)))
        for _ in range(times):
            await stream.send_all(data)
        if last:
            await stream.send_all(last)
            await mute(stream)

    return handler


FRAMES = {
    "compressed": (b"\xc2\x05hello", b"websocket protocol error"),
    "compressed fragments": (b"\x42\x01hx\x80\x01x", b"websocket protocol error"),
    "close code 1005": (close_frame(1005).encoded(), b"websocket protocol error"),
    "close code 999": (close_frame(999).encoded(), b"websocket protocol error"),
    "close code 1006": (close_frame(1006).encoded(), b"websocket protocol error"),
    "close code 65535": (close_frame(65535).encoded(), b"websocket protocol error"),
    "a reason that is not UTF-8": (
        Frame(CLOSE, b"\x03\xe8\xff\xfe").encoded(),
        b"text that is not UTF-8",
    ),
    "a reason with control sequences": (
        close_frame(1000, "a\x1b]0;b\x07\x9b2J\r\n\u202ec").encoded(),
        rb"a\x1b]0;b\x07\x9b2J\x0d\x0a\x202ec",
    ),
    "a long reason": (
        close_frame(1000, "x" * 124).encoded(),
        b"websocket protocol error",
    ),
    "an endless control frame": (
        b"\x89\x7f\x7f" + b"\xff" * 7 + b"x" * 99,
        b"websocket protocol error",
    ),
}


@pytest.mark.parametrize("name", FRAMES)
async def test_a_bad_frame_ends_the_session_with_a_message(
    tmp_path: Path, name: str
) -> None:
    frame, words = FRAMES[name]
    before = Frame(BINARY, b"before").encoded()
    done = await run(tmp_path, sending(before + frame, last=b" "))
    assert (done.returncode, done.stdout) == (3, b"before")
    assert words in done.stderr


async def test_an_endless_frame_is_shown_as_it_arrives(tmp_path: Path) -> None:
    """The header announces the largest possible size; 64 MiB arrive."""
    start = b"\x82\x7f\x7f" + b"\xff" * 7
    size = 64 * MIB

    async def handler(stream: trio.abc.Stream) -> None:
        await stream.send_all(acceptance(await read_head(stream)) + start)
        for _ in range(size // MIB):
            await stream.send_all(bytes(MIB))

    done = await run(tmp_path, handler)
    assert done.returncode == 3
    assert len(done.stdout) == size


async def test_a_frame_of_17_mebibytes_is_shown(tmp_path: Path) -> None:
    data = Frame(BINARY, bytes(17 * MIB)).encoded()
    done = await run(tmp_path, sending(data))
    assert (done.returncode, len(done.stdout)) == (3, 17 * MIB)


async def test_a_message_with_endless_fragments_is_refused(tmp_path: Path) -> None:
    piece = Frame(CONTINUATION, bytes(MIB), fin=False).encoded()

    async def handler(stream: trio.abc.Stream) -> None:
        await Peer(stream).upgrade(Frame(BINARY, b"x", fin=False))
        while True:
            await stream.send_all(piece)

    done = await run(tmp_path, handler)
    assert done.returncode == 3
    assert b"1009" in done.stderr


@pytest.mark.parametrize("reads", [True, False])
async def test_a_flood_of_pings_is_survived(tmp_path: Path, reads: bool) -> None:
    """50 MB of pings, also from a peer that does not read the pongs."""
    pings = Frame(PING, b"p" * 125).encoded() * 4000

    async def handler(stream: trio.abc.Stream) -> None:
        peer = Peer(stream)
        await peer.upgrade()
        async with trio.open_nursery() as nursery:
            if reads:
                nursery.start_soon(peer.answer_close)
            with trio.move_on_after(5):
                for _ in range(100):
                    await peer.send_raw(pings)
            with trio.move_on_after(1):
                await peer.send(Frame(BINARY, b"after"))
            nursery.cancel_scope.cancel()

    done = await run(tmp_path, handler)
    assert done.returncode == 3
    assert done.stdout in (b"after", b"")


async def test_control_frames_may_come_between_fragments(tmp_path: Path) -> None:
    ping = Frame(PING, b"p" * 125)
    frames = [Frame(BINARY, b"a", fin=False)]
    for _ in range(1000):
        frames += [ping, Frame(CONTINUATION, b"b", fin=False)]
    frames += [Frame(CONTINUATION, b"c"), close_frame(1000)]
    data = b"".join(frame.encoded() for frame in frames)
    done = await run(tmp_path, sending(data, last=b" "))
    assert (done.returncode, done.stdout) == (3, b"a" + b"b" * 1000 + b"c")


async def test_an_endless_response_head_is_refused(tmp_path: Path) -> None:
    start = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    done = await run(tmp_path, answer_for_ever(start, b"X-More: headers\r\n" * 1000))
    assert done.returncode == 1
    assert b"is too long" in done.stderr


async def test_control_sequences_in_a_status_line_are_escaped(tmp_path: Path) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await read_head(stream)
        status = b"HTTP/1.1 403 a\x1b]0;b\x07\x9b2J\r\nContent-Length: 0\r\n\r\n"
        await stream.send_all(status)

    done = await run(tmp_path, handler)
    assert done.returncode == 1
    assert rb"403 a\x1b]0;b\x07\x9b2J" in done.stderr
