"""The state that the tasks share, where it has rules of its own."""

import os

import pytest
import trio

from novaconsole.capture.log import SessionLog
from novaconsole.console.connect import ConnectOptions
from novaconsole.console.source import DemoSource
from novaconsole.session.state import Session, SessionOptions
from novaconsole.terminal.notices import Notices
from novaconsole.terminal.pipes import Input, Output
from novaconsole.terminal.stdio import Stdio

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
        output = Output(os.open(os.devnull, os.O_WRONLY))
        stdio = Stdio(None, Input(0), output, output)
        log = SessionLog("demo", pytest.fail)
        options = SessionOptions(DemoSource(), ConnectOptions(), None, log, CLOSE_WAIT)
        async with trio.open_nursery() as nursery:
            session = Session(nursery, stdio, Notices(), options)
            session.quiet_since = 0.0 if shown_before else trio.current_time()
            started = trio.current_time()
            await session.wait_for_quiet()
            assert trio.current_time() - started >= CLOSE_WAIT

    trio.run(wait, clock=Hurrying(step))
