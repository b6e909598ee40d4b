"""What the program says to its user: one form for all messages, in all wings.

`pytest -s` prints the table of messages; so does `python tests/support/messages.py`.
"""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import novaconsole
from support.messages import HOLE, Message, Package, table

ROOT = Path(novaconsole.__file__).parent
WINGS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
MESSAGES = Package(ROOT).messages()

# The words that a message may begin with in capitals: names, acronyms, keys.
CAPITALS = {
    *("BREAK", "CA", "DNS", "HTTP", "IPv6", "NMI", "SOCKS", "SOCKS5", "TCP", "TLS"),
    *(
        "SERVER",
        "URL",
        "UTF-8",
        "Ctrl-C",
        "Enter",
        "Keystone",
        "Linux",
        "Nova",
        "OpenStack",
    ),
}
# What a hint tells the user to do.
VERBS = {
    *("add", "allow", "ask", "attach", "bring", "call", "change", "check"),
    *("choose", "close", "connect", "continue", "copy", "create", "delete"),
    *("edit", "find", "free", "get", "give", "install", "leave", "let", "list"),
    *("log", "look", "make", "move", "name", "omit", "open", "pass", "press"),
    *("put", "quote", "read", "rebuild", "remove", "rename", "replace"),
    *("report", "restart", "restore", "resume", "retry", "run", "save", "see"),
    *("select", "send", "set", "show", "source", "start", "stop", "tell", "try"),
    *("turn", "type", "unpause", "unset", "unshelve", "update", "use", "wait"),
    *("wake", "write"),
}
# Turns of phrase that a message had and must not have again.
RIDDLES = re.compile(
    r"\b(wants?|wanting|whom?|whoever|nobody|somebody|anybody|everybody|goodbye|torn"
    r"|links?|facts?|at rest|but for|none of|all the same|in vain|words)\b",
    re.IGNORECASE,
)


def bad(messages: list[Message], is_good: Callable[[Message], object]) -> str:
    """The messages that are not good, as a table."""
    return table(message for message in messages if not is_good(message))


def whole(*kinds: str) -> list[Message]:
    """The messages that are lines of their own."""
    kinds = kinds or ("message", "hint", "notice")
    return [message for message in MESSAGES if message.kind in kinds]


def first_word(message: Message) -> str:
    return re.split(r"[\s:;,]", message.shape, maxsplit=1)[0].removesuffix("'s")


# ---- their form


def begins_well(message: Message) -> bool:
    """Whether it begins without a capital, except in names."""
    word = first_word(message)
    return word in CAPITALS or "_" in word or not word[:1].isupper()


def ends_well(message: Message) -> bool:
    return not message.shape.endswith((".", "!", ","))


def test_no_message_begins_with_a_capital() -> None:
    """A line goes on after `novaconsole: `."""
    assert not (wrong := bad(whole(), begins_well)), f"\n{wrong}"


def test_no_message_ends_with_a_full_stop() -> None:
    assert not (wrong := bad(whole(), ends_well)), f"\n{wrong}"


def test_one_second_is_not_seconds() -> None:
    """What tells a time has been put into words by `in_words`."""
    shapes = {message.shape for message in whole()}

    def is_good(message: Message) -> bool:
        return message.shape.replace("{} seconds", "1 second") in shapes

    assert not (wrong := bad(whole(), is_good)), f"\n{wrong}"


def test_every_message_is_one_line_with_single_spaces() -> None:
    def is_good(message: Message) -> bool:
        return message.shape == " ".join(message.shape.split())

    assert not (wrong := bad(whole(), is_good)), f"\n{wrong}"


def test_every_hint_begins_with_a_verb() -> None:
    """A hint says what to do: "check ...", "give ...", "start ..."."""

    def is_good(message: Message) -> bool:
        return message.shape.startswith(HOLE) or first_word(message) in VERBS

    assert not (wrong := bad(whole("hint"), is_good)), f"\n{wrong}"


def test_no_message_is_a_riddle() -> None:
    wrong = bad(MESSAGES, lambda message: not RIDDLES.search(message.shape))
    assert not wrong, f"\n{wrong}"


