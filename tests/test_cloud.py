"""The cloud is asked the right questions, and its answers become plain words."""

import os
import ssl
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trustme

import fake_cloud as fake
from fake_cloud import Answer, FakeCloud, write_clouds
from novaconsole.cloud import (
    CloudOptions,
    Console,
    cloud_names,
    find_console,
    server_names,
)
from novaconsole.errors import (
    CloudError,
    ConsoleUnavailable,
    ServerAmbiguous,
    ServerNotActive,
    ServerNotFound,
)
from novaconsole.target import TLSOptions

# What openstacksdk deprecates of itself is its own business.
pytestmark = pytest.mark.filterwarnings(r"ignore:::openstack\.")

FAKE = CloudOptions("fake")

Configure = Callable[..., None]


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    with fake.fake_cloud() as cloud:
        yield cloud


@pytest.fixture(autouse=True)
def configure(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Configure:
    """Make the fake cloud the only one; call it to change its entry."""
    for name in os.environ.keys() - fake.without_settings(os.environ).keys():
        monkeypatch.delenv(name)
    path = tmp_path / "clouds.yaml"
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))

    def configure(auth: dict[str, str] | None = None, **changed: Any) -> None:
        changed = {"auth": cloud.auth(**(auth or {}))} | changed
        write_clouds(path, fake=cloud.config(**changed))

    configure()
    return configure


def failure(server: str = "vm", options: CloudOptions = FAKE) -> CloudError:
    """The error of asking for a console; what all of them have in common is checked."""
    with pytest.raises(CloudError) as caught:
        find_console(server, options)
    error = caught.value
    assert error.exit_status == 1
    for text in (str(error), error.hint):
        assert text
        assert "\n" not in text
    everything = [repr(error), str(error.hint), *traceback.format_exception(error)]
    assert not [s for s in fake.SECRETS if s in "".join(everything)]
    return error


def asked_for_a_console(cloud: FakeCloud) -> bool:
    return any(
        path.endswith(("/remote-consoles", "/action")) for path in cloud.paths("POST")
    )


# ---- which server


def test_a_server_is_found_by_its_name(cloud: FakeCloud) -> None:
    server = cloud.add("vm")
    cloud.add("vm2")
    cloud.add("VM")

    console = find_console("vm", FAKE)

    assert console == Console("vm", server.id, cloud.console_url, TLSOptions())
    consoles = f"/compute/v2.1/servers/{server.id}/remote-consoles"
    assert cloud.paths("POST") == ["/identity/v3/auth/tokens", consoles]
    assert cloud.paths("GET").count("/compute/v2.1/servers/detail") == 1


@pytest.mark.parametrize("spelling", [str.lower, str.upper])
def test_a_server_is_found_by_its_uuid(
    cloud: FakeCloud, spelling: Callable[[str], str]
) -> None:
    server = cloud.add("vm")
    cloud.add("vm")

    console = find_console(spelling(server.id), FAKE)

    assert (console.server_name, console.server_id) == ("vm", server.id)
    assert "/compute/v2.1/servers/detail" not in cloud.paths("GET")


def test_a_name_may_look_like_a_uuid(cloud: FakeCloud) -> None:
    name = str(uuid4())
    server = cloud.add(name)
    cloud.add("decoy")

    assert find_console(name, FAKE).server_id == server.id


