"""The pauses between tries: bounded, growing, and not the same for everybody."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.console.retry import Backoff
from support.pieces import thorough

FIRST_SECONDS = 0.25
JITTER = 0.2
LIMITS = st.floats(min_value=FIRST_SECONDS, max_value=3600)
COUNTS = st.integers(min_value=1, max_value=100)


def middle(low: float, high: float) -> float:
    return (low + high) / 2


@thorough
@given(seed=st.integers(), most_seconds=LIMITS, count=COUNTS)
def test_a_pause_is_bounded_but_for_the_jitter(
    seed: int, most_seconds: float, count: int
) -> None:
    backoff = Backoff(1, most_seconds, random.Random(seed).uniform)
    for _ in range(count):
        pause = backoff.pause()
        assert FIRST_SECONDS * (1 - JITTER) <= pause <= most_seconds * (1 + JITTER)


@thorough
@given(seed=st.integers(), most_seconds=LIMITS, count=COUNTS)
def test_the_jitter_is_a_fifth_either_way(
    seed: int, most_seconds: float, count: int
) -> None:
    plain = Backoff(1, most_seconds, middle)
    backoff = Backoff(1, most_seconds, random.Random(seed).uniform)
    for _ in range(count):
        without = plain.pause()
        assert backoff.pause() == pytest.approx(without, rel=JITTER + 1e-9)


@thorough
@given(most_seconds=LIMITS, count=COUNTS)
def test_pauses_grow_up_to_the_longest_and_stay(
    most_seconds: float, count: int
) -> None:
    backoff = Backoff(1, most_seconds, middle)
    pauses = [backoff.pause() for _ in range(count)]
    assert pauses == sorted(pauses)
    assert pauses[0] == FIRST_SECONDS
    for pause, longer in pairwise(pauses):
        assert longer == most_seconds or longer >= 1.4 * pause
    assert len(set(pauses[30:])) <= 1, "0.25 · 1.5³⁰ s are more than 3600 s"


@pytest.mark.parametrize(("end", "factor"), [(min, 0.8), (max, 1.2)])
def test_the_whole_range_is_used(
    end: Callable[[float, float], float], factor: float
) -> None:
    assert Backoff(1, 5.0, end).pause() == pytest.approx(FIRST_SECONDS * factor)


def test_by_default_no_two_clients_come_back_at_the_same_moment() -> None:
    assert len({Backoff(1, 5.0).pause() for _ in range(20)}) > 1


@thorough
@given(tries=COUNTS)
def test_so_many_tries_may_fail_and_no_more(tries: int) -> None:
    backoff = Backoff(tries, 5.0)
    answers = [backoff.fail() for _ in range(tries + 2)]
    assert answers == [True] * (tries - 1) + [False] * 3
    assert backoff.failed == tries + 2


@thorough
@given(tries=COUNTS, pauses=COUNTS)
def test_waiting_is_no_failure(tries: int, pauses: int) -> None:
    backoff = Backoff(tries, 5.0)
    for _ in range(pauses):
        backoff.pause()
    assert backoff.failed == 0
