"""Portal tokens in the project's database: renewed once for all threads and processes, and never lost."""

import multiprocessing.forkserver
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import attrs
import django_setup  # noqa: F401
import pytest
from canary import texts_of
from django_server import environment, manage, token_of
from django_triggers import refusing

from b24batch import OAuth, TokenRefreshError, UsageError
from b24batch.redaction import Secret

pytest_plugins = ["django_fixtures"]

from django.conf import settings  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.db import DatabaseError, OperationalError, connection, connections, transaction  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402
from django.test import modify_settings, override_settings  # noqa: E402

from b24batch.django import session_for  # noqa: E402
from b24batch.django.models import PortalToken  # noqa: E402
from b24batch.django.stores import DjangoTokenStore  # noqa: E402

WORKERS, CALLS = 8, 5
sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="it is about the file of SQLite")


def test_what_is_put_is_got(portal, database):
    """A store gives back what was put last for a portal, without a refresh token too, and None for others."""
    store, token = DjangoTokenStore(), token_of(portal)
    for each in (token, token_of(portal), attrs.evolve(token, refresh_token=None, expires=1.5)):
        store.put(each)
        assert store.get(portal.member_id) == each
    assert store.get("another") is None
    assert PortalToken.objects.count() == 1


def test_the_application_token_stays(portal, database):
    """A new token leaves the portal's application token as it is; a new installation replaces it."""
    store = DjangoTokenStore()
    assert store.application_token(portal.member_id) is None
    store.put(token_of(portal))
    assert store.application_token(portal.member_id) is None
    for given in ("first", "second"):
        store.put(token_of(portal), Secret(given))
        store.put(token_of(portal))
        assert store.application_token(portal.member_id) == Secret(given)


def test_rows_show_no_token(portal, expired):
    """Neither str nor repr of a row shows a token."""
    row = PortalToken.objects.get()
    assert f"{row} {row!r}" == f"the token of {row.member_id} <PortalToken: the token of {row.member_id}>"


def call_often(member_id, calls=CALLS):
    """Call the portal, and return how often it answered with what it was asked."""
    b24 = session_for(member_id, "application")
    try:
        return sum(b24.call("echo", {"n": str(n)}).data == {"n": str(n)} for n in range(calls))
    finally:
        connections.close_all()


def test_threads(portal, web, expired):
    """8 threads make 40 calls on an expired token: 40 are answered after exactly one refresh."""
    with ThreadPoolExecutor(WORKERS) as pool:
        answered = list(pool.map(call_often, [expired.member_id] * WORKERS))
    assert answered == [CALLS] * WORKERS
    assert [request.error for request in portal.token_requests] == [None]


def test_threads_without_a_common_session(portal, web, expired):
    """8 threads, each with credentials of its own, share the store alone, and refresh once."""
    from b24batch import OAuth

    together = threading.Barrier(WORKERS)

    def call(_):
        options = {"store": DjangoTokenStore(), "token_url": portal.token_url}
        oauth = OAuth(portal.client_id, portal.client_secret, member_id=expired.member_id, **options)
        try:
            together.wait()
            return portal.session(oauth).call("echo", {"n": "1"}).data
        finally:
            connections.close_all()

    with ThreadPoolExecutor(WORKERS) as pool:
        assert list(pool.map(call, range(WORKERS))) == [{"n": "1"}] * WORKERS
    assert [request.error for request in portal.token_requests] == [None]


def in_a_process(aliases, work, member_id, ready, answers):
    """Do as a worker of a server does."""
    with override_settings(B24BATCH=aliases):
        ready.wait()
        answers.put(work(member_id))


