"""The escapes: OpenSSH's rules, whatever the pieces, and every byte accounted for."""

import math
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaconsole.session.escapes import (
    ESCAPES,
    Action,
    Command,
    EscapeParser,
    KeyboardEvent,
    Send,
    help_lines,
    how_to_leave,
    show_char,
)
from support.pieces import (
    CUTS,
    REPLIES,
    REPLY,
    TYPED,
    cut,
    feed_in_pieces,
    joined,
    thorough,
    ways_to_cut,
)

CPR = REPLIES["CPR"]
TYPED_ALONE = {name: key for name, key in TYPED.items() if name != "paste"}
QUIT, HELP = Command(Action.DISCONNECT), Command(Action.HELP)

# The table of the contract, once more.
KEYS = {
    b".": Action.DISCONNECT,
    b"?": Action.HELP,
    b"\x1a": Action.SUSPEND,
    b"I": Action.INFO,
    b"R": Action.RECONNECT,
    b"L": Action.LOG,
    b"B": Action.BREAK,
    b"v": Action.MORE_MESSAGES,
    b"V": Action.FEWER_MESSAGES,
}

CHARS = st.sampled_from([b"~", b"@", b"\x01", b".", b"?", b";", b"R", b"[", b"\x1a"])
BITS = [
    bytes([byte]) for byte in b"~~~~....\r\r\n\x1b\x1b[];019Rcn\x07\\?>$yuPIOBvV\x1aa@"
]
STARTS = [b"\r~", b"\n~", b"\r~\x1b[", b"\r~\x1b]"] * 6
TYPING = st.lists(
    st.sampled_from([*BITS, *BITS, *STARTS, *REPLIES.values(), *TYPED_ALONE.values()]),
    max_size=24,
).map(b"".join) | st.binary(max_size=60)
TYPING_WITHOUT_ESC = TYPING.map(lambda data: data.replace(b"\x1b", b"~"))


def process_escapes(
    data: bytes, char: bytes, reply_at: Callable[[int], int] = lambda _: 0
) -> list[KeyboardEvent]:
    """OpenSSH's process_escapes, as a loop over bytes.

    Args:
        data: what is typed.
        char: the escape character.
        reply_at: the length of the terminal's reply that begins at this position.
    """
    events: list[KeyboardEvent] = []
    last_was_cr, escape_pending = True, False
    position = 0
    while position < len(data):
        ch = data[position : position + 1]
        if (last_was_cr or escape_pending) and (length := reply_at(position)):
            events.append(Send(data[position : position + length]))
            position += length
            continue
        position += 1
        if escape_pending:
            escape_pending = False
            if ch in KEYS:
                events.append(Command(KEYS[ch]))
                continue
            if ch != char:
                events.append(Send(char))
        elif last_was_cr and ch == char:
            escape_pending = True
            continue
        last_was_cr = ch in (b"\r", b"\n")
        events.append(Send(ch))
    return joined(events)


def sent(events: list[KeyboardEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Send))


