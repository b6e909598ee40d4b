"""A TCP connection as a console wants it, beyond what trio makes of a socket.

Sending never fails, receiving is prompt, and how much the kernel receives ahead of us
can be bounded.
"""

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio

from novaconsole.errors import ConnectError
from novaconsole.network.target import Target
from novaconsole.redaction import printable

_READ_BYTES = 64 * 1024
_SEGMENTS = 2
_MOST_BYTES = 1 << 30  # Linux makes it net.core.rmem_max
_SO_BUF_LOCK = 72  # asm-generic/socket.h, Linux 5.17; the module lacks it


class ReceiveDecides(trio.abc.Stream):
    """A stream on which sending never fails: `receive_some` finds a dead connection.

    By then everything that had arrived before has been handed on.  Otherwise a key
    typed at the wrong moment would cost the last words of the guest.  It has to be
    below TLS, for a TLS stream that could not send does not receive any more.

    Attributes:
        transport_stream: the stream below, as a TLS stream has it.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.transport_stream = self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, or seem to."""
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError:
            await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream below."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As the stream below."""
        if isinstance(self._stream, trio.SocketStream):
            return await _receive(self._stream.socket, max_bytes or _READ_BYTES)
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        """As the stream below."""
        await self._stream.aclose()


async def _receive(tcp: trio.socket.SocketType, max_bytes: int) -> bytes:
    """As a socket stream's receive_some, but what has arrived is handed on at once.

    A socket stream lets all other tasks have their turn first, with the bytes in its
    hands: one more round of the event loop for the echo of every key.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    was_there = True
    while True:
        try:
            data = os.read(tcp.fileno(), max_bytes)
        except BlockingIOError:
            was_there = False
            await trio.lowlevel.wait_readable(tcp)
        except OSError as exc:
            if tcp.fileno() < 0:
                raise trio.ClosedResourceError("this socket was closed") from None
            raise trio.BrokenResourceError(f"socket connection broken: {exc}") from exc
        else:
            if was_there:  # a flood must not keep the others from their turn
                await trio.lowlevel.cancel_shielded_checkpoint()
            return data


def limit_receive_buffer(stream: trio.abc.Stream, size: int | None) -> None:
    """Bound what the kernel receives ahead of us.

    Args:
        stream: TCP, with anything on it.
        size: bytes; None leaves it to the kernel again, where that is possible.
    """
    while not isinstance(stream, trio.SocketStream):
        below = getattr(stream, "transport_stream", None)
        if below is None:
            return  # a tunnel of another kind
        stream = below
    with suppress(OSError):  # it may be closed
        if size is not None:
            # With less than two segments TCP stutters.  On loopback they are large.
            segment = stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
            size = max(size, _SEGMENTS * segment)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        elif sys.platform == "linux":
            # The kernel goes on from what there is, and slowly: so from its most.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _MOST_BYTES)
            stream.setsockopt(socket.SOL_SOCKET, _SO_BUF_LOCK, 0)


async def resolve(target: Target) -> list[str]:
    """The addresses that the target's name stands for on this machine.

    Raises:
        ConnectError: none.
    """
    with _mapped_socket_errors(target):
        found = await trio.socket.getaddrinfo(
            target.host, target.port, type=socket.SOCK_STREAM
        )
    return sorted({str(address[0]) for *_, address in found})


async def open_tcp(target: Target) -> trio.abc.Stream:
    """Connect to the target.

    Raises:
        ConnectError: the name, the way or the port is bad.
    """
    with _mapped_socket_errors(target):
        return await trio.open_tcp_stream(target.host, target.port)


@contextmanager
def _mapped_socket_errors(target: Target) -> Iterator[None]:
    try:
        yield
    except socket.gaierror as exc:
        raise _bad_name(target, exc.strerror) from exc
    except UnicodeError as exc:  # the name cannot even be asked for
        raise _bad_name(target, "it is malformed") from exc
    except OSError as exc:
        first = first_cause(exc)
        raise ConnectError(
            f"cannot connect to {target.address}: {error_words(first)}",
            _HINTS.get(first.errno or 0, "check the address, and the network here"),
        ) from exc


def _bad_name(target: Target, reason: str | None) -> ConnectError:
    return ConnectError(
        f"the name {printable(target.host)} cannot be resolved: {reason}",
        "check the host in the console URL, and this machine's DNS or VPN",
    )


def first_cause(exc: OSError) -> OSError:
    """Trio says "all attempts failed" and keeps what happened in the cause."""
    cause: BaseException | None = exc.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return cause if isinstance(cause, OSError) else exc


def error_words(exc: OSError) -> str:
    """What happened to a socket, without the address."""
    # str(exc) of trio repeats the address.
    return os.strerror(exc.errno).lower() if exc.errno else str(exc)


_UNREACHABLE_HINT = "is a VPN or a route to the cloud missing?"
_HINTS = {
    errno.ECONNREFUSED: "nothing listens there: is nova-serialproxy running?",
    errno.ENETUNREACH: _UNREACHABLE_HINT,
    errno.EHOSTUNREACH: _UNREACHABLE_HINT,
    errno.ETIMEDOUT: _UNREACHABLE_HINT,
}
