"""Patterns are found in the text that a person reads, however it came."""

import time
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaconsole.errors import UsageError
from novaconsole.guest.expect import BUFFER_CHARACTERS, Match, OutputBuffer, Patterns
from support.pieces import CUTS, cut, thorough

LOGIN = Patterns("login: ")


def find(data: bytes, *sources: str) -> Match | None:
    buffer = OutputBuffer()
    buffer.feed(data)
    return buffer.find(Patterns(*sources))


def text_of(data: bytes, cuts: list[int]) -> str:
    """Return the text of some output."""
    buffer = OutputBuffer()
    for piece in [*cut(data, cuts), b"\x18the end"]:  # CAN ends a sequence
        buffer.feed(piece)
    found = buffer.find(Patterns("the end$"))
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
def test_the_text_has_no_control_sequences_and_one_lf_for_each_line(
    data: bytes, text: str
) -> None:
    assert text_of(data, []) == text


PIECES = st.sampled_from(
    [b"\r", b"\n", b"a", "€".encode(), b"\xe2", b"\x1b[1m", b"\x1b", b"\x07", b"]0;t"]
)


@given(st.lists(PIECES, max_size=30).map(b"".join), CUTS)
@example(b"a\r\n", [2])
@example("€".encode(), [1])
@example(b"a\x1b[1m", [2])
@thorough
def test_the_pieces_do_not_change_the_text(data: bytes, cuts: list[int]) -> None:
    assert text_of(data, cuts) == text_of(data, [])


@given(st.lists(PIECES, max_size=9), st.lists(PIECES, max_size=9), CUTS)
@thorough
def test_the_pieces_do_not_change_what_is_found(
    before: list[bytes], after: list[bytes], cuts: list[int]
) -> None:
    data = b"".join([*before, b"\x18lo\x1b[0mgin: ", *after])
    buffer, matches = OutputBuffer(), []
    for piece in cut(data, cuts):
        buffer.feed(piece)
        matches += [found for found in [buffer.find(LOGIN)] if found is not None]
    assert matches == [find(data, "login: ")]


# ---- matches


def test_a_match_has_the_text_before_it_and_its_groups() -> None:
    found = find(b"boot\r\nvm login: ", "nothing", r"(\w+) login: (x)?")
    assert found == Match(1, "boot\n", "vm login: ", ("vm", None))


def test_the_earliest_match_wins_and_of_two_at_one_place_the_first_pattern() -> None:
    assert find(b"a b c", "c", "b") == Match(1, "a ", "b")
    assert find(b"abc", "ab", "abc") == Match(0, "", "ab")


def test_what_has_matched_does_not_match_again() -> None:
    buffer, patterns = OutputBuffer(), Patterns(r"\d")
    buffer.feed(b"a1b2c")
    assert buffer.find(patterns) == Match(0, "a", "1")
    assert buffer.find(patterns) == Match(0, "b", "2")
    assert buffer.find(patterns) is None
    assert buffer.tail == "c"


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
def test_anchors_match_at_the_ends_of_lines(
    data: bytes, source: str, is_found: bool
) -> None:
    assert (find(data, source) is not None) == is_found


def test_the_end_of_the_last_match_is_not_the_start_of_a_line() -> None:
    buffer = OutputBuffer()
    buffer.feed(b"one two")
    assert buffer.find(Patterns("one ")) is not None
    assert buffer.find(Patterns("^two")) is None


def test_the_start_of_the_buffer_is_not_the_start_of_a_line() -> None:
    buffer, patterns = OutputBuffer(), Patterns("^a+b")
    buffer.feed(b"x" + b"a" * 2 * BUFFER_CHARACTERS)
    buffer.feed(b"a")
    buffer.feed(b"b")
    assert buffer.find(patterns) is None


def test_only_the_latest_text_is_kept() -> None:
    buffer = OutputBuffer()
    for _ in range(20):
        buffer.feed(b"x" * BUFFER_CHARACTERS)
    found = buffer.find(Patterns("(?s).*"))
    assert found is not None
    assert len(found.text) == 2 * BUFFER_CHARACTERS
    assert len(buffer.tail) < 1000


# ---- bad patterns


@pytest.mark.parametrize("source", ["(", "[a", "*", r"(a)\1", "(?=a)"])
def test_a_bad_pattern_is_wrong_usage(source: str) -> None:
    with pytest.raises(UsageError, match="bad regular expression") as caught:
        Patterns("good", source)
    assert "look-around" in (caught.value.hint or "")


# ---- hostile patterns and output


@pytest.mark.parametrize(
    "source", ["(a+)+$b", "(a|aa)+c", "(.*)(.*)(.*)x", "(?i)(a|A)*?$z", "(a*)*b"]
)
def test_hostile_output_takes_linear_time(source: str) -> None:
    """Python's `re` takes longer than the universe for the first of these."""
    buffer, patterns = OutputBuffer(), Patterns(source)
    started = time.monotonic()
    for _ in range(20):
        buffer.feed(b"a" * BUFFER_CHARACTERS)
        assert buffer.find(patterns) is None
    assert time.monotonic() - started < 5  # a tenth of a second on an idle machine


def test_output_in_many_small_pieces_is_read_once() -> None:
    buffer, patterns = OutputBuffer(), Patterns("(a|aa)+c")
    buffer.feed(b"a" * BUFFER_CHARACTERS)
    assert buffer.find(patterns) is None
    started = time.monotonic()
    for _ in range(5_000):
        buffer.feed(b"a")
        assert buffer.find(patterns) is None
    assert time.monotonic() - started < 10  # a tenth of a second on an idle machine


@pytest.mark.parametrize(
    ("source", "lasts"),
    [
        ("[ab]*a[ab]{1000}c", False),  # each character makes a state of its own
        ("(?s)(.*)(.*)(.*)[ab]{900}(.*)(.*)z?c$", True),  # only the last part costs
    ],
)
def test_a_search_without_end_is_given_up(source: str, lasts: bool) -> None:
    hostile = "".join(Random(1).choices("ab", k=BUFFER_CHARACTERS))
    buffer, patterns = OutputBuffer(), Patterns(source)
    buffer.feed(hostile.encode() + b"c" * lasts)
    started = time.monotonic()
    with pytest.raises(UsageError, match="too slow for this output") as caught:
        buffer.find(patterns)
    assert time.monotonic() - started < 20  # a second or two on an idle machine
    assert repr(source) in str(caught.value)


def test_a_match_that_began_in_forgotten_text_is_none() -> None:
    buffer, patterns = OutputBuffer(), Patterns("(?s)A.*B")
    buffer.feed(b"A")
    for _ in range(3):
        buffer.feed(b"x" * BUFFER_CHARACTERS)
        assert buffer.find(patterns) is None
    buffer.feed(b"B")
    assert buffer.find(patterns) is None
    buffer.feed(b"A1B")
    assert buffer.find(patterns) is not None
