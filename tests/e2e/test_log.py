"""The log: exact, private, complete, and never a reason to end the session."""

import os
import random
import re
import stat
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from support.program import run
from support.shell import AT_ONCE, Guest, Shell, numbered_lines, unchanged, wait_until

NOISE = random.Random(3).randbytes(300_000)
LAST = b"-the last words-"


@pytest.mark.parametrize("umask", ["000", "077"])
def test_the_log_is_what_the_guest_sent_and_readable_by_its_owner_only(
    tmp_path: Path, umask: str
) -> None:
    log = tmp_path / "log"
    with Guest(echoes=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.run(f"umask {umask}")
        shell.attach(f"--log log {guest.url}")
        guest.send(NOISE + LAST)
        shell.expect(LAST)
        shell.type(b"typed\r")
        shell.expect(b"typed\r")
        shell.type(b"~I~.")
        assert shell.prompt() == 0
    assert log.read_bytes() == NOISE + LAST + b"typed\r"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("option", "kept"), [("", b"first second"), ("--overwrite", b" second")]
)
def test_a_second_session_appends_unless_told_otherwise(
    tmp_path: Path, option: str, kept: bytes
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        for said in (b"first", b" second"):
            shell.attach(f"--log log {option} {guest.url}")
            guest.send(said)
            shell.expect(said)
            shell.type(b"~.")
            assert shell.prompt() == 0
    assert (tmp_path / "log").read_bytes() == kept


def test_an_existing_log_keeps_its_mode_and_content(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old ")
    log.chmod(0o640)
    with Guest(greeting=b"new") as guest, Shell(tmp_path) as shell:
        assert shell.run(f"novaconsole --log log {guest.url} < /dev/null")[0] == 0
    assert log.read_bytes() == b"old new"
    assert stat.S_IMODE(log.stat().st_mode) == 0o640


@pytest.mark.parametrize("reset", [False, True])
def test_the_log_is_complete_after_a_drop(tmp_path: Path, reset: bool) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--log log {guest.url}")
        guest.send(NOISE + LAST)
        shell.expect(LAST)
        guest.drop(reset=reset)
        assert shell.prompt() == 3
    assert (tmp_path / "log").read_bytes() == NOISE + LAST


def test_output_before_a_drop_is_logged_even_if_the_screen_is_slow(
    tmp_path: Path,
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--log log {guest.url}")
        guest.send(NOISE)
        guest.send(LAST)
        shell.wait_stuck()
        guest.drop()
        assert shell.prompt() == 3
    assert (tmp_path / "log").read_bytes() == NOISE + LAST


def test_after_sigkill_the_log_holds_all_that_was_shown(tmp_path: Path) -> None:
    with Guest(floods=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--log log {guest.url}")
        attached = len(shell.output_so_far)
        shell.expect(b"000002000 ")
        os.kill(shell.job, SIGKILL)
        assert shell.prompt() == 137
        shown = shell.output[attached:].removesuffix(b"Killed\r\n")
        log = (tmp_path / "log").read_bytes()
    assert log == numbered_lines(len(log))
    # bash reports the signal in a line of its own, which is not the guest's.
    flood = shown[: shown.rindex(b"xyz\r\n")]
    assert len(flood) > 2000 * 38
    assert log.startswith(flood)


def test_a_full_disk_is_reported_once_and_the_session_goes_on(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--log /dev/full {guest.url}")
        for said in (b"one", b"two", b"three"):
            guest.send(said)
            shell.expect(said)
        shell.type(b"typed\r")
        guest.wait_received(b"typed\r")
        shell.type(b"~I")
        shell.expect(b"log: none\r\n")
        shell.type(b"~.")
        assert shell.prompt() == 0
        trouble = b"novaconsole: log /dev/full: No space left on device"
        assert shell.output.count(trouble) == 1


@pytest.mark.parametrize(
    ("log", "stdin"),
    [
        ("missing/log", ""),
        ("missing/log", "< /dev/null"),
        (".", ""),
        ("/proc/log", ""),
        ("bin/state/log", ""),
    ],
)
def test_a_log_that_cannot_be_written_is_an_error_before_connecting(
    tmp_path: Path, log: str, stdin: str
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        assert shell.run(f"novaconsole --log {log} {guest.url} {stdin}")[0] == 2
        lines = shell.output.splitlines()
        assert len(lines) == 2
        assert lines[0].startswith(f"novaconsole: cannot write the log {log}".encode())
    assert guest.connections == 0


@pytest.mark.parametrize("arguments", ["-e nonsense", "--demo"])
def test_wrong_usage_creates_no_log(tmp_path: Path, arguments: str) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        assert shell.run(f"novaconsole {guest.url} --log log {arguments}")[0] == 2
    assert not (tmp_path / "log").exists()
    assert guest.connections == 0


def test_a_named_pipe_can_be_the_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.run("cat < pipe > copy & disown")
        shell.attach(f"--log pipe {guest.url}")
        guest.send(NOISE + LAST)
        shell.expect(LAST)
        shell.type(b"\r~.")
        assert shell.prompt() == 0
        wait_until(lambda: (tmp_path / "copy").read_bytes() == NOISE + LAST)


# ---- plain text

TIMESTAMP = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d "
SCREEN = (
    b"\x1b]0;root@vm\x07\x1b[1;31m# \x1b[mles\b\b\x1b[Ks\r\n"
    b" 10%\r 50%\r100%\r\nb\xc3\xa4h\a\r\n"
)
TEXT = [b"# ls", b"100%", b"b\xc3\xa4h"]


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ("--log-plain", TEXT),
        ("--log-timestamps", SCREEN.split(b"\n")[:-1]),
        ("--log-plain --log-timestamps", TEXT),
    ],
)
def test_a_log_can_be_plain_text_with_timestamps(
    tmp_path: Path, options: str, lines: list[bytes]
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--log log {options} {guest.url}")
        guest.send(SCREEN + LAST)
        shell.expect(LAST)
        shell.type(b"~.")
        assert shell.prompt() == 0
    timestamp = TIMESTAMP if "--log-timestamps" in options else b""
    wanted = b"".join(timestamp + re.escape(line) + b"\n" for line in [*lines, LAST])
    log = (tmp_path / "log").read_bytes()
    assert re.fullmatch(wanted, log), log


def test_a_plain_log_holds_a_prompt_before_its_line_ends(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--log log --log-plain {guest.url}")
        guest.send(b"\x1b[1mlogin:\x1b[m ")
        shell.expect(b"login:")
        wait_until(lambda: log.read_bytes() == b"login: ", seconds=AT_ONCE)
        os.kill(shell.job, SIGKILL)
        assert shell.prompt() == 137
    assert log.read_bytes() == b"login: "


@pytest.mark.parametrize("way", ["drop", "TERM", "~."])
def test_a_plain_log_holds_the_unfinished_line_after_any_end(
    tmp_path: Path, way: str
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--log log --log-plain {guest.url}")
        guest.send(b"one\r\n" + LAST)
        shell.expect(LAST)
        if way == "drop":
            guest.drop()
        elif way == "TERM":
            os.kill(shell.job, SIGTERM)
        else:
            shell.type(b"~.")
        shell.prompt()
    assert (tmp_path / "log").read_bytes() == b"one\n" + LAST + b"\n"


# ---- started and stopped with ~L


def test_the_log_can_be_stopped_and_started_again(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--log {{server}}.log --overwrite {guest.url}")
        guest.send(b"kept ")
        shell.expect(b"kept ")
        shell.type(b"~L")
        shell.expect(b"novaconsole: log: stopped\r\n")
        guest.send(b"dropped ")
        shell.expect(b"dropped ")
        shell.type(b"~I")
        shell.expect(b"log: none\r\n")
        shell.type(b"~L")
        shell.expect(b"novaconsole: log: writing to 127.0.0.1.log\r\n")
        shell.type(b"~I")
        shell.expect(b"log: 127.0.0.1.log\r\n")
        guest.send(LAST)
        shell.expect(LAST)
        shell.type(b"~.")
        assert shell.prompt() == 0
    assert (tmp_path / "127.0.0.1.log").read_bytes() == b"kept " + LAST


@pytest.mark.parametrize("umask", ["000", "077"])
def test_a_log_can_be_started_during_the_session(tmp_path: Path, umask: str) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.run(f"umask {umask}")
        shell.attach(f"--log-plain --log-timestamps {guest.url}")
        guest.send(b"before\r\n")
        shell.expect(b"before\r\n")
        shell.type(b"~L")
        said = re.compile(
            rb"log: writing to (novaconsole-127\.0\.0\.1-\d{8}T\d{6}\.log)\r"
        )
        [name] = shell.expect(said)
        guest.send(b"\x1b[1mafter\r\n" + LAST)
        shell.expect(LAST)
        shell.type(b"~.")
        assert shell.prompt() == 0
    log = tmp_path / name.decode()
    wanted = TIMESTAMP + b"after\n" + TIMESTAMP + LAST + b"\n"
    assert re.fullmatch(wanted, log.read_bytes())
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_log_that_cannot_be_started_is_reported(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.run("mkdir gone; cd gone; rmdir ../gone")
        shell.attach(guest.url)
        shell.type(b"~L")
        shell.expect(b"novaconsole: log: cannot write the log novaconsole-127.0.0.1-")
        shell.type(b"~.")
        assert shell.prompt() == 0
        shell.run("cd")


def test_a_full_disk_at_the_end_of_a_plain_log_is_reported_once(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--log /dev/full --log-plain {guest.url}")
        guest.send(LAST)
        shell.expect(LAST)
        shell.type(b"~.")
        assert shell.prompt() == 0
        trouble = b"novaconsole: log /dev/full: No space left on device"
        assert shell.output.count(trouble) == 1


def test_the_demo_is_logged_under_its_name(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.attach("--demo --log {server}.log")
        shell.type(b"echo lo''gged\r")
        shell.expect(b"logged")
        shell.type(b"\r~.")
        assert shell.prompt() == 0
    assert b"logged" in (tmp_path / "demo.log").read_bytes()


@pytest.mark.parametrize("option", ["--log", "--record"])
@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_an_unattended_run_that_loses_its_log_is_no_success(
    tmp_path: Path, option: str, quiet: list[str]
) -> None:
    with Guest(greeting=LAST) as guest:
        done = run(tmp_path, option, "/dev/full", *quiet, guest.url)
    kind = option.removeprefix("--").replace("record", "recording")
    assert done.returncode == 1
    assert done.stdout == LAST
    *_, said, hint = done.stderr.decode().splitlines()
    assert said.startswith(
        f"novaconsole: not all output was kept: {kind} /dev/full: No"
    )
    assert hint == "novaconsole: free space, or give a file on another disk"


@pytest.mark.parametrize(
    ("mode", "is_told"), [(0o644, True), (0o640, True), (0o600, False)]
)
@pytest.mark.parametrize("option", ["--log", "--overwrite --record"])
def test_the_user_is_told_of_a_file_that_others_can_read(
    tmp_path: Path, option: str, mode: int, is_told: bool
) -> None:
    (tmp_path / "old").touch()
    (tmp_path / "old").chmod(mode)
    with Guest(greeting=LAST) as guest:
        done = run(tmp_path, *option.split(), "old", guest.url)
    assert done.returncode == 0
    assert (f"old (mode {mode:o})".encode() in done.stderr) == is_told
    assert (tmp_path / "old").stat().st_mode & 0o777 == mode
