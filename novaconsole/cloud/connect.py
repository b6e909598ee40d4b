"""From the options to a login: clouds.yaml and the OS_* variables.

openstacksdk is loaded here, when a cloud is used.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from novaconsole.cloud.config import CloudOptions, tls_of
from novaconsole.cloud.config_faults import configuration_error
from novaconsole.cloud.files import file_problem
from novaconsole.errors import CloudError, NovaConsoleError

if TYPE_CHECKING:
    from novaconsole.cloud.login import Login


def cloud_names() -> list[str]:
    """Return the names of the clouds in clouds.yaml.

    Raises:
        CloudError: it cannot be read.
    """
    from novaconsole.cloud.loader import Configuration

    with _configuration_errors(None):
        return Configuration().names


def connect(options: CloudOptions) -> "Login":
    """Get ready to log in.  This sends nothing yet.

    Raises:
        CloudError: the configuration does not describe a login.
    """
    from novaconsole.cloud.loader import Configuration
    from novaconsole.cloud.login import Login
    from novaconsole.cloud.transport import use_our_transport

    with _configuration_errors(options.cloud):
        region = Configuration(options.ask).region(options)
        login = Login(region)
        use_our_transport(login.session, tls_of(region, options), options.proxy)
        return login


@contextmanager
def _configuration_errors(cloud: str | None) -> Iterator[None]:
    """Turn whatever is raised for a configuration into an error with its reason."""
    try:
        yield
    except NovaConsoleError:
        raise
    except Exception as exc:  # the loaders raise of every kind, TypeError too
        problem = file_problem(cloud)
        if problem is not None:
            raise CloudError(
                f"bad cloud configuration: {problem}",
                "edit the file, or name another in OS_CLIENT_CONFIG_FILE",
            ) from exc
        from novaconsole.cloud.loader import Configuration

        try:
            configuration = Configuration()
        except Exception:  # noqa: BLE001 # the same error as above
            raise configuration_error(exc, [], is_chosen=True) from exc
        chosen = cloud or configuration.default_cloud
        raise configuration_error(
            exc,
            configuration.names,
            is_chosen=chosen not in (None, "", "defaults"),
        ) from exc
