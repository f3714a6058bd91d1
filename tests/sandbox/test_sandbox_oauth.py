"""OAuth 2.0 in the sandbox: tokens and codes, who may call, and what is posted to an application."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import threading
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from sandbox_wire import Raw, Wire

from b24batch.sandbox import Answer, Portal, PortalError
from b24batch.sandbox.fake_clock import START
from b24batch.sandbox.methods.staff import SCOPE

FORM = "application/x-www-form-urlencoded"
SCOPES = ",".join(SCOPE)
HEX = "0123456789abcdef"
DAY = 24 * 3600


@pytest.fixture
def portal(clock):
    """A portal on that clock."""
    with Portal(clock) as portal:
        portal.method("echo")(lambda params: params)
        yield portal


@pytest.fixture
def token(portal):
    """A good access token."""
    return portal.issue_token()["access_token"]


def grant(portal, kind="refresh_token", **fields):
    """Return the fields of a request for tokens."""
    return {"grant_type": kind, "client_id": portal.client_id, "client_secret": portal.client_secret, **fields}


def ask(portal, fields, path="/oauth/token/"):
    """Post a form on a connection of its own."""
    return Wire(portal).send("POST", path, urlencode(fields), Content_Type=FORM)


def refresh(portal, refresh_token):
    """Ask for new tokens."""
    return ask(portal, grant(portal, refresh_token=refresh_token))


def bearer(token):
    """Return the header."""
    return {"Authorization": f"Bearer {token}"}


def outcome(answer):
    """Return status and error code of an answer, the code None if it is none."""
    return answer.status, answer.json.get("error")


# The token endpoint


def test_what_a_refresh_token_is_answered(portal):
    """The answer to a refresh token describes the new pair in the documented fields."""
    answer = refresh(portal, portal.issue_token()["refresh_token"]).json
    origin = f"http://127.0.0.1:{urlsplit(portal.url).port}"
    tokens = answer.pop("access_token"), answer.pop("refresh_token")
    assert len(set(tokens)) == 2
    assert all(set(token) <= set(HEX) and len(token) == 70 for token in tokens)
    assert answer == {
        "expires_in": 3600,
        "expires": int(START) + 3600,
        "client_endpoint": f"{origin}/rest/",
        "server_endpoint": f"{origin}/rest/",
        "domain": urlsplit(origin).netloc,
        "member_id": portal.member_id,
        "scope": SCOPES,
        "status": "L",
        "user_id": 1,
    }
    assert (portal.client_endpoint, portal.token_url) == (f"{origin}/rest/", f"{origin}/oauth/token/")


def test_an_issued_token_is_described_alike(portal):
    """A token taken without HTTP has the fields of the answer to a refresh token, and the life asked for."""
    issued = portal.issue_token(5)
    answered = refresh(portal, issued["refresh_token"]).json
    assert list(issued) == list(answered)
    assert (issued["expires_in"], issued["expires"]) == (5, int(START) + 5)


def test_a_code_is_answered_without_a_date(portal):
    """The answer to a code has no expires and no user_id, which are documented for the refresh only."""
    answer = ask(portal, grant(portal, "authorization_code", code=portal.issue_code())).json
    assert set(portal.issue_token()) - set(answer) == {"expires", "user_id"}


def test_ids_are_those_of_every_portal(portal):
    """Application and portal have the same ids in every sandbox, of the documented length."""
    with Portal() as other:
        for name in ("client_id", "client_secret", "member_id", "application_token"):
            assert getattr(portal, name) == getattr(other, name)
    assert all(len(text) == 32 and set(text) <= set(HEX) for text in (portal.member_id, portal.application_token))


def test_tokens_of_two_portals_differ(portal):
    """A portal does not know the tokens of another one."""
    with Portal() as other:
        issued = portal.issue_token()
        assert refresh(other, issued["refresh_token"]).status == 400
        assert Wire(other).send("POST", "/rest/server.time", **bearer(issued["access_token"])).status == 401


@pytest.mark.parametrize("form", ["query", "form", "json", "no slash"])
def test_forms_of_a_request(portal, wire, form):
    """The fields may come as a query of a GET, as a form or as JSON, with the last slash or without."""
    fields = grant(portal, refresh_token=portal.issue_token()["refresh_token"])
    answer = {
        "query": lambda: wire.send("GET", f"/oauth/token/?{urlencode(fields)}"),
        "form": lambda: wire.send("POST", "/oauth/token/", urlencode(fields), Content_Type=FORM),
        "json": lambda: wire.send("POST", "/oauth/token/", json.dumps(fields), Content_Type="application/json"),
        "no slash": lambda: wire.send("POST", "/oauth/token", urlencode(fields), Content_Type=FORM),
    }[form]()
    assert outcome(answer) == (200, None)


@pytest.mark.parametrize("name", ["grant_type", "client_id", "client_secret", "refresh_token", "code"])
@pytest.mark.parametrize("value", [None, "", "wrong"], ids=["missing", "empty", "wrong"])
def test_refused_requests(portal, name, value):
    """A missing field is an invalid request, a stranger an invalid client, and a text nobody got an invalid grant."""
    kind = "authorization_code" if name == "code" else "refresh_token"
    good = portal.issue_code() if name == "code" else portal.issue_token()["refresh_token"]
    fields = grant(portal, kind, **{name if name == "code" else "refresh_token": good}) | {name: value}
    codes = {"client_id": "wrong_client", "client_secret": "invalid_client", "grant_type": "invalid_request"}
    expected = codes.get(name, "invalid_grant") if value else "invalid_request"
    answer = ask(portal, {key: text for key, text in fields.items() if text is not None})
    assert outcome(answer) == (400, expected)
    assert answer.json["error_description"]


def test_a_refused_client_uses_nothing_up(portal):
    """Whoever is no client leaves a refresh token as good as it was."""
    token = portal.issue_token()["refresh_token"]
    assert ask(portal, grant(portal, refresh_token=token, client_secret="wrong")).status == 400
    assert refresh(portal, token).status == 200


def test_rotation(portal, wire):
    """A refresh token is good once; its answer has another pair, and the old access token stays good."""
    first = portal.issue_token()
    second = refresh(portal, first["refresh_token"]).json
    assert outcome(refresh(portal, first["refresh_token"])) == (400, "invalid_grant")
    assert not {first["access_token"], first["refresh_token"]} & {second["access_token"], second["refresh_token"]}
    for issued in (first, second):
        assert wire.send("POST", "/rest/server.time", **bearer(issued["access_token"])).status == 200
    assert refresh(portal, second["refresh_token"]).status == 200


def test_one_of_eight_threads_gets_the_token(portal):
    """Of refreshes with the same token at the same time exactly one is granted."""
    token = portal.issue_token()["refresh_token"]
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(refresh(portal, token).status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [400] * 7
    assert sorted(request.status for request in portal.token_requests) == sorted(statuses)


@pytest.mark.parametrize(("seconds", "expected"), [(29, (200, None)), (30, (400, "invalid_grant"))])
def test_a_code_lives_30_seconds(portal, clock, seconds, expected):
    """A code is good for less than 30 seconds of the portal's clock."""
    fields = grant(portal, "authorization_code", code=portal.issue_code())
    clock.advance(seconds)
    assert outcome(ask(portal, fields)) == expected


