"""The three standard streams: which of them are terminals, and who serves them.

Standard input is the keyboard or piped data, standard output shows the guest's bytes,
standard error carries our messages.  Streams on the same terminal share one object, so
that what is written through one waits for the other.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from novaconsole.terminal.pipes import Input, Output
from novaconsole.terminal.tty import Terminal, open_controlling_terminal, open_terminal


@dataclass(frozen=True)
class Stdio:
    """Where typing comes from and where output and messages go.

    Attributes:
        keyboard: a terminal, where there is a person; else None.
        piped: the input where there is no keyboard.
        screen: for the guest's bytes.
        messages: for what we say.
    """

    keyboard: Terminal | None
    piped: Input | None
    screen: Terminal | Output
    messages: Terminal | Output


@contextmanager
def open_stdio(*, keyboard_from_terminal: bool = False) -> Iterator[Stdio]:
    """The standard streams; on leaving, the terminal is as it was.

    Args:
        keyboard_from_terminal: the keyboard is the controlling terminal, for standard
            input was used for something else.  Where there is none, the rest of
            standard input is data.
    """
    with ExitStack() as stack:
        terminals: dict[int, Terminal] = {}

        def terminal_on(fd: int) -> Terminal:
            device = os.fstat(fd).st_rdev
            if device not in terminals:
                terminals[device] = open_terminal(fd)
                stack.callback(terminals[device].close)
            return terminals[device]

        def output_on(fd: int) -> Terminal | Output:
            if os.isatty(fd):
                return terminal_on(fd)
            output = Output(fd)
            stack.callback(output.close)
            return output

        screen, messages = output_on(1), output_on(2)
        keyboard = None
        if os.isatty(0):
            keyboard = terminal_on(0)
        elif keyboard_from_terminal:
            shared = next(
                (s for s in (messages, screen) if isinstance(s, Terminal)), None
            )
            keyboard = shared or open_controlling_terminal()
            if keyboard is not None and shared is None:
                stack.callback(keyboard.close)
        piped = Input(0) if keyboard is None else None
        yield Stdio(keyboard, piped, screen, messages)
