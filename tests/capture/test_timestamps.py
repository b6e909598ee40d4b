"""Each line gets one timestamp, at its start, and nothing else changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.capture.timestamps import Timestamper, add_timestamps
from support.pieces import CUTS, cut, thorough

TIMESTAMP = b"<time> "
DATA = st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"x", b"\x1b[m", b"\xff"]))


def with_timestamps(*pieces: bytes) -> bytes:
    timestamper = Timestamper()
    return (
        b"".join(timestamper.feed(piece, TIMESTAMP) for piece in pieces)
        + timestamper.finish()
    )


@thorough
@given(DATA.map(b"".join), CUTS)
def test_each_line_gets_one_timestamp_in_any_pieces(
    data: bytes, cuts: list[int]
) -> None:
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    assert with_timestamps(*cut(data, cuts)) == b"".join(
        TIMESTAMP + line + b"\n" for line in lines
    )


def test_the_timestamp_is_that_of_the_first_byte() -> None:
    timestamper = Timestamper()
    pieces = [
        (b"lo", b"1 "),
        (b"gin: \r\nPass", b"2 "),
        (b"", b"3 "),
        (b"word:", b"4 "),
    ]
    out = b"".join(timestamper.feed(*piece) for piece in pieces)
    assert out == b"1 login: \r\n2 Password:"


def test_nothing_is_held_back() -> None:
    timestamper = Timestamper()
    assert timestamper.feed(b"$ ", TIMESTAMP) == TIMESTAMP + b"$ "
    assert not timestamper.has_pending
    assert timestamper.flush() == b""


@pytest.mark.parametrize("lines", [b"", b"\n", b"a", b"a\n", b"a\n\nb"])
def test_an_empty_timestamp_changes_nothing(lines: bytes) -> None:
    assert add_timestamps(lines, b"") == lines
