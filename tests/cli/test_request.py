"""The request: what is wrong is reported before anything is opened or created."""

import dataclasses
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.runner import SECONDS, TOKEN, URL, Runner, assert_wrong_usage
from novaconsole.cli.options import Options
from novaconsole.cli.password import read_line
from novaconsole.cli.request import parse_escape_char, requested
from novaconsole.errors import UsageError
from novaconsole.session.escapes import show_char
from support.fake_cloud import FakeCloud
from support.pieces import thorough

# ---- wrong usage


def wrong(*argv: str, says: str) -> object:
    return pytest.param(argv, says, id=" ".join(argv) or "nothing")


WRONG_USAGE = [
    wrong(says="no server"),
    wrong("a", "b", says="unexpected"),
    wrong("vm", "--url", URL, says="--url cannot be used with SERVER"),
    wrong("vm", "--demo", says="--demo cannot be used with SERVER"),
    wrong("--url", URL, "--demo", says="--demo cannot be used with --url"),
    wrong(URL, "--url", URL, says="--url cannot be used with SERVER"),
    wrong(URL, "--demo", says="--demo cannot be used with SERVER"),
    wrong("vm", "--nope", says="--nope"),
    wrong("vm", "-e", says="-e"),
    wrong("vm", "--url", says="--url"),
    wrong("vm", "-q", "-v", says="--quiet"),
    wrong("vm", "-q", "-d", says="--quiet"),
    wrong("vm", "--insecure", "--cacert", "/dev/null", says="--insecure"),
    wrong("vm", "--key", "/dev/null", says="--key"),
    wrong("vm", "--cacert", "/missing.pem", says="/missing.pem"),
    wrong("vm", "--cert", "/missing.pem", says="/missing.pem"),
    wrong("vm", "--cert", "/dev/null", "--key", "/missing.pem", says="/missing.pem"),
    wrong("--url", "wss://127.0.0.1:9/", "--cacert", "/dev/null", says="/dev/null"),
    wrong("--url", "wss://127.0.0.1:9/", "--cert", "/dev/null", says="/dev/null"),
    wrong("vm", "-H", "no colon", says="header"),
    wrong("vm", "-H", "bad name: x", says="header"),
    wrong(
        "vm", "--origin", "http://a\nX-Injected: b", says="--origin must be one line"
    ),
    *(
        wrong("vm", f"{option}=", says=f"{option} requires the name of a file")
        for option in ("--log", "--record", "--cacert", "--cert", "--key")
    ),
    wrong("vm", "--login", "root", "--password-file=", says="the name of a file"),
    *(wrong("vm", "-e", char, says="escape") for char in ("ab", "", "é", "^é", "None")),
    wrong("vm", "-w", "-1", says="--close-wait"),
    wrong("vm", "--close-wait", "nan", says="--close-wait"),
    wrong("vm", "--connect-timeout", "soon", says="--connect-timeout"),
    wrong("vm", "--connect-timeout", "-1", says="--connect-timeout"),
    wrong("vm", "--keepalive", "-1", says="--keepalive"),
    wrong("vm", "--keepalive", "nan", says="--keepalive"),
    *(
        wrong("--url", f"{url}?token={TOKEN}", says="websocket URL")
        for url in (
            "ftp://h/",
            "h",
            "ws:///x",
            "ws://h:x/",
            "ws://[::1/",
            "ws://u:p@h/",
        )
    ),
    wrong(f"ws://h:99999/?token={TOKEN}", says="websocket URL"),
    wrong("vm", "--until", "a", "--until", "(", says="regular expression '('"),
    wrong("vm", "--timeout", "-1", says="--timeout"),
    wrong("vm", "--run", "true", says="--log cannot be used with --run"),
    wrong("vm", "--login", "root", says="--login requires --run"),
    wrong("vm", "--password-file", "/dev/null", says="--password-file requires --run"),
    wrong("vm", "--timeout", "nan", says="--timeout"),
]


@pytest.mark.parametrize(("argv", "says"), WRONG_USAGE)
def test_wrong_usage_is_reported_before_anything_is_opened(
    run: Runner, cloud: FakeCloud, argv: Sequence[str], says: str
) -> None:
    log = run.home / "console.log"

    done = run("--log", str(log), *argv, env={"OS_CLOUD": "fake"})

    assert_wrong_usage(done, says)
    assert not log.exists()
    assert not cloud.requests


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--overwrite",), "--overwrite requires --log or --record"),
        (("--record-input",), "--record-input requires --record"),
        (
            ("--log", "one", "--record", "one"),
            "--log and --record cannot write to the same file",
        ),
    ],
)
def test_wrong_usage_of_log_and_recording_creates_neither(
    run: Runner, argv: tuple[str, ...], says: str
) -> None:
    assert_wrong_usage(run("--url", URL, *argv), says)
    assert not (run.home / "one").exists()


