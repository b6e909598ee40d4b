"""Draw the last screen of a recorded session as an SVG: the pictures in the documents.

Record the terminal that novaconsole runs in, because the recordings that novaconsole
makes do not contain its own messages:

    asciinema rec --cols 84 --rows 26 --command sh docs/session.cast
    python docs/picture.py docs/session.cast > docs/session.svg
"""

import io
import json
import re
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

# A picture must not fetch anything: no font, and no address of its maker.
_FOREIGN = re.compile(r"@font-face *\{.*?\}|<!--.*?-->", re.DOTALL)


def picture(cast: Path) -> str:
    """Draw the screen at the end of a recording; return the SVG.

    Args:
        cast: file with an asciicast, version 2.
    """
    first, *lines = cast.read_bytes().splitlines()
    header = json.loads(first)
    screen = pyte.Screen(header["width"], header["height"])
    stream = pyte.Stream(screen)
    for _, code, data in map(json.loads, lines):
        if code == "o":
            stream.feed(data)
    console = Console(
        record=True,
        width=screen.columns,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    shown = [screen.buffer[row] for row in range(screen.lines)]
    while shown and not _text(shown[-1], screen.columns).plain.strip():
        shown.pop()
    for row in shown:
        console.print(_text(row, screen.columns), highlight=False, no_wrap=True)
    svg = _FOREIGN.sub("", console.export_svg(title="novaconsole", unique_id="session"))
    return svg.replace("Fira Code", "Menlo, Consolas, DejaVu Sans Mono")


def _text(row: Any, columns: int) -> Text:
    """Convert a line of the screen, without the blanks at its end."""
    cells = [row[column] for column in range(columns)]
    text = Text()
    for look, run in groupby(cells, key=lambda cell: cell._replace(data="")):
        style = Style(
            color=_color(look.fg),
            bgcolor=_color(look.bg),
            bold=look.bold,
            italic=look.italics,
            underline=look.underscore,
            reverse=look.reverse,
        )
        text.append("".join(cell.data for cell in run), style)
    text.rstrip()
    return text


def _color(name: str) -> str | None:
    """Convert a colour from pyte's name to that of rich, or None for the default."""
    if re.fullmatch("[0-9a-f]{6}", name):
        return f"#{name}"
    if name == "default":
        return None
    return name.replace("brown", "yellow").replace("bright", "bright_")


if __name__ == "__main__":
    print(picture(Path(sys.argv[1])), end="")
