"""The sandbox's CRM: crm.item.* and crm.deal.* over one store; filters, pages, casts."""

from __future__ import annotations

import pytest
from drawing import together
from sandbox_wire import Wire

from b24batch.sandbox import Portal

ROWS = 120


@pytest.fixture(scope="module")
def filled():
    """A portal with 120 deals and 120 contacts, read only."""
    with Portal() as portal:
        wire = Wire(portal)
        for first in range(1, ROWS, 40):
            numbers = range(first, first + 40)
            wire.batch([f"crm.deal.add?fields[TITLE]=Deal {n}&fields[OPPORTUNITY]={n % 7}" for n in numbers])
            wire.batch([f"crm.contact.add?fields[NAME]=N{n}" for n in numbers])
        yield portal


@pytest.fixture
def big(filled):
    """A connection to the filled portal."""
    return Wire(filled)


@pytest.fixture
def portal():
    """An empty portal."""
    with Portal() as portal:
        yield portal


def ids(rows):
    """Return the ids of rows as numbers."""
    return [int(row.get("ID") or row.get("id")) for row in rows]


def span(first, last):
    """Return the numbers from first to last."""
    return list(range(first, last + 1))


@pytest.mark.parametrize(
    ("start", "rows", "following", "total"),
    [
        (None, span(1, 50), 50, 120),
        (0, span(1, 50), 50, 120),
        (75, span(51, 100), 100, 120),
        (100, span(101, 120), None, 120),
        ("abc", span(1, 50), 50, 120),
        (150, span(1, 50), 50, 120),
        (-1, span(1, 50), None, 0),
    ],
)
def test_pages_of_legacy_lists(big, start, rows, following, total):
    """They round start down to a page, wrap to page 1 past the end, and -1 has a total of 0."""
    answer = big.call("crm.deal.list", {} if start is None else {"start": start}).json
    assert (ids(answer["result"]), answer.get("next"), answer["total"]) == (rows, following, total)


@pytest.mark.parametrize(
    ("start", "rows", "following", "total"),
    [
        (0, span(1, 50), 50, 120),
        (75, span(51, 100), 100, 120),
        (100, span(101, 120), None, 120),
        (150, [], None, 120),
        (-1, span(1, 50), None, None),
    ],
)
def test_pages_of_item_lists(big, start, rows, following, total):
    """They round start down too, are empty past the end, and -1 has neither next nor total."""
    answer = big.call("crm.item.list", {"entityTypeId": 2, "start": start}).json
    assert (ids(answer["result"]["items"]), answer.get("next"), answer.get("total")) == (
        rows,
        following,
        total,
    )


FILTERS = [
    ({">ID": 118}, [119, 120]),
    ({">=ID": "119"}, [119, 120]),
    ({"<ID": 3}, [1, 2]),
    ({"<=ID": 2}, [1, 2]),
    ({"ID": 7}, [7]),
    ({"=ID": "7"}, [7]),
    ({"ID": [5, "3"]}, [3, 5]),
    ({"@ID": [5, 3, 999]}, [3, 5]),
    ({"><ID": [3, 5]}, [3, 4, 5]),
    ({">ID": 2, "<ID": 5}, [3, 4]),
    ({"!><ID": [3, 118]}, [1, 2, 119, 120]),
    ({"!@ID": span(1, 118)}, [119, 120]),
    ({"!=ID": span(2, 120)}, [1]),
    ({"!ID": 1, "<ID": 4}, [2, 3]),
    ({"%TITLE": "DEAL 11"}, [11, *span(110, 119)]),
    ({"=%TITLE": "deal 1_"}, span(10, 19)),
    ({"%=TITLE": "%12"}, [12, 112]),
    ({"!%TITLE": "1", "<ID": 4}, [2, 3]),
    ({"!=%TITLE": "deal %"}, []),
    ({"TITLE": "deal 12"}, [12]),
    ({"OPPORTUNITY": 0, "<ID": 20}, [7, 14]),
    ({">OPPORTUNITY": "5.5", "<ID": 20}, [6, 13]),
    ({"COMMENTS": ""}, span(1, 50)),
    ({"!COMMENTS": ""}, []),
    ({"<ID": 1}, []),
]


