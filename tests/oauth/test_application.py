"""What a portal posts to an application: read as it is meant, and refused when it is not the portal's."""

import http.server
import threading
import time
from urllib.parse import parse_qsl

import pytest
from canary import assert_hidden

from b24batch import AuthError, Session, UsageError
from b24batch.oauth import Event, Install, MemoryTokenStore, Placement


@pytest.fixture
def posted(portal):
    """Returns the form that arrives when the portal posts something, query and body together."""
    forms = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            forms.append(dict(parse_qsl(self.path.partition("?")[2]) + parse_qsl(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    def post(what, *args, **fields):
        getattr(portal, f"post_{what}")(f"http://127.0.0.1:{server.server_port}/", *args, **fields)
        return forms.pop()

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield post
        server.shutdown()
        thread.join()


def session(portal, value, **options):
    oauth = value.oauth(portal.client_id, portal.client_secret, token_url=portal.token_url, **options)
    return Session(oauth, limits=None)


def event_of(portal, form, token=None):
    return Event.from_form(form, application_token=token or portal.application_token, allow_loopback=True)


def test_a_placement(portal, posted):
    """A page that a user opened knows where it is, and calls the portal as that user."""
    form = posted("placement", "CRM_DEAL_DETAIL_TAB", {"ID": "7"})
    placement = Placement.from_form(form, allow_loopback=True)
    assert (placement.placement, placement.options, placement.language) == ("CRM_DEAL_DETAIL_TAB", {"ID": "7"}, "en")
    assert placement.token.member_id == portal.member_id
    assert session(portal, placement).call("echo", {"a": "b"}).data == {"a": "b"}


def test_a_placement_without_options(portal, posted):
    """The application's own page has no options."""
    placement = Placement.from_form(posted("placement", "DEFAULT", PLACEMENT=None), allow_loopback=True)
    assert (placement.placement, placement.options) == ("DEFAULT", None)


def test_an_installation(portal, posted):
    """An installation brings a token that can be renewed, and the application token to keep."""
    install = Install.from_form(posted("install"), allow_loopback=True)
    assert install.application_token.reveal() == portal.application_token
    assert install.data["LANGUAGE_ID"] == "en"
    b24 = session(portal, install)
    b24.auth.refresh()
    assert b24.call("echo").is_success


@pytest.mark.parametrize("kind", [Placement, Install])
def test_what_anybody_can_post_goes_into_no_store(portal, kind):
    """A form takes the place of no stored token: credentials of a placement or an installation live in memory."""
    form = portal.placement_form() if kind is Placement else portal.install_form()
    with pytest.raises(TypeError, match="store"):
        kind.from_form(form, allow_loopback=True).oauth("id", "secret", store=MemoryTokenStore())


def test_a_form_that_claims_to_last_for_ever(portal):
    """A posted token lasts an hour at most, whatever the form says."""
    placement = Placement.from_form(portal.placement_form(AUTH_EXPIRES="999999999"), allow_loopback=True)
    assert placement.token.expires <= time.time() + 3600


def test_an_event(portal, posted):
    """An event tells what happened, in nested dicts of text, and for which portal."""
    event = event_of(portal, posted("event", "ONCRMDEALADD", {"FIELDS": {"ID": 7, "A": ["x", "y"]}}))
    assert (event.event, event.member_id) == ("ONCRMDEALADD", portal.member_id)
    assert event.data == {"FIELDS": {"ID": "7", "A": {"0": "x", "1": "y"}}}
    assert event.timestamp > 1_700_000_000
    assert session(portal, event).call("echo").is_success


def test_an_event_lives_on_the_stored_token(portal, posted):
    """An event has no refresh token of its own; with the installation's store its session has that one's token."""
    store = MemoryTokenStore()
    stored = Install.from_form(posted("install"), allow_loopback=True).token
    store.put(stored)
    event = event_of(portal, posted("event", "ONCRMDEALADD"))
    b24 = session(portal, event, store=store)
    assert store.get(portal.member_id) == stored
    b24.auth.refresh()
    assert b24.call("echo").is_success


def test_an_event_that_nobody_caused(portal, posted):
    """An event without a token, as an uninstallation, can be read; a session needs a store then."""
    form = posted("event", "ONAPPUNINSTALL", **{"auth[access_token]": None})
    event = event_of(portal, form)
    assert event.token is None
    with pytest.raises(UsageError, match="no token of"):
        event.oauth("id", "secret")


@pytest.mark.parametrize(
    "token", ["wrong", "a9910ca7104a9910ca7104a9910ca71", "ä", "\ud800", "A9910CA7104A9910CA7104A9910CA710"]
)
def test_a_wrong_application_token(portal, token):
    """An event that does not bring this portal's application token is refused as nobody's."""
    form = portal.event_form("ONCRMDEALADD", **{"auth[application_token]": token})
    with pytest.raises(AuthError) as caught:
        event_of(portal, form)
    assert caught.value.code == "INVALID_APPLICATION_TOKEN"
    assert_hidden([portal.application_token, form["auth[access_token]"]], caught.value)


NAMES = """
metadata.google.internal kubernetes.default.svc localhost6.localdomain6
127.0.0.1 10.0.0.1 169.254.169.254 [::1] ::1 0x7f.0.0.1 2130706433 127.1 0177.0.0.1 0x7f.0x1 \uff11\uff12\uff17.0.0.1
localhost localhost:8000 a.localhost localhost.localdomain intranet _x.example.com exämple https://example.com
example.com/x example.com?x example.com#x u:p@example.com example..com .example.com -a.example.com example.com.
example.com:0 example.com:99999 example.com:8a example.com:
"""
HOSTS = [*NAMES.split(), "exa mple.com", "example.com\n", "a" * 64 + ".com", "a.b" * 100 + ".com"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_no_portal_has(portal, host, refused):
    """An address inside, an IP address in any spelling and text that is no host are refused, nothing is sent."""
    for form, read in (
        (portal.placement_form(DOMAIN=host), Placement.from_form),
        (portal.install_form(**{"auth[domain]": host}), Install.from_form),
        (
            portal.event_form("ONCRMDEALADD", **{"auth[domain]": host}),
            lambda form: Event.from_form(form, application_token=portal.application_token),
        ),
    ):
        with pytest.raises(UsageError, match=r"(DOMAIN|auth\[domain\]): expected the host name of a portal"):
            read(form)


@pytest.mark.parametrize(
    "host", ["example.bitrix24.com", "b24.example.de:8443", "xn--exmple-cua.com", "a.b", "1c.example.ru"]
)
def test_a_host_that_a_portal_has(portal, host):
    """A portal is called by https at the host that the form names, also where the form says http."""
    placement = Placement.from_form(portal.placement_form(DOMAIN=host, PROTOCOL="0"))
    assert placement.token.client_endpoint == f"https://{host}/rest/"


def test_loopback_is_for_the_sandbox_only(portal):
    """With `allow_loopback` this machine is allowed, and nothing else that would not be."""
    for host in ("10.0.0.1", "[::1]", "169.254.169.254", "intranet", "127.0.0.1.nip.io:x", "2130706433"):
        with pytest.raises(UsageError, match="DOMAIN"):
            Placement.from_form(portal.placement_form(DOMAIN=host), allow_loopback=True)


PLACEMENT = ("DOMAIN", "AUTH_ID", "AUTH_EXPIRES", "member_id")
AUTH = ("auth[domain]", "auth[access_token]", "auth[expires_in]", "auth[member_id]")


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *[("placement", name) for name in PLACEMENT],
        *[("install", name) for name in (*AUTH, "event", "auth[application_token]")],
        *[
            ("event", name)
            for name in ("event", "ts", "auth[member_id]", "auth[expires_in]", "auth[application_token]")
        ],
    ],
)
def test_a_field_that_is_missing(portal, kind, name, value):
    """A form that lacks a field is refused with its name, and no secret is in the error."""
    args = ["ONCRMDEALADD"] if kind == "event" else []
    form = {**getattr(portal, f"{kind}_form")(*args), name: value}
    if value is None:
        del form[name]
    with pytest.raises(UsageError, match="the form has no") as caught:
        read(portal, kind, form)
    assert name in caught.value.description
    secrets = [
        text for field, text in form.items() if text and ("token" in field or field in ("AUTH_ID", "REFRESH_ID"))
    ]
    assert_hidden([portal.application_token, *secrets], caught.value)


def read(portal, kind, form):
    if kind == "event":
        return event_of(portal, form)
    return {"placement": Placement, "install": Install}[kind].from_form(form, allow_loopback=True)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("placement", "AUTH_EXPIRES", "soon"),
        ("placement", "AUTH_EXPIRES", "-5"),
        ("placement", "AUTH_EXPIRES", "9" * 99),
        ("placement", "PLACEMENT_OPTIONS", "{"),
        ("placement", "PLACEMENT_OPTIONS", "[" * 100_000),
        ("placement", "member_id", "a" * 65),
        ("event", "ts", "now"),
    ],
)
def test_a_field_that_cannot_be(portal, kind, name, value):
    """A field that is not what it should be is refused with its name."""
    args = ["ONCRMDEALADD"] if kind == "event" else []
    form = getattr(portal, f"{kind}_form")(*args, **{name: value})
    with pytest.raises(UsageError, match=name):
        read(portal, kind, form)


def test_another_event_is_no_installation(portal):
    """The handler of the installation takes no other event."""
    with pytest.raises(UsageError, match="got 'ONCRMDEALADD'"):
        Install.from_form(portal.install_form(event="ONCRMDEALADD"), allow_loopback=True)


def test_values_show_no_secret(portal):
    """What was posted can be printed."""
    values = [
        Placement.from_form(portal.placement_form(), allow_loopback=True),
        Install.from_form(portal.install_form(), allow_loopback=True),
        event_of(portal, portal.event_form("ONCRMDEALADD")),
    ]
    for value in values:
        assert portal.application_token not in repr(value)
        assert value.token.access_token.reveal() not in repr(value)


def test_odd_names_of_fields(portal):
    """Names with brackets that nobody closes, or much too many of them, harm nothing."""
    odd = {"data": "x", "data[": "x", "data[]x": "x", "data]": "x", "data" + "[a]" * 99: "x", "data[FIELDS][ID]": "7"}
    event = event_of(portal, {**portal.event_form("ONCRMDEALADD", {"FIELDS": "a"}), **odd})
    assert event.data == {"FIELDS": {"ID": "7"}}
