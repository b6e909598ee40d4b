r"""The title of the terminal's window, which a guest may change.

No terminal tells its title to everybody who asks, but most keep a stack of titles
(XTWINOPS 22 and 23 in xterm's ctlseqs).  So the title is pushed right before the first
command that changes it, and popped in the end: a session in which no title is changed
has no sequence of ours.

To find the command before the terminal has it, the start of one at the end of a piece
of output is held back until the next piece.
"""

import re

_PUSH, _POP = b"\x1b[22;0t", b"\x1b[23;0t"
_NUMBERS = (b"0", b"1", b"2")  # icon and title, icon, title
# Not after another ESC: tmux's pass-through doubles it, inside a string.
_SETS = re.compile(rb"(?<!\x1b)(?:\x1b\]|\xc2\x9d)[012];")
_STARTS = re.compile(rb"(?:(?<!\x1b)\x1b(?:\][012]?)?|\xc2\x9d[012]?)\Z")
_LONGEST_START = 3


class Titles:
    """Keeps the title from before the session."""

    def __init__(self) -> None:
        self._is_kept = False
        self._pushed = 0  # by the guest, and not popped yet
        self._commands: dict[bytes, bytes] = {}
        self._held = b""

    def guard(self, data: bytes) -> tuple[bytes, bytes]:
        """Take output that is about to be shown.

        Returns:
            What of the guest's output is shown now, and the same with the title pushed
            before it is changed.
        """
        if self._is_kept:
            return data, data
        if self._held:
            data, self._held = self._held + data, b""
        # Single bytes first: they are searched for at the speed of memory.
        is_command = b"\x1b" in data and b"]" in data and b"\x1b]" in data
        if is_command or (b"\x9d" in data and b"\xc2\x9d" in data):
            found = _SETS.search(data)
            if found is not None:
                self._is_kept = True
                at = found.start()
                return data, data[:at] + _PUSH + data[at:]
        tail = data[-_LONGEST_START:]
        if b"\x1b" in tail or b"\x9d" in tail:
            start = _STARTS.search(data, max(0, len(data) - _LONGEST_START))
            if start is not None:
                self._held = start[0]
                data = data[: start.start()]
        return data, data

    def note_command(self, number: bytes, command: bytes) -> None:
        """OSC: the guest has changed the title, if it is one of these."""
        if number in _NUMBERS:
            self._commands[number] = command

    def note_push(self) -> None:
        """XTWINOPS 22: the guest pushes its own."""
        self._pushed += 1

    def note_pop(self) -> None:
        """XTWINOPS 23: the guest pops its own, or the one from before the session."""
        if self._pushed:
            self._pushed -= 1
        else:
            self._is_kept = False
            self._commands.clear()

    def undo(self) -> bytes:
        """Return what gives the title back; empty if it was not changed."""
        return _POP * (self._pushed + 1) if self._is_kept else b""

    def redo(self) -> bytes:
        """Return what sets the guest's title again."""
        if not self._is_kept:
            return b""
        pushes = _PUSH * (self._pushed + 1)
        commands = (b"\x1b]%b\x1b\\" % command for command in self._commands.values())
        return pushes + b"".join(commands)
