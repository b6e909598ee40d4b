"""Settings are undone in an order of their own, and each has one key."""

import pytest

from novaconsole.vt.modes import (
    ALTERNATE_SCREENS,
    ANSI_MODES,
    PRIVATE_MODES,
    SAVED_WITH_CURSOR,
    SOFT_RESET,
    Setting,
    Settings,
    UndoOrder,
    ansi_mode,
    charset,
    private_key,
    private_mode,
)

FIRST = Setting(UndoOrder.OUTPUT_PATH, b"first", b"FIRST")
MIDDLE = Setting(UndoOrder.MODES, b"middle", b"MIDDLE")
LAST = Setting(UndoOrder.CURSOR_SHAPE, b"last", b"LAST")


@pytest.mark.parametrize("keys", [b"abc", b"cab", b"bca"])
def test_the_undo_order_does_not_depend_on_the_order_of_setting(keys: bytes) -> None:
    all_of_them = {b"a": LAST, b"b": FIRST, b"c": MIDDLE}
    settings = Settings()
    for byte in keys:
        settings.note(bytes([byte]), all_of_them[bytes([byte])])
    assert list(settings) == [FIRST, MIDDLE, LAST]


def test_margins_and_origin_mode_are_undone_before_the_alternate_screen_is_left() -> (
    None
):
    order = UndoOrder
    assert order.OUTPUT_PATH < order.ALTERNATE_SCREEN < order.MARGINS < order.ORIGIN
    assert order.ORIGIN < order.LEAVE_ALTERNATE_SCREEN < order.MAIN_SCREEN
    assert order.MAIN_SCREEN < order.MODES < order.CURSOR_SHAPE


def test_a_setting_in_doubt_is_undone_but_not_redone() -> None:
    settings = Settings([(b"a", FIRST), (b"b", LAST)])
    settings.doubt([b"a", b"unknown"])
    assert [(each.undo, each.redo) for each in settings] == [
        (b"first", b""),
        (b"last", b"LAST"),
    ]


def test_a_setting_that_is_back_at_its_default_is_forgotten() -> None:
    settings = Settings([(b"a", FIRST), (b"b", MIDDLE), (b"c", LAST)])
    settings.note(b"a", FIRST, is_set=False)
    settings.drop([b"b", b"unknown"])
    assert list(settings) == [LAST]


def test_a_subset_and_a_union_leave_their_sources_alone() -> None:
    settings = Settings([(b"a", FIRST), (b"b", LAST)])
    some = settings.subset([b"a", b"unknown"])
    both = some | Settings([(b"a", MIDDLE)])
    assert (list(some), list(both)) == ([FIRST], [MIDDLE])
    assert list(settings) == [FIRST, LAST]


def test_not_before_moves_earlier_settings_only() -> None:
    settings = Settings([(b"a", FIRST), (b"b", LAST)])
    moved = list(settings.not_before(UndoOrder.MAIN_SCREEN))
    assert [each.order for each in moved] == [
        UndoOrder.MAIN_SCREEN,
        UndoOrder.CURSOR_SHAPE,
    ]


@pytest.mark.parametrize("mode", PRIVATE_MODES.keys() - {*ALTERNATE_SCREENS, 2, 6})
def test_a_private_mode_is_undone_by_its_opposite(mode: int) -> None:
    on, off = f"\x1b[?{mode}h".encode(), f"\x1b[?{mode}l".encode()
    setting = private_mode(mode, is_on=True)
    assert (setting.undo, setting.redo) == (off, on)
    setting = private_mode(mode, is_on=False)
    assert (setting.undo, setting.redo) == (on, off)


@pytest.mark.parametrize("mode", ANSI_MODES)
def test_an_ansi_mode_is_undone_by_its_opposite(mode: int) -> None:
    setting = ansi_mode(mode, is_on=True)
    assert setting.undo == f"\x1b[{mode}l".encode()
    assert ansi_mode(mode, is_on=False).undo == setting.redo


def test_the_three_forms_of_the_alternate_screen_are_one_setting() -> None:
    assert {private_key(mode) for mode in ALTERNATE_SCREENS} == {b"screen"}
    assert len({private_key(mode) for mode in PRIVATE_MODES}) == len(PRIVATE_MODES) - 2


@pytest.mark.parametrize("sequence", [b"#8", b" L", b"%9", b"&0"])
def test_what_designates_no_other_character_set_sets_nothing(sequence: bytes) -> None:
    found = charset(sequence[:1], sequence[1:])
    assert found is None or not found[2]


def test_the_groups_name_keys_that_exist() -> None:
    """A key with a fault would be ignored silently."""
    known = {private_key(mode) for mode in PRIVATE_MODES}
    known |= {f"{mode}".encode() for mode in ANSI_MODES}
    known |= {b"(", b")", b"*", b"+", b"%", b" ", b"shift", b"keypad", b"margins"}
    assert {*SAVED_WITH_CURSOR, *SOFT_RESET} <= known