@together(("conditions", "rows"), FILTERS)
@pytest.mark.parametrize("family", ["crm.deal.list", "crm.item.list"])
def test_filters(big, family, conditions, rows):
    """The prefixes of filter names mean the same in both families."""
    camel = {
        name.replace("ID", "id").replace("TITLE", "title").replace("OPPORTUNITY", "opportunity"): value
        for name, value in conditions.items()
    }
    camel = {name.replace("COMMENTS", "comments"): value for name, value in camel.items()}
    params = {"filter": conditions} if family == "crm.deal.list" else {"filter": camel, "entityTypeId": 2}
    result = big.call(family, params).result
    assert ids(result["items"] if family == "crm.item.list" else result) == rows


@pytest.mark.parametrize(
    ("conditions", "rows"),
    [
        ({"logic": "OR", "0": {"id": 1}, "1": {">id": 119}}, [1, 120]),
        ({"<id": 10, "0": {"logic": "OR", "0": {"id": 1}, "1": {">id": 8}}}, [1, 9]),
        ([{">id": 3}, {"<id": 5}], [4]),
        ({"logic": "AND", ">id": 118}, [119, 120]),
        ({"logic": "OR", "id": 1, "title": "deal 2"}, [1, 2]),
    ],
    ids=["or", "or inside", "list", "and", "or of fields"],
)
def test_groups_of_conditions(big, conditions, rows):
    """crm.item.list nests conditions with logic."""
    result = big.call("crm.item.list", {"entityTypeId": 2, "filter": conditions}).result
    assert ids(result["items"]) == rows


@pytest.mark.parametrize(
    ("order", "rows"),
    [
        ({"ID": "DESC"}, [120, 119, 118]),
        ({"ID": "asc"}, [1, 2, 3]),
        ({"OPPORTUNITY": "ASC", "ID": "DESC"}, [119, 112, 105]),
        ({"OPPORTUNITY": "DESC"}, [6, 13, 20]),
        ({"NO_SUCH": "DESC"}, [1, 2, 3]),
        ({"TITLE": "ASC"}, [1, 10, 100]),
    ],
    ids=str,
)
def test_order(big, order, rows):
    """Rows are sorted by several fields; unknown ones are dropped."""
    result = big.call("crm.deal.list", {"order": order}).result
    assert ids(result)[:3] == rows
    assert ids(big.call("crm.deal.list", {"order": order, "start": -1}).result)[:3] == rows


def test_cursor_pages(big):
    """Pages by >ID with start=-1 go through all rows; a page shorter than 50 is the last."""
    last, seen = 0, []
    for _ in range(3):
        page = big.call("crm.deal.list", {"filter": {">ID": last}, "order": {"ID": "ASC"}, "start": -1}).result
        seen += ids(page)
        last = seen[-1]
    assert (seen, len(page)) == (span(1, 120), 20)


def test_a_chain_of_cursor_references_wraps(big):
    """Where page one has no row 49, the reference yields the page, which is cast to 1."""
    cmd = {"p0": "crm.deal.list?filter[>ID]=80&start=-1"}
    for n in (1, 2):
        cmd[f"p{n}"] = f"crm.deal.list?filter[>ID]=$result[p{n - 1}][49][ID]&start=-1"
    pages = big.batch(cmd)["result"]
    assert [ids(page)[:1] for page in pages.values()] == [[81], [2], [52]]
    error = big.batch(
        {
            "p0": "crm.item.list?entityTypeId=2&filter[>id]=110",
            "p1": "crm.item.list?entityTypeId=2&filter[>id]=$result[p0][items][49][id]",
        }
    )["result_error"]["p1"]
    assert error["error"] == "INVALID_ARG_VALUE"


