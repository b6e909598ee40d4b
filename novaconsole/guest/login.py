"""Where a guest is, and how to get from there into a shell: output in, keys out.

A serial line may have been left anywhere.  So Enter is pressed, after a Ctrl-U that
clears a half-typed line.  Once the guest has been quiet for a moment, the last line of
its output shows where it is: at a login prompt, at a shell prompt, at a password prompt
that was left there, at the prompt of a boot loader, or still booting.  Then the next
key is pressed, until a shell prompt stands there or it is clear that none will.

What is typed may reach a program that takes it for something else.  So it is not much:
there is one limit for all keys that are pressed in vain, whatever comes in answer, and
the pauses between them grow.  Into a full-screen program (screen.py) nothing is typed.

All times are on the caller's clock, which calls `wake` when `deadline` has come.
"""

import re

from novaconsole.errors import NO_ANSWER_HINT, GuestNotReady
from novaconsole.guest.recent import RecentOutput
from novaconsole.guest.screen import ScreenUse
from novaconsole.guest.script import SILENCE_SECONDS, typed_line

_FIRST_SECONDS = 0.15  # for a guest that is printing when this begins
_QUIET_SECONDS = 0.4  # a line is taken for a prompt if nothing follows for so long
_OVERDUE_SECONDS = 5.0  # a guest that is never quiet is looked at nevertheless
# Of quiet before another key; about a minute in all.
_KNOCK_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0)
_KNOCKS = 7
# A script that has lost its client in the middle of some input takes keys for the rest
# of that, until none have come for so long.
_SCRIPT_SECONDS = SILENCE_SECONDS + 2.0
_SAME_ANSWERS = 3
_LOGOUTS = 4
_LOGIN_SECONDS = 60.0  # the limit of login(1), which may look up the user for long
_SCREEN_QUIET_SECONDS = 10.0  # the menu of a boot loader counts seconds
_SCREEN_SECONDS = 60.0
_SHOWN_CHARACTERS = 80

ENTER, CTRL_C = b"\r", b"\x03"
# A script that has lost its client (script.py) ends with a line that it does not know,
# and knows no CR.
_CLEARED_LINES = (b"\x15\r", b"\x15\n")
# A shell with stopped jobs refuses to exit at first, but not to be replaced.
_EXITS = (b" exit", b" exec true")
_PASSWORD = re.compile(r"(password|passwort)[^:]*: ?$", re.IGNORECASE)
# fish's has a user, a host and a `>`, which many other programs have, too.
_SHELL = re.compile(r"([#$\u276f]|(?<!\d)%|^[^\s<>]+@[^<>]+>) ?$")
_OPEN_QUOTE = re.compile(r"^> ?$")
_BOOT_LOADER = re.compile(r"^(grub|grub rescue|=|u-boot|loader|ok)> ?$", re.IGNORECASE)
_COUNTDOWN = re.compile(r"autoboot", re.IGNORECASE)  # any key would stop it
_ECHO = {"^U"}  # of the Ctrl-U, by the tty; not an answer
_DIGITS = re.compile(r"\d+")


