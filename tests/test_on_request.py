"""`on_request`: told of every HTTP request once it has ended, whichever way it went, and never in the way of it."""

import logging
import pickle
import threading
from collections import Counter
from itertools import pairwise

import attrs
import pytest
from canary import assert_hidden
from drawing import together

from b24batch import (
    AjaxError,
    AnswerLost,
    Command,
    LeakyBucket,
    NotSent,
    OAuth,
    RateLimited,
    RetryPolicy,
    Session,
    ref,
)
from b24batch.oauth import Token
from b24batch.sandbox import Answer, Portal, PortalError
from b24batch.wire import FinishedRequest, Wait
from b24batch.wire.reports import HookFailed

AT_ONCE = RetryPolicy(wait_initial=0.0)
GET = ("server.time",)
ADD = ("crm.deal.add", {"fields": {"TITLE": "x"}})
EACH_WAY = pytest.mark.parametrize("concurrency", [1, 4])
RUNS = pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])


@pytest.fixture
def told():
    return []


@pytest.fixture
def host(portal):
    return portal.url.split("/")[2]


def test_a_request(portal, clock, told, host):
    """A report says where, what, when, how long and how it ended."""
    portal.method("slow.get")(lambda params: clock.advance(1.25))
    with portal.session(clock=clock, on_request=told.append) as b24:
        began = clock.time()
        b24.call("slow.get", request_id="one")
        b24.batch([("slow.get",)] * 2, request_id="two")
    assert told == [
        FinishedRequest(host, "slow.get", 1, 1, "one", began, 1.25, 200, None, None),
        FinishedRequest(host, "batch", 2, 1, "two", began + 1.25, 2.5, 200, None, None),
    ]
    assert pickle.loads(pickle.dumps(told)) == told
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        told[0].seconds = 0


def test_retries(portal, clock, told):
    """Each attempt is reported with its number, before the wait that follows it."""
    portal.fail_next("rate_limited")
    portal.fail_next("lost_before", after=1)
    b24 = portal.session(clock=clock, on_request=told.append, on_wait=told.append)
    b24.call(*GET, request_id="one")
    kinds = [(type(each), each.attempt, each.request_id) for each in told]
    requests = [each for each in told if isinstance(each, FinishedRequest)]
    assert kinds == [
        (FinishedRequest, 1, "one"),
        (Wait, 2, "one"),
        (FinishedRequest, 2, "one"),
        (Wait, 3, "one"),
        (FinishedRequest, 3, "one"),
    ]
    assert [(each.http_status, each.error, each.code) for each in requests] == [
        (503, "RateLimited", "QUERY_LIMIT_EXCEEDED"),
        (None, "AnswerLost", "ANSWER_LOST"),
        (200, None, None),
    ]


def test_a_new_token(portal, told):
    """A request whose token was refused is reported, and once more with the new token; the token's own is not."""
    portal.fail_next("expired_token")
    with portal.session(portal.oauth(), on_request=told.append) as b24:
        b24.call(*GET)
    assert [(each.method, each.attempt, each.error) for each in told] == [
        ("server.time", 1, "ExpiredToken"),
        ("server.time", 2, None),
    ]


def test_a_portal_that_is_not_there(told, closed_url):
    """A request that could not be sent is reported as such."""
    b24 = Session(closed_url, limits=None, retries=AT_ONCE, on_request=told.append)
    with b24, pytest.raises(NotSent):
        b24.call(*GET)
    assert [(each.attempt, each.http_status, each.error) for each in told] == [
        (n, None, "NotSent") for n in range(1, 6)
    ]


@EACH_WAY
def test_each_way_to_send(portal, told, concurrency):
    """Every request of a run, a stream and a list is reported once, as the statistics count them."""
    portal.fail_next("rate_limited", after=2)
    with portal.session(retries=AT_ONCE, on_request=told.append, concurrency=concurrency) as b24:
        b24.batch_by_chunk([GET] * 9, chunk_size=2)
        list(b24.stream_batch([ADD] * 55, chunk_size=5))
        b24.call_list("crm.deal.list")
        assert len(told) == len(portal.requests) == b24.statistics.requests
        assert sum(each.attempt > 1 for each in told) == b24.statistics.retries == 1
    sent = Counter((request.method, request.headers["x-request-id"]) for request in portal.requests)
    assert Counter((each.method, each.request_id) for each in told) == sent


def test_the_callers_thread(portal):
    """Whichever thread sends a request, the report is on the caller's thread."""
    threads = set()
    with portal.session(on_request=lambda _: threads.add(threading.current_thread()), concurrency=4) as b24:
        b24.batch_by_chunk([GET] * 20, chunk_size=1)
        list(b24.stream_batch([GET] * 20, chunk_size=1))
    assert threads == {threading.current_thread()}


class Trouble(Exception):
    """What a callback raises."""


