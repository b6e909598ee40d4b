"""What --until looks for: patterns on the text that a person reads."""

import sys
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaconsole.errors import UsageError
from novaconsole.guest.expect import WINDOW_CHARACTERS, Match, OutputBuffer, Patterns
from support.pieces import CUTS, cut, thorough

LOGIN = Patterns("login: ")


def find(data: bytes, *sources: str) -> Match | None:
    window = OutputBuffer()
    window.feed(data)
    return window.find(Patterns(*sources))


def text_of(data: bytes, cuts: list[int]) -> str:
    """The text up to a mark behind it."""
    window = OutputBuffer()
    for piece in [*cut(data, cuts), b"\x18the end"]:  # CAN: breaks a sequence off
        window.feed(piece)
    found = window.find(Patterns("the end$"))
    assert found is not None
    return found.before


# ---- text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"one\r\ntwo\n", "one\ntwo\n"),
        (b"one\r\r\n", "one\n"),
        (b"10%\r20%\r\r30%", "10%\r20%\r30%"),
        (b"\x1b[1;31mre\x1b[0md\x1b]0;title\x07\x1bPq\x1b\\", "red"),
        (b"l\x00og\x07in\x7f\t:", "login\t:"),
        ("gäste €".encode(), "gäste €"),
        (b"\xff\xc3", "\ufffd\ufffd"),
    ],
)
def test_the_text_is_what_a_person_reads(data: bytes, text: str) -> None:
    assert text_of(data, []) == text


PIECES = st.sampled_from(
    [b"\r", b"\n", b"a", "€".encode(), b"\xe2", b"\x1b[1m", b"\x1b", b"\x07", b"]0;t"]
)


@given(st.lists(PIECES, max_size=30).map(b"".join), CUTS)
@example(b"a\r\n", [2])
@example("€".encode(), [1])
@example(b"a\x1b[1m", [2])
@thorough
def test_any_chunking_gives_the_same_text(data: bytes, cuts: list[int]) -> None:
    assert text_of(data, cuts) == text_of(data, [])


@given(st.lists(PIECES, max_size=9), st.lists(PIECES, max_size=9), CUTS)
@thorough
def test_any_chunking_finds_the_same(
    before: list[bytes], after: list[bytes], cuts: list[int]
) -> None:
    data = b"".join([*before, b"\x18lo\x1b[0mgin: ", *after])
    window, matches = OutputBuffer(), []
    for piece in cut(data, cuts):
        window.feed(piece)
        matches += [found for found in [window.find(LOGIN)] if found is not None]
    assert matches == [find(data, "login: ")]


# ---- matches


def test_a_match_tells_what_was_before_it_and_what_its_groups_are() -> None:
    found = find(b"boot\r\nvm login: ", "nothing", r"(\w+) login: (x)?")
    assert found == Match(1, "boot\n", "vm login: ", ("vm", None))


def test_the_first_of_several_is_found_and_of_two_at_one_place_the_first_given() -> (
    None
):
    assert find(b"a b c", "c", "b") == Match(1, "a ", "b")
    assert find(b"abc", "ab", "abc") == Match(0, "", "ab")


def test_what_has_matched_does_not_match_again() -> None:
    window, patterns = OutputBuffer(), Patterns(r"\d")
    window.feed(b"a1b2c")
    assert window.find(patterns) == Match(0, "a", "1")
    assert window.find(patterns) == Match(0, "b", "2")
    assert window.find(patterns) is None
    assert window.tail == "c"


@pytest.mark.parametrize(
    ("data", "source", "is_found"),
    [
        (b"one\r\ntwo", "^two", True),
        (b"one two", "^two", False),
        (b"one\r\ntwo", "one$", True),
        (b"one\r", "one$", True),
        (b"one two", "one$", False),
        (b"one", "one$", True),
        (b"ONE", "(?i)one", True),
        (b"one\r\ntwo", "(?s)one.two", True),
    ],
)
def test_the_ends_of_lines(data: bytes, source: str, is_found: bool) -> None:
    assert (find(data, source) is not None) == is_found


def test_where_the_last_match_ended_no_line_begins() -> None:
    window = OutputBuffer()
    window.feed(b"one two")
    assert window.find(Patterns("one ")) is not None
    assert window.find(Patterns("^two")) is None


def test_where_the_window_begins_no_line_begins() -> None:
    window, patterns = OutputBuffer(), Patterns("^a+b")
    window.feed(b"x" + b"a" * 2 * WINDOW_CHARACTERS)
    window.feed(b"a")
    window.feed(b"b")
    assert window.find(patterns) is None


def test_no_more_is_kept_than_the_latest_text() -> None:
    window = OutputBuffer()
    for _ in range(20):
        window.feed(b"x" * WINDOW_CHARACTERS)
    found = window.find(Patterns("(?s).*"))
    assert found is not None
    assert len(found.text) == 2 * WINDOW_CHARACTERS
    assert len(window.tail) < 1000


# ---- bad patterns


@pytest.mark.parametrize("source", ["(", "[a", "*", r"(a)\1", "(?=a)", "\udcff"])
def test_a_bad_pattern_is_told(source: str) -> None:
    with pytest.raises(UsageError, match="bad regular expression") as caught:
        Patterns("good", source)
    assert "look-around" in (caught.value.hint or "")


def test_without_the_extra_there_are_no_patterns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        Patterns("a")
    assert caught.value.hint == "pip install 'novaconsole[until]'"


@pytest.mark.parametrize("source", ["(a+)+$b", "(a|aa)+c", "(.*)(.*)(.*)x"])
def test_no_output_keeps_it_busy(source: str) -> None:
    """Python's `re` takes longer than the universe for the first of these."""
    window, patterns = OutputBuffer(), Patterns(source)
    started = time.monotonic()
    for _ in range(20):
        window.feed(b"a" * WINDOW_CHARACTERS)
        assert window.find(patterns) is None
    assert time.monotonic() - started < 5  # a tenth of a second where nobody disturbs
