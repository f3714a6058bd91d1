"""What a query string cannot carry: refused by a batch, delivered unchanged and in its place by a chunked run."""

import json
import re

import pytest
from drawing import drawn, together
from hypothesis import given
from hypothesis import strategies as st

from b24batch import UsageError
from b24batch.calls.query import Query
from b24batch.calls.words import measure_command


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = {"k": value}
    return value


#: Parameters that PHP's parse_str or the portal's substitution would change, and the reason that is given.
OBSTACLES = [
    pytest.param(
        {"a": "$result[x]"}, "a has text that the portal would read as a reference: '$result[x]'", id="reference"
    ),
    pytest.param({"a": "$result[0] too"}, "would read as a reference", id="reference to a command before other text"),
    pytest.param({"a": "costs $total[x] in all"}, "would read as a reference", id="reference inside text"),
    pytest.param({"a": {"b": ["$ERROR[x][y]"]}}, "a.b.0 has text that the portal would read", id="in other case"),
    pytest.param({"a": "x$Result-of(y)[z]"}, "would read as a reference", id="something that only looks like one"),
    pytest.param({"a": "$argument[0]"}, None, id="a bucket that appears after an error"),
    pytest.param({"a": "[B]$price[/B]"}, None, id="a price in bold"),
    pytest.param({"a": list(range(1001))}, "a is more than 1000 values", id="1001 values"),
    pytest.param({"a": list(range(1000)), "filter": []}, None, id="1000 values and an argument left out"),
    pytest.param({"a": 1, "b": []}, "b is an empty list or mapping, which a query cannot hold", id="empty argument"),
    pytest.param({"a": 1, "b": list(range(1000))}, "b is more than 1000 values", id="1001 values in two"),
    pytest.param({"a": nested(65)}, "a is nested more than 64 levels deep", id="65 deep"),
    pytest.param({"a": nested(64)}, None, id="64 deep"),
    pytest.param({"a": {"b": {}, "c": nested(63)}}, None, id="64 deep and an empty mapping"),
    pytest.param({"": "x"}, " has a name that PHP would change: ''", id="empty argument name"),
    pytest.param({"a.b": "x"}, "has a name that PHP would change: 'a.b'", id="argument name with a dot"),
    pytest.param({"a b": "x"}, "has a name that PHP would change: 'a b'", id="argument name with a space"),
    pytest.param({"a[b": "x"}, "has a name", id="argument name with a bracket"),
    pytest.param({"a\0b": "x"}, "has a name", id="argument name with a NUL"),
    pytest.param({"a": {"": "x"}}, "a has a name that PHP would change: ''", id="empty name"),
    pytest.param({"a": {" ": "x"}}, "has a name", id="name of a space"),
    pytest.param({"a": {"\t": "x"}}, "has a name", id="name of a tab"),
    pytest.param({"a": {"b[c": "x"}}, "has a name", id="name with ["),
    pytest.param({"a": {"b]": "x"}}, "has a name", id="name with ]"),
    pytest.param({"a": {"b\0": "x"}}, "has a name", id="name with NUL"),
    pytest.param({"a": {"__Host-x": "x"}}, "a has a name that PHP would change: '__Host-x'", id="cookie's name"),
    pytest.param({"a": {"b": {"__Secure-x": "x"}}}, "a.b has a name", id="secure cookie's name"),
    pytest.param([1, []], "1 is an empty list or mapping, which a query cannot hold", id="empty list among positional"),
    pytest.param(
        [1, {}], "1 is an empty list or mapping, which a query cannot hold", id="empty mapping among positional"
    ),
    pytest.param({"a": "x" * 4_000_001}, "more than 4000000 bytes", id="4 MB"),
]
SENT = [case for case in OBSTACLES if case.values[1] is None]
ALONE = [case for case in OBSTACLES if case.values[1] is not None]


