"""The sandbox's batch, against recorded answers and rule by rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drawing import together

from b24batch.sandbox import Page, Portal, PortalError
from b24batch.sandbox.php.values import answered, received, to_int, to_mapping
from b24batch.sandbox.rest import batch as batches

VECTORS = Path(__file__).parents[1] / "vectors" / "batch.jsonl"
TIME = {"start": 1.5, "finish": 2, "duration": 0.5, "processing": 0.25}
NOT_FOUND = {"error": "ERROR_METHOD_NOT_FOUND", "error_description": "Method not found!"}


def title_of(params):
    """Return the title in the fields, if they are a map."""
    fields = params.get("fields")
    return fields.get("title") if isinstance(fields, dict) else None


STUBS = {
    "echo": lambda params, _start: {"result": params},
    "add": lambda _params, _start: {"result": 101},
    "item.add": lambda params, _start: {"result": {"item": {"id": 7, "title": title_of(params)}}},
    "list": lambda _params, start: {"result": [{"ID": "1"}, {"ID": "2"}], "next": start + 50, "total": 120},
    "empty": lambda _params, _start: {"result": []},
    "nothing": lambda _params, _start: {"result": None},
    "yes": lambda _params, _start: {"result": True},
    "text": lambda _params, _start: {"result": "Ünï & 100%"},
    "fail": lambda _params, _start: {"error": "ERROR_CORE", "error_description": "it failed"},
    "fail.numeric": lambda _params, _start: {"error": "", "error_description": "blank code"},
    "limit": lambda _params, _start: {
        "error": "OPERATION_TIME_LIMIT",
        "error_description": "Method is blocked due to operation time limit.",
    },
}


def stub(method, params):
    """Answer as the stubs of the recording did."""
    rest = dict(params)
    start = to_int(rest.pop("start", 0))
    made = STUBS.get(method.lower())
    envelope = answered(made(rest, start)) if made else dict(NOT_FOUND)
    return envelope if "error" in envelope else {**envelope, "time": TIME}


def as_recorded(value):
    """The recorder wrote null for text that is not UTF-8, where the portal writes a replacement character."""
    if isinstance(value, str):
        return None if any("\udc80" <= mark <= "\udcff" for mark in value) else value
    if isinstance(value, dict):
        return {key: as_recorded(item) for key, item in value.items()}
    return [as_recorded(item) for item in value] if isinstance(value, list) else value


LINES = VECTORS.read_text(encoding="utf-8").splitlines()


def test_recorded_answers():
    """The portal's own answers come out equal: values, order of keys, list or object."""
    for number, line in enumerate(LINES, start=1):
        recorded = json.loads(line)
        maps = batches.run(to_mapping(received(recorded["request"])), stub)
        assert json.dumps(as_recorded(answered(maps))) == json.dumps(recorded["response"]), f"line {number}"


def test_all_recorded_answers_are_there():
    """240 answers were recorded."""
    assert len(LINES) == 240


@pytest.fixture(scope="module")
def portal():
    """A portal with a few methods to put into batches."""
    with Portal() as portal:

        @portal.method("echo")
        def echo(params):
            return params

        @portal.method("fail")
        def fail(params):
            raise PortalError(str(params.get("code", "MY_CODE")), "it failed", extra={"argument": "x"})

        @portal.method("value")
        def value(params):
            return json.loads(params["json"])

        @portal.method("list")
        def page(params):
            return Page([{"ID": "1"}], next=params.start + 50, total=70)

        yield portal


def value_command(value):
    """Return a command whose result is this value."""
    return "value?json=" + json.dumps(value).replace("%", "%25").replace("&", "%26").replace("+", "%2B")


FALSY = ["", "0", 0, 0.0, None, False, [], {}]
TRUTHY = ["false", "False", "N", "0.0", "00", " ", [0], {"a": 1}, 1, -1, True, 0.1]


@together(
    ("halt", "stops"),
    [*((halt, False) for halt in FALSY), *((halt, True) for halt in TRUTHY)],
)
def test_halt_is_read_as_php_reads_it(wire, halt, stops):
    """The text "0" is false, the text "false" is true."""
    maps = wire.batch({"a": "fail", "b": "echo?x=1"}, halt=halt)
    assert (maps["result"] == []) is stops


