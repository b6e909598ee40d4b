"""Every message that a user can see, collected from the source of the package.

    python tests/support/messages.py

Messages are spread over all wings, and most of them appear only when something fails.
So they are read from the syntax trees instead of from running code.  A message is

- `message`: the first argument of an error;
- `hint`: its second, or `hint=`; also what an attribute or a function `hint` holds;
- `notice`: what is passed to `say`, `answer` and the like or to a parameter of the type
  `Callable[[str], None]`, what a step of `--check` has as its `detail`, what `str()`
  makes of an object, and the meaning of an escape;
- `part`: what is filled into one of these, as far as it is text of the program.

An argument need not be a string.  Names, parameters, calls, conditions and tables are
followed, also into other modules, to every string that they can give.  What is filled
in while the program runs is shown as `{}`; but text of the program that is filled in at
the start or the end stands there, so that the form of the whole message can be checked.
An argument that leads to no string gives no entry.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import NamedTuple

HOLE = "{}"

# Functions and methods whose arguments are shown to the user.
_TELLING = {"say", "_say", "answer", "echo", "_tell", "print"}
_TELLING_TYPE = "Callable[[str], None]"
# Exceptions of other packages whose text is shown to the user.
_FOREIGN = {"BadParameter"}
# Attributes that hold a message, and functions that return one.
_HOLDING = {"detail": "notice", "hint": "hint"}
# The classes of a table, by the argument that is a message.
_ROWS = {"Escape": -1}
_MOST_STEPS = 12  # from one expression to the next

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Message(NamedTuple):
    """One message.

    Attributes:
        kind: `message`, `hint`, `notice` or `part`.
        shape: its text, with `{}` for what is filled in.
        place: where the text stands: the file, relative to the package, and the line.
    """

    kind: str
    shape: str
    place: str

    @property
    def wing(self) -> str:
        """The wing that it comes from; the name of the file if it is in none."""
        return self.place.partition(":")[0].partition("/")[0]


@dataclass
class _Module:
    """A module, and what is needed to follow its names."""

    path: Path
    tree: ast.Module
    functions: dict[str, list[_Function]] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, list[ast.expr]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self.functions.setdefault(node.name, []).append(node)
                case ast.ImportFrom(module=str(module), names=aliases):
                    for alias in aliases:
                        self.imports[alias.asname or alias.name] = module
                case ast.Assign([ast.Attribute(ast.Name("self"), name)], value):
                    self.attributes.setdefault(name, []).append(value)
        for statement in self.tree.body:
            match statement:
                case ast.Assign([ast.Name(name)], value):
                    self.constants[name] = value
                case ast.AnnAssign(ast.Name(name), value=ast.expr() as value):
                    self.constants[name] = value

    @cached_property
    def scopes(self) -> dict[ast.AST, _Function]:
        """The innermost function around each node."""
        found: dict[ast.AST, _Function] = {}
        for node in ast.walk(self.tree):  # from the outside to the inside
            if isinstance(node, _Function):
                found |= dict.fromkeys(ast.walk(node), node)
        return found


class _Text(NamedTuple):
    """A string that an expression can give, and where it stands."""

    shape: str
    place: str


class _Place(NamedTuple):
    """Where an expression stands, and how many steps led to it."""

    module: _Module
    scope: _Function | None
    steps: int = 0


class Package:
    """The source of the package.

    Args:
        root: its directory.
    """

    def __init__(self, root: Path) -> None:
        self._modules = {
            _dotted(path.relative_to(root.parent)): _Module(
                path.relative_to(root), ast.parse(path.read_text())
            )
            for path in sorted(root.rglob("*.py"))
        }
        self._errors = {
            node.name
            for module in self._modules.values()
            if module.path.name == "errors.py"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ClassDef)
        } | _FOREIGN
        self._joining = set[ast.expr]()  # what is being followed now

    def messages(self) -> list[Message]:
        """Every message, in the order of files and lines."""
        found = set()
        for module in self._modules.values():
            for kind, node, expressions in self._told(module):
                place = _Place(module, module.scopes.get(node))
                texts = {(kind, text) for text in self._texts(expressions, place)}
                for value in _filled_in(expressions):
                    texts |= {
                        ("part", text)
                        for text in self._texts([value], place)
                        if not text.shape.isdigit()
                    }
                found |= {Message(each, *text) for each, text in texts}
        said = [one for one in found if one.shape.replace(HOLE, "").strip()]
        return sorted(said, key=_by_place)

    def _told(
        self, module: _Module
    ) -> Iterator[tuple[str, ast.expr | ast.stmt, list[ast.expr]]]:
        """The places where something is told: kind, node, and what is told there."""
        for node in ast.walk(module.tree):
            match node:
                case ast.Call(function, arguments):
                    name = _name(function)
                    if name in self._errors or (
                        name == "cls" and module.path.name == "errors.py"
                    ):
                        yield from self._raised(module, node)
                    elif arguments and self._tells(name, module.scopes.get(node)):
                        told = arguments if name == "answer" else arguments[:1]
                        yield "notice", node, told
                    elif name in _ROWS and arguments:
                        yield "notice", node, [arguments[_ROWS[name]]]
                case ast.Tuple([*_, ast.Name(name), first, second]) if (
                    name in self._errors
                ):
                    yield "message", node, [first]
                    yield "hint", node, [second]
                case ast.Tuple([*_, ast.Name(name), first]) if name in self._errors:
                    yield "message", node, [first]
                case ast.Assign([target], value):
                    for attribute, part in _pairs(target, value):
                        yield _HOLDING[attribute], node, [part]
                case ast.AugAssign(ast.Attribute(attr="hint"), value=value):
                    yield "hint", node, [value]
                case ast.FunctionDef(name="hint" | "__str__" as name):
                    kind = "hint" if name == "hint" else "notice"
                    for returned in _returned(node):
                        yield kind, returned, [returned]

    def _tells(self, name: str | None, scope: _Function | None) -> bool:
        """Whether a function shows its argument to the user."""
        return name in _TELLING or (
            scope is not None
            and any(
                parameter.arg == name
                and parameter.annotation is not None
                and ast.unparse(parameter.annotation) == _TELLING_TYPE
                for parameter in _parameters(scope)
            )
        )

    def _raised(
        self, module: _Module, call: ast.Call
    ) -> Iterator[tuple[str, ast.expr, list[ast.expr]]]:
        hints = [each.value for each in call.keywords if each.arg == "hint"]
        match call.args:
            case [ast.Starred(value)]:
                place = _Place(module, module.scopes.get(call))
                yield "message", call, list(self._elements(value, 0, place))
                hints += self._elements(value, 1, place)
            case [message, *others]:
                yield "message", call, [message]
                hints += others[:1]
        if hints:
            yield "hint", call, hints

    # ---- following expressions

    def _texts(self, expressions: Iterable[ast.expr], place: _Place) -> set[_Text]:
        """Every string that the expressions can give."""
        return {
            text
            for expression in expressions
            for text in self._texts_of(expression, place)
        }

    def _texts_of(self, expression: ast.expr, place: _Place) -> set[_Text]:
        module, scope, steps = place
        here = f"{module.path}:{expression.lineno}"
        unknown = {_Text(HOLE, here)}
        if steps > _MOST_STEPS:
            return unknown
        place = _Place(module, scope, steps + 1)
        match expression:
            case ast.Constant(None):
                return set()
            case ast.Constant(str(text)):
                return {_Text(text, here)}
            case ast.Constant(int() as number) if not isinstance(number, bool):
                return {_Text(str(number), here)}
            case ast.JoinedStr(parts):
                if expression in self._joining:  # `again = f"{again}, or ..."`
                    return set()
                self._joining.add(expression)
                ends = {parts[0], parts[-1]} if parts else set()
                whole = [_outermost(part) if part in ends else part for part in parts]
                joined = self._joined(whole, place)
                self._joining.discard(expression)
                return {_Text(text, here) for text in joined}
            case ast.FormattedValue(ast.Name(name)) if constant := self._constant(
                name, place
            ):
                return constant
            case ast.BinOp(left, ast.Add(), right):
                joined = self._joined([left, right], place)
                return {_Text(text, here) for text in joined}
            case ast.IfExp(_, one, other):
                return self._texts([one, other], place)
            case ast.BoolOp(_, values) | ast.Dict(_, values):
                return self._texts(values, place)
            case ast.Tuple(elements) | ast.List(elements):
                return self._texts(elements, place)
            case ast.Starred(value) | ast.Await(value) | ast.NamedExpr(value=value):
                return self._texts([value], place)
            case ast.ListComp(element) | ast.GeneratorExp(element):
                return self._texts([element], place)
            case ast.Subscript(ast.Name() | ast.Dict() as table_):
                return self._texts([table_], place)
            case ast.Name(name):
                return self._named(name, place) or unknown
            case ast.Attribute(ast.Name("self"), name) if name in module.attributes:
                return self._texts(
                    module.attributes[name], _Place(module, None, steps + 1)
                )
            case ast.Call(ast.Attribute(value, "format")):
                return {
                    _Text(re.sub(r"\{\w*\}", HOLE, text.shape), text.place)
                    for text in self._texts([value], place)
                }
            case ast.Call(ast.Attribute(ast.Name() as table_, "get"), [_, *default]):
                return self._texts([table_, *default], place)
            case ast.Call(ast.Name(name) | ast.Attribute(attr=name)):
                return self._returned_by(name, place) or unknown
        return unknown

    def _joined(self, parts: list[ast.expr], place: _Place) -> set[str]:
        """Every way to join what the parts can give."""
        shapes = [
            {text.shape for text in self._texts([part], place)} or {""}
            for part in parts
        ]
        return {"".join(choice) for choice in product(*shapes)}

    def _named(self, name: str, place: _Place) -> set[_Text]:
        scope = place.scope
        if scope is not None:
            values = list(self._assigned(name, place))
            if any(each.arg == name for each in _parameters(scope)):
                return self._texts(values, place) | self._passed(name, place)
            if values:
                return self._texts(values, place)
        return self._constant(name, place)

    def _constant(self, name: str, place: _Place) -> set[_Text]:
        """What a constant of the module holds, or one that it imports."""
        module, _, steps = place
        if name in module.constants:
            return self._texts([module.constants[name]], place)
        other = self._modules.get(module.imports.get(name, ""))
        if other is not None and name in other.constants:
            return self._texts([other.constants[name]], _Place(other, None, steps))
        return set()

    def _passed(self, parameter: str, place: _Place) -> set[_Text]:
        """What the calls in a module pass as a parameter of a function in it."""
        module, scope, steps = place
        assert scope is not None
        names = [each.arg for each in _parameters(scope)]
        is_method = names[:1] == ["self"]
        index = names.index(parameter) - is_method
        found: set[_Text] = set()
        for node in ast.walk(module.tree):
            match node:
                case ast.Call(function, arguments, keywords) if (
                    _name(function) == scope.name
                ):
                    passed = [each.value for each in keywords if each.arg == parameter]
                    passed += arguments[index : index + 1]
                    found |= self._texts(
                        passed, _Place(module, module.scopes.get(node), steps)
                    )
        return found

    def _assigned(self, name: str, place: _Place) -> Iterator[ast.expr]:
        """What a local variable is set to, anywhere in its function."""
        assert place.scope is not None
        for node in ast.walk(place.scope):
            match node:
                case ast.Assign([ast.Name(target)], value) if target == name:
                    yield value
                case ast.AnnAssign(ast.Name(target), value=ast.expr() as value) if (
                    target == name
                ):
                    yield value
                case ast.AugAssign(ast.Name(target), ast.Add(), value) if (
                    target == name
                ):
                    yield value
                case ast.NamedExpr(ast.Name(target), value) if target == name:
                    yield value
                case ast.Assign([ast.Tuple(targets)], value):
                    for index, each in enumerate(targets):
                        if isinstance(each, ast.Name) and each.id == name:
                            yield from self._elements(value, index, place)

    def _elements(
        self, expression: ast.expr, index: int, place: _Place
    ) -> Iterator[ast.expr]:
        """The element at an index of every tuple that the expression can give."""
        match expression:
            case ast.Tuple(elements) if index < len(elements):
                yield elements[index]
            case ast.IfExp(_, one, other):
                yield from self._elements(one, index, place)
                yield from self._elements(other, index, place)
            case ast.Await(value):
                yield from self._elements(value, index, place)
            case ast.Dict(_, values):
                for value in values:
                    yield from self._elements(value, index, place)
            case ast.Subscript(ast.Name(name)) | ast.Name(name) if (
                name in place.module.constants
            ):
                constant = place.module.constants[name]
                yield from self._elements(constant, index, place)
            case ast.Call(ast.Name(name)):
                for function in place.module.functions.get(name, []):
                    for returned in _returned(function):
                        yield from self._elements(returned, index, place)

    def _returned_by(self, name: str, place: _Place) -> set[_Text]:
        """What a function returns; a method, if only one class has one of that name."""
        module, _, steps = place
        candidates = [(module, each) for each in module.functions.get(name, [])]
        if not candidates:
            candidates = [
                (other, each)
                for other in self._modules.values()
                for each in other.functions.get(name, [])
            ]
        if len(candidates) != 1:
            return set()
        [(home, function)] = candidates
        if _name(function.returns) not in ("str", "list", "tuple", "Iterator", None):
            return set()
        return self._texts(_returned(function), _Place(home, function, steps))


def _outermost(part: ast.expr) -> ast.expr:
    """What stands first or last in a message is followed: its form is checked there."""
    match part:
        case ast.FormattedValue(value, conversion=-1, format_spec=None):
            return value
    return part


def _filled_in(expressions: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """The values that the expressions fill into strings."""
    for expression in expressions:
        for node in ast.walk(expression):
            if isinstance(node, ast.FormattedValue):
                yield node.value


def _parameters(function: _Function) -> list[ast.arg]:
    arguments = function.args
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The attributes of a step that an assignment sets, and to what."""
    match target, value:
        case ast.Attribute(attr=attribute), _ if attribute in _HOLDING:
            yield attribute, value
        case ast.Tuple(targets), ast.Tuple(values):
            for each, part in zip(targets, values, strict=True):
                yield from _pairs(each, part)


def _returned(function: _Function) -> list[ast.expr]:
    """What a function returns or yields; the functions inside it do so, too."""
    return [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None
    ]


def _name(expression: ast.expr | None) -> str | None:
    """The last part of a dotted name, or of an annotation such as `str | None`."""
    match expression:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case ast.BinOp(left, ast.BitOr()):
            return _name(left)
        case ast.Subscript(value):
            return _name(value)
    return None


def _dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)


def _by_place(message: Message) -> tuple[str, int, str, str]:
    file, _, line = message.place.partition(":")
    return file, int(line), message.kind, message.shape


def table(messages: Iterable[Message]) -> str:
    """The messages as lines of text."""
    return "\n".join(
        f"{message.place:34} {message.kind:8} {message.shape}" for message in messages
    )


if __name__ == "__main__":
    import sys

    package = Path(__file__).parents[2] / "novaconsole"
    sys.stdout.write(table(Package(package).messages()) + "\n")
