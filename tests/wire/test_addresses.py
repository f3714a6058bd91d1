"""Addresses: what is a host, what is this machine, and how one host is written in one way."""

import pytest
from drawing import together

from b24batch.wire.addresses import HttpAddress, is_host_name, is_loopback, parse_address

LABEL = "a" * 63


@together(
    ("host", "expected"),
    [
        ("portal.example", True),
        ("Portal-1.Example", True),
        ("portal.example:1", True),
        ("portal.example:65535", True),
        ("portal.example:0", False),
        ("portal.example:65536", False),
        ("portal.example:", False),
        ("portal.example:x", False),
        ("portal.example:000080", False),
        (f"{LABEL}.example", True),
        (f"a{LABEL}.example", False),
        (f"portal.{LABEL}", True),
        (f"{LABEL}.{LABEL}.{LABEL}.{'a' * 61}", True),
        (f"{LABEL}.{LABEL}.{LABEL}.{'a' * 62}", False),
        ("-portal.example", False),
        ("portal-.example", False),
        ("portal..example", False),
        ("portal", False),
        ("", False),
        ("10.0.0.1", False),
        ("portal.1", False),
        ("portal.Localhost", False),
        ("portal.internal:443", False),
        ("portal.svc", False),
    ],
)
def test_a_name_that_another_machine_can_have(host, expected):
    """A host name has labels of up to 63 characters, 253 together, and a port from 1; local ones are none."""
    assert is_host_name(host) is expected


@pytest.mark.parametrize("host", ["localhost", "a.localhost:80", "127.0.0.1:80", "127.9.9.9", "[::1]:80", "LOCALHOST"])
def test_this_machine(host):
    """Loopback is known by its name and by its addresses, with a port or without."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["example.com", "localhost.example.com", "128.0.0.1", "[::2]", "notlocalhost", ""])
def test_another_machine(host):
    """Everything else is another machine."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("text", "scheme", "host", "path"),
    [
        ("https://Portal.example:443/a/", "https", "portal.example", "/a/"),
        ("http://portal.example:80", "http", "portal.example", ""),
        ("http://portal.example:443/", "http", "portal.example:443", "/"),
        ("https://portal.example.:8443/", "https", "portal.example:8443", "/"),
        ("https://[::1]:443/x", "https", "[::1]", "/x"),
        ("https://[FD00:0:0::1]:8443/x", "https", "[fd00::1]:8443", "/x"),
        ("https://[v1.a:b]:443/x", "https", "[v1.a:b]", "/x"),
        ("https://Портал.рф:8443/x", "https", "xn--80awhdgm.xn--p1ai:8443", "/x"),
    ],
)
def test_an_address(text, scheme, host, path):
    """A host is in lower case and ASCII, without the dot of the root and the port that its scheme has anyway."""
    assert parse_address(text) == HttpAddress(scheme, host, path)
    assert parse_address(text).url == f"{scheme}://{host}{path}"
