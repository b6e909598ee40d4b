r"""The shell code that runs one command in the guest: plain POSIX `sh`.

command.py tells what it is for.  The limits that shape it:

* The loader is typed at the prompt of whatever shell is there, so it is one line,
  shorter than the 1024 bytes that busybox accepts, and means the same to fish and zsh
  as to sh.  It is echoed, so it must not contain a whole mark: printf puts marks
  together.
* The script follows with the echo off.  Some bytes mean something to a tty, so it is
  sent as short lines in which every such byte is written in octal, for printf's `%b`.
  The lines are numbered, because one may be lost or be sent twice.
* Whoever types the lines may be gone at any time.  So the loader gives up if nothing
  comes for a while: `read -t` does that, and where the shell has none (dash), the tty
  itself, which in its non-canonical mode ends a read after VTIME (termios(3)).
* The line that starts the loader in a shell that was logged in to also ends that shell,
  whether there is still a client to log out or not.  The loader does not replace it
  (exec), because that would put it into the process group of login(1) again, which
  Ctrl-C ends where it waits for the shell (busybox with PAM).
"""

import re
import shlex

SILENCE_SECONDS = 15  # of the client; the most that VTIME has is 25.5

_LINE_BYTES = 2000
_SPECIAL = re.compile(rb"[^ -~]|\\")

_LOADER = (
    """sh -c 's=$(stty -g);trap "stty $s;exit" INT;"""
    """stty -echo -icanon min 0 time 250 icrnl isig opost onlcr;"""
    """p(){ printf "%s_%s\\n" MARK "$1";};n=0;t=;"""
    """echo|read -t9 x 2>/dev/null&&t=-t25;p "r$s";"""
    """while read $t -r l;do case $l in $n:*)c=$c${l#*:};n=$((n+1));;"""
    """.${#c})g=1;p s;break;;esac;p a$n;done;"""
    """[ "$g" ]&&eval "$(printf %b "$c")";stty $s';printf "%s_%s\\n" MARK x"""
)
# A shell of ours keeps no history, and ends after this line.
_OUR_SHELL = " unset HISTFILE;{};exit"
# A shell of somebody else goes on, and bash forgets this line.  A leading space does
# that for fish, and for others if they are set so.
_THEIR_SHELL = " {};{}"
_FORGET = (
    """test "$BASH_VERSION"&&eval 'case $(history 1) in *MARK*)"""
    """history -d $(history 1|(read n x;echo ${n%%\\*}));;esac'"""
)

# The line carries bytes from here on, and no key means anything any more.  Descriptor 3
# is the tty.  Kernel messages are kept off the console meanwhile, if the user may do
# that, because they would be taken for output.
_BEGIN = """\
stty raw -echo min 0 time TENTHS
{ k=$(cat /proc/sys/kernel/printk) && echo 1 >/proc/sys/kernel/printk
} 2>/dev/null || k=
exec 3>&1 2>/dev/null
trap : TERM
p() { printf '%s_%s\\n' MARK "$1" >&3; }
"""
# Carries out what is typed, line by line (channel.py).  If nothing comes any more, not
# even the rest of some input, the client has gone, and what it began is ended.
_LISTEN = """\
g() { kill -$1 -$j || kill -$1 $j; }
j=
r() {
trap '' PIPE TERM
exec 6>&1
while read -r w v x; do case $w in
''|[.0-9]*) p n;;
j) j=$v; printf '%s\\n' '1 \\012';;
d) echo $v; d $v; case $n in *1+0*|*$v+0*) ;; *) break;; esac;;
b) case $x in *[![:print:]]*) break;; esac; printf '%s\\n' "$v $x";;
e) exec >/dev/null 6>&1;;
k) g $v;;
q) return;;
*) break;;
esac; done
p g
[ $j ] && { g HUP; sleep 1; g TERM; sleep 1; g KILL; }
kill -TERM 0
}
"""
# Passes input on, and says how much it has passed on: the client sends no more than
# fits into the pipe to here, so that `r` never has to wait.
_FEED = """\
f=
echo | dd bs=1 count=1 iflag=fullblock >/dev/null && f=1
d() {
if [ $f ]; then n=$(dd bs=$1 count=1 iflag=fullblock 2>&1 >&6)
else n=$(dd bs=1 count=$1 2>&1 >&6); fi
}
s() {
trap '' PIPE
exec 6>&1
t=-1
while read -r v x; do
if [ "$x" ]; then printf %b "$x" || break
else d $v; case $n in *1+0*1+0*|*$v+0*$v+0*) ;; *) break;; esac; fi
t=$((t+v)); p +$t
done
}
"""
# The command, in a session of its own where the guest has setsid: it can be ended with
# all that it has started, and can neither read nor write the line as its tty.
_RUN = """\
c() {
sh -c 'm() { printf "%s_%s\\n" MARK "$1" >&3; }
m j$$; m j$$
read x || exit
m b
s=setsid; command -v $s >/dev/null || s=
exec $s "$0" -c "$1" INPUT2>&1 3>&-' "${SHELL:-/bin/sh}" COMMAND
e=$?
p e$e; p e$e
}
"""
# Each piece of output is followed by a mark with its length, if dd tells it: what else
# is printed to the console meanwhile is noticed by that.
_SHOW = """\
o() {
while n=$(LC_ALL=C dd bs=32768 count=1 2>&1 >&3); do
set -- $n
[ $1 = 0+0 ] && break
p .$7
done
p z; p z
}
"""
_END = """\
[ "$k" ] && echo "$k" >/proc/sys/kernel/printk
stty "$s"
"""
# Stops unless the shell is the user's.  Users are the same if their numbers are.
_CHECK_USER = """\
i=$(id -u 2>/dev/null); w=$(id -u -- USER 2>/dev/null)
[ MISMATCH ] && { p "w$(id -un 2>/dev/null)"; stty "$s"; exit; }
"""
# login(1) has vouched for the user of its shell; any other has to be known.
_OUR_MISMATCH = '"$i" -a "$w" -a "$i" != "$w"'
_THEIR_MISMATCH = '-z "$i" -o "$i" != "$w"'