@pytest.mark.parametrize(
    ("typed", "events"),
    [
        pytest.param(b"~.", [QUIT], id="at the start of the session"),
        pytest.param(b"\r~.", [Send(b"\r"), QUIT], id="after CR"),
        pytest.param(b"\n~.", [Send(b"\n"), QUIT], id="after LF"),
        pytest.param(b"ls\r\n~.", [Send(b"ls\r\n"), QUIT], id="after a line"),
        pytest.param(b"ls~.", [Send(b"ls~.")], id="not inside a line"),
        pytest.param(b" ~.", [Send(b" ~.")], id="not after a blank"),
        pytest.param(
            b"ls\x7f\x7f~.", [Send(b"ls\x7f\x7f~.")], id="nor when rubbed out"
        ),
        pytest.param(b"~?~.", [HELP, QUIT], id="one keeps the start of the line"),
        pytest.param(b"~?~?~a", [HELP, HELP, Send(b"~a")], id="each time"),
        pytest.param(b"~~", [Send(b"~")], id="doubled: itself"),
        pytest.param(b"~~.", [Send(b"~.")], id="doubled: no escape"),
        pytest.param(b"~~~.", [Send(b"~~.")], id="doubled: the line has begun"),
        pytest.param(b"~~\r~.", [Send(b"~\r"), QUIT], id="doubled: until Enter"),
        pytest.param(b"~x", [Send(b"~x")], id="unknown: both"),
        pytest.param(b"~x~.", [Send(b"~x~.")], id="unknown: the line has begun"),
        pytest.param(b"~\r~.", [Send(b"~\r"), QUIT], id="and Enter: a new line"),
        pytest.param(b"~\n~.", [Send(b"~\n"), QUIT], id="and LF: a new line"),
        pytest.param(b"~\xff~.", [Send(b"~\xff~.")], id="any byte"),
        pytest.param(b"~.ls", [QUIT, Send(b"ls")], id="what follows is left"),
        pytest.param(
            b"cat\r~~.\r~?\r~.",
            [Send(b"cat\r~.\r"), HELP, Send(b"\r"), QUIT],
            id="a paste of lines",
        ),
        pytest.param(
            b"\x1b[200~a\r~.\r~?\x1b[201~~.\r~.",
            [Send(b"\x1b[200~a\r~.\r~?\x1b[201~~.\r"), QUIT],
            id="a marked paste is data",
        ),
        pytest.param(b"\x1b\r~.", [Send(b"\x1b\r"), QUIT], id="after Alt-Enter"),
        pytest.param(b"~\x1b\r~.", [Send(b"~\x1b\r"), QUIT], id="and Alt-Enter"),
        pytest.param(
            b"\x1b]ls\r~.", [Send(b"\x1b]ls\r"), QUIT], id="Alt-] is forgotten"
        ),
    ],
)
def test_the_rules_of_openssh_in_whatever_pieces(
    typed: bytes, events: list[KeyboardEvent]
) -> None:
    for cuts in ways_to_cut(typed):
        assert feed_in_pieces(EscapeParser(b"~"), typed, cuts) == events


@pytest.mark.parametrize(("key", "action"), KEYS.items())
def test_each_escape_of_the_contract_keeps_the_start_of_the_line(
    key: bytes, action: Action
) -> None:
    typed = b"~" + key + b"~."
    assert EscapeParser(b"~").feed(typed) == [Command(action), QUIT]
    assert EscapeParser(b"~").feed(b"a~" + key) == [Send(b"a~" + key)]


def test_the_table_is_that_of_the_contract() -> None:
    table = {escape.key: escape.action for escape in ESCAPES}
    assert table == KEYS | {b"": Action.LITERAL}
    assert len(table) == len(ESCAPES)
    assert {escape.action for escape in ESCAPES} == set(Action)


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_reply_of_the_terminal_is_no_typing(reply: bytes) -> None:
    for typed, events in (
        (reply + b"~.", [Send(reply), QUIT]),
        (reply * 2 + b"~.", [Send(reply * 2), QUIT]),
        (b"ls\r" + reply + b"~.", [Send(b"ls\r" + reply), QUIT]),
        (b"~" + reply + b".", [Send(reply), QUIT]),
        (b"~" + reply * 2 + b".", [Send(reply * 2), QUIT]),
        (b"~" + reply + b"~", [Send(reply + b"~")]),
        (b"~" + reply + b"a\r~" + CPR + b".", [Send(reply + b"~a\r" + CPR), QUIT]),
        (b"~?" + reply + b"~.", [HELP, Send(reply), QUIT]),
        (b"ls" + reply + b"~.", [Send(b"ls" + reply + b"~.")]),
    ):
        for cuts in ways_to_cut(typed):
            assert feed_in_pieces(EscapeParser(b"~"), typed, cuts) == events


def stripping() -> EscapeParser:
    parser = EscapeParser(b"~")
    parser.strip_marks(True)
    return parser


