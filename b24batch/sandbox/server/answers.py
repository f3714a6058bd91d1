"""The answers of a method or a portal: a page of rows, an error, or a whole HTTP answer."""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs

from b24batch.sandbox.php import json as php_json
from b24batch.sandbox.php.values import JSON, to_mapping
from b24batch.sandbox.server.travel import USUAL, Travel

#: The headers every answer of the REST address carries.
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "origin, content-type, accept",
    "X-Content-Type-Options": "nosniff",
}


class PortalError(Exception):
    """A refusal by a method: raise it in a handler, or pass it to ``Portal.fail_next``.

    Args:
        code: The value of ``error``; it may be empty, as on a real portal.
        description: The value of ``error_description``.
        http_status: The status of a direct call; not visible in a batch. Default 400.
        extra: More keys for the error object, such as ``argument``.

    """

    def __init__(
        self,
        code: str,
        description: str = "",
        http_status: int = 400,
        *,
        extra: Mapping[str, JSON] | None = None,
    ) -> None:
        """Store the arguments as attributes of the same names."""
        super().__init__(code, description, http_status)
        self.code = code
        self.description = description
        self.http_status = http_status
        self.extra: dict[str, JSON] = dict(extra or {})

    def envelope(self) -> dict[str, JSON]:
        """Return the error object to send."""
        return {"error": self.code, "error_description": self.description, **self.extra}


@attrs.frozen
class Page:
    """A result with ``next`` and ``total``; None omits them."""

    rows: JSON
    next: int | None = None
    total: int | None = None


def _to_bytes(body: bytes | str) -> bytes:
    return body.encode() if isinstance(body, str) else body


@attrs.frozen
class Answer:
    """A whole HTTP answer; text bodies are sent as UTF-8.

    The content type is JSON unless ``headers`` sets another. ``Content-Length`` is added, except with ``Connection:
    close``, when the body ends with the connection, or with ``Transfer-Encoding``, when the body must already be
    encoded that way.

    Args:
        body: The body.
        status: The HTTP status; default 200.
        headers: Headers in addition to those that every answer has.
        travel: How the answer is sent; default as usual.

    """

    body: bytes = attrs.field(converter=_to_bytes)
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    travel: Travel = USUAL

    def head(self) -> dict[str, str]:
        """Return all headers by name, except those that describe the server."""
        headers = {"Content-Type": "application/json; charset=utf-8", **CORS, **self.headers}
        if self.closes or "Transfer-Encoding" in headers:
            return headers
        return {**headers, "Content-Length": str(len(self.body))}

    def envelope(self) -> dict[JSON, JSON]:
        """Return the JSON object in the body; an empty one if there is none."""
        try:
            return to_mapping(json.loads(self.body))
        except ValueError:
            return {}

    @property
    def closes(self) -> bool:
        """Whether the answer says that the connection ends with it."""
        return self.headers.get("Connection", "").lower() == "close"


def refusal(error: PortalError) -> Answer:
    """Return the answer for a refused request."""
    return Answer(php_json.dumps(error.envelope()), error.http_status)


def page(title: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an HTML page, as web servers in front of a portal send it."""
    body = f"<html><body><h1>{title}</h1></body></html>"
    return Answer(body, status, {"Content-Type": "text/html", **(headers or {})})
