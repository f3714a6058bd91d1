"""Progress: a bar for a run in a terminal, lines in the log elsewhere, and nothing unless it is asked for."""

import functools
import logging
import os
import pty
import subprocess
import sys
import termios

import pytest

from b24batch import LeakyBucket, RetryPolicy, UsageError
from b24batch.sandbox import PortalError

CALLS = [("no.such.method" if n in (3, 60) else "echo", {"n": n}) for n in range(120)]


class Bar:
    """A bar that keeps what it is told; `fail` is the event at which it raises `error`."""

    def __init__(self, *, fail=None, error=None, **attributes):
        self.events = []
        self.fail, self.error = fail, error
        vars(self).update(attributes)

    def __call__(self, **options):
        self.note("open", options)
        return self

    def update(self, n):
        self.note("update", n)

    def set_postfix_str(self, text):
        self.note("text", text)

    def close(self):
        self.note("close", None)

    def note(self, name, value):
        self.events.append((name, value))
        if name == self.fail:
            raise self.error

    def values(self, name):
        return [value for event, value in self.events if event == name]


@pytest.fixture
def bar():
    return Bar()


@pytest.fixture
def no_tqdm(monkeypatch):
    """An environment in which tqdm is not installed."""
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)


@pytest.fixture
def deals(b24):
    """A portal with 120 deals."""
    b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": str(n)}}) for n in range(120)]).raise_for_errors()


def info(caplog):
    return [record.getMessage() for record in caplog.records if (record.name, record.levelno) == ("b24batch", 20)]


def test_a_bar_of_ones_own(b24, bar):
    """A bar like that of tqdm gets the total, the commands of each chunk, the failures so far, and its end."""
    result = b24.batch_by_chunk(CALLS, halt_on_error=False, progress=bar)
    assert bar.events == [
        ("open", {"total": 120, "unit": " commands"}),
        ("text", "1 failed"),
        ("update", 50),
        ("text", "2 failed"),
        ("update", 50),
        ("update", 20),
        ("close", None),
    ]
    assert result.to_dict()["rows"][3]["status"] == "failed"


def test_a_bar_changes_no_result(b24, portal, bar):
    """With a bar the same requests are sent, and the same outcomes come back."""
    plain = b24.batch_by_chunk(CALLS, request_id="run")
    shown = b24.batch_by_chunk(CALLS, request_id="run", progress=bar)
    assert [row.status for row in shown] == [row.status for row in plain]
    sent = [(request.method, request.params, request.headers["x-request-id"]) for request in portal.requests]
    assert sent[3:] == sent[:3]
    assert shown.data == plain.data


def test_skipped_and_unknown_are_shown(b24, portal, bar):
    """The bar tells every outcome that is not a success by its name, a missed reference too."""
    portal.fail_next("lost_after", after=1)
    b24.batch_by_chunk(CALLS, progress=bar)
    assert bar.values("text") == ["1 failed, 46 skipped", "1 failed, 46 skipped, 50 unknown"]


def test_a_missed_reference_is_shown(b24, portal, bar):
    """A command whose value is missing is counted under that name, whether it was sent or not."""
    from b24batch import ref

    portal.method("nothing")(lambda params: {})
    portal.method("my.get")(lambda params: {})
    for dependent in ("echo", "my.get"):
        bar.events.clear()
        b24.batch_by_chunk([("nothing",), (dependent, {"x": ref(0)["id"]})], progress=bar)
        assert bar.values("text") == ["1 reference missed"]


def test_rows_of_a_list(b24, deals, bar):
    """A list counts its rows page by page; nobody knows their number beforehand."""
    rows = b24.call_list("crm.deal.list", progress=bar)
    assert len(rows) == 120
    assert bar.events == [
        ("open", {"total": None, "unit": " rows"}),
        ("update", 50),
        ("update", 50),
        ("update", 20),
        ("close", None),
    ]


