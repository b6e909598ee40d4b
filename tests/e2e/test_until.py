"""Unattended sessions: --until, --timeout and --read-only."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fake_cloud import FakeCloud
from support.program import PATIENCE, piped
from support.shell import CTRL_C, Guest, Shell, unchanged

PROMPT = b"boot\r\n\x1b[1mvm lo\x1b[0mgin: "
UNTIL = ("--until", "login: ")
# The timeout in these tests: long enough to start, short enough to wait for.
SOON = 1.0
LATE = SOON + 5.0  # on a busy machine, which also has to start the program


def lines_of(process: "subprocess.Popen[bytes]") -> list[str]:
    assert process.stderr
    return process.stderr.read().decode().splitlines()


# ---- --until


@pytest.mark.parametrize("stdin", ["< /dev/null", "<&-", "< empty", ": |"])
def test_it_ends_at_the_match_and_not_at_the_end_of_the_input(
    tmp_path: Path, stdin: str
) -> None:
    """The input has ended long before."""
    (tmp_path / "empty").touch()
    before, after = (stdin, "") if stdin.endswith("|") else ("", stdin)
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        options = f"-w 0 --until 'nothing' --until 'login: ' {guest.url}"
        shell.start(f"{before} novaconsole {options} {after} > shown")
        guest.send(PROMPT[:12])
        time.sleep(0.5)  # the guest's own pace
        guest.send(PROMPT[12:])
        assert shell.prompt() == 0
        assert guest.wait_closing()
    assert (tmp_path / "shown").read_bytes() == PROMPT


def test_on_a_terminal_keys_are_sent_until_the_match(tmp_path: Path) -> None:
    with Guest(echoes=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--until '^[$] $' {guest.url}")
        shell.type(b"root\r\n$ ")
        assert shell.prompt() == 0
    assert guest.received.startswith(b"root\r\n$")


def test_it_ends_at_the_match_though_the_input_has_not_ended(tmp_path: Path) -> None:
    with (
        Guest(greeting=PROMPT) as guest,
        piped(tmp_path, *UNTIL, guest.url) as process,
    ):
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("option", ["-i", "--stdin"])
def test_with_stdin_input_is_sent_before_the_match(tmp_path: Path, option: str) -> None:
    with (
        Guest(echoes=True) as guest,
        piped(tmp_path, *UNTIL, option, guest.url) as process,
    ):
        shown, _ = process.communicate(b"one\rlogin: \r", PATIENCE)
        assert process.returncode == 0
    assert shown == guest.received == b"one\rlogin: \r"


def test_the_list_of_a_shell_loop_is_not_read(tmp_path: Path) -> None:
    """`--stdin` has to be asked for: the list is the loop's."""
    loop = f"while read s; do novaconsole --until 'login: ' {'{}'} > $s; done"
    with Guest(greeting=PROMPT) as guest, Shell(tmp_path) as shell, unchanged(shell):
        assert shell.run(f"printf 'a\\nb\\nc\\n' | {loop.format(guest.url)}")[0] == 0
    assert guest.received == b""
    assert [(tmp_path / name).read_bytes() for name in "abc"] == [PROMPT] * 3


def test_after_the_url_nothing_of_standard_input_is_read(tmp_path: Path) -> None:
    with Guest(greeting=PROMPT) as guest, Shell(tmp_path) as shell, unchanged(shell):
        reader = "{ novaconsole --until 'login: ' --url - > shown; cat > rest; }"
        shell.run(f"printf '%s\\nrest\\n' '{guest.url}' | {reader}")
    assert (tmp_path / "rest").read_bytes() == b"rest\n"


