"""The client sends the right requests, and reads the responses."""

import json
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest

import support.fake_cloud as fake
from novaconsole.cloud import server as nova
from novaconsole.cloud.client import Cloud
from novaconsole.cloud.config import CloudOptions
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
from support.cloud_client import FAKE, Configure, console_url, failure, find_server
from support.fake_cloud import Answer, FakeCloud, write_clouds

pytestmark = [
    # What openstacksdk deprecates of itself is its own business.
    pytest.mark.filterwarnings(r"ignore:::openstack\."),
    pytest.mark.usefixtures("configure"),
]

LIST_OF_VM = f"/compute/v2.1/servers/detail?{urlencode({'name': '^vm$'})}"


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


@pytest.mark.parametrize(
    "wanted", ["nope", "v", "vm1", "VM", ".*", str(UUID(int=7)), ""]
)
def test_a_server_that_does_not_exist_is_not_found(
    cloud: FakeCloud, wanted: str
) -> None:
    cloud.add("vm")

    error = failure(wanted)

    assert isinstance(error, ServerNotFound)
    assert wanted in str(error)
    assert "openstack server list" in str(error.hint)


def test_servers_with_the_same_name_are_ambiguous_and_all_listed(
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


def test_a_server_that_the_hypervisor_has_powered_off_is_not_running(
    cloud: FakeCloud,
) -> None:
    """As after a crash, before nova-compute has noticed; its URL leads elsewhere."""
    cloud.add("vm", power_state=fake.SHUTDOWN)

    found = find_server()

    assert found.status == "ACTIVE"
    assert found.powered_off
    assert not found.is_running


@pytest.mark.parametrize(
    "missing", ["name", "id", "status", pytest.param(None, id="all")]
)
def test_a_server_without_a_required_field_did_not_come_from_nova(
    cloud: FakeCloud, missing: str | None
) -> None:
    body: Any = {"id": "1", "name": "vm", "status": "ACTIVE"}
    if missing:
        del body[missing]
    else:
        body = "vm"
    cloud.servers_answer = Answer(200, {"servers": [body], "server": body})

    for wanted in ("vm", str(uuid4())):
        assert "did not come from Nova" in str(failure(wanted))


# ---- its current state


def test_refreshing_shows_the_current_state(cloud: FakeCloud) -> None:
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


def test_refreshing_uses_the_id_even_if_another_server_takes_the_name(
    cloud: FakeCloud,
) -> None:
    first = cloud.add("vm")
    with closing(Cloud(FAKE)) as client:
        found = client.find_server("vm")
        cloud.add("vm")
        first.name = "renamed"

        assert client.refresh(found).name == "renamed"


def test_a_failed_refresh_is_an_error_that_quotes_the_response(
    cloud: FakeCloud,
) -> None:
    cloud.add("vm")

    def refresh(wanted: str, options: CloudOptions) -> None:
        with closing(Cloud(options)) as client:
            found = client.find_server(wanted)
            cloud.servers_answer = fake.fault(503, "busy")
            client.refresh(found)

    error = failure(request=refresh)

    assert isinstance(error, CloudUnreachable)
    assert str(error) == "the cloud did not show the server: 503 busy"


# ---- how many requests


@pytest.mark.parametrize("by", ["name", "id"])
def test_three_requests_give_the_first_url_and_two_each_next_one(
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
def test_other_ways_to_log_in_need_at_most_one_request_more(
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


def test_a_cached_token_is_used_by_other_clients(
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


# ---- login and catalogue


def test_authenticating_returns_user_project_and_url(cloud: FakeCloud) -> None:
    with closing(Cloud(FAKE)) as client:
        assert not cloud.requests
        assert client.host is None

        for _ in range(2):
            words = client.authenticate()

        assert client.host == "127.0.0.1"
    assert words == f"demo in project demo at {cloud.url}/identity/v3"
    assert cloud.requests == [("POST", "/identity/v3/auth/tokens")]


def test_authenticating_returns_ids_if_no_names_are_configured(
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
def test_the_compute_endpoint_comes_from_the_catalogue(
    cloud: FakeCloud, configure: Configure, region: str, path: str
) -> None:
    configure(region_name=region)
    with closing(Cloud(FAKE)) as client:
        assert client.compute_endpoint() == cloud.url + path
    assert cloud.requests == [("POST", "/identity/v3/auth/tokens")]


def test_a_catalogue_without_nova_is_an_error_about_the_region(
    cloud: FakeCloud,
) -> None:
    cloud.compute = False

    def request(_: str, options: CloudOptions) -> None:
        with closing(Cloud(options)) as client:
            client.compute_endpoint()

    error = failure(request=request)

    assert "no compute service" in str(error)
    assert "--region" in str(error.hint)


# ---- its console


@pytest.mark.parametrize("newest", [None, (2, 5)])
def test_an_old_nova_gets_the_old_request(
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
        "not allowed",
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
def test_each_fault_has_an_error_with_a_hint(
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


def test_a_server_that_is_not_scheduled_yet_is_not_ready(cloud: FakeCloud) -> None:
    """Nova responds like this if the state changes between the two requests."""
    cloud.add("vm", next_statuses=["BUILD/scheduling"])

    assert "not ready: Instance" in str(failure())


def test_an_error_in_nova_is_quoted(cloud: FakeCloud) -> None:
    cloud.add("vm")
    cloud.console_fault = fake.unexpected("KeyError")

    error = failure()

    assert isinstance(error, CloudUnreachable)
    assert "500 Unexpected API Error" in str(error)


@pytest.mark.parametrize("way", ["answer", "deletion"])
def test_a_server_that_is_deleted_meanwhile_is_not_found(
    cloud: FakeCloud, way: str
) -> None:
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
        (Answer(200, {"unexpected": True}), "did not come from Nova"),
        (Answer(200, ["unexpected"]), "did not come from Nova"),
        (Answer(200, "unexpected"), "did not come from Nova"),
        (Answer(200, 5), "did not come from Nova"),
    ],
)
def test_an_unexpected_response_is_an_error_that_names_the_request(
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


def test_an_html_page_did_not_come_from_nova(cloud: FakeCloud) -> None:
    """For example, the login page of a captive portal."""
    cloud.add("vm")
    page = b"<html><title>Please log in</title></html>"
    cloud.servers_answer = Answer(200, page, {"Content-Type": "text/html"})

    assert "did not come from Nova" in str(failure())


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
def test_the_console_log_is_fetched_whatever_the_status(
    cloud: FakeCloud, status: str
) -> None:
    server = cloud.add("vm", status=status, printed=PRINTED)

    assert console_log() == "".join(LOGGED)
    assert cloud.paths("POST")[-1] == f"/compute/v2.1/servers/{server.id}/action"


@pytest.mark.parametrize("output", [None, "", 5])
def test_an_empty_console_log_is_an_empty_text(
    cloud: FakeCloud, output: object
) -> None:
    """Nova's drivers differ in what they return for it."""
    cloud.add("vm")
    cloud.log_fault = Answer(200, {"output": output})

    assert console_log() == ""


@pytest.mark.parametrize(
    "answer", [fake.NO_LOG, fake.NOT_READY, fake.NOT_SUPPORTED, fake.FORBIDDEN]
)
def test_a_refused_console_log_is_an_error_that_quotes_the_response(
    cloud: FakeCloud, answer: Answer
) -> None:
    server = cloud.add("vm")
    cloud.log_fault = answer

    error = failure(request=console_log)

    ((_, fault),) = answer.body.items()
    message = fault["message"].replace("{id}", server.id)
    assert str(error) == (
        f"the cloud did not show the console log: {answer.status} {message}"
    )


# ---- secrets


@pytest.mark.parametrize("cause", ["login", "console", "server"])
def test_no_secret_is_in_the_local_variables_of_a_traceback(
    cloud: FakeCloud, configure: Configure, cause: str
) -> None:
    """This holds for the frames of novaconsole, not for those of libraries."""
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


def test_no_secret_is_in_the_repr_of_a_client(cloud: FakeCloud) -> None:
    cloud.add("vm")
    with closing(Cloud(FAKE)) as client:
        url = client.console_url(client.find_server("vm"))

        assert fake.CONSOLE_TOKEN in url
        shown = [repr(client), str(client), client.authenticate(), repr(FAKE)]
    assert not [s for s in fake.SECRETS if s in "".join(shown)]


def test_a_token_in_a_message_of_the_cloud_is_masked(
    cloud: FakeCloud,
) -> None:
    cloud.add("vm")
    cloud.console_fault = fake.fault(500, f"cannot make {cloud.console_url}")

    assert "/?token=***" in str(failure())


# ---- completion


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
def test_server_names_are_found_by_their_beginning(
    cloud: FakeCloud, prefix: str, expected: list[str]
) -> None:
    for name in ("web.2", "web 1", "Web3", "db"):
        cloud.add(name)

    with closing(Cloud(FAKE)) as client:
        assert client.server_names(prefix) == expected
    assert cloud.paths("GET")[-1] == "/compute/v2.1/servers"


def test_server_names_raise_the_same_errors(configure: Configure) -> None:
    configure(auth={"password": "wrong"})

    def request(prefix: str, options: CloudOptions) -> None:
        with closing(Cloud(options)) as client:
            client.server_names(prefix)

    assert "authentication failed" in str(failure("", request=request))
