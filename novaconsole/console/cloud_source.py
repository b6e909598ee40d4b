"""The console of a server, as its cloud tells it."""

from collections.abc import Callable
from typing import TypeVar

import trio

from novaconsole.cloud import server as nova
from novaconsole.cloud.client import Cloud
from novaconsole.cloud.config import CloudOptions
from novaconsole.cloud.server import Server
from novaconsole.console.connect import ConsoleAddress
from novaconsole.errors import ConsoleUnavailable, ServerNotFound, UsageError
from novaconsole.network.address import is_loopback
from novaconsole.network.target import Target
from novaconsole.terminal.prompt import end_prompts

_T = TypeVar("_T")


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
    try:
        return await trio.to_thread.run_sync(ask, abandon_on_cancel=True)
    except trio.Cancelled:
        end_prompts()
        raise
