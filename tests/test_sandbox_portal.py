"""The sandbox as a whole: its life, its faults, its limits, its threads."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import threading
import time

import attrs
import pytest
from sandbox_wire import Wire

from b24batch.sandbox import Answer, Portal, PortalError

LIMITED = {"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}


@attrs.define
class FakeClock:
    """Time that passes only when somebody sleeps."""

    now: float = 1_000_000_000.0
    slept: list[float] = attrs.field(factory=list)

    def monotonic(self):
        """Return the time."""
        return self.now

    def time(self):
        """Return the time."""
        return self.now

    def sleep(self, seconds):
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    """A clock of our own."""
    return FakeClock()


@pytest.fixture
def portal(clock):
    """A portal on that clock."""
    with Portal(clock) as portal:

        @portal.method("echo")
        def echo(params):
            return params

        yield portal


@pytest.fixture
def wire(portal):
    """A connection to it."""
    return Wire(portal)


def methods_of(portal):
    """Return the methods of the commands that took effect."""
    return [command.method for command in portal.executed]


def lose(wire):
    """Make a call whose answer does not come."""
    with pytest.raises(http.client.RemoteDisconnected):
        wire.call("echo")


def test_rate_limited(portal, wire):
    """It answers 503 with the portal's code and executes nothing."""
    portal.fail_next("rate_limited")
    answer = wire.call("echo")
    assert (answer.status, answer.json, methods_of(portal)) == (503, LIMITED, [])
    assert wire.call("echo").status == 200


@pytest.mark.parametrize(("fault", "executed"), [("lost_after", ["echo"]), ("lost_before", [])])
def test_lost(portal, wire, fault, executed):
    """The connection closes without an answer, after the commands ran or before."""
    portal.fail_next(fault)
    lose(wire)
    assert methods_of(portal) == executed
    assert len(portal.requests) == 1


def test_html_502(portal, wire):
    """It executes and answers a page of HTML."""
    portal.fail_next("html_502")
    answer = wire.call("batch", {"cmd": ["echo", "echo"]})
    assert (answer.status, answer.headers["content-type"], answer.text[:6]) == (502, "text/html", "<html>")
    assert methods_of(portal) == ["echo", "echo"]


@pytest.mark.parametrize(("options", "seconds"), [({}, 1.0), ({"seconds": 75.5}, 75.5), ({"seconds": 0}, 0)])
def test_slow(portal, wire, clock, options, seconds):
    """It executes and answers later, by the portal's clock."""
    portal.fail_next("slow", **options)
    assert wire.call("echo", {"a": 1}).result == {"a": 1}
    assert clock.slept == [seconds]


def test_slow_ends_when_the_portal_closes():
    """A slow answer does not hold up the end of a portal."""
    portal = Portal().start()
    portal.fail_next("slow", seconds=600)
    wire = Wire(portal)
    wire.http.request("GET", wire.path + "server.time")
    while not portal.executed:
        threading.Event().wait(0.001)
    began = time.monotonic()
    portal.close()
    assert time.monotonic() - began < 3


def test_an_error_as_a_fault(portal, wire):
    """A PortalError is answered with its status, unexecuted."""
    portal.fail_next(PortalError("ERROR_CORE", "SQL query error!", http_status=500))
    answer = wire.call("echo")
    assert (answer.status, answer.json["error"], methods_of(portal)) == (500, "ERROR_CORE", [])


def test_an_answer_as_a_fault(portal, wire):
    """An Answer replaces the real one after execution; its headers win."""
    portal.fail_next(Answer("nön", 418, {"Content-Type": "text/x"}))
    answer = wire.call("echo")
    assert (answer.status, answer.text, answer.headers["content-type"]) == (418, "nön", "text/x")
    portal.fail_next(Answer(b""))
    assert wire.call("echo").text == ""
    assert methods_of(portal) == ["echo", "echo"]


def test_times_and_after(portal, wire):
    """A fault lets `after` requests pass and then meets `times` of them; plans count by themselves."""
    portal.fail_next("rate_limited", times=2, after=2)
    portal.fail_next("html_502")
    assert [wire.call("echo").status for _ in range(6)] == [502, 200, 503, 503, 200, 200]


def test_an_unknown_fault(portal):
    """The error lists the faults there are."""
    with pytest.raises(ValueError, match=r"'lost'.*rate_limited, lost_after, lost_before, html_502, slow"):
        portal.fail_next("lost")


def test_rate(clock):
    """Requests over the bucket get 503 until enough has leaked out."""
    with Portal(clock, rate=(3, 2.0)) as portal:
        wire = Wire(portal)
        assert [wire.call("server.time").status for _ in range(5)] == [200, 200, 200, 503, 503]
        assert wire.call("batch", {"cmd": ["server.time"]}).json == LIMITED
        clock.now += 0.5
        assert [wire.call("server.time").status for _ in range(2)] == [200, 503]
        assert len(portal.executed) == 4


