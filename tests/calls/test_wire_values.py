"""What a caller passes is what the portal receives."""

import io
import math
import re
from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from uuid import UUID

import numpy
import pandas
import pytest
from drawing import drawn, together
from hypothesis import given
from hypothesis import strategies as st

from b24batch import EntityTypeId, UsageError, ref
from b24batch.sandbox import Portal


class Colour(Enum):
    RED = "red"
    SEVEN = 7


class Letter(StrEnum):
    A = "a"


class Mixed(str, Enum):  # noqa: UP042
    A = "mixed"


class Number(int, Enum):
    FOUR = 4


class Text(str):
    """A text with manners of its own."""

    def __str__(self):
        return "not this"


class Index:
    """An integer of somebody else's."""

    def __index__(self):
        return 12


Pair = namedtuple("Pair", "left right")
MOSCOW = timezone(timedelta(hours=3))

#: Python value; what a direct call sends; what a batch sends. All three below the top level of ``crm.echo``.
VALUES = [
    pytest.param("text", "text", "text", id="text"),
    pytest.param("", "", "", id="empty text"),
    pytest.param("1+1 = 2 & 100 % #1 [a] ; ?", "1+1 = 2 & 100 % #1 [a] ; ?", "1+1 = 2 & 100 % #1 [a] ; ?", id="signs"),
    pytest.param("Привет, 🙂\n\t\0", "Привет, 🙂\n\t\0", "Привет, 🙂\n\t\0", id="unicode and control characters"),
    pytest.param("$100, $x and $result", "$100, $x and $result", "$100, $x and $result", id="dollars"),
    pytest.param("%24result", "%24result", "%24result", id="percent"),
    pytest.param(Text("kept"), "kept", "kept", id="subclass of str"),
    pytest.param(True, "Y", "Y", id="true"),
    pytest.param(False, "N", "N", id="false"),
    pytest.param(None, "", "", id="none"),
    pytest.param(0, 0, "0", id="zero"),
    pytest.param(-(2**63), -(2**63), str(-(2**63)), id="smallest integer"),
    pytest.param(2**63 - 1, 2**63 - 1, str(2**63 - 1), id="largest integer"),
    pytest.param(1.5, 1.5, "1.5", id="float"),
    pytest.param(1e22, 1e22, "1e+22", id="float with exponent"),
    pytest.param(Decimal("10.50"), "10.50", "10.50", id="decimal"),
    pytest.param(Decimal("1E+3"), "1000", "1000", id="decimal with exponent"),
    pytest.param(date(2024, 2, 29), "2024-02-29", "2024-02-29", id="date"),
    pytest.param(datetime(2024, 5, 1, 10, 0), "2024-05-01T10:00:00", "2024-05-01T10:00:00", id="naive datetime"),
    pytest.param(
        datetime(2024, 5, 1, 10, 0, tzinfo=MOSCOW),
        "2024-05-01T10:00:00+03:00",
        "2024-05-01T10:00:00+03:00",
        id="aware datetime",
    ),
    pytest.param(UUID(int=5), str(UUID(int=5)), str(UUID(int=5)), id="uuid"),
    pytest.param(Colour.RED, "red", "red", id="enum of text"),
    pytest.param(Colour.SEVEN, 7, "7", id="enum of int"),
    pytest.param(Letter.A, "a", "a", id="StrEnum"),
    pytest.param(Mixed.A, "mixed", "mixed", id="str and Enum"),
    pytest.param(Number.FOUR, 4, "4", id="int and Enum"),
    pytest.param(EntityTypeId.DEAL, 2, "2", id="EntityTypeId"),
    pytest.param(numpy.int64(5), 5, "5", id="integer of numpy"),
    pytest.param(numpy.uint8(5), 5, "5", id="small integer of numpy"),
    pytest.param(numpy.array(7), 7, "7", id="array of no dimension"),
    pytest.param(numpy.float64(1.5), 1.5, "1.5", id="float of numpy"),
    pytest.param(numpy.str_("a b"), "a b", "a b", id="text of numpy"),
    pytest.param(numpy.bool_(False), "N", "N", id="boolean of numpy"),
    pytest.param(Index(), 12, "12", id="another integer"),
    pytest.param({numpy.int64(5): 1}, {5: 1}, {5: "1"}, id="name from an integer of numpy"),
    pytest.param([1, "a"], [1, "a"], ["1", "a"], id="list"),
    pytest.param((1, 2), [1, 2], ["1", "2"], id="tuple"),
    pytest.param(Pair(1, 2), [1, 2], ["1", "2"], id="named tuple"),
    pytest.param([], [], [""], id="empty list"),
    pytest.param({}, [], [""], id="empty mapping"),
    pytest.param([[]], [[]], [[""]], id="empty list in a list"),
    pytest.param({"a": {}}, {"a": []}, {"a": [""]}, id="empty mapping in a mapping"),
    pytest.param(OrderedDict(b=1, a=2), {"b": 1, "a": 2}, {"b": "1", "a": "2"}, id="other mapping"),
    pytest.param({5: "x", -1: "y"}, {5: "x", -1: "y"}, {5: "x", -1: "y"}, id="integer names"),
    pytest.param({Letter.A: 1}, {"a": 1}, {"a": "1"}, id="name from a StrEnum"),
    pytest.param({">=DATE": 1, "!ID": 2, "%T": 3, "a.b c": 4}, None, None, id="names of filters"),
]


