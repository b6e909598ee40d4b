"""--wait: from a server that does not exist yet to its console.

The cloud changes with each request, so that nothing depends on the machine's speed.
"""

import os
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from signal import SIGINT

import pytest

import support.fake_cloud as fake
from support.fake_cloud import FakeCloud
from support.shell import AT_ONCE, CTRL_C, Guest, Shell

LEAVE = 'type "~." to disconnect'
LISTS = "/compute/v2.1/servers/detail"
LONG = 1000  # more requests than any test can make
# The first pause is the shortest: a quarter of a second, minus at most a fifth.
SHORTEST_PAUSE = 0.2


@pytest.fixture
def guest(cloud: FakeCloud) -> Iterator[Guest]:
    """The guest behind the console of every server."""
    with Guest(echoes=True) as guest:
        cloud.console_url = guest.url
        yield guest


def told(output: bytes) -> list[str]:
    """The messages of the program itself."""
    lines = output.decode().splitlines()
    mark = "novaconsole: "
    return [line.removeprefix(mark) for line in lines if line.startswith(mark)]


def is_waited_for(state: str) -> str:
    return f"waiting: server 'vm' is {state}, not ACTIVE"


def looks(cloud: FakeCloud) -> list[float]:
    """When the server was requested."""
    return [
        arrival
        for (method, path), arrival in zip(cloud.requests, cloud.arrivals, strict=True)
        if method == "GET" and path != "/compute/v2.1/servers"
    ]


# ---- up to the console


def test_it_waits_until_the_server_exists_and_runs(
    cloud: FakeCloud, guest: Guest, shell: Shell
) -> None:
    states = ["BUILD/scheduling", "BUILD/spawning", "BUILD/spawning", "ACTIVE"]
    cloud.add("vm", status="BUILD", task="scheduling", hidden_for=3)
    cloud.servers[0].next_statuses = [*states]
    cloud.add("vm-2")

    shell.attach("--wait vm")
    shell.expect(b"connected to: vm (")
    shell.type(b"typed\r")
    shell.expect(b"typed\r")
    shell.type(b"~.")

    assert shell.prompt() == 0
    waiting = [line for line in told(shell.output) if line.startswith("waiting: ")]
    assert waiting == [
        "waiting: no server 'vm' in this project; did you mean vm-2?",
        is_waited_for("BUILD (scheduling)"),
        is_waited_for("BUILD (spawning)"),
    ]
    assert told(shell.output)[-1] == "disconnected from vm"
    assert guest.received == b"typed\r"
    # A token, the list of names once, one request each time, and the console.
    missed = 2
    assert len(looks(cloud)) == missed + 1 + len(states)
    assert len(cloud.requests) == 1 + 1 + len(looks(cloud)) + 1
    assert cloud.paths("GET").count(LISTS) == missed + 1


def test_it_pauses_between_two_requests(
    cloud: FakeCloud, guest: Guest, shell: Shell
) -> None:
    """A pause begins after the last answer, so that load cannot make it shorter."""
    cloud.add("vm", status="BUILD", next_statuses=["BUILD"] * 4 + ["ACTIVE"])

    shell.attach("--wait vm")
    shell.expect(b"connected to: vm (")
    shell.type(b"~.")

    assert shell.prompt() == 0
    pauses = [later - earlier for earlier, later in pairwise(looks(cloud))]
    assert len(pauses) == 5
    assert min(pauses) >= SHORTEST_PAUSE
    assert told(shell.output).count(is_waited_for("BUILD")) == 1
    assert told(shell.output).count(LEAVE) == 1


def test_a_running_server_is_attached_to_at_once(
    cloud: FakeCloud, guest: Guest, shell: Shell
) -> None:
    cloud.add("vm")

    shell.attach("--wait vm")
    shell.type(b"~.")

    assert shell.prompt() == 0
    assert [line.partition(" (")[0] for line in told(shell.output)] == [
        "connected to: vm",
        LEAVE,
        "disconnected from vm",
    ]
    assert len(cloud.requests) == 3


@pytest.mark.parametrize("state", ["SHUTOFF/powering-on", "PAUSED", "SHELVED"])
def test_a_server_that_may_be_started_is_waited_for(
    cloud: FakeCloud, guest: Guest, shell: Shell, state: str
) -> None:
    cloud.add("vm", next_statuses=["ACTIVE"]).become(state)

    shell.attach("--wait vm")
    shell.expect(b"connected to: vm (")
    shell.type(b"~.")

    assert shell.prompt() == 0


