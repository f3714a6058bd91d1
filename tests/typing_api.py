# pyright: strict
"""Never run: mypy --strict and pyright read it, and so pin the types of the public interface."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

from django.http import HttpRequest, HttpResponse  # pyright: ignore[reportMissingTypeStubs]

from b24batch import (
    AjaxError,
    AjaxResult,
    AnyResult,
    BatchError,
    Call,
    Calls,
    Command,
    EntityTypeId,
    LeakyBucket,
    OperatingLimitExceeded,
    PortalMoved,
    RateLimited,
    Result,
    RetryPolicy,
    SdkError,
    Session,
    Webhook,
    outcomes_of,
    ref,
)
from b24batch.django import event_view, get_session, install_view, placement_view, session_for
from b24batch.files import download_file, file_data, file_value, upload_file
from b24batch.oauth import Event, Install, Placement
from b24batch.reading import to_bool, to_date, to_datetime, to_decimal
from b24batch.runs.progress import Bar
from b24batch.sandbox import Portal

b24 = Session("https://example.bitrix24.com/rest/1/code/")
Session(Webhook("https://example.bitrix24.com/rest/1/code/"), timeout=5, limits=None, max_wait=0)
Session("", timeout=(1, 2.5), deadline=60, retries=RetryPolicy(), limits=LeakyBucket(), idempotent_methods={"a.b"})

with b24 as entered:
    assert_type(entered, Session)
assert_type(b24.with_options(timeout=5, limits="shared"), Session)
assert_type(b24.timeout, tuple[float, float])
assert_type(LeakyBucket.enterprise(), LeakyBucket)

assert_type(b24.call("crm.deal.get", {"id": 1}), AjaxResult)
assert_type(b24.call("task.item.add", [1, {"a": 2}], request_id="x", idempotent=True), AjaxResult)

assert_type(b24.batch([("crm.deal.get", {"id": 1})]), Result[list[Any]])
assert_type(b24.batch([("a.b",), ["a.b", {}], {"method": "a.b"}, Command("a.b")]), Result[list[Any]])
assert_type(b24.batch({"a": ("crm.deal.get", {"id": 1})}), Result[dict[str, Any]])
assert_type(b24.batch([Command("a.b")], return_ajax_result=True), Result[list[AjaxResult]])
assert_type(b24.batch({"a": Command("a.b")}, return_ajax_result=True), Result[dict[str, AjaxResult]])
assert_type(b24.batch([("a.b", {"x": n}) for n in range(3)], halt_on_error=False).data, list[Any])

# In a variable, where mypy infers only what the calls have in common:
tuples = [("a.b",), ("a.b", {"x": 1}), ("a.b", {"x": {"y": "z"}}), ("a.b", [1, {"x": 2}]), ("a.b", None)]
lists = [["a.b"], ["a.b", {"x": 1}], ["a.b", [1]]]
mappings = [{"method": "a.b"}, {"method": "a.b", "params": {"x": 1}}]
mixed = [("a.b", {"x": ref(0)}), ["a.b"], {"method": "a.b"}, Command("a.b")]
names = {"a": ("a.b",), "b": ["a.b", {"x": 1}], "c": Command("a.b")}
named_tuples = {"a": ("a.b", {"x": 1}), "b": ("a.b", {"x": {"y": 2}}), "c": ("a.b",)}
grown: list[Call] = [("a.b",), Command("a.b")]
assert_type(b24.batch(tuples), Result[list[Any]])
assert_type(b24.batch(lists, return_ajax_result=True), Result[list[AjaxResult]])
assert_type(b24.batch(mappings), Result[list[Any]])
assert_type(b24.batch(mixed), Result[list[Any]])
assert_type(b24.batch(names), Result[dict[str, Any]])
assert_type(b24.batch(named_tuples, return_ajax_result=True), Result[dict[str, AjaxResult]])
assert_type(b24.batch(grown), Result[list[Any]])
assert_type(b24.batch_by_chunk(tuples), Result[list[Any]])
assert_type(b24.batch_by_chunk(lists), Result[list[Any]])
assert_type(b24.batch_by_chunk(mixed), Result[list[Any]])
assert_type(b24.stream_batch(tuples), Iterator[AjaxResult])
assert_type(b24.stream_batch(mixed), Iterator[AjaxResult])


def send(calls: Calls, *, whole: bool) -> AnyResult:
    assert_type(b24.batch(tuples, return_ajax_result=whole), Result[list[Any]])
    assert_type(b24.batch(names, return_ajax_result=whole), Result[dict[str, Any]])
    return b24.batch(calls, return_ajax_result=whole)


def keep(result: Result) -> Result[Any]:
    assert_type(result, AnyResult)
    return result


keep(send(grown, whole=True))
send(names, whole=True)  # type: ignore[arg-type]
keep(b24.batch({"a": ("a.b",)}, return_ajax_result=True))
assert_type(outcomes_of(KeyboardInterrupt()), Result[Any] | None)
assert_type(outcomes_of(b24.stream_batch(tuples)), Result[Any] | None)

result = b24.batch_by_chunk((("a.b", {"x": n}) for n in range(3)), stop_on_error=True, chunk_size=10)
assert_type(result, Result[list[Any]])
assert_type(result.rows, list[AjaxResult])
assert_type(result.to_records(), list[dict[str, Any]])
assert_type(result.errors, dict[int | str, SdkError])
assert_type(result.error_messages, list[str])
assert_type(result.is_success, bool)
assert_type(result.remaining(), list[Command])
assert_type(b24.last_result, Result[Any] | None)
assert_type(result[10:20], list[AjaxResult])
assert_type(Command("a.b").to_dict(), dict[str, Any])
assert_type(Command.from_dict({"method": "a.b"}), Command)
assert_type(result.raise_for_errors(), Result[list[Any]])
assert_type(result[0], AjaxResult)
assert_type(result["name"], AjaxResult)
assert_type(result[1:3], list[AjaxResult])
assert_type(result.to_dict(), dict[str, Any])
for row in result:
    assert_type(row, AjaxResult)
    assert_type(row.error, SdkError | None)
    assert_type(row.total, int | None)
    assert_type(row.command, Command)
    if row.status == "unknown":
        assert_type(row.is_success, bool)

chain = b24.batch({"a": ("a.add", {"x": 1}), "b": ("b.add", {"a": ref("a")["item"][0]["id"], "n": ref(0).total})})
assert_type(chain, Result[dict[str, Any]])
assert_type(b24.fetch_list("crm.deal.list", {"filter": {">ID": 5}}), Iterator[list[dict[str, Any]]])
assert_type(b24.call_list("crm.item.list", {"entityTypeId": 2}, descending=True), list[dict[str, Any]])


class Counter:
    """A bar of one's own, as `b24batch.runs.progress.Bar` describes it."""

    def __init__(self, total: int | None = None, unit: str = "") -> None: ...
    def update(self, n: int = 1) -> bool | None: ...
    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None: ...
    def close(self) -> None: ...


