"""What a session is told to do where nobody watches it."""

import math
from dataclasses import dataclass

from novaconsole.guest.expect import Patterns


@dataclass(frozen=True)
class Unattended:
    """What ends a session by itself, and what it must not do.

    Attributes:
        until: output that ends it; None for none.
        timeout: seconds from the start, those included in which the server or the
            network is waited for; infinity for no end.
        read_only: nothing is sent to the guest; input that is piped is not even read.
    """

    until: Patterns | None = None
    timeout: float = math.inf
    read_only: bool = False


ATTENDED = Unattended()  # the user is there to end it
