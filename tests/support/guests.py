"""Guests with a login, as getty and login(1) do it, on a real pty.

The demo's server serves them in a process of its own.
"""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import trio

from novaconsole import SerialConsole, connect

USER, PASSWORD = "root", "secret"

# What getty and login(1) do on the line; the shell is given by the test.
_GETTY = r"""
while :; do
  stty sane -echo; sleep 0.1; stty echo
  printf '\r\nGuest 1.0 ttyS0\n\nmy-server login: '
  read -r user || exit
  [ "$user" ] || continue
  stty -echo; printf 'Password: '; read -r password; stty echo; echo
  if [ "$user:$password" = root:secret ]; then
    echo 'Last login: Mon Nov 23 12:00:00 on ttyS0'
    set -m; "$@"; set +m  # takes the terminal back, as the next getty would
  else
    sleep 0.3; echo 'Login incorrect'
  fi
done
"""
_SERVE = """
import os, signal, sys, trio
from novaconsole.console.demo import serve_demo

# The tests may have been started with signals ignored, as under nohup.
for name in "HUP", "INT", "QUIT", "TERM":
    signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_DFL)

async def main():
    async with trio.open_nursery() as nursery:
        size = os.terminal_size((80, 24))
        print(await nursery.start(serve_demo, size, sys.argv[1:]), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()

trio.run(main)
"""
PATIENCE = 60.0  # a login and the pauses in which a prompt has to stand take seconds
BASH = ("env", "PS1=\\u@\\h:\\w# ", "bash", "--norc", "-i")


@contextmanager
def over_websocket(*command: str) -> Iterator[str]:
    """A program on a serial console behind a websocket; yields its URL."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.communicate(timeout=30)
    assert server.returncode == 0


@contextmanager
def login_over_websocket(shell: Sequence[str] = BASH) -> Iterator[str]:
    """A guest that asks for a login and then runs this shell; yields its URL."""
    with over_websocket("sh", "-c", _GETTY, "getty", *shell) as url:
        yield url


@asynccontextmanager
async def attached(url: str) -> AsyncIterator[SerialConsole]:
    """A console that is attached, for a test that ends in time."""
    with trio.fail_after(PATIENCE):
        async with connect(url) as console:
            yield console