def test_a_console_that_is_not_ready_is_waited_for(
    cloud: FakeCloud, guest: Guest, shell: Shell
) -> None:
    """Nova reports ACTIVE a moment before the console is ready."""
    server = cloud.add("vm")
    cloud.console_fault = fake.NOT_READY

    shell.attach("--wait vm")
    cloud.console_fault = None
    shell.expect(b"connected to: vm (")
    shell.type(b"~.")

    assert shell.prompt() == 0
    not_ready = f"server 'vm' is not ready: Instance {server.id} is not ready"
    assert told(shell.output).count(f"waiting: {not_ready}") == 1


def test_a_token_that_expires_while_waiting_is_replaced(
    cloud: FakeCloud, guest: Guest, shell: Shell
) -> None:
    server = cloud.add("vm", status="BUILD")

    shell.attach("--wait vm")
    cloud.revoke_tokens()
    server.become("ACTIVE")
    shell.expect(b"connected to: vm (")
    shell.type(b"~.")

    assert shell.prompt() == 0
    assert cloud.tokens == 2


def test_a_proxy_that_is_not_up_yet_is_waited_for(
    cloud: FakeCloud, guest: Guest, shell: Shell
) -> None:
    cloud.add("vm")
    with guest.refusing():
        shell.start("novaconsole --wait vm")
        shell.expect(b"waiting: cannot connect")
    shell.expect(b"connected to: vm (")
    shell.type(b"~.")

    assert shell.prompt() == 0


# ---- without success


def test_a_server_that_fails_ends_the_wait(
    cloud: FakeCloud, guest: Guest, shell: Shell
) -> None:
    server = cloud.add("vm", status="BUILD", next_statuses=["BUILD", "ERROR"])

    assert shell.run("novaconsole --wait vm")[0] == 1

    assert told(shell.output) == [
        is_waited_for("BUILD"),
        LEAVE,
        "server 'vm' is ERROR, not ACTIVE",
        f"see why: openstack server show {server.id} -c fault",
    ]
    assert len(looks(cloud)) == 3
    assert not guest.connections


def test_a_server_that_is_deleted_ends_the_wait(
    cloud: FakeCloud, guest: Guest, shell: Shell
) -> None:
    """Another server with its name does not take its place."""
    cloud.add("vm", status="BUILD", next_statuses=["BUILD", None])
    cloud.add("vm", hidden_for=1)

    assert shell.run("novaconsole --wait vm")[0] == 1

    assert told(shell.output) == [
        is_waited_for("BUILD"),
        LEAVE,
        "server 'vm' is gone",
        "list them: openstack server list",
    ]
    assert not guest.connections


@pytest.mark.parametrize("fault", [fake.SERIAL_CONSOLE_OFF, fake.FORBIDDEN])
def test_a_console_that_will_never_exist_is_not_waited_for(
    cloud: FakeCloud, shell: Shell, fault: fake.Answer
) -> None:
    cloud.add("vm")
    cloud.console_fault = fault

    assert shell.run("novaconsole --wait vm")[0] == 1

    assert len(told(shell.output)) == 2
    assert len(cloud.requests) == 3


def test_without_the_option_it_does_not_wait(cloud: FakeCloud, shell: Shell) -> None:
    cloud.add("vm", status="BUILD", next_statuses=["ACTIVE"])

    assert shell.run("novaconsole vm")[0] == 1

    assert told(shell.output) == [
        "server 'vm' is BUILD, not ACTIVE",
        "use --wait to attach as soon as it is running",
    ]
    assert len(looks(cloud)) == 1


# ---- leaving while waiting


def building(cloud: FakeCloud) -> None:
    cloud.add("vm", status="BUILD", next_statuses=["BUILD"] * LONG)


def nothing(cloud: FakeCloud) -> None:
    """Leave the cloud without a server of this name."""


def mute(cloud: FakeCloud) -> None:
    """Leave the second request for the server without an answer."""
    server = cloud.add("vm", status="BUILD")
    cloud.stall(f"/compute/v2.1/servers/{server.id}")


