"""In a real tmux: the modes that killed programs leave behind are reset."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Self

import pytest

from support.program import environment
from support.shell import CTRL_Z, wait_until

_NEEDED = ("tmux", "vim.tiny", "less", "htop")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, _NEEDED)), reason=f"requires {', '.join(_NEEDED)}"
)

# Everything that tmux 3.3 reports about the modes of a terminal.
_MODES = " ".join(
    f"{name}=#{{{name}}}"
    for name in (
        *("alternate_on", "cursor_flag", "insert_flag", "keypad_cursor_flag"),
        *("keypad_flag", "mouse_any_flag", "mouse_button_flag", "mouse_sgr_flag"),
        *("mouse_standard_flag", "mouse_utf8_flag", "origin_flag", "wrap_flag"),
        *("scroll_region_lower", "scroll_region_upper"),
    )
)


class Tmux:
    """A tmux server with one pane that runs a shell.

    Args:
        home: the user's home.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._environment = environment(home)
        self._rc = home / "rc"
        # Not in the environment, from which the guest's shell would inherit it.
        self._rc.write_text("PS1='<$?>$ '\n")

    def __enter__(self) -> Self:
        size = ("-x", "100", "-y", "30")
        self("new-session", "-d", *size, f"exec bash --rcfile '{self._rc}' -i")
        self.wait_for("<0>$ ")
        return self

    def __exit__(self, *_: object) -> None:
        server = int(self("display", "-p", "#{pid}"))
        self("kill-server")
        wait_until(lambda: not Path(f"/proc/{server}").exists())

    def __call__(self, *command: str) -> str:
        socket = str(self._home / "tmux")
        return subprocess.run(
            ["tmux", "-S", socket, "-f", "/dev/null", *command],
            capture_output=True,
            check=True,
            cwd=self._home,
            env=self._environment,
            text=True,
        ).stdout

    def type(self, text: str) -> None:
        self("send-keys", "-l", text)

    def shown(self, *options: str) -> str:
        """The text of the screen without blank lines at the end."""
        return self("capture-pane", "-p", *options).rstrip()

    def wait_for(self, text: str) -> None:
        """Wait for text at the end of the screen."""
        wait_until(lambda: self.shown().endswith(text.rstrip()))

    def modes(self) -> str:
        return self("display", "-p", _MODES)

    @property
    def program(self) -> int:
        """The process that the shell has started."""
        shell = self("display", "-p", "#{pane_pid}").strip()
        (child,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(child)

    @property
    def guest(self) -> int:
        """The process in the guest."""
        return int((self._home / "guest").read_text())


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    """A tmux whose terminal must be unchanged at the end."""
    with Tmux(tmp_path) as tmux:
        before = tmux.modes()
        yield tmux
        assert tmux.modes() == before
        tmux.type("clear; echo 'legible lqk' and pl'ai'n\r")
        tmux.wait_for("legible lqk and plain\n<0>$ ")
        # With attributes and line drawing, of which none may be left.
        assert tmux.shown("-e") == "legible lqk and plain\n<0>$"


def vim(tmux: Tmux) -> None:
    tmux.type("exec vim.tiny -u NONE +startinsert text\r")
    wait_until(lambda: '"text" 100 lines' in tmux.shown())


def less(tmux: Tmux) -> None:
    tmux.type("exec less -M text\r")
    wait_until(lambda: "lines 1-" in tmux.shown())


def htop(tmux: Tmux) -> None:
    tmux.type("exec htop\r")
    wait_until(lambda: "F10Quit" in tmux.shown())


def noise(tmux: Tmux) -> None:
    """A binary file, and sequences that one might contain."""
    last = r"\033\\\016\033(0\033[?25l\033[4h\033[?7l\033[7;31m\033[2;9r\033[?6h\033Pq"
    tmux.type(f"cat /bin/ls; printf '{last}'; exec sleep 1000\r")
    wait_until(lambda: "origin_flag=1" in tmux.modes())


PROGRAMS: list[Callable[[Tmux], None]] = [vim, less, htop, noise]


@pytest.fixture(params=PROGRAMS)
def program(
    request: pytest.FixtureRequest, tmux: Tmux, tmp_path: Path
) -> Callable[[], None]:
    """A function that attaches and starts a program in the guest."""
    (tmp_path / "text").write_text("some text\n" * 100)
    start: Callable[[Tmux], None] = request.param
    before = tmux.modes()

    def run() -> None:
        tmux.type("clear; novaconsole --demo\r")
        wait_until(lambda: "would be." in tmux.shown("-J"))
        tmux.type("echo $$ > guest\r")
        start(tmux)
        assert tmux.modes() != before

    return run


def kill_guest(tmux: Tmux) -> int:
    os.kill(tmux.guest, SIGKILL)
    return 3


def terminate(tmux: Tmux) -> int:
    os.kill(tmux.program, SIGTERM)
    return 143


def escape(tmux: Tmux) -> int:
    tmux.type("\r~.")
    return 0


@pytest.mark.parametrize("leave", [kill_guest, terminate, escape])
def test_the_modes_are_reset_at_the_end(
    tmux: Tmux, program: Callable[[], None], leave: Callable[[Tmux], int]
) -> None:
    program()
    status = leave(tmux)
    tmux.wait_for(f"<{status}>$ ")


def test_the_modes_are_reset_while_suspended_and_restored_after(
    tmux: Tmux, program: Callable[[], None]
) -> None:
    before = tmux.modes()
    program()
    inside = tmux.modes()
    tmux.type("\r~" + CTRL_Z.decode())
    tmux.wait_for("<148>$ ")
    assert tmux.modes() == before
    tmux.type("clear; fg\r")
    wait_until(lambda: tmux.modes() == inside)
    tmux.type("\r~.")
    tmux.wait_for("<0>$ ")
