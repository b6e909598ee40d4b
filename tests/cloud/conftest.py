"""Fixtures for the cloud: a fake one that is configured, with and without TLS."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

import support.fake_cloud as fake
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
def secure(tmp_path: Path) -> Iterator[SecureCloud]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "cloud-ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with fake.fake_cloud(context) as cloud:
        cloud.add("vm")
        secure = SecureCloud(cloud, tmp_path / "cloud-ca.pem", tmp_path / "clouds.yaml")
        secure.configure()
        yield secure
