"""The console log and the live stream: joined with no gap, and nothing twice.

The stream of a guest is cut where the client connects, where the log is fetched and
where the two are joined; the test knows the stream, the code under test does not.
"""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaconsole.cloud.console_log import (
    Gap,
    Joined,
    SeenOutput,
    as_logged,
    for_screen,
    last_lines,
    normalised,
)
from support.pieces import CUTS, cut, thorough

ALL = 10**9  # lines: more than there are
NUMBER = 48  # bytes that hold a whole number of `numbered`

BITS = st.sampled_from(
    [
        *(b"login: ", b"\r\n", b"\n", b"\r", b"a", b"aa", b"ab", b"\x1b[31m"),
        *(b"\x07", b"\x00", b"\x7f", b"\t", "é→".encode(), b"\xff", b"\x9b"),
    ]
)
STREAMS = st.lists(BITS, max_size=30).map(b"".join) | st.binary(max_size=80)
TEXTS = STREAMS.map(as_logged) | st.text(max_size=40)
POINTS = st.integers(0, 2**16)


def numbered(first: int, last: int) -> bytes:
    """Distinct lines that hold everything that the log drops."""
    lines = (
        b"\x1b[3%dm%05d\x07\x1b[0m \xc3\xa9\t\r\n" % (n % 8, n)
        for n in range(first, last)
    )
    return b"".join(lines)


def borders(text: str, other: str) -> Iterator[int]:
    """The lengths of all ends of one text that are the other's beginning."""
    for length in range(min(len(text), len(other)) + 1):
        if text.endswith(other[:length]):
            yield length


# --- what the log makes of bytes


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a\r\nb\tc\r\n", "a\nb\tc\n"),
        (b"\x1b[31mred\x1b[0m\x07", "[31mred[0m"),
        ("é→".encode(), "\ufffd" * 5),
        (b"\x00\x08\x0b\x0c\x7f\x1fa", "a"),
        (b"\x80\xff", "\ufffd\ufffd"),
    ],
)
def test_bytes_are_converted_to_the_form_of_the_log(data: bytes, text: str) -> None:
    assert as_logged(data) == text
    assert normalised(text) == text


@thorough
@given(STREAMS, CUTS)
def test_the_log_of_pieces_is_the_log_of_the_whole(
    data: bytes, cuts: list[int]
) -> None:
    assert "".join(map(as_logged, cut(data, cuts))) == as_logged(data)


def test_every_byte_compares_equal_to_what_nova_makes_of_it() -> None:
    """Nova decodes as ASCII and removes the control characters 00-08 and 0B-1F."""
    gone = {*range(9), *range(0x0B, 0x20)}
    for byte in range(256):
        nova = "" if byte in gone else bytes([byte]).decode("ascii", "replace")
        assert normalised(nova) == as_logged(bytes([byte]))


@thorough
@given(TEXTS)
@example("\x9b31m\x85\u2028é\ud800\x1b[2J\r\n")
def test_what_goes_to_the_screen_is_harmless_and_well_formed(text: str) -> None:
    shown = for_screen(text)
    printed = shown.decode().replace("\r\n", "\n")
    assert printed == normalised(text)
    assert all(char in "\n\t\ufffd" or " " <= char <= "~" for char in printed)
    assert as_logged(shown).count("\n") == text.count("\n")


def test_lines_for_the_screen_end_in_cr_lf() -> None:
    assert for_screen("a\n\ufffd\tb\r\nlogin: ") == (b"a\r\n\xef\xbf\xbd\tb\r\nlogin: ")


@pytest.mark.parametrize(
    ("text", "count", "last"),
    [
        ("", 3, ""),
        ("a\nb\nc\n", 2, "b\nc\n"),
        ("a\nb\nlogin: ", 2, "b\nlogin: "),
        ("a\n\n\n", 2, "\n\n"),
        ("a\nb\n", 2, "a\nb\n"),
        ("a\nb\n", 3, "a\nb\n"),
        ("a\nb\n", 0, ""),
        ("a\nb\n", -1, ""),
        ("a\nb\x0bc\x85d\u2028e", 1, "b\x0bc\x85d\u2028e"),
    ],
)
def test_the_last_lines_of_a_text(text: str, count: int, last: str) -> None:
    assert last_lines(text, count) == last


@thorough
@given(TEXTS, st.integers(1, 9))
def test_last_lines_are_whole_lines_and_no_more(text: str, count: int) -> None:
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1].removesuffix("\n")
    lines = [line for line in lines if line]
    assert last_lines(text, count) == "".join(lines[-count:])


