"""The lists of the benchmarks' portal: pages of deals between two ids, forwards or backwards, from a start on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache

import attrs

#: Portal-imposed: the rows of a page.
PAGE_SIZE = 50

_BOUND = re.compile(r"([<>]=?)id\]=(?:(\d+)|\$result\[([^]]+)\])", re.IGNORECASE)
_BACKWARDS = re.compile(r"[?&]order\[id\]=desc", re.IGNORECASE)
_START = re.compile(r"[?&]start=(-?\d+)")
_CATEGORY = re.compile(r"CATEGORY_ID\]=(\d+)")
#: What a bound adds to its id, so that the rows lie behind the lower one and up to the upper one.
_SHIFTS = {">": 0, ">=": -1, "<": -1, "<=": 0}


@attrs.frozen
class Value:
    """What one command gives: its JSON, and what a list says of itself.

    Attributes:
        json: The result.
        last_id: The id of the last row of a full page, else 0.
        total: The rows of the whole list, if they were counted.
        next: Where the next page starts, if there is one.
    """

    json: bytes
    last_id: int = 0
    total: int | None = None
    next: int | None = None


@attrs.frozen
class Stored:
    """The ids of the deals that are stored: of every so many ids the last ones, the others were deleted.

    Attributes:
        rows: The number of deals.
        kept: How many of every `of` ids are there.
        of: See there.
    """

    rows: int
    kept: int = 1
    of: int = 1

    def ids(self, places: range) -> list[int]:
        """Return the ids at these places, which count from 0."""
        missing = self.of - self.kept + 1
        return [place // self.kept * self.of + place % self.kept + missing for place in places]

    def up_to(self, number: int) -> int:
        """Return how many of the ids are at most this number."""
        groups, rest = divmod(max(0, number), self.of)
        return min(self.rows, groups * self.kept + max(0, rest - (self.of - self.kept)))


@cache
def deal(number: int) -> bytes:
    """Return the JSON of a deal as PHP writes it."""
    row = {
        "ID": str(number),
        "TITLE": f"Сделка {number}",
        "STAGE_ID": "NEW",
        "OPPORTUNITY": f"{number}.00",
        "CURRENCY_ID": "RUB",
        "CONTACT_ID": str(number * 2),
        "COMMENTS": None,
        "DATE_CREATE": "2026-01-02T03:04:05+03:00",
    }
    return json.dumps(row, separators=(",", ":")).encode()


def page(text: str, before: Mapping[str, Value], stored: Stored) -> Value:
    """Return the page that the decoded text of a command asks for.

    Args:
        text: ``method?query``.
        before: The values of the earlier commands of the batch, by name.
        stored: The deals.
    """
    if category := _CATEGORY.search(text):
        first = int(category[1]) * PAGE_SIZE + 1
        return _value(list(range(first, first + PAGE_SIZE)))
    places, start = _places(text, before, stored), _start(text)
    if start is None:
        return _value(stored.ids(places[:PAGE_SIZE]))
    following = start + PAGE_SIZE
    found = stored.ids(places[start:following])
    return _value(found, len(places), following if following < len(places) else None)


def _places(text: str, before: Mapping[str, Value], stored: Stored) -> range:
    """Return the places of the deals between the bounds, backwards if so ordered."""
    lowest, highest = 0, stored.rows
    for sign, number, name in _BOUND.findall(text):
        bound = stored.up_to((int(number) if number else _last_id(before, name)) + _SHIFTS[sign])
        lowest, highest = (max(lowest, bound), highest) if sign[0] == ">" else (lowest, min(highest, bound))
    forwards = range(lowest, max(lowest, highest))
    return forwards[::-1] if _BACKWARDS.search(text) else forwards


def _last_id(before: Mapping[str, Value], name: str) -> int:
    return before[name].last_id if name in before else 0


def _start(text: str) -> int | None:
    """Return where the page starts; None for -1, with which nothing is counted."""
    found = _START.search(text)
    start = int(found[1]) if found else 0
    return start if start >= 0 else None


def _value(ids: list[int], total: int | None = None, following: int | None = None) -> Value:
    last_id = ids[-1] if len(ids) == PAGE_SIZE else 0
    return Value(b"[%s]" % b",".join(map(deal, ids)), last_id, total, following)
