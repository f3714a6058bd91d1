"""A file of commands with a journal: the same command again goes on, and a person settles what is unknown."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from shell import PATIENCE, against, command, interrupt, outcomes, run, started
from shell import press as press_it

from b24batch.journal import Journal
from b24batch.sandbox import PortalError


def lines_of(count, method="crm.deal.add"):
    """Return lines of commands, each with a name of its own."""
    fields = [{"method": method, "params": {"fields": {"TITLE": f"Deal {n}"}}, "name": f"n{n}"} for n in range(count)]
    return "".join(f"{json.dumps(line)}\n" for line in fields)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deals.journal"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "deals.jsonl"
    path.write_text(lines_of(9))
    return path


@pytest.fixture
def go(portal, file, path):
    """Run the file with its journal."""

    def go(*options):
        return against(portal.url, "run", file, "--journal", path, "--chunk-size", "2", *options)

    return go


def written(portal):
    """Return the titles of the deals that were added, in order."""
    return [executed.params["fields"]["TITLE"] for executed in portal.executed]


def all_once(portal):
    return written(portal) == [f"Deal {n}" for n in range(9)]


def test_the_same_command_tells_it_again(portal, go):
    """The same command again sends nothing, and its output and its exit code are the same."""
    first, again = go(), go()
    assert all_once(portal)
    assert (first.returncode, again.returncode) == (0, 0)
    assert first.stderr == again.stderr == "b24batch: 9 commands: 9 ok\n"
    assert [row | {"time": None} for row in outcomes(first.stdout)] == outcomes(again.stdout)
    assert [(row["line"], row["name"]) for row in outcomes(again.stdout)] == [(n + 1, f"n{n}") for n in range(9)]


def test_stop_after(portal, go):
    """A slice of no time begins nothing; the output has every line even so, and the same command goes on."""
    ended = go("--stop-after", "0")
    assert (ended.returncode, [row["status"] for row in outcomes(ended.stdout)]) == (1, ["skipped"] * 9)
    assert "0 of 9 have their outcome; the same command goes on" in ended.stderr
    assert not portal.executed
    assert go().returncode == 0
    assert all_once(portal)


def test_stop_after_needs_no_journal(portal, file):
    """A run without a journal can have an end, too, and says nothing of going on."""
    ended = against(portal.url, "run", file, "--stop-after", "0")
    assert (ended.returncode, ended.stderr) == (1, "b24batch: 9 commands: 9 skipped\n")
    assert against(portal.url, "run", file, "--stop-after", "-1").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_the_first_signal_finishes_the_request(portal, file, path, go, number, code):
    """The first Ctrl-C or SIGTERM lets the request in hand come back; nothing is unknown, and it goes on later."""
    calls = iter(range(1, 99))

    @portal.method("crm.deal.add")
    def add(params):
        if (call := next(calls)) == 3:
            process.send_signal(number)
        return call

    options = ["--journal", path, "--chunk-size", "2"]
    with started("run", file, *options, B24_WEBHOOK_URL=portal.url) as process:
        output, errors = process.communicate()
    rows = outcomes(output)
    count = sum(row["status"] == "ok" for row in rows)
    assert [row["status"] for row in rows] == ["ok"] * count + ["skipped"] * (9 - count)
    assert len(portal.executed) == count < 9
    assert f"{count} of 9 have their outcome; the same command goes on" in errors
    assert process.returncode == code
    assert [row["data"] for row in outcomes(go().stdout)] == list(range(1, 10))
    assert all_once(portal)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow), (signal.SIGTERM, 143)]
)
def test_the_first_signal_finishes_the_requests_of_all_lanes(portal, file, path, go, number, code):
    """With lanes, the first Ctrl-C or SIGTERM lets all requests in hand come back; nothing is unknown or doubled."""
    calls = iter(range(1, 99))

    @portal.method("crm.deal.add")
    def add(params):
        if (call := next(calls)) == 1:
            with Journal(path) as journal:
                while len(list(journal.rows("unknown"))) < 8:  # until each lane has a request in hand
                    assert process.poll() is None
            process.send_signal(number)
        return call

    file.write_text(lines_of(40))
    options = ["--journal", path, "--chunk-size", "2", "--concurrency", "4"]
    with started("run", file, *options, B24_WEBHOOK_URL=portal.url) as process:
        output, errors = process.communicate()
    statuses = [row["status"] for row in outcomes(output)]
    count = statuses.count("ok")
    assert statuses.count("skipped") == 40 - count
    assert len(portal.executed) == count
    assert 8 <= count < 40
    assert f"{count} of 40 have their outcome; the same command goes on" in errors
    assert process.returncode == code
    assert {row["status"] for row in outcomes(go("--concurrency", "4").stdout)} == {"ok"}
    assert sorted(written(portal)) == sorted(f"Deal {n}" for n in range(40))


@pytest.mark.slow
def test_the_second_signal_stops_at_once(portal, file, path, go):
    """A second Ctrl-C leaves the request in hand unknown, which the journal says from then on."""
    gate = threading.Event()

    @portal.method("press")
    def press(params):
        press_it(process.pid, signal.SIGINT)
        press_it(process.pid, signal.SIGTERM)  # two of the same kind may arrive as one
        gate.wait(PATIENCE)

    file.write_text(lines_of(2) + lines_of(4, "press").replace('"name": "n', '"name": "p'))
    options = ["--journal", path, "--chunk-size", "2"]
    with started("run", file, *options, B24_WEBHOOK_URL=portal.url) as process:
        output, errors = process.communicate()
    gate.set()
    assert process.returncode in {130, 143}
    assert [row["status"] for row in outcomes(output)] == ["ok"] * 2 + ["unknown"] * 2
    assert "deals.journal: 4 commands: 2 ok, 2 unknown; 1 life" in errors
    assert "; the same command goes on" in errors
    assert "tail" not in errors
    told = run("journal", path, "--unknown")
    assert (told.returncode, [row["key"] for row in outcomes(told.stdout)]) == (3, ["p0", "p1"])


@pytest.mark.slow
def test_a_signal_in_a_wait(portal, file, path):
    """With no request in hand, the first Ctrl-C ends the program at once: nothing would be lost by it."""

    @portal.method("crm.deal.add")
    def refuse(params):
        raise PortalError("OPERATION_TIME_LIMIT", "blocked", http_status=429)

    with started("run", file, "--journal", path, B24_WEBHOOK_URL=portal.url) as process:
        assert "a method has used up its operating time" in process.stderr.readline()
        code, _, errors = interrupt(process)
    assert code == 130
    assert "deals.journal: 9 commands: 9 failed; 1 life" in errors
    assert "; the same command goes on" in errors


@pytest.fixture
def cut(portal, go):
    """Let the second request lose its answer, and return what the program said."""
    portal.fail_next("lost_after", after=1)
    return go()


def test_unknown_commands(portal, cut, path):
    """The unknown commands are told as JSON Lines, with what one needs to look for them, and the exit code is 3."""
    assert cut.returncode == 3
    told = run("journal", path, "--unknown")
    assert told.returncode == 3
    assert "9 commands: 7 ok, 2 unknown; 1 life" in told.stderr
    rows = outcomes(told.stdout)
    assert [list(row) for row in rows] == [["key", "position", "method", "sent", "request_id"]] * 2
    assert [(row["key"], row["position"], row["method"]) for row in rows] == [
        (f"n{n}", n, "crm.deal.add") for n in (2, 3)
    ]
    assert rows[0]["request_id"] == outcomes(cut.stdout)[2]["request_id"]
    assert rows[0]["sent"].endswith("Z")
    assert run("journal", path).stdout.startswith("9 commands: 7 ok, 2 unknown; 1 life, the last request ")


def test_settled(portal, cut, path, go):
    """What somebody settles as executed is ok from then on, and what not is sent by the next run."""
    assert run("journal", path, "--settle", "executed", "n2").stderr == "b24batch: 1 settled\n"
    assert [row["status"] for row in outcomes(go().stdout)].count("unknown") == 1
    told = run("journal", path, "--settle", "not-executed", "n3")
    assert (told.returncode, told.stderr) == (0, "b24batch: 1 settled\n")
    assert go().returncode == 0
    assert written(portal)[9:] == ["Deal 3"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["executed", "x"], "deals.journal has no command with the key 'x'"),
        (["maybe", "n2"], "--settle: expected executed or not-executed, got 'maybe'"),
        (["executed"], "--settle executed: expected one key or more"),
    ],
)
def test_settled_wrongly(cut, path, words, said):
    """A finding or a key that is wrong changes nothing."""
    told = run("journal", path, "--settle", *words)
    assert (told.returncode, told.stderr) == (2, f"b24batch: {said}\n")
    with Journal(path) as journal:
        assert len(list(journal.rows("unknown"))) == 2


def test_a_journal_that_does_not_exist(tmp_path, file):
    """To look at a journal never makes one, and a file that is something else is refused."""
    told = run("journal", tmp_path / "other.journal")
    assert (told.returncode, told.stdout) == (2, "")
    assert "other.journal does not exist, or is not a file" in told.stderr
    assert not (tmp_path / "other.journal").exists()
    assert run("journal", file).stderr == "b24batch: deals.jsonl is not a journal of b24batch\n"


def test_looking_speaks_of_no_requests(portal, cut, path):
    """What is wrong with a journal is told to whoever looks at it without a word about requests."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    for words in ([], ["--unknown"], ["--settle", "executed", "n2"]):
        told = run("journal", path, *words)
        assert told.returncode == 1
        assert "deals.journal is damaged" in told.stderr
        assert "sent" not in told.stderr


