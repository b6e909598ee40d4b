"""Input and output that are not terminals: pipes, files, nothing at all."""

import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from select import select
from signal import SIGKILL

import pytest

from support.program import PATIENCE, PROGRAM, piped
from support.shell import (
    AT_ONCE,
    TOKEN,
    Guest,
    Shell,
    numbered_lines,
    unchanged,
    wait_until,
)

MIB = 1 << 20
NOISE = random.Random(2).randbytes(MIB)


# ---- input


def test_escapes_in_piped_input_are_data(tmp_path: Path) -> None:
    with Guest(echoes=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        command = rf"printf '\r~.\n~?\r~~a\xff' | novaconsole {guest.url} > shown"
        assert shell.run(command)[0] == 0
    assert guest.received == b"\r~.\n~?\r~~a\xff"
    assert (tmp_path / "shown").read_bytes() == guest.received


def test_a_file_is_sent_and_shown_exactly(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(NOISE)
    with Guest(echoes=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        assert shell.run(f"novaconsole {guest.url} < noise > shown")[0] == 0
    assert guest.received == NOISE
    assert (tmp_path / "shown").read_bytes() == NOISE
    assert {frame.opcode for frame in guest.frames} == {2, 8}, "binary frames alone"


@pytest.mark.parametrize("stdin", ["< /dev/null", "<&-", "< empty", ": |"])
def test_without_input_the_output_is_shown(tmp_path: Path, stdin: str) -> None:
    (tmp_path / "empty").touch()
    before, after = (stdin, "") if stdin.endswith("|") else ("", stdin)
    with Guest(greeting=b"login: ") as guest, Shell(tmp_path) as shell:
        with unchanged(shell):
            command = f"{before} novaconsole {guest.url} {after} > shown"
            assert shell.run(command)[0] == 0
        assert guest.wait_closing() == b"\x03\xe8"
    assert (tmp_path / "shown").read_bytes() == b"login: "


def test_it_works_with_all_standard_streams_closed(tmp_path: Path) -> None:
    """The websocket must not become standard output."""
    with Guest(greeting=b"login: ") as guest, Shell(tmp_path) as shell:
        with unchanged(shell):
            assert shell.run(f"novaconsole {guest.url} <&- >&- 2>&-")[0] == 0
        assert guest.wait_closing()
    assert guest.received == b""


def test_a_peer_that_does_not_read_holds_up_the_input(tmp_path: Path) -> None:
    with (
        Guest(reads=False) as guest,
        piped(tmp_path, guest.url) as process,
    ):
        assert process.stdin
        os.set_blocking(process.stdin.fileno(), False)
        taken = 0
        while select([], [process.stdin], [], 2)[
            1
        ]:  # nothing taken for 2 s: it is full
            taken += os.write(process.stdin.fileno(), bytes(4096))
            assert taken < 32 * MIB
        assert taken > 0


# ---- the end of the input


def test_output_is_waited_for_until_it_pauses(tmp_path: Path) -> None:
    """The wait begins anew with each output: all of it takes longer than the wait."""
    with (
        Guest() as guest,
        piped(tmp_path, "--close-wait", "1.5", guest.url) as process,
    ):
        assert process.stdin
        process.stdin.write(b"go")
        process.stdin.close()
        guest.wait_received(b"go")
        for number in range(4):
            guest.send(b"%d" % number)
            time.sleep(0.6)  # the guest's own pace
        assert process.stdout
        assert process.stdout.read() == b"0123"
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.2])
def test_the_wait_is_as_long_as_the_option_says(tmp_path: Path, seconds: float) -> None:
    options = [] if seconds == 0.5 else ["-w", str(seconds)]  # 0.5 is the default
    with Guest() as guest, piped(tmp_path, *options, guest.url) as process:
        assert process.stdin
        process.stdin.write(b"x")
        process.stdin.flush()
        guest.wait_received(b"x")
        start = time.monotonic()
        process.stdin.close()
        guest.wait_closing()
        assert seconds <= time.monotonic() - start < seconds + AT_ONCE
        assert process.wait(PATIENCE) == 0


def test_a_slow_reader_loses_no_output_at_the_end(tmp_path: Path) -> None:
    """Output that waits for a slow reader counts as output to come."""
    with (
        Guest() as guest,
        piped(tmp_path, "-w", "0.1", guest.url, stdin=subprocess.DEVNULL) as process,
    ):
        guest.send(numbered_lines(MIB))
        time.sleep(1)  # the reader's own pace: ten times the wait
        assert process.stdout
        assert process.stdout.read() == numbered_lines(MIB)
        assert process.wait(PATIENCE) == 0


ENDINGS: dict[str, Callable[[Guest], None]] = {
    "close": lambda guest: guest.close(1000),
    "going away": lambda guest: guest.close(1001, "bye"),
    "close for a reason": lambda guest: guest.close(1011, "gone"),
    "try again": lambda guest: guest.close(1013),
    "drop": lambda guest: guest.drop(),
    "reset": lambda guest: guest.drop(reset=True),
}
ORDERLY = ("close", "going away")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("more", [[], ["--reconnect"]])
def test_after_the_end_of_the_input_an_orderly_close_alone_is_success(
    tmp_path: Path, ending: str, more: list[str]
) -> None:
    """What the guest had still to say may be lost with the connection."""
    status = 0 if ending in ORDERLY else 3
    with Guest() as guest, piped(tmp_path, "-w60", *more, guest.url) as process:
        assert process.stdin
        process.stdin.write(b"exit\r")
        process.stdin.close()
        guest.wait_received(b"exit\r")
        guest.send(b"logout")
        assert process.stdout
        assert process.stdout.read(6) == b"logout"
        ENDINGS[ending](guest)
        assert process.stdout.read() == b""
        assert process.wait(PATIENCE) == status
        assert process.stderr
        told = process.stderr.read()
        assert (b" lost: " in told or b"closed by the other side" in told) == bool(
            status
        )


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_close_before_the_end_of_the_input_is_a_loss(
    tmp_path: Path, ending: str
) -> None:
    with Guest() as guest, piped(tmp_path, guest.url) as process:
        assert process.stdin
        process.stdin.write(b"exit\r")
        process.stdin.flush()
        guest.wait_received(b"exit\r")
        guest.send(b"logout")
        assert process.stdout
        assert process.stdout.read(6) == b"logout"
        ENDINGS[ending](guest)
        assert process.stdout.read() == b""
        assert process.wait(PATIENCE) == 3


# ---- output


@pytest.mark.parametrize("to", ["> shown", "| cat > shown"])
def test_output_is_exact(tmp_path: Path, to: str) -> None:
    """The terminal is the keyboard, and shows only the messages."""
    with Guest(greeting=NOISE) as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"{guest.url} {to}")
        wait_until(lambda: (tmp_path / "shown").stat().st_size == MIB)
        shell.type(b"~.")
        assert shell.prompt() == 0
        assert shell.screen() == [
            f"novaconsole: connected to: ws://127.0.0.1:{guest.port}/?token=***",
            'novaconsole: type "~." to disconnect',
            f"novaconsole: disconnected from 127.0.0.1:{guest.port}",
            "<0>$",
        ]
    assert (tmp_path / "shown").read_bytes() == NOISE


