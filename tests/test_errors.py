"""The errors: a status and a sentence for each, in one module.

What they say is in test_messages.py.
"""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import novaconsole
from novaconsole import errors
from novaconsole.console.outcome import EXIT_STATUSES
from novaconsole.errors import (
    HandshakeFailed,
    InputFailed,
    NovaConsoleError,
    Retryable,
    UsageError,
    in_words,
)


def with_subclasses(cls: type[NovaConsoleError]) -> Iterator[type[NovaConsoleError]]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from with_subclasses(subclass)


ERRORS = list(with_subclasses(NovaConsoleError))


@pytest.mark.parametrize("cls", ERRORS)
def test_every_error_says_when_it_is_raised(cls: type[NovaConsoleError]) -> None:
    own = vars(cls)["__doc__"]
    assert own
    assert own.splitlines()[0].endswith(".")


@pytest.mark.parametrize("cls", ERRORS)
def test_every_error_has_a_status_that_is_documented(
    cls: type[NovaConsoleError],
) -> None:
    assert str(cls.exit_status) in {status for status, _ in EXIT_STATUSES} - {"0"}


def test_the_statuses_are_those_of_the_contract() -> None:
    unusual = {cls.__name__: cls.exit_status for cls in ERRORS if cls.exit_status != 1}
    assert unusual == {"UsageError": 2, "ConnectionLost": 3, "TimedOut": 124}


@pytest.mark.parametrize("cls", ERRORS)
def test_every_error_carries_message_and_hint(cls: type[NovaConsoleError]) -> None:
    error = cls("it failed", "try again")
    assert str(error) == "it failed"
    assert error.hint == "try again"
    assert cls("it failed").hint is None


def test_a_failed_handshake_carries_the_http_status() -> None:
    assert HandshakeFailed("no").status is None
    assert HandshakeFailed("no", "try", status=503).status == 503


@pytest.mark.parametrize("retryable", Retryable)
@pytest.mark.parametrize("cls", [cls for cls in ERRORS if cls is not HandshakeFailed])
def test_an_error_may_be_retryable_unlike_its_class(
    cls: type[NovaConsoleError], retryable: Retryable
) -> None:
    usual = cls.retryable
    assert cls("it failed", retryable=retryable).retryable is retryable
    assert cls("it failed").retryable is cls.retryable is usual


def test_the_errors_that_are_retryable() -> None:
    """All others stay the same, however often the operation is repeated."""
    retryable_classes = {
        cls.__name__: cls.retryable
        for cls in ERRORS
        if cls.retryable is not Retryable.NONE
    }
    assert retryable_classes == {
        "CloudUnreachable": Retryable.SOON,
        "ConnectError": Retryable.SOON,
        "HandshakeFailed": Retryable.SOON,
        "ConnectionLost": Retryable.SOON,
        "ServerNotFound": Retryable.IN_TIME,
        "ServerNotActive": Retryable.IN_TIME,
    }


def test_the_module_of_errors_holds_all_errors_and_nothing_else() -> None:
    for module in pkgutil.walk_packages(novaconsole.__path__, "novaconsole."):
        importlib.import_module(module.name)
    assert {cls.__module__ for cls in with_subclasses(NovaConsoleError)} == {
        errors.__name__
    }
    classes = {value for value in vars(errors).values() if isinstance(value, type)}
    assert classes == {Retryable, *ERRORS}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (0.5, "0.5 seconds"),
        (2.0, "2 seconds"),
        (1_000_000, "1000000 seconds"),
    ],
)
def test_seconds_are_written_as_people_do(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    ("started", "words"),
    [
        (True, "has not ended"),
        (None, "may not have started"),
        (False, "was not started"),
    ],
)
def test_a_command_that_timed_out_says_whether_it_was_started(
    started: bool | None, words: str
) -> None:
    error = errors.TimedOut.of_command(started, 1.5, "look")
    assert str(error) == f"the command {words} within 1.5 seconds"
    assert (error.started, error.hint) == (started, "look")


def test_an_error_can_begin_with_the_option_that_is_to_blame() -> None:
    error = UsageError("--log: cannot write x")
    error.blame(None)
    assert str(error) == "--log: cannot write x"
    error.blame("--log (NOVACONSOLE_LOG)")
    assert str(error) == "--log (NOVACONSOLE_LOG): cannot write x"


def test_a_failed_read_is_told_with_its_reason() -> None:
    reason = OSError(5, "Input/output error")
    assert str(InputFailed.because(reason)) == (
        "cannot read the input: Input/output error"
    )