def failing(error, after):
    """A callback that raises `error` at its last call, after so many calls."""
    calls = []

    def on_request(request):
        calls.append(request)
        assert len(calls) <= after + 1
        if len(calls) > after:
            raise error

    return on_request


def check_ended_run(portal, b24, way, error):
    """`error` ends a run of writes as it is, and each write that was executed is ok; none of the others was sent."""
    rows = []
    with pytest.raises(type(error)) as caught:
        rows.extend(getattr(b24, way)([ADD] * 40, chunk_size=2))
    rows += caught.value.result
    assert caught.value is error
    statuses = Counter(row.status for row in rows)
    assert statuses["ok"] == len(portal.executed) == b24.statistics.commands["ok"] >= 2
    assert set(statuses) <= {"ok", "skipped"}


#: Exceptions of a callback; also those that a session would raise itself.
ERRORS = [Trouble(), KeyboardInterrupt(), RateLimited("mine"), AnswerLost("mine"), AjaxError("mine", code="X")]


@together("error", ERRORS)
@RUNS
@EACH_WAY
def test_an_exception_in_a_run(portal, way, concurrency, error):
    """An exception of `on_request` ends the run as it is; no outcome is lost for it, and no write is sent twice."""
    with portal.session(on_request=failing(error, 1), concurrency=concurrency, retries=AT_ONCE) as b24:
        check_ended_run(portal, b24, way, error)


@RUNS
@EACH_WAY
def test_an_exception_inside_a_chunk(portal, way, concurrency):
    """If a chunk takes two requests, an exception after the first ends the run: the second is not sent."""
    portal.method("text.get")(lambda params: "$result[0]")  # a batch cannot carry it
    calls = [Command("text.get", name="text"), ("crm.deal.add", {"fields": {"TITLE": ref("text")}}), ADD]
    rows = []
    with (
        portal.session(on_request=failing(Trouble(), 1), concurrency=concurrency) as b24,
        pytest.raises(Trouble) as caught,
    ):
        rows.extend(getattr(b24, way)(calls))
    rows += caught.value.result
    assert [row.status for row in rows] == ["ok", "ok", "skipped"]
    assert len(portal.requests) == 2


@pytest.mark.parametrize("fault", ["rate_limited", "lost_after"])
def test_an_exception_before_a_retry(portal, fault):
    """If an attempt failed, it ends the run before the wait; what became of the commands is told as it is known."""
    error, waits = Trouble(), []
    portal.fail_next(fault)
    b24 = portal.session(on_request=failing(error, 0), on_wait=waits.append, idempotent_methods=[ADD[0]])
    with pytest.raises(Trouble) as caught:
        b24.batch_by_chunk([ADD, ADD])
    assert (caught.value, waits, len(portal.requests)) == (error, [], 1)
    assert {row.status for row in error.result} == {"unknown" if fault == "lost_after" else "skipped"}


def test_the_note_of_an_exception_before_a_retry(portal):
    """The exception has one note, which says that the request was sent."""
    portal.fail_next("lost_after")
    b24 = portal.session(on_request=failing(Trouble(), 0), idempotent_methods=[ADD[0]])
    with pytest.raises(Trouble) as caught:
        b24.call(*ADD)
    assert caught.value.__notes__ == ["the request was sent: it may have been executed"]


