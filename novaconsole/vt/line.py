r"""A line as a screen shows it: later output overwrites what was there.

CR goes to the start of the line, BS one cell to the left, TAB to the next multiple of
eight.  The control sequences that line editors use are carried out (ECMA-48 8.3: CHA,
CUB, CUF, DCH, ED, EL, ICH).  Every character takes one cell, wide characters and
combining accents included.

A screen wraps a line that is too long for it, and CR and BS do not reach what has been
wrapped.  A serial line does not say how wide the guest believes the screen to be.  The
width here is larger than that of any real screen, so that lines stay whole, and it has
a limit, so that memory is bounded.
"""

import re

COLUMNS = 1024

# Final bytes of the control sequences that are carried out.
EDITS = b"@CDGJKP"

_TOKEN = re.compile(r"\x1b\[([0-9]*)([@CDGJKP])|[\r\b\t]|[^\x1b\r\b\t]+")
_TAB_STOP = 8
# Fills the cells that a TAB passes over, after its own.  NUL is free for that, because
# control characters of the guest are taken out before.
_PASSED = "\0"
_BLANKS = re.compile("\t\0*|\0+")


class ScreenLine:
    """One line of such a screen, with the cursor in it."""

    def __init__(self) -> None:
        self._cells: list[str] = []
        self._column = 0
        self._full: list[str] = []

    @property
    def is_fresh(self) -> bool:
        """Whether the line is empty and the cursor is at its start."""
        return not (self._cells or self._column)

    @property
    def text(self) -> str:
        """The text that the line shows."""
        return _BLANKS.sub(_as_tab, "".join(self._cells))

    @property
    def text_before_cursor(self) -> str:
        """The part of the text that stands before the cursor."""
        cells = self._cells[: self._column]
        cells += " " * (self._column - len(cells))
        return _BLANKS.sub(_as_tab, "".join(cells))

    def feed(self, text: str) -> str:
        r"""Print text, and return the lines that it has filled, as one string.

        Args:
            text: characters, CR, BS, TAB, and the control sequences in `EDITS`.
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
        """Return the text that the line shows, and clear it."""
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
        """Add blanks up to the cursor, if it was moved beyond the end."""
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
    """Return a TAB if all its cells are left, or else that number of blanks."""
    is_whole = blanks[0][0] == "\t" and blanks.end() % _TAB_STOP == 0
    return "\t" if is_whole else " " * len(blanks[0])
