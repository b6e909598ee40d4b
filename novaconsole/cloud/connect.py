"""From the options to a login: clouds.yaml and the OS_* variables.

openstacksdk is loaded here, when a cloud is used.
"""

from typing import TYPE_CHECKING

from novaconsole.cloud.config import CloudOptions, tls_of

if TYPE_CHECKING:
    from novaconsole.cloud.loader import Configuration
    from novaconsole.cloud.login import Login


def cloud_names() -> list[str]:
    """Return the names of the clouds in clouds.yaml.

    Raises:
        CloudError: it cannot be read.
    """
    from novaconsole.cloud.blame import explaining
    from novaconsole.cloud.loader import Configuration

    def names(configuration: Configuration) -> list[str]:
        return configuration.names

    return explaining(names, CloudOptions())


def connect(options: CloudOptions) -> "Login":
    """Get ready to log in.  This sends nothing yet.

    Raises:
        CloudError: the configuration does not describe a login.
    """
    from novaconsole.cloud.blame import explaining
    from novaconsole.cloud.login import Login
    from novaconsole.cloud.transport import use_our_transport

    def login(configuration: "Configuration") -> Login:
        region = configuration.region(options)
        login = Login(region)
        use_our_transport(login.session, tls_of(region, options), options.proxy)
        configuration.warn()
        return login

    return explaining(login, options)