class LoginDialogue:
    """Finds out where the guest is, and logs in if that is needed.

    Args:
        login: the user to log in as, or None to accept only a shell that is open.
        password: the password of that user, or None if there is none.
        now: the time on the caller's clock, in seconds.
        screen: what has used the screen until now, or None if that is not known.

    Attributes:
        login: the user to log in as, or None.
        deadline: when to call `wake`, on the caller's clock.
        is_at_shell: whether commands can be typed now.
        has_logged_in: whether a user name was typed at a login prompt.
        error: why there is no way to a shell, or None.
    """

    def __init__(
        self,
        login: str | None,
        password: str | None,
        now: float,
        screen: ScreenUse | None = None,
    ) -> None:
        self.login, self._password = login, password
        self._output = RecentOutput()  # since something was typed last
        self._screen = screen or ScreenUse()
        self._full_since: float | None = None
        self._typed = bytearray()
        self._typed_at = self._heard_at = now
        self._patience = now + _OVERDUE_SECONDS
        self._knocks = self._same = self._logouts = 0
        self._latest_line = self._latest_shape = self._heard = ""
        self._has_answered = self._password_typed = False
        self.deadline = now + _FIRST_SECONDS
        self.is_at_shell = self.has_logged_in = False
        self.error: GuestNotReady | None = None

    @property
    def line(self) -> str:
        """The line that the guest showed last."""
        return self._output.line or self._latest_line

    @property
    def is_at_login(self) -> bool:
        """Whether the guest has shown a login prompt last."""
        return self._output.is_at_login

    @property
    def is_on_full_screen(self) -> bool:
        """Whether a full-screen program seems to run."""
        return self._screen.is_full

    def take_typed(self) -> bytes:
        """Return what is to be typed now; it is returned once."""
        data = bytes(self._typed)
        self._typed.clear()
        return data

    def feed(self, data: bytes, now: float) -> None:
        """Take what the guest has sent."""
        before = self._output.text
        self._output.feed(data)
        self._screen.feed(data)
        if self._output.text != before:
            self._heard_at = now
            self.deadline = min(self._patience, now + _QUIET_SECONDS)

    def wake(self, now: float) -> None:
        """Look where the guest is, and take the next step.

        To be called at the deadline: the guest has been quiet, or patience has ended.
        """
        line = self._output.line
        if not self._screen.is_full:
            self._full_since = None
        if self._screen.is_in_line:
            self._watch_screen(now)
        elif _BOOT_LOADER.search(line):
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
        elif self._screen.is_full:
            self._watch_screen(now)
        elif _OPEN_QUOTE.search(line):
            self._knock(CTRL_C, line, now)
        elif not self.has_logged_in or now >= self._typed_at + _LOGIN_SECONDS:
            self._knock(_CLEARED_LINES[self._knocks % 2], line, now)
        elif self._password_typed and now >= self._typed_at + _OVERDUE_SECONDS:
            self._knock(ENTER, line, now)  # a message may hide the prompt
        else:
            self._wait(now + _OVERDUE_SECONDS)

    def log_out(self, user: str, now: float) -> None:
        """Leave the shell that was found, and find another way.

        Args:
            user: whose shell it is.
            now: the time on the caller's clock.
        """
        self.is_at_shell = False
        if self._logouts == _LOGOUTS:
            self._fail(
                f"the shell of {user!r} in the guest does not end",
                "attach without --run to log out by hand",
            )
            return
        keys = _EXITS[min(self._logouts, 1)]
        self._logouts += 1
        self._type(keys + ENTER, now, _OVERDUE_SECONDS)

    def other_user(self, user: str) -> GuestNotReady:
        """Return the error for the shell of a user who was not asked for."""
        return GuestNotReady(
            f"the shell in the guest is that of {user!r}, not of {self.login!r}",
            "check what is run there at login"
            if self.has_logged_in
            else "log out there first, or add --force-login to have it logged out",
        )

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
                f"the guest refused to log in {self.login!r}",
                "check the user name and the password",
            )
        elif self.login is None:
            self._fail("the guest asks for a login", "give a user with --login USER")
        else:
            self.has_logged_in = True
            self._type(typed_line(self.login), now, _OVERDUE_SECONDS)

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
                f"the guest asks for the password of {self.login!r}",
                "give it in NOVACONSOLE_PASSWORD, with --password-file, or at the "
                "prompt on a terminal",
            )
        else:
            self._password_typed = True
            self._type(typed_line(self._password), now, _OVERDUE_SECONDS)

    def _watch_screen(self, now: float) -> None:
        """Type nothing; give up if the full-screen program stays."""
        since = self._full_since = now if self._full_since is None else self._full_since
        end = min(self._heard_at + _SCREEN_QUIET_SECONDS, since + _SCREEN_SECONDS)
        if self._screen.is_alternate or now >= end:
            self._fail(
                "a full-screen program is running on the guest's console",
                "attach without --run to leave it",
            )
        else:
            self._wait(end)

    def _knock(self, keys: bytes, line: str, now: float) -> None:
        """Press keys to get an answer; give up after a number of them in all."""
        pause = _KNOCK_PAUSES[self._knocks]
        if self._knocks == 2 and not self._has_answered:
            pause = _SCRIPT_SECONDS
        is_answer = bool({*self._output.text.split()} - _ECHO)
        heard, self._heard = self._heard, self._output.text.strip().rpartition("\n")[2]
        is_news = is_answer and self._heard != heard
        quiet = pause + (self._heard_at if is_news else self._typed_at)
        if self._knocks and now < quiet:
            self._wait(quiet)
            return
        self._has_answered = self._has_answered or is_answer
        shape = _DIGITS.sub("0", line)  # it may hold a clock
        self._same = self._same + 1 if line and shape == self._latest_shape else 0
        self._latest_line, self._latest_shape = line, shape
        if self._knocks < _KNOCKS and self._same < _SAME_ANSWERS:
            self._knocks += 1
            self._type(keys, now, _KNOCK_PAUSES[self._knocks])
        elif self._has_answered:
            self._fail(
                "the guest shows neither a login prompt nor a shell prompt: "
                f"{line[-_SHOWN_CHARACTERS:]!r}",
                "attach without --run to see what the guest is waiting for",
            )
        else:
            self._fail("the guest does not answer on its console", NO_ANSWER_HINT)
