"""Errors about the cloud, made of the exceptions of openstacksdk and keystoneauth.

Their reasons are kept: Keystone and the libraries know more than a general sentence.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import BadStatusLine, HTTPException
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from novaconsole.cloud.config_faults import (
    CONFIGURE,
    bad_configuration,
    missing_domain,
    reason_in,
)
from novaconsole.cloud.response import expects_tls
from novaconsole.errors import CloudError, CloudUnreachable, NovaConsoleError
from novaconsole.network.certificate import NOT_TLS, certificate_problem
from novaconsole.redaction import mask_tokens

if TYPE_CHECKING:
    from novaconsole.cloud.login import Login

_E = TypeVar("_E", bound=BaseException)

_AUTH_URL = "check auth_url in clouds.yaml or OS_AUTH_URL"
_TOO_MANY_REQUESTS = 429
# What keystoneauth and requests say before the reason.
_URL = re.compile(r"https?://[^\s'\"()]+")
_NO_REASON = "The request you have made requires authentication."
# What helps against a reason of Keystone's for a 401, by words in it.
_LOGIN_HINTS = {
    "cannot request a scope": "remove project and domain from `auth` in clouds.yaml, "
    "and unset OS_PROJECT_NAME, OS_PROJECT_ID and the like",
    "password is expired": "change it: openstack user password set",
    "locked": "wait, or ask the cloud's operator to unlock the account",
    "disabled": "ask the cloud's operator to enable it",
}
# The same by the kind of login.
_PLUGIN_HINTS = {
    "credential": "check the id, secret and expiry of the application credential",
    "totp": "check the passcode, which can be used only once, and the user",
    "token": "get a new token: openstack token issue",
    "oidc": "check the settings of the identity provider in clouds.yaml",
}
_LOGIN_HINT = "check user, password and project in clouds.yaml or the OS_* variables"


def no_compute_service(login: "Login") -> CloudError:
    """Return the error for a service catalogue without Nova."""
    return CloudError(
        f"the cloud's catalogue has no compute service in {login.place}",
        "check --region or OS_REGION_NAME, and interface or OS_INTERFACE",
    )


@contextmanager
def mapped_errors(login: "Login") -> Iterator[None]:
    """Turn what openstacksdk and keystoneauth raise into errors with a hint.

    Args:
        login: that they are raised for.
    """
    try:
        yield
    except NovaConsoleError:
        raise
    except Exception as exc:  # the libraries raise of every kind
        if _is_ours(exc):
            raise
        raise _request_error(exc, login) from exc


def _request_error(exc: Exception, login: "Login") -> CloudError:
    import keystoneauth1.exceptions as keystone
    import openstack.exceptions

    # keystoneauth raises DiscoveryFailure for whatever kept it from asking Keystone.
    if tls := _in_chain(exc, keystone.SSLError):
        return _tls_error(tls)
    if _in_chain(exc, keystone.ConnectTimeout):
        return CloudUnreachable(
            "the cloud did not answer in time", "check this machine's network or VPN"
        )
    if failure := _in_chain(exc, keystone.ConnectionError):
        return _connection_error(failure, login)
    answer = _in_chain(exc, keystone.HttpError)
    if answer and expects_tls(answer.response):
        return CloudError(
            f"{_address(str(answer.url))} speaks TLS only",
            "use https:// instead of http:// in auth_url",
        )
    if answer and (
        answer.http_status >= 500 or answer.http_status == _TOO_MANY_REQUESTS
    ):
        return _service_failure(answer, login)
    if isinstance(exc, keystone.DiscoveryFailure):
        reason = _without_body(reason_in(exc))
        if answer is not None:
            reason = f"the response was HTTP {answer.http_status}"
        url = mask_tokens(str(login.auth_url))
        return CloudError(
            f"no Keystone service at auth_url {url}: {reason}{_led_to(login)}",
            _AUTH_URL,
        )
    if isinstance(exc, keystone.MissingAuthMethods):
        methods = " or ".join(
            " and ".join(methods) for methods in exc.required_auth_methods
        )
        return CloudError(
            f"authentication failed: the cloud requires {methods} together",
            "set auth_type: v3multifactor and auth_methods in clouds.yaml",
        )
    if isinstance(exc, keystone.Unauthorized):
        return _login_error(exc, login)
    if isinstance(exc, keystone.EndpointNotFound):
        return _endpoint_error(login)
    if error := missing_domain(exc):
        return error
    if isinstance(exc, (keystone.AuthPluginException, keystone.AuthorizationFailure)):
        return bad_configuration(reason_in(exc))
    if isinstance(exc, (keystone.ClientException, openstack.exceptions.SDKException)):
        message = f"the cloud refused the request: {reason_in(exc)}{_led_to(login)}"
        return CloudError(message, "check clouds.yaml; --debug shows the details")
    if isinstance(exc, OSError):  # of requests, about a file for TLS it cannot find
        return CloudError(f"cannot connect to the cloud: {reason_in(exc)}", CONFIGURE)
    if type(exc) is Exception:  # keystoneauth, for a setting that is missing
        return bad_configuration(reason_in(exc))
    return CloudError(
        f"the cloud's response cannot be used: {reason_in(exc)}{_led_to(login)}",
        "check auth_url and the settings of the login; --debug shows the details",
    )


def _connection_error(failure: BaseException, login: "Login") -> CloudUnreachable:
    url, cause = _url_of(failure), _root(failure)
    where = _address(url)
    message = f"the cloud cannot be reached{where and f' at {where}'}: "
    if url.startswith("http:") and isinstance(
        cause, (ConnectionResetError, HTTPException)
    ):
        # What a port that expects TLS does: it hangs up, or answers with an alert.
        no_http = isinstance(cause, BadStatusLine) and not isinstance(cause, OSError)
        reason = "it does not speak HTTP" if no_http else "it closed the connection"
        return CloudUnreachable(
            f"{message}{reason}{_led_to(login)}",
            f"use https:// instead of http:// in {_setting_of(where, login)} if the "
            "port expects TLS, or else check the port",
        )
    return CloudUnreachable(
        f"{message}{_root_cause(failure)}{_led_to(login)}",
        f"check {_setting_of(where, login)} and this machine's network or VPN",
    )


def _setting_of(address: str, login: "Login") -> str:
    """Say what has led to an address."""
    if address == _address(str(login.override)):
        return login.override_name
    if login.redirection or address in ("", _address(str(login.auth_url))):
        return "auth_url"
    return "the URL in the cloud's catalogue"


def _service_failure(answer: Any, login: "Login") -> CloudUnreachable:
    """Return the error for a status that is the service's own fault."""
    where = _address(str(answer.url or login.auth_url))
    is_keystone = where == _address(str(login.auth_url))
    service = f"Keystone at {where}" if is_keystone else f"the service at {where}"
    status = answer.http_status
    phrase = HTTPStatus(status).phrase if status in {*HTTPStatus} else ""
    return CloudUnreachable(
        f"{service} failed: {f'HTTP {status} {phrase}'.strip()}{_led_to(login)}",
        "try again later; if the error persists, tell the cloud's operator",
    )


