"""The session: what users hold, wired from all the other modules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NoReturn, Self, TypeVar, Unpack, overload

import attrs

from b24batch.aliases import JsonValue, Params
from b24batch.calls.chunks import MAX_COMMANDS, cut, refuse_duplicates, single
from b24batch.calls.commands import Call, Command
from b24batch.calls.encoded import EncodedCommand, encode_direct, encoded_calls
from b24batch.calls.methods import is_read
from b24batch.errors import UsageError
from b24batch.options import (
    Configured,
    ListOptions,
    Options,
    Settings,
    check_number,
    checked,
    hide_arguments,
    to_flag,
    to_request_id,
    to_settings,
    vary,
)
from b24batch.redaction import Secret, redact_urllib3_log
from b24batch.results import AjaxResult, AnyResult, Result, collect
from b24batch.runs.chunk_run import ChunkRun
from b24batch.runs.operating import OperatingTime
from b24batch.runs.payload import load_direct
from b24batch.runs.requests import Requests
from b24batch.runs.run import Run, stream
from b24batch.runs.substitution import MEMORY, mark_missed, targets_of
from b24batch.wire.auth import Auth, Webhook, refuse_http
from b24batch.wire.connections import Connections
from b24batch.wire.rate import LeakyBucket
from b24batch.wire.repeats import refuse_repeats
from b24batch.wire.transport import Transport

if TYPE_CHECKING:
    from b24batch.runs.progress import MakeBar

_Group = TypeVar("_Group", bound=list[JsonValue])


@attrs.frozen(init=False, eq=False, repr=False)
class Session(Configured):
    """Calls the REST methods of one Bitrix24 portal, one by one or in batches.

    A session may be shared by threads, and lives as long as the program; ``close``, or a ``with`` block, drops its
    connections. Sessions of one process on one portal keep one rate together.

    Args:
        portal: The URL of an inbound webhook, or credentials: a `Webhook` or an `OAuth`.
        timeout: Seconds to connect and seconds between two bytes of an answer; one number sets both. Default
            ``(10.0, 75.0)``: a portal itself ends a request after 60.
        deadline: Seconds for a whole request: connecting, sending, and all of the answer. Only the look-up of the
            host's name is not bounded. Default 120.
        max_answer: The most bytes that a decoded answer may have; one beyond it is an `AnswerLost`. Default 256
            million.
        retries: How patient it is. Default ``RetryPolicy()``.
        limits: The rate it keeps, a `LeakyBucket` or any `b24batch.wire.Limiter`; by default the one bucket of this
            portal, None for no limit.
        max_wait: The longest single wait in seconds, whatever its reason; instead of a longer one the error is
            raised at once, a `RateLimited` with its `retry_after`. Default None: no bound.
        operating_wait: The most seconds to wait in a chunked run until the portal frees a method that has used up
            its operating time; 0 leaves such commands ``failed``. Default 660, a whole window of the portal.
        idempotent_methods: Methods of which a second run does no harm, besides those that only read.
        allow_http: Whether credentials may go unencrypted to another machine. Default False.
        http: A `requests.Session` of one's own, for proxies or a CA bundle, used as it is. Which of its requests
            never left cannot be known unless a `b24batch.wire.TrackingAdapter` is mounted on it. Default: our
            own.
        on_wait: Called with a `b24batch.wire.Wait` before every wait.
        redact_urllib3_log: Whether the log of urllib3 is kept free of codes and tokens, for the whole process.
            Default True.
        clock: What tells the time and sleeps; default the module `time`.

    Raises:
        UsageError: For a URL or a figure that cannot be.
        TypeError: For an option that does not exist, or is of another type.
    """

    auth: Auth
    _settings: Settings
    _connections: Connections
    _operating: OperatingTime
    _transport: Transport = attrs.field(init=False)

    def __init__(self, portal: str | Auth, /, **options: Unpack[Options]) -> None:
        credentials = Secret(portal) if isinstance(portal, str) else portal
        del portal
        auth: object = Webhook(credentials) if isinstance(credentials, Secret) else credentials
        if not isinstance(auth, Auth):
            kind = type(auth).__name__
            del auth, credentials, options
            raise UsageError(f"a Session is made from a webhook URL as text, not from a {kind}")
        settings = checked(to_settings, auth.host, options)
        del options
        if isinstance(settings, Exception):
            raise settings
        connections = Connections(settings.clock.monotonic, settings.http)
        self.__attrs_init__(auth, settings, connections, OperatingTime(settings.clock))

    def __attrs_post_init__(self) -> None:
        if not self.allow_http:
            refuse_http(self.auth)
        if self.http is not None:
            refuse_repeats(self.http, self.auth.access().endpoint)
        if self.redact_urllib3_log:
            redact_urllib3_log()

    @_transport.default
    def _wire(self) -> Transport:
        return Transport(self.auth, self._connections, self._settings)

    def with_options(self, **options: Unpack[Options]) -> Self:
        """Return a session with other options over the same connections and limits."""
        settings = checked(vary, self._settings, options)
        del options
        if isinstance(settings, Exception):
            raise settings
        connections, operating = self._connections, self._operating
        if settings.http is not self.http:
            connections = Connections(settings.clock.monotonic, settings.http)
        if settings.clock is not self.clock:
            operating = OperatingTime(settings.clock)
        sibling = object.__new__(type(self))
        sibling.__attrs_init__(self.auth, settings, connections, operating)
        return sibling

    @hide_arguments
    def call(
        self,
        method: str,
        params: Params = None,
        *,
        request_id: str | None = None,
        idempotent: bool | None = None,
    ) -> AjaxResult:
        """Call one method and return its outcome, which is ``ok``.

        Args:
            method: Such as ``crm.deal.get``.
            params: By name, or a list for a positional ``task.*`` method.
            request_id: For tracing, 1 to 128 printable ASCII characters; by default a UUID. A portal does not
                recognise a repeated one.
            idempotent: Whether it may run twice; by default whether the method is known to only read.

        Raises:
            UsageError: The call is wrong; nothing was sent.
            NotSent: It certainly was not executed.
            AnswerLost: It may have been executed.
            AjaxError: The portal refused it.
        """
        command, wanted = Command(method, params), to_request_id(request_id)
        body = encode_direct(command)
        repeatable = self._repeatable(command) if idempotent is None else to_flag(idempotent)
        answer = self._transport.call(command.method, body, request_id=wanted, repeatable=repeatable)
        return load_direct(command, answer)

    @overload
    def batch(
        self,
        calls: Mapping[str, Call],
        *,
        halt_on_error: bool = True,
        return_ajax_result: Literal[False] = False,
        request_id: str | None = None,
    ) -> Result[dict[str, JsonValue]]: ...
    @overload
    def batch(
        self,
        calls: Mapping[str, Call],
        *,
        halt_on_error: bool = True,
        return_ajax_result: Literal[True],
        request_id: str | None = None,
    ) -> Result[dict[str, AjaxResult]]: ...
    @overload
    def batch(
        self,
        calls: Iterable[Call],
        *,
        halt_on_error: bool = True,
        return_ajax_result: Literal[False] = False,
        request_id: str | None = None,
    ) -> Result[list[JsonValue]]: ...
    @overload
    def batch(
        self,
        calls: Iterable[Call],
        *,
        halt_on_error: bool = True,
        return_ajax_result: Literal[True],
        request_id: str | None = None,
    ) -> Result[list[AjaxResult]]: ...
    @hide_arguments
    def batch(
        self,
        calls: Iterable[Call] | Mapping[str, Call],
        *,
        halt_on_error: bool = True,
        return_ajax_result: bool = False,
        request_id: str | None = None,
    ) -> AnyResult:
        """Send up to 50 calls in one request and return the outcome of each.

        Args:
            calls: ``(method, params)`` tuples, ``{"method": ..., "params": ...}`` mappings or `Command` objects,
                mixed; or a mapping from names to them. A value in the params may be a `ref` to an earlier call: to a
                new id, or to anything if its own call only reads.
            halt_on_error: Whether the portal skips what follows a failed command. Default True.
            return_ajax_result: Whether `Result.data` holds an `AjaxResult` for every command instead of the
                values of the successful ones. Default False.
            request_id: As in `call`.

        Raises:
            UsageError: Something is wrong with the calls; nothing was sent.
            NotSent, AnswerLost, AjaxError: The request failed as a whole, and this is what became of every command.
        """
        as_rows, named, halt = to_flag(return_ajax_result), isinstance(calls, Mapping), to_flag(halt_on_error)
        chunk = single(_all_encoded(encoded_calls(calls, halt=halt)), halt=halt)
        repeatable = all(self._repeatable(encoded.command) for encoded in chunk.commands)
        rows = self._requests(request_id).send(chunk, halt=halt, repeatable=repeatable)
        return collect(mark_missed(chunk, rows), named=named, return_ajax_result=as_rows)

    @hide_arguments
    def batch_by_chunk(
        self,
        calls: Iterable[Call],
        *,
        halt_on_error: bool = True,
        stop_on_error: bool = False,
        chunk_size: int = MAX_COMMANDS,
        request_id: str | None = None,
        progress: bool | MakeBar | None = None,
    ) -> Result[list[JsonValue]]:
        """Send any number of calls, one request after the other, and return the outcome of each.

        All calls are checked before the first is sent. A request that fails as a whole gives its commands that
        error, and the next one is sent all the same; the run ends early, the rest ``skipped``, when the credentials
        are refused, the portal has moved, or two requests running could not be sent. A command that a batch
        would change (text like a reference, over 1000 values, a ``vendor:`` method) goes alone, in its place. A
        request also ends before a write with a `ref` to what may be missing: then the write is ``failed``, unsent.

        Args:
            calls: As in `batch`, any number of them, but no mapping.
            halt_on_error: Whether an error skips the rest of its own chunk. Default True.
            stop_on_error: Whether the run ends after a chunk in which anything failed or is unknown.
            chunk_size: Commands in one request, 1 to 50. Default 50.
            request_id: As in `call`, for the first request; the n-th has ``/n`` behind it.
            progress: True shows a bar of tqdm, with failures and waits; without a terminal the logger ``b24batch``
                gets a line at INFO every 10 seconds instead. Or what makes another `b24batch.runs.progress.Bar`, called
                with `total` and `unit`. Default None: shows nothing.

        Raises:
            UsageError: Something is wrong with the calls; nothing was sent.
            ImportError: tqdm is wanted and not installed; nothing was sent.
            BaseException: What stops the run half-way, Ctrl-C for one, has the outcomes so far in its `result`, at any
                instant until this returns; only before the first request may it have none.
        """
        check_number("chunk_size", chunk_size, MAX_COMMANDS)
        commands = _all_encoded(_unnamed(calls, halt=to_flag(halt_on_error)))
        session, over = self._shown(progress, " commands", len(commands))
        run = session._run(request_id, halt_on_error=halt_on_error, stop_on_error=stop_on_error)
        run.answered.wanted = targets_of(commands)
        chunks = [ChunkRun(chunk.commands) for chunk in cut(commands, chunk_size, halt=halt_on_error)]
        try:
            return collect(list(chain.from_iterable(over(map(run.deliver, chunks)))))
        except BaseException as interrupt:
            vars(interrupt)["result"] = collect([row for chunk in chunks for row in chunk.known()])
            raise

    @hide_arguments
    def stream_batch(
        self,
        calls: Iterable[Call],
        *,
        halt_on_error: bool = True,
        stop_on_error: bool = False,
        chunk_size: int = MAX_COMMANDS,
        request_id: str | None = None,
    ) -> Iterator[AjaxResult]:
        """Send any number of calls, and yield the outcome of each as its request is answered.

        Works as `batch_by_chunk` with memory for one chunk: calls are read, checked and sent chunk by chunk, so a
        wrong call raises its `UsageError` after what was yielded, its own chunk unsent. Names of commands must
        differ within a chunk only.

        What stops it half-way, Ctrl-C for one, has in its `result` the outcomes of the request in hand that were not
        yielded yet. An exception in the body of a loop over it stops only the loop: then the iterator's own `result`
        has them, a `Result`, and its `close` ends the run.
        """
        check_number("chunk_size", chunk_size, MAX_COMMANDS)
        commands = _unnamed(calls, halt=to_flag(halt_on_error), memory=MEMORY)
        run = self._run(request_id, halt_on_error=halt_on_error, stop_on_error=stop_on_error)
        return stream(run, cut(commands, chunk_size, halt=halt_on_error))

    @hide_arguments
    def call_list(
        self,
        method: str,
        params: Params = None,
        *,
        progress: bool | MakeBar | None = None,
        **options: Unpack[ListOptions],
    ) -> list[dict[str, JsonValue]]:
        """Return all rows of a list method, up to 2,500 of them by one request.

        How a method pages is known of all documented list methods. Most are read by cursor: each page begins behind
        the last id of the one before, so rows that are added or deleted meanwhile neither repeat nor drop others, and
        all pages of a request are one batch; there are more of them as long as the portal answers within 20 seconds.
        Others are counted, or come whole. A list never ends early as a success: where an answer does not tell whether
        rows are missing, that is an error. A method that is blocked for its operating time is waited for, at most
        `operating_wait` seconds.

        Args:
            method: Such as ``crm.item.list``.
            params: By name, with a filter and a select of one's own; a condition ``>id`` is where the list begins. A
                list for a positional ``task.*`` method.
            id_key: What the id is called in a row. Like the next two it is known of documented methods; of others
                the default is ``ID``.
            cursor_id_key: What the id is called in a filter and an order. Default for other methods: `id_key`.
            result_key: Under which key of the result the rows are. Default for other methods: it is a list itself,
                or holds one list.
            paging: ``cursor``, ``start`` for a method without a filter or an order by id, or ``whole`` for one that
                gives all rows in one answer. By default what the method is known for, else ``cursor``. Pages by
                ``start`` are counted, which costs the portal more and may miss rows when others are deleted
                meanwhile; the ids of all rows are kept, so that none comes twice.
            pages_per_request: The most pages in one request, 1 to 50. Default 50; 1 uses no batch.
            descending: Whether the newest row comes first; by cursor only.
            request_id: As in `call`, for the first request; the n-th has ``/n`` behind it.
            progress: As in `batch_by_chunk`; it counts rows, of which nobody knows the total.
            limit: The most rows wanted; no more pages are asked for than these need. Default None: all.

        Raises:
            UsageError: Something is wrong with the arguments, the method writes, or it pages with parameters of its
                own; nothing was sent.
            ImportError: As in `batch_by_chunk`.
            UnexpectedAnswer: The answer has a shape for which one of the keys has to be given, or does not tell
                whether it is the last.
            CursorStalled: The portal came back to rows it had passed: it ignores the filter, the order or the start.
            SdkError: Whatever a request fails with.
            BaseException: Any of these, and what else stops the list half-way, Ctrl-C for one, has the rows so far
                in its `result`.
        """
        session, over = self._shown(progress, " rows")
        rows: list[dict[str, JsonValue]] = []
        try:
            rows.extend(chain.from_iterable(over(session.fetch_list(method, params, **options))))
            return rows
        except BaseException as interrupt:
            vars(interrupt)["result"] = rows
            raise

    @hide_arguments
    def fetch_list(
        self,
        method: str,
        params: Params = None,
        *,
        id_key: str | None = None,
        cursor_id_key: str | None = None,
        result_key: str | None = None,
        paging: Literal["cursor", "start", "whole"] | None = None,
        pages_per_request: int = 50,
        descending: bool = False,
        request_id: str | None = None,
        limit: int | None = None,
    ) -> Iterator[list[dict[str, JsonValue]]]:
        """Read a list method as `call_list` does, and yield the rows of each page that has any.

        The arguments are checked when this is called. It needs memory for one request, 2,500 rows, and with
        ``paging="start"`` for the ids of all rows. After an error the pages yielded before stand. The iterator's
        `result`, and that of what stops it, has the rows that have come and were not yielded.
        """
        from b24batch.lists.families import family_of, paging_of
        from b24batch.lists.listing import Listing, refuse_write, way_through

        command, backwards = Command(method, params), to_flag(descending)
        refuse_write(command.method)
        family = family_of(command.method, id_key, cursor_id_key, result_key)
        by = paging_of(command.method, family, paging, command.params)
        return Listing(
            self._requests(request_id),
            way_through(command, family, by, cursor_id_key=cursor_id_key, descending=backwards),
            repeatable=self._repeatable(command),
            pages_per_request=check_number("pages_per_request", pages_per_request, MAX_COMMANDS),
            left=None if limit is None else check_number("limit", limit),
        ).pages()

    def close(self) -> None:
        """Drop the connections, which siblings share; a later call opens new ones."""
        self._connections.close()

    def _run(self, request_id: str | None, *, halt_on_error: bool, stop_on_error: bool = False) -> Run:
        return Run(
            self._requests(request_id),
            self._repeatable,
            halt_on_error=to_flag(halt_on_error),
            stop_on_error=to_flag(stop_on_error),
        )

    def _requests(self, request_id: str | None) -> Requests:
        longest_wait = self.operating_wait if self.max_wait is None else min(self.operating_wait, self.max_wait)
        return Requests(self._transport, self._operating, to_request_id(request_id), longest_wait)

    def _shown(
        self, progress: bool | MakeBar | None, unit: str, total: int | None = None
    ) -> tuple[Self, Callable[[Iterable[_Group]], Iterable[_Group]]]:
        """Return the session of a run, and what its outcomes pass through on their way: nothing, or what shows them."""
        if progress is None or progress is False:
            return self, iter
        from b24batch.runs.progress import Progress, bar_maker

        shown = Progress(bar_maker(progress), unit, total, self.clock, self.on_wait)
        return self.with_options(on_wait=shown.on_wait), shown.over

    def _repeatable(self, command: Command) -> bool:
        method = command.method
        return command.idempotent or is_read(method) or method.casefold() in self.idempotent_methods

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        auth = getattr(self, "auth", None)  # a traceback with locals may show one that was never finished
        return f"<Session on {auth.host}>" if auth else "<Session>"

    def _repr_html_(self) -> str:
        from b24batch.html import of_facts

        limits, credentials = self.limits, type(self.auth).__name__
        rate = f"{limits.level:.0f} requests" if limits else "no limit"
        if isinstance(limits, LeakyBucket):
            rate = f"{limits.level:.0f} of {limits.capacity} requests, {limits.leak_rate:g} per second leak out"
        return of_facts("Session", {"host": self.auth.host, "credentials": credentials, "rate": rate})

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Session is not pickled: it holds sockets and a secret; make one in each process")


def _all_encoded(commands: Iterator[EncodedCommand]) -> list[EncodedCommand]:
    encoded = list(commands)
    refuse_duplicates(encoded)
    return encoded


def _unnamed(calls: Iterable[Call], *, halt: bool, memory: int | None = None) -> Iterator[EncodedCommand]:
    if isinstance(calls, Mapping):
        raise UsageError("a mapping of calls fits into one batch; hand over a list of Command(..., name=...)")
    return encoded_calls(calls, halt=halt, memory=memory)
