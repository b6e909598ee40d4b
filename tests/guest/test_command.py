"""One command in a guest, against a scripted guest on a clock of its own."""

import math
import re
import shlex

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
    """As the loader prints it; the script prints no CR."""
    return f"{MARK}_{word}\r\n".encode()


ENDED = mark("e0") + mark("e0") + mark("z") + mark("z")


class Guest:
    """A guest that prints what the test says, and returns what is typed into it."""

    def __init__(
        self,
        command: str = "true",
        *,
        login: str | None = None,
        force_login: bool = False,
        has_stdin: bool = False,
        cuts: list[int] | None = None,
    ) -> None:
        self.now = 0.0
        self.command = RemoteCommand(
            command,
            MARK,
            LoginDialogue(login, "pw", self.now),
            force_login=force_login,
            has_stdin=has_stdin,
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
        while lines[-1].count(b"\n") == 1:
            lines.append(self.print(mark(f"a{len(lines)}")))
        self.print(mark("s"))
        return lines

    def start(self) -> None:
        """Let the command begin."""
        assert self.print(mark("j42") + mark("j42")) == b"j 42\n"
        assert self.print(mark("b")) == b""

    @property
    def loader(self) -> bytes:
        return guestscript.loader(MARK, ends_shell=self._is_ours)

    def log_in(self) -> None:
        self.print(b"vm login: ")
        assert self.wait() == b"root\r"
        self.print(b"Password: ")
        assert self.wait() == b"pw\r"
        self._is_ours = True


def started(command: str = "true", **settings: str | list[int] | bool) -> Guest:
    """A guest in which the command runs."""
    guest = Guest(command, **settings)  # type: ignore[arg-type] # by name
    guest.load()
    guest.start()
    return guest


# ---- what is typed


def test_nothing_typed_holds_a_mark_or_means_anything_to_a_tty() -> None:
    guest = Guest("printf '\x03\x15\n\r%s' \"$x\" ~ é\udcff")
    lines = guest.load()
    assert MARK.encode() + b"_" not in guest.loader
    assert len(guest.loader) < 600
    for line in lines:
        assert re.fullmatch(rb"(\d+:[ -~]{1,2010}(?<! )\n)+(\.\d+\n)?", line)


LONG_COMMAND = "true " * 1000
SCRIPT = [
    line + b"\n"
    for line in guestscript.script_lines(
        LONG_COMMAND, MARK, None, is_ours=False, has_stdin=False
    )
]


def loading() -> Guest:
    """A guest into which the loader has been typed."""
    guest = Guest(LONG_COMMAND)
    guest.print(PROMPT)
    guest.wait()
    return guest


def test_the_loader_is_asked_again_if_an_acknowledgement_is_lost() -> None:
    guest = loading()
    assert guest.wait() == b"\n"
    assert guest.print(mark("a0")) == SCRIPT[0]
    assert guest.wait() == b"\n"
    assert guest.print(mark("a1")) == SCRIPT[1]


def test_a_line_that_is_lost_is_typed_again() -> None:
    guest = loading()
    assert guest.print(mark("r1:2")) == SCRIPT[0]
    assert guest.wait() == b"\n"
    assert guest.print(mark("a0")) == SCRIPT[0]


def test_a_line_whose_acknowledgement_is_late_is_typed_once() -> None:
    guest = loading()
    guest.print(mark("r1:2"))
    assert guest.wait() == b"\n"
    assert guest.print(mark("a1")) == SCRIPT[1]
    assert guest.print(mark("a1")) == b"", "the answer to the question"
    assert guest.print(mark("a2")) == SCRIPT[2]


@pytest.mark.parametrize("lost", [1, 2])
def test_of_the_last_two_lines_what_is_lost_is_typed_again(lost: int) -> None:
    """They are typed together, as that saves the time of an acknowledgement."""
    guest = loading()
    guest.print(mark("r1:2"))
    for number in range(1, len(SCRIPT) - 2):
        guest.print(mark(f"a{number}"))
    assert guest.print(mark(f"a{len(SCRIPT) - 2}")) == SCRIPT[-2] + SCRIPT[-1]
    assert guest.wait() == b"\n"
    typed = guest.print(mark(f"a{len(SCRIPT) - lost}"))
    assert typed == b"".join(SCRIPT[-lost:])


@pytest.mark.parametrize("meaning", ["a99", "a", "a0[ 7.0] usb", "r[ 7.0] usb"])
def test_an_acknowledgement_that_cannot_be_read_types_nothing(meaning: str) -> None:
    assert loading().print(mark(meaning)) == b""


def test_a_loader_that_gives_up_is_an_error() -> None:
    guest = loading()
    guest.print(mark("r1:2") + mark("x"))
    assert "lost a part of the script" in str(guest.command.error)
    assert guest.command.started is False


@given(st.text(alphabet=" a\\\n\t~é\udcff'", max_size=3000))
def test_the_loader_puts_the_script_together(command: str) -> None:
    """As `sh` reads the lines: without blanks at their ends, `%b` at the end."""
    *lines, end = guestscript.script_lines(
        command, MARK, None, is_ours=False, has_stdin=True
    )
    read = [line.strip(b" \t").partition(b":") for line in lines]
    assert [int(number) for number, _, _ in read] == [*range(len(lines))]
    text = b"".join(part for _, _, part in read)
    assert end == b".%d" % len(text)
    script = re.sub(rb"\\0(\d{3})", lambda found: bytes([int(found[1], 8)]), text)
    assert shlex.quote(command).encode(errors="surrogateescape") in script


# ---- what is shown

BYTES = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"nc", b"nc0123", b"nc0123 e0", b"\xff\x00", b"ab"]
    ),
    max_size=40,
).map(b"".join)


