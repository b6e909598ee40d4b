"""What matches is what Python's `re` finds, in linear time and in any pieces."""

import re
from collections.abc import Generator
from typing import TypeVar

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from novaconsole.errors import UsageError
from novaconsole.guest.automaton import Scanner, Span, State
from novaconsole.guest.expect import Match, OutputBuffer, Patterns
from novaconsole.guest.regex import compile_patterns
from support.pieces import CUTS, cut, thorough

# Not "(?a:": CPython searches for `(?a:\W)` as if the flag were not there.
ATOMS = st.sampled_from(
    [
        *("a", "b", "x", "é", ".", "^", "$", "]", "{", "}", "{}", "a{", "-"),
        *("[^a]", "[ab]", "[]a]", r"\x61", r"\.", r"\n"),
        *(r"\b", r"\A", r"\Z", r"\d", r"\s", r"\w", r"\W"),
    ]
)


def repeated(part: str) -> st.SearchStrategy[str]:
    """A part a number of times; in brackets, since a part may be a longer one."""
    times = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{,2}", "{2,}?", "{0}"]
    return st.sampled_from(times).map(lambda time: f"(?:{part}){time}")


def longer(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(parts, max_size=4).map("".join),
        st.lists(parts, min_size=2, max_size=3).map("|".join).map("(?:{})".format),
        parts.map("({})".format),
        parts.map("(?i:{})".format),
        parts.map("(?s:{})".format),
        parts.flatmap(repeated),
    )


SOURCES = st.recursive(ATOMS, longer, max_leaves=12)
TEXTS = st.text("aAbé1 \n.x{}", max_size=12)


Result = TypeVar("Result")


def at_one_go(search: Generator[None, None, Result]) -> Result:
    """Ignore the pauses of a search."""
    while True:
        try:
            next(search)
        except StopIteration as done:
            result: Result = done.value
            return result


def search(source: str, text: str, start: int = 0) -> Span | None:
    scanner = Scanner(compile_patterns((source,)))
    found = at_one_go(scanner.locate(text, start))
    before = text[start - 1] if start else ""
    state = at_one_go(scanner.scan(scanner.begin(before), text, start))
    assert (state is scanner.accepted) == isinstance(found, Span)
    return None if isinstance(found, State) else found


@given(SOURCES, TEXTS, st.integers(0, 3))
@example("(?:a|ab)(?:c|bcd)(d*)", "abcd", 0)
@example("(a+?)(b*)", "aabb", 0)
@example(r"\bb", "ab b", 1)
@thorough
def test_a_match_is_where_pythons_re_finds_it(
    source: str, text: str, start: int
) -> None:
    start = min(start, len(text))
    expected = re.compile(source, re.MULTILINE).search(text, start)
    # Where a repeated part can be empty, backtracking and priorities differ in what
    # they prefer, as RE2 and Python do: only whether something matches is the same.
    if re.search(r"\)[*+{]", source):
        assert (search(source, text, start) is None) == (expected is None)
        return
    found = search(source, text, start)
    spans = None if expected is None else (expected.span(), *expected.regs[1:])
    assert (None if found is None else pairs(found)) == spans


