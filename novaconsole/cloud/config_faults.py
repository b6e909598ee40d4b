"""Errors about the configuration of a cloud, with the reason of who raised them.

openstacksdk and keystoneauth may raise anything for it: their own exceptions, or a
TypeError of Python because of a setting that no plugin takes.
"""

import re
from collections.abc import Collection

from novaconsole.errors import CloudError
from novaconsole.redaction import mask_tokens

CONFIGURE = "check clouds.yaml, or source an openrc file"
_AFTERWORDS = re.compile(r" \((?:HTTP \d+|Request-ID: [^)]*)\)")
_MISSING_SETTINGS = re.compile(r"missing \d+ required .*arguments?: (.+)")
_UNKNOWN_SETTING = re.compile(r"unexpected keyword argument '(\w+)'")
# What keystoneauth and Keystone say of a login without domains.
_NO_DOMAIN = ("a user_domain_id or user_domain_name", "Expecting to find domain")
# The settings that show which kind of login is meant.
_AUTH_TYPES = {
    "application_credential_id": "v3applicationcredential",
    "application_credential_name": "v3applicationcredential",
    "application_credential_secret": "v3applicationcredential",
    "token": "token",
    "passcode": "v3totp",
    "access_token": "v3oidcaccesstoken",
}


def configuration_error(
    exc: Exception,
    cloud: str | None,
    names: list[str],
    *,
    is_chosen: bool,
    source: str | None = None,
) -> CloudError:
    """Return the error for what was raised for a configuration, with its reason.

    Args:
        exc: of openstacksdk, keystoneauth, or of Python.
        cloud: the one that is meant, or None if nothing says which.
        names: of the clouds in clouds.yaml.
        is_chosen: whether anything says which cloud to use.
        source: the option and the variable that chose it, or None for no variable.
    """
    import keystoneauth1.exceptions as keystone
    import openstack.exceptions

    if error := missing_domain(exc):
        return error
    if isinstance(exc, openstack.exceptions.ConfigException):
        if "was not found" in str(exc):
            known = ", ".join(names)
            error = CloudError(
                f"unknown cloud: {cloud}",
                f"choose one of clouds.yaml: {known}"
                if known
                else "add it to clouds.yaml, or source an openrc file",
            )
            error.blame(source)
            return error
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
        return missing_settings(missing)
    if isinstance(exc, keystone.NoMatchingPlugin):
        return CloudError(
            f"bad cloud configuration: unknown auth_type {exc.name}",
            "check the spelling in clouds.yaml or OS_AUTH_TYPE, or install its package",
        )
    if settings := _MISSING_SETTINGS.search(str(exc)):
        return missing_settings(re.findall(r"'(\w+)'", settings[1]))
    if setting := _UNKNOWN_SETTING.search(str(exc)):
        return _unknown_setting(
            setting[1],
            f"remove {setting[1]} from clouds.yaml, unset OS_{setting[1].upper()}, or "
            "change auth_type",
        )
    return bad_configuration(reason_in(exc))


def names_setting(exc: Exception) -> bool:
    """Whether an exception of Python's names a setting, or one that is missing."""
    return bool(_MISSING_SETTINGS.search(str(exc)) or _UNKNOWN_SETTING.search(str(exc)))


def wrong_auth_type(names: Collection[str]) -> CloudError | None:
    """Return the error for settings of another kind of login, or None.

    Args:
        names: of the settings that the chosen kind does not take.
    """
    for name, auth_type in _AUTH_TYPES.items():
        if name in names:
            return _unknown_setting(
                name,
                f"set auth_type: {auth_type} in clouds.yaml, or "
                f"OS_AUTH_TYPE={auth_type}; or else remove {name}",
            )
    return None


def _unknown_setting(name: str, hint: str) -> CloudError:
    return CloudError(
        f"bad cloud configuration: this auth_type does not take {name}", hint
    )


def missing_settings(names: list[str]) -> CloudError:
    """Return the error for settings of the login that are not there."""
    variables = " and ".join(f"OS_{name.upper()}" for name in names)
    it = "it" if len(names) == 1 else "them"
    return CloudError(
        f"bad cloud configuration: missing {' and '.join(names)}",
        f"add {it} to `auth` in clouds.yaml, or set {variables}",
    )


def missing_domain(exc: Exception) -> CloudError | None:
    """Return the error for a login without a domain that it needs, or None.

    Args:
        exc: of keystoneauth, or made of what Keystone said.
    """
    if not any(words in str(exc) for words in _NO_DOMAIN):
        return None
    return CloudError(
        "bad cloud configuration: the domain of the user or project is missing",
        "set user_domain_name and project_domain_name in clouds.yaml, or "
        "OS_USER_DOMAIN_NAME and OS_PROJECT_DOMAIN_NAME",
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
