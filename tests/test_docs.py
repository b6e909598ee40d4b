"""README and manual page say what the program's own tables say."""

import importlib.util
from pathlib import Path

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


def test_the_manual_page_is_up_to_date() -> None:
    script = ROOT / "docs" / "manual.py"
    spec = importlib.util.spec_from_file_location("manual", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert module.manual() == (ROOT / "docs" / "novaconsole.1").read_text()
