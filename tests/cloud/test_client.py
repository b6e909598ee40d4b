"""The cloud is asked the right questions, and its answers become plain words."""

import json
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import uuid4

import pytest

import support.fake_cloud as fake
from novaconsole.cloud import server as nova
from novaconsole.cloud.client import Cloud
from novaconsole.cloud.config import CloudOptions, cloud_names
from novaconsole.cloud.server import Server
from novaconsole.errors import (
    CloudError,
    CloudUnreachable,
    ConsoleUnavailable,
    Retryable,
    ServerAmbiguous,
    ServerNotActive,
    ServerNotFound,
)
from novaconsole.network.target import TLSOptions
from support.certificates import Certificates
from support.fake_cloud import Answer, FakeCloud, write_clouds

# What openstacksdk deprecates of itself is its own business.
pytestmark = pytest.mark.filterwarnings(r"ignore:::openstack\.")

FAKE = CloudOptions("fake")
LIST_OF_VM = f"/compute/v2.1/servers/detail?{urlencode({'name': '^vm$'})}"

Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def configure(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Configure:
    """Make the fake cloud the only one; call it to change its entry."""
    path = fake.isolate(monkeypatch, tmp_path)

    def configure(auth: dict[str, str] | None = None, **changed: Any) -> None:
        changed = {"auth": cloud.auth(**(auth or {}))} | changed
        write_clouds(path, fake=cloud.config(**changed))

    configure()
    return configure


def find_server(wanted: str = "vm", options: CloudOptions = FAKE) -> Server:
    """The server, found by a new client."""
    with closing(Cloud(options)) as client:
        return client.find_server(wanted)


def console_url(wanted: str = "vm", options: CloudOptions = FAKE) -> str:
    """The URL of a console from nothing, as the program goes about it."""
    with closing(Cloud(options)) as client:
        server = client.find_server(wanted)
        nova.check_running(server)
        return client.console_url(server)


def configure_cache(cloud: FakeCloud, configure: Configure) -> None:
    """Let tokens be kept; openstacksdk reads that from beside the clouds."""
    configure()
    path = Path(os.environ["OS_CLIENT_CONFIG_FILE"])
    content = json.loads(path.read_text()) | {"cache": {"auth": True}}
    path.write_text(json.dumps(content))


@pytest.fixture
def tokens_are_kept() -> Iterator[None]:
    """A keyring that is gone with the test."""
    keyring = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend
    from keyring.errors import PasswordDeleteError

    class Memory(KeyringBackend):
        priority = 1
        kept: ClassVar[dict[tuple[str, str], str]] = {}

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            try:
                del self.kept[service, username]
            except KeyError:
                raise PasswordDeleteError from None

    before = keyring.core._keyring_backend
    keyring.set_keyring(Memory())  # type: ignore[no-untyped-call]
    yield
    keyring.core._keyring_backend = before
    Memory.kept.clear()


def failure(
    wanted: str = "vm",
    options: CloudOptions = FAKE,
    ask: Callable[[str, CloudOptions], object] = console_url,
) -> CloudError:
    """The error of asking for a console; what all of them have in common is checked."""
    with pytest.raises(CloudError) as caught:
        ask(wanted, options)
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

    found = find_server("vm")

    assert found == Server("vm", server.id, "ACTIVE", project=fake.PROJECT_ID)
    assert "/compute/v2.1/servers/detail" in cloud.paths("GET")


@pytest.mark.parametrize("spelling", [str.lower, str.upper])
def test_a_server_is_found_by_its_uuid(
    cloud: FakeCloud, spelling: Callable[[str], str]
) -> None:
    server = cloud.add("vm")
    cloud.add("vm")

    found = find_server(spelling(server.id))

    assert (found.name, found.id) == ("vm", server.id)
    assert "/compute/v2.1/servers/detail" not in cloud.paths("GET")


def test_a_name_may_look_like_a_uuid(cloud: FakeCloud) -> None:
    name = str(uuid4())
    server = cloud.add(name)
    cloud.add("decoy")

    assert find_server(name).id == server.id


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

    assert find_server(name).id == server.id


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


@pytest.mark.parametrize("status", ["SHUTOFF", "PAUSED", "SUSPENDED", "BUILD", "ERROR"])
def test_a_server_is_found_whatever_its_state(cloud: FakeCloud, status: str) -> None:
    server = cloud.add("vm", status=status, task="spawning")

    for wanted in (server.name, server.id):
        found = find_server(wanted)

        assert (found.status, found.task) == (status, "spawning")
        assert not found.is_running
    assert not asked_for_a_console(cloud)


def test_a_server_that_the_hypervisor_has_lost_is_not_running(cloud: FakeCloud) -> None:
    """As after a crash, until nova-compute has noticed: its URL leads elsewhere."""
    cloud.add("vm", power_state=fake.SHUTDOWN)

    found = find_server()

    assert found.status == "ACTIVE"
    assert found.powered_off
    assert not found.is_running


@pytest.mark.parametrize(
    "missing", ["name", "id", "status", pytest.param(None, id="all")]
)
def test_a_server_that_lacks_what_each_has_is_none_of_novas(
    cloud: FakeCloud, missing: str | None
) -> None:
    body: Any = {"id": "1", "name": "vm", "status": "ACTIVE"}
    if missing:
        del body[missing]
    else:
        body = "vm"
    cloud.servers_answer = Answer(200, {"servers": [body], "server": body})

    for wanted in ("vm", str(uuid4())):
        assert "none of Nova's" in str(failure(wanted))


# ---- how it is now


def test_a_server_is_looked_at_again(cloud: FakeCloud) -> None:
    server = cloud.add("vm", next_statuses=["ACTIVE/powering-off", "SHUTOFF", None])
    with closing(Cloud(FAKE)) as client:
        found = client.find_server("vm")
        seen = [found, client.refresh(found), client.refresh(found)]

        with pytest.raises(ServerNotFound, match="'vm' is gone") as caught:
            client.refresh(found)

    assert [each.state for each in seen] == [
        "ACTIVE",
        "ACTIVE (powering-off)",
        "SHUTOFF",
    ]
    assert caught.value.retryable is Retryable.NONE
    assert cloud.paths("GET")[-3:] == [f"/compute/v2.1/servers/{server.id}"] * 3


def test_a_server_is_looked_at_by_its_id_though_another_takes_its_name(
    cloud: FakeCloud,
) -> None:
    first = cloud.add("vm")
    with closing(Cloud(FAKE)) as client:
        found = client.find_server("vm")
        cloud.add("vm")
        first.name = "renamed"

        assert client.refresh(found).name == "renamed"


def test_a_look_that_fails_is_told(cloud: FakeCloud) -> None:
    cloud.add("vm")

    def look_again(wanted: str, options: CloudOptions) -> None:
        with closing(Cloud(options)) as client:
            found = client.find_server(wanted)
            cloud.servers_answer = fake.fault(503, "busy")
            client.refresh(found)

    error = failure(ask=look_again)

    assert isinstance(error, CloudUnreachable)
    assert str(error) == "the cloud did not show the server: 503 busy"


# ---- how much is asked


@pytest.mark.parametrize("by", ["name", "id"])
def test_three_requests_give_the_first_url_and_two_each_other(
    cloud: FakeCloud, by: str
) -> None:
    server = cloud.add("vm")
    consoles = ("POST", f"/compute/v2.1/servers/{server.id}/remote-consoles")
    one = ("GET", f"/compute/v2.1/servers/{server.id}")
    first = one if by == "id" else ("GET", LIST_OF_VM)
    with closing(Cloud(FAKE)) as client:
        found = client.find_server(getattr(server, by))
        assert client.console_url(found) == cloud.console_url
        for _ in range(2):
            assert client.console_url(client.refresh(found)) == cloud.console_url

    tokens = ("POST", "/identity/v3/auth/tokens")
    assert cloud.requests == [tokens, first, consoles, *[one, consoles] * 2]


OTHER_WAYS_TO_LOG_IN: list[dict[str, Any]] = [
    {"auth_url": "/identity"},
    {"auth_url": "/identity/"},
    {"auth_type": "password"},
    {"auth_type": "v3password"},
    {"auth_url": "/identity/v3/"},
    {"default_domain_id": "default"},
]


@pytest.mark.parametrize("way", OTHER_WAYS_TO_LOG_IN, ids=str)
def test_other_ways_to_log_in_need_one_request_more_at_most(
    cloud: FakeCloud, configure: Configure, way: dict[str, Any]
) -> None:
    cloud.add("vm")
    auth = {name: value for name, value in way.items() if name != "auth_type"}
    if "auth_url" in auth:
        auth["auth_url"] = cloud.url + auth["auth_url"]
    configure(auth, **{k: v for k, v in way.items() if k == "auth_type"})

    assert console_url() == cloud.console_url

    has_version = auth.get("auth_url", "/v3").rstrip("/").endswith("/v3")
    is_plain = has_version and "default_domain_id" not in way
    assert len(cloud.requests) == (3 if is_plain else 4)


def test_a_token_serves_other_clients_where_it_is_cached(
    cloud: FakeCloud, configure: Configure, tokens_are_kept: None
) -> None:
    cloud.add("vm")
    configure_cache(cloud, configure)

    assert [console_url(), console_url()] == [cloud.console_url] * 2

    assert cloud.tokens == 1
    assert len(cloud.requests) == 3 + 2


def test_a_cached_token_that_was_revoked_is_replaced(
    cloud: FakeCloud, configure: Configure, tokens_are_kept: None
) -> None:
    cloud.add("vm")
    configure_cache(cloud, configure)
    console_url()

    cloud.revoke_tokens()

    assert [console_url(), console_url()] == [cloud.console_url] * 2
    assert cloud.tokens == 2


def test_without_a_cache_each_client_logs_in(
    cloud: FakeCloud, tokens_are_kept: None
) -> None:
    cloud.add("vm")

    console_url()
    console_url()

    assert cloud.tokens == 2


def test_a_token_that_expires_while_waiting_is_replaced(cloud: FakeCloud) -> None:
    cloud.add("vm")
    with closing(Cloud(FAKE)) as client:
        found = client.find_server("vm")
        cloud.revoke_tokens()

        assert client.refresh(found) == found

    assert cloud.tokens == 2


def test_a_client_that_was_closed_can_be_used_again(cloud: FakeCloud) -> None:
    cloud.add("vm")
    client = Cloud(FAKE)
    client.close()
    for _ in range(2):
        client.find_server("vm")
        client.close()
        client.close()

    assert cloud.tokens == 2


# ---- who and where


def test_logging_in_tells_as_whom_and_where(cloud: FakeCloud) -> None:
    with closing(Cloud(FAKE)) as client:
        assert not cloud.requests
        assert client.host is None

        for _ in range(2):
            words = client.authenticate()

        assert client.host == "127.0.0.1"
    assert words == f"demo in project demo at {cloud.url}/identity/v3"
    assert cloud.requests == [("POST", "/identity/v3/auth/tokens")]


def test_ids_are_told_where_no_names_are_configured(
    cloud: FakeCloud, tmp_path: Path
) -> None:
    auth = cloud.auth(project_id=fake.PROJECT_ID)
    del auth["project_name"]
    del auth["project_domain_name"]
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))

    with closing(Cloud(FAKE)) as client:
        words = client.authenticate()

    assert words.startswith(f"demo in project {fake.PROJECT_ID} at ")


