"""The jobs as b24pysdk does them."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit

import jobs
import measure
from b24pysdk import BitrixWebhook  # type: ignore[import-not-found]

#: It knows https only; a function hides the module of the same name.
_CALLER = sys.modules["b24pysdk.api.callers.call_method"]
_CALLER._MethodCaller._base_url = property(lambda self: f"http://{self._domain}/rest")


def client(url: str) -> Any:
    """Return a client for the portal."""
    parts = urlsplit(url)
    return BitrixWebhook(domain=parts.netloc, webhook_token=parts.path.removeprefix("/rest/").strip("/"))


def values(answer: dict[str, Any]) -> Any:
    """Return the values of a batch, checked for errors."""
    result = answer["result"]
    if result["result_error"]:
        raise RuntimeError(result["result_error"])
    return result["result"]


def in_order(found: Any) -> list[Any]:
    """Return values as a list: up to 50 they are one, beyond that they come by name."""
    return list(found.values()) if isinstance(found, dict) else found


def chunked(url: str, calls: list[jobs.Call]) -> measure.Work:
    """Prepare writes in chunks."""
    return lambda: in_order(values(client(url).call_batches(calls, halt=True)))


def named(url: str, batches: list[dict[str, jobs.Call]]) -> measure.Work:
    """Prepare batches of named commands."""

    def work() -> object:
        portal = client(url)
        found: dict[str, Any] = {}
        for batch in batches:
            found.update(values(portal.call_batch(batch, halt=True)))
        return found

    return work


def lists(url: str) -> measure.Work:
    """Prepare batches of lists."""
    batch = jobs.lists()

    def work() -> object:
        portal = client(url)
        return [in_order(values(portal.call_batch(batch, halt=True))) for _ in range(jobs.LISTS_BATCHES)]

    return work


def rows(url: str) -> measure.Work:
    """Prepare a list of which no row is kept."""
    return lambda: jobs.counted([client(url).call_list_fast("crm.deal.list")["result"]])


def single(url: str, count: int) -> measure.Work:
    """Prepare single calls."""

    def work() -> object:
        portal = client(url)
        return [portal.call_method(*jobs.get(number))["result"] for number in range(1, count + 1)]

    return work


if __name__ == "__main__":
    measure.main(
        {
            "writes": lambda url: chunked(url, jobs.writes()),
            "named": lambda url: named(url, jobs.named()),
            "lists": lists,
            "rows": rows,
            "calls": lambda url: single(url, jobs.CALLS),
            "limited": lambda url: single(url, jobs.LIMITED_CALLS),
            "near": lambda url: chunked(url, jobs.slow_writes()),
            "far": lambda url: chunked(url, jobs.slow_writes()),
            "busy": lambda url: chunked(url, jobs.slow_writes()),
            "busy_rows": rows,
            "busy_named": lambda url: named(url, jobs.small_named()),
            "busy_limited": lambda url: named(url, jobs.small_named()),
            "lost": lambda url: measure.told(chunked(url, jobs.slow_writes())),
            "error": lambda url: measure.told(chunked(url, jobs.slow_writes())),
        },
        notes=dict.fromkeys(("limited", "busy_limited"), "it has no limiter: it tries again when refused"),
    )
