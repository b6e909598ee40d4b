"""What is to blame for an error of the configuration: a file, a setting, the login.

What openstacksdk stumbles over is often an exception of Python's that names nothing.
So the same is tried once more without the files, and without each setting in turn.
"""

import logging
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

from novaconsole.cloud.config import CloudOptions
from novaconsole.cloud.config_faults import (
    CONFIGURE,
    configuration_error,
    names_setting,
    reason_in,
)
from novaconsole.cloud.files import file_problem, files_in_use
from novaconsole.cloud.loader import Configuration
from novaconsole.cloud.transport import profile_error
from novaconsole.errors import CloudError, NovaConsoleError

_T = TypeVar("_T")
_NUMBERS = ("could not convert string to float", "invalid literal for int()")

# Makes something of a configuration, or raises what is wrong with it.
Use = Callable[[Configuration], object]


def explaining(use: Callable[[Configuration], _T], options: CloudOptions) -> _T:
    """Make something of the configuration, and explain what is wrong with it.

    Args:
        use: makes it.
        options: which cloud is meant.

    Raises:
        CloudError: the configuration is broken, with the reason.
    """
    configuration: Configuration | None = None
    try:
        configuration = Configuration(options.ask)
        return use(configuration)
    except Exception as exc:  # the loaders raise of every kind, TypeError too
        error = _explained(exc, use, options, configuration)
        if error is exc:
            raise
        raise error from exc


def _explained(
    exc: Exception,
    use: Use,
    options: CloudOptions,
    configuration: Configuration | None,
) -> NovaConsoleError:
    """Return the error that says most about what was raised."""
    if error := profile_error(exc):
        return error
    chosen = options.cloud or os.environ.get("OS_CLOUD")
    problem = file_problem(chosen)
    if problem and not (_is_of_variables(options) and _is_same(exc, _try(use, False))):
        return CloudError(f"bad cloud configuration: {problem.text}", problem.hint)
    if configuration is not None and configuration.missing_profile:
        return CloudError(
            "bad cloud configuration: there is no profile "
            f"{configuration.missing_profile}",
            "check the spelling of `profile` in clouds.yaml",
        )
    if isinstance(exc, NovaConsoleError):
        return exc
    names = configuration.names if configuration else []
    default = configuration.default_cloud if configuration else None
    cloud = chosen or default
    if _is_pythons(exc) and not names_setting(exc):
        setting = _setting_at_fault(exc, use, cloud)
        return setting or _entry_at_fault(exc, cloud)
    is_chosen = configuration is None or cloud not in (None, "", "defaults")
    return configuration_error(
        exc, cloud, names, is_chosen=is_chosen, source=options.source
    )


def _is_of_variables(options: CloudOptions) -> bool:
    """Whether the variables describe a whole login, so that clouds.yaml has no part."""
    chosen = options.cloud or os.environ.get("OS_CLOUD")
    return not chosen and bool(os.environ.get("OS_AUTH_URL"))


def _setting_at_fault(exc: Exception, use: Use, cloud: str | None) -> CloudError | None:
    others = []
    for path, where, hint in _settings(cloud):
        raised = _try(use, True, path)
        if _is_same(exc, raised):
            continue
        text = str(exc)
        reason = (
            "must be a number"
            if text.startswith(_NUMBERS)
            else f"cannot be used: {reason_in(exc)}"
        )
        error = CloudError(f"bad cloud configuration: {where} {reason}", hint)
        if raised is None:
            return error
        if _is_pythons(raised):  # there is another one that is wrong
            others.append(error)
    return others[0] if others else None


def _entry_at_fault(exc: Exception, cloud: str | None) -> CloudError:
    """Return the error for settings that are wrong only together."""
    where = next((f"cloud {cloud} in {path}: " for path in _files_with(cloud)), "")
    return CloudError(f"bad cloud configuration: {where}{reason_in(exc)}", CONFIGURE)


def _files_with(cloud: str | None) -> Iterator[str]:
    for file in files_in_use():
        clouds = file.content.get("clouds") if isinstance(file.content, dict) else None
        if isinstance(clouds, dict) and cloud in clouds:
            yield file.path


def _settings(cloud: str | None) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Each setting that applies: the way to it, what to call it, and a hint."""
    for file in files_in_use():
        content = file.content if isinstance(file.content, dict) else {}
        hint = f"edit {file.path}"
        clouds = content.get("clouds")
        entry = clouds.get(cloud) if isinstance(clouds, dict) else None
        if isinstance(entry, dict):
            of = f"of cloud {cloud}"
            for name, value in entry.items():
                if name == "auth" and isinstance(value, dict):
                    for key in value:
                        way = ("clouds", str(cloud), "auth", key)
                        yield way, f"`{key}` {of}", hint
                else:
                    yield ("clouds", str(cloud), name), f"`{name}` {of}", hint
        for section in content.keys() - {"clouds"}:
            yield (section,), f"`{section}` in {file.path}", hint
    for variable in sorted(os.environ):
        if variable.startswith("OS_"):
            name = variable[3:].lower()
            yield (name,), variable, f"change or unset {variable}"


def _try(
    use: Use, reads_files: bool, without: tuple[str, ...] = ()
) -> Exception | None:
    """Return what is raised when something is left out."""
    disabled = logging.root.manager.disable
    logging.disable()  # it has all been logged before
    try:
        use(Configuration(lambda _: "-", reads_files=reads_files, without=without))
    except Exception as exc:  # noqa: BLE001 # that is what is looked for
        return exc
    finally:
        logging.disable(disabled)
    return None


def _is_same(exc: Exception, other: Exception | None) -> bool:
    return type(exc) is type(other) and str(exc) == str(other)


def _is_pythons(exc: Exception) -> bool:
    return type(exc).__module__ == "builtins" and type(exc) is not Exception