def test_a_code_is_good_once(portal):
    """A code that was exchanged is an invalid grant."""
    fields = grant(portal, "authorization_code", code=portal.issue_code())
    assert [outcome(ask(portal, fields)) for _ in range(2)] == [(200, None), (400, "invalid_grant")]


@pytest.mark.parametrize(("days", "status"), [(179, 200), (180, 400)])
def test_a_refresh_token_lives_180_days(portal, clock, days, status):
    """A refresh token is good for less than 180 days of the portal's clock."""
    token = portal.issue_token()["refresh_token"]
    clock.advance(days * DAY)
    assert refresh(portal, token).status == status


def test_a_code_is_no_refresh_token(portal):
    """A text is good only for what it was issued for."""
    issued = portal.issue_token()
    assert outcome(refresh(portal, portal.issue_code())) == (400, "invalid_grant")
    assert outcome(refresh(portal, issued["access_token"])) == (400, "invalid_grant")
    assert outcome(ask(portal, grant(portal, "authorization_code", code=issued["refresh_token"])))[0] == 400


def test_revoking(portal, wire):
    """Revoked tokens and codes are unknown; later ones are good."""
    old, code = portal.issue_token(), portal.issue_code()
    portal.revoke_tokens()
    new = portal.issue_token()
    assert outcome(wire.send("POST", "/rest/echo", **bearer(old["access_token"]))) == (401, "invalid_token")
    assert outcome(refresh(portal, old["refresh_token"])) == (400, "invalid_grant")
    assert outcome(ask(portal, grant(portal, "authorization_code", code=code))) == (400, "invalid_grant")
    assert wire.send("POST", "/rest/echo", **bearer(new["access_token"])).status == 200
    assert refresh(portal, new["refresh_token"]).status == 200


