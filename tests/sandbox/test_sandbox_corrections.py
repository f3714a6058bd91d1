"""The sandbox where a portal surprises: addresses, merging, tokens, what counts as empty."""

from __future__ import annotations

import json

import pytest
from sandbox_wire import Wire

from b24batch.sandbox import Portal

CODE = "/rest/1/sandboxc0de"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def portal():
    """A portal with a method that returns its params, and one that returns what it is told to."""
    with Portal() as portal:

        @portal.method("echo")
        def echo(params):
            return params

        @portal.method("value")
        def value(params):
            return json.loads(params["json"])

        yield portal


@pytest.mark.parametrize(
    "path",
    [
        "/rest//1/sandboxc0de/echo",
        "/rest/1//sandboxc0de//echo",
        "/rest/1/sandboxc0de/echo//",
        "//rest/1/sandboxc0de/echo",
        "/rest/1/sandboxc0de/./echo",
        "/./rest/1/sandboxc0de/echo/.",
        "/rest/2/../1/sandboxc0de/echo",
        "/rest%2F%2F1/sandboxc0de/echo",
    ],
)
def test_an_address_is_normalized(wire, path):
    """Slashes count once, one dot is nothing and two take the part before away."""
    assert wire.send("POST", path, "a=1", Content_Type=FORM).result == {"a": "1"}


def test_double_slashes_with_a_token(portal, wire):
    """Clients that put a slash behind the endpoint of a token reach the method, directly and with a batch."""
    token = portal.issue_token()["access_token"]
    assert wire.send("POST", f"/rest//echo?auth={token}&a=1").result == {"a": "1"}
    assert wire.send("POST", f"/rest//batch?auth={token}&cmd[k]=echo%3Fa%3D1").result["result"] == {"k": {"a": "1"}}


@pytest.mark.parametrize("path", ["/..", "/rest/..", "/rest/1/sandboxc0de/echo/..", "//", "/rest//"])
def test_an_address_of_nothing(wire, path):
    """A path that is normalized to another one is that other one."""
    assert wire.send("POST", path).status == 404


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"id": 1, "taskId": 2}, None),
        ({"id": "1"}, None),
        ({"id": None, "taskId": 1}, None),
        ({"id": 0, "taskId": 1}, "0"),
        ({"taskId": -1}, "0"),
        ({}, "100"),
    ],
    ids=str,
)
def test_the_id_of_a_task(params, error):
    """A task is named by id before taskId, and a number below 1 is an error."""
    with Portal() as portal:
        wire = Wire(portal)
        wire.call("tasks.task.add", {"fields": {"TITLE": "first"}})
        answer = wire.call("tasks.task.get", params).json
        assert answer.get("error") == error
        assert error or answer["result"]["task"]["id"] == "1"


@pytest.mark.parametrize(
    ("result", "envelope"),
    [
        ({"next": None, "a": 1}, {"result": {"next": None, "a": 1}}),
        ({"total": None, "a": 1}, {"result": {"a": 1}, "total": 0}),
        ({"next": 0, "total": 0}, {"result": [], "next": 0, "total": 0}),
        ({"next": "50x", "total": [1]}, {"result": [], "next": 50, "total": 1}),
        ({"error": "0", "error_description": "d"}, {"result": {"error": "0", "error_description": "d"}}),
        ({"error": "E", "error_description": "0"}, {"result": {"error": "E", "error_description": "0"}}),
        ({"error": [], "error_description": "d"}, {"result": {"error": [], "error_description": "d"}}),
        ({"error": "E", "error_description": "d"}, {"error": "E", "error_description": "d"}),
        ({"error": "0.0", "error_description": "d"}, {"error": "0.0", "error_description": "d"}),
    ],
    ids=str,
)
def test_what_is_lifted_out_of_a_result(wire, result, envelope):
    """A next that is null stays where it is, a total is lifted as a number, and "0" is no error."""
    answer = wire.call("value", {"json": json.dumps(result)}).json
    answer.pop("time", None)
    assert answer == envelope
    batch = wire.batch({"k": "value?json=" + json.dumps(result)})
    for name in ("result", "total", "next"):
        section = "result" if name == "result" else f"result_{name}"
        assert batch[section] == ({"k": envelope[name]} if name in envelope else [])


@pytest.mark.parametrize(
    ("method", "token", "status", "code"),
    [
        ("echo", "x", 403, "ACCESS_DENIED"),
        ("echo", "", 403, "ACCESS_DENIED"),
        ("no.such", "x", 404, "ERROR_METHOD_NOT_FOUND"),
        ("batch", "x", 404, "ERROR_METHOD_NOT_FOUND"),
        ("batch", None, 200, None),
        ("echo", None, 200, None),
    ],
)
def test_a_token_in_the_params(portal, wire, method, token, status, code):
    """The method is looked for before a token is checked; null is no token, and with one a batch runs nothing."""
    before = len(portal.executed)
    answer = wire.call(method, {"token": token, "cmd": ["echo?a=1"]})
    assert (answer.status, answer.json.get("error")) == (status, code)
    assert len(portal.executed) - before == (0 if code else 1)


def test_a_token_in_a_command(wire):
    """Within a batch the refusal has the same words."""
    error = {"error": "ACCESS_DENIED", "error_description": "Access denied! Link check failed"}
    assert wire.one("echo?token=x") == error
    assert wire.one("no.such?token=x")["error"] == "ERROR_METHOD_NOT_FOUND"


@pytest.mark.parametrize("path", ["/rest/1/wrong/no.such", "/rest/no.such", "/rest/no.such?auth=x"])
def test_an_unknown_method_without_credentials(wire, path):
    """The method is looked for before the credentials are, too."""
    answer = wire.send("POST", path)
    assert (answer.status, answer.json["error"]) == (404, "ERROR_METHOD_NOT_FOUND")


