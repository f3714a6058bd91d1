"""A bucket in Redis, by a server in this process: one rate for all, the same as that of a LeakyBucket."""

import logging
import math
import os

import pytest

from b24batch import LeakyBucket, RateLimited, Session, UsageError
from b24batch.redaction import Secret
from b24batch.sandbox import FakeClock, Portal
from b24batch.wire import Limiter

fakeredis = pytest.importorskip("fakeredis", reason="fakeredis[lua] is not installed")
pytest.importorskip("lupa", reason="fakeredis[lua] is not installed")

from b24batch.redis import RedisBucket  # noqa: E402
from b24batch.redis.outage import Outages  # noqa: E402

#: Requests per second: so few that the time a test takes does not count.
SLOW = 0.001
KEY = "b24batch:{a.example}:bucket"


class Standing(FakeClock):
    """A clock that notes the sleeps and stands still: all ask at one moment."""

    def sleep(self, seconds):
        self.slept.append(seconds)


def about(*seconds):
    """Waits for slots at `SLOW`, less what the test has taken."""
    return pytest.approx(seconds, abs=90)


@pytest.fixture
def server():
    return fakeredis.FakeServer()


@pytest.fixture
def redis(server):
    return fakeredis.FakeRedis(server=server)


@pytest.fixture
def bucket(redis):
    return RedisBucket(redis, "a.example", 5, SLOW, clock=Standing())


def beside(server, name="a.example", **options):
    """The bucket of another process."""
    return RedisBucket(fakeredis.FakeRedis(server=server), name, 5, SLOW, clock=Standing(), **options)


def test_a_burst_and_then_the_rate(bucket):
    """One less than the capacity leaves at once, then one every 1/leak_rate seconds."""
    assert [bucket.acquire() for _ in range(4)] == [0.0] * 4
    assert tuple(bucket.acquire() for _ in range(3)) == about(1000, 2000, 3000)
    assert tuple(bucket.clock.slept) == about(1000, 2000, 3000)
    assert bucket.level == pytest.approx(7, abs=0.1)


@pytest.mark.parametrize("figures", [(50, SLOW), (250, 5 * SLOW), (2, SLOW / 7)], ids=repr)
def test_the_plan_of_a_leaky_bucket(redis, figures):
    """Slot by slot it plans what a LeakyBucket with the same figures plans."""
    shared, own = RedisBucket(redis, "x", *figures, clock=Standing()), LeakyBucket(*figures, clock=Standing())
    for number in range(figures[0] + 5):
        if number == figures[0]:
            shared.penalize(100.0), own.penalize(100.0)
        assert shared.acquire() == pytest.approx(own.acquire(), abs=90)
        assert shared.level == pytest.approx(own.level, abs=0.5)


def test_all_share_one_bucket(server, bucket):
    """The slots of processes are given in the order in which they ask, whoever asks."""
    others = [beside(server) for _ in range(3)]
    assert [each.acquire() for each in (bucket, *others)] == [0.0] * 4
    assert tuple(each.acquire() for each in (*others, bucket, *others)) == about(*range(1000, 8000, 1000))


def test_other_names_are_other_buckets(server, bucket):
    """Each portal, and each address that calls it, has a bucket of its own."""
    for name in ("b.example", "a.example@203.0.113.7", "a.example@2001:db8::7", "портал.рф:8443", "[::1]:80"):
        assert [beside(server, name).acquire() for _ in range(4)] == [0.0] * 4
    assert bucket.level == 0.0


def test_max_wait(bucket):
    """A wait over max_wait is refused with its seconds and takes no slot; a shorter one is not."""
    for _ in range(4):
        bucket.acquire(max_wait=0)
    for _ in range(3):
        with pytest.raises(RateLimited, match="later than max_wait=900 allows") as refused:
            bucket.acquire(max_wait=900)
        assert (refused.value.retry_after,) == about(1000)
    assert (bucket.acquire(max_wait=1000),) == about(1000)
    assert bucket.clock.slept[0] == bucket.clock.slept[-1]


def test_on_wait(bucket):
    """Whoever asks is told of a wait before it begins."""
    told = []
    for _ in range(5):
        bucket.acquire(on_wait=lambda seconds: told.append((seconds, len(bucket.clock.slept))))
    assert [(wait,) for wait, _ in told] == [about(1000)]
    assert told[0][1] == 0


def test_a_refusal_that_one_sees_stops_all(server, bucket):
    """After a refusal the bucket counts as full for all, and stays so for the seconds the portal asked for."""
    other = beside(server)
    bucket.penalize()
    assert (other.acquire(),) == about(1000)
    bucket.penalize(100.0)
    other.penalize(1.0)
    assert other.level == pytest.approx(5, abs=0.2)


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e300, 10**400, -5.0], ids=lambda each: repr(each)[:9])
def test_a_penalty_without_end(bucket, seconds):
    """A penalty is bounded, whatever figure comes."""
    bucket.penalize(seconds)
    assert bucket.level == pytest.approx(4, abs=0.2)


