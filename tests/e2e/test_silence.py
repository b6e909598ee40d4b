"""A console without output, and the one line that explains it.

The line appears after some seconds.  That it does not appear in one session is known
once it has appeared in another that began later.
"""

from contextlib import ExitStack
from pathlib import Path

from novaconsole.session import silence
from support.shell import Guest, Shell

TOLD = b"novaconsole: no output"
SILENT = f"novaconsole: {silence.SILENT}\r\n".encode()
PROXY_SILENT = b"novaconsole: the proxy has not answered: "


def marked(shell: Shell, guest: Guest) -> bytes:
    """The output so far, up to a mark that the guest sends now."""
    guest.send(b"<mark>")
    shell.expect(b"<mark>")
    return shell.output_so_far


def leave(shell: Shell) -> None:
    shell.type(b"\r~.")
    assert shell.prompt() == 0


def test_silence_after_enter_is_explained_once(tmp_path: Path) -> None:
    with ExitStack() as stack:

        def session(name: str, greeting: bytes = b"") -> tuple[Shell, Guest]:
            guest = stack.enter_context(Guest(greeting=greeting))
            shell = stack.enter_context(Shell(tmp_path / name))
            shell.attach(guest.url)
            return shell, guest

        for name in ("greeted", "answered", "no-enter", "silent", "reference"):
            (tmp_path / name).mkdir()
        greeted, answered = session("greeted", b"login: "), session("answered")
        no_enter, silent = session("no-enter"), session("silent")

        greeted[0].expect(b"login: ")
        for shell, guest in (greeted, answered):
            shell.type(b"\r")
            guest.wait_received(b"\r")
        answered[1].send(b"answer")
        answered[0].expect(b"answer")
        no_enter[0].type(b"x")
        no_enter[1].wait_received(b"x")
        silent[0].type(b"\r")
        silent[0].expect(SILENT)
        for shell, guest in (greeted, answered, no_enter):
            assert TOLD not in marked(shell, guest)

        # It does not appear again, whether for another Enter or on another connection.
        silent[0].type(b"\r")
        silent[1].wait_received(b"\r\r")
        silent[0].type(b"~R")
        silent[0].expect(b"connected again to: ")
        silent[0].type(b"\r")
        silent[1].wait_received(b"\r\r\r")
        later = session("reference")
        later[0].type(b"\r")
        later[0].expect(SILENT)
        assert marked(*silent).count(TOLD) == 1
        for shell, _ in (greeted, answered, no_enter, silent, later):
            leave(shell)


def test_a_proxy_that_does_not_answer_is_explained_differently(tmp_path: Path) -> None:
    with Guest(reads=False) as guest, Shell(tmp_path) as shell:
        shell.attach(guest.url)
        shell.type(b"\r")
        shell.expect(PROXY_SILENT)
        assert b"ttyS0" not in shell.output_so_far
        leave(shell)
        assert shell.output.count(PROXY_SILENT) == 1
