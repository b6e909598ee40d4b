"""README and manual page say what the program's own tables say."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from novaconsole.ending import EXIT_STATUSES
from novaconsole.escape import ESCAPES, Escape

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("escape", ESCAPES, ids=lambda escape: escape.shown or "~")
def test_readme_lists_every_escape_in_the_words_of_the_program(escape: Escape) -> None:
    assert f"| `~{escape.shown or '~'}` | {escape.meaning} |" in README


@pytest.mark.parametrize(("status", "meaning"), EXIT_STATUSES)
def test_readme_lists_every_exit_status(status: str, meaning: str) -> None:
    assert f"| {status} | {meaning} |" in README


def script(name: str) -> ModuleType:
    """A script beside the documentation that makes a part of it."""
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

    # How rich draws it may change; what is to be read may not.
    text = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert text == re.findall(r"<text[^>]*>([^<]*)</text>", made)
    words = "\n".join(text).replace("&#160;", " ")
    assert "$ novaconsole my-server" in words
    assert "novaconsole: disconnected from my-server" in words
    assert set(re.findall(r"token=([^)]*)", words)) == {"***"}


def test_the_picture_fetches_nothing() -> None:
    svg = (ROOT / "docs" / "session.svg").read_text()
    # A name, not an address.
    assert set(re.findall(r"https?://[^\"<]*", svg)) == {"http://www.w3.org/2000/svg"}
    assert all(place.startswith("#") for place in re.findall(r"url\(([^)]*)", svg))
    assert "@import" not in svg
    assert "href" not in svg