def test_unknown_filters(big):
    """A legacy list drops an unknown filter without a word, crm.item.list refuses it."""
    assert len(big.call("crm.deal.list", {"filter": {">id": 119}}).result) == 50
    answer = big.call("crm.item.list", {"entityTypeId": 2, "filter": {">ID": 119}})
    assert (answer.status, answer.json["error"]) == (400, "INVALID_ARG_VALUE")


@pytest.mark.parametrize(
    ("select", "names"),
    [
        (["TITLE"], ["ID", "TITLE"]),
        (["ID", "NO_SUCH", "OPENED"], ["ID", "OPENED"]),
        (["UF_*"], ["ID"]),
    ],
    ids=str,
)
def test_select_in_legacy_lists(big, select, names):
    """The id is always there, unknown names are ignored."""
    assert list(big.call("crm.deal.list", {"select": select}).result[0]) == names


def test_select_in_item_lists(big):
    """Unknown names are ignored; no list of names selects everything."""
    items = big.call("crm.item.list", {"entityTypeId": 2, "select": ["title", "no"]}).result["items"]
    assert list(items[0]) == ["id", "title"]
    assert {"id", "stageId", "createdTime"} <= set(big.call("crm.item.list", {"entityTypeId": 2}).result["items"][0])


@pytest.mark.parametrize("spelling", ["filter", "FILTER", "Filter", "arFilter"])
def test_spellings_of_legacy_arguments(big, spelling):
    """Legacy methods know several spellings of their arguments."""
    assert ids(big.call("crm.deal.list", {spelling: {"ID": 7}}).result) == [7]


def test_one_store(wire):
    """A deal is an item of type 2: text in capitals on one side, numbers in camel case on the other."""
    fields = {
        "TITLE": "T",
        "OPPORTUNITY": "10.5",
        "COMPANY_ID": 3,
        "CLOSEDATE": "2024-05-01",
        "UF_CRM_5_17": "u",
    }
    assert wire.call("crm.deal.add", {"fields": fields}).result == 1
    item = wire.call("crm.item.get", {"entityTypeId": 2, "id": 1}).result["item"]
    assert (item["id"], item["opportunity"], item["companyId"], item["ufCrm5_17"]) == (1, 10.5, 3, "u")
    wire.call("crm.item.update", {"entityTypeId": 2, "id": "1", "fields": {"title": "U", "ufCrmTest2": ["x"]}})
    deal = wire.call("crm.deal.get", {"id": "1"}).result
    assert (deal["ID"], deal["TITLE"], deal["OPPORTUNITY"], deal["COMPANY_ID"]) == ("1", "U", "10.50", "3")
    assert wire.call("crm.item.get", {"entityTypeId": 2, "id": 1}).result["item"]["ufCrmTest2"] == ["x"]
    assert deal["CLOSEDATE"] == "2024-05-01T03:00:00+03:00"


def test_shapes_of_item_methods(wire):
    """Add and update answer the item, delete an empty list."""
    added = wire.call("crm.item.add", {"entityTypeId": 128, "fields": {"title": "x", "no": 1}}).result
    assert (added["item"]["id"], added["item"]["title"], added["item"]["entityTypeId"]) == (1, "x", 128)
    assert "no" not in added["item"]
    updated = wire.call("crm.item.update", {"entityTypeId": 128, "id": 1, "fields": {"title": "y"}}).result
    assert updated["item"]["title"] == "y"
    assert wire.call("crm.item.delete", {"entityTypeId": 128, "id": 1}).result == []
    fields = wire.call("crm.item.fields", {"entityTypeId": 2}).result["fields"]
    assert (fields["stageId"]["upperName"], fields["id"]["isReadOnly"]) == ("STAGE_ID", True)


