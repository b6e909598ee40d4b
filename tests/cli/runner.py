"""Runs the program in a home of its own, and checks what holds for every run."""

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pexpect

import support.fake_cloud as fake
from support import program
from support.fake_cloud import write_clouds

TOKEN = "33334444-token-of-a-url"
URL = f"ws://127.0.0.1:9/?token={TOKEN}"
# Starting Python and openstacksdk takes a second where the machine is busy.
SECONDS = 30


@dataclass
class Runner:
    """Runs the program in an empty home directory."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environment = program.environment(self.home)

    def configure(self, **clouds: dict[str, object]) -> None:
        path = write_clouds(self.home / "my-clouds.yaml", **clouds)
        self.environment["OS_CLIENT_CONFIG_FILE"] = str(path)

    def __call__(
        self, *argv: str, env: Mapping[str, str] = {}, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        done = self.with_command(program.PROGRAM, *argv, env=env, typed=typed)
        foreign = [
            line
            for line in done.stderr.splitlines()
            if not line.startswith("novaconsole: ")
        ]
        assert not foreign
        assert not [s for s in (*fake.SECRETS, TOKEN) if s in done.stdout + done.stderr]
        return done

    def with_command(
        self,
        command: Sequence[str],
        *argv: str,
        env: Mapping[str, str] = {},
        typed: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run the program by another command than the usual; nothing is checked."""
        done = program.run(
            self.home,
            *argv,
            command=command,
            typed=typed.encode(),
            timeout=SECONDS,
            variables=self.environment | dict(env),
        )
        out, err = (
            stream.decode().replace("\r\n", "\n")
            for stream in (done.stdout, done.stderr)
        )
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def piped(self, *argv: str) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        """Run the program with pipes."""
        return program.piped(self.home, *argv, variables=self.environment)

    def on_a_terminal(
        self, *argv: str
    ) -> AbstractContextManager["pexpect.spawn[bytes]"]:
        """Run the program on a pty of its own."""
        return program.on_a_terminal(
            self.home, *argv, timeout=SECONDS, variables=self.environment
        )


def assert_wrong_usage(done: subprocess.CompletedProcess[str], says: str) -> None:
    """Status 2, and one line, perhaps with a hint after it."""
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 2
    assert says in lines[0]
