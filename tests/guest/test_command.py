"""One command in a guest, with a guest that answers as it is told, on its own clock."""

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
    """A guest: what is typed into it is kept, what it prints is up to the test."""

    def __init__(
        self,
        command: str = "true",
        *,
        login: str | None = None,
        cuts: list[int] | None = None,
    ) -> None:
        self.now = 0.0
        self.shell = RemoteCommand(command, MARK, LoginDialogue(login, "pw", self.now))
        self.output = b""
        self._cuts = cuts or []

    def print(self, data: bytes) -> bytes:
        """What is typed in answer."""
        for piece in cut(data, self._cuts):
            self.shell.feed(piece, self.now)
        return self._take()

    def wait(self) -> bytes:
        """Let time pass up to the deadline; what is typed then."""
        assert self.shell.deadline < math.inf
        self.now = max(self.now, self.shell.deadline)
        self.shell.wake(self.now)
        return self._take()

    def _take(self) -> bytes:
        self.output += self.shell.take_output()
        return self.shell.take_typed()

    def load(self) -> list[bytes]:
        """From the prompt to the start of the command; the lines of the script."""
        self.print(PROMPT)
        typed = self.wait()
        assert typed == guestscript.loader(MARK) + b"\r"
        lines = [self.print(typed + b"\n" + mark("r500:5:bf:8a3b"))]
        while lines[-1] != b".\r":
            lines.append(self.print(mark("a")))
        return lines

    def log_in(self) -> None:
        self.print(b"vm login: ")
        assert self.wait() == b"root\r"
        self.print(b"Password: ")
        assert self.wait() == b"pw\r"


def loaded(command: str = "true", **settings: str | list[int] | None) -> Guest:
    guest = Guest(command, **settings)  # type: ignore[arg-type] # of the names above
    guest.load()
    return guest


# ---- what is typed


def test_nothing_typed_holds_a_mark_or_means_anything_to_a_tty() -> None:
    guest = Guest("printf '\x03\x15\n\r%s' \"$x\" ~ é\udcff")
    lines = guest.load()
    assert MARK.encode() + b"_" not in guestscript.loader(MARK)
    assert len(guestscript.loader(MARK)) < 400
    for line in lines:
        assert re.fullmatch(rb"[A-Za-z0-9_/=:\\-]{1,500}\r|\.\r", line)


def test_the_loader_is_asked_where_an_answer_is_lost() -> None:
    guest = Guest()
    guest.print(PROMPT)
    guest.wait()
    assert guest.wait() == b"\r"
    assert guest.print(mark("a")) == guestscript.script_lines("true")[0] + b"\r"
    assert guest.wait() == b"\r"


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
    """As the tty has made of it, with the terminal's CR taken away again."""
    guest = loaded(cuts=cuts)
    on_the_line = output.replace(b"\n", b"\r\n")
    guest.print(b"kernel\r\n" + mark("b") + on_the_line + mark("e7") + mark("e7"))
    guest.print(b"more" + mark("x") + PROMPT)
    assert guest.output == output
    assert guest.shell.status == 7
    assert guest.shell.error is None
    assert guest.shell.is_over


def test_output_comes_before_the_end() -> None:
    guest = loaded()
    guest.print(mark("b") + b"one\r\ntw")
    assert guest.output == b"one\ntw"
    guest.print(b"o\r")
    assert guest.output == b"one\ntwo"


def test_a_mark_that_was_broken_is_there_twice() -> None:
    guest = loaded()
    guest.print(mark("b") + b"out" + b"nc0123_e[ 7.0] usb\r\n3\r\n" + mark("e3"))
    assert (guest.output, guest.shell.status) == (b"out", 3)


def test_a_mark_that_never_ends_is_given_up() -> None:
    guest = loaded()
    guest.print(mark("b") + b"nc0123_" + b"y" * 1000 + b"\r\n" + mark("e0"))
    assert guest.output == b"y" * 1000 + b"\n"
    assert guest.shell.status == 0


def test_output_of_which_the_beginning_is_unknown_is_no_output() -> None:
    guest = loaded()
    guest.print(b"nc01[ 7.0] usb\r\n23_b\r\nout\r\n" + mark("e0") + mark("x"))
    assert (guest.output, guest.shell.status) == (b"", None)
    assert "has printed into the command's output" in str(guest.shell.error)


# ---- the end


def test_who_has_logged_in_logs_out() -> None:
    guest = Guest(login="root")
    guest.log_in()
    guest.load()
    guest.print(mark("b") + mark("e0"))
    assert guest.print(mark("x")) == b" exit\r"
    guest.print(b"logout\r\n")
    assert guest.wait() == b""
    assert not guest.shell.is_over
    guest.print(b"\r\nvm login: ")
    guest.wait()
    assert guest.shell.is_over
    assert guest.shell.status == 0


