"""Check the way to a console step by step, to find out where it breaks.

Nothing is typed unless the user allows it, none of the guest's output is shown, and the
console is occupied for about a second.
"""

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar, Literal

import trio

from novaconsole.cloud import server as nova
from novaconsole.console.connect import ConnectOptions, fail_at, reach, upgrade
from novaconsole.console.outcome import SETTLED_SECONDS
from novaconsole.console.source import (
    CloudServer,
    CloudSource,
    ConsoleSource,
    ConsoleUrl,
    in_thread,
    open_source,
)
from novaconsole.errors import (
    NO_ANSWER_HINT,
    ConnectError,
    ConnectionLost,
    NovaConsoleError,
    in_words,
)
from novaconsole.events import Field
from novaconsole.network.target import Target, TLSOptions
from novaconsole.network.tcp import resolve
from novaconsole.network.tls import certificate_of, start_tls, tls_context
from novaconsole.terminal.notices import Notices
from novaconsole.terminal.stdio import terminal_size
from novaconsole.websocket.connection import Connection

_PING_SECONDS = 10.0
_OUTPUT_SECONDS = 5.0


@dataclass(frozen=True)
class CheckRequest:
    """What to check.

    Attributes:
        location: which console.
        connect: how to connect to it.
        may_type: whether to press Enter and wait for the guest to answer.
    """

    location: ConsoleUrl | CloudServer
    connect: ConnectOptions
    may_type: bool = False

    kind: ClassVar[Literal["check"]] = "check"


@dataclass
class Step:
    """One step.

    Attributes:
        name: the same in every release.
        mark: `ok`, `failed` or `skipped`.
        detail: what was found, for people.
        hint: what to try, if it failed.
        seconds: how long it took.
        fields: what was found, for programs.
    """

    name: str
    mark: str = "ok"
    detail: str = ""
    hint: str | None = None
    seconds: float = 0
    fields: dict[str, Field] = field(default_factory=dict)

    def as_line(self) -> str:
        """The line for people."""
        mark = {"ok": "ok  ", "failed": "FAIL", "skipped": "skip"}[self.mark]
        return f"{mark} {self.name}: {self.detail}"

    def as_event(self) -> dict[str, Field]:
        """The fields of the event `check`."""
        row: dict[str, Field] = {"step": self.name, "mark": self.mark}
        row |= {"detail": self.detail, "hint": self.hint}
        return row | {"seconds": round(self.seconds, 4)} | self.fields


async def check(request: CheckRequest, notices: Notices) -> int:
    """Take each step and report it; the exit status.

    Args:
        request: what to check.
        notices: for the steps.
    """
    async with open_source(request.location, terminal_size()) as source:
        try:
            await _Checkup(source, request, notices).run()
        except NovaConsoleError as exc:  # its step has reported it
            return exc.exit_status
    return 0