@pytest.mark.parametrize(
    ("region", "path"),
    [("RegionOne", "/compute/v2.1"), ("RegionTwo", "/compute/RegionTwo/v2.1")],
)
def test_nova_is_where_the_catalogue_has_it(
    cloud: FakeCloud, configure: Configure, region: str, path: str
) -> None:
    configure(region_name=region)
    with closing(Cloud(FAKE)) as client:
        assert client.compute_endpoint() == cloud.url + path
    assert cloud.requests == [("POST", "/identity/v3/auth/tokens")]


def test_a_catalogue_without_nova_is_told(cloud: FakeCloud) -> None:
    cloud.compute = False

    def ask(_: str, options: CloudOptions) -> None:
        with closing(Cloud(options)) as client:
            client.compute_endpoint()

    error = failure(ask=ask)

    assert "no compute service" in str(error)
    assert "--region" in str(error.hint)


# ---- its console


@pytest.mark.parametrize("newest", [None, (2, 5)])
def test_nova_without_remote_consoles_is_asked_the_old_way(
    cloud: FakeCloud, newest: tuple[int, int] | None
) -> None:
    server = cloud.add("vm")
    cloud.microversions = newest and ((2, 1), newest)

    assert console_url() == cloud.console_url
    assert cloud.paths("POST")[-2:] == [
        f"/compute/v2.1/servers/{server.id}/remote-consoles",
        f"/compute/v2.1/servers/{server.id}/action",
    ]


