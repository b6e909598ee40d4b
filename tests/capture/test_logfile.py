"""The log: everything the guest sends, byte for byte; its trouble is told once."""

# ruff: noqa: ASYNC240 # nobody else waits while a test looks at a file

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from novaconsole.capture.log import LogFile
from novaconsole.errors import UsageError
from support.servers import AT_ONCE_SECONDS, nothing_left

DATA = bytes(range(256)) * 4096  # a MiB; a pipe holds 64 KiB


@contextmanager
def logging_to(path: Path, *, overwrite: bool = False) -> Iterator[LogFile]:
    with nothing_left():
        log = LogFile(path, overwrite=overwrite)
        try:
            yield log
        finally:
            log.close(no_trouble)
        assert not log.is_open
        log.close(no_trouble)  # once more does no harm


def no_trouble(sentence: str) -> None:
    pytest.fail(sentence)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "console.log"


async def test_bytes_are_exact(path: Path) -> None:
    with logging_to(path) as log:
        assert log.is_open
        assert log.path == path
        for piece in (DATA, b"", b"\r\n\x1b[0m\xff", b"end"):
            await log.write(piece, no_trouble)
    assert path.read_bytes() == DATA + b"\r\n\x1b[0m\xffend"


async def test_bytes_are_in_the_file_before_they_are_shown(path: Path) -> None:
    """Nothing is held back that SIGKILL could take away."""
    with logging_to(path) as log:
        for count in range(1, 4):
            await log.write(b"x", no_trouble)
            assert path.read_bytes() == b"x" * count


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_a_new_log_is_for_its_owner_alone(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with logging_to(path):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_an_old_log_is_appended_to_and_keeps_its_mode(path: Path) -> None:
    path.write_bytes(b"old ")
    path.chmod(0o640)
    with logging_to(path) as log:
        await log.write(b"new ", no_trouble)
        with path.open("ab") as other:  # such as another novaconsole
            other.write(b"other ")
        await log.write(b"newer", no_trouble)
    assert path.read_bytes() == b"old new other newer"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_overwrite_starts_afresh(path: Path) -> None:
    path.write_bytes(b"a long old log")
    with logging_to(path, overwrite=True) as log:
        assert path.read_bytes() == b""
        await log.write(b"new", no_trouble)
    assert path.read_bytes() == b"new"


async def test_a_full_disk_is_told_once() -> None:
    trouble: list[str] = []
    with logging_to(Path("/dev/full")) as log:
        for _ in range(3):
            await log.write(b"x", trouble.append)
            assert not log.is_open
    [sentence] = trouble
    assert "/dev/full" in sentence
    assert "No space left on device" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    "last", ["await log.write(b'y' * 700, print)", "log.close(print, b'y' * 700)"]
)
async def test_a_disk_that_fills_up_keeps_what_fits(path: Path, last: str) -> None:
    """A limit for the size of files stands in for the disk."""
    program = f"""
import resource, signal, trio
from pathlib import Path
from novaconsole.capture.log import LogFile

async def write():
    log = LogFile(Path({str(path)!r}))
    await log.write(b"x" * 700, print)
    {last}
    await log.write(b"z" * 700, print)

soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
trio.run(write)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
"""
    done = await trio.run_process(
        [sys.executable, "-c", program], capture_stdout=True, capture_stderr=True
    )
    assert done.stderr == b""
    assert done.stdout.decode().splitlines() == [
        f"log {path}: File too large; the log ends here"
    ]
    assert path.read_bytes() == b"x" * 700 + b"y" * 300


@pytest.mark.parametrize("where", ["missing/console.log", ".", "file/console.log"])
async def test_a_path_that_cannot_be_written(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with nothing_left(), pytest.raises(UsageError) as caught:
        LogFile(tmp_path / where)
    assert str(tmp_path / where) in str(caught.value)
    assert caught.value.exit_status == 2
    assert caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_file_of_somebody_else(path: Path) -> None:
    path.touch(mode=0o400)
    with pytest.raises(UsageError, match="Permission denied"):
        LogFile(path)


async def test_a_fifo_without_a_reader_is_told_at_once(path: Path) -> None:
    """To open it in the plain way would wait for ever."""
    os.mkfifo(path)
    with nothing_left(), pytest.raises(UsageError, match="No such device"):
        LogFile(path)


async def test_a_fifo_with_a_slow_reader_gets_everything(path: Path) -> None:
    """Whoever writes the log waits, and can be cancelled; the program goes on."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    received = b""
    try:
        with logging_to(path) as log:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(log.write, DATA, no_trouble)
                await trio.testing.wait_all_tasks_blocked()
                assert nursery.child_tasks  # a pipe does not hold so much
                with trio.fail_after(AT_ONCE_SECONDS):
                    while len(received) < len(DATA):
                        await trio.lowlevel.wait_readable(reader)
                        received += os.read(reader, 10_000)
            with trio.move_on_after(0.1) as scope:
                await log.write(DATA, no_trouble)
            assert scope.cancelled_caught
    finally:
        os.close(reader)
    assert received == DATA


async def test_a_fifo_whose_reader_leaves_is_told_once(path: Path) -> None:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    trouble: list[str] = []
    with logging_to(path) as log:
        os.close(reader)
        for _ in range(3):
            await log.write(b"x", trouble.append)
    [sentence] = trouble
    assert "Broken pipe" in sentence
