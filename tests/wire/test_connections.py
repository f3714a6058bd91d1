"""Connections: kept alive, given up in time, and watched for whether a request left."""

import contextlib
import gc
import gzip
import socket
import threading
import time

import gates
import pytest
import requests
from urllib3.util import Retry, connection

from b24batch import AjaxError, AnswerLost, NotSent, RetryPolicy, Session, UsageError
from b24batch.sandbox import Answer, PortalError
from b24batch.wire.adapter import TrackingAdapter
from b24batch.wire.delivery import Delivery, get_time_left
from b24batch.wire.messages import Post
from b24batch.wire.own_http import OwnHttp

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"result":1}'


class Server:
    """A raw server on loopback: `serve` gets each connection, in its order, with the server."""

    def __init__(self, serve):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/rest/1/code/"
        self.serve, self.done, self.connections = serve, threading.Event(), 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self.serve(self, connection)
            self.done.set()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


def session(server, **options):
    return Session(server.url, **{"limits": None, "retries": RetryPolicy(attempts=1), **options})


def with_tls(server, **options):
    url = server.url.replace("http:", "https:")
    return Session(url, limits=None, retries=RetryPolicy(attempts=1), **options)


def answer_once(server, connection):
    gates.read_request(connection)
    connection.sendall(ANSWER)


def answer_and_reset(server, connection):
    answer_once(server, connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, gates.RESET)


@pytest.mark.parametrize("serve", [answer_once, answer_and_reset])
def test_a_connection_closed_while_idle(serve):
    """A kept-alive connection that the portal closed or reset meanwhile is replaced, and no write is lost for it."""
    with Server(serve) as server:
        b24 = session(server)
        for n in range(1, 4):
            assert b24.call("crm.deal.add").data == 1
            assert server.done.wait(5)
            server.done.clear()
            assert server.connections == n


def stop_reading(server, connection):
    connection.recv(1024)
    server.release.wait(5)


def close_unread(server, connection):
    connection.recv(1024)


@pytest.mark.parametrize("serve", [stop_reading, close_unread])
def test_a_large_body_that_is_not_read(serve):
    """A portal that stops reading, or hangs up, in the middle of 8 MB leaves the call unknown."""
    with Server(serve) as server:
        server.release = threading.Event()
        with pytest.raises(AnswerLost):
            session(server, timeout=0.25).call("disk.upload", {"content": "x" * 8_000_000})
        server.release.set()


def refuse_early(server, connection):
    connection.recv(1024)
    connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
    while connection.recv(1 << 20):
        pass


def test_an_answer_before_the_body_was_read():
    """An early 413 is read as the answer that it is."""
    with Server(refuse_early) as server, pytest.raises(AnswerLost, match=r"HTTP 413.*is this the portal's address"):
        session(server).call("disk.upload", {"content": "x" * 8_000_000})


@pytest.mark.parametrize("size", [100, 65_000, 70_000, 300_000])
def test_a_body_of_any_size(b24, size):
    """A body arrives whole, whether it is sent together with the headers or after them."""
    assert b24.call("echo", {"a": "x" * size}).data == {"a": "x" * size}


@pytest.mark.parametrize("host", ["[::1%25nowhere]", "a..b", "x" * 70])
def test_a_host_that_cannot_be_found(host):
    """A host without an address was certainly not reached."""
    b24 = Session(f"https://{host}/rest/1/code/", limits=None, retries=RetryPolicy(attempts=1))
    with pytest.raises(NotSent):
        b24.call("crm.deal.add")


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_an_address_that_can_never_work(clock, host):
    """An address that requests or the lookup of names refuses is not tried again."""
    b24 = Session(f"https://{host}/rest/1/code/", limits=None, clock=clock)
    with pytest.raises(NotSent) as caught:
        b24.call("crm.deal.add")
    assert (caught.value.code, clock.slept) == ("BAD_ADDRESS", [])


