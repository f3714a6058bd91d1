"""References that may lead nowhere: what the portal may follow, what the library looks for, and what is never run."""

from contextlib import suppress
from itertools import count

import pytest
from drawing import drawn
from hypothesis import given
from hypothesis import strategies as st

from b24batch import Command, ReferenceMissed, RetryPolicy, UsageError, ref
from b24batch.calls.encoded import encode_calls
from b24batch.calls.methods import NEW_IDS
from b24batch.results import AjaxResult
from b24batch.runs.substitution import Answered
from b24batch.sandbox import Portal, PortalError

FIND = Command("crm.duplicate.findbycomm", {"type": "EMAIL", "values": ["a@example.com"]}, name="find")
GET = Command("crm.contact.get", {"id": ref("find")["CONTACT"][0]}, name="contact")
WRONG = ("no.such.method",)
DELETE = Command("crm.company.delete", {"id": ref("contact")["COMPANY_ID"]})


@pytest.fixture
def found(portal, b24):
    """What is found by e-mail, on a portal with a company 1 and its contact 1, the first victims of a wrong value."""
    company = ("crm.company.add", {"fields": {"TITLE": "Company 1"}})
    b24.batch([company, ("crm.contact.add", {"fields": {"NAME": "Contact 1", "COMPANY_ID": 1}})]).raise_for_errors()
    answer = {"LEAD": [5]}
    portal.method("crm.duplicate.findbycomm")(lambda params: dict(answer))
    portal.requests.clear()
    return answer


def ways(b24, calls, **options):
    """The rows of a run, all at once and as a stream."""
    yield b24.batch_by_chunk(calls, **options).rows
    yield list(b24.stream_batch(calls, **options))


@pytest.mark.parametrize("halt", [True, False])
@pytest.mark.parametrize("size", [1, 2, 50])
def test_nothing_found_and_nothing_deleted(portal, b24, found, size, halt):
    """Find by e-mail, get the contact, delete its company: when nothing is found, nothing is deleted."""
    for find, contact, delete in ways(b24, [FIND, GET, DELETE], chunk_size=size, halt_on_error=halt):
        assert (find.status, contact.status, delete.status) == ("ok", "failed", "skipped")
        assert type(contact.error) is ReferenceMissed
        assert contact.not_executed is (size == 1 or not halt)
    assert "crm.company.delete" not in [executed.method for executed in portal.executed]
    assert b24.call("crm.company.get", {"id": 1}).is_success


def test_how_many_answers_are_kept():
    """A run keeps the outcomes of as many commands as a reference may reach back, so its memory does not grow."""
    calls = [*[("echo",)] * 60, *(("echo", {"n": ref(place)}) for place in (9, 10))]
    *commands, too_far, near = encode_calls(calls, halt=True)
    answered = Answered(memory=50)
    answered.note_all(commands, [AjaxResult(encoded.command, "ok", data=1) for encoded in commands])
    answered.forget(encoded.name for encoded in commands)
    assert answered.make_ready(too_far, (), halt=True).status == "skipped"
    assert answered.make_ready(near, (), halt=True).text.endswith("n=1")


def test_stop_on_error_after_what_is_not_sent(b24, found):
    """A command that is not sent, because its value is missing, ends a run that stops on errors."""
    for stop, last in ((True, "skipped"), (False, "ok")):
        for rows in ways(b24, [FIND, GET, ("server.time",)], chunk_size=1, stop_on_error=stop):
            assert [row.status for row in rows] == ["ok", "failed", last]


@pytest.mark.parametrize("halt", [True, False])
def test_what_comes_behind_what_is_not_sent(portal, b24, found, halt):
    """A command that is not sent for its value keeps nothing behind it in its chunk from running."""
    portal.method("echo")(lambda params: params)
    delete = ("crm.company.delete", {"id": ref("find")["CONTACT"]})
    for rows in ways(b24, [FIND, delete, ("echo", {"n": "1"}), ("echo", {"n": "2"})], halt_on_error=halt):
        assert [row.status for row in rows] == ["ok", "failed", "ok", "ok"]
        assert [row.data for row in rows[2:]] == [{"n": "1"}, {"n": "2"}]


@pytest.mark.parametrize("calls", [[FIND, GET, DELETE], {"find": FIND, "contact": GET, "delete": DELETE}], ids=type)
def test_a_batch_refuses_what_it_cannot_look_for(portal, b24, found, calls):
    """`batch` is one request: it refuses a write whose value nobody knows to be there, and names the way out."""
    with pytest.raises(UsageError, match=r"crm.company.delete\) has ref\('contact'\)\['COMPANY_ID'\].*batch_by_chunk"):
        b24.batch(calls)
    assert portal.requests == []