def test_the_old_api_is_reached_through_an_endpoint_override(
    cloud: FakeCloud, configure: Configure
) -> None:
    server = cloud.add("vm")
    configure(compute_endpoint_override=f"{cloud.url}/compute/v2")

    assert console_url() == cloud.console_url
    assert cloud.paths("POST")[-1] == f"/compute/v2/servers/{server.id}/action"


FAULTS = [
    pytest.param(
        fake.SERIAL_CONSOLE_OFF,
        ConsoleUnavailable,
        Retryable.NONE,
        "Unavailable console type serial",
        "enabled = true",
        id="400",
    ),
    pytest.param(
        fake.FORBIDDEN,
        ConsoleUnavailable,
        Retryable.NONE,
        "may not",
        "policy",
        id="403",
    ),
    pytest.param(
        fake.NOT_READY,
        ConsoleUnavailable,
        Retryable.IN_TIME,
        "not ready",
        "--wait",
        id="409",
    ),
    pytest.param(
        fake.NOT_SUPPORTED,
        ConsoleUnavailable,
        Retryable.NONE,
        "hypervisor",
        "console log show",
        id="501",
    ),
    pytest.param(
        fake.BEING_DELETED,
        ServerNotActive,
        Retryable.IN_TIME,
        "being deleted or changed",
        "openstack server show",
        id="500-deleting",
    ),
    pytest.param(
        fake.COMPUTE_DOWN,
        CloudUnreachable,
        Retryable.SOON,
        "compute host of 'vm' does not answer",
        "operator",
        id="500-timeout",
    ),
]


