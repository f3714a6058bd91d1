"""Peers: which addresses are on the internet."""

import pytest
from drawing import together

from b24batch.wire.peers import PrivateAddress, is_public, refuse_private_peer

PRIVATE = """
127.0.0.1 127.9.9.9 0.0.0.0 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 198.18.0.1
192.0.2.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 ::1 :: fe80::1 fe80::1%eth0 fc00::1 fd00::1 ff02::1 ff0e::1
2001:db8::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a00:1 2002:7f00:1::
2002:a00:1::1 ::127.0.0.1 fec0::1 64:ff9b:1::a00:1 ::ffff:0:7f00:1 ::ffff:0:a00:1 4000::1 5f00::1 3fff::1 100::1
2001::7f00:1 192.0.0.9 192.88.99.1
"""
PUBLIC = (
    "8.8.8.8 1.1.1.1 172.32.0.1 192.169.0.1 100.128.0.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::"
)


@together("address", PRIVATE.split())
def test_an_address_that_is_not_public(address):
    """Private, loopback, link-local, shared, reserved and multicast addresses are none, in IPv6 spelling neither."""
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_an_address_on_the_internet(address):
    """Every other one is, also if IPv6 carries it."""
    assert is_public(address)


class Connected:
    """A socket that is connected to an address."""

    def __init__(self, address):
        self.address, self.is_open = address, True

    def getpeername(self):
        return self.address, 443

    def close(self):
        self.is_open = False


def test_the_peer_of_a_socket():
    """A socket that is connected to an address on the internet stays open; any other one is closed."""
    public, private = Connected("8.8.8.8"), Connected("10.0.0.1")
    refuse_private_peer(None, public)
    with pytest.raises(PrivateAddress):
        refuse_private_peer(None, private)
    assert (public.is_open, private.is_open) == (True, False)
