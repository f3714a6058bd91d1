"""From a method's name and params to its answer, for direct calls and for the commands of a batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

import attrs

from b24batch.sandbox import batches
from b24batch.sandbox.answers import Page, PortalError
from b24batch.sandbox.clocks import Clock
from b24batch.sandbox.journal import Journal
from b24batch.sandbox.operating import OperatingTime
from b24batch.sandbox.php_values import JSON, answered, intval, is_list, mapping, received
from b24batch.sandbox.time_blocks import TimeBlocks


class Params(dict[JSON, JSON]):
    """What a handler gets: the decoded params, and the page asked for in ``start``.

    Keys are int or str as PHP has them; nested maps with the keys 0..n-1 are lists, empty ones too.
    """

    start: int = 0


#: A method's code: decoded params in, a JSON value or a `Page` out; it may raise `PortalError`.
Handler = Callable[[Params], JSON]

#: The core takes these away before a method sees its params.
_RESERVED = ("start", "state")


@attrs.define
class Dispatcher:
    """Runs methods one at a time; names are matched without case."""

    clock: Clock
    journal: Journal
    operating: OperatingTime
    _handlers: dict[str, Handler] = attrs.field(factory=dict, init=False)
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False)
    _times: TimeBlocks = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Take the time from the clock."""
        self._times = TimeBlocks(self.clock.time)

    def add(self, method: str, handler: Handler) -> None:
        """Put a method in, or in the place of the one that has this name."""
        with self._lock:
            self._handlers[method.lower()] = handler

    def names(self) -> list[str]:
        """Return the names of all methods."""
        return ["batch", *self._handlers]

    def call(
        self, method: str, params: dict[JSON, JSON], credentials: Collection[str] = ()
    ) -> tuple[int, dict[str, JSON]]:
        """Run one request and return its HTTP status and its envelope.

        Params that are named in ``credentials`` reach no method, neither directly nor in the commands of a batch.
        """
        with self._lock:
            return self._attempt(method, params, credentials)

    def _attempt(
        self, method: str, params: dict[JSON, JSON], credentials: Collection[str]
    ) -> tuple[int, dict[str, JSON]]:
        name = method.lower()
        params = {key: value for key, value in params.items() if key not in credentials}
        try:
            return 200, self._batch(params, credentials) if name == "batch" else self._run(name, params)
        except PortalError as refusal:
            return refusal.http_status, refusal.envelope()

    def _batch(self, params: dict[JSON, JSON], credentials: Collection[str]) -> dict[str, JSON]:
        began = self.clock.time()
        maps = batches.run(params, lambda method, inner: self._attempt(method, inner, credentials)[1])
        return {"result": maps, "time": self._times.block(began) | self.operating.charge("batch")}

    def _run(self, name: str, params: dict[JSON, JSON]) -> dict[str, JSON]:
        handler = self._handlers.get(name)
        if handler is None:
            raise PortalError("ERROR_METHOD_NOT_FOUND", "Method not found!", http_status=404)
        if "token" in params:
            raise PortalError("ACCESS_DENIED", "Link check failed", http_status=403)
        self.operating.check(name)
        began = self.clock.time()
        envelope = _envelope(handler(_cleaned(params)))
        self.journal.note_executed(name, params)
        if "error" not in envelope:
            envelope["time"] = self._times.block(began) | self.operating.charge(name)
        return envelope


def _cleaned(params: dict[JSON, JSON]) -> Params:
    cleaned = Params((key, received(value)) for key, value in params.items() if key not in _RESERVED)
    if "start" in params:
        cleaned.start = intval(params["start"])
    return cleaned


def _envelope(value: JSON) -> dict[str, JSON]:
    """Wrap a result; ``next`` and ``total`` move out of it, an error object stays unwrapped."""
    page = value if isinstance(value, Page) else Page(value)
    result = answered(page.rows)
    found = {"next": page.next, "total": page.total}
    envelope = {"result": result, **{name: number for name, number in found.items() if number is not None}}
    if not isinstance(result, dict):
        return envelope
    if result.get("error") and result.get("error_description"):
        return result
    return envelope | _lifted(result)


def _lifted(result: dict[JSON, JSON]) -> dict[str, JSON]:
    lifted = {name: intval(result[name]) for name in ("next", "total") if name in result}
    if not lifted:
        return {}
    rest = {key: value for key, value in mapping(result).items() if key not in lifted}
    return {"result": list(rest.values()) if is_list(rest) else rest, **lifted}
