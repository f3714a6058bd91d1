"""The sandbox on the wire: addresses, bodies, headers, statuses."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest
from drawing import together
from sandbox_wire import Wire

from b24batch.sandbox import Page, Portal, PortalError

FORM = "application/x-www-form-urlencoded"
CODE = "/rest/1/sandboxc0de"
LACKS = 'Method not found! The sandbox lacks it: add it with @portal.method("no.such")'


@pytest.fixture(scope="module")
def portal():
    """A portal with a method for every kind of answer."""
    with Portal() as portal:

        @portal.method("echo")
        def echo(params):
            return params

        @portal.method("value")
        def value(params):
            return params["value"]

        @portal.method("nan")
        def nan(params):
            return float("nan")

        @portal.method("bug")
        def bug(params):
            raise KeyError("bug")

        @portal.method("page")
        def page(params):
            return Page([params.start], next=params.start + 50, total=0)

        @portal.method("refuse")
        def refuse(params):
            raise PortalError(params["code"], params.get("text", ""), params.get("status", 400))

        yield portal


@pytest.mark.parametrize(
    "path",
    [
        f"{CODE}/echo",
        f"{CODE}/echo/",
        f"{CODE}/echo.json",
        f"{CODE}/echo.JSON",
        f"{CODE}/echo.json/",
        f"{CODE}/ECHO",
        "/rest/echo?aplogin=1&ap=sandboxc0de",
        "/rest/echo/?aplogin=1&ap=sandboxc0de",
    ],
)
def test_addresses(wire, path):
    """A method is found at all forms of its address, with a suffix and in any case."""
    answer = wire.send("POST", path, '{"a":1}', Content_Type="application/json")
    assert (answer.status, answer.result) == (200, {"a": 1})


@pytest.mark.parametrize("path", ["/", "/rest/", "/rest/1/2/3/4", "/rest/api/1/echo", "/restless/echo"])
def test_other_addresses(wire, path):
    """Anything else on the portal is a page of HTML."""
    answer = wire.send("POST", path, "{}")
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/rest/1/wrong/echo", {}, "INVALID_CREDENTIALS"),
        ("/rest/2/sandboxc0de/echo", {}, "INVALID_CREDENTIALS"),
        ("/rest/echo", {}, "NO_AUTH_FOUND"),
        ("/rest/echo?ap=sandboxc0de", {}, "NO_AUTH_FOUND"),
        (f"{CODE}/echo?auth=x", {}, "invalid_token"),
        (f"{CODE}/echo?access_token=x", {}, "invalid_token"),
        (f"{CODE}/echo", {"Authorization": "Bearer x"}, "invalid_token"),
    ],
    ids=["code", "user", "none", "half", "auth", "access_token", "bearer"],
)
def test_credentials(portal, wire, path, headers, code):
    """Every failure of authentication is a 401, and nothing is executed."""
    before = len(portal.executed)
    answer = wire.send("POST", path, "{}", **headers)
    assert (answer.status, answer.json["error"], len(portal.executed)) == (401, code, before)


@together(
    ("kind", "body", "params"),
    [
        (
            "application/json",
            '{"a":{"b":[1,null,true,1.5,"x"]},"c":{}}',
            {"a": {"b": [1, None, True, 1.5, "x"]}, "c": []},
        ),
        ("application/json; charset=utf-8", '{"a":1}', {"a": 1}),
        ("APPLICATION/JSON", '{"a":1}', {"a": 1}),
        ("application/vnd.api+json", '{"a":1}', {"a": 1}),
        ("application/json", '{"a":9223372036854775807}', {"a": 2**63 - 1}),
        ("application/json", '{"a":{"0":"x","1":"y"}}', {"a": ["x", "y"]}),
        ("application/json", '{"a":{"1":"x","0":"y"}}', {"a": {"1": "x", "0": "y"}}),
        ("application/json", '["x","y"]', ["x", "y"]),
        ("application/json", '{"5":"x","a":"y"}', {"0": "x", "a": "y"}),
        ("application/json", '{"a":1', []),
        ("application/json", "\ufeff{}", []),
        ("application/json", '{"a":NaN}', []),
        ("application/json", '"text"', []),
        ("application/json", "5", []),
        ("application/json", "null", []),
        ("application/json", b'{"a":"\xff"}', []),
        ("application/json", '{"method":"x","state":"y","start":5,"b":1}', {"b": 1}),
        (FORM, "a[]=1&a[]=2&b.c=%D0%9F", {"a": ["1", "2"], "b_c": "П"}),
        ("text/plain", "a=1&b=2", {"a": "1", "b": "2"}),
        ("", "a=1", {"a": "1"}),
    ],
)
def test_bodies(wire, kind, body, params):
    """The content type decides how a body is read; JSON that cannot be read is swallowed."""
    answer = wire.send("POST", f"{CODE}/echo", body, Content_Type=kind)
    assert (answer.status, json.dumps(answer.result)) == (200, json.dumps(params))


def test_multipart_body(wire):
    """The plain fields of a multipart form are params, its files are not."""
    part = '--X\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    body = part.format("a[b]", "", "П") + part.format("f", '; filename="f.txt"', "no") + "--X--\r\n"
    answer = wire.send("POST", f"{CODE}/echo", body, Content_Type="multipart/form-data; boundary=X")
    assert answer.result == {"a": {"b": "П"}}


@pytest.mark.parametrize(
    ("verb", "params"),
    [
        ("POST", {"a": "2", "b": {"d": "4"}}),
        ("GET", {"a": "1", "b": {"c": "3"}}),
        ("PUT", {"a": "1", "b": {"c": "3"}}),
    ],
    ids=["post", "get", "put"],
)
def test_query_and_body(wire, verb, params):
    """The body of a POST replaces keys of the query without a deep merge; other bodies are ignored."""
    answer = wire.send(verb, f"{CODE}/echo?a=1&b[c]=3", "a=2&b[d]=4", Content_Type=FORM)
    assert answer.result == params


def test_malformed_json_leaves_the_query(wire):
    """A body that cannot be read leaves the params of the query."""
    answer = wire.send("POST", f"{CODE}/echo?a=1", '{"b":', Content_Type="application/json")
    assert answer.result == {"a": "1"}


def test_headers_of_an_answer(wire):
    """Answers are JSON in UTF-8 with the CORS headers of the portal."""
    headers = wire.call("echo").headers
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-headers"] == "origin, content-type, accept"
    assert headers["x-content-type-options"] == "nosniff"


def test_options_answers_headers_alone(wire):
    """OPTIONS is answered with the headers and an empty body."""
    answer = wire.send("OPTIONS", f"{CODE}/echo")
    assert (answer.status, answer.text, answer.headers["access-control-allow-origin"]) == (200, "", "*")


def test_escapes_in_an_answer(wire):
    """Text leaves with the portal's escapes and without those for Unicode."""
    assert '"v":"\\u003C\\/ü🙂\\u0022"' in wire.call("echo", {"v": '</ü🙂"'}).text


