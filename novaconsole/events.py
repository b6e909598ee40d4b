"""What happens, for programs: one JSON object a line, and what stays true of it.

docs/events.schema.json is the contract: names and meanings stay within a version, and
more may come.
"""

import json

VERSION = 1

Fact = str | int | float | bool | None | list[str]


def encode(event: str, facts: dict[str, Fact]) -> str:
    """The line for an event, in ASCII.

    Args:
        event: what it is called.
        facts: what is known of it.
    """
    row = {"version": VERSION, "event": event} | facts
    return json.dumps(row).replace("\x7f", "\\u007f")  # which JSON lets through
