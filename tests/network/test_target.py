"""The target: URLs are taken apart, and the token is never shown."""

import string
import traceback
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from novaconsole.errors import UsageError
from novaconsole.network.target import Target, TLSOptions, is_url
from novaconsole.redaction import mask_tokens
from support.pieces import thorough

TOKEN = "6ecd2ba5-0c1f-4b36-9c5e-1f1d1b5f4a3e"
# What UUIDs, base64 and JSON web tokens are made of.
TOKENS = st.text(string.ascii_letters + string.digits + "-_.~+/=%", min_size=9)


def shown(target: Target) -> str:
    """Every form in which a target may be printed."""
    texts = (repr(target), repr([target]), str(target), target.masked_url)
    return "\n".join((*texts, target.title, target.address, target.host_header))


@pytest.mark.parametrize(
    ("url", "secure", "host", "port", "resource"),
    [
        ("ws://h/", False, "h", 80, "/"),
        ("ws://h", False, "h", 80, "/"),
        ("wss://h", True, "h", 443, "/"),
        ("ws://h:/", False, "h", 80, "/"),
        ("ws://h:6083/", False, "h", 6083, "/"),
        ("wss://h:65535/", True, "h", 65535, "/"),
        ("ws://h:1?token=t", False, "h", 1, "/?token=t"),
        ("ws://h:6083/?token=t", False, "h", 6083, "/?token=t"),
        ("ws://h/a/b?c=d&e=f", False, "h", 80, "/a/b?c=d&e=f"),
        ("ws://h/?path=%3Ftoken%3Dt", False, "h", 80, "/?path=%3Ftoken%3Dt"),
        ("ws://h/ö?a=é", False, "h", 80, "/%C3%B6?a=%C3%A9"),
        ('ws://h/?"<>|\\^`{}', False, "h", 80, "/?%22%3C%3E%7C%5C%5E%60%7B%7D"),
        ("ws://h/?", False, "h", 80, "/"),
        ("ws://h/#part", False, "h", 80, "/"),
        ("ws://h/?a=b#part", False, "h", 80, "/?a=b"),
        ("WSS://Nova.Example:6083/Path", True, "nova.example", 6083, "/Path"),
        ("  ws://h/ \r\n", False, "h", 80, "/"),
        ("ws://10.0.0.1:6083/", False, "10.0.0.1", 6083, "/"),
        ("ws://[::1]/", False, "::1", 80, "/"),
        ("wss://[2001:DB8::1]:6083/", True, "2001:db8::1", 6083, "/"),
        ("ws://bücher.example/", False, "xn--bcher-kva.example", 80, "/"),
    ],
)
def test_a_url_is_taken_apart(
    url: str, secure: bool, host: str, port: int, resource: str
) -> None:
    target = Target.parse(url)
    assert (target.secure, target.host, target.port) == (secure, host, port)
    assert target.resource == resource
    assert target.scheme == ("wss" if secure else "ws")
    assert target.name is None


@pytest.mark.parametrize(
    ("url", "header", "address"),
    [
        ("ws://h/", "h", "h:80"),
        ("ws://h:80/", "h", "h:80"),
        ("ws://h:443/", "h:443", "h:443"),
        ("wss://h:443/", "h", "h:443"),
        ("wss://h:80/", "h:80", "h:80"),
        ("ws://h:6083/", "h:6083", "h:6083"),
        ("ws://[::1]/", "[::1]", "[::1]:80"),
        ("wss://[::1]:6083/", "[::1]:6083", "[::1]:6083"),
    ],
)
def test_the_host_header_has_a_port_unless_it_is_the_default(
    url: str, header: str, address: str
) -> None:
    target = Target.parse(url)
    assert target.host_header == header
    assert target.address == address


