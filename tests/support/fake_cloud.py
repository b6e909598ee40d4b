"""A cloud on loopback: Keystone v3 and Nova as far as a serial console needs them.

Statuses and bodies are those of Nova 26 and Keystone 22.  openstacksdk talks real HTTP
to it.  A test changes its behaviour by the attributes of `FakeCloud`.
"""

import json
import os
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from support.program import without_settings

USER, PASSWORD, PROJECT = "demo", "pass-phrase-of-the-user", "demo"
KEYSTONE_TOKEN = "gAAAAAB-keystone-token"  # and a number
CONSOLE_TOKEN = "11112222-console-token"
ACCESS_TOKEN = "access-token-of-the-provider"
USER_CODE, VERIFICATION_URI = "WDJB-MJHT", "https://provider.example/device"
SECRETS = (PASSWORD, KEYSTONE_TOKEN, CONSOLE_TOKEN, ACCESS_TOKEN)
PROJECT_ID = "b3fb7c46ed6e46628ba3542ea5810a97"
REGIONS = ("RegionOne", "RegionTwo")

_OLDEST, _NEWEST, _REMOTE_CONSOLES_SINCE = (2, 1), (2, 93), (2, 6)
# nova/compute/power_state.py; the status of a server mostly implies it.
RUNNING, SHUTDOWN = 1, 4
_POWER_STATES = {"BUILD": 0, "ERROR": 0, "SHUTOFF": SHUTDOWN, "PAUSED": 3}
# What nova/api/openstack/compute/console_output.py removes.
_NOT_LOGGED = dict.fromkeys({*range(0x20)} - {*b"\t\n"})
_FAULTS = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    409: "conflictingRequest",
    501: "notImplemented",
}
_UNEXPECTED = (
    "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and "
    "attach the Nova API log if possible.\n<class '{}'>"
)
_UNAUTHORIZED = {
    "error": {
        "code": 401,
        "title": "Unauthorized",
        "message": "The request you have made requires authentication.",
    }
}


class Answer(NamedTuple):
    """Status, body (bytes, or what becomes JSON), and headers of its own."""

    status: int
    body: Any
    headers: dict[str, str] = {}  # noqa: RUF012 # never changed


def fault(code: int, message: str) -> Answer:
    """An error as Nova words it."""
    name = _FAULTS.get(code, "computeFault")
    return Answer(code, {name: {"code": code, "message": message}})


def unexpected(exception: str) -> Answer:
    """What Nova answers after an unexpected exception."""
    return fault(500, _UNEXPECTED.format(exception))


# What Nova answers instead of a console, by cause.
SERIAL_CONSOLE_OFF = fault(400, "Unavailable console type serial.")
FORBIDDEN = fault(
    403, "Policy doesn't allow os_compute_api:os-remote-consoles to be performed."
)
NOT_READY = fault(409, "Instance {id} is not ready")
BEING_DELETED = unexpected("nova.exception.InstanceInvalidState")
COMPUTE_DOWN = unexpected("oslo_messaging.exceptions.MessagingTimeout")
NOT_SUPPORTED = fault(501, "The requested functionality is not supported.")
GONE = fault(404, "Instance {id} could not be found.")
UNAUTHORIZED = Answer(401, _UNAUTHORIZED)
_NO_DOMAIN = Answer(
    400,
    {
        "error": {
            "code": 400,
            "title": "Bad Request",
            "message": "Expecting to find domain in user or project.",
        }
    },
)
NO_LOG = fault(404, "Guest does not have a console available.")
_NO_SUCH_RESOURCE = fault(404, "The resource could not be found.")


@dataclass
class FakeServer:
    """A server of the cloud; Nova gives a URL for one that is off as well.

    Attributes:
        name: of which there may be several.
        status: as Nova words it.
        task: what Nova is doing with it, or None for nothing.
        power_state: as the hypervisor reports it, or None to follow the status.
        project_id: the project that owns it.
        id: UUID.
        next_statuses: its further states, one step for each time it is shown:
            `BUILD`, `BUILD/spawning` with a task, or None to delete it.
        hidden_for: number of list requests in which it does not appear yet.
        printed: output of the guest, before Nova filters it for the console log.
    """

    name: str
    status: str = "ACTIVE"
    task: str | None = None
    power_state: int | None = None
    project_id: str = PROJECT_ID
    id: str = field(default_factory=lambda: str(uuid4()))
    next_statuses: list[str | None] = field(default_factory=list)
    hidden_for: int = 0
    printed: bytes = b""

    def become(self, state: str) -> None:
        """Change the state: `BUILD`, or `BUILD/spawning` with a task."""
        self.status, _, task = state.partition("/")
        self.task = task or None

    @property
    def console_log(self) -> str:
        """The console log as Nova returns it: ASCII, and few control characters."""
        return self.printed.decode("ascii", "replace").translate(_NOT_LOGGED)


