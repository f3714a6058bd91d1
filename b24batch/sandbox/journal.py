"""What a portal remembers of the requests it got and the commands it ran."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import attrs

from b24batch.sandbox.php.values import JSON, received
from b24batch.sandbox.server.answers import Answer


@attrs.frozen
class Request:
    """One HTTP request as the portal understood it.

    Attributes:
        method: The REST method in lower case, without a ``.json`` suffix; empty when the address named none.
        params: Body and query, decoded and merged; keys are int or str as PHP has them.
        headers: The headers, names in lower case.
        connection: Which TCP connection it came by: 1, 2, ...
        verb: The HTTP verb.

    """

    method: str
    params: dict[JSON, JSON]
    headers: Mapping[str, str]
    connection: int
    verb: str


@attrs.frozen(eq=False)
class TokenRequest:
    """One HTTP request for tokens; what is secret in it does not show.

    Attributes:
        params: Body and query, decoded and merged.
        verb: The HTTP verb.
        query: The query as it came, empty when there was none.
        status: The HTTP status of the answer; None as long as there is none, and when none is sent.
        error: The code in the answer; None when it is no error in JSON.

    """

    params: dict[str, str] = attrs.field(repr=False)
    verb: str
    query: str = attrs.field(repr=False)
    status: int | None = None
    error: str | None = None


@attrs.frozen
class Executed:
    """A command that took effect: its method in lower case, and its params, references replaced."""

    method: str
    params: dict[JSON, JSON]


@attrs.define
class Journal:
    """The lists, in order; nothing is kept when ``record`` is false."""

    record: bool = True
    requests: list[Request] = attrs.field(factory=list)
    executed: list[Executed] = attrs.field(factory=list)
    token_requests: list[TokenRequest] = attrs.field(factory=list)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def note_request(self, request: Request) -> None:
        """Remember a request that came in."""
        if self.record:
            self.requests.append(request)

    def note_executed(self, method: str, params: Mapping[JSON, JSON]) -> None:
        """Remember a command that took effect; the params are copied."""
        if self.record:
            self.executed.append(Executed(method, {key: received(value) for key, value in params.items()}))

    def note_token_request(self, request: TokenRequest) -> None:
        """Remember a request for tokens that came in."""
        if self.record:
            self.token_requests.append(request)

    def note_token_answer(self, request: TokenRequest, answer: Answer) -> None:
        """Put what is answered beside the request, unless somebody has emptied the list since."""
        if answer.travel.part == "nothing":
            return
        answered = attrs.evolve(request, status=answer.status, error=answer.envelope().get("error"))
        with self._lock:
            if request in self.token_requests:
                self.token_requests[self.token_requests.index(request)] = answered
