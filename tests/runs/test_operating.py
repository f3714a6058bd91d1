"""Operating time: a method that has used up its share is waited for, and only what was blocked is sent again."""

import pytest

from b24batch import LeakyBucket, OperatingLimitExceeded, UsageError, ref
from b24batch.clock import Wait
from b24batch.runs.operating import OperatingTime
from b24batch.sandbox import Portal, PortalError
from b24batch.wire import MethodTime

ADDS = [("crm.item.add", {"entityTypeId": 2, "fields": {"title": f"Deal {n}"}}) for n in range(5000)]


@pytest.fixture
def limited(clock):
    """A portal that gives each method 480 seconds in ten minutes, and takes half a second for an add."""
    with Portal(clock=clock, operating_limit=480) as portal:
        portal.cost("crm.item.add", 0.5)
        yield portal


def titles(portal):
    return [command.params["fields"]["title"] for command in portal.executed if command.method == "crm.item.add"]


@pytest.mark.slow
@pytest.mark.parametrize("halt", [True, False])
def test_five_thousand_adds(limited, clock, halt):
    """5,000 adds of half a second each end all ok, each executed once, in their order, blocked once a crossing."""
    waits = []
    b24 = limited.session(on_wait=waits.append)
    result = b24.batch_by_chunk(ADDS, halt_on_error=halt)
    assert result.is_success
    assert titles(limited) == [f"Deal {n}" for n in range(5000)]
    assert [row.data["item"]["title"] for row in result] == titles(limited)
    assert {wait.reason for wait in waits} == {"operating"}
    assert 5 <= len(waits) <= 6
    assert len(limited.requests) == 100 + len(waits)
    sent = sum(len(request.params["cmd"]) for request in limited.requests)
    assert sent - 5000 <= 49 * len(waits)
    assert all(500 < wait.seconds <= 601 for wait in waits)


@pytest.mark.slow
def test_only_the_blocked_are_sent_again(limited, clock):
    """Without halt the other methods of the chunk go on; the blocked commands alone are repeated."""
    b24 = limited.session()
    b24.batch_by_chunk(ADDS[:961]).raise_for_errors()
    before = len(limited.requests)
    mixed = [call for add in ADDS[961:981] for call in (add, ("server.time",))]
    assert b24.batch_by_chunk(mixed, halt_on_error=False, request_id="run").is_success
    first, second = limited.requests[before:]
    assert (len(first.params["cmd"]), len(second.params["cmd"])) == (40, 20)
    assert [request.headers["x-request-id"] for request in (first, second)] == ["run", "run/2"]
    assert titles(limited) == [f"Deal {n}" for n in range(981)]


@pytest.mark.slow
def test_with_halt_what_was_skipped_is_sent_again(limited):
    """With halt the blocked command and those skipped after it are repeated, and nothing before it."""
    b24 = limited.session()
    b24.batch_by_chunk(ADDS[:951]).raise_for_errors()
    before = len(limited.requests)
    result = b24.batch_by_chunk([*ADDS[951:991], ("server.time",)])
    assert result.is_success
    assert [len(request.params["cmd"]) for request in limited.requests[before:]] == [41, 31]
    assert titles(limited) == [f"Deal {n}" for n in range(991)]


def test_operating_wait_of_zero(limited, clock):
    """With operating_wait=0 the blocked commands are failed with reset_at, and nothing else is lost."""
    b24 = limited.session(operating_wait=0)
    result = b24.batch_by_chunk(ADDS[:1100], halt_on_error=False)
    assert [row.status for row in result] == ["ok"] * 961 + ["failed"] * 139
    assert clock.slept == []
    error = result[961].error
    assert type(error) is OperatingLimitExceeded
    assert clock.time() < error.reset_at <= clock.time() + 601
    assert [command.params["fields"]["title"] for command in result.remaining()] == [
        f"Deal {n}" for n in range(961, 1100)
    ]


def test_a_blocked_command_that_goes_alone(limited, clock):
    """The error of a command that is sent in a call of its own has reset_at, too."""
    limited.method("crm.item.get")(lambda params: params.get("title") and refuse())
    b24 = limited.session(operating_wait=0)
    b24.batch_by_chunk([("crm.item.get",)]).raise_for_errors()
    error = b24.batch_by_chunk([("crm.item.get", {"title": "$result[x]"})])[0].error
    assert type(error) is OperatingLimitExceeded
    assert limited.requests[-1].method == "crm.item.get"
    assert clock.time() < error.reset_at <= clock.time() + 601


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"operating_wait": 300}, {"max_wait": 300}], ids=repr)
def test_a_wait_that_is_too_long(limited, clock, options):
    """A wait over operating_wait, or over max_wait, is not begun."""
    result = limited.session(**options).batch_by_chunk(ADDS[:1000])
    assert [row.status for row in result] == ["ok"] * 961 + ["failed"] + ["skipped"] * 38
    assert clock.slept == []
    assert len(result.remaining()) == 39


