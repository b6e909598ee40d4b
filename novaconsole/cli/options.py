"""The command line's options: name, type, default and help, each written once.

`Options` is the whole table.  The command line is parsed by it, `--help` and the manual
page are printed from it, and its fields are what the rest of the program is given.
Every option can also be given as an environment variable.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperCommand

from novaconsole._version import __version__
from novaconsole.cli.values import from_environment, kinds_of, reader, variable

_CONSOLE = "Which console"
_SESSION = "Session"
_UNATTENDED = "Unattended"
_FILES = "Log and recording"
_NETWORK = "Network"
_TLS = "Certificates"
_OTHER = "Messages and help"
GROUPS = (_CONSOLE, _SESSION, _UNATTENDED, _FILES, _NETWORK, _TLS, _OTHER)

_TERM_COLUMNS = 26  # the help of a wider option begins on the next line


class GroupedCommand(TyperCommand):
    """A command with options in groups, of which the values are read here."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, which convert their values as `cli/values.py` does.

        Args:
            ctx: the context of the command.
        """
        parameters: list[Any] = super().get_params(ctx)
        kinds = kinds_of(Options)
        for parameter in parameters:
            parameter.process_value = reader(parameter, kinds)
        return parameters

    def invoke(self, ctx: Any) -> "Options":
        """Return the options.

        Args:
            ctx: the context of the command.
        """
        options: Options = super().invoke(ctx)
        object.__setattr__(options, "from_environment", from_environment(ctx))
        return options

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the groups.

        Args:
            ctx: the context of the command.
            formatter: collects the text.
        """
        for group, records in option_groups(self, ctx).items():
            with formatter.section(group):
                formatter.write_dl(records, col_max=_TERM_COLUMNS)


