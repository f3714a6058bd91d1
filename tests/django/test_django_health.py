"""The health check: what it says of each alias, what it costs, and that it ends."""

import socket
import time

import attrs
import django_setup  # noqa: F401
import pytest
from django_server import token_of

from b24batch import UsageError

pytest_plugins = ["django_fixtures"]

from django.conf import settings  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.db import InterfaceError, connections  # noqa: E402
from django.test import override_settings  # noqa: E402

from b24batch.django import check_health, get_session  # noqa: E402
from b24batch.django.models import PortalToken  # noqa: E402
from b24batch.django.stores import DjangoTokenStore  # noqa: E402


@pytest.fixture
def one(portal, web):
    """An application with one portal, whose token is stored, as the only alias."""
    DjangoTokenStore().put(token_of(portal))
    with override_settings(B24BATCH={"one": settings.B24BATCH["application"] | {"MEMBER_ID": portal.member_id}}):
        yield portal


@pytest.fixture
def silent():
    """The URL of a webhook whose portal accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/rest/1/c0de5ecret/"


def look(*aliases, **options):
    found = check_health(aliases or None, **options)
    assert not [each for each in found if "5ecret" in each.detail or "sandboxc0de" in each.detail]
    return [(each.alias, each.is_healthy, each.detail) for each in found]


def test_all_aliases(portal, web):
    """Every alias is looked at: a webhook by one request, an application on many portals without any."""
    DjangoTokenStore().put(token_of(portal))
    assert look() == [
        ("default", True, "the portal answers"),
        ("application", True, "portals with a token: 1"),
        ("local", True, "portals with a token: 1"),
        ("hook", True, "the portal answers"),
    ]
    assert [request.method for request in portal.requests] == ["server.time", "server.time"]
    assert look("hook") == [("hook", True, "the portal answers")]


def test_an_application_with_one_portal(one):
    """Its portal is asked with the stored token."""
    assert look() == [("one", True, "the portal answers")]
    assert [(request.method, "auth" in request.params) for request in one.requests] == [("server.time", True)]


def test_no_token(one):
    """Without a token the application has to be installed."""
    PortalToken.objects.all().delete()
    assert look() == [("one", False, f"no token is stored for {one.member_id}: install the application")]
    assert one.requests == []


def test_a_token_is_not_renewed(one):
    """A token that has expired is left to the next call, and one that is refused is reported; none is used up."""
    DjangoTokenStore().put(attrs.evolve(token_of(one), expires=time.time() + 30))
    assert look() == [("one", True, "a token is stored; the next call renews it")]
    assert one.requests == []
    DjangoTokenStore().put(token_of(one))
    one.revoke_tokens()
    ((_, is_healthy, detail),) = look()
    assert not is_healthy
    assert detail.startswith("the portal refuses the credentials: ")
    assert one.token_requests == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("unauthorized", "the portal refuses the credentials: INVALID_CREDENTIALS"),
        ("html_502", "the answer (HTTP 502) is not the JSON"),
        ("lost_before", "the answer was lost"),
        ("rate_limited", None),
    ],
)
def test_a_portal_that_fails(portal, web, fault, said):
    """A portal that refuses, or answers nothing, is not healthy; it is asked once. One that is busy is healthy."""
    portal.fail_next(fault, times=5)
    ((alias, is_healthy, detail),) = look("default")
    assert (alias, is_healthy, len(portal.requests)) == ("default", said is None, 1)
    assert detail.startswith(said or "the rate limit is used up")


def test_the_rate_is_used_up(portal, web):
    """An alias without a free request is not asked, and counts as healthy."""
    with override_settings(B24BATCH={"default": {"WEBHOOK_SECRET_URL": portal.url, "RATE": (2, 0.01)}}):
        get_session().call("echo")
        assert look() == [("default", True, "the rate limit is used up for the moment")]
    assert len(portal.requests) == 1


def test_the_check_ends(portal, web, silent):
    """The time is for all aliases together: what is left of it when a portal does not answer is nothing."""
    hooks = {name: {"WEBHOOK_SECRET_URL": silent, "RATE": None} for name in ("first", "second")}
    with override_settings(B24BATCH=hooks):
        for timeout in (0.1, 2.0, 20.0):  # a busy machine may take the shortest to begin
            first, second = look(timeout=timeout)
            if "the answer" in first[2]:
                break
    assert first[:2] == ("first", False)
    assert first[2].startswith("the answer took more than")
    assert second == ("second", False, "not asked: the time is over")


def test_no_portal(web, closed_url):
    """A portal that cannot be reached is not healthy."""
    with override_settings(B24BATCH={"default": {"WEBHOOK_SECRET_URL": closed_url}}):
        ((_, is_healthy, detail),) = look()
    assert (is_healthy, detail) == (False, "the request was not sent: ConnectionError, Connection refused")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"WEBHOOK_SECRET_URL": "https://portal.invalid/c0de5ecret/"}, "a webhook URL looks like"),
        ({"WEBHOOK_SECRET_URL": "https://portal.invalid/rest/1/c0de5ecret/", "TIMEUOT": 1}, "Did you mean TIMEOUT?"),
        ({"CLIENT_ID": "app.1", "CLIENT_SECRET": "c1ient5ecret", "RATE": 5}, "RATE: expected"),
        ({"CLIENT_ID": "app.1"}, "has no CLIENT_SECRET"),
        (None, "is not a dict"),
    ],
)
def test_wrong_settings(web, values, said):
    """An alias with a wrong setting is not healthy; the others are looked at."""
    with override_settings(B24BATCH={"wrong": values, **settings.B24BATCH}):
        found = look()
    assert (found[0][:2], said in found[0][2]) == (("wrong", False), True)
    assert [is_healthy for _, is_healthy, _ in found[1:]] == [True] * 4


def test_no_tables(web, tmp_path):
    """A database without the table of tokens is told without its words."""
    name = str(tmp_path / "empty.sqlite3")
    connections.settings["empty"] = {**connections.settings["default"], "NAME": name}
    try:
        with override_settings(B24BATCH={"application": settings.B24BATCH["application"] | {"DATABASE": "empty"}}):
            found = look()
    finally:
        connections["empty"].close()
        del connections["empty"]
        del connections.settings["empty"]
    assert found == [("application", False, "the database of the tokens cannot be used: OperationalError")]


class BrokenRouter:
    """A router of databases whose connection is lost."""

    def db_for_read(self, *model, **hints):
        raise InterfaceError("connection to db5ecret.internal already closed")


def test_a_lost_connection(web):
    """Every error of a database is told without its words, also one of its driver."""
    with override_settings(DATABASE_ROUTERS=[BrokenRouter()]):
        found = look("application", "hook")
    assert found[0] == ("application", False, "the database of the tokens cannot be used: InterfaceError")
    assert found[1][1]


def test_what_is_raised(web):
    """Only what is wrong with the whole check is raised."""
    with pytest.raises(UsageError, match="timeout: expected a positive number"):
        check_health(timeout=0)
    with pytest.raises(UsageError, match="aliases: expected a list of aliases, got 'default'"):
        check_health("default")
    with override_settings(), pytest.raises(ImproperlyConfigured, match="B24BATCH is missing"):
        del settings.B24BATCH
        check_health()
    assert look("nowhere")[0][1] is False