@pytest.mark.parametrize("microversions", [((2, 1), (2, 93)), None])
@pytest.mark.parametrize(("answer", "kind", "retryable", "words", "hint"), FAULTS)
def test_a_console_that_cannot_be_had_is_explained(
    cloud: FakeCloud,
    answer: Answer,
    kind: type[CloudError],
    retryable: Retryable,
    words: str,
    hint: str,
    microversions: Any,
) -> None:
    cloud.add("vm")
    cloud.console_fault = answer
    cloud.microversions = microversions

    error = failure()

    assert type(error) is kind
    assert error.retryable is retryable
    assert words in str(error)
    assert "'vm'" in str(error)
    assert hint in str(error.hint)


def test_a_server_that_was_never_scheduled_is_not_ready(cloud: FakeCloud) -> None:
    """The answer of Nova itself, had it changed between the two requests."""
    cloud.add("vm", next_statuses=["BUILD/scheduling"])

    assert "not ready: Instance" in str(failure())


def test_an_error_in_nova_is_told_with_its_words(cloud: FakeCloud) -> None:
    cloud.add("vm")
    cloud.console_fault = fake.unexpected("KeyError")

    error = failure()

    assert isinstance(error, CloudUnreachable)
    assert "500 Unexpected API Error" in str(error)


@pytest.mark.parametrize("way", ["answer", "deletion"])
def test_a_server_deleted_meanwhile_is_gone(cloud: FakeCloud, way: str) -> None:
    server = cloud.add("vm")
    if way == "answer":
        cloud.console_fault = fake.GONE
    else:
        server.next_statuses = [None]

    error = failure()

    assert isinstance(error, ServerNotFound)
    assert error.retryable is Retryable.NONE
    assert "'vm'" in str(error)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (fake.UNAUTHORIZED, "401 The request you have made requires authentication"),
        (Answer(502, "no fault at all"), "502"),
        (Answer(503, {"nested": {"no": "message"}}), "503"),
        (Answer(200, {"unexpected": True}), "none of Nova's"),
        (Answer(200, ["unexpected"]), "none of Nova's"),
        (Answer(200, "unexpected"), "none of Nova's"),
        (Answer(200, 5), "none of Nova's"),
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

    assert "none of Nova's" in str(failure())


