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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from novaconsole._version import __version__
from novaconsole.cloud import server as nova
from novaconsole.cloud.server import Server
from novaconsole.errors import CloudError, CloudUnreachable
from novaconsole.network.target import TLSOptions
from novaconsole.redaction import mask_tokens

if TYPE_CHECKING:
    import requests
    from keystoneauth1.adapter import Adapter
    from openstack.config.cloud_region import CloudRegion
    from openstack.connection import Connection

_MICROVERSION = "2.6"
# Nova answers after 60 seconds when the compute node is down.
_TIMEOUT_SECONDS = 90
# What may stand under `auth` for the plugin v3password to know what to do.
_V3_PASSWORD_OPTIONS = {
    *("auth_url", "username", "user_id", "password"),
    *("user_domain_id", "user_domain_name", "project_id", "project_name"),
    *("project_domain_id", "project_domain_name", "domain_id", "domain_name"),
    *("system_scope", "trust_id"),
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
                raise _no_compute()
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
                    response.status_code, _message(response), server
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
        with _mapped_errors():
            if self._connection is None:
                self._connection = _connect(self._options)
            yield self._connection

    @contextmanager
    def _asked_nova(self) -> "Iterator[Adapter]":
        with self._asked() as connection:
            yield connection.compute


def cloud_names() -> list[str]:
    """The clouds that clouds.yaml knows."""
    from openstack.config import OpenStackConfig

    # "defaults" and "envvars" stand for what is not in clouds.yaml.
    return sorted({*OpenStackConfig().get_cloud_names()} - {"defaults", "envvars"})


def _connect(options: CloudOptions) -> "Connection":
    from openstack.connection import Connection

    region = _region(options)
    auth = region.config.get("auth", {})
    is_v3 = str(auth.get("auth_url", "")).rstrip("/").endswith("/v3")
    if (
        is_v3
        and region.config.get("auth_type") in (None, "password")
        and auth.keys() <= _V3_PASSWORD_OPTIONS
        and auth.get("password")  # or else the plugin "password" says what is missing
    ):
        # Saves the request that asks which versions there are.
        region = _region(options, auth_type="v3password")
    connection = Connection(config=region)
    if connection.session.timeout is None:
        connection.session.timeout = _TIMEOUT_SECONDS
    return connection


def _region(options: CloudOptions, **overrides: Any) -> "CloudRegion":
    import openstack.config

    tls = options.tls
    overrides |= {
        "region_name": options.region,
        "cacert": tls.cacert and str(tls.cacert),
        "cert": tls.cert and str(tls.cert),
        "key": tls.key and str(tls.key),
        # Both, for either may be configured.
        "verify": False if tls.insecure else True if tls.cacert else None,
        "insecure": False if tls.cacert else None,
    }
    return openstack.config.get_cloud_region(
        cloud=options.cloud,
        app_name="novaconsole",
        app_version=__version__,
        **{name: value for name, value in overrides.items() if value is not None},
    )


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _server(body: Any) -> Server:
    try:
        return Server.from_api(body)
    except (LookupError, TypeError) as exc:
        raise _none_of_novas("show the server") from exc


def _content(response: "requests.Response", purpose: str, *keys: str) -> Any:
    """What the answer holds under the first of the keys that it has."""
    if response.status_code != 200:
        raise nova.unexpected(purpose, response.status_code, _message(response))
    try:
        body = response.json()
        return next(body[key] for key in keys if key in body)
    except (ValueError, TypeError, StopIteration) as exc:
        raise _none_of_novas(purpose) from exc


def _none_of_novas(purpose: str) -> CloudError:
    return CloudError(
        f"the cloud did not {purpose}: the answer is none of Nova's",
        "is a login page or a proxy in the way? --debug shows the answer",
    )


def _no_compute() -> CloudError:
    return CloudError(
        "the cloud's catalogue has no compute service here",
        "check --region and the interface in clouds.yaml",
    )


def _message(response: "requests.Response") -> str:
    """The words of an OpenStack error: {"someFault": {"code": …, "message": …}}."""
    try:
        fault = next(iter(response.json().values()))
        return mask_tokens(" ".join(str(fault["message"]).split()))
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return response.reason or "no reason given"


@contextmanager
def _mapped_errors() -> Iterator[None]:
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
        raise CloudUnreachable(
            "the cloud did not answer in time", "check this machine's network or VPN"
        ) from exc
    except keystone.ConnectionError as exc:
        raise CloudUnreachable(
            f"the cloud cannot be reached: {_connection_words(exc)}",
            "check auth_url, and this machine's network or VPN",
        ) from exc
    except keystone.EndpointNotFound as exc:
        raise _no_compute() from exc
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
