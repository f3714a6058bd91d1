"""The sandbox's other methods: data storages, tasks, users, departments, the portal itself."""

from __future__ import annotations

import pytest
from sandbox_wire import Wire

from b24batch.sandbox import Portal


@pytest.fixture
def wire():
    """A connection to an empty portal."""
    with Portal() as portal:
        yield Wire(portal)


@pytest.fixture
def dish(wire):
    """A connection to a portal with a storage of one property and 60 items."""
    wire.call("entity.add", {"ENTITY": "dish", "NAME": "Dishes"})
    wire.call("entity.item.property.add", {"ENTITY": "dish", "PROPERTY": "PRICE", "NAME": "Price", "TYPE": "N"})
    for first in (1, 31):
        wire.batch(
            [f"entity.item.add?ENTITY=dish&NAME=D{n}&PROPERTY_VALUES[PRICE]={n % 5}" for n in range(first, first + 30)]
        )
    return wire


def ids(rows):
    """Return the ids of rows as numbers."""
    return [int(row.get("ID") or row.get("id")) for row in rows]


def test_storages(wire):
    """A storage is made, described alone or among all, and deleted."""
    assert wire.call("entity.add", {"ENTITY": "dish", "NAME": "Dishes", "ACCESS": {"AU": "R"}}).result is True
    about = {"ID": "1", "IBLOCK_TYPE_ID": "rest_entity", "ENTITY": "dish", "NAME": "Dishes"}
    assert wire.call("entity.get", {"ENTITY": "dish"}).result == about
    assert wire.call("entity.get").result == [about]
    assert wire.call("entity.delete", {"entity": "dish"}).result is True
    assert wire.call("entity.get").result == []


def test_properties(dish):
    """Properties of a storage are listed, or one is described."""
    price = {"PROPERTY": "PRICE", "NAME": "Price", "TYPE": "N", "SORT": "500"}
    assert dish.call("entity.item.property.get", {"ENTITY": "dish"}).result == [price]
    assert dish.call("entity.item.property.get", {"ENTITY": "dish", "PROPERTY": "PRICE"}).result == price


def test_a_storage_with_properties_in_one_batch(wire):
    """A storage, its properties and an item can be made in one batch."""
    maps = wire.batch(
        {
            "storage": "entity.add?ENTITY=s&NAME=S",
            "property": "entity.item.property.add?ENTITY=s&PROPERTY=p&NAME=P&TYPE=S",
            "item": "entity.item.add?ENTITY=s&NAME=x&PROPERTY_VALUES[p]=v&PROPERTY_VALUES[no]=v",
            "read": "entity.item.get?ENTITY=s&FILTER[ID]=$result[item]",
        },
        halt=1,
    )
    assert list(maps["result"].values())[:3] == [True, True, 1]
    assert maps["result"]["read"][0]["PROPERTY_VALUES"] == {"p": "v"}


def test_items(dish):
    """An item is changed and deleted; values of other properties stay."""
    assert dish.call("entity.item.update", {"ENTITY": "dish", "ID": 1, "NAME": "New"}).result is True
    item = dish.call("entity.item.get", {"ENTITY": "dish", "FILTER": {"ID": 1}}).result[0]
    assert (item["ID"], item["NAME"], item["ENTITY"], item["ACTIVE"], item["SECTION"]) == (
        "1",
        "New",
        "dish",
        "Y",
        None,
    )
    assert item["PROPERTY_VALUES"] == {"PRICE": "1"}
    assert dish.call("entity.item.delete", {"ENTITY": "dish", "ID": 1}).result is True
    assert dish.call("entity.item.get", {"ENTITY": "dish"}).json["total"] == 59


@pytest.mark.parametrize(
    ("params", "rows", "following", "total"),
    [
        ({}, list(range(1, 51)), 50, 60),
        ({"start": 50}, list(range(51, 61)), None, 60),
        ({"start": 100}, list(range(1, 51)), 50, 60),
        ({"start": -1}, list(range(1, 51)), None, 0),
        ({"FILTER": {">ID": 58}}, [59, 60], None, 2),
        ({"FILTER": {">id": 58}, "start": 50}, list(range(51, 61)), None, 60),
        ({"FILTER": {"PROPERTY_PRICE": "4", "<ID": 12}}, [4, 9], None, 2),
        ({"FILTER": {">ID": 58}, "SORT": {"ID": "DESC"}}, [60, 59], None, 2),
    ],
    ids=["first", "second", "past the end", "uncounted", "filter", "unknown filter", "property", "sort"],
)
def test_lists_of_items(dish, params, rows, following, total):
    """Items page as legacy lists do."""
    answer = dish.call("entity.item.get", {"ENTITY": "dish", **params}).json
    assert (ids(answer["result"]), answer.get("next"), answer["total"]) == (rows, following, total)


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("entity.add", {"ENTITY": "dish", "NAME": "again"}, "ERROR_ENTITY_ALREADY_EXISTS"),
        ("entity.add", {"ENTITY": "new"}, "ERROR_ARGUMENT"),
        ("entity.add", {"ENTITY": "!?", "NAME": "x"}, "ERROR_ARGUMENT"),
        ("entity.add", {"ENTITY": "a" * 24, "NAME": "x"}, "ERROR_ARGUMENT"),
        ("entity.get", {"ENTITY": "no"}, "ERROR_ENTITY_NOT_FOUND"),
        ("entity.delete", {"ENTITY": "no"}, "ERROR_ENTITY_NOT_FOUND"),
        ("entity.delete", {}, "ERROR_ARGUMENT"),
        (
            "entity.item.property.add",
            {"ENTITY": "dish", "PROPERTY": "PRICE"},
            "ERROR_PROPERTY_ALREADY_EXISTS",
        ),
        ("entity.item.property.add", {"ENTITY": "dish", "PROPERTY": "P", "TYPE": "X"}, "ERROR_ARGUMENT"),
        ("entity.item.property.add", {"ENTITY": "dish"}, "ERROR_ARGUMENT"),
        ("entity.item.property.get", {"ENTITY": "dish", "PROPERTY": "no"}, "ERROR_PROPERTY_NOT_FOUND"),
        ("entity.item.add", {"ENTITY": "dish"}, "ERROR_ARGUMENT"),
        ("entity.item.update", {"ENTITY": "dish", "ID": 99}, "ERROR_ITEM_NOT_FOUND"),
        ("entity.item.update", {"ENTITY": "dish"}, "ERROR_ARGUMENT"),
        ("entity.item.delete", {"ENTITY": "dish", "ID": 99}, "ERROR_ITEM_NOT_FOUND"),
    ],
)
def test_errors_of_storages(dish, method, params, code):
    """What exists cannot be made again, what does not exist cannot be used; the argument at fault is named."""
    answer = dish.call(method, params)
    assert (answer.status, answer.json["error"]) == (400, code)
    assert ("argument" in answer.json) is (code == "ERROR_ARGUMENT")


