"""The program in an empty home directory, and a cloud that it is configured for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import support.fake_cloud as fake
from cli.runner import Runner
from support.fake_cloud import FakeCloud


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


@pytest.fixture
def cloud(run: Runner) -> Iterator[FakeCloud]:
    """A cloud with a server `vm`, configured as `fake`."""
    with fake.fake_cloud() as cloud:
        cloud.add("vm")
        run.configure(fake=cloud.config())
        yield cloud
