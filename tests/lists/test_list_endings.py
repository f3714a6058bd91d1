"""Where a list ends: what an answer says of more rows, what it keeps back, and what is never guessed."""

import pytest
from drawing import together

from b24batch import AjaxError, AnswerLost, CursorStalled, RetryPolicy, UnexpectedAnswer, UsageError
from b24batch.sandbox import Answer, Page


def rows(first, last, **more):
    return [{"ID": str(n), **more} for n in range(first, last + 1)]


def ids(found, key="ID"):
    return [int(row[key]) for row in found]


def serve(portal, name, pages, *, ignores_start=False):
    """A method whose answer to each start is in `pages`; another start gets an empty page."""
    asked = []

    @portal.method(name)
    def listed(params):
        asked.append(params.start)
        return pages[0] if ignores_start else pages.get(params.start, [])

    return asked


# Silence.


@pytest.mark.parametrize(
    ("pages", "count"),
    [
        ({0: Page(rows(1, 20), total=20)}, 20),
        ({0: Page([], total=0)}, 0),
        ({0: []}, 0),
        ({0: Page(rows(1, 50), next=50, total=70), 50: Page(rows(51, 70), total=70)}, 70),
        ({0: Page(rows(1, 50), next=50, total=90), 50: Page(rows(51, 60), total=90)}, 60),
        ({0: Page(rows(1, 50), next=50), 50: rows(51, 70)}, 70),
        ({0: Page(rows(1, 50), next=50), 50: []}, 50),
    ],
    ids=["one page", "no rows", "nothing", "two pages", "hidden rows", "no total", "an empty end"],
)
def test_an_end_that_is_told(portal, b24, pages, count):
    """By start a list ends where the total says so, or where the portal's next, having led on, stops."""
    serve(portal, "my.list", pages)
    assert ids(b24.call_list("my.list", paging="start")) == list(range(1, count + 1))


@pytest.mark.parametrize(
    "page",
    [
        rows(1, 20),
        rows(1, 50),
        Page(rows(1, 20), total=130),
        Page(rows(1, 50), total=0),
        Page(rows(1, 50), next=0),
        Page(rows(1, 20), total=19),
    ],
    ids=["short", "full", "more by total", "total 0", "next 0", "less by total"],
)
def test_an_end_that_is_not_told(portal, b24, page):
    """Neither next nor a total that says it is the last: an error at the first answer that names the ways out."""
    asked = serve(portal, "my.list", {0: page})
    with pytest.raises(UnexpectedAnswer, match=r"my\.list: .*paging='whole'.*own parameters") as caught:
        b24.call_list("my.list", paging="start")
    assert caught.value.data == (page.rows if isinstance(page, Page) else page)
    assert caught.value.result == []
    assert (caught.value.http_status, caught.value.request_id) == (200, portal.requests[0].headers["x-request-id"])
    assert asked == [0]


def test_own_parameters_are_named(portal, b24):
    """sign.b2e.personal.tail by start gave 20 of 130 rows; it is an error that names limit and offset."""
    serve(portal, "sign.b2e.personal.tail", {0: [{"id": n} for n in range(20)]}, ignores_start=True)
    with pytest.raises(UnexpectedAnswer, match="limit,offset"):
        b24.call_list("sign.b2e.personal.tail", paging="start")
    with pytest.raises(UsageError, match="limit,offset"):
        b24.call_list("sign.b2e.personal.tail", paging="whole")
    page = b24.call_list("sign.b2e.personal.tail", {"limit": 20, "offset": 40}, paging="whole")
    assert len(page) == 20


@pytest.mark.parametrize("following", ["50", 50.0, "0050"])
def test_a_next_in_another_form(portal, b24, following):
    """A next as digits in text or as a whole float is one, alone and in a batch."""
    serve_raw(portal, "raw.list", following)
    assert ids(b24.call_list("raw.list", paging="start")) == list(range(1, 151))


def serve_raw(portal, name, following):
    """A method whose answers are not put right by the sandbox: text and floats stay what they are."""
    form = type(following)

    @portal.method(name)
    def listed(params):
        start = params.start
        return Page(rows(start + 1, start + 50), form(start + 50) if start < 100 else None, form(150))


@pytest.mark.parametrize("following", [0, 50, 30])
def test_a_next_that_leads_nowhere(portal, b24, following):
    """A next of 0, or one no further on, is no end while the total lies above the rows."""
    portal.method("my.list")(
        lambda params: (
            Page(rows(params.start + 1, min(params.start + 50, 130)), following, 130) if params.start < 130 else []
        )
    )
    assert ids(b24.call_list("my.list", paging="start")) == list(range(1, 131))


