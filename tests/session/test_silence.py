"""A console that prints nothing is explained, once, after Enter."""

import pytest
import trio
import trio.testing

from novaconsole.cloud.server import Server
from novaconsole.session.silence import PROXY_SILENT, SILENT, SilenceExplainer
from support.session_fakes import FakeConnection, FakeSource, Said, session_of

A_MINUTE = 60.0


async def explanation(
    connection: FakeConnection,
    source: FakeSource,
    *,
    enter: bool = True,
    output_after: float | None = None,
) -> list[str]:
    """What is said within a minute."""
    said = Said()
    async with session_of(said) as (session, nursery):
        attachment = connection.attachment().attachment
        nursery.start_soon(SilenceExplainer(session, source).watch, attachment)
        if enter:
            attachment.enter_typed.set()
        if output_after is not None:
            await trio.sleep(output_after)
            attachment.output_came.set()
            connection.bytes_in = 1
        await trio.sleep(A_MINUTE)
        nursery.cancel_scope.cancel()
    return said.lines


async def test_a_guest_that_answers_pings_only(
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert await explanation(FakeConnection(), FakeSource()) == [SILENT]


async def test_a_proxy_that_answers_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    connection = FakeConnection()
    connection.answers_pings = False
    assert await explanation(connection, FakeSource()) == [PROXY_SILENT]


async def test_a_server_that_is_paused_is_the_reason(
    autojump_clock: trio.testing.MockClock,
) -> None:
    paused = Server("web1", "3f9a-27c1", "PAUSED")
    [line] = await explanation(FakeConnection(), FakeSource(server=paused))
    assert line.startswith("no output, because server 'web1' is PAUSED: ")


async def test_without_enter_nothing_is_expected(
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert await explanation(FakeConnection(), FakeSource(), enter=False) == []


@pytest.mark.parametrize("seconds", [0.5, 3.9])
async def test_output_that_comes_in_time_needs_no_explanation(
    seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    lines = await explanation(FakeConnection(), FakeSource(), output_after=seconds)
    assert lines == []


async def test_it_is_said_once_in_a_session(
    autojump_clock: trio.testing.MockClock,
) -> None:
    said = Said()
    async with session_of(said) as (session, nursery):
        explainer = SilenceExplainer(session, FakeSource())
        for _ in range(3):
            attachment = FakeConnection().attachment().attachment
            attachment.enter_typed.set()
            nursery.start_soon(explainer.watch, attachment)
            await trio.sleep(A_MINUTE)
        nursery.cancel_scope.cancel()
    assert said.lines == [SILENT]
