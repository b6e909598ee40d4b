"""Fixtures for the cloud: a fake one that is configured, with and without TLS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import support.fake_cloud as fake
from support.certificates import Certificates
from support.cloud_client import Configure, SecureCloud
from support.fake_cloud import FakeCloud, write_clouds


@pytest.fixture
def configure(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Configure:
    """Make the fake cloud the only configured one; call it to change its entry."""
    path = fake.isolate(monkeypatch, tmp_path)

    def configure(auth: dict[str, str] | None = None, **changed: Any) -> None:
        changed = {"auth": cloud.auth(**(auth or {}))} | changed
        write_clouds(path, fake=cloud.config(**changed))

    configure()
    return configure


@pytest.fixture
def secure(tmp_path: Path, certificates: Certificates) -> Iterator[SecureCloud]:
    """The cloud behind TLS, with a certificate that must be trusted first."""
    context = certificates.server_context(certificates.good)
    with fake.fake_cloud(context) as cloud:
        cloud.add("vm")
        secure = SecureCloud(cloud, certificates.cacert, tmp_path / "clouds.yaml")
        secure.configure()
        yield secure
