"""Installing an application with a page: what is stored, who is refused, and what the browser gets."""

import html
import logging
import re
import sys
import threading
from pathlib import Path

import django_setup  # noqa: F401
import pytest

from b24batch.sandbox import Portal

pytest_plugins = ["django_fixtures"]

import django  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.template import Context, Template  # noqa: E402
from django.test import Client, RequestFactory, override_settings  # noqa: E402

from b24batch.django import install_view, placement_view, session_for  # noqa: E402
from b24batch.django.models import PortalToken  # noqa: E402
from b24batch.django.stores import DjangoTokenStore  # noqa: E402
from b24batch.oauth import Install, Placement  # noqa: E402


@pytest.fixture(autouse=True)
def quiet():
    """Django logs refusals and errors; pytest shows the log of a test that fails."""
    logging.getLogger("django.request").propagate = False
    yield
    logging.getLogger("django.request").propagate = True


def open_page(web, form, path="/install/"):
    """Post a form as a portal does: some of its fields in the query."""
    form = dict(form)
    query = "&".join(f"{name}={form.pop(name)}" for name in ("DOMAIN", "PROTOCOL", "LANG", "APP_SID"))
    return web.post(f"{path}?{query}", form)


def events(portal, web):
    """Return the status of an event."""
    return web.post("/event/", portal.event_form("ONCRMDEALADD", {"FIELDS": {"ID": "7"}})).status_code


def test_a_page_is_installed(portal, web):
    """A page's form is verified as an event's is, its renewed token is stored, and the answer is the view's page."""
    form = portal.install_page_form()
    page = open_page(web, form)
    assert (page.status_code, page.text) == (200, portal.member_id)
    assert "X-Frame-Options" not in page
    row = PortalToken.objects.get()
    assert (row.member_id, row.application_token) == (portal.member_id, "")
    assert row.access_token not in form.values()
    assert [request.error for request in portal.token_requests] == [None]
    assert [request.params["auth"] for request in portal.requests] == [form["AUTH_ID"], row.access_token]


def test_the_application_token_comes_with_the_event(portal, web):
    """Events are refused until ONAPPINSTALL has brought the application token, and accepted from then on."""
    open_page(web, portal.install_page_form())
    refused = web.post("/event/", portal.event_form("ONCRMDEALADD", {"FIELDS": {"ID": "7"}}))
    assert (refused.status_code, "ONAPPINSTALL" in refused.text) == (403, True)
    assert web.post("/install/", portal.install_form()).status_code == 200
    assert events(portal, web) == 200
    assert open_page(web, portal.install_page_form()).status_code == 200  # another administrator opens the page
    assert events(portal, web) == 200


def test_the_application_token_of_a_page(portal, web):
    """Where the portal posts the application token to the page, events are accepted at once."""
    open_page(web, portal.install_page_form(APPLICATION_TOKEN=portal.application_token))
    assert events(portal, web) == 200


def test_an_update_changes_the_application_token(portal, web):
    """The event ONAPPUPDATE brings a new application token; the former one is refused then."""
    web.post("/install/", portal.install_form(**{"auth[application_token]": "f0rmer"}))
    assert events(portal, web) == 403
    assert web.post("/install/", portal.install_form(event="ONAPPUPDATE")).status_code == 200
    assert events(portal, web) == 200
    former = portal.event_form("ONCRMDEALADD", **{"auth[application_token]": "f0rmer"})
    assert web.post("/event/", former).status_code == 403


FORGED = {
    "no refresh token": {"REFRESH_ID": None},
    "unknown refresh token": {"REFRESH_ID": "stolen"},
    "unknown access token": {"AUTH_ID": "stolen"},
    "another portal's id": {"member_id": "0" * 32},
    "expired": {"AUTH_EXPIRES": "0"},
}


