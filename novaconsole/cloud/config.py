"""Which cloud to use and how to log in: clouds.yaml and the OS_* variables."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from novaconsole._version import __version__
from novaconsole.network.target import TLSOptions

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


@dataclass(frozen=True)
class CloudOptions:
    """Which cloud to use.

    Attributes:
        cloud: entry of clouds.yaml, or None for $OS_CLOUD or the OS_* variables.
        region: name of the region, or None for the configured one.
        tls: overrides what is configured.
    """

    cloud: str | None = None
    region: str | None = None
    tls: TLSOptions = field(default_factory=TLSOptions)


def cloud_names() -> list[str]:
    """Return the names of the clouds in clouds.yaml."""
    from openstack.config import OpenStackConfig

    # "defaults" and "envvars" are not entries of clouds.yaml.
    return sorted({*OpenStackConfig().get_cloud_names()} - {"defaults", "envvars"})


def connect(options: CloudOptions) -> "Connection":
    """Create a connection to the cloud.  It sends nothing yet."""
    from openstack.connection import Connection

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
