"""Events for programs: one line of JSON, whatever they hold."""

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


def test_fields_of_every_type_are_encoded() -> None:
    fields = {"a": None, "b": True, "c": 1, "d": 1.5, "e": ["x"]}
    assert json.loads(encode("any", {**fields})) == {
        "version": 1,
        "event": "any",
        **fields,
    }