def test_a_key_goes_by_itself(redis, bucket):
    """The key of a bucket expires a minute after the bucket is empty; its name is a hash tag."""
    bucket.acquire()
    assert redis.keys() == [KEY.encode()]
    assert 1_000_000 < redis.pttl(KEY) <= 1_061_000
    assert sum(len(field) + len(value) for field, value in redis.hgetall(KEY).items()) < 50


def test_a_server_whose_clock_is_behind(redis, bucket):
    """After a failover to a clock an hour behind the bucket holds what it held: nobody waits for the hour."""
    for _ in range(5):
        bucket.acquire()
    for field in ("empty", "seen"):
        redis.hset(KEY, field, float(redis.hget(KEY, field)) + 3600.0)
    assert bucket.level == pytest.approx(5, abs=0.1)
    assert (bucket.acquire(),) == about(2000)
    bucket.penalize()
    assert bucket.level == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize("kept", [{}, {"empty": "nan"}, {"empty": "x", "seen": "nan"}, {"empty": "1e9"}], ids=repr)
def test_a_key_that_is_lost_or_spoilt(redis, bucket, kept):
    """Without a usable value the bucket is empty, as after FLUSHALL."""
    for _ in range(5):
        bucket.acquire()
    redis.flushall()
    if kept:
        redis.hset(KEY, mapping=kept)
    assert [bucket.acquire() for _ in range(4)] == [0.0] * 4
    assert (bucket.acquire(),) == about(1000)


def test_scripts_that_are_lost(redis, bucket, caplog):
    """After SCRIPT FLUSH the scripts are loaded again."""
    bucket.acquire()
    redis.script_flush()
    assert bucket.acquire() == 0.0
    assert bucket.level == pytest.approx(2, abs=0.1)
    assert caplog.records == []


def test_a_client_that_decodes(server):
    """A client that returns texts does as well."""
    bucket = RedisBucket(fakeredis.FakeRedis(server=server, decode_responses=True), "x", 2, SLOW, clock=Standing())
    assert (bucket.acquire(), bucket.acquire()) == (0.0, pytest.approx(1000, abs=90))


# Redis away


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_redis_away(server, bucket, caplog):
    """Without Redis nothing fails: one warning, and a bucket of this process at its share, which is full at first."""
    server.connected = False
    bucket.penalize(100.0)
    assert bucket.level == pytest.approx(1.01)
    bucket.penalize()
    assert [bucket.acquire() for _ in range(2)] == [pytest.approx(10_100), pytest.approx(20_100)]
    assert bucket.level == pytest.approx(3.01)
    assert warnings_of(caplog) == [
        "Redis does not answer (ConnectionError): this process uses its share of the rate, and asks again every 5 s"
    ]


def test_a_view_without_redis(server, bucket):
    """Without Redis max_wait holds for the bucket of this process."""
    server.connected = False
    with pytest.raises(RateLimited) as refused:
        bucket.acquire(max_wait=0)
    assert refused.value.retry_after == pytest.approx(10_000)
    assert bucket.clock.slept == []


def test_redis_is_back(server, bucket, caplog):
    """Every 5 seconds Redis is asked again; when it answers, its bucket counts, and another outage is told again."""
    caplog.set_level(logging.INFO, "b24batch")
    bucket.acquire()
    for _ in range(2):
        server.connected = False
        assert bucket.acquire() >= 10_000
        server.connected = True
        bucket.clock.advance(4.9)
        assert bucket.acquire() >= 10_000
        bucket.clock.advance(0.1)
        assert bucket.acquire() == 0.0
    assert bucket.level == pytest.approx(3, abs=0.1)
    assert [record.getMessage()[:20] for record in caplog.records] == [
        "Redis does not answe",
        "Redis answers again:",
    ] * 2


def test_the_local_bucket_is_full_in_each_outage(server, bucket):
    """The local bucket is full again when an outage begins, whatever has leaked since the last one."""
    for _ in range(2):
        server.connected = False
        assert bucket.acquire(max_wait=None) == pytest.approx(10_000)
        server.connected = True
        bucket.clock.advance(1e9)
        assert bucket.acquire() == 0.0


def test_the_local_bucket_leaks(server, bucket):
    """During a long outage the local bucket leaks, and then takes its burst."""
    server.connected = False
    bucket.acquire()
    bucket.clock.advance(1e6)
    assert [bucket.acquire() for _ in range(2)] == [0.0, pytest.approx(10_000)]


def test_one_warning_for_all_portals(server, redis, caplog):
    """The buckets of a process over one client notice an outage together, and each has a local bucket that is full."""
    buckets = [RedisBucket(redis, f"{n}.example", 50, SLOW, share=0.5, clock=Standing()) for n in range(20)]
    server.connected = False
    assert [bucket.acquire() for bucket in buckets] == [pytest.approx(2000)] * 20
    assert len(warnings_of(caplog)) == 1


