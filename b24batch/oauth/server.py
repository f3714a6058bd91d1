"""The OAuth server: one POST that turns a code or a refresh token into a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeAlias

import attrs

from b24batch.clock import Clock
from b24batch.errors import AnswerLost, SdkError, TokenRefreshError, UsageError
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret, masked, to_secret
from b24batch.wire.addresses import HttpAddress, http_address, is_loopback
from b24batch.wire.answers import json_object, text_of
from b24batch.wire.connections import Connections, Post, Reply

#: Where every portal's tokens come from, self-hosted portals included.
TOKEN_URL = "https://oauth.bitrix24.tech/oauth/token/"
#: Seconds to connect, and between two bytes of an answer.
TIMEOUT = (5.0, 10.0)
_MOST_BYTES = 1_000_000
AGAIN = "the application has to be authorised again"
SPENT = "invalid_grant"
_LATER = "can be tried again later"
_TOO_MANY = 429
#: Refusals that pass; the first two are those of RFC 6749, section 4.1.2.1.
_TEMPORARY = ("temporarily_unavailable", "server_error", "query_limit_exceeded")


def _to_address(url: object) -> HttpAddress:
    address = http_address(url) if isinstance(url, str) else "is no text"
    if isinstance(address, str):
        raise UsageError(f"the token_url {address}")
    if address.scheme != "https" and not is_loopback(address.host):
        raise UsageError(f"http would show the client_secret to the network: use https for {address.host}")
    return address


def _to_client_id(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError("a client_id is text, such as local.5f0c1d2e3a4b57.12345678")
    return value


#: Takes a token in.
Keep: TypeAlias = Callable[[Token], object]


@attrs.frozen(eq=False, repr=False)
class TokenServer:
    """Where an application gets its tokens.

    Attributes:
        client_id: Of the application.
        client_secret: Of the application.
        address: The token endpoint. The OAuth server of Bitrix24 documents a GET; a POST works as well, and keeps the
            secrets out of the address.
        clock: What tells when a token expires.
        timeout: Seconds to connect, and between two bytes of an answer: all who need the token wait for it.
        deadline: Seconds for a whole request.
    """

    client_id: str = attrs.field(converter=_to_client_id)
    client_secret: Secret = attrs.field(converter=to_secret)
    address: HttpAddress = attrs.field(converter=_to_address)
    clock: Clock
    timeout: tuple[float, float] = TIMEOUT
    deadline: float = 15.0

    def token(self, grant: Mapping[str, Secret], connections: Connections, keep: Keep = lambda _: None) -> Token:
        """Return the token that a grant is worth; asked a second time when the answer is lost.

        Args:
            grant: ``grant_type`` and the code or the refresh token.
            connections: What the request travels on.
            keep: Called with the token, also when Ctrl-C or another interrupt comes once the server has answered;
                called again with the same one when it comes inside. What it raises is raised.

        Raises:
            NotSent: The server could not be reached; the grant is as good as before.
            TokenRefreshError: It refused, or, when `temporary`, it fails: the grant may be used up, or good yet.
        """
        try:
            return self._ask(grant, connections, keep)
        except AnswerLost as lost:
            first = lost
        try:
            return self._ask(grant, connections, keep)
        except SdkError as error:
            second = error
        lost_first = f"an answer of the OAuth server was lost ({first.description}), and when it was asked again"
        if isinstance(second, TokenRefreshError):
            second.description = f"{lost_first}: {second.description}"
            raise second
        raise TokenRefreshError(
            f"{lost_first}: {second.description}; perhaps the token was renewed and lost, perhaps not: it {_LATER}",
            code="TOKEN_ANSWER_LOST",
            http_status=second.http_status,
            temporary=True,
        )

    def _ask(self, grant: Mapping[str, Secret], connections: Connections, keep: Keep) -> Token:
        reply: Reply | None = None
        try:
            reply = self._post(grant, connections)
            return self._kept(reply, grant, keep)
        except SdkError as error:
            failure = error
        except BaseException as interrupt:
            if reply is not None:
                with suppress(SdkError):
                    self._kept(reply, grant, keep)
            interrupt.__context__ = None
            # The frames of its traceback below this one hold the secrets.
            raise interrupt.with_traceback(None) from None
        raise failure

    def _kept(self, reply: Reply, grant: Mapping[str, Secret], keep: Keep) -> Token:
        with reply:
            # What came back holds tokens: it is the local of no frame that an error may be raised from.
            outcome = self._outcome(reply.status, reply.content, grant)
            if isinstance(outcome, SdkError):
                raise outcome
            keep(outcome)
            return outcome

    def _outcome(self, status: int, content: bytes, grant: Mapping[str, Secret]) -> Token | SdkError:
        fields = json_object(content)
        if fields is None:
            return AnswerLost(f"its answer (HTTP {status}) is not JSON", http_status=status)
        code = fields.get("error")
        if isinstance(code, str) and code and status < 500:
            return self._refusal(code, text_of(fields.get("error_description")), status, grant)
        try:
            return Token.from_answer(fields, self.clock.time())
        except UsageError as unusable:
            return AnswerLost(f"in its answer (HTTP {status}) {unusable.description}", http_status=status)

    def _refusal(self, code: str, said: str, status: int, grant: Mapping[str, Secret]) -> TokenRefreshError:
        temporary = status == _TOO_MANY or code.casefold() in _TEMPORARY
        if code.casefold() == SPENT and "refresh_token" in grant:
            return spent(http_status=status)
        reason = self._masked(said, grant) or "the OAuth server refuses"
        description = f"{reason}; it {_LATER}" if temporary else f"{reason}; {AGAIN}"
        code = self._masked(code, grant)
        return TokenRefreshError(description, code=code, http_status=status, temporary=temporary)

    def _masked(self, text: str, grant: Mapping[str, Secret]) -> str:
        return masked(text, (self.client_secret, *(grant[name] for name in grant if name != "grant_type")))

    def _post(self, grant: Mapping[str, Secret], connections: Connections) -> Reply:
        post = Post(self.address.url, self._fields(grant), {}, self.timeout, self.deadline, _MOST_BYTES)
        return connections.post(post)

    def _fields(self, grant: Mapping[str, Secret]) -> dict[str, str]:
        secrets = {"client_secret": self.client_secret, **grant}
        return {"client_id": self.client_id} | {name: secret.reveal() for name, secret in secrets.items()}


def spent(http_status: int | None = None) -> TokenRefreshError:
    """Return what to raise for a token without a refresh token that is worth something, asked for it or not."""
    reason = "there is no refresh token, or it is used up, expired or revoked"
    return TokenRefreshError(f"{reason}; {AGAIN}", code=SPENT, http_status=http_status)
