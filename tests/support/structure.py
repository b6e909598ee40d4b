"""What the package's modules import, read from their source.

Every function takes the folder of the package, so that the tests can hold the rules
against a copy with a planted fault as well.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

NAME = "novaconsole"


def modules(package: Path) -> list[str]:
    """Every module, as `wing.module`, the package's own `__init__` apart."""
    names = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts != ("__init__",):
            names.append(".".join(parts).removesuffix(".__init__"))
    return names


def path_of(package: Path, module: str) -> Path:
    """The file of a module; of the package itself for an empty name."""
    base = package.joinpath(*module.split(".")) if module else package
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def tree(package: Path, module: str) -> ast.Module:
    """The syntax tree of a module."""
    return _parse(path_of(package, module).read_text())


@cache
def _parse(source: str) -> ast.Module:
    return ast.parse(source)


def imports(node: ast.AST) -> Iterator[tuple[str, str | None]]:
    """All that is imported, wherever it stands: a module, and a name out of it."""
    for child in ast.walk(node):
        match child:
            case ast.Import(names):
                yield from ((alias.name, None) for alias in names)
            case ast.ImportFrom(_, names, level):
                module = "." * level + (child.module or "")
                yield from ((module, alias.name) for alias in names)


def inside(package: Path, module: str) -> Iterator[tuple[str, str | None]]:
    """What a module imports of the package: `wing.module`, and a name out of it."""
    for source, name in imports(tree(package, module)):
        if source.startswith("."):
            yield source, name  # relative: nothing may be
        elif source == NAME and name is not None:
            yield (name, None) if is_module(package, name) else ("", name)
        elif source.startswith(f"{NAME}."):
            dotted = source.removeprefix(f"{NAME}.")
            if name is not None and is_module(package, f"{dotted}.{name}"):
                yield f"{dotted}.{name}", None
            else:
                yield dotted, name


def is_module(package: Path, dotted: str) -> bool:
    """Whether a dotted name is a module or a wing."""
    return path_of(package, dotted).exists()


def outside(package: Path, module: str) -> set[str]:
    """The libraries that a module imports, for typing or not."""
    sources = {source.partition(".")[0] for source, _ in imports(tree(package, module))}
    return sources - {NAME, ""}


def wing(module: str) -> str:
    """The wing of a module; for one at the top of the package, its own name."""
    return module.partition(".")[0]


def bad_imports(package: Path, may_import: Mapping[str, set[str]]) -> list[str]:
    """The imports that the table does not allow.

    Args:
        package: its folder.
        may_import: the wings that each wing may import, beside itself.
    """
    found = []
    for module in modules(package):
        allowed = {*may_import.get(wing(module), set()), wing(module)}
        for source, name in inside(package, module):
            if source.startswith(".") or wing(source) not in allowed:
                what = f"{source}.{name}" if name else source
                found.append(f"{module} imports {what}")
    return found


def circles(package: Path) -> list[str]:
    """The modules that import one another, if only by way of others."""
    edges = {
        module: {source for source, _ in inside(package, module)} - {""}
        for module in modules(package)
    }

    def reaches(start: str) -> bool:
        seen: set[str] = set()
        ahead = [*edges[start]]
        while ahead:
            module = ahead.pop()
            if module == start:
                return True
            if module not in seen:
                seen.add(module)
                ahead.extend(edges.get(module, ()))
        return False

    return [module for module in edges if reaches(module)]


def wrong_owners(package: Path, owners: Mapping[str, set[str]]) -> list[str]:
    """The libraries that others than their owners import.

    Args:
        package: its folder.
        owners: the modules that import a library.
    """
    users = {library: set[str]() for library in owners}
    for module in modules(package):
        for library in outside(package, module) & owners.keys():
            users[library].add(module)
    return [
        f"{library}: {sorted(users[library] ^ owned)}"
        for library, owned in owners.items()
        if users[library] != owned
    ]


def without_docstring(package: Path) -> list[str]:
    """The modules that do not say what they are for."""
    names = ["", *modules(package)]
    return [name for name in names if not ast.get_docstring(tree(package, name))]


def more_than_a_docstring(package: Path) -> list[str]:
    """The wings whose `__init__` does something: who imports one module pays for it."""
    return [
        path.parent.name
        for path in sorted(package.glob("*/__init__.py"))
        if len(_parse(path.read_text()).body) > 1
    ]


def lines(package: Path, module: str) -> int:
    """How long the file of a module is."""
    return len(path_of(package, module).read_text().splitlines())
