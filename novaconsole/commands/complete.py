"""What the shell completes: the names of clouds and of servers."""

from contextlib import suppress

from novaconsole.cloud.client import Cloud
from novaconsole.cloud.config import CloudOptions
from novaconsole.cloud.connect import cloud_names
from novaconsole.errors import NovaConsoleError


def complete_cloud(incomplete: str) -> list[str]:
    """Return the clouds in clouds.yaml whose name begins so."""
    with suppress(NovaConsoleError):
        return [name for name in cloud_names() if name.startswith(incomplete)]
    return []


def complete_server(
    incomplete: str, cloud: str | None, region: str | None
) -> list[str]:
    """Return the servers whose name begins so.

    Nothing is offered if the cloud cannot be asked: an error message would appear in
    the line that the user is typing.

    Args:
        incomplete: the start of the name.
        cloud: the cloud on the command line, or None.
        region: the region on the command line, or None.
    """
    client = Cloud(CloudOptions(cloud, region))
    try:
        return client.server_names(incomplete)
    except NovaConsoleError:
        return []
    finally:
        client.close()
