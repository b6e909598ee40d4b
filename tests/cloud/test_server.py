"""A server's state and the errors about its console, and which are worth a retry."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.cloud import server as nova
from novaconsole.cloud.server import Server
from novaconsole.errors import (
    CloudError,
    CloudUnreachable,
    ConsoleUnavailable,
    NovaConsoleError,
    Retryable,
    ServerAmbiguous,
    ServerNotActive,
    ServerNotFound,
)
from support.fake_cloud import RUNNING, SHUTDOWN
from support.pieces import thorough

ID = "0a1b2c3d-0000-4000-8000-00000000cafe"
HAS_CONSOLE = ["ACTIVE", "MIGRATING", "PASSWORD", "REBOOT", "RESCUE", "VERIFY_RESIZE"]
HAS_NONE = {
    "SHUTOFF": f"start it: openstack server start {ID}",
    "PAUSED": f"unpause it: openstack server unpause {ID}",
    "SUSPENDED": f"resume it: openstack server resume {ID}",
    "SHELVED": f"unshelve it: openstack server unshelve {ID}",
    "SHELVED_OFFLOADED": f"unshelve it: openstack server unshelve {ID}",
    "BUILD": "use --wait to attach as soon as it is running",
    "REBUILD": "use --wait to attach as soon as it is running",
    "HARD_REBOOT": "use --wait to attach as soon as it is running",
    "RESIZE": "use --wait to attach as soon as it is running",
    "REVERT_RESIZE": f"see why: openstack server show {ID}",
    "UNKNOWN": f"see why: openstack server show {ID}",
    "SOMETHING_NEW": f"see why: openstack server show {ID}",
}
IS_LOST = {
    "ERROR": f"see why: openstack server show {ID} -c fault",
    "DELETED": "list the others: openstack server list",
    "SOFT_DELETED": f"restore it: openstack server restore {ID}",
}
# A task, and the status that the server will have soon.
TASKS = {
    "powering-off": "SHUTOFF",
    "pausing": "PAUSED",
    "suspending": "SUSPENDED",
    "shelving": "SHELVED",
    "soft-deleting": "SOFT_DELETED",
    "deleting": "DELETED",
}


def server(status: str = "ACTIVE", **settings: Any) -> Server:
    return Server("vm", ID, status, **settings)


def words(error: NovaConsoleError) -> list[str]:
    """Message and hint, checked against the rules for all of them."""
    both = [str(error), error.hint or ""]
    for text in both:
        assert text
        assert not text.endswith(".")
        assert "\n" not in text
    return both


# ---- reading a response

BODY = {
    "id": ID,
    "name": "vm",
    "status": "ACTIVE",
    "tenant_id": "p1",
    "OS-EXT-STS:task_state": "spawning",
    "OS-EXT-STS:power_state": RUNNING,
    "OS-EXT-STS:vm_state": "building",
}


def test_a_server_is_read_from_a_response() -> None:
    assert Server.from_api(BODY) == server(task="spawning", project="p1")


@pytest.mark.parametrize("power_state", [0, RUNNING, 3, 6, 7, None])
def test_only_the_power_state_shutdown_is_off(power_state: int | None) -> None:
    body = BODY | {"OS-EXT-STS:power_state": power_state}

    assert not Server.from_api(body).powered_off
    assert Server.from_api(BODY | {"OS-EXT-STS:power_state": SHUTDOWN}).powered_off


def test_fields_that_a_policy_may_hide_are_optional() -> None:
    least = {name: BODY[name] for name in ("id", "name", "status")}

    assert Server.from_api(least) == server()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@thorough
@given(
    st.dictionaries(st.sampled_from(list(BODY)), ANYTHING),
    st.integers(100, 599),
    st.text(),
)
def test_any_field_may_hold_anything(
    changed: dict[str, object], status: int, message: str
) -> None:
    """Every property and check of such a server still works."""
    found = Server.from_api(BODY | changed)
    assert isinstance(found.state, str)
    assert isinstance(nova.console_refusal(status, message, found), NovaConsoleError)
    with suppress(ServerNotActive):
        nova.check_running(found)
    with suppress(ServerNotFound):
        assert nova.select_by_name(message, [found]) is found


def test_an_id_from_the_cloud_is_quoted_for_the_shell() -> None:
    hostile = Server("vm", "x; rm -rf .", "SHUTOFF")
    assert hostile.hint == "start it: openstack server start 'x; rm -rf .'"
    for status in (400, 501):
        refused = nova.console_refusal(status, "no", hostile)
        assert "show 'x; rm -rf .'" in (refused.hint or "")


@pytest.mark.parametrize("missing", ["id", "name", "status"])
def test_fields_that_every_server_has_are_required(missing: str) -> None:
    body = {name: value for name, value in BODY.items() if name != missing}

    with pytest.raises(KeyError):
        Server.from_api(body)


# ---- states


@pytest.mark.parametrize("task", [None, "rebooting", "deleting"])
@pytest.mark.parametrize("status", HAS_CONSOLE)
def test_the_console_of_a_running_server_may_be_opened(
    status: str, task: str | None
) -> None:
    running = server(status, task=task)

    assert running.is_running
    nova.check_running(running)


@pytest.mark.parametrize("status", HAS_CONSOLE)
def test_a_running_server_has_no_hint(status: str) -> None:
    assert server(status).hint is None
    assert server(status, task="rebooting").hint is None


@pytest.mark.parametrize(("status", "hint"), (HAS_NONE | IS_LOST).items())
def test_a_server_that_is_not_running_is_refused(status: str, hint: str) -> None:
    """Its URL could lead to the console of another server."""
    stopped = server(status)

    with pytest.raises(ServerNotActive) as caught:
        nova.check_running(stopped)

    assert not stopped.is_running
    assert words(caught.value) == [f"server 'vm' is {status}, not ACTIVE", hint]
    assert stopped.hint == hint
    lost = status in IS_LOST
    assert caught.value.retryable is (Retryable.NONE if lost else Retryable.IN_TIME)


@pytest.mark.parametrize("status", HAS_CONSOLE)
def test_a_server_that_is_powered_off_is_refused_whatever_its_status(
    status: str,
) -> None:
    lost = server(status, powered_off=True)

    with pytest.raises(ServerNotActive) as caught:
        nova.check_running(lost)

    assert not lost.is_running
    assert words(caught.value) == [
        f"server 'vm' is {status}, powered off, not ACTIVE",
        HAS_NONE["SHUTOFF"],
    ]
    assert caught.value.retryable is Retryable.IN_TIME


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (server(), "ACTIVE"),
        (server(task="powering-off"), "ACTIVE (powering-off)"),
        (server(powered_off=True), "ACTIVE, powered off"),
        (
            server("REBOOT", task="rebooting", powered_off=True),
            "REBOOT, powered off (rebooting)",
        ),
        (server("SHUTOFF", powered_off=True), "SHUTOFF"),
        (server("SHUTOFF", task="powering-on"), "SHUTOFF (powering-on)"),
        (server("BUILD", task="block_device_mapping"), "BUILD (block_device_mapping)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_state_names_the_task_of_nova(given: Server, state: str) -> None:
    assert given.state == state


@pytest.mark.parametrize(("task", "status"), TASKS.items())
@pytest.mark.parametrize("now", ["ACTIVE", "SHUTOFF", "PAUSED"])
def test_the_hint_is_for_the_status_that_the_task_leads_to(
    task: str, status: str, now: str
) -> None:
    assert server(now, task=task).hint == (HAS_NONE | IS_LOST)[status]


# ---- which of them


def test_a_name_is_compared_exactly() -> None:
    others = [Server(name, "x", "ACTIVE") for name in ("VM", "Vm", "vm ")]

    assert nova.select_by_name("vm", [*others, server()]) == server()


def test_a_name_that_differs_in_case_is_not_found() -> None:
    with pytest.raises(ServerNotFound) as caught:
        nova.select_by_name("VM", [server()])

    assert words(caught.value) == [
        "no server 'VM' in this project",
        "list them: openstack server list",
    ]
    assert caught.value.retryable is Retryable.IN_TIME


def test_several_servers_with_one_name_are_ambiguous() -> None:
    twins = [
        Server("twin", "id-1", "ACTIVE", project="p1"),
        Server("twin", "id-2", "SHUTOFF", project="p2"),
    ]

    with pytest.raises(ServerAmbiguous) as caught:
        nova.select_by_name("twin", [*twins, server()])

    assert words(caught.value) == [
        (
            "2 servers are named 'twin': id-1 (ACTIVE, project p1), "
            "id-2 (SHUTOFF, project p2)"
        ),
        "give the id instead of the name",
    ]
    assert caught.value.retryable is Retryable.NONE


@pytest.mark.parametrize(
    ("wanted", "names", "question"),
    [
        ("web1", [], ""),
        ("web1", ["db"], ""),
        ("web1", ["web2", "db"], "; did you mean web2?"),
        ("WEB1", ["web1"], "; did you mean web1?"),
        ("straße", ["STRASSE"], "; did you mean STRASSE?"),
        ("web1", ["my web1"], "; did you mean 'my web1'?"),
        ("web", ["web1", "web12"], "; did you mean web1 or web12?"),
        (
            "web1",
            ["web2", "web3", "web4", "web15"],
            "; did you mean web15 or web4 or web3?",
        ),
    ],
)
def test_close_names_are_suggested(
    wanted: str, names: list[str], question: str
) -> None:
    error = nova.server_not_found(wanted, names)

    assert str(error) == f"no server {wanted!r} in this project{question}"
    assert error.retryable is Retryable.IN_TIME


# ---- no console

REFUSALS: list[tuple[int, str, type[CloudError], Retryable, str]] = [
    (
        400,
        "off",
        ConsoleUnavailable,
        Retryable.NONE,
        "this cloud offers no serial console",
    ),
    (403, "no", ConsoleUnavailable, Retryable.NONE, "you are not allowed to open"),
    (404, "x", ServerNotFound, Retryable.NONE, "server 'vm' is gone"),
    (
        409,
        "wait",
        ConsoleUnavailable,
        Retryable.IN_TIME,
        "server 'vm' is not ready: wait",
    ),
    (501, "x", ConsoleUnavailable, Retryable.NONE, "the hypervisor of 'vm'"),
    (
        500,
        "<InstanceInvalidState>",
        ServerNotActive,
        Retryable.IN_TIME,
        "server 'vm' is",
    ),
    (
        500,
        "<MessagingTimeout>",
        CloudUnreachable,
        Retryable.SOON,
        "the compute host of",
    ),
    (500, "<KeyError>", CloudUnreachable, Retryable.SOON, "the cloud did not open the"),
    (503, "busy", CloudUnreachable, Retryable.SOON, "the cloud did not open the"),
    (401, "who", CloudError, Retryable.NONE, "the cloud did not open the"),
    (418, "tea", CloudError, Retryable.NONE, "the cloud did not open the"),
]


@pytest.mark.parametrize(
    ("status", "message", "kind", "retryable", "beginning"),
    REFUSALS,
    ids=[f"{row[0]}-{row[1]}" for row in REFUSALS],
)
def test_each_refusal_has_an_error_and_says_whether_to_retry(
    status: int,
    message: str,
    kind: type[CloudError],
    retryable: Retryable,
    beginning: str,
) -> None:
    error = nova.console_refusal(status, message, server())

    assert type(error) is kind
    assert error.retryable is retryable
    assert error.exit_status == 1
    text, _ = words(error)
    assert text.startswith(beginning)
    if beginning.startswith("the cloud did"):
        assert text.endswith(f"serial console: {status} {message}")
    else:
        assert "'vm'" in text or status == 404


@pytest.mark.parametrize("status", [400, 501])
def test_without_a_console_the_hint_is_the_log(status: int) -> None:
    error = nova.console_refusal(status, "", server())

    assert f"openstack console log show {ID}" in str(error.hint)


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [
        (400, CloudError, "try again; if the error persists"),
        (401, CloudError, "run novaconsole again, as the login has expired"),
        (403, CloudError, "ask the cloud's operator, as its policy requires"),
        (499, CloudError, "try again; if the error persists"),
        (500, CloudUnreachable, "try again; if the error persists"),
        (504, CloudUnreachable, "try again; if the error persists"),
    ],
)
def test_any_other_response_is_quoted(
    status: int, kind: type[CloudError], hint: str
) -> None:
    error = nova.unexpected_response("list the servers", status, "words")

    assert type(error) is kind
    text, suggestion = words(error)
    assert text == f"the cloud did not list the servers: {status} words"
    assert suggestion.startswith(hint)
