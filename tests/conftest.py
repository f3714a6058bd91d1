"""What the tests share: a portal, a session on it, and a clock that only moves when somebody sleeps."""

from __future__ import annotations

import gc
import signal
import socket
import threading

import pytest

from b24batch import RetryPolicy
from b24batch.sandbox import FakeClock, Portal

#: Tests press Ctrl-C; a shell that starts them in the background has it ignored, here and in their subprocesses.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: Retries without pauses, for tests that do not look at the time.
AT_ONCE = RetryPolicy(wait_initial=0.0)

#: The thousands of tests stay to the end: no garbage collection looks at them, while they come nor later.
gc.disable()


def pytest_collection_finish():
    """Collect garbage again, of what the tests leave."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def portal():
    with Portal() as portal:
        portal.method("echo")(lambda params: params)
        yield portal


@pytest.fixture
def b24(portal):
    with portal.session(retries=AT_ONCE) as session:
        yield session


@pytest.fixture
def closed_port():
    """A port of this machine where nobody listens, nor can until the test ends."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def closed_url(closed_port):
    """The webhook URL of a portal that is not there."""
    return f"http://127.0.0.1:{closed_port}/rest/1/c0de5ecret/"


@pytest.fixture
def refused(portal):
    """After the test no request has reached the portal."""
    yield
    assert portal.requests == []


@pytest.fixture
def pressed():
    """An event that is set by the handler of Ctrl-C, before it raises."""
    event = threading.Event()

    def handle(_number, _frame):
        event.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    yield event
    signal.signal(signal.SIGINT, before)
