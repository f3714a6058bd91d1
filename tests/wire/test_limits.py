"""The rate is kept, exactly and in the order in which it was asked for."""

import os
import random
import threading

import pytest

from b24batch import LeakyBucket, RateLimited, Session
from b24batch.runs.operating import OperatingTime
from b24batch.sandbox import FakeClock
from b24batch.wire.rate import forget_shared_buckets, shared_bucket


def test_a_burst_and_then_the_rate(clock):
    """One less than the capacity leaves at once, then one every 1/leak_rate seconds."""
    bucket = LeakyBucket(clock=clock)
    assert [bucket.acquire() for _ in range(52)] == [0.0] * 49 + [0.5] * 3


def test_enterprise(clock):
    """An Enterprise portal takes 250 at once and five a second."""
    bucket = LeakyBucket.enterprise()
    assert (bucket.capacity, bucket.leak_rate) == (250, 5.0)


def test_the_bucket_leaks(clock):
    """What has leaked is free again, never more than the whole bucket."""
    bucket = LeakyBucket(3, 1.0, clock=clock)
    assert [bucket.acquire() for _ in range(3)] == [0.0, 0.0, 1.0]
    clock.advance(1.0)
    assert [bucket.acquire() for _ in range(2)] == [0.0, 1.0]
    clock.advance(1000.0)
    assert [bucket.acquire() for _ in range(3)] == [0.0, 0.0, 1.0]


def test_the_level(clock):
    """The level is the number of requests that have not leaked out yet."""
    bucket = LeakyBucket(50, 4.0, clock=clock)
    for _ in range(8):
        bucket.acquire()
    assert bucket.level == 8.0
    clock.advance(0.5)
    assert bucket.level == 6.0


def test_the_time_of_a_long_run(clock):
    """10,000 commands in 200 requests take 75.5 seconds: 75.0 is the least, one place is kept free."""
    bucket = LeakyBucket(clock=clock)
    for _ in range(200):
        bucket.acquire()
    assert clock.monotonic() == pytest.approx(75.5)


def test_max_wait(clock):
    """A wait over max_wait is refused with its seconds and takes no place; one of just max_wait is not."""
    bucket = LeakyBucket(2, 0.5, clock=clock)
    bucket.acquire(max_wait=0)
    for _ in range(3):
        with pytest.raises(RateLimited, match=r"2\.00 s, later than max_wait=1\.9") as caught:
            bucket.acquire(max_wait=1.9)
    assert (caught.value.retry_after, caught.value.http_status) == (2.0, None)
    assert bucket.acquire(max_wait=2.0) == 2.0


def test_penalize(clock):
    """After a refusal the bucket counts as full, and stays so for the seconds the portal asked for."""
    bucket = LeakyBucket(clock=clock)
    bucket.penalize()
    assert [bucket.acquire() for _ in range(3)] == [0.5, 0.5, 0.5]
    bucket.penalize(10.0)
    assert [bucket.acquire() for _ in range(2)] == [10.5, 0.5]


def test_penalize_never_shortens(clock):
    """A later, smaller penalty does not undo a larger one."""
    bucket = LeakyBucket(clock=clock)
    bucket.penalize(10.0)
    bucket.penalize(1.0)
    assert bucket.acquire() == 10.5


def test_time_that_steps_back(clock):
    """When the clock steps back the bucket holds what it held when it was last asked: nobody waits for the step."""
    bucket = LeakyBucket(3, 1.0, clock=clock)
    assert [bucket.acquire() for _ in range(3)] == [0.0, 0.0, 1.0]
    clock.advance(-3600.0)
    assert bucket.level == 3.0
    assert [bucket.acquire() for _ in range(2)] == [2.0, 1.0]
    bucket.penalize(10.0)
    clock.advance(-3600.0)
    assert bucket.acquire() == 11.0


def short(value):
    return repr(value)[:9]


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e300, 10**400, 3e8, -5.0, -float("inf")], ids=short)
def test_a_penalty_without_end(clock, seconds):
    """A penalty is at most 120 seconds, whatever figure comes, and the bucket is of use afterwards."""
    bucket = LeakyBucket(clock=clock)
    bucket.penalize(seconds)
    assert bucket.acquire() == (120.5 if seconds > 0 else 0.5)
    clock.advance(1000.0)
    assert (bucket.level, bucket.acquire()) == (0.0, 0.0)


HUGE = [10**400, -(10**400), float("inf"), float("nan"), True, "5", None]


