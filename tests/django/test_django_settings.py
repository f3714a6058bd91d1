"""The setting B24BATCH: sessions by alias, and the checks of it."""

import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import attrs
import django_setup  # noqa: F401
import pytest
from django_server import token_of
from test_processes import forked

from b24batch import AjaxError, RateLimited, Session, UsageError

pytest_plugins = ["django_fixtures"]

from django.conf import settings  # noqa: E402
from django.core import checks  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.test import override_settings  # noqa: E402

import b24batch.django  # noqa: E402
from b24batch.django import cache as kept  # noqa: E402
from b24batch.django import conf, get_session, session_for, sessions  # noqa: E402
from b24batch.django.models import PortalToken  # noqa: E402
from b24batch.django.stores import DjangoTokenStore  # noqa: E402

URL = "https://portal.invalid/rest/1/c0de5ecret/"
APPLICATION = {"CLIENT_ID": "app.1", "CLIENT_SECRET": "c1ient5ecret"}


def aliases(**default):
    return override_settings(B24BATCH={"default": default})


def test_one_session_for_all_threads(web):
    """All threads of a process get the same session, also when they ask for the first one at once."""
    together = threading.Barrier(8)

    def ask(_):
        together.wait()
        return get_session()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(id, pool.map(ask, range(8))))) == 1


def test_another_session_after_a_fork(web):
    """A forked process makes sessions of its own, whatever its parent was doing."""
    before = get_session()
    read, write = os.pipe()
    with sessions._sessions._lock.lock:
        child = forked(lambda: get_session() is not before, write)
        os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as report:
        assert report.read() == "True\n"


def test_each_alias_has_its_session(portal, web):
    """Aliases are portals or applications of their own, each with its session."""
    assert get_session("hook") is not get_session("default")
    assert get_session("hook").call("echo", {"n": "1"}).data == {"n": "1"}


def test_changed_settings(web):
    """A change of the setting, as tests make it, is heeded by the next call."""
    before = get_session()
    with aliases(WEBHOOK_SECRET_URL=URL):
        assert get_session().auth.host == "portal.invalid"
    assert get_session() is not before


def test_options(web):
    """Options of a session have their names in upper case; without them a view's session does not wait."""
    retries = {"attempts": 2}
    with aliases(WEBHOOK_SECRET_URL=URL, TIMEOUT=[1, 2], MAX_WAIT=3, RETRIES=retries, RATE=(20, 1.5), DEADLINE=9):
        b24 = get_session()
    assert (b24.timeout, b24.max_wait, b24.retries.attempts, b24.deadline) == ((1.0, 2.0), 3.0, 2, 9.0)
    assert (b24.limits.capacity, b24.limits.leak_rate) == (20, 1.5)
    assert (get_session().max_wait, get_session().limits) == (0.0, None)


def test_a_view_does_not_wait(portal, web):
    """Where another request would have to wait, or a refusal wants a pause, the error comes at once."""
    with aliases(WEBHOOK_SECRET_URL=portal.url, RATE=(2, 0.01)):
        get_session().call("echo")
        with pytest.raises(RateLimited) as refused:
            get_session().call("echo")
    assert 90 < refused.value.retry_after <= 100
    portal.fail_next("rate_limited")
    with pytest.raises(RateLimited):
        get_session().call("echo")


def test_one_rate_for_a_portal(portal, web):
    """A RATE counts the requests of all sessions on one portal, those of single placements too."""
    application = settings.B24BATCH["application"] | {"RATE": (2, 0.01)}
    with override_settings(B24BATCH={"application": application}):
        posted = [web.post("/placement/", portal.placement_form(options={"ID": "7"})) for _ in range(2)]
    assert [response.status_code for response in posted] == [200, 503]


def test_the_member_of_an_alias(portal, web):
    """An application with one portal names it in the settings, and has a session like a webhook's."""
    DjangoTokenStore().put(token_of(portal))
    with aliases(**settings.B24BATCH["application"], MEMBER_ID=portal.member_id):
        assert get_session() is session_for(portal.member_id)
        assert get_session().call("echo", {"n": "1"}).data == {"n": "1"}


