"""The text of terminal output, without sequences, however it came."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaconsole.vt.parser import ControlSequence, SequenceParser, Text
from novaconsole.vt.text import TextDecoder, TextFilter, nothing
from support.pieces import CUTS, cut, thorough

KEPT = b"\b\t\n\r"
BITS = [
    *(b"a", b"word ", "é".encode(), b"\xff", b"\xe2\x82", b"\r\n", b"\x07", b"\b"),
    *(b"\x1b[m", b"\x1b[0;1m", b"\x1b[2K", b"\x1b[2 q", b"\x1b[?25l", b"\x1b[1\n;2m"),
    *(b"\x1b]0;t", b"\x07", b"\x1b\\", b"\x1bPq", b"\x1b", b"[", b"1", b"\x18", b"("),
]
OUTPUT = st.lists(st.sampled_from(BITS) | st.binary(max_size=3), max_size=20).map(
    b"".join
)


def kept(sequence: ControlSequence) -> bytes:
    return b"<" + sequence.parameters + sequence.final + b">"


def filtered(*pieces: bytes) -> bytes:
    text = TextFilter(KEPT)
    return b"".join(map(text.feed, pieces))


def filtered_but_k(*pieces: bytes) -> bytes:
    text = TextFilter(KEPT, b"K", kept)
    return b"".join(map(text.feed, pieces))


def decoded(*pieces: bytes) -> str:
    text = TextDecoder(KEPT)
    return "".join(map(text.feed, pieces))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain\r\n", b"plain\r\n"),
        (b"\x1b[1;31mre\x1b[0md\x1b]0;title\x07\x1bPq\x1b\\", b"red"),
        (b"l\x00og\x07in\x7f\t:", b"login\t:"),
        (b"a\x1b[2 qb\x1b(Bc\x1bMd", b"abcd"),
        (b"\x1b]0;broken off by\x1b[mcolour", b"colour"),
        (b"\x1b[1\x1b[;1mK", b"K"),
        (b"\x1b]0;broken off\x18text", b"text"),
        (b"a\x1b[" + b"9" * 5000 + b"Cb", b"ab"),
        (b"\xc2\x9b31m\xff", b"\xc2\x9b31m\xff"),
    ],
)
def test_sequences_and_control_characters_are_taken_out(
    data: bytes, text: bytes
) -> None:
    assert filtered(data) == text
    assert filtered(*cut(data, range(len(data)))) == text


def test_a_control_sequence_may_be_kept_in_another_form() -> None:
    data = b"a\x1b[1mb\x1b[2Kc\x1b[Kd\x1bKe\x1b[?2Kf"
    assert filtered_but_k(data) == b"ab<2K>c<K>de<?2K>f"


@thorough
@given(OUTPUT, CUTS)
def test_the_pieces_make_no_difference(data: bytes, cuts: list[int]) -> None:
    assert filtered(*cut(data, cuts)) == filtered(data)
    assert filtered_but_k(*cut(data, cuts)) == filtered_but_k(data)
    assert decoded(*cut(data, cuts)) == decoded(data)


@thorough
@given(OUTPUT, CUTS)
@example(b"\x1b]0;\x1b[mx", [])
@example(b"\x1b[3\x1b[mx", [])
@example(b"\x1b]0;\x1b\x1b[mx", [5])
def test_the_short_way_round_the_parser_makes_no_difference(
    data: bytes, cuts: list[int]
) -> None:
    events = SequenceParser().feed(data)
    text = b"".join(event.data for event in events if isinstance(event, Text))
    removed = bytes({*range(0x20), 0x7F} - {*KEPT})
    assert filtered(*cut(data, cuts)) == text.translate(None, removed)


@pytest.mark.parametrize("character", ["é", "€", "\u276f", "\U0001f600"])
def test_a_character_is_held_back_until_it_is_whole(character: str) -> None:
    text = TextDecoder(KEPT)
    *first, last = (bytes([byte]) for byte in character.encode())
    assert [text.feed(byte) for byte in first] == [""] * len(first)
    assert text.feed(last) == character


def test_what_is_no_utf_8_is_replaced() -> None:
    assert decoded(b"a\xff\xc3b") == "a\ufffd\ufffdb"


def test_a_filter_keeps_no_sequence_unless_it_is_told_to() -> None:
    (sequence,) = SequenceParser().feed(b"\x1b[1m")
    assert isinstance(sequence, ControlSequence)
    assert nothing(sequence) == b""
    assert TextFilter(b"").feed(b"\x1b[1mA\x1b[0m") == b"A"
