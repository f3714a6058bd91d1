"""What the portal of the benchmarks answers: as a Bitrix24 portal would, but from texts that are ready or nearly so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

import attrs
from pages import Stored, Value, deal, page

_TIME = (
    b'{"start":1790000000.1234,"finish":1790000000.2345,"duration":0.1111,"processing":0.0987,'
    b'"date_start":"2026-09-21T17:13:20+03:00","date_finish":"2026-09-21T17:13:20+03:00",'
    b'"operating_reset_at":1790000600,"operating":0.0012}'
)
_ID = re.compile(r"[?&](?:id|ID)=(\d+)")


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
        stored: The rows of a list.
        commands: How many commands there were, each call being one.
        added: How many deals were added.
        sample: The text of the first command of the last request.
    """

    stored: Stored
    commands: int = 0
    added: int = 0
    sample: str = ""
    _texts: set[str] = attrs.field(factory=set)

    @property
    def doubled(self) -> int:
        """How many deals were added that had been added before."""
        return self.added - len(self._texts)

    def answer(self, method: str, params: dict[str, Any]) -> bytes:
        """Return the body that answers this request."""
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
            self.added += 1
            self._texts.add(text)
            return Value(b"%d" % self.added)
        if method == "crm.deal.get":
            found = _ID.search(text)
            return Value(deal(int(found[1])) if found else b"null")
        if method == "crm.deal.list":
            return page(unquote_plus(text), before, self.stored)
        return Value(b"true")


def _number(number: int | None) -> bytes | None:
    return None if number is None else b"%d" % number


def _section(values: dict[str, Value], of: Callable[[Value], bytes | None]) -> bytes:
    """Return a section of a batch's result, a list where PHP makes one."""
    parts = {name: part for name, value in values.items() if (part := of(value)) is not None}
    if all(name == str(place) for place, name in enumerate(parts)):
        return b"[%s]" % b",".join(parts.values())
    return b"{%s}" % b",".join(b"%s:%s" % (json.dumps(name).encode(), part) for name, part in parts.items())
