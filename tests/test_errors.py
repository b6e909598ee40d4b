"""The errors: each has a status and a docstring, all are in one module."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import novaconsole
from novaconsole import errors
from novaconsole.console.outcome import EXIT_STATUSES
from novaconsole.errors import HandshakeFailed, NovaConsoleError, Retryable

PACKAGE = Path(novaconsole.__file__).parent


def with_subclasses(cls: type[NovaConsoleError]) -> Iterator[type[NovaConsoleError]]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from with_subclasses(subclass)


ERRORS = list(with_subclasses(NovaConsoleError))


def message_shapes() -> Iterator[tuple[str, str]]:
    """Where each error is created, and its message with `{}` for each value."""
    names = {cls.__name__ for cls in ERRORS}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Name(name), [message, *_]) if name in names:
                    yield (
                        f"{path.relative_to(PACKAGE)}:{name}:{node.lineno}",
                        _shape(message),
                    )


def _shape(message: ast.expr) -> str:
    match message:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(parts):
            return "".join(_shape(part) for part in parts)
        case _:
            return "{}"


@pytest.mark.parametrize("cls", ERRORS)
def test_every_error_has_a_sentence_that_says_when_it_is_raised(
    cls: type[NovaConsoleError],
) -> None:
    own = vars(cls)["__doc__"]
    assert own
    assert own.splitlines()[0].endswith(".")


@pytest.mark.parametrize("cls", ERRORS)
def test_every_exit_status_is_documented(
    cls: type[NovaConsoleError],
) -> None:
    assert str(cls.exit_status) in {status for status, _ in EXIT_STATUSES} - {"0"}


def test_the_exit_statuses_are_those_of_the_contract() -> None:
    unusual = {cls.__name__: cls.exit_status for cls in ERRORS if cls.exit_status != 1}
    assert unusual == {"UsageError": 2, "ConnectionLost": 3, "TimedOut": 124}


@pytest.mark.parametrize("cls", ERRORS)
def test_every_error_has_a_message_and_an_optional_hint(
    cls: type[NovaConsoleError],
) -> None:
    error = cls("it failed", "try again")
    assert str(error) == "it failed"
    assert error.hint == "try again"
    assert cls("it failed").hint is None


def test_a_failed_handshake_has_the_http_status() -> None:
    assert HandshakeFailed("no").status is None
    assert HandshakeFailed("no", "try", status=503).status == 503


@pytest.mark.parametrize("retryable", Retryable)
@pytest.mark.parametrize("cls", [cls for cls in ERRORS if cls is not HandshakeFailed])
def test_a_single_error_may_override_whether_it_is_retryable(
    cls: type[NovaConsoleError], retryable: Retryable
) -> None:
    usual = cls.retryable
    assert cls("it failed", retryable=retryable).retryable is retryable
    assert cls("it failed").retryable is cls.retryable is usual


def test_only_these_errors_are_worth_retrying() -> None:
    retryable = {
        cls.__name__: cls.retryable
        for cls in ERRORS
        if cls.retryable is not Retryable.NONE
    }
    assert retryable == {
        "CloudUnreachable": Retryable.SOON,
        "ConnectError": Retryable.SOON,
        "HandshakeFailed": Retryable.SOON,
        "ConnectionLost": Retryable.SOON,
        "ServerNotFound": Retryable.IN_TIME,
        "ServerNotActive": Retryable.IN_TIME,
    }


def test_all_errors_are_in_one_module_and_nothing_else_is() -> None:
    for module in pkgutil.walk_packages(novaconsole.__path__, "novaconsole."):
        importlib.import_module(module.name)
    assert {cls.__module__ for cls in with_subclasses(NovaConsoleError)} == {
        errors.__name__
    }
    classes = {value for value in vars(errors).values() if isinstance(value, type)}
    assert classes == {Retryable, *ERRORS}


@pytest.mark.parametrize(
    "shape", [pytest.param(shape, id=place) for place, shape in message_shapes()]
)
def test_messages_are_sentences_without_a_full_stop(shape: str) -> None:
    assert shape
    assert not shape.endswith((".", "!", "\n"))
    assert shape == " ".join(shape.split())
