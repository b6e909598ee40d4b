"""`--run`: one command in the guest, its output as ours, its status as ours."""

import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import trio

from novaconsole.api import open_source
from novaconsole.console.connect import ConnectOptions
from novaconsole.console.outcome import Ended, Reason
from novaconsole.console.source import ConsoleSource
from novaconsole.errors import OutputFailed, TimedOut
from novaconsole.terminal.notices import VERBOSE, Notices
from novaconsole.terminal.pipes import Output
from novaconsole.terminal.signals import TERMINAL_SIGNALS, received_signals
from novaconsole.terminal.stdio import open_stdio


@dataclass(frozen=True)
class CommandOptions:
    """What the user asked for.

    Attributes:
        source: knows where the console is.
        connect: how to reach it.
        command: for the shell in the guest.
        login: user to log in as, should the guest want that; None for none.
        password: for the login; None for none.
        timeout: seconds for all of it; infinity for no end.
        wait: whether to wait until the server runs.
    """

    source: ConsoleSource
    connect: ConnectOptions
    command: str
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: float = math.inf
    wait: bool = False


async def run_command(options: CommandOptions, notices: Notices) -> int:
    """Run the command; its exit status, or that of what has ended it before.

    Args:
        options: what the user asked for.
        notices: for what we say.

    Raises:
        NovaConsoleError: it could not be run, or not to its end.
    """
    status = 0
    with received_signals() as signals, open_stdio() as stdio:
        screen = stdio.screen
        async with trio.open_nursery() as nursery:

            def end(ended: Ended) -> None:
                nonlocal status
                status = ended.exit_status
                nursery.cancel_scope.cancel(reason=ended.reason.value)

            async def show(data: bytes) -> None:
                try:
                    await screen.send_all(data)
                except BrokenPipeError:
                    end(Ended(Reason.OUTPUT_CLOSED))
                except OSError as exc:
                    raise OutputFailed(
                        f"cannot write the output: {exc.strerror}"
                    ) from exc

            nursery.start_soon(_watch_signals, signals, end)
            if isinstance(screen, Output):
                nursery.start_soon(_watch_output, screen, end)
            await options.source.start(nursery, os.terminal_size((0, 0)))
            status = await _attach_and_run(options, notices, show)
            nursery.cancel_scope.cancel(reason="the command has ended")
    return status


async def _attach_and_run(
    options: CommandOptions, notices: Notices, show: Callable[[bytes], Awaitable[None]]
) -> int:
    deadline = trio.current_time() + options.timeout
    try:
        with trio.fail_at(deadline) as connecting:
            async with open_source(
                options.source, options.connect, wait=options.wait
            ) as console:
                connecting.deadline = math.inf
                notices.event("attached", title=console.title, url=console.url)
                notices.say(f"connected to: {console.title}", VERBOSE)
                completed = await console.run(
                    options.command,
                    login=options.login,
                    password=options.password,
                    timeout=max(0, deadline - trio.current_time()),
                    show=show,
                )
    except trio.TooSlowError:
        raise TimedOut(f"not connected within {options.timeout:g} seconds") from None
    except TimedOut as exc:
        what = f"the command has not ended within {options.timeout:g} seconds"
        raise TimedOut(what, exc.hint) from None
    return completed.status


async def _watch_signals(
    signals: AsyncIterator[int], end: Callable[[Ended], None]
) -> None:
    async for signum in signals:
        if signum not in TERMINAL_SIGNALS:
            end(Ended(Reason.SIGNAL, signum=signum))


async def _watch_output(output: Output, end: Callable[[Ended], None]) -> None:
    await output.wait_reader_gone()
    end(Ended(Reason.OUTPUT_CLOSED))
