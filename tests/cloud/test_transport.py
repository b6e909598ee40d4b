"""HTTP to the cloud: trust and proxy are those of the websocket."""

import base64
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from novaconsole.cloud.config import CloudOptions
from novaconsole.errors import CloudUnreachable, UsageError
from novaconsole.network.proxy import Proxy
from novaconsole.network.target import Target, TLSOptions
from support.cloud_client import Configure, SecureCloud, console_url, failure
from support.fake_cloud import FakeCloud, write_clouds
from support.program import PATIENCE
from support.servers import refused_port

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:::openstack\."),
    pytest.mark.usefixtures("configure"),
]

LOGIN = base64.b64encode(b"user:pass phrase").decode()
TRUST = (
    *("OS_CACERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)


class HttpProxy:
    """An HTTP proxy that connects everything to one port, or answers with a refusal.

    Attributes:
        port: where it listens.
        requests: the first line of each request.
        logins: what each request gave as Proxy-Authorization.
    """

    def __init__(self, to: int, answer: bytes | None) -> None:
        self._to, self._answer = to, answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests = list[str]()
        self.logins = list[str]()

    def serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._handle, args=(client,)).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _handle(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(4096)
                if not data:
                    return
                head += data
            lines = head.decode().split("\r\n")
            self.requests.append(lines[0])
            self.logins += [line[27:] for line in lines if "Proxy-Auth" in line]
            if self._answer is not None:
                client.sendall(self._answer)
                return
            with socket.create_connection(("127.0.0.1", self._to)) as server:
                if lines[0].startswith("CONNECT"):
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                else:
                    server.sendall(head)
                back = threading.Thread(target=_copy, args=(server, client))
                back.start()
                _copy(client, server)
                back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def http_proxy(to: str = ":9", answer: bytes | None = None) -> Iterator[HttpProxy]:
    proxy = HttpProxy(int(to.rpartition(":")[2]), answer)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()


@contextmanager
def microsocks() -> Iterator[int]:
    """A real SOCKS5 proxy, once it listens."""
    port = refused_port()
    with subprocess.Popen(
        ["microsocks", "-i", "127.0.0.1", "-p", str(port)],
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            while True:
                assert process.poll() is None, "it ended"
                with suppress(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                assert time.monotonic() < deadline
                time.sleep(0.01)  # there is no event for it
            yield port
        finally:
            process.kill()


def through(url: str) -> CloudOptions:
    """As `--proxy`, which serves also what is on this machine."""
    proxy = Proxy.parse(url)
    return CloudOptions("fake", proxy=lambda _: proxy)


# ---- trust


@pytest.mark.parametrize("variable", TRUST)
def test_each_variable_counts_for_the_cloud(
    secure: SecureCloud, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not trusted" in str(failure())
    monkeypatch.setenv(variable, str(secure.ca))
    assert console_url() == secure.cloud.console_url


@pytest.mark.parametrize("how", ["configured", "given"])
def test_a_directory_of_certificates_counts(secure: SecureCloud, how: str) -> None:
    directory = secure.ca.parent / "cas"
    directory.mkdir(exist_ok=True)
    (directory / "ca.pem").write_bytes(secure.ca.read_bytes())
    tls = TLSOptions()
    if how == "given":
        tls = TLSOptions(directory)
    else:
        secure.configure(cacert=str(directory))
    options = CloudOptions("fake", tls=tls)
    assert console_url(options=options) == secure.cloud.console_url


def test_what_is_configured_decides_alone(
    secure: SecureCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.certificates import Certificates

    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secure.ca))
    secure.configure(cacert=str(Certificates(other).cacert))
    assert "not trusted" in str(failure())


# ---- proxies


def test_the_proxy_serves_the_cloud_too(cloud: FakeCloud, configure: Configure) -> None:
    cloud.add("vm")
    with http_proxy(cloud.url) as proxy:
        url = f"http://user:pass%20phrase@127.0.0.1:{proxy.port}"
        assert console_url(options=through(url)) == cloud.console_url
    assert proxy.requests
    assert {*proxy.logins} == {LOGIN}


def test_a_cloud_behind_tls_is_reached_through_a_proxy(secure: SecureCloud) -> None:
    secure.configure(cacert=str(secure.ca))
    with http_proxy(secure.cloud.url) as proxy:
        options = through(f"http://127.0.0.1:{proxy.port}")
        assert console_url(options=options) == secure.cloud.console_url
    assert all(line.startswith("CONNECT ") for line in proxy.requests)


def test_without_trust_a_proxy_changes_nothing(secure: SecureCloud) -> None:
    with http_proxy(secure.cloud.url) as proxy:
        options = through(f"http://127.0.0.1:{proxy.port}")
        assert "not trusted" in str(failure(options=options))


def elsewhere(cloud: FakeCloud, tmp_path: Path) -> None:
    """The cloud has a name that only a proxy knows."""
    url = f"http://cloud.invalid:{cloud.url.rpartition(':')[2]}"
    auth = cloud.auth(auth_url=f"{url}/identity/v3")
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_dead_proxy_of_the_environment_is_named(
    cloud: FakeCloud,
    configure: Configure,
    tmp_path: Path,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere(cloud, tmp_path)
    port = refused_port()
    monkeypatch.setenv(
        variable, f"http://user:pass-phrase-of-the-user@127.0.0.1:{port}"
    )
    error = failure()
    assert isinstance(error, CloudUnreachable)
    assert str(error) == (
        f"cannot connect to the proxy 127.0.0.1:{port}: connection refused"
    )
    assert "--proxy ''" in str(error.hint)


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("tls", [True, False])
def test_a_dead_proxy_is_named(
    secure: SecureCloud, cloud: FakeCloud, configure: Configure, scheme: str, tls: bool
) -> None:
    if tls:
        secure.configure(cacert=str(secure.ca))
    port = refused_port()
    error = failure(options=through(f"{scheme}://127.0.0.1:{port}"))
    assert isinstance(error, CloudUnreachable)
    assert "connection refused" in str(error)
    assert f"the proxy 127.0.0.1:{port}" in str(error)


def test_a_proxy_without_a_name_is_named(
    cloud: FakeCloud, configure: Configure
) -> None:
    error = failure(options=through("http://proxy.invalid:3128"))
    assert str(error).startswith("cannot connect to the proxy proxy.invalid:3128: ")
    assert "unknown error" not in str(error)


@pytest.mark.skipif(
    shutil.which("microsocks") is None, reason="no microsocks here (Debian: microsocks)"
)
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("tls", [True, False])
def test_a_socks_proxy_serves_the_cloud_too(
    secure: SecureCloud, cloud: FakeCloud, configure: Configure, scheme: str, tls: bool
) -> None:
    wanted = secure.cloud if tls else cloud
    if tls:
        secure.configure(cacert=str(secure.ca))
    else:
        cloud.add("vm")
        configure()
    with microsocks() as port:
        url = console_url(options=through(f"{scheme}://127.0.0.1:{port}"))
    assert url == wanted.console_url


def test_a_socks_proxy_without_the_extra_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*_: object, **__: object) -> None:
        """As requests does it without PySocks."""
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS")

    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", missing)
    with pytest.raises(UsageError) as caught:
        console_url(options=through("socks5h://127.0.0.1:9"))
    assert "novaconsole[socks]" in str(caught.value.hint)


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize(
    ("login", "words"), [("", "requires a user"), ("u:p@", "rejected the user")]
)
def test_a_login_that_the_proxy_wants_is_asked_for(
    secure: SecureCloud,
    cloud: FakeCloud,
    configure: Configure,
    tls: bool,
    login: str,
    words: str,
) -> None:
    if tls:
        secure.configure(cacert=str(secure.ca))
    answer = (
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n"
        b"Connection: close\r\n\r\n"
    )
    with http_proxy(answer=answer) as proxy:
        error = failure(options=through(f"http://{login}127.0.0.1:{proxy.port}"))
    assert words in str(error)


def test_a_proxy_that_cannot_reach_the_cloud_is_named(secure: SecureCloud) -> None:
    answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    with http_proxy(answer=answer) as proxy:
        error = failure(options=through(f"http://127.0.0.1:{proxy.port}"))
    assert f"through the proxy 127.0.0.1:{proxy.port}: " in str(error)
    assert "503" in str(error)


def test_a_bad_proxy_of_the_environment_is_wrong_usage(
    cloud: FakeCloud,
    configure: Configure,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere(cloud, tmp_path)
    monkeypatch.setenv("HTTP_PROXY", "gopher://h")
    with pytest.raises(UsageError, match="HTTP_PROXY"):
        console_url()


def test_the_environment_has_no_proxy_for_this_machine(
    cloud: FakeCloud, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for the websocket."""
    cloud.add("vm")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{refused_port()}")
    assert console_url() == cloud.console_url


def test_which_proxy_is_asked_for_each_host(
    cloud: FakeCloud, configure: Configure
) -> None:
    cloud.add("vm")
    asked = list[Target]()

    def choose(target: Target) -> Proxy | None:
        asked.append(target)
        return None

    console_url(options=CloudOptions("fake", proxy=choose))
    assert {f"http://{target.address}" for target in asked} == {cloud.url}
    assert not any(target.secure for target in asked)
