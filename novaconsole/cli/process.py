"""The process around a command: standard streams, messages, trio and the exit status.

Every way out of the program that is not a signal ends in `exit_with`.
"""

import gc
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from novaconsole.cli.conflicts import without_unfit_defaults
from novaconsole.cli.library_logs import log_to
from novaconsole.cli.options import Options
from novaconsole.cli.request import requested
from novaconsole.errors import STATUS_INTERRUPTED, NovaConsoleError, OutputFailed
from novaconsole.terminal.notices import Notices, Verbosity

if TYPE_CHECKING:
    from novaconsole.commands.attach import AttachRequest
    from novaconsole.commands.check import CheckRequest
    from novaconsole.commands.run import RunRequest


# ---- the process


def exit_with(run: Callable[[], int]) -> NoReturn:
    """Run the program and exit with its status.

    Args:
        run: returns the status; what it raises becomes a message.
    """
    if os.name != "posix":
        sys.exit("novaconsole: this system is not POSIX; on Windows, use WSL")
    ensure_standard_streams()
    notices = Notices()
    try:
        status = run()
        if sys.stdout is not None:
            sys.stdout.flush()  # what --help or --version printed
    except NovaConsoleError as exc:
        status = _report(exc, notices)
    except KeyboardInterrupt:
        status = STATUS_INTERRUPTED
    except BrokenPipeError:
        status = 0  # the reader of --help has gone, which is no error
    except OSError as exc:
        status = _report(OutputFailed.because(exc), notices)
    except SystemExit as exc:
        # typer exits with 1 if the reader has gone while it was printing.
        if not isinstance(exc.__context__, BrokenPipeError):
            raise
        status = 0
    # Not sys.exit, which would wait for a thread that still waits for a cloud.
    os._exit(status)


def ensure_standard_streams() -> None:
    """Open /dev/null in place of the standard streams that are closed.

    Otherwise the next file or socket would get the number 0, 1 or 2, and take our
    input or messages (as OpenSSH's sanitise_stdfd).
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            # open() returns the lowest free number, and all below are taken.
            os.open(os.devnull, os.O_RDWR)


def _report(error: NovaConsoleError, notices: Notices) -> int:
    """Tell the user of an error; return its exit status."""
    notices.error(error)
    return error.exit_status


# ---- a command


def run(options: Options) -> int:
    """Do what the options ask for; return the exit status.

    Args:
        options: as the user gave them.
    """
    given = options.from_environment
    options, ignored = without_unfit_defaults(options, given)
    notices = Notices(_verbosity(options), as_json=options.json)
    log_to(notices)
    for variable, reason, was_guard in ignored:
        level = Verbosity.NORMAL if was_guard else Verbosity.VERBOSE
        notices.say(f"{variable} is ignored: {reason}", level)
    try:
        request = requested(options, given)
    except NovaConsoleError as exc:
        status = _report(exc, notices)
    else:
        status = _run_in_trio(request, notices)
    notices.event("ended", status=status)
    notices.end_line()
    return status


def _verbosity(options: Options) -> Verbosity:
    if options.quiet:  # first: with --debug, it is an error that needs no traceback
        return Verbosity.QUIET
    if options.debug:
        return Verbosity.DEBUG
    return Verbosity.VERBOSE if options.verbose else Verbosity.NORMAL


def _run_in_trio(
    request: "AttachRequest | RunRequest | CheckRequest", notices: Notices
) -> int:
    """Carry out a request; every exception becomes a message and a status."""
    import trio

    status = 1
    # Modules are never garbage: this spares every collection the search through them.
    gc.freeze()
    try:
        status = trio.run(_carry_out, request, notices)
    except* KeyboardInterrupt:  # before received_signals() took over
        status = STATUS_INTERRUPTED
    except* NovaConsoleError as group:
        error = _first_of(group)
        assert isinstance(error, NovaConsoleError)
        status = _report(error, notices)
    except* Exception as group:  # noqa: BLE001 # the last place that can explain
        cause = _first_of(group)
        notices.error(
            NovaConsoleError(
                f"internal error: {type(cause).__name__}: {cause}",
                "report it, together with what --debug shows",
            )
        )
        notices.traceback(cause)
    return status


async def _carry_out(
    request: "AttachRequest | RunRequest | CheckRequest", notices: Notices
) -> int:
    # By its kind, not its class: only the module of this command has been loaded.
    if request.kind == "check":
        from novaconsole.commands.check import check

        return await check(request, notices)
    if request.kind == "run":
        from novaconsole.commands.run import run_command

        return await run_command(request, notices)
    from novaconsole.commands.attach import attach

    return (await attach(request, notices)).exit_status


def _first_of(group: BaseExceptionGroup[Any]) -> BaseException:
    exc: BaseException = group
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc
