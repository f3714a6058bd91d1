"""What each fault does to a request, seen from a bare socket."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import threading
import time

import pytest
from drawing import together
from sandbox_wire import Raw, Wire

from b24batch.sandbox import FAULTS, Answer, FakeClock, Portal, PortalError, Travel
from b24batch.sandbox.faults import table as faults

LIMITED = {"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}
HANGING = ["silent", "stall", "drip", "slow"]


def serving(clock=None):
    """Return a portal with a method that takes any params."""
    portal = Portal(clock)
    portal.method("echo")(lambda params: params)
    return portal


@pytest.fixture
def portal(clock):
    """A portal on that clock."""
    with serving(clock) as portal:
        yield portal


@pytest.fixture
def usual(portal):
    """The body of the right answer to the batch of `Raw`; no time passes, so it is always the same."""
    with Raw(portal) as raw:
        body = raw.read_whole()[1]
    portal.executed.clear()
    return body


def executed(portal):
    """Return the values of the commands that took effect."""
    return [command.params.get("x") for command in portal.executed]


def header(head, name):
    """Return a header's value."""
    found = re.search(rf"^{name}: (.*?)\r?$", head.decode(), re.MULTILINE)
    return found and found[1]


def until(condition):
    """Wait for what happens in another thread."""
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it did not happen")


def read_json(raw, fault):
    """Return the JSON that Python's own client reads, or None; only where the portal hangs there is no long wait."""
    raw.socket.settimeout(0.1 if fault.name in ("silent", "stall") else 5.0)
    with contextlib.suppress(http.client.HTTPException, OSError, ValueError, EOFError):
        answer = http.client.HTTPResponse(raw.socket)
        answer.begin()
        body = answer.read()
        return json.loads(gzip.decompress(body) if answer.getheader("Content-Encoding") else body)
    return None


@together("fault", FAULTS.values())
def test_the_table_tells_the_truth(portal, fault):
    """A fault executes what its row says, answers JSON if its row says so, and leaves the portal well."""
    portal.fail_next(fault.name)
    with Raw(portal) as raw:
        assert (read_json(raw, fault) is not None) == fault.answered
    ran = {"yes": ["1", "2"], "partly": ["1"], "no": []}[fault.executed]
    until(lambda: executed(portal) == ran)
    assert Wire(portal).batch(["echo?x=3"])["result"] == [{"x": "3"}]
    assert executed(portal) == [*ran, "3"]
    assert [request.method for request in portal.requests] == ["batch", "batch"]


@together("fault", FAULTS.values())
def test_direct_calls_meet_every_fault(portal, fault):
    """A direct call meets a fault as a batch does."""
    portal.fail_next(fault.name)
    with Raw(portal, "echo", {"x": 1}) as raw:
        assert (read_json(raw, fault) is not None) == fault.answered
    until(lambda: executed(portal) == ([] if fault.executed == "no" else [1]))


def test_every_fault_is_documented():
    """The docstring has each fault under the heading that is true of it, and no other."""
    headings = {
        "Executed, then the answer is lost": {"yes", "partly"},
        "Not executed": {"no"},
        "Executed and answered, but unusually": {"yes"},
    }
    sections = re.split(rf"^({'|'.join(headings)}):$", faults.__doc__, flags=re.MULTILINE)[1:]
    named = []
    for heading, text in zip(sections[::2], sections[1::2], strict=True):
        names = [name for line in re.findall(r"^``.*", text, re.MULTILINE) for name in re.findall(r"``(\w+)``", line)]
        assert {FAULTS[name].executed for name in names} == headings[heading]
        named += names
    assert sorted(named) == sorted(FAULTS)


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        ("lost_after", "FIN"),
        ("reset_after", "RST"),
        ("silent", "open"),
        ("dies", "FIN"),
        ("lost_before", "FIN"),
        ("reset_before", "RST"),
    ],
)
def test_no_byte(portal, fault, end):
    """No byte comes, and the connection ends as the name says."""
    portal.fail_next(fault)
    with Raw(portal) as raw:
        assert raw.read(0 if end == "open" else None) == (b"", b"", end)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "end"),
    [("half_body", "FIN"), ("half_body_reset", "RST"), ("stall", "open"), ("half_body_unsized", "FIN")],
)
def test_half_a_body(portal, usual, fault, end):
    """Half of the right body comes, under the whole length or under none."""
    portal.fail_next(fault)
    with Raw(portal) as raw:
        head, body, how = raw.read(len(usual) // 2 if end == "open" else None)
    assert (body, how) == (usual[: len(usual) // 2], end)
    assert header(head, "Content-Length") == (None if fault == "half_body_unsized" else str(len(usual)))


@pytest.mark.parametrize(("fault", "end"), [("half_headers", "FIN"), ("half_headers_reset", "RST")])
def test_half_the_headers(portal, fault, end):
    """The status line and some headers come, but not their end."""
    portal.fail_next(fault)
    with Raw(portal) as raw:
        head, body, how = raw.read()
    assert head.startswith(b"HTTP/1.1 200 OK\r\nServer: ")
    assert (header(head, "Content-Length"), body, how) == (None, b"", end)


def test_chunked_cut(portal, usual):
    """The last chunk is shorter than its size says."""
    portal.fail_next("chunked_cut")
    with Raw(portal) as raw:
        head, body, end = raw.read()
    assert (header(head, "Transfer-Encoding"), header(head, "Content-Length"), end) == ("chunked", None, "FIN")
    sizes = [int(line, 16) for line in re.findall(rb"^([0-9a-f]+)\r$", body, re.MULTILINE)]
    assert sizes == [len(usual) // 2, len(usual)]
    assert body.endswith(usual[len(usual) // 2 :])


def test_chunked_garbage(portal, usual):
    """The size of the chunk is no number."""
    portal.fail_next("chunked_garbage")
    with Raw(portal) as raw:
        head, body, end = raw.read()
    assert (header(head, "Transfer-Encoding"), body, end) == ("chunked", b"many\r\n" + usual + b"\r\n", "FIN")


def test_garbage_status(portal):
    """What comes first is no status line."""
    portal.fail_next("garbage_status")
    with Raw(portal) as raw:
        assert raw.read() == (b"ouch", b"", "FIN")


def test_many_headers(portal, usual):
    """The right body comes under more headers than a client takes."""
    portal.fail_next("many_headers")
    with Raw(portal) as raw:
        head, body = raw.read_whole()
    assert (head.count(b"\r\nX-Header-"), body) == (1000, usual)


def test_garbage_gzip(portal, usual):
    """A plain body is called gzip."""
    portal.fail_next("garbage_gzip")
    with Raw(portal) as raw:
        head, body = raw.read_whole()
    assert (header(head, "Content-Encoding"), header(head, "Content-Length")) == ("gzip", str(len(usual)))
    assert body == usual


def test_cut_gzip(portal, usual):
    """The right gzip ends in the middle, and the length agrees with that."""
    portal.fail_next("cut_gzip")
    with Raw(portal) as raw:
        head, body = raw.read_whole()
    whole = gzip.compress(usual, mtime=0)
    assert (header(head, "Content-Encoding"), header(head, "Content-Length")) == ("gzip", str(len(body)))
    assert body == whole[: len(whole) // 2]


@pytest.mark.parametrize(
    ("fault", "status"),
    [("html_200", 200), ("html_502", 502), ("html_503", 503), ("html_404", 404), ("too_large", 413)],
)
def test_html(portal, wire, fault, status):
    """A page of HTML comes with this status, and the connection lives on."""
    portal.fail_next(fault)
    answer = wire.call("echo")
    assert (answer.status, answer.headers["content-type"], answer.text[:6]) == (status, "text/html", "<html>")
    assert wire.call("echo").status == 200
    assert len({request.connection for request in portal.requests}) == 1


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("rate_limited", 503, "QUERY_LIMIT_EXCEEDED"),
        ("operating_limit", 429, "OPERATION_TIME_LIMIT"),
        ("overload", 503, "OVERLOAD_LIMIT"),
        ("unauthorized", 401, "INVALID_CREDENTIALS"),
        ("expired_token", 401, "expired_token"),
        ("refused", 403, "ACCESS_DENIED"),
        ("error_200", 200, "WRONG_REQUEST"),
        ("wrong_encoding", 200, "WRONG_ENCODING"),
        ("json_500", 500, "ERROR_CORE"),
    ],
)
def test_errors(portal, wire, fault, status, code):
    """An error object comes with the portal's own status and code."""
    portal.fail_next(fault)
    answer = wire.call("batch", {"cmd": ["echo"]})
    assert (answer.status, answer.json["error"]) == (status, code)
    assert answer.json.keys() == {"error", "error_description"}


def test_empty(portal, wire):
    """200 comes with an empty body."""
    portal.fail_next("empty")
    answer = wire.call("echo")
    assert (answer.status, answer.text) == (200, "")


def test_invalid_json(portal, usual):
    """The body lacks its last byte, and the length agrees with that."""
    portal.fail_next("invalid_json")
    with Raw(portal) as raw:
        head, body = raw.read_whole()
    assert (body, header(head, "Content-Length")) == (usual[:-1], str(len(usual) - 1))


def test_malformed_maps(portal, wire):
    """All five maps are there, and none is a map; a direct call is spared."""
    portal.fail_next("malformed_maps", times=2)
    maps = wire.batch(["echo"])
    assert set(maps) == {"result", "result_error", "result_total", "result_next", "result_time"}
    assert not any(isinstance(value, (dict, list)) for value in maps.values())
    assert wire.call("echo", {"x": 1}).result == {"x": 1}


def test_missing_maps(portal, wire):
    """There is a result with nothing in it; a direct call is spared."""
    portal.fail_next("missing_maps", times=2)
    answer = wire.call("batch", {"cmd": ["echo"]}).json
    assert (answer["result"], list(answer)) == ({}, ["result", "time"])
    assert wire.call("echo", {"x": 1}).result == {"x": 1}


def test_no_result(portal, wire):
    """There is the time and nothing else, for an error too."""
    portal.fail_next("no_result", times=2)
    answer = wire.call("echo")
    assert (answer.status, list(answer.json), answer.json["time"]["processing"]) == (200, ["time"], 0)
    assert wire.call("no.such.method").json == {"time": {}}


@pytest.mark.parametrize("fault", ["no_result", "malformed_maps"])
def test_what_is_no_json_stays_whole(portal, wire, fault):
    """A fault that changes JSON does not fail over a page of HTML."""
    portal.fail_next(fault)
    assert wire.send("GET", "/elsewhere").status in (200, 404)


def test_moved(portal, wire):
    """The portal sends the client to another host, with the path as it was."""
    portal.fail_next("moved")
    answer = wire.call("echo")
    assert (answer.status, answer.headers["location"]) == (302, "https://moved.example/rest/1/sandboxc0de/echo")


@pytest.mark.parametrize(("options", "seconds"), [({}, 1.0), ({"seconds": 75.5}, 75.5), ({"seconds": 0}, 0)])
def test_slow(portal, wire, clock, options, seconds):
    """It executes and answers later, by the portal's clock."""
    portal.fail_next("slow", **options)
    assert wire.call("echo", {"a": 1}).result == {"a": 1}
    assert clock.slept == [seconds]


@pytest.mark.slow
@pytest.mark.parametrize(("options", "seconds"), [({}, 5.0), ({"seconds": 0.25}, 0.25)])
def test_drip(portal, usual, clock, options, seconds):
    """The right body comes byte by byte, with a pause by the portal's clock before each."""
    portal.fail_next("drip", **options)
    with Raw(portal) as raw:
        head, body = raw.read_whole()
    # Times in the body show that it was made before the first pause.
    assert (body, header(head, "Content-Length")) == (usual, str(len(usual)))
    assert clock.slept == [seconds] * len(usual)


def test_drip_ends_when_the_client_hangs_up():
    """The portal drips no further once nobody listens."""
    with serving() as portal:
        before = threading.active_count()
        portal.fail_next("drip", seconds=0.01)
        with Raw(portal) as raw:
            assert raw.socket.recv(10) == b"HTTP/1.1 2"
            assert threading.active_count() > before
        until(lambda: threading.active_count() == before)


@pytest.mark.parametrize("fault", ["silent", "stall"])
def test_a_hanging_connection_ends_when_the_client_hangs_up(portal, fault):
    """The portal holds a connection no longer than the client does."""
    before = threading.active_count()
    portal.fail_next(fault)
    with Raw(portal) as raw:
        until(lambda: len(portal.executed) == 2)
        assert raw.read(0)[2] == "open"
        assert threading.active_count() > before
    until(lambda: threading.active_count() == before)


@pytest.mark.parametrize("threads", [None, 3], ids=["real time", "a clock that stands still"])
@pytest.mark.parametrize("fault", HANGING)
def test_closing_is_quick(fault, threads):
    """A portal closes at once and leaves no thread, though a connection hangs and the answer is not complete."""
    before = set(threading.enumerate())
    portal = serving(threads and FakeClock(threads)).start()
    portal.fail_next(fault, seconds=600)
    with Raw(portal) as raw:
        until(lambda: len(portal.executed) == 2)
        began = time.monotonic()
        portal.close()
        assert time.monotonic() - began < 4.5  # with threads that do not end it takes 5
        assert set(threading.enumerate()) == before
        _, body, end = raw.read()
    assert end != "open"
    if fault != "slow":
        assert b"date_finish" not in body[-60:]


def test_closes(portal, usual):
    """The right answer comes under headers that promise to keep the connection, then it closes."""
    portal.fail_next("closes")
    with Raw(portal) as raw:
        head, body, end = raw.read()
    assert (header(head, "Connection"), body, end) == (None, usual, "FIN")


@pytest.mark.parametrize(("commands", "ran"), [(0, []), (1, ["1"]), (3, ["1", "2", "3"]), (9, ["1", "2", "3", "4"])])
@pytest.mark.parametrize("form", ["list", "map"])
def test_dies(portal, wire, form, commands, ran):
    """So many commands of the batch are executed, and nobody hears of it; the journal has the whole request."""
    portal.fail_next("dies", commands=commands)
    cmd = [f"echo?x={number}" for number in range(1, 5)]
    with pytest.raises(http.client.RemoteDisconnected):
        wire.call("batch", {"CMD": cmd if form == "list" else dict(zip("abcd", cmd, strict=True))})
    assert executed(portal) == ran
    assert len(portal.requests[0].params["CMD"]) == 4


def test_dies_is_otherwise_a_batch(portal, wire):
    """References and halt hold up to the last command."""
    portal.fail_next("dies", commands=3, times=2)
    for cmd in (["echo?x=1", "echo?x=7$result[0][x]", "echo?x=3"], ["echo?x=4", "no.such.method", "echo?x=5"]):
        with pytest.raises(http.client.RemoteDisconnected):
            wire.call("batch", {"cmd": cmd, "halt": 1})
    assert executed(portal) == ["1", "71", "3", "4"]


@pytest.mark.parametrize(("commands", "ran"), [(0, []), (1, [7])])
def test_dies_in_a_direct_call(portal, wire, commands, ran):
    """A direct call is one command."""
    portal.fail_next("dies", commands=commands)
    with pytest.raises(http.client.RemoteDisconnected):
        wire.call("echo", {"x": 7})
    assert executed(portal) == ran


def test_an_error_as_a_fault(portal, wire):
    """A PortalError is answered with its status, unexecuted."""
    portal.fail_next(PortalError("ERROR_CORE", "SQL query error!", http_status=500))
    answer = wire.call("echo")
    assert (answer.status, answer.json["error"], executed(portal)) == (500, "ERROR_CORE", [])


def test_an_answer_as_a_fault(portal, wire):
    """An Answer replaces the real one after execution; its headers win."""
    portal.fail_next(Answer("nön", 418, {"Content-Type": "text/x"}))
    answer = wire.call("echo", {"x": 1})
    assert (answer.status, answer.text, answer.headers["content-type"]) == (418, "nön", "text/x")
    portal.fail_next(Answer(b""))
    assert wire.call("echo", {"x": 2}).text == ""
    assert executed(portal) == [1, 2]


def test_an_answer_travels_as_it_says(portal, clock):
    """An Answer of one's own can come in pieces and then hang, and its length may be left open."""
    portal.fail_next(Answer("abcde", travel=Travel("half_body", "hang", piece=1, pause=2.0)))
    with Raw(portal) as raw:
        head, body, end = raw.read(2)
    assert (header(head, "Content-Length"), body, end, clock.slept) == ("5", b"ab", "open", [2.0, 2.0])
    portal.fail_next(Answer("abcde", headers={"Connection": "close"}))
    with Raw(portal) as raw:
        head, body, end = raw.read()
    assert (header(head, "Content-Length"), body, end) == (None, b"abcde", "FIN")


@pytest.mark.parametrize("options", [{"part": "third"}, {"then": "explode"}, {"piece": -1}, {"pause": -1}])
def test_a_way_that_is_none(options):
    """What no answer can do is an error at once."""
    with pytest.raises(ValueError, match=next(iter(options))):
        Travel(**options)


def test_times_and_after(portal, wire):
    """A fault lets `after` requests pass and then meets `times` of them; plans count by themselves."""
    portal.fail_next("rate_limited", times=2, after=2)
    portal.fail_next("html_502")
    assert [wire.call("echo").status for _ in range(6)] == [502, 200, 503, 503, 200, 200]


def test_an_unknown_fault(portal):
    """The error lists the faults there are."""
    with pytest.raises(ValueError, match=f"'lost'.*{', '.join(FAULTS)}"):
        portal.fail_next("lost")


@pytest.mark.parametrize("option", ["times", "after", "seconds", "commands"])
def test_a_negative_number(portal, option):
    """No number of a fault can be negative."""
    with pytest.raises(ValueError, match=option):
        portal.fail_next("dies", **{option: -1})
