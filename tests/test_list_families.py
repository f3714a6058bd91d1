"""Lists of every documented method: complete and in order, or an error before anything is lost."""

import csv
import random
import re
from pathlib import Path

import pytest

from b24batch import CursorStalled, UsageError
from b24batch.sandbox import Page, Portal

with (Path(__file__).parent / "vectors" / "lists.tsv").open() as file:
    ROWS = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
#: What the notes of the table say besides: no next and no total, or a total that is not one.
SILENT = {row["method"] for row in ROWS if re.search(r"no next|next never|neither next nor total", row["note"])}
SIZES = [0, 1, 49, 50, 51, 120]
LARGE = ["crm.item.list", "crm.deal.list", "user.get", "voximplant.statistic.get", "tasks.task.list", "lists.get"]
LARGE += ["booking.v1.booking.list", "crm.address.list", "im.search.user.list", "crm.status.list", "crm.calllist.list"]


class Model:
    """A list method that honours what its row of the table says, and nothing else; ids from 1 on, not in order."""

    def __init__(self, row, number, hidden=()):
        self.row, self.number, self.hidden = row, number, set(hidden)
        self.ids = list(range(1, number + 1))
        random.Random(7).shuffle(self.ids)
        self.asked = 0

    @property
    def expected(self):
        ids = sorted(self.ids) if self.row["paging"] == "cursor" else self.ids
        return [n for n in ids if n not in self.hidden]

    def __call__(self, params):
        self.asked += 1
        return getattr(self, self.row["paging"], self.own)(params)

    def cursor(self, params):
        ids, key = self.ordered(params), self.row["cursor_id_key"]
        conditions = params.get(self.row["filter_param"]) or {}
        for sign, behind in ((">", int.__gt__), ("<", int.__lt__)):
            if sign + key in conditions:
                last = conditions[sign + key]
                last = int(last) if not isinstance(last, dict | list) else 1
                ids = [n for n in ids if behind(n, last)]
        if params.start < 0:
            return self.answer(ids if self.row["method"] == "crm.calllist.list" else ids[:50])
        return self.counted(ids, params.start)

    def ordered(self, params):
        key, order, sort = self.row["cursor_id_key"], self.row["order_param"], self.row["sort_param"]
        direction = params.get(order) if sort == "-" or params.get(sort) == key else None
        direction = direction.get(key) if isinstance(direction, dict) and sort == "-" else direction
        return sorted(self.ids, reverse=direction == "DESC") if direction in ("ASC", "DESC") else self.ids

    def start(self, params):
        return self.counted(self.ids, params.start)

    def counted(self, ids, start):
        size = 20 if self.row["page_size"].startswith("own") else 50
        page, following = ids[start : start + size], start + size
        if self.row["method"] == "crm.address.list":
            return Page(self.answer(page), following if following < len(ids) else None, len(page))
        if self.row["method"] in SILENT:
            return Page(self.answer(page), None, 0 if self.row["method"].startswith("booking") else None)
        return Page(self.answer(page), following if following < len(ids) else None, len(ids))

    def whole(self, params):
        return self.answer(self.ids)

    def own(self, params):
        return self.answer(self.ids[:20])

    def answer(self, ids):
        ids, key = [n for n in ids if n not in self.hidden], self.row["result_key"].strip("?-")
        id_key = self.row["id_key"]
        if "plain values" in self.row["note"]:
            rows = ids
        elif id_key == "key":
            rows = {str(n): {"N": n} for n in ids}
        else:
            rows = [{**({} if id_key in "-?" else {id_key: str(n) if id_key == "ID" else n}), "N": n} for n in ids]
        return {key: rows} if key else rows


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


def by_name(method):
    return next(row for row in ROWS if row["method"] == method)


def serve(portal, method, number, hidden=()):
    model = Model(by_name(method), number, hidden)
    portal.method(method)(model)
    return model


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["method"])
def test_every_documented_list(portal, b24, row):
    """Each method of the table gives all rows in order by default, or is refused with its own parameters, unsent."""
    for number in SIZES:
        model = Model(row, number)
        portal.method(row["method"])(model)
        needed = {"TASKID": 1} if row["method"].startswith("task.") and "TASKID" in row["note"] else None
        if row["paging"] in ("cursor", "start", "whole"):
            assert read(b24, row["method"], needed) == model.expected
            continue
        with pytest.raises(UsageError) as caught:
            b24.call_list(row["method"])
        own = [name for name in row["own_paging_params"].split(",") if name != "-"]
        assert all(name in str(caught.value) for name in own)
        assert model.asked == 0


@pytest.mark.parametrize("method", LARGE)
def test_many_rows(portal, b24, method):
    """2,600 rows cross every border between pages and requests."""
    model = serve(portal, method, 2600)
    assert read(b24, method) == model.expected


CURSORS = [row["method"] for row in ROWS if row["paging"] == "cursor"]


@pytest.mark.parametrize("method", CURSORS)
def test_descending(portal, b24, method):
    """Every method with a cursor is read backwards as well."""
    model = serve(portal, method, 60)
    assert read(b24, method, descending=True) == model.expected[::-1]


@pytest.mark.parametrize("method", [name for name in CURSORS if by_name(name)["confidence"] == "low"])
@pytest.mark.parametrize("hidden", [{3}, {*range(1, 51)}, {*range(51, 151)}, {*range(20, 201)}], ids=len)
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


@pytest.mark.parametrize("method", [row["method"] for row in ROWS if row["paging"] in ("offset", "page", "last_id")])
@pytest.mark.parametrize("paging", ["start", "cursor"])
def test_a_method_with_paging_of_its_own(portal, b24, method, paging):
    """Read by another way than its own, such a method is an error and never its first page for all."""
    serve(portal, method, 130)
    with pytest.raises((CursorStalled, UsageError, b24_error())):
        b24.call_list(method, paging=paging)


def b24_error():
    from b24batch import UnexpectedAnswer

    return UnexpectedAnswer
