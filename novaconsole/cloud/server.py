"""A server as Nova describes it: its state, and the errors about it and its console.

The sources are nova/api/openstack/common.py (statuses), nova/compute/power_state.py,
and remote_consoles.py for the responses to a request for a console.

Nova gives out a URL even for a server that is not running, and that URL can lead to the
console of another server that was given the same port.  So the status decides whether a
console may be opened, not Nova's response.
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

# In these statuses the server has a running guest with a console of its own.
_RUNNING = {"ACTIVE", "MIGRATING", "PASSWORD", "REBOOT", "RESCUE", "VERIFY_RESIZE"}
_POWER_STATE_SHUTDOWN = 4
# A server leaves these only if its owner acts, so waiting is of no use.
_LOST = {"DELETED", "SOFT_DELETED", "ERROR"}
_WAIT_HINT = "use --wait to attach as soon as it is running"
_ROLE_HINT = "ask the cloud's operator, as its policy requires another role"
_STATUS_HINTS = {
    "SHUTOFF": "start it: openstack server start {0}",
    "PAUSED": "unpause it: openstack server unpause {0}",
    "SUSPENDED": "resume it: openstack server resume {0}",
    "SHELVED": "unshelve it: openstack server unshelve {0}",
    "SHELVED_OFFLOADED": "unshelve it: openstack server unshelve {0}",
    "BUILD": _WAIT_HINT,
    "REBUILD": _WAIT_HINT,
    "HARD_REBOOT": _WAIT_HINT,
    "RESIZE": _WAIT_HINT,
    "ERROR": "see why: openstack server show {0} -c fault",
    "SOFT_DELETED": "restore it: openstack server restore {0}",
    "DELETED": "list the others: openstack server list",
}
# The status that a server will soon have, by the task that Nova is performing.
_NEXT_STATUS = {
    "powering-off": "SHUTOFF",
    "pausing": "PAUSED",
    "suspending": "SUSPENDED",
    "shelving": "SHELVED",
    "soft-deleting": "SOFT_DELETED",
    "deleting": "DELETED",
}
_OTHER_STATUS_HINT = "see why: openstack server show {0}"
_LIST_HINT = "list them: openstack server list"
_MAX_SUGGESTIONS = 3


@dataclass(frozen=True)
class Server:
    """A server as Nova describes it.

    Attributes:
        name: several servers may have the same.
        id: UUID.
        status: `ACTIVE`, `SHUTOFF`, …
        task: what Nova is doing with it (`powering-off`), or None.
        project: id of the project that it belongs to.
        powered_off: what the hypervisor reports, whatever the status.
    """

    name: str
    id: str
    status: str
    task: str | None = None
    project: str = ""
    powered_off: bool = False

    @classmethod
    def from_api(cls, body: Mapping[str, Any]) -> "Server":
        """Read the `server` in a response of the API.

        Raises:
            LookupError: a field is missing that every server has.
        """
        name, uuid, status = body["name"], body["id"], body["status"]
        task = body.get("OS-EXT-STS:task_state")
        return cls(
            name=str(name),
            id=str(uuid),
            status=str(status),
            task=None if task is None else str(task),
            project=str(body.get("tenant_id", "")),
            powered_off=body.get("OS-EXT-STS:power_state") == _POWER_STATE_SHUTDOWN,
        )

    @property
    def is_running(self) -> bool:
        """Whether it is running, so that its console URL leads to its own console."""
        return self.status in _RUNNING and not self.powered_off

    @property
    def state(self) -> str:
        """The status in words, with the task that Nova is performing."""
        words = self.status
        if self.powered_off and self.status in _RUNNING:
            words += ", powered off"
        return f"{words} ({self.task})" if self.task else words

    @property
    def hint(self) -> str | None:
        """What to do if it is not running or about to stop, or else None."""
        status = _NEXT_STATUS.get(self.task or "", self.status)
        if status in _RUNNING:
            if not self.powered_off:
                return None
            status = "SHUTOFF"
        return _STATUS_HINTS.get(status, _OTHER_STATUS_HINT).format(
            shlex.quote(self.id)
        )


def check_running(server: Server) -> None:
    """Check that the console of a server may be opened.

    Raises:
        ServerNotActive: not in its current state.
    """
    if server.is_running:
        return
    raise ServerNotActive(
        f"server {server.name!r} is {server.state}, not ACTIVE",
        server.hint,
        retryable=Retryable.NONE if server.status in _LOST else None,
    )


def select_by_name(name: str, servers: Iterable[Server]) -> Server:
    """Select the one server with a name.

    Args:
        name: compared exactly.
        servers: what the cloud found; some databases ignore case.

    Raises:
        ServerNotFound: no server has this name.
        ServerAmbiguous: several servers have this name.
    """
    found = [server for server in servers if server.name == name]
    if not found:
        raise server_not_found(name, ())
    if len(found) > 1:
        rows = ", ".join(
            f"{server.id} ({server.status}, project {server.project})"
            for server in found
        )
        raise ServerAmbiguous(
            f"{len(found)} servers are named {name!r}: {rows}",
            "give the id instead of the name",
        )
    return found[0]


def server_not_found(name_or_id: str, names: Sequence[str]) -> ServerNotFound:
    """Return the error for a server that was not found, with names that are close.

    Args:
        name_or_id: what was looked for.
        names: of the servers that exist, as far as they are known.
    """
    by_folded: dict[str, str] = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(
        name_or_id.casefold(), by_folded, _MAX_SUGGESTIONS, cutoff=0.6
    )
    suggestions = " or ".join(shlex.quote(by_folded[folded]) for folded in close)
    question = f"; did you mean {suggestions}?" if close else ""
    return ServerNotFound(
        f"no server {name_or_id!r} in this project{question}", _LIST_HINT
    )


def console_refusal(status: int, message: str, server: Server) -> NovaConsoleError:
    """Return the error for a response that refuses a console.

    Args:
        status: of the response.
        message: of the response.
        server: whose console was requested.
    """
    quoted_id = shlex.quote(server.id)
    log_command = f"openstack console log show {quoted_id}"
    match status:
        case 400:
            return ConsoleUnavailable(
                f"this cloud offers no serial console for {server.name!r}: {message}",
                "ask its operator to set [serial_console] enabled = true; "
                f"until then, read the log: {log_command}",
            )
        case 403:
            return ConsoleUnavailable(
                f"you are not allowed to open the serial console of {server.name!r}",
                _ROLE_HINT,
            )
        case 404:
            return ServerNotFound(
                f"server {server.name!r} is gone", _LIST_HINT, retryable=Retryable.NONE
            )
        case 409:
            return ConsoleUnavailable(
                f"server {server.name!r} is not ready: {message}",
                "try again in a moment, or use --wait",
                retryable=Retryable.IN_TIME,
            )
        case 501:
            return ConsoleUnavailable(
                f"the hypervisor of {server.name!r} has no serial console",
                f"read the log instead: {log_command}",
            )
        case 500 if "InstanceInvalidState" in message:
            return ServerNotActive(
                f"server {server.name!r} is being deleted or changed",
                f"check its state: openstack server show {quoted_id}",
            )
        case 500 if "MessagingTimeout" in message:
            return CloudUnreachable(
                f"the compute host of {server.name!r} does not answer",
                "tell the cloud's operator that nova-compute is probably down there",
            )
    return unexpected_response("open the serial console", status, message)


def unexpected_response(purpose: str, status: int, message: str) -> CloudError:
    """Return the error for a response of which nothing more is known.

    Args:
        purpose: what was requested, as in "the cloud did not …".
        status: of the response.
        message: of the response.
    """
    what = f"the cloud did not {purpose}: {status} {message}"
    if status == 401:
        return CloudError(
            what, "run novaconsole again, as the login has expired or been revoked"
        )
    if status == 403:
        return CloudError(what, _ROLE_HINT)
    hint = "try again; if the error persists, tell the cloud's operator"
    return CloudUnreachable(what, hint) if status >= 500 else CloudError(what, hint)