def test_one_caller_asks_again():
    """During an outage one caller may ask every 5 seconds, and the others do not wait for it."""
    outages = Outages()
    assert [outages.may_ask(0.0), outages.may_ask(0.0)] == [True, True]
    assert [outages.begin(0.0), outages.begin(1.0)] == [True, False]
    assert [outages.may_ask(moment) for moment in (5.9, 6.0, 6.0, 10.9, 11.0)] == [False, True, False, False, True]
    assert [outages.end(), outages.end(), outages.may_ask(0.0)] == [True, False, True]
    assert (outages.begin(20.0), outages.count) == (True, 2)


def test_another_kind_of_key(redis, bucket, caplog):
    """An error that Redis answers is an outage too: the key is of another kind."""
    redis.lpush(KEY, "x")
    assert bucket.acquire() >= 10_000
    assert warnings_of(caplog)[0].startswith("Redis does not answer (ResponseError)")


def test_a_share_of_little(server, redis):
    """However small the share, the local bucket lets one request through."""
    bucket = RedisBucket(redis, "x", 5, 2.0, share=0.01, clock=FakeClock())
    server.connected = False
    assert [bucket.acquire() for _ in range(2)] == [pytest.approx(50.0)] * 2


def test_a_fork_while_the_lock_is_held(server, bucket):
    """A child that was forked while a thread noted an outage is not locked out for ever."""
    server.connected = False
    with bucket._server.outages._lock.lock:
        child = os.fork()
        if child == 0:
            bucket.acquire()
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


# In a session


def test_two_sessions_keep_one_rate(server):
    """Two sessions with a bucket each, as two machines have, are never refused by a portal that counts both."""
    waits, clock = [], Standing()
    with Portal(clock=clock, rate=(10, SLOW)) as portal:
        limits = [RedisBucket(fakeredis.FakeRedis(server=server), "x", 10, SLOW, clock=clock) for _ in range(2)]
        sessions = [Session(portal.url, limits=each, clock=clock, max_wait=0, on_wait=waits.append) for each in limits]
        results = [b24.batch_by_chunk([("server.time",)] * 10, chunk_size=1) for b24 in sessions]
        assert [len(result.remaining()) for result in results] == [1, 10]
        assert "9 of 10 requests, 0.001 per second leak out" in sessions[1]._repr_html_()
    assert waits == []
    assert isinstance(limits[0], Limiter)


# What is refused


@pytest.mark.parametrize(
    "name",
    ["", "a/b", "a b", "{a}", "https://a.example/rest/1/c0de5ecret/", "a\ud800", 5, None, b"a", "a" * 256],
    ids=lambda each: repr(each)[:12],
)
def test_what_is_no_name(redis, name):
    """A name that could be a URL, or that a key could not hold, is refused."""
    with pytest.raises(UsageError, match="name: expected a host or a member id"):
        RedisBucket(redis, name)


URLS = ["", "a.example", "http://a", "valkey://a", "redis://", "redis://:p@", "redis://:p/q@a", "redis://:7/q@a:1"]
URLS += ["redis://:7?q@a:1", "redis://:7#q@a:1", "redis://a:x", "redis://a:99999", "redis://a/x", "redis://a?no=1"]
URLS += ["unix://", "redis://a?socket_timeout=x", "redis://[a", "rediss://a?ssl_cert_reqs=x"]


@pytest.mark.parametrize("make", [str, Secret])
@pytest.mark.parametrize("url", URLS)
def test_what_is_no_url(url, make):
    """A URL that is malformed, or part of whose password could be taken for a host, is refused without a connection."""
    with pytest.raises(UsageError, match=r"a URL of Redis looks like redis://:<password>@host:6379/0"):
        RedisBucket(make(url), "x")


@pytest.mark.parametrize("client", [None, 5, b"redis://a", ["redis://a"]], ids=repr)
def test_what_is_no_client(client):
    """Anything but a client is refused."""
    with pytest.raises(UsageError, match="client: expected a URL such as redis://host:6379/0 or a synchronous client"):
        RedisBucket(client, "x")


def test_an_asynchronous_client():
    """A client for asyncio is refused: its answers would have to be awaited."""
    with pytest.raises(UsageError, match="synchronous client, got FakeRedis"):
        RedisBucket(fakeredis.FakeAsyncRedis(), "x")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("capacity", 1, "a whole number of at least 2"),
        ("leak_rate", 0, "a positive number"),
        *(("share", value, "a number above 0 and at most 1") for value in (0, 1.1, -0.5, True, math.nan, "1")),
    ],
)
def test_figures_that_cannot_be(redis, name, value, wanted):
    """A bucket without room or without a leak is refused, and a share of nothing or of more than all."""
    with pytest.raises(UsageError) as refused:
        RedisBucket(redis, "x", **{name: value})
    assert refused.value.description == f"{name}: expected {wanted}, got {value!r}"


def test_one_client_for_all_portals():
    """Buckets with the same URL share one client, which connects when it is used."""
    first, second, other = (RedisBucket(url, "x") for url in ("redis://a", "redis://a", "redis://a/1"))
    assert first._server is second._server is not other._server
