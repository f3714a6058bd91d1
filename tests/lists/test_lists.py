"""Lists: every row once, in order, by few requests, whatever the method calls its parts and whatever goes wrong."""

import tracemalloc

import pytest
from drawing import together

from b24batch import (
    AjaxError,
    AnswerLost,
    CursorStalled,
    LeakyBucket,
    NotSent,
    OperatingLimitExceeded,
    UnexpectedAnswer,
    UsageError,
    ref,
)
from b24batch.clock import Wait
from b24batch.sandbox import Page, Portal, PortalError

DEALS = {"entityTypeId": 2}
STORED = 2_600
METHODS = [
    ("crm.item.list", {**DEALS, "select": ["title"]}, "id"),
    ("crm.deal.list", {"select": ["TITLE"]}, "ID"),
    ("tasks.task.list", {"select": ["TITLE"]}, "id"),
]


def fill(portal, number):
    """Store so many deals, Deal 0 first."""
    for n in range(number):
        portal.execute("crm.item.add", {"entityTypeId": 2, "fields": {"title": f"Deal {n}"}})


@pytest.fixture(scope="module")
def large():
    """A portal with 2,600 deals and as many tasks: more than one request of 50 pages has."""
    with Portal() as portal:
        fill(portal, STORED)
        for n in range(STORED):
            portal.execute("tasks.task.add", {"fields": {"TITLE": f"Task {n}"}})
        yield portal


@pytest.fixture
def deals(portal):
    """The test's portal with 220 deals: four full pages and a short one."""
    fill(portal, 220)
    return portal


def ids(rows, key="ID"):
    return [int(row[key]) for row in rows]


def sizes(portal):
    """How many pages each request asked for."""
    return [len(request.params.get("cmd", [None])) for request in portal.requests]


def asked(portal):
    """The params of every page asked for, references replaced."""
    return [command.params for command in portal.executed if not command.method.endswith(".add")]


def counted(portal, name, number, **page):
    """Register a list method that knows `start` alone, 50 rows a page, unless `page` says otherwise."""

    @portal.method(name)
    def listed(params):
        start = params.start - params.start % page.get("floor", 1)
        if page.get("wraps") and start >= number:
            start = 0
        rows = [{"ID": str(n)} for n in range(start + 1, min(start + 50, number) + 1)]
        rows = [row for row in rows if int(row["ID"]) not in page.get("hidden", ())]
        following = start + (len(rows) if page.get("hidden") else 50)
        return Page(rows, following if start + 50 < number else None, page.get("total", number))


@pytest.mark.slow
@pytest.mark.parametrize(("method", "params", "key"), METHODS, ids=["item", "deal", "task"])
def test_many_rows(large, method, params, key):
    """2,600 rows come complete, in order, by at most 6 requests."""
    before = len(large.requests)
    with large.session() as b24:
        rows = b24.call_list(method, params)
    assert ids(rows, key) == list(range(1, STORED + 1))
    assert len(large.requests) - before <= 6


def peak(b24, after):
    tracemalloc.start()
    rows = sum(len(page) for page in b24.fetch_list("crm.deal.list", {"filter": {">ID": after}, "select": ["ID"]}))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return rows, most


@pytest.mark.slow
def test_memory():
    """Reading three times as many rows page by page needs no more memory; the fewer fill requests of 50 pages too."""
    with Portal(record=False) as portal, portal.session() as b24:
        fill(portal, 18_000)
        few, many = peak(b24, 12_000), peak(b24, 0)
    assert (few[0], many[0]) == (6_000, 18_000)
    assert many[1] < few[1] * 1.3


