"""Stores of tokens: which token counts, one that is spent or could not be stored, and files that refuse."""

import functools
import json
import linecache
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import attrs
import pytest
from canary import assert_hidden
from drawing import some
from test_oauth import CALLER, PROCESSES, Failing, Shifted, caller, credentials, refreshes, session, token_of

import b24batch
from b24batch import NotSent, OAuth, SdkError, TokenRefreshError, UsageError
from b24batch.oauth import MemoryTokenStore, SQLiteTokenStore, Token
from b24batch.sandbox import Answer, FakeClock, Portal, PortalError
from b24batch.wire.connections import Connections

AHEAD = 600
PACKAGE = Path(b24batch.__file__).parent


@pytest.fixture
def timed(clock):
    with Portal(clock) as portal:
        portal.method("echo")(lambda params: params)
        yield portal


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    return MemoryTokenStore() if request.param == "memory" else SQLiteTokenStore(tmp_path / "tokens")


def forced(oauth):
    """Let the portal refuse the token of some credentials."""
    return oauth.renew(attrs.evolve(oauth.access(), stale=False), Connections(time.monotonic))


def test_a_clock_that_is_ahead_brings_no_dead_token_back(timed, clock, store):
    """A token of a machine ten minutes ahead is not put over its successor, though it claims to last longer."""
    ahead = credentials(timed, token_of(timed), store=store, clock=Shifted(clock, AHEAD))
    right = credentials(timed, None, member_id=timed.member_id, store=store)
    assert forced(ahead) == "refreshed"
    assert (forced(right), forced(right)) == ("taken", "refreshed")
    assert ahead.token.expires > right.token.expires
    for _ in range(2):
        timed.fail_next("expired_token")
        assert session(ahead, clock=clock).call("echo").is_success
        assert session(right, clock=clock).call("echo").is_success
    assert (set(refreshes(timed)), store.get(timed.member_id)) == ({200}, ahead.token)


def test_an_old_token_that_claims_to_last_longer(timed, clock, store):
    """A program that begins with a token which was replaced takes its successor, whatever the two clocks say."""
    first = token_of(timed, expires=clock.time() + 3600 + AHEAD)
    second = credentials(timed, first, store=store).refresh()
    third = credentials(timed, None, member_id=timed.member_id, store=store).refresh()
    assert third.expires < first.expires
    for old in (first, attrs.evolve(second, expires=clock.time() + 9999)):
        assert credentials(timed, old, store=store).access().token == third.access_token
        assert store.get(timed.member_id) == third


def test_a_new_token_that_claims_to_last_less_long(timed, clock, store):
    """A user authorises the application again on a machine that is behind: that token counts."""
    stored, new = token_of(timed, expires=clock.time() + 3600 + AHEAD), token_of(timed, expires=clock.time() + 3000)
    store.put(stored)
    assert credentials(timed, new, store=store).access().token == new.access_token
    assert store.get(timed.member_id) == new
    assert credentials(timed, stored, store=store).access().token == new.access_token


def test_a_new_authorisation_after_a_spent_token(timed, clock, store):
    """A spent token is replaced by any that was not here before, and never comes back with its refresh token."""
    spent, new = token_of(timed), token_of(timed, expires=clock.time() - 1)
    store.put(attrs.evolve(spent, refresh_token=None))
    assert credentials(timed, spent, store=store).token.refresh_token is None
    assert session(credentials(timed, new, store=store), clock=clock).call("echo").is_success
    assert store.get(timed.member_id).refresh_token is not None


def test_a_long_succession(timed, clock, store):
    """A store remembers a hundred tokens of each portal, and no text of them."""
    tokens = [token_of(timed, expires=clock.time() + 9999) for _ in range(110)]
    for token in tokens:
        store.put(token)
    assert [store.has_replaced(token) for token in (tokens[-1], tokens[-2], tokens[9])] == [False, True, True]
    assert not store.has_replaced(attrs.evolve(tokens[0], member_id="another"))
    if isinstance(store, SQLiteTokenStore):
        with closing(sqlite3.connect(store._path)) as database:
            [(replaced,)] = database.execute("SELECT replaced FROM b24batch_replaced")
        assert len(replaced.split()) == 100
        assert not [token for token in tokens if token.access_token.reveal() in replaced]


