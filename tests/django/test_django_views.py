"""Views that a portal posts to: who gets in, with which session, and what the page of an error shows."""

import asyncio
import functools
import logging

import django_setup  # noqa: F401
import pytest
from django_server import token_of

from b24batch import RateLimited, TokenRefreshError
from b24batch.sandbox import Portal

pytest_plugins = ["django_fixtures"]

from django.conf import settings  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.db import OperationalError, connection, transaction  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import AsyncClient, RequestFactory, override_settings  # noqa: E402
from django.views import View  # noqa: E402

from b24batch.django import event_view, install_view, placement_view, session_for  # noqa: E402
from b24batch.django.middleware import RateLimitedMiddleware  # noqa: E402
from b24batch.django.models import PortalToken  # noqa: E402
from b24batch.django.stores import DjangoTokenStore  # noqa: E402

POSTED_TO = ("placement", "event", "install")


@pytest.fixture(autouse=True)
def quiet():
    """Django logs refusals and errors; pytest shows the log of a test that fails."""
    logging.getLogger("django.request").propagate = False
    yield
    logging.getLogger("django.request").propagate = True


@pytest.fixture
def installed(portal, web):
    """The portal's form of the installation has arrived."""
    assert web.post("/install/", portal.install_form()).status_code == 200


def deal_event(portal, **fields):
    return portal.event_form("ONCRMDEALADD", {"FIELDS": {"ID": "7"}}, **fields)


def test_placement(portal, web):
    """A placement's view gets the session of the user who opened the page, some of its fields come in the query."""
    form = portal.placement_form(options={"ID": "7"})
    query = "&".join(f"{name}={form.pop(name)}" for name in ("DOMAIN", "PROTOCOL", "LANG", "APP_SID"))
    token = form["AUTH_ID"]
    answer = web.post(f"/placement/?{query}", form)
    assert answer.json() == {"deal": "7", "placement": "CRM_DEAL_DETAIL_TAB", "of": portal.member_id}
    assert [request.params["auth"] for request in portal.requests] == [token]
    assert not PortalToken.objects.exists()


