"""Token servers: Bitrix24 has two, by region, and a token is renewed at the one that issued it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from b24batch.errors import UsageError
from b24batch.redaction import shown
from b24batch.wire.addresses import HttpAddress, is_loopback, parse_address

#: The server of these regions, and that of all others. Source of both: Bitrix24's module ``rest``,
#: ``lib/Internal/Service/OAuth/AuthorizationServerUrlResolver.php``.
_EASTERN, _OTHER = "oauth.bitrix24.tech", "oauth.bitrix.info"
_EASTERN_REGIONS = frozenset("ru am az ge kz kg uz by".split())
SERVERS = (_EASTERN, _OTHER)
#: Where a token without a server is renewed first if the portal's address does not tell its region.
TOKEN_URL = f"https://{_EASTERN}/oauth/token/"
#: The address of a portal in the cloud ends in its region, or in ``com``.
_CLOUD = re.compile(r".+\.bitrix24\.(?:com\.)?([a-z]{2,3})")

#: What a caller may give as ``token_url``.
TokenUrl: TypeAlias = str | Mapping[str, str] | None
#: The addresses that the caller gave, by the host of their server; "" stands for every server.
TokenUrls: TypeAlias = dict[str, HttpAddress]


class Server(NamedTuple):
    """A token server: its address as tokens name it, None if the caller gave one for all servers; and its token URL."""

    endpoint: str | None
    url: HttpAddress


def to_token_urls(given: TokenUrl) -> TokenUrls:
    """Return the addresses in ``token_url``; raise `UsageError` for one that is invalid or not encrypted."""
    urls = given if isinstance(given, Mapping) else {} if given is None else {"": given}
    return {str(host).casefold(): _to_address(url) for host, url in urls.items()}


def _to_address(url: object) -> HttpAddress:
    address = parse_address(url) if isinstance(url, str) else "is not a string"
    if isinstance(address, str):
        raise UsageError(f"token_url: expected a URL like {TOKEN_URL}; this one {address}")
    if address.scheme != "https" and not is_loopback(address.host):
        raise UsageError(f"http would send the client_secret unencrypted: use https for {address.host}")
    return address


def find_servers(endpoint: str | None, portal: str, urls: TokenUrls) -> list[Server]:
    """Return the server that renews a token, or both to ask in turn if nobody said which one issued it.

    Args:
        endpoint: The server's address, ``https://oauth.bitrix.info/rest/``; None if it is not known.
        portal: The host of the portal. Only one on this machine, a sandbox, may be its own server.
        urls: The addresses that the caller gave.

    Raises:
        UsageError: The server is not one of Bitrix24's two, and the caller gave no address for it.
    """
    if "" in urls:
        return [Server(None, urls[""])]
    if endpoint is None:
        first = find_server(portal)
        return [make_server(host, urls) for host in sorted(SERVERS, key=lambda host: host != first)]
    address = parse_address(endpoint)
    if isinstance(address, HttpAddress) and (address.host in SERVERS or address.host in urls):
        return [make_server(address.host, urls)]
    if isinstance(address, HttpAddress) and is_loopback(portal) and address.host == portal:
        return [Server(endpoint, address._replace(path="/oauth/token/"))]
    raise UsageError(
        f"expected an OAuth server of Bitrix24, {' or '.join(SERVERS)}, got {shown(endpoint)}; "
        "if you trust another one, pass its URL as token_url="
    )


def find_server(portal: str) -> str:
    """Return the host of the server that a portal in the cloud has by its address; else the first of `SERVERS`."""
    cloud = _CLOUD.fullmatch(portal.casefold())
    return find_server_of_region(cloud[1]) if cloud else _EASTERN


def find_server_of_region(region: str) -> str:
    """Return the host of a region's server, such as that of ``de``."""
    if not isinstance(region, str) or not re.fullmatch(r"[A-Za-z]{2,3}", region):
        raise UsageError(f"region: expected the code of a country, such as de, got {shown(region)}")
    return _EASTERN if region.casefold() in _EASTERN_REGIONS else _OTHER


def make_server(host: str, urls: TokenUrls) -> Server:
    """Return the server on a host, at the address that the caller gave for it, if any."""
    return Server(f"https://{host}/rest/", urls.get(host) or HttpAddress("https", host, "/oauth/token/"))
