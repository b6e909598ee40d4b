"""When output is quiet: what piped input's end waits for."""

import pytest
import trio
import trio.testing

from novaconsole.session.activity import OutputActivity

CLOSE_WAIT = 1.0


class Hurrying(trio.abc.Clock):
    """Time passes at every look, as on a machine that is busy."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._now = 0.0

    def start_clock(self) -> None:
        """It runs by itself."""

    def current_time(self) -> float:
        self._now += self._step
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        self._now = max(self._now, deadline)
        return 0


@pytest.mark.parametrize("step", [0.01, 0.3, 0.7, 5.0])
@pytest.mark.parametrize("shown_before", [True, False])
def test_the_wait_for_quiet_ends_however_time_passes(
    step: float, shown_before: bool
) -> None:
    async def wait() -> None:
        activity = OutputActivity()
        if shown_before:
            with activity.showing():
                pass
        started = trio.current_time()
        await activity.wait_quiet(CLOSE_WAIT)
        assert trio.current_time() - started >= CLOSE_WAIT

    trio.run(wait, clock=Hurrying(step))


async def test_without_output_the_wait_takes_its_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    activity = OutputActivity()
    await trio.sleep(100)
    started = trio.current_time()
    await activity.wait_quiet(CLOSE_WAIT)
    assert trio.current_time() - started == pytest.approx(CLOSE_WAIT)


async def test_output_in_between_starts_the_wait_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    activity = OutputActivity()

    async def show() -> None:
        for _ in range(3):
            await trio.sleep(0.9)
            with activity.showing():
                await trio.sleep(0.05)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(show)
        started = trio.current_time()
        await activity.wait_quiet(CLOSE_WAIT)
    assert trio.current_time() - started == pytest.approx(3 * 0.95 + CLOSE_WAIT)


async def test_a_screen_that_is_stuck_is_not_quiet(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """And the wait does not look again and again: it sleeps until that ends."""
    activity = OutputActivity()
    async with trio.open_nursery() as nursery:
        with activity.showing():
            nursery.start_soon(activity.wait_quiet, CLOSE_WAIT)
            await trio.testing.wait_all_tasks_blocked()
            await trio.sleep(1000)
            assert len(nursery.child_tasks) == 1
        started = trio.current_time()
    assert trio.current_time() - started == pytest.approx(CLOSE_WAIT)
