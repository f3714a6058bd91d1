"""What a bad server or network does to a bucket in Redis: nothing that reaches the caller, and no secret in a log."""

import errno
import gc
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref

import gates
import pytest
from canary import assert_hidden
from shell import press

from b24batch import UsageError
from b24batch.redaction import Secret
from b24batch.sandbox import FakeClock

redis = pytest.importorskip("redis.client", reason="redis is not installed")

from b24batch.redis import RedisBucket  # noqa: E402

PASSWORD = "pa55word/of+redis"
QUOTED = "pa55word%2Fof%2Bredis"
SECRETS = (PASSWORD, QUOTED, "pa55")


def says(answer):
    """A server that answers everything with the same bytes, with what it was asked in it, and hangs up at the end."""

    def mode(gate, connection):
        while asked := connection.recv(65536):
            connection.sendall(answer % asked.replace(b"\r\n", b" ") if b"%b" in answer else answer)

    return mode


def hangs_up(gate, connection):
    connection.recv(1)


def says_nothing(gate, connection):
    gate.closed.wait(20)


def drips(gate, connection):
    """A string whose end does not come."""
    connection.sendall(b"$100\r\n0")
    gate.closed.wait(20)


ANSWERS = {
    "hangs up": hangs_up,
    "says nothing": says_nothing,
    "drips": drips,
    "http": says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    "bytes": says(b"\x00\xff\r\n"),
    "no number": says(b":x\r\n"),
    "a length that is none": says(b"$x\r\n"),
    "null": says(b"$-1\r\n"),
    "text": says(b"$2\r\nOK\r\n"),
    "a list": says(b"*1\r\n:1\r\n"),
    "a map": says(b"%%1\r\n:1\r\n:1\r\n".replace(b"%%", b"%")),
    "no password": says(b"-NOAUTH Authentication required.\r\n"),
    "its own words": says(b"-ERR unknown command, with args beginning with: %b\r\n"),
    "wrong password": says(b"-WRONGPASS %b\r\n"),
    "loading": says(b"-LOADING Redis is loading the dataset in memory\r\n"),
    "read only": says(b"-READONLY You can't write against a read only replica.\r\n"),
    "moved": says(b"-MOVED 3999 127.0.0.1:1\r\n"),
    "full": says(b"-OOM command not allowed\r\n"),
    "no script": says(b"-NOSCRIPT No matching script.\r\n"),
    "busy": says(b"-BUSY Redis is busy running a script.\r\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ANSWERS.values(), ids=list(ANSWERS))
def test_a_bad_server(mode, caplog):
    """Whatever a server answers, or if it does not, the local bucket counts; one warning, which names no secret."""
    caplog.set_level(logging.DEBUG)
    with gates.Gate(0) as gate:
        gate.mode = mode
        url = f"redis://:{QUOTED}@127.0.0.1:{gate.port}/0?socket_timeout=0.2"
        bucket = RedisBucket(url, "a.example", clock=FakeClock())
        assert [bucket.acquire(), bucket.acquire()] == [5.0, pytest.approx(5.0)]
        bucket.penalize(1)
        assert 0 < bucket.level <= 5
        bucket._server._client.connection_pool.disconnect()
    assert [record.levelname for record in caplog.records if record.name == "b24batch"] == ["WARNING"]
    assert_hidden(SECRETS, None, caplog.records, [])
    for shown in (bucket, bucket._server, bucket._server._client, bucket._server._client.connection_pool):
        assert not [secret for secret in SECRETS if secret in repr(shown)]


@pytest.mark.parametrize("answer", ["nan", "inf", "-inf", "-1", "-1e-9", b"x", "", [1.0], None])
def test_an_answer_that_is_no_wait(answer, caplog):
    """An answer that is not a number of seconds, zero or more, is an outage."""
    client = Client(None)
    client.register_script = lambda text: lambda keys, args: answer
    assert RedisBucket(client, "a.example", clock=FakeClock()).acquire() == 5.0
    assert len(caplog.records) == 1


MALFORMED = [b"$" + b"9" * 32 + b"\r\n", b">0\r\ninvalidate$13\r\n*\r\n", b"*1\r\n" * 9999 + b":1\r\n"]


@pytest.mark.parametrize("answer", MALFORMED, ids=["length", "message", "depth"])
def test_a_malformed_answer(answer, caplog):
    """An answer on which the client's own code fails is an outage too, not an error of the caller."""
    with gates.Gate(0) as gate:
        gate.mode = says(answer)
        url = f"redis://127.0.0.1:{gate.port}/0?socket_timeout=0.2&protocol=3"
        bucket = RedisBucket(url, "a.example", clock=FakeClock())
        gc.collect()
        gc.disable()  # what earlier tests left would be collected in the depth of a recursion, and fail there
        try:
            assert bucket.acquire() == 5.0
        finally:
            gc.enable()
        bucket._server._client.connection_pool.disconnect()
    assert len([record for record in caplog.records if record.name == "b24batch"]) == 1


@pytest.mark.parametrize("address", ["127.0.0.1:{}", f"{'a' * 70}.example", "no.such.host.invalid", "x..y"])
def test_a_server_that_is_nowhere(address, closed_port, caplog):
    """A connection that is refused and a name that leads nowhere are told at once, and named."""
    bucket = RedisBucket(f"redis://user:{QUOTED}@{address.format(closed_port)}", "a.example", clock=FakeClock())
    assert bucket.acquire() == 5.0
    (record,) = caplog.records
    assert record.getMessage().startswith("Redis does not answer (")
    assert_hidden(SECRETS, None, caplog.records)


class Limit(Exception):
    """A task's limit of time, as Celery raises it in a handler."""


@pytest.mark.parametrize("kind", [TimeoutError, OSError, ValueError, Limit, KeyboardInterrupt, SystemExit])
def test_a_handler_of_a_signal(kind, caplog):
    """What a signal handler raises while Redis is asked reaches the caller as it is, without the client's frames."""
    raised = []

    def handler(signum, frame):
        raised.append(kind("time is up"))
        raise raised[-1]

    def ring(gate, connection):
        connection.recv(1)
        press(os.getpid(), signal.SIGALRM, threading.main_thread().native_id)
        gate.closed.wait(20)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with gates.Gate(0) as gate:
            gate.mode = ring
            bucket = RedisBucket(f"redis://:{QUOTED}@127.0.0.1:{gate.port}?socket_timeout=20", "a", clock=FakeClock())
            with pytest.raises(kind) as caught:
                bucket.acquire()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [caught.value] == raised
    assert caplog.records == []
    assert_hidden(SECRETS, caught.value)


WRONG = [f"redis://:{PASSWORD}@a.example", f"http://:{QUOTED}@a", f"redis://a:{PASSWORD}", f"redis://a?x={QUOTED}"]
WRONG += [f"redis://:{QUOTED}@a/{PASSWORD}", f"redis://:{QUOTED}@[a", f"rediss://:{QUOTED}@a?ssl_cert_reqs={PASSWORD}"]


@pytest.mark.parametrize("url", WRONG)
@pytest.mark.parametrize("make", [str, Secret])
def test_a_wrong_url_is_not_shown(url, make):
    """The error about a URL shows no part of it, nor does a frame of ours."""
    with pytest.raises(UsageError) as refused:
        RedisBucket(make(url), "a.example")
    assert_hidden(SECRETS, refused.value)


@pytest.mark.parametrize("client", [f"redis://:{QUOTED}@a".encode(), [f"redis://:{QUOTED}@a"]], ids=["bytes", "list"])
def test_a_url_for_a_client_is_not_shown(client):
    """A URL in another form than text is refused, and shown nowhere."""
    with pytest.raises(UsageError, match=f"client: expected .*, got {type(client).__name__}$") as refused:
        RedisBucket(client, "a.example")
    assert_hidden(SECRETS, refused.value)


def test_a_url_for_a_name_is_not_shown():
    """A URL that is given as the name is refused, and shown nowhere."""
    for url in (f"redis://:{QUOTED}@a", f"https://a.example/rest/1/{PASSWORD}/"):
        with pytest.raises(UsageError) as refused:
            RedisBucket("redis://a", url)
        assert_hidden(SECRETS, refused.value)


def test_wrong_figures_do_not_show_the_url():
    """Nor does an error about another argument."""
    with pytest.raises(UsageError, match="capacity: expected a whole") as refused:
        RedisBucket(f"redis://:{QUOTED}@a", "a.example", capacity=1)
    assert_hidden(SECRETS, refused.value)


def test_a_bucket_is_not_pickled():
    """A bucket holds connections and perhaps a password: each process makes its own."""
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(RedisBucket(f"redis://:{QUOTED}@a", "a.example"))


class Client:
    """A client of one's own: it has `register_script`, and its scripts raise."""

    def __init__(self, error):
        self.error = error

    def register_script(self, text):
        def run(keys, args):
            raise self.error

        return run


@pytest.mark.parametrize("error", [Limit("time"), KeyError("bug"), MemoryError()])
def test_an_exception_that_is_not_of_redis(error):
    """Exceptions that neither the client nor the network raises are the caller's."""
    bucket = RedisBucket(Client(error), "a.example", clock=FakeClock())
    for use in (bucket.acquire, bucket.penalize, lambda: bucket.level):
        error.__context__ = redis.ConnectionError(PASSWORD)
        with pytest.raises(type(error)) as caught:
            use()
        assert_hidden(SECRETS, caught.value)


def test_an_exception_around_the_call(caplog):
    """A fault inside an except block is that of Redis, whatever is being handled there."""
    bucket = RedisBucket(Client(redis.ConnectionError("gone")), "a.example", clock=FakeClock())
    try:
        raise Limit("outside")
    except Limit:
        assert bucket.acquire() == 5.0
    assert len(caplog.records) == 1


#: What clients raise that is not below their ``RedisError``: a cluster that is away or has lost slots, and others.
OF_CLIENTS = "RedisClusterException SlotNotCoveredError ChildDeadlockedError ConnectionError".split()


@pytest.mark.parametrize("name", OF_CLIENTS)
def test_every_exception_of_a_client(name, caplog):
    """Whatever exception a client defines, for a cluster or another kind of server: Redis is away, and it is told."""
    kind = getattr(pytest.importorskip("redis.exceptions"), name)
    bucket = RedisBucket(Client(kind("gone")), "a.example", clock=FakeClock())
    assert bucket.acquire() == 5.0
    assert bucket.level > 0
    (record,) = caplog.records
    assert record.getMessage().startswith(f"Redis does not answer ({name}): ")


def test_the_words_of_the_system(caplog):
    """The warning has the class of the error and what the system says of it, once; not the words of the client."""
    error = redis.ConnectionError(PASSWORD)
    error.__cause__ = error.__context__ = OSError(errno.ECONNREFUSED, "Connection refused")
    assert RedisBucket(Client(error), "a.example", clock=FakeClock()).acquire() == 5.0
    assert [record.args[0] for record in caplog.records] == ["ConnectionError: Connection refused"]


def test_a_client_never_tries_again(caplog):
    """A client from a URL asks once, and waits at most half a second for a connection and for an answer."""
    asked = []

    def hang_up(gate, connection):
        asked.append(connection.recv(1))

    with gates.Gate(0) as gate:
        gate.mode = hang_up
        bucket = RedisBucket(f"redis://127.0.0.1:{gate.port}", "a.example", clock=FakeClock())
        assert bucket.acquire() == 5.0
    assert len(asked) == 1
    options = bucket._server._client.get_connection_kwargs()
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (0.5, 0.5)


def test_an_exception_of_valkey(caplog):
    """The same for a client of the package valkey."""
    kind = type("ValkeyClusterException", (Exception,), {"__module__": "valkey.exceptions"})
    assert RedisBucket(Client(kind("gone")), "a.example", clock=FakeClock()).acquire() == 5.0
    assert len(caplog.records) == 1


def test_a_client_ends_with_its_buckets():
    """Nothing keeps a client that no bucket uses any longer."""
    buckets = [RedisBucket(client, "a.example") for client in ("redis://ends.example", Client(None))]
    kept = [weakref.ref(each._server) for each in buckets]
    del buckets
    gc.collect()
    assert [each() for each in kept] == [None, None]


@pytest.mark.slow
def test_a_url_without_the_package(tmp_path):
    """Where only valkey is installed, a URL says what to install; a client of valkey needs nothing else."""
    (tmp_path / "valkey").mkdir()
    (tmp_path / "valkey" / "__init__.py").touch()
    line = (
        "import sys; sys.modules['redis'] = None; from b24batch.redis import RedisBucket; RedisBucket('redis://a', 'x')"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-c", line]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env={"PYTHONPATH": path})
    assert ended.stderr.endswith("ImportError: a URL of Redis needs redis: pip install 'b24batch[redis]'\n")


def test_without_the_package():
    """Without the client's package an import says what to install."""
    line = "import sys; sys.modules.update(redis=None, valkey=None); import b24batch.redis"
    ended = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, timeout=120, check=False)
    assert ended.stderr.endswith("ImportError: b24batch.redis needs redis: pip install 'b24batch[redis]'\n")
