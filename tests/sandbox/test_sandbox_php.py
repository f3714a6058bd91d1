"""The sandbox's PHP: parse_url, parse_str, JSON, casts."""

from __future__ import annotations

import json

import pytest
from drawing import together

from b24batch.sandbox.php import json as php_json
from b24batch.sandbox.php.query import parse_str
from b24batch.sandbox.php.url import parse_url
from b24batch.sandbox.php.values import answered, received, to_int, to_key, to_text


@together(
    ("command", "path", "query"),
    [
        pytest.param("crm.deal.list?a=b?c=d", "crm.deal.list", "a=b?c=d", id="second question mark"),
        pytest.param("m?url=http://x.y/z&b=2", "m", "url=http://x.y/z&b=2", id="url in a value"),
        pytest.param("m?t=12:30:45", "m", "t=12:30:45", id="time in a value"),
        pytest.param("m?x=a:80", "m", "x=a:80", id="port in a value"),
        pytest.param("m?a=1#x&b=2", "m", "a=1", id="fragment lost"),
        pytest.param("m#x?a=1", "m", None, id="fragment before the query"),
        pytest.param("m?a=1\nb\x00c\x7f", "m", "a=1_b_c_", id="control bytes in the query"),
        pytest.param("a\tb?c=1", "a_b", "c=1", id="control bytes in the method"),
        pytest.param("/crm.deal.get?a=1", "/crm.deal.get", "a=1", id="leading slash stays"),
        pytest.param("crm.deal.get/?a=1", "crm.deal.get/", "a=1", id="trailing slash stays"),
        pytest.param(" crm.deal.get", " crm.deal.get", None, id="leading space stays"),
        pytest.param("crm.deal.get &a=1", "crm.deal.get &a=1", None, id="no question mark"),
        pytest.param("https://host/crm.deal.get?a=1", "/crm.deal.get", "a=1", id="whole url"),
        pytest.param("https://host", None, None, id="url without a path"),
        pytest.param("vendor:module.ctrl.act?a=1", "module.ctrl.act", "a=1", id="vendor dropped"),
        pytest.param("m:80", None, None, id="host and port"),
        pytest.param("m:80/x?a=1", "/x", "a=1", id="host, port and path"),
        pytest.param("//", None, None, id="two slashes"),
        pytest.param("///m?a=1", None, None, id="three slashes"),
        pytest.param("/:80", None, None, id="slash and port"),
        pytest.param("/a:80", None, None, id="slash, name and port"),
        pytest.param("http:///x", None, None, id="no host"),
        pytest.param("https://h:70000/x", None, None, id="port too great"),
        pytest.param("", "", None, id="empty"),
        pytest.param("?a=1", None, "a=1", id="query alone"),
        pytest.param("//host?a=1", None, "a=1", id="host alone"),
        pytest.param("crm.сделка?a=ё", "crm.сделка", "a=ё", id="not ascii"),
        pytest.param("file:///c:/x?a=1", "c:/x", "a=1", id="drive letter"),
        pytest.param("m:", None, None, id="scheme alone"),
        pytest.param(":80", None, None, id="port alone"),
        pytest.param("u:p@h:1/x", "p@h:1/x", None, id="scheme, not a user"),
        pytest.param("//u:p@h:99999/x", None, None, id="bad port behind a user"),
        pytest.param("m:8a?b=1", "8a", "b=1", id="no port after all"),
        pytest.param("m?", "m", "", id="empty query"),
    ],
)
def test_parse_url(command, path, query):
    """A command splits as PHP's parse_url splits it; scheme, host, port and fragment are lost."""
    assert parse_url(command) == (path, query)


