"""A command in a guest: real shells behind a real login on a real pty."""

import os
import pwd
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

import novaconsole
from novaconsole import Completed, GuestNotReady, SerialConsole
from novaconsole.guest import script as guestscript
from support.guests import (
    BASH,
    PASSWORD,
    PATIENCE,
    USER,
    attached,
    login_over_websocket,
    over_websocket,
)
from support.shell import Guest

# A login(1) that waits for the shell, in the process group that the shell began in:
# busybox's, if it uses PAM.
LOGIN = """
import signal, subprocess, sys
for name in "INT", "QUIT":
    signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_DFL)
subprocess.run(sys.argv[1:])
"""
SHELLS = {
    "bash": BASH,
    "dash": ("env", "PS1=# ", "dash", "-i"),
    "busybox": ("env", "PS1=\\h:\\w# ", "busybox", "sh", "-i"),
    "zsh": ("env", "PS1=%m%# ", "zsh", "-f", "-i"),
    "fish": ("env", "HOME=/nonexistent", "fish", "--no-config", "-i"),
}
# Users of the machine that the tests run on.
ME = pwd.getpwuid(os.geteuid()).pw_name
SOMEBODY = "nobody"
MIB = 1 << 20


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Each of the shells."""
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param}")
    return SHELLS[request.param]


@pytest.fixture
def guest(shell: tuple[str, ...]) -> Iterator[str]:
    """The URL of a guest that wants a login and has such a shell."""
    with login_over_websocket(shell) as url:
        yield url


@pytest.fixture
def bash() -> Iterator[str]:
    """The URL of a guest with a bash that somebody left open."""
    with over_websocket(*BASH) as url:
        yield url


async def run(url: str, command: str, timeout: float = PATIENCE) -> Completed:
    async with attached(url) as console:
        return await console.run(
            command, login=USER, password=PASSWORD, timeout=timeout
        )


async def settings_of(console: SerialConsole) -> str:
    """What the terminal is set to, asked at the prompt that somebody left."""
    await console.send(b"echo set''tings; stty -a; echo en''d\r")
    found = await console.expect(r"(?s)settings\n(.*)end\n", timeout=PATIENCE)
    await console.expect("[#] $", timeout=PATIENCE)
    assert found.groups[0] is not None
    return found.groups[0]


# ---- output and status


async def test_output_and_status_and_nothing_else(guest: str) -> None:
    """And who was logged in is logged out."""
    command = "echo one; echo 'it'\"'\"'s two' >&2; printf '\\ttorn'; exit 7"
    async with attached(guest) as console:
        done = await console.run(command, login=USER, password=PASSWORD)
        assert done == Completed(7, b"one\nit's two\n\ttorn")
        await console.send(b"\r")
        await console.expect("login: $", timeout=PATIENCE)


async def test_the_shell_that_was_left_open_stays_as_it_was(
    shell: tuple[str, ...],
) -> None:
    with over_websocket(*shell) as url:
        async with attached(url) as console:
            assign = b"set variable kept" if "fish" in shell else b"variable=kept"
            await console.send(assign + b"; cd /usr; stty -ixon erase ^H\r")
            before = await settings_of(console)
            assert await console.run("cd /; true") == Completed(0, b"")
            assert await settings_of(console) == before
            await console.send(b"echo $variable $PWD\r")
            await console.expect("kept /usr\n", timeout=PATIENCE)


async def test_one_after_another(bash: str) -> None:
    async with attached(bash) as console:
        assert await console.run("echo one") == Completed(0, b"one\n")
        assert await console.run("echo two; false") == Completed(1, b"two\n")


async def test_binary_output_is_exact(guest: str) -> None:
    """Every byte, and what a tty makes CR LF of."""
    command = (
        r"""i=0; while [ $i -lt 256 ]; do printf "\\$(printf %03o $i)"; """
        r"""i=$((i+1)); done; printf 'a\r\n\nb\r\r\n\r'"""
    )
    assert await run(guest, command) == Completed(
        0, bytes(range(256)) + b"a\r\n\nb\r\r\n\r"
    )


async def test_ten_megabytes(bash: str) -> None:
    done = await run(bash, "yes 0123456789abcde | head -c 10485760")
    assert done.status == 0
    assert done.output == b"0123456789abcde\n" * (10 * MIB // 16)


@pytest.mark.skipif(not shutil.which("ps"), reason="requires ps (Debian: procps)")
async def test_output_that_looks_like_a_mark(bash: str) -> None:
    """What the command can find out of the mark does not help it."""
    command = (
        "mark=$(tr '\\0' ' ' </proc/$(ps -o ppid= -p $PPID | tr -d ' ')/cmdline"
        " | grep -o 'nc[0-9a-f]*' | head -n 1); echo \"found ${#mark}\";"
        ' echo ${mark}; echo "${mark} e0"; echo "login: "; echo "# "'
    )
    done = await run(bash, command)
    assert re.sub(rb"nc[0-9a-f]+", b"MARK", done.output) == (
        b"found 18\nMARK\nMARK e0\nlogin: \n# \n"
    )


async def test_a_long_command_with_everything_in_it(guest: str) -> None:
    """Longer than any line of a tty; and nothing of it means anything to that."""
    odd = "\x03\x04\x15\x16\x1a\x7f~€'\"\\$`!\r\t\n" * 600
    quoted = "'" + odd.replace("'", "'\\''") + "'"
    done = await run(guest, f"printf %s {quoted}")
    assert done == Completed(0, odd.encode())


async def test_the_command_has_no_input_and_no_terminal(bash: str) -> None:
    command = "cat; read -r line; echo $?; for f in 0 1 2; do test -t $f; echo $?; done"
    assert await run(bash, command) == Completed(0, b"1\n1\n1\n1\n")


@pytest.mark.parametrize(
    ("command", "status"),
    [("kill -9 $$", 137), ("exit 255", 255), ("no-such-command 2>&-", 127)],
)
async def test_the_status_is_that_of_the_shell(
    bash: str, command: str, status: int
) -> None:
    assert (await run(bash, command)).status == status


# ---- where the guest is


async def test_it_boots_meanwhile() -> None:
    boot = 'for i in 1 2 3 4 5 6; do echo "[ $i.0] kernel"; sleep 0.5; done; exec "$@"'
    with over_websocket("sh", "-c", boot, "init", *BASH) as url:
        assert await run(url, "echo up") == Completed(0, b"up\n")


async def test_a_line_that_was_left_half_typed_is_not_run(
    bash: str, tmp_path: Path
) -> None:
    async with attached(bash) as console:
        await console.send(b"touch %b/left" % bytes(tmp_path))
        await console.expect("/left")
        assert await console.run("echo mine") == Completed(0, b"mine\n")
    assert not (tmp_path / "left").exists()


async def test_a_quote_that_was_left_open_is_closed(bash: str) -> None:
    async with attached(bash) as console:
        await console.send(b"echo 'left\r")
        await console.expect("> $")
        assert await console.run("echo mine") == Completed(0, b"mine\n")


async def test_a_password_prompt_that_was_left_is_left() -> None:
    with login_over_websocket() as url:
        async with attached(url) as console:
            await console.send(b"\rnobody\r")
            await console.expect("Password: $", timeout=PATIENCE)
            done = await console.run("echo in", login=USER, password=PASSWORD)
            assert done == Completed(0, b"in\n")


REFUSED = {
    "grub": ("while :; do printf 'grub> '; read x; done", "boot loader"),
    "python": ("while :; do printf '>>> '; read x; done", "neither a login .* '>>> '"),
    "no shell": (
        "while :; do printf '$ '; read x; done",
        "does not answer like a shell",
    ),
    "no sh": (
        r"printf '$ '; read -r x; x=${x##*\" nc}; echo nc${x%% *}_x; read y",
        "no sh",
    ),
}


@pytest.mark.parametrize("where", REFUSED)
async def test_what_is_no_shell_is_refused(where: str) -> None:
    script, words = REFUSED[where]
    with (
        over_websocket("sh", "-c", script) as url,
        pytest.raises(GuestNotReady, match=words),
    ):
        await run(url, "echo never")


@pytest.mark.parametrize(
    ("login", "password", "words"),
    [
        (None, PASSWORD, "asks for a login"),
        (USER, None, "asks for the password of 'root'"),
        (USER, "wrong", "refused to log in 'root'"),
    ],
)
async def test_no_way_in(login: str | None, password: str | None, words: str) -> None:
    with login_over_websocket() as url:
        async with attached(url) as console:
            with pytest.raises(GuestNotReady, match=words) as caught:
                await console.run("echo never", login=login, password=password)
            assert PASSWORD not in f"{caught.value!r} {caught.value.hint}"


# ---- whose shell


async def test_a_shell_of_another_user_is_refused(bash: str) -> None:
    async with attached(bash) as console:
        with pytest.raises(GuestNotReady) as caught:
            await console.run("echo never", login=SOMEBODY, password=PASSWORD)
        assert str(caught.value) == (
            f"the shell in the guest is that of {ME!r}, not of {SOMEBODY!r}"
        )
        assert caught.value.started is False
        assert await console.run("echo mine") == Completed(0, b"mine\n")


async def test_a_user_whom_the_guest_does_not_know_is_another_one(bash: str) -> None:
    async with attached(bash) as console:
        with pytest.raises(GuestNotReady, match='not of "x\'; echo y"'):
            await console.run("echo never", login="x'; echo y")


async def test_a_shell_of_the_same_user_needs_no_password(
    shell: tuple[str, ...],
) -> None:
    with over_websocket(*shell) as url:
        async with attached(url) as console:
            done = await console.run("id -un", login=ME)
            assert done == Completed(0, f"{ME}\n".encode())


# A getty for `nobody`, on a console on which root's shell was left open.
_TWO_USERS = r"""
set -m
"$@"
while :; do
  stty sane; printf '\r\nvm login: '; read -r user
  [ "$user" ] || continue
  stty -echo; printf 'Password: '; read -r password; stty echo; echo
  [ "$user:$password" = nobody:secret ] && setpriv --reuid=65534 --clear-groups "$@"
