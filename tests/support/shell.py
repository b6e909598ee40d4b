"""The program under a real shell, and a guest for it to talk to.

`Shell` is an interactive bash on a pty of its own, with the program on its PATH.
`Guest` is the other end of the websocket.  It is written against RFC 6455 alone, so
that it can misbehave and no library is tested against itself.
"""

import io
import os
import queue
import re
import select
import shlex
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from signal import SIGKILL
from typing import Self

import pexpect
import pyte
from pexpect.fdpexpect import fdspawn

from support.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    acceptance,
    close_frame,
    header,
)
from support.program import PATIENCE, environment, install, write_command
from support.sockets import reset_when_closed

# The contract promises 0.2 seconds for "~." and allows 2.  On a machine that is busy
# with other tests the interpreter and the shell alone can take a part of a second; a
# wait that cannot be interrupted takes 2 seconds or more.
AT_ONCE = 1.0
TOKEN = "tok-3f9a-SECRET-27c1"
CTRL_C, CTRL_Z = b"\x03", b"\x1a"

_COLUMNS = 300  # wide enough for every command line
_PROMPT = re.compile(rb"<(\d+)>\$ ")
_WATCHED = re.compile(r"^tfd: +(\d+) events: +([0-9a-f]+)", re.MULTILINE)
# The tests may have been started with signals ignored, as under nohup; a login is not.
_LOG_IN = """
import os, signal, sys
for name in "HUP", "INT", "QUIT", "TERM", "PIPE":
    signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_DFL)
os.login_tty(0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
# Different from what `stty sane` sets, so that only saved settings can be restored.
_OWN_SETTINGS = "stty erase ^H quit ^X -ixon ixany"
_FLAGS = "import fcntl; print(*(fcntl.fcntl(fd, fcntl.F_GETFL) for fd in range(3)))"


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Poll until a condition holds; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} seconds"
        time.sleep(0.002)


def is_alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _waited_for_to_write(pid: int) -> Iterator[str]:
    """The files that a process waits for with epoll until it can write (proc(5))."""
    process = Path(f"/proc/{pid}")
    for info in process.glob("fdinfo/*"):
        with suppress(FileNotFoundError):  # closed meanwhile
            for fd, events in _WATCHED.findall(info.read_text()):
                if int(events, 16) & select.EPOLLOUT:
                    yield str((process / "fd" / fd).readlink())


class Shell:
    """An interactive bash on a terminal of its own, and the user in front of it.

    Args:
        home: an empty directory, which becomes home and working directory.
        variables: more of the environment.

    Attributes:
        pid: process id of bash.
    """

    def __init__(self, home: Path, **variables: str) -> None:
        self._home = home
        self._environment = environment(home, **variables)
        self._shown = io.BytesIO()
        self._command_at = 0
        self._prompt_at = 0

    def __enter__(self) -> Self:
        install(self._home)
        python = shlex.quote(sys.executable)
        flags = f"stty -g\nexec {python} -IS -c {shlex.quote(_FLAGS)}"
        write_command(self._home, "state", flags)
        # Kept open: it shares its flags and settings with the shell's streams.
        self._master, self._terminal = os.openpty()
        os.set_blocking(self._master, False)
        self.resize(columns=_COLUMNS, lines=40)
        # Not pexpect.spawn, which forks: a process with threads must not do that.
        log_in = [sys.executable, "-IS", "-c", _LOG_IN]
        self._process = subprocess.Popen(
            [*log_in, "bash", "--norc", "-i"],
            stdin=self._terminal,
            cwd=self._home,
            env={**self._environment, "PS1": "<$?>$ "},
        )
        self.pid = self._process.pid
        self._pexpect: fdspawn[bytes] = fdspawn(
            self._master, timeout=PATIENCE, maxread=1 << 16
        )
        self._pexpect.logfile_read = self._shown
        self.prompt()
        # A shell inside this one must not inherit this prompt.
        self.run("export -n PS1; bind 'set enable-bracketed-paste off'")
        self.run(_OWN_SETTINGS)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._pexpect.closed:
            with suppress(OSError):
                if (job := self.job) != self.pid:
                    os.killpg(job, SIGKILL)
            self.hang_up()
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._terminal)

    # ---- the user

    def type(self, data: bytes) -> None:
        """Type or paste; does not read the terminal's output meanwhile."""
        rest = memoryview(data)
        while rest:
            ready = select.select([], [self._master], [], PATIENCE)[1]
            assert ready, f"{len(rest)} bytes are not taken"
            with suppress(BlockingIOError):
                rest = rest[os.write(self._master, rest[:4096]) :]

    def start(self, command: str) -> None:
        """Type a command and Enter at a prompt; its output begins after that."""
        self.type(command.encode() + b"\r")
        self.expect(command.encode() + b"\r\n")
        self._command_at = self._position

    def run(self, command: str) -> tuple[int, bytes]:
        """Run a command to its end; returns its status and output."""
        self.start(command)
        return self.prompt(), self.output

    def attach(self, arguments: str, *, program: str = "novaconsole") -> None:
        """Start the program and wait until it has attached and set raw mode."""
        self.start(f"{program} {arguments}")
        self.expect(b" to disconnect\r\n")
        self.wait_raw()

    def state(self) -> str:
        """The terminal's settings, and the flags of the shell's standard streams."""
        status, output = self.run("state")
        assert status == 0
        return output.decode()

    # ---- the terminal

    def resize(self, columns: int, lines: int) -> None:
        termios.tcsetwinsize(self._master, (lines, columns))

    def hang_up(self) -> None:
        """Close the terminal, as closing a terminal window does."""
        self._pexpect.close()

    @property
    def job(self) -> int:
        """The process group in the foreground; for a single program, its pid."""
        return os.tcgetpgrp(self._master)

    @property
    def is_raw(self) -> bool:
        # The shell's line editor leaves ISIG on.
        return not termios.tcgetattr(self._terminal)[3] & termios.ISIG

    @property
    def is_blocking(self) -> bool:
        """Whether the shell's streams block; the shell sets this before each prompt."""
        return os.get_blocking(self._terminal)

    def wait_raw(self) -> None:
        wait_until(lambda: self.is_raw)

    def wait_stuck(self) -> None:
        """Wait until the terminal takes no more output, because nothing reads it.

        The program's own wait for the terminal shows it.  The kernel does not: poll()
        may find a little more room later.
        """
        name = os.ttyname(self._terminal)
        wait_until(lambda: name in _waited_for_to_write(self.job))

    # ---- what is shown

    def expect(
        self, wanted: bytes | re.Pattern[bytes], window: int | None = None
    ) -> list[bytes]:
        """Wait for output; returns the groups of the pattern.

        Args:
            wanted: bytes, or a pattern.
            window: search only so many bytes at the end.
        """
        pattern = re.escape(wanted) if isinstance(wanted, bytes) else wanted
        try:
            self._pexpect.expect(pattern, searchwindowsize=window)
        except (pexpect.TIMEOUT, pexpect.EOF) as exc:
            shown = self._shown.getvalue()[self._command_at :]
            raise AssertionError(
                f"{type(exc).__name__}, no {wanted!r} in {len(shown)} bytes, the last "
                f"of which are {shown[-2000:]!r}"
            ) from None
        assert isinstance(self._pexpect.match, re.Match)
        return list(self._pexpect.match.groups())

    def prompt(self) -> int:
        """Wait for the shell's prompt; returns the status of the command before it."""
        (status,) = self.expect(_PROMPT, window=8192)  # it may follow a flood
        self._prompt_at = self._position - len(b"<>$ ") - len(status)
        return int(status)

    @property
    def output(self) -> bytes:
        """The output of the last command, up to the prompt."""
        return self._shown.getvalue()[self._command_at : self._prompt_at]

    @property
    def output_so_far(self) -> bytes:
        """The output of the running command as far as it has been read."""
        return self._shown.getvalue()[self._command_at : self._position]

    def screen(self, columns: int = _COLUMNS) -> list[str]:
        """The lines on a terminal since the last command, without blank ones."""
        screen = pyte.Screen(columns, 200)
        pyte.ByteStream(screen).feed(self._shown.getvalue()[self._command_at :])
        return [line.rstrip() for line in screen.display if line.strip()]

    @property
    def _position(self) -> int:
        return self._shown.tell() - len(self._pexpect.buffer)