@pytest.mark.parametrize("name", ["lead", "deal", "contact", "company"])
def test_shapes_of_legacy_methods(wire, name):
    """Add answers an integer, update and delete true; get has every field as text or null."""
    assert wire.call(f"crm.{name}.add", {"fields": {"TITLE": "x", "NO_SUCH": 1}}).result == 1
    assert wire.call(f"crm.{name}.update", {"ID": 1, "fields": {"COMMENTS": 5}}).result is True
    row = wire.call(f"crm.{name}.get", {"ID": 1}).result
    assert (row["ID"], row["COMMENTS"], row["ORIGIN_ID"], "NO_SUCH" in row) == ("1", "5", None, False)
    assert wire.call(f"crm.{name}.delete", {"id": 1}).result is True
    assert wire.call(f"crm.{name}.fields").result["ID"]["type"] == "integer"


@pytest.mark.parametrize(
    ("method", "params", "code", "text"),
    [
        ("crm.deal.get", {}, "", "ID is not defined or invalid."),
        ("crm.deal.get", {"ID": "abc"}, "", "ID is not defined or invalid."),
        ("crm.deal.delete", {"ID": 99}, "", "Not found"),
        ("crm.deal.update", {"ID": 99}, "", "Not found"),
        ("crm.item.add", {}, "100", "Could not find value for parameter {entityTypeId}"),
        ("crm.item.add", {"entityTypeId": 2}, "100", "Could not find value for parameter {fields}"),
        ("crm.item.add", {"entityTypeId": 2, "fields": "x"}, "100", "Should be value of type array."),
        ("crm.item.get", {"entityTypeId": 2}, "100", "Could not find value for parameter {id}"),
        ("crm.item.get", {"entityTypeId": 2, "ID": 1}, "100", "Could not find value for parameter {id}"),
        (
            "crm.item.get",
            {"entityTypeId": 2, "id": [1]},
            "100",
            "Invalid value {Array} to match with parameter {id}",
        ),
        ("crm.item.get", {"entityTypeId": 2, "id": 99}, "NOT_FOUND", "Element not found"),
        ("crm.item.delete", {"entityTypeId": 2, "id": 99}, "NOT_FOUND", "Element not found"),
    ],
)
def test_errors(wire, method, params, code, text):
    """Missing arguments, ill-typed ones and missing rows are answered as each family does."""
    answer = wire.call(method, params)
    assert (answer.status, answer.json["error"]) == (400, code)
    assert text in answer.json["error_description"]


def test_a_failed_reference_deletes_row_one(wire):
    """The legacy cast of an array is 1: a reference to a failed add targets row 1."""
    wire.call("crm.deal.add")
    maps = wire.batch({"ok": "server.time", "x": "no.such", "d": "crm.deal.delete?ID=$result[x]"})
    assert maps["result"]["d"] is True
    assert wire.call("crm.deal.list").result == []


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (True, "Y"),
        ("true", "Y"),
        ("y", "Y"),
        ("Y", "Y"),
        (1, "N"),
        ("1", "N"),
        (False, "N"),
        ("N", "N"),
        ("", "N"),
    ],
    ids=repr,
)
def test_booleans_of_items(wire, value, stored):
    """crm.item.* takes exactly true, "true", "y" and "Y" for true."""
    params = {"entityTypeId": 2, "fields": {"opened": value}}
    assert wire.call("crm.item.add", params).result["item"]["opened"] == stored


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("CLOSEDATE", "2024-02-31", "2024-03-02T03:00:00+03:00"),
        ("CLOSEDATE", "2024-05-01T23:30:00+00:00", "2024-05-02T03:00:00+03:00"),
        ("CLOSEDATE", "2024-05-01T10:00:00 03:00", None),
        ("CLOSEDATE", "1714550400", None),
        ("CLOSEDATE", "soon", None),
        ("CLOSEDATE", "31.12.2024", "2024-12-31T03:00:00+03:00"),
        ("MOVED_TIME", "2024-05-01T10:00:00Z", "2024-05-01T13:00:00+03:00"),
        ("MOVED_TIME", "2024-05-01 10:00", "2024-05-01T10:00:00+03:00"),
        ("MOVED_TIME", "2024-13-01", None),
        ("COMMENTS", [1], "Array"),
        ("COMPANY_ID", [5], "1"),
        ("COMPANY_ID", "12abc", "12"),
        ("OPPORTUNITY", "1.005e2", "100.50"),
        ("OPENED", "Y", "Y"),
        ("OPENED", True, "N"),
        ("ID", 77, "1"),
    ],
)
def test_casts_of_legacy_fields(wire, field, value, stored):
    """Values are cast as PHP casts them; a date that cannot be read is dropped without a word."""
    wire.call("crm.deal.add", {"fields": {field: value}})
    assert wire.call("crm.deal.get", {"ID": 1}).result[field] == stored


