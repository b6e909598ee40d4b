r"""Which of a guest's sequences the terminal answers, and with what kind of reply.

The kinds are those of `ReplyMatcher.kind`: the final byte of a control sequence, or the
byte after ESC of a control string.  Rules from xterm's "Control Sequences" (ctlseqs),
and kitty's keyboard and graphics protocols.

ENQ is missing: most terminals answer it with nothing, the others with any text.
"""

from novaconsole.vt.parser import ControlSequence

_PREFIXES = (b"?", b">", b"<", b"=")
_CURSOR, _STATUS = b"R", b"n"
_WINDOW_REPORTS = (11, 13, 14, 15, 16, 18, 19)
_TITLE_REPORTS = (20, 21)
_COLOURS = {b"%d" % number for number in (4, 5, *range(10, 20))}
_OSC, _DCS, _APC = b"]", b"P", b"_"

# By prefix, last intermediate byte and final byte.
_ANSWERED = {
    (b"", b"", b"c"): b"c",  # device attributes
    (b">", b"", b"c"): b"c",
    (b"=", b"", b"c"): _DCS,
    (b"", b"$", b"p"): b"y",  # DECRQM
    (b"?", b"$", b"p"): b"y",
    (b"", b"", b"x"): b"x",  # DECREQTPARM
    (b"?", b"", b"u"): b"u",  # kitty's keyboard flags
    (b"?", b"", b"m"): b"m",  # XTQMODKEYS
    (b"?", b"", b"S"): b"S",  # XTSMGRAPHICS
    (b">", b"", b"q"): _DCS,  # XTVERSION
    (b"", b"*", b"y"): _DCS,  # DECRQCRA
    (b"", b"$", b"w"): _DCS,  # DECRQPSR
    (b"", b"&", b"u"): _DCS,  # DECRQUPSS
}


def answers_to(sequence: ControlSequence) -> list[bytes]:
    """Return the kinds of the replies to a sequence, one for each reply."""
    match sequence.kind:
        case b"[":
            kind = _answer_to_control_sequence(sequence)
            return [kind] if kind else []
        case b"]":
            return [_OSC] * _asked_by_command(sequence.parameters)
        case b"P" if sequence.parameters[:2] in (b"$q", b"+q"):
            return [_DCS]
        case b"_" if sequence.parameters[:1] == b"G" and b"a=q" in sequence.parameters:
            return [_APC]
        case b"" if not sequence.parameters and sequence.final == b"Z":  # DECID
            return [b"c"]
    return []


def _answer_to_control_sequence(sequence: ControlSequence) -> bytes:
    text, final = sequence.parameters, sequence.final
    prefix = text[:1] if text[:1] in _PREFIXES else b""
    first = (sequence.numbers or [-1])[0]
    match final:
        case b"n" if prefix in (b"", b"?") and first > 0:
            return _CURSOR if first == 6 else _STATUS
        case b"t" if not prefix:
            if first in _TITLE_REPORTS:
                return _OSC
            return b"t" if first in _WINDOW_REPORTS else b""
    intermediate = text[-1:] if b" " <= text[-1:] <= b"/" else b""
    return _ANSWERED.get((prefix, intermediate, final), b"")


def _asked_by_command(text: bytes) -> int:
    number, *rest = text.split(b";")
    return rest.count(b"?") if number in _COLOURS or number == b"52" else 0
