"""Commands in a file: `Command.to_dict` and `Command.from_dict`."""

import datetime as dt
import enum
import json
import pickle
import uuid
from collections import OrderedDict
from decimal import Decimal

import pytest

from b24batch import Command, EntityTypeId, UsageError, ref


def there_and_back(command):
    return Command.from_dict(json.loads(json.dumps(command.to_dict())))


@pytest.mark.parametrize(
    "command",
    [
        Command("user.current"),
        Command("crm.deal.add", {"fields": {"TITLE": "a", "N": 1, "X": 1.5, "B": True, "E": None, "L": [], "D": {}}}),
        Command("task.item.add", [1, {"a": [2, None]}], name="task", idempotent=True),
        Command("crm.deal.add", {"fields": {"COMPANY_ID": ref("company"), "CONTACT_IDS": [1, ref(0)["item"]["id"]]}}),
        Command("a.b", {"n": ref("list").total, "m": {"n": ref("list").next}, "k": ref("x")[0]["0"]}),
        Command("a.b", [ref(3), [ref("n")]]),
        Command("vendor:a.b", {"text": "$result[company] stays text", "refs": [{"path": []}]}),
    ],
    ids=repr,
)
def test_there_and_back(command):
    """A command of plain values is the same after it went through JSON, with its references, name and mark."""
    assert there_and_back(command) == command


def test_the_shortest_dict():
    """A dict that a program wrote itself needs the method only."""
    assert Command.from_dict({"method": "a.b"}) == Command("a.b", None, name=None, idempotent=False)


def nested(value, depth):
    for _ in range(depth):
        value = [value]
    return value


def test_a_deep_reference():
    """A reference comes back from any depth that a value may have, although the interpreter's stack is limited."""
    command = Command("a.b", {"x": nested(ref("a"), 499)})
    assert there_and_back(command) == command


def test_the_dict():
    """The dict has the keys of a line of the program, and ``refs`` only where the params have references."""
    assert Command("a.b", {"x": 1}).to_dict() == {
        "method": "a.b",
        "params": {"x": 1},
        "name": None,
        "idempotent": False,
    }
    assert Command("a.b", {"x": [ref("c")["id"]]}).to_dict() == {
        "method": "a.b",
        "params": {"x": ["$result[c][id]"]},
        "name": None,
        "idempotent": False,
        "refs": [{"path": ["x", 0], "target": "c", "keys": ["id"], "of": "result"}],
    }


class Stage(enum.Enum):
    NEW = "NEW"


VALUES = {
    "DATE": dt.date(2026, 1, 2),
    "TIME": dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.timezone(dt.timedelta(hours=3))),
    "NAIVE": dt.datetime(2026, 1, 2, 3, 4, 5, 6),
    "SUM": Decimal("1E+3"),
    "ID": uuid.UUID(int=7),
    "STAGE": Stage.NEW,
    "TYPE": EntityTypeId.DEAL,
    "MANY": ("a", ("b",)),
    "MAP": OrderedDict({1: "x", "y": None}),
    "NO": False,
}


@pytest.mark.parametrize("send", ["call", "batch", "batch_by_chunk"])
def test_the_same_arrives(b24, portal, send):
    """What is sent after the way through a file is what would have been sent before, value by value."""

    def sent(command):
        getattr(b24, send)(*((command.method, command.params) if send == "call" else ([command],)))
        return portal.requests[-1].params

    command = Command("crm.deal.add", {"fields": VALUES, "params": {"REGISTER_SONET_EVENT": True}})
    assert sent(there_and_back(command)) == sent(command)


def test_numpy():
    """numpy's numbers and booleans become Python's."""
    numpy = pytest.importorskip("numpy")
    command = Command("a.b", {"n": numpy.int64(5), "b": numpy.bool_(True), "s": numpy.str_("x")})
    assert there_and_back(command).params == {"n": 5, "b": True, "s": "x"}


CYCLE = {}
CYCLE["again"] = CYCLE


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"fields": {"PHOTO": b"x"}}, "a.b: fields.PHOTO is bytes"),
        ({"fields": {"PHOTO": b"x"}}, "files.file_value((name, content)) or file_data, as the method takes it, other"),
        ({"fields": [1, {"A": float("nan")}]}, "a.b: fields.1.A is nan"),
        ({"n": {2**70}}, "a.b: n is {"),
        ({"n": 2**70}, "a.b: n is an integer beyond 64 bits"),
        ({"x": {1: "a", "1": "b"}}, "a.b: x.1 is a name given twice"),
        (CYCLE, "is nested more than 500 levels deep"),
        ({"x": nested(1, 500)}, "is nested more than 500 levels deep"),
    ],
    ids=["bytes", "file", "nan", "set", "large", "twice", "cycle", "deep"],
)
def test_what_cannot_be_sent_is_refused(params, words):
    """A value that no request can hold is refused with the path to it, before it is in a file."""
    with pytest.raises(UsageError) as caught:
        Command("a.b", params).to_dict()
    assert words in str(caught.value)


