"""Attach the terminal to a serial console: the program's main job.

    received_signals ⊃ open_source ⊃ standard streams, log, recording
      nursery:
        signals      handle_signals, from the first moment to the last
        timeout      end_after
        log          SessionLog.keep_up
        websocket    ConnectLoop.stay_attached; reports when attached, or waiting
        raw mode and the queue of messages ⊃ nursery:
          keyboard   KeyboardReader.read
          notices    NoticeQueue.show
          reader     end_when_unread: the other end of a pipe on standard output

Every end is `Session.end`, which cancels the outer nursery: `~.` from the keyboard
task, a drop from the websocket task, SIGTERM from the signals task.  On the way out,
the inner `with` resets what the guest switched on in the terminal and leaves raw mode;
the connection, the log and the streams are closed; and only then is it said why the
session ended.  So the terminal is restored before anything that may take time.
"""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import trio

from novaconsole.capture.log import LogOptions, SessionLog, open_log
from novaconsole.capture.recording import Recording, RecordingOptions, open_recording
from novaconsole.console.connect import ConnectOptions
from novaconsole.console.outcome import ConnectionSummary, Outcome, Reason
from novaconsole.console.retry import RetryPolicy
from novaconsole.console.source import (
    ConsoleLocation,
    ConsoleSource,
    open_source,
)
from novaconsole.errors import OutputFailed, TimedOut, in_words
from novaconsole.session.answers import ANSWER_SECONDS, HASTY_ANSWER_SECONDS
from novaconsole.session.closing import say_why
from novaconsole.session.connect_loop import ConnectLoop
from novaconsole.session.display import Display
from novaconsole.session.escapes import how_to_leave
from novaconsole.session.info import info_lines
from novaconsole.session.keyboard import KeyboardReader, PipedInput
from novaconsole.session.notice_queue import NoticeQueue
from novaconsole.session.state import Session, SessionOptions
from novaconsole.terminal.notices import Notices, Verbosity
from novaconsole.terminal.prompt import ask_from_thread
from novaconsole.terminal.signals import received_signals
from novaconsole.terminal.stdio import (
    RedirectedOutput,
    Stdio,
    open_stdio,
    terminal_size,
)

# A terminal that is not raw sends them for a key, which it echoes.
_KEY_SIGNALS = {signal.SIGINT, signal.SIGQUIT}


@dataclass(frozen=True)
class AttachRequest:
    """What the user asked for.

    Attributes:
        location: which console.
        connect: how to connect to it.
        session: how the session goes.
        log: what to write to which file.
        recording: what to record in which file, or None.
        keyboard_from_terminal: standard input has been used for something else, so
            that the keyboard is the controlling terminal.
    """

    location: ConsoleLocation
    connect: ConnectOptions
    session: SessionOptions
    log: LogOptions
    recording: RecordingOptions | None = None
    keyboard_from_terminal: bool = False

    kind: ClassVar[Literal["attach"]] = "attach"


async def attach(request: AttachRequest, notices: Notices) -> Outcome:
    """Attach the standard streams to a serial console until something ends it.

    Args:
        request: what the user asked for.
        notices: for messages.

    Returns:
        How it ended; the user has been told.

    Raises:
        UsageError: the log or the recording cannot be written.
    """
    with received_signals() as signals:
        async with open_source(
            request.location, terminal_size(), ask_from_thread
        ) as source:
            outcome, last = await _run_session(request, notices, source, signals)
            if outcome.error is not None:
                notices.error(outcome.error)
            elif last is not None:
                await say_why(outcome, last, request.session, source, notices, signals)
    return outcome


