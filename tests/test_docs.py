"""The documents agree with the program: tables, commands, paths, names, examples.

The checks are in `support/documents.py`, and those of the tables here.
"""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from novaconsole.console.outcome import EXIT_STATUSES
from novaconsole.session.escapes import ESCAPES
from support import guests
from support.documents import (
    PACKAGE,
    ROOT,
    code_spans,
    commands,
    missing_names,
    missing_paths,
    missing_quotes,
    rows,
    section,
    wrong_commands,
)
from support.events import SCHEMA
from support.fake_cloud import FakeCloud, write_clouds
from support.program import without_settings
from test_layers import MAY_IMPORT, VOCABULARY

DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md"),
    *("docs/architecture.md", "docs/api.md", "docs/json.md", "docs/no-network.md"),
)
README = (ROOT / "README.md").read_text()
NO_NETWORK = (ROOT / "docs" / "no-network.md").read_text()
GUIDE = (ROOT / "docs" / "api.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


# ---- tables


def wrong_escapes(text: str) -> list[str]:
    shown = rows(section(text, "## Escapes"))
    escapes = [(f"`~{each.shown or '~'}`", each.meaning) for each in ESCAPES]
    return [] if shown == escapes else [f"{shown} is not {escapes}"]


def wrong_statuses(text: str) -> list[str]:
    shown = rows(section(text, "## Exit status"))
    return [] if shown == [*EXIT_STATUSES] else [f"{shown} is not {EXIT_STATUSES}"]


def wrong_imports(text: str) -> list[str]:
    """Where the table of imports is not the one that the tests enforce."""
    shown = {
        wing.strip("`"): set(code_spans(allowed))
        for wing, allowed in rows(section(text, "## What may import what"))
    }
    enforced = {wing: allowed - VOCABULARY for wing, allowed in MAY_IMPORT.items()}
    return [
        f"{wing}: {shown.get(wing)} is not {enforced.get(wing)}"
        for wing in sorted({*shown, *enforced})
        if shown.get(wing) != enforced.get(wing)
    ]


def wrong_tree(text: str) -> list[str]:
    """Which wings and files at the top are missing in the tree, or not there."""
    shown = set(re.findall(r"^  (\w\S*)  ", section(text, "## The tree"), re.MULTILINE))
    there = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    there |= {path.name for path in PACKAGE.glob("*.py")}
    return sorted(shown ^ there)


# ---- the documents


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the developer's changes what a command means."""
    for name in {*os.environ} - {*without_settings(os.environ)}:
        monkeypatch.delenv(name)


def test_readme_has_the_programs_table_of_escapes() -> None:
    assert wrong_escapes(README) == []


def test_readme_has_the_programs_table_of_exit_statuses() -> None:
    assert wrong_statuses(README) == []


def test_readme_quotes_what_the_program_says() -> None:
    assert missing_quotes(README) == []


def test_the_architecture_has_the_table_of_imports_that_the_tests_enforce() -> None:
    assert wrong_imports(ARCHITECTURE) == []


def test_the_architecture_shows_every_wing() -> None:
    assert wrong_tree(ARCHITECTURE) == []


def test_the_names_in_the_architecture_are_in_the_code() -> None:
    assert missing_names(ARCHITECTURE) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_in_the_documents_exists(document: str) -> None:
    assert missing_paths((ROOT / document).read_text()) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_in_the_documents_is_valid(document: str) -> None:
    assert wrong_commands((ROOT / document).read_text()) == []


def test_the_documents_are_read_to_their_ends() -> None:
    """A reader of Markdown that finds nothing would say that all is well."""
    found = {tuple(command[:2]) for command in commands(README)}
    assert found >= {
        ("novaconsole", "--demo"),
        ("novaconsole", "my-server"),
        ("novaconsole", "--proxy"),
        ("novaconsole", "-e@"),
        (".venv/bin/python", "-bb"),
    }
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert ["python", "docs/manual.py"] in [*commands(contributing)]


@pytest.mark.parametrize(
    ("check", "document", "right", "wrong"),
    [
        (wrong_escapes, "README.md", "| `~R` |", "| `~r` |"),
        (wrong_escapes, "README.md", "| show fewer mess", "| show less mess"),
        (wrong_statuses, "README.md", "| 124 |", "| 125 |"),
        (missing_quotes, "README.md", '"Target closed"', '"Target is closed"'),
        (missing_quotes, "README.md", "has just\nmoved", "has just\ngone"),
        (missing_quotes, "README.md", "is SHUTOFF, not", "is SHUTOFF and not"),
        (
            wrong_imports,
            "docs/architecture.md",
            "| `guest` | `vt` |",
            "| `guest` | none |",
        ),
        (wrong_imports, "docs/architecture.md", "| `vt` | none |", ""),
        (wrong_tree, "docs/architecture.md", "  capture/ ", "  captured/ "),
        (wrong_tree, "docs/architecture.md", "  events.py ", "  event.py  "),
        (missing_names, "docs/architecture.md", "`send_typed`", "`send_keys`"),
        (missing_names, "docs/architecture.md", "─ read_output ", "─ show_output "),
        (missing_names, "docs/architecture.md", "`Display.show`", "`Display.draw_it`"),
        (missing_paths, "docs/architecture.md", "`vt/modes.py`", "`vt/mode.py`"),
        (missing_paths, "docs/architecture.md", "../CONTRIBUTING", "../HACKING"),
        (missing_paths, "CONTRIBUTING.md", "`tests/lab`", "`tests/labs`"),
        (missing_paths, "CONTRIBUTING.md", "`.ci/run`", "`.ci/all`"),
        (missing_paths, "README.md", "](docs/json.md)", "](docs/jason.md)"),
        (wrong_commands, "README.md", "--wait --reconnect", "--wait --recconect"),
        (wrong_commands, "README.md", "`--log-plain`", "`--log-text`"),
        (wrong_commands, "README.md", "--timeout 300", "--timeout soon"),
        (wrong_commands, "README.md", "--check my-server", "--check --demo"),
        (wrong_commands, "README.md", "novaconsole -e@ my", "novaconsole -a@ my"),
        (wrong_commands, "README.md", "--group dev", "--group development"),
        (
            wrong_commands,
            "README.md",
            "`pip install '.[socks]'",
            "`pip install '.[sacks]'",
        ),
        (wrong_commands, "README.md", "    pipx install .", "    pipy install ."),
        (wrong_commands, "CONTRIBUTING.md", "docs/manual.py", "docs/man.py"),
        (wrong_commands, "CONTRIBUTING.md", "pytest tests/vt ", "pytest tests/vty "),
        (wrong_commands, "CONTRIBUTING.md", "=tests/e2e", "=tests/e3e"),
        (wrong_commands, "CONTRIBUTING.md", "profile=long", "profile=short"),
        (wrong_commands, "CONTRIBUTING.md", "bench/run.py", "bench/run.py --fast"),
        (wrong_commands, "CONTRIBUTING.md", "codespell &&", "spellcode &&"),
        (wrong_commands, "docs/json.md", "--json -q", "--json -q -v"),
        (wrong_commands, "docs/no-network.md", "--stdin $(", "--stdio $("),
        (
            wrong_commands,
            "docs/no-network.md",
            "NOVACONSOLE_LOGIN",
            "NOVACONSOLE_LOGON",
        ),
        (wrong_commands, "docs/no-network.md", "-i my-server <", "-u my-server <"),
    ],
)
def test_a_planted_fault_is_found(
    check: Callable[[str], list[str]], document: str, right: str, wrong: str
) -> None:
    text = (ROOT / document).read_text()
    assert right in text
    assert check(text.replace(right, wrong, 1)) != []


# ---- what is made


def script(name: str) -> ModuleType:
    """A script in docs/ that generates a part of the documentation."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_manual_page_is_up_to_date() -> None:
    assert script("manual").manual() == (ROOT / "docs" / "novaconsole.1").read_text()


def words_of_picture(name: str) -> str:
    """What a picture says, which is what its recording shows at the end."""
    svg = (ROOT / "docs" / f"{name}.svg").read_text()
    made = script("picture").picture(ROOT / "docs" / f"{name}.cast")

    # The drawing may change with rich; the text may not.
    text = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert text == re.findall(r"<text[^>]*>([^<]*)</text>", made)
    return "\n".join(text).replace("&#160;", " ")


def test_the_picture_in_readme_shows_the_recorded_session() -> None:
    assert "](docs/session.svg)" in README
    words = words_of_picture("session")
    assert "$ novaconsole my-server" in words
    assert "novaconsole: disconnected from my-server" in words
    assert set(re.findall(r"token=([^)]*)", words)) == {"***"}


def test_the_picture_of_ssh_shows_the_recorded_session() -> None:
    assert "](no-network.svg)" in NO_NETWORK
    words = words_of_picture("no-network")
    assert "$ scp backup.tar my-server.console:" in words
    assert "$ ssh my-server.console" in words
    assert len(set(re.findall(r"[0-9a-f]{32}", words))) == 1


@pytest.mark.parametrize("name", ["session", "no-network"])
def test_a_picture_loads_nothing_from_elsewhere(name: str) -> None:
    svg = (ROOT / "docs" / f"{name}.svg").read_text()
    # The name of the namespace, which is not fetched.
    assert set(re.findall(r"https?://[^\"<]*", svg)) == {"http://www.w3.org/2000/svg"}
    assert all(place.startswith("#") for place in re.findall(r"url\(([^)]*)", svg))
    assert "@import" not in svg
    assert "href" not in svg


def test_every_event_and_its_fields_are_documented() -> None:
    documented = (ROOT / "docs" / "json.md").read_text()
    for event in SCHEMA["oneOf"]:
        name = event["properties"]["event"]["const"]
        (row,) = re.findall(rf"^\| `{name}` \|.*$", documented, re.MULTILINE)
        for field in set(event["required"]) - {"version", "event"}:
            assert f"`{field}`" in row


EXAMPLES = re.findall(r"^```python\n([^`]*)^```", GUIDE, re.MULTILINE)
PRINTED = (
    r"load: \d+\.\d+\n",
    r"1 b'cat: /etc/missing: No such file or directory\\n'\n",
    r"9\n10\nstatus: 0\n",
    r"error: no server 'no-such-server' in this project; did you mean .*\n",
    r"my-second-server: 'login: '\nmy-server: 'login: '\n",
    r"my-server is up\n",
)


@pytest.mark.parametrize("number", range(len(PRINTED)))
def test_the_examples_of_the_guide_work(
    cloud: FakeCloud, tmp_path: Path, number: int
) -> None:
    assert len(EXAMPLES) == len(PRINTED)
    path = write_clouds(tmp_path / "clouds.yaml", prod=cloud.config())
    cloud.add("my-server")
    cloud.add("my-second-server")
    with guests.login_over_websocket() as url:
        cloud.console_url = url
        done = subprocess.run(
            [sys.executable, "-W", "ignore:::openstack", "-c", EXAMPLES[number]],
            env=without_settings(os.environ) | {"OS_CLIENT_CONFIG_FILE": str(path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stderr == ""
    assert re.fullmatch(PRINTED[number], done.stdout), done.stdout
