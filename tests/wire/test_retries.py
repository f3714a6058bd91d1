"""What reads, and how patient a session is."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from b24batch import AjaxError, AnswerLost, Command, LeakyBucket, NotSent, RateLimited, RetryPolicy, UsageError
from b24batch.calls.methods import is_read
from b24batch.sandbox import Answer, FakeClock, PortalError

VECTORS = Path(__file__).parents[1] / "vectors"
METHODS = [line.split("\t") for line in (VECTORS / "methods.tsv").read_text().splitlines()]


def test_every_documented_method():
    """All 1657 documented methods are known as the read or the write they are, in any case."""
    assert len(METHODS) == 1657
    wrong = [name for name, kind in METHODS if is_read(name) is not (kind == "read")]
    wrong += [name for name, kind in METHODS if is_read(name.upper()) is not (kind == "read")]
    assert wrong == []


MORE = [line.split("\t") for line in (VECTORS / "methods_more.tsv").read_text().splitlines()[1:]]
V3_ONLY = [row[0] for row in MORE if row[1] == "yes"]
BOTH = [row[0] for row in MORE if row[2] == "yes"]


def test_every_other_known_method():
    """What the documentation says elsewhere, or only the code does, is known as well; REST 3.0 left out."""
    known = [row for row in MORE if row[1] == "no"]
    assert len(known) == 1570
    assert [row[0] for row in known if is_read(row[0]) is not (row[5] == "read")] == []


@pytest.mark.parametrize("method", ["profile", "SCOPE", "methods", "Events"])
def test_reads_of_one_part(method):
    """Four methods of one part only read; the words mean nothing in another place."""
    assert is_read(method)
    assert not is_read(f"my.{method}")
    assert not is_read(f"{method}.add")


@pytest.mark.parametrize(
    "method",
    [
        "my.getOrCreate",
        "my.thing.getOrAdd",
        "x.GETORSET",
        "my.getExternalLink",
        "disk.x.getexternallink",
        "my.getPublicUrl",
    ],
)
def test_what_gets_or_creates(method):
    """A method that creates what it does not find is a write, whatever comes before its last part."""
    assert not is_read(method)


def test_every_method_of_another_version():
    """A method that exists only in REST 3.0 is refused with that reason, in any case."""
    refused = r"only in REST 3\.0, which b24batch does not support.*"
    for method in V3_ONLY:
        for name in (method, method.upper()):
            with pytest.raises(UsageError, match=refused + re.escape(name[:9])):
                Command(name)


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("method", V3_ONLY[::25])
def test_methods_of_another_version(b24, method):
    """Every way of sending refuses it."""
    ways = [
        b24.call,
        lambda method: b24.batch([(method,)]),
        lambda method: b24.batch_by_chunk([{"method": method}]),
        lambda method: list(b24.stream_batch([(method, {})])),
        b24.call_list,
    ]
    for send in ways:
        with pytest.raises(UsageError, match=r"only in REST 3\.0, which b24batch does not support.*" + method[:9]):
            send(method)


@pytest.mark.parametrize("method", [*BOTH, "acme:main.eventlog.list", "main.eventlog.list.mine"])
def test_methods_of_both_versions(method):
    """What version 2 has as well, or an application of one's own under such a name, is called as ever."""
    assert len(BOTH) == 6
    assert Command(method).method == method


@pytest.mark.parametrize("method", ["foo.bar", "batch", "x.getter.add", "vendor:x.send", "budget", "get", "x.target"])
def test_an_unknown_method_is_a_write(method):
    """What is not known to only read is a write; `get` alone names no object."""
    assert is_read(method) is (method == "get")


@pytest.mark.parametrize("method", ["issue.add", "isp.client.delete", "getresponse.contact.add", "get.x.drop"])
def test_only_the_last_part_counts(method):
    """A method is not a read because its name begins like one."""
    assert not is_read(method)