# ---- its console log

PRINTED = (
    b"\x1b[31mGNU GRUB\x1b[0m\r\n\n[    0.000000] Linux \xc3\xa4\r\n\tok\r\nlogin: "
)
LOGGED = ["[31mGNU GRUB[0m\n", "\n", "[    0.000000] Linux \ufffd\ufffd\n", "\tok\n"]
LOGGED += ["login: "]


def console_log(wanted: str = "vm", options: CloudOptions = FAKE) -> str:
    with closing(Cloud(options)) as client:
        return client.console_log(client.find_server(wanted))


@pytest.mark.parametrize("status", ["ACTIVE", "SHUTOFF"])
def test_the_console_log_is_to_be_had(cloud: FakeCloud, status: str) -> None:
    server = cloud.add("vm", status=status, printed=PRINTED)

    assert console_log() == "".join(LOGGED)
    assert cloud.paths("POST")[-1] == f"/compute/v2.1/servers/{server.id}/action"


@pytest.mark.parametrize("output", [None, "", 5])
def test_a_console_log_of_nothing_is_empty(cloud: FakeCloud, output: object) -> None:
    """Drivers of Nova differ in what they have for an empty one."""
    cloud.add("vm")
    cloud.log_fault = Answer(200, {"output": output})

    assert console_log() == ""


@pytest.mark.parametrize(
    "answer", [fake.NO_LOG, fake.NOT_READY, fake.NOT_SUPPORTED, fake.FORBIDDEN]
)
def test_a_console_log_that_is_not_to_be_had_is_told(
    cloud: FakeCloud, answer: Answer
) -> None:
    server = cloud.add("vm")
    cloud.log_fault = answer

    error = failure(ask=console_log)

    ((_, said),) = answer.body.items()
    message = said["message"].replace("{id}", server.id)
    assert str(error) == (
        f"the cloud did not show the console log: {answer.status} {message}"
    )


# ---- which cloud


def test_an_unknown_cloud_is_told_with_the_known_ones(
    cloud: FakeCloud, tmp_path: Path
) -> None:
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(), prod=cloud.config())

    error = failure(options=CloudOptions("nope"))

    assert "nope" in str(error)
    assert "fake, prod" in str(error.hint)


def test_no_cloud_at_all_is_told(tmp_path: Path) -> None:
    write_clouds(tmp_path / "clouds.yaml")

    error = failure(options=CloudOptions())

    assert str(error) == "no cloud is configured"
    assert "--cloud" in str(error.hint)
    assert "--demo" in str(error.hint)


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


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "nobody"}])
def test_refused_credentials_are_told(
    configure: Configure, wrong: dict[str, str]
) -> None:
    configure(auth=wrong)

    error = failure()

    assert "authentication failed" in str(error)
    assert "password" in str(error.hint)


@pytest.mark.parametrize("version", ["", "/v3"])
def test_missing_credentials_are_told(
    cloud: FakeCloud, tmp_path: Path, version: str
) -> None:
    auth = cloud.auth(auth_url=f"{cloud.url}/identity{version}")
    del auth["password"]
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))

    assert "password" in str(failure())


@pytest.mark.parametrize("version", ["", "/v3"])
@pytest.mark.parametrize("kind", ["user", "project"])
def test_a_missing_domain_is_told(
    cloud: FakeCloud, tmp_path: Path, kind: str, version: str
) -> None:
    auth = cloud.auth(auth_url=f"{cloud.url}/identity{version}")
    del auth[f"{kind}_domain_name"]
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))

    assert "domain" in str(failure())


def test_a_refused_port_is_told(configure: Configure) -> None:
    with fake.refused_port() as port:
        configure(auth={"auth_url": f"http://127.0.0.1:{port}/v3"})
        error = failure()

    assert "cannot be reached: Connection refused" in str(error)
    assert "auth_url" in str(error.hint)


