"""Where a guest is, and the way from there into a shell: what comes in, what to type.

Enter is pressed, behind a Ctrl-U that clears a line half typed.  What stands in the
last line, once it is quiet, tells where the guest is: at its login prompt, at that of a
shell, at a password prompt that somebody has left, in its boot loader, on its way up.
"""

import re

from novaconsole.errors import GuestNotReady
from novaconsole.vt.parser import SequenceParser, Text

_QUIET_SECONDS = 0.4  # a prompt stands that long
_OVERDUE_SECONDS = 5.0  # where it is never quiet, we look all the same
_KNOCK_SECONDS = 2.0  # between two Enters, twice as long each time nothing comes
_MOST_KNOCK_SECONDS = 15.0
_UNANSWERED_KNOCKS = 6  # a minute
_SAME_ANSWERS = 3
_LOGIN_SECONDS = 60.0  # as login(1) allows; it may look the user up for long
_KEPT_CHARACTERS = 4096
_SHOWN_CHARACTERS = 80

ENTER, CTRL_C = b"\r", b"\x03"
_CLEAR_LINE = b"\x15"
_LINE_END = re.compile(r"[\r\n]")
# Of the kernel (printk.time): it comes in the middle of a line, too.
_MESSAGE = re.compile(r"\[ *\d+\.\d{6}\] [^\n]*\n")
_UNFINISHED_MESSAGE = re.compile(r"\[[ \d.]*(\]( [^\n]*)?)?$")
_LOGIN = re.compile(r"(?<!last )login: ?$", re.IGNORECASE)
_PASSWORD = re.compile(r"(password|passwort)[^:]*: ?$", re.IGNORECASE)
_SHELL = re.compile(r"([#$\u276f]|(?<!\d)%) ?$")
_OPEN_QUOTE = re.compile(r"^> ?$")
_BOOT_LOADER = re.compile(r"^(grub|grub rescue|=|u-boot|loader|ok)> ?$", re.IGNORECASE)
_COUNTDOWN = re.compile(r"autoboot", re.IGNORECASE)  # any key would stop it
_NO_ANSWER = {"^U"}  # but the tty's echo


class Printed:
    """The latest that a guest has printed, as a person reads it, without the kernel."""

    def __init__(self) -> None:
        self._sequences = SequenceParser()
        self._kept = ""

    def feed(self, data: bytes) -> None:
        """Take what the guest has sent."""
        printed = b"".join(
            event.data
            for event in self._sequences.feed(data)
            if isinstance(event, Text)
        )
        text = _MESSAGE.sub("", self._kept + printed.decode(errors="replace"))
        self._kept = text[-_KEPT_CHARACTERS:]

    def clear(self) -> None:
        """Forget what was printed up to now."""
        self._kept = ""

    @property
    def text(self) -> str:
        """All that is kept."""
        return _UNFINISHED_MESSAGE.sub("", self._kept)

    @property
    def line(self) -> str:
        """The line in which the cursor stands."""
        return _LINE_END.split(self.text)[-1]

    @property
    def is_at_login(self) -> bool:
        """Whether it ends with a getty's prompt."""
        return _LOGIN.search(self.line) is not None


