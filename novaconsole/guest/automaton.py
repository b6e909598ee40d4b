"""Runs compiled patterns over text, in time in proportion to the text.

`Scanner.scan` says whether any pattern matches: it reads each character once, with one
look-up in a table that is made as it goes (a lazy DFA).  `Scanner.locate` is used only
once something matches: it simulates the program with priorities and finds the match
that Python's `re` would find (Pike's machine).

A step visits one instruction.  What a text may cost is bounded in steps, because a
pattern of thousands of instructions and a hostile text could take minutes together.
Both are generators that pause after a slice of steps, so that the caller can do other
things: a second is much to somebody who types `~.`.
"""

from collections.abc import Generator
from itertools import islice
from typing import NamedTuple

from novaconsole.guest.program import Op, Program

# About a second, on a machine of 2020, for the longest text that is kept.
_STEPS, _STEPS_PER_CHARACTER = 500_000, 16
_SLICE_STEPS = 10_000  # some 10 ms
_SLICE_CHARACTERS = 4096
_MAX_TRANSITIONS = 20_000  # a bound on memory, not on time

_TEXT_START, _LINE_START, _OTHER, _WORD, _ASCII_WORD = range(5)


class TooManySteps(Exception):
    """The text would take too long to search."""


class Span(NamedTuple):
    """Where a pattern has matched.

    Attributes:
        pattern: its number.
        slots: start and end of the match, then of each group; -1 for a group that took
            no part.
    """

    pattern: int
    slots: tuple[int, ...]


class State(dict[str, "State"]):
    """What may be matching at some place: maps the next character to the next state.

    `state[""]` is ACCEPTED if a pattern matches, should no character follow.

    Attributes:
        waiting: the numbers of instructions that are reached here.
        before: what kind of character comes before.
        scanner: computes what is missing.
    """

    __slots__ = ("before", "scanner", "waiting")

    def __init__(
        self, waiting: frozenset[int], before: int, scanner: "Scanner"
    ) -> None:
        super().__init__()
        self.waiting, self.before, self.scanner = waiting, before, scanner

    def __missing__(self, char: str) -> "State":
        """Compute the next state, and remember it."""
        return self.scanner.step(self, char)


