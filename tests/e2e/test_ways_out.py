"""Every way out of a session, seen from the shell that started it."""

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM

import pytest

from support.shell import (
    AT_ONCE,
    CTRL_C,
    TOKEN,
    Guest,
    Shell,
    is_alive,
    unchanged,
    wait_until,
)

# ---- the user leaves


def test_the_escape_ends_with_status_0(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.type(b"~.")
        assert shell.prompt() == 0
        assert guest.wait_closing() == b"\x03\xe8"
    assert guest.received == b""


def test_the_escape_may_come_in_three_reads(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        for key, seen in ((b"x\r", b"-1-"), (b"~", b"-2-")):
            shell.type(key)
            guest.send(seen)
            shell.expect(seen)  # by now the program has read the key
        shell.type(b".")
        assert shell.prompt() == 0
    assert guest.received == b"x\r"


@pytest.mark.parametrize("size", [0, 10, 1000, 100_000])
def test_keys_after_the_escape_go_to_the_shell(tmp_path: Path, size: int) -> None:
    """In one write: keys for the guest, the escape, and a command for the shell."""
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.type(b"x" * size + b"\r~.echo for the sh''ell; (exit 7)\r")
        assert shell.prompt() == 0
        shell.expect(b"\r\nfor the shell\r\n")
        assert shell.prompt() == 7
        guest.wait_closing()
    assert (b"x" * size + b"\r").startswith(guest.received)


def test_keys_while_connecting_go_to_the_guest(tmp_path: Path) -> None:
    answered = threading.Event()
    with Guest(upgrades=answered) as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole {guest.url}")
        guest.wait_request()
        shell.type(b"early")
        shell.expect(b"early")  # the terminal still echoes
        answered.set()
        guest.wait_received(b"early")
        shell.type(b"\r~.")
        assert shell.prompt() == 0


def test_ctrl_c_while_connecting_ends_with_status_130(tmp_path: Path) -> None:
    answered = threading.Event()
    with Guest(upgrades=answered) as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole {guest.url}")
        guest.wait_request()
        shell.type(b"echo ear''ly")
        shell.expect(b"echo ear''ly")
        shell.type(CTRL_C)
        assert shell.prompt() == 130
        assert shell.output.endswith(b"^C\r\n")
        answered.set()


def without_cr(output: bytes) -> bytes:
    """What it looks like: a terminal that is not raw adds a CR to the program's own."""
    return output.replace(b"\r", b"")


@pytest.mark.parametrize("shown", [b"login: ", b"a line\r\n"])
@pytest.mark.parametrize("where", ["", " 2>messages"])
def test_the_shells_prompt_begins_a_line_after_a_signal(
    tmp_path: Path, shown: bytes, where: str
) -> None:
    login = Guest(greeting=shown)
    with login as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole {guest.url}{where}")
        shell.expect(shown)
        shell.wait_raw()
        os.kill(shell.job, SIGTERM)
        assert shell.prompt() == 143
        assert without_cr(shell.output).endswith(shown.rstrip(b"\r\n") + b"\n")


@pytest.mark.parametrize("option", ["", "-q", "--json"])
def test_the_shells_prompt_begins_a_line_after_a_match(
    tmp_path: Path, option: str
) -> None:
    login = Guest(greeting=b"login: ")
    with login as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole --until 'login: $' {option} {guest.url}")
        assert shell.prompt() == 0
        lines = without_cr(shell.output).split(b"\n")
        assert lines[-1] == b""
        assert b"login: " in lines


def test_a_quiet_escape_ends_the_guests_line(tmp_path: Path) -> None:
    login = Guest(greeting=b"login: ")
    with login as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole -q {guest.url}")
        shell.expect(b"login: ")
        shell.wait_raw()
        shell.type(b"~.")
        assert shell.prompt() == 0
        assert without_cr(shell.output) == b"login: \n"


# ---- the other side leaves

LEAVINGS: dict[str, tuple[Callable[[Guest], None], str]] = {
    "close": (
        lambda guest: guest.close(1000, "Target closed"),
        "closed by the other side: Target closed (code 1000, closed normally)",
    ),
    "close for a reason": (
        lambda guest: guest.close(1011),
        "closed by the other side: the server failed (code 1011)",
    ),
    "drop": (lambda guest: guest.drop(), "lost: no close frame received"),
    "reset": (lambda guest: guest.drop(reset=True), "lost: no close frame received"),
}


@pytest.mark.parametrize("leaving", LEAVINGS)
def test_the_other_side_ends_it_with_status_3(tmp_path: Path, leaving: str) -> None:
    leave, words = LEAVINGS[leaving]
    login = Guest(greeting=b"login: ")
    with login as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.expect(b"login: ")
        leave(guest)
        assert shell.prompt() == 3
        title = f"connection to 127.0.0.1:{guest.port}"
        assert shell.screen()[2:4] == ["login:", f"novaconsole: {title} {words}"]


def test_a_loss_at_once_and_without_output_is_explained_by_the_token(
    tmp_path: Path,
) -> None:
    with Guest(drops=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        status, output = shell.run(f"novaconsole {guest.url}")
        assert status == 3
        assert output.endswith(
            f"novaconsole: 127.0.0.1:{guest.port} dropped the connection at once: "
            "the token has probably expired or is wrong\r\n"
            "novaconsole: get a new URL: openstack console url show --serial SERVER"
            "\r\n".encode()
        )


# ---- signals


@pytest.mark.parametrize(
    "signals",
    [[SIGINT], [SIGTERM], [SIGTERM] * 2, [SIGHUP], [SIGQUIT]],
    ids=lambda signals: "-".join(signum.name for signum in signals),
)
def test_a_signal_ends_with_its_status(
    tmp_path: Path, signals: list[signal.Signals]
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        program = shell.job
        for signum in signals:
            os.kill(program, signum)
        assert shell.prompt() == 128 + signals[0]
        assert guest.wait_closing()


def test_a_second_signal_does_not_change_the_status(tmp_path: Path) -> None:
    stubborn = Guest(answers_close=False)
    with stubborn as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        program = shell.job
        os.kill(program, SIGINT)
        guest.wait_closing()
        with suppress(ProcessLookupError):
            while is_alive(program):
                os.kill(program, SIGTERM)
        assert shell.prompt() == 130


def test_sigkill_leaves_the_flags_of_the_shells_streams_unchanged(
    tmp_path: Path,
) -> None:
    """They are never changed, because they belong to all users of an open file."""
    with Guest(echoes=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        assert shell.is_blocking
        shell.type(b"typed")
        shell.expect(b"typed")
        assert shell.is_blocking
        os.kill(shell.job, SIGKILL)
        assert shell.prompt() == 137
        assert shell.is_blocking


# ---- "~." and SIGTERM act at once, whatever hangs


def paste(shell: Shell) -> None:
    """Type more than peer and network take; returns when all of it has been read."""
    text = b"pasted " * 75_000
    shell.type(text + b"\r~I")
    (sent,) = shell.expect(re.compile(rb"bytes: \d+ in, (\d+) out"))
    assert int(sent) < len(text)


@contextmanager
def flooding_guest(shell: Shell) -> Iterator[Guest]:
    with Guest(floods=True) as guest:
        shell.attach(guest.url)
        shell.expect(b"000001000 ")
        yield guest


@contextmanager
def screen_that_takes_nothing(shell: Shell) -> Iterator[Guest]:
    with Guest(floods=True) as guest:
        shell.attach(guest.url)
        shell.wait_stuck()
        yield guest


@contextmanager
def peer_that_reads_nothing(shell: Shell) -> Iterator[Guest]:
    with Guest(reads=False) as guest:
        shell.attach(guest.url)
        paste(shell)
        yield guest


@contextmanager
def peer_that_answers_no_close(shell: Shell) -> Iterator[Guest]:
    with Guest(answers_close=False) as guest:
        shell.attach(guest.url)
        yield guest


@contextmanager
def all_of_these(shell: Shell) -> Iterator[Guest]:
    with Guest(floods=True, reads=False) as guest:
        shell.attach(guest.url)
        paste(shell)
        shell.wait_stuck()
        yield guest


@pytest.mark.parametrize("by", ["escape", "signal"])
@pytest.mark.parametrize(
    "trouble",
    [
        flooding_guest,
        screen_that_takes_nothing,
        peer_that_reads_nothing,
        peer_that_answers_no_close,
        all_of_these,
    ],
)
def test_leaving_waits_for_nothing(
    tmp_path: Path,
    trouble: Callable[[Shell], AbstractContextManager[Guest]],
    by: str,
) -> None:
    with Shell(tmp_path) as shell, unchanged(shell), trouble(shell):
        program = shell.job
        start = time.monotonic()
        if by == "escape":
            shell.type(b"\r~.")
        else:
            os.kill(program, SIGTERM)
        if trouble is flooding_guest:  # its screen is read
            status = shell.prompt()
            took = time.monotonic() - start
        else:
            wait_until(lambda: not is_alive(program))
            took = time.monotonic() - start
            status = shell.prompt()
        assert status == (0 if by == "escape" else 143)
        assert took < AT_ONCE


# ---- the terminal leaves


@pytest.mark.parametrize("floods", [False, True])
def test_the_end_of_the_terminal_ends_the_program(tmp_path: Path, floods: bool) -> None:
    with Guest(floods=floods) as guest, Shell(tmp_path) as shell:
        shell.attach(guest.url)
        program = shell.job
        shell.hang_up()
        wait_until(lambda: not is_alive(program))


def test_the_end_of_the_terminal_is_noticed_without_a_signal(
    tmp_path: Path,
) -> None:
    """SIGHUP is ignored, so that only reading the keyboard can show it."""
    with Guest() as guest, Shell(tmp_path) as shell:
        shell.run("trap '' HUP")
        shell.attach(guest.url)
        program = shell.job
        shell.hang_up()
        wait_until(lambda: not is_alive(program))
        guest.wait_closing()


def test_under_nohup_it_survives_the_terminal(tmp_path: Path) -> None:
    keys, shown = tmp_path / "keys", tmp_path / "shown"
    os.mkfifo(keys)
    with Guest() as guest, Shell(tmp_path) as shell:
        shell.start(f"nohup novaconsole {guest.url} < keys > shown 2> told & echo $!")
        (pid,) = shell.expect(re.compile(rb"\n(\d+)\r\n"))
        program = int(pid)
        with keys.open("wb", buffering=0) as keyboard:
            keyboard.write(b"before")
            guest.wait_received(b"before")
            shell.hang_up()
            wait_until(lambda: not is_alive(shell.pid))
            os.kill(program, SIGHUP)
            keyboard.write(b"after")
            guest.wait_received(b"after")
            guest.send(b"still here")
        wait_until(lambda: not is_alive(program))
    assert shown.read_bytes() == b"still here"


# ---- before the session


def test_ctrl_c_ends_the_wait_for_a_server_at_once(tmp_path: Path) -> None:
    with Guest(answer=b"") as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole --connect-timeout 60 {guest.url}")
        guest.wait_request()
        start = time.monotonic()
        shell.type(CTRL_C)
        assert shell.prompt() == 130
        assert time.monotonic() - start < AT_ONCE
        assert shell.output == b"^C\r\n"


def test_ctrl_c_ends_the_wait_for_keystone_at_once(tmp_path: Path) -> None:
    with Guest(answer=b"") as keystone:
        cloud = {
            "OS_AUTH_URL": f"http://127.0.0.1:{keystone.port}/v3",
            "OS_USERNAME": "user",
            "OS_PASSWORD": "password",
            "OS_PROJECT_NAME": "project",
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
        }
        with Shell(tmp_path, **cloud) as shell, unchanged(shell):
            shell.start("novaconsole vm")
            keystone.wait_request()
            start = time.monotonic()
            shell.type(CTRL_C)
            assert shell.prompt() == 130
            assert time.monotonic() - start < AT_ONCE
            assert shell.output == b"^C\r\n"


@pytest.mark.parametrize("module", ["typer", "trio", "trio_websocket"])
def test_ctrl_c_ends_it_during_the_imports(tmp_path: Path, module: str) -> None:
    """They take seconds on a slow disk."""
    slow_disk = tmp_path / "slow_disk"
    slow_disk.mkdir()
    (slow_disk / f"{module}.py").write_text("print('loading')\nwhile True: pass\n")
    path = os.pathsep.join([str(slow_disk), os.environ.get("PYTHONPATH", "")])
    with Shell(tmp_path, PYTHONPATH=path) as shell, unchanged(shell):
        shell.start("novaconsole ws://127.0.0.1/")
        shell.expect(b"loading\r\n")
        shell.type(CTRL_C)
        assert shell.prompt() == 130
        assert shell.output.strip() == b"loading\r\n^C"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("", 2),
        ("--no-such-option", 2),
        ("http://127.0.0.1:1/", 1),
        ("--url http://127.0.0.1:1/", 1),
        ("--url ftp://127.0.0.1/", 2),
        ("ws://127.0.0.1/ --demo", 2),
        ("ws://127.0.0.1/ -e CR", 2),
        ("ws://127.0.0.1:1/", 1),
    ],
)
def test_an_error_is_a_status_and_at_most_two_lines(
    tmp_path: Path, arguments: str, status: int
) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        assert shell.run(f"novaconsole {arguments}")[0] == status
        lines = shell.output.splitlines()
        assert 1 <= len(lines) <= 2
        assert all(line.startswith(b"novaconsole: ") for line in lines)


# ---- internal errors

# Make one method of each task fail on "!" or on a terminal with 33 columns.
CRASHING = """
import sys
from novaconsole.cli.app import main
from novaconsole.session.escapes import EscapeParser
from novaconsole.websocket.connection import Connection
from novaconsole.terminal.tty import Terminal

owner, name = {
    "keyboard": (EscapeParser, "feed"),
    "sender": (Connection, "send"),
    "screen": (Terminal, "send_all"),
    "signals": (Terminal, "size"),
}[sys.argv.pop(1)]
plain = getattr(owner, name)

def crashing(self, *args):
    if args == (b"!",) or name == "size" and plain(self).columns == 33:
        raise RuntimeError("kaboom")
    return plain(self, *args)

setattr(owner, name, crashing)
main()
"""
PROVOCATIONS: dict[str, Callable[[Shell, Guest], None]] = {
    "keyboard": lambda shell, _: shell.type(b"!"),
    "sender": lambda shell, _: shell.type(b"!"),
    "screen": lambda _, guest: guest.send(b"!"),
    "signals": lambda shell, _: shell.resize(columns=33, lines=10),
}


@pytest.mark.parametrize(
    ("task", "debug"), [*((task, False) for task in PROVOCATIONS), ("screen", True)]
)
def test_an_internal_error_is_one_line_and_status_1(
    tmp_path: Path, task: str, debug: bool
) -> None:
    (tmp_path / "crash.py").write_text(CRASHING)
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        arguments = f"{task} {guest.url}{' -d' * debug}"
        shell.attach(arguments, program="$PYTHON crash.py")
        PROVOCATIONS[task](shell, guest)
        assert shell.prompt() == 1
        told = shell.output.splitlines()
        crash = b"novaconsole: internal error: RuntimeError: kaboom"
        assert told.count(crash) == 1
        traceback = [line for line in told if b"Traceback" in line]
        assert bool(traceback) == debug
        assert TOKEN.encode() not in shell.output
        assert all(line.startswith(b"novaconsole: ") for line in told if line)
        assert guest.wait_closing()
