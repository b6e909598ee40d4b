"""From options to a request: everything is validated here, and nothing is opened.

`requested` gives a frozen value that a command carries out.  It raises a UsageError for
whatever makes no sense, before a file is created or a network is used.  What can be
checked without trio is checked first, so that a usage error is reported at once.
"""

import math
import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from novaconsole.cli.conflicts import check_conflicts
from novaconsole.cli.options import Options
from novaconsole.cli.password import MAX_LINE_BYTES, guest_password, read_line
from novaconsole.cli.values import STANDARD_STREAM, naming, shown, source
from novaconsole.commands.validate import (
    check_certificate_files,
    is_server_name,
    parse_headers,
    proxy_chooser,
)
from novaconsole.errors import UsageError
from novaconsole.network.proxy import Proxy
from novaconsole.network.target import Target, TLSOptions

if TYPE_CHECKING:
    from novaconsole.commands.attach import AttachRequest
    from novaconsole.commands.check import CheckRequest
    from novaconsole.commands.run import RunRequest
    from novaconsole.console.connect import ConnectOptions
    from novaconsole.console.source import CloudServer, ConsoleUrl, Demo
    from novaconsole.guest.expect import Patterns

    Location = ConsoleUrl | CloudServer | Demo

_CR, _LF = 0x0D, 0x0A
_CONTROL_CHAR = re.compile(r"\^[?-_a-z]")


def requested(
    options: Options, from_environment: frozenset[str] = frozenset()
) -> "AttachRequest | RunRequest | CheckRequest":
    """Return what the options ask for.

    Reads the URL of `--url -` and the guest's password, where they are needed.

    Args:
        options: as the user gave them.
        from_environment: the fields that variables gave, for messages.

    Raises:
        UsageError: they make no sense, or a file that they name is of no use.
    """
    check_conflicts(options)
    given = from_environment
    if options.demo:  # to which certificates do not apply, so that defaults do no harm
        unused: dict[str, Any] = dict.fromkeys(given & {"cacert", "cert", "key"})
        options = replace(options, **unused)
    with naming(source("escape", given)):
        escape = parse_escape_char(options.escape)
    _check_files(options, given)
    headers = _headers(options, given)
    with naming(source("until", given)):
        patterns = _patterns(options)
    with naming(source("proxy", given)):
        proxy = proxy_chooser(options.proxy)
    with naming(source("url", given)):
        target = _target(options)

    # From here on trio is loaded: what is wrong above is reported without it.
    from novaconsole.console.connect import ConnectOptions

    tls = _tls(options, given)
    check_certificate_files(tls)
    location = _location(options, target, tls, proxy, source("cloud", given))
    connect = ConnectOptions(
        timeout=options.connect_timeout,
        keepalive=options.keepalive,
        headers=headers,
        proxy=proxy,
    )
    if options.no_subprotocols:
        connect = replace(connect, subprotocols=())
    if options.check or options.check_enter:
        from novaconsole.commands.check import CheckRequest
        from novaconsole.console.source import Demo

        assert not isinstance(location, Demo)  # --demo excludes both
        return CheckRequest(location, connect, options.check_enter, options.timeout)
    if options.run is not None:
        password = guest_password(options, given)
        return _run_request(options, location, connect, password)
    return _attach_request(options, given, location, connect, escape, patterns)


def _run_request(
    options: Options,
    location: "Location",
    connect: "ConnectOptions",
    password: str | None,
) -> "RunRequest":
    from novaconsole.commands.run import RunRequest

    assert options.run is not None
    return RunRequest(
        location=location,
        connect=connect,
        command=options.run,
        login=options.login,
        password=password,
        force_login=options.force_login,
        stdin=options.stdin,
        timeout=math.inf if options.timeout is None else options.timeout,
        wait=options.wait,
    )


