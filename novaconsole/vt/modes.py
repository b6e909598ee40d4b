r"""The settings of a terminal that outlive the program that made them.

One table for each kind of setting: which there are, what is the default, what undoes
a change and, where that matters, when.  Numbers and names are those of xterm's
"Control Sequences" (ctlseqs); DEC's names are in the comments.

A mode is listed if one of the terminals that people use has it and a terminal left in
it is worse to use than before.  Three are rare enough to need a reason:

* VT52 mode (xterm, Konsole, Windows Terminal): nothing in use today sets it on
  purpose, but a terminal left in it prints every later control sequence as text.
* Printer passthrough (xterm, iTerm2): all output goes to the printer or to nothing,
  so the terminal looks dead until it is ended.
* Memory lock (xterm): ESC and the letter `l`, so two bytes of a binary file are
  enough; part of the screen does not scroll any more.

kitty, alacritty, foot, VTE, tmux and the Linux console ignore all three, and the
sequences that undo them.
"""

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Self


class UndoOrder(enum.IntEnum):
    """When a setting is undone, first to last.

    What belongs to the alternate screen has to be undone before that is left.  What
    leaving it brings back, or what belongs to the main screen, can be undone only
    afterwards.
    """

    # What decides where output goes: all that follows must reach the terminal.
    OUTPUT_PATH = 0
    # What the alternate screen keeps for itself, while it is shown.
    ALTERNATE_SCREEN = 1
    # Before origin mode, so that the line feed which undoes that can scroll.
    MARGINS = 2
    # Moves the cursor; leaving the alternate screen puts it back.
    ORIGIN = 3
    LEAVE_ALTERNATE_SCREEN = 4
    # What the main screen keeps, or gets back with its saved cursor.
    MAIN_SCREEN = 5
    MODES = 6
    CURSOR_SHAPE = 7


@dataclass(frozen=True)
class Setting:
    """One setting that differs from its default.

    Attributes:
        order: when it is undone.
        undo: the sequence that brings the default back.
        redo: the sequence that makes the setting again; empty if the terminal may have
            gone back to the default by itself.
    """

    order: UndoOrder
    undo: bytes
    redo: bytes


class Settings:
    """All settings that differ from their defaults, each under a key of its own.

    Args:
        settings: the pairs of key and setting to begin with.
    """

    def __init__(self, settings: Iterable[tuple[bytes, Setting]] = ()) -> None:
        self._settings = dict(settings)

    def __contains__(self, key: bytes) -> bool:
        return key in self._settings

    def __iter__(self) -> Iterator[Setting]:
        """Iterate in undo order, which does not depend on the order of setting."""
        items = self._settings.items()
        rank = {key: (setting.order, len(key), key) for key, setting in items}
        return (self._settings[key] for key in sorted(rank, key=rank.__getitem__))

    def __or__(self, other: Self) -> Self:
        return type(self)((self._settings | other._settings).items())

    def note(self, key: bytes, setting: Setting, *, is_set: bool = True) -> None:
        """Note that a setting was made, or that it is back at its default."""
        if is_set:
            self._settings[key] = setting
        else:
            self._settings.pop(key, None)

    def doubt(self, keys: Iterable[bytes]) -> None:
        """Note that settings may be back at their defaults.

        They are still undone, which does no harm, but not made again.
        """
        for key in keys:
            if key in self._settings:
                self._settings[key] = replace(self._settings[key], redo=b"")

    def subset(self, keys: Iterable[bytes]) -> Self:
        """Return a copy that has these keys only."""
        return type(self)((key, self._settings[key]) for key in keys if key in self)

    def not_before(self, order: UndoOrder) -> Self:
        """Return a copy in which all settings are undone at that place or later."""
        return type(self)(
            (key, replace(setting, order=max(setting.order, order)))
            for key, setting in self._settings.items()
        )

    def drop(self, keys: Iterable[bytes]) -> None:
        """Note that settings are back at their defaults."""
        for key in keys:
            self._settings.pop(key, None)


class Toggle(NamedTuple):
    """A setting with one sequence for on and one for off.

    Attributes:
        key: its key among the settings.
        sets: the sequence that sets it.
        resets: the sequence that goes back to the default.
    """

    key: bytes
    sets: bytes
    resets: bytes


SHIFT_OUT, SHIFT_IN = b"\x0e", b"\x0f"
SHIFT = Toggle(b"shift", SHIFT_OUT, SHIFT_IN)
HIDDEN_CURSOR = Toggle(b"?25", b"\x1b[?25l", b"\x1b[?25h")
LINE_DRAWING = Toggle(b"(", b"\x1b(0", b"\x1b(B")
KEYPAD = Toggle(b"keypad", b"\x1b=", b"\x1b>")  # DECKPAM, DECKPNM

# ---- private modes (DECSET and DECRST), by number

