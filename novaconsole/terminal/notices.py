"""What novaconsole itself says: one line each on standard error, never a token.

Before and after a session lines are written at once.  During a session the terminal is
raw and may be busy, so lines are handed to a task that waits for it: who has something
to say never waits.
"""

import logging
import os
import select
import stat
import time
from collections.abc import Callable
from contextlib import suppress

from novaconsole.errors import NovaConsoleError
from novaconsole.events import Field, encode
from novaconsole.redaction import mask_tokens, printable

QUIET, NORMAL, VERBOSE, DEBUG = -1, 0, 1, 2

_PREFIX = "novaconsole: "
_STDERR = 2
# How long a line may wait, outside a session, for a reader who is slow.
_WRITE_SECONDS = 0.025
_ERROR_WRITE_SECONDS = 1.0


class Notices:
    """Formats messages and sends them where they belong.

    Args:
        verbosity: QUIET, NORMAL, VERBOSE or DEBUG.
        as_json: for programs: every line is a JSON object, and events are told too.
    """

    def __init__(self, verbosity: int = NORMAL, *, as_json: bool = False) -> None:
        self.verbosity = verbosity
        self.as_json = as_json
        self._deliver: Callable[[str], None] | None = None
        self._inside_a_line = False
        self._is_stuck = False  # nobody has read the last line: the next may not wait

    def say(self, text: str, level: int = NORMAL) -> None:
        """Say something, if people of this verbosity want to hear it."""
        if level <= self.verbosity:
            self._line(text)

    def answer(self, text: str) -> None:
        """Say what was asked for, whatever the verbosity."""
        self._line(text)

    def event(self, name: str, /, **facts: Field) -> None:
        """Tell programs what happens; people are told in words."""
        if self.as_json:
            self._hand_on(mask_tokens(encode(name, facts)), _ERROR_WRITE_SECONDS)

    def error(self, error: NovaConsoleError) -> None:
        """Say what went wrong and what to try; never suppressed."""
        self._is_stuck = False  # so much patience there is in any case
        if self.as_json:
            self.event(
                "error",
                kind=type(error).__name__,
                message=str(error),
                hint=error.hint,
                status=error.exit_status,
            )
            return
        self._line(str(error), _ERROR_WRITE_SECONDS)
        if error.hint:
            self._line(error.hint, _ERROR_WRITE_SECONDS)

    def change_verbosity(self, by: int) -> None:
        """Say more or less from now on, and say so."""
        self.verbosity = min(DEBUG, max(QUIET, self.verbosity + by))
        names = {QUIET: "quiet", NORMAL: "normal", VERBOSE: "verbose", DEBUG: "debug"}
        self._line(f"messages: {names[self.verbosity]}")
        logging.getLogger("novaconsole").setLevel(log_level(self.verbosity))

    def hand_to(self, deliver: Callable[[str], None]) -> None:
        """Hand lines to `deliver` from now on: a session has begun."""
        self._deliver = deliver

    def write_directly(self, *, inside_a_line: bool) -> None:
        """Write lines at once again: the session is over.

        Args:
            inside_a_line: the terminal shows an unfinished line, which the next notice
                ends first.
        """
        self._deliver = None
        self._inside_a_line = inside_a_line

    def repeat(self, line: str) -> None:
        """Write a line that was handed on and has not been written."""
        self._write(line)

    def _line(self, text: str, seconds: float = _WRITE_SECONDS) -> None:
        if self.as_json:
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
    """Turns log records into notices, so that they are masked and in line."""

    def __init__(self, notices: Notices) -> None:
        super().__init__()
        self._notices = notices

    def emit(self, record: logging.LogRecord) -> None:
        """Say the record; a traceback gives a line for each of its lines."""
        for line in self.format(record).splitlines():
            self._notices.say(line, DEBUG)


def log_level(verbosity: int) -> int:
    """The level of logging that goes with a verbosity."""
    return logging.DEBUG if verbosity >= DEBUG else logging.CRITICAL


def _write_now(text: str, seconds: float) -> bool:
    """Write to standard error, but do not wait for ever for somebody to read it.

    Returns:
        Whether all of it has been written, or cannot be.
    """
    data = text.encode(errors="replace")
    deadline = time.monotonic() + seconds
    fd = _open_anew(_STDERR)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        # Nobody can be told that nobody can be told.
        with suppress(OSError):
            while data and poll.poll(max(0, deadline - time.monotonic()) * 1000):
                with suppress(BlockingIOError):
                    data = data[os.write(fd, data) :]
            return not data
        return True  # an error does not pass by waiting
    finally:
        if fd != _STDERR:
            os.close(fd)


def _open_anew(fd: int) -> int:
    """The same terminal or pipe, non-blocking for us alone; else as it is.

    Not so a file: it would be written at another place than standard output's.
    """
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with suppress(OSError):
        if os.isatty(fd) or stat.S_ISFIFO(os.fstat(fd).st_mode):
            return os.open(f"/proc/self/fd/{fd}", flags)
    return fd
