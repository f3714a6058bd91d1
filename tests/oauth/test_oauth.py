"""OAuth 2.0: a token goes with each request, and is renewed in time, once, and stored before it is used."""

import logging
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import attrs
import pytest
import requests
from canary import assert_hidden
from drawing import ALL

from b24batch import AnswerLost, ExpiredToken, NotSent, OAuth, RetryPolicy, Session, TokenRefreshError, UsageError
from b24batch.oauth import MemoryTokenStore, SQLiteTokenStore, Token
from b24batch.redaction import Secret
from b24batch.sandbox import FAULTS, Answer, Portal, PortalError
from b24batch.wire.connections import Connections

AT_ONCE = RetryPolicy(wait_initial=0.0)
WRITE = ("crm.deal.add", {"fields": {"TITLE": "once"}})


@pytest.fixture
def timed(clock):
    with Portal(clock) as portal:
        portal.method("echo")(lambda params: params)
        yield portal


def session(oauth, **options):
    return Session(oauth, **{"limits": None, "retries": AT_ONCE, **options})


def refreshes(portal):
    """The statuses with which the token endpoint answered."""
    return [request.status for request in portal.token_requests]


def token_of(portal, **changes):
    """A new token of the portal, as the caller knows it."""
    issued = portal.issue_token()
    names = ("access_token", "refresh_token", "expires", "client_endpoint", "member_id")
    return Token(**{name: issued[name] for name in names} | changes)


def credentials(portal, token, **options):
    options = {"token_url": portal.token_url, "clock": portal.clock, **options}
    return OAuth(portal.client_id, portal.client_secret, token, **options)


def test_the_token_is_in_the_body(portal):
    """A call, a batch and a positional call carry the token in their body, and the method does not see it."""
    b24 = session(portal.oauth())
    assert b24.call("echo", {"a": 1}).data == {"a": 1}
    assert b24.call("echo").data == []
    assert b24.batch([("echo", {"b": "2"})]).data == [{"b": "2"}]
    for request in portal.requests:
        assert "authorization" not in request.headers
        assert request.params["auth"]
    assert portal.token_requests == []


def test_a_positional_call(portal):
    """Params without names keep their order beside a token."""
    portal.method("task.echo")(lambda params: params)
    assert session(portal.oauth()).call("task.echo", [7, {"x": "y"}]).data == [7, {"x": "y"}]


def test_a_token_is_renewed_before_it_expires(timed, clock):
    """60 seconds before its time a token is renewed, and no request is refused for it."""
    b24 = session(timed.oauth(), clock=clock)
    clock.advance(3600 - 61)
    assert b24.call("echo").is_success
    assert timed.token_requests == []
    clock.advance(2)
    assert b24.call("echo").is_success
    assert b24.call("echo").is_success
    assert (refreshes(timed), len(timed.requests)) == ([200], 3)


def test_a_refused_token_is_renewed(portal):
    """A token of which only the portal knows that it expired is renewed, and the write runs once."""
    token = token_of(portal, access_token=portal.issue_token(expires_in=0)["access_token"])
    assert session(credentials(portal, token)).batch([WRITE]).is_success
    assert (refreshes(portal), len(portal.requests), len(portal.executed)) == ([200], 2, 1)


def test_secrets_travel_in_the_body_only(portal):
    """A refresh is a POST without a query: no secret is in an address."""
    portal.oauth().refresh()
    [request] = portal.token_requests
    assert (request.verb, request.query) == ("POST", "")
    assert request.params["client_secret"] == portal.client_secret


def test_a_run_over_many_hours(timed, clock):
    """A run that outlives its token renews it between two chunks and goes on."""
    timed.method("slow")(lambda params: clock.advance(1000))
    result = session(timed.oauth(), clock=clock, deadline=9999).batch_by_chunk([("slow",)] * 12, chunk_size=1)
    assert (result.is_success, refreshes(timed), len(timed.executed)) == (True, [200, 200], 12)


def test_a_token_is_stored_before_it_is_used(portal):
    """When `on_refresh` is called the store has the new token, and no request has left with it."""
    store, told = MemoryTokenStore(), []

    def on_refresh(token):
        told.append((token == store.get(token.member_id), len(portal.requests)))

    b24 = session(credentials(portal, token_of(portal, expires=0), store=store, on_refresh=on_refresh))
    assert b24.call("echo").is_success
    assert told == [(True, 0)]