done
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="another user needs root")
async def test_a_shell_of_another_user_is_logged_out_if_asked_for() -> None:
    """Those inside it, too, and a stopped job does not keep it."""
    with over_websocket("sh", "-c", _TWO_USERS, "getty", *BASH) as url:
        async with attached(url) as console:
            await console.expect("[#] $")
            await console.send(b"sh -c \"echo rea''dy; exec sleep 1000\"\r")
            await console.expect("ready\n")
            await console.send(b"\x1a")
            await console.expect("Stopped")
            await console.send(b"bash --norc -i\r")
            done = await console.run(
                "id -un", login=SOMEBODY, password=PASSWORD, force_login=True
            )
            assert done == Completed(0, b"nobody\n")
            await console.send(b"\r")
            await console.expect("login: $", timeout=PATIENCE)


# ---- full-screen programs


# How they are started, and how they move the cursor when their insert mode is left.
EDITORS = {
    "vim.tiny": ("vim.tiny -n -u NONE", b"\x08"),
    "busybox": ("busybox vi", b"\x1b[1;4H"),
}


@pytest.mark.parametrize("editor", EDITORS)
async def test_nothing_is_typed_into_an_editor(
    editor: str, bash: str, tmp_path: Path
) -> None:
    """In its insert mode, with what was written there."""
    if shutil.which(editor) is None:
        pytest.skip(f"no {editor}")
    program, moved_left = EDITORS[editor]
    file = tmp_path / "notes"
    async with attached(bash) as console:
        await console.expect("# $")
        await console.send(f"cd {tmp_path}; {program} notes\r".encode())
        await console.expect(r"\[New|1/1")
        await console.send(b"ikept")
        await console.expect("(?s)k.*t")
        with pytest.raises(GuestNotReady, match="full-screen program") as caught:
            await console.run("echo never", timeout=PATIENCE)
        assert caught.value.started is False
        await console.send(b"\x1b")
        shown = b""  # ESC and a key at once would be another key
        while moved_left not in shown:
            shown += await console.receive()
        await console.send(b":wq\r")
        await console.expect("# $", timeout=PATIENCE)
    assert file.read_text() == "kept\n"


