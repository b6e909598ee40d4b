"""The proxy: its URL, and which one the environment chooses for a target."""

import string
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaconsole.errors import UsageError
from novaconsole.network.proxy import Proxy, choose_proxy
from novaconsole.network.target import Target
from support.pieces import thorough

PASSWORD = "s3cr3t-w0rd"


def target(host: str = "nova.example", port: int = 6083, scheme: str = "wss") -> Target:
    host = f"[{host}]" if ":" in host else host
    return Target.parse(f"{scheme}://{host}:{port}/")


# ---- its URL


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "user", "password"),
    [
        ("http://h:3128", "http", "h", 3128, None, None),
        ("http://h:3128/", "http", "h", 3128, None, None),
        ("h:3128", "http", "h", 3128, None, None),
        ("h", "http", "h", 1080, None, None),
        ("http://h", "http", "h", 1080, None, None),
        ("http://h:", "http", "h", 1080, None, None),
        ("HTTP://Proxy.Example", "http", "proxy.example", 1080, None, None),
        ("socks5://h", "socks5", "h", 1080, None, None),
        ("Socks5H://h:9050", "socks5h", "h", 9050, None, None),
        ("  http://h:1 \n", "http", "h", 1, None, None),
        ("u:p@h:1", "http", "h", 1, "u", "p"),
        ("http://u@h", "http", "h", 1080, "u", None),
        ("http://u:@h", "http", "h", 1080, "u", ""),
        ("http://:p@h", "http", "h", 1080, "", "p"),
        ("http://@h", "http", "h", 1080, None, None),
        ("http://u:p:q@h", "http", "h", 1080, "u", "p:q"),
        ("http://u:p@q@h", "http", "h", 1080, "u", "p@q"),
        ("http://j%40x:%2F%3f%23%25@h", "http", "h", 1080, "j@x", "/?#%"),
        ("http://j%C3%B6rg:%e2%82%ac@h", "http", "h", 1080, "jörg", "€"),
        ("http://[::1]:3128", "http", "::1", 3128, None, None),
        ("[2001:DB8::1]", "http", "2001:db8::1", 1080, None, None),
        ("http://10.0.0.1:65535", "http", "10.0.0.1", 65535, None, None),
        ("http://bücher.example", "http", "xn--bcher-kva.example", 1080, None, None),
        ("http://a_b.example.", "http", "a_b.example.", 1080, None, None),
    ],
)
def test_a_url_is_taken_apart(
    url: str, scheme: str, host: str, port: int, user: str | None, password: str | None
) -> None:
    assert Proxy.parse(url) == Proxy(scheme, host, port, user, password)


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "http://",
        "http:///",
        f"http://u:{PASSWORD}@",
        f"http://u:{PASSWORD}@:1",
        f"http://u:{PASSWORD}@h:0",
        f"http://u:{PASSWORD}@h:65536",
        f"http://u:{PASSWORD}@h:port",
        f"http://u:{PASSWORD}@h h",
        f"http://u:{PASSWORD} @h",
        f"http://u:{PASSWORD}\x00@h",
        f"http://u:{PASSWORD}\udcff@h",
        f"http://u:{PASSWORD}%ff@h",
        f"http://u:{PASSWORD}%0d%0a@h",
        f"http://u%3Au:{PASSWORD}@h",
        f"http://u:{PASSWORD}@[::1",
        f"http://u:{PASSWORD}@[h]",
        f"http://u:{PASSWORD}@a..b",
        f"http://u:{PASSWORD}@{'a' * 64}",
        f"http://u:{PASSWORD}@h!",
        "::1:3128",
        "fd00::6083",
    ],
)
def test_a_bad_url_is_a_usage_error_that_does_not_repeat_it(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Proxy.parse(url, source="HTTPS_PROXY")
    assert str(caught.value).startswith("HTTPS_PROXY: ")
    assert PASSWORD not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("sign", ["/", "?", "#"])
def test_an_unencoded_password_is_a_usage_error_that_says_how_to_write_it(
    sign: str,
) -> None:
    """Otherwise `u` would be the host, and 12 its port."""
    with pytest.raises(UsageError) as caught:
        Proxy.parse(f"http://u:12{sign}{PASSWORD}@h:3128")
    assert f"%{ord(sign):02X}" in (caught.value.hint or "")
    assert PASSWORD not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("scheme", ["https", "socks", "socks4", "socks4a", "ftp"])
def test_other_kinds_of_proxy_are_not_supported(scheme: str) -> None:
    with pytest.raises(UsageError, match="not supported") as caught:
        Proxy.parse(f"{scheme}://u:{PASSWORD}@h:1")
    assert caught.value.hint == "use http://, socks5:// or socks5h://"


def test_the_password_is_in_no_repr() -> None:
    proxy = Proxy.parse(f"http://u:{PASSWORD}@h:1")
    assert proxy.password == PASSWORD
    assert PASSWORD not in f"{proxy} {proxy!r} {[proxy]} {proxy.address}"


@pytest.mark.parametrize(
    ("url", "address"), [("u:p@h", "h:1080"), ("http://[::1]:3128", "[::1]:3128")]
)
def test_the_address_is_host_and_port(url: str, address: str) -> None:
    assert Proxy.parse(url).address == address


@thorough
@given(st.text(max_size=40))
def test_any_text_is_a_proxy_or_a_usage_error(text: str) -> None:
    try:
        proxy = Proxy.parse(text)
    except UsageError:
        return
    assert proxy.host
    assert 0 < proxy.port < 65536


LOGIN = st.text(st.characters(exclude_categories=["C"]), max_size=20)


@thorough
@given(LOGIN.filter(lambda user: ":" not in user), LOGIN)
def test_any_login_can_be_percent_encoded(user: str, password: str) -> None:
    def encoded(text: str) -> str:
        return "".join(f"%{byte:02x}" for byte in text.encode())

    proxy = Proxy.parse(f"http://{encoded(user)}:{encoded(password)}@h:1")
    assert (proxy.user or "", proxy.password) == (user, password)


# ---- which one


def chosen(environ: dict[str, str], to: Target) -> str | None:
    """The host of the chosen proxy, or None."""
    proxy = choose_proxy(None, to, environ)
    return None if proxy is None else proxy.host


@pytest.mark.parametrize(
    ("environ", "for_wss", "for_ws"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": "s"}, "s", None),
        ({"HTTP_PROXY": "h"}, None, "h"),
        ({"ALL_PROXY": "a"}, "a", "a"),
        ({"https_proxy": "s", "http_proxy": "h", "all_proxy": "a"}, "s", "h"),
        ({"HTTPS_PROXY": "S", "HTTP_PROXY": "H", "ALL_PROXY": "a"}, "s", "h"),
        ({"https_proxy": "lower", "HTTPS_PROXY": "upper"}, "lower", None),
        ({"http_proxy": "lower", "HTTP_PROXY": "upper"}, None, "lower"),
        ({"all_proxy": "lower", "ALL_PROXY": "upper"}, "lower", "lower"),
        ({"HTTPS_PROXY": "s", "all_proxy": "a"}, "s", "a"),
        ({"https_proxy": "", "HTTPS_PROXY": "s", "ALL_PROXY": "a"}, None, "a"),
        ({"HTTP_PROXY": " ", "ALL_PROXY": "a"}, "a", None),
        ({"ALL_PROXY": ""}, None, None),
        ({"HTTP_PROXY": "h", "REQUEST_METHOD": "GET"}, None, None),
        ({"http_proxy": "h", "REQUEST_METHOD": "GET"}, None, "h"),
        ({"HTTPS_PROXY": "s", "REQUEST_METHOD": "GET"}, "s", None),
        ({"HTTP_PROXY": "h", "ALL_PROXY": "a", "REQUEST_METHOD": ""}, "a", "a"),
        ({"WSS_PROXY": "x", "WS_PROXY": "x", "PROXY": "x"}, None, None),
    ],
)
def test_the_environment_decides_by_scheme(
    environ: dict[str, str], for_wss: str | None, for_ws: str | None
) -> None:
    assert chosen(environ, target(scheme="wss")) == for_wss
    assert chosen(environ, target(scheme="ws")) == for_ws


EVERYTHING = {"ALL_PROXY": "a", "HTTPS_PROXY": "s", "HTTP_PROXY": "h"}


@pytest.mark.parametrize("host", ["nova.example", "127.0.0.1"])
def test_a_given_url_comes_before_the_environment(host: str) -> None:
    environ = EVERYTHING | {"NO_PROXY": "*"}
    proxy = choose_proxy("socks5://given:1", target(host), environ)
    assert proxy == Proxy("socks5", "given", 1)


@pytest.mark.parametrize("given", ["", " "])
def test_an_empty_url_means_no_proxy(given: str) -> None:
    assert choose_proxy(given, target(), EVERYTHING) is None


@pytest.mark.parametrize(
    ("given", "environ", "source"),
    [
        ("https://h", {}, "--proxy"),
        (None, {"HTTPS_PROXY": "https://h"}, "HTTPS_PROXY"),
        (None, {"all_proxy": "h:port"}, "all_proxy"),
    ],
)
def test_an_error_names_the_source_of_the_url(
    given: str | None, environ: dict[str, str], source: str
) -> None:
    with pytest.raises(UsageError, match=f"^{source}: "):
        choose_proxy(given, target(), environ)


@pytest.mark.parametrize(
    ("host", "direct"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("localhost.", True),
        ("nova.localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("notlocalhost", False),
        ("localhost.example", False),
        ("128.0.0.1", False),
        ("::2", False),
    ],
)
def test_a_target_on_this_machine_is_connected_to_directly(
    host: str, direct: bool
) -> None:
    for scheme in ("ws", "wss"):
        assert (chosen(EVERYTHING, target(host, scheme=scheme)) is None) == direct


# ---- NO_PROXY


def is_exempt(no_proxy: str, host: str, port: int = 6083) -> bool:
    return chosen(EVERYTHING | {"NO_PROXY": no_proxy}, target(host, port)) is None


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        ("*", "nova.example"),
        ("*", "10.0.0.1"),
        ("x, *", "nova.example"),
        ("nova.example", "nova.example"),
        ("NOVA.Example", "nova.example"),
        ("nova.example", "NOVA.EXAMPLE"),
        ("nova.example.", "nova.example"),
        ("nova.example", "nova.example."),
        ("a,nova.example,b", "nova.example"),
        ("a nova.example b", "nova.example"),
        (" a ,\tnova.example\n", "nova.example"),
        ("example", "nova.example"),
        (".example", "nova.example"),
        ("*.example", "nova.example"),
        (".nova.example", "nova.example"),
        ("nova.example:6083", "nova.example"),
        (".example.:6083", "nova.example"),
        ("nova", "nova"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3:6083", "10.1.2.3"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.3/8", "10.1.2.3"),
        ("10.0.0.0/8:6083", "10.1.2.3"),
        ("10.0.0.0/8", "::ffff:10.1.2.3"),
        ("::ffff:0:0/96", "::ffff:10.1.2.3"),
        ("fd00::1", "fd00::1"),
        ("FD00:0::1", "fd00::1"),
        ("[fd00::1]", "fd00::1"),
        ("[fd00::1]:6083", "fd00::1"),
        ("fd00::/8", "fd00::1"),
        ("[fd00::]/8", "fd00::1"),
        ("[fd00::/8]", "fd00::1"),
        ("fd00::6083", "fd00::6083"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_no_proxy_exempts(no_proxy: str, host: str) -> None:
    assert is_exempt(no_proxy, host)
    assert chosen(EVERYTHING | {"no_proxy": no_proxy}, target(host)) is None


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        ("", "nova.example"),
        (",", "nova.example"),
        (".", "nova.example"),
        (".", "nova.example."),
        (":6083", "nova.example"),
        ("*.", "nova.example"),
        ("**", "nova.example"),
        ("nova.example", "xnova.example"),
        ("ova.example", "nova.example"),
        ("nova.example", "example"),
        ("nova.example", "nova.example.org"),
        ("nova.example:6084", "nova.example"),
        ("nova.example:", "nova.example"),
        ("10.1.2.4", "10.1.2.3"),
        ("10.1.2.3:6084", "10.1.2.3"),
        ("11.0.0.0/8", "10.1.2.3"),
        ("1.2.3", "10.1.2.3"),
        (".1.2.3", "10.1.2.3"),
        ("2.3", "1.2.3"),
        (".3", "1.2.3"),
        ("0x2", "1.0x2"),
        ("fd00::", "fd00::6083"),
        ("fd00::6083", "fd00::"),
        ("fd00::6083", "fd00::1"),
        ("[fd00::1]:6084", "fd00::1"),
        ("[fd00::1", "fd00::1"),
        ("0.0.0.0/0", "fd00::1"),
        ("::/0", "10.1.2.3"),
        ("10.0.0.0/8", "nova.example"),
    ],
)
def test_no_proxy_does_not_exempt(no_proxy: str, host: str) -> None:
    assert not is_exempt(no_proxy, host)


def test_no_proxy_in_lower_case_comes_first() -> None:
    environ = EVERYTHING | {"no_proxy": "other", "NO_PROXY": "*"}
    assert chosen(environ, target()) == "s"


LABEL = st.text(string.ascii_lowercase, min_size=1, max_size=5)
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join)