def test_what_is_found_is_deleted(portal, b24, found):
    """When something is found the chain does what it says, with the fewest requests: the reads are one."""
    found["CONTACT"] = [1]
    result = b24.batch_by_chunk([FIND, GET, DELETE]).raise_for_errors()
    assert result.data[2] is True
    assert [len(request.params["cmd"]) for request in portal.requests] == [2, 1]
    assert portal.executed[-1].params == {"id": "1"}


@pytest.mark.parametrize("halt", [True, False])
@pytest.mark.parametrize(
    ("name", "reference", "what"),
    [
        ("id", ref("find")["COMPANY"], "a list"),
        ("ID", ref("find")["empty"], "a list"),
        ("id", ref("find"), "an object"),
        ("id", ref("find")["yes"], "True"),
    ],
)
def test_what_is_no_id_is_not_written_to(portal, b24, found, halt, name, reference, what):
    """A list, an object and a yes are the number 1 to a portal that wants an id: the write is not sent."""
    found |= {"COMPANY": [5], "empty": [], "yes": True}
    for find, delete in ways(b24, [FIND, ("crm.company.delete", {name: reference})], halt_on_error=halt):
        assert (find.status, delete.status, type(delete.error)) == ("ok", "failed", ReferenceMissed)
        assert (f"{reference!r} is {what}; expected an id" in str(delete.error), delete.not_executed) == (True, True)
    run = b24.batch_by_chunk([FIND, WRONG, ("crm.company.delete", {name: reference})], stop_on_error=True)
    assert (run[2].status, run.remaining()) == ("skipped", [])
    assert b24.call("crm.company.get", {"id": 1}).is_success


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("crm.contact.update", {"COMPANY_ID": ref("find")["COMPANY"]}),
        ("crm.item.update", {"companyId": ref("find")["COMPANY"]}),
        ("crm.item.update", {"parentId128": 1, "assignedById": ref("find")}),
    ],
)
def test_what_is_no_id_is_not_stored(portal, b24, found, method, fields):
    """A field that is one id is not set from a list: the portal would store the number 1, with ok beside it."""
    found["COMPANY"] = [5]
    for _, update in ways(b24, [FIND, (method, {"entityTypeId": 3, "id": 1, "fields": fields})]):
        assert (update.status, type(update.error)) == ("failed", ReferenceMissed)
    assert {executed.method for executed in portal.executed[2:]} == {"crm.duplicate.findbycomm"}


def test_what_is_no_id_goes_elsewhere(portal, b24, found):
    """Lists and objects are put in wherever an id is not the whole argument, and for a read."""
    found |= {"COMPANY": [1, 2], "fields": {"TITLE": "Company 2"}}
    both = ref("find")["COMPANY"]
    calls = [
        FIND,
        ("crm.company.add", {"ids": both, "fields": ref("find")["fields"]}),
        ("crm.company.add", {"USER_ID": both, "fields": {"CONTACT_IDS": both, "UF_CRM_ID": both, "paid": both}}),
        ("crm.company.add", {"fields": {"PHONE": [{"TYPE_ID": both}]}}),
        ("user.get", {"ID": both, "fields": {"X_ID": both}}),
    ]
    assert b24.batch_by_chunk(calls).raise_for_errors()
    sent = [executed.params for executed in portal.executed[-4:]]
    assert sent[0] == {"ids": ["1", "2"], "fields": {"TITLE": "Company 2"}}
    assert sent[1]["fields"] == {key: ["1", "2"] for key in ("CONTACT_IDS", "UF_CRM_ID", "paid")}
    assert sent[2]["fields"] == {"PHONE": [{"TYPE_ID": ["1", "2"]}]}


