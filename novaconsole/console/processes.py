"""The processes of a session (in the sense of setsid), for the demo.

Linux has /proc and waitid.  Where one of them is missing, as on macOS, ps tells: it
does not know sessions there, but the terminal of a session (not tried there).
"""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc/self/stat")
_PS_SECONDS = 2.0


def signal_session(leader: int, signum: int) -> None:
    """Send a signal to all processes of a session."""
    for pid in session_members(leader):
        with suppress(ProcessLookupError):
            os.kill(pid, signum)


def has_ended(child: int) -> bool:
    """Whether a child process has ended; it is not reaped here."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return not _living(_ps("-p", str(child)))
    try:
        return bool(os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT))
    except ChildProcessError:  # reaped already
        return True


def session_members(leader: int) -> set[int]:
    """The living processes of a session."""
    members = set() if has_ended(leader) else {leader}
    if not _PROC.exists():
        return members | _on_the_terminal_of(leader)
    for entry in _PROC.parent.parent.iterdir():
        if entry.name.isdigit() and _session_of(entry) == leader:
            members.add(int(entry.name))
    return members


def _session_of(process: Path) -> int | None:
    """The session of a process in /proc, or None if it has ended (proc(5))."""
    try:
        # The second field is a name in parentheses, and may contain anything.
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, session = fields[0], int(fields[3])
    return None if state == "Z" else session


def _on_the_terminal_of(leader: int) -> set[int]:
    for row in _ps("-p", str(leader)):
        if row[2].strip("?-"):
            return _living(_ps("-t", row[2]))
    return set()


def _living(rows: list[list[str]]) -> set[int]:
    return {int(pid) for pid, state, _ in rows if not state.startswith("Z")}


def _ps(*which: str) -> list[list[str]]:
    """Process id, state and terminal of some processes."""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["ps", "-o", "pid=,state=,tty=", *which]
        done = subprocess.run(  # noqa: S603 # the arguments are ours
            command, capture_output=True, text=True, timeout=_PS_SECONDS, check=False
        )
        rows = [line.split() for line in done.stdout.splitlines()]
        return [row for row in rows if len(row) == 3]
    return []
