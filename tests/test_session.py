"""The session: where it calls, what it sends along, what it refuses, and what it never shows."""

import copy
import inspect
import os
import pickle
import re
import signal
import socket
import threading
import time
import traceback
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from canary import assert_hidden
from drawing import together

from b24batch import LeakyBucket, PortalMoved, RetryPolicy, SdkError, Session, UsageError, Webhook
from b24batch.options import Options
from b24batch.sandbox import Answer, FakeClock, Portal
from b24batch.wire import own_http

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CODE = "k7secretcode"
GOOD_URLS = [
    "https://example.bitrix24.com/rest/1/k7secretcode/",
    "https://example.bitrix24.com/rest/1/k7secretcode",
    "https://example.bitrix24.com/rest/1/k7secretcode/profile.json",
    "https://example.bitrix24.com/rest/1/k7secretcode/profile.json/",
    "https://example.bitrix24.com/rest/1/k7secretcode/crm.deal.list",
    "  https://EXAMPLE.bitrix24.com:443/rest/1/k7secretcode/\n",
]
BAD_URLS = [
    pytest.param("https://example.bitrix24.com/1/k7secretcode/", "does not contain /rest/", id="no rest"),
    pytest.param("https://example.bitrix24.com/rest/k7secretcode", "does not contain /rest/", id="no user"),
    pytest.param("https://example.bitrix24.com/rest/1/", "does not contain /rest/", id="no code"),
    pytest.param("https://example.bitrix24.com/rest/1/k7secretcode/a/b", "does not contain /rest/", id="too long"),
    pytest.param("https://example.bitrix24.com/rest/api/1/k7secretcode/", "REST version 3", id="version 3"),
    pytest.param("example.bitrix24.com/rest/1/k7secretcode/", "does not start with https://", id="no scheme"),
    pytest.param("ftp://example.bitrix24.com/rest/1/k7secretcode/", "does not start with https://", id="ftp"),
    pytest.param("https:///rest/1/k7secretcode/", "has no host", id="no host"),
    pytest.param(
        "https://me:k7secretcode@example.com/rest/1/k7secretcode/", "user name before its host", id="userinfo"
    ),
    pytest.param("https://example.com/rest/1/k7secretcode/?auth=x", "question mark", id="query"),
    pytest.param("https://example.com/rest/1/k7secretcode/#x", "question mark or a #", id="fragment"),
    pytest.param("https://example.com/rest/1/k7 secretcode/", "contains a space", id="space"),
    pytest.param("https://example.com/rest/1/k7\nsecretcode/", "contains a space", id="line break"),
    pytest.param("https://example.com:k7secretcode/rest/1/x/", "invalid host or port", id="bad port"),
    pytest.param("https://[k7secretcode/rest/1/x/", "invalid host or port", id="bad host"),
    pytest.param("", "does not start with https://", id="empty"),
]


@pytest.mark.parametrize("url", GOOD_URLS)
def test_a_pasted_url(url):
    """A webhook URL may lack its last slash, or have the sample method behind it."""
    b24 = Session(url)
    assert b24.auth.access().url("batch").reveal() == "https://example.bitrix24.com/rest/1/k7secretcode/batch"
    assert repr(b24) == "<Session on example.bitrix24.com>"


@pytest.mark.parametrize("suffix", ["", "/", "/profile.json", "/profile.json/"])
def test_a_pasted_url_works(portal, suffix):
    """Each of those forms reaches the portal."""
    with Session(portal.url.rstrip("/") + suffix) as b24:
        assert b24.call("echo", {"a": 1}).data == {"a": 1}


@together(("url", "message"), BAD_URLS)
@pytest.mark.parametrize("make", [Session, Webhook])
def test_a_bad_url(make, url, message):
    """A wrong URL is refused with what is wrong about it, and its code appears in no part of the error."""
    try:
        make(url)
    except UsageError as error:
        caught = error
    assert message in str(caught)
    assert_no_secret(caught)