@pytest.mark.parametrize("stdin", ["", "< /dev/null"])
def test_a_reader_that_closes_the_pipe_ends_it_with_success(
    tmp_path: Path, stdin: str
) -> None:
    with Guest(floods=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        command = f"novaconsole {guest.url} {stdin} 2> told | head -c 100 > shown"
        shell.run(f"{command}; echo ${{PIPESTATUS[@]}} > statuses")
    assert (tmp_path / "statuses").read_text() == "0 0\n"
    assert (tmp_path / "shown").read_bytes() == numbered_lines(100)
    assert "error" not in (tmp_path / "told").read_text()


def test_an_output_on_a_full_disk_is_an_error(tmp_path: Path) -> None:
    with Guest(greeting=b"hello") as guest, Shell(tmp_path) as shell, unchanged(shell):
        assert shell.run(f"novaconsole {guest.url} > /dev/full")[0] == 1
        assert b"novaconsole: cannot write the output: No space left" in shell.output


@pytest.mark.parametrize("told", ["--version", "--help"])
@pytest.mark.parametrize(
    ("to", "status"), [("| true", 0), (">&-", 0), ("> /dev/full", 1)]
)
def test_help_and_version_survive_an_output_that_takes_nothing(
    tmp_path: Path, told: str, to: str, status: int
) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        command = f"novaconsole {told} 2> errors {to}"
        shell.run(f"{command}; echo ${{PIPESTATUS[0]}} > status")
    assert (tmp_path / "status").read_text() == f"{status}\n"
    errors = (tmp_path / "errors").read_text()
    assert errors.count("\n") == status  # one line for an error
    assert "Traceback" not in errors


def test_an_error_is_shown_even_if_the_output_is_closed(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        assert shell.run("novaconsole ws://127.0.0.1:1/ >&-")[0] == 1
        assert len(shell.output.splitlines()) == 2
        assert b"Traceback" not in shell.output


# ---- cron and xargs


def test_it_works_under_cron(tmp_path: Path) -> None:
    with (
        Guest(greeting=b"log\xffin: ") as guest,
        (tmp_path / "mail").open("wb") as mail,
    ):
        done = subprocess.run(
            ["env", "-i", *PROGRAM, guest.url],
            stdin=subprocess.DEVNULL,
            stdout=mail,
            stderr=subprocess.PIPE,
            cwd="/",
            start_new_session=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 0
    assert (tmp_path / "mail").read_bytes() == b"log\xffin: "
    assert done.stderr.decode().splitlines() == [
        f"novaconsole: connected to: ws://127.0.0.1:{guest.port}/?token=***"
    ]


def test_it_works_under_xargs(tmp_path: Path) -> None:
    with Guest(greeting=b"login: ") as guest, Shell(tmp_path) as shell:
        command = f"echo {guest.url} | xargs novaconsole > shown"
        assert shell.run(command)[0] == 0
    assert (tmp_path / "shown").read_bytes() == b"login: "


# ---- the URL from standard input


def test_the_url_can_come_from_a_pipe_and_the_keys_from_the_terminal(
    tmp_path: Path,
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"echo {guest.url} | novaconsole --url -")
        shell.expect(b'type "~." to disconnect\r\n')
        shell.wait_raw()
        shell.type(b"from the keyboard\r")
        guest.wait_received(b"from the keyboard\r")
        guest.send(b"to the screen")
        shell.expect(b"to the screen")
        shell.type(b"~.")
        assert shell.prompt() == 0


def test_the_url_can_come_from_a_pipe_and_the_output_go_into_one(
    tmp_path: Path,
) -> None:
    with Guest(greeting=NOISE) as guest, Shell(tmp_path) as shell, unchanged(shell):
        command = f"echo {guest.url} | novaconsole --url - 2> told | cat > shown"
        shell.start(command)
        wait_until(lambda: (tmp_path / "shown").exists())
        wait_until(lambda: (tmp_path / "shown").stat().st_size == MIB)
        shell.type(b"x")
        guest.wait_received(b"x")
        shell.type(b"\r~.")
        assert shell.prompt() == 0
    assert (tmp_path / "shown").read_bytes() == NOISE
    assert TOKEN not in (tmp_path / "told").read_text()


def test_without_a_terminal_the_input_after_the_url_is_data(tmp_path: Path) -> None:
    with Guest(echoes=True) as guest, piped(tmp_path, "--url", "-") as process:
        shown, told = process.communicate(guest.url.encode() + b"\nls\r~.\n", PATIENCE)
        assert process.returncode == 0
    assert guest.received == shown == b"ls\r~.\n"
    assert TOKEN.encode() not in told


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", b"--url -: there is no URL on standard input"),
        (b" \n", b"--url -: there is no URL on standard input"),
        (b"ftp://127.0.0.1/\n", b"not a websocket URL"),
        (b"\xff\n", b"not a websocket URL"),
    ],
)
def test_an_input_without_a_url_is_wrong_usage(
    tmp_path: Path, line: bytes, message: bytes
) -> None:
    with piped(tmp_path, "--url", "-") as process:
        shown, told = process.communicate(line, PATIENCE)
        assert process.returncode == 2
    assert shown == b""
    assert told.startswith(b"novaconsole: " + message + b"\n")


def test_after_sigkill_its_pipe_is_still_blocking(tmp_path: Path) -> None:
    """The flags of a pipe are shared with its other users."""
    reader, writer = os.pipe()
    try:
        with Guest() as guest, piped(tmp_path, guest.url, stdin=reader) as process:
            os.write(writer, b"x")
            guest.wait_received(b"x")
            process.send_signal(SIGKILL)
            process.wait(PATIENCE)
            assert os.get_blocking(reader)
    finally:
        os.close(reader)
        os.close(writer)