def test_a_failing_callback_loses_no_token(portal):
    """An error of `on_refresh` reaches the caller, nothing is sent, and the next call uses the stored token."""
    failing = [OSError("disk full")]

    def on_refresh(token):
        if failing:
            raise failing.pop()

    b24 = session(credentials(portal, token_of(portal, expires=0), on_refresh=on_refresh))
    with pytest.raises(OSError, match="disk full"):
        b24.batch_by_chunk([WRITE])
    assert portal.executed == []
    assert b24.batch_by_chunk([WRITE]).is_success
    assert refreshes(portal) == [200]


def test_ctrl_c_while_a_token_is_renewed(portal):
    """Ctrl-C in a refresh carries the outcomes so far; the chunk that waited for the token is skipped."""

    def press(token):
        raise KeyboardInterrupt

    portal.fail_next("expired_token", after=1)
    b24 = session(portal.oauth(on_refresh=press))
    with pytest.raises(KeyboardInterrupt) as caught:
        b24.batch_by_chunk([WRITE] * 3, chunk_size=1)
    assert [row.status for row in caught.value.result] == ["ok", "skipped", "skipped"]


def test_a_storm_of_refusals_ends(portal):
    """However often the portal refuses, a request renews its token once and then raises."""
    portal.fail_next("expired_token", times=99)
    with pytest.raises(ExpiredToken):
        session(portal.oauth()).batch([WRITE])
    assert (refreshes(portal), len(portal.requests), portal.executed) == ([200], 2, [])


def test_a_storm_over_8_threads(portal):
    """8 threads whose tokens are all refused make at most one refresh for each call, and all end."""
    portal.fail_next("expired_token", times=999)
    b24 = session(portal.oauth())
    with ThreadPoolExecutor(8) as pool:
        errors = [future.exception() for future in [pool.submit(b24.call, "echo") for _ in range(16)]]
    assert {type(error) for error in errors} == {ExpiredToken}
    assert 1 <= len(portal.token_requests) <= 16
    assert set(refreshes(portal)) == {200}


def test_a_clock_that_is_wrong(timed, clock):
    """A token that looks expired by a clock two hours ahead is renewed once, not with every call."""
    b24 = session(credentials(timed, token_of(timed), clock=Shifted(clock, 7200)), clock=clock)
    for _ in range(3):
        assert b24.call("echo").is_success
    assert refreshes(timed) == [200]


class Shifted:
    """A clock beside another one."""

    def __init__(self, clock, seconds):
        self.clock, self.seconds = clock, seconds

    def time(self):
        return self.clock.time() + self.seconds

    def monotonic(self):
        return self.clock.monotonic()


REFUSALS = [
    ("invalid_grant", 400),
    ("invalid_request", 400),
    ("invalid_client", 401),
    ("invalid_scope", 400),
    ("insufficient_scope", 403),
    ("PAYMENT_REQUIRED", 402),
    ("wrong_client", 200),
    ("NOT_INSTALLED", 400),
]


@pytest.mark.parametrize(("code", "status"), REFUSALS)
def test_a_refused_refresh(portal, code, status):
    """Whatever the OAuth server refuses for: one request, and an error that says to authorise again."""
    portal.fail_next(PortalError(code, "no", status), endpoint="token")
    result = session(credentials(portal, token_of(portal, expires=0))).batch_by_chunk([WRITE] * 3, chunk_size=1)
    assert [row.status for row in result] == ["failed", "skipped", "skipped"]
    error = result[0].error
    assert isinstance(error, TokenRefreshError)
    assert (error.code, error.http_status) == (code, status)
    assert "authorised again" in error.description
    assert (len(portal.token_requests), portal.requests) == (1, [])
    assert len(result.remaining()) == 3


def test_a_revoked_application(portal):
    """When all tokens are unknown, the answer is to authorise again, after one refresh."""
    b24 = session(portal.oauth())
    portal.revoke_tokens()
    with pytest.raises(TokenRefreshError) as caught:
        b24.call("echo")
    assert (caught.value.code, refreshes(portal), len(portal.requests)) == ("invalid_grant", [400], 1)


def test_a_lost_answer_that_came_too_late(portal):
    """The answer to a refresh is lost, the token is used up: asked once more, then to be authorised again."""
    portal.fail_next("lost_after", endpoint="token")
    with pytest.raises(TokenRefreshError, match="answer of the OAuth server was lost") as caught:
        session(credentials(portal, token_of(portal, expires=0))).batch([WRITE])
    assert "authorised again" in caught.value.description
    assert (refreshes(portal)[1:], portal.requests) == ([400], [])


