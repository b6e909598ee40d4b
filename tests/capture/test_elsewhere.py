"""What a program draws elsewhere on the screen is left out of a log of lines."""

import pytest

from novaconsole.capture.elsewhere import ElsewhereFilter

TOO_MUCH = b"x" * 5000


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (b"one\x1b7\x1b[Hbar\x1b8two", b"onetwo"),
        (b"one\x1b7\x1b[Hbar\x1b[Hmore\x1b8two", b"onetwo"),
        (b"one\x1b[Htwo", b"onetwo"),  # it moves, and has nothing to go back to
        (b"one\x1b8two", b"onetwo"),
        (b"one\x1b7two\x1b8three", b"onetwothree"),  # it did not move
        (b"one\x1b7\x1b[H" + TOO_MUCH + b"\x1b8", b"one" + TOO_MUCH),
        (b"one\x1b7\x1b[Hbar", b"one"),
    ],
)
def test_what_is_drawn_between_save_and_restore_is_left_out(
    text: bytes, left: bytes
) -> None:
    assert ElsewhereFilter().feed(text) == left


def test_what_is_held_is_not_lost() -> None:
    held = ElsewhereFilter()
    assert held.feed(b"one\x1b7\x1b[Hbar") == b"one"
    assert held.release() == b"bar"
    assert held.feed(b"two") == b"two"
