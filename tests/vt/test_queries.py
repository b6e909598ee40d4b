"""Which sequences a terminal answers, and the tracker that reports them."""

import pytest

from novaconsole.vt.tracker import ModeTracker

ASKED = {
    b"\x1b[6n": [b"R"],
    b"\x1b[?6n": [b"R"],
    b"\x1b[5n": [b"n"],
    b"\x1b[?996n": [b"n"],
    b"\x1b[c": [b"c"],
    b"\x1b[0c": [b"c"],
    b"\x1b[>c": [b"c"],
    b"\x1b[=c": [b"P"],
    b"\x1bZ": [b"c"],
    b"\x1b[?2004$p": [b"y"],
    b"\x1b[4$p": [b"y"],
    b"\x1b[14t": [b"t"],
    b"\x1b[18t": [b"t"],
    b"\x1b[21t": [b"]"],
    b"\x1b[x": [b"x"],
    b"\x1b[?u": [b"u"],
    b"\x1b[?4m": [b"m"],
    b"\x1b[?1;1;0S": [b"S"],
    b"\x1b[>q": [b"P"],
    b"\x1bP$qm\x1b\\": [b"P"],
    b"\x1bP+q544e\x1b\\": [b"P"],
    b"\x1b]11;?\x07": [b"]"],
    b"\x1b]4;1;?;2;?\x1b\\": [b"]", b"]"],
    b"\x1b]52;c;?\x07": [b"]"],
    b"\x1b_Gi=1,a=q;AAAA\x1b\\": [b"_"],
}
NOT_ASKED = [
    *(b"\x1b[0n", b"\x1b[>4n", b"\x1b[22;0t", b"\x1b[8;24;80t", b"\x1b[5q"),
    *(
        b"\x1b[>4;1m",
        b"\x1b[5S",
        b"\x1b]11;red\x07",
        b"\x1b]52;c;YQ==\x07",
        b"\x1b]0;?\x07",
    ),
    *(b"\x1bPq#0\x1b\\", b"\x1b_Gf=24;AAAA\x1b\\", b"\x1b[u", b"\x1b[1;31m", b"6n"),
]


@pytest.mark.parametrize(("query", "kinds"), ASKED.items())
def test_a_query_is_noticed_in_any_pieces(query: bytes, kinds: list[bytes]) -> None:
    for cut in range(len(query)):
        tracker = ModeTracker()
        tracker.feed(b"text" + query[:cut])
        tracker.feed(query[cut:] + b"text")
        assert tracker.take_queries() == kinds
        assert tracker.take_queries() == []


@pytest.mark.parametrize("data", NOT_ASKED)
def test_what_is_not_answered_is_no_query(data: bytes) -> None:
    tracker = ModeTracker()
    tracker.feed(data)
    assert tracker.take_queries() == []


def test_a_flood_of_queries_does_not_fill_memory() -> None:
    tracker = ModeTracker()
    for _ in range(100):
        tracker.feed(b"\x1b[6n" * 100)
    assert len(tracker.take_queries()) <= 64
