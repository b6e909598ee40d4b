"""The file descriptors that whoever started us left open, or not."""

import os


def ensure_standard_streams() -> None:
    """Open /dev/null in place of the standard streams that were closed.

    Otherwise the next file or socket would get the number 0, 1 or 2 and take our
    input or messages (as OpenSSH's sanitise_stdfd).
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest free number is given out, and all below are taken.
            os.open(os.devnull, os.O_RDWR)


def read_line(fd: int, max_bytes: int) -> bytes:
    """Read one line and nothing behind it; blocks.

    Args:
        fd: what to read.
        max_bytes: stop there if the line is longer.

    Returns:
        The line without its end; what there is at the end of the input.
    """
    line = bytearray()
    while len(line) < max_bytes:
        byte = os.read(fd, 1)
        if byte in (b"", b"\n"):
            break
        line += byte
    return bytes(line)