@together("error", ERRORS)
@together("send", ["call", "batch"])
@together("refused", [False, True])
def test_an_exception_in_a_call(portal, send, error, refused):
    """A call or batch ends with the exception of `on_request`; the command counts as what it was, and is sent once."""
    if refused:
        portal.fail_next(PortalError("ACCESS_DENIED", "no", 403))
    b24 = portal.session(on_request=failing(error, 0), retries=AT_ONCE)
    with pytest.raises(type(error)) as caught:
        b24.call(*ADD) if send == "call" else b24.batch([ADD])
    assert caught.value is error
    assert len(portal.requests) == 1
    assert b24.statistics.commands["failed" if refused else "ok"] == sum(b24.statistics.commands.values()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("hook", ["on_request", "on_wait"])
@RUNS
@EACH_WAY
def test_a_hook_between_two_attempts(portal, way, concurrency, hook, error):
    """An exception of a hook before a request is sent again ends the run as it is; none of its writes is failed."""
    portal.fail_next("rate_limited", after=1)
    with portal.session(concurrency=concurrency, **{hook: failing(error, hook == "on_request")}) as b24:
        check_ended_run(portal, b24, way, error)


@together("error", ERRORS)
@together("send", ["call", "batch", "call_list"])
@together("reason", ["rate", "retry"])
def test_an_exception_of_on_wait(portal, clock, send, error, reason):
    """An exception of `on_wait` ends a request as it is, sent or not: it is not the request's own error."""
    limits = LeakyBucket(2, 0.5, clock=clock)
    b24 = portal.session(clock=clock, limits=limits, on_wait=failing(error, 0))
    if reason == "rate":
        b24.call(*GET)
    else:
        portal.fail_next("rate_limited")
    before = len(portal.requests)
    with pytest.raises(type(error)) as caught:
        getattr(b24, send)(*{"batch": [[ADD]], "call_list": ["crm.deal.list"]}.get(send, ADD))
    assert caught.value is error
    assert not isinstance(caught.value.__context__, HookFailed)
    assert len(portal.requests) - before == (reason == "retry")
    assert sum(b24.statistics.commands.values()) == before


@EACH_WAY
def test_an_exception_in_a_list(portal, concurrency):
    """A list ends with the exception of `on_request`, which has the rows so far."""
    error = Trouble()
    with portal.session() as b24:
        b24.batch_by_chunk([ADD] * 120)
    b24 = portal.session(on_request=failing(error, 1), concurrency=concurrency)
    with b24, pytest.raises(Trouble) as caught:
        b24.call_list("crm.deal.list", pages_per_request=1)
    assert caught.value is error
    assert len(error.result) <= 120


def test_an_exception_in_a_journaled_run(portal, tmp_path):
    """The journal has the outcome of the request whose report failed: the run goes on behind it."""
    with portal.session(on_request=failing(Trouble(), 0)) as b24, pytest.raises(Trouble):
        b24.batch_by_chunk([ADD] * 6, chunk_size=2, journal=tmp_path / "journal")
    with portal.session() as b24:
        assert b24.batch_by_chunk([ADD] * 6, chunk_size=2, journal=tmp_path / "journal").is_success
    assert len(portal.executed) == 6


def test_a_call_inside_a_report(portal):
    """`on_request` may use the session."""
    seen = []

    def on_request(request):
        if request.method == "batch":
            seen.append(b24.with_options(on_request=None).call(*GET).status)

    with portal.session(on_request=on_request) as b24:
        assert b24.batch_by_chunk([GET] * 4, chunk_size=2).is_success
    assert seen == ["ok", "ok"]


def test_waits_keep_their_numbers(portal, clock):
    """The number of a wait's attempt is that of the request that follows."""
    told = []
    portal.fail_next("expired_token")
    portal.fail_next("rate_limited", after=1)
    limits = LeakyBucket(2, 0.5, clock=clock)
    with portal.session(portal.oauth(), clock=clock, limits=limits, on_wait=told.append, on_request=told.append) as b24:
        b24.call(*GET)
    numbers = [(type(each).__name__, each.attempt) for each in told]
    assert [number for name, number in numbers if name == "FinishedRequest"] == [1, 2, 3]
    followed = [(number, following) for (name, number), (_, following) in pairwise(numbers) if name == "Wait"]
    assert {number for number, _ in followed} == {2, 3}
    assert all(number == following for number, following in followed)


@pytest.mark.parametrize("kind", ["webhook", "oauth"])
def test_no_secret(portal, told, caplog, kind):
    """No report has a secret: not even if the portal repeats one in a code, a host or words."""
    caplog.set_level(logging.DEBUG, logger="b24batch")
    code, access, refresh = portal.url.rstrip("/").rpartition("/")[2], "a1access+token==", "r1refreshtoken00"
    token = Token(access, refresh, 4e9, portal.url.replace(f"1/{code}/", ""), "a" * 32)
    secrets = [code] if kind == "webhook" else [access, refresh, "c1ClientSecret"]
    auth = portal.url if kind == "webhook" else OAuth("app.1", "c1ClientSecret", token, token_url=portal.token_url)
    with Session(auth, limits=None, retries=RetryPolicy(attempts=1), on_request=told.append) as b24:
        for secret in secrets:
            for answer in (
                PortalError(secret, secret, 400),
                Answer("", 302, {"Location": f"https://{secret}/"}),
                "empty",
            ):
                portal.fail_next(answer)
                with pytest.raises((AjaxError, AnswerLost)):
                    b24.call(*GET)
    assert len(told) == 3 * len(secrets)
    assert_hidden(secrets, records=caplog.records, others=told)


def test_no_hook(portal, b24):
    """Without `on_request` nothing is called; with None it is switched off."""
    told = []
    loud = b24.with_options(on_request=told.append)
    loud.with_options(on_request=None).call(*GET)
    b24.call(*GET)
    assert told == []
    loud.call(*GET)
    assert len(told) == 1


def test_a_bar_beside_it(portal, told):
    """With a progress bar `on_request` is called all the same."""

    class Bar:
        def __init__(self, **options):
            self.update = self.set_postfix_str = self.close = lambda *_: None

    with Portal() as portal, portal.session(on_request=told.append) as b24:
        b24.batch_by_chunk([GET] * 4, chunk_size=2, progress=Bar)
    assert len(told) == 2
