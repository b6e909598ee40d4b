"""The house: which wing may import which, one owner for each library, a light start.

The modules are read, not imported, for the first two; the last runs the program.
"""

import ast
import importlib
import inspect
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import novaconsole
from support import structure
from support.program import command, without_settings

PACKAGE = Path(novaconsole.__file__).parent

# Everybody may import these.
VOCABULARY = {"_version", "errors", "events", "redaction"}

# What each wing may import beside itself and the vocabulary (docs/architecture.md).
MAY_IMPORT: dict[str, set[str]] = {
    "vt": set(),
    "network": set(),
    "terminal": set(),
    "guest": {"vt"},
    "capture": {"vt"},
    "websocket": {"network"},
    "cloud": {"network"},
    "console": {"cloud", "websocket", "network", "terminal"},
}
MAY_IMPORT["session"] = {*MAY_IMPORT}
MAY_IMPORT["remote"] = {"guest"}
MAY_IMPORT["api"] = {"console", "guest", "cloud", "websocket", "network", "remote"}
MAY_IMPORT["commands"] = {*MAY_IMPORT}
# Of what is below the commands, the command line knows the types that it hands on.
MAY_IMPORT["cli"] = {*MAY_IMPORT}
MAY_IMPORT["__main__"] = {"cli"}
for allowed in MAY_IMPORT.values():
    allowed |= VOCABULARY

# Nothing in these does I/O: they can be tested by feeding bytes.
PURE_WINGS = {"vt", "guest"}
PURE_MODULES = {
    *VOCABULARY,
    *("capture.asciicast", "capture.elsewhere", "capture.plaintext"),
    "capture.timestamps",
    *("cloud.server", "cloud.console_log"),
    *("network.address", "network.proxy", "network.target"),
    *("session.escapes",),
    *("websocket.close", "websocket.coalesce", "websocket.flow", "websocket.handshake"),
}
# The whole of the standard library that they may see: nothing of it does I/O.
PURE = {"collections", "dataclasses", "enum", "re", "typing", "urllib"}
PURE |= {"pathlib", "signal"}  # for a type and for numbers
PURE |= {"codecs", "difflib", "ipaddress", "json", "math", "random", "shlex", "struct"}
PURE |= {"itertools", "warnings"}

OWNERS = {
    "termios": {"terminal.tty", "terminal.prompt", "terminal.secret"},
    "tty": set[str](),
    "fcntl": {"terminal.tty"},
    "pty": {"console.demo"},
    "ssl": {"network.tls", "network.trust"},
    "trio_websocket": {
        *("websocket.client", "websocket.connection", "websocket.server"),
    },
    "wsproto": {"websocket.connection"},
    "h11": {"websocket.connection", "network.http_connect"},  # the upgrade; CONNECT
    "python_socks": {"network.socks"},
    "openstack": {
        "cloud.config",
        "cloud.loader",
        "cloud.login",
        "cloud.files",
        "cloud.faults",
    }
    | {"cloud.config_faults"},
    "keystoneauth1": {
        *("cloud.client", "cloud.loader", "cloud.login", "cloud.transport"),
        *("cloud.faults", "cloud.config_faults"),
    },
    "requests": {"cloud.response", "cloud.login", "cloud.transport"},
    "yaml": {"cloud.files"},
    "typer": {"cli.app", "cli.options"},
}

MAX_TOP_MODULES = 9
MAX_LINES = 300
LONGER = {
    "cli.options": "one table holds all options with their help",
    "session.escapes": "one parser: escapes, and the replies and pastes between them",
}

HEAVY = {"trio", "trio_websocket", "openstack", "keystoneauth1", "pydantic"}
IO = {"asyncio", "select", "socket", "ssl", "subprocess", "termios", "threading"}

CORE = [
    module
    for module in structure.modules(PACKAGE)
    if structure.wing(module) in PURE_WINGS or module in PURE_MODULES
]


def core_files() -> list[str]:
    """The files of the core, which the tests cover to the last branch (.ci/run)."""
    return [str(structure.path_of(Path("novaconsole"), module)) for module in CORE]


def impure(package: Path) -> list[str]:
    """The core's modules that import more than pure libraries."""
    return [
        f"{module} imports {sorted(surplus)}"
        for module in CORE
        if (surplus := structure.outside(package, module) - PURE)
    ]


def test_the_table_of_imports_holds() -> None:
    assert structure.bad_imports(PACKAGE, MAY_IMPORT) == []


def test_no_modules_import_one_another() -> None:
    assert structure.circles(PACKAGE) == []


