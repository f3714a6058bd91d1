"""The parts of a session, and what it makes of them: requests, runs and lanes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.commands import Command
from b24batch.calls.methods import is_read
from b24batch.options import Settings, to_concurrency, to_flag, to_request_id
from b24batch.redaction import redact_urllib3_log
from b24batch.results.last_result import LastResult, NotKept
from b24batch.runs.operating import OperatingTime
from b24batch.runs.requests import Requests
from b24batch.runs.run import Run
from b24batch.wire.auth import Auth, refuse_http
from b24batch.wire.checks import to_wait
from b24batch.wire.connections import Connections
from b24batch.wire.rate import Limiter
from b24batch.wire.repeats import refuse_repeats
from b24batch.wire.reports import FinishedRequest
from b24batch.wire.retries import RetryPolicy
from b24batch.wire.transport import Transport

if TYPE_CHECKING:
    import os

    import requests

    from b24batch.clock import Clock, Wait
    from b24batch.runs.lanes import Lanes
    from b24batch.runs.progress import MakeBar
    from b24batch.runs.run_journal import RunJournal

_Kind = TypeVar("_Kind")
_Group = TypeVar("_Group", bound=list[JsonValue])


class _Option(Generic[_Kind]):
    """A read-only attribute with the value of an option."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, session: Any, owner: type) -> _Kind:
        return cast("_Kind", self if session is None else getattr(session._settings, self._name))


class Parts:
    """What a `Session` consists of. Each option is a read-only attribute."""

    __slots__ = ("__weakref__", "_last", "_operating", "_settings", "_transport")
    _settings: Settings
    _transport: Transport
    _operating: OperatingTime
    _last: LastResult

    timeout: _Option[tuple[float, float]] = _Option()
    deadline: _Option[float] = _Option()
    max_answer: _Option[int] = _Option()
    retries: _Option[RetryPolicy] = _Option()
    clock: _Option[Clock] = _Option()
    limits: _Option[Limiter | None] = _Option()
    max_wait: _Option[float | None] = _Option()
    operating_wait: _Option[float] = _Option()
    concurrency: _Option[int] = _Option()
    idempotent_methods: _Option[frozenset[str]] = _Option()
    allow_http: _Option[bool] = _Option()
    http: _Option[requests.Session | None] = _Option()
    on_wait: _Option[Callable[[Wait], None] | None] = _Option()
    on_request: _Option[Callable[[FinishedRequest], None] | None] = _Option()
    redact_urllib3_log: _Option[bool] = _Option()

    def _assemble(self, settings: Settings, transport: Transport, operating: OperatingTime, last: LastResult) -> None:
        self._settings, self._transport, self._operating, self._last = settings, transport, operating, last
        if not self.allow_http:
            refuse_http(self.auth)
        if self.http is not None:
            refuse_repeats(self.http, self.auth.access().endpoint)
        if self.redact_urllib3_log:
            redact_urllib3_log()

    @property
    def auth(self) -> Auth:
        """The credentials."""
        return self._transport.auth

    def _copy_with(self, settings: Settings) -> Self:
        """Return a session with other settings, over the same connections unless these are others."""
        wire, operating = self._transport, self._operating
        connections = wire.connections
        if settings.http is not self.http:
            connections = Connections(settings.clock.monotonic, settings.http)
        if settings.clock is not self.clock:
            operating = OperatingTime(settings.clock)
        sibling = object.__new__(type(self))
        transport = Transport(wire.auth, connections, settings, wire.counts)
        sibling._assemble(settings, transport, operating, self._last)
        return sibling

    def _start(
        self,
        wanted: Collection[str] | None,
        *,
        concurrency: int | None,
        journal: str | os.PathLike[str] | RunJournal | None,
        stop_after: float | None,
        halt_on_error: bool,
        stop_on_error: bool,
        request_id: str | None,
    ) -> Run:
        """Return a run whose references may lead to the commands in `wanted`; None: to the last 50."""
        session, lanes = self._with_lanes(concurrency)
        make: Callable[..., Run] = Run
        if lanes is not None:
            from b24batch.runs.concurrent_run import ConcurrentRun

            make = partial(ConcurrentRun, lanes=lanes, bounded=wanted is None)
        requests, halt = session._requests(request_id, is_final=False), to_flag("halt_on_error", halt_on_error)
        stop = to_flag("stop_on_error", stop_on_error)
        run = make(requests, session._is_repeatable, halt_on_error=halt, stop_on_error=stop)
        run.answered.wanted = wanted
        if stop_after is not None:
            run.requests.ends = self.clock.monotonic() + to_wait("stop_after", stop_after)
        if journal is not None:
            from b24batch.journal.given import to_journal

            run.requests.journal = to_journal(journal)
        return run

    def _with_lanes(self, concurrency: int | None) -> tuple[Self, Lanes | None]:
        """Return lanes for so many requests at once, and a session that uses them; None for one after the other."""
        most = self.concurrency if concurrency is None else to_concurrency(concurrency)
        if most == 1:
            return self, None
        from b24batch.runs.lanes import Lanes

        lanes = Lanes(most, self.clock, self.on_wait, self.on_request)
        on_request = None if self.on_request is None else lanes.announce
        settings = attrs.evolve(self._settings, on_wait=lanes.announce, on_request=on_request)
        return self._copy_with(settings), lanes

    def _aside(self) -> Self:
        """Return a copy of this session whose runs leave `last_result` as it is."""
        sibling = object.__new__(type(self))
        sibling._assemble(self._settings, self._transport, self._operating, NotKept())
        return sibling

    def _requests(self, request_id: str | None, *, is_final: bool = True) -> Requests:
        longest_wait = self.operating_wait if self.max_wait is None else min(self.operating_wait, self.max_wait)
        wanted = to_request_id(request_id)
        return Requests(self._transport, self._operating, wanted, longest_wait, is_final=is_final)

    def _show_progress(
        self, progress: bool | MakeBar | None, unit: str, total: int | None = None
    ) -> tuple[Self, Callable[[Iterable[_Group]], Iterable[_Group]]]:
        """Return the session to use, and a function that shows the progress of the outcomes it is given."""
        if progress is None or progress is False:
            return self, iter
        from b24batch.runs.progress import Progress, choose_bar_maker

        shown = Progress(choose_bar_maker(progress), unit, total, self.clock, self.on_wait)
        return self._copy_with(attrs.evolve(self._settings, on_wait=shown.on_wait)), shown.over

    def _is_repeatable(self, command: Command) -> bool:
        method = command.method
        return command.idempotent or is_read(method) or method.casefold() in self.idempotent_methods
