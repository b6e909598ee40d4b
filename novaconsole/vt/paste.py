r"""A paste that the terminal has marked (bracketed paste, xterm's ctlseqs).

Between the marks everything is data.  A terminal lets no end mark through that is part
of what is pasted, so the first one is the end.
"""

PASTE_BEGINS, PASTE_ENDS = b"\x1b[200~", b"\x1b[201~"
PASTE_MARKS = (PASTE_BEGINS, PASTE_ENDS)
_PARTS_OF_END = [PASTE_ENDS[:length] for length in range(len(PASTE_ENDS) - 1, 0, -1)]


class Paste:
    """Finds the end of one paste after the other, in any pieces.

    Attributes:
        is_open: whether a paste has begun and not ended.
        at_line_start: whether what was pasted ends in a line end; None if nothing was.
    """

    def __init__(self) -> None:
        self.is_open = False
        self.at_line_start: bool | None = None
        self._strips = False
        self._held = b""  # maybe the start of the end mark

    def begin(self, *, strips: bool) -> None:
        """A paste has begun.

        Args:
            strips: leave out the end mark.
        """
        self.is_open, self._strips = True, strips
        self.at_line_start = None

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take input; return what is for the guest, and what came after the end."""
        data = self._held + data
        end = data.find(PASTE_ENDS)
        if end >= 0:
            self.is_open, self._held = False, b""
            pasted, after = data[:end], data[end + len(PASTE_ENDS) :]
        else:
            self._held = next(filter(data.endswith, _PARTS_OF_END), b"")
            pasted, after = data[: len(data) - len(self._held)], b""
        if pasted:
            self.at_line_start = pasted.endswith((b"\r", b"\n"))
        if not (self.is_open or self._strips):
            pasted += PASTE_ENDS
        return pasted, after

    def give_up(self) -> bytes:
        """The end mark is not coming; return what was held back."""
        self.is_open = False
        held, self._held = self._held, b""
        return held
