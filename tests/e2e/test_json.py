"""--json: the events that programs receive, all of which match the schema."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.events import assert_valid_event
from support.fake_cloud import FakeCloud
from support.guests import BASH, over_websocket
from support.program import PATIENCE, piped
from support.shell import TOKEN, Guest, Shell, unchanged

# Characters that a line of JSON has to escape.
ODD = '\x1b[2J"\\\x7f\u2028é'


def rows_of(told: bytes) -> list[dict[str, Any]]:
    """The events, one from each line; none holds the token or breaks the schema."""
    assert TOKEN.encode() not in told
    rows = [json.loads(line) for line in told.splitlines() if line]
    for row in rows:
        assert_valid_event(row)
    return rows


def run(home: Path, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the program without input; returns its status and events."""
    with piped(home, "--json", *options, stdin=subprocess.DEVNULL) as process:
        _, told = process.communicate(timeout=PATIENCE)
    return process.returncode, rows_of(told)


def fields(rows: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [
        {key: row[key] for key in row if key not in ("version", "event")}
        for row in rows
        if row["event"] == event
    ]


def test_a_match_is_reported_with_its_pattern_and_text(tmp_path: Path) -> None:
    with Guest(greeting=b"\x1b[1mvm login: ") as guest:
        status, rows = run(
            tmp_path, "-q", "--until", "x", "--until", "l.*: ", guest.url
        )
    where = {
        "title": f"127.0.0.1:{guest.port}",
        "url": f"ws://127.0.0.1:{guest.port}/?token=***",
    }
    assert status == 0
    assert [row["event"] for row in rows] == [
        *("connecting", "attached", "matched", "closed", "ended")
    ]
    assert fields(rows, "connecting") == fields(rows, "attached") == [where]
    assert fields(rows, "matched") == [{"pattern": "l.*: ", "text": "login: "}]
    (closed,) = fields(rows, "closed")
    assert (closed["code"], closed["bytes_in"], closed["bytes_out"]) == (None, 14, 0)
    assert fields(rows, "ended") == [{"status": 0}]


def test_a_close_is_reported_with_its_code_and_reason(tmp_path: Path) -> None:
    with Guest(greeting=b"boot") as guest:
        command = ("--json", "--read-only", guest.url)
        with piped(tmp_path, *command, stdin=subprocess.DEVNULL) as process:
            assert process.stdout
            assert process.stdout.read(4) == b"boot"
            guest.close(1011, ODD)
            _, told = process.communicate(timeout=PATIENCE)
    rows = rows_of(told)
    (closed,) = fields(rows, "closed")
    assert (closed["code"], closed["reason"]) == (1011, ODD)
    assert any(ODD in message["text"] for message in fields(rows, "message"))
    assert rows[-1] == {"version": 1, "event": "ended", "status": 3}


@pytest.mark.parametrize(
    ("options", "kind", "status"),
    [
        (("--url", f"ws://127.0.0.1:1/?token={TOKEN}"), "ConnectError", 1),
        (("--url", f"ftp://h/?token={TOKEN}"), "UsageError", 2),
        (("--demo", "--timeout", "0.5", "--until", "never"), "TimedOut", 124),
        (("--run", "true", "ws://127.0.0.1:1/"), "ConnectError", 1),
    ],
)
def test_an_error_is_reported_with_its_class_and_status(
    tmp_path: Path, options: tuple[str, ...], kind: str, status: int
) -> None:
    done, rows = run(tmp_path, *options)
    assert done == status
    (error,) = fields(rows, "error")
    assert (error["kind"], error["status"]) == (kind, status)
    assert rows[-1] == {"version": 1, "event": "ended", "status": status}


def test_each_connection_is_reported(tmp_path: Path) -> None:
    with Guest(greeting=b"one") as guest:
        options = ("--json", "--reconnect", "--until", "two", guest.url)
        with piped(tmp_path, *options, stdin=subprocess.DEVNULL) as process:
            assert process.stdout
            assert process.stdout.read(3) == b"one"
            guest.greeting = b"two"
            guest.drop()
            _, told = process.communicate(timeout=PATIENCE)
    rows = rows_of(told)
    assert fields(rows, "reconnecting") == [{"by_hand": False}]
    assert len(fields(rows, "closed")) == len(fields(rows, "attached")) == 2
    assert process.returncode == 0


def test_run_reports_attachment_and_status(tmp_path: Path) -> None:
    with over_websocket(*BASH) as url:
        status, rows = run(tmp_path, "--run", "exit 4", url)
    assert status == 4
    assert [row["event"] for row in rows] == ["attached", "ended"]
    assert rows[-1]["status"] == 4


def test_check_reports_each_step(cloud: FakeCloud, shell: Shell) -> None:
    cloud.add("vm")
    with Guest() as guest:
        cloud.console_url = guest.url
        status, output = shell.run("novaconsole --json --check vm")
    rows = rows_of(output)
    assert status == 0
    assert {row["event"] for row in rows[:-1]} == {"check"}
    assert rows[-1] == {"version": 1, "event": "ended", "status": 0}


def test_on_a_terminal_the_answers_to_escapes_are_json(tmp_path: Path) -> None:
    with Guest() as guest, Shell(tmp_path) as shell, unchanged(shell):
        shell.start(f"novaconsole --json {guest.url}")
        shell.wait_raw()
        shell.type(b"~I")
        shell.expect(b"round trip")
        shell.type(b"~.")
        assert shell.prompt() == 0
        rows = rows_of(shell.output)
    assert any("round trip" in message["text"] for message in fields(rows, "message"))
    assert rows[-1]["event"] == "ended"
