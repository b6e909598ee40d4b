"""What is in flight is bounded to what a slow screen takes in a moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.websocket.flow import ReceiveWindow
from support.pieces import thorough

LEAST, MOST = 16 * 1024, 256 * 1024
READ = 64 * 1024


def show(
    window: ReceiveWindow,
    rate: float,
    *,
    chunks: int = 50,
    size: int = 0,
    idle: float = 0,
) -> None:
    """Show at a rate of bytes a second, pausing `idle` seconds after each chunk."""
    now = 0.0
    for _ in range(chunks):
        amount = size or window.read_bytes
        window.note_shown(amount, now, now + amount / rate)
        now += amount / rate + idle


def test_at_first_the_kernel_decides() -> None:
    window = ReceiveWindow()
    assert (window.limit, window.read_bytes) == (None, LEAST)


@pytest.mark.parametrize(
    ("rate", "limit"), [(4_000_000, 60_000), (1_000_000, LEAST), (1_000, LEAST)]
)
def test_a_slow_screen_bounds_what_is_in_flight(rate: float, limit: int) -> None:
    window = ReceiveWindow()
    show(window, rate)
    assert window.limit == pytest.approx(limit, rel=0.01)
    assert window.read_bytes == window.limit


def test_a_long_way_wants_more_in_flight() -> None:
    window = ReceiveWindow()
    window.round_trip = 0.1
    show(window, 1_000_000)
    assert window.limit == pytest.approx(115_000, rel=0.01)
    assert window.read_bytes == READ


def test_a_fast_screen_leaves_it_to_the_kernel() -> None:
    window = ReceiveWindow()
    show(window, 100_000_000, chunks=1000)
    assert (window.limit, window.read_bytes) == (None, READ)


@pytest.mark.parametrize("round_trip", [0.001, 0.1])
def test_a_screen_that_waits_for_the_network_is_given_more(round_trip: float) -> None:
    """A window a round trip comes in, and the screen has time in between."""
    window, now = ReceiveWindow(), 0.0
    show(window, 1_000)
    assert window.limit == LEAST
    for _ in range(1000):
        amount = window.limit or MOST
        window.note_shown(amount, now, now + amount / 1e9)
        now += round_trip
    assert window.limit is None


@pytest.mark.parametrize("rate", [1e9, 100_000])
def test_a_guest_that_prints_little_changes_nothing(rate: float) -> None:
    window = ReceiveWindow()
    show(window, rate, chunks=1000, size=16, idle=0.1)
    assert window.limit is None


@thorough
@given(
    st.lists(
        st.tuples(st.integers(1, MOST), st.floats(0, 10), st.floats(0, 10)), max_size=50
    )
)
def test_a_change_is_told_and_bounded(shown: list[tuple[int, float, float]]) -> None:
    window, now = ReceiveWindow(), 0.0
    for size, pause, taken in shown:
        before = window.limit
        changed = window.note_shown(size, now + pause, now + pause + taken)
        now += pause + taken
        assert changed is (window.limit != before)
        assert window.limit is None or LEAST <= window.limit < MOST
        assert 0 < window.read_bytes <= READ
