"""Attach to the serial console of an OpenStack Nova server.

The command line is in `cli/`.  Python programs use the names below (docs/api.md); each
is loaded when it is first used, so that `--help` does not wait for trio.
"""

from typing import TYPE_CHECKING, Any

from novaconsole._version import __version__ as __version__

if TYPE_CHECKING:
    from novaconsole.api import SerialConsole as SerialConsole
    from novaconsole.api import connect as connect
    from novaconsole.console.connect import ConnectOptions as ConnectOptions
    from novaconsole.errors import CloudError as CloudError
    from novaconsole.errors import ConnectError as ConnectError
    from novaconsole.errors import ConnectionLost as ConnectionLost
    from novaconsole.errors import GuestNotReady as GuestNotReady
    from novaconsole.errors import NovaConsoleError as NovaConsoleError
    from novaconsole.errors import TimedOut as TimedOut
    from novaconsole.errors import UsageError as UsageError
    from novaconsole.guest.expect import Match as Match
    from novaconsole.network.target import TLSOptions as TLSOptions
    from novaconsole.remote.process import Process as Process
    from novaconsole.remote.run import Completed as Completed
    from novaconsole.websocket.close import CloseReason as CloseReason


_HOMES = {
    "api": ("SerialConsole", "connect"),
    "websocket.close": ("CloseReason",),
    "errors": (
        "CloudError",
        "ConnectError",
        "ConnectionLost",
        "GuestNotReady",
        "NovaConsoleError",
        "TimedOut",
        "UsageError",
    ),
    "console.connect": ("ConnectOptions",),
    "guest.expect": ("Match",),
    "network.target": ("TLSOptions",),
    "remote.process": ("Process",),
    "remote.run": ("Completed",),
}


def __getattr__(name: str) -> Any:
    """A public name, from the module that has it."""
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"novaconsole.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
