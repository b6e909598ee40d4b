"""A password that is typed is not shown, whatever happens to the job meanwhile."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP, SIGQUIT, SIGSTOP, SIGTERM, Signals

import pytest

import support.fake_cloud as fake
from support.fake_cloud import write_clouds
from support.servers import refused_port
from support.shell import CTRL_Z, Shell, unchanged, wait_until

STOPPED = re.compile(rb"\[1\]\+ +Stopped")
CLOUD, GUEST = "password of demo in the cloud: ", "password of root in the guest: "


@contextmanager
def asked(home: Path, question: str) -> Iterator[Shell]:
    """A shell in which the program asks for a password."""
    with fake.fake_cloud() as cloud:
        auth = cloud.auth()
        del auth["password"]
        clouds = write_clouds(home / "my-clouds.yaml", fake=cloud.config(auth=auth))
        command = "--cloud fake --check vm"
        if question == GUEST:
            command = f"--run true --login root ws://127.0.0.1:{refused_port()}/"
        with (
            Shell(home, OS_CLIENT_CONFIG_FILE=str(clouds)) as shell,
            unchanged(shell),
        ):
            shell.start(f"novaconsole {command}")
            shell.expect(question.encode())
            yield shell


def answer(shell: Shell) -> None:
    """Type the password, and check that it has been read and not been shown."""
    shell.type(fake.PASSWORD.encode() + b"\r")
    shell.expect(re.compile(rb"credentials: demo|cannot connect to"))
    shell.prompt()
    assert fake.PASSWORD.encode() not in shell.output


@pytest.mark.parametrize("question", [CLOUD, GUEST], ids=["cloud", "guest"])
@pytest.mark.parametrize("times", [1, 2])
def test_after_ctrl_z_and_fg_the_question_is_repeated_without_echo(
    tmp_path: Path, question: str, times: int
) -> None:
    with asked(tmp_path, question) as shell:
        for _ in range(times):
            shell.type(b"half" + CTRL_Z)
            shell.expect(STOPPED)
            shell.prompt()
            shell.start("fg")
            shell.expect(question.encode())
        answer(shell)


@pytest.mark.parametrize("question", [CLOUD, GUEST], ids=["cloud", "guest"])
def test_after_sigstop_and_fg_the_question_is_repeated_without_echo(
    tmp_path: Path, question: str
) -> None:
    with asked(tmp_path, question) as shell:
        os.kill(shell.job, SIGSTOP)
        shell.expect(STOPPED)
        shell.prompt()
        shell.start("fg")
        shell.expect(question.encode())
        answer(shell)


@pytest.mark.parametrize("question", [CLOUD, GUEST], ids=["cloud", "guest"])
def test_in_the_background_the_question_waits_for_fg(
    tmp_path: Path, question: str
) -> None:
    with asked(tmp_path, question) as shell:
        shell.type(CTRL_Z)
        shell.expect(STOPPED)
        shell.prompt()
        shell.run("bg")
        wait_until(lambda: b"Stopped" in shell.run("jobs")[1])
        shell.start("fg")
        shell.expect(question.encode())
        answer(shell)


@pytest.mark.parametrize("question", [CLOUD, GUEST], ids=["cloud", "guest"])
@pytest.mark.parametrize("signum", [SIGTERM, SIGHUP, SIGQUIT])
def test_a_signal_at_the_question_leaves_the_terminal_as_it_was(
    tmp_path: Path, question: str, signum: Signals
) -> None:
    with asked(tmp_path, question) as shell:
        os.kill(shell.job, signum)
        assert shell.prompt() == 128 + signum
        assert question.encode() + b"\r\n" in shell.output
