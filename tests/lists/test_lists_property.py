"""Lists, whatever is in the store and whatever happens to it meanwhile."""

from drawing import drawn
from hypothesis import given
from hypothesis import strategies as st
from list_model import ROWS, Model

from b24batch.sandbox import Portal

#: List methods, what they need, how their rows are deleted and added, and what the id is called in a row.
METHODS = {
    "crm.item.list": ("crm.item", {"entityTypeId": 2}, "id", "id"),
    "crm.deal.list": ("crm.deal", {}, "id", "ID"),
    "tasks.task.list": ("tasks.task", {}, "taskId", "id"),
}
#: Where a change happens: before which request, to which rows, and how many are added.
CHANGES = st.lists(
    st.tuples(st.integers(0, 9), st.lists(st.integers(1, 420), max_size=60), st.integers(0, 60)), max_size=4
)
GAPS = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 120)), max_size=4)


class Store:
    """The rows of one method in a portal."""

    def __init__(self, portal, method):
        self.portal = portal
        self.name, self.needed, self.argument, self.key = METHODS[method]
        self.there, self.deleted = set(), set()

    def add(self, number):
        for _ in range(number):
            self.portal.execute(f"{self.name}.add", {**self.needed, "fields": {"TITLE": "x", "title": "x"}})
            self.there.add(len(self.there) + 1)

    def delete(self, row_ids):
        for row_id in self.there.intersection(row_ids) - self.deleted:
            self.portal.execute(f"{self.name}.delete", {**self.needed, self.argument: row_id})
            self.deleted.add(row_id)


@drawn(60)
@given(
    method=st.sampled_from(sorted(METHODS)),
    number=st.integers(0, 400) | st.sampled_from([50, 100, 150, 350, 400]),
    gaps=GAPS,
    changes=CHANGES,
    pages=st.integers(1, 50),
    descending=st.booleans(),
)
def test_each_row_exactly_once(method, number, gaps, changes, pages, descending):
    """A row that existed throughout comes exactly once, in order, and none comes that was never there."""
    with Portal() as portal, portal.session() as b24:
        store = Store(portal, method)
        store.add(number)
        for first, length in gaps:
            store.delete(range(first, first + length))
        at_first = store.there - store.deleted
        for after, deleted, added in changes:
            portal.fail_next(
                lambda deleted=deleted, added=added: (store.delete(deleted), store.add(added)), after=after
            )
        read = b24.fetch_list(method, store.needed, pages_per_request=pages, descending=descending)
        ids = [int(row[store.key]) for page in read for row in page]
    assert ids == sorted(set(ids), reverse=descending)
    assert at_first - store.deleted <= set(ids) <= store.there


@drawn(30)
@given(number=st.integers(0, 400), pages=st.integers(1, 50), added=st.integers(0, 60), after=st.integers(0, 5))
def test_counted_pages(number, pages, added, after):
    """With paging='start' each row comes exactly once while others are added."""
    with Portal() as portal, portal.session() as b24:
        store = Store(portal, "crm.deal.list")
        store.add(number)
        portal.fail_next(lambda: store.add(added), after=after)
        read = b24.call_list("crm.deal.list", paging="start", pages_per_request=pages)
    ids = [int(row["ID"]) for row in read]
    assert len(set(ids)) == len(ids)
    assert set(range(1, number + 1)) <= set(ids) <= store.there


@drawn(80)
@given(
    row=st.sampled_from([row for row in ROWS if row["paging"] in ("cursor", "start", "whole")]),
    number=st.integers(0, 420) | st.sampled_from([50, 100, 150, 350, 400]),
    hidden=st.sets(st.integers(1, 420), max_size=90),
    pages=st.integers(1, 50),
    limit=st.none() | st.integers(1, 450),
)
def test_every_documented_method(row, number, hidden, pages, limit):
    """Whatever is documented is read to its end, or its limit, in order."""
    model = Model(row, number, hidden if row["thinned"] == "yes" else ())
    place = {"TASKID": 1} if "TASKID" in row["note"] else None
    with Portal(record=False) as portal, portal.session() as b24:
        portal.method(row["method"])(model)
        found = b24.call_list(row["method"], place, pages_per_request=pages, limit=limit)
    assert [item if isinstance(item, int) else item["N"] for item in found] == model.expected[:limit]
