"""Statistics: what a session did, counted exactly, whichever way it was used."""

import contextlib
import gc
import os
import pickle
import re
import signal
import sys
import threading
from collections import Counter
from random import Random

import attrs
import pytest
from canary import assert_hidden
from drawing import some

from b24batch import (
    AjaxError,
    AnswerLost,
    LeakyBucket,
    NotSent,
    OAuth,
    OperatingLimitExceeded,
    RetryPolicy,
    Session,
    UsageError,
)
from b24batch.oauth import Token
from b24batch.runs import payload
from b24batch.runs.operating import OperatingTime
from b24batch.sandbox import FakeClock, Portal, PortalError
from b24batch.wire import MethodTime, Statistics
from b24batch.wire.answers import Decoder
from b24batch.wire.statistics import Counts

AT_ONCE = RetryPolicy(wait_initial=0.0)
NOTHING = {"ok": 0, "failed": 0, "skipped": 0, "unknown": 0}
GET = ("server.time",)
BAD = ("no.such",)
EACH_WAY = pytest.mark.parametrize("concurrency", [1, 4])


def done(b24):
    """The numbers of requests and retries, and the commands by status."""
    statistics = b24.statistics
    return statistics.requests, statistics.retries, {name: n for name, n in statistics.commands.items() if n}


def test_nothing_done(b24):
    """A new session has done nothing: every status and every reason is there, with 0."""
    waited = {"rate": 0.0, "retry": 0.0, "operating": 0.0}
    assert b24.statistics == Statistics(0, 0, 0, NOTHING, waited, {})


def test_each_way_to_send(portal, b24):
    """Each command of a call, a batch, a run, a stream and a list counts once, each page of a list as a command."""
    b24.call(*GET)
    assert done(b24) == (1, 0, {"ok": 1})
    b24.batch([GET, BAD, GET])
    assert done(b24) == (2, 0, {"ok": 2, "failed": 1, "skipped": 1})
    b24.batch_by_chunk([GET, BAD, GET, GET], chunk_size=2, halt_on_error=False)
    assert done(b24) == (4, 0, {"ok": 5, "failed": 2, "skipped": 1})
    assert len(list(b24.stream_batch([GET] * 3, chunk_size=1))) == 3
    assert done(b24) == (7, 0, {"ok": 8, "failed": 2, "skipped": 1})
    before = len(portal.executed)
    b24.call_list("crm.deal.list")
    requests, _, commands = done(b24)
    assert requests == len(portal.requests)
    assert commands["ok"] == 8 + len(portal.executed) - before


@EACH_WAY
@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
def test_a_run_counts_what_it_returns(portal, way, concurrency):
    """The commands of a run are counted by the outcomes that it returns."""
    portal.fail_next("rate_limited", after=1)
    portal.fail_next("lost_after", after=3)
    calls = [("crm.deal.add", {"fields": {"TITLE": "x"}}), BAD, GET] * 8
    with portal.session(retries=AT_ONCE, concurrency=concurrency) as b24:
        rows = list(getattr(b24, way)(calls, chunk_size=3))
        assert done(b24) == (len(portal.requests), 1, Counter(row.status for row in rows))
        assert {"ok", "failed", "skipped", "unknown"} == {row.status for row in rows}


@EACH_WAY
def test_a_run_that_ends_early(portal, concurrency):
    """Commands that a run never sent are skipped, also in the counts."""
    portal.fail_next("unauthorized")
    with portal.session(concurrency=concurrency) as b24:
        rows = b24.batch_by_chunk([GET] * 30, chunk_size=2).rows
        assert done(b24)[2] == Counter(row.status for row in rows)
        assert concurrency == 4 or b24.statistics.commands["skipped"] == 28


