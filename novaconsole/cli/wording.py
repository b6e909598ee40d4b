"""What typer says of a command line, in the words of our own messages.

Values are read by `cli/values.py`, which has messages of its own.
"""

import re
from difflib import SequenceMatcher
from typing import Any

from novaconsole.errors import UsageError

_LIKENESS = 0.7  # of a suggestion to what was typed, from 0 to 1
_HELP = "try: novaconsole --help"
_BAD_VALUE = re.compile(
    r"Invalid value for (.+?)(?: \(env var: '.+?'\))?: (.*)", re.DOTALL
)
_QUOTED = re.compile(r"'([^']+)'")
_NO_SUCH = re.compile(
    r"No such option:? '?(-[^\s']*)'?\.?"
    r"(?: ?\(?(?:Did you mean|Possible options:) (.*?)\??\)?)?"
)
_NO_VALUE = re.compile(r"Option '(.+)' requires (?:an argument|(\d+) arguments)")
_SURPLUS_VALUE = re.compile(r"Option '(.+)' does not take a value")
_SURPLUS = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", re.DOTALL)


def usage_error(error: Any) -> UsageError:
    """Return our error for one of typer's.

    Args:
        error: typer's exception.
    """
    text = str(error.format_message()).removesuffix(".")
    if found := _BAD_VALUE.fullmatch(text):
        reason = f"{found[2][:1].lower()}{found[2][1:]}"
        return UsageError(f"{_name(found[1])}: {reason}", _HELP)
    if found := _NO_SUCH.fullmatch(text):
        near = _near(found[1], found[2] or "")
        hint = f"try {' or '.join(near)}" if near else _HELP
        return UsageError(f"there is no option {found[1]}", hint)
    if found := _NO_VALUE.fullmatch(text):
        return UsageError(f"{found[1]} requires a value", _HELP)
    if found := _SURPLUS_VALUE.fullmatch(text):
        return UsageError(f"{found[1]} takes no value", _HELP)
    if found := _SURPLUS.fullmatch(text):
        return UsageError(f"unexpected argument: {found[1]}", "give only one SERVER")
    return UsageError(text[:1].lower() + text[1:], _HELP)


def _near(given: str, suggested: str) -> list[str]:
    """Those of typer's suggestions that may be meant; it finds `--log` in `--foo`."""
    name = given.strip("-")
    return [
        option
        for option in suggested.split(", ")
        if len(name) > 1
        and (
            option.strip("-").startswith(name)
            or SequenceMatcher(None, name, option.strip("-")).ratio() >= _LIKENESS
        )
    ]


def _name(names: str) -> str:
    """The long name of an option that typer shows with all of its names."""
    return max(_QUOTED.findall(names), key=len, default=names)
