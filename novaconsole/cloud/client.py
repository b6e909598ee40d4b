"""OpenStack: find a server, request a URL for its serial console, fetch its log.

Everything here blocks and is meant for a thread.  Nothing here changes anything in the
cloud, so the thread may be abandoned.

The API is that of nova/api/openstack/compute/remote_consoles.py (since microversion
2.6; the action os-getSerialConsole before), console_output.py and servers.py (`name` is
a regular expression).  The fewest requests possible are three: a token, the server, the
URL.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from novaconsole.cloud.config import CloudOptions, tls_of
from novaconsole.cloud.connect import connect
from novaconsole.cloud.faults import mapped_errors, no_compute_service
from novaconsole.cloud.response import content, fault_message, not_from_nova
from novaconsole.cloud.server import Server, console_refusal, select_by_name
from novaconsole.errors import CloudError
from novaconsole.network.target import TLSOptions

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter

    from novaconsole.cloud.login import Login

_MICROVERSION = "2.6"


class Cloud:
    """A cloud, with the login of one user.  It connects when it is first used.

    Every method blocks, and raises CloudError if the cloud cannot be reached or refuses
    the request.

    Args:
        options: which cloud.
    """

    def __init__(self, options: CloudOptions) -> None:
        self._options = replace(options, ask=self._ask if options.ask else None)
        self._ask_user = options.ask
        self._answers: dict[str, str | None] = {}
        self._login: Login | None = None

    def close(self) -> None:
        """Close the connections; a later request opens them again."""
        if self._login is not None:
            self._login.close()
            self._login = None

    def authenticate(self) -> str:
        """Log in, unless that is done; return user, project and cloud in words."""
        with self._connected() as login:
            session, auth = login.session, login.auth
            session.get_token()
            user = auth.get("username") or session.get_user_id()
            project = auth.get("project_name") or session.get_project_id()
            return f"{user} in project {project} at {auth.get('auth_url')}"

    def compute_endpoint(self) -> str:
        """Return the URL of Nova in the service catalogue."""
        with self._connected() as login:
            endpoint = login.endpoint()
            if endpoint is None:
                raise no_compute_service(login)
            return endpoint

    def find_server(self, name_or_id: str) -> Server:
        """Find the server with a name or UUID.

        Raises:
            ServerNotFound: no server has it.
            ServerAmbiguous: several servers have this name.
        """
        with self._connected_to_nova() as compute:
            if _is_uuid(name_or_id):
                response = compute.get(f"/servers/{name_or_id}")
                if response.status_code != 404:
                    return _server(content(response, "show the server", "server"))
            _check_text(name_or_id)
            response = compute.get(
                "/servers/detail", params={"name": f"^{re.escape(name_or_id)}$"}
            )
            bodies = content(response, "list the servers", "servers")
            return select_by_name(name_or_id, [_server(body) for body in bodies])

    def refresh(self, server: Server) -> Server:
        """Return the server in its current state.

        Raises:
            ServerNotFound: it has been deleted.
        """
        with self._connected_to_nova() as compute:
            response = compute.get(f"/servers/{server.id}")
            if response.status_code == 404:
                raise console_refusal(404, "", server)
            return _server(content(response, "show the server", "server"))

    def server_names(self, prefix: str = "") -> list[str]:
        """Return the names of the servers whose names begin with `prefix`."""
        with self._connected_to_nova() as compute:
            params = {"name": f"^{re.escape(prefix)}"} if prefix else {}
            response = compute.get("/servers", params=params)
            servers = content(response, "list the servers", "servers")
            names = {str(server["name"]) for server in servers}
            return sorted(name for name in names if name.startswith(prefix))

    def console_url(self, server: Server) -> str:
        """Request a new URL for the serial console of a server; it holds a token."""
        with self._connected_to_nova() as compute:
            response = compute.post(
                f"/servers/{server.id}/remote-consoles",
                json={"remote_console": {"protocol": "serial", "type": "serial"}},
                microversion=_MICROVERSION,
            )
            if response.status_code in (404, 406):
                # Nova is older than 2.6.  If instead the server is gone, this request
                # fails with 404 as well.
                response = compute.post(
                    f"/servers/{server.id}/action",
                    json={"os-getSerialConsole": {"type": "serial"}},
                )
            if response.status_code != 200:
                raise console_refusal(
                    response.status_code, fault_message(response), server
                )
            console = content(
                response, "open the serial console", "remote_console", "console"
            )
            return str(console["url"])

    def console_log(self, server: Server) -> str:
        """Return the console log: what the guest printed, as far as Nova kept it."""
        with self._connected_to_nova() as compute:
            response = compute.post(
                f"/servers/{server.id}/action", json={"os-getConsoleOutput": {}}
            )
            output = content(response, "show the console log", "output")
            return output if isinstance(output, str) else ""

    @property
    def host(self) -> str | None:
        """The host of the cloud's Keystone, or None before the first request."""
        if self._login is None:
            return None
        return urlsplit(self._login.auth_url or "").hostname

    @property
    def tls(self) -> TLSOptions:
        """How to use TLS: the options, or else the configuration of the cloud."""
        if self._login is None:
            return self._options.tls
        return tls_of(self._login.region, self._options)

    @contextmanager
    def _connected(self) -> "Iterator[Login]":
        if self._login is None:
            self._login = connect(self._options)
        with mapped_errors(self._login):
            yield self._login

    @contextmanager
    def _connected_to_nova(self) -> "Iterator[Adapter]":
        with self._connected() as login:
            yield login.nova

    def _ask(self, prompt: str) -> str | None:
        """Ask the user once, however often the connections are closed."""
        if prompt not in self._answers and self._ask_user:
            self._answers[prompt] = self._ask_user(prompt)
        return self._answers.get(prompt)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _check_text(name: str) -> None:
    """Refuse a name that Nova cannot have given: its bytes were not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError as exc:
        raise CloudError(
            "the server's name is not UTF-8 text",
            "check the spelling and the locale, or give the server's id",
        ) from exc


def _server(body: Any) -> Server:
    try:
        return Server.from_api(body)
    except (LookupError, TypeError) as exc:
        raise not_from_nova("show the server") from exc
