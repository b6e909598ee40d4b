"""The program under a real shell, and a guest for it to talk to.

`Shell` is an interactive bash on a pty of its own, with the program on its PATH.
`Guest` is the far end of the websocket.  It is written against RFC 6455 alone: so it
can misbehave, and no library checks itself.
"""

import base64
import hashlib
import io
import os
import queue
import re
import select
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from signal import SIGKILL
from typing import NamedTuple, Self

import pexpect
import pyte
from pexpect.fdpexpect import fdspawn

PATIENCE = 20.0
# The contract promises 0.2 seconds for "~." and allows 2.  On a machine that is busy
# with other tests the interpreter and the shell alone can take a part of a second; each
# wait that is missing its way out costs 2 seconds or more.
AT_ONCE = 1.0
PROGRAM = (sys.executable, "-bb", "-P", "-m", "novaconsole")
TOKEN = "tok-3f9a-SECRET-27c1"
CTRL_C, CTRL_Z = b"\x03", b"\x1a"

_COLUMNS = 300  # no command line is ever wrapped
_PROMPT = re.compile(rb"<(\d+)>\$ ")
_WATCHED = re.compile(r"^tfd: +(\d+) events: +([0-9a-f]+)", re.MULTILINE)
# Whoever runs the tests may ignore signals, as nohup does; a login does not.
_LOG_IN = """
import os, signal, sys
for name in "HUP", "INT", "QUIT", "TERM", "PIPE":
    signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_DFL)
os.login_tty(0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
# Not what `stty sane` gives, so that only what was saved can be what is restored.
_OWN_SETTINGS = "stty erase ^H quit ^X -ixon ixany"
_FLAGS = "import fcntl; print(*(fcntl.fcntl(fd, fcntl.F_GETFL) for fd in range(3)))"


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for what sends no event; fails when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} seconds"
        time.sleep(0.002)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits only for its parent's wait() does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _waited_for_to_write(pid: int) -> Iterator[str]:
    """The files that a process waits for with epoll, to write them (proc(5))."""
    process = Path(f"/proc/{pid}")
    for info in process.glob("fdinfo/*"):
        with suppress(FileNotFoundError):  # closed meanwhile
            for fd, events in _WATCHED.findall(info.read_text()):
                if int(events, 16) & select.EPOLLOUT:
                    yield str((process / "fd" / fd).readlink())


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Variables for a user whose home is `home`, and of whom no cloud knows."""
    ours = re.compile(r"(OS_|NOVACONSOLE_|PS1$|\w*_proxy$)", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    commands = home / "bin"
    if not commands.exists():
        commands.mkdir(parents=True)
        python = shlex.quote(sys.executable)
        for name, script in (
            ("novaconsole", f'exec {shlex.join(PROGRAM)} "$@"'),
            ("state", f"stty -g\nexec {python} -IS -c {shlex.quote(_FLAGS)}"),
        ):
            (commands / name).write_text(f"#!/bin/sh\n{script}\n")
            (commands / name).chmod(0o755)
    return {
        **kept,
        "HOME": str(home),
        "HISTFILE": "/dev/null",
        "INPUTRC": "/dev/null",
        "LC_ALL": "C.UTF-8",
        "PYTHON": sys.executable,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "SHELL": shutil.which("bash") or "/bin/bash",
        "TERM": "vt100",
        **variables,
    }


class Shell:
    """An interactive bash on a terminal of its own, and the person in front of it.

    Args:
        home: an empty directory: home and working directory of the user.
        variables: of the environment.

    Attributes:
        pid: of bash.
    """

    def __init__(self, home: Path, **variables: str) -> None:
        self._home = home
        self._environment = environment(home, **variables)
        self._shown = io.BytesIO()
        self._command_at = 0
        self._prompt_at = 0

    def __enter__(self) -> Self:
        # Ours is the very open file that the shell has as its standard streams.
        self._master, self._terminal = os.openpty()
        os.set_blocking(self._master, False)
        self.resize(columns=_COLUMNS, lines=40)
        # Not pexpect.spawn: that forks, which a process with threads must not do.
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
        # A shell inside this one shall have a prompt of its own.
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

    # ---- the person

    def type(self, data: bytes) -> None:
        """Type or paste; reads nothing meanwhile."""
        rest = memoryview(data)
        while rest:
            ready = select.select([], [self._master], [], PATIENCE)[1]
            assert ready, f"{len(rest)} bytes are not taken"
            with suppress(BlockingIOError):
                rest = rest[os.write(self._master, rest[:4096]) :]

    def start(self, command: str) -> None:
        """Type a command and Enter, at a prompt; what follows is its output."""
        self.type(command.encode() + b"\r")
        self.expect(command.encode() + b"\r\n")
        self._command_at = self._position

    def run(self, command: str) -> tuple[int, bytes]:
        """Run a command that ends; its status and output."""
        self.start(command)
        return self.prompt(), self.output

    def attach(self, arguments: str, *, program: str = "novaconsole") -> None:
        """Start the program, and wait until it has the terminal."""
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
        """Close the terminal, as closing its window does."""
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
        """Of the shell's streams; it looks after this itself before every prompt."""
        return os.get_blocking(self._terminal)

    def wait_raw(self) -> None:
        wait_until(lambda: self.is_raw)

    def wait_stuck(self) -> None:
        """Wait until the terminal takes no more output, for nobody reads it here.

        The program knows: it waits for the terminal to become writable.  The kernel
        does not, for it finds a little more room later, which it tells nobody.
        """
        name = os.ttyname(self._terminal)
        wait_until(lambda: name in _waited_for_to_write(self.job))

    # ---- what is shown

    def expect(
        self, wanted: bytes | re.Pattern[bytes], window: int | None = None
    ) -> list[bytes]:
        """Wait for output; the groups of the pattern, if it has some.

        Args:
            wanted: what to find.
            window: look at so many bytes at the end only.
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
        """Wait for the shell's prompt; the status of the command before it."""
        (status,) = self.expect(_PROMPT, window=8192)  # behind a flood, maybe
        self._prompt_at = self._position - len(b"<>$ ") - len(status)
        return int(status)

    @property
    def output(self) -> bytes:
        """What the last command wrote until the prompt came back."""
        return self._shown.getvalue()[self._command_at : self._prompt_at]

    @property
    def output_so_far(self) -> bytes:
        """What the running command has been seen to write."""
        return self._shown.getvalue()[self._command_at : self._position]

    def screen(self, columns: int = _COLUMNS) -> list[str]:
        """What a terminal shows from the last command on, blank lines left out."""
        screen = pyte.Screen(columns, 200)
        pyte.ByteStream(screen).feed(self._shown.getvalue()[self._command_at :])
        return [line.rstrip() for line in screen.display if line.strip()]

    @property
    def _position(self) -> int:
        return self._shown.tell() - len(self._pexpect.buffer)


@contextmanager
def unchanged(shell: Shell) -> Iterator[None]:
    """Whatever happens inside, the terminal and the shell's streams are as before."""
    before = shell.state()
    yield
    assert shell.state() == before
    assert shell.run("echo us''able") == (0, b"usable\r\n")


# ---- the far end

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"^sec-websocket-key: *(\S+)", re.IGNORECASE | re.MULTILINE)
_OFFER = re.compile(
    rb"^sec-websocket-protocol: *([^\r]*)", re.IGNORECASE | re.MULTILINE
)
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
# A row of /proc/net/tcp: both ends as address:port in hex, and the state.
_TCP_ROW = re.compile(r"^ *\d+: \w+:(\w+) \w+:(\w+) (\w+)", re.MULTILINE)
_HELD = {"01", "08"}  # TCP_ESTABLISHED, TCP_CLOSE_WAIT in linux/tcp_states.h
_FLOOD_LINES = 1000


