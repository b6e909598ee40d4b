"""What options mean: the objects that they stand for.

Whatever makes no sense is a UsageError, before anything is opened or asked.  What few
need is imported where it is needed, as in `cli.py`.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from novaconsole.cli.process import read_line
from novaconsole.errors import UsageError
from novaconsole.network.target import Target, TLSOptions, is_url

if TYPE_CHECKING:
    from novaconsole.commands.check import CheckRequest
    from novaconsole.console.connect import ConnectOptions
    from novaconsole.console.source import ConsoleLocation
    from novaconsole.guest.expect import Patterns

_MAX_URL_BYTES = 64 * 1024
# RFC 9110 section 5.1: a token; section 5.5: no control characters in a value.
_HEADER = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)"
)


def tls_options(
    cacert: Path | None, cert: Path | None, key: Path | None, *, insecure: bool
) -> TLSOptions:
    """How to trust a server; whether the files are of use is found out here."""
    if insecure and cacert:
        raise UsageError("--insecure excludes --cacert")
    if key and not cert:
        raise UsageError("--key wants --cert")
    for option, path in (("--cacert", cacert), ("--cert", cert), ("--key", key)):
        if path and not os.access(path, os.R_OK):
            raise UsageError(f"{option}: cannot read {path}")
    options = TLSOptions(cacert, cert, key, insecure)
    if cacert or cert:
        from novaconsole.network.tls import tls_context

        tls_context(options)
    return options


def headers(given: list[str] | None, origin: str | None) -> list[tuple[bytes, bytes]]:
    """What to send with the upgrade; may hold secrets."""
    lines = given or os.environ.get("NOVACONSOLE_HEADER", "").splitlines()
    if origin:
        lines = [*lines, f"Origin: {origin}"]
    found = []
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise UsageError("bad header", "write it as -H 'Name: value'")
        found.append((match[1].encode(), match[2].strip().encode()))
    return found


def patterns(until: list[str] | None) -> "Patterns | None":
    """The output that ends the session, or None."""
    from novaconsole.guest.expect import Patterns

    sources = until or os.environ.get("NOVACONSOLE_UNTIL", "").splitlines()
    return Patterns(*sources) if sources else None


def password(login: str | None, file: Path | None) -> str | None:
    """The guest's, from where it is not seen; None where there is none to be had."""
    if file is not None:
        try:
            return os.fsdecode(file.read_bytes().split(b"\n")[0].rstrip(b"\r"))
        except OSError as exc:
            raise UsageError(f"cannot read {file}: {exc.strerror}") from exc
    password = os.environ.get("NOVACONSOLE_PASSWORD")
    if password is None and login is not None:
        with suppress(OSError):  # there is no terminal
            os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))

            from getpass import getpass

            password = getpass(f"password of {login} in the guest: ")
    return password


def location(
    server: str | None,
    url: str | None,
    cloud: str | None,
    region: str | None,
    tls: TLSOptions,
    *,
    demo: bool,
) -> "ConsoleLocation":
    """Where to find the console; says what excludes what."""
    given = [name for name, value in (("SERVER", server), ("--url", url)) if value]
    given += ["--demo"] if demo else []
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude one another")
    if not given:
        raise UsageError(
            "no server given",
            "novaconsole SERVER, or novaconsole --demo to try it without a cloud",
        )
    if server and is_url(server):
        url = server
    target = None
    if url:
        if url == "-":
            url = os.fsdecode(read_line(0, _MAX_URL_BYTES))
        target = Target.parse(url)

    from novaconsole.cloud.config import CloudOptions
    from novaconsole.console.source import CloudServer, ConsoleUrl, Demo

    if demo:
        return Demo()
    if target:
        return ConsoleUrl(target, tls)
    assert server is not None
    return CloudServer(server, CloudOptions(cloud, region, tls))


def is_in_cloud(location: "ConsoleLocation") -> bool:
    """Whether there is a cloud to ask."""
    from novaconsole.console.source import CloudServer

    return isinstance(location, CloudServer)


def check_request(
    location: "ConsoleLocation", connect: "ConnectOptions", *, may_type: bool
) -> "CheckRequest":
    """What to check."""
    from novaconsole.commands.check import CheckRequest
    from novaconsole.console.source import Demo

    if isinstance(location, Demo):
        raise UsageError("--check needs a server or a URL")
    return CheckRequest(location, connect, may_type)
