"""Reconnecting: automatically with --reconnect, and by hand with ~R."""

import fcntl
import os
import re
import select
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM

import pytest

from support.program import PATIENCE, piped
from support.shell import (
    AT_ONCE,
    CTRL_C,
    CTRL_Z,
    TOKEN,
    Guest,
    Shell,
    numbered_lines,
    unchanged,
    wait_until,
)

BELL = b"\a"
WAITING = re.compile(rb"novaconsole: waiting: [^\r]*refused[^\r]*\r\n")
NOT_ATTACHED = b"novaconsole: not attached: waiting for the server or the network\r\n"
LOSSES: dict[str, tuple[Callable[[Guest], None], str]] = {
    "drop": (lambda guest: guest.drop(), "lost: no close frame received"),
    "reset": (lambda guest: guest.drop(reset=True), "lost: no close frame received"),
    "close": (
        lambda guest: guest.close(1000, "Target closed"),
        "closed by the other side: Target closed (code 1000, closed normally)",
    ),
    "close for a reason": (
        lambda guest: guest.close(1011),
        "closed by the other side: the server failed (code 1011)",
    ),
}


def sockets(pid: int) -> int:
    """The number of sockets that a process holds."""
    connections = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(connection.startswith("socket:") for connection in connections)


def settle(shell: Shell, guest: Guest) -> None:
    """Send some output: a loss without any would look like a refused token."""
    guest.send(b"login: ")
    shell.expect(b"login: ")


def finish(shell: Shell, guest: Guest, typed: bytes) -> None:
    """Check that the new connection works both ways, and leave."""
    shell.type(typed)
    guest.wait_received(typed)
    guest.send(b"<" + typed + b">")
    shell.expect(b"<" + typed + b">")
    shell.type(b"\r~.")
    assert shell.prompt() == 0


@contextmanager
def outage(shell: Shell, guest: Guest) -> Iterator[None]:
    """The guest is unreachable inside the block, and reachable again after it."""
    settle(shell, guest)
    with guest.refusing():
        guest.drop()
        shell.expect(WAITING)
        yield


# ---- automatically


@pytest.mark.parametrize("loss", LOSSES)
def test_after_any_loss_it_reconnects(tmp_path: Path, loss: str) -> None:
    lose, words = LOSSES[loss]
    with (
        Guest(greeting=b"login: ") as guest,
        Shell(tmp_path) as shell,
        unchanged(shell),
    ):
        shell.attach(f"--reconnect --log log {guest.url}")
        shell.expect(b"login: ")
        guest.greeting = b"second\r\n"
        lose(guest)
        address = f"127.0.0.1:{guest.port}"
        shell.expect(f"connected again to: ws://{address}/".encode())
        finish(shell, guest, b"typed")
        assert guest.connections == 2
        assert guest.overlaps == 0, "qemu serves one client at a time"
        shown = shell.screen()
        assert shown[2:4] == [
            "login:",
            f"novaconsole: connection to {address} {words}; reconnecting",
        ]
        assert "second" in shown[4:]
        assert TOKEN.encode() not in shell.output
    assert (tmp_path / "log").read_bytes() == b"login: second\r\n<typed>"


def test_reconnecting_repeatedly_leaves_no_socket_open(tmp_path: Path) -> None:
    with Guest(greeting=b"<0>") as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect {guest.url}")
        shell.expect(b"<0>")
        held = sockets(shell.job)
        for number in range(1, 6):
            guest.greeting = b"<%d>" % number
            guest.drop()
            shell.expect(guest.greeting)
        assert sockets(shell.job) == held
        finish(shell, guest, b"typed")
        assert (guest.connections, guest.overlaps) == (6, 0)