@pytest.mark.parametrize("fault", ["lost_before", "reset_before", "html_404", "too_large"])
def test_a_lost_answer_to_nothing(portal, fault):
    """A refresh that was lost before it was done is repeated, and the request goes through."""
    portal.fail_next(fault, endpoint="token")
    assert session(credentials(portal, token_of(portal, expires=0))).batch([WRITE]).is_success
    assert len(portal.token_requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"[]"),
        Answer(b"nonsense"),
        Answer(b"{}"),
        Answer(b'{"access_token": "a"}'),
        Answer(
            b'{"access_token": 7, "refresh_token": "r", "expires_in": 3600, "client_endpoint": "x", "member_id": "m"}'
        ),
        Answer(b'{"error": "server_error"}', 500),
        Answer(b"", 302, {"Location": "http://127.0.0.1:1/"}),
        Answer(b"<html>", 503),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body[:20]}",
)
def test_an_unreadable_answer(portal, answer):
    """What is no token is asked for once more, never followed and never stored."""
    portal.fail_next(answer, times=2, endpoint="token")
    store = MemoryTokenStore()
    token = token_of(portal, expires=0)
    with pytest.raises(TokenRefreshError, match="lost"):
        session(credentials(portal, token, store=store)).call("echo")
    assert (len(portal.token_requests), store.get(portal.member_id), portal.requests) == (2, token, [])


