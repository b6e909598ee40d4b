"""The process: standard streams, messages of libraries, secrets, signals, status."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path

import pexpect
import pytest
import trustme

from cli.runner import SECONDS, Runner
from novaconsole.cli import process
from novaconsole.cli.process import ensure_standard_streams
from novaconsole.errors import ConnectionLost, NovaConsoleError, TimedOut, UsageError
from support import fake_cloud as fake
from support.fake_cloud import FakeCloud
from support.guests import over_websocket
from support.program import PROGRAM

REPORT = """
import json, os, sys
from novaconsole.cli.process import ensure_standard_streams
report = int(sys.argv[1])
ensure_standard_streams()
files = [os.stat(fd) for fd in range(3)]
next_fd = os.open(os.devnull, os.O_RDONLY)
os.write(report, json.dumps([[f.st_dev, f.st_ino] for f in files] + [next_fd]).encode())
"""


@pytest.mark.parametrize(
    "closed",
    [closed for n in range(4) for closed in combinations(range(3), n)],
    ids=lambda closed: "".join(map(str, closed)) or "none",
)
def test_closed_streams_become_dev_null_and_open_ones_stay(
    closed: tuple[int, ...], tmp_path: Path
) -> None:
    close = " ".join(f"{fd}>&-" for fd in closed)
    paths = [tmp_path / str(fd) for fd in range(3)]
    reader, writer = os.pipe()
    with paths[0].open("w+") as a, paths[1].open("w") as b, paths[2].open("w") as c:
        command = ["sh", "-c", f'exec "$0" "$@" {close}', sys.executable, "-bb", "-c"]
        status = subprocess.call(
            [*command, REPORT, str(writer)],
            stdin=a,
            stdout=b,
            stderr=c,
            pass_fds=[writer],
        )
    os.close(writer)
    with open(reader, "rb") as report:
        *files, next_fd = json.loads(report.read())
    assert status == 0
    expected = [Path(os.devnull) if fd in closed else paths[fd] for fd in range(3)]
    stats = [path.stat() for path in expected]
    assert files == [[stat.st_dev, stat.st_ino] for stat in stats]
    assert next_fd > 2


def test_with_all_standard_streams_open_nothing_is_opened() -> None:
    before = os.listdir("/dev/fd")
    ensure_standard_streams()
    assert os.listdir("/dev/fd") == before


ANSWERING = 'while read line; do echo "got $line"; done'


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


def test_without_a_cloud_the_message_names_every_way_to_choose_one(run: Runner) -> None:
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


def test_control_sequences_in_a_server_name_do_not_reach_the_terminal(
    run: Runner, cloud: FakeCloud
) -> None:
    cloud.add("evil\x1b[2J\nname")

    done = run("evil\x1b[2J\nname", "--cloud", "fake", "-v")

    assert done.returncode == 1
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "", "ws://127.0.0.1:x/"])
def test_an_unusable_console_url_is_reported_as_a_fault_of_the_cloud(
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
def test_warnings_of_libraries_do_not_reach_standard_error(
    run: Runner, cloud: FakeCloud, configured: dict[str, object], argv: list[str]
) -> None:
    """The runner checks that each line is ours; these make openstacksdk warn."""
    trustme.CA().cert_pem.write_to_path(run.home / "ca.pem")
    run.configure(fake=cloud.config(**configured))

    assert "cannot connect" in run("vm", "--cloud", "fake", *argv).stderr


def test_with_quiet_only_errors_are_shown(run: Runner, cloud: FakeCloud) -> None:
    with over_websocket("sh", "-c", ANSWERING) as cloud.console_url:
        attached = run("vm", "--cloud", "fake", "-q", typed="hello\n")
    cloud.servers.clear()
    failed = run("vm", "--cloud", "fake", "-q")

    assert (attached.returncode, attached.stderr) == (0, "")
    assert failed.returncode == 1
    assert "no server 'vm'" in failed.stderr


# ---- secrets


def test_debug_shows_the_protocol_and_no_secret(run: Runner, cloud: FakeCloud) -> None:
    """The runner looks for secrets; a debug run has the most to look at."""
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
    with (
        over_websocket("sh", "-c", ANSWERING) as url,
        run.on_a_terminal("-e@", url) as terminal,
    ):
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
    with run.piped("vm", "--cloud", "fake") as program:
        cloud.wait_for_request(path)
        start = time.monotonic()
        program.send_signal(signum)
        output, messages = program.communicate(timeout=SECONDS)

    assert time.monotonic() - start < 1  # the cloud would not answer at all
    assert program.returncode == 128 + signum
    assert (output, messages) == (b"", b"")


def test_ctrl_c_ends_the_wait_for_a_slow_cloud(run: Runner, cloud: FakeCloud) -> None:
    cloud.stall("/identity/v3/auth/tokens")
    with run.on_a_terminal("vm", "--cloud", "fake") as terminal:
        cloud.wait_for_request("/identity/v3/auth/tokens")
        start = time.monotonic()
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
        assert time.monotonic() - start < 1
        assert terminal.before == b"^C\r\n"
    assert terminal.exitstatus == 130


# ---- the exit status


class Exited(Exception):
    """In place of os._exit."""


def status_of(run: object, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the status with which `exit_with` ends the process."""

    def exit_instead(status: int) -> None:
        raise Exited(status)

    monkeypatch.setattr(os, "_exit", exit_instead)
    with pytest.raises(Exited) as caught:
        process.exit_with(run)  # type: ignore[arg-type] # a stand-in
    return int(caught.value.args[0])


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UsageError("bad", "give a good one"), 2, "bad\nnovaconsole: give a good one"),
        (NovaConsoleError("bad"), 1, "bad"),
        (ConnectionLost("lost"), 3, "lost"),
        (TimedOut("late"), 124, "late"),
        (OSError(28, "No space left"), 1, "cannot write the output: No space left"),
    ],
)
def test_an_error_becomes_a_message_and_its_status(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    error: Exception,
    status: int,
    message: str,
) -> None:
    def fail() -> int:
        raise error

    assert status_of(fail, monkeypatch) == status
    assert capfd.readouterr() == ("", f"novaconsole: {message}\n")


