"""One link of a session, and what goes with it."""

from dataclasses import dataclass, field

import trio

from novaconsole.console.outcome import ConnectionSummary, summarize
from novaconsole.network.target import Target
from novaconsole.websocket.connection import Connection


@dataclass
class Attachment:
    """One link of the session, and what goes with it.

    What was typed for a link dies with it: keys must not reach a guest that has
    rebooted meanwhile.

    Attributes:
        connection: the websocket.
        target: what it leads to.
        typed: takes what is for the guest.
        enter_typed: Enter was among it.
        output_came: something of the guest has been shown.
        reconnect: the user has asked for another link.
    """

    connection: Connection
    target: Target
    typed: trio.MemorySendChannel[bytes]
    enter_typed: trio.Event = field(default_factory=trio.Event)
    output_came: trio.Event = field(default_factory=trio.Event)
    reconnect: trio.Event = field(default_factory=trio.Event)

    @property
    def summary(self) -> ConnectionSummary:
        """What is known of the link, for the last words."""
        return summarize(self.connection, self.target)
