"""The demo, ``python -m b24batch demo``: on a sandbox portal, or the read-only half on a real one."""

from __future__ import annotations

import itertools
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from typing import get_args

from b24batch.calls.formats import Call
from b24batch.results import AjaxResult, AnyResult
from b24batch.sandbox import Portal
from b24batch.session import Session
from b24batch.statuses import Status
from b24batch.wire.retries import RetryPolicy

#: The number of deals in the demo: three full requests.
DEALS = 150

_NEW_DEALS: list[Call] = [
    ("crm.deal.add", {"fields": {"TITLE": f"Deal {n}", "OPPORTUNITY": 100 * n}}) for n in range(1, DEALS + 1)
]
_READ_IN_SANDBOX: dict[str, Call] = {
    "me": ("user.current", {}),
    "deal": ("crm.deal.get", {"ID": 42}),
    "deals": ("crm.deal.list", {"select": ["ID", "TITLE"]}),
}
_READ_IN_PORTAL: dict[str, Call] = {
    "me": ("user.current", {}),
    "app": ("app.info", {}),
    "deals": ("crm.deal.list", {"select": ["ID"]}),
}
_FLAWED: list[Call] = [("server.time", {}), ("no.such.method", {}), ("user.current", {})]

_DESCRIPTIONS: dict[str, Callable[[AjaxResult], str]] = {
    "app.info": lambda row: f"licence {row.data['LICENSE']}",
    "crm.deal.get": lambda row: f"{row.data['TITLE']}, {row.data['OPPORTUNITY']} {row.data['CURRENCY_ID']}",
    "crm.deal.list": lambda row: f"{row.total} deals in total, {len(row.data)} of them on this page",
    "server.time": lambda row: str(row.data),
    "user.current": lambda row: f"user {row.data['ID']}",
}
_ABOUT = "b24batch sends Bitrix24 REST calls in batches and tells you what became of each one."


def run_on_sandbox() -> None:
    """Run the whole demo on a sandbox portal inside this process.

    Raises:
        SdkError: Something failed unexpectedly.
    """
    with Portal() as portal, portal.session() as b24:
        print(f"{_ABOUT}\nPortal: {b24.auth.host}, a sandbox inside this program. Nothing leaves this machine.")
        _print_step(1, f"Create {DEALS} deals. One request carries 50 commands.", "b24.batch_by_chunk(calls)")
        began = time.perf_counter()
        created = b24.batch_by_chunk(_NEW_DEALS, request_id="demo-create")
        _print_requests(created, time.perf_counter() - began)
        ids = created.raise_for_errors().data
        connections = {request.connection for request in portal.requests}
        print(f"   {len(ids)} deals created, IDs {ids[0]} to {ids[-1]}.", end=" ")
        print(f"The portal counted {len(portal.requests)} requests, all over {len(connections)} connection.")
        _sum_up([*created, *_send_batches(b24, _READ_IN_SANDBOX, first=2)])
    print("Next: python -m b24batch demo --webhook URL reads from your own portal, and writes nothing there.")


def run_on_portal(url: str) -> None:
    """Run the read-only half of the demo on the portal of a webhook, whose URL is not shown.

    Raises:
        UsageError: The webhook URL is invalid.
        SdkError: The portal is unreachable, or refuses the webhook.
    """
    with Session(url, retries=RetryPolicy(attempts=2)) as b24:
        print(f"{_ABOUT}\nPortal: {b24.auth.host}. Everything below only reads; nothing is written there.")
        _sum_up(_send_batches(b24, _READ_IN_PORTAL, first=1))
    print("Nothing was written.")


def _send_batches(b24: Session, read: dict[str, Call], *, first: int) -> list[AjaxResult]:
    """Send three batches, of which two have an invalid command, and return all rows; `first` is the first number."""
    steps: list[tuple[str, dict[str, Call] | list[Call], bool, str]] = [
        ("Read something back, with a name for each answer.", read, False, "demo-read"),
        ("An invalid command in the middle: the portal stops there.", _FLAWED, True, "demo-halt"),
        ("The same, without stopping.", _FLAWED, False, "demo-go-on"),
    ]
    rows: list[AjaxResult] = []
    for number, (about, calls, halt, request_id) in enumerate(steps, first):
        shown = f"{{{', '.join(f'{name!r}: ...' for name in calls)}}}" if isinstance(calls, dict) else "calls"
        _print_step(number, about, f"b24.batch({shown}{'' if halt else ', halt_on_error=False'})")
        began = time.perf_counter()
        result = b24.batch(calls, halt_on_error=halt, request_id=request_id)
        _print_requests(result, time.perf_counter() - began)
        _print_commands(result)
        rows.extend(result)
    return rows


def _print_step(number: int, about: str, code: str) -> None:
    print(f"\n{number}. {about}\n   >>> {code}")


def _print_requests(result: AnyResult, seconds: float) -> None:
    requests = [list(rows) for _, rows in itertools.groupby(result, lambda row: row.request_id)]
    for rows, share in zip(requests, _share_seconds(requests, seconds), strict=True):
        size, first = f"{len(rows)} commands", rows[0]
        print(f"   batch of {size:<11}  HTTP {first.http_status}  {share:6.3f} s  request id {first.request_id}")


def _sum_up(rows: list[AjaxResult]) -> None:
    counts = Counter(row.status for row in rows)
    outcomes = ", ".join(f"{counts[status]} {status}" for status in get_args(Status))
    requests = len({row.request_id for row in rows})
    print(f"\nSummary: {requests} requests, {len(rows)} commands, one outcome for each: {outcomes}.")


def _share_seconds(requests: list[list[AjaxResult]], seconds: float) -> list[float]:
    """Divide the seconds of a run among its requests, by the time at which the portal finished each."""
    finishes = [max((row.time["finish"] for row in rows if row.time), default=0.0) for rows in requests]
    gaps = [later - earlier for earlier, later in itertools.pairwise(finishes)]
    return [seconds - sum(gaps), *gaps]


def _print_commands(result: AnyResult) -> None:
    for position, row in enumerate(result):
        name = str(row.command.name if result.named else position)
        print(f"   {name:<6} {row.command.method:<14}  {row.status:<7}  {_describe(row)}")


def _describe(row: AjaxResult) -> str:
    """Return a few words about the outcome of a command."""
    if row.status == "skipped":
        return "never attempted, so it can be sent again"
    if row.error is not None:
        return textwrap.shorten(f"{row.error.code}: {row.error.description}", 60, placeholder="...")
    try:
        return textwrap.shorten(_DESCRIPTIONS[row.command.method](row), 60, placeholder="...")
    except (KeyError, TypeError):
        return "the answer has a shape this demo does not know"