def test_a_recording_that_is_refused_leaves_the_old_log(run: Runner) -> None:
    log, cast = run.home / "console.log", run.home / "old.cast"
    log.write_bytes(b"old")
    cast.write_bytes(b"old")

    done = run("--url", URL, "--log", str(log), "--record", str(cast))

    assert_wrong_usage(done, "old.cast already exists")
    assert (log.read_bytes(), cast.read_bytes()) == (b"old", b"old")


@pytest.mark.parametrize("name", ["{host}.log", "{", "{server.wanted}", "{time!r}"])
def test_a_bad_log_name_is_reported_before_the_cloud_is_asked(
    run: Runner, cloud: FakeCloud, name: str
) -> None:
    before = set(run.home.iterdir())
    assert_wrong_usage(run("vm", "--cloud", "fake", "--log", name), "file name")
    assert set(run.home.iterdir()) == before
    assert not cloud.requests


@pytest.mark.parametrize("typed", ["", "\n", "vm\n", f"ftp://h/?token={TOKEN}\n"])
def test_a_line_of_standard_input_that_is_not_a_url_is_wrong_usage(
    run: Runner, typed: str
) -> None:
    log = run.home / "console.log"

    assert_wrong_usage(run("--url", "-", "--log", str(log), typed=typed), "URL")
    assert not log.exists()


@pytest.mark.parametrize("name", ["missing/console.log", ".", "missing/{time}/log"])
def test_a_log_that_cannot_be_written_is_reported_before_the_cloud_is_asked(
    run: Runner, cloud: FakeCloud, name: str
) -> None:
    path = str(run.home / name)
    shown = path.partition("{")[0]

    assert_wrong_usage(run("vm", "--cloud", "fake", "--log", path), shown)
    assert not cloud.requests


@pytest.mark.parametrize(
    ("where", "server"),
    [
        (("vm", "--cloud", "fake"), "vm"),
        (("../x", "--cloud", "fake"), "_._x"),
        (("--url", URL), "127.0.0.1"),
    ],
)
def test_the_log_is_named_after_the_server_as_it_was_given(
    run: Runner, cloud: FakeCloud, where: Sequence[str], server: str
) -> None:
    run(*where, "--log", "{server}.{time}")

    [log] = run.home.glob("*.2*")
    assert re.fullmatch(rf"{re.escape(server)}\.\d{{8}}T\d{{6}}", log.name)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize("option", ["--log", "--record"])
def test_a_file_may_have_the_name_that_the_hint_gives(run: Runner, option: str) -> None:
    refused = run("--url", URL, option, "-")
    assert_wrong_usage(refused, f"{option} cannot write to standard output")
    assert refused.stderr.endswith(f"name a file: {option} ./-\n")
    assert not [*run.home.iterdir()]

    run("--url", URL, option, "./-")

    assert [file.name for file in run.home.iterdir()] == ["-"]


@pytest.mark.parametrize("place", ["-", "/dev/null"])
def test_a_file_without_a_password_is_wrong_usage(run: Runner, place: str) -> None:
    argv = ("--url", URL, "--run", "true", "--login", "root", "--password-file", place)

    for typed in ("", "\n", "\r\nsecret\n"):
        assert_wrong_usage(run(*argv, typed=typed), "--password-file: no password in")


def test_a_password_may_come_from_a_file_named_like_standard_input(
    run: Runner,
) -> None:
    (run.home / "-").write_text("secret\n")
    argv = ("--url", URL, "--run", "true", "--login", "root", "--password-file", "./-")

    assert "cannot connect" in run(*argv).stderr


@pytest.mark.parametrize("name", ["cacert", "cert", "key"])
def test_a_default_certificate_does_not_keep_the_demo_from_starting(
    run: Runner, name: str
) -> None:
    variables = {f"NOVACONSOLE_{name.upper()}": "/missing", "NOVACONSOLE_CERT": "/no"}

    assert run("--demo", env=variables).returncode == 0
    assert_wrong_usage(run("--demo", f"--{name}=/missing", "--cert=/no"), "cannot read")


def test_a_default_certificate_that_is_none_is_named_by_its_variable(
    run: Runner,
) -> None:
    done = run("--url", URL, env={"NOVACONSOLE_CERT": "/dev/null"})
    assert_wrong_usage(done, "--cert (NOVACONSOLE_CERT): /dev/null: not a PEM file")
    done = run("--url", URL, env={"NOVACONSOLE_CACERT": "/dev/null"})
    assert_wrong_usage(done, "--cacert (NOVACONSOLE_CACERT): /dev/null: not a PEM")


# ---- the escape character


@pytest.mark.parametrize(
    ("text", "char"),
    [
        ("~", b"~"),
        ("@", b"@"),
        (" ", b" "),
        ("n", b"n"),
        ("^", b"^"),
        ("^A", b"\x01"),
        ("^a", b"\x01"),
        ("^z", b"\x1a"),
        ("^@", b"\x00"),
        ("^[", b"\x1b"),
        ("^\\", b"\x1c"),
        ("^]", b"\x1d"),
        ("^^", b"\x1e"),
        ("^_", b"\x1f"),
        ("^?", b"\x7f"),
        ("\x01", b"\x01"),
        ("none", None),
    ],
)
def test_an_escape_character_is_a_character_or_a_caret_form_or_none(
    text: str, char: bytes | None
) -> None:
    assert parse_escape_char(text) == char


