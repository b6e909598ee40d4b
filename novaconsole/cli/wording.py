"""What typer says of a command line, in the words of our own messages."""

import re
from collections.abc import Callable
from typing import Any

from novaconsole.errors import UsageError

_HELP = "try: novaconsole --help"
_BAD_VALUE = re.compile(
    r"Invalid value for (.+?)(?: \(env var: '.+?'\))?: (.*)", re.DOTALL
)
_QUOTED = re.compile(r"'([^']+)'")
_REASONS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(r"(.*) is not a valid float(?: range)?", re.DOTALL),
        lambda found: f"must be a number, not {found[1]}",
    ),
    (
        re.compile(r"(.*) is not a valid int(?:eger)?(?: range)?", re.DOTALL),
        lambda found: f"must be a whole number, not {found[1]}",
    ),
    (
        re.compile(r"(\S+) is not in the range x>=(\S+)"),
        lambda found: f"must be {found[2]} or more, not {found[1].removesuffix('.0')}",
    ),
    (
        re.compile(r"(.*) is not a valid boolean.*", re.DOTALL),
        lambda found: f"must be yes or no, not {found[1]}",
    ),
)
_POSITIVE = ("--timeout", "--connect-timeout")
_NEGATIVE = re.compile(r"\S+ is not in the range x>=0")
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
        return UsageError(
            _bad_value(_source(error) or _name(found[1]), found[2]), _HELP
        )
    if found := _NO_SUCH.fullmatch(text):
        hint = f"try {found[2]}" if found[2] else _HELP
        return UsageError(f"there is no option {found[1]}", hint)
    if found := _NO_VALUE.fullmatch(text):
        return UsageError(f"{found[1]} requires a value", _HELP)
    if found := _SURPLUS_VALUE.fullmatch(text):
        return UsageError(f"{found[1]} takes no value", _HELP)
    if found := _SURPLUS.fullmatch(text):
        return UsageError(f"unexpected argument: {found[1]}", "give only one SERVER")
    return UsageError(text[:1].lower() + text[1:], _HELP)


def _bad_value(name: str, reason: str) -> str:
    if name.split()[0] in _POSITIVE and _NEGATIVE.fullmatch(reason):
        return f"{name} must be more than 0"
    for pattern, words in _REASONS:
        if found := pattern.fullmatch(reason):
            return f"{name} {words(found)}"
    return f"{name}: {reason[:1].lower()}{reason[1:]}"


def _name(names: str) -> str:
    """The long name of an option that typer shows with all of its names."""
    return max(_QUOTED.findall(names), key=len, default=names)


def _source(error: Any) -> str | None:
    """The option and its environment variable, if a bad value is from that."""
    context, parameter = getattr(error, "ctx", None), getattr(error, "param", None)
    if context is None or parameter is None:
        return None
    source = context.get_parameter_source(parameter.name)
    is_variable = getattr(source, "name", "") == "ENVIRONMENT"
    return f"{parameter.opts[-1]} ({parameter.envvar})" if is_variable else None