def test_clearing(wire):
    """Empty text clears a field in both families; an unreadable date leaves it."""
    wire.call("crm.deal.add", {"fields": {"COMPANY_ID": 5, "COMMENTS": "x", "CLOSEDATE": "2024-05-01"}})
    wire.call("crm.deal.update", {"ID": 1, "fields": {"COMPANY_ID": "", "CLOSEDATE": "soon"}})
    deal = wire.call("crm.deal.get", {"ID": 1}).result
    assert (deal["COMPANY_ID"], deal["CLOSEDATE"]) == (None, "2024-05-01T03:00:00+03:00")
    fields = {"comments": "", "closedate": [], "companyId": 0}
    item = wire.call("crm.item.update", {"entityTypeId": 2, "id": 1, "fields": fields}).result["item"]
    assert (item["comments"], item["closedate"], item["companyId"]) == (None, None, 0)


def test_fields_of_several_values(wire):
    """Entries without an id are added, with one changed or deleted; crm.item.* has them in fm."""
    wire.call("crm.contact.add", {"fields": {"PHONE": [{"VALUE": "+7", "VALUE_TYPE": "HOME"}, {"VALUE": "+8"}]}})
    phones = wire.call("crm.contact.get", {"ID": 1}).result["PHONE"]
    assert phones == [
        {"ID": "1", "VALUE_TYPE": "HOME", "VALUE": "+7", "TYPE_ID": "PHONE"},
        {"ID": "2", "VALUE_TYPE": "WORK", "VALUE": "+8", "TYPE_ID": "PHONE"},
    ]
    changes = [{"ID": 1, "DELETE": "Y"}, {"ID": "2", "VALUE": "+9"}, {"VALUE": "+10"}]
    wire.call("crm.contact.update", {"ID": 1, "fields": {"PHONE": changes}})
    phones = wire.call("crm.contact.list", {"select": ["PHONE"]}).result[0]["PHONE"]
    assert [(phone["ID"], phone["VALUE"]) for phone in phones] == [("2", "+9"), ("3", "+10")]
    assert wire.call("crm.contact.list", {"filter": {"PHONE": "+9"}}).result != []
    assert wire.call("crm.contact.list", {"filter": {"PHONE": "+7"}}).result == []
    entry = {"typeId": "EMAIL", "valueType": "WORK", "value": "a@example.com"}
    item = wire.call("crm.item.add", {"entityTypeId": 3, "fields": {"name": "N", "fm": [entry]}}).result["item"]
    assert item["fm"] == [{"id": "4", **entry}]


def test_a_large_table_is_paged_by_id_without_scanning(wire, portal):
    """Deep pages of a long table do not look at its rows."""

    class Counting(dict):
        reads = 0

        def __getitem__(self, key):
            type(self).reads += 1
            return super().__getitem__(key)

    for _ in range(40):
        wire.batch(["crm.deal.add"] * 50)
    store = next(cell for cell in _tables(portal) if len(cell.rows) == 2000)
    store.rows = Counting(store.rows)
    for last in range(0, 2000, 50):
        params = {"filter": {">ID": last}, "order": {"ID": "ASC"}, "select": ["ID"], "start": -1}
        assert ids(wire.call("crm.deal.list", params).result) == span(last + 1, last + 50)
    assert Counting.reads <= 2 * 2000


def _tables(portal):
    """Return the tables behind the legacy methods of a portal."""
    handlers = portal._dispatcher._handlers
    return [handlers[f"crm.{name}.list"].__self__.kind.table for name in ("lead", "deal", "contact", "company")]