def test_the_title_is_the_servers_name_if_it_is_known() -> None:
    url = f"wss://[::1]:6083/?token={TOKEN}"
    assert Target.parse(url).title == "[::1]:6083"
    assert str(Target.parse(url)) == "wss://[::1]:6083/?token=***"
    named = Target.parse(url, name="web1")
    assert named.title == named.name == "web1"
    assert str(named) == "web1 (wss://[::1]:6083/?token=***)"
    assert mask_tokens(str(named)) == str(named)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ws:",
        "ws://",
        "ws:///",
        "ws://:6083/",
        "ws://?token={}",
        "ws:///?token={}",
        "ftp://h/?token={}",
        "http:///?token={}",
        "https://user:{}@h/",
        "http://h:6080/vnc_auto.html?token={}",
        "h:6083/?token={}",
        "ws:/h/?token={}",
        "token={}",
        "ws://h:0/?token={}",
        "ws://h:65536/?token={}",
        "ws://h:-1/?token={}",
        "ws://h:{}/",
        "ws://h:token={}",
        "ws://[::1/?token={}",
        "ws://[{}]/?token={}",
        "ws://::1]/?token={}",
        "ws://h]/?token={}",
        "ws://h/?token={} x",
        "ws://h/?token={}\r\nX-Header:y",
        "ws://h/?token=\x00{}",
        "ws://h/\t?token={}",
        "ws://h/\x7f?token={}",
        "ws://h h/?token={}",
        "ws://user:{}@h/?token={}",
        "ws://{}@h/",
        "ws://@h/?token={}",
        "ws://ä..{}/?token={}",
        "ws://" + "ä" * 64 + "/?token={}",
        "ws://a\u2100b/?token={}",
        "ws://a\u00a0b/?token={}",  # a blank for IDNA
        "ws://a\u00a8b/?token={}",  # a blank and a diaeresis for IDNA
        "ws://h/\udcff?token={}",
    ],
)
def test_a_bad_url_is_a_usage_error_that_does_not_repeat_it(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Target.parse(url.replace("{}", TOKEN))
    error = caught.value
    texts = [str(error), repr(error), str(error.args), str(error.hint)]
    texts += traceback.format_exception(error)
    assert not [text for text in texts if TOKEN in text]
    assert error.exit_status == 2
    assert str(error)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ws://h:99999/?token=t", "its port is not a number from 1 to 65535"),
        ("ws://h:0/", "its port is not a number from 1 to 65535"),
        ("ws://h:x/", "its port is not a number from 1 to 65535"),
        ("ws://h/?token=t t", "it holds a blank or a control character"),
        ("ws://[::1/", "its host cannot be read"),
        ("ws:///x", "it has no host"),
    ],
)
def test_what_is_bad_in_a_url_is_told(url: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        Target.parse(url)
    assert str(caught.value) == f"bad websocket URL: {reason}"


def test_a_password_in_the_url_is_an_error_that_suggests_a_header() -> None:
    with pytest.raises(UsageError) as caught:
        Target.parse(f"ws://user:{TOKEN}@h/")
    assert "-H 'Authorization: " in str(caught.value.hint)


URL_BITS = st.sampled_from(
    [
        *(
            "ws://",
            "wss://",
            "h",
            "[::1]",
            ":",
            "80",
            "/",
            "?",
            "token=",
            "#",
            "@",
            "%0d",
        ),
        *(
            "é",
            "\xa0",
            "\xa8",
            "\xad",
            "\u2028",
            "\uff0e",
            "\x85",
            "\r\n",
            " ",
            "[",
            "\\",
        ),
    ]
)


@thorough
@given(
    st.lists(URL_BITS | st.characters(), max_size=8).map("".join).map("ws://".__add__)
)
@example("ws://h/\ud800")
def test_a_parsed_url_can_stand_in_a_request(url: str) -> None:
    with suppress(UsageError):
        target = Target.parse(url)
        assert 0 < target.port < 65536
        assert target.resource.startswith("/")
        for text in (target.host, target.resource, target.host_header):
            assert text.isascii()
            assert text.isprintable()
            assert " " not in text


@thorough
@given(TOKENS, st.sampled_from(["token=", "Token=", "path=%3Ftoken%3D", "%3ftoken%3d"]))
@example(TOKEN, "path=%3Ftoken%3D")
def test_the_token_is_in_no_text_of_a_target(token: str, key: str) -> None:
    for name in (None, "web1"):
        for url in (f"ws://h:6083/?{key}{token}", f"wss://[::1]?a=b&{key}{token}&c=d"):
            target = Target.parse(url, name=name)
            assert token in target.resource, "the server needs it"
            assert token not in shown(target)
            assert f"{key}***" in target.masked_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ws://h/", True),
        ("wss://h/", True),
        ("WS://h/", True),
        ("ws-1", False),
        ("ws:", False),
        ("http://h/", True),
        ("https://h/", True),
        ("ftp://h/", True),
        (" ws://h/", True),
        ("h:6083/?token=x", True),
        ("?path=%3Ftoken%3Dx", True),
        ("a:b", False),
        ("token", False),
        ("my ws://h", False),
        ("", False),
    ],
)
def test_a_url_is_distinguished_from_a_servers_name(text: str, url: bool) -> None:
    assert is_url(text) is url


@pytest.mark.parametrize(
    ("url", "websocket"),
    [
        ("http://h/?token=t", "ws://h/?token=***"),
        ("http://h:6083/a?token=t", "ws://h:6083/a?token=***"),
        ("HTTPS://h/?token=t", "wss://h/?token=***"),
        ("https://h:80/", "wss://h:80/"),
    ],
)
def test_http_means_ws_and_https_means_wss(url: str, websocket: str) -> None:
    """Some clouds hand out such URLs, for a browser."""
    target = Target.parse(url)
    assert target.masked_url == websocket
    assert target == Target.parse(url.lower().replace("http", "ws"))


@pytest.mark.parametrize(
    ("path", "console"),
    [
        ("vnc_auto.html?token=t", "noVNC"),
        ("vnc_auto.html?path=%3Ftoken%3Dt", "noVNC"),
        ("vnc_lite.html?path=%3Ftoken%3Dt&title=vm(id)", "noVNC"),
        ("nova/novnc/vnc.html", "noVNC"),
        ("novnc/websockify?token=t", "noVNC"),
        ("spice_auto.html?token=t", "SPICE"),
        ("rdp.html?token=t", "RDP"),
        ("mks.html?token=t", "MKS"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
def test_the_url_of_another_console_is_recognised(
    scheme: str, path: str, console: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Target.parse(f"{scheme}://h:6080/{path}")
    assert f"a {console} console, not of a serial one" in str(caught.value)
    assert "console url show --serial" in str(caught.value.hint)


@pytest.mark.parametrize(
    "url",
    [
        "wss://novnc.example/?token=t",
        "ws://h/serial.html?token=t",
        "ws://h/?path=%3Ftoken%3Dt",
        "ws://h/vnc?token=t",
    ],
)
def test_a_serial_console_may_be_behind_a_name_like_that(url: str) -> None:
    Target.parse(url)


def test_tls_checks_certificates_by_default() -> None:
    assert TLSOptions() == TLSOptions(cacert=None, cert=None, key=None, insecure=False)
