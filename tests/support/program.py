"""The program under test: how it is started, and what surrounds it.

`run` waits for its end, `piped` lets the test talk to it through pipes, and
`on_a_terminal` gives it a pty of its own.  `support.shell.Shell` types commands into an
interactive bash.  (The benchmarks start the program themselves, with the plain
interpreter that users have.)
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pexpect

PATIENCE = 20.0
PYTHON = (sys.executable, "-bb", "-P")
PROGRAM = (*PYTHON, "-m", "novaconsole")

_SETTINGS = re.compile(
    r"OS_|_?NOVACONSOLE_|_TYPER_|COMP_|PS1$|(HTTPS?|ALL|NO|FTP)_PROXY$"
    r"|(REQUESTS|CURL)_CA_BUNDLE$|SSL_CERT_(FILE|DIR)$",
    re.IGNORECASE,
)


def command(*options: str) -> tuple[str, ...]:
    """The command that starts the program, with options for the interpreter."""
    return (*PYTHON, *options, "-m", "novaconsole")


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would choose a cloud, an option or a proxy."""
    return {
        name: value for name, value in environment.items() if not _SETTINGS.match(name)
    }


def environment(home: Path, **variables: str) -> dict[str, str]:
    """The variables of a user with this home and without any settings.

    Commands in the directory `bin` of the home come first on the PATH.
    """
    return {
        **without_settings(os.environ),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "HISTFILE": "/dev/null",
        "INPUTRC": "/dev/null",
        "LC_ALL": "C.UTF-8",
        "PYTHON": sys.executable,
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "SHELL": shutil.which("bash") or "/bin/bash",
        "TERM": "vt100",
        **variables,
    }


def install(home: Path) -> Path:
    """Put a command `novaconsole` into the `bin` of this home; returns its path."""
    return write_command(home, "novaconsole", f'exec {shlex.join(PROGRAM)} "$@"')


def write_command(home: Path, name: str, script: str) -> Path:
    """Put a shell script into the `bin` of this home; returns its path."""
    path = home / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def run(
    home: Path,
    *arguments: str,
    command: Sequence[str] = PROGRAM,
    stdin: int = subprocess.DEVNULL,
    typed: bytes | None = None,
    timeout: float = PATIENCE,
    variables: Mapping[str, str] = {},
) -> "subprocess.CompletedProcess[bytes]":
    """Run the program to its end, without a terminal.

    Args:
        home: its home and working directory.
        arguments: of its command line.
        command: starts it.
        stdin: its standard input, unless something is typed.
        typed: the whole of its standard input.
        timeout: seconds until the test fails.
        variables: more of the environment.
    """
    return subprocess.run(
        [*command, *arguments],
        stdin=stdin if typed is None else None,
        input=typed,
        capture_output=True,
        env=environment(home, **variables),
        cwd=home,
        start_new_session=True,
        timeout=timeout,
        check=False,
    )


@contextmanager
def piped(
    home: Path,
    *arguments: str,
    stdin: int = subprocess.PIPE,
    variables: Mapping[str, str] = {},
) -> Iterator["subprocess.Popen[bytes]"]:
    """The program in a session of its own, with pipes; killed at the end.

    Args:
        home: its home and working directory.
        arguments: of its command line.
        stdin: its standard input, if it is not a pipe.
        variables: more of the environment.
    """
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home, **variables),
        cwd=home,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def on_a_terminal(
    home: Path,
    *arguments: str,
    timeout: float = PATIENCE,
    variables: Mapping[str, str] = {},
) -> Iterator["pexpect.spawn[bytes]"]:
    """The program on a pty of its own, without a shell; killed at the end.

    Args:
        home: its home and working directory.
        arguments: of its command line.
        timeout: seconds that each expectation may take.
        variables: more of the environment.
    """
    terminal: pexpect.spawn[bytes] = pexpect.spawn(
        PROGRAM[0],
        [*PROGRAM[1:], *arguments],
        env=environment(home, **variables),
        cwd=str(home),
        timeout=timeout,
    )
    try:
        yield terminal
    finally:
        terminal.close(force=True)
