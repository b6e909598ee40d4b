"""Run one command in the guest: its output is ours, and so is its exit status."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import trio

from novaconsole.api import open_serial_console
from novaconsole.console.connect import ConnectOptions
from novaconsole.console.outcome import Outcome, Reason
from novaconsole.console.source import ConsoleLocation, ConsoleSource, open_source
from novaconsole.errors import (
    InputFailed,
    NovaConsoleError,
    OutputFailed,
    TimedOut,
    in_words,
)
from novaconsole.terminal.notices import Notices, Verbosity
from novaconsole.terminal.prompt import ask_from_thread
from novaconsole.terminal.signals import TERMINAL_SIGNALS, received_signals
from novaconsole.terminal.stdio import Stdio, open_stdio, terminal_size

# What a shell's status says of a command (POSIX, 2.8.2).
_NOT_RUN = {
    126: "the command could not be executed in the guest",
    127: "the command was not found in the guest",
}
_UNREAD = "standard input is not read; -i gives it to the command"


@dataclass(frozen=True)
class RunRequest:
    """What the user asked for.

    Attributes:
        location: which console.
        connect: how to connect to it.
        command: for the shell in the guest.
        login: user to run it as, or None for the user who is logged in.
        password: for the login, or None.
        force_login: whether to log out a shell of another user.
        stdin: whether standard input is the command's; else that is empty.
        timeout: seconds for everything together; infinity for no limit.
        wait: whether to wait until the server is running.
    """

    location: ConsoleLocation
    connect: ConnectOptions
    command: str
    timeout: float
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    force_login: bool = False
    stdin: bool = False
    wait: bool = False

    kind: ClassVar[Literal["run"]] = "run"


async def run_command(request: RunRequest, notices: Notices) -> int:
    """Run the command; its exit status, or that of what ended it early.

    Args:
        request: what the user asked for.
        notices: for messages.

    Raises:
        NovaConsoleError: it could not be run, or not to its end.
    """
    status = 0
    failure: NovaConsoleError | None = None
    attached = trio.Event()
    with received_signals() as signals, open_stdio() as stdio:
        async with trio.open_nursery() as nursery:

            def end(outcome: Outcome) -> None:
                nonlocal status
                status = outcome.exit_status
                nursery.cancel_scope.cancel(reason=outcome.reason.value)

            async def show(data: bytes) -> None:
                try:
                    await stdio.screen.send_all(data)
                except BrokenPipeError:
                    end(Outcome(Reason.OUTPUT_CLOSED))
                except OSError as exc:
                    raise OutputFailed.because(exc) from exc

            async def watch_signals() -> None:
                async for signum in signals:
                    if signum not in TERMINAL_SIGNALS:
                        end(Outcome(Reason.SIGNAL, signum=signum))

            async def watch_output() -> None:
                assert stdio.watched is not None
                await stdio.watched.wait_reader_gone()
                end(Outcome(Reason.OUTPUT_CLOSED))

            nursery.start_soon(watch_signals, name="signals")
            if stdio.watched is not None:
                nursery.start_soon(watch_output, name="reader")
            try:
                async with open_source(
                    request.location, terminal_size(), ask_from_thread
                ) as source:
                    status = await _attach_and_run(
                        request, source, notices, stdio, show, attached
                    )
            except NovaConsoleError as exc:
                if not attached.is_set():
                    exc.started = False
                failure = exc  # raised in here, it would arrive in an exception group
            nursery.cancel_scope.cancel(reason="the command has ended")
    if failure is not None:
        raise failure
    return status


async def _attach_and_run(
    request: RunRequest,
    source: ConsoleSource,
    notices: Notices,
    stdio: Stdio,
    show: Callable[[bytes], Awaitable[None]],
    attached: trio.Event,
) -> int:
    deadline = trio.current_time() + request.timeout
    try:
        with trio.fail_at(deadline) as connecting:
            async with open_serial_console(
                source, request.connect, wait=request.wait
            ) as console:
                connecting.deadline = math.inf
                attached.set()
                notices.event("attached", title=console.title, url=console.url)
                notices.say(f"connected to: {console.title}", Verbosity.VERBOSE)
                if not request.stdin and stdio.piped and stdio.piped.holds_data:
                    notices.say(_UNREAD)
                completed = await console.run(
                    request.command,
                    login=request.login,
                    password=request.password,
                    force_login=request.force_login,
                    timeout=max(0, deadline - trio.current_time()),
                    stdin=_received(stdio) if request.stdin else None,
                    show=show,
                )
    except trio.TooSlowError:
        raise TimedOut(f"not connected within {in_words(request.timeout)}") from None
    except TimedOut as exc:
        raise TimedOut.of_command(exc.started, request.timeout, exc.hint) from None
    # The guest's own words went where the output goes, which may be a program: ssh.
    if request.stdin and completed.status in _NOT_RUN:
        notices.say(f"{_NOT_RUN[completed.status]} (status {completed.status})")
    return completed.status


async def _received(stdio: Stdio) -> AsyncIterator[bytes]:
    """Read standard input to its end; on a terminal, by lines, as they are typed."""
    source = stdio.piped or stdio.keyboard
    assert source is not None
    try:
        while data := await source.receive_some():
            yield data
    except OSError as exc:
        raise InputFailed.because(exc) from exc