@pytest.mark.parametrize("nothing", [None, False])
def test_nothing_by_default(b24, deals, nothing, capfd, no_tqdm):
    """Without progress nothing is shown and tqdm is not needed."""
    b24.batch_by_chunk(CALLS, progress=nothing)
    b24.call_list("crm.deal.list", progress=nothing)
    assert capfd.readouterr() == ("", "")


def test_an_empty_run(b24, bar, refused):
    """A run of nothing opens its bar and closes it."""
    assert b24.batch_by_chunk([], progress=bar).is_success
    assert bar.events == [("open", {"total": 0, "unit": " commands"}), ("close", None)]


def test_waits_for_the_rate(portal, clock, bar):
    """A wait of a second or more is shown when it begins, with its reason, until the next chunk is answered."""
    bucket = LeakyBucket(2, 0.08, clock=clock)
    told = []
    b24 = portal.session(clock=clock, limits=bucket, on_wait=told.append)
    b24.batch_by_chunk([("no.such.method",), ("echo",), ("echo",)], chunk_size=1, progress=bar)
    assert bar.events[1:] == [
        ("text", "1 failed"),
        ("update", 1),
        ("text", "1 failed, waiting 12 s (rate)"),
        ("text", "1 failed"),
        ("update", 1),
        ("text", "1 failed, waiting 12 s (rate)"),
        ("text", "1 failed"),
        ("update", 1),
        ("close", None),
    ]
    assert [wait.seconds for wait in told] == [12.5, 12.5]


@pytest.mark.parametrize(("wait", "texts"), [(0.5, []), (1.0, ["waiting 1 s (rate)", ""] * 3)])
def test_short_waits_do_not_flicker(portal, clock, bar, wait, texts):
    """The half seconds of a steady pace are not shown, a whole second is."""
    bucket = LeakyBucket(2, 1 / wait, clock=clock)
    portal.session(clock=clock, limits=bucket).batch_by_chunk([("echo",)] * 4, chunk_size=1, progress=bar)
    assert clock.slept == [wait] * 3
    assert bar.values("text") == texts


def test_waits_for_a_retry_of_a_list(portal, clock, bar):
    """A list shows its waits too."""
    portal.fail_next("rate_limited")
    b24 = portal.session(clock=clock, retries=RetryPolicy(wait_initial=20.0, random=lambda: 1.0))
    b24.call_list("crm.deal.list", progress=bar)
    assert bar.values("text")[0] == "waiting 20 s (retry)"


def test_waits_for_operating_time(clock, bar):
    """The long wait for a method that has used up its time is shown."""
    from b24batch.sandbox import Portal

    with Portal(clock, operating_limit=10) as portal:
        portal.cost("server.time", 6.0)
        portal.session().batch_by_chunk([("server.time",)] * 3, chunk_size=1, progress=bar)
    assert any("(operating)" in text for text in bar.values("text"))


def test_what_was_learnt_of_operating_time_stays(clock, bar):
    """A session knows afterwards when a method is free that a run with progress, its sibling, has used up."""
    from b24batch.sandbox import Portal

    with Portal(clock, operating_limit=10) as portal:
        portal.cost("server.time", 11.0)
        b24 = portal.session(operating_wait=0.0)
        b24.batch_by_chunk([("server.time",)], progress=bar)
        [error] = b24.batch_by_chunk([("server.time",)]).errors.values()
    assert error.reset_at > clock.time()


@pytest.mark.parametrize(
    ("event", "statuses"),
    [
        ("open", ["skipped"] * 3),
        ("update", ["ok", "skipped", "skipped"]),
        ("close", ["ok"] * 3),
    ],
)
def test_a_bar_that_fails(b24, portal, event, statuses):
    """An error of a bar leaves as the same object, with the outcomes so far in its `result`."""
    error = LookupError("mine")
    with pytest.raises(LookupError) as caught:
        b24.batch_by_chunk([("echo",)] * 3, chunk_size=1, progress=Bar(fail=event, error=error))
    assert caught.value is error
    assert [row.status for row in error.result] == statuses
    assert len(portal.executed) == statuses.count("ok")


