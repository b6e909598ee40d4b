"""Suspending and resuming, in the foreground and in the background of a shell."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGSTOP, SIGTERM

import pytest

from support.shell import CTRL_Z, Guest, Shell, is_alive, unchanged, wait_until

STOPPED = re.compile(rb"\[1\]\+ +Stopped")


def by_escape(shell: Shell) -> None:
    shell.type(b"\r~" + CTRL_Z)


def by_sigstop(shell: Shell) -> None:
    os.kill(shell.job, SIGSTOP)


def finish(shell: Shell, guest: Guest, said: bytes) -> None:
    """Check that the session works both ways, and leave it."""
    shell.wait_raw()
    shell.type(said)
    guest.wait_received(said)
    guest.send(b"<" + said + b">")
    shell.expect(b"<" + said + b">")
    shell.type(b"\r~.")
    assert shell.prompt() == 0


def stopped_program(shell: Shell) -> int:
    status, output = shell.run("jobs -p")
    assert status == 0
    return int(output)


@pytest.mark.parametrize("stop", [by_escape, by_sigstop])
def test_fg_resumes_what_was_stopped(
    tmp_path: Path, stop: Callable[[Shell], None]
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        before = shell.state()
        shell.attach(guest.url)
        stop(shell)
        shell.expect(STOPPED)
        shell.prompt()
        assert shell.state() == before
        shell.start("fg")
        finish(shell, guest, b"after fg")
    assert b"\x1a" not in guest.received


def test_output_during_suspension_is_shown_after_fg(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        by_escape(shell)
        shell.expect(STOPPED)
        shell.prompt()
        guest.send(b"meanwhile")
        shell.start("fg")
        shell.expect(b"meanwhile")
        finish(shell, guest, b"afterwards")


def test_terminal_settings_changed_while_suspended_are_kept_at_the_end(
    tmp_path: Path,
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell:
        before = shell.state()
        shell.attach(guest.url)
        by_escape(shell)
        shell.expect(STOPPED)
        shell.prompt()
        shell.run("stty erase ^K kill ^Y")
        changed = shell.state()
        assert changed != before
        shell.start("fg")
        finish(shell, guest, b"after fg")
        assert shell.state() == changed


def test_it_can_be_suspended_repeatedly(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        for _ in range(3):
            shell.wait_raw()
            by_escape(shell)
            shell.expect(STOPPED)
            shell.prompt()
            assert not shell.is_raw
            shell.start("fg")
        finish(shell, guest, b"after fg")


def test_in_the_background_it_shows_output_and_leaves_the_settings_alone(
    tmp_path: Path,
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        before = shell.state()
        shell.attach(guest.url)
        by_escape(shell)
        shell.expect(STOPPED)
        shell.prompt()
        shell.run("bg")
        guest.send(b"from behind")
        shell.expect(b"from behind")
        shell.type(b"\r")
        shell.prompt()
        assert shell.state() == before
        assert shell.run("echo for the sh''ell") == (0, b"for the shell\r\n")
        shell.start("fg")
        finish(shell, guest, b"after fg")
    assert b"echo" not in guest.received


@pytest.mark.parametrize("stop", [by_escape, by_sigstop])
def test_sigterm_ends_it_while_it_is_stopped(
    tmp_path: Path, stop: Callable[[Shell], None]
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        before = shell.state()
        shell.attach(guest.url)
        stop(shell)
        shell.expect(STOPPED)
        shell.prompt()
        program = stopped_program(shell)
        shell.run("kill %1")  # SIGTERM and then SIGCONT
        assert guest.wait_closing()
        wait_until(lambda: not is_alive(program))
        assert shell.run("wait %1 2> /dev/null; echo $?")[1].endswith(b"143\r\n")
        assert shell.state() == before


def test_it_can_be_started_in_the_background_and_continued_with_fg(
    tmp_path: Path,
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        before = shell.state()
        shell.run(f"novaconsole {guest.url} &")
        guest.send(b"from behind")
        shell.expect(b"from behind")
        shell.type(b"\r")
        shell.prompt()
        assert shell.state() == before
        shell.start("fg")
        finish(shell, guest, b"in front")


def test_sigterm_ends_it_in_the_background(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        before = shell.state()
        shell.run(f"novaconsole {guest.url} &")
        guest.send(b"from behind")
        shell.expect(b"from behind")
        shell.type(b"\r")
        shell.prompt()
        program = stopped_program(shell)
        os.kill(program, SIGTERM)
        wait_until(lambda: not is_alive(program))
        assert shell.run("wait %1 2> /dev/null; echo $?")[1].endswith(b"143\r\n")
        assert shell.state() == before


def test_the_whole_pipeline_is_suspended(tmp_path: Path) -> None:
    """Otherwise the shell would wait for the rest of the pipeline."""
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"{guest.url} | cat")
        by_escape(shell)
        shell.expect(STOPPED)
        shell.prompt()
        shell.start("fg")
        finish(shell, guest, b"after fg")


def test_sigcont_alone_changes_nothing(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        os.kill(shell.job, SIGCONT)
        finish(shell, guest, b"still here")


def test_with_v_a_resize_is_reported(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"-v {guest.url}")
        shell.resize(columns=91, lines=27)
        shell.expect(b"novaconsole: the terminal has 91 columns and 27 lines")
        shell.expect(b"stty columns 91 rows 27\r\n")
        finish(shell, guest, b"still here")


def test_without_v_a_resize_is_not_reported(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.resize(columns=91, lines=27)
        finish(shell, guest, b"still here")
        assert b"columns" not in shell.output
