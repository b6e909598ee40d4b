"""The events of --json, checked against docs/events.schema.json."""

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "events.schema.json").read_text()
)
_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def assert_valid_event(row: dict[str, Any]) -> None:
    """Check an event against the schema, which allows no undocumented field."""
    _VALIDATOR.validate(row)