@pytest.mark.parametrize(
    ("value", "envelope"),
    [
        ({"a": 1}, {"result": {"a": 1}}),
        ({"a": 1, "total": "12.50"}, {"result": {"a": 1}, "total": 12}),
        ({"total": None, "a": 1}, {"result": {"a": 1}, "total": 0}),
        ({"total": [1], "next": "x"}, {"result": [], "next": 0, "total": 1}),
        ({"0": "a", "1": "b", "next": 50}, {"result": ["a", "b"], "next": 50}),
        ([{"total": 1}], {"result": [{"total": 1}]}),
        (None, {"result": None}),
        ("text", {"result": "text"}),
        ({"error": "", "error_description": "x"}, {"result": {"error": "", "error_description": "x"}}),
        ({"error": "E", "error_description": ""}, {"result": {"error": "E", "error_description": ""}}),
    ],
)
def test_lifting(wire, value, envelope):
    """Keys named next and total move out of a result and become integers."""
    answer = wire.call("value", {"value": value}).json
    assert list(answer.pop("time")) == [
        "start",
        "finish",
        "duration",
        "processing",
        "date_start",
        "date_finish",
    ]
    assert json.dumps(answer) == json.dumps(envelope)


def test_an_error_object_as_a_result(wire):
    """A result with error and error_description goes out unwrapped, without time, with status 200."""
    error = {"error": "E", "error_description": "it failed", "more": 1}
    answer = wire.call("value", {"value": error})
    assert (answer.status, answer.json) == (200, error)
    assert wire.batch({"a": "value?value[error]=E&value[error_description]=x"})["result_error"] == {
        "a": {"error": "E", "error_description": "x"}
    }


def test_page(wire):
    """A Page puts next and total beside the result; a total of 0 is there."""
    answer = wire.call("page", {"start": "100abc"}).json
    assert (answer["result"], answer["next"], answer["total"]) == ([100], 150, 0)


