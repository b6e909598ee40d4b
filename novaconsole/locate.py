"""Where the console is: given as a URL, asked of a cloud, or started for a try-out."""

import os
from dataclasses import dataclass, replace
from typing import Protocol

import trio

from novaconsole.errors import ConsoleUnavailable, UsageError
from novaconsole.target import Target, TLSOptions


@dataclass(frozen=True)
class Destination:
    """A console that can be connected to now.

    Attributes:
        target: its websocket.
        tls: how to trust it.
    """

    target: Target
    tls: TLSOptions


class Source(Protocol):
    """Something that knows where the console is."""

    async def locate(
        self, nursery: trio.Nursery, size: os.terminal_size
    ) -> Destination:
        """Find out where the console is now.

        Args:
            nursery: for what has to run as long as the console is used.
            size: of the user's terminal.

        Raises:
            NovaConsoleError: it cannot be found out.
        """
        ...


@dataclass(frozen=True)
class UrlSource:
    """The user gave the websocket URL."""

    target: Target
    tls: TLSOptions

    async def locate(
        self, nursery: trio.Nursery, size: os.terminal_size
    ) -> Destination:
        """As given."""
        return Destination(self.target, self.tls)


@dataclass(frozen=True)
class CloudSource:
    """The user named a server; `tls` comes before what is configured for the cloud."""

    server: str
    cloud: str | None
    region: str | None
    tls: TLSOptions

    async def locate(
        self, nursery: trio.Nursery, size: os.terminal_size
    ) -> Destination:
        """Ask the cloud, in a thread that is abandoned when the user has enough."""
        return await trio.to_thread.run_sync(self._ask, abandon_on_cancel=True)

    def _ask(self) -> Destination:
        # Here, so that the second it takes is spent only when a cloud is asked, and
        # in the thread, so that Ctrl-C works meanwhile.
        from novaconsole.cloud import CloudOptions, find_console

        options = CloudOptions(self.cloud, self.region, self.tls)
        console = find_console(self.server, options)
        try:
            target = Target.parse(console.url, name=console.server_name)
        except UsageError as exc:
            raise ConsoleUnavailable(
                f"the cloud gives no usable console URL: {exc}",
                "its operator must set [serial_console] base_url",
            ) from exc
        return Destination(target, console.tls)


@dataclass(frozen=True)
class DemoSource:
    """The user wants to try novaconsole without a cloud."""

    async def locate(
        self, nursery: trio.Nursery, size: os.terminal_size
    ) -> Destination:
        """Start a shell and a server for it."""
        from novaconsole.demo import serve_demo

        url = await nursery.start(serve_demo, size)
        return Destination(replace(Target.parse(url), name="demo"), TLSOptions())
