"""Every line is valid JSON, and the pieces do not change the text."""

import json
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.capture.asciicast import Encoder, header
from support.pieces import CUTS, cut, thorough

# Random bytes, and text with bytes between that are not UTF-8.
BYTES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(st.text().map(str.encode), st.binary(max_size=3))).map(b"".join),
)
DIRECTIONS = st.lists(st.tuples(st.sampled_from("oi"), BYTES))


class Event(NamedTuple):
    seconds: float
    code: str
    data: str


def events(lines: bytes) -> list[Event]:
    """Read the lines; each must be whole, in UTF-8, and JSON."""
    *whole, rest = lines.decode().split("\n")
    assert rest == ""
    # Readers in text mode may take these for line ends.
    assert not any(mark in line for line in whole for mark in "\r\v\f\x1c\x1d\x1e")
    return [Event(*json.loads(line)) for line in whole]


def text(code: str, found: list[Event]) -> str:
    return "".join(event.data for event in found if event.code == code)


@thorough
@given(data=BYTES, cuts=CUTS)
def test_the_pieces_do_not_change_the_text(data: bytes, cuts: list[int]) -> None:
    encoder = Encoder()
    lines = [encoder.output(1.0, piece) for piece in cut(data, cuts)]
    found = events(b"".join(lines) + encoder.end(1.0))
    assert text("o", found) == data.decode(errors="replace")
    assert {event.code for event in found} <= {"o"}
    assert all(event.data for event in found), "no empty events"


@thorough
@given(sent=DIRECTIONS)
def test_input_and_output_are_decoded_apart(sent: list[tuple[str, bytes]]) -> None:
    encoder = Encoder()
    write = {"o": encoder.output, "i": encoder.input}
    lines = [write[code](0.0, data) for code, data in sent]
    found = events(b"".join(lines) + encoder.end(0.0))
    for code in "oi":
        whole = b"".join(data for to, data in sent if to == code)
        assert text(code, found) == whole.decode(errors="replace")


@thorough
@given(microseconds=st.integers(min_value=0, max_value=10**15))
def test_times_are_in_microseconds(microseconds: int) -> None:
    line = Encoder().output(microseconds / 1e6, b"x")
    whole, part = divmod(microseconds, 10**6)
    assert line.startswith(b"[%d.%06d, " % (whole, part))
    assert events(line)[0].seconds == microseconds / 1e6


def test_a_character_is_held_back_until_it_is_whole() -> None:
    encoder = Encoder()
    first, *rest = (bytes([byte]) for byte in "€".encode())
    assert encoder.output(1.0, first) == b""
    assert encoder.output(2.0, rest[0]) == b""
    assert events(encoder.output(3.0, rest[1])) == [Event(3.0, "o", "€")]
    assert encoder.end(4.0) == b""


def test_text_is_not_escaped_without_need() -> None:
    """The file is readable, and half as long."""
    line = Encoder().output(0.5, "\x1b[32mgrün\r\n".encode())
    assert line == '[0.500000, "o", "\\u001b[32mgrün\\r\\n"]\n'.encode()


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (lambda encoder: encoder.resize(1.5, 132, 43), Event(1.5, "r", "132x43")),
        (lambda encoder: encoder.marker(2.0, 'a "b"'), Event(2.0, "m", 'a "b"')),
    ],
    ids=["resize", "marker"],
)
def test_resizes_and_markers_are_events(
    line: Callable[[Encoder], bytes], event: Event
) -> None:
    assert events(line(Encoder())) == [event]


def test_the_header_has_the_size_the_title_and_the_terminal() -> None:
    line = header(columns=81, lines=25, timestamp=1504467315, title="vm", term="vt100")
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "version": 2,
        "width": 81,
        "height": 25,
        "timestamp": 1504467315,
        "title": "vm",
        "env": {"TERM": "vt100"},
    }


def test_without_a_terminal_the_header_has_no_environment() -> None:
    line = header(columns=80, lines=24, timestamp=0, title="vm", term=None)
    assert "env" not in json.loads(line)


def test_a_name_that_is_not_utf_8_is_replaced() -> None:
    """Python gives such bytes of an argument as surrogates."""
    name = b"gr\xfcn\n".decode(errors="surrogateescape")
    line = header(columns=80, lines=24, timestamp=0, title=name, term=name)
    assert json.loads(line)["title"] == "gr?n\n"
    assert events(Encoder().marker(0.0, name)) == [Event(0.0, "m", "gr?n\n")]