@pytest.mark.parametrize(
    ("fault", "error", "status"), [("lost_after", AnswerLost, "unknown"), ("unauthorized", AjaxError, "failed")]
)
def test_a_request_that_fails(portal, b24, fault, error, status):
    """A request that fails as a whole counts all of its commands: unknown if its answer was lost, failed otherwise."""
    add = ("crm.deal.add", {"fields": {"TITLE": "x"}})
    for number, send in enumerate((lambda: b24.call(*add), lambda: b24.batch([add] * 4)), 1):
        portal.fail_next(fault)
        with pytest.raises(error):
            send()
        assert done(b24) == (number, 0, {status: 1 + 4 * (number - 1)})


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_list_that_fails(portal, concurrency):
    """The pages of a list's request that fails as a whole count as commands, too."""
    portal.fail_next("unauthorized")
    with portal.session(concurrency=concurrency) as b24:
        with pytest.raises(AjaxError):
            b24.call_list("crm.deal.list")
        assert b24.statistics.commands["failed"] >= 1 == b24.statistics.requests


@pytest.mark.parametrize("send", ["call", "batch", "batch_by_chunk", "call_list"])
def test_ctrl_c(portal, send):
    """Ctrl-C while a request is on its way leaves its commands unknown, also in the counts."""

    @portal.method("crm.deal.list")
    def press(params):
        os.kill(os.getpid(), signal.SIGINT)
        gate.wait(10)
        return []

    gate, calls = threading.Event(), {"call": "crm.deal.list", "call_list": "crm.deal.list"}
    with portal.session() as b24:
        with pytest.raises(KeyboardInterrupt):
            getattr(b24, send)(calls.get(send, [("crm.deal.list",)]))
        gate.set()
        assert done(b24) == (1, 0, {"unknown": 1})


def test_a_portal_that_is_not_there(closed_url):
    """A request that could not be sent counts as a request, its command as failed."""
    with Session(closed_url, limits=None, retries=RetryPolicy(2, wait_initial=0.0)) as b24:
        with pytest.raises(NotSent):
            b24.call(*GET)
        assert done(b24) == (2, 1, {"failed": 1})


def test_what_is_refused_before_it_is_sent(b24):
    """An invalid call has no outcome, and counts nothing."""
    for send in (b24.batch, b24.batch_by_chunk, lambda calls: b24.call(calls[1])):
        with pytest.raises(UsageError):
            send([GET, "no call"])
    assert done(b24) == (0, 0, {})


def test_waits(portal, clock):
    """Waits add up by reason to what `on_wait` was told, and a command that had to wait counts once."""
    waits, counter = [], Counter()
    with Portal(clock=clock, operating_limit=480) as portal:
        portal.cost("slow.add", 100.0)
        portal.method("slow.add")(lambda params: 1)
        portal.fail_next("rate_limited")
        with portal.session(clock=clock, limits=LeakyBucket(4, 0.5, clock=clock), on_wait=waits.append) as b24:
            assert b24.batch_by_chunk([("slow.add",)] * 8, chunk_size=2).is_success
            for wait in waits:
                counter[wait.reason] += wait.seconds
            assert b24.statistics.waited == pytest.approx(counter)
            assert {wait.reason for wait in waits} == {"rate", "retry", "operating"}
            assert done(b24) == (len(portal.requests), 1, {"ok": 8})


def test_the_operating_time_of_each_method(clock):
    """The methods are in the order of their operating time, single calls included, as the portal's last answers say."""
    with Portal(clock=clock, operating_limit=480) as portal:
        for name, seconds in (("a.get", 2.5), ("b.get", 10.0), ("c.get", 4.0)):
            portal.method(name)(lambda params: 1)
            portal.cost(name, seconds)
        with portal.session() as b24:
            b24.call("a.get")
            b24.batch([("b.get",)] * 3)
            b24.batch_by_chunk([("c.get",)] * 2)
            reset_at = float(int(clock.time()) + 600)
            assert list(b24.statistics.methods.items())[:3] == [
                ("b.get", MethodTime(30.0, reset_at)),
                ("c.get", MethodTime(8.0, reset_at)),
                ("a.get", MethodTime(2.5, reset_at)),
            ]
            assert b24.with_options(max_wait=1).statistics == b24.statistics
    with Portal() as portal, portal.session() as b24:
        b24.call(*GET)
        assert b24.statistics.methods == {}


