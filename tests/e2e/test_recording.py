"""The recording: what was shown, for its owner only, valid after every end."""

import json
import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from signal import SIGHUP, SIGKILL, SIGTERM
from typing import Any, NamedTuple

import pyte
import pytest

from support.fake_cloud import FakeCloud
from support.shell import (
    CTRL_Z,
    TOKEN,
    Guest,
    Shell,
    numbered_lines,
    unchanged,
    wait_until,
)

NOISE = random.Random(5).randbytes(300_000)
LAST = b"-the last words-"
COLOURS = "\x1b[1;32mgrün\x1b[m „Konsole“ ✓ 漢字\r\n".encode()


class Cast(NamedTuple):
    """A recording, decoded."""

    header: dict[str, Any]
    events: list[tuple[float, str, str]]

    def all(self, code: str) -> list[str]:
        return [data for _, kind, data in self.events if kind == code]

    @property
    def output(self) -> str:
        return "".join(self.all("o"))


def read_cast(path: Path, *, cut_off: bool = False) -> Cast:
    """Decode a recording; its last line may be partial if it was cut off."""
    header, *events, rest = path.read_bytes().split(b"\n")
    assert cut_off or rest == b""
    cast = Cast(json.loads(header), [tuple(json.loads(event)) for event in events])
    times = [seconds for seconds, _, _ in cast.events]
    assert times == sorted(times)
    assert not [data for _, _, data in cast.events if TOKEN in data]
    assert TOKEN not in str(cast.header)
    return cast