def test_sessions_are_not_kept_for_ever(portal):
    """A process keeps the sessions of the portals that it used last."""
    some, made = kept.Sessions(limit=2), []

    def make():
        made.append(portal.session())
        return made[-1]

    asked = [some.get("default", member, make) for member in "abacab"]
    assert [made.index(session) for session in asked] == [0, 1, 0, 2, 0, 3]


@pytest.fixture
def unsure(monkeypatch):
    """Kept sessions are compared with what is stored each time, as otherwise after a minute."""
    monkeypatch.setattr(kept, "SURE", 0.0)


def test_another_process_stores_a_token(portal, web, unsure):
    """A kept session gives way to one of the stored token, after an installation or a refresh of another process."""
    store = DjangoTokenStore()
    store.put(token_of(portal))
    before = session_for(portal.member_id, "application")
    assert session_for(portal.member_id, "application") is before
    moved = attrs.evolve(token_of(portal), client_endpoint="http://127.0.0.1:9/rest/")
    store.put(moved)
    after = session_for(portal.member_id, "application")
    assert after is not before
    assert (after.auth.host, after.auth.access().token) == ("127.0.0.1:9", moved.access_token)
    assert session_for(portal.member_id, "application") is after


def test_another_process_forgets_a_portal(portal, web, unsure):
    """A kept session ends when the stored token is deleted, and is not there for the next one either."""
    DjangoTokenStore().put(token_of(portal))
    session_for(portal.member_id, "application")
    PortalToken.objects.all().delete()
    with pytest.raises(UsageError, match="no token"):
        session_for(portal.member_id, "application")
    kept.SURE = 60.0
    with pytest.raises(UsageError, match="no token"):
        session_for(portal.member_id, "application")


def test_a_token_that_could_not_be_stored(portal, web, unsure):
    """A kept session stays when the stored token has expired: its own may be newer, and the only one that is good."""
    DjangoTokenStore().put(token_of(portal))
    before = session_for(portal.member_id, "application")
    DjangoTokenStore().put(token_of(portal, expired=True))
    assert session_for(portal.member_id, "application") is before


def test_kept_sessions_ask_the_database_once_a_minute(portal, web):
    """A session that was made or compared less than a minute ago is given without a question to the database."""
    DjangoTokenStore().put(token_of(portal))
    before = session_for(portal.member_id, "application")
    PortalToken.objects.all().delete()
    assert session_for(portal.member_id, "application") is before


def test_an_installation_while_a_session_is_made():
    """A session that was made from the token before an installation is not kept after it."""
    some, made = kept.Sessions(limit=5), []

    def make():
        made.append(Session("https://portal.invalid/rest/1/code/", limits=None))
        if len(made) == 1:
            some.forget("a1")
        return made[-1]

    assert some.get("default", "a1", make) is made[1]
    assert some.get("default", "a1", make) is made[1]


def test_a_portal_without_the_application(web):
    """A portal of which no token is stored is named in the error."""
    with pytest.raises(UsageError, match="no token of 0123abc"):
        session_for("0123abc", "application")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param({}, r"B24BATCH\['default'\] has no CLIENT_ID", id="nothing"),
        pytest.param(APPLICATION, "has no MEMBER_ID: .* session_for", id="no member"),
        pytest.param({"CLIENT_ID": "app.1", "MEMBER_ID": "0"}, "has no CLIENT_SECRET", id="no secret"),
        pytest.param({"WEBHOOK_SECRET_URL": None}, "has no WEBHOOK_SECRET_URL: expected a str", id="None"),
        pytest.param({"WEBHOOK_SECRET_URL": URL, "RATE": 5}, r"RATE: expected None or \(capacity", id="rate"),
        pytest.param({"WEBHOOK_SECRET_URL": URL, "TIMEOUT": "x"}, "positive number of seconds", id="timeout"),
        pytest.param({"WEBHOOK_SECRET_URL": URL, "RETRIES": {"tries": 1}}, "'tries'", id="retries"),
    ],
)
def test_wrong_settings(web, values, said):
    """A session that cannot be made says which alias and which key are wrong."""
    with aliases(**values), pytest.raises(ImproperlyConfigured, match=said) as wrong:
        get_session()
    assert "B24BATCH['default']" in str(wrong.value)


