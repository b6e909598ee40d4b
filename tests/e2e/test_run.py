"""--run: a command in the guest as a part of the user's own command line."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGTERM

import pytest

from support import program
from support.guests import BASH, PASSWORD, USER, login_over_websocket, over_websocket
from support.shell import CTRL_C, TOKEN, Guest, Shell, unchanged

PATIENCE = 60.0


@pytest.fixture(scope="module")
def guest() -> Iterator[str]:
    """The URL of a guest at its login prompt."""
    with login_over_websocket() as url:
        yield url


@pytest.fixture
def bash() -> Iterator[str]:
    """The URL of a guest with a bash that was left logged in."""
    with over_websocket(*BASH) as url:
        yield url


def run(
    home: Path, *arguments: str, **variables: str
) -> "subprocess.CompletedProcess[bytes]":
    """Run the program without a terminal."""
    return program.run(home, *arguments, timeout=PATIENCE, variables=variables)


def test_output_and_status_are_those_of_the_command(tmp_path: Path, guest: str) -> None:
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    options = ("--login", USER, "--password-file", "secret")
    done = run(tmp_path, *options, "--run", "echo out; echo err >&2; exit 5", guest)
    assert (done.returncode, done.stdout, done.stderr) == (5, b"out\nerr\n", b"")


@pytest.mark.parametrize(
    ("password", "status", "words"),
    [
        (PASSWORD, 0, ""),
        ("wrong-4711", 1, "refused to log in 'root'"),
        (None, 1, "asks for the password of 'root'"),
    ],
)
def test_the_environment_can_hold_the_password(
    tmp_path: Path, guest: str, password: str | None, status: int, words: str
) -> None:
    variables = {} if password is None else {"NOVACONSOLE_PASSWORD": password}
    done = run(tmp_path, "--login", USER, "--run", "true", guest, **variables)
    assert (done.returncode, done.stdout) == (status, b"")
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert "wrong-4711" not in done.stderr.decode()


def test_on_a_terminal_the_password_is_asked_for(tmp_path: Path, guest: str) -> None:
    """Even if the output goes elsewhere."""
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole --login {USER} --run 'echo out' {guest} > shown")
        shell.expect(b"password of root in the guest: ")
        shell.type(PASSWORD.encode() + b"\r")
        assert shell.prompt() == 0
        assert PASSWORD.encode() not in shell.output
    assert (tmp_path / "shown").read_bytes() == b"out\n"


def test_debug_output_holds_no_secret(tmp_path: Path, guest: str) -> None:
    done = run(
        *(tmp_path, "-d", "--login", USER, "--run", "true", guest),
        NOVACONSOLE_PASSWORD=PASSWORD,
    )
    assert done.returncode == 0
    assert done.stderr
    assert PASSWORD.encode() not in done.stderr
    assert guest.partition("token=")[2].encode() not in done.stderr


def test_a_shell_left_open_needs_no_login(tmp_path: Path, bash: str) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        command = f"novaconsole --run 'echo one; echo two; exit 3' {bash}"
        assert shell.run(command) == (3, b"one\r\ntwo\r\n")


def test_a_command_that_takes_too_long_is_status_124(tmp_path: Path, bash: str) -> None:
    done = run(tmp_path, "--timeout", "4", "--run", "echo out; sleep 1000", bash)
    assert (done.returncode, done.stdout) == (124, b"out\n")
    assert done.stderr == (b"novaconsole: the command has not ended within 4 seconds\n")


def test_a_timeout_before_the_connection_is_status_124(tmp_path: Path) -> None:
    with Guest(answer=b"") as guest:
        done = run(tmp_path, "--timeout", "0.5", "--run", "true", guest.url)
    assert done.returncode == 124
    assert done.stderr == b"novaconsole: not connected within 0.5 seconds\n"


def test_a_console_that_hangs_up_is_status_3(tmp_path: Path) -> None:
    with Guest(drops=True) as guest:
        done = run(tmp_path, "--run", "true", guest.url)
    assert done.returncode == 3
    assert b"dropped the connection at once" in done.stderr
    assert TOKEN.encode() not in done.stderr


def test_a_refused_connection_is_status_1(tmp_path: Path) -> None:
    done = run(tmp_path, "--run", "true", "ws://127.0.0.1:1/")
    assert done.returncode == 1
    assert b"refused" in done.stderr


WAYS_TO_STOP: dict[str, tuple[Callable[[Shell], None], int]] = {
    "Ctrl-C": (lambda shell: shell.type(CTRL_C), 130),
    "SIGTERM": (lambda shell: os.kill(shell.job, SIGTERM), 143),
}


@pytest.mark.parametrize("way", WAYS_TO_STOP)
def test_a_signal_also_stops_the_command_in_the_guest(
    tmp_path: Path, bash: str, way: str
) -> None:
    stop, status = WAYS_TO_STOP[way]
    trap = f"trap 'echo > {tmp_path}/stopped; exit' INT"
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f'novaconsole --run "{trap}; echo begun; sleep 1000" {bash}')
        shell.expect(b"begun\r\n")
        stop(shell)
        assert shell.prompt() == status
    assert (tmp_path / "stopped").exists()


def test_a_reader_that_closes_the_pipe_ends_it(tmp_path: Path, bash: str) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        command = f"novaconsole --run 'yes' {bash} | head -n 1"
        shell.run(f"{command}; echo ${{PIPESTATUS[@]}} > statuses")
        assert shell.output == b"y\r\n"
    assert (tmp_path / "statuses").read_text() == "0 0\n"


def test_an_output_on_a_full_disk_is_an_error(tmp_path: Path, bash: str) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        status, output = shell.run(f"novaconsole --run 'echo out' {bash} > /dev/full")
    assert status == 1
    assert b"cannot write the output: No space left" in output


def test_standard_input_can_hold_the_password(tmp_path: Path, guest: str) -> None:
    options = f"--run 'id -un' --login {USER} --password-file - {guest}"
    with Shell(tmp_path) as shell, unchanged(shell):
        (tmp_path / "password").write_text(f"{PASSWORD}\nmore\n")
        shell.run(f"{{ novaconsole {options} > shown; cat > rest; }} < password")
    assert (tmp_path / "rest").read_text() == "more\n"
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("key", [b"\x03", b"\x04"])
def test_after_the_password_prompt_the_shells_is_on_a_line_of_its_own(
    tmp_path: Path, key: bytes
) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.start("novaconsole --demo --run true --login root")
        shell.expect(b"in the guest: ")
        shell.type(key)
        assert shell.prompt() == 130
        assert shell.output.replace(b"^C", b"").endswith(b"in the guest: \r\n")
