"""Tracebacks: IPython and pytest show the caller's line and the message, not the inside of the library."""

import os
import re
import subprocess
import sys
import textwrap
import traceback

import pytest
from jupyter_client import KernelManager

from b24batch import AjaxError, Command, SdkError, Session
from b24batch.sandbox import FakeClock

#: Seconds after which a kernel or a run of tests is taken to hang.
PATIENCE = 60
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
#: A portal in the kernel whose 101st call says so and then takes as long as nobody interrupts.
SLOW_PORTAL = """
import threading
from b24batch.sandbox import Portal
portal, called = Portal().start(), []
@portal.method("slow")
def slow(params):
    called.append(params)
    if len(called) % 1000 == 101:
        print("interrupt me", flush=True)
        threading.Event().wait(5)
    return called[-1]
b24 = portal.session()
calls = [("slow", {"n": n}) for n in range(1000)]
"""
NOTE = "1000 commands: 100 ok, 850 skipped, 50 unknown; their outcomes: b24.last_result"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A kernel in which `run(code)` returns the lines of a cell's outputs; it is interrupted when a cell prints."""
    folder = str(tmp_path_factory.mktemp("jupyter"))
    manager = KernelManager(kernel_name="python3", connection_file=f"{folder}/kernel.json")
    manager.start_kernel(env={**os.environ, "IPYTHONDIR": folder, "JUPYTER_RUNTIME_DIR": folder})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE)

    def run(code):
        lines = []

        def take(message):
            content = message["content"]
            if message["msg_type"] == "stream" and content["name"] == "stdout":
                manager.interrupt_kernel()
            lines.extend(COLOURS.sub("", "\n".join(content.get("traceback", []))).splitlines())
            lines.extend(content.get("data", {}).get("text/plain", "").splitlines())

        client.execute_interactive(code, output_hook=take, timeout=PATIENCE)
        return lines

    assert run(SLOW_PORTAL) == []
    yield run
    run("b24.close()\nportal.close()")
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_interrupt_in_a_notebook(kernel):
    """*Interrupt* shows at most 12 lines, with the caller's line and the note; the outcomes outlive two more errors."""
    lines = kernel("result = b24.batch_by_chunk(calls)")
    assert len(lines) <= 12
    assert "----> 1 result = b24.batch_by_chunk(calls)" in lines
    assert lines[-1] == NOTE
    assert "ZeroDivisionError" in str(kernel("1/0"))
    assert "Not found" in str(kernel('b24.call("crm.deal.get", {"id": 4711})'))
    assert kernel("b24.last_result.counts()") == [repr(NOTE.partition(";")[0])]


@pytest.mark.parametrize(
    ("line", "last"),
    [
        ('b24.call("crm.deal.get", {"id": 4711})', "AjaxError: crm.deal.get: Not found"),
        ('b24.batch([("a b",)])', "UsageError: USAGE: call 0: method: expected a name such as crm.deal.add, got 'a b'"),
        (
            'b24.call_list("crm.deal.add")',
            "UsageError: USAGE: crm.deal.add writes, and list methods only read; use call",
        ),
        ('b24.batch([("no",)]).raise_for_errors()', "BatchError: BATCH: 1 commands: 1 failed"),
        ('b24.batch({"b": ("no",)})["c"]', "KeyError: 'c'"),
    ],
)
def test_errors_in_a_notebook(kernel, line, last):
    """An error shows the caller's line, at most one frame of ours, and its message."""
    lines = kernel(line)
    assert f"----> 1 {line}" in lines
    assert len(lines) <= 16
    assert lines[-1].startswith(last)


TESTS = """
import pytest

def test_not_found(b24):
    b24.call("crm.deal.get", {"id": 4711})

def test_stream(b24):
    list(b24.stream_batch([("a b",)]))

def test_option(b24):
    b24.with_options(timeout=-1)

def test_command():
    from b24batch import Command
    Command("a b")

def test_raise(b24):
    b24.batch([("no.such.method",)]).raise_for_errors()

def test_callback(b24, b24_portal):
    def on_wait(wait):
        raise LookupError("mine")
    b24_portal.fail_next("rate_limited")
    b24.with_options(on_wait=on_wait).call("user.current")
"""


def test_errors_in_pytest(tmp_path):
    """pytest shows the test's line, and the user's own callback, but no line of the library."""
    (tmp_path / "test_user.py").write_text(textwrap.dedent(TESTS))
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    told = subprocess.run(
        line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    ).stdout
    assert "6 failed" in told
    for shown in ('>       b24.call("crm.deal.get"', "on_wait", 'raise LookupError("mine")', "crm.deal.get: Not found"):
        assert shown in told
    assert {part.partition(":")[0] for part in re.findall(r"^\S+\.py:\d+", told, re.MULTILINE)} == {"test_user.py"}


def own_frames(error):
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return [frame for frame in frames if frame.f_globals["__name__"].startswith("b24batch.")]


def refused_session():
    return Session("https://127.0.0.1:1/rest/1/code1234/", limits=None)


MISUSES = {
    "call": lambda b24: b24.call("no.such.method"),
    "call: arguments": lambda b24: b24.call("a.b", wrong=1),
    "batch": lambda b24: b24.batch([("a b",)]),
    "batch_by_chunk": lambda b24: b24.batch_by_chunk([("a b",)]),
    "stream_batch": lambda b24: list(b24.stream_batch([("echo",), ("a b",)], chunk_size=1)),
    "call_list": lambda b24: b24.call_list("no.such.method"),
    "fetch_list": lambda b24: list(b24.fetch_list("no.such.method")),
    "concurrent list": lambda b24: list(b24.fetch_list("crm.deal.list", {"filter": {"%": object}}, concurrency=2)),
    "with_options": lambda b24: b24.with_options(timeout=-1),
    "Session": lambda b24: Session(b24.auth, wrong=1),
    "Session: no URL": lambda b24: Session("example.com"),
    "not sent": lambda b24: refused_session().with_options(max_wait=0).call("a.b"),
    "Command": lambda b24: Command("a b"),
    "raise_for_errors": lambda b24: b24.batch([("no.such.method",)]).raise_for_errors(),
    "name": lambda b24: b24.batch({"a": ("echo",)})["b"],
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_every_frame_of_ours_is_marked(b24, misuse):
    """Whatever a public name raises, each frame of the library in its traceback is marked as hidden."""
    with pytest.raises((SdkError, TypeError, LookupError)) as caught:
        MISUSES[misuse](b24)
    assert own_frames(caught.value)
    assert not [frame for frame in own_frames(caught.value) if not frame.f_locals.get("__tracebackhide__")]


def test_the_callback_in_the_middle_stays(b24, portal):
    """A callback that calls the portal itself stays in the traceback of the error it gets there."""

    def calls():
        yield ("echo",)
        b24.call("no.such.method")

    with pytest.raises(AjaxError) as caught:
        b24.batch_by_chunk(calls())
    assert [entry.name for entry in traceback.extract_tb(caught.tb) if entry.name == "calls"] == ["calls"]
    assert not [frame for frame in own_frames(caught.value) if not frame.f_locals.get("__tracebackhide__")]


class NoClock(FakeClock):
    """A clock that does not tell the time."""

    def monotonic(self):
        return None


def test_a_fault_keeps_its_traceback(b24):
    """An exception that the library did not mean to raise shows where it came from."""
    with pytest.raises(TypeError) as caught:
        b24.with_options(clock=NoClock()).call("echo")
    assert len(own_frames(caught.value)) > 2
    assert not own_frames(caught.value)[-1].f_locals.get("__tracebackhide__")
