"""Where the console is: given as a URL, asked of a cloud, or started for a try-out."""

import os
from dataclasses import dataclass, replace
from typing import Protocol

import trio

from novaconsole.cloud import server as nova
from novaconsole.cloud.client import Cloud
from novaconsole.cloud.config import CloudOptions
from novaconsole.cloud.server import Server
from novaconsole.console.connect import ConsoleAddress
from novaconsole.errors import (
    ConsoleUnavailable,
    ServerNotFound,
    UsageError,
)
from novaconsole.network.address import is_loopback
from novaconsole.network.target import Target, TLSOptions


class ConsoleSource(Protocol):
    """Something that knows where the console is.

    Attributes:
        renews: whether asking again gives a new URL, with a new token.
    """

    renews: bool

    @property
    def title(self) -> str:
        """What to call the server, as well as is known by now."""
        ...

    async def start(self, nursery: trio.Nursery, size: os.terminal_size) -> None:
        """Once, before all else: start what has to run as long as the console is used.

        Args:
            nursery: for it.
            size: of the user's terminal.
        """
        ...

    async def locate(self) -> ConsoleAddress:
        """Find out where the console is now.

        Raises:
            NovaConsoleError: it cannot be found out.
        """
        ...

    async def server(self) -> Server | None:
        """The server as it is now; None where no cloud was asked for one.

        Raises:
            NovaConsoleError: the cloud does not tell.
        """
        ...

    async def console_log(self) -> str:
        """What the guest printed before, as far as the cloud kept it.

        Raises:
            NovaConsoleError: it is not to be had.
        """
        ...

    def close(self) -> None:
        """Let go of the cloud."""


class _NothingToStart:
    """What sources have in common that find what runs already."""

    async def start(self, nursery: trio.Nursery, size: os.terminal_size) -> None:
        """Nothing to start."""


class _NoCloud:
    """What sources without a cloud have in common."""

    renews = False

    async def server(self) -> Server | None:
        """Nobody to ask."""
        return None

    async def console_log(self) -> str:
        """Nobody to ask."""
        raise ConsoleUnavailable("only a cloud has the console log")

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True)
class UrlSource(_NothingToStart, _NoCloud):
    """The user gave the websocket URL."""

    target: Target
    tls: TLSOptions

    @property
    def title(self) -> str:
        """The host."""
        return self.target.host

    async def locate(self) -> ConsoleAddress:
        """As given."""
        return ConsoleAddress(self.target, self.tls)


class DemoSource(_NoCloud):
    """The user wants to try novaconsole without a cloud.

    Attributes:
        title: what to call it.
    """

    title = "demo"

    def __init__(self) -> None:
        self._destination: ConsoleAddress | None = None

    async def start(self, nursery: trio.Nursery, size: os.terminal_size) -> None:
        """Start a shell and a server for it."""
        from novaconsole.console.demo import serve_demo

        url = await nursery.start(serve_demo, size)
        target = replace(Target.parse(url), name=self.title)
        self._destination = ConsoleAddress(target, TLSOptions())

    async def locate(self) -> ConsoleAddress:
        """Where it was started."""
        assert self._destination is not None
        return self._destination


class CloudSource(_NothingToStart):
    """The user named a server.

    The cloud is asked in threads, which are abandoned when the user has enough.

    Args:
        wanted: name or UUID.
        options: which cloud.

    Attributes:
        wanted: name or UUID.
        cloud: that is asked.
    """

    renews = True

    def __init__(self, wanted: str, options: CloudOptions) -> None:
        self.wanted = wanted
        self.cloud = Cloud(options)
        self._server: Server | None = None
        self._names: list[str] | None = None  # of the servers that there are

    @property
    def title(self) -> str:
        """Its name; before it is found, what the user calls it."""
        return self._server.name if self._server else self.wanted

    async def locate(self) -> ConsoleAddress:
        """Ask the cloud for the server, and for a new URL if it is running."""
        return await trio.to_thread.run_sync(self._locate, abandon_on_cancel=True)

    async def server(self) -> Server | None:
        """Ask the cloud; None if the server was never found."""
        server = self._server
        if server is None:
            return None
        return await trio.to_thread.run_sync(
            self.cloud.refresh, server, abandon_on_cancel=True
        )

    async def console_log(self) -> str:
        """Ask the cloud, for a server that `locate` has found, running or not."""
        server = self._server
        if server is None:
            raise ConsoleUnavailable("no server, no console log")
        return await trio.to_thread.run_sync(
            self.cloud.console_log, server, abandon_on_cancel=True
        )

    def close(self) -> None:
        """Let go of the cloud; a token that is to be cached is cached now."""
        self.cloud.close()

    def find_server(self) -> Server:
        """Ask which server is meant, and how it is now; blocks.

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

    def open_console(self, server: Server) -> ConsoleAddress:
        """Ask for a new URL of the console of a server that runs; blocks.

        Raises:
            CloudError: there is none.
        """
        cloud = self.cloud
        try:
            target = Target.parse(cloud.console_url(server), name=server.name)
        except UsageError as exc:
            raise ConsoleUnavailable(
                f"the cloud gives no usable console URL: {exc}",
                "its operator must set [serial_console] base_url",
            ) from exc
        misled = is_loopback(target.host) and not is_loopback(cloud.host or "")
        return ConsoleAddress(target, cloud.tls, misled)

    def _locate(self) -> ConsoleAddress:
        server = self.find_server()
        nova.check_running(server)
        return self.open_console(server)
