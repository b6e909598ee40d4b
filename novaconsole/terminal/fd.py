"""Descriptors that other processes share: written without blocking, flags untouched.

O_NONBLOCK belongs to the open file description, which a child shares with its parent
and with everything else on the same terminal or pipe.  Setting it on an inherited
descriptor would make the shell's own reads fail, and it would stay set after SIGKILL.
So a device is opened once more, which gives a private description; and where a write
has to be bounded in time, `poll` says whether it would block (libuv's uv_tty_init does
the same for the same reason).
"""

import errno
import os
import select
import time
from contextlib import suppress


def reopen(fd: int, flags: int, path: str | None = None) -> int:
    """Open what a descriptor is open on once more, with flags of our own.

    Args:
        fd: an open descriptor.
        flags: as for os.open; O_NONBLOCK and O_CLOEXEC are added.
        path: its name; by default the kernel's own (/proc/self/fd).

    Raises:
        OSError: it cannot be opened again, or the name belongs to another device, as in
            another mount namespace.
    """
    flags |= os.O_NONBLOCK | os.O_CLOEXEC
    reopened = os.open(path or f"/proc/self/fd/{fd}", flags)
    if os.fstat(reopened).st_rdev != os.fstat(fd).st_rdev:
        os.close(reopened)
        raise OSError(errno.ENODEV, "another device has this name")
    return reopened


def is_foreground(fd: int) -> bool:
    """Whether our job may use a terminal, as far as job control goes.

    Args:
        fd: open on it.
    """
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:  # not our controlling terminal: no job control on it
        return True


def write_within(fd: int, data: bytes, seconds: float) -> bytes:
    """Write what the other side takes within a time.

    Args:
        fd: a descriptor, blocking or not.
        data: to write.
        seconds: how long to wait altogether.

    Returns:
        What has not been written.

    Raises:
        OSError: it cannot be written; waiting longer would not help.
    """
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    while data and poll.poll(max(0, deadline - time.monotonic()) * 1000):
        with suppress(BlockingIOError):
            data = data[os.write(fd, data) :]
            continue
        # macOS's poll says of /dev/tty that it is ready whatever it is (not tried).
        if time.monotonic() >= deadline:
            break
    return data