def test_a_wrong_option_uses_up_no_code(portal):
    """A code is as good as before when an option has no such name."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'stor'"):
        OAuth.from_code(portal.client_id, portal.client_secret, "code", token_url=portal.token_url, stor=None)
    assert portal.token_requests == []


def test_a_silent_server(portal):
    """A server that never answers costs two time-outs, not more."""
    portal.fail_next("silent", times=2, endpoint="token")
    oauth = credentials(portal, token_of(portal, expires=0), timeout=(20.0, 0.1))
    with pytest.raises(TokenRefreshError, match="ReadTimeout"):
        session(oauth).call("echo")
    assert len(portal.token_requests) == 2


def test_an_endless_answer(portal):
    """An answer that is far too long for a token is not read to its end."""
    portal.fail_next(Answer(b" " * 3_000_000), times=2, endpoint="token")
    with pytest.raises(TokenRefreshError, match="more than 1000000 bytes"):
        session(credentials(portal, token_of(portal, expires=0))).call("echo")


def test_a_server_that_is_not_there(portal, clock, closed_port):
    """Where nothing listens nothing is lost: `NotSent`, tried as often as the policy says, and a run ends early."""
    token_url = f"http://127.0.0.1:{closed_port}/oauth/token/"
    oauth = credentials(portal, token_of(portal, expires=0), token_url=token_url)
    waits = []
    b24 = session(oauth, clock=clock, retries=RetryPolicy(attempts=3), on_wait=waits.append)
    with pytest.raises(NotSent):
        b24.call("echo")
    assert [wait.reason for wait in waits] == ["retry", "retry"]
    result = b24.batch_by_chunk([WRITE] * 4, chunk_size=1)
    assert [row.status for row in result] == ["failed", "failed", "skipped", "skipped"]
    assert len(result.remaining()) == 4


def test_a_lost_write_stays_unknown(portal):
    """A token that cannot be renewed after an answer was lost does not hide that the call may have run."""
    portal.fail_next("lost_after")
    portal.fail_next("expired_token", after=1)
    b24 = session(portal.oauth())
    portal.fail_next(PortalError("invalid_grant", "no", 400), endpoint="token")
    with pytest.raises(AnswerLost):
        b24.call(*WRITE, idempotent=True)


def test_another_portals_token(portal):
    """A token of another portal is not used: its owner's data would go into a stranger's CRM."""
    store = MemoryTokenStore()
    token = token_of(portal, member_id="0" * 32, expires=0)
    with pytest.raises(TokenRefreshError, match="another portal"):
        session(credentials(portal, token, store=store)).batch([WRITE])
    assert (store.get(token.member_id), portal.requests) == (token, [])


def test_an_address_without_https(portal):
    """A new token does not lead from https to http."""
    token = token_of(portal, client_endpoint="https://127.0.0.1:1/rest/")
    with pytest.raises(TokenRefreshError, match="without https"):
        credentials(portal, token).refresh()


def test_a_portal_that_has_a_new_address(portal):
    """The address that comes with a new token is the one that is called."""
    token = token_of(portal, client_endpoint="http://127.0.0.1:1/rest/", expires=0)
    assert session(credentials(portal, token)).call("echo").is_success


class Crowd(MemoryTokenStore):
    """A store that tells when so many wait at its lock."""

    def __init__(self, size):
        super().__init__()
        self.arrived, self.ready = threading.Semaphore(0), size

    def lock(self, member_id):
        self.arrived.release()
        return super().lock(member_id)

    def wait(self):
        for _ in range(self.ready):
            assert self.arrived.acquire(timeout=20)


def test_8_threads_refresh_once(portal):
    """8 threads make 40 calls on an expired token: 40 are ok, with one refresh."""
    b24 = session(credentials(portal, token_of(portal, expires=0)))
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda n: b24.call("echo", {"n": str(n)}).data, range(40)))
    assert rows == [{"n": str(n)} for n in range(40)]
    assert refreshes(portal) == [200]


def test_a_failed_refresh_reaches_all_who_wait(portal):
    """8 threads wait for one refresh; it fails, all 8 get its error, and nobody asks again."""
    store = Crowd(9)  # one visit more to take the first token in
    portal.fail_next(store.wait, endpoint="token")
    portal.fail_next(PortalError("invalid_grant", "used up", 400), endpoint="token")
    about_to_expire = token_of(portal, refresh_token="used", expires=portal.clock.time() + 30)
    b24 = session(credentials(portal, about_to_expire, store=store))
    with ThreadPoolExecutor(8) as pool:
        errors = [future.exception() for future in [pool.submit(b24.call, "echo") for _ in range(8)]]
    assert {(type(error), str(error)) for error in errors} == {(TokenRefreshError, str(errors[0]))}
    assert (len({id(error) for error in errors}), len(portal.token_requests), portal.requests) == (8, 1, [])


def test_a_failure_that_others_mended(portal):
    """Who waits while one refresh fails and another succeeds takes the token of the second."""

    class Waiting(MemoryTokenStore):
        def lock(self, member_id):
            if not seen:  # what happens while the first one waits
                seen.append(True)
                portal.fail_next(PortalError("PAYMENT_REQUIRED", "", 402), endpoint="token")
                with pytest.raises(TokenRefreshError):
                    oauth.refresh()
                oauth.refresh()
            return super().lock(member_id)

    seen = [True]
    oauth = credentials(portal, token_of(portal, expires=0), store=Waiting())
    refused = oauth.access()
    seen.clear()
    assert oauth.renew(refused, Connections(portal.clock.monotonic)) == "taken"
    assert refreshes(portal) == [402, 200]


def test_a_token_of_another_process_that_is_refused(portal):
    """A token taken from the store is refreshed when the portal refuses that one as well, within the same call."""
    store = MemoryTokenStore()
    b24 = session(credentials(portal, token_of(portal, expires=1e9), store=store))
    store.put(token_of(portal, access_token="unknown", expires=2e9))
    assert b24.batch_by_chunk([WRITE]).is_success
    assert (refreshes(portal), len(portal.requests), len(portal.executed)) == ([200], 2, 1)


def test_two_refused_tokens(portal):
    """One's own token is refused, then the stored one: one refresh leaves both behind, and the write runs once."""
    store = MemoryTokenStore()
    b24 = session(credentials(portal, token_of(portal, access_token="unknown1"), store=store))
    store.put(token_of(portal, access_token="unknown2", expires=2e9))
    assert b24.batch_by_chunk([WRITE]).is_success
    assert (refreshes(portal), len(portal.requests), len(portal.executed)) == ([200], 3, 1)


class Failing(MemoryTokenStore):
    """A store whose next `put` fails."""

    failures = 0

    def put(self, token):
        if self.failures:
            self.failures -= 1
            raise OSError("disk full")
        super().put(token)


def test_a_store_that_fails_once(portal):
    """When a new token could not be stored, the process that has it goes on with it, and stores it next time."""
    store = Failing()
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store))
    store.failures = 1
    with pytest.raises(TokenRefreshError, match="could not be stored: OSError: disk full"):
        b24.call("echo")
    assert b24.call("echo").is_success
    assert (refreshes(portal), store.get(portal.member_id) == b24.auth.token) == ([200], True)
    portal.fail_next("expired_token")
    assert b24.call("echo").is_success
    assert (refreshes(portal), store.get(portal.member_id) == b24.auth.token) == ([200, 200], True)