@pytest.mark.slow
def test_20_threads_on_a_spent_token(portal, store):
    """A refresh token that the OAuth server refuses is asked for once, whoever comes, also with new credentials."""
    spent = token_of(portal, expires=0)
    store.put(spent)
    portal.revoke_tokens()

    def fail(_):
        oauth = credentials(portal, None, member_id=portal.member_id, store=store)
        with pytest.raises(TokenRefreshError) as caught:
            session(oauth).call("echo")
        return str(caught.value)

    with ThreadPoolExecutor(20) as pool:
        said = set(pool.map(fail, range(40)))
    assert (len(said), refreshes(portal), portal.requests) == (1, [400], [])
    assert said.pop().startswith("invalid_grant: ")
    assert store.get(portal.member_id) == attrs.evolve(spent, refresh_token=None)


REFUSED = CALLER.partition("print(sum")[0] + (
    "from b24batch import TokenRefreshError\n"
    "try:\n    b24.call('echo')\nexcept TokenRefreshError as error:\n    print(error, error.temporary)\n"
)


@pytest.mark.slow
def test_processes_on_a_spent_token(portal, tmp_path):
    """Processes with one file ask once in all for a refresh token that is spent, and say the same."""
    SQLiteTokenStore(tmp_path / "tokens").put(token_of(portal, expires=0))
    portal.revoke_tokens()
    callers = [caller(portal, tmp_path / "tokens", REFUSED) for _ in range(PROCESSES // 2 + 1)]
    for each in callers:
        assert each.stdout.readline() == "ready\n"
    outputs = {each.communicate("\n", timeout=60) for each in callers}
    assert len(outputs) == 1
    assert "authorised again False" in outputs.pop()[0]
    assert refreshes(portal) == [400]


def test_a_spent_token_in_a_store_that_refuses(portal):
    """Where a spent token cannot be noted in the store, the credentials note it themselves."""
    store = Failing()
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store))
    portal.revoke_tokens()
    store.failures = 99
    for _ in range(3):
        with pytest.raises(TokenRefreshError, match="authorised again"):
            b24.call("echo")
    assert refreshes(portal) == [400]


def test_a_refusal_that_is_mended_keeps_the_refresh_token(portal, store):
    """An application that is not paid for, or has a wrong secret, keeps its token and is asked for it again."""
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store))
    for code in ("PAYMENT_REQUIRED", "invalid_client", "wrong_client", "NOT_INSTALLED"):
        portal.fail_next(PortalError(code, "", 400), endpoint="token")
        with pytest.raises(TokenRefreshError):
            b24.call("echo")
    assert b24.call("echo").is_success


def test_a_store_that_fails_for_long(portal):
    """A new token that cannot be stored is tried again by every call, not used before, not renewed, and told of."""
    told = []
    store = Failing()
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store, on_refresh=told.append))
    store.failures = 4
    for _ in range(4):
        with pytest.raises(TokenRefreshError, match="could not be stored: OSError: disk full") as caught:
            b24.call("echo")
        assert (caught.value.code, caught.value.temporary, b24.auth.is_stored) == ("TOKEN_NOT_STORED", True, False)
    assert (portal.requests, told) == ([], [])
    assert b24.call("echo").is_success
    assert b24.call("echo").is_success
    assert (refreshes(portal), told, b24.auth.is_stored) == ([200], [store.get(portal.member_id)], True)


def test_threads_on_a_store_that_fails(portal):
    """Of many threads none asks for the token again while it waits to be stored."""
    store = Failing()
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store))
    store.failures = 5
    with ThreadPoolExecutor(8) as pool:
        errors = [future.exception() for future in [pool.submit(b24.call, "echo") for _ in range(16)]]
    assert len([error for error in errors if error]) == 5
    assert (refreshes(portal), store.get(portal.member_id)) == ([200], b24.auth.token)


def test_a_run_on_a_store_that_fails(portal):
    """A run ends when a new token cannot be stored, nothing of it was executed, and the rest can be run later."""
    store = Failing()
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store))
    store.failures = 1
    result = b24.batch_by_chunk([("echo",)] * 3, chunk_size=1)
    assert [row.status for row in result] == ["failed", "skipped", "skipped"]
    assert b24.batch_by_chunk(result.remaining()).is_success
    assert refreshes(portal) == [200]


def test_another_token_came_meanwhile(portal):
    """A token that could not be stored is not put over one that a user's new authorisation has stored meanwhile."""
    store = Failing()
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store))
    store.failures = 1
    with pytest.raises(TokenRefreshError):
        b24.call("echo")
    new = token_of(portal)
    store.put(new)
    assert b24.call("echo").is_success
    assert (store.get(portal.member_id), b24.auth.token, refreshes(portal)) == (new, new, [200])


