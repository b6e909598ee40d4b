"""The head of the response to the upgrade: one verdict, whatever the pieces."""

from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaconsole.errors import HandshakeFailed, UsageError
from novaconsole.websocket.handshake import (
    ResponseHead,
    invalid_upgrade,
    names_origin,
    split_host,
)
from support.pieces import CUTS, cut, thorough, ways_to_cut

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
REFUSED = b"HTTP/1.0 503 Service Unavailable\r\nServer: haproxy\r\n\r\n<html>"
MAX_HEAD_BYTES = 16 * 1024

Failure = tuple[str, str | None, int | None]


def described(failure: HandshakeFailed) -> Failure:
    return str(failure), failure.hint, failure.status


def verdict(data: bytes, cuts: Iterable[int] = ()) -> bool | Failure:
    """Whether the head is complete and accepts the upgrade, or why it fails."""
    head = ResponseHead()
    try:
        return any(head.feed(piece) for piece in cut(data, cuts))
    except HandshakeFailed as failure:
        return described(failure)


def failure(data: bytes) -> Failure:
    result = verdict(data)
    assert not isinstance(result, bool)
    return result


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", False),
        (b"HTT", False),
        (b"HTTP/1.1 101 ", False),
        (ACCEPTED[:-1], False),
        (ACCEPTED, True),
        (ACCEPTED + b"\x82\x03abc", True),
        (ACCEPTED.replace(b"\r", b""), True),
        (b"HTTP/1.1 101\r\n\r\n", True),
        (b"HTTP/1.1 101 \r\n\r\n", True),
    ],
)
def test_101_is_accepted_with_the_last_byte_of_its_head(
    data: bytes, expected: bool
) -> None:
    for cuts in ways_to_cut(data):
        assert verdict(data, cuts) is expected


def test_any_other_status_is_an_error_that_names_it() -> None:
    for status in set(range(1000)) - {101}:
        message, hint, code = failure(b"HTTP/1.1 %03d Some Reason\r\n\r\n" % status)
        assert f"responded {status} Some Reason instead of" in message
        assert hint
        assert code == status


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, "another service"),
        (302, "another service"),
        (400, "incomplete"),
        (401, "login"),
        (403, "forbids"),
        (404, "another service"),
        (502, "nova-serialproxy"),
        (503, "nova-serialproxy"),
        (504, "nova-serialproxy"),
    ],
)
def test_the_hint_depends_on_the_status(status: int, words: str) -> None:
    _, hint, _ = failure(b"HTTP/1.1 %d\r\n\r\n" % status)
    assert words in str(hint)


def test_an_invalid_upgrade_is_an_error_with_a_hint() -> None:
    message, hint, status = described(invalid_upgrade())
    assert message == "the server's response is not a valid websocket upgrade"
    assert hint
    assert status is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"HTTP/1.1 200", "responded 200 instead of opening a websocket"),
        (b"HTTP/1.1 200 ", "responded 200 instead of opening a websocket"),
        (
            b"HTTP/1.0 503 Service Unavailable",
            "responded 503 Service Unavailable instead of",
        ),
        (b"HTTP/1.1 404 Pas trouv\xe9", "responded 404 Pas trouvé instead of"),
        (b"HTTP/1.1 500 \x1b[2J\x9b", r"responded 500 \x1b[2J\x9b instead of"),
    ],
)
def test_the_reason_is_quoted_in_printable_characters(line: bytes, words: str) -> None:
    assert words in failure(line + b"\r\n\r\n")[0]


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",  # a TLS alert
        b"220 mail.example ESMTP\r\n",
        b"\r\n\r\n",
        b" HTTP/1.1 101 \r\n\r\n",
        b"http/1.1 101 \r\n\r\n",
        b"HTTX",
        b"\x00",
    ],
)
def test_other_protocols_are_refused_at_the_first_wrong_byte(garbage: bytes) -> None:
    message, hint, status = failure(garbage)
    assert message == "the server does not speak HTTP"
    assert hint
    assert "wss://" in hint
    assert status is None
    valid = next(n for n in range(6) if not b"HTTP/".startswith(garbage[:n])) - 1
    assert verdict(garbage[:valid]) is False
    for cuts in ways_to_cut(garbage):
        assert verdict(garbage, cuts) == (message, hint, status)


