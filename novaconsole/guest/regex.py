r"""Regular expressions as programs that can be matched in linear time.

The syntax and the meaning are those of Python's `re`, without what cannot be matched
in linear time: back references, look-around, conditions, atomic groups and possessive
quantifiers.  It is the same with every Python and on every system, because nothing has
to be installed.  `re` checks the syntax and tests single characters, each in constant
time; it never sees more than one character of the guest's output.

The result is a program for `guest/automaton.py`.
"""

import re
import warnings

from novaconsole.errors import UsageError
from novaconsole.guest.program import (
    Code,
    Instruction,
    Op,
    Part,
    Program,
    TooLarge,
    character,
    choice,
    group,
    repeat,
    sequence,
    single,
)

_MAX_DEPTH = 50
_TOO_DEEP = "it is nested too deeply"

_HINT = "use Python's syntax, without back references and look-around"
_SMALLER_HINT = "use a simpler one, with fewer repetitions and groups"
_FLAGS_HINT = "write it without the flag x, and without turning m off"
_UTF8_HINT = "check your terminal's character set"

_FLAGS = {"a": re.ASCII, "i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
_FLAGS["u"] = re.NOFLAG
_GROUP = re.compile(
    r"\((?:(?P<capture>\?P<\w+>|(?!\?))"
    r"|\?(?P<on>[a-zA-Z]*)(?P<off>-[a-zA-Z]+)?(?P<kind>[:)])"
    r"|(?P<comment>\?#[^)]*\)))"
)
_UNSUPPORTED_GROUPS = {
    "?P=": "back references",
    "?(": "conditions",
    "?>": "atomic groups",
    "?=": "look-aheads",
    "?!": "look-aheads",
    "?<": "look-behinds",
}
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}"
    r"|0[0-7]{0,2}|[1-3][0-7]{2}|.)",
    re.DOTALL,
)
_REPEAT = re.compile(r"(?:[*+?]|\{(?=[0-9,])([0-9]*)(,?)([0-9]*)\})([?+]?)")
_SETS = "dDsSwW"


class _Unsupported(Exception):
    """A pattern that `re` accepts, but not this module."""

    def __init__(self, reason: str, hint: str = _HINT) -> None:
        super().__init__(reason)
        self.hint = hint


