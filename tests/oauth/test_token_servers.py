"""The two OAuth servers: a token is renewed at its own, and no form or answer makes the library ask a third one."""

import json
import sqlite3
from contextlib import closing

import attrs
import pytest
from canary import assert_hidden

from b24batch import NotSent, OAuth, Session, TokenRefreshError, UsageError
from b24batch.oauth import Event, Install, MemoryTokenStore, Placement, SQLiteTokenStore, Token
from b24batch.oauth.servers import find_server, find_server_of_region, find_servers, to_token_urls
from b24batch.sandbox import Answer, Portal, PortalError

EASTERN, OTHER = "oauth.bitrix24.tech", "oauth.bitrix.info"
THIRD = "https://oauth.example.com/rest/"


@pytest.fixture
def regions():
    """Two portals: one of a region of the first server, one of another region."""
    with Portal(region="ru") as first, Portal(region="de") as second:
        yield first, second


def urls_of(first, second):
    return {EASTERN: first.token_urls[EASTERN], OTHER: second.token_urls[OTHER]}


def token_of(portal, **changes):
    return attrs.evolve(Token.from_answer(portal.issue_token(), portal.clock.time()), **changes)


def application(portal, token, **options):
    return OAuth(portal.client_id, portal.client_secret, token, **options)


def asked(portal):
    """The server and the outcome of each request for a token."""
    return [(request.server, request.error) for request in portal.token_requests]


def test_each_token_is_renewed_at_its_server(regions):
    """With two regions the tokens of one are renewed at its server only, again and again, and each call works."""
    urls = urls_of(*regions)
    for portal in regions:
        oauth = application(portal, token_of(portal, expires=0), token_url=urls)
        assert Session(oauth, limits=None).call("user.current").is_success
        oauth.refresh()
    assert [asked(portal) for portal in regions] == [[(EASTERN, None)] * 2, [(OTHER, None)] * 2]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_store_keeps_the_server(regions, tmp_path, kind):
    """A process that has only the store renews a token where it was issued."""
    store = MemoryTokenStore() if kind == "memory" else SQLiteTokenStore(tmp_path / "tokens")
    _, portal = regions
    store.put(token_of(portal, expires=0))
    options = {"member_id": portal.member_id, "store": store, "token_url": urls_of(*regions)}
    application(portal, None, **options).refresh()
    assert store.get(portal.member_id).server_endpoint == f"https://{OTHER}/rest/"
    application(portal, None, **options).refresh()
    assert asked(portal) == [(OTHER, None)] * 2


def test_a_file_of_version_0_1_0(tmp_path, regions):
    """A file of before has no servers: its token is read, tried at both servers, and knows its server from then on."""
    portal = regions[1]
    portal.separate_servers = True
    issued = portal.issue_token()
    row = portal.member_id, issued["access_token"], issued["refresh_token"], 0.0, portal.client_endpoint
    with closing(sqlite3.connect(tmp_path / "tokens")) as database:
        database.execute(
            "CREATE TABLE b24batch_tokens (member_id TEXT PRIMARY KEY, access_token TEXT NOT NULL,"
            " refresh_token TEXT, expires REAL NOT NULL, client_endpoint TEXT NOT NULL)"
        )
        database.execute("CREATE TABLE b24batch_replaced (member_id TEXT PRIMARY KEY, replaced TEXT NOT NULL)")
        database.execute("INSERT INTO b24batch_tokens VALUES (?, ?, ?, ?, ?)", row)
        database.commit()
    store = SQLiteTokenStore(tmp_path / "tokens")
    assert store.get(portal.member_id).server_endpoint is None
    options = {"member_id": portal.member_id, "store": store, "token_url": portal.token_urls}
    application(portal, None, **options).refresh()
    application(portal, None, **options).refresh()
    assert asked(portal) == [(EASTERN, "invalid_grant"), (OTHER, None), (OTHER, None)]
    with closing(sqlite3.connect(tmp_path / "tokens")) as database:  # and version 0.1.0 can still write to it
        database.execute("INSERT OR REPLACE INTO b24batch_tokens VALUES (?, ?, ?, ?, ?)", row)


