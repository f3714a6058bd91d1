"""Looking up by a key of one's own: what exists, what exists twice, and what the portal does not filter by."""

import pytest

from b24batch import BatchError, Command, UnexpectedAnswer, UsageError, look_up
from b24batch.sandbox import Page

DEALS = {"entityTypeId": 2}


@pytest.fixture
def add(b24):
    """Add deals with these keys, and return their ids."""

    def add(*keys, origin="shop"):
        fields = [{"title": "Deal", "originatorId": origin, "originId": key} for key in keys]
        added = b24.batch_by_chunk([("crm.item.add", {**DEALS, "fields": each}) for each in fields])
        return [row["item"]["id"] for row in added.raise_for_errors().data]

    return add


def test_what_exists(portal, b24, add):
    """A key that exists has its id, one that does not is absent, and 50 keys go in one request."""
    ids = add(*(f"k{n}" for n in range(60)))
    before = len(portal.requests)
    found = look_up(b24, "crm.item.list", "originId", (f"k{n}" for n in range(100)), DEALS)
    assert found == {f"k{n}": [ids[n]] for n in range(60)}
    assert len(portal.requests) - before == 2


def test_what_the_older_methods_have(b24, add):
    """The older methods spell field and id their own way."""
    ids = add("a", "b")
    found = look_up(b24, "crm.deal.list", "ORIGIN_ID", ["b", "c", "b"])
    assert {key: [int(each) for each in ids] for key, ids in found.items()} == {"b": [ids[1]]}


def test_what_exists_twice(portal, b24, add):
    """A key with several rows has all their ids, however many pages they are."""
    ids = add(*["twice"] * 2, *["often"] * 120)
    found = look_up(b24, "crm.item.list", "originId", ["twice", "often"], DEALS)
    assert found == {"twice": ids[:2], "often": ids[2:]}


@pytest.mark.parametrize("more", [{"total": 2}, {"next": 50}])
def test_rows_on_further_pages(portal, b24, more):
    """More rows are read if the portal says so, by their number or by the next page."""
    rows = [{"ID": "1", "ORIGIN_ID": "a"}, {"ID": "2", "ORIGIN_ID": "a"}]
    answers = [Page(rows[:1], **more), Page(rows)]
    portal.method("crm.deal.list")(lambda params: answers.pop(0))
    assert look_up(b24, "crm.deal.list", "ORIGIN_ID", ["a"]) == {"a": ["1", "2"]}


def test_further_conditions(b24, add):
    """The caller's own conditions hold beside the key."""
    add("a", origin="elsewhere")
    mine = add("a")
    assert look_up(b24, "crm.item.list", "originId", ["a"], {**DEALS, "filter": {"originatorId": "shop"}}) == {
        "a": mine
    }


def test_no_keys(portal, b24):
    """No keys ask nothing."""
    assert look_up(b24, "crm.deal.list", "ORIGIN_ID", []) == {}
    assert not portal.requests


def test_an_ignored_filter(portal, b24):
    """A portal that ignores the filter returns rows with other keys, which is an error and no match."""
    portal.method("crm.deal.list")(lambda params: Page([{"ID": "1", "ORIGIN_ID": "other"}], total=1))
    with pytest.raises(
        UnexpectedAnswer, match="expected only rows whose ORIGIN_ID is 'a', got 'other'; the portal may"
    ):
        look_up(b24, "crm.deal.list", "ORIGIN_ID", ["a"])


def test_a_field_that_rows_lack(portal, b24):
    """Rows without the field tell nothing of the key."""
    portal.method("crm.deal.list")(lambda params: Page([{"ID": "1"}], total=1))
    with pytest.raises(UnexpectedAnswer, match="expected rows with ID and UF_CRM_X"):
        look_up(b24, "crm.deal.list", "UF_CRM_X", ["a"])


def test_a_key_in_another_case(portal, b24):
    """The portal's database takes A for a; a row with the other one is not of this key."""
    rows = [{"ID": "1", "ORIGIN_ID": "A"}, {"ID": "2", "ORIGIN_ID": "a"}]
    portal.method("crm.deal.list")(lambda params: Page(rows, total=2))
    assert look_up(b24, "crm.deal.list", "ORIGIN_ID", ["a"]) == {"a": ["2"]}


def test_a_refusal(portal, b24):
    """A call that the portal refuses is an error: the key may exist."""
    with pytest.raises(BatchError):
        look_up(b24, "crm.item.list", "originId", ["a"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("user.get", "XML_ID", ["a"]), "method: expected one of crm.activity.list, "),
        (("crm.deal.add", "ORIGIN_ID", ["a"]), "method: "),
        (("crm.deal.list", ">ID", ["a"]), "field: expected the name of a field"),
        (("crm.deal.list", "ORIGIN_ID", "abc"), "keys: expected texts that are not empty, got 'abc'"),
        (("crm.deal.list", "ORIGIN_ID", ["a", 17]), "keys: expected texts that are not empty, got 17"),
        (("crm.deal.list", "ORIGIN_ID", ["a", ""]), "keys: expected texts that are not empty, got ''"),
        (("crm.deal.list", "ORIGIN_ID", [["a"]]), r"keys: expected texts that are not empty, got \['a'\]"),
        (("crm.deal.list", "ORIGIN_ID", 17), "keys: expected texts that are not empty, got 17"),
        (("crm.deal.list", "ORIGIN_ID", None), "keys: expected texts that are not empty, got None"),
        (("crm.deal.list", "ORIGIN_ID", ["a"], {"select": ["ID"]}), "select is set by look_up itself"),
        (("crm.deal.list", "ORIGIN_ID", ["a"], {"filter": {"=origin_id": "b"}}), "with other fields than ORIGIN_ID"),
        (("crm.deal.list", "ORIGIN_ID", ["a"], {"filter": "b"}), "with other fields than ORIGIN_ID"),
        (("crm.deal.list", "ORIGIN_ID", ["a"], {"Filter": {1: 2, "?ORIGIN_ID": 3}}), "with other fields"),
    ],
)
def test_wrong_arguments(portal, b24, arguments, said):
    """What cannot be looked up for certain is refused before anything is sent."""
    with pytest.raises(UsageError, match=said):
        look_up(b24, *arguments)
    assert not portal.requests


def test_the_recipe(portal, b24):
    """After a lost answer the commands that did not run are told from those that did."""
    calls = [
        Command("crm.item.add", {**DEALS, "fields": {"title": "Deal", "originId": f"k{n}"}}, name=f"k{n}")
        for n in range(120)
    ]
    portal.fail_next("lost_after", after=1)
    portal.fail_next("lost_before", after=1)
    unknown = b24.batch_by_chunk(calls).by_status("unknown")
    found = look_up(b24, "crm.item.list", "originId", [row.name for row in unknown], DEALS)
    missing = [row.command for row in unknown if row.name not in found]
    assert b24.batch_by_chunk(missing).is_success
    assert len(b24.call_list("crm.item.list", {**DEALS, "select": ["id"]})) == 120
