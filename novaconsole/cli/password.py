"""The guest's password: from a file, from standard input, or asked for."""

import os
from pathlib import Path

from novaconsole.cli.options import Options
from novaconsole.errors import UsageError
from novaconsole.terminal.secret import SecretPrompt

MAX_LINE_BYTES = 64 * 1024


def read_line(fd: int, max_bytes: int) -> bytes:
    """Read one line and nothing after it; blocks.

    The rest is left for the session, so nothing may be buffered.

    Args:
        fd: where to read.
        max_bytes: stop there if the line is longer.

    Returns:
        The line without its end, or what comes before the end of the input.
    """
    line = bytearray()
    while len(line) < max_bytes:
        byte = os.read(fd, 1)
        if byte in (b"", b"\n"):
            break
        line += byte
    return bytes(line)


def guest_password(options: Options) -> str | None:
    """Return the guest's password, or None without one and a terminal to ask on.

    It cannot be given on the command line, which every user of the machine can read.

    Args:
        options: as the user gave them.

    Raises:
        UsageError: the file cannot be read.
    """
    file = options.password_file
    if file is not None and (str(file) != "-" or not os.isatty(0)):
        return _password_in(file).decode(errors="surrogateescape")  # any bytes
    password = os.environ.get("NOVACONSOLE_PASSWORD") if file is None else None
    if password is None and options.login is not None:
        password = _ask_password(options.login)
    return password


def _password_in(file: Path) -> bytes:
    """Return the first line of a file, or of standard input for `-`."""
    if str(file) == "-":
        return read_line(0, MAX_LINE_BYTES).rstrip(b"\r")
    try:
        with file.open("rb", buffering=0) as opened:
            return read_line(opened.fileno(), MAX_LINE_BYTES).rstrip(b"\r")
    except OSError as exc:
        message = f"--password-file: cannot read {file}: {exc.strerror}"
        raise UsageError(message) from exc


def _ask_password(login: str) -> str | None:
    """Ask on the controlling terminal; None if there is none."""
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None
    try:
        password = SecretPrompt(f"password of {login} in the guest: ", fd).ask()
    finally:
        os.close(fd)
    if password is None:  # Ctrl-D: as Ctrl-C
        raise KeyboardInterrupt
    return password