def test_who_comes_later_asks_again(portal):
    """After a refresh that failed the next call asks the server once more: it may have been mended."""
    portal.fail_next(PortalError("PAYMENT_REQUIRED", "", 402), endpoint="token")
    b24 = session(credentials(portal, token_of(portal, expires=0)))
    with pytest.raises(TokenRefreshError):
        b24.call("echo")
    assert b24.call("echo").is_success


CALLER = """
import sys
from b24batch import OAuth, Session
from b24batch.oauth import SQLiteTokenStore
path, token_url, client_id, secret, member_id = sys.argv[1:]
oauth = OAuth(client_id, secret, member_id=member_id, store=SQLiteTokenStore(path), token_url=token_url)
print("ready", flush=True)
input()
b24 = Session(oauth, limits=None)
print(sum(b24.call("echo", {"n": str(n)}).data == {"n": str(n)} for n in range(5)))
"""


def caller(portal, path, code=CALLER):
    arguments = [str(path), portal.token_url, portal.client_id, portal.client_secret, portal.member_id]
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdin=-1, stdout=-1, stderr=-1, text=True)


PROCESSES = 8 if ALL else 3


def test_processes_refresh_once(portal, tmp_path):
    """Processes with one SQLite file make 5 calls each on an expired token: all are ok, with one refresh."""
    SQLiteTokenStore(tmp_path / "tokens").put(token_of(portal, expires=0))
    portal.fail_next(lambda: threading.Event().wait(0.3), endpoint="token")  # the others come meanwhile
    callers = [caller(portal, tmp_path / "tokens") for _ in range(PROCESSES)]
    for each in callers:
        assert each.stdout.readline() == "ready\n"
    for each in callers:
        each.stdin.write("\n")
        each.stdin.flush()
    outputs = [each.communicate(timeout=60) for each in callers]
    assert outputs == [("5\n", "")] * PROCESSES
    assert refreshes(portal) == [200]


KILLED = CALLER.replace('print("ready"', '{die}\nprint("ready"')


def killed(portal, path, line):
    process = caller(portal, path, KILLED.replace("{die}", f"import os, signal\n{line}"))
    process.communicate("\n", timeout=60)
    assert process.returncode == -9


def test_stores_of_one_file_in_one_process(portal, tmp_path):
    """A second store on a file leaves the lock of the first one alone."""
    store = SQLiteTokenStore(tmp_path / "tokens")
    locked = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    with store.lock(portal.member_id):
        SQLiteTokenStore(tmp_path / "tokens").get(portal.member_id)
        other = subprocess.run([sys.executable, "-c", locked, tmp_path / "tokens"], capture_output=True, text=True)
    assert "database is locked" in other.stderr


@pytest.mark.slow
def test_killed_between_refresh_and_store(portal, tmp_path):
    """A process dies with the new token in its hands: the next one says to authorise again, after one refresh."""
    store = SQLiteTokenStore(tmp_path / "tokens")
    store.put(token_of(portal, expires=0))
    killed(portal, tmp_path / "tokens", "SQLiteTokenStore.put = lambda *a: os.kill(os.getpid(), signal.SIGKILL)")
    b24 = session(credentials(portal, None, member_id=portal.member_id, store=store))
    with pytest.raises(TokenRefreshError, match="authorised again"):
        b24.call("echo")
    assert (refreshes(portal), portal.requests) == ([200, 400], [])


@pytest.mark.slow
def test_killed_between_store_and_use(portal, tmp_path):
    """A process dies after it stored the new token: the next one uses that."""
    store = SQLiteTokenStore(tmp_path / "tokens")
    store.put(token_of(portal, expires=0))
    killed(portal, tmp_path / "tokens", "oauth._on_refresh = lambda token: os.kill(os.getpid(), signal.SIGKILL)")
    b24 = session(credentials(portal, None, member_id=portal.member_id, store=store))
    assert b24.call("echo").is_success
    assert refreshes(portal) == [200]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
