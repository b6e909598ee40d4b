"""Which options exclude or require one another: one table.

The rows are checked in order, and the first that does not hold is reported.

What a variable of the environment gives is a default: where it does not fit what stands
on the command line, it is ignored, and never an error.  Of two defaults that do not fit
each other the safer one stays, so the rules about what is safe come first.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from novaconsole.cli.options import Options
from novaconsole.cli.values import variable
from novaconsole.commands.validate import is_server_name
from novaconsole.errors import UsageError

# Stands in the table for SERVER, if that is not a URL.
SERVER_NAME = "a server name or UUID"
_NOT_EMPTY = {"server", "url"}


@dataclass(frozen=True)
class ExactlyOne:
    """Exactly one of the options must be given.

    Attributes:
        options: as the user writes them.
        missing: the message and the hint if none is given.
    """

    options: tuple[str, ...]
    missing: tuple[str, str]

    def error(self, given: frozenset[str]) -> UsageError | None:
        """Return the error for options that break this rule, or None."""
        found = [option for option in self.options if option in given]
        if not found:
            return UsageError(*self.missing)
        if len(found) == 1:
            return None
        return UsageError(
            f"{' and '.join(found[1:])} cannot be used with {found[0]}",
            f"give only one of {', '.join(self.options)}",
        )

    def unfit(self, given: frozenset[str], defaults: frozenset[str]) -> set[str]:
        """Return the defaults that give way; of several the first one stays."""
        found = [option for option in self.options if option in given]
        stays = [option for option in found if option not in defaults] or found[:1]
        return {*found} - {*stays}


@dataclass(frozen=True)
class Excludes:
    """None of the others may be given with the option.

    Attributes:
        option: as the user writes it.
        others: the options that it excludes.
        is_guard: whether the option protects the guest, so that a user who has it as a
            default is told when it does not apply.
    """

    option: str
    others: tuple[str, ...]
    is_guard: bool = False

    def error(self, given: frozenset[str]) -> UsageError | None:
        """Return the error for options that break this rule, or None."""
        found = [other for other in self.others if other in given]
        if self.option not in given or not found:
            return None
        return UsageError(f"{' and '.join(found)} cannot be used with {self.option}")

    def unfit(self, given: frozenset[str], defaults: frozenset[str]) -> set[str]:
        """Return the defaults that give way; of two the option itself stays."""
        found = given & {*self.others}
        if self.option not in given or not found:
            return set()
        if self.option in defaults and not found <= defaults:
            return {self.option}
        return {*found & defaults}


@dataclass(frozen=True)
class Requires:
    """At least one of the others must be given with the option.

    Attributes:
        option: as the user writes it.
        others: the options of which it requires one.
        hint: what to try, or None.
    """

    option: str
    others: tuple[str, ...]
    hint: str | None = None

    def error(self, given: frozenset[str]) -> UsageError | None:
        """Return the error for options that break this rule, or None."""
        if self.option not in given or given & {*self.others}:
            return None
        return UsageError(
            f"{self.option} requires {' or '.join(self.others)}", self.hint
        )

    def unfit(self, given: frozenset[str], defaults: frozenset[str]) -> set[str]:
        """Return the option, if it is a default that lacks what it requires."""
        return {self.option} & defaults if self.error(given) else set()


Rule = ExactlyOne | Excludes | Requires

_NO_CLOUD = "give SERVER by name or UUID: a URL or the demo has no cloud to ask"

_OF_A_LOG = ("--log-plain", "--log-timestamps")

# What ends or changes a session, of which a check has none.
_NOT_CHECKED = (
    *("--escape", "--wait", "--reconnect", "--history", "--close-wait"),
    *("--until", "--stdin", "--run", "--log", "--record"),
    *_OF_A_LOG,
)

RULES: tuple[Rule, ...] = (
    Excludes("--read-only", ("--stdin", "--run", "--check-enter"), is_guard=True),
    Excludes("--quiet", ("--verbose", "--debug")),
    Requires("--overwrite", ("--log", "--record")),
    Requires("--record-input", ("--record",)),
    Requires("--login", ("--run",)),
    Requires("--password-file", ("--run",)),
    Requires("--force-login", ("--login",)),
    Excludes(
        "--run",
        (
            *("--until", "--reconnect", "--history", "--log", "--record"),
            *_OF_A_LOG,
        ),
    ),
    Excludes("--cacert", ("--insecure",)),
    Requires("--key", ("--cert",)),
    ExactlyOne(
        ("SERVER", "--url", "--demo"),
        missing=(
            "no server given",
            "give a server, or try novaconsole --demo, which needs no cloud",
        ),
    ),
    Requires("--history", (SERVER_NAME,), _NO_CLOUD),
    Requires("--wait", (SERVER_NAME,), _NO_CLOUD),
    Requires("--cloud", (SERVER_NAME,), _NO_CLOUD),
    Requires("--region", (SERVER_NAME,), _NO_CLOUD),
    Excludes("--demo", ("--check", "--check-enter")),
    Excludes("--check", (*_NOT_CHECKED, "--read-only")),
    Excludes("--check-enter", _NOT_CHECKED),
)


class Ignored(NamedTuple):
    """A default of the environment that does not apply.

    Attributes:
        variable: that gave it.
        reason: which rule it would break.
        was_guard: whether it would have protected the guest.
    """

    variable: str
    reason: str
    was_guard: bool = False


def without_unfit_defaults(
    options: Options, from_environment: frozenset[str]
) -> tuple[Options, list[Ignored]]:
    """Leave out what the environment gives, but what does not apply here.

    Args:
        options: as they were given.
        from_environment: the names of the fields that variables gave.
    """
    names = {_option(name): name for name in from_environment}
    defaults = frozenset(names)
    ignored = list[Ignored]()
    while unfit := _first_unfit(given_options(options), defaults):
        rule, reason, dropped = unfit
        for option in sorted(dropped):
            name = names[option]
            initial = {each.name: each.default for each in fields(options)}
            changes: dict[str, Any] = {name: initial[name]}
            options = replace(options, **changes)
            was_guard = isinstance(rule, Excludes) and (
                rule.is_guard and option == rule.option
            )
            ignored.append(Ignored(variable(name), reason, was_guard))
        defaults -= dropped
    return options, ignored


def _first_unfit(
    given: frozenset[str], defaults: frozenset[str]
) -> tuple[Rule, str, set[str]] | None:
    for rule in RULES:
        error = rule.error(given)
        if error is not None and (dropped := rule.unfit(given, defaults)):
            return rule, str(error), dropped
    return None


def check_conflicts(options: Options) -> None:
    """Check the options against every rule.

    Raises:
        UsageError: a rule does not hold.
    """
    given = given_options(options)
    for rule in RULES:
        error = rule.error(given)
        if error is not None:
            raise error


def given_options(options: Options) -> frozenset[str]:
    """Return the options that have been given, as the user writes them.

    One that has its default's value does not count, nor does an empty SERVER or URL.
    """
    given = set()
    for field in fields(options):
        value = getattr(options, field.name)
        is_empty = value in ((), []) or (value == "" and field.name in _NOT_EMPTY)
        if value != field.default and not is_empty:
            given.add(_option(field.name))
    if options.server and is_server_name(options.server):
        given.add(SERVER_NAME)
    return frozenset(given)


def _option(name: str) -> str:
    return "SERVER" if name == "server" else f"--{name.replace('_', '-')}"
