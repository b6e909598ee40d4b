"""Finds regular expressions in a guest's output: bytes in, the first match out.

Patterns are matched against the text as a person reads it: decoded from UTF-8, without
control sequences and invisible control characters, with LF for CR LF.  A guest may
print without end, so only the latest text is kept.  Its output may also be hostile:
forty characters can keep Python's `re` busy for years, so `guest/automaton.py` does the
search, which reads every character once, however the output is split.
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from novaconsole.errors import UsageError
from novaconsole.guest.automaton import Scanner, Span, State, TooManySteps
from novaconsole.vt.text import TextDecoder

# A longer match may be missed.
BUFFER_CHARACTERS = 64 * 1024
_TAIL_CHARACTERS = 200
_KEPT_CONTROLS = b"\b\t\n\r"
# A program's own CR, the CR that the tty adds to LF, or both.
_LINE_END = re.compile(r"\r+(\n?)")


@dataclass(frozen=True)
class Match:
    """A match of one of several patterns.

    Attributes:
        index: the number of the pattern, from 0.
        before: the text before the match, as far as it was kept.
        text: the text that matched.
        groups: what the pattern's groups matched; None for a group that took no part.
    """

    index: int
    before: str
    text: str
    groups: tuple[str | None, ...] = ()


class Patterns:
    """Regular expressions, any of which may match.

    `^` and `$` match at the start and the end of a line.  `$` matches also at the end
    of what has come so far, so that `login: $` matches when the guest waits there.

    Args:
        sources: the expressions, in Python's syntax without back references and
            look-around (`guest/regex.py`).

    Raises:
        UsageError: an expression is not valid or is too large.
    """

    def __init__(self, *sources: str) -> None:
        self.sources = sources
        from novaconsole.guest.regex import compile_patterns  # few need it

        self.scanner = Scanner(compile_patterns(sources))


class OutputBuffer:
    """The latest text of a guest, and how far it has been matched."""

    def __init__(self) -> None:
        self._decoder = TextDecoder(_KEPT_CONTROLS)
        self._held = ""  # a CR after which an LF may follow
        self._text = ""
        self._start = 0  # the character before it is kept, for `^`
        self._scanned: State | None = None  # how far a match has got ...
        self._scanned_to = 0  # ... here ...
        self._patterns: Patterns | None = None  # ... of one of these

    def feed(self, data: bytes) -> None:
        """Take what the guest has sent, and forget text that is too old."""
        surplus = len(self._text) - BUFFER_CHARACTERS
        if surplus > 0:
            self._forget(surplus)
        text = self._held + self._decoder.feed(data)
        whole = text.rstrip("\r")
        self._held = "\r" if len(whole) < len(text) else ""
        self._text += _LINE_END.sub(lambda match: match[1] or "\r", whole)

    def find(self, patterns: Patterns) -> Match | None:
        """Find the first match in the text after the last one, at one go.

        Returns:
            The match, or None if nothing matches so far.

        Raises:
            UsageError: the text would take too long to search.
        """
        return next((match for match in self.search(patterns) if match), None)

    def search(self, patterns: Patterns) -> Iterator[Match | None]:
        """Find the first match in the text after the last one, with pauses.

        Yields:
            None every few milliseconds, as long as it takes; last the match, if any.

        Raises:
            UsageError: the text would take too long to search.
        """
        try:
            span = yield from self._search(patterns)
        except TooManySteps:
            sources = " or ".join(map(repr, patterns.sources))
            raise UsageError(
                f"regular expression too slow for this output: {sources}",
                "use a simpler one, with fewer alternatives and repetitions",
            ) from None
        if span is None:
            return
        first, *groups = (
            None if start < 0 else self._text[start:end]
            for start, end in zip(span.slots[::2], span.slots[1::2], strict=True)
        )
        assert first is not None
        before = self._text[self._start : span.slots[0]]
        self._forget(span.slots[1])
        self._scanned = None
        yield Match(span.pattern, before, first, tuple(groups))

    def _search(self, patterns: Patterns) -> Generator[None, None, Span | None]:
        scanner = patterns.scanner
        state, scanned_to = self._scanned, self._scanned_to
        if state is None or patterns is not self._patterns:
            state = scanner.begin(self._text[self._start - 1] if self._start else "")
            scanned_to = self._start
        state = yield from scanner.scan(state, self._text, scanned_to)
        if state is scanner.accepted:
            found = yield from scanner.locate(self._text, self._start)
            if isinstance(found, Span):
                return found
            state = found  # it had begun in text that has been forgotten
        self._scanned, self._patterns = state, patterns
        self._scanned_to = len(self._text)
        return None

    @property
    def tail(self) -> str:
        """The latest unmatched text, for a message."""
        return self._text[self._start :][-_TAIL_CHARACTERS:]

    def _forget(self, count: int) -> None:
        """Drop so many characters, except the last of them."""
        kept_from = max(count - 1, 0)
        self._text = self._text[kept_from:]
        self._start = max(self._start, count) - kept_from
        self._scanned_to = max(self._scanned_to, count) - kept_from
