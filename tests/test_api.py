"""The Python API: data, errors, cancellation, and that nothing is left open."""

import asyncio
import subprocess
import sys
import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

import novaconsole
import support.fake_cloud as fake
from novaconsole import ConnectOptions, Match, SerialConsole
from novaconsole.remote.streams import ProcessInput
from support.fake_cloud import FakeCloud, write_clouds
from support.servers import (
    AT_ONCE_SECONDS,
    LOOPBACK,
    mute,
    nothing_left,
    refused_port,
    serving,
)
from support.shell import TOKEN, Guest, wait_until

# Deprecation warnings inside openstacksdk are not ours.
pytestmark = pytest.mark.filterwarnings(r"ignore:::openstack\.")

SOON = 0.2


@pytest.fixture
def guest() -> Iterator[Guest]:
    """A guest that echoes."""
    with Guest(echoes=True) as guest:
        yield guest


@pytest.fixture
def configured(
    cloud: FakeCloud, guest: Guest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeCloud:
    """A cloud `fake`; the console of each of its servers is the guest's."""
    write_clouds(fake.isolate(monkeypatch, tmp_path), fake=cloud.config())
    cloud.console_url = guest.url
    return cloud


@contextmanager
def leaving_nothing() -> Iterator[Guest]:
    """A guest that echoes; nothing may be left open at the end."""
    with nothing_left(), Guest(echoes=True) as guest:
        yield guest


async def receive(console: SerialConsole, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await console.receive()
    return data


# ---- bytes


async def test_every_byte_value_passes_both_ways() -> None:
    every_byte = bytes(range(256)) * 100
    with leaving_nothing() as guest:
        async with novaconsole.connect(guest.url) as console:
            await console.send(every_byte)
            assert await receive(console, len(every_byte)) == every_byte
            assert console.close_reason is None
            assert console.title == f"127.0.0.1:{guest.port}"
        assert guest.wait_closing() == b"\x03\xe8"
    assert guest.received == every_byte


async def test_without_a_server_nothing_else_is_blamed() -> None:
    with pytest.raises(novaconsole.UsageError, match="no server given") as caught:
        async with novaconsole.connect(""):
            pass
    assert caught.value.hint == "give its name, its UUID or a URL"


async def test_a_hint_speaks_of_arguments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake.isolate(monkeypatch, tmp_path)
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    with pytest.raises(novaconsole.CloudError) as caught:
        async with novaconsole.connect("vm"):
            pass
    assert "with the argument cloud or OS_CLOUD" in str(caught.value.hint)
    assert "--" not in str(caught.value.hint)


async def test_text_is_refused_and_the_console_stays_usable() -> None:
    """Nova's proxy ends a session that sends a text frame."""
    with leaving_nothing() as guest:
        async with novaconsole.connect(guest.url) as console:
            for wrong in ("x", "", 5, None, ["x"]):
                with pytest.raises(TypeError):
                    await console.send(wrong)  # type: ignore[arg-type] # the test
            for right in (b"o", bytearray(b"n"), memoryview(b"e")):
                await console.send(right)
            assert await receive(console, 3) == b"one"
    assert guest.received == b"one"


async def test_text_is_no_input_of_a_command() -> None:
    given = list[bytes]()

    async def give(data: memoryview) -> int:
        given.append(bytes(data))
        return len(data)

    async def wait_room() -> None: ...

    stdin = ProcessInput(give, wait_room, lambda: None)
    with pytest.raises(TypeError), trio.testing.assert_no_checkpoints():
        await stdin.send_all("x")  # type: ignore[arg-type] # the test
    await stdin.send_all(memoryview(array("H", [1, 2])))
    assert given == [array("H", [1, 2]).tobytes()]


async def test_iteration_ends_with_the_connection(guest: Guest) -> None:
    async with novaconsole.connect(guest.url) as console:
        guest.send(b"one")
        guest.send(b"")
        guest.send(b"two")
        guest.close(1000, "Target closed")
        pieces = [piece async for piece in console]
        assert b"".join(pieces) == b"onetwo"
        assert b"" not in pieces
        assert str(console.close_reason) == "Target closed (code 1000, closed normally)"


async def test_cancelling_receive_loses_no_data(guest: Guest) -> None:
    async with novaconsole.connect(guest.url) as console:
        for number in range(20):
            with trio.move_on_after(0.001):
                await console.receive()
                pytest.fail("nothing was sent")
            await console.send(b"%02d" % number)
            assert await receive(console, 2) == b"%02d" % number


# ---- expect


async def test_matches_come_in_order(guest: Guest) -> None:
    async with novaconsole.connect(guest.url) as console:
        await console.send(b"boot\r\nvm lo\x1b[1mgin: Pass")
        assert await console.expect("Password", r"(\w+) login: ") == Match(
            1, "boot\n", "vm login: ", ("vm",)
        )
        await console.send(b"word: ")
        assert await console.expect("word: $") == Match(0, "Pass", "word: ")


async def test_expect_times_out_and_can_be_repeated(guest: Guest) -> None:
    async with novaconsole.connect(guest.url) as console:
        await console.send(b"boot\r\nvm lo")
        with pytest.raises(novaconsole.TimedOut) as caught:
            await console.expect("login: ", "# ", timeout=SOON)
        assert str(caught.value) == "no match for 'login: ' or '# ' within 0.2 seconds"
        assert caught.value.hint == r"look at the last output: 'boot\nvm lo'"
        await console.send(b"gin: ")
        assert (await console.expect("login: ")).before == "boot\nvm "


async def test_a_bad_pattern_is_a_usage_error(guest: Guest) -> None:
    async with novaconsole.connect(guest.url) as console:
        with pytest.raises(novaconsole.UsageError, match="bad regular expression"):
            await console.expect("(")


# ---- the connection ends


@pytest.mark.parametrize("is_orderly", [True, False])
async def test_after_the_end_every_operation_raises_connection_lost(
    guest: Guest, is_orderly: bool
) -> None:
    async with novaconsole.connect(guest.url) as console:
        await console.send(b"last")
        assert await receive(console, 4) == b"last"
        if is_orderly:
            guest.close(1000, "Target closed")
            words = "closed by the other side: Target closed"
        else:
            guest.drop()
            words = "lost: no close frame received"
        for wait in (
            console.receive,
            partial(console.expect, "login: "),
            partial(console.send, b"x"),
        ):
            with pytest.raises(novaconsole.ConnectionLost, match=words) as caught:
                await wait()
            assert TOKEN not in f"{caught.value!r} {caught.value.hint}"
        assert [data async for data in console] == []


async def test_after_our_own_close_nobody_else_is_blamed(guest: Guest) -> None:
    async with novaconsole.connect(guest.url) as console:
        await console.send(b"last")
    with pytest.raises(novaconsole.ConnectionLost, match=r"is closed$") as caught:
        await console.send(b"x")
    assert caught.value.hint is None


async def test_data_sent_before_the_end_is_received_first(guest: Guest) -> None:
    async with novaconsole.connect(guest.url) as console:
        guest.send(b"login: ")
        guest.drop()
        await console.expect("login: ")
        with pytest.raises(novaconsole.ConnectionLost):
            await console.expect("login: ")


# ---- errors, never in an exception group


async def test_a_refused_connection_is_a_connect_error() -> None:
    with nothing_left(), pytest.raises(novaconsole.ConnectError, match="refused"):
        async with novaconsole.connect(f"ws://{LOOPBACK}:{refused_port()}/"):
            pass


async def test_a_server_that_does_not_answer_is_a_connect_error() -> None:
    with nothing_left():
        async with serving(mute) as server:
            url = f"ws://{LOOPBACK}:{server.port}/"
            options = ConnectOptions(timeout=SOON)
            with pytest.raises(novaconsole.ConnectError, match="in time"):
                async with novaconsole.connect(url, options=options):
                    pass


async def test_a_bad_url_is_a_usage_error() -> None:
    with pytest.raises(novaconsole.UsageError):
        async with novaconsole.connect("ws://"):
            pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
async def test_an_exception_of_the_caller_is_raised_unchanged(
    error: type[BaseException],
) -> None:
    mine = error("mine")
    with leaving_nothing() as guest, pytest.raises(error) as caught:
        async with novaconsole.connect(guest.url):
            raise mine
    assert caught.value is mine


async def test_the_loss_of_one_console_does_not_touch_another(guest: Guest) -> None:
    async def lose(other: Guest) -> None:
        async with novaconsole.connect(other.url) as console:
            await receive(console, 5)
            other.drop()
            await console.receive()

    with Guest(greeting=b"hello") as other:
        async with novaconsole.connect(guest.url) as console:
            with pytest.raises(novaconsole.ConnectionLost):
                await lose(other)
            await console.send(b"still there")
            await console.expect("still there")


# ---- cancellation


@pytest.mark.parametrize("where", ["connecting", "receiving", "expecting", "sleeping"])
async def test_cancellation_is_immediate_and_leaves_nothing_open(where: str) -> None:
    with leaving_nothing() as guest, trio.fail_after(AT_ONCE_SECONDS):
        async with serving(mute) as silent:
            mute_url = f"ws://{LOOPBACK}:{silent.port}/"
            url = mute_url if where == "connecting" else guest.url
            with trio.move_on_after(SOON) as scope:
                async with novaconsole.connect(url) as console:
                    match where:
                        case "receiving":
                            await console.receive()
                        case "expecting":
                            await console.expect("never")
                        case "sleeping":
                            await trio.sleep_forever()
            assert scope.cancelled_caught


# ---- a cloud


async def test_a_server_can_be_given_by_name(
    configured: FakeCloud, guest: Guest
) -> None:
    configured.add("vm")
    with nothing_left():
        async with novaconsole.connect("vm", cloud="fake") as console:
            assert console.title == "vm"
            assert console.url.endswith("/?token=***")
            await console.send(b"x")
            assert await console.receive() == b"x"
        with trio.fail_after(AT_ONCE_SECONDS):
            await trio.to_thread.run_sync(guest.wait_closing)
        # The cloud runs in this process; its threads end a moment later.
        wait_until(
            lambda: (
                not any(
                    "process_request" in thread.name for thread in threading.enumerate()
                )
            )
        )


async def test_an_unknown_server_is_a_cloud_error(configured: FakeCloud) -> None:
    with pytest.raises(novaconsole.CloudError, match="no server 'vm'"):
        async with novaconsole.connect("vm", cloud="fake"):
            pass


async def test_with_wait_a_server_that_is_being_built_is_waited_for(
    configured: FakeCloud,
) -> None:
    configured.add("vm", status="BUILD", next_statuses=["BUILD", "BUILD", "ACTIVE"])
    with pytest.raises(novaconsole.CloudError, match="is BUILD, not ACTIVE"):
        async with novaconsole.connect("vm", cloud="fake"):
            pass
    async with novaconsole.connect("vm", cloud="fake", wait=True) as console:
        await console.send(b"x")
        assert await console.receive() == b"x"


# ---- surroundings


def test_asyncio_programs_can_use_it_in_a_thread(guest: Guest) -> None:
    async def greet() -> str:
        async with novaconsole.connect(guest.url) as console:
            await console.send(b"vm login: ")
            return (await console.expect(r"\w+ login: ")).text

    async def main() -> str:
        return await asyncio.to_thread(trio.run, greet)

    assert asyncio.run(main()) == "vm login: "


def test_no_terminal_module_is_loaded() -> None:
    code = """
import sys
from novaconsole import connect
unwanted = {"termios", "tty", "novaconsole.terminal.tty", "typer"}
print(*unwanted.intersection(sys.modules))
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "\n"
