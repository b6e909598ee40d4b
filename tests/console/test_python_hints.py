"""A Python program is told of arguments, not of the program's options."""

import re
from pathlib import Path

import pytest

import novaconsole
from novaconsole.console.python_hints import for_python, in_python
from novaconsole.errors import CloudError, NovaConsoleError
from support.messages import Package

# What gives the errors of `connect`; the demo is none of its consoles.
WINGS = {"cloud", "console", "network", "websocket"}
OPTION = re.compile(
    r"(?<!-)--(?!serial)[a-z]|\s-[A-Z]\b|\bnovaconsole (?!with the extra)"
)


def test_no_hint_of_connect_names_an_option() -> None:
    messages = Package(Path(novaconsole.__file__).parent).messages()
    hints = {
        message.shape
        for message in messages
        if message.kind == "hint" and message.wing in WINGS
    }
    assert any(OPTION.search(hint) for hint in hints)

    left = {hint for hint in hints if OPTION.search(in_python(hint))}

    assert left == {"run novaconsole --demo again to start another one"}


def test_an_error_that_passes_has_the_other_hint() -> None:
    with pytest.raises(CloudError) as caught, for_python():
        raise CloudError("no cloud", "choose one with --cloud or OS_CLOUD")
    assert caught.value.hint == "choose one with the argument cloud or OS_CLOUD"
    with pytest.raises(NovaConsoleError) as other, for_python():
        raise NovaConsoleError("no hint")
    assert other.value.hint is None
