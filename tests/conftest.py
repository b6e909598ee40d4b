"""Rules for the tests.

- Loopback only, port 0, real sockets, ptys, signals and TLS; no mock of what is tested.
- No sleep to let something happen: wait for it, within a bound.
- Whoever starts a process or a server ends it.
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings

import support.fake_cloud as fake
from support.fake_cloud import FakeCloud

# For some minutes of fuzzing: pytest --hypothesis-profile=long --timeout 0
settings.register_profile("long", max_examples=10_000)


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    """A cloud on loopback; nobody is told of it yet."""
    with fake.fake_cloud() as cloud:
        yield cloud
