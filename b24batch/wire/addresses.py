"""Addresses: parse URLs and classify their hosts."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"https": 443, "http": 80}


class HttpAddress(NamedTuple):
    """The parts of an address; `host` includes the port unless it is the default port."""

    scheme: str
    host: str
    path: str

    @property
    def url(self) -> str:
        """The address as text."""
        return f"{self.scheme}://{self.host}{self.path}"


def http_address(text: str) -> HttpAddress | str:
    """Return the parts of an http or https URL that has only a host and a path, or a text that says what is wrong."""
    if not text.isprintable() or " " in text:
        return "contains a space or a control character"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "has an invalid host or port"
    for wrong, problem in (
        (parts.scheme not in _DEFAULT_PORTS, "does not start with https://"),
        (not parts.hostname, "has no host"),
        ("@" in parts.netloc, "has a user name before its host"),
        (parts.query or parts.fragment, "contains a question mark or a #"),
    ):
        if wrong:
            return problem
    return HttpAddress(parts.scheme, _host(parts.hostname or "", port, parts.scheme), parts.path)


def _host(name: str, port: int | None, scheme: str) -> str:
    """Return the normalized host: without a trailing dot, and without the default port."""
    name = f"[{name}]" if ":" in name else name.removesuffix(".") or name
    return name if port in (None, _DEFAULT_PORTS[scheme]) else f"{name}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether a host, with or without a port, is this machine."""
    hostname = urlsplit(f"//{host}").hostname or ""
    try:
        return ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost" or hostname.endswith(".localhost")


#: RFC 1123, with a dot and a last label that does not start with a digit, so that an IP address never matches.
_HOST_NAME = r"(?i)(?!.{254})(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"


#: Suffixes that by convention name this machine or its local network.
_LOCAL = (".localhost", ".localdomain", ".localdomain6", ".internal", ".svc")


def is_host_name(host: str) -> bool:
    """Return whether a host, with or without a port, is a name that another machine can have."""
    name, colon, port = host.partition(":")
    if colon and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        return False
    local = name.casefold().endswith(_LOCAL)
    return re.fullmatch(_HOST_NAME, name) is not None and not local
