"""The table of conflicts: each row is tried through the program itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.runner import URL, Runner, assert_wrong_usage
from novaconsole.cli.conflicts import (
    RULES,
    SERVER_NAME,
    ExactlyOne,
    Excludes,
    Requires,
    check_conflicts,
    given_options,
    without_unfit_defaults,
)
from novaconsole.cli.options import Options
from novaconsole.errors import UsageError

# How to give an option; one that is not here is a switch.
GIVEN = {
    "SERVER": ["vm"],
    "--url": ["--url", URL],
    "--cloud": ["--cloud", "fake"],
    "--region": ["--region", "RegionOne"],
    "--history": ["--history", "5"],
    "--until": ["--until", "login:"],
    "--run": ["--run", "true"],
    "--login": ["--login", "root"],
    "--password-file": ["--password-file", "/dev/null"],
    "--log": ["--log", "session.log"],
    "--escape": ["--escape", "^]"],
    "--close-wait": ["--close-wait", "0"],
    "--record": ["--record", "session.cast"],
    "--cacert": ["--cacert", "/dev/null"],
    "--cert": ["--cert", "/dev/null"],
    "--key": ["--key", "/dev/null"],
}
WHERE = {"SERVER", "--url", "--demo"}  # one of these is needed in any case
CHECKS = ("--check", "--check-enter")
NOT_CHECKED = (
    *("--escape", "--wait", "--reconnect", "--history", "--close-wait"),
    *("--until", "--stdin", "--run", "--log", "--record"),
    *("--log-plain", "--log-timestamps"),
)


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
        *(("--run", other) for other in ("--until", "--reconnect")),
        *(("--run", other) for other in ("--history", "--log", "--record")),
        *(("--run", other) for other in ("--log-plain", "--log-timestamps")),
        *(("--read-only", other) for other in ("--stdin", "--run", "--check-enter")),
        ("--cacert", "--insecure"),
        ("--demo", "--check"),
        ("--demo", "--check-enter"),
        *((check, other) for check in CHECKS for other in NOT_CHECKED),
        ("--check", "--read-only"),
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
        "--cloud": (SERVER_NAME,),
        "--region": (SERVER_NAME,),
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
        (Options(), set()),
        (Options(escape="~", close_wait=0.5, keepalive=20), set()),
        (Options(escape="!", close_wait=0), {"--escape", "--close-wait"}),
        (Options(server="vm"), {"SERVER", SERVER_NAME}),
        (Options(server=URL), {"SERVER"}),
        (Options(server="", url="", history=0, until=[]), set()),
        (Options(run="", login=""), {"--run", "--login"}),
        (Options(record_input=True, history=1), {"--record-input", "--history"}),
    ],
)
def test_what_counts_as_given(options: Options, given: set[str]) -> None:
    assert given_options(options) == given


# ---- what the environment gives is a default


@pytest.mark.parametrize(
    ("typed", "variables", "stays", "ignored"),
    [
        # What stands on the command line is right whatever the environment says ...
        ({"demo": True}, {"history": 50}, {"--demo"}, {"NOVACONSOLE_HISTORY"}),
        ({"demo": True}, {"wait": True}, {"--demo"}, {"NOVACONSOLE_WAIT"}),
        ({"demo": True}, {"url": URL}, {"--demo"}, {"NOVACONSOLE_URL"}),
        (
            {"url": URL},
            {"cloud": "fake", "region": "RegionOne"},
            {"--url"},
            {"NOVACONSOLE_CLOUD", "NOVACONSOLE_REGION"},
        ),
        ({"server": URL}, {"demo": True}, {"SERVER"}, {"NOVACONSOLE_DEMO"}),
        (
            {"demo": True, "run": "true"},
            {"log": Path("l"), "overwrite": True, "until": ["x"], "reconnect": True},
            {"--demo", "--run"},
            {
                *("NOVACONSOLE_LOG", "NOVACONSOLE_OVERWRITE"),
                *("NOVACONSOLE_UNTIL", "NOVACONSOLE_RECONNECT"),
            },
        ),
        (
            {"demo": True, "log": Path("l")},
            {"run": "true", "login": "root"},
            {"--demo", "--log"},
            {"NOVACONSOLE_RUN", "NOVACONSOLE_LOGIN"},
        ),
        ({"url": URL}, {"login": "root"}, {"--url"}, {"NOVACONSOLE_LOGIN"}),
        (
            {"url": URL, "verbose": True},
            {"quiet": True},
            {"--url", "--verbose"},
            {"NOVACONSOLE_QUIET"},
        ),
        (
            {"url": URL, "quiet": True},
            {"debug": True},
            {"--url", "--quiet"},
            {"NOVACONSOLE_DEBUG"},
        ),
        (
            {"url": URL, "cacert": Path("c")},
            {"insecure": True},
            {"--url", "--cacert"},
            {"NOVACONSOLE_INSECURE"},
        ),
        (
            {"url": URL, "insecure": True},
            {"cacert": Path("c")},
            {"--url", "--insecure"},
            {"NOVACONSOLE_CACERT"},
        ),
        (
            {"url": URL, "check": True},
            {"log": Path("l"), "log_plain": True, "escape": "!"},
            {"--url", "--check"},
            {"NOVACONSOLE_LOG", "NOVACONSOLE_LOG_PLAIN", "NOVACONSOLE_ESCAPE"},
        ),
        ({"demo": True}, {"check": True}, {"--demo"}, {"NOVACONSOLE_CHECK"}),
        # ... and of two that the environment gives, the safer or first one counts.
        (
            {"url": URL},
            {"cacert": Path("c"), "insecure": True},
            {"--url", "--cacert"},
            {"NOVACONSOLE_INSECURE"},
        ),
        ({}, {"url": URL, "demo": True}, {"--url"}, {"NOVACONSOLE_DEMO"}),
        *(
            (
                {"url": URL},
                {"read_only": True, **sends},
                {"--url", "--read-only"},
                {f"NOVACONSOLE_{name.upper()}" for name in sends},
            )
            for sends in (
                {"stdin": True},
                {"check_enter": True},
                {"run": "true", "login": "root", "force_login": True},
                {"run": "true", "stdin": True, "check_enter": True},
            )
        ),
        (
            {"url": URL, "read_only": True},
            {"stdin": True, "run": "true"},
            {"--url", "--read-only"},
            {"NOVACONSOLE_STDIN", "NOVACONSOLE_RUN"},
        ),
        # What applies is kept.
        ({"server": "vm"}, {"history": 5}, {"SERVER", SERVER_NAME, "--history"}, set()),
        ({}, {"demo": True, "log": Path("l")}, {"--demo", "--log"}, set()),
    ],
)
def test_a_default_gives_way_to_what_stands_on_the_command_line(
    typed: dict[str, Any], variables: dict[str, Any], stays: set[str], ignored: set[str]
) -> None:
    options, left_out = without_unfit_defaults(
        Options(**typed, **variables), frozenset(variables)
    )

    assert given_options(options) == stays
    assert {each.variable for each in left_out} == ignored
    check_conflicts(options)


def test_what_conflicts_on_the_command_line_is_not_ignored() -> None:
    options = Options(server="vm", run="true", log=Path("l"), until=["x"])

    settled, ignored = without_unfit_defaults(options, frozenset({"until"}))

    assert [each.variable for each in ignored] == ["NOVACONSOLE_UNTIL"]
    with pytest.raises(UsageError, match=r"^--log cannot be used with --run$"):
        check_conflicts(settled)


@pytest.mark.parametrize(
    ("typed", "is_told"),
    [
        ({"run": "true"}, True),
        ({"stdin": True}, True),
        ({"check_enter": True}, True),
        ({"check": True}, False),  # which sends nothing
    ],
)
def test_a_read_only_default_gives_way_to_an_option_and_not_in_silence(
    typed: dict[str, Any], is_told: bool
) -> None:
    given = Options(url=URL, read_only=True, **typed)

    settled, ignored = without_unfit_defaults(given, frozenset({"read_only"}))

    assert not settled.read_only
    assert [(each.variable, each.was_guard) for each in ignored] == [
        ("NOVACONSOLE_READ_ONLY", is_told)
    ]


def test_a_read_only_default_that_is_ignored_is_told(run: Runner) -> None:
    done = run("--url", URL, "--stdin", env={"NOVACONSOLE_READ_ONLY": "1"})

    assert done.stderr.splitlines()[0] == (
        "novaconsole: NOVACONSOLE_READ_ONLY is ignored: "
        "--stdin cannot be used with --read-only"
    )


def test_only_verbose_tells_of_an_ignored_default(run: Runner) -> None:
    says = "NOVACONSOLE_HISTORY is ignored: --history requires a server name or UUID"

    for option, is_told in ((), False), (("-v",), True):
        done = run("--url", URL, *option, env={"NOVACONSOLE_HISTORY": "50"})
        assert done.returncode == 1
        assert "cannot connect to 127.0.0.1:9" in done.stderr
        assert (says in done.stderr) is is_told
