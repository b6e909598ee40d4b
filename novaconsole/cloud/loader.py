"""Loads clouds.yaml and the OS_* variables as python-openstackclient does.

openstacksdk alone ignores the variables once a cloud has been chosen.  The client lets
each of them override clouds.yaml (osc_lib/shell.py and osc_lib/cli/client_config.py),
and asks for a password that is missing.
"""

import logging
import os
from typing import TYPE_CHECKING, Any

from openstack.config import OpenStackConfig
from openstack.config.loader import CONFIG_FILES, SECURE_FILES

from novaconsole._version import __version__
from novaconsole.cloud.config import AskSecret, CloudOptions
from novaconsole.cloud.config_faults import missing_settings, wrong_auth_type
from novaconsole.cloud.files import missing_file, reason_of
from novaconsole.errors import CloudError

if TYPE_CHECKING:
    from keystoneauth1.loading import BaseLoader, Opt
    from openstack.config.cloud_region import CloudRegion

_log = logging.getLogger(__name__)

# The variables that are not about the login itself.
_SETTINGS = (
    *("region_name", "interface", "cacert", "cert", "key"),
    *("auth_type", "auth_methods"),
)
# The settings under `auth` that the plugin v3password understands.
_V3_PASSWORD_OPTIONS = {
    *("auth_url", "username", "user_id", "password"),
    *("user_domain_id", "user_domain_name", "project_id", "project_name"),
    *("project_domain_id", "project_domain_name", "domain_id", "domain_name"),
    *("system_scope", "trust_id"),
}


# The kinds of login with a password, which may do without a domain.
_PASSWORD_TYPES = ("password", "v3password", "v3totp")