@pytest.mark.parametrize("fields", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("installed", [False, True])
def test_forged_pages(portal, web, fields, installed):
    """A page's form without proof is 403; nothing is stored, and an installation stays as it is."""
    if installed:
        web.post("/install/", portal.install_form())
    before = list(PortalToken.objects.values())
    answer = open_page(web, portal.install_page_form(**fields, APPLICATION_TOKEN="f0rged"))
    assert (answer.status_code, answer["Content-Type"]) == (403, "text/plain; charset=utf-8")
    assert list(PortalToken.objects.values()) == before


def test_a_page_of_another_host(portal, web):
    """A host that calls everybody an administrator gets no token stored, though the refresh token is a real one."""
    with Portal() as liar:
        fields = {"DOMAIN": liar.url.split("/")[2], "AUTH_ID": liar.issue_token()["access_token"]}
        answer = open_page(web, portal.install_page_form(**fields))
    assert (answer.status_code, answer.text) == (403, "the token and the form are from different portals")
    assert not PortalToken.objects.exists()


def test_the_token_of_another_portal(portal, web):
    """Another portal's token is refused by the portal that the form names, and is not used up."""
    with Portal() as other:
        theirs = other.issue_token()
        fields = {"AUTH_ID": theirs["access_token"], "REFRESH_ID": theirs["refresh_token"]}
        assert open_page(web, portal.install_page_form(**fields)).status_code == 403
    assert (PortalToken.objects.count(), portal.token_requests) == (0, [])


def test_a_page_opened_by_a_user(portal, web):
    """A user who is not an administrator installs nothing: 403, nothing is stored, nor used up."""
    portal.method("user.admin")(lambda params: False)
    answer = open_page(web, portal.install_page_form())
    assert (answer.status_code, "administrator" in answer.text) == (403, True)
    assert "X-Frame-Options" not in answer
    assert (PortalToken.objects.count(), portal.token_requests) == (0, [])


def test_a_tab_is_not_an_installation(portal, web):
    """The form of a tab is 400, and nothing is sent."""
    answer = open_page(web, portal.placement_form(options={"ID": "7"}))
    assert (answer.status_code, "PLACEMENT: expected DEFAULT" in answer.text) == (400, True)
    assert portal.requests == portal.token_requests == []


@pytest.mark.parametrize("make", ["install_page_form", "install_form"])
def test_a_form_that_is_posted_again(portal, web, make):
    """A form that is posted again, as by a reload, shows the page again; no token is renewed twice."""
    form = getattr(portal, make)()
    post = open_page if "DOMAIN" in form else (lambda web, form: web.post("/install/", form))
    assert [post(web, form).status_code for _ in range(3)] == [200, 200, 200]
    assert len(portal.token_requests) == 1
    kept = DjangoTokenStore().get(portal.member_id).access_token.reveal()
    assert portal.requests[-1].params["auth"] == kept


def test_a_page_again_after_its_event(portal, web):
    """A reload of the page after ONAPPINSTALL keeps the newer token, and the application token."""
    form = portal.install_page_form()
    open_page(web, form)
    web.post("/install/", portal.install_form())
    before = list(PortalToken.objects.values("access_token", "application_token"))
    assert open_page(web, form).status_code == 200
    assert list(PortalToken.objects.values("access_token", "application_token")) == before
    assert events(portal, web) == 200


def test_a_form_again_is_verified_again(portal, web):
    """A form that was proven once is refused from another host, by a former administrator, and when it is revoked."""
    form = portal.install_page_form()
    open_page(web, form)
    before = list(PortalToken.objects.values("access_token", "application_token"))
    with Portal() as other:
        other.method("user.admin")(lambda params: True)
        other._oauth.tokens._access[form["AUTH_ID"]] = 2**40  # a host that accepts every token
        elsewhere = {**form, "DOMAIN": other.url.split("/")[2], "APPLICATION_TOKEN": "f0rged"}
        assert open_page(web, elsewhere).status_code == 403
    portal.method("user.admin")(lambda params: False)
    assert open_page(web, form).status_code == 403
    portal.method("user.admin")(lambda params: True)
    portal.revoke_tokens()
    assert open_page(web, form).status_code == 403
    assert list(PortalToken.objects.values("access_token", "application_token")) == before


@pytest.mark.parametrize("form", ["install_page_form", "install_form"])
def test_a_form_again_brings_no_application_token(portal, web, form):
    """Who knows an access token that was proven once cannot change the application token, or events could be forged."""
    web.post("/install/", portal.install_form())
    names = {"install_page_form": ("AUTH_ID", "REFRESH_ID", "APPLICATION_TOKEN")}
    access, refresh, application = names.get(form) or [f"auth[{n}_token]" for n in ("access", "refresh", "application")]
    known = web.post("/install/", first := portal.install_form()).status_code
    stolen = {access: first["auth[access_token]"], refresh: "guessed"}
    make = getattr(portal, form)
    answers = [web.post("/install/", make(**stolen, **{application: text})).status_code for text in ("f0rged", "")]
    expected = 200 if form == "install_page_form" else 400  # an event has to have one
    assert (known, answers) == (200, [403, expected])
    assert PortalToken.objects.get().application_token == portal.application_token
    assert web.post("/install/", make(**stolen, **{application: portal.application_token})).status_code == 200


def test_a_form_again_shows_no_newer_token(portal, web):
    """A page that is opened again gets the access token of its own form, and not the stored one, which lasts longer."""
    seen = []

    @install_view(alias="application")
    def install(request, session, install):
        seen.append(install.token)
        return HttpResponse(session.call("echo", {"n": "1"}).data["n"])

    form = portal.install_page_form()
    assert [install(RequestFactory().post("/", form)).status_code for _ in range(2)] == [200, 200]
    stored = DjangoTokenStore().get(portal.member_id)
    assert seen[0] == stored
    assert (seen[1].access_token.reveal(), seen[1].refresh_token) == (form["AUTH_ID"], None)
    assert portal.requests[-1].params["auth"] == stored.access_token.reveal()


def test_a_form_of_a_portal_that_was_forgotten(portal, web):
    """After an uninstallation the former form of the page proves nothing."""
    form = portal.install_page_form()
    open_page(web, form)
    PortalToken.objects.all().delete()
    assert open_page(web, form).status_code == 403
    assert not PortalToken.objects.exists()


@pytest.mark.parametrize("where", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def test_a_form_that_is_posted_twice_at_once(portal, web, where, request):
    """Of the same form twice at the same moment, both show the page, and the token is renewed once."""
    alias = request.getfixturevalue("postgres_alias") if where == "postgres" else None
    form, statuses = portal.install_page_form(), []
    both = threading.Barrier(2, timeout=30)

    def post():
        both.wait()
        statuses.append(open_page(Client(), form).status_code)
        connections.close_all()

    threads = [threading.Thread(target=post) for _ in range(2)]
    with override_settings(B24BATCH={"application": settings.B24BATCH["application"] | {"DATABASE": alias}}):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert (statuses, len(portal.token_requests)) == ([200, 200], 1)


class Interrupts:
    """Raises `KeyboardInterrupt` once, when a function of the library is called, or a statement is executed."""

    def __init__(self, name):
        self.name, self.done = name, False

    def __call__(self, frame, event, arg):
        self.meet(frame.f_code.co_name)

    def execute(self, execute, sql, *rest):
        self.meet(sql.split()[0])
        return execute(sql, *rest)

    def watch(self, connection, **signal):
        connection.execute_wrappers.append(self.execute)

    def meet(self, name):
        if name == self.name and not self.done:
            self.done = True
            sys.settrace(None)
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", ["_with_server", "refuse_stranger", "UPDATE", "INSERT"])
def test_an_interrupt_after_the_answer(portal, web, at):
    """Once the OAuth server has answered, no interrupt loses the new token: the form is used up then."""
    page, interrupts = install_view(lambda *_: None, alias="application"), Interrupts(at)
    request = RequestFactory().post("/", portal.install_page_form())
    connection_created.connect(interrupts.watch)
    before = sys.gettrace()
    sys.settrace(interrupts)
    try:
        with pytest.raises(KeyboardInterrupt):
            page(request)
    finally:
        sys.settrace(before)
        connection_created.disconnect(interrupts.watch)
    assert session_for(portal.member_id, "application").call("user.current").is_success
    assert len(portal.token_requests) == 1


def test_installed_again(portal, web):
    """Uninstalled and installed again, the application has the new token, and events work; in between they do not."""
    open_page(web, portal.install_page_form())
    web.post("/install/", portal.install_form())
    former = PortalToken.objects.get().access_token
    gone = portal.uninstall_form()
    with override_settings(B24BATCH=settings.B24BATCH | {"local": settings.B24BATCH["application"]}):
        assert web.post("/uninstalled/", {**gone, "auth[application_token]": "f0rged"}).status_code == 403
        assert web.post("/uninstalled/", gone).status_code == 200
        assert web.post("/uninstalled/", gone).status_code == 403
    portal.revoke_tokens()
    assert events(portal, web) == 403
    open_page(web, portal.install_page_form())
    assert events(portal, web) == 403
    web.post("/install/", portal.install_form())
    assert events(portal, web) == 200
    assert PortalToken.objects.get().access_token != former
    assert session_for(portal.member_id, "application").call("echo", {"n": "1"}).data == {"n": "1"}


def test_pages_that_fail_are_framed_too(portal, web):
    """What the decorators answer instead of the view's page is shown in the frame, a 503 of the middleware too."""
    for path, form in (("/install/", portal.install_page_form()), ("/placement/", portal.placement_form())):
        for answer in (open_page(web, {**form, "DOMAIN": "10.0.0.1"}, path), web.get(path)):
            assert (answer.status_code in (400, 405), "X-Frame-Options" in answer) == (True, False)
    portal.fail_next("rate_limited")
    limited = open_page(web, portal.placement_form(options={"ID": "7"}), "/placement/")
    assert (limited.status_code, "X-Frame-Options" in limited) == (503, False)
    failing = [
        web.post("/install/?fail=1", portal.install_page_form()),
        open_page(web, portal.placement_form(), "/failing_placement/"),
        web.get("/failing/"),
    ]
    assert [answer.status_code for answer in failing] == [500] * 3
    assert ["X-Frame-Options" in answer for answer in failing] == [False, False, True]


def render(text, **context):
    return Template("{% load b24batch %}" + text).render(Context(context))


def install_of(portal, **fields):
    return Install.from_form(portal.install_page_form(**fields), allow_loopback=True)


def test_the_script_of_an_installation(portal):
    """The tag loads Bitrix24's library and calls installFinish; a sandbox portal has a library of its own."""
    cloud = render("{% b24_install_finish install %}", install=install_of(portal, DOMAIN="example.bitrix24.com"))
    assert '<script src="https://api.bitrix24.com/api/v1/"></script>' in cloud
    assert "BX24.init(function () { BX24.installFinish(); });" in cloud
    here = render("{% b24_install_finish install %}", install=install_of(portal))
    assert f'<script src="{portal.client_endpoint.removesuffix("rest/")}api/v1/"></script>' in here


def test_the_nonce_of_the_script(portal):
    """With a nonce both scripts have it, and it is escaped."""
    text = "{% b24_install_finish install nonce=nonce %}"
    assert render(text, install=install_of(portal), nonce="Zm9v").count('<script nonce="Zm9v">') == 1
    assert render(text, install=install_of(portal), nonce="Zm9v").count(' nonce="Zm9v"') == 2
    assert "<b>" not in render(text, install=install_of(portal), nonce='"><b>')
    assert "nonce" not in render(text, install=install_of(portal), nonce="")


def test_the_nonce_of_django(portal):
    """Django's own nonce is made when it is used first, and is false until then."""

    class Nonce(str):
        def __bool__(self):
            return False

    assert 'nonce="Zm9v"' in render(
        "{% b24_install_finish install nonce=n %}", install=install_of(portal), n=Nonce("Zm9v")
    )


def test_a_misspelt_variable():
    """A variable that is not there is told, instead of a page that never completes the installation."""
    for tag in ("b24_install_finish", "b24_fields"):
        with pytest.raises(TypeError, match=f"{tag}: expected the Install or the Placement of the view, got str"):
            render("{% " + tag + " instal %}")


ODD = '"><script>alert(1)</script>'


def test_the_fields_of_a_placement(portal):
    """The hidden fields are those of the same user's placement, without the refresh token; values are escaped."""
    form = portal.placement_form("CRM_DEAL_DETAIL_TAB", {"ID": ODD}, LANG=ODD, AUTH_ID=f"a{ODD}".replace(" ", ""))
    placement = Placement.from_form(form, allow_loopback=True)
    page = render("{% b24_fields placement %}", placement=placement)
    assert "<script>" not in page
    assert form["REFRESH_ID"] not in page
    pairs = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    again = Placement.from_form({name: html.unescape(text) for name, text in pairs}, allow_loopback=True)
    assert (again.placement, again.options, again.language) == (placement.placement, {"ID": ODD}, ODD)
    assert (again.token.access_token, again.token.refresh_token) == (placement.token.access_token, None)
    assert again.token.client_endpoint == placement.token.client_endpoint


def test_the_fields_of_an_installation(portal):
    """A page of the installation has the fields of the application's own page, for a form before it is completed."""
    page = render("{% b24_fields install %}", install=install_of(portal, DOMAIN="example.bitrix24.com"))
    assert '<input type="hidden" name="PLACEMENT" value="DEFAULT">' in page
    assert '<input type="hidden" name="PROTOCOL" value="1">' in page
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    assert Placement.from_form(fields).options is None


def test_a_form_in_a_frame(portal, web):
    """A form with the fields of its placement is sent to a placement view, without any cookie."""
    page = []

    @placement_view(alias="application")
    def tab(request, session, placement):
        page.append(render("{% b24_fields placement %}", placement=placement))
        return HttpResponse(session.call("echo", {"n": request.POST.get("note", "")}).data["n"])

    form = portal.placement_form(options={"ID": "7"})
    assert tab(RequestFactory().post("/", form)).text == ""
    pairs = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page[0].replace("&quot;", "'")))
    pairs["PLACEMENT_OPTIONS"] = '{"ID": "7"}'
    assert tab(RequestFactory().post("/", {**pairs, "note": "hello"})).text == "hello"
    assert portal.requests[-1].params["auth"] == form["AUTH_ID"]


