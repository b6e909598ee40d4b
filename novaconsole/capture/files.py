"""Files for what the guest sends: their names, with fields in them, and their privacy.

Bytes are given to the kernel before they are shown, so the file is complete up to the
last byte on the screen, even after SIGKILL.  An error of the disk is reported once and
does not end the session.
"""

import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import trio

from novaconsole.errors import UsageError

_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
_MODE = 0o600  # passwords and keys may be on a console
# The name of a log that is started without one.
AUTOMATIC_NAME = "novaconsole-{server}-{time}.log"

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029/]|^\.")


def named(name: str, server: str) -> Path:
    """Return the path for a name that may contain `{server}` and `{time}`.

    Args:
        name: the name as the user gave it.
        server: the name of the server; unsafe characters are replaced.

    Raises:
        UsageError: the name has another field, or a single brace.
    """
    now = time.strftime("%Y%m%dT%H%M%S")
    return Path(expand(name, {"server": safe_component(server), "time": now}))


def expand(name: str, fields: Mapping[str, str]) -> str:
    """Fill in the fields of a name; values are not expanded again.

    Args:
        name: the name as the user gave it.
        fields: the value of each field.

    Raises:
        UsageError: the name has another field, or a single brace.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] not in fields:
            known = " and ".join(f"{{{field}}}" for field in fields)
            raise UsageError(
                f"a file name cannot contain {match[0]!r}",
                f"use {known}, or double a brace to write the brace itself",
            )
        return fields[match[1]]

    return _BRACES.sub(value, name)


def safe_component(text: str) -> str:
    """Make a text safe as part of a file name: no directory, not hidden.

    Args:
        text: any text, such as the name of a server.
    """
    return _UNSAFE.sub("_", text) or "_"


class PrivateFile:
    """A file that is open for writing.

    Args:
        path: the file; created with mode 0600, appended to if it exists.
        kind: what messages call it, such as "log".
        option: the option that names it on the command line.
        overwrite: whether to empty it first.

    Attributes:
        path: the file.

    Raises:
        UsageError: the file cannot be opened.
    """

    def __init__(
        self, path: Path, kind: str, option: str, *, overwrite: bool = False
    ) -> None:
        self.path = path
        self._kind = kind
        # O_NONBLOCK matters for a FIFO: one without a reader must not block us.
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        flags |= os.O_TRUNC if overwrite else os.O_APPEND
        try:
            self._fd: int | None = os.open(path, flags, _MODE)
        except OSError as exc:
            raise UsageError(
                f"cannot write the {kind} {path}: {exc.strerror}",
                f"give {option} a file that you can write",
            ) from exc

    @property
    def exposure(self) -> str | None:
        """What to tell the user of a file that others may read, or None.

        One that is created is private; one that was there keeps its mode.
        """
        if self._fd is None:
            return None
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode) or not status.st_mode & _OTHERS_READ:
            return None
        mode = stat.S_IMODE(status.st_mode)
        return (
            f"others can read the {self._kind} {self.path} (mode {mode:o}): it was "
            "there before, and keeps its mode"
        )

    @property
    def is_open(self) -> bool:
        """Whether bytes can still be written."""
        return self._fd is not None

    def close(self, on_error: Callable[[str], None], last: bytes = b"") -> None:
        """Close the file; a task that waits to write to it is woken.

        Args:
            on_error: called with a message if the file is not complete.
            last: the last bytes, written as far as that is possible without waiting.
        """
        try:
            while self._fd is not None and last:
                last = last[os.write(self._fd, last) :]
            self._close_fd()  # which may fail with a delayed error of a network disk
        except OSError as exc:
            self._give_up(exc, on_error)

    def _give_up(self, error: OSError, on_error: Callable[[str], None]) -> None:
        """Report an error and write nothing more."""
        with suppress(OSError):
            self._close_fd()
        on_error(
            f"{self._kind} {self.path}: {error.strerror}; the {self._kind} ends here"
        )

    def _close_fd(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            trio.lowlevel.notify_closing(fd)
            os.close(fd)
