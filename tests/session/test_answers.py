"""Late answers of the terminal: taken, and nothing that was typed with them."""

import pytest
import trio
import trio.testing

from novaconsole.session.answers import DueAnswers
from support.session_fakes import FakeKeyboard

HERE = b"\x1b[24;13R"
DUE = 2.0


@pytest.fixture(name="keyboard", params=[True, False], ids=["puts back", "forgets"])
async def _keyboard(request: pytest.FixtureRequest) -> FakeKeyboard:
    keyboard = FakeKeyboard()
    keyboard.is_forgetful = not request.param
    return keyboard


async def taken(answers: DueAnswers, keyboard: FakeKeyboard) -> list[bytes]:
    found: list[bytes] = []
    await answers.take(keyboard, 0.1, found.append)
    return found


async def test_an_answer_that_is_due_is_taken(
    keyboard: FakeKeyboard, autojump_clock: trio.testing.MockClock
) -> None:
    answers = DueAnswers()
    answers.ask([b"R"])
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def answer() -> None:
            await trio.sleep(0.05)
            keyboard.type(HERE)

        assert await taken(answers, keyboard) == [HERE]
    assert keyboard.read_waiting() == b""
    assert not answers.are_due()


async def test_what_is_typed_without_an_answer_is_left(keyboard: FakeKeyboard) -> None:
    answers = DueAnswers()
    answers.ask([b"R"])
    keyboard.put_back(b"ls -l\r")
    assert await taken(answers, keyboard) == []
    assert keyboard.read_waiting() == b"ls -l\r"


async def test_an_answer_among_what_is_typed() -> None:
    answers, keyboard = DueAnswers(), FakeKeyboard()
    answers.ask([b"R", b"]"])
    keyboard.put_back(b"ls\r" + HERE + b"\x1b]11;rgb:0/0/0\x07\x1b[A\x1b")
    assert await taken(answers, keyboard) == [HERE, b"\x1b]11;rgb:0/0/0\x07"]
    assert keyboard.read_waiting() == b"ls\r\x1b[A\x1b"


async def test_nothing_is_read_if_nothing_is_due(
    keyboard: FakeKeyboard, autojump_clock: trio.testing.MockClock
) -> None:
    answers = DueAnswers()
    keyboard.put_back(HERE)
    assert await taken(answers, keyboard) == []
    answers.ask([b"R"])
    answers.note_input(HERE[:3])
    answers.note_input(HERE[3:])
    assert not answers.are_due()
    answers.ask([b"c"])
    await trio.sleep(DUE)
    assert not answers.are_due()
    assert keyboard.read_waiting() == HERE


async def test_a_terminal_that_does_not_answer_is_not_waited_for_long(
    keyboard: FakeKeyboard, autojump_clock: trio.testing.MockClock
) -> None:
    answers = DueAnswers()
    answers.ask([b"R"])
    started = trio.current_time()
    assert await taken(answers, keyboard) == []
    assert trio.current_time() - started == pytest.approx(0.1)


async def test_of_an_answer_that_stops_half_way_nothing_is_left() -> None:
    answers, keyboard = DueAnswers(), FakeKeyboard()
    answers.ask([b"R"])
    keyboard.put_back(HERE[:-1])
    assert await taken(answers, keyboard) == []
    assert keyboard.read_waiting() == b""
