"""Errors about the configuration of a cloud, with the reason of who raised them.

openstacksdk and keystoneauth may raise anything for it: their own exceptions, or a
TypeError of Python because of a setting that no plugin takes.
"""

import re

from novaconsole.errors import CloudError
from novaconsole.redaction import mask_tokens

CONFIGURE = "check clouds.yaml, or source an openrc file"
_AFTERWORDS = re.compile(r" \((?:HTTP \d+|Request-ID: [^)]*)\)")
_MISSING_SETTINGS = re.compile(r"missing \d+ required .*arguments?: (.+)")
_UNKNOWN_SETTING = re.compile(r"unexpected keyword argument '(\w+)'")


def configuration_error(
    exc: Exception, names: list[str], *, is_chosen: bool
) -> CloudError:
    """Return the error for what was raised for a configuration, with its reason.

    Args:
        exc: of openstacksdk, keystoneauth, or of Python.
        names: of the clouds in clouds.yaml.
        is_chosen: whether anything says which cloud to use.
    """
    import keystoneauth1.exceptions as keystone
    import openstack.exceptions

    if isinstance(exc, openstack.exceptions.ConfigException):
        if "was not found" in str(exc):
            known = ", ".join(names)
            return CloudError(
                f"unknown cloud: {exc}",
                f"choose one of clouds.yaml: {known}" if known else CONFIGURE,
            )
        if "valid region name" in str(exc):
            return CloudError(
                f"bad cloud configuration: {exc}",
                "choose one of them with --region or OS_REGION_NAME",
            )
        return bad_configuration(reason_in(exc))
    if isinstance(exc, keystone.MissingRequiredOptions):
        missing = [option.dest for option in exc.options]
        if "auth_url" in missing and not is_chosen:
            return CloudError(
                "no cloud is configured",
                "choose one of clouds.yaml with --cloud or OS_CLOUD, or source an "
                "openrc file; novaconsole --demo works without a cloud",
            )
        return _missing_settings(missing)
    if isinstance(exc, keystone.NoMatchingPlugin):
        return CloudError(
            f"bad cloud configuration: unknown auth_type {exc.name}",
            "check the spelling in clouds.yaml or OS_AUTH_TYPE, or install its package",
        )
    if settings := _MISSING_SETTINGS.search(str(exc)):
        return _missing_settings(re.findall(r"'(\w+)'", settings[1]))
    if setting := _UNKNOWN_SETTING.search(str(exc)):
        name = setting[1]
        return CloudError(
            f"bad cloud configuration: this auth_type does not take {name}",
            f"remove {name} from clouds.yaml, unset OS_{name.upper()}, or change "
            "auth_type",
        )
    return bad_configuration(reason_in(exc))


def _missing_settings(names: list[str]) -> CloudError:
    variables = " and ".join(f"OS_{name.upper()}" for name in names)
    return CloudError(
        f"bad cloud configuration: missing {' and '.join(names)}",
        f"add it to `auth` in clouds.yaml, or set {variables}",
    )


def bad_configuration(reason: str) -> CloudError:
    """Return the error for a configuration, for a reason in a library's words."""
    return CloudError(f"bad cloud configuration: {reason}", CONFIGURE)


def reason_in(exc: BaseException) -> str:
    """Return what an exception says, in a line; with its class if that is Python's."""
    text = mask_tokens(" ".join(_AFTERWORDS.sub("", str(exc)).split()))
    is_pythons = type(exc).__module__ == "builtins" and type(exc) is not Exception
    if is_pythons and not isinstance(exc, OSError):
        return f"{type(exc).__name__}: {text}"
    return text