def test_a_missing_ca_bundle(portal, clock, monkeypatch):
    """Without its CA bundle a request is not sent, nor tried again."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    b24 = Session(portal.url.replace("http:", "https:"), limits=None, clock=clock)
    with pytest.raises(NotSent, match="the certificate is not trusted or could not be verified") as caught:
        b24.call("crm.deal.add")
    assert (caught.value.code, clock.slept) == ("BAD_CERTIFICATE", [])


def test_no_handshake_after_the_deadline(clock, monkeypatch):
    """If the deadline passes while a connection is made, no TLS handshake begins."""
    connect, seen = connection.create_connection, []

    def connect_slowly(*args, **options):
        made = connect(*args, **options)
        clock.advance(6.0)
        return made

    monkeypatch.setattr(connection, "create_connection", connect_slowly)
    with Server(lambda server, connected: seen.append(connected.recv(1))) as server:
        with pytest.raises(NotSent):
            with_tls(server, deadline=5.0, clock=clock).call("echo")
        assert server.done.wait(20)
    assert seen == [b""]


def test_the_next_address(portal, monkeypatch):
    """The addresses of a host are tried in turn, until one takes the connection."""
    lookup, addresses = socket.getaddrinfo, ["127.0.0.2", "127.0.0.1", "127.0.0.2"]

    def find(host, *more):
        return [each for one in addresses for each in lookup(one if host == "p.test" else host, *more)]

    monkeypatch.setattr(socket, "getaddrinfo", find)
    url = portal.url.replace("127.0.0.1", "p.test")
    with Session(url, allow_http=True, limits=None, retries=RetryPolicy(attempts=1)) as b24:
        assert b24.call("server.time").is_success


@pytest.mark.parametrize(("proxy", "sent"), [("socks5://", True), ("SOCKS5h://", True), ("http://", False)])
def test_a_socks_proxy(proxy, sent):
    """Through a SOCKS proxy every request counts as sent, since its connections are not the library's."""
    delivery = Delivery(time.monotonic, 5.0, False)
    request = requests.Request("POST", "http://portal.test/").prepare()
    timeouts, proxies = delivery.make_timeouts(5.0, 5.0), {"http": f"{proxy}127.0.0.1:1"}
    with pytest.raises(requests.RequestException):
        TrackingAdapter().send(request, timeout=timeouts, proxies=proxies)
    assert delivery.sent is sent


def drip(server, connection):
    gates.read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    try:
        while not server.release.wait(0.001):
            connection.sendall(b" ")
            server.clock.advance(5)
    except OSError:
        return


def test_the_deadline_for_a_whole_answer(clock):
    """An answer that drips, each byte in time, ends at the deadline."""
    with Server(drip) as server:
        server.release, server.clock = threading.Event(), clock
        with pytest.raises(AnswerLost, match=r"the answer took more than 60 s") as caught:
            session(server, deadline=60, timeout=50, clock=clock).call("crm.deal.list")
        server.release.set()
    assert clock.monotonic() >= 60
    assert caught.value.http_status == 200


def take_time(server, connection):
    server.received = 0
    while part := connection.recv(65536):
        server.received += len(part)
        server.clock.advance(1.0)


def test_the_deadline_of_a_large_body(clock):
    """Of a body that takes longer than the deadline the rest is not sent."""
    with Server(take_time) as server:
        server.clock = clock
        with pytest.raises(AnswerLost, match="the answer took more than 30 s"):
            session(server, deadline=30, clock=clock).call("disk.upload", {"content": "x" * 30_000_000})
        assert server.done.wait(20)
    assert server.received < 25_000_000


def stop_answering(server, connection):
    gates.read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    server.clock.advance(200)
    with contextlib.suppress(ConnectionError):
        connection.sendall(b"0123456789")
        server.then = connection.recv(1)


def test_the_connection_of_a_late_answer(clock):
    """A connection is closed at once if its answer was not read to the end."""
    with Server(stop_answering) as server:
        server.clock, server.then = clock, b""
        b24 = session(server, clock=clock)
        with pytest.raises(AnswerLost):
            b24.call("crm.deal.add")
        assert server.done.wait(20)
    assert server.then == b""


