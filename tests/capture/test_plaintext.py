"""Plain text is what a terminal showed, line by line, in any pieces."""

import random
import re

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.capture.plaintext import PlainText
from support.pieces import CUTS, cut, thorough

KIB = 1024
BITS = [
    *(b"a", b"word ", "é".encode(), "日本".encode(), b"\xff", b"\xe2\x82", b"\n"),
    *(b"\r\n", b"\r\n", b"\r", b"\b", b"\t", b"\x07", b"\x00", b"\x0e", b"\x7f"),
    *(b"\x1b[m", b"\x1b[0;1;31m", b"\x1b[K", b"\x1b[2K", b"\x1b[2P", b"\x1b[3D"),
    *(b"\x1b[5;1H", b"\x1b[?25l", b"\x1b[?1K", b"\x1b[1;2G", b"\x1b[2 q", b"\x1b[!p"),
    *(
        b"\x1b]0;title\x07",
        b"\x1bPdevice\x1b\\",
        b"\x1b(B",
        b"\x1bM",
        b"\x1b[1",
        b"\x1b",
    ),
    *(b"\x1b]0;\xc3\xa9", b"\x18", "\x9b31m".encode(), b"\x1b[" + b"9" * 300 + b"C"),
]
OUTPUT = st.lists(st.sampled_from(BITS) | st.binary(max_size=3), max_size=30)
# Without line ends, and with whole characters only.
UNFINISHED = [bit for bit in BITS if b"\n" not in bit and bit not in BITS[4:6]]
# What pyte understands in the same way, on a screen that is wide enough.
SHOWN = [bit for bit in BITS[:3] + BITS[6:13] if bit != b"\n"]
SHOWN += [b"\x1b[m", b"\x1b[1;31m", b"\x1b[K", b"\x1b[1K", b"\x1b[2K", b"\x1b[2P"]
SHOWN += [
    b"\x1b[3D",
    b"\x1b[?25l",
    b"\x1b]0;title\x07",
    b"\x1b(B",
    b"\x1b[2@",
    b"\x1b[J",
    # A bar in the last row, a clock in another one.
    b"\x1b7\x1b[50;0f\x1b[42mProgress: [ 42%]\x1b[49m [###...] \x1b8",
    b"\x1b7\x1b[49;400H\x1b[K12:00\x1b8",
]
BAR = b"\x1b7\x1b[24;0f\x1b[42m\x1b[30mProgress: [ %d%%]\x1b[49m\x1b[39m [#..] \x1b8"


def plain(*pieces: bytes, timestamp: bytes = b"") -> bytes:
    text = PlainText()
    return b"".join(text.feed(piece, timestamp) for piece in pieces) + text.finish()


def plain_with_pauses(data: bytes, cuts: list[int], timestamp: bytes = b"") -> bytes:
    """Return the log if the guest pauses at each cut."""
    text, out = PlainText(), b""
    for piece in cut(data, cuts):
        out += text.feed(piece, timestamp)
        out += text.flush()
        assert not text.has_pending
    return out + text.finish()


@thorough
@given(OUTPUT.map(b"".join), CUTS)
def test_the_pieces_make_no_difference(data: bytes, cuts: list[int]) -> None:
    assert plain(*cut(data, cuts), timestamp=b"> ") == plain(data, timestamp=b"> ")


@thorough
@given(st.lists(st.sampled_from(SHOWN), max_size=40).map(b"".join), CUTS)
def test_lines_are_as_a_terminal_shows_them(data: bytes, cuts: list[int]) -> None:
    screen = pyte.Screen(500, 50)
    pyte.ByteStream(screen).feed(data)
    lines = plain(*cut(data, cuts)).decode().splitlines()
    ours = [line.expandtabs().rstrip() for line in lines]
    # What is drawn elsewhere is in the last two rows.
    theirs = [line.rstrip() for line in screen.display[:-2]]
    assert ours == theirs[: len(ours)]
    assert not any(theirs[len(ours) :])


