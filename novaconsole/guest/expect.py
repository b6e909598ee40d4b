"""Finds regular expressions in a guest's output: bytes in, the first match out.

Patterns are matched against the text as a person reads it: decoded from UTF-8, without
control sequences and invisible control characters, with LF for CR LF.  A guest may
print without end, so only the latest text is kept.  Its output may also be hostile, so
the expressions are those of RE2, which needs time in proportion to the text
(swtch.com/~rsc/regexp); forty characters can keep Python's `re` busy for years.

This is the only module that imports re2.
"""

import re
from dataclasses import dataclass

from novaconsole.errors import UsageError
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
        sources: the expressions, in RE2's syntax, which is Python's without back
            references and look-around.

    Raises:
        UsageError: an expression is not valid, or RE2 is not installed.
    """

    def __init__(self, *sources: str) -> None:
        self.sources = sources
        try:
            import re2
        except ModuleNotFoundError:
            raise UsageError(
                "--until needs a package that is not installed",
                "install it with: pip install 'novaconsole[until]'",
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
                    "use Python's syntax, without back references and look-around",
                ) from None

    def search(self, text: str, start: int) -> tuple[Match, int] | None:
        """Find the first match; of two at the same place, that of the first pattern.

        Args:
            text: the text to search.
            start: where to begin; the text before it still counts for `^`.

        Returns:
            The match and the position of its end, or None if nothing matches.
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
    """The latest text of a guest, and how far it has been matched."""

    def __init__(self) -> None:
        self._decoder = TextDecoder(_KEPT_CONTROLS)
        self._held = ""  # a CR after which an LF may follow
        self._text = ""
        self._start = 0  # the character before it is kept, for `^`

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
        """Find the first match in the text after the last one.

        Returns:
            The match, or None if nothing matches so far.
        """
        found = patterns.search(self._text, self._start)
        if found is None:
            return None
        match, end = found
        self._forget(end)
        return match

    @property
    def tail(self) -> str:
        """The latest unmatched text, for a message."""
        return self._text[self._start :][-_TAIL_CHARACTERS:]

    def _forget(self, count: int) -> None:
        """Drop so many characters, except the last of them."""
        kept_from = max(count - 1, 0)
        self._text = self._text[kept_from:]
        self._start = max(self._start, count) - kept_from