@contextmanager
def unchanged(shell: Shell) -> Iterator[None]:
    """Check that the block leaves terminal and standard streams unchanged."""
    before = shell.state()
    yield
    assert shell.state() == before
    assert shell.run("echo us''able") == (0, b"usable\r\n")


# ---- the other end

# A row of /proc/net/tcp: both ends as address:port in hexadecimal, and the state.
_TCP_ROW = re.compile(r"^ *\d+: \w+:(\w+) \w+:(\w+) (\w+)", re.MULTILINE)
_HELD = {"01", "08"}  # TCP_ESTABLISHED, TCP_CLOSE_WAIT in linux/tcp_states.h
_FLOOD_LINES = 1000


def numbered_lines(size: int) -> bytes:
    """The first `size` bytes of an endless sequence of lines that all differ."""
    count = size // len(_line(0)) + 1
    return b"".join(map(_line, range(count)))[:size]


def _line(number: int) -> bytes:
    return b"%09d abcdefghijklmnopqrstuvwxyz\r\n" % number


def _clients_of(port: int) -> set[int]:
    """The ports of clients that are connected to a port and have not closed yet."""
    rows = _TCP_ROW.findall(Path("/proc/net/tcp").read_text())
    wanted = f"{port:04X}"
    return {int(own, 16) for own, to, state in rows if to == wanted and state in _HELD}