def loader(mark: str, *, ends_shell: bool) -> bytes:
    """Return the line that reads and runs the script.

    It prints `MARK_r` and the tty's settings when it is ready, `MARK_a` and the number
    of the line that it waits for, for each line that it has read, `MARK_s` when it
    begins to run the script, and `MARK_x` when it has ended.

    Args:
        mark: random letters and digits.
        ends_shell: whether the shell ends after the loader.
    """
    if ends_shell:
        line = _OUR_SHELL.format(_LOADER)
    else:
        line = _THEIR_SHELL.format(_LOADER, _FORGET)
    return line.replace("MARK", mark).encode()


def restoring_line(settings: bytes, mark: str) -> bytes:
    """Return the line that restores a tty after the loader was killed.

    Args:
        settings: as the loader has told them.
        mark: as for `loader`.
    """
    return b" stty %b;%b" % (settings, _FORGET.replace("MARK", mark).encode())


def script_lines(
    command: str, mark: str, login: str | None, *, is_ours: bool, has_stdin: bool
) -> list[bytes]:
    """Return the script that runs a command, as lines for the loader.

    With the last one, the loader runs the script.

    channel.py tells what the script prints and takes.  If it runs as another user than
    asked for, it prints only `MARK_w` and the name of that user.

    Args:
        command: a command line for the user's shell; it must not contain NUL.
        mark: as for `loader`.
        login: the user to run it as, or None if any will do.
        is_ours: whether the shell is there because this user was logged in.
        has_stdin: whether the command's standard input is sent to it, or /dev/null.
    """
    run = _RUN.replace("INPUT", "" if has_stdin else "</dev/null ")
    script = _BEGIN + _LISTEN + run + _SHOW
    script += _FEED + "r | s | c | o\n" if has_stdin else "r | c | o\n"
    script = script.replace("TENTHS", str(SILENCE_SECONDS * 10))
    script = script.replace("MARK", mark).replace("COMMAND", shlex.quote(command))
    if login is not None:
        mismatch = _OUR_MISMATCH if is_ours else _THEIR_MISMATCH
        check = _CHECK_USER.replace("MISMATCH", mismatch)
        script = check.replace("USER", shlex.quote(login)) + script
    data = (script + _END).encode(errors="surrogateescape")
    encoded = octal(data)
    starts = range(0, len(encoded), _LINE_BYTES)
    lines = [encoded[start : start + _LINE_BYTES] for start in starts]
    # A space at the end of a line is not read.
    lines = [re.sub(rb" $", rb"\\0040", line) for line in lines]
    return [
        *(b"%d:%b" % (number, line) for number, line in enumerate(lines)),
        b".%d" % sum(map(len, lines)),
    ]


def octal(data: bytes) -> bytes:
    """Write what means something to a tty in octal, for printf's `%b`."""
    return _SPECIAL.sub(lambda match: b"\\0%03o" % match[0][0], data)


def typed_line(text: str) -> bytes:
    """Return what to type for a line; bytes that are not UTF-8 are kept."""
    return text.encode(errors="surrogateescape") + b"\r"
