"""The jobs: what goes in, and what has to come out. The same for every client in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

#: A method and its parameters.
Call = tuple[str, dict[str, Any]]

WRITES = 10_000
NAMED_BATCHES = 40
LISTS_BATCHES = 20
ROWS = 100_000
CALLS = 200
LIMITED_CALLS = 60
CAPACITY = 50
RATE = 10
SLOW_BATCHES = 20
BATCH_SIZE = 50
BUSY_ROWS = 20_000
SMALL_BATCHES = 200
SMALL_BATCH_SIZE = 5
PORTAL_RATE = 2


def writes(count: int = WRITES) -> list[Call]:
    """Return commands that each add a deal with four fields."""
    return [("crm.deal.add", {"fields": _fields(number)}) for number in range(1, count + 1)]


def _fields(number: int) -> dict[str, Any]:
    return {"TITLE": f"Сделка № {number} & Co", "STAGE_ID": "NEW", "OPPORTUNITY": number * 10, "CONTACT_ID": number}


def slow_writes() -> list[Call]:
    """Return the commands of the jobs with a slow portal."""
    return writes(SLOW_BATCHES * BATCH_SIZE)


def named(batches: int = NAMED_BATCHES, size: int = BATCH_SIZE) -> list[dict[str, Call]]:
    """Return batches of named commands that each read a deal."""
    first = range(1, batches * size, size)
    return [{f"deal{number}": get(number) for number in range(start, start + size)} for start in first]


def small_named() -> list[dict[str, Call]]:
    """Return the many small batches of the same kind."""
    return named(SMALL_BATCHES, SMALL_BATCH_SIZE)


def get(number: int) -> Call:
    """Return the call that reads this deal."""
    return "crm.deal.get", {"id": number}


def lists() -> list[Call]:
    """Return a batch of commands that each read the first page of a category."""
    select = ["ID", "TITLE", "STAGE_ID", "OPPORTUNITY"]
    calls = range(BATCH_SIZE)
    return [("crm.deal.list", {"filter": {"CATEGORY_ID": n}, "select": select}) for n in calls]


def check_writes(ids: Iterable[Any]) -> None:
    """Check that each deal got its id, in any order."""
    assert sorted(map(int, ids)) == list(range(1, WRITES + 1)), "the ids are wrong"


def check_slow_writes(ids: Iterable[Any]) -> None:
    """Check the same of a slow portal."""
    assert sorted(map(int, ids)) == list(range(1, SLOW_BATCHES * BATCH_SIZE + 1)), "the ids are wrong"


def check_named(deals: Mapping[str, Any], count: int = NAMED_BATCHES * BATCH_SIZE) -> None:
    """Check that each name got its deal."""
    assert len(deals) == count, f"{len(deals)} answers"
    assert all(deal["ID"] == name.removeprefix("deal") for name, deal in deals.items()), "a name got another's answer"


def check_small_named(deals: Mapping[str, Any]) -> None:
    """Check the same of the small batches."""
    check_named(deals, SMALL_BATCHES * SMALL_BATCH_SIZE)


def check_lists(batches: list[list[Any]]) -> None:
    """Check that each batch has its pages, in order."""
    expected = [str(number) for number in range(1, BATCH_SIZE * BATCH_SIZE + 1)]
    assert len(batches) == LISTS_BATCHES, f"{len(batches)} batches"
    for pages in batches:
        assert [row["ID"] for page in pages for row in page] == expected, "wrong rows"


def check_rows(count_and_sum: tuple[int, int], count: int = ROWS) -> None:
    """Check how many rows there were, and the sum of their ids."""
    assert count_and_sum == (count, count * (count + 1) // 2), f"{count_and_sum[0]} rows, or wrong ones"


def check_busy_rows(count_and_sum: tuple[int, int]) -> None:
    """Check the same of the busy portal's list."""
    check_rows(count_and_sum, BUSY_ROWS)


def check_calls(deals: list[Any]) -> None:
    """Check that each call got its deal."""
    assert [deal["ID"] for deal in deals] == [str(number) for number in range(1, CALLS + 1)], "wrong answers"


def check_limited(deals: list[Any]) -> None:
    """Check that each call got its deal, the last as well."""
    assert [deal["ID"] for deal in deals] == [str(number) for number in range(1, LIMITED_CALLS + 1)], "wrong answers"


def check_told(told: str) -> None:
    """Check that the client told anything: how true it is, the portal's own counts show."""
    assert told, "it told nothing"


def counted(pages: Iterable[Iterable[Any]]) -> tuple[int, int]:
    """Return the number of the rows and the sum of their ids, keeping none."""
    count = total = 0
    for page in pages:
        for row in page:
            count += 1
            total += int(row["ID"])
    return count, total


#: What has to come out of a job, by its name.
CHECKS: dict[str, Callable[[Any], None]] = {
    "writes": check_writes,
    "named": check_named,
    "lists": check_lists,
    "rows": check_rows,
    "calls": check_calls,
    "limited": check_limited,
    "near": check_slow_writes,
    "far": check_slow_writes,
    "busy": check_slow_writes,
    "busy_rows": check_busy_rows,
    "busy_named": check_small_named,
    "busy_limited": check_small_named,
    "lost": check_told,
    "error": check_told,
}
