"""The last words: what tells one drop of the connection from another."""

import pytest

from novaconsole.ending import Closed, Ended, Reason
from novaconsole.farewell import Attachment, last_words

URL_HINT = "openstack console url show --serial"


def attachment(
    *, named: bool = True, seconds: float = 60.0, bytes_in: int = 1000
) -> Attachment:
    return Attachment("web1", named=named, seconds=seconds, bytes_in=bytes_in)


def lost(reason: str = "") -> Ended:
    return Ended(Reason.CLOSED, closed=Closed(None, reason))


def test_who_quits_is_told_from_what() -> None:
    assert last_words(Ended(Reason.QUIT), attachment()) == ["disconnected from web1"]


@pytest.mark.parametrize("closed", [Closed(1000, "Target closed"), Closed(1011)])
@pytest.mark.parametrize("seconds", [0.1, 60.0])
def test_a_close_is_told_with_code_and_reason(closed: Closed, seconds: float) -> None:
    """Also at once and before any byte: who closes properly says why."""
    ended = Ended(Reason.CLOSED, closed=closed)
    assert last_words(ended, attachment(seconds=seconds, bytes_in=0)) == [
        f"connection to web1 closed by the other side: {closed}"
    ]


@pytest.mark.parametrize(
    ("reason", "seconds", "bytes_in"),
    [
        ("", 60.0, 0),
        ("", 60.0, 1),
        ("", 0.1, 1),
        ("no answer to pings", 0.1, 0),
        ("no answer to pings", 60.0, 1),
    ],
)
def test_a_loss_is_told_as_such(reason: str, seconds: float, bytes_in: int) -> None:
    (line,) = last_words(lost(reason), attachment(seconds=seconds, bytes_in=bytes_in))
    assert line.startswith("connection to web1 lost: ")
    assert line.endswith(str(Closed(None, reason)))


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_dropped_at_once_without_a_byte_means_a_bad_token(
    named: bool, seconds: float
) -> None:
    what, hint = last_words(
        lost(), attachment(named=named, seconds=seconds, bytes_in=0)
    )
    assert "web1 dropped the connection at once" in what
    assert "token has probably expired or is wrong" in what
    assert (URL_HINT in hint) is not named, "who gave a URL must get another one"
    assert ("run novaconsole again" in hint) is named


@pytest.mark.parametrize(
    "ended",
    [
        Ended(Reason.INPUT_ENDED),
        Ended(Reason.INPUT_ENDED, closed=Closed(1000)),
        Ended(Reason.OUTPUT_CLOSED),
        Ended(Reason.HANGUP),
        Ended(Reason.SIGNAL, signum=15),
        Ended(Reason.CLOSED),
    ],
    ids=str,
)
def test_an_end_that_explains_itself_needs_no_words(ended: Ended) -> None:
    assert last_words(ended, attachment(seconds=0.0, bytes_in=0)) == []