def block(operating, reset_at=1600, finish=1000.0):
    return {"operating": operating, "operating_reset_at": reset_at, "finish": finish}


@pytest.mark.parametrize(
    ("blocks", "seconds"),
    [
        ([block(5.0), block(7.5, finish=1001.0)], 7.5),
        ([block(7.5, finish=1001.0), block(5.0)], 7.5),  # an answer that another overtook
        ([block(400, 1200), block(3, 1700, 1199.9)], 400.0),  # the portal counts direct calls apart
        ([block(400, 1200), block(3, 1700, 1200.0)], 3.0),
        ([block(5), block(-1), block("9"), block(True), block(float("nan")), {"finish": 1.0}, None, []], 5.0),
        ([block(5), {"operating_reset_at": 1700, "finish": 1600.0}], 5.0),
    ],
)
def test_a_count_that_falls(clock, blocks, seconds):
    """Before its reset time a count does not fall: a lower number is of another count, or older."""
    operating = OperatingTime(clock)
    for each in blocks:
        operating.note("a.get", each)
    assert operating.used["a.get"].operating == seconds


def test_a_direct_call_beside_a_run(clock):
    """A single call counts, but does not tell a run when its method is free: portals may count the two apart."""
    operating = OperatingTime(clock)
    operating.note("a.get", block(5, 1200))
    operating.note("a.get", block(9, 1600), is_direct=True)
    assert (operating.used, operating.reset_at("a.get")) == ({"a.get": MethodTime(9.0, 1600.0)}, 1200)
    with Portal(clock=clock, operating_limit=480) as portal, portal.session() as b24:
        portal.cost("server.time", 5.0)
        b24.call(*GET)
        assert (b24.statistics.methods["server.time"].operating, b24._operating.reset_at("server.time")) == (5.0, None)


def test_a_blocked_call(clock):
    """A single call that is blocked is failed, and its method is known to be at its limit."""
    with Portal(clock=clock, operating_limit=10) as portal, portal.session() as b24:
        portal.cost("server.time", 11.0)
        b24.call(*GET)
        with pytest.raises(OperatingLimitExceeded):
            b24.call(*GET)
        assert done(b24) == (2, 0, {"ok": 1, "failed": 1})
        assert b24.statistics.methods["server.time"].operating == 11.0


@EACH_WAY
def test_an_interrupted_run(portal, concurrency):
    """A run that an exception stops counts the outcomes that the exception has."""
    error = LookupError("mine")

    def fail(wait):
        raise error

    portal.fail_next("rate_limited", after=2)
    with portal.session(retries=AT_ONCE, on_wait=fail, concurrency=concurrency) as b24:
        with pytest.raises(LookupError) as caught:
            b24.batch_by_chunk([GET] * 40, chunk_size=2)
        rows = caught.value.result.rows
        assert len(rows) == sum(b24.statistics.commands.values()) == 40
        assert done(b24)[2] == Counter(row.status for row in rows)


@pytest.mark.slow
@EACH_WAY
@pytest.mark.parametrize("way", ["close", "garbage"])
def test_a_stream_that_is_left(portal, concurrency, way):
    """A stream that is closed, or forgotten, counts what was yielded and what was read for it."""
    with portal.session(concurrency=concurrency) as b24:
        stream = b24.stream_batch([GET] * 40, chunk_size=2)
        assert next(stream).status == "ok"
        if way == "close":
            stream.close()
        del stream
        gc.collect()
        assert 2 <= sum(b24.statistics.commands.values()) <= 8
        assert b24.statistics.requests == len(portal.requests)


