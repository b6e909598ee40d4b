"""TLS: certificates on both sides, and the errors about them."""

import os
import ssl
from pathlib import Path

import pytest
import trio

from novaconsole.console.connect import open_stream
from novaconsole.errors import ConnectError, UsageError
from novaconsole.network.target import TLSOptions
from novaconsole.network.tls import tls_context
from support.certificates import Certificates
from support.servers import (
    AT_ONCE_SECONDS,
    LOOPBACK,
    Server,
    mute,
    nothing_left,
    refused_port,
    serving,
)


async def echo(stream: trio.abc.Stream) -> None:
    async for data in stream:
        await stream.send_all(data)


async def check_echo(stream: trio.abc.Stream) -> None:
    async with stream:
        await stream.send_all(b"hello")
        with trio.fail_after(AT_ONCE_SECONDS):
            assert await stream.receive_some() == b"hello"


async def test_ws_is_plain_tcp_and_opens_no_certificate_file(tmp_path: Path) -> None:
    missing = TLSOptions(tmp_path / "no.pem", tmp_path / "no.pem", tmp_path / "no.pem")
    with nothing_left():
        async with serving(echo) as server:
            stream = await open_stream(server.target(), missing)
            await check_echo(stream)


async def test_wss_uses_tls(certificates: Certificates) -> None:
    context = certificates.server_context(certificates.good)
    with nothing_left():
        async with serving(echo, tls=context) as server:
            options = TLSOptions(certificates.cacert)
            stream = await open_stream(server.target("wss"), options)
            await check_echo(stream)


async def test_the_systems_certificates_are_trusted_if_none_are_given(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL looks for them in SSL_CERT_FILE."""
    context = certificates.server_context(certificates.good)
    async with serving(echo, tls=context) as server:
        with pytest.raises(ConnectError, match="not trusted"):
            await open_stream(server.target("wss"), TLSOptions())
        monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificates.cacert))
        await check_echo(await open_stream(server.target("wss"), TLSOptions()))


async def test_a_tls_version_that_is_too_old_is_a_connect_error(
    certificates: Certificates,
) -> None:
    context = certificates.server_context(certificates.good)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(
        "AES128-SHA256"
    )  # without forward secrecy, so Python refuses it
    with nothing_left():
        async with serving(mute, tls=context) as server:
            with pytest.raises(ConnectError, match="TLS handshake with") as caught:
                await open_stream(server.target("wss"), TLSOptions(certificates.cacert))
    assert caught.value.hint


@pytest.mark.parametrize("with_key", [True, False])
async def test_our_certificate_is_presented(
    certificates: Certificates, with_key: bool, tmp_path: Path
) -> None:
    """The key is in a file of its own, or together with the certificate."""
    cert, key = certificates.client_cert, certificates.client_key
    if not with_key:
        both = tmp_path / "both.pem"
        both.write_bytes(key.read_bytes() + cert.read_bytes())
    options = TLSOptions(
        certificates.cacert, cert if with_key else both, key if with_key else None
    )
    async with serving(echo, tls=certificates.demanding_context()) as server:
        await check_echo(await open_stream(server.target("wss"), options))


@pytest.mark.parametrize(
    ("which", "content", "option", "reason"),
    [
        ("cacert", None, "--cacert", "No such file"),
        ("cacert", "nonsense", "--cacert", "not a PEM file"),
        ("cert", None, "--cert", "No such file"),
        ("cert", "nonsense", "--cert", "not a PEM file"),
        ("key", None, "--key", "No such file"),
        ("key", "nonsense", "--key", "not a PEM file"),
    ],
)
async def test_a_bad_file_is_named_before_anything_is_opened(
    which: str,
    content: str | None,
    option: str,
    reason: str,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_text(content)
    options = TLSOptions(
        cacert=bad if which == "cacert" else certificates.cacert,
        cert=bad if which == "cert" else certificates.client_cert,
        key=bad if which == "key" else certificates.client_key,
    )
    with nothing_left():
        # Nothing listens there: connecting would raise ConnectError.
        target = Server(LOOPBACK, refused_port()).target("wss")
        with pytest.raises(UsageError) as caught:
            await open_stream(target, options)
    assert option in str(caught.value)
    assert str(bad) in str(caught.value)
    assert reason in str(caught.value)
    assert caught.value.exit_status == 2
    with pytest.raises(UsageError) as checked:
        tls_context(options)
    assert str(checked.value) == str(caught.value)


@pytest.mark.parametrize(
    ("cert", "key", "message", "option"),
    [
        ("client.pem", None, "--cert: {}: there is no private key", "--key"),
        ("client.key", None, "--cert: {}: there is no certificate", "--cert"),
        ("client.key", "client.key", "--cert: {}: there is no certificate", "--cert"),
        ("client.pem", "client.pem", "--key: {}: there is no private key", "--key"),
    ],
)
def test_what_is_missing_in_a_file_is_named(
    certificates: Certificates, cert: str, key: str | None, message: str, option: str
) -> None:
    directory = certificates.client_cert.parent
    options = TLSOptions(
        cert=directory / cert, key=directory / key if key else None, insecure=True
    )
    with pytest.raises(UsageError) as caught:
        tls_context(options)
    assert message.format(directory / (key or cert)) in str(caught.value)
    assert str(caught.value.hint).endswith(f"with {option}")


def test_a_key_of_another_certificate_is_a_usage_error(
    certificates: Certificates,
) -> None:
    options = TLSOptions(cert=certificates.client_cert, key=certificates.good_pem)
    with pytest.raises(UsageError, match="does not match") as caught:
        tls_context(options)
    assert str(certificates.good_pem) in str(caught.value)


def test_good_files_are_accepted(certificates: Certificates) -> None:
    cert, key = certificates.client_cert, certificates.client_key
    tls_context(TLSOptions())
    tls_context(TLSOptions(certificates.cacert, cert, key))
    tls_context(TLSOptions(insecure=True))


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_cancelling_leaves_nothing_open(
    scheme: str, certificates: Certificates
) -> None:
    with nothing_left():
        async with serving(mute) as server:
            options = TLSOptions(certificates.cacert)
            with trio.move_on_after(0.2) as scope:
                stream = await open_stream(server.target(scheme), options)
                async with stream:
                    await trio.sleep_forever()
            assert scope.cancelled_caught
