r"""Terminal output made into text: control sequences and control strings taken out.

This is what `--until`, `--run` and the plain log read.  They differ in which control
characters they keep, and the log keeps some sequences as well, because it carries out
what a line editor does; so both are parameters.

A sequence may come in pieces, so both classes here keep state, and one of them sees
one stream.
"""

import codecs
import re
from collections.abc import Callable

from novaconsole.vt.parser import ControlSequence, SequenceParser, Text

_CONTROLS = bytes([*range(0x20), 0x7F])
_ESC = b"\x1b"
_FINAL_BYTES = bytes(range(0x40, 0x7F))
_CAN = b"\x18"


def nothing(sequence: ControlSequence) -> bytes:
    """Keep nothing of a sequence."""
    return b""


class TextFilter:
    """Takes control sequences and control characters out of terminal output.

    C1 controls in UTF-8 are left alone; what is no UTF-8 is, too.

    Args:
        kept_controls: the control characters that are kept; ESC is not among them.
        kept_finals: final bytes of control sequences for which `keep` is asked.
        keep: returns what is put in place of a sequence.
        kept_escapes: final bytes of escape sequences for which `keep` is asked as well.
    """

    def __init__(
        self,
        kept_controls: bytes,
        kept_finals: bytes = b"",
        keep: Callable[[ControlSequence], bytes] = nothing,
        kept_escapes: bytes = b"",
    ) -> None:
        self._parser = SequenceParser()
        self._kept_finals = kept_finals
        self._keep = keep
        self._kept_escapes = kept_escapes
        self._removed = _CONTROLS.translate(None, kept_controls + _ESC)
        # Whole control sequences as they nearly always come.  A CAN in place of one
        # breaks off what the sequence would have broken off, and is then taken out
        # like other control characters.  So the parser, which takes its time for each
        # event, has less to do.
        finals = re.escape(_FINAL_BYTES.translate(None, kept_finals))
        self._whole = re.compile(
            rb"\x1b\[[\x30-\x3f]*(?:[%b]|[\x20-\x2f]+[\x40-\x7e])" % finals
        )

    def feed(self, data: bytes) -> bytes:
        """Take output in any pieces, and return what is left of it."""
        if _ESC in data:
            data = self._whole.sub(_CAN, data)
        if _ESC in data or self._parser.is_inside:
            data = b"".join(map(self._left_of, self._parser.feed(data)))
        return data.translate(None, self._removed)

    def _left_of(self, event: Text | ControlSequence) -> bytes:
        if isinstance(event, Text):
            return event.data
        kept = {b"[": self._kept_finals, b"": self._kept_escapes}.get(event.kind, b"")
        return self._keep(event) if event.final and event.final in kept else b""


class TextDecoder:
    """Makes terminal output into text; what is no UTF-8 becomes U+FFFD.

    A character that comes in pieces is held back until it is whole.

    Args:
        kept_controls: the control characters that are kept.
    """

    def __init__(self, kept_controls: bytes) -> None:
        self._filter = TextFilter(kept_controls)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """Take output in any pieces, and return its text."""
        return self._decoder.decode(self._filter.feed(data))
