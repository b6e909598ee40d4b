"""TCP for a console, beyond what trio's socket stream does.

Sending never fails, receiving is prompt, and the amount that the kernel receives ahead
of us can be bounded.
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
_MIN_SEGMENTS = 2
_MAX_BUFFER_BYTES = 1 << 30  # Linux caps it at net.core.rmem_max
_SO_BUF_LOCK = 72  # asm-generic/socket.h, Linux 5.17; not in Python's socket module


class SilentSendStream(trio.abc.Stream):
    """A stream on which sending never fails; only `receive_some` reports a loss.

    It reports the loss after all bytes that had arrived before.  Otherwise a key typed
    at the wrong moment would lose the last output of the guest.  This stream has to be
    below TLS, because a TLS stream that failed to send does not receive any more.

    Attributes:
        transport_stream: the stream below, named as in a TLS stream.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.transport_stream = self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of the data, or drop it if the connection is broken."""
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError:
            await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the stream can take more data."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive some bytes; none at the end of the stream."""
        if isinstance(self._stream, trio.SocketStream):
            return await _receive(self._stream.socket, max_bytes or _READ_BYTES)
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


async def _receive(tcp: trio.socket.SocketType, max_bytes: int) -> bytes:
    """Receive like a socket stream, but return bytes that have arrived at once.

    A socket stream runs a checkpoint after it has read the bytes: one more round of the
    event loop for the echo of every key.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    was_ready = True
    while True:
        try:
            data = os.read(tcp.fileno(), max_bytes)
        except BlockingIOError:
            was_ready = False
            await trio.lowlevel.wait_readable(tcp)
        except OSError as exc:
            if tcp.fileno() < 0:
                raise trio.ClosedResourceError("this socket was closed") from None
            raise trio.BrokenResourceError(f"socket connection broken: {exc}") from exc
        else:
            if was_ready:  # a flood must not starve the other tasks
                await trio.lowlevel.cancel_shielded_checkpoint()
            return data


def limit_receive_buffer(stream: trio.abc.Stream, size: int | None) -> None:
    """Bound the amount that the kernel receives ahead of us.

    Args:
        stream: TCP, possibly below other streams.
        size: bytes, or None to leave it to the kernel again, if that is possible.
    """
    while not isinstance(stream, trio.SocketStream):
        below = getattr(stream, "transport_stream", None)
        if below is None:
            return  # not based on TCP
        stream = below
    with suppress(OSError):  # the socket may be closed
        if size is not None:
            # With less than two segments TCP stalls.  On loopback they are large.
            segment = stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
            size = max(size, _MIN_SEGMENTS * segment)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        elif sys.platform == "linux":
            # The kernel continues from the current size, and grows it slowly: so set
            # the maximum before unlocking it.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _MAX_BUFFER_BYTES)
            stream.setsockopt(socket.SOL_SOCKET, _SO_BUF_LOCK, 0)


async def resolve(target: Target) -> list[str]:
    """Resolve the target's name on this machine.

    Raises:
        ConnectError: it has no address.
    """
    with _mapped_socket_errors(target):
        found = await trio.socket.getaddrinfo(
            target.host, target.port, type=socket.SOCK_STREAM
        )
    return sorted({str(address[0]) for *_, address in found})


async def open_tcp(target: Target) -> trio.abc.Stream:
    """Connect to the target.

    Raises:
        ConnectError: the name cannot be resolved, or no address can be reached.
    """
    with _mapped_socket_errors(target):
        return await trio.open_tcp_stream(target.host, target.port)


@contextmanager
def _mapped_socket_errors(target: Target) -> Iterator[None]:
    try:
        yield
    except socket.gaierror as exc:
        raise _bad_name(target, exc.strerror) from exc
    except UnicodeError as exc:  # the name cannot be sent to a resolver
        raise _bad_name(target, "it is malformed") from exc
    except OSError as exc:
        first = first_cause(exc)
        raise ConnectError(
            f"cannot connect to {target.address}: {describe_error(first)}",
            _HINTS.get(first.errno or 0, _OTHER_HINT),
        ) from exc


def _bad_name(target: Target, reason: str | None) -> ConnectError:
    return ConnectError(
        f"the name {printable(target.host)} cannot be resolved: {reason}",
        "check the host in the console URL and this machine's DNS or VPN",
    )


def first_cause(exc: OSError) -> OSError:
    """Return the first error behind trio's "all attempts failed"."""
    cause: BaseException | None = exc.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return cause if isinstance(cause, OSError) else exc


def describe_error(exc: OSError) -> str:
    """Describe a socket error without the address, which trio's message repeats."""
    if isinstance(exc, socket.gaierror):  # with numbers of its own
        return str(exc.strerror).lower()
    return os.strerror(exc.errno).lower() if exc.errno else str(exc)


_OTHER_HINT = "check the address and this machine's network"
_UNREACHABLE_HINT = "check that this machine has a route to the cloud, or its VPN"
_HINTS = {
    errno.ECONNREFUSED: "check the port; nova-serialproxy may be down",
    errno.ENETUNREACH: _UNREACHABLE_HINT,
    errno.EHOSTUNREACH: _UNREACHABLE_HINT,
    errno.ETIMEDOUT: _UNREACHABLE_HINT,
}
