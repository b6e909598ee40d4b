"""README and manual page say what the program's own tables say; examples work."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import guests
from events import SCHEMA
from fake_cloud import FakeCloud, without_settings, write_clouds
from novaconsole.ending import EXIT_STATUSES
from novaconsole.escape import ESCAPES, Escape

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs" / "api.md").read_text()


@pytest.mark.parametrize("escape", ESCAPES, ids=lambda escape: escape.shown or "~")
def test_readme_lists_every_escape_in_the_words_of_the_program(escape: Escape) -> None:
    assert f"| `~{escape.shown or '~'}` | {escape.meaning} |" in README


@pytest.mark.parametrize(("status", "meaning"), EXIT_STATUSES)
def test_readme_lists_every_exit_status(status: str, meaning: str) -> None:
    assert f"| {status} | {meaning} |" in README


def test_the_manual_page_is_up_to_date() -> None:
    script = ROOT / "docs" / "manual.py"
    spec = importlib.util.spec_from_file_location("manual", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert module.manual() == (ROOT / "docs" / "novaconsole.1").read_text()


def test_every_event_and_its_facts_are_documented() -> None:
    documented = (ROOT / "docs" / "json.md").read_text()
    for event in SCHEMA["oneOf"]:
        name = event["properties"]["event"]["const"]
        (row,) = re.findall(rf"^\| `{name}` \|.*$", documented, re.MULTILINE)
        for fact in set(event["required"]) - {"version", "event"}:
            assert f"`{fact}`" in row


EXAMPLES = re.findall(r"^```python\n([^`]*)^```", GUIDE, re.MULTILINE)
PRINTED = (
    r"load: \d+\.\d+\n",
    r"1 b'cat: /etc/missing: No such file or directory\\n'\n",
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
