"""Every fault, times reads, writes and idempotent writes, times every way of sending: one truthful outcome each."""

import itertools
import json
import logging
import socket
import ssl
from collections import Counter

import attrs
import gates
import pytest
import trustme
from canary import assert_hidden
from drawing import some

from b24batch import (
    AjaxError,
    AnswerLost,
    AuthError,
    Command,
    ExpiredToken,
    LeakyBucket,
    NotSent,
    OperatingLimitExceeded,
    PortalMoved,
    RateLimited,
    RetryPolicy,
    SdkError,
    Session,
)
from b24batch.sandbox import FAULTS, Answer, Portal, PortalError

#: Seconds for a request that stalls, and for the others that only a very slow machine would need.
STALLED, PATIENT = 1.0, 20.0
#: Faults that end by a time-out: each costs the seconds, so they are tried in fewer ways.
STALLS = {"silent", "stall", "slow", "drip", "connect time-out", "proxy stalls", "CONNECT stalls", "handshake stalls"}
STALLS |= {"100 for ever", "a status line for ever", "headers for ever", "chunk sizes for ever", "trailers for ever"}


@attrs.frozen
class Outcome:
    """What becomes of the commands of a request that meets a fault, and is not sent again."""

    status: str
    error: type[SdkError] | None
    retried: str = "never"  # "always", or "reads": when no command of the request is a plain write
    ends: bool = False
    of_call: type[SdkError] | None = None  # where a direct call has another error


OK = Outcome("ok", None)
NOT_SENT = Outcome("failed", NotSent, "always")
NEVER_SENT = Outcome("failed", NotSent)
LOST = Outcome("unknown", AnswerLost, "reads")
NO_MAPS = Outcome("unknown", AnswerLost, "reads")
RATE = Outcome("failed", RateLimited, "always")
NO_CREDENTIALS = Outcome("failed", AuthError, ends=True)


@attrs.frozen
class Row:
    """One fault: how it is brought about before an attempt, and taken away before another."""

    name: str
    outcome: Outcome
    arm: object = attrs.field(repr=False)
    disarm: object = attrs.field(default=lambda world: None, repr=False)
    scheme: str = "http"


#: The sandbox's faults that are no lost answer, and what they are.
NAMED = {
    "closes": OK,
    "malformed_maps": NO_MAPS,
    "missing_maps": NO_MAPS,
    "rate_limited": RATE,
    "operating_limit": Outcome("failed", OperatingLimitExceeded),
    "overload": NO_CREDENTIALS,
    "unauthorized": NO_CREDENTIALS,
    "expired_token": Outcome("failed", ExpiredToken, ends=True),
    "refused": Outcome("failed", AuthError, ends=True, of_call=AjaxError),
    "error_200": Outcome("failed", AjaxError),
    "moved": Outcome("failed", PortalMoved, ends=True),
}


def of_portal(fault):
    seconds = 0.02 if fault.name == "drip" else 3.0
    return Row(
        fault.name,
        NAMED.get(fault.name, LOST),
        lambda world: world.portal.fail_next(fault.name, seconds=seconds, commands=1),
    )


def answering(name, outcome, answer):
    return Row(name, outcome, lambda world: world.portal.fail_next(answer))


def of_tls(name, outcome, mode):
    return Row(name, outcome, lambda world: world.at_gate(mode), lambda world: world.at_gate(gates.relay), "https")


def of_proxy(name, outcome, mode, scheme="http"):
    return Row(name, outcome, lambda world: world.behind(mode), lambda world: world.behind(None), f"{scheme} proxy")