def test_every_wing_has_a_row_in_the_table() -> None:
    wings = {structure.wing(module) for module in structure.modules(PACKAGE)}
    assert wings - VOCABULARY == set(MAY_IMPORT)
    assert len([*PACKAGE.glob("*.py")]) <= MAX_TOP_MODULES


def test_each_library_has_one_owner() -> None:
    assert structure.wrong_owners(PACKAGE, OWNERS) == []


def test_the_core_is_pure() -> None:
    assert {*CORE} >= PURE_MODULES
    assert impure(PACKAGE) == []


def test_every_module_says_what_it_is_for() -> None:
    assert structure.without_docstring(PACKAGE) == []


def test_a_wing_itself_loads_nothing() -> None:
    assert structure.more_than_a_docstring(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "text", "rule"),
    [
        ("vt/parser.py", "import novaconsole.cli.app", "table"),
        ("vt/parser.py", "from novaconsole.cli import app", "table"),
        ("vt/parser.py", "from novaconsole import cli", "table"),
        ("vt/parser.py", "from . import modes", "table"),
        ("vt/parser.py", "def f():\n    import novaconsole.cloud.client", "table"),
        ("errors.py", "from novaconsole.vt.parser import Text", "table"),
        ("attic/old.py", "from novaconsole.vt.parser import Text", "table"),
        ("vt/parser.py", "import novaconsole.vt.tracker", "circle"),
        ("guest/login.py", "import termios", "owner"),
        ("guest/login.py", "import socket", "pure"),
        ("console/deep/new.py", "x = 1", "docstring"),
        ("console/__init__.py", "import trio", "init"),
    ],
)
def test_a_planted_fault_is_found(
    tmp_path: Path, file: str, text: str, rule: str
) -> None:
    """A walk that misses a wing would say that all is well."""
    copy = tmp_path / "novaconsole"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as planted:
        planted.write(f"\n{text}\n")
    rules = {
        "table": structure.bad_imports(copy, MAY_IMPORT),
        "circle": structure.circles(copy),
        "owner": structure.wrong_owners(copy, OWNERS),
        "pure": impure(copy),
        "docstring": structure.without_docstring(copy),
        "init": structure.more_than_a_docstring(copy),
    }
    assert rules[rule]


def test_of_the_wings_below_the_commands_the_command_line_knows_types_only() -> None:
    functions = []
    for module in structure.modules(PACKAGE):
        if structure.wing(module) != "cli":
            continue
        for source, name in structure.inside(PACKAGE, module):
            if structure.wing(source) in {"cli", "commands", *VOCABULARY} or not name:
                continue
            found = getattr(importlib.import_module(f"novaconsole.{source}"), name)
            if not inspect.isclass(found):
                functions.append(f"{module} imports {source}.{name}")
    assert functions == []


def test_the_package_itself_loads_nothing_before_a_name_is_asked_for() -> None:
    code = """
import sys
import novaconsole
loaded = {name for name in sys.modules if name.startswith("novaconsole.")}
assert loaded <= {"novaconsole._version"}
print(novaconsole.connect.__name__, "trio" in sys.modules)
"""
    done = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert done == "connect True\n"


def test_every_public_name_is_where_type_checkers_find_it() -> None:
    typed = {
        (child.module, alias.name)
        for child in ast.walk(structure.tree(PACKAGE, ""))
        if isinstance(child, ast.ImportFrom) and "novaconsole." in str(child.module)
        for alias in child.names
    } - {("novaconsole._version", "__version__")}
    assert typed == {
        (f"novaconsole.{module}", name)
        for module, names in novaconsole._HOMES.items()
        for name in names
    }
    for _, name in typed:
        assert getattr(novaconsole, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        novaconsole.nothing  # noqa: B018 # that is the test


@pytest.mark.parametrize("module", structure.modules(PACKAGE))
def test_files_are_short_or_there_is_a_reason(module: str) -> None:
    length = structure.lines(PACKAGE, module)
    assert (length > MAX_LINES) == (module in LONGER), f"{length} lines"


class Run(NamedTuple):
    """What the program did, and the modules that it loaded."""

    status: int
    loaded: set[str]
    out: str
    err: str


def run(*arguments: str) -> Run:
    done = subprocess.run(
        [*command("-X", "importtime"), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=without_settings(os.environ),
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
    assert "cannot be used with" in done.err
    assert done.loaded & HEAVY == set()


def test_with_a_url_no_cloud_is_loaded() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        port = taken.getsockname()[1]
        done = run("--url", f"ws://127.0.0.1:{port}/")
    assert done.status == 1
    assert f"127.0.0.1:{port}" in done.err
    assert done.loaded & HEAVY == {"trio", "trio_websocket"}
    assert [name for name in done.loaded if name.startswith("novaconsole.cloud")] == []


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