ODD_NAMES = [
    *(".*", "a.c", "[", "(", "a+b", "^vm$", "web|db", "back\\slash", "vm{2}", "\\d"),
    *(
        "with space",
        " vm",
        "ünï-服务器",
        "a&b=c#d?e/f%20",
        "-dash",
        "'quoted\"",
        "x" * 255,
    ),
    "new\nline",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_is_taken_literally(cloud: FakeCloud, name: str) -> None:
    for decoy in ("abc", "web", "aab", "vm", "vm2", "vmm", "7", name + "1", "1" + name):
        cloud.add(decoy)
    server = cloud.add(name)

    assert find_console(name, FAKE).server_id == server.id


@pytest.mark.parametrize("wanted", ["nope", "v", "vm1", "VM", ".*", str(uuid4()), ""])
def test_a_server_that_is_not_there_is_reported(cloud: FakeCloud, wanted: str) -> None:
    cloud.add("vm")

    error = failure(wanted)

    assert isinstance(error, ServerNotFound)
    assert wanted in str(error)
    assert "openstack server list" in str(error.hint)


def test_servers_with_one_name_are_all_listed_and_none_is_taken(
    cloud: FakeCloud,
) -> None:
    twins = [
        cloud.add("twin"),
        cloud.add("twin", status="SHUTOFF", project_id="another-project"),
    ]
    cloud.add("Twin")

    error = failure("twin")

    assert isinstance(error, ServerAmbiguous)
    for twin in twins:
        assert f"{twin.id} ({twin.status}, project {twin.project_id})" in str(error)
    assert str(error).startswith("2 servers")
    assert "id" in str(error.hint)
    assert not asked_for_a_console(cloud)


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("SHUTOFF", "openstack server start {id}"),
        ("PAUSED", "openstack server unpause {id}"),
        ("SUSPENDED", "openstack server resume {id}"),
        ("SHELVED", "openstack server unshelve {id}"),
        ("SHELVED_OFFLOADED", "openstack server unshelve {id}"),
        ("BUILD", "try again"),
        ("REBUILD", "try again"),
        ("HARD_REBOOT", "try again"),
        ("RESIZE", "try again"),
        ("ERROR", "openstack server show {id}"),
        ("REVERT_RESIZE", "openstack server show {id}"),
        ("DELETED", "openstack server show {id}"),
        ("SOFT_DELETED", "openstack server show {id}"),
        ("UNKNOWN", "openstack server show {id}"),
        ("SOMETHING_NEW", "openstack server show {id}"),
    ],
)
def test_a_server_that_does_not_run_is_refused_before_a_url_is_asked(
    cloud: FakeCloud, status: str, hint: str
) -> None:
    """Its URL could lead into the console of another server."""
    server = cloud.add("vm", status=status)

    for wanted in (server.name, server.id):
        error = failure(wanted)

        assert isinstance(error, ServerNotActive)
        assert status in str(error)
        assert "'vm'" in str(error)
        assert hint.format(id=server.id) in str(error.hint)
    assert not asked_for_a_console(cloud)


@pytest.mark.parametrize(
    "status", ["ACTIVE", "MIGRATING", "PASSWORD", "REBOOT", "RESCUE", "VERIFY_RESIZE"]
)
def test_a_server_that_runs_has_a_console(cloud: FakeCloud, status: str) -> None:
    cloud.add("vm", status=status)

    assert find_console("vm", FAKE).url == cloud.console_url


# ---- its console


@pytest.mark.parametrize("newest", [None, (2, 5)])
def test_nova_without_remote_consoles_is_asked_the_old_way(
    cloud: FakeCloud, newest: tuple[int, int] | None
) -> None:
    server = cloud.add("vm")
    cloud.microversions = newest and ((2, 1), newest)

    console = find_console("vm", FAKE)

    assert console.url == cloud.console_url
    assert cloud.paths("POST")[-2:] == [
        f"/compute/v2.1/servers/{server.id}/remote-consoles",
        f"/compute/v2.1/servers/{server.id}/action",
    ]


def test_the_old_api_is_reached_through_an_endpoint_override(
    cloud: FakeCloud, configure: Configure
) -> None:
    server = cloud.add("vm")
    configure(compute_endpoint_override=f"{cloud.url}/compute/v2")

    assert find_console("vm", FAKE).url == cloud.console_url
    assert cloud.paths("POST")[-1] == f"/compute/v2/servers/{server.id}/action"


FAULTS = [
    pytest.param(
        fake.SERIAL_CONSOLE_OFF, "Unavailable console type serial", "enabled", id="400"
    ),
    pytest.param(fake.FORBIDDEN, "may not", "policy", id="403"),
    pytest.param(fake.NOT_READY, "not ready", "try again", id="409"),
    pytest.param(fake.NOT_SUPPORTED, "hypervisor", "console log show", id="501"),
]


@pytest.mark.parametrize("microversions", [((2, 1), (2, 93)), None])
@pytest.mark.parametrize(("answer", "words", "hint"), FAULTS)
def test_a_console_that_cannot_be_had_is_explained(
    cloud: FakeCloud, answer: Answer, words: str, hint: str, microversions: Any
) -> None:
    cloud.add("vm")
    cloud.console_fault = answer
    cloud.microversions = microversions

    error = failure()

    assert isinstance(error, ConsoleUnavailable)
    assert words in str(error)
    assert "'vm'" in str(error)
    assert hint in str(error.hint)


