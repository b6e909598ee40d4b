"""The log of a session: on and off, raw or plain, exact, and soon on the disk."""

# ruff: noqa: ASYNC240 # no other task is delayed while a test looks at a file

import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from novaconsole.capture.log import LogFile, LogOptions, SessionLog
from novaconsole.errors import UsageError
from support.servers import AT_ONCE_SECONDS, nothing_left

STAMP = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d "
TIME = r"\d{8}T\d{6}"


def new_log(
    on_trouble: Callable[[str], None], *, plain: bool = False, timestamps: bool = False
) -> SessionLog:
    """A log of the server `vm`."""
    return SessionLog(LogOptions(plain=plain, timestamps=timestamps), "vm", on_trouble)


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., SessionLog]:
    """Makes logs in an empty directory; an error of the disk fails the test."""
    monkeypatch.chdir(tmp_path)

    def make(**options: bool) -> SessionLog:
        return new_log(pytest.fail, **options)

    return make


async def test_a_log_that_was_not_started_writes_nothing(
    make: Callable[..., SessionLog], tmp_path: Path
) -> None:
    log = make(plain=True)
    await log.write(b"x\n")
    log.close()
    assert log.path is None
    assert list(tmp_path.iterdir()) == []


async def test_the_fields_of_the_name_are_filled_in(
    make: Callable[..., SessionLog], tmp_path: Path
) -> None:
    with nothing_left():
        log = make()
        log.start("{server}-{time}-{{}}.log")
        log.close()
    [path] = tmp_path.iterdir()
    assert re.fullmatch(rf"vm-{TIME}-{{}}\.log", path.name)


async def test_a_server_cannot_choose_the_directory(tmp_path: Path) -> None:
    log = SessionLog(LogOptions(), "../../x", pytest.fail)
    log.start(f"{tmp_path}/{{server}}")
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["_._.._x"]


async def test_a_bad_name_opens_nothing(
    make: Callable[..., SessionLog], tmp_path: Path
) -> None:
    log = make()
    with pytest.raises(UsageError, match=r"\{host\}"):
        log.start("{host}.log")
    assert log.path is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({}, rb"\x1b\[1mone\x1b\[m\r\ntwo\rTWO\r\nend"),
        ({"plain": True}, rb"one\nTWO\nend\n"),
        (
            {"timestamps": True},
            rb"%s\x1b\[1mone\x1b\[m\r\n%stwo\rTWO\r\n%send\n" % ((STAMP,) * 3),
        ),
        (
            {"plain": True, "timestamps": True},
            rb"%sone\n%sTWO\n%send\n" % ((STAMP,) * 3),
        ),
    ],
)
async def test_each_form_of_log_has_every_line(
    make: Callable[..., SessionLog],
    tmp_path: Path,
    options: dict[str, bool],
    pattern: bytes,
) -> None:
    log = make(**options)
    log.start("log")
    for piece in (b"\x1b[1mon", b"e\x1b", b"[m\r\ntw", b"o\rTWO\r\nend"):
        await log.write(piece)
    log.close()
    content = (tmp_path / "log").read_bytes()
    assert re.fullmatch(pattern, content), content


async def test_whole_lines_are_in_the_file_before_they_are_shown(
    make: Callable[..., SessionLog], tmp_path: Path
) -> None:
    log = make(plain=True)
    log.start("log")
    await log.write(b"one\r\ntwo\r\nthr")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    log.close()


async def test_an_unfinished_line_is_in_the_file_within_a_second(
    make: Callable[..., SessionLog],
    tmp_path: Path,
    autojump_clock: trio.testing.MockClock,
) -> None:
    log = make(plain=True)
    log.start("log")
    path = tmp_path / "log"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.keep_up)
        await log.write(b"login: ")
        assert path.read_bytes() == b""
        await trio.sleep(0.9)
        assert path.read_bytes() == b"login: "
        await log.write(b"root")
        await trio.sleep(0.9)
        await log.write(b"\r\n")
        assert path.read_bytes() == b"login: root\n"
        nursery.cancel_scope.cancel()
    log.close()
    assert path.read_bytes() == b"login: root\n"


