"""The hosts of forms: what an owner may allow, and where a host may lead when the connection is made."""

import socket
import threading

import gates
import pytest
import requests

from b24batch import NotSent, OAuth, RetryPolicy, Session, UsageError
from b24batch.oauth import Event, Install, Placement, Token
from b24batch.wire import TrackingAdapter
from b24batch.wire.adapter import _Connection, _Pool

ONCE = RetryPolicy(attempts=1)


def placement_of(portal, host, **options):
    protocol = options.pop("protocol", "1")
    form = portal.placement_form(DOMAIN=host, PROTOCOL=protocol, SERVER_ENDPOINT=None)
    return Placement.from_form(form, **options)


@pytest.mark.parametrize(
    ("host", "allowed", "endpoint"),
    [
        ("10.0.0.5", "10.0.0.5", "https://10.0.0.5/rest/"),
        ("10.0.0.5:8443", "10.0.0.5:8443", "https://10.0.0.5:8443/rest/"),
        ("10.0.0.5:443", "10.0.0.5", "https://10.0.0.5/rest/"),
        ("10.0.0.5", "10.0.0.5:443", "https://10.0.0.5/rest/"),
        ("intranet", "Intranet", "https://intranet/rest/"),
        ("portal.internal", "portal.internal", "https://portal.internal/rest/"),
        ("[fd00::1]:8443", "[FD00:0::1]:8443", "https://[fd00::1]:8443/rest/"),
        ("127.0.0.1:8000", "127.0.0.1:8000", "https://127.0.0.1:8000/rest/"),
        ("портал", "портал", "https://xn--80awhdgm/rest/"),
    ],
)
def test_a_host_that_the_owner_allows(portal, host, allowed, endpoint):
    """An IP address, an internal name and a port are allowed if the owner names them, and only those."""
    for other in ([], ["10.0.0.6", "10.0.0.5:8444", "other.local"]):
        with pytest.raises(UsageError, match="DOMAIN: expected the host name of a portal"):
            placement_of(portal, host, allowed_hosts=other)
    placement = placement_of(portal, host, allowed_hosts=["example.com", allowed])
    assert placement.token.client_endpoint == endpoint


@pytest.mark.parametrize(
    ("allowed", "host", "scheme", "expected"),
    [
        ("10.0.0.5:80", "10.0.0.5", "http", True),
        ("10.0.0.5:80", "10.0.0.5:80", "http", True),
        ("10.0.0.5:80", "10.0.0.5", "https", False),
        ("10.0.0.5:443", "10.0.0.5", "http", False),
        ("10.0.0.5", "10.0.0.5", "http", True),
        ("10.0.0.5", "10.0.0.5:80", "https", False),
    ],
)
def test_the_port_of_an_allowed_host(portal, allowed, host, scheme, expected):
    """A port that the owner names is that port in both schemes; without one it is the usual port of the scheme."""
    options = {"allowed_hosts": [allowed], "allow_http": True, "protocol": {"http": "0", "https": "1"}[scheme]}
    if expected:
        assert placement_of(portal, host, **options).token.client_endpoint == f"{scheme}://10.0.0.5/rest/"
    else:
        with pytest.raises(UsageError, match="DOMAIN"):
            placement_of(portal, host, **options)


def test_an_event_and_an_installation_of_an_allowed_host(portal):
    """The other two kinds of form take the same hosts."""
    fields = {"auth[domain]": "10.0.0.5:8443", "auth[server_endpoint]": None}
    options = {"allowed_hosts": ["10.0.0.5:8443"]}
    install = Install.from_form(portal.install_form(**fields), **options)
    form = portal.event_form("ONCRMDEALADD", **fields)
    event = Event.from_form(form, application_token=portal.application_token, **options)
    assert {each.token.client_endpoint for each in (install, event)} == {"https://10.0.0.5:8443/rest/"}


@pytest.mark.parametrize(
    "host", "10.0.0.5/x 10.0.0.5/rest/ 10.0.0.5:x u@10.0.0.5 10.0.0.5? 167772165 0x0a.0.0.5".split()
)
def test_other_spellings_of_an_allowed_host(portal, host):
    """A host that is allowed is the same text, not whatever a resolver takes for the same address."""
    with pytest.raises(UsageError, match="DOMAIN"):
        placement_of(portal, host, allowed_hosts=["10.0.0.5"])