def test_no_settings(web):
    """Without the setting, or the alias, the error names it."""
    with pytest.raises(
        ImproperlyConfigured, match=r"B24BATCH\['other'\] is missing; aliases: 'default', 'application'"
    ):
        get_session("other")
    with override_settings(), pytest.raises(ImproperlyConfigured, match="B24BATCH is missing"):
        del settings.B24BATCH
        get_session()


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        pytest.param({"WEBHOOK_SECRET_URL": URL}, [], id="webhook"),
        pytest.param(APPLICATION, [], id="application"),
        pytest.param(None, ["E001"], id="no dict"),
        pytest.param({}, ["E002"], id="nothing"),
        pytest.param({"CLIENT_ID": "app.1"}, ["E002"], id="incomplete"),
        pytest.param({"WEBHOOK_SECRET_URL": URL} | APPLICATION, ["E002"], id="both"),
        pytest.param({"WEBHOOK_SECRET_URL": URL, "TIME_OUT": 5}, ["E003"], id="unknown key"),
        pytest.param({"WEBHOOK_SECRET_URL": URL[:-2].replace("rest", "test")}, ["E004"], id="shape"),
        pytest.param({"WEBHOOK_SECRET_URL": URL.replace("https", "http")}, ["E004"], id="http"),
        pytest.param({"WEBHOOK_SECRET_URL": "http://127.0.0.1:9/rest/1/c0de5ecret/"}, [], id="loopback"),
        pytest.param({"WEBHOOK_SECRET_URL": URL.replace("https", "http"), "ALLOW_HTTP": True}, [], id="allowed http"),
        pytest.param(APPLICATION | {"TOKEN_URL": "http://portal.invalid/"}, ["E004"], id="token url"),
        pytest.param({"WEBHOOK_SECRET_URL": 5}, ["E004"], id="no text"),
        pytest.param({"WEBHOOK_SECRET_URL": URL, "DEADLINE": -1}, ["E005"], id="option"),
        pytest.param({"WEBHOOK_SECRET_URL": URL, "RATE": "50"}, ["E005"], id="rate"),
        pytest.param(APPLICATION | {"DATABASE": "nowhere"}, ["E004"], id="unknown database"),
        pytest.param(APPLICATION | {"DATABASE": ["default"]}, ["E004"], id="database that is no text"),
        pytest.param(APPLICATION | {"DATABASE": None}, [], id="database of the routers"),
        pytest.param(APPLICATION | {"APPLICATION_TOKEN": None}, ["E004"], id="unset application token"),
        pytest.param(APPLICATION | {"APPLICATION_TOKEN": ""}, ["E004"], id="empty application token"),
        pytest.param(APPLICATION | {"APPLICATION_TOKEN": "c0de5ecret"}, [], id="application token"),
        pytest.param(APPLICATION | {"MEMBER_ID": 7}, ["E004"], id="member that is no text"),
        pytest.param(APPLICATION | {"MEMBER_ID": "../x"}, ["E004"], id="member that is a path"),
        pytest.param(APPLICATION | {"MEMBER_ID": None}, ["E004"], id="unset member"),
        pytest.param(APPLICATION | {"MEMBER_ID": "5a4db0c5"}, [], id="member"),
        pytest.param(APPLICATION | {"ALLOW_LOOPBACK": "1"}, ["E004"], id="switch that is no bool"),
    ],
)
def test_checks(values, numbers):
    """A check finds what is missing, contradictory, unknown or impossible, and shows no secret."""
    with override_settings(B24BATCH={"default": values}):
        found = [message for message in checks.run_checks(tags=["b24batch"]) if not message.is_silenced()]
    assert [message.id for message in found] == [f"b24batch.{number}" for number in numbers]
    assert not [message for message in found if "5ecret" in str(message)]


