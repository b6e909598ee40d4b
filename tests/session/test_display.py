"""The screen: what is shown is recorded, and no mode of the guest's stays."""

from novaconsole.session.display import Display
from support.session_fakes import FakeRecorder, FakeScreen

ALTERNATE, BACK = b"\x1b[?1049h", b"\x1b[?1049l"


async def test_modes_are_reset_and_restored_and_the_recording_has_both() -> None:
    screen, recorder = FakeScreen(), FakeRecorder()
    display = Display(screen, recorder)
    await display.show(ALTERNATE)
    display.reset_modes()
    display.restore_modes()
    display.close()
    assert screen.shown == ALTERNATE + BACK + ALTERNATE + BACK
    assert b"".join(recorder.all("output")) == screen.shown


async def test_nothing_is_shown_after_the_end() -> None:
    """A task that still holds output must not switch on a mode again."""
    screen = FakeScreen()
    display = Display(screen)
    display.close()
    await display.show(ALTERNATE)
    display.close()
    assert screen.shown == b""


async def test_a_guest_that_switched_on_nothing_leaves_nothing_to_undo() -> None:
    screen = FakeScreen()
    display = Display(screen)
    await display.show(b"plain\r\n")
    display.close()
    assert screen.shown == b"plain\r\n"


async def test_in_a_pipe_there_are_no_modes_to_undo() -> None:
    screen = FakeScreen(keeps_modes=False)
    display = Display(screen)
    await display.show(ALTERNATE)
    display.close()
    assert screen.shown == ALTERNATE
