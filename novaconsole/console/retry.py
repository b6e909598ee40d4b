"""When to try again: after a failed attempt, or after a connection has ended.

`RetryPolicy` decides and knows nothing of I/O; `connect_with_retries` carries it out.
"""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
)

import trio

from novaconsole.console.connect import ConnectOptions, ConsoleAddress, connect
from novaconsole.console.outcome import ConnectionSummary
from novaconsole.console.source import ConsoleSource
from novaconsole.errors import NovaConsoleError, Retryable
from novaconsole.network.target import Target
from novaconsole.websocket.connection import Connection

_ATTEMPTS = 60  # five minutes of a network that refuses at once
_ATTEMPTS_WITH_ONE_URL = 20  # a minute and a half: enough for a guest to boot
_MAX_SECONDS = 5.0
# A boot loader shows its menu for five seconds; a longer pause would miss it.
_MAX_SECONDS_FOR_STATE = 1.5
# A connection that lasts this long ends the outage before it.  What it carried does not
# matter: a console may print something and close, again and again.
GOOD_SECONDS = _MAX_SECONDS
_FIRST_SECONDS = 0.25
_FACTOR = 1.5
_JITTER = 0.2  # many clients lose one proxy at the same moment


class Backoff:
    """The pauses between the attempts of one outage.

    Args:
        attempts: how many may fail.
        max_seconds: the longest pause, before jitter.
        uniform: random.uniform, or a stand-in for tests.

    Attributes:
        failed: attempts that have failed so far.
    """

    def __init__(
        self,
        attempts: int,
        max_seconds: float,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.failed = 0
        self._attempts = attempts
        self._max_seconds = max_seconds
        self._uniform = uniform
        self._seconds = _FIRST_SECONDS

    def pause(self) -> float:
        """Seconds to wait now; longer each time."""
        seconds = self._seconds
        self._seconds = min(self._max_seconds, seconds * _FACTOR)
        return seconds * self._uniform(1 - _JITTER, 1 + _JITTER)

    def fail(self) -> bool:
        """Count a failed attempt; whether another may be made."""
        self.failed += 1
        return self.failed < self._attempts


class RetryPolicy:
    """Decides what `--wait` and `--reconnect` mean after each attempt.

    Args:
        wait: try until the console has been reached for the first time.
        reconnect: try again whenever the connection is lost.
        renews: whether each attempt has a new URL.
    """

    def __init__(self, *, wait: bool, reconnect: bool, renews: bool) -> None:
        self._wait = wait
        self._reconnect = reconnect
        self._renews = renews
        self._was_attached = False
        self._by_hand = False
        self._start_outage()

    def _start_outage(self) -> None:
        self._attempts = Backoff(_ATTEMPTS, _MAX_SECONDS)
        self._refusals = 0
        self._looks = Backoff(_ATTEMPTS, _MAX_SECONDS_FOR_STATE)

    @property
    def was_attached(self) -> bool:
        """Whether a connection has led to a console."""
        return self._was_attached

    @property
    def _is_wanted(self) -> bool:
        if self._was_attached:
            return self._reconnect or self._by_hand
        return self._wait

    def after_error(self, error: NovaConsoleError) -> float | None:
        """Decide after an attempt that failed.

        Returns:
            Seconds to wait before the next attempt, or None to give up.
        """
        if not self._is_wanted:
            return None
        match error.retryable:
            case Retryable.IN_TIME:
                return self._looks.pause()
            case Retryable.SOON:
                return self._after_failure()
            case _:
                return None

    def after_connection(
        self, connection: ConnectionSummary, *, by_hand: bool = False
    ) -> float | None:
        """Decide after a connection that has ended, by `~R` or by itself.

        Returns:
            Seconds to wait before the next attempt, or None to give up.
        """
        if by_hand:
            self._was_attached = self._by_hand = True
            self._start_outage()
            return 0
        if connection.was_used:
            self._was_attached = True
            self._by_hand = False
            if not self._reconnect:
                return None
            self._refusals = 0
            if connection.seconds >= GOOD_SECONDS:
                self._start_outage()
                return 0
            return self._after_failure()
        # The proxy accepts every client, and hangs up on those without a valid token.
        self._refusals += 1
        is_useless = not self._renews and (
            not self._was_attached or self._refusals >= _ATTEMPTS_WITH_ONE_URL
        )
        if is_useless or not (self._is_wanted or self._reconnect):
            return None
        return self._after_failure()

    def _after_failure(self) -> float | None:
        return self._attempts.pause() if self._attempts.fail() else None


Connect = Callable[
    [ConsoleAddress, ConnectOptions], AbstractAsyncContextManager[Connection]
]


@asynccontextmanager
async def connect_with_retries(
    source: ConsoleSource,
    options: ConnectOptions,
    policy: RetryPolicy,
    *,
    connect: Connect = connect,
    on_address: Callable[[ConsoleAddress], None] = lambda _: None,
    on_failure: Callable[[NovaConsoleError], None] = lambda _: None,
) -> AsyncIterator[tuple[Connection, Target]]:
    """Find a console and connect to it, as often as the policy allows.

    Args:
        source: finds the console.
        options: how to connect.
        policy: decides whether to try again.
        connect: `connect.connect`, or a stand-in for tests.
        on_address: called before each attempt to connect.
        on_failure: called with the error of each attempt that will be repeated.

    Raises:
        NovaConsoleError: the last attempt failed.
    """
    async with AsyncExitStack() as stack:
        while True:
            try:
                address = await source.locate()
                located_at = trio.current_time()
                on_address(address)
                connection = await stack.enter_async_context(connect(address, options))
                connection.note_located(located_at)
                break
            except NovaConsoleError as exc:
                pause = policy.after_error(exc)
                if pause is None:
                    raise
                on_failure(exc)
            await trio.sleep(pause)
        yield connection, address.target
