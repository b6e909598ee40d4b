"""The stream between the socket and the websocket library, with a judgement of its own.

Until the upgrade is accepted, the answer is judged as it arrives: an HTTP error, a
closed connection or garbage is an error at once, not after the connect timeout.  From
then on small frames are joined before the library sees them (`joiner.py`).  And when
the library gives up on what it received, which it tells nobody, this does.
"""

from collections.abc import Callable

import trio

from novaconsole.websocket.coalesce import FrameJoiner
from novaconsole.websocket.flow import ReadPacer, ReceiveWindow
from novaconsole.websocket.handshake import ResponseHead, invalid_upgrade


class MonitoredStream(trio.abc.Stream):
    """Passes bytes through and counts them.

    Args:
        stream: TCP, TLS, or what a proxy made of them.
        head: judges the answer to the upgrade; None on a server's side.
        limit_inflow: told how many bytes the stream's receive buffer may hold, None
            for as many as the kernel likes.

    Attributes:
        bytes_received: on the wire, everything.
        given_up: the websocket library closed it, for what came breaks the protocol.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        head: ResponseHead | None = None,
        limit_inflow: Callable[[int | None], None] = lambda _: None,
    ) -> None:
        self._stream = stream
        self._head = head
        self._joiner: FrameJoiner | None = None
        self._window = ReceiveWindow()
        self._pacer = ReadPacer()
        self._limit_inflow = limit_inflow
        self.bytes_received = 0
        self.given_up = False
        self._is_open = head is None
        self._asked_at: float | None = None  # for the upgrade

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive; empty at the end.

        Args:
            max_bytes: as the library likes it; the window knows better.

        Raises:
            HandshakeFailed: the server did not answer with a websocket.
            trio.BrokenResourceError: the connection broke.
        """
        data = b""
        while not data:  # what is held back, until it is whole, is no end
            received = await self._receive(self._window.read_bytes)
            if not received:
                break
            if self._head is not None:
                data = self._judge(self._head, received)
            else:
                data = self._joiner.feed(received) if self._joiner else received
        return data

    async def _receive(self, max_bytes: int) -> bytes:
        if self._pacer.next_read > trio.current_time():
            await trio.sleep_until(self._pacer.next_read)
        try:
            data = bytes(await self._stream.receive_some(max_bytes))
        except trio.BrokenResourceError:
            if self._head is None:
                raise
            data = b""
        self.bytes_received += len(data)
        self._pacer.note_read(len(data), trio.current_time())
        if not data and self._head is not None:
            raise self._head.end()
        return data

    def _judge(self, head: ResponseHead, data: bytes) -> bytes:
        """Look at the answer to the upgrade; what follows it consists of frames."""
        if not head.feed(data):
            return data
        self._head = None
        if self._asked_at is not None:  # the proxies answer at once
            self.note_round_trip(trio.current_time() - self._asked_at)
        self._joiner = FrameJoiner()
        return data[: len(data) - len(head.behind)] + self._joiner.feed(head.behind)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream below."""
        if self._asked_at is None:
            self._asked_at = trio.current_time()
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream below."""
        await self._stream.wait_send_all_might_not_block()

    def note_shown(self, size: int, started: float) -> None:
        """The screen has taken bytes, which it was given at a time of trio's clock."""
        if self._window.note_shown(size, started, trio.current_time()):
            self._limit_inflow(self._window.limit)

    def note_round_trip(self, seconds: float) -> None:
        """Something has been answered; the fastest counts, for it met no queue."""
        known = self._window.round_trip
        self._window.round_trip = min(known or seconds, seconds)

    def opened(self) -> None:
        """The upgrade is done."""
        self._is_open = True

    async def aclose(self) -> None:
        """Close the stream; called by the websocket library.

        Raises:
            HandshakeFailed: the library gave up before the websocket was open; it would
                not tell anybody.
        """
        self.given_up = True
        await self._stream.aclose()
        if not self._is_open:
            raise invalid_upgrade()

    async def disconnect(self) -> None:
        """Close the stream, at once; called by us."""
        with trio.CancelScope(shield=True):  # does not wait for anything
            await trio.aclose_forcefully(self._stream)
