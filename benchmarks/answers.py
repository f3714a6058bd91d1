"""What the portal of the benchmarks answers: as a Bitrix24 portal would, but from texts that are ready or nearly so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import unquote_plus

import attrs

#: Portal-imposed: the rows of a page.
PAGE_SIZE = 50
#: The rows of the whole list.
ROWS = 100_000

_TIME = (
    b'{"start":1790000000.1234,"finish":1790000000.2345,"duration":0.1111,"processing":0.0987,'
    b'"date_start":"2026-09-21T17:13:20+03:00","date_finish":"2026-09-21T17:13:20+03:00",'
    b'"operating_reset_at":1790000600,"operating":0.0012}'
)
_ID = re.compile(r"[?&](?:id|ID)=(\d+)")
_BEHIND = re.compile(r"[>][iI][dD]\]=(?:(\d+)|\$result\[([^]]+)\])")
_START = re.compile(r"[?&]start=(-?\d+)")
_CATEGORY = re.compile(r"CATEGORY_ID\]=(\d+)")


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


@cache
def page(behind: int) -> bytes:
    """Return the JSON of the rows behind this id, at most a page of them."""
    return b"[%s]" % b",".join(deal(number) for number in range(behind + 1, min(behind + PAGE_SIZE, ROWS) + 1))


def plain(value: Any, key: str = "") -> str:
    """Return params from JSON as the query text that a batch has, undecoded, so that one reader does for both."""
    if not isinstance(value, dict | list):
        return f"&{key}={value}"
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return "".join(plain(item, f"{key}[{name}]" if key else str(name)) for name, item in items)


@attrs.define
class Answers:
    """The answers of one run, which numbers the deals that it adds.

    Attributes:
        commands: How many commands there were, each call being one.
        sample: The text of the first command of the last request.
    """

    commands: int = 0
    sample: str = ""
    _added: int = 0

    def answer(self, method: str, body: bytes) -> bytes:
        """Return the body that answers this request."""
        params = json.loads(body) if body else {}
        if method == "batch":
            return b'{"result":%s,"time":%s}' % (self._batch(params["cmd"]), _TIME)
        self.sample = f"{method}?{plain(params)}"
        value = self._value(method, self.sample, {})
        counted = b"" if value.total is None else b',"total":%d' % value.total
        following = b"" if value.next is None else b',"next":%d' % value.next
        return b'{"result":%s%s%s,"time":%s}' % (value.json, counted, following, _TIME)

    def _batch(self, commands: dict[str, str] | list[str]) -> bytes:
        texts = commands if isinstance(commands, dict) else {str(place): text for place, text in enumerate(commands)}
        self.sample = next(iter(texts.values()), "")
        values: dict[str, Value] = {}
        for name, text in texts.items():
            values[name] = self._value(text.partition("?")[0], text, values)
        sections = [
            b'"result":%s' % _section(values, lambda value: value.json),
            b'"result_error":[]',
            b'"result_total":%s' % _section(values, lambda value: _number(value.total)),
            b'"result_next":%s' % _section(values, lambda value: _number(value.next)),
            b'"result_time":%s' % _section(values, lambda _: _TIME),
        ]
        return b"{%s}" % b",".join(sections)

    def _value(self, method: str, text: str, before: dict[str, Value]) -> Value:
        self.commands += 1
        if method == "crm.deal.add":
            self._added += 1
            return Value(b"%d" % self._added)
        if method == "crm.deal.get":
            found = _ID.search(text)
            return Value(deal(int(found[1])) if found else b"null")
        if method == "crm.deal.list":
            return _listed(unquote_plus(text), before)
        return Value(b"true")


def _listed(text: str, before: dict[str, Value]) -> Value:
    """Return a page: of a category, behind an id, or from a start on."""
    if category := _CATEGORY.search(text):
        return Value(page(int(category[1]) * PAGE_SIZE), total=PAGE_SIZE)
    behind, start = _BEHIND.search(text), _START.search(text)
    first = int(start[1]) if start and int(start[1]) > 0 else 0
    if behind:
        referred = before.get(behind[2])
        first += int(behind[1] or 0) if not behind[2] else (referred.last_id if referred else 0)
    ending = first + PAGE_SIZE
    last_id = ending if ending <= ROWS else 0
    if start and int(start[1]) < 0:
        return Value(page(first), last_id)
    return Value(page(first), last_id, ROWS, ending if ending < ROWS else None)


def _number(number: int | None) -> bytes | None:
    return None if number is None else b"%d" % number


def _section(values: dict[str, Value], of: Callable[[Value], bytes | None]) -> bytes:
    """Return a section of a batch's result, a list where PHP makes one."""
    parts = {name: part for name, value in values.items() if (part := of(value)) is not None}
    if all(name == str(place) for place, name in enumerate(parts)):
        return b"[%s]" % b",".join(parts.values())
    return b"{%s}" % b",".join(b"%s:%s" % (json.dumps(name).encode(), part) for name, part in parts.items())
