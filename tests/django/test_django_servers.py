"""The Django project as it is deployed: commands, and a server that a portal posts to."""

import sqlite3
from contextlib import closing

import pytest
import requests
from django_server import PROJECT, environment, manage, serving

EXAMPLE = PROJECT.parent.parent / "examples" / "django_project"


def stored_tokens(database):
    with closing(sqlite3.connect(database)) as tokens:
        return tokens.execute("SELECT access_token, refresh_token FROM b24batch_portaltoken").fetchone()


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return tmp_path_factory.mktemp("django") / "tokens.sqlite3"


@pytest.mark.slow
def test_commands(portal, database):
    """Migrations are complete and run on an empty database; the project passes the checks for its deployment."""
    env = environment(portal, database)
    for words in (("makemigrations", "--check"), ("migrate",), ("check", "--tag", "b24batch", "--fail-level=WARNING")):
        ended = manage(*words, env=env)
        assert (ended.returncode, ended.stderr) == (0, "")
    ended = manage("check", "--deploy", env=env)
    assert ended.returncode == 0
    assert "b24batch.W002" in ended.stderr


@pytest.mark.slow
def test_tests_of_users(portal, database):
    """In the tests of a project, in a transaction and on a database in memory, a token is renewed as elsewhere."""
    token = portal.issue_token(0)["refresh_token"]
    ended = manage("test", "own_tests", env=environment(portal, database, REFRESH_TOKEN=token))
    assert ended.returncode == 0, ended.stderr
    assert "Ran 1 test" in ended.stderr
    assert [request.error for request in portal.token_requests] == [None]


@pytest.mark.slow
def test_a_wrong_setting_stops_the_project(portal, database):
    """A wrong URL of a webhook stops each command of the project, and is not shown."""
    env = environment(portal, database) | {"B24_WEBHOOK_URL": "https://portal.invalid/1/c0de5ecret/"}
    ended = manage("check", env=env)
    assert ended.returncode == 1
    assert "b24batch.E004) B24BATCH['default'] is invalid: a webhook URL looks like" in ended.stderr
    assert "c0de5ecret" not in ended.stderr


@pytest.mark.slow
def test_a_portal_and_its_application(portal, database):
    """A portal installs the application on a real server, opens a placement and sends an event; errors tell nothing."""
    env = environment(portal, database, DEBUG="1")
    assert manage("migrate", "-v0", env=env).returncode == 0
    with serving("runserver", env) as address:
        assert portal.post_install(f"{address}/install/").status_code == 200
        assert portal.post_placement(f"{address}/placement/", options={"ID": "7"}).json()["deal"] == "7"
        event = portal.post_event(f"{address}/event/", "ONCRMDEALADD", {"FIELDS": {"ID": "8"}})
        assert event.json() == {"event": "ONCRMDEALADD", "deal": "8"}
        page = requests.get(f"{address}/failing/?call=no.such.method", timeout=10).text
        portal.fail_next("unauthorized")
        stored = requests.get(f"{address}/stored/?member_id={portal.member_id}&n=1", timeout=10).text
    assert "ERROR_METHOD_NOT_FOUND" in page
    assert "INVALID_CREDENTIALS" in stored
    assert "B24_WEBHOOK_URL" in page  # the server's environment is on the page, without the code
    secrets = ("sandboxc0de", portal.client_secret, portal.application_token, *stored_tokens(database))
    assert not [secret for secret in secrets if secret in page or secret in stored]


def example_environment(portal, database):
    env = {name: text for name, text in environment(portal, database).items() if name != "B24_WEBHOOK_URL"}
    return env | {"PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.slow
def test_the_example(portal, tmp_path):
    """The example starts by the two commands of its text, with a sandbox of its own, and creates deals by a button."""
    text = (EXAMPLE / "README.rst").read_text()
    env = example_environment(portal, tmp_path / "example.sqlite3")
    assert "python manage.py migrate" in text
    assert "python manage.py runserver" in text
    assert manage("migrate", "-v0", env=env, project=EXAMPLE).returncode == 0
    with serving("runserver", env, EXAMPLE) as address, requests.Session() as browser:
        assert "<h1>120 deals</h1>" in browser.get(address, timeout=10).text
        form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        page = browser.post(f"{address}/create/", form, timeout=10).text
    assert "<h1>240 deals</h1>" in page
    assert "<td>New deal 120</td>" in page
    assert portal.requests == []


@pytest.mark.slow
def test_the_example_on_a_portal(portal, tmp_path):
    """With a webhook in the environment the example talks to that portal, one request for its page."""
    portal.execute("crm.deal.add", {"fields": {"TITLE": "Mine"}})
    env = example_environment(portal, tmp_path / "example.sqlite3") | {"B24_WEBHOOK_URL": portal.url}
    with serving("runserver", env, EXAMPLE) as address:
        page = requests.get(address, timeout=10).text
    assert "<h1>1 deals</h1>" in page
    assert "<td>Mine</td>" in page
    assert [request.method for request in portal.requests] == ["batch"]


@pytest.mark.slow
def test_the_admin(portal, database):
    """An administrator sees journals, and tokens without a secret, and changes neither; a journal in a test works."""
    env = environment(portal, database, DJANGO_SETTINGS_MODULE="with_admin")
    ended = manage("test", "admin_tests", env=env)
    assert ended.returncode == 0, ended.stderr
    assert "Ran 2 tests" in ended.stderr
    assert len(portal.executed) == 18
