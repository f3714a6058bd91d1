"""The portal's limits: requests by the second, operating time by ten minutes."""

from __future__ import annotations

import pytest
from sandbox_wire import Wire

from b24batch.sandbox import Portal, PortalError

LIMITED = {"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}


@pytest.fixture
def portal(clock):
    """A portal on that clock with 10 seconds of operating time for each method."""
    with Portal(clock, operating_limit=10) as portal:
        portal.cost("crm.lead.add", 6)
        yield portal


def statuses(wire, requests):
    """Return the statuses of so many requests."""
    return [wire.call("server.time").status for _ in range(requests)]


def operating(wire, method="crm.lead.add"):
    """Call a method and return its operating time and when that falls, or the error's code."""
    answer = wire.call(method).json
    return (answer["time"]["operating"], answer["time"]["operating_reset_at"]) if "time" in answer else answer["error"]


@pytest.mark.parametrize(("capacity", "leak_rate"), [(50, 2.0), (250, 5.0), (3, 0.3)])
def test_the_rate(clock, capacity, leak_rate):
    """A portal at rest takes exactly its capacity at once, and then one request each time one has leaked out."""
    with Portal(clock, rate=(capacity, leak_rate)) as portal:
        wire = Wire(portal)
        assert statuses(wire, capacity + 2) == [200] * capacity + [503] * 2
        for _ in range(20):
            clock.advance(0.999 / leak_rate)
            assert statuses(wire, 1) == [503]
            clock.advance(0.001 / leak_rate)
            assert statuses(wire, 2) == [200, 503]
        clock.advance(2.5 / leak_rate)
        assert statuses(wire, 3) == [200, 200, 503]


def test_the_bucket_never_gets_emptier_than_empty(clock):
    """A long rest saves up no more than the capacity."""
    with Portal(clock, rate=(3, 2.0)) as portal:
        wire = Wire(portal)
        assert statuses(wire, 1) == [200]
        clock.advance(1e6)
        assert statuses(wire, 4) == [200, 200, 200, 503]


@pytest.mark.parametrize("leak_rate", [2.0, 0.3, 7.0])
def test_a_client_on_schedule_is_never_refused(clock, leak_rate):
    """Rounding refuses nobody who sends exactly as fast as the bucket leaks."""
    with Portal(clock, rate=(5, leak_rate)) as portal:
        wire = Wire(portal)
        assert statuses(wire, 5) == [200] * 5
        for _ in range(200):
            clock.advance(1 / leak_rate)
            assert statuses(wire, 1) == [200]


def test_over_the_rate(clock):
    """A request over the rate executes nothing, is in the record, and a batch is one request."""
    with Portal(clock, rate=(2, 2.0)) as portal:
        wire = Wire(portal)
        assert wire.batch(["server.time"] * 50)["result_error"] == []
        assert statuses(wire, 1) == [200]
        answer = wire.call("batch", {"cmd": ["server.time"]})
        assert (answer.status, answer.json) == (503, LIMITED)
        assert (len(portal.requests), len(portal.executed)) == (3, 51)


def test_operating_time_of_a_call(wire, clock):
    """The time block tells the sum for the method, this call included, and when its oldest minute leaves."""
    assert operating(wire) == (6, clock.time() + 600)
    clock.advance(90)
    assert operating(wire) == (12, clock.time() + 510)
    assert operating(wire, "server.time") == (0, clock.time() + 600)


def test_the_call_that_crosses_the_line_completes(portal, wire):
    """A method is refused once its sum is over the limit, not when a call would bring it there."""
    assert [operating(wire)[0] for _ in range(2)] == [6, 12]
    answer = wire.call("CRM.lead.add")
    assert (answer.status, answer.json["error"]) == (429, "OPERATION_TIME_LIMIT")
    assert answer.json.keys() == {"error", "error_description"}
    assert len(portal.executed) == 2


def test_a_sum_at_the_limit_is_not_over_it(portal, wire):
    """A method may go on when it has used exactly its seconds."""
    portal.cost("crm.lead.add", 5)
    assert [operating(wire)[0] for _ in range(3)] == [5, 10, 15]
    assert operating(wire) == "OPERATION_TIME_LIMIT"


def test_the_window(wire, clock):
    """The calls of one minute leave together, 600 seconds after the first of them."""
    assert operating(wire)[0] == 6
    clock.advance(59)
    assert operating(wire)[0] == 12
    clock.advance(540.9)
    assert operating(wire) == "OPERATION_TIME_LIMIT"
    clock.advance(0.1)
    assert operating(wire) == (6, clock.time() + 600)


def test_minutes_leave_one_by_one(wire, clock):
    """A call of a later minute leaves later."""
    assert operating(wire)[0] == 6
    clock.advance(60)
    assert operating(wire) == (12, clock.time() + 540)
    clock.advance(540)
    assert operating(wire) == (12, clock.time() + 60)
    assert operating(wire) == "OPERATION_TIME_LIMIT"


def test_ten_minutes_of_calls(portal, wire, clock):
    """Ten minutes with a call each add up to ten calls, and never to eleven."""
    portal.cost("crm.lead.add", 1)
    sums = []
    for _ in range(15):
        sums.append(operating(wire)[0])
        clock.advance(60)
    assert sums == [*range(1, 11), *[10] * 5]


@pytest.mark.parametrize(("halt", "ran"), [(0, ["a", "b", "d"]), (1, ["a", "b"])])
def test_operating_time_in_a_batch(portal, wire, halt, ran):
    """Each command counts for its own method; a blocked one is an error among the others, and the batch goes on."""
    portal.cost("batch", 100)
    names = ["crm.lead.add", "crm.lead.add", "crm.lead.add", "server.time"]
    for expected in (ran, [] if halt else ["d"]):
        answer = wire.call("batch", {"cmd": dict(zip("abcd", names, strict=True)), "halt": halt})
        maps = answer.result
        assert (answer.status, list(maps["result"])) == (200, expected)
    assert maps["result_error"]["a"]["error"] == "OPERATION_TIME_LIMIT"
    assert len(portal.executed) == (2 if halt else 4)


def test_operating_time_counts_from_a_tenth_of_a_second(portal, wire):
    """Calls of a tenth of a second and less are not counted."""
    portal.cost("server.time", 0.1)
    assert {operating(wire, "server.time")[0] for _ in range(200)} == {0}
    portal.cost("server.time", 0.11)
    assert operating(wire, "server.time")[0] == 0.11


def test_a_call_that_fails_is_not_charged(portal, wire):
    """Only what succeeds uses up operating time."""

    @portal.method("refuse")
    def refuse(params):
        raise PortalError("NO")

    portal.cost("refuse", 6)
    assert [operating(wire, "refuse") for _ in range(5)] == ["NO"] * 5


def test_no_operating_time_without_a_limit(clock):
    """A portal without this limit does not speak of it."""
    with Portal(clock) as portal:
        portal.cost("server.time", 1000)
        assert not [name for name in Wire(portal).call("server.time").json["time"] if "operating" in name]
