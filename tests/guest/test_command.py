"""One command in a guest, against a scripted guest on a clock of its own."""

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaconsole.guest import script as guestscript
from novaconsole.guest.command import RemoteCommand
from novaconsole.guest.login import LoginDialogue
from support.pieces import CUTS, cut, thorough

MARK = "nc0123"
PROMPT = b"\r\n# "


def mark(word: str) -> bytes:
    return f"{MARK}_{word}\r\n".encode()


class Guest:
    """A guest that prints what the test says, and returns what is typed into it."""

    def __init__(
        self,
        command: str = "true",
        *,
        login: str | None = None,
        force_login: bool = False,
        cuts: list[int] | None = None,
    ) -> None:
        self.now = 0.0
        self.command = RemoteCommand(
            command, MARK, LoginDialogue(login, "pw", self.now), force_login
        )
        self._is_ours = False
        self.output = b""
        self._cuts = cuts or []

    def print(self, data: bytes) -> bytes:
        """Print, and return what is typed in answer."""
        for piece in cut(data, self._cuts):
            self.command.feed(piece, self.now)
        return self._take()

    def wait(self) -> bytes:
        """Let time pass up to the deadline, and return what is typed then."""
        assert self.command.deadline < math.inf
        self.now = max(self.now, self.command.deadline)
        self.command.wake(self.now)
        return self._take()

    def _take(self) -> bytes:
        self.output += self.command.take_output()
        return self.command.take_typed()

    def load(self) -> list[bytes]:
        """Go from the prompt to the start of the command; return the script."""
        self.print(PROMPT)
        typed = self.wait()
        assert typed == self.loader + b"\r"
        lines = [self.print(typed + b"\n" + mark("r500:5:bf:8a3b"))]
        while not lines[-1].startswith(b"."):
            lines.append(self.print(mark(f"a{len(lines)}")))
        self.print(mark("s"))
        return lines

    @property
    def loader(self) -> bytes:
        return guestscript.loader(MARK, ends_shell=self._is_ours)

    def log_in(self) -> None:
        self.print(b"vm login: ")
        assert self.wait() == b"root\r"
        self.print(b"Password: ")
        assert self.wait() == b"pw\r"
        self._is_ours = True


def loaded(command: str = "true", **settings: str | list[int] | None) -> Guest:
    guest = Guest(command, **settings)  # type: ignore[arg-type] # by name
    guest.load()
    return guest


# ---- what is typed


def test_nothing_typed_holds_a_mark_or_means_anything_to_a_tty() -> None:
    guest = Guest("printf '\x03\x15\n\r%s' \"$x\" ~ é\udcff")
    lines = guest.load()
    assert MARK.encode() + b"_" not in guest.loader
    assert len(guest.loader) < 600
    for line in lines:
        assert re.fullmatch(rb"\d+:[A-Za-z0-9_/=:\\-]{1,500}\r|\.\d+\r", line)


SCRIPT = [
    line + b"\r" for line in guestscript.script_lines("true", None, is_ours=False)
]


def loading() -> Guest:
    """A guest into which the loader has been typed."""
    guest = Guest()
    guest.print(PROMPT)
    guest.wait()
    return guest


def test_the_loader_is_asked_again_if_an_acknowledgement_is_lost() -> None:
    guest = loading()
    assert guest.wait() == b"\r"
    assert guest.print(mark("a0")) == SCRIPT[0]
    assert guest.wait() == b"\r"
    assert guest.print(mark("a1")) == SCRIPT[1]


def test_a_line_that_is_lost_is_typed_again() -> None:
    guest = loading()
    assert guest.print(mark("r1:2")) == SCRIPT[0]
    assert guest.wait() == b"\r"
    assert guest.print(mark("a0")) == SCRIPT[0]


def test_a_line_whose_acknowledgement_is_late_is_typed_once() -> None:
    guest = loading()
    guest.print(mark("r1:2"))
    assert guest.wait() == b"\r"
    assert guest.print(mark("a1")) == SCRIPT[1]
    assert guest.print(mark("a1")) == b"", "the answer to Enter"
    assert guest.print(mark("a2")) == SCRIPT[2]


@pytest.mark.parametrize("meaning", ["a99", "a", "a0[ 7.0] usb", "r[ 7.0] usb"])
def test_an_acknowledgement_that_cannot_be_read_types_nothing(meaning: str) -> None:
    assert loading().print(mark(meaning)) == b""


