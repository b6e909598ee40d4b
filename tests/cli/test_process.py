"""The descriptors that others left open, or closed."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from novaconsole.cli.process import ensure_standard_streams, read_line

REPORT = """
import json, os, sys
from novaconsole.cli.process import ensure_standard_streams
report = int(sys.argv[1])
ensure_standard_streams()
files = [os.stat(fd) for fd in range(3)]
next_fd = os.open(os.devnull, os.O_RDONLY)
os.write(report, json.dumps([[f.st_dev, f.st_ino] for f in files] + [next_fd]).encode())
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        os.close(fd)


@pytest.mark.parametrize(
    "closed",
    [closed for n in range(4) for closed in combinations(range(3), n)],
    ids=lambda closed: "".join(map(str, closed)) or "none",
)
def test_closed_streams_become_dev_null_and_open_ones_stay(
    closed: tuple[int, ...], tmp_path: Path
) -> None:
    close = " ".join(f"{fd}>&-" for fd in closed)
    paths = [tmp_path / str(fd) for fd in range(3)]
    reader, writer = os.pipe()
    with paths[0].open("w+") as a, paths[1].open("w") as b, paths[2].open("w") as c:
        command = ["sh", "-c", f'exec "$0" "$@" {close}', sys.executable, "-bb", "-c"]
        status = subprocess.call(
            [*command, REPORT, str(writer)],
            stdin=a,
            stdout=b,
            stderr=c,
            pass_fds=[writer],
        )
    os.close(writer)
    with open(reader, "rb") as report:
        *files, next_fd = json.loads(report.read())
    assert status == 0
    expected = [Path(os.devnull) if fd in closed else paths[fd] for fd in range(3)]
    stats = [path.stat() for path in expected]
    assert files == [[stat.st_dev, stat.st_ino] for stat in stats]
    assert next_fd > 2


def test_where_all_streams_are_open_nothing_is_opened(pipe: tuple[int, int]) -> None:
    before = os.listdir("/dev/fd")
    ensure_standard_streams()
    assert os.listdir("/dev/fd") == before


@pytest.mark.parametrize(
    ("written", "line", "rest"),
    [
        (b"one\ntwo\n", b"one", b"two\n"),
        (b"one\r\ntwo", b"one\r", b"two"),
        (b"\none\n", b"", b"one\n"),
        (b"one", b"one", b""),
        (b"", b"", b""),
        (b"\xff\x00\n\xff", b"\xff\x00", b"\xff"),
        (b"12345678\n", b"12345678", b"\n"),
        (b"123456789\n", b"12345678", b"9\n"),
    ],
)
def test_one_line_is_read_and_nothing_behind_it(
    written: bytes, line: bytes, rest: bytes
) -> None:
    reader, writer = os.pipe()
    os.write(writer, written)
    os.close(writer)
    with open(reader, "rb", buffering=0) as pipe:
        assert read_line(reader, 8) == line
        assert pipe.readall() == rest


def test_the_rest_of_a_file_stays_for_others(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"url\ndata\n")
    with path.open("rb", buffering=0) as file:
        assert read_line(file.fileno(), 100) == b"url"
        assert file.tell() == 4


def test_a_line_that_comes_in_parts_is_waited_for(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    lines: list[bytes] = []
    thread = threading.Thread(target=lambda: lines.append(read_line(reader, 100)))
    thread.start()
    for part in (b"on", b"e\n"):
        assert thread.is_alive()
        os.write(writer, part)
    thread.join(20)
    assert lines == [b"one"]