@pytest.mark.parametrize("number", [0, 1, 49, 50, 51, 100, 150, 151])
@pytest.mark.parametrize("pages", [1, 2, 50])
def test_page_boundaries(portal, b24, number, pages):
    """Full pages are yielded as they are, the rest as a shorter one, and no empty page at all."""
    fill(portal, number)
    got = list(b24.fetch_list("crm.deal.list", pages_per_request=pages))
    assert [len(page) for page in got] == [50] * (number // 50) + [number % 50] * (number % 50 > 0)
    assert [row["TITLE"] for page in got for row in page] == [f"Deal {n}" for n in range(number)]


def test_growing_requests(portal, b24):
    """After a first page alone the pages in a request double up to their bound; the first request is no batch."""
    fill(portal, 1600)
    b24.call_list("crm.item.list", DEALS, pages_per_request=10, request_id="list")
    assert sizes(portal) == [1, 2, 4, 8, 10, 10]
    assert [request.method for request in portal.requests] == ["crm.item.list", *["batch"] * 5]
    sent = [request.headers["x-request-id"] for request in portal.requests]
    assert sent == ["list", "list/2", "list/3", "list/4", "list/5", "list/6"]


def test_one_page_a_request(deals, b24):
    """With pages_per_request=1 nothing travels in a batch."""
    assert len(b24.call_list("crm.item.list", DEALS, pages_per_request=1)) == 220
    assert [request.method for request in deals.requests] == ["crm.item.list"] * 5


@pytest.mark.parametrize(("method", "params", "key"), METHODS, ids=["item", "deal", "task"])
def test_descending(portal, b24, method, params, key):
    """descending=True reads the newest first, order and filter both turned round."""
    fill(portal, 120)
    for n in range(120):
        portal.execute("tasks.task.add", {"fields": {"TITLE": f"Task {n}"}})
    rows = b24.call_list(method, params, descending=True)
    assert ids(rows, key) == list(range(120, 0, -1))


def test_the_filter_is_kept(deals, b24):
    """The caller's conditions hold on every page; his own one on the cursor is where the list begins."""
    rows = b24.call_list("crm.deal.list", {"FILTER": {">ID": 60, "<=ID": 215, "!TITLE": "Deal 100"}})
    assert ids(rows) == [n for n in range(61, 216) if n != 101]
    assert {params["filter"]["<=ID"] for params in asked(deals)} <= {215, "215"}
    rows = b24.call_list("crm.deal.list", {"filter": {"<ID": 200, ">ID": 10}}, descending=True)
    assert ids(rows) == list(range(199, 10, -1))


def test_a_filter_with_a_logic(deals, b24):
    """A filter with a logic of its own becomes one condition beside the cursor."""
    either = {"logic": "OR", 0: {"<=id": 110}, 1: {">id": 190}}
    wanted = [*range(1, 111), *range(191, 221)]
    assert ids(b24.call_list("crm.item.list", {**DEALS, "filter": either}), "id") == wanted
    assert ids(b24.call_list("crm.item.list", {**DEALS, "filter": [either, {">id": 5}]}), "id") == wanted[5:]


@pytest.mark.parametrize(
    ("select", "sent"),
    [
        (["TITLE"], ["TITLE", "ID"]),
        (("TITLE", "ID"), ["TITLE", "ID"]),
        (["*", "UF_*"], ["*", "UF_*"]),
        ({0: "TITLE"}, ["TITLE", "ID"]),
        ("TITLE", "TITLE"),
    ],
    ids=repr,
)
def test_the_select_is_kept(deals, b24, select, sent):
    """The id is added to a select that lacks it, and to nothing else."""
    assert len(b24.call_list("crm.deal.list", {"select": select})) == 220
    assert asked(deals)[0]["select"] == sent


def test_no_select_is_made_up(deals, b24):
    """Without a select none is sent, and without a filter none with the first page; the params stay as they were."""
    params = {"filter": {}}
    b24.call_list("crm.deal.list", params)
    assert asked(deals)[0].keys() == {"order", "start"}
    assert params == {"filter": {}}


@together(
    ("arguments", "message"),
    [
        ({"params": {"order": {"ID": "DESC"}}}, "omit order from the params: pages follow the ids"),
        ({"params": {"ORDER": {"ID": "DESC"}}}, "omit ORDER"),
        ({"params": {"start": 50}}, "omit start"),
        ({"params": {"Start": 50}, "paging": "start"}, "omit Start from the params: all pages are read"),
        ({"params": {"filter": {}, "FILTER": {}}}, "params have filter and FILTER"),
        ({"params": {"filter": "ID"}}, "filter: expected a mapping, got 'ID'"),
        ({"params": ["x"]}, "params by name"),
        ({"params": {"filter": {"X": {1}}}}, r"filter\.X"),
        ({"params": "x"}, "params: expected a mapping"),
        ({"method": "no method"}, "method: expected"),
        ({"method": "user.get", "params": {"SORT": "NAME"}}, "omit SORT"),
        ({"method": "user.get", "params": {"order": "DESC"}}, "omit order"),
        ({"method": "entity.item.get", "params": {"sort": {"NAME": "ASC"}}}, "omit sort"),
        ({"method": "lists.element.get", "params": {"ELEMENT_ORDER": {}}}, "omit ELEMENT_ORDER"),
        ({"id_key": ""}, "id_key: expected a name without spaces"),
        ({"cursor_id_key": "a b"}, "cursor_id_key: expected a name"),
        ({"result_key": "a]"}, "result_key: expected a name"),
        ({"result_key": 5}, "result_key: expected a name"),
        ({"paging": "next"}, "paging: expected 'cursor', 'start', 'whole' or None, got 'next'"),
        ({"paging": "start", "descending": True}, "give an order in the params instead"),
        ({"paging": "start", "cursor_id_key": "ID"}, "instead of descending or cursor_id_key"),
        ({"pages_per_request": 0}, "from 1 to 50, got 0"),
        ({"pages_per_request": 51}, "from 1 to 50, got 51"),
        ({"pages_per_request": True}, "got True"),
        ({"descending": 1}, "True or False"),
        ({"request_id": "\n"}, "request_id: expected"),
    ],
)
@pytest.mark.usefixtures("refused")
def test_wrong_arguments(b24, arguments, message):
    """Arguments are checked when a list is asked for, before its first page, and nothing is sent."""
    arguments = {"method": "crm.deal.list", **arguments}
    with pytest.raises(UsageError, match=message):
        b24.fetch_list(**arguments)
    with pytest.raises(UsageError, match=message):
        b24.call_list(**arguments)


@pytest.mark.parametrize(
    ("result", "arguments", "message"),
    [
        ({"rows": [{"ID": 1}], "more": []}, {}, "has a list in rows and in more: give .* with result_key="),
        ({"a": 1, "b": 2}, {}, "has no list, only a, b"),
        ({"rows": [{"ID": 1}]}, {"result_key": "items"}, "no list in items; it has a list in rows"),
        ([{"ID": 1}], {"result_key": "items"}, "omit result_key"),
        ("text", {}, "expected a list, got 'text'"),
        (["a"], {}, "expected rows that are objects, got 'a'"),
        ([{"id": 1, "name": 2}], {}, "a row has no ID, only id, name: give the name of the id with id_key="),
        ([{"ID": 1}, {"ID": "EUR"}], {}, "ids that are numbers, got 'EUR': .* id_key=, or use paging='start'"),
        ([{"ID": "USD"}], {}, "ids that are numbers, got 'USD'"),
        ([{"ID": [1]}], {}, "ids that are numbers"),
    ],
    ids=repr,
)
def test_an_unknown_method_with_an_unexpected_shape(portal, b24, result, arguments, message):
    """Nothing is guessed about an answer: the error names the keyword to give."""
    portal.method("my.rows")(lambda params: result)
    with pytest.raises(UnexpectedAnswer, match=message) as caught:
        b24.call_list("my.rows", **arguments)
    assert caught.value.data is not None


def test_a_known_method_with_an_unexpected_shape(portal, b24):
    """The shape of a method in the table is checked as well."""
    portal.method("crm.deal.list")(lambda params: {"items": []})
    with pytest.raises(UnexpectedAnswer, match=r"crm\.deal\.list: the result is not a list; it has a list in items"):
        b24.call_list("crm.deal.list")


def test_an_empty_object(portal, b24):
    """PHP writes an empty object as a list: that is a list without rows, whatever the result key."""
    portal.method("crm.item.list")(lambda params: [])
    assert b24.call_list("crm.item.list", DEALS) == []


def test_an_unknown_method_with_its_keys(deals, b24):
    """A method outside the table works with the keys that its caller names; the cursor has the id's name."""
    deals.method("my.items")(lambda params: deals.execute("crm.item.list", {**params, **DEALS, "start": params.start}))
    assert len(b24.call_list("my.items", result_key="items", id_key="id")) == 220


def test_the_key_of_the_first_page(portal, b24):
    """Where the rows of the first page are, there those of the next ones are, whatever other lists come with them."""

    @portal.method("my.rows")
    def page(params):
        found = [{"ID": n} for n in range(params.start + 1, 61)][:50]
        return Page({"rows": found, "notes": []}, None, 60) if params.start else Page({"rows": found}, 50, 60)

    assert [row["ID"] for row in b24.call_list("my.rows", paging="start")] == list(range(1, 61))


def test_a_thinned_page_of_an_unknown_method(portal, b24):
    """Outside the table a short page does not end the list: one page more is asked for, until one is empty."""

    @portal.method("my.rows")
    def thinned(params):
        after = dict(params.get("filter") or {}).get(">ID", 0)
        after = 1 if isinstance(after, list) else int(after)
        return [{"ID": n} for n in range(after + 1, min(after + 50, 430) + 1) if n % 100 != 70]

    rows = b24.call_list("my.rows")
    assert ids(rows) == [n for n in range(1, 431) if n % 100 != 70]
    assert sizes(portal)[0] == 1
    assert max(sizes(portal)) <= 4


def test_users(portal, b24):
    """user.get and user.search are ordered by two parameters and filtered in capitals."""
    for n in range(120):
        portal.execute("user.add", {"EMAIL": f"{n}@example.com", "ACTIVE": n % 2 == 0})
    for method in ("user.get", "user.search"):
        assert ids(b24.call_list(method)) == list(range(1, 124))
        assert ids(b24.call_list(method, descending=True)) == list(range(123, 0, -1))
    assert asked(portal)[0] == {"start": -1, "sort": "ID", "order": "ASC"}
    assert b24.call_list("user.get", {"filter": {">ID": 900}}) == []


def test_storage_items(portal, b24):
    """entity.item.get orders by SORT."""
    portal.execute("entity.add", {"ENTITY": "demo", "NAME": "Demo"})
    for n in range(120):
        portal.execute("entity.item.add", {"ENTITY": "demo", "NAME": f"Item {n}"})
    rows = b24.call_list("entity.item.get", {"ENTITY": "demo"})
    assert [row["NAME"] for row in rows] == [f"Item {n}" for n in range(120)]


@pytest.mark.parametrize(
    ("method", "path", "row", "params"),
    [
        ("crm.stagehistory.list", "items", "ID", {"filter": {">ID": 50}, "order": {"ID": "ASC"}}),
        ("catalog.product.list", "products", "id", {"filter": {">id": 50}, "order": {"id": "ASC"}}),
        ("sale.basketItem.list", "basketItems", "id", {"filter": {">id": 50}, "order": {"id": "ASC"}}),
        ("lists.element.get", None, "ID", {"FILTER": {">ID": 50}, "ELEMENT_ORDER": {"ID": "ASC"}}),
        ("sonet_group.get", None, "ID", {"FILTER": {">ID": 50}, "ORDER": {"ID": "ASC"}}),
        ("entity.section.get", None, "ID", {"FILTER": {">ID": 50}, "SORT": {"ID": "ASC"}}),
        ("user.search", None, "ID", {"FILTER": {">ID": 50}, "sort": "ID", "order": "ASC"}),
        ("disk.folder.getchildren", None, "ID", {"filter": {">ID": 50}, "order": {"ID": "ASC"}}),
        ("tasks.task.list", "tasks", "id", {"filter": {">ID": 50}, "order": {"ID": "ASC"}}),
        ("voximplant.statistic.get", None, "ID", {"FILTER": {">ID": 50}, "SORT": "ID", "ORDER": "ASC"}),
    ],
)
def test_families(portal, b24, method, path, row, params):
    """Each family's second page is asked for in the words of the portal's documentation."""

    @portal.method(method)
    def page(sent):
        key = next((name for name in sent if name.casefold() == "filter"), None)
        after = int(next(iter(sent[key].values()))) if key else 0
        rows = [{row: n} for n in range(after + 1, min(after + 50, 60) + 1)]
        return rows if path is None else {path: rows}

    assert ids(b24.call_list(method, pages_per_request=1), row) == list(range(1, 61))
    assert asked(portal)[-1] == {**params, "start": -1}


def test_a_filter_that_is_ignored(deals, b24):
    """A portal that gives page 1 again for an unknown filter key does not do so for ever, and no row comes twice."""
    with pytest.raises(CursorStalled, match=r"id 1 came after id 50.*cursor_id_key.*paging='start'") as caught:
        b24.call_list("crm.deal.list", cursor_id_key="id")
    assert ids(caught.value.result) == list(range(1, 51))
    assert len(deals.requests) == 2


@pytest.mark.parametrize("rows", [[3, 1, 2], [1, 1]], ids=repr)
def test_an_order_that_is_ignored(portal, b24, rows):
    """Ids that do not advance within a page stall the cursor as well."""
    portal.method("crm.deal.list")(lambda params: [{"ID": str(n)} for n in rows])
    with pytest.raises(CursorStalled):
        b24.call_list("crm.deal.list")


def test_ids_are_numbers(portal, b24):
    """Ids that are text are compared as numbers: 9 comes before 10."""
    portal.method("crm.deal.list")(lambda params: [{"ID": text} for text in ("9", "10", "100")])
    assert ids(b24.call_list("crm.deal.list")) == [9, 10, 100]


def test_rows_come_and_go(deals, b24):
    """Rows that are deleted while the list is read neither repeat nor drop others, and new ones come at its end."""

    def change():
        for row_id in (1, 50, 51, 150):
            deals.execute("crm.deal.delete", {"id": row_id})
        fill(deals, 3)

    deals.fail_next(change, after=1)
    assert ids(b24.call_list("crm.deal.list")) == [n for n in range(1, 224) if n not in (51, 150)]


def test_a_text_like_a_reference(deals, b24):
    """A filter that a batch would change is sent page by page, as it is."""
    deals.execute("crm.deal.update", {"id": 3, "fields": {"TITLE": "$result[p0]"}})
    rows = b24.call_list("crm.deal.list", {"filter": {"!TITLE": "$result[p0]"}})
    assert ids(rows) == [n for n in range(1, 221) if n != 3]
    assert {request.method for request in deals.requests} == {"crm.deal.list"}


def test_a_vendor_method(deals, b24):
    """A method with a vendor before it is read page by page, since a batch would drop that."""
    listed = lambda params: deals.execute("crm.deal.list", {**params, "start": params.start})  # noqa: E731
    deals.method("acme:deal.list")(listed)
    assert len(b24.call_list("acme:deal.list")) == 220


@pytest.mark.parametrize("method", ["crm.deal.add", "CRM.Deal.Update", "tasks.task.delete", "crm.item.import"])
def test_a_method_that_writes(portal, b24, method):
    """A method that is known to write is no list: it is refused when the list is asked for, and nothing is sent."""
    for read in (b24.call_list, b24.fetch_list):
        with pytest.raises(UsageError, match=f"{method} writes, and list methods only read; use call"):
            read(method, paging="whole")
    assert portal.requests == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["lost_after", "lost_before", "html_502", "half_body", "rate_limited"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_lost_answers(deals, b24, fault, after):
    """Pages only read: one whose answer was lost is asked for again, under its id, and no row comes twice."""
    deals.fail_next(fault, after=after)
    assert ids(b24.call_list("crm.deal.list", pages_per_request=2, request_id="list")) == list(range(1, 221))
    sent = [request.headers["x-request-id"] for request in deals.requests]
    assert sent[after] == sent[after + 1]


def test_what_may_write_is_not_repeated(portal, b24):
    """A method of which nobody knows that it only reads is no page: its answer lost, it is not sent again."""
    portal.method("my.rows")(lambda params: [])
    portal.fail_next("lost_after")
    with pytest.raises(AnswerLost):
        b24.call_list("my.rows")
    assert len(portal.requests) == 1


@pytest.mark.parametrize(
    ("fault", "error"), [("refused", AjaxError), ("malformed_maps", AnswerLost), ("json_500", AnswerLost)]
)
def test_an_error_in_the_middle(deals, b24, fault, error):
    """An error ends the list; the pages before it stand, for call_list in the error's result."""
    deals.fail_next(fault, after=1, times=9)
    with pytest.raises(error) as caught:
        b24.call_list("crm.deal.list")
    assert ids(caught.value.result) == list(range(1, 51))


def test_an_error_inside_a_batch(deals, b24):
    """A page that is refused inside a batch ends the list; the pages of that batch before it stand."""
    left = [2]

    def listed(params):
        left[0] -= 1
        if left[0] < 0:
            raise PortalError("ACCESS_DENIED", "No rights")
        return deals.execute("crm.deal.list", {**params, "start": params.start})

    deals.method("acme.deal.list")(listed)
    pages = b24.fetch_list("acme.deal.list")
    assert ids(next(pages) + next(pages)) == list(range(1, 101))
    with pytest.raises(AjaxError, match="ACCESS_DENIED"):
        next(pages)


def test_not_sent(b24, portal):
    """A portal that is not there is an error with no rows in it."""
    portal.close()
    with pytest.raises(NotSent) as caught:
        b24.call_list("crm.deal.list")
    assert caught.value.result == []


def test_an_interrupt(portal):
    """Ctrl-C in the middle is the same object, with the rows so far in its result."""

    def interrupt(wait):
        raise KeyboardInterrupt

    fill(portal, 220)
    portal.fail_next("rate_limited", after=1)
    with portal.session(on_wait=interrupt) as b24, pytest.raises(KeyboardInterrupt) as caught:
        b24.call_list("crm.deal.list")
    assert ids(caught.value.result) == list(range(1, 51))


@pytest.fixture
def limited(clock):
    """A portal that lets 17 pages run in ten minutes, with 2,000 deals in it."""
    with Portal(clock=clock, operating_limit=480) as portal:
        portal.cost("crm.item.list", 30.0)
        fill(portal, 2000)
        yield portal


@pytest.mark.slow
def test_operating_limit(limited):
    """A limit in the middle keeps what came, waits, and goes on from the last id; no page is read twice."""
    waits = []
    b24 = limited.session(on_wait=waits.append)
    assert ids(b24.call_list("crm.item.list", DEALS), "id") == list(range(1, 2001))
    assert [wait.reason for wait in waits] == ["operating"] * 2
    assert all(500 < wait.seconds <= 601 for wait in waits)
    pages = [params["filter"][">id"] for params in asked(limited) if "filter" in params]
    assert len(pages) == len(set(map(int, pages))) == 40


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"operating_wait": 0}, {"max_wait": 300}], ids=repr)
def test_operating_limit_without_a_wait(limited, clock, options):
    """A wait that is not wanted is an error, with the rows so far and the time at which the portal frees the method."""
    with pytest.raises(OperatingLimitExceeded) as caught:
        limited.session(**options).call_list("crm.item.list", DEALS)
    assert len(caught.value.result) == 17 * 50
    assert clock.time() < caught.value.reset_at <= clock.time() + 601
    assert clock.slept == []


