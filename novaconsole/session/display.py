"""The screen as the guest uses it: output is recorded, and leaves no modes behind."""

import os
from typing import Protocol

from novaconsole.terminal.stdio import OutputStream
from novaconsole.vt.tracker import ModeTracker


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
    """

    def __init__(self, screen: OutputStream, recorder: Recorder | None = None) -> None:
        self._screen = screen
        self._recorder = recorder
        self._modes = ModeTracker() if screen.keeps_modes else None
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
            self._modes.feed(data)
        await self._screen.send_all(data)

    def reset_modes(self) -> None:
        """Switch off what the guest has switched on in the terminal."""
        if self._modes is not None:
            self._show_now(self._modes.undo())

    def restore_modes(self) -> None:
        """Switch on again what `reset_modes` has switched off."""
        if self._modes is not None:
            self._show_now(self._modes.redo())

    def close(self) -> None:
        """Leave the terminal clean, and show nothing from now on."""
        if not self._is_closed:
            self.reset_modes()
            self._is_closed = True

    def _show_now(self, data: bytes) -> None:
        if data:
            if self._recorder is not None:
                self._recorder.output(data)  # a player's terminal ends up clean, too
            self._screen.write_now(data)
