"""What comes first is shown at once; a steady trickle gathers for a moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.websocket.flow import ReadPacer
from support.pieces import thorough

GATHER, CLOSELY, LITTLE = 0.003, 0.006, 4096


def pauses(*reads: tuple[float, int]) -> list[float]:
    """How long each read makes the next one wait; the reads by time and size."""
    pacer, found = ReadPacer(), []
    for now, size in reads:
        pacer.note_read(size, now)
        found.append(pacer.next_read - now)
    return found


def test_what_comes_first_makes_nobody_wait() -> None:
    assert pauses((10.0, 16)) == [0]


def test_what_follows_closely_gathers() -> None:
    assert pauses((10.0, 1), (10.004, 1), (10.008, 1)) == [
        0,
        pytest.approx(GATHER),
        pytest.approx(GATHER),
    ]


def test_keys_are_echoed_at_once_however_fast_somebody_types() -> None:
    keys = [(10 + number * CLOSELY * 1.01, 3) for number in range(100)]
    assert set(pauses(*keys)) == {0}


def test_a_flood_is_read_as_fast_as_it_comes() -> None:
    assert pauses((10.0, LITTLE), (10.001, LITTLE), (10.002, 1 << 16)) == [0, 0, 0]


@thorough
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1 << 16))))
def test_nobody_waits_longer_than_that(steps: list[tuple[float, int]]) -> None:
    now, reads = 1.0, []
    for step, size in steps:
        now += step
        reads.append((now, size))
    assert all(0 <= pause <= GATHER * 1.001 for pause in pauses(*reads))