def test_another_process_noted_the_old_one_as_spent(portal):
    """A token that waits to be stored takes the place of the one before it, also when that was noted as spent."""
    store = Failing()
    ours = session(credentials(portal, token_of(portal, expires=0), store=store))
    theirs = session(credentials(portal, None, member_id=portal.member_id, store=store))
    store.failures = 1
    with pytest.raises(TokenRefreshError, match="could not be stored"):
        ours.call("echo")
    with pytest.raises(TokenRefreshError, match="authorised again"):
        theirs.call("echo")
    assert ours.call("echo").is_success
    assert theirs.call("echo").is_success
    assert refreshes(portal) == [200, 400]


@pytest.mark.parametrize("token", [False, True])
def test_a_first_token_that_cannot_be_stored(portal, token):
    """A code is used up when the token for it cannot be stored, and the error says so; no secret is in it."""
    store = Failing()
    store.failures = 1
    secrets = (portal.client_id, portal.client_secret)
    with pytest.raises(SdkError if not token else OSError, match="disk full") as caught:
        if token:
            credentials(portal, token_of(portal), store=store)
        else:
            OAuth.from_code(*secrets, portal.issue_code(), token_url=portal.token_url, store=store)
    assert_hidden([portal.client_secret, *portal._oauth.tokens._access, *portal._oauth.tokens._refresh], caught.value)


class Telling(MemoryTokenStore):
    """A store whose errors quote what was to be put, as those of databases do."""

    def put(self, token):
        if token.expires:
            raise RuntimeError(f"INSERT {token.access_token.reveal()}, {token.refresh_token.reveal()} failed\nat x")
        super().put(token)


def test_an_error_of_a_store_that_quotes_the_token(portal):
    """Whatever a store says when it fails, the error that tells of it has no token in it."""
    b24 = session(credentials(portal, token_of(portal, expires=0), store=Telling()))
    with pytest.raises(TokenRefreshError, match=r"RuntimeError: INSERT \*\*\*, \*\*\* failed;") as caught:
        b24.call("echo")
    tokens = portal._oauth.tokens
    assert_hidden([*tokens._access, *tokens._refresh, portal.client_secret], caught.value)


class Interrupted(MemoryTokenStore):
    """A store whose `put` is interrupted once, before or after its work."""

    interrupt = None
    late = False

    def put(self, token):
        interrupt, self.interrupt = self.interrupt, None
        if interrupt is not None and not self.late:
            raise interrupt
        super().put(token)
        if interrupt is not None:
            raise interrupt


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, TimeoutError])
def test_an_interrupt_while_a_token_is_stored(portal, interrupt, late):
    """Ctrl-C and a time limit inside of `put` leave it as they are, and the new token is in the store."""
    store = Interrupted()
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store))
    store.interrupt, store.late = interrupt(), late
    with pytest.raises(interrupt):
        b24.call("echo")
    assert store.get(portal.member_id) == b24.auth.token
    assert b24.call("echo").is_success
    assert refreshes(portal) == [200]


class SoftLimit(Exception):
    """What a task queue's handler of a signal raises."""


@pytest.fixture
def alarm():
    def handler(number, frame):
        raise SoftLimit

    before = signal.signal(signal.SIGUSR1, handler)
    yield
    signal.signal(signal.SIGUSR1, before)


class Signalled(MemoryTokenStore):
    """A store during whose `put` a signal arrives."""

    armed = False

    def put(self, token):
        if self.armed:
            self.armed = False
            signal.raise_signal(signal.SIGUSR1)
        super().put(token)


def test_a_time_limit_while_a_token_is_stored(portal, alarm):
    """What the handler of a signal raises inside of `put` is not taken for an error of the store."""
    store = Signalled()
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store))
    store.armed = True
    with pytest.raises(SoftLimit):
        b24.call("echo")
    assert store.get(portal.member_id) == b24.auth.token
    assert b24.call("echo").is_success
    assert refreshes(portal) == [200]


#: Modules in which a refresh can be interrupted; those of connections and locks have tests of their own.
REFRESHING = [str(file) for file in (PACKAGE / "oauth").glob("*.py")]


