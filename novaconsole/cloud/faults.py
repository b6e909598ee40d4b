"""What can go wrong on the way to a cloud, as errors with a hint.

The only module that touches the exceptions of openstacksdk and keystoneauth.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from novaconsole.cloud.config import cloud_names
from novaconsole.errors import CloudError, CloudUnreachable
from novaconsole.redaction import mask_tokens

_CONFIGURE = "check clouds.yaml, or source an openrc file"


def no_compute_service() -> CloudError:
    """Return the error for a service catalogue without Nova."""
    return CloudError(
        "the cloud's catalogue has no compute service in this region",
        "check --region and the interface in clouds.yaml",
    )


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn what openstacksdk and keystoneauth raise into errors with a hint."""
    import keystoneauth1.exceptions as keystone
    import openstack.exceptions

    try:
        yield
    except CloudError:
        raise
    except openstack.exceptions.ConfigException as exc:
        if "was not found" in str(exc):
            names = ", ".join(cloud_names())
            raise CloudError(
                f"unknown cloud: {exc}",
                f"choose one of clouds.yaml: {names}" if names else _CONFIGURE,
            ) from exc
        raise CloudError(f"bad cloud configuration: {exc}", _CONFIGURE) from exc
    except (keystone.MissingRequiredOptions, keystone.MissingAuthPlugin) as exc:
        raise CloudError(
            "no cloud is configured",
            "choose one of clouds.yaml with --cloud or OS_CLOUD, or source an openrc "
            "file; novaconsole --demo works without a cloud",
        ) from exc
    except keystone.Unauthorized as exc:
        raise CloudError(
            "authentication failed",
            "check user, password and project in clouds.yaml or the OS_* variables",
        ) from exc
    except (keystone.SSLError, keystone.DiscoveryFailure) as exc:
        if not _is_caused_by(exc, keystone.SSLError):
            raise CloudError(
                f"no Keystone service found: {mask_tokens(str(exc))}",
                "check auth_url in clouds.yaml or OS_AUTH_URL",
            ) from exc
        raise CloudError(
            "the cloud's certificate is not trusted",
            "give the cloud's CA with --cacert, or cacert in clouds.yaml",
        ) from exc
    except keystone.ConnectTimeout as exc:
        raise CloudUnreachable(
            "the cloud did not answer in time", "check this machine's network or VPN"
        ) from exc
    except keystone.ConnectionError as exc:
        raise CloudUnreachable(
            f"the cloud cannot be reached: {_root_cause(exc)}",
            "check auth_url and this machine's network or VPN",
        ) from exc
    except keystone.EndpointNotFound as exc:
        raise no_compute_service() from exc
    except (keystone.ClientException, openstack.exceptions.SDKException) as exc:
        raise CloudError(
            f"the cloud refused the request: {mask_tokens(str(exc))}",
            "run with --debug for details",
        ) from exc
    except OSError as exc:  # of requests, about a file for TLS that it cannot find
        raise CloudError(f"cannot connect to the cloud: {exc}", _CONFIGURE) from exc
    except Exception as exc:
        if type(exc) is not Exception:
            raise
        # keystoneauth raises this if clouds.yaml lacks the password.
        raise CloudError(f"bad cloud configuration: {exc}", _CONFIGURE) from exc


def _is_caused_by(exc: BaseException | None, kind: type[BaseException]) -> bool:
    while exc is not None and not isinstance(exc, kind):
        exc = exc.__cause__ or exc.__context__
    return exc is not None


def _root_cause(exc: Exception) -> str:
    """Describe the innermost cause; the messages around it repeat the URL."""
    cause: BaseException = exc
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return mask_tokens(getattr(cause, "strerror", None) or str(cause))
