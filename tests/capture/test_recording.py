"""The recording is private, valid at every moment, and delays nothing."""

# ruff: noqa: ASYNC240 # no other task is delayed while a test looks at a file

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from novaconsole.capture.recording import Recording, RecordingOptions
from novaconsole.errors import UsageError
from support.servers import TOKEN, nothing_left

SIZE = os.terminal_size((81, 25))


def no_error(message: str) -> None:
    pytest.fail(message)


@contextmanager
def recording_to(
    path: Path,
    on_error: Callable[[str], None] = no_error,
    *,
    title: str = "vm",
    with_input: bool = False,
    overwrite: bool = False,
) -> Iterator[Recording]:
    with nothing_left():
        recording = Recording(
            RecordingOptions(str(path), overwrite=overwrite, with_input=with_input),
            title,
            lambda: title,
            on_error,
        )
        try:
            yield recording
        finally:
            recording.end()
        assert not recording.is_open
        recording.end()  # once more does no harm


def lines(path: Path) -> list[Any]:
    """Return the header and the events; all must be whole."""
    *whole, rest = path.read_bytes().split(b"\n")
    assert rest == b""
    return [json.loads(line) for line in whole]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vm.cast"


async def test_every_event_has_its_time(path: Path, mock_clock: MockClock) -> None:
    mock_clock.jump(1000)
    with recording_to(path, with_input=True) as recording:
        recording.resize(SIZE)
        mock_clock.jump(60)  # before it begins
        recording.mark("attached to vm")
        mock_clock.jump(0.25)
        recording.output(b"login: ")
        mock_clock.jump(1.5)
        recording.input(b"root\r")
        mock_clock.jump(0.000001)
        recording.resize(os.terminal_size((132, 43)))
    header, *events = lines(path)
    assert (header["version"], header["title"]) == (2, "console of vm")
    assert (header["width"], header["height"]) == SIZE
    assert events == [
        [0, "m", "attached to vm"],
        [0.25, "o", "login: "],
        [1.75, "i", "root\r"],
        [1.750001, "r", "132x43"],
    ]


async def test_every_event_is_in_the_file_before_the_call_returns(path: Path) -> None:
    """SIGKILL can lose nothing that was written."""
    with recording_to(path) as recording:
        for count in range(1, 4):
            recording.output(b"x")
            assert len(lines(path)) == 1 + count


async def test_an_event_is_one_write(path: Path) -> None:
    """After SIGKILL a line is in the file or not, unless the kernel cuts it."""
    with recording_to(path) as recording:
        recording.mark("attached to vm")
        before = writes()
        for size in (1, 4096, 64 * 1024):
            recording.output(b"x" * size)
        assert writes() - before == 3


def writes() -> int:
    """How many times this process has called write (proc(5))."""
    counts = dict(
        line.split(": ") for line in Path("/proc/self/io").read_text().splitlines()
    )
    return int(counts["syscw"])


async def test_input_is_not_recorded_by_default(path: Path) -> None:
    with recording_to(path) as recording:
        recording.output(b"Password: ")
        recording.input(b"secret\r")
    assert b"secret" not in path.read_bytes()
    assert [event[1] for event in lines(path)[1:]] == ["o"]


async def test_half_a_character_at_the_end_is_replaced(path: Path) -> None:
    with recording_to(path, with_input=True) as recording:
        recording.output(b"a\xe2\x82")
        recording.input(b"\xc3")
    assert [event[1:] for event in lines(path)[1:]] == [
        ["o", "a"],
        ["o", "\ufffd"],
        ["i", "\ufffd"],
    ]


# ---- the header


async def test_without_a_terminal_the_size_is_80_by_24(path: Path) -> None:
    with recording_to(path) as recording:
        recording.resize(os.terminal_size((0, 0)))
        recording.output(b"x")
        recording.resize(os.terminal_size((90, 0)))
    header, *events = lines(path)
    assert (header["width"], header["height"]) == (80, 24)
    assert [event[1] for event in events] == ["o"]