@dataclass
class FakeCloud:
    """What the cloud holds, how it behaves, and what it was asked.

    Attributes:
        url: without a path.
        servers: as listed.
        console_url: what a console request returns; at first a port that refuses.
        console_fault: what it returns instead; `{id}` is replaced.
        log_fault: what a request for the console log returns instead.
        microversions: the range that Nova knows, or None for a Nova without any.
        compute: whether the catalogue has a compute service.
        servers_answer: returned for every request about servers except consoles.
        keystone_answer: returned for every request for a token.
        versions_answer: returned for every request for the versions of Keystone.
        polls: how often a device login is polled before somebody confirms it.
        tokens: number of tokens that Keystone has issued.
        requests: method and path with query of each request.
        arrivals: the time.monotonic() of each request.
    """

    url: str
    console_url: str
    servers: list[FakeServer] = field(default_factory=list)
    console_fault: Answer | None = None
    log_fault: Answer | None = None
    microversions: tuple[tuple[int, int], tuple[int, int]] | None = (_OLDEST, _NEWEST)
    compute: bool = True
    servers_answer: Answer | None = None
    keystone_answer: Answer | None = None
    versions_answer: Answer | None = None
    polls: int = 0
    tokens: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    _valid_tokens: set[str] = field(default_factory=set)
    _stalled: dict[str, threading.Event] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, name: str, **settings: Any) -> FakeServer:
        """Another server."""
        server = FakeServer(name, **settings)
        self.servers.append(server)
        return server

    def delete(self, server: FakeServer) -> None:
        """It is gone; nothing happens where it is already."""
        self.servers = [each for each in self.servers if each is not server]

    def revoke_tokens(self) -> None:
        """Those that Keystone has given are of no use any more."""
        self._valid_tokens.clear()

    def paths(self, method: str) -> list[str]:
        """The paths that were asked with a method, without their queries."""
        return [urlsplit(path).path for asked, path in self.requests if asked == method]

    def stall(self, path: str) -> None:
        """Answer requests for this path only when the cloud is closed."""
        self._stalled[path] = threading.Event()

    def wait_for_request(self, path: str, timeout: float = 20) -> None:
        """Wait for a request for this path."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: any(urlsplit(asked).path == path for _, asked in self.requests),
                timeout,
            ), f"no request for {path}: {self.requests}"

    def wait_for_requests(self, count: int, timeout: float = 20) -> None:
        """Wait until there have been so many requests."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: len(self.requests) >= count, timeout
            ), f"less than {count}: {self.requests}"

    def auth(self, **changed: str) -> dict[str, str]:
        """The section `auth` of clouds.yaml."""
        return {
            "auth_url": f"{self.url}/identity/v3",
            "username": USER,
            "password": PASSWORD,
            "project_name": PROJECT,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        } | changed

    def config(self, **changed: Any) -> dict[str, Any]:
        """An entry of clouds.yaml."""
        return {"auth": self.auth(), "region_name": REGIONS[0]} | changed

    def device_login(self) -> dict[str, Any]:
        """An entry of clouds.yaml for a login in a browser."""
        auth = {
            "auth_url": f"{self.url}/identity/v3",
            "identity_provider": "idp",
            "protocol": "oidc",
            "client_id": "novaconsole",
            "client_secret": "of-the-client",
            "device_authorization_endpoint": f"{self.url}/provider/device",
            "access_token_endpoint": f"{self.url}/provider/token",
            "project_name": PROJECT,
            "project_domain_name": "Default",
        }
        return self.config(auth=auth, auth_type="v3oidcdeviceauthz")

    def environment(self) -> dict[str, str]:
        """The same as `OS_*` variables, as an openrc file sets them."""
        variables = {f"OS_{name.upper()}": value for name, value in self.auth().items()}
        return variables | {
            "OS_REGION_NAME": REGIONS[0],
            "OS_IDENTITY_API_VERSION": "3",
        }

    # ---- what the server below calls

    def receive(self, method: str, target: str) -> None:
        """Record a request, and hold it while its path is stalled."""
        with self._changed:
            self.requests.append((method, target))
            self.arrivals.append(time.monotonic())
            self._changed.notify_all()
        stalled = self._stalled.get(urlsplit(target).path)
        if stalled:
            stalled.wait()

    def release(self) -> None:
        """Answer all requests that are stalled."""
        for event in self._stalled.values():
            event.set()

    def answer(self, request: "Request") -> Answer:
        """Answer a request, as Keystone or Nova by its path."""
        path = request.path
        if path.startswith("/provider"):
            return self._identity_provider(path)
        if path.startswith("/identity"):
            return self._keystone(request, path.removeprefix("/identity"))
        match = re.fullmatch(r"/compute(?:/(RegionTwo))?/(v2(?:\.1)?)(/.*)?", path)
        if match is None:
            return _NO_SUCH_RESOURCE
        if (match[3] or "/") == "/":
            return self._nova_version(match[2])
        if request.headers.get("X-Auth-Token") not in self._valid_tokens:
            return UNAUTHORIZED
        # The compatible v2 takes no notice of microversions.
        legacy = match[2] == "v2" or self.microversions is None
        wanted = None if legacy else request.microversion or _OLDEST
        if wanted is not None and self.microversions is not None:
            low, high = self.microversions
            if not low <= wanted <= high:
                return fault(
                    406,
                    f"Version {_dotted(wanted)} is not supported by the API. Minimum is"
                    f" {_dotted(low)} and maximum is {_dotted(high)}.",
                )
        return self._nova(request, match[3], wanted)

    def _keystone(self, request: "Request", path: str) -> Answer:
        version = {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{self.url}/identity/v3/"}],
            "media-types": [],
        }
        if request.method == "GET" and self.versions_answer is not None:
            return self.versions_answer
        if request.method == "POST" and self.keystone_answer is not None:
            return self.keystone_answer
        match request.method, path.rstrip("/"):
            case "POST", "/v3/OS-FEDERATION/identity_providers/idp/protocols/oidc/auth":
                if request.headers.get("Authorization") != f"Bearer {ACCESS_TOKEN}":
                    return UNAUTHORIZED
                return self._issue({})
            case "GET", "":
                return Answer(300, {"versions": {"values": [version]}})
            case "GET", "/v3":
                return Answer(200, {"version": version})
            case "POST", "/v3/auth/tokens":
                identity = request.json["auth"]["identity"]
                user = identity.get("password", {}).get("user", {})
                known = identity.get("token", {}).get("id") in self._valid_tokens
                if not known and (user.get("name"), user.get("password")) != (
                    USER,
                    PASSWORD,
                ):
                    return UNAUTHORIZED
                project = request.json["auth"].get("scope", {}).get("project", {})
                for named in (user, project):
                    if "name" in named and "domain" not in named:
                        return _NO_DOMAIN
                    domain = named.get("domain", {}).values()
                    if any(value.lower() != "default" for value in domain):
                        return UNAUTHORIZED
                return self._issue(project)
            case _:
                return Answer(404, {"error": {"code": 404, "message": "Not found."}})

    def _issue(self, project: dict[str, Any]) -> Answer:
        """A new token, for a project or for none."""
        self.tokens += 1
        token = f"{KEYSTONE_TOKEN}-{self.tokens}"
        self._valid_tokens.add(token)
        content = self._token()
        if not project:
            del content["project"], content["catalog"]
        return Answer(201, {"token": content}, {"X-Subject-Token": token})

    def _identity_provider(self, path: str) -> Answer:
        """Answer as an OpenID Connect provider with device logins (RFC 8628)."""
        if path == "/provider/device":
            return Answer(
                200,
                {
                    "device_code": "device-code",
                    "user_code": USER_CODE,
                    "verification_uri": VERIFICATION_URI,
                    # Before 5.11, keystoneauth does not do without it.
                    "verification_uri_complete": f"{VERIFICATION_URI}/{USER_CODE}",
                    "expires_in": 600,
                    "interval": 0,
                },
            )
        self.polls -= 1
        if self.polls >= 0:
            return Answer(400, {"error": "authorization_pending"})
        return Answer(200, {"access_token": ACCESS_TOKEN})

    def _token(self) -> dict[str, Any]:
        domain = {"id": "default", "name": "Default"}
        compute = [
            {
                "id": f"compute-{region}",
                "interface": "public",
                "region_id": region,
                "region": region,
                "url": f"{self.url}/compute/{path}v2.1",
            }
            for region, path in zip(REGIONS, ("", "RegionTwo/"), strict=True)
        ]
        keystone = {
            "id": "identity",
            "interface": "public",
            "region_id": REGIONS[0],
            "region": REGIONS[0],
            "url": f"{self.url}/identity",
        }
        catalog = [{"type": "identity", "name": "keystone", "endpoints": [keystone]}]
        if self.compute:
            catalog.append({"type": "compute", "name": "nova", "endpoints": compute})
        return {
            "methods": ["password"],
            "user": {"domain": domain, "id": "u", "name": USER},
            "project": {"domain": domain, "id": PROJECT_ID, "name": PROJECT},
            "roles": [{"id": "m", "name": "member"}],
            "audit_ids": ["a"],
            "issued_at": "2020-01-01T00:00:00.000000Z",
            "expires_at": "2100-01-01T00:00:00.000000Z",
            "catalog": catalog,
        }

    def _nova_version(self, name: str) -> Answer:
        known = self.microversions if name == "v2.1" else None
        version = {
            "id": name if name == "v2.1" else "v2.0",
            "status": "CURRENT" if name == "v2.1" else "SUPPORTED",
            "version": _dotted(known[1]) if known else "",
            "min_version": _dotted(known[0]) if known else "",
            "updated": "2013-07-23T11:33:21Z",
            "links": [{"rel": "self", "href": f"{self.url}/compute/{name}/"}],
        }
        return Answer(200, {"version": version})

    def _nova(
        self, request: "Request", path: str, microversion: tuple[int, int] | None
    ) -> Answer:
        if request.method == "GET" and self.servers_answer:
            return self.servers_answer
        if request.method == "GET" and path in ("/servers", "/servers/detail"):
            return self._list(request, detail=path != "/servers")
        match = re.fullmatch(r"/servers/([^/]+)(/remote-consoles|/action)?", path)
        if match is None:
            return _NO_SUCH_RESOURCE
        # MySQL does not care for the case of an id.
        asked = match[1].lower()
        visible = (each for each in self.servers if not each.hidden_for)
        server = next((each for each in visible if each.id == asked), None)
        no_such_server = fault(404, GONE.body["itemNotFound"]["message"])
        if server is None:
            return _filled(no_such_server, match[1])
        if request.method == "GET" and match[2] is None:
            return Answer(200, {"server": self._show(server)})
        has_remote_consoles = (
            microversion is not None and microversion >= _REMOTE_CONSOLES_SINCE
        )
        if request.method == "POST" and match[2] == "/remote-consoles":
            if not has_remote_consoles:
                return _NO_SUCH_RESOURCE
            wanted = request.json.get("remote_console")
            if wanted is None:
                return fault(400, "'remote_console' is a required property")
            if wanted != {"protocol": "serial", "type": "serial"}:
                return fault(400, "Invalid input for field/attribute protocol.")
            return self._console("remote_console", {"protocol": "serial"}, server)
        if request.method == "POST" and match[2] == "/action":
            if "os-getConsoleOutput" in request.json:
                return self._console_log(request.json["os-getConsoleOutput"], server)
            if has_remote_consoles or "os-getSerialConsole" not in request.json:
                return _NO_SUCH_RESOURCE
            return self._console("console", {}, server)
        return _NO_SUCH_RESOURCE

    def _console(self, key: str, extra: dict[str, str], server: FakeServer) -> Answer:
        if self.console_fault:
            return _filled(self.console_fault, server.id)
        if server.status in ("BUILD", "ERROR"):
            return _filled(NOT_READY, server.id)
        return Answer(200, {key: {"type": "serial", "url": self.console_url} | extra})

    def _console_log(self, wanted: dict[str, Any], server: FakeServer) -> Answer:
        if self.log_fault:
            return _filled(self.log_fault, server.id)
        if server.status in ("BUILD", "ERROR"):
            return _filled(NOT_READY, server.id)
        length = wanted.get("length")
        if not re.fullmatch(r"-1|\d+", str(-1 if length is None else length)):
            return fault(
                400,
                f"Invalid input for field/attribute length. Value: {length}. "
                f"'{length}' does not match '^-?[0-9]+$'",
            )
        lines = server.console_log.splitlines(keepends=True)
        count = len(lines) if length in (None, -1, "-1") else int(length)
        return Answer(200, {"output": "".join(lines[max(0, len(lines) - count) :])})

    def _show(self, server: FakeServer) -> dict[str, Any]:
        """The server in its current state; afterwards it takes its next step."""
        details = _details(server)
        if server.next_statuses:
            state = server.next_statuses.pop(0)
            if state is None:
                self.delete(server)
            else:
                server.become(state)
        return details

    def _list(self, request: "Request", *, detail: bool) -> Answer:
        pattern = request.query.get("name", "")
        try:
            expression = re.compile(pattern, re.IGNORECASE)  # as MySQL's REGEXP
        except re.error:
            return fault(
                400,
                f"Invalid input for query parameters name. Value: {pattern}. "
                f"'{pattern}' is not a 'regex'",
            )
        found = [
            server
            for server in self.servers
            if not server.hidden_for and expression.search(server.name)
        ]
        for server in self.servers:
            server.hidden_for = max(0, server.hidden_for - 1)
        return Answer(
            200,
            {
                "servers": [
                    self._show(server)
                    if detail
                    else {"id": server.id, "name": server.name, "links": []}
                    for server in found
                ]
            },
        )


