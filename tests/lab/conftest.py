"""nova's own serial proxy in front of a Linux guest, started by the lab's scripts.

The scripts are beside the repository, or in the directory $NOVACONSOLE_LAB; their
`install` must have run.  Everything uses ports and a directory of its own, so that
another lab may be up at the same time.
"""

import io
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pexpect
import pytest

from support.program import on_a_terminal, piped, without_settings

LAB = Path(
    os.environ.get("NOVACONSOLE_LAB")
    or Path(__file__).parents[3] / "shared" / "lab"  # beside the repository
)
# The guest is emulated; it boots in three seconds on an idle machine.
SECONDS = 90
ASKS_CURSOR, CURSOR = b"\x1b[6n", b"\x1b[5;1R"
PROMPT = rb"root@\S+:~# "


class Light:
    """A guest and the proxy; `url` leads to the guest and is valid for an hour."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self._options = options
        self._environment = without_settings(os.environ) | {
            "LAB_RUN": str(directory),
            "serial_port": str(_free_port()),
        }
        self._broken = False
        self.url = ""

    @property
    def ca(self) -> Path:
        """The authority of the proxy's certificate."""
        return self.directory / "tls" / "ca.crt"

    @contextmanager
    def running(self) -> Iterator["Light"]:
        """Start everything, and stop it at the end in any case."""
        try:
            self.url = self._script(
                *("up", "--ttl", "3600", "--port", str(_free_port())), *self._options
            )
            yield self
        finally:
            self._script("down")

    def expired_url(self) -> str:
        """A URL whose token has expired."""
        return self._script("token", "--expired")

    def kill_guest(self) -> None:
        """Kill the guest's virtual machine."""
        self._broken = True
        self._script("guest-kill")

    def kill_proxy(self) -> None:
        """Kill the proxy and the processes of its connections."""
        self._broken = True
        self._script("proxy-kill")

    def mend(self) -> None:
        """Start again what was killed."""
        if self._broken:
            self._script("guest-up")
            self._script("proxy-up")
            self._broken = False

    def _script(self, *argv: str) -> str:
        """Run the lab's script; returns what it prints."""
        done = subprocess.run(
            [LAB / "proxy-only", *argv],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


class Console:
    """The program on a terminal that reports its cursor when asked."""

    def __init__(self, program: "pexpect.spawn[bytes]") -> None:
        self._program = program
        self._shown = io.BytesIO()
        program.logfile_read = self._shown

    @property
    def shown(self) -> bytes:
        """All output to the terminal."""
        return self._shown.getvalue()

    def type(self, data: bytes) -> None:
        """Press keys."""
        self._program.send(data)

    def expect(self, pattern: bytes) -> bytes:
        """Wait for a pattern; returns what matched it."""
        while self._program.expect([pattern, b"\x1b\\[6n"]) == 1:
            self.type(CURSOR)
        matched = self._program.after
        assert isinstance(matched, bytes)
        return matched

    def expect_prompt(self) -> None:
        """Wait for the shell, which asks for the cursor before it reads keys."""
        self.expect(PROMPT)
        self._program.expect_exact(ASKS_CURSOR)
        self.type(CURSOR)

    def log_in(self) -> None:
        """Get a prompt, whether the guest is booting, at its login or logged in."""
        self.expect(rb"disconnect\r\n")
        self.type(b"\r")
        if self.expect(rb"login: |" + PROMPT).endswith(b"login: "):
            self.type(b"root\r")
            self.expect(b"Password: ")
            self.type(b"lab\r")
            self.expect(PROMPT)
        self._program.expect_exact(ASKS_CURSOR)
        self.type(CURSOR)

    def wait(self) -> int | None:
        """Wait for the program's end; returns its status."""
        self.expect_end()
        self._program.close()
        return self._program.exitstatus

    def expect_end(self) -> None:
        """Wait until the terminal is closed."""
        self._program.expect(pexpect.EOF)


class Attach:
    """Starts the program; ends it with the test.

    Args:
        home: its home and working directory.
        stack: closed at the end of the test.
    """

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self._home, self._stack = home, stack

    def __call__(self, *argv: str) -> Console:
        """Start it on a terminal."""
        started = on_a_terminal(self._home, *argv, timeout=SECONDS)
        return Console(self._stack.enter_context(started))

    def piped(self, *argv: str) -> "subprocess.Popen[bytes]":
        """Start it with pipes."""
        return self._stack.enter_context(piped(self._home, *argv))


def _free_port() -> int:
    """An unused port outside the range from which the kernel picks its own."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _why_not() -> str | None:
    """Why the lab cannot be used here, or None if it can."""
    if not (LAB / "proxy-only").exists():
        return f"no lab at {LAB}"
    if shutil.which("dpkg-query") is None:
        return "the lab requires Debian"
    status = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status}", "nova-consoleproxy"],
        capture_output=True,
        text=True,
        check=False,
    )
    if status.stdout != "installed":
        return f"nova is not installed; {LAB / 'install'} installs it"
    return None


def _directory(factory: pytest.TempPathFactory) -> Path:
    """A directory for a lab, with the guest's image if it has been built already."""
    directory = factory.mktemp("lab")
    built = Path(os.environ.get("LAB_RUN") or LAB / "run") / "guest"
    if (built / "vmlinuz").exists():
        shutil.copytree(built, directory / "guest")
    return directory


@pytest.fixture(scope="session")
def _light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Light]:
    if reason := _why_not():
        pytest.skip(reason)
    with Light(_directory(tmp_path_factory)).running() as light:
        yield light


@pytest.fixture
def light(_light: Light) -> Iterator[Light]:
    """The proxy and its guest, both running."""
    yield _light
    _light.mend()


@pytest.fixture(scope="session")
def light_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Light]:
    """The same behind TLS, with a certificate from an authority of its own."""
    if reason := _why_not():
        pytest.skip(reason)
    with Light(_directory(tmp_path_factory), "--tls").running() as light:
        yield light


@pytest.fixture
def attach(tmp_path: Path) -> Iterator[Attach]:
    """Starts novaconsole."""
    with ExitStack() as stack:
        yield Attach(tmp_path, stack)