@pytest.mark.parametrize("portal", [None, 5, GOOD_URLS[0].encode(), [GOOD_URLS[0]], urlsplit(GOOD_URLS[0])], ids=repr)
def test_no_url_at_all(portal):
    """Something that is neither a URL nor credentials is refused, and not shown."""
    with pytest.raises(UsageError, match="portal: expected a webhook URL as a string, a Webhook or an OAuth, got "):
        Session(portal)
    try:
        Session(portal)
    except UsageError as error:
        assert_no_secret(error)


@pytest.mark.parametrize("url", [None, 5, GOOD_URLS[0].encode()], ids=repr)
def test_no_url_for_a_webhook(url):
    """A webhook says of which type it was given something instead of its URL."""
    with pytest.raises(UsageError, match=f"; this one is of type {type(url).__name__}$"):
        Webhook(url)


#: What a session does if it is not told otherwise, as the documentation promises.
DEFAULTS = {
    "timeout": (10.0, 75.0),
    "deadline": 120.0,
    "max_answer": 256_000_000,
    "retries": RetryPolicy(attempts=5, wait_initial=1.0, wait_max=30.0, total_wait=120.0),
    "max_wait": None,
    "operating_wait": 660.0,
    "idempotent_methods": frozenset(),
    "allow_http": False,
    "http": None,
    "on_wait": None,
    "redact_urllib3_log": True,
    "clock": time,
}
OF_A_RUN = {"halt_on_error": True, "stop_on_error": False, "chunk_size": 50, "request_id": None}
OF_A_LIST = {
    **dict.fromkeys(["params", "id_key", "cursor_id_key", "result_key", "paging", "request_id", "limit"]),
    "pages_per_request": 50,
    "descending": False,
}
OF_METHODS = {
    "call": dict.fromkeys(["params", "request_id", "idempotent"]),
    "batch": {"halt_on_error": True, "return_ajax_result": False, "request_id": None},
    "batch_by_chunk": {**OF_A_RUN, "progress": None},
    "stream_batch": OF_A_RUN,
    "call_list": {**OF_A_LIST, "progress": None},
    "fetch_list": OF_A_LIST,
}


def test_the_defaults_of_the_options():
    """Each option has the default that is documented."""
    b24 = Session(GOOD_URLS[0])
    assert {name: getattr(b24, name) for name in DEFAULTS} == DEFAULTS
    assert (b24.limits.capacity, b24.limits.leak_rate, b24.limits.clock) == (50, 2.0, time)


@pytest.mark.parametrize("method", OF_METHODS)
def test_the_defaults_of_a_method(method):
    """Each argument of a session's method has the default that is documented."""
    arguments = inspect.signature(getattr(Session, method)).parameters.values()
    found = {each.name: each.default for each in arguments if each.default is not each.empty}
    assert {name: found.get(name, "missing") for name in OF_METHODS[method]} == OF_METHODS[method]


@pytest.mark.parametrize("wrong", [GOOD_URLS[0] + "crm.deal.list", GOOD_URLS[1]], ids=repr)
def test_a_url_where_none_belongs(b24, wrong):
    """A URL passed for a method, for calls or for a name is refused without its code."""
    for send in (b24.call, b24.batch, lambda each: b24.batch([(each,)]), lambda each: b24.batch([("echo", each)])):
        with pytest.raises(UsageError) as caught:
            send(wrong)
        assert CODE not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["example.com", "10.0.0.1", "127.0.0.1.example.com", "localhost.example.com", "127.0.0.999"]
)
def test_http_is_refused(host):
    """Unencrypted credentials go to loopback only, unless the caller insists."""
    url = f"http://{host}/rest/1/{CODE}/"
    with pytest.raises(UsageError, match="use https, or pass allow_http=True"):
        Session(url)
    assert Session(url, allow_http=True).auth.scheme == "http"
    with pytest.raises(UsageError, match="use https"):
        Session(Webhook(url))


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:8124", "127.8.8.8", "[::1]:80", "[0:0:0:0:0:0:0:1]", "portal.localhost"]
)
def test_http_to_loopback(host):
    """Loopback needs no encryption."""
    assert Session(f"http://{host}/rest/1/{CODE}/").auth.scheme == "http"


