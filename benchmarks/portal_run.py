"""What one client is given by the benchmarks' portal, and what it did."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import attrs
from answers import Answers
from bucket import Bucket
from pages import Stored
from settings import Settings
from workers import Workers

_OK = b"200 OK"
_BUSY = b"503 Service Unavailable"
_BROKEN = b"500 Internal Server Error"
_REFUSAL = b'{"error":"QUERY_LIMIT_EXCEEDED","error_description":"Too many requests"}'


class Reply(NamedTuple):
    """What happens to a request.

    Attributes:
        status: The status line's code and words; empty if the connection is closed instead.
        body: The answer.
        at: When the client gets it, on the clock that the request came by.
    """

    status: bytes
    body: bytes
    at: float


@attrs.define
class PortalRun:
    """A portal with these settings, from the first request of a client to the last.

    Attributes:
        settings: What it is given.
        open: The requests that are on their way now.
        most_open: The most that have been.
    """

    settings: Settings
    requests: int = 0
    refusals: int = 0
    failures: int = 0
    open: int = 0
    most_open: int = 0
    connections: set[int] = attrs.field(factory=set)
    _answers: Answers = attrs.field(init=False)
    _bucket: Bucket = attrs.field(init=False)
    _workers: Workers = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        given = self.settings
        self._answers = Answers(Stored(given.rows, given.kept, given.of))
        self._bucket = Bucket(given.capacity, given.rate)
        self._workers = Workers(given.workers, given.work / 1000)

    def reply(self, path: str, body: bytes, now: float) -> Reply:
        """Take a request that came at this time and return what happens to it."""
        self.requests += 1
        latency = self.settings.latency / 1000
        if not self._bucket.admits(now):
            self.refusals += 1
            return Reply(_BUSY, _REFUSAL, now + latency)
        method = path.strip("/").rpartition("/")[2].removesuffix(".json")
        params = json.loads(body) if body else {}
        done = self._workers.take(now, len(params["cmd"]) if method == "batch" else 1) + latency
        return self._failure(method, params, done) or Reply(_OK, self._answers.answer(method, params), done)

    def counts(self) -> dict[str, object]:
        """Return what the client did."""
        did = {"requests": self.requests, "connections": len(self.connections), "refusals": self.refusals}
        stored = {"commands": self._answers.commands, "added": self._answers.added, "doubled": self._answers.doubled}
        sample = unquote_plus(self._answers.sample)
        return {**did, "at_once": self.most_open, "failures": self.failures, **stored, "sample": sample}

    def begin(self, connection: int) -> None:
        """Note that a request is on its way."""
        self.connections.add(connection)
        self.open += 1
        self.most_open = max(self.most_open, self.open)

    def end(self) -> None:
        """Note that it has been answered, or never will be."""
        self.open -= 1

    def _failure(self, method: str, params: dict[str, Any], done: float) -> Reply | None:
        every = self.settings.fail_every
        if not every or (self.requests - self.refusals) % every:
            return None
        self.failures += 1
        if self.settings.failure == "error":
            return Reply(_BROKEN, b"<html><body>500 Internal Server Error</body></html>", done)
        self._answers.answer(method, params)
        return Reply(b"", b"", done)