@pytest.mark.usefixtures("refused")
@together(("params", "reason"), ALONE)
def test_a_batch_refuses_it(b24, params, reason):
    """`batch` refuses such a command with the reason, and sends nothing."""
    with pytest.raises(UsageError, match="batch_by_chunk sends it alone") as caught:
        b24.batch([("server.time",), ("echo", params)])
    assert str(caught.value).startswith("USAGE: call 1 (echo) cannot be sent in a batch: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(("params", "reason"), SENT)
def test_the_limit_itself_is_sent(portal, b24, params, reason):
    """What just fits a query travels in the batch, whole."""
    received = []
    portal.method("echo")(received.append)
    b24.batch([("echo", params)])
    assert len(received[0]["a"]) == len(params["a"])


@pytest.mark.parametrize("text", ["$argument[0]", "[B]$price[/B]", "$_x(y)[z]", "$error_description[a]"])
def test_without_halt_any_word_may_name_a_bucket(portal, b24, text):
    """Where the portal goes on after a failed command, its error adds names: text with any word in front goes alone."""
    received = []
    portal.method("echo")(lambda params: received.append(params["a"]) or len(received))
    calls = [("no.such.method",), ("echo", {"a": text}), ("echo", {"a": "x"})]
    with pytest.raises(UsageError, match="would read as a reference"):
        b24.batch(calls, halt_on_error=False)
    assert b24.batch_by_chunk(calls, halt_on_error=False).data == [1, 2]
    assert received == [text, "x"]
    assert [request.method for request in portal.requests] == ["batch", "echo", "batch"]


def test_a_price_in_bold_needs_no_request_of_its_own(portal, b24):
    """With the halt only the portal's own buckets count: ten such texts are one request."""
    fields = {"fields": {"TITLE": "[B]$price[/B]", "COMMENTS": "$total: $[5] $resul[t]"}}
    assert b24.batch_by_chunk([("crm.deal.add", fields)] * 10).is_success
    assert len(portal.requests) == 1
    assert b24.call("crm.deal.get", {"id": 10}).data["TITLE"] == "[B]$price[/B]"


@together(("params", "reason"), ALONE)
@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
def test_a_chunked_run_sends_it_alone(portal, b24, way, params, reason):
    """A chunked run delivers it unchanged, as a direct call in its place in the sequence."""
    received = []
    portal.method("echo")(lambda params: received.append(params) or len(received))
    calls = [("echo", {"n": 0}), ("echo", params), ("echo", {"n": 2})]
    rows = list(getattr(b24, way)(calls))
    assert [row.data for row in rows] == [1, 2, 3]
    assert [request.method for request in portal.requests] == ["batch", "echo", "batch"]
    sent = params if isinstance(params, dict) else dict(enumerate([1, []]))
    assert received[1] == sent


@pytest.mark.usefixtures("refused")
def test_a_batch_refuses_a_vendor_method(b24):
    """A batch would drop the vendor and might run another method; the name is refused there."""
    with pytest.raises(UsageError, match="would drop the part of the method before the colon"):
        b24.batch([("vendor:module.act", {"a": 1})])


def test_a_vendor_method_goes_alone(portal, b24):
    """A vendor's method is called directly, by its whole name."""
    rows = b24.batch_by_chunk([("echo",), ("vendor:module.act", {"a": 1}), ("echo",)], halt_on_error=False).rows
    assert [row.status for row in rows] == ["ok", "failed", "ok"]
    assert [request.method for request in portal.requests] == ["batch", "vendor:module.act", "batch"]


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("name", ["5", "-9223372036854775808", "9223372036854775807"])
def test_what_neither_way_can_carry(b24, name):
    """A command that a query would change and a direct call would renumber is refused everywhere."""
    with pytest.raises(UsageError, match=f"{name} would arrive as 0"):
        b24.batch_by_chunk([("echo", {name: "$result[0]"})])


@pytest.mark.usefixtures("refused")
def test_both_reasons_are_given(b24):
    """When neither way can carry a command, both reasons are told."""
    with pytest.raises(UsageError, match=r"5 would arrive as 0.*and in a batch, a has text that the portal would read"):
        b24.batch([("echo", {"5": "x", "a": "$result[0]"})])


@pytest.mark.parametrize("name", ["9223372036854775808", "-9223372036854775809"])
def test_a_number_too_long_for_php_is_a_name(b24, name):
    """A name of digits beyond 64 bit is text to PHP, and stays as it is in a direct call."""
    params = {name: "x", "a": "$result[0]"}
    assert b24.batch_by_chunk([("echo", params)]).data == [params]


REFERENCES = {
    False: re.compile(r"\$[a-z_]\S*\[[^\]\s]+\]", re.IGNORECASE | re.ASCII),
    True: re.compile(r"\$(result|next|total|time|error)\S*\[[^\]\s]+\]", re.IGNORECASE | re.ASCII),
}


@pytest.mark.parametrize("halt", [True, False])
@drawn(500)
@given(
    st.lists(st.sampled_from(["$", "a", "Z", "_", "[", "]", " ", "\n", "\xa0", "result", "Next", "tota"]), max_size=9)
)
def test_what_counts_as_a_reference(halt, pieces):
    """Exactly the text with a dollar, a bucket and a key in brackets before the next white space."""
    text = "".join(pieces)
    try:
        Query({"x": text}, "m", halt=halt)
    except UsageError:
        refused = True
    else:
        refused = False
    assert refused == bool(REFERENCES[halt].search(text))


@pytest.mark.parametrize("halt", [True, False])
@pytest.mark.parametrize("piece", ["$a[", "$a", "$a[]", "[", "$total[", "$total[]"], ids=repr)
def test_hostile_text(piece, halt):
    """Text made to confuse a search takes time in proportion to its length: megabytes of it are no trouble."""
    assert len(Query({"x": piece * 500_000}, "m", halt=halt).text) > 500_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "commands"), [(79_900, [50, 50]), (79_985, [49, 49, 2]), (1_333_300, [3, 3, 2]), (1_999_960, [2, 2])]
)
def test_a_body_of_at_most_4_mb(portal, b24, size, commands):
    """A chunk is cut before its body exceeds 4 MB, and not earlier."""
    portal.method("echo")(lambda params: None)
    assert b24.batch_by_chunk([("echo", {"a": "x" * size})] * sum(commands)).is_success
    assert max(int(request.headers["content-length"]) for request in portal.requests) <= 4_000_000
    assert [len(request.params["cmd"]) for request in portal.requests] == commands