def pairs(span: Span) -> tuple[tuple[int, int], ...]:
    return tuple(zip(span.slots[::2], span.slots[1::2], strict=True))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a*", "baaa"),
        ("(a*)(a+)", "aaa"),
        ("(a*?)(a+)", "aaa"),
        ("(?:(a)|b)*", "abb"),
        ("(?:ab?)+c", "abaac"),
        ("a{3}", "aaaa"),
        ("a{2,3}?", "aaaa"),
        ("a{,2}b", "aaab"),
        ("a{1,}", "aaab"),
        ("x{a}", "x{a}"),
        ("x{}", "x{}"),
        ("(?P<name>o+)", "foo"),
        ("a(?#comment)+", "aaa"),
        ("(?i)LOGIN", "login"),
        ("(?i:L)ogin", "login"),
        ("(?-i:L)ogin", "login"),
        ("(?is)l.g", "L\ng"),
        ("(?i)ß", "ẞ"),
        (r"(?a)\w+", "éa"),
        (r"(?a:\b)a", "éa"),
        (r"(?u)\w+", "éa"),
        (r"\141\x62\u0063\U00000064\N{LATIN SMALL LETTER E}", "abcde"),
        (r"\0|\07", "\x07"),
        (r"[\]]+[^\]]", "a]]b"),
        (r"\Aa|b\Z", "ca\nb"),
        (r"\Bb", "ab b"),
        (r"\$ \# \@", "$ # @"),
        ("", "a"),
        ("|a", "a"),
        ("a||b", "b"),
        ("^$", "a\n\nb"),
        ("^a", "b\na"),
        ("a$", "a\nb"),
        ("é+", "caféé"),
    ],
)
def test_the_syntax_is_that_of_pythons_re(source: str, text: str) -> None:
    expected = re.compile(source, re.MULTILINE).search(text)
    found = search(source, text)
    if expected is None:
        assert found is None
    else:
        assert found
        assert pairs(found) == (expected.span(), *expected.regs[1:])


@given(SOURCES, TEXTS, CUTS)
@thorough
def test_the_pieces_do_not_change_whether_it_matches(
    source: str, text: str, cuts: list[int]
) -> None:
    """Except that each piece's end is an end, for now."""
    assume(not re.search(r"\$|\\[ZbB]", source))
    whole = OutputBuffer()
    whole.feed(text.encode())
    buffer, found = OutputBuffer(), list[Match]()
    patterns = Patterns(source)
    for piece in cut(text.encode(), cuts):
        buffer.feed(piece)
        found += [match for match in [buffer.find(patterns)] if match]
    assert bool(found) == (whole.find(Patterns(source)) is not None)


def test_a_small_table_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaconsole.guest.automaton._MAX_TRANSITIONS", 3)
    text = "abaabbbabababbabbbaabc" * 20
    found = search("[ab]*b[ab]{3}c", text)
    expected = re.search("[ab]*b[ab]{3}c", text)
    assert found
    assert expected
    assert pairs(found) == (expected.span(),)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("(", "missing ), unterminated subpattern at position 0"),
        ("[a", "unterminated character set at position 0"),
        ("a**", "multiple repeat at position 2"),
        ("*", "nothing to repeat at position 0"),
        ("\\", "bad escape (end of pattern) at position 0"),
        (r"(a)\1", "back references are not supported"),
        (r"(?P<a>a)(?P=a)", "back references are not supported"),
        (r"(a)?(?(1)b|c)", "conditions are not supported"),
        ("(?=a)", "look-aheads are not supported"),
        ("(?!a)", "look-aheads are not supported"),
        ("(?<=a)b", "look-behinds are not supported"),
        ("(?<!a)b", "look-behinds are not supported"),
        ("(?>a)", "atomic groups are not supported"),
        ("a*+", "possessive quantifiers are not supported"),
        ("(?x)a b", "the flag x, and m turned off, are not supported"),
        ("(?-m:^)", "the flag x, and m turned off, are not supported"),
        ("(?L)a", "bad inline flags"),
        (r"\z", r"bad escape \z"),
        ("[[:digit:]]", "possible nested set"),
        ("(" * 200 + ")" * 200, "it is nested too deeply"),
        ("(" * 20_000 + ")" * 20_000, "it is nested too deeply"),
        ("a{5000}", "it is too large"),
        ("(((a{100}){100}){100}){100}", "it is too large"),
        ("((((){0,100}){100}){100}){100}", "it is too large"),
        ("a{99999999999999999999}", "the repetition number is too large"),
        ("\udcff", "it is not UTF-8"),
    ],
)
def test_what_is_refused_is_explained(source: str, reason: str) -> None:
    with pytest.raises(UsageError, match="bad regular expression") as caught:
        compile_patterns(("good", source))
    assert reason in str(caught.value)
    hint = caught.value.hint or ""
    if "too" in reason:
        assert "simpler" in hint
    elif "flag x" in reason:
        assert "without the flag x" in hint
    elif "UTF-8" in reason:
        assert "character set" in hint
    else:
        assert "look-around" in hint
