"""Which options exclude or require one another: one table.

The rows are checked in order, and the first that does not hold is reported.
"""

from dataclasses import dataclass, fields

from novaconsole.cli.options import Options
from novaconsole.commands.validate import is_server_name
from novaconsole.errors import UsageError

# Stands in the table for SERVER, if that is not a URL.
SERVER_NAME = "a server name or UUID"


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


@dataclass(frozen=True)
class Excludes:
    """None of the others may be given with the option.

    Attributes:
        option: as the user writes it.
        others: the options that it excludes.
    """

    option: str
    others: tuple[str, ...]

    def error(self, given: frozenset[str]) -> UsageError | None:
        """Return the error for options that break this rule, or None."""
        found = [other for other in self.others if other in given]
        if self.option not in given or not found:
            return None
        return UsageError(f"{' and '.join(found)} cannot be used with {self.option}")


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


Rule = ExactlyOne | Excludes | Requires

_NO_CLOUD = "give SERVER by name or UUID: a URL or the demo has no cloud to ask"

RULES: tuple[Rule, ...] = (
    Excludes("--quiet", ("--verbose", "--debug")),
    Requires("--overwrite", ("--log", "--record")),
    Requires("--record-input", ("--record",)),
    Requires("--login", ("--run",)),
    Requires("--password-file", ("--run",)),
    Requires("--force-login", ("--login",)),
    Excludes(
        "--run",
        ("--until", "--read-only", "--reconnect", "--history", "--log", "--record"),
    ),
    Excludes("--stdin", ("--run", "--read-only")),
    Excludes("--insecure", ("--cacert",)),
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
    Excludes("--demo", ("--check", "--check-enter")),
)


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

    A switch that is off, 0 lines of history and an empty SERVER or URL do not count.
    """
    given = set()
    for field in fields(options):
        value = getattr(options, field.name)
        name = f"--{field.name.replace('_', '-')}"
        can_be_empty = name not in ("--server", "--url")
        if value or (value == "" and can_be_empty):
            given.add("SERVER" if name == "--server" else name)
    if options.server and is_server_name(options.server):
        given.add(SERVER_NAME)
    return frozenset(given)
