"""What is wrong with clouds.yaml, in words that help to mend it.

openstacksdk skips a file that it cannot read, and whatever it stumbles over in the file
is an exception of Python's.  So the files are read once more when something failed.
Nothing that is said here quotes a value, which might be a password.
"""

import json
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_MAPPING = "a mapping of names to settings"
_VARIABLES = ("OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE")
# What a YAML error quotes may be a password that ought to have been in quotes.
_QUOTED = re.compile(r"\b(alias|tag|anchor|handle);? '.*", re.DOTALL)
# The settings of an entry that are text wherever they are given.
_TEXTS = ("auth_url", "username", "project_name", "auth_type", "interface", "profile")


class FileProblem(NamedTuple):
    """What is wrong with a file, and what to do about it."""

    text: str
    hint: str


class File(NamedTuple):
    """A file of the configuration that openstacksdk reads.

    Attributes:
        path: of the file.
        variable: that can name another.
        content: as parsed, or the error.
    """

    path: str
    variable: str
    content: Any


def missing_file() -> str | None:
    """Say so if a variable names a file that does not exist."""
    for variable in _VARIABLES:
        if problem := _missing(variable):
            return problem.text
    return None


def _missing(variable: str) -> FileProblem | None:
    path = os.environ.get(variable)
    if not path or os.path.exists(path):
        return None
    return FileProblem(
        f"{path}, which {variable} names, does not exist",
        f"change or unset {variable}",
    )


def files_in_use() -> Iterator[File]:
    """Read the files of the configuration once more: the first of each kind."""
    from openstack.config.loader import CONFIG_FILES, SECURE_FILES

    for variable, paths in zip(_VARIABLES, (CONFIG_FILES, SECURE_FILES), strict=True):
        chosen = os.environ.get(variable)
        for path in ([chosen] if chosen else []) + paths:
            if os.path.exists(path):
                try:
                    content = _read(path)
                except Exception as exc:  # noqa: BLE001 # parsers raise of every kind
                    content = exc
                yield File(path, variable, content)
                break  # openstacksdk reads no further one, if this one is good


def file_problem(cloud: str | None) -> FileProblem | None:
    """Say what is wrong with the files of the configuration, or None.

    Args:
        cloud: the entry that was wanted, or None.
    """
    for variable in _VARIABLES:
        if problem := _missing(variable):
            return problem
    for path, variable, content in files_in_use():
        another = f"name another in {variable}"
        if isinstance(content, PermissionError):
            return FileProblem(
                f"{path}: {reason_of(content)}",
                f"change its permissions, or {another}",
            )
        if isinstance(content, OSError):
            return FileProblem(f"{path}: {reason_of(content)}", another)
        if isinstance(content, Exception):
            return FileProblem(
                f"{path}: {reason_of(content)}", f"edit the file, or {another}"
            )
        fault = next(_faults(content, cloud), None)
        if fault:
            return FileProblem(f"{path}: {fault}", f"edit the file, or {another}")
    return None


def reason_of(error: Exception) -> str:
    """Say why a file could not be read or parsed: with the line, without its text."""
    if isinstance(error, OSError):
        return str(error.strerror)
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    problem = getattr(error, "problem", None) or getattr(error, "reason", None)
    what = _QUOTED.sub(r"\1", str(problem or "it is not YAML"))
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return what
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}"


def _read(path: str) -> Any:
    with open(path) as file:
        if path.endswith("json"):
            return json.load(file)
        import yaml

        return yaml.safe_load(file)


def _faults(content: Any, cloud: str | None) -> Iterator[str]:
    """The faults in the shape of a file, the worst first."""
    if not content:  # an empty file is as good as none, also to openstacksdk
        return
    if not isinstance(content, dict):
        yield f"it is not {_MAPPING}"
        return
    for section in ("cache", "client", "metrics"):
        if not isinstance(content.get(section, {}), dict):
            yield f"`{section}` is not {_MAPPING}"
    clouds = content.get("clouds")
    if not isinstance(clouds, dict):
        yield f"`clouds` is missing or not {_MAPPING}"
        return
    for name in [cloud] if cloud in clouds else clouds:
        entry = clouds[name]
        if not isinstance(entry, dict):
            yield f"cloud {name} is not {_MAPPING}"
            continue
        auth = entry.get("auth", {})
        if not isinstance(auth, dict):
            yield f"`auth` of cloud {name} is not {_MAPPING}"
            continue
        for key, value in (entry | auth).items():
            if key in auth and isinstance(value, (dict, list)):
                yield f"`{key}` of cloud {name} is not text"
            if key in _TEXTS and not isinstance(value, str):
                yield f"`{key}` of cloud {name} is not text"
