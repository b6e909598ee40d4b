"""Where a guest is: what stands in its last line, and what is typed then."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.guest.login import LoginDialogue, Printed
from support.pieces import CUTS, cut, thorough

CLEAR, ENTER, CTRL_C = b"\x15\r", b"\r", b"\x03"


class Talk:
    """A guest that is asked where it is, on a clock of its own."""

    def __init__(self, login: str | None = None, password: str | None = None) -> None:
        self.now = 1000.0
        self.where = LoginDialogue(login, password, self.now)

    def print(self, data: bytes, cuts: list[int] | None = None) -> None:
        for piece in cut(data, cuts or []):
            self.where.feed(piece, self.now)

    def wake(self) -> bytes:
        """Let time pass up to the deadline; what is typed then."""
        assert self.where.deadline >= self.now
        self.now = self.where.deadline
        self.where.wake(self.now)
        typed = bytes(self.where.typed)
        self.where.typed.clear()
        return typed

    def answer(self, data: bytes) -> bytes:
        """Print, and be quiet; what is typed then."""
        self.print(data)
        return self.wake()

    def wait_typed(self) -> bytes:
        """Let time pass until something is typed, or it is given up."""
        while not (typed := self.wake()) and not self.where.error:
            assert self.now < 2000
        return typed

    @property
    def error(self) -> str:
        assert self.where.error is not None
        return str(self.where.error)


# ---- shells


@pytest.mark.parametrize(
    "prompt",
    [
        b"root@vm:~# ",
        b"$ ",
        b"sh-5.2$",
        b"vm% ",
        "\u276f ".encode(),
        b"\x1b[?2004h\x1b]0;title\x07\x1b[1;32mroot@vm\x1b[0m:~# \x1b[6n",
        b"last\r\nline\r\r\n\rroot@vm:~# ",
    ],
)
def test_a_shell_is_known_by_its_prompt(prompt: bytes) -> None:
    talk = Talk()
    assert talk.wake() == CLEAR
    assert talk.answer(b"\r\n" + prompt) == b""
    assert talk.where.is_at_shell
    assert not talk.where.has_logged_in


@pytest.mark.parametrize(
    "line", [b"45% ", b"# no prompt", b"login: root", b"Last login: ", b"", b"#!"]
)
def test_other_lines_are_no_shell_and_no_login(line: bytes) -> None:
    talk = Talk(login="root")
    talk.print(line)
    talk.wake()
    assert not talk.where.is_at_shell
    assert not talk.where.has_logged_in


@given(st.sampled_from([b"root@vm:~# ", b"vm login: ", b"Password: ", b"> "]), CUTS)
@thorough
def test_any_chunking_is_understood_alike(prompt: bytes, cuts: list[int]) -> None:
    data = b"\x1b[1mnoise\r\n\x1b[0m" + prompt
    whole, pieces = Talk("root"), Talk("root")
    whole.print(data)
    pieces.print(data, cuts)
    assert pieces.wake() == whole.wake()
    assert pieces.where.is_at_shell == whole.where.is_at_shell


# ---- login


def test_a_login_with_a_password() -> None:
    talk = Talk("root", "secret")
    assert talk.answer(b"vm login: ") == b"root\r"
    assert talk.answer(b"root\r\n") == b"", "no Enter while login(1) thinks"
    assert talk.answer(b"Password: ") == b"secret\r"
    assert talk.answer(b"\r\nLast login: Mon\r\n") == b""
    assert talk.answer(b"# ") == b""
    assert talk.where.is_at_shell
    assert talk.where.has_logged_in


def test_a_login_without_a_password() -> None:
    talk = Talk("root")
    talk.answer(b"vm login: ")
    talk.answer(b"root\r\n# ")
    assert talk.where.is_at_shell


def test_a_message_behind_the_prompt_is_got_over() -> None:
    talk = Talk("root", "secret")
    talk.answer(b"vm login: ")
    talk.answer(b"Password: ")
    talk.print(b"\r\n# login[97]: root login on 'ttyS0'")
    assert talk.wait_typed() == ENTER
    talk.answer(b"\r\n# ")
    assert talk.where.is_at_shell


@given(CUTS)
@thorough
def test_the_messages_of_the_kernel_do_not_count(cuts: list[int]) -> None:
    """Nor are they waited for."""
    noise = b"[   17.189001] usb 1-1: new # device\r\n"
    talk = Talk("root", "secret")
    for prompt, typed in (b"vm login: ", b"root\r"), (b"Password: ", b"secret\r"):
        talk.print(noise + prompt + noise * 3 + b"[   17.2", cuts)
        deadline = talk.where.deadline
        talk.now += 0.1
        talk.print(b"53155] usb", cuts)
        talk.print(b" 1-1: again\r\n" + noise, cuts)
        assert talk.where.deadline == deadline
        assert talk.wake() == typed
    talk.print(b"# " + noise)
    talk.wake()
    assert talk.where.is_at_shell


@pytest.mark.parametrize(
    ("login", "password", "printed", "words"),
    [
        (None, None, [b"vm login: "], "wants a login"),
        ("root", None, [b"vm login: ", b"Password: "], "wants a password for 'root'"),
        (
            "root",
            "secret",
            [b"vm login: ", b"Password: ", b"Login incorrect\r\nvm login: "],
            "does not let 'root' log in",
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
def test_no_way_in(
    login: str | None, password: str | None, printed: list[bytes], words: str
) -> None:
    talk = Talk(login, password)
    for data in printed:
        assert talk.where.error is None
        talk.answer(data)
    assert words in talk.error
    assert "secret" not in talk.error


def test_a_password_prompt_that_was_left_is_left_by_enter() -> None:
    talk = Talk("root", "secret")
    assert talk.answer(b"Password: ") == ENTER
    assert talk.answer(b"\r\nLogin incorrect\r\nvm login: ") == b"root\r"


def test_an_open_quote_is_broken_off() -> None:
    talk = Talk()
    assert talk.wake() == CLEAR
    talk.print(b"\r\n> ")
    assert talk.wait_typed() == CTRL_C
    talk.answer(b"^C\r\n$ ")
    assert talk.where.is_at_shell


# ---- patience


def test_it_boots_for_minutes() -> None:
    talk = Talk("root")
    knocks = 0
    for second in range(300):
        talk.print(b"%d.0 starting\r\n" % second)
        knocks += bool(talk.wake())
        talk.now += 0.6
    assert talk.where.error is None
    assert knocks < 160, "not more than one in two seconds"
    assert talk.answer(b"vm login: ") == b"root\r"


def test_where_it_is_never_quiet_the_prompt_is_found_all_the_same() -> None:
    talk = Talk()
    talk.wake()
    while talk.where.deadline > talk.now:
        talk.print(b"noise\r\n$ ")
        talk.now += 0.1
        assert talk.now < 1020
    talk.where.wake(talk.now)
    assert talk.where.is_at_shell


def test_the_countdown_of_a_boot_loader_is_not_stopped() -> None:
    talk = Talk()
    assert talk.answer(b"Hit any key to stop autoboot:  3") == b""
    assert talk.answer(b"\rHit any key to stop autoboot:  0\r\n") == b""
    assert talk.wait_typed() == CLEAR


def test_nothing_answers() -> None:
    talk = Talk()
    started = talk.now
    knocks = []
    while talk.where.error is None:
        knocks.append(talk.wake())
        talk.print(b"^U\r\n")  # the echo of a tty that nobody reads
    assert "nothing answers" in talk.error
    assert 5 <= len([typed for typed in knocks if typed]) <= 10
    assert talk.now - started < 90


def test_something_else_answers() -> None:
    talk = Talk()
    while talk.where.error is None:
        talk.answer(b"\r\n>>> ")
    assert "neither a login prompt nor a shell's: '>>> '" in talk.error
    assert talk.now < 1020


def test_login_takes_too_long() -> None:
    talk = Talk("root")
    talk.answer(b"vm login: ")
    talk.print(b"root\r\n")
    started = talk.now
    assert talk.wait_typed() == CLEAR
    assert talk.now - started >= 55


def test_no_more_is_kept_than_the_latest() -> None:
    printed = Printed()
    printed.feed(b"x" * 100_000)
    assert len(printed.text) < 10_000
