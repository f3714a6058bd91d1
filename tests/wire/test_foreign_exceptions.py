"""What a signal handler raises inside a request is passed on, never taken for a fault of the network."""

import gc
import os
import signal
import socket
import threading

import gates
import pytest

from b24batch import AnswerLost, RetryPolicy, Session
from b24batch.sandbox import Portal


class Late(TimeoutError):
    pass


class Early(Exception):
    pass


RAISED = [TimeoutError, OSError, ConnectionError, ConnectionResetError, BrokenPipeError, ValueError, Late, Early]
RAISED += [socket.timeout, KeyboardInterrupt, SystemExit]


class Raised(list):
    """The exceptions that a handler raised, and their class."""


@pytest.fixture
def alarm(request):
    """Raises an exception of the parameter's class from a handler, when the other side rings."""
    raised = Raised()
    raised.kind = request.param

    def handler(signum, frame):
        raised.append(request.param("time is up"))
        raise raised[-1]

    before = signal.signal(signal.SIGALRM, handler)
    gc.collect()
    gc.disable()  # Python drops what a handler raises while a finalizer runs
    yield raised
    gc.enable()
    signal.signal(signal.SIGALRM, before)


def ring():
    """What a server's thread does to interrupt the main thread, wherever that is."""
    os.kill(os.getpid(), signal.SIGALRM)


@pytest.fixture
def ringing():
    """A portal whose method ``ring`` runs, and interrupts whoever waits for the answer."""
    with Portal() as portal:
        released = threading.Event()

        @portal.method("ring")
        def _(params):
            ring()
            released.wait(20)

        portal.method("echo")(lambda params: params)
        portal.release = released.set
        yield portal
        released.set()


@pytest.mark.slow
@pytest.mark.parametrize("alarm", RAISED, indirect=True, ids=lambda kind: kind.__name__)
def test_a_handler_of_a_signal(ringing, alarm):
    """A run ends with the very exception that the handler raised, which has what is known so far."""
    b24 = ringing.session(retries=RetryPolicy(attempts=3, wait_initial=0.0))
    with pytest.raises(alarm.kind) as caught:
        b24.batch_by_chunk([("echo",), ("ring",), ("echo",)], chunk_size=1)
    assert [caught.value] == alarm
    assert [row.status for row in caught.value.result] == ["ok", "unknown", "skipped"]
    ringing.release()
    assert b24.call("echo", {"n": "1"}).data == {"n": "1"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # ssl leaves its socket to the collector
@pytest.mark.parametrize("alarm", [TimeoutError, ValueError, KeyboardInterrupt], indirect=True)
def test_a_handler_while_connecting(alarm):
    """An exception that comes before anything left says so."""

    def ring_and_stall(gate, connection):
        ring()
        gate.closed.wait(20)

    with gates.Gate(0) as gate:
        gate.mode = ring_and_stall
        b24 = Session(f"https://127.0.0.1:{gate.port}/rest/1/code/", limits=None)
        with pytest.raises(alarm.kind) as caught:
            b24.batch_by_chunk([("crm.deal.add",), ("crm.deal.add",)], chunk_size=1)
    assert [caught.value] == alarm
    assert [row.status for row in caught.value.result] == ["skipped", "skipped"]


@pytest.mark.slow
@pytest.mark.parametrize("alarm", [TimeoutError, OSError], indirect=True)
def test_an_exception_around_the_call(portal, b24, alarm):
    """A fault inside an except block is the network's, whatever is being handled there."""
    portal.fail_next("lost_after", times=5)
    try:
        ring()
    except OSError:
        with pytest.raises(AnswerLost):
            b24.call("echo")


@pytest.mark.parametrize("alarm", [TimeoutError], indirect=True)
def test_the_cause_that_a_handler_gives_stays(ringing, alarm):
    """What the caller's own exception is raised from is not taken away."""
    because = KeyError("why")

    def handler(signum, frame):
        raise TimeoutError("time is up") from because

    signal.signal(signal.SIGALRM, handler)
    with pytest.raises(TimeoutError) as caught:
        ringing.session().call("ring")
    ringing.release()
    assert caught.value.__cause__ is because
    assert caught.value.__context__ is None


@pytest.mark.parametrize("alarm", [BrokenPipeError, ConnectionResetError], indirect=True)
def test_a_handler_while_a_body_is_sent(alarm):
    """An exception that looks like a connection that broke is passed on too."""

    def read_a_little(gate, connection):
        connection.recv(1024)
        ring()
        gate.closed.wait(20)

    with gates.Gate(0) as gate:
        gate.mode = read_a_little
        url = f"http://127.0.0.1:{gate.port}/rest/1/code/"
        with pytest.raises(alarm.kind) as caught, Session(url, limits=None, retries=RetryPolicy(attempts=1)) as b24:
            b24.call("disk.upload", {"content": "x" * 30_000_000})
    assert [caught.value] == alarm


@pytest.mark.parametrize("alarm", [KeyboardInterrupt], indirect=True)
def test_connections_after_a_handler(ringing, alarm):
    """No connection from before it is used again: the handler may have interrupted anything, the pool as well."""
    b24 = ringing.session()

    def call_twice_at_once():
        ringing.fail_next(lambda: b24.call("echo"))
        b24.call("echo")

    call_twice_at_once()
    with pytest.raises(KeyboardInterrupt):
        b24.call("ring")
    ringing.release()
    call_twice_at_once()
    assert [request.connection for request in ringing.requests] == [1, 2, 1, 3, 4]


@pytest.mark.parametrize("alarm", [TimeoutError], indirect=True)
def test_a_handler_while_the_first_of_two_addresses_is_tried(alarm, monkeypatch):
    """An exception that comes while an address is tried is no fault of that address: no other one is tried."""
    full, lookup = socket.create_server(("127.0.0.1", 0), backlog=0), socket.getaddrinfo
    port, filling = full.getsockname()[1], [socket.socket() for _ in range(4)]
    for each in filling:
        each.setblocking(False)
        each.connect_ex(full.getsockname())

    def found(host, *more):
        if host != "p.test":
            return lookup(host, *more)
        threading.Timer(0.05, ring).start()  # wherever the request is by then
        return lookup("127.0.0.1", port, 0, socket.SOCK_STREAM) * 2

    monkeypatch.setattr(socket, "getaddrinfo", found)
    options = {"limits": None, "retries": RetryPolicy(attempts=1), "allow_http": True, "timeout": 1}
    with pytest.raises(TimeoutError) as caught:
        Session(f"http://p.test:{port}/rest/1/code/", **options).call("crm.deal.add")
    assert [caught.value] == alarm
    assert caught.value.__notes__ == ["nothing was sent"]
    for each in (full, *filling):
        each.close()
