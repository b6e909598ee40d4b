"""The typer application: arguments in, `Options` out, and the entry point.

Only typer is imported up to here: `--help`, `--version` and usage errors wait neither
for trio nor for openstacksdk.
"""

from typing import NoReturn

import typer

from novaconsole.cli import process
from novaconsole.cli.options import GroupedCommand, Options
from novaconsole.cli.wording import usage_error
from novaconsole.errors import STATUS_INTERRUPTED

_HELP = """Attach the terminal to the serial console of an OpenStack Nova server.

Type "~." at the start of a line to disconnect, "~?" for a list of escapes.
Options can be environment variables, such as NOVACONSOLE_CLOUD.
"""

app = typer.Typer(
    rich_markup_mode=None,  # plain text, in a fraction of the time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# The command is the table of options itself: typer reads the names, types, defaults and
# help from its fields, and calls it with the values.
app.command("novaconsole", cls=GroupedCommand, help=_HELP)(Options)


def main() -> NoReturn:
    """Run the program and exit with its status."""
    process.exit_with(_run)


def _run() -> int:
    try:
        options = app(standalone_mode=False, prog_name="novaconsole")
    except typer.TyperException as exc:
        raise usage_error(exc) from exc
    except typer.Abort:
        return STATUS_INTERRUPTED
    if isinstance(options, Options):
        return process.run(options)
    return options or 0  # the status of --help or --version
