"""What Nova's answers mean: the states of a server, and why there is no console.

Facts: nova/api/openstack/common.py (statuses), nova/compute/power_state.py, and
remote_consoles.py for the answers to a request for a console.  A server that is not
running still gets a URL, and that URL can lead into the console of another server
that has been given the same port; so the status decides here.
"""

import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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

# The statuses in which the server has a running guest with a console of its own.
_RUNNING = {"ACTIVE", "MIGRATING", "PASSWORD", "REBOOT", "RESCUE", "VERIFY_RESIZE"}
_POWER_STATE_SHUTDOWN = 4
_NEVER_AGAIN = {"DELETED", "SOFT_DELETED"}
_STATUS_HINTS = {
    "SHUTOFF": "start it: openstack server start {0}",
    "PAUSED": "continue it: openstack server unpause {0}",
    "SUSPENDED": "wake it up: openstack server resume {0}",
    "SHELVED": "bring it back: openstack server unshelve {0}",
    "SHELVED_OFFLOADED": "bring it back: openstack server unshelve {0}",
    "BUILD": "it is being built; --wait attaches as soon as it runs",
    "REBUILD": "it is being rebuilt; --wait attaches as soon as it runs",
    "HARD_REBOOT": "it is being rebooted; --wait attaches as soon as it runs",
    "RESIZE": "it is being resized; --wait attaches as soon as it runs",
    "ERROR": "see why: openstack server show {0} -c fault",
    "SOFT_DELETED": "bring it back: openstack server restore {0}",
    "DELETED": "list the others: openstack server list",
}
# Where a running server will soon be, by what Nova is doing with it.
_HEADED_FOR = {
    "powering-off": "SHUTOFF",
    "pausing": "PAUSED",
    "suspending": "SUSPENDED",
    "shelving": "SHELVED",
    "soft-deleting": "SOFT_DELETED",
    "deleting": "DELETED",
}
_OTHER_STATUS_HINT = "see why: openstack server show {0}"
_LIST_HINT = "list them: openstack server list"
_CLOSE_NAMES = 3


@dataclass(frozen=True)
class Server:
    """A server as Nova describes it.

    Attributes:
        name: as the cloud has it; several servers may share it.
        id: UUID.
        status: `ACTIVE`, `SHUTOFF`, …
        task: what Nova is doing with it (`powering-off`), None for nothing.
        project: id of the project that it belongs to.
        powered_off: whether the hypervisor says so, whatever the status.
    """

    name: str
    id: str
    status: str
    task: str | None = None
    project: str = ""
    powered_off: bool = False

    @classmethod
    def from_api(cls, body: Mapping[str, Any]) -> "Server":
        """Read the `server` of an answer of the API.

        Raises:
            LookupError: it lacks what every server has.
        """
        name, key, status = body["name"], body["id"], body["status"]
        task = body.get("OS-EXT-STS:task_state")
        return cls(
            name=str(name),
            id=str(key),
            status=str(status),
            task=None if task is None else str(task),
            project=str(body.get("tenant_id", "")),
            powered_off=body.get("OS-EXT-STS:power_state") == _POWER_STATE_SHUTDOWN,
        )

    @property
    def is_running(self) -> bool:
        """Whether its console URL leads to its own console."""
        return self.status in _RUNNING and not self.powered_off

    @property
    def state(self) -> str:
        """The status in words, with what Nova is doing about it."""
        words = self.status
        if self.powered_off and self.status in _RUNNING:
            words += ", powered off"
        return f"{words} ({self.task})" if self.task else words

    @property
    def hint(self) -> str | None:
        """What to do about a server that is not running, or will not be for long."""
        status = _HEADED_FOR.get(self.task or "", self.status)
        if status in _RUNNING:
            if not self.powered_off:
                return None
            status = "SHUTOFF"
        return _STATUS_HINTS.get(status, _OTHER_STATUS_HINT).format(
            shlex.quote(self.id)
        )


