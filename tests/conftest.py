"""Rules for the tests.

- Loopback only, port 0, real sockets, ptys, signals and TLS; no mock of what is tested.
- Never sleep to let something happen: wait for it, with a deadline.
- What starts a process or a server also ends it.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

import support.fake_cloud as fake
from support.certificates import Certificates
from support.fake_cloud import FakeCloud
from support.program import without_settings

# No setting of this machine decides which proxy or certificates a test uses.
for _name in os.environ.keys() - without_settings(os.environ).keys():
    del os.environ[_name]

# For some minutes of fuzzing: pytest --hypothesis-profile=long --timeout 0
settings.register_profile("long", max_examples=10_000)


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    """A cloud on loopback, which no configuration names yet."""
    with fake.fake_cloud() as cloud:
        yield cloud


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for servers on loopback, made once for the whole run."""
    return Certificates(tmp_path_factory.mktemp("certificates"))