@pytest.mark.slow
def test_one_outcome(portal, file, path):
    """A single outcome is told in the singular."""

    @portal.method("crm.deal.add")
    def add(params):
        process.send_signal(signal.SIGINT)
        return 1

    options = ["--journal", path, "--chunk-size", "1"]
    with started("run", file, *options, B24_WEBHOOK_URL=portal.url) as process:
        _, errors = process.communicate()
    assert "1 of 9 has its outcome; the same command goes on" in errors


def test_a_line_that_changed(portal, go, file):
    """A line whose command changed after it ran is refused by its number, and nothing is sent."""
    go()
    file.write_text(f"\n{lines_of(9).replace('Deal 4', 'Deal four')}")
    ended = go()
    assert (ended.returncode, len(outcomes(ended.stdout))) == (2, 4)
    assert "line 6 'n4' (crm.deal.add): deals.journal has another command as 'n4'" in ended.stderr
    assert "tail" not in ended.stderr
    assert all_once(portal)


def test_a_name_that_repeats(portal, go, file):
    """With a journal two lines cannot have the same name, since it is the key of both."""
    file.write_text(lines_of(3) + lines_of(1))
    ended = go()
    assert ended.returncode == 2
    assert "same name" in ended.stderr
    assert len(portal.executed) == 2


