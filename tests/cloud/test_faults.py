"""What can go wrong on the way to the cloud: each error has a message and a hint."""

from pathlib import Path

import pytest

import support.fake_cloud as fake
from novaconsole.cloud.config import CloudOptions
from novaconsole.errors import CloudUnreachable
from support.certificates import Certificates
from support.cloud_client import Configure, SecureCloud, failure, find_server
from support.fake_cloud import Answer, FakeCloud, write_clouds

pytestmark = [
    # What openstacksdk deprecates of itself is its own business.
    pytest.mark.filterwarnings(r"ignore:::openstack\."),
    pytest.mark.usefixtures("configure"),
]


def test_an_unknown_cloud_is_an_error_that_lists_the_known_ones(
    cloud: FakeCloud, tmp_path: Path
) -> None:
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(), prod=cloud.config())

    error = failure(options=CloudOptions("nope"))

    assert "nope" in str(error)
    assert "fake, prod" in str(error.hint)


def test_no_configured_cloud_is_an_error_that_says_how_to_choose_one(
    tmp_path: Path,
) -> None:
    write_clouds(tmp_path / "clouds.yaml")

    error = failure(options=CloudOptions())

    assert str(error) == "no cloud is configured"
    assert "--cloud" in str(error.hint)
    assert "--demo" in str(error.hint)


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "nobody"}])
def test_refused_credentials_are_an_error_about_the_password(
    configure: Configure, wrong: dict[str, str]
) -> None:
    configure(auth=wrong)

    error = failure()

    assert "authentication failed" in str(error)
    assert "password" in str(error.hint)


@pytest.mark.parametrize("version", ["", "/v3"])
def test_a_missing_password_is_an_error_that_names_it(
    cloud: FakeCloud, tmp_path: Path, version: str
) -> None:
    auth = cloud.auth(auth_url=f"{cloud.url}/identity{version}")
    del auth["password"]
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))

    assert "password" in str(failure())


@pytest.mark.parametrize("version", ["", "/v3"])
@pytest.mark.parametrize("kind", ["user", "project"])
def test_a_missing_domain_is_an_error_that_names_it(
    cloud: FakeCloud, tmp_path: Path, kind: str, version: str
) -> None:
    auth = cloud.auth(auth_url=f"{cloud.url}/identity{version}")
    del auth[f"{kind}_domain_name"]
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))

    error = failure()
    assert str(error).endswith("the domain of the user or project is missing")
    assert "OS_USER_DOMAIN_NAME" in str(error.hint)


def test_a_refused_connection_is_an_error_about_the_auth_url(
    configure: Configure,
) -> None:
    with fake.refused_port() as port:
        configure(auth={"auth_url": f"http://127.0.0.1:{port}/v3"})
        error = failure()

    assert str(error) == (
        f"the cloud cannot be reached at 127.0.0.1:{port}: Connection refused"
    )
    assert "auth_url" in str(error.hint)


@pytest.mark.parametrize(
    "path", ["/identity/v3/auth/tokens", "/compute/v2.1/servers/detail"]
)
def test_a_cloud_that_does_not_answer_in_time_is_unreachable(
    cloud: FakeCloud, configure: Configure, path: str
) -> None:
    configure(api_timeout=0.2)
    cloud.stall(path)

    error = failure()

    assert isinstance(error, CloudUnreachable)
    assert "did not answer in time" in str(error)


def test_an_auth_url_that_is_not_keystone_is_an_error_that_names_it(
    cloud: FakeCloud, configure: Configure
) -> None:
    configure(auth={"auth_url": f"{cloud.url}/elsewhere"})

    assert "auth_url" in str(failure())


def test_a_cloud_without_compute_is_an_error_that_says_so(cloud: FakeCloud) -> None:
    cloud.compute = False

    assert "compute" in str(failure())


def test_an_unknown_region_is_an_error_that_names_it(cloud: FakeCloud) -> None:
    cloud.add("vm")

    assert "Nowhere" in str(failure(options=CloudOptions("fake", region="Nowhere")))


def test_a_cloud_with_an_unknown_certificate_is_not_trusted(
    secure: SecureCloud,
) -> None:
    error = failure()

    assert "certificate" in str(error)
    assert "not trusted" in str(error)
    assert "--cacert" in str(error.hint)
    assert not secure.cloud.requests


