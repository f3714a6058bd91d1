"""Ctrl-C and outputs that break, while a file of commands runs: every line has its true outcome, or is to be sent."""

from __future__ import annotations

import contextlib
import fcntl
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest
from shell import PATIENCE, command, interrupt, outcomes, run_alone, started
from shell import press as press_it

from b24batch import UsageError
from b24batch.__main__ import main
from b24batch.cli.interrupts import GivenUp, handle_signals, hold_back
from b24batch.sandbox import Portal, PortalError

ADD = '{"method": "crm.deal.add", "params": {"fields": {"TITLE": "Deal"}}}\n'
#: A batch would take its text for a reference, so it goes alone.
ALONE = '{"method": "crm.deal.add", "params": {"fields": {"TITLE": "$result[a][b]"}}}\n'
#: More than a pipe holds, in three records.
BIG = "x" * 30_000


@pytest.fixture
def file(tmp_path):
    """Return what writes a file of commands and returns its path."""

    def write(text):
        path = tmp_path / "commands.jsonl"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def blocked(portal):
    """Return the portal with a method that is blocked for its operating time from the fourth call on."""
    calls = iter(range(1, 4))

    @portal.method("slow")
    def slow(params):
        for number in calls:
            return number
        raise PortalError("OPERATION_TIME_LIMIT", "blocked", http_status=429)

    return portal


SLOW = '{"method": "slow"}\n'
TIME = '{"method": "server.time"}\n'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "statuses"),
    [
        ([], ["ok", "ok", "ok", "failed", "failed", "ok"]),
        pytest.param(["--chunk-size", "6"], ["ok", "ok", "ok", "failed", "failed", "ok"], marks=pytest.mark.slow),
        pytest.param(["--chunk-size", "5"], ["ok", "ok", "ok", "failed", "failed"], marks=pytest.mark.slow),
        (["--halt"], ["ok", "ok", "ok", "failed", "skipped", "skipped"]),
    ],
)
def test_interrupted_in_a_wait_for_operating_time(blocked, file, options, statuses):
    """Ctrl-C in such a wait leaves each line of the request its true outcome, also at the end of the file."""
    with started("run", file(SLOW * 5 + TIME), *options, B24_WEBHOOK_URL=blocked.url) as process:
        assert "a method has used up its operating time" in process.stderr.readline()
        code, output, errors = interrupt(process)
    rows = outcomes(output)
    assert [row["status"] for row in rows] == statuses
    assert [row["data"] for row in rows[:3]] == [1, 2, 3]
    assert rows[3]["error"]["code"] == "OPERATION_TIME_LIMIT"
    assert code == 130
    assert f"lines up to {len(rows)} have an outcome; nothing after that was sent; continue with: tail" in errors
    assert errors.splitlines()[0].endswith(" ".join(["| b24batch run -", *options]))


@pytest.mark.slow
def test_interrupted_before_a_repeat_left(blocked, file):
    """Ctrl-C while a request waits to be sent again leaves its lines without an outcome, as not sent."""
    blocked.fail_next("rate_limited", times=99, after=1)
    with started("run", file(SLOW * 4), "--chunk-size", "2", B24_WEBHOOK_URL=blocked.url) as process:
        assert "before the request is sent again" in process.stderr.readline()
        code, output, errors = interrupt(process)
    assert (code, [row["line"] for row in outcomes(output)]) == (130, [1, 2])
    assert "lines up to 2 have an outcome; nothing after that was sent; continue with: tail -n +3 " in errors