# ---- a client that has gone


async def test_a_script_of_which_the_rest_never_comes_is_not_run(
    guest: str, tmp_path: Path
) -> None:
    """Nor is what the next user types; and the shell that was logged in to ends."""
    file = tmp_path / "ran"
    async with attached(guest) as console:
        await console.send(b"\r")
        await console.expect("login: $")
        await console.send(USER.encode() + b"\r")
        await console.expect("Password: $")
        await console.send(PASSWORD.encode() + b"\r")
        await console.expect("[#] $")
        await console.send(guestscript.loader("nc123", ends_shell=True) + b"\r")
        await console.expect("nc123_r")
        lines = guestscript.script_lines(
            f"touch {file}; " + "true " * 1000,
            "nc123",
            None,
            is_ours=True,
            has_stdin=False,
        )
        for line in lines[:-1]:
            await console.send(line + b"\r")
        await console.expect(f"nc123_a{len(lines) - 1}")
        await console.send(b"touch %b\r" % bytes(file))
        await console.expect("login: $", timeout=40)
    assert not file.exists()


# ---- the history of the shell


@pytest.mark.parametrize("control", ["", "ignorespace"])
async def test_bash_does_not_remember_what_was_typed(bash: str, control: str) -> None:
    async with attached(bash) as console:
        await console.send(f"HISTCONTROL={control}; : mine\r".encode())
        assert await console.run("true") == Completed(0, b"")
        await console.send(b"history | tail -n 3 | cut -c 8-; echo en''d\r")
        shown = await console.expect(r"\nend\n", timeout=PATIENCE)
        assert shown.before.splitlines()[-2:] == [
            f"HISTCONTROL={control}; : mine",
            "history | tail -n 3 | cut -c 8-; echo en''d",
        ]
        assert "sh -c" not in shown.before.rpartition("[#]")[2]


# ---- the way out


async def test_a_command_that_kills_its_process_group(guest: str) -> None:
    """The script is not in it, and goes on to log out."""
    async with attached(guest) as console:
        done = await console.run("kill -9 0", login=USER, password=PASSWORD)
        assert done.status == 128 + 9
        await console.send(b"\r")
        await console.expect("login: $", timeout=PATIENCE)


