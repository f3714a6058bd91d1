"""The command ``run``: a file of commands, the outcomes of its lines, and what is left when it ends early."""

from __future__ import annotations

import fcntl
import json
import re
import signal
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest
from shell import PATIENCE, against, command, interrupt, outcomes, run, run_alone, started

from b24batch import AjaxResult, AnswerLost, Command, NotSent
from b24batch.cli.lines import Line, Report
from b24batch.cli.terminal import Exit

TIME = '{"method": "server.time"}\n'
WRONG = '{"method": "no.such.method"}\n'
ADD = '{"method": "crm.deal.add", "params": {"fields": {"TITLE": "Deal"}}}\n'


@pytest.fixture
def file(tmp_path):
    """Return what writes a file of commands and returns its path."""

    def write(text):
        path = tmp_path / "commands.jsonl"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def echo(number, **more):
    """Return a line that asks the portal for a number."""
    return f"{json.dumps({'method': 'echo', 'params': {'n': number}, **more})}\n"


def test_several_requests_on_their_way(portal, file):
    """--concurrency has so many requests on their way at once, and the lines keep their order."""
    barrier = threading.Barrier(3, timeout=PATIENCE)
    portal.fail_next(barrier.wait, times=6)
    ended = against(portal.url, "run", file("".join(map(echo, range(1, 7)))), "--chunk-size", "1", "--concurrency", "3")
    rows = outcomes(ended.stdout)
    assert [(row["line"], row["data"]) for row in rows] == [(n, {"n": str(n)}) for n in range(1, 7)]
    assert (ended.returncode, ended.stderr) == (0, "b24batch: 6 commands: 6 ok\n")


@pytest.mark.parametrize("name", ["run", "list"])
@pytest.mark.parametrize("number", ["0", "17", "-1", "1.5", "many", "", "\N{ARABIC-INDIC DIGIT FOUR}x"])
def test_a_concurrency_out_of_range(name, number, portal):
    """A --concurrency that is not from 1 to 16 is invalid usage that names the option; nothing is sent."""
    ended = against(portal.url, name, "crm.deal.list", f"--concurrency={number}")
    assert (ended.returncode, ended.stdout, len(portal.requests)) == (2, "", 0)
    assert "argument --concurrency: expected a whole number from 1 to 16" in ended.stderr


@pytest.mark.parametrize("number", ["1", "16"])
def test_the_ends_of_the_range_of_concurrency(portal, number):
    """1 and 16 are both valid."""
    ended = against(portal.url, "run", "-", "--concurrency", number, stdin=TIME)
    assert (ended.returncode, ended.stderr) == (0, "b24batch: 1 command: 1 ok\n")


def test_invalid_line_among_several_requests(portal, file):
    """With --concurrency, lines before an invalid one have an outcome, and the message continues in the same way."""
    lines = file(ADD * 7 + "{\n" + ADD)
    ended = against(portal.url, "run", lines, "--chunk-size", "2", "--concurrency", "4")
    rows = outcomes(ended.stdout)
    assert [(row["line"], row["status"]) for row in rows] == [(n, "ok") for n in range(1, 7)]
    assert (ended.returncode, len(portal.executed)) == (2, 6)
    assert "line 8: is not JSON" in ended.stderr
    assert f"tail -n +7 {lines} | b24batch run - --chunk-size 2 --concurrency 4\n" in ended.stderr


def test_outcomes_come_in_the_order_of_the_lines(portal, file):
    """Each line has one line of output, in its place, with its number, its name and its own result."""
    lines = [WRONG if n % 7 == 0 else echo(n, name="same" if n % 2 else f"№ {n}") for n in range(1, 121)]
    ended = against(portal.url, "run", file("".join(lines)))
    rows = outcomes(ended.stdout)
    assert [row["line"] for row in rows] == list(range(1, 121))
    assert [row["data"] for row in rows] == [None if n % 7 == 0 else {"n": str(n)} for n in range(1, 121)]
    assert [row["status"] for row in rows] == ["failed" if n % 7 == 0 else "ok" for n in range(1, 121)]
    assert [rows[0]["name"], rows[1]["name"], rows[6]["name"]] == ["same", "№ 2", None]
    assert rows[6]["error"]["code"] == "ERROR_METHOD_NOT_FOUND"
    assert len(portal.requests) == 3
    assert ended.returncode == 1
    assert ended.stderr == (
        "b24batch: 120 commands: 103 ok, 17 failed; first error: "
        "line 7: no.such.method: ERROR_METHOD_NOT_FOUND: Method not found! "
        'The sandbox lacks it: add it with @portal.method("no.such.method")\n'
    )


