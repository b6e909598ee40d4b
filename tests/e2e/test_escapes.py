"""Escapes and bytes as a user types, pastes and sees them."""

import random
from pathlib import Path

import pytest

from novaconsole.session.escapes import ESCAPES
from support.shell import CTRL_C, CTRL_Z, Guest, Shell, unchanged

ALL_BYTES = bytes(range(256))
MIB = 1 << 20


@pytest.mark.parametrize(
    ("typed", "received"),
    [
        (b"~~", b"~"),
        (b"~x", b"~x"),
        (b"a~.\r~~~.\n~~~\r~ ~.", b"a~.\r~~.\n~~\r~ ~."),
        (b"ls\rpwd\r~xid\r~~home", b"ls\rpwd\r~xid\r~home"),
        (CTRL_C + CTRL_Z + b"\x04\x1c\x11\x13", b"\x03\x1a\x04\x1c\x11\x13"),
        ("grüße ~€".encode(), "grüße ~€".encode()),
        (b"\xff\xfe\x80~.\xc3", b"\xff\xfe\x80~.\xc3"),
    ],
)
def test_what_is_typed_arrives(tmp_path: Path, typed: bytes, received: bytes) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.type(typed)
        guest.wait_received(received)
        shell.type(b"\r~.")
        assert shell.prompt() == 0
    assert guest.received == received + b"\r"


@pytest.mark.parametrize(
    "keys",
    [
        [b"~."],
        [b"~", b"."],
        [b"\r~", b"."],
        [b"ls\r~."],
        [b"ls\n~", b"."],
        [b"~v~V~?~."],
        [b"~~\r~."],
        # The terminal's reply to a query of the guest; not typed by the user.
        [b"\x1b[24;80R~."],
        [b"\r\x1b[24;80R", b"~", b"\x1b[24;1R", b"."],
        [b"\x1b]11;rgb:0000/0000/0000\x1b\\~."],
    ],
)
def test_the_escape_is_recognised_in_any_pieces(
    tmp_path: Path, keys: list[bytes]
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        for number, piece in enumerate(keys):
            shell.type(piece)
            if number < len(keys) - 1:
                guest.send(b"-%d-" % number)
                shell.expect(b"-%d-" % number)  # the piece has been read meanwhile
        assert shell.prompt() == 0


@pytest.mark.parametrize(
    ("option", "shown", "key"),
    [
        ("-e@", "@", b"@"),
        ("-e @", "@", b"@"),
        ("--escape=^A", "^A", b"\x01"),
        ("-e ^]", "^]", b"\x1d"),
    ],
)
def test_another_escape_character_takes_the_place_of_the_tilde(
    tmp_path: Path, option: str, shown: str, key: bytes
) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(f"{option} {guest.url}")
        assert f'type "{shown}." to disconnect'.encode() in shell.output_so_far
        shell.type(b"~.\r" + key + key + b"\r")
        guest.wait_received(b"~.\r" + key + b"\r")
        shell.type(key + b".")
        assert shell.prompt() == 0


def test_without_an_escape_character_the_session_is_8_bit_clean(tmp_path: Path) -> None:
    typed = b"\r~.\n~?\r~" + CTRL_Z + ALL_BYTES + b"\r~."
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole -e none {guest.url}")
        shell.expect(b"no escape character")
        shell.wait_raw()
        shell.type(typed)
        guest.wait_received(typed)
        guest.close(1000)
        assert shell.prompt() == 3
    assert guest.received == typed


def test_every_byte_value_passes_both_ways(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        for value in ALL_BYTES:  # each by itself, none of them at the start of a line
            shell.type(b"." + bytes([value]))
        shell.type(ALL_BYTES + b"end")
        guest.wait_received(b"end")
        guest.send(ALL_BYTES)
        shell.expect(ALL_BYTES)
        shell.type(b"\r~.")
        assert shell.prompt() == 0
    each = b"".join(b"." + bytes([value]) for value in ALL_BYTES)
    assert guest.received == each + ALL_BYTES + b"end\r"
    assert {frame.opcode for frame in guest.frames} == {2, 8}, "binary frames alone"


def test_a_text_frame_is_shown_as_utf_8(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        guest.send("grüße".encode(), text=True)
        shell.expect("grüße".encode())
        shell.type(b"~.")
        assert shell.prompt() == 0


@pytest.mark.parametrize("kind", ["lines", "bytes"])
def test_a_paste_of_a_mib_arrives_whole_and_in_order(tmp_path: Path, kind: str) -> None:
    if kind == "lines":
        paste = b"".join(b"%09d is a line of a paste\r" % n for n in range(MIB // 30))
    else:
        paste = random.Random(1).randbytes(MIB).replace(b"~", b"-")
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.type(paste + b"end")
        guest.wait_received(b"end")
        shell.type(b"\r~.")
        assert shell.prompt() == 0
    assert guest.received == paste + b"end\r"


def test_what_was_typed_before_the_escape_is_sent(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        shell.type(b"poweroff\r~.")
        assert shell.prompt() == 0
        guest.wait_closing()
    assert guest.received == b"poweroff\r"


def test_the_other_escapes_do_not_end_the_session(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.attach(guest.url)
        for escape in ESCAPES:
            if escape.key not in (b".", b"R", CTRL_Z):
                shell.type(b"\r~" + (escape.key or b"~"))
        guest.wait_received(b"~")
        shell.type(b"\r~.")
        assert shell.prompt() == 0
    assert guest.received.strip(b"\r") == b"~"


def test_the_environment_can_set_the_escape_character(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path, NOVACONSOLE_ESCAPE="%") as shell:
        shell.attach(guest.url)
        shell.type(b"~.\r%.")
        assert shell.prompt() == 0
    assert guest.received == b"~.\r"