ALTERNATE_SCREENS = (47, 1047, 1049)  # three forms of one mode
SCREEN_KEY = b"screen"
VT52, ORIGIN = 2, 6
SAVED_CURSOR = 1048  # not a mode: setting it saves the cursor, resetting restores it
SCREEN_AND_CURSOR = 1049
BRACKETED_PASTE = 2004
# Whether each is on by default.
PRIVATE_MODES = {
    1: False,  # DECCKM, application cursor keys
    VT52: True,  # DECANM: on means ANSI
    5: False,  # DECSCNM, reverse video
    ORIGIN: False,  # DECOM
    7: True,  # DECAWM, wrap
    8: True,  # DECARM, keys repeat
    9: False,  # X10 mouse
    25: True,  # DECTCEM, the cursor is visible
    66: False,  # DECNKM, application keypad
    69: False,  # DECLRMM, left and right margins
    **dict.fromkeys(ALTERNATE_SCREENS, False),
    **dict.fromkeys(range(1000, 1007), False),  # mouse; 1004 is focus
    1015: False,  # mouse in urxvt's form
    1016: False,  # mouse in pixels
    BRACKETED_PASTE: False,
    2026: False,  # synchronized output
    2031: False,  # reports of the colour scheme
    2048: False,  # reports of the size
}
_ORDERS = {
    VT52: UndoOrder.OUTPUT_PATH,
    2026: UndoOrder.OUTPUT_PATH,
    ORIGIN: UndoOrder.ORIGIN,
}
_UNDOES = {
    VT52: b"\x1b<",  # in VT52 mode ESC [ means something else
    # Resetting DECOM moves the cursor home, and DECRC would set DECOM again.  To go on
    # at the foot of the screen is better than above what is there; the LF scrolls once
    # the margins are gone.
    ORIGIN: b"\x1b[?6l\x1b[9999H\n",
}


def private_key(mode: int) -> bytes:
    """Return the key of a private mode; all forms of the alternate screen share one."""
    return SCREEN_KEY if mode in ALTERNATE_SCREENS else b"?%d" % mode


def private_mode(mode: int, *, is_on: bool) -> Setting:
    """Return the setting of a private mode other than the alternate screen."""
    on, off = b"\x1b[?%dh" % mode, b"\x1b[?%dl" % mode
    undo, redo = (off, on) if is_on else (on, off)
    order = _ORDERS.get(mode, UndoOrder.MODES)
    return Setting(order, _UNDOES.get(mode, undo), redo)


# ---- ANSI modes (SM and RM), by number

# Whether each is on by default.
ANSI_MODES = {
    2: False,  # KAM, the keyboard is locked
    4: False,  # IRM, insert
    12: True,  # SRM, no local echo
    20: False,  # LNM, LF is CR LF
}


def ansi_mode(mode: int, *, is_on: bool) -> Setting:
    """Return the setting of an ANSI mode."""
    on, off = b"\x1b[%dh" % mode, b"\x1b[%dl" % mode
    return Setting(UndoOrder.MODES, *((off, on) if is_on else (on, off)))


# ---- character sets (ECMA-35)

# The default designation, by the byte after ESC.
CHARSETS = {
    **dict.fromkeys((b"(", b")", b"*", b"+"), b"B"),  # G0 to G3: ASCII
    b"%": b"G",  # UTF-8
    b" ": b"F",  # replies in 7 bits
}
# After these two only one other byte is a designation.
_OTHER_DESIGNATIONS = {b"%": b"@", b" ": b"G"}
_SLOTS_OF_LARGE_SETS = {b"-": b")", b".": b"*", b"/": b"+"}  # G1 to G3


def charset(slot: bytes, designation: bytes) -> tuple[bytes, Setting, bool] | None:
    """Return the key and setting of a character set, and whether it is not the default.

    Args:
        slot: the byte after ESC.
        designation: what follows it.

    Returns:
        Or None if the sequence designates no character set.
    """
    redo = b"\x1b" + slot + designation
    slot = _SLOTS_OF_LARGE_SETS.get(slot, slot)
    default = CHARSETS.get(slot)
    if default is None:
        return None
    other = _OTHER_DESIGNATIONS.get(slot)
    is_set = designation == other if other else designation != default
    setting = Setting(UndoOrder.MODES, b"\x1b" + slot + default, redo)
    return slot, setting, is_set


# ---- groups of settings

# What DECSC saves and DECRC restores, beside position and attributes.
SAVED_WITH_CURSOR = (SHIFT.key, *CHARSETS, private_key(ORIGIN))
# What DECSTR resets (VT510 manual), beside attributes.
SOFT_RESET = (
    *(b"?1", b"?7", b"?25", b"?66", b"?69", b"2", b"4", KEYPAD.key, b"margins"),
    *SAVED_WITH_CURSOR,
)
