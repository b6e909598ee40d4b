"""One link of a session, and what goes with it."""

from dataclasses import dataclass, field

import trio

from novaconsole.console.explain import Finished
from novaconsole.network.target import Target
from novaconsole.websocket.connection import Link


@dataclass
class Attachment:
    """One link of the session, and what goes with it.

    What was typed for a link dies with it: keys must not reach a guest that has
    rebooted meanwhile.

    Attributes:
        link: the websocket.
        target: what it leads to.
        typed: takes what is for the guest.
        enter_typed: Enter was among it.
        output_came: something of the guest has been shown.
        reconnect: the user has asked for another link.
    """

    link: Link
    target: Target
    typed: trio.MemorySendChannel[bytes]
    enter_typed: trio.Event = field(default_factory=trio.Event)
    output_came: trio.Event = field(default_factory=trio.Event)
    reconnect: trio.Event = field(default_factory=trio.Event)

    @property
    def finished(self) -> Finished:
        """What is known of the link, for the last words."""
        return finished(self.link, self.target)


def finished(link: Link, target: Target) -> Finished:
    """What is known of a link, for the last words.

    Args:
        link: the websocket.
        target: what it leads to.
    """
    return Finished(
        title=target.title,
        named=target.name is not None,
        seconds=trio.current_time() - link.opened_at,
        bytes_in=link.bytes_in,
        closed=link.closed,
        bytes_out=link.bytes_out,
    )
