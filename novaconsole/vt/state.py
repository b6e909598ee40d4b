r"""What a guest has set in the terminal, and the bytes that undo and redo it.

`ModeTracker` (tracker.py) reads the guest's output and calls the methods here, one for
each thing that a terminal can be told.  What is kept:

* settings under keys (modes.py), as far as they differ from their defaults;
* colours and other attributes (sgr.py), and changed palette colours;
* the keyboard flags of kitty's protocol, a stack for each screen;
* what comes back with a saved cursor, because DECRC and leaving the alternate screen
  may set again what the guest has reset since.
"""

import re
from dataclasses import dataclass

from novaconsole.vt.modes import (
    ALTERNATE_SCREENS,
    ANSI_MODES,
    BRACKETED_PASTE,
    KEYPAD,
    PRIVATE_MODES,
    SAVED_CURSOR,
    SAVED_WITH_CURSOR,
    SCREEN_AND_CURSOR,
    SCREEN_KEY,
    SHIFT,
    SOFT_RESET,
    VT52,
    Setting,
    Settings,
    Toggle,
    UndoOrder,
    ansi_mode,
    charset,
    private_key,
    private_mode,
)
from novaconsole.vt.sgr import Attributes

_COLOUR_COMMANDS = re.compile(rb"4|5|1[0-9]")  # OSC numbers; 100 more resets
_MAX_PUSHES = 16  # kitty itself keeps no more
_MAX_COLOURS = 256


@dataclass(frozen=True)
class _SavedCursor:
    """What comes back with a saved cursor."""

    settings: Settings
    attributes: Attributes


