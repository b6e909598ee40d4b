"""--history: log and live stream join without a gap and without a line twice."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import support.fake_cloud as fake
from support.fake_cloud import Answer, FakeCloud, FakeServer
from support.shell import AT_ONCE, Guest, Shell, wait_until

PAST = [b"[    0.%06d] boot %d\r\n" % (number * 7919, number) for number in range(40)]
# Output over the websocket, with control characters that the console log lacks.
LIVE = (
    b"[    9.000001] \x1b[32mstarted\x1b[0m one\r\n"
    b"[    9.000002] started two\r\n\r\n"
    b"Welcome to \xc3\xa4 guest\r\nlogin: "
)
LATER = b"\r\n[   12.345678] eth0: link up\r\n"
LINES = 3


@pytest.fixture
def server(cloud: FakeCloud) -> FakeServer:
    """A server that has booted and prints nothing more."""
    return cloud.add("vm", printed=b"".join(PAST))


@pytest.fixture
def guest(cloud: FakeCloud, server: FakeServer) -> Iterator[Guest]:
    """The guest behind the console of every server."""
    with Guest() as guest:
        cloud.console_url = guest.url
        yield guest


def log_path(server: FakeServer) -> str:
    return f"/compute/v2.1/servers/{server.id}/action"


def told(output: bytes) -> list[str]:
    """The messages of the program itself."""
    lines = output.decode(errors="replace").splitlines()
    mark = "novaconsole: "
    return [line.removeprefix(mark) for line in lines if line.startswith(mark)]


# ---- the past, then the live stream


@pytest.mark.parametrize(
    "logged", [0, 1, 20, len(LIVE.partition(b"\n")[0]) + 1, 60, len(LIVE)]
)
def test_the_log_and_the_live_stream_are_joined_where_they_overlap(
    tmp_path: Path, server: FakeServer, guest: Guest, shell: Shell, logged: int
) -> None:
    """The log already holds this many of the live bytes when it is fetched."""
    server.printed += LIVE[:logged]
    guest.greeting = LIVE

    shell.attach(f"--history {LINES} --log log vm > shown")
    guest.send(LATER)
    wait_shown(tmp_path / "shown", LATER)
    shell.type(b"~.")

    assert shell.prompt() == 0
    shown = (tmp_path / "shown").read_bytes()
    lines = server.console_log.splitlines(keepends=True)[-LINES:]
    history = "".join(lines).replace("\n", "\r\n").encode()
    expected = history + LIVE[logged:] + LATER
    assert without_colours(shown) == without_colours(expected)
    assert (tmp_path / "log").read_bytes() == LIVE + LATER


def without_colours(text: bytes) -> bytes:
    """Without ESC, which the log has lost and the live stream has."""
    return text.replace(b"\x1b", b"")


def test_output_during_the_fetch_of_the_log_is_shown_after_the_log(
    tmp_path: Path, cloud: FakeCloud, server: FakeServer, guest: Guest, shell: Shell
) -> None:
    cloud.stall(log_path(server))
    said = [b"%d: said while the log is fetched\r\n" % number for number in range(9)]

    shell.attach(f"--history {LINES} --log log vm > shown")
    cloud.wait_for_request(log_path(server))
    for number, line in enumerate(said):
        guest.send(line)
        if number < 5:
            server.printed += line
    cloud.release()
    guest.send(LATER)
    wait_shown(tmp_path / "shown", LATER)
    shell.type(b"~.")

    assert shell.prompt() == 0
    assert (tmp_path / "shown").read_bytes() == b"".join(said[5 - LINES :]) + LATER
    assert (tmp_path / "log").read_bytes() == b"".join(said) + LATER


def wait_shown(path: Path, wanted: bytes) -> None:
    """Wait until a file ends with this."""
    wait_until(lambda: path.read_bytes().endswith(wanted))


def test_the_screen_shows_every_line_once(
    server: FakeServer, guest: Guest, shell: Shell
) -> None:
    server.printed += LIVE[: LIVE.index(b" guest") - len("ä".encode())]
    guest.greeting = LIVE

    shell.attach("--history 5 vm")
    shell.expect(b"login: ")
    guest.send(LATER)
    shell.expect(b"link up\r\n")
    shell.type(b"~.")

    assert shell.prompt() == 0
    guests = [
        line.replace("[32m", "").replace("[0m", "")
        for line in shell.screen()
        if not line.startswith(("novaconsole: ", "<0>$"))
    ]
    assert guests == [
        PAST[-1].decode().strip(),
        "[    9.000001] started one",
        "[    9.000002] started two",
        "Welcome to ä guest",
        "login:",
        "[   12.345678] eth0: link up",
    ]


@pytest.mark.parametrize("lines", [1, 39, 40, 41, 1000])
def test_as_many_lines_of_the_log_as_asked_for_are_shown(
    tmp_path: Path, server: FakeServer, guest: Guest, shell: Shell, lines: int
) -> None:
    shell.attach(f"--history {lines} vm > shown")
    wait_shown(tmp_path / "shown", PAST[-1])
    shell.type(b"~.")

    assert shell.prompt() == 0
    assert (tmp_path / "shown").read_bytes() == b"".join(PAST[-lines:])


def test_without_the_option_the_log_is_not_fetched(
    cloud: FakeCloud, server: FakeServer, guest: Guest, shell: Shell
) -> None:
    shell.attach("vm")
    shell.type(b"~.")

    assert shell.prompt() == 0
    assert len(cloud.requests) == 3


def test_a_log_cannot_change_the_terminal(
    server: FakeServer, guest: Guest, shell: Shell
) -> None:
    """Nova removes ESC, so that only the letters of a sequence are left."""
    server.printed += b"\x1b[2J\x1bc\x07\x0e\x9b31m\xff the end\r\n"

    shell.attach("--history 1 vm")
    shell.expect(b" the end\r\n")
    shell.type(b"~.")

    assert shell.prompt() == 0
    assert b"[2Jc\xef\xbf\xbd31m\xef\xbf\xbd the end\r\n" in shell.output


# ---- without a terminal


def test_a_session_without_input_shows_the_history_before_it_ends(
    tmp_path: Path, server: FakeServer, guest: Guest, shell: Shell
) -> None:
    """Even with -w 0: fetching the log does not count as a pause of the guest."""
    guest.greeting = LIVE

    command = f"novaconsole --history {LINES} -w 0 vm < /dev/null > shown"
    assert shell.run(command)[0] == 0

    shown = (tmp_path / "shown").read_bytes()
    assert shown == b"".join(PAST[-LINES:]) + LIVE


# ---- while the log is fetched


def test_what_is_typed_while_the_log_is_fetched_reaches_the_guest(
    cloud: FakeCloud, server: FakeServer, guest: Guest, shell: Shell
) -> None:
    cloud.stall(log_path(server))
    shell.attach(f"--history {LINES} vm")
    cloud.wait_for_request(log_path(server))

    shell.type(b"typed\r")
    guest.wait_received(b"typed\r")
    cloud.release()
    shell.expect(PAST[-1])
    shell.type(b"~.")

    assert shell.prompt() == 0


def test_history_does_not_count_as_output_of_the_guest(
    guest: Guest, shell: Shell
) -> None:
    shell.attach(f"--history {LINES} vm")
    shell.expect(PAST[-1])
    shell.type(b"\r")
    guest.wait_received(b"\r")
    shell.expect(b"novaconsole: no output, although the connection is alive")
    shell.type(b"~.")

    assert shell.prompt() == 0


def test_leaving_while_the_log_is_fetched_is_at_once(
    tmp_path: Path, cloud: FakeCloud, server: FakeServer, guest: Guest, shell: Shell
) -> None:
    cloud.stall(log_path(server))
    guest.greeting = LIVE
    shell.attach(f"--history {LINES} --log log vm")
    cloud.wait_for_request(log_path(server))

    start = time.monotonic()
    shell.type(b"~.")

    assert shell.prompt() == 0
    assert time.monotonic() - start < AT_ONCE
    assert (tmp_path / "log").read_bytes() in (b"", LIVE)


# ---- no history


def unavailable(answer: Answer) -> Callable[[FakeCloud], str]:
    def set_fault(cloud: FakeCloud) -> str:
        cloud.log_fault = answer
        ((_, said),) = answer.body.items()
        words = said["message"].replace("{id}", cloud.servers[0].id)
        return f"the cloud did not show the console log: {answer.status} {words}"

    return set_fault


def empty(cloud: FakeCloud) -> str:
    cloud.servers[0].printed = b""
    return "the console log is empty"


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(unavailable(fake.NO_LOG), id="404"),
        pytest.param(unavailable(fake.NOT_SUPPORTED), id="501"),
        pytest.param(unavailable(fake.NOT_READY), id="409"),
        pytest.param(empty, id="empty"),
    ],
)
def test_without_a_log_a_line_says_why_and_the_session_goes_on(
    tmp_path: Path,
    cloud: FakeCloud,
    guest: Guest,
    shell: Shell,
    trouble: Callable[[FakeCloud], str],
) -> None:
    why = trouble(cloud)
    guest.greeting = LIVE

    shell.attach(f"--history {LINES} --log log vm > shown")
    shell.expect(f"no history: {why}\r\n".encode())
    shell.type(b"typed\r")
    guest.wait_received(b"typed\r")
    guest.send(LATER)
    wait_shown(tmp_path / "shown", LATER)
    shell.type(b"~.")

    assert shell.prompt() == 0
    assert len(told(shell.output)) == 4
    for name in ("shown", "log"):
        assert (tmp_path / name).read_bytes() == LIVE + LATER


# ---- no console


@pytest.mark.parametrize("output", ["", "> shown"])
@pytest.mark.parametrize("end", [b"", b"login: "])
def test_the_log_of_a_server_that_is_off_is_shown_before_the_error(
    tmp_path: Path, server: FakeServer, shell: Shell, output: str, end: bytes
) -> None:
    """Its last lines may tell why."""
    server.become("SHUTOFF")
    server.printed += end

    status, seen = shell.run(f"novaconsole --history {LINES} vm {output}")

    assert status == 1
    errors = [
        "server 'vm' is SHUTOFF, not ACTIVE",
        f"start it: openstack server start {server.id}",
    ]
    history = b"".join(PAST[-LINES + bool(end) :]) + end + b"\r\n" * bool(end)
    if output:
        assert (tmp_path / "shown").read_bytes() == history
    else:
        assert shell.screen()[:-1] == [
            *(line.rstrip() for line in history.decode().splitlines()),
            *(f"novaconsole: {line}" for line in errors),
        ]
    assert told(seen) == errors


@pytest.mark.parametrize("fault", [fake.NO_LOG, fake.NOT_SUPPORTED])
def test_without_console_and_log_only_the_error_is_shown(
    cloud: FakeCloud, server: FakeServer, shell: Shell, fault: Answer
) -> None:
    server.become("SHUTOFF")
    cloud.log_fault = fault

    assert shell.run(f"novaconsole --history {LINES} vm")[0] == 1

    assert len(shell.output.splitlines()) == 2


def test_no_log_is_requested_for_a_server_that_does_not_exist(
    cloud: FakeCloud, shell: Shell
) -> None:
    assert shell.run(f"novaconsole --history {LINES} vm")[0] == 1

    assert told(shell.output)[0] == "no server 'vm' in this project"
    assert cloud.paths("POST") == ["/identity/v3/auth/tokens"]


def test_the_log_of_a_console_that_cannot_be_reached_is_shown(
    server: FakeServer, guest: Guest, shell: Shell
) -> None:
    with guest.refusing():
        status, seen = shell.run(f"novaconsole --history {LINES} vm")

    assert status == 1
    assert seen.index(PAST[-1].strip()) < seen.index(b"novaconsole: cannot connect")