class TestStores:
    """What every store keeps."""

    @pytest.fixture
    def store(self, kind, tmp_path):
        return MemoryTokenStore() if kind == "memory" else SQLiteTokenStore(tmp_path / "tokens")

    def test_what_is_put_comes_back(self, store, portal):
        """A store gives back what was put in last, inside and outside of its lock."""
        token, newer = token_of(portal), token_of(portal, refresh_token=None)
        store.put(token)
        assert (store.get(token.member_id), store.get("nobody")) == (token, None)
        with store.lock(token.member_id):
            store.put(newer)
            assert store.get(token.member_id) == newer
        assert store.get(token.member_id) == newer

    def test_the_later_token_counts(self, store, portal):
        """A program that starts with its first token again uses the newer one in the store."""
        old, new = token_of(portal, expires=1e9), token_of(portal, expires=2e9)
        store.put(new)
        assert credentials(portal, old, store=store).access().token == new.access_token
        assert store.get(portal.member_id) == new

    def test_a_new_authorisation_counts(self, store, portal):
        """A token that expires later than the stored one takes its place."""
        old, new = token_of(portal, expires=1e9), token_of(portal, expires=2e9)
        store.put(old)
        assert credentials(portal, new, store=store).access().token == new.access_token
        assert store.get(portal.member_id) == new

    def test_a_token_that_cannot_be_renewed_replaces_none_that_can(self, store, portal):
        """The token of an event, which has no refresh token, leaves the stored one where it is."""
        old, new = token_of(portal, expires=1e9), token_of(portal, expires=2e9, refresh_token=None)
        store.put(old)
        assert credentials(portal, new, store=store).access().token == old.access_token
        assert store.get(portal.member_id) == old

    def test_an_error_inside_the_lock_frees_it(self, store, portal):
        """Whatever ends a refresh, the next one gets in, and what was put before stands."""
        token = token_of(portal)

        def fail():
            with store.lock(token.member_id):
                store.put(token)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        with store.lock(token.member_id):
            assert store.get(token.member_id) == token

    def test_an_unknown_portal(self, store, portal):
        """Without a token to start with, the error names the portal."""
        with pytest.raises(UsageError, match="no token of 0123"):
            credentials(portal, None, member_id="0123", store=store)


@pytest.mark.parametrize("at", ["_with_server", "store_authorised", "with_replaced"])
def test_an_interrupt_after_the_answer_to_a_code(portal, at):
    """Once a code is used up, no interrupt loses its token: it is stored."""
    store, before, code = MemoryTokenStore(), sys.gettrace(), portal.issue_code()

    def interrupt(frame, event, arg):
        if frame.f_code.co_name == at:
            sys.settrace(None)
            raise KeyboardInterrupt

    sys.settrace(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            OAuth.from_code(portal.client_id, portal.client_secret, code, store=store, token_url=portal.token_url)
    finally:
        sys.settrace(before)
    assert session(credentials(portal, None, member_id=portal.member_id, store=store)).call("echo").is_success
    assert len(portal.token_requests) == 1


def test_a_token_that_was_taken_away(portal):
    """A store that lost its token, as after an uninstallation, is an error to authorise again."""
    store = MemoryTokenStore()
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store))
    store._tokens.clear()
    with pytest.raises(TokenRefreshError, match="no token of"):
        b24.call("echo")


def test_a_row_that_is_no_token(portal, tmp_path):
    """What was changed by hand and cannot be a token is an error that names the portal and shows no token."""
    store = SQLiteTokenStore(tmp_path / "tokens")
    token = token_of(portal)
    store.put(token)
    with closing(sqlite3.connect(tmp_path / "tokens", isolation_level=None)) as database:
        database.execute("UPDATE b24batch_tokens SET client_endpoint = 'example.bitrix24.com'")
    with pytest.raises(UsageError, match=f"the stored token of {portal.member_id}: client_endpoint") as caught:
        store.get(portal.member_id)
    assert_hidden([token.access_token.reveal(), token.refresh_token.reveal()], caught.value)


def test_the_file_is_the_owners(tmp_path):
    """Nobody else may read the file of a SQLite store."""
    SQLiteTokenStore(tmp_path / "tokens")
    assert (tmp_path / "tokens").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_store(tmp_path):
    """A file of another kind is an error, and stays as it was."""
    (tmp_path / "tokens").write_text("my shopping list" * 100)
    with pytest.raises(TokenRefreshError, match="is not a SQLite database") as caught:
        SQLiteTokenStore(tmp_path / "tokens")
    assert (caught.value.code, caught.value.temporary) == ("TOKEN_STORE", True)
    assert (tmp_path / "tokens").read_text().startswith("my shopping list")