def test_requests_for_tokens_are_kept_apart(portal, wire):
    """Each request for tokens is recorded with its answer, in order, and not among the calls."""
    issued = portal.issue_token()
    fields = grant(portal, refresh_token=issued["refresh_token"])
    ask(portal, fields)
    wire.send("GET", f"/oauth/token/?{urlencode(fields)}")
    ask(portal, {"grant_type": "x"}, "/oauth/token/?client_id=y")
    assert [(request.verb, request.query, request.status, request.error) for request in portal.token_requests] == [
        ("POST", "", 200, None),
        ("GET", urlencode(fields), 400, "invalid_grant"),
        ("POST", "client_id=y", 400, "invalid_request"),
    ]
    assert portal.token_requests[1].params == fields
    assert portal.token_requests[2].params == {"grant_type": "x", "client_id": "y"}
    assert (portal.requests, portal.executed) == ([], [])


def test_a_record_shows_no_secret(portal, wire):
    """The repr of a recorded request has neither the client's secret nor a token in it."""
    issued = portal.issue_token()
    wire.send("GET", f"/oauth/token/?{urlencode(grant(portal, refresh_token=issued['refresh_token']))}")
    shown = repr(portal.token_requests)
    assert portal.client_secret not in shown
    assert issued["refresh_token"] not in shown


def test_nothing_is_recorded_on_request():
    """A portal that records nothing keeps no requests for tokens either."""
    with Portal(record=False) as portal:
        assert refresh(portal, portal.issue_token()["refresh_token"]).status == 200
        assert portal.token_requests == []


def test_other_addresses_of_oauth(wire):
    """Below /oauth/ there is nothing else."""
    assert wire.send("POST", "/oauth/other/").status == 404


# Faults of the token endpoint


def test_faults_meet_their_endpoint_only(portal, wire, token):
    """A fault for the token endpoint lets calls of methods pass, uncounted, and the other way round."""
    portal.fail_next("html_502", endpoint="token")
    portal.fail_next("html_503")
    assert wire.send("POST", "/rest/echo", **bearer(token)).status == 503
    assert wire.send("POST", "/rest/echo", **bearer(token)).status == 200
    assert refresh(portal, portal.issue_token()["refresh_token"]).status == 502
    assert refresh(portal, portal.issue_token()["refresh_token"]).status == 200


@pytest.mark.parametrize(
    ("fault", "left"),
    [("lost_after", 400), ("reset_after", 400), ("lost_before", 200), ("reset_before", 200)],
)
def test_lost_answers(portal, fault, left):
    """When the answer is lost after the refresh its token is used up, before it the token is still good."""
    portal.fail_next(fault, endpoint="token")
    token = portal.issue_token()["refresh_token"]
    with pytest.raises((http.client.HTTPException, OSError)):
        refresh(portal, token)
    assert refresh(portal, token).status == left
    assert [request.status for request in portal.token_requests] == [None, left]


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ("html_502", 502, None),
        ("invalid_json", 200, None),
        ("empty", 200, None),
        ("no_result", 200, None),
        ("rate_limited", 503, "QUERY_LIMIT_EXCEEDED"),
        (PortalError("wrong_client", "It is another's", 200), 200, "wrong_client"),
        (Answer("{}", 418), 418, None),
    ],
    ids=["html", "json", "empty", "no result", "rate", "error", "answer"],
)
def test_spoilt_answers(portal, fault, status, error):
    """A fault of the token endpoint answers there what it answers to a call, and the record tells it."""
    portal.fail_next(fault, endpoint="token")
    assert refresh(portal, portal.issue_token()["refresh_token"]).status == status
    assert [(request.status, request.error) for request in portal.token_requests] == [(status, error)]


def test_a_function_before_a_refresh(portal):
    """A function planned for the token endpoint is called before the request is executed, which is recorded already."""
    seen: list[object] = []

    def look():
        seen.extend((request.status, request.error) for request in portal.token_requests)
        portal.revoke_tokens()

    portal.fail_next(look, endpoint="token")
    assert outcome(refresh(portal, portal.issue_token()["refresh_token"])) == (400, "invalid_grant")
    assert seen == [(None, None)]


