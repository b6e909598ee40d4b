"""What can go wrong between us and a cloud, as errors with a hint."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from novaconsole.cloud.config import cloud_names
from novaconsole.errors import CloudError, CloudUnreachable
from novaconsole.redaction import mask_tokens

if TYPE_CHECKING:
    import requests


def not_from_nova(purpose: str) -> CloudError:
    """The response came from something other than Nova."""
    return CloudError(
        f"the cloud did not {purpose}: the answer is none of Nova's",
        "is a login page or a proxy in the way? --debug shows the answer",
    )


def no_compute_service() -> CloudError:
    """The service catalogue has no Nova in this region."""
    return CloudError(
        "the cloud's catalogue has no compute service here",
        "check --region and the interface in clouds.yaml",
    )


def fault_message(response: "requests.Response") -> str:
    """The words of an OpenStack error: {"someFault": {"code": …, "message": …}}."""
    try:
        fault = next(iter(response.json().values()))
        return mask_tokens(" ".join(str(fault["message"]).split()))
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return response.reason or "no reason given"


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn what openstacksdk and keystoneauth raise into errors with a hint."""
    import keystoneauth1.exceptions as keystone
    import openstack.exceptions

    known = "see openstack.org's clouds.yaml, or source an openrc file"
    try:
        yield
    except CloudError:
        raise
    except openstack.exceptions.ConfigException as exc:
        names = ", ".join(cloud_names())
        if "was not found" in str(exc):
            raise CloudError(
                f"unknown cloud: {exc}",
                f"clouds.yaml knows: {names}" if names else "there is no clouds.yaml",
            ) from exc
        raise CloudError(f"bad cloud configuration: {exc}", known) from exc
    except (keystone.MissingRequiredOptions, keystone.MissingAuthPlugin) as exc:
        raise CloudError(
            "no cloud is configured",
            "name one with --cloud or OS_CLOUD from clouds.yaml, or source an openrc "
            "file; to try without a cloud: novaconsole --demo",
        ) from exc
    except keystone.Unauthorized as exc:
        raise CloudError(
            "authentication failed",
            "check user, password and project in clouds.yaml or the OS_* variables",
        ) from exc
    except (keystone.SSLError, keystone.DiscoveryFailure) as exc:
        if not _is_caused_by(exc, keystone.SSLError):
            raise CloudError(
                f"no Keystone answers: {mask_tokens(str(exc))}", "check auth_url"
            ) from exc
        raise CloudError(
            "the certificate of the cloud is not trusted",
            "give the cloud's CA with --cacert, or cacert in clouds.yaml",
        ) from exc
    except keystone.ConnectTimeout as exc:
        raise CloudUnreachable(
            "the cloud did not answer in time", "check this machine's network or VPN"
        ) from exc
    except keystone.ConnectionError as exc:
        raise CloudUnreachable(
            f"the cloud cannot be reached: {_connection_words(exc)}",
            "check auth_url, and this machine's network or VPN",
        ) from exc
    except keystone.EndpointNotFound as exc:
        raise no_compute_service() from exc
    except (keystone.ClientException, openstack.exceptions.SDKException) as exc:
        raise CloudError(
            f"the cloud refused: {mask_tokens(str(exc))}", "--debug shows more"
        ) from exc
    except OSError as exc:  # of requests, for a file that it cannot find
        raise CloudError(f"cannot ask the cloud: {exc}", known) from exc
    except Exception as exc:
        if type(exc) is not Exception:
            raise
        # keystoneauth, where clouds.yaml lacks the password
        raise CloudError(f"bad cloud configuration: {exc}", known) from exc


def _is_caused_by(exc: BaseException | None, kind: type[BaseException]) -> bool:
    while exc is not None and not isinstance(exc, kind):
        exc = exc.__cause__ or exc.__context__
    return exc is not None


def _connection_words(exc: Exception) -> str:
    """The last cause says what happened; the words around it repeat the URL."""
    cause: BaseException = exc
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return mask_tokens(getattr(cause, "strerror", None) or str(cause))