@pytest.mark.parametrize("method", ["my.thing.get", "my.thing.list", "my.thing.getAll", "my.isReady", "vendor:x.get"])
def test_an_unknown_method_that_says_it_reads(method):
    """A method of an application of one's own is known by its last part."""
    assert is_read(method)


def pauses(portal, policy, **options):
    clock = FakeClock()
    error = None
    try:
        portal.session(clock=clock, retries=policy, **options).call("crm.deal.list")
    except Exception as caught:
        error = caught
    return clock.slept, error


def test_full_jitter(portal):
    """Each pause is drawn from 0 to a bound that doubles from wait_initial up to wait_max."""
    portal.fail_next("rate_limited", times=99)
    draw = RetryPolicy(attempts=8, wait_initial=1.0, wait_max=30.0, random=lambda: 0.5)
    slept, error = pauses(portal, draw)
    assert slept == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert len(portal.requests) == 8
    assert type(error) is RateLimited
    assert pauses(portal, attrs.evolve(draw, random=lambda: 0.0))[0] == [0.0] * 7


def test_the_jitter_is_random(portal):
    """By default the pauses differ from run to run and stay within their bounds."""
    portal.fail_next("rate_limited", times=99)
    first, second = pauses(portal, RetryPolicy())[0], pauses(portal, RetryPolicy())[0]
    assert first != second
    assert all(0 <= pause <= bound for pause, bound in zip(first, [1, 2, 4, 8], strict=True))


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("7", 7.0),
        ("0.25", 0.25),
        ("-5", 0.0),
        ("Thu, 01 Jan 2026 00:00:10 GMT", 10.0),
        ("Thu, 01 Jan 2026 01:00:10 +0100", 10.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
    ],
)
def test_the_portals_hint_wins(portal, header, pause):
    """`Retry-After`, in seconds or as a date, takes the place of the drawn pause."""
    portal.fail_next(Answer('{"error":"QUERY_LIMIT_EXCEEDED"}', 503, {"Retry-After": header}))
    slept, error = pauses(portal, RetryPolicy(random=lambda: 1.0))
    assert error is None
    assert slept == [pytest.approx(pause)]


@pytest.mark.parametrize("header", ["soon", "", "Tue, 99 Jan 2026 22:30:00 GMT", "nan", "inf"])
def test_a_hint_that_is_none(portal, header):
    """A `Retry-After` that cannot be read is no hint."""
    portal.fail_next(Answer('{"error":"QUERY_LIMIT_EXCEEDED"}', 503, {"Retry-After": header} if header else {}))
    slept, error = pauses(portal, RetryPolicy(random=lambda: 1.0))
    assert (slept, error) == ([1.0], None)


def test_a_hint_beyond_the_budget(portal):
    """A pause that would exceed total_wait is not begun: the error is raised at once, with the hint."""
    portal.fail_next(Answer('{"error":"QUERY_LIMIT_EXCEEDED"}', 503, {"Retry-After": "121"}))
    slept, error = pauses(portal, RetryPolicy())
    assert slept == []
    assert (type(error), error.retry_after) == (RateLimited, 121.0)
    portal.fail_next("lost_after")
    assert "retry_after" not in vars(pauses(portal, RetryPolicy(total_wait=0, random=lambda: 1.0))[1])


@pytest.mark.parametrize("policy", [RetryPolicy(), RetryPolicy(total_wait=3600.0, wait_max=9e9)], ids=repr)
@pytest.mark.parametrize(
    ("header", "hint"),
    [("315360000", 315360000.0), ("9" * 400, 1e9), ("1e300", 1e9), ("Fri, 31 Dec 9999 23:59:59 GMT", 1e9)],
)
def test_a_hint_of_years(portal, policy, header, hint):
    """A hint of years is waited for by nobody, and told as a figure that a date can be moved by."""
    bucket = LeakyBucket(clock=FakeClock())
    portal.fail_next(Answer('{"error":"QUERY_LIMIT_EXCEEDED"}', 503, {"Retry-After": header}), times=9)
    slept, error = pauses(portal, policy, limits=bucket)
    assert (slept, type(error), error.retry_after) == ([], RateLimited, hint)
    assert bucket.acquire(max_wait=121.0) > 0
    assert datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=error.retry_after)


