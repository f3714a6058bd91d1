"""The three formats of a call, and what is refused before anything is sent."""

from collections import deque
from enum import Enum

import pytest
from drawing import together

from b24batch import Command, EntityTypeId, UsageError

ECHO = {"n": "1"}
FORMATS = [
    pytest.param(("echo", ECHO), id="tuple"),
    pytest.param(["echo", ECHO], id="list"),
    pytest.param({"method": "echo", "params": ECHO}, id="mapping"),
    pytest.param(Command("echo", ECHO), id="Command"),
]
WITHOUT_PARAMS = [
    pytest.param(("echo",), id="tuple"),
    pytest.param(["echo"], id="list"),
    pytest.param(("echo", None), id="tuple with None"),
    pytest.param({"method": "echo"}, id="mapping"),
    pytest.param({"method": "echo", "params": None}, id="mapping with None"),
    pytest.param(Command("echo"), id="Command"),
]


def ways(b24):
    return b24.batch, b24.batch_by_chunk, lambda calls: list(b24.stream_batch(calls))


@pytest.mark.parametrize("call", FORMATS)
def test_every_format(b24, call):
    """A tuple, a list, a mapping and a Command say the same."""
    assert b24.batch([call]).data == [ECHO]
    assert b24.batch_by_chunk([call]).data == [ECHO]
    assert b24.batch({"name": call}).data == {"name": ECHO}
    assert [row.data for row in b24.stream_batch([call])] == [ECHO]


@pytest.mark.parametrize("call", WITHOUT_PARAMS)
def test_missing_params(b24, call):
    """Parameters may be left out in every format."""
    assert b24.batch([call]).data == [[]]
    assert b24.batch({"name": call}).data == {"name": []}


@pytest.mark.parametrize("make", [list, tuple, iter, deque, lambda calls: (call for call in calls)])
def test_any_iterable_of_mixed_calls(b24, make):
    """Calls come in any iterable, their formats mixed."""
    calls = [*(case.values[0] for case in FORMATS), ("echo",)]
    assert b24.batch(make(calls)).data == [ECHO] * 4 + [[]]
    assert b24.batch_by_chunk(make(calls)).data == [ECHO] * 4 + [[]]
    assert [row.data for row in b24.stream_batch(make(calls))] == [ECHO] * 4 + [[]]


def test_a_call_is_seen_as_it_was_handed_over(b24):
    """Each row carries the caller's command: its method, its parameters and its own name."""
    command = Command("echo", ECHO, name="mine", idempotent=True)
    rows = b24.batch([command, ("echo", {"a": 1})]).rows
    assert rows[0].command is command
    assert rows[1].command == Command("echo", {"a": 1})


class Name(str, Enum):  # noqa: UP042
    """Texts whose str() is another one."""

    ECHO = "echo"
    MINE = "mine"
    N = "n"


@pytest.mark.parametrize("call", [(Name.ECHO, {Name.N: Name.MINE}), Command(Name.ECHO, {"n": "mine"}, name=Name.MINE)])
def test_texts_from_an_enum(b24, call):
    """A member of an Enum of texts counts as its text, as a method and as a name too."""
    result = b24.batch({Name.MINE: call})
    assert result.data == {"mine": {"n": "mine"}}
    assert {type(text) for row in result for text in (row.method, row.name, row.command.method)} == {str}
    assert b24.batch_by_chunk([call]).data == [{"n": "mine"}]
    assert b24.call(Name.ECHO, {"n": "mine"}).data == {"n": "mine"}


NO_CALLS = [
    pytest.param("crm.deal.list", "calls: expected a list or a mapping of calls, got 'crm.deal.list'", id="text"),
    pytest.param(b"x", "calls: expected a list", id="bytes"),
    pytest.param(None, "calls: expected a list or a mapping of calls, got None", id="None"),
    pytest.param(5, "calls: expected a list", id="number"),
    pytest.param(Command("echo"), "calls: expected a list", id="single Command"),
]
BAD_CALLS = [
    pytest.param(5, r"call 1: expected .*or a Command; got 5", id="number"),
    pytest.param(None, r"call 1: .*; got None", id="None"),
    pytest.param("crm.deal.list", r"""call 1: .*; got 'crm.deal.list'; write \("crm.deal.list",\)""", id="bare method"),
    pytest.param((), r"call 1: .*; got \(\)", id="empty tuple"),
    pytest.param(("echo", {}, {}), "call 1: ", id="three parts"),
    pytest.param({}, "call 1: .*; got {}", id="empty mapping"),
    pytest.param({"params": {}}, "call 1: .*a mapping with a .method.", id="mapping without method"),
    pytest.param(
        {"method": "echo", "parms": {}}, "call 1: expected only the keys method and params, got 'parms'", id="parms"
    ),
    pytest.param(("", {}), "call 1: method: expected a name such as crm.deal.add, got ''", id="empty method"),
    pytest.param(("crm deal.add",), "call 1: .*, got 'crm deal.add'", id="method with space"),
    pytest.param(("crm.deal.add?x=1",), "call 1: method: expected", id="method with question mark"),
    pytest.param(("crm.deal.add\n",), "call 1: method: expected", id="method with line break"),
    pytest.param((".crm",), "call 1: method: expected", id="method with leading dot"),
    pytest.param(("crm..add",), "call 1: method: expected", id="method with two dots"),
    pytest.param(("crm/deal",), "call 1: method: expected", id="method with slash"),
    pytest.param(("crm.сделка",), "call 1: method: expected", id="method in Cyrillic"),
    pytest.param(("crm.deal.get.json",), "call 1: .*without a format", id=".json"),
    pytest.param(("crm.deal.get.XML",), "call 1: .*without a format", id=".xml"),
    pytest.param((5, {}), "call 1: method: expected a name such as crm.deal.add, got 5", id="number for a method"),
    pytest.param(("echo", "a=1"), "call 1: params: expected a mapping, .* got 'a=1'", id="params as text"),
    pytest.param(("echo", 5), "call 1: params: expected a mapping, .* got 5", id="params as number"),
    pytest.param({"method": "echo", "params": {1, 2}}, "call 1: params: expected", id="params as set"),
    pytest.param(("echo", {"a": ["x" * 100, b""]}), "call 1 .echo.: a.1 is bytes", id="bytes"),
]


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize(("calls", "message"), NO_CALLS)
def test_what_is_no_calls(b24, calls, message):
    """Something that is no collection of calls is refused, and shown."""
    for send in ways(b24):
        with pytest.raises(UsageError, match=message):
            send(calls)


