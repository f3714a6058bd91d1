"""Yes and no: every documented parameter gets the form that its method reads, or is refused by its path."""

import csv
import re
from pathlib import Path

import numpy
import pytest
from drawing import some, together

from b24batch import UsageError, ref
from b24batch.sandbox import Portal

VECTORS = Path(__file__).parents[1] / "vectors" / "booleans.tsv"
with VECTORS.open(newline="") as lines:
    ROWS = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))

#: What may arrive for True and for False: in a direct call, and in a query.
DIRECT = {"letter": ["Y", "N"], "flag": [True, False], "number": [1, 0]}
BATCHED = {"letter": ["Y", "N"], "flag": ["1", "0"], "number": ["1", "0"]}


def names_of(path):
    """The names that lead to the value of a row: ``*`` is any name, ``[]`` the first place of a list."""
    return [
        0 if name == "[]" else name.replace("*", "x1" if len(name) > 1 else "any")
        for name in path.replace("[]", ".[]").split(".")
    ]


def params_of(path, value):
    """The params that have `value` at `path`."""
    for name in reversed(names_of(path)):
        value = [value] if name == 0 else {name: value}
    return value


def value_at(path, params):
    """What stands at `path` in params that arrived."""
    for name in names_of(path):
        params = params[name]
    return params


def is_json_only(row):
    return "JSON only" in row["note"]


def is_refused(row, value):
    """Whether `value` cannot be said there: only one text works, or even no is taken for yes."""
    return row["form"] == "text" or ("presence" in row["note"] and not value)


CASES = [(row, value) for row in ROWS for value in (True, False)]
SENT = [case for case in CASES if not is_refused(*case)]
IN_A_BATCH = [case for case in SENT if not is_json_only(case[0])]


@pytest.fixture(scope="module")
def echoing():
    """A session on a portal on which every method of the table hands over what arrived."""
    with Portal(record=False) as portal, portal.session() as b24:
        received = []
        for method in {row["method"] for row in ROWS}:
            portal.method(method.lower())(lambda params: received.append(params))
        yield b24, received


def call_of(case):
    row, value = case
    return row["method"], params_of(row["path"], value)


def wrong(cases, received, forms):
    """The rows that arrived in a form that their method reads as something else."""
    assert len(cases) == len(received)
    for (row, value), params in zip(cases, received, strict=True):
        form, place = row["form"], 0 if value else 1
        right = [forms[name][place] for name in forms] if form == "either" else [forms[form][place]]
        # In a number's place true is 1 to the portal's code, which casts it.
        right += [value] if form == "number" and forms is DIRECT else []
        got = value_at(row["path"], params)
        if not any(got == one and type(got) is type(one) for one in right):
            yield row["method"], row["path"], form, got


def test_the_whole_table_is_there():
    """The table has all its rows, and few of them are refused: else the tests below would show nothing."""
    assert len(ROWS) == 1014
    assert len(CASES) - len(SENT) == 2 * 6 + 3
    assert len(SENT) - len(IN_A_BATCH) == 2 * 6


def test_every_row_in_a_call(echoing):
    """A direct call has the form that the method reads, for all rows of the table."""
    b24, received = echoing
    received.clear()
    cases = some(SENT)
    for case in cases:
        b24.call(*call_of(case))
    assert list(wrong(cases, received, DIRECT)) == []


def test_every_row_in_a_batch(echoing):
    """A batch has the form that the method reads, for all rows of the table that a query can say."""
    b24, received = echoing
    received.clear()
    for start in range(0, len(IN_A_BATCH), 50):
        b24.batch(list(map(call_of, IN_A_BATCH[start : start + 50])))
    assert list(wrong(IN_A_BATCH, received, BATCHED)) == []