def forkserver():
    """A server of processes that has imported this module; Python 3.11 gives it no path but that of its environment."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        multiprocessing.forkserver.ensure_running()
    return context


def in_processes(work, member_id, count=WORKERS, ready=None):
    """Let processes do the same at once, and return what they answer; they wait for `ready`, by default each other."""
    context = forkserver()
    ready, answers = ready or context.Barrier(count), context.Queue()
    given = (dict(settings.B24BATCH), work, member_id, ready, answers)
    workers = [context.Process(target=in_a_process, args=given) for _ in range(count)]
    for worker in workers:
        worker.start()
    answered = [answers.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join(20)
    assert [worker.exitcode for worker in workers] == [0] * count
    return answered


@pytest.mark.slow
def test_processes(portal, web, expired):
    """8 processes make 40 calls on an expired token: 40 are answered after exactly one refresh."""
    assert in_processes(call_often, expired.member_id) == [CALLS] * WORKERS
    assert [request.error for request in portal.token_requests] == [None]


def refusal(member_id):
    """Call the portal once, and return how its token cannot be renewed."""
    try:
        call_often(member_id, 1)
    except TokenRefreshError as refused:
        return f"{refused.code}, {refused.description}"


@pytest.mark.slow
def test_a_refused_refresh_reaches_all_processes(portal, web, expired):
    """A refresh that is refused fails each of 8 processes in the same way, by one request in all, and no one hangs."""
    portal.revoke_tokens()
    said = in_processes(refusal, expired.member_id)
    assert len(set(said)) == 1
    assert said[0].startswith("invalid_grant, ")
    assert said[0].endswith("the application has to be authorised again")
    assert len(portal.token_requests) == 1
    assert DjangoTokenStore().get(expired.member_id) == attrs.evolve(expired, refresh_token=None)
    assert portal.requests == []


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly(DjangoTokenStore):
    """Kills the process that would store a token."""

    put = die


def renewing(aliases, member_id, fatal):
    """Call the portal with a token that is renewed, and be killed before it is stored or before it is used."""
    from b24batch import OAuth, Session

    application = aliases["application"]
    store, told = (Deadly(), None) if fatal == "store" else (DjangoTokenStore(), die)
    options = {"member_id": member_id, "store": store, "on_refresh": told, "token_url": application["TOKEN_URL"]}
    Session(OAuth(application["CLIENT_ID"], application["CLIENT_SECRET"], **options)).call("echo")


def killed(member_id, fatal):
    process = forkserver().Process(target=renewing, args=(dict(settings.B24BATCH), member_id, fatal))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def test_killed_between_refresh_and_store(portal, web, expired):
    """A process dies with the new token in its hands: the next one says to authorise again, after one refresh."""
    killed(expired.member_id, "store")
    with pytest.raises(TokenRefreshError, match="authorised again"):
        call_once(expired.member_id)
    assert [request.error for request in portal.token_requests] == [None, "invalid_grant"]
    assert portal.requests == []


@pytest.mark.slow
def test_sixteen_processes(portal, web, expired):
    """16 processes with an expired token: all are answered, after one refresh."""
    assert in_processes(call_often, expired.member_id, 16) == [CALLS] * 16
    assert [request.error for request in portal.token_requests] == [None]


@pytest.mark.slow
def test_sixteen_processes_of_which_the_first_is_killed(portal, web, expired):
    """The process that renews is killed while 15 wait: all say to authorise again, after one request of theirs."""
    together = forkserver().Barrier(16)
    portal.fail_next(lambda: together.wait(120), endpoint="token")  # while the OAuth server works, the others come
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(killed, expired.member_id, "store")
        said = in_processes(refusal, expired.member_id, 15, together)
        first.result(120)
    assert len(set(said)) == 1
    assert said[0].startswith("invalid_grant, ")
    assert said[0].endswith("the application has to be authorised again")
    assert [request.error for request in portal.token_requests] == [None, "invalid_grant"]
    assert portal.requests == []


def test_killed_between_store_and_use(portal, web, expired):
    """A process dies after it stored the new token: the next one uses that."""
    killed(expired.member_id, "use")
    assert call_once(expired.member_id) == {"n": "1"}
    assert [request.error for request in portal.token_requests] == [None]


def in_between(database, member_id):
    """Return what lets somebody else store a first token just before this thread does."""
    waiting = [member_id]

    def wrapper(execute, sql, params, many, context):
        if sql.startswith(("SAVEPOINT", "INSERT")) and waiting:
            PortalToken.objects.create(member_id=waiting.pop(), expires=0.0)
        return execute(sql, params, many, context)

    return database.execute_wrapper(wrapper)


@sqlite
def test_two_first_tokens_at_once(portal, database):
    """Of two who store a portal's first token at once the later one's stays, and neither fails."""
    store, token = DjangoTokenStore(), token_of(portal)
    with store.lock(token.member_id), in_between(connections["default"], token.member_id):
        store.put(token, Secret("application"))
    assert store.get(token.member_id) == token
    assert store.application_token(token.member_id) == Secret("application")


@pytest.fixture
def shared(postgres_alias):
    """A store in PostgreSQL, which locks rows and not the whole database."""
    PortalToken.objects.using(postgres_alias).all().delete()
    yield DjangoTokenStore(postgres_alias)
    connections[postgres_alias].close()


@contextmanager
def in_thread(store, member_id, stored):
    """Lock the store in another thread, which notes what it finds; here the block has the lock."""

    def find():
        with store.lock(member_id):
            stored.append(store.get(member_id))
        connections.close_all()

    other = threading.Thread(target=find)
    with store.lock(member_id):
        other.start()
        yield other
    other.join(60)


def waits(other, alias):
    """Wait until another thread waits for the database, or has ended; return which."""
    with closing(connections[alias].copy()) as apart, apart.cursor() as cursor:
        while other.is_alive():
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("puts", [True, False])
def test_a_first_token_is_locked_in_advance(portal, shared, postgres_alias, puts):
    """A portal without a row is locked like any other: who comes second waits, and finds what the first one stored."""
    token, stored = token_of(portal), []
    with in_thread(shared, token.member_id, stored) as other:
        assert shared.get(token.member_id) is None
        assert waits(other, postgres_alias)
        if puts:
            shared.put(token)
    assert stored == [token if puts else None]
    assert PortalToken.objects.using(postgres_alias).count() == puts


@contextmanager
def before(alias, acts):
    """Call each of `acts` before a statement on a new connection that begins with the word beside it, in this order."""

    def act(execute, sql, *rest):
        if acts and sql.startswith(acts[0][0]):
            other = threading.Thread(target=acts.pop(0)[1])
            other.start()
            other.join(60)
        return execute(sql, *rest)

    def watch(connection, **signal):
        if connection.alias == alias and threading.current_thread() is threading.main_thread():
            connection.execute_wrappers.append(act)

    connection_created.connect(watch)
    try:
        yield
    finally:
        connection_created.disconnect(watch)
    assert acts == []


@pytest.mark.slow
def test_a_row_that_comes_and_goes_is_locked(portal, shared, postgres_alias):
    """A portal that is installed and uninstalled while a process waits for its row is locked all the same."""
    token, rows = token_of(portal), PortalToken.objects.using(postgres_alias)

    def install():
        DjangoTokenStore(postgres_alias).put(token)
        connections.close_all()

    def uninstall():
        rows.all().delete()
        connections.close_all()

    acts = [("SELECT", lambda: None), ("INSERT", install), ("SELECT", uninstall)]
    with before(postgres_alias, acts), shared.lock(token.member_id):
        assert rows.exists()  # what this process has inserted, and another one waits for
        shared.put(token)
    assert shared.get(token.member_id) == token


@pytest.mark.slow
def test_a_first_token_that_postgres_refuses(portal, shared, postgres_alias):
    """A first token that PostgreSQL refuses is that error, and leaves no row behind."""
    with pytest.raises(DatabaseError, match="NUL"):
        shared.put(token_of(portal), Secret("a\0b"))
    assert not PortalToken.objects.using(postgres_alias).exists()


def test_a_database_that_refuses_a_first_token(portal, database):
    """A first token that the database refuses is an error, which shows neither token."""
    token = token_of(portal)
    with refusing("INSERT", "no"), pytest.raises(DatabaseError, match=r"^(\(1644, ')?no('\))?$") as refused:
        DjangoTokenStore().put(token)
    secrets = [token.access_token.reveal(), token.refresh_token.reveal()]
    assert not [text for text in texts_of(refused.value) for secret in secrets if secret in text]


@pytest.mark.parametrize(
    "wrong",
    [{"client_endpoint": "example.bitrix24.com"}, {"access_token": ""}, {"expires": float("inf")}],
    ids=["endpoint", "token", "expires"],
)
def test_a_row_that_is_no_token(portal, expired, wrong):
    """A row that cannot be a token, edited by hand for one, is an error that names the portal and shows no token."""
    PortalToken.objects.update(**wrong)
    with pytest.raises(UsageError, match=f"^USAGE: the stored token of {expired.member_id}: ") as refused:
        DjangoTokenStore().get(expired.member_id)
    secrets = [expired.access_token.reveal(), expired.refresh_token.reveal()]
    assert not [text for text in texts_of(refused.value) for secret in secrets if secret in text]


def test_a_refused_refresh_reaches_all(portal, web, expired):
    """A refresh that the OAuth server refuses fails all who wait for it in the same way, and no one hangs."""
    portal.revoke_tokens()
    session_for(expired.member_id, "application")

    def fail(_):
        with pytest.raises(TokenRefreshError) as refused:
            call_often(expired.member_id)
        return refused.value.code

    with ThreadPoolExecutor(WORKERS) as pool:
        assert list(pool.map(fail, range(WORKERS))) == ["invalid_grant"] * WORKERS
    assert len(portal.token_requests) == 1


def test_a_roll_back_loses_no_token(portal, web, expired):
    """A token that was renewed within a view's transaction stays when the transaction is rolled back."""
    path = f"/{{}}/?member_id={expired.member_id}&n=1"
    assert web.get(path.format("rollback")).status_code == 500
    assert DjangoTokenStore().get(expired.member_id) != expired
    with override_settings(B24BATCH=dict(settings.B24BATCH)):  # sessions begin anew, with what is stored
        assert web.get(path.format("stored")).json() == {"n": "1"}
    assert [request.error for request in portal.token_requests] == [None]


