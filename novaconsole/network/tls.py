"""The socket: TCP, and TLS on it for `wss`, as a stream for the websocket.

The only module that touches `ssl`.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import trio

from novaconsole.errors import ConnectError, UsageError
from novaconsole.network.target import Target, TLSOptions
from novaconsole.redaction import printable

# OpenSSL's X509_V_ERR_… codes (openssl/x509_vfy.h).
_NOT_YET_VALID, _EXPIRED = 9, 10
_SELF_SIGNED = (18, 19)
_WRONG_HOST = (62, 64)


def tls_context(options: TLSOptions) -> ssl.SSLContext:
    """What the options ask for; made before anything is opened.

    Raises:
        UsageError: a file cannot be read or holds no certificate or key.
    """
    try:
        context = ssl.create_default_context(cafile=options.cacert)
    except (OSError, ssl.SSLError) as exc:
        raise _bad_file("--cacert", options.cacert, exc) from exc
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.cert:
        try:
            context.load_cert_chain(options.cert, options.key)
        except (OSError, ssl.SSLError) as exc:
            files = " or ".join(
                str(file) for file in (options.cert, options.key) if file
            )
            raise _bad_file("--cert or --key", files, exc) from exc
    return context


def _bad_file(option: str, path: object, exc: OSError) -> UsageError:
    if not isinstance(exc, ssl.SSLError):
        reason = exc.strerror
    elif exc.reason == "KEY_VALUES_MISMATCH":
        reason = "the key does not match the certificate"
    else:
        reason = "not a PEM file"
    return UsageError(f"{option}: {path}: {reason}")


async def start_tls(
    stream: trio.abc.Stream, target: Target, context: ssl.SSLContext
) -> "TLSStream":
    """Speak TLS on a stream that leads to the target; closes it on failure.

    Args:
        stream: without TLS.
        target: where it leads.
        context: from `tls_context`.

    Raises:
        ConnectError: the certificate is bad, or there is no TLS.
    """
    try:
        tls = trio.SSLStream(
            stream,
            context,
            server_hostname=target.host,
            # Servers close the socket without TLS's own goodbye.
            https_compatible=True,
        )
        with _mapped_tls_errors(target):
            await tls.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return tls


TLSStream = trio.SSLStream[trio.abc.Stream]


@dataclass(frozen=True)
class Certificate:
    """What the other side showed.

    Attributes:
        names: DNS names and addresses that it is for.
        expires: its last day and hour.
        tls: version of the protocol.
    """

    names: tuple[str, ...]
    expires: datetime
    tls: str


def certificate_of(stream: TLSStream) -> Certificate | None:
    """The certificate of the other side; None where it was not checked."""
    shown = stream.getpeercert()
    if not shown:
        return None
    return Certificate(
        names=tuple(str(name) for _, name in shown.get("subjectAltName", ())),
        expires=datetime.fromtimestamp(
            ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC
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
        if isinstance(cause, ssl.SSLError) and cause.reason in (
            "WRONG_VERSION_NUMBER",
            "HTTP_REQUEST",
            "RECORD_LAYER_FAILURE",
        ):
            raise ConnectError(
                f"{target.address} does not speak TLS",
                "try the URL with ws:// in place of wss://",
            ) from exc
        reason = getattr(cause, "reason", None) or "the connection was closed"
        raise ConnectError(
            f"the TLS handshake with {target.address} failed: "
            f"{str(reason).replace('_', ' ').lower()}",
            "it may want ws:// in place of wss://, or a certificate: --cert and --key",
        ) from exc


def _certificate_error(target: Target, exc: ssl.CertificateError) -> ConnectError:
    code = exc.verify_code
    if code == _EXPIRED:
        return ConnectError(
            f"the certificate of {target.address} has expired",
            "tell the cloud's operator; --insecure connects all the same",
        )
    if code == _NOT_YET_VALID:
        return ConnectError(
            f"the certificate of {target.address} is not valid yet",
            "check this machine's clock",
        )
    if code in _WRONG_HOST:
        return ConnectError(
            f"the certificate is not for {printable(target.host)}",
            "the console URL names another host than the certificate; "
            "tell the cloud's operator",
        )
    words = "is self-signed" if code in _SELF_SIGNED else "is from an unknown issuer"
    return ConnectError(
        f"the certificate of {target.address} is not trusted: it {words}",
        "give the cloud's CA with --cacert, or cacert in clouds.yaml",
    )