def test_a_bar_that_fails_on_a_list(b24, deals):
    """An error of a list's bar has the rows so far."""
    bar = Bar(fail="update", error=LookupError("mine"))
    with pytest.raises(LookupError) as caught:
        b24.call_list("crm.deal.list", progress=bar)
    assert len(caught.value.result) == 50
    assert bar.events[-1] == ("close", None)


@pytest.mark.parametrize("close_fails", [False, True])
def test_ctrl_c_closes_the_bar(b24, portal, close_fails):
    """Ctrl-C leaves as it is and with the result, the bar closed, even if closing it fails."""
    interrupt = KeyboardInterrupt()
    bar = Bar(fail="close" if close_fails else None, error=OSError("no terminal"))

    def press(wait):
        raise interrupt

    portal.fail_next("rate_limited", after=1)
    with pytest.raises(KeyboardInterrupt) as caught:
        b24.with_options(on_wait=press).batch_by_chunk([("echo",)] * 3, chunk_size=1, progress=bar)
    assert caught.value is interrupt
    assert [row.status for row in interrupt.result] == ["ok", "skipped", "skipped"]
    assert bar.events[-1] == ("close", None)


def test_an_error_of_a_list_closes_the_bar(b24, portal, bar):
    """A list that fails closes its bar."""
    portal.fail_next(PortalError("ACCESS_DENIED", "No."))
    with pytest.raises(Exception, match="ACCESS_DENIED"):
        b24.call_list("crm.deal.list", progress=bar)
    assert bar.events == [("open", {"total": None, "unit": " rows"}), ("close", None)]


@pytest.mark.parametrize("wrong", ["yes", 1, 0, [], ...], ids=repr)
def test_what_is_no_progress(b24, wrong, refused):
    """Something that can make no bar is refused before anything is sent."""
    for run in (b24.batch_by_chunk, b24.call_list):
        with pytest.raises(UsageError, match="progress: expected True, None or a callable that makes a bar, got "):
            run([("echo",)] if run == b24.batch_by_chunk else "crm.deal.list", progress=wrong)


def test_without_tqdm(b24, no_tqdm, refused):
    """Where tqdm is not installed, a sentence names the extra before anything is sent."""
    sentence = r"^progress=True needs tqdm: pip install 'b24batch\[progress\]'$"
    with pytest.raises(ImportError, match=sentence):
        b24.batch_by_chunk([("echo",)], progress=True)
    with pytest.raises(ImportError, match=sentence):
        b24.call_list("crm.deal.list", progress=True)


def test_a_bar_needs_no_tqdm(b24, no_tqdm, bar):
    """A bar of one's own does without tqdm."""
    b24.batch_by_chunk([("echo",)], progress=bar)
    assert bar.values("update") == [1]


def slow_calls(portal, clock, seconds):
    """Calls that take so many seconds each of the shared clock."""
    portal.method("slow")(lambda params: clock.advance(seconds))
    return portal.session(clock=clock), [("slow",)] * 7 + [("no.such.method",)]


@pytest.mark.parametrize(("seconds", "counts"), [(4.0, [3, 6]), (5.0, [2, 4, 6]), (9.5, [2, 4, 6])])
def test_lines_in_a_pipe(portal, clock, caplog, capfd, seconds, counts):
    """Without a terminal tqdm is silent, and the log has a line every 10 seconds and one for the end."""
    caplog.set_level(logging.INFO)
    b24, calls = slow_calls(portal, clock, seconds)
    b24.batch_by_chunk(calls, chunk_size=1, progress=True)
    assert info(caplog) == [*(f"{count} of 8 commands" for count in counts), "8 of 8 commands, 1 failed"]
    assert capfd.readouterr() == ("", "")