#: What a batch of any of these commands may be answered.
ODD_TOTALS = json.dumps(
    {"result": {"result": dict.fromkeys("012345", 1), "result_error": [], "result_total": "x", "result_time": 5}}
)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ROWS = [
    *(of_portal(fault) for fault in FAULTS.values()),
    answering("CONNECTION_ERROR", Outcome("failed", AjaxError, "always"), PortalError("CONNECTION_ERROR", "", 401)),
    answering("invalid_token", Outcome("failed", ExpiredToken, ends=True), PortalError("invalid_token", "", 401)),
    answering("NaN", LOST, Answer('{"result": NaN}')),
    answering("byte order mark", LOST, Answer("\ufeff{}")),
    answering("cp1251", LOST, Answer(b'{"result": "\xcf"}')),
    *(answering(f"error {odd}", LOST, Answer(f'{{"error": {odd}}}')) for odd in ("null", "[]", '""', "0")),
    answering("notice before the JSON", LOST, Answer("<br />\n<b>Warning</b>: x<br />\n" + ODD_TOTALS)),
    answering("totals that are none", OK, Answer(ODD_TOTALS)),
    answering("429 for the rate", RATE, PortalError("QUERY_LIMIT_EXCEEDED", "", 429)),
    Row("refused connection", NOT_SENT, lambda world: world.portal.close(), lambda world: world.portal.start()),
    of_proxy("proxy refuses the connection", NOT_SENT, "refused"),
    of_proxy("connect time-out", NOT_SENT, "full"),
    of_proxy("no such host", NOT_SENT, "unknown"),
    of_proxy("proxy hangs up", LOST, gates.hang_up),
    of_proxy("proxy resets", LOST, gates.reset),
    of_proxy("proxy stalls", LOST, gates.stall),
    of_proxy("proxy closes after it forwarded", LOST, gates.relay_and_close),
    of_proxy("CONNECT is refused", NOT_SENT, gates.refuse_connect, "https"),
    of_proxy("CONNECT closes", NOT_SENT, gates.close_connect, "https"),
    of_proxy("CONNECT stalls", NOT_SENT, gates.stall, "https"),
    of_proxy("413 before the body was read", LOST, gates.answer_early),
    of_proxy("early hints", OK, gates.hinted),
    of_proxy("an answer in two parts", OK, gates.in_two_parts),
    of_proxy("bytes behind the answer", OK, gates.with_more),
    of_proxy("hints and no answer", LOST, gates.only_hints),
    of_proxy("101", LOST, gates.switching),
    of_proxy("words before the status line", LOST, gates.mistaken),
    of_proxy("100 for ever", LOST, gates.endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    of_proxy("a status line for ever", LOST, gates.endless(b"HTTP/1.1 200 ", b"O")),
    of_proxy("headers for ever", LOST, gates.endless(b"HTTP/1.1 200 OK\r\nX: ", b"x")),
    of_proxy("chunk sizes for ever", LOST, gates.endless(CHUNKED, b"0")),
    of_proxy("trailers for ever", LOST, gates.endless(CHUNKED + b"0\r\nX: ", b"x")),
    of_tls("certificate of nobody", NEVER_SENT, "bad"),
    of_tls("certificate of the client wanted", LOST, "strict"),
    of_tls("handshake hangs up", NOT_SENT, gates.hang_up),
    of_tls("handshake resets", NOT_SENT, gates.reset),
    of_tls("handshake stalls", NOT_SENT, gates.stall),
    of_tls("TLS closes after the request", LOST, gates.relay_and_close),
    of_tls("garbage after a TLS request", LOST, gates.relay_and_garbage),
]


class World:
    """A portal, a TLS gate before it, and a proxy, all on loopback; `scheme` is how the client gets there."""

    def __init__(self, scheme, certificates, monkeypatch):
        self.scheme, self.certificates, self.environment = scheme, certificates, monkeypatch
        self.portal = Portal().start()
        for name in ("probe.get", "probe.add"):
            self.portal.method(name)(lambda params: params["n"])
        self.upstream = int(self.portal.url.split(":")[2].split("/")[0])
        self.gate = gates.Gate(self.upstream, certificate=certificates.good)
        self.proxy = gates.Gate(self.upstream, tunnel=self.gate.port)
        self.full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.filling = []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificates.authority)
        for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        self.behind(None)

    @property
    def url(self):
        path = self.portal.url.split("/", 3)[3]
        addresses = {
            "http": self.portal.url,
            "https": f"https://localhost:{self.gate.port}/{path}",
            "http proxy": f"http://portal.test/{path}",
            "https proxy": f"https://portal.test/{path}",
        }
        return addresses[self.scheme]

    def at_gate(self, mode):
        self.gate.mode = gates.handshake_with(getattr(self.certificates, mode)) if isinstance(mode, str) else mode

    def behind(self, mode):
        self.proxy.mode = gates.relay if mode is None or isinstance(mode, str) else mode
        address = getattr(self, f"{mode}_proxy")() if isinstance(mode, str) else f"http://127.0.0.1:{self.proxy.port}"
        for variable in ("http_proxy", "https_proxy"):
            self.environment.setenv(variable, address)

    def refused_proxy(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            return f"http://127.0.0.1:{server.getsockname()[1]}"

    def full_proxy(self):
        address = self.full.getsockname()
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(address)
            self.filling.append(waiting)
        return f"http://127.0.0.1:{address[1]}"

    def unknown_proxy(self):
        return "http://[::1%25nowhere]:9"

    def close(self):
        for each in (self.portal, self.gate, self.proxy, self.full, *self.filling):
            each.close()


class Turnstile(LeakyBucket):
    """What a session asks before each attempt: brings the fault about for some, and counts them all."""

    def __init__(self, world, row, faulty):
        super().__init__()
        self.world, self.row, self.faulty, self.attempts = world, row, faulty, 0

    def acquire(self, *, max_wait=None, on_wait=None):
        self.attempts += 1
        (self.row.arm if self.attempts in self.faulty else self.row.disarm)(self.world)
        return 0.0

    def penalize(self, seconds=0.0):
        pass


@attrs.frozen
class Certificates:
    authority: str
    good: ssl.SSLContext
    bad: ssl.SSLContext
    strict: ssl.SSLContext


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    file = str(tmp_path_factory.mktemp("certificates") / "authority.pem")
    trusted = trustme.CA()
    trusted.cert_pem.write_to_path(file)
    contexts = []
    for authority in (trusted, trustme.CA(), trusted):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "portal.test").configure_cert(context)
        contexts.append(context)
    contexts[-1].verify_mode = ssl.CERT_REQUIRED
    return Certificates(file, *contexts)


