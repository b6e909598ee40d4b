"""The demo: a shell to try things on, which leaves no process behind."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGHUP, SIGKILL, SIGTERM

import pytest

from support.program import run
from support.shell import Shell, is_alive, unchanged, wait_until

# Started in the demo's shell.
JOBS = ("sleep 1000 &", "sleep 1001 | sleep 1002 &")
STUBBORN_JOBS = ("(trap '' HUP TERM; exec sleep 1003) &",)
PID = re.compile(rb"pid (\d+)\r\n")


@contextmanager
def demo(shell: Shell, *jobs: str) -> Iterator[set[int]]:
    """A demo with background jobs; yields the processes that must not survive it."""
    shell.attach("--demo")
    shell.type("".join(f"{job}\r" for job in jobs).encode() + b"echo pid $$\r")
    leader = int(shell.expect(PID)[0])
    sleepers = "".join(jobs).count("sleep")
    wait_until(lambda: len(session(leader)) == 1 + sleepers)
    pids = session(leader)
    try:
        yield pids
    finally:
        for pid in filter(is_alive, pids):
            with suppress(ProcessLookupError):
                os.kill(pid, SIGKILL)


def session(leader: int) -> set[int]:
    """The processes of a session (proc(5))."""
    members = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile
            stat = (process / "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == leader:
                members.add(int(process.name))
    return members


WAYS_OUT: dict[str, tuple[Callable[[Shell], None], int]] = {
    "escape": (lambda shell: shell.type(b"\r~."), 0),
    "exit": (lambda shell: shell.type(b"\rexit\r"), 3),
    "SIGTERM": (lambda shell: os.kill(shell.job, SIGTERM), 143),
    "SIGHUP": (lambda shell: os.kill(shell.job, SIGHUP), 129),
    "SIGKILL": (lambda shell: os.kill(shell.job, SIGKILL), 137),
}


@pytest.mark.parametrize(
    ("kind", "jobs"),
    [
        pytest.param("bash", (), id="bash"),
        pytest.param("bash", JOBS, id="bash, jobs"),
        pytest.param("bash", STUBBORN_JOBS, id="bash, stubborn jobs"),
        pytest.param("sh", JOBS, id="sh, jobs"),  # sends its jobs no SIGHUP
    ],
)
@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_process_survives_the_demo(
    tmp_path: Path, way: str, kind: str, jobs: tuple[str, ...]
) -> None:
    leave, status = WAYS_OUT[way]
    demo_shell = shutil.which(kind)
    assert demo_shell
    with (
        Shell(tmp_path, SHELL=demo_shell) as shell,
        unchanged(shell),
        demo(shell, *jobs) as pids,
    ):
        leave(shell)
        assert shell.prompt() == status
        wait_until(lambda: not any(map(is_alive, pids)))


def test_who_types_exit_is_told_that_the_demos_shell_has_ended(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.attach("--demo")
        shell.type(b"exit\r")
        assert shell.prompt() == 3
        assert shell.output.endswith(
            b"novaconsole: the demo's shell has ended\r\n"
            b"novaconsole: run novaconsole --demo again to start another one\r\n"
        )


def test_no_process_survives_the_end_of_the_terminal(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell, demo(shell, *JOBS, *STUBBORN_JOBS) as pids:
        shell.hang_up()
        wait_until(lambda: not any(map(is_alive, pids)))


def test_no_process_survives_a_demo_without_a_terminal(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        command = "echo 'sleep 1000 & echo pid $!; echo pid $$' | novaconsole --demo"
        assert shell.run(f"{command} > shown")[0] == 0
        pids = re.findall(rb"pid (\d+)", (tmp_path / "shown").read_bytes())
        assert len(pids) == 2
        wait_until(lambda: not any(is_alive(int(pid)) for pid in pids))


def test_the_demo_runs_the_users_shell_in_the_size_of_the_terminal(
    tmp_path: Path,
) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.resize(columns=97, lines=31)
        shell.attach("--demo")
        shell.expect(b"This is a shell on your own machine")
        shell.type(b"stty size; echo :$0:$SHELL:\r")
        shell.expect(b"31 97\r\n")
        shell.expect(re.compile(rb":(/[^:]*/bash):\1:\r\n"))
        shell.type(b"~.")
        assert shell.prompt() == 0
        assert b"connected to: demo (ws://127.0.0.1:" in shell.output
        assert b"/?token=***)\r\n" in shell.output


def test_ctrl_c_goes_to_the_shell_in_the_demo(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.attach("--demo")
        shell.type(b"trap 'echo int''errupted' INT; echo rea''dy\r")
        shell.expect(b"ready\r\n")
        shell.type(b"\x03")
        shell.expect(b"interrupted\r\n")
        shell.type(b"\r~.")
        assert shell.prompt() == 0


def test_a_demo_can_be_suspended_and_logged(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.attach("--demo --log log")
        shell.type(b"echo bef''ore\r")
        shell.expect(b"before\r\n")
        shell.type(b"~\x1a")
        shell.prompt()
        shell.start("fg")
        shell.wait_raw()
        shell.type(b"echo aft''er\r")
        shell.expect(b"after\r\n")
        shell.type(b"~.")
        assert shell.prompt() == 0
    log = (tmp_path / "log").read_bytes()
    assert log.index(b"before\r\n") < log.index(b"after\r\n")


def test_without_the_variable_shell_the_demo_runs_some_shell(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell, unchanged(shell):
        shell.run("unset SHELL")
        shell.attach("--demo")
        shell.type(b"echo a''live\r")
        shell.expect(b"alive\r\n")
        shell.type(b"~.")
        assert shell.prompt() == 0


def test_a_shell_that_does_not_exist_ends_the_session(tmp_path: Path) -> None:
    with Shell(tmp_path, SHELL="/no/such/shell") as shell, unchanged(shell):
        assert shell.run("novaconsole --demo")[0] == 3
        assert b"the demo's shell has ended" in shell.output
        assert b"Traceback" not in shell.output


def test_the_demos_shell_is_told_no_secret(tmp_path: Path) -> None:
    secrets = {
        "NOVACONSOLE_PASSWORD": "s3cret",
        "OS_PASSWORD": "s3cret",
        "OS_APPLICATION_CREDENTIAL_SECRET": "s3cret",
        "OS_TOKEN": "s3cret",
    }
    done = run(tmp_path, "--demo", typed=b"env; exit\r", variables=secrets)
    assert b"HOME=" in done.stdout
    assert b"s3cret" not in done.stdout