QUERIES = [
    ("a=1+2&b=1%2B2&c=%2", {"a": "1 2", "b": "1+2", "c": "%2"}),
    ("a.b=1&c d=2&e+f=3&g%2Eh=4", {"a_b": "1", "c_d": "2", "e_f": "3", "g_h": "4"}),
    ("a[b.c]=1&a[d e]=2", {"a": {"b.c": "1", "d e": "2"}}),
    (" a=1&+b=1&c =2", {"a": "1", "b": "1", "c_": "2"}),
    ("a=1&a=2", {"a": "2"}),
    ("a=1&a[]=2", {"a": ["2"]}),
    ("a[]=2&a=1", {"a": "1"}),
    ("a[b]=1&a=2&a[c]=3", {"a": {"c": "3"}}),
    ("x[]=1&x[5]=3&x[]=4", {"x": {0: "1", 5: "3", 6: "4"}}),
    ("x[01]=1&x[-1]=2&x[9223372036854775808]=3", {"x": {"01": "1", -1: "2", "9223372036854775808": "3"}}),
    ("x[-5]=1&x[]=2", {"x": {-5: "1", 0: "2"}}),
    ("x[9223372036854775807]=1&x[]=2", {"x": {9223372036854775807: "1"}}),
    ("x[-9223372036854775808]=1&x[-0]=2", {"x": {-9223372036854775808: "1", "-0": "2"}}),
    ("a[][b]=1&a[][c]=2", {"a": [{"b": "1"}, {"c": "2"}]}),
    ("a[0][b]=1&a[0][c]=2", {"a": [{"b": "1", "c": "2"}]}),
    ("filter[!=X]=1", {"filter_!": "X]=1"}),
    ("filter[>ID]=0", {"filter": {">ID": "0"}}),
    ("filter[%3EID]=0", {"filter": {">ID": "0"}}),
    ("filter%5B%3EID%5D=0", {"filter": {">ID": "0"}}),
    ("a[b=1", {"a_b": "1"}),
    ("a[b.c d[e=1", {"a_b_c_d_e": "1"}),
    ("a[b]c=1", {"a": {"b": "1"}}),
    ("a[b]c[d]=1", {"a": {"b": "1"}}),
    ("a[b[c]]=1", {"a": {"b[c": "1"}}),
    ("a[[b]]=1", {"a": {"[b": "1"}}),
    ("a[b][c=1", {"a": {"b": "1"}}),
    ("a[][c=1", {"a": ["1"]}),
    ("[a]=1&=1&[]=1", {}),
    ("a&b=&c[]", {"a": "", "b": "", "c": [""]}),
    ("a;b=1&c=1;d=2", {"a;b": "1", "c": "1;d=2"}),
    ("a%00b=1&c=x%00y", {"a": "1", "c": "x\0y"}),
    ("a[%20]=1&a[%09]=2&a[%0B]=3", {"a": ["1", "2", "3"]}),
    ("a[%20b]=1&a[%0D%0A]=2", {"a": {" b": "1", "\r\n": "2"}}),
    ("0=a&1=b", {0: "a", 1: "b"}),
    ("a[__Host-x]=1&b=2", {"a": [], "b": "2"}),
    ("a[__Host-x][b]=1", {"a": []}),
    ("__Host-a[__Host-x]=1", {"__Host-a": {"__Host-x": "1"}}),
    ("__Host-a[__Secure-x]=1", {"__Host-a": []}),
    ("..Host-x=1", {}),
    ("a[b][__Secure-x][c]=1&a[d]=2", {"a": {"b": [], "d": "2"}}),
    ("a[__host-x]=1", {"a": {"__host-x": "1"}}),
    ("$result[a]=1", {"$result": {"a": "1"}}),
    ("a=%FF%D0%9F", {"a": "\udcffП"}),
    ("&&a=1&", {"a": "1"}),
    ("", {}),
]


def test_parse_str():
    """A query decodes as PHP's parse_str decodes it."""
    for query, variables in QUERIES:
        decoded = {key: received(value) for key, value in parse_str(query).items()}
        assert decoded == variables, query
        assert json.dumps(decoded) == json.dumps(variables), query


def test_parse_str_drops_variables_past_the_thousandth():
    """max_input_vars: the tail of a long query vanishes."""
    many = parse_str("&".join(f"f[{n}]=1" for n in range(1100)))
    assert list(many["f"]) == list(range(1000))
    mixed = parse_str("a=1&" + "&".join(["v[]=x"] * 1100) + "&z=1")
    assert (len(mixed["v"]), list(mixed)) == (999, ["a", "v"])
    assert parse_str("&".join(["=1"] * 999) + "&a=1&b=2") == {"a": "1"}


@pytest.mark.parametrize(
    ("levels", "tail", "kept"),
    [(64, "", True), (65, "", False), (63, "[y", True), (64, "[y", False)],
    ids=["64", "65", "63 and a bracket left open", "64 and a bracket left open"],
)
def test_parse_str_drops_deep_variables(levels, tail, kept):
    """max_input_nesting_level: 64 brackets are kept, with 65 the whole variable disappears, others stay."""
    decoded = parse_str("a[z]=0&a" + "[x]" * levels + tail + "=1&b=2")
    assert list(decoded) == (["a", "b"] if kept else ["b"])


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("7", 7),
        ("-3", -3),
        ("0", 0),
        ("-0", "-0"),
        ("07", "07"),
        ("1.5", "1.5"),
        ("+7", "+7"),
        ("", ""),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", "9223372036854775808"),
        ("\u0667", "\u0667"),
    ],
)
def test_keys(key, kept):
    """Canonical decimal text within 64 bits is an int key, everything else stays text."""
    assert to_key(key) == kept
    assert type(to_key(key)) is type(kept)


