"""Why a session ended, said when the terminal is the user's again."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from novaconsole.console.explain import closing_message, suggest
from novaconsole.console.outcome import ConnectionSummary, Outcome, Reason
from novaconsole.console.source import ConsoleSource
from novaconsole.errors import NovaConsoleError
from novaconsole.session.state import SessionOptions
from novaconsole.terminal.notices import Notices
from novaconsole.terminal.signals import TERMINAL_SIGNALS

if TYPE_CHECKING:
    from novaconsole.cloud.server import Server

_STATUS_SECONDS = 5.0


async def say_why(
    outcome: Outcome,
    connection: ConnectionSummary,
    options: SessionOptions,
    source: ConsoleSource,
    notices: Notices,
    signals: AsyncIterator[int],
) -> None:
    """Say why the session ended, and what to try if the user did not end it.

    Args:
        outcome: how it ended.
        connection: the last one.
        options: what the user asked for.
        source: knows the server's state.
        notices: for messages.
        signals: any that would end the program ends the question to the cloud.
    """
    message = closing_message(outcome, connection)
    if message is not None:
        notices.say(message)
    if outcome.reason is Reason.CLOSED:
        server = await _ask_status(source, signals)
        hint = suggest(connection, server, reconnects=options.reconnect)
        if hint is not None:
            notices.say(hint)


async def _ask_status(
    source: ConsoleSource, signals: AsyncIterator[int]
) -> "Server | None":
    """The server's state now, or None if there is no answer in time."""
    server = None
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            nonlocal server
            with suppress(NovaConsoleError):
                server = await source.server()
            nursery.cancel_scope.cancel(reason="the cloud has answered")

        nursery.start_soon(ask)
        nursery.cancel_scope.deadline = trio.current_time() + _STATUS_SECONDS
        async for signum in signals:
            if signum not in TERMINAL_SIGNALS:
                nursery.cancel_scope.cancel(reason="the user does not want to wait")
    return server
