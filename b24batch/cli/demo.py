"""The demo, ``python -m b24batch demo``: on a sandbox portal, or the read-only half on a real one."""

from __future__ import annotations

import itertools
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, get_args

import attrs

from b24batch.calls.commands import Call
from b24batch.results import AjaxResult, AnyResult
from b24batch.sandbox import Portal
from b24batch.session import Session
from b24batch.statuses import Status
from b24batch.wire.retries import RetryPolicy

#: The number of deals in the demo: three full requests.
DEALS = 150

_Calls: TypeAlias = Iterable[Call] | Mapping[str, Call]

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

_GISTS: dict[str, Callable[[AjaxResult], str]] = {
    "app.info": lambda row: f"licence {row.data['LICENSE']}",
    "crm.deal.get": lambda row: f"{row.data['TITLE']}, {row.data['OPPORTUNITY']} {row.data['CURRENCY_ID']}",
    "crm.deal.list": lambda row: f"{row.total} deals in total, {len(row.data)} of them on this page",
    "server.time": lambda row: str(row.data),
    "user.current": lambda row: f"user {row.data['ID']}",
}
_ABOUT = "b24batch sends Bitrix24 REST calls in batches and tells you what became of each one."


def on_sandbox() -> None:
    """Run the whole demo on a sandbox portal inside this process.

    Raises:
        SdkError: Something failed unexpectedly.
    """
    with Portal() as portal, portal.session() as b24:
        print(f"{_ABOUT}\nPortal: {b24.auth.host}, a sandbox inside this program. Nothing leaves this machine.")
        story = _Story(b24)
        story.create(portal)
        story.read(_READ_IN_SANDBOX)
        story.fail()
        story.sum_up()
    print("Next: python -m b24batch demo --webhook URL reads from your own portal, and writes nothing there.")


def on_portal(url: str) -> None:
    """Run the read-only half of the demo on the portal of a webhook, whose URL is not shown.

    Raises:
        UsageError: The webhook URL is invalid.
        SdkError: The portal is unreachable, or refuses the webhook.
    """
    with Session(url, retries=RetryPolicy(attempts=2)) as b24:
        print(f"{_ABOUT}\nPortal: {b24.auth.host}. Everything below only reads; nothing is written there.")
        story = _Story(b24)
        story.read(_READ_IN_PORTAL)
        story.fail()
        story.sum_up()
    print("Nothing was written.")


@attrs.define
class _Story:
    b24: Session
    steps: int = 0
    requests: int = 0
    rows: list[AjaxResult] = attrs.field(factory=list)

    def create(self, portal: Portal) -> None:
        """Create many deals."""
        self._begin(f"Create {DEALS} deals. One request carries 50 commands.", "b24.batch_by_chunk(calls)")
        result = self._timed(lambda: self.b24.batch_by_chunk(_NEW_DEALS, request_id="demo-create"))
        ids = result.raise_for_errors().data
        connections = {request.connection for request in portal.requests}
        print(f"   {len(ids)} deals created, IDs {ids[0]} to {ids[-1]}.", end=" ")
        print(f"The portal counted {len(portal.requests)} requests, all over {len(connections)} connection.")

    def read(self, calls: Mapping[str, Call]) -> None:
        """Read something back by name."""
        code = f"b24.batch({{{', '.join(f'{name!r}: ...' for name in calls)}}}, halt_on_error=False)"
        self._begin("Read something back, with a name for each answer.", code)
        _tell_commands(self._timed(lambda: self.b24.batch(calls, halt_on_error=False, request_id="demo-read")))

    def fail(self) -> None:
        """Send an invalid command, with and without halting."""
        self._begin("An invalid command in the middle: the portal stops there.", "b24.batch(calls)")
        _tell_commands(self._timed(lambda: self.b24.batch(_FLAWED, request_id="demo-halt")))
        self._begin("The same, without stopping.", "b24.batch(calls, halt_on_error=False)")
        _tell_commands(self._timed(lambda: self.b24.batch(_FLAWED, halt_on_error=False, request_id="demo-go-on")))

    def sum_up(self) -> None:
        """Print the number of outcomes of each status."""
        counts = Counter(row.status for row in self.rows)
        told = ", ".join(f"{counts[status]} {status}" for status in get_args(Status))
        print(f"\nSummary: {self.requests} requests, {len(self.rows)} commands, one outcome for each: {told}.")

    def _begin(self, what: str, code: str) -> None:
        self.steps += 1
        print(f"\n{self.steps}. {what}\n   >>> {code}")

    def _timed(self, send: Callable[[], AnyResult]) -> AnyResult:
        began = time.perf_counter()
        result = send()
        self._tell_requests(result, time.perf_counter() - began)
        return result

    def _tell_requests(self, result: AnyResult, seconds: float) -> None:
        requests = [list(rows) for _, rows in itertools.groupby(result, lambda row: row.request_id)]
        for rows, share in zip(requests, _shares(requests, seconds), strict=True):
            self.requests += 1
            size, first = f"{len(rows)} commands", rows[0]
            print(f"   batch of {size:<11}  HTTP {first.http_status}  {share:6.3f} s  request id {first.request_id}")
        self.rows.extend(result)


def _shares(requests: list[list[AjaxResult]], seconds: float) -> list[float]:
    """Divide the seconds of a run among its requests, by the time at which the portal finished each."""
    finishes = [max((row.time["finish"] for row in rows if row.time), default=0.0) for rows in requests]
    gaps = [later - earlier for earlier, later in itertools.pairwise(finishes)]
    return [seconds - sum(gaps), *gaps]


def _tell_commands(result: AnyResult) -> None:
    for position, row in enumerate(result):
        name = str(row.command.name if result.named else position)
        print(f"   {name:<6} {row.command.method:<14}  {row.status:<7}  {_gist(row)}")


def _gist(row: AjaxResult) -> str:
    """Return half a line about the outcome of a command."""
    if row.status == "skipped":
        return "never attempted, so it can be sent again"
    if row.error is not None:
        return textwrap.shorten(f"{row.error.code}: {row.error.description}", 60, placeholder="...")
    try:
        return textwrap.shorten(_GISTS[row.command.method](row), 60, placeholder="...")
    except (KeyError, TypeError):
        return "the answer has a shape this demo does not know"