# --- memory


@thorough
@given(STREAMS, CUTS)
def test_the_end_of_all_pieces_is_remembered(data: bytes, cuts: list[int]) -> None:
    seen, small = SeenOutput(), SeenOutput()
    small.limit = 7
    for number, piece in enumerate(cut(data, cuts)):
        for each in (seen, small):
            if number % 2:
                each.add(piece)
            else:
                each.add_text(as_logged(piece))
    assert seen.text == as_logged(data)
    assert small.text == as_logged(data)[-7:]


def test_the_memory_is_bounded() -> None:
    seen = SeenOutput()
    for _ in range(40):
        seen.add(numbered(0, 1000))
        seen.add_text(as_logged(numbered(0, 1000)))
        assert len(seen.text) <= 64 * 1024
    assert seen.text == as_logged(numbered(0, 1000) * 9)[-64 * 1024 :]


# --- beginning


@pytest.mark.parametrize(
    ("log", "live", "joined"),
    [
        pytest.param("", b"", Joined("", b""), id="nothing"),
        pytest.param("a\nb\n", b"", Joined("a\nb\n", b""), id="a silent guest"),
        pytest.param("", b"\x1b[mhi", Joined("", b"\x1b[mhi"), id="no log"),
        pytest.param(
            "boot\nlogin: ",
            b"\r\nlogin: ",
            Joined("boot\nlogin: ", b""),
            id="all that is live is logged",
        ),
        pytest.param(
            "boot\nlogin: \nlogin: ",
            b"\r\nlogin: root\r\n",
            Joined("boot\nlogin: \nlogin: ", b"root\r\n"),
            id="the log lacks the end",
        ),
        pytest.param(
            "boot\nfoo", b"foo\r\nbar", Joined("boot\nfoo", b"\r\nbar"), id="CR LF"
        ),
        pytest.param(
            "boot\nfoo\n", b"o\r\n\x1b[mx", Joined("boot\nfoo\n", b"\x1b[mx"), id="ESC"
        ),
        pytest.param(
            "boot\nfoo", b"oo\x1b", Joined("boot\nfoo", b"\x1b"), id="ESC at the end"
        ),
        pytest.param(
            "boot\n\ufffd", "é".encode(), Joined("boot\n\ufffd", b"\xa9"), id="in UTF-8"
        ),
        pytest.param(
            "b\nc\n",
            b"\ra\r\nb\r\nc\r\nd",
            Joined("", b"\ra\r\nb\r\nc\r\nd"),
            id="within",
        ),
        pytest.param(
            "b\nc\n", b"\rb\r\nc\r\n", Joined("", b"\rb\r\nc\r\n"), id="equal"
        ),
    ],
)
def test_the_log_and_the_live_stream_are_joined_at_the_beginning(
    log: str, live: bytes, joined: Joined
) -> None:
    assert SeenOutput().begin(log, live, ALL) == joined


def test_the_beginning_shows_the_requested_lines() -> None:
    log = as_logged(numbered(0, 100))
    joined = SeenOutput().begin(log, numbered(99, 102), 3)
    assert joined == Joined(as_logged(numbered(97, 100)), numbered(100, 102))


@thorough
@given(POINTS, POINTS, POINTS, st.integers(1, 20))
def test_the_beginning_is_exact_if_the_guest_never_repeats_itself(
    log_start: int, connect: int, fetch: int, lines: int
) -> None:
    stream = numbered(0, 30)
    log_start %= len(stream) - NUMBER
    connect %= len(stream) - NUMBER
    first = max(log_start, connect) + NUMBER
    fetch = first + fetch % (len(stream) - first + 1)
    log, live = as_logged(stream[log_start:fetch]), stream[connect:]

    seen = SeenOutput()
    joined = seen.begin(log, live, ALL)
    start = min(log_start, connect) if joined.text else connect
    assert joined.text + as_logged(joined.rest) == as_logged(stream[start:])
    assert seen.text == as_logged(stream[min(log_start, connect) :])

    few = SeenOutput().begin(log, live, lines)
    assert few == Joined(last_lines(joined.text, lines), joined.rest)


