"""Messages during a session: nobody waits for the terminal, and none gets lost."""

import os

import pytest
import trio
import trio.testing

from novaconsole.session.notice_queue import NoticeQueue
from novaconsole.terminal.notices import Notices
from support.session_fakes import FakeScreen


async def test_lines_are_written_in_order_between_output() -> None:
    notices, screen = Notices(), FakeScreen()
    queue = NoticeQueue(notices, screen)
    async with trio.open_nursery() as nursery:
        with queue.open():
            nursery.start_soon(queue.show)
            notices.say("one")
            notices.say("two")
            await trio.testing.wait_all_tasks_blocked()
            assert screen.shown == b"novaconsole: one\nnovaconsole: two\n"
            nursery.cancel_scope.cancel()


async def test_what_a_stuck_terminal_did_not_take_is_said_at_the_end(
    capfd: pytest.CaptureFixture[str],
) -> None:
    notices, screen = Notices(), FakeScreen(stuck=True)
    queue = NoticeQueue(notices, screen)
    async with trio.open_nursery() as nursery:
        with queue.open():
            nursery.start_soon(queue.show)
            notices.say("one")
            queue.bell()
            notices.say("two")
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        notices.say("three")
    said = capfd.readouterr().err
    assert said == "".join(f"novaconsole: {word}\n" for word in ("one", "two", "three"))


async def test_a_flood_of_messages_is_bounded_and_blocks_nobody() -> None:
    notices, screen = Notices(), FakeScreen(stuck=True)
    queue = NoticeQueue(notices, screen)
    shown = []
    async with trio.open_nursery() as nursery:
        with queue.open():
            nursery.start_soon(queue.show)
            await trio.testing.wait_all_tasks_blocked()
            for number in range(10_000):
                notices.say(str(number))
            screen.accept()
            await trio.testing.wait_all_tasks_blocked()
            shown = screen.shown.splitlines()
            nursery.cancel_scope.cancel()
    assert shown[0] == b"novaconsole: 0"
    assert 100 < len(shown) < 1000


async def test_a_line_from_another_thread_is_shown() -> None:
    notices, screen = Notices(), FakeScreen()
    queue = NoticeQueue(notices, screen)
    async with trio.open_nursery() as nursery:
        with queue.open():
            nursery.start_soon(queue.show)
            await trio.to_thread.run_sync(notices.say, "from a thread")
            with trio.fail_after(10):
                while not screen.shown:
                    await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert screen.shown == b"novaconsole: from a thread\n"


async def test_the_bell_rings_on_a_terminal_only() -> None:
    for screen, expected in (
        (FakeScreen(), b"\a"),
        (FakeScreen(keeps_modes=False), b""),
    ):
        queue = NoticeQueue(Notices(), screen)
        async with trio.open_nursery() as nursery:
            with queue.open():
                nursery.start_soon(queue.show)
                queue.bell()
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
        assert screen.shown == expected


async def test_a_reader_that_has_gone_does_not_stop_the_session() -> None:
    notices, screen = Notices(), FakeScreen(keeps_modes=False)
    screen.trouble = BrokenPipeError()
    queue = NoticeQueue(notices, screen)
    async with trio.open_nursery() as nursery:
        with queue.open():
            nursery.start_soon(queue.show)
            notices.say("one")
            await trio.testing.wait_all_tasks_blocked()
            assert len(nursery.child_tasks) == 1
            nursery.cancel_scope.cancel()
    assert os.get_blocking(2)