def test_halt_absent_does_not_stop(wire):
    """Without halt everything runs."""
    assert wire.batch({"a": "fail", "b": "echo?x=1"})["result"] == {"b": {"x": "1"}}


@pytest.mark.parametrize("code", ["", "0"], ids=["empty", "zero"])
def test_halt_stops_at_codes_that_are_false(wire, code):
    """An error with an empty code stops a batch as any other does."""
    maps = wire.batch({"a": f"fail?code={code}", "b": "echo"}, halt=1)
    assert (maps["result"], maps["result_error"]["a"]["error"]) == ([], code)


@pytest.mark.parametrize("cmd", [None, "crm.deal.list", 5, [], {}, ""], ids=repr)
def test_no_commands(wire, cmd):
    """A batch without commands answers five empty lists."""
    maps = wire.batch(cmd)
    assert list(maps.items()) == [
        ("result", []),
        ("result_error", []),
        ("result_total", []),
        ("result_next", []),
        ("result_time", []),
    ]


@pytest.mark.parametrize("names", [("cmd", "halt"), ("CMD", "HALT"), ("Cmd", "Halt")], ids=lambda names: names[0])
def test_names_of_the_arguments_in_any_case(wire, names):
    """Cmd and halt are read in any case."""
    maps = wire.call("batch", {names[0]: ["fail", "echo"], names[1]: 1}).result
    assert (maps["result"], len(maps["result_error"])) == ([], 1)


def test_commands_past_the_fiftieth(wire):
    """Fifty run; each later one is refused, the first fifty keep their results."""
    maps = wire.batch({f"c{n}": "echo?n=1" for n in range(53)})
    assert len(maps["result"]) == 50
    assert list(maps["result_error"]) == ["c50", "c51", "c52"]
    assert maps["result_error"]["c50"]["error"] == "ERROR_BATCH_LENGTH_EXCEEDED"
    halted = wire.batch({f"c{n}": "echo?n=1" for n in range(53)}, halt=1)
    assert list(halted["result_error"]) == ["c50"]


@pytest.mark.parametrize("element", [5, None, True, ["echo"], {"a": "echo"}], ids=repr)
def test_elements_that_are_not_text(wire, element):
    """They leave no trace, do not halt, and still use one of the fifty places."""
    maps = wire.batch([element, *["echo?n=1"] * 50], halt=1)
    assert list(maps["result"]) == [str(n) for n in range(1, 50)]
    assert list(maps["result_error"]) == ["50"]


@pytest.mark.parametrize("method", ["batch", "download", "upload"])
def test_banned_methods(wire, method):
    """They are not allowed inside a batch."""
    error = wire.one(f"{method}?cmd[z]=echo")
    assert error == {
        "error": "ERROR_BATCH_METHOD_NOT_ALLOWED",
        "error_description": "Method is not allowed for batch usage",
    }


def test_the_ban_minds_the_case(wire):
    """BATCH slips through and runs a nested batch."""
    assert wire.one("BATCH?cmd[z]=echo%3Fa=1")["result"] == {"z": {"a": "1"}}


@pytest.mark.parametrize(
    "command",
    [
        "/echo",
        "echo/",
        " echo",
        "echo ?a=1",
        "echo.json",
        "",
        "?a=1",
        "m:80",
        "//",
        "http://h/echo",
        "no.such",
    ],
)
def test_methods_that_are_not_found(wire, command):
    """A method is taken as it stands in the command, without trimming or suffixes."""
    error = wire.one(command)
    assert (error["error"], error["error_description"][:17]) == tuple(NOT_FOUND.values())


@pytest.mark.parametrize("command", ["echo?a=1", "ECHO?a=1", "Echo?a=1", "vendor:echo?a=1"])
def test_methods_in_any_case(wire, command):
    """Methods are found without case; a vendor prefix is dropped."""
    assert wire.one(command) == {"a": "1"}


