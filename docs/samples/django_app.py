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
from b24batch.django import DjangoJournal, get_session, install_view, session_for
from b24batch.oauth import Install


def deals(request: HttpRequest) -> HttpResponse:
    """Show the newest deals, with the webhook in the settings."""
    newest = {"order": {"ID": "DESC"}, "select": ["ID", "TITLE"]}
    return JsonResponse({"deals": get_session().call("crm.deal.list", newest).data})


@install_view(alias="application")
def install(request: HttpRequest, session: Session, install: Install) -> HttpResponse:
    """Greet the user who installed the application; its token is already stored."""
    return HttpResponse(f"Hello, user {session.call('user.current').data['ID']}")


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
    print(web.post("/install/", portal.install_form()).content.decode())
    print(nightly(portal.member_id))
    for _ in range(2):
        print(export("export-7", {501: "Apples", 502: "Pears"}))
    test_deals()
    portal.close()


if __name__ == "__main__":
    main()
