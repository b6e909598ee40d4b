"""Timestamps at the start of each line of a log.

A line begins with its first byte and ends with LF; its timestamp is the time of that
first byte.  The caller owns the clock: here, a timestamp is text put before a line.
"""


def add_timestamps(lines: bytes, timestamp: bytes) -> bytes:
    """Put the same timestamp before each of some lines.

    Args:
        lines: whole lines, of which the last one may be unfinished.
        timestamp: the text to put there; may be empty.
    """
    if not (lines and timestamp):
        return lines
    body, end = (lines[:-1], b"\n") if lines.endswith(b"\n") else (lines, b"")
    return timestamp + body.replace(b"\n", b"\n" + timestamp) + end


class Timestamper:
    """Adds timestamps to a stream and changes nothing else.

    It has the interface of `PlainText` but holds nothing back.

    Attributes:
        has_pending: always False.
    """

    has_pending = False

    def __init__(self) -> None:
        self._is_inside_line = False

    def feed(self, data: bytes, timestamp: bytes) -> bytes:
        """Take bytes, and return what to write.

        Args:
            data: the bytes that have come.
            timestamp: the text to put before lines that begin in them.
        """
        if not self._is_inside_line:
            out = add_timestamps(data, timestamp)
        else:
            rest, end, lines = data.partition(b"\n")
            out = rest + end + add_timestamps(lines, timestamp)
        if data:
            self._is_inside_line = not data.endswith(b"\n")
        return out

    def flush(self) -> bytes:
        """Return what was held back: nothing."""
        return b""

    def finish(self) -> bytes:
        """Return what ends the last line, so that the next timestamp begins a line."""
        return b"\n" if self._is_inside_line else b""