def test_operating_limit_of_a_single_page(clock):
    """A page alone that is blocked is waited for as well, in vain only for so long."""
    with Portal(clock=clock) as portal:
        fill(portal, 60)
        portal.fail_next("operating_limit", times=2)
        waits = []
        b24 = portal.session(on_wait=waits.append)
        assert len(b24.call_list("crm.deal.list", request_id="list")) == 60
        assert waits == [Wait("operating", 60.0, 2, "list"), Wait("operating", 60.0, 3, "list/2")]
        portal.fail_next("operating_limit", times=99)
        with pytest.raises(OperatingLimitExceeded):
            b24.call_list("crm.deal.list")
        assert clock.slept == [60.0] * 13


@pytest.mark.slow
def test_operating_limit_of_a_batch(limited):
    """Where the portal blocks `batch` itself, the wait is as long as its last answer says."""
    waits = []
    limited.fail_next(PortalError("OPERATION_TIME_LIMIT", "blocked", http_status=429), after=2)
    b24 = limited.session(on_wait=waits.append)
    b24.call_list("crm.item.list", {**DEALS, "filter": {">id": 1600}}, pages_per_request=4)
    assert [500 < wait.seconds <= 601 for wait in waits] == [True]


@pytest.mark.slow
def test_slow_requests(clock):
    """After a request of over 20 seconds the next one asks for half as many pages, and then for more again."""
    with Portal(clock=clock) as portal:
        fill(portal, 3000)
        portal.fail_next("slow", after=4, seconds=21.0)
        portal.fail_next("slow", after=5, seconds=20.0)
        portal.session().call_list("crm.deal.list")
        assert sizes(portal) == [1, 2, 4, 8, 16, 8, 16, 32]


