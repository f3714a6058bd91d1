"""The wire: nobody gets another's answer, and every request ends at its deadline, whatever the server says."""

import gzip
import json
import random
import socket
import threading
import time
import tracemalloc

import gates
import pytest
import requests

from b24batch import AnswerLost, NotSent, RetryPolicy, Session, TokenRefreshError, UsageError
from b24batch.oauth.server import TokenServer
from b24batch.redaction import Secret
from b24batch.wire.connections import Connections

#: Seconds that a request may take once its server has it, and those after which it counts as hanging.
DEADLINE, HANGS = 0.1, 30.0


class HeldClock:
    """A clock that stands still until an event: how long a loaded machine takes before it decides nothing."""

    def __init__(self, event):
        self.event, self.began, self.time, self.sleep = event, None, time.time, time.sleep

    def monotonic(self):
        if not self.event.is_set():
            return 0.0
        self.began = self.began or time.monotonic()
        return time.monotonic() - self.began


class Server:
    """A raw server on loopback: `serve(server, connection, n)` answers a request, until it returns False."""

    def __init__(self, serve):
        self.serve, self.connections = serve, []
        self.begun, self.over = threading.Event(), threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/rest/1/code/"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.append(connection)
            threading.Thread(target=self.handle, args=(connection,), daemon=True).start()

    def handle(self, connection):
        with connection:
            try:
                going_on = True
                while going_on:
                    request = gates.read_request(connection)
                    self.begun.set()
                    going_on = self.serve(self, connection, *request) is not False
            except OSError:
                return

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.over.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def session(server, **options):
    return Session(server.url, **{"limits": None, "retries": RetryPolicy(attempts=1), **options})