@given(st.lists(BYTES, max_size=5), CUTS)
@example([b"ends with CR\r"], [])
@example([b"nc0123"], [3])
@thorough
def test_any_output_in_any_pieces_comes_out_exactly(
    output: list[bytes], cuts: list[int]
) -> None:
    guest = started(cuts=cuts)
    pieces = [piece for piece in output if piece]
    guest.print(b"".join(piece + mark(f".{len(piece)}") for piece in pieces))
    guest.print(mark("e7") + mark("e7") + mark("z") + mark("z"))
    guest.print(b"more" + mark("x") + PROMPT)
    assert guest.output == b"".join(pieces)
    assert guest.command.status == 7
    assert guest.command.error is None
    assert guest.command.is_over


def test_output_is_shown_at_once_whatever_it_ends_with() -> None:
    guest = started()
    guest.print(b"one\r\ntwon")
    assert guest.output == b"one\r\ntwo", "it may be the beginning of a mark"
    guest.print(mark(".8"))
    assert guest.output == b"one\r\ntwon", "and a mark follows every piece"


def test_a_length_that_the_guest_does_not_tell_is_not_checked() -> None:
    guest = started()
    guest.print(b"out" + mark(".") + ENDED)
    assert (guest.output, guest.command.status) == (b"out", 0)


@pytest.mark.parametrize(
    "printed",
    [
        b"ou[ 7.0] usb\nt" + mark(".3"),
        b"out" + b"[ 7.0] usb\n" + mark(".3"),
        b"out" + mark(".3") + b"[ 7.0] usb\n" + b"more" + mark(".4"),
        b"out" + b"nc0123_.[ 7.0] usb\n3\n" + b"more" + mark(".4"),
        b"out" + b"nc01[ 7.0] usb\n23_.3\n" + b"more" + mark(".4"),
    ],
)
def test_other_output_amid_that_of_the_command_is_an_error(printed: bytes) -> None:
    guest = started()
    guest.print(printed + ENDED + mark("x"))
    assert guest.command.status is None
    assert "other output was mixed into its own" in str(guest.command.error)
    assert guest.command.started


def test_a_status_mark_that_the_kernel_has_broken_is_read_from_the_second_one() -> None:
    guest = started()
    guest.print(b"out" + mark(".3") + b"nc0123_e[ 7.0] usb\r\n" + mark("e3"))
    guest.print(mark("z"))
    assert (guest.output, guest.command.status) == (b"out", 3)


def test_a_mark_without_an_end_is_taken_for_output() -> None:
    guest = started()
    guest.print(b"nc0123_" + b"y" * 1000 + b"\n" + ENDED)
    assert guest.output == b"y" * 1000 + b"\n"
    assert guest.command.status == 0


def test_output_without_its_begin_mark_is_an_error() -> None:
    guest = Guest()
    guest.load()
    guest.print(mark("j42"))
    guest.print(b"nc01[ 7.0] usb\r\n23_b\r\nout\r\n" + ENDED + mark("x"))
    assert (guest.output, guest.command.status) == (b"", None)
    assert "other output was mixed into its own" in str(guest.command.error)


# ---- input


def with_stdin() -> Guest:
    return started("cat", has_stdin=True)


def give(guest: Guest, data: bytes) -> bytes:
    guest.command.give_input(data)
    return guest.command.take_typed()


def test_a_little_input_is_written_in_octal() -> None:
    assert give(with_stdin(), b"a b\n\\\xff") == b"b 6 a\\0040b\\0012\\0134\\0377\n"


def test_more_input_follows_its_length() -> None:
    data = bytes(range(256)) * 65
    typed = give(with_stdin(), data)
    assert typed == b"d 16384\n" + data[:16384] + b"d 256\n" + data[16384:]


