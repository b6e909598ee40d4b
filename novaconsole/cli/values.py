"""The values of options: words of the command line and the environment, converted.

typer converts values as well, but loads pydantic for it from 0.29 on, which makes the
start half as long again and takes 9 MB.  Here it is a few lines, and a value that is
wrong is explained in the words of the rest of the program.
"""

import functools
import math
import os
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from novaconsole.errors import UsageError

# What `-` stands for.  No file can have this name; `./-` is a file.
STANDARD_STREAM = Path("\0")
_STREAMS = {"log", "record", "password_file"}
_TRUE = {"1", "true", "t", "yes", "y", "on"}
_FALSE = {"0", "false", "f", "no", "n", "off"}
_POSITIVE = {"timeout", "connect_timeout"}
_HELP = "try: novaconsole --help"
_FROM_ENVIRONMENT = "novaconsole.from_environment"
# Their bytes are passed on as they are; a file's name may have any.
_ANY_BYTES = {"header", "origin", "login", "run", "proxy"}


def variable(name: str) -> str:
    """Return the environment variable of an option.

    Args:
        name: of its field in `Options`.
    """
    return f"NOVACONSOLE_{name.upper()}"


def shown(name: str, given: frozenset[str] = frozenset()) -> str:
    """Return an option as messages name it: with its variable, if that gave it.

    Args:
        name: of its field in `Options`.
        given: the names of the options that variables gave.
    """
    if name == "server":
        return "SERVER"
    option = f"--{name.replace('_', '-')}"
    return f"{option} ({variable(name)})" if name in given else option


def reader(parameter: Any, kinds: dict[str, type]) -> Callable[[Any, Any], Any]:
    """Return what reads the value of one of typer's parameters, in place of typer.

    Args:
        parameter: of which typer knows names, default and callback.
        kinds: the types of the fields of `Options`.
    """
    name = parameter.name or ""

    def read(context: Any, value: Any) -> Any:
        source = context.get_parameter_source(name)
        given = context.meta.setdefault(_FROM_ENVIRONMENT, set())
        if source is not None and source.name == "ENVIRONMENT":
            given.add(name)
        if parameter.multiple and not value:
            # A line for each value, which typer cannot split.
            value = tuple(os.environ.get(variable(name), "").splitlines())
            if value:
                given.add(name)
        value = _converted(name, kinds.get(name, str), value, frozenset(given))
        if parameter.callback is not None:
            value = parameter.callback(context, parameter, value)
        return value

    return read


def source(name: str, given: frozenset[str]) -> str | None:
    """Return an option with its variable, if that gave it, or else None.

    Args:
        name: of its field in `Options`.
        given: the names of the options that variables gave.
    """
    return shown(name, given) if name in given else None


@contextmanager
def naming(source: str | None) -> Iterator[None]:
    """Name the variable that gave a value, if that value is refused.

    Args:
        source: the option with its variable, or None if it was not given by that.
    """
    try:
        yield
    except UsageError as exc:
        exc.blame(source)
        raise


def from_environment(context: Any) -> frozenset[str]:
    """Return the names of the options that variables gave.

    Args:
        context: of the command, after its values have been read.
    """
    return frozenset(context.meta.get(_FROM_ENVIRONMENT, ()))


@functools.cache
def kinds_of(table: type) -> dict[str, type]:
    """Return the type of each field of `Options`, `None` and `list` left out."""
    kinds = dict[str, type]()
    for name, hint in typing.get_type_hints(table).items():
        while args := typing.get_args(hint):
            hint = next(each for each in args if each is not types.NoneType)
        kinds[name] = hint
    return kinds


def _converted(name: str, kind: type, value: Any, given: frozenset[str]) -> Any:
    if isinstance(value, tuple | list):
        return tuple(_converted(name, kind, each, given) for each in value)
    if not isinstance(value, str):  # a default, or a switch
        return value
    option = shown(name, given)
    if kind is Path:
        return _path(name, option, value)
    if kind is bool:
        return _switch(option, value)
    if kind is int or kind is float:
        return _number(name, option, kind, value)
    if name not in _ANY_BYTES:
        try:
            value.encode()
        except UnicodeError:
            raise UsageError(
                f"{option} is not valid UTF-8", "check your terminal's character set"
            ) from None
    return value


def _path(name: str, option: str, text: str) -> Path:
    if not text:
        raise UsageError(f"{option} requires the name of a file", _HELP)
    return STANDARD_STREAM if text == "-" and name in _STREAMS else Path(text)


def _switch(option: str, text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise UsageError(f"{option} must be yes or no, not {text!r}", _HELP)
    return word in _TRUE


def _number(name: str, option: str, kind: type, text: str) -> float:
    """Read a number that is not negative; "nan" is one to Python, but not here."""
    try:
        number: float = kind(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        what = "a whole number" if kind is int else "a number"
        raise UsageError(f"{option} must be {what}, not {text!r}", _HELP)
    if name in _POSITIVE and number <= 0:
        instead = "no limit" if name == "timeout" else "the default"
        raise UsageError(
            f"{option} must be more than 0", f"omit {shown(name)} for {instead}"
        )
    if number < 0:
        raise UsageError(f"{option} must be 0 or more, not {number:g}", _HELP)
    return number
