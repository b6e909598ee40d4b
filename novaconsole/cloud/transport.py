"""HTTP to the cloud, with the same certificates and the same proxy as the websocket.

The adapter of `requests` does what keystoneauth's own does, except that our rules
choose proxy and trust.  Those of `requests` differ: it does not know of SSL_CERT_FILE,
and connects to this machine through a proxy.
"""

import errno
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import requests
from keystoneauth1.session import TCPKeepAliveAdapter
from requests.exceptions import ConnectionError as RequestFailed
from requests.exceptions import SSLError, Timeout

from novaconsole.errors import (
    CloudError,
    CloudUnreachable,
    NovaConsoleError,
    UsageError,
)
from novaconsole.network.address import bracketed
from novaconsole.network.proxy import Proxy, ProxyChooser
from novaconsole.network.proxy_errors import (
    WITHOUT_PROXY,
    login_rejected,
    login_required,
    unreachable,
)
from novaconsole.network.socks import missing_package
from novaconsole.network.target import Target, TLSOptions
from novaconsole.network.tls import tls_context
from novaconsole.redaction import mask_tokens

if TYPE_CHECKING:
    from keystoneauth1.session import Session

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT)


def use_our_transport(session: "Session", tls: TLSOptions, proxy: ProxyChooser) -> None:
    """Make a session of keystoneauth use our trust and our proxy.

    Args:
        session: that has not sent anything yet.
        tls: how to check the cloud's certificates.
        proxy: gives the proxy for a target, or None for a direct connection.
    """
    adapter = _Adapter(tls, proxy)
    session.session.trust_env = False
    for scheme in ("http://", "https://"):
        session.session.mount(scheme, adapter)


def profile_error(exc: BaseException) -> CloudUnreachable | None:
    """Return the error for a `profile` that could not be fetched, or None.

    Args:
        exc: raised while the configuration was loaded, which fetches nothing else.
    """
    if not isinstance(exc, requests.RequestException) or exc.request is None:
        return None
    target = _target_of(str(exc.request.url))
    reason = "no answer in time" if isinstance(exc, Timeout) else _reason(_root(exc))
    return CloudUnreachable(
        f"the cloud's profile cannot be fetched from {target.address}: {reason}",
        "check `profile` in clouds.yaml and this machine's network or VPN, or set "
        "auth_url instead of it",
    )


class _Adapter(TCPKeepAliveAdapter):
    def __init__(self, tls: TLSOptions, proxy: ProxyChooser) -> None:
        self._tls = tls
        self._choose_proxy = proxy
        self._has_context = False
        super().__init__()

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        """Send a request, through the proxy that our rules choose for it."""
        url = request.url or ""
        if url.startswith("https:") and not self._has_context:
            self._use_context()
        proxy = self._choose_proxy(_target_of(url))
        if proxy is None:
            options["proxies"] = {}
            return super().send(request, *args, **options)
        options["proxies"] = dict.fromkeys(("http", "https"), _url_of(proxy))
        try:
            response = super().send(request, *args, **options)
        except SSLError:  # a RequestFailed as well
            raise
        except Timeout as exc:
            raise CloudUnreachable(
                f"the cloud did not answer in time through the proxy {proxy.address}",
                f"check the proxy's address and this machine's network, "
                f"{WITHOUT_PROXY}",
            ) from exc
        except requests.exceptions.InvalidSchema as exc:
            raise missing_package() from exc
        except RequestFailed as exc:
            raise _failure(proxy, exc) from exc
        if response.status_code == 407:
            raise _as_cloud_error(_login_failure(proxy))
        return response

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Set our certificate; what is trusted is in the context."""
        super().cert_verify(conn, url, verify and True, cert)
        conn.ca_certs = conn.ca_cert_dir = None

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        """As above, since requests 2.32."""
        return super().build_connection_pool_key_attributes(
            request, verify and True, cert
        )

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Use our context through a proxy, too."""
        context = self.poolmanager.connection_pool_kw.get("ssl_context")
        if context is not None:
            options["ssl_context"] = context
        return super().proxy_manager_for(proxy, **options)

    def _use_context(self) -> None:
        """Load the certificates only where they are needed: that takes a while."""
        self._has_context = True
        try:
            context = tls_context(self._tls)
        except UsageError as exc:
            raise CloudError(
                f"cannot connect to the cloud: {exc}",
                exc.hint or "check clouds.yaml and the variables of the environment",
            ) from exc
        self.proxy_manager.clear()
        self.init_poolmanager(
            self._pool_connections,
            self._pool_maxsize,
            block=self._pool_block,
            ssl_context=context,
        )


def _target_of(url: str) -> Target:
    """What our rules for proxies look at."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    return Target(secure, parts.hostname or "", port, resource="/")


def _url_of(proxy: Proxy) -> str:
    login = ""
    if proxy.user is not None:
        login = f"{quote(proxy.user, '')}:{quote(proxy.password or '', '')}@"
    # The proxy resolves names, as for the websocket: they may not be known here.
    scheme = "http" if proxy.scheme == "http" else "socks5h"
    return f"{scheme}://{login}{bracketed(proxy.host)}:{proxy.port}"


def _failure(proxy: Proxy, exc: Exception) -> CloudUnreachable:
    root = _root(exc)
    if isinstance(root, socket.gaierror | ConnectionRefusedError) or (
        isinstance(root, OSError) and root.errno in _UNREACHABLE
    ):
        return _as_cloud_error(unreachable(proxy, root))
    reason = _reason(root)
    if "failed: 407" in reason or "authentication" in reason.lower():
        return _as_cloud_error(_login_failure(proxy))
    return CloudUnreachable(
        f"the cloud cannot be reached through the proxy {proxy.address}: {reason}",
        f"check that the proxy can reach the cloud's network, {WITHOUT_PROXY}",
    )


def _root(exc: BaseException) -> BaseException:
    while exc.__cause__ or exc.__context__:
        exc = exc.__cause__ or exc.__context__ or exc
    return exc


def _reason(root: BaseException) -> str:
    return getattr(root, "strerror", None) or mask_tokens(str(root))


def _login_failure(proxy: Proxy) -> NovaConsoleError:
    if proxy.user is None:
        return login_required(proxy)
    return login_rejected(proxy, "check them in the proxy URL")


def _as_cloud_error(error: NovaConsoleError) -> CloudUnreachable:
    return CloudUnreachable(str(error), error.hint)