def test_after_and_times_count_requests_for_tokens(portal, wire, token):
    """A fault for later requests for tokens counts those alone."""
    portal.fail_next("html_503", endpoint="token", after=1, times=2)
    wire.send("POST", "/rest/echo", **bearer(token))
    assert [refresh(portal, "x").status for _ in range(4)] == [400, 503, 503, 400]


def test_a_slow_answer(portal, clock):
    """The token endpoint may answer later, by the portal's clock."""
    portal.fail_next("slow", endpoint="token", seconds=7)
    refresh(portal, "x")
    assert clock.slept == [7]


def test_there_are_two_endpoints(portal):
    """Any other endpoint is refused, and nothing is planned."""
    with pytest.raises(ValueError, match="rest, token"):
        portal.fail_next("empty", endpoint="oauth")


# Consent


def test_a_user_is_sent_back_with_a_code(portal, wire):
    """The authorization address sends to the application with a good code, its state, and what the portal is."""
    portal.redirect_uri = "https://app.example/back"
    query = urlencode({"client_id": portal.client_id, "state": "a&b=ä"})
    answer = wire.send("GET", f"/oauth/authorize/?{query}")
    address, _, sent = answer.headers["location"].partition("?")
    fields = dict(parse_qsl(sent))
    code = fields.pop("code")
    host = urlsplit(portal.url).netloc
    assert (answer.status, address) == (302, "https://app.example/back")
    assert fields == {
        "state": "a&b=ä",
        "domain": host,
        "member_id": portal.member_id,
        "scope": SCOPES,
        "server_domain": host,
    }
    assert ask(portal, grant(portal, "authorization_code", code=code)).status == 200


def test_a_handler_with_a_query_keeps_it(portal, wire):
    """The fields are added to a query which the handler's address has; a state that was not sent is not made up."""
    portal.redirect_uri = "https://app.example/back?x=1"
    answer = wire.send("GET", f"/oauth/authorize/?client_id={portal.client_id}")
    fields = parse_qs(urlsplit(answer.headers["location"]).query, keep_blank_values=True)
    assert fields["x"] == ["1"]
    assert "state" not in fields


def test_nobody_is_sent_anywhere(portal, wire):
    """Without a handler, and for another application, there is a page and no redirect."""
    answers = [wire.send("GET", f"/oauth/authorize/?client_id={portal.client_id}")]
    portal.redirect_uri = "https://app.example/back"
    answers.append(wire.send("GET", "/oauth/authorize/?client_id=other"))
    assert [answer.status for answer in answers] == [200, 400]
    assert not any("location" in answer.headers for answer in answers)


# The two OAuth servers of Bitrix24

SERVERS = ("oauth.bitrix24.tech", "oauth.bitrix.info")


@pytest.mark.parametrize(
    ("region", "server"), [("ru", SERVERS[0]), ("uz", SERVERS[0]), ("de", SERVERS[1]), ("en", SERVERS[1])]
)
def test_a_portal_of_a_region(region, server):
    """A portal of a region names that region's server in tokens, forms and redirects, and itself as the portal."""
    with Portal(region=region) as portal:
        host = urlsplit(portal.url).netloc
        issued, form, event = portal.issue_token(), portal.placement_form(), portal.event_form("ONCRMDEALADD")
        assert (issued["server_endpoint"], issued["domain"]) == (f"https://{server}/rest/", server)
        assert (form["SERVER_ENDPOINT"], form["DOMAIN"]) == (f"https://{server}/rest/", host)
        assert (event["auth[server_endpoint]"], event["auth[domain]"]) == (f"https://{server}/rest/", host)
        portal.redirect_uri = "https://app.example/back"
        answer = Wire(portal).send("GET", f"/oauth/authorize/?client_id={portal.client_id}")
        fields = parse_qs(urlsplit(answer.headers["location"]).query)
        assert (fields["server_domain"], fields["domain"]) == ([server], [host])


def test_a_form_of_a_portal_elsewhere(portal):
    """A form whose host is replaced names an OAuth server of Bitrix24, as that portal would, or the given one."""
    assert portal.placement_form(DOMAIN="a.example")["SERVER_ENDPOINT"] == f"https://{SERVERS[0]}/rest/"
    fields = {"auth[domain]": "a.example", "auth[server_endpoint]": "x"}
    assert portal.install_form(**fields)["auth[server_endpoint]"] == "x"
    for form in (portal.placement_form(DOMAIN="127.0.0.1:1"), portal.placement_form(DOMAIN=None)):
        assert form["SERVER_ENDPOINT"] == portal.client_endpoint