def test_the_last_byte(portal, b24):
    """A body has exactly 4 MB at most: with one byte more a command goes alone, and a chunk is cut."""
    portal.method("echo")(lambda params: None)

    def sent(*sizes):
        before = len(portal.requests)
        assert b24.batch_by_chunk([("echo", {"a": "x" * size}) for size in sizes]).is_success
        return [(each.method, int(each.headers["content-length"])) for each in portal.requests[before:]]

    most = 4_000_000 - len('{"halt": 1, "cmd": {"0": "echo?a="}}')
    second = len(', "1": "echo?a="x')
    assert sent(most) == sent(most - second, 1) == [("batch", 4_000_000)]
    assert [method for method, _ in sent(most + 1)] == ["echo"]
    assert [method for method, _ in sent(most - second, 2)] == ["batch", "batch"]


@pytest.mark.parametrize("name", ["7", "order-7", "Ж7", 'x"y', "\\"])
def test_the_bytes_of_a_command(name):
    """What a command adds to a body is counted exactly, whatever its name."""
    first, second = (dict.fromkeys(names, "a.b?c=%22") for names in (("0",), ("0", name)))
    assert measure_command(name, "a.b?c=%22") == len(json.dumps(second)) - len(json.dumps(first))


def test_text_that_only_looks_dangerous(portal, b24):
    """Dollars without a word or without a bracket are text, and travel in the batch."""
    received = []
    portal.method("echo")(received.append)
    text = "$100 $ [a] $result $result [a] \\$ %24result[0]"
    b24.batch([("echo", {"a": text, "b": "$1[0]", "c": "$[0]"})])
    assert received[0] == {"a": text, "b": "$1[0]", "c": "$[0]"}


def test_an_error_of_a_lone_command_halts_nothing(b24):
    """A command that travels alone is its own chunk: its failure skips no other."""
    calls = [("echo",), ("no.such.method", {"a": "$result[x]"}), ("echo",), ("echo",)]
    assert [row.status for row in b24.batch_by_chunk(calls)] == ["ok", "failed", "ok", "ok"]
