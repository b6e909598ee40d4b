"""What programs are told: a line of JSON, whatever is in it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from novaconsole.events import VERSION, encode
from support.pieces import thorough


@given(st.text())
@thorough
def test_any_text_is_one_line_that_comes_back(text: str) -> None:
    line = encode("message", {"text": text})
    assert line.isascii()
    assert line.isprintable()
    row = json.loads(line)
    assert row == {"version": VERSION, "event": "message", "text": text}


def test_facts_of_all_kinds() -> None:
    facts = {"a": None, "b": True, "c": 1, "d": 1.5, "e": ["x"]}
    assert json.loads(encode("any", {**facts})) == {
        "version": 1,
        "event": "any",
        **facts,
    }