@pytest.mark.slow
def test_text_arrives_as_it_was_given(portal, file):
    """Values of a file reach the portal as they are, and what it returns is written in UTF-8 in any locale."""
    text = 'Ключ = ["]\\ $result[0] \x9b \U0001f600'
    line = file(echo(1, params={"text": text}))
    ended = run_alone(
        "run", line, "--quiet", B24_WEBHOOK_URL=portal.url, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"
    )
    assert outcomes(ended.stdout)[0]["data"] == {"text": text}


def test_blank_lines_have_no_outcome(portal, file):
    """Blank lines are passed over and still counted; a byte order mark and Windows line ends do no harm."""
    lines = file(b"\xef\xbb\xbf" + TIME.strip().encode() + b"\r\n\r\n   \n" + TIME.strip().encode())
    ended = against(portal.url, "run", lines)
    assert [row["line"] for row in outcomes(ended.stdout)] == [1, 4]
    assert (ended.returncode, ended.stderr) == (0, "b24batch: 2 commands: 2 ok\n")


def test_standard_input(portal):
    """A dash stands for standard input, and --quiet leaves nothing on standard error."""
    ended = against(portal.url, "run", "-", "--quiet", "--request-id", "night", "--chunk-size", "2", stdin=TIME * 3)
    assert [row["request_id"] for row in outcomes(ended.stdout)] == ["night", "night", "night/2"]
    assert (ended.returncode, ended.stderr) == (0, "")


def test_sandbox_in_the_program(file):
    """With --sandbox a file is tried out on a portal of its own."""
    ended = run("run", file(ADD * 3), "--sandbox")
    assert [row["data"] for row in outcomes(ended.stdout)] == [1, 2, 3]
    assert ended.returncode == 0


@pytest.mark.parametrize(
    ("options", "statuses"),
    [
        ([], ["ok", "failed", "ok", "ok", "ok"]),
        (["--halt"], ["ok", "failed", "skipped", "ok", "ok"]),
        (["--stop"], ["ok", "failed", "ok", "skipped", "skipped"]),
        (["--halt", "--stop"], ["ok", "failed", "skipped", "skipped", "skipped"]),
    ],
)
def test_what_follows_an_error(portal, file, options, statuses):
    """--halt skips the rest of the same request, --stop what comes after it; each line has an outcome all the same."""
    ended = against(portal.url, "run", file(TIME + WRONG + TIME * 3), "--chunk-size", "3", *options)
    assert [row["status"] for row in outcomes(ended.stdout)] == statuses
    assert ended.returncode == 1


@pytest.mark.parametrize("text", [ADD, WRONG + ADD, ADD + WRONG])
def test_lost_answer(portal, file, text):
    """Commands whose answer was lost are unknown, and outweigh in the exit code what else failed."""
    portal.fail_next("lost_after")
    ended = against(portal.url, "run", file(text + ADD), "--chunk-size", "1")
    assert outcomes(ended.stdout)[0]["status"] == "unknown"
    assert ended.returncode == 3
    assert "1 unknown; first error: line 1: ANSWER_LOST" in ended.stderr


def test_unreachable_portal(closed_url, file):
    """A portal out of reach is 4; each line is told as not sent, and the third request is not tried."""
    ended = against(closed_url, "run", file(ADD * 4), "--chunk-size", "1", "--attempts", "1")
    assert [row["status"] for row in outcomes(ended.stdout)] == ["failed", "failed", "skipped", "skipped"]
    assert ended.returncode == 4
    assert "NOT_SENT" in ended.stderr


