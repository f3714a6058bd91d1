"""Authorisation in the browser: the URL that a user is sent to, and the server for the code that comes back."""

from __future__ import annotations

from urllib.parse import urlencode

from b24batch.errors import UsageError
from b24batch.oauth.interrupts import is_interrupt
from b24batch.oauth.newest import not_stored_error
from b24batch.oauth.server import TokenServer
from b24batch.oauth.servers import SERVERS, Server, find_server, find_server_of_region, find_servers, make_server
from b24batch.oauth.stores import TokenStore
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret
from b24batch.wire.addresses import http_address


def make_authorize_url(portal: str | None, client_id: str, state: str, region: str | None) -> str:
    """Return the URL at a portal, or at the OAuth server of a region."""
    server = None if region is None else find_server_of_region(region)
    portal = server if portal is None else portal
    for name, text in (("portal", portal), ("client_id", client_id), ("state", state)):
        if not isinstance(text, str) or not text:
            raise UsageError(f"{name}: expected a string that is not empty")
    address = http_address(f"https://{portal}")
    if isinstance(address, str) or address.path:
        raise UsageError("portal: expected a host name, such as example.bitrix24.com")
    return f"https://{address.host}/oauth/authorize/?{urlencode({'client_id': client_id, 'state': state})}"


def find_server_of_code(server: TokenServer, domain: str | None, region: str | None, portal: str | None) -> Server:
    """Return the server of a code: the one that was named, or that of the region or of the portal."""
    of_region = None if region is None else find_server_of_region(region)
    if domain is not None and not isinstance(domain, str):
        raise UsageError(f"server_domain: expected a host such as {SERVERS[0]}, got {type(domain).__name__}")
    endpoint = None if domain is None else f"https://{domain}/rest/"
    if endpoint or "" in server.urls:
        return find_servers(endpoint, "", server.urls)[0]
    return make_server(of_region or find_server(portal or ""), server.urls)


def make_grant(code: Secret) -> dict[str, Secret]:
    """Return the grant of an authorisation code."""
    return {"grant_type": Secret("authorization_code"), "code": code}


def store_authorised(store: TokenStore | None, token: Token) -> None:
    """Store a token without comparing it to the stored one, because a user has just authorised the application."""
    if store is None:
        return
    try:
        with store.lock(token.member_id):
            store.put(token)
        return
    except Exception as error:
        failure = error if is_interrupt(error) else not_stored_error(token, error)
    raise failure