def traced(work, press_at=None):
    """Do some work and press Ctrl-C at one of the lines after the answer; return how many there were.

    A line that begins with ``with`` is visited once more on the way out, where no signal is looked for.
    """
    seen = [0]

    def trace(frame, event, arg):
        if frame.f_code.co_filename not in REFRESHING:
            return None
        if linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith("with "):
            return trace
        is_asking = frame.f_code.co_name == "_ask" and frame.f_code.co_filename.endswith("oauth/server.py")
        if event == "line" and (seen[0] or (is_asking and frame.f_locals.get("reply") is not None)):
            seen[0] += 1
            if seen[0] == press_at:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return seen[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_an_interrupt_at_any_instant_after_the_answer(portal, tmp_path, kind):
    """Once the OAuth server has answered, Ctrl-C at whatever line loses no token: it is stored, or stored later."""
    kept = MemoryTokenStore() if kind == "memory" else SQLiteTokenStore(tmp_path / "tokens")
    oauth = credentials(portal, token_of(portal), store=kept)

    def refresh(**access):
        oauth.renew(attrs.evolve(oauth.access(), **access), Connections(portal.clock.monotonic))

    force = functools.partial(refresh, stale=False)
    lines, lost = traced(force), []
    for line in some(range(1, lines + 1)):
        asked = len(portal.token_requests)
        with pytest.raises(KeyboardInterrupt):
            traced(force, line)
        if kept.get(portal.member_id) != oauth.token:
            lost.append(line)
        refresh()
        assert kept.get(portal.member_id) == oauth.token
        assert len(portal.token_requests) - asked <= 2
    assert lines > 40
    assert set(refreshes(portal)) == {200}
    assert lost == [], "put at once where it can be"


def holding(path, how="BEGIN EXCLUSIVE"):
    """Have another connection lock a file."""
    database = sqlite3.connect(path, isolation_level=None, timeout=0)
    database.execute(how)
    return closing(database)


@pytest.mark.slow
def test_a_locked_file_and_max_wait(portal, tmp_path):
    """A file that stays locked is waited for as long as `max_wait` says, in short steps, and then an error."""
    clock = FakeClock()
    store = SQLiteTokenStore(tmp_path / "tokens", clock=clock)
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store), max_wait=7)
    for options, seconds in (({}, 7), ({"max_wait": 0}, 0), ({"max_wait": None}, 120), ({"max_wait": 9999}, 120)):
        with holding(tmp_path / "tokens"):
            before = clock.monotonic()
            with pytest.raises(TokenRefreshError, match=f"locked by another process for over {seconds} s") as caught:
                b24.with_options(**options).call("echo")
        assert clock.monotonic() - before == pytest.approx(seconds)
        assert (caught.value.code, caught.value.temporary) == ("TOKEN_STORE", True)
    assert portal.token_requests == []
    assert b24.call("echo").is_success


