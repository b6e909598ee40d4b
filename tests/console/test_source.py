"""Where the console is: as given, as a cloud tells it, or as the demo has it."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

import support.fake_cloud as fake
from novaconsole.cloud.config import CloudOptions
from novaconsole.console.cloud_source import CloudSource
from novaconsole.console.connect import ConsoleAddress
from novaconsole.console.source import (
    ConsoleSource,
    Demo,
    UrlSource,
    open_source,
)
from novaconsole.errors import (
    CloudError,
    ConsoleUnavailable,
    Retryable,
    ServerNotActive,
    ServerNotFound,
    UsageError,
)
from novaconsole.network.target import Target, TLSOptions
from support.fake_cloud import FakeCloud, write_clouds
from support.servers import AT_ONCE_SECONDS

# What openstacksdk deprecates of itself is its own business.
pytestmark = pytest.mark.filterwarnings(r"ignore:::openstack\.")

SIZE = os.terminal_size((80, 24))
LISTS = "/compute/v2.1/servers/detail"
NAMES = "/compute/v2.1/servers"

Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def configure(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Configure:
    """Make the fake cloud the only one; call it to change its entry."""
    path = fake.isolate(monkeypatch, tmp_path)

    def configure(**changed: Any) -> None:
        write_clouds(path, fake=cloud.config(**changed))

    configure()
    return configure


@pytest.fixture
def source(configure: Configure) -> Iterator[CloudSource]:
    """Of the server `vm`."""
    with closing(CloudSource("vm", CloudOptions("fake"))) as source:
        yield source


async def failure(source: ConsoleSource) -> CloudError:
    with pytest.raises(CloudError) as caught:
        await source.locate()
    return caught.value


# ---- a cloud


async def test_a_cloud_leads_to_the_console_with_a_new_url_each_time(
    cloud: FakeCloud, source: CloudSource
) -> None:
    cloud.add("vm")
    for number in range(2):
        cloud.console_url = f"wss://proxy.example:6083/?token=number-{number}"

        address = await source.locate()

        assert address == ConsoleAddress(
            Target.parse(cloud.console_url, name="vm"), TLSOptions()
        )
    assert source.renews
    assert source.wanted == "vm"


async def test_the_console_is_trusted_as_the_cloud_is(
    cloud: FakeCloud,
    source: CloudSource,
    configure: Configure,
) -> None:
    cloud.add("vm")
    configure(verify=False)

    assert (await source.locate()).tls == TLSOptions(insecure=True)


async def test_a_server_that_was_found_is_looked_at_by_its_id(
    cloud: FakeCloud, source: CloudSource
) -> None:
    """Another with its name is not taken for it."""
    server = cloud.add("vm")
    await source.locate()
    cloud.add("vm")

    await source.locate()

    assert cloud.paths("GET") == [LISTS, f"/compute/v2.1/servers/{server.id}"]
    assert cloud.tokens == 1


@pytest.mark.parametrize("state", ["BUILD/spawning", "SHUTOFF", "PAUSED"])
async def test_a_server_that_does_not_run_is_refused_before_a_url_is_asked(
    cloud: FakeCloud, source: CloudSource, state: str
) -> None:
    """Its URL could lead into the console of another server."""
    server = cloud.add("vm")
    server.become(state)
    server.next_statuses = ["ACTIVE"]

    error = await failure(source)

    assert isinstance(error, ServerNotActive)
    assert server.id in str(error.hint) or "--wait" in str(error.hint)
    assert cloud.paths("POST") == ["/identity/v3/auth/tokens"]
    assert (await source.locate()).target.name == "vm"
    assert cloud.paths("GET") == [LISTS, f"/compute/v2.1/servers/{server.id}"]


@pytest.mark.parametrize("path", ["before", "between"])
async def test_a_server_that_was_deleted_is_gone_for_good(
    cloud: FakeCloud, source: CloudSource, path: str
) -> None:
    """Before the second look, or between it and the request for its console."""
    server = cloud.add("vm")
    await source.locate()
    if path == "before":
        cloud.delete(server)
    else:
        server.next_statuses = [None]
    cloud.add("vm")

    error = await failure(source)

    assert str(error) == "server 'vm' is gone"
    assert isinstance(error, ServerNotFound)
    assert error.retryable is Retryable.NONE


async def test_a_name_that_is_not_there_is_compared_with_the_others_once(
    cloud: FakeCloud, source: CloudSource
) -> None:
    """Who waits asks again and again, and hears the same words."""
    cloud.add("vm2")
    cloud.add("db")

    errors = [await failure(source) for _ in range(3)]

    assert {str(error) for error in errors} == {
        "no server 'vm' in this project; did you mean vm2?"
    }
    assert {error.retryable for error in errors} == {Retryable.IN_TIME}
    assert cloud.paths("GET") == [LISTS, NAMES, LISTS, LISTS]


async def test_a_server_that_appears_later_is_found(
    cloud: FakeCloud, source: CloudSource
) -> None:
    cloud.add("vm", hidden_for=3)

    for _ in range(2):
        assert isinstance(await failure(source), ServerNotFound)

    assert (await source.locate()).target.name == "vm"


@pytest.mark.parametrize("url", ["", "ftp://proxy.example/?token=x", "ws://"])
async def test_a_url_that_cannot_be_used_is_told(
    cloud: FakeCloud, source: CloudSource, url: str
) -> None:
    cloud.add("vm")
    cloud.console_url = url

    error = await failure(source)

    assert isinstance(error, ConsoleUnavailable)
    assert "no usable console URL" in str(error)
    assert "base_url" in str(error.hint)


async def test_https_from_the_cloud_means_wss(
    cloud: FakeCloud, source: CloudSource
) -> None:
    cloud.add("vm")
    cloud.console_url = "https://proxy.example/?token=x"
    address = await source.locate()
    assert address.target.masked_url == "wss://proxy.example/?token=***"


async def test_the_page_of_another_console_is_named(
    cloud: FakeCloud, source: CloudSource
) -> None:
    cloud.add("vm")
    cloud.console_url = "http://proxy.example:6080/vnc_auto.html?path=%3Ftoken%3Dx"
    error = await failure(source)
    assert isinstance(error, ConsoleUnavailable)
    assert "noVNC console" in str(error)
    assert "base_url" in str(error.hint)


# ---- a cloud that names this machine


def own_name() -> str:
    """A name of this machine that leads to 127.0.0.1 and does not look like it."""
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        address = ""
    if address != "127.0.0.1" or name.startswith("localhost"):
        pytest.skip("this machine's own name does not lead to 127.0.0.1")
    return name


@pytest.mark.parametrize(
    ("proxy", "misled"),
    [("127.0.0.1:6083", True), ("localhost", True), ("proxy.example", False)],
)
async def test_a_cloud_elsewhere_cannot_mean_this_machine(
    cloud: FakeCloud,
    source: CloudSource,
    configure: Configure,
    proxy: str,
    misled: bool,
) -> None:
    cloud.add("vm")
    cloud.console_url = f"ws://{proxy}/?token=x"
    elsewhere = cloud.url.replace("127.0.0.1", own_name())
    configure(auth=cloud.auth(auth_url=f"{elsewhere}/identity/v3"))

    assert (await source.locate()).is_misdirected is misled


@pytest.mark.parametrize("proxy", ["127.0.0.1:6083", "localhost", "proxy.example"])
async def test_a_cloud_on_this_machine_can_mean_it(
    cloud: FakeCloud, source: CloudSource, proxy: str
) -> None:
    cloud.add("vm")
    cloud.console_url = f"ws://{proxy}/?token=x"

    assert not (await source.locate()).is_misdirected


# ---- what else a cloud tells


async def test_the_server_is_told_as_it_is_now(
    cloud: FakeCloud, source: CloudSource
) -> None:
    cloud.add("vm", next_statuses=["ACTIVE/powering-off", "SHUTOFF"])
    await source.locate()

    states = []
    for _ in range(2):
        server = await source.server()
        assert server is not None
        states.append(server.state)

    assert states == ["ACTIVE (powering-off)", "SHUTOFF"]


async def test_a_server_that_was_never_found_is_not_asked_for(
    cloud: FakeCloud, source: CloudSource
) -> None:
    assert await source.server() is None
    with pytest.raises(ConsoleUnavailable):
        await source.console_log()
    assert not cloud.requests

    await failure(source)

    assert await source.server() is None


@pytest.mark.parametrize("state", ["ACTIVE", "SHUTOFF"])
async def test_the_console_log_is_to_be_had_where_the_console_is_not(
    cloud: FakeCloud, source: CloudSource, state: str
) -> None:
    cloud.add("vm", status=state, printed=b"one\r\ntwo\r\n")
    if state == "ACTIVE":
        await source.locate()
    else:
        await failure(source)

    assert await source.console_log() == "one\ntwo\n"


@pytest.mark.parametrize("asks", ["locate", "server", "console_log"])
async def test_a_cloud_that_is_slow_is_not_waited_for(
    cloud: FakeCloud, source: CloudSource, asks: str, nursery: trio.Nursery
) -> None:
    """The thread is left behind; it ends when the cloud answers, or with us."""
    server = cloud.add("vm")
    await source.locate()
    one = f"/compute/v2.1/servers/{server.id}"
    path = f"{one}/action" if asks == "console_log" else one
    cloud.stall(path)
    questions = {
        "locate": lambda: source.locate(),
        "server": source.server,
        "console_log": lambda: source.console_log(),
    }

    hung = trio.Event()

    async def end_a_hang() -> None:
        """No cancellation ends a thread that is waited for; an answer does."""
        await trio.sleep(AT_ONCE_SECONDS)
        hung.set()
        cloud.release()

    nursery.start_soon(end_a_hang)
    async with trio.open_nursery() as asking:
        asking.start_soon(questions[asks])
        await trio.to_thread.run_sync(cloud.wait_for_request, path)
        asking.cancel_scope.cancel()
    assert not hung.is_set()


# ---- no cloud


async def test_a_url_is_used_as_given() -> None:
    target = Target.parse("ws://127.0.0.1:6083/?token=x")
    tls = TLSOptions(insecure=True)
    source = UrlSource(target, tls)

    for _ in range(2):
        assert await source.locate() == ConsoleAddress(target, tls)
    await assert_has_no_cloud(source)


async def test_the_demo_is_started_once() -> None:
    async with open_source(Demo(), SIZE) as source:
        first, second = [await source.locate() for _ in range(2)]

        assert second == first
        assert first.target.name == source.title == "demo"
        assert not first.is_misdirected
        stream = await trio.open_tcp_stream(first.target.host, first.target.port)
        await stream.aclose()
        await assert_has_no_cloud(source)


async def test_an_error_leaves_the_demo_as_it_is() -> None:
    """The demo's own tasks do not wrap it in an exception group."""
    error = UsageError("the log cannot be written")
    with pytest.raises(UsageError) as caught:
        async with open_source(Demo(), SIZE):
            raise error
    assert caught.value is error


async def assert_has_no_cloud(source: ConsoleSource) -> None:
    assert not source.renews
    assert await source.server() is None
    with pytest.raises(ConsoleUnavailable, match="only a cloud"):
        await source.console_log()
