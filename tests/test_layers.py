"""The house: imports go only downwards, each library has one owner, start-up is light.

The modules are read, not imported, for the first; the last runs the program.
"""

import ast
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import novaconsole

PACKAGE = Path(novaconsole.__file__).parent

# From the bottom to the top; a module may import those before it.
CORE = (
    *("errors", "events", "replies", "escape", "target", "handshake", "ending", "nova"),
    *(
        "farewell",
        "proxy",
        "history",
        "backoff",
        "reattach",
        "joiner",
        "window",
        "pacing",
        "sequences",
        "attributes",
        "traces",
        "modes",
        "asciicast",
        "filename",
        "stamps",
        "folding",
        "plaintext",
        "patterns",
        "unattended",
        "whereabouts",
        "guestscript",
        "remoteshell",
    ),
)
EDGES = (
    *("terminal", "pipes", "tcp", "transport", "wire", "keepalive", "socks", "tunnel"),
    *("privatefile", "logfile", "recording", "notices", "link", "cloud"),
)
ORDER = (
    *CORE,
    "descriptors",
    *EDGES,
    *("stdio", "opening", "demo", "locate", "replay", "sessionlog"),
    *("attachment", "api", "display", "session", "keyboard", "silence", "console"),
    *("signals", "attach", "runcommand", "check", "arguments", "options"),
    "cli",
    "__main__",
)

# The whole of the standard library that the core may see: nothing of it does I/O.
PURE = {"collections", "dataclasses", "enum", "re", "typing", "urllib"}
PURE |= {"pathlib", "signal"}  # for a type and for numbers
PURE |= {"codecs", "difflib", "ipaddress", "json", "math", "random", "shlex", "struct"}
PURE |= {"re2"}  # not of the standard library, but as pure as its `re`

OWNERS = {
    "termios": {"terminal"},
    "tty": set[str](),
    "fcntl": {"terminal"},
    "pty": {"demo"},
    "ssl": {"transport"},
    "trio_websocket": {"link"},
    "wsproto": {"link"},
    "h11": {"link", "tunnel"},  # the websocket upgrade, and CONNECT
    "python_socks": {"socks"},
    "re2": {"patterns"},
    "openstack": {"cloud"},
    "keystoneauth1": {"cloud"},
    "requests": {"cloud"},
    "typer": {"cli", "arguments"},
}

MAX_LINES = 300
LONGER = {
    "link": "the client's and the server's end of one protocol",
    "cli": "one signature holds all options",
    "arguments": "one table holds all options with their help",
    "modes": "one table of what a terminal remembers",
    "cloud": "each way in which a cloud refuses has words of its own",
}

HEAVY = {"trio", "trio_websocket", "openstack", "keystoneauth1", "pydantic"}
IO = {"asyncio", "select", "socket", "ssl", "subprocess", "termios", "threading"}


def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text())


def imports(node: ast.AST) -> Iterator[str]:
    """The dotted names of all that is imported, wherever it stands."""
    for child in ast.walk(node):
        match child:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom("novaconsole", names, 0):
                yield from (f"novaconsole.{alias.name}" for alias in names)
            case ast.ImportFrom(str(name), _, 0):
                yield name
            case ast.ImportFrom():
                pytest.fail("a relative import")


def inside(module: str) -> set[str]:
    """The modules of the package that one of them imports."""
    dotted = [name.split(".") for name in imports(tree(module))]
    names = {parts[1] for parts in dotted if parts[0] == "novaconsole"}
    return names - {"__version__"}


def outside(module: str) -> set[str]:
    """The libraries that a module imports, for typing or not."""
    return {name.partition(".")[0] for name in imports(tree(module))} - {"novaconsole"}


def test_every_module_has_a_place() -> None:
    found = {path.stem for path in PACKAGE.glob("*.py")}
    assert found - {"__init__"} == set(ORDER)
    assert len(ORDER) == len(set(ORDER))
    assert not [path for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]


@pytest.mark.parametrize("module", ORDER)
def test_imports_go_only_downwards(module: str) -> None:
    assert inside(module) <= set(ORDER[: ORDER.index(module)])


