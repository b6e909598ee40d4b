"""Responses of the API: the content, or an error in the words of the response.

The only module that touches the responses of `requests`.
"""

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from novaconsole.cloud.server import unexpected_response
from novaconsole.errors import CloudError
from novaconsole.redaction import mask_tokens

if TYPE_CHECKING:
    import requests

# In the words of nginx, Apache and servers in Go.
_EXPECTS_TLS = re.compile(
    r"plain HTTP request was sent to HTTPS|SSL-enabled server port"
    r"|HTTP request to an HTTPS server"
)


def content(response: "requests.Response", purpose: str, *keys: str) -> Any:
    """Return what the body holds under the first of the keys that it has.

    Args:
        response: of the API.
        purpose: what was requested, as in "the cloud did not …".
        keys: the names that differ between versions of the API.

    Raises:
        CloudError: the status is not 200, or the response did not come from Nova.
    """
    if response.status_code != 200:
        raise unexpected_response(
            purpose, response.status_code, fault_message(response) + _led_to(response)
        )
    try:
        body = response.json()
        return next(body[key] for key in keys if key in body)
    except (ValueError, TypeError, StopIteration) as exc:
        raise not_from_nova(purpose, _led_to(response)) from exc


def fault_message(response: "requests.Response") -> str:
    """Return the message of a fault: {"someFault": {"code": …, "message": …}}."""
    try:
        fault = next(iter(response.json().values()))
        return mask_tokens(" ".join(str(fault["message"]).split()))
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return response.reason or "no reason given"


def not_from_nova(purpose: str, led_to: str = "") -> CloudError:
    """Return the error for a response that came from something other than Nova."""
    return CloudError(
        f"the cloud did not {purpose}: the response did not come from Nova{led_to}",
        "check for a login page or a proxy in between; --debug shows the response",
    )


def redirection(response: "requests.Response") -> str | None:
    """Return where a response redirects to, without the query, or None."""
    location = response.headers.get("Location")
    if location is None or not 300 <= response.status_code < 400:
        return None
    return mask_tokens(location.partition("?")[0])


def complete_redirection(response: "requests.Response") -> None:
    """Make a Location absolute, which keystoneauth takes for a whole URL."""
    if location := response.headers.get("Location"):
        response.headers["Location"] = urljoin(response.url, location)


def expects_tls(response: "requests.Response | None") -> bool:
    """Whether a server says that it was sent HTTP on a port for HTTPS."""
    return (
        response is not None
        and response.status_code == 400
        and bool(_EXPECTS_TLS.search(response.text))
    )


def _led_to(response: "requests.Response") -> str:
    targets = [redirection(each) for each in (*response.history, response)]
    last = next(filter(None, reversed(targets)), None)
    return f" (redirected to {last})" if last else ""
