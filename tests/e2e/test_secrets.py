"""No secret in anything that is shown, written or raised, however a session ends."""

import base64
import math
import shlex
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
import trio

import support.fake_cloud as fake
from novaconsole.capture.log import LogOptions, SessionLog
from novaconsole.capture.recording import Recording, RecordingOptions
from novaconsole.cloud.config import CloudOptions
from novaconsole.commands.attach import AttachRequest
from novaconsole.commands.run import RunRequest
from novaconsole.console.cloud_source import CloudSource
from novaconsole.console.connect import ConnectOptions, ConsoleAddress
from novaconsole.console.source import ConsoleUrl
from novaconsole.network.proxy import Proxy
from novaconsole.network.target import Target, TLSOptions
from novaconsole.session.state import Attachment, SessionOptions
from novaconsole.terminal.notices import Notices
from support import program
from support.fake_cloud import Answer, FakeCloud, write_clouds
from support.servers import linked, refused_port
from support.shell import Guest

PROXY_LOGIN = "proxy-user:pass-phrase-of-the-proxy"
HEADER = "Bearer value-of-the-header"
SECRETS = (
    *fake.SECRETS,
    PROXY_LOGIN.partition(":")[2],
    HEADER.partition(" ")[2],
    base64.b64encode(PROXY_LOGIN.encode()).decode(),
)
# Options that write files, all of which are searched.
KEEPS = ["--log", "log", "--record", "cast", "--record-input", "--overwrite"]
SAYS = ["--debug", "-H", f"Authorization: {HEADER}"]


class World(NamedTuple):
    """The console, the cloud, and the user's home."""

    guest: Guest
    cloud: FakeCloud
    home: Path

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.guest.port}/?token={fake.CONSOLE_TOKEN}"

    def configure(self, **changed: str) -> None:
        auth = self.cloud.auth(**changed)
        write_clouds(self.home / "clouds.yaml", fake=self.cloud.config(auth=auth))


@pytest.fixture
def world(cloud: FakeCloud, tmp_path: Path) -> World:
    world = World(Guest(greeting=b"login: "), cloud, tmp_path)
    cloud.add("vm")
    cloud.console_url = world.url
    world.configure()
    return world


def run(world: World, *arguments: str) -> tuple[int, list[str]]:
    """Run the program; its status, and the secrets found in its output and files."""
    with world.guest:
        done = program.run(
            world.home,
            *SAYS,
            *arguments,
            variables={"OS_CLIENT_CONFIG_FILE": "clouds.yaml"},
        )
    (world.home / "clouds.yaml").unlink()  # the user's own
    kept = [path.read_bytes() for path in world.home.rglob("*") if path.is_file()]
    assert done.stderr, "something to search in"
    return done.returncode, found(b"".join([done.stdout, done.stderr, *kept]))


def found(shown: bytes) -> list[str]:
    return [secret for secret in SECRETS if secret.encode() in shown]


def nothing(_: World) -> None:
    pass


def gives(answer: Answer) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.cloud.console_fault = answer

    return change


def has(answer: Answer) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.cloud.servers_answer = answer

    return change


