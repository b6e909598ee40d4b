r"""Serial consoles for Python programs that run in trio.

    async with novaconsole.connect("my-server", cloud="prod") as console:
        await console.send(b"\r")
        await console.expect("login: ", timeout=30)

No terminal is touched, and no task is left running.  Failures are raised as the errors
of `errors.py`, never in an exception group.  docs/api.md is the guide.
"""

import math
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import trio

from novaconsole.cloud.config import CloudOptions, proxy_of_environment
from novaconsole.console.connect import ConnectOptions
from novaconsole.console.explain import describe_loss, suggest
from novaconsole.console.outcome import summarize
from novaconsole.console.python_hints import for_python
from novaconsole.console.retry import RetryPolicy, connect_with_retries
from novaconsole.console.source import (
    CloudServer,
    ConsoleSource,
    ConsoleUrl,
    open_source,
)
from novaconsole.errors import (
    CloudError,
    ConnectionLost,
    TimedOut,
    UsageError,
    in_words,
)
from novaconsole.guest.expect import Match, OutputBuffer, Patterns
from novaconsole.guest.login import LoginDialogue
from novaconsole.guest.marks import without_commands
from novaconsole.guest.screen import ScreenUse
from novaconsole.network.target import Target, TLSOptions, is_url
from novaconsole.remote.process import Process
from novaconsole.remote.run import Completed, Show, remote_command, run_to_end
from novaconsole.websocket.close import CloseReason
from novaconsole.websocket.connection import Connection

_LATEST_BYTES = 4096  # enough to see what uses the screen
_CONSOLE_LOG_SECONDS = 5.0


class SerialConsole:
    """A serial console that is attached.

    Nova gives a console to one client at a time, so there is one stream: what
    `receive` and iteration give, `expect` does not see, and the other way round.

    Args:
        connection: the websocket.
        target: what it leads to.
        console_log: what the guest printed before, as far as the cloud kept it.
    """

    def __init__(
        self,
        connection: Connection,
        target: Target,
        console_log: Callable[[], Awaitable[str]],
    ) -> None:
        self._connection, self._target = connection, target
        self._console_log = console_log
        self._output = OutputBuffer()
        self._latest = b""  # of what was received

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

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        r"""Type something; Enter is `\r`.

        Waits while the guest is slow to take it.  Where that is cancelled, a part has
        been sent, and the console is of no more use.

        Raises:
            ConnectionLost: the connection is closed.
            TypeError: it is no bytes; nova's proxy ends a session for a str.
        """
        typed = bytes(memoryview(data))  # which takes no str
        try:
            await self._connection.send(typed)
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
        self._latest = (self._latest + data)[-_LATEST_BYTES:]
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
            while True:
                for match in self._output.search(wanted):
                    if match is not None:
                        return match
                    await trio.lowlevel.checkpoint()
                self._output.feed(await self.receive())
        raise TimedOut(
            f"no match for {' or '.join(map(repr, patterns))} within "
            f"{in_words(timeout)}",
            f"look at the last output: {self._output.tail!r}",
        )

    @asynccontextmanager
    async def process(
        self,
        command: str,
        *,
        login: str | None = None,
        password: str | None = None,
        force_login: bool = False,
        stdin: bool = True,
    ) -> AsyncIterator[Process]:
        """Run a command in the guest's shell; stop it on leaving, if it still runs.

        The guest may be booting, at its login prompt, or at a shell that was left
        open.  `guest/command.py` explains how it is done and what is left unchanged.
        Every byte value passes both ways, and at once.

        Args:
            command: for the user's shell.
            login: user to run it as.  If the guest asks for a login, this user is
                logged in, and logged out again.  A shell of another user is refused.
            password: for the login.
            force_login: whether to log a shell of another user out instead.
            stdin: whether `Process.stdin` is the command's input; else it is /dev/null.

        Raises:
            UsageError: the command contains a NUL.
        """
        screen = await self._screen_use(_CONSOLE_LOG_SECONDS)
        dialogue = LoginDialogue(login, password, trio.current_time(), screen)
        remote = remote_command(command, dialogue, force_login, stdin)
        async with Process(self, remote).running() as process:
            yield process

    async def run(
        self,
        command: str,
        *,
        login: str | None = None,
        password: str | None = None,
        force_login: bool = False,
        timeout: float = math.inf,
        stdin: bytes | AsyncIterable[bytes] | None = None,
        show: Show | None = None,
    ) -> Completed:
        """Run a command in the guest's shell, as `ssh host command` does.

        Args:
            command: as for `process`.
            login: as for `process`, like the next two.
            password: for the login.
            force_login: whether to log a shell of another user out.
            timeout: seconds for everything; then the command is interrupted.
            stdin: the command's standard input; None for /dev/null.
            show: called with the output as it arrives; None collects it.

        Raises:
            ConnectionLost: the connection was closed before the command ended.
            GuestNotReady: the guest has no shell to run the command in, or the command
                could not be run to its end.
            TimedOut: it took longer.
            UsageError: the command contains a NUL.

        The attribute `started` of these errors says whether the command had begun.
        """
        deadline = trio.current_time() + timeout
        screen = await self._screen_use(min(timeout, _CONSOLE_LOG_SECONDS))
        dialogue = LoginDialogue(login, password, trio.current_time(), screen)
        remote = remote_command(command, dialogue, force_login, stdin is not None)
        async with Process(self, remote).running(stdin) as process:
            return await run_to_end(process, show, deadline=deadline, timeout=timeout)

    async def _screen_use(self, patience: float) -> ScreenUse:
        """What has used the guest's screen, as far as that can be found out in time."""
        screen = ScreenUse()
        if not self._latest:
            with trio.move_on_after(patience), suppress(CloudError):
                log = await self._console_log()
                screen.feed_console_log(log.encode())
        screen.feed(without_commands(self._latest))
        return screen

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
    if not server:
        raise UsageError("no server given", "give its name, its UUID or a URL")
    tls = tls or TLSOptions()
    proxy = options.proxy if options else proxy_of_environment
    named = CloudServer(server, CloudOptions(cloud, region, tls, proxy))
    with for_python():
        is_named = not is_url(server)
        location = named if is_named else ConsoleUrl(Target.parse(server), tls)
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
        yield SerialConsole(connection, target, source.console_log)