def test_a_loader_that_gives_up_is_an_error() -> None:
    guest = loading()
    guest.print(mark("r1:2") + mark("x"))
    assert "lost a part of the script" in str(guest.command.error)
    assert guest.command.started is False


# ---- what is shown

BYTES = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"nc", b"nc0123", b"nc0123 e0", b"\xff\x00", b"ab"]
    ),
    max_size=40,
).map(b"".join)


@given(BYTES, CUTS)
@example(b"ends with CR\r", [])
@example(b"nc0123", [3])
@thorough
def test_any_output_in_any_pieces_comes_out_exactly(
    output: bytes, cuts: list[int]
) -> None:
    """The CR that the tty has added is taken away again, and no other."""
    guest = loaded(cuts=cuts)
    on_the_line = output.replace(b"\n", b"\r\n")
    guest.print(b"kernel\r\n" + mark("b") + on_the_line + mark("e7") + mark("e7"))
    guest.print(b"more" + mark("x") + PROMPT)
    assert guest.output == output
    assert guest.command.status == 7
    assert guest.command.error is None
    assert guest.command.is_over


def test_output_is_shown_while_the_command_runs() -> None:
    guest = loaded()
    guest.print(mark("b") + b"one\r\ntw")
    assert guest.output == b"one\ntw"
    guest.print(b"o\r")
    assert guest.output == b"one\ntwo"


def test_a_status_mark_that_the_kernel_has_broken_is_read_from_the_second_one() -> None:
    guest = loaded()
    guest.print(mark("b") + b"out" + b"nc0123_e[ 7.0] usb\r\n3\r\n" + mark("e3"))
    assert (guest.output, guest.command.status) == (b"out", 3)


def test_a_mark_without_an_end_is_taken_for_output() -> None:
    guest = loaded()
    guest.print(mark("b") + b"nc0123_" + b"y" * 1000 + b"\r\n" + mark("e0"))
    assert guest.output == b"y" * 1000 + b"\n"
    assert guest.command.status == 0


def test_output_without_its_begin_mark_is_an_error() -> None:
    guest = loaded()
    guest.print(b"nc01[ 7.0] usb\r\n23_b\r\nout\r\n" + mark("e0") + mark("x"))
    assert (guest.output, guest.command.status) == (b"", None)
    assert "other output was mixed into its own" in str(guest.command.error)


# ---- the end


def test_the_end_of_a_shell_that_was_logged_in_to_is_waited_for() -> None:
    guest = Guest(login="root")
    guest.log_in()
    guest.load()
    guest.print(mark("b"))
    assert guest.print(mark("e0")) == b"", "the shell ends with the loader"
    guest.print(b"logout\r\n")
    assert guest.wait() == b""
    assert not guest.command.is_over
    guest.print(b"\r\nvm login: ")
    guest.wait()
    assert guest.command.is_over
    assert guest.command.status == 0


def test_waiting_for_the_logout_has_a_limit() -> None:
    guest = Guest(login="root")
    guest.log_in()
    guest.load()
    guest.print(mark("b") + mark("e0"))
    assert guest.wait() == b""
    assert guest.command.is_over
    assert guest.now < 15


def test_a_command_that_ends_the_shell_that_runs_it_is_an_error() -> None:
    guest = loaded()
    guest.print(mark("b") + b"out" + mark("e"))
    typed = guest.print(mark("x"))
    assert typed == guestscript.restoring_line(b"500:5:bf:8a3b", MARK) + b"\r"
    assert typed.startswith(b" stty 500:5:bf:8a3b;")
    assert "the command ended the shell" in str(guest.command.error)
    assert guest.command.is_over


LOGIN_PROMPT = b"\r\nvm login: "


def test_a_getty_that_has_taken_over_is_an_error() -> None:
    """It answers Enter, again and again."""
    guest = loaded()
    guest.print(mark("b") + b"out" + LOGIN_PROMPT)
    assert guest.wait() == b"\r"
    guest.print(LOGIN_PROMPT)
    assert guest.wait() == b"\r"
    guest.print(LOGIN_PROMPT)
    guest.wait()
    assert "the shell in the guest ended" in str(guest.command.error)
    assert guest.command.is_over
    assert guest.now < 30