class _Parser:
    """Reads one pattern that `re` has accepted."""

    def __init__(self, source: str) -> None:
        self.groups = 0
        self._source = source
        self._at = 0

    def choice(self, flags: re.RegexFlag, depth: int = 0) -> Part:
        """Read up to the end of the group or the pattern."""
        if depth > _MAX_DEPTH:
            raise _Unsupported(_TOO_DEEP, _SMALLER_HINT)
        branches, items = list[Part](), list[Part]()
        while self._at < len(self._source):
            char = self._source[self._at]
            if char == ")":
                break
            if char == "|":
                self._at += 1
                branches.append(sequence(items))
                items = []
            elif char == "(":
                flags = self._parenthesis(items, flags, depth)
            elif times := self._repetition():
                least, most, mode = times
                items[-1] = repeat(items[-1], least, most, is_lazy=mode == "?")
            else:
                items.append(self._atom(char, flags))
        return choice([*branches, sequence(items)])

    def _parenthesis(
        self, items: list[Part], flags: re.RegexFlag, depth: int
    ) -> re.RegexFlag:
        """Read a group, a comment or flags; return the flags for what follows."""
        found = _GROUP.match(self._source, self._at)
        if found is None:
            raise _Unsupported(_not_supported(self._source[self._at + 1 :]))
        self._at = found.end()
        if found["comment"]:
            return flags
        inner = flags
        if found["kind"]:
            inner = self._flags(flags, found["on"], found["off"] or "-")
            if found["kind"] == ")":
                return inner
        number = 0
        if found["capture"] is not None:
            self.groups += 1
            number = self.groups
        node = self.choice(inner, depth + 1)
        self._at += 1  # the closing parenthesis
        items.append(group(node, number) if number else node)
        return flags

    def _flags(self, flags: re.RegexFlag, on: str, off: str) -> re.RegexFlag:
        if not {*on, *off[1:]} <= {*_FLAGS} or "m" in off:
            reason = "the flag x, and m turned off, are not supported"
            raise _Unsupported(reason, _FLAGS_HINT)
        if "u" in on:
            flags &= ~re.ASCII
        for letter in on:
            flags |= _FLAGS[letter]
        for letter in off[1:]:
            flags &= ~_FLAGS[letter]
        return flags

    def _repetition(self) -> tuple[int, int | None, str] | None:
        found = _REPEAT.match(self._source, self._at)
        if found is None:
            return None
        self._at = found.end()
        mode = found[4]
        if mode == "+":
            raise _Unsupported("possessive quantifiers are not supported")
        if found[0][0] != "{":
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[found[0][0]]
            return least, most, mode
        least = int(found[1] or 0)
        if not found[2]:
            return least, least, mode
        return least, int(found[3]) if found[3] else None, mode

    def _atom(self, char: str, flags: re.RegexFlag) -> Part:
        if char == "^":
            self._at += 1
            return single(Instruction(Op.LINE_START))
        if char == "$":
            self._at += 1
            return single(Instruction(Op.LINE_END))
        if char == "\\":
            return self._escape(flags)
        text = char
        if char == "[":
            found = _CLASS.match(self._source, self._at)
            assert found is not None  # `re` has found its end
            text = found[0]
        self._at += len(text)
        return character(text if char in ".[" else re.escape(text), flags)

    def _escape(self, flags: re.RegexFlag) -> Part:
        found = _ESCAPE.match(self._source, self._at)
        assert found is not None  # `re` refuses a backslash at the end
        text = found[0]
        self._at = found.end()
        is_ascii = bool(flags & re.ASCII)
        match text[1]:
            case "A":
                return single(Instruction(Op.TEXT_START))
            case "Z":
                return single(Instruction(Op.TEXT_END))
            case "b":
                return single(Instruction(Op.WORD_EDGE, other=is_ascii))
            case "B":
                return single(Instruction(Op.NO_WORD_EDGE, other=is_ascii))
            case digit if digit in "123456789" and len(text) == 2:
                raise _Unsupported("back references are not supported")
            case letter if letter.isalpha() and len(text) == 2:
                if letter not in _SETS + "afnrtv":
                    # Of later Pythons.
                    raise _Unsupported(f"bad escape {text}")  # pragma: no cover
        return character(text, flags)


def _not_supported(group: str) -> str:
    for start, name in _UNSUPPORTED_GROUPS.items():
        if group.startswith(start):
            return f"{name} are not supported"
    return "unsupported group"  # pragma: no cover # of later Pythons


def compile_patterns(sources: tuple[str, ...]) -> Program:
    """Compile patterns into one program, which looks for all of them at once.

    `^` and `$` match at the start and the end of a line.

    Raises:
        UsageError: a pattern is malformed, too large, or needs what is not supported.
    """
    code = Code()
    starts, groups = list[int](), list[int]()
    for number, source in enumerate(sources):
        try:
            source.encode()
            _check_syntax(source)
            parser = _Parser(source)
            whole = group(parser.choice(re.NOFLAG), 0)
            starts.append(whole(code, code.add(Instruction(Op.ACCEPT, other=number))))
            groups.append(parser.groups)
        except (re.error, FutureWarning) as exc:
            raise _refusal(source, str(exc), _HINT) from None
        except OverflowError as exc:
            raise _refusal(source, str(exc), _SMALLER_HINT) from None
        except _Unsupported as exc:
            raise _refusal(source, str(exc), exc.hint) from None
        except TooLarge:
            raise _refusal(source, "it is too large", _SMALLER_HINT) from None
        except RecursionError:
            raise _refusal(source, _TOO_DEEP, _SMALLER_HINT) from None
        except UnicodeError:
            raise _refusal(source, "it is not UTF-8", _UTF8_HINT) from None
    return Program(tuple(code), tuple(starts), tuple(groups))


def _check_syntax(source: str) -> None:
    """Let `re` explain what is malformed."""
    with warnings.catch_warnings():
        # What may mean something else in a later Python.
        warnings.simplefilter("error", FutureWarning)
        re.compile(source)


def _refusal(source: str, reason: str, hint: str) -> UsageError:
    reason = reason[:1].lower() + reason[1:]
    return UsageError(f"bad regular expression {source!r}: {reason}", hint)