def test_only_placements_are_framed(portal, web, installed):
    """A placement may be shown in the portal's frame, other views not."""
    placement = web.post("/placement/", portal.placement_form(options={"ID": "7"}))
    assert "X-Frame-Options" not in placement
    assert web.post("/event/", deal_event(portal))["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("name", POSTED_TO)
def test_other_verbs(web, name):
    """What a portal posts to answers anything but a POST with 405."""
    assert [web.get(f"/{name}/").status_code, web.put(f"/{name}/").status_code] == [405, 405]


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("placement", {"AUTH_ID": None}, "AUTH_ID"),
        ("placement", {"DOMAIN": "10.0.0.1"}, "DOMAIN"),
        ("install", {"event": "ONCRMDEALADD"}, "ONAPPINSTALL"),
        ("install", {"auth[application_token]": None}, "auth[application_token]"),
        ("event", {"auth[member_id]": None}, "auth[member_id]"),
        ("event", {"auth[application_token]": None}, "auth[application_token]"),
        ("event", {"ts": "now"}, "ts"),
    ],
)
def test_bad_forms(portal, web, installed, name, fields, said):
    """A form with a missing or impossible field is answered 400 with the field's name, and nothing is sent."""
    before = len(portal.requests) + len(portal.token_requests)
    form = {
        "placement": lambda: portal.placement_form(options={"ID": "7"}, **fields),
        "install": lambda: portal.install_form(**fields),
        "event": lambda: deal_event(portal, **fields),
    }[name]()
    answer = web.post(f"/{name}/", form)
    assert (answer.status_code, answer["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert said in answer.text
    assert len(portal.requests) + len(portal.token_requests) == before


@pytest.mark.parametrize("name", POSTED_TO)
def test_empty_forms(web, name):
    """A form without any field is answered 400."""
    assert web.post(f"/{name}/").status_code == 400


def test_event(portal, web, installed):
    """An event's view gets the session of the installation, not of the event."""
    form = deal_event(portal)
    answer = web.post("/event/", form)
    assert answer.json() == {"event": "ONCRMDEALADD", "deal": "7"}
    assert portal.requests[-1].params["auth"] == DjangoTokenStore().get(portal.member_id).access_token.reveal()
    assert portal.requests[-1].params["auth"] != form["auth[access_token]"]


@pytest.mark.parametrize(
    "fields",
    [{"auth[application_token]": "another"}, {"auth[member_id]": "0" * 32}],
    ids=["another token", "unknown portal"],
)
def test_events_of_others(portal, web, installed, fields):
    """An event of another portal, or of nobody, is answered 403 and reaches no view."""
    before = len(portal.requests)
    assert web.post("/event/", deal_event(portal, **fields)).status_code == 403
    assert len(portal.requests) == before


def test_event_of_a_portal_without_application_token(portal, web, database):
    """A portal whose application token is unknown has no events, not even with an empty one."""
    DjangoTokenStore().put(token_of(portal))
    for given in ("", portal.application_token):
        assert web.post("/event/", deal_event(portal, **{"auth[application_token]": given})).status_code == 403


def test_event_of_a_local_application(portal, web):
    """With the application token in the settings an event needs no installation: it brings the token."""
    form = deal_event(portal)
    assert web.post("/local_event/", form).json() == {"event": "ONCRMDEALADD", "n": "1"}
    assert portal.requests[-1].params["auth"] == form["auth[access_token]"]
    assert web.post("/local_event/", deal_event(portal, **{"auth[application_token]": "x"})).status_code == 403


def test_event_of_a_webhook(portal, web):
    """An outbound webhook's view gets the session of the inbound one."""
    form = {name: text for name, text in deal_event(portal).items() if name != "auth[access_token]"}
    assert web.post("/webhook_event/", form).json() == {"event": "ONCRMDEALADD", "n": "1"}
    assert "auth" not in portal.requests[-1].params


def test_event_of_a_webhook_without_application_token(portal, web):
    """Events of a webhook need the application token in the settings, which the error names."""
    request = RequestFactory().post("/", deal_event(portal))
    with pytest.raises(ImproperlyConfigured, match=r"B24BATCH\['default'\] has no APPLICATION_TOKEN"):
        event_view(lambda *_: None)(request)


def test_an_event_without_any_token(portal, web):
    """An event without a token of a portal without a stored one reaches its view, whose calls say what is missing."""
    form = portal.event_form("ONAPPUNINSTALL", {"CLEAN": "1"}, **{"auth[access_token]": None})
    assert web.post("/uninstalled/", form).json() == {"event": "ONAPPUNINSTALL"}
    refused = []

    @event_view(alias="local")
    def view(request, session, event):
        with pytest.raises(
            TokenRefreshError, match=f"neither the event nor the database .* {portal.member_id}; .*again"
        ):
            session.call("echo")
        with pytest.raises(TokenRefreshError):
            session.batch([("echo",)])
        refused.append(event.event)
        return HttpResponse()

    assert view(RequestFactory().post("/", form)).status_code == 200
    assert (refused, portal.requests) == (["ONAPPUNINSTALL"], [])


def test_install(portal, web):
    """What an installation brings is stored, with a token that the OAuth server has just given out."""
    form = portal.install_form()
    answer = web.post("/install/", form)
    assert (answer.status_code, answer.text) == (200, portal.member_id)
    row = PortalToken.objects.get()
    assert (row.member_id, row.application_token) == (portal.member_id, portal.application_token)
    assert row.access_token != form["auth[access_token]"]
    assert [request.error for request in portal.token_requests] == [None]


@pytest.mark.parametrize(
    "fields",
    [{"auth[refresh_token]": "stolen"}, {"auth[member_id]": "0" * 32}, {"auth[refresh_token]": None}],
    ids=["unknown token", "another portal", "no token"],
)
def test_installations_that_are_none(portal, web, fields):
    """An installation whose token the OAuth server does not renew for that portal is 403; nothing is stored."""
    assert web.post("/install/", portal.install_form(**fields)).status_code == 403
    assert not PortalToken.objects.exists()


def test_installations_by_users(portal, web):
    """A user who is no administrator has a token, but installs nothing: 403, nothing is stored, nor spent."""
    portal.method("user.admin")(lambda params: False)
    assert web.post("/install/", portal.install_form()).status_code == 403
    assert DjangoTokenStore().get(portal.member_id) is None
    assert portal.token_requests == []


def test_installations_of_other_hosts(portal, web):
    """A token that the OAuth server knows of another host than the form's is 403, and nothing is stored."""
    with Portal() as other:
        token = other.install_form()["auth[access_token]"]
        host = {"auth[domain]": other.url.split("/")[2], "auth[access_token]": token}
        answer = web.post("/install/", portal.install_form(**host))
    assert (answer.status_code, answer.text) == (403, "the token and the form are from different portals")
    assert not PortalToken.objects.exists()


@pytest.mark.parametrize("fault", ["rate_limited", "html_502", "lost_before", "json_500"])
def test_an_installation_again(portal, web, fault):
    """When the portal does not answer an installation it is 503, and nothing is spent: the same form works again."""
    form = portal.install_form()
    application = settings.B24BATCH["application"] | {"RETRIES": {"attempts": 1}}
    with override_settings(B24BATCH={"application": application}):
        portal.fail_next(fault)
        refused = web.post("/install/", form)
        assert (refused.status_code, "Retry-After" in refused, portal.token_requests) == (503, True, [])
        assert web.post("/install/", form).status_code == 200
    assert PortalToken.objects.count() == 1


def test_an_installation_when_the_rate_is_used_up(portal, web):
    """An installation that would have to wait too long is 503 with the seconds, and nothing is spent."""
    application = settings.B24BATCH["application"] | {"RATE": (2, 0.01)}
    with override_settings(B24BATCH={"application": application}):
        assert web.post("/placement/", portal.placement_form(options={"ID": "7"})).status_code == 200
        refused = web.post("/install/", portal.install_form())
    assert (refused.status_code, 90 < int(refused["Retry-After"]) <= 100) == (503, True)
    assert portal.token_requests == []


def test_an_installation_waits_for_the_rate(portal, web):
    """An installation waits for the portal's rate, though other views do not."""
    portal.fail_next("rate_limited")
    application = settings.B24BATCH["application"] | {"RETRIES": {"wait_initial": 0.01}}
    with override_settings(B24BATCH={"application": application}):
        assert web.post("/install/", portal.install_form()).status_code == 200


def test_an_installation_without_the_oauth_server(portal, web, closed_url):
    """When the OAuth server cannot be reached an installation is 503, and the same form works later."""
    form, application = portal.install_form(), dict(settings.B24BATCH["application"])
    with override_settings(B24BATCH={"application": application | {"TOKEN_URL": closed_url}}):
        assert web.post("/install/", form).status_code == 503
    assert web.post("/install/", form).status_code == 200


def test_an_installation_while_the_oauth_server_fails(portal, web):
    """When the OAuth server fails an installation is 503, and the same form works later if nothing was renewed."""
    form = portal.install_form()
    portal.fail_next("lost_before", times=2, endpoint="token")
    refused = web.post("/install/", form)
    assert (refused.status_code, "Retry-After" in refused) == (503, True)
    assert web.post("/install/", form).status_code == 200


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it is about the file of SQLite")
def test_an_installation_that_cannot_be_stored(portal, web, monkeypatch):
    """A token is not spent before the database is ready to store the next one."""
    monkeypatch.setattr("b24batch.django.database._PATIENCE_IN_TRANSACTION", 0)
    request = RequestFactory().post("/", portal.install_form())
    view = install_view(lambda *_: HttpResponse(), alias="application")
    with transaction.atomic():
        PortalToken.objects.count()
        with pytest.raises(OperationalError, match="set DATABASE in B24BATCH to a separate database"):
            view(request)
    assert portal.token_requests == []


def test_an_expired_installation(portal, web):
    """The posted token is not renewed to ask whose it is: an expired one is 403, and its refresh token is not spent."""
    assert web.post("/install/", portal.install_form(**{"auth[expires_in]": "0"})).status_code == 403
    assert (portal.token_requests, portal.requests) == ([], [])


def test_install_anew(portal, web, installed):
    """A second installation takes the place of the first."""
    before = PortalToken.objects.get().access_token
    assert web.post("/install/", portal.install_form()).status_code == 200
    assert PortalToken.objects.get().access_token != before


def test_the_session_after_another_installation(portal, web, installed):
    """After another installation all sessions of the process have its token, the view's own and kept ones."""
    kept = [session_for(portal.member_id, alias) for alias in ("application", "local")]
    assert web.post("/install/", portal.install_form()).status_code == 200
    token = DjangoTokenStore().get(portal.member_id).access_token
    assert portal.requests[-1].params["auth"] == token.reveal()
    assert not [session for session in kept if session.auth.access().token == token]
    for alias in ("application", "local"):
        assert session_for(portal.member_id, alias).auth.access().token == token


def test_the_session_of_a_portal_that_moved(portal, web, installed):
    """A portal that moved is called at its new address once the application is installed from there."""
    with Portal() as moved:
        moved.method("echo")(lambda params: params)
        before = session_for(portal.member_id, "application")
        application = settings.B24BATCH["application"] | {"TOKEN_URL": moved.token_url}
        with override_settings(B24BATCH=settings.B24BATCH | {"application": application}):
            session_for(portal.member_id, "application")
            assert web.post("/install/", moved.install_form()).status_code == 200
            after = session_for(portal.member_id, "application")
            assert after.call("echo", {"n": "1"}).data == {"n": "1"}
        assert after.auth.host == moved.url.split("/")[2] != before.auth.host


def test_decorated_views():
    """A decorated view keeps its name and text, and its other arguments; an async one is refused."""

    @placement_view
    def page(request, session, placement, number):
        """Show it."""

    assert (page.__name__, page.__doc__) == ("page", "Show it.")

    async def later(request, session, posted):
        """Never."""

    for decorator in (placement_view, event_view(alias="other"), install_view):
        with pytest.raises(TypeError, match="later is async"):
            decorator(later)


class Later(View):
    async def post(self, request, session, posted):
        """Never."""


class Callable:
    async def __call__(self, request, session, posted):
        """Never."""


@pytest.mark.parametrize(
    ("view", "name"),
    [
        (Later.as_view(), "Later"),
        (Callable(), "Callable"),
        (functools.partial(Later().post), "Later.post"),
        (functools.partial(Callable(), object()), "Callable"),
    ],
    ids=["class", "callable", "partial", "partial callable"],
)
def test_async_views(view, name):
    """Whatever is async is refused under its name, also when it is no plain function."""
    with pytest.raises(TypeError, match=rf"^{name} is async"):
        placement_view(view)


def test_views_that_are_no_functions(portal, web):
    """A view may be any callable that is not async: one made of a class, a partial, an object."""

    def page(prefix, request, session, placement):
        return HttpResponse(prefix + placement.placement)

    view = placement_view(functools.partial(page, "at "), alias="application")
    answer = view(RequestFactory().post("/", portal.placement_form()))
    assert answer.text == "at CRM_DEAL_DETAIL_TAB"


@pytest.mark.parametrize(
    ("seconds", "header"),
    [
        (None, "1"),
        (0.0, "1"),
        (0.2, "1"),
        (2.0, "2"),
        (99.01, "100"),
        (-5.0, "1"),
        (float("inf"), "1"),
        (float("nan"), "1"),
    ],
)
def test_rate_limited(seconds, header):
    """A RateLimited becomes 503 with the whole seconds to wait, rounded up; no other error is touched."""
    middleware = RateLimitedMiddleware(lambda request: HttpResponse())
    request = RequestFactory().get("/")
    answer = middleware.process_exception(request, RateLimited("full", retry_after=seconds))
    assert (answer.status_code, answer["Retry-After"]) == (503, header)
    assert middleware.process_exception(request, ValueError()) is None


def test_rate_limited_in_a_project(portal, web):
    """Under WSGI and ASGI a view that would have to wait is answered 503, and works again later."""
    for client in (web.get, lambda path: asyncio.run(AsyncClient().get(path))):
        assert client("/call/").status_code == 200
        portal.fail_next("rate_limited")
        refused = client("/call/")
        assert (refused.status_code, refused["Retry-After"]) == (503, "1")


def secrets_of(portal, *forms):
    code = portal.url.rstrip("/").rpartition("/")[2]
    tokens = ("AUTH_ID", "REFRESH_ID", "auth[access_token]", "auth[refresh_token]")
    posted = [form[name] for form in forms for name in tokens if name in form]
    stored = [text for row in PortalToken.objects.values_list("access_token", "refresh_token") for text in row]
    stored = [text for text in stored if text is not None]
    return [code, portal.client_secret, portal.application_token, *posted, *stored]


def refused_calls(portal):
    yield "/failing/"
    yield "/failing/?call=no.such.method"
    portal.fail_next("expired_token")
    yield "/failing/?call=echo"
    yield f"/rollback/?member_id={portal.member_id}&n=1"
    yield "/stored/?member_id=unknown&n=1"
    portal.revoke_tokens()
    yield f"/stored/?member_id={portal.member_id}&n=1"


@override_settings(DEBUG=True)
def test_debug_page(portal, web, installed):
    """The debug page of a view that fails shows settings, locals and the request, and none of the secrets."""
    secrets = secrets_of(portal)
    for path in refused_calls(portal):
        page = web.get(path)
        assert page.status_code == 500
        assert "B24BATCH" in page.text
        assert not [secret for secret in [*secrets, *secrets_of(portal)] if secret in page.text]


@override_settings(DEBUG=True)
def test_debug_page_of_a_form(portal, web):
    """The debug page of a view that was posted to shows no token of the form, though Django itself masks none."""
    forms = {"failing_placement": portal.placement_form(), "install": portal.install_form()}
    for name, form in forms.items():
        page = web.post(f"/{name}/?fail=1", form)
        assert page.status_code == 500
        assert "member_id" in page.text
        assert not [secret for secret in secrets_of(portal, form) if secret in page.text]


@override_settings(DEBUG=True)
def test_debug_page_of_an_event_of_a_bot(portal, web, installed):
    """An event of a chat bot has the bot's tokens in its data, and the debug page of its view shows none of them."""
    tokens = {"access_token": "b0tacce55token", "refresh_token": "b0trefre5htoken"}
    form = portal.event_form("ONIMBOTMESSAGEADD", {"BOT": {"7": {"AUTH": tokens, "BOT_ID": "7"}}})
    page = web.post("/event/", form)
    assert page.status_code == 500
    assert "ONIMBOTMESSAGEADD" in page.text
    assert not [secret for secret in [*secrets_of(portal, form), *tokens.values()] if secret in page.text]


@pytest.mark.slow
@override_settings(DEBUG=True)
def test_debug_page_of_a_server_that_is_gone(portal, web, expired):
    """The debug page of a refresh that fails on its way shows no token either."""
    portal.close()
    for path in ("/failing/?call=echo", f"/stored/?member_id={portal.member_id}&n=1"):
        page = web.get(path)
        assert page.status_code == 500
        assert not [secret for secret in secrets_of(portal) if secret in page.text]
    form = portal.install_form()
    page = web.post("/install/", form)
    assert (page.status_code, [secret for secret in secrets_of(portal, form) if secret in page.text]) == (503, [])


@override_settings(DEBUG=True)
@pytest.mark.parametrize(
    "wrong", [{"client_endpoint": "example.bitrix24.com"}, {"access_token": "acce55 5ecret"}, {"refresh_token": ""}]
)
def test_debug_page_of_a_row_that_is_no_token(portal, web, expired, wrong):
    """The debug page of a stored row that cannot be a token names its portal, and shows none of its tokens."""
    PortalToken.objects.update(**wrong)
    page = web.get(f"/stored/?member_id={expired.member_id}&n=1")
    assert page.status_code == 500
    assert f"the stored token of {expired.member_id}: " in page.text
    assert not [secret for secret in filter(None, secrets_of(portal)) if secret in page.text]


def test_a_portal_is_no_user(portal, web):
    """The views work in a project without users and sessions, and are exempt where views need a login by default."""
    names = (*settings.INSTALLED_APPS, *settings.MIDDLEWARE)
    assert not [name for name in names if name.startswith("django.contrib.")]
    assert web.post("/install/", portal.install_form()).status_code == 200
    assert web.post("/placement/", portal.placement_form(options={"ID": "7"})).status_code == 200
    assert web.post("/event/", deal_event(portal)).status_code == 200
    for decorator in (install_view, placement_view, event_view):
        for decorated in (decorator(view_of_nothing), decorator(alias="application")(view_of_nothing)):
            assert decorated.login_required is False  # LoginRequiredMiddleware, since Django 5.1


def view_of_nothing(request, session, posted):
    """A view."""