@pytest.mark.parametrize("setting", ["cacert", "cert"])
def test_a_missing_file_for_tls_is_an_error_that_names_it(
    secure: SecureCloud, setting: str, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.pem"
    secure.configure(**{"cacert": str(secure.ca), setting: str(missing)})

    assert str(missing) in str(failure())


def test_a_name_that_is_not_utf_8_is_an_error() -> None:
    assert "not UTF-8" in str(failure("vm\udcff", request=find_server))


def test_an_unscoped_login_is_an_error_about_the_project(
    cloud: FakeCloud, tmp_path: Path
) -> None:
    auth = cloud.auth()
    del auth["project_name"], auth["project_domain_name"]
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))
    assert "for no project" in str(failure())


# ---- what Keystone says


def refusal(message: str, **headers: str) -> Answer:
    return Answer(401, {"error": {"code": 401, "message": message}}, headers)


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("Application credentials cannot request a scope.", "remove project"),
        ("The password is expired and needs to be changed for user: 5.", "change it"),
        ("The account is locked for user: 5.", "unlock"),
        ("Could not find token.", "check user"),
    ],
)
def test_the_reason_of_keystone_is_kept(
    cloud: FakeCloud, message: str, hint: str
) -> None:
    cloud.keystone_answer = refusal(message)
    error = failure()
    assert str(error) == f"authentication failed: {message}"
    assert hint in str(error.hint)


def test_a_refused_application_credential_is_not_about_a_password(
    cloud: FakeCloud, tmp_path: Path
) -> None:
    auth = {
        "auth_url": f"{cloud.url}/identity/v3",
        "application_credential_id": "id",
        "application_credential_secret": "s",
    }
    entry = {"auth": auth, "auth_type": "v3applicationcredential"}
    write_clouds(tmp_path / "clouds.yaml", fake=entry)
    error = failure()
    assert str(error) == "authentication failed"
    assert "application credential" in str(error.hint)


def test_further_methods_that_the_cloud_requires_are_named(cloud: FakeCloud) -> None:
    body = {
        "receipt": {"methods": ["password"], "expires_at": "2030-01-01T00:00:00Z"},
        "required_auth_methods": [["password", "totp"]],
    }
    cloud.keystone_answer = Answer(401, body, {"Openstack-Auth-Receipt": "r"})
    assert "password and totp together" in str(failure())


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (429, "Too Many Requests"),
        (500, "Internal Server Error"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
    ],
)
@pytest.mark.parametrize("version", ["", "/v3"])
@pytest.mark.parametrize("has_versions", [True, False])
def test_a_keystone_that_fails_is_not_called_a_refusal(
    cloud: FakeCloud,
    configure: Configure,
    status: int,
    phrase: str,
    version: str,
    has_versions: bool,
) -> None:
    configure(auth={"auth_url": f"{cloud.url}/identity{version}"})
    page = Answer(status, b"<html>no</html>", {"Content-Type": "text/html"})
    cloud.keystone_answer = page
    if not has_versions:
        cloud.versions_answer = page
    error = failure()
    assert isinstance(error, CloudUnreachable)
    where = cloud.url.removeprefix("http://")
    assert str(error) == f"Keystone at {where} failed: HTTP {status} {phrase}"
    assert "try again later" in str(error.hint)


@pytest.mark.parametrize("status", [401, 404])
def test_a_status_instead_of_the_versions_is_told(
    cloud: FakeCloud, configure: Configure, status: int
) -> None:
    configure(auth={"auth_url": f"{cloud.url}/identity"})
    cloud.versions_answer = Answer(
        status, b"<html>no</html>", {"Content-Type": "text/html"}
    )
    error = failure()
    assert f"HTTP {status}" in str(error)
    assert "<html>" not in str(error)
    assert not isinstance(error, CloudUnreachable)


def test_where_a_redirect_leads_is_told(cloud: FakeCloud, configure: Configure) -> None:
    configure(auth={"auth_url": f"{cloud.url}/identity"})
    location = f"{cloud.url}/login"
    cloud.versions_answer = Answer(302, b"", {"Location": f"{location}?SAMLRequest=x"})
    assert f"(redirected to {location})" in str(failure())
    with fake.refused_port() as port:
        location = f"http://127.0.0.1:{port}/"
        cloud.versions_answer = Answer(302, b"", {"Location": location})
        assert f"at 127.0.0.1:{port}: Connection refused" in str(failure())


def test_a_redirect_without_a_host_is_followed(
    cloud: FakeCloud, configure: Configure
) -> None:
    configure(auth={"auth_url": f"{cloud.url}/identity"})
    cloud.versions_answer = Answer(302, b"", {"Location": "/elsewhere"})
    assert f"(redirected to {cloud.url}/elsewhere)" in str(failure())
    assert "/elsewhere" in cloud.paths("GET")


