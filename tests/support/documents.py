"""What the documents say, held against what is there.

Each check takes the text of a document and returns what is wrong with it.  So the tests
can hold it against a text with a planted fault as well.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import typer
from hypothesis import settings

from novaconsole.cli.app import app
from novaconsole.cli.conflicts import check_conflicts
from novaconsole.cli.options import Options
from novaconsole.errors import UsageError

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "novaconsole"


# ---- reading Markdown

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"`([^`\n]+)`")


def section(text: str, heading: str) -> str:
    """The part of a document under a heading, up to the next one of its level."""
    match = re.search(rf"^{heading}$\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match is not None, heading
    return match[1]


def rows(text: str) -> list[tuple[str, ...]]:
    """The cells of the table in a text, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [tuple(line[2:-2].split(" | ")) for line in lines[2:]]


def code_spans(text: str) -> list[str]:
    """Code inside the sentences of a document."""
    return _CODE_SPAN.findall(_FENCED.sub("", text))


def command_lines(text: str) -> list[str]:
    """The indented lines of a document: commands, one a line, and their output."""
    return re.findall(r"^    (?! )(.+)$", _FENCED.sub("", text), re.MULTILINE)


# ---- paths and names


def missing_paths(text: str) -> list[str]:
    """The files and directories that a document names and that do not exist.

    A path is relative to the repository, to the package, or to `docs/`.
    """
    named = {
        word
        for span in code_spans(text)
        for word in re.findall(r"[\w./~-]+", re.sub(r"https?://\S+", "", span))
        if re.fullmatch(r"\.?\w[\w.-]*(/[\w.-]*)+|\w+\.(py|md)", word)
    }
    named |= set(re.findall(r"\]\((?!https?:)([^)#]+)\)", text))
    homes = (ROOT, PACKAGE, ROOT / "docs")
    return sorted(
        path for path in named if not any((home / path).exists() for home in homes)
    )


@cache
def names_in_the_package() -> frozenset[str]:
    """Every identifier in the source of the package, and every word in its strings."""
    source = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    return frozenset(re.findall(r"\w+", source))


def missing_names(text: str) -> list[str]:
    """The identifiers in sentences and in the tree of tasks that the code lacks."""
    named = [span for span in code_spans(text) if re.fullmatch(r"\w+(\.\w+)*", span)]
    trees = "".join(_FENCED.findall(text))
    named += re.findall(r"\b(?:[A-Z]\w+\.)?[a-z]+_\w+\b", trees)
    words = names_in_the_package()
    return sorted({name for name in named if not words.issuperset(name.split("."))})


