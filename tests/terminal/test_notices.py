"""What novaconsole says: on standard error, in line, masked, and without waiting."""

import json
import logging
import os
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.errors import NovaConsoleError
from novaconsole.terminal.notices import (
    NoticeHandler,
    Notices,
    Verbosity,
)
from support.pieces import thorough

TOKEN = "6ecd2ba5-0c1f-4b36-9c5e-1f1d1b5f4a3e"
LEVELS = [Verbosity.QUIET, Verbosity.NORMAL, Verbosity.VERBOSE, Verbosity.DEBUG]
# The promises are 0.05 and 1 second, on an idle machine; a hang lasts for ever.
HANG_SECONDS = 10.0


@contextmanager
def standard_error_on(fd: int) -> Iterator[None]:
    """Standard error is this file for a while."""
    saved = os.dup(2)
    try:
        os.dup2(fd, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The logger of the package, afterwards as it was."""
    logger = logging.getLogger("novaconsole")
    level = logger.level
    yield logger
    logger.setLevel(level)


@pytest.mark.parametrize("verbosity", LEVELS)
@pytest.mark.parametrize("level", LEVELS)
def test_a_line_is_said_to_those_who_want_to_hear_it(
    level: Verbosity, verbosity: Verbosity, capfd: pytest.CaptureFixture[str]
) -> None:
    Notices(verbosity).say("hello", level)
    said = capfd.readouterr()
    assert said.err == ("novaconsole: hello\n" if level <= verbosity else "")
    assert said.out == ""


def test_the_usual_level_is_normal(capfd: pytest.CaptureFixture[str]) -> None:
    Notices().say("hello")
    Notices(Verbosity.QUIET).say("nothing")
    assert capfd.readouterr().err == "novaconsole: hello\n"


@pytest.mark.parametrize("verbosity", LEVELS)
def test_an_error_is_always_said_with_what_to_try(
    verbosity: Verbosity, capfd: pytest.CaptureFixture[str]
) -> None:
    notices = Notices(verbosity)
    notices.error(NovaConsoleError("it failed", "try again"))
    notices.error(NovaConsoleError("it failed again"))
    assert capfd.readouterr().err.splitlines() == [
        "novaconsole: it failed",
        "novaconsole: try again",
        "novaconsole: it failed again",
    ]


def test_neither_tokens_nor_control_characters_get_out(
    capfd: pytest.CaptureFixture[str],
) -> None:
    notices = Notices(Verbosity.DEBUG)
    notices.say(f"GET /?token={TOKEN} HTTP/1.1\r\n\x1b[2J", Verbosity.DEBUG)
    notices.error(NovaConsoleError(f"bad\ntoken={TOKEN}", f"?path=%3Ftoken%3D{TOKEN}"))
    said = capfd.readouterr().err
    assert TOKEN not in said
    assert said.splitlines() == [
        r"novaconsole: GET /?token=*** HTTP/1.1\x0d\x0a\x1b[2J",
        r"novaconsole: bad\x0atoken=***",
        r"novaconsole: ?path=%3Ftoken%3D***",
    ]


@thorough
@given(st.text())
def test_any_text_is_one_line(text: str) -> None:
    """Undecodable file names, which Python keeps as surrogates, too."""
    reader, writer = os.pipe()
    with standard_error_on(writer):
        Notices().say(text)
    os.close(writer)
    with open(reader, "rb") as said:
        (line,) = said.read().decode().splitlines()
    assert line.startswith("novaconsole: ")


def test_during_a_session_lines_are_handed_on(
    capfd: pytest.CaptureFixture[str],
) -> None:
    notices = Notices()
    lines: list[str] = []
    notices.hand_to(lines.append)
    notices.say(f"token={TOKEN} \x1b")
    notices.error(NovaConsoleError("it failed", "try again"))
    notices.say("nothing", Verbosity.VERBOSE)
    assert lines == [
        r"novaconsole: token=*** \x1b",
        "novaconsole: it failed",
        "novaconsole: try again",
    ]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("inside", "start"), [(True, b"\r\n"), (False, b"")])
def test_after_a_session_an_unfinished_line_is_ended_once(
    inside: bool, start: bytes, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    notices = Notices()
    lines: list[str] = []
    notices.hand_to(lines.append)
    notices.write_directly(inside_a_line=inside)
    notices.say("nothing", Verbosity.VERBOSE)
    notices.say("one")
    notices.say("two")
    said = capfdbinary.readouterr().err
    assert said == start + b"novaconsole: one\nnovaconsole: two\n"
    assert lines == []


@pytest.mark.parametrize(("inside", "end"), [(True, b"\r\n"), (False, b"")])
def test_without_a_message_an_unfinished_line_is_ended_for_the_shell(
    inside: bool, end: bytes, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    notices = Notices()
    notices.write_directly(inside_a_line=inside)

    notices.end_line()
    notices.end_line()

    assert capfdbinary.readouterr().err == end


def test_verbosity_changes_step_by_step_between_its_ends(
    logger: logging.Logger,
) -> None:
    notices = Notices()
    lines: list[str] = []
    notices.hand_to(lines.append)
    changes = [
        (+1, Verbosity.VERBOSE),
        (+1, Verbosity.DEBUG),
        (+1, Verbosity.DEBUG),
        (-1, Verbosity.VERBOSE),
    ]
    changes += [(-1, Verbosity.NORMAL), (-1, Verbosity.QUIET), (-1, Verbosity.QUIET)]
    for by, expected in changes:
        notices.change_verbosity(by)
        assert notices.verbosity == expected
        assert logger.level == expected.log_level
    names = ["verbose", "debug", "debug", "verbose", "normal", "quiet", "quiet"]
    assert lines == [f"novaconsole: messages: {name}" for name in names]


@pytest.mark.parametrize("verbosity", LEVELS)
def test_debugging_messages_are_made_only_when_debugging(verbosity: Verbosity) -> None:
    assert (verbosity.log_level <= logging.DEBUG) is (verbosity == Verbosity.DEBUG)


def test_what_libraries_log_becomes_notices() -> None:
    notices = Notices(Verbosity.DEBUG)
    lines: list[str] = []
    notices.hand_to(lines.append)
    logger = logging.Logger("library")
    logger.addHandler(NoticeHandler(notices))
    logger.debug("GET /?token=%s", TOKEN)
    try:
        int(f"token={TOKEN}")
    except ValueError:
        logger.exception("it failed\nin two lines")
    assert lines[:4] == [
        "novaconsole: GET /?token=***",
        "novaconsole: it failed",
        "novaconsole: in two lines",
        "novaconsole: Traceback (most recent call last):",
    ]
    assert lines[-1].startswith("novaconsole: ValueError: invalid literal ")
    assert "token=***" in lines[-1]
    assert not [line for line in lines if TOKEN in line]


def test_what_libraries_log_is_for_debugging(capfd: pytest.CaptureFixture[str]) -> None:
    handler = NoticeHandler(Notices(Verbosity.VERBOSE))
    handler.emit(logging.LogRecord("a", logging.ERROR, "", 0, "boo", None, None))
    assert capfd.readouterr().err == ""


def full_pipe() -> tuple[int, int]:
    """Both ends of a pipe that takes nothing more."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    return reader, writer


def stopped_terminal() -> tuple[int, int]:
    """Both ends of a terminal on which somebody has typed Ctrl-S."""
    master, slave = os.openpty()
    termios.tcflow(slave, termios.TCOOFF)
    return master, slave


@pytest.fixture(params=[full_pipe, stopped_terminal])
def stuck(request: pytest.FixtureRequest) -> Iterator[int]:
    """Something to write to that takes nothing."""
    reader, writer = request.param()
    yield writer
    os.close(writer)
    os.close(reader)


def test_a_reader_who_is_slow_costs_a_moment(stuck: int) -> None:
    notices = Notices()
    started = time.monotonic()
    with standard_error_on(stuck):
        notices.say("hello")
        assert time.monotonic() - started > 0.02, "it was waited for"
        for _ in range(1000):  # but that nobody reads is known then
            notices.say("hello")
    assert time.monotonic() - started < HANG_SECONDS
    assert os.get_blocking(stuck), "others share this flag"


def test_an_error_waits_longer_for_a_reader_but_not_for_ever(
    stuck: int,
) -> None:
    notices = Notices()
    with standard_error_on(stuck):
        notices.say("hello")
        started = time.monotonic()
        notices.error(NovaConsoleError("it failed"))
    assert 0.9 < time.monotonic() - started < HANG_SECONDS


def test_a_reader_who_takes_less_than_a_line_costs_a_moment() -> None:
    """With a little room it counts as writable; a long line does not fit."""
    reader, writer = full_pipe()
    os.read(reader, 4096)
    os.set_blocking(reader, False)
    speaker = threading.Thread(target=Notices().say, args=("y" * 10_000,))
    with standard_error_on(writer):
        speaker.start()
        speaker.join(HANG_SECONDS)
        hangs = speaker.is_alive()
        while speaker.is_alive():  # lets it go
            with suppress(BlockingIOError):
                os.read(reader, 2**20)
    os.close(writer)
    os.close(reader)
    assert not hangs


@pytest.mark.parametrize("length", [10, 100_000])
def test_a_line_arrives_whole_whatever_the_pipe_takes_at_once(length: int) -> None:
    said = bytearray()

    def listen() -> None:
        with open(reader, "rb") as pipe:
            said.extend(pipe.readline())

    reader, writer = os.pipe()
    listener = threading.Thread(target=listen)
    listener.start()
    with standard_error_on(writer):
        Notices().error(NovaConsoleError("y" * length))
    os.close(writer)
    listener.join()
    assert bytes(said) == b"novaconsole: " + b"y" * length + b"\n"


def test_a_terminal_gets_its_line() -> None:
    master, slave = os.openpty()
    with standard_error_on(slave):
        Notices().say("hello")
    assert os.read(master, 100) == b"novaconsole: hello\r\n"
    os.close(master)
    os.close(slave)


def test_in_a_file_lines_stand_where_they_were_said(tmp_path: Path) -> None:
    """As after `> file 2>&1`: both streams share the position."""
    with (
        (tmp_path / "file").open("wb", buffering=0) as output,
        standard_error_on(output.fileno()),
    ):
        output.write(b"one\n")
        Notices().say("two")
        output.write(b"three\n")
    assert (tmp_path / "file").read_bytes() == b"one\nnovaconsole: two\nthree\n"


def test_a_reader_who_is_gone_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with standard_error_on(writer):
        Notices().say("hello")
        Notices().error(NovaConsoleError("it failed", "try again"))
    os.close(writer)


def test_no_standard_error_is_no_error() -> None:
    saved = os.dup(2)
    os.close(2)
    try:
        Notices().say("hello")
        Notices().error(NovaConsoleError("it failed", "try again"))
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def test_programs_are_told_no_token(capfd: pytest.CaptureFixture[str]) -> None:
    notices = Notices(as_json=True)
    notices.event("any", text="ws://h/?token=s3cr3t", more="token=s3cr3t\x7f")
    notices.say("token=s3cr3t")
    notices.error(NovaConsoleError("token=s3cr3t", "token=s3cr3t"))
    rows = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [row["event"] for row in rows] == ["any", "message", "error"]
    assert (rows[0]["text"], rows[0]["more"]) == ("ws://h/?token=***", "token=***\x7f")
    assert rows[1]["text"] == rows[2]["message"] == rows[2]["hint"] == "token=***"


def test_people_are_told_no_events(capfd: pytest.CaptureFixture[str]) -> None:
    Notices().event("any", text="nothing")
    assert capfd.readouterr().err == ""