@pytest.mark.slow
def test_interrupted_with_several_requests_on_their_way(portal, file):
    """With --concurrency, after Ctrl-C each line that was executed has its outcome, and no other line has one."""
    there, gate = threading.Barrier(4, timeout=PATIENCE), threading.Event()

    def hold():
        there.wait()
        gate.wait(PATIENCE)

    portal.fail_next(hold, times=3)
    options = ["--chunk-size", "2", "--concurrency", "3"]
    with started("run", file(ADD * 9_000), *options, B24_WEBHOOK_URL=portal.url) as process:
        there.wait()
        press_it(process.pid, signal.SIGINT)
        gate.set()
        output, errors = process.communicate()
    rows = outcomes(output)
    assert process.returncode == 130
    assert 6 <= len(rows) == len(portal.executed) < 9_000
    assert [(row["line"], row["status"]) for row in rows] == [(n, "ok") for n in range(1, len(rows) + 1)]
    assert f"lines up to {len(rows)} have an outcome; nothing after that was sent; continue with: tail" in errors
    assert errors.splitlines()[0].endswith("| b24batch run - --chunk-size 2 --concurrency 3")


ENDS = [(signal.SIGTERM, 143)]
if hasattr(signal, "SIGHUP"):
    ENDS += [pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow)]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), ENDS, ids=lambda value: str(value))
def test_told_to_end(portal, file, number, code):
    """SIGTERM and SIGHUP end a run as Ctrl-C does: each line that was executed has its outcome, and no other one."""
    gate = threading.Event()

    @portal.method("press")
    def press(params):
        press_it(process.pid, number)
        gate.wait(PATIENCE)

    lines = file(ADD * 4 + '{"method": "press"}\n' + ADD * 4)
    before = signal.signal(number, signal.SIG_DFL)  # the program leaves a signal alone that nohup ignores
    try:
        with started("run", lines, "--chunk-size", "2", B24_WEBHOOK_URL=portal.url) as process:
            output, errors = process.communicate()
    finally:
        signal.signal(number, before)
    gate.set()
    assert [row["status"] for row in outcomes(output)] == ["ok"] * 4 + ["unknown"] * 2
    assert "lines up to 6 have an outcome; nothing after that was sent; continue with: tail -n +7" in errors
    assert process.returncode == code
    assert len(portal.executed) in {4, 5, 6}


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs the signals of Unix")
def test_a_terminal_that_hangs_up_twice(portal, file, capsys, monkeypatch):
    """The SIGHUP that comes behind another signal, from the shell for one, does not cut the outcomes off."""
    output = Output(n2=1, n3=1)
    output.numbers = iter([signal.SIGTERM, signal.SIGHUP])
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["run", str(file(ADD * 9)), "--webhook", portal.url, "--chunk-size", "4"]) == 143
    assert [row["line"] for row in outcomes(output.getvalue())] == [1, 2, 3, 4]
    assert "lines up to 4 have an outcome" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_signal_that_is_ignored():
    """Who has one of the signals ignored, as nohup does with SIGHUP, still has it ignored."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with handle_signals():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


def is_blocked(process):
    """Return whether it has written a record of `BIG` and waits in another one for somebody to read."""
    unread = int.from_bytes(fcntl.ioctl(process.stdout, termios.FIONREAD, bytes(4)), sys.byteorder)
    return (
        unread > len(BIG) * 4 / 3 and Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("size", "unbuffered"),
    [(50, ""), (20, ""), pytest.param(30, "", marks=pytest.mark.slow), pytest.param(50, "1", marks=pytest.mark.slow)],
)
def test_interrupted_while_a_slow_reader_blocks(portal, file, size, unbuffered):
    """Ctrl-C within a record leaves it whole, and every line whose answer has come its true outcome."""
    portal.method("big")(lambda params: BIG)
    lines, environment = file('{"method": "big"}\n' * 30), {"PYTHONUNBUFFERED": unbuffered}
    with started("run", lines, "--chunk-size", size, B24_WEBHOOK_URL=portal.url, **environment) as process:
        while process.poll() is None and not is_blocked(process):
            threading.Event().wait(0.002)
        code, output, errors = interrupt(process)
    rows = outcomes(output)
    sent = min(size, 30)
    assert [(row["line"], row["status"], row["data"]) for row in rows] == [(n, "ok", BIG) for n in range(1, sent + 1)]
    assert (code, len(portal.executed)) == (130, sent)
    assert (
        f"lines up to {sent} have an outcome; nothing after that was sent; continue with: tail -n +{sent + 1}" in errors
    )


class Output(io.StringIO):
    """A standard output that presses Ctrl-C: a number of times in each of some writes, before they are complete."""

    def __init__(self, **presses):
        super().__init__()
        self.presses = {int(place[1:]): times for place, times in presses.items()}
        self.count = 0
        self.numbers = itertools.repeat(signal.SIGINT)

    def write(self, text):
        self.count += 1
        half = len(text) // 2
        super().write(text[:half])
        for _ in range(self.presses.get(self.count, 0)):
            signal.raise_signal(next(self.numbers))
        return super().write(text[half:])


@pytest.mark.parametrize(
    ("presses", "whole", "lines"),
    [
        ({"n2": 1}, 4, "lines up to 4 have an outcome"),
        ({"n4": 1}, 4, "lines up to 4 have an outcome"),
        ({"n2": 1, "n3": 1}, 3, "line 4 was sent, but the outcome could not be written"),
        ({"n2": 2}, 1, "lines 2 to 4 were sent, but the outcome could not be written"),
        ({"n2": 1, "n3": 2}, 2, "lines 3 to 4 were sent, but the outcome could not be written"),
    ],
)
def test_ctrl_c_within_a_record(portal, file, capsys, monkeypatch, presses, whole, lines):
    """One Ctrl-C leaves all outcomes of the request, a second the record it comes in; only a third cuts that off."""
    output = Output(**presses)
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["run", str(file(ADD * 9)), "--webhook", portal.url, "--chunk-size", "4"]) == 130
    written = [json.loads(line)["line"] for line in output.getvalue().split("\n")[:whole]]
    assert written == list(range(1, whole + 1))
    assert lines in capsys.readouterr().err
    assert len(portal.executed) == 4
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_that_is_ignored():
    """Who ignores Ctrl-C, as a shell does for a program in the background, still does so."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with hold_back():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_held_back():
    """The first Ctrl-C waits for the end of the block, the second does not."""
    reached = []
    with pytest.raises(KeyboardInterrupt) as first, hold_back():
        signal.raise_signal(signal.SIGINT)
        reached.append(1)
    with pytest.raises(GivenUp), hold_back():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        reached.append(2)
    assert reached == [1]
    assert first.type is KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ADD * 2 + ALONE + ADD, "lines 1 to 2 were"),
        pytest.param(ALONE * 2, "line 1 was", marks=pytest.mark.slow),
    ],
)
def test_full_disk_before_a_line_that_goes_alone(portal, file, text, said):
    """Of lines that were read ahead and not sent, nobody says that they were."""
    line, options = command("run", file(text), B24_WEBHOOK_URL=portal.url)
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(line, timeout=PATIENCE, **{**options, "stdout": full})
    assert f"{said} sent, but the outcome could not be written" in ended.stderr
    count = len(portal.executed)
    assert f"continue with: tail -n +{count + 1} " in ended.stderr


