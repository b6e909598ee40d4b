"""The program as it is installed: version, completion, and what it loads."""

import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import novaconsole
from cli.runner import SECONDS, Runner
from novaconsole import __main__
from support.fake_cloud import FakeCloud


def test_version_goes_to_standard_output(run: Runner) -> None:
    done = run("--version")

    assert done.returncode == 0
    assert done.stdout == f"novaconsole {novaconsole.__version__}\n"
    assert done.stderr == ""


def test_the_installed_command_is_the_same_program() -> None:
    (entry,) = entry_points(group="console_scripts", name="novaconsole")

    assert entry.load() is __main__.main


INTERRUPTED_IMPORT = """
import sys

interrupted = sys.argv[1]

class Interrupt:
    def find_spec(self, name, *_):
        if name == interrupted:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from novaconsole.__main__ import main
sys.argv[1:] = ["--url", "ws://127.0.0.1:9/"]
main()
"""


@pytest.mark.parametrize("module", ["typer", "novaconsole.cli.app", "trio"])
def test_ctrl_c_during_an_import_is_quiet(run: Runner, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT, module],
        env=run.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("argv", "not_imported"),
    [
        (["--help"], ["trio", "openstack"]),
        (["--version"], ["trio", "openstack"]),
        (["--url"], ["openstack", "requests"]),
    ],
)
def test_only_what_is_needed_is_imported(
    run: Runner, cloud: FakeCloud, argv: list[str], not_imported: list[str]
) -> None:
    if argv == ["--url"]:
        argv = ["--url", cloud.console_url]

    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "novaconsole", *argv],
        env=run.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "novaconsole.cli.app" in modules
    assert not modules & set(not_imported)


# ---- completion


@dataclass
class Bash:
    """Completes as bash does, with the script that the program itself gives."""

    run: Runner
    directory: Path

    @cached_property
    def script(self) -> str:
        return self.run(env={"_NOVACONSOLE_COMPLETE": "source_bash"}).stdout

    def __call__(self, *words: str) -> tuple[list[str], str]:
        """Return what is offered for the last word, and standard error."""
        function = re.search(r"complete .*-F (\w+) novaconsole", self.script)
        assert function
        quoted = " ".join(f"'{word}'" for word in ("novaconsole", *words))
        done = subprocess.run(
            ["bash", "--norc"],
            input=(
                f"{self.script}\nCOMP_WORDS=({quoted}) COMP_CWORD={len(words)}\n"
                f"{function[1]} novaconsole '{words[-1]}' '{words[-2:-1]}'\n"
                'printf "%s\\n" "${COMPREPLY[@]}"\n'
            ),
            env=self.run.environment
            | {"PATH": f"{self.directory}:{self.run.environment['PATH']}"},
            cwd=self.run.home,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        return [line for line in done.stdout.splitlines() if line], done.stderr


@pytest.fixture
def bash(run: Runner, tmp_path: Path) -> Bash:
    directory = tmp_path / "bin"
    directory.mkdir()
    command = directory / "novaconsole"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m novaconsole "$@"\n')
    command.chmod(0o755)
    return Bash(run, directory)


@pytest.mark.parametrize("option", ["--cloud", "--os-cloud"])
def test_cloud_names_complete(
    run: Runner, cloud: FakeCloud, bash: Bash, option: str
) -> None:
    entry = cloud.config()
    run.configure(production=entry, preview=entry, fake=entry)

    assert bash(option, "pr") == (["preview", "production"], "")
    assert bash(option, "") == (["fake", "preview", "production"], "")
    assert not cloud.requests


def test_without_a_clouds_yaml_no_cloud_name_completes(bash: Bash) -> None:
    assert bash("--cloud", "") == ([], "")


def test_server_names_complete(run: Runner, cloud: FakeCloud, bash: Bash) -> None:
    for name in ("web1", "web2", "Web3", "db"):
        cloud.add(name)
    run.configure(fake=cloud.config(), other=cloud.config(auth={}))

    assert bash("--cloud", "fake", "we") == (["web1", "web2"], "")
    assert bash("--cloud", "fake", "") == (["Web3", "db", "vm", "web1", "web2"], "")
    assert bash("--cloud", "fake", "nope") == ([], "")
    run.environment["NOVACONSOLE_CLOUD"] = "fake"
    assert bash("web2") == (["web2"], "")


def test_options_complete_by_their_long_names(bash: Bash) -> None:
    assert bash("--cl") == (["--cloud", "--close-wait"], "")


def test_a_completion_that_fails_offers_nothing_and_prints_nothing(
    run: Runner, cloud: FakeCloud, bash: Bash
) -> None:
    run.configure(fake=cloud.config(auth=cloud.auth(password="wrong")))

    assert bash("--cloud", "fake", "") == ([], "")
    assert bash("--cloud", "unknown", "") == ([], "")
    (run.home / "my-clouds.yaml").write_text("clouds: {broken: [")
    assert bash("--cloud", "") == ([], "")
    assert bash("--cloud", "broken", "") == ([], "")


@pytest.mark.parametrize(("shell", "form"), [("zsh", '"{}"'), ("fish", "{}")])
def test_server_names_complete_in_other_shells(
    run: Runner, cloud: FakeCloud, shell: str, form: str
) -> None:
    done = run(
        env={
            "_NOVACONSOLE_COMPLETE": f"complete_{shell}",
            "_TYPER_COMPLETE_ARGS": "novaconsole --cloud fake v",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
    )

    assert form.format("vm") in done.stdout
    assert done.returncode == 0
