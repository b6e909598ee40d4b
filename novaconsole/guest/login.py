"""Where a guest is, and how to get from there into a shell: output in, keys out.

A serial line may have been left anywhere.  So Enter is pressed, after a Ctrl-U that
clears a half-typed line.  Once the guest has been quiet for a moment, the last line of
its output shows where it is: at a login prompt, at a shell prompt, at a password prompt
that was left there, at the prompt of a boot loader, or still booting.  Then the next
key is pressed, until a shell prompt stands there or it is clear that none will.

All times are on the caller's clock, which calls `wake` when `deadline` has come.
"""

import re

from novaconsole.errors import NO_ANSWER_HINT, GuestNotReady
from novaconsole.vt.text import TextDecoder

_QUIET_SECONDS = 0.4  # a line is taken for a prompt if nothing follows for so long
_OVERDUE_SECONDS = 5.0  # a guest that is never quiet is looked at nevertheless
_KNOCK_SECONDS = 2.0  # between two Enters; doubled each time nothing comes
_MOST_KNOCK_SECONDS = 15.0
_UNANSWERED_KNOCKS = 6  # about a minute
_SAME_ANSWERS = 3
_LOGIN_SECONDS = 60.0  # the limit of login(1), which may look up the user for long
_KEPT_CHARACTERS = 4096
_SHOWN_CHARACTERS = 80

ENTER, CTRL_C = b"\r", b"\x03"
_CLEAR_LINE = b"\x15"
# BEL stays: a guest that only beeps has answered.
_KEPT_CONTROLS = b"\a\b\t\n\r"
_LINE_END = re.compile(r"[\r\n]")
# A kernel message (printk.time), which may come in the middle of a line.
_MESSAGE = re.compile(r"\[ *\d+\.\d{6}\] [^\n]*\n")
_UNFINISHED_MESSAGE = re.compile(r"\[[ \d.]*(\]( [^\n]*)?)?$")
_LOGIN = re.compile(r"(?<!last )login: ?$", re.IGNORECASE)
_PASSWORD = re.compile(r"(password|passwort)[^:]*: ?$", re.IGNORECASE)
_SHELL = re.compile(r"([#$\u276f]|(?<!\d)%) ?$")
_OPEN_QUOTE = re.compile(r"^> ?$")
_BOOT_LOADER = re.compile(r"^(grub|grub rescue|=|u-boot|loader|ok)> ?$", re.IGNORECASE)
_COUNTDOWN = re.compile(r"autoboot", re.IGNORECASE)  # any key would stop it
_ECHO = {"^U"}  # of the Ctrl-U, by the tty; not an answer


class RecentOutput:
    """The latest text that a guest has printed, without kernel messages."""

    def __init__(self) -> None:
        self._decoder = TextDecoder(_KEPT_CONTROLS)
        self._kept = ""

    def feed(self, data: bytes) -> None:
        """Take what the guest has sent."""
        text = _MESSAGE.sub("", self._kept + self._decoder.feed(data))
        self._kept = text[-_KEPT_CHARACTERS:]

    def clear(self) -> None:
        """Forget what was printed until now."""
        self._kept = ""

    @property
    def text(self) -> str:
        """All that is kept, up to a kernel message that has begun."""
        return _UNFINISHED_MESSAGE.sub("", self._kept)

    @property
    def line(self) -> str:
        """The line that the cursor is in."""
        return _LINE_END.split(self.text)[-1]

    @property
    def is_at_login(self) -> bool:
        """Whether the text ends with a login prompt."""
        return _LOGIN.search(self.line) is not None