def test_the_size_of_an_answer(portal):
    """An answer may have just `max_answer` bytes, counted after it is unpacked."""
    body = b'{"result": 1}'
    for answer in (Answer(body), Answer(gzip.compress(body), headers={"Content-Encoding": "gzip"})):
        portal.fail_next(answer, times=2)
        assert portal.session(max_answer=len(body)).call("crm.deal.add").data == 1
        with pytest.raises(AnswerLost, match="the answer has more than 12 bytes"):
            portal.session(max_answer=len(body) - 1).call("crm.deal.add")


def test_the_time_that_is_left(clock):
    """A step of a request takes its own timeout at most, and what is left; at the deadline nothing is left."""
    delivery = Delivery(clock.monotonic, 5.0, False)
    timeout, _ = delivery.make_timeouts(3.0, 9.0)
    found = []
    for seconds in (0.0, 1.5, 1.5, 1.5):
        clock.advance(seconds)
        found.append((get_time_left(timeout), delivery.is_late))
    assert found == [(3.0, False), (3.0, False), (2.0, False), (0.5, False)]
    clock.advance(0.5)
    assert delivery.is_late
    with pytest.raises(TimeoutError):
        get_time_left(timeout)
    assert (get_time_left(7.5), get_time_left(None)) == (7.5, None)  # of another program's request


def keep_silent(server, connection):
    gates.read_request(connection)
    server.release.wait(5)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"timeout": (5, 0.2)}, {"timeout": 5, "deadline": 0.2}], ids=repr)
def test_the_read_time_out(options):
    """A portal that says nothing is given up after the read time-out, and never after the deadline."""
    with Server(keep_silent) as server:
        server.release = threading.Event()
        with pytest.raises(AnswerLost, match="ReadTimeout"):
            session(server, **options).call("crm.deal.list")
        server.release.set()


IGNORING = {"respect_retry_after_header": False}
REPEATING = {
    "every method, by status": Retry(3, allowed_methods=None, status_forcelist=[502]),
    "every method, by a lost answer": Retry(3, allowed_methods=None),
    "POST by name": Retry(2, allowed_methods=["POST"], status_forcelist=[503]),
    "TLS that breaks after the request": Retry(3),
    "POST by a Retry-After": Retry(3, read=0, other=0, allowed_methods=["POST"]),
    "the first status": Retry(3, read=0, other=0, allowed_methods=["POST"], status_forcelist=[400], **IGNORING),
    "the last status": Retry(3, read=0, other=0, allowed_methods=["POST"], status_forcelist=[599], **IGNORING),
}
SAFE = {
    "none": Retry(0),
    "of requests": Retry(0, read=False),
    "off": Retry(False),
    "to connect only": Retry(connect=3, read=0, other=0, status=0),
    "for GET only": Retry(3, other=0, allowed_methods=["GET"], status_forcelist=[502]),
}


@pytest.mark.parametrize("name", REPEATING | SAFE)
def test_an_adapter_that_repeats(portal, name):
    """An adapter of the caller's own that would send a POST twice is refused when the session is made."""
    http = requests.Session()
    http.mount("http://", TrackingAdapter(max_retries=(REPEATING | SAFE)[name]))
    if name in SAFE:
        assert portal.session(http=http).call("server.time").is_success
        return
    with pytest.raises(UsageError, match="max_retries of the http= adapter would send a POST again"):
        portal.session(http=http)
    assert portal.requests == []


def test_a_session_without_an_adapter(portal):
    """A session of your own that has no adapter for the address sends nothing, and the error says so."""
    http = requests.Session()
    http.adapters.clear()
    with pytest.raises(NotSent, match="the address of the portal or the proxy is invalid"):
        portal.session(http=http).call("server.time")
    assert portal.requests == []


def test_another_adapter(portal):
    """With an adapter that is not the library's nobody knows whether a request left, so no write is sent again."""
    portal.fail_next("lost_before", times=9)
    with portal.session(http=requests.Session()) as b24, pytest.raises(AnswerLost):
        b24.call("crm.deal.add")
    assert len(portal.requests) == 1