# ---- nothing escapes the walk


def test_the_table_has_messages_of_every_kind() -> None:
    sys.stdout.write(f"\n{table(MESSAGES)}\n")
    assert {message.kind for message in MESSAGES} == {
        "message",
        "hint",
        "notice",
        "part",
    }


PLANTS = {
    "an error": """
def plant(name):
    raise ConnectError(f"planted {name}", "check the plant")
""",
    "a hint by name": """
def plant(name):
    return CloudError("planted " + name, hint="check the plant")
""",
    "a condition and a constant": """
PLANTED = "planted {}"
def plant(name, old):
    raise UsageError(PLANTED if old else "bare", "check the plant")
""",
    "a table": """
PLANTED = {1: ("planted {}", "check the plant")}
def plant(number):
    words, hint = PLANTED[number]
    raise CloudError(words, hint)
""",
    "a starred call": """
def plant(name):
    raise CloudError(*describe(name))
def describe(name):
    return f"planted {name}", "check the plant"
""",
    "a parameter that is passed on": """
class Plant:
    def grow(self, name):
        self._wither(f"planted {name}", hint="check the plant")
    def _wither(self, what, hint=None):
        self.error = GuestNotReady(what, hint)
""",
    "a notice": """
def plant(notices, name):
    words = f"planted {name}"
    notices.say(words)
    notices.answer(*PLANTED)
PLANTED = ["check the plant"]
""",
    "a callback": """
def plant(name, tell: Callable[[str], None]) -> None:
    tell(f"planted {name}")
    tell("check the plant")
""",
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_message_is_found(tmp_path: Path, plant: str) -> None:
    package = planted(tmp_path, {"vt/modes.py": PLANTS[plant]})
    shapes = {message.shape for message in package.messages() if message.wing == "vt"}
    assert {"planted {}", "check the plant"} <= shapes


PLANTED_PARTS = """
def plant(name, is_old):
    what = "Not over." if is_old else "no match"
    why = WHY[name]
    again = f"{why} and again {why}"
    raise ConnectError(f"{what} within {name}", f"{again}, or wait")
WHY = {1: "Check this.", 2: "see that!"}
def other(name):
    raise CloudError(f"as {name} said: " + describe(name))
def describe(name):
    return "The End." if name else "an end"
"""


def test_the_form_of_what_is_filled_in_at_either_end_is_checked(tmp_path: Path) -> None:
    package = planted(tmp_path, {"vt/modes.py": PLANTED_PARTS})
    found = [message for message in package.messages() if message.wing == "vt"]
    whole = {message.shape for message in found if message.kind != "part"}

    assert whole == {
        *("Not over. within {}", "no match within {}"),
        *(
            f"{first} and again {second}, or wait"
            for first in ("Check this.", "see that!")
            for second in ("Check this.", "see that!")
        ),
        *("as {} said: The End.", "as {} said: an end"),
    }
    bad = {message.shape for message in found if not begins_well(message)}
    assert {"Not over. within {}", "Check this. and again see that!, or wait"} <= bad
    bad = {message.shape for message in found if not ends_well(message)}
    assert "as {} said: The End." in bad
    # Also inside a message, where a part ends in the middle of a sentence.
    assert {"Not over.", "Check this.", "see that!"} & bad


def test_a_planted_message_is_found_in_every_wing(tmp_path: Path) -> None:
    files = {
        wing: next(iter(sorted((ROOT / wing).glob("[a-z]*.py")))).relative_to(ROOT)
        for wing in WINGS
    }
    plants = {str(file): PLANTS["an error"] for file in files.values()}
    found = [
        message.wing
        for message in planted(tmp_path, plants).messages()
        if message.shape == "planted {}"
    ]
    assert sorted(found) == WINGS


def planted(directory: Path, plants: dict[str, str]) -> Package:
    """A copy of the package with more source at the end of some files."""
    copy = directory / ROOT.name
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name, source in plants.items():
        with (copy / name).open("a") as file:
            file.write(source)
    return Package(copy)