def blocking(portal, times):
    """Register a method that is blocked so many times, on a portal that tells no operating time."""
    left = [times]

    @portal.method("blocked")
    def blocked(params):
        left[0] -= 1
        return refuse() if left[0] >= 0 else "done"


def refuse():
    raise PortalError("OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.", http_status=429)


@pytest.mark.parametrize(
    ("longest", "slept"), [(59.5, []), (60, [60.0]), (119.5, [60.0]), (120, [60.0, 60.0])], ids=repr
)
def test_the_longest_wait(clock, longest, slept):
    """A wait is begun if all of it fits into operating_wait, together with those before it."""
    with Portal(clock=clock) as portal:
        blocking(portal, 9)
        row = portal.session(operating_wait=longest).batch_by_chunk([("blocked",)])[0]
    assert (row.status, clock.slept) == ("failed", slept)


@pytest.mark.parametrize(("longest", "data"), [(119.5, ["done"]), (120, ["done", "done"])])
def test_waits_between_which_something_ran(clock, longest, data):
    """Once a blocked command ran, operating_wait counts anew for those that are left."""
    answers = iter(["blocked"] * 2 + ["ran"] + ["blocked"] * 2 + ["ran"])  # both, one of them, the other
    with Portal(clock=clock) as portal:
        portal.method("blocked")(lambda params: refuse() if next(answers) == "blocked" else "done")
        result = portal.session(operating_wait=longest).batch_by_chunk([("blocked",)] * 2, halt_on_error=False)
    assert (result.data, clock.slept) == (data, [60.0] * (1 + len(data)))


@pytest.mark.parametrize(("stop_after", "slept"), [(60, []), (60.5, [60.0])])
def test_the_end_of_a_run_and_operating_time(clock, stop_after, slept):
    """A wait after which no request may begin any more is not begun."""
    with Portal(clock=clock) as portal:
        blocking(portal, 9)
        result = portal.session().batch_by_chunk([("blocked",), ("blocked",)], chunk_size=1, stop_after=stop_after)
    assert ([row.status for row in result], clock.slept) == (["failed", "failed"], slept)


def test_stop_on_error_after_a_blocked_command(clock):
    """A run that stops on errors ends after a blocked command that never ran, not after one that ran at last."""
    for times, statuses in ((1, ["ok", "ok"]), (9, ["failed", "skipped"])):
        with Portal(clock=clock) as portal:
            blocking(portal, times)
            b24 = portal.session(operating_wait=60)
            result = b24.batch_by_chunk([("blocked",), ("blocked",)], chunk_size=1, stop_on_error=True)
        assert [row.status for row in result] == statuses


def test_a_blocked_command_before_one_that_goes_alone(clock):
    """A blocked command is sent again also if the last one of its chunk went alone, for the text that it got."""
    with Portal(clock=clock) as portal:
        blocking(portal, 1)
        portal.method("text")(lambda params: "$result[x][ID]")
        portal.method("echo")(lambda params: params)
        calls = [("text",), ("server.time",), ("blocked",), ("echo", {"a": ref(0)})]
        result = portal.session().batch_by_chunk(calls, chunk_size=2, halt_on_error=False)
    assert result.is_success
    assert (result.data[2:], clock.slept) == (["done", {"a": "$result[x][ID]"}], [60.0])


def test_without_a_time_block(clock):
    """When the portal tells no time, a blocked command is tried again every minute."""
    with Portal(clock=clock) as portal:
        blocking(portal, 3)
        waits = []
        b24 = portal.session(on_wait=waits.append)
        result = b24.batch_by_chunk([("blocked",), ("server.time",)], request_id="run")
    assert [row.status for row in result] == ["ok", "ok"]
    assert clock.slept == [60.0, 60.0, 60.0]
    assert waits == [Wait("operating", 60.0, n, f"run/{n - 1}" if n > 2 else "run") for n in (2, 3, 4)]


def test_waiting_in_vain_ends(clock):
    """Minutes in which nothing runs count as one wait: after operating_wait the command is failed."""
    with Portal(clock=clock) as portal:
        blocking(portal, 99)
        result = portal.session().batch_by_chunk(
            [("server.time",), ("blocked",), ("server.time",)], halt_on_error=False
        )
    assert [row.status for row in result] == ["ok", "failed", "ok"]
    assert clock.slept == [60.0] * 11
    assert result[1].error.reset_at is None


def test_a_command_that_goes_alone(clock):
    """A direct call in a chunked run that is blocked with HTTP 429 is waited for as well."""
    with Portal(clock=clock) as portal:
        blocking(portal, 1)
        result = portal.session().batch_by_chunk([("blocked", {"a": "$result[0]"})])
        assert [request.method for request in portal.requests] == ["blocked", "blocked"]
    assert result.data == ["done"]


def test_a_whole_batch_that_is_blocked(clock):
    """A portal that blocks `batch` itself is waited for; nothing of it ran."""
    with Portal(clock=clock) as portal:
        portal.fail_next(PortalError("OPERATION_TIME_LIMIT", "blocked", http_status=429), times=2)
        result = portal.session().batch_by_chunk(ADDS[:3])
        assert titles(portal) == ["Deal 0", "Deal 1", "Deal 2"]
    assert result.is_success
    assert clock.slept == [60.0, 60.0]