def _details(server: FakeServer) -> dict[str, Any]:
    return {
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "tenant_id": server.project_id,
        "user_id": "u",
        "metadata": {},
        "addresses": {},
        "links": [],
        "OS-EXT-STS:vm_state": server.status.lower(),
        "OS-EXT-STS:task_state": server.task,
        "OS-EXT-STS:power_state": (
            _POWER_STATES.get(server.status, RUNNING)
            if server.power_state is None
            else server.power_state
        ),
    }


def _filled(answer: Answer, server_id: str) -> Answer:
    text = json.dumps(answer.body).replace("{id}", server_id)
    return Answer(answer.status, json.loads(text), answer.headers)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


class Request(BaseHTTPRequestHandler):
    """One connection, as long as the client keeps it."""

    protocol_version = "HTTP/1.1"
    cloud: ClassVar[FakeCloud]
    query: dict[str, str]
    json: dict[str, Any]

    @property
    def method(self) -> str:
        """GET or POST."""
        return self.command

    @property
    def microversion(self) -> tuple[int, int] | None:
        """The microversion that the client asks for."""
        header = self.headers.get("OpenStack-API-Version", "")
        match = re.fullmatch(r"compute (\d+)\.(\d+)", header)
        return (int(match[1]), int(match[2])) if match else None

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        is_json = "json" in self.headers.get("Content-Type", "")
        self.json = json.loads(body) if is_json and body else {}
        target = self.path
        self.cloud.receive(self.command, target)
        parts = urlsplit(target)
        self.path = parts.path
        self.query = {
            name: values[-1] for name, values in parse_qs(parts.query).items()
        }
        answer = self.cloud.answer(self)
        body = answer.body
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(answer.status)
        headers = {"Content-Type": "application/json", "Content-Length": len(body)}
        for name, value in (headers | answer.headers).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _handle  # noqa: N815 # the names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing on standard error."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for them

    def __init__(self, handler: type[Request], context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._connections: list[socket.socket] = []
        self.failures: list[BaseException] = []
        if context:
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection and remember it."""
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that hang up or do not trust the certificate."""
        failure = sys.exception()
        if failure and not isinstance(failure, (ConnectionError, ssl.SSLError)):
            self.failures.append(failure)

    def hang_up(self) -> None:
        """End the connections that clients keep open."""
        for connection in self._connections:
            with suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def refused_port() -> Iterator[int]:
    """A port of loopback that refuses connections for as long as the block runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def fake_cloud(context: ssl.SSLContext | None = None) -> Iterator[FakeCloud]:
    """A cloud that runs until the end of the block."""

    class Handler(Request):
        pass

    with _Server(Handler, context) as server, refused_port() as port:
        scheme = "https" if context else "http"
        cloud = FakeCloud(
            f"{scheme}://127.0.0.1:{server.server_address[1]}",
            f"ws://127.0.0.1:{port}/?token={CONSOLE_TOKEN}",
        )
        Handler.cloud = cloud
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield cloud
        finally:
            cloud.release()
            server.shutdown()
            server.hang_up()
            thread.join()
    assert not server.failures


def write_clouds(path: Path, **clouds: dict[str, Any]) -> Path:
    """Write a clouds.yaml; JSON is YAML."""
    path.write_text(json.dumps({"clouds": clouds}))
    return path


def isolate(monkeypatch: pytest.MonkeyPatch, directory: Path) -> Path:
    """Hide all configuration from this process except the file that is returned."""
    for name in os.environ.keys() - without_settings(os.environ).keys():
        monkeypatch.delenv(name)
    path = directory / "clouds.yaml"
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    return path