def test_every_row_in_a_chunked_run(echoing):
    """A chunked run has the same forms, and sends alone, as JSON, what only JSON can say."""
    b24, received = echoing
    received.clear()
    assert b24.batch_by_chunk(list(map(call_of, SENT))).is_success
    lone = [place for place, (row, _) in enumerate(SENT) if is_json_only(row)]
    assert list(wrong([SENT[place] for place in lone], [received[place] for place in lone], DIRECT)) == []
    others = [params for place, params in enumerate(received) if place not in set(lone)]
    assert list(wrong(IN_A_BATCH, others, BATCHED)) == []


@pytest.mark.usefixtures("refused")
@together(
    "case",
    [case for case in CASES if is_refused(*case)],
)
def test_what_a_row_cannot_say_is_refused(b24, case):
    """Where yes and no have no form, every way of sending refuses, and names the path and what to write."""
    path = re.escape(".".join(map(str, names_of(case[0]["path"]))))
    advice = "write the string 'true' or 'false'" if case[0]["form"] == "text" else "omit the name"
    for send in (b24.batch, b24.batch_by_chunk):
        with pytest.raises(UsageError, match=f"{path} is {case[1]}; .*{advice}"):
            send([call_of(case)])
    with pytest.raises(UsageError, match=f"{path} is {case[1]}; .*{advice}"):
        b24.call(*call_of(case))


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("case", [case for case in CASES if is_json_only(case[0])], ids=lambda case: case[0]["path"])
def test_what_only_json_can_say_is_refused_by_a_batch(b24, case):
    """A batch refuses what its query cannot say, and names the path and the run that can."""
    path = case[0]["path"]
    with pytest.raises(UsageError, match=f"{path} is {case[1]}, .*JSON only.*; batch_by_chunk sends it alone"):
        b24.batch([call_of(case)])


def arrived(portal, b24, method, params):
    """What a direct call and a batch hand over to `method`."""
    received = []
    portal.method(method.lower())(lambda params: received.append(params))
    b24.call(method, params)
    b24.batch([(method, params)])
    return received


@together(
    ("method", "path", "value", "direct", "batched"),
    [
        ("calendar.event.add", "private_event", True, "Y", "Y"),
        ("calendar.event.add", "meeting.hide_guests", False, False, "0"),
        ("calendar.section.add", "export.ALLOW", True, True, "1"),
        ("im.chat.mute", "MUTE", False, "N", "N"),
        ("sale.delivery.update", "ACTIVE", True, "Y", "Y"),
        ("crm.deal.list", "filter.UF_CRM_X", True, 1, "1"),
        ("crm.deal.list", "FILTER.!=UF_CRM_X", False, 0, "0"),
        ("crm.item.list", "filter.ufCrm2_1", True, 1, "1"),
        ("crm.item.list", "filter.0.@ufCrm2_1.0", True, 1, "1"),
        ("tasks.task.list", "filter.!UF_AUTO_1", True, 1, "1"),
        ("crm.contact.add", "params.IMPORT", False, False, "0"),
        ("crm.company.add", "params.IMPORT", True, True, "1"),
        ("im.message.add", "SYSTEM", True, "Y", "Y"),
        ("user.get", "FILTER.UF_X", True, 1, "1"),
        ("USER.GET", "filter.ACTIVE", True, "Y", "Y"),
        ("department.get", "filter.UF_X", False, 0, "0"),
        ("landing.landing.getList", "params.filter.ACTIVE", True, "Y", "Y"),
        ("landing.landing.getList", "params.get_preview", True, True, "1"),
        ("landing.landing.getList", "params.FILTER.UF_X", True, 1, "1"),
        ("crm.deal.userfield.add", "fields.SETTINGS.DEFAULT_VALUE", True, 1, "1"),
        ("crm.deal.userfield.add", "fields.MANDATORY", True, "Y", "Y"),
        ("crm.deal.add", "fields.UF_CRM_X", True, "Y", "Y"),
        ("crm.item.add", "fields.ufCrm2_1", True, "Y", "Y"),
        ("crm.requisite.update", "fields.UF_CRM_X", True, 1, "1"),
        ("task.item.list", "FILTER.UF_X", True, 1, "1"),
        ("task.item.update", "0.UF_X", True, "Y", "Y"),
        ("crm.deal.list", "0.UF_X", True, "Y", "Y"),
        ("tasks.task.list", "params.WITH_TIMER_INFO", True, "Y", "Y"),
        ("tasks.task.get", "params.WITH_TIMER_INFO", True, "Y", "Y"),
        ("booking.v1.booking.list", "filter.isOpen", True, "Y", "Y"),
        ("crm.company.details.configuration.set", "data.0.elements.0.optionFlags", False, False, "0"),
        ("crm.lead.details.configuration.set", "data.0.elements.0.optionFlags", True, True, "1"),
        ("imbot.v2.Bot.register", "silent", True, "Y", "Y"),
        ("imconnector.activate", "ACTIVE", False, False, "0"),
        ("rpa.task.do", "delegate", True, "Y", "Y"),
        ("task.stages.add", "isAdmin", True, True, "1"),
    ],
)
def test_a_form_by_its_place(portal, b24, method, path, value, direct, batched):
    """The form goes by method and place, and means the same in a direct call and in a batch."""
    params = value
    for name in reversed(path.split(".")):
        params = {name: params}
    received = arrived(portal, b24, method, params)
    for params, expected in zip(received, [direct, batched], strict=True):
        for name in path.split("."):
            params = params[int(name) if name.isdigit() else name]
        assert (params, type(params)) == (expected, type(expected))


