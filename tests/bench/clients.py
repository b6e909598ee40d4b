"""The clients: how each is started, and a client that runs on a pty of its own."""

import contextlib
import fcntl
import importlib.util
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.longway import LongWay
from bench.sink import Sink, Stalled
from bench.sshd import SSH

HERE = Path(__file__).parent
_SOURCE = HERE / "source.py"
_LOOPBACK = "127.0.0.1"
_NO_WAY = LongWay((), (), _LOOPBACK)
_FOREIGN = re.compile(r"(OS_|NOVACONSOLE_|COVERAGE_|PYTHON|\w*_proxy$)", re.IGNORECASE)
# A terminal without bracketed paste: the control sequence that switches it on would be
# counted as an echo.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not _FOREIGN.match(name)
} | {"TERM": "vt100"}

Way = Literal["ws", "tcp", "stdio", "none"]


@dataclass(frozen=True)
class Place:
    """Where a client finds the source.

    Attributes:
        host: its address.
        port: its TCP port, or 0 if the client starts the source itself.
        remote: the command that starts it.
        ssh: the server on which that runs.
    """

    host: str
    port: int
    remote: Sequence[str]
    ssh: SSH | None

    @property
    def url(self) -> str:
        return f"ws://{self.host}:{self.port}/"


@dataclass(frozen=True)
class Client:
    """A program that attaches a terminal.

    Attributes:
        name: its name in the table.
        way: how it reaches the source; "none" for a program without one.
        command: returns the command that starts it.
        module: a module that it needs, to be installed with pip.
        program: a program that it needs on the PATH.
    """

    name: str
    way: Way
    command: Callable[[Place], Sequence[str]]
    module: str = ""
    program: str = ""

    @property
    def missing(self) -> str:
        """What has to be installed first, or an empty string."""
        if self.module and importlib.util.find_spec(self.module) is None:
            return f"pip install {self.name}"
        if self.program and shutil.which(self.program) is None:
            return f"no {self.program} on the PATH"
        return ""


def _script(name: str) -> Callable[[Place], Sequence[str]]:
    return lambda place: [sys.executable, str(HERE / "peers" / name), place.url]


def _ssh(place: Place) -> Sequence[str]:
    assert place.ssh is not None
    return place.ssh.command(place.remote)


PROGRAM = (sys.executable, "-m", "novaconsole")
IMPORTS = "import trio_websocket, typer"

# Without keepalive, which none of the peers has.
NOVACONSOLE = Client(
    "novaconsole", "ws", lambda place: [*PROGRAM, "--url", place.url, "--keepalive=0"]
)
WEBSOCKET_CLIENT = Client(
    "websocket-client", "ws", _script("websocket_client_loop.py"), module="websocket"
)
PICOWS = Client("picows", "ws", _script("picows_loop.py"), module="picows")
WEBSOCKETS = Client(
    "websockets", "ws", _script("websockets_loop.py"), module="websockets"
)
SOCAT = Client(
    "socat",
    "tcp",
    lambda place: ["socat", "-", f"TCP:{place.host}:{place.port},nodelay"],
    program="socat",
)
OPENSSH = Client("ssh", "stdio", _ssh, program="ssh")
INTERPRETER = Client(
    "python with imports",
    "none",
    lambda _: [sys.executable, "-c", f"{IMPORTS}; print(end='.', flush=True); input()"],
)


class Reports:
    """The reports of the source.

    Args:
        path: of a FIFO, which is created.
    """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        # For reading and writing, so that it never reports an end of file.
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._events: dict[str, dict[str, int]] = {}
        self._partial = b""

    def has(self, event: str) -> bool:
        """Whether this event has been reported."""
        with contextlib.suppress(BlockingIOError):
            *lines, self._partial = (self._partial + os.read(self.fd, 4096)).split(
                b"\n"
            )
            for line in lines:
                values = json.loads(line)
                self._events[values.pop("event")] = values
        return event in self._events

    def wait(self, event: str, sink: Sink | None = None) -> dict[str, int]:
        """Wait for an event; returns its values.  The screen goes on reading meanwhile.

        Raises:
            Stalled: it was not reported in time.
        """
        end = time.monotonic() + 60
        if sink is not None:
            sink.read_until(lambda: self.has(event), f"report {event!r}", also=self.fd)
        while not self.has(event):
            if not select.select([self.fd], [], [], end - time.monotonic())[0]:
                raise Stalled(f"no report {event!r} from the source")
        return self._events[event]


