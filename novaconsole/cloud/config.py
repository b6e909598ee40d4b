"""Which cloud to use and how to log in: clouds.yaml and the OS_* variables.

openstacksdk is loaded only when a cloud is used.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from novaconsole.network.target import TLSOptions

if TYPE_CHECKING:
    from novaconsole.cloud.login import Login

# Asks the user for a secret; returns None if nothing was entered.  Blocks.
AskSecret = Callable[[str], str | None]


@dataclass(frozen=True)
class CloudOptions:
    """Which cloud to use.

    Attributes:
        cloud: entry of clouds.yaml, or None for $OS_CLOUD or the OS_* variables.
        region: name of the region, or None for the configured one.
        tls: overrides what is configured.
        ask: for a password that is not configured, or None if nobody can be asked.
    """

    cloud: str | None = None
    region: str | None = None
    tls: TLSOptions = field(default_factory=TLSOptions)
    ask: AskSecret | None = field(default=None, compare=False, repr=False)


def cloud_names() -> list[str]:
    """Return the names of the clouds in clouds.yaml.

    Raises:
        CloudError: it cannot be read.
    """
    from novaconsole.cloud.faults import configuration_errors
    from novaconsole.cloud.loader import Configuration

    with configuration_errors():
        return Configuration().names


def connect(options: CloudOptions) -> "Login":
    """Get ready to log in.  This sends nothing yet.

    Raises:
        CloudError: the configuration does not describe a login.
    """
    from novaconsole.cloud.faults import configuration_errors
    from novaconsole.cloud.loader import Configuration
    from novaconsole.cloud.login import Login

    with configuration_errors(options.cloud):
        region = Configuration(options.ask).region(options)
        return Login(region)
