"""A serial console to try things on: a real shell on a real pty behind a websocket.

It behaves like nova-serialproxy in front of a qemu guest: binary frames, a token in the
query, an end without a close frame if the token is wrong, one client at a time while
the others wait in silence, and a close frame when the guest ends.  For the next
client it boots again, so that `--reconnect` can be tried.
"""

import os
import pty
import pwd
import re
import secrets
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

import trio

from novaconsole.console.outcome import DEMO_ENDED
from novaconsole.console.processes import has_ended, session_members, signal_session
from novaconsole.errors import ConnectionLost, HandshakeFailed
from novaconsole.terminal.tty import set_size
from novaconsole.websocket.connection import Connection
from novaconsole.websocket.server import accept_connection

_GREETING = (
    b"This is a shell on your own machine, reached as the serial console of a server"
    b" would be.\r\n"
)
_UPGRADE_SECONDS = 10
_OURS = re.compile(r"NOVACONSOLE_|OS_.*(PASS|TOKEN|SECRET)")
_HANGUP_SECONDS = 0.1  # for a shell to save its history
_POLL_SECONDS = 0.005


async def serve_demo(
    size: os.terminal_size,
    command: Sequence[str] | None = None,
    *,
    task_status: trio.TaskStatus[str],
) -> None:
    """Serve a console on loopback until cancelled; then leave no process behind.

    Reports the websocket URL, with a secret token.

    Args:
        size: of the guest's terminal; a real serial line does not know one.
        command: to run in place of the user's shell.
        task_status: trio's.
    """
    token = secrets.token_urlsafe(16)
    server = _Server(command or [_shell()], size, token)
    try:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        task_status.started(f"ws://127.0.0.1:{port}/?token={token}")
        await trio.serve_listeners(server.handle, listeners)
    finally:
        with trio.CancelScope(shield=True):  # bounded by _HANGUP_SECONDS
            await server.end()


class _Server:
    def __init__(
        self, command: Sequence[str], size: os.terminal_size, token: str
    ) -> None:
        self._command = command
        self._size = size
        self._token = token
        self._guest = _Guest(command, size)
        self._turn = trio.StrictFIFOLock()
        self._greeting = _GREETING

    async def handle(self, stream: trio.abc.Stream) -> None:
        deadline = trio.current_time() + _UPGRADE_SECONDS
        with suppress(HandshakeFailed):
            async with accept_connection(
                stream, self._allows, deadline=deadline
            ) as connection:
                if connection is not None:
                    async with self._turn:
                        await self._reboot_if_off()
                        await self._relay(connection)

    async def end(self) -> None:
        """Leave nothing behind."""
        await self._guest.end()

    def _allows(self, resource: str) -> bool:
        tokens = parse_qs(urlsplit(resource).query).get("token", [""])
        return secrets.compare_digest(tokens[-1].encode(), self._token.encode())

    async def _reboot_if_off(self) -> None:
        """Start another guest if the last one has ended."""
        if self._guest.has_ended:
            await self._guest.end()
            self._guest = _Guest(self._command, self._size)

    async def _relay(self, connection: Connection) -> None:
        async with trio.open_nursery() as nursery:

            async def type_into_guest() -> None:
                async for data in connection:
                    await self._guest.send_all(data)
                nursery.cancel_scope.cancel(reason="the client has gone")

            async def hang_up_with_the_shell() -> None:
                await self._guest.wait_ended()
                # Jobs that it left behind may keep the pty open for ever.
                await trio.sleep(_HANGUP_SECONDS)
                await connection.aclose(DEMO_ENDED)
                nursery.cancel_scope.cancel(reason="the guest has ended")

            nursery.start_soon(type_into_guest)
            nursery.start_soon(hang_up_with_the_shell)
            with suppress(ConnectionLost):
                greeting, self._greeting = self._greeting, b""
                await connection.send(greeting)
                while data := await self._guest.receive_some():
                    await connection.send(data)
                await connection.aclose(DEMO_ENDED)
            nursery.cancel_scope.cancel(reason="the guest has ended")


class _Guest:
    """A program on a pty of its own, with everything that it starts."""

    def __init__(self, command: Sequence[str], size: os.terminal_size) -> None:
        self._pid, master = pty.fork()
        if self._pid == 0:
            _become(command)
        if size.columns:
            set_size(master, size)
        self._guardian = _Guardian(self._pid)
        # The other side of the pty has flags of its own, so these are ours to change.
        self._pty = trio.lowlevel.FdStream(master)

    async def receive_some(self) -> bytes:
        """Wait for output; an empty result means that no process can print any more."""
        try:
            return await self._pty.receive_some()
        except trio.BrokenResourceError:  # EIO
            return b""

    async def send_all(self, data: bytes) -> None:
        """Type something; a guest that has ended ignores it."""
        with suppress(trio.BrokenResourceError):
            await self._pty.send_all(data)

    @property
    def has_ended(self) -> bool:
        """Whether the program itself has ended, even if its jobs have not."""
        return has_ended(self._pid)

    async def wait_ended(self) -> None:
        """Wait until the program itself has ended, even if its jobs have not."""
        if not hasattr(os, "pidfd_open"):  # Linux has it
            while not has_ended(self._pid):  # noqa: ASYNC110 # there is no event
                await trio.sleep(_HANGUP_SECONDS)
            return
        pidfd = os.pidfd_open(self._pid)
        try:
            await trio.lowlevel.wait_readable(pidfd)
        finally:
            os.close(pidfd)

    async def end(self) -> None:
        """Hang up, as a closed terminal window does, and kill what ignores that."""
        await trio.aclose_forcefully(self._pty)
        for signum in (signal.SIGHUP, signal.SIGCONT):
            signal_session(self._pid, signum)
        with trio.move_on_after(_HANGUP_SECONDS):
            while session_members(self._pid):  # noqa: ASYNC110 # there is no event
                await trio.sleep(_POLL_SECONDS)
        signal_session(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)  # noqa: ASYNC222 # it has been killed
        self._guardian.dismiss()


class _Guardian:
    """A process that kills a session when this process ends, even by SIGKILL.

    Args:
        leader: of the session.
    """

    def __init__(self, leader: int) -> None:
        alive, self._held_open = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _guard(alive, self._held_open, leader)
        os.close(alive)

    def dismiss(self) -> None:
        """End the guardian: the session has ended by itself."""
        os.close(self._held_open)
        os.waitpid(self._pid, 0)


def _guard(alive: int, held_open: int, leader: int) -> NoReturn:
    """In the child of a fork: wait until the parent has ended."""
    try:
        os.setsid()
        os.closerange(0, alive)  # keep none of the user's files open
        os.closerange(alive + 1, held_open + 1)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
        os.read(alive, 1)
        signal_session(leader, signal.SIGKILL)
    finally:
        os._exit(0)


def _shell() -> str:
    return os.environ.get("SHELL") or pwd.getpwuid(os.getuid()).pw_shell or "/bin/sh"


def _environment() -> dict[str, str]:
    """What a guest may know: none of our options, and none of the cloud's secrets."""
    return {name: value for name, value in os.environ.items() if not _OURS.match(name)}


def _become(command: Sequence[str]) -> NoReturn:
    """In the child of a fork: run the command, or exit."""
    try:
        # Python ignores SIGPIPE, and the command would inherit that.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvpe(  # noqa: S606 # the command is the user's own
            command[0], list(command), _environment()
        )
    finally:
        os._exit(127)