@pytest.mark.parametrize(
    ("typed", "events"),
    [
        (b"\x1b[200~~.\r~.\x1b[201~", [Send(b"~.\r~.")]),
        (b"\x1b[200~a\r\x1b[201~~.", [Send(b"a\r"), QUIT]),
        (b"\x1b[200~a\x1b[201~~.\r~.", [Send(b"a~.\r"), QUIT]),
        (b"\x1b[200~\x1b[201~~.", [QUIT]),
        (b"~\x1b[200~.\x1b[201~", [Send(b"~.")]),
        (b"ls\x1b[200~\r~.\x1b[201~\x1b[200~~.\x1b[201~", [Send(b"ls\r~.~.")]),
        (
            b"\x1b[200~\x1b[20\x1b]0;~.\xff\0\x1b[201~",
            [Send(b"\x1b[20\x1b]0;~.\xff\0")],
        ),
        (b"\x1b\x1b[200~\r~.\x1b[201~", [Send(b"\x1b\r~.")]),
        (b"\x1b]l\x1b[200~\r~.\x1b[201~", [Send(b"\x1b]l\r~.")]),
        (
            b"\x1b[A\x1b[3~\x1b[2~\x1bOP" + CPR,
            [Send(b"\x1b[A\x1b[3~\x1b[2~\x1bOP" + CPR)],
        ),
        (b"\x1b[201~~.", [QUIT]),
    ],
)
def test_marks_that_the_guest_has_not_asked_for_are_taken_out(
    typed: bytes, events: list[KeyboardEvent]
) -> None:
    for cuts in ways_to_cut(typed):
        assert feed_in_pieces(stripping(), typed, cuts) == events


def test_a_key_that_may_begin_a_mark_is_held_back_only_for_a_moment() -> None:
    parser = stripping()
    assert parser.feed(b"\x1b") == []
    assert 0 < parser.patience < 0.1
    assert parser.give_up_waiting() == [Send(b"\x1b")]
    assert parser.patience == math.inf
    # A mark that was too slow is passed on whole, and is obeyed.
    assert parser.feed(b"[200~\r~.") == [Send(b"[200~\r~.")]
    assert parser.feed(b"\x1b[201~\r~.") == [Send(b"\x1b[201~\r"), QUIT]


def test_a_paste_without_an_end_does_not_hold_the_escapes_for_ever() -> None:
    parser = stripping()
    assert parser.feed(b"\x1b[200~x\r~.\x1b[2") == [Send(b"x\r~.")]
    assert 1 < parser.patience < 60
    assert parser.give_up_waiting() == [Send(b"\x1b[2")]
    assert parser.feed(b"\r~.") == [Send(b"\r"), QUIT]


def test_a_paste_is_read_in_large_pieces() -> None:
    parser = stripping()
    assert parser.may_escape
    parser.feed(b"\x1b[200~")
    assert not parser.may_escape
    parser.feed(b"\r\x1b[201~")
    assert parser.may_escape


@pytest.mark.parametrize("key", TYPED_ALONE.values(), ids=TYPED_ALONE)
def test_a_key_with_an_escape_sequence_is_typing(key: bytes) -> None:
    for typed, events in (
        (key + b"~.", [Send(key + b"~.")]),
        (b"~" + key + b".", [Send(b"~" + key + b".")]),
        (b"~?" + key + b"~.", [HELP, Send(key + b"~.")]),
        (key + b"\r~.", [Send(key + b"\r"), QUIT]),
        (b"~" + key + b"\r~.", [Send(b"~" + key + b"\r"), QUIT]),
        (b"~" + key + b"\r~" + CPR + b".", [Send(b"~" + key + b"\r" + CPR), QUIT]),
    ):
        for cuts in ways_to_cut(typed):
            assert feed_in_pieces(EscapeParser(b"~"), typed, cuts) == events


def test_only_behind_the_escape_character_anything_is_held_back() -> None:
    parser = EscapeParser(b"~")
    feeds = [(b"\x1b", b"\x1b"), (b"[", b"["), (b"1;1R", b"1;1R"), (b"~", b"")]
    feeds += [(b"\x1b", b""), (b"[2;", b""), (b"2R", b"\x1b[2;2R")]
    feeds += [(b"\x1b[", b""), (b"A", b"~\x1b[A"), (b"~\x1b[1", b"~\x1b[1")]
    assert [sent(parser.feed(typed)) for typed, _ in feeds] == [out for _, out in feeds]


def test_may_escape_tells_whether_the_next_byte_can_be_of_an_escape() -> None:
    parser = EscapeParser(b"~")
    seen = [parser.may_escape]
    for typed in (b"a", b"\r", b"~", b"~", b"\n", b"~", b"?", b"\x1b[1;1R", b"\x1b[A"):
        parser.feed(typed)
        seen.append(parser.may_escape)
    assert seen == [True, False, True, True, False, True, True, True, True, False]


@thorough
@given(TYPING, CHARS)
def test_no_escape_comes_unannounced(data: bytes, char: bytes) -> None:
    parser = EscapeParser(char)
    for byte in data:
        announced = parser.may_escape
        events = parser.feed(bytes([byte]))
        assert announced or all(isinstance(event, Send) for event in events)


