"""The command line: what is wrong is said before anything happens, the rest works."""

import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

import pexpect
import pytest
import typer

import novaconsole
import support.fake_cloud as fake
from novaconsole import __main__
from novaconsole.cli import app as cli
from support import program
from support.certificates import Certificates
from support.fake_cloud import FakeCloud, write_clouds
from support.guests import over_websocket

TOKEN = "33334444-token-of-a-url"
URL = f"ws://127.0.0.1:9/?token={TOKEN}"
# Starting Python and openstacksdk takes a second where the machine is busy.
SECONDS = 30


@dataclass
class Runner:
    """Runs the program in an empty home directory."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environment = program.environment(self.home)

    def configure(self, **clouds: dict[str, object]) -> None:
        path = write_clouds(self.home / "my-clouds.yaml", **clouds)
        self.environment["OS_CLIENT_CONFIG_FILE"] = str(path)

    def __call__(
        self, *argv: str, env: Mapping[str, str] = {}, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        done = self.with_command(program.PROGRAM, *argv, env=env, typed=typed)
        foreign = [
            line
            for line in done.stderr.splitlines()
            if not line.startswith("novaconsole: ")
        ]
        assert not foreign
        assert not [s for s in (*fake.SECRETS, TOKEN) if s in done.stdout + done.stderr]
        return done

    def with_command(
        self,
        command: Sequence[str],
        *argv: str,
        env: Mapping[str, str] = {},
        typed: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run the program by another command than the usual."""
        done = program.run(
            self.home,
            *argv,
            command=command,
            typed=typed.encode(),
            timeout=SECONDS,
            variables=self.environment | dict(env),
        )
        out, err = (
            stream.decode().replace("\r\n", "\n")
            for stream in (done.stdout, done.stderr)
        )
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


@pytest.fixture
def cloud(run: Runner) -> Iterator[FakeCloud]:
    """A cloud with a server `vm`, configured as `fake`."""
    with fake.fake_cloud() as cloud:
        cloud.add("vm")
        run.configure(fake=cloud.config())
        yield cloud


class Upgrade(NamedTuple):
    """What a websocket server was asked."""

    url: str
    heads: list[str]


@pytest.fixture
def refusing() -> Iterator[Upgrade]:
    """A server that writes the request down and answers 403."""
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


ANSWERING = 'while read line; do echo "got $line"; done'


# ---- wrong usage


def wrong(*argv: str, says: str) -> object:
    return pytest.param(argv, says, id=" ".join(argv) or "nothing")


WRONG_USAGE = [
    wrong(says="no server"),
    wrong("a", "b", says="unexpected"),
    wrong("vm", "--url", URL, says="exclude one another"),
    wrong("vm", "--demo", says="exclude one another"),
    wrong("--url", URL, "--demo", says="exclude one another"),
    wrong(URL, "--url", URL, says="exclude one another"),
    wrong(URL, "--demo", says="exclude one another"),
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
    wrong("vm", "--origin", "http://a\nX-Injected: b", says="header"),
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
            "http://h/",
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
    wrong("vm", "--run", "true", says="--run excludes"),  # --log
    wrong("vm", "--login", "root", says="want --run"),
    wrong("vm", "--password-file", "/dev/null", says="want --run"),
    wrong("vm", "--timeout", "nan", says="--timeout"),
]


