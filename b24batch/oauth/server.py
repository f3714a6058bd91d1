"""An OAuth server: one POST that exchanges a code or a refresh token for a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeAlias

import attrs

from b24batch.clock import Clock
from b24batch.errors import AnswerLost, SdkError, TokenRefreshError, UsageError
from b24batch.oauth.servers import Server, TokenUrls, find_servers, to_token_urls
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret, mask, to_secret
from b24batch.wire.answers import decode_object, to_text
from b24batch.wire.connections import Connections
from b24batch.wire.messages import Post, Reply

#: Seconds to connect, and seconds between two bytes of an answer.
TIMEOUT = (5.0, 10.0)
_MOST_BYTES = 1_000_000
AGAIN = "the application has to be authorised again"
SPENT = "invalid_grant"
_LATER = "can be tried again later"
_TOO_MANY = 429
#: Temporary refusals; the first two are from RFC 6749, section 4.1.2.1.
_TEMPORARY = ("temporarily_unavailable", "server_error", "query_limit_exceeded")


def _to_client_id(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError("client_id: expected a string such as local.5f0c1d2e3a4b57.12345678")
    return value


#: ``grant_type`` and the code or the refresh token.
Grant: TypeAlias = Mapping[str, Secret]
#: Stores a new token.
Keep: TypeAlias = Callable[[Token], object]


@attrs.frozen(eq=False, repr=False)
class TokenServer:
    """The OAuth servers from which an application gets its tokens.

    Attributes:
        client_id: The application's id.
        client_secret: The application's secret.
        urls: The addresses that the caller gave; see `find_servers`.
        clock: The clock that expiry times count from.
        timeout: Seconds to connect, and seconds between two bytes of an answer. Calls that need the token wait for it.
        deadline: Seconds for the whole request.
    """

    client_id: str = attrs.field(converter=_to_client_id)
    client_secret: Secret = attrs.field(converter=to_secret)
    urls: TokenUrls = attrs.field(converter=to_token_urls)
    clock: Clock
    timeout: tuple[float, float] = TIMEOUT
    deadline: float = 15.0

    def find(self, token: Token) -> list[Server]:
        """Return the servers to ask in turn for the next token; raise `UsageError` if its server is unknown."""
        return find_servers(token.server_endpoint, token.address.host, self.urls)

    def exchange(
        self, grant: Grant, connections: Connections, keep: Keep = lambda _: None, *, at: Server | None = None
    ) -> Token:
        """Exchange a grant for a token; the request is repeated once if the answer is lost.

        Args:
            grant: ``grant_type`` and the code or the refresh token.
            connections: The connections to use.
            keep: Called with the token, even if Ctrl-C or another interrupt arrives after the server has answered.
                If it arrives during the call, `keep` is called again with the same token. Its exceptions propagate.
            at: The server to ask. Default: the one that `find_servers` puts first. The token names it, unless the
                answer names another one that is known.

        Raises:
            NotSent: The server is unreachable. The grant is still unused.
            TokenRefreshError: The server refused, or, if `temporary`, failed: the grant may or may not be used up.
        """
        at = at or find_servers(None, "", self.urls)[0]
        try:
            return self._ask(grant, connections, at, keep)
        except AnswerLost as lost:
            first = lost
        try:
            return self._ask(grant, connections, at, keep)
        except SdkError as error:
            second = error
        lost_first = f"the answer of the OAuth server was lost ({first.description}); on the second attempt"
        if isinstance(second, TokenRefreshError):
            second.description = f"{lost_first}: {second.description}"
            raise second
        raise TokenRefreshError(
            f"{lost_first}: {second.description}; perhaps a new token was issued and lost; it {_LATER}",
            code="TOKEN_ANSWER_LOST",
            http_status=second.http_status,
            temporary=True,
        )

    def _ask(self, grant: Grant, connections: Connections, at: Server, keep: Keep) -> Token:
        reply: Reply | None = None
        try:
            reply = self._post(grant, connections, at)
            return self._keep(reply, grant, at, keep)
        except SdkError as error:
            failure = error
        except BaseException as interrupt:
            if reply is not None:
                with suppress(SdkError):
                    self._keep(reply, grant, at, keep)
            interrupt.__context__ = None
            # The frames of its traceback below this one hold the secrets.
            raise interrupt.with_traceback(None) from None
        raise failure

    def _keep(self, reply: Reply, grant: Grant, at: Server, keep: Keep) -> Token:
        with reply:
            # The answer contains tokens: it must not be a local of a frame that an error is raised from.
            outcome = self._read(reply, grant, at)
            if isinstance(outcome, SdkError):
                raise outcome
            keep(outcome)
            return outcome

    def _with_server(self, token: Token, at: Server) -> Token:
        """Return a token that names a known server; if the answer names none, it is the one that answered."""
        with suppress(UsageError):
            if token.server_endpoint is not None and self.find(token):
                return token
        return attrs.evolve(token, server_endpoint=at.endpoint)

    def _read(self, reply: Reply, grant: Grant, at: Server) -> Token | SdkError:
        status, fields = reply.status, decode_object(reply.content)
        if fields is None:
            return AnswerLost(f"its answer (HTTP {status}) is not JSON", http_status=status)
        code = fields.get("error")
        if isinstance(code, str) and code and status < 500:
            return self._refusal(code, to_text(fields.get("error_description")), status, grant)
        try:
            return self._with_server(Token.from_answer(fields, self.clock.time()), at)
        except UsageError as unusable:
            return AnswerLost(f"its answer (HTTP {status}) is unusable: {unusable.description}", http_status=status)

    def _refusal(self, code: str, said: str, status: int, grant: Grant) -> TokenRefreshError:
        temporary = status == _TOO_MANY or code.casefold() in _TEMPORARY
        if code.casefold() == SPENT and "refresh_token" in grant:
            return spent_error(http_status=status)
        reason = self._mask(said, grant) or "the OAuth server refused"
        description = f"{reason}; it {_LATER}" if temporary else f"{reason}; {AGAIN}"
        code = self._mask(code, grant)
        return TokenRefreshError(description, code=code, http_status=status, temporary=temporary)

    def _mask(self, text: str, grant: Grant) -> str:
        return mask(text, (self.client_secret, *(grant[name] for name in grant if name != "grant_type")))

    def _post(self, grant: Grant, connections: Connections, at: Server) -> Reply:
        # Bitrix24 documents a GET; a POST works too, and keeps the secrets out of the URL.
        post = Post(at.url.url, self._make_fields(grant), {}, self.timeout, self.deadline, _MOST_BYTES)
        return connections.post(post)

    def _make_fields(self, grant: Grant) -> dict[str, str]:
        secrets = {"client_secret": self.client_secret, **grant}
        return {"client_id": self.client_id} | {name: secret.reveal() for name, secret in secrets.items()}


def spent_error(http_status: int | None = None) -> TokenRefreshError:
    """Return the error for a token without a valid refresh token, as the server says or as is known without it."""
    reason = "there is no refresh token, or it is used up, expired or revoked"
    return TokenRefreshError(f"{reason}; {AGAIN}", code=SPENT, http_status=http_status)