@pytest.mark.parametrize("answer", [fake.BEING_DELETED, fake.COMPUTE_DOWN])
def test_an_error_in_nova_is_told_with_its_words(
    cloud: FakeCloud, answer: Answer
) -> None:
    cloud.add("vm")
    cloud.console_fault = answer

    assert "500 Unexpected API Error" in str(failure())


def test_a_server_deleted_meanwhile_is_gone(cloud: FakeCloud) -> None:
    cloud.add("vm")
    cloud.console_fault = fake.GONE

    error = failure()

    assert isinstance(error, ServerNotFound)
    assert "'vm'" in str(error)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (fake.UNAUTHORIZED, "requires authentication"),
        (Answer(502, "no fault at all"), "502"),
        (Answer(503, {"nested": {"no": "message"}}), "503"),
        (Answer(200, {"unexpected": True}), "cloud"),
        (Answer(200, ["unexpected"]), "cloud"),
    ],
)
def test_an_answer_that_is_none_of_novas_is_told(
    cloud: FakeCloud, answer: Answer, words: str
) -> None:
    server = cloud.add("vm")
    cloud.console_fault = answer
    of_console = str(failure())
    cloud.servers_answer = answer
    of_list, of_server = str(failure()), str(failure(server.id))

    assert of_console.startswith("the cloud did not open the serial console: ")
    assert of_list.startswith("the cloud did not list the servers: ")
    assert of_server.startswith("the cloud did not show the server: ")
    for text in (of_console, of_list, of_server):
        assert words in text


def test_a_page_in_place_of_an_answer_is_told(cloud: FakeCloud) -> None:
    """As the login page of a captive portal."""
    cloud.add("vm")
    page = b"<html><title>Please log in</title></html>"
    cloud.servers_answer = Answer(200, page, {"Content-Type": "text/html"})

    assert "cloud" in str(failure())


# ---- which cloud


def test_an_unknown_cloud_is_told_with_the_known_ones(
    cloud: FakeCloud, tmp_path: Path
) -> None:
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(), prod=cloud.config())

    error = failure(options=CloudOptions("nope"))

    assert "nope" in str(error)
    assert "fake, prod" in str(error.hint)


def test_os_cloud_chooses_where_no_cloud_is_named(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add("vm")
    write_clouds(
        tmp_path / "clouds.yaml",
        other=cloud.config(auth=cloud.auth(password="wrong")),
        fake=cloud.config(),
    )
    monkeypatch.setenv("OS_CLOUD", "fake")

    assert find_console("vm", CloudOptions()).server_name == "vm"
    assert "authentication" in str(failure(options=CloudOptions("other")))


def test_os_variables_are_a_cloud(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add("vm")
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)

    assert find_console("vm", CloudOptions()).server_name == "vm"


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "nobody"}])
def test_refused_credentials_are_told(
    configure: Configure, wrong: dict[str, str]
) -> None:
    configure(auth=wrong)

    error = failure()

    assert "authentication failed" in str(error)
    assert "password" in str(error.hint)


def test_missing_credentials_are_told(cloud: FakeCloud, tmp_path: Path) -> None:
    auth = cloud.auth()
    del auth["password"]
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))

    assert "password" in str(failure())


def test_a_refused_port_is_told(configure: Configure) -> None:
    with fake.refused_port() as port:
        configure(auth={"auth_url": f"http://127.0.0.1:{port}/v3"})
        error = failure()

    assert "cannot be reached: Connection refused" in str(error)
    assert "auth_url" in str(error.hint)


def test_an_auth_url_that_is_no_keystone_is_told(
    cloud: FakeCloud, configure: Configure
) -> None:
    configure(auth={"auth_url": f"{cloud.url}/elsewhere"})

    assert "auth_url" in str(failure())


def test_a_cloud_without_compute_is_told(cloud: FakeCloud) -> None:
    cloud.compute = False

    assert "compute" in str(failure())


@pytest.mark.parametrize("configured", [{}, {"regions": list(fake.REGIONS)}])
def test_the_region_is_taken_from_the_options(
    cloud: FakeCloud, tmp_path: Path, configured: dict[str, Any]
) -> None:
    cloud.add("vm")
    config = cloud.config(**configured)
    del config["region_name"]
    write_clouds(tmp_path / "clouds.yaml", fake=config)

    find_console("vm", CloudOptions("fake", region="RegionTwo"))

    assert "/compute/RegionTwo/v2.1/servers/detail" in cloud.paths("GET")
    assert not [path for path in cloud.paths("GET") if path.startswith("/compute/v2")]


