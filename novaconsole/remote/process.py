"""A command in a guest as a process: I/O, time and cancellation for guest/command.py.

Three tasks share a `RemoteCommand`: one feeds it what the console sends, one wakes it
at its deadlines, one sends what it types.  They are apart because the first may have to
wait for the reader of the output and the last for the network, and the script in the
guest must be told meanwhile that this program is there (guest/liveness.py).
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing, asynccontextmanager, nullcontext
from typing import Protocol

import trio

from novaconsole.errors import ConnectionLost, NovaConsoleError
from novaconsole.guest.command import RemoteCommand
from novaconsole.remote.streams import ProcessInput, ProcessOutput

_CLOSE_SECONDS = 3.0  # for a command to end after its caller has left the block
_UNREAD_BYTES = 64 * 1024


class ByteConsole(Protocol):
    """A console: bytes to the guest, and bytes from it."""

    async def send(self, data: bytes) -> None:
        """Type something."""
        ...

    async def receive(self) -> bytes:
        """Wait for what the guest prints."""
        ...


class Process:
    """A command in a guest; from `SerialConsole.process`.

    Attributes:
        stdin: its standard input.
        stdout: its standard output and standard error, which share a stream.
    """

    def __init__(self, console: ByteConsole, command: RemoteCommand) -> None:
        self._console, self._command = console, command
        self._output = bytearray()
        self._is_read = True  # the output, by somebody
        self._has_ended = False  # for the caller
        self._is_done = trio.Event()
        self._failure: Exception | None = None
        self._changed = trio.lowlevel.ParkingLot()
        self._driving = trio.CancelScope(shield=True)
        self.stdin = ProcessInput(self._give, self._wait_room, self._end_input)
        self.stdout = ProcessOutput(self._take_output, self._close_output)

    @property
    def started(self) -> bool | None:
        """Whether the command was started, or None if it may have been."""
        return self._command.started

    @property
    def timeout_hint(self) -> str | None:
        """What to try if there is no more time to wait, or None."""
        return self._command.timeout_hint

    def interrupt(self) -> None:
        """Stop the command, as Ctrl-C does; by stronger means if it does not end."""
        self._command.interrupt(trio.current_time())
        self._announce()

    async def wait(self) -> int:
        """Wait for the end of the command and of its output, and return its status.

        The output has to be read meanwhile, or closed.

        Raises:
            ConnectionLost: the connection was closed before the command ended.
            GuestNotReady: there is no shell to run it in, or it could not be run to its
                end.
        """
        await self.wait_end()
        failure = self._failure or self._command.error
        if isinstance(failure, NovaConsoleError):
            failure.started = self.started
        if failure is not None:
            raise failure
        assert self._command.status is not None
        return self._command.status

    async def wait_end(self) -> None:
        """Wait as `wait` does, for any end."""
        await trio.lowlevel.checkpoint()
        while not self._has_ended:
            await self._changed.park()

    # ---- what the streams use

    def _announce(self) -> None:
        """Take what the command has printed, and wake every task that waits."""
        output = self._command.take_output()
        if self._is_read:
            self._output += output
        self._changed.unpark_all()

    async def _wait_room(self) -> None:
        while True:
            if self._has_ended or not self._command.takes_input:
                failure = self._failure or self._command.error
                message = str(failure or "the command takes no input any more")
                raise trio.BrokenResourceError(message) from failure
            if self._command.input_room:
                return
            await self._changed.park()

    async def _give(self, data: memoryview) -> int:
        """Give the command some input; returns how much it has taken."""
        await self._wait_room()
        size = min(len(data), self._command.input_room)
        self._command.give_input(bytes(data[:size]))
        self._announce()
        return size

    def _end_input(self) -> None:
        self._command.end_input()
        self._announce()

    async def _take_output(self, max_bytes: int | None) -> bytes:
        while not (self._output or self._has_ended):
            await self._changed.park()
        data = bytes(self._output[:max_bytes])
        del self._output[:max_bytes]
        self._changed.unpark_all()
        return data

    def _close_output(self) -> None:
        self._is_read = False
        self._output.clear()
        self._changed.unpark_all()

    # ---- the tasks

    async def _drive(self) -> None:
        """Carry the command out, even while the caller is being cancelled."""
        with self._driving:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._receive, name="output of the guest")
                nursery.start_soon(self._keep_time, name="deadlines of the command")
                nursery.start_soon(self._send, name="input of the guest")

    async def _receive(self) -> None:
        """Feed the command with what the console sends."""
        while True:
            while self._is_stuck:
                await self._changed.park()
            try:
                data = await self._console.receive()
            except ConnectionLost as exc:
                self._finish(exc)
                return
            self._command.feed(data, trio.current_time())
            self._announce()

    async def _keep_time(self) -> None:
        """Wake the command at its deadlines."""
        while not self._command.is_over:
            with trio.move_on_at(self._command.deadline) as scope:
                await self._changed.park()
            if scope.cancelled_caught:
                now = trio.current_time()
                self._command.wake(now, is_listening=not self._is_stuck)
                self._announce()

    async def _send(self) -> None:
        """Send what the command types; what it types last, too."""
        while True:
            if typed := self._command.take_typed():
                try:
                    await self._console.send(typed)
                except ConnectionLost as exc:
                    self._finish(exc)
                    return
            elif self._command.is_over:
                self._finish(None)
                return
            else:
                await self._changed.park()

    @property
    def _is_stuck(self) -> bool:
        """Whether so much output is unread that no more is received."""
        return len(self._output) >= _UNREAD_BYTES

    async def _feed(self, stdin: AsyncIterable[bytes]) -> None:
        """Give the command its input; a failure to get that ends everything."""
        closing = (
            aclosing(stdin) if isinstance(stdin, AsyncGenerator) else nullcontext()
        )
        try:
            async with closing:
                async for data in stdin:
                    await self.stdin.send_all(data)
        except trio.BrokenResourceError:
            return  # the command takes no more
        except Exception as exc:  # noqa: BLE001 # the caller's own; raised by wait()
            self._end(exc)
            return
        await self.stdin.aclose()

    def _end(self, failure: Exception | None) -> None:
        self._failure = self._failure or failure
        self._has_ended = True
        self._changed.unpark_all()

    def _finish(self, failure: ConnectionLost | None) -> None:
        """Nothing more can be done."""
        self._is_done.set()
        self._end(failure)

    async def _close(self) -> None:
        """Stop the command, if it runs, and clean up after it."""
        self._close_output()
        if not self._is_done.is_set():
            with trio.move_on_after(_CLOSE_SECONDS, shield=True):
                self.interrupt()
                await self._is_done.wait()

    @asynccontextmanager
    async def running(
        self, stdin: bytes | AsyncIterable[bytes] | None = None
    ) -> AsyncIterator["Process"]:
        """Run the command; stop it on leaving, if it has not ended.

        Args:
            stdin: the command's input; None if the caller gives it, or there is none.
        """
        failure: BaseException | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drive, name="command")
            if stdin is not None:
                pieces = _pieces(stdin) if isinstance(stdin, bytes) else stdin
                nursery.start_soon(self._feed, pieces, name="input of the command")
            try:
                yield self
            except trio.Cancelled:
                raise
            except BaseException as exc:  # noqa: BLE001 # raised below
                failure = exc  # outside the nursery, so that it is not in a group
            finally:
                await self._close()
                self._driving.cancel(reason="the command has ended")
                nursery.cancel_scope.cancel(reason="the command has ended")
        if failure is not None:
            raise failure


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data
