"""Asking for a secret while trio runs, and before the terminal is raw."""

import os
import termios
from contextlib import suppress

import trio

from novaconsole.terminal.fd import reopen
from novaconsole.terminal.secret import SecretPrompt

_STDIN = 0


def ask_from_thread(prompt: str) -> str | None:
    """Ask for a secret in a thread that trio started, while trio handles signals.

    Args:
        prompt: what to show.

    Returns:
        What was entered, or None if standard input is no terminal.
    """
    return trio.from_thread.run(ask_secret, prompt)


async def ask_secret(prompt: str) -> str | None:
    """Ask for a secret on the terminal that standard input is.

    Args:
        prompt: what to show.

    Returns:
        What was entered, or None if standard input is no terminal.
    """
    fd = _open_terminal()
    if fd is None:
        return None
    question = SecretPrompt(prompt, fd)
    scope = trio.CancelScope()
    _asked[question] = scope
    try:
        with question.shown(), scope:
            is_complete = False
            while not is_complete:
                await trio.lowlevel.wait_readable(fd)
                with suppress(BlockingIOError):
                    is_complete = question.read()
    except termios.error:  # it has hung up
        return None
    finally:
        _asked.pop(question, None)
        os.close(fd)
    return None if scope.cancelled_caught else question.answer


def end_prompts() -> None:
    """End the prompt whose answer is waited for no more, before the next message.

    trio runs it in a task of its own, which would otherwise go on after the thread that
    asked has been abandoned.
    """
    for question, scope in _asked.items():
        question.end()
        scope.cancel(reason="nobody waits for the answer")


# Those in force: there is one terminal, and mostly one prompt.
_asked: dict[SecretPrompt, trio.CancelScope] = {}


def _open_terminal() -> int | None:
    if not os.isatty(_STDIN):
        return None
    flags = os.O_RDWR | os.O_NOCTTY
    with suppress(OSError):
        return reopen(_STDIN, flags, os.ttyname(_STDIN))
    with suppress(OSError):
        # In a container the terminal may have no name, but the kernel still has it.
        return reopen(_STDIN, flags)
    return None