@pytest.mark.parametrize(
    "line",
    [
        *(b"HTTP/", b"HTTP/1.1", b"HTTP/1.1 10", b"HTTP/1.1 1010", b"HTTP/1.1 abc OK"),
        *(b"HTTP/2 101", b"HTTP/1.1  101 ", b"HTTP/1.1 101\tOK", b"HTTP/1.1 101 a\rb"),
    ],
)
def test_a_bad_status_line_is_refused_when_the_head_is_complete(line: bytes) -> None:
    data = line + b"\r\nUpgrade: websocket\r\n\r\n"
    for cuts in ways_to_cut(data):
        assert verdict(data[:-1], cuts) is False
        result = verdict(data, cuts)
        assert not isinstance(result, bool)
        message, hint, status = result
        assert message == "the server's response to the upgrade is not HTTP"
        assert hint
        assert status is None


@pytest.mark.parametrize("piece_bytes", [100, 4096, 16 * 1024, 10**6])
def test_an_endless_head_is_refused(piece_bytes: int) -> None:
    head = ResponseHead()
    head.feed(b"HTTP/1.1 101 OK\r\n")
    filler = b"x" * piece_bytes

    def feed_too_much() -> None:
        for _ in range(MAX_HEAD_BYTES // piece_bytes + 1):
            head.feed(filler)

    with pytest.raises(HandshakeFailed, match="is too long"):
        feed_too_much()


@pytest.mark.parametrize("excess", [-1, 0, 1, 2, 3, 4, 5000])
def test_the_longest_head_does_not_depend_on_the_pieces(excess: int) -> None:
    start, end = b"HTTP/1.1 101 OK\r\nX: ", b"\r\n\r\n"
    filler = b"x" * (MAX_HEAD_BYTES + excess - len(start) - len(end))
    data = start + filler + end
    whole = verdict(data)
    assert (whole is True) == (excess <= 0)
    for piece_bytes in (100, 4096):
        assert verdict(data, range(0, len(data), piece_bytes)) == whole
    assert verdict(data, range(MAX_HEAD_BYTES - 8, len(data))) == whole


def test_bytes_after_the_head_do_not_count_towards_its_length() -> None:
    assert verdict(ACCEPTED + b"x" * MAX_HEAD_BYTES) is True


@pytest.mark.parametrize("end", range(len(ACCEPTED)))
def test_an_end_within_an_acceptance_means_no_answer(end: int) -> None:
    head = ResponseHead()
    assert not head.feed(ACCEPTED[:end])
    message, hint, status = described(head.end())
    assert message == "the server closed the connection before it answered"
    assert hint
    assert status is None


@pytest.mark.parametrize("end", range(REFUSED.index(b"\r\n\r\n") + 3))
def test_an_end_within_a_refusal_names_the_status_if_it_is_known(end: int) -> None:
    head = ResponseHead()
    assert not head.feed(REFUSED[:end])
    message, _, status = described(head.end())
    if b"\n" in REFUSED[:end]:
        assert status == 503
        assert "503 Service Unavailable" in message
    else:
        assert status is None
        assert "before it answered" in message


def test_an_end_after_a_malformed_status_line_means_no_answer() -> None:
    head = ResponseHead()
    assert not head.feed(b"HTTP/nonsense\r\n")
    assert "before it answered" in str(head.end())


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (ACCEPTED, "HTTP/1.1 101 Switching Protocols"),
        (REFUSED, "HTTP/1.0 503 Service Unavailable"),
    ],
)
def test_the_status_line_is_reported_once_for_debugging(data: bytes, line: str) -> None:
    for cuts in ways_to_cut(data):
        seen: list[str] = []
        head = ResponseHead(seen.append)
        try:
            any(head.feed(piece) for piece in cut(data, cuts))
        except HandshakeFailed:
            assert data is REFUSED
        assert seen == [line]