def test_a_token_that_neither_server_knows(regions):
    """A token without a server that both refuse is spent; one that names its server is tried nowhere else."""
    portal = regions[0]
    unnamed, named = token_of(portal, server_endpoint=None), token_of(portal)
    portal.revoke_tokens()
    for token in (unnamed, named):
        with pytest.raises(TokenRefreshError, match="authorised again"):
            application(portal, token, token_url=portal.token_urls).refresh()
    assert [server for server, _ in asked(portal)] == [EASTERN, OTHER, EASTERN]


def test_a_spent_token_of_an_application_that_the_other_server_does_not_know(regions):
    """If one server says that a token is spent, and the other one knows nothing of the application, it is spent."""
    portal = regions[0]
    oauth = application(portal, token_of(portal, server_endpoint=None), token_url=portal.token_urls)
    portal.revoke_tokens()
    portal.fail_next(Answer(json.dumps({"error": "wrong_client"})), endpoint="token", after=1)
    for _ in range(2):
        with pytest.raises(TokenRefreshError, match="authorised again") as refused:
            oauth.refresh()
        assert refused.value.code == "invalid_grant"
    assert [server for server, _ in asked(portal)] == [EASTERN, OTHER]


def test_a_server_that_is_unreachable(regions, closed_port):
    """A token without a server is tried at the second server if the first one is unreachable, from this network say."""
    portal = regions[1]
    urls = {EASTERN: f"http://127.0.0.1:{closed_port}/oauth/token/", OTHER: portal.token_urls[OTHER]}
    oauth = application(portal, token_of(portal, server_endpoint=None), token_url=urls)
    assert [oauth.refresh().server_endpoint for _ in range(2)] == [f"https://{OTHER}/rest/"] * 2
    assert asked(portal) == [(OTHER, None)] * 2


@pytest.mark.parametrize("code", ["invalid_grant", "wrong_client"])
def test_a_token_of_an_unreachable_server(regions, closed_port, code):
    """A token that the second server refuses is perhaps the unreachable one's: it is kept, and tried there later."""
    portal = regions[0]
    urls = {EASTERN: f"http://127.0.0.1:{closed_port}/oauth/token/", OTHER: portal.token_urls[OTHER]}
    store = MemoryTokenStore()
    token = token_of(portal, server_endpoint=None)
    portal.fail_next(PortalError(code, "no"), endpoint="token")
    with pytest.raises(NotSent):
        application(portal, token, store=store, token_url=urls).refresh()
    assert store.get(portal.member_id) == token
    oauth = application(portal, None, member_id=portal.member_id, store=store, token_url=portal.token_urls)
    assert oauth.refresh().server_endpoint == f"https://{EASTERN}/rest/"


def test_a_spent_token_of_an_unreachable_server(regions, closed_port):
    """While one server is unreachable, the other one is asked for a token that it refused only once."""
    portal = regions[1]
    urls = {EASTERN: f"http://127.0.0.1:{closed_port}/oauth/token/", OTHER: portal.token_urls[OTHER]}
    oauth = application(portal, token_of(portal, server_endpoint=None), token_url=urls)
    portal.revoke_tokens()
    for _ in range(3):
        with pytest.raises(NotSent):
            oauth.refresh()
    assert asked(portal) == [(OTHER, "invalid_grant")]


def test_the_wrong_server_on_request(regions):
    """The sandbox refuses the tokens of the other server if it is told to, and uses none of them up."""
    portal = regions[0]
    wrong = {"token_url": portal.token_urls[OTHER]}
    application(portal, token_of(portal), **wrong).refresh()
    portal.separate_servers = True
    token = token_of(portal)
    with pytest.raises(TokenRefreshError, match="authorised again"):
        application(portal, token, **wrong).refresh()
    application(portal, token, token_url=portal.token_urls).refresh()
    assert asked(portal) == [(OTHER, None), (OTHER, "invalid_grant"), (EASTERN, None)]


@pytest.mark.parametrize("endpoint", [THIRD, 7, None, "", "no url"], ids=repr)
def test_an_answer_that_names_a_third_server(regions, endpoint):
    """A server that is not known is not taken from an answer: the next refresh goes where the last one went."""
    portal = regions[1]
    token = token_of(portal)
    issued = {**portal.issue_token(), "server_endpoint": endpoint}
    answer = Answer(json.dumps(issued))
    portal.fail_next(answer, endpoint="token")
    oauth = application(portal, token, token_url=urls_of(*regions))
    assert oauth.refresh().server_endpoint == f"https://{OTHER}/rest/"
    assert oauth.refresh().server_endpoint == f"https://{OTHER}/rest/"


