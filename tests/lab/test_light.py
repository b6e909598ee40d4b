"""With nova's real serial proxy, qemu's serial port, and a login in the guest."""

import io
import os
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.conftest import Attach, Console, Light

Run = Callable[..., tuple[int, bytes, bytes]]

# The first test starts everything, which takes half a minute on a busy machine.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def _archive() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("file")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"text\n"))
    return file.getvalue()


ARCHIVE = _archive()


def read_until(program: "subprocess.Popen[bytes]", wanted: bytes) -> bytes:
    """Read the program's output up to and including `wanted`."""
    assert program.stdout is not None
    output = b""
    while wanted not in output:
        # Bounded by the timeout of the test.
        data = os.read(program.stdout.fileno(), 65536)
        assert data, f"{wanted!r} is not in {output!r}"
        output += data
    return output


def type_into(program: "subprocess.Popen[bytes]", data: bytes) -> None:
    assert program.stdin is not None
    program.stdin.write(data)
    program.stdin.flush()


def finish(program: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """Close the input; returns the rest of the output, and the messages."""
    return program.communicate(timeout=60)


def logged_in(console: Console) -> Console:
    console.log_in()
    return console


def leave(console: Console) -> None:
    console.type(b"~.")
    console.expect(b"disconnected from")
    assert console.wait() == 0


def test_a_user_can_log_in_run_a_command_and_leave(
    light: Light, attach: Attach, tmp_path: Path
) -> None:
    """The terminal's reply to the shell's query does not count as typing."""
    log = tmp_path / "console.log"
    console = logged_in(attach(light.url, "--log", str(log)))

    console.type(b"echo hello-$((40+2))\r")
    console.expect(rb"\r\nhello-42\r\n")
    console.expect_prompt()
    leave(console)

    logged = log.read_bytes()
    assert b"\r\nhello-42\r\n" in logged
    assert logged in console.shown


def test_the_session_survives_a_reboot_of_the_guest(
    light: Light, attach: Attach
) -> None:
    console = logged_in(attach(light.url))

    console.type(b"reboot\r")
    console.expect(rb"Restarting system")
    console.expect(rb"Linux version")
    console.expect(rb"login: ")
    console.type(b"\r")
    console.expect(rb"login: ")
    leave(console)


def test_piped_input_is_typed_and_the_output_is_exact(
    light: Light, attach: Attach, tmp_path: Path
) -> None:
    leave(logged_in(attach(light.url)))
    log = tmp_path / "console.log"
    program = attach.piped(light.url, "--log", str(log))

    type_into(program, b"seq 30000; echo e''nd\r")
    output = read_until(program, b"\r\nend\r\n")
    rest, messages = finish(program)

    assert program.returncode == 0
    numbers = b"".join(b"%d\r\n" % number for number in range(1, 30001))
    assert numbers + b"end\r\n" in output
    assert log.read_bytes() == output + rest
    assert messages.count(b"\n") == 1
    assert messages.startswith(b"novaconsole: connected to: ws://127.0.0.1:")


def test_every_byte_value_passes_both_ways(light: Light, attach: Attach) -> None:
    leave(logged_in(attach(light.url)))
    data = bytes(range(256)) * 4
    program = attach.piped(light.url)

    type_into(
        program,
        b"stty raw -echo; echo rea''dy; dd bs=1 count=%d 2>/dev/null; "
        b"stty sane; echo do''ne\r" % len(data),
    )
    read_until(program, b"ready\n")
    type_into(program, data)
    output = read_until(program, b"done\r\n")
    _, messages = finish(program)

    assert output.startswith(data)
    assert program.returncode == 0, messages


def test_an_expired_token_is_explained(light: Light, attach: Attach) -> None:
    console = attach(light.expired_url())

    assert console.wait() == 3
    assert b"the token has probably expired or is wrong" in console.shown
    assert b"openstack console url show --serial" in console.shown


def test_the_end_of_the_guest_is_reported(light: Light, attach: Attach) -> None:
    console = logged_in(attach(light.url))

    light.kill_guest()

    assert console.wait() == 3
    assert b"closed by the other side: Target closed" in console.shown


def test_the_end_of_the_proxy_is_reported(light: Light, attach: Attach) -> None:
    console = logged_in(attach(light.url))

    light.kill_proxy()

    assert console.wait() == 3
    assert b"lost: no close frame received" in console.shown


def test_the_proxy_is_trusted_with_its_ca(light_tls: Light, attach: Attach) -> None:
    assert light_tls.url.startswith("wss://")

    console = logged_in(attach(light_tls.url, "--cacert", str(light_tls.ca)))
    console.type(b"echo secure-$((40+2))\r")
    console.expect(rb"\r\nsecure-42\r\n")
    console.expect_prompt()
    leave(console)


def test_the_proxy_is_not_trusted_without_its_ca(
    light_tls: Light, attach: Attach
) -> None:
    console = attach(light_tls.url)

    assert console.wait() == 1
    assert b"is not trusted" in console.shown
    assert b"--cacert" in console.shown
    assert b"connected to" not in console.shown


def test_an_unchecked_certificate_is_reported(light_tls: Light, attach: Attach) -> None:
    console = logged_in(attach(light_tls.url, "--insecure"))
    leave(console)

    assert b"the certificate is not checked" in console.shown


# ---- unattended


@pytest.fixture
def run(light: Light, attach: Attach, tmp_path: Path) -> Run:
    """Runs a command in the guest, which is at its login prompt before."""
    secret = tmp_path / "secret"
    secret.write_text("lab\n")
    options = ("--login", "root", "--password-file", str(secret))

    def run(command: str, *more: str) -> tuple[int, bytes, bytes]:
        program = attach.piped(light.url, *options, *more, "--run", command)
        output, messages = finish(program)
        return program.returncode, output, messages

    run("true")  # ends a login that another test has left open
    return run


def test_until_waits_for_a_boot(light: Light, attach: Attach) -> None:
    leave(logged_in(attach(light.url)))
    pattern = "(?s)Linux version.*login: "
    program = attach.piped(light.url, "-i", "--until", pattern, "--timeout", "90")

    type_into(program, b"reboot\r")
    output, messages = finish(program)

    assert program.returncode == 0, messages
    assert output.rstrip().endswith(b"login:")


def test_run_gives_output_and_status_of_the_command(run: Run) -> None:
    assert run("uname -s; echo error >&2; exit 7") == (7, b"Linux\nerror\n", b"")


def test_run_shows_megabytes_of_output_exactly(run: Run) -> None:
    status, output, _ = run("yes 0123456789abcde | head -c 2097152")
    assert status == 0
    assert output == b"0123456789abcde\n" * (1 << 17)


def test_run_shows_binary_output(run: Run) -> None:
    status, output, _ = run("head -c 200000 /bin/busybox; md5sum </bin/busybox >&2")
    assert status == 0
    assert output.startswith(b"\x7fELF")
    assert len(output) == 200000 + len("  -\n") + 32


def test_a_command_that_takes_too_long_is_stopped(run: Run) -> None:
    status, output, _ = run("echo begun; sleep 1000", "--timeout", "15")
    assert (status, output) == (124, b"begun\n")
    assert run("echo again") == (0, b"again\n", b"")


def test_a_command_that_kills_its_shell_is_reported(run: Run) -> None:
    status, _, messages = run("kill -9 $PPID; exec sleep 1")
    assert status == 1
    assert b"the command ended the shell that ran it" in messages
    assert run("echo again") == (0, b"again\n", b"")


def test_kernel_messages_do_not_mix_with_the_output(run: Run) -> None:
    """Of a severity that the console shows at its default level."""
    noise = "while :; do echo '<1>NOISE'; usleep 50000; done >/dev/kmsg"
    start = f'setsid sh -c "{noise}" >/dev/null 2>&1 </dev/null & echo $!'
    status, pid, _ = run(start)
    assert status == 0
    assert run("seq 5; sleep 1; seq 3")[:2] == (0, b"1\n2\n3\n4\n5\n1\n2\n3\n")
    assert run(f"kill {pid.decode()}")[0] == 0


# ---- with standard input


@pytest.fixture
def feed(light: Light, attach: Attach, tmp_path: Path) -> Run:
    """As `run`, for a command with standard input."""
    secret = tmp_path / "secret"
    secret.write_text("lab\n")
    options = ("--login", "root", "--password-file", str(secret), "--stdin")

    def feed(command: str, stdin: bytes) -> tuple[int, bytes, bytes]:
        program = attach.piped(light.url, *options, "--run", command)
        output, messages = program.communicate(stdin, timeout=90)
        return program.returncode, output, messages

    return feed


def test_what_goes_into_the_guest_comes_out(feed: Run) -> None:
    data = bytes(range(256)) + b"\r~.\n\x04\x03" + random.Random(1).randbytes(200_000)
    assert feed("cat", data) == (0, data, b"")


def test_the_command_ends_while_input_comes(feed: Run) -> None:
    assert feed("head -c 10; exit 5", b"0123456789" * 20_000) == (5, b"0123456789", b"")
    assert feed("cat", b"next\x00") == (0, b"next\x00", b"")


def test_a_directory_can_be_put_and_got(feed: Run) -> None:
    status, _, _ = feed("rm -rf /tmp/got; mkdir /tmp/got; tar x -C /tmp/got", ARCHIVE)
    assert status == 0
    status, output, _ = feed("cat /tmp/got/file; tar c -C /tmp/got file", b"")
    assert (status, output[:5]) == (0, b"text\n")
    with tarfile.open(fileobj=io.BytesIO(output[5:])) as archive:
        assert archive.getnames() == ["file"]


def test_kernel_messages_do_not_damage_what_passes_both_ways(feed: Run) -> None:
    """A hundred, of a severity that the console shows at its default level."""
    noise = "for i in $(seq 100); do echo '<1>NOISE'; usleep 20000; done >/dev/kmsg"
    data = random.Random(1).randbytes(100_000)
    assert feed(f"{{ {noise}; }} & cat; wait", data) == (0, data, b"")


def test_a_client_that_was_killed_leaves_nothing(
    light: Light, attach: Attach, feed: Run, tmp_path: Path
) -> None:
    assert feed("true", b"")[0] == 0
    secret = tmp_path / "secret"
    options = ("--login", "root", "--password-file", str(secret), "--stdin")
    command = "echo begun; cat; exec sleep 4711"
    program = attach.piped(light.url, *options, "--run", command)
    type_into(program, b"more\n")
    read_until(program, b"begun\nmore\n")
    program.kill()
    program.communicate(timeout=60)
    assert feed("pidof cat sleep", b"") == (1, b"", b"")


def test_read_only_sends_nothing(light: Light, attach: Attach) -> None:
    console = attach(light.url, "--read-only")
    console.expect(rb"disconnect\r\n")
    console.type(b"\r\r\r")
    console.type(b"~.")
    console.expect(b"disconnected from")
    assert console.wait() == 0
    assert b"login: " not in console.shown
