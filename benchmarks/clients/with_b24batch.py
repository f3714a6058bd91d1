"""The jobs as b24batch does them."""

from __future__ import annotations

import sys
from collections import Counter

import jobs
import measure

from b24batch import Command, LeakyBucket, Session

#: How many requests are on their way at once.
CONCURRENCY = int(sys.argv[3])


def session(url: str, limits: LeakyBucket | None = None) -> Session:
    """Return a session whose runs have so many requests on their way."""
    return Session(url, limits=limits, concurrency=CONCURRENCY)


def chunked(url: str, calls: list[jobs.Call]) -> measure.Work:
    """Prepare writes in chunks."""

    def work() -> object:
        with session(url) as b24:
            return b24.batch_by_chunk(calls).raise_for_errors().data

    return work


def outcomes(url: str) -> measure.Work:
    """Prepare writes of which some get lost."""
    calls = jobs.slow_writes()

    def work() -> str:
        with session(url) as b24:
            counted = Counter(row.status for row in b24.batch_by_chunk(calls))
        return ", ".join(f"{count} {status}" for status, count in counted.items())

    return work


def small_named(url: str, limits: LeakyBucket | None = None) -> measure.Work:
    """Prepare small batches of named commands as one run."""
    batches = jobs.small_named()
    commands = [Command(*call, name=name) for batch in batches for name, call in batch.items()]

    def work() -> object:
        with session(url, limits) as b24:
            result = b24.batch_by_chunk(commands, chunk_size=jobs.SMALL_BATCH_SIZE).raise_for_errors()
        return {str(row.name): row.data for row in result}

    return work


def named(url: str) -> measure.Work:
    """Prepare batches of named commands."""
    batches = jobs.named()

    def work() -> object:
        found = {}
        with session(url) as b24:
            for batch in batches:
                found.update(b24.batch(batch).raise_for_errors().data)
        return found

    return work


def lists(url: str) -> measure.Work:
    """Prepare batches of lists."""
    batch = jobs.lists()

    def work() -> object:
        with session(url) as b24:
            return [b24.batch(batch).raise_for_errors().data for _ in range(jobs.LISTS_BATCHES)]

    return work


def rows(url: str) -> measure.Work:
    """Prepare a list of which no row is kept."""

    def work() -> object:
        with session(url) as b24:
            return jobs.counted(b24.fetch_list("crm.deal.list"))

    return work


def single(url: str, count: int, limits: LeakyBucket | None) -> measure.Work:
    """Prepare single calls."""

    def work() -> object:
        with session(url, limits) as b24:
            return [b24.call(*jobs.get(number)).data for number in range(1, count + 1)]

    return work


if __name__ == "__main__":
    measure.main(
        {
            "writes": lambda url: chunked(url, jobs.writes()),
            "named": named,
            "lists": lists,
            "rows": rows,
            "calls": lambda url: single(url, jobs.CALLS, None),
            "limited": lambda url: single(url, jobs.LIMITED_CALLS, LeakyBucket(jobs.CAPACITY, jobs.RATE)),
            "near": lambda url: chunked(url, jobs.slow_writes()),
            "far": lambda url: chunked(url, jobs.slow_writes()),
            "busy": lambda url: chunked(url, jobs.slow_writes()),
            "busy_rows": rows,
            "busy_named": small_named,
            "busy_limited": lambda url: small_named(url, LeakyBucket(jobs.CAPACITY, jobs.PORTAL_RATE)),
            "lost": outcomes,
            "error": outcomes,
        }
    )
