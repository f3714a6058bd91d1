"""The `Session`: the client of one portal, built from all the other modules."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NoReturn, Self, Unpack, overload

from b24batch.aliases import JsonValue, Params
from b24batch.calls.chunks import MAX_COMMANDS, cut, cut_one, refuse_duplicates
from b24batch.calls.commands import Command
from b24batch.calls.earlier import MEMORY
from b24batch.calls.encoded import EncodedCommand, encode_calls, encode_direct
from b24batch.calls.formats import Call, CallDict, CallList, Calls
from b24batch.errors import UsageError
from b24batch.options import (
    Options,
    hide_arguments,
    spell_options,
    to_flag,
    to_request_id,
    to_settings,
    try_to,
    vary,
)
from b24batch.redaction import Secret, drop_frames
from b24batch.results import AjaxResult, AnyResult, Result
from b24batch.results.last_result import LastResult
from b24batch.runs.chunk_run import ChunkRun
from b24batch.runs.operating import OperatingTime
from b24batch.runs.payload import load_direct
from b24batch.runs.run import Run
from b24batch.runs.streaming import collect_known, end, stream
from b24batch.runs.substitution import find_targets, mark_missed
from b24batch.session.parts import Parts
from b24batch.streams import Stream, give_rows
from b24batch.wire.auth import Auth, Webhook
from b24batch.wire.checks import check_number
from b24batch.wire.connections import Connections
from b24batch.wire.delivery import note_sent
from b24batch.wire.rate import Limiter, ReservingLimiter
from b24batch.wire.reports import FinishedRequest, Reports
from b24batch.wire.retries import RetryPolicy
from b24batch.wire.statistics import Counts, Statistics
from b24batch.wire.transport import Transport

if TYPE_CHECKING:
    import os

    import requests

    from b24batch.clock import Clock, Wait
    from b24batch.runs.progress import MakeBar
    from b24batch.runs.run_journal import RunJournal


class Session(Parts):
    """Calls the REST methods of one Bitrix24 portal, one by one or in batches.

    Threads may share a session. Create it once and keep it as long as the program runs; ``close``, or the end of a
    ``with`` block, closes its connections. All sessions of a process on the same portal share one rate limit.

    Args:
        portal: The URL of an inbound webhook, or credentials: a `Webhook` or an `OAuth`.
        timeout: Timeouts in seconds: to connect, and between two bytes of the answer. One number sets both.
            The portal itself ends a request after 60 seconds.
        deadline: Maximum seconds for a whole request: connecting, sending and reading the answer, but not the DNS
            lookup.
        max_answer: Maximum size of a decoded answer in bytes. A larger one raises `AnswerLost`.
        retries: When and how often a failed request is sent again.
        limits: The rate limit: a `LeakyBucket`, any `b24batch.wire.Limiter`, or None for no limit.
            ``"shared"`` is the bucket that all sessions of the process on this portal share.
        max_wait: The longest single wait in seconds, whatever its reason. If a wait would be longer, the error is
            raised at once: a `RateLimited` with `retry_after`. None: no maximum.
        operating_wait: Maximum seconds that a chunked run waits for a method that has used up its operating time.
            With 0 such commands are ``failed``. 660 seconds are one full window of the portal.
        concurrency: How many requests of one run or list are on their way at once, 1 to 16: the default of
            `batch_by_chunk`, `stream_batch`, `call_list` and `fetch_list`. 1: one after the other.
        idempotent_methods: Methods that may safely run twice, in addition to those that only read.
        allow_http: Whether credentials may be sent unencrypted to another machine.
        http: Your own `requests.Session`, for proxies or a CA bundle; it is used as it is. Mount a
            `b24batch.wire.TrackingAdapter` on it; otherwise the library cannot tell which requests were never sent.
            Default: the library's own.
        on_wait: Called with a `b24batch.wire.Wait` before every wait.
        on_request: Called with a `b24batch.wire.FinishedRequest` after every HTTP request, retries included.
        redact_urllib3_log: Whether webhook codes and tokens are masked in the urllib3 log of the whole process.
        clock: Used to read the time and to sleep.

    Raises:
        UsageError: If the URL or a number is invalid.
        TypeError: If an option does not exist or has the wrong type.
    """

    __slots__ = ()

    @hide_arguments
    def __init__(
        self,
        portal: str | Auth,
        /,
        *,
        timeout: float | tuple[float, float] = (10.0, 75.0),
        deadline: float = 120.0,
        max_answer: int = 256_000_000,
        retries: RetryPolicy = RetryPolicy(),
        limits: Limiter | Literal["shared"] | None = "shared",
        max_wait: float | None = None,
        operating_wait: float = 660.0,
        concurrency: int = 1,
        idempotent_methods: Collection[str] = (),
        allow_http: bool = False,
        http: requests.Session | None = None,
        on_wait: Callable[[Wait], None] | None = None,
        on_request: Callable[[FinishedRequest], None] | None = None,
        redact_urllib3_log: bool = True,
        clock: Clock = time,
    ) -> None:
        options: Options = {"timeout": timeout, "deadline": deadline, "max_answer": max_answer, "retries": retries}
        options |= {"limits": limits, "max_wait": max_wait, "operating_wait": operating_wait, "on_wait": on_wait}
        options |= {"concurrency": concurrency, "idempotent_methods": idempotent_methods, "allow_http": allow_http}
        options |= {"http": http, "redact_urllib3_log": redact_urllib3_log, "clock": clock, "on_request": on_request}
        credentials = Secret(portal) if isinstance(portal, str) else portal
        del portal, timeout, deadline, max_answer, retries, limits, max_wait, operating_wait, concurrency, clock
        del idempotent_methods, allow_http, http, on_wait, on_request, redact_urllib3_log  # any may be a webhook URL
        auth: object = Webhook(credentials) if isinstance(credentials, Secret) else credentials
        if not isinstance(auth, Auth):
            wanted = "a webhook URL as a string, a Webhook or an OAuth"
            raise UsageError(f"portal: expected {wanted}, got {type(auth).__name__}")
        settings = try_to(to_settings, auth.host, options)
        del options
        if isinstance(settings, Exception):
            raise settings
        connections = Connections(settings.clock.monotonic, settings.http)
        transport = Transport(auth, connections, settings, Counts())
        self._assemble(settings, transport, OperatingTime(settings.clock), LastResult())

    @spell_options
    def with_options(self, **options: Unpack[Options]) -> Self:
        """Return a copy of this session with some options changed.

        It shares the connections and the rate limit, unless ``http`` or ``limits`` is given.

        Args:
            options: As for `Session`. What is not given keeps its value (``Ellipsis`` in the signature).

        Raises:
            UsageError: If a number is invalid.
            TypeError: If an option does not exist or has the wrong type.
        """
        __tracebackhide__ = True
        if TYPE_CHECKING:
            Session(self.auth, **options)  # editors complete by it, and type checkers compare both
        settings = try_to(vary, self._settings, self.auth.host, options)
        del options
        if isinstance(settings, Exception):
            raise settings
        return self._copy_with(settings)

    @property
    def last_result(self) -> AnyResult | None:
        """The outcomes of the last run by `batch_by_chunk`, also if an exception such as Ctrl-C stopped it.

        If an exception stopped `stream_batch`, these are the outcomes that were not yielded yet. They are kept until
        the next run ends; a `look_up` does not count. Sessions made by `with_options` share them, and so do threads.
        None before the first run.
        """
        return self._last.result

    @property
    def statistics(self) -> Statistics:
        """What this session did so far.

        These are exact counts of its requests, retries, commands and waits, and the operating time of each method.
        Sessions made by `with_options` share them, and so do threads.
        """
        return self._transport.counts.snapshot(self._operating.used)

    @hide_arguments
    def call(
        self,
        method: str,
        params: Params = None,
        *,
        request_id: str | None = None,
        idempotent: bool | None = None,
    ) -> AjaxResult:
        """Call one method and return its outcome. Its status is ``ok``; anything else raises an error.

        Args:
            method: The method, such as ``crm.deal.get``.
            params: Parameters by name, or a list for a positional ``task.*`` method. Default None.
            request_id: An id for tracing, 1 to 128 printable ASCII characters. Default: a new UUID. It does not
                prevent duplicates: the portal executes a second request with the same id again.
            idempotent: Whether the call may safely run twice, so that it is sent again after its answer was lost.
                Default: True if the method is known to only read or is among ``idempotent_methods``.

        Raises:
            UsageError: The call is invalid. Nothing was sent.
            NotSent: The call was certainly not executed.
            AnswerLost: The call may have been executed.
            AjaxError: The portal refused the call.
            BaseException: Any other exception that stops the call, such as Ctrl-C, has a note that says whether the
                request was sent.
        """
        command, wanted = Command(method, params), to_request_id(request_id)
        body = encode_direct(command)
        repeatable = self._is_repeatable(command) if idempotent is None else to_flag("idempotent", idempotent)
        reports, answer = Reports(self.on_request), None
        try:
            answer = self._transport.call(
                command.method, body, request_id=wanted, repeatable=repeatable, reports=reports
            )
            row = load_direct(command, answer)
        except BaseException as error:
            self._transport.counts.count_failure(error, 1, answered=answer is not None)
            reports.check()
            note_sent(error, 1)
            raise
        self._transport.counts.count_commands([row.status])
        self._operating.note(command.method, row.time, is_direct=True)
        reports.check()
        return row

    @overload
    def batch(
        self,
        calls: Mapping[str, Call] | CallDict,
        *,
        halt_on_error: bool = True,
        return_ajax_result: Literal[True],
        request_id: str | None = None,
    ) -> Result[dict[str, AjaxResult]]: ...
    @overload
    def batch(
        self,
        calls: Mapping[str, Call] | CallDict,
        *,
        halt_on_error: bool = True,
        return_ajax_result: bool = False,
        request_id: str | None = None,
    ) -> Result[dict[str, JsonValue]]: ...
    @overload
    def batch(
        self,
        calls: Iterable[Call] | CallList,
        *,
        halt_on_error: bool = True,
        return_ajax_result: Literal[True],
        request_id: str | None = None,
    ) -> Result[list[AjaxResult]]: ...
    @overload
    def batch(
        self,
        calls: Iterable[Call] | CallList,
        *,
        halt_on_error: bool = True,
        return_ajax_result: bool = False,
        request_id: str | None = None,
    ) -> Result[list[JsonValue]]: ...
    @hide_arguments
    def batch(
        self,
        calls: Calls | CallList | CallDict,
        *,
        halt_on_error: bool = True,
        return_ajax_result: bool = False,
        request_id: str | None = None,
    ) -> AnyResult:
        """Send up to 50 calls in one request and return the outcome of each.

        Args:
            calls: ``(method, params)`` tuples, ``{"method": ..., "params": ...}`` mappings or `Command` objects, in
                any mix; or a mapping from names to such calls. A value in the params may be a `ref` to an earlier
                call: a write may refer to a new id only, a call that only reads to any value.
            halt_on_error: Whether the portal skips all commands after a failed one. Default True.
            return_ajax_result: Whether `Result.data` holds the `AjaxResult` of every command instead of the values
                of the successful ones. Default False.
            request_id: As in `call`.

        Raises:
            UsageError: A call is invalid. Nothing was sent.
            NotSent, AnswerLost, AjaxError: The request failed as a whole; the error applies to every command.
            BaseException: As in `call`.
        """
        as_rows, halt = to_flag("return_ajax_result", return_ajax_result), to_flag("halt_on_error", halt_on_error)
        chunk = cut_one(_encode_all(encode_calls(calls, halt=halt)), halt=halt)
        repeatable = all(self._is_repeatable(encoded.command) for encoded in chunk.commands)
        try:
            rows = self._requests(request_id).send(chunk, halt=halt, repeatable=repeatable)
        except BaseException as error:
            note_sent(error, len(chunk.commands))
            raise
        return Result(mark_missed(chunk, rows), named=isinstance(calls, Mapping), whole_rows=as_rows)

    def batch_by_chunk(
        self,
        calls: Iterable[Call] | CallList,
        *,
        halt_on_error: bool = True,
        stop_on_error: bool = False,
        chunk_size: int = 50,
        concurrency: int | None = None,
        journal: str | os.PathLike[str] | RunJournal | None = None,
        stop_after: float | None = None,
        request_id: str | None = None,
        progress: bool | MakeBar | None = None,
    ) -> Result[list[JsonValue]]:
        """Send any number of calls and return the outcome of each.

        All calls are checked before the first one is sent. If a request fails as a whole, all of its commands get
        that error, and the run continues with the next request. The run ends early, with the rest ``skipped``, if the
        credentials are refused, the portal has moved, or two requests in a row could not be sent.

        A command that a batch would change (text that looks like a reference, over 1000 values, a ``vendor:`` method)
        is sent alone, in its place. A write with a `ref` to a value that may be missing goes into a later request; if
        the value is missing, the write is ``failed`` and not sent.

        By default one request is sent after the other. With `concurrency` several are on their way at once, on
        threads that end with the run. The outcomes stay in order, but the portal executes requests in any order; only
        a command with a `ref` waits for the command that it refers to. When the run ends early, no further request
        begins, and those on their way are waited for: up to 5 seconds if an exception such as Ctrl-C ends it. Waits,
        requests and progress are reported on the caller's thread.

        Args:
            calls: A list or another iterable of calls, as in `batch`; a mapping is refused.
            halt_on_error: Whether an error skips the rest of its own chunk. Default True.
            stop_on_error: Whether the run ends after a chunk with a ``failed`` or ``unknown`` command. Default False.
            chunk_size: Maximum number of commands in one request, 1 to 50. Default 50.
            concurrency: How many requests are on their way at once, 1 to 16. Default: that of the session, 1.
            journal: Where the outcomes are kept, so that the same run can be started again and goes on: a path, a
                `b24batch.journal.Journal` or another `b24batch.journal.RunJournal`. Commands that have an outcome
                there are not sent again, except those that were certainly not executed. Default None.
            stop_after: Seconds after which no further request begins; the rest is ``skipped``. Default None: no end.
            request_id: As in `call`, for the first request. The n-th request appends ``/n``.
            progress: True shows a tqdm bar with failures and waits. If there is no terminal, a line is logged to
                ``b24batch`` at INFO every 10 seconds instead. A callable is called with `total` and `unit`, and
                returns another `b24batch.runs.progress.Bar`. Default None: shows nothing.

        Raises:
            UsageError: A call is invalid. Nothing was sent.
            ImportError: tqdm is needed but not installed. Nothing was sent.
            RunBusy: Another process or thread uses the journal. Nothing was sent, or nothing more.
            JournalError: The journal cannot be used. Nothing more was sent, and the outcomes so far are in `result`.
            BaseException: Any exception that stops the run, such as Ctrl-C, has the outcomes so far in its `result`.
                Only before the first request may it have none.
        """
        options: dict[str, JsonValue] = {"halt_on_error": halt_on_error, "stop_on_error": stop_on_error}
        options |= {"concurrency": concurrency, "journal": journal, "stop_after": stop_after, "request_id": request_id}
        try:
            stopped: list[BaseException] = []
            run, chunks, over = self._prepare(calls, chunk_size, progress, options)
        except BaseException as error:
            if not (stopped := drop_frames(error)):
                raise
        del calls, halt_on_error, stop_on_error, chunk_size, request_id, progress, concurrency, journal, stop_after
        del options  # one of all these may be a webhook URL
        if stopped:
            raise stopped.pop()
        try:
            run.open_journal(chunks)  # until then nothing is known of the commands
            try:
                rows = list(chain.from_iterable(over(run.deliver_all(chunks))))
                run.close_journal()
                return self._last.keep(Result(rows, named=False))
            except BaseException as interrupt:
                end(run, interrupt, chunks, partial(collect_known, chunks), self._last)
                raise
        except BaseException as interrupt:
            if not (stopped := drop_frames(interrupt)):
                raise
        raise stopped.pop()

    @hide_arguments
    def stream_batch(
        self,
        calls: Iterable[Call] | CallList,
        *,
        halt_on_error: bool = True,
        stop_on_error: bool = False,
        chunk_size: int = 50,
        concurrency: int | None = None,
        journal: str | os.PathLike[str] | RunJournal | None = None,
        stop_after: float | None = None,
        request_id: str | None = None,
    ) -> Iterator[AjaxResult]:
        """Send any number of calls and yield the outcome of each as soon as its request is answered.

        Works like `batch_by_chunk`, but keeps only one chunk in memory, or `concurrency` chunks: calls are read,
        checked and sent chunk by chunk. An invalid call therefore raises its `UsageError` after the earlier outcomes
        were yielded; its own chunk is not sent. Command names must be unique within a chunk only. Any other exception
        of `calls` comes after the earlier outcomes, too, but chunks that still wait for a reference or for operating
        time are not sent then.

        Any exception that stops the run, such as Ctrl-C, has in its `result` the outcomes of the chunks in memory
        that were not yielded yet. An exception in the body of your loop does not stop the run: the iterator's own
        `result` has those outcomes, and its `close` ends the run: it waits up to 5 seconds for requests on their way,
        whose outcomes are ``unknown`` until then.

        The arguments are as in `batch_by_chunk`. `calls` may be a generator, and with a `journal` names must be unique
        in the whole run.

        Raises:
            UsageError: An option or a call is invalid.
            JournalError: As in `batch_by_chunk`.
        """
        check_number("chunk_size", chunk_size, MAX_COMMANDS)
        commands = _encode_unnamed(calls, halt=to_flag("halt_on_error", halt_on_error), memory=MEMORY)
        options: dict[str, JsonValue] = {"halt_on_error": halt_on_error, "stop_on_error": stop_on_error}
        options |= {"concurrency": concurrency, "journal": journal, "stop_after": stop_after, "request_id": request_id}
        return stream(self._start(None, **options), cut(commands, chunk_size, halt=halt_on_error), self._last)

    @hide_arguments
    def call_list(
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
        progress: bool | MakeBar | None = None,
        concurrency: int | None = None,
    ) -> list[dict[str, JsonValue]]:
        """Return all rows of a list method, up to 2,500 rows per request.

        The library knows how every documented list method pages. Most are read by cursor: each page starts after the
        last id of the page before, so rows that are added or deleted meanwhile neither repeat nor hide others. All
        pages of a request are one batch; requests grow as long as the portal answers within 20 seconds. Other methods
        page by ``start`` or return all rows at once.

        A list never ends early without an error: if an answer does not tell whether more rows follow,
        `UnexpectedAnswer` is raised. If the method has used up its operating time, the list waits for it, up to
        `operating_wait` seconds.

        Args:
            method: The list method, such as ``crm.item.list``.
            params: Parameters by name, with your own filter and select; the condition ``>id`` sets where the list
                starts. A list for a positional ``task.*`` method. Default None.
            id_key: The name of the id in a row. Default: known for documented methods, otherwise ``ID``.
            cursor_id_key: The name of the id in filter and order. Default: known for documented methods, otherwise
                `id_key`.
            result_key: The key of the result that holds the rows. Default: known for documented methods; otherwise
                the result is the list, or the one list in it is taken.
            paging: ``cursor``; ``start`` for a method that cannot filter or order by id; or ``whole`` for a method
                that returns all rows in one answer. Default: known for documented methods, otherwise ``cursor``.
                ``start`` is slower for the portal and may miss rows if others are deleted meanwhile; the ids of all
                rows are kept in memory so that no row is returned twice.
            pages_per_request: Maximum number of pages in one request, 1 to 50. Default 50; 1 uses no batch.
            descending: Whether the newest row comes first; with ``paging="cursor"`` only. Default False.
            request_id: As in `call`, for the first request. The n-th request appends ``/n``.
            progress: As in `batch_by_chunk`, counting rows. The total is not known.
            limit: Maximum number of rows. Only the pages needed for them are requested. Default None: all rows.
            concurrency: How many requests are on their way at once, 1 to 16: parts of the list are read beside each
                other, and its rows are returned in order all the same. This works for documented methods that page by
                cursor, without a `limit`, and with ``paging="start"`` if the portal counts the rows. Other lists are
                read one request after the other. Default: that of the session, 1.

        Raises:
            UsageError: An argument is invalid, the method writes, or it pages with its own parameters. Nothing was
                sent.
            ImportError: As in `batch_by_chunk`.
            UnexpectedAnswer: The rows or their ids were not found, so one of the keys must be given; or the answer
                does not tell whether it is the last page.
            CursorStalled: The portal returned rows again: it ignores the filter, the order or ``start``.
            SdkError: A request failed.
            BaseException: Any exception that stops the list, including these and Ctrl-C, has the rows so far in its
                `result`.
        """
        session, over = self._show_progress(progress, " rows")
        rows: list[dict[str, JsonValue]] = []
        pages: Iterator[list[dict[str, JsonValue]]] = iter(())
        try:
            pages = session.fetch_list(
                method,
                params,
                id_key=id_key,
                cursor_id_key=cursor_id_key,
                result_key=result_key,
                paging=paging,
                pages_per_request=pages_per_request,
                descending=descending,
                request_id=request_id,
                limit=limit,
                concurrency=concurrency,
            )
            rows.extend(chain.from_iterable(over(pages)))
            return rows
        except BaseException as interrupt:
            if isinstance(pages, Stream):
                pages.close()
                rows += pages.result
            give_rows(interrupt, rows)
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
        concurrency: int | None = None,
    ) -> Iterator[list[dict[str, JsonValue]]]:
        """Read a list method like `call_list`, and yield the rows of each page; empty pages are left out.

        The arguments are as in `call_list`, and are checked when this is called. Memory is needed for the rows of one
        request (up to 2,500), or of `concurrency` requests, which wait packed, and with ``paging="start"`` for the ids
        of all rows. Pages that were yielded before an error remain valid. Rows that arrived but were not yielded are in
        the iterator's `result`, and in the `result` of the exception that stopped it, whose note counts both.

        Raises:
            UsageError, UnexpectedAnswer, CursorStalled, SdkError: As in `call_list`.
        """
        from b24batch.lists.concurrent_listing import listing_of
        from b24batch.lists.families import choose_paging, find_family
        from b24batch.lists.listing import refuse_write, way_through

        command, backwards = Command(method, params), to_flag("descending", descending)
        refuse_write(command.method)
        family = find_family(command.method, id_key, cursor_id_key, result_key)
        by = choose_paging(command.method, family, paging, command.params)
        session, lanes = self._with_lanes(concurrency)
        return listing_of(
            session._requests(request_id),
            way_through(command, family, by, cursor_id_key=cursor_id_key, descending=backwards),
            lanes,
            repeatable=self._is_repeatable(command),
            pages_per_request=check_number("pages_per_request", pages_per_request, MAX_COMMANDS),
            left=None if limit is None else check_number("limit", limit),
        ).pages()

    def close(self) -> None:
        """Close the connections, also those of sessions made by `with_options`. A later call opens new ones."""
        self._transport.connections.close()

    def _prepare(
        self,
        calls: Iterable[JsonValue],
        chunk_size: int,
        progress: bool | MakeBar | None,
        options: dict[str, JsonValue],
    ) -> tuple[Run, list[ChunkRun], Callable[[Iterable[list[AjaxResult]]], Iterable[list[AjaxResult]]]]:
        """Return a run that has not started, its chunks, and the function that reports its progress."""
        check_number("chunk_size", chunk_size, MAX_COMMANDS)
        halt = to_flag("halt_on_error", options["halt_on_error"])
        commands = _encode_all(_encode_unnamed(calls, halt=halt))
        session, over = self._show_progress(progress, " commands", len(commands))
        chunks = [ChunkRun(chunk.commands) for chunk in cut(commands, chunk_size, halt=halt)]
        return session._start(find_targets(commands), **options), chunks, over

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        auth = getattr(self, "auth", None)  # missing if __init__ failed; a traceback may show it even so
        return f"<Session on {auth.host}>" if auth else "<Session>"

    def _repr_html_(self) -> str:
        from b24batch.html import render_facts

        limits, credentials = self.limits, type(self.auth).__name__
        rate = f"{limits.level:.0f} requests" if limits else "no limit"
        if isinstance(limits, ReservingLimiter):
            rate = f"{limits.level:.0f} of {limits.capacity} requests, {limits.leak_rate:g} per second leak out"
        facts = {"host": self.auth.host, "credentials": credentials, "rate": rate}
        return render_facts("Session", facts | self.statistics.to_facts())

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle a Session: it holds sockets and a secret; create one in each process")


def _encode_all(commands: Iterator[EncodedCommand]) -> list[EncodedCommand]:
    encoded = list(commands)
    refuse_duplicates(encoded)
    return encoded


def _encode_unnamed(calls: Iterable[JsonValue], *, halt: bool, memory: int | None = None) -> Iterator[EncodedCommand]:
    if isinstance(calls, Mapping):
        raise UsageError("calls: expected a list, got a mapping; use batch, or a list of Command(..., name=...)")
    return encode_calls(calls, halt=halt, memory=memory)
