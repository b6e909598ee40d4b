"""Which cloud, region and TLS settings apply: options, clouds.yaml, variables."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import support.fake_cloud as fake
from novaconsole.cloud.client import Cloud
from novaconsole.cloud.config import CloudOptions
from novaconsole.cloud.connect import cloud_names
from novaconsole.network.target import TLSOptions
from support.cloud_client import Configure, SecureCloud, console_url, failure
from support.fake_cloud import FakeCloud, write_clouds

pytestmark = [
    # What openstacksdk deprecates of itself is its own business.
    pytest.mark.filterwarnings(r"ignore:::openstack\."),
    pytest.mark.usefixtures("configure"),
]


def test_os_cloud_chooses_the_cloud_unless_one_is_given(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add("vm")
    write_clouds(
        tmp_path / "clouds.yaml",
        other=cloud.config(auth=cloud.auth(password="wrong")),
        fake=cloud.config(),
    )
    monkeypatch.setenv("OS_CLOUD", "fake")

    assert console_url(options=CloudOptions()) == cloud.console_url
    assert "authentication" in str(failure(options=CloudOptions("other")))


def test_os_variables_are_a_cloud(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add("vm")
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)

    assert console_url(options=CloudOptions()) == cloud.console_url


@pytest.mark.parametrize("configured", [{}, {"regions": list(fake.REGIONS)}])
def test_the_region_is_taken_from_the_options(
    cloud: FakeCloud, tmp_path: Path, configured: dict[str, Any]
) -> None:
    cloud.add("vm")
    config = cloud.config(**configured)
    del config["region_name"]
    write_clouds(tmp_path / "clouds.yaml", fake=config)

    console_url(options=CloudOptions("fake", region="RegionTwo"))

    assert "/compute/RegionTwo/v2.1/servers/detail" in cloud.paths("GET")
    assert not [path for path in cloud.paths("GET") if path.startswith("/compute/v2")]


def test_the_names_of_the_clouds_are_those_in_clouds_yaml(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clouds(tmp_path / "clouds.yaml", prod=cloud.config(), dev=cloud.config())
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)

    assert cloud_names() == ["dev", "prod"]
    assert not cloud.requests


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Files that exist; over HTTP they are not opened."""
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "other", "cert", "key")}
    for path in files.values():
        path.touch()
    return files


