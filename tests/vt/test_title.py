"""The title: pushed right before the guest changes it, and popped in the end."""

import pytest

from novaconsole.vt.title import Titles
from novaconsole.vt.tracker import ModeTracker

PUSH, POP = b"\x1b[22;0t", b"\x1b[23;0t"
TITLES = [b"\x1b]0;t\x07", b"\x1b]2;t\x1b\\", b"\x1b]1;\x07", b"\xc2\x9d2;t\x07"]
NO_TITLES = [
    *(b"\x1b[31mred", b"\x1b]11;?\x07", b"\x1b]52;c;YQ==\x07", b"\x1b]8;;http://a\x07"),
    *(b"]0;t\x07", b"\x1bPtmux;\x1b\x1b]0;t\x07\x1b\\", b"\x1b]10;red\x07"),
]


def shown(titles: Titles, *pieces: bytes) -> bytes:
    return b"".join(titles.guard(piece)[1] for piece in pieces)


@pytest.mark.parametrize("title", TITLES)
def test_it_is_pushed_once_right_before_the_change(title: bytes) -> None:
    data = b"a" + title + b"b" + title
    for cut in range(len(data)):
        titles = Titles()
        if data[:cut].endswith(b"\xc2"):
            continue  # not held back: it begins far more letters than commands
        assert shown(titles, data[:cut], data[cut:]) == data.replace(
            title, PUSH + title, 1
        )
        assert titles.undo() == POP


@pytest.mark.parametrize("data", NO_TITLES)
def test_without_a_change_nothing_is_added(data: bytes) -> None:
    for cut in range(len(data)):
        titles = Titles()
        assert shown(titles, data[:cut], data[cut:], b"$ ") == data + b"$ "
        assert titles.undo() == b""


def test_what_the_tracker_is_fed_is_what_is_shown() -> None:
    titles = Titles()
    assert titles.guard(b"a\x1b") == (b"a", b"a")
    assert titles.guard(b"]0;") == (b"\x1b]0;", PUSH + b"\x1b]0;")


@pytest.mark.parametrize(
    ("guest", "undo"),
    [
        (PUSH, POP * 2),
        (PUSH + PUSH + POP, POP * 2),
        (PUSH + POP, POP),
        (POP, b""),
        (b"\x1b[22t", POP * 2),
    ],
)
def test_the_guests_own_pushes_are_popped(guest: bytes, undo: bytes) -> None:
    tracker = ModeTracker()
    for piece in (b"\x1b]2;mine\x07", guest):
        tracker.feed(tracker.titles.guard(piece)[0])
    assert tracker.titles.undo() == undo


def test_after_a_suspension_the_guest_has_its_title_again() -> None:
    tracker = ModeTracker()
    tracker.feed(tracker.titles.guard(b"\x1b]2;one\x07\x1b]2;two\x07")[0])
    assert tracker.undo() == POP
    assert tracker.redo() == PUSH + b"\x1b]2;two\x1b\\"
