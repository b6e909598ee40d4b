"""A secret that the user is asked for, without echo whatever happens meanwhile.

Not getpass: what it has switched off stays off if a signal ends the program, and comes
back with ^Z and `fg`, since the shell sets the terminal's modes while the program is
stopped.  So the signals that stop, continue or end it are taken over here, unless
somebody else has done so.

No trio here: `terminal/prompt.py` is for the time when it handles signals.
"""

import errno
import os
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from novaconsole.terminal.fd import is_foreground, write_within

_MAX_BYTES = 4096  # what a terminal takes for one line
_WRITE_SECONDS = 1.0
# What stops or ends the program where nothing else is set.
_LEAVING = (signal.SIGTSTP, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

_Modes = list[Any]  # what termios.tcgetattr returns


class SecretPrompt:
    """A question on a terminal, whose answer is not shown.

    Args:
        text: what to show.
        fd: open on the terminal for reading and writing.
    """

    def __init__(self, text: str, fd: int) -> None:
        self._text = text.encode(errors="replace")
        self._fd = fd
        self._before: _Modes | None = None
        self._silent: _Modes | None = None
        self._line = b""
        self._has_ended = False

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the question; from then on nothing is echoed.

        On leaving, the terminal echoes again, and the next output begins a line.

        Raises:
            termios.error: the terminal has hung up.
        """
        with self._signals_taken_over():
            self._show()
            try:
                yield
            finally:
                self.end()

    def end(self) -> None:
        """Let the terminal echo again, and begin a line; only the first call counts."""
        if not self._has_ended:
            self._has_ended = True
            self._restore()
            self._write(b"\n")  # the user's own was not echoed

    def ask(self) -> str | None:
        """Ask, and wait for the answer; blocks.

        Returns:
            What was entered, or None if that was nothing: Ctrl-D, or a hangup.
        """
        try:
            with self.shown():
                while not self.read():
                    pass
        except termios.error:
            return None
        return self.answer if self._line else None

    def read(self) -> bool:
        """Read what was typed; whether the answer is complete.

        Raises:
            BlockingIOError: nothing was typed.
        """
        try:
            data = os.read(self._fd, _MAX_BYTES)
        except BlockingIOError:
            raise
        except OSError:  # it has hung up
            return True
        self._line += data
        # Without data, it was Ctrl-D.
        return not data or data.endswith((b"\n", b"\r")) or len(data) >= _MAX_BYTES

    @property
    def answer(self) -> str:
        """What was entered."""
        return os.fsdecode(self._line.rstrip(b"\r\n"))

    def _show(self) -> None:
        before = termios.tcgetattr(self._fd)
        if before != self._silent:  # some shells leave the modes of a stopped job
            self._before = before
        silent = [*before]
        silent[3] = (before[3] | termios.ICANON | termios.ISIG) & ~termios.ECHO
        self._apply(silent)
        self._silent = termios.tcgetattr(self._fd)
        self._line = b""
        self._write(self._text)

    def _restore(self) -> None:
        if self._before is not None and is_foreground(self._fd):
            with suppress(termios.error):
                self._apply(self._before)

    def _apply(self, modes: _Modes) -> None:
        while True:
            try:
                # Not TCSAFLUSH: what was typed ahead may be the answer.
                termios.tcsetattr(self._fd, termios.TCSANOW, modes)
            except termios.error as exc:
                # In the background, this stops the program, until `fg`.
                if exc.args[0] != errno.EINTR:
                    raise
            else:
                return

    def _write(self, data: bytes) -> None:
        with suppress(OSError):
            write_within(self._fd, data, _WRITE_SECONDS)

    # ---- signals

    @contextmanager
    def _signals_taken_over(self) -> Iterator[None]:
        continued = signal.getsignal(signal.SIGCONT)

        def on_continued(signum: int, frame: FrameType | None) -> None:
            if self._has_ended:
                pass
            elif is_foreground(self._fd):
                with suppress(termios.error):
                    self._show()
            else:
                # As if it had been read: it goes on in the foreground only.
                os.kill(0, signal.SIGTTIN)
            if callable(continued):
                continued(signum, frame)

        handlers = {signal.SIGCONT: on_continued}
        for signum in _LEAVING:
            if signal.getsignal(signum) == signal.SIG_DFL:
                handlers[signum] = self._on_leaving
        before = {signum: signal.getsignal(signum) for signum in handlers}
        try:
            for signum, handler in handlers.items():
                signal.signal(signum, handler)
            yield
        finally:
            for signum, previous in before.items():
                signal.signal(signum, previous)

    def _on_leaving(self, signum: int, frame: FrameType | None) -> None:
        """Stop or end, with the terminal as it was."""
        if not self._has_ended:
            self._restore()
            if signum != signal.SIGTSTP:  # after which the shell begins a line itself
                self._write(b"\n")
        signal.signal(signum, signal.SIG_DFL)
        signal.raise_signal(signum)
        signal.signal(signum, self._on_leaving)  # continued