BAD_OPTIONS = [
    {"timeout": 0},
    {"timeout": -1},
    {"timeout": "10"},
    {"timeout": (1, 2, 3)},
    {"timeout": (1, None)},
    {"timeout": None},
    {"timeout": float("inf")},
    {"deadline": 0},
    {"deadline": None},
    {"deadline": float("nan")},
    {"max_wait": -1},
    {"max_wait": "1"},
    {"idempotent_methods": "crm.deal.add"},
    {"idempotent_methods": None},
    {"clock": "now"},
]


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=repr)
def test_a_bad_option(options):
    """An option that cannot be is refused when the session is made."""
    with pytest.raises(UsageError):
        Session(GOOD_URLS[0], **options)


@pytest.mark.parametrize(
    "options",
    [
        {"retries": 3},
        {"retries": None},
        {"limits": 5},
        {"http": "proxy"},
        {"on_wait": 5},
        {"on_request": "print"},
    ],
    ids=repr,
)
def test_an_option_of_another_type(options):
    """An option of another type is refused when the session is made, not when it is used."""
    with pytest.raises(TypeError):
        Session(GOOD_URLS[0], **options)


@pytest.mark.parametrize("flag", [None, "false", 0, 1, "N"], ids=repr)
def test_a_flag_that_is_none(portal, b24, flag):
    """A flag is True or False: the text "false" would halt, and None would be anybody's guess."""
    for send in (b24.batch, b24.batch_by_chunk, b24.stream_batch):
        with pytest.raises(UsageError, match="expected True or False, got "):
            send([("echo",)], halt_on_error=flag)
    with pytest.raises(UsageError, match="expected True or False"):
        b24.batch_by_chunk([("echo",)], stop_on_error=flag)
    with pytest.raises(UsageError, match="expected True or False"):
        b24.batch([("echo",)], return_ajax_result=flag)
    with pytest.raises(UsageError, match="expected True or False"):
        b24.with_options(allow_http=flag)
    assert portal.requests == []


def test_an_unknown_option():
    """An option nobody knows is refused, not ignored."""
    with pytest.raises(TypeError, match="halt"):
        Session(GOOD_URLS[0], halt=True)


def test_options_have_no_second_thoughts(b24):
    """Options hold as given: a session cannot be changed, only varied."""
    with pytest.raises(AttributeError):
        b24.timeout = 5
    assert b24.with_options(timeout=5).timeout == (5.0, 5.0)


def test_what_a_request_looks_like(portal, b24):
    """One POST of JSON, named after the library; the request id is a header and never a parameter."""
    b24.batch([("echo", {"a": 1})], request_id="my trace")
    (request,) = portal.requests
    assert (request.method, request.verb) == ("batch", "POST")
    assert request.params == {"halt": 1, "cmd": ["echo?a=1"]} or request.params["cmd"] == {"0": "echo?a=1"}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-request-id"] == "my trace"
    assert re.fullmatch(r"b24batch/\d+\.\d+\.\d+", request.headers["user-agent"])
    assert not {"authorization", "cookie"} & request.headers.keys()


