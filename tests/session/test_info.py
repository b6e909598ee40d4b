"""What `~I` tells of the connection and of the files."""

from pathlib import Path

import pytest
import trio
import trio.testing

from novaconsole.session.info import info_lines
from support.session_fakes import FakeConnection


async def test_the_connection_is_described(
    autojump_clock: trio.testing.MockClock,
) -> None:
    connection = FakeConnection()
    connection.bytes_in, connection.bytes_out = 12, 3
    connection.round_trip = 0.0123
    await trio.sleep(3723)
    assert info_lines(
        connection.attachment().attachment,
        keepalive=20,
        log=Path("vm.log"),
        recording=Path("vm.cast"),
    ) == [
        "attached to: web1 (ws://console.example:6083/?token=***)",
        "attached for: 1:02:03",
        "bytes: 12 in, 3 out",
        "round trip: 12.3 ms",
        "log: vm.log",
        "recording: vm.cast",
    ]


@pytest.mark.parametrize(
    ("keepalive", "expected"),
    [(20.0, "not known yet"), (0.0, "not measured (--keepalive 0)")],
)
async def test_a_round_trip_that_was_not_measured(
    keepalive: float, expected: str
) -> None:
    attachment = FakeConnection().attachment().attachment
    lines = info_lines(attachment, keepalive=keepalive, log=None, recording=None)
    assert f"round trip: {expected}" in lines
    assert lines[-1] == "log: none"


async def test_a_recording_that_has_ended_is_said() -> None:
    lines = info_lines(None, keepalive=20, log=None, recording="none")
    assert lines[-1] == "recording: none"


async def test_in_an_outage_there_is_no_connection() -> None:
    assert info_lines(None, keepalive=20, log=None, recording=None) == [
        "not attached: waiting for the server or the network",
        "log: none",
    ]
