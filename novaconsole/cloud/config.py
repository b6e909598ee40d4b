"""Which cloud to use, as the user said it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from novaconsole.network.proxy import Proxy, ProxyChooser, choose_proxy
from novaconsole.network.target import Target, TLSOptions

if TYPE_CHECKING:
    from openstack.config.cloud_region import CloudRegion

# Asks the user for a secret; returns None if nothing was entered.  Blocks.
AskSecret = Callable[[str], str | None]


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
        ask: for a password that is not configured; None without a terminal.
        source: the option and the variable that gave `cloud`, or None for no variable.
    """

    cloud: str | None = None
    region: str | None = None
    tls: TLSOptions = field(default_factory=TLSOptions)
    proxy: ProxyChooser = proxy_of_environment
    ask: AskSecret | None = field(default=None, compare=False, repr=False)
    source: str | None = field(default=None, compare=False, repr=False)


def tls_of(region: "CloudRegion", options: CloudOptions) -> TLSOptions:
    """How to use TLS: the options, or else the configuration of the cloud."""
    verify, cert = region.get_requests_verify_args()
    pair = cert if isinstance(cert, tuple) else (cert, None)
    return TLSOptions(
        cacert=Path(verify) if isinstance(verify, str) else None,
        cert=Path(pair[0]) if pair[0] else None,
        key=Path(pair[1]) if pair[1] else None,
        insecure=verify is False,
        cacert_source=options.tls.cacert_source
        if options.tls.cacert
        else _source("cacert"),
        cert_source=options.tls.cert_source if options.tls.cert else _source("cert"),
        key_source=options.tls.key_source if options.tls.cert else _source("key"),
    )


def _source(setting: str) -> str:
    """Say where a file for TLS was set: a variable counts more than clouds.yaml."""
    variable = f"OS_{setting.upper()}"
    return variable if os.environ.get(variable) else f"{setting} of the cloud"
