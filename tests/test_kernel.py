"""A real kernel: what a notebook shows of an interrupt and of errors, and what Tab completes."""

import os
import re

import pytest
from jupyter_client import KernelManager

#: A kernel takes seconds to start.
pytestmark = pytest.mark.slow

#: Seconds after which a kernel is taken to hang.
PATIENCE = 60
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
#: A portal in the kernel whose 101st call says so and then answers only once `over` is set.
SLOW_PORTAL = """
import threading
from b24batch.sandbox import Page, Portal
portal, called, over = Portal().start(), [], threading.Event()
@portal.method("slow")
def slow(params):
    called.append(params)
    if len(called) % 1000 == 101:
        print("interrupt me", flush=True)
        over.wait(30)
    return called[-1]
@portal.method("slow.list")
def slow_list(params):
    if params.start == 100:
        print("interrupt me", flush=True)
        over.wait(30)
    return Page([{"ID": n} for n in range(params.start, params.start + 50)], next=params.start + 50, total=1000)
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
    assert kernel("over.set()") == []
    assert "ZeroDivisionError" in str(kernel("1/0"))
    assert "Not found" in str(kernel('b24.call("crm.deal.get", {"id": 4711})'))
    assert kernel("b24.last_result")[0].startswith(
        f"<Result of {NOTE.partition(';')[0]}; first error: 100 (ANSWER_LOST"
    )


@pytest.mark.parametrize(
    ("line", "note"),
    [
        (
            'for row in b24.stream_batch(calls):\n    print(end="")',
            "50 commands: 50 unknown; their outcomes: b24.last_result",
        ),
        (
            "for row in b24.stream_batch(calls, concurrency=4):\n    if row.is_success:\n        continue\n    break",
            r"\d+ commands: .*\d+ unknown; their outcomes: b24\.last_result",
        ),
        (
            'b24.call_list("slow.list", paging="start", pages_per_request=1)',
            "100 rows were read; they are in the `result` of this exception",
        ),
        (
            'for page in b24.fetch_list("slow.list", paging="start", pages_per_request=1):\n    pass',
            "100 rows were yielded; 0 more are in the `result` of this exception",
        ),
    ],
)
def test_interrupts_of_streams_and_lists(kernel, line, note):
    """*Interrupt* of a stream or a list shows at most 12 lines, and where its outcomes or rows are."""
    assert kernel("called.clear(); over.clear()") == []
    lines = kernel(line)
    assert len(lines) <= 12
    assert f"----> 1 {line.splitlines()[0]}" in lines
    assert re.fullmatch(note, lines[-1])
    assert kernel("over.set()") == []


@pytest.mark.parametrize(
    ("line", "last"),
    [
        ('b24.call("crm.deal.get", {"id": 4711})', "AjaxError: crm.deal.get: Not found"),
        ('b24.batch([("a b",)])', "UsageError: USAGE: call 0: method: expected a name such as crm.deal.add, got 'a b'"),
        (
            'b24.call_list("crm.deal.add")',
            "UsageError: USAGE: crm.deal.add writes, and list methods only read; use call",
        ),
        ('b24.batch([("no",)]).raise_for_errors()', "BatchError: BATCH: 1 command: 1 failed"),
        ('b24.batch({"b": ("no",)})["c"]', "KeyError: 'c'"),
    ],
)
def test_errors_in_a_notebook(kernel, line, last):
    """An error shows the caller's line, at most one frame of ours, and its message."""
    lines = kernel(line)
    assert f"----> 1 {line}" in lines
    assert len(lines) <= 12
    assert lines[-1].startswith(last)


def test_names_are_completed(kernel):
    """Tab completes the names of commands in ``result["``."""
    kernel('result = b24.batch({"first": ("user.current",), "second": ("no.such.method",)})')
    assert kernel("""get_ipython().complete('result["')[1]""") == [str(['result["first', 'result["second'])]
