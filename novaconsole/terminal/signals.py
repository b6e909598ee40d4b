"""The signals that the program acts on; their only owner."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import trio

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# These arrive too, but end nothing.
TERMINAL_SIGNALS = (signal.SIGWINCH, signal.SIGCONT)


@contextmanager
def received_signals() -> Iterator[AsyncIterator[int]]:
    """The signals that we act on, as they arrive.

    On leaving, trio delivers pending signals again, with the handlers that were set
    before.  By then those that end the program are ignored: it is exiting, with its
    status decided.
    """
    wanted = [*TERMINAL_SIGNALS]
    for signum in _ENDING_SIGNALS:
        # A signal that was ignored when we started, as by nohup, stays ignored.
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, signal.SIG_IGN)
            wanted.append(signum)
    with trio.open_signal_receiver(*wanted) as signals:
        yield signals
