"""`--check`: each step of the way is told, and the first that fails ends it."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio

import support.fake_cloud as fake
from novaconsole.cloud.config import CloudOptions
from novaconsole.commands.check import CheckRequest, check
from novaconsole.console.connect import ConnectOptions
from novaconsole.console.source import CloudServer, ConsoleUrl
from novaconsole.errors import UsageError
from novaconsole.network.proxy import Proxy
from novaconsole.network.target import Target, TLSOptions
from novaconsole.terminal.notices import Notices
from support.certificates import Certificates
from support.events import assert_valid_event
from support.fake_cloud import FakeCloud, write_clouds
from support.frames import BINARY, CLOSE, PING, PONG, Frame, acceptance, header
from support.servers import (
    AT_ONCE_SECONDS,
    Handler,
    Peer,
    answer,
    close_after_request,
    full_backlog,
    mute,
    read_head,
    refused_port,
    serving,
)

# What openstacksdk deprecates of itself is its own business.
pytestmark = pytest.mark.filterwarnings(r"ignore:::openstack\.")

STEPS = [
    *("credentials", "catalogue", "server", "status", "console"),
    *("name", "tcp", "tls", "upgrade", "token", "ping", "output"),
]
ANSWERS = {PING: PONG, CLOSE: CLOSE}


@pytest.fixture(autouse=True)
def configure(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Make the fake cloud the only one."""
    write_clouds(fake.isolate(monkeypatch, tmp_path), fake=cloud.config())


async def rows(
    capfd: pytest.CaptureFixture[str],
    location: ConsoleUrl | CloudServer,
    **settings: Any,
) -> tuple[int, list[dict[str, Any]]]:
    """The status of a check, and what it says to programs."""
    timeout = settings.pop("timeout", AT_ONCE_SECONDS)
    connect = ConnectOptions(timeout=timeout, **settings.pop("connect", {}))
    options = CheckRequest(location, connect, **settings)
    status = await check(options, Notices(as_json=True))
    said = capfd.readouterr()
    assert said.out == ""
    assert not [secret for secret in fake.SECRETS if secret in said.err]
    found = [json.loads(line) for line in said.err.splitlines()]
    for row in found:
        assert_valid_event(row)
    return status, found


def marks(found: list[dict[str, Any]]) -> dict[str, str]:
    return {row["step"]: row["mark"] for row in found}


def url_of(target: Target) -> str:
    return f"ws://{target.address}/?token={fake.CONSOLE_TOKEN}"


async def prompt_after_enter(stream: trio.abc.Stream) -> None:
    """A guest that says nothing before Enter."""
    peer = Peer(stream)
    await peer.upgrade()
    while (frame := await peer.receive()) is not None:
        if frame.opcode == BINARY:
            await peer.send(Frame(BINARY, b"login: "))
        else:
            await peer.send(Frame(ANSWERS[frame.opcode], frame.payload))


async def upgrade_and_hang_up(stream: trio.abc.Stream) -> None:
    """As nova-serialproxy does where the token is wrong."""
    await Peer(stream).upgrade()


@pytest.mark.parametrize("may_type", [False, True])
async def test_the_whole_way_by_a_name(
    capfd: pytest.CaptureFixture[str], cloud: FakeCloud, may_type: bool
) -> None:
    server = cloud.add("vm")
    location = CloudServer("vm", CloudOptions("fake"))
    async with serving(prompt_after_enter) as console:
        cloud.console_url = url_of(console.target())
        status, found = await rows(capfd, location, may_type=may_type)

    assert status == 0
    assert [row["step"] for row in found] == STEPS
    skipped = {step for step, mark in marks(found).items() if mark != "ok"}
    assert skipped == ({"tls"} if may_type else {"tls", "output"})
    by_step = {row["step"]: row for row in found}
    assert by_step["server"]["id"] == server.id
    assert by_step["status"]["status"] == "ACTIVE"
    assert by_step["output"]["bytes"] == (7 if may_type else 0)
    assert by_step["ping"]["milliseconds"] > 0
    assert 0.5 < by_step["token"]["seconds"] < AT_ONCE_SECONDS  # it waits that long
    assert all(row["event"] == "check" and row["hint"] is None for row in found)


async def test_people_get_a_line_with_a_mark_for_each(
    capfd: pytest.CaptureFixture[str],
) -> None:
    location = ConsoleUrl(
        Target.parse(f"ws://127.0.0.1:{refused_port()}/"), TLSOptions()
    )
    status = await check(CheckRequest(location, ConnectOptions()), Notices())

    assert status == 1
    name, tcp, hint = capfd.readouterr().err.splitlines()
    assert name == "novaconsole: ok   name: 127.0.0.1 is 127.0.0.1"
    assert tcp.startswith("novaconsole: FAIL tcp: cannot connect to 127.0.0.1:")
    assert "nova-serialproxy" in hint


async def test_the_certificate_is_described(
    capfd: pytest.CaptureFixture[str], certificates: Certificates
) -> None:
    context = certificates.server_context(certificates.good)
    async with serving(prompt_after_enter, tls=context) as console:
        for tls in (TLSOptions(certificates.cacert), TLSOptions(insecure=True)):
            location = ConsoleUrl(console.target("wss"), tls)
            status, found = await rows(capfd, location)
            assert status == 0
            row = next(row for row in found if row["step"] == "tls")
            if tls.insecure:
                assert "not checked" in row["detail"]
            else:
                assert {"127.0.0.1", "localhost"} <= set(row["names"])
                assert row["expires"][:10] in row["detail"]