def test_lines_without_a_standard_error(portal, clock, caplog, monkeypatch):
    """A program without a standard error, such as one of pythonw, has lines in the log."""
    monkeypatch.setattr(sys, "stderr", None)
    caplog.set_level(logging.INFO)
    b24, calls = slow_calls(portal, clock, 11.0)
    b24.batch_by_chunk(calls[:2], chunk_size=1, progress=True)
    assert info(caplog) == ["1 of 2 commands", "2 of 2 commands"]


def test_lines_of_a_list(portal, clock, caplog, deals):
    """A list's lines count rows, without a total."""
    caplog.set_level(logging.INFO)
    portal.fail_next(lambda: clock.advance(11.0), times=2)
    portal.session(clock=clock).call_list("crm.deal.list", progress=True, pages_per_request=1)
    assert info(caplog) == ["50 rows", "100 rows", "120 rows"]


def test_a_short_run_logs_nothing(portal, clock, caplog):
    """A run of less than 10 seconds needs no line; one that ends on a line gets no second."""
    caplog.set_level(logging.INFO)
    b24, calls = slow_calls(portal, clock, 1.0)
    b24.batch_by_chunk(calls, chunk_size=1, progress=True)
    assert info(caplog) == []
    b24.batch_by_chunk(calls[:-1] * 2, chunk_size=10, progress=True)
    assert info(caplog) == ["10 of 14 commands", "14 of 14 commands"]
    b24.batch_by_chunk(calls[:-1] * 2, chunk_size=50, progress=True)
    assert info(caplog)[2:] == ["14 of 14 commands"]


def test_a_disabled_bar_of_ones_own(portal, clock, caplog):
    """Lines stand in for any bar that is disabled, and it is closed at once."""
    caplog.set_level(logging.INFO)
    bar = Bar(disable=True)
    b24, calls = slow_calls(portal, clock, 11.0)
    b24.batch_by_chunk(calls[:1], progress=bar)
    assert info(caplog) == ["1 of 1 commands"]
    assert bar.events == [("open", {"total": 1, "unit": " commands"}), ("close", None)]


def test_tqdm_itself(b24, capfd):
    """The classes of tqdm can be passed as they are, and with options."""
    tqdm = pytest.importorskip("tqdm")
    b24.batch_by_chunk(CALLS, progress=functools.partial(tqdm.tqdm, desc="import", ncols=90, ascii=True))
    assert "import: 100%" in capfd.readouterr().err


PROGRAM = (
    "import sys\n"
    "from b24batch.sandbox import Portal\n"
    "with Portal() as portal:\n"
    "    b24 = portal.session()\n"
    "    calls = [('no.such.method' if n == 70 else 'server.time',) for n in range(120)]\n"
    "    for progress in {progress}:\n"
    "        b24.batch_by_chunk(calls, halt_on_error=False, progress=progress)\n"
    "        print('tqdm' in sys.modules)\n"
)


def play(progress, **options):
    line = [sys.executable, "-c", PROGRAM.format(progress=progress)]
    return subprocess.run(line, stdout=subprocess.PIPE, text=True, timeout=60, check=True, **options)


@pytest.mark.slow
def test_tqdm_is_imported_when_asked_for():
    """Nothing is imported unless a bar is asked for; in a pipe even that prints nothing."""
    ended = play([None, False, True], stderr=subprocess.PIPE)
    assert (ended.stdout.split(), ended.stderr) == (["False", "False", "True"], "")


@pytest.mark.slow
def test_a_terminal_shows_the_bar():
    """In a terminal the bar is there: its total, its unit, its end, and what failed."""
    ours, theirs = pty.openpty()
    try:
        termios.tcsetwinsize(ours, (25, 100))
        play([True], stderr=theirs)
        text = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "0/120 [" in text
    assert "120/120 [" in text
    assert " commands/s" in text
    assert "1 failed]" in text