def assert_wrong_usage(done: subprocess.CompletedProcess[str], says: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 2
    assert says in lines[0]


@pytest.mark.parametrize(("argv", "says"), WRONG_USAGE)
def test_wrong_usage_is_told_in_a_line_before_anything_happens(
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
        (("--overwrite",), "--overwrite wants --log or --record"),
        (("--record-input",), "--record-input wants --record"),
        (("--log", "one", "--record", "one"), "want a file each"),
    ],
)
def test_wrong_usage_of_the_files(
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
def test_a_bad_name_for_the_log_is_told_before_the_cloud_is_asked(
    run: Runner, cloud: FakeCloud, name: str
) -> None:
    before = set(run.home.iterdir())
    assert_wrong_usage(
        run("vm", "--cloud", "fake", "--log", name), "a file name cannot contain"
    )
    assert set(run.home.iterdir()) == before
    assert not cloud.requests


@pytest.mark.parametrize("typed", ["", "\n", "vm\n", f"http://h/?token={TOKEN}\n"])
def test_standard_input_that_is_no_url_is_wrong_usage(run: Runner, typed: str) -> None:
    log = run.home / "console.log"

    assert_wrong_usage(run("--url", "-", "--log", str(log), typed=typed), "URL")
    assert not log.exists()


@pytest.mark.parametrize("name", ["missing/console.log", ".", "missing/{time}/log"])
def test_a_log_that_cannot_be_written_is_told_before_the_cloud_is_asked(
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


# ---- environment variables


# For each option: a value for its variable, other arguments, and what then is said.
# Most values are wrong on purpose: the complaint shows that the value has arrived.
# Where no server is named, there is a URL where nobody listens.
VARIABLES: dict[str, tuple[str, Sequence[str], str]] = {
    "url": (URL, ("vm",), "SERVER and --url exclude one another"),
    "cloud": ("nope", ("vm",), "nope"),
    "region": ("Nowhere", ("vm", "--cloud", "fake"), "Nowhere"),
    "demo": ("1", (), "--url and --demo exclude one another"),
    "check": ("1", (), "FAIL tcp"),
    "check_enter": ("1", (), "FAIL tcp"),
    "json": ("perhaps", (), "json"),
    "wait": ("1", (), "--wait wants a server's name"),
    "reconnect": ("perhaps", (), "reconnect"),
    "history": ("5", (), "--history wants a server's name"),
    "proxy": ("ftp://h", (), "--proxy"),
    "escape": ("ab", (), "escape"),
    "until": ("a\n(", (), "bad regular expression '('"),
    "timeout": ("nan", (), "--timeout"),
    "read_only": ("perhaps", (), "read-only"),
    "run": ("true", ("--reconnect",), "--run excludes"),
    "login": ("root", (), "want --run"),
    "password_file": ("/missing", ("--run", "true"), "cannot read /missing"),
    "log": ("/missing/console.log", (), "/missing/console.log"),
    "record": ("/missing/vm.cast", (), "/missing/vm.cast"),
    "record_input": ("1", (), "--record-input"),
    "overwrite": ("1", (), "--overwrite"),
    "log_plain": ("perhaps", (), "--log-plain"),
    "log_timestamps": ("perhaps", (), "--log-timestamps"),
    "close_wait": ("nan", (), "--close-wait"),
    "connect_timeout": ("nan", (), "--connect-timeout"),
    "keepalive": ("nan", (), "--keepalive"),
    "cacert": ("/missing.pem", (), "--cacert: cannot read /missing.pem"),
    "cert": ("/missing.pem", (), "--cert: cannot read /missing.pem"),
    "key": ("/dev/null", (), "--key"),
    "insecure": ("1", ("--cacert", "/etc/passwd"), "--insecure"),
    "origin": ("http://a\nX: b", (), "header"),
    "header": ("no colon", (), "header"),
    "quiet": ("1", ("-v",), "--quiet"),
    "verbose": ("1", ("-q",), "--quiet"),
    "debug": ("1", ("-q",), "--quiet"),
}
# What cannot be a complaint: the value, and what it does to the request.
REQUEST_VARIABLES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "no_subprotocols": ("1", lambda head: "Sec-WebSocket-Protocol" not in head),
    "origin": ("https://here", lambda head: "Origin: https://here\r\n" in head),
    "header": (
        "X-One: 1\nX-Two: 2",
        lambda head: "X-One: 1\r\n" in head and "X-Two: 2\r\n" in head,
    ),
}
_NOT_FROM_THE_ENVIRONMENT = {"version", "help", "install_completion", "show_completion"}

_said_without: dict[str, str] = {}  # by the other arguments


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
    if key not in _said_without:
        _said_without[key] = run(*argv).stderr
    assert says not in _said_without[key]


@pytest.mark.parametrize("name", REQUEST_VARIABLES)
def test_an_option_of_the_request_is_read_from_its_variable(
    run: Runner, refusing: Upgrade, name: str
) -> None:
    value, shows = REQUEST_VARIABLES[name]

    run("--url", refusing.url)
    run("--url", refusing.url, env={f"NOVACONSOLE_{name.upper()}": value})

    assert [shows(head) for head in refusing.heads] == [False, True]


def test_an_option_comes_before_its_variable(run: Runner, refusing: Upgrade) -> None:
    run(
        *("--url", refusing.url, "-H", "X-Mine: 1", "--origin", "https://mine"),
        env={"NOVACONSOLE_HEADER": "X-Other: 2", "NOVACONSOLE_ORIGIN": "https://other"},
    )

    (head,) = refusing.heads
    assert "X-Mine: 1\r\n" in head
    assert "Origin: https://mine\r\n" in head
    assert "other" not in head.lower()


def test_a_switch_is_off_where_its_variable_says_so(
    run: Runner, cloud: FakeCloud
) -> None:
    done = run(
        "--url",
        cloud.console_url,
        env={"NOVACONSOLE_DEMO": "0", "NOVACONSOLE_QUIET": "false"},
    )

    assert done.returncode == 1
    assert "cannot connect" in done.stderr


# ---- help, version, names


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


def test_version_goes_to_standard_output(run: Runner) -> None:
    done = run("--version")

    assert done.returncode == 0
    assert done.stdout == f"novaconsole {novaconsole.__version__}\n"
    assert done.stderr == ""


def test_the_installed_command_is_the_same_program() -> None:
    (entry,) = entry_points(group="console_scripts", name="novaconsole")

    assert entry.load() is __main__.main


@pytest.mark.parametrize(
    ("argv", "not_imported"),
    [
        (["--help"], ["trio", "openstack"]),
        (["--version"], ["trio", "openstack"]),
        (["--url"], ["openstack", "requests"]),
    ],
)
def test_only_what_is_needed_is_imported(
    run: Runner, cloud: FakeCloud, argv: list[str], not_imported: list[str]
) -> None:
    if argv == ["--url"]:
        argv = ["--url", cloud.console_url]

    done = run.with_command(program.command("-X", "importtime"), *argv)

    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "novaconsole.cli.app" in modules
    assert not modules & set(not_imported)


# ---- a server of a cloud


def test_a_server_is_attached_to_by_its_name(run: Runner, cloud: FakeCloud) -> None:
    with over_websocket("sh", "-c", ANSWERING) as cloud.console_url:
        done = run("vm", "--cloud", "fake", typed="hello\n")

    assert done.returncode == 0
    assert "got hello\n" in done.stdout
    address = cloud.console_url.partition("?")[0]
    assert done.stderr == f"novaconsole: connected to: vm ({address}?token=***)\n"


def test_cloud_and_region_have_the_names_of_the_openstack_client(
    run: Runner, cloud: FakeCloud
) -> None:
    run.configure(
        fake=cloud.config(regions=list(fake.REGIONS)), other=cloud.config(auth={})
    )

    done = run("vm", "--os-cloud", "fake", "--os-region-name", "RegionTwo")

    assert "cannot connect" in done.stderr
    assert "/compute/RegionTwo/v2.1/servers/detail" in cloud.paths("GET")


def test_os_variables_alone_are_enough(run: Runner, cloud: FakeCloud) -> None:
    del run.environment["OS_CLIENT_CONFIG_FILE"]

    done = run("vm", env=cloud.environment())

    assert "cannot connect" in done.stderr


def test_without_any_cloud_the_ways_to_name_one_are_told(run: Runner) -> None:
    done = run("vm")

    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 2
    for way in ("--cloud", "OS_CLOUD", "clouds.yaml", "openrc", "--demo"):
        assert way in done.stderr


def test_an_error_of_the_cloud_is_one_message_with_a_hint(
    run: Runner, cloud: FakeCloud
) -> None:
    cloud.servers[0].status = "SHUTOFF"

    done = run("vm", "--cloud", "fake")

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "novaconsole: server 'vm' is SHUTOFF, not ACTIVE\n"
        "novaconsole: start it: openstack server start " + cloud.servers[0].id + "\n"
    )