def test_what_was_put_stays_after_an_error(portal, database):
    """An exception that leaves the lock, Ctrl-C too, undoes nothing of what was put."""
    store, token = DjangoTokenStore(), token_of(portal)
    with pytest.raises(KeyboardInterrupt), transaction.atomic(), store.lock(token.member_id):
        store.put(token)
        raise KeyboardInterrupt
    assert store.get(token.member_id) == token
    assert not connection.in_atomic_block


def test_the_usual_connection_comes_back(portal, expired):
    """After the lock, and after an error in it, the thread has its own connection again."""
    usual = connections["default"]
    store = DjangoTokenStore()
    with store.lock(expired.member_id):
        assert connections["default"] is not usual
    with pytest.raises(RuntimeError), store.lock(expired.member_id):
        raise RuntimeError
    assert connections["default"] is usual
    assert store.get(expired.member_id) == expired


def test_reading_in_a_transaction(portal, web, expired):
    """What the store reads within a view's transaction does not keep the file from the refresh that follows."""
    with transaction.atomic():
        assert DjangoTokenStore().get(expired.member_id) == expired
        assert call_once(expired.member_id) == {"n": "1"}
    assert [request.error for request in portal.token_requests] == [None]


def call_once(member_id):
    return session_for(member_id, "application").call("echo", {"n": "1"}).data


