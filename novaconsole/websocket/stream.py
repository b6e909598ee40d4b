"""The stream between the socket and the websocket library.

trio-websocket takes any stream, and what it does with it is not enough here.  This
stream adds four things, none of which changes what the library finds in the bytes:

1. Until the upgrade is accepted, the response is judged as it arrives
   (`handshake.py`).  An HTTP error, a closed connection or another protocol is an error
   at once; the library alone would wait for the end of the connect timeout.
2. After that, small frames are merged (`coalesce.py`), and reads are sized and paced by
   what the screen takes (`flow.py`).
3. Bytes are counted, control frames included: signs of life for `keepalive.py`.
4. When the library closes the stream because the peer broke the protocol, it reports
   that to no caller.  `closed_by_library` tells this end from one that the peer or we
   brought about.

The invariant on the client's side: `HandshakeFailed` is raised before the upgrade is
accepted and never after.  From then on a broken connection is the library's to report.
"""

from collections.abc import Callable

import trio

from novaconsole.websocket.coalesce import FrameCoalescer
from novaconsole.websocket.flow import ReadPacer, ReceiveWindow
from novaconsole.websocket.handshake import ResponseHead, invalid_upgrade


class MonitoredStream(trio.abc.Stream):
    """Passes bytes on, counts them, and watches for the ends that stay unreported.

    Args:
        stream: TCP, TLS, or a tunnel through a proxy.
        head: judges the response to the upgrade; None on the server's side.
        limit_inflow: called with the number of bytes that the receive buffer of the
            stream may hold, or None to leave that to the kernel.

    Attributes:
        bytes_received: everything that came from the network.
        closed_by_library: whether the websocket library closed the stream, because
            what it received breaks the protocol.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        head: ResponseHead | None = None,
        limit_inflow: Callable[[int | None], None] = lambda _: None,
    ) -> None:
        self._stream = stream
        self._head = head
        self._coalescer: FrameCoalescer | None = None
        self._window = ReceiveWindow()
        self._pacer = ReadPacer()
        self._limit_inflow = limit_inflow
        self.bytes_received = 0
        self.closed_by_library = False
        self._is_open = head is None
        self._requested_at: float | None = None  # when the upgrade was requested

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive some bytes; none at the end of the stream.

        Args:
            max_bytes: ignored, because the receive window decides.

        Raises:
            HandshakeFailed: the server did not respond with a websocket.
            trio.BrokenResourceError: the connection broke.
        """
        data = b""
        while not data:  # a partial header is held back, and is no end of the stream
            received = await self._receive(self._window.read_bytes)
            if not received:
                break
            if self._head is not None:
                data = self._judge(self._head, received)
            elif self._coalescer is not None:
                data = self._coalescer.feed(received)
            else:
                data = received
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
        """Check the response to the upgrade; frames may follow it in the same read."""
        if not head.feed(data):
            return data
        self._head = None
        if self._requested_at is not None:  # the proxies respond at once
            self.note_round_trip(trio.current_time() - self._requested_at)
        self._coalescer = FrameCoalescer()
        frames = head.trailing_data
        return data[: len(data) - len(frames)] + self._coalescer.feed(frames)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of the data."""
        if self._requested_at is None:
            self._requested_at = trio.current_time()
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the stream can take more data."""
        await self._stream.wait_send_all_might_not_block()

    def note_shown(self, size: int, started: float) -> None:
        """Record that the screen has just taken output; the receive buffer may change.

        Args:
            size: bytes of it.
            started: when it was given to the screen, on trio's clock.
        """
        if self._window.note_shown(size, started, trio.current_time()):
            self._limit_inflow(self._window.limit)

    def note_round_trip(self, seconds: float) -> None:
        """Record a round trip; the shortest counts, because it met no queue."""
        known = self._window.round_trip
        self._window.round_trip = min(known or seconds, seconds)

    def mark_open(self) -> None:
        """Record that the websocket library has finished the upgrade."""
        self._is_open = True

    async def aclose(self) -> None:
        """Close the stream; only the websocket library calls this.

        Raises:
            HandshakeFailed: the library gave up before the websocket was open, which it
                does not report itself.
        """
        self.closed_by_library = True
        await self._stream.aclose()
        if not self._is_open:
            raise invalid_upgrade()

    async def disconnect(self) -> None:
        """Close the stream at once; our own code calls this."""
        with trio.CancelScope(shield=True):  # closing forcefully does not block
            await trio.aclose_forcefully(self._stream)