@pytest.mark.parametrize("page", [Page(rows(1, 50), 50, 120), Page(rows(1, 50), 50), Page(rows(1, 30), 30, 120)])
def test_a_start_that_is_ignored(portal, b24, page):
    """A page of repeats only is no page: the portal ignores start, and the list is an error."""
    asked = serve(portal, "my.list", {0: page}, ignores_start=True)
    with pytest.raises(CursorStalled, match="start=50 gave rows that came before"):
        b24.call_list("my.list", paging="start")
    assert len(asked) <= 4


def test_rows_without_an_id_that_repeat(portal, b24):
    """A method without ids that ignores start is found out by what its rows hold."""
    serve(portal, "crm.requisite.link.list", {0: Page([{"N": n} for n in range(50)], 50, 120)}, ignores_start=True)
    with pytest.raises(CursorStalled):
        b24.call_list("crm.requisite.link.list")


@pytest.mark.parametrize("left", [0, 30, 50])
def test_a_list_that_became_shorter(portal, b24, left):
    """Past the end of a list that others shortened the portal begins anew: that is the end, and no row comes twice."""

    @portal.method("my.list")
    def listed(params):
        return Page(rows(1, left), None, left) if params.start else Page(rows(1, 50), 50, 120)

    assert ids(b24.call_list("my.list", paging="start")) == list(range(1, 51))


def test_counting_up(portal, b24):
    """Where no next comes several pages are asked for at once, all the same."""
    bookings = [{"id": n} for n in range(1, 2601)]
    portal.method("booking.v1.booking.list")(
        lambda params: Page({"booking": bookings[params.start : params.start + 50]}, None, 0)
    )
    assert b24.call_list("booking.v1.booking.list") == bookings
    assert len(portal.requests) <= 8


@together("told", ["next and total", "total", "nothing"])
@together("number", [0, 9, 10, 11, 20, 120])
def test_pages_of_their_own_size(portal, b24, told, number):
    """Methods whose pages have a size of their own are read to the end that the portal tells, or an empty page."""

    @portal.method("im.search.user.list")
    def listed(params):
        end = min(params.start + 10, number)
        page = {str(n): {"id": n} for n in range(params.start + 5, end + 5)}
        following = end if end < number and told == "next and total" else None
        return Page(page, following, None if told == "nothing" else number)

    assert ids(b24.call_list("im.search.user.list"), "id") == list(range(5, number + 5))


@pytest.mark.parametrize("following", [0, 50, 25])
def test_a_next_that_turns_back(portal, b24, following):
    """A next that led on and then leads back is no end, though no total says so."""
    serve(portal, "my.list", {0: Page(rows(1, 50), 50), 50: Page(rows(51, 100), following), 100: rows(101, 120)})
    with pytest.raises(UnexpectedAnswer, match="next that leads on"):
        b24.call_list("my.list", paging="start")


@pytest.mark.parametrize("method", ["my.list", "crm.requisite.link.list"])
def test_a_next_among_the_rows(portal, b24, method):
    """Rows without an id would come twice from a next that lies among them."""
    pages = {start: Page([{"N": n} for n in range(start, start + 50)], start + 25) for start in (0, 25, 50)}
    serve(portal, method, pages)
    with pytest.raises(UnexpectedAnswer, match="next is 25, among the rows"):
        b24.call_list(method, paging="start")


@pytest.mark.parametrize("method", ["my.list", "crm.address.list"])
def test_a_start_that_is_ignored_by_the_total_too(portal, b24, method):
    """A total that counts the page alone does not make an end of a page that came again, next one and all."""
    serve(portal, method, {0: Page(rows(1, 50), 50, 50)}, ignores_start=True)
    with pytest.raises(CursorStalled):
        b24.call_list(method, paging="start")


@pytest.mark.parametrize(
    "params",
    [
        {"TASKID": 1, "PARAMS": {"NAV_PARAMS": {"nPageSize": 20, "iNumPage": 2}}},
        {"TASKID": 1, "params": {"NAV_PARAMS": {"nPageSize": 20}}},
        [1, {}, {}, [], {"NAV_PARAMS": {"nPageSize": 20}}],
    ],
)
def test_a_page_of_its_own_is_not_the_whole(portal, b24, params):
    """With its own parameters of paging a method gives one page, which is no list unless the caller says so."""
    portal.method("task.elapseditem.getlist")(lambda params: rows(21, 40))
    with pytest.raises(UsageError, match="iNumPage"):
        b24.call_list("task.elapseditem.getlist", params)
    assert ids(b24.call_list("task.elapseditem.getlist", params, paging="whole")) == list(range(21, 41))
    assert len(portal.requests) == 1


