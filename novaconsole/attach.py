"""The interactive program: resources outside, tasks inside.

    signal handlers ⊃ standard streams ⊃ one nursery:
        watch_signals · read_console · read_keyboard · send_input · show_notices

Whatever ends a task, leaving the nursery closes the link, leaving the streams restores
the terminal, and only then do signals count again.
"""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import trio

from novaconsole.ending import Ended
from novaconsole.farewell import Attachment, last_words
from novaconsole.notices import Notices
from novaconsole.session import Session, SessionOptions
from novaconsole.stdio import open_stdio

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_TERMINAL_SIGNALS = (signal.SIGWINCH, signal.SIGCONT)


async def attach(
    options: SessionOptions, notices: Notices, *, keyboard_from_terminal: bool = False
) -> Ended:
    """Attach the standard streams to a serial console until something ends it.

    Args:
        options: what the user asked for.
        notices: for what we say.
        keyboard_from_terminal: standard input is used up; read the terminal.

    Returns:
        How it ended.

    Raises:
        NovaConsoleError: the console could not be reached.
    """
    with (
        _signals() as signals,
        open_stdio(keyboard_from_terminal=keyboard_from_terminal) as stdio,
    ):
        try:
            async with trio.open_nursery() as nursery:
                session = Session(nursery, stdio, notices, options)
                nursery.start_soon(session.watch_signals, signals)
                nursery.start_soon(session.read_console)
        finally:
            session.leave()
    if session.failure is not None:
        raise session.failure
    ended, link, target = session.ended, session.link, session.target
    assert ended is not None
    if link is not None and target is not None:
        attachment = Attachment(
            title=target.title,
            named=target.name is not None,
            seconds=trio.current_time() - link.opened_at,
            bytes_in=link.bytes_in,
        )
        for line in last_words(ended, attachment):
            notices.say(line)
    return ended


@contextmanager
def _signals() -> Iterator[AsyncIterator[int]]:
    """The signals that we act on, as they come.

    On leaving, signals that are still waiting are delivered once more by trio; by then
    they are ignored, for the program is on its way out, with its status decided.
    """
    wanted = [*_TERMINAL_SIGNALS]
    for signum in _ENDING_SIGNALS:
        # Who started us with a signal ignored, as nohup does, meant it.
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, signal.SIG_IGN)
            wanted.append(signum)
    with trio.open_signal_receiver(*wanted) as signals:
        yield signals