@pytest.mark.parametrize(
    ("cmd", "result", "errors"),
    [
        (["value?json=7", 'value?json="x"'], [7, "x"], []),
        (["fail", 'value?json="x"'], {"1": "x"}, list),
        (["value?json=7", "fail", 'value?json="x"'], {"0": 7, "2": "x"}, dict),
        ({"a": "fail"}, [], dict),
        ({"0": "value?json=1", "1": "value?json=2"}, [1, 2], []),
        ({"1": "value?json=1", "0": "value?json=2"}, {"1": 1, "0": 2}, []),
        ({"07": "value?json=1"}, {"07": 1}, []),
        (["value?json=null", "value?json={}"], [None, []], []),
    ],
    ids=[
        "list",
        "first fails",
        "middle fails",
        "all fail",
        "counted names",
        "other order",
        "07",
        "null and empty",
    ],
)
def test_maps_are_lists_where_php_makes_lists(wire, cmd, result, errors):
    """Every map by itself is a list when its keys count up from 0, and the empty one always."""
    maps = wire.batch(cmd)
    assert json.dumps(maps["result"]) == json.dumps(result)
    assert maps["result_error"] == errors if errors == [] else type(maps["result_error"]) is errors


def test_a_duplicate_name_runs_once(wire):
    """Of two commands with one name in JSON text the last wins, in the place of the first."""
    body = '{"cmd":{"a":"echo?n=1","b":"echo?n=2","a":"echo?n=3"}}'
    maps = wire.send("POST", wire.path + "batch", body, Content_Type="application/json").result
    assert list(maps["result"].items()) == [("a", {"n": "3"}), ("b", {"n": "2"})]


def test_which_maps_have_an_entry(wire):
    """A success is in result and result_time, a failure only in result_error, a halted command nowhere."""
    maps = wire.batch({"a": "echo", "l": "list?start=50", "x": "fail", "z": "echo"}, halt=1)
    assert {name: list(entries) for name, entries in maps.items()} == {
        "result": ["a", "l"],
        "result_error": ["x"],
        "result_total": ["l"],
        "result_next": ["l"],
        "result_time": ["a", "l"],
    }
    assert (maps["result_total"]["l"], maps["result_next"]["l"]) == (70, 100)
    assert maps["result_error"]["x"] == {
        "error": "MY_CODE",
        "error_description": "it failed",
        "argument": "x",
    }


def test_reserved_params_of_a_command(wire):
    """State, start and the webhook's own credentials never reach a method; token is taken for a signed link."""
    assert wire.one("echo?state=1&start=2&ap=3&aplogin=4&START=5&method=6") == {"START": "5", "method": "6"}
    assert wire.one("echo?token=x")["error"] == "ACCESS_DENIED"


SETUP = {
    "a": value_command(42),
    "s": value_command("123"),
    "h": value_command("hello big world"),
    "i": value_command({"item": {"id": 5, "title": "hello world", "n": None, "list": [{"id": 11}, {"id": 12}]}}),
    "l": "list",
    "n": value_command(None),
    "tr": value_command(True),
    "f": value_command(1.5),
    "x": "fail",
}
ITEM = {"id": 5, "title": "hello world", "n": None, "list": [{"id": 11}, {"id": 12}]}
ALL = ["a", "s", "h", "i", "l", "n", "tr", "f"]
LITERAL = object()

