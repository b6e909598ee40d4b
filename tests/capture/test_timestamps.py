"""Each line gets one stamp, at its start, and nothing else changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.capture.timestamps import Stamper, stamp_lines
from support.pieces import CUTS, cut, thorough

STAMP = b"<time> "
DATA = st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"x", b"\x1b[m", b"\xff"]))


def stamped(*pieces: bytes) -> bytes:
    stamper = Stamper()
    return b"".join(stamper.feed(piece, STAMP) for piece in pieces) + stamper.finish()


@thorough
@given(DATA.map(b"".join), CUTS)
def test_a_stamp_before_each_line_however_it_comes(
    data: bytes, cuts: list[int]
) -> None:
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    assert stamped(*cut(data, cuts)) == b"".join(STAMP + line + b"\n" for line in lines)


def test_the_stamp_is_that_of_the_first_byte() -> None:
    stamper = Stamper()
    pieces = [
        (b"lo", b"1 "),
        (b"gin: \r\nPass", b"2 "),
        (b"", b"3 "),
        (b"word:", b"4 "),
    ]
    out = b"".join(stamper.feed(*piece) for piece in pieces)
    assert out == b"1 login: \r\n2 Password:"


def test_nothing_is_held_back() -> None:
    stamper = Stamper()
    assert stamper.feed(b"$ ", STAMP) == STAMP + b"$ "
    assert not stamper.is_behind
    assert stamper.flush() == b""


@pytest.mark.parametrize("lines", [b"", b"\n", b"a", b"a\n", b"a\n\nb"])
def test_without_a_stamp_lines_stay_as_they_are(lines: bytes) -> None:
    assert stamp_lines(lines, b"") == lines
