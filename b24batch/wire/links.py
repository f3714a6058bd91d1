"""Links: addresses in a portal's answers that a file is downloaded from, or uploaded to."""

from __future__ import annotations

from typing import Self
from urllib.parse import parse_qsl

import attrs
from requests.utils import requote_uri

from b24batch.errors import UsageError
from b24batch.redaction import Secret
from b24batch.wire.addresses import parse_address
from b24batch.wire.answers import Answer, Decoder
from b24batch.wire.auth import Access, Auth
from b24batch.wire.messages import Post, Reply
from b24batch.wire.settings import WireSettings
from b24batch.wire.transport import Exchange

#: Characters of a part of a path that may be a secret; shorter ones are words.
_LONG = 16
_EXPECTED = "url: expected a link from an answer of the portal"


@attrs.frozen
class Link:
    """A link to a portal. It may contain a secret, which appears in no message.

    Attributes:
        url: The absolute URL.
        origin: Its scheme and host.
        secrets: The values in its query, and the long parts of its path.
    """

    url: Secret
    origin: str
    secrets: tuple[Secret, ...]

    @classmethod
    def of(cls, auth: Auth, url: Secret) -> Self:
        """Return a link to the portal that `auth` is for.

        Args:
            auth: The credentials of the portal.
            url: An http or https URL, or a path that begins with a slash.

        Raises:
            UsageError: The link is invalid, leads to another host, or would be sent unencrypted.
        """
        head, _, query = _to_absolute(auth, url).partition("?")
        query = requote_uri(query.partition("#")[0])
        address = parse_address(requote_uri(head))
        if isinstance(address, str):
            raise UsageError(f"{_EXPECTED}; this one {address}")
        if address.host != auth.host:
            problem = f"this one leads to {address.host}, where the portal's credentials are not needed: use requests"
            raise UsageError(f"{_EXPECTED}, {auth.host}; {problem}")
        if address.scheme != auth.scheme and auth.scheme == "https":
            raise UsageError(f"{_EXPECTED} with https; this one would send its secret unencrypted")
        absolute = Secret(f"{address.url}?{query}" if query else address.url)
        return cls(absolute, f"{address.scheme}://{address.host}/", _find_secrets(address.path, query))


def _find_secrets(path: str, query: str) -> tuple[Secret, ...]:
    values = [value or name for name, value in parse_qsl(query, keep_blank_values=True)]
    parts = [part.removeprefix("~") for part in path.split("/") if len(part) >= _LONG or part.startswith("~")]
    return tuple(map(Secret, [*values, *parts]))


def _to_absolute(auth: Auth, url: Secret) -> str:
    text: object = url.reveal()
    if not isinstance(text, str) or not text:
        given = "an empty text" if text == "" else type(text).__name__
        raise UsageError(f"{_EXPECTED}, got {given}")
    origin = f"{auth.scheme}:" if text.startswith("//") else f"{auth.scheme}://{auth.host}"
    return f"{origin}{text}" if text.startswith("/") else text


@attrs.define(eq=False)
class LinkExchange(Exchange):
    """A request to a link and its attempts. It needs no token, so none is added or renewed.

    Attributes:
        link: The link.
        post: The request.
    """

    link: Link = attrs.field(kw_only=True)
    post: Post = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.renewals.most = 0

    def send(self, *, repeatable: bool) -> Answer:
        """Send the request, again where that is safe, and return the answer.

        Raises:
            SdkError: The error of the last attempt.
        """
        settings = self.transport.settings
        retry = settings.retries.retrying(repeatable=repeatable, max_wait=settings.max_wait, sleep=self.pause)
        try:
            return retry(self.attempt)
        finally:
            self.reports.check()

    def _make_post(self, access: Access) -> Post:
        headers = {"X-Request-ID": self.request_id, **self.post.headers}
        return attrs.evolve(self.post, headers=headers, public_only=access.public_only)

    def _open(self, reply: Reply, access: Access) -> Answer:
        secrets = (*access.secrets, *self.link.secrets)
        decoder = Decoder(reply, self.method, self.request_id, secrets)
        return decoder.decode(self.transport.settings.clock.time())


def make_post(link: Link, settings: WireSettings) -> Post:
    """Return a request to a link, to be completed with ``attrs.evolve``."""
    return Post(link.url.reveal(), None, {}, settings.timeout, settings.deadline, settings.max_answer)