@pytest.fixture
def world(row, certificates, monkeypatch):
    world = World(row.scheme, certificates, monkeypatch)
    yield world
    world.close()


KINDS = {"reads": ("probe.get", "probe.get"), "a write": ("probe.get", "probe.add"), "idempotent": ("probe.add",) * 2}
WAYS = ["call", "batch", "batch_by_chunk"]
STALLED_WAYS = [("a write", "call"), ("reads", "batch_by_chunk")]
#: What is tried at the desk: each fault in a chunked run and in a call, but for those that stall.
AT_DESK = [("a write", "batch_by_chunk"), ("idempotent", "call")]


def commands(kind, way):
    """Six commands, two of them for each chunk; a batch has the first two, a call the second only."""
    methods = KINDS[kind] * 3
    made = [Command(name, {"n": n}, idempotent=kind == "idempotent") for n, name in enumerate(methods)]
    return {"call": made[1:2], "batch": made[:2], "batch_by_chunk": made}[way]


def send(b24, kind, way, calls):
    """The rows of a sending, its error if it raised one."""
    try:
        if way == "call":
            return [b24.call(calls[0].method, calls[0].params, idempotent=calls[0].idempotent or None)], None
        return getattr(b24, way)(calls, **({"chunk_size": 2} if way == "batch_by_chunk" else {})).rows, None
    except SdkError as error:
        return None, error


def cases():
    for row in ROWS:
        for kind, way in itertools.product(KINDS, WAYS):
            if not (row.name == "closes" and way == "batch_by_chunk"):  # the next request races with the close
                again = {"always": True, "reads": kind != "a write", "never": False}[row.outcome.retried]
                retried = again and not (way == "call" and row.outcome is NO_MAPS)  # which is no batch
                for lasting in (False, True) if retried else (True,):
                    if row.name in STALLS and ((kind, way) not in STALLED_WAYS or (retried and lasting)):
                        continue
                    name = f"{row.name}-{kind}-{way}-{'to the end' if lasting else 'once'}"
                    marks = [] if (kind, way) in AT_DESK else pytest.mark.slow
                    yield pytest.param(row, kind, way, retried, lasting, id=name, marks=marks)


CASES = list(cases())


