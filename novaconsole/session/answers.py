"""The terminal's answers to a guest that we are leaving: not for the user's shell.

A guest may ask the terminal for something right before the session ends, and what the
terminal answers would then be typed into the shell.  So the queries that were shown and
the answers that came are counted, and on leaving, those that are due are waited for.

A read cannot choose: what the user has typed ahead for the shell may come before the
answer.  Where the system allows it, that is put back (TIOCSTI).  Elsewhere only a burst
as large as an answer is read, which is more than a person types at once.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

import trio

from novaconsole.vt.replies import ReplyMatcher, State

# A terminal that has not answered by then does not know the query.
_DUE_SECONDS = 2.0
# Seconds to wait for answers: when the user leaves, and when something else ends it.
HASTY_ANSWER_SECONDS = 0.08
ANSWER_SECONDS = 0.5
_SHORTEST_ANSWER = 4  # ESC [ 0 n
_BURST_SECONDS = 0.002
_SHORTEST_REST = 3  # less than this of a sequence may have been typed
_ESC = 0x1B


class AnsweringTerminal(Protocol):
    """The terminal that a person types on, and that answers the guest."""

    def waiting_bytes(self) -> int:
        """The number of bytes that were typed and have not been read."""
        ...

    async def wait_input(self) -> None:
        """Wait until there is something to read."""
        ...

    def take_waiting(self) -> bytes | None:
        """Read what is waiting; None if it could not be put back."""
        ...

    def read_waiting(self) -> bytes:
        """Read what is waiting."""
        ...

    def put_back(self, data: bytes) -> None:
        """Make data readable again, for whoever reads next."""
        ...


class Sifter:
    """Takes a terminal's answers out of what comes from it."""

    def __init__(self) -> None:
        self._matcher = ReplyMatcher()
        self._partial = bytearray()

    def feed(self, data: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """Return what was typed, and the kind and the bytes of each answer."""
        typed = bytearray()
        answers: list[tuple[bytes, bytes]] = []
        for byte in data:
            if not self._matcher.active:
                if byte == _ESC:
                    self._matcher.start()
                    self._partial.append(byte)
                else:
                    typed.append(byte)
                continue
            state = self._matcher.feed(byte)
            if state is State.NO_REPLY and byte == _ESC:
                typed += self._partial
                self._partial[:] = b"\x1b"
                self._matcher.start()
                continue
            if state is State.RESTARTED:
                typed += self._partial[:-1]
                del self._partial[:-1]
            self._partial.append(byte)
            if self._matcher.active:
                continue
            if state is State.COMPLETE:
                answers.append((self._matcher.kind, bytes(self._partial)))
            else:
                typed += self._partial
            self._partial.clear()
        return bytes(typed), answers

    def rest(self) -> bytes:
        """Return what may have been typed of a sequence that did not end."""
        return bytes(self._partial) if len(self._partial) < _SHORTEST_REST else b""


class DueAnswers:
    """Knows which answers of the terminal are still to come."""

    def __init__(self) -> None:
        self._due: Counter[bytes] = Counter()
        self._asked_at = 0.0
        self._sifter = Sifter()

    def ask(self, kinds: Iterable[bytes]) -> None:
        """The guest has sent queries to the terminal.

        Args:
            kinds: of the replies.
        """
        if not self.are_due():
            self._due.clear()
        self._due.update(kinds)
        self._asked_at = trio.current_time()

    def note_input(self, data: bytes) -> None:
        """The terminal has sent this, as keys or as answers."""
        if self._due:
            for kind, _ in self._sifter.feed(data)[1]:
                self.note_answer(kind)

    def note_answer(self, kind: bytes) -> None:
        """An answer has come."""
        if self._due[kind] > 1:
            self._due[kind] -= 1
        else:
            del self._due[kind]

    def are_due(self) -> bool:
        """Whether any may still come."""
        is_recent = trio.current_time() < self._asked_at + _DUE_SECONDS
        return bool(self._due) and is_recent

    async def take(
        self,
        terminal: AnsweringTerminal,
        seconds: float,
        use: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """Wait for the answers that are due, and read nothing else.

        Args:
            terminal: that sends them.
            seconds: how long to wait.
            use: given each answer; by default they are dropped.
        """
        if not self.are_due():
            return
        sifter, typed = Sifter(), b""
        may_be_typed = terminal.waiting_bytes() > 0
        with trio.move_on_after(seconds, shield=True):
            while self.are_due():
                await terminal.wait_input()
                data = terminal.take_waiting()
                if data is None:
                    if not may_be_typed and not await _is_burst(terminal):
                        may_be_typed = True
                    if may_be_typed:
                        break
                    data = terminal.read_waiting()
                if not data:
                    break  # the terminal has gone
                more, answers = sifter.feed(data)
                typed += more
                for kind, answer in answers:
                    self.note_answer(kind)
                    use(answer)
        typed += sifter.rest()
        if typed:
            terminal.put_back(typed)


async def _is_burst(terminal: AnsweringTerminal) -> bool:
    """Whether as much has come at once as only a terminal sends."""
    await trio.sleep(_BURST_SECONDS)
    return terminal.waiting_bytes() >= _SHORTEST_ANSWER