class Running:
    """A client that is running.

    Args:
        pid: of the client.
        started_at: when it was started, in nanoseconds of the monotonic clock.
        keyboard: master of the pty that is its standard input.
        sink: reads its standard output.
        reports: of the source.
        proxy: process id of websockify, if there is one.

    """

    def __init__(
        self,
        pid: int,
        started_at: int,
        keyboard: int,
        sink: Sink,
        reports: Reports,
        proxy: int | None,
    ) -> None:
        self.pid, self.started_at, self.proxy = pid, started_at, proxy
        self.keyboard, self.sink, self.reports = keyboard, sink, reports

    def wait_for_output(self) -> None:
        """Wait until the first bytes of the source are shown."""
        self.sink.read_to(1)

    def type(self, data: bytes) -> int:
        """Type all of it, as fast as the terminal takes it.

        Returns:
            When it began, in nanoseconds of the monotonic clock.
        """
        began_at = time.monotonic_ns()
        while data:
            try:
                data = data[os.write(self.keyboard, data) :]
            except BlockingIOError:
                if not select.select([], [self.keyboard], [], 60)[1]:
                    raise Stalled("the client reads no keys") from None
        return began_at

    def wait_for_end(self) -> int:
        """Read its output until the process has ended.

        Returns:
            When that was, in nanoseconds of the monotonic clock.
        """
        fd = os.pidfd_open(self.pid)
        try:
            self.sink.read_until(
                lambda: bool(select.select([fd], [], [], 0)[0]), "end", also=fd
            )
            return time.monotonic_ns()
        finally:
            os.close(fd)

    def status(self, name: str) -> int:
        """A number from /proc/PID/status: memory in KiB, others summed over threads."""
        files = [Path(f"/proc/{self.pid}/status")]
        if not name.startswith("Vm"):
            files = list(Path(f"/proc/{self.pid}/task").glob("*/status"))
        lines = "".join(file.read_text() for file in files)
        return sum(map(int, re.findall(rf"^{name}:\s+(\d+)", lines, re.MULTILINE)))


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process so far, in user space and in the kernel."""
    # The id of a process's CPU clock on Linux; see clock_getcpuclockid(3).
    return time.clock_gettime((~pid << 3) | 2)


@contextmanager
def attached(
    client: Client,
    *source: str,
    ssh: SSH | None = None,
    pipe: bool = False,
    rate: int | None = None,
    behind_websockify: bool = False,
    messages_on_screen: bool = False,
    way: LongWay = _NO_WAY,
) -> Iterator[Running]:
    """A client attached to a source; killed at the end.

    Args:
        client: to start.
        source: how the source behaves: the end of its command line.
        ssh: for the client of that name.
        pipe: standard output is a pipe, not the terminal.
        rate: of the terminal, as for `Sink`.
        behind_websockify: put the real proxy before the source, which speaks raw TCP.
        messages_on_screen: standard error is the terminal, not a file.
        way: between the source and the client.

    Raises:
        Stalled: expected output or an expected event did not arrive.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        reports = Reports(directory / "reports")
        stack.callback(os.close, reports.fd)
        speaks = "tcp" if behind_websockify else client.way
        command = [
            *(*way.there, sys.executable, str(_SOURCE)),
            *(str(directory / "reports"), speaks, *source, "--host", way.address),
        ]
        port, proxy = 0, None
        if speaks in ("ws", "tcp"):
            stack.enter_context(_process(command, stdin=subprocess.DEVNULL))
            port = reports.wait("listening")["port"]
        if behind_websockify:
            port, proxy = stack.enter_context(_websockify(port, directory))

        master, slave = pty.openpty()
        stack.callback(os.close, slave)
        stack.callback(os.close, master)
        tty.setraw(slave)  # not every peer sets raw mode itself
        os.set_blocking(master, False)
        shown, screen = master, slave
        if pipe:
            shown, screen = os.pipe()
            stack.callback(os.close, shown)
        log = stack.enter_context((directory / "messages").open("w+b"))
        started_at = time.monotonic_ns()
        running = stack.enter_context(
            _process(
                [*way.here, *client.command(Place(way.address, port, command, ssh))],
                stdin=slave,
                stdout=screen,
                stderr=slave if messages_on_screen else log,
                preexec_fn=_take_terminal,
            )
        )
        if pipe:
            os.close(screen)
        sink = Sink(shown, rate)
        try:
            yield Running(running.pid, started_at, master, sink, reports, proxy)
        except Stalled as exc:
            lines = (directory / "messages").read_text(errors="replace").split("\n")
            words = [line for line in lines if line.strip()][-2:]
            raise Stalled(": ".join([str(exc), *words])) from exc


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextmanager
def _process(
    command: Sequence[str], **options: Any
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        command, env=ENVIRONMENT, start_new_session=True, **options
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)  # no effect if it has been waited for
        process.wait()


@contextmanager
def _websockify(port: int, directory: Path) -> Iterator[tuple[int, int]]:
    """Port and process of the proxy."""
    with socket.create_server((_LOOPBACK, 0)) as listener:
        command = [
            *(sys.executable, "-m", "websockify"),
            *(
                "--inetd",
                "--run-once",
            ),  # --run-once: in one process, which can be measured
            f"{_LOOPBACK}:{port}",
        ]
        with (
            (directory / "websockify").open("wb") as log,
            _process(
                command, stdin=listener.fileno(), stdout=log, stderr=log, cwd=directory
            ) as process,
        ):
            yield listener.getsockname()[1], process.pid