def test_operating_time(clock):
    """A method over its seconds is refused until the oldest minute leaves the window; others run."""
    with Portal(clock, operating_limit=10) as portal:
        portal.cost("crm.lead.add", 6)
        wire = Wire(portal)
        first = wire.call("crm.lead.add").json["time"]
        assert (first["operating"], first["operating_reset_at"]) == (6, int(clock.now) + 600)
        clock.now += 90
        maps = wire.batch({"a": "crm.lead.add", "b": "crm.lead.add", "c": "server.time"})
        assert maps["result_time"]["a"]["operating"] == 12
        assert maps["result_error"]["b"]["error"] == "OPERATION_TIME_LIMIT"
        assert list(maps["result"]) == ["a", "c"]
        answer = wire.call("CRM.lead.add")
        assert (answer.status, answer.json["error"]) == (429, "OPERATION_TIME_LIMIT")
        clock.now += 510
        assert wire.call("crm.lead.add").json["time"]["operating"] == 12


def test_operating_time_counts_from_a_tenth_of_a_second(clock):
    """Calls of a tenth of a second and less are not counted."""
    with Portal(clock, operating_limit=1) as portal:
        portal.cost("server.time", 0.1)
        wire = Wire(portal)
        assert [wire.call("server.time").json["time"]["operating"] for _ in range(20)] == [0] * 20


def test_the_clock_is_in_the_answers(wire, clock):
    """Time blocks and server.time show the portal's clock."""
    clock.now = 1_700_000_000.5
    answer = wire.call("server.time").json
    assert answer["result"] == "2023-11-15T01:13:20+03:00"
    assert (answer["time"]["start"], answer["time"]["duration"]) == (1_700_000_000, 0.5)


def test_registered_methods(portal, wire):
    """A registered method is found without case, listed, can replace a built-in one, and stays a function."""

    @portal.method("Camel.Case")
    def camel(params):
        return 1

    portal.method("user.current")(lambda params: "me")
    assert camel({}) == 1
    assert [wire.call(name).result for name in ("camel.case", "CAMEL.CASE", "user.current")] == [1, 1, "me"]
    assert {"camel.case", "batch", "crm.item.add"} <= set(wire.call("methods").result)


def test_handlers_may_keep_and_change_what_they_get(portal, wire):
    """Params and results are copies: a handler cannot change the record or an answer already given."""
    kept: list[object] = []

    @portal.method("keep")
    def keep(params):
        params["more"] = 1
        kept.append(1)
        return kept

    assert wire.batch(["keep?a=1", "keep?a=2"])["result"] == [[1], [1, 1]]
    assert [command.params for command in portal.executed] == [{"a": "1"}, {"a": "2"}]


def test_record_off(clock):
    """Without a record nothing is kept."""
    with Portal(clock, record=False) as portal:
        assert Wire(portal).call("server.time").status == 200
        assert (portal.requests, portal.executed) == ([], [])


def test_close_leaves_nothing_behind():
    """Closing ends every thread and connection, twice is as good as once, and a start binds the same address."""
    before = set(threading.enumerate())
    portal = Portal()
    with pytest.raises(RuntimeError, match="started"):
        _ = portal.url
    portal.close()
    with portal:
        url = portal.url
        wires = [Wire(portal) for _ in range(3)]
        assert [wire.call("crm.deal.add").result for wire in wires] == [1, 2, 3]
    portal.close()
    assert set(threading.enumerate()) == before
    with pytest.raises((http.client.HTTPException, OSError)):
        wires[0].call("server.time")
    with portal.start():
        assert portal.url == url
        assert Wire(portal).call("crm.deal.add").result == 4


def test_a_fixed_port_keeps_the_url(portal):
    """Another portal on the same port has the same URL."""
    port = int(portal.url.split(":")[2].split("/")[0])
    url = portal.url
    portal.close()
    with Portal(port=port) as again:
        assert again.url == url == f"http://127.0.0.1:{port}/rest/1/sandboxc0de/"


def test_serve_forever_ends_with_ctrl_c():
    """A foreground portal serves until an interrupt and then leaves quietly."""
    code = "from b24batch.sandbox import Portal\np = Portal().start()\nprint(p.url, flush=True)\np.serve_forever()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")


def test_eight_threads_lose_nothing():
    """Writes of eight threads all happen, each once, with ids of their own, one handler at a time."""
    inside: list[int] = []
    most: list[int] = []
    ids: list[int] = []
    with Portal() as portal:

        @portal.method("count")
        def count(params):
            inside.append(1)
            most.append(len(inside))
            inside.pop()
            return 1

        def work():
            wire = Wire(portal)
            for _ in range(10):
                cmd = ["crm.deal.add?fields[TITLE]=x", "count"] * 10
                ids.extend(value for value in wire.batch(cmd)["result"][::2])

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(ids) == list(range(1, 801))
        assert set(most) == {1}
        assert Wire(portal).call("crm.deal.list").json["total"] == 800
        assert len(portal.executed) == 1601
