"""A password that the user is asked for, before the terminal is raw.

Not getpass: that one blocks, and what it has switched off would stay off when the
program is left by a signal in the meantime.
"""

import os
import termios
from contextlib import suppress
from typing import Self

import trio

from novaconsole.terminal.fd import reopen

_STDIN = 0
_MAX_BYTES = 4096  # what a terminal takes for one line


def ask_from_thread(prompt: str) -> str | None:
    """Ask for a secret in a thread that trio started, while trio handles signals.

    Args:
        prompt: what to show.

    Returns:
        What was entered, or None if standard input is no terminal.
    """
    return trio.from_thread.run(ask_secret, prompt)


async def ask_secret(prompt: str) -> str | None:
    """Ask for a secret on the terminal that standard input is.

    However this ends, the terminal echoes again, and the next output begins a line.

    Args:
        prompt: what to show.

    Returns:
        What was entered, or None if standard input is no terminal.
    """
    fd = _open_terminal()
    if fd is None:
        return None
    try:
        with _Silence(fd) as silence, silence.scope:
            os.write(fd, prompt.encode(errors="replace"))
            return os.fsdecode(await _read_line(fd))
    except termios.error:  # it has hung up
        return None
    finally:
        os.close(fd)
    return None  # end_prompts was called


def end_prompts() -> None:
    """End the prompt whose answer is waited for no more, before the next message.

    trio runs it in a task of its own, which would otherwise go on after the thread that
    asked has been abandoned.
    """
    for silence in [*_silences]:
        silence.end()


def _open_terminal() -> int | None:
    if not os.isatty(_STDIN):
        return None
    flags = os.O_RDWR | os.O_NOCTTY
    with suppress(OSError):
        return reopen(_STDIN, flags, os.ttyname(_STDIN))
    with suppress(OSError):
        # In a container the terminal may have no name, but the kernel still has it.
        return reopen(_STDIN, flags)
    return None


class _Silence:
    """A terminal that does not echo, until the block or `end` ends that.

    Attributes:
        scope: of the waiting for an answer.
    """

    def __init__(self, fd: int) -> None:
        self.scope = trio.CancelScope()
        self._fd = fd
        self._before = termios.tcgetattr(fd)

    def __enter__(self) -> Self:
        silent = [*self._before]
        flags = self._before[3] | termios.ICANON | termios.ISIG
        silent[3] = flags & ~termios.ECHO
        _silences.append(self)
        # Not TCSAFLUSH: what was typed ahead may be the answer.
        termios.tcsetattr(self._fd, termios.TCSADRAIN, silent)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Let the terminal echo again, and begin a line; only the first call counts."""
        if self in _silences:
            _silences.remove(self)
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
                os.write(self._fd, b"\n")  # the user's own was not echoed
            self.scope.cancel(reason="nobody waits for the answer")


# Those in force: there is one terminal, and mostly one prompt.
_silences = list[_Silence]()


async def _read_line(fd: int) -> bytes:
    line = b""
    while not line.endswith((b"\n", b"\r")) and len(line) < _MAX_BYTES:
        await trio.lowlevel.wait_readable(fd)
        with suppress(BlockingIOError):
            data = os.read(fd, _MAX_BYTES)
            if not data:  # Ctrl-D
                break
            line += data
    return line.rstrip(b"\r\n")
