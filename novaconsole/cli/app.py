"""The command line: options in, exit status out.

Nothing but typer is imported before an option is known to need it: `--help` and
`--version` must not wait for trio, nor a URL for openstacksdk.
"""

import gc
import logging
import math
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from novaconsole.cli import options as arguments
from novaconsole.cli import request as options
from novaconsole.cli.process import ensure_standard_streams
from novaconsole.errors import NovaConsoleError, UsageError
from novaconsole.session.escapes import parse_escape_char
from novaconsole.terminal.notices import NoticeHandler, Notices, Verbosity, log_level

if TYPE_CHECKING:
    from novaconsole.commands.attach import AttachRequest
    from novaconsole.commands.check import CheckRequest
    from novaconsole.commands.run import RunRequest

_STATUS_INTERRUPTED = 130
_PROTOCOL_LOGGERS = (
    "novaconsole",
    "trio-websocket",
    "keystoneauth",
    "openstack",
    "py.warnings",
)

app = typer.Typer(
    rich_markup_mode=None,  # plain text, in a fraction of the time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(cls=arguments.GroupedCommand)
def novaconsole(
    *,
    server: arguments.Server = None,
    url: arguments.Url = None,
    cloud: arguments.CloudName = None,
    region: arguments.Region = None,
    demo: arguments.Demo = False,
    check: arguments.Check = False,
    check_enter: arguments.CheckEnter = False,
    json: arguments.Json = False,
    escape: arguments.EscapeChar = "~",
    wait: arguments.Wait = False,
    reconnect: arguments.Reconnect = False,
    history: arguments.HistoryLines = 0,
    close_wait: arguments.CloseWait = 0.5,
    until: arguments.Until = None,
    timeout: arguments.Timeout = None,
    read_only: arguments.ReadOnly = False,
    run: arguments.Run = None,
    login: arguments.Login = None,
    password_file: arguments.PasswordFile = None,
    log: arguments.Log = None,
    record: arguments.Record = None,
    record_input: arguments.RecordInput = False,
    overwrite: arguments.Overwrite = False,
    log_plain: arguments.LogPlain = False,
    log_timestamps: arguments.LogTimestamps = False,
    connect_timeout: arguments.ConnectTimeout = 10,
    keepalive: arguments.Keepalive = 20,
    proxy: arguments.ProxyUrl = None,
    origin: arguments.Origin = None,
    header: arguments.Headers = None,
    no_subprotocols: arguments.NoSubprotocols = False,
    cacert: arguments.Cacert = None,
    cert: arguments.Cert = None,
    key: arguments.Key = None,
    insecure: arguments.Insecure = False,
    quiet: arguments.Quiet = False,
    verbose: arguments.Verbose = False,
    debug: arguments.Debug = False,
    version: arguments.Version = False,
) -> int:
    """Attach the terminal to the serial console of an OpenStack Nova server.

    Type "~." at the start of a line to leave, "~?" for the other escapes. Options can
    be environment variables: NOVACONSOLE_CLOUD, ...
    """
    if quiet and (verbose or debug):
        raise UsageError("--quiet excludes --verbose and --debug")
    verbosity = (
        Verbosity.DEBUG
        if debug
        else Verbosity.VERBOSE
        if verbose
        else Verbosity.QUIET
        if quiet
        else Verbosity.NORMAL
    )
    notices = Notices(verbosity, as_json=json)
    _log_to(notices)
    try:
        escape_char = parse_escape_char(escape)
        for name, seconds in (
            ("--close-wait", close_wait),
            ("--connect-timeout", connect_timeout),
            ("--keepalive", keepalive),
            ("--timeout", timeout),
        ):
            if seconds is not None and math.isnan(seconds):
                raise UsageError(f"{name} wants a number of seconds")
        if overwrite and log is None and record is None:
            raise UsageError("--overwrite wants --log or --record")
        if record_input and record is None:
            raise UsageError("--record-input wants --record")
        if record is not None and record == log:
            raise UsageError("--log and --record want a file each")
        if run is None:
            if login is not None or password_file is not None:
                raise UsageError("--login and --password-file want --run")
        elif until or read_only or reconnect or history or log or record:
            raise UsageError(
                "--run excludes --until, --read-only, --reconnect, --history, --log "
                "and --record"
            )
        tls = options.tls_options(cacert, cert, key, insecure=insecure)
        patterns = options.patterns(until)
        location = options.location(server, url, cloud, region, tls, demo=demo)
        for option, given in (("--history", history), ("--wait", wait)):
            if given and not options.is_in_cloud(location):
                raise UsageError(f"{option} wants a server's name, to ask its cloud")

        from novaconsole.console.connect import ConnectOptions
        from novaconsole.network.proxy import Proxy, choose_proxy
        from novaconsole.websocket.connection import SUBPROTOCOLS

        if proxy:
            Proxy.parse(proxy)  # whether it is one, before anything is opened
        connect = ConnectOptions(
            timeout=connect_timeout,
            keepalive=keepalive,
            subprotocols=() if no_subprotocols else SUBPROTOCOLS,
            headers=options.headers(header, origin),
            proxy=lambda target: choose_proxy(proxy, target, os.environ),
        )
        limit = math.inf if timeout is None else timeout
        if check or check_enter:
            return _check(
                options.check_request(location, connect, may_type=check_enter), notices
            )
        if run is not None:
            from novaconsole.commands.run import RunRequest

            command = RunRequest(
                location=location,
                connect=connect,
                command=run,
                login=login,
                password=options.password(login, password_file),
                timeout=limit,
                wait=wait,
            )
            return _run_command(command, notices)

        from novaconsole.capture.log import LogOptions
        from novaconsole.capture.recording import RecordingOptions
        from novaconsole.commands.attach import AttachRequest
        from novaconsole.session.state import SessionOptions

        request = AttachRequest(
            location=location,
            connect=connect,
            session=SessionOptions(
                escape=escape_char,
                close_wait=close_wait,
                timeout=limit,
                wait=wait,
                reconnect=reconnect,
                history=history,
                until=patterns,
                read_only=read_only,
            ),
            log=LogOptions(
                str(log) if log else None,
                overwrite=overwrite,
                plain=log_plain,
                timestamps=log_timestamps,
            ),
            recording=RecordingOptions(
                str(record), overwrite=overwrite, with_input=record_input
            )
            if record
            else None,
            keyboard_from_terminal=url == "-",
        )
        return _attach(request, notices)
    except NovaConsoleError as exc:
        notices.error(exc)
        notices.event("ended", status=exc.exit_status)
        return exc.exit_status


def main() -> NoReturn:
    """Run the program; the entry point of the command."""
    if os.name != "posix":
        sys.exit("novaconsole: this system is not POSIX; WSL is one that is")
    ensure_standard_streams()
    notices = Notices()
    try:
        status = app(standalone_mode=False, prog_name="novaconsole") or 0
    except typer.TyperException as exc:
        notices.error(UsageError(exc.format_message(), "try: novaconsole --help"))
        status = exc.exit_code
    except NovaConsoleError as exc:
        notices.error(exc)
        status = exc.exit_status
    except (KeyboardInterrupt, typer.Abort):
        status = _STATUS_INTERRUPTED
    except OSError as exc:
        notices.error(UsageError(f"cannot write the output: {exc.strerror}"))
        status = 1
    except SystemExit as exc:
        if not isinstance(exc.__context__, BrokenPipeError):
            raise
        status = 0  # nobody wants what --help says
    status = _flush_output(notices) or status
    # Not sys.exit: a thread that still waits for a cloud is not waited for.
    os._exit(status)


def _flush_output(notices: Notices) -> int:
    """Write what --help or --version printed; the status if that fails."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        return 0  # nobody wants it
    except OSError as exc:
        notices.error(UsageError(f"cannot write the output: {exc.strerror}"))
        return 1
    return 0


def _attach(request: "AttachRequest", notices: Notices) -> int:
    from novaconsole.commands.attach import attach

    async def run() -> int:
        return (await attach(request, notices)).exit_status

    return _run(run, notices)


def _run_command(request: "RunRequest", notices: Notices) -> int:
    from novaconsole.commands.run import run_command

    return _run(lambda: run_command(request, notices), notices)


def _check(request: "CheckRequest", notices: Notices) -> int:
    from novaconsole.commands.check import check

    return _run(lambda: check(request, notices), notices)


def _run(run: Callable[[], Awaitable[int]], notices: Notices) -> int:
    """Run it in trio; what nobody foresaw becomes a message."""
    import trio

    status = 1
    failure: BaseException | None = None
    # What has been imported stays: it need not be searched for garbage again and again.
    gc.freeze()
    try:
        status = trio.run(run)
    except* KeyboardInterrupt:  # before the signals were ours
        status = _STATUS_INTERRUPTED
    except* NovaConsoleError as group:
        failure = _only(group)
    except* Exception as group:  # noqa: BLE001 # the last place that can explain
        first = _only(group)
        notices.error(
            NovaConsoleError(
                f"internal error: {type(first).__name__}: {first}",
                "please report it, with what --debug shows",
            )
        )
        notices.traceback(first)
    if failure is not None:
        raise failure
    notices.event("ended", status=status)
    return status


def _only(group: BaseExceptionGroup[Any]) -> BaseException:
    exc: BaseException = group
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc


def _log_to(notices: Notices) -> None:
    handler = NoticeHandler(notices)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logging.captureWarnings(True)
    for name in _PROTOCOL_LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(log_level(notices.verbosity))
        logger.propagate = False
