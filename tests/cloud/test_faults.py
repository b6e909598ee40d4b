"""What can go wrong on the way to the cloud: each error has a message and a hint."""

from pathlib import Path

import pytest

import support.fake_cloud as fake
from novaconsole.cloud.config import CloudOptions
from novaconsole.errors import CloudUnreachable
from support.cloud_client import Configure, SecureCloud, failure
from support.fake_cloud import FakeCloud, write_clouds

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

    assert "domain" in str(failure())


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
