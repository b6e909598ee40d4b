"""Which attributes are on after some SGR sequences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.vt.sgr import Attributes
from support.pieces import thorough


def noted(*texts: bytes) -> Attributes:
    attributes = Attributes()
    attributes.note(texts)
    return attributes


@pytest.mark.parametrize(
    ("texts", "undo", "redo"),
    [
        ([], b"", b""),
        ([b"1"], b"\x1b[m", b"\x1b[1m"),
        ([b"1;31", b"4"], b"\x1b[m", b"\x1b[1m\x1b[31m\x1b[4m"),
        ([b"38;5;1;48;2;4;5;6"], b"\x1b[m", b"\x1b[38;5;1m\x1b[48;2;4;5;6m"),
        ([b"38:2::1:2:3"], b"\x1b[m", b"\x1b[38:2::1:2:3m"),
        ([b"38"], b"\x1b[m", b"\x1b[38m"),
        ([b"31", b"39"], b"", b""),
        ([b"31", b"39", b"31"], b"\x1b[m", b"\x1b[31m"),
        ([b"4:3"], b"\x1b[m", b"\x1b[4:3m"),
        ([b"4", b"4:0"], b"", b""),
        ([b"31", b""], b"", b""),
        ([b"31", b"00"], b"", b""),
        ([b"31", b"1;"], b"", b""),
        ([b"11", b"0"], b"\x1b[10m", b"\x1b[11m"),
        ([b"1;11"], b"\x1b[10m\x1b[m", b"\x1b[11m\x1b[1m"),
        ([b"11", b"10"], b"", b""),
        ([b"9999"], b"", b""),
    ],
)
def test_what_is_on_is_undone_and_redone(
    texts: list[bytes], undo: bytes, redo: bytes
) -> None:
    attributes = noted(*texts)
    assert (attributes.undo(), attributes.redo()) == (undo, redo)
    assert bool(attributes) == bool(undo)


def test_a_copy_does_not_change_with_its_source() -> None:
    first = noted(b"1")
    copy = first.copy()
    first.note([b"0"])
    assert (first.undo(), copy.undo()) == (b"", b"\x1b[m")


PARAMETERS = st.sampled_from(
    [
        *("0", "1", "2", "4", "22", "24", "31", "39", "4:0", "4:3", "10", "11"),
        *("38;5;7", "48;2;1;2;3"),
    ]
)
TEXTS = st.lists(
    st.lists(PARAMETERS, min_size=1, max_size=3).map(
        lambda each: ";".join(each).encode()
    )
)


@thorough
@given(TEXTS)
def test_sequences_taken_together_or_one_by_one_are_the_same(
    texts: list[bytes],
) -> None:
    one_by_one = Attributes()
    for text in texts:
        one_by_one.note([text])
    together = noted(*texts)
    assert sorted(together.redo()) == sorted(one_by_one.redo())
    assert together.undo() == one_by_one.undo()