def same(value):
    """A value with its types, and text names that PHP takes for numbers as numbers; for comparing."""
    if isinstance(value, dict):
        return [(key, same(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [same(item) for item in value]
    return type(value), value


@together(("value", "direct", "batched"), VALUES)
def test_a_value_below_the_top_level(portal, b24, value, direct, batched):
    """Every Python value arrives as the design's table says, in a direct call and in a batch."""
    received = []
    portal.method("crm.echo")(lambda params: received.append(params["fields"]["X"]))
    if direct is None:
        direct, batched = value, {key: str(item) for key, item in value.items()}
    b24.call("crm.echo", {"fields": {"X": value}})
    b24.batch([("crm.echo", {"fields": {"X": value}})])
    assert same(received[0]) == same(direct)
    assert same(received[1]) == same(batched)


@pytest.mark.parametrize(
    ("value", "direct", "batched"),
    [
        pytest.param(True, {"X": True}, {"X": "1"}, id="true is a flag"),
        pytest.param(False, {"X": False}, {"X": "0"}, id="false is a flag"),
        pytest.param(None, {"X": None}, {"X": ""}, id="none is null, or clears"),
        pytest.param({"a": True}, {"X": {"a": "Y"}}, {"X": {"a": "Y"}}, id="below it a letter"),
        pytest.param([[]], {"X": [[]]}, {"X": [[""]]}, id="an empty list below it"),
    ],
)
def test_a_named_argument(portal, b24, value, direct, batched):
    """At the top level booleans and None have rules of their own."""
    received = []
    portal.method("user.echo")(received.append)
    b24.call("user.echo", {"X": value})
    b24.batch([("user.echo", {"X": value})])
    assert [same(dict(params)) for params in received] == [same(direct), same(batched)]


EMPTY = [pytest.param([], id="list"), pytest.param({}, id="mapping"), pytest.param((), id="tuple")]


@together("empty", EMPTY)
@together("name", ["filter", "FILTER", "Select", "order", "SORT", "sort"])
def test_an_empty_condition_is_left_out(portal, b24, name, empty):
    """An empty filter, select, order or sort says nothing, and is left out in every way of sending."""
    received = []
    portal.method("crm.deal.list")(lambda params: received.append(params))
    b24.call("crm.deal.list", {name: empty, "x": 1})
    b24.batch([("crm.deal.list", {name: empty, "x": 1})])
    assert received == [{"x": 1}, {"x": "1"}]


@pytest.mark.parametrize("empty", EMPTY)
@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("crm.quote.contact.items.set", "items"),
        ("crm.item.productrow.set", "productRows"),
        ("crm.deal.productrows.set", "rows"),
        ("echo", "filters"),
    ],
)
def test_an_empty_argument_is_sent(portal, b24, method, name, empty):
    """An empty list for an argument asks to remove all: it arrives as one, alone as JSON; a batch refuses it."""
    received = []
    portal.method(method.lower())(lambda params: received.append(params))
    b24.call(method, {"id": 5, name: empty})
    assert b24.batch_by_chunk([("server.time",), (method, {"id": 5, name: empty}), ("server.time",)]).is_success
    assert received == [{"id": 5, name: []}] * 2
    assert [request.method for request in portal.requests] == [method, "batch", method, "batch"]
    with pytest.raises(
        UsageError, match=f"cannot be sent in a batch: {name} is an empty list or mapping.*sends it alone"
    ):
        b24.batch([(method, {"id": 5, name: empty})])


def test_an_argument_that_a_reference_empties(portal, b24):
    """A reference whose value is an empty list says the same as that list."""
    received = []
    portal.method("found")(lambda params: [])
    portal.method("crm.quote.contact.items.set")(lambda params: received.append(params))
    calls = [("found", {"a": "$result[x]"}), ("crm.quote.contact.items.set", {"id": 5, "items": ref(0)})]
    assert b24.batch_by_chunk(calls).is_success
    assert received == [{"id": 5, "items": []}]


@pytest.mark.parametrize("method", ["task.elapseditem.getlist", "TASK.commentitem.getList", "task.item.list"])
def test_empty_arguments_that_have_a_place(portal, b24, method):
    """A positional method called by names gets all its arguments: one left out would shift those behind it."""
    received = []
    portal.method(method.lower())(lambda params: received.append(list(params.values())))
    params = {"TASKID": 5, "ORDER": {}, "FILTER": {">ID": 3}}
    b24.call(method, params)
    assert b24.batch_by_chunk([(method, params)]).is_success
    assert received == [[5, [], {">ID": 3}]] * 2
    with pytest.raises(UsageError, match="cannot be sent in a batch: ORDER is an empty list or mapping"):
        b24.batch([(method, params)])


@pytest.mark.parametrize("method", ["tasks.task.list", "task.stages.get", "taskx.list"])
def test_named_methods_of_tasks_leave_out_what_is_empty(portal, b24, method):
    """Only the positional methods of ``task.*`` go by places."""
    received = []
    portal.method(method)(lambda params: received.append(params))
    b24.batch([(method, {"order": {}, "filter": {">ID": 3}})])
    assert received == [{"filter": {">ID": "3"}}]


def test_positional_parameters(portal, b24):
    """A sequence of params arrives in its order, under 0, 1, 2."""
    received = []
    portal.method("task.commentitem.add")(received.append)
    b24.call("task.commentitem.add", [123, {"POST_MESSAGE": "hi"}, True, None, []])
    b24.batch([("task.commentitem.add", (123, {"POST_MESSAGE": "hi"}, True, None))])
    assert same(dict(received[0])) == same({0: 123, 1: {"POST_MESSAGE": "hi"}, 2: True, 3: None, 4: []})
    assert same(dict(received[1])) == same({0: "123", 1: {"POST_MESSAGE": "hi"}, 2: "1", 3: ""})


def test_the_text_of_a_command(portal, b24):
    """A query is ASCII: all but RFC 3986's unreserved characters and the brackets of names is percent-encoded."""
    b24.batch({"first": ("echo", {"fields": {"Ж x": "Ж", "n": ["Az09-._~", " +&=[]%", 1e22]}})})
    pairs = ["[%D0%96%20x]=%D0%96", "[n][0]=Az09-._~", "[n][1]=%20%2B%26%3D%5B%5D%25", "[n][2]=1e%2B22"]
    assert portal.requests[-1].params["cmd"] == {"first": "echo?fields" + "&fields".join(pairs)}


@pytest.mark.parametrize("params", [None, {}, [], ()], ids=repr)
def test_no_parameters(portal, b24, params):
    """No parameters are no parameters, in whatever way they are left out; none is ever added."""
    received = []
    portal.method("echo")(received.append)
    b24.call("echo", params)
    b24.batch([("echo", params)])
    assert [dict(params) for params in received] == [{}, {}]
    assert portal.requests[-1].params["cmd"] == ["echo"] or portal.requests[-1].params["cmd"] == {"0": "echo"}


def test_the_callers_objects_stay_as_they_are(b24):
    """Nothing the caller handed over is changed."""
    params = {"fields": {"A": [True, None], "B": {}}, "filter": []}
    b24.batch([("crm.deal.add", params)])
    b24.call("crm.deal.add", params)
    assert params == {"fields": {"A": [True, None], "B": {}}, "filter": []}


CYCLE = []
CYCLE.append(CYCLE)


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


class Broken:
    def __repr__(self):
        raise RuntimeError("no repr")


class Undecided:
    def __bool__(self):
        raise ValueError("neither")

    def __repr__(self):
        return "undecided"


class Readable:
    """A file of a framework, such as an upload."""

    def read(self):
        return b""


EMPTY_CELL = "an empty cell. pass None or omit the field"
UNFIT = [
    pytest.param({"a": Undecided()}, "a is undecided: a value of type Undecided", id="object without a truth value"),
    pytest.param({"fields": {"PHOTO": b"x"}}, "fields.PHOTO is bytes", id="bytes"),
    pytest.param(
        {"fields": {"PHOTO": bytearray(b"x")}}, r"fields.PHOTO is bytes.*files.file_value.*b64encode", id="bytearray"
    ),
    pytest.param({"fields": {"PHOTO": Path("a.png")}}, r"fields.PHOTO is .*files.file_value\(path\)", id="path"),
    pytest.param({"a": [io.BytesIO(b"x")]}, r"a.0 is .*files.file_value\(\(name, file.read", id="open file"),
    pytest.param({"a": Readable()}, r"a is .*files.file_value\(\(name, file.read", id="like an open file"),
    pytest.param({"a": [1, {"b": {1, 2}}]}, "a.1.b is {1, 2}: a value of type set", id="set"),
    pytest.param({"a": object()}, "a is <object object at .*type object", id="object"),
    pytest.param({"a": Broken()}, "a is <Broken>: a value of type Broken", id="object without repr"),
    pytest.param({"a": range(3)}, "a is range", id="range"),
    pytest.param({"a": (x for x in [1])}, "a is <generator", id="generator"),
    pytest.param({"a": {"b": math.nan}}, f"a.b is nan.*{EMPTY_CELL}", id="nan"),
    pytest.param({"a": numpy.float64("nan")}, f"a is nan.*{EMPTY_CELL}", id="nan of numpy"),
    pytest.param({"a": pandas.NaT}, f"a is not a date or time.*{EMPTY_CELL}", id="NaT of pandas"),
    pytest.param({"a": pandas.NA}, f"a is <NA>.*{EMPTY_CELL}", id="NA of pandas"),
    pytest.param({"a": -math.inf}, "a is -inf; expected a finite number$", id="inf"),
    pytest.param({"a": Decimal("NaN")}, f"a is NaN.*{EMPTY_CELL}", id="NaN Decimal"),
    pytest.param({"a": Decimal("sNaN")}, f"a is sNaN.*{EMPTY_CELL}", id="signalling NaN"),
    pytest.param({"a": Decimal("Infinity")}, "a is Infinity; expected a finite number$", id="infinite Decimal"),
    pytest.param({"a": numpy.array([1])}, "a is array.*type ndarray cannot be sent", id="array"),
    pytest.param({"a": numpy.uint64(2**64 - 1)}, "a is an integer beyond 64 bits", id="large integer of numpy"),
    pytest.param({"a": numpy.array(True)}, "a is array.True.: a value of type ndarray", id="array of a boolean"),
    pytest.param(
        {"a": {numpy.True_: "x"}}, "a has an invalid name: expected a string", id="name from a boolean of numpy"
    ),
    pytest.param({"a": 2**63}, "a is an integer beyond 64 bits", id="2**63"),
    pytest.param({"a": 2**64}, "a is an integer beyond 64 bits", id="2**64"),
    pytest.param({"a": 10**5000}, "a is an integer beyond 64 bits", id="10**5000"),
    pytest.param({"a": -(2**63) - 1}, "a is an integer beyond 64 bits", id="-2**63-1"),
    pytest.param({"a": {"b": "x\ud800"}}, "a.b has a lone surrogate", id="surrogate"),
    pytest.param({"a": {"b\udfff": 1}}, "a has a lone surrogate", id="surrogate in a name"),
    pytest.param({"x\ud800": 1}, "has a lone surrogate", id="surrogate in a top-level name"),
    pytest.param({"a": {1: "x", "1": "y"}}, "a.1 is a name given twice", id="names that clash"),
    pytest.param(
        {"a": {1.5: "x"}}, r"a has an invalid name: expected a string or an integer, got 1\.5", id="float name"
    ),
    pytest.param(
        {"a": {True: "x"}}, "a has an invalid name: expected a string or an integer, got True", id="bool name"
    ),
    pytest.param({None: "x"}, "has an invalid name: expected a string or an integer, got None", id="None name"),
    pytest.param({"a": CYCLE}, "is nested more than 500 levels deep", id="cycle"),
    pytest.param({"a": nested(500)}, "is nested more than 500 levels deep", id="depth"),
    pytest.param({"a": Enum("E", {"X": 1.5}).X}, "a is <E.X: 1.5>: expected an Enum", id="enum of a float"),
    pytest.param({"a": timedelta(1)}, "type timedelta", id="timedelta"),
    pytest.param([1, [b""]], "1.0 is bytes", id="positional"),
    pytest.param({"a": type("NaT", (datetime,), {"__ne__": lambda *_: True})(1, 1, 1)}, "a is not a date", id="NaT"),
]


@pytest.mark.usefixtures("refused")
@together(("params", "message"), UNFIT)
def test_a_value_without_a_wire_form(b24, params, message):
    """A value with no safe form is refused in every way of sending, naming the call and the path to the value."""
    good = ("echo", {"a": 1})
    for send in (b24.batch, b24.batch_by_chunk, lambda calls: list(b24.stream_batch(calls))):
        with pytest.raises(UsageError, match=message) as caught:
            send([good, ("crm.deal.add", params)])
        assert str(caught.value).startswith("USAGE: call 1 (crm.deal.add): ")
    with pytest.raises(UsageError, match=message):
        b24.call("crm.deal.add", params)


@pytest.mark.parametrize("value", [b"x", Path("a.png"), io.BytesIO(b"x")])
@pytest.mark.parametrize("method", ["crm.deal.update", "CRM.Lead.add", "crm.contact.add", "catalog.product.add"])
def test_the_form_of_a_file(b24, method, value):
    """The message about a file has the form that the method takes: in another one its field stays empty in silence."""
    for send in (b24.call, lambda method, params: b24.batch([(method, params)])):
        with pytest.raises(UsageError, match=r"pass a file as {'fileData': b24batch\.files\.file_value\(.*\)}"):
            send(method, {"id": 1, "fields": {"UF_CRM_1": [value]}})
        with pytest.raises(UsageError, match=r"pass a file as b24batch\.files\.file_value\("):
            send("crm.item.add", {"entityTypeId": 2, "fields": {"ufCrm1": [value]}})
        with pytest.raises(UsageError, match=r"pass a file as b24batch\.files\.file_value\("):
            send("catalog.productImage.add", {"fields": {}, "fileContent": value})
        with pytest.raises(UsageError, match=r"upload a file with b24batch\.files\.upload_file and pass its ID as"):
            send("tasks.task.add", {"fields": {"UF_TASK_WEBDAV_FILES": [value]}})


def test_depth_500_is_sent(b24):
    """What PHP still reads is sent: a body nested 500 deep."""
    assert b24.call("echo", {"a": nested(499)}).data == {"a": nested(499)}


RESERVED = "auth access_token auth_connector ap aplogin sessid token state method".split()


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names(b24, name):
    """A parameter that the portal would take for itself is refused in every way of sending."""
    for send in (b24.batch, b24.batch_by_chunk):
        with pytest.raises(UsageError, match=f"call 0 .*{name} is a name reserved by the portal"):
            send([("echo", {name: "x"})])
    with pytest.raises(UsageError, match=f"{name} is a name reserved by the portal"):
        b24.call("echo", {name: "x"})


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_below_the_top_level(b24, name):
    """Below the top level those names are free."""
    assert b24.batch([("echo", {"fields": {name: "x"}})]).data == [{"fields": {name: "x"}}]


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("method", ["batch", "download", "upload", "BATCH", "Upload"])
def test_methods_that_cannot_be_inside_a_batch(b24, method):
    """A batch inside a batch would slip past the portal's count in another case; all of them are refused."""
    for send in (b24.batch, b24.batch_by_chunk):
        with pytest.raises(UsageError, match=f"call 0 .{method}.*is not allowed inside a batch"):
            send([(method, {})])


@pytest.mark.usefixtures("refused")
def test_integer_names_that_a_direct_call_would_lose(b24):
    """A portal numbers top-level integer names anew in a direct call; such a call is refused, with the reason."""
    with pytest.raises(UsageError, match="5 would arrive as 0"):
        b24.call("echo", {"5": "x"})


def test_integer_names_in_order(b24):
    """Integer names that count up from 0 stay as they are."""
    assert b24.call("echo", {0: "a", "1": "b"}).data == ["a", "b"]
    assert b24.batch([("echo", {"5": "x"})]).data == [{"5": "x"}]


REFERENCE = re.compile(r"\$[a-z_]\S*\[[^\]\s]+\]", re.IGNORECASE | re.ASCII)
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
characters = st.characters(exclude_categories=["Cs"])
hostile = st.sampled_from(["&", "=", "+", "#", "%", "[", "]", "?", "$", ";", "\n", "\0", "%5B", "$result", "[0]", " "])
texts = st.lists(hostile | st.text(characters, max_size=4), max_size=6).map("".join)
safe_texts = texts.filter(lambda text: not REFERENCE.search(text))
names = texts.filter(lambda text: text.strip(" \t\n\v\f\r") and not set("[]\0") & set(text))
arguments = texts.filter(lambda text: text and not set(". [\0") & set(text) and text not in RESERVED)
arguments = arguments.filter(lambda text: not INTEGER.fullmatch(text) or text == "0")
offsets = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
leaves = (
    safe_texts
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.none()
    | st.booleans()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(UTC) | offsets)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)
    | st.uuids()
    | st.sampled_from([EntityTypeId.DEAL, Letter.A])
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))
#: An empty argument is no matter for a query, and the names of conditions are left out: both have tests of their own.
params = st.dictionaries(arguments, values.filter(lambda value: value not in ([], {})), max_size=4)


