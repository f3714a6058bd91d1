"""The sandbox's lists: every kind of paging that a portal has, directly and in a batch."""

from __future__ import annotations

import pytest
from drawing import together
from sandbox_wire import Wire

from b24batch.sandbox import Portal

ROWS = 120


def span(first, last):
    """Return the numbers from first to last."""
    return list(range(first, last + 1))


def ids(rows):
    """Return the ids of rows as numbers."""
    return [int(row.get("ID") or row.get("id")) for row in rows]


#: What fills the lists: a method, and the params of the row of a number.
FILL = {
    "catalog.store.add": lambda n: {"fields": {"title": f"S{n}", "sort": 200 - n}},
    "catalog.section.add": lambda n: {"fields": {"iblockId": 14, "name": f"S{n}", "sort": 200 - n}},
    "documentgenerator.numerator.add": lambda n: {"fields": {"name": f"N{n}"}},
    "crm.timeline.comment.add": lambda n: {"fields": {"ENTITY_ID": 1, "ENTITY_TYPE": "deal", "COMMENT": f"C{n}"}},
    "booking.v1.booking.add": lambda n: {"fields": {"name": f"B{n}"}},
    "crm.status.add": lambda n: {"fields": {"ENTITY_ID": "SOURCE", "STATUS_ID": f"S{n}", "SORT": 10 * n}},
    "sale.delivery.add": lambda n: {"NAME": f"D{n}", "ACTIVE": "N" if n == 1 else "Y"},
    "crm.documentgenerator.template.add": lambda n: {"fields": {"name": f"T{n}", "active": "N" if n == 1 else "Y"}},
    "sign.b2e.personal.add": lambda n: {"fields": {"title": f"P{n}"}},
    "biconnector.connector.add": lambda n: {"fields": {"title": f"C{n}"}},
    "crm.address.add": lambda n: {"fields": {"TYPE_ID": 1, "ENTITY_TYPE_ID": 8, "ENTITY_ID": n, "CITY": "Riga"}},
    "crm.activity.add": lambda n: {"fields": {"SUBJECT": f"A{n}", "OWNER_ID": n % 3, "COMPLETED": "Y"}},
    "crm.deal.userfield.add": lambda n: {"fields": {"FIELD_NAME": f"F{n}", "USER_TYPE_ID": "string"}},
    "crm.category.add": lambda n: {"entityTypeId": 2, "fields": {"name": f"F{n}"}},
    "department.add": lambda n: {"NAME": f"D{n}", "PARENT": 1},
}


@pytest.fixture(scope="module")
def filled():
    """A portal with 120 rows of every kind, read only."""
    with Portal() as portal:
        for method, params in FILL.items():
            for n in span(1, ROWS):
                portal.execute(method, params(n))
        portal.execute("tasks.task.add", {"fields": {"TITLE": "T"}})
        portal.execute("im.chat.add", {"TITLE": "Chat", "USERS": [2, 3]})
        for n in span(1, ROWS):
            portal.execute("task.elapseditem.add", {0: 1, 1: {"SECONDS": n}})
            portal.execute("task.commentitem.add", {0: 1, 1: {"POST_MESSAGE": f"M{n}"}})
            portal.execute("task.checklistitem.add", {0: 1, 1: {"TITLE": f"C{n}"}})
            portal.execute("im.message.add", {"DIALOG_ID": "chat1", "MESSAGE": f"M{n}"})
            call = portal.execute("telephony.externalcall.register", {"PHONE_NUMBER": str(900 - n)})
            portal.execute("telephony.externalcall.finish", {**call, "DURATION": n})
        yield portal


@pytest.fixture
def wire(filled):
    """A connection to it."""
    return Wire(filled)


