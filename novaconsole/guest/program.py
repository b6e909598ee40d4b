"""Programs for `guest/automaton.py`, and the parts that they are put together from.

After Thompson's construction (swtch.com/~rsc/regexp): each part of a pattern adds its
instructions in front of what follows.
"""

import re
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

_MAX_STEPS = 4000  # counted repetition multiplies


class TooLarge(Exception):
    """A program would have too many instructions."""


class Op(IntEnum):
    """What an instruction does."""

    CHAR = 0  # take a character for which `test` is true
    SPLIT = 1  # go on at `next`, and with less priority at `other`
    SAVE = 2  # note the position in slot `other`
    ACCEPT = 3  # the pattern with the number `other` has matched
    # The position is:
    LINE_START = 4
    LINE_END = 5
    TEXT_START = 6
    TEXT_END = 7
    WORD_EDGE = 8  # for ASCII words if `other`
    NO_WORD_EDGE = 9


class Instruction(NamedTuple):
    """One step of a program; `next` and `other` are numbers of instructions."""

    op: Op
    next: int = 0
    other: int = 0
    test: Callable[[str], object] = bool


class Program(NamedTuple):
    """One or more compiled patterns.

    Attributes:
        code: the instructions of all of them.
        starts: for each pattern, the number of its first instruction.
        groups: for each pattern, how many groups it has.
    """

    code: tuple[Instruction, ...]
    starts: tuple[int, ...]
    groups: tuple[int, ...]


class Code(list[Instruction]):
    """The instructions of all patterns."""

    def __init__(self) -> None:
        super().__init__()
        self._steps = 0

    def add(self, instruction: Instruction) -> int:
        """Append an instruction; return its number."""
        self.count_step()
        self.append(instruction)
        return len(self) - 1

    def count_step(self) -> None:
        """Count also what adds nothing: `(){1000}` takes time as well."""
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise TooLarge


# Given the number of the instruction that follows, returns that of the first one.
Part = Callable[[Code, int], int]


def single(instruction: Instruction) -> Part:
    """An instruction."""
    return lambda code, after: code.add(instruction._replace(next=after))


def character(text: str, flags: re.RegexFlag) -> Part:
    """One character, described as for `re`."""
    return single(Instruction(Op.CHAR, test=re.compile(text, flags).match))


def sequence(parts: list[Part]) -> Part:
    """One part after the other."""

    def emit(code: Code, after: int) -> int:
        code.count_step()
        for part in reversed(parts):
            after = part(code, after)
        return after

    return emit


def choice(branches: list[Part]) -> Part:
    """Any of several parts; the first that matches is preferred."""

    def emit(code: Code, after: int) -> int:
        first = branches[-1](code, after)
        for branch in reversed(branches[:-1]):
            first = code.add(Instruction(Op.SPLIT, branch(code, after), first))
        return first

    return emit


def group(part: Part, number: int) -> Part:
    """A part whose start and end are noted."""

    def emit(code: Code, after: int) -> int:
        end = code.add(Instruction(Op.SAVE, after, 2 * number + 1))
        return code.add(Instruction(Op.SAVE, part(code, end), 2 * number))

    return emit


def repeat(part: Part, least: int, most: int | None, *, is_lazy: bool) -> Part:
    """A part several times; as few as possible if lazy."""

    def split(body: int, after: int) -> Instruction:
        return Instruction(Op.SPLIT, *((after, body) if is_lazy else (body, after)))

    def emit(code: Code, after: int) -> int:
        first = after
        if most is None:
            first = code.add(Instruction(Op.SPLIT))
            code[first] = split(part(code, first), after)
        else:
            for _ in range(most - least):
                first = code.add(split(part(code, first), after))
        for _ in range(least):
            code.count_step()
            first = part(code, first)
        return first

    return emit