@thorough
@given(STREAMS, POINTS, POINTS, POINTS)
@example(b"a" * 20, 4, 7, 15)
def test_the_beginning_of_any_guest_shows_the_log_and_the_live_stream(
    stream: bytes, log_start: int, connect: int, fetch: int
) -> None:
    """Exact if the overlap is unambiguous; otherwise a repetition is shown once."""
    connect %= len(stream) + 1
    log_start %= connect + 1
    fetch = connect + fetch % (len(stream) - connect + 1)
    log, live = as_logged(stream[log_start:fetch]), stream[connect:]
    seen = SeenOutput()
    joined = seen.begin(log, live, ALL)
    shown = joined.text + as_logged(joined.rest)

    assert live.endswith(joined.rest)
    taken = live[: len(live) - len(joined.rest)]
    assert not taken or as_logged(taken[-1:]), "what the log drops is in the rest"
    assert log in shown
    assert shown.endswith(as_logged(live))
    assert seen.text == shown
    truth = as_logged(stream[log_start:])
    assert len(shown) <= len(truth)
    overlap = as_logged(stream[connect:fetch])
    if log not in as_logged(live):
        assert shown == log + as_logged(live)[max(borders(log, as_logged(live))) :]
        if max(borders(log, as_logged(live))) == len(overlap):
            assert shown == truth


# --- after an outage


def seen_of(data: bytes) -> SeenOutput:
    seen = SeenOutput()
    seen.add(data)
    return seen


BOOT = as_logged(numbered(0, 9)) + "login: "
SAME = "quiet, the same at each boot, and longer than an anchor\nlogin: "


@pytest.mark.parametrize(
    ("seen", "log", "live", "gap"),
    [
        pytest.param("$ ", "boot\n$ ", b"", Gap("", True), id="short and nothing new"),
        pytest.param("$ ", "boot\n$ ls\n", b"s\r\nx", Gap("l", True), id="short"),
        pytest.param(
            "$ ", "$ \nboot\n$ ls\n", b"", Gap("ls\n", False), id="short, and twice"
        ),
        pytest.param(
            BOOT, BOOT, b"\r\nlogin: ", Gap("", True), id="Enter after the fetch"
        ),
        pytest.param(
            BOOT,
            f"{BOOT}\nlogin: ",
            b"\r\nlogin: ",
            Gap("", True),
            id="Enter before the fetch",
        ),
        pytest.param(
            BOOT,
            f"{BOOT}reboot\nlogin: ",
            b"",
            Gap("reboot\nlogin: ", True),
            id="a boot, and the same prompt",
        ),
        pytest.param(
            f"one\n{SAME}",
            f"one\n{SAME}two\n{SAME}",
            b"n: x",
            Gap(f"two\n{SAME}"[:-3], True),
            id="a boot that ends in the same lines",
        ),
        pytest.param(
            f"one\n{SAME}",
            f"1\n2\n{SAME}",
            b"",
            Gap(last_lines(f"1\n2\n{SAME}", 3), False),
            id="another server's log that ends in the same lines",
        ),
        pytest.param(
            BOOT, "a\nb\nc\nd\ne", b"e\r\nf", Gap("b\nc\nd\n", False), id="another log"
        ),
        pytest.param(BOOT, "b\nc\n", b"a\r\nb\r\nc\r\n", Gap("", False), id="within"),
        pytest.param(
            BOOT,
            f"{BOOT}x\n",
            b"a\r\nx\r\n",
            Gap("x\n", True),
            id="a short gap is not looked for inside the live bytes",
        ),
        pytest.param(BOOT, "", b"x", Gap("", False), id="no log"),
        pytest.param("", "a\nb\nc\nd\n", b"d", Gap("a\nb\nc\nd\n", False), id="unseen"),
    ],
)
def test_the_gap_is_filled_after_an_outage(
    seen: str, log: str, live: bytes, gap: Gap
) -> None:
    memory = SeenOutput()
    memory.add_text(seen)
    assert memory.resume(log, live, 4 if not seen else 3) == gap


def test_a_log_that_begins_within_the_seen_output_is_resumed() -> None:
    log = as_logged(numbered(5, 20))
    seen = seen_of(numbered(0, 8))
    assert seen.resume(log, b"", 1) == Gap(as_logged(numbered(8, 20)), complete=True)


def test_a_short_match_at_the_start_of_the_log_is_not_trusted() -> None:
    log = as_logged(numbered(5, 20))
    seen = seen_of(numbered(0, 6))
    assert seen.resume(log, b"", 1) == Gap(as_logged(numbered(19, 20)), complete=False)


def test_a_difference_further_back_does_not_prevent_resuming() -> None:
    """For example, the network lost a byte, or the log has another one."""
    log, gap = as_logged(numbered(0, 500)), as_logged(numbered(400, 500))
    for first in (1, 100, 150):
        seen = seen_of(b"lost" + numbered(first, 400))
        assert seen.resume(log, b"", ALL) == Gap(gap, complete=True)
    seen = seen_of(b"lost" + numbered(200, 400))
    assert seen.resume(log, b"", ALL) == Gap(log, complete=False)


