"""The jobs as b24batch does them."""

from __future__ import annotations

import jobs
import measure

from b24batch import LeakyBucket, Session


def chunked(url: str, calls: list[jobs.Call]) -> measure.Work:
    """Prepare writes in chunks."""

    def work() -> object:
        with Session(url, limits=None) as b24:
            return b24.batch_by_chunk(calls).raise_for_errors().data

    return work


def named(url: str) -> measure.Work:
    """Prepare batches of named commands."""
    batches = jobs.named()

    def work() -> object:
        found = {}
        with Session(url, limits=None) as b24:
            for batch in batches:
                found.update(b24.batch(batch).raise_for_errors().data)
        return found

    return work


def lists(url: str) -> measure.Work:
    """Prepare batches of lists."""
    batch = jobs.lists()

    def work() -> object:
        with Session(url, limits=None) as b24:
            return [b24.batch(batch).raise_for_errors().data for _ in range(jobs.LISTS_BATCHES)]

    return work


def rows(url: str) -> measure.Work:
    """Prepare a list of which no row is kept."""

    def work() -> object:
        with Session(url, limits=None) as b24:
            return jobs.counted(b24.fetch_list("crm.deal.list"))

    return work


def single(url: str, count: int, limits: LeakyBucket | None) -> measure.Work:
    """Prepare single calls."""

    def work() -> object:
        with Session(url, limits=limits) as b24:
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
        }
    )