class TerminalState:
    """What differs from the defaults of a terminal."""

    def __init__(self) -> None:
        self._palette: dict[bytes, list[bytes]] = {}  # what resets -> what was set
        self._settings = Settings()
        self.full_reset()

    def full_reset(self) -> None:
        """RIS: go back to the defaults, except for what some terminals keep.

        Those are the palette, and in tmux the alternate screen.
        """
        # In this form leaving it moves no cursor, whatever screen is shown.
        screen = Setting(UndoOrder.LEAVE_ALTERNATE_SCREEN, b"\x1b[?47l", b"")
        was_alternate, self._settings = SCREEN_KEY in self._settings, Settings()
        self._settings.note(SCREEN_KEY, screen, is_set=was_alternate)
        self._attributes = Attributes()
        self._attributes_in_doubt = False  # they were reset if DECSTR is known
        self._keyboard: dict[int, list[bytes]] = {}  # flags as pushed, by screen
        self._cursor: _SavedCursor | None = None
        self._cursor_of_main_screen: _SavedCursor | None = None
        self._saved_modes: dict[int, bool] = {}

    def soft_reset(self) -> None:
        """DECSTR: some settings may be back at their defaults (VT510 manual)."""
        self._settings.doubt(SOFT_RESET)
        self._attributes_in_doubt |= bool(self._attributes)
        self._attributes = Attributes()

    # ---- undoing

    def undo(self) -> bytes:
        """Return what brings all defaults back; empty if nothing differs."""
        settings, attributes = self._all_settings(), self._attributes
        if self._cursor_of_main_screen:
            # They come back with the screen, together with what was undone before that.
            saved = self._cursor_of_main_screen
            settings |= saved.settings.not_before(UndoOrder.MAIN_SCREEN)
            attributes |= saved.attributes
        out = b"".join(setting.undo for setting in settings) + attributes.undo()
        if self._attributes_in_doubt and not out.endswith(b"\x1b[m"):
            out += b"\x1b[m"
        return out + b"".join(b"\x1b]%b\x1b\\" % reset for reset in self._palette)

    def redo(self) -> bytes:
        """Return what makes all settings again that `undo` has undone."""
        settings = reversed(list(self._all_settings()))
        out = b"".join(setting.redo for setting in settings) + self._attributes.redo()
        commands = (text for texts in self._palette.values() for text in texts)
        return out + b"".join(b"\x1b]%b\x1b\\" % text for text in commands)

    def _all_settings(self) -> Settings:
        settings = Settings() | self._settings
        for screen, stack in self._keyboard.items():
            redo = b"".join(b"\x1b[>" + flags + b"u" for flags in stack)
            pushed = Setting(self._order_of(screen), b"\x1b[<%du" % len(stack), redo)
            settings.note(b"u%d" % screen, pushed, is_set=bool(stack))
        return settings

    @property
    def marks_pastes(self) -> bool:
        """Whether bracketed paste is switched on."""
        return private_key(BRACKETED_PASTE) in self._settings

    @property
    def _screen(self) -> int:
        """The screen that is shown: 1 for the alternate one, 0 for the main one."""
        return int(SCREEN_KEY in self._settings)

    def _order_of(self, screen: int) -> UndoOrder:
        """When that is undone which belongs to a screen."""
        is_alternate = screen == self._screen == 1
        return UndoOrder.ALTERNATE_SCREEN if is_alternate else UndoOrder.MAIN_SCREEN

    # ---- modes

    def toggle(self, toggle: Toggle, *, is_set: bool) -> None:
        """Set or reset something that has one sequence for each."""
        setting = Setting(UndoOrder.MODES, toggle.resets, toggle.sets)
        self._settings.note(toggle.key, setting, is_set=is_set)

    def set_private_mode(self, mode: int, *, is_on: bool) -> None:
        """DECSET, DECRST; modes without a lasting effect are ignored."""
        if mode == SAVED_CURSOR:
            if is_on:
                self.save_cursor()
            else:
                self.restore_cursor()
        elif mode in ALTERNATE_SCREENS:
            self._set_screen(mode, is_on=is_on)
        elif mode in PRIVATE_MODES:
            is_set = is_on != PRIVATE_MODES[mode]
            setting = private_mode(mode, is_on=is_on)
            self._settings.note(private_key(mode), setting, is_set=is_set)

    def save_private_mode(self, mode: int) -> None:
        """XTSAVE."""
        if mode in PRIVATE_MODES:
            is_set = private_key(mode) in self._settings
            self._saved_modes[mode] = PRIVATE_MODES[mode] != is_set

    def restore_private_mode(self, mode: int) -> None:
        """XTRESTORE; some terminals do not know it, so only what it sets is sure."""
        if mode not in PRIVATE_MODES:
            return
        default = PRIVATE_MODES[mode]
        was_on = self._saved_modes.get(mode, default)
        if was_on != default:
            self.set_private_mode(mode, is_on=was_on)
        else:
            self._settings.doubt([private_key(mode)])

    def leave_vt52(self) -> None:
        """`ESC <`: back to ANSI."""
        self.set_private_mode(VT52, is_on=True)

    def set_ansi_mode(self, mode: int, *, is_on: bool) -> None:
        """SM, RM; modes without a lasting effect are ignored."""
        if mode in ANSI_MODES:
            setting = ansi_mode(mode, is_on=is_on)
            is_set = is_on != ANSI_MODES[mode]
            self._settings.note(b"%d" % mode, setting, is_set=is_set)

    def set_application_keypad(self, *, is_on: bool) -> None:
        """DECKPAM, DECKPNM."""
        self.toggle(KEYPAD, is_set=is_on)

    def set_other_keys(self, parameters: bytes, *, is_set: bool) -> None:
        """XTMODKEYS for modifyOtherKeys."""
        redo = b"\x1b[>%bm" % parameters
        setting = Setting(UndoOrder.MODES, b"\x1b[>4m", redo)
        self._settings.note(b">4", setting, is_set=is_set)

    def set_margins(self, parameters: bytes) -> None:
        """DECSTBM; the default is the whole screen."""
        # DECSTBM moves the cursor home; DECSC and DECRC bring it back.
        redo = b"\x1b7\x1b[%br\x1b8" % parameters
        setting = Setting(UndoOrder.MARGINS, b"\x1b7\x1b[r\x1b8", redo)
        self._settings.note(b"margins", setting, is_set=bool(parameters.strip(b"0;")))

    def lock_memory(self) -> None:
        """HP's memory lock, in xterm: the top margin goes to the cursor's row."""
        # That row is not known here, so it is undone but not redone.
        self.set_margins(b"1")

    def set_cursor_shape(self, parameters: bytes) -> None:
        """DECSCUSR; 0 or nothing is the default."""
        redo = b"\x1b[%b q" % parameters
        setting = Setting(UndoOrder.CURSOR_SHAPE, b"\x1b[0 q", redo)
        is_set = parameters.strip(b"0").isdigit()
        self._settings.note(b"shape", setting, is_set=is_set)

    def set_printer(self, *, is_on: bool) -> None:
        """MC: from now on, output goes to the printer only."""
        printer = Setting(UndoOrder.OUTPUT_PATH, b"\x1b[4i", b"\x1b[5i")
        self._settings.note(b"printer", printer, is_set=is_on)

    # ---- character sets, attributes, colours, hyperlinks

    def designate(self, slot: bytes, designation: bytes) -> None:
        """SCS and the like; what designates no character set is ignored."""
        if found := charset(slot, designation):
            key, setting, is_set = found
            self._settings.note(key, setting, is_set=is_set)

    def lock_shift(self, final: bytes) -> None:
        """LS2, LS3: text is printed from G2 or G3."""
        setting = Setting(UndoOrder.MODES, SHIFT.resets, b"\x1b" + final)
        self._settings.note(SHIFT.key, setting)

    def set_attributes(self, parameters: list[bytes]) -> None:
        """SGR, the parameters of one or more sequences in order."""
        self._attributes.note(parameters)
        if parameters[-1:] in ([b""], [b"0"]):
            self._attributes_in_doubt = False

    def set_hyperlink(self, command: bytes, *, is_open: bool) -> None:
        """OSC 8."""
        redo = b"\x1b]%b\x1b\\" % command
        setting = Setting(UndoOrder.OUTPUT_PATH, b"\x1b]8;;\x1b\\", redo)
        self._settings.note(b"link", setting, is_set=is_open)

    def set_colours(self, number: bytes, rest: bytes) -> None:
        """OSC 4, 5 and 10 to 19, and 100 more to reset; others are ignored."""
        if _COLOUR_COMMANDS.fullmatch(number):
            if rest and not rest.endswith(b"?"):
                commands = self._palette.setdefault(b"1%02d" % int(number), [])
                commands.append(number + b";" + rest)
                del commands[:-_MAX_COLOURS]
        elif not rest:
            self._palette.pop(number, None)

    # ---- screens, cursor, keyboard

    def save_cursor(self) -> None:
        """DECSC."""
        self._cursor = self._saved()

    def restore_cursor(self) -> None:
        """DECRC."""
        self._restore(self._cursor)

    def push_keyboard(self, flags: bytes) -> None:
        """Kitty's protocol: push flags on the stack of the screen that is shown."""
        stack = self._keyboard.setdefault(self._screen, [])
        stack.append(flags)
        del stack[:-_MAX_PUSHES]

    def pop_keyboard(self, count: int) -> None:
        """Kitty's protocol: take flags from the stack; 0 means 1."""
        stack = self._keyboard.get(self._screen, [])
        del stack[max(0, len(stack) - (count or 1)) :]

    def set_keyboard(self, flags: bytes, *, is_set: bool) -> None:
        """Kitty's protocol: change the flags without the stack."""
        order, redo = self._order_of(self._screen), b"\x1b[=" + flags + b"u"
        setting = Setting(order, b"\x1b[=0u", redo)
        self._settings.note(b"=%d" % self._screen, setting, is_set=is_set)

    def _set_screen(self, mode: int, *, is_on: bool) -> None:
        if is_on:
            if mode == SCREEN_AND_CURSOR and not self._screen:
                self._cursor_of_main_screen = self._saved()
            on, off = b"\x1b[?%dh" % mode, b"\x1b[?%dl" % mode
            setting = Setting(UndoOrder.LEAVE_ALTERNATE_SCREEN, off, on)
            self._settings.note(SCREEN_KEY, setting)
            return
        if mode == SCREEN_AND_CURSOR:
            # tmux brings back the attributes and none of the settings.
            self._restore(self._cursor_of_main_screen, is_sure=False)
        self._cursor_of_main_screen = None
        self._settings.drop((SCREEN_KEY, b"=1"))
        self._keyboard.pop(1, None)

    def _saved(self) -> _SavedCursor:
        settings = self._settings.subset(SAVED_WITH_CURSOR)
        return _SavedCursor(settings, self._attributes.copy())

    def _restore(self, saved: _SavedCursor | None, *, is_sure: bool = True) -> None:
        if saved is None:
            return  # what happens then differs between terminals
        if is_sure:
            self._settings.drop(SAVED_WITH_CURSOR)
        self._settings.doubt(SAVED_WITH_CURSOR)
        self._settings |= saved.settings
        self._attributes = saved.attributes.copy()