def test_resuming_works_after_more_output_than_is_remembered() -> None:
    log, seen = as_logged(numbered(0, 9000)), seen_of(numbered(0, 8000))
    gap = seen.resume(log, numbered(8999, 9001), 1)
    assert gap == Gap(as_logged(numbered(8000, 8999)), complete=True)
    assert seen.text == as_logged(numbered(0, 9001))[-64 * 1024 :]


@thorough
@given(POINTS, POINTS, POINTS, POINTS, POINTS)
def test_the_gap_is_exact_if_the_guest_never_repeats_itself(
    log_start: int, begin: int, lost: int, connect: int, fetch: int
) -> None:
    stream = numbered(0, 40)
    log_start %= len(stream) - 2 * NUMBER
    begin %= len(stream) - 2 * NUMBER
    first = max(log_start, begin) + NUMBER
    lost = first + lost % (len(stream) - NUMBER - first + 1)
    connect = lost + connect % (len(stream) - NUMBER - lost + 1)
    first = connect + NUMBER
    fetch = first + fetch % (len(stream) - first + 1)

    seen, live = seen_of(stream[begin:lost]), stream[connect:]
    gap = seen.resume(as_logged(stream[log_start:fetch]), live, 1)
    assert gap == Gap(as_logged(stream[lost:connect]), complete=True)
    assert as_logged(stream[log_start:]) == seen.text


@thorough
@given(STREAMS, POINTS, POINTS, POINTS, POINTS)
@example(b"login: boot\r\nlogin: \r\n", 0, 7, 13, 2)
@example(b"a" * 20, 2, 4, 9, 15)
def test_a_gap_that_is_called_complete_is_complete_for_any_guest(
    stream: bytes, begin: int, lost: int, connect: int, fetch: int
) -> None:
    """Then nothing of the log or the live stream is missing."""
    begin %= len(stream) + 1
    lost = begin + lost % (len(stream) - begin + 1)
    connect = lost + connect % (len(stream) - lost + 1)
    fetch = connect + fetch % (len(stream) - connect + 1)
    log, live = as_logged(stream[:fetch]), as_logged(stream[connect:])
    seen = seen_of(stream[begin:lost])
    before = seen.text
    gap = seen.resume(log, stream[connect:], ALL)

    occurrences = sum(log.startswith(before, n) for n in range(len(log)))
    assert gap.complete == (before != "" and occurrences == 1)
    assert seen.text.endswith(gap.text + live)
    if gap.complete:
        truth = as_logged(stream[lost:])
        logged = as_logged(stream[lost:fetch])
        overlap = max(borders(logged, live))
        assert (gap.text + live).startswith(logged)
        assert len(gap.text + live) <= len(truth)
        if overlap == len(as_logged(stream[connect:fetch])):
            assert gap.text + live == truth


def test_a_session_with_outages_shows_everything_once() -> None:
    """What the user sees from the beginning on is all that the guest has printed."""
    stream, seen = numbered(0, 2000), SeenOutput()
    joined = seen.begin(as_logged(stream[:9000]), stream[8900:9010], ALL)
    shown = joined.text + as_logged(joined.rest)
    position = 9010
    for connect in range(10_000, len(stream) - 200, 3001):
        received = stream[position : position + 500]
        seen.add(received)
        live = stream[connect : connect + 150]
        gap = seen.resume(as_logged(stream[: connect + 100]), live, 1)
        assert gap.complete
        shown += as_logged(received) + gap.text + as_logged(live)
        position = connect + 150
    assert shown == as_logged(stream[:position])


# --- time: an algorithm that is not linear does not finish these in time


def test_a_long_overlap_is_ruled_out_in_linear_time() -> None:
    half = 2**20
    live = b"a" * half + b"b" + b"a" * half
    joined = SeenOutput().begin("a" * 2 * half, live, 1)
    assert len(joined.rest) == half + 1


def test_the_last_place_is_found_in_linear_time() -> None:
    text = "ab" + "a" * 60_000
    seen = seen_of(text.encode())
    gap = seen.resume(text + "a" * 2**24, b"", 1)
    assert gap.complete
    assert len(gap.text) == 2**24


def test_a_place_is_ruled_out_in_linear_time() -> None:
    seen = seen_of(b"a" * 30_000 + b"b" + b"a" * 20)
    gap = seen.resume("a" * 2**22 + "\n", b"", 1)
    assert gap == Gap("a" * 2**22 + "\n", complete=False)
