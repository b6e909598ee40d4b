"""nova's own serial proxy in front of a Linux guest, started by the lab's scripts.

The scripts are beside the repository, or where $NOVACONSOLE_LAB names them; their
`install` has to have run.  Everything is started on ports and in a directory of its
own, so that another lab may be up at the same time.
"""

import io
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pexpect
import pytest

from support.fake_cloud import without_settings

LAB = Path(
    os.environ.get("NOVACONSOLE_LAB")
    or Path(__file__).parents[3] / "shared" / "lab"  # beside the repository
)
# A guest is emulated, and boots in three seconds on a machine that is not busy.
SECONDS = 90
ASKS_CURSOR, CURSOR = b"\x1b[6n", b"\x1b[5;1R"
PROMPT = rb"root@\S+:~# "


class Light:
    """A guest and the proxy; `url` leads to the guest for an hour."""

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
        """Start everything, and stop it whatever happens."""
        try:
            self.url = self._script(
                *("up", "--ttl", "3600", "--port", str(_free_port())), *self._options
            )
            yield self
        finally:
            self._script("down")

    def expired_url(self) -> str:
        """A URL that was good once."""
        return self._script("token", "--expired")

    def kill_guest(self) -> None:
        """Kill the guest's machine."""
        self._broken = True
        self._script("guest-kill")

    def kill_proxy(self) -> None:
        """Kill the proxy with everything that serves a connection."""
        self._broken = True
        self._script("proxy-kill")

    def mend(self) -> None:
        """Start again what was killed."""
        if self._broken:
            self._script("guest-up")
            self._script("proxy-up")
            self._broken = False

    def _script(self, *argv: str) -> str:
        """Run the lab's script; what it prints."""
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
    """The program on a terminal that answers when it is asked for its cursor."""

    def __init__(self, program: "pexpect.spawn[bytes]") -> None:
        self._program = program
        self._shown = io.BytesIO()
        program.logfile_read = self._shown

    @property
    def shown(self) -> bytes:
        """Everything that came to the terminal."""
        return self._shown.getvalue()

    def type(self, data: bytes) -> None:
        """Press keys."""
        self._program.send(data)

    def expect(self, pattern: bytes) -> bytes:
        """Wait for a pattern; what matched it."""
        while self._program.expect([pattern, b"\x1b\\[6n"]) == 1:
            self.type(CURSOR)
        matched = self._program.after
        assert isinstance(matched, bytes)
        return matched

    def expect_prompt(self) -> None:
        """Wait for the shell; it reads keys only when its question is answered."""
        self.expect(PROMPT)
        self._program.expect_exact(ASKS_CURSOR)
        self.type(CURSOR)

    def log_in(self) -> None:
        """Get a prompt, from a guest that boots, wants a login or has had one."""
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
        """Wait for the program's end; its status."""
        self.expect_end()
        self._program.close()
        return self._program.exitstatus

    def expect_end(self) -> None:
        """Wait until the terminal is closed."""
        self._program.expect(pexpect.EOF)


class Attach:
    """Starts the program; ends it with the test."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, *argv: str) -> Console:
        """On a terminal."""
        program: pexpect.spawn[bytes] = pexpect.spawn(
            sys.executable,
            ["-m", "novaconsole", *argv],
            env=without_settings(os.environ),
            timeout=SECONDS,
        )
        self._stack.callback(program.close, force=True)
        return Console(program)

    def piped(self, *argv: str) -> "subprocess.Popen[bytes]":
        """With pipes."""
        program = subprocess.Popen(
            [sys.executable, "-m", "novaconsole", *argv],
            env=without_settings(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._stack.enter_context(program)
        self._stack.callback(program.kill)
        return program


def _free_port() -> int:
    """A port that nobody has, from where the system does not take its own."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _why_not() -> str | None:
    """Why the lab cannot be used here."""
    if not (LAB / "proxy-only").exists():
        return f"no lab at {LAB}"
    if shutil.which("dpkg-query") is None:
        return "the lab wants Debian"
    status = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status}", "nova-consoleproxy"],
        capture_output=True,
        text=True,
        check=False,
    )
    if status.stdout != "installed":
        return f"nova is not installed; {LAB / 'install'} does it"
    return None


def _directory(factory: pytest.TempPathFactory) -> Path:
    """A directory for a lab, with the guest's image if there is one already."""
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
    """The same behind TLS, with a certificate that only its own CA vouches for."""
    if reason := _why_not():
        pytest.skip(reason)
    with Light(_directory(tmp_path_factory), "--tls").running() as light:
        yield light


@pytest.fixture
def attach() -> Iterator[Attach]:
    """Starts novaconsole."""
    with ExitStack() as stack:
        yield Attach(stack)