@thorough
@given(TYPING, CHARS, CUTS)
@example(b"~\x1b]~.\x1b\\.", b"~", [1, 2, 3])
def test_the_pieces_make_no_difference(
    data: bytes, char: bytes, cuts: list[int]
) -> None:
    whole = EscapeParser(char).feed(data)
    assert whole == joined(whole)
    assert feed_in_pieces(EscapeParser(char), data, cuts) == whole


@thorough
@given(TYPING_WITHOUT_ESC, CHARS, CUTS)
@example(b"..?~", b".", [1])
def test_without_esc_it_is_openssh(data: bytes, char: bytes, cuts: list[int]) -> None:
    """Keys that act as escapes do so even where they are the escape character."""
    expected = process_escapes(data, char)
    assert feed_in_pieces(EscapeParser(char), data, cuts) == expected


@thorough
@given(TYPING, CUTS)
def test_with_esc_as_the_escape_character_it_is_openssh(
    data: bytes, cuts: list[int]
) -> None:
    expected = process_escapes(data, b"\x1b")
    assert feed_in_pieces(EscapeParser(b"\x1b"), data, cuts) == expected


@thorough
@given(TYPING, CHARS, CUTS)
@example(b"\r~\x1b]\x1b[24;80R", b"~", [])
def test_with_replies_it_is_openssh_without_seeing_them(
    data: bytes, char: bytes, cuts: list[int]
) -> None:
    data += b"\r"  # nothing is held back behind it

    def reply_at(position: int) -> int:
        match = REPLY.match(data, position)
        return len(match[0]) if match else 0

    expected = process_escapes(data, char, reply_at)
    assert feed_in_pieces(EscapeParser(char), data, cuts) == expected


@thorough
@given(TYPING, CHARS, CUTS)
def test_no_byte_is_lost_or_made_up(data: bytes, char: bytes, cuts: list[int]) -> None:
    """What is not sent is the escapes that were obeyed, and one of two characters."""
    data += b"\r"
    events = feed_in_pieces(EscapeParser(char), data, cuts)
    keys = {action: key for key, action in KEYS.items()}
    obeyed = b"".join(
        char + keys[event.action] for event in events if isinstance(event, Command)
    )
    given_and_used = Counter(data)
    given_and_used.subtract(Counter(sent(events) + obeyed))
    assert all(
        count == 0 or (count > 0 and byte == char[0])
        for byte, count in given_and_used.items()
    )


@thorough
@given(TYPING, CHARS, CUTS)
def test_input_without_the_escape_character_passes_at_once(
    data: bytes, char: bytes, cuts: list[int]
) -> None:
    parser = EscapeParser(char)
    for piece in cut(data.replace(char, b""), cuts):
        assert parser.feed(piece) == ([Send(piece)] if piece else [])


@thorough
@given(TYPING, CUTS)
@example(bytes(range(256)), [])
def test_no_escape_character_lets_everything_through(
    data: bytes, cuts: list[int]
) -> None:
    parser = EscapeParser(None)
    for piece in cut(data, cuts):
        assert parser.feed(piece) == ([Send(piece)] if piece else [])
        assert not parser.may_escape


@pytest.mark.parametrize("char", [b"~", b"@", b"\x01", b"\x7f"])
def test_the_help_has_a_line_for_every_escape(char: bytes) -> None:
    shown = show_char(char)
    *rows, note = help_lines(char)
    assert [row.split(maxsplit=1) for row in rows] == [
        [shown + (escape.shown or shown), escape.meaning] for escape in ESCAPES
    ]
    assert "only right after Enter" in note


def test_the_meanings_in_the_help_stand_in_a_column() -> None:
    *rows, _ = help_lines(b"~")
    columns = {
        row.index(escape.meaning) for row, escape in zip(rows, ESCAPES, strict=True)
    }
    assert len(columns) == 1


def test_the_user_is_told_how_to_leave() -> None:
    assert how_to_leave(b"~") == 'type "~." to disconnect'
    assert "closing the terminal" in how_to_leave(None)


def test_a_pending_escape_character_is_not_given_up() -> None:
    parser = EscapeParser(b"~")
    assert parser.feed(b"~") == []
    assert parser.give_up_waiting() == []
    assert parser.feed(b".") == [Command(Action.DISCONNECT)]
