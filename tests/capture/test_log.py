"""The log of a session: on and off, as it comes or for people, soon on the disk."""

# ruff: noqa: ASYNC240 # nobody else waits while a test looks at a file

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from novaconsole.capture.log import LogOptions, SessionLog
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
    """Makes logs in an empty directory; trouble is a failure."""
    monkeypatch.chdir(tmp_path)

    def make(**options: bool) -> SessionLog:
        return new_log(pytest.fail, **options)

    return make


async def test_without_a_name_nothing_is_written(
    make: Callable[..., SessionLog], tmp_path: Path
) -> None:
    log = make(plain=True)
    await log.write(b"x\n")
    log.close()
    assert log.path is None
    assert list(tmp_path.iterdir()) == []


async def test_the_name_is_filled_in(
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
async def test_what_is_written(
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


async def test_nobody_wakes_up_for_a_log_that_is_up_to_date(
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


async def test_stopped_and_started_it_goes_on_in_the_same_file(
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


async def test_without_a_name_it_is_started_under_one_of_its_own(
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


async def test_a_log_that_cannot_be_started_is_told(
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
async def test_a_full_disk_is_told_once_and_the_log_can_be_started_again(
    options: dict[str, bool],
) -> None:
    trouble: list[str] = []
    with nothing_left():
        log = new_log(trouble.append, **options)
        log.start("/dev/full")
        for _ in range(3):
            await log.write(b"x\n")
            assert log.path is None
        log.close()
        assert trouble == ["log /dev/full: No space left on device; the log ends here"]
        assert log.toggle() == "log: writing to /dev/full"
        log.close()
    assert len(trouble) == 1


async def test_a_disk_that_is_full_at_the_end_is_told_once() -> None:
    trouble: list[str] = []
    log = new_log(trouble.append, plain=True)
    log.start("/dev/full")
    await log.write(b"$ ")
    log.close()
    log.close()
    assert trouble == ["log /dev/full: No space left on device; the log ends here"]


async def test_it_can_be_stopped_while_it_waits_for_the_reader_of_a_pipe(
    make: Callable[..., SessionLog], tmp_path: Path
) -> None:
    """Whoever types waits for nothing; what waits goes on without the log."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    trouble: list[str] = []
    log = new_log(trouble.append, timestamps=True)
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
    wanted = line * 200 + b"prompt\n"
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
    assert received == wanted
