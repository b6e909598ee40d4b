"""The screen as the guest uses it: what is shown is recorded, and leaves no trace."""

from novaconsole.capture.recording import Recording
from novaconsole.terminal.pipes import Output
from novaconsole.terminal.tty import Terminal
from novaconsole.vt.tracker import ModeTracker


class Display:
    """Shows what the guest sends.

    Args:
        screen: where it is shown.
        recording: of all that is shown; None for none.
    """

    def __init__(self, screen: Terminal | Output, recording: Recording | None) -> None:
        self._screen = screen
        self._recording = recording
        self._modes = ModeTracker()

    async def show(self, data: bytes) -> None:
        """Show bytes, waiting while the screen takes nothing.

        Raises:
            BrokenPipeError: nobody looks any more.
            OSError: they cannot be written, as when the disk is full.
        """
        self._record(data)
        if isinstance(self._screen, Terminal):
            self._modes.feed(data)
        await self._screen.send_all(data)

    def rest(self) -> None:
        """Switch off what the guest has switched on in the terminal."""
        self._show_now(self._modes.undo())

    def set_again(self) -> None:
        """Switch on again what `rest` has switched off."""
        self._show_now(self._modes.redo())

    def _show_now(self, data: bytes) -> None:
        if data and isinstance(self._screen, Terminal):
            self._record(data)  # whoever plays it is left with a clean terminal, too
            self._screen.write_now(data)

    def _record(self, data: bytes) -> None:
        if self._recording is not None:
            self._recording.output(data)