def expected(value, below, leaf):
    """The design's table once more, written from it and not from the code."""
    if isinstance(value, bool):
        return "Y" if value and below else "N" if below else leaf(value)
    if value is None:
        return "" if below else leaf(None)
    if isinstance(value, IntEnum):
        return leaf(value.value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, dict):
        return php({name: expected(item, True, leaf) for name, item in value.items()}) or leaf([])
    if isinstance(value, list):
        return [expected(item, True, leaf) for item in value] or leaf([])
    return leaf(value) if isinstance(value, int | float) else value


def php(mapping):
    """A PHP array: names that are numbers are integers, and a mapping of 0, 1, 2 is a list."""
    numbered = {int(name) if INTEGER.fullmatch(name) else name: item for name, item in mapping.items()}
    return list(numbered.values()) if list(numbered) == list(range(len(numbered))) else numbered


def as_text(value):
    """What is left of a value in a query string."""
    special = {None: "", True: "1", False: "0"}
    if value == [] and isinstance(value, list):
        return [""]
    return special[value] if value is None or isinstance(value, bool) else repr(value)


def expected_params(params, leaf):
    return {
        int(name) if INTEGER.fullmatch(name) else name: expected(value, False, leaf) for name, value in params.items()
    }


@pytest.fixture(scope="module")
def recorder():
    with Portal(record=False) as portal:
        received = []
        portal.method("user.echo")(received.append)
        with portal.session() as b24:
            yield b24, received


@drawn(500)
@given(params=params)
def test_any_parameters_arrive(recorder, params):
    """Parameters of any text, numbers, dates and nesting arrive as the design says, through `call` and `batch`."""
    b24, received = recorder
    received.clear()
    b24.call("user.echo", params)
    b24.batch([("user.echo", params)]).raise_for_errors()
    assert same(dict(received[0])) == same(expected_params(params, lambda value: value))
    assert same(dict(received[1])) == same(expected_params(params, as_text))