@thorough
@given(OUTPUT.map(b"".join))
def test_no_control_characters_are_left(data: bytes) -> None:
    text = plain(data).decode()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[  OK  ]\r\n", b"[  OK  ]\n"),
        (b"[\x1b[0;32m  OK  \x1b[0m] up\r\n", b"[  OK  ] up\n"),
        (b"\x1b]0;root@vm: ~\x07root@vm:~# ls\r\n", b"root@vm:~# ls\n"),
        (
            b"\x1b[?2004hroot# l\x08 \x08ls\r\n\x1b[?2004l\ra\tb\r\n",
            b"root# ls\na\tb\n",
        ),
        (b"  5%\r 50%\r100%\r\n", b"100%\n"),
        (b"one\n\rtwo\n\r", b"one\ntwo\n"),
        (b"one\r\r\ntwo", b"one\ntwo\n"),
        (b"\r\n\r\n", b"\n\n"),
        (b"gr\xc3\xbc\xc3\x9fe \xff\xe2\x82\r\n", "grüße \ufffd\ufffd\n".encode()),
        (b"a\xc2\x9b31mb\n", b"a31mb\n"),
        (b"\x1b]0;broken off by\x1b[mcolour\n", b"colour\n"),
        (b"\x1b[1\x1b[;1mK\n", b"K\n"),
        (b"a\r\x1b[" + b"9" * 5000 + b"Cb\n", b"b\n"),
        (
            b"Unpack" + BAR % 1 + b"ing a\r\n" + BAR % 2 + b"Done\r\n",
            b"Unpacking a\nDone\n",
        ),
        (b"a\x1b[s\x1b[1;70H12:00\n12:01\x1b[ub\n", b"ab\n"),
        (b"a\x1b7\x1b[5d\x1b[2Kbar\x1b8\x1b7\x1b[Hbox\x1b[2;1Hbox\x1b8b\n", b"ab\n"),
        (b"a\x1b7\x1b[1A\rup\x1b8b\n", b"ab\n"),
        (b"\x1b7\x1b[r\x1b[999;999H\x1b[6n\x1b8# \n", b"# \n"),
        # Saved or moved only; never restored; other sequences that look similar.
        (b"a\x1b7b\x1b8\x1b[5;1Hc\n", b"abc\n"),
        (b"a\x1b7\x1b[24;0fbar\n", b"abar\n"),
        (b"a\x1b7\x1b[24;0f" + b"x" * 5000 + b"\nb\n", b"a" + b"x" * 5000 + b"\nb\n"),
        (b"a\x1b#8\x1b[1;2s\x1b[>1u\x1b[?6r\x1b(8b\n", b"ab\n"),
        (b"\x1b[31m", b""),
        (b"\xe2\x82", "\ufffd\n".encode()),
        (b"", b""),
    ],
)
def test_the_text_of_usual_output(data: bytes, expected: bytes) -> None:
    assert plain(data) == expected


# ---- what is unfinished


