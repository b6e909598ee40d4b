"""Flow control: a slow screen bounds what is in flight, and reads are paced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.websocket.flow import ReadPacer, ReceiveWindow
from support.pieces import thorough

MIN_LIMIT, MAX_LIMIT = 16 * 1024, 256 * 1024
READ = 64 * 1024


# ---- the receive window


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


def test_before_any_measurement_the_kernel_decides_and_reads_are_small() -> None:
    window = ReceiveWindow()
    assert (window.limit, window.read_bytes) == (None, MIN_LIMIT)


@pytest.mark.parametrize(
    ("rate", "limit"), [(4_000_000, 60_000), (1_000_000, MIN_LIMIT), (1_000, MIN_LIMIT)]
)
def test_a_slow_screen_bounds_what_is_in_flight(rate: float, limit: int) -> None:
    window = ReceiveWindow()
    show(window, rate)
    assert window.limit == pytest.approx(limit, rel=0.01)
    assert window.read_bytes == window.limit


def test_a_long_round_trip_allows_more_in_flight() -> None:
    window = ReceiveWindow()
    window.round_trip = 0.1
    show(window, 1_000_000)
    assert window.limit == pytest.approx(115_000, rel=0.01)
    assert window.read_bytes == READ


def test_a_fast_screen_leaves_the_limit_to_the_kernel() -> None:
    window = ReceiveWindow()
    show(window, 100_000_000, chunks=1000)
    assert (window.limit, window.read_bytes) == (None, READ)


@pytest.mark.parametrize("round_trip", [0.001, 0.1])
def test_a_screen_that_waits_for_the_network_is_given_more(round_trip: float) -> None:
    """One window arrives each round trip, and the screen is idle in between."""
    window, now = ReceiveWindow(), 0.0
    show(window, 1_000)
    assert window.limit == MIN_LIMIT
    for _ in range(1000):
        amount = window.limit or MAX_LIMIT
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
        st.tuples(st.integers(1, MAX_LIMIT), st.floats(0, 10), st.floats(0, 10)),
        max_size=50,
    )
)
def test_every_change_of_the_limit_is_reported_and_within_bounds(
    shown: list[tuple[int, float, float]],
) -> None:
    window, now = ReceiveWindow(), 0.0
    for size, pause, taken in shown:
        before = window.limit
        changed = window.note_shown(size, now + pause, now + pause + taken)
        now += pause + taken
        assert changed is (window.limit != before)
        assert window.limit is None or MIN_LIMIT <= window.limit < MAX_LIMIT
        assert 0 < window.read_bytes <= READ


# ---- the pace of reads

GATHER, CLOSE_TOGETHER, SMALL = 0.003, 0.006, 4096


def delays(*reads: tuple[float, int]) -> list[float]:
    """How long each read delays the next one; the reads are given as time and size."""
    pacer, found = ReadPacer(), []
    for now, size in reads:
        pacer.note_read(size, now)
        found.append(pacer.next_read - now)
    return found


def test_the_first_read_delays_nothing() -> None:
    assert delays((10.0, 16)) == [0]


def test_small_reads_close_together_are_gathered() -> None:
    assert delays((10.0, 1), (10.004, 1), (10.008, 1)) == [
        0,
        pytest.approx(GATHER),
        pytest.approx(GATHER),
    ]


def test_the_echo_of_a_key_is_not_delayed_however_fast_the_typing() -> None:
    keys = [(10 + number * CLOSE_TOGETHER * 1.01, 3) for number in range(100)]
    assert set(delays(*keys)) == {0}


def test_a_flood_is_read_as_fast_as_it_comes() -> None:
    assert delays((10.0, SMALL), (10.001, SMALL), (10.002, 1 << 16)) == [0, 0, 0]


@thorough
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1 << 16))))
def test_no_read_is_delayed_longer_than_the_gathering_time(
    steps: list[tuple[float, int]],
) -> None:
    now, reads = 1.0, []
    for step, size in steps:
        now += step
        reads.append((now, size))
    assert all(0 <= delay <= GATHER * 1.001 for delay in delays(*reads))