def test_no_more_is_sent_than_the_guest_has_room_for() -> None:
    guest = with_stdin()
    room = guest.command.input_room
    give(guest, bytes(room))
    assert guest.command.input_room == 0
    guest.print(mark("+4096") + mark("+8192"))
    assert guest.command.input_room == 8192


@pytest.mark.parametrize("told", ["+", "+1[ 7.0] usb", "+99999999"])
def test_a_wrong_acknowledgement_makes_no_room_that_is_not_there(told: str) -> None:
    guest = with_stdin()
    room = guest.command.input_room
    give(guest, bytes(1000))
    guest.print(mark(told))
    assert guest.command.input_room <= room


def test_input_is_taken_once_the_command_may_begin() -> None:
    guest = Guest("cat", has_stdin=True)
    assert (guest.command.takes_input, guest.command.input_room) == (True, 0)
    guest.load()
    assert (guest.command.takes_input, guest.command.input_room) == (True, 0)
    guest.start()
    assert guest.command.input_room > 0
    guest.print(ENDED)
    assert (guest.command.takes_input, guest.command.input_room) == (False, 0)


def test_the_end_of_the_input_is_typed_once() -> None:
    guest = with_stdin()
    guest.command.end_input()
    guest.command.end_input()
    assert guest.print(mark("+0")) == b"e\n"
    assert guest.command.input_room == 0


def test_input_that_has_ended_before_the_command_begins_ends_there() -> None:
    guest = Guest("cat", has_stdin=True)
    guest.command.end_input()
    guest.load()
    assert guest.print(mark("j42")) == b"j 42\ne\n"


def test_without_standard_input_none_is_taken() -> None:
    guest = started()
    assert (guest.command.takes_input, guest.command.input_room) == (False, 0)


# ---- the end


def test_the_script_is_told_that_all_was_read() -> None:
    guest = started()
    assert guest.print(mark("e0") + mark("e0")) == b"", "a child may still print"
    assert guest.print(b"late" + mark(".4") + mark("z")) == b"q\n"
    assert guest.print(mark("z") + mark("x")) == b""
    assert guest.output == b"late"
    assert guest.command.is_over


def test_the_end_of_a_shell_that_was_logged_in_to_is_waited_for() -> None:
    guest = Guest(login="root")
    guest.log_in()
    guest.load()
    guest.start()
    assert guest.print(ENDED + mark("x")) == b"q\n", "the shell ends by itself"
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
    guest.start()
    guest.print(ENDED + mark("x"))
    while not guest.command.is_over:
        assert guest.wait() == b""
    assert guest.now < 15


def test_waiting_for_the_script_to_end_has_a_limit() -> None:
    guest = started()
    guest.print(ENDED)
    assert guest.wait() == b""
    assert guest.command.is_over
    assert guest.command.status == 0


def test_a_command_that_ends_the_script_is_an_error() -> None:
    guest = started()
    typed = guest.print(b"out" + mark("x"))
    assert typed == guestscript.restoring_line(b"500:5:bf:8a3b", MARK) + b"\r"
    assert typed.startswith(b" stty 500:5:bf:8a3b;")
    assert "the command ended the shell" in str(guest.command.error)
    assert guest.command.is_over


def test_a_command_that_ends_what_reports_its_status_is_an_error() -> None:
    guest = started()
    assert guest.print(mark("z") + mark("z")) == b"q\n"
    assert guest.print(mark("x")) == b""
    assert "the command ended the shell" in str(guest.command.error)
    assert guest.command.is_over


def test_a_command_that_the_guest_has_given_up_is_an_error() -> None:
    guest = started()
    guest.print(mark("g") + mark("e129") + mark("e129") + mark("z") + mark("x"))
    assert guest.command.status is None
    assert "did not hear from here for 15 seconds" in str(guest.command.error)


# ---- whether the script is there

LOGIN_PROMPT = b"\r\nvm login: "


def test_the_script_is_asked_now_and_then() -> None:
    guest = started()
    for _ in range(5):
        assert guest.wait() == b"\n"
        guest.print(mark("n"))
    assert guest.now < 5 * guestscript.SILENCE_SECONDS / 3


def test_a_getty_that_has_taken_over_is_an_error() -> None:
    """It answers with its prompt, and not as the script does."""
    guest = started()
    guest.print(b"out" + LOGIN_PROMPT)
    assert guest.wait() == b"\n"
    guest.print(LOGIN_PROMPT)
    assert guest.wait() == b"\n"
    guest.print(LOGIN_PROMPT)
    guest.wait()
    assert "the shell in the guest ended" in str(guest.command.error)
    assert guest.command.is_over
    assert guest.now < 30


