"""OAuth 2.0: the address at which tokens are given out, and the one at which a user agrees to it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import attrs

from b24batch.sandbox.faults.plans import Plan
from b24batch.sandbox.journal import Journal, TokenRequest
from b24batch.sandbox.methods.staff import SCOPE
from b24batch.sandbox.oauth.tokens import (
    ACCESS_LIFE,
    CLIENT_ID,
    CLIENT_SECRET,
    MEMBER_ID,
    Pair,
    Tokens,
    make_invalid_grant,
)
from b24batch.sandbox.php import json as php_json
from b24batch.sandbox.php.values import JSON, to_text
from b24batch.sandbox.server.answers import Answer, PortalError, page, refusal
from b24batch.sandbox.server.incoming import Wire, read_fields, split_target

#: Below this are the addresses of this module.
ROOT = "/oauth/"

#: Bitrix24's two OAuth servers: that of these regions, and that of all others.
HOSTS = ("oauth.bitrix24.tech", "oauth.bitrix.info")
_REGIONS_OF_THE_FIRST = ("ru", "am", "az", "ge", "kz", "kg", "uz", "by")
#: The paths of the token endpoints, and the server that each belongs to; "" is the portal's own.
_TOKEN_PATHS = {f"{ROOT}token": "", **{f"{ROOT}{host}/token": host for host in HOSTS}}

#: The user all tokens are for, and what kind of application has them: a local one.
_USER_ID = 1
_STATUS = "L"

#: The answer to a code lacks what the answer to a refresh token has, as documented.
_OF_A_REFRESH = ("expires", "user_id")


def find_host(region: str) -> str:
    """Return the host of a region's OAuth server."""
    return HOSTS[region not in _REGIONS_OF_THE_FIRST]


@attrs.define
class OAuthServer:
    """The server that has the tokens; a portal of the sandbox is its own one.

    Attributes:
        tokens: What it has given out.
        origin: Returns the beginning of all addresses, ``http://127.0.0.1:PORT``.
        region: The portal's region, such as ``de``; None: the portal is its own OAuth server and says so.
        redirect_uri: Where a user is sent back to with a code; None: nowhere.
        separate: Whether the server of the other region knows none of the tokens. Bitrix24 does not document it.

    """

    tokens: Tokens
    journal: Journal
    plan: Plan
    origin: Callable[[], str]
    region: str | None = None
    redirect_uri: str | None = attrs.field(default=None, init=False)
    separate: bool = attrs.field(default=False, init=False)

    @property
    def host(self) -> str:
        """The host of the OAuth server, as tokens and forms name it."""
        return self._get_host() if self.region is None else find_host(self.region)

    @property
    def token_urls(self) -> dict[str, str]:
        """Where the portal answers for each of Bitrix24's OAuth servers."""
        return {host: f"{self.origin()}{ROOT}{host}/token/" for host in HOSTS}

    def respond(self, wire: Wire) -> Answer:
        """Return the answer to a request below `ROOT`."""
        path, query = split_target(wire)
        fields = {str(name): to_text(value) for name, value in read_fields(wire).items()}
        if path.rstrip("/") == "/oauth/authorize":
            return self._authorize(fields)
        if path.rstrip("/") not in _TOKEN_PATHS:
            return page("404 Not Found", 404)
        asked = _TOKEN_PATHS[path.rstrip("/")] or self.host
        request = TokenRequest(fields, wire.verb, query, server=asked)
        self.journal.note_token_request(request)
        answer = self.plan.carry_out(functools.partial(self._execute, fields, asked), wire.target)
        self.journal.note_token_answer(request, answer)
        return answer

    def _execute(self, fields: Mapping[str, str], asked: str, commands: int | None) -> Answer:
        if commands == 0:
            return Answer("")
        try:
            return Answer(php_json.dumps(self._grant(fields, asked)))
        except PortalError as refused:
            return refusal(refused)

    def _grant(self, fields: Mapping[str, str], asked: str) -> dict[str, JSON]:
        kind = fields.get("grant_type", "")
        names = {"authorization_code": "code", "refresh_token": "refresh_token"}
        needed = ("client_id", "client_secret", names.get(kind, ""))
        if not all(fields.get(name) for name in needed):
            raise PortalError("invalid_request", "A parameter is missing or invalid", 400)
        if fields["client_id"] != CLIENT_ID:
            raise PortalError("wrong_client", "There is no such application", 400)
        if fields["client_secret"] != CLIENT_SECRET:
            raise PortalError("invalid_client", "The client_secret is invalid", 400)
        if self.separate and asked != self.host:
            raise make_invalid_grant(names[kind].replace("_", " "))
        if kind == "refresh_token":
            return self.describe(self.tokens.refresh(fields["refresh_token"]))
        answer = self.describe(self.tokens.exchange(fields["code"]))
        return {name: value for name, value in answer.items() if name not in _OF_A_REFRESH}

    def issue(self, expires_in: int = ACCESS_LIFE) -> dict[str, JSON]:
        """Make a pair of tokens and describe it as the answer to a refresh token does."""
        return self.describe(self.tokens.issue(expires_in))

    def describe(self, pair: Pair) -> dict[str, JSON]:
        """Return the answer that a pair is given out with; ``domain`` is this server, not the portal."""
        endpoint = f"{self.origin()}/rest/"
        return {
            **attrs.asdict(pair),
            "client_endpoint": endpoint,
            "server_endpoint": endpoint if self.region is None else f"https://{self.host}/rest/",
            "domain": self.host,
            "member_id": MEMBER_ID,
            "scope": ",".join(SCOPE),
            "status": _STATUS,
            "user_id": _USER_ID,
        }

    def _get_host(self) -> str:
        return self.origin().removeprefix("http://")

    def _authorize(self, fields: Mapping[str, str]) -> Answer:
        """Assume consent and redirect with a code; show a page if the application or its redirect URI is unknown."""
        if fields.get("client_id") != CLIENT_ID:
            return page("There is no such application", 400)
        if self.redirect_uri is None:
            return page("The application is authorized")
        domains = {"domain": self._get_host(), "server_domain": self.host}
        given = {"code": self.tokens.issue_code(), "member_id": MEMBER_ID, "scope": ",".join(SCOPE), **domains}
        query = urlencode(given | ({"state": fields["state"]} if "state" in fields else {}))
        joint = "&" if "?" in self.redirect_uri else "?"
        return page("302 Found", 302, {"Location": f"{self.redirect_uri}{joint}{query}"})