def test_start_paging(portal, b24):
    """With paging='start' pages are counted; after the first, several go in a request as far as the total says."""
    counted(portal, "my.list", 420)
    assert ids(b24.call_list("my.list", {"order": {"ID": "ASC"}}, paging="start")) == list(range(1, 421))
    assert sizes(portal) == [1, 2, 4, 2]
    assert [params["start"] for params in asked(portal)] == [0, *map(str, range(50, 450, 50))]


@together("number", [0, 1, 49, 50, 51, 100, 101, 250])
@together("wraps", [True, False])
def test_start_paging_boundaries(portal, b24, number, wraps):
    """Counted pages end where no next is told, at any number of rows."""
    counted(portal, "my.list", number, wraps=wraps, floor=50)
    assert ids(b24.call_list("my.list", paging="start")) == list(range(1, number + 1))


def test_start_paging_without_a_total(portal, b24):
    """Without a total the portal's next is followed page by page."""
    counted(portal, "my.list", 220, total=None)
    assert ids(b24.call_list("my.list", paging="start")) == list(range(1, 221))
    assert sizes(portal) == [1] * 5


def test_start_paging_past_the_end(deals, b24):
    """A list that got shorter begins anew past its end: rows come once, and it ends there."""

    def shorten():
        for row_id in range(90, 221):
            deals.execute("crm.deal.delete", {"id": row_id})

    deals.fail_next(shorten, after=1)
    assert ids(b24.call_list("crm.deal.list", paging="start")) == list(range(1, 90))
    assert len(deals.requests) == 2


