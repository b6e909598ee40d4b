"""The guest's password: from a file, from standard input, or asked for."""

import os
from pathlib import Path

from novaconsole.cli.options import Options
from novaconsole.cli.values import STANDARD_STREAM, shown
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


def guest_password(
    options: Options, from_environment: frozenset[str] = frozenset()
) -> str | None:
    """Return the guest's password, or None without one and a terminal to ask on.

    It cannot be given on the command line, which every user of the machine can read.

    Args:
        options: as the user gave them.
        from_environment: the fields that variables gave, for messages.

    Raises:
        UsageError: the file cannot be read, or has no password.
    """
    file = options.password_file
    if file is not None and (file != STANDARD_STREAM or not os.isatty(0)):
        line = _password_in(file, shown("password_file", from_environment))
        return line.decode(errors="surrogateescape")  # any bytes
    password = None
    if file is None:
        password = os.environ.get("NOVACONSOLE_PASSWORD") or None
    if password is None and options.login is not None:
        password = _ask_password(options.login)
    return password


def _password_in(file: Path, option: str) -> bytes:
    """Return the first line of a file, or of standard input for `-`."""
    place = "standard input" if file == STANDARD_STREAM else str(file)
    try:
        if file == STANDARD_STREAM:
            password = read_line(0, MAX_LINE_BYTES)
        else:
            with file.open("rb", buffering=0) as opened:
                password = read_line(opened.fileno(), MAX_LINE_BYTES)
    except OSError as exc:
        raise UsageError(f"{option}: cannot read {place}: {exc.strerror}") from exc
    password = password.rstrip(b"\r")
    if not password:
        raise UsageError(
            f"{option}: no password in {place}",
            "write the password on the first line",
        )
    return password


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
