"""The console log before the live stream: where one ends and the other goes on.

Nova sends nothing of the past to whoever attaches; the past is in the console log
only (action os-getConsoleOutput).  So both are fetched, and joined where they overlap.

The log is not the raw stream.  nova-compute decodes it as ASCII, each byte above 127
becoming U+FFFD (compute/manager.py, get_console_output), and the API removes the
control characters 00-08 and 0B-1F (api/openstack/compute/console_output.py), CR and
ESC among them.  Therefore texts are compared as the log would have them.
"""

import re
from dataclasses import dataclass

# DEL is in the log, but prints nothing: it goes on both sides.
_DROPPED = bytes({*range(0x20), 0x7F} - {*b"\t\n"})
_KEPT = re.compile(rb"[^\x00-\x08\x0b-\x1f\x7f]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_UNKNOWN = "\ufffd"

# Whether text that is found is the text that was meant, or its like.
_MIN_ANCHOR_CHARS = 32  # at a place where it is expected
_SAFE_ANCHOR_CHARS = 4096  # anywhere: a boot's messages differ in their times


def as_logged(data: bytes) -> str:
    """What the console log would hold of bytes from the guest.

    Each byte is taken for itself, so pieces give the same as the whole.
    """
    return data.translate(None, _DROPPED).decode("ascii", "replace")


def normalised(log_text: str) -> str:
    """Text of a console log in the form that `as_logged` gives."""
    return _NOT_ASCII.sub(_UNKNOWN, _CONTROL.sub("", log_text))


def for_screen(log_text: str) -> bytes:
    """Text of a console log for a raw terminal, or for a pipe.

    Lines end in CR LF, U+FFFD is in UTF-8, and no control character other than TAB
    is left, so a log cannot change the terminal's state.
    """
    return normalised(log_text).replace("\n", "\r\n").encode()


def last_lines(log_text: str, count: int) -> str:
    """The last lines of a text; only LF ends a line.

    Args:
        log_text: the text.
        count: how many lines; one without an end, such as a prompt, is a line too.
    """
    if count <= 0:
        return ""
    start = len(log_text.removesuffix("\n"))
    for _ in range(count):
        start = log_text.rfind("\n", 0, start)
        if start < 0:
            return log_text
    return log_text[start + 1 :]


@dataclass(frozen=True)
class Joined:
    """What to show on attaching: first the text, then the bytes.

    Attributes:
        text: of the log, for `for_screen`.
        rest: what of the live bytes is not in the text.
    """

    text: str
    rest: bytes


@dataclass(frozen=True)
class Gap:
    """What to show after an outage, before all the live bytes.

    Attributes:
        text: of the log, for `for_screen`.
        complete: False where text may be missing or shown twice, as what was seen
            before is not in the log, or there more than once.
    """

    text: str
    complete: bool


class Seen:
    """Remembers the end of what the guest has said so far, as the log would have it.

    For `attach` and `resume`, connect first, fetch the log then, and join when live
    bytes have come at least as far as the log goes.  Give the log as whole as Nova
    has it (no `length`; libvirt's driver gives the last 100 KiB): what is shown is
    cut here, and a longer text is easier to tell from its like.

    Attributes:
        limit: how many characters are remembered at most.
    """

    limit = 64 * 1024

    def __init__(self) -> None:
        self._tail = bytearray()  # a byte each character; FF is U+FFFD

    @property
    def text(self) -> str:
        """What is remembered."""
        return self._tail.decode("ascii", "replace")

    def add(self, data: bytes) -> None:
        """Note bytes of the guest that were shown."""
        self._tail += data.translate(None, _DROPPED)
        del self._tail[: -self.limit]

    def add_text(self, log_text: str) -> None:
        """Note text of the log."""
        self.add(normalised(log_text).replace(_UNKNOWN, "\xff").encode("latin-1"))

    def attach(self, log_text: str, live: bytes, lines: int) -> Joined:
        """Begin: the last lines of the log, and how the live stream goes on from it.

        What came before the log was fetched is in the log, so the two overlap, by how
        much is not known: the longest overlap is taken.  Then what is shown begins
        with the log's last lines and ends with the live stream, and nothing of
        either is shown twice.  Where the longest is not the true one, what the guest
        said right after the log repeats the log's end, and is shown once.

        Where the live bytes hold all of the log, they alone are shown.

        Args:
            log_text: the log, fetched after the connection was open.
            live: everything received since; it is noted, too.
            lines: how many lines of the log to show, at least one.
        """
        log, new = normalised(log_text), as_logged(live)
        overlap = _overlap(log, new)
        self._restart(log[: len(log) - overlap], live)
        if overlap == len(log):
            return Joined("", live)
        return Joined(last_lines(log, lines), live[_raw_length(live, overlap) :])

    def resume(self, log_text: str, live: bytes, lines: int) -> Gap:
        """Go on after an outage: the log from what was seen to the live stream.

        What was seen has precedence in finding its place, as it is longer than what
        is live; the overlap with the live stream is looked for behind it.

        Args:
            log_text: the log, fetched after the new connection was open.
            live: everything received since; to be shown whole, and noted, too.
            lines: how many lines of the log to show where nothing is found in it.
        """
        log, new = normalised(log_text), as_logged(live)
        place = _find_end(log, self.text)
        if place is None:
            before = log[: len(log) - _overlap(log, new)]
            gap = Gap(last_lines(before, lines), complete=False)
        else:
            end, unique = place
            before = log[: len(log) - _border(log[end:], new)]
            gap = Gap(before[end:], complete=unique)
        self._restart(before, live)
        return gap

    def _restart(self, log_text: str, live: bytes) -> None:
        # The log, not what was shown: it has no hole, and more lines.
        self._tail.clear()
        self.add_text(log_text)
        self.add(live)


def _raw_length(data: bytes, count: int) -> int:
    """How many bytes it takes for so many characters in the log.

    What the log drops behind the last of them counts no more: an ESC belongs to
    the sequence that follows, a CR to its LF.
    """
    length = 0
    for _, kept in zip(range(count), _KEPT.finditer(data), strict=False):
        length = kept.end()
    return length


def _find_end(log: str, seen: str) -> tuple[int, bool] | None:
    """Where in the log what was seen ends, and whether it can only be there.

    The log grows at its end alone, so all that was seen is in it, unless the log
    begins later.  A part of it that is found is no sign: each boot ends in the same
    prompt.  That is so only for a long part, which is found where the log and what
    came over the network differ in some byte further back.

    Of several places the last is taken.  Those before are older than the
    outage far more often than not (the log holds days, an outage lasts seconds), and
    to go on from one of them would show boots that are long over.
    """
    for anchor in (seen, seen[-_SAFE_ANCHOR_CHARS:]):
        first = log.find(anchor)
        if anchor and first >= 0:
            # Not rfind: its time grows with the product of both lengths.
            end = len(log) - log[::-1].find(anchor[::-1])
            return end, end == first + len(anchor)
    border = _border(seen, log)
    return (border, True) if border >= _MIN_ANCHOR_CHARS else None


def _overlap(log: str, live: str) -> int:
    """How many characters at the log's end are live, too.

    All of them, wherever they are, as the log may begin after the live stream did.
    """
    return len(log) if log in live else _border(log, live)


def _border(text: str, other: str) -> int:
    """The length of the longest end of one text that is the other's beginning.

    Linear in time: the prefix function of Knuth, Morris and Pratt.
    """
    size = min(len(text), len(other))
    both = f"{other[:size]}\0{text[len(text) - size :]}"  # NUL is in neither
    borders = [0] * len(both)
    length = 0
    for position in range(1, len(both)):
        char = both[position]
        while length and both[length] != char:
            length = borders[length - 1]
        length += both[length] == char
        borders[position] = length
    return length