class LoginDialogue:
    """Finds out where the guest is, and logs in.

    Args:
        login: user to log in as; None: only a shell left open will do.
        password: for the login; None for none.
        now: on the caller's clock, in seconds.

    Attributes:
        deadline: when `wake` has to be called, on the caller's clock.
        typed: what is to be typed; the caller takes it.
        is_at_shell: whether the guest is where commands can be typed.
        has_logged_in: whether it was we who brought it there.
        error: why it cannot be brought there.
    """

    def __init__(self, login: str | None, password: str | None, now: float) -> None:
        self._login, self._password = login, password
        self._printed = Printed()  # since the latest that was typed
        self._acted = now
        self._patience = now + _OVERDUE_SECONDS
        self._knocks = self._unanswered = self._same = 0
        self._latest_line = ""
        self._password_typed = False
        self.deadline = now + _QUIET_SECONDS
        self.typed = bytearray()
        self.is_at_shell = self.has_logged_in = False
        self.error: GuestNotReady | None = None

    def feed(self, data: bytes, now: float) -> None:
        """Take what the guest has sent."""
        before = self._printed.text
        self._printed.feed(data)
        if self._printed.text != before:
            self.deadline = min(self._patience, now + _QUIET_SECONDS)

    def wake(self, now: float) -> None:
        """It is quiet, or the time is over: look where the guest is, and act."""
        line = self._printed.line
        if _BOOT_LOADER.search(line):
            self._fail(f"the guest is in its boot loader: {line!r}")
        elif _COUNTDOWN.search(self._printed.text):
            self._printed.clear()
            self._wait(now + _OVERDUE_SECONDS)
        elif self._printed.is_at_login:
            self._log_in(now)
        elif _PASSWORD.search(line):
            self._give_password(line, now)
        elif _SHELL.search(line):
            self.is_at_shell = True
        elif _OPEN_QUOTE.search(line):
            self._knock(CTRL_C, line, now)
        elif not self.has_logged_in or now >= self._acted + _LOGIN_SECONDS:
            self._knock(_CLEAR_LINE + ENTER, line, now)
        elif self._password_typed and now >= self._acted + _OVERDUE_SECONDS:
            self._knock(ENTER, line, now)  # a message may hide the prompt
        else:
            self._wait(now + _OVERDUE_SECONDS)

    def _type(self, data: bytes, now: float, patience: float) -> None:
        """Type, and have patience for so long before the next step."""
        self.typed += data
        self._printed.clear()
        self._acted = now
        self._wait(now + patience)

    def _wait(self, patience: float) -> None:
        self._patience = self.deadline = patience

    def _fail(self, what: str, hint: str | None = None) -> None:
        self.error = GuestNotReady(what, hint)

    def _log_in(self, now: float) -> None:
        if self.has_logged_in:
            self._fail(f"the guest does not let {self._login!r} log in")
        elif self._login is None:
            self._fail("the guest wants a login", "say as whom: --login USER")
        else:
            self.has_logged_in = True
            self._type(self._login.encode() + ENTER, now, _OVERDUE_SECONDS)

    def _give_password(self, line: str, now: float) -> None:
        if not self.has_logged_in:
            self._knock(ENTER, line, now)  # somebody left it there
        elif self._password_typed:
            self._fail(f"the guest asks for more than a password: {line!r}")
        elif self._password is None:
            self._fail(
                f"the guest wants a password for {self._login!r}",
                "give it in NOVACONSOLE_PASSWORD, by --password-file, or on a terminal",
            )
        else:
            self._password_typed = True
            self._type(self._password.encode() + ENTER, now, _OVERDUE_SECONDS)

    def _knock(self, keys: bytes, line: str, now: float) -> None:
        """Press a key, and see what comes; give up where that is always the same."""
        if self._knocks and now < self._acted + _KNOCK_SECONDS:
            self._wait(self._acted + _KNOCK_SECONDS)
            return
        self._knocks += 1
        is_answer = bool({*self._printed.text.split()} - _NO_ANSWER)
        self._unanswered = 0 if is_answer else self._unanswered + 1
        self._same = self._same + 1 if line and line == self._latest_line else 0
        self._latest_line = line
        if self._same >= _SAME_ANSWERS:
            self._fail(
                "the guest shows neither a login prompt nor a shell's: "
                f"{line[-_SHOWN_CHARACTERS:]!r}",
                "attach without --run and see what it wants",
            )
        elif self._unanswered > _UNANSWERED_KNOCKS:
            self._fail(
                "nothing answers on the console",
                "nothing listens on ttyS0 in the guest, or another client holds it",
            )
        else:
            pause = _KNOCK_SECONDS * 2.0 ** max(0, self._unanswered - 1)
            self._type(keys, now, min(pause, _MOST_KNOCK_SECONDS))