@contextlib.contextmanager
def pressed_at(function, line, after=0):
    """Raises Ctrl-C once, at a line of a function, counted from its `def`, after some calls."""
    calls, before = [], sys.gettrace()

    def trace(frame, event, arg):
        if frame.f_code is not function.__code__:
            return None
        calls.append(frame)
        return press if len(calls) > after else None

    def press(frame, event, arg):
        if event == "line" and frame.f_lineno - frame.f_code.co_firstlineno == line:
            sys.settrace(None)
            raise KeyboardInterrupt
        return press

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@EACH_WAY
@pytest.mark.parametrize("line", [2, 3, 4])
def test_ctrl_c_while_counting(portal, line, concurrency):
    """Ctrl-C when a chunk is about to be counted leaves it counted once."""
    with portal.session(concurrency=concurrency) as b24:
        with pytest.raises(KeyboardInterrupt) as caught, pressed_at(Counts.count_commands, line, 1):
            b24.batch_by_chunk([GET] * 12, chunk_size=2)
        rows = caught.value.result.rows
        assert Counter(row.status for row in rows) == done(b24)[2]
        assert len(rows) == 12


@pytest.mark.parametrize(
    ("send", "function", "line"),
    [
        ("call", payload.load_direct, 2),
        ("batch", payload.load, 2),
        ("call", Decoder._read, 1),
        ("batch", Decoder._read, 1),
    ],
)
def test_ctrl_c_behind_an_answer(portal, send, function, line):
    """A command whose answer came, but was not read to its end because of Ctrl-C, is unknown."""
    with portal.session() as b24:
        with pytest.raises(KeyboardInterrupt), pressed_at(function, line):
            b24.call(*GET) if send == "call" else b24.batch([GET] * 3)
        assert done(b24) == (1, 0, {"unknown": 1 if send == "call" else 3})


