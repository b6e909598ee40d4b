"""OpenSSH on loopback: a server of our own on a free port, with keys of its own."""

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_LOOPBACK = "127.0.0.1"
_SERVER_OPTIONS = {
    "UsePAM": "no",
    "StrictModes": "no",
    "PasswordAuthentication": "no",
    "PermitRootLogin": "prohibit-password",
    "PrintMotd": "no",
    "PidFile": "none",
}
_CLIENT_OPTIONS = {
    "BatchMode": "yes",
    "IdentitiesOnly": "yes",
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    # Keys that wait for the next 20 ms would be another measurement.
    "IgnoreUnknown": "ObscureKeystrokeTiming",
    "ObscureKeystrokeTiming": "no",
}


class NoSSH(Exception):
    """The server cannot be started or refuses the login."""


@dataclass(frozen=True)
class SSH:
    """How to reach the server.

    Attributes:
        port: it listens on.
        identity: private key that it takes.
    """

    port: int
    identity: Path

    def command(self, remote: Sequence[str], *, tty: bool = True) -> list[str]:
        """`ssh`, to run something on the other side on a terminal of its own."""
        options = [f"-o{name}={value}" for name, value in _CLIENT_OPTIONS.items()]
        return [
            *("ssh", "-F", "none", "-e", "none", "-tt" if tty else "-T"),
            *("-p", str(self.port), "-i", str(self.identity), *options),
            *(f"{getpass.getuser()}@{_LOOPBACK}", shlex.join(remote)),
        ]


@contextmanager
def ssh_server(directory: Path) -> Iterator[SSH]:
    """Start the server; it ends with the block.

    Args:
        directory: for keys and configuration, readable by its owner only.

    Raises:
        NoSSH: as its message says.
    """
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin"
    sshd = shutil.which("sshd", path=path)
    if sshd is None or shutil.which("ssh") is None:
        raise NoSSH("no sshd (Debian: openssh-server)" if not sshd else "no ssh")
    with suppress(OSError):  # as the system's service does
        Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name],
            check=True,
        )
    settings = {
        **_SERVER_OPTIONS,
        "ListenAddress": _LOOPBACK,
        "HostKey": directory / "host",
        "AuthorizedKeysFile": directory / "user.pub",
    }
    config = directory / "sshd_config"
    config.write_text("".join(f"{name} {what}\n" for name, what in settings.items()))
    with socket.create_server((_LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    log = directory / "sshd.log"
    server = subprocess.Popen(
        [sshd, "-D", "-f", config, "-p", str(port), "-E", log],
        stdin=subprocess.DEVNULL,
        stderr=log.open("w"),
    )
    try:
        ssh = SSH(port, directory / "user")
        _wait_until_let_in(ssh, server, log)
        yield ssh
    finally:
        server.terminate()
        server.wait()


def _wait_until_let_in(
    ssh: SSH, server: "subprocess.Popen[bytes]", log: Path, seconds: float = 10.0
) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        attempt = subprocess.run(
            ssh.command(["true"], tty=False),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if attempt.returncode == 0:
            return
        time.sleep(0.1)
    last = (log.read_text(errors="replace").strip().splitlines() or ["no log"])[-1]
    raise NoSSH(f"sshd does not let us in: {last}")