async def _run_session(
    request: AttachRequest,
    notices: Notices,
    source: ConsoleSource,
    signals: AsyncIterator[int],
) -> tuple[Outcome, ConnectionSummary | None]:
    """Run the session; how it ended, and what is known of its last connection."""
    incomplete: list[str] = []

    def on_error(text: str) -> None:
        incomplete.append(text)
        notices.say(text)

    with (
        # First: it may be refused, because of what is in its file.
        open_recording(request.recording, lambda: source.title, on_error) as recording,
        open_log(request.log, source.title, on_error) as log,
        open_stdio(keyboard_from_terminal=request.keyboard_from_terminal) as stdio,
    ):
        for file in (log, recording):
            if file is not None and file.exposure is not None:
                notices.say(file.exposure)
        options = request.session
        if stdio.keyboard is None:
            options = replace(options, escape=None)  # piped input is data
        if recording is not None:
            recording.resize(stdio.size())
        async with trio.open_nursery() as nursery:
            session = Session(nursery.cancel_scope, options, notices)
            policy = RetryPolicy(
                wait=options.wait, reconnect=options.reconnect, renews=source.renews
            )
            marks_pastes = stdio.marks_pastes and options.escape is not None
            display = Display(stdio.screen, recording, marks_pastes=marks_pastes)
            queue = NoticeQueue(notices, stdio.messages)
            loop = ConnectLoop(
                session,
                source,
                request.connect,
                policy,
                display=display,
                log=log,
                recorder=recording,
                piped=_piped_input(stdio, options),
                how_to_leave=how_to_leave(options.escape) if stdio.keyboard else None,
            )
            nursery.start_soon(handle_signals, session, signals, stdio, recording)
            nursery.start_soon(end_after, session, options.timeout)
            nursery.start_soon(log.keep_up, name="log")
            await nursery.start(loop.stay_attached, name="websocket")
            if session.outcome is None:
                with queue.open(), stdio.raw(display.mark_pastes):
                    async with (
                        _late_answers_taken(session, stdio, display),
                        trio.open_nursery() as attached,
                    ):
                        session.begun.set()
                        attached.start_soon(queue.show, name="notices")
                        if stdio.keyboard is not None:
                            keyboard = KeyboardReader(
                                session,
                                stdio.keyboard,
                                policy,
                                display=display,
                                log=log,
                                bell=queue.bell,
                                info=partial(_info, request, session, log, recording),
                            )
                            attached.start_soon(keyboard.read, name="keyboard")
                        if stdio.watched is not None:
                            attached.start_soon(end_when_unread, session, stdio.watched)
        if stdio.screen is not stdio.messages and stdio.screen.inside_line:
            stdio.screen.write_now(b"\r\n")  # messages do not end this line
    assert session.outcome is not None
    return _with_losses(session.outcome, incomplete), session.last


def _with_losses(outcome: Outcome, incomplete: list[str]) -> Outcome:
    """Make an incomplete log an error, unless the user ended the session."""
    if not incomplete or outcome.exit_status or outcome.reason is Reason.QUIT:
        return outcome
    error = OutputFailed(
        f"not all output was kept: {incomplete[0]}",
        "free space, or give a file on another disk",
    )
    return Outcome(Reason.FAILED, error=error)


# ---- tasks


async def handle_signals(
    session: Session,
    signals: AsyncIterator[int],
    stdio: Stdio,
    recording: Recording | None,
) -> None:
    """Act on signals: resume after a stop, tell a new size, or end the session."""
    async for signum in signals:
        if recording is not None:
            recording.resize(stdio.size())  # it may have changed during a stop
        if signum == signal.SIGCONT:
            if stdio.keyboard is not None:
                stdio.keyboard.resume()
        elif signum == signal.SIGWINCH:
            columns, lines = stdio.size()
            session.notices.say(
                f"the terminal has {columns} columns and {lines} lines; a serial line "
                f"cannot tell the guest: stty columns {columns} rows {lines}",
                Verbosity.VERBOSE,
            )
        else:
            if stdio.keyboard is not None and signum in _KEY_SIGNALS:
                stdio.keyboard.end_echoed_line()
            session.end(Outcome(Reason.SIGNAL, signum=signum))


async def end_after(session: Session, seconds: float) -> None:
    """End the session when its time has run out."""
    await trio.sleep(seconds)
    what = "no match" if session.options.until else "the session did not end"
    error = TimedOut(f"{what} within {in_words(seconds)}")
    session.end(Outcome(Reason.TIMED_OUT, error=error))


async def end_when_unread(session: Session, output: RedirectedOutput) -> None:
    """End the session when the reader of standard output has gone."""
    await output.wait_reader_gone()
    session.end(Outcome(Reason.OUTPUT_CLOSED))


@asynccontextmanager
async def _late_answers_taken(
    session: Session, stdio: Stdio, display: Display
) -> AsyncIterator[None]:
    """On leaving, close the display; answers to the guest are not for the shell."""
    try:
        with closing(display):
            yield
    finally:
        outcome = session.outcome
        is_hasty = outcome is None or outcome.reason in (Reason.QUIT, Reason.SIGNAL)
        if stdio.keyboard is not None and stdio.keyboard.is_raw:
            await display.due_answers.take(
                stdio.keyboard, HASTY_ANSWER_SECONDS if is_hasty else ANSWER_SECONDS
            )


def _piped_input(stdio: Stdio, options: SessionOptions) -> PipedInput | None:
    if stdio.piped is None or options.read_only or not options.reads_stdin:
        return None
    return PipedInput(stdio.piped)


def _info(
    request: AttachRequest,
    session: Session,
    log: SessionLog,
    recording: Recording | None,
) -> list[str]:
    recorded: Path | str | None = None
    if recording is not None:
        recorded = recording.path if recording.is_open else "none"
    return info_lines(
        session.attachment,
        keepalive=request.connect.keepalive,
        log=log.path,
        recording=recorded,
    )