@together(
    ("method", "params", "key", "rows", "following", "total"),
    [
        ("catalog.store.list", {}, "stores", span(1, 50), 50, 120),
        ("catalog.store.list", {"start": 75}, "stores", span(51, 100), 100, 120),
        ("catalog.store.list", {"start": 150}, "stores", [], None, 120),
        ("catalog.store.list", {"start": -1, "filter": {">id": 118}}, "stores", [119, 120], None, None),
        ("catalog.store.list", {"filter": {">ID": 118}}, "stores", span(1, 50), 50, 120),
        ("catalog.store.list", {"order": {"id": "DESC"}}, "stores", span(71, 120)[::-1], 50, 120),
        ("catalog.section.list", {"filter": {"iblockId": 14}}, "sections", span(71, 120)[::-1], 50, 120),
        ("catalog.section.list", {"filter": {"iblockId": 14, ">id": 119}}, "sections", [120], None, 1),
        ("crm.activity.list", {"filter": {">ID": 118}, "start": -1}, "", [119, 120], None, 0),
        ("crm.activity.list", {"start": 150}, "", span(1, 50), 50, 120),
        ("documentgenerator.numerator.list", {"filter": {">id": 118}}, "numerators", span(1, 50), 50, 120),
        ("documentgenerator.numerator.list", {"start": 100}, "numerators", span(101, 120), None, 120),
        ("crm.timeline.comment.list", {"filter": {"ENTITY_ID": 1, ">ID": 118}}, "", span(1, 50), 50, 120),
        ("crm.timeline.comment.list", {"filter": {"ENTITY_ID": 1, "COMMENT": "C2"}}, "", span(1, 50), 50, 120),
        ("crm.timeline.comment.list", {"filter": {"ENTITY_TYPE": "lead"}}, "", [], None, 0),
        ("department.get", {">ID": 118, "start": 100}, "", span(101, 122), None, 122),
        ("department.get", {"FILTER": {"NAME": "D3", "SORT": "ID"}, "PARENT": 9}, "", [5], None, 1),
        ("booking.v1.booking.list", {}, "booking", span(1, 50), None, 0),
        ("booking.v1.booking.list", {"start": 100, "filter": {">id": 119}}, "booking", span(101, 120), None, 0),
        ("crm.status.list", {"filter": {">ID": 100}, "start": 50}, "", span(1, 120), None, 120),
        ("crm.status.list", {"filter": {"STATUS_ID": "S7"}}, "", [7], None, 1),
        ("crm.status.list", {"order": {"SORT": "DESC"}}, "", span(1, 120)[::-1], None, 120),
        ("crm.deal.userfield.list", {"filter": {">ID": 100}}, "", span(1, 120), None, 120),
        ("crm.deal.userfield.list", {"filter": {"FIELD_NAME": "UF_CRM_F9"}}, "", [9], None, 1),
        ("sale.delivery.getlist", {"FILTER": {">ID": 118}}, "", [119, 120], None, 2),
        ("sale.delivery.getlist", {"FILTER": {"ACTIVE": "N"}, "SELECT": ["ID"]}, "", [1], None, 1),
        ("sign.b2e.personal.tail", {"start": 50}, "", span(1, 20), None, None),
        ("sign.b2e.personal.tail", {"offset": 110, "limit": 50}, "", span(111, 120), None, None),
        ("biconnector.connector.list", {"start": 50}, "", span(1, 50), None, None),
        ("biconnector.connector.list", {"page": 3}, "", span(101, 120), None, None),
        ("task.elapseditem.getlist", [1], "", span(1, 120), None, None),
        ("task.elapseditem.getlist", [{"ID": "desc"}, {">ID": 118}], "", [120, 119], None, None),
        ("task.elapseditem.getlist", [1, {"ID": "asc"}, {"<=SECONDS": 2}], "", [1, 2], None, None),
        ("task.commentitem.getlist", [1, {"ID": "desc"}, {">ID": 118}], "", [120, 119], None, None),
        ("task.checklistitem.getlist", [1, {"ID": "desc"}], "", span(1, 120)[::-1], None, None),
    ],
)
def test_pages(wire, method, params, key, rows, following, total):
    """A list honours what its kind honours, and says of more what its kind says."""
    answer = wire.both(method, params)
    found = answer["result"][key] if key else answer["result"]
    assert (ids(found), answer.get("next"), answer.get("total")) == (rows, following, total)


@pytest.mark.parametrize(("page", "rows"), [(1, span(1, 50)), (3, span(101, 120)), (4, [])])
def test_pages_by_navigation(wire, page, rows):
    """Spent time is paged only if it is asked for, by the number and the size of a page."""
    pages = {"NAV_PARAMS": {"nPageSize": 50, "iNumPage": page}}
    direct = wire.call("task.elapseditem.getlist", [{}, {}, ["ID"], pages])
    assert ids(direct.result) == rows
    command = f"0[ID]=asc&1[>ID]=0&2[]=ID&3[NAV_PARAMS][nPageSize]=50&3[NAV_PARAMS][iNumPage]={page}"
    assert ids(wire.one(f"task.elapseditem.getlist?{command}")) == rows


@pytest.mark.parametrize(
    ("params", "rows"),
    [
        ({}, span(101, 120)[::-1]),
        ({"LIMIT": 50, "start": 50}, span(71, 120)[::-1]),
        ({"LAST_ID": 3}, [2, 1]),
        ({"FIRST_ID": 117}, [118, 119, 120]),
        ({"FIRST_ID": 0, "LIMIT": 2}, [1, 2]),
        ({"LAST_ID": 100, "LIMIT": 500}, span(50, 99)[::-1]),
    ],
    ids=str,
)
def test_pages_by_the_last_id(wire, params, rows):
    """Messages come newest first, and go on from the id of the last one."""
    answer = wire.both("im.dialog.messages.get", {"DIALOG_ID": "chat1", **params})
    assert (ids(answer["result"]["messages"]), "next" in answer, "total" in answer) == (rows, False, False)