REFERENCES = [
    ("$result[a]", 42),
    ("$result[s]", "123"),
    ("$result[f]", 1.5),
    ("$result[tr]", True),
    ("$result[i][item][list][1][id]", 12),
    ("$result[i][item]", ITEM),
    ("$total[l]", 70),
    ("$next[l]", 50),
    ("$error[x][error]", "MY_CODE"),
    ("$error[x]", {"error": "MY_CODE", "error_description": "it failed", "argument": "x"}),
    ("ID $result[a] end", "ID 42 end"),
    ("x$result[a]", "x42"),
    ("pre $result[f] post", "pre 1.5 post"),
    ("pre $result[tr] post", LITERAL),
    ("pre $result[i] post", LITERAL),
    ("pre $result[n] post", LITERAL),
    ("$result[a]x", 42),
    ("$result[a]]", 42),
    ("$result[a]&b", 42),
    ("$result(a)[a]", 42),
    ("$result[a],$result[s]", 42),
    ("$result[a]-$result[s]", 42),
    ("$result[a], $result[s]", "42 123"),
    ("[$result[a]]", "[42"),
    ("(=$result[a])", "(=42"),
    ('{"id":"$result[a]"}', '{"id":"42'),
    ('{"id": $result[a] }', '{"id": 42 }'),
    ("$$result[a]", "$42"),
    ("\\$result[a]", "\\42"),
    ("$result[a] $result[a][q] $result[a]", "42 42[q] 42"),
    ("$result[missing]", ALL),
    ("$result[missing][ID]", ALL),
    ("$result[x][ID]", ALL),
    ('$result["a"]', ALL),
    ("$result[n]", ALL),
    ("$result[00]", ALL),
    ("$result[a][ID]", 42),
    ("$result[s][ID]", "123"),
    ("$result[s][0]", "1"),
    ("$result[h][0]", "h"),
    ("$result[h][-1]", "d"),
    ("$result[h][01]", "e"),
    ("$result[h][99]", "hello big world"),
    ("$result[i][item][title][0]", "h"),
    ("$result[l][ID]", [{"ID": "1"}]),
    ("$result[i][item][nope]", ITEM),
    ("$result[i][item][n][q]", ITEM),
    ("$total[a]", {"l": 70}),
    ("$error[missing]", ["x"]),
    ("$RESULT[a]", None),
    ("$Total[l]", None),
    ("pre $RESULT[a]", LITERAL),
    ("$results[a]", 42),
    ("$resultX[a]", 42),
    ("$result.foo[a]", 42),
    ("$result[][a]", 42),
    ("$result[a][]", 42),
    ("$result[ a ]", LITERAL),
    ("$result", LITERAL),
    ("price $total", LITERAL),
    ("$result[]", LITERAL),
    ("$result [a]", LITERAL),
    ("$result[a", LITERAL),
    ("$result{a}", LITERAL),
    ("cost $5", LITERAL),
    ("$argument[x]", "x"),
    # The shorter name is tried first, and matches.
    ("$error_description[x]", {"error": "MY_CODE", "error_description": "it failed", "argument": "x"}),
    ("$result\u00a0[a]", 42),
    ("$re\u017fult[a]", LITERAL),
]


def test_references(wire):
    """A reference becomes what the walk reaches, with its type when it is the whole value."""
    for sent, got in REFERENCES:
        quoted = "".join(f"%{byte:02X}" for byte in sent.encode())
        value = wire.batch({**SETUP, "k": f"echo?v={quoted}"})["result"]["k"]["v"]
        if isinstance(got, list) and all(isinstance(name, str) for name in got):
            value = list(value)
        expected = sent if got is LITERAL else got
        assert (value, type(value)) == (expected, type(expected)), sent


def test_time_can_be_referred_to(wire):
    """$time[a][start] is a whole second."""
    assert type(wire.batch(["echo", "echo?t=$time[0][start]"])["result"][1]["t"]) is int


def test_references_by_position(wire):
    """With a list of commands the keys are numbers; 00 is none of them."""
    maps = wire.batch(["value?json=7", "echo?a=$result[0]&b=$result[00]"])
    assert maps["result"][1] == {"a": 7, "b": [7]}


def test_keys_are_never_substituted(wire):
    """A reference in a key stays as it is, and goes deep in values."""
    maps = wire.batch(["value?json=7", "echo?$result[0]=1&f[x][y]=$result[0]"])
    assert maps["result"][1] == {"$result": ["1"], "f": {"x": {"y": 7}}}


def test_error_keys_are_no_buckets_before_a_failure(wire):
    """$argument means something only once an error has carried that key."""
    assert wire.batch(["echo?v=$argument[x]"])["result"][0] == {"v": "$argument[x]"}


def test_references_with_no_result_yet(wire):
    """A reference before the first success becomes an empty list."""
    assert wire.batch(["echo?v=$result[x]"])["result"][0] == {"v": []}


def test_results_are_copies(portal, wire):
    """What a command got by reference is not changed by what comes later."""
    maps = wire.batch({"a": "value?json=1", "b": "echo?v=$result[zz]", "c": "value?json=3"})
    assert maps["result"]["b"] == {"v": {"a": 1}}
    assert portal.executed[-2].params == {"v": {"a": 1}}