ENDINGS: dict[str, Callable[[Guest], None]] = {
    "close": lambda guest: guest.close(1000, "Target closed"),
    "drop": lambda guest: guest.drop(),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_console_that_hangs_up_before_the_match_is_a_loss(
    tmp_path: Path, ending: str
) -> None:
    with (
        Guest() as guest,
        piped(tmp_path, *UNTIL, guest.url, stdin=subprocess.DEVNULL) as process,
    ):
        guest.send(b"log")
        ENDINGS[ending](guest)
        assert process.wait(PATIENCE) == 3


def test_with_reconnect_the_search_goes_on(tmp_path: Path) -> None:
    """No match spans two connections."""
    with (
        Guest(greeting=b"log") as guest,
        piped(
            tmp_path, *UNTIL, "--reconnect", guest.url, stdin=subprocess.DEVNULL
        ) as process,
    ):
        assert process.stdout
        assert process.stdout.read(3) == b"log"
        guest.greeting = cut = b"in: \x1b]0;cut off"
        guest.drop()
        assert process.stdout.read(len(cut)) == cut
        guest.greeting = PROMPT
        guest.drop()
        assert process.stdout.read() == PROMPT
        assert process.wait(PATIENCE) == 0


def test_a_match_in_the_history_counts(cloud: FakeCloud, shell: Shell) -> None:
    cloud.add("vm", printed=b"boot\r\nvm login: ")
    with Guest() as guest:
        cloud.console_url = guest.url
        status, output = shell.run("novaconsole --history 5 --until 'login: $' vm")
    assert status == 0
    assert b"vm login: " in output


def test_with_wait_it_goes_from_no_server_to_its_prompt(
    cloud: FakeCloud, shell: Shell, tmp_path: Path
) -> None:
    cloud.add("vm", status="BUILD", next_statuses=["BUILD", "ACTIVE"], hidden_for=1)
    with Guest(greeting=PROMPT) as guest:
        cloud.console_url = guest.url
        options = "--until 'login: ' --timeout 300"
        command = f"novaconsole --wait {options} vm < /dev/null > shown"
        assert shell.run(command)[0] == 0
    assert (tmp_path / "shown").read_bytes() == PROMPT


# ---- --timeout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (UNTIL, "no match within 1 second"),
        ((), "the session did not end within 1 second"),
    ],
)
def test_a_timeout_is_status_124(
    tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    with (
        Guest(greeting=b"boot") as guest,
        piped(tmp_path, *options, f"--timeout={SOON}", guest.url) as process,
    ):
        started = time.monotonic()
        assert process.stdout
        assert process.stdout.read() == b"boot"
        assert process.wait(PATIENCE) == 124
        assert SOON <= time.monotonic() - started < LATE
        assert lines_of(process)[-1] == f"novaconsole: {says}"
        assert guest.wait_closing()


def test_the_timeout_includes_the_wait_for_an_answer(tmp_path: Path) -> None:
    with (
        Guest(answer=b"") as guest,
        piped(tmp_path, *UNTIL, f"--timeout={SOON}", guest.url) as process,
    ):
        assert process.wait(PATIENCE) == 124
        assert lines_of(process) == ["novaconsole: no match within 1 second"]


def test_the_timeout_includes_the_wait_for_a_server(
    cloud: FakeCloud, shell: Shell
) -> None:
    cloud.add("vm", status="BUILD")
    command = f"novaconsole --wait --timeout {SOON} vm < /dev/null"
    status, output = shell.run(command)
    assert status == 124
    assert output.endswith(b"novaconsole: the session did not end within 1 second\r\n")


def test_the_timeout_ends_a_session_on_a_terminal(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--timeout {SOON} {guest.url}")
        assert shell.prompt() == 124


# ---- --read-only


def test_read_only_sends_no_keys_but_obeys_escapes(tmp_path: Path) -> None:
    with Guest(greeting=b"boot") as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--read-only --keepalive 0.2 {guest.url}")
        shell.type(b"rm -rf /\r" + CTRL_C + b"\r~?")
        shell.expect(b"escapes are recognised only right after Enter\r\n")
        pings = guest.pings
        guest.wait_for(lambda: guest.pings > pings)
        shell.type(b"\r~R")
        guest.wait_connections(2)
        shell.expect(b"connected again")
        shell.type(b"ls\r~.")
        assert shell.prompt() == 0
        assert b"read-only: nothing is sent to the guest\r\n" in shell.output
        assert b"\a" not in shell.output
    assert guest.received == b""


def test_read_only_ignores_piped_input_and_its_end(tmp_path: Path) -> None:
    with (
        Guest(greeting=PROMPT) as guest,
        piped(tmp_path, "--read-only", "-w0", guest.url) as process,
    ):
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"reboot\r")
        process.stdin.close()
        assert process.stdout.read(len(PROMPT)) == PROMPT
        time.sleep(0.3)  # the guest's own pace
        guest.send(b"more")
        assert process.stdout.read(4) == b"more"
        process.terminate()
        assert process.wait(PATIENCE) == 143
    assert guest.received == b""
