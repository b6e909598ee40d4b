"""README and manual page agree with the program's tables; the examples work."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from novaconsole.console.outcome import EXIT_STATUSES
from novaconsole.session.escapes import ESCAPES, Escape
from support import guests
from support.events import SCHEMA
from support.fake_cloud import FakeCloud, write_clouds
from support.program import without_settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs" / "api.md").read_text()


@pytest.mark.parametrize("escape", ESCAPES, ids=lambda escape: escape.shown or "~")
def test_readme_lists_every_escape_in_the_words_of_the_program(escape: Escape) -> None:
    assert f"| `~{escape.shown or '~'}` | {escape.meaning} |" in README


@pytest.mark.parametrize(("status", "meaning"), EXIT_STATUSES)
def test_readme_lists_every_exit_status(status: str, meaning: str) -> None:
    assert f"| {status} | {meaning} |" in README


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


def test_the_picture_shows_the_recorded_session() -> None:
    svg = (ROOT / "docs" / "session.svg").read_text()
    made = script("picture").picture(ROOT / "docs" / "session.cast")
    assert "](docs/session.svg)" in README

    # The drawing may change with rich; the text may not.
    text = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert text == re.findall(r"<text[^>]*>([^<]*)</text>", made)
    words = "\n".join(text).replace("&#160;", " ")
    assert "$ novaconsole my-server" in words
    assert "novaconsole: disconnected from my-server" in words
    assert set(re.findall(r"token=([^)]*)", words)) == {"***"}


def test_the_picture_loads_nothing_from_elsewhere() -> None:
    svg = (ROOT / "docs" / "session.svg").read_text()
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
