"""What the user sees, and what must never be seen: the token."""

import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from novaconsole.session.escapes import ESCAPES
from support.shell import CTRL_C, TOKEN, Guest, Shell, unchanged

SAID = "novaconsole: "
GUEST_BYTES = b"\x1b[31mred\x1b[0m\r\n\x1b[?25h\xff\x00\x07caf\xc3\xa9 \x1b[6n$ "


def hello(guest: Guest) -> list[str]:
    return [
        f"{SAID}connected to: ws://127.0.0.1:{guest.port}/?token=***",
        f'{SAID}type "~." to disconnect',
    ]


def farewell(guest: Guest) -> str:
    return f"{SAID}disconnected from 127.0.0.1:{guest.port}"


def answers(shell: Shell, key: bytes, last: bytes) -> list[str]:
    """The lines that an escape shows, without the prefix; `last` ends the last one."""
    before = len(shell.screen())
    shell.type(b"\r~" + key)
    shell.expect(last + b"\r\n")
    lines = shell.screen()[before:]
    assert all(line.startswith(SAID) for line in lines)
    return [line.removeprefix(SAID) for line in lines]


# ---- a plain session


def test_a_session_shows_two_lines_then_the_guest_then_one_line(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        guest.send(b"one\r\ntwo\r\n  indented\r\n")
        shell.expect(b"indented\r\n")
        shell.type(b"~.")
        shell.prompt()
        assert shell.screen() == [
            *hello(guest),
            "one",
            "two",
            "  indented",
            farewell(guest),
            "<0>$",
        ]


def test_the_output_of_the_guest_is_shown_unchanged(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        guest.send(GUEST_BYTES)
        guest.send(b"done\r\n")
        shell.expect(b"done\r\n")
        shell.type(b"keys\r~.")
        shell.prompt()
        guest.wait_closing()
        ours = "".join(f"{line}\r\n" for line in hello(guest)).encode()
        bye = f"{farewell(guest)}\r\n".encode()
        assert shell.output == ours + GUEST_BYTES + b"done\r\n" + bye


def test_each_message_begins_on_a_new_line(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        guest.send(b"login: ")
        shell.expect(b"login: ")
        shell.type(b"\r~v")
        shell.expect(b"verbose\r\n")
        guest.send(b"password: ")
        shell.expect(b"password: ")
        shell.type(b"~.")
        shell.prompt()
        assert shell.screen() == [
            *hello(guest),
            "login:",
            f"{SAID}messages: verbose",
            "password:",
            farewell(guest),
            "<0>$",
        ]


def test_quiet_shows_no_message(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole -q {guest.url}")
        shell.wait_raw()
        guest.send(b"only this\r\n")
        shell.expect(b"only this\r\n")
        shell.type(b"~.")
        assert shell.prompt() == 0
        assert shell.output == b"only this\r\n"


def test_quiet_shows_errors(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        status, output = shell.run("novaconsole -q ws://127.0.0.1:1/")
    assert status == 1
    assert output.startswith(b"novaconsole: cannot connect to 127.0.0.1:1: ")


# ---- the answers to escapes


@pytest.mark.parametrize(("option", "char"), [("", "~"), ("-e @", "@")])
def test_help_shows_the_table_of_escapes(
    tmp_path: Path, option: str, char: str
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"{option} {guest.url}")
        before = len(shell.screen())
        shell.type(char.encode() + b"?")
        shell.expect(b"only right after Enter\r\n")
        table = shell.screen()[before:-1]
        shell.type(char.encode() + b".")
        shell.prompt()
    rows = [tuple(line.removeprefix(SAID).split(maxsplit=1)) for line in table]
    assert rows == [(char + (row.shown or char), row.meaning) for row in ESCAPES]


def test_info_describes_the_connection(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--log log --keepalive 0.1 {guest.url}")
        guest.send(b"12345\r\n")
        shell.expect(b"12345\r\n")
        shell.type(b"abc")
        guest.wait_received(b"abc")
        lines = answers(shell, b"I", b"log: log")
        assert lines[0] == f"attached to: ws://127.0.0.1:{guest.port}/?token=***"
        assert re.fullmatch(r"attached for: 0:00:\d\d", lines[1])
        assert lines[2] in ("bytes: 7 in, 3 out", "bytes: 7 in, 4 out")  # the Enter
        assert re.fullmatch(r"round trip: (not known yet|\d+\.\d ms)", lines[3])
        assert lines[4:] == ["log: log"]
        while not re.fullmatch(r"round trip: \d+\.\d ms", lines[3]):
            lines = answers(shell, b"I", b"log: log")
        shell.type(b"~.")
        shell.prompt()


def test_info_says_what_is_switched_off(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--keepalive 0 {guest.url}")
        lines = answers(shell, b"I", b"log: none")
        assert lines[3:] == ["round trip: not measured (--keepalive 0)", "log: none"]
        shell.type(b"~.")
        shell.prompt()


def test_break_is_explained(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        lines = " ".join(answers(shell, b"B", b"dump create SERVER"))
        assert "cannot carry a BREAK" in lines
        assert "sysrq-trigger" in lines
        shell.type(b"~.")
        shell.prompt()


def test_two_escapes_change_the_verbosity(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        assert answers(shell, b"V", b"quiet") == ["messages: quiet"]
        assert answers(shell, b"V", b"quiet") == ["messages: quiet"]
        assert answers(shell, b"v", b"normal") == ["messages: normal"]
        shell.resize(columns=81, lines=25)
        guest.send(b"meanwhile\r\n")
        shell.expect(b"meanwhile\r\n")  # by now the signal has been handled, too
        assert answers(shell, b"v", b"verbose") == ["messages: verbose"]
        shell.resize(columns=82, lines=26)
        shell.expect(b"the terminal has 82 columns and 26 lines")
        shell.type(b"\r~v~v")
        shell.expect(b"messages: debug\r\n")
        shell.expect(b"messages: debug\r\n")
        shell.type(b"~.")
        shell.prompt()
        assert b"81 columns" not in shell.output


def test_quiet_shows_the_answers_to_escapes(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole -q {guest.url}")
        shell.wait_raw()
        shell.type(b"~?~I")
        shell.expect(b"only right after Enter\r\n")
        shell.expect(b"log: none\r\n")
        shell.type(b"~.")
        shell.prompt()


# ---- options


@pytest.mark.parametrize("option", ["", "-N", "--no-subprotocols"])
def test_the_subprotocol_binary_is_offered_unless_switched_off(
    tmp_path: Path, option: str
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell:
        shell.attach(f"{option} {guest.url}")
        shell.type(b"~.")
        assert shell.prompt() == 0
    offered = b"sec-websocket-protocol: binary" in guest.request.lower()
    assert offered == (not option)
    assert option == "" or b"sec-websocket-protocol" not in guest.request.lower()


@pytest.mark.parametrize("form", ["{}", "--url {}", "--url={}", "'{}'"])
def test_the_url_can_be_an_argument_or_an_option(tmp_path: Path, form: str) -> None:
    with Guest() as guest, Shell(tmp_path) as shell:
        shell.attach(form.format(guest.url))
        shell.type(b"~.")
        assert shell.prompt() == 0
    assert guest.request.startswith(f"GET /?token={TOKEN} HTTP/1.1".encode())


def test_debug_shows_the_protocol(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"-d {guest.url}")
        guest.send(b"hello\r\n")
        shell.expect(b"hello\r\n")
        shell.type(b"~.")
        assert shell.prompt() == 0
        assert b"response: HTTP/1.1 101 Switching Protocols\r\n" in shell.output


# ---- the token


def session(shell: Shell, guest: Guest) -> None:
    shell.wait_raw()
    guest.send(b"hello\r\n")
    shell.type(b"~?~I~v~v\rtyped\r")
    guest.wait_received(b"typed\r")
    shell.expect(b"log: log\r\n")
    shell.type(b"~.")


def interrupted(shell: Shell, guest: Guest) -> None:
    guest.wait_request()
    shell.type(CTRL_C)


def refused(shell: Shell, guest: Guest) -> None:
    guest.close(1008, f"no: token={TOKEN}")


def lost(shell: Shell, guest: Guest) -> None:
    shell.wait_raw()
    guest.send(b"hello\r\n")
    guest.drop(reset=True)


def nothing(shell: Shell, guest: Guest) -> None:
    pass


def rejection(status: str) -> Guest:
    return Guest(answer=f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("make_guest", "happens", "status"),
    [
        pytest.param(Guest, session, 0, id="session"),
        pytest.param(Guest, refused, 3, id="close"),
        pytest.param(Guest, lost, 3, id="drop"),
        pytest.param(lambda: Guest(drops=True), nothing, 3, id="drop at once"),
        pytest.param(lambda: Guest(answer=b""), interrupted, 130, id="mute"),
        pytest.param(lambda: rejection("403 Forbidden"), nothing, 1, id="403"),
        pytest.param(lambda: rejection(f"404 /?token={TOKEN}"), nothing, 1, id="404"),
        pytest.param(lambda: rejection("400 subprotocol"), nothing, 1, id="400"),
        pytest.param(lambda: Guest(answer=b"SSH-2.0-\r\n"), nothing, 1, id="no HTTP"),
        pytest.param(lambda: rejection("101 Yes"), nothing, 1, id="no websocket"),
    ],
)
def test_the_token_is_shown_nowhere(
    tmp_path: Path,
    make_guest: Callable[[], Guest],
    happens: Callable[[Shell, Guest], None],
    status: int,
) -> None:
    with make_guest() as guest, Shell(tmp_path, URL=guest.url) as shell:
        shell.start("novaconsole $URL -d --log log --connect-timeout 5")
        happens(shell, guest)
        assert shell.prompt() == status
        assert b"novaconsole: " in shell.output
        assert TOKEN.encode() not in shell.output
        assert TOKEN.encode() not in (tmp_path / "log").read_bytes()
        assert TOKEN.encode() in guest.request, "else there was nothing to hide"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("ws://127.0.0.1:{port}/?token={token}", 1),
        ("wss://127.0.0.1:{port}/?token={token}", 1),
        ("ws://no-such-host.invalid/?token={token}", 1),
        ("ws://127.0.0.1:{port}/vnc.html?path=%3Ftoken%3D{token}", 2),
        ("ws://127.0.0.1:99999/?token={token}", 2),
        ("ws://127.0.0.1:{token}/?token={token}", 2),
        ("'ws://127.0.0.1/ ?token={token}'", 2),
        ("'ws://[::1/?token={token}'", 2),
        ("ws://user:{token}@127.0.0.1/", 2),
        ("--url http://127.0.0.1:1/?token={token}", 1),
        ("ws://127.0.0.1/ ws://127.0.0.1/?token={token}", 2),
        ("--cacert ws://127.0.0.1/?token={token} vm", 2),
        ("--no-such-option=token={token}", 2),
        ("ws:/127.0.0.1/?token={token}", 2),  # looks like a URL, and is none
    ],
)
def test_the_token_is_shown_in_no_error(
    tmp_path: Path, arguments: str, status: int
) -> None:
    with socket.socket() as unused, Shell(tmp_path) as shell:
        unused.bind(("127.0.0.1", 0))  # refuses connections
        port = unused.getsockname()[1]
        command = f"novaconsole -d {arguments.format(port=port, token=TOKEN)}"
        assert shell.run(command)[0] == status
        assert shell.output.startswith(b"novaconsole: ")
        assert TOKEN.encode() not in shell.output