@pytest.mark.parametrize("hint", [float("nan"), float("inf")])
def test_an_endless_hint_of_somebody_elses(portal, hint):
    """A bucket of one's own that refuses without an end is not waited for."""

    class Refusing(LeakyBucket):
        def acquire(self, **options):
            raise RateLimited("never", retry_after=hint)

    slept, error = pauses(portal, RetryPolicy(total_wait=float("inf")), limits=Refusing(), max_wait=5.0)
    assert (slept, type(error)) == ([], RateLimited)


def test_the_budget_counts_all_pauses(portal):
    """total_wait bounds the pauses of one request together."""
    portal.fail_next("rate_limited", times=99)
    for total in (7.0, 14.9):
        slept, _ = pauses(portal, RetryPolicy(attempts=99, total_wait=total, random=lambda: 1.0))
        assert slept == [1.0, 2.0, 4.0]
    assert len(portal.requests) == 8


def test_max_wait_bounds_each_pause(portal):
    """Instead of a pause over max_wait the error is raised at once, with the seconds it would have been."""
    portal.fail_next("rate_limited", times=99)
    slept, error = pauses(portal, RetryPolicy(random=lambda: 1.0), max_wait=2.0)
    assert slept == [1.0, 2.0]
    assert (type(error), error.retry_after) == (RateLimited, 4.0)
    slept, error = pauses(portal, RetryPolicy(random=lambda: 0.5), max_wait=0)
    assert (slept, error.retry_after) == ([], 0.5)


def test_a_local_refusal_is_not_retried(portal, clock):
    """When the own limiter would have to wait over max_wait, it says so once, and nothing is sent."""
    bucket = LeakyBucket(2, 0.5, clock=clock)
    b24 = portal.session(clock=clock, limits=bucket, max_wait=1.0)
    b24.call("echo")
    with pytest.raises(RateLimited) as caught:
        b24.call("echo")
    assert (caught.value.retry_after, caught.value.http_status) == (2.0, None)
    assert (clock.slept, len(portal.requests)) == ([], 1)


def test_no_hint_is_made_up(portal):
    """Without a hint nobody knows when to come back, unless a wait was refused."""
    portal.fail_next("rate_limited", times=9)
    assert pauses(portal, RetryPolicy(attempts=2))[1].retry_after is None


def test_a_long_hint_holds_up_one_request_only(portal, clock):
    """A portal that asks for a day is not waited for, neither in this request nor in the next."""
    portal.fail_next(Answer('{"error":"QUERY_LIMIT_EXCEEDED"}', 503, {"Retry-After": "86400"}))
    b24 = portal.session(clock=clock, limits=LeakyBucket(clock=clock))
    result = b24.batch_by_chunk([("echo",), ("echo",)], chunk_size=1)
    assert [row.status for row in result] == ["failed", "ok"]
    assert result[0].error.retry_after == 86400.0
    assert clock.slept == [120.5]


@pytest.mark.parametrize(
    ("code", "status", "kind", "requests"),
    [
        ("QUERY_LIMIT_EXCEEDED", 503, RateLimited, 2),
        ("QUERY_LIMIT_EXCEEDED", 400, AjaxError, 1),
        ("QUERY_LIMIT_EXCEEDED", 500, AnswerLost, 1),
        ("CONNECTION_ERROR", 401, AjaxError, 2),
        ("CONNECTION_ERROR", 400, AjaxError, 1),
    ],
)
def test_a_code_under_another_status(portal, code, status, kind, requests):
    """Only with the status it belongs to does a code say that nothing ran and the write may be sent again."""
    portal.fail_next(Answer(f'{{"error":"{code}"}}', status), times=9)
    b24 = portal.session(retries=RetryPolicy(attempts=2, wait_initial=0.0))
    with pytest.raises(kind) as caught:
        b24.call("crm.deal.add")
    assert (type(caught.value), len(portal.requests)) == (kind, requests)
    assert caught.value.not_executed is (requests == 2)