@pytest.mark.parametrize("huge", HUGE, ids=short)
def test_operating_time_from_odd_figures(clock, huge):
    """Figures that are none teach nothing about operating time, and the wait stays a wait."""
    operating = OperatingTime(clock)
    for block in ({"operating_reset_at": huge, "finish": 5}, {"operating_reset_at": 5, "finish": huge}):
        operating.note("m", block)
    assert (operating.reset_at("m"), operating.wait_for(["m"])) == (None, 60.0)
    operating.note("m", {"operating_reset_at": 1e308, "finish": -1e308})
    assert operating.wait_for(["m"]) == 60.0


def test_operating_time_when_time_steps_back(clock):
    """When the clock steps back the wait for a method is what it was when the portal named it."""
    operating = OperatingTime(clock)
    operating.note("m", {"operating_reset_at": 1100, "finish": 1000})
    clock.advance(50.0)
    assert operating.wait_for(["m"]) == 51.0
    clock.advance(-3600.0)
    assert operating.wait_for(["m"]) == 101.0


def test_on_wait(clock):
    """Whoever asks is told of a wait before it begins."""
    told = []
    bucket = LeakyBucket(2, 2.0, clock=clock)
    for _ in range(2):
        bucket.acquire(on_wait=lambda seconds: told.append((seconds, clock.monotonic())))
    assert told == [(0.5, 0.0)]


class Reserving(FakeClock):
    """A clock that notes the sleeps and stands still: what is asked for at one moment."""

    def sleep(self, seconds):
        self.slept.append(seconds)


def test_threads_get_places_of_their_own():
    """However many threads ask at one moment, each place is given once."""
    clock = Reserving()
    bucket = LeakyBucket(11, 2.0, clock=clock)
    threads = [threading.Thread(target=lambda: [bucket.acquire() for _ in range(25)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(clock.slept) == [0.5 * place for place in range(1, 191)]


def test_one_bucket_for_a_portal(clock):
    """One portal and one clock have one bucket, for all threads, until it is forgotten."""
    found = []
    threads = [threading.Thread(target=lambda: found.append(shared_bucket("a.example", clock))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(bucket) for bucket in found}) == 1
    other = shared_bucket("b.example", clock)
    assert other is not found[0]
    forget_shared_buckets("a.example")
    assert shared_bucket("a.example", clock) is not found[0]
    assert shared_bucket("b.example", clock) is other


SPELLINGS = ["https://p.example./", "https://P.Example:443/", "https://p.example.:443/", "https://p.example:0443/"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_bucket_however_a_host_is_spelt(clock, spelling):
    """A host with the root's dot behind it, or with the usual port, is the host without."""
    plain, other = (Session(f"{url}rest/1/code/", clock=clock) for url in ("https://p.example/", spelling))
    assert other.limits is plain.limits
    assert other.auth.host == "p.example"
    assert other.auth.access().url("m").reveal() == "https://p.example/rest/1/code/m"


@pytest.mark.parametrize("host", ["p.example.:8443", "p.example:8443", "[::1]:8443", "[::1]"])
def test_a_port_and_brackets_stay(host):
    """Another port is another portal, and an IPv6 address has its brackets."""
    assert Session(f"https://{host}/rest/1/code/").auth.host == host.replace(".:", ":")


def test_a_fork_while_the_lock_is_held(clock):
    """A child that was forked while a thread held the lock is not locked out for ever."""
    bucket = LeakyBucket(clock=clock)
    with bucket._lock.lock:
        child = os.fork()
        if child == 0:
            bucket.acquire()
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_place_that_is_free_is_not_waited_for():
    """Whatever time a clock shows, a bucket at rest takes its burst without a wait, not even one of rounding."""
    drawn, waits = random.Random(7), []
    for _ in range(2000):
        clock = FakeClock()
        clock.sleep(drawn.random() * 1e6)
        bucket = LeakyBucket(capacity=drawn.randint(2, 9), leak_rate=drawn.choice([0.01, 0.3, 2.0, 7.0]), clock=clock)
        for _ in range(bucket.capacity - 1):
            bucket.acquire(on_wait=waits.append)
    assert waits == []


def test_repr(clock):
    """A bucket shows its figures, and is another one than a bucket with the same figures; its clock comes by name."""
    assert repr(LeakyBucket()) == "LeakyBucket(capacity=50, leak_rate=2.0)"
    assert len({LeakyBucket(), LeakyBucket()}) == 2
    with pytest.raises(TypeError):
        LeakyBucket(50, 2.0, clock)