@pytest.mark.parametrize(
    "hosts",
    ["10.0.0.5", [7], ["https://10.0.0.5"], ["a/b"], ["a b"], [""], ["*.example.com"], [".example.com"], None],
    ids=repr,
)
def test_allowed_hosts_that_are_none(portal, hosts):
    """The hosts are a list of hosts."""
    with pytest.raises(UsageError, match="allowed_hosts"):
        placement_of(portal, "example.com", allowed_hosts=hosts)
    if hosts is not None:
        with pytest.raises(UsageError, match="allowed_hosts"):
            OAuth("id", "secret", token_at("https://example.com/rest/"), allowed_hosts=hosts)


@pytest.mark.parametrize(
    ("host", "ascii_host"),
    [
        ("портал.рф", "xn--80awhdgm.xn--p1ai"),
        ("Bücher.Example:8443", "xn--bcher-kva.example:8443"),
        ("中文。com", "xn--fiq228c.com"),
    ],
)
def test_a_name_in_another_script(portal, host, ascii_host):
    """An international name is called by its punycode, in a form and in a webhook's URL."""
    assert placement_of(portal, host).token.client_endpoint == f"https://{ascii_host}/rest/"
    assert Session(f"https://{host}/rest/1/code/").auth.host == ascii_host


@pytest.mark.parametrize(
    "host",
    ["\uff11\uff12\uff17.0.0.1", "ⓛocalhost", "exa\u3000mple.com", "a\u200d.com", "x\uff0fy.com", "\ufb01", "портал"],
)
def test_a_name_that_turns_into_something_else(portal, host):
    """A name that becomes an address or a local name, or has no punycode, is refused like those."""
    with pytest.raises(UsageError, match="DOMAIN"):
        placement_of(portal, host)


@pytest.mark.parametrize(
    ("protocol", "allow_http", "scheme"),
    [("0", True, "http"), ("1", True, "https"), ("0", False, "https"), (None, True, "https")],
)
def test_http_needs_the_owners_word(portal, protocol, allow_http, scheme):
    """A portal is called over http only if it says so and the owner allows it."""
    placement = placement_of(portal, "example.com", protocol=protocol, allow_http=allow_http)
    assert placement.token.client_endpoint == f"{scheme}://example.com/rest/"
    fields = {"auth[domain]": "example.com", "auth[server_endpoint]": None}
    said = {"0": "http://example.com/rest/", "1": "https://example.com/rest/"}.get(protocol)
    install = Install.from_form(portal.install_form(**fields, **{"auth[client_endpoint]": said}), allow_http=allow_http)
    assert install.token.client_endpoint == f"{scheme}://example.com/rest/"


def token_at(endpoint):
    return Token("a" * 70, "r" * 70, 2e9, endpoint, "0123abcd")