def test_a_code_counts_whatever_is_stored(portal):
    """A user who authorises the application again replaces the stored token, also one that claims to last longer."""
    store = MemoryTokenStore()
    store.put(token_of(portal, expires=9e9))
    secrets = (portal.client_id, portal.client_secret)
    oauth = OAuth.from_code(*secrets, portal.issue_code(), token_url=portal.token_url, store=store)
    assert store.get(portal.member_id) == oauth.token
    assert session(oauth).call("echo").is_success


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "expires_in", "client_endpoint", "member_id"])
def test_an_answer_that_lacks_something(portal, name):
    """A token from an incomplete answer is refused with the name of what is missing, and no token in the error."""
    answer = portal.issue_token()
    with pytest.raises(UsageError, match=f"{name} is missing") as caught:
        Token.from_answer({**answer, name: None}, 0.0)
    assert_hidden([answer["access_token"], answer["refresh_token"]], caught.value)


def test_a_token_that_is_none():
    """Credentials made with something else than a token say so, and show nothing of it."""
    with pytest.raises(UsageError, match="got dict") as caught:
        OAuth("id", "k7secret", {"access_token": "k8secret"})
    assert_hidden(["k7secret", "k8secret"], caught.value)


def test_the_way_to_the_first_token(portal):
    """A browser that was sent to the portal comes back with a code, which is worth credentials."""
    portal.redirect_uri = "http://127.0.0.1:1/back"
    host = portal.url.split("/")[2]
    address = OAuth.authorize_url(host, portal.client_id, state="a b&c")
    assert address == f"https://{host}/oauth/authorize/?client_id={portal.client_id}&state=a+b%26c"
    browser = requests.get(address.replace("https", "http"), allow_redirects=False, timeout=10)
    back = dict(pair.split("=") for pair in browser.headers["Location"].partition("?")[2].split("&"))
    assert back["state"] == "a+b%26c"
    oauth = OAuth.from_code(portal.client_id, portal.client_secret, back["code"], token_url=portal.token_url)
    assert session(oauth).call("echo", {"a": "b"}).data == {"a": "b"}
    [request] = portal.token_requests
    assert (request.verb, request.query) == ("POST", "")
    with pytest.raises(TokenRefreshError, match="authorised again"):
        OAuth.from_code(portal.client_id, portal.client_secret, back["code"], token_url=portal.token_url)


@pytest.mark.parametrize("arguments", [(None, "id", "s"), ("", "id", "s"), ("a.b", "", "s"), ("a.b", "id", "")])
def test_an_address_that_lacks_something(arguments):
    """The address for the first token needs a host, a client and a state that nobody can guess."""
    portal, client_id, state = arguments
    with pytest.raises(UsageError, match="expected a string that is not empty"):
        OAuth.authorize_url(portal, client_id, state=state)


@pytest.mark.parametrize("portal_host", ["https://example.bitrix24.com", "a@b", "example.com/x", "a b", "x?y"])
def test_a_portal_that_is_no_host(portal_host):
    """The address for the first token is made for a host only."""
    with pytest.raises(UsageError, match="expected a host name"):
        OAuth.authorize_url(portal_host, "local.1", state="s")


class Counting(requests.adapters.HTTPAdapter):
    """Counts what goes through it."""

    count = 0

    def send(self, *args, **options):
        Counting.count += 1
        return super().send(*args, **options)


def test_ones_own_http_session(portal):
    """The OAuth server is asked through the session's own `http`, for proxies and CA bundles."""
    http = requests.Session()
    http.mount("http://", Counting())
    session(credentials(portal, token_of(portal, expires=0)), http=http).call("echo")
    assert Counting.count == 2