def row(status, error=None):
    return AjaxResult(Command("server.time"), status, error=error)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], Exit.OK),
        ([row("ok")], Exit.OK),
        ([row("ok"), row("skipped")], Exit.FAILED),
        ([row("failed", NotSent("")), row("ok")], Exit.FAILED),
        ([row("ok"), row("failed", NotSent("")), row("skipped")], Exit.UNREACHABLE),
        ([row("unknown", AnswerLost("")), row("failed", NotSent(""))], Exit.UNKNOWN),
    ],
)
def test_exit_code_of_outcomes(capsys, rows, code):
    """Unknown wins; then a portal that was out of reach at the end; then anything that did not take effect."""
    report = Report(sys.stdout)
    for number, outcome in enumerate(rows, 1):
        report.add(Line(number, outcome.command), outcome)
    assert report.code is code


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"method": "server.time"', r"line 3: is not JSON: Expecting ',' delimiter \(character 25\)"),
        ("[" * 100_000, "line 3: is nested too deeply"),
        ('{"method": "echo", "params": {"n": NaN}}', "line 3: is not JSON: NaN is not a number"),
        (b'{"method": "\xff"}', "line 3: is not UTF-8"),
        ("7", r"line 3: expected an object with a method and params, or \[method, params\], got 7"),
        ('[["server.time"]]', r"line 3: expected \[method, params\], got \[\['server.time'\]\]"),
        ('["echo", {}, {}]', r"line 3: expected \[method, params\], got \['echo', {}, {}\]"),
        ('["echo", 7]', "line 3: params: expected a mapping, or a list"),
        ('{"method": "echo", "param": {}}', "line 3: expected only method, params, name, idempotent, got 'param'"),
        ('{"params": {}}', "line 3: has no method"),
        ('{"method": "echo", "method": "server.time"}', "line 3: has the key 'method' twice"),
        ('{"method": "echo", "params": {"a": 1, "b": 2, "a": 3}}', "line 3: has the key 'a' twice"),
        ('{"method": "deal add"}', "line 3: method: expected a name such as crm.deal.add, got 'deal add'"),
        ('{"method": "echo", "params": "x"}', "line 3: params: expected a mapping, or a list"),
        ('{"method": "echo", "name": 1}', "line 3: name: expected a string"),
        ('{"method": "echo", "idempotent": 1}', "line 3: idempotent: expected true or false, got 1"),
        ('{"method": "batch"}', r"line 3 \(batch\): this method is not allowed inside a batch"),
        ('{"method": "echo", "name": "call 9", "params": {"auth": 1}}', r"line 3 \(echo\): auth is a name reserved"),
    ],
)
def test_broken_line(portal, file, line, reason):
    """A broken line is named with its number; what came before its request has run, and nothing else has."""
    text = TIME.encode() * 2 + (line if isinstance(line, bytes) else line.encode()) + b"\n" + TIME.encode()
    ended = against(portal.url, "run", file(text), "--chunk-size", "1")
    first, rest, summary = ended.stderr.splitlines()
    assert re.match(f"b24batch: {reason}", first)
    assert "lines up to 2 have an outcome; nothing after that was sent; continue with: tail -n +3 " in rest
    assert rest.endswith("commands.jsonl | b24batch run - --chunk-size 1")
    assert summary == "b24batch: 2 commands: 2 ok"
    assert len(outcomes(ended.stdout)) == len(portal.executed) == 2
    assert ended.returncode == 2


@pytest.mark.parametrize("spelt", ["$result[find][ID]", "$RESULT[find]", "$total[find]", "$result[0][ID]"])
def test_line_that_spells_a_reference(portal, file, spelt):
    """Text that elsewhere refers to an earlier line, by its name or its place, is not stored: nothing is sent."""
    find = '{"method": "crm.deal.list", "name": "find"}\n'
    ended = against(portal.url, "run", file(find + echo(1, params={"id": [spelt]}, name="find") + TIME))
    assert (
        f"b24batch: line 2: id.0 is '{spelt}', which would be sent as text: lines cannot refer to each other"
        in ended.stderr
    )
    assert (ended.returncode, ended.stdout, portal.requests) == (2, "", [])