def test_both_servers(portal, wire):
    """A portal answers for both servers, and notes which one was asked; any other is not found."""
    for server in SERVERS:
        fields = grant(portal, "refresh_token", refresh_token=portal.issue_token()["refresh_token"])
        path = urlsplit(portal.token_urls[server]).path
        assert ask(portal, fields, path).status == 200
    assert [request.server for request in portal.token_requests] == list(SERVERS)
    assert wire.send("POST", "/oauth/oauth.example.com/token/", "").status == 404


# Calls with a token

WAYS = ["Bearer", "bearer", "auth", "access_token", "json"]


def call(wire, way, token, path="/rest/echo", params=None):
    """Call a method with a token in the header, the query or the body."""
    params = dict(params or {"x": "1"})
    head = {"Authorization": f"{way} {token}"} if way.lower() == "bearer" else {}
    if way == "json":
        params["auth"] = token
    query = f"?{way}={token}" if way in ("auth", "access_token") else ""
    return wire.send("POST", path + query, json.dumps(params), Content_Type="application/json", **head)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("suffix", ["", "/", ".json"])
def test_a_good_token(portal, wire, token, way, suffix):
    """A method runs with a token in the header, as auth or as access_token, and does not see it."""
    assert call(wire, way, token, f"/rest/echo{suffix}").result == {"x": "1"}
    assert [command.params for command in portal.executed] == [{"x": "1"}]


@pytest.mark.parametrize("way", WAYS)
def test_expired_and_unknown_tokens(portal, wire, clock, token, way):
    """An expired token is told from an unknown one, both with 401, and nothing is executed."""
    clock.advance(3599)
    assert call(wire, way, token).status == 200
    clock.advance(1)
    answers = [call(wire, way, token), call(wire, way, "unknown")]
    assert [outcome(answer) for answer in answers] == [(401, "expired_token"), (401, "invalid_token")]
    assert answers[0].json["error_description"] == "The access token provided has expired."
    assert len(portal.executed) == 1


def test_the_planned_fault_reads_like_the_real_refusal(portal, wire):
    """The fault expired_token answers what an expired token is answered."""
    late = portal.issue_token(0)["access_token"]
    portal.fail_next("expired_token")
    planned, real = wire.call("echo"), call(wire, "Bearer", late)
    assert (planned.status, planned.json) == (real.status, real.json)


@pytest.mark.parametrize(
    ("header", "query", "status"),
    [
        ("good", "auth=bad&access_token=bad", 200),
        ("bad", "auth=good&access_token=good", 401),
        (None, "auth=good&access_token=bad", 200),
        (None, "auth=bad&access_token=good", 401),
        (None, "auth[]=bad&access_token=good", 200),
        ("Basic", "auth=good", 200),
    ],
)
def test_the_first_credentials_decide(wire, token, header, query, status):
    """The header goes before auth, and auth before access_token, unless it is an array."""
    head = {None: {}, "Basic": {"Authorization": "Basic good"}}.get(header, {"Authorization": f"Bearer {header}"})
    head = {name: value.replace("good", token) for name, value in head.items()}
    assert wire.send("POST", f"/rest/echo?{query}".replace("good", token), **head).status == status


@pytest.mark.parametrize("query", ["auth=", "auth=0", "auth=&access_token=x"])
def test_no_token_at_all(wire, query):
    """An empty text and 0 are no token: the webhook decides then."""
    assert wire.send("POST", f"{wire.path}echo?{query}").status == 200
    assert outcome(wire.send("POST", f"/rest/echo?{query}")) == (401, "NO_AUTH_FOUND")


def test_a_token_at_the_address_of_a_webhook(wire, token):
    """A token decides before the webhook does: even a wrong webhook passes, and its parts are then plain params."""
    assert call(wire, "auth", token, wire.path + "echo").result == {"x": "1", "aplogin": "1", "ap": "sandboxc0de"}
    assert call(wire, "Bearer", token, "/rest/1/wrong/echo").result == {"x": "1", "aplogin": "1", "ap": "wrong"}
    assert outcome(call(wire, "auth", "unknown", wire.path + "echo")) == (401, "invalid_token")


