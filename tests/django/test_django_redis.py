"""The setting REDIS_SECRET_URL: all processes of a project share the rate of a portal."""

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import django_setup  # noqa: F401
import pytest
from django_server import token_of
from redis_server import RedisServer, needs_server

from b24batch import LeakyBucket, RateLimited

pytest.importorskip("redis.client", reason="redis is not installed")
pytest_plugins = ["django_fixtures"]

from django.conf import settings  # noqa: E402
from django.core import checks  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.db import OperationalError  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import RequestFactory, override_settings  # noqa: E402
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter  # noqa: E402

from b24batch.django import get_session, install_view, placement_view, session_for  # noqa: E402
from b24batch.django.stores import DjangoTokenStore  # noqa: E402
from b24batch.redis import RedisBucket  # noqa: E402
from b24batch.sandbox import Portal  # noqa: E402

URL = "https://portal.invalid/rest/1/c0de5ecret/"
PASSWORD = "redi5" + "5ecret"  # in two parts: the debug page quotes the lines of this file
REDIS = f"redis://:{PASSWORD}@redis.invalid:6379/0"


def aliases(**default):
    return override_settings(B24BATCH={"default": default})


def test_a_bucket_in_redis(web):
    """With REDIS_SECRET_URL the bucket is in Redis, under the portal's host, at the usual rate or at RATE."""
    with aliases(WEBHOOK_SECRET_URL=URL, REDIS_SECRET_URL=REDIS):
        limits = get_session().limits
        assert (type(limits), limits.name, limits.capacity, limits.leak_rate) == (RedisBucket, "portal.invalid", 50, 2)
    with aliases(WEBHOOK_SECRET_URL=URL, REDIS_SECRET_URL=REDIS, RATE=(250, 5)):
        assert (get_session().limits.capacity, get_session().limits.leak_rate) == (250, 5)
    with aliases(WEBHOOK_SECRET_URL=URL, REDIS_SECRET_URL=REDIS, RATE=None):
        assert get_session().limits is None


@pytest.mark.parametrize("egress", ["203.0.113.7", "2001:db8::7", "worker-1"])
def test_several_outgoing_addresses(web, egress):
    """A project with several addresses has a bucket for each, since the portal counts each."""
    with aliases(WEBHOOK_SECRET_URL=URL, REDIS_SECRET_URL=REDIS, EGRESS=egress):
        assert get_session().limits.name == f"portal.invalid@{egress}"


def test_a_bucket_of_each_portal(portal, web):
    """The portals of an application have a bucket each, under their member id, and share one client."""
    store, application = DjangoTokenStore(), settings.B24BATCH["application"] | {"RATE": (50, 2.0)}
    store.put(token_of(portal))
    with override_settings(B24BATCH={"default": application | {"REDIS_SECRET_URL": REDIS}}):
        first = session_for(portal.member_id).limits
        assert first.name == portal.member_id
        assert session_for(portal.member_id).limits is first
    with override_settings(B24BATCH={"default": application}):
        assert type(session_for(portal.member_id).limits) is LeakyBucket


def opened_by(view, portal, **fields):
    """The session that the view of a form gets."""
    kept = []
    decorated = view(lambda request, session, posted: kept.append(session) or HttpResponse())
    decorated(RequestFactory().post("/", portal.placement_form("DEFAULT", **fields)))
    return kept[0]


def refuse(*_):
    raise OperationalError("no such table")


def test_a_form_and_the_bucket_of_a_portal(portal, web):
    """The session of a page shares the bucket of its portal, whose token is stored."""
    DjangoTokenStore().put(token_of(portal))
    with aliases(**settings.B24BATCH["application"] | {"RATE": (50, 2.0), "REDIS_SECRET_URL": REDIS}):
        assert opened_by(placement_view, portal).limits is session_for(portal.member_id).limits


def test_a_form_in_a_project_without_a_database(portal, web):
    """A page needs no database; its bucket has the name of the host."""
    application = settings.B24BATCH["application"] | {"RATE": (50, 2.0), "REDIS_SECRET_URL": REDIS}

    def watch(connection, **signal):
        connection.execute_wrappers.append(refuse)

    connection_created.connect(watch)  # tokens are read on a connection of their own
    try:
        with aliases(**application):
            assert opened_by(placement_view, portal).limits.name == urlsplit(portal.url).netloc
    finally:
        connection_created.disconnect(watch)


@pytest.mark.parametrize("stored", [True, False], ids=["installed", "not installed"])
def test_a_form_that_names_the_portal_of_another_host(portal, web, stored):
    """A forged form cannot use up, or slow down, the bucket of the portal whose member id it names."""
    if stored:
        DjangoTokenStore().put(token_of(portal))
    with (
        Portal() as strange,
        aliases(
            **settings.B24BATCH["application"] | {"RATE": (50, 2.0), "REDIS_SECRET_URL": REDIS, "EGRESS": "worker-1"}
        ),
    ):
        host = urlsplit(strange.url).netloc
        assert opened_by(placement_view, portal, DOMAIN=host).limits.name == f"{host}@worker-1"


