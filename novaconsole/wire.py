"""The stream between the socket and the websocket library, with a judgement of its own.

Until the upgrade is accepted, the answer is judged as it arrives: an HTTP error, a
closed connection or garbage is an error at once, not after the connect timeout.  And
when the library gives up on what it received, which it tells nobody, this does.
"""

import trio

from novaconsole.handshake import ResponseHead, invalid_upgrade


class Wire(trio.abc.Stream):
    """Passes bytes through and counts them.

    Args:
        stream: TCP, TLS, or what a proxy made of them.
        head: judges the answer to the upgrade; None on a server's side.

    Attributes:
        bytes_received: on the wire, everything.
        given_up: the websocket library closed it, for what came breaks the protocol.
    """

    def __init__(
        self, stream: trio.abc.Stream, head: ResponseHead | None = None
    ) -> None:
        self._stream = stream
        self._head = head
        self.bytes_received = 0
        self.given_up = False
        self._is_open = head is None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive; empty at the end.

        Raises:
            HandshakeFailed: the server did not answer with a websocket.
            trio.BrokenResourceError: the connection broke.
        """
        head = self._head
        try:
            data = bytes(await self._stream.receive_some(max_bytes))
        except trio.BrokenResourceError:
            if head is None:
                raise
            data = b""
        self.bytes_received += len(data)
        if head is not None:
            if not data:
                raise head.end()
            if head.feed(data):
                self._head = None
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream below."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream below."""
        await self._stream.wait_send_all_might_not_block()

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
