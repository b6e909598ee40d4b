"""What the user is told of an outage: each thing once, however often it happens.

An outage begins with the loss of a connection, and ends when a later one has lasted.
Until then the console may come and go many times.
"""

from novaconsole.terminal.notices import Notices

_MAX_LOSSES = 3  # that are told in one outage


class OutageReport:
    """Decides what is worth saying between two connections that last.

    Args:
        notices: for messages.
    """

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self.end()

    def end(self) -> None:
        """The connection has lasted, or the user wants another: all is new."""
        self._losses = set[str]()
        self._waiting: str | None = None
        self._was_attached = self._is_told_attached = False

    def lost(self, why: str | None) -> None:
        """Say why the connection has ended.

        Args:
            why: in one line, or None if the user has ended it.
        """
        if why is None:
            self._notices.say("reconnecting")
            return
        self._is_told_attached = False
        text = f"{why}; reconnecting{' again' if self._was_attached else ''}"
        if text not in self._losses and len(self._losses) < _MAX_LOSSES:
            self._losses.add(text)
            self._notices.say(text)

    def waiting(self, why: str) -> None:
        """Say what is being waited for, when that changes."""
        if why != self._waiting:
            self._waiting = why
            self._notices.say(f"waiting: {why}")

    def attached(self, to: str) -> None:
        """Say that the console is there again, the first time."""
        if not self._was_attached:
            self._was_attached = True
            self._say_attached(to)

    def lasted(self, to: str) -> None:
        """The outage is over: say so, unless that is what was said last."""
        if not self._is_told_attached:
            self._say_attached(to)
        self.end()

    def _say_attached(self, to: str) -> None:
        self._is_told_attached = True
        self._notices.say(f"connected again to: {to}")