bar: Bar = Counter()
assert_type(b24.batch_by_chunk([("a.b",)], progress=True), Result[list[Any]])
assert_type(b24.batch_by_chunk([("a.b",)], progress=Counter), Result[list[Any]])
assert_type(b24.batch_by_chunk([("a.b",)], progress=None), Result[list[Any]])
assert_type(b24.call_list("crm.deal.list", progress=False, pages_per_request=5), list[dict[str, Any]])
assert_type(b24.call_list("crm.deal.list", progress=Counter), list[dict[str, Any]])
assert_type(b24.call_list("crm.status.list", paging="whole", limit=10), list[dict[str, Any]])
assert_type(b24.fetch_list("my.list", paging=None, limit=None), Iterator[list[dict[str, Any]]])
assert_type(b24.stream_batch([Command("a.b", {"x": EntityTypeId.DEAL})]), Iterator[AjaxResult])

try:
    result.raise_for_errors()
except BatchError as error:
    assert_type(error.result, Result[Any])
except RateLimited as error:
    assert_type(error.retry_after, float | None)
except OperatingLimitExceeded as error:
    assert_type(error.reset_at, float | None)
except PortalMoved as error:
    assert_type(error.host, str)
except AjaxError as error:
    assert_type(error.method, str)
except SdkError as error:
    assert_type(error.http_status, int | None)