@pytest.mark.parametrize(
    ("configured", "given", "expected"),
    [
        ({}, {}, {}),
        ({"cacert": "ca"}, {}, {"cacert": "ca"}),
        ({"verify": False}, {}, {"insecure": True}),
        ({"insecure": True}, {}, {"insecure": True}),
        ({"cert": "cert"}, {}, {"cert": "cert"}),
        ({"cert": "cert", "key": "key"}, {}, {"cert": "cert", "key": "key"}),
        ({}, {"cacert": "ca"}, {"cacert": "ca"}),
        ({"cacert": "ca"}, {"cacert": "other"}, {"cacert": "other"}),
        ({}, {"insecure": True}, {"insecure": True}),
        ({"cacert": "ca"}, {"insecure": True}, {"insecure": True}),
        ({"verify": False}, {"cacert": "ca"}, {"cacert": "ca"}),
        ({"insecure": True}, {"cacert": "ca"}, {"cacert": "ca"}),
        ({}, {"cert": "cert", "key": "key"}, {"cert": "cert", "key": "key"}),
        ({"cacert": "ca"}, {"cert": "cert"}, {"cacert": "ca", "cert": "cert"}),
    ],
)
def test_the_console_uses_tls_as_the_cloud_does_unless_options_say_otherwise(
    cloud: FakeCloud,
    configure: Configure,
    files: dict[str, Path],
    configured: dict[str, Any],
    given: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    configure(**{name: str(files.get(v, "")) or v for name, v in configured.items()})

    def with_paths(options: dict[str, Any]) -> TLSOptions:
        return TLSOptions(**{name: files.get(v, v) for name, v in options.items()})

    with closing(Cloud(CloudOptions("fake", tls=with_paths(given)))) as client:
        assert client.tls == with_paths(given)
        client.authenticate()

        assert client.tls == with_paths(expected)


@pytest.mark.parametrize("how", ["configured", "given", "insecure"])
def test_a_cloud_behind_tls_is_reached(secure: SecureCloud, how: str) -> None:
    tls = TLSOptions()
    if how == "configured":
        secure.configure(cacert=str(secure.ca))
    elif how == "given":
        tls = TLSOptions(cacert=secure.ca)
    else:
        tls = TLSOptions(insecure=True)

    options = CloudOptions("fake", tls=tls)
    assert console_url(options=options) == secure.cloud.console_url


# ---- the environment, beside a cloud that is chosen


@pytest.mark.parametrize("chosen", ["option", "OS_CLOUD"])
def test_the_region_of_the_environment_counts_beside_a_cloud(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    cloud.add("vm")
    config = cloud.config()
    del config["region_name"]
    write_clouds(tmp_path / "clouds.yaml", fake=config)
    monkeypatch.setenv("OS_REGION_NAME", "RegionTwo")
    if chosen == "OS_CLOUD":
        monkeypatch.setenv("OS_CLOUD", "fake")

    console_url(options=CloudOptions("fake" if chosen == "option" else None))

    assert "/compute/RegionTwo/v2.1/servers/detail" in cloud.paths("GET")


def test_an_option_counts_more_than_the_environment(
    cloud: FakeCloud, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add("vm")
    configure(regions=list(fake.REGIONS), region_name=None)
    monkeypatch.setenv("OS_REGION_NAME", "Nowhere")

    console_url(options=CloudOptions("fake", region="RegionTwo"))

    assert "/compute/RegionTwo/v2.1/servers/detail" in cloud.paths("GET")


@pytest.mark.parametrize("setting", ["password", "username", "project_name"])
@pytest.mark.parametrize("configured", ["wrong", None])
def test_each_part_of_the_login_may_be_in_the_environment(
    cloud: FakeCloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    configured: str | None,
) -> None:
    cloud.add("vm")
    auth = cloud.auth()
    value = auth.pop(setting)
    if configured is not None:
        auth[setting] = configured
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))
    monkeypatch.setenv(f"OS_{setting.upper()}", value)
    monkeypatch.setenv("OS_USER_ID", "")  # as good as unset

    assert console_url() == cloud.console_url


# ---- domains


def variables_without_domains(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An openrc file of a cloud with one domain only."""
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    for name, value in cloud.environment().items():
        if "DOMAIN" not in name:
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize("path", ["/identity/v3", "/identity"])
@pytest.mark.parametrize("domain", ["", "Default"])
def test_without_domains_the_default_one_counts(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, path: str, domain: str
) -> None:
    cloud.add("vm")
    variables_without_domains(cloud, monkeypatch)
    monkeypatch.setenv("OS_AUTH_URL", f"{cloud.url}{path}")
    monkeypatch.setenv("OS_DEFAULT_DOMAIN", domain)

    assert console_url(options=CloudOptions()) == cloud.console_url


@pytest.mark.parametrize("kind", ["USER", "PROJECT"])
def test_a_domain_that_is_given_counts_more_than_the_default_one(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    cloud.add("vm")
    variables_without_domains(cloud, monkeypatch)
    monkeypatch.setenv("OS_DEFAULT_DOMAIN", "elsewhere")
    assert "authentication failed" in str(failure(options=CloudOptions()))

    monkeypatch.delenv("OS_DEFAULT_DOMAIN")
    monkeypatch.setenv(f"OS_{kind}_DOMAIN_NAME", "elsewhere")
    assert "authentication failed" in str(failure(options=CloudOptions()))


def test_the_default_domain_counts_beside_a_cloud(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add("vm")
    auth = {key: value for key, value in cloud.auth().items() if "domain" not in key}
    config = cloud.config(auth=auth, identity_api_version=3)
    write_clouds(tmp_path / "clouds.yaml", fake=config)
    assert console_url() == cloud.console_url

    monkeypatch.setenv("OS_DEFAULT_DOMAIN", "elsewhere")
    assert "authentication failed" in str(failure())


def test_the_interface_of_the_environment_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OS_INTERFACE", "internal")

    assert "interface internal" in str(failure())


def test_files_for_tls_may_be_in_the_environment(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, name in (("CACERT", "ca"), ("CERT", "cert"), ("KEY", "key")):
        monkeypatch.setenv(f"OS_{variable}", str(files[name]))

    with closing(Cloud(CloudOptions("fake"))) as client:
        client.authenticate()

        assert client.tls == TLSOptions(files["ca"], files["cert"], files["key"])


# ---- a password that is not configured


def test_a_missing_password_is_asked_for_once(cloud: FakeCloud, tmp_path: Path) -> None:
    auth = cloud.auth()
    del auth["password"]
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return fake.PASSWORD

    client = Cloud(CloudOptions("fake", ask=ask))
    for _ in range(2):
        with closing(client):
            client.authenticate()

    assert prompts == ["password of demo in the cloud: "]
    assert cloud.tokens == 2


@pytest.mark.parametrize("missing", ["auth_url", "username"])
def test_nobody_is_asked_where_more_is_missing(
    cloud: FakeCloud, tmp_path: Path, missing: str
) -> None:
    auth = cloud.auth()
    del auth["password"], auth[missing]
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))

    def ask(prompt: str) -> str:
        raise AssertionError(prompt)

    failure(options=CloudOptions("fake", ask=ask))