def test_start_paging_with_shorter_pages(portal, b24):
    """Where the portal's next is not where the following page was asked for, it goes on at that next."""

    @portal.method("my.list")
    def listed(params):
        end = min(params.start + (30 if 150 <= params.start < 200 else 50), 400)
        return Page([{"ID": n + 1} for n in range(params.start, end)], end if end < 400 else None, 400)

    assert ids(b24.call_list("my.list", paging="start")) == list(range(1, 401))


def test_start_paging_removes_duplicates(deals, b24):
    """A row that moves to a later page is not repeated, whether its id is a number or text."""
    deals.method("twice")(lambda params: Page([{"ID": 7}, {"ID": "7"}, {"ID": 8}], total=3))
    assert b24.call_list("twice", paging="start") == [{"ID": 7}, {"ID": 8}]


def test_start_paging_of_thinned_pages(portal, b24):
    """Where permissions thin a page and its next, and the portal rounds that down, the pages behind it still come."""
    hidden = {*range(3, 13), 120, 121}
    counted(portal, "my.list", 300, floor=50, hidden=hidden)
    assert ids(b24.call_list("my.list", paging="start")) == [n for n in range(1, 301) if n not in hidden]


@pytest.mark.parametrize("method", ["crm.deal.list", "department.get", "user.get"])
def test_start_paging_of_the_sandbox(deals, b24, method):
    """Methods of both families of counted pages are read to their end."""
    expected = {"crm.deal.list": 220, "department.get": 2, "user.get": 3}[method]
    assert len(b24.call_list(method, paging="start")) == expected