def test_line_whose_text_has_its_own_name(portal, file):
    """A text that names its own line, or one that is none of the file, is text."""
    text = "$result[find][ID]"
    ended = against(portal.url, "run", file(TIME + echo(1, params={"a": text, "b": "$result[other]"}, name="find")))
    assert outcomes(ended.stdout)[1]["data"] == {"a": text, "b": "$result[other]"}


def test_broken_line_in_the_first_request(portal):
    """A broken line in the first request means that nothing was sent."""
    ended = against(portal.url, "run", "-", stdin=TIME + "{\n")
    assert (ended.returncode, ended.stdout, portal.requests) == (2, "", [])
    assert ended.stderr.splitlines()[1] == "b24batch: nothing was sent"


def test_broken_line_after_an_unknown_outcome(portal):
    """What has to be looked for on the portal outweighs a broken line."""
    portal.fail_next("lost_after")
    ended = against(portal.url, "run", "-", "--chunk-size", "1", stdin=ADD + "{\n")
    assert ended.returncode == 3
    assert ended.stderr.splitlines()[1].endswith("nothing after that was sent; continue at line 2")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["no.jsonl"], "no.jsonl cannot be read: No such file or directory"),
        (["https://example.com/rest/1/s3cret/"], "example.com/rest/1/***/ cannot be read"),
        (["/"], "/ cannot be read: Is a directory"),
        (["-", "--chunk-size", "51"], "b24batch: --chunk-size: expected a whole number from 1 to 50, got 51"),
        (["-", "--chunk-size", "x"], "argument --chunk-size: invalid int value"),
        (["-", "--attempts", "0"], "argument --attempts: expected a whole number, at least 1"),
        (["-", "--request-id", ""], "b24batch: --request-id: expected 1 to 128 printable ASCII characters"),
        (["-", "more"], "unrecognized arguments: more"),
        ([], "the following arguments are required: FILE"),
    ],
)
def test_wrong_usage(portal, arguments, reason):
    """A file that cannot be read, and an option that cannot be, end with 2 before anything is sent."""
    ended = against(portal.url, "run", *arguments, stdin=TIME)
    assert (ended.returncode, ended.stdout, portal.requests) == (2, "", [])
    assert reason in ended.stderr
    assert "s3cret" not in ended.stderr


def test_empty_file(portal, file):
    """An empty file is an empty success."""
    ended = against(portal.url, "run", file(""))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "b24batch: 0 commands: none\n")
    assert portal.requests == []


@pytest.mark.slow
def test_outcomes_come_as_they_happen(portal):
    """The outcomes of a request are there before the next one is read."""
    with started("run", "-", "--chunk-size", "1", B24_WEBHOOK_URL=portal.url) as process:
        for number in range(3):
            process.stdin.write(echo(number))
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["data"] == {"n": str(number)}
        process.communicate()
    assert process.returncode == 0


@pytest.mark.slow
def test_interrupted_in_flight(portal, file):
    """Ctrl-C leaves the lines of the request in flight unknown, says so, and sends nothing more."""
    asked, over = threading.Event(), threading.Event()

    @portal.method("hang")
    def hang(params):
        asked.set()
        over.wait(PATIENCE)

    lines = file(TIME * 2 + '{"method": "hang", "name": "slow"}\n' + TIME * 3)
    with started("run", lines, "--chunk-size", "2", B24_WEBHOOK_URL=portal.url) as process:
        assert asked.wait(PATIENCE)
        code, output, errors = interrupt(process)
        over.set()
    rows = outcomes(output)
    assert [(row["line"], row["status"]) for row in rows] == [(1, "ok"), (2, "ok"), (3, "unknown"), (4, "unknown")]
    assert (rows[2]["name"], rows[2]["method"], rows[2]["error"]["code"]) == ("slow", "hang", "ANSWER_LOST")
    assert code == 130
    rest, summary = errors.splitlines()
    assert "lines up to 4 have an outcome; nothing after that was sent; continue with: tail -n +5 " in rest
    assert "4 commands: 2 ok, 2 unknown" in summary