def option_groups(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    """Return the options as users write them, each with its help, in groups.

    Args:
        command: made by typer from `Options`.
        context: the context of the command.
    """
    groups: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.param_type_name == "option":
            group = getattr(parameter, "rich_help_panel", None) or _OTHER
            text = _with_default(record[1], parameter.default)
            groups[group].append((_without_aliases(record[0]), text))
    return groups


def _without_aliases(term: str) -> str:
    """Leave out `--os-cloud` and the like, which exist for scripts that use them."""
    return ", ".join(name for name in term.split(", ") if not name.startswith("--os-"))


def _with_default(text: str, default: object) -> str:
    """Append a default before the full stop; one that means "off" is left out."""
    text = text.rstrip()
    if not isinstance(default, str | int | float) or not default:
        return text
    shown = default if isinstance(default, str) else f"{default:g}"
    return f"{text.removesuffix('.')} [default: {shown}]."


def _option(
    *flags: str,
    help: str,  # noqa: A002 # as typer's
    group: str,
    **settings: Any,
) -> Any:
    """Describe an option that can be given as an environment variable as well."""
    name = flags[-1].removeprefix("--").replace("-", "_")
    return typer.Option(
        *flags,
        help=help,
        rich_help_panel=group,
        envvar=variable(name),
        show_envvar=False,
        show_default=False,  # option_groups shows it
        **settings,
    )


def _repeatable(
    *flags: str,
    metavar: str,
    help: str,  # noqa: A002 # as typer's
    group: str,
) -> Any:
    """Describe an option that may be given several times.

    Its variable has a line for each value, which typer cannot split: `values` does.
    """
    return typer.Option(
        *flags, metavar=metavar, help=help, rich_help_panel=group, show_default=False
    )


def _complete_cloud(incomplete: str) -> list[str]:
    from novaconsole.commands.complete import complete_cloud

    return complete_cloud(incomplete)


def _complete_server(ctx: typer.Context, incomplete: str) -> list[str]:
    from novaconsole.commands.complete import complete_server

    cloud, region = ctx.params.get("cloud"), ctx.params.get("region")
    return complete_server(incomplete, cloud, region)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"novaconsole {__version__}")
        raise typer.Exit


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user gave on the command line or in the environment, not yet checked.

    Attributes:
        from_environment: the names of the fields that variables gave.  It is no field
            itself, since typer would make an option of it.
    """

    from_environment: ClassVar[frozenset[str]] = frozenset()

    server: Annotated[
        str | None,
        typer.Argument(
            metavar="SERVER",
            help="The name or UUID of a server, or a ws:// or wss:// URL.",
            autocompletion=_complete_server,
            show_default=False,
        ),
    ] = None

    # ---- which console

    url: Annotated[
        str | None,
        _option(
            "--url",
            metavar="URL",
            help="Websocket URL to attach to; - reads it from stdin.",
            group=_CONSOLE,
        ),
    ] = None
    cloud: Annotated[
        str | None,
        _option(
            "--os-cloud",
            "--cloud",
            metavar="NAME",
            help="Cloud in clouds.yaml [default: $OS_CLOUD or OS_* variables].",
            group=_CONSOLE,
            autocompletion=_complete_cloud,
        ),
    ] = None
    region: Annotated[
        str | None,
        _option(
            "--os-region-name",
            "--region",
            metavar="NAME",
            help="Region of the cloud [default: the configured one].",
            group=_CONSOLE,
        ),
    ] = None
    demo: Annotated[
        bool,
        _option(
            "--demo",
            help="Attach to a built-in demo console; needs no cloud.",
            group=_CONSOLE,
        ),
    ] = False
    check: Annotated[
        bool,
        _option(
            "--check",
            help="Check the way to the console step by step, then exit.",
            group=_CONSOLE,
        ),
    ] = False
    check_enter: Annotated[
        bool,
        _option(
            "--check-enter",
            help="Like --check, but also press Enter and wait for output.",
            group=_CONSOLE,
        ),
    ] = False

    # ---- session

    escape: Annotated[
        str,
        _option(
            "-e",
            "--escape",
            metavar="CHAR",
            help="Escape character; may be ^X or none.",
            group=_SESSION,
        ),
    ] = "~"
    wait: Annotated[
        bool,
        _option(
            "--wait",
            help="Wait until the server exists and is running.",
            group=_SESSION,
        ),
    ] = False
    reconnect: Annotated[
        bool,
        _option(
            "--reconnect",
            help="Attach again when the connection is lost.",
            group=_SESSION,
        ),
    ] = False
    history: Annotated[
        int,
        _option(
            "-n",
            "--history",
            metavar="N",
            help="Show the last N lines of the console log first.",
            group=_SESSION,
        ),
    ] = 0
    close_wait: Annotated[
        float,
        _option(
            "-w",
            "--close-wait",
            metavar="SECONDS",
            help="Wait for output after piped input.",
            group=_SESSION,
        ),
    ] = 0.5

    # ---- unattended

    until: Annotated[
        list[str] | None,
        _repeatable(
            "--until",
            metavar="REGEX",
            help="Exit when the output matches REGEX; repeatable.",
            group=_UNATTENDED,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        _option(
            "--timeout",
            metavar="SECONDS",
            help="Exit with status 124 after this many seconds.",
            group=_UNATTENDED,
        ),
    ] = None
    stdin: Annotated[
        bool,
        _option(
            "-i",
            "--stdin",
            help="Read standard input also with --run and --until.",
            group=_UNATTENDED,
        ),
    ] = False
    read_only: Annotated[
        bool,
        _option("--read-only", help="Send nothing to the guest.", group=_UNATTENDED),
    ] = False
    run: Annotated[
        str | None,
        _option(
            "--run",
            metavar="COMMAND",
            help="Run COMMAND in the guest and exit with its status.",
            group=_UNATTENDED,
        ),
    ] = None
    login: Annotated[
        str | None,
        _option(
            "--login",
            metavar="USER",
            help="With --run, run it as USER, and log in if needed.",
            group=_UNATTENDED,
        ),
    ] = None
    force_login: Annotated[
        bool,
        _option(
            "--force-login",
            help="Log out another user's shell, to log in as USER.",
            group=_UNATTENDED,
        ),
    ] = False
    password_file: Annotated[
        Path | None,
        _option(
            "--password-file",
            metavar="FILE",
            help="Password for --login [default: $NOVACONSOLE_PASSWORD].",
            group=_UNATTENDED,
        ),
    ] = None

    # ---- log and recording

    log: Annotated[
        Path | None,
        _option(
            "--log",
            metavar="FILE",
            help="Append output to FILE; {server} and {time} are replaced.",
            group=_FILES,
        ),
    ] = None
    record: Annotated[
        Path | None,
        _option(
            "--record",
            metavar="FILE",
            help="Record the session in FILE, to be played by asciinema.",
            group=_FILES,
        ),
    ] = None
    record_input: Annotated[
        bool,
        _option(
            "--record-input",
            help="Record what you type as well, including passwords.",
            group=_FILES,
        ),
    ] = False
    overwrite: Annotated[
        bool,
        _option(
            "--overwrite",
            help="Overwrite an existing log or recording.",
            group=_FILES,
        ),
    ] = False
    log_plain: Annotated[
        bool,
        _option(
            "--log-plain",
            help="Log plain text, without control sequences.",
            group=_FILES,
        ),
    ] = False
    log_timestamps: Annotated[
        bool,
        _option(
            "--log-timestamps",
            help="Begin each line of the log with its time.",
            group=_FILES,
        ),
    ] = False

    # ---- network

    connect_timeout: Annotated[
        float,
        _option(
            "--connect-timeout",
            metavar="SECONDS",
            help="Seconds to connect, TLS included.",
            group=_NETWORK,
        ),
    ] = 10
    keepalive: Annotated[
        float,
        _option(
            "--keepalive",
            metavar="SECONDS",
            help="Seconds between pings, 0 for none.",
            group=_NETWORK,
        ),
    ] = 20
    proxy: Annotated[
        str | None,
        _option(
            "--proxy",
            metavar="URL",
            help="HTTP or SOCKS proxy [default: $HTTPS_PROXY ...].",
            group=_NETWORK,
        ),
    ] = None
    origin: Annotated[
        str | None,
        _option(
            "--origin",
            metavar="URL",
            help="Send this Origin header.",
            group=_NETWORK,
        ),
    ] = None
    header: Annotated[
        list[str] | None,
        _repeatable(
            "-H",
            "--header",
            metavar="'NAME: VALUE'",
            help="Send this header; repeatable.",
            group=_NETWORK,
        ),
    ] = None
    no_subprotocols: Annotated[
        bool,
        _option(
            "-N",
            "--no-subprotocols",
            help="Offer no websocket subprotocol.",
            group=_NETWORK,
        ),
    ] = False

    # ---- certificates

    cacert: Annotated[
        Path | None,
        _option(
            "--cacert",
            metavar="FILE",
            help="CA certificates to trust, a file or directory.",
            group=_TLS,
        ),
    ] = None
    cert: Annotated[
        Path | None,
        _option(
            "--cert",
            metavar="FILE",
            help="Client certificate to present.",
            group=_TLS,
        ),
    ] = None
    key: Annotated[
        Path | None,
        _option(
            "--key",
            metavar="FILE",
            help="Private key of --cert [default: in the same file].",
            group=_TLS,
        ),
    ] = None
    insecure: Annotated[
        bool,
        _option("--insecure", help="Do not verify certificates.", group=_TLS),
    ] = False

    # ---- messages and help

    json: Annotated[
        bool,
        _option(
            "--json",
            help="Write messages as JSON objects, one per line.",
            group=_OTHER,
        ),
    ] = False
    quiet: Annotated[
        bool,
        _option("-q", "--quiet", help="Show only errors.", group=_OTHER),
    ] = False
    verbose: Annotated[
        bool,
        _option("-v", "--verbose", help="Show more messages.", group=_OTHER),
    ] = False
    debug: Annotated[
        bool,
        _option(
            "-d",
            "--debug",
            help="Show the protocol and tracebacks.",
            group=_OTHER,
        ),
    ] = False
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and exit.",
            is_eager=True,
            callback=_print_version,
            rich_help_panel=_OTHER,
        ),
    ] = False