def test_an_unknown_region_is_told(cloud: FakeCloud) -> None:
    cloud.add("vm")

    assert "Nowhere" in str(failure(options=CloudOptions("fake", region="Nowhere")))


# ---- certificates


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Files that are there; over HTTP nobody looks into them."""
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
def test_the_console_is_trusted_as_the_cloud_is_and_options_come_first(
    cloud: FakeCloud,
    configure: Configure,
    files: dict[str, Path],
    configured: dict[str, Any],
    given: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    cloud.add("vm")
    configure(**{name: str(files.get(v, "")) or v for name, v in configured.items()})

    def with_paths(options: dict[str, Any]) -> TLSOptions:
        return TLSOptions(**{name: files.get(v, v) for name, v in options.items()})

    console = find_console("vm", CloudOptions("fake", tls=with_paths(given)))

    assert console.tls == with_paths(expected)


class SecureCloud:
    """The cloud behind TLS, with a certificate that nobody knows."""

    def __init__(self, cloud: FakeCloud, ca: Path, clouds: Path) -> None:
        self.cloud, self.ca, self._clouds = cloud, ca, clouds

    def configure(self, **changed: Any) -> None:
        write_clouds(self._clouds, fake=self.cloud.config(**changed))


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[SecureCloud]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "cloud-ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with fake.fake_cloud(context) as cloud:
        cloud.add("vm")
        secure = SecureCloud(cloud, tmp_path / "cloud-ca.pem", tmp_path / "clouds.yaml")
        secure.configure()
        yield secure


def test_a_cloud_with_an_unknown_certificate_is_not_trusted(
    secure: SecureCloud,
) -> None:
    error = failure()

    assert "certificate" in str(error)
    assert "not trusted" in str(error)
    assert "--cacert" in str(error.hint)
    assert not secure.cloud.requests


@pytest.mark.parametrize("how", ["configured", "given", "insecure"])
def test_a_cloud_behind_tls_is_reached(secure: SecureCloud, how: str) -> None:
    tls = TLSOptions()
    if how == "configured":
        secure.configure(cacert=str(secure.ca))
    elif how == "given":
        tls = TLSOptions(cacert=secure.ca)
    else:
        tls = TLSOptions(insecure=True)

    assert find_console("vm", CloudOptions("fake", tls=tls)).server_name == "vm"


@pytest.mark.parametrize("setting", ["cacert", "cert"])
def test_a_file_for_tls_that_is_not_there_is_named(
    secure: SecureCloud, setting: str, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.pem"
    secure.configure(**{"cacert": str(secure.ca), setting: str(missing)})

    assert str(missing) in str(failure())


# ---- secrets


def test_a_console_does_not_show_its_token(cloud: FakeCloud) -> None:
    cloud.add("vm")

    console = find_console("vm", FAKE)

    assert fake.CONSOLE_TOKEN in console.url
    assert fake.CONSOLE_TOKEN not in f"{console!r} {console}"


def test_a_message_of_the_cloud_that_holds_the_token_is_masked(
    cloud: FakeCloud,
) -> None:
    cloud.add("vm")
    cloud.console_fault = fake.fault(500, f"cannot make {cloud.console_url}")

    assert "/?token=***" in str(failure())


# ---- completion


def test_the_clouds_of_clouds_yaml_are_known_by_name(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clouds(tmp_path / "clouds.yaml", prod=cloud.config(), dev=cloud.config())
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)

    assert cloud_names() == ["dev", "prod"]
    assert not cloud.requests


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("we", ["web 1", "web.2"]),
        ("web.", ["web.2"]),
        ("", ["Web3", "db", "web 1", "web.2"]),
        ("W", ["Web3"]),
        ("(", []),
    ],
)
def test_servers_are_known_by_the_beginning_of_their_names(
    cloud: FakeCloud, prefix: str, expected: list[str]
) -> None:
    for name in ("web.2", "web 1", "Web3", "db"):
        cloud.add(name)

    assert server_names(prefix, FAKE) == expected
    assert cloud.paths("GET")[-1] == "/compute/v2.1/servers"


def test_server_names_fail_as_a_console_does(configure: Configure) -> None:
    configure(auth={"password": "wrong"})

    with pytest.raises(CloudError, match="authentication failed"):
        server_names("", FAKE)
