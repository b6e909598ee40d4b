"""Takes a guest's output apart into output and marks.

A mark is the word `MARK`, `_`, and a letter that says what it means; `MARK` is random,
so that no output contains it by accident.  What is typed is echoed at first, and an
echo must not be taken for the mark itself, so no mark is ever typed whole: printf puts
it together in the guest.

| mark | from | meaning |
| --- | --- | --- |
| `r` and settings | loader | ready; the settings of the tty, as `stty -g` prints them |
| `a` and a number | loader | waits for the line with this number |
| `s` | loader | the script is whole and begins |
| `w` and a user | script | the shell is another user's; the command is not run |
| `j` and a number | script | the command is ready to begin, as this process |
| `b` | script | the command begins |
| `n` | script | the answer to an empty line |
| `+` and a number | script | so many bytes of input have been passed on, in all |
| `.` and a number | script | so many bytes of output came before this mark |
| `g` | script | nothing has come for long, so the command is stopped |
| `e` and a number | script | the command has ended, with this exit status |
| `z` | script | the output has ended |
| `x` | interactive shell | the loader has ended |
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST_MARK = 400
_LONGEST_OUTPUT = 8192  # between two marks
# Its word is made in remote/run.py.
_ANY_MARK = re.compile(rb"nc[0-9a-f]{16}_(.)[^\n]*\n?")


def without_commands(log: bytes) -> bytes:
    """Return what a console log has after the output of the last command in it.

    That output may be any bytes, such as those of ssh.
    """
    marks = [*_ANY_MARK.finditer(log)]
    if not marks:
        return log
    rest = log[marks[-1].end() :]
    return rest if marks[-1][1] == b"x" else rest[_LONGEST_OUTPUT:]


@dataclass(frozen=True)
class Mark:
    """A mark, without its random word.

    Attributes:
        meaning: a letter, and what belongs to it.
    """

    meaning: bytes


class MarkedStream:
    """Takes bytes in any pieces, and yields output and marks in order.

    Args:
        word: the random word.
    """

    def __init__(self, word: str) -> None:
        self._mark = word.encode() + b"_"
        self._stream = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes | Mark]:
        """Take bytes, and yield what is in them; none of it is empty output."""
        stream, mark = self._stream, self._mark
        stream += data
        while (at := stream.find(mark)) >= 0:
            if at:
                yield self._take_output(at)
            end = stream.find(b"\n", 0, _LONGEST_MARK)
            if end < 0 and len(stream) < _LONGEST_MARK:
                return  # the rest of the mark is still to come
            size = end + 1 or len(mark)
            meaning = bytes(stream[len(mark) : size]).rstrip(b"\r\n")
            del stream[:size]
            yield Mark(meaning)
        if size := len(stream) - self._held():
            yield self._take_output(size)

    def _held(self) -> int:
        """How many bytes at the end may be the beginning of a mark."""
        for size in range(min(len(self._mark) - 1, len(self._stream)), 0, -1):
            if self._stream.endswith(self._mark[:size]):
                return size
        return 0

    def _take_output(self, size: int) -> bytes:
        output = bytes(self._stream[:size])
        del self._stream[:size]
        return output
