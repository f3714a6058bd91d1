"""Records of many kinds, stored in the same way; data describes how the kinds differ."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator

import attrs

from b24batch.sandbox.methods.pagings import PAGINGS, WITHOUT_CURSOR
from b24batch.sandbox.methods.spellings import Spelling
from b24batch.sandbox.php.values import JSON, list_items, to_mapping, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.rest.time_blocks import to_iso
from b24batch.sandbox.server.answers import Page, PortalError
from b24batch.sandbox.store import filters
from b24batch.sandbox.store.queries import Field, Query
from b24batch.sandbox.store.rows import Row, Table
from b24batch.sandbox.store.values import cast_values, to_stored

#: What the marks behind the names of fields say of their kind.
_KINDS = {"?": "char", "!": "truth", "#": "integer", "~": "datetime"}

_TOKEN = re.compile(r"(=?\w+)([?!#~^*+]*)(?:=(.*))?")


@attrs.frozen(kw_only=True)
class About:
    """What is known of one kind of records.

    Attributes:
        prefix: The beginning of its methods' names.
        spelling: How params and answers are spelled.
        paging: The kind of its list, a name in `PAGINGS`.
        keys: Under which key rows, a written row and a read one are answered; empty for none.
        mapped: Rows are answered as a map by their ids.
        kinds: The kinds of fields; other names are taken too, and stored as they come.
        needed: What a filter must have.
        only: What a filter can have; empty for everything.
        order: The field that rows come by when nothing else is asked for.
        defaults: What a new row starts with.

    """

    prefix: str
    spelling: Spelling
    paging: str
    keys: tuple[str, str, str]
    mapped: bool
    kinds: dict[str, str]
    needed: list[str]
    only: list[str]
    order: str
    defaults: Row

    @classmethod
    @functools.cache
    def read(cls, spelling: Spelling, line: str) -> About:
        """Read one line of a table: paging, prefix and keys, then the fields with their marks."""
        paging, name, *tokens = line.split()
        prefix, _, keys = name.partition("=")
        rows, written, *read = [*keys.split("/"), ""][:3]
        found = [match.groups() for token in tokens if (match := _TOKEN.fullmatch(token))]
        kinds = {name: _KINDS[mark] for name, marks, _ in found for mark in marks if mark in _KINDS}
        given = {name: value for name, _, value in found if value is not None}
        return cls(
            prefix=prefix,
            spelling=spelling,
            paging=paging,
            keys=(rows, written, (read[0] if read else "") or written),
            mapped="{}" in tokens,
            kinds=kinds,
            needed=[name for name, marks, _ in found if "*" in marks],
            only=[name for name, marks, _ in found if "+" in marks],
            order=next((name for name, marks, _ in found if "^" in marks), ""),
            defaults={name: _to_default(kinds.get(name, "any"), value) for name, value in given.items()},
        )

    def field(self, name: str) -> Field | None:
        """Resolve a name as the caller writes it."""
        if name == self.spelling.id_key:
            return "ID", "integer"
        if not self.spelling.name.fullmatch(name):
            return None
        return name, self.kinds.get(name) or ("key" if name.endswith("Id") else "any")


@attrs.define
class Records:
    """The methods over one table."""

    about: About
    time: Callable[[], float]
    table: Table = attrs.field(factory=Table)

    def add(self, params: Params) -> JSON:
        """Store a record."""
        now = to_iso(self.time())
        defaults = {name: now if value == "now" else value for name, value in self.about.defaults.items()}
        row_id = self.table.add({**defaults, **self.values(self.about.spelling.fields(params))})
        return self._show_written(self.table.rows[row_id], row_id)

    def get(self, params: Params) -> JSON:
        """Return one record."""
        return self._put_under(2, self.show(self.row(params)))

    def update(self, params: Params) -> JSON:
        """Change a record."""
        row = self.row(params)
        row.update(self.values(self.about.spelling.fields(params)))
        return self._show_written(row, True)

    def delete(self, params: Params) -> JSON:
        """Remove a record; the second time fails."""
        return self.table.delete(self.row(params)["ID"])

    def list(self, params: Params) -> JSON:
        """Return records as the kind's paging has them."""
        about, query = self.about, Query()
        conditions = to_mapping(about.spelling.conditions(params))
        self._check(conditions)
        for name, value in conditions.items():
            self.narrow(query, str(name), value)
        query.order_by(about.spelling.order(params) or {about.order: "ASC"}, about.field)
        page = PAGINGS[about.paging](about.spelling.family, self.table, query, params)
        names = [to_text(name) for _, name in list_items(about.spelling.select(params))]
        rows: JSON = [self.show(row, names) for row in page.rows]
        if about.mapped:
            rows = {row["ID"]: shown for row, shown in zip(page.rows, rows, strict=True)}
        return Page(self._put_under(0, rows), page.next, page.total)

    def row(self, params: Params) -> Row:
        """Return the record that the params name.

        Raises:
            PortalError: The record does not exist.

        """
        row = self.table.rows.get(self.about.spelling.row_id(params))
        if row is None:
            raise self.about.spelling.missing()
        return row

    def values(self, fields: JSON) -> Row:
        """Return fields as they are stored."""
        return cast_values(fields, self.about.field, to_stored)

    def show(self, row: Row, select: JSON = ()) -> Row:
        """Return a record as the portal shows it, whole or the fields that are selected."""
        shown = dict(self._name_values(row))
        if not select or "*" in select:
            return shown
        return {name: shown.get(name) for name in dict.fromkeys([self.about.spelling.id_key, *select])}

    def _name_values(self, row: Row) -> Iterator[tuple[str, JSON]]:
        for key, value in row.items():
            if key == "ID":
                yield self.about.spelling.id_key, self.about.spelling.printed(value)
            elif self.about.kinds.get(key) == "truth":
                yield key, value
            else:
                yield key, self.about.spelling.printed(value)

    def _check(self, conditions: dict[JSON, JSON]) -> None:
        lacking = [name for name in self.about.needed if not {name, f"={name.lstrip('=')}"} & conditions.keys()]
        if lacking:
            raise PortalError("0", f"Required filter fields: {', '.join(lacking)}")

    def narrow(self, query: Query, condition: str, value: JSON) -> None:
        """Add one condition; unknown ones are ignored silently."""
        prefix, name = filters.split(condition)
        field, only = self.about.field(name), self.about.only
        beyond = prefix and field == ("ID", "integer") and self.about.paging in WITHOUT_CURSOR
        if field and not beyond and (not only or (name in only and not prefix)):
            query.where(prefix, field, value)

    def _put_under(self, place: int, value: JSON) -> JSON:
        key = self.about.keys[place]
        return {key: value} if key else value

    def _show_written(self, row: Row, bare: JSON) -> JSON:
        return self._put_under(1, self.show(row)) if self.about.keys[1] else bare


def _to_default(kind: str, text: str) -> JSON:
    return text if text == "now" else to_stored(kind, text)


def install(dispatcher: Dispatcher, records: Records, suffixes: str = "add get update delete list") -> None:
    """Register methods; ``get:list`` makes the method ``get`` a list."""
    for suffix in suffixes.split():
        name, _, does = suffix.partition(":")
        dispatcher.add(f"{records.about.prefix}.{name}", getattr(records, does or name))
