"""A session as an asciicast, version 2: a header, and an event a line, all JSON.

The format is asciinema's (https://docs.asciinema.org/manual/asciicast/v2/).  It is text
in UTF-8, and a guest may send anything: what is no UTF-8 is replaced, and a character
that comes in pieces is kept back until it is whole.
"""

import codecs
import json

_to_json = json.JSONEncoder(ensure_ascii=False).encode
_new_decoder = codecs.getincrementaldecoder("utf-8")


def header(
    *, columns: int, lines: int, timestamp: int, title: str, term: str | None
) -> bytes:
    """The first line.

    Args:
        columns: of the terminal.
        lines: of the terminal.
        timestamp: of the beginning, in seconds since 1970.
        title: what is recorded.
        term: the kind of the terminal, `$TERM`; None where there is none.
    """
    fields: dict[str, object] = {
        "version": 2,
        "width": columns,
        "height": lines,
        "timestamp": timestamp,
        "title": title,
    }
    if term is not None:
        fields["env"] = {"TERM": term}
    return _line(_to_json(fields))


class Encoder:
    """Makes lines of events; all times are in seconds since the beginning."""

    def __init__(self) -> None:
        self._shown = _new_decoder("replace")
        self._sent = _new_decoder("replace")

    def output(self, seconds: float, data: bytes) -> bytes:
        """What is shown; empty while no character is whole."""
        return _text(seconds, "o", self._shown.decode(data))

    def input(self, seconds: float, data: bytes) -> bytes:
        """What is sent to the guest; empty while no character is whole."""
        return _text(seconds, "i", self._sent.decode(data))

    def resize(self, seconds: float, columns: int, lines: int) -> bytes:
        """The terminal has another size."""
        return _event(seconds, "r", f"{columns}x{lines}")

    def marker(self, seconds: float, label: str) -> bytes:
        """A point that a player can jump to."""
        return _event(seconds, "m", label)

    def end(self, seconds: float) -> bytes:
        """What was kept back, for nothing more comes."""
        return _text(seconds, "o", self._shown.decode(b"", final=True)) + _text(
            seconds, "i", self._sent.decode(b"", final=True)
        )


def _text(seconds: float, code: str, text: str) -> bytes:
    return _event(seconds, code, text) if text else b""


def _event(seconds: float, code: str, text: str) -> bytes:
    return _line(f'[{seconds:.6f}, "{code}", {_to_json(text)}]')


def _line(text: str) -> bytes:
    # A name from the command line may hold what cannot be encoded.
    return f"{text}\n".encode(errors="replace")