@pytest.mark.usefixtures("refused")
def test_stream_batch_checks_its_arguments_when_called(b24):
    """A generator would raise only at its first row; the call itself does."""
    for calls, options in ((None, {}), ([], {"chunk_size": 0}), ([], {"request_id": ""}), ({}, {})):
        with pytest.raises(UsageError):
            b24.stream_batch(calls, **options)


@pytest.mark.usefixtures("refused")
@together(("call", "message"), BAD_CALLS)
def test_a_wrong_call(b24, call, message):
    """A wrong call is refused with its position and its value, and nothing is sent."""
    for send in ways(b24):
        with pytest.raises(UsageError, match=message):
            send([("echo",), call])
        with pytest.raises(UsageError, match=message):
            send(iter([("echo",), call]))


@pytest.mark.usefixtures("refused")
@together(("call", "message"), BAD_CALLS)
def test_a_wrong_call_under_a_name(b24, call, message):
    """Among named calls the name takes the position's place."""
    with pytest.raises(UsageError, match=message.replace("call 1", "call 'second'")):
        b24.batch({"first": ("echo",), "second": call})


@pytest.mark.usefixtures("refused")
def test_a_call_is_named_in_its_error(b24):
    """A direct call that cannot be sent is named by its method, with the path to the value."""
    with pytest.raises(UsageError, match=r"^USAGE: crm\.deal\.add: fields\.A is bytes"):
        b24.call("crm.deal.add", {"fields": {"A": b""}})


def test_the_entity_types():
    """Each entity type has the number that is documented."""
    found = {each.name: each.value for each in EntityTypeId}
    types = {"LEAD": 1, "DEAL": 2, "CONTACT": 3, "COMPANY": 4, "OLD_INVOICE": 5, "QUOTE": 7, "REQUISITE": 8}
    assert found == {**types, "ORDER": 14, "SMART_INVOICE": 31}


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("length", [79, 80, 81, 200])
def test_a_long_value_is_cut(b24, length):
    """A message shows a value of up to 80 characters, and the first 77 of a longer one."""
    method = "x" * (length - 3) + " "
    with pytest.raises(UsageError) as caught:
        b24.batch([(method, {})])
    assert caught.value.description.endswith(f" got {method!r}" if length <= 80 else f" got {repr(method)[:77]}...")


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("name", ["", None, 5, ("a",), b"x", "x\ud800"], ids=repr)
def test_a_wrong_name(b24, name):
    """A name is text of at least one character."""
    with pytest.raises(UsageError, match=r"call .*name: "):
        b24.batch({name: ("echo",)})
    if name is not None:
        with pytest.raises(UsageError, match="name: "):
            Command("echo", name=name)


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize(
    ("calls", "name"),
    [
        ([Command("echo", name="a"), Command("echo", name="a")], "'a'"),
        ([("echo",), Command("echo", name="0")], "'0'"),
        ([Command("echo", name="1"), ("echo",)], "'1'"),
    ],
)
def test_two_calls_of_one_name(b24, calls, name):
    """Two calls of one name are refused: the portal would run only the last; positions are names too."""
    for send in ways(b24):
        with pytest.raises(UsageError, match=f"two calls have the same name, {name}"):
            send(calls)


@pytest.mark.usefixtures("refused")
def test_a_wrong_value_in_a_named_command(b24):
    """A Command with a name of its own is named by position and name."""
    with pytest.raises(UsageError, match=r"call 1 'mine' \(echo\): a is bytes"):
        b24.batch([("echo",), Command("echo", {"a": b""}, name="mine")])
    with pytest.raises(UsageError, match=r"call 'mine' \(echo\): a is bytes"):
        b24.batch({"mine": ("echo", {"a": b""})})


