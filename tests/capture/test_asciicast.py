"""The recording's lines: valid JSON whatever comes, and the same text in any pieces."""

import json
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.capture.asciicast import Encoder, header
from support.pieces import CUTS, cut, thorough

# Bytes as they come, and text with something that is none in between.
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
    """What is in the lines, each of which is whole, in UTF-8 and JSON to the letter."""
    *whole, rest = lines.decode().split("\n")
    assert rest == ""
    # Readers in text mode may take these for the ends of lines.
    assert not any(mark in line for line in whole for mark in "\r\v\f\x1c\x1d\x1e")
    return [Event(*json.loads(line)) for line in whole]


def text(code: str, found: list[Event]) -> str:
    return "".join(event.data for event in found if event.code == code)


@thorough
@given(data=BYTES, cuts=CUTS)
def test_pieces_do_not_change_the_text(data: bytes, cuts: list[int]) -> None:
    encoder = Encoder()
    lines = [encoder.output(1.0, piece) for piece in cut(data, cuts)]
    found = events(b"".join(lines) + encoder.end(1.0))
    assert text("o", found) == data.decode(errors="replace")
    assert {event.code for event in found} <= {"o"}
    assert all(event.data for event in found), "no event without a reason"


@thorough
@given(sent=DIRECTIONS)
def test_the_directions_do_not_mix(sent: list[tuple[str, bytes]]) -> None:
    encoder = Encoder()
    write = {"o": encoder.output, "i": encoder.input}
    lines = [write[code](0.0, data) for code, data in sent]
    found = events(b"".join(lines) + encoder.end(0.0))
    for code in "oi":
        whole = b"".join(data for to, data in sent if to == code)
        assert text(code, found) == whole.decode(errors="replace")


@thorough
@given(microseconds=st.integers(min_value=0, max_value=10**15))
def test_times_have_six_digits(microseconds: int) -> None:
    line = Encoder().output(microseconds / 1e6, b"x")
    whole, part = divmod(microseconds, 10**6)
    assert line.startswith(b"[%d.%06d, " % (whole, part))
    assert events(line)[0].seconds == microseconds / 1e6


def test_a_character_is_shown_when_it_is_whole() -> None:
    encoder = Encoder()
    first, *rest = (bytes([byte]) for byte in "€".encode())
    assert encoder.output(1.0, first) == b""
    assert encoder.output(2.0, rest[0]) == b""
    assert events(encoder.output(3.0, rest[1])) == [Event(3.0, "o", "€")]
    assert encoder.end(4.0) == b""


def test_text_stays_readable() -> None:
    """Nothing is spelled out that need not be; the file is half as long."""
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
def test_what_happens_besides(line: Callable[[Encoder], bytes], event: Event) -> None:
    assert events(line(Encoder())) == [event]


def test_the_header_says_what_is_recorded() -> None:
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


def test_without_a_terminal_there_is_no_environment() -> None:
    line = header(columns=80, lines=24, timestamp=0, title="vm", term=None)
    assert "env" not in json.loads(line)


def test_a_name_that_is_no_text_does_no_harm() -> None:
    """As Python gives the bytes of an argument that are no UTF-8."""
    name = b"gr\xfcn\n".decode(errors="surrogateescape")
    line = header(columns=80, lines=24, timestamp=0, title=name, term=name)
    assert json.loads(line)["title"] == "gr?n\n"
    assert events(Encoder().marker(0.0, name)) == [Event(0.0, "m", "gr?n\n")]
