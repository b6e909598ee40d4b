"""A line shows what pyte, an independent terminal, shows."""

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.vt.line import COLUMNS, EDITS, ScreenLine
from support.pieces import CUTS, thorough

MOVES = [f"\x1b[{number}{chr(final)}" for number in ("", 1, 2, 9) for final in EDITS]
BITS = ["\r", "\b", "\b\b\b", "\t", "a", "bcd", "é", "two words ", *MOVES]
# pyte fails on the first of these; the others change more than one line.
STRANGE = {"\x1b[9K", *(f"\x1b[{number}J" for number in (1, 2, 9))}


def shown_by_pyte(text: str) -> str:
    screen = pyte.Screen(2 * COLUMNS, 1)
    pyte.Stream(screen).feed(text)
    return str(screen.display[0]).rstrip()


def shown(*pieces: str) -> str:
    line = ScreenLine()
    full = "".join(map(line.feed, pieces))
    return full + line.text


@thorough
@given(
    st.lists(st.sampled_from(BITS).filter(lambda bit: bit not in STRANGE)).map("".join)
)
def test_a_line_is_as_a_terminal_shows_it(text: str) -> None:
    assert shown(text).expandtabs().rstrip() == shown_by_pyte(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" 10%\r 20%\r100%", "100%"),
        ("longer\rshort", "shortr"),
        ("l\bls -x\b \bl", "ls -l"),
        ("a\tb", "a\tb"),
        ("\ta\rb", "b       a"),
        ("a\tb\r\x1b[4Cx", "a   x   b"),
        ("abc\r\tx", "abc     x"),
        ("abc\t\x1b[2K\r$", "$"),
        ("$ rm -rf /\r\x1b[K$ ", "$ "),
        ("$ cat fil\x1b[3D\x1b[1Pb\x1b[@a", "$ cat bal"),
        ("1234\b\b\x1b[1K", "   4"),
        ("ab\x1b[J", "ab"),
        ("abc\x1b[1G\x1b[J", ""),
        ("abc\x1b[2J", "abc"),  # clearing the screen does not clear the log
        ("\x1b[5Gx", "    x"),
        ("ab\x1b[@", "ab"),
    ],
)
def test_the_text_of_edited_lines(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize("number", ["999999999", str(COLUMNS)])
@pytest.mark.parametrize("final", EDITS.decode())
def test_a_large_number_does_not_make_a_large_line(number: str, final: str) -> None:
    line = ScreenLine()
    assert line.feed(f"abc\r\x1b[{number}{final}x") == ""
    assert len(line.text) <= COLUMNS


@thorough
@given(
    st.lists(st.sampled_from(["\t", "x" * (COLUMNS - 3), "y\r", "123", *MOVES])), CUTS
)
def test_the_pieces_of_a_long_line_make_no_difference(
    bits: list[str], cuts: list[int]
) -> None:
    at = {number % (len(bits) + 1) for number in cuts}
    line, pieces = ScreenLine(), list[str]()
    for number, bit in enumerate(bits):
        if number in at:
            pieces.append(line.feed(""))
        pieces.append(line.feed(bit))
    assert "".join(pieces) + line.take() == shown("".join(bits))
    assert line.is_fresh


def test_a_long_line_without_moves_stays_whole() -> None:
    text = "0123456789\t" * COLUMNS
    line = ScreenLine()
    full = line.feed(text)
    assert full + line.text == text
    assert len(line.text) <= COLUMNS


def test_cr_does_not_reach_what_was_wrapped() -> None:
    assert shown("x" * COLUMNS + "\ry") == "y" + "x" * (COLUMNS - 1)
    assert shown("x" * COLUMNS + "tail\ry") == "x" * COLUMNS + "yail"
    assert shown("x" * COLUMNS + "\ttail\ry") == "x" * COLUMNS + "y" + " " * 7 + "tail"
