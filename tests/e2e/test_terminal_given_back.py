"""What a session leaves of itself in the user's terminal: pastes, titles, answers."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.shell import AT_ONCE, Guest, Shell, unchanged

XTERM = {"TERM": "xterm-256color"}
MARKED, UNMARKED = b"\x1b[?2004h", b"\x1b[?2004l"
PASTE = b"\x1b[200~%b\x1b[201~"
PUSH, POP = b"\x1b[22;0t", b"\x1b[23;0t"
WHERE, HERE = b"\x1b[6n", b"\x1b[24;13R"


def quit_by_escape(shell: Shell, guest: Guest) -> int:
    shell.type(b"\r~.")
    return 0


def lose(shell: Shell, guest: Guest) -> int:
    guest.drop()
    return 3


def be_closed(shell: Shell, guest: Guest) -> int:
    guest.close(1000, "Target closed")
    return 3


def terminate(shell: Shell, guest: Guest) -> int:
    os.kill(shell.job, signal.SIGTERM)
    return 128 + signal.SIGTERM


def match(shell: Shell, guest: Guest) -> int:
    guest.send(b"the end")
    return 0


WAYS: list[Callable[[Shell, Guest], int]] = [
    quit_by_escape,
    lose,
    be_closed,
    terminate,
    match,
]


# ---- pastes


@pytest.mark.parametrize("leave", WAYS)
def test_the_terminal_marks_pastes_during_a_session_only(
    tmp_path: Path, leave: Callable[[Shell, Guest], int]
) -> None:
    with Guest() as guest, Shell(tmp_path, **XTERM) as shell, unchanged(shell):
        shell.attach(f"--until 'the end' {guest.url}")
        shell.expect(MARKED)
        status = leave(shell, guest)
        assert shell.prompt() == status
        assert shell.output.count(MARKED) == 1
        assert shell.output.rindex(UNMARKED) > shell.output.rindex(MARKED)


@pytest.mark.parametrize("term", ["vt100", "dumb", "linux"])
def test_a_terminal_that_knows_no_marks_is_sent_none(tmp_path: Path, term: str) -> None:
    with Guest() as guest, Shell(tmp_path, TERM=term) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.type(b"~.")
        assert shell.prompt() == 0
        assert b"\x1b" not in shell.output


@pytest.mark.parametrize("asks", [False, True])
def test_a_paste_reaches_the_guest_as_it_is(tmp_path: Path, asks: bool) -> None:
    pasted = b"one\r~.\r~~\r~R\r~?\r~\x1a\r"
    with Guest() as guest, Shell(tmp_path, **XTERM) as shell, unchanged(shell):
        shell.attach(guest.url)
        guest.send((MARKED if asks else b"") + b"ready")
        shell.expect(b"ready")
        shell.type(PASTE % pasted)
        wanted = PASTE % pasted if asks else pasted
        guest.wait_received(wanted)
        shell.type(b"~.")
        assert shell.prompt() == 0
        assert guest.received == wanted


def test_a_guest_that_switches_the_marks_off_does_not_have_the_last_word(
    tmp_path: Path,
) -> None:
    with Guest() as guest, Shell(tmp_path, **XTERM) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.expect(MARKED)
        for off in (UNMARKED, b"\x1b[?25;2004l", b"\x1bc"):
            guest.send(off[:3])
            guest.send(off[3:] + b"\r\n$ ")
            shell.expect(b"$ " + MARKED)
        shell.type(b"~.")
        assert shell.prompt() == 0


def test_while_suspended_pastes_are_not_marked(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path, **XTERM) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.expect(MARKED)
        shell.type(b"~\x1a")
        shell.expect(UNMARKED)
        shell.prompt()
        shell.start("fg")
        shell.expect(MARKED)
        shell.wait_raw()
        shell.type(PASTE % b"\r~.\r")
        guest.wait_received(b"\r~.\r")
        shell.type(b"~.")
        assert shell.prompt() == 0


def test_the_escape_key_alone_is_sent(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path, **XTERM) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.type(b"\x1b")
        guest.wait_received(b"\x1b")
        shell.type(b"\r~.")
        assert shell.prompt() == 0


# ---- titles


@pytest.mark.parametrize(
    ("leave", "cut"),
    [*((way, 0) for way in WAYS), *((WAYS[0], n) for n in range(1, 6))],
)
def test_a_title_is_given_back(
    tmp_path: Path, leave: Callable[[Shell, Guest], int], cut: int
) -> None:
    title = b"\x1b]0;guest\x07$ "
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--until 'the end' {guest.url}")
        guest.send(b"hello " + title[:cut])
        shell.expect(b"hello ")
        guest.send(title[cut:])
        shell.expect(title)
        status = leave(shell, guest)
        assert shell.prompt() == status
        assert shell.output.index(PUSH) < shell.output.index(title)
        assert shell.output.count(PUSH) == shell.output.count(POP) == 1
        assert shell.output.rindex(POP) > shell.output.index(title)


def test_while_suspended_the_title_is_the_shells(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        guest.send(b"\x1b]2;guest\x07\r\n$ ")
        shell.expect(b"$ ")
        shell.type(b"~\x1a")
        shell.expect(POP)
        shell.prompt()
        shell.start("fg")
        shell.expect(PUSH + b"\x1b]2;guest\x1b\\")
        shell.wait_raw()
        shell.type(b"~.")
        shell.expect(POP)
        assert shell.prompt() == 0


def test_what_the_guest_pushed_is_popped_too(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        guest.send(b"\x1b]2;one\x07" + PUSH + b"\x1b]2;two\x07$ ")
        shell.expect(b"$ ")
        shell.type(b"~.")
        assert shell.prompt() == 0
        assert shell.output.count(POP) == 2


# ---- late answers


@pytest.mark.parametrize("leave", WAYS)
def test_a_late_answer_is_not_left_for_the_shell(
    tmp_path: Path, leave: Callable[[Shell, Guest], int]
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--until 'the end' {guest.url}")
        guest.send(b"$ " + WHERE)
        shell.expect(WHERE)
        status = leave(shell, guest)
        shell.type(HERE)
        assert shell.prompt() == status
        assert b"24;13R" not in shell.output
        assert shell.run("echo t''wo") == (0, b"two\r\n")


@pytest.mark.parametrize("typed", [b"echo on''e\r" + HERE, HERE + b"echo on''e\r"])
def test_what_was_typed_ahead_beside_a_late_answer_is_the_shells(
    tmp_path: Path, typed: bytes
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        guest.send(b"$ " + WHERE)
        shell.expect(WHERE)
        shell.type(b"~." + typed)
        assert shell.prompt() == 0
        shell.expect(b"one\r\n")
        shell.prompt()
        assert b"24;13R" not in shell.output


def test_a_late_answer_does_not_delay_the_escape(tmp_path: Path) -> None:
    """A terminal that does not answer, or has answered, is not waited for."""
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        for answer in (b"", HERE):
            shell.attach(guest.url)
            guest.send(b"$ " + WHERE)
            shell.expect(WHERE)
            shell.type(answer)
            started = time.monotonic()
            shell.type(b"~.")
            assert shell.prompt() == 0
            assert time.monotonic() - started < AT_ONCE


def test_what_was_typed_ahead_without_a_query_is_left_alone(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.type(b"~.echo on''e\r")
        assert shell.prompt() == 0
        shell.expect(b"one\r\n")
        shell.prompt()


def test_an_answer_to_the_guest_before_a_suspension_is_the_guests(
    tmp_path: Path,
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        guest.send(b"$ " + WHERE)
        shell.expect(WHERE)
        shell.type(b"~\x1a" + HERE)
        shell.expect(b"Stopped")
        shell.prompt()
        assert b"24;13R" not in shell.output
        shell.start("fg")
        shell.wait_raw()
        guest.wait_received(HERE)
        shell.type(b"\r~.")
        assert shell.prompt() == 0