class Silent:
    """A socket on loopback that accepts nobody, and tells whether anybody came."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def has_visitor(self):
        self.socket.setblocking(False)
        try:
            connection, _ = self.socket.accept()
        except BlockingIOError:
            return False
        with connection:
            connection.settimeout(5)
            return connection.recv(10) or "connected"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_host_that_leads_to_this_machine(host, scheme):
    """A host from a form that leads to loopback gets no packet, is not tried again, and the error names the way out."""
    with Silent() as server:
        oauth = OAuth("id", "secret", token_at(f"{scheme}://{host}:{server.port}/rest/"), allowed_hosts=[])
        with Session(oauth, limits=None) as b24, pytest.raises(NotSent, match="allowed_hosts=") as caught:
            b24.call("user.current")
        assert (caught.value.code, server.has_visitor()) == ("PRIVATE_ADDRESS", False)
        assert "127.0.0.1" not in str(caught.value)


def test_a_host_that_leads_to_this_machine_and_is_allowed(portal):
    """The same host works if the owner names it, and where nobody restricts the credentials."""
    token = Token.from_answer(portal.issue_token(), portal.clock.time())
    host = token.address.host
    for options in ({"allowed_hosts": [host]}, {"allowed_hosts": ["localhost"]}, {}, {"allowed_hosts": None}):
        oauth = OAuth(portal.client_id, portal.client_secret, token, **options)
        assert Session(oauth, limits=None).call("user.current").is_success


def test_a_run_that_leads_to_this_machine(portal):
    """The commands of a run to such a host have failed or were skipped: none is unknown."""
    token = Token.from_answer(portal.issue_token(), portal.clock.time())
    oauth = OAuth(portal.client_id, portal.client_secret, token, allowed_hosts=[])
    result = Session(oauth, limits=None).batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": "x"}})] * 3)
    assert {row.status for row in result} <= {"failed", "skipped"}
    assert portal.requests == []


@pytest.mark.parametrize("kind", ["placement", "install", "event"])
def test_credentials_of_a_form_are_restricted(portal, kind):
    """What a form's `oauth()` returns connects to public addresses and to what the form's reader allowed."""
    token = Token.from_answer(portal.issue_token(), portal.clock.time())
    options = {"allow_loopback": True}
    if kind == "event":
        form = portal.event_form("ONCRMDEALADD")
        posted = Event.from_form(form, application_token=portal.application_token, **options)
    else:
        posted = {"placement": Placement, "install": Install}[kind].from_form(
            getattr(portal, f"{kind}_form")(), **options
        )
    assert Session(posted.oauth(portal.client_id, portal.client_secret), limits=None).call("echo").is_success
    strict = type(posted)(**{**fields_of(posted), "token": token, "allowed_hosts": frozenset()})
    before = len(portal.requests)
    with pytest.raises(NotSent, match="not public"):
        Session(strict.oauth(portal.client_id, portal.client_secret), limits=None, retries=ONCE).call("echo")
    assert len(portal.requests) == before


def fields_of(posted):
    return {name: getattr(posted, name) for name in type(posted).__slots__ if not name.startswith("__")}


@pytest.fixture
def names(monkeypatch):
    """A resolver that knows some names by itself: a mapping from a name to the addresses of its next look-ups."""
    known, look_up = {}, socket.getaddrinfo

    def resolve(host, *args, **options):
        return look_up(known[host].pop(0) if host in known else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def test_a_name_that_leads_to_this_machine(portal, names):
    """A public name whose address is loopback gets no packet, whichever look-up says so."""
    with Silent() as server:
        names["127.0.0.1.nip.io"] = ["127.0.0.1"] * 2
        placement = placement_of(portal, f"127.0.0.1.nip.io:{server.port}")
        with Session(placement.oauth("id", "secret"), limits=None) as b24:
            for _ in range(2):
                with pytest.raises(NotSent, match="not public"):
                    b24.call("user.current")
        assert (names["127.0.0.1.nip.io"], server.has_visitor()) == ([], False)


def test_a_connection_that_is_open_already(portal):
    """A connection that other credentials opened to a private address is not used for those of a form."""
    token = Token.from_answer(portal.issue_token(), portal.clock.time())
    options = {"limits": None, "retries": ONCE}
    with requests.Session() as http:
        http.mount("http://", TrackingAdapter())
        for _ in range(2):
            free = OAuth(portal.client_id, portal.client_secret, token)
            assert Session(free, http=http, **options).call("user.current").is_success
        strict = OAuth(portal.client_id, portal.client_secret, token, allowed_hosts=[])
        with pytest.raises(NotSent, match="not public"):
            Session(strict, http=http, **options).call("user.current")
    assert len(portal.requests) == 2
    assert len({request.connection for request in portal.requests}) == 1


class Rebound(_Connection):
    """A connection whose look-up leaves the choice of an address to the system, as after a failed one."""

    def _look_up(self, host):
        return [host]


class ReboundPool(_Pool):
    ConnectionCls = Rebound


class ReboundAdapter(TrackingAdapter):
    def init_poolmanager(self, *args, **options):
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": ReboundPool}


def test_the_address_that_counts_is_that_of_the_socket():
    """A name that leads elsewhere at the last look-up is caught when the socket is connected: not a byte is sent."""
    with Silent() as server, requests.Session() as http:
        http.mount("http://", ReboundAdapter())
        oauth = OAuth("id", "secret", token_at(f"http://localhost:{server.port}/rest/"), allowed_hosts=[])
        with (
            Session(oauth, http=http, limits=None, timeout=2, retries=ONCE) as b24,
            pytest.raises(NotSent, match="not public"),
        ):
            b24.call("user.current")
        assert server.has_visitor() == "connected"


def test_a_proxy_chooses_the_address(monkeypatch):
    """Through a proxy the proxy looks the host up, so its own private address is no reason to refuse."""
    asked = threading.Event()

    def refuse(gate, connection):
        gates.read_request(connection)
        asked.set()
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with gates.Gate(0) as gate:
        gate.mode = refuse
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{gate.port}")
        oauth = OAuth("id", "secret", token_at("https://portal.example/rest/"), allowed_hosts=[])
        with Session(oauth, limits=None, retries=ONCE) as b24, pytest.raises(NotSent, match="proxy refused"):
            b24.call("user.current")
    assert asked.is_set()
