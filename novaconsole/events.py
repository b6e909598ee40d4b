"""The events of --json: one JSON object a line.

docs/events.schema.json is the contract with programs that read them.  Within a version,
an event keeps its name and a field its meaning; new events and fields may be added.
"""

import json

VERSION = 1

Field = str | int | float | bool | None | list[str]


def encode(event: str, fields: dict[str, Field]) -> str:
    """Encode an event as a line of ASCII, without the line end.

    Args:
        event: its name.
        fields: what is known about it.
    """
    row = {"version": VERSION, "event": event} | fields
    return json.dumps(row).replace("\x7f", "\\u007f")  # json leaves DEL unescaped
