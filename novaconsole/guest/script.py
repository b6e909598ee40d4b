"""What runs in the guest for the sake of one command: plain `sh`, as POSIX has it.

The loader is typed at the prompt of whatever shell is there, so it is one line, of less
than the 1024 bytes that busybox takes.  Nothing of what is typed may look like a mark,
for it is echoed: printf puts marks together.

All else comes behind it with the echo off.  In octal, no byte of it means anything to
the tty, and a line has less than the 4095 bytes that one holds.
"""

import re
import shlex

_LINE_BYTES = 500
_SPECIAL = re.compile(rb"[^A-Za-z0-9_/=:-]")

_LOADER = (
    """ sh -c 's=$(stty -g);trap "stty $s;exit" INT;"""
    """stty -echo icanon icrnl isig opost onlcr;"""
    """p(){ printf "%s_%s\\n" MARK "$1";};p "r$s";"""
    """while read -r l;do case $l in .)break;;esac;c=$c$l;p a;done;"""
    """eval "$(printf %b "$c")"';printf "%s_%s\\n" MARK x"""
)
# The traps keep these shells alive when the command is interrupted; descriptor 4
# carries the status past the pipe.
_SCRIPT = """\
trap : INT QUIT
{ k=$(cat /proc/sys/kernel/printk) && echo 1 >/proc/sys/kernel/printk
} 2>/dev/null || k=
p b
exec 3>&1
e=$(trap : INT QUIT; { { trap : INT QUIT
"${SHELL:-/bin/sh}" -c COMMAND </dev/null 2>&1 3>&- 4>&-
echo $? >&4; } | (trap '' INT QUIT; exec cat >&3 4>&-); } 4>&1)
p "e$e"; p "e$e"
[ "$k" ] && echo "$k" >/proc/sys/kernel/printk
stty "$s"
"""


def loader(mark: str) -> bytes:
    """The line that reads the script, and says `MARK_x` when all is over.

    It says `MARK_r` and the terminal's settings when it is ready, and then `MARK_a` for
    each line.

    Args:
        mark: letters and digits that nobody can guess.
    """
    return _LOADER.replace("MARK", mark).encode()


def script_lines(command: str) -> list[bytes]:
    """The script that runs a command, as lines for the loader.

    It says `MARK_b` in front of the command's output, and twice `MARK_e` and the status
    behind it.

    Args:
        command: for the user's shell; no NUL is in it.
    """
    script = _SCRIPT.replace("COMMAND", shlex.quote(command))
    data = script.encode(errors="surrogateescape")
    encoded = _SPECIAL.sub(lambda match: b"\\0%03o" % match[0][0], data)
    starts = range(0, len(encoded), _LINE_BYTES)
    return [*(encoded[start : start + _LINE_BYTES] for start in starts), b"."]
