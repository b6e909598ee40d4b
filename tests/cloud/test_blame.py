"""Configurations that are broken: which file, which setting, which kind of login."""

from pathlib import Path
from typing import Any

import pytest

import support.fake_cloud as fake
from novaconsole.cloud.config import CloudOptions
from novaconsole.errors import CloudUnreachable
from support.cloud_client import Configure, console_url, failure
from support.fake_cloud import FakeCloud, write_clouds

pytestmark = [
    # What openstacksdk deprecates of itself is its own business.
    pytest.mark.filterwarnings(r"ignore:::openstack\."),
    pytest.mark.usefixtures("configure"),
]


def set_variables(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


# ---- files

SECRET = "hunter2-of-the-user"
BROKEN_FILES = {
    "a tab": (b"clouds:\n\tfake: 1\n", "line 2, column 1: found character"),
    "a bracket": (b"a: [broken\n", "line 2, column 1: expected ',' or ']'"),
    "not UTF-8": (b"clouds: na\xefve\n", "not UTF-8"),
    "control characters": (b"clouds: \x07\n", "special characters"),
    "a list": (b"- clouds\n", "not a mapping"),
    "text": (b"clouds\n", "not a mapping"),
    "no clouds": (b"cloud: {}\n", "`clouds` is missing"),
    "a list of clouds": (b"clouds: [fake]\n", "`clouds` is missing or not"),
    "no entry": (b"clouds: {fake: }\n", "cloud fake is not a mapping"),
    "an entry of text": (b"clouds: {fake: hello}\n", "cloud fake is not a mapping"),
    "auth of text": (b"clouds: {fake: {auth: nothing}}\n", "`auth` of cloud fake"),
    "a number as URL": (b"clouds: {fake: {auth: {auth_url: 5}}}\n", "`auth_url` of"),
    "a list as URL": (b"clouds: {fake: {auth: {auth_url: [a]}}}\n", "`auth_url` of"),
    "an alias": (f"clouds: *{SECRET}\n".encode(), "found undefined alias"),
    "a tag": (f"clouds: !{SECRET} x\n".encode(), "for the tag"),
}


@pytest.mark.parametrize("broken", BROKEN_FILES)
@pytest.mark.parametrize("chosen", ["fake", None])
def test_a_broken_file_is_named_with_what_is_wrong_in_it(
    tmp_path: Path, broken: str, chosen: str | None
) -> None:
    content, reason = BROKEN_FILES[broken]
    path = tmp_path / "clouds.yaml"
    path.write_bytes(content)

    error = failure(options=CloudOptions(chosen))

    assert str(error).startswith(f"bad cloud configuration: {path}: ")
    assert reason in str(error)
    assert SECRET not in str(error)


def test_a_file_that_does_not_exist_or_is_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "/nope")
    assert "/nope, which OS_CLIENT_CONFIG_FILE names" in str(failure())
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path))
    assert f"{tmp_path}: Is a directory" in str(failure())


def test_a_broken_secure_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secure.yaml"
    path.write_text("clouds: hello")
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(path))
    assert f"{path}: `clouds` is missing or not a mapping" in str(failure())


BROKEN_ENTRIES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a leftover of an application credential": (
        {"application_credential_id": "x"},
        {},
        "does not take application_credential_id",
    ),
    "a leftover of a token": ({"token": "x"}, {}, "does not take token"),
    "a leftover of a password": (
        {"token": "x"},
        {"auth_type": "v3token"},
        "does not take",
    ),
    "an unknown setting": ({"foo": "bar"}, {}, "does not take foo"),
    "an unknown auth_type": ({}, {"auth_type": "v3x"}, "unknown auth_type v3x"),
    "two scopes": ({"system_scope": "all"}, {}, "multiple targets"),
    "no passcode": ({}, {"auth_type": "v3totp"}, "no passcode is configured"),
    "a format": ({"auth_url": "http://h/{x}/v3"}, {}, "KeyError: 'x'"),
    "rubbish": ({"auth_url": "rubbish"}, {}, "auth_url is not a URL: rubbish"),
    "a port": ({"auth_url": "http://h:x/v3"}, {}, "auth_url is not a URL"),
}


@pytest.mark.parametrize("broken", BROKEN_ENTRIES)
def test_a_broken_entry_is_an_error_with_its_reason(
    configure: Configure, broken: str
) -> None:
    auth, changed, reason = BROKEN_ENTRIES[broken]
    configure(auth=auth, **changed)

    assert reason in str(failure())


def test_a_missing_auth_url_is_named(cloud: FakeCloud, tmp_path: Path) -> None:
    auth = cloud.auth()
    del auth["auth_url"]
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))
    error = failure()
    assert str(error) == "bad cloud configuration: missing auth_url"
    assert "OS_AUTH_URL" in str(error.hint)


def test_what_to_do_about_a_file_depends_on_what_is_wrong_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clouds.yaml"
    path.write_text("clouds: hello")
    assert str(failure().hint) == (
        "edit the file, or name another in OS_CLIENT_CONFIG_FILE"
    )
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path))
    assert str(failure().hint) == "name another in OS_CLIENT_CONFIG_FILE"
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "/nope")
    assert str(failure().hint) == "change or unset OS_CLIENT_CONFIG_FILE"


@pytest.mark.parametrize("content", ["---\n", "", "clouds: {other: hello}", "a: [b\n"])
def test_a_file_is_not_blamed_for_the_variables(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "clouds.yaml").write_text(content)
    set_variables(monkeypatch, **cloud.environment(), OS_TOKEN="x")

    assert "does not take token" in str(failure(options=CloudOptions()))


