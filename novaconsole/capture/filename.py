"""The name of a log or recording: `{server}` and `{time}` filled in, nothing else.

Braces are doubled to stand for themselves, as in str.format.  That itself is not used:
it would look into the attributes of what it is given.
"""

import re
from collections.abc import Mapping

from novaconsole.errors import UsageError

# For a log that is started without a name.
AUTOMATIC_NAME = "novaconsole-{server}-{time}.log"

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029/]|^\.")


def expand(name: str, fields: Mapping[str, str]) -> str:
    """Fill in a name; a value is put in as it is.

    Args:
        name: as the user gave it.
        fields: the values, by what stands between the braces.

    Raises:
        UsageError: there is another field in it, or a single brace.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] not in fields:
            known = " and ".join(f"{{{field}}}" for field in fields)
            raise UsageError(
                f"the name of a file cannot have {match[0]!r} in it",
                f"{known} are filled in; write a brace twice for the brace itself",
            )
        return fields[match[1]]

    return _BRACES.sub(value, name)


def safe_component(text: str) -> str:
    """A text made fit to be part of a file's name, in this very directory.

    Args:
        text: such as the name of a server, which may hold anything.
    """
    return _UNSAFE.sub("_", text) or "_"