def test_the_logout_is_not_waited_for_for_ever() -> None:
    guest = Guest(login="root")
    guest.log_in()
    guest.load()
    guest.print(mark("b") + mark("e0"))
    assert guest.wait() == b" exit\r", "though the loader's last word is missing"
    guest.wait()
    assert guest.shell.is_over


def test_a_command_that_ends_the_shell_that_runs_it() -> None:
    guest = loaded()
    guest.print(mark("b") + b"out" + mark("e"))
    assert guest.print(mark("x")) == b" stty 500:5:bf:8a3b\r"
    assert "has ended the shell" in str(guest.shell.error)
    assert guest.shell.is_over


def test_a_command_that_ends_the_login() -> None:
    guest = loaded()
    guest.print(mark("b") + b"out\r\n\r\nvm login: ")
    guest.wait()
    assert "the shell in the guest has ended" in str(guest.shell.error)
    assert guest.shell.is_over


def test_a_command_that_is_silent_for_long() -> None:
    guest = loaded()
    assert guest.shell.deadline == math.inf
    guest.print(mark("b") + b"out\r\n")
    guest.wait()
    assert guest.shell.deadline == math.inf
    assert not guest.shell.is_over


def test_a_guest_without_what_it_takes() -> None:
    guest = Guest()
    guest.print(PROMPT)
    guest.wait()
    guest.print(b"sh: not found\r\n" + mark("x"))
    assert "no sh" in str(guest.shell.error)


def test_what_looked_like_a_shell() -> None:
    guest = Guest()
    guest.print(PROMPT)
    guest.wait()
    while not guest.shell.is_over:
        guest.wait()
        guest.print(PROMPT)
    assert "does not answer like one" in str(guest.shell.error)


def test_the_way_to_a_shell_may_not_be_found() -> None:
    guest = Guest()
    guest.print(b"vm login: ")
    guest.wait()
    assert "wants a login" in str(guest.shell.error)
    assert guest.shell.is_over


def test_who_was_let_in_but_finds_no_shell_is_logged_out() -> None:
    guest = Guest(login="root")
    guest.log_in()
    typed = b""
    while guest.shell.error is None:
        guest.print(b"\r\nfish> ")
        typed = guest.wait()
    assert "neither a login prompt nor a shell's" in str(guest.shell.error)
    assert typed == b" exit\r"
    guest.print(b"\r\nvm login: ")
    guest.wait()
    assert guest.shell.is_over


def test_who_was_not_let_in_types_nothing_more() -> None:
    guest = Guest(login="root")
    guest.log_in()
    guest.print(b"\r\nLogin incorrect\r\nvm login: ")
    assert guest.wait() == b""
    assert "does not let" in str(guest.shell.error)
    assert guest.shell.is_over


# ---- interrupted


def interrupt(guest: Guest) -> bytes:
    guest.shell.interrupt(guest.now)
    return guest.shell.take_typed()


def test_a_command_is_interrupted() -> None:
    guest = loaded()
    guest.print(mark("b"))
    assert interrupt(guest) == b"\x03"
    guest.print(b"^C" + mark("e130") + mark("e130") + mark("x"))
    assert guest.shell.status == 130
    assert guest.shell.is_over


@pytest.mark.parametrize("prints", [b"", b"still here\r\n"])
def test_a_command_that_does_not_stop(prints: bytes) -> None:
    guest = loaded()
    guest.print(mark("b"))
    typed = [interrupt(guest)]
    while not guest.shell.is_over:
        guest.print(prints)
        typed.append(guest.wait())
    assert typed == [b"\x03", b"\x03", b"\x1c", b""]
    assert "does not stop" in str(guest.shell.error)


def test_the_loader_is_interrupted() -> None:
    guest = Guest()
    guest.print(PROMPT)
    guest.wait()
    assert interrupt(guest) == b"\x03"
    assert not guest.shell.is_over
    guest.wait()
    assert guest.shell.is_over


def test_interrupted_during_the_login() -> None:
    guest = Guest(login="root")
    guest.log_in()
    assert interrupt(guest) == b" exit\r"
    guest.wait()
    assert guest.shell.is_over


def test_interrupted_before_anything_was_typed() -> None:
    guest = Guest()
    assert interrupt(guest) == b""
    assert guest.shell.is_over


@pytest.mark.parametrize("word", ["e0", "x"])
def test_what_comes_late_does_no_harm(word: str) -> None:
    guest = loaded()
    guest.print(mark("b") + mark("e0") + mark("x"))
    assert interrupt(guest) == b""
    assert guest.print(mark(word)) == b""
    assert guest.shell.status == 0