@pytest.mark.parametrize("content", ["clouds: hello", "- a"])
def test_a_file_that_breaks_a_login_by_variables_is_named(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    path = tmp_path / "clouds.yaml"
    path.write_text(content)
    set_variables(monkeypatch, **cloud.environment())

    assert str(path) in str(failure(options=CloudOptions()))


def test_a_secure_file_that_is_broken_explains_the_missing_password(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = cloud.auth()
    del auth["password"]
    write_clouds(tmp_path / "clouds.yaml", fake=cloud.config(auth=auth))
    path = tmp_path / "secure.yaml"
    path.write_text("clouds: [\n")
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(path))

    assert f"{path}: line 2" in str(failure())


# ---- settings


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("api_timeout", "soon", "must be a number"),
        ("compute_connect_retries", "x", "must be a number"),
        ("networks", 5, "cannot be used: TypeError: 'int' object is not iterable"),
        ("cache", 5, "cannot be used: AttributeError"),
        ("cacert", ["x"], "cannot be used: TypeError"),
        ("metrics", 5, "cannot be used: AttributeError"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(
    configure: Configure, tmp_path: Path, setting: str, value: object, reason: str
) -> None:
    configure(**{setting: value})
    error = failure()
    assert f"`{setting}` of cloud fake {reason}" in str(error)
    assert str(tmp_path / "clouds.yaml") in str(error.hint)


def test_of_two_settings_that_do_not_fit_the_first_is_named(
    configure: Configure,
) -> None:
    configure(api_timeout="soon", networks=5)
    assert "`networks` of cloud fake cannot be used" in str(failure())


def test_a_section_that_does_not_fit_is_named(cloud: FakeCloud, tmp_path: Path) -> None:
    path = write_clouds(tmp_path / "clouds.yaml", fake=cloud.config())
    path.write_text(path.read_text()[:-1] + ', "client": {"force_ipv4": 5}}')
    assert f"`client` in {path} cannot be used" in str(failure())


def test_a_variable_that_does_not_fit_is_named(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, **cloud.environment(), OS_API_TIMEOUT="soon")
    error = failure(options=CloudOptions())
    assert "OS_API_TIMEOUT must be a number" in str(error)
    assert "unset OS_API_TIMEOUT" in str(error.hint)


# ---- the kind of login

CREDENTIAL = {"application_credential_id": "x", "application_credential_secret": "y"}


@pytest.mark.parametrize(
    ("auth", "auth_type"),
    [
        (CREDENTIAL, "v3applicationcredential"),
        (CREDENTIAL | {"username": "demo"}, "v3applicationcredential"),
        ({"token": "x"}, "token"),
        ({"passcode": "x", "username": "demo"}, "v3totp"),
    ],
)
@pytest.mark.parametrize("version", ["", "/v3"])
@pytest.mark.parametrize("is_variable", [False, True])
def test_a_login_of_another_kind_is_told_its_auth_type(
    cloud: FakeCloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    auth: dict[str, str],
    auth_type: str,
    version: str,
    is_variable: bool,
) -> None:
    auth = {"auth_url": f"{cloud.url}/identity{version}", **auth}
    if is_variable:
        variables = {f"OS_{name.upper()}": value for name, value in auth.items()}
        set_variables(monkeypatch, **variables)
        monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
        options = CloudOptions()
    else:
        write_clouds(tmp_path / "clouds.yaml", fake={"auth": auth})
        options = CloudOptions("fake")

    def ask(prompt: str) -> str:
        raise AssertionError(prompt)

    error = failure(options=CloudOptions(options.cloud, ask=ask))

    assert f"set auth_type: {auth_type} in clouds.yaml" in str(error.hint)
    assert f"OS_AUTH_TYPE={auth_type}" in str(error.hint)


def test_a_leftover_variable_does_not_stop_a_login_with_a_password(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add("vm")
    set_variables(monkeypatch, OS_APPLICATION_CREDENTIAL_ID="x")
    assert console_url() == cloud.console_url


@pytest.mark.parametrize("version", ["", "/v3"])
def test_a_login_without_user_and_password_names_both(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    monkeypatch.setenv("OS_AUTH_URL", f"{cloud.url}/identity{version}")
    error = failure(options=CloudOptions())
    assert str(error) == "bad cloud configuration: missing username and password"
    assert "OS_USERNAME and OS_PASSWORD" in str(error.hint)


# ---- profiles


def test_a_profile_that_does_not_exist_is_named_where_something_is_missing(
    cloud: FakeCloud, tmp_path: Path
) -> None:
    cloud.add("vm")
    path = tmp_path / "clouds.yaml"
    write_clouds(path, fake={"profile": "nope", "auth": {"username": "x"}})
    error = failure()
    assert str(error) == "bad cloud configuration: there is no profile nope"
    assert "`profile` in clouds.yaml" in str(error.hint)

    write_clouds(path, fake=cloud.config(profile="nope"))
    assert console_url() == cloud.console_url


def test_a_profile_that_cannot_be_fetched_is_told_without_the_words_of_a_library(
    configure: Configure,
) -> None:
    with fake.refused_port() as port:
        configure(profile=f"http://127.0.0.1:{port}")
        error = failure()
    assert isinstance(error, CloudUnreachable)
    assert str(error) == (
        f"the cloud's profile cannot be fetched from 127.0.0.1:{port}: "
        "Connection refused"
    )
    assert "`profile`" in str(error.hint)