ITEM = {"entityTypeId": 4, "fields": {"title": "Company"}}
#: Chains whose writes take new ids only: from the documented place of each.
CHAINS = {
    "items": [
        ("crm.item.add", ITEM),
        *[("crm.item.add", {**ITEM, "parentId4": ref(n)["item"]["id"]}) for n in range(9)],
    ],
    "legacy": [
        ("crm.company.add", {"fields": {"TITLE": "Company"}}),
        ("crm.contact.add", {"fields": {"NAME": "Contact", "COMPANY_ID": ref(0)}}),
        ("crm.deal.add", {"fields": {"TITLE": "Deal", "COMPANY_ID": ref(0), "CONTACT_ID": ref(1)}}),
        ("crm.deal.get", {"id": ref(2)}),
    ],
    "tasks": [
        ("tasks.task.add", {"fields": {"TITLE": "Task", "RESPONSIBLE_ID": 1}}),
        ("tasks.task.update", {"taskId": ref(0)["task"]["id"], "fields": {"TITLE": "Other"}}),
    ],
    "in any case": [
        ("CRM.Company.Add", {"fields": {"TITLE": "Company"}}),
        ("crm.contact.add", {"fields": {"NAME": "Contact", "COMPANY_ID": ref(0)}}),
    ],
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_chains_of_new_ids_are_one_request(portal, b24, chain):
    """A new id is known to be in its answer: the portal follows such references, in a batch and in a chunked run."""
    assert b24.batch(chain).raise_for_errors().is_success
    assert b24.batch_by_chunk(chain).raise_for_errors().is_success
    assert all(row.is_success for row in b24.stream_batch(chain))
    assert len(portal.requests) == 3


#: References of a write to an addition of which nobody knows that the answer holds them.
UNSURE = [
    ("crm.item.add", ref(0)),
    ("crm.item.add", ref(0)["item"]),
    ("crm.item.add", ref(0)["item"]["contactId"]),
    ("crm.item.add", ref(0)["item"]["id"][0]),
    ("crm.deal.add", ref(0)["ID"]),
    ("crm.deal.add", ref(0).total),
    ("crm.deal.update", ref(0)),
    ("crm.deal.get", ref(0)["ID"]),
    ("crm.item.get", ref(0)["item"]["id"]),
    ("my.add", ref(0)),
    ("my.item.add", ref(0)["item"]["id"]),
]


@pytest.mark.parametrize(("method", "reference"), UNSURE, ids=repr)
def test_any_other_reference_is_looked_for(portal, b24, method, reference):
    """Only the documented place of a new id counts: a batch refuses any other, a chunked run looks first."""
    portal.method(method)(lambda params: {"item": {"id": 7}})
    taken = []
    portal.method("take")(lambda params: taken.append(params["v"]))
    calls = [(method,), ("take", {"v": reference})]
    with pytest.raises(UsageError, match="batch_by_chunk checks it first"):
        b24.batch(calls)
    assert portal.requests == []
    (row,) = (rows[1] for rows in [b24.batch_by_chunk(calls)])
    there = reference.find_in({"item": {"id": 7}}, None, None) is not None
    assert (row.status, len(taken)) == (("ok", 1) if there else ("failed", 0))
    assert len(portal.requests) == 1 + there


def test_every_new_id_is_of_a_write():
    """The table has methods in lower case that add something, each with the way to its id."""
    assert all(method == method.casefold() and "" not in path for method, path in NEW_IDS.items())
    assert {method.rpartition(".")[2] for method in NEW_IDS} == {
        "add",
        "create",
        "addfolder",
        "addsubfolder",
        "uploadfile",
    }


@pytest.mark.parametrize("size", [1, 50])
def test_a_read_that_refuses_another_value(portal, b24, size):
    """A read that the portal refused for the value that it put in names the reference, wherever the chunks end."""
    portal.method("my.find")(lambda params: {"LEAD": [5]})
    calls = [("my.find",), ("crm.item.get", {"entityTypeId": 2, "id": ref(0)["DEAL"][0]})]
    row = b24.batch_by_chunk(calls, chunk_size=size)[1]
    assert (row.status, type(row.error)) == ("failed", ReferenceMissed)
    assert str(row.error).startswith("REFERENCE_MISSED: ref(0)['DEAL'][0] is missing")
    refused = b24.batch(calls)[1]
    assert "the portal refused a wrong value (crm.item.get: 100: " in str(refused.error)
    assert refused.not_executed is False


def test_a_refusal_for_another_reason(portal, b24):
    """What the portal refused with the right value keeps the portal's own words."""
    portal.method("my.find")(lambda params: {"DEAL": [4711]})
    row = b24.batch([("my.find",), ("crm.deal.get", {"id": ref(0)["DEAL"][0]})])[1]
    assert (row.status, str(row.error)) == ("failed", "crm.deal.get: Not found")


def test_an_answer_against_its_documentation(portal, b24):
    """Where the portal followed a reference the library looks all the same: a write that ran with another says so."""
    portal.method("crm.deal.add")(lambda params: None)
    took = []
    portal.method("take")(lambda params: took.append(params["v"]))
    calls = [("crm.deal.add",), ("take", {"v": ref(0)})]
    for row in (b24.batch(calls)[1], b24.batch_by_chunk(calls)[1]):
        assert (row.status, row.is_success, type(row.error)) == ("ok", False, ReferenceMissed)
        assert "ran with a wrong value" in str(row.error)
    assert len(took) == 2


def test_rows_beside_each_other_take_a_request_a_level(portal, b24):
    """Ordered by level, companies, contacts and deals take three requests; commands are never reordered."""
    companies = [Command("crm.company.add", {"fields": {"TITLE": "C"}}, name=f"c{n}") for n in range(10)]
    contacts = [Command("crm.contact.add", {"fields": {"COMPANY_ID": ref(f"c{n}")}}, name=f"p{n}") for n in range(10)]
    deals = [Command("crm.deal.add", {"fields": {"CONTACT_ID": ref(f"p{n}")}}) for n in range(10)]
    assert b24.batch_by_chunk(companies + contacts + deals, halt_on_error=False).is_success
    assert [len(request.params["cmd"]) for request in portal.requests] == [10, 10, 10]


LETTERS = {"filter": {"OPENED": ref(0)}}


@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize(("value", "letter"), [(True, "Y"), (False, "N")])
def test_a_boolean_is_written_as_it_is_read(portal, b24, size, value, letter):
    """A boolean goes into a write as its method reads it, in whatever request it travels."""
    portal.method("my.flag")(lambda params: value)
    took = []
    portal.method("crm.deal.update")(lambda params: took.append(params["fields"]["OPENED"]))
    calls = [("my.flag",), ("crm.deal.update", {"id": 1, "fields": {"OPENED": ref(0)}})]
    assert b24.batch_by_chunk(calls, chunk_size=size).is_success
    assert took == [letter]


def test_a_boolean_that_the_portal_puts_in(portal, b24):
    """Where a read wants a letter, the portal's own boolean is another value; it says so, and fails in a run."""
    portal.method("my.flag")(lambda params: True)
    portal.method("crm.deal.list")(lambda params: params)
    calls = [("my.flag",), ("crm.deal.list", LETTERS)]
    ran = b24.batch(calls)[1]
    assert (ran.status, type(ran.error), "Y or N" in str(ran.error)) == ("ok", ReferenceMissed, True)
    assert b24.batch_by_chunk(calls)[1].status == "failed"
    assert b24.batch_by_chunk(calls, chunk_size=1)[1].data == {"filter": {"OPENED": "Y"}}


def test_a_flag_that_the_portal_puts_in(portal, b24):
    """Where a read wants a flag, the portal's own boolean is the right value."""
    portal.method("my.flag")(lambda params: True)
    portal.method("user.get")(lambda params: params)
    ran = b24.batch([("my.flag",), ("user.get", {"ADMIN_MODE": ref(0)})])[1]
    assert (ran.is_success, ran.data) == (True, {"ADMIN_MODE": True})


SPELT = [
    ("$result[find][ID]", r"for the value, write ref\('find'\)\['ID'\] without"),
    ("$result[find]", r"for the value, write ref\('find'\) without"),
    ("$result[find][0][ID]", r"for the value, write ref\('find'\)\[0\]\['ID'\] without"),
    ("$result[find][00]", r"for the value, write ref\('find'\)\['00'\] without"),
    ("$RESULT[find][ID]", r"for the value, write ref\('find'\)\['ID'\] without"),
    ("$result[0][ID]", r"for the value, write ref\(0\)\['ID'\] without"),
    ("$result[1][item][id]", r"for the value, write ref\(1\)\['item'\]\['id'\] without"),
    ("$total[find]", r"for the value, write ref\('find'\)\.total without"),
    ("$next[0]", r"for the value, write ref\(0\)\.next without"),
    ("$time[find][start]", "a reference to the time of a call is not possible; to send it as text, use Session.call"),
    ("$error[find]", "a reference to the error of a call is not possible"),
]


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize(("text", "message"), SPELT)
def test_a_reference_as_others_spell_it(b24, text, message):
    """A whole text that names a call of the run is refused everywhere, with the `ref` to write in its place."""
    calls = [Command("echo", name="find"), ("echo",), ("crm.deal.add", {"fields": {"TITLE": "x", "LEAD_ID": [text]}})]
    for send in (b24.batch, b24.batch_by_chunk, lambda calls: list(b24.stream_batch(calls))):
        for halt in (True, False):
            with pytest.raises(UsageError, match=r"call 2 \(crm.deal.add\): fields.LEAD_ID.0 is .*" + message):
                send(calls) if halt else b24.batch_by_chunk(calls, halt_on_error=False)


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("text", ["$result[later]", "$result[1]"])
def test_a_spelt_reference_to_a_later_call(b24, text):
    """Such a text is refused as well when the call that it names comes later."""
    with pytest.raises(UsageError, match=r"call 0 \(echo\): a is .*which would be sent as text"):
        b24.batch_by_chunk([("echo", {"a": text}), Command("echo", name="later")])
    with pytest.raises(UsageError, match="call 'x'"):
        b24.batch({"x": ("echo", {"a": text}), "later": ("echo",)})


def test_a_spelt_reference_to_a_later_call_of_a_stream(portal, b24):
    """A stream has sent such a text, as text, before it knows the later call: nothing is refused afterwards."""
    calls = [("echo", {"a": "$result[later]"}), Command("echo", {"b": "1"}, name="later")]
    assert [row.data for row in b24.stream_batch(calls)] == [{"a": "$result[later]"}, {"b": "1"}]


@pytest.mark.parametrize(
    "text",
    ["$result[nobody][ID]", "$result[7]", "$result[2]", "$result[find] and more", "see $result[find]", "$result[01]"],
)
def test_text_never_becomes_a_reference(portal, b24, text):
    """Any other text is text: what names no call of the run, or itself only, or stands beside other text."""
    portal.method("echo")(lambda params: params)
    result = b24.batch_by_chunk([Command("echo", name="find"), ("echo",), ("echo", {"a": text})])
    assert result.data[2] == {"a": text}
    assert b24.call("echo", {"a": "$result[0]"}).data == {"a": "$result[0]"}


#: What a link of a random chain answers: with a new id where one is documented, anything else elsewhere.
METHODS = {
    "crm.item.add": lambda n: {"item": {"id": n, "companyId": None}},
    "crm.deal.add": lambda n: n,
    "my.get": lambda n: {"ID": str(n), "EMPTY": None, "LIST": [n], "YES": n},
    "my.find.list": lambda n: [] if n % 3 else [{"ID": str(n)}],
    "my.update": lambda n: n % 4 or None,
    "my.refused.add": lambda n: n,
}
PATHS = [
    (),
    ("item", "id"),
    ("item", "companyId"),
    ("ID",),
    ("EMPTY",),
    ("LIST", 0),
    ("LIST", 1),
    (0, "ID"),
    ("a", "b"),
]
links = st.tuples(st.sampled_from(list(METHODS)), st.integers(0, 12), st.sampled_from(PATHS))


@pytest.fixture(scope="module")
def chained():
    """A session on a portal with these methods, and what was called with which value, in order."""
    called = []
    with Portal(record=False) as portal:
        numbers = count(100)

        def answer(name, params):
            called.append((name, params))
            if name == "my.refused.add":
                raise PortalError("NO", "refused")
            return METHODS[name](next(numbers))

        for name in METHODS:
            portal.method(name)(lambda params, name=name: answer(name, params))
        with portal.session(retries=RetryPolicy(wait_initial=0.0)) as b24:
            yield b24, called


def text(value):
    """What is left of a value in a query."""
    if isinstance(value, dict):
        return {name: text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [text(item) for item in value] or [""]
    return "" if value is None else str(value)


@drawn(100)
@given(chain=st.lists(links, min_size=2, max_size=9), size=st.sampled_from([1, 3, 50]), halt=st.booleans())
def test_no_write_runs_with_another_value(chained, chain, size, halt):
    """Whatever refers to whatever: each write that ran got the very value it refers to, in a batch and in a run."""
    b24, called = chained
    calls = [
        (method, {"n": n, "in": {"v": with_path(ref(target), path) if target < n else n}})
        for n, (method, target, path) in enumerate(chain)
    ]
    called.clear()
    rows = b24.batch_by_chunk(calls, chunk_size=size, halt_on_error=halt).rows
    check(calls, rows, called)
    called.clear()
    with suppress(UsageError):
        check(calls, b24.batch(calls, halt_on_error=halt).rows, called)


def with_path(reference, path):
    for key in path:
        reference = reference[key]
    return reference


def check(calls, rows, called):
    """Each command ran once at most; a write of a value that is there ran with it, and any other was not run."""
    ran = {int(params["n"]): params["in"]["v"] for _, params in called}
    assert len(ran) == len(called)
    for n, (row, (method, params)) in enumerate(zip(rows, calls, strict=True)):
        assert (n in ran) >= (row.status == "ok")
        reference = params["in"]["v"]
        if method.endswith((".get", ".list")) or isinstance(reference, int):
            continue
        target = rows[reference.target]
        value = reference.find_in(target.data, None, None) if target.is_success else None
        assert (n in ran) <= (value is not None)
        assert n not in ran or text(ran[n]) == text(value)
