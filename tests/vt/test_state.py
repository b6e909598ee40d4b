"""What differs from a terminal's defaults, told without any bytes of output.

Most rules are tested through the tracker, in test_tracker.py.
"""

import pytest

from novaconsole.vt.modes import HIDDEN_CURSOR, PRIVATE_MODES
from novaconsole.vt.state import TerminalState


def test_a_new_terminal_has_nothing_to_undo_and_nothing_to_redo() -> None:
    state = TerminalState()
    assert (state.undo(), state.redo()) == (b"", b"")


@pytest.mark.parametrize("mode", PRIVATE_MODES)
def test_a_private_mode_at_its_default_leaves_nothing_to_undo(mode: int) -> None:
    state = TerminalState()
    state.set_private_mode(mode, is_on=not PRIVATE_MODES[mode])
    assert state.undo() != b""
    state.set_private_mode(mode, is_on=PRIVATE_MODES[mode])
    assert (state.undo(), state.redo()) == (b"", b"")


def test_an_unknown_mode_is_ignored() -> None:
    state = TerminalState()
    state.set_private_mode(9999, is_on=True)
    state.save_private_mode(9999)
    state.restore_private_mode(9999)
    state.set_ansi_mode(9999, is_on=True)
    assert state.undo() == b""


def test_a_mode_that_was_never_saved_is_restored_to_its_default() -> None:
    state = TerminalState()
    state.set_private_mode(1, is_on=True)
    state.restore_private_mode(1)
    assert (state.undo(), state.redo()) == (b"\x1b[?1l", b"")


def test_a_full_reset_forgets_saved_cursors_and_saved_modes() -> None:
    state = TerminalState()
    state.set_attributes([b"31"])
    state.set_private_mode(1, is_on=True)
    state.save_cursor()
    state.save_private_mode(1)
    state.full_reset()
    state.restore_cursor()
    state.restore_private_mode(1)
    assert state.undo() == b""


def test_popping_an_empty_keyboard_stack_changes_nothing() -> None:
    state = TerminalState()
    state.pop_keyboard(0)
    assert state.undo() == b""
    state.push_keyboard(b"1")
    state.pop_keyboard(5)
    assert state.undo() == b""


def test_a_palette_keeps_the_latest_colours_only() -> None:
    state = TerminalState()
    for number in range(1000):
        state.set_colours(b"4", b"%d;#000000" % number)
    assert state.undo() == b"\x1b]104\x1b\\"
    assert state.redo().count(b"\x1b]4;") == 256
    assert b"\x1b]4;999;" in state.redo()


def test_the_output_path_is_restored_first_and_the_cursor_shape_last() -> None:
    state = TerminalState()
    state.set_cursor_shape(b"5")
    state.toggle(HIDDEN_CURSOR, is_set=True)
    state.set_printer(is_on=True)
    assert state.undo() == b"\x1b[4i" + HIDDEN_CURSOR.resets + b"\x1b[0 q"
