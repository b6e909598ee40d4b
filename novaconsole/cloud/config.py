"""Which cloud to use and how to log in: clouds.yaml and the OS_* variables."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaconsole._version import __version__
from novaconsole.network.proxy import Proxy, ProxyChooser, choose_proxy
from novaconsole.network.target import Target, TLSOptions

if TYPE_CHECKING:
    from openstack.config.cloud_region import CloudRegion
    from openstack.connection import Connection

# When the compute node is down, Nova answers after 60 seconds.
_TIMEOUT_SECONDS = 90
# The settings under `auth` that the plugin v3password understands.
_V3_PASSWORD_OPTIONS = {
    *("auth_url", "username", "user_id", "password"),
    *("user_domain_id", "user_domain_name", "project_id", "project_name"),
    *("project_domain_id", "project_domain_name", "domain_id", "domain_name"),
    *("system_scope", "trust_id"),
}


def proxy_of_environment(target: Target) -> Proxy | None:
    """Choose the proxy for a target by the environment alone."""
    return choose_proxy(None, target, os.environ)


@dataclass(frozen=True)
class CloudOptions:
    """Which cloud to use.

    Attributes:
        cloud: entry of clouds.yaml, or None for $OS_CLOUD or the OS_* variables.
        region: name of the region, or None for the configured one.
        tls: overrides what is configured.
        proxy: gives the proxy for a target, or None for a direct connection.
    """

    cloud: str | None = None
    region: str | None = None
    tls: TLSOptions = field(default_factory=TLSOptions)
    proxy: ProxyChooser = proxy_of_environment


def cloud_names() -> list[str]:
    """Return the names of the clouds in clouds.yaml."""
    from openstack.config import OpenStackConfig

    # "defaults" and "envvars" are not entries of clouds.yaml.
    return sorted({*OpenStackConfig().get_cloud_names()} - {"defaults", "envvars"})


def connect(options: CloudOptions) -> "Connection":
    """Create a connection to the cloud.  It sends nothing yet."""
    from openstack.connection import Connection

    from novaconsole.cloud.transport import use_our_transport

    region = _region(options)
    auth = region.config.get("auth", {})
    is_v3 = str(auth.get("auth_url", "")).rstrip("/").endswith("/v3")
    if (
        is_v3
        and region.config.get("auth_type") in (None, "password")
        and auth.keys() <= _V3_PASSWORD_OPTIONS
        and auth.get(
            "password"
        )  # otherwise the plugin "password" reports what is missing
    ):
        # This saves the request for the versions of the API.
        region = _region(options, auth_type="v3password")
    connection = Connection(config=region)
    use_our_transport(connection.session, tls_of(region, options), options.proxy)
    if connection.session.timeout is None:
        connection.session.timeout = _TIMEOUT_SECONDS
    return connection


def tls_of(region: "CloudRegion", options: CloudOptions) -> TLSOptions:
    """How to use TLS: the options, or else the configuration of the cloud."""
    verify, cert = region.get_requests_verify_args()
    pair = cert if isinstance(cert, tuple) else (cert, None)
    return TLSOptions(
        cacert=Path(verify) if isinstance(verify, str) else None,
        cert=Path(pair[0]) if pair[0] else None,
        key=Path(pair[1]) if pair[1] else None,
        insecure=verify is False,
        cacert_source="--cacert" if options.tls.cacert else "cacert of the cloud",
        cert_source=(
            "--cert or --key" if options.tls.cert else "cert or key of the cloud"
        ),
    )


def _region(options: CloudOptions, **overrides: Any) -> "CloudRegion":
    import openstack.config

    tls = options.tls
    overrides |= {
        "region_name": options.region,
        "cacert": tls.cacert and str(tls.cacert),
        "cert": tls.cert and str(tls.cert),
        "key": tls.key and str(tls.key),
        # Both, because either may be configured.
        "verify": False if tls.insecure else True if tls.cacert else None,
        "insecure": False if tls.cacert else None,
    }
    return openstack.config.get_cloud_region(
        cloud=options.cloud,
        app_name="novaconsole",
        app_version=__version__,
        **{name: value for name, value in overrides.items() if value is not None},
    )