@sqlite
def test_waiting_for_oneself(portal, web, expired, monkeypatch):
    """On SQLite a transaction that has the file in use is told how to keep tokens, before a refresh token is spent."""
    monkeypatch.setattr("b24batch.django.database._PATIENCE_IN_TRANSACTION", 0)
    with transaction.atomic():
        PortalToken.objects.count()
        with pytest.raises(OperationalError, match="set DATABASE in B24BATCH to a separate database"):
            call_once(expired.member_id)
    assert portal.token_requests == []
    assert call_once(expired.member_id) == {"n": "1"}


@sqlite
def test_patience(portal, expired):
    """On SQLite a refresh of another process is waited for as long as it can take, in a transaction for a while."""
    store, patience = DjangoTokenStore(), []
    with store.lock(expired.member_id):
        patience.append(connections["default"].settings_dict["OPTIONS"]["timeout"])
    with transaction.atomic(), store.lock(expired.member_id):
        patience.append(connections["default"].settings_dict["OPTIONS"]["timeout"])
    assert patience == [120, 10]
    assert "timeout" not in connections["default"].settings_dict["OPTIONS"]


@pytest.mark.slow
@sqlite
def test_another_database(portal, web, tmp_path):
    """Tokens may have a database of their own, and a transaction that has written the other one is no hindrance."""
    ended = manage("migrate", "-v0", env=environment(portal, tmp_path / "tokens.sqlite3"))
    assert ended.returncode == 0, ended.stderr
    connections.settings["tokens"] = {**connections.settings["default"], "NAME": tmp_path / "tokens.sqlite3"}
    try:
        store = DjangoTokenStore("tokens")
        store.put(token_of(portal, expired=True))
        aliases = {"application": {**settings.B24BATCH["application"], "DATABASE": "tokens"}}
        with override_settings(B24BATCH=aliases), transaction.atomic():
            PortalToken.objects.create(member_id="in-default", expires=0.0)
            assert call_once(portal.member_id) == {"n": "1"}
            assert store.get(portal.member_id).expires > 0
    finally:
        connections["tokens"].close()
        del connections["tokens"], connections.settings["tokens"]