class Configuration(OpenStackConfig):
    """All the clouds that are configured.

    Args:
        ask: for a secret that is missing, or None without a terminal to ask on.
        reads_files: whether to read clouds.yaml, or the environment only.
        without: a setting to leave out, to find out whether an error is about it: the
            names that lead to it in a file, or only that of a variable.

    Attributes:
        missing_profile: the `profile` of the region's cloud that does not exist.
    """

    def __init__(
        self,
        ask: AskSecret | None = None,
        *,
        reads_files: bool = True,
        without: tuple[str, ...] = (),
    ) -> None:
        self.missing_profile: str | None = None
        self._reads_files = reads_files
        self._without = without
        self._skipped: list[str] = []
        skipped = _SkippedFiles(self._skipped)
        logger = logging.getLogger("openstack.config")
        logger.addFilter(skipped)
        try:
            super().__init__(
                # Copies: before 4.14, openstacksdk puts the files that variables name
                # into its own lists, for the whole process.
                config_files=list(CONFIG_FILES),
                secure_files=list(SECURE_FILES),
                app_name="novaconsole",
                app_version=__version__,
            )
        finally:
            logger.removeFilter(skipped)
        self._ask = ask

    @property
    def names(self) -> list[str]:
        """The names of the clouds in clouds.yaml."""
        # "defaults" and "envvars" are not entries of clouds.yaml.
        return sorted({*self.get_cloud_names()} - {"defaults", self.envvar_key})

    def region(self, options: CloudOptions) -> "CloudRegion":
        """Return the configuration of the region that is meant.

        Raises:
            Exception: openstacksdk, keystoneauth or what they call does not like it.
        """
        settings: dict[str, Any] = {
            name: os.environ.get(f"OS_{name.upper()}") for name in _SETTINGS
        }
        tls = options.tls
        if tls.cert:
            settings["key"] = None  # $OS_KEY belongs to $OS_CERT
        settings |= {
            name: value
            for name, value in {
                "region_name": options.region,
                "cacert": tls.cacert and str(tls.cacert),
                "cert": tls.cert and str(tls.cert),
                "key": tls.key and str(tls.key),
                # Both, because either may be configured.
                "verify": False if tls.insecure else True if tls.cacert else None,
                "insecure": False if tls.cacert else None,
            }.items()
            if value is not None
        }
        given = {
            name: value for name, value in settings.items() if value not in (None, "")
        }
        return self.get_one(cloud=options.cloud, **given)

    def warn(self) -> None:
        """Say what was not read, though it is configured.

        If the login could not be made of the rest, the error says this.
        """
        for warning in filter(None, (*self._skipped, missing_file())):
            _log.warning("%s", warning)

    # ---- what openstacksdk calls, for itself and for python-openstackclient

    def _load_yaml_json_file(self, filelist: list[str]) -> Any:
        for path in filelist if self._reads_files else []:
            try:
                found = super()._load_yaml_json_file([path])
            except Exception as exc:  # noqa: BLE001 # the parser's own before SDK 4.14
                self._skipped.append(f"skipping {path}: {reason_of(exc)}")
                continue
            if found[0] is not None:
                if not found[1]:  # an empty file, which older SDKs refuse
                    return found[0], {"clouds": {}}
                _leave_out(found[1], self._without)
                return found
        return super()._load_yaml_json_file([])

    def _get_os_environ(self, envvar_prefix: str | None = None) -> Any:
        found = super()._get_os_environ(envvar_prefix)
        if found and len(self._without) == 1:
            found.pop(self._without[0], None)
        return found

    def _expand_vendor_profile(
        self, name: Any, cloud: dict[str, Any], our_cloud: dict[str, Any]
    ) -> None:
        before = dict(cloud)
        super()._expand_vendor_profile(name, cloud, our_cloud)
        profile = our_cloud.get("profile", our_cloud.get("cloud"))
        if profile and profile != self.envvar_key and cloud == before:
            self.missing_profile = str(profile)

    def auth_config_hook(self, config: dict[str, Any]) -> dict[str, Any]:
        """Choose the plugin v3password where it does: it asks for no versions."""
        auth: dict[str, Any] = config["auth"]
        _add_default_domain(config)
        url = os.environ.get("OS_AUTH_URL") or auth.get("auth_url") or ""
        url = url or config.get("auth_url") or ""
        if (
            str(url).rstrip("/").endswith("/v3")
            and config.get("auth_type") in (None, "password")
            and auth.keys() <= _V3_PASSWORD_OPTIONS
            # Otherwise the plugin "password" reports what is missing.
            and _has_domain(auth, "project")
        ):
            config["auth_type"] = "v3password"
        return config

    def _validate_auth(
        self, config: dict[str, Any], loader: "BaseLoader[Any]"
    ) -> dict[str, Any]:
        for option in loader.get_options():
            names = [option.name, *(old.name for old in option.deprecated)]
            keys = [name.replace("-", "_") for name in names]
            values = [os.environ.get(f"OS_{key.upper()}") for key in keys]
            value = next(filter(None, values), None)
            if value is not None and option.dest not in _SETTINGS:
                for key in keys:
                    config["auth"].pop(key, None)
                config["auth"][option.dest] = value
        auth, taken = config["auth"], {option.dest for option in loader.get_options()}
        if "password" in taken and not (auth.get("password") or config.get("password")):
            # Whatever else is configured is meant for the login: nothing is asked for.
            variables = (name for name in os.environ if name.startswith("OS_"))
            given = {name[3:].lower() for name in variables} | {*config, *auth}
            if error := wrong_auth_type(given - taken):
                raise error
        config = super()._validate_auth(config, loader)
        auth = config["auth"]
        if error := wrong_auth_type(auth.keys() - taken):
            raise error
        if "password" in taken and auth.get("auth_url"):
            missing = [name for name in ("username", "password") if not auth.get(name)]
            if missing == ["username", "password"] and not auth.get("user_id"):
                raise missing_settings(missing)
        return config

    def option_prompt(self, config: dict[str, Any], p_opt: "Opt") -> dict[str, Any]:
        """Ask for a password or passcode that is not configured.

        Raises:
            CloudError: there is no terminal to ask on, or nothing was entered.
        """
        auth: dict[str, Any] = config["auth"]
        user = auth.get("username") or auth.get("user_id")
        name = p_opt.dest
        if p_opt.prompt and not auth.get(name) and user and auth.get("auth_url"):
            secret = (
                self._ask(f"{name} of {user} in the cloud: ") if self._ask else None
            )
            if not secret:
                raise CloudError(
                    f"no {name} is configured for the user {user}",
                    f"set OS_{name.upper()}, or {name} in clouds.yaml or secure.yaml",
                )
            auth[name] = secret
        return config


def _has_domain(auth: dict[str, Any], kind: str) -> bool:
    names = (f"{kind}_domain_id", f"{kind}_domain_name")
    return any(auth.get(name) or os.environ.get(f"OS_{name.upper()}") for name in names)


def _add_default_domain(config: dict[str, Any]) -> None:
    """Add the domains that are missing, as osc_lib does; other logins need none."""
    version = os.environ.get("OS_IDENTITY_API_VERSION") or config.get(
        "identity_api_version"
    )
    if config.get("auth_type") not in _PASSWORD_TYPES or str(version) != "3":
        return
    default = os.environ.get("OS_DEFAULT_DOMAIN") or config.get("default_domain")
    for kind in ("user", "project"):
        if not _has_domain(config["auth"], kind):
            config["auth"][f"{kind}_domain_id"] = default or "default"


def _leave_out(content: Any, path: tuple[str, ...]) -> None:
    for name in path[:-1]:
        content = content.get(name) if isinstance(content, dict) else None
    if isinstance(content, dict) and path:
        content.pop(path[-1], None)


class _SkippedFiles(logging.Filter):
    """Keeps what openstacksdk logs of a broken file, which may quote a password."""

    def __init__(self, warnings: list[str]) -> None:
        super().__init__()
        self._warnings = warnings

    def filter(self, record: logging.LogRecord) -> bool:
        args = record.args
        if not str(record.msg).startswith("Skipping") or not isinstance(args, tuple):
            return True
        path, error = args
        reason = reason_of(error) if isinstance(error, Exception) else "it is broken"
        self._warnings.append(f"skipping {path}: {reason}")
        return False