def _attach_request(
    options: Options,
    given: frozenset[str],
    location: "Location",
    connect: "ConnectOptions",
    escape: bytes | None,
    patterns: "Patterns | None",
) -> "AttachRequest":
    from novaconsole.capture.log import LogOptions
    from novaconsole.capture.recording import RecordingOptions
    from novaconsole.commands.attach import AttachRequest
    from novaconsole.session.state import SessionOptions

    recording = None
    if options.record is not None:
        recording = RecordingOptions(
            str(options.record),
            overwrite=options.overwrite,
            with_input=options.record_input,
            source=source("record", given),
        )
    return AttachRequest(
        location=location,
        connect=connect,
        session=SessionOptions(
            escape=escape,
            close_wait=options.close_wait,
            timeout=math.inf if options.timeout is None else options.timeout,
            wait=options.wait,
            reconnect=options.reconnect,
            history=options.history,
            until=patterns,
            reads_stdin=patterns is None or options.stdin,
            read_only=options.read_only,
        ),
        log=LogOptions(
            str(options.log) if options.log else None,
            overwrite=options.overwrite,
            plain=options.log_plain,
            timestamps=options.log_timestamps,
            source=source("log", given),
        ),
        recording=recording,
        keyboard_from_terminal=options.url == "-",
    )


# ---- values


def parse_escape_char(text: str) -> bytes | None:
    """Read the value of `--escape`.

    Args:
        text: one ASCII character, `^X` for a control character, or `none`.

    Returns:
        The character as a byte, or None if there is to be none.

    Raises:
        UsageError: it is none of these, or CR or LF, after which escapes begin.
    """
    if text == "none":
        return None
    if len(text) == 1 and text.isascii():
        char = ord(text)
    elif _CONTROL_CHAR.fullmatch(text):
        char = ord(text[1].upper()) ^ 0x40
    else:
        raise UsageError(
            f"bad escape character {text!r}",
            "give one ASCII character, ^X for a control character, or none",
        )
    if char in (_CR, _LF):
        raise UsageError(
            "the escape character cannot be a line end",
            "give another character, or none",
        )
    return bytes([char])


def _headers(
    options: Options, given: frozenset[str]
) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers to send with the upgrade, which may hold secrets."""
    lines = [*(options.header or ())]
    if options.origin:
        origin = f"Origin: {options.origin}"
        try:
            parse_headers([origin])
        except UsageError as exc:
            raise UsageError(
                f"{shown('origin', given)} must be one line without control characters",
                "give scheme and host, such as https://dashboard.example.org",
            ) from exc
        lines.append(origin)
    with naming(source("header", given)):
        return parse_headers(lines)


def _tls(options: Options, given: frozenset[str]) -> TLSOptions:
    return TLSOptions(
        options.cacert,
        options.cert,
        options.key,
        options.insecure,
        cacert_source=shown("cacert", given),
        cert_source=shown("cert", given),
        key_source=shown("key", given),
    )


def _patterns(options: Options) -> "Patterns | None":
    """Return the output that ends the session, or None."""
    if not options.until:
        return None
    from novaconsole.guest.expect import Patterns

    return Patterns(*options.until)


def _check_files(options: Options, given: frozenset[str]) -> None:
    for name, path in (("log", options.log), ("record", options.record)):
        if path == STANDARD_STREAM:
            option = shown(name, given)
            raise UsageError(
                f"{option} cannot write to standard output, "
                "which has the guest's output",
                f"send the output there by redirection, or name a file: --{name} ./-",
            )
    if options.record is not None and options.record == options.log:
        raise UsageError("--log and --record cannot write to the same file")
    pem = {"cacert": options.cacert, "cert": options.cert, "key": options.key}
    for name, path in pem.items():
        if path and not os.access(path, os.R_OK):
            raise UsageError(f"{shown(name, given)}: cannot read {path}")


def _target(options: Options) -> Target | None:
    """Return the URL to attach to, or None if a cloud or the demo gives it."""
    if options.url == "-":
        line = os.fsdecode(read_line(0, MAX_LINE_BYTES))
        if not line.strip():
            raise UsageError(
                "--url -: there is no URL on standard input",
                "check the command that should have printed it",
            )
        return Target.parse(line)
    if options.url:
        return Target.parse(options.url)
    if options.server and not is_server_name(options.server):
        return Target.parse(options.server)
    return None


def _location(
    options: Options,
    target: Target | None,
    tls: TLSOptions,
    proxy: Callable[[Target], Proxy | None],
    cloud_source: str | None,
) -> "Location":
    from novaconsole.console.source import CloudServer, ConsoleUrl, Demo

    if target is not None:
        return ConsoleUrl(target, tls)
    if options.demo:
        return Demo()
    from novaconsole.cloud.config import CloudOptions

    assert options.server is not None  # exactly one of the three is given
    cloud = CloudOptions(options.cloud, options.region, tls, proxy, source=cloud_source)
    return CloudServer(options.server, cloud)
