"""OpenStack: which server is meant, the URL of its serial console, its console log.

The only module that touches openstacksdk.  Everything here blocks and is meant for a
thread; nothing of it changes anything in the cloud, so a thread may be abandoned.

Facts about the API: nova/api/openstack/compute/remote_consoles.py (since microversion
2.6; before, the action os-getSerialConsole), console_output.py and servers.py (`name`
is a regular expression).  How few requests it can be: a token, the server, the URL.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from novaconsole.cloud import server as nova
from novaconsole.cloud.config import CloudOptions, connect
from novaconsole.cloud.faults import (
    fault_message,
    mapped_errors,
    no_compute_service,
    not_from_nova,
)
from novaconsole.cloud.server import Server
from novaconsole.network.target import TLSOptions

if TYPE_CHECKING:
    import requests
    from keystoneauth1.adapter import Adapter
    from openstack.connection import Connection

_MICROVERSION = "2.6"


class Cloud:
    """One cloud, as one user of it; nothing is asked before there is a question.

    Every method blocks, and raises CloudError where the cloud cannot be asked or does
    not want to answer.

    Args:
        options: which cloud.
    """

    def __init__(self, options: CloudOptions) -> None:
        self._options = options
        self._connection: Connection | None = None

    def close(self) -> None:
        """Let go of the connections."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def authenticate(self) -> str:
        """Log in, if that has not been done; in words, as whom and where."""
        with self._asked() as connection:
            session = connection.session
            session.get_token()
            auth = connection.config.config.get("auth", {})
            user = auth.get("username") or session.get_user_id()
            project = auth.get("project_name") or session.get_project_id()
            return f"{user} in project {project} at {auth.get('auth_url')}"

    def compute_endpoint(self) -> str:
        """Where Nova is, as the catalogue has it."""
        with self._asked() as connection:
            endpoint = connection.session.get_endpoint(
                service_type="compute",
                interface=connection.config.get_interface("compute"),
                region_name=connection.config.get_region_name("compute"),
            )
            if endpoint is None:
                raise no_compute_service()
            return str(endpoint)

    def find_server(self, wanted: str) -> Server:
        """The server with a name or UUID.

        Raises:
            ServerNotFound: there is none.
            ServerAmbiguous: several have this name.
        """
        with self._asked_nova() as compute:
            if _is_uuid(wanted):
                response = compute.get(f"/servers/{wanted}")
                if response.status_code != 404:
                    return _server(_content(response, "show the server", "server"))
            response = compute.get(
                "/servers/detail", params={"name": f"^{re.escape(wanted)}$"}
            )
            bodies = _content(response, "list the servers", "servers")
            return nova.the_one_named(wanted, [_server(body) for body in bodies])

    def refresh(self, server: Server) -> Server:
        """The server as it is now.

        Raises:
            ServerNotFound: it has been deleted.
        """
        with self._asked_nova() as compute:
            response = compute.get(f"/servers/{server.id}")
            if response.status_code == 404:
                raise nova.console_refused(404, "", server)
            return _server(_content(response, "show the server", "server"))

    def server_names(self, prefix: str = "") -> list[str]:
        """The names of the servers that begin with `prefix`."""
        with self._asked_nova() as compute:
            params = {"name": f"^{re.escape(prefix)}"} if prefix else {}
            response = compute.get("/servers", params=params)
            servers = _content(response, "list the servers", "servers")
            names = {str(server["name"]) for server in servers}
            return sorted(name for name in names if name.startswith(prefix))

    def console_url(self, server: Server) -> str:
        """A new URL for the serial console of a server; it holds a token."""
        with self._asked_nova() as compute:
            response = compute.post(
                f"/servers/{server.id}/remote-consoles",
                json={"remote_console": {"protocol": "serial", "type": "serial"}},
                microversion=_MICROVERSION,
            )
            if response.status_code in (404, 406):
                # Older than 2.6; or the server is gone, which this tells too.
                response = compute.post(
                    f"/servers/{server.id}/action",
                    json={"os-getSerialConsole": {"type": "serial"}},
                )
            if response.status_code != 200:
                raise nova.console_refused(
                    response.status_code, fault_message(response), server
                )
            console = _content(
                response, "open the serial console", "remote_console", "console"
            )
            return str(console["url"])

    def console_log(self, server: Server) -> str:
        """All that the guest printed, as far as Nova kept it."""
        with self._asked_nova() as compute:
            response = compute.post(
                f"/servers/{server.id}/action", json={"os-getConsoleOutput": {}}
            )
            output = _content(response, "show the console log", "output")
            return output if isinstance(output, str) else ""

    @property
    def host(self) -> str | None:
        """Where the cloud's Keystone is; None before it was asked."""
        if self._connection is None:
            return None
        auth = self._connection.config.config.get("auth", {})
        return urlsplit(auth.get("auth_url") or "").hostname

    @property
    def tls(self) -> TLSOptions:
        """As configured for this cloud, or asked for in place of that."""
        if self._connection is None:
            return self._options.tls
        verify, cert = self._connection.config.get_requests_verify_args()
        pair = cert if isinstance(cert, tuple) else (cert, None)
        return TLSOptions(
            cacert=Path(verify) if isinstance(verify, str) else None,
            cert=Path(pair[0]) if pair[0] else None,
            key=Path(pair[1]) if pair[1] else None,
            insecure=verify is False,
        )

    @contextmanager
    def _asked(self) -> "Iterator[Connection]":
        with mapped_errors():
            if self._connection is None:
                self._connection = connect(self._options)
            yield self._connection

    @contextmanager
    def _asked_nova(self) -> "Iterator[Adapter]":
        with self._asked() as connection:
            yield connection.compute


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _server(body: Any) -> Server:
    try:
        return Server.from_api(body)
    except (LookupError, TypeError) as exc:
        raise not_from_nova("show the server") from exc


def _content(response: "requests.Response", purpose: str, *keys: str) -> Any:
    """What the answer holds under the first of the keys that it has."""
    if response.status_code != 200:
        raise nova.unexpected(purpose, response.status_code, fault_message(response))
    try:
        body = response.json()
        return next(body[key] for key in keys if key in body)
    except (ValueError, TypeError, StopIteration) as exc:
        raise not_from_nova(purpose) from exc
