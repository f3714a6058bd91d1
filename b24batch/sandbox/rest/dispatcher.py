"""From a method's name and params to its answer, for direct calls and for the commands of a batch."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection
from typing import TypeVar

import attrs

from b24batch.sandbox.clocks import Clock
from b24batch.sandbox.journal import Journal
from b24batch.sandbox.php.values import FALSY, JSON, answered, is_list, received, to_int, to_mapping
from b24batch.sandbox.rest import batch as batches
from b24batch.sandbox.rest.operating import OperatingTime
from b24batch.sandbox.rest.time_blocks import TimeBlocks
from b24batch.sandbox.server.answers import Page, PortalError


class Params(dict[JSON, JSON]):
    """What a handler gets: the decoded params, the page asked for in ``start``, and whether a webhook calls.

    Keys are int or str as PHP has them; nested maps with the keys 0..n-1 are lists, empty ones too.
    """

    start: int = 0
    by_webhook: bool = False


#: A method's code: decoded params in, a JSON value or a `Page` out; it may raise `PortalError`.
Handler = Callable[[Params], JSON]

_Made = TypeVar("_Made")


@attrs.define
class Dispatcher:
    """Runs methods one at a time; names are matched without case."""

    clock: Clock
    journal: Journal
    operating: OperatingTime
    _handlers: dict[str, Handler] = attrs.field(factory=dict, init=False)
    _install: Callable[[], None] | None = attrs.field(default=None, init=False)
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False)
    _times: TimeBlocks = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Take the time from the clock."""
        self._times = TimeBlocks(self.clock.time)

    def add(self, method: str, handler: Handler) -> None:
        """Add a method, or replace the one with this name."""
        with self._lock:
            self._handlers[method.lower()] = handler

    def add_when_needed(self, install: Callable[[], None]) -> None:
        """Let methods be added as soon as one is asked for that was not; they replace none.

        To add the hundreds of built-in ones takes longer than most tests do.
        """
        self._install = install

    def names(self) -> list[str]:
        """Return the names of all methods."""
        self._add_all()
        return ["batch", *self._handlers]

    def _add_all(self) -> None:
        with self._lock:
            install, self._install = self._install, None
            if install is not None:
                replacing, self._handlers = self._handlers, {}
                install()
                self._handlers |= replacing

    def _get(self, name: str) -> Handler | None:
        if name not in self._handlers and name != "batch":
            self._add_all()
        return self._handlers.get(name)

    def call(
        self, method: str, params: dict[JSON, JSON], credentials: Collection[str] = ()
    ) -> tuple[int, dict[str, JSON]]:
        """Run one request and return its HTTP status and its envelope.

        Params that are named in ``credentials`` reach no method, neither directly nor in the commands of a batch.
        """
        with self._lock:
            return self._attempt(method, params, credentials)

    def run_alone(self, name: str, params: Params, run: Callable[[], _Made]) -> _Made:
        """Run what a signed link leads to; like any method alone, and recorded."""
        with self._lock:
            made = run()
            self.journal.note_executed(name, params)
        return made

    def _attempt(
        self, method: str, params: dict[JSON, JSON], credentials: Collection[str]
    ) -> tuple[int, dict[str, JSON]]:
        name = method.lower()
        params = {key: value for key, value in params.items() if key not in credentials}
        try:
            handler = self._find(name, params)
            return 200, self._run(name, handler, params, credentials) if handler else self._batch(params, credentials)
        except PortalError as refusal:
            return refusal.http_status, refusal.envelope()

    def _batch(self, params: dict[JSON, JSON], credentials: Collection[str]) -> dict[str, JSON]:
        began = self.clock.time()
        maps = batches.run(params, lambda method, inner: self._attempt(method, inner, credentials)[1])
        return {"result": maps, "time": self._times.block(began) | self.operating.charge("batch")}

    def _find(self, name: str, params: dict[JSON, JSON]) -> Handler | None:
        """Return a method's code, and None for ``batch``; a token means a signed link, which does not exist here."""
        handler = self._get(name)
        signed = params.get("token") is not None
        if handler is None and (signed or name != "batch"):
            raise _make_not_found(name)
        if signed:
            raise PortalError("ACCESS_DENIED", "Access denied! Link check failed", http_status=403)
        return handler

    def look_up(self, method: str) -> None:
        """Make sure that there is such a method.

        Raises:
            PortalError: 404 ``ERROR_METHOD_NOT_FOUND``.

        """
        if method != "batch" and self._get(method) is None:
            raise _make_not_found(method)

    def _run(
        self, name: str, handler: Handler, params: dict[JSON, JSON], credentials: Collection[str]
    ) -> dict[str, JSON]:
        self.operating.check(name)
        began = self.clock.time()
        cleaned = _clean(params)
        cleaned.by_webhook = "ap" in credentials
        envelope = _make_envelope(handler(cleaned))
        self.journal.note_executed(name, params)
        if "error" not in envelope:
            envelope["time"] = self._times.block(began) | self.operating.charge(name)
        return envelope


def _clean(params: dict[JSON, JSON]) -> Params:
    """Take away what the core keeps for itself; a ``start`` that is null stays."""
    cleaned = Params((key, received(value)) for key, value in params.items() if key != "state")
    if cleaned.get("start") is not None:
        cleaned.start = to_int(cleaned.pop("start"))
    return cleaned


def _make_not_found(method: str) -> PortalError:
    """Word the error for whoever tests with a method that a portal may well have."""
    hint = f" The sandbox lacks it: add it with @portal.method({json.dumps(method, ensure_ascii=False)})"
    known = method in ("", "batch")
    return PortalError("ERROR_METHOD_NOT_FOUND", f"Method not found!{'' if known else hint}", http_status=404)


def _make_envelope(value: JSON) -> dict[str, JSON]:
    """Wrap a result; ``next`` and ``total`` move out of it, an error object stays unwrapped."""
    page = value if isinstance(value, Page) else Page(value)
    result = answered(page.rows)
    found = {"next": page.next, "total": page.total}
    envelope = {"result": result, **{name: number for name, number in found.items() if number is not None}}
    if not isinstance(result, dict):
        return envelope
    if not any(result.get(name) in FALSY for name in ("error", "error_description")):
        return result
    return envelope | _lift(result)


def _lift(result: dict[JSON, JSON]) -> dict[str, JSON]:
    # The portal asks for ``next`` with isset, which null does not pass, and whether there is a ``total`` at all.
    named = [name for name in ("next", "total") if name in result and (name, result[name]) != ("next", None)]
    lifted = {name: to_int(result[name]) for name in named}
    if not lifted:
        return {}
    rest = {key: value for key, value in to_mapping(result).items() if key not in lifted}
    return {"result": list(rest.values()) if is_list(rest) else rest, **lifted}