def test_a_journal_that_goes_away(portal, file, path):
    """A journal that cannot be written ends the run; what was answered by then is in the output."""
    calls = iter(range(1, 99))

    @portal.method("crm.deal.add")
    def add(params):
        if (call := next(calls)) == 3:
            path.unlink()
        return call

    ended = against(portal.url, "run", file, "--journal", path, "--chunk-size", "2")
    assert ended.returncode == 1
    assert "deals.journal was replaced or deleted meanwhile" in ended.stderr
    assert [row["status"] for row in outcomes(ended.stdout)] == ["ok"] * 4
    assert len(portal.executed) == 4


def test_a_journal_in_use(portal, go, path):
    """A second program with the same journal sends nothing."""
    with Journal(path) as journal:
        journal.begin("elsewhere", bool)
        ended = go()
        journal.end()
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "deals.journal is in use by process " in ended.stderr
    assert not portal.requests


@pytest.mark.slow
def test_an_output_that_breaks(portal, file, path, go):
    """An output that cannot be written ends the run, and the same command writes all of it later."""
    line, options = command("run", file, "--journal", path, "--chunk-size", "2", B24_WEBHOOK_URL=portal.url)
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(line, timeout=PATIENCE, **{**options, "stdout": full})
    assert ended.returncode == 1
    assert "deals.journal: 2 commands: 2 ok; 1 life" in ended.stderr
    assert len(outcomes(go().stdout)) == 9
    assert all_once(portal)


def test_no_portal_makes_no_journal(file, path):
    """A program that does not know its portal leaves no journal behind."""
    assert run("run", file, "--journal", path).returncode == 2
    assert not path.exists()
