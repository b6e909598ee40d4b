"""Runs a command to its end, or until there is no more time."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from novaconsole.errors import NovaConsoleError, TimedOut, UsageError
from novaconsole.guest.command import RemoteCommand
from novaconsole.guest.login import LoginDialogue
from novaconsole.remote.process import Process

# How long a command may take to end after it has been interrupted.
_STOP_SECONDS = 15.0

Show = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class Completed:
    """A command that has ended in the guest.

    Attributes:
        status: its exit status.
        output: what it printed, standard error included.
    """

    status: int
    output: bytes


def remote_command(
    command: str, dialogue: LoginDialogue, force_login: bool, has_stdin: bool
) -> RemoteCommand:
    """Return a command with a mark of its own.

    Raises:
        UsageError: it contains a NUL.
    """
    if "\0" in command:
        raise UsageError("a command cannot contain NUL")
    mark = f"nc{secrets.token_hex(8)}"  # guest/marks.py knows the form
    return RemoteCommand(
        command, mark, dialogue, force_login=force_login, has_stdin=has_stdin
    )


async def run_to_end(
    process: Process, show: Show | None, *, deadline: float, timeout: float
) -> Completed:
    """Read all output, and wait for the end; interrupt the command at the deadline.

    Args:
        process: runs.
        show: called with the output as it arrives; None collects it.
        deadline: on trio's clock.
        timeout: the seconds that there were until then, for the message.

    Raises:
        ConnectionLost: as `Process.wait`.
        GuestNotReady: as `Process.wait`.
        TimedOut: the command has not ended in time.
    """
    collected = bytearray()
    with trio.move_on_at(deadline):
        await _show_output(process, show, collected)
        return Completed(await process.wait(), bytes(collected))
    started, hint = process.started, process.timeout_hint
    process.interrupt()
    with trio.move_on_after(_STOP_SECONDS):
        await _show_output(process, show, collected)
    raise TimedOut.of_command(started, timeout, hint or process.timeout_hint)


async def _show_output(
    process: Process, show: Show | None, collected: bytearray
) -> None:
    try:
        async for data in process.stdout:
            if show is None:
                collected += data
            else:
                await show(bytes(data))
    except NovaConsoleError as exc:  # of `show`
        exc.started = process.started
        raise
