"""Reading the websocket: each piece of output goes to the log, the screen and so on.

The log comes first: it is complete up to the last byte that was shown, even after
SIGKILL.  `--until` comes after the screen: a match is seen before it ends the session.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import trio

from novaconsole.console.outcome import Outcome, Reason
from novaconsole.errors import OutputFailed, UsageError
from novaconsole.guest.expect import OutputBuffer, Patterns
from novaconsole.session.display import Display
from novaconsole.session.state import Attachment, Session

if TYPE_CHECKING:
    from novaconsole.session.history import HistoryReplay


class OutputSink(Protocol):
    """Something that takes the guest's output."""

    async def write(self, data: bytes) -> None:
        """Take a piece of output, waiting while it cannot be taken."""
        ...


class ScreenSink:
    """Shows the output of one connection, and tells it how fast the screen is.

    Args:
        display: where it is shown.
        session: whose screen it is.
        attachment: the connection.
    """

    def __init__(
        self, display: Display, session: Session, attachment: Attachment
    ) -> None:
        self._display = display
        self._activity = session.activity
        self._attachment = attachment

    async def write(self, data: bytes) -> None:
        """Show it.

        Raises:
            OSError: it cannot be written.
        """
        with self._activity.showing():
            await self._attachment.announce_output()
            started = trio.current_time()
            await self._display.show(data)
            self._attachment.connection.note_shown(len(data), started)


class UntilSink:
    """Ends the session when the output matches.

    A line that was cut off by the end of a connection is not continued by the next
    one, so each connection has a sink of its own.

    Args:
        patterns: of which any may match.
        session: to end.
    """

    def __init__(self, patterns: Patterns, session: Session) -> None:
        self._patterns = patterns
        self._session = session
        self._buffer = OutputBuffer()

    async def write(self, data: bytes) -> None:
        """Look at it."""
        self._buffer.feed(data)
        match = None
        try:
            for match in self._buffer.search(self._patterns):
                if match is None:  # a key, such as those of `~.`, does not wait longer
                    await trio.lowlevel.checkpoint()
        except UsageError as exc:  # a pattern that is too slow
            self._session.end(Outcome(Reason.FAILED, error=exc))
            return
        if match is not None:
            pattern = self._patterns.sources[match.index]
            self._session.notices.event("matched", pattern=pattern, text=match.text)
            self._session.end(Outcome(Reason.MATCHED))


async def read_output(
    session: Session,
    attachment: Attachment,
    log: OutputSink,
    display: Display,
    history: "HistoryReplay | None",
) -> None:
    """Pass on what the guest sends, to the end of the connection.

    Args:
        session: that it is part of.
        attachment: the connection to read.
        log: takes every byte before it is shown.
        display: shows it.
        history: knows what to show first, or None.
    """
    screen = ScreenSink(display, session, attachment)
    sinks: list[OutputSink] = [log, screen]
    if session.options.until is not None:
        sinks.append(UntilSink(session.options.until, session))
    with _ending(session):
        if history is not None:
            with session.activity.showing():  # piped input's end waits for it
                start = await history.join(
                    attachment.connection, log.write, session.notices.say
                )
                if attachment.connection.bytes_in:
                    await attachment.announce_output()  # which history alone is not
                await display.show(start)
            await _write(sinks[2:], start)
            sinks.append(history)
        async for data in attachment.connection:
            await _write(sinks, data)


async def show_text(session: Session, display: Display, data: bytes) -> None:
    """Show text that is not of a connection."""
    with _ending(session):
        await display.show(data)


async def _write(sinks: Sequence[OutputSink], data: bytes) -> None:
    for sink in sinks:
        await sink.write(data)


@contextmanager
def _ending(session: Session) -> Iterator[None]:
    """End the session if its output cannot be written."""
    try:
        yield
    except BrokenPipeError:
        session.end(Outcome(Reason.OUTPUT_CLOSED))
    except OSError as exc:
        session.end(Outcome(Reason.FAILED, error=OutputFailed.because(exc)))
