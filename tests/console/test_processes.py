"""Who belongs to a session: as /proc tells, and as ps tells where there is none."""

import os
import pty
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaconsole.console import processes

NO_PS = shutil.which("ps") is None


@pytest.fixture(
    params=["proc", pytest.param("ps", marks=pytest.mark.skipif(NO_PS, reason="no ps"))]
)
def _source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "ps":
        monkeypatch.delattr(os, "waitid")
        monkeypatch.setattr(processes, "_PROC", Path("/nowhere/self/stat"))


@pytest.fixture(name="leader")
def _leader(_source: None) -> Iterator[int]:
    """A shell on a terminal of its own, with a job in the background."""
    pid, master = pty.fork()
    if pid == 0:
        os.execlp("sh", "sh", "-c", "set -m; sleep 1000 & echo up; sleep 1000")
    assert b"up" in os.read(master, 100)
    yield pid
    processes.signal_session(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(master)


def test_a_session_has_its_leader_and_its_jobs(leader: int) -> None:
    assert not processes.has_ended(leader)
    deadline = time.monotonic() + 10
    while len(members := processes.session_members(leader)) < 3:
        assert time.monotonic() < deadline
    assert leader in members
    assert os.getpid() not in members


def test_after_sigkill_nobody_is_left(leader: int) -> None:
    processes.signal_session(leader, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while processes.session_members(leader) or not processes.has_ended(leader):
        assert time.monotonic() < deadline
        processes.signal_session(leader, signal.SIGKILL)
