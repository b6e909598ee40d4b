"""TLS on a stream to the target, for `wss`.

With `trust.py` the only module that touches `ssl`.  How to use TLS is described by
`novaconsole.network.target.TLSOptions`, which does not load it.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import trio

from novaconsole.errors import ConnectError
from novaconsole.network.certificate import NOT_TLS, certificate_problem
from novaconsole.network.target import Target, TLSOptions
from novaconsole.network.trust import bad_client_certificate, trusting_context
from novaconsole.redaction import printable


def tls_context(options: TLSOptions) -> ssl.SSLContext:
    """Create the context that the options describe, before anything is opened.

    Raises:
        UsageError: a file cannot be read or holds no certificate or key.
    """
    context = trusting_context(options)
    if options.cert:
        try:
            context.load_cert_chain(options.cert, options.key)
        except (OSError, ssl.SSLError) as exc:
            raise bad_client_certificate(options, exc) from exc
    return context


async def start_tls(
    stream: trio.abc.Stream, target: Target, context: ssl.SSLContext
) -> "TLSStream":
    """Start TLS on a stream to the target; close the stream on failure.

    Args:
        stream: without TLS.
        target: what it leads to.
        context: from `tls_context`.

    Raises:
        ConnectError: the certificate is bad, or the target does not speak TLS.
    """
    try:
        tls = trio.SSLStream(
            stream,
            context,
            server_hostname=target.host,
            # Servers close the socket without a close_notify alert.
            https_compatible=True,
        )
        with _mapped_tls_errors(target):
            await tls.do_handshake()
    except BaseException:  # a cancellation included
        await trio.aclose_forcefully(stream)
        raise
    return tls


TLSStream = trio.SSLStream[trio.abc.Stream]


@dataclass(frozen=True)
class Certificate:
    """The certificate that the other side presented.

    Attributes:
        names: DNS names and addresses that it is valid for.
        expires: when it expires.
        tls: version of the protocol.
    """

    names: tuple[str, ...]
    expires: datetime
    tls: str


def certificate_of(stream: TLSStream) -> Certificate | None:
    """Return the other side's certificate, or None if it was not checked."""
    presented = stream.getpeercert()
    if not presented:
        return None
    return Certificate(
        names=tuple(str(name) for _, name in presented.get("subjectAltName", ())),
        expires=datetime.fromtimestamp(
            ssl.cert_time_to_seconds(str(presented["notAfter"])), UTC
        ),
        tls=stream.version() or "TLS",
    )


@contextmanager
def _mapped_tls_errors(target: Target) -> Iterator[None]:
    try:
        yield
    except ssl.CertificateError as exc:
        raise _certificate_error(target, exc) from exc
    except (trio.BrokenResourceError, ssl.SSLError) as exc:
        cause = exc if isinstance(exc, ssl.SSLError) else exc.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise _certificate_error(target, cause) from exc
        if isinstance(cause, ssl.SSLError) and cause.reason in NOT_TLS:
            raise ConnectError(
                f"{target.address} does not speak TLS",
                "use ws:// instead of wss:// in the URL",
            ) from exc
        reason = getattr(cause, "reason", None) or "the connection was closed"
        raise ConnectError(
            f"the TLS handshake with {target.address} failed: "
            f"{str(reason).replace('_', ' ').lower()}",
            "use ws:// instead of wss://, or give a client certificate with --cert",
        ) from exc


def _certificate_error(target: Target, exc: ssl.CertificateError) -> ConnectError:
    return ConnectError(
        *certificate_problem(exc.verify_code, printable(target.host), target.address)
    )
