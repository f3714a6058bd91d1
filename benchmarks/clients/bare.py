"""The jobs with nothing but requests: the bodies are made beforehand, and the answers are only decoded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import jobs
import measure
import requests
from by_hand_text import text

_HEADERS = {"Content-Type": "application/json"}


def batch_body(commands: dict[str, str]) -> bytes:
    """Return the body of a batch."""
    return json.dumps({"halt": 1, "cmd": commands}).encode()


def post(http: requests.Session, url: str, body: bytes) -> Any:
    """Send one body and return the result."""
    return json.loads(http.post(url, data=body, headers=_HEADERS, timeout=60).content)["result"]


def send(url: str, bodies: list[bytes]) -> list[Any]:
    """Send the bodies of batches and return the values in them."""
    with requests.Session() as http:
        return [post(http, url + "batch", body)["result"] for body in bodies]


def chunked(url: str, calls: list[jobs.Call]) -> measure.Work:
    """Prepare writes in chunks."""
    texts = [text(call) for call in calls]
    chunks = (texts[start : start + 50] for start in range(0, len(texts), 50))
    bodies = [batch_body({str(place): command for place, command in enumerate(chunk)}) for chunk in chunks]
    return lambda: list(chain.from_iterable(send(url, bodies)))


def named(url: str) -> measure.Work:
    """Prepare batches of named commands."""
    bodies = [batch_body({name: text(call) for name, call in batch.items()}) for batch in jobs.named()]
    return lambda: {name: deal for deals in send(url, bodies) for name, deal in deals.items()}


def lists(url: str) -> measure.Work:
    """Prepare batches of lists."""
    body = batch_body({str(place): text(call) for place, call in enumerate(jobs.lists())})
    return lambda: send(url, [body] * jobs.LISTS_BATCHES)


def rows(url: str) -> measure.Work:
    """Prepare a list, 50 pages a request at ids known beforehand."""
    starts = range(0, jobs.ROWS, 50)
    calls: list[jobs.Call] = [("crm.deal.list", {"filter": {">ID": start}, "start": -1}) for start in starts]
    chunks = [calls[start : start + 50] for start in range(0, len(calls), 50)]
    bodies = [batch_body({str(place): text(call) for place, call in enumerate(chunk)}) for chunk in chunks]

    def pages() -> Iterator[list[Any]]:
        with requests.Session() as http:
            for body in bodies:
                yield from post(http, url + "batch", body)["result"]

    return lambda: jobs.counted(pages())


def single(url: str) -> measure.Work:
    """Prepare single calls."""
    bodies = [json.dumps(jobs.get(number)[1]).encode() for number in range(1, jobs.CALLS + 1)]

    def work() -> object:
        with requests.Session() as http:
            return [post(http, url + "crm.deal.get", body) for body in bodies]

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
