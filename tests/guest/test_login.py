"""The last line shows where a guest is, and that decides what is typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.guest.login import LoginDialogue, RecentOutput
from support.pieces import CUTS, cut, thorough

CLEAR, ENTER, CTRL_C = b"\x15\r", b"\r", b"\x03"


class Talk:
    """A scripted guest on a clock of its own, and the dialogue with it."""

    def __init__(self, login: str | None = None, password: str | None = None) -> None:
        self.now = 1000.0
        self.login = LoginDialogue(login, password, self.now)

    def print(self, data: bytes, cuts: list[int] | None = None) -> None:
        for piece in cut(data, cuts or []):
            self.login.feed(piece, self.now)

    def wake(self) -> bytes:
        """Let time pass up to the deadline, and return what is typed then."""
        assert self.login.deadline >= self.now
        self.now = self.login.deadline
        self.login.wake(self.now)
        return self.login.take_typed()

    def answer(self, data: bytes) -> bytes:
        """Print, be quiet, and return what is typed then."""
        self.print(data)
        return self.wake()

    def wait_typed(self) -> bytes:
        """Let time pass until something is typed or the dialogue has failed."""
        while not (typed := self.wake()) and not self.login.error:
            assert self.now < 2000
        return typed

    @property
    def error(self) -> str:
        assert self.login.error is not None
        return str(self.login.error)


# ---- shells


@pytest.mark.parametrize(
    "prompt",
    [
        b"root@vm:~# ",
        b"$ ",
        b"sh-5.2$",
        b"vm% ",
        "\u276f ".encode(),
        b"vm# \x00",
        b"\x1b[?2004h\x1b]0;title\x07\x1b[1;32mroot@vm\x1b[0m:~# \x1b[6n",
        b"last\r\nline\r\r\n\rroot@vm:~# ",
    ],
)
def test_a_shell_is_recognised_by_its_prompt(prompt: bytes) -> None:
    talk = Talk()
    assert talk.wake() == CLEAR
    assert talk.answer(b"\r\n" + prompt) == b""
    assert talk.login.is_at_shell
    assert not talk.login.has_logged_in


@pytest.mark.parametrize(
    "line", [b"45% ", b"# no prompt", b"login: root", b"Last login: ", b"", b"#!"]
)
def test_other_lines_are_taken_for_neither_a_shell_nor_a_login(line: bytes) -> None:
    talk = Talk(login="root")
    talk.print(line)
    talk.wake()
    assert not talk.login.is_at_shell
    assert not talk.login.has_logged_in


PROMPTS = [b"root@vm:~# ", "\u276f ".encode(), b"vm login: ", b"Password: ", b"> "]


@given(st.sampled_from(PROMPTS), CUTS)
@thorough
def test_the_pieces_make_no_difference(prompt: bytes, cuts: list[int]) -> None:
    data = b"\x1b[1mnoise\r\n\x1b[0m" + prompt
    whole, pieces = Talk("root"), Talk("root")
    whole.print(data)
    pieces.print(data, cuts)
    assert pieces.wake() == whole.wake()
    assert pieces.login.is_at_shell == whole.login.is_at_shell


# ---- login


def test_a_login_types_the_user_and_the_password() -> None:
    talk = Talk("root", "secret")
    assert talk.answer(b"vm login: ") == b"root\r"
    assert talk.answer(b"root\r\n") == b"", "no Enter while login(1) is busy"
    assert talk.answer(b"Password: ") == b"secret\r"
    assert talk.answer(b"\r\nLast login: Mon\r\n") == b""
    assert talk.answer(b"# ") == b""
    assert talk.login.is_at_shell
    assert talk.login.has_logged_in


def test_a_user_without_a_password_is_logged_in() -> None:
    talk = Talk("root")
    talk.answer(b"vm login: ")
    talk.answer(b"root\r\n# ")
    assert talk.login.is_at_shell


def test_a_message_after_the_prompt_is_answered_with_enter() -> None:
    talk = Talk("root", "secret")
    talk.answer(b"vm login: ")
    talk.answer(b"Password: ")
    talk.print(b"\r\n# login[97]: root login on 'ttyS0'")
    assert talk.wait_typed() == ENTER
    talk.answer(b"\r\n# ")
    assert talk.login.is_at_shell


@given(CUTS)
@thorough
def test_kernel_messages_are_ignored(cuts: list[int]) -> None:
    """They hide no prompt, and do not count as output to wait for."""
    noise = b"[   17.189001] usb 1-1: new # device\r\n"
    talk = Talk("root", "secret")
    for prompt, typed in (b"vm login: ", b"root\r"), (b"Password: ", b"secret\r"):
        talk.print(noise + prompt + noise * 3 + b"[   17.2", cuts)
        deadline = talk.login.deadline
        talk.now += 0.1
        talk.print(b"53155] usb", cuts)
        talk.print(b" 1-1: again\r\n" + noise, cuts)
        assert talk.login.deadline == deadline
        assert talk.wake() == typed
    talk.print(b"# " + noise)
    talk.wake()
    assert talk.login.is_at_shell


@pytest.mark.parametrize(
    ("login", "password", "printed", "words"),
    [
        (None, None, [b"vm login: "], "asks for a login"),
        (
            "root",
            None,
            [b"vm login: ", b"Password: "],
            "asks for the password of 'root'",
        ),
        (
            "root",
            "secret",
            [b"vm login: ", b"Password: ", b"Login incorrect\r\nvm login: "],
            "refused to log in 'root'",
        ),
        (
            "root",
            "secret",
            [b"vm login: ", b"Password: ", b"Expired.\r\nNew password: "],
            "more than a password: 'New password: '",
        ),
        (None, None, [b"U-Boot> "], "boot loader: 'U-Boot> '"),
        (None, None, [b"grub rescue> "], "boot loader"),
    ],
)
def test_a_guest_that_cannot_be_logged_in_to_is_an_error(
    login: str | None, password: str | None, printed: list[bytes], words: str
) -> None:
    talk = Talk(login, password)
    for data in printed:
        assert talk.login.error is None
        talk.answer(data)
    assert words in talk.error
    assert "secret" not in talk.error


def test_a_stale_password_prompt_is_answered_with_enter() -> None:
    talk = Talk("root", "secret")
    assert talk.answer(b"Password: ") == ENTER
    assert talk.answer(b"\r\nLogin incorrect\r\nvm login: ") == b"root\r"


def test_an_open_quote_is_ended_with_ctrl_c() -> None:
    talk = Talk()
    assert talk.wake() == CLEAR
    talk.print(b"\r\n> ")
    assert talk.wait_typed() == CTRL_C
    talk.answer(b"^C\r\n$ ")
    assert talk.login.is_at_shell


# ---- patience


def test_a_boot_of_minutes_is_waited_for() -> None:
    talk = Talk("root")
    knocks = 0
    for second in range(300):
        talk.print(b"%d.0 starting\r\n" % second)
        knocks += bool(talk.wake())
        talk.now += 0.6
    assert talk.login.error is None
    assert knocks < 160, "not more than one in two seconds"
    assert talk.answer(b"vm login: ") == b"root\r"


def test_a_prompt_is_found_in_a_guest_that_is_never_quiet() -> None:
    talk = Talk()
    talk.wake()
    while talk.login.deadline > talk.now:
        talk.print(b"noise\r\n$ ")
        talk.now += 0.1
        assert talk.now < 1020
    talk.login.wake(talk.now)
    assert talk.login.is_at_shell


def test_the_countdown_of_a_boot_loader_is_not_stopped() -> None:
    talk = Talk()
    assert talk.answer(b"Hit any key to stop autoboot:  3") == b""
    assert talk.answer(b"\rHit any key to stop autoboot:  0\r\n") == b""
    assert talk.wait_typed() == CLEAR


def test_a_guest_that_never_answers_is_given_up() -> None:
    talk = Talk()
    started = talk.now
    knocks = []
    while talk.login.error is None:
        knocks.append(talk.wake())
        talk.print(b"^U\r\n")  # the echo of a tty that has no reader
    assert "does not answer on its console" in talk.error
    assert 5 <= len([typed for typed in knocks if typed]) <= 10
    assert talk.now - started < 90


def test_a_prompt_that_is_neither_is_given_up() -> None:
    talk = Talk()
    while talk.login.error is None:
        talk.answer(b"\r\n>>> ")
    assert "neither a login prompt nor a shell prompt: '>>> '" in talk.error
    assert talk.now < 1020


def test_after_a_minute_without_a_prompt_the_login_is_tried_again() -> None:
    talk = Talk("root")
    talk.answer(b"vm login: ")
    talk.print(b"root\r\n")
    started = talk.now
    assert talk.wait_typed() == CLEAR
    assert talk.now - started >= 55


def test_only_the_latest_output_is_kept() -> None:
    output = RecentOutput()
    output.feed(b"x" * 100_000)
    assert len(output.text) < 10_000


def test_a_user_and_a_password_may_have_any_bytes() -> None:
    talk = Talk(login="u\udcff", password="p\udcffé")
    assert talk.answer(b"vm login: ") == b"u\xff\r"
    assert talk.answer(b"\r\nPassword: ") == b"p\xff\xc3\xa9\r"