def test_an_answer_that_names_the_other_server(regions):
    """A portal whose region changes is followed to the other one of the two."""
    first, portal = regions
    moved = {**portal.issue_token(), "server_endpoint": f"https://{EASTERN}/rest/"}
    portal.fail_next(Answer(json.dumps(moved)), endpoint="token")
    oauth = application(portal, token_of(portal), token_url=portal.token_urls)
    oauth.refresh()
    oauth.refresh()
    assert [server for server, _ in asked(portal)] == [OTHER, EASTERN]
    assert asked(first) == []


def test_a_token_of_a_third_server_needs_a_token_url(regions):
    """Credentials with a token of an unknown server are refused, with the way out; with `token_url` they work."""
    portal = regions[0]
    token = token_of(portal, server_endpoint=THIRD)
    with pytest.raises(UsageError, match="pass its URL as token_url="):
        application(portal, token)
    for url in (portal.token_url, {"oauth.example.com": portal.token_url}):
        application(portal, token_of(portal, server_endpoint=THIRD), token_url=url).refresh()
    assert len(asked(portal)) == 2


THIRDS = [
    THIRD,
    "https://oauth.bitrix.info.example.com/rest/",
    "https://oauth.bitrix.info:8443/rest/",
    "https://oauth.bitrix.info@example.com/rest/",
    "https://example.com/oauth.bitrix.info/",
    "https://127.0.0.1:1/rest/",
    "http://localhost/rest/",
    "oauth.bitrix.info",
    "//oauth.bitrix.info/rest/",
    "https://oauth.bitrix.info/rest/?x",
    "https://oauth.b\u0131trix.info/rest/",
]


@pytest.mark.parametrize("kind", ["placement", "install", "event"])
@pytest.mark.parametrize("endpoint", THIRDS)
def test_a_form_that_names_a_third_server(regions, endpoint, kind):
    """A form that names any other server is refused with the field's name, and nothing is sent."""
    portal = regions[0]
    fields = {"DOMAIN": "example.bitrix24.com", "SERVER_ENDPOINT": endpoint}
    if kind != "placement":
        fields = {"auth[domain]": "example.bitrix24.com", "auth[server_endpoint]": endpoint}
    form = portal.event_form("ONCRMDEALADD", **fields) if kind == "event" else getattr(portal, f"{kind}_form")(**fields)
    with pytest.raises(UsageError, match="expected an OAuth server of Bitrix24") as caught:
        read(portal, kind, form)
    assert caught.value.description.startswith(list(fields)[1])
    assert_hidden([form.get("AUTH_ID", form.get("auth[access_token]"))], caught.value)
    assert portal.requests == portal.token_requests == []
    assert read(portal, kind, form, token_url=portal.token_url) is not None


def read(portal, kind, form, **options):
    if kind == "event":
        return Event.from_form(form, application_token=portal.application_token, **options)
    return {"placement": Placement, "install": Install}[kind].from_form(form, **options)


@pytest.mark.parametrize(
    "endpoint", [f"https://{OTHER}/rest/", f"https://{OTHER.upper()}/rest", f"http://{OTHER}./rest/", None, ""]
)
def test_a_form_that_names_a_known_server(regions, endpoint):
    """A form's token is renewed at the server that it names, always over https; without a name both are tried."""
    portal = regions[1]
    portal.separate_servers = True
    placement = Placement.from_form(portal.placement_form(SERVER_ENDPOINT=endpoint), allow_loopback=True)
    placement.oauth(portal.client_id, portal.client_secret, token_url=portal.token_urls).refresh()
    assert asked(portal)[-1] == (OTHER, None)
    assert len(asked(portal)) == (1 if endpoint else 2)
    [server, *_] = find_servers(placement.token.server_endpoint, "x.bitrix24.de", {})
    assert server.url.url == f"https://{OTHER}/oauth/token/"


