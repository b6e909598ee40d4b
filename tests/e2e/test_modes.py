"""The user's terminal after a guest that was cut off in full-screen mode."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from support.shell import Guest, Shell, unchanged

# What an editor with a mouse sends at its start, and what it would send at its end.
EDITOR = b"\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?1000h\x1b[?1006h\x1b[?25l\x1b[31m~"
LEFT = b"\x1b[?1049l\x1b[?1l\x1b[?25h\x1b[?1000l\x1b[?1006l\x1b[?2004l\x1b>\x1b[m"
# Control and escape sequences; bash with its plain prompt writes none.
SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[^[])")


def quit_by_escape(shell: Shell, guest: Guest) -> int:
    shell.type(b"~.")
    return 0


def lose(shell: Shell, guest: Guest) -> int:
    guest.drop()
    return 3


def terminate(shell: Shell, guest: Guest) -> int:
    os.kill(shell.job, signal.SIGTERM)
    return 128 + signal.SIGTERM


WAYS: list[Callable[[Shell, Guest], int]] = [quit_by_escape, lose, terminate]


@pytest.mark.parametrize("leave", WAYS)
def test_modes_that_the_guest_set_are_reset(
    tmp_path: Path, leave: Callable[[Shell, Guest], int]
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        guest.send(EDITOR)
        shell.expect(b"\x1b[31m~")
        status = leave(shell, guest)
        assert shell.prompt() == status
        _, _, after = shell.output.partition(EDITOR)
        assert b"".join(SEQUENCE.findall(after)) == LEFT
        # Before any message, which would be lost with the alternate screen.
        said_at = after.find(b"novaconsole: ")
        assert said_at < 0 or after.index(b"\x1b[?1049l") < said_at


@pytest.mark.parametrize("leave", WAYS)
def test_a_plain_session_adds_no_sequence(
    tmp_path: Path, leave: Callable[[Shell, Guest], int]
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        guest.send(b"\x1b[1mlogin:\x1b[0m ")
        shell.expect(b"login:\x1b[0m ")
        status = leave(shell, guest)
        assert shell.prompt() == status
        assert SEQUENCE.findall(shell.output) == [b"\x1b[1m", b"\x1b[0m"]


def test_the_modes_are_reset_while_suspended_and_restored_after(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        guest.send(EDITOR)
        shell.expect(b"\x1b[31m~")
        shell.type(b"\r~\x1a")
        shell.expect(b"Stopped")
        shell.prompt()
        _, _, after = shell.output.partition(EDITOR)
        assert b"".join(SEQUENCE.findall(after)) == LEFT
        shell.start("fg")
        shell.expect(b"\x1b[31m")  # the last of the modes to be restored
        again = b"".join(SEQUENCE.findall(shell.output_so_far))
        assert sorted(SEQUENCE.findall(EDITOR)) == sorted(SEQUENCE.findall(again))
        shell.type(b"\r~.")
        assert shell.prompt() == 0