def test_it_tries_until_the_server_is_back(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect --log log {guest.url}")
        guest.greeting = b"after\r\n"
        with outage(shell, guest):
            pass
        shell.expect(b"after\r\n")
        finish(shell, guest, b"typed")
        assert shell.output.count(b"waiting: ") == 1, "reported only when it changes"
        assert guest.overlaps == 0
    assert (tmp_path / "log").read_bytes() == b"login: after\r\n<typed>"


def test_a_loss_right_after_reconnecting_is_followed_by_another_try(
    tmp_path: Path,
) -> None:
    """A proxy with no guest behind it accepts, and hangs up without a byte."""
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect {guest.url}")
        settle(shell, guest)
        guest.drops = True
        guest.drop()
        guest.wait_connections(4)
        guest.greeting, guest.drops = b"after", False
        shell.expect(b"after")
        finish(shell, guest, b"typed")
        assert guest.overlaps == 0
        assert shell.output.count(b"dropped the connection at once") == 1
        assert shell.output.count(b"connected again") == 1, "not before it has settled"


def test_the_escape_ends_repeated_tries_at_once(
    tmp_path: Path,
) -> None:
    """Without it they end after some minutes; see tests/console/test_retry.py."""
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect {guest.url}")
        settle(shell, guest)
        guest.drops = True
        guest.drop()
        guest.wait_connections(5)
        start = time.monotonic()
        shell.type(b"~.")
        assert shell.prompt() == 0
        assert time.monotonic() - start < AT_ONCE


@pytest.mark.parametrize("answer", [b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"SSH-2.0-"])
def test_a_service_other_than_a_websocket_is_tried_again(
    tmp_path: Path, answer: bytes
) -> None:
    """For example a load balancer whose proxy is being restarted."""
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect {guest.url}")
        settle(shell, guest)
        guest.answer = answer + b"\r\n"
        guest.drop()
        shell.expect(b"novaconsole: waiting: ")
        guest.answer = None
        shell.expect(b"connected again to: ")
        finish(shell, guest, b"typed")


def test_a_url_refused_on_the_first_try_is_not_tried_again(
    tmp_path: Path,
) -> None:
    with Guest(drops=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        status, output = shell.run(f"novaconsole --reconnect --url '{guest.url}'")
        assert status == 3
        assert guest.connections == 1
        assert b"the token has probably expired or is wrong\r\n" in output
        assert b"openstack console url show --serial SERVER\r\n" in output
        assert b"reconnecting" not in output


def test_a_server_unreachable_on_the_first_try_is_not_tried_again(
    tmp_path: Path,
) -> None:
    with Guest() as guest, guest.refusing(), Shell(tmp_path) as shell:
        with unchanged(shell):
            status, output = shell.run(f"novaconsole --reconnect {guest.url}")
        assert status == 1
        assert b"refused" in output
        assert b"waiting" not in output


def test_without_the_option_a_loss_ends_the_session(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        settle(shell, guest)
        guest.drop()
        assert shell.prompt() == 3
        assert guest.connections == 1


# ---- during an outage


def test_keys_during_an_outage_ring_the_bell_and_are_dropped(tmp_path: Path) -> None:
    """The guest may have been rebooted meanwhile."""
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect {guest.url}")
        shell.type(b"before\r")
        guest.wait_received(b"before\r")
        with outage(shell, guest):
            assert BELL not in shell.output_so_far
            shell.type(b"rm -rf /\r~~\r~I")
            shell.expect(BELL)
            shell.expect(NOT_ATTACHED)
        shell.expect(b"connected again to: ")
        finish(shell, guest, b"after")
    assert guest.received == b"before\rafter\r"


def test_ctrl_c_during_an_outage_does_not_end_the_session(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect {guest.url}")
        with outage(shell, guest):
            shell.type(CTRL_C)
            shell.expect(BELL)
            shell.type(b"\r~I")
            shell.expect(NOT_ATTACHED)
            assert shell.is_raw
        shell.expect(b"connected again to: ")
        shell.type(CTRL_C)
        guest.wait_received(CTRL_C)
        finish(shell, guest, b"after")
    assert guest.received == CTRL_C + b"after\r"


@pytest.mark.parametrize("escape", [b"~.", b"half a command\r~."])
def test_the_escape_ends_an_outage_at_once(tmp_path: Path, escape: bytes) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect {guest.url}")
        with outage(shell, guest):
            start = time.monotonic()
            shell.type(escape + b"echo for the sh''ell\r")
            assert shell.prompt() == 0
            assert time.monotonic() - start < AT_ONCE
            shell.expect(b"\r\nfor the shell\r\n")
            assert shell.prompt() == 0
    assert guest.received == b""


def test_the_escape_ends_a_hanging_try_at_once(tmp_path: Path) -> None:
    upgrades = threading.Event()
    upgrades.set()
    with Guest(upgrades=upgrades) as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect --connect-timeout 60 {guest.url}")
        settle(shell, guest)
        upgrades.clear()
        guest.drop()
        guest.wait_connections(2)
        start = time.monotonic()
        shell.type(b"~.")
        assert shell.prompt() == 0
        assert time.monotonic() - start < AT_ONCE
        upgrades.set()


def test_a_signal_ends_an_outage_with_its_status(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect {guest.url}")
        with outage(shell, guest):
            os.kill(shell.job, SIGTERM)
            assert shell.prompt() == 143


def test_it_can_be_suspended_during_an_outage(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect {guest.url}")
        with outage(shell, guest):
            shell.type(b"~" + CTRL_Z)
            shell.expect(b"Stopped")
            shell.prompt()
            shell.start("fg")
            shell.wait_raw()
        shell.expect(b"connected again to: ")
        finish(shell, guest, b"after")
    assert guest.received == b"after\r"


# ---- by hand


@pytest.mark.parametrize("option", ["", "--reconnect"])
def test_by_hand_a_new_connection_replaces_the_old_one(
    tmp_path: Path, option: str
) -> None:
    with Guest(greeting=b"one ") as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"{option} --log log {guest.url}")
        shell.expect(b"one ")
        held = sockets(shell.job)
        shell.type(b"old\r")
        guest.wait_received(b"old\r")
        guest.greeting = b"two "
        shell.type(b"~Rbehind")
        shell.expect(BELL)
        shell.expect(b"connected again to: ")
        wait_until(lambda: b"two " in (tmp_path / "log").read_bytes())
        assert sockets(shell.job) == held
        finish(shell, guest, b"new")
        assert b"novaconsole: reconnecting\r\n" in shell.output
        assert b"lost" not in shell.output
        assert (guest.connections, guest.overlaps) == (2, 0)
    assert guest.received == b"old\rnew\r"
    assert (tmp_path / "log").read_bytes() == b"one two <new>"


def test_by_hand_a_peer_that_answers_no_close_is_left_at_once(tmp_path: Path) -> None:
    with (
        Guest(answers_close=False) as guest,
        Shell(tmp_path) as shell,
        unchanged(shell),
    ):
        shell.attach(guest.url)
        for count in (2, 3):
            start = time.monotonic()
            shell.type(b"~R")
            guest.wait_connections(count)
            assert time.monotonic() - start < AT_ONCE
            shell.expect(b"connected again to: ")
        assert guest.overlaps == 0
        shell.type(b"~.")
        assert shell.prompt() == 0


def test_by_hand_it_reconnects_only_once(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.type(b"~R")
        shell.expect(b"connected again to: ")
        guest.send(b"after")
        shell.expect(b"after")
        guest.drop()
        assert shell.prompt() == 3
        assert guest.connections == 2


def test_by_hand_it_tries_until_it_succeeds(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        with guest.refusing():
            shell.type(b"~R")
            shell.expect(WAITING)
            shell.type(b"~R")
            shell.expect(b"novaconsole: not attached; trying to connect already\r\n")
        shell.expect(b"connected again to: ")
        finish(shell, guest, b"after")


# ---- without a terminal


def test_piped_input_continues_after_a_loss(tmp_path: Path) -> None:
    with (
        Guest() as guest,
        piped(tmp_path, "--reconnect", guest.url) as process,
    ):
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b"before ")
        process.stdin.flush()
        guest.wait_received(b"before ")
        guest.send(b"one ")
        assert process.stdout.read(4) == b"one "
        with guest.refusing():
            guest.drop()
            while b"waiting: " not in process.stderr.readline():
                assert process.poll() is None
            process.stdin.write(b"meanwhile ")
            process.stdin.flush()
        guest.wait_received(b"meanwhile ")
        guest.send(b"two")
        process.stdin.write(b"after")
        process.stdin.close()
        guest.wait_received(b"after")
        assert process.stdout.read() == b"two"
        assert process.wait(PATIENCE) == 0
        assert BELL not in process.stderr.read()
    assert guest.received == b"before meanwhile after"


def test_input_that_ends_during_an_outage_is_sent_afterwards(tmp_path: Path) -> None:
    with (
        Guest() as guest,
        piped(tmp_path, "--reconnect", guest.url) as process,
    ):
        assert process.stdin
        assert process.stdout
        assert process.stderr
        guest.send(b"login: ")
        assert process.stdout.read(7) == b"login: "
        with guest.refusing():
            guest.drop()
            while b"waiting: " not in process.stderr.readline():
                assert process.poll() is None
            process.stdin.write(b"at last")
            process.stdin.close()
        guest.wait_received(b"at last")
        assert process.wait(PATIENCE) == 0


def test_input_that_was_read_but_not_sent_goes_to_the_next_connection(
    tmp_path: Path,
) -> None:
    """Only what the network had taken is lost, and nothing arrives twice."""
    data = numbered_lines(32 << 20)
    with (
        Guest(greeting=b"login: ", reads=False) as guest,
        piped(tmp_path, "--reconnect", guest.url) as process,
    ):
        assert process.stdin
        assert process.stdout
        assert process.stdout.read(7) == b"login: "
        pipe = process.stdin.fileno()
        os.set_blocking(pipe, False)
        taken = 0
        while select.select([], [pipe], [], 2)[1]:  # nothing taken for 2 s: it is full
            taken += os.write(pipe, data[taken : taken + 4096])
        count = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
        unread = int.from_bytes(count, sys.byteorder)
        guest.reads = True
        guest.drop()
        process.stdin.close()
        guest.wait_received(data[taken - 40 : taken])
        assert data[:taken].endswith(guest.received)
        assert unread < len(guest.received) < taken
        assert process.wait(PATIENCE) == 0


def test_a_loss_after_the_end_of_the_input_ends_the_session(tmp_path: Path) -> None:
    """Everything has been sent by then; the answer may have been cut off."""
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        arguments = f"--reconnect --close-wait 60 {guest.url}"
        shell.start(f"echo quit | novaconsole {arguments}")
        guest.wait_received(b"quit\n")
        guest.drop()
        assert shell.prompt() == 3
        assert guest.connections == 1


def test_a_reader_that_closes_the_pipe_ends_it(tmp_path: Path) -> None:
    with Guest(greeting=b"1\r\n") as guest, Shell(tmp_path) as shell, unchanged(shell):
        command = f"novaconsole --reconnect {guest.url} | head -2"
        shell.start(f"{command}; echo status ${{PIPESTATUS[0]}}")
        shell.expect(b"1\r\n")
        guest.greeting = b"2\r\n"
        guest.drop()
        shell.expect(b"2\r\n")
        shell.expect(b"status 0\r\n")
        shell.prompt()
        guest.wait_connections(2)


def test_a_reader_that_closes_the_pipe_during_an_outage_ends_it(tmp_path: Path) -> None:
    with (
        Guest() as guest,
        piped(tmp_path, "--reconnect", guest.url) as process,
    ):
        assert process.stdout
        assert process.stderr
        guest.send(b"login: ")
        assert process.stdout.read(7) == b"login: "
        with guest.refusing():
            guest.drop()
            while b"waiting: " not in process.stderr.readline():
                assert process.poll() is None
            process.stdout.close()
            assert process.wait(PATIENCE) == 0


def test_a_refusal_is_an_error_even_with_empty_input(tmp_path: Path) -> None:
    """Nothing was sent or received, so no console was reached."""
    with Guest(drops=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        status, output = shell.run(f"novaconsole -w 5 {guest.url} < /dev/null")
        assert status == 3
        assert b"dropped the connection at once" in output


def test_that_it_is_connected_again_is_said_before_the_guests_line(
    tmp_path: Path,
) -> None:
    with Guest(greeting=b"lo") as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect {guest.url}")
        shell.expect(b"lo")
        guest.greeting = b"vm lo"
        guest.drop()
        shell.expect(b"connected again to: ")
        shell.expect(b"\r\nvm lo")
        guest.send(b"gin: ")
        shell.expect(b"gin: ")
        shell.type(b"\r~.")
        assert shell.prompt() == 0
        assert b"\r\nvm login: " in shell.output
