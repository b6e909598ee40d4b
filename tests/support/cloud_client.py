"""Requests to the fake cloud by a new client each, and their errors."""

import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import support.fake_cloud as fake
from novaconsole.cloud.client import Cloud
from novaconsole.cloud.config import CloudOptions
from novaconsole.cloud.server import Server, check_running
from novaconsole.errors import CloudError
from support.fake_cloud import FakeCloud, write_clouds

FAKE = CloudOptions("fake")

Configure = Callable[..., None]


def find_server(wanted: str = "vm", options: CloudOptions = FAKE) -> Server:
    """The server, found by a new client."""
    with closing(Cloud(options)) as client:
        return client.find_server(wanted)


def console_url(wanted: str = "vm", options: CloudOptions = FAKE) -> str:
    """A console URL, requested by a new client as the program does it."""
    with closing(Cloud(options)) as client:
        server = client.find_server(wanted)
        check_running(server)
        return client.console_url(server)


def failure(
    wanted: str = "vm",
    options: CloudOptions = FAKE,
    request: Callable[[str, CloudOptions], object] = console_url,
) -> CloudError:
    """The error of a request, checked for what holds for all of them."""
    with pytest.raises(CloudError) as caught:
        request(wanted, options)
    error = caught.value
    assert error.exit_status == 1
    for text in (str(error), error.hint):
        assert text
        assert "\n" not in text
    everything = [repr(error), str(error.hint), *traceback.format_exception(error)]
    assert not [s for s in fake.SECRETS if s in "".join(everything)]
    return error


class SecureCloud:
    """The fake cloud behind TLS, with a certificate of an unknown authority."""

    def __init__(self, cloud: FakeCloud, ca: Path, clouds: Path) -> None:
        self.cloud, self.ca, self._clouds = cloud, ca, clouds

    def configure(self, **changed: Any) -> None:
        """Change the entry of this cloud."""
        write_clouds(self._clouds, fake=self.cloud.config(**changed))
