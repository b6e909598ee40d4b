"""Runs the program as a user does, and checks what holds for every run."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pexpect

import support.fake_cloud as fake
from support.fake_cloud import write_clouds

PROGRAM = [sys.executable, "-m", "novaconsole"]
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
        self.environment = fake.without_settings(os.environ) | {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
        }

    def configure(self, **clouds: dict[str, object]) -> None:
        path = write_clouds(self.home / "my-clouds.yaml", **clouds)
        self.environment["OS_CLIENT_CONFIG_FILE"] = str(path)

    def __call__(
        self, *argv: str, env: Mapping[str, str] = {}, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*PROGRAM, *argv],
            env=self.environment | dict(env),
            cwd=self.home,
            input=typed,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        foreign = [
            line
            for line in done.stderr.splitlines()
            if not line.startswith("novaconsole: ")
        ]
        assert not foreign
        assert not [s for s in (*fake.SECRETS, TOKEN) if s in done.stdout + done.stderr]
        return done

    def popen(self, *argv: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*PROGRAM, *argv],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def on_a_terminal(self, *argv: str) -> "pexpect.spawn[bytes]":
        return pexpect.spawn(
            PROGRAM[0],
            [*PROGRAM[1:], *argv],
            env=self.environment,
            cwd=str(self.home),
            timeout=SECONDS,
        )


def assert_wrong_usage(done: subprocess.CompletedProcess[str], says: str) -> None:
    """Status 2, and one line, perhaps with a hint after it."""
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 2
    assert says in lines[0]
