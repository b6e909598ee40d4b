"""Hosts and URLs: the checks that a websocket URL and a proxy URL share."""

import pytest

from novaconsole.network.address import (
    ascii_host,
    bracketed,
    comparable,
    ip_addresses,
    is_loopback,
    split_url,
)


@pytest.mark.parametrize(
    "url",
    [
        "ws://h /",
        "ws://h/\t",
        "ws://h/\r\nX: y",
        "ws://h/\x00",
        "ws://h/\x7f",
        "ws://h/\udcff",
        "ws://[::1/",
        "ws://h:port/",
        "ws://h:65536/",
        "ws://h:-1/",
    ],
)
def test_a_url_that_cannot_stand_in_a_request_is_a_value_error(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_url(url)


def test_the_port_of_a_split_url_is_valid() -> None:
    assert split_url("ws://[::1]:6083/?a=b").port == 6083
    assert split_url("ws://h/").port is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("nova.example", "nova.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("a_b.example.", "a_b.example."),
    ],
)
def test_an_international_name_becomes_ascii(host: str, expected: str) -> None:
    assert ascii_host(host) == expected


@pytest.mark.parametrize("host", ["", "h!", "h h", "a\u00a0b", "ä..b", "ä" * 64])
def test_a_malformed_host_is_a_value_error(host: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ascii_host(host)


def test_only_an_ipv6_address_is_bracketed() -> None:
    assert (bracketed("::1"), bracketed("h"), bracketed("1.2.3.4")) == (
        "[::1]",
        "h",
        "1.2.3.4",
    )


def test_case_and_a_final_dot_do_not_matter_in_comparisons() -> None:
    assert comparable("Nova.Example.") == comparable("nova.example")


def test_a_mapped_address_is_returned_in_both_forms() -> None:
    assert list(map(str, ip_addresses("10.0.0.1."))) == ["10.0.0.1"]
    assert list(map(str, ip_addresses("::1"))) == ["::1"]
    assert len(ip_addresses("::ffff:10.0.0.1")) == 2
    assert str(ip_addresses("::ffff:10.0.0.1")[1]) == "10.0.0.1"
    assert ip_addresses("nova.example") == []


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("nova.localhost", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("notlocalhost", False),
        ("localhost.example", False),
        ("128.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback_is_recognised_by_name_and_address(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
