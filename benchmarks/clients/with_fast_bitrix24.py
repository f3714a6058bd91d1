"""The jobs as fast_bitrix24 does them: what it sends in chunks it sends in parallel."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import jobs
import measure
from by_hand_text import text
from fast_bitrix24 import Bitrix, BitrixAsync  # type: ignore[import-not-found]

#: More than any job needs: its limiter cannot be switched off.
_UNLIMITED = 1_000_000


def options(capacity: int = _UNLIMITED, rate: float = _UNLIMITED) -> dict[str, Any]:
    """Return the options of a client."""
    return {"verbose": False, "request_pool_size": capacity, "requests_per_second": float(rate)}


def client(url: str, *limits: int) -> Any:
    """Return a client for the portal."""
    warnings.simplefilter("ignore")
    return Bitrix(url, **options(*limits))


def chunked(url: str, calls: list[jobs.Call]) -> measure.Work:
    """Prepare writes in chunks, all of one method."""
    items = [params for _, params in calls]
    return lambda: client(url).call(calls[0][0], items)


def named(url: str) -> measure.Work:
    """Prepare reads by id, which are its only names."""
    ids = range(1, jobs.NAMED_BATCHES * jobs.BATCH_SIZE + 1)

    def work() -> object:
        found = client(url).get_by_ID("crm.deal.get", ids, "id")
        return {f"deal{number}": deal for number, deal in found.items()}

    return work


def small_named(url: str, *limits: int) -> measure.Work:
    """Prepare small batches of named commands, all awaited together; the caller writes the text of the commands."""
    bodies = [{"halt": 1, "cmd": {name: text(call) for name, call in batch.items()}} for batch in jobs.small_named()]

    async def send() -> dict[str, Any]:
        portal = BitrixAsync(url, **options(*limits))
        answers = await asyncio.gather(*(portal.call_batch(body) for body in bodies))
        return {name: deal for deals in answers for name, deal in deals.items()}

    return lambda: asyncio.run(send())


def lists(url: str) -> measure.Work:
    """Prepare batches of lists, of which the caller writes the text."""
    batch = jobs.lists()

    def work() -> object:
        portal = client(url)
        found = []
        for _ in range(jobs.LISTS_BATCHES):
            commands = {f"list{place}": text(call) for place, call in enumerate(batch)}
            found.append(list(portal.call_batch({"halt": 1, "cmd": commands}).values()))
        return found

    return work


def rows(url: str) -> measure.Work:
    """Prepare a list."""
    return lambda: jobs.counted([client(url).get_all("crm.deal.list")])


def single(url: str, count: int, *limits: int) -> measure.Work:
    """Prepare single calls."""

    def work() -> object:
        portal = client(url, *limits)
        calls = (jobs.get(number) for number in range(1, count + 1))
        return [portal.call(method, params, raw=True)["result"] for method, params in calls]

    return work


_PARALLEL = "parallel: up to 50 requests at once"

if __name__ == "__main__":
    measure.main(
        {
            "writes": lambda url: chunked(url, jobs.writes()),
            "named": named,
            "lists": lists,
            "rows": rows,
            "calls": lambda url: single(url, jobs.CALLS),
            "limited": lambda url: single(url, jobs.LIMITED_CALLS, jobs.CAPACITY, jobs.RATE),
            "near": lambda url: chunked(url, jobs.slow_writes()),
            "far": lambda url: chunked(url, jobs.slow_writes()),
            "busy": lambda url: chunked(url, jobs.slow_writes()),
            "busy_rows": rows,
            "busy_named": small_named,
            "busy_limited": lambda url: small_named(url, jobs.CAPACITY, jobs.PORTAL_RATE),
            "lost": lambda url: measure.told(chunked(url, jobs.slow_writes())),
            "error": lambda url: measure.told(chunked(url, jobs.slow_writes())),
        },
        notes={
            "writes": _PARALLEL,
            "named": f"{_PARALLEL}; one method, and ids for names",
            "lists": "the caller writes the text of the commands",
            "rows": f"{_PARALLEL}; keeps all rows, in no order",
            "near": _PARALLEL,
            "far": _PARALLEL,
            "busy": _PARALLEL,
            "busy_rows": f"{_PARALLEL}; keeps all rows, in no order",
            "busy_named": _PARALLEL,
            "busy_limited": _PARALLEL,
        },
    )