def answers(data: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.guest.answer = data.encode()

    return change


def drops(world: World) -> None:
    world.guest.greeting, world.guest.drops = b"", True


def refuses(world: World) -> None:
    port = refused_port()
    world.cloud.console_url = world.url.replace(str(world.guest.port), str(port))


def requires_tls(world: World) -> None:
    address = world.cloud.url.removeprefix("http://")  # which does not speak TLS
    world.cloud.console_url = f"wss://{address}/?token={fake.CONSOLE_TOKEN}"


def gives_no_url(world: World) -> None:
    world.cloud.console_url = f"token={fake.CONSOLE_TOKEN}"


def is_encoded(world: World) -> None:
    world.cloud.console_url = world.url.replace("?token=", "?path=%3Ftoken%3D")


ECHO = f"token={fake.CONSOLE_TOKEN}"
FAILURES: dict[str, tuple[Callable[[World], None], int]] = {
    "none": (nothing, 0),
    "noVNC's form of the URL": (is_encoded, 0),
    "login": (lambda world: world.configure(username="nobody"), 1),
    "no keystone": (
        lambda world: world.configure(auth_url=f"http://127.0.0.1:{refused_port()}"),
        1,
    ),
    "no compute": (lambda world: setattr(world.cloud, "compute", False), 1),
    "token of the cloud": (has(fake.UNAUTHORIZED), 1),
    "no such server": (has(Answer(200, {"servers": []})), 1),
    "servers that are none": (has(Answer(200, {"servers": [ECHO]})), 1),
    "an answer that is none": (has(Answer(200, ECHO.encode())), 1),
    "400": (gives(fake.SERIAL_CONSOLE_OFF), 1),
    "403": (gives(fake.FORBIDDEN), 1),
    "404": (gives(fake.GONE), 1),
    "409": (gives(fake.NOT_READY), 1),
    "500": (gives(fake.fault(500, f"no ws://h/?{ECHO} today")), 1),
    "501": (gives(fake.NOT_SUPPORTED), 1),
    "no URL": (gives_no_url, 1),
    "refused": (refuses, 1),
    "TLS": (requires_tls, 1),
    "403 of the websocket": (answers(f"HTTP/1.1 403 /?{ECHO}\r\n\r\n"), 1),
    "no HTTP": (answers("SSH-2.0-x\r\n"), 1),
    "mute": (answers(""), 1),
    "dropped at once": (drops, 3),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_session_with_a_server_of_a_cloud_shows_no_secret(
    world: World, failure: str
) -> None:
    change, status = FAILURES[failure]
    change(world)
    options = ["--connect-timeout", "2", "--cloud", "fake"]
    assert run(world, *KEEPS, *options, "vm") == (status, [])
    if failure == "none":
        assert fake.CONSOLE_TOKEN.encode() in world.guest.request
        assert HEADER.encode() in world.guest.request


@pytest.mark.parametrize("failure", ["none", "500", "403 of the websocket"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_check_shows_no_secret(world: World, failure: str, form: list[str]) -> None:
    FAILURES[failure][0](world)
    status, secrets = run(world, "--check", *form, "--cloud", "fake", "vm")
    assert (status == 0, secrets) == (failure == "none", [])


CLOSED = "HTTP/1.1 {} Proxy\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [*(CLOSED.format(status) for status in (403, 407, 502)), "SSH-2.0-x\r\n", ""],
)
def test_a_session_through_a_proxy_with_login_shows_no_secret(
    world: World, answer: str
) -> None:
    world.guest.answer = answer.encode()
    proxy = f"http://{PROXY_LOGIN}@127.0.0.1:{world.guest.port}"
    url = f"ws://console.invalid/?token={fake.CONSOLE_TOKEN}"
    wait = ["--connect-timeout", "2"]
    assert run(world, *KEEPS, *wait, "--proxy", proxy, url) == (1, [])
    assert base64.b64encode(PROXY_LOGIN.encode()) in world.guest.request


@pytest.mark.parametrize(
    "arguments",
    [
        f"ws://127.0.0.1:99999/?{ECHO}",
        f"'ws://127.0.0.1/ ?{ECHO}'",
        f"ws://user:{fake.CONSOLE_TOKEN}@127.0.0.1/",
        f"--url ftp://127.0.0.1/?{ECHO}",
        f"http://127.0.0.1/vnc_auto.html?{ECHO}",
        f"htps://127.0.0.1/?{ECHO}",
        f"127.0.0.1:6083/?{ECHO}",
        f"--demo -H 'Upgrade: {HEADER}'",
        f"--demo ws://127.0.0.1/?{ECHO}",
        f"--demo --proxy 'http://{PROXY_LOGIN}@h:x'",
        f"--demo --proxy 'ftp://{PROXY_LOGIN}@h'",
        f"--demo -H '{HEADER}'",
        f"--demo --origin 'a\n{HEADER}'",
    ],
)
def test_wrong_usage_shows_no_secret(world: World, arguments: str) -> None:
    assert run(world, *shlex.split(arguments)) == (2, [])


def test_a_console_url_with_a_login_shows_no_secret(world: World) -> None:
    """Keystoneauth logs the whole response of the cloud."""
    world.cloud.console_url = f"ws://user:{fake.CONSOLE_TOKEN}@127.0.0.1/?a=b"
    assert run(world, *KEEPS, "vm") == (1, [])


def test_a_dead_proxy_to_the_cloud_shows_no_secret(world: World) -> None:
    proxy = f"http://{PROXY_LOGIN}@127.0.0.1:{refused_port()}"
    assert run(world, "--proxy", proxy, "vm") == (1, [])


async def test_no_object_shows_a_secret_as_text(
    cloud: FakeCloud, tmp_path: Path
) -> None:
    target = Target.parse(f"ws://h/?token={fake.CONSOLE_TOKEN}", name="vm")
    proxy = Proxy.parse(f"http://{PROXY_LOGIN}@h")
    connect = ConnectOptions(
        headers=[(b"Authorization", HEADER.encode())], proxy=lambda _: proxy
    )
    say = Notices().say
    log = SessionLog(LogOptions(), "vm", say)
    log.start(str(tmp_path / "log"))
    options = RecordingOptions(str(tmp_path / "cast"))
    recording = Recording(options, "vm", lambda: "vm", say)
    send, receive = trio.open_memory_channel[bytes](0)
    with (
        closing(CloudSource("vm", CloudOptions("fake"))) as source,
        closing(log),
        send,
        receive,
    ):
        async with linked() as (connection, _):
            request = AttachRequest(
                location=ConsoleUrl(target, TLSOptions()),
                connect=connect,
                session=SessionOptions(escape=b"~", close_wait=1, timeout=math.inf),
                log=LogOptions(),
                recording=options,
            )
            command = RunRequest(
                location=request.location,
                connect=connect,
                command="true",
                timeout=math.inf,
                login="root",
                password=fake.PASSWORD,
            )
            shown = [
                *(target, proxy, connect, source, source.cloud, request, connection),
                *(log, recording, command),
                ConsoleAddress(target, TLSOptions()),
                Attachment(connection, target, send),
            ]
            texts = "".join(repr(each) + str(each) for each in shown)
    assert found(texts.encode()) == []