def test_the_sandbox_changes_rows_on_request(portal, b24):
    """A function given to fail_next is called before a coming request, which then runs as usual."""
    portal.fail_next(lambda: portal.execute("crm.deal.add", {"fields": {"TITLE": "Meanwhile"}}), after=1)
    assert [len(b24.call_list("crm.deal.list")) for _ in range(3)] == [0, 1, 1]


def test_the_sandbox_executes_without_http(portal):
    """execute returns what a method returns, or the error object, and no request is seen."""
    assert portal.execute("crm.deal.add", {"fields": {"TITLE": "x"}}) == 1
    assert portal.execute("crm.deal.get", {"id": 1})["TITLE"] == "x"
    assert portal.execute("no.such.method")["error"] == "ERROR_METHOD_NOT_FOUND"
    assert portal.execute("user.add", {"NAME": "x"})["error_description"] == "Wrong E-Mail"
    assert portal.execute("user.add", {"EMAIL": "x@example.com", "ID": 77}) == 4
    assert int(portal.execute("user.get", {"ID": 4})[0]["ID"]) == 4
    assert portal.requests == []


def test_lists_do_not_disturb_each_other(deals, b24):
    """Two lists of one session, read in turns, keep their own places."""
    forwards = b24.fetch_list("crm.deal.list")
    backwards = b24.fetch_list("crm.deal.list", descending=True)
    pages = list(zip(forwards, backwards, strict=True))
    assert [row for page, _ in pages for row in page] == [row for _, page in pages for row in page][::-1]