@pytest.mark.parametrize("trouble", [building, nothing, mute])
@pytest.mark.parametrize(
    ("keys", "status"), [(b"~.", 0), (b"typed\r~.", 0), (CTRL_C, 130), (b"x\x03", 130)]
)
def test_leaving_while_waiting_is_at_once(
    cloud: FakeCloud,
    shell: Shell,
    trouble: Callable[[FakeCloud], None],
    keys: bytes,
    status: int,
) -> None:
    trouble(cloud)
    shell.attach("--wait vm")
    if trouble is mute:
        cloud.wait_for_request(f"/compute/v2.1/servers/{cloud.servers[0].id}")

    start = time.monotonic()
    shell.type(keys)

    assert shell.prompt() == status
    assert time.monotonic() - start < AT_ONCE
    assert len(told(shell.output)) == 2


def test_a_signal_while_waiting_ends_with_its_status(
    cloud: FakeCloud, shell: Shell
) -> None:
    building(cloud)
    shell.attach("--wait vm")

    os.kill(shell.job, SIGINT)

    assert shell.prompt() == 130


# ---- keys while waiting


def test_keys_while_waiting_ring_the_bell_and_are_dropped(
    cloud: FakeCloud, guest: Guest, shell: Shell
) -> None:
    server = cloud.add("vm", status="BUILD")
    shell.attach("--wait vm")

    shell.type(b"rm -rf /\r")
    shell.expect(b"\a")
    server.become("ACTIVE")
    shell.expect(b"connected to: vm (")
    shell.type(b"typed\r")
    shell.expect(b"typed\r")
    shell.type(b"~.")

    assert shell.prompt() == 0
    assert guest.received == b"typed\r"
    assert b"rm" not in shell.output


def test_the_other_escapes_work_while_waiting(cloud: FakeCloud, shell: Shell) -> None:
    building(cloud)
    shell.attach("--wait vm")

    shell.type(b"~I")
    shell.expect(b"not attached: waiting for the server or the network")
    shell.type(b"~R")
    shell.expect(b"not attached; trying to connect already")
    shell.type(b"~.")

    assert shell.prompt() == 0


# ---- no terminal


def test_piped_input_waits_for_the_server(
    cloud: FakeCloud, guest: Guest, shell: Shell
) -> None:
    states: list[str | None] = ["BUILD", "ACTIVE"]
    cloud.add("vm", status="BUILD", hidden_for=2, next_statuses=states)

    status, _ = shell.run("printf 'a line\\n~.\\n' | novaconsole --wait vm > shown")

    assert status == 0
    assert guest.received == b"a line\n~.\n"
    shown = Path(shell.run("pwd")[1].decode().strip()) / "shown"
    assert shown.read_bytes() == guest.received


def test_ctrl_c_ends_the_wait_of_piped_input(cloud: FakeCloud, shell: Shell) -> None:
    building(cloud)
    shell.start("novaconsole --wait vm < /dev/null")
    shell.expect(b"waiting: server 'vm' is BUILD")

    shell.type(CTRL_C)

    assert shell.prompt() == 130


# ---- wrong usage


@pytest.mark.parametrize("option", ["--wait", "--history 10"])
@pytest.mark.parametrize("where", ["--url {}", "{}", "--demo"])
def test_wait_and_history_require_a_server_of_a_cloud(
    guest: Guest, shell: Shell, option: str, where: str
) -> None:
    command = f"novaconsole {option} {where.format(guest.url)}"

    assert shell.run(command)[0] == 2

    name = option.partition(" ")[0]
    assert told(shell.output) == [
        f"{name} requires a server name or UUID",
        "give SERVER by name or UUID: a URL or the demo has no cloud to ask",
    ]
    assert not guest.connections


def test_log_lines_from_another_thread_are_shown_while_waiting(
    cloud: FakeCloud, guest: Guest, shell: Shell
) -> None:
    """The terminal is raw then, and a task writes the lines."""
    cloud.add("vm", status="BUILD", next_statuses=["BUILD", "ACTIVE"])

    shell.attach("--debug --wait vm")
    shell.expect(b"connected to: vm (")
    shell.type(b"~.")

    assert shell.prompt() == 0
    said = b"".join(shell.output.partition(b"waiting: ")[2:])
    assert b"remote-consoles" in said, "the second request was logged, too"


def test_ctrl_c_ends_the_wait_until_a_console_has_been_reached(
    cloud: FakeCloud, shell: Shell
) -> None:
    """The proxy accepts and hangs up, so no guest could have received it."""
    with Guest(drops=True) as guest:
        cloud.console_url = guest.url
        cloud.add("vm")
        shell.attach("--wait --reconnect vm")
        shell.expect(b"dropped the connection at once")
        with guest.refusing():
            shell.expect(b"connection refused")
            shell.type(CTRL_C)
            assert shell.prompt() == 128 + SIGINT