@pytest.mark.parametrize(
    ("handler", "failing"),
    [
        (answer(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), "upgrade"),
        (upgrade_and_hang_up, "token"),
        (close_after_request, "upgrade"),
    ],
)
async def test_the_first_step_that_fails_is_the_last(
    capfd: pytest.CaptureFixture[str], handler: Handler, failing: str
) -> None:
    async with serving(handler) as console:
        location = ConsoleUrl(console.target(), TLSOptions())
        status, found = await rows(capfd, location)

    assert status in (1, 3)
    assert [row["step"] for row in found][-1] == failing
    assert [row["mark"] for row in found].count("failed") == 1
    assert found[-1]["mark"] == "failed"
    assert found[-1]["hint"]


async def test_a_mute_server_is_told_within_the_connect_timeout(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with serving(mute) as console:
        location = ConsoleUrl(console.target(), TLSOptions())
        status, found = await rows(capfd, location, timeout=0.2)
    assert status == 1
    assert found[-1]["step"] == "upgrade"
    with full_backlog() as port:
        location = ConsoleUrl(Target.parse(f"ws://127.0.0.1:{port}/"), TLSOptions())
        status, found = await rows(capfd, location, timeout=0.2)
    assert status == 1
    assert (found[-1]["step"], found[-1]["mark"]) == ("tcp", "failed")


async def test_a_refused_subprotocol_is_tried_without(
    capfd: pytest.CaptureFixture[str],
) -> None:
    heads = []

    async def refuse(stream: trio.abc.Stream) -> None:
        head = await read_head(stream)
        heads.append(head)
        if header(head, "Sec-WebSocket-Protocol"):
            await stream.send_all(b"HTTP/1.1 400 Invalid protocol\r\n\r\n")
        else:
            await stream.send_all(acceptance(head))  # and hang up

    async with serving(refuse) as console:
        location = ConsoleUrl(console.target(), TLSOptions())
        _, found = await rows(capfd, location)
    assert marks(found)["upgrade"] == "ok"
    assert len(heads) == 2


@pytest.mark.parametrize(
    ("settings", "failing"),
    [
        ({"status": "SHUTOFF"}, "status"),
        ({"name": "other"}, "server"),
    ],
)
async def test_what_is_wrong_with_the_server(
    capfd: pytest.CaptureFixture[str],
    cloud: FakeCloud,
    settings: dict[str, str],
    failing: str,
) -> None:
    cloud.add(**({"name": "vm"} | settings))
    status, found = await rows(capfd, CloudServer("vm", CloudOptions("fake")))
    assert status == 1
    assert (found[-1]["step"], found[-1]["mark"]) == (failing, "failed")
    assert not cloud.paths("POST")[1:], "no console was asked for"


async def test_through_a_proxy(capfd: pytest.CaptureFixture[str]) -> None:
    port = refused_port()
    location = ConsoleUrl(Target.parse("ws://console.invalid:6083/"), TLSOptions())
    connect = {"proxy": lambda _: Proxy("http", "127.0.0.1", port)}
    status, found = await rows(capfd, location, connect=connect)
    assert status == 1
    assert marks(found) == {"name": "skipped", "tcp": "failed"}
    assert f"127.0.0.1:{port}" in found[-1]["detail"]


async def test_close_names_are_offered_here_too(
    capfd: pytest.CaptureFixture[str], cloud: FakeCloud
) -> None:
    cloud.add("vm-1")
    status, found = await rows(capfd, CloudServer("vm1", CloudOptions("fake")))
    assert status == 1
    assert "did you mean vm-1?" in found[-1]["detail"]


async def test_a_url_that_makes_no_sense_is_the_clouds_fault(
    capfd: pytest.CaptureFixture[str], cloud: FakeCloud
) -> None:
    cloud.add("vm")
    cloud.console_url = "ftp://no.websocket/"
    status, found = await rows(capfd, CloudServer("vm", CloudOptions("fake")))
    assert status == 1
    assert (found[-1]["step"], found[-1]["mark"]) == ("console", "failed")
    assert "base_url" in found[-1]["hint"]


async def test_a_bad_proxy_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    def refuse(_: Target) -> Proxy:
        raise UsageError("HTTPS_PROXY: not a URL of a proxy")

    location = ConsoleUrl(Target.parse("wss://console.invalid/"), TLSOptions())
    status, found = await rows(capfd, location, connect={"proxy": refuse})
    assert status == 2
    assert "HTTPS_PROXY" in found[-1]["detail"]


async def test_a_keystone_that_never_answers_is_told_when_the_time_is_over(
    capfd: pytest.CaptureFixture[str], cloud: FakeCloud
) -> None:
    cloud.add("vm")
    cloud.stall("/identity/v3/auth/tokens")
    location = CloudServer("vm", CloudOptions("fake"))
    connect = ConnectOptions()
    with trio.fail_after(AT_ONCE_SECONDS):
        status = await check(CheckRequest(location, connect, timeout=0.3), Notices())
    assert status == 124
    assert capfd.readouterr().err == (
        "novaconsole: FAIL credentials: not finished within 0.3 seconds (--timeout)\n"
    )


async def test_the_time_counts_for_every_step(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with serving(mute) as console:
        location = ConsoleUrl(console.target(), TLSOptions())
        request = CheckRequest(location, ConnectOptions(timeout=60), timeout=0.3)
        with trio.fail_after(AT_ONCE_SECONDS):
            status = await check(request, Notices(as_json=True))
    last = json.loads(capfd.readouterr().err.splitlines()[-1])
    assert status == 124
    assert (last["step"], last["mark"]) == ("upgrade", "failed")
    assert "0.3 seconds" in last["detail"]