class Acting(FakeClock):
    """A clock that does something in the third sleep."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    def sleep(self, seconds):
        super().sleep(seconds)
        if len(self.slept) == 3:
            self.act()


def test_a_file_that_is_unlocked_in_time(portal, tmp_path):
    """Who waits for a locked file goes on as soon as it is free, having slept for a moment at a time."""
    SQLiteTokenStore(tmp_path / "tokens")
    with holding(tmp_path / "tokens") as other:
        clock = Acting(lambda: other.execute("COMMIT"))
        store = SQLiteTokenStore(tmp_path / "tokens", clock=clock)
    token = token_of(portal)
    store.put(token)
    assert (store.get(portal.member_id), len(clock.slept), max(clock.slept) <= 0.1) == (token, 3, True)


def test_ctrl_c_while_a_file_is_locked(portal, tmp_path):
    """Ctrl-C ends the wait for a locked file at once, and the file can be used afterwards."""
    SQLiteTokenStore(tmp_path / "tokens")
    clock = Acting(lambda: signal.raise_signal(signal.SIGINT))
    store = SQLiteTokenStore(tmp_path / "tokens", clock=clock)
    with holding(tmp_path / "tokens"), pytest.raises(KeyboardInterrupt):
        store.put(token_of(portal))
    assert len(clock.slept) == 3
    store.put(token_of(portal))


def test_a_reader_at_the_end(portal, tmp_path):
    """A reader that is in the way of the commit is waited for, though `max_wait` is over: the token is there."""
    token = token_of(portal)
    SQLiteTokenStore(tmp_path / "tokens").put(token)
    with holding(tmp_path / "tokens", "BEGIN") as reader:
        reader.execute("SELECT * FROM b24batch_tokens").fetchall()
        store = SQLiteTokenStore(tmp_path / "tokens", clock=Acting(lambda: reader.execute("COMMIT")))
        with store.lock(portal.member_id, max_wait=0):
            store.put(attrs.evolve(token, expires=7))
    assert store.get(portal.member_id).expires == 7


def test_a_store_whose_lock_knows_no_max_wait(portal):
    """A store by the protocol, whose `lock` has no `max_wait`, serves a session that has one."""

    class Plain:
        def __init__(self):
            self.token, self.mutex = None, threading.Lock()

        def get(self, member_id):
            return self.token

        def put(self, token):
            self.token = token

        def lock(self, member_id):
            return self.mutex

    store = Plain()
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store), max_wait=1)
    assert b24.call("echo").is_success
    assert store.token == b24.auth.token


def test_a_deleted_file(portal, tmp_path):
    """A file that was deleted is made anew for its owner only, and a token that could not be stored is put into it."""
    path = tmp_path / "tokens"
    store = SQLiteTokenStore(path)
    oauth = credentials(portal, token_of(portal, expires=0), store=store)
    path.unlink()
    before = os.umask(0)
    try:
        with pytest.raises(TokenRefreshError, match="no token of"):
            session(oauth).call("echo")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    store.put(token_of(portal))
    assert session(oauth).call("echo").is_success


class Deleted(SQLiteTokenStore):
    """A store whose file is deleted in the instant before SQLite opens it."""

    def _make(self):
        super()._make()
        self._path.unlink()


def test_a_file_that_sqlite_would_make(tmp_path):
    """SQLite itself makes no file, which others could read, also when ours was deleted this very instant."""
    with pytest.raises(TokenRefreshError, match="cannot be opened"):
        Deleted(tmp_path / "tokens")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_deleted_in_the_middle(portal, tmp_path):
    """A new token that went into a file which was deleted meanwhile is an error, and is stored by the next call."""
    path = tmp_path / "tokens"
    b24 = session(credentials(portal, token_of(portal, expires=0), store=SQLiteTokenStore(path)))
    portal.fail_next(path.unlink, endpoint="token")
    with pytest.raises(TokenRefreshError, match=r"could not be stored: .* was deleted meanwhile"):
        b24.call("echo")
    assert b24.call("echo").is_success
    assert (refreshes(portal), SQLiteTokenStore(path).get(portal.member_id)) == ([200], b24.auth.token)


def test_a_damaged_file(portal, tmp_path):
    """A file that is damaged while it is in use is an error of ours that names it, and no request is made."""
    path = tmp_path / "tokens"
    b24 = session(credentials(portal, token_of(portal, expires=0), store=SQLiteTokenStore(path)))
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 8176)
    for _ in range(2):
        with pytest.raises(TokenRefreshError, match=r"tokens (is damaged|is not a SQLite database)"):
            b24.call("echo")
    assert (portal.token_requests, portal.requests) == ([], [])


def test_a_file_that_cannot_be_made(tmp_path):
    """A file in a folder that does not exist is an error of ours."""
    with pytest.raises(TokenRefreshError, match="cannot be opened"):
        SQLiteTokenStore(tmp_path / "nowhere" / "tokens")


@pytest.mark.parametrize("name", ["a b", "a?mode=memory", "a#b", "a%20b", "ä"])
def test_a_file_with_an_odd_name(portal, tmp_path, name):
    """The file has the name that was given, whatever is in it."""
    SQLiteTokenStore(tmp_path / name).put(token_of(portal))
    assert [path.name for path in tmp_path.iterdir()] == [name]


FULL = """
import resource, sys
from pathlib import Path
from b24batch import OAuth, Session, TokenRefreshError
from b24batch.oauth import SQLiteTokenStore
path, token_url, client_id, secret, member_id = sys.argv[1:]
oauth = OAuth(client_id, secret, member_id=member_id, store=SQLiteTokenStore(path), token_url=token_url)
b24 = Session(oauth, limits=None)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        b24.call("echo")
    except TokenRefreshError as error:
        print(error.code, "disk" in error.description)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(b24.call("echo").status)
