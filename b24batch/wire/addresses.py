"""Addresses: parse URLs and classify their hosts."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from b24batch.errors import UsageError
from b24batch.redaction import shown

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


def parse_address(text: str) -> HttpAddress | str:
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
        ((name := to_ascii(parts.hostname or "")) is None, "has an invalid host or port"),
    ):
        if wrong:
            return problem
    return HttpAddress(parts.scheme, _normalize_host(name or "", port, parts.scheme), parts.path)


def to_ascii(host: str) -> str | None:
    """Return a host, with or without a port, its name in punycode if it is not ASCII; None if it has no such form."""
    if host.isascii():
        return host
    import idna  # comes with requests, which encodes a name in the same way when it connects

    name, colon, port = host.partition(":")
    try:
        return f"{idna.encode(name, uts46=True).decode()}{colon}{port}"
    except idna.IDNAError:
        return None


def _normalize_host(name: str, port: int | None, scheme: str) -> str:
    """Return the normalized host: without a trailing dot, and without the default port."""
    name = f"[{_compress(name)}]" if ":" in name else name.removesuffix(".") or name
    return name if port in (None, _DEFAULT_PORTS[scheme]) else f"{name}:{port}"


def _compress(name: str) -> str:
    with suppress(ValueError):
        return str(ip_address(name))
    return name


def is_loopback(host: str) -> bool:
    """Return whether a host, with or without a port, is this machine."""
    hostname = urlsplit(f"//{host}").hostname or ""
    try:
        return ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost" or hostname.endswith(".localhost")


def to_hosts(name: str, hosts: Collection[str]) -> frozenset[str]:
    """Return hosts for `is_allowed`; raise `UsageError`, which shows `name`, for one that is invalid."""
    if isinstance(hosts, str) or not isinstance(hosts, Collection):
        raise UsageError(f"{name}: expected a list of hosts, got {shown(hosts)}")
    return frozenset(_to_host(name, host) for host in hosts)


def _to_host(name: str, host: object) -> str:
    found = [parse_address(f"{scheme}://{host}") for scheme in _DEFAULT_PORTS if isinstance(host, str)]
    addresses = [address for address in found if isinstance(address, HttpAddress) and not address.path]
    if not addresses or "*" in str(host) or str(host).startswith("."):  # wildcards of other settings
        raise UsageError(f"{name}: expected hosts such as 10.0.0.5:8443 or portal.local, got {shown(host)}")
    return max((address.host for address in addresses), key=len)  # with its port, if it has one


def is_allowed(address: HttpAddress, allowed: Collection[str]) -> bool:
    """Return whether an address is at one of the hosts; a host without a port has the usual one of any scheme."""
    return address.host in allowed or f"{address.host}:{_DEFAULT_PORTS[address.scheme]}" in allowed


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