@thorough
@given(NAME, NAME)
def test_a_suffix_exempts_the_domain_and_its_subdomains(
    domain: str, other: str
) -> None:
    for entry in (domain, f".{domain}", f"{domain}.", domain.upper()):
        assert is_exempt(entry, domain)
        assert is_exempt(entry, f"x.{domain}")
        assert not is_exempt(entry, f"x{domain}")
        below = other.split(".")[-len(domain.split(".")) :] == domain.split(".")
        assert is_exempt(entry, other) == (below or other.endswith("localhost"))


@thorough
@given(st.ip_addresses(), st.ip_addresses(v=4) | st.ip_addresses(v=6), st.data())
def test_a_network_exempts_the_addresses_in_it(
    host: object, start: object, data: st.DataObject
) -> None:
    address, first = ip_address(str(host)), ip_address(str(start))
    if data.draw(st.booleans()):
        first = address
    bits = data.draw(st.integers(0, first.max_prefixlen))
    entry = f"{first}/{bits}"
    mapped = getattr(address, "ipv4_mapped", None)
    if address.is_loopback or mapped:
        return
    assert is_exempt(entry, str(address)) == (
        address in ip_network(entry, strict=False)
    )


@thorough
@given(st.ip_addresses(v=6), st.integers(1, 65535))
def test_the_last_group_of_an_ipv6_address_is_not_a_port(
    host: object, port: int
) -> None:
    """A bare address whose last group looks like the port is only that address."""
    address = ip_address(f"{str(host).rpartition(':')[0] or ':'}:{port % 10000}")
    assert is_exempt(str(address), str(address), port % 10000 or 1)
    other = ip_address(int(address) ^ 1 << 40)
    if not other.is_loopback:
        assert not is_exempt(str(address), str(other), port % 10000 or 1)


@thorough
@given(st.text(max_size=40), NAME)
def test_any_value_of_no_proxy_is_accepted(no_proxy: str, host: str) -> None:
    assert is_exempt(no_proxy, host) in (True, False)