def test_attempts_of_one_is_no_retry(portal):
    """A policy of one attempt sends everything once."""
    portal.fail_next("rate_limited")
    slept, error = pauses(portal, RetryPolicy(attempts=1))
    assert (slept, type(error)) == ([], RateLimited)


def test_what_is_retried(portal):
    """A read is sent again after a lost answer; what the portal refused for another reason is not."""
    portal.fail_next("lost_after", times=2)
    slept, error = pauses(portal, RetryPolicy(random=lambda: 1.0))
    assert (slept, error) == ([1.0, 2.0], None)
    portal.fail_next(PortalError("ERROR_CORE", "no"))
    slept, error = pauses(portal, RetryPolicy())
    assert (slept, type(error)) == ([], AjaxError)
    portal.fail_next(PortalError("CONNECTION_ERROR", "no OAuth server", http_status=401))
    slept, error = pauses(portal, RetryPolicy(random=lambda: 1.0))
    assert (slept, error) == ([1.0], None)


def test_what_is_lost_to_the_end(portal):
    """The last lost answer is raised as it is, not wrapped."""
    portal.fail_next("lost_after", times=9)
    slept, error = pauses(portal, RetryPolicy(random=lambda: 0.0))
    assert (len(slept), type(error)) == (4, AnswerLost)
    assert "sent again" not in error.description
    assert error.__cause__ is None
    assert error.request_id == portal.requests[0].headers["x-request-id"]


def test_what_comes_after_a_lost_answer(portal):
    """A lost answer outweighs the refusal that follows it: the first attempt may have been executed."""
    portal.fail_next("lost_after")
    portal.fail_next(PortalError("SOME_CODE", "no"), after=1)
    _, error = pauses(portal, RetryPolicy())
    assert (type(error), error.http_status) == (AnswerLost, 400)
    assert error.description == "an answer was lost; when the request was sent again: crm.deal.list: SOME_CODE: no"
    assert error.request_id == portal.requests[0].headers["x-request-id"]


def test_what_cannot_be_sent(portal):
    """A portal that refuses connections is tried again, for reads and writes alike."""
    b24 = portal.session()
    portal.close()
    clock = FakeClock()
    with pytest.raises(NotSent, match="Connection refused"):
        b24.with_options(clock=clock, retries=RetryPolicy(random=lambda: 1.0)).call("crm.deal.add")
    assert clock.slept == [1.0, 2.0, 4.0, 8.0]


def test_a_policy_stays_as_it_is():
    """A policy may be shared, since nobody changes it."""
    with pytest.raises(AttributeError):
        RetryPolicy().attempts = 3


def test_the_smallest_policy():
    """One attempt and no time at all are valid."""
    RetryPolicy(attempts=1, wait_initial=0, wait_max=0, total_wait=0)


def test_policies_are_figures():
    """A policy shows its figures and equals one with the same, whatever draws the pauses, which comes by name."""
    assert repr(RetryPolicy()) == "RetryPolicy(attempts=5, wait_initial=1.0, wait_max=30.0, total_wait=120.0)"
    assert RetryPolicy(random=lambda: 0.5) == RetryPolicy() != RetryPolicy(attempts=4)
    with pytest.raises(TypeError):
        RetryPolicy(5, 1.0, 30.0, 120.0, lambda: 0.5)


def test_no_limit_of_time():
    """An infinite time is valid: the attempts alone end it."""
    RetryPolicy(wait_max=float("inf"), total_wait=float("inf"))


@pytest.mark.slow
def test_many_attempts(portal):
    """The doubling ends at wait_max, however many attempts there are."""
    portal.fail_next("rate_limited", times=2000)
    slept, _ = pauses(portal, RetryPolicy(attempts=1200, wait_max=0.01, total_wait=1e9, random=lambda: 1.0))
    assert len(slept) == 1199
    assert max(slept) == 0.01