def test_ctrl_c_before_a_session_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> int:
        raise KeyboardInterrupt

    assert status_of(interrupt, monkeypatch) == 130
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("argv", [["vm", "-q", "-v"], ["vm", "--key", "/dev/null"]])
def test_with_json_a_usage_error_is_an_event(run: Runner, argv: list[str]) -> None:
    done = run.with_command(PROGRAM, "--json", *argv)

    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["event"] for event in events] == ["error", "ended"]
    assert [event["status"] for event in events] == [2, 2]
    assert done.returncode == 2


# ---- what libraries say


@pytest.mark.parametrize("options", [[], ["-q"], ["-v"], ["--check"]])
def test_a_login_in_a_browser_is_announced(
    run: Runner, cloud: FakeCloud, options: list[str]
) -> None:
    run.configure(fake=cloud.device_login())

    done = run("vm", "--cloud", "fake", *options)

    assert done.stderr.count(fake.VERIFICATION_URI) == 1
    assert fake.USER_CODE in done.stderr
    assert cloud.tokens == 2


def test_a_file_that_is_not_read_is_announced(run: Runner, cloud: FakeCloud) -> None:
    (run.home / "clouds.yaml").write_text("clouds:\n\tfake: {password: secret}\n")
    del run.environment["OS_CLIENT_CONFIG_FILE"]

    done = run("vm", env=cloud.environment())

    skipped, refused, _ = done.stderr.splitlines()
    assert skipped == (
        f"novaconsole: skipping {run.home}/clouds.yaml: line 2, column 1: found "
        "character '\\t' that cannot start any token"
    )
    assert "cannot connect" in refused


def test_what_an_error_says_better_is_said_once(run: Runner, cloud: FakeCloud) -> None:
    with fake.refused_port() as port:
        run.configure(
            fake=cloud.config(auth=cloud.auth(auth_url=f"http://127.0.0.1:{port}"))
        )
        done = run("vm", "--cloud", "fake")
    message, _ = done.stderr.splitlines()
    address = f"127.0.0.1:{port}"
    assert message == (
        f"novaconsole: the cloud cannot be reached at {address}: Connection refused"
    )


# ---- a password that is not configured


def without_password(run: Runner, cloud: FakeCloud) -> None:
    auth = cloud.auth()
    del auth["password"]
    run.configure(fake=cloud.config(auth=auth))


PROMPT = "password of demo in the cloud: "


def test_a_missing_password_is_asked_for_on_a_terminal(
    run: Runner, cloud: FakeCloud
) -> None:
    without_password(run, cloud)
    with run.on_a_terminal("--check", "--cloud", "fake", "vm") as terminal:
        terminal.expect_exact(PROMPT)
        terminal.waitnoecho(SECONDS)
        terminal.sendline(fake.PASSWORD)
        terminal.expect_exact("credentials: demo in project demo")
        terminal.expect(pexpect.EOF)
        terminal.wait()
    assert fake.PASSWORD.encode() not in (terminal.before or b"")
    assert cloud.tokens == 1


@pytest.mark.parametrize("option", [[], ["--check"], ["--run", "true"]])
def test_ctrl_c_at_the_password_is_130_on_a_line_of_its_own(
    run: Runner, cloud: FakeCloud, option: list[str]
) -> None:
    without_password(run, cloud)
    with run.on_a_terminal(*option, "--cloud", "fake", "vm") as terminal:
        terminal.expect_exact(PROMPT)
        terminal.waitnoecho(SECONDS)
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
        assert terminal.before in (b"\r\n", b"^C\r\n")
        terminal.wait()
    assert terminal.exitstatus == 130
    assert not cloud.requests


@pytest.mark.parametrize("option", [[], ["--check"], ["--run", "true"]])
def test_a_timeout_at_the_password_is_told_on_a_line_of_its_own(
    run: Runner, cloud: FakeCloud, option: list[str]
) -> None:
    without_password(run, cloud)
    with run.on_a_terminal(
        *option, "--timeout", "1", "--cloud", "fake", "vm"
    ) as terminal:
        terminal.expect_exact(PROMPT)
        terminal.expect(pexpect.EOF)
        lines = (terminal.before or b"").decode().split("\r\n")
        assert terminal.getecho()
        terminal.wait()
    assert terminal.exitstatus == 124
    assert lines[0] == lines[-1] == ""
    assert all(line.startswith("novaconsole: ") for line in lines[1:-1])
    assert "within 1 second" in lines[1]


def test_without_a_terminal_nobody_is_asked(run: Runner, cloud: FakeCloud) -> None:
    without_password(run, cloud)
    done = run("vm", "--cloud", "fake")
    assert done.returncode == 1
    message, hint = done.stderr.splitlines()
    assert message == "novaconsole: no password is configured for the user demo"
    assert "OS_PASSWORD" in hint
