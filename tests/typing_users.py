# pyright: strict
"""Never run: functions and classes that a user would write around sessions, calls and results.

mypy --strict and pyright check them: typed helpers, callbacks, subclasses, protocols, partials and generics.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import itertools
import logging
import operator
import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import (
    Any,
    Generic,
    Literal,
    NamedTuple,
    NotRequired,
    Protocol,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
)
from uuid import UUID

import attrs
import requests
from django.http import HttpRequest, HttpResponse, JsonResponse  # pyright: ignore[reportMissingTypeStubs]

from b24batch import (
    AjaxError,
    AjaxResult,
    AnswerLost,
    AnyResult,
    BatchError,
    Call,
    Command,
    EntityTypeId,
    LeakyBucket,
    NotSent,
    OAuth,
    OperatingLimitExceeded,
    PortalMoved,
    RateLimited,
    Result,
    RetryPolicy,
    SdkError,
    Session,
    TransportError,
    UnexpectedAnswer,
    look_up,
    ref,
)
from b24batch.django import get_session
from b24batch.journal import Journal
from b24batch.oauth import MemoryTokenStore, SQLiteTokenStore, Token, TokenStore
from b24batch.options import Options
from b24batch.reading import to_bool, to_date, to_datetime, to_decimal
from b24batch.sandbox import Page, Portal, PortalError
from b24batch.wire import Clock, FinishedRequest, Limiter, MethodTime, Statistics, TrackingAdapter, Wait

T = TypeVar("T")
R = TypeVar("R", list[Any], dict[str, Any])
log = logging.getLogger(__name__)


class DealFields(TypedDict):
    TITLE: str
    OPPORTUNITY: NotRequired[float]


class Stage(StrEnum):
    NEW = "NEW"
    LOSE = "LOSE"


def typed_dicts(b24: Session, deals: list[DealFields]) -> list[int]:
    calls = [("crm.deal.add", {"fields": deal}) for deal in deals]
    result = b24.batch_by_chunk(calls)
    return [int(v) for v in result.data]


def typed_dict_as_params(b24: Session) -> None:
    class Get(TypedDict):
        id: int

    params: Get = {"id": 1}
    b24.call("crm.deal.get", params)
    calls: list[Call] = [("crm.deal.get", params), Command("crm.deal.get", params)]
    b24.batch(calls)


def calls_in_a_deque(b24: Session) -> None:
    queue = deque([Command("a.b"), Command("a.c")])
    b24.batch_by_chunk(queue)
    d2: deque[Call] = deque()
    d2.append(("a.b", {"x": 1}))
    b24.batch(d2)


def values_of_dict(b24: Session) -> None:
    by_id = {n: ("crm.deal.get", {"id": n}) for n in range(3)}
    b24.batch_by_chunk(by_id.values())
    names = {str(n): call for n, call in by_id.items()}
    b24.batch(names).data["1"]
    b24.batch({f"d{n}": ("crm.deal.get", {"id": n}) for n in range(3)})
    b24.batch(dict.fromkeys(["a", "b"], ("user.current",)))


def map_and_chain(b24: Session) -> None:
    def to_call(number: int) -> tuple[str, dict[str, int]]:
        return "crm.deal.get", {"id": number}

    b24.batch_by_chunk(map(to_call, range(4)))
    b24.batch_by_chunk(itertools.chain(map(to_call, range(4)), [("user.current",)]))
    b24.batch_by_chunk(itertools.islice((to_call(n) for n in itertools.count()), 10))
    b24.batch_by_chunk(zip(itertools.repeat("crm.deal.get"), [{"id": 1}, {"id": 2}]))
    b24.batch_by_chunk([*map(to_call, range(2)), ("a.b", None), ["a.b"]])


def partial(b24: Session) -> None:
    update = functools.partial(Command, "crm.deal.update", idempotent=True)
    b24.batch_by_chunk([update({"id": n}) for n in range(3)])
    read = functools.partial(b24.call, "crm.deal.get")
    row: AjaxResult = read({"id": 1})
    send = functools.partial(b24.batch_by_chunk, halt_on_error=False, stop_after=60)
    send([("a.b",)])
    lister = functools.partial(b24.call_list, select := "crm.deal.list", limit=5)
    rows = lister()
    print(row, rows[0]["ID"], select)


def pool(b24: Session) -> list[AjaxResult]:
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(b24.call, "crm.deal.get", {"id": n}) for n in range(3)]
        return [future.result() for future in futures] + list(pool.map(b24.call, ["a.b", "a.c"]))


@attrs.frozen
class Stubborn(RetryPolicy):
    attempts: int = 9


class NoRetry(RetryPolicy):
    def __init__(self) -> None:
        super().__init__(attempts=1)


def policies() -> None:
    for policy in (RetryPolicy(), Stubborn(), NoRetry(), attrs.evolve(RetryPolicy(), attempts=2, wait_max=1)):
        with Session("https://x.example/rest/1/c/", retries=policy):
            pass


class Slow:
    """A limiter of my own."""

    @property
    def level(self) -> float:
        return 0.0

    def acquire(self, *, max_wait: float | None, on_wait: Callable[[float], None]) -> None:
        on_wait(0.0)

    def penalize(self, seconds: float) -> None: ...


class Half(LeakyBucket):
    def penalize(self, seconds: float = 0.0) -> None:
        super().penalize(seconds * 2)


def limits(url: str) -> Session:
    limiter: Limiter = Slow()
    Session(url, limits=Half(capacity=20, leak_rate=1))
    return Session(url, limits=limiter).with_options(limits=LeakyBucket.enterprise())


class Client(Session):
    """A client of our own."""

    def deal(self, number: int) -> dict[str, Any]:
        deal: dict[str, Any] = self.call("crm.deal.get", {"id": number}).data
        return deal

    def quick(self) -> Self:
        return self.with_options(timeout=2, retries=RetryPolicy(attempts=1))


def subclass(url: str) -> str:
    with Client(url, timeout=(3, 30)) as client:
        return str(client.quick().deal(1)["TITLE"])


def kwargs(url: str, **options: Unpack[Options]) -> Session:
    return Session(url, **options)


@dataclass
class Deal:
    title: str
    stage: Stage = Stage.NEW
    tags: list[str] = field(default_factory=list[str])


def calls_from_dataclasses(b24: Session, deals: Iterable[Deal]) -> AnyResult:
    return b24.batch_by_chunk(("crm.deal.add", {"fields": asdict(deal)}) for deal in deals)


def waits(b24: Session) -> Session:
    class Recorder:
        def __init__(self) -> None:
            self.total = 0.0
            self.by_reason: defaultdict[Literal["rate", "retry", "operating"], float] = defaultdict(float)

        def __call__(self, wait: Wait) -> None:
            self.total += wait.seconds
            self.by_reason[wait.reason] += wait.seconds

        def note(self, request: FinishedRequest) -> None:
            log.info("%s %s %.2f", request.method, request.http_status or 0, request.seconds)

    recorder = Recorder()
    waits: list[Wait] = []
    b24.with_options(on_wait=waits.append)
    return b24.with_options(on_wait=recorder, on_request=recorder.note)


def request_hook(b24: Session, emit: Callable[[str, float, dict[str, str]], None]) -> Session:
    def on_request(request: FinishedRequest) -> None:
        emit("b24", request.seconds, {"method": request.method, "error": request.error or ""})

    return b24.with_options(on_request=on_request, on_wait=lambda wait: emit("wait", wait.seconds, {"r": wait.reason}))


def data_of(result: Result[R]) -> R:
    return result.raise_for_errors().data


def generic_use(b24: Session) -> None:
    values = data_of(b24.batch([("a.b",)]))
    named = data_of(b24.batch({"a": ("a.b",)}))
    print(values[0], named["a"])


class Repository(Generic[T]):
    def __init__(self, b24: Session, method: str, make: Callable[[Mapping[str, Any]], T]) -> None:
        self._b24, self._method, self._make = b24, method, make

    def all(self, **conditions: object) -> list[T]:
        return [self._make(row) for row in self._b24.call_list(self._method, {"filter": conditions})]

    def each(self, *, select: Sequence[str] = ("ID",)) -> Iterator[T]:
        for page in self._b24.fetch_list(self._method, {"select": list(select)}):
            yield from map(self._make, page)


def repository(b24: Session) -> list[int]:
    return Repository(b24, "crm.deal.list", lambda row: int(row["ID"])).all(STAGE_ID=Stage.NEW)


class Caller(Protocol):
    def call(self, method: str, params: Mapping[str, Any] | None = None) -> AjaxResult: ...


def through_a_protocol(client: Caller) -> Any:
    return client.call("user.current").data


class ListsRows(Protocol):
    def call_list(
        self, method: str, params: Mapping[str, Any] | None = ..., *, limit: int | None = ...
    ) -> list[dict[str, Any]]: ...


def as_a_reader(b24: Session) -> ListsRows:
    return b24


class Batches(Protocol):
    def batch_by_chunk(self, calls: Iterable[Call]) -> Result[list[Any]]: ...


def as_a_writer(b24: Session) -> Batches:
    return b24


def errors(error: SdkError) -> tuple[str, float | None]:
    match error:
        case RateLimited(retry_after=seconds):
            return "later", seconds
        case OperatingLimitExceeded(reset_at=at):
            return "at", at
        case PortalMoved(host=host):
            return host or "", None
        case BatchError(result=result):
            return result.summary(), None
        case UnexpectedAnswer(data=data):
            return str(data), None
        case AjaxError(code=code, description=text, method=method):
            return f"{method} {code} {text} {error.extra.get('argument')}", None
        case TransportError():
            return str(error.code), None
        case _:
            return error.description, None


def error_code(error: AjaxError) -> bool:
    return error.code == "QUERY_LIMIT_EXCEEDED" or error.code.upper() in {"A", "B"}


def exceptions(b24: Session) -> None:
    try:
        b24.batch_by_chunk([("a.b",)], journal=Path("x"))
    except* (NotSent, AnswerLost) as group:
        print(group.exceptions)


def context(url: str) -> contextlib.ExitStack:
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(Session(each, limits=None)) for each in (url, url)]
        print([each.call("server.time").data for each in sessions])
        return stack.pop_all()


@contextlib.contextmanager
def managed(url: str) -> Generator[Session, None, None]:
    with Session(url) as b24:
        yield b24


@functools.lru_cache
def cached() -> Session:
    return Session(os.environ["B24_WEBHOOK_URL"])


def journals(b24: Session, calls: Sequence[Command]) -> AnyResult:
    b24.batch_by_chunk(calls, journal=Journal("x.journal"))
    b24.batch_by_chunk(calls, journal="x.journal")
    for row in b24.stream_batch(iter(calls), journal=Path("y"), stop_after=3.5):
        print(row)
    return b24.batch_by_chunk(calls, journal=str(Path("a", "b")))


def results(b24: Session) -> dict[str, list[str]]:
    result = b24.batch({"a": ("a.b",)}, return_ajax_result=True)
    out: dict[str, list[str]] = {}
    for name, row in result.data.items():
        out[name] = [row.status, row.method, row.name or "", str(row.time and row.time["duration"])]
    first, *rest = result
    print(
        first.is_success,
        [each.data for each in rest],
        result[0].error,
        result[:2],
        result[::2],
        "a" in result,
        0 in result,
    )
    return out


def dates(b24: Session) -> list[tuple[object, ...]]:
    rows = b24.call_list("crm.deal.list", {"select": ["*"]})
    return [
        (to_date(r["CLOSEDATE"]), to_datetime(r["DATE_CREATE"]), to_decimal(r["OPPORTUNITY"]), to_bool(r["OPENED"]))
        for r in rows
    ]


def sum_of_amounts(b24: Session) -> object:
    return sum((to_decimal(row["OPPORTUNITY"]) or 0 for row in b24.call_list("crm.deal.list")), start=0)


def iterate_pages(b24: Session) -> None:
    pages = b24.fetch_list("crm.item.list", {"entityTypeId": EntityTypeId.DEAL, "filter": {">id": 1}}, concurrency=3)
    first = next(pages, None)
    for number, page in enumerate(pages, start=1):
        print(number, len(page), page[0].get("id"))
    print(first)


def clock(url: str) -> None:
    class Fixed:
        def monotonic(self) -> float:
            return 0.0

        def time(self) -> float:
            return 0.0

        def sleep(self, seconds: float, /) -> None: ...

    clock: Clock = Fixed()
    Session(url, clock=clock)
    Session(url, clock=time)


def http(url: str) -> Session:
    http = requests.Session()
    http.verify = "/etc/ssl/ca.pem"
    http.proxies["https"] = "http://proxy:3128"
    http.mount("https://", TrackingAdapter())
    return Session(url, http=http)


def tokens(database: Path, token: Token) -> Session:
    store: TokenStore = SQLiteTokenStore(database)
    for each in (store, MemoryTokenStore()):
        each.put(token)
    return Session(OAuth("id", "secret", token, store=store))


class DbStore:
    def get(self, member_id: str) -> Token | None:
        return None

    def put(self, token: Token) -> None: ...

    def lock(self, member_id: str) -> contextlib.AbstractContextManager[object]:
        return threading.Lock()


def store(token: Token) -> OAuth:
    return OAuth(client_id="id", client_secret="secret", token=token, store=DbStore())


def statistics(b24: Session) -> dict[str, float]:
    numbers: Statistics = b24.statistics
    worst: tuple[str, MethodTime] | None = next(iter(numbers.methods.items()), None)
    return {"ok": numbers.commands["ok"], "rate": numbers.waited["rate"], "worst": worst[1].operating if worst else 0.0}


def portal_test() -> None:
    with Portal(rate=None) as portal, portal.session(max_wait=3) as b24:

        @portal.method("shop.list")
        def shops(params: Mapping[str, Any]) -> Page:
            return Page([{"ID": 1}], total=1)

        @portal.method("shop.add")
        def add(params: Mapping[str, Any]) -> int:
            if not params:
                raise PortalError("EMPTY", "nothing")
            return 1

        portal.fail_next("lost_after", times=2, after=1)
        assert b24.call_list("shop.list", paging="start") == [{"ID": 1}]
        print(shops, add, [c.method for c in portal.executed], portal.requests[0])


def refs() -> list[Command]:
    company = ref("company")
    task = ref("task")["task"]["id"]
    totals = ref("list").total
    return [Command("a.b", {"x": company, "y": task, "z": [totals, ref(0)[0]["ID"]]})]


def stored(path: Path, result: AnyResult) -> list[Command]:
    import json

    path.write_text(json.dumps([each.to_dict() for each in result.remaining()]))
    return [Command.from_dict(each) for each in json.loads(path.read_text())]


def calls_of_a_file(path: Path) -> Iterator[Call]:
    with path.open() as file:
        for row in csv.DictReader(file):
            yield Command("crm.deal.add", {"fields": row}, name=row["id"])


def writer(b24: Session, path: Path) -> None:
    rows = b24.batch_by_chunk(calls_of_a_file(path), progress=True).to_records()
    with path.open("w") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def key(rows: list[AjaxResult]) -> list[str]:
    ordered = sorted(rows, key=operator.attrgetter("status"))
    groups: dict[str, list[str]] = {
        status: [r.method for r in group] for status, group in itertools.groupby(ordered, key=lambda r: r.status)
    }
    return list(groups)


def by_status(result: AnyResult) -> dict[str, int]:
    statuses: tuple[Literal["ok", "failed", "skipped", "unknown"], ...] = ("ok", "failed", "skipped", "unknown")
    return {status: len(result.by_status(status)) for status in statuses}


def params(b24: Session, fields: MutableMapping[str, object], ids: Sequence[int], uid: UUID) -> None:
    b24.call("crm.deal.update", {"id": ids[0], "fields": fields, "u": uid, "e": Stage.NEW})
    b24.call("crm.item.get", {"entityTypeId": EntityTypeId.LEAD, "id": ids[0]})
    b24.call("task.item.get", [1, {"a": True}])
    b24.call("task.item.get", (1, {"a": True}))
    b24.batch([("crm.deal.get", {"id": n}) for n in ids])
    b24.batch([("x.y", fields)])
    os_fields: dict[str, str] = dict(os.environ)
    b24.call("a.b", os_fields)


def lookup(b24: Session, keys: Collection[str]) -> dict[str, list[str]]:
    found = look_up(b24, "crm.deal.list", "ORIGIN_ID", keys)
    return {key: [str(each) for each in ids] for key, ids in found.items()}


def progress(b24: Session, *, verbose: bool) -> None:
    import sys

    class Bar:
        def __init__(self, total: int | None, unit: str) -> None: ...
        def update(self, n: int) -> None: ...
        def set_postfix_str(self, s: str) -> None: ...
        def close(self) -> None: ...

    b24.batch_by_chunk([("a.b",)], progress=Bar)
    b24.batch_by_chunk([("a.b",)], progress=lambda total, unit: Bar(total, unit.strip()))
    b24.call_list("crm.deal.list", progress=verbose or None)
    b24.batch_by_chunk([("a.b",)], progress=sys.stderr.isatty())


def paging(b24: Session, how: Literal["cursor", "start"] | None = None) -> list[str]:
    rows = b24.call_list("crm.deal.list", paging=how)
    return [row["ID"] for row in rows]


def options_of(b24: Session) -> tuple[tuple[float, float], float | None, Limiter | None, int]:
    return b24.timeout, b24.max_wait, b24.limits, b24.concurrency


def decorator(function: Callable[[Session], T]) -> Callable[[str], T]:
    @functools.wraps(function)
    def with_session(url: str) -> T:
        with Session(url) as b24:
            return function(b24)

    return with_session


@decorator
def decorated(b24: Session) -> int:
    total = b24.call("crm.deal.list").total
    return total if total is not None else 0


def last(b24: Session) -> str:
    if (last := b24.last_result) is not None and not last.is_success:
        return "; ".join(last.error_messages)
    return ""


def pending(b24: Session) -> AnyResult:
    result = b24.batch_by_chunk([("a.b",)])
    while remaining := result.remaining():
        result = b24.batch_by_chunk(remaining)
    return result


def either(b24: Session, calls: list[Call] | dict[str, Call]) -> AnyResult:
    return b24.batch(calls)


def mapping(b24: Session, calls: Mapping[str, Call]) -> AnyResult:
    return b24.batch(calls)


def strings(b24: Session, methods: Iterable[str]) -> AnyResult:
    return b24.batch_by_chunk((method,) for method in methods)


def named_tuple(b24: Session) -> AnyResult:
    class Update(NamedTuple):
        method: str
        params: dict[str, int]

    return b24.batch([Update("crm.deal.update", {"id": 1})])


def optional(b24: Session, title: str | None, amount: float | None) -> None:
    fields = {"TITLE": title, "OPPORTUNITY": amount}
    b24.call("crm.deal.add", {"fields": fields})
    calls = [("crm.deal.add", {"fields": fields}), ("user.current", None)]
    b24.batch(calls)
    mixed_params = [("crm.deal.get", {"id": 1}), ("task.item.get", [1, 2])]
    b24.batch(mixed_params)


def set(b24: Session) -> None:
    b24.batch({Command("a.b"), Command("c.d")})
    commands = [Command("a.b"), Command("c.d", name="x")]
    b24.batch(commands)


def added_or_found(b24: Session) -> int:
    try:
        return int(b24.call("crm.deal.add", {"fields": {}}).data)
    except AnswerLost as error:
        log.warning("%s %s %s", error.code, error.request_id, error.http_status)
        found = look_up(b24, "crm.deal.list", "ORIGIN_ID", ["a"])
        return int(found["a"][0])


def async_wrapper(b24: Session) -> Callable[[], Any]:
    import asyncio

    async def read() -> AjaxResult:
        return await asyncio.to_thread(b24.call, "crm.deal.get", {"id": 1})

    async def send(calls: list[Call]) -> AnyResult:
        return await asyncio.to_thread(b24.batch_by_chunk, calls, concurrency=4)

    return lambda: asyncio.run(read()).data or asyncio.run(send([]))


def a_view(_request: HttpRequest, title: str) -> HttpResponse:
    try:
        deals = get_session().call_list("crm.deal.list", {"filter": {"%TITLE": title}}, limit=20)
    except RateLimited as error:
        return HttpResponse(status=503, headers={"Retry-After": str(round(error.retry_after or 60))})
    except SdkError as error:
        return JsonResponse(error.to_dict(), status=502)
    return JsonResponse({"deals": [{"id": deal["ID"], "title": deal["TITLE"]} for deal in deals]})
