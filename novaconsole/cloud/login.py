"""One login to a cloud: the session of keystoneauth, and the way to Nova.

Not openstacksdk's Connection: that one loads the code of every service, and its errors
differ from release to release where the catalogue has no Nova.
"""

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import Unauthorized
from keystoneauth1.session import Session

from novaconsole.cloud.response import complete_redirection, redirection
from novaconsole.errors import CloudError
from novaconsole.redaction import mask_tokens

if TYPE_CHECKING:
    import requests
    from keystoneauth1.plugin import BaseAuthPlugin
    from openstack.config.cloud_region import CloudRegion

# When the compute node is down, Nova answers after 60 seconds.
_TIMEOUT_SECONDS = 90
_COMPUTE = "compute"
_OVERRIDES = ("compute_endpoint_override", "compute_endpoint")


class Login:
    """One login to a cloud.

    Args:
        region: the configuration.

    Attributes:
        region: the configuration.
        session: sends the requests, with a token.
        nova: sends those for Nova.
        redirection: where the latest response led to, if it was a redirect.
        override: the URL of Nova that is configured, or None for the catalogue's.
        override_name: the setting that gives it.

    Raises:
        CloudError: auth_url or the URL of Nova is not a URL.
    """

    def __init__(self, region: "CloudRegion") -> None:
        self.region = region
        self.redirection: str | None = None
        _check_url("auth_url", self.auth_url, "https://cloud.example.org:5000/v3")
        self.override = region.get_endpoint(_COMPUTE)
        self.override_name = next(
            (name for name in _OVERRIDES if region.config.get(name)), "endpoint"
        )
        example = "https://cloud.example.org:8774/v2.1"
        _check_url(self.override_name, self.override, example)
        region.set_session_constructor(_Session)
        self.session = region.get_session()
        if self.session.timeout is None:
            self.session.timeout = _TIMEOUT_SECONDS
        self.session.session.hooks["response"].append(self._on_response)
        region.load_auth_from_cache()
        self.nova = Adapter(
            session=self.session,
            service_type=region.get_service_type(_COMPUTE),
            service_name=region.get_service_name(_COMPUTE),
            interface=region.get_interface(_COMPUTE),
            region_name=region.get_region_name(_COMPUTE),
            endpoint_override=self.override,
            version="2",
            raise_exc=False,
            connect_retries=region.get_connect_retries(_COMPUTE),
            status_code_retries=region.get_status_code_retries(_COMPUTE),
        )

    def close(self) -> None:
        """Close the connections; keep the token if the configuration says so."""
        self.region.set_auth_cache()
        self.session.session.close()

    @property
    def auth(self) -> dict[str, Any]:
        """The section `auth` of the configuration."""
        auth: dict[str, Any] = self.region.config.get("auth", {})
        return auth

    @property
    def auth_url(self) -> str | None:
        """The URL of Keystone, or None if there is none to log in at."""
        return self.auth.get("auth_url")

    @property
    def auth_type(self) -> str:
        """The name of keystoneauth's plugin."""
        return str(self.region.config.get("auth_type"))

    @property
    def place(self) -> str:
        """Where in the catalogue Nova is looked for."""
        region = self.region.get_region_name(_COMPUTE)
        interface = self.region.get_interface(_COMPUTE) or "public"
        where = f"region {region}" if region else "any region"
        return f"{where}, interface {interface}"

    @property
    def is_unscoped(self) -> bool:
        """Whether the token is for no project, so that it has no catalogue."""
        auth: Any = self.session.auth
        if not hasattr(auth, "get_access"):
            return False
        return not auth.get_access(self.session).project_scoped

    def endpoint(self) -> str | None:
        """Return the URL of Nova."""
        self.session.get_token()  # first, or _Session could not see a recursion
        return self.nova.get_endpoint()

    def _on_response(self, response: "requests.Response", **_: object) -> None:
        complete_redirection(response)
        target = redirection(response)
        url = response.url.partition("?")[0]
        if target is not None or not url.endswith(self.redirection or url):
            self.redirection = target


class _Session(Session):
    """Raises an error where keystoneauth would wait for itself.

    If Keystone answers a request for its versions with 401, keystoneauth repeats it
    with a token.  To get one it asks for the versions, and for its own lock.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_thread = threading.local()

    def get_auth_headers(
        self, auth: "BaseAuthPlugin | None" = None
    ) -> dict[str, str] | None:
        """Return the header with a token.

        Raises:
            Unauthorized: a token would be needed to get one.
        """
        plugins = self._in_thread.__dict__.setdefault("plugins", [])
        plugin = auth or self.auth
        if plugin in plugins:
            raise Unauthorized("a token is required to get a token")
        plugins.append(plugin)
        try:
            return super().get_auth_headers(auth)
        finally:
            plugins.remove(plugin)


def _check_url(setting: str, url: object, example: str) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(str(url))
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_good = False
    if not is_good:
        raise CloudError(
            f"{setting} is not a URL: {mask_tokens(str(url))}",
            f"give it as in {example}",
        )
