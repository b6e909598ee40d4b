"""Helpers for the tests of the core: data in pieces, and what terminals send."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from novaconsole.session.escapes import EscapeParser, KeyboardEvent, Send

# No deadline for an example: a busy machine must not fail a test.
thorough = settings(
    deadline=None,
    # A profile may ask for more, as `long` in conftest.py does.
    max_examples=max(300, settings.default.max_examples if settings.default else 0),
    suppress_health_check=[HealthCheck.too_slow],
)

# Where to cut, for `cut`.
CUTS = st.lists(st.integers(min_value=0, max_value=2**16), max_size=12)

# What terminals send by themselves (xterm's ctlseqs, kitty, CTerm).
REPLIES = {
    "CPR": b"\x1b[24;80R",
    "DECXCPR": b"\x1b[?24;80;1R",
    "DA1": b"\x1b[?64;1;2;22c",
    "DA2": b"\x1b[>41;390;0c",
    "DA3": b"\x1bP!|00000000\x1b\\",
    "CTerm's DA": b"\x1b[=67;84;101;114;109;1;313c",
    "DSR": b"\x1b[0n",
    "DECDSR": b"\x1b[?13n",
    "colour scheme": b"\x1b[?997;1n",
    "DECRPM": b"\x1b[?2004;2$y",
    "DECRPM of ANSI": b"\x1b[4;1$y",
    "DECREPTPARM": b"\x1b[2;1;1;128;128;1;0x",
    "window size": b"\x1b[8;24;80t",
    "window title": b"\x1b]lroot@guest: ~\x1b\\",
    "title in UTF-8": "\x1b]lgäste\x1b\\".encode(),
    "OSC 10, BEL": b"\x1b]10;rgb:ffff/ffff/ffff\x07",
    "OSC 11, BEL": b"\x1b]11;rgb:0000/0000/0000\x07",
    "OSC 10, ST": b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\",
    "OSC 11, ST": b"\x1b]11;rgb:0000/0000/0000\x1b\\",
    "OSC 4": b"\x1b]4;1;rgb:cdcd/0000/0000\x1b\\",
    "clipboard": b"\x1b]52;c;aGVsbG8=\x1b\\",
    "XTVERSION": b"\x1bP>|XTerm(390)\x1b\\",
    "DECRQSS": b"\x1bP1$r0;1m\x1b\\",
    "XTGETTCAP": b"\x1bP1+r544e=787465726d\x1b\\",
    "kitty's flags": b"\x1b[?1u",
    "focus in": b"\x1b[I",
    "focus out": b"\x1b[O",
    "SGR mouse down": b"\x1b[<0;10;5M",
    "SGR mouse up": b"\x1b[<0;10;5m",
}

# The grammar of the replies as one expression (ECMA-48 5.4 and 5.6, ctlseqs).
_NUMBERS = rb"[0-9:;][0-9:;$]*"
REPLY = re.compile(
    rb"""\x1b(?:
        \[ (?: [IO]
             | \??NUMBERS[Rny]
             | NUMBERS[tx]
             | [?>=](?:NUMBERS)?c
             | \?(?:NUMBERS)?u
             | <(?:NUMBERS)?[Mm] )
      | [\]P][^\x00-\x1f]*\x1b\\
      | \][^\x00-\x1f]*\x07 )""".replace(b"NUMBERS", _NUMBERS),
    re.VERBOSE,
)

# What keys and pastes send; after it, the user is not at the start of a line.
TYPED = {
    "up": b"\x1b[A",
    "up, application": b"\x1bOA",
    "Ctrl-right": b"\x1b[1;5C",
    "home": b"\x1b[H",
    "insert of another terminal": b"\x1b[@",
    "delete": b"\x1b[3~",
    "Shift-Tab": b"\x1b[Z",
    "F1": b"\x1bOP",
    "F3": b"\x1bOR",
    "F5": b"\x1b[15~",
    "F1 of the Linux console": b"\x1b[[A",
    "Shift-F5": b"\x1b[15;2~",
    "Ctrl-a of kitty": b"\x1b[97;5u",
    "Ctrl-Enter of modifyOtherKeys": b"\x1b[27;5;13~",
    "paste": b"\x1b[200~pwd",
    "Alt-a": b"\x1ba",
    "Alt-é": "\x1bé".encode(),
    "Esc Esc": b"\x1b\x1b",
    "Alt-[ and a word": b"\x1b[ ls",
    "Alt-] and Tab": b"\x1b]l\t",
    "Alt-P and Esc, a letter": b"\x1bPl\x1bx",
    "R without numbers": b"\x1b[R",
    "n without numbers": b"\x1b[n",
    "M of another mouse": b"\x1b[M",
    "a $ too early": b"\x1b[$y",
    "two prefixes": b"\x1b[??1c",
    "a prefix too late": b"\x1b[1?c",
    "focus with a number": b"\x1b[1I",
    "focus with a prefix": b"\x1b[?O",
    "BEL in a DCS": b"\x1bP>|XTerm\x07",
}


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cut data into pieces, at positions taken modulo its length."""
    inner = {position % len(data) for position in cuts} - {0} if data else set()
    return [data[start:end] for start, end in pairwise([0, *sorted(inner), len(data)])]


def ways_to_cut(data: bytes) -> Iterator[list[int]]:
    """Yield cuts: none, between all bytes, and each single position."""
    yield []
    yield list(range(len(data)))
    for position in range(1, len(data)):
        yield [position]


def joined(events: Iterable[KeyboardEvent]) -> list[KeyboardEvent]:
    """Return the events with neighbouring Sends joined."""
    result: list[KeyboardEvent] = []
    for event in events:
        if result and isinstance(event, Send) and isinstance(result[-1], Send):
            result[-1] = Send(result[-1].data + event.data)
        else:
            result.append(event)
    return result


def feed_in_pieces(
    parser: EscapeParser, data: bytes, cuts: Iterable[int]
) -> list[KeyboardEvent]:
    """Feed data in pieces, and return the events with neighbouring Sends joined."""
    return joined(event for piece in cut(data, cuts) for event in parser.feed(piece))