class _Checkup:
    def __init__(
        self, source: ConsoleSource, request: CheckRequest, notices: Notices
    ) -> None:
        self._source = source
        self._request = request
        # The check sends its own ping.
        self._connect = replace(request.connect, keepalive=0)
        self._notices = notices

    async def run(self) -> None:
        target, tls = await self._locate()
        async with AsyncExitStack() as stack:
            stream = await self._open_stream(target, tls, stack)
            with self._step("upgrade") as step:
                deadline = trio.current_time() + self._connect.timeout
                connection = await upgrade(
                    stack, stream, target, tls, self._connect, deadline
                )
                step.detail = "the server accepted the websocket"
            await self._use(connection)

    # ---- the cloud

    async def _locate(self) -> tuple[Target, TLSOptions]:
        if isinstance(self._source, CloudSource):
            return await self._ask_cloud(self._source)
        address = await self._source.locate()
        return address.target, address.tls

    async def _ask_cloud(self, source: CloudSource) -> tuple[Target, TLSOptions]:
        with self._step("credentials") as step:
            step.detail = await in_thread(source.cloud.authenticate)
        with self._step("catalogue") as step:
            endpoint = await in_thread(source.cloud.compute_endpoint)
            step.detail, step.fields = f"Nova is at {endpoint}", {"endpoint": endpoint}
        with self._step("server") as step:
            server = await in_thread(source.find_server)
            step.detail = f"{server.name} is {server.id}"
            step.fields = {"server": server.name, "id": server.id}
        with self._step("status") as step:
            step.fields = {"status": server.status, "task": server.task}
            nova.check_running(server)
            step.detail = server.state
        with self._step("console") as step:
            found = await in_thread(partial(source.request_url, server))
            url = found.target.masked_url
            step.detail, step.fields = url, {"url": url}
            if found.is_misdirected:
                step.detail += ", which is this machine, but the cloud is elsewhere"
        return found.target, found.tls

    # ---- the network

    async def _open_stream(
        self, target: Target, tls: TLSOptions, stack: AsyncExitStack
    ) -> trio.abc.Stream:
        connect = self._connect
        deadline = trio.current_time() + connect.timeout
        with self._step("name") as step:
            proxy = connect.proxy(target)
            if proxy is not None:
                step.mark, step.detail = "skipped", "the proxy resolves the name"
            else:
                with fail_at(deadline, target, connect):
                    addresses = await resolve(target)
                step.detail = f"{target.host} is {', '.join(addresses)}"
                step.fields = {"addresses": addresses}
        with self._step("tcp") as step:
            with fail_at(deadline, target, connect):
                stream = await reach(target, proxy)
            stack.push_async_callback(trio.aclose_forcefully, stream)
            way = f" through the proxy {proxy.address}" if proxy else ""
            step.detail = f"connected to {target.address}{way}"
        with self._step("tls") as step:
            if not target.secure:
                step.mark, step.detail = "skipped", "the URL is ws://, without TLS"
                return stream
            context = tls_context(tls)
            with fail_at(deadline, target, connect):
                secured = await start_tls(stream, target, context)
            certificate = certificate_of(secured)
            if certificate is None:
                step.detail = "the certificate is not checked (--insecure)"
            else:
                names = ", ".join(certificate.names)
                day = certificate.expires.date().isoformat()
                step.detail = f"{certificate.tls}; certificate for {names}, until {day}"
                step.fields = {
                    "names": list(certificate.names),
                    "expires": certificate.expires.isoformat(),
                }
            return secured

    # ---- the console

    async def _use(self, connection: Connection) -> None:
        received = bytearray()
        ended, came = trio.Event(), trio.Event()
        failure: NovaConsoleError | None = None

        async def read() -> None:
            async for data in connection:
                received.extend(data)
                came.set()
            ended.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            try:
                with self._step("token") as step:
                    with trio.move_on_after(SETTLED_SECONDS):
                        await ended.wait()
                    if ended.is_set():
                        raise ConnectionLost(
                            f"hung up at once: {connection.close_reason}",
                            "get a new URL: the token is wrong or has expired, or "
                            "the guest's port has moved",
                        )
                    step.detail = "accepted"
                with self._step("ping") as step:
                    step.detail, step.fields = await self._ping(connection)
                with self._step("output") as step:
                    await self._press_enter(connection, came, step)
                    step.fields = {"bytes": len(received)}
            except NovaConsoleError as exc:
                failure = exc  # raised in here, it would arrive in an exception group
            nursery.cancel_scope.cancel(reason="checked")
        if failure is not None:
            raise failure

    async def _ping(self, connection: Connection) -> tuple[str, dict[str, Field]]:
        with trio.move_on_after(_PING_SECONDS):
            await connection.ping()
        if connection.round_trip is None:
            raise ConnectError(
                f"no answer to a ping within {in_words(_PING_SECONDS)}",
                "tell the cloud's operator: the server's compute host may be down",
            )
        milliseconds = connection.round_trip * 1000
        return f"{milliseconds:.1f} ms", {"milliseconds": round(milliseconds, 2)}

    async def _press_enter(
        self, connection: Connection, came: trio.Event, step: Step
    ) -> None:
        if not self._request.may_type:
            step.mark, step.detail = "skipped", "use --check-enter to press Enter"
            return
        await connection.send(b"\r")
        with trio.move_on_after(_OUTPUT_SECONDS):
            await came.wait()
        if not came.is_set():
            raise ConnectError(
                "the guest did not answer when Enter was pressed", NO_ANSWER_HINT
            )
        step.detail = "the guest answered"

    # ---- reporting

    @contextmanager
    def _step(self, name: str) -> Iterator[Step]:
        step, started = Step(name), trio.current_time()
        try:
            yield step
        except NovaConsoleError as exc:
            step.mark, step.detail, step.hint = "failed", str(exc), exc.hint
            raise
        finally:
            if step.detail:  # otherwise it was cancelled
                step.seconds = trio.current_time() - started
                self._tell(step)

    def _tell(self, step: Step) -> None:
        if self._notices.as_json:
            self._notices.event("check", **step.as_event())
            return
        self._notices.answer(step.as_line())
        if step.hint:
            self._notices.answer(step.hint)
