"""Tracebacks: what is shown is the caller's line and the message, not the inside of the library."""

import os
import re
import socket
import subprocess
import sys
import textwrap
import traceback

import pytest

from b24batch import AjaxError, Command, OAuth, SdkError, Session, Webhook, look_up, ref
from b24batch.files import download_file, file_data, file_value, upload_file
from b24batch.reading import to_bool, to_date, to_datetime, to_decimal
from b24batch.sandbox import FakeClock, PortalError

#: Seconds after which a run of tests is taken to hang.
PATIENCE = 60


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


@pytest.mark.slow
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


def call_nobody():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/rest/1/code1234/"
        Session(url, limits=None, max_wait=0).call("a.b")


MISUSES = {
    "call": lambda b24: b24.call("no.such.method"),
    "call: arguments": lambda b24: b24.call("a.b", wrong=1),
    "batch": lambda b24: b24.batch([("a b",)]),
    "batch_by_chunk": lambda b24: b24.batch_by_chunk([("a b",)]),
    "stream_batch": lambda b24: list(b24.stream_batch([("echo",), ("a b",)], chunk_size=1)),
    "call_list": lambda b24: b24.call_list("no.such.method"),
    "fetch_list": lambda b24: list(b24.fetch_list("no.such.method")),
    "fetch_list: arguments": lambda b24: b24.fetch_list("crm.deal.list", {"filter": {"%": object}}),
    "with_options": lambda b24: b24.with_options(timeout=-1),
    "Session": lambda b24: Session(b24.auth, wrong=1),
    "Session: no URL": lambda b24: Session("example.com"),
    "not sent": lambda b24: call_nobody(),
    "Command": lambda b24: Command("a b"),
    "raise_for_errors": lambda b24: b24.batch([("no.such.method",)]).raise_for_errors(),
    "name": lambda b24: b24.batch({"a": ("echo",)})["b"],
    "data": lambda b24: b24.batch({"a": ("echo",)}).data["b"],
    "to_dict": lambda b24: Command("a.b", {"x": b"x"}).to_dict(),
    "from_dict": lambda b24: Command.from_dict({}),
    "from_dict: refs": lambda b24: Command.from_dict({"method": "a.b", "refs": [{}]}),
    "from_dict: refs elsewhere": lambda b24: Command.from_dict(Command("a.b", [ref("a")]).to_dict() | {"params": []}),
    "from_dict: method": lambda b24: Command.from_dict({"method": "a b"}),
    "by_status": lambda b24: b24.batch([("echo",)]).by_status("skiped"),
    "look_up": lambda b24: look_up(b24, "user.get", "ORIGIN_ID", ["a"]),
    "look_up: keys": lambda b24: look_up(b24, "crm.deal.list", "ORIGIN_ID", [17]),
    "to_bool": lambda b24: to_bool("yes"),
    "to_date": lambda b24: to_date("01.05.2026"),
    "to_datetime": lambda b24: to_datetime("2026-05-01"),
    "to_decimal": lambda b24: to_decimal("10.50|EUR"),
    "file_value": lambda b24: file_value(("a.txt", b"")),
    "file_data": lambda b24: file_data(b"content"),
    "upload_file": lambda b24: upload_file(b24, 4711, ("a.txt", b"a")),
    "download_file": lambda b24: download_file(b24, "https://example.com/a.txt", "a.txt"),
    "Webhook": lambda b24: Webhook("example.com"),
    "OAuth": lambda b24: OAuth("id", "secret", "token"),
    "ref": lambda b24: ref("a b"),
    "ref: key": lambda b24: ref("a")[-1],
    "ref: text": lambda b24: f"{ref('a')}",
    "ref: plus": lambda b24: ref("a") + "x",
    "ref: truth": lambda b24: bool(ref("a")),
    "ref: total": lambda b24: ref("a")["x"].total,
    "ref: next": lambda b24: ref("a")["x"].next,
    "ref: key of a number": lambda b24: ref("a").next["x"],
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_every_frame_of_ours_is_marked(b24, misuse):
    """Whatever a public name raises, each frame of the library in its traceback is marked as hidden."""
    with pytest.raises((SdkError, TypeError, ValueError, LookupError)) as caught:
        MISUSES[misuse](b24)
    assert not [frame for frame in own_frames(caught.value) if not frame.f_locals.get("__tracebackhide__")]


@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize(
    "read",
    [
        lambda b24, **options: b24.fetch_list("crm.deal.list", **options),
        lambda b24, **options: b24.stream_batch([("echo",), ("a b",)], chunk_size=1, **options),
    ],
)
def test_a_loop(b24, portal, read, concurrency):
    """What stops a loop over a list or a stream leaves no frame of ours: the loop's own line is the innermost."""

    @portal.method("crm.deal.list")
    def refuse(params):
        raise PortalError("REFUSED", "no")

    items = read(b24, concurrency=concurrency)
    with pytest.raises(SdkError) as caught:
        list(items)
    assert [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.tb)] == ["test_a_loop"]
    assert caught.value.result is not None
    assert list(items) == []


@pytest.mark.parametrize("send", [lambda b24: b24.call("no.such.method"), lambda b24: b24.batch([("a b",)])])
def test_a_call(b24, send):
    """What a call raises has one frame of ours, that of the function that was called."""
    with pytest.raises(SdkError) as caught:
        send(b24)
    assert len(own_frames(caught.value)) == 1


@pytest.mark.parametrize("run", [Session.batch_by_chunk, lambda b24, calls: list(b24.stream_batch(calls))])
def test_the_callback_in_the_middle_stays(b24, portal, run):
    """A callback that calls the portal itself stays in the traceback of the error it gets there."""

    def calls():
        yield ("echo",)
        b24.call("no.such.method")

    with pytest.raises(AjaxError) as caught:
        run(b24, calls())
    assert [entry.name for entry in traceback.extract_tb(caught.tb) if entry.name == "calls"] == ["calls"]
    assert not [frame for frame in own_frames(caught.value) if not frame.f_locals.get("__tracebackhide__")]


def test_the_context_of_a_callbacks_error_stays(b24):
    """What a callback was doing when it failed stays with its error, also if the caller handles another one."""

    def calls():
        try:
            yield ("echo",)
            raise LookupError("first")
        except LookupError as error:
            raise ValueError("second") from error

    for run in (b24.batch, b24.batch_by_chunk, lambda calls: list(b24.stream_batch(calls))):
        try:
            raise KeyError("the caller's")
        except KeyError:
            with pytest.raises(ValueError, match="second") as caught:
                run(calls())
        assert isinstance(caught.value.__context__, LookupError)


def test_no_url_beside_a_callback_that_fails(portal):
    """What a callback raises keeps its traceback, but no frame of ours in it has the URL of the session."""

    class Broken(FakeClock):
        def monotonic(self):
            raise LookupError("no time")

    with pytest.raises(LookupError) as caught:
        Session(portal.url, clock=Broken(), limits=None)
    assert own_frames(caught.value)
    assert portal.url not in str([frame.f_locals for frame in own_frames(caught.value)])


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