"""


@pytest.mark.slow
def test_a_full_disk(portal, tmp_path):
    """A disk without room is told before the refresh token is spent; with room the same program goes on."""
    store = SQLiteTokenStore(tmp_path / "tokens")
    store.put(token_of(portal, expires=0))
    arguments = [tmp_path / "tokens", portal.token_url, portal.client_id, portal.client_secret, portal.member_id]
    ended = subprocess.run([sys.executable, "-c", FULL, *map(str, arguments)], capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("TOKEN_STORE True\nTOKEN_STORE True\nok\n", "")
    assert refreshes(portal) == [200]
    assert store.get(portal.member_id).expires > 0


def test_a_disk_that_is_full_at_the_end(portal, tmp_path):
    """A file that refuses the new token only when it is put: kept, told, stored by a later call, nothing lost."""
    path = tmp_path / "tokens"
    b24 = session(credentials(portal, token_of(portal, expires=0), store=SQLiteTokenStore(path)))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        refuse = "BEFORE INSERT ON b24batch_tokens WHEN NEW.expires > 0 BEGIN SELECT RAISE(ABORT, 'no room'); END"
        database.execute(f"CREATE TRIGGER refuse {refuse}")
        for _ in range(2):
            with pytest.raises(TokenRefreshError, match=r"could not be stored: .*no room") as caught:
                b24.call("echo")
        database.execute("DROP TRIGGER refuse")
    tokens = portal._oauth.tokens
    assert_hidden([*tokens._access, *tokens._refresh, portal.client_secret], caught.value)
    assert b24.call("echo").is_success
    assert (refreshes(portal), SQLiteTokenStore(path).get(portal.member_id)) == ([200], b24.auth.token)


OUTAGES = ["html_502", "html_404", "half_body", "lost_before"]


@pytest.mark.parametrize("fault", OUTAGES)
def test_an_outage_of_the_oauth_server(portal, fault, store):
    """An OAuth server that is down is not one that refuses: it is asked again by the next call, which goes through."""
    b24 = session(credentials(portal, token_of(portal, expires=0), store=store))
    portal.fail_next(fault if fault != "html_502" else PortalError("x", "", 502), times=4, endpoint="token")
    for _ in range(2):
        with pytest.raises(TokenRefreshError, match=r"perhaps .*can be tried again") as caught:
            b24.call("echo")
        assert "authorised again" not in caught.value.description
        assert (caught.value.code, caught.value.temporary) == ("TOKEN_ANSWER_LOST", True)
    if fault != "half_body":  # that one came after the token was renewed
        assert b24.call("echo").is_success
    assert len(portal.token_requests) == (4 if fault == "half_body" else 5)


def test_an_oauth_server_that_cannot_be_reached(portal):
    """Nothing was renewed where nobody listens: `NotSent`, and the next call asks again."""
    b24 = session(credentials(portal, token_of(portal, expires=0)))
    portal.close()
    for _ in range(2):
        with pytest.raises(NotSent):
            b24.call("echo")
    portal.start()
    assert b24.call("echo").is_success


@pytest.mark.parametrize(("code", "status"), [("temporarily_unavailable", 400), ("QUERY_LIMIT_EXCEEDED", 429)])
def test_a_refusal_that_passes(portal, code, status):
    """An OAuth server that is too busy is asked once, and its refusal does not say to authorise again."""
    b24 = session(credentials(portal, token_of(portal, expires=0)))
    portal.fail_next(PortalError(code, "busy", status), endpoint="token")
    with pytest.raises(TokenRefreshError, match="busy; it can be tried again later") as caught:
        b24.call("echo")
    assert (caught.value.code, caught.value.temporary, len(portal.token_requests)) == (code, True, 1)
    assert b24.call("echo").is_success


@pytest.mark.parametrize("seconds", [3600, 3600.0, "3600", "3600.0", 3600.9])
def test_the_seconds_of_a_token(portal, seconds):
    """The seconds that a token lasts are a number, or a number in text."""
    assert 3600 <= Token.from_answer({**portal.issue_token(), "expires_in": seconds}, 0.0).expires < 3601


@pytest.mark.parametrize(
    "seconds", [True, "soon", "-5", -5, float("inf"), float("nan"), "1e9", "\u0663", [3600], 10**400]
)
def test_seconds_that_are_none(portal, seconds):
    """What is no number of seconds is named, and no token is shown."""
    answer = portal.issue_token()
    with pytest.raises(UsageError, match="expires_in") as caught:
        Token.from_answer({**answer, "expires_in": seconds}, 0.0)
    assert_hidden([answer["access_token"], answer["refresh_token"]], caught.value)


@pytest.mark.parametrize("error", [None, False, 0, "", []])
def test_a_token_beside_an_error_that_is_none(portal, error):
    """An answer with a whole token and an `error` that says nothing is a token, which would be lost otherwise."""
    answer = {**portal.issue_token(), "error": error}
    portal.fail_next(Answer(json.dumps(answer).encode()), endpoint="token")
    oauth = credentials(portal, token_of(portal, expires=0))
    assert session(oauth).call("echo").is_success
    assert (len(portal.token_requests), oauth.access().token.reveal()) == (1, answer["access_token"])
