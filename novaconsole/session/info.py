"""What `~I` and `~B` tell."""

from datetime import timedelta
from pathlib import Path

import trio

from novaconsole.session.state import Attachment

BREAK_LINES = (
    "Nova's serial console cannot carry a BREAK",
    "in a Linux guest, for SysRq: echo LETTER > /proc/sysrq-trigger",
    "for a guest that hangs, an NMI from outside: openstack server dump create SERVER",
)


def info_lines(
    attachment: Attachment | None,
    *,
    keepalive: float,
    log: Path | None,
    recording: Path | str | None,
) -> list[str]:
    """The connection in use, what has passed through it, and what is being written.

    Args:
        attachment: the connection, or None during an outage.
        keepalive: seconds between pings; 0 for none.
        log: the file of the log, if one is written now.
        recording: its file, "none" if it has ended, or None if none was asked for.
    """
    files = [f"log: {log or 'none'}"]
    if recording is not None:
        files.append(f"recording: {recording}")
    if attachment is None:
        return ["not attached: waiting for the server or the network", *files]
    connection = attachment.connection
    seconds = round(trio.current_time() - connection.opened_at)
    if connection.round_trip is not None:
        round_trip = f"{connection.round_trip * 1000:.1f} ms"
    else:
        round_trip = "not known yet" if keepalive else "not measured (--keepalive 0)"
    return [
        f"attached to: {attachment.target}",
        f"attached for: {timedelta(seconds=seconds)}",
        f"bytes: {connection.bytes_in} in, {connection.bytes_out} out",
        f"round trip: {round_trip}",
        *files,
    ]
