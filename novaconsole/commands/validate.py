"""What the command line asks before a command is loaded: are these values of use?

The answers belong to the wings below, of which the command line knows the types only.
"""

import os
from collections.abc import Callable

from novaconsole.network.proxy import Proxy, choose_proxy
from novaconsole.network.target import Target, TLSOptions, is_url


def is_server_name(server: str) -> bool:
    """Whether a server is given by its name or UUID, not as a URL."""
    return not is_url(server)


def proxy_chooser(url: str | None) -> Callable[[Target], Proxy | None]:
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
