"""A password that the user is asked for, before the terminal is raw.

Not getpass: that one blocks, and what it has switched off would stay off when the
program is left by a signal in the meantime.
"""

import os
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
        with _no_echo(fd):
            os.write(fd, prompt.encode(errors="replace"))
            return os.fsdecode(await _read_line(fd))
    except termios.error:  # it has hung up
        return None
    finally:
        os.close(fd)


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


@contextmanager
def _no_echo(fd: int) -> Iterator[None]:
    before = termios.tcgetattr(fd)
    silent = [*before]
    silent[3] = (before[3] | termios.ICANON | termios.ISIG) & ~termios.ECHO
    # Not TCSAFLUSH: what was typed ahead may be the answer.
    termios.tcsetattr(fd, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        with suppress(OSError, termios.error):
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
            os.write(fd, b"\n")  # the user's own was not echoed


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
