"""What the command line asks before a command is loaded: are these values of use?

The answers belong to the wings below, of which the command line knows the types only.
"""

import os
import re
from collections.abc import Sequence

from novaconsole.errors import UsageError
from novaconsole.network.proxy import Proxy, ProxyChooser, choose_proxy
from novaconsole.network.target import TLSOptions, is_url
from novaconsole.websocket.handshake import split_host

# RFC 9110 section 5.1: a token; section 5.5: no control characters in a value.
_HEADER = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)"
)


def is_server_name(server: str) -> bool:
    """Whether a server is given by its name or UUID, not as a URL."""
    return not is_url(server)


def proxy_chooser(url: str | None) -> ProxyChooser:
    """Return what chooses the proxy for a target.

    Args:
        url: of the proxy; empty for no proxy, None to use the environment.

    Raises:
        UsageError: it is not the URL of a proxy.
    """
    if url:
        Proxy.parse(url)
    return lambda target: choose_proxy(url, target, os.environ)


def check_certificate_files(options: TLSOptions) -> None:
    """Check that the files hold what the options say.

    Raises:
        UsageError: one cannot be read, or holds no certificate or key.
    """
    if options.cacert or options.cert:
        from novaconsole.network.tls import tls_context  # which loads trio

        tls_context(options)


def parse_headers(lines: Sequence[str]) -> tuple[tuple[bytes, bytes], ...]:
    """Take `Name: value` apart, for the request that opens a websocket.

    Args:
        lines: as the user wrote them; they may hold secrets.

    Raises:
        UsageError: a line is not a header, or the websocket cannot be opened with it.
    """
    headers = []
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise UsageError("bad header", "write it as -H 'Name: value'")
        value = match[2].strip().encode(errors="surrogateescape")  # any bytes
        headers.append((match[1].encode(), value))
    split_host(headers)
    return tuple(headers)
