"""The words of the command line and the environment become values, or a clear error."""

import os
from pathlib import Path

import pytest

from cli.runner import URL, Runner, assert_wrong_usage
from novaconsole.cli.options import Options
from novaconsole.cli.request import requested
from novaconsole.cli.values import kinds_of
from novaconsole.commands.run import RunRequest

# What a shell hands on for bytes that are not UTF-8.
ODD = os.fsdecode(b"\xff\xfe")


def test_each_option_has_one_simple_type() -> None:
    assert {*kinds_of(Options).values()} == {str, bool, int, float, Path}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--timeout", "5m"), "--timeout must be a number, not '5m'"),
        (("--timeout", "-1"), "--timeout must be more than 0"),
        (("--keepalive", "nan"), "--keepalive must be a number, not 'nan'"),
        (("--timeout", "0"), "--timeout must be more than 0"),
        (("--history", "all"), "--history must be a whole number, not 'all'"),
        (("--history", "1.5"), "--history must be a whole number, not '1.5'"),
        (("--history=-5",), "--history must be 0 or more, not -5"),
        (("--timeout", ODD), "--timeout must be a number"),
        (("--region", ODD), "--region is not valid UTF-8"),
        (("--cloud", ODD), "--cloud is not valid UTF-8"),
        (("--escape", ODD), "--escape is not valid UTF-8"),
        (("--until", f"a{ODD}"), "--until is not valid UTF-8"),
        (("--url", f"ws://h/{ODD}"), "--url is not valid UTF-8"),
        ((ODD,), "SERVER is not valid UTF-8"),
        (("--proxy", f"http://{ODD}:1", URL), "--proxy: not a proxy URL"),
        (("--cacert", f"/missing/{ODD}", URL), "--cacert: cannot read /missing/??"),
        (
            ("--run", "true", "--password-file", f"/missing/{ODD}", URL),
            "--password-file: cannot read /missing/??",
        ),
    ],
)
def test_a_wrong_value_is_one_clear_line(
    run: Runner, arguments: tuple[str, ...], says: str
) -> None:
    assert_wrong_usage(run(*arguments), says)


@pytest.mark.parametrize("option", ["demo", "quiet", "insecure"])
@pytest.mark.parametrize("value", ["perhaps", "2", ODD])
def test_a_variable_of_a_switch_is_yes_or_no(
    run: Runner, option: str, value: str
) -> None:
    variable = f"NOVACONSOLE_{option.upper()}"

    done = run(URL, env={variable: value})

    assert_wrong_usage(done, f"--{option} ({variable}) must be yes or no")


def test_headers_may_have_any_bytes() -> None:
    options = Options(url=URL, header=[f"X-One: {ODD}é"], origin=f"http://{ODD}")

    headers = requested(options).connect.headers

    assert headers == (
        (b"X-One", b"\xff\xfe\xc3\xa9"),
        (b"Origin", b"http://\xff\xfe"),
    )


def test_a_login_and_a_password_may_have_any_bytes(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"p\xff\xc3\xa9\r\nnext line\n")
    options = Options(url=URL, run="true", login=f"u{ODD}", password_file=file)

    request = requested(options)

    assert isinstance(request, RunRequest)
    assert request.login == f"u{ODD}"
    assert request.password == "p\udcffé"


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("--timeout", "omit --timeout for no limit"),
        ("--connect-timeout", "omit --connect-timeout for the default"),
    ],
)
def test_the_hint_says_what_holds_without_a_time(
    run: Runner, option: str, hint: str
) -> None:
    assert run(URL, option, "0").stderr.endswith(f"novaconsole: {hint}\n")