def missing_quotes(text: str) -> list[str]:
    """The messages that the document quotes in bold and the program does not say."""
    said = "\n".join(
        node.value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    headings = re.findall(r"^\*\*(\".*?)\*\*", text, re.MULTILINE | re.DOTALL)
    quotes = [quote for each in headings for quote in re.findall(r'"([^"]*)"', each)]
    pieces = {
        piece
        for quote in quotes
        for piece in re.split(r"(?<=:) | … ", " ".join(quote.split()))
    }
    # Filled in: a state of Nova's, and the reason that nova-serialproxy gives.
    pieces = {re.sub(r"^is SHUTOFF", "is {}", piece) for piece in pieces}
    said = f"{said}\nis {{}}, not ACTIVE\nTarget closed"
    return sorted(piece for piece in pieces if piece not in said)


# ---- commands

Command = list[str]

# Programs of others: what they do is theirs.  Ours are checked.
_OTHERS = {"asciinema", "openstack", "pipx", "uv"}
_OTHERS |= {"ansible", "curl", "rsync", "scp", "sftp", "ssh"}
_OTHERS |= {"cat", "md5sum", "printf", "tar", "umask"}
_TOOLS = {"codespell", "mypy", "pre-commit", "ruff"}  # of the dependency groups
_SHELL = {".", "reset", "resize", "stty", "systemctl", "fg"}


def commands(text: str) -> Iterator[Command]:
    """Every command that a document shows, as words.

    An option that stands alone in a sentence gives a command without a program.
    """
    for line in command_lines(text):
        if line.startswith("{"):
            continue  # output
        yield from _split(line.removeprefix("$ "))
    for line in re.findall(r"^    ProxyCommand (.+)$", text, re.MULTILINE):
        yield from _split(line)  # of an ssh_config
    for span in code_spans(text):
        if re.match(r"(novaconsole|python|pytest|pip|pipx|uv|\.venv/bin/\w+) ", span):
            yield from _split(span)
        elif re.match(r"--?\w", span) and span not in _OPTIONS_OF_OTHERS:
            yield ["", *shlex.split(span)]


# `python -bb`.
_OPTIONS_OF_OTHERS = {"-bb"}


def _split(line: str) -> Iterator[Command]:
    line = re.sub(r"\$\([^)]*\)", "WORD", line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&<>;()")
    lexer.whitespace_split = True
    command: Command = []
    words = iter([*lexer, "&&"])
    for word in words:
        if word in ("|", "&&", ";", "(", ")"):
            if command:
                yield command
            command = []
        elif word in ("<", ">"):
            next(words)
        elif command or not re.match(r"[A-Z_]+=", word):
            command.append(word)


def wrong_commands(text: str) -> list[str]:
    """What is wrong with the commands that a document shows."""
    return [
        f"{shlex.join(command)}: {fault}"
        for command in commands(text)
        if (fault := _fault(command)) is not None
    ]


def _fault(command: Command) -> str | None:
    program, *arguments = command
    program = program.removeprefix(".venv/bin/")
    match program:
        case "novaconsole":
            return _novaconsole_fault(arguments)
        case "":
            return _option_fault(*arguments)
        case "export":
            return _variable_fault(arguments)
        case "python" | "python3":
            return _python_fault(arguments)
        case "pytest":
            return _pytest_fault(arguments)
        case "pip":
            return _pip_fault(arguments)
        case _ if program in _TOOLS:
            known = (ROOT / "pyproject.toml").read_text()
            return None if f'"{program}>=' in known else "not in pyproject.toml"
    return None if program in _OTHERS | _SHELL else "an unknown program"


def _novaconsole_fault(arguments: Command, *, conflicts: bool = True) -> str | None:
    """What the command line says to the arguments; nothing is run."""
    if arguments == ["--install-completion"]:
        return None  # it would be done
    try:
        options = app(arguments, standalone_mode=False, prog_name="novaconsole")
        if isinstance(options, Options) and conflicts:
            check_conflicts(options)
    except typer.TyperException as exc:
        return exc.format_message()
    except UsageError as exc:
        return str(exc)
    return None


def _option_fault(option: str, *values: str) -> str | None:
    """What the command line says to one option, without what it may require."""
    if option in _WITH_VALUE and values in ((), ("N",)):
        values = ("1",)
    return _novaconsole_fault([option, *values], conflicts=False)


def _variable_fault(assignments: list[str]) -> str | None:
    """Whether each is the variable of an option."""
    names = {word.partition("=")[0] for word in assignments}
    options = {f"--{name[12:].lower().replace('_', '-')}" for name in names}
    return None if options <= _WITH_VALUE else f"{names} are not all variables"


_WITH_VALUE = {
    name
    for parameter in typer.main.get_command(app).params
    for name in parameter.opts
    if not getattr(parameter, "is_flag", True)
}


def _python_fault(arguments: Command) -> str | None:
    while arguments and arguments[0] == "-bb":
        arguments = arguments[1:]
    match arguments:
        case ["-m", "pytest", *rest]:
            return _pytest_fault(rest)
        case ["-m", "venv", _]:
            return None
        case [script, *rest] if script.endswith(".py"):
            if not (ROOT / script).is_file():
                return "no such script"
            options = [word for word in rest if word.startswith("-")]
            known = (ROOT / script).read_text()
            lacking = [option for option in options if f'"{option}"' not in known]
            if lacking:
                return f"no such option: {lacking}"
            paths = [word for word in rest if "/" in word]
            return None if all((ROOT / path).exists() for path in paths) else "no file"
    return "not checked"


def _pytest_fault(arguments: Command) -> str | None:
    words = iter(arguments)
    for word in words:
        option, _, value = word.partition("=")
        if option == "--hypothesis-profile":
            try:
                settings.get_profile(value)
            except Exception as exc:  # noqa: BLE001 # of hypothesis
                return str(exc)
        elif option in ("--timeout", "-n"):
            float(next(words))
        elif option == "--dist":
            if (distribution := next(words)) != "worksteal":
                return f"{distribution} is not how .ci/run does it"
        elif option == "--ignore" or not word.startswith("-"):
            path = value or word
            if not (ROOT / path).exists():
                return f"{path} does not exist"
        else:
            return f"{word} is not checked"
    return None


def _pip_fault(arguments: Command) -> str | None:
    known = (ROOT / "pyproject.toml").read_text()
    names = set(re.findall(r"^(\w+) = \[", known, re.MULTILINE))
    for option, value in pairwise(arguments):
        if option == "--group" and value not in names:
            return f"no dependency group {value}"
    for extra in re.findall(r"\[(.*)\]", " ".join(arguments)):
        for name in extra.split(","):
            if name not in names:
                return f"no extra {name}"
    return None
