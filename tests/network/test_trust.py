"""Trust: what options and environment name, files and directories alike."""

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from novaconsole.errors import UsageError
from novaconsole.network.target import TLSOptions
from novaconsole.network.trust import trusting_context
from support.certificates import Certificates

VARIABLES = (
    *("OS_CACERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)


def trusts(context: ssl.SSLContext, certificates: Certificates) -> bool:
    """Whether a handshake with our server succeeds; both ends are in memory."""
    client_in, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(client_in, client_out, server_hostname="localhost")
    server = certificates.server_context(certificates.good).wrap_bio(
        client_out, client_in, server_side=True
    )
    for end in (client, server, client):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError:
            return False
    return True


@pytest.fixture(params=["file", "directory", "hashed directory"])
def path(
    request: pytest.FixtureRequest, certificates: Certificates, tmp_path: Path
) -> Path:
    """The authority's certificate, as users keep it."""
    if request.param == "file":
        return certificates.cacert
    shutil.copy(certificates.cacert, tmp_path / "our-ca.crt")
    if request.param == "hashed directory":
        if shutil.which("openssl") is None:
            pytest.skip("no openssl here (Debian: openssl)")
        subprocess.run(["openssl", "rehash", tmp_path], check=True)
        hashed = [*tmp_path.glob("*.0")]
        hashed[0].rename(tmp_path / "kept.0")
        (tmp_path / "our-ca.crt").rename(tmp_path / hashed[0].name)
    return tmp_path


def test_by_default_only_the_system_is_trusted(certificates: Certificates) -> None:
    assert not trusts(trusting_context(TLSOptions(), {}), certificates)


def test_an_option_may_be_a_file_or_a_directory(
    path: Path, certificates: Certificates
) -> None:
    assert trusts(trusting_context(TLSOptions(path), {}), certificates)


@pytest.mark.parametrize("variable", VARIABLES)
def test_each_variable_may_be_a_file_or_a_directory(
    variable: str, path: Path, certificates: Certificates
) -> None:
    environ = {variable: str(path)}
    assert trusts(trusting_context(TLSOptions(), environ), certificates)


def test_the_variables_of_requests_and_openssl_count_together(
    certificates: Certificates, tmp_path: Path
) -> None:
    other = Certificates(tmp_path)
    for variable in VARIABLES[1:]:
        environ = dict.fromkeys(VARIABLES[1:], str(other.cacert))
        environ[variable] = str(certificates.cacert)
        assert trusts(trusting_context(TLSOptions(), environ), certificates)
    environ = {"SSL_CERT_DIR": f"{tmp_path / 'none'}{os.pathsep}{certificates.cacert}"}
    assert trusts(trusting_context(TLSOptions(), environ), certificates)


def test_an_option_decides_alone_and_then_os_cacert(
    certificates: Certificates, tmp_path: Path
) -> None:
    ours, other = str(certificates.cacert), Certificates(tmp_path).cacert
    environ = dict.fromkeys(VARIABLES, ours)
    assert not trusts(trusting_context(TLSOptions(other), environ), certificates)
    environ["OS_CACERT"] = str(other)
    assert not trusts(trusting_context(TLSOptions(), environ), certificates)


def test_insecure_checks_nothing(certificates: Certificates, tmp_path: Path) -> None:
    environ = {"REQUESTS_CA_BUNDLE": str(tmp_path / "none")}
    assert trusts(trusting_context(TLSOptions(insecure=True), environ), certificates)


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_that_leads_nowhere_is_named(variable: str, tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    with pytest.raises(UsageError) as caught:
        trusting_context(TLSOptions(), {variable: str(missing)})
    assert str(caught.value) == f"{variable}: {missing}: No such file or directory"


def test_a_directory_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "README").touch()
    with pytest.raises(UsageError, match=r"--cacert: .*: no certificates in this"):
        trusting_context(TLSOptions(tmp_path), {})


def test_an_empty_variable_is_not_set(certificates: Certificates) -> None:
    environ = dict.fromkeys(VARIABLES, "")
    assert not trusts(trusting_context(TLSOptions(), environ), certificates)
