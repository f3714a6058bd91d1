"""What the tests of b24batch.django share; `django_setup` has to be imported before."""

import django_setup  # noqa: F401
import pytest
from django.core.management import call_command
from django.db import connections
from django.test import Client, override_settings
from django_databases import PORT, added, postgres, why_not
from django_server import token_of

from b24batch.django.models import PortalToken
from b24batch.django.stores import DjangoTokenStore
from b24batch.sandbox import Portal


@pytest.fixture(scope="session")
def tables():
    call_command("migrate", verbosity=0)
    yield
    connections.close_all()


@pytest.fixture(scope="session")
def second(tables, tmp_path_factory):
    """A second SQLite file."""
    with added("second", NAME=str(tmp_path_factory.mktemp("django") / "second.sqlite3")) as alias:
        yield alias


@pytest.fixture(scope="session")
def postgres_alias(tables):
    """A PostgreSQL database: that of the project, or one more."""
    if connections["default"].vendor == "postgresql":
        yield "default"
        return
    if reason := why_not():
        pytest.skip(reason)
    values = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "tests", "PORT": PORT}
    with postgres() as folder, added("postgres", HOST=folder, **values) as alias:
        yield alias


@pytest.fixture
def database(tables):
    PortalToken.objects.all().delete()
    yield
    connections.close_all()


@pytest.fixture
def web(portal, database):
    """A browser, or a portal, in front of the project, which has the portal of the test."""
    hook = {"WEBHOOK_SECRET_URL": portal.url, "RATE": None}
    application = {
        "CLIENT_ID": portal.client_id,
        "CLIENT_SECRET": portal.client_secret,
        "TOKEN_URL": portal.token_url,
        "ALLOW_LOOPBACK": True,
        "RATE": None,
    }
    known = {"APPLICATION_TOKEN": Portal.application_token, "ALLOW_LOOPBACK": True}
    aliases = {"default": hook, "application": application, "local": application | known, "hook": hook | known}
    with override_settings(B24BATCH=aliases):
        yield Client(enforce_csrf_checks=True, raise_request_exception=False)


@pytest.fixture
def expired(portal, database):
    """The stored token of the portal, which has expired."""
    token = token_of(portal, expired=True)
    DjangoTokenStore().put(token)
    return token
