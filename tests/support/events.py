"""What --json promises, as docs/events.schema.json has it."""

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "events.schema.json").read_text()
)
_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def assert_valid_event(row: dict[str, Any]) -> None:
    """Fails with what is wrong of it; a fact that is not documented is wrong, too."""
    _VALIDATOR.validate(row)