class LoginDialogue:
    """Finds out where the guest is, and logs in if that is needed.

    Args:
        login: the user to log in as, or None to accept only a shell that is open.
        password: the password of that user, or None if there is none.
        now: the time on the caller's clock, in seconds.

    Attributes:
        deadline: when to call `wake`, on the caller's clock.
        is_at_shell: whether commands can be typed now.
        has_logged_in: whether a user name was typed at a login prompt.
        error: why there is no way to a shell, or None.
    """

    def __init__(self, login: str | None, password: str | None, now: float) -> None:
        self._login, self._password = login, password
        self._output = RecentOutput()  # since something was typed last
        self._typed = bytearray()
        self._typed_at = now
        self._patience = now + _OVERDUE_SECONDS
        self._knocks = self._unanswered = self._same = 0
        self._latest_line = ""
        self._password_typed = False
        self.deadline = now + _QUIET_SECONDS
        self.is_at_shell = self.has_logged_in = False
        self.error: GuestNotReady | None = None

    def take_typed(self) -> bytes:
        """Return what is to be typed now; it is returned once."""
        data = bytes(self._typed)
        self._typed.clear()
        return data

    def feed(self, data: bytes, now: float) -> None:
        """Take what the guest has sent."""
        before = self._output.text
        self._output.feed(data)
        if self._output.text != before:
            self.deadline = min(self._patience, now + _QUIET_SECONDS)

    def wake(self, now: float) -> None:
        """Look where the guest is, and take the next step.

        To be called at the deadline: the guest has been quiet, or patience has ended.
        """
        line = self._output.line
        if _BOOT_LOADER.search(line):
            self._fail(f"the guest is in its boot loader: {line!r}")
        elif _COUNTDOWN.search(self._output.text):
            self._output.clear()
            self._wait(now + _OVERDUE_SECONDS)
        elif self._output.is_at_login:
            self._log_in(now)
        elif _PASSWORD.search(line):
            self._give_password(line, now)
        elif _SHELL.search(line):
            self.is_at_shell = True
        elif _OPEN_QUOTE.search(line):
            self._knock(CTRL_C, line, now)
        elif not self.has_logged_in or now >= self._typed_at + _LOGIN_SECONDS:
            self._knock(_CLEAR_LINE + ENTER, line, now)
        elif self._password_typed and now >= self._typed_at + _OVERDUE_SECONDS:
            self._knock(ENTER, line, now)  # a message may hide the prompt
        else:
            self._wait(now + _OVERDUE_SECONDS)

    def _type(self, data: bytes, now: float, patience: float) -> None:
        """Type, and wait at most so many seconds before the next step."""
        self._typed += data
        self._output.clear()
        self._typed_at = now
        self._wait(now + patience)

    def _wait(self, patience: float) -> None:
        self._patience = self.deadline = patience

    def _fail(self, message: str, hint: str | None = None) -> None:
        self.error = GuestNotReady(message, hint)

    def _log_in(self, now: float) -> None:
        if self.has_logged_in:
            self._fail(
                f"the guest refused to log in {self._login!r}",
                "check the user name and the password",
            )
        elif self._login is None:
            self._fail("the guest asks for a login", "give a user with --login USER")
        else:
            self.has_logged_in = True
            self._type(
                self._login.encode(errors="surrogateescape") + ENTER,
                now,
                _OVERDUE_SECONDS,
            )

    def _give_password(self, line: str, now: float) -> None:
        if not self.has_logged_in:
            self._knock(ENTER, line, now)  # the prompt was left there
        elif self._password_typed:
            self._fail(
                f"the guest asks for more than a password: {line!r}",
                "attach without --run to log in by hand",
            )
        elif self._password is None:
            self._fail(
                f"the guest asks for the password of {self._login!r}",
                "give it in NOVACONSOLE_PASSWORD, with --password-file, or at the "
                "prompt on a terminal",
            )
        else:
            self._password_typed = True
            self._type(_typed(self._password), now, _OVERDUE_SECONDS)

    def _knock(self, keys: bytes, line: str, now: float) -> None:
        """Press keys to get an answer; give up on silence or always the same line."""
        if self._knocks and now < self._typed_at + _KNOCK_SECONDS:
            self._wait(self._typed_at + _KNOCK_SECONDS)
            return
        self._knocks += 1
        is_answer = bool({*self._output.text.split()} - _ECHO)
        self._unanswered = 0 if is_answer else self._unanswered + 1
        self._same = self._same + 1 if line and line == self._latest_line else 0
        self._latest_line = line
        if self._same >= _SAME_ANSWERS:
            self._fail(
                "the guest shows neither a login prompt nor a shell prompt: "
                f"{line[-_SHOWN_CHARACTERS:]!r}",
                "attach without --run to see what the guest is waiting for",
            )
        elif self._unanswered > _UNANSWERED_KNOCKS:
            self._fail(
                "the guest does not answer on its console",
                NO_ANSWER_HINT,
            )
        else:
            pause = _KNOCK_SECONDS * 2.0 ** max(0, self._unanswered - 1)
            self._type(keys, now, min(pause, _MOST_KNOCK_SECONDS))


def _typed(line: str) -> bytes:
    """Return the bytes of a line and Enter; those that are no UTF-8 are kept."""
    return line.encode(errors="surrogateescape") + ENTER
