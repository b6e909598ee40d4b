"""Messages to the user: one line each on standard error, never with a token.

Before and after a session, lines are written at once.  During a session the terminal is
raw and may be busy, so lines go to a task that waits for it: saying something never
blocks.
"""

import enum
import logging
import os
import stat
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress

from novaconsole.errors import NovaConsoleError
from novaconsole.events import Field, encode
from novaconsole.redaction import mask_tokens, printable
from novaconsole.terminal.fd import reopen, write_within


class Verbosity(enum.IntEnum):
    """How much the user wants to be told."""

    QUIET = -1
    NORMAL = 0
    VERBOSE = 1
    DEBUG = 2

    @property
    def log_level(self) -> int:
        """The level for the logging module that this stands for."""
        return logging.DEBUG if self >= Verbosity.DEBUG else logging.WARNING


_PREFIX = "novaconsole: "
_STDERR = 2
# How long a line may wait for a slow reader, outside a session.
_WRITE_SECONDS = 0.025
_ERROR_WRITE_SECONDS = 1.0


class Notices:
    """Formats messages and sends them where they belong.

    Args:
        verbosity: how much to say.
        as_json: write JSON objects, one on each line, and events as well as messages.
    """

    def __init__(
        self, verbosity: Verbosity = Verbosity.NORMAL, *, as_json: bool = False
    ) -> None:
        self._verbosity = verbosity
        self._as_json = as_json
        self._deliver: Callable[[str], None] | None = None
        self._flush: Callable[[], Awaitable[None]] | None = None
        self._inside_a_line = False
        self._is_stuck = False  # the last line was not read: the next does not wait

    @property
    def verbosity(self) -> Verbosity:
        """How much is said now."""
        return self._verbosity

    @property
    def as_json(self) -> bool:
        """Whether programs read this."""
        return self._as_json

    def say(self, text: str, level: Verbosity = Verbosity.NORMAL) -> None:
        """Say something, unless the verbosity is below `level`."""
        if level <= self._verbosity:
            self._line(text)

    def answer(self, text: str) -> None:
        """Say what the user asked for, whatever the verbosity."""
        self._line(text)

    def event(self, name: str, /, **fields: Field) -> None:
        """Report an event to programs; people get messages instead."""
        if self._as_json:
            self._hand_on(mask_tokens(encode(name, fields)), _ERROR_WRITE_SECONDS)

    def error(self, error: NovaConsoleError) -> None:
        """Say what went wrong and what to try, whatever the verbosity."""
        self._is_stuck = False  # an error is worth waiting for in any case
        if self._as_json:
            of_command: dict[str, Field] = {}
            if error.started is not None:
                of_command["started"] = error.started
            self.event(
                "error",
                kind=type(error).__name__,
                message=str(error),
                hint=error.hint,
                status=error.exit_status,
                **of_command,
            )
        else:
            self._line(str(error), _ERROR_WRITE_SECONDS)
            if error.hint:
                self._line(error.hint, _ERROR_WRITE_SECONDS)
        if error.__traceback__ is not None:
            self.traceback(error)

    def traceback(self, error: BaseException) -> None:
        """Show where an exception was raised, to those who debug."""
        if self._verbosity >= Verbosity.DEBUG:
            for text in traceback.format_exception(error):
                for line in text.splitlines():
                    self.say(line, Verbosity.DEBUG)

    def change_verbosity(self, by: int) -> None:
        """Raise or lower the verbosity, and say so."""
        level = min(max(self._verbosity + by, min(Verbosity)), max(Verbosity))
        self._verbosity = Verbosity(level)
        self._line(f"messages: {self._verbosity.name.lower()}")
        logging.getLogger("novaconsole").setLevel(self._verbosity.log_level)

    def hand_to(
        self,
        deliver: Callable[[str], None],
        flush: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Pass lines to `deliver` from now on: a session has begun.

        Args:
            deliver: takes them.
            flush: waits until they are shown, or None if there is nothing to wait for.
        """
        self._deliver, self._flush = deliver, flush

    async def flush(self) -> None:
        """Wait until all that has been said is shown."""
        if self._flush is not None:
            await self._flush()

    def write_directly(self, *, inside_a_line: bool) -> None:
        """Write lines at once again: the session is over.

        Args:
            inside_a_line: the terminal shows an unfinished line, which the next
                message ends first.
        """
        self._deliver = self._flush = None
        self._inside_a_line = inside_a_line

    def end_line(self) -> None:
        """Begin a line for the shell's prompt, if no message has done so."""
        if self._inside_a_line:
            self._inside_a_line = False
            _write_now("\r\n", 0 if self._is_stuck else _WRITE_SECONDS)

    def repeat(self, line: str) -> None:
        """Write a line that was passed on and never shown."""
        self._write(line)

    def _line(self, text: str, seconds: float = _WRITE_SECONDS) -> None:
        if self._as_json:
            self.event("message", text=text)
        else:
            self._hand_on(_PREFIX + printable(mask_tokens(text)), seconds)

    def _hand_on(self, line: str, seconds: float) -> None:
        if self._deliver is not None:
            self._deliver(line)
        else:
            self._write(line, seconds)

    def _write(self, line: str, seconds: float = _WRITE_SECONDS) -> None:
        start = "\r\n" if self._inside_a_line else ""
        self._inside_a_line = False
        patience = 0 if self._is_stuck else seconds
        self._is_stuck = not _write_now(f"{start}{line}\n", patience)


class NoticeHandler(logging.Handler):
    """Turns log records into messages, so that they are masked and kept in order."""

    def __init__(self, notices: Notices) -> None:
        super().__init__()
        self._notices = notices

    def emit(self, record: logging.LogRecord) -> None:
        """Say the record; a traceback gives a line for each of its lines."""
        for line in self.format(record).splitlines():
            self._notices.say(line, Verbosity.DEBUG)


def _write_now(text: str, seconds: float) -> bool:
    """Write to standard error, waiting a bounded time for its reader.

    Returns:
        Whether it need not be tried again: it has been written, or cannot be.
    """
    fd = _private_fd(_STDERR)
    try:
        return not write_within(fd, text.encode(errors="replace"), seconds)
    except OSError:
        return True  # and there is nowhere to report that
    finally:
        if fd != _STDERR:
            os.close(fd)


def _private_fd(fd: int) -> int:
    """The same terminal or pipe, non-blocking for us alone; otherwise `fd` itself.

    Not a file: reopened, it would be written from its start.
    """
    with suppress(OSError):
        if os.isatty(fd) or stat.S_ISFIFO(os.fstat(fd).st_mode):
            return reopen(fd, os.O_WRONLY | os.O_NOCTTY)
    return fd