def test_a_list_left_half_way(deals, b24):
    """Who stops reading causes no more requests."""
    for page in b24.fetch_list("crm.deal.list"):
        assert ids(page) == list(range(1, 51))
        break
    assert len(deals.requests) == 1


@pytest.mark.slow
def test_a_large_filter(portal, b24):
    """Pages whose filter is large go in requests of at most 4 MB, and a filter of too many values goes page by page."""
    fill(portal, 400)
    rows = b24.call_list("crm.deal.list", {"filter": {"!TITLE": "x" * 1_000_000}})
    assert ids(rows) == list(range(1, 401))
    assert max(sizes(portal)) == 3
    few = list(range(1, 1200))
    portal.requests.clear()
    assert ids(b24.call_list("crm.deal.list", {"filter": {"@ID": few}})) == list(range(1, 401))
    assert sizes(portal) == [1] * 9


def test_a_reference_in_a_list(portal, b24):
    """A list follows no reference: there is no call before it."""
    with pytest.raises(UsageError, match=r"has a ref\("):
        b24.fetch_list("crm.deal.list", {"filter": {"COMPANY_ID": ref(0)["ID"]}})
    assert portal.requests == []


def test_the_rate_is_kept(clock):
    """Requests of a list keep the rate like all others."""
    with Portal(clock=clock, rate=(2, 0.5)) as portal:
        fill(portal, 700)
        b24 = portal.session(limits=LeakyBucket(2, 0.5, clock=clock))
        rows = b24.call_list("crm.deal.list")
        assert len(rows) == 700
        assert len(portal.requests) == 4
    assert clock.slept == [2.0] * 3


