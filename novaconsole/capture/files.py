"""A file for what the guest sends, for its owner alone: the log, the recording.

Whoever writes it hands the bytes to the kernel before they are shown, so that the file
is complete up to the last byte on the screen even after SIGKILL.  Trouble with the disk
is told once and never ends the session.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import trio

from novaconsole.errors import UsageError

_MODE = 0o600  # passwords are typed and keys are printed on a console
# For a log that is started without a name.
AUTOMATIC_NAME = "novaconsole-{server}-{time}.log"

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029/]|^\.")


def named(name: str, server: str) -> Path:
    """The path that a name with `{server}` and `{time}` stands for now.

    Args:
        name: as the user gave it.
        server: what it is called.

    Raises:
        UsageError: the name has something else between braces.
    """
    now = time.strftime("%Y%m%dT%H%M%S")
    return Path(expand(name, {"server": safe_component(server), "time": now}))


def expand(name: str, fields: Mapping[str, str]) -> str:
    """Fill in a name; a value is put in as it is.

    Args:
        name: as the user gave it.
        fields: the values, by what stands between the braces.

    Raises:
        UsageError: there is another field in it, or a single brace.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] not in fields:
            known = " and ".join(f"{{{field}}}" for field in fields)
            raise UsageError(
                f"the name of a file cannot have {match[0]!r} in it",
                f"{known} are filled in; write a brace twice for the brace itself",
            )
        return fields[match[1]]

    return _BRACES.sub(value, name)


def safe_component(text: str) -> str:
    """A text made fit to be part of a file's name, in this very directory.

    Args:
        text: such as the name of a server, which may hold anything.
    """
    return _UNSAFE.sub("_", text) or "_"


class PrivateFile:
    """A file that is open for writing.

    Args:
        path: the file; created with mode 0600, appended to if it is there.
        kind: what it is to the user, as in "the log".
        option: that names it on the command line.
        overwrite: start it afresh.

    Attributes:
        path: the file.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(
        self, path: Path, kind: str, option: str, *, overwrite: bool = False
    ) -> None:
        self.path = path
        self._kind = kind
        # O_NONBLOCK counts for a FIFO only: it must not stop us while nobody reads.
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        flags |= os.O_TRUNC if overwrite else os.O_APPEND
        try:
            self._fd: int | None = os.open(path, flags, _MODE)
        except OSError as exc:
            raise UsageError(
                f"cannot write the {kind} {path}: {exc.strerror}",
                f"give {option} a file that you may write",
            ) from exc

    @property
    def is_open(self) -> bool:
        """Whether bytes are still written."""
        return self._fd is not None

    def close(self, on_trouble: Callable[[str], None], last: bytes = b"") -> None:
        """Let go of the file; who waits for it is woken.

        Args:
            on_trouble: told once, in one sentence, when the file is not complete.
            last: still written, as far as it goes without waiting.
        """
        try:
            while self._fd is not None and last:
                last = last[os.write(self._fd, last) :]
            self._let_go()  # where a disk in the network may tell its trouble
        except OSError as exc:
            self._give_up(exc, on_trouble)

    def _give_up(self, trouble: OSError, on_trouble: Callable[[str], None]) -> None:
        """Write no more."""
        with suppress(OSError):
            self._let_go()
        on_trouble(
            f"{self._kind} {self.path}: {trouble.strerror}; the {self._kind} ends here"
        )

    def _let_go(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            trio.lowlevel.notify_closing(fd)
            os.close(fd)