async def test_a_log_that_is_up_to_date_wakes_no_task(
    make: Callable[..., SessionLog], autojump_clock: trio.testing.MockClock
) -> None:
    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            self.count += task.name.endswith("keep_up")

    log, steps = make(plain=True), Steps()
    log.start("log")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.keep_up)
        await log.write(b"$ ")
        await trio.sleep(5)
        trio.lowlevel.add_instrument(steps)
        await trio.sleep(3600)
        trio.lowlevel.remove_instrument(steps)
        nursery.cancel_scope.cancel()
    log.close()
    assert steps.count == 0


async def test_a_log_that_is_started_again_continues_in_the_same_file(
    make: Callable[..., SessionLog], tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old")
    with nothing_left():
        log = make(plain=True)
        log.start("log", overwrite=True)
        await log.write(b"logged")
        assert log.toggle() == "log: stopped"
        assert log.path is None
        await log.write(b"not logged\r\n")
        assert log.toggle() == "log: writing to log"
        assert log.path == Path("log")
        await log.write(b"again\r\n")
        log.close()
    assert path.read_bytes() == b"logged\nagain\n"


async def test_a_log_without_a_name_gets_an_automatic_one(
    make: Callable[..., SessionLog], tmp_path: Path
) -> None:
    with nothing_left():
        log = make()
        said = [log.toggle()]
        await log.write(b"one")
        said += [log.toggle(), log.toggle()]
        await log.write(b"two")
        log.close()
    [path] = tmp_path.iterdir()
    assert re.fullmatch(rf"novaconsole-vm-{TIME}\.log", path.name)
    writing = f"log: writing to {path.name}"
    assert said == [writing, "log: stopped", writing]
    assert path.read_bytes() == b"onetwo"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_log_that_cannot_be_started_gives_a_message(
    make: Callable[..., SessionLog], tmp_path: Path
) -> None:
    tmp_path.rmdir()
    log = make()
    said = log.toggle()
    assert said.startswith("log: cannot write the log novaconsole-vm-")
    assert log.path is None


@pytest.mark.parametrize(
    "options", [{}, {"plain": True}, {"timestamps": True}], ids=str
)
async def test_a_full_disk_is_reported_once_and_the_log_can_be_started_again(
    options: dict[str, bool],
) -> None:
    errors: list[str] = []
    with nothing_left():
        log = new_log(errors.append, **options)
        log.start("/dev/full")
        for _ in range(3):
            await log.write(b"x\n")
            assert log.path is None
        log.close()
        assert errors == ["log /dev/full: No space left on device; the log ends here"]
        assert log.toggle() == "log: writing to /dev/full"
        log.close()
    assert len(errors) == 1


async def test_a_disk_that_is_full_at_the_end_is_reported_once() -> None:
    errors: list[str] = []
    log = new_log(errors.append, plain=True)
    log.start("/dev/full")
    await log.write(b"$ ")
    log.close()
    log.close()
    assert errors == ["log /dev/full: No space left on device; the log ends here"]


async def test_a_log_can_be_stopped_while_it_waits_for_the_reader_of_a_pipe(
    make: Callable[..., SessionLog], tmp_path: Path
) -> None:
    """The keyboard does not wait, and the tasks that wrote continue without a log."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    errors: list[str] = []
    log = new_log(errors.append, timestamps=True)
    log.start("pipe")
    async with trio.open_nursery() as nursery:
        for count, data in ((1, b"x" * 200_000), (2, b"y")):
            nursery.start_soon(log.write, data)
            await trio.testing.wait_all_tasks_blocked()
            assert len(nursery.child_tasks) == count
        with trio.fail_after(AT_ONCE_SECONDS):
            assert log.toggle() == "log: stopped"
            await trio.testing.wait_all_tasks_blocked()
            assert not nursery.child_tasks
    os.close(reader)


async def test_a_slow_reader_gets_lines_and_prompts_in_order(
    make: Callable[..., SessionLog], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    received, line = b"", b"x" * 1000 + b"\n"
    expected = line * 200 + b"prompt\n"
    log = make(plain=True)
    log.start("pipe")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.keep_up)
        nursery.start_soon(log.write, line * 200 + b"prompt")
        with trio.fail_after(AT_ONCE_SECONDS):
            while not received.endswith(b"prompt"):
                await trio.lowlevel.wait_readable(reader)
                received += os.read(reader, 10_000)
        nursery.cancel_scope.cancel()
    log.close()
    received += os.read(reader, 10_000)
    os.close(reader)
    assert received == expected


# ---- the file

DATA = bytes(range(256)) * 4096  # a MiB; a pipe holds 64 KiB


@contextmanager
def logging_to(path: Path, *, overwrite: bool = False) -> Iterator[LogFile]:
    with nothing_left():
        log = LogFile(path, overwrite=overwrite)
        try:
            yield log
        finally:
            log.close(no_error)
        assert not log.is_open
        log.close(no_error)  # once more does no harm


def no_error(message: str) -> None:
    pytest.fail(message)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "console.log"


async def test_bytes_are_exact(path: Path) -> None:
    with logging_to(path) as log:
        assert log.is_open
        assert log.path == path
        for piece in (DATA, b"", b"\r\n\x1b[0m\xff", b"end"):
            await log.write(piece, no_error)
    assert path.read_bytes() == DATA + b"\r\n\x1b[0m\xffend"


async def test_bytes_are_in_the_file_when_the_call_returns(path: Path) -> None:
    """SIGKILL can lose nothing that was written."""
    with logging_to(path) as log:
        for count in range(1, 4):
            await log.write(b"x", no_error)
            assert path.read_bytes() == b"x" * count


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_a_new_log_has_mode_0600(path: Path, umask: int) -> None:
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
        await log.write(b"new ", no_error)
        with path.open("ab") as other:  # such as another novaconsole
            other.write(b"other ")
        await log.write(b"newer", no_error)
    assert path.read_bytes() == b"old new other newer"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_overwrite_empties_the_file(path: Path) -> None:
    path.write_bytes(b"a long old log")
    with logging_to(path, overwrite=True) as log:
        assert path.read_bytes() == b""
        await log.write(b"new", no_error)
    assert path.read_bytes() == b"new"


async def test_a_full_disk_ends_the_log_with_one_message() -> None:
    errors: list[str] = []
    with logging_to(Path("/dev/full")) as log:
        for _ in range(3):
            await log.write(b"x", errors.append)
            assert not log.is_open
    [message] = errors
    assert "/dev/full" in message
    assert "No space left on device" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "last", ["await log.write(b'y' * 700, print)", "log.close(print, b'y' * 700)"]
)
async def test_a_disk_that_fills_up_keeps_what_fits(path: Path, last: str) -> None:
    """The limit of a file's size takes the place of a full disk."""
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
async def test_a_path_that_cannot_be_written_is_wrong_usage(
    where: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with nothing_left(), pytest.raises(UsageError) as caught:
        LogFile(tmp_path / where)
    assert str(tmp_path / where) in str(caught.value)
    assert caught.value.exit_status == 2
    assert caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
async def test_a_file_without_write_permission_is_wrong_usage(path: Path) -> None:
    path.touch(mode=0o400)
    with pytest.raises(UsageError, match="Permission denied"):
        LogFile(path)


async def test_a_fifo_without_a_reader_is_wrong_usage(path: Path) -> None:
    """A blocking open would wait for ever."""
    os.mkfifo(path)
    with nothing_left(), pytest.raises(UsageError, match="No such device"):
        LogFile(path)


async def test_a_fifo_with_a_slow_reader_gets_everything(path: Path) -> None:
    """The task that writes waits and can be cancelled; other tasks run."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    received = b""
    try:
        with logging_to(path) as log:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(log.write, DATA, no_error)
                await trio.testing.wait_all_tasks_blocked()
                assert nursery.child_tasks  # a pipe does not hold so much
                with trio.fail_after(AT_ONCE_SECONDS):
                    while len(received) < len(DATA):
                        await trio.lowlevel.wait_readable(reader)
                        received += os.read(reader, 10_000)
            with trio.move_on_after(0.1) as scope:
                await log.write(DATA, no_error)
            assert scope.cancelled_caught
    finally:
        os.close(reader)
    assert received == DATA


async def test_a_fifo_whose_reader_leaves_ends_the_log_with_one_message(
    path: Path,
) -> None:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    errors: list[str] = []
    with logging_to(path) as log:
        os.close(reader)
        for _ in range(3):
            await log.write(b"x", errors.append)
    [message] = errors
    assert "Broken pipe" in message
