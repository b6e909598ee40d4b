"""How a websocket ended, in a user's words."""

import pytest

from novaconsole.websocket.close import CloseReason

# RFC 6455 section 7.4.1 and the IANA registry: what a server may close with.
CODES = [1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1011, 1012, 1013, 1014]


@pytest.mark.parametrize("code", CODES)
def test_a_close_code_of_the_standard_is_told_in_words(code: int) -> None:
    words, _, rest = str(CloseReason(code)).partition(" (")
    assert words not in {"", "closed"}
    assert rest == f"code {code})"
    assert (
        str(CloseReason(code, "for a reason")) == f"for a reason (code {code}, {words})"
    )


@pytest.mark.parametrize(
    ("closed", "text"),
    [
        (CloseReason(None), "no close frame received"),
        (CloseReason(None, "no answer to pings"), "no answer to pings"),
        (CloseReason(1000), "closed normally (code 1000)"),
        (
            CloseReason(1000, "Target closed"),
            "Target closed (code 1000, closed normally)",
        ),
        (CloseReason(1003, "text"), "text (code 1003, unsupported kind of data)"),
        (CloseReason(4001), "closed (code 4001)"),
        (CloseReason(4001, "kicked"), "kicked (code 4001, closed)"),
    ],
)
def test_how_the_websocket_ended_is_told_with_the_reason_given(
    closed: CloseReason, text: str
) -> None:
    assert str(closed) == text
