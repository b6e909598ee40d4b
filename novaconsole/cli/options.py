"""What the command line takes: each argument and option with its help, in groups.

The same words make `--help` and the manual page.  Every option can also be given as
an environment variable.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from novaconsole._version import __version__
from novaconsole.errors import NovaConsoleError

_WHERE = "Which console"
_SESSION = "Session"
_UNATTENDED = "Unattended"
_LOG = "Log and recording"
_NETWORK = "Network"
_TLS = "Certificates"
_OTHER = "Messages and help"
GROUPS = (_WHERE, _SESSION, _UNATTENDED, _LOG, _NETWORK, _TLS, _OTHER)

_RANGE = "[x>=0]"  # which goes without saying
_TERM_COLUMNS = 26  # what is wider moves its help to the next line


class GroupedCommand(TyperCommand):
    """A command whose `--help` lists the options in groups, a line each."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the groups.

        Args:
            ctx: of the command.
            formatter: takes the text.
        """
        for group, records in option_groups(self, ctx).items():
            with formatter.section(group):
                formatter.write_dl(records, col_max=_TERM_COLUMNS)


def option_groups(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    """The options as people write them, each with its meaning, by groups.

    Args:
        command: of typer.
        context: for it.
    """
    groups: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.param_type_name == "option":
            group = getattr(parameter, "rich_help_panel", None) or _OTHER
            meaning = record[1].removesuffix(_RANGE).rstrip()
            groups[group].append((_without_aliases(record[0]), meaning))
    return groups


def _without_aliases(term: str) -> str:
    """`--os-cloud` is there for scripts that have it, not to be learned."""
    return ", ".join(name for name in term.split(", ") if not name.startswith("--os-"))


def _option(
    *flags: str,
    help: str,  # noqa: A002 # as typer's
    panel: str,
    **settings: Any,
) -> Any:
    """An option that can be given as an environment variable as well."""
    name = flags[-1].removeprefix("--").replace("-", "_").upper()
    return typer.Option(
        *flags,
        help=help,
        rich_help_panel=panel,
        envvar=f"NOVACONSOLE_{name}",
        show_envvar=False,
        show_default=False,  # the help says it, where it matters
        **settings,
    )


def _complete_cloud(incomplete: str) -> list[str]:
    from novaconsole.cloud.config import cloud_names

    return [name for name in cloud_names() if name.startswith(incomplete)]


def _complete_server(ctx: typer.Context, incomplete: str) -> list[str]:
    from novaconsole.cloud.client import Cloud
    from novaconsole.cloud.config import CloudOptions

    cloud = Cloud(CloudOptions(ctx.params.get("cloud"), ctx.params.get("region")))
    try:
        return cloud.server_names(incomplete)
    except NovaConsoleError:
        return []  # a message would land in the line that is being typed
    finally:
        cloud.close()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"novaconsole {__version__}")
        raise typer.Exit


Server = Annotated[
    str | None,
    typer.Argument(
        metavar="SERVER",
        help="A server's name, its UUID, or a ws:// or wss:// URL.",
        autocompletion=_complete_server,
        show_default=False,
    ),
]

# ---- which console

Url = Annotated[
    str | None,
    _option(
        "--url",
        metavar="URL",
        help="This websocket; - reads its URL from standard input.",
        panel=_WHERE,
    ),
]
CloudName = Annotated[
    str | None,
    _option(
        "--os-cloud",
        "--cloud",
        metavar="NAME",
        help="Of clouds.yaml; else $OS_CLOUD, or OS_* variables.",
        panel=_WHERE,
        autocompletion=_complete_cloud,
    ),
]
Region = Annotated[
    str | None,
    _option(
        "--os-region-name",
        "--region",
        metavar="NAME",
        help="Region of the cloud.",
        panel=_WHERE,
    ),
]
Demo = Annotated[
    bool,
    _option("--demo", help="A built-in console to try; needs no cloud.", panel=_WHERE),
]
Check = Annotated[
    bool,
    _option("--check", help="Only see, step by step, whether it works.", panel=_WHERE),
]
CheckEnter = Annotated[
    bool,
    _option(
        "--check-enter",
        help="As --check; also press Enter and wait for output.",
        panel=_WHERE,
    ),
]
Json = Annotated[
    bool,
    _option("--json", help="Messages as JSON objects, a line each.", panel=_OTHER),
]

# ---- session

EscapeChar = Annotated[
    str,
    _option(
        "-e",
        "--escape",
        metavar="CHAR",
        help="Escape character, ^X, or none; ~ if not given.",
        panel=_SESSION,
    ),
]
Wait = Annotated[
    bool,
    _option("--wait", help="Wait until the server is there and runs.", panel=_SESSION),
]
Reconnect = Annotated[
    bool,
    _option(
        "--reconnect", help="Attach again when the connection is lost.", panel=_SESSION
    ),
]
HistoryLines = Annotated[
    int,
    _option(
        "-n",
        "--history",
        metavar="N",
        min=0,
        help="First the last N lines of the console log.",
        panel=_SESSION,
    ),
]
CloseWait = Annotated[
    float,
    _option(
        "-w",
        "--close-wait",
        metavar="SECONDS",
        min=0,
        help="Silence that ends piped input's session; 0.5.",
        panel=_SESSION,
    ),
]

# ---- unattended

Until = Annotated[
    list[str] | None,
    typer.Option(
        "--until",
        metavar="REGEX",
        help="End when the output matches; repeatable.",
        rich_help_panel=_UNATTENDED,
        show_default=False,
    ),
]
Timeout = Annotated[
    float | None,
    _option(
        "--timeout",
        metavar="SECONDS",
        min=0,
        help="End with status 124 after so long.",
        panel=_UNATTENDED,
    ),
]
Run = Annotated[
    str | None,
    _option(
        "--run",
        metavar="COMMAND",
        help="Run it in the guest; end with its status.",
        panel=_UNATTENDED,
    ),
]
Login = Annotated[
    str | None,
    _option(
        "--login",
        metavar="USER",
        help="With --run: log in, if the guest wants it.",
        panel=_UNATTENDED,
    ),
]
PasswordFile = Annotated[
    Path | None,
    _option(
        "--password-file",
        metavar="FILE",
        help="Else $NOVACONSOLE_PASSWORD, or asked for.",
        panel=_UNATTENDED,
    ),
]
ReadOnly = Annotated[
    bool,
    _option("--read-only", help="Send nothing to the guest.", panel=_UNATTENDED),
]

# ---- log

Log = Annotated[
    Path | None,
    _option(
        "--log",
        metavar="FILE",
        help="Append output to FILE; fills in {server}, {time}.",
        panel=_LOG,
    ),
]
Record = Annotated[
    Path | None,
    _option(
        "--record",
        metavar="FILE",
        help="Record the session, to be played by asciinema.",
        panel=_LOG,
    ),
]
RecordInput = Annotated[
    bool,
    _option(
        "--record-input",
        help="Record what you type as well, passwords too.",
        panel=_LOG,
    ),
]
Overwrite = Annotated[
    bool,
    _option("--overwrite", help="Start log and recording afresh.", panel=_LOG),
]
LogPlain = Annotated[
    bool,
    _option("--log-plain", help="Log plain text, no control sequences.", panel=_LOG),
]
LogTimestamps = Annotated[
    bool,
    _option("--log-timestamps", help="Log each line with its time.", panel=_LOG),
]

# ---- network

ConnectTimeout = Annotated[
    float,
    _option(
        "--connect-timeout",
        metavar="SECONDS",
        min=0,
        help="For TCP, TLS and websocket together; 10.",
        panel=_NETWORK,
    ),
]
Keepalive = Annotated[
    float,
    _option(
        "--keepalive",
        metavar="SECONDS",
        min=0,
        help="Between pings, 20; 0: none. Two lost end it.",
        panel=_NETWORK,
    ),
]
ProxyUrl = Annotated[
    str | None,
    _option(
        "--proxy",
        metavar="URL",
        help="http:// or socks5://; else $HTTPS_PROXY, ...",
        panel=_NETWORK,
    ),
]
Origin = Annotated[
    str | None,
    _option("--origin", metavar="URL", help="Send this Origin header.", panel=_NETWORK),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "-H",
        "--header",
        metavar="'NAME: VALUE'",
        help="Send this header; repeatable.",
        rich_help_panel=_NETWORK,
        show_default=False,
    ),
]
NoSubprotocols = Annotated[
    bool,
    _option(
        "-N",
        "--no-subprotocols",
        help="Offer no websocket subprotocol.",
        panel=_NETWORK,
    ),
]

# ---- certificates

Cacert = Annotated[
    Path | None,
    _option(
        "--cacert", metavar="FILE", help="CA bundle for wss:// and cloud.", panel=_TLS
    ),
]
Cert = Annotated[
    Path | None,
    _option("--cert", metavar="FILE", help="Client certificate.", panel=_TLS),
]
Key = Annotated[
    Path | None, _option("--key", metavar="FILE", help="Key of --cert.", panel=_TLS)
]
Insecure = Annotated[
    bool, _option("--insecure", help="Do not check certificates.", panel=_TLS)
]

# ---- messages and help

Quiet = Annotated[bool, _option("-q", "--quiet", help="Fewer messages.", panel=_OTHER)]
Verbose = Annotated[
    bool, _option("-v", "--verbose", help="More messages.", panel=_OTHER)
]
Debug = Annotated[
    bool,
    _option("-d", "--debug", help="Show the protocol, and tracebacks.", panel=_OTHER),
]
Version = Annotated[
    bool,
    typer.Option(
        "--version",
        help="Show the version and exit.",
        is_eager=True,
        callback=_print_version,
        rich_help_panel=_OTHER,
    ),
]
