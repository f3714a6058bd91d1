"""Hosts and OAuth servers in a project: what its settings allow a form to name, and where a portal may lead."""

import socket

import django_setup  # noqa: F401
import pytest
from django_server import token_of

from b24batch import NotSent
from b24batch.oauth import Token
from b24batch.sandbox import Portal

pytest_plugins = ["django_fixtures"]

from django.conf import settings  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import override_settings  # noqa: E402

from b24batch.django import session_for  # noqa: E402
from b24batch.django.checks import check_settings  # noqa: E402
from b24batch.django.conf import get_config  # noqa: E402
from b24batch.django.models import PortalToken  # noqa: E402
from b24batch.django.stores import DjangoTokenStore  # noqa: E402


def having(**changes):
    """The settings of the application with some keys changed, or left out where None stands for them."""
    application = {**settings.B24BATCH["application"], **changes}
    kept = {name: value for name, value in application.items() if value is not None}
    return override_settings(B24BATCH={"application": kept})


def test_an_installation_keeps_its_server(web):
    """The token of an installation knows its server in the database, and is renewed there."""
    with Portal(region="de") as portal, having(TOKEN_URL=portal.token_urls):
        portal.separate_servers = True
        portal.method("echo")(lambda params: params)
        assert web.post("/install/", portal.install_form()).status_code == 200
        assert PortalToken.objects.get().server_endpoint == "https://oauth.bitrix.info/rest/"
        session_for(portal.member_id, "application").auth.refresh()
        assert [(asked.server, asked.status) for asked in portal.token_requests] == [("oauth.bitrix.info", 200)] * 2


def test_a_row_of_version_0_1_0(portal, web):
    """A row without a server is read as it is, and its session works."""
    with having(TOKEN_URL=portal.token_urls):
        token = token_of(portal, expired=True)
        DjangoTokenStore().put(token)
        assert (PortalToken.objects.get().server_endpoint, DjangoTokenStore().get(token.member_id)) == ("", token)
        assert session_for(portal.member_id, "application").call("user.current").is_success


@pytest.mark.parametrize("name", ["placement", "install"])
def test_a_form_that_names_a_third_server(portal, web, name):
    """A form that names an unknown OAuth server is 400 with the field's name, and nothing is sent."""
    third = "https://oauth.example.com/rest/"
    form = {
        "placement": lambda: portal.placement_form(SERVER_ENDPOINT=third),
        "install": lambda: portal.install_form(**{"auth[server_endpoint]": third}),
    }[name]()
    with having(TOKEN_URL=None):
        answer = web.post(f"/{name}/", form)
    assert (answer.status_code, "expected an OAuth server of Bitrix24" in answer.text) == (400, True)
    assert portal.requests == portal.token_requests == []
    assert not PortalToken.objects.exists()


@pytest.mark.slow
def test_a_portal_that_the_settings_allow(portal, web):
    """With its host in ALLOWED_PORTALS and ALLOW_HTTP a portal on a private address installs the application."""
    host = portal.url.split("/")[2]
    form = portal.install_form()
    with having(ALLOW_LOOPBACK=None, ALLOWED_PORTALS=[host]):
        assert web.post("/install/", form).status_code == 503  # https, which the sandbox does not speak
    with having(ALLOW_LOOPBACK=None, ALLOWED_PORTALS=[host], ALLOW_HTTP=True):
        assert web.post("/install/", form).status_code == 200
        assert session_for(portal.member_id, "application").call("user.current").is_success
    for others in ([], ["127.0.0.1:1", "localhost.example"]):
        with having(ALLOW_LOOPBACK=None, ALLOWED_PORTALS=others, ALLOW_HTTP=True):
            assert web.post("/install/", form).status_code == 400


def test_a_stored_portal_that_leads_to_this_machine(portal, web):
    """A stored portal whose host leads to loopback later gets nothing, unless the settings allow it."""
    token = Token.from_answer(portal.issue_token(), portal.clock.time())
    DjangoTokenStore().put(token)
    with having(ALLOW_LOOPBACK=None), pytest.raises(NotSent, match="not public"):
        session_for(portal.member_id, "application").call("user.current")
    assert portal.requests == []
    with having(ALLOW_LOOPBACK=None, ALLOWED_PORTALS=[token.address.host]):
        assert session_for(portal.member_id, "application").call("user.current").is_success


def test_an_installation_that_leads_to_this_machine(portal, web, monkeypatch):
    """A form whose host has a loopback address is 403: nothing is sent, nothing stored, and no address told."""
    look_up, host = socket.getaddrinfo, "127.0.0.1.nip.io"

    def resolve(name, *args, **options):
        return look_up("127.0.0.1" if name == host else name, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    port = portal.url.split("/")[2].partition(":")[2]
    answer = web.post("/install/", portal.install_form(**{"auth[domain]": f"{host}:{port}"}))
    assert (answer.status_code, "not public" in answer.text, "127.0.0.1" in answer.text) == (403, True, False)
    assert portal.requests == portal.token_requests == []
    assert not PortalToken.objects.exists()


@pytest.mark.parametrize("hosts", ["10.0.0.5", ["https://10.0.0.5"], [7], None], ids=repr)
def test_allowed_portals_that_are_none(portal, web, hosts):
    """The check and a request name the setting; a stranger's form does not get its error."""
    application = {**settings.B24BATCH["application"], "ALLOWED_PORTALS": hosts}
    with override_settings(B24BATCH={"application": application}):
        assert "ALLOWED_PORTALS" in next(message.msg for message in check_settings() if message.id == "b24batch.E004")
        with pytest.raises(ImproperlyConfigured, match="ALLOWED_PORTALS"):
            get_config("application").form_options  # noqa: B018


def test_the_columns_of_the_table(database):
    """The column of the server may not be null, as the others that are text."""
    with connection.cursor() as cursor:
        columns = {
            column.name: column
            for column in connection.introspection.get_table_description(cursor, PortalToken._meta.db_table)
        }
    assert not columns["server_endpoint"].null_ok


def test_a_row_from_before_the_migration(portal, web):
    """A row that version 0.1.0 wrote survives the migration, and its token is renewed and then knows its server."""
    issued = portal.issue_token()
    row = portal.member_id, issued["access_token"], issued["refresh_token"], 0.0, portal.client_endpoint
    call_command("migrate", "b24batch", "0002_portaltoken_replaced", verbosity=0)
    try:
        with connection.cursor() as cursor:
            columns = "member_id, access_token, refresh_token, expires, client_endpoint"
            others = "application_token, replaced, updated"
            cursor.execute(
                f"INSERT INTO b24batch_portaltoken ({columns}, {others})"
                " VALUES (%s, %s, %s, %s, %s, '', '', '2026-01-01 00:00:00')",
                row,
            )
    finally:
        call_command("migrate", verbosity=0)
    assert DjangoTokenStore().get(portal.member_id).server_endpoint is None
    with having(TOKEN_URL=portal.token_urls):
        assert session_for(portal.member_id, "application").call("user.current").is_success
    assert PortalToken.objects.get().server_endpoint == portal.client_endpoint