def test_names_of_the_cloud_cannot_drive_the_terminal(
    run: Runner, cloud: FakeCloud
) -> None:
    cloud.add("evil\x1b[2J\nname")

    done = run("evil\x1b[2J\nname", "--cloud", "fake", "-v")

    assert done.returncode == 1
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "", "ws://127.0.0.1:x/"])
def test_a_console_url_that_is_none_is_the_fault_of_the_cloud(
    run: Runner, cloud: FakeCloud, url: str
) -> None:
    cloud.console_url = url

    done = run("vm", "--cloud", "fake")

    assert done.returncode == 1
    assert "URL" in done.stderr
    assert "cloud" in done.stderr


@pytest.mark.parametrize(
    ("configured", "argv"),
    [
        ({"cacert": "/dev/null"}, ["--insecure"]),
        ({"verify": False}, ["--cacert", "ca.pem"]),
        ({"profile": "unknown-vendor"}, []),
    ],
)
def test_libraries_do_not_talk_into_standard_error(
    run: Runner,
    cloud: FakeCloud,
    certificates: Certificates,
    configured: dict[str, object],
    argv: list[str],
) -> None:
    """Every run checks that its lines are ours; these make openstacksdk warn."""
    shutil.copy(certificates.cacert, run.home / "ca.pem")
    run.configure(fake=cloud.config(**configured))

    assert "cannot connect" in run("vm", "--cloud", "fake", *argv).stderr


