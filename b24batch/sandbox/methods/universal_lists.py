"""``lists.*``: universal lists, their fields, sections and elements."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs

from b24batch.sandbox.methods.arguments import to_capitals
from b24batch.sandbox.methods.records import About, Records
from b24batch.sandbox.methods.spellings import FLAT
from b24batch.sandbox.php.values import JSON, list_items, to_int, to_mapping, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import PortalError
from b24batch.sandbox.store.rows import Row

#: A new list, and what it has: the paging of its kind, and the fields that are not taken as they come.
_LIST = "start lists SORT#=500 ACTIVE?=Y BIZPROC?=N"
_PARTS = {"element": "cursor lists.element IBLOCK_SECTION_ID# SORT#=500", "section": "start lists.section SORT#=500"}


def _require(arguments: dict[str, JSON], *names: str) -> None:
    lacking = [name for name in names if not arguments.get(name)]
    if lacking:
        text = f"Required parameters are missing: {', '.join(lacking)}"
        raise PortalError("ERROR_REQUIRED_PARAMETERS_MISSING", text)


def _make_missing(what: str) -> PortalError:
    return PortalError(f"ERROR_{what}_NOT_FOUND", f"{what.capitalize()} not found")


@attrs.define
class Part:
    """The elements or the sections of one list."""

    name: str
    records: Records

    @property
    def code(self) -> str:
        """Return what the parameters of this kind begin with."""
        return self.name.upper()

    def add(self, arguments: dict[str, JSON]) -> JSON:
        """Store one under its own code and return the id."""
        _require(arguments, f"{self.code}_CODE", "FIELDS")
        code = to_text(arguments[f"{self.code}_CODE"])
        if any(row["CODE"] == code for row in self.records.table.rows.values()):
            raise PortalError(f"ERROR_{self.code}_ALREADY_EXISTS", f"{self.code.capitalize()} already exists")
        return self.records.table.add({**self.records.about.defaults, **self._read_values(arguments), "CODE": code})

    def get(self, arguments: dict[str, JSON], start: int) -> JSON:
        """Return a page; nothing found is a bare list."""
        order = {"ORDER": arguments.get("ELEMENT_ORDER")} if self.name == "element" else {}
        named = {f"={name}": arguments[f"{self.code}_{name}"] for name in ("ID", "CODE") if self._has(arguments, name)}
        params = Params(FILTER={**to_mapping(arguments.get("FILTER")), **named}, **order)
        if named:
            rows = [row for row in self.records.table.rows.values() if row is self._find_row(arguments)]
            return [self._show(row) for row in rows]
        params.start = start
        page = self.records.list(params)
        rows = [self._show(self.records.table.rows[int(row["ID"])]) for row in page.rows]
        return attrs.evolve(page, rows=rows) if rows else []

    def update(self, arguments: dict[str, JSON]) -> JSON:
        """Change one."""
        _require(arguments, "FIELDS")
        self._find_row(arguments).update(self._read_values(arguments))
        return True

    def delete(self, arguments: dict[str, JSON]) -> JSON:
        """Remove one."""
        return self.records.table.delete(self._find_row(arguments)["ID"])

    def _has(self, arguments: dict[str, JSON], name: str) -> bool:
        return bool(arguments.get(f"{self.code}_{name}"))

    def _find_row(self, arguments: dict[str, JSON]) -> Row:
        row_id, code = to_int(arguments.get(f"{self.code}_ID")), to_text(arguments.get(f"{self.code}_CODE"))
        for row in self.records.table.rows.values():
            if row["ID"] == row_id or (not row_id and row["CODE"] == code):
                return row
        raise _make_missing(self.code)

    def _read_values(self, arguments: dict[str, JSON]) -> Row:
        return self.records.values(arguments["FIELDS"])

    def _show(self, row: Row) -> Row:
        """Properties are maps from the number of a value to the value."""
        shown = self.records.show(row)
        for name, value in shown.items():
            if name.startswith("PROPERTY_"):
                several = to_mapping(value).values() if isinstance(value, (list, dict)) else [value]
                shown[name] = {str(100 * row["ID"] + place): item for place, item in enumerate(several)}
        return shown


@attrs.define
class Lists:
    """All lists by id."""

    lists: Records
    time: Callable[[], float]
    _parts: dict[int, dict[str, Part]] = attrs.field(factory=dict, init=False)
    _fields: dict[int, dict[str, Row]] = attrs.field(factory=dict, init=False)

    def add(self, params: Params) -> JSON:
        """Make a list under its own code and return its id."""
        arguments = to_capitals(params)
        _require(arguments, "IBLOCK_TYPE_ID", "IBLOCK_CODE", "FIELDS")
        code = to_text(arguments["IBLOCK_CODE"])
        if any(row["CODE"] == code for row in self.lists.table.rows.values()):
            raise PortalError("ERROR_IBLOCK_ALREADY_EXISTS", "Iblock already exists")
        named = {"IBLOCK_TYPE_ID": to_text(arguments["IBLOCK_TYPE_ID"]), "CODE": code}
        list_id = self.lists.table.add({**self.lists.about.defaults, **self.lists.values(arguments["FIELDS"]), **named})
        abouts = {name: About.read(FLAT, line) for name, line in _PARTS.items()}
        self._parts[list_id] = {name: Part(name, Records(about, self.time)) for name, about in abouts.items()}
        self._fields[list_id] = {"NAME": {"FIELD_ID": "NAME", "NAME": "Name", "TYPE": "NAME", "IS_REQUIRED": "Y"}}
        return list_id

    def get(self, params: Params) -> JSON:
        """Return one list, or a page of those of a type."""
        arguments = to_capitals(params)
        _require(arguments, "IBLOCK_TYPE_ID")
        if "IBLOCK_ID" in arguments or "IBLOCK_CODE" in arguments:
            return [self.lists.show(self._find_row(params))]
        conditions = {"IBLOCK_TYPE_ID": arguments["IBLOCK_TYPE_ID"]}
        asked = Params(FILTER=conditions, ORDER=arguments.get("IBLOCK_ORDER"))
        asked.start = params.start
        return self.lists.list(asked)

    def update(self, params: Params) -> JSON:
        """Change a list."""
        self._find_row(params).update(self.lists.values(to_capitals(params).get("FIELDS")))
        return True

    def delete(self, params: Params) -> JSON:
        """Remove a list with all that it has."""
        return self.lists.table.delete(self._find_row(params)["ID"])

    def add_field(self, params: Params) -> JSON:
        """Give a list one more field and return the id of that."""
        fields = self._fields[self._find_row(params)["ID"]]
        given = {str(name): value for name, value in list_items(to_capitals(params).get("FIELDS"))}
        _require(given, "NAME", "TYPE")
        field_id = f"PROPERTY_{100 + len(fields)}"
        fields[field_id] = {"FIELD_ID": field_id, "IS_REQUIRED": "N", "MULTIPLE": "N", **given}
        return field_id

    def get_fields(self, params: Params) -> JSON:
        """Return all fields of a list, by their ids."""
        return self._fields[self._find_row(params)["ID"]]

    def part(self, name: str, does: str, params: Params) -> JSON:
        """Do something with the elements or sections of the list that is named."""
        part, arguments = self._parts[self._find_row(params)["ID"]][name], to_capitals(params)
        return part.get(arguments, params.start) if does == "get" else getattr(part, does)(arguments)

    def _find_row(self, params: Params) -> Row:
        arguments = to_capitals(params)
        _require(arguments, "IBLOCK_TYPE_ID")
        list_id, code = to_int(arguments.get("IBLOCK_ID")), to_text(arguments.get("IBLOCK_CODE"))
        if not list_id and not code:
            raise PortalError("ERROR_REQUIRED_PARAMETERS_MISSING", "Required parameters are missing: IBLOCK_ID")
        for row in self.lists.table.rows.values():
            if row["ID"] == list_id or (not list_id and row["CODE"] == code):
                return row
        raise _make_missing("IBLOCK")


def install(dispatcher: Dispatcher) -> None:
    """Register the methods."""
    lists = Lists(Records(About.read(FLAT, _LIST), dispatcher.clock.time), dispatcher.clock.time)
    for suffix in ("add", "get", "update", "delete"):
        dispatcher.add(f"lists.{suffix}", getattr(lists, suffix))
        for name in _PARTS:
            dispatcher.add(f"lists.{name}.{suffix}", partial(lists.part, name, suffix))
    dispatcher.add("lists.field.add", lists.add_field)
    dispatcher.add("lists.field.get", lists.get_fields)