def test_a_portal_on_this_machine_names_its_own_server(portal):
    """A sandbox is its own OAuth server; only with `allow_loopback` and for a portal on this machine is that taken."""
    form = portal.placement_form()
    Placement.from_form(form, allow_loopback=True).oauth(portal.client_id, portal.client_secret).refresh()
    assert [request.status for request in portal.token_requests] == [200]
    with pytest.raises(UsageError, match="SERVER_ENDPOINT"):
        Placement.from_form({**form, "DOMAIN": "example.com"}, allow_loopback=True)
    for options in ({"allow_loopback": True}, {"allowed_hosts": [form["DOMAIN"]]}):
        with pytest.raises(UsageError, match="SERVER_ENDPOINT"):  # the secret would go to another program here
            Placement.from_form({**form, "SERVER_ENDPOINT": "http://127.0.0.1:1/rest/"}, **options)


def test_a_code_by_server_region_and_portal(regions):
    """A code goes to the server that the redirect names; else to that of the region, or of the portal's name."""
    _, portal = regions
    portal.separate_servers = True
    ways = [
        {"server_domain": OTHER, "region": "ru"},
        {"region": "DE", "portal": "example.bitrix24.ru"},
        {"portal": "example.bitrix24.com.br"},
    ]
    for way in ways:
        oauth = OAuth.from_code(
            portal.client_id, portal.client_secret, portal.issue_code(), token_url=portal.token_urls, **way
        )
        assert oauth.token.server_endpoint == f"https://{OTHER}/rest/"
    assert asked(portal) == [(OTHER, None)] * 3


@pytest.mark.parametrize(
    "way",
    [
        {"server_domain": "oauth.example.com"},
        {"server_domain": ""},
        {"server_domain": 7},
        {"region": "Germany"},
        {"region": ""},
        {"region": "d", "server_domain": OTHER},
        {"region": "Germany", "portal": "example.bitrix24.de"},
    ],
    ids=repr,
)
def test_a_code_of_a_third_server(regions, way):
    """A code with an unknown server or region is not sent anywhere."""
    portal = regions[0]
    with pytest.raises(UsageError, match=r"OAuth server of Bitrix24|server_domain|region"):
        OAuth.from_code(portal.client_id, "secret", "code", token_url=portal.token_urls, **way)
    assert portal.token_requests == []


@pytest.mark.parametrize(
    ("portal", "expected"),
    [
        ("example.bitrix24.ru", EASTERN),
        ("Example.Bitrix24.BY", EASTERN),
        ("example.bitrix24.kz", EASTERN),
        ("example.bitrix24.com", OTHER),
        ("example.bitrix24.com.tr", OTHER),
        ("example.bitrix24.de", OTHER),
        ("portal.example.de", EASTERN),
    ],
)
def test_the_server_of_a_portal(portal, expected):
    """The address of a portal in the cloud ends in its region; any other one starts where version 0.1.0 asked."""
    assert find_server(portal) == expected


def test_the_table_of_regions():
    """Eight regions have the first server, all others the second."""
    regions = "ru am az ge kz kg uz by de en ua pl br cn zz com"
    first = [region for region in regions.split() if find_server_of_region(region) == EASTERN]
    assert first == "ru am az ge kz kg uz by".split()


def test_the_page_of_a_region():
    """A user whose portal is not known yet is sent to the server of the region."""
    assert OAuth.authorize_url(None, "local.1", state="s", region="kz").startswith(
        f"https://{EASTERN}/oauth/authorize/?"
    )
    assert OAuth.authorize_url(None, "local.1", state="s", region="pl").startswith(f"https://{OTHER}/oauth/authorize/?")
    assert "//xn--80awhdgm.xn--p1ai/" in OAuth.authorize_url("портал.рф", "local.1", state="s")


@pytest.mark.parametrize("region", ["", "d", "Germany", "de-DE", "d1", "дe", "de\n", 7, ["de"]], ids=repr)
@pytest.mark.parametrize("portal", [None, "example.bitrix24.de"])
def test_what_is_no_region(portal, region):
    """A region that is not two or three letters is refused, also with a portal; any other one has a server."""
    with pytest.raises(UsageError, match="region: expected the code of a country, such as de"):
        OAuth.authorize_url(portal, "local.1", state="s", region=region)
    assert f"//{OTHER}/" in OAuth.authorize_url(None, "local.1", state="s", region="zz")


@pytest.mark.parametrize("url", [7, {"a.example": "http://a.example/"}, {"a.example": None}, "a.example"], ids=repr)
def test_addresses_that_are_none(url):
    """Each address of an OAuth server is an https URL."""
    with pytest.raises(UsageError, match=r"token_url|http would send"):
        to_token_urls(url)