def test_call_and_batch_do_not_wait(clock):
    """`call` and `batch` report the limit at once."""
    with Portal(clock=clock) as portal:
        blocking(portal, 2)
        b24 = portal.session()
        with pytest.raises(OperatingLimitExceeded):
            b24.call("blocked")
        assert type(b24.batch([("blocked",)])[0].error) is OperatingLimitExceeded
    assert clock.slept == []


def test_an_interrupt_while_waiting_for_operating_time(clock):
    """Ctrl-C in such a wait keeps what ran; the blocked commands remain to be done."""

    def interrupt(wait):
        raise KeyboardInterrupt

    with Portal(clock=clock) as portal:
        blocking(portal, 1)
        b24 = portal.session(on_wait=interrupt)
        with pytest.raises(KeyboardInterrupt) as caught:
            b24.batch_by_chunk([("server.time",), ("blocked",), ("server.time",), ("server.time",)], chunk_size=3)
    result = caught.value.result
    assert [row.status for row in result] == ["ok", "failed", "skipped", "skipped"]
    assert len(result.remaining()) == 3


def test_a_failing_hook_between_waits(clock):
    """After an exception of on_request, even one of the library's own, a blocked command is not waited for any more."""
    error = UsageError("mine")

    def fail(request):
        if request.error is not None:
            raise error

    with Portal(clock=clock) as portal:
        blocking(portal, 9)
        portal.fail_next("rate_limited", after=1)
        with pytest.raises(UsageError) as caught:
            portal.session(on_request=fail).batch_by_chunk([("blocked",)])
    assert caught.value is error
    assert [row.status for row in error.result] == ["failed"]
    assert (clock.slept, len(portal.requests)) == ([60.0], 2)


def test_the_rate_is_kept_in_repeats(limited, clock):
    """Repeats of blocked commands are requests like others, and paced."""
    bucket = LeakyBucket(2, 0.001, clock=clock)
    limited.session(limits=bucket).batch_by_chunk(ADDS[:1])
    waits = []
    limited.session(limits=bucket, on_wait=waits.append).call("server.time")
    assert [wait.reason for wait in waits] == ["rate"]


@pytest.mark.parametrize(
    "block",
    [
        None,
        [],
        {},
        {"operating_reset_at": 5},
        {"finish": 5},
        {"operating_reset_at": "5", "finish": 1},
        {"operating_reset_at": None, "finish": None},
        {"operating_reset_at": -0.5, "finish": 1},
        {"operating_reset_at": 253_402_300_800, "finish": 1},
    ],
    ids=repr,
)
def test_a_time_block_that_tells_nothing(clock, block):
    """A block without the two figures, or with one that is no date before the year 10000, teaches nothing."""
    operating = OperatingTime(clock)
    operating.note("m", block)
    assert (operating.wait_for(["m"]), operating.reset_at("m")) == (60.0, None)


def test_a_method_that_took_no_time(clock):
    """An answer that adds nothing to the operating time has the newer reset time all the same."""
    operating = OperatingTime(clock)
    for finish in (10, 20):
        operating.note("m", {"operating": 5.0, "operating_reset_at": finish + 600, "finish": finish})
    assert operating.used["m"].reset_at == 620


def test_a_count_that_begins_anew(clock):
    """After the reset time a method has used what the portal says then, even nothing."""
    operating = OperatingTime(clock)
    for finish, used in ((10, 5.0), (620, 0.0)):
        operating.note("m", {"operating": used, "operating_reset_at": finish + 600, "finish": finish})
    assert operating.used["m"] == MethodTime(0.0, 1220.0)


def test_a_clock_that_goes_backwards(clock):
    """A clock that is put back makes no wait longer."""
    operating = OperatingTime(clock)
    operating.note("m", {"operating_reset_at": 300, "finish": 0})
    clock.advance(-5.0)
    assert operating.wait_for(["m"]) == 301.0


def test_the_wait_is_measured_on_our_clock(clock):
    """The portal's clock may be wrong by years: only the difference of its own figures counts."""
    operating = OperatingTime(clock)
    clock.advance(1000.0)
    operating.note("m", {"operating_reset_at": 100_300, "finish": 100_000.5})
    assert operating.wait_for(["m"]) == 300.5
    clock.advance(100.0)
    assert operating.wait_for(["m", "other"]) == 200.5
    clock.advance(200.0)
    assert operating.wait_for(["m"]) == 0.5
    for seconds in (0.5, 300.0):
        clock.advance(seconds)
        assert operating.wait_for(["m"]) == 60.0


def test_the_latest_reset_time(clock):
    """The last second of the year 9999 is a time like any other."""
    operating = OperatingTime(clock)
    operating.note("m", {"operating_reset_at": 253_402_300_799, "finish": 253_402_300_799})
    assert (operating.wait_for(["m"]), operating.reset_at("m")) == (1.0, 253_402_300_799)