@together(
    ("value", "text"),
    [
        ({}, "[]"),
        ([], "[]"),
        ({"0": 1, "1": 2}, "[1,2]"),
        ({1: 2, 0: 1}, '{"1":2,"0":1}'),
        ({0: 1, 2: 1}, '{"0":1,"2":1}'),
        ({"a": {}}, '{"a":[]}'),
        ((1, 2), "[1,2]"),
        (1.0, "1"),
        (-2.0, "-2"),
        (1.5, "1.5"),
        ("a/b", r'"a\/b"'),
        ("<a href='x'>\"&", r'"\u003Ca href=\u0027x\u0027\u003E\u0022\u0026"'),
        ('\\"', r'"\\\u0022"'),
        ("\\u0022", r'"\\u0022"'),
        ("Ünï 🙂\u2028\x7f\n\x1f", '"Ünï 🙂\\u2028\x7f\\n\\u001f"'),
        ("x\udcffy", '"x\ufffdy"'),
        ("\udced\udca0\udc80!", '"\ufffd!"'),
        ("\udce2\udc82x\udcf0\udc9f\udc98", '"\ufffdx\ufffd"'),
        ("\udce2\udce2\udc82\udcac\udcc0\udc80", '"\ufffd\u20ac\ufffd\ufffd"'),
        (1e15, "1000000000000000"),
        (-1.25e16, "-12500000000000000"),
        (1e17, "1.0e+17"),
        (1.5e300, "1.5e+300"),
        (1e-7, "1.0e-7"),
        (0.0001, "0.0001"),
        (-0.0, "-0"),
        ([0.0, 1e17, "1e+17 -0.0 5.0"], '[0,1.0e+17,"1e+17 -0.0 5.0"]'),
        ({"k/": None, "t": True}, r'{"k\/":null,"t":true}'),
    ],
)
def test_answers_are_written_as_php_writes_them(value, text):
    """Lists, maps, whole floats and escapes look as the portal's JSON does."""
    assert php_json.dumps(answered(value)) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}], ids=["nan", "inf", "deep"])
def test_what_json_cannot_say(value):
    """NaN and infinities have no JSON."""
    with pytest.raises(php_json.EncodingError):
        php_json.dumps(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2.0**63),
        ("-9223372036854775808", -(2**63)),
        ("1" + "0" * 300, 1e300),
        (' {"a":1,"b":2,"a":3}\n', {"a": 3, "b": 2}),
        ("[" * 511 + "]" * 511, ...),
        ('"\\ud83d\\ude00"', "\U0001f600"),
    ],
    ids=["greatest int", "beyond 64 bits", "least int", "far beyond", "duplicate keys", "511 levels", "pair"],
)
def test_json_is_read_as_php_reads_it(text, value):
    """Integers beyond 64 bits become floats, the last of duplicate keys wins in the first one's place."""
    read = php_json.loads(text)
    assert value is ... or json.dumps(read) == json.dumps(value)


@pytest.mark.parametrize(
    "text",
    ['{"a":1', "\ufeff{}", "[" * 512 + "]" * 512, "NaN", "[Infinity]", '"\\ud800"', "", "{'a':1}"],
    ids=["cut", "bom", "512 levels", "nan", "infinity", "lone surrogate", "empty", "quotes"],
)
def test_json_that_php_refuses(text):
    """What json_decode refuses is refused."""
    with pytest.raises(ValueError, match=r"."):
        php_json.loads(text)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12.50", 12),
        (" 12", 12),
        ("1e3", 1000),
        (".5e3x", 500),
        ("abc", 0),
        ("-5x", -5),
        ("9999999999999999999", 2**63 - 1),
        ([], 0),
        ([0], 1),
        ({"a": 1}, 1),
        (None, 0),
        (True, 1),
        (7.9, 7),
        (float("nan"), 0),
    ],
)
def test_intval(value, number):
    """(int) takes leading digits; an array that is not empty is 1."""
    assert to_int(value) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"),
        (0.1 + 0.2, "0.3"),
        (1e25, "1.0E+25"),
        (1.5e-7, "1.5E-7"),
        (True, "1"),
        (False, ""),
        ([1], "Array"),
    ],
)
def test_text_of(value, text):
    """(string) prints floats with 14 digits, an array as a word."""
    assert to_text(value) == text