class Guest:
    """A websocket server for one client at a time, on loopback by default.

    A client that connects while another is connected has to wait, as with qemu.

    Args:
        answer: sent instead of the upgrade; if empty, the server never answers.
        upgrades: the upgrade waits for this event.
        greeting: sent right after the upgrade.
        echoes: whether to send back what arrives.
        floods: whether to send numbered lines without end.
        reads: whether to read anything after the upgrade.
        answers_close: whether to answer the client's close frame and hang up.
        drops: whether to hang up right after the greeting.
        host: address to listen on.

    Attributes:
        answer: sent to the next client instead of the upgrade, or None to upgrade.
        greeting: sent right after the next upgrade.
        reads: whether to read what the next client sends.
        drops: whether to hang up on the next client right after the greeting.
        connections: number of connections accepted.
        overlaps: number of them opened while the client still held another.
        request: the head of the latest request.
        frames: what the client sent, without pings and pongs.
        pings: number of pings from the client.
    """

    def __init__(
        self,
        *,
        answer: bytes | None = None,
        upgrades: threading.Event | None = None,
        greeting: bytes = b"",
        echoes: bool = False,
        floods: bool = False,
        reads: bool = True,
        answers_close: bool = True,
        drops: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        self._host = host
        self.answer = answer
        self._upgrades = upgrades
        self.greeting = greeting
        self._echoes = echoes
        self._floods = floods
        self.reads = reads
        self._answers_close = answers_close
        self.drops = drops
        self.connections = self.overlaps = self.pings = 0
        self.request = b""
        self.frames: list[Frame] = []
        self._received = bytearray()
        self._news = threading.Condition()
        self._sending = threading.Lock()
        self._client: socket.socket | None = None
        self._is_open = False
        self._closing = False
        self._over = threading.Event()
        self._accepted: queue.SimpleQueue[socket.socket | None] = queue.SimpleQueue()
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._acceptor = threading.Thread(target=self._accept)

    @property
    def url(self) -> str:
        return f"ws://{self._host}:{self.port}/?token={TOKEN}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._upgrades:
            self._upgrades.set()  # so that a failing test does not hang
        self._stop_listening()
        self._hang_up()
        self._accepted.put(None)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    # ---- what the test does

    def send(self, data: bytes, *, text: bool = False) -> None:
        """Send one frame."""
        self._transmit(Frame(TEXT if text else BINARY, data))

    def close(self, code: int, reason: str = "") -> None:
        """Begin the closing handshake."""
        self._closing = True
        self._transmit(close_frame(code, reason))

    def drop(self, *, reset: bool = False) -> None:
        """Hang up without a close frame."""
        self.wait_for(lambda: self._is_open)
        if reset:
            assert self._client
            reset_when_closed(self._client)
        self._hang_up()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Do not listen inside the block; afterwards listen again."""
        self._stop_listening()
        yield
        self._listener = self._listen(self.port)
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def wait_for(self, condition: Callable[[], object]) -> None:
        with self._news:
            assert self._news.wait_for(condition, PATIENCE), "the client did not do it"

    def wait_request(self) -> None:
        """Wait for a request."""
        self.wait_for(lambda: self.request)

    def wait_closing(self) -> bytes:
        """Wait for the client's close frame; returns its payload."""
        self.wait_for(lambda: self.frames and self.frames[-1].opcode == CLOSE)
        return self.frames[-1].payload

    def wait_received(self, wanted: bytes) -> None:
        """Wait until what was received ends with this."""
        self.wait_for(lambda: self._received.endswith(wanted))

    @property
    def received(self) -> bytes:
        """All data from the client."""
        with self._news:
            return bytes(self._received)

    def wait_connections(self, count: int) -> None:
        """Wait until so many connections have been accepted."""
        self.wait_for(lambda: self.connections >= count)

    # ---- the server's threads

    def _listen(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not self.reads:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind((self._host, port))
        listener.listen()
        return listener

    def _stop_listening(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._acceptor.join(PATIENCE)
        assert not self._acceptor.is_alive()
        self._listener.close()

    def _accept(self) -> None:
        """Accept at once, to see whether a client still holds another connection."""
        with suppress(OSError):
            while True:
                client, (_, port) = self._listener.accept()
                with self._news:
                    self.overlaps += bool(_clients_of(self.port) - {port})
                    self.connections += 1
                    self._news.notify_all()
                self._accepted.put(client)

    def _serve(self) -> None:
        while client := self._accepted.get():
            with client, client.makefile("rb") as reader:
                with self._news:
                    if self._over.is_set():
                        continue
                    self._client = client
                    self._closing = False
                with suppress(OSError):
                    self._converse(client, reader)
                with self._news:
                    self._client = None
                    self._is_open = False

    def _converse(self, client: socket.socket, reader: io.BufferedIOBase) -> None:
        head = b"".join(iter(reader.readline, b"\r\n"))
        with self._news:
            self.request = head
            self._news.notify_all()
        if self.answer is not None:
            client.sendall(self.answer)
            if not self.answer:
                reader.read()  # until the client hangs up
            return
        if self._upgrades:
            self._upgrades.wait(PATIENCE)
        client.sendall(_upgrade(head))
        if self.greeting:
            client.sendall(Frame(BINARY, self.greeting).encoded())
        if self.drops:
            return
        with self._news:
            self._is_open = True
            self._news.notify_all()
        with self._flooding(client) if self._floods else nullcontext():
            if self.reads:
                self._read_frames(reader)
            else:
                unread = select.poll()
                unread.register(client, select.POLLRDHUP)
                unread.poll()  # until one side hangs up

    @contextmanager
    def _flooding(self, client: socket.socket) -> Iterator[None]:
        flood = threading.Thread(target=self._flood, args=[client])
        flood.start()
        try:
            yield
        finally:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            flood.join()

    def _read_frames(self, reader: io.BufferedIOBase) -> None:
        for frame in _frames(reader):
            if frame.opcode == PING:
                with self._news:
                    self.pings += 1
                    self._news.notify_all()
                self._transmit(Frame(PONG, frame.payload))
                continue
            if frame.opcode == PONG:
                continue
            with self._news:
                self.frames.append(frame)
                if frame.opcode != CLOSE:
                    self._received += frame.payload
                self._news.notify_all()
            if frame.opcode == CLOSE:
                if self._closing:
                    return
                if self._answers_close:
                    self._transmit(Frame(CLOSE, frame.payload))
                    return
            elif self._echoes:
                self.send(frame.payload)

    def _flood(self, client: socket.socket) -> None:
        number = 0
        with suppress(OSError):
            while True:
                lines = map(_line, range(number, number + _FLOOD_LINES))
                with self._sending:
                    client.sendall(Frame(BINARY, b"".join(lines)).encoded())
                number += _FLOOD_LINES

    def _transmit(self, frame: Frame) -> None:
        self.wait_for(lambda: self._is_open)
        assert self._client
        with self._sending:
            self._client.sendall(frame.encoded())

    def _hang_up(self) -> None:
        with self._news, suppress(OSError):
            if self._client:
                # Wakes the reading thread, which then closes.
                self._client.shutdown(socket.SHUT_RD)


def _upgrade(request: bytes) -> bytes:
    assert header(request, "Sec-WebSocket-Key"), "the client asks for no websocket"
    offer = header(request, "Sec-WebSocket-Protocol")
    assert offer in ("", "binary"), "nova-serialproxy knows no other subprotocol"
    chosen = b"Sec-WebSocket-Protocol: binary\r\n" if offer else b""
    return acceptance(request, chosen)


def _frames(reader: io.BufferedIOBase) -> Iterator[Frame]:
    """The client's frames, until it hangs up."""
    frames = FrameReader()
    while data := reader.read1(1 << 16):
        frames.feed(data)
        while frame := frames.next_frame():
            assert frame.fin, "the client sends whole messages"
            assert frame.masked, "RFC 6455 5.1: a client masks"
            yield frame
