"""Runs a command over a console: the I/O, time and cancellation of guest/command.py."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import trio

from novaconsole.errors import ConnectionLost, NovaConsoleError, TimedOut
from novaconsole.guest.command import RemoteCommand

# How long a command may take to end after it has been interrupted ...
_STOP_SECONDS = 15.0
_CANCELLED_STOP_SECONDS = 3.0  # ... and how long if the caller was cancelled

Show = Callable[[bytes], Awaitable[None]]


class ByteConsole(Protocol):
    """A console: bytes to the guest, and bytes from it."""

    async def send(self, data: bytes) -> None:
        """Type something."""
        ...

    async def receive(self) -> bytes:
        """Wait for what the guest prints."""
        ...


async def run_to_end(
    console: ByteConsole,
    command: RemoteCommand,
    show: Show,
    *,
    deadline: float,
    timeout: float,
) -> int:
    """Run a command, interrupt it if need be, and return its status.

    Args:
        console: leads to the guest.
        command: has not begun.
        show: called with the output as it arrives.
        deadline: when to interrupt it, on trio's clock.
        timeout: the seconds that there were until then, for the message.

    Raises:
        NovaConsoleError: it has no status; the error tells whether it was started.
    """
    try:
        with trio.move_on_at(deadline) as scope:
            await _drive(console, command, show)
    except BaseException as exc:  # a cancellation, too
        if isinstance(exc, NovaConsoleError):
            exc.started = command.started
        with (
            trio.move_on_after(_CANCELLED_STOP_SECONDS, shield=True),
            suppress(ConnectionLost),
        ):
            command.interrupt(trio.current_time())
            await _drive(console, command, _drop)
        raise
    if scope.cancelled_caught:
        started, hint = command.started, command.timeout_hint
        with trio.move_on_after(_STOP_SECONDS):
            command.interrupt(trio.current_time())
            await _drive(console, command, show)
        raise TimedOut.of_command(started, timeout, hint or command.timeout_hint)
    if command.error is not None:
        command.error.started = command.started
        raise command.error
    assert command.status is not None
    return command.status


async def _drop(data: bytes) -> None:
    """Show nothing."""


async def _drive(console: ByteConsole, command: RemoteCommand, show: Show) -> None:
    """Carry out what the dialogue with the guest asks for, to its end."""
    while True:
        if typed := command.take_typed():
            await console.send(typed)
        if output := command.take_output():
            await show(output)
        if command.is_over:
            return
        data = b""
        with trio.move_on_at(command.deadline):
            data = await console.receive()
        if data:
            command.feed(data, trio.current_time())
        else:
            command.wake(trio.current_time())
