"""What a portal remembers of the requests it got and the commands it ran."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from b24batch.sandbox.php_values import JSON, received


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


@attrs.frozen
class Executed:
    """A command that took effect: its method in lower case, and its params, references replaced."""

    method: str
    params: dict[JSON, JSON]


@attrs.define
class Journal:
    """Both lists, in order; nothing is kept when ``record`` is false."""

    record: bool = True
    requests: list[Request] = attrs.field(factory=list)
    executed: list[Executed] = attrs.field(factory=list)

    def note_request(self, request: Request) -> None:
        """Remember a request that came in."""
        if self.record:
            self.requests.append(request)

    def note_executed(self, method: str, params: Mapping[JSON, JSON]) -> None:
        """Remember a command that took effect; the params are copied."""
        if self.record:
            self.executed.append(Executed(method, {key: received(value) for key, value in params.items()}))
