"""A question whose answer is not shown, and the signals that come meanwhile."""

import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.program import PATIENCE
from support.shell import wait_until

ASK = """
import os, sys
from novaconsole.terminal.secret import SecretPrompt
answer = SecretPrompt("secret: ", 0).ask()
os.write(1, b"<%s>" % repr(answer).encode())
assert "trio" not in sys.modules
"""
LOG_IN = "import os, sys; os.login_tty(0); os.execv(sys.executable, sys.argv[1:])"


@dataclass
class Question:
    """A program that asks, as the leader of a session on a terminal of its own.

    Nobody sets modes when it is stopped: it has to do so itself.
    """

    master: int
    terminal: int
    process: "subprocess.Popen[bytes]"
    shown: bytes = b""

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.terminal)[3] & termios.ECHO)

    def expect(self, wanted: bytes) -> None:
        while wanted not in self.shown:
            self.shown += os.read(self.master, 4096)
        self.shown = self.shown.partition(wanted)[2]

    def type(self, data: bytes) -> None:
        os.write(self.master, data)


@pytest.fixture
def question() -> Iterator[Question]:
    master, terminal = pty.openpty()
    python = [sys.executable, "-bb", "-c"]
    with subprocess.Popen(
        [*python, LOG_IN, *python, ASK], stdin=terminal, stderr=subprocess.PIPE
    ) as process:
        try:
            question = Question(master, terminal, process)
            question.expect(b"secret: ")
            yield question
        finally:
            process.kill()
            os.close(master)
            os.close(terminal)


def test_the_answer_is_read_without_echo(question: Question) -> None:
    assert not question.echoes

    question.type(b"one two\r")

    question.expect(b"\r\n<'one two'>")
    question.process.wait(PATIENCE)
    assert question.echoes


def test_ctrl_d_is_no_answer(question: Question) -> None:
    question.type(b"\x04")

    question.expect(b"\r\n<None>")


def test_the_terminal_echoes_while_the_program_is_stopped(question: Question) -> None:
    pid = question.process.pid
    for _ in range(2):
        # As ^Z does, which the kernel withholds from a session of its own.
        os.kill(pid, signal.SIGTSTP)
        wait_until(lambda: question.echoes)
        os.kill(pid, signal.SIGCONT)
        question.expect(b"secret: ")
        assert not question.echoes
    question.type(b"answer\r")

    question.expect(b"<'answer'>")
    question.process.wait(PATIENCE)
    assert question.echoes


def test_a_spurious_sigcont_does_not_make_silence_the_terminals_mode(
    question: Question,
) -> None:
    os.kill(question.process.pid, signal.SIGCONT)
    question.expect(b"secret: ")
    question.type(b"answer\r")

    question.expect(b"<'answer'>")
    question.process.wait(PATIENCE)
    assert question.echoes


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_that_ends_the_program_ends_the_line(
    question: Question, signum: signal.Signals
) -> None:
    question.process.send_signal(signum)

    question.process.wait(PATIENCE)
    assert question.process.returncode == -signum
    question.expect(b"\r\n")
    assert question.echoes