def answer(n):
    body = json.dumps({"result": n}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


# --- interim answers and what is left over ---------------------------------------------------------------------------

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def chunked(n):
    body = json.dumps({"result": n}).encode()
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


#: What is sent for a request, as parts; a number stands for its own answer, -1 for a foreign one.
PLANS = {
    "plain": lambda n: [answer(n)],
    "chunked": lambda n: [chunked(n)],
    "early hints": lambda n: [EARLY, answer(n)],
    "processing": lambda n: [PROCESSING + EARLY + CONTINUE, answer(n)],
    "all in one": lambda n: [EARLY + CONTINUE + answer(n)],
    "two parts": lambda n: [answer(n)[:25], answer(n)[25:]],
    "extra answer": lambda n: [answer(n) + answer(-1)],
    "extra answer of chunks": lambda n: [chunked(n) + chunked(-1)],
    "extra bytes": lambda n: [answer(n) + b"\r\n\0 and more"],
    "short length": lambda n: [answer(n).replace(b'": ', b'":' + b" " * 9)],
    "late answer": lambda n: [answer(n), None, answer(-1)],
    "html": lambda n: [b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>"],
    "html and more": lambda n: [b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>" + answer(-1)],
    "no answer behind hints": lambda n: [EARLY],
    "switches": lambda n: [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + answer(-1)],
}
#: Those that are no whole answer in the end.
LOST = {"short length", "html", "html and more", "no answer behind hints", "switches"}
#: Those that leave a connection which may be used again.
CLEAN = {"plain", "chunked", "two parts"}


def follow_the_plan(server, connection, head, body):
    asked = json.loads(body)
    parts = PLANS[asked["plan"]](asked["n"])
    for place, part in enumerate(parts):
        if part is None:
            server.answered.set()
            server.late.wait(HANGS)
            server.late.clear()
            connection.sendall(parts[place + 1])
            server.said.set()
            return None
        connection.sendall(part)
    return asked["plan"] != "no answer behind hints"


@pytest.fixture
def planned():
    with Server(follow_the_plan) as server:
        server.answered, server.late, server.said = (threading.Event() for _ in range(3))
        yield server


def call(server, b24, plan, n):
    """What one call returns: its data, or None when its answer was lost."""
    try:
        data = b24.call("crm.deal.add", {"plan": plan, "n": n}).data
    except AnswerLost:
        data = None
    if plan == "late answer":
        server.late.set()
        assert server.said.wait(HANGS)
        server.said.clear()
    return data


@pytest.mark.parametrize("plan", PLANS)
def test_the_next_call_gets_its_own_answer(planned, plan):
    """After any answer the next call gets its own; the connection goes on only when nothing was odd or left over."""
    b24 = session(planned)
    assert call(planned, b24, plan, 1) == (None if plan in LOST else 1)
    assert call(planned, b24, "plain", 2) == 2
    assert len(planned.connections) == (1 if plan in CLEAN else 2)


@pytest.mark.parametrize("seed", range(20))
def test_each_outcome_belongs_to_its_call(planned, seed):
    """In random sequences of odd answers each call has its own answer, or knows that it was lost."""
    drawn = random.Random(seed)
    b24 = session(planned)
    plans = drawn.choices(list(PLANS), k=10)
    assert [call(planned, b24, plan, n) for n, plan in enumerate(plans)] == [
        None if plan in LOST else n for n, plan in enumerate(plans)
    ]


def test_outcomes_of_a_batch_behind_hints(portal):
    """A batch behind early hints has the outcomes of its own commands, and so has the next one."""
    with gates.Gate(int(portal.url.split(":")[2].split("/")[0])) as gate:
        gate.mode = hint_and_relay
        with Session(portal.url.replace(portal.url.split("/")[2], f"127.0.0.1:{gate.port}"), limits=None) as b24:
            result = b24.batch_by_chunk([("echo", {"n": str(n)}) for n in range(6)], chunk_size=2)
    assert [row.data["n"] for row in result.rows] == list("012345")


def hint_and_relay(gate, connection):
    connection.sendall(EARLY)
    gates.relay(gate, connection)


# --- the deadline ----------------------------------------------------------------------------------------------------


def drip(head, forever):
    """Send `head` at once, and then `forever` byte by byte until the client hangs up."""

    def serve(server, connection, *request):
        connection.sendall(head)
        while not server.over.is_set():
            for byte in forever:
                connection.sendall(bytes([byte]))
                server.over.wait(0.001)
        return False

    return serve


def pour(head, forever):
    """Send `head`, and then `forever` again and again, as fast as it is taken."""

    def serve(server, connection, *request):
        connection.sendall(head)
        while not server.over.is_set():
            connection.sendall(forever * 100)
        return False

    return serve


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "silence": drip(b"", b""),
    "100 again and again": pour(b"", CONTINUE),
    "103 dripped again and again": drip(b"", EARLY),
    "a status line dripped": drip(b"HTTP/1.1 200 ", b"O"),
    "a header dripped": drip(OK + b"X-Header: ", b"x"),
    "headers dripped": drip(OK, b"A: b\r\n"),
    "a body dripped": drip(OK + b"Content-Length: 1000000\r\n\r\n", b" "),
    "a body without length": pour(OK + b"\r\n", b" "),
    "a chunk size dripped": drip(CHUNKED, b"0"),
    "a chunk extension dripped": drip(CHUNKED + b"1;", b"x"),
    "chunks dripped": drip(CHUNKED, b"1\r\n \r\n"),
    "trailers without end": pour(CHUNKED + b"0\r\n", b"A: b\r\n"),
    "trailers dripped": drip(CHUNKED + b"0\r\n", b"A: b\r\n"),
    "gzip of nothing": pour(OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"")),
    "a redirect dripped": drip(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 999999\r\n\r\n", b" "),
}


#: A read that was begun before the clock moved times out a little early.
LATE = rf"the answer took more than {DEADLINE} s|ReadTimeout|Read timed out"


@pytest.mark.parametrize("name", ENDLESS)
def test_the_deadline(name):
    """Whatever a portal says without an end costs the deadline, as a lost answer."""
    with Server(ENDLESS[name]) as server:
        began = time.monotonic()
        with pytest.raises(AnswerLost, match=LATE):
            session(server, deadline=DEADLINE, clock=HeldClock(server.begun)).call("crm.deal.add")
        assert time.monotonic() - began < HANGS


class LateClock(HeldClock):
    """A clock that shows nearly all of the deadline gone from an event on."""

    def monotonic(self):
        return super().monotonic() + (HANGS * 2 - DEADLINE if self.event.is_set() else 0.0)


def begin_and_stop(server, connection, *request):
    server.late.set()
    connection.sendall(OK + b"X-Header: ")
    server.over.wait(HANGS)
    return False


def test_a_silence_near_the_deadline():
    """A read waits for what is left of the deadline, not for as long as the first one might."""
    with Server(begin_and_stop) as server:
        server.late, began = threading.Event(), time.monotonic()
        options = {"deadline": HANGS * 2, "timeout": HANGS * 2, "clock": LateClock(server.late)}
        with pytest.raises(AnswerLost, match=r"the answer took more than|ReadTimeout|Read timed out"):
            session(server, **options).call("crm.deal.add")
        assert time.monotonic() - began < HANGS


def test_the_deadline_of_a_session_of_ones_own():
    """So it is with `http=`, where requests would read a redirect to its end before it hands it over."""
    with Server(ENDLESS["a redirect dripped"]) as server:
        options = {"clock": HeldClock(server.begun), "http": requests.Session()}
        with pytest.raises(AnswerLost, match=LATE):
            session(server, deadline=DEADLINE, **options).call("crm.deal.add")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["silence", "headers dripped", "trailers without end", "gzip of nothing"])
def test_the_deadline_of_the_token_server(name):
    """The OAuth server cannot hold a refresh for longer either."""
    with Server(ENDLESS[name]) as server:
        clock = HeldClock(server.begun)
        tokens = TokenServer("id", "secret", f"http://127.0.0.1:{server.port}/", clock, deadline=DEADLINE)
        with pytest.raises(TokenRefreshError, match=LATE):
            tokens.exchange({"code": Secret("x")}, Connections(clock.monotonic))


def read_slowly(server, connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    while not server.over.wait(0.01) and connection.recv(100):
        server.begun.set()


@pytest.mark.slow
def test_a_body_that_is_read_slowly():
    """A portal that takes a large body byte by byte ends at the deadline too; it may have executed it."""
    with gates.Gate(0) as gate:
        gate.over, gate.begun, gate.mode = gate.closed, threading.Event(), read_slowly
        options = {"deadline": DEADLINE, "clock": HeldClock(gate.begun), "retries": RetryPolicy(attempts=1)}
        b24 = Session(f"http://127.0.0.1:{gate.port}/rest/1/code/", limits=None, **options)
        with pytest.raises(AnswerLost):
            b24.call("disk.upload", {"content": "x" * 30_000_000})


def test_a_handshake_within_the_deadline():
    """A TLS handshake that stalls costs the deadline, not the time-out to connect, and nothing was sent."""
    with gates.Gate(0) as gate:
        gate.mode = gates.stall
        b24 = Session(f"https://127.0.0.1:{gate.port}/rest/1/code/", limits=None, retries=RetryPolicy(attempts=1))
        began = time.monotonic()
        with pytest.raises(NotSent):
            b24.with_options(deadline=DEADLINE, timeout=HANGS).call("crm.deal.add")
        assert time.monotonic() - began < 5  # the gate lets go then


def test_all_addresses_of_a_host_share_the_deadline(monkeypatch):
    """A host with many addresses that do not answer costs the deadline once."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    filling = [socket.socket() for _ in range(4)]
    for each in filling:
        each.setblocking(False)
        each.connect_ex(full.getsockname())
    found = socket.getaddrinfo("127.0.0.1", full.getsockname()[1], 0, socket.SOCK_STREAM)
    lookup = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more: found * 500 if host == "p.test" else lookup(host, *more)
    )
    url = f"http://p.test:{full.getsockname()[1]}/rest/1/code/"
    b24 = Session(url, limits=None, retries=RetryPolicy(attempts=1), allow_http=True, deadline=DEADLINE)
    began = time.monotonic()
    with pytest.raises(NotSent):
        b24.call("crm.deal.add")
    assert time.monotonic() - began < 500 * DEADLINE / 2
    for each in (full, *filling):
        each.close()


# --- the size of an answer -------------------------------------------------------------------------------------------


def bomb(server, connection, *request):
    head = OK.replace(b"200 OK", server.status) + b"Location: /\r\nContent-Encoding: gzip\r\n"
    connection.sendall(head + b"Content-Length: %d\r\n\r\n%b" % (len(server.content), server.content))


@pytest.mark.slow
@pytest.mark.parametrize("http", [None, requests.Session()], ids=["our own", "the caller's"])
@pytest.mark.parametrize("status", [b"200 OK", b"302 Found"])
def test_a_bomb_is_an_answer_that_is_lost(status, http):
    """A small answer that unpacks to more than `max_answer` costs no more memory than that, and is lost."""
    with Server(bomb) as server:
        server.status, server.content = status, gzip.compress(b" " * 40_000_000)
        b24 = session(server, max_answer=1_000_000, http=http)
        tracemalloc.start()
        with pytest.raises(AnswerLost, match="the answer has more than 1000000 bytes"):
            b24.call("crm.deal.list")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("figure", [0, -1, True, 1.5, "1", None])
def test_a_size_that_is_invalid(portal, figure):
    """`max_answer` is a positive whole number."""
    with pytest.raises(UsageError, match="max_answer: expected a whole number of at least 1, got"):
        portal.session(max_answer=figure)
