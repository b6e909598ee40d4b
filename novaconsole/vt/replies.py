r"""Recognises what a terminal sends by itself, as opposed to what the user types.

A guest may ask the terminal where the cursor is or which colours it has, and the reply
arrives on the same descriptor as the keys.  `ReplyMatcher` recognises such replies byte
by byte, so that they are not taken for typing.

Rules from ECMA-48 (5.4 control sequences, 5.6 control strings) and xterm's "Control
Sequences" (ctlseqs): cursor position and mode reports, device attributes and status,
window reports, colour and other OSC replies, DCS replies, focus and mouse reports.
"""

import enum

from novaconsole.vt.paste import PASTE_BEGINS, PASTE_ENDS

_ESC, _BEL = 0x1B, 0x07
_CSI, _OSC, _DCS, _APC = b"[]P_"
_STRING_END = b"\\"[0]

# Final bytes of the control sequences that only a terminal sends, with the private
# prefixes (ECMA-48 5.4.1: bytes 3/12 to 3/15) that each may have; 0 means none.
_REPORTS = {
    b"R"[0]: (0, b"?"[0]),  # CPR, DECXCPR
    b"c"[0]: (b"?"[0], b">"[0], b"="[0]),  # device attributes
    b"n"[0]: (0, b"?"[0]),  # device status
    b"y"[0]: (0, b"?"[0]),  # DECRPM, after "$"
    b"t"[0]: (0,),  # window reports
    b"x"[0]: (0,),  # DECREPTPARM
    b"u"[0]: (b"?"[0],),  # kitty keyboard flags
    b"M"[0]: (b"<"[0],),  # SGR mouse
    b"m"[0]: (b"<"[0], b">"[0]),  # XTQMODKEYS after ">"
    b"S"[0]: (b"?"[0],),  # XTSMGRAPHICS
}
_PASTE_MARKS = {b"200": PASTE_BEGINS, b"201": PASTE_ENDS}
_FOCUS = b"IO"  # without parameters
_NEEDS_PARAMETERS = b"Rntxy"


class State(enum.Enum):
    """What is known about a sequence after one more byte."""

    MORE = "more"
    COMPLETE = "complete"
    NO_REPLY = "no reply"
    RESTARTED = "restarted"  # what came before its latest ESC is no reply


class ReplyMatcher:
    """Follows one sequence at a time and tells whether it is a terminal's reply.

    Attributes:
        active: whether a sequence has begun and has not ended.
        kind: of the reply that was recognised last: the final byte of a control
            sequence, or the byte after ESC of a control string.
        paste_mark: the mark around a paste that has just been found; it is no reply.
    """

    def __init__(self) -> None:
        self.active = False
        self.kind = b""
        self.paste_mark: bytes | None = None
        self._digits = b""
        self._kind = 0  # the byte after ESC
        self._prefix = 0
        self._parameters = False
        self._escaped = False  # inside a control string, after ESC

    def start(self) -> None:
        """Begin a sequence; to be called for its ESC."""
        self.active = True
        self._kind = self._prefix = 0
        self._parameters = self._escaped = False
        self._digits = b""

    def feed(self, byte: int) -> State:
        """Take the next byte after the ESC; active stays true on MORE and RESTARTED."""
        self.paste_mark = None
        state = self._next(byte)
        self.active = state in (State.MORE, State.RESTARTED)
        if state is State.COMPLETE:
            self.kind = bytes([byte if self._kind == _CSI else self._kind])
        return state

    def _next(self, byte: int) -> State:
        if not self._kind:
            self._kind = byte
            is_known = byte in (_CSI, _OSC, _DCS, _APC)
            return State.MORE if is_known else State.NO_REPLY
        if self._kind == _CSI:
            return self._next_in_control_sequence(byte)
        return self._next_in_control_string(byte)

    def _next_in_control_sequence(self, byte: int) -> State:
        if 0x30 <= byte <= 0x3B:  # digits and separators
            self._parameters = True
            self._digits = (self._digits + bytes([byte]))[:4]
            return State.MORE
        if byte == b"~"[0] and not self._prefix:
            self.paste_mark = _PASTE_MARKS.get(self._digits)
        if 0x3C <= byte <= 0x3F and not (self._parameters or self._prefix):
            self._prefix = byte
            return State.MORE
        if byte == b"$"[0] and self._parameters:  # the intermediate byte of DECRPM
            return State.MORE
        if byte in _FOCUS and not (self._parameters or self._prefix):
            return State.COMPLETE
        fits = self._prefix in _REPORTS.get(byte, ())
        if fits and (self._parameters or byte not in _NEEDS_PARAMETERS):
            return State.COMPLETE
        return State.NO_REPLY

    def _next_in_control_string(self, byte: int) -> State:
        if self._escaped and byte == _CSI:  # that ESC began another sequence
            self._kind, self._escaped = _CSI, False
            self._parameters, self._digits = False, b""
            return State.RESTARTED
        if self._escaped:
            return State.COMPLETE if byte == _STRING_END else State.NO_REPLY
        if byte == _BEL and self._kind == _OSC:
            return State.COMPLETE
        if byte == _ESC:
            self._escaped = True
            return State.MORE
        # No reply contains a control character, so a typed Alt-] is forgotten at Enter.
        return State.NO_REPLY if byte < 0x20 else State.MORE
