"""The credentials of a REST request: a token first, then a webhook."""

from __future__ import annotations

import re
from typing import NamedTuple

from b24batch.sandbox.journal import Request
from b24batch.sandbox.oauth.tokens import Tokens
from b24batch.sandbox.php.values import JSON, to_text
from b24batch.sandbox.server.answers import PortalError
from b24batch.sandbox.server.incoming import Incoming

#: The webhook of every sandbox portal: user and code.
USER, CODE = "1", "sandboxc0de"

_BEARER = re.compile(r"Bearer\s+(.*)", re.IGNORECASE)

_TOKEN_NAMES = ("auth", "access_token")
_OAUTH_NAMES = frozenset((*_TOKEN_NAMES, "auth_connector"))
_WEBHOOK_NAMES = frozenset(("ap", "aplogin"))


class Admitted(NamedTuple):
    """A request that may run: its params, and which of them are credentials, in the commands of a batch too."""

    params: dict[JSON, JSON]
    credentials: frozenset[str]


def admit(incoming: Incoming, tokens: Tokens) -> Admitted:
    """Check a request's credentials; any token decides, even a stray one at the address of a webhook.

    Raises:
        PortalError: 401; there are none, or they are wrong or expired.

    """
    params = incoming.request.params
    token = find_token(incoming.request)
    if token in ("", "0"):
        _check_webhook(incoming)
        return Admitted(params, _WEBHOOK_NAMES)
    tokens.check(token)
    in_path = {"aplogin": incoming.user, "ap": incoming.code}
    seen = {**params, **{name: value for name, value in in_path.items() if value is not None}}
    return Admitted(seen, _OAUTH_NAMES.intersection(params))


def find_token(request: Request) -> str:
    """Return the token; PHP treats two of the possible texts as missing."""
    bearer = _BEARER.match(request.headers.get("authorization", ""))
    if bearer:
        return bearer[1]
    given = (request.params[name] for name in _TOKEN_NAMES if name in request.params)
    return to_text(next((value for value in given if not isinstance(value, (list, dict))), None))


def _check_webhook(incoming: Incoming) -> None:
    if incoming.user is None or incoming.code is None:
        raise PortalError("NO_AUTH_FOUND", "Wrong authorization data", http_status=401)
    if (incoming.user, incoming.code) != (USER, CODE):
        raise PortalError("INVALID_CREDENTIALS", "Invalid request credentials", http_status=401)