@pytest.mark.parametrize(
    "path", ["/identity/v3/auth/tokens", "/compute/v2.1/servers/detail"]
)
def test_a_cloud_that_does_not_answer_in_time_is_told(
    cloud: FakeCloud, configure: Configure, path: str
) -> None:
    configure(api_timeout=0.2)
    cloud.stall(path)

    error = failure()

    assert isinstance(error, CloudUnreachable)
    assert "did not answer in time" in str(error)


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

    console_url(options=CloudOptions("fake", region="RegionTwo"))

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
    configure(**{name: str(files.get(v, "")) or v for name, v in configured.items()})

    def with_paths(options: dict[str, Any]) -> TLSOptions:
        return TLSOptions(**{name: files.get(v, v) for name, v in options.items()})

    with closing(Cloud(CloudOptions("fake", tls=with_paths(given)))) as client:
        assert client.tls == with_paths(given)
        client.authenticate()

        assert client.tls == with_paths(expected)


class SecureCloud:
    """The cloud behind TLS, with a certificate that nobody knows."""

    def __init__(self, cloud: FakeCloud, ca: Path, clouds: Path) -> None:
        self.cloud, self.ca, self._clouds = cloud, ca, clouds

    def configure(self, **changed: Any) -> None:
        write_clouds(self._clouds, fake=self.cloud.config(**changed))


@pytest.fixture
def secure(tmp_path: Path, certificates: Certificates) -> Iterator[SecureCloud]:
    context = certificates.server_context(certificates.good)
    with fake.fake_cloud(context) as cloud:
        cloud.add("vm")
        secure = SecureCloud(cloud, certificates.cacert, tmp_path / "clouds.yaml")
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

    options = CloudOptions("fake", tls=tls)
    assert console_url(options=options) == secure.cloud.console_url


@pytest.mark.parametrize("setting", ["cacert", "cert"])
def test_a_file_for_tls_that_is_not_there_is_named(
    secure: SecureCloud, setting: str, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.pem"
    secure.configure(**{"cacert": str(secure.ca), setting: str(missing)})

    assert str(missing) in str(failure())


# ---- secrets


@pytest.mark.parametrize("cause", ["login", "console", "server"])
def test_no_secret_is_in_what_a_crash_shows(
    cloud: FakeCloud, configure: Configure, cause: str
) -> None:
    """In the local variables of the frames that are ours, that is."""
    cloud.add("vm")
    if cause == "login":
        configure(auth={"username": "nobody"})
    elif cause == "console":
        cloud.console_fault = fake.SERIAL_CONSOLE_OFF
    else:
        cloud.servers_answer = fake.UNAUTHORIZED
    ours = str(Path(nova.__file__).parents[1])

    with pytest.raises(CloudError) as caught:
        console_url()

    shown = []
    exc: BaseException | None = caught.value
    while exc is not None:
        for frame, _ in traceback.walk_tb(exc.__traceback__):
            if frame.f_code.co_filename.startswith(ours):
                shown += [repr(value) for value in frame.f_locals.values()]
        exc = exc.__cause__ or exc.__context__
    assert shown
    assert not [s for s in fake.SECRETS if s in "".join(shown)]


def test_a_client_shows_no_secret(cloud: FakeCloud) -> None:
    cloud.add("vm")
    with closing(Cloud(FAKE)) as client:
        url = client.console_url(client.find_server("vm"))

        assert fake.CONSOLE_TOKEN in url
        shown = [repr(client), str(client), client.authenticate(), repr(FAKE)]
    assert not [s for s in fake.SECRETS if s in "".join(shown)]


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

    with closing(Cloud(FAKE)) as client:
        assert client.server_names(prefix) == expected
    assert cloud.paths("GET")[-1] == "/compute/v2.1/servers"


def test_server_names_fail_as_a_console_does(configure: Configure) -> None:
    configure(auth={"password": "wrong"})

    def ask(prefix: str, options: CloudOptions) -> None:
        with closing(Cloud(options)) as client:
            client.server_names(prefix)

    assert "authentication failed" in str(failure("", ask=ask))
