"""Redaction: no token and no control character reaches a message."""

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.redaction import mask_tokens, printable
from support.pieces import thorough

TOKEN = "6ecd2ba5-0c1f-4b36-9c5e-1f1d1b5f4a3e"
# What UUIDs, base64 and JSON web tokens are made of.
TOKENS = st.text(string.ascii_letters + string.digits + "-_.~+/=%", min_size=9)


@thorough
@given(TOKENS)
def test_only_the_tokens_of_a_text_are_masked(token: str) -> None:
    for text in (
        "GET /?token={} HTTP/1.1",
        "ws://h/?token={}&a=b failed",
        'refused: "ws://h/?path=%3Ftoken%3D{}"',
        "('token={}', 1)",
        "token={}\nTOKEN={}",
        "Location: /?x=token%3d{}#top",
        r"b'token={}\r\n'",
    ):
        masked = mask_tokens(text.replace("{}", token))
        assert masked == text.replace("{}", "***")
        assert mask_tokens(masked) == masked


@pytest.mark.parametrize(
    "text", ["", "token", "a token is needed", "token=", "token= x"]
)
def test_a_text_without_a_token_is_unchanged(text: str) -> None:
    assert mask_tokens(text) == text


def test_a_token_that_begins_like_a_masked_one_is_masked() -> None:
    assert TOKEN not in mask_tokens(f"ws://h/?token=***{TOKEN}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web1", "web1"),
        ("größe €", "größe €"),
        ("a\x1b]0;title\x07b", r"a\x1b]0;title\x07b"),
        ("a\r\nb\tc\x00", r"a\x0d\x0ab\x09c\x00"),
        ("\x7f\x9b2J\x85", r"\x7f\x9b2J\x85"),
        ("a\u2028b\u2029c", r"a\x2028b\x2029c"),
    ],
)
def test_control_characters_are_escaped(text: str, expected: str) -> None:
    assert printable(text) == expected


@thorough
@given(st.text())
def test_printable_text_cannot_control_a_terminal(text: str) -> None:
    controls = {"Cc", "Zl", "Zp"}  # as Unicode names the categories
    result = printable(text)
    assert not controls & {unicodedata.category(char) for char in result}
    assert len(result.splitlines()) <= 1
    if not controls & {unicodedata.category(char) for char in text}:
        assert result == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("wss://u:s3cret@h:1/x", "wss://u:***@h:1/x"),
        ("wss://:s3cret@h/", "wss://:***@h/"),
        ("wss://u:s3@cret@h/", "wss://u:***@h/"),
        ('{"url": "wss://u:s3cret@h/?token=x"}', '{"url": "wss://u:***@h/?token=***"}'),
        ("http://h:80/ and me@example.org", "http://h:80/ and me@example.org"),
        ("http://user@h:80/", "http://user@h:80/"),
    ],
)
def test_a_password_in_a_url_is_masked(text: str, masked: str) -> None:
    assert mask_tokens(text) == masked