REF = {"path": ["x"], "target": "c", "keys": [], "of": "result"}


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (None, "expected a mapping with the keys idempotent, method, name, params, refs, got None"),
        ([], "expected a mapping"),
        ({}, "expected a mapping"),
        ({"method": "a.b", "param": {}}, "expected a mapping"),
        ({"method": "a b"}, "method: expected a name"),
        ({"method": "a.b", "params": "x"}, "params: expected"),
        ({"method": "a.b", "name": ""}, "name: expected"),
        ({"method": "a.b", "idempotent": 1}, "idempotent: expected True or False, got 1"),
        ({"method": "a.b", "refs": 5}, "refs: expected mappings"),
        ({"method": "a.b", "refs": [5]}, "refs: expected mappings"),
        ({"method": "a.b", "refs": [REF | {"of": "time"}]}, "refs: expected mappings"),
        ({"method": "a.b", "refs": [REF | {"more": 1}]}, "refs: expected mappings"),
        ({"method": "a.b", "refs": [REF | {"target": None}]}, "refs: expected mappings"),
        ({"method": "a.b", "refs": [REF | {"of": "total", "keys": ["x"]}]}, "refs: expected mappings"),
        ({"method": "a.b", "refs": [REF]}, "refs: expected '$result[c]' at the path of ref('c'), got None"),
        ({"method": "a.b", "params": {"x": "text"}, "refs": [REF]}, "got 'text'"),
        ({"method": "a.b", "params": {"x": "$result[c]"}, "refs": [REF, REF]}, "got ref('c')"),
        *(
            ({"method": "a.b", "params": params, "refs": [REF | {"path": path}]}, "refs: expected '$result[c]'")
            for params, path in (
                (["$result[c]"], [-1]),
                (["$result[c]"], [1]),
                (["$result[c]"], ["0"]),
                (["$result[c]"], [0, 0]),
                ({"0": "$result[c]"}, [0]),
                ({"x": "$result[c]"}, [["x"]]),
            )
        ),
    ],
)
def test_another_dict_is_refused(stored, words):
    """A dict that `to_dict` did not make is refused, and the message says what is wrong with it."""
    with pytest.raises(UsageError) as caught:
        Command.from_dict(stored)
    assert words in str(caught.value)


def test_remaining_goes_to_a_file_and_back(b24, portal, tmp_path):
    """What remains of a run is written to a file, and another program sends it, with its references."""
    calls = [
        ("user.current",),
        ("no.such.method",),
        Command("crm.company.add", {"fields": {"TITLE": "A", "OPENED": True}}, name="company"),
        ("crm.deal.add", {"fields": {"TITLE": "B", "COMPANY_ID": ref("company"), "CLOSEDATE": dt.date(2026, 1, 2)}}),
    ]
    remaining = b24.batch_by_chunk(calls).remaining()
    path = tmp_path / "remaining.json"
    path.write_text(json.dumps([command.to_dict() for command in remaining]))
    again = [Command.from_dict(stored) for stored in json.loads(path.read_text())]
    result = b24.batch_by_chunk(again)
    assert result.is_success
    deal = b24.call("crm.deal.get", {"id": result.data[1]}).data
    assert deal["COMPANY_ID"] == str(result.data[0])


class TestValuesByName:
    """`Result.data` of named calls: a dict that says why a value is missing."""

    @pytest.fixture
    def data(self, b24):
        return b24.batch({"a": ("echo", {"x": 1}), "b": ("no.such.method",), "c": ("echo",)}).data

    def test_why(self, b24, portal, data):
        """The message names the command, its status and the code of its error, or the words if there is no code."""
        portal.fail_next("lost_after")
        deals = {f"d{n}": ("crm.deal.get", {"id": 4711}) for n in range(2)}
        others = b24.batch(deals).data
        for values, name, words in [
            (data, "b", "b failed: ERROR_METHOD_NOT_FOUND"),
            (data, "c", "c skipped"),
            (data, "other", "other"),
            (data, 0, 0),
            (others, "d0", "d0 failed: Not found"),
        ]:
            with pytest.raises(KeyError) as caught:
                values[name]
            assert caught.value.args == (words,)

    def test_it_is_a_dict(self, data):
        """It equals, prints, dumps and pickles as the dict of the values, and lookups that forgive do so."""
        plain = {"a": {"x": "1"}}
        assert data == plain
        assert (repr(data), json.dumps(data), data.get("b"), "b" in data) == (
            repr(plain),
            json.dumps(plain),
            None,
            False,
        )
        assert type(pickle.loads(pickle.dumps(data))) is dict
        assert {**data} == data | {} == data.copy() == plain

    def test_a_result_that_was_pickled(self, b24):
        """A result still says why after it was pickled, whether its data had been looked at or not."""
        result = b24.batch({"b": ("no.such.method",)})
        for _ in range(2):
            with pytest.raises(KeyError, match="b failed: ERROR_METHOD_NOT_FOUND"):
                pickle.loads(pickle.dumps(result)).data["b"]
            assert result.data is result.data

    def test_rows(self, b24):
        """With `return_ajax_result` every name has its row."""
        result = b24.batch({"a": ("echo",), "b": ("no.such.method",)}, return_ajax_result=True)
        assert [row.status for row in result.data.values()] == ["ok", "failed"]
        assert result.data is result.data