@pytest.mark.parametrize("answer", [b"", b"more"])
def test_a_command_may_print_a_login_prompt_and_be_quiet(answer: bytes) -> None:
    guest = loaded()
    guest.print(mark("b") + b"login: ")
    typed = guest.wait()
    guest.print(answer)
    typed += guest.wait()
    assert typed == b"\r"
    assert guest.command.deadline == math.inf
    guest.print(b"done" + mark("e3"))
    assert (guest.output, guest.command.status) == (b"login: " + answer + b"done", 3)


def test_a_command_that_prints_many_login_prompts_is_asked_a_few_times() -> None:
    guest = loaded()
    guest.print(mark("b"))
    typed = b""
    for _ in range(50):
        guest.print(b"login: ")
        while guest.command.deadline < math.inf:
            typed += guest.wait()
    assert typed == b"\r" * 6
    assert guest.command.error is None


def test_a_command_may_be_silent_for_long() -> None:
    guest = loaded()
    assert guest.command.deadline == math.inf
    guest.print(mark("b") + b"out\r\n")
    guest.wait()
    assert guest.command.deadline == math.inf
    assert not guest.command.is_over


def test_a_guest_without_sh_is_an_error() -> None:
    guest = Guest()
    guest.print(PROMPT)
    guest.wait()
    guest.print(b"sh: not found\r\n" + mark("x"))
    assert "no sh" in str(guest.command.error)


def test_a_prompt_that_does_not_answer_like_a_shell_is_given_up() -> None:
    guest = Guest()
    guest.print(PROMPT)
    guest.wait()
    typed = b""
    while not guest.command.is_over:
        typed += guest.wait()
        guest.print(PROMPT)
    assert typed.endswith(b"\x03"), "for a loader that cannot be heard"
    assert "does not answer like a shell" in str(guest.command.error)


def test_without_a_way_to_a_shell_it_is_over() -> None:
    guest = Guest()
    guest.print(b"vm login: ")
    guest.wait()
    assert "asks for a login" in str(guest.command.error)
    assert guest.command.is_over


def test_a_login_that_leads_to_no_shell_is_left_again() -> None:
    guest = Guest(login="root")
    guest.log_in()
    typed = b""
    while guest.command.error is None:
        guest.print(b"\r\nmenu> ")
        typed = guest.wait()
    assert "neither a login prompt nor a shell prompt" in str(guest.command.error)
    assert typed == b" exit\r"
    guest.print(b"\r\nvm login: ")
    guest.wait()
    assert guest.command.is_over


def test_after_a_refused_login_nothing_more_is_typed() -> None:
    guest = Guest(login="root")
    guest.log_in()
    guest.print(b"\r\nLogin incorrect\r\nvm login: ")
    assert guest.wait() == b""
    assert "refused to log in" in str(guest.command.error)
    assert guest.command.is_over


# ---- interrupted


def interrupt(guest: Guest) -> bytes:
    guest.command.interrupt(guest.now)
    return guest.command.take_typed()


def test_an_interrupted_command_gives_its_status() -> None:
    guest = loaded()
    guest.print(mark("b"))
    assert interrupt(guest) == b"\x03"
    guest.print(b"^C" + mark("e130") + mark("e130") + mark("x"))
    assert guest.command.status == 130
    assert guest.command.is_over


@pytest.mark.parametrize("prints", [b"", b"still here\r\n"])
def test_a_command_that_ignores_every_interrupt_is_given_up(prints: bytes) -> None:
    guest = loaded()
    guest.print(mark("b"))
    typed = [interrupt(guest)]
    while not guest.command.is_over:
        guest.print(prints)
        typed.append(guest.wait())
    assert typed == [b"\x03", b"\x03", b"\x1c", b""]
    assert "does not stop" in str(guest.command.error)
    assert guest.command.timeout_hint == (
        "attach without --run to stop it: it still runs in the guest"
    )


def test_a_login_prompt_that_answers_the_last_interrupt_ends_the_command() -> None:
    guest = loaded()
    guest.print(mark("b"))
    interrupt(guest)
    while not guest.command.is_over:
        guest.print(b"\r\nvm login: ")
        guest.wait()
    assert "the shell in the guest ended before" in str(guest.command.error)