def test_the_recording_is_what_was_shown_and_readable_by_its_owner_only(
    tmp_path: Path,
) -> None:
    cast_file = tmp_path / "vm.cast"
    with Guest(echoes=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.run("umask 000")
        shell.resize(columns=97, lines=31)
        shell.attach(f"--record vm.cast {guest.url}")
        guest.send(NOISE + COLOURS[:9])
        guest.send(COLOURS[9:] + LAST)
        shell.expect(LAST)
        assert stat.S_IMODE(cast_file.stat().st_mode) == 0o600
        shell.type(b"typed\r")
        shell.expect(b"typed\r")
        shell.type(b"~I")
        shell.expect(b"novaconsole: recording: vm.cast\r\n")
        shell.type(b"~.")
        assert shell.prompt() == 0
        address = f"127.0.0.1:{guest.port}"
    cast = read_cast(cast_file)
    assert cast.header["title"] == "console of 127.0.0.1"
    assert (cast.header["width"], cast.header["height"]) == (97, 31)
    assert cast.header["env"] == {"TERM": "vt100"}
    shown = NOISE + COLOURS + LAST + b"typed\r"
    # After it come the sequences that reset what the noise had set in the terminal.
    assert cast.output.startswith(shown.decode(errors="replace"))
    assert cast.all("m") == [f"attached to {address}"]
    assert cast.all("i") == []


@pytest.mark.skipif(not shutil.which("asciinema"), reason="asciinema is not installed")
def test_asciinema_plays_the_session(tmp_path: Path) -> None:
    session = numbered_lines(100_000) + COLOURS
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--record vm.cast {guest.url}")
        for start in range(0, len(session), 7_001):
            guest.send(session[start : start + 7_001])
        shell.expect(COLOURS)
        shell.type(b"~.")
        assert shell.prompt() == 0
        assert shell.run("asciinema cat vm.cast > text")[0] == 0
        status, played = shell.run("asciinema play -i 0.01 -s 1000 vm.cast")
        assert status == 0
    assert (tmp_path / "text").read_bytes() == session
    assert played == session


def test_after_sigkill_every_complete_line_is_valid(tmp_path: Path) -> None:
    with Guest(floods=True) as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--record vm.cast {guest.url}")
        attached = len(shell.output_so_far)
        shell.expect(b"000002000 ")
        os.kill(shell.job, SIGKILL)
        assert shell.prompt() == 137
        shown = shell.output[attached:].removesuffix(b"Killed\r\n")
    recorded = read_cast(tmp_path / "vm.cast", cut_off=True).output.encode()
    assert recorded == numbered_lines(len(recorded))
    # bash reports the signal in a line of its own, which is not the guest's.
    flood = shown[: shown.rindex(b"xyz\r\n")]
    assert len(flood) > 2000 * 38
    assert recorded.startswith(flood)


WAYS_OUT: dict[str, tuple[Callable[[Shell, Guest], None], int]] = {
    "drop": (lambda _, guest: guest.drop(), 3),
    "close": (lambda _, guest: guest.close(1000, f"gone, token={TOKEN}"), 3),
    "SIGTERM": (lambda shell, _: os.kill(shell.job, SIGTERM), 143),
    "SIGHUP": (lambda shell, _: os.kill(shell.job, SIGHUP), 129),
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_after_any_other_end_it_is_complete(tmp_path: Path, way: str) -> None:
    leave, status = WAYS_OUT[way]
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--record vm.cast {guest.url}")
        guest.send(numbered_lines(300_000) + LAST + "é".encode()[:1])
        shell.expect(LAST)
        leave(shell, guest)
        assert shell.prompt() == status
    cast = read_cast(tmp_path / "vm.cast")
    assert cast.output.endswith(f"{LAST.decode()}\N{REPLACEMENT CHARACTER}")
    first, *others = cast.all("m")
    assert first.startswith("attached to ")
    assert len(others) == (status == 3)
    assert all(words.startswith("connection to ") for words in others)


def test_a_resize_is_recorded(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"-v --record vm.cast {guest.url}")
        shell.resize(columns=91, lines=27)
        shell.expect(b"stty columns 91 rows 27\r\n")
        shell.type(b"~" + CTRL_Z)
        shell.prompt()
        shell.resize(columns=200, lines=50)  # while only the shell gets the signal
        shell.start("fg")
        shell.wait_raw()
        guest.send(LAST)
        shell.expect(LAST)
        shell.type(b"~.")
        assert shell.prompt() == 0
    assert read_cast(tmp_path / "vm.cast").all("r") == ["91x27", "200x50"]


def test_losses_and_new_connections_are_marked(tmp_path: Path) -> None:
    with Guest(greeting=b"1") as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--reconnect --record vm.cast {guest.url}")
        shell.expect(b"1")
        guest.greeting = b"2"
        guest.close(1000, "Target closed")
        shell.expect(re_attached(guest))
        shell.type(b"~R")
        guest.wait_connections(3)
        shell.expect(re_attached(guest))
        shell.type(b"\r~.")
        assert shell.prompt() == 0
        address = f"127.0.0.1:{guest.port}"
    closed = "closed by the other side: Target closed (code 1000, closed normally)"
    cast = read_cast(tmp_path / "vm.cast")
    assert [(code, data) for _, code, data in cast.events if code in "om"] == [
        ("m", f"attached to {address}"),
        ("o", "1"),
        ("m", f"connection to {address} {closed}"),
        ("m", f"attached again to {address}"),
        ("o", "2"),
        ("m", f"attached again to {address}"),
        ("o", "2"),
    ]


def re_attached(guest: Guest) -> bytes:
    return f"connected again to: ws://127.0.0.1:{guest.port}/".encode()


@pytest.mark.parametrize("wanted", [True, False])
def test_keys_are_recorded_only_with_the_option(tmp_path: Path, wanted: bool) -> None:
    option = "--record-input" if wanted else ""
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--record vm.cast {option} {guest.url}")
        shell.type(b"secr\xc3")
        guest.wait_received(b"\xc3")
        shell.type(b"\xa9t\r~I~~\r")
        guest.wait_received(b"~\r")
        guest.send(LAST)
        shell.expect(LAST)
        shell.type(b"~.")
        assert shell.prompt() == 0
    cast = read_cast(tmp_path / "vm.cast")
    assert "".join(cast.all("i")) == ("secrét\r~\r" if wanted else "")
    assert cast.output == LAST.decode()


def test_playing_it_leaves_the_terminal_reset(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--record vm.cast {guest.url}")
        guest.send(b"before\x1b[?1049h\x1b[?25l\x1b[31m~")
        shell.expect(b"\x1b[31m~")
        guest.drop()
        assert shell.prompt() == 3
    screen = pyte.Screen(80, 24)
    recorded = read_cast(tmp_path / "vm.cast").output
    pyte.Stream(screen).feed(recorded)
    assert not screen.cursor.hidden
    assert screen.cursor.attrs.fg == "default"
    assert "\x1b[?1049l" in recorded


def test_the_history_is_recorded_as_shown(
    cloud: FakeCloud, shell: Shell, tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    server = cloud.add("vm", printed=b"booting\r\nstill booting\r\n")
    with Guest(greeting=b"login: ") as guest:
        cloud.console_url = guest.url
        shell.attach(f"--history 1 --record vm.cast {server.id} > shown")
        guest.send(LAST)
        wait_until(lambda: shown.read_bytes().endswith(LAST))
        shell.type(b"~.")
        assert shell.prompt() == 0
    cast = read_cast(tmp_path / "vm.cast")
    assert cast.header["title"] == "console of vm", (
        "the name, although the id was given"
    )
    assert cast.output == "still booting\r\nlogin: " + LAST.decode()
    assert cast.output.encode() == shown.read_bytes()


def test_the_history_of_a_server_that_is_off_is_recorded(
    cloud: FakeCloud, shell: Shell, tmp_path: Path
) -> None:
    cloud.add("vm", status="SHUTOFF", printed=b"power down\r\n")
    assert shell.run("novaconsole --history 1 --record vm.cast vm")[0] == 1
    cast = read_cast(tmp_path / "vm.cast")
    assert cast.header["title"] == "console of vm"
    assert [event[1:] for event in cast.events] == [("o", "power down\r\n")]


def test_a_session_without_a_terminal_is_recorded(tmp_path: Path) -> None:
    with Guest(echoes=True) as guest, Shell(tmp_path) as shell:
        command = (
            f"echo hello | novaconsole --record vm.cast --record-input {guest.url}"
        )
        assert shell.run(f"{command} | cat")[0] == 0
    cast = read_cast(tmp_path / "vm.cast")
    assert (cast.header["width"], cast.header["height"]) == (80, 24)
    assert (cast.output, cast.all("i")) == ("hello\n", ["hello\n"])


def test_a_full_disk_is_reported_once_and_the_session_goes_on(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"--record /dev/full {guest.url}")
        for said in (b"one", b"two", b"three"):
            guest.send(said)
            shell.expect(said)
        shell.type(b"typed\r")
        guest.wait_received(b"typed\r")
        shell.type(b"~I")
        shell.expect(b"recording: none\r\n")
        shell.type(b"~.")
        assert shell.prompt() == 0
        trouble = b"novaconsole: recording /dev/full: No space left on device"
        assert shell.output.count(trouble) == 1


def test_an_existing_recording_is_overwritten_only_with_the_option(
    tmp_path: Path,
) -> None:
    cast_file = tmp_path / "vm.cast"
    with Guest(greeting=LAST) as guest, Shell(tmp_path) as shell, unchanged(shell):
        command = f"novaconsole {guest.url} --record vm.cast"
        cast_file.write_bytes(b"old")
        status, said = shell.run(f"{command} < /dev/null")
        assert status == 2
        assert b"--overwrite" in said
        assert cast_file.read_bytes() == b"old"
        assert guest.connections == 0
        assert shell.run(f"{command} --overwrite < /dev/null")[0] == 0
    assert read_cast(cast_file).output == LAST.decode()
