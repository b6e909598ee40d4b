"""The lines of an asciicast, version 2: a header, then one event a line, all JSON.

The format is asciinema's (https://docs.asciinema.org/manual/asciicast/v2/).  It is text
in UTF-8, but a guest may send any bytes: those that are not UTF-8 are replaced, and a
character that comes in pieces is held back until it is whole.
"""

import codecs
import json

_to_json = json.JSONEncoder(ensure_ascii=False).encode
_new_decoder = codecs.getincrementaldecoder("utf-8")


def header(
    *, columns: int, lines: int, timestamp: int, title: str, term: str | None
) -> bytes:
    """Return the first line.

    Args:
        columns: the width of the terminal.
        lines: the height of the terminal.
        timestamp: when the recording began, in seconds since 1970.
        title: what is recorded.
        term: the type of the terminal (`$TERM`), or None if it is not set.
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
    """Makes lines of events.

    All times are in seconds since the recording began.
    """

    def __init__(self) -> None:
        self._shown = _new_decoder("replace")
        self._sent = _new_decoder("replace")

    def output(self, seconds: float, data: bytes) -> bytes:
        """Encode output of the guest; empty if no character is whole yet."""
        return _text(seconds, "o", self._shown.decode(data))

    def input(self, seconds: float, data: bytes) -> bytes:
        """Encode input for the guest; empty if no character is whole yet."""
        return _text(seconds, "i", self._sent.decode(data))

    def resize(self, seconds: float, columns: int, lines: int) -> bytes:
        """Encode a new size of the terminal."""
        return _event(seconds, "r", f"{columns}x{lines}")

    def marker(self, seconds: float, label: str) -> bytes:
        """Encode a point that a player can jump to."""
        return _event(seconds, "m", label)

    def end(self, seconds: float) -> bytes:
        """Encode what was held back; nothing more may follow."""
        return _text(seconds, "o", self._shown.decode(b"", final=True)) + _text(
            seconds, "i", self._sent.decode(b"", final=True)
        )


def _text(seconds: float, code: str, text: str) -> bytes:
    return _event(seconds, code, text) if text else b""


def _event(seconds: float, code: str, text: str) -> bytes:
    return _line(f'[{seconds:.6f}, "{code}", {_to_json(text)}]')


def _line(text: str) -> bytes:
    # A name from the command line may contain surrogates, which cannot be encoded.
    return f"{text}\n".encode(errors="replace")