def test_a_method_that_the_sandbox_lacks(portal, wire):
    """The error says that the sandbox lacks the method, and what adds it does."""
    hint = 'Method not found! The sandbox lacks it: add it with @portal.method("my.method.list")'
    error = {"error": "ERROR_METHOD_NOT_FOUND", "error_description": hint}
    assert wire.call("My.Method.List").json == error
    assert wire.one("my.method.list?a=1") == error
    portal.method("my.method.list")(lambda params: [])
    assert wire.one("my.method.list?a=1") == []


def test_names_of_a_multipart_form(wire):
    """Names keep their characters, as values do, and numbers are merged twice here too."""
    part = '--X\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = part.format("Имя[ключ]", "П") + part.format("it's", "ü") + part.format("5", "x") + "--X--\r\n"
    answer = wire.send("POST", f"{CODE}/echo", body, Content_Type="multipart/form-data; boundary=X")
    assert answer.result == {"Имя": {"ключ": "П"}, "it's": "ü", "0": "x", "1": "x"}


def test_the_length_of_a_code(wire):
    """The code of a data storage may be as long as the application's id leaves room for."""
    assert wire.call("entity.add", {"ENTITY": "a" * 23, "NAME": "x"}).result is True
    assert wire.call("entity.add", {"ENTITY": "a" * 24, "NAME": "x"}).json["error"] == "ERROR_ARGUMENT"


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"UTM_SOURCE": "site"}, ["1"]),
        ({"STATUS_SEMANTIC_ID": "F"}, ["2"]),
        ({"HAS_PHONE": "Y"}, ["1"]),
        ({"HAS_EMAIL": "N"}, ["1", "2"]),
        ({"ADDRESS_CITY": "Riga"}, ["2"]),
        ({"%ADDRESS_CITY": "no"}, []),
    ],
    ids=str,
)
def test_more_fields_of_the_crm(condition, found):
    """Marks of advertising, addresses, and what the portal works out itself can be filtered by."""
    with Portal() as portal:
        wire = Wire(portal)
        phone = {"UTM_SOURCE": "site", "PHONE": [{"VALUE": "1"}]}
        wire.call("crm.lead.add", {"fields": phone})
        wire.call("crm.lead.add", {"fields": {"STATUS_ID": "JUNK", "ADDRESS_CITY": "Riga", "HAS_PHONE": "Y"}})
        assert [row["ID"] for row in wire.call("crm.lead.list", {"filter": condition}).result] == found


def test_a_stage_decides_what_follows_from_it(wire):
    """The semantics of a stage follow each change, also in a funnel of its own."""
    row_id = wire.call("crm.deal.add", {"fields": {"STAGE_ID": "C3:NEW"}}).result
    fields = {"stageId": "C3:WON", "stageSemanticId": "F"}
    item = wire.call("crm.item.update", {"entityTypeId": 2, "id": row_id, "fields": fields}).result["item"]
    assert (item["stageSemanticId"], item["utmSource"]) == ("S", None)


@pytest.mark.parametrize(("command", "params"), [("echo?0", []), ("echo?0=", [""]), ("echo?00", {"00": ""})])
def test_the_query_that_is_a_zero(wire, command, params):
    """In a command the query "0" is no query."""
    assert wire.one(command) == params


@pytest.mark.parametrize(
    ("kind", "query", "body", "params"),
    [
        (FORM, "", "5=x&a=y", {"0": "x", "a": "y", "1": "x"}),
        (FORM, "7=q", "5=x", ["q", "x", "x"]),
        ("application/json", "7=q", '["x","y"]', ["q", "x", "y"]),
        ("application/json", "", '{"5":"x"}', ["x"]),
        ("text/plain", "", " \n5=x&a=y \0", {"0": "x", "a": "y"}),
        ("text/plain", "", " a=1", {"a": "1"}),
        (FORM, "", "a=1 \n", {"a": "1 \n"}),
        ("application/json", "", '{"start":null,"state":null}', {"start": None}),
        ("application/json", "", "[" * 512 + "]" * 512, []),
    ],
    ids=["form", "query and form", "json list", "json", "text", "leading space", "form's end", "null", "512 levels"],
)
def test_merging(wire, kind, query, body, params):
    """Numbers of a form are merged twice, other texts are trimmed, and a start that is null stays."""
    answer = wire.send("POST", f"{CODE}/echo?{query}", body, Content_Type=kind)
    assert json.dumps(answer.result, sort_keys=True) == json.dumps(params, sort_keys=True)


def test_bytes_that_are_no_text(wire):
    """What is no UTF-8 comes back as one replacement character a broken sequence, as PHP counts them."""
    assert wire.send("POST", f"{CODE}/echo?a=%ED%A0%80x").result == {"a": "\ufffdx"}
    assert wire.one("echo?a=%ED%A0%80x") == {"a": "\ufffdx"}


@pytest.mark.parametrize(
    ("method", "params"),
    [("crm.deal.list", {"select": ["UF_*"]}), ("crm.deal.list", {"select": ["*", "UF_*"]})],
)
def test_all_user_fields(method, params):
    """UF_* stands for the user fields there are, and makes none of that name."""
    with Portal() as portal:
        wire = Wire(portal)
        wire.call("crm.deal.add", {"fields": {"TITLE": "x", "UF_CRM_A": "1"}})
        for _ in range(2):
            row = wire.call(method, params).result[0]
            assert [name for name in row if name.startswith("UF_")] == ["UF_CRM_A"]
        item = wire.call("crm.item.list", {"entityTypeId": 2, "select": ["UF_*", "uf*"]}).result["items"][0]
        assert item == {"id": 1, "ufCrmA": "1"}