def test_a_method_does_not_see_a_token_it_did_not_need(wire, token):
    """With a token in the header, those in the params are taken away as well."""
    params = {"x": "1", "auth": "a", "access_token": "b", "auth_connector": "c"}
    assert call(wire, "Bearer", token, params=params).result == {"x": "1"}


INNER = "echo?x=1&auth=a&access_token=b&ap=c&aplogin=d&auth_connector=e"
ALL = {"x": "1", "auth": "a", "access_token": "b", "ap": "c", "aplogin": "d", "auth_connector": "e"}


@pytest.mark.parametrize(
    ("way", "gone"),
    [("Bearer", []), ("auth", ["auth"]), ("access_token", ["access_token"]), ("webhook", ["ap", "aplogin"])],
)
def test_credentials_inside_a_batch(wire, token, way, gone):
    """In a command only the names of the outer credentials are taken away; the others are data, never credentials."""
    path = f"{wire.path}batch" if way == "webhook" else "/rest/batch"
    maps = call(wire, way, token, path, {"cmd": {"k": INNER, "n": f"BATCH?cmd[i]={INNER.replace('&', '%26')}"}}).result
    expected = {name: value for name, value in ALL.items() if name not in gone}
    assert maps["result"]["k"] == expected
    assert maps["result"]["n"]["result"]["i"] == expected


def test_a_batch_is_refused_or_runs_as_a_whole(portal, wire, clock, token):
    """The token is checked once, for the whole batch: no command of it is refused for the token."""

    @portal.method("late")
    def late(params):
        clock.advance(7200)

    cmd = {"a": "late", "b": "echo?x=1"}
    maps = call(wire, "Bearer", token, "/rest/batch", {"cmd": cmd}).result
    assert (maps["result"]["b"], maps["result_error"]) == ({"x": "1"}, [])
    assert outcome(call(wire, "Bearer", token, "/rest/batch", {"cmd": cmd})) == (401, "expired_token")
    assert len(portal.executed) == 2


def test_a_raw_request_still_passes(portal):
    """The webhook works beside the tokens."""
    with Raw(portal) as raw:
        assert b"200 OK" in raw.read_whole()[0]


# What the library makes of it


def test_oauth_credentials(portal, clock):
    """The credentials that a portal hands out call it, and renew their token by its clock."""
    with portal.session(portal.oauth()) as b24:
        assert b24.call("echo", {"x": 1}).data == {"x": 1}
        clock.advance(3600)
        assert b24.batch([("echo", {"x": 2})]).data == [{"x": "2"}]
    assert [request.status for request in portal.token_requests] == [200]
    assert [command.params for command in portal.executed] == [{"x": 1}, {"x": "2"}]


def test_options_of_the_credentials(portal):
    """Options of the credentials go through."""
    renewed: list[object] = []
    with portal.session(portal.oauth(on_refresh=renewed.append)) as b24:
        portal.revoke_tokens()
        portal.fail_next(PortalError("invalid_grant", "", 400), endpoint="token")
        with pytest.raises(Exception, match="authorised"):
            b24.call("echo")
        assert renewed == []


# Posts to an application


class Handler(http.server.BaseHTTPRequestHandler):
    """An application that remembers what it got."""

    def do_POST(self):
        """Remember the request and send the client somewhere it must not go."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.got.append((self.path, self.headers["Content-Type"], body))
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *args):
        """Keep quiet."""


@pytest.fixture
def application():
    """A server with the list of what it got."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.got = []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url_of(application):
    """Return its address, which has a query of its own."""
    return f"http://127.0.0.1:{application.server_port}/handler?own=1"