def test_a_parameter_that_is_no_page(b24):
    """Params that hold others than those of its paging do not make one page of a method's all."""
    for method, params in [("task.item.list", {"PARAMS": {"X": 1}}), ("imopenlines.config.list.get", {"PARAMS": {}})]:
        with pytest.raises(UsageError, match="with its own parameters"):
            b24.call_list(method, params, paging="whole")


def test_pages_as_large_as_the_caller_says(portal, b24):
    """log.blogpost.get has pages of LIMIT rows: one of that many is no short page."""
    posts = rows(1, 70)
    portal.method("log.blogpost.get")(lambda params: posts[params.start : params.start + int(params.get("LIMIT", 50))])
    assert b24.call_list("log.blogpost.get", {"LIMIT": 20}) == b24.call_list("log.blogpost.get") == posts


def test_a_start_that_only_next_knows(portal, b24):
    """A method that repeats its first page and moves its next on is stalled as well."""
    portal.method("my.list")(lambda params: Page(rows(1, 50), params.start + 50, 400))
    with pytest.raises(CursorStalled):
        b24.call_list("my.list", paging="start")


def test_a_next_for_ever(portal, b24):
    """Empty pages, each with a next one, end as an error."""
    portal.method("my.list")(lambda params: Page([], params.start + 50))
    with pytest.raises(CursorStalled, match="empty pages"):
        b24.call_list("my.list", paging="start")


# Repeats.


def test_addresses(portal, b24):
    """The rows of crm.address.list have no id, so none is taken for a repeat, whatever is named (was 40 of 80)."""
    addresses = [{"TYPE_ID": str(kind), "ENTITY_ID": str(n)} for n in range(1, 41) for kind in (1, 6)]
    portal.method("crm.address.list")(
        lambda params: Page(addresses[params.start : params.start + 50], 50 if not params.start else None, 80)
    )
    assert b24.call_list("crm.address.list") == addresses
    assert b24.call_list("crm.address.list", id_key="ENTITY_ID", paging="start") == addresses
    portal.method("my.addresses")(
        lambda params: Page(addresses[params.start : params.start + 50], 50 if not params.start else None, 80)
    )
    assert b24.call_list("my.addresses", id_key="ENTITY_ID", paging="start") == addresses


def test_a_shared_value_in_two_pages(portal, b24):
    """A value that is different in each page, and comes again in the next, is the id of no known row without one."""
    addresses = [{"ENTITY_ID": str(n)} for _ in "ab" for n in range(60)]
    portal.method("crm.address.list")(
        lambda params: Page(
            addresses[params.start : params.start + 50], params.start + 50 if params.start < 100 else None
        )
    )
    assert b24.call_list("crm.address.list", id_key="ENTITY_ID") == addresses
    with pytest.raises(UsageError, match="no id of their own"):
        b24.call_list("crm.address.list", id_key="ENTITY_ID", paging="cursor")


