"""The options: each has its variable, its help and its default."""

import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import NamedTuple

import pytest
import typer

from cli.runner import TOKEN, URL, Runner
from novaconsole.cli import app as cli
from novaconsole.cli.options import Options, option_groups
from novaconsole.console.connect import ConnectOptions
from support.fake_cloud import FakeCloud


class Upgrade(NamedTuple):
    """The requests that a websocket server has received."""

    url: str
    heads: list[str]


@pytest.fixture
def refusing() -> Iterator[Upgrade]:
    """A server that keeps each request and answers with 403."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        asked = Upgrade(f"ws://127.0.0.1:{port}/?token={TOKEN}", [])

        def serve() -> None:
            while True:
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as lines:
                    head = b"".join(iter(lines.readline, b"\r\n"))
                    if not head:  # the test is over
                        return
                    asked.heads.append(head.decode())
                    connection.sendall(
                        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
                    )

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            with socket.create_connection(("127.0.0.1", port)) as last:
                last.sendall(b"\r\n")
            thread.join()


# ---- environment variables


# For each option: a value for its variable, other arguments, and part of the message.
# Most values are wrong on purpose: the message shows that the value has been read.
# Without a server among the arguments, there is a URL at which nothing listens.
VARIABLES: dict[str, tuple[str, Sequence[str], str]] = {
    "url": (URL, ("-v", "vm"), "is ignored: --url cannot be used with SERVER"),
    "cloud": ("nope", ("vm",), "--cloud (NOVACONSOLE_CLOUD): unknown cloud"),
    "region": ("Nowhere", ("vm", "--cloud", "fake"), "Nowhere"),
    "demo": ("1", ("-v",), "is ignored: --demo cannot be used with --url"),
    "check": ("1", (), "FAIL tcp"),
    "check_enter": ("1", (), "FAIL tcp"),
    "json": ("perhaps", (), "json"),
    "wait": ("1", ("-v",), "is ignored: --wait requires a server name or UUID"),
    "reconnect": ("perhaps", (), "reconnect"),
    "history": ("5", ("-v",), "is ignored: --history requires a server name or UUID"),
    "proxy": ("ftp://h", (), "--proxy (NOVACONSOLE_PROXY): this kind"),
    "escape": ("ab", (), "--escape (NOVACONSOLE_ESCAPE): bad escape"),
    "until": ("a\n(", (), "(NOVACONSOLE_UNTIL): bad regular expression '('"),
    "timeout": ("nan", (), "--timeout (NOVACONSOLE_TIMEOUT) must be"),
    "stdin": ("perhaps", (), "--stdin (NOVACONSOLE_STDIN) must be yes or no"),
    "read_only": ("perhaps", (), "read-only"),
    "run": ("true", ("-v", "--reconnect"), "NOVACONSOLE_RUN is ignored"),
    "login": ("root", ("-v",), "is ignored: --login requires --run"),
    "force_login": ("1", ("-v",), "is ignored: --force-login requires --login"),
    "password_file": ("/missing", ("--run", "true"), "FILE): cannot read /missing"),
    "log": ("/missing/log", (), "--log (NOVACONSOLE_LOG): cannot write the log"),
    "record": ("/missing/vm", (), "--record (NOVACONSOLE_RECORD): cannot write the"),
    "record_input": ("1", ("-v",), "NOVACONSOLE_RECORD_INPUT is ignored"),
    "overwrite": ("1", ("-v",), "NOVACONSOLE_OVERWRITE is ignored"),
    "log_plain": ("perhaps", (), "--log-plain"),
    "log_timestamps": ("perhaps", (), "--log-timestamps"),
    "close_wait": ("nan", (), "--close-wait"),
    "connect_timeout": ("nan", (), "--connect-timeout"),
    "keepalive": ("nan", (), "--keepalive"),
    "cacert": ("/missing.pem", (), "(NOVACONSOLE_CACERT): cannot read /missing.pem"),
    "cert": ("/missing.pem", (), "(NOVACONSOLE_CERT): cannot read /missing.pem"),
    "key": ("/dev/null", ("-v",), "is ignored: --key requires --cert"),
    "insecure": ("1", ("-v", "--cacert", "/etc/passwd"), "INSECURE is ignored"),
    "origin": ("http://a\nX: b", (), "--origin (NOVACONSOLE_ORIGIN) must be one line"),
    "header": ("no colon", (), "--header (NOVACONSOLE_HEADER): bad header"),
    "quiet": ("1", ("-v",), "is ignored: --verbose cannot be used with --quiet"),
    "verbose": ("perhaps", (), "--verbose (NOVACONSOLE_VERBOSE) must be yes or no"),
    "debug": ("1", (), "Traceback"),
}
# For options without a wrong value: a value, and what it does to the upgrade request.
REQUEST_VARIABLES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "no_subprotocols": ("1", lambda head: "Sec-WebSocket-Protocol" not in head),
    "origin": ("https://here", lambda head: "Origin: https://here\r\n" in head),
    "header": (
        "X-One: 1\nX-Two: 2",
        lambda head: "X-One: 1\r\n" in head and "X-Two: 2\r\n" in head,
    ),
}
_NOT_FROM_THE_ENVIRONMENT = {"version", "help", "install_completion", "show_completion"}

_messages_without: dict[str, str] = {}  # by the other arguments


def option_names() -> set[str]:
    command = typer.main.get_command(cli.app)
    with typer.Context(command) as context:
        return {
            parameter.name or ""
            for parameter in command.get_params(context)
            if parameter.param_type_name == "option"
        } - _NOT_FROM_THE_ENVIRONMENT


def test_every_option_has_a_variable_that_is_tested() -> None:
    assert option_names() == VARIABLES.keys() | REQUEST_VARIABLES.keys()


@pytest.mark.parametrize("name", VARIABLES)
def test_an_option_is_read_from_its_variable(
    run: Runner, cloud: FakeCloud, name: str
) -> None:
    value, extra, says = VARIABLES[name]
    config = cloud.config()
    del config["region_name"]
    run.configure(fake=config)
    argv = extra if "vm" in extra else ("--url", cloud.console_url, *extra)

    done = run(*argv, env={f"NOVACONSOLE_{name.upper()}": value})

    assert says in done.stderr
    assert done.returncode in (1, 2)
    key = " ".join(extra)
    if key not in _messages_without:
        _messages_without[key] = run(*argv).stderr
    assert says not in _messages_without[key]


@pytest.mark.parametrize("name", REQUEST_VARIABLES)
def test_an_option_of_the_upgrade_is_read_from_its_variable(
    run: Runner, refusing: Upgrade, name: str
) -> None:
    value, shows = REQUEST_VARIABLES[name]

    run("--url", refusing.url)
    run("--url", refusing.url, env={f"NOVACONSOLE_{name.upper()}": value})

    assert [shows(head) for head in refusing.heads] == [False, True]


def test_an_option_takes_precedence_over_its_variable(
    run: Runner, refusing: Upgrade
) -> None:
    run(
        *("--url", refusing.url, "-H", "X-Mine: 1", "--origin", "https://mine"),
        env={"NOVACONSOLE_HEADER": "X-Other: 2", "NOVACONSOLE_ORIGIN": "https://other"},
    )

    (head,) = refusing.heads
    assert "X-Mine: 1\r\n" in head
    assert "Origin: https://mine\r\n" in head
    assert "other" not in head.lower()


def test_a_variable_can_switch_an_option_off(run: Runner, cloud: FakeCloud) -> None:
    done = run(
        "--url",
        cloud.console_url,
        env={"NOVACONSOLE_DEMO": "0", "NOVACONSOLE_QUIET": "false"},
    )

    assert done.returncode == 1
    assert "cannot connect" in done.stderr


# ---- help


OPTIONS = {
    *("--url", "--cloud", "--region", "--demo", "--check", "--check-enter", "--json"),
    *("-e", "--wait", "--reconnect", "-n", "--history", "--proxy"),
    *("--log-plain", "--log-timestamps"),
    *("--escape", "--log", "--overwrite", "-w", "--close-wait", "-N", "--keepalive"),
    *("--record", "--record-input"),
    *("--no-subprotocols", "--connect-timeout", "--cacert", "--cert", "--key"),
    *("--insecure", "--origin", "-H", "-q", "--quiet", "-v", "--verbose", "-d"),
    *("--debug", "--version", "--help", "--install-completion", "--show-completion"),
}


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_option(run: Runner, option: str) -> None:
    done = run(option)

    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("Usage: novaconsole [OPTIONS] [SERVER]\n")
    named = set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", done.stdout))
    assert named >= OPTIONS
    lines = done.stdout.splitlines()
    assert len(lines) <= 64, "one large screen"
    assert max(map(len, lines)) <= 80


def shown_options() -> dict[str, str]:
    """The help of each option, by the option as it is shown."""
    command = typer.main.get_command(cli.app)
    with typer.Context(command) as context:
        groups = option_groups(command, context).values()
    return {term: text for records in groups for term, text in records}


def test_the_help_of_each_option_is_a_complete_phrase() -> None:
    shown = shown_options()
    assert len(shown) == len(fields(Options)) - 1 + 3  # completion and help are typer's
    for text in shown.values():
        assert re.fullmatch(r"[A-Z][^\n]*[^.]\.", text)


def test_help_shows_each_default_as_it_is_written_in_the_table() -> None:
    defaults = {
        f"--{field.name.replace('_', '-')}": field.default
        for field in fields(Options)
        if field.default not in (None, False, 0)
    }
    assert defaults.keys() == {
        *("--escape", "--close-wait", "--connect-timeout", "--keepalive"),
    }
    for term, text in shown_options().items():
        name = term.split(", ")[-1].split(" ")[0]
        found = re.search(r"\[default: ([^$ ]+)\]\.$", text)
        assert (found[1] if found else None) == (
            str(defaults[name]) if name in defaults else None
        )


def test_the_defaults_are_those_of_the_python_api() -> None:
    """Both are documented, and the two tables cannot import one another."""
    options, connect = Options(), ConnectOptions()
    assert options.connect_timeout == connect.timeout
    assert options.keepalive == connect.keepalive