def waits_for_input(process):
    """Return whether it has read all of its input and is waiting for more."""
    unread = int.from_bytes(fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)), sys.byteorder)
    return not unread and Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_interrupted_while_reading(portal):
    """Ctrl-C between two requests leaves lines that were read, and not sent, without an outcome."""
    with started("run", "-", "--chunk-size", "2", B24_WEBHOOK_URL=portal.url) as process:
        process.stdin.write(TIME * 3)
        process.stdin.write(" " * 20_000)  # more than is read ahead: the fourth line has begun
        process.stdin.flush()
        while process.poll() is None and not waits_for_input(process):
            pass
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        assert [row["status"] for row in outcomes(process.stdout.read())] == ["ok", "ok"]
        assert "lines up to 2 have an outcome; nothing after that was sent; continue at line 3" in process.stderr.read()
    assert process.returncode == 130


@pytest.mark.slow
def test_interrupted_before_it_left(closed_url, file):
    """Ctrl-C while a request waits to be sent again, which never left, means that nothing was sent."""
    with started("run", file(ADD), B24_WEBHOOK_URL=closed_url) as process:
        assert "before the request is sent again" in process.stderr.readline()
        code, output, errors = interrupt(process)
    assert (code, output) == (130, "")
    assert "nothing was sent\n" in errors


@pytest.mark.slow
def test_nobody_reads_on(file):
    """A reader that goes away ends the run with a summary, exit code 141 and no traceback."""
    with started("run", file(TIME * 1000), "--sandbox", "--chunk-size", "5") as process:
        process.stdout.readline()
        process.stdout.close()
        process.wait(PATIENCE)
        errors = process.stderr.read()
    assert process.returncode == 141
    found = re.fullmatch(
        r"b24batch: lines? (?:(\d+) to )?(\d+) w\w+ sent, but the outcome could not be written: check the "
        r"portal; nothing after that was sent; continue with: tail -n \+(\d+) .*commands\.jsonl \| b24batch run - "
        r"--chunk-size 5\n"
        r"b24batch: (\d+) commands?: \4 ok\n",
        errors,
    )
    first, last, rest, written = (int(number) for number in found.groups(found[2]))
    assert (first, last + 1) == (written + 1, rest)
    assert last % 5 == 0


@pytest.mark.slow
def test_full_disk(file):
    """An output that cannot be written ends the run with a sentence and exit code 1."""
    line, options = command("run", file(TIME * 9), "--sandbox", "--chunk-size", "3")
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(line, timeout=PATIENCE, **{**options, "stdout": full})
    assert ended.returncode == 1
    assert "the output cannot be written: No space left on device" in ended.stderr
    assert "lines 1 to 3 were sent" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


#: Runs the program and tells the peak of its own memory: that which a parent sees includes its own.
MEASURED = """
import re, sys
from b24batch.__main__ import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
sys.exit(code)
"""


def peak_of(path, count):
    """Run a file of that many commands, look at the order of the outcomes, and return the peak in MiB."""
    with path.open("w") as lines:
        lines.writelines(f'{{"method": "server.time", "name": "{n}"}}\n' for n in range(count))
    line = [sys.executable, "-c", MEASURED, "run", path, "--sandbox"]
    with path.with_suffix(".out").open("w") as output:
        ended = subprocess.run(line, stdout=output, stderr=subprocess.PIPE, text=True, timeout=300)
    assert ended.returncode == 0
    assert f"{count} commands: {count} ok\n" in ended.stderr
    with path.with_suffix(".out").open() as output:
        assert [int(json.loads(line)["name"]) for line in output] == list(range(count))
    return int(ended.stderr.splitlines()[-1]) / 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of its memory in /proc")
def test_constant_memory(tmp_path):
    """A file of 20,000 commands needs no more memory than one of 2,000, and its outcomes keep their order."""
    short = peak_of(tmp_path / "short.jsonl", 2_000)
    assert peak_of(tmp_path / "long.jsonl", 20_000) < short + 8
