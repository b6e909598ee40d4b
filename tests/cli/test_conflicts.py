"""The table of conflicts: each row is tried through the program itself."""

from collections.abc import Iterator

import pytest

from cli.runner import URL, Runner, assert_wrong_usage
from novaconsole.cli.conflicts import (
    RULES,
    SERVER_NAME,
    ExactlyOne,
    Excludes,
    Requires,
    given_options,
)
from novaconsole.cli.options import Options

# How to give an option; one that is not here is a switch.
GIVEN = {
    "SERVER": ["vm"],
    "--url": ["--url", URL],
    "--history": ["--history", "5"],
    "--until": ["--until", "login:"],
    "--run": ["--run", "true"],
    "--login": ["--login", "root"],
    "--password-file": ["--password-file", "/dev/null"],
    "--log": ["--log", "session.log"],
    "--record": ["--record", "session.cast"],
    "--cacert": ["--cacert", "/dev/null"],
    "--cert": ["--cert", "/dev/null"],
    "--key": ["--key", "/dev/null"],
}
WHERE = {"SERVER", "--url", "--demo"}  # one of these is needed in any case


def rows() -> Iterator[tuple[set[str], str]]:
    """The options to give for each way to break a rule, and the message."""
    for rule in RULES:
        match rule:
            case ExactlyOne(options, (message, _)):
                yield set(), message
                for index, second in enumerate(options):
                    for first in options[:index]:
                        message = f"{second} cannot be used with {first}"
                        yield {first, second}, message
            case Excludes(option, others):
                for other in others:
                    message = f"{other} cannot be used with {option}"
                    yield {option, other}, message
            case Requires(option, others):
                message = f"{option} requires {' or '.join(others)}"
                places = ["--url", "--demo"] if SERVER_NAME in others else ["SERVER"]
                for place in places:
                    yield {option, place}, message


def argv(given: set[str]) -> list[str]:
    return [word for option in sorted(given) for word in GIVEN.get(option, [option])]


@pytest.mark.parametrize(
    ("given", "message"),
    [pytest.param(*row, id=" ".join(sorted(row[0])) or "nothing") for row in rows()],
)
def test_options_that_break_a_rule_are_refused(
    run: Runner, given: set[str], message: str
) -> None:
    place = set() if given & WHERE or not given else {"SERVER"}

    done = run(*argv(given | place))

    assert_wrong_usage(done, message)
    assert done.stderr.splitlines()[0] == f"novaconsole: {message}"
    assert not [*run.home.iterdir()]


@pytest.mark.parametrize(
    ("option", "other"),
    [
        (rule.option, other)
        for rule in RULES
        if isinstance(rule, Requires)
        for other in rule.others
    ],
)
def test_each_of_the_required_options_is_enough(option: str, other: str) -> None:
    of_other = [
        rule.others[0]
        for rule in RULES
        if isinstance(rule, Requires) and rule.option == other
    ]
    given = frozenset({option, other, *of_other})

    broken = [
        rule for rule in RULES if isinstance(rule, Requires) and rule.error(given)
    ]

    assert broken == []


def test_the_table_has_the_documented_conflicts() -> None:
    """Walking the table does not notice a row that is missing."""
    refused = {
        ("--quiet", "--verbose"),
        ("--quiet", "--debug"),
        *(("--run", other) for other in ("--until", "--read-only", "--reconnect")),
        *(("--run", other) for other in ("--history", "--log", "--record")),
        ("--stdin", "--run"),
        ("--stdin", "--read-only"),
        ("--insecure", "--cacert"),
        ("--demo", "--check"),
        ("--demo", "--check-enter"),
    }
    required = {
        "--overwrite": ("--log", "--record"),
        "--record-input": ("--record",),
        "--login": ("--run",),
        "--force-login": ("--login",),
        "--password-file": ("--run",),
        "--key": ("--cert",),
        "--history": (SERVER_NAME,),
        "--wait": (SERVER_NAME,),
    }
    found = [rule for rule in RULES if isinstance(rule, Excludes)]
    assert {(rule.option, other) for rule in found for other in rule.others} == refused
    needed = [rule for rule in RULES if isinstance(rule, Requires)]
    assert {rule.option: rule.others for rule in needed} == required
    (one,) = [rule for rule in RULES if isinstance(rule, ExactlyOne)]
    assert {*one.options} == WHERE


def test_several_conflicts_with_one_option_are_one_message(run: Runner) -> None:
    done = run("vm", "--run", "true", "--log", "one", "--until", "x")

    assert_wrong_usage(done, "--until and --log cannot be used with --run")


@pytest.mark.parametrize(
    ("options", "given"),
    [
        (Options(), {"--escape", "--close-wait", "--connect-timeout", "--keepalive"}),
        (Options(server="vm"), {"SERVER", SERVER_NAME}),
        (Options(server=URL), {"SERVER"}),
        (Options(server="", url="", history=0, until=[]), set()),
        (Options(run="", login=""), {"--run", "--login"}),
        (Options(record_input=True, history=1), {"--record-input", "--history"}),
    ],
)
def test_what_counts_as_given(options: Options, given: set[str]) -> None:
    with_defaults = given_options(Options())

    assert given_options(options) - with_defaults == given - with_defaults