@pytest.mark.usefixtures("refused")
def test_a_command_with_another_name(b24):
    """A Command with a name of its own under another name is refused."""
    with pytest.raises(UsageError, match="call 'a': the Command has a different name, 'b'"):
        b24.batch({"a": Command("echo", name="b")})


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("size", [0, 51, -1, True, 2.0, "50", None], ids=repr)
def test_a_wrong_chunk_size(b24, size):
    """A chunk holds 1 to 50 commands."""
    for send in (b24.batch_by_chunk, b24.stream_batch):
        with pytest.raises(UsageError, match="chunk_size: expected a whole number from 1 to 50, got "):
            send([("echo",)], chunk_size=size)


@pytest.mark.usefixtures("refused")
def test_the_sizes_of_a_batch(b24):
    """A batch holds 1 to 50 calls; batch_by_chunk refuses a mapping and takes an empty list for a success."""
    with pytest.raises(UsageError, match="calls: expected at most 50 in one batch, got 51; use batch_by_chunk"):
        b24.batch([("echo",)] * 51)
    for empty in ([], {}):
        with pytest.raises(UsageError, match="calls: expected at least one call, got none"):
            b24.batch(empty)
    for send in (b24.batch_by_chunk, b24.stream_batch):
        with pytest.raises(UsageError, match="calls: expected a list, got a mapping; use batch"):
            send({"a": ("echo",)})
    result = b24.batch_by_chunk([])
    assert (result.is_success, result.data, result.rows) == (True, [], [])
    assert list(b24.stream_batch([])) == []


def test_the_largest_batch(portal, b24):
    """A batch holds 50 calls, in one request."""
    assert len(b24.batch([("echo",)] * 50).data) == 50
    assert len(portal.requests) == 1


@pytest.mark.usefixtures("refused")
def test_a_batch_over_4_mb(b24):
    """Commands that are more than 4 MB only together are refused by `batch`."""
    with pytest.raises(UsageError, match="more than 4000000 bytes together"):
        b24.batch([("echo", {"a": "x" * 1_500_000})] * 3)


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("request_id", ["", "x" * 129, "a\nb", "a\r", "é", " a", 5, b"x"], ids=repr)
def test_a_wrong_request_id(b24, request_id):
    """A request id is printable ASCII, as long as the portal keeps it."""
    for send in (b24.batch, b24.batch_by_chunk, b24.stream_batch):
        with pytest.raises(UsageError, match="request_id: expected 1 to 128 printable ASCII characters, got "):
            send([("echo",)], request_id=request_id)
    with pytest.raises(UsageError, match="request_id: expected"):
        b24.call("echo", request_id=request_id)


@pytest.mark.usefixtures("refused")
def test_a_wrong_direct_call(b24):
    """`call` checks method, params and values as a batch does."""
    for method, params in (
        ("", None),
        ("a b", None),
        ("x.json", None),
        (None, None),
        ("echo", "a"),
        ("echo", {"a": b""}),
    ):
        with pytest.raises(UsageError):
            b24.call(method, params)


def test_stream_batch_raises_where_the_wrong_call_is(portal, b24):
    """A wrong call in chunk 3 raises after what was yielded, chunk 3 unsent."""
    rows = []
    with pytest.raises(UsageError, match="call 5"):
        for row in b24.stream_batch([*[("echo",)] * 5, 5], chunk_size=2):
            rows.append(row)
    assert len(rows) == 4
    assert len(portal.requests) == 2


def test_stream_batch_sends_a_full_chunk_without_reading_on(portal, b24):
    """A chunk leaves as soon as it is full; a slow source of calls does not hold it back."""
    read = []

    def source():
        for n in range(4):
            read.append(n)
            yield ("echo", {"n": n})

    stream = b24.stream_batch(source(), chunk_size=2)
    assert (read, len(portal.requests)) == ([], 0)
    next(stream)
    assert (read, len(portal.requests)) == ([0, 1], 1)


class Disguised(str):
    """Text that is found in no set, since it hashes as it likes."""

    __eq__ = str.__eq__

    def __hash__(self):
        return 7


def test_a_reserved_name_in_disguise(b24, refused):
    """A name that compares as it likes is looked at as the text that would be sent."""
    for send in (b24.call, lambda *call: b24.batch([call])):
        with pytest.raises(UsageError, match="reserved by the portal"):
            send("crm.deal.add", {Disguised("auth"): 1})


def test_a_mapping_with_a_name_that_is_none(b24, refused):
    """Calls in a mapping have names of text, not None."""
    with pytest.raises(UsageError, match="call None: name: expected a string"):
        b24.batch({None: ("server.time", {})})


def test_the_vendor_is_the_reason(b24):
    """What keeps a method with a vendor out of a batch is that, whatever else is wrong with it."""
    with pytest.raises(UsageError, match="part of the method before the colon"):
        b24.batch([("acme:deal.list", {"text": "$result[a][b]"})])
