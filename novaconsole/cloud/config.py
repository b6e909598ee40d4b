"""Which cloud to ask, and how to log in: clouds.yaml and the OS_* variables."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from novaconsole._version import __version__
from novaconsole.network.target import TLSOptions

if TYPE_CHECKING:
    from openstack.config.cloud_region import CloudRegion
    from openstack.connection import Connection

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


def cloud_names() -> list[str]:
    """The clouds that clouds.yaml knows."""
    from openstack.config import OpenStackConfig

    # "defaults" and "envvars" stand for what is not in clouds.yaml.
    return sorted({*OpenStackConfig().get_cloud_names()} - {"defaults", "envvars"})


def connect(options: CloudOptions) -> "Connection":
    """A connection to the cloud; nothing is sent yet."""
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