@thorough
@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", "é".encode()])), CUTS)
def test_pauses_change_nothing_if_lines_only_continue(
    bits: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(bits)
    assert plain_with_pauses(data, cuts, b"> ") == plain(data, timestamp=b"> ")


@thorough
@given(OUTPUT.map(b"".join), CUTS)
def test_pauses_lose_no_final_form_of_a_line(data: bytes, cuts: list[int]) -> None:
    lines = iter(plain_with_pauses(data, cuts).split(b"\n"))
    for line in plain(data).split(b"\n"):
        assert line in lines  # after the one before


@thorough
@given(st.lists(st.sampled_from(UNFINISHED)).map(b"".join))
def test_after_a_pause_the_unfinished_line_is_in_the_log(data: bytes) -> None:
    text = PlainText()
    log = text.feed(data) + text.flush()
    shown = plain(data).removesuffix(b"\n")
    assert shown.rstrip(b" ") == log.rstrip(b" ")


def test_a_prompt_is_written_at_a_pause_and_continued() -> None:
    text = PlainText()
    assert text.feed(b"\r\n\x1b[0mlogin: ", b"1 ") == b"1 \n"
    assert text.has_pending
    assert text.flush() == b"1 login: "
    assert not text.has_pending
    assert text.flush() == b""
    assert text.feed(b"ad", b"2 ") + text.feed(b"min", b"3 ") == b""
    assert text.flush() == b"admin"
    assert text.feed(b"\r\nPassword: ", b"4 ") == b"\n"
    assert text.finish() == b"4 Password: \n"


def test_a_line_has_the_timestamp_of_its_first_byte() -> None:
    text = PlainText()
    pieces = [(b"a", b"1 "), (b"b\r\nc", b"2 "), (b"d\r\n", b"3 "), (b"e\nf\n", b"4 ")]
    out = b"".join(text.feed(*piece) for piece in pieces)
    assert out == b"1 ab\n2 cd\n4 e\n4 f\n"


def test_bytes_without_text_do_not_lose_what_is_held_back() -> None:
    text, line = PlainText(), b"x" * (40 * KIB) + b"tail"
    out = text.feed(line) + text.feed(b"\x1b[m")
    assert out != line
    assert text.has_pending
    assert out + text.flush() == line


def test_a_line_that_changed_since_a_pause_is_written_again_with_a_new_timestamp() -> (
    None
):
    text = PlainText()
    assert text.feed(b" 10%", b"1 ") + text.flush() == b"1  10%"
    assert text.feed(b"\r 20%", b"2 ") + text.feed(b"\r 30%", b"3 ") == b""
    assert text.flush() == b"\n2  30%"
    assert text.feed(b"\r100%\r\n", b"4 ") == b"\n4 100%\n"


def test_erasing_writes_nothing_until_the_line_ends() -> None:
    text = PlainText()
    assert text.feed(b"$ rm") + text.flush() == b"$ rm"
    assert text.feed(b"\b \b") + text.flush() == b""
    assert text.feed(b"\r\x1b[K") + text.flush() == b""
    assert text.feed(b"$ ls\r\n") == b"\n$ ls\n"


def test_a_pause_does_not_split_a_character() -> None:
    text = PlainText()
    assert text.feed(b"10 \xe2\x82") + text.flush() == b"10 "
    assert text.feed(b"\xac") + text.flush() == "€".encode()


def test_finish_ends_a_line_that_was_written_at_a_pause() -> None:
    text = PlainText()
    assert text.feed(b"$ ") + text.flush() + text.finish() == b"$ \n"
    assert text.finish() == b""


# ---- hostile output


@pytest.mark.parametrize(
    "bit",
    [
        b"x",
        b"\xc3\xa9",
        b"x\r",
        b"x\b",
        b"\x1b[999999999C",
        b"\x1b[9@",
        b"\x1b]x",
        b"\0",
    ],
)
def test_a_line_without_end_uses_bounded_memory(bit: bytes) -> None:
    text, kept = PlainText(), 0
    piece = bit * (64 * KIB // len(bit))
    for _ in range(20):
        written = len(text.feed(piece))
        kept += len(piece) - written if bit in (b"x", b"\xc3\xa9") else 0
        assert kept <= 64 * KIB
    assert len(text.finish()) <= 64 * KIB


def test_a_long_line_is_whole() -> None:
    line = random.Random(1).randbytes(400 * KIB).hex().encode()
    pieces = cut(line + b"\r\nnext", list(range(0, len(line), 1000)))
    assert plain(*pieces, timestamp=b"> ") == b"> " + line + b"\n> next\n"
    assert plain_with_pauses(line, [5000, 5001, 100_000], b"> ") == b"> " + line + b"\n"
