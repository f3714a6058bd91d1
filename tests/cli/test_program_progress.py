"""The line that shows the progress on a terminal: what it says, when it is drawn, and that it leaves nothing behind."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading

import pytest
from shell import PATIENCE, command, outcomes, run

from b24batch import LeakyBucket
from b24batch.__main__ import main
from b24batch.cli import commands
from b24batch.cli.arguments import make_parser
from b24batch.cli.live_lines import LiveLine
from b24batch.cli.progress import Progress
from b24batch.cli.terminal import _live, say, shown_live
from b24batch.clock import Wait
from b24batch.sandbox import FakeClock, Page, Portal

COLUMNS = 300


class Terminal:
    """A pseudo-terminal: what was written to it, and what it shows."""

    def __init__(self):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self.stream = os.fdopen(slave, "w", encoding="utf-8")

    @contextlib.contextmanager
    def attached(self, output=None):
        """Let it be the standard error of this process for a while, and `output` the standard output."""
        with contextlib.redirect_stderr(self.stream), contextlib.redirect_stdout(output or io.StringIO()) as results:
            yield results

    def read(self):
        """Close the terminal, and return all that was written to it."""
        self.stream.close()
        written = b""
        with contextlib.suppress(OSError):
            while part := os.read(self.master, 4096):
                written += part
        os.close(self.master)
        return written.decode()


def drawn(written):
    """Return the texts that stood in the line, one after the other, without the bar."""
    texts = (text.rpartition("| ")[2].partition(",   ")[0].strip() for text in written.replace("\n", "\r").split("\r"))
    return [text for text in texts if text and not text.startswith(("b24batch:", "{"))]


def shown(written):
    """Return what the terminal shows in the end, line by line."""
    lines, column = [""], 0
    for character in written:
        if character == "\n":
            lines.append("")
        elif character == "\r":
            column = 0
        else:
            lines[-1] = f"{lines[-1]:<{column}}"
            lines[-1] = f"{lines[-1][:column]}{character}{lines[-1][column + 1 :]}"
            column += 1
    return [line.rstrip() for line in lines if line.strip()]


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


@pytest.fixture(params=["tqdm", "plain"])
def line(request, monkeypatch):
    """Draw the line with tqdm, or where that is not installed."""
    if request.param == "plain":
        monkeypatch.setitem(sys.modules, "tqdm", None)
    return request.param


@pytest.fixture
def go(tmp_path, terminal):
    """Run a file of commands, one in a request, on a portal that allows a request in so many seconds."""

    def go(methods, *options, seconds=0.0, output=None):
        clock = FakeClock()
        path = tmp_path / "commands.jsonl"
        path.write_text("".join(f"{json.dumps({'method': method})}\n" for method in methods))
        arguments = make_parser().parse(["run", str(path), "--chunk-size", "1", *options])
        limits = LeakyBucket(2, 1 / seconds, clock=clock) if seconds else None
        with Portal(clock) as portal, portal.session(limits=limits) as b24, terminal.attached(output):
            return commands.run(arguments, b24)

    return go


def test_the_line_says_how_far_it_is(terminal, line, go):
    """It has the number so far, the total, what failed, and why the run waits."""
    assert go(["server.time", "no.such.method", "server.time"], seconds=4.0) == 1
    texts = [text.partition(", 0")[0].partition(", ?")[0] for text in drawn(terminal.read())]
    assert texts[0].startswith("0 of 3")
    assert any(text.startswith("1 of 3, waiting for the rate") for text in texts)
    assert any(text.startswith("2 of 3, 1 failed, waiting for the rate") for text in texts)


def test_the_line_is_gone_at_the_end(terminal, line, go):
    """In the end the terminal shows the summary, and nothing of the line."""
    go(["server.time"] * 3, seconds=4.0)
    assert shown(terminal.read()) == ["b24batch: 3 commands: 3 ok"]


def test_a_terminal_that_does_not_tell_its_size(terminal, line, go):
    """A terminal without a size, as some programs open it, shows the line as well."""
    fcntl.ioctl(terminal.stream, termios.TIOCSWINSZ, bytes(8))
    go(["server.time"] * 3, seconds=4.0)
    assert "1 of 3, waiting for the rate" in terminal.read()


def test_the_line_is_drawn_once_a_second(terminal, line, go):
    """Requests that follow each other every 0.4 s draw it every third time."""
    go(["server.time"] * 20, seconds=0.4)
    texts = [text.split()[0] for text in drawn(terminal.read())]
    assert texts[0] == "0"
    assert len(texts) == len(set(texts)) <= 8
    assert len(texts) >= 6


def rows_of_a_page(params):
    return Page([{"ID": str(params.start + n)} for n in range(50)], next=50 - params.start or None, total=100)


def test_the_line_without_a_total(terminal, line):
    """Without a total, as in a list, the number has its unit; with --limit the limit is the total."""
    arguments = ["list", "row.list", "--paging", "start"]
    for options in ([], ["--limit", "70"]):
        with Portal() as portal, terminal.attached() as output:
            portal.method("row.list")(rows_of_a_page)
            assert main([*arguments, "--webhook", portal.url, *options]) == 0
        assert len(output.getvalue().splitlines()) == (70 if options else 100)
    written = terminal.read()
    assert "0 rows" in written
    assert "0 of 70" in written
    assert shown(written) == ["b24batch: 100 rows", "b24batch: 70 rows"]


def test_thousands_have_a_comma(clock):
    """Long numbers are grouped, and every trouble is counted by its name."""
    progress = Progress("commands", 5000, clock, None)
    progress.add(3248)
    progress.add(2, "failed")
    progress.wait(Wait("rate", 0.5, 1, "id"))
    assert progress.describe() == "3,250 of 5,000, 2 failed, waiting for the rate"
    progress.add(50, "unknown")
    assert progress.describe() == "3,300 of 5,000, 2 failed, 50 unknown"


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        (Wait("retry", 3.0, 2, "id"), "0 rows, waiting to send again"),
        (Wait("operating", 60.0, 1, "id"), "0 rows, waiting for operating time"),
    ],
)
def test_reasons_of_waits(clock, wait, said):
    """The line names each of the three reasons for a wait."""
    progress = Progress("rows", None, clock, None)
    progress.wait(wait)
    assert progress.describe() == said


@pytest.mark.parametrize("options", [["--no-progress"], ["-q"]])
def test_no_line_if_it_is_not_wanted(terminal, go, options):
    """Neither --no-progress nor --quiet draws a line."""
    go(["server.time"] * 3, *options, seconds=4.0)
    assert drawn(terminal.read()) == []


def test_no_line_in_a_pipe(tmp_path):
    """Standard error that is no terminal gets no line, unless --progress asks for it."""
    path = tmp_path / "commands.jsonl"
    path.write_text('{"method": "server.time"}\n')
    assert run("run", path, "--sandbox").stderr == "b24batch: 1 command: 1 ok\n"
    assert "0 of 1" in run("run", path, "--sandbox", "--progress").stderr
    assert "0 of 1" in run("run", path, "--sandbox", "--progress", "-q").stderr


def test_messages_stand_above_the_line(terminal, line, tmp_path):
    """A message in the middle of a run is a whole line of its own."""
    path = tmp_path / "commands.jsonl"
    path.write_text('{"method": "server.time"}\n{\n')
    with terminal.attached():
        assert main(["run", str(path), "--sandbox", "--chunk-size", "1"]) == 2
    first, rest, summary = shown(terminal.read())
    assert first.startswith("b24batch: line 2: is not JSON")
    assert rest.startswith("b24batch: lines up to 1 have an outcome")
    assert summary == "b24batch: 1 command: 1 ok"


def test_results_on_the_same_terminal(terminal, line, go):
    """If the results go to the terminal as well, none of them has a piece of the line in it."""
    go(["server.time"] * 5, seconds=2.0, output=terminal.stream)
    written = terminal.read()
    assert any("waiting for the rate" in text for text in drawn(written))
    text = "".join(shown(written)[:-1])
    assert [row["line"] for row in outcomes(text.replace('}{"line"', '}\n{"line"'))] == [1, 2, 3, 4, 5]


def test_a_table_on_the_same_terminal(terminal, line):
    """A table on the terminal begins on a line of its own, and nothing of the progress is in it."""
    with Portal() as portal, terminal.attached(terminal.stream):
        portal.method("row.list")(lambda params: Page([{"ID": "1", "NAME": "Anna"}], next=None, total=1))
        assert main(["list", "row.list", "--paging", "start", "--csv", "--webhook", portal.url]) == 0
    written = terminal.read()
    assert "0 rows" in written
    assert shown(written) == ["ID,NAME", "1,Anna", "b24batch: 1 row"]


def test_a_terminal_that_goes_away(terminal, line, go):
    """A terminal that is gone does not end the run."""
    os.close(terminal.master)
    output = io.StringIO()
    assert go(["server.time"] * 3, seconds=2.0, output=output) == 0
    assert len(outcomes(output.getvalue())) == 3
    with contextlib.suppress(OSError):
        terminal.stream.close()


def test_a_narrow_terminal(terminal, line, go):
    """The line never wraps: it ends at the edge of the terminal."""
    fcntl.ioctl(terminal.stream, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
    go(["no.such.method"] * 3, seconds=2.0)
    written = terminal.read().split("b24batch: 3 commands")[0]
    assert max(len(text) for text in written.replace("\n", "\r").split("\r")) < 20


def test_no_room_for_a_bar(terminal, line, go):
    """A terminal without room for a bar shows the numbers."""
    fcntl.ioctl(terminal.stream, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    go(["server.time"] * 3, seconds=2.0)
    assert "1 of 3, waiting for the rate" in drawn(terminal.read())


def test_the_traces_of_a_key(terminal, line):
    """What a key has written behind the line, as Ctrl-C does, is cleared with it."""
    with terminal.attached(), shown_live(LiveLine(terminal.stream, 5)):
        Progress("commands", 5, FakeClock(), _live[0]).draw()
        terminal.stream.write("^C")
        say("ended")
    assert shown(terminal.read()) == ["b24batch: ended"]


def test_a_dumb_terminal(terminal, go, monkeypatch):
    """A terminal that calls itself dumb shows the line only with --progress."""
    monkeypatch.setenv("TERM", "dumb")
    go(["server.time"] * 3, seconds=4.0)
    assert drawn(terminal.read()) == []


@pytest.fixture
def start_pressed(terminal, portal, tmp_path):
    """Starts a run of three commands whose second one sends a signal to the process and waits for the event."""

    def start(number, over, **options):
        path = tmp_path / "commands.jsonl"
        path.write_text('["server.time"]\n["press"]\n["server.time"]\n')

        @portal.method("press")
        def press(params):
            process.send_signal(number)
            over.wait(PATIENCE)

        line, usual = command("run", path, "--chunk-size", "1", B24_WEBHOOK_URL=portal.url)
        process = subprocess.Popen(line, **{**usual, "stderr": terminal.stream}, **options)
        return process

    return start


@pytest.mark.slow
def test_interrupted_on_a_terminal(terminal, start_pressed):
    """Ctrl-C clears the line, and says the same as in a pipe."""
    over = threading.Event()
    with start_pressed(signal.SIGINT, over) as process:
        output, _ = process.communicate(timeout=PATIENCE)
    over.set()
    assert (process.returncode, [row["status"] for row in outcomes(output)]) == (130, ["ok", "unknown"])
    written = terminal.read()
    assert "0 of 3" in written
    rest, summary = shown(written)
    assert rest.startswith("b24batch: lines up to 2 have an outcome")
    assert summary.startswith("b24batch: 2 commands: 1 ok, 1 unknown")


@pytest.mark.slow
def test_stopped_on_a_terminal(terminal, start_pressed):
    """Ctrl-Z clears the line before the shell writes its prompt there; the line is back when the program goes on."""
    over = threading.Event()
    # In a process group of its own, as a shell starts it: otherwise the signal may be ignored.
    with start_pressed(signal.SIGTSTP, over, process_group=0) as process:
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        watchdog.cancel()
        assert os.WIFSTOPPED(status)
        terminal.stream.write("$ fg\n")
        terminal.stream.flush()
        over.set()
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, [row["status"] for row in outcomes(output)]) == (0, ["ok", "ok", "ok"])
    written = terminal.read()
    assert "0 of 3" in written.partition("$ fg")[2]
    assert shown(written) == ["$ fg", "b24batch: 3 commands: 3 ok"]


def test_verbose(terminal, go):
    """--verbose has a line for each request and each wait, with the id of the request, beside the other messages."""
    go(["server.time"] * 3, "--verbose", "--no-progress", "--request-id", "night", seconds=4.0)
    told = [re.sub(r"\d+\.\d{3} s", "S", text) for text in shown(terminal.read())]
    assert told == [
        "b24batch: batch: 1 command, S, request id night",
        "b24batch: waiting 4.0 s (rate) before attempt 1, request id night/2",
        "b24batch: batch: 1 command, S, request id night/2",
        "b24batch: waiting 4.0 s (rate) before attempt 1, request id night/3",
        "b24batch: batch: 1 command, S, request id night/3",
        "b24batch: 3 commands: 3 ok",
    ]