def test_a_list_without_names_has_the_same_filter(portal, b24):
    """A user field in the filter of a positional list is 1 or 0 also where the filter has no name."""
    direct, batched = arrived(portal, b24, "task.item.list", [{"ID": "asc"}, {"UF_X": True, "FAVORITE": True}])
    assert direct[1] == {"UF_X": 1, "FAVORITE": "Y"}
    assert batched[1] == {"UF_X": "1", "FAVORITE": "Y"}


UNKNOWN = [
    ("department.add", {"X": True}, "X is True"),
    ("department.add", {"fields": {"IS_X": False}}, "fields.IS_X is False"),
    ("crmish.deal.add", {"fields": {"OPENED": True}}, "fields.OPENED is True"),
    ("vendor:crm.deal.add", {"fields": {"OPENED": True}}, "fields.OPENED is True"),
    ("calendar.event.get", {"X": {"Y": True}}, "X.Y is True"),
    ("im.x.list", {"filter": {"ACTIVE": True}}, "filter.ACTIVE is True"),
    ("booking.v1.x", {"active": True}, "active is True"),
    ("crm.deal.details.configuration.set", {"params": True}, "params is True"),
    ("disk.x", {"data": [{"a": [True]}]}, "data.0.a.0 is True"),
    ("department.get", {"filter": {"0": {"ACTIVE": True}}}, "filter.0.ACTIVE is True"),
    ("task2.x", [True], "0 is True"),
    ("catalogue.x", {"filter": {"a": True}}, "filter.a is True"),
]


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize(("method", "params", "what"), UNKNOWN)
def test_an_unknown_form_is_refused(b24, method, params, what):
    """Where nobody knows the form it is refused in every way of sending, with the path and what to write instead."""
    message = f"{re.escape(what)}; it is not known which .* {method} expects .*'Y' or 'N'.* 1 or 0.*documentation"
    for send in (b24.batch, b24.batch_by_chunk, lambda calls: list(b24.stream_batch(calls))):
        with pytest.raises(UsageError, match=message):
            send([(method, params)])
    with pytest.raises(UsageError, match=message):
        b24.call(method, params)


