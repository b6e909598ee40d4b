"""What every supported Python does in the same way."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import novaconsole
from support import structure

PACKAGE = Path(novaconsole.__file__).parent
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?[^\]]*\]")
_POSSESSIVE = re.compile(r"[*+?}]\+|\(\?>")


def is_possessive(pattern: str | bytes) -> bool:
    """Whether a pattern has a possessive quantifier or an atomic group."""
    text = pattern if isinstance(pattern, str) else pattern.decode("latin-1")
    return bool(_POSSESSIVE.search(_CLASS.sub("x", _ESCAPED.sub("x", text))))


def written_patterns(source: ast.AST) -> Iterator[str | bytes]:
    """The strings in the first argument of every call of `re`, such as `re.compile`."""
    for node in ast.walk(source):
        match node:
            case ast.Call(ast.Attribute(ast.Name("re")), [first, *_]):
                for child in ast.walk(first):
                    match child:
                        case ast.Constant(str() | bytes() as text):
                            yield text


def compiled_patterns(module: str) -> Iterator[str | bytes]:
    """The patterns among a module's globals, and in the dictionaries there."""
    found = importlib.import_module(
        f"novaconsole.{module}" if module else "novaconsole"
    )
    for value in vars(found).values():
        values = value.values() if isinstance(value, dict) else [value]
        yield from (each.pattern for each in values if isinstance(each, re.Pattern))


@pytest.mark.parametrize(
    "pattern",
    [r"a*+", rb"a++", "a?+", "a{2}+", "(?>a)", r"\[a]*+", r"[*+]++", "(?:[^a]+|b)*+"],
)
def test_possessive_syntax_is_recognised(pattern: str | bytes) -> None:
    assert is_possessive(pattern)
    assert [*written_patterns(ast.parse(f"re.compile({pattern!r}, 1)"))] == [pattern]


@pytest.mark.parametrize("pattern", [r"[*+]", r"\*+", rb"[]*+]", "a+", "(?:a)", "a+?"])
def test_plain_syntax_is_not_taken_for_possessive(pattern: str | bytes) -> None:
    assert not is_possessive(pattern)


def test_no_pattern_is_possessive() -> None:
    """CPython before 3.11.5 matches wrongly inside of them (gh-106052)."""
    seen, possessive = 0, list[str]()
    for module in ["", *structure.modules(PACKAGE)]:
        patterns = {
            *written_patterns(structure.tree(PACKAGE, module)),
            *compiled_patterns(module),
        }
        seen += len(patterns)
        possessive += [
            f"{module}: {each!r}" for each in patterns if is_possessive(each)
        ]
    assert possessive == []
    assert seen > 50, "the walk has found the patterns"


# ---- exception groups


def left_in_groups(source: ast.AST) -> list[int]:
    """The lines inside of `except*` that raise something new."""
    return [
        node.lineno
        for handled in ast.walk(source)
        if isinstance(handled, ast.TryStar)
        for handler in handled.handlers
        for node in ast.walk(handler)
        if isinstance(node, ast.Raise)
    ]


def test_a_raise_inside_of_a_group_is_found() -> None:
    source = """
try:
    raise ValueError
except* OSError:
    if x:
        raise KeyError from None
except* ValueError:
    pass
"""
    assert left_in_groups(ast.parse(source)) == [6]


@pytest.mark.parametrize("module", ["", *structure.modules(PACKAGE)])
def test_nothing_is_raised_inside_of_a_group(module: str) -> None:
    """Before Python 3.11.4 that becomes a group (gh-103590)."""
    assert left_in_groups(structure.tree(PACKAGE, module)) == []