def test_quiet_leaves_only_errors(run: Runner, cloud: FakeCloud) -> None:
    with over_websocket("sh", "-c", ANSWERING) as cloud.console_url:
        attached = run("vm", "--cloud", "fake", "-q", typed="hello\n")
    cloud.servers.clear()
    failed = run("vm", "--cloud", "fake", "-q")

    assert (attached.returncode, attached.stderr) == (0, "")
    assert failed.returncode == 1
    assert "no server 'vm'" in failed.stderr


# ---- secrets


def test_debug_shows_the_protocol_and_no_secret(run: Runner, cloud: FakeCloud) -> None:
    """Every run checks for secrets; here there is most to check."""
    with over_websocket("sh", "-c", ANSWERING) as cloud.console_url:
        token = cloud.console_url.partition("token=")[2]
        done = run("vm", "--cloud", "fake", "--debug", typed="hello\n")

    assert done.returncode == 0
    for shown in ("/servers/detail", "remote-consoles", "token=***", "101"):
        assert shown in done.stderr
    assert token not in done.stderr


@pytest.mark.parametrize("wrong_place", ["credentials", "console", "websocket"])
def test_debug_shows_what_went_wrong_and_no_secret(
    run: Runner, cloud: FakeCloud, wrong_place: str
) -> None:
    cloud.console_url = cloud.console_url.replace("token=", "path=%3Ftoken%3D")
    if wrong_place == "credentials":
        run.configure(fake=cloud.config(auth=cloud.auth(username="nobody")))
    elif wrong_place == "console":
        cloud.console_fault = fake.fault(500, f"no {cloud.console_url} today")
    causes = {
        "credentials": "keystoneauth1.exceptions.http.Unauthorized",
        "console": "CloudUnreachable: the cloud did not",
        "websocket": "ConnectionRefusedError",
    }

    done = run("vm", "--cloud", "fake", "-d")

    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert causes[wrong_place] in done.stderr


# ---- the keyboard and signals


def test_the_escape_character_may_be_attached_to_its_option(run: Runner) -> None:
    with over_websocket("sh", "-c", ANSWERING) as url:
        started = program.on_a_terminal(run.home, "-e@", url, variables=run.environment)
        with started as terminal:
            terminal.expect_exact('type "@." to disconnect')
            terminal.send(b"~.\r")
            terminal.expect_exact("got ~.")
            terminal.send(b"@.")
            terminal.expect_exact("disconnected from")
            terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 0


WAITING_FOR = [
    "/identity/v3/auth/tokens",
    "/compute/v2.1/servers/detail",
]


@pytest.mark.parametrize("path", WAITING_FOR)
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_for_a_slow_cloud(
    run: Runner, cloud: FakeCloud, path: str, signum: signal.Signals
) -> None:
    cloud.stall(path)
    arguments = ("vm", "--cloud", "fake")
    with program.piped(run.home, *arguments, variables=run.environment) as process:
        cloud.wait_for_request(path)
        start = time.monotonic()
        process.send_signal(signum)
        output, messages = process.communicate(timeout=SECONDS)

    assert time.monotonic() - start < 1  # the cloud would not answer at all
    assert process.returncode == 128 + signum
    assert (output, messages) == (b"", b"")


