"""The last line shows where a guest is, and that decides what is typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.guest.login import LoginDialogue
from novaconsole.guest.recent import RecentOutput
from novaconsole.guest.screen import ScreenUse
from novaconsole.guest.script import SILENCE_SECONDS
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
        # fish: the prompt again, then CR and the cursor moved behind it
        b"\xe2\x8f\x8e   \r\xe2\x8f\x8e \r\x1b[Kroot@vm ~# \x1b[K\r\x1b[10C",
        b"me@vm ~> \x1b[K\r\x1b[9C",
        # zsh: a mark for a missing line end, and a clock on the right
        b"\x1b[7m%\x1b[m   \r \r\r\x1b[Jvm% \x1b[K\x1b[60C00:33:19\x1b[68D\x1b[?2004h",
        # a clock in a corner of the screen, and a screen that was cleared
        b"\x1b7\x1b[1;72H12:34:56\x1b8root@vm:~# ",
        b"\x1b[s\x1b[1;72H12:34:56\x1b[uroot@vm:~# \x1b[>0K",
        b"\x1b[H\x1b[2Jroot@vm:~# ",
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
    "line",
    [
        b"mysql> ",
        b"3 < x@y> ",
        b"a $ \r\x1b[1C",
        b"45% ",
        b"# no prompt",
        b"login: root",
        b"Last login: ",
        b"",
        b"#!",
    ],
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


def test_a_script_that_has_lost_its_client_is_given_the_time_to_notice() -> None:
    """Two keys, of which it takes one for a line; then none, for long enough."""
    talk = Talk()
    typed = b""
    while b"\n" not in typed:
        typed += talk.wake()
    assert typed == b"\x15\r\x15\n"
    second = talk.now
    while not (third := talk.wake()):
        pass
    assert third == b"\x15\r"
    assert talk.now - second > SILENCE_SECONDS


def test_a_prompt_that_is_neither_is_given_up() -> None:
    talk = Talk()
    while talk.login.error is None:
        talk.answer(b"\r\n>>> ")
    assert "neither a login prompt nor a shell prompt: '>>> '" in talk.error
    assert talk.now < 1020


@pytest.mark.parametrize(
    "answers",
    [
        [b"\r\n12:00:%02d menu> " % second for second in range(60)],
        [b"\r\n%c> " % word for word in b"abcdefghij" * 9],
        [b"\a"] * 60,
        [b"\r\nPassword: "] * 60,
        [b"\r\n> "] * 60,
    ],
    ids=["clock", "never the same", "bell", "password", "quote"],
)
def test_what_is_typed_in_vain_has_one_limit(answers: list[bytes]) -> None:
    talk = Talk()
    typed = [talk.wait_typed()]
    for answer in answers:
        if talk.login.error is None:
            talk.print(answer)
            typed.append(talk.wait_typed())
    assert talk.login.error is not None
    assert len([keys for keys in typed if keys]) <= 7
    assert talk.now < 1100


def test_a_boot_after_the_limit_is_still_waited_for() -> None:
    talk = Talk("root")
    for number in range(200):
        talk.print(b"unit %d\r\n" % number)
        next_line = talk.now + 14.0
        while talk.login.deadline < next_line:
            talk.wake()
        talk.now = next_line
    assert talk.login.error is None
    assert talk.answer(b"vm login: ") == b"root\r"


# ---- full-screen programs

FULL_SCREEN = {
    "vim": b'\x1b[1;24r\x1b[H\x1b[J\x1b[24;1H"f" [New]\x1b[2;1H\x1b[1m~\x1b[1;1H',
    "vim in answer": b"\x1b[?25l\x1b[2;1H\x1b[K\x1b[24;63H2\x1b[2;1H\x1b[?25h",
    "busybox vi": b"\x1b[?1049h\x1b[H\x1b[J\x1b[2;1H~\x1b[1;1H",
    "less": b"\x1b[?1049h\x1b[?1h\x1b=\rroot@vm:~# \x1b[m",
    "top": b"\x1b[?25l\x1b[H\x1b[J\x1b[mtop - 00:33:29 up\r\nTasks: 3\r\n",
    "top without colours": b"\x1b[Htop - 00:33:31 up\r\nTasks: 3\r\n",
    "top, second picture": b"\x1b[H\x1b[mtop - 00:33:31 up\x1b[K\r\nTasks: 3\r\n",
    "editor at a line like a prompt": b"\x1b[5;1Hroot@vm:~# ",
    "editor at a line like a login": b"\x1b[5dvm login: ",
}


@pytest.mark.parametrize("program", FULL_SCREEN)
def test_nothing_is_typed_into_a_full_screen_program(program: str) -> None:
    talk = Talk("root", "secret")
    talk.print(FULL_SCREEN[program])
    assert talk.wait_typed() == b""
    assert "full-screen program" in talk.error
    assert talk.now < 1060


def test_a_program_that_draws_on_and_on_is_given_up() -> None:
    talk = Talk()
    while talk.login.error is None:
        talk.print(FULL_SCREEN["top, second picture"])
        assert talk.wake() == b""
        assert talk.now < 1100
    assert "full-screen program" in talk.error


@pytest.mark.parametrize(
    ("before", "shell"),
    [
        (b"\x1b[?1049h\x1b[2;1H~\x1b[24;1H\x1b[?1049l", b"\r\n# "),
        (b"\x1b[?1049h\x1b[2;1H~\x1b[24;1H", b"boot\r\n" * 300 + b"# "),
        (b"\x1b[5;10H GNU GRUB \x1b[20;3H in 5s", b"\r\n" * 70 + b"# "),
        (b"\x1b[24;1H\x1b[K", b"\r\n# "),
    ],
    ids=["editor has ended", "guest was reset", "boot loader", "old editor has ended"],
)
def test_after_a_full_screen_program_a_prompt_is_found(
    before: bytes, shell: bytes
) -> None:
    talk = Talk()
    talk.print(before)
    assert talk.answer(shell) == b""
    assert talk.login.is_at_shell


def test_a_full_screen_program_is_recognised_by_what_was_printed_before() -> None:
    """The console log has it, without ESC and without CR."""
    screen = ScreenUse()
    screen.feed_console_log(b"# vi f\n[?1049h[H[J[2;1H~[1;1H")
    login = LoginDialogue(None, None, 1000.0, screen)
    login.wake(login.deadline)
    assert login.take_typed() == b""
    assert "full-screen program" in str(login.error)


@pytest.mark.parametrize(
    "log", [b"", b"[    1.0] x\n# vi f\n[?1049h[1;1H[?1049l\n# ", b"[0m[32m# "]
)
def test_a_console_log_without_such_a_program_hinders_nothing(log: bytes) -> None:
    screen = ScreenUse()
    screen.feed_console_log(log)
    assert not screen.is_full


WORD = b"nc0123456789abcdef"


@pytest.mark.parametrize(
    ("marks", "is_full"),
    [
        ((b"", WORD + b"_x\n"), False),
        ((WORD + b"_.77\n", b""), False),
        ((WORD + b"_x\n# vi f\n", b""), True),
        ((WORD + b"_.77\n", b"\n" + b"x" * 9000 + b"[?1049h"), True),
    ],
    ids=["has ended", "goes on", "before", "long before"],
)
def test_a_commands_output_in_the_console_log_may_be_any_bytes(
    marks: tuple[bytes, bytes], is_full: bool
) -> None:
    """It may be what ssh sends; what was printed after it counts."""
    screen = ScreenUse()
    screen.feed_console_log(b"[?1049h[2;1H\x81".join(marks))
    assert screen.is_full == is_full


@given(st.sampled_from(sorted(FULL_SCREEN)), CUTS)
@thorough
def test_a_full_screen_program_may_come_in_any_pieces(
    program: str, cuts: list[int]
) -> None:
    whole, pieces = ScreenUse(), ScreenUse()
    whole.feed(FULL_SCREEN[program])
    for piece in cut(FULL_SCREEN[program], cuts):
        pieces.feed(piece)
    assert pieces.is_full
    assert pieces.is_in_line == whole.is_in_line


# ---- logging somebody out


def test_a_shell_that_is_left_is_left_by_stronger_means_each_time() -> None:
    talk = Talk("root")
    typed = []
    for _ in range(4):
        talk.answer(b"\r\n# ")
        assert talk.login.is_at_shell
        talk.login.log_out("bob", talk.now)
        typed.append(talk.login.take_typed())
    assert typed == [b" exit\r", *[b" exec true\r"] * 3]
    talk.login.log_out("bob", talk.now)
    assert "the shell of 'bob' in the guest does not end" in talk.error


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