def test_an_interrupt_while_the_script_is_loaded_ends_the_loader() -> None:
    guest = Guest()
    guest.print(PROMPT)
    guest.wait()
    assert interrupt(guest) == b"\x03"
    assert not guest.command.is_over
    guest.wait()
    assert guest.command.is_over


def test_an_interrupt_during_the_login_logs_out() -> None:
    guest = Guest(login="root")
    guest.log_in()
    assert interrupt(guest) == b" exit\r"
    guest.wait()
    assert guest.command.is_over


def test_an_interrupt_before_anything_was_typed_types_nothing() -> None:
    guest = Guest()
    assert interrupt(guest) == b""
    assert guest.command.is_over


@pytest.mark.parametrize("word", ["e0", "x"])
def test_a_mark_that_comes_too_late_changes_nothing(word: str) -> None:
    guest = loaded()
    guest.print(mark("b") + mark("e0") + mark("x"))
    assert interrupt(guest) == b""
    assert guest.print(mark(word)) == b""
    assert guest.command.status == 0


# ---- whose shell


def shell_of(user: str, *, force_login: bool = False) -> Guest:
    """A guest in which the shell of this user was found instead of alice's."""
    guest = Guest(login="alice", force_login=force_login)
    guest.load()
    guest.print(mark(f"w{user}"))
    return guest


def test_a_shell_of_another_user_is_refused() -> None:
    guest = shell_of("root")
    assert guest.print(mark("x") + PROMPT) == b"", "and left as it is"
    assert guest.command.is_over
    assert guest.command.started is False
    assert str(guest.command.error) == (
        "the shell in the guest is that of 'root', not of 'alice'"
    )
    assert "--force-login" in str(guest.command.error and guest.command.error.hint)


def test_a_shell_of_another_user_is_logged_out_if_the_caller_says_so() -> None:
    guest = shell_of("root", force_login=True)
    assert guest.print(mark("x")) == b" exit\r"
    guest.print(b"\r\nvm login: ")
    assert guest.wait() == b"alice\r"
    guest.print(b"\r\nPassword: ")
    assert guest.wait() == b"pw\r"
    guest._is_ours = True
    guest.load()
    guest.print(mark("b") + mark("e0"))
    assert guest.command.status == 0
    assert guest.command.error is None


def test_logging_out_has_a_limit() -> None:
    guest = shell_of("root", force_login=True)
    typed = guest.print(mark("x"))
    while guest.command.error is None:
        guest.load()
        typed += guest.print(mark("wroot") + mark("x"))
    assert typed == b" exit\r" + b" exec true\r" * 3
    assert "does not end" in str(guest.command.error)


def test_an_interrupt_stops_the_logging_out() -> None:
    guest = shell_of("root", force_login=True)
    assert interrupt(guest) == b""
    assert guest.print(mark("x")) == b""
    assert guest.command.is_over


def test_a_login_that_leads_to_another_user_is_refused() -> None:
    guest = Guest(login="alice")
    guest.print(b"vm login: ")
    guest.wait()
    guest._is_ours = True
    guest.load()
    assert guest.print(mark("w")) == b""
    assert "is that of 'unknown', not of 'alice'" in str(guest.command.error)


# ---- how far it came


def test_it_is_told_whether_the_command_was_started() -> None:
    guest = loading()
    assert guest.command.started is False
    guest.print(mark("r1:2"))
    for number in range(1, len(SCRIPT)):
        assert guest.command.started is False
        guest.print(mark(f"a{number}"))
    assert guest.command.started is None, "the last line is on its way"
    guest.print(mark("s"))
    assert guest.command.started is None
    assert guest.command.timeout_hint is None
    guest.print(mark("b"))
    assert guest.command.started


def test_a_timeout_tells_where_the_guest_was() -> None:
    guest = Guest()
    assert guest.command.timeout_hint == (
        "attach without --run to see what the guest shows"
    )
    guest.print(b"\r\n[ OK ] Reached target")
    assert guest.command.timeout_hint == (
        "attach without --run: the guest's last line is '[ OK ] Reached target'"
    )


def test_nothing_is_typed_into_a_full_screen_program_at_the_end() -> None:
    guest = Guest(login="root")
    guest.log_in()
    guest.print(b"\x1b[?1049h\x1b[H\x1b[Jmenu")
    assert guest.wait() == b""
    assert "full-screen program" in str(guest.command.error)
    assert guest.command.is_over
