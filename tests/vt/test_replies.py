"""The matcher recognises a terminal's replies, to the last byte, and no keys."""

import pyte
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaconsole.vt.replies import ReplyMatcher, State
from support.pieces import REPLIES, REPLY, TYPED, thorough

ESC = b"\x1b"

BITS = [bytes([byte]) for byte in b"[]PRcnytxuMmIO0159:;$?<=>\x07\x1b\\a \r\xc3"]
SEQUENCES = st.lists(st.sampled_from(BITS), max_size=12).map(b"".join)


def states(sequence: bytes) -> list[State]:
    """Return the state after each byte that follows the ESC, while it is active."""
    matcher = ReplyMatcher()
    matcher.start()
    seen = []
    for byte in sequence.removeprefix(ESC):
        if not matcher.active:
            break
        seen.append(matcher.feed(byte))
    assert matcher.active == (State.MORE in seen[-1:] or not seen)
    return seen


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_reply_is_complete_with_its_last_byte_and_not_before(reply: bytes) -> None:
    more = [State.MORE] * (len(reply) - 2)
    assert states(reply) == [*more, State.COMPLETE]


@pytest.mark.parametrize("typed", TYPED.values(), ids=TYPED)
def test_a_key_is_not_a_reply(typed: bytes) -> None:
    assert states(typed)[-1] is State.NO_REPLY


@pytest.mark.parametrize(
    ("kind", "allowed"), [(b"\x1b[", b""), (b"\x1b]", b"\x07\x1b"), (b"\x1bP", b"\x1b")]
)
def test_a_control_character_means_no_reply(kind: bytes, allowed: bytes) -> None:
    """Otherwise a key like Alt-] would hold back more than its line."""
    for control in set(range(0x20)) - set(allowed):
        assert states(kind + b"1" + bytes([control]))[-1] is State.NO_REPLY


def test_a_matcher_can_be_used_again() -> None:
    matcher = ReplyMatcher()
    assert not matcher.active
    for _ in range(2):
        for sequence, fate in (
            (b"\x1b]11;?\x1bx", State.NO_REPLY),
            (b"\x1b[?1;2c", State.COMPLETE),
            (b"\x1b[1;2c", State.NO_REPLY),
            (b"\x1b[I", State.COMPLETE),
        ):
            matcher.start()
            assert matcher.active
            assert [matcher.feed(byte) for byte in sequence[1:]][-1] is fate
            assert not matcher.active


@thorough
@given(SEQUENCES)
@example(b"[1$$R")
@example(b"]\x1b\\")
def test_the_matcher_agrees_with_the_grammar(rest: bytes) -> None:
    whole = REPLY.match(ESC + rest)
    seen = states(ESC + rest)
    if whole is None:
        assert State.COMPLETE not in seen
    else:
        assert seen[-1] is State.COMPLETE
        assert len(seen) == whole.end() - len(ESC)


class Emulator(pyte.Screen):
    """An independent terminal, and what it replies."""

    def __init__(self) -> None:
        super().__init__(80, 24)
        self.answers: list[str] = []

    def write_process_input(self, data: str) -> None:
        self.answers.append(data)


@pytest.mark.parametrize(
    "question",
    ["\x1b[6n", "\x1b[5n", "\x1b[c"],
    ids=["cursor position", "status", "device attributes"],
)
def test_what_an_emulator_replies_is_a_reply(question: str) -> None:
    screen = Emulator()
    pyte.Stream(screen).feed(question)
    (answer,) = screen.answers
    assert states(answer.encode())[-1] is State.COMPLETE