@pytest.mark.parametrize("method", ["crm.deal.list", "tasks.task.list", "my.list"])
@pytest.mark.parametrize("logic", ["logic", "LOGIC"])
def test_a_logic_where_there_are_no_groups(portal, b24, method, logic):
    """Methods that know no groups would drop all conditions of one: a logic is refused there, and nothing sent."""
    with pytest.raises(UsageError, match=r"a filter with a LOGIC does not work with a cursor.*paging='start'"):
        b24.call_list(method, {"filter": {logic: "OR", "TITLE": "x"}})
    assert portal.requests == []


@pytest.mark.parametrize("pages", [1, 50])
def test_pages_thinned_to_nothing(portal, b24, pages):
    """A page on which permissions leave no row, so that `next` stands still, does not end a list by start."""
    ids = list(range(1, 301))
    hidden = set(range(101, 151))

    @portal.method("my.list")
    def listed(params):
        start = params.start or 0
        page = [{"ID": n} for n in ids[start : start + 50] if n not in hidden]
        following = start + len(page)
        return Page(page, next=following if start + 50 < len(ids) else None, total=len(ids))

    rows = b24.call_list("my.list", paging="start", pages_per_request=pages)
    assert [row["ID"] for row in rows] == [n for n in ids if n not in hidden]


@pytest.mark.parametrize("pages", [1, 50])
def test_an_empty_list_in_a_filter(portal, b24, pages):
    """An empty list is one in every page, whether it is the first or the last, alone or among fifty."""
    seen = []

    @portal.method("my.list")
    def listed(params):
        seen.append(params["filter"]["STAGE"])
        behind = int(params["filter"].get(">ID", 0))
        return [{"ID": n} for n in range(behind + 1, min(behind + 51, 201))]

    assert len(b24.call_list("my.list", {"filter": {"STAGE": []}}, pages_per_request=pages)) == 200
    assert all(stage == [] for stage in seen)


@pytest.mark.parametrize("pages", [1, 50])
def test_pages_of_more_than_fifty(portal, b24, pages):
    """A method with longer pages is read page by page."""

    @portal.method("my.list")
    def listed(params):
        behind = int(params.get("filter", {}).get(">ID", 0))
        return [{"ID": n} for n in range(behind + 1, min(behind + 101, 501))]

    rows = b24.call_list("my.list", pages_per_request=pages)
    assert [row["ID"] for row in rows] == list(range(1, 501))
