"""Names of files: two fields, doubled braces, and no way out of the directory."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.capture.files import AUTOMATIC_NAME, expand, safe_component
from novaconsole.errors import UsageError
from support.pieces import thorough

FIELDS = {"server": "web1", "time": "20261125T141500"}
PIECES = st.sampled_from(["{server}", "{time}", "{{", "}}", "a", ".log", "/", "%", " "])


@pytest.mark.parametrize(
    ("name", "expanded"),
    [
        ("plain.log", "plain.log"),
        (AUTOMATIC_NAME, "novaconsole-web1-20261125T141500.log"),
        ("{server}/{server}.{time}", "web1/web1.20261125T141500"),
        ("{{server}}", "{server}"),
        ("{{{server}}}", "{web1}"),
        ("", ""),
    ],
)
def test_fields_are_filled_in(name: str, expanded: str) -> None:
    assert expand(name, FIELDS) == expanded


@thorough
@given(st.lists(PIECES).map("".join))
def test_a_valid_name_is_expanded_as_by_str_format(name: str) -> None:
    assert expand(name, FIELDS) == name.format(**FIELDS)


@thorough
@given(st.text(st.sampled_from("{}servtim.![]0:_ "), max_size=20))
def test_a_name_is_valid_if_str_format_accepts_it_with_plain_fields(name: str) -> None:
    try:
        parts = list(string.Formatter().parse(name))
        is_valid = all(
            field is None or (field in FIELDS and not (form or conversion))
            for _, field, form, conversion in parts
        )
    except ValueError:
        is_valid = False
    try:
        expand(name, FIELDS)
    except UsageError:
        assert not is_valid
    else:
        assert is_valid or ":}" in name  # str.format ignores an empty format


@pytest.mark.parametrize(
    ("name", "culprit"),
    [
        ("{host}.log", "{host}"),
        ("{}", "{}"),
        ("{0}", "{0}"),
        ("{server.__class__}", "{server.__class__}"),
        ("{server!r}", "{server!r}"),
        ("{server:>9}", "{server:>9}"),
        ("{ server }", "{ server }"),
        ("a{", "{"),
        ("}a", "}"),
        ("{{server}", "}"),
    ],
)
def test_anything_else_in_braces_is_wrong_usage(name: str, culprit: str) -> None:
    with pytest.raises(UsageError) as caught:
        expand(name, FIELDS)
    assert repr(culprit) in str(caught.value)
    assert caught.value.hint is not None
    assert "{server} and {time}" in caught.value.hint


def test_a_value_is_not_expanded_again() -> None:
    assert expand("{server}", {"server": "{time}"}) == "{time}"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("web1", "web1"),
        ("Größe 1:2", "Größe 1:2"),
        ("../../etc/passwd", "_._.._etc_passwd"),
        (".bashrc", "_bashrc"),
        ("..", "_."),
        ("a\x1b[31m\n\x00\x9b", "a_[31m___"),
        ("", "_"),
    ],
)
def test_a_safe_component_stays_in_its_directory(text: str, safe: str) -> None:
    assert safe_component(text) == safe


@thorough
@given(st.text())
def test_a_safe_component_is_never_a_hidden_file_or_a_path(text: str) -> None:
    safe = safe_component(text)
    assert safe
    assert not safe.startswith(".")
    assert not set(safe) & {"/", "\x00", "\n", "\x1b"}