BITS = st.sampled_from(
    [b"HTTP/", b"1.1", b" ", b"101", b"404 Not Found", b"\r", b"\n", b"\r\n", b"X: y"]
)
HEADS = st.lists(BITS | st.binary(max_size=3), max_size=12).map(b"".join)


@thorough
@given(HEADS | HEADS.map(b"HTTP/1.1 ".__add__), CUTS)
@example(ACCEPTED + ACCEPTED, [3, 50, 60])
@example(REFUSED, [20, 40])
def test_the_pieces_make_no_difference(data: bytes, cuts: list[int]) -> None:
    assert verdict(data, cuts) == verdict(data)


# ---- redirects


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        (b"https://sso.example/login", "https://sso.example/login"),
        (b"/login?next=%2F%3Ftoken%3Dsecret", "/login?…"),
        (b"https://u:secret@h/a#secret", "https://***@h/a"),
        (b"https://h/?code=secret", "https://h/?…"),
        (b"//h/\x1b[2J", "//h/\\x1b[2J"),
    ],
)
@pytest.mark.parametrize("status", [b"301 Moved Permanently", b"302 Found", b"307"])
def test_a_redirect_shows_where_to(status: bytes, location: bytes, shown: str) -> None:
    head = b"HTTP/1.1 " + status + b"\r\nServer: x\r\nlocation: " + location
    message, hint, _ = failure(head + b"\r\n\r\n<html>")
    assert message.startswith(f"the server responded {status.decode()} instead of ")
    assert message.endswith(f": it redirects to {shown}")
    assert "secret" not in message
    assert hint is not None
    assert ("wss://" in hint) == location.startswith(b"https:")


def test_a_redirect_without_a_location_is_an_answer_like_others() -> None:
    message, _, status = failure(b"HTTP/1.1 302 Found\r\nX: y\r\n\r\n")
    assert message.endswith("302 Found instead of opening a websocket")
    assert status == 302


# ---- headers of the user's


def test_a_host_replaces_the_targets() -> None:
    headers = [(b"X-A", b"b"), (b"HOST", b"console.example:6083")]
    assert split_host(headers) == ("console.example:6083", [(b"X-A", b"b")])
    assert split_host(headers[:1]) == (None, headers[:1])


@pytest.mark.parametrize(
    "headers",
    [
        [(b"Sec-WebSocket-Key", b"x")],
        [(b"connection", b"close")],
        [(b"Upgrade", b"h2c")],
        [(b"Content-Length", b"5")],
        [(b"Sec-WebSocket-Protocol", b"base64")],
        [(b"Host", b"a"), (b"host", b"b")],
        [(b"Origin", b"a"), (b"origin", b"a")],
        [(b"Host", b"")],
        [(b"Host", b"a b")],
        [(b"Host", "ä".encode())],
    ],
)
def test_headers_that_would_break_the_upgrade_are_refused(
    headers: list[tuple[bytes, bytes]],
) -> None:
    with pytest.raises(UsageError):
        split_host(headers)


@pytest.mark.parametrize("status", [b"400 Bad Request", b"403 Forbidden", b"404 x"])
def test_a_refusal_may_be_due_to_the_users_host_or_origin(status: bytes) -> None:
    assert names_origin([(b"X-A", b"b"), (b"oRigin", b"https://h")])
    assert names_origin([(b"Host", b"h")])
    assert not names_origin([(b"Authorization", b"x")])
    head = ResponseHead(names_origin=True)
    with pytest.raises(HandshakeFailed) as caught:
        head.feed(b"HTTP/1.1 " + status + b"\r\n\r\n")
    assert "try without --origin" in str(caught.value.hint)