GOOD = {
    "access_token": "a" * 70,
    "refresh_token": "r" * 70,
    "expires": 2e9,
    "client_endpoint": "https://example.bitrix24.com/rest/",
    "member_id": "0123abcd",
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expires": "k7secret"}, "expires"),
        ({"expires": 10**400}, "expires"),
        ({"client_endpoint": "k7secret"}, "does not start with https"),
        ({"member_id": "k7secret" * 9}, "member_id"),
        ({"member_id": "k7secret/"}, "member_id"),
        ({"access_token": ""}, "access_token is empty"),
        ({"access_token": "k7secret k7secret"}, "has a space"),
        ({"access_token": "k7secret\r\nHost: x"}, "has a space"),
        ({"access_token": None}, "access_token is not a string"),
        ({"refresh_token": 7}, "refresh_token is not a string"),
        ({"client_endpoint": "example.bitrix24.com"}, "does not start with https"),
        ({"client_endpoint": "https://u:p@example.bitrix24.com/rest/"}, "user name"),
        ({"client_endpoint": None}, "is not a string"),
        ({"member_id": ""}, "member_id"),
        ({"member_id": 7}, "member_id"),
        ({"member_id": "../x"}, "member_id"),
        ({"expires": "soon"}, "expires"),
        ({"expires": float("nan")}, "expires"),
    ],
)
def test_what_is_no_token(changes, message):
    """A token with a part that cannot be is refused where it is made, and no part of it is shown."""
    with pytest.raises(UsageError, match=message) as caught:
        Token(**GOOD | changes)
    assert_hidden(["k7secret", GOOD["access_token"], GOOD["refresh_token"]], caught.value)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("id", "k7secret"), {}, "member_id"),
        (("", "k7secret"), {"member_id": "m"}, "client_id"),
        (("id", ""), {"member_id": "m"}, "client_secret"),
        (("id", None), {"member_id": "m"}, "client_secret"),
        (
            ("id", "k7secret"),
            {"member_id": "m", "token_url": "http://example.com/"},
            "http would send",
        ),
        (("id", "k7secret"), {"member_id": "m", "token_url": "example.com"}, "token_url"),
        (("id", "k7secret"), {"member_id": "m"}, "no token of m"),
    ],
)
def test_what_makes_no_credentials(arguments, options, message):
    """Credentials that lack something say what, and no secret."""
    with pytest.raises(UsageError, match=message) as caught:
        OAuth(*arguments, **options)
    assert_hidden(["k7secret"], caught.value)


def test_http_to_another_machine():
    """A token does not go unencrypted to another machine unless the caller says so."""
    oauth = OAuth("id", "secret", Token(**GOOD | {"client_endpoint": "http://example.bitrix24.com/rest"}))
    with pytest.raises(UsageError, match="http would send"):
        Session(oauth)
    assert Session(oauth, allow_http=True).auth is oauth


def test_nothing_shows_a_secret(portal):
    """Reprs name the portal, never a token or the client secret; and credentials are not pickled."""
    token = token_of(portal)
    store = MemoryTokenStore()
    oauth = credentials(portal, token, store=store)
    b24 = session(oauth)
    host = portal.url.split("/")[2]
    assert (repr(oauth), repr(b24)) == (f"<OAuth of {host}>", f"<Session on {host}>")
    secrets = [portal.client_secret, token.access_token.reveal(), token.refresh_token.reveal()]
    shown = [repr(each) for each in (oauth, b24, token, oauth.access(), store)]
    shown += [str(attrs.asdict(token)), str(vars(store))]
    assert not [text for text in shown for secret in secrets if secret in text]
    for each in (oauth, token):
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(each)


@pytest.mark.slow
@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"silent", "stall", "slow", "drip", "dies"}))
def test_no_fault_of_a_refresh_shows_a_secret(portal, caplog, fault):
    """Whatever goes wrong with a refresh, no error, traceback or log record has a secret in it."""
    caplog.set_level(logging.DEBUG)
    token = token_of(portal, expires=0)
    portal.fail_next(fault, times=2, endpoint="token")
    result = session(credentials(portal, token), retries=RetryPolicy(attempts=1)).batch_by_chunk([WRITE])
    known = [request.params["refresh_token"] for request in portal.token_requests]
    secrets = {portal.client_secret, token.access_token.reveal(), token.refresh_token.reveal(), *known}
    secrets |= set(portal._oauth.tokens._access) | set(portal._oauth.tokens._refresh)
    assert_hidden(sorted(secrets), result[0].error, caplog.records, [result])
    assert len(portal.executed) == sum(row.is_success for row in result)


def test_no_fault_of_a_call_shows_a_token(portal, caplog):
    """A call with a token that goes wrong shows the token nowhere."""
    caplog.set_level(logging.DEBUG)
    token = token_of(portal)
    for fault in ("lost_after", "half_body", "garbage_status", "invalid_json", "moved", "unauthorized"):
        portal.fail_next(fault)
        result = session(credentials(portal, token)).batch_by_chunk([WRITE])
        assert not result.is_success
        assert_hidden([token.access_token.reveal()], result[0].error, caplog.records, [result])


def test_a_fork_inside_a_refresh(portal):
    """A child that is forked while a thread holds the store's lock can renew its token."""
    store = MemoryTokenStore()
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store))
    with store.lock(portal.member_id):
        child = os.fork()
        if child == 0:
            os._exit(0 if b24.call("echo").is_success else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_secret_equals_its_like():
    """Secrets compare by their text, so that a token can be told from the one before."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