@pytest.mark.parametrize("method", ["nan", "batch"])
def test_wrong_encoding(wire, method):
    """A value JSON cannot say spoils the whole answer, under status 200."""
    answer = wire.call(method, {"cmd": ["echo", "nan"]})
    assert answer.status == 200
    assert answer.json == {"error": "WRONG_ENCODING", "error_description": "Wrong request encoding"}


@pytest.mark.parametrize(
    ("method", "params", "status", "error"),
    [
        ("no.such", {}, 404, {"error": "ERROR_METHOD_NOT_FOUND", "error_description": LACKS}),
        (
            "echo",
            {"token": "x"},
            403,
            {"error": "ACCESS_DENIED", "error_description": "Access denied! Link check failed"},
        ),
        ("refuse", {"code": "E"}, 400, {"error": "E", "error_description": ""}),
        ("refuse", {"code": "", "text": "t", "status": 500}, 500, {"error": "", "error_description": "t"}),
        ("crm.deal.get", {"ID": 9}, 400, {"error": "", "error_description": "Not found"}),
    ],
)
def test_statuses(wire, method, params, status, error):
    """An error is its object alone, with the status of its kind."""
    answer = wire.call(method, params)
    assert (answer.status, answer.json) == (status, error)


def test_inner_errors_do_not_change_the_status(wire):
    """A batch is answered 200 whatever its commands do."""
    assert wire.call("batch", {"cmd": ["no.such", "echo?token=x"]}).status == 200


def test_a_bug_in_a_handler(wire, capfd):
    """An exception that is no PortalError ends the request with HTML, and its author sees it."""
    answer = wire.call("batch", {"cmd": ["echo", "bug", "echo"]})
    assert (answer.status, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "KeyError: 'bug'" in capfd.readouterr().err
    assert wire.call("echo").status == 200


def test_time_block(wire):
    """Start is a whole second, processing 0, duration counts from start; dates have the portal's offset."""
    time = wire.call("echo").json["time"]
    assert (type(time["start"]), time["processing"]) == (int, 0)
    assert time["duration"] == time["finish"] - time["start"]
    assert time["date_start"].endswith("+03:00")
    assert "operating" not in time


def test_requests_are_recorded(wire, portal):
    """A request is kept with its method, params, headers, verb and connection."""
    wire.send("POST", f"{CODE}/Echo.json?q=1", '{"a":{"7":1}}', Content_Type="application/json", X_Request_ID="id/2")
    request = portal.requests[-1]
    assert (request.method, request.verb) == ("echo", "POST")
    assert request.params == {"q": "1", "a": {7: 1}}
    assert request.headers["x-request-id"] == "id/2"


def test_executed_commands_are_recorded(wire, portal):
    """What took effect is kept in order with its params; what was refused and the batch itself are not."""
    before = len(portal.executed)
    wire.batch({"a": "value?value=7", "b": "no.such", "c": "ECHO?v=$result[a]&start=50", "d": "refuse?code=E"})
    kept = [(command.method, command.params) for command in portal.executed[before:]]
    assert kept == [("value", {"value": "7"}), ("echo", {"v": "7", "start": "50"})]


def test_keep_alive(portal, wire):
    """Many requests go over one connection, another client has another."""
    for _ in range(20):
        assert wire.call("echo").status == 200
    used = {request.connection for request in portal.requests[-20:]}
    Wire(portal).call("echo")
    assert len(used) == 1
    assert portal.requests[-1].connection not in used


def test_chunked_body(portal, wire):
    """A body without a length is read."""
    wire.http.request("POST", f"{CODE}/echo", iter([b"a=1", b"&b=2"]), encode_chunked=True)
    assert json.loads(wire.http.getresponse().read())["result"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize("length", ["x", "-1", "100"], ids=["no number", "negative", "too long"])
def test_a_body_that_does_not_come(portal, length):
    """A body that cannot be read to its end executes nothing and closes the connection."""
    before = len(portal.requests)
    with socket.create_connection(("127.0.0.1", urlsplit(portal.url).port), timeout=10) as raw:
        raw.sendall(f"POST {CODE}/echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\na=1".encode())
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(1000) == b""
    assert len(portal.requests) == before


def test_a_client_that_goes_away(portal, capfd):
    """A client that closes its socket before the answer leaves no traceback."""
    with socket.create_connection(("127.0.0.1", urlsplit(portal.url).port), timeout=10) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        raw.sendall(f"POST {CODE}/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=1".encode())
    assert Wire(portal).call("echo").status == 200
    assert capfd.readouterr().err == ""