def test_where_a_redirect_of_nova_leads_is_told(cloud: FakeCloud) -> None:
    location = f"{cloud.url}/login"
    cloud.servers_answer = Answer(302, b"", {"Location": location})
    assert location in str(failure())


@pytest.mark.parametrize("version", ["", "/v3"])
def test_a_keystone_that_is_down_is_told_without_the_words_of_a_library(
    configure: Configure, version: str
) -> None:
    with fake.refused_port() as port:
        configure(auth={"auth_url": f"http://127.0.0.1:{port}{version}"})
        error = failure()
    assert isinstance(error, CloudUnreachable)
    assert str(error) == (
        f"the cloud cannot be reached at 127.0.0.1:{port}: Connection refused"
    )


# ---- a URL of Nova that is configured


@pytest.mark.parametrize("name", ["compute_endpoint_override", "compute_endpoint"])
def test_a_url_of_nova_that_is_none_is_named(configure: Configure, name: str) -> None:
    configure(**{name: "rubbish"})
    assert str(failure()) == f"{name} is not a URL: rubbish"


def test_a_url_of_nova_that_cannot_be_reached_is_named(configure: Configure) -> None:
    with fake.refused_port() as port:
        configure(compute_endpoint_override=f"http://127.0.0.1:{port}/v2.1")
        error = failure()
    assert f"cannot be reached at 127.0.0.1:{port}" in str(error)
    assert "check compute_endpoint_override" in str(error.hint)
    assert "auth_url" not in str(error.hint)


# ---- TLS to Keystone


@pytest.mark.parametrize("version", ["", "/v3"])
def test_http_to_a_port_that_expects_tls_is_told(
    secure: SecureCloud, tmp_path: Path, version: str
) -> None:
    url = secure.cloud.url.replace("https:", "http:")
    auth = secure.cloud.auth(auth_url=f"{url}/identity{version}")
    write_clouds(tmp_path / "clouds.yaml", fake=secure.cloud.config(auth=auth))
    error = failure()
    assert f"cannot be reached at {url[7:]}" in str(error)
    assert "use https:// instead of http:// in auth_url" in str(error.hint)


@pytest.mark.parametrize(
    "text",
    [
        "The plain HTTP request was sent to HTTPS port",
        "You're speaking plain HTTP to an SSL-enabled server port.",
        "Client sent an HTTP request to an HTTPS server.",
    ],
)
@pytest.mark.parametrize("version", ["", "/v3"])
def test_a_server_that_asks_for_tls_in_its_own_words_is_understood(
    cloud: FakeCloud, configure: Configure, text: str, version: str
) -> None:
    configure(auth={"auth_url": f"{cloud.url}/identity{version}"})
    cloud.keystone_answer = cloud.versions_answer = Answer(400, text.encode())
    error = failure()
    assert str(error).endswith("speaks TLS only")
    assert "use https:// instead of http:// in auth_url" in str(error.hint)


@pytest.mark.parametrize(
    ("setting", "file", "hint"),
    [("cacert", "/nope", None), ("cert", "client.pem", "OS_KEY"), ("key", "/nope", "")],
)
def test_a_bad_file_for_tls_is_named_with_its_variable(
    secure: SecureCloud,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    file: str,
    hint: str | None,
) -> None:
    directory = certificates.client_cert.parent
    if setting == "key":
        monkeypatch.setenv("OS_CERT", str(certificates.client_cert))
    path = directory / file
    monkeypatch.setenv("OS_CACERT", str(secure.ca))
    monkeypatch.setenv(f"OS_{setting.upper()}", str(path))
    error = failure()
    assert f": OS_{setting.upper()}: {path}: " in str(error)
    assert (hint or "") in str(error.hint)


@pytest.mark.parametrize("version", ["", "/v3"])
def test_https_to_a_port_that_speaks_http_is_told(
    cloud: FakeCloud, configure: Configure, version: str
) -> None:
    url = cloud.url.replace("http:", "https:")
    configure(auth={"auth_url": f"{url}/identity{version}"})
    error = failure()
    assert "does not speak TLS" in str(error)
    assert "http://" in str(error.hint)


@pytest.mark.parametrize(
    ("kind", "message", "hint"),
    [
        ("expired", "has expired", "clock"),
        ("wrong_host", "is not valid for 127.0.0.1", "operator"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told_apart(
    tmp_path: Path, certificates: Certificates, kind: str, message: str, hint: str
) -> None:
    context = certificates.server_context(getattr(certificates, kind))
    with fake.fake_cloud(context) as cloud:
        config = cloud.config(cacert=str(certificates.cacert))
        write_clouds(tmp_path / "clouds.yaml", fake=config)
        error = failure()
    assert message in str(error)
    assert hint in str(error.hint)
