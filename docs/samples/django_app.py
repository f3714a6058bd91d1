"""The code of the Django page in one file that you can run: ``python docs/samples/django_app.py``."""

# ruff: noqa: ARG001, E402
from __future__ import annotations

import sys

import django
from django.conf import settings

from b24batch.sandbox import Portal

portal = Portal().start()

# settings: begin
INSTALLED_APPS = [
    "b24batch.django",
]
MIDDLEWARE = [
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "b24batch.django.middleware.RateLimitedMiddleware",
]
B24BATCH = {
    "default": {
        "WEBHOOK_SECRET_URL": portal.url,  # in a project: os.environ["B24_WEBHOOK_URL"]
        "RATE": (12, 0.5),  # a quarter of the portal's limit, for each of four processes
    },
    "application": {
        "CLIENT_ID": portal.client_id,  # local.... or app....
        "CLIENT_SECRET": portal.client_secret,
        "TOKEN_URL": portal.token_url,  # these two are for the sandbox only;
        "ALLOW_LOOPBACK": True,  # omit them in a project
    },
}
# settings: end
settings.configure(
    INSTALLED_APPS=INSTALLED_APPS,
    MIDDLEWARE=MIDDLEWARE,
    B24BATCH=B24BATCH,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    ROOT_URLCONF=__name__,
    SECRET_KEY="only-for-this-sample",
    ALLOWED_HOSTS=["testserver"],
    USE_TZ=True,
)
django.setup()

# views: begin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, override_settings
from django.urls import path

from b24batch import Command, Session
from b24batch.django import DjangoJournal, event_view, get_session, install_view, placement_view, session_for
from b24batch.django.models import PortalToken
from b24batch.oauth import Event, Install, Placement


def deals(request: HttpRequest) -> HttpResponse:
    """Show the newest deals, with the webhook in the settings."""
    newest = {"order": {"ID": "DESC"}, "select": ["ID", "TITLE"]}
    return JsonResponse({"deals": get_session().call("crm.deal.list", newest).data})


@install_view(alias="application")
def install(request: HttpRequest, session: Session, install: Install) -> HttpResponse:
    """Greet the user who installed the application; its token is already stored."""
    return HttpResponse(f"Hello, user {session.call('user.current').data['ID']}")


@placement_view(alias="application")
def tab(request: HttpRequest, session: Session, placement: Placement) -> HttpResponse:
    """Show a tab in a deal, with the rights of the user who opened it."""
    deal = session.call("crm.deal.get", {"id": placement.options["ID"]}).data
    return HttpResponse(f"About {deal['TITLE']}")


@event_view(alias="application")
def deal_added(request: HttpRequest, session: Session, event: Event) -> HttpResponse:
    """Give each new deal a source."""
    deal = {"id": event.data["FIELDS"]["ID"], "fields": {"SOURCE_ID": "WEB"}}
    session.call("crm.deal.update", deal)
    return HttpResponse()


@event_view(alias="application")
def uninstalled(request: HttpRequest, session: Session, event: Event) -> HttpResponse:
    """Forget a portal; its token is no longer valid."""
    PortalToken.objects.filter(member_id=event.member_id).delete()
    return HttpResponse()


def nightly(member_id: str) -> int:
    """Count the deals of a portal, in a background task."""
    b24 = session_for(member_id, "application").with_options(max_wait=None)
    return len(b24.call_list("crm.deal.list", {"select": ["ID"]}))


def export(name: str, orders: dict[int, str]) -> list[int]:
    """Create a deal for each order; called again after a crash, it goes on."""
    calls = [Command("crm.deal.add", {"fields": {"TITLE": text}}, name=f"order-{n}") for n, text in orders.items()]
    b24 = get_session().with_options(max_wait=None)
    return b24.batch_by_chunk(calls, journal=DjangoJournal(name)).raise_for_errors().data


urlpatterns = [
    path("deals/", deals),
    path("install/", install),
    path("tab/", tab),
    path("deal-added/", deal_added),
    path("uninstalled/", uninstalled),
]
# views: end


def test_deals() -> None:
    """The page shows what the portal has."""
    with Portal() as empty, override_settings(B24BATCH={"default": {"WEBHOOK_SECRET_URL": empty.url, "RATE": None}}):
        assert Client().get("/deals/").json() == {"deals": []}


def main() -> None:
    """Post a portal's forms to the views, and print the responses."""
    from django.core.management import call_command

    call_command("check", fail_level="WARNING", stdout=sys.stderr)
    call_command("migrate", verbosity=0)
    portal.execute("crm.deal.add", {"fields": {"TITLE": "Deal 1"}})
    web = Client()
    print(web.get("/deals/").json())
    event = portal.event_form("ONCRMDEALADD", {"FIELDS": {"ID": "1"}})
    print(web.post("/deal-added/", event).status_code)
    print(web.post("/install/", portal.install_form()).content.decode())
    print(web.post("/deal-added/", event).status_code)
    print(portal.execute("crm.deal.get", {"id": 1})["SOURCE_ID"])
    print(web.post("/tab/", portal.placement_form(options={"ID": "1"})).content.decode())
    print(nightly(portal.member_id))
    event = portal.event_form("ONAPPUNINSTALL", {"CLEAN": "1"}, **{"auth[access_token]": None})
    print(web.post("/uninstalled/", event).status_code)
    print(web.post("/uninstalled/", event).status_code)
    for _ in range(2):
        print(export("export-7", {501: "Apples", 502: "Pears"}))
    test_deals()
    portal.close()


if __name__ == "__main__":
    main()