@pytest.mark.parametrize("start", [0, 50, 100])
def test_rows_without_ids(wire, start):
    """Addresses are known by what they belong to, and total counts the rows of one page."""
    answer = wire.both("crm.address.list", {"start": start})
    rows = answer["result"]
    assert [int(row["ENTITY_ID"]) for row in rows] == span(start + 1, min(start + 50, ROWS))
    assert (answer["total"], answer.get("next"), "ID" in rows[0]) == (len(rows), {0: 50, 50: 100}.get(start), False)


@pytest.mark.parametrize(
    ("params", "rows"),
    [
        ({"SORT": "ID", "ORDER": "ASC"}, span(1, 50)),
        ({"sort": "ID", "order": "desc", "filter": {"<=id": 2}}, span(71, 120)[::-1]),
        ({"SORT": "ID", "ORDER": "ASC", "FILTER": {">ID": 117}}, [118, 119, 120]),
        ({"ORDER": {"ID": "ASC"}}, span(71, 120)[::-1]),
        ({"SORT": {"ID": "ASC"}, "ORDER": "ASC"}, span(71, 120)[::-1]),
        ({"SORT": "ID", "ORDER": "ASC", "start": 60}, span(61, 110)),
    ],
    ids=str,
)
def test_an_order_of_two_texts(wire, params, rows):
    """The statistic of calls drops a map as an order, and then rows come in an order of their own."""
    assert ids(wire.both("voximplant.statistic.get", params)["result"]) == rows


def test_a_map_by_ids(wire):
    """Templates come as a map by their ids; a page of it has a next, and its filter knows no id."""
    first = wire.both("crm.documentgenerator.template.list", {"filter": {">id": 100, "active": "Y"}})
    templates = first["result"]["templates"]
    assert (first["next"], first["total"], list(templates)) == (50, 119, [str(n) for n in span(2, 51)])
    assert templates["2"] == {"id": 2, "name": "T2", "active": "Y", "withStamps": "N"}


def test_rows_that_are_values(wire):
    """The users of a chat are plain numbers, all of them at once."""
    assert wire.both("im.chat.user.list", {"CHAT_ID": 1}) == {"result": [1, 2, 3]}


def test_funnels_in_an_order_of_their_own(wire):
    """The default funnel has the id 0 and comes last; a filter and a start change nothing."""
    answer = wire.both("crm.category.list", {"entityTypeId": 2, "filter": {">id": 100}, "start": 50})
    assert [row["id"] for row in answer["result"]["categories"]] == [*span(1, 120), 0]


def test_a_page_that_lost_rows():
    """A storage of an application is dropped after the page was cut, so that a short page is no end."""
    with Portal() as portal:
        wire = Wire(portal)
        app = wire.call("disk.storage.getforapp").result
        assert wire.call("disk.storage.getforapp").result == app
        for n in span(1, 100):
            portal.execute("user.add", {"EMAIL": f"u{n}@example.com"})
        first = wire.both("disk.storage.getlist", {})
        assert (len(first["result"]), first["next"], first["total"]) == (49, 50, 105)
        rest = [wire.both("disk.storage.getlist", {"start": start})["result"] for start in (50, 100)]
        assert ids(first["result"] + rest[0] + rest[1]) == [n for n in span(1, 105) if n != int(app["ID"])]
        assert ids(wire.both("disk.storage.getlist", {"filter": {">ID": 103}, "order": {"ID": "DESC"}})["result"]) == [
            105,
            104,
        ]


@pytest.mark.parametrize(
    ("params", "rows"),
    [
        ({"LAST_NAME": "User 2", "FILTER": {">ID": 0}}, [1, 2, 3]),
        ({"LAST_NAME": "User 2"}, [2]),
        ({"FILTER": {"LAST_NAME": "User 2"}, "ACTIVE": False}, [2]),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["user.get", "user.search"])
def test_a_filter_in_the_place_of_all_conditions(method, params, rows):
    """As soon as users are asked for with a FILTER, no condition beside it counts."""
    with Portal() as portal:
        assert ids(Wire(portal).both(method, params)["result"]) == rows


@pytest.mark.parametrize(
    ("method", "params"),
    [("catalog.product.list", {}), ("crm.item.productrow.list", {"filter": {"=ownerId": 1}})],
)
def test_what_a_filter_must_have(wire, method, params):
    """Some lists are refused without the filter that they need."""
    assert "Required filter fields" in wire.both(method, params)["error_description"]
