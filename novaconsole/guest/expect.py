"""Regular expressions on what a guest prints: bytes in, the first match out.

Looked at is the text as a person reads it: without control sequences and control
characters, UTF-8 decoded, CR LF made LF.  A guest may print for ever, so no more than
the latest text is kept, and what it prints may be meant to do harm, so the expressions
are RE2's, which takes time in proportion to the text (swtch.com/~rsc/regexp); Python's
`re` can be kept busy for years by forty characters.

The only module that touches re2.
"""

import codecs
import re
from dataclasses import dataclass

from novaconsole.errors import UsageError
from novaconsole.vt.parser import SequenceParser, Text

# A match that is longer may be missed.
WINDOW_CHARACTERS = 64 * 1024
_TAIL_CHARACTERS = 200
_LINE_END = re.compile(r"\r+(\n?)")  # the tty's CR comes on top of the program's own
# What nobody sees; BS, TAB, LF and CR stay.
_INVISIBLE = bytes([*range(8), 11, 12, *range(14, 32), 127])


@dataclass(frozen=True)
class Match:
    """What was found.

    Attributes:
        index: which of the patterns it was, from 0.
        before: the text in front of it, as far as it was kept.
        text: what matched.
        groups: what the pattern's groups matched, None for one that took no part.
    """

    index: int
    before: str
    text: str
    groups: tuple[str | None, ...] = ()


class Patterns:
    """Regular expressions of which any may match.

    `^` and `$` stand for the start and the end of a line; `$` for the end of what has
    come so far as well, so that `login: $` matches where the guest waits.

    Args:
        sources: in RE2's syntax: as Python's, without back references and look-around.

    Raises:
        UsageError: one of them is none, or RE2 is not installed.
    """

    def __init__(self, *sources: str) -> None:
        self.sources = sources
        try:
            import re2
        except ModuleNotFoundError:
            raise UsageError(
                "to look for a pattern wants an extra that is not installed",
                "pip install 'novaconsole[until]'",
            ) from None
        options = re2.Options()
        options.log_errors = False  # it would write them to standard error
        self._compiled = []
        for source in sources:
            try:
                self._compiled.append(re2.compile(f"(?m){source}", options))
            except (re2.error, UnicodeError) as exc:
                reason = exc.args[0]
                told = reason.decode() if isinstance(reason, bytes) else "not UTF-8"
                raise UsageError(
                    f"bad regular expression {source!r}: {told.partition(': ')[0]}",
                    "as Python's, without back references and look-around",
                ) from None

    def search(self, text: str, start: int) -> tuple[Match, int] | None:
        """The first match in the text; of two at one place, that of the first pattern.

        Args:
            text: to look at.
            start: where to begin; what is in front of it still counts for `^`.

        Returns:
            The match, and where it ends.
        """
        first = None
        for index, compiled in enumerate(self._compiled):
            found = compiled.search(text, start)
            if found and (first is None or found.start() < first[1].start()):
                first = index, found
        if first is None:
            return None
        index, found = first
        before = text[start : found.start()]
        return Match(index, before, found.group(), found.groups()), found.end()


class OutputBuffer:
    """The latest text of a guest, and up to where it has been matched."""

    def __init__(self) -> None:
        self._sequences = SequenceParser()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""  # a CR, behind which an LF may follow
        self._text = ""
        self._start = 0  # one character in front of it is kept, for `^`

    def feed(self, data: bytes) -> None:
        """Take what the guest has sent; what is too old goes."""
        surplus = len(self._text) - WINDOW_CHARACTERS
        if surplus > 0:
            self._forget(surplus)
        printed = b"".join(
            event.data
            for event in self._sequences.feed(data)
            if isinstance(event, Text)
        )
        text = self._held + self._decoder.decode(printed.translate(None, _INVISIBLE))
        whole = text.rstrip("\r")
        self._held = "\r" if len(whole) < len(text) else ""
        self._text += _LINE_END.sub(lambda match: match[1] or "\r", whole)

    def find(self, patterns: Patterns) -> Match | None:
        """The first match in what has not been matched yet; it then counts as matched.

        None where there is none so far.
        """
        found = patterns.search(self._text, self._start)
        if found is None:
            return None
        match, end = found
        self._forget(end)
        return match

    @property
    def tail(self) -> str:
        """The last line or lines, for a message."""
        return self._text[self._start :][-_TAIL_CHARACTERS:]

    def _forget(self, count: int) -> None:
        """Drop so many characters, but for the last of them."""
        kept_from = max(count - 1, 0)
        self._text = self._text[kept_from:]
        self._start = max(self._start, count) - kept_from
