"""Check the way to a console step by step, to find out where it breaks.

Nothing is typed unless the user allows it, none of the guest's output is shown, and the
console is occupied for about a second.
"""

import math
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal

import trio

from novaconsole.cloud import server as nova
from novaconsole.commands.step import Step
from novaconsole.console.cloud_source import CloudSource, in_thread
from novaconsole.console.connect import ConnectOptions, fail_at, reach, upgrade
from novaconsole.console.outcome import SETTLED_SECONDS
from novaconsole.console.source import (
    CloudServer,
    ConsoleUrl,
    UrlSource,
    open_source,
)
from novaconsole.errors import (
    NO_ANSWER_HINT,
    ConnectError,
    ConnectionLost,
    NovaConsoleError,
    TimedOut,
    in_words,
)
from novaconsole.events import Field
from novaconsole.network.target import Target, TLSOptions
from novaconsole.network.tcp import resolve
from novaconsole.network.tls import certificate_of, start_tls, tls_context
from novaconsole.terminal.notices import Notices
from novaconsole.terminal.prompt import ask_from_thread
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
        timeout: seconds for everything together, or None for no limit.
    """

    location: ConsoleUrl | CloudServer
    connect: ConnectOptions
    may_type: bool = False
    timeout: float | None = None

    kind: ClassVar[Literal["check"]] = "check"


async def check(request: CheckRequest, notices: Notices) -> int:
    """Take each step and report it; the exit status.

    Args:
        request: what to check.
        notices: for the steps.
    """
    async with open_source(
        request.location, terminal_size(), ask_from_thread
    ) as source:
        try:
            await _Checkup(source, request, notices).run()
        except NovaConsoleError as exc:  # its step has reported it
            return exc.exit_status
    return 0


class _Checkup:
    def __init__(
        self, source: UrlSource | CloudSource, request: CheckRequest, notices: Notices
    ) -> None:
        self._source = source
        self._request = request
        # The check sends its own ping.
        self._connect = replace(request.connect, keepalive=0)
        self._notices = notices
        self._has_failed = False
        seconds = math.inf if request.timeout is None else request.timeout
        self._deadline = trio.current_time() + seconds
        self._late = f"not finished within {in_words(seconds)} (--timeout)"

    async def run(self) -> None:
        """Take the steps, in the time that there is for them.

        Raises:
            TimedOut: it was not enough; the step in which it ran out has been told.
        """
        with trio.move_on_at(self._deadline) as scope:
            await self._take_steps()
        if scope.cancelled_caught:
            if not self._has_failed:  # between two steps, or after the last
                self._tell(Step("timeout", "failed", self._late))
            raise TimedOut(self._late)

    async def _take_steps(self) -> None:
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
        match self._source:
            case CloudSource() as source:
                return await self._ask_cloud(source)
            case UrlSource(target, tls):
                return target, tls

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
                            "try without --origin and without Origin and Host of -H"
                            if connection.names_origin
                            else "get a new URL: the token is wrong or has expired, or "
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
        except BaseException:  # cancelled, perhaps in a nursery of the step
            if trio.current_time() >= self._deadline:
                step.mark, step.detail = "failed", self._late
            raise
        finally:
            if step.detail:  # otherwise it was cancelled
                step.seconds = trio.current_time() - started
                self._tell(step)

    def _tell(self, step: Step) -> None:
        self._has_failed |= step.mark == "failed"
        if self._notices.as_json:
            self._notices.event("check", **step.as_event())
            return
        self._notices.answer(step.as_line())
        if step.hint:
            self._notices.answer(step.hint)