@pytest.mark.parametrize(
    "text",
    [
        *("", "~~", "~.", "^~", "^1", "^ ", "^ab", "None", "nonexistent", "\udcff"),
        *("é", "€", "^é", "^ß", "^ǰ", "^\u0131"),  # capitals: SS, J and more, I
        *("\r", "\n", "^M", "^m", "^J"),
    ],
)
def test_a_bad_escape_character_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_escape_char(text)
    assert caught.value.exit_status == 2
    assert caught.value.hint


@thorough
@given(st.text(max_size=3) | st.characters().map("^".__add__))
def test_any_text_is_an_escape_character_or_refused(text: str) -> None:
    try:
        char = parse_escape_char(text)
    except UsageError:
        return
    assert char is None or (len(char) == 1 and char < b"\x80")


@pytest.mark.parametrize("code", sorted(set(range(128)) - {0x0A, 0x0D}))
def test_an_escape_character_can_be_given_as_it_is_shown(code: int) -> None:
    char = bytes([code])
    assert show_char(char).isprintable()
    assert parse_escape_char(show_char(char)) == char


# ---- the line of --url -


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        os.close(fd)


@pytest.mark.parametrize(
    ("written", "line", "rest"),
    [
        (b"one\ntwo\n", b"one", b"two\n"),
        (b"one\r\ntwo", b"one\r", b"two"),
        (b"\none\n", b"", b"one\n"),
        (b"one", b"one", b""),
        (b"", b"", b""),
        (b"\xff\x00\n\xff", b"\xff\x00", b"\xff"),
        (b"12345678\n", b"12345678", b"\n"),
        (b"123456789\n", b"12345678", b"9\n"),
    ],
)
def test_one_line_is_read_and_nothing_after_it(
    written: bytes, line: bytes, rest: bytes
) -> None:
    reader, writer = os.pipe()
    os.write(writer, written)
    os.close(writer)
    with open(reader, "rb", buffering=0) as pipe:
        assert read_line(reader, 8) == line
        assert pipe.readall() == rest


def test_the_rest_of_a_file_is_left_unread(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"url\ndata\n")
    with path.open("rb", buffering=0) as file:
        assert read_line(file.fileno(), 100) == b"url"
        assert file.tell() == 4


def test_a_line_that_comes_in_parts_is_waited_for(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    lines: list[bytes] = []
    thread = threading.Thread(target=lambda: lines.append(read_line(reader, 100)))
    thread.start()
    for part in (b"on", b"e\n"):
        assert thread.is_alive()
        os.write(writer, part)
    thread.join(20)
    assert lines == [b"one"]


# ---- the password


@pytest.mark.parametrize("key", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_a_password_prompt_that_is_left_ends_with_130(run: Runner, key: bytes) -> None:
    with run.on_a_terminal("--run", "true", "--login", "root", URL) as terminal:
        terminal.expect_exact("password of root in the guest: ")
        terminal.send(key)
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 130
    assert b"novaconsole: " not in (terminal.before or b"")


# ---- the value


@pytest.mark.parametrize(
    "options",
    [
        Options(server="vm", log=Path("log"), record=Path("cast"), overwrite=True),
        Options(url=URL, run="true", timeout=5),
        Options(url=URL, check=True),
        Options(demo=True),
    ],
    ids=["attach", "run", "check", "demo"],
)
def test_a_request_is_frozen_and_holds_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Options
) -> None:
    monkeypatch.chdir(tmp_path)
    requested(options)  # what it imports may keep files open
    before = os.listdir("/dev/fd")

    request = requested(options)

    assert os.listdir("/dev/fd") == before
    assert not [*tmp_path.iterdir()]
    name = "any"
    for value in (options, request, request.location, request.connect):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, None)


LIGHT_ERRORS = [
    *([], ["--nope"], ["vm", "--demo"], ["vm", "--key", "/dev/null"]),
    *(["vm", "-e", "ab"], ["vm", "--timeout", "nan"], ["vm", "-H", "no colon"]),
    *(["vm", "--until", "("], ["vm", "--proxy", "ftp://h"], ["ws://h:x/"]),
    *(["vm", "--cacert", "/missing.pem"], ["vm", "--log", "one", "--record", "one"]),
]


@pytest.mark.parametrize("argv", LIGHT_ERRORS, ids=" ".join)
def test_a_usage_error_waits_for_no_heavy_library(run: Runner, argv: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "novaconsole", *argv],
        env=run.environment,
        cwd=run.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 2
    assert "novaconsole.cli.request" in modules
    assert not modules & {"trio", "openstack", "keystoneauth1", "pydantic"}
