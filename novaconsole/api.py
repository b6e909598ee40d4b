r"""Serial consoles for Python programs that run in trio.

    async with novaconsole.connect("my-server", cloud="prod") as console:
        await console.send(b"\r")
        await console.expect("login: ", timeout=30)

No terminal is touched, and no task is left running.  Failures are raised as the errors
of `errors.py`, never in an exception group.  docs/api.md is the guide.
"""

import math
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import trio

from novaconsole.cloud.config import CloudOptions, proxy_of_environment
from novaconsole.console.connect import ConnectOptions
from novaconsole.console.explain import describe_loss, suggest
from novaconsole.console.outcome import summarize
from novaconsole.console.retry import RetryPolicy, connect_with_retries
from novaconsole.console.source import (
    CloudServer,
    ConsoleLocation,
    ConsoleSource,
    ConsoleUrl,
    open_source,
)
from novaconsole.errors import ConnectionLost, TimedOut, UsageError, in_words
from novaconsole.guest.command import RemoteCommand
from novaconsole.guest.expect import Match, OutputBuffer, Patterns
from novaconsole.guest.login import LoginDialogue
from novaconsole.network.target import Target, TLSOptions, is_url
from novaconsole.websocket.close import CloseReason
from novaconsole.websocket.connection import Connection

# How long a command may take to end after it has been interrupted ...
_STOP_SECONDS = 15.0
_CANCELLED_STOP_SECONDS = 3.0  # ... and how long if the caller was cancelled


@dataclass(frozen=True)
class Completed:
    """A command that has ended in the guest.

    Attributes:
        status: its exit status.
        output: what it printed, standard error included.
    """

    status: int
    output: bytes