def test_a_library_that_is_not_installed(portal, b24, monkeypatch):
    """The library's own folder on the path, without an installation, has no version to tell, and works."""

    def find_none(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(own_http, "version", find_none)
    own_http._user_agent.cache_clear()
    b24.call("echo")
    own_http._user_agent.cache_clear()
    assert portal.requests[0].headers["user-agent"] == "b24batch"


def test_request_ids(portal, b24):
    """A run's requests are id, id/2, ...; without an id each run has a UUID; a retry keeps its id."""
    b24.batch_by_chunk([("echo",)] * 3, chunk_size=1, request_id="run")
    b24.call("echo")
    b24.call("echo")
    portal.fail_next("rate_limited")
    b24.call("echo", request_id="x" * 128)
    ids = [request.headers["x-request-id"] for request in portal.requests]
    assert ids[:3] == ["run", "run/2", "run/3"]
    assert all(UUID.fullmatch(own) for own in ids[3:5])
    assert ids[3] != ids[4]
    assert ids[5:] == ["x" * 128] * 2
    b24.call("echo", request_id="1")
    assert portal.requests[-1].headers["x-request-id"] == "1"


def test_ten_thousand_commands(portal, b24):
    """10,000 commands are 200 requests on one connection."""
    result = b24.batch_by_chunk([("echo", {"n": n}) for n in range(10_000)])
    assert result.is_success
    assert result.data == [{"n": str(n)} for n in range(10_000)]
    assert len(portal.requests) == 200
    assert {request.connection for request in portal.requests} == {1}


def test_siblings_share_connections_and_limits(portal):
    """`with_options` gives other options over the same connections and limits, and leaves the first as it was."""
    b24 = portal.session(limits=LeakyBucket())
    patient = b24.with_options(timeout=5, retries=RetryPolicy(attempts=9))
    assert (patient.retries.attempts, b24.retries.attempts, patient.limits is b24.limits) == (9, 5, True)
    b24.call("echo")
    patient.call("echo")
    patient.with_options(max_wait=1).call("echo")
    assert {request.connection for request in portal.requests} == {1}
    assert b24.with_options(limits=None).limits is None
    assert b24.with_options(timeout=5).http is None
    unsafe = Session(f"http://example.com/rest/1/{CODE}/", allow_http=True)
    with pytest.raises(UsageError, match="use https"):
        unsafe.with_options(allow_http=False)
    with pytest.raises(UsageError):
        b24.with_options(timeout=-1)


def test_a_closed_session_opens_again(portal, b24):
    """`close` and the end of a with block drop the connection; a later call opens a new one."""
    b24.call("echo")
    b24.close()
    with b24 as same:
        assert same is b24
        b24.call("echo")
    b24.call("echo")
    assert [request.connection for request in portal.requests] == [1, 2, 3]


def test_idle_connections_are_dropped(portal):
    """A connection idle for over 10 seconds is not used again: the portal may be closing it just then."""
    clock = FakeClock()
    b24 = portal.session(clock=clock)
    b24.call("echo")
    clock.advance(10.0)
    b24.call("echo")
    clock.advance(10.1)
    b24.call("echo")
    assert [request.connection for request in portal.requests] == [1, 1, 2]


def test_many_threads_share_a_session(portal, b24):
    """32 threads on one session get each their own answers, over at most 32 connections."""
    wrong = []

    def work(thread):
        for n in range(20):
            answer = b24.call("echo", {"n": f"{thread}.{n}"}).data
            wrong.extend([answer] if answer != {"n": f"{thread}.{n}"} else [])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(portal.requests) == 640
    assert len({request.connection for request in portal.requests}) <= 32


def test_cookies_are_not_kept(portal, b24):
    """What a portal sets as a cookie is not sent back."""
    portal.fail_next(Answer('{"result": 1}', 200, {"Set-Cookie": "a=b"}))
    b24.call("echo")
    b24.call("echo")
    assert "cookie" not in portal.requests[-1].headers


def test_netrc_is_not_read(portal, b24, tmp_path, monkeypatch):
    """A password that .netrc has for the portal's host is not sent along."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert b24.call("echo").is_success
    assert "authorization" not in portal.requests[-1].headers


@together("status", [301, 302, 303, 307, 308])
@together(
    ("location", "host"),
    [
        ("https://new.example.com/rest/1/k7secretcode/batch", "new.example.com"),
        ("https://me:k7secretcode@new.example.com:8443/x", "new.example.com:8443"),
        ("/rest/1/k7secretcode/", ""),
        ("https://[bad", ""),
        ("", ""),
    ],
)
def test_redirects_are_not_followed(portal, b24, status, location, host):
    """A redirect is an error that names the new host only; nothing is sent there or executed."""
    portal.fail_next(Answer("", status, {"Location": location} if location else {}))
    with pytest.raises(PortalMoved) as caught:
        b24.call("crm.deal.list")
    assert (caught.value.host, caught.value.http_status) == (host, status)
    assert caught.value.description == f"the portal answers at {host or 'another address'}"
    assert len(portal.requests) == 1
    assert_no_secret(caught.value)


def test_ones_own_requests_session(portal):
    """A caller's own requests.Session is used as it is, and `close` leaves it open."""
    http = requests.Session()
    http.headers["X-Mine"] = "yes"
    b24 = portal.session(http=http)
    b24.call("echo")
    b24.close()
    b24.with_options(timeout=3).call("echo")
    assert [request.headers["x-mine"] for request in portal.requests] == ["yes", "yes"]
    assert {request.connection for request in portal.requests} == {1}


def test_sessions_are_not_pickled(b24):
    """A session holds sockets and a secret: it is made where it is used."""
    for how in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot pickle a Session"):
            how(b24)
    with pytest.raises(TypeError, match="cannot pickle a Secret"):
        pickle.dumps(b24.auth)


def test_sessions_of_one_portal_share_its_limits():
    """Sessions on one host and port share one bucket; another port, a given bucket or None does not."""
    first, same = Session(GOOD_URLS[0]), Session(GOOD_URLS[-1])
    assert first.limits is same.limits
    assert Session("https://example.bitrix24.com:8443/rest/1/x/").limits is not first.limits
    assert Session(GOOD_URLS[0], clock=FakeClock()).limits is not first.limits
    assert Session(GOOD_URLS[0], limits=None).limits is None
    own = LeakyBucket.enterprise()
    assert Session(GOOD_URLS[0], limits=own).limits is own


def test_the_rate_is_kept_by_default(portal):
    """A session paces itself: 49 requests at once, then two a second."""
    clock = FakeClock()
    b24 = Session(portal.url, clock=clock)
    b24.batch_by_chunk([("echo",)] * 52, chunk_size=1)
    assert clock.slept == [0.5, 0.5, 0.5]


def shown_everywhere(value):
    """All ways in which a value can end up in somebody's text."""
    yield repr(value)
    yield str(value)
    yield f"{value}"
    yield repr(getattr(value, "__dict__", ""))


def assert_no_secret(error):
    """Fail when the webhook code is in an error, its attributes, its causes or the locals of its traceback."""
    stack = [error]
    while stack:
        each = stack.pop()
        stack += [inner for inner in (each.__cause__, each.__context__) if inner is not None]
        assert all(CODE not in text for text in shown_everywhere(each))
        assert_no_secret_in_frames(each)
    assert CODE.encode() not in pickle.dumps(error)


def test_the_code_is_in_no_repr():
    """The webhook code is in no repr and no text of any part of a session."""
    b24 = Session(GOOD_URLS[0])
    things = [
        b24,
        b24.auth,
        b24.auth.access().url("batch"),
        b24._transport,
        b24._transport.connections,
        b24.limits,
        b24.retries,
    ]
    for thing in things:
        assert all(CODE not in text for text in shown_everywhere(thing))


def unanswered(fault):
    """The error of a call whose request meets `fault`, on a portal whose URL has the code to look for."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=fault, args=(server,), daemon=True)
        thread.start()
        b24 = Session(
            f"http://127.0.0.1:{port}/rest/1/{CODE}/", timeout=0.3, retries=RetryPolicy(attempts=1), limits=None
        )
        try:
            b24.call("crm.deal.list")
        except SdkError as error:
            return error
        finally:
            b24.close()
            thread.join()


def hang_up(server):
    server.accept()[0].close()


def answer(text):
    def send(server):
        connection = server.accept()[0]
        connection.recv(65536)
        connection.sendall(text)
        connection.close()

    return send


def keep_silent(server):
    connection = server.accept()[0]
    while connection.recv(65536):
        pass
    connection.close()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(hang_up, id="hang up"),
        pytest.param(lambda server: server.close(), id="refused"),
        pytest.param(keep_silent, id="silence"),
        pytest.param(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), id="cut"),
        pytest.param(answer(b"garbage\r\n\r\n"), id="garbage"),
        pytest.param(
            answer(b"HTTP/1.1 401 No\r\nContent-Length: 31\r\n\r\n" + b'{"error":"INVALID_CREDENTIALS"}'), id="401"
        ),
    ],
)
def test_the_code_is_in_no_error(fault):
    """After a failure the code is in no text, attribute, cause, traceback local or pickle of the error."""
    error = unanswered(fault)
    assert_no_secret(error)
    assert isinstance(error, SdkError)


def test_ctrl_c_shows_no_secret(portal):
    """The traceback of Ctrl-C in the middle of a request ends in our frames, where no address is."""
    gate = threading.Event()

    @portal.method("press")
    def press(params):
        os.kill(os.getpid(), signal.SIGINT)
        gate.wait(10)

    b24 = portal.session()
    with pytest.raises(KeyboardInterrupt) as caught:
        b24.batch_by_chunk([("press",)])
    gate.set()
    assert_hidden([portal.url.rstrip("/").rpartition("/")[2]], caught.value)
    assert [row.status for row in caught.value.result] == ["unknown"]


def test_ctrl_c_while_an_error_is_handled_shows_no_secret():
    """An interrupt in the middle of another error does not carry that error, whose text is the address."""

    class Unlucky(requests.Session):
        def post(self, url, **options):
            try:
                raise requests.ConnectionError(f"no way to {url}")
            except requests.ConnectionError:
                raise KeyboardInterrupt  # noqa: B904  as Ctrl-C comes, unasked

    b24 = Session(f"https://example.com/rest/1/{CODE}/", http=Unlucky(), limits=None)
    with pytest.raises(KeyboardInterrupt) as caught:
        b24.batch_by_chunk([("crm.deal.add", {})])
    assert_hidden([CODE], caught.value)


def test_a_proxy_is_no_way_to_this_machine(portal, monkeypatch):
    """The environment's proxy is not used for a portal on loopback, whose credentials stay on this machine."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert portal.session().call("echo", {"a": 1}).data == {"a": 1}


def assert_no_secret_in_frames(error):
    frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    ours = [frame for frame in frames if Path(frame.filename).name != Path(__file__).name]
    assert CODE not in str([frame.locals for frame in ours])


def test_one_portal_each():
    """Two portals do not mix: each has its own requests."""
    with Portal() as first, Portal() as second:
        first.session().call("server.time")
        assert (len(first.requests), len(second.requests)) == (1, 0)


def test_a_short_way_to_requests(portal):
    """A call passes at most four functions of ours before it reaches requests."""
    passed = []

    class Looking(requests.Session):
        def post(self, url, **options):
            frames = traceback.walk_stack(None)
            passed.extend(
                frame.f_code.co_name for frame, _ in frames if f"b24batch{os.sep}" in frame.f_code.co_filename
            )
            return super().post(url, **options)

    portal.session(http=Looking()).call("server.time")
    assert 1 < len(passed) <= 4


@pytest.mark.parametrize("option", ["deadline", "max_answer", "operating_wait", "allow_http", "redact_urllib3_log"])
def test_an_invalid_option_is_named(portal, option):
    """The message of an invalid option says which one it is, when a session is made and when it is varied."""
    with portal.session() as b24, pytest.raises(UsageError, match=f"{option}: expected "):
        b24.with_options(**{option: "x"})
    with pytest.raises(UsageError, match=f"{option}: expected "):
        portal.session(**{option: "x"})


@pytest.mark.parametrize("option", Options.__annotations__)
def test_every_option_is_an_attribute(portal, option):
    """An option of a session is documented, has a default, and is an attribute that can be read and not set."""
    assert re.search(rf"^ +{option}: ", Session.__doc__, re.MULTILINE)
    with portal.session() as b24:
        assert getattr(b24, option) == getattr(b24.with_options(), option)
        with pytest.raises(AttributeError):
            setattr(b24, option, None)


def test_an_unknown_option_is_named(b24):
    """An option that does not exist is refused by its name, with those there are."""
    with pytest.raises(TypeError, match=r"Session has no option 'foo'; expected timeout, .*clock"):
        b24.with_options(foo=1)
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'foo'.*; expected timeout, .*clock"):
        Session("https://example.com/rest/1/code/", foo=1)
    with pytest.raises(TypeError, match=r"'progress'.*; expected request_id, idempotent"):
        b24.call("echo", progress=True)
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'method'$"):
        b24.call()