FAULTS = ["rate_limited", "lost_after", "lost_before", "expired_token", "empty", "unauthorized"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", some(range(40), share=8))
def test_any_mix(portal, seed):
    """Whatever is sent and fails, the counts are those of the results, and of the requests that the portal got."""
    random, said = Random(seed), Counter()
    with portal.session(portal.oauth(), retries=AT_ONCE) as b24:
        for _ in range(12):
            portal.fail_next(random.choice(FAULTS), after=random.randrange(4))
            calls = random.choices([GET, BAD, ("crm.deal.add", {"fields": {"TITLE": "x"}})], k=random.randrange(1, 14))
            how = {"chunk_size": random.randrange(1, 5), "halt_on_error": random.random() < 0.5}
            how |= {"concurrency": random.choice([1, 3]), "stop_on_error": random.random() < 0.2}
            one = b24.with_options(max_wait=random.choice([None, 1.0]))
            said += Counter(row.status for row in random.choice([one.batch_by_chunk, one.stream_batch])(calls, **how))
        assert said == Counter(b24.statistics.commands)
        assert b24.statistics.requests == len(portal.requests)
        assert b24.statistics.token_refreshes == len(portal.token_requests)


def test_a_resumed_run(portal, tmp_path):
    """Outcomes that a journal has from an earlier life are not counted again; what is sent again is."""
    portal.fail_next("unauthorized", after=1)
    with portal.session() as b24:
        b24.batch_by_chunk([GET] * 6, chunk_size=2, journal=tmp_path / "journal")
        assert done(b24) == (2, 0, {"ok": 2, "failed": 2, "skipped": 2})
    with portal.session() as b24:
        assert b24.batch_by_chunk([GET] * 6, chunk_size=2, journal=tmp_path / "journal").is_success
        assert done(b24) == (2, 0, {"ok": 4})


def test_a_new_token(portal):
    """A token's refresh is no request to the portal; a request that is sent again with the new token is a retry."""
    portal.fail_next("expired_token")
    with portal.session(portal.oauth()) as b24:
        b24.call(*GET)
        assert done(b24) == (2, 1, {"ok": 1})
        assert b24.statistics.token_refreshes == len(portal.token_requests) == 1


def test_threads(portal):
    """Sixteen threads and their lanes count exactly."""
    with portal.session(retries=AT_ONCE) as b24:

        def work(n):
            if n % 2:
                for _ in range(10):
                    b24.with_options(max_wait=5).call(*GET)
            else:
                b24.batch_by_chunk([GET] * 20, chunk_size=2, concurrency=1 + n % 4)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert done(b24) == (160, 0, {"ok": 240})
        assert len(portal.requests) == 160


def test_counting_inside_counting():
    """A garbage collection while something is counted may close a stream, which counts, too: nobody waits forever."""
    counts = Counts()

    def count():
        with counts._lock.lock:
            counts.count_commands(["ok", "skipped", "ok"])

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert counts.snapshot({}).commands == NOTHING | {"ok": 2, "skipped": 1}


def test_a_snapshot(b24):
    """Statistics are a frozen value that later requests do not change; it compares and pickles."""
    before = b24.statistics
    kept = pickle.loads(pickle.dumps(before))
    b24.call(*GET)
    assert before == kept != b24.statistics
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        before.requests = 5
    before.commands["ok"] = 99
    assert b24.statistics.commands["ok"] == 1


def test_the_table_of_a_session(clock):
    """The table of a session says what it did, and nothing that it did not do."""
    with Portal(clock=clock, operating_limit=480) as portal:
        for name in "abcd":
            portal.method(f"{name}.get")(lambda params: 1)
            portal.cost(f"{name}.get", ord(name) / 10)
        with portal.session(clock=clock, limits=LeakyBucket(2, 0.5, clock=clock)) as b24:
            assert rows_of(b24)[3:] == []
            b24.batch([(f"{name}.get",) for name in "abcd"] + [BAD])
            portal.fail_next("rate_limited")
            b24.with_options(retries=RetryPolicy(random=lambda: 0.5)).call("a.get")
            used = ("a.get 19 s", "d.get 10 s", "c.get 10 s")
            assert rows_of(b24)[3:] == [
                ("requests", "3, 1 of them retries"),
                ("commands", "5 ok, 1 failed"),
                ("waited", "3.5 s for the rate, 0.5 s for retries"),
                ("operating time", ", ".join(f"{method} until 00:10:00 UTC" for method in used) + ", ..."),
            ]
        with portal.session(clock=clock) as of_three:
            of_three.batch([(f"{name}.get",) for name in "abc"])
            assert rows_of(of_three)[-1][1].count("UTC") == 3
            assert not rows_of(of_three)[-1][1].endswith("...")


def rows_of(b24):
    return re.findall(r"<tr><td[^>]*>([^<]*)</td><td[^>]*>([^<]*)</td></tr>", b24._repr_html_())


@pytest.mark.parametrize("kind", ["webhook", "oauth"])
def test_no_secret(portal, kind):
    """Neither the statistics nor the table of a session has a secret, even if the portal repeats it."""
    code, access, refresh = portal.url.rstrip("/").rpartition("/")[2], "a1accesstoken==", "r1refreshtoken00"
    token = Token(access, refresh, 4e9, portal.url.replace(f"1/{code}/", ""), "a" * 32)
    secrets = [code] if kind == "webhook" else [access, refresh, "c1ClientSecret"]
    auth = portal.url if kind == "webhook" else OAuth("app.1", "c1ClientSecret", token, token_url=portal.token_url)
    with Session(auth, limits=None, retries=AT_ONCE) as b24:
        portal.fail_next(PortalError(secrets[0], f"no {secrets[0]}", 400))
        with pytest.raises(AjaxError):
            b24.call(*GET)
        assert_hidden(secrets, others=[b24.statistics, b24._repr_html_()])
        assert not [secret for secret in secrets if secret in f"{vars(b24._transport.counts)}"]


def test_another_clock():
    """A session on another clock shares the counts."""
    with Portal() as portal, portal.session() as b24:
        b24.with_options(clock=FakeClock()).call(*GET)
        assert b24.statistics.requests == 1