class SerialConsole:
    """A serial console that is attached.

    Nova gives a console to one client at a time, so there is one stream: what
    `receive` and iteration give, `expect` does not see, and the other way round.

    Args:
        connection: the websocket.
        target: what it leads to.
    """

    def __init__(self, connection: Connection, target: Target) -> None:
        self._connection = connection
        self._target = target
        self._output = OutputBuffer()

    @property
    def title(self) -> str:
        """The server's name, or the host of the URL."""
        return self._target.title

    @property
    def url(self) -> str:
        """Of the websocket, the token hidden."""
        return self._target.masked_url

    @property
    def close_reason(self) -> CloseReason | None:
        """How the connection ended, or None while it is open."""
        return self._connection.close_reason

    async def send(self, data: bytes) -> None:
        r"""Type something; Enter is `\r`.

        Waits while the guest is slow to take it.  Where that is cancelled, a part has
        been sent, and the console is of no more use.

        Raises:
            ConnectionLost: the connection is closed.
        """
        try:
            await self._connection.send(data)
        except ConnectionLost as exc:
            raise self._lost() from exc

    async def receive(self) -> bytes:
        """Wait for what the guest prints; some bytes, at least one.

        Nothing is lost when this is cancelled.

        Raises:
            ConnectionLost: the connection is closed, and all has been received.
        """
        async for data in self:
            return data
        raise self._lost()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """As `receive`; the end of the connection ends the iteration."""
        data = b""
        while not data:
            data = await anext(self._connection)
        return data

    async def expect(self, *patterns: str, timeout: float = math.inf) -> Match:
        """Wait until the guest's output matches.

        Looked at is the text without control sequences, CR LF as LF, from the end of
        the last match on; no more than the latest 64 Ki characters are kept.

        Args:
            patterns: regular expressions in Python's syntax, without back references
                and look-around, of which any may match.
            timeout: seconds.

        Raises:
            ConnectionLost: the connection was closed before.
            TimedOut: it took longer.
            UsageError: a pattern is malformed, too large, or too slow for the output.
        """
        wanted = Patterns(*patterns)
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(timeout):
            while (match := self._output.find(wanted)) is None:
                self._output.feed(await self.receive())
            return match
        raise TimedOut(
            f"no match for {' or '.join(map(repr, patterns))} within "
            f"{in_words(timeout)}",
            f"look at the last output: {self._output.tail!r}",
        )

    async def run(
        self,
        command: str,
        *,
        login: str | None = None,
        password: str | None = None,
        timeout: float = math.inf,
        show: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> Completed:
        """Run a command in the guest's shell, as `ssh host command` does.

        The guest may be booting, at its login prompt, or at a shell that was left
        open.  `guest/command.py` explains how it is done and what is left unchanged.

        Args:
            command: for the user's shell; its standard input is /dev/null.
            login: user to log in as if the guest asks for that; then the user is also
                logged out again.
            password: for the login.
            timeout: seconds for everything; then the command is interrupted.
            show: called with the output as it arrives; None collects it.

        Raises:
            ConnectionLost: the connection was closed before the command ended.
            GuestNotReady: the guest has no shell to run the command in, or the command
                could not be run to its end.
            TimedOut: it took longer.
            UsageError: the command contains a NUL.
        """
        if "\0" in command:
            raise UsageError("a command cannot contain NUL")
        collected = bytearray()

        async def collect(data: bytes) -> None:
            collected.extend(data)

        shell = RemoteCommand(
            command,
            f"nc{secrets.token_hex(8)}",
            LoginDialogue(login, password, trio.current_time()),
        )
        try:
            with trio.move_on_after(timeout) as scope:
                await self._drive(shell, show or collect)
        except BaseException:  # a cancellation, too
            with (
                trio.move_on_after(_CANCELLED_STOP_SECONDS, shield=True),
                suppress(ConnectionLost),
            ):
                shell.interrupt(trio.current_time())
                await self._drive(shell, collect)
            raise
        if scope.cancelled_caught:
            with trio.move_on_after(_STOP_SECONDS):
                shell.interrupt(trio.current_time())
                await self._drive(shell, show or collect)
            raise TimedOut(
                f"the command has not ended within {in_words(timeout)}",
                str(shell.error) if shell.error else None,
            )
        if shell.error is not None:
            raise shell.error
        assert shell.status is not None
        return Completed(shell.status, bytes(collected))

    async def _drive(
        self, shell: RemoteCommand, show: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Carry out what the dialogue with the guest asks for, to its end."""
        while True:
            if typed := shell.take_typed():
                await self.send(typed)
            if output := shell.take_output():
                await show(output)
            if shell.is_over:
                return
            data = b""
            with trio.move_on_at(shell.deadline):
                data = await self.receive()
            if data:
                shell.feed(data, trio.current_time())
            else:
                shell.wake(trio.current_time())

    def _lost(self) -> ConnectionLost:
        """The error that says how the connection ended."""
        connection = summarize(self._connection, self._target)
        message = describe_loss(connection)
        if message is None or self._connection.closed_here:
            return ConnectionLost(f"the connection to {self.title} is closed")
        return ConnectionLost(message, suggest(connection, None))


@asynccontextmanager
async def connect(
    server: str,
    *,
    cloud: str | None = None,
    region: str | None = None,
    wait: bool = False,
    tls: TLSOptions | None = None,
    options: ConnectOptions | None = None,
) -> AsyncIterator[SerialConsole]:
    """Attach to the serial console of a server; detach on leaving.

    Args:
        server: its name or UUID, or a `ws://` or `wss://` URL.
        cloud: entry of clouds.yaml; None for `$OS_CLOUD`, or else the `OS_*` variables.
        region: of the cloud; None for the configured one.
        wait: whether to wait, for as long as it takes, until the server exists and is
            running.
        tls: how to check certificates, the cloud's too; None for the configured way.
        options: how to connect to the websocket, and the proxy for the cloud too; None
            for the defaults and the proxy of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`
            and `NO_PROXY`.

    Raises:
        CloudError: the cloud has no such server, or no console for it.
        ConnectError: the websocket cannot be reached, or not in time.
        UsageError: the arguments make no sense, whatever the cloud and the network do.
    """
    tls = tls or TLSOptions()
    location: ConsoleLocation
    if is_url(server):
        location = ConsoleUrl(Target.parse(server), tls)
    else:
        proxy = options.proxy if options else proxy_of_environment
        location = CloudServer(server, CloudOptions(cloud, region, tls, proxy))
    async with (
        open_source(location, os.terminal_size((0, 0))) as source,
        open_serial_console(source, options, wait=wait) as console,
    ):
        yield console


@asynccontextmanager
async def open_serial_console(
    source: ConsoleSource, options: ConnectOptions | None = None, *, wait: bool = False
) -> AsyncIterator[SerialConsole]:
    """Attach to the console that a source finds; as `connect`, one layer below."""
    options = options or ConnectOptions(proxy=proxy_of_environment)
    policy = RetryPolicy(wait=wait, reconnect=False, renews=source.renews)
    async with connect_with_retries(source, options, policy) as (connection, target):
        yield SerialConsole(connection, target)