async def test_an_unchanged_size_is_not_an_event(path: Path) -> None:
    with recording_to(path) as recording:
        for size in ((90, 30), SIZE):
            recording.resize(os.terminal_size(size))
        recording.output(b"x")
        for size in (SIZE, (90, 30), (90, 30)):
            recording.resize(os.terminal_size(size))
    header, *events = lines(path)
    assert (header["width"], header["height"]) == SIZE
    assert [event[2] for event in events if event[1] == "r"] == ["90x30"]


async def test_of_the_environment_only_term_is_recorded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "vt220")
    with recording_to(path) as recording:
        recording.output(b"x")
    assert lines(path)[0]["env"] == {"TERM": "vt220"}


@pytest.mark.parametrize("name", [f"ws://h/?token={TOKEN}", "vm\x1b[31m\nred"])
async def test_title_and_markers_have_no_token_and_no_control_characters(
    path: Path, name: str
) -> None:
    with recording_to(path, title=name) as recording:
        recording.mark(f"attached to {name}")
    header, [_, _, label] = lines(path)
    for text in (header["title"], label):
        assert TOKEN not in text
        assert text.isprintable()


# ---- the file


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_a_recording_has_mode_0600(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with recording_to(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


async def test_a_recording_without_events_leaves_an_empty_file_that_can_be_used_again(
    path: Path,
) -> None:
    for _ in range(2):
        with recording_to(path) as recording:
            recording.resize(SIZE)
        assert path.read_bytes() == b""


async def test_a_file_that_is_not_empty_is_refused(path: Path) -> None:
    path.write_bytes(b"precious")
    with nothing_left(), pytest.raises(UsageError, match="already") as caught:
        Recording(RecordingOptions(str(path)), "vm", lambda: "vm", no_error)
    assert caught.value.exit_status == 2
    assert "--overwrite" in (caught.value.hint or "")
    assert path.read_bytes() == b"precious"


async def test_overwrite_empties_the_file(path: Path) -> None:
    path.write_bytes(b"a long old recording")
    with recording_to(path, overwrite=True) as recording:
        recording.output(b"new")
    assert lines(path)[1][2] == "new"


@pytest.mark.parametrize("where", ["missing/vm.cast", ".", "file/vm.cast"])
async def test_a_path_that_cannot_be_written_is_wrong_usage(
    where: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with nothing_left(), pytest.raises(UsageError) as caught:
        Recording(RecordingOptions(str(tmp_path / where)), "vm", lambda: "vm", no_error)
    assert f"cannot write the recording {tmp_path / where}" in str(caught.value)
    assert "--record" in (caught.value.hint or "")


# ---- errors


async def test_a_full_disk_ends_the_recording_with_one_message() -> None:
    errors: list[str] = []
    with recording_to(Path("/dev/full"), errors.append) as recording:
        for _ in range(3):
            recording.output(b"x")
            assert not recording.is_open
    assert errors == [
        "recording /dev/full: No space left on device; the recording ends here"
    ]


async def test_a_disk_that_fills_up_keeps_the_lines_that_fit(path: Path) -> None:
    """The limit of a file's size takes the place of a full disk."""
    program = f"""
import os, resource, signal, trio
from novaconsole.capture.recording import Recording, RecordingOptions

async def record():
    options = RecordingOptions({str(path)!r})
    recording = Recording(options, "vm", lambda: "vm", print)
    for letter in b"xyz":
        recording.output(bytes([letter]) * 400)
    recording.end()

soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
trio.run(record)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
"""
    done = await trio.run_process(
        [sys.executable, "-c", program], capture_stdout=True, capture_stderr=True
    )
    assert done.stderr == b""
    assert done.stdout.decode().splitlines() == [
        f"recording {path}: File too large; the recording ends here"
    ]
    assert [event[2] for event in lines(path)[1:]] == ["x" * 400, "y" * 400]


async def test_a_slow_reader_of_a_fifo_ends_the_recording(path: Path) -> None:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    errors: list[str] = []
    try:
        with recording_to(path, errors.append) as recording:
            for _ in range(100):
                recording.output(b"x" * 10_000)
        *whole, _ = os.read(reader, 1 << 20).split(b"\n")
    finally:
        os.close(reader)
    assert [json.loads(line) for line in whole], "valid up to there"
    [message] = errors
    assert "the recording ends here" in message
