"""Joins the console log and the live stream, with no gap and no line twice.

The problem: a websocket brings only what the guest prints after it was opened.  What
came before is in the console log (action os-getConsoleOutput), which is fetched while
the live stream is already running.  So the end of the log and the start of the live
stream overlap, by an unknown amount, and have to be joined where they do.

The two are not the same bytes.  nova-compute decodes the log as ASCII, each byte above
127 becoming U+FFFD (compute/manager.py, get_console_output), and the API removes the
control characters 00-08 and 0B-1F (api/openstack/compute/console_output.py), CR and ESC
among them.  The raw stream cannot be restored from the log, but the log can be computed
from the raw stream.  So all comparisons are made in the form of the log.

The invariant, if the guest does not repeat itself: what is shown is what the guest
printed, each character once.  If it does repeat itself, several places fit; the rules
for choosing one are given where they are applied.  All searches take linear time,
because a log of several megabytes of the same character must not stop the session.
"""

import re
from dataclasses import dataclass

# DEL is in the log, but prints nothing: it is removed on both sides.
_DROPPED = bytes({*range(0x20), 0x7F} - {*b"\t\n"})
_KEPT = re.compile(rb"[^\x00-\x08\x0b-\x1f\x7f]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_UNKNOWN = "\ufffd"

# How much text has to match so that it is the text looked for and not a similar one.
_MIN_ANCHOR_CHARS = 32  # at the place where it is expected
_SAFE_ANCHOR_CHARS = 4096  # anywhere: the messages of two boots differ in their times


def as_logged(data: bytes) -> str:
    """Return what the console log holds after the guest has printed these bytes.

    Each byte is converted on its own, so pieces give the same as the whole.
    """
    return data.translate(None, _DROPPED).decode("ascii", "replace")


def normalised(log_text: str) -> str:
    """Return the text of a console log in the form that `as_logged` gives."""
    return _NOT_ASCII.sub(_UNKNOWN, _CONTROL.sub("", log_text))


def for_screen(log_text: str) -> bytes:
    """Return the text of a console log for a raw terminal or a pipe.

    Lines end in CR LF, U+FFFD is encoded as UTF-8, and no control character other than
    TAB is left, so a log cannot change the terminal's state.
    """
    return normalised(log_text).replace("\n", "\r\n").encode()


def last_lines(log_text: str, count: int) -> str:
    """Return the last lines of a text; only LF ends a line.

    Args:
        log_text: the text.
        count: how many lines; an unfinished one, such as a prompt, counts as well.
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
    """What to show at the beginning: first the text, then the bytes.

    Attributes:
        text: from the log, to be shown by way of `for_screen`.
        rest: the live bytes that are not in the text.
    """

    text: str
    rest: bytes


@dataclass(frozen=True)
class Gap:
    """What to show after an outage, before all the live bytes.

    Attributes:
        text: from the log, to be shown by way of `for_screen`.
        complete: False if text may be missing or shown twice, because what was seen
            before is not in the log, or is there more than once.
    """

    text: str
    complete: bool


class SeenOutput:
    """Remembers the end of the output that was seen, in the form of the log.

    For `begin` and `resume`: connect first, then fetch the log, and join when the live
    bytes have reached at least the end of the log.  Fetch the whole log (no `length`;
    libvirt's driver returns the last 100 KiB): the lines to show are cut here, and a
    long text is more likely to be unique.

    Attributes:
        limit: how many characters are remembered at most.
    """

    limit = 64 * 1024

    def __init__(self) -> None:
        self._tail = bytearray()  # one byte for each character; FF is U+FFFD

    @property
    def text(self) -> str:
        """The remembered text."""
        return self._tail.decode("ascii", "replace")

    def add(self, data: bytes) -> None:
        """Record bytes of the guest that were shown."""
        self._tail += data.translate(None, _DROPPED)
        del self._tail[: -self.limit]

    def add_text(self, log_text: str) -> None:
        """Record text of the log."""
        self.add(normalised(log_text).replace(_UNKNOWN, "\xff").encode("latin-1"))

    def begin(self, log_text: str, live: bytes, lines: int) -> Joined:
        """Join the last lines of the log and the live stream.

        The two overlap by an unknown amount, and the longest possible overlap is taken.
        Then what is shown begins with the last lines of the log and ends with the live
        stream, and nothing is shown twice.  If the longest overlap is not the true one,
        the guest repeated the end of the log right after it; the repetition is shown
        once.

        If the live bytes include the whole log, only they are shown.

        Args:
            log_text: the log, fetched after the connection was opened.
            live: everything received since then; it is recorded as seen.
            lines: how many lines of the log to show, at least one.
        """
        log, new = normalised(log_text), as_logged(live)
        overlap = _overlap(log, new)
        self._restart(log[: len(log) - overlap], live)
        if overlap == len(log):
            return Joined("", live)
        return Joined(last_lines(log, lines), live[_raw_length(live, overlap) :])

    def resume(self, log_text: str, live: bytes, lines: int) -> Gap:
        """Fill the gap after an outage: the log from what was seen to the live stream.

        What was seen is looked for first, because it is longer than the live bytes; the
        overlap with the live stream is looked for after it.

        Args:
            log_text: the log, fetched after the new connection was opened.
            live: everything received since then, to be shown completely; it is
                recorded as seen.
            lines: how many lines of the log to show if what was seen is not in it.
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
        # From the log rather than from what was shown: it is longer and has no gap.
        self._tail.clear()
        self.add_text(log_text)
        self.add(live)


def _raw_length(data: bytes, count: int) -> int:
    """Return how many bytes make up this many characters of the log.

    Bytes after the last of them that the log drops are not counted: an ESC belongs to
    the sequence that follows, a CR to its LF.
    """
    length = 0
    for _, kept in zip(range(count), _KEPT.finditer(data), strict=False):
        length = kept.end()
    return length


def _find_end(log: str, seen: str) -> tuple[int, bool] | None:
    """Return where in the log the seen output ends, and whether that is the only place.

    The log only grows at its end, so all seen output is in it, unless the log begins
    later.  Finding only a part of it proves nothing, because each boot ends in the same
    prompt.  A long part is an exception; it is looked for in case the log and the live
    stream differ in some byte further back.

    Of several places the last one is taken.  The earlier ones are most likely older
    than the outage (a log holds days, an outage lasts seconds), and resuming there
    would show boots that are long past.
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
    """Return how many characters at the end of the log are also in the live bytes.

    The log may have begun after the live stream; then all of them are, and the place
    does not matter.
    """
    return len(log) if log in live else _border(log, live)


def _border(text: str, other: str) -> int:
    """Return the length of the longest end of one text that begins the other.

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