class Scanner:
    """Looks for the patterns of a program.

    Args:
        program: the patterns.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._states: dict[tuple[frozenset[int], int], State] = {}
        self._transitions = 0
        self._steps_left = self._slice_left = 0
        self.accepted = State(frozenset(), _OTHER, self)

    def begin(self, before: str) -> State:
        """Return the state in which a text is begun.

        Args:
            before: the character before it, or "" at the start of all text.
        """
        return self._state(frozenset(), _kind(before))

    def scan(self, state: State, text: str, start: int) -> Generator[None, None, State]:
        """Read on in a text; return the state at its end, or `accepted`.

        Args:
            state: at the start.
            text: what to read.
            start: where to begin.

        Raises:
            TooManySteps: it would take too long.
        """
        self._allow_steps(len(text) - start)
        accepted = self.accepted
        # A character takes as many steps as there are instructions, or fewer.
        count = max(1, min(_SLICE_CHARACTERS, _SLICE_STEPS // len(self._program.code)))
        while start < len(text):
            for char in islice(text, start, start + count):
                state = state[char]
                if state is accepted:
                    return state
            start += count
            if self._is_slice_over():
                yield
        return accepted if state[""] is accepted else state

    def locate(self, text: str, start: int) -> Generator[None, None, Span | State]:
        """Find the first match; of two at the same place, that of the first pattern.

        Args:
            text: the text to search.
            start: where to begin; the character before it counts for `^`.

        Returns:
            The match, or the state at the end of the text if nothing matches.

        Raises:
            TooManySteps: it would take too long.
        """
        self._allow_steps(len(text) - start)
        state = self.begin(text[start - 1] if start else "")
        idle = start  # no match begins before this
        for position, char in enumerate(islice(text, start, None), start):
            if not state.waiting:
                idle = position
            after = state[char]
            if after is self.accepted:
                break
            state = after
            if self._is_slice_over():
                yield
        else:
            if not state.waiting:
                idle = len(text)
            if state[""] is not self.accepted:
                return state
        spans = list[Span]()
        for index in range(len(self._program.starts)):
            span = yield from self._simulate(index, text, idle)
            if span is not None:
                spans.append(span)
        return min(spans, key=lambda span: span.slots[0])

    # ---- the table

    def step(self, state: State, char: str) -> State:
        """Compute the state after a character, or after the end if that is ""."""
        tests, is_accepted = self._reach(state, char)
        after = state
        if is_accepted:
            after = self.accepted
        elif char:
            code = self._program.code
            waiting = (code[at].next for at in tests if code[at].test(char))
            after = self._state(frozenset(waiting), _kind(char))
        self._transitions += 1
        if self._transitions > _MAX_TRANSITIONS:
            self._transitions = 0
            for each in self._states.values():
                each.clear()
            self._states.clear()
        state[char] = after
        return after

    def _state(self, waiting: frozenset[int], before: int) -> State:
        key = waiting, before
        if key not in self._states:
            self._states[key] = State(waiting, before, self)
        return self._states[key]

    def _reach(self, state: State, following: str) -> tuple[list[int], bool]:
        """Follow what takes no character; a match may begin here as well.

        Returns:
            The instructions that take one, and whether a pattern has matched.
        """
        code, tests = self._program.code, list[int]()
        stack = [*state.waiting, *self._program.starts]
        seen = {*stack}
        while stack:
            at = stack.pop()
            op, after, other, _ = code[at]
            if op is Op.CHAR:
                tests.append(at)
                continue
            if op is Op.ACCEPT:
                return [], True
            if op is Op.SPLIT and other not in seen:
                seen.add(other)
                stack.append(other)
            if after not in seen and (
                op in (Op.SPLIT, Op.SAVE) or _holds(op, other, state.before, following)
            ):
                seen.add(after)
                stack.append(after)
        self._take_steps(len(seen))
        return tests, False

    # ---- the simulation

    def _simulate(
        self, index: int, text: str, start: int
    ) -> Generator[None, None, Span | None]:
        """Find the first match of one pattern."""
        code = self._program.code
        first = self._program.starts[index]
        unset = (-1,) * (2 * self._program.groups[index] + 2)
        found: tuple[int, ...] | None = None
        threads = list[tuple[int, tuple[int, ...]]]()
        before = _kind(text[start - 1] if start else "")
        for position in range(start, len(text) + 1):
            if found is None:
                threads.append((first, unset))
            elif not threads:
                break
            char = text[position : position + 1]
            seen = set[int]()
            ready = list[tuple[int, tuple[int, ...]]]()
            stack = threads[::-1]
            while stack:
                at, slots = stack.pop()
                if at in seen:
                    continue
                seen.add(at)
                op, after, other, test = code[at]
                if op is Op.CHAR:
                    if char and test(char):
                        ready.append((after, slots))
                elif op is Op.ACCEPT:
                    found = slots
                    break  # what is left has less priority
                elif op is Op.SPLIT:
                    stack += ((other, slots), (after, slots))
                elif op is Op.SAVE:
                    slots = (*slots[:other], position, *slots[other + 1 :])
                    stack.append((after, slots))
                elif _holds(op, other, before, char):
                    stack.append((after, slots))
            self._take_steps(len(seen))
            if self._is_slice_over():
                yield
            threads = ready
            before = _kind(char)
        return None if found is None else Span(index, found)

    def _allow_steps(self, characters: int) -> None:
        self._steps_left = _STEPS + _STEPS_PER_CHARACTER * characters

    def _is_slice_over(self) -> bool:
        if self._slice_left > 0:
            return False
        self._slice_left = _SLICE_STEPS
        return True

    def _take_steps(self, count: int) -> None:
        self._slice_left -= count
        self._steps_left -= count
        if self._steps_left < 0:
            raise TooManySteps


def _kind(char: str) -> int:
    """Return what a character before a place means for `^` and word edges."""
    if not char:
        return _TEXT_START
    if char == "\n":
        return _LINE_START
    if char.isalnum() or char == "_":
        return _ASCII_WORD if char.isascii() else _WORD
    return _OTHER


def _holds(op: Op, is_ascii: int, before: int, following: str) -> bool:
    """Whether a place is what an instruction demands."""
    match op:
        case Op.LINE_START:
            return before <= _LINE_START
        case Op.LINE_END:
            return following in ("", "\n")
        case Op.TEXT_START:
            return before == _TEXT_START
        case Op.TEXT_END:
            return not following
    least = _ASCII_WORD if is_ascii else _WORD
    is_edge = (before >= least) != (_kind(following) >= least)
    return is_edge == (op is Op.WORD_EDGE)
