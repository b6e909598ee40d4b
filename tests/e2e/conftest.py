"""A shell whose configuration names the fake cloud."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import support.fake_cloud as fake
from support.fake_cloud import FakeCloud, write_clouds
from support.shell import TOKEN, Shell, unchanged


@pytest.fixture
def shell(cloud: FakeCloud, tmp_path: Path) -> Iterator[Shell]:
    path = write_clouds(tmp_path / "clouds.yaml", fake=cloud.config())
    variables = {"OS_CLIENT_CONFIG_FILE": str(path), "OS_CLOUD": "fake"}
    with Shell(tmp_path, **variables) as shell, unchanged(shell):
        yield shell
        assert not [
            secret
            for secret in (*fake.SECRETS, TOKEN)
            if secret.encode() in shell.output
        ]
