"""What the guest has set is undone, and nothing else.

The state behind the tracker (vt/state.py) is tested through it as well.
"""

import re

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.vt.tracker import ModeTracker
from support.pieces import CUTS, cut, thorough


def tracker(*pieces: bytes) -> ModeTracker:
    found = ModeTracker()
    for piece in pieces:
        found.feed(piece)
    return found


def undone(*pieces: bytes) -> bytes:
    return tracker(*pieces).undo()


# What a guest may set, what undoes it, and what the guest itself would send.
SETTINGS = {
    "alternate screen": (b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?1049l"),
    "older alternate screen": (b"\x1b[?47h", b"\x1b[?47l", b"\x1b[?47l"),
    "mouse": (b"\x1b[?1002h", b"\x1b[?1002l", b"\x1b[?1002l"),
    "SGR mouse": (b"\x1b[?1006h", b"\x1b[?1006l", b"\x1b[?1006l"),
    "focus": (b"\x1b[?1004h", b"\x1b[?1004l", b"\x1b[?1004l"),
    "bracketed paste": (b"\x1b[?2004h", b"\x1b[?2004l", b"\x1b[?2004l"),
    "hidden cursor": (b"\x1b[?25l", b"\x1b[?25h", b"\x1b[?25h"),
    "cursor shape": (b"\x1b[5 q", b"\x1b[0 q", b"\x1b[0 q"),
    "cursor keys": (b"\x1b[?1h", b"\x1b[?1l", b"\x1b[?1l"),
    "keypad": (b"\x1b=", b"\x1b>", b"\x1b>"),
    "no wrap": (b"\x1b[?7l", b"\x1b[?7h", b"\x1b[?7h"),
    "origin": (b"\x1b[?6h", b"\x1b[?6l\x1b[9999H\n", b"\x1b[?6l"),
    "scroll region": (b"\x1b[2;23r", b"\x1b7\x1b[r\x1b8", b"\x1b[r"),
    "memory lock": (b"\x1bl", b"\x1b7\x1b[r\x1b8", b"\x1b[r"),
    "insert": (b"\x1b[4h", b"\x1b[4l", b"\x1b[4l"),
    "locked keyboard": (b"\x1b[2h", b"\x1b[2l", b"\x1b[2l"),
    "local echo": (b"\x1b[12l", b"\x1b[12h", b"\x1b[12h"),
    "no repeat": (b"\x1b[?8l", b"\x1b[?8h", b"\x1b[?8h"),
    "VT52": (b"\x1b[?2l", b"\x1b<", b"\x1b<"),
    "printer": (b"\x1b[5i", b"\x1b[4i", b"\x1b[4i"),
    "shift-out": (b"\x0e", b"\x0f", b"\x0f"),
    "line drawing": (b"\x1b(0", b"\x1b(B", b"\x1b(B"),
    "line drawing in G1": (b"\x1b)0", b"\x1b)B", b"\x1b)B"),
    "a set of two bytes": (b'\x1b("?', b"\x1b(B", b"\x1b(B"),
    "a large set": (b"\x1b-A", b"\x1b)B", b"\x1b)B"),
    "locking shift": (b"\x1bn", b"\x0f", b"\x0f"),
    "Latin-1": (b"\x1b%@", b"\x1b%G", b"\x1b%G"),
    "8-bit replies": (b"\x1b G", b"\x1b F", b"\x1b F"),
    "C1 in UTF-8": (b"\xc2\x9b?1h", b"\x1b[?1l", b"\xc2\x9b?1l"),
    "kitty keyboard": (b"\x1b[>1u", b"\x1b[<1u", b"\x1b[<u"),
    "kitty's flags": (b"\x1b[=5;1u", b"\x1b[=0u", b"\x1b[=0u"),
    "modifyOtherKeys": (b"\x1b[>4;2m", b"\x1b[>4m", b"\x1b[>4m"),
    "synchronized": (b"\x1b[?2026h", b"\x1b[?2026l", b"\x1b[?2026l"),
    "bold": (b"\x1b[1m", b"\x1b[m", b"\x1b[22m"),
    "red": (b"\x1b[31m", b"\x1b[m", b"\x1b[39m"),
    "256 colours": (b"\x1b[48;5;9m", b"\x1b[m", b"\x1b[49m"),
    "font": (b"\x1b[11m", b"\x1b[10m", b"\x1b[10m"),
    "font before a reset": (b"\x1b[11mx\x1b[m", b"\x1b[10m", b"\x1b[0;10m"),
    "true colour": (b"\x1b[38;2;1;2;3m", b"\x1b[m", b"\x1b[0m"),
    "colon colour": (b"\x1b[58:5:9m", b"\x1b[m", b"\x1b[59m"),
    "palette": (b"\x1b]4;1;#ff0000\x07", b"\x1b]104\x1b\\", b"\x1b]104\x07"),
    "background": (b"\x1b]11;#000000\x1b\\", b"\x1b]111\x1b\\", b"\x1b]111\x07"),
    "link": (b"\x1b]8;;http://a\x07", b"\x1b]8;;\x1b\\", b"\x1b]8;;\x07"),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_is_undone(setting: str) -> None:
    sets, undoes, _ = SETTINGS[setting]
    assert undone(b"some " + sets + b" text\r\n") == undoes


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_guest_that_cleans_up_leaves_nothing_to_undo(setting: str) -> None:
    sets, _, resets = SETTINGS[setting]
    assert undone(sets, resets) == b""


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_full_reset_resets_all_except_what_some_terminals_keep(setting: str) -> None:
    kept = {
        "alternate screen": b"\x1b[?47l",
        "older alternate screen": b"\x1b[?47l",
        "palette": SETTINGS["palette"][1],
        "background": SETTINGS["background"][1],
    }
    after = tracker(SETTINGS[setting][0], b"\x1bc")
    assert after.undo() == kept.get(setting, b"")
    if "screen" in setting:
        assert after.redo() == b""


@pytest.mark.parametrize(
    "output",
    [
        b"plain text\r\n",
        b"\x1b[31mred\x1b[0m \x1b[1;4mbold\x1b[m \x1b[7minverse\x1b[27m",
        b"\x1b[38;5;11mx\x1b[m",
        b"\x1b[H\x1b[2J\x1b[10;5Hmoved",
        b"\x1b[6n\x1b[c",
        b"\x1b]0;title\x07",
        b"\x1b]11;?\x07",
        b"\x1b[?12h\x1b[?9999h",
        b"\x1b[?25l\x1b[?25h",
        b"\x1b[!p",
        b"\x1b[4m\x1b[4:0m \x1b[1;38;5;9m\x1b[22;39m\x1b[?1000s\x1b[?9999r",
        "\N{DEGREE SIGN}C \N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}".encode(),
        b"\x1b[13h\x1b[13l\x1b#8\x1bPdcs\x1b\\\x1b_apc\x1b\\\x1bM\x1b7",
        b"\x1b[1 m\x1b[1;" + b"9" * 5000 + b"m\x1b[<5x",
    ],
)
def test_a_plain_session_adds_nothing(output: bytes) -> None:
    assert undone(output) == b""
    assert tracker(output).redo() == b""


EVERYTHING = b"".join(sets for sets, _, _ in SETTINGS.values()) + b"\x1b[20h\x1b)0"


def test_all_settings_together_are_undone_and_redone() -> None:
    before = tracker(EVERYTHING)
    undo = before.undo()
    assert undone(EVERYTHING, undo) == b""
    assert undone(EVERYTHING, undo, before.redo()) == undo


def test_margins_are_undone_before_origin_mode() -> None:
    """Only then does the line feed at the foot of the screen scroll."""
    margins, origin = SETTINGS["scroll region"], SETTINGS["origin"]
    assert undone(origin[0], margins[0]) == margins[1] + origin[1]


def test_after_a_soft_reset_its_settings_are_undone_but_not_redone() -> None:
    sets = b"\x1b[?1;25h\x1b[?25l\x1b[4h\x1b[31m\x1b(0\x0e\x1b=\x1b[2;3r"
    after = tracker(sets, b"\x1b[!p")
    assert after.undo() == undone(sets)
    assert after.redo() == b""
    assert undone(b"\x1b[31m\x1b[!p\x1b[0m") == b""
    assert undone(b"\x1b[31m\x1b[!p\x1b[11m") == b"\x1b[10m\x1b[m"
    stays = tracker(b"\x1b[?1049h\x1b[!p")
    assert (stays.undo(), stays.redo()) == (b"\x1b[?1049l", b"\x1b[?1049h")


@pytest.mark.parametrize(
    ("save", "restore"),
    [(b"\x1b7", b"\x1b8"), (b"\x1b[s", b"\x1b[u"), (b"\x1b[?1048h", b"\x1b[?1048l")],
)
def test_a_restored_cursor_brings_back_what_was_saved_with_it(
    save: bytes, restore: bytes
) -> None:
    sets, resets = b"\x1b[31m\x1b(0\x0e\x1b[?6h", b"\x1b[m\x1b(B\x0f\x1b[?6l"
    assert undone(sets, save, resets) == b""
    assert undone(sets, save, resets, restore) == undone(sets)
    assert undone(save, sets, restore) == b""
    assert undone(sets, restore) == undone(sets), "nothing was saved"


def test_leaving_the_alternate_screen_brings_back_the_colour_from_before() -> None:
    sets = b"\x1b[31m\x1b(0\x1b[?1049h\x1b[m\x1b(B"
    assert undone(sets) == b"\x1b[?1049l\x1b(B\x1b[m"
    assert undone(sets, b"\x1b[?1049l") == b"\x1b(B\x1b[m"
    assert undone(sets, b"\x1b[?47l") == b"", "the cursor stays"
    font = b"\x1b[11m\x1b[?1049h\x1b[10;1m"
    assert undone(font) == b"\x1b[?1049l\x1b[10m\x1b[m"
    origin = SETTINGS["origin"]
    assert undone(origin[0], b"\x1b[?1049h") == b"\x1b[?1049l" + origin[1]


def test_restored_modes_are_undone_but_not_redone() -> None:
    assert undone(b"\x1b[?1h\x1b[?1s\x1b[?1l\x1b[?1r") == b"\x1b[?1l"
    after = tracker(b"\x1b[?1000;1049s\x1b[?1000;1049h\x1b[?1000;1049r")
    assert after.undo() == b"\x1b[?1049l\x1b[?1000l"
    assert after.redo() == b""


def test_kittys_flags_belong_to_a_screen() -> None:
    both = tracker(b"\x1b[>1u\x1b[=2u\x1b[?1049h\x1b[>3u\x1b[=4u")
    assert both.undo() == b"\x1b[=0u\x1b[<1u\x1b[?1049l\x1b[=0u\x1b[<1u"
    again = b"\x1b[>1u\x1b[=2u\x1b[?1049h\x1b[>3u\x1b[=4u"
    assert both.redo() == again
    both.feed(b"\x1b[?1049l")
    assert both.undo() == b"\x1b[=0u\x1b[<1u"


@pytest.mark.parametrize(
    ("cut_off", "ended"),
    [
        (b"\x1b]0;half a tit", b"\x18\x1b\\"),
        (b"\x1b[?1049h\x1b[3", b"\x18\x1b[?1049l"),
        (b"\x1b", b"\x18"),
        (b"\xc2\x90", b"\x18\x1b\\"),
        (b"\xc2", b""),
        (b"\x1bPq \x1b[1m\x1b[m", b"\x1b\\"),
        (b"\x1b]0;t\x18", b"\x1b\\"),
        (b"\x1bPq \x1b[m\x1b\\", b""),
    ],
)
def test_a_sequence_that_was_cut_off_is_cancelled(cut_off: bytes, ended: bytes) -> None:
    assert undone(cut_off) == ended


def test_the_keyboard_stack_is_bounded() -> None:
    assert undone(b"\x1b[>1u" * 1000) == b"\x1b[<16u"


OUTPUT = st.lists(
    st.sampled_from(
        [
            *(part for parts in SETTINGS.values() for part in parts),
            *(b"text", b"\x1b[0m", b"\x1bc", b"\x1b[!p", b"\x1b[?1;1000;2004h"),
            *(b"\x1b[", b"\x1b]8;;", b"\x1b", b"\x18", b"\x1b)0", b"\x1b[20h"),
            *(b"\xc2", b"\x9b", b"\x1b7", b"\x1b8", b"\x1b[?1;1000s", b"\x1b[?1;1000r"),
            *(b"\x1b[10;1;31m", b"\x1b(B\x1b[m", b"\x1b[1m" * 3, b"\r\n"),
        ]
    )
    | st.binary(max_size=4),
    max_size=12,
).map(b"".join)


@thorough
@given(OUTPUT, CUTS)
def test_the_pieces_make_no_difference(output: bytes, cuts: list[int]) -> None:
    assert undone(*cut(output, cuts)) == undone(output)


@thorough
@given(OUTPUT)
def test_undoing_leaves_nothing_to_undo(output: bytes) -> None:
    assert undone(output, undone(output)) == b""


@thorough
@given(OUTPUT)
def test_redo_after_undo_restores_the_settings(output: bytes) -> None:
    before = tracker(output)
    again = tracker(output, before.undo(), before.redo())
    assert again.redo() == before.redo()


def test_what_the_main_screen_may_have_brought_back_is_undone_but_not_redone() -> None:
    """Tmux does not bring back origin mode; other terminals do."""
    left = tracker(b"\x1b[?1049h\x1b[?6h\x1b(0\x1b[?1049l")
    assert left.undo() == b"\x1b[?6l\x1b[9999H\n\x1b(B"
    assert left.redo() == b""


def state_of_pyte(*pieces: bytes) -> dict[str, object]:
    """Return what an independent terminal keeps beside text and cursor."""
    screen = pyte.Screen(80, 24)
    pyte.ByteStream(screen).feed(b"".join(pieces))
    # It starts without SRM, DECARM and DECANM, which are on by default, and it has no
    # alternate screen.
    screen.mode -= {12, *(mode << 5 for mode in (2, 8, 47, 1047, 1049))}
    names = ("mode", "margins", "charset", "g0_charset", "g1_charset")
    return {name: getattr(screen, name) for name in names} | {
        "attributes": screen.cursor.attrs,
        "hidden": screen.cursor.hidden,
    }


# Sequences that pyte misreads in part, and the alternate screen, which it lacks.
# It saves cursors on a stack, which no terminal does, so no cursor is restored here.
ODD = re.compile(rb'\x1b(?:[("-.][^0B]|\[[<=>]|\[\?1049)')
PARTS = [part for parts in SETTINGS.values() for part in parts if not ODD.search(part)]


@thorough
@given(st.lists(st.sampled_from([*PARTS, b"text"])))
def test_pyte_has_its_defaults_after_undo(parts: list[bytes]) -> None:
    output = b"".join(parts)
    assert state_of_pyte(output, undone(output)) == state_of_pyte()


def test_a_reset_tells_once_that_pastes_may_be_unmarked() -> None:
    tracker = ModeTracker()
    assert not tracker.take_paste_reset()
    tracker.feed(b"\x1bc")
    assert tracker.take_paste_reset()
    assert not tracker.take_paste_reset()


def test_the_marks_are_not_switched_on_inside_a_sequence() -> None:
    tracker = ModeTracker()
    tracker.feed(b"\x1bc\x1b[")
    assert not tracker.take_paste_reset()
    tracker.feed(b"m")
    assert tracker.take_paste_reset()


@pytest.mark.parametrize("sequence", [b"\x1b[>1>u", b"\x1b[<1>u", b"\x1b[=1>u"])
def test_a_keyboard_sequence_without_numbers_sets_nothing(sequence: bytes) -> None:
    tracker = ModeTracker()
    tracker.feed(sequence)
    assert tracker.undo() == b""
