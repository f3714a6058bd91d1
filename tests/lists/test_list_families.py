"""Lists of every documented method: complete and in order, or an error before anything is lost."""

from typing import get_args

import pytest
from drawing import ALL, together
from list_model import ROWS, Model, by_name

from b24batch import CursorStalled, UnexpectedAnswer, UsageError
from b24batch.lists.families import Paging
from b24batch.sandbox import Portal

SIZES = [0, 1, 49, 50, 51, 120] if ALL else [0, 51, 120]
LARGE = ["crm.item.list", "crm.deal.list", "user.get", "voximplant.statistic.get", "tasks.task.list", "lists.get"]
LARGE += ["booking.v1.booking.list", "crm.address.list", "im.search.user.list", "crm.status.list", "crm.calllist.list"]


@pytest.fixture(scope="module")
def portal():
    with Portal(record=False) as portal:
        yield portal


@pytest.fixture(scope="module")
def b24(portal):
    with portal.session() as session:
        yield session


def read(b24, method, params=None, **options):
    return [row if isinstance(row, int) else row["N"] for row in b24.call_list(method, params, **options)]


def serve(portal, method, number, hidden=()):
    model = Model(by_name(method), number, hidden)
    portal.method(method)(model)
    return model


READ = [row for row in ROWS if row["paging"] in get_args(Paging)]


@pytest.mark.slow
@pytest.mark.parametrize("number", SIZES)
def test_every_documented_list(portal, b24, number):
    """Each method of the table that can be read gives all rows in order by default."""
    assert len(READ) == 233
    for row in READ:
        model = Model(row, number)
        portal.method(row["method"])(model)
        needed = {"TASKID": 1} if row["method"].startswith("task.") and "TASKID" in row["note"] else None
        assert read(b24, row["method"], needed) == model.expected, row["method"]


@together("row", [row for row in ROWS if row not in READ])
def test_every_other_documented_list(portal, b24, row):
    """A method that pages in a way of its own is refused with its own parameters, unsent."""
    model = Model(row, 120)
    portal.method(row["method"])(model)
    with pytest.raises(UsageError) as caught:
        b24.call_list(row["method"])
    own = [name for name in row["own_paging_params"].split(",") if name != "-"]
    assert all(name in str(caught.value) for name in own)
    assert model.asked == 0


@together("method", LARGE)
def test_many_rows(portal, b24, method):
    """2,600 rows cross every border between pages and requests."""
    model = serve(portal, method, 2600)
    assert read(b24, method) == model.expected


CURSORS = [row["method"] for row in ROWS if row["paging"] == "cursor"]


@together("method", CURSORS)
def test_descending(portal, b24, method):
    """Every method with a cursor is read backwards as well."""
    model = serve(portal, method, 60)
    assert read(b24, method, descending=True) == model.expected[::-1]


@together("method", [name for name in CURSORS if by_name(name)["confidence"] == "low"])
@together("hidden", [{3}, {*range(1, 51)}, {*range(51, 151)}, {*range(20, 201)}])
def test_thinned_pages(portal, b24, method, hidden):
    """Where nobody knows that pages are whole, a short page is no end, and neither is an empty one."""
    model = serve(portal, method, 200, hidden)
    if method.startswith("tasks.api"):  # neither next nor total: nothing tells of rows behind an empty page
        hidden = {3}
        model = serve(portal, method, 200, hidden)
    assert read(b24, method) == model.expected


@pytest.mark.parametrize("hidden", [{7}, {*range(1, 51)}, {*range(51, 151)}, {200}, {*range(1, 201)}], ids=len)
def test_storages(portal, b24, hidden):
    """disk.storage.getlist drops the storages of applications from its pages: their rows are missing, no others."""
    model = serve(portal, "disk.storage.getList", 200, hidden)
    assert read(b24, "disk.storage.getlist") == model.expected


@together("method", [row["method"] for row in ROWS if row["paging"] in ("offset", "page", "last_id")])
@together("paging", ["start", "cursor"])
def test_a_method_with_paging_of_its_own(portal, b24, method, paging):
    """Read by another way than its own, such a method is an error and never its first page for all."""
    serve(portal, method, 130)
    with pytest.raises((CursorStalled, UnexpectedAnswer, UsageError)):
        b24.call_list(method, paging=paging)