def posted(application):
    """Return query and body of the one request that came."""
    ((path, kind, body),) = application.got
    assert (urlsplit(path).path, kind) == ("/handler", FORM)
    pairs = parse_qsl(body, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(parse_qsl(urlsplit(path).query)), dict(pairs)


def test_a_placement(portal, application, wire):
    """A placement comes as a form, four fields of it in the query, with tokens that are good."""
    answer = portal.post_placement(url_of(application), "CRM_LEAD_DETAIL_TAB", {"ID": "7", "ü": [1]})
    query, body = posted(application)
    access, again = body.pop("AUTH_ID"), body.pop("REFRESH_ID")
    assert (len(query.pop("APP_SID")), answer.status_code) == (32, 302)
    assert query == {"own": "1", "DOMAIN": urlsplit(portal.url).netloc, "PROTOCOL": "0", "LANG": "en"}
    assert json.loads(body.pop("PLACEMENT_OPTIONS")) == {"ID": "7", "ü": [1]}
    assert body == {
        "AUTH_EXPIRES": "3600",
        "SERVER_ENDPOINT": portal.client_endpoint,
        "member_id": portal.member_id,
        "status": "L",
        "PLACEMENT": "CRM_LEAD_DETAIL_TAB",
    }
    assert call(wire, "Bearer", access).status == 200
    assert refresh(portal, again).status == 200


def test_a_placement_without_options(portal):
    """Without options the portal does not send that field at all."""
    form = portal.placement_form()
    assert form["PLACEMENT"] == "CRM_DEAL_DETAIL_TAB"
    assert "PLACEMENT_OPTIONS" not in form


def test_an_installation(portal, application, wire):
    """The event of an installation has both tokens and the application's token in it."""
    portal.post_install(url_of(application))
    query, body = posted(application)
    access, again = body.pop("auth[access_token]"), body.pop("auth[refresh_token]")
    assert query == {"own": "1"}
    assert body == {
        "event": "ONAPPINSTALL",
        "event_handler_id": "1",
        "data[VERSION]": "1",
        "data[ACTIVE]": "Y",
        "data[INSTALLED]": "Y",
        "data[LANGUAGE_ID]": "en",
        "ts": str(int(START)),
        "auth[expires]": str(int(START) + 3600),
        "auth[expires_in]": "3600",
        "auth[scope]": SCOPES,
        "auth[domain]": urlsplit(portal.url).netloc,
        "auth[server_endpoint]": portal.client_endpoint,
        "auth[status]": "L",
        "auth[client_endpoint]": portal.client_endpoint,
        "auth[member_id]": portal.member_id,
        "auth[user_id]": "1",
        "auth[application_token]": portal.application_token,
    }
    assert call(wire, "Bearer", access).status == 200
    assert refresh(portal, again).status == 200


def test_an_event(portal, application, wire):
    """Nested data is flat in an event, as PHP writes it, and there is no refresh token."""
    data = {"FIELDS": {"ID": 7, "A": [True, False, None, [], "ä&b"]}}
    portal.post_event(url_of(application), "ONCRMDEALADD", data)
    _, body = posted(application)
    assert {name: value for name, value in body.items() if name.startswith("data")} == {
        "data[FIELDS][ID]": "7",
        "data[FIELDS][A][0]": "1",
        "data[FIELDS][A][1]": "0",
        "data[FIELDS][A][4]": "ä&b",
    }
    assert set(portal.install_form()) - set(body) - {"auth[refresh_token]"} == {
        f"data[{name}]" for name in ("VERSION", "ACTIVE", "INSTALLED", "LANGUAGE_ID")
    }
    assert (body["event"], body["auth[application_token]"]) == ("ONCRMDEALADD", portal.application_token)
    assert "auth[refresh_token]" not in body
    assert call(wire, "Bearer", body["auth[access_token]"]).status == 200


def test_fields_can_be_wrong(portal, application):
    """Single fields of a form are replaced, added, or left out for None; the query's too."""
    portal.post_placement(url_of(application), DOMAIN="evil.example", LANG=None, AUTH_ID=None, more=5)
    query, body = posted(application)
    assert (query["DOMAIN"], "LANG" in query, "AUTH_ID" in body, body["more"]) == ("evil.example", False, False, "5")
    install = portal.install_form(**{"auth[application_token]": "wrong", "auth[member_id]": None})
    assert (install["auth[application_token]"], "auth[member_id]" in install) == ("wrong", False)
    assert portal.event_form("X", **{"auth[refresh_token]": "y"})["auth[refresh_token]"] == "y"


def test_posts_take_no_proxy(portal, application, monkeypatch):
    """A post to an application goes straight there, whatever the environment says of proxies."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert portal.post_install(url_of(application)).status_code == 302


def test_addresses_need_a_started_portal():
    """A portal that was never started has no addresses."""
    portal = Portal()
    for name in ("client_endpoint", "token_url"):
        with pytest.raises(RuntimeError):
            getattr(portal, name)


def test_tokens_outlive_a_restart(portal):
    """A portal that was closed and started again knows its tokens."""
    token = portal.issue_token()["access_token"]
    portal.close()
    with contextlib.closing(portal.start()):
        assert call(Wire(portal), "Bearer", token).status == 200