def test_check_of_nothing():
    """A project without the setting is told how it looks."""
    for missing in ({}, None, []):
        with override_settings(B24BATCH=missing):
            assert [message.id for message in checks.run_checks(tags=["b24batch"])] == ["b24batch.E001"]


def test_check_of_an_alias_that_is_no_text():
    """An alias that is no text is named, with --deploy too."""
    with override_settings(B24BATCH={1: {"WEBHOOK_SECRET_URL": URL}, "default": {"CLIENT_ID": "app.1"}}):
        found = checks.run_checks(tags=["b24batch"], include_deployment_checks=True)
    assert [message.id for message in found] == ["b24batch.E001"]
    assert "expected a str, got 1" in found[0].msg


def test_check_hints():
    """Of an unknown key the check says which was meant."""
    with aliases(WEBHOOK_SECRET_URL=URL, timeuot=5):
        assert [message.hint for message in checks.run_checks(tags=["b24batch"])] == ["Did you mean TIMEOUT?"]


def test_check_of_a_shared_file():
    """Tokens on SQLite in the file of views with transactions are warned of; a file of their own is not."""
    atomic = {"ENGINE": "django.db.backends.sqlite3", "ATOMIC_REQUESTS": True}
    databases = {"default": atomic, "tokens": {"ENGINE": "django.db.backends.sqlite3"}}
    found = []
    for chosen in ({}, {"DATABASE": "tokens"}):
        with aliases(**APPLICATION, **chosen):
            settings.DATABASES, kept = databases, settings.DATABASES
            found.append([message.id for message in checks.run_checks(tags=["b24batch"])])
            settings.DATABASES = kept
    assert found == [["b24batch.W003"], []]


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        pytest.param({}, ["W001"], id="rate of a process"),
        pytest.param({"RATE": (10, 0.5)}, [], id="share of the rate"),
        pytest.param({"RATE": None, "ALLOW_LOOPBACK": True}, ["W002"], id="sandbox"),
        pytest.param({"RATE": None, "ALLOW_HTTP": True}, ["W002"], id="http"),
    ],
)
def test_deployment_checks(values, numbers):
    """Only with --deploy the checks warn of a rate per process and of switches for tests."""
    with aliases(WEBHOOK_SECRET_URL=URL, **values):
        assert checks.run_checks(tags=["b24batch"]) == []
        found = checks.run_checks(tags=["b24batch"], include_deployment_checks=True)
    assert [message.id for message in found] == [f"b24batch.{number}" for number in numbers]


@pytest.mark.slow
def test_imports_touch_no_settings():
    """Importing b24batch.django needs no settings; only a call does."""
    line = "import b24batch.django as d; from django.conf import settings; assert not settings.configured"
    subprocess.run([sys.executable, "-c", line], check=True, timeout=30)


def test_public_names():
    """Every public name can be imported once the applications are loaded, and is documented; others are errors."""
    assert all(getattr(b24batch.django, name).__doc__ for name in b24batch.django.__all__)
    assert set(b24batch.django.__all__) <= set(dir(b24batch.django))
    with pytest.raises(AttributeError, match="no attribute 'PortalTokens'"):
        b24batch.django.PortalTokens  # noqa: B018


def test_every_key_is_documented():
    """The table of the settings has every key."""
    assert set(conf.KEYS) <= set(re.findall(r"\w+", conf.__doc__))


@pytest.mark.slow
def test_without_django(tmp_path):
    """Without Django an import says what to install."""
    line = "import sys; sys.modules['django'] = None; import b24batch.django"
    ended = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, timeout=30, check=False)
    assert ended.stderr.endswith("ImportError: b24batch.django needs Django: pip install 'b24batch[django]'\n")


def test_the_portal_refuses(portal, web):
    """Errors of the portal come as in any other session."""
    with pytest.raises(AjaxError):
        get_session().call("no.such.method")
