"""Hints for Python programs: arguments of `connect` in place of the program's options.

The errors come from wings that do not know who calls them, and most callers are the
program's users.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from novaconsole.errors import NovaConsoleError

_WORDS = (
    ("; novaconsole --demo works without a cloud", ""),
    ("; --debug shows the details", ""),
    ("; --debug shows the response", ""),
    ("with --cloud or", "with the argument cloud or"),
    ("--region", "the argument region"),
    ("use --wait", "pass wait=True"),
    ("connect without it: --proxy ''", "pass ConnectOptions() to connect without it"),
    ("with --cert", "with TLSOptions(cert=...)"),
    ("with --connect-timeout", "with ConnectOptions(timeout=...)"),
    ("use --reconnect to attach again automatically", "call connect() again"),
    ("run novaconsole again", "call connect() again"),
    ("without --origin and without", "without"),
    ("use --no-subprotocols", "use ConnectOptions(subprotocols=())"),
    ("as -H '", "in ConnectOptions.headers as '"),
    ("requires: -H '", "requires in ConnectOptions.headers: '"),
    ("of -H", "in ConnectOptions.headers"),
    ("from -H", "from ConnectOptions.headers"),
)


@contextmanager
def for_python() -> Iterator[None]:
    """Let the hint of an error that passes speak of arguments."""
    try:
        yield
    except NovaConsoleError as exc:
        if exc.hint is not None:
            exc.hint = in_python(exc.hint)
        raise


def in_python(hint: str) -> str:
    """Return a hint with arguments in place of options.

    Args:
        hint: for a user of the program.
    """
    for option, argument in _WORDS:
        hint = hint.replace(option, argument)
    return hint
