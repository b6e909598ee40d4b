"""The two standard streams of a command in a guest, as trio's streams."""

from collections.abc import Awaitable, Callable

import trio


class ProcessInput(trio.abc.SendStream):
    """The standard input of a command; closing it is the end of the input.

    Args:
        give: gives the command some of the data, and returns how much it has taken.
        wait_room: waits until the command takes some.
        end: ends the input.
    """

    def __init__(
        self,
        give: Callable[[memoryview], Awaitable[int]],
        wait_room: Callable[[], Awaitable[None]],
        end: Callable[[], None],
    ) -> None:
        self._give, self._wait_room, self._end = give, wait_room, end

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Wait until the command takes all of it, within some 48 KiB.

        Before the command has begun, that waits for the guest.

        Raises:
            trio.BrokenResourceError: the command takes no input, or has ended.
            TypeError: it is no bytes.
        """
        with memoryview(data).cast("B") as view:
            await trio.lowlevel.checkpoint()
            sent = 0
            while sent < len(view):
                sent += await self._give(view[sent:])

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the command takes some input.

        Raises:
            trio.BrokenResourceError: the command takes no input, or has ended.
        """
        await trio.lowlevel.checkpoint()
        await self._wait_room()

    async def aclose(self) -> None:
        """End the input."""
        self._end()
        await trio.lowlevel.checkpoint()


class ProcessOutput(trio.abc.ReceiveStream):
    """What a command prints; closing it drops the rest.

    Args:
        take: waits for output and returns some; empty at the end.
        close: drops what comes from now on.
    """

    def __init__(
        self, take: Callable[[int | None], Awaitable[bytes]], close: Callable[[], None]
    ) -> None:
        self._take, self._close = take, close

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for output; empty once the process has ended, in whatever way."""
        await trio.lowlevel.checkpoint()
        return await self._take(max_bytes)

    async def aclose(self) -> None:
        """Drop what the command prints from now on."""
        self._close()
        await trio.lowlevel.checkpoint()