@pytest.mark.parametrize("block", [False, True])
def test_a_pool_of_ones_own(portal, block):
    """A pool of one connection serves eight threads, whether they wait for it or not."""
    http = requests.Session()
    http.mount("http://", TrackingAdapter(pool_maxsize=1, pool_block=block))
    b24, found = portal.session(http=http, retries=RetryPolicy(attempts=1)), []
    first, *others = [
        threading.Thread(target=lambda: found.append(b24.call("echo", {"n": "1"}).data)) for _ in range(8)
    ]

    def begin_the_others():
        for thread in others:
            thread.start()
        others[0].join(0.05)  # a pool that blocks lets it wait for the first one

    portal.fail_next(begin_the_others)
    first.start()
    for thread in (first, *others):
        thread.join()
    assert found == [{"n": "1"}] * 8


def test_addresses_do_not_pile_up():
    """A session that requests ever new addresses, such as links to files, keeps a bounded number of them."""

    def count():
        return sum(isinstance(each, requests.PreparedRequest) for each in gc.get_objects())

    http, before = OwnHttp(), count()
    for number in range(400):
        http.prepare(Post(f"http://127.0.0.1/{number}", None, {}, (1.0, 1.0), 1.0, 1))
    assert count() - before < 200


def want_credentials(gate, connection):
    gates.read_request(connection)
    connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(("scheme", "error"), [("https", NotSent), ("http", AnswerLost)])
def test_a_proxy_that_wants_credentials(monkeypatch, scheme, error):
    """What a 407 means is said of the proxy, not of the portal."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    with gates.Gate(0) as gate:
        gate.mode = want_credentials
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{gate.port}")
        options = {"limits": None, "allow_http": True, "retries": RetryPolicy(attempts=1)}
        with pytest.raises(error, match="the proxy requires a user name and a password"):
            Session(f"{scheme}://portal.test/rest/1/code/", **options).call("crm.deal.add")


def test_a_lost_answer_behind_a_proxy(monkeypatch):
    """A request that a proxy took, and never answered, may have been executed."""
    with Server(lambda server, connection: gates.read_request(connection)) as proxy:
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("http_proxy", proxy.url)
        options = {"limits": None, "allow_http": True, "retries": RetryPolicy(attempts=1)}
        with pytest.raises(AnswerLost):
            Session("http://portal.test/rest/1/code/", **options).call("crm.deal.add")


def test_sockets_are_not_idle_while_an_answer_is_awaited(portal, clock):
    """Only sockets that nobody waits on are given up for being idle: with one request on its way, all are kept."""
    with portal.session(clock=clock) as b24:
        for _ in range(2):  # a long request, and another one meanwhile

            def call_again():
                clock.advance(11)
                b24.call("echo")

            portal.fail_next(call_again)
            b24.call("echo")
    assert {request.connection for request in portal.requests} == {1, 2}


@pytest.mark.parametrize(
    ("answer", "connections"),
    [(PortalError("ACCESS_DENIED", "no", 403), {1}), (Answer('{"result":'), {1, 2}), (Answer("", 500), {1, 2})],
    ids=["refused", "not JSON", "empty"],
)
def test_a_connection_after_an_error(portal, b24, answer, connections):
    """A connection is used again after a refusal, and closed after an answer that was lost."""
    portal.fail_next(answer)
    with pytest.raises((AjaxError, AnswerLost)):
        b24.call("crm.deal.add")
    b24.call("server.time")
    assert {request.connection for request in portal.requests} == connections


@pytest.mark.parametrize("method", ["server.time", "no method"])
def test_a_hook_that_calls_another_portal(portal, method):
    """An error that a hook of your own session got from another portal does not make a write count as not sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        other = Session(f"http://127.0.0.1:{server.getsockname()[1]}/rest/1/code/", retries=RetryPolicy(attempts=1))
    with requests.Session() as http:
        http.hooks["response"].append(lambda response, **_options: (response.close(), other.call(method)))
        with portal.session(http=http) as b24, pytest.raises(AnswerLost):
            b24.call("crm.deal.add", {"fields": {"TITLE": "x"}})
    assert len(portal.executed) == 1
