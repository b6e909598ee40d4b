r"""A line as a screen shows it: what comes later overwrites what was there.

CR goes to the start of the line, BS one to the left, TAB to the next multiple of eight;
of the control sequences those are carried out that line editors use (ECMA-48 8.3: CHA,
CUB, CUF, DCH, ED, EL, ICH).  Each character has one cell, wide ones and accents too.

A screen wraps a line that is too long for it, and what has been wrapped is out of
reach of CR and BS.  Nobody tells how wide the guest takes the screen to be; here it is
as wide as none is, so that memory is bounded and lines are whole.
"""

import re

COLUMNS = 1024

# Final bytes of the control sequences that are carried out.
EDITS = b"@CDGJKP"

_TOKEN = re.compile(r"\x1b\[([0-9]*)([@CDGJKP])|[\r\b\t]|[^\x1b\r\b\t]+")
_TAB_STOP = 8
# The cells that a TAB passes over, behind its own; no guest's NUL comes here.
_PASSED = "\0"
_BLANKS = re.compile("\t\0*|\0+")


class ScreenLine:
    """One row of such a screen, and the cursor in it."""

    def __init__(self) -> None:
        self._cells: list[str] = []
        self._column = 0
        self._full: list[str] = []

    @property
    def is_fresh(self) -> bool:
        """Whether the row is empty and the cursor at its start."""
        return not (self._cells or self._column)

    @property
    def text(self) -> str:
        """What the row shows."""
        return _BLANKS.sub(_as_tab, "".join(self._cells))

    def feed(self, text: str) -> str:
        r"""Print a text; the rows that it has filled, as one string.

        Args:
            text: characters, CR, BS, TAB, and the sequences of `EDITS`.
        """
        for token in _TOKEN.finditer(text):
            match token[0]:
                case "\r":
                    self._column = 0
                case "\b":
                    self._column = max(0, self._column - 1)
                case "\t":
                    self._tabulate()
                case printed if token[2] is None:
                    self._print(printed)
                case _:
                    self._edit(token[2], int(token[1] or 0))
        full = "".join(self._full)
        self._full.clear()
        return full

    def take(self) -> str:
        """What the row shows; it is fresh again."""
        text = self.text
        self._cells.clear()
        self._column = 0
        return text

    def _print(self, text: str) -> None:
        start = 0
        while start < len(text):
            self._wrap()
            part = text[start : start + COLUMNS - self._column]
            self._fill()
            self._cells[self._column : self._column + len(part)] = part
            self._column += len(part)
            start += len(part)

    def _tabulate(self) -> None:
        self._wrap()
        passed = _TAB_STOP - self._column % _TAB_STOP
        if self._column >= len(self._cells):
            self._fill()
            self._cells += ["\t", *_PASSED * (passed - 1)]
        self._column += passed

    def _wrap(self) -> None:
        if self._column >= COLUMNS:
            self._full.append(self.take())

    def _fill(self) -> None:
        """Blanks up to the cursor, where it was moved beyond the end."""
        self._cells += " " * (self._column - len(self._cells))

    def _edit(self, final: str, number: int) -> None:
        cells, column, count = self._cells, self._column, min(max(1, number), COLUMNS)
        match final, number:
            case "C", _:
                self._column = min(COLUMNS - 1, column + count)
            case "D", _:
                self._column = max(0, column - count)
            case "G", _:
                self._column = count - 1
            case "P", _:
                del cells[column : column + count]
            case "@", _ if column < len(cells):
                cells[column:column] = " " * count
                del cells[COLUMNS:]
            case "K" | "J", 0:
                del cells[column:]
            case "K", 1:
                blanks = min(column + 1, len(cells))
                cells[:blanks] = " " * blanks
            case "K", 2:
                cells.clear()


def _as_tab(blanks: re.Match[str]) -> str:
    """A TAB that still reaches from its cell to the stop; else the blanks it left."""
    is_whole = blanks[0][0] == "\t" and blanks.end() % _TAB_STOP == 0
    return "\t" if is_whole else " " * len(blanks[0])