def test_a_database_that_refuses(portal, web, expired):
    """An error of the database shows neither the tokens that were to be written nor the statement with them."""
    token = token_of(portal)
    with refusing("UPDATE", "no"), pytest.raises(DatabaseError, match=r"^(\(1644, ')?no('\))?$") as refused:
        DjangoTokenStore().put(token)
    secrets = [token.access_token.reveal(), token.refresh_token.reveal()]
    assert not [text for text in texts_of(refused.value) for secret in secrets if secret in text]
    assert DjangoTokenStore().get(expired.member_id) == expired


def test_ctrl_c_while_writing(portal, expired):
    """An interrupt in the middle of a write does not show the tokens, and leaves the last ones."""
    store, token = DjangoTokenStore(), token_of(portal)

    def interrupt(*_):
        raise KeyboardInterrupt

    def put():
        with store.lock(token.member_id), connections["default"].execute_wrapper(interrupt):
            store.put(token)

    with pytest.raises(KeyboardInterrupt) as stopped:
        put()
    secrets = [token.access_token.reveal(), token.refresh_token.reveal()]
    assert not [text for text in texts_of(stopped.value) for secret in secrets if secret in text]
    assert store.get(expired.member_id) == expired


@override_settings(DEBUG=True)
def test_the_log_of_statements(portal, web, expired, caplog):
    """Under DEBUG Django logs statements with their values; those that write tokens are not among them."""
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", logger="django.db.backends")
    assert call_once(expired.member_id) == {"n": "1"}
    PortalToken.objects.count()
    assert "SELECT COUNT" in caplog.text
    row = PortalToken.objects.values().get()
    assert not [name for name in ("access_token", "refresh_token") if row[name] in caplog.text]


def test_without_the_application(web):
    """Without b24batch.django in INSTALLED_APPS the error says so."""
    with modify_settings(INSTALLED_APPS={"remove": "b24batch.django"}), pytest.raises(ImproperlyConfigured) as wrong:
        session_for("0", "application")
    assert "b24batch.django: add it to INSTALLED_APPS" in str(wrong.value)


def test_an_uninstalled_portal(portal, web, expired):
    """When the row is deleted meanwhile, the next refresh says that the application has to be authorised again."""
    b24 = session_for(expired.member_id, "application")
    PortalToken.objects.all().delete()
    with pytest.raises(TokenRefreshError, match="authorised again"):
        b24.call("echo", {"n": "1"})


def test_a_token_that_was_replaced(portal, expired):
    """The store knows the tokens that it had, by what cannot be used, and no token begins where its successor is."""
    store, old, new = DjangoTokenStore(), token_of(portal), token_of(portal)
    for token in (old, new, attrs.evolve(new, refresh_token=None)):
        store.put(token)
    assert [store.has_replaced(token) for token in (expired, old, new)] == [True, True, False]
    assert not store.has_replaced(attrs.evolve(old, member_id="another"))
    row = PortalToken.objects.get()
    assert not [token for token in (expired, old) if token.access_token.reveal() in row.replaced]
    oauth = OAuth(portal.client_id, portal.client_secret, attrs.evolve(old, expires=9e9), store=store)
    assert oauth.access().token == new.access_token


def test_a_database_that_is_full(portal, web, expired):
    """A new token that the database refuses is kept and told of, not used, and stored by a later call."""
    with refusing("UPDATE", "full"):
        for _ in range(2):
            with pytest.raises(TokenRefreshError, match=r"could not be stored: \w+: .*full") as refused:
                call_once(expired.member_id)
            assert refused.value.code == "TOKEN_NOT_STORED"
        assert DjangoTokenStore().get(expired.member_id) == expired
    secrets = [*portal._oauth.tokens._access, *portal._oauth.tokens._refresh]
    assert not [text for text in texts_of(refused.value) for secret in secrets if secret in text]
    assert portal.requests == []
    assert call_once(expired.member_id) == {"n": "1"}
    assert [request.error for request in portal.token_requests] == [None]


def test_a_session_of_a_token_that_is_not_stored(portal, web, expired, monkeypatch):
    """A session whose token waits to be stored is kept, though the database has another one that looks good."""
    monkeypatch.setattr("b24batch.django.cache.SURE", 0.0)
    DjangoTokenStore().put(attrs.evolve(expired, expires=9e9))  # only the portal knows that it has expired
    with refusing("UPDATE", "full"), pytest.raises(TokenRefreshError, match="could not be stored"):
        call_once(expired.member_id)
    assert call_once(expired.member_id) == {"n": "1"}
    assert [request.error for request in portal.token_requests] == [None]
