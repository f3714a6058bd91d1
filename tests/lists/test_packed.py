"""Rows that wait for their turn are packed: they take little memory and come out as they were."""

import gc
import json
import tracemalloc

import pytest
from drawing import drawn
from hypothesis import given
from hypothesis import strategies as st
from list_store import METHOD, Store, ids_of, rows_of, shuffled

from b24batch.lists.packed import Packed, pack, unpack
from b24batch.sandbox import Page, Portal

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
FIELDS = {"TITLE": "Сделка", "STAGE_ID": "NEW", "OPPORTUNITY": "1000.00", "COMMENTS": None, "DATE_CREATE": "2026-01-02"}
FIELDS |= {f"UF_CRM_{n}": n / 7 for n in range(10)}


@drawn(50)
@given(value=VALUES)
def test_what_is_packed_comes_out_as_it_was(value):
    """Every JSON value keeps its value and its types."""
    packed = pack(value)
    assert isinstance(packed, Packed)
    assert json.dumps(unpack(packed)) == json.dumps(value)


@pytest.mark.parametrize("text", ['"\\ud800"', "1e999", "-0.0", "123456789012345678901234567890"])
def test_peculiar_values(text):
    """Half of a surrogate pair, infinity, minus zero and a large number keep their values."""
    value = json.loads(text)
    assert repr(unpack(pack(value))) == repr(value)


def test_deeply_nested_values():
    """A value that is nested too deeply to be packed is kept as it is."""
    value = []
    for _ in range(5000):
        value = [value]
    assert unpack(pack(value)) is value


@pytest.mark.slow
def test_waiting_rows_take_little_memory():
    """While the first piece is missing, the rows behind it take less than half of what they take as dicts."""

    class Wide(Store):
        def __call__(self, params):
            page = super().__call__(params)
            return Page([{**row, **FIELDS} for row in page.rows], total=page.total)

    def allocated():
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    with Portal(record=False) as portal, portal.session() as b24:
        portal.method(METHOD)(Wide(range(1, 101)))
        list(shuffled(b24, 5, lambda _number: -1))  # what is allocated only once
        portal.method(METHOD)(store := Wide(range(1, 4001)))
        tracemalloc.start()
        before = allocated()
        pages = shuffled(b24, 5, lambda _number: -1, pages=10)
        found = ids_of(next(pages))
        waiting, taken = 50 * store.pages - len(found), allocated() - before
        rows = json.loads(json.dumps([{**row, **FIELDS} for row in rows_of(range(1, waiting + 1))]))
        as_dicts = allocated() - before - taken
        tracemalloc.stop()
        found += ids_of(row for page in pages for row in page)
    assert found == store.ids
    assert waiting >= 4 * 500
    assert len(rows) == waiting
    assert taken < as_dicts / 2
