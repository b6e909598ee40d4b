"""OpenStack: which server is meant, and the URL of its serial console.

The only module that touches openstacksdk.  Everything here blocks and is meant for a
thread; nothing of it changes anything in the cloud, so a thread may be abandoned.

Facts about the API: nova/api/openstack/compute/remote_consoles.py (since microversion
2.6; before, the action os-getSerialConsole) and servers.py (`name` is a regular
expression).  A server that is not running still gets a URL, and that URL can lead into
the console of another server that has been given the same port.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from novaconsole import __version__
from novaconsole.errors import (
    CloudError,
    ConsoleUnavailable,
    ServerAmbiguous,
    ServerNotActive,
    ServerNotFound,
)
from novaconsole.target import TLSOptions, mask_tokens

if TYPE_CHECKING:
    import requests
    from openstack.connection import Connection

_MICROVERSION = "2.6"
# Nova answers after 60 seconds when the compute node is down.
_TIMEOUT_SECONDS = 90
# The statuses in which the server has a running guest with a console of its own.
_RUNNING = {"ACTIVE", "MIGRATING", "PASSWORD", "REBOOT", "RESCUE", "VERIFY_RESIZE"}
_STATUS_HINTS = {
    "SHUTOFF": "start it: openstack server start {0}",
    "PAUSED": "openstack server unpause {0}",
    "SUSPENDED": "openstack server resume {0}",
    "SHELVED": "openstack server unshelve {0}",
    "SHELVED_OFFLOADED": "openstack server unshelve {0}",
    "BUILD": "it is being built; try again in a moment",
    "REBUILD": "it is being rebuilt; try again in a moment",
    "HARD_REBOOT": "it is being rebooted; try again in a moment",
    "RESIZE": "it is being resized; try again in a moment",
    "ERROR": "see why: openstack server show {0} -c fault",
}


@dataclass(frozen=True)
class CloudOptions:
    """Which cloud to ask.

    Attributes:
        cloud: entry of clouds.yaml; None for $OS_CLOUD or the OS_* variables.
        region: None for what is configured.
        tls: what to use in place of what is configured.
    """

    cloud: str | None = None
    region: str | None = None
    tls: TLSOptions = field(default_factory=TLSOptions)


@dataclass(frozen=True)
class Console:
    """Where the serial console of a server is.

    Attributes:
        server_name: as the cloud has it.
        server_id: UUID.
        url: websocket URL; holds the token.
        tls: as configured for this cloud.
    """

    server_name: str
    server_id: str
    url: str = field(repr=False)
    tls: TLSOptions


def find_console(server: str, options: CloudOptions) -> Console:
    """Ask the cloud for the serial console of a server; blocks.

    Args:
        server: name or UUID.
        options: which cloud.

    Raises:
        CloudError: there is none to be had, and why.
    """
    with _mapped_errors(options), _connection(options) as connection:
        found = _find_server(connection, server)
        _check_running(found)
        return Console(
            server_name=found["name"],
            server_id=found["id"],
            url=_console_url(connection, found),
            tls=_tls_options(connection),
        )


def cloud_names() -> list[str]:
    """The clouds that clouds.yaml knows."""
    from openstack.config import OpenStackConfig

    # "defaults" and "envvars" stand for what is not in clouds.yaml.
    return sorted({*OpenStackConfig().get_cloud_names()} - {"defaults", "envvars"})


def server_names(prefix: str, options: CloudOptions) -> list[str]:
    """The names of the servers that begin with `prefix`; blocks."""
    with _mapped_errors(options), _connection(options) as connection:
        response = connection.compute.get(
            "/servers", params={"name": f"^{re.escape(prefix)}"}
        )
        return sorted(
            server["name"]
            for server in _content(response, "list the servers", "servers")
            if server["name"].startswith(prefix)
        )


@contextmanager
def _connection(options: CloudOptions) -> "Iterator[Connection]":
    import openstack

    tls = options.tls
    overrides: dict[str, Any] = {
        "region_name": options.region,
        "cacert": tls.cacert and str(tls.cacert),
        "cert": tls.cert and str(tls.cert),
        "key": tls.key and str(tls.key),
        # Both, for either may be configured.
        "verify": False if tls.insecure else True if tls.cacert else None,
        "insecure": False if tls.cacert else None,
    }
    connection = openstack.connect(
        cloud=options.cloud,
        app_name="novaconsole",
        app_version=__version__,
        **{name: value for name, value in overrides.items() if value is not None},
    )
    try:
        if connection.session.timeout is None:
            connection.session.timeout = _TIMEOUT_SECONDS
        yield connection
    finally:
        connection.close()


def _tls_options(connection: "Connection") -> TLSOptions:
    verify, cert = connection.config.get_requests_verify_args()
    pair = cert if isinstance(cert, tuple) else (cert, None)
    return TLSOptions(
        cacert=Path(verify) if isinstance(verify, str) else None,
        cert=Path(pair[0]) if pair[0] else None,
        key=Path(pair[1]) if pair[1] else None,
        insecure=verify is False,
    )


def _find_server(connection: "Connection", wanted: str) -> dict[str, Any]:
    if _is_uuid(wanted):
        response = connection.compute.get(f"/servers/{wanted}")
        if response.status_code != 404:
            return dict(_content(response, "show the server", "server"))
    response = connection.compute.get(
        "/servers/detail", params={"name": f"^{re.escape(wanted)}$"}
    )
    servers = [
        server
        for server in _content(response, "list the servers", "servers")
        if server["name"] == wanted
    ]
    if not servers:
        raise ServerNotFound(
            f"no server {wanted!r} in this project",
            "list them: openstack server list",
        )
    if len(servers) > 1:
        rows = ", ".join(
            f"{server['id']} ({server['status']}, project {server['tenant_id']})"
            for server in servers
        )
        raise ServerAmbiguous(
            f"{len(servers)} servers are named {wanted!r}: {rows}",
            "give the id in place of the name",
        )
    return dict(servers[0])


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _check_running(server: dict[str, Any]) -> None:
    status = server["status"]
    if status not in _RUNNING:
        hint = _STATUS_HINTS.get(status, "see why: openstack server show {0}")
        raise ServerNotActive(
            f"server {server['name']!r} is {status}, not ACTIVE",
            hint.format(server["id"]),
        )


def _console_url(connection: "Connection", server: dict[str, Any]) -> str:
    response = connection.compute.post(
        f"/servers/{server['id']}/remote-consoles",
        json={"remote_console": {"protocol": "serial", "type": "serial"}},
        microversion=_MICROVERSION,
    )
    if response.status_code in (404, 406):
        # Older than 2.6; or the server has just been deleted, which this tells too.
        response = connection.compute.post(
            f"/servers/{server['id']}/action",
            json={"os-getSerialConsole": {"type": "serial"}},
        )
    _check_console_response(response, server)
    console = _content(response, "open the serial console", "remote_console", "console")
    return str(console["url"])


def _check_console_response(
    response: "requests.Response", server: dict[str, Any]
) -> None:
    name = server["name"]
    match response.status_code:
        case 200:
            return
        case 400:
            raise ConsoleUnavailable(
                f"this cloud gives no serial console for {name!r}: "
                f"{_message(response)}",
                "its operator must set [serial_console] enabled = true; meanwhile: "
                f"openstack console log show {server['id']}",
            )
        case 403:
            raise ConsoleUnavailable(
                f"you may not open the serial console of {name!r}",
                "the cloud's policy wants another role",
            )
        case 404:
            raise ServerNotFound(
                f"server {name!r} is gone", "list them: openstack server list"
            )
        case 409:
            raise ConsoleUnavailable(
                f"server {name!r} is not ready: {_message(response)}",
                "try again in a moment",
            )
        case 501:
            raise ConsoleUnavailable(
                f"the hypervisor of {name!r} has no serial console",
                f"meanwhile: openstack console log show {server['id']}",
            )
    _content(response, "open the serial console")


def _content(response: "requests.Response", purpose: str, *keys: str) -> Any:
    """What the answer holds under the first of the keys that it has."""
    if response.status_code != 200:
        raise CloudError(
            f"the cloud did not {purpose}: {response.status_code} {_message(response)}",
            "try again; if it stays, tell the cloud's operator",
        )
    try:
        body = response.json()
        return next(body[key] for key in keys if key in body)
    except (ValueError, TypeError, StopIteration) as exc:
        raise CloudError(
            f"the cloud did not {purpose}: the answer is none of Nova's",
            "is a login page or a proxy in the way? --debug shows the answer",
        ) from exc


def _message(response: "requests.Response") -> str:
    """The words of an OpenStack error: {"someFault": {"code": …, "message": …}}."""
    try:
        fault = next(iter(response.json().values()))
        return mask_tokens(" ".join(str(fault["message"]).split()))
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return response.reason or "no reason given"


@contextmanager
def _mapped_errors(options: CloudOptions) -> Iterator[None]:
    import keystoneauth1.exceptions as keystone
    import openstack.exceptions

    known = "see openstack.org's clouds.yaml, or source an openrc file"
    try:
        yield
    except CloudError:
        raise
    except openstack.exceptions.ConfigException as exc:
        names = ", ".join(cloud_names())
        if "was not found" in str(exc):
            raise CloudError(
                f"unknown cloud: {exc}",
                f"clouds.yaml knows: {names}" if names else "there is no clouds.yaml",
            ) from exc
        raise CloudError(f"bad cloud configuration: {exc}", known) from exc
    except (keystone.MissingRequiredOptions, keystone.MissingAuthPlugin) as exc:
        raise CloudError(
            "no cloud is configured",
            "name one with --cloud or OS_CLOUD from clouds.yaml, or source an openrc "
            "file; to try without a cloud: novaconsole --demo",
        ) from exc
    except keystone.Unauthorized as exc:
        raise CloudError(
            "authentication failed",
            "check user, password and project in clouds.yaml or the OS_* variables",
        ) from exc
    except (keystone.SSLError, keystone.DiscoveryFailure) as exc:
        if not _is_caused_by(exc, keystone.SSLError):
            raise CloudError(
                f"no Keystone answers: {mask_tokens(str(exc))}", "check auth_url"
            ) from exc
        raise CloudError(
            "the certificate of the cloud is not trusted",
            "give the cloud's CA with --cacert, or cacert in clouds.yaml",
        ) from exc
    except keystone.ConnectTimeout as exc:
        raise CloudError(
            "the cloud did not answer in time", "check this machine's network or VPN"
        ) from exc
    except keystone.ConnectionError as exc:
        raise CloudError(
            f"the cloud cannot be reached: {_connection_words(exc)}",
            "check auth_url, and this machine's network or VPN",
        ) from exc
    except keystone.EndpointNotFound as exc:
        raise CloudError(
            "the cloud's catalogue has no compute service here",
            "check --region and the interface in clouds.yaml",
        ) from exc
    except (keystone.ClientException, openstack.exceptions.SDKException) as exc:
        raise CloudError(
            f"the cloud refused: {mask_tokens(str(exc))}", "--debug shows more"
        ) from exc
    except OSError as exc:  # of requests, for a file that it cannot find
        raise CloudError(f"cannot ask the cloud: {exc}", known) from exc
    except Exception as exc:
        if type(exc) is not Exception:
            raise
        # keystoneauth, where clouds.yaml lacks the password
        raise CloudError(f"bad cloud configuration: {exc}", known) from exc


def _is_caused_by(exc: BaseException | None, kind: type[BaseException]) -> bool:
    while exc is not None and not isinstance(exc, kind):
        exc = exc.__cause__ or exc.__context__
    return exc is not None


def _connection_words(exc: Exception) -> str:
    """The last cause says what happened; the words around it repeat the URL."""
    cause: BaseException = exc
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return mask_tokens(getattr(cause, "strerror", None) or str(cause))
