"""Wrong usage is told in our own words, and names the option or its variable."""

from typing import Any

import pytest

from cli.runner import Runner
from novaconsole.cli.wording import usage_error


@pytest.mark.parametrize(
    ("argv", "variables", "said"),
    [
        (("--timeout", "5m"), {}, "--timeout must be a number, not '5m'"),
        (("-n", "few"), {}, "--history must be a whole number, not 'few'"),
        (("-n", "-1"), {}, "--history must be 0 or more, not -1"),
        (("--keepalive", "-1"), {}, "--keepalive must be 0 or more, not -1"),
        (("--timeout", "0"), {}, "--timeout must be more than 0"),
        (("--timeout", "-1"), {}, "--timeout must be more than 0"),
        (("--connect-timeout", "0"), {}, "--connect-timeout must be more than 0"),
        (("--nope",), {}, "there is no option --nope"),
        (("--url",), {}, "--url requires a value"),
        (("--quiet=3",), {}, "--quiet takes no value"),
        (("another",), {}, "unexpected argument: another"),
        (
            (),
            {"NOVACONSOLE_TIMEOUT": "5m"},
            "--timeout (NOVACONSOLE_TIMEOUT) must be a number, not '5m'",
        ),
        (
            (),
            {"NOVACONSOLE_QUIET": "perhaps"},
            "--quiet (NOVACONSOLE_QUIET) must be yes or no, not 'perhaps'",
        ),
        (
            ("--log", "-"),
            {},
            "--log cannot write to standard output, which has the guest's output",
        ),
        (
            ("--record", "-"),
            {},
            "--record cannot write to standard output, which has the guest's output",
        ),
    ],
)
def test_wrong_usage_is_one_plain_sentence(
    run: Runner, argv: tuple[str, ...], variables: dict[str, str], said: str
) -> None:
    done = run("vm", *argv, env=variables)

    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"novaconsole: {said}"


class Foreign:
    """An error of typer's that we do not know, as a later version may have."""

    def __init__(self, text: str) -> None:
        self._text = text

    def format_message(self) -> str:
        return self._text


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("Something else.", "something else", "try: novaconsole --help"),
        (
            "Invalid value for '--x': Not this.",
            "--x: not this",
            "try: novaconsole --help",
        ),
        (
            "No such option: --ur Did you mean --url?",
            "there is no option --ur",
            "--url",
        ),
        (
            "No such option: --ur (Possible options: --run, --url)",
            "there is no option --ur",
            "try --url",
        ),
        (
            "No such option: --pass (Possible options: --password-file, --url)",
            "there is no option --pass",
            "try --password-file",
        ),
        (
            "No such option: --foo Did you mean --log?",
            "there is no option --foo",
            "try: novaconsole --help",
        ),
    ],
)
def test_other_words_begin_small_and_keep_what_helps(
    text: str, said: str, hint: str
) -> None:
    error: Any = Foreign(text)
    assert str(usage_error(error)) == said
    assert hint in str(usage_error(error).hint)