async def test_a_command_that_ends_the_shell_above_it(bash: str) -> None:
    async with attached(bash) as console:
        before = await settings_of(console)
        with pytest.raises(GuestNotReady, match="ended the shell that") as caught:
            await console.run("kill -9 $PPID; exec sleep 1")
        assert caught.value.started
        assert await settings_of(console) == before


@pytest.mark.parametrize(
    "command", ["sleep 1000", "cat /dev/zero >/dev/null", "trap '' INT; sleep 1000"]
)
async def test_time_is_over(bash: str, command: str) -> None:
    async with attached(bash) as console:
        await console.send(b"\r")
        await console.expect("[#] $")
        before = await settings_of(console)
        started = time.monotonic()
        with pytest.raises(
            novaconsole.TimedOut, match="has not ended within 4 seconds"
        ) as caught:
            await console.run(f"echo out; {command}", timeout=4)
        assert caught.value.started is True
        assert time.monotonic() - started >= 4
        assert await settings_of(console) == before


async def test_an_interrupt_is_for_the_command_and_not_for_login(
    shell: tuple[str, ...],
) -> None:
    output = b""

    async def show(data: bytes) -> None:
        nonlocal output
        output += data

    with login_over_websocket((sys.executable, "-c", LOGIN, *shell)) as url:
        async with attached(url) as console:
            with pytest.raises(novaconsole.TimedOut):
                await console.run(
                    "trap 'echo caught; exit' INT; echo begun; sleep 1000",
                    login=USER,
                    password=PASSWORD,
                    timeout=6,
                    show=show,
                )
            assert output == b"begun\ncaught\n"
            await console.send(b"\r")
            await console.expect("login: $", timeout=PATIENCE)


async def test_it_is_cancelled_and_the_terminal_restored(bash: str) -> None:
    async with attached(bash) as console:
        await console.send(b"\r")
        await console.expect("[#] $")
        before = await settings_of(console)
        begun = trio.Event()

        async def show(data: bytes) -> None:
            begun.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: console.run("echo; exec sleep 1000", show=show))
            await begun.wait()
            nursery.cancel_scope.cancel()
        assert await settings_of(console) == before


async def test_output_that_cannot_be_shown_stops_the_command(bash: str) -> None:
    async def show(data: bytes) -> None:
        raise OSError(data.decode())

    async with attached(bash) as console:
        await console.send(b"\r")
        await console.expect("[#] $")
        before = await settings_of(console)
        with pytest.raises(OSError, match="begun"):
            await console.run("echo begun; sleep 1000", show=show)
        assert await settings_of(console) == before


async def test_it_is_cancelled_after_the_connection_has_ended() -> None:
    """To tidy up is in vain, and no error in the place of the cancellation."""
    with Guest(greeting=b"# ") as guest:
        async with attached(guest.url) as console:
            with trio.move_on_after(3) as scope:

                async def drop_at_the_end() -> None:
                    await trio.to_thread.run_sync(
                        guest.wait_for, lambda: guest.received
                    )
                    scope.cancel()
                    guest.drop()

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(drop_at_the_end)
                    await console.run("true")
            assert scope.cancelled_caught


async def test_the_connection_ends_meanwhile() -> None:
    with Guest(greeting=b"# ") as guest:

        async def drop_when_asked() -> None:
            await trio.to_thread.run_sync(guest.wait_for, lambda: guest.received)
            guest.drop()

        async with attached(guest.url) as console, trio.open_nursery() as nursery:
            nursery.start_soon(drop_when_asked)
            # "gone" if it was reset
            lost = "lost: (gone|no close frame received)"
            with pytest.raises(novaconsole.ConnectionLost, match=lost) as caught:
                await console.run("true")
            assert caught.value.started is False


async def test_a_timeout_before_a_shell_is_found_says_so() -> None:
    with over_websocket("sh", "-c", "printf 'Starting x...'; sleep 1000") as url:
        async with attached(url) as console:
            with pytest.raises(novaconsole.TimedOut) as caught:
                await console.run("true", timeout=1.5)
    assert str(caught.value) == "the command was not started within 1.5 seconds"
    assert caught.value.started is False
    assert "the guest's last line is 'Starting x...'" in str(caught.value.hint)


@pytest.mark.parametrize("command", ["printf 'login: '; sleep 14; echo done"])
async def test_a_command_that_prints_a_login_prompt_and_is_quiet(
    bash: str, command: str
) -> None:
    assert await run(bash, command) == Completed(0, b"login: done\n")


async def test_a_command_has_no_nul(bash: str) -> None:
    async with attached(bash) as console:
        with pytest.raises(novaconsole.UsageError, match="NUL"):
            await console.run("echo \0")
