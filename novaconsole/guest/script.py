"""The shell code that runs one command in the guest: plain POSIX `sh`.

command.py tells what it is for.  The limits that shape it:

* The loader is typed at the prompt of whatever shell is there, so it is one line,
  shorter than the 1024 bytes that busybox accepts.  It is echoed, so it must not
  contain a whole mark: printf puts marks together.
* The script follows with the echo off.  A tty in canonical mode holds at most 4095
  bytes of a line (termios(3)) and acts on control characters, so the script is sent as
  short lines in which every special byte is written in octal, for printf's `%b`.
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
# The traps keep these shells alive when the command is interrupted.  Descriptor 4
# carries the status past the pipe.  Kernel messages are kept off the console meanwhile,
# if the user may do that, because they would be taken for output.
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
    """Return the line that reads and runs the script.

    It prints `MARK_r` and the tty's settings when it is ready, `MARK_a` for each line
    of the script, and `MARK_x` when it has ended.

    Args:
        mark: random letters and digits.
    """
    return _LOADER.replace("MARK", mark).encode()


def script_lines(command: str) -> list[bytes]:
    """Return the script that runs a command, as lines for the loader.

    It prints `MARK_b` before the command's output, and after it `MARK_e` and the exit
    status, twice.

    Args:
        command: a command line for the user's shell; it must not contain NUL.
    """
    script = _SCRIPT.replace("COMMAND", shlex.quote(command))
    data = script.encode(errors="surrogateescape")
    encoded = _SPECIAL.sub(lambda match: b"\\0%03o" % match[0][0], data)
    starts = range(0, len(encoded), _LINE_BYTES)
    return [*(encoded[start : start + _LINE_BYTES] for start in starts), b"."]