@contextmanager
def program(
    home: Path, *arguments: str, stdin: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[bytes]]:
    """The program in a session of its own: no terminal anywhere."""
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home),
        cwd=home,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def numbered_lines(size: int) -> bytes:
    """The first `size` bytes of an endless row of lines, no two of them equal."""
    count = size // len(_line(0)) + 1
    return b"".join(map(_line, range(count)))[:size]


def _line(number: int) -> bytes:
    return b"%09d abcdefghijklmnopqrstuvwxyz\r\n" % number


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = struct.pack(">BB", 0x80 | opcode, size)
    elif size < 1 << 16:
        head = struct.pack(">BBH", 0x80 | opcode, 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, 127, size)
    return head + payload


class Frame(NamedTuple):
    """A frame that the client sent."""

    opcode: int
    payload: bytes


def _clients_of(port: int) -> set[int]:
    """The ports of those who are connected to a port and have not closed yet."""
    rows = _TCP_ROW.findall(Path("/proc/net/tcp").read_text())
    wanted = f"{port:04X}"
    return {int(own, 16) for own, to, state in rows if to == wanted and state in _HELD}


class Guest:
    """A websocket server, on loopback if not told otherwise, for one client at a time.

    Who comes while another is there waits; who comes after one has gone is served.

    Args:
        answer: sent in place of the upgrade; empty: the server stays mute.
        upgrades: the upgrade waits for this.
        greeting: sent right after the upgrade.
        echoes: send back what comes.
        floods: send numbered lines without end.
        reads: read at all; else nothing is taken after the upgrade.
        answers_close: answer the client's close frame, and hang up.
        drops: hang up right after the greeting.
        host: address to listen on.

    Attributes:
        answer: sent to the next client in place of the upgrade; None: upgrade.
        greeting: sent right after the next upgrade.
        reads: read what the next client sends.
        drops: hang up on the next client right after the greeting.
        connections: how many there have been.
        overlaps: how many of them were opened by a client that still held another.
        request: the head of the client's latest request.
        frames: what the client sent, without pings and pongs.
        pings: how many the client sent.
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
            self._upgrades.set()  # a test that fails must not wait for it in vain
        self._stop_listening()
        self._hang_up()
        self._accepted.put(None)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    # ---- what the test does

    def send(self, data: bytes, *, text: bool = False) -> None:
        """Send one frame."""
        self._transmit(_frame(_TEXT if text else _BINARY, data))

    def close(self, code: int, reason: str = "") -> None:
        """Begin the websocket's close."""
        self._closing = True
        self._transmit(_frame(_CLOSE, struct.pack(">H", code) + reason.encode()))

    def drop(self, *, reset: bool = False) -> None:
        """Hang up without a close frame."""
        self.wait_for(lambda: self._is_open)
        if reset:
            assert self._client
            linger = struct.pack("ii", 1, 0)
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._hang_up()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Inside, nothing listens here; afterwards something does again."""
        self._stop_listening()
        yield
        self._listener = self._listen(self.port)
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def wait_for(self, condition: Callable[[], object]) -> None:
        with self._news:
            assert self._news.wait_for(condition, PATIENCE), "the client did not"

    def wait_request(self) -> None:
        """Wait for the client to have asked for something."""
        self.wait_for(lambda: self.request)

    def wait_closing(self) -> bytes:
        """Wait for the client's close frame; its payload."""
        self.wait_for(lambda: self.frames and self.frames[-1].opcode == _CLOSE)
        return self.frames[-1].payload

    def wait_received(self, wanted: bytes) -> None:
        """Wait until what was received ends so."""
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
        """Accept at once, to see who is still there when somebody comes."""
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
            client.sendall(_frame(_BINARY, self.greeting))
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
                unread.poll()  # until somebody hangs up

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
        while frame := _read_frame(reader):
            if frame.opcode == _PING:
                with self._news:
                    self.pings += 1
                    self._news.notify_all()
                self._transmit(_frame(_PONG, frame.payload))
                continue
            if frame.opcode == _PONG:
                continue
            with self._news:
                self.frames.append(frame)
                if frame.opcode != _CLOSE:
                    self._received += frame.payload
                self._news.notify_all()
            if frame.opcode == _CLOSE:
                if self._closing:
                    return
                if self._answers_close:
                    self._transmit(_frame(_CLOSE, frame.payload))
                    return
            elif self._echoes:
                self.send(frame.payload)

    def _flood(self, client: socket.socket) -> None:
        number = 0
        with suppress(OSError):
            while True:
                lines = map(_line, range(number, number + _FLOOD_LINES))
                with self._sending:
                    client.sendall(_frame(_BINARY, b"".join(lines)))
                number += _FLOOD_LINES

    def _transmit(self, data: bytes) -> None:
        self.wait_for(lambda: self._is_open)
        assert self._client
        with self._sending:
            self._client.sendall(data)

    def _hang_up(self) -> None:
        with self._news, suppress(OSError):
            if self._client:
                # Wakes the thread that reads, which then closes.
                self._client.shutdown(socket.SHUT_RD)


def _upgrade(request: bytes) -> bytes:
    key = _KEY.search(request)
    assert key, "the client asks for no websocket"
    accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
    ]
    if offer := _OFFER.search(request):
        assert offer[1] == b"binary", "nothing else is known to the proxy"
        lines.append(b"Sec-WebSocket-Protocol: binary")
    return b"\r\n".join([*lines, b"", b""])


def _read_frame(reader: io.BufferedIOBase) -> Frame | None:
    """The next frame; None at the end."""
    head = reader.read(2)
    if len(head) < 2:
        return None
    assert head[0] & 0x80, "the client sends whole messages"
    assert head[1] & 0x80, "RFC 6455 5.1: a client masks"
    size = head[1] & 0x7F
    if size == 126:
        (size,) = struct.unpack(">H", reader.read(2))
    elif size == 127:
        (size,) = struct.unpack(">Q", reader.read(8))
    mask, masked = reader.read(4), reader.read(size)
    if len(masked) < size:
        return None
    key = (mask * (size // 4 + 1))[:size]
    plain = int.from_bytes(masked) ^ int.from_bytes(key)
    return Frame(head[0] & 0x0F, plain.to_bytes(size))
