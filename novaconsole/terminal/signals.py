"""The signals that the program acts on: their only owner."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import trio

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# The others that come: they end nothing.
TERMINAL_SIGNALS = (signal.SIGWINCH, signal.SIGCONT)


@contextmanager
def received_signals() -> Iterator[AsyncIterator[int]]:
    """The signals that we act on, as they come.

    On leaving, signals that are still waiting are delivered once more by trio; by then
    they are ignored, for the program is on its way out, with its status decided.
    """
    wanted = [*TERMINAL_SIGNALS]
    for signum in _ENDING_SIGNALS:
        # Who started us with a signal ignored, as nohup does, meant it.
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, signal.SIG_IGN)
            wanted.append(signum)
    with trio.open_signal_receiver(*wanted) as signals:
        yield signals