def test_ctrl_c_ends_the_wait_for_a_slow_cloud(run: Runner, cloud: FakeCloud) -> None:
    cloud.stall("/identity/v3/auth/tokens")
    arguments = ("vm", "--cloud", "fake")
    started = program.on_a_terminal(run.home, *arguments, variables=run.environment)
    with started as terminal:
        cloud.wait_for_request("/identity/v3/auth/tokens")
        start = time.monotonic()
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
        assert time.monotonic() - start < 1
        assert terminal.before == b"^C"
    assert terminal.exitstatus == 130


# ---- completion


@dataclass
class Bash:
    """Completes as bash does, with the script that the program itself gives."""

    run: Runner
    directory: Path

    @cached_property
    def script(self) -> str:
        return self.run(env={"_NOVACONSOLE_COMPLETE": "source_bash"}).stdout

    def __call__(self, *words: str) -> tuple[list[str], str]:
        """What is offered for the last word, and what lands on standard error."""
        function = re.search(r"complete .*-F (\w+) novaconsole", self.script)
        assert function
        quoted = " ".join(f"'{word}'" for word in ("novaconsole", *words))
        done = subprocess.run(
            ["bash", "--norc"],
            input=(
                f"{self.script}\nCOMP_WORDS=({quoted}) COMP_CWORD={len(words)}\n"
                f"{function[1]} novaconsole '{words[-1]}' '{words[-2:-1]}'\n"
                'printf "%s\\n" "${COMPREPLY[@]}"\n'
            ),
            env=self.run.environment
            | {"PATH": f"{self.directory}:{self.run.environment['PATH']}"},
            cwd=self.run.home,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        return [line for line in done.stdout.splitlines() if line], done.stderr


@pytest.fixture
def bash(run: Runner, tmp_path: Path) -> Bash:
    return Bash(run, program.install(tmp_path).parent)


@pytest.mark.parametrize("option", ["--cloud", "--os-cloud"])
def test_cloud_names_complete(
    run: Runner, cloud: FakeCloud, bash: Bash, option: str
) -> None:
    entry = cloud.config()
    run.configure(production=entry, preview=entry, fake=entry)

    assert bash(option, "pr") == (["preview", "production"], "")
    assert bash(option, "") == (["fake", "preview", "production"], "")
    assert not cloud.requests


def test_without_a_clouds_yaml_no_cloud_name_completes(bash: Bash) -> None:
    assert bash("--cloud", "") == ([], "")


def test_server_names_complete(run: Runner, cloud: FakeCloud, bash: Bash) -> None:
    for name in ("web1", "web2", "Web3", "db"):
        cloud.add(name)
    run.configure(fake=cloud.config(), other=cloud.config(auth={}))

    assert bash("--cloud", "fake", "we") == (["web1", "web2"], "")
    assert bash("--cloud", "fake", "") == (["Web3", "db", "vm", "web1", "web2"], "")
    assert bash("--cloud", "fake", "nope") == ([], "")
    run.environment["NOVACONSOLE_CLOUD"] = "fake"
    assert bash("web2") == (["web2"], "")


def test_options_complete(bash: Bash) -> None:
    assert bash("--cl") == (["--cloud", "--close-wait"], "")


def test_a_completion_that_fails_offers_nothing_and_says_nothing(
    run: Runner, cloud: FakeCloud, bash: Bash
) -> None:
    run.configure(fake=cloud.config(auth=cloud.auth(password="wrong")))

    assert bash("--cloud", "fake", "") == ([], "")
    assert bash("--cloud", "unknown", "") == ([], "")
    (run.home / "my-clouds.yaml").write_text("clouds: {broken: [")
    assert bash("--cloud", "") == ([], "")
    assert bash("--cloud", "broken", "") == ([], "")


@pytest.mark.parametrize(("shell", "form"), [("zsh", '"{}"'), ("fish", "{}")])
def test_other_shells_complete(
    run: Runner, cloud: FakeCloud, shell: str, form: str
) -> None:
    done = run(
        env={
            "_NOVACONSOLE_COMPLETE": f"complete_{shell}",
            "_TYPER_COMPLETE_ARGS": "novaconsole --cloud fake v",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
    )

    assert form.format("vm") in done.stdout
    assert done.returncode == 0


def test_there_is_no_check_of_the_demo(run: Runner) -> None:
    assert_wrong_usage(run("--demo", "--check"), "--check wants a server or a URL")