def expected(row, way, lasting):
    """The status and error of each command."""
    outcome = row.outcome if lasting else OK
    if way == "call" and row.outcome is NO_MAPS:
        outcome = OK
    error = outcome.of_call if way == "call" and outcome.of_call else outcome.error
    met = [(outcome.status, error)] * (1 if way == "call" else 2)
    if way != "batch_by_chunk":
        return met
    after = ("skipped", None) if outcome.ends else ("ok", None)
    return [("ok", None)] * 2 + met + [after] * 2


@pytest.mark.parametrize(("row", "kind", "way", "retried", "lasting"), some(CASES, share=2))
def test_a_fault(row, kind, way, retried, lasting, world, caplog):
    """Each command has the outcome that its fault means, which is the truth about what the portal executed."""
    caplog.set_level(logging.DEBUG)
    first = 2 if way == "batch_by_chunk" else 1
    faulty = {first, first + 1} if retried and lasting else {first}
    turnstile = Turnstile(world, row, faulty)
    calls = commands(kind, way)
    policy = RetryPolicy(attempts=2, wait_initial=0.0)
    timeout = STALLED if row.name in STALLS else PATIENT
    options = {"timeout": timeout, "deadline": timeout, "operating_wait": 0, "retries": policy}
    with Session(world.url, limits=turnstile, allow_http=True, **options) as b24:
        rows, error = send(b24, kind, way, calls)

    wanted = expected(row, way, lasting)
    if error is None:
        assert [(each.status, type(each.error) if each.error else None) for each in rows] == wanted
    else:
        assert way != "batch_by_chunk"
        assert {type(error)} == {kind_of_error for _, kind_of_error in wanted}
    requests = (3 if way == "batch_by_chunk" else 1) + (1 if retried else 0)
    assert turnstile.attempts == requests - (1 if wanted[-1][0] == "skipped" else 0)

    assert_true(world, calls, [status for status, _ in wanted])
    code = world.portal.url.rstrip("/").rpartition("/")[2]
    assert_hidden([code], error, caplog.records, list(rows or ()))


def assert_true(world, calls, statuses):
    """Hold the outcomes against the portal's journal."""
    ran = Counter(int(command.params["n"]) for command in world.portal.executed)
    for command, status in zip(calls, statuses, strict=True):
        times, plain_write = ran[command.params["n"]], command.method == "probe.add" and not command.idempotent
        assert {"ok": times >= 1, "failed": times == 0, "skipped": times == 0, "unknown": True}[status]
        assert times <= 1 or not plain_write


#: The faults of one request; those of the way to the portal, and of a connection, would meet others as well.
OF_ONE = [row for row in ROWS if row.scheme == "http" and row.name not in STALLS | {"closes", "refused connection"}]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", some(OF_ONE, share=3), ids=lambda row: row.name)
def test_a_fault_beside_others(row, kind, world, caplog):
    """With 4 requests on their way, a fault means for its own request what it means alone, and nothing for others."""
    caplog.set_level(logging.DEBUG)
    calls, outcome = commands(kind, "batch_by_chunk"), row.outcome
    retried = {"always": True, "reads": kind != "a write", "never": False}[outcome.retried]
    met = ("ok", None) if retried else (outcome.status, outcome.error)
    policy = RetryPolicy(attempts=2, wait_initial=0.0)
    row.arm(world)
    with Session(world.url, limits=None, retries=policy, operating_wait=0, concurrency=4) as b24:
        rows = b24.batch_by_chunk(calls, chunk_size=2).rows

    told = Counter((each.status, type(each.error) if each.error else None) for each in rows)
    skipped = told.pop(("skipped", None), 0)
    assert skipped % 2 == 0
    assert skipped == 0 or outcome.ends
    assert told == Counter({("ok", None): 4 - skipped}) + Counter({met: 2})
    assert [each.command for each in rows] == calls
    assert_true(world, calls, [each.status for each in rows])
    code = world.portal.url.rstrip("/").rpartition("/")[2]
    assert_hidden([code], None, caplog.records, rows)


def test_the_size_of_the_matrix():
    """Every fault of the sandbox is in the matrix, which has more than 300 cases."""
    assert {row.name for row in ROWS} >= set(FAULTS)
    assert len(CASES) > 300
