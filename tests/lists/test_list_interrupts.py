"""Concurrent lists that something comes in between: an expired token, Ctrl-C, an exception of the caller."""

import os
import signal
import threading
import time

import pytest
from list_store import METHOD, Store, ids_of, is_silent, lanes

from b24batch import OAuth, Session
from b24batch.oauth import Token
from b24batch.sandbox import FakeClock, Portal

#: Seconds that only a very slow machine, or a fault, would need.
PATIENCE = 20.0


class Held:
    """Holds the requests of 4 lanes at the portal; once all are there, does something in another thread."""

    def __init__(self, act):
        self.together, self.open = threading.Barrier(4, action=self.begin, timeout=PATIENCE), threading.Event()
        self.act, self.threads = act, []

    def __call__(self):
        self.together.wait()
        self.open.wait(PATIENCE)

    def begin(self):
        self.threads.append(threading.Thread(target=self.act, args=[self]))
        self.threads[0].start()

    def join(self):
        self.open.set()
        self.threads[0].join(PATIENCE)


def press(pressed):
    os.kill(os.getpid(), signal.SIGINT)
    assert pressed.wait(PATIENCE)


def test_one_refresh():
    """A token that expires while a list is read is renewed once for all requests on their way; no row is missing."""
    portal_clock, store = FakeClock(), Store(range(1, 5001))
    names = ("access_token", "refresh_token", "client_endpoint", "member_id")

    def expiring(params):
        if store.pages == 1:
            portal_clock.advance(4000)
        return store(params)

    with Portal(portal_clock) as portal:
        portal.method(METHOD)(expiring)
        issued = portal.issue_token()
        token = Token(expires=time.time() + 10_000, **{name: issued[name] for name in names})
        auth = OAuth(portal.client_id, portal.client_secret, token, token_url=portal.token_url)
        together = threading.Barrier(4, timeout=PATIENCE)
        portal.fail_next(together.wait, times=4, after=1)
        with Session(auth, limits=None) as b24:
            assert ids_of(b24.call_list(METHOD, concurrency=4)) == store.ids
        assert len(portal.token_requests) == 1
        assert len(portal.requests) == 5 + 4
    assert is_silent()


def test_a_clock_that_jumps():
    """If the clock jumps past every deadline while requests are on their way, they are read again, and none is lost."""
    clock, store = FakeClock(), Store(range(1, 5001))
    with Portal(clock) as portal, portal.session(clock=clock) as b24:
        portal.method(METHOD)(store)
        held = Held(lambda held: (clock.advance(4000), held.open.set()))
        portal.fail_next(held, times=4, after=1)
        assert ids_of(b24.call_list(METHOD, concurrency=4)) == store.ids
        held.join()
    assert is_silent()


def test_interrupted_with_requests_on_their_way(pressed):
    """Ctrl-C sends nothing more and waits for what is on its way, less than 5 seconds: its rows are in the result."""
    clock, store = FakeClock(), Store(range(1, 20_001))

    def act(held):
        press(pressed)
        clock.advance(4.9)
        held.open.set()

    with Portal() as portal, portal.session(clock=clock) as b24:
        portal.method(METHOD)(store)
        portal.fail_next(held := Held(act), times=4, after=1)
        with pytest.raises(KeyboardInterrupt) as raised:
            b24.call_list(METHOD, concurrency=4)
        held.join()
        assert len(portal.requests) == 5
    assert ids_of(raised.value.result) == list(range(1, 51 + 4 * 2500))
    assert is_silent()


def test_interrupted_for_longer_than_5_seconds(pressed):
    """After 5 seconds of the clock the list ends with the rows that came; what is on its way is given up."""
    clock, store, ended = FakeClock(), Store(range(1, 20_001)), threading.Event()

    def act(_held):
        press(pressed)
        while not ended.wait(0.01):
            clock.advance(1.0 if clock.monotonic() < 30.0 else 0.0)

    with Portal() as portal, portal.session(clock=clock) as b24:
        portal.method(METHOD)(store)
        portal.fail_next(held := Held(act), times=4, after=1)
        with pytest.raises(KeyboardInterrupt) as raised:
            b24.call_list(METHOD, concurrency=4)
        ended.set()
        held.join()
        assert clock.monotonic() >= 5.0
        assert len(portal.requests) == 5
    assert ids_of(raised.value.result) == list(range(1, 51))
    assert is_silent()


def test_an_exception_of_the_caller():
    """An exception in the loop over the pages waits for nothing; once the stream is closed nothing more is sent."""
    clock, store, all_held = FakeClock(), Store(range(1, 5001)), threading.Event()
    with Portal() as portal, portal.session(clock=clock) as b24:
        portal.method(METHOD)(store)
        portal.fail_next(held := Held(lambda _held: all_held.set()), times=4, after=1)
        pages = b24.fetch_list(METHOD, concurrency=4)
        assert ids_of(next(pages)) == list(range(1, 51))
        assert all_held.wait(PATIENCE)
        pages.close()
        assert clock.monotonic() == 0.0
        held.join()
        assert is_silent()
        assert len(portal.requests) == 5
    assert not lanes()