def check_running(server: Server) -> None:
    """See whether the console of a server may be opened.

    Raises:
        ServerNotActive: not as it is now.
    """
    if server.is_running:
        return
    lost = server.status in _NEVER_AGAIN or server.status == "ERROR"
    raise ServerNotActive(
        f"server {server.name!r} is {server.state}, not ACTIVE",
        server.hint,
        retryable=Retryable.NONE if lost else None,
    )


def the_one_named(wanted: str, servers: Iterable[Server]) -> Server:
    """The one server with a name.

    Args:
        wanted: the name.
        servers: those whose names match, upper and lower case being the same to the
            databases of some clouds.

    Raises:
        ServerNotFound: there is none.
        ServerAmbiguous: there are several.
    """
    found = [server for server in servers if server.name == wanted]
    if not found:
        raise no_such_server(wanted, ())
    if len(found) > 1:
        rows = ", ".join(
            f"{server.id} ({server.status}, project {server.project})"
            for server in found
        )
        raise ServerAmbiguous(
            f"{len(found)} servers are named {wanted!r}: {rows}",
            "give the id in place of the name",
        )
    return found[0]


def no_such_server(wanted: str, names: Sequence[str]) -> ServerNotFound:
    """There is no such server.

    Args:
        wanted: name or id.
        names: of the servers that there are, as far as known.
    """
    by_folded: dict[str, str] = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(
        wanted.casefold(), by_folded, _CLOSE_NAMES, cutoff=0.6
    )
    offers = " or ".join(shlex.quote(by_folded[folded]) for folded in close)
    question = f"; did you mean {offers}?" if close else ""
    return ServerNotFound(f"no server {wanted!r} in this project{question}", _LIST_HINT)


def console_refused(status: int, message: str, server: Server) -> NovaConsoleError:
    """Why Nova gave no console.

    Args:
        status: of the answer.
        message: in the answer.
        server: that was asked for.
    """
    quoted_id = shlex.quote(server.id)
    log_hint = f"meanwhile: openstack console log show {quoted_id}"
    match status:
        case 400:
            return ConsoleUnavailable(
                f"this cloud gives no serial console for {server.name!r}: {message}",
                f"its operator must set [serial_console] enabled = true; {log_hint}",
            )
        case 403:
            return ConsoleUnavailable(
                f"you may not open the serial console of {server.name!r}",
                "the cloud's policy wants another role; ask its operator",
            )
        case 404:
            return ServerNotFound(
                f"server {server.name!r} is gone", _LIST_HINT, retryable=Retryable.NONE
            )
        case 409:
            return ConsoleUnavailable(
                f"server {server.name!r} is not ready: {message}",
                "try again in a moment, or let --wait do it",
                retryable=Retryable.IN_TIME,
            )
        case 501:
            return ConsoleUnavailable(
                f"the hypervisor of {server.name!r} has no serial console", log_hint
            )
        case 500 if "InstanceInvalidState" in message:
            return ServerNotActive(
                f"server {server.name!r} is being deleted or changed",
                f"see: openstack server show {quoted_id}",
            )
        case 500 if "MessagingTimeout" in message:
            return CloudUnreachable(
                f"the compute host of {server.name!r} does not answer",
                "its nova-compute is down; tell the cloud's operator",
            )
    return unexpected("open the serial console", status, message)


def unexpected(purpose: str, status: int, message: str) -> CloudError:
    """An answer that nothing special can be said about.

    Args:
        purpose: what the cloud was asked to do.
        status: of the answer.
        message: in the answer.
    """
    words = f"the cloud did not {purpose}: {status} {message}"
    if status == 401:
        return CloudError(
            words, "the login has expired or been revoked; run novaconsole again"
        )
    if status == 403:
        return CloudError(words, "the cloud's policy wants another role")
    if status >= 500:
        return CloudUnreachable(
            words, "try again; if it stays, tell the cloud's operator"
        )
    return CloudError(words, "try again; if it stays, tell the cloud's operator")
