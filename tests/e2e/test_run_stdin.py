"""--run --stdin: the program between two pipes, as ssh's ProxyCommand has it."""

import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import program
from support.guests import BASH, PASSWORD, USER, login_over_websocket, over_websocket
from support.processes import is_running
from support.shell import CTRL_C, Shell, unchanged

PATIENCE = 60.0
UNREAD = b"novaconsole: standard input is not read; -i gives it to the command\n"


@pytest.fixture
def bash() -> Iterator[str]:
    """The URL of a guest with a bash that was left logged in."""
    with over_websocket(*BASH) as url:
        yield url


@pytest.fixture(scope="module")
def guest() -> Iterator[str]:
    """The URL of a guest at its login prompt."""
    with login_over_websocket() as url:
        yield url


def run(
    home: Path, *arguments: str, stdin: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    """Run the program between pipes."""
    with program.piped(home, *arguments) as running:
        output, messages = running.communicate(stdin, timeout=PATIENCE)
    return subprocess.CompletedProcess([], running.returncode, output, messages)


def test_a_file_comes_back_as_it_was(tmp_path: Path, bash: str) -> None:
    data = (
        bytes(range(256))
        + b"\r~.\r\n\x03\x04\x11\x13"
        + random.Random(1).randbytes(200_000)
    )
    (tmp_path / "file").write_bytes(data)
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.run(f"novaconsole --run cat -i {bash} < file > back")
    assert (tmp_path / "back").read_bytes() == data


def test_an_answer_comes_while_the_input_stays_open(tmp_path: Path, bash: str) -> None:
    command = 'while read -r line; do echo "got $line"; done; exit 7'
    with program.piped(tmp_path, "-i", "--run", command, bash) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for word in (b"one", b"two"):
            running.stdin.write(word + b"\n")
            running.stdin.flush()
            assert running.stdout.readline() == b"got " + word + b"\n"
        running.communicate(timeout=PATIENCE)
    assert running.returncode == 7


def test_the_end_of_the_command_is_the_end(tmp_path: Path, bash: str) -> None:
    """Even if the input never ends."""
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.run(f"yes | novaconsole --run 'head -n 2; exit 5' -i {bash}")
        assert shell.output == b"y\r\ny\r\n"
        shell.run("echo ${PIPESTATUS[1]}")
        assert shell.output == b"5\r\n"


def test_on_a_terminal_lines_are_sent_as_they_are_typed(
    tmp_path: Path, bash: str
) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole --run 'sed -u s/^/got:/; echo end' -i {bash}")
        shell.type(b"one\r")
        shell.expect(b"got:one\r\n")
        shell.type(b"\x04")
        shell.expect(b"end\r\n")
        assert shell.prompt() == 0


def test_ctrl_c_on_a_terminal_stops_the_command(tmp_path: Path, bash: str) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole --run cat -i {bash}")
        shell.type(b"one\r")
        shell.expect(b"one\r\none\r\n")
        shell.type(CTRL_C)
        assert shell.prompt() == 130


def test_the_password_is_the_first_line_and_the_rest_is_the_input(
    tmp_path: Path, guest: str
) -> None:
    options = ("--login", USER, "--password-file", "-", "-i", "--run", "cat")
    done = run(tmp_path, *options, guest, stdin=PASSWORD.encode() + b"\nmore\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"more\n", b"")


def test_a_command_that_is_missing_is_told_where_ssh_shows_it(
    tmp_path: Path, bash: str
) -> None:
    """What the guest says goes into ssh, which hides it."""
    done = run(tmp_path, "-i", "--run", "/no/sshd -i", bash)
    assert done.returncode == 127
    assert b"/no/sshd" in done.stdout
    assert done.stderr == (
        b"novaconsole: the command was not found in the guest (status 127)\n"
    )


# ---- without -i


@pytest.mark.parametrize("source", ["echo list |", "< list"])
def test_input_that_is_not_read_is_told_and_left(
    tmp_path: Path, bash: str, source: str
) -> None:
    (tmp_path / "list").write_text("list\n")
    command = f"novaconsole --run 'cat; echo end' {bash} > shown 2> told; cat > rest;"
    with Shell(tmp_path) as shell, unchanged(shell):
        if source.endswith("|"):
            shell.run(f"{source} {{ sleep 0.1; {command} }}")
        else:
            shell.run(f"{{ {command} }} {source}")
    assert (tmp_path / "shown").read_bytes() == b"end\n"
    assert (tmp_path / "told").read_bytes() == UNREAD
    assert (tmp_path / "rest").read_bytes() == b"list\n"


@pytest.mark.parametrize("source", ["/dev/null", "empty", "/dev/zero"])
def test_input_without_data_of_its_own_is_not_worth_a_word(
    tmp_path: Path, bash: str, source: str
) -> None:
    (tmp_path / "empty").touch()
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.run(f"novaconsole --run 'echo end' {bash} < {source} 2> told")
        assert shell.output == b"end\r\n"
    assert (tmp_path / "told").read_bytes() == b""


# ---- a client that was killed


def killed(home: Path, guest: str, *options: str) -> int:
    """Kill a client while its command runs; return the command's process id."""
    command = "echo $$; sleep 1000"
    with program.piped(home, *options, "--run", command, guest) as client:
        assert client.stdout is not None
        pid = int(client.stdout.readline())
        client.kill()
        client.communicate(timeout=PATIENCE)
    assert is_running(pid)
    return pid


@pytest.mark.parametrize("options", [(), ("-i",)])
def test_after_a_client_that_was_killed_the_next_one_works_in_seconds(
    tmp_path: Path, bash: str, options: tuple[str, ...]
) -> None:
    pid = killed(tmp_path, bash, *options)
    started = time.monotonic()
    done = run(tmp_path, "-i", "--run", "cat", bash, stdin=b"next\x00\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"next\x00\n", b"")
    assert time.monotonic() - started < 15
    assert not is_running(pid)


def test_the_guest_itself_stops_the_command_of_a_client_that_was_killed(
    tmp_path: Path, bash: str
) -> None:
    """After the 15 seconds that the documents promise, and without a key."""
    pid = killed(tmp_path, bash)
    started = time.monotonic()
    until = ("--until", "# $", "--timeout", str(PATIENCE))
    with program.piped(tmp_path, *until, bash) as watching:
        output, _ = watching.communicate(timeout=PATIENCE + 10)
    assert watching.returncode == 0, output
    assert 8 < time.monotonic() - started < 25
    assert not is_running(pid)


def test_fifty_in_a_row_leave_the_line_as_it_was(tmp_path: Path, bash: str) -> None:
    """Of which some end early, and some end themselves."""
    commands = [("cat", 0), ("head -c 3; exit 4", 4), ("kill -9 $$", 137), ("true", 0)]
    for number in range(50):
        command, status = commands[number % len(commands)]
        done = run(tmp_path, "-i", "--run", command, bash, stdin=os.urandom(5000))
        assert (number, done.returncode, done.stderr) == (number, status, b"")