@pytest.mark.parametrize("method", ["calendar.event.get", "my.events", "crm.timeline.comment.list"])
@pytest.mark.parametrize("more", [1, 0])
def test_an_id_that_rows_share(portal, b24, method, more):
    """The days of a recurring event share its id, and each is a row: one answer repeats none."""
    paging = "whole" if method.startswith("my") else None
    days = [{"ID": str(n // 3), "DAY": n * (more or paging is None)} for n in range(30)]
    portal.method(method)(lambda params: Page(days, total=30))
    assert b24.call_list(method, paging=paging) == days


@pytest.mark.parametrize("key", ["TYPE_ID", "ENTITY_ID", "ID", "NO"])
def test_what_is_no_id(portal, b24, key):
    """A value that all rows of a page share is no id, and a row that differs from one with its id is no repeat."""
    stored = [{"TYPE_ID": "1", "ENTITY_ID": str(n % 60), "ID": str(n % 60), "N": n} for n in range(120)]
    portal.method("my.list")(
        lambda params: Page(
            stored[params.start : params.start + 50], params.start + 50 if params.start < 100 else None, 120
        )
    )
    assert b24.call_list("my.list", id_key=key, paging="start") == stored


def test_a_row_that_moved(portal, b24):
    """A row that moved to a later page comes once."""
    pages = {0: Page(rows(1, 50), 50, 61), 50: Page(rows(40, 60), None, 61)}
    serve(portal, "my.list", pages)
    assert ids(b24.call_list("my.list", paging="start")) == list(range(1, 61))


# Lists that come whole.


@pytest.mark.parametrize("method", ["crm.status.list", "crm.deal.userfield.list", "user.userfield.list"])
@pytest.mark.parametrize("number", [0, 9, 50, 51, 120])
def test_whole(portal, b24, method, number):
    """Methods that give all rows in one answer, in an order of their own, take one request (was CursorStalled)."""
    stored = rows(1, number)[::-1]
    portal.method(method)(lambda params: stored)
    assert b24.call_list(method, {"filter": {"X": 1}, "order": {"SORT": "ASC"}}) == stored
    assert [request.params for request in portal.requests] == [{"filter": {"X": 1}, "order": {"SORT": "ASC"}}]


def test_categories(portal, b24):
    """crm.category.list comes whole, and not in the order of its ids: 9, 10, 11, 0."""
    portal.method("crm.category.list")(lambda params: {"categories": [{"id": n} for n in (9, 10, 11, 0)]})
    assert ids(b24.call_list("crm.category.list", {"entityTypeId": 2}), "id") == [9, 10, 11, 0]


@pytest.mark.parametrize("method", ["crm.status.list", "my.all"])
@pytest.mark.parametrize("told", ["next", "total", "both"])
def test_whole_after_all_in_pages(portal, b24, method, told):
    """An answer that tells of more rows is no whole list: it is paged by start."""

    @portal.method(method)
    def listed(params):
        more = params.start + 50 < 120
        following = params.start + 50 if more and told != "total" else None
        return Page(rows(params.start + 1, min(params.start + 50, 120)), following, None if told == "next" else 120)

    assert ids(b24.call_list(method, paging=None if method.startswith("crm") else "whole")) == list(range(1, 121))


def test_whole_that_keeps_rows_back(portal, b24):
    """A whole list that counts more rows than it has, and ignores start, is an error."""
    serve(portal, "crm.status.list", {0: Page(rows(1, 20), total=130)}, ignores_start=True)
    with pytest.raises(CursorStalled):
        b24.call_list("crm.status.list")


@pytest.mark.parametrize("method", ["crm.calllist.list", "tasks.api.scrum.epic.list"])
def test_a_full_page_is_not_the_whole(portal, b24, method):
    """A method that is known to page is not taken for whole by a full page that tells nothing."""
    serve(portal, method, {0: [{"ID": n, "id": n} for n in range(50)]})
    with pytest.raises(UnexpectedAnswer):
        b24.call_list(method, paging="whole")


# Shapes.


@pytest.mark.parametrize(
    "result",
    [
        {"items": rows(1, 3), "more": 0},
        {"7": {"ID": 1}, "9": {"ID": 2}, "11": {"ID": 3}},
        {"rows": {"5": {"ID": 1}, "6": {"ID": 2}, "8": {"ID": 3}}},
        {"items": rows(1, 3), "users": {"1": {"ID": 1}}},
        rows(1, 3),
    ],
    ids=["the only list", "a map by id", "a map under a key", "a list and a map", "a list"],
)
@pytest.mark.parametrize("paging", [None, "whole"])
def test_where_the_rows_are(portal, b24, result, paging):
    """The only list in a result is taken for the rows; a map of rows by id gives its values."""
    portal.method("my.list")(lambda params: result if not params.get("filter") else [])
    assert ids(b24.call_list("my.list", paging=paging)) == [1, 2, 3]


BESIDE = {"items": {"1": {"ID": 1}}, "tags": []}


@pytest.mark.parametrize(
    "result",
    [{"task": {"id": 5}}, None, False, {"a": [], "b": []}, {"a": {"b": {"id": 1}}}, BESIDE, {**BESIDE, "tags": ["x"]}],
)
def test_what_is_no_list(portal, b24, result):
    """An object that is one row, or holds two lists, or a map beside another list, is an error that shows it."""
    portal.method("my.list")(lambda params: result)
    with pytest.raises(UnexpectedAnswer) as caught:
        b24.call_list("my.list", paging="whole")
    assert not isinstance(caught.value, UsageError)
    assert caught.value.data == result


def test_a_list_under_a_key_by_cursor(portal, b24):
    """Pages of one request refer to the rows where the first page had them."""

    @portal.method("my.list")
    def listed(params):
        behind = (params.get("filter") or {}).get(">ID", 0)
        behind = 1 if isinstance(behind, list) else int(behind)
        return {"lines": rows(behind + 1, min(behind + 50, 420))}

    assert ids(b24.call_list("my.list")) == list(range(1, 421))
    assert len(portal.requests) < 8
    assert [request.method for request in portal.requests][1] == "batch"


# By cursor.


def test_pages_by_cursor_thinned_to_nothing(portal, b24):
    """Outside the table an empty page is the end only if the portal, asked to count, finds no rows behind it."""
    hidden = {*range(51, 151)}

    @portal.method("my.list")
    def listed(params):
        behind = int((params.get("filter") or {}).get(">ID", 0))
        left = list(range(behind + 1, 221))
        start = max(params.start, 0)
        page = [{"ID": n} for n in left[start : start + 50] if n not in hidden]
        return Page(page, total=None if params.start < 0 else len(left))

    assert ids(b24.call_list("my.list")) == [n for n in range(1, 221) if n not in hidden]


@pytest.mark.parametrize("keys", [{"id_key": "TWICE"}, {"cursor_id_key": "HALF"}])
@pytest.mark.parametrize("number", [51, 105, 130])
def test_a_key_that_is_not_the_id(portal, b24, keys, number):
    """Where the caller names another id than the table, the filter that finds no more must find the last row."""
    stored = [{"ID": str(n), "TWICE": 2 * n, "HALF": n // 2} for n in range(1, number + 1)]

    @portal.method("crm.deal.list")
    def listed(params):
        conditions = params.get("filter") or {}
        [(name, behind)] = conditions.items() or [(">ID", 0)]
        found = [row for row in stored if int(row[name[1:]]) > int(behind)]
        start = max(params.start, 0)
        return Page(found[start : start + 50], None, len(found))

    with pytest.raises(CursorStalled):
        b24.call_list("crm.deal.list", pages_per_request=1, **keys)


@pytest.mark.parametrize("size", [10, 20, 50])
def test_short_pages_by_cursor_thinned_to_nothing(portal, b24, size):
    """Behind an empty page the list goes on where the portal's next says, not a whole page of ours further on."""

    @portal.method("my.list")
    def listed(params):
        behind = int((params.get("filter") or {}).get(">ID", 0))
        found = [row for row in rows(1, 120) if int(row["ID"]) > behind]
        start = max(params.start, 0)
        page = [row for row in found[start : start + size] if int(row["ID"]) > 60]
        return Page(page, start + size if start + size < len(found) else None, len(found))

    assert ids(b24.call_list("my.list", pages_per_request=1)) == list(range(61, 121))


@pytest.mark.parametrize("number", [10, 30, 50, 51])
@pytest.mark.parametrize("descending", [False, True])
def test_a_filter_that_gives_nothing(portal, b24, number, descending):
    """Outside the table the end is proven: a filter that finds no row behind the last one must find that one."""

    @portal.method("my.list")
    def listed(params):
        found = rows(1, number)[:: -1 if descending else 1]
        return found[:50] if not params.get("filter") else []

    with pytest.raises(CursorStalled, match="paging='start'"):
        b24.call_list("my.list", descending=descending)


@pytest.mark.parametrize("number", [1, 9])
def test_a_filter_that_gives_nothing_behind_a_few_rows(portal, b24, number):
    """No page is that small: with fewer than ten rows there is nothing to prove."""
    portal.method("my.list")(lambda params: [] if params.get("filter") else rows(1, number))
    assert ids(b24.call_list("my.list")) == list(range(1, number + 1))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("number", [0, 1, 49, 50, 51, 120])
def test_the_end_outside_the_table(portal, b24, number, descending):
    """A list that honours order and filter is complete, its end proven by one request more."""

    @portal.method("my.list")
    def listed(params):
        found = list(range(1, number + 1))[:: -1 if descending else 1]
        for name, value in (params.get("filter") or {}).items():
            value = 1 if isinstance(value, list) else int(value)
            found = [n for n in found if (n > value if name == ">ID" else n < value)]
        return Page([{"ID": n} for n in found[:50]], None, None if params.start < 0 else len(found))

    found = b24.call_list("my.list", descending=descending)
    assert ids(found) == list(range(1, number + 1))[:: -1 if descending else 1]


@pytest.mark.parametrize("told", ["next", "total"])
def test_a_known_method_that_tells_of_more(portal, b24, told):
    """A short page of a method whose pages are never thinned is no end if the portal tells of more rows."""

    @portal.method("crm.deal.list")
    def listed(params):
        behind = (params.get("filter") or {}).get(">ID", 0)
        behind = 1 if isinstance(behind, list) else int(behind)
        left = list(range(behind + 1, 121))
        page = [{"ID": n} for n in left[:50] if n != 7]
        return Page(page, 50 if told == "next" and len(left) > 50 else None, len(left) if told == "total" else None)

    assert ids(b24.call_list("crm.deal.list")) == [n for n in range(1, 121) if n != 7]


def test_calls_out_of_order(portal, b24):
    """voximplant.statistic.get takes the order as two texts; a map would be dropped (was 199 of 200)."""
    stored = [*range(2, 201), 1]

    @portal.method("voximplant.statistic.get")
    def listed(params):
        given = {name.upper(): value for name, value in params.items()}
        texts = given.get("SORT") == "ID" and given.get("ORDER") == "ASC"
        found = sorted(stored) if texts else stored
        behind = int(given.get("FILTER", {}).get(">ID", 0))
        return [{"ID": str(n)} for n in found if n > behind][:50]

    assert ids(b24.call_list("voximplant.statistic.get")) == list(range(1, 201))


@pytest.mark.parametrize("method", ["user.get", "user.search"])
@pytest.mark.parametrize("paging", ["cursor", "start"])
@pytest.mark.parametrize("params", [{"ACTIVE": 1}, {"ACTIVE": 1, "FILTER": {"!NAME": "x"}}, {"filter": {"ACTIVE": 1}}])
def test_conditions_outside_of_the_filter(portal, b24, method, paging, params):
    """A FILTER replaces the conditions beside it, so that all of them go into it, on every page."""

    @portal.method(method)
    def listed(given):
        conditions = given.get("FILTER", given)
        found = [n for n in range(1, 301) if n % 2 or "ACTIVE" not in conditions]
        found = [n for n in found if n > int(conditions.get(">ID", 0))]
        start = max(given.start, 0)
        following = start + 50 if given.start >= 0 and start + 50 < len(found) else None
        return Page([{"ID": str(n)} for n in found[start : start + 50]], following, len(found) * (given.start >= 0))

    assert ids(b24.call_list(method, params, paging=paging)) == list(range(1, 301, 2))
    assert all("ACTIVE" not in request.params or "FILTER" not in request.params for request in portal.requests)


@pytest.mark.usefixtures("refused")
def test_a_condition_given_twice(b24):
    """One condition in the filter and beside it is the caller's to decide."""
    with pytest.raises(UsageError, match="active is given twice"):
        b24.call_list("user.get", {"ACTIVE": 1, "FILTER": {"active": 0}})


def test_the_spelling_of_a_filter(portal, b24):
    """A method in the table gets its filter in its own spelling, another one as the caller spells it."""
    portal.method("lists.section.get")(lambda params: Page(rows(1, 3) if "FILTER" in params else rows(1, 9), total=3))
    assert len(b24.call_list("lists.section.get", {"filter": {"X": 1}})) == 3

    @portal.method("my.list")
    def listed(params):
        return [row for row in rows(1, 120) if int(row["ID"]) > int(params.get("FILTER", {}).get(">ID", 0))][:50]

    assert len(b24.call_list("my.list", {"FILTER": {"!X": 1}})) == 120
    portal.method("bizproc.workflow.template.list")(lambda params: rows(1, 3, S=params.get("SELECT")))
    assert b24.call_list("bizproc.workflow.template.list", {"SELECT": ["NAME"]})[0]["S"] == ["NAME", "ID"]


@pytest.mark.parametrize("params", [{"order": {"ID": "DESC"}}, {"start": 50}])
@pytest.mark.usefixtures("refused")
def test_order_and_start(b24, params):
    """Who gives an order or a start is told what there is instead."""
    with pytest.raises(UsageError, match=r"descending=True.*paging='start'.*sorted"):
        b24.call_list("crm.deal.list", params)


@pytest.mark.parametrize("body", ['{"error": "INTERNAL_SERVER_ERROR"}', "<h1>500</h1>"])
@pytest.mark.parametrize("attempts", [1, 3])
def test_a_method_that_dies_behind_a_short_page(portal, b24, body, attempts):
    """HTTP 500 on what a reference holds behind a short page costs requests, and no row of the tail."""

    @portal.method("my.list")
    def listed(params):
        behind = int((params.get("filter") or {}).get(">ID", 0))
        return rows(behind + 1, min(behind + 50, 370))

    portal.fail_next(Answer(body, 500), after=3, times=attempts)
    patient = b24.with_options(retries=RetryPolicy(attempts=attempts, wait_initial=0.0))
    assert ids(patient.call_list("my.list")) == list(range(1, 371))
    sizes = [len(request.params.get("cmd", [None])) for request in portal.requests]
    assert sizes[: 4 + attempts] == [1, 2, 4, *[8] * attempts, 1]


def test_requests_do_not_grow_to_where_they_died(portal, b24):
    """After a request of 8 pages died, none has more than 4."""

    @portal.method("my.list")
    def listed(params):
        behind = (params.get("filter") or {}).get(">ID", 0)
        behind = 1 if isinstance(behind, list) else int(behind)
        return rows(behind + 1, min(behind + 50, 1000))

    portal.fail_next(Answer("<h1>500</h1>", 500), after=3)
    once = b24.with_options(retries=RetryPolicy(attempts=1))
    assert ids(once.call_list("my.list")) == list(range(1, 1001))
    sizes = [len(request.params.get("cmd", [None])) for request in portal.requests]
    assert sizes[:7] == [1, 2, 4, 8, 1, 2, 4]
    assert max(sizes[4:]) == 4


def test_a_portal_that_is_down(portal, b24):
    """One page that dies as well is the end, with the rows so far."""
    portal.method("my.list")(lambda params: rows(1, 50))
    portal.fail_next(Answer("<h1>500</h1>", 500), after=1, times=99)
    with pytest.raises(AnswerLost) as caught:
        b24.call_list("my.list")
    assert len(caught.value.result) == 50
    assert len(portal.requests) == 1 + 5 + 1


def test_a_portal_that_is_down_from_the_start(portal, b24):
    """A page that went alone and died is not sent again as one that goes alone."""
    portal.fail_next(Answer("<h1>500</h1>", 500), times=99)
    with pytest.raises(AnswerLost) as caught:
        b24.call_list("my.list")
    assert (caught.value.result, len(portal.requests)) == ([], 5)


@pytest.mark.parametrize(("total", "starts"), [(0, [-1]), (50, [-1]), (51, [-1, 50]), (150, [-1, 50, 100])])
def test_rows_that_are_all_hidden(portal, b24, total, starts):
    """A list without a row that may be seen is asked for as many pages as its rows take, and for no more."""
    asked = []
    portal.method("crm.deal.list")(lambda params: asked.append(params.start) or Page([], total=total))
    assert b24.call_list("crm.deal.list", pages_per_request=1) == []
    assert asked == starts


@pytest.mark.parametrize("total", [None, 0])
def test_a_page_that_came_before_is_no_end(portal, b24, total):
    """Where a later page repeats an earlier one, and no total says that all rows came, the list is no success."""
    pages = {0: Page(rows(1, 50), next=50, total=total), 50: Page(rows(1, 50), total=total)}
    serve(portal, "my.list", pages)
    with pytest.raises(CursorStalled, match="start=50 gave rows that came before"):
        b24.call_list("my.list", paging="start")


def test_the_rows_that_were_not_yielded(portal, b24):
    """A list that is not read to its end has the rows that arrived behind the last page that was taken."""

    @portal.method("my.counted")
    def listed(params):
        return Page(rows(params.start + 1, params.start + 50), params.start + 50, 500)

    pages = b24.fetch_list("my.counted", paging="start")
    assert (len(next(pages)), pages.result) == (50, [])
    assert (len(next(pages)), ids(pages.result)) == (50, list(range(101, 151)))


# Writes, limits, places.


@together(
    "method",
    [
        "crm.deal.delete",
        "salescenter.payment.getPublicUrl",
        "CRM.Deal.Delete",
        "crm.deal.update",
        "tasks.task.add",
        "event.offline.get",
        "im.notify.read.list",
        "my.deal.getOrCreate",
        "my.deal.getpublicurl",
        "my.thing.getOrCreate",
        "my.thing.getPublicUrl",
        "disk.file.getExternalLink",
    ],
)
@together("paging", [None, "cursor", "start", "whole"])
@pytest.mark.usefixtures("refused")
def test_a_write_is_refused(b24, method, paging):
    """A method that is known to write is no list: nothing is sent (was: deleted, and sworn that nothing was sent)."""
    with pytest.raises(UsageError, match="writes"):
        b24.call_list(method, {"id": 1}, paging=paging)


@together("limit", [1, 49, 50, 51, 120, 149, 150, 151, 220, 500])
@together("method", ["crm.deal.list", "crm.status.list", "my.counted"])
def test_limit(portal, b24, method, limit):
    """limit= ends a list after so many rows, and asks for no more pages than these need."""
    asked = []

    @portal.method(method)
    def listed(params):
        asked.append(params)
        behind = int((params.get("filter") or {}).get(">ID", 0)) + max(params.start, 0)
        if method == "crm.status.list":
            return rows(1, 220)
        page = rows(behind + 1, min(behind + 50, 220))
        return page if params.start < 0 else Page(page, behind + 50 if behind + 50 < 220 else None, 220)

    found = b24.call_list(method, limit=limit, paging="start" if method == "my.counted" else None)
    assert ids(found) == list(range(1, min(limit, 220) + 1))
    if method != "crm.status.list" and limit <= 220:
        assert len(asked) == -(-limit // 50)


def test_a_limit_of_large_pages(portal, b24):
    """No empty page comes behind the last row, also if a request has more pages than the limit needs."""

    @portal.method("my.counted")
    def listed(params):
        return Page(rows(params.start + 1, params.start + 100), params.start + 100, 1000)

    pages = list(b24.fetch_list("my.counted", limit=200, paging="start"))
    assert [len(page) for page in pages] == [100, 100]
    assert [len(request.params.get("cmd", "1")) for request in portal.requests] == [1, 2]


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "5"])
@pytest.mark.usefixtures("refused")
def test_no_limit(b24, limit):
    """A limit is a whole number from 1."""
    with pytest.raises(UsageError, match="limit: expected a whole number"):
        b24.fetch_list("crm.deal.list", limit=limit)


@pytest.mark.parametrize(
    ("method", "params", "sent"),
    [
        ("task.elapseditem.getlist", {"filter": {"X": 1}, "select": ["ID"]}, [[], {"X": 1}, ["ID"]]),
        ("task.elapseditem.getlist", {"FILTER": {"X": 1}, "ORDER": {"ID": "ASC"}}, [{"ID": "ASC"}, {"X": 1}]),
        ("task.elapseditem.getlist", {"FILTER": {"X": 1}, "TASKID": 5}, [5, [], {"X": 1}]),
        ("task.commentitem.getlist", {"TASKID": 5, "FILTER": {"X": 1}}, [5, [], {"X": 1}]),
        ("task.elapseditem.getlist", [{"ID": "ASC"}, {"X": 1}], [{"ID": "ASC"}, {"X": 1}]),
        ("task.elapseditem.getlist", [[], {"X": 1}, ["ID"]], [[], {"X": 1}, ["ID"]]),
        ("task.elapseditem.getlist", None, []),
        ("task.elapseditem.getlist", {}, []),
    ],
)
def test_arguments_by_place(portal, b24, method, params, sent):
    """Methods that take their arguments by place get them there, from params by name and from a list."""
    seen = []

    @portal.method(method)
    def listed(params):
        seen.append([*params.values()])
        return rows(1, 60)

    assert len(b24.call_list(method, params)) == 60
    assert seen == [sent]


@pytest.mark.parametrize("params", [{"FILTER": {}}, {"TASKID": 5, "Limit": 1}, {"TASKID": 5, "taskId": 6}])
@pytest.mark.usefixtures("refused")
def test_arguments_without_a_place(b24, params):
    """A name that has no place, or a task that is missing, is refused with the places."""
    with pytest.raises(UsageError, match="TASKID ORDER FILTER"):
        b24.call_list("task.commentitem.getlist", params)


# Elements of one call.


def test_elements_that_failed(portal, b24):
    """crm.item.batchImport answers 200 with failures in it: the call took effect, and is no success."""
    items = [
        {"item": {"id": 15}},
        {"error": "REQUIRED", "error_description": "no title"},
        {"error": "", "error_description": "x"},
    ]
    portal.method("crm.item.batchImport")(lambda params: {"items": items})
    row = b24.call("crm.item.batchImport", {"entityTypeId": 2})
    assert (row.status, row.is_success, row.data) == ("ok", False, {"items": items})
    assert isinstance(row.error, AjaxError)
    assert row.error.description == "2 failed: items.1: REQUIRED no title; items.2:  x"
    assert row.error.code == "REQUIRED"
    result = b24.batch([("crm.item.batchimport", {"entityTypeId": 2}), ("crm.deal.list", {})])
    assert [row.status for row in result] == ["ok", "ok"]
    assert [row.is_success for row in result] == [False, True]
    assert not b24.batch_by_chunk([("crm.item.batchImport", {})]).is_success


def test_an_element_with_several_errors(portal, b24):
    """The first error of an element names it."""
    errors = [{"code": "FIRST", "message": "one"}, {"code": "SECOND", "message": "two"}]
    portal.method("crm.item.batchImport")(lambda params: {"items": [{"errors": errors}]})
    error = b24.call("crm.item.batchImport").error
    assert (error.code, error.description) == ("FIRST", "1 failed: items.0: FIRST one")


@pytest.mark.parametrize(
    ("answer", "succeeds"),
    [
        ({"STATUS": "SUCCESS", "ENTITY_IDS": ["1"]}, True),
        ({"STATUS": "CONFLICT", "ENTITY_IDS": []}, False),
        ({"STATUS": "ERROR", "ENTITY_IDS": []}, False),
    ],
)
def test_a_merge_that_failed(portal, b24, answer, succeeds):
    """crm.entity.mergeBatch says in its STATUS whether it merged."""
    portal.method("crm.entity.mergeBatch")(lambda params: answer)
    row = b24.call("crm.entity.mergeBatch", {"params": {}})
    assert row.is_success is succeeds
    assert succeeds or row.error.code == answer["STATUS"]


def test_elements_of_other_methods(portal, b24):
    """A word like error in the answer of any other method is data."""
    portal.method("my.import")(lambda params: {"items": [{"error": "x"}]})
    assert b24.call("my.import").is_success
    portal.method("crm.item.batchImport")(lambda params: {"items": [{"item": {"id": 1}}], "errors": []})
    assert b24.call("crm.item.batchImport").is_success
