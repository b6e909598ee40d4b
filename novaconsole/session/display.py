"""The screen as the guest uses it: output is recorded, and leaves no modes behind."""

import os
from typing import Protocol

from novaconsole.session.answers import DueAnswers
from novaconsole.terminal.stdio import OutputStream
from novaconsole.vt.tracker import ModeTracker

# Bracketed paste (xterm's ctlseqs): the one sequence of ours in a plain session.
_MARK_PASTES, _LEAVE_PASTES = b"\x1b[?2004h", b"\x1b[?2004l"


class Recorder(Protocol):
    """Records what is shown and sent; never waits and never fails."""

    def output(self, data: bytes) -> None:
        """Bytes are about to be shown."""

    def input(self, data: bytes) -> None:
        """Bytes are about to be sent to the guest."""

    def mark(self, label: str) -> None:
        """Something happened that a player may jump to."""

    def resize(self, size: os.terminal_size) -> None:
        """The terminal has this size."""


class Display:
    """Shows what the guest sends.

    Args:
        screen: where it is shown.
        recorder: records everything that is shown, or None.
        marks_pastes: whether the terminal is to mark pastes, whatever the guest wants.

    Attributes:
        due_answers: the terminal's answers to the guest that are still to come.
    """

    def __init__(
        self,
        screen: OutputStream,
        recorder: Recorder | None = None,
        *,
        marks_pastes: bool = False,
    ) -> None:
        self.due_answers = DueAnswers()
        self._screen = screen
        self._recorder = recorder
        self._modes = ModeTracker() if screen.keeps_modes else None
        self._marks_pastes = marks_pastes
        self._has_marked = False  # the terminal has been told to
        self._must_mark = False  # and has to be told again
        self._is_showing = False
        self._is_closed = False

    async def show(self, data: bytes) -> None:
        """Show bytes, waiting while the screen accepts nothing.

        Raises:
            BrokenPipeError: the reader has gone.
            OSError: they cannot be written, as when a disk is full.
        """
        if self._is_closed:
            return  # the terminal is the user's again
        if self._recorder is not None:
            self._recorder.output(data)
        if self._modes is not None:
            shown, data = self._modes.titles.guard(data)
            self._modes.feed(shown)
            if queries := self._modes.take_queries():
                self.due_answers.ask(queries)
        self._is_showing = True
        await self._screen.send_all(data)
        self._is_showing = False
        if self._marks_pastes:
            await self._mark_pastes_again(data)

    @property
    def guest_marks_pastes(self) -> bool:
        """Whether a guest gets the marks of a paste."""
        return self._modes is None or self._modes.marks_pastes

    def mark_pastes(self) -> None:
        """Have the terminal mark pastes from now on: it is in raw mode."""
        if not self._marks_pastes or self._is_closed:
            return
        self._has_marked = True
        if self._is_showing:
            self._must_mark = True  # not into the middle of that
        else:
            self._screen.write_now(_MARK_PASTES)

    async def _mark_pastes_again(self, shown: bytes) -> None:
        """After output: the guest may have switched the marks off."""
        assert self._modes is not None
        self._must_mark |= self._modes.take_paste_reset()
        # Not inside a character, either; this is a guess, and the next output tells.
        if self._must_mark and self._has_marked and shown[-1:] < b"\x80":
            self._must_mark = False
            await self._screen.send_all(_MARK_PASTES)

    def reset_modes(self) -> None:
        """Switch off what the guest has switched on in the terminal."""
        if self._modes is not None:
            undo, self._has_marked, marked = self._modes.undo(), False, self._has_marked
            ours = _LEAVE_PASTES if marked and _LEAVE_PASTES not in undo else b""
            self._show_now(undo, ours)

    def restore_modes(self) -> None:
        """Switch on again what `reset_modes` has switched off."""
        if self._modes is not None:
            self._show_now(self._modes.redo())

    def close(self) -> None:
        """Leave the terminal clean, and show nothing from now on."""
        if not self._is_closed:
            self.reset_modes()
            self._is_closed = True

    def _show_now(self, data: bytes, ours: bytes = b"") -> None:
        if data and self._recorder is not None:
            self._recorder.output(data)  # a player's terminal ends up clean, too
        if data or ours:
            self._screen.write_now(data + ours)
