"""Where the console is: given as a URL, asked of a cloud, or started to try things.

A location is what the user named, a plain value.  A source is what finds the console
there, as often as it has to be found.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import trio

from novaconsole.console.connect import ConsoleAddress
from novaconsole.errors import ConsoleUnavailable, NovaConsoleError
from novaconsole.network.target import Target, TLSOptions

if TYPE_CHECKING:
    from novaconsole.cloud.config import AskSecret, CloudOptions
    from novaconsole.cloud.server import Server
    from novaconsole.console.cloud_source import CloudSource


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
    cloud: "CloudOptions"


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

    async def server(self) -> "Server | None":
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
    location: ConsoleLocation, size: os.terminal_size, ask: "AskSecret | None" = None
) -> "AsyncIterator[UrlSource | CloudSource]":
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
            # A URL and the demo do not need it.
            from novaconsole.console.cloud_source import CloudSource

            source = CloudSource(server, replace(cloud, ask=ask))
            try:
                yield source
            finally:
                source.close()
        case Demo():
            async with _running_demo(size) as demo:
                yield demo


@asynccontextmanager
async def _running_demo(size: os.terminal_size) -> "AsyncIterator[UrlSource]":
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

    async def server(self) -> "Server | None":
        """None: there is no cloud to ask."""
        return None

    async def console_log(self) -> str:
        """Fails: there is no cloud to ask."""
        raise ConsoleUnavailable("only a cloud has the console log")
