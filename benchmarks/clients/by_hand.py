"""The jobs as a careful user writes them with requests: 50 commands at a time, and every answer looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jobs
import measure
import requests
from by_hand_text import text


def post(http: requests.Session, url: str, method: str, params: dict[str, Any]) -> Any:
    """Send one request and return the result."""
    answer = http.post(url + method, json=params, timeout=60)
    answer.raise_for_status()
    return answer.json()["result"]


def send(http: requests.Session, url: str, commands: dict[str, str]) -> dict[str, Any]:
    """Send one batch and return the values by name."""
    result = post(http, url, "batch", {"halt": 1, "cmd": commands})
    if result["result_error"]:
        raise RuntimeError(result["result_error"])
    values = result["result"]
    return dict(zip(commands, values, strict=True)) if isinstance(values, list) else dict(values)


def chunked(url: str, calls: list[jobs.Call]) -> measure.Work:
    """Prepare writes in chunks."""

    def work() -> object:
        ids: list[Any] = []
        with requests.Session() as http:
            for start in range(0, len(calls), 50):
                chunk = enumerate(calls[start : start + 50])
                ids.extend(send(http, url, {str(place): text(call) for place, call in chunk}).values())
        return ids

    return work


def named(url: str) -> measure.Work:
    """Prepare batches of named commands."""
    batches = jobs.named()

    def work() -> object:
        found: dict[str, Any] = {}
        with requests.Session() as http:
            for batch in batches:
                found.update(send(http, url, {name: text(call) for name, call in batch.items()}))
        return found

    return work


def lists(url: str) -> measure.Work:
    """Prepare batches of lists."""
    batch = jobs.lists()

    def work() -> object:
        with requests.Session() as http:
            batches = ({str(place): text(call) for place, call in enumerate(batch)} for _ in range(jobs.LISTS_BATCHES))
            return [list(send(http, url, commands).values()) for commands in batches]

    return work


def rows(url: str) -> measure.Work:
    """Prepare a list, one page a request, each behind the last id of the one before."""

    def pages() -> Iterator[list[Any]]:
        last_id: object = 0
        with requests.Session() as http:
            while True:
                params = {"order": {"ID": "ASC"}, "filter": {">ID": last_id}, "start": -1}
                page = post(http, url, "crm.deal.list", params)
                yield page
                if len(page) < 50:
                    return
                last_id = page[-1]["ID"]

    return lambda: jobs.counted(pages())


def single(url: str) -> measure.Work:
    """Prepare single calls."""

    def work() -> object:
        with requests.Session() as http:
            return [post(http, url, *jobs.get(number)) for number in range(1, jobs.CALLS + 1)]

    return work


if __name__ == "__main__":
    measure.main(
        {
            "writes": lambda url: chunked(url, jobs.writes()),
            "named": named,
            "lists": lists,
            "rows": rows,
            "calls": single,
            "near": lambda url: chunked(url, jobs.slow_writes()),
            "far": lambda url: chunked(url, jobs.slow_writes()),
        },
        cannot={"limited": "it has no limiter"},
    )
