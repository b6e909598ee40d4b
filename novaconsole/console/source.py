"""Where the console is: given as a URL, asked of a cloud, or started to try things.

A location is what the user named, a plain value.  A source is what finds the console
there, as often as it has to be found.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import trio

from novaconsole.cloud import server as nova
from novaconsole.cloud.config import AskSecret, CloudOptions
from novaconsole.cloud.server import Server
from novaconsole.console.connect import ConsoleAddress
from novaconsole.errors import (
    ConsoleUnavailable,
    NovaConsoleError,
    ServerNotFound,
    UsageError,
)
from novaconsole.network.address import is_loopback
from novaconsole.network.target import Target, TLSOptions

_T = TypeVar("_T")


@dataclass(frozen=True)
class ConsoleUrl:
    """A websocket URL that the user gave.

    Attributes:
        target: the URL, taken apart.
        tls: how to check its certificate.
    """

    target: Target
    tls: TLSOptions


@dataclass(frozen=True)
class CloudServer:
    """A server of a cloud.

    Attributes:
        server: name or UUID.
        cloud: which cloud it is in.
    """

    server: str
    cloud: CloudOptions


@dataclass(frozen=True)
class Demo:
    """The console that is built in, for trying the program without a cloud."""


ConsoleLocation = ConsoleUrl | CloudServer | Demo


class ConsoleSource(Protocol):
    """Finds the console, as often as it has to be found.

    Attributes:
        renews: whether asking again gives a new URL, with a new token.
    """

    renews: bool

    @property
    def title(self) -> str:
        """What to call the server, as far as it is known."""
        ...

    async def locate(self) -> ConsoleAddress:
        """Find out where the console is now.

        Raises:
            NovaConsoleError: it cannot be found out.
        """
        ...

    async def server(self) -> Server | None:
        """The server as it is now, or None if no cloud has been asked for one.

        Raises:
            NovaConsoleError: the cloud does not answer.
        """
        ...

    async def console_log(self) -> str:
        """What the guest printed before, as far as the cloud kept it.

        Raises:
            NovaConsoleError: the cloud does not have it or does not answer.
        """
        ...


@asynccontextmanager
async def open_source(
    location: ConsoleLocation, size: os.terminal_size, ask: AskSecret | None = None
) -> AsyncIterator[ConsoleSource]:
    """Get ready to find a console; on leaving, let go of the cloud or end the demo.

    No request is sent yet.

    Args:
        location: what the user named.
        size: of the user's terminal; the demo's guest gets the same.
        ask: for a password of the cloud that is not configured; None without a
            terminal.
    """
    match location:
        case ConsoleUrl(target, tls):
            yield UrlSource(target, tls)
        case CloudServer(server, cloud):
            source = CloudSource(server, replace(cloud, ask=ask))
            try:
                yield source
            finally:
                source.close()
        case Demo():
            async with _running_demo(size) as demo:
                yield demo


@asynccontextmanager
async def _running_demo(size: os.terminal_size) -> AsyncIterator[ConsoleSource]:
    from novaconsole.console.demo import serve_demo

    failure = None
    async with trio.open_nursery() as nursery:
        url = await nursery.start(serve_demo, size)
        target = replace(Target.parse(url), name="demo")
        try:
            yield UrlSource(target, TLSOptions())
        except NovaConsoleError as exc:
            failure = exc  # raised in here, it would arrive in an exception group
        nursery.cancel_scope.cancel(reason="the demo is over")
    if failure is not None:
        raise failure


@dataclass(frozen=True)
class UrlSource:
    """Finds the console where the user said it is."""

    target: Target
    tls: TLSOptions

    renews = False

    @property
    def title(self) -> str:
        """The host, or the name of the demo."""
        return self.target.name or self.target.host

    async def locate(self) -> ConsoleAddress:
        """The given URL."""
        return ConsoleAddress(self.target, self.tls)

    async def server(self) -> Server | None:
        """None: there is no cloud to ask."""
        return None

    async def console_log(self) -> str:
        """Fails: there is no cloud to ask."""
        raise ConsoleUnavailable("only a cloud has the console log")


class CloudSource:
    """Asks the cloud for the console of a server.

    The cloud is asked in threads, which are abandoned on cancellation: no request
    changes anything there.

    Args:
        wanted: name or UUID.
        options: which cloud.
    """

    renews = True

    def __init__(self, wanted: str, options: CloudOptions) -> None:
        self.wanted = wanted
        from novaconsole.cloud.client import Cloud  # here: a URL does not need it

        self.cloud = Cloud(options)
        self._server: Server | None = None
        self._names: list[str] | None = None  # of all servers

    @property
    def title(self) -> str:
        """The server's name; before it is found, the name that the user gave."""
        return self._server.name if self._server else self.wanted

    async def locate(self) -> ConsoleAddress:
        """Ask for the server, and for a new URL if it is running."""
        return await in_thread(self._locate)

    async def server(self) -> Server | None:
        """Ask for the server, if it has been found before."""
        server = self._server
        if server is None:
            return None
        return await in_thread(lambda: self.cloud.refresh(server))

    async def console_log(self) -> str:
        """Ask for the console log of a server that was found, running or not."""
        server = self._server
        if server is None:
            raise ConsoleUnavailable("no server, no console log")
        return await in_thread(lambda: self.cloud.console_log(server))

    def close(self) -> None:
        """Close the connections to the cloud; a token to be cached is cached now."""
        self.cloud.close()

    def find_server(self) -> Server:
        """Ask which server is meant, and for its state; blocks.

        Raises:
            CloudError: there is none, or several.
        """
        if self._server is not None:
            self._server = self.cloud.refresh(self._server)
            return self._server
        try:
            self._server = self.cloud.find_server(self.wanted)
        except ServerNotFound:
            if self._names is None:
                self._names = self.cloud.server_names()
            raise nova.server_not_found(self.wanted, self._names) from None
        return self._server

    def request_url(self, server: Server) -> ConsoleAddress:
        """Ask for a new URL for the console of a running server; blocks.

        Raises:
            CloudError: the cloud gives none.
        """
        cloud = self.cloud
        try:
            target = Target.parse(cloud.console_url(server), name=server.name)
        except UsageError as exc:
            raise ConsoleUnavailable(
                f"the cloud returned no usable console URL: {exc}",
                "ask its operator to set [serial_console] base_url in nova.conf to "
                "the ws:// or wss:// URL of nova-serialproxy",
            ) from exc
        is_misdirected = is_loopback(target.host) and not is_loopback(cloud.host or "")
        return ConsoleAddress(target, cloud.tls, is_misdirected)

    def _locate(self) -> ConsoleAddress:
        server = self.find_server()
        nova.check_running(server)
        return self.request_url(server)


async def in_thread(ask: Callable[[], _T]) -> _T:
    """Ask a cloud something, in a thread that is abandoned on cancellation."""
    return await trio.to_thread.run_sync(ask, abandon_on_cancel=True)