b24.batch([("a.b", "params")])  # type: ignore[list-item]
b24.batch(["a.b"])  # type: ignore[list-item]
b24.batch_by_chunk({"a": ("a.b",)})  # type: ignore[dict-item]
b24.batch_by_chunk(names)  # type: ignore[arg-type]
b24.batch(["a.b" for _ in lists])  # type: ignore[misc]
texts, pair = ["a.b"], ("a.b", {"x": 1})
b24.batch(texts)  # type: ignore[arg-type]
b24.batch_by_chunk(texts)  # type: ignore[arg-type]
b24.batch_by_chunk(pair)  # type: ignore[arg-type]
b24.batch({"a": "a.b"})  # type: ignore[dict-item]
b24.batch([("a.b",)], halt=True)  # type: ignore[call-overload]
b24.batch_by_chunk([("a.b",)], progress="yes")  # type: ignore[arg-type]
b24.batch_by_chunk([("a.b",)], progress=int)  # type: ignore[arg-type]
b24.batch([("a.b",)], progress=True)  # type: ignore[call-overload]
b24.fetch_list("a.b", paging="next")  # type: ignore[arg-type]
b24.fetch_list("a.b", progress=True)  # type: ignore[call-arg]
b24.batch([("a.b",)], True)  # type: ignore[call-overload]
Session("", read_timeout=5)  # type: ignore[call-arg]
Session("", limits="share")  # type: ignore[arg-type]
Session("", 5)  # type: ignore[call-arg]
b24.with_options(read_timeout=5)  # type: ignore[call-arg]

with Portal(rate=(50, 2.0)) as portal:
    assert_type(portal.session(timeout=1), Session)
    assert_type(portal.url, str)


assert_type(get_session(), Session)
assert_type(session_for("member", "application"), Session)


@placement_view
def page(request: HttpRequest, session: Session, placement: Placement) -> HttpResponse: ...
@placement_view(alias="application")
def tab(request: HttpRequest, session: Session, placement: Placement, number: int) -> HttpResponse: ...
@event_view(alias="application")
def deal_added(request: HttpRequest, session: Session, event: Event) -> HttpResponse: ...
@install_view()
def installed(request: HttpRequest, session: Session, install: Install, *, greet: bool = True) -> HttpResponse: ...


page(HttpRequest())
tab(HttpRequest(), 7)
tab(HttpRequest(), number="7")  # type: ignore[arg-type]
tab(HttpRequest())  # type: ignore[call-arg]
installed(HttpRequest(), greet=False)
page(HttpRequest(), b24)  # type: ignore[call-arg]


@placement_view  # type: ignore[arg-type]
def without_form(request: HttpRequest, session: Session) -> HttpResponse: ...
@event_view  # type: ignore[arg-type]
def with_another_form(request: HttpRequest, session: Session, placement: Placement) -> HttpResponse: ...
@install_view(alias="application")  # type: ignore[arg-type]
def with_a_number(request: HttpRequest, session: int, install: Install) -> HttpResponse: ...


placement_view(name="application")  # type: ignore[call-overload]

assert_type(file_value(Path("a.pdf")), list[str])
assert_type(file_value(("a.pdf", b"")), list[str])
assert_type(file_data("a.pdf"), dict[str, Any])
assert_type(upload_file(b24, 1, "a.pdf", {"generateUniqueName": True}), dict[str, Any])
assert_type(download_file(b24, "/a", "a.pdf", size="1", max_size=1, overwrite=True), Path)
assert_type(to_date("2026-05-01"), date | None)
assert_type(to_datetime("2026-05-01T10:00:00+03:00"), datetime | None)
assert_type(to_decimal("1.5"), Decimal | None)
assert_type(to_bool("Y"), bool | None)