def test_tasks(wire):
    """Fields go in in capitals and come out in camel case, everything is text."""
    task = wire.call("tasks.task.add", {"fields": {"TITLE": "T", "RESPONSIBLE_ID": 1, "NO": 1}}).result["task"]
    assert (task["id"], task["title"], task["responsibleId"], task["status"]) == ("1", "T", "1", "2")
    assert wire.call("tasks.task.get", {"taskId": "1", "select": ["TITLE"]}).result == {
        "task": {"id": "1", "title": "T"}
    }
    updated = wire.call("tasks.task.update", {"taskId": 1, "fields": {"DEADLINE": "2024-05-01T10:00:00Z"}}).result
    assert updated["task"]["deadline"] == "2024-05-01T13:00:00+03:00"
    assert wire.call("tasks.task.delete", {"taskId": 1}).result == {"task": True}
    assert wire.call("tasks.task.get", {"taskId": 1}).result == []


@pytest.mark.parametrize(
    ("params", "rows", "following", "total"),
    [
        ({}, 50, 50, 60),
        ({"start": 60}, 10, None, 60),
        ({"start": 100}, 0, None, 60),
        ({"start": -1}, 50, None, None),
        ({"filter": {">ID": 55}}, 5, None, 5),
        ({"filter": {">id": 55}}, 50, 50, 60),
    ],
    ids=["first", "floored", "past the end", "uncounted", "filter", "unknown filter"],
)
def test_lists_of_tasks(wire, params, rows, following, total):
    """Tasks page as controllers do."""
    for _ in range(2):
        wire.batch(["tasks.task.add?fields[TITLE]=x"] * 30)
    answer = wire.call("tasks.task.list", {"order": {"ID": "ASC"}, **params}).json
    assert (len(answer["result"]["tasks"]), answer.get("next"), answer.get("total")) == (
        rows,
        following,
        total,
    )


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tasks.task.add", {}, "100"),
        ("tasks.task.add", {"fields": {"DESCRIPTION": "x"}}, "0"),
        ("tasks.task.get", {}, "100"),
        ("tasks.task.get", {"taskId": "x"}, "0"),
        ("tasks.task.get", {"taskId": 0}, "0"),
        ("tasks.task.get", {"id": -1, "taskId": 1}, "0"),
        ("tasks.task.update", {"taskId": 9, "fields": {"TITLE": "x"}}, "1048582"),
        ("tasks.task.delete", {"taskId": 9}, "1048582"),
    ],
)
def test_errors_of_tasks(wire, method, params, code):
    """Missing arguments and missing tasks are refused."""
    answer = wire.call(method, params)
    assert (answer.status, answer.json["error"]) == (400, code)


@pytest.mark.parametrize(
    ("params", "rows", "total"),
    [
        ({}, [1, 2, 3], 3),
        ({"FILTER": {">ID": 1}}, [2, 3], 2),
        ({"filter": {">id": 1}}, [2, 3], 2),
        ({"ID": 2}, [2], 1),
        ({"LAST_NAME": "user 3"}, [3], 1),
        ({"sort": "ID", "order": "DESC"}, [3, 2, 1], 3),
        ({"start": 2}, [3], 3),
        ({"start": -1}, [1, 2, 3], 0),
        ({"FILTER": {"NO_SUCH": 1}}, [1, 2, 3], 3),
        ({"ID": 99}, [], None),
    ],
    ids=str,
)
def test_users(wire, params, rows, total):
    """user.get pages by the exact offset; when nothing matches it answers a bare list."""
    answer = wire.call("user.get", params).json
    assert (ids(answer["result"]), answer.get("total")) == (rows, total)


def test_the_current_user(wire):
    """user.current and profile are user 1, whom the webhook belongs to."""
    user = wire.call("user.current").result
    assert (user["ID"], user["ACTIVE"], user["EMAIL"], user["UF_DEPARTMENT"]) == (
        "1",
        True,
        "user1@example.com",
        [1],
    )
    assert wire.call("profile").result["ID"] == "1"
    assert "crm" in wire.call("app.info").result["SCOPE"]


def test_departments(wire):
    """Departments are a legacy list."""
    answer = wire.call("department.get", {"ID": 2}).json
    assert (answer["result"][0]["PARENT"], answer["total"]) == ("1", 1)
    assert ids(wire.call("department.get", {"sort": "ID", "order": "DESC"}).result) == [2, 1]
    assert ids(wire.call("department.get", {"start": 50}).result) == [1, 2]