def _login_error(exc: Exception, login: "Login") -> CloudError:
    reason = reason_in(exc)
    hint = next((_LOGIN_HINTS[word] for word in _LOGIN_HINTS if word in reason), None)
    if hint is None:
        kinds = (kind for kind in _PLUGIN_HINTS if kind in login.auth_type)
        kind = next(kinds, None)
        hint = _PLUGIN_HINTS[kind] if kind else _LOGIN_HINT
    if reason == _NO_REASON:
        return CloudError("authentication failed", hint)
    return CloudError(f"authentication failed: {reason}", hint)


def _endpoint_error(login: "Login") -> CloudError:
    try:
        is_unscoped = login.is_unscoped
    except Exception:  # noqa: BLE001 # whatever it is, the first error is reported
        is_unscoped = False
    if is_unscoped:
        return CloudError(
            "the login is for no project, so the cloud shows no servers",
            "set project_name in clouds.yaml, or OS_PROJECT_NAME",
        )
    return no_compute_service(login)


def _tls_error(exc: BaseException) -> CloudError:
    url = _url_of(exc)
    address = _address(url) or "the cloud"
    cause = _root(exc)
    reason = getattr(cause, "reason", None)
    if hasattr(cause, "verify_code") or type(cause).__name__ == "CertificateError":
        code = getattr(cause, "verify_code", None)
        host = urlsplit(url).hostname or "its host"
        return CloudError(*certificate_problem(code, host, address))
    if reason in NOT_TLS:
        return CloudError(
            f"{address} does not speak TLS",
            "use http:// instead of https:// in auth_url",
        )
    words = str(reason or _root_cause(exc)).replace("_", " ").lower()
    return CloudError(
        f"the TLS handshake with {address} failed: {words}",
        "check whether auth_url should be http://, or give a client certificate with "
        "--cert",
    )


# ---- reasons


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """An exception and what caused it, down to the first cause.

    urllib3 puts a cause into the arguments in some cases, as through a proxy.
    """
    cause: BaseException | None = exc
    while cause is not None:
        yield cause
        inner = (each for each in cause.args if isinstance(each, BaseException))
        cause = cause.__cause__ or cause.__context__ or next(inner, None)


def _in_chain(exc: BaseException, kind: type[_E]) -> _E | None:
    return next((each for each in _chain(exc) if isinstance(each, kind)), None)


def _root(exc: BaseException) -> BaseException:
    return [*_chain(exc)][-1]


def _root_cause(exc: BaseException) -> str:
    """Describe the innermost cause; the messages around it repeat the URL."""
    cause = _root(exc)
    return mask_tokens(getattr(cause, "strerror", None) or str(cause))


def _without_body(reason: str) -> str:
    """Leave out the page that keystoneauth quotes where it expected versions."""
    return reason.partition(": <")[0]


def _url_of(exc: BaseException) -> str:
    match = _URL.search(str(exc))
    return match[0].rstrip(":.,") if match else ""


def _address(url: str) -> str:
    """The host and port of a URL, without a user or password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _led_to(login: "Login") -> str:
    return f" (redirected to {login.redirection})" if login.redirection else ""


def _is_ours(exc: BaseException) -> bool:
    """Whether an exception comes from our own code, and so is no fault of a cloud."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return str(name).startswith("novaconsole.")
