"""Peers: which machines a request may connect to if its host came from a form."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from urllib3.exceptions import NewConnectionError

#: IPv6 addresses that stand for the IPv4 address in their last 32 bits: RFC 6052 (NAT64), RFC 4291, 2.5.5.1, and
#: RFC 2765 (translated).
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"))
#: All IPv6 addresses that are assigned to networks of the internet: RFC 4291, 2.4, and IANA's registry.
_UNICAST = IPv6Network("2000::/3")
#: What some or all versions of Python take for global: IANA's registries of special-purpose addresses.
_SPECIAL = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))


class PrivateAddress(NewConnectionError):
    """A host leads to an address that is not public; nothing was sent."""


def is_public(address: str) -> bool:
    """Return whether an IP address is one on the internet: not private, loopback, link-local, reserved or multicast."""
    ip = _to_inner(ip_address(address))
    if any(ip in network for network in _SPECIAL) or (isinstance(ip, IPv6Address) and ip not in _UNICAST):
        return False
    return ip.is_global and not ip.is_multicast


def _to_inner(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address contains, if it leads there."""
    if isinstance(ip, IPv4Address):
        return ip
    if any(ip in network for network in _TRANSLATED):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def refuse_private(connection: Any, address: str) -> None:
    """Raise `PrivateAddress` before a connection to an address that is not public; a name is checked afterwards."""
    try:
        public = is_public(address)
    except ValueError:
        return
    if not public:
        raise PrivateAddress(connection, f"the host leads to {address}")


def refuse_private_peer(connection: Any, sock: socket.socket) -> None:
    """Raise `PrivateAddress`, and close the socket, if it is connected to an address that is not public."""
    try:
        refuse_private(connection, sock.getpeername()[0])
    except BaseException:
        sock.close()
        raise
