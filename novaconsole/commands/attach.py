"""The interactive program: resources outside, tasks inside.

    signal handlers ⊃ standard streams ⊃ one nursery:
        watch_signals · end_in_time · SessionLog.keep_up · Console.run ·
        read_keyboard · show_notices
            and inside Console.run, for each link, a nursery of its own:
            read · send_input · explain_silence

Whatever ends a task, leaving the nursery closes the link, leaving the streams restores
the terminal, and only then do signals count again.
"""

from collections.abc import AsyncIterator
from contextlib import closing, suppress

import trio

from novaconsole.cloud.server import Server
from novaconsole.console.explain import closing_message, suggest
from novaconsole.console.outcome import ConnectionSummary, Ended, Reason
from novaconsole.errors import NovaConsoleError, TimedOut
from novaconsole.session.connect_loop import Console
from novaconsole.session.state import Session, SessionOptions
from novaconsole.terminal.notices import Notices
from novaconsole.terminal.signals import TERMINAL_SIGNALS, received_signals
from novaconsole.terminal.stdio import open_stdio

_STATUS_SECONDS = 5.0


async def attach(
    options: SessionOptions, notices: Notices, *, keyboard_from_terminal: bool = False
) -> Ended:
    """Attach the standard streams to a serial console until something ends it.

    Args:
        options: what the user asked for.
        notices: for what we say.
        keyboard_from_terminal: standard input is used up; read the terminal.

    Returns:
        How it ended.

    Raises:
        NovaConsoleError: the console could not be reached.
    """
    with received_signals() as signals:
        with (
            closing(options.log),  # up to the last byte shown, however it ends
            open_stdio(keyboard_from_terminal=keyboard_from_terminal) as stdio,
        ):
            try:
                async with trio.open_nursery() as nursery:
                    session = Session(nursery, stdio, notices, options)
                    if options.recording:
                        options.recording.resize(session.size())
                    nursery.start_soon(session.watch_signals, signals)
                    nursery.start_soon(options.log.keep_up)
                    nursery.start_soon(_end_in_time, session)
                    nursery.start_soon(Console(session).run)
            finally:
                session.leave()
                if options.recording:
                    options.recording.end()
        # The terminal is the user's again: what is left may take its time.
        if session.failure is not None:
            raise session.failure
        ended = session.ended
        assert ended is not None
        if ended.error is not None:
            notices.error(ended.error)
        elif session.last is not None:
            connection = session.last.summary
            await _say_farewell(ended, connection, options, notices, signals)
    return ended


async def _end_in_time(session: Session) -> None:
    """End the session when its time is over."""
    unattended = session.options.unattended
    await trio.sleep(unattended.timeout)
    what = "no match" if unattended.until else "not over"
    error = TimedOut(f"{what} within {unattended.timeout:g} seconds")
    session.end(Ended(Reason.TIMED_OUT, error=error))


async def _say_farewell(
    ended: Ended,
    connection: ConnectionSummary,
    options: SessionOptions,
    notices: Notices,
    signals: AsyncIterator[int],
) -> None:
    """The last words, and advice for who did not want to leave."""
    words = closing_message(ended, connection)
    if words is not None:
        notices.say(words)
    if ended.reason is Reason.CLOSED:
        server = await _ask_status(options, signals)
        hint = suggest(connection, server, reconnects=options.reconnect)
        if hint is not None:
            notices.say(hint)


async def _ask_status(
    options: SessionOptions, signals: AsyncIterator[int]
) -> Server | None:
    """The server as it is now; None where that is not to be had, or not wanted."""
    server = None
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            nonlocal server
            with suppress(NovaConsoleError):
                server = await options.source.server()
            nursery.cancel_scope.cancel(reason="asked")

        nursery.start_soon(ask)
        nursery.cancel_scope.deadline = trio.current_time() + _STATUS_SECONDS
        async for signum in signals:
            if signum not in TERMINAL_SIGNALS:
                nursery.cancel_scope.cancel(reason="the user has enough")
    return server
