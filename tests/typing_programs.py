# pyright: strict
"""Programs that a user would write: mypy --strict and pyright check them, and a test runs each against the sandbox.

The portal of the test has 120 deals, "Deal 0" to "Deal 119".
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from b24batch import (
    AjaxError,
    AjaxResult,
    AnswerLost,
    AnyResult,
    BatchError,
    Call,
    Calls,
    Command,
    EntityTypeId,
    LeakyBucket,
    NotSent,
    OAuth,
    RateLimited,
    Result,
    RetryPolicy,
    SdkError,
    Session,
    UsageError,
    Webhook,
    look_up,
    outcomes_of,
    ref,
)
from b24batch.oauth import Token
from b24batch.options import Options
from b24batch.wire import Wait

DEAL = {"entityTypeId": EntityTypeId.DEAL}
URL = "https://example.bitrix24.com/rest/1/code/"


def one_call(b24: Session) -> None:
    row = b24.call("crm.deal.add", {"fields": {"TITLE": "A deal", "OPPORTUNITY": 100}})
    title: str = b24.call("crm.deal.get", {"id": row.data}).data["TITLE"]
    assert title == "A deal"


def count_the_deals(b24: Session) -> None:
    total = b24.call("crm.deal.list", {"select": ["ID"]}).total
    assert total is not None
    assert total + 1 == 121


def tuples_in_a_variable(b24: Session) -> None:
    calls = [("crm.deal.get", {"id": 1}), ("crm.deal.get", {"id": 2})]
    assert b24.batch(calls).is_success
    assert b24.batch_by_chunk(calls).is_success


def tuples_with_other_params(b24: Session) -> None:
    calls = [("crm.deal.get", {"id": 1}), ("crm.deal.add", {"fields": {"TITLE": "x"}}), ("server.time", None)]
    assert b24.batch(calls).is_success
    assert [row.method for row in b24.stream_batch(calls)] == ["crm.deal.get", "crm.deal.add", "server.time"]


def tuples_without_params(b24: Session) -> None:
    calls = [("user.current",), ("crm.deal.get", {"id": 1})]
    assert len(b24.batch(calls).data) == len(b24.batch_by_chunk(calls).data) == 2


def lists_in_a_variable(b24: Session) -> None:
    calls = [["crm.deal.get", {"id": 1}], ["user.current"]]
    assert b24.batch(calls).is_success
    assert b24.batch_by_chunk(calls).is_success


def mappings_in_a_variable(b24: Session) -> None:
    calls = [{"method": "user.current"}, {"method": "crm.deal.get", "params": {"id": 1}}]
    assert b24.batch(calls).is_success
    assert b24.batch_by_chunk(calls).is_success


def a_mixed_list_in_a_variable(b24: Session) -> None:
    calls = [("crm.deal.get", {"id": 1}), Command("user.current"), {"method": "server.time"}, ["user.current"]]
    result = b24.batch(calls, halt_on_error=False)
    assert [row.status for row in result] == ["ok"] * 4
    assert b24.batch_by_chunk(calls, concurrency=2).is_success


def a_list_that_grows(b24: Session) -> None:
    calls: list[Call] = []
    for number in range(1, 4):
        calls.append(("crm.deal.get", {"id": number}))
        calls.append(Command("crm.deal.update", {"id": number, "fields": {"TITLE": "x"}}, name=f"deal-{number}"))
    calls.append(["user.current"])
    assert b24.batch_by_chunk(calls)["deal-2"].is_success


def a_generator_of_calls(b24: Session) -> None:
    result = b24.batch_by_chunk(("crm.deal.get", {"id": number}) for number in range(1, 101))
    assert [deal["TITLE"] for deal in result.data][:2] == ["Deal 0", "Deal 1"]


def calls_from_objects(b24: Session) -> None:
    @dataclass
    class Deal:
        title: str
        amount: Decimal
        closes: date

        def to_call(self) -> Call:
            fields = {"TITLE": self.title, "OPPORTUNITY": self.amount, "CLOSEDATE": self.closes}
            return "crm.deal.add", {"fields": fields}

    deals = [Deal(f"Deal {number}", Decimal("9.90"), date(2026, 1, 31)) for number in range(60)]
    assert b24.batch_by_chunk(deal.to_call() for deal in deals).is_success


def calls_from_a_csv_file(b24: Session) -> None:
    file = io.StringIO("title,amount\nTable,100\nChair,20\n")
    result = b24.batch_by_chunk(
        [
            ("crm.deal.add", {"fields": {"TITLE": row["title"], "OPPORTUNITY": float(row["amount"])}})
            for row in csv.DictReader(file)
        ]
    )
    ids: list[int] = result.data
    assert ids == [121, 122]


def calls_by_name(b24: Session) -> None:
    result = b24.batch({"me": ("user.current",), "deal": ("crm.deal.get", {"id": 1})})
    assert result.data["deal"]["TITLE"] == "Deal 0"
    assert result["me"].is_success
    assert "me" in result


def calls_by_name_in_a_variable(b24: Session) -> None:
    calls = {"me": Command("user.current"), "deal": ("crm.deal.get", {"id": 1}), "time": ["server.time"]}
    names = {name: row.status for name, row in zip(calls, b24.batch(calls), strict=True)}
    assert names == {"me": "ok", "deal": "ok", "time": "ok"}


def a_list_or_a_mapping(b24: Session) -> None:
    def send(calls: Calls) -> AnyResult:
        return b24.batch(calls)

    assert send([("user.current",)]).data[0]["ID"]
    assert send({"me": ("user.current",)}).data["me"]["ID"]


def rows_instead_of_values(b24: Session) -> None:
    result = b24.batch([("crm.deal.list", {}), ("user.current",)], return_ajax_result=True)
    totals: list[int | None] = [row.total for row in result.data]
    assert totals == [120, None]
    named = b24.batch({"deals": ("crm.deal.list", {})}, return_ajax_result=True)
    assert named.data["deals"].total == 120


def a_flag_of_ones_own(b24: Session) -> None:
    def read(*, whole: bool) -> Any:
        return b24.batch([("server.time",)], return_ajax_result=whole).data[0]

    assert read(whole=True).http_status == 200
    assert str(read(whole=False)).startswith("20")


def errors_by_position(b24: Session) -> None:
    calls: list[Call] = [("crm.deal.get", {"id": number}) for number in (1, 4711, 2)]
    result = b24.batch(calls, halt_on_error=False)
    errors: dict[int | str, SdkError] = result.errors
    assert [(place, error.code) for place, error in errors.items()] == [(1, "")]
    assert result.error_messages == ["crm.deal.get: Not found"]


def a_failed_batch_as_an_exception(b24: Session) -> None:
    try:
        b24.batch([("crm.deal.get", {"id": 4711}), ("user.current",)]).raise_for_errors()
    except BatchError as error:
        result: AnyResult = error.result
    else:
        raise AssertionError("the deal does not exist")
    assert [row.status for row in result] == ["failed", "skipped"]
    assert len(result.remaining()) == 1


def what_remains_in_a_file(b24: Session) -> None:
    calls = [("crm.deal.get", {"id": number}) for number in (1, 4711, 2)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "remaining.json")
        path.write_text(json.dumps([command.to_dict() for command in b24.batch(calls).remaining()]))
        remaining = [Command.from_dict(stored) for stored in json.loads(path.read_text())]
    assert b24.batch_by_chunk(remaining).data[0]["TITLE"] == "Deal 1"


def references(b24: Session) -> None:
    company = ref("company")
    result = b24.batch(
        {
            "company": ("crm.company.add", {"fields": {"TITLE": "A company"}}),
            "deal": ("crm.deal.add", {"fields": {"TITLE": "Its deal", "COMPANY_ID": company}}),
        }
    )
    assert result.data == {"company": 1, "deal": 121}


def references_by_position(b24: Session) -> None:
    calls: list[Call] = [
        ("crm.item.add", {**DEAL, "fields": {"title": "A deal"}}),
        ("crm.item.get", {**DEAL, "id": ref(0)["item"]["id"]}),
    ]
    assert b24.batch_by_chunk(calls).data[1]["item"]["title"] == "A deal"


def a_stream(b24: Session) -> None:
    def updates() -> Iterator[Command]:
        for number in range(1, 121):
            yield Command("crm.deal.update", {"id": number, "fields": {"COMMENTS": "seen"}}, name=f"deal-{number}")

    statuses: Counter[str] = Counter()
    for row in b24.stream_batch(updates(), chunk_size=25):
        statuses[row.status] += 1
    assert statuses == {"ok": 120}


def all_rows(b24: Session) -> None:
    deals = b24.call_list("crm.deal.list", {"select": ["ID", "TITLE"], "filter": {">ID": 20}})
    titles: dict[int, str] = {int(deal["ID"]): deal["TITLE"] for deal in deals}
    assert len(titles) == 100


def rows_page_by_page(b24: Session) -> None:
    pages = b24.fetch_list("crm.deal.list", {"select": ["ID"]}, pages_per_request=2)
    assert [len(page) for page in pages] == [50, 50, 20]


def the_newest_rows(b24: Session) -> None:
    newest = b24.call_list("crm.item.list", {**DEAL, "select": ["id"]}, descending=True, limit=3)
    assert [row["id"] for row in newest] == [120, 119, 118]


def rows_by_offset(b24: Session) -> None:
    departments: list[dict[str, Any]] = b24.call_list("department.get", paging="start", concurrency=2)
    assert [department["ID"] for department in departments] == ["1", "2"]


def a_bar_of_ones_own(b24: Session) -> None:
    class Dots:
        """A bar that counts."""

        def __init__(self, total: int | None = None, unit: str = "") -> None:
            self.total, self.unit, self.seen = total, unit, 0
            bars.append(self)

        def update(self, n: int = 1) -> None:
            self.seen += n

        def set_postfix_str(self, s: str = "", refresh: bool = True) -> None: ...
        def close(self) -> None: ...

    bars: list[Dots] = []
    b24.batch_by_chunk([("user.current",)] * 60, progress=Dots)
    assert [(bar.total, bar.seen) for bar in bars] == [(60, 60)]


def other_options(b24: Session) -> None:
    once = b24.with_options(retries=attrs.evolve(b24.retries, attempts=1), max_wait=5, idempotent_methods={"a.b"})
    assert (once.retries.attempts, once.max_wait, once.timeout) == (1, 5, b24.timeout)


def options_in_a_variable(b24: Session) -> None:
    options: Options = {"timeout": 30, "limits": LeakyBucket.enterprise()}
    options["deadline"] = 300
    with Session(URL, **options) as patient:
        assert patient.timeout == (30.0, 30.0)
    assert b24.with_options(**options).deadline == 300


def credentials(_b24: Session) -> None:
    token = Token("access", "refresh", 0, "https://example.bitrix24.com/rest/", "member")
    for portal in (URL, Webhook(URL), OAuth("client", "secret", token)):
        with Session(portal, retries=RetryPolicy(attempts=2), limits=None) as b24:
            assert "example.bitrix24.com" in repr(b24)


def what_a_wait_is_for(b24: Session) -> None:
    reasons: list[str] = []

    def note(wait: Wait) -> None:
        reasons.append(f"{wait.reason}: {wait.seconds:.1f} s")

    assert b24.with_options(on_wait=note).batch([("user.current",)]).is_success
    assert reasons == []


def the_last_result(b24: Session) -> None:
    b24.batch_by_chunk([("no.such.method",), ("user.current",)])
    last = b24.last_result
    assert last is not None
    assert [row.method for row in last.by_status("skipped")] == ["user.current"]


def a_run_that_is_stopped(b24: Session) -> None:
    class Stop:
        """A bar that presses Ctrl-C."""

        def __init__(self, total: int | None = None, unit: str = "") -> None: ...
        def set_postfix_str(self, s: str = "", refresh: bool = True) -> None: ...
        def close(self) -> None: ...
        def update(self, n: int = 1) -> None:
            raise KeyboardInterrupt

    try:
        b24.batch_by_chunk([("crm.deal.get", {"id": number}) for number in range(1, 121)], progress=Stop)
    except KeyboardInterrupt as interrupt:
        result = outcomes_of(interrupt)
        assert result is not None
        assert Counter(row.status for row in result) == {"ok": 50, "skipped": 70}
    else:
        raise AssertionError("the bar stops the run")


def functions_on_results(b24: Session) -> None:
    def summary(result: Result) -> str:
        return "; ".join(result.error_messages) or "all well"

    def first(result: Result[list[Any]]) -> str:
        return str(result.data[0]["ID"])

    def names(result: Result[dict[str, Any]]) -> list[str]:
        return sorted(result.data)

    listed, named = b24.batch([("user.current",)]), b24.batch({"me": ("user.current",)})
    assert [summary(listed), summary(named)] == ["all well", "all well"]
    assert (first(listed), names(named)) == ("1", ["me"])


def what_became_of_each(b24: Session) -> None:
    def advice(row: AjaxResult) -> str:
        match row.status:
            case "ok":
                return str(row.data["ID"])
            case "failed":
                return str(row.error)
            case "skipped":
                return "send it again"
            case "unknown":
                return "look it up"

    calls: list[Call] = [("crm.deal.get", {"id": number}) for number in (1, 4711, 2)]
    assert [advice(row) for row in b24.batch(calls)] == ["1", "crm.deal.get: Not found", "send it again"]


def errors_of_a_call(b24: Session) -> None:
    def read(number: int) -> dict[str, Any] | None:
        try:
            deal: dict[str, Any] = b24.call("crm.deal.get", {"id": number}, request_id=f"read-{number}").data
            return deal
        except RateLimited as error:
            raise TimeoutError(f"try again in {error.retry_after or 60:.0f} s") from error
        except AjaxError as error:
            if error.http_status == 400 and error.description == "Not found":
                return None
            raise
        except (NotSent, AnswerLost) as error:
            raise ConnectionError(error.description) from error

    assert read(1) is not None
    assert read(4711) is None


def an_invalid_call(b24: Session) -> None:
    calls: Iterable[Call] = [("crm.deal.add", {"fields": {"PHOTO": b"..."}})]
    try:
        b24.batch_by_chunk(calls)
    except UsageError as error:
        reason = error.description
    else:
        raise AssertionError("bytes cannot be sent")
    assert "fields.PHOTO" in reason


def a_table_of_outcomes(b24: Session) -> None:
    result = b24.batch_by_chunk([("crm.deal.get", {"id": number}) for number in (1, 4711)])
    file = io.StringIO()
    writer = csv.DictWriter(file, ["position", "status", "error_type"], extrasaction="ignore")
    writer.writerows(result.to_records())
    assert file.getvalue().split() == ["0,ok,", "1,failed,AjaxError"]
    assert json.loads(json.dumps(result.to_dict()))["is_success"] is False


def a_part_of_a_result(b24: Session) -> None:
    result = b24.batch_by_chunk([("crm.deal.get", {"id": number}) for number in range(1, 61)])
    part: list[AjaxResult] = result[10:20]
    assert [row.data["ID"] for row in part] == [str(number) for number in range(11, 21)]
    assert result[-1].data["ID"] == "60"


def a_run_with_a_journal(b24: Session) -> None:
    with tempfile.TemporaryDirectory() as folder:
        calls = [Command("crm.deal.add", {"fields": {"TITLE": str(n)}}, name=f"order-{n}") for n in range(60)]
        for _life in range(2):
            result = b24.batch_by_chunk(calls, journal=Path(folder, "deals.journal"), stop_after=600)
            assert result["order-59"].data == 180


def keys_of_ones_own(b24: Session) -> None:
    orders = [f"order-{number}" for number in range(3)]
    b24.batch_by_chunk(
        [Command("crm.deal.add", {"fields": {"TITLE": "x", "ORIGIN_ID": order}}, name=order) for order in orders]
    ).raise_for_errors()
    found = look_up(b24, "crm.deal.list", "ORIGIN_ID", [*orders, "order-9"])
    assert found == {order: [str(121 + place)] for place, order in enumerate(orders)}


def positional_params(b24: Session) -> None:
    task = b24.call("tasks.task.add", {"fields": {"TITLE": "A task", "RESPONSIBLE_ID": 1}}).data["task"]
    items: list[Call] = [("task.checklistitem.add", [task["id"], {"TITLE": title}]) for title in ("first", "second")]
    assert b24.batch(items).is_success


def dates_and_choices(b24: Session) -> None:
    fields = {
        "TITLE": "A deal",
        "BEGINDATE": datetime(2026, 1, 31, 12, tzinfo=UTC),
        "CLOSEDATE": None,
        "OPENED": True,
        "UF_CRM_TAGS": ["new", "big"],
    }
    added = b24.call("crm.deal.add", {"fields": fields}, idempotent=False).data
    assert b24.call("crm.deal.get", {"id": added}).data["OPENED"] == "Y"
