"""Terminal output is taken apart in the same way, in whatever pieces it comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.vt.parser import ControlSequence, SequenceParser, Text
from support.pieces import CUTS, cut, thorough, ways_to_cut


def parsed(*pieces: bytes) -> list[Text | ControlSequence]:
    """Return the events, with neighbouring texts joined."""
    parser, events = SequenceParser(), list[Text | ControlSequence]()
    for piece in pieces:
        for event in parser.feed(piece):
            if events and isinstance(event, Text) and isinstance(events[-1], Text):
                events[-1] = Text(events[-1].data + event.data)
            else:
                events.append(event)
    return events


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"plain \xff\r\n\x07", [Text(b"plain \xff\r\n\x07")]),
        (b"\x1b[0;1m", [ControlSequence(b"[", b"0;1", b"m")]),
        (b"\x1b[?25l", [ControlSequence(b"[", b"?25", b"l")]),
        (b"\x1b[2 q", [ControlSequence(b"[", b"2 ", b"q")]),
        (b"\x1bc", [ControlSequence(b"", b"", b"c")]),
        (b"\x1b(0", [ControlSequence(b"", b"(", b"0")]),
        (b"\x1b]0;title\x07", [ControlSequence(b"]", b"0;title")]),
        (b"\x1b]0;t\xc3\xa9\x1b\\", [ControlSequence(b"]", "0;té".encode())]),
        (b"\x1bP1$r\x07x\x1b\\", [ControlSequence(b"P", b"1$r\x07x")]),
        (b"\x1b_app\x1b\\.", [ControlSequence(b"_", b"app"), Text(b".")]),
        # Control characters inside are carried out; CAN and SUB cancel.
        (b"\x1b[1\n;2m", [Text(b"\n"), ControlSequence(b"[", b"1;2", b"m")]),
        (b"\x1b[1\x18m", [Text(b"m")]),
        (b"\x1b[1\x1am", [Text(b"m")]),
        (b"\x1b]0;t\x18m", [Text(b"m")]),
        # ESC begins another sequence.
        (b"\x1b[1\x1b[2m", [ControlSequence(b"[", b"2", b"m")]),
        (b"\x1b]0;t\x1b[2m", [ControlSequence(b"[", b"2", b"m")]),
        (b"\x1b\x1bc", [ControlSequence(b"", b"", b"c")]),
        # DEL is ignored; a byte of a character is not part of a sequence.
        (b"\x1b[1\x7fm", [ControlSequence(b"[", b"1", b"m")]),
        (b"\x1b[1\xc3\xa9", [Text("é".encode())]),
        (b"a\x1b[", [Text(b"a")]),
    ],
)
def test_text_and_sequences_are_found_in_any_pieces(
    data: bytes, events: list[Text | ControlSequence]
) -> None:
    for cuts in ways_to_cut(data):
        assert parsed(*cut(data, cuts)) == events


BITS = [bytes([byte]) for byte in b"\x1b\x1b\x1b[[]P\\?01;m h\x07\x18\n(Bc\x7f\xc3\xa9"]


@thorough
@given(st.lists(st.sampled_from(BITS) | st.binary(max_size=5)).map(b"".join), CUTS)
def test_the_pieces_make_no_difference(data: bytes, cuts: list[int]) -> None:
    assert parsed(*cut(data, cuts)) == parsed(data)


@pytest.mark.parametrize("start", [b"\x1b[", b"\x1b]", b"\x1bP"])
def test_a_sequence_without_end_uses_bounded_memory(start: bytes) -> None:
    parser = SequenceParser()
    for piece in [start, *[b"0" * 1000] * 100]:
        assert not [
            each for each in parser.feed(piece) if isinstance(each, ControlSequence)
        ]
    ended = [
        each for each in parser.feed(b"\x1b\\") if isinstance(each, ControlSequence)
    ]
    assert all(len(each.parameters) <= 4096 + 1 for each in ended)


@pytest.mark.parametrize(
    ("parameters", "numbers"),
    [
        (b"", [0]),
        (b"?1049;25", [1049, 25]),
        (b";5", [0, 5]),
        (b"4:3;1", [4, 1]),
        (b"1 ", []),
        (b">4;1", [4, 1]),
    ],
)
def test_parameters_are_read_as_numbers(parameters: bytes, numbers: list[int]) -> None:
    assert ControlSequence(b"[", parameters, b"m").numbers == numbers