@pytest.mark.slow
def test_nobody_reads_on_before_a_line_that_goes_alone(portal, file):
    """A reader that goes away is told of the request in hand, and not of a line that was read ahead."""
    portal.method("big")(lambda params: BIG)
    lines = file('{"method": "big"}\n' * 9 + ALONE + ADD)
    with started("run", lines, B24_WEBHOOK_URL=portal.url) as process:
        process.stdout.readline()
        process.stdout.close()
        process.wait(PATIENCE)
        errors = process.stderr.read()
    assert (process.returncode, len(portal.executed)) == (141, 9)
    assert re.match(r"b24batch: lines \d to 9 were sent, .* continue with: tail -n \+10 ", errors)


@pytest.mark.slow
def test_a_stop_that_nobody_reads(portal, file):
    """Lines that a stop has skipped count as not sent, when their outcomes cannot be written."""
    text = '{"method": "no.such.method"}\n' + ADD * 3
    line, options = command("run", file(text), "--stop", "--chunk-size", "1", B24_WEBHOOK_URL=portal.url)
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(line, timeout=PATIENCE, **{**options, "stdout": full})
    assert "line 1 was sent" in ended.stderr
    assert "tail -n +2" in ended.stderr
    assert ended.stderr.splitlines()[1].endswith("b24batch run - --stop --chunk-size 1")


