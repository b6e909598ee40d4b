"""Which cloud to use, as the user said it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from novaconsole.network.target import TLSOptions

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