def test_a_guest_that_reboots_is_not_typed_into() -> None:
    guest = started()
    assert guest.wait() + guest.wait() == b"\n\n"
    for _ in range(20):
        guest.print(b"[ 1.0] booting\r\n")
        assert guest.wait() == b""
    guest.print(LOGIN_PROMPT)
    assert guest.wait() == b""
    assert "the shell in the guest ended" in str(guest.command.error)


def test_a_guest_that_stood_still_goes_on() -> None:
    guest = started()
    assert guest.wait() + guest.wait() == b"\n\n"
    guest.wait()
    assert guest.command.deadline == math.inf
    guest.print(mark("n"))
    assert guest.wait() == b"\n"
    assert guest.command.error is None


@pytest.mark.parametrize("answer", [b"", b"more"])
def test_a_command_may_print_a_login_prompt_and_be_quiet(answer: bytes) -> None:
    guest = started()
    guest.print(b"login: ")
    for _ in range(5):
        assert guest.wait() == b"\n"
        guest.print(mark("n"))
    guest.print(answer + mark(f".{7 + len(answer)}") + mark("e3") + mark("z"))
    assert (guest.output, guest.command.status) == (b"login: " + answer, 3)


def test_answers_that_nobody_reads_are_not_missed() -> None:
    """The output waits for its reader; the script has to know that we are there."""
    guest = started()
    guest.print(LOGIN_PROMPT)
    for _ in range(10):
        guest.now = guest.command.deadline
        guest.command.wake(guest.now, is_listening=False)
        assert guest.command.take_typed() == b"\n"
    assert guest.command.error is None


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
    guest = started()
    assert interrupt(guest) == b"k INT\n"
    assert guest.print(mark("e130") + mark("e130") + mark("z")) == b"q\n"
    guest.print(mark("x"))
    assert guest.command.status == 130
    assert guest.command.is_over


@pytest.mark.parametrize("prints", [b"", b"still here\r\n"])
def test_a_command_that_ignores_every_interrupt_is_given_up(prints: bytes) -> None:
    guest = started()
    typed = [interrupt(guest)]
    while not guest.command.is_over:
        guest.print(prints)
        typed.append(guest.wait())
    assert typed == [b"k INT\n", b"k TERM\n", b"k KILL\n", b""]
    assert "does not stop" in str(guest.command.error)
    assert guest.command.timeout_hint == (
        "attach without --run to stop it: it still runs in the guest"
    )


def test_a_login_prompt_that_answers_the_last_interrupt_ends_the_command() -> None:
    guest = started()
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


def test_an_interrupt_behind_the_script_ends_a_raw_line_too() -> None:
    guest = loading()
    guest.print(mark("r1:2"))
    for number in range(1, len(SCRIPT)):
        guest.print(mark(f"a{number}"))
    assert interrupt(guest) == b"\x03\n"


def test_an_interrupt_before_the_command_may_begin_lets_the_script_end() -> None:
    guest = Guest()
    guest.load()
    assert interrupt(guest) == b"q\n"
    assert guest.print(mark("j42") + mark("e1") + mark("z")) == b""
    guest.print(mark("x"))
    assert guest.command.is_over
    assert guest.command.started is False


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


@pytest.mark.parametrize("word", ["e0", "z", "n", "x"])
def test_a_mark_that_comes_too_late_changes_nothing(word: str) -> None:
    guest = started()
    guest.print(ENDED + mark("x"))
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
    guest.start()
    guest.print(ENDED)
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
    assert guest.print(mark("w") + mark("x")) == b""
    assert "is that of 'unknown', not of 'alice'" in str(guest.command.error)


# ---- how far it came


def test_it_is_told_whether_the_command_was_started() -> None:
    guest = loading()
    assert guest.command.started is False
    guest.print(mark("r1:2"))
    for number in range(1, len(SCRIPT)):
        assert guest.command.started is False
        guest.print(mark(f"a{number}"))
    guest.print(mark("s"))
    assert guest.command.started is False, "the script waits"
    guest.print(mark("j42"))
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


def test_the_end_of_the_input_after_that_of_the_command_types_nothing() -> None:
    guest = with_stdin()
    guest.print(ENDED + mark("x"))
    guest.command.end_input()
    assert guest.command.take_typed() == b""


def test_a_script_that_is_ended_in_our_own_login_needs_no_restoring_line() -> None:
    """The shell behind it ends as well."""
    guest = Guest(login="root")
    guest.log_in()
    guest.load()
    guest.start()
    assert guest.print(b"out" + mark("x")) == b""
    assert "the command ended the shell" in str(guest.command.error)


def test_a_wake_that_comes_too_late_changes_nothing() -> None:
    guest = started()
    guest.print(ENDED + mark("x"))
    guest.command.wake(guest.now)
    assert guest.command.is_over
    assert guest.command.take_typed() == b""