def test_a_stream_that_is_interrupted(clock):
    """Ctrl-C in a stream has in its `result` what is known of the request in hand and was not yielded."""

    def press(wait):
        raise KeyboardInterrupt

    with Portal(clock=clock) as portal:
        portal.fail_next(PortalError("OPERATION_TIME_LIMIT", "blocked"), after=1)
        rows = portal.session(on_wait=press).stream_batch([("server.time",)] * 3, chunk_size=2)
        assert [next(rows).status, next(rows).status] == ["ok", "ok"]
        with pytest.raises(KeyboardInterrupt) as caught:
            next(rows)
    assert [row.status for row in caught.value.result] == ["failed"]


def test_what_is_thrown_into_a_stream(b24):
    """An exception thrown into a stream has in its `result` what was not yielded of the request in hand."""
    rows = b24.stream_batch([("server.time",), ("no.such.method",), ("server.time",), ("app.info",)], chunk_size=3)
    assert next(rows).status == "ok"
    error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt) as caught:
        rows.throw(error)
    assert caught.value is error
    assert [row.status for row in error.result] == ["failed", "skipped"]


def test_a_stream_that_is_interrupted_while_it_reads(portal, b24):
    """Commands that were read, and not sent, are in no `result`."""

    def calls():
        yield from [("server.time",)] * 3
        raise KeyboardInterrupt

    rows = b24.stream_batch(calls(), chunk_size=2)
    assert [next(rows).status, next(rows).status] == ["ok", "ok"]
    with pytest.raises(KeyboardInterrupt) as caught:
        next(rows)
    assert list(caught.value.result) == []
    assert len(portal.executed) == 2


def test_a_wrong_call_in_a_stream(b24):
    """A wrong call ends a stream with its error, and leaves nothing behind of the requests before it."""
    rows = b24.stream_batch([("server.time",), ("batch",)], chunk_size=1)
    assert next(rows).status == "ok"
    with pytest.raises(UsageError) as refusal:
        next(rows)
    assert list(vars(refusal.value)["result"]) == []


def test_an_exception_in_the_loop(portal, b24):
    """After an exception of the caller's own in the body of the loop, the stream knows what it did not yield."""
    rows = b24.stream_batch([("server.time",), ("no.such.method",), ("server.time",), ("app.info",)], chunk_size=3)
    with pytest.raises(ZeroDivisionError):
        for row in rows:
            assert row.is_success
            raise ZeroDivisionError
    assert [row.status for row in rows.result] == ["failed", "skipped"]
    with contextlib.closing(rows):
        assert next(rows).status == "failed"
    assert [row.status for row in rows.result] == ["skipped"]
    assert list(rows) == []
    assert len(portal.requests) == 1


def test_what_a_stream_knows_at_its_ends(b24):
    """A stream that has not begun, and one that has ended, has yielded all that is known."""
    rows = b24.stream_batch([("server.time",)])
    assert (iter(rows), len(rows.result)) == (rows, 0)
    assert [row.status for row in rows] == ["ok"]
    assert len(rows.result) == 0


def test_an_exception_in_the_loop_over_a_list(portal, b24):
    """A list knows the rows of the pages that came with the one in hand and were not yielded."""
    b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": str(n)}}) for n in range(130)]).raise_for_errors()
    pages = b24.fetch_list("crm.deal.list", {"select": ["ID"]})
    taken = [int(row["ID"]) for row in next(pages)]
    taken += [int(row["ID"]) for row in next(pages)]
    known = [int(row["ID"]) for row in pages.result]
    assert taken + known == list(range(1, 131))
    error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        pages.throw(error)
    assert [int(row["ID"]) for row in error.result] == known
    assert list(pages) == []


@pytest.mark.slow
def test_interrupted_before_it_begins(tmp_path):
    """Ctrl-C while the program is still being loaded ends it without a traceback."""
    (tmp_path / "argparse.py").write_text("raise KeyboardInterrupt\n")
    ended = run_alone("call", "server.time", PYTHONPATH=f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