def test_the_package_itself_loads_nothing_before_a_name_is_asked_for() -> None:
    code = """
import sys
import novaconsole
assert not [name for name in sys.modules if name.startswith("novaconsole.")]
print(novaconsole.connect.__name__, "trio" in sys.modules)
"""
    done = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert done == "connect True\n"


def test_every_public_name_is_where_type_checkers_find_it() -> None:
    typed = {
        (child.module, alias.name)
        for child in ast.walk(tree("__init__"))
        if isinstance(child, ast.ImportFrom) and "novaconsole." in str(child.module)
        for alias in child.names
    }
    assert typed == {
        (f"novaconsole.{module}", name)
        for module, names in novaconsole._HOMES.items()
        for name in names
    }
    for _, name in typed:
        assert getattr(novaconsole, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        novaconsole.nothing  # noqa: B018 # that is the test


@pytest.mark.parametrize("module", EDGES)
def test_edges_do_not_know_one_another(module: str) -> None:
    below = {"link": {"wire", "keepalive"}, "tunnel": {"socks"}}
    below["socks"] = {"transport"}
    below["logfile"] = below["recording"] = {"privatefile"}
    assert inside(module) & set(EDGES) == below.get(module, set())


@pytest.mark.parametrize("module", CORE)
def test_the_core_is_pure(module: str) -> None:
    assert outside(module) <= PURE


@pytest.mark.parametrize(("library", "owners"), OWNERS.items())
def test_each_library_has_one_owner(library: str, owners: set[str]) -> None:
    assert {module for module in ORDER if library in outside(module)} == owners


@pytest.mark.parametrize("module", [*ORDER, "__init__"])
def test_every_module_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(tree(module))


@pytest.mark.parametrize("module", ORDER)
def test_files_are_short_or_there_is_a_reason(module: str) -> None:
    lines = len((PACKAGE / f"{module}.py").read_text().splitlines())
    assert (lines > MAX_LINES) == (module in LONGER), f"{lines} lines"


class Run(NamedTuple):
    """What the program did, and the modules that it loaded."""

    status: int
    loaded: set[str]
    out: str
    err: str


def run(*arguments: str) -> Run:
    foreign = ("OS_", "NOVACONSOLE_")
    done = subprocess.run(
        [sys.executable, "-bb", "-X", "importtime", "-m", "novaconsole", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith(foreign)},
    )
    lines = done.stderr.splitlines(keepends=True)
    trace = [line for line in lines if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip() for line in trace}
    assert "typer" in loaded, "the trace is complete"
    said = "".join(line for line in lines if line not in trace)
    return Run(done.returncode, loaded, done.stdout, said)


@pytest.mark.parametrize(
    ("option", "shown"),
    [("--version", novaconsole.__version__), ("--help", "--url"), ("-h", "--url")],
)
def test_to_tell_about_itself_it_loads_nothing_heavy(option: str, shown: str) -> None:
    done = run(option)
    assert (done.status, done.err) == (0, "")
    assert shown in done.out
    assert done.loaded & HEAVY == set()


def test_a_usage_error_loads_nothing_heavy() -> None:
    done = run("--demo", "--url", "ws://h/")
    assert (done.status, done.out) == (2, "")
    assert "exclude one another" in done.err
    assert done.loaded & HEAVY == set()


def test_with_a_url_no_cloud_is_loaded() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        port = taken.getsockname()[1]
        done = run("--url", f"ws://127.0.0.1:{port}/")
    assert done.status == 1
    assert f"127.0.0.1:{port}" in done.err
    assert done.loaded & HEAVY == {"trio", "trio_websocket"}


def test_the_core_loads_no_io() -> None:
    """What the modules load in turn does not, either."""
    names = [f"novaconsole.{module}" for module in CORE]
    code = f"""
import sys
before = set(sys.modules)
import {", ".join(names)}
print(*sorted(set(sys.modules) - before))
"""
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert set(names) <= set(loaded)
    assert (HEAVY | IO).intersection(loaded) == set()