@needs_server
def test_a_forged_installation_does_not_slow_down_a_portal(portal, web, tmp_path_factory):
    """Nor can a forged installation, whose own host refuses every request for its rate."""
    DjangoTokenStore().put(token_of(portal))
    values = settings.B24BATCH["application"] | {"RATE": (50, 2.0)}
    with tempfile.TemporaryDirectory() as folder, Portal() as strange:
        server = RedisServer(Path(folder))
        strange.fail_next("rate_limited", times=9)
        with aliases(**values, REDIS_SECRET_URL=server.url):
            form = portal.install_page_form(DOMAIN=urlsplit(strange.url).netloc)
            answer = install_view(lambda *_: HttpResponse())(RequestFactory().post("/", form))
            assert (answer.status_code, session_for(portal.member_id).limits.level) == (503, 0)
        server.stop()


@needs_server
def test_two_aliases_of_a_portal_share_a_rate(portal, web):
    """Sessions that know nothing of one another but the URL of Redis keep one rate."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        for wanted in ("ok", "limited"):  # the second time as another process would: nothing is cached
            with aliases(WEBHOOK_SECRET_URL=portal.url, REDIS_SECRET_URL=server.url, RATE=(2, 0.001)):
                if wanted == "ok":
                    get_session().call("echo")
                    continue
                with pytest.raises(RateLimited) as refused:
                    get_session().call("echo")
        assert 900 < refused.value.retry_after <= 1000
        server.stop()


WRONG = [
    pytest.param({"REDIS_SECRET_URL": None}, "has no REDIS_SECRET_URL: expected a str", id="unset"),
    pytest.param({"REDIS_SECRET_URL": ""}, "a URL of Redis looks like", id="empty"),
    pytest.param({"REDIS_SECRET_URL": REDIS.replace("redis:", "http:")}, "does not start with redis://", id="scheme"),
    pytest.param({"REDIS_SECRET_URL": REDIS.replace("6379", "x")}, "invalid host or port", id="port"),
    pytest.param({"REDIS_SECRET_URL": REDIS + f"?{PASSWORD}=1"}, "an invalid option", id="option"),
    pytest.param({"REDIS_SECRET_URL": REDIS, "RATE": "50"}, "RATE: expected None or", id="rate"),
    pytest.param(
        {"REDIS_SECRET_URL": REDIS, "RATE": (1, 2.0)},
        "RATE: capacity: expected a whole number of at least 2, got 1",
        id="capacity",
    ),
    pytest.param({"REDIS_SECRET_URL": REDIS, "EGRESS": ""}, "EGRESS: expected an IP address", id="empty egress"),
    pytest.param({"REDIS_SECRET_URL": REDIS, "EGRESS": None}, "EGRESS: expected an IP address", id="unset egress"),
    pytest.param({"REDIS_SECRET_URL": REDIS, "EGRESS": "a b"}, "EGRESS: expected an IP address", id="spaces"),
    pytest.param({"EGRESS": "203.0.113.7"}, "EGRESS: expected a REDIS_SECRET_URL too", id="egress alone"),
]


@pytest.mark.parametrize(("values", "said"), WRONG)
def test_wrong_settings(web, values, said):
    """A check and a session refuse what cannot be, name it, and show no secret; neither connects to anything."""
    with aliases(WEBHOOK_SECRET_URL=URL, **values):
        (found,) = checks.run_checks(tags=["b24batch"])
        with pytest.raises(ImproperlyConfigured, match=said) as wrong:
            get_session()
    assert found.id == "b24batch.E005"
    assert said in str(found)
    assert "5ecret" not in f"{found} {wrong.value}"


def test_checks_of_a_shared_rate():
    """A rate that all share is no risk; a key that is misspelt is told."""
    with aliases(WEBHOOK_SECRET_URL=URL, REDIS_SECRET_URL=REDIS, EGRESS="203.0.113.7"):
        assert checks.run_checks(tags=["b24batch"], include_deployment_checks=True) == []
    with aliases(WEBHOOK_SECRET_URL=URL, REDIS_URL=REDIS):
        assert [message.hint for message in checks.run_checks(tags=["b24batch"])] == ["Did you mean REDIS_SECRET_URL?"]


def test_the_debug_page(web):
    """Django's debug page, settings and frames with their locals, does not show the URL."""
    with aliases(WEBHOOK_SECRET_URL=URL, REDIS_SECRET_URL=REDIS + "?socket_timeout=x"):
        with pytest.raises(ImproperlyConfigured) as wrong:
            get_session()
        request = RequestFactory().get("/")
        page = ExceptionReporter(request, *wrong._excinfo).get_traceback_html()
        shown = SafeExceptionReporterFilter().get_safe_settings()["B24BATCH"]
    assert "REDIS_SECRET_URL" in page
    assert PASSWORD not in page
    assert shown["default"]["REDIS_SECRET_URL"] == SafeExceptionReporterFilter.cleansed_substitute
