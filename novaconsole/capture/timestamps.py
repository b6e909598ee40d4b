"""The time at the start of each line of a log.

A line begins with its first byte and ends with LF; the stamp is the time of that byte.
Clocks are the caller's: a stamp is a text that is put in front.
"""


def stamp_lines(lines: bytes, stamp: bytes) -> bytes:
    """Put the same stamp in front of each of some lines.

    Args:
        lines: from the start of a line on; the last one may be unfinished.
        stamp: what to put there.
    """
    if not (lines and stamp):
        return lines
    body, end = (lines[:-1], b"\n") if lines.endswith(b"\n") else (lines, b"")
    return stamp + body.replace(b"\n", b"\n" + stamp) + end


class Stamper:
    """Stamps a stream that is otherwise left as it is.

    Attributes:
        is_behind: whether something is held back; nothing ever is.
    """

    is_behind = False

    def __init__(self) -> None:
        self._is_inside = False  # a line

    def feed(self, data: bytes, stamp: bytes) -> bytes:
        """Take bytes; what to write.

        Args:
            data: what has come.
            stamp: the time, as it is to stand there.
        """
        if not self._is_inside:
            stamped = stamp_lines(data, stamp)
        else:
            rest, end, lines = data.partition(b"\n")
            stamped = rest + end + stamp_lines(lines, stamp)
        if data:
            self._is_inside = not data.endswith(b"\n")
        return stamped

    def flush(self) -> bytes:
        """What was held back: nothing."""
        return b""

    def finish(self) -> bytes:
        """End the last line, so that the next stamp stands at the start of one."""
        return b"\n" if self._is_inside else b""