def test_the_example_is_a_fresh_project():
    """The example has the middlewares of a new Django project in their order, and its cookies are the usual ones."""
    template = Path(django.__file__).parent / "conf" / "project_template" / "project_name" / "settings.py-tpl"
    example = Path(__file__).parent.parent.parent / "examples" / "django_project" / "deals" / "settings.py"
    fresh, ours = (re.findall(r"(?<!\.)\bdjango\.[\w.]+Middleware\b", path.read_text()) for path in (template, example))
    assert ours == fresh
    assert len(fresh) >= 7
    assert not re.search("COOKIE|X_FRAME|CSRF_TRUSTED", example.read_text())


def test_a_page_with_odd_fields(portal, web):
    """Whatever a form contains, the answer of the decorator is plain text."""
    for fields in ({"DOMAIN": ODD}, {"member_id": ODD}, {"PLACEMENT": ODD}, {"AUTH_EXPIRES": ODD}, {"AUTH_ID": ODD}):
        form = {**portal.install_page_form(), **fields}
        answer = web.post("/install/", form)
        assert (answer.status_code in (400, 403), answer["Content-Type"]) == (True, "text/plain; charset=utf-8")


def test_a_nul_character(portal, web):
    """A NUL character, which PostgreSQL cannot store, is 400 before anything is sent, and no error of the database."""
    page, event = portal.install_page_form(APPLICATION_TOKEN="a\0b"), portal.install_form()
    answers = [
        web.post("/install/", page),
        web.post("/install/", {**event, "auth[application_token]": "a\0b"}),
        web.post("/event/", {**event, "event": "ONCRMDEALADD", "auth[member_id]": "a\0b"}),
    ]
    assert [(answer.status_code, "NUL" in answer.text) for answer in answers] == [(400, True)] * 3
    assert portal.requests == portal.token_requests == []


@override_settings(DEBUG=True)
def test_debug_page_of_a_page(portal, web):
    """The debug page of an installation page that fails shows none of its secrets."""
    form = portal.install_page_form(APPLICATION_TOKEN="t0kenofapage")
    failing = install_view(lambda request, session, install: 1 / 0, alias="application")
    request = RequestFactory().post("/", form)
    with pytest.raises(ZeroDivisionError):
        failing(request)
    masked = request.exception_reporter_filter.get_post_parameters(request)
    assert {masked[name] for name in ("AUTH_ID", "REFRESH_ID", "APPLICATION_TOKEN")} == {"*" * 20}
