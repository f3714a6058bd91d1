"""The sandbox as a whole: its life, its methods, its threads."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sandbox_wire import Wire

from b24batch import AnswerLost, RateLimited, RetryPolicy, TokenRefreshError
from b24batch.sandbox import FakeClock, Portal

ONCE = RetryPolicy(attempts=1)
#: A program that says where it serves from inside of ``serve_forever``, so that no interrupt can come too early.
SERVING = """
from b24batch.sandbox import Portal
class Loud(Portal):
    def start(self):
        super().start()
        print(self.url, flush=True)
        return self
Loud().serve_forever()
"""


@pytest.fixture
def portal(clock):
    """A portal on that clock."""
    with Portal(clock) as portal:

        @portal.method("echo")
        def echo(params):
            return params

        yield portal


def test_the_clock_is_in_the_answers(wire, clock):
    """Time blocks and server.time show the portal's clock."""
    clock.advance(0.5)
    answer = wire.call("server.time").json
    assert answer["result"] == "2026-01-01T03:00:00+03:00"
    assert (answer["time"]["start"], answer["time"]["duration"]) == (1_767_225_600, 0.5)


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


def test_close_waits_for_threads_that_are_about_to_end():
    """A thread that has served its connection, but has not ended, is waited for, too."""
    before, served = set(threading.enumerate()), threading.Event()

    def linger(frame, event, _argument):
        if event == "return" and frame.f_code is threading.Thread.run.__code__:
            served.set()
            threading.Event().wait(0.1)

    with Portal() as portal:
        threading.setprofile(linger)
        try:
            wire = Wire(portal)
            assert wire.send("GET", wire.path + "server.time", Connection="close").status == 200
            assert served.wait(20)
        finally:
            threading.setprofile(None)
    assert set(threading.enumerate()) == before


def test_a_fixed_port_keeps_the_url(portal):
    """Another portal on the same port has the same URL."""
    port = int(portal.url.split(":")[2].split("/")[0])
    url = portal.url
    portal.close()
    with Portal(port=port) as again:
        assert again.url == url == f"http://127.0.0.1:{port}/rest/1/sandboxc0de/"


@pytest.mark.slow
def test_serve_forever_ends_with_ctrl_c():
    """A foreground portal serves until an interrupt and then leaves quietly."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
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


def test_cleared(portal, clock):
    """A cleared portal is as new, at its address: data, records, plans, methods, costs and tokens are gone."""
    url = portal.url
    portal.redirect_uri = "http://127.0.0.1/"
    with portal.session() as b24, portal.session(portal.oauth()) as app:
        b24.call("crm.deal.add", {"fields": {"TITLE": "Deal"}})
        portal.fail_next("refused")
        portal.clear()
        assert portal.url == url
        assert (portal.requests, portal.executed, portal.token_requests, portal.redirect_uri) == ([], [], [], None)
        assert b24.call("crm.deal.add", {"fields": {"TITLE": "Deal"}}).data == 1
        assert [request.connection for request in portal.requests] == [1]
        with pytest.raises(TokenRefreshError):
            app.call("user.current")
    assert "echo" not in portal.execute("methods")


def test_cleared_with_its_limits():
    """What was set when the portal was made stays; what was used up of it comes back."""
    with Portal(FakeClock(), rate=(1, 0.001), operating_limit=1) as portal, portal.session(retries=ONCE) as b24:
        portal.cost("server.time", 2)
        for _ in range(2):
            b24.call("server.time")
            with pytest.raises(RateLimited):
                b24.call("server.time")
            portal.clear()


def test_cleared_with_another_clock():
    """The portal lives in the time that it is given."""
    clock = FakeClock()
    with Portal() as portal:
        portal.clear(clock)
        assert portal.clock is clock
        with portal.session() as b24:
            assert b24.clock is clock
            assert b24.call("server.time").data.startswith("2026-01-01T")


def test_cleared_while_it_keeps_somebody_waiting():
    """A request on its way ends without an answer, and what it does goes nowhere."""
    with Portal() as portal, portal.session(retries=ONCE) as b24:
        portal.fail_next("slow", seconds=60)
        with ThreadPoolExecutor(1) as pool:
            lost = pool.submit(b24.call, "crm.deal.add", {"fields": {"TITLE": "Deal"}})
            while not portal.requests:
                threading.Event().wait(0.005)
            portal.clear()
            assert isinstance(lost.exception(), AnswerLost)
        assert b24.call("crm.deal.list").total == 0


def test_cleared_before_it_starts():
    """A portal that is not serving can be cleared, and serves afterwards."""
    portal = Portal()
    portal.clear()
    with portal, portal.session() as b24:
        assert b24.call("crm.deal.list").total == 0