#: Where the documentation shows no yes or no of any parameter.
SILENT = {
    "top": """
        biconnector booking calendar.user catalog crm.activity.configurable crm.activity.layout
        crm.company.details crm.contact.details crm.deal.details crm.documentgenerator.numerator
        crm.item.details crm.lead.details crm.timeline.layout documentgenerator.numerator
        landing.landing.getlist lists socialnetwork tasks userfieldconfig voximplant
    """.split(),
    "below": """
        calendar.event.get disk entity imbot.v2.event log mailservice placement rpa sonet_group
        telephony.externalcall telephony.externalline timeman voximplant
    """.split(),
    "filter": """
        bizproc calendar calendar.event.get calendar.user crm.activity.configurable crm.activity.layout
        crm.company.details crm.contact.details crm.deal.details crm.documentgenerator.numerator
        crm.item.details crm.lead.details crm.timeline.layout disk documentgenerator.numerator im imbot
        imbot.v2 imbot.v2.event imconnector landing.block log mailservice placement rpa telephony.externalcall
        telephony.externalline timeman vote
    """.split(),
}


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("place", SILENT)
def test_a_place_without_evidence_is_refused(b24, place):
    """A rule for one place of a method says nothing about another; that of a shorter name is no way out."""
    params = {"top": {"x": True}, "below": {"x": {"y": False}}, "filter": {"FILTER": {"y": True}}}[place]
    for method in SILENT[place]:
        with pytest.raises(UsageError, match=f"not known which form of booleans {method}.act expects"):
            b24.batch_by_chunk([(f"{method}.act", params)])


def test_what_the_message_says_to_write_is_sent(portal, b24):
    """Texts and numbers are the caller's word, and go to any method as they are."""
    params = {"fields": {"A": "Y", "B": 0, "C": "false"}}
    assert arrived(portal, b24, "department.add", params) == [params, {"fields": {"A": "Y", "B": "0", "C": "false"}}]


@pytest.mark.parametrize("value", [numpy.bool_(True), numpy.True_, numpy.array([3, 4])[0] == 3], ids=repr)
def test_a_boolean_of_numpy(portal, b24, value):
    """A boolean from a table's column counts as one."""
    received = arrived(portal, b24, "calendar.event.add", {"private_event": value, "meeting": {"notify": value}})
    assert received[0] == {"private_event": "Y", "meeting": {"notify": True}}
    assert received[0]["meeting"]["notify"] is True
    assert received[1] == {"private_event": "Y", "meeting": {"notify": "1"}}


def test_forms_beside_a_reference(portal, b24):
    """A command that refers to another one has the same forms, put in by the portal or by the library."""
    received = []
    portal.method("calendar.event.add")(lambda params: received.append(params))
    params = {"private_event": True, "meeting": {"notify": False}, "name": ref(0)}
    first = ("crm.deal.add", {"fields": {"TITLE": "Deal"}})
    b24.batch([first, ("calendar.event.add", params)])
    odd = {**params, "name": [ref(0), "$result[x]"]}
    b24.batch_by_chunk([first, ("calendar.event.add", odd)])
    for params, no in zip(received, ["0", False], strict=True):
        assert (params["private_event"], params["meeting"]) == ("Y", {"notify": no})


def test_a_boolean_from_an_answer(portal, b24):
    """A boolean that the library puts in for a reference has the form of its place; unknown, it is not sent."""
    received = []
    portal.method("my.yes")(lambda params: True)
    portal.method("calendar.event.add")(lambda params: received.append(params))
    event = {"private_event": ref(0), "meeting": {"notify": ref(0)}}
    calls = [("my.yes",), ("calendar.event.add", event), ("department.add", {"IS_X": ref(0)})]
    result = b24.batch_by_chunk(calls, chunk_size=1)
    assert received == [{"private_event": "Y", "meeting": {"notify": "1"}}]
    assert [row.status for row in result] == ["ok", "ok", "failed"]
    assert "IS_X is True; it is not known which form of booleans department.add expects" in str(result.errors[2])
