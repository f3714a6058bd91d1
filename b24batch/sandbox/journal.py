"""The portal's record of the requests that it received and the commands that it executed."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import attrs

from b24batch.sandbox.php.values import JSON, received
from b24batch.sandbox.server.answers import Answer


@attrs.frozen
class Request:
    """One HTTP request as the portal decoded it.

    Attributes:
        method: The REST method in lower case, without a ``.json`` suffix; empty if the address named none.
        params: Body and query, decoded and merged; keys are int or str, as in PHP.
        headers: The headers, with names in lower case.
        connection: The number of the TCP connection: 1, 2, ...
        verb: The HTTP verb.

    """

    method: str
    params: dict[JSON, JSON]
    headers: Mapping[str, str]
    connection: int
    verb: str


@attrs.frozen(eq=False)
class TokenRequest:
    """One HTTP request for tokens; its repr hides the secrets.

    Attributes:
        params: Body and query, decoded and merged.
        verb: The HTTP verb.
        query: The query as received, empty if there was none.
        status: The HTTP status of the answer; None before an answer is sent, or if none is sent.
        error: The error code in the answer; None if the answer is not a JSON error.
        server: The host of the OAuth server that was asked, as tokens name it.

    """

    params: dict[str, str] = attrs.field(repr=False)
    verb: str
    query: str = attrs.field(repr=False)
    status: int | None = None
    error: str | None = None
    server: str = ""


@attrs.frozen
class Executed:
    """A command that took effect: its method in lower case, and its params with references replaced."""

    method: str
    params: dict[JSON, JSON]


@attrs.define
class Journal:
    """The recorded lists, in order; nothing is recorded if ``record`` is false."""

    record: bool = True
    requests: list[Request] = attrs.field(factory=list)
    executed: list[Executed] = attrs.field(factory=list)
    token_requests: list[TokenRequest] = attrs.field(factory=list)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def note_request(self, request: Request) -> None:
        """Record a request."""
        if self.record:
            self.requests.append(request)

    def note_executed(self, method: str, params: Mapping[JSON, JSON]) -> None:
        """Record a command that took effect; the params are copied."""
        if self.record:
            self.executed.append(Executed(method, {key: received(value) for key, value in params.items()}))

    def note_token_request(self, request: TokenRequest) -> None:
        """Record a request for tokens."""
        if self.record:
            self.token_requests.append(request)

    def note_token_answer(self, request: TokenRequest, answer: Answer) -> None:
        """Add the answer to a recorded request, unless the list has been cleared since."""
        if answer.travel.part == "nothing":
            return
        answered = attrs.evolve(request, status=answer.status, error=answer.envelope().get("error"))
        with self._lock:
            if request in self.token_requests:
                self.token_requests[self.token_requests.index(request)] = answered
