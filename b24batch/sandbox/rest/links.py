"""Signed links, which a method returns to download a file from or to upload one to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from functools import partial
from typing import NoReturn
from urllib.parse import quote, urlencode

import attrs

from b24batch.sandbox.php.query import parse_str
from b24batch.sandbox.php.values import JSON, received, to_mapping, to_text
from b24batch.sandbox.rest.credentials import CODE, USER, find_token
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import Answer, PortalError
from b24batch.sandbox.server.incoming import Incoming, Upload

#: The credentials as a link names them: a token, or the user and the code of a webhook.
_Credentials = tuple[str, ...]

#: Follows a link: its params and the file that came with the request.
Follow = Callable[[Params, Upload | None], Answer]


@attrs.define
class Links:
    """Makes links and follows them. A link works only with the credentials of the request that it was made for.

    Attributes:
        origin: Returns scheme and host of the portal.
        dispatcher: Runs methods one at a time.
    """

    origin: Callable[[], str]
    dispatcher: Dispatcher
    _follow: dict[str, Follow] = attrs.field(factory=dict, init=False)
    _key: bytes = attrs.field(factory=lambda: secrets.token_bytes(32), init=False, repr=False)
    _here: threading.local = attrs.field(factory=threading.local, init=False)

    def add(self, method: str, follow: Follow) -> None:
        """Add a method that is called only by links."""
        self._follow[method] = follow
        self.dispatcher.add(method, _refuse)

    def is_link(self, method: str) -> bool:
        """Return whether a method is called only by links."""
        return method in self._follow

    def enter(self, incoming: Incoming) -> None:
        """Note the credentials of the request that this thread executes."""
        self._here.credentials = _read_credentials(incoming)

    def make(self, method: str, params: dict[str, JSON]) -> str:
        """Return the link to a method with some params."""
        credentials: _Credentials = getattr(self._here, "credentials", (USER, CODE))
        query = base64.b64encode(urlencode(params).encode()).decode()
        token = f"disk|{query}|{self._sign(method, query, credentials)}"
        if len(credentials) == 1:
            return f"{self.origin()}/rest/{method}.json?{urlencode({'auth': credentials[0], 'token': token})}"
        return f"{self.origin()}/rest/{'/'.join(map(quote, credentials))}/{method}/?{urlencode({'token': token})}"

    def follow(self, incoming: Incoming, upload: Upload | None) -> Answer:
        """Execute the method that a link leads to.

        Raises:
            PortalError: The link was changed or made for other credentials, or the method refused it.
        """
        method = incoming.request.method
        scope, query, signature, *_ = [*to_text(incoming.request.params.get("token")).split("|"), "", "", ""]
        wanted = self._sign(method, query, _read_credentials(incoming))
        if scope != "disk" or not hmac.compare_digest(signature.encode(), wanted.encode()):
            _refuse()
        params = Params(to_mapping(received(parse_str(base64.b64decode(query).decode()))))
        return self.dispatcher.run_alone(method, params, partial(self._follow[method], params, upload))

    def _sign(self, method: str, query: str, credentials: _Credentials) -> str:
        signed = "|".join((method, "disk", query, *credentials)).encode("utf-8", "surrogateescape")
        return base64.b64encode(hmac.digest(self._key, signed, hashlib.sha256)).decode()


def _refuse(params: Params | None = None) -> NoReturn:
    del params
    raise PortalError("ACCESS_DENIED", "Access denied! Link check failed", http_status=403)


def _read_credentials(incoming: Incoming) -> _Credentials:
    token = find_token(incoming.request)
    return (to_text(incoming.user), to_text(incoming.code)) if token in ("", "0") else (token,)
