"""What the benchmarks stand on: their portal, which is no faster and no more honest than a real one, and the chart."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from b24batch import LeakyBucket, RetryPolicy, Session

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
ROWS = [str(number) for number in range(1, 301)]


@pytest.fixture(scope="module")
def address():
    """The portal in a process of its own, as the benchmarks run it."""
    command = [sys.executable, str(BENCHMARKS / "portal.py"), "--rows", "300"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"


@pytest.fixture
def b24(address):
    with Session(f"{address}/rest/1/secret/", limits=None, retries=RetryPolicy(attempts=1)) as session:
        yield session


def ask(address, path):
    with urlopen(f"{address}/{path}") as answer:
        return json.load(answer)


def ids(rows):
    return [row["ID"] for row in rows]


@pytest.mark.parametrize("pages", [1, 50])
@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ({}, ROWS),
        ({"<=ID": 120}, ROWS[:120]),
        ({"<id": 120}, ROWS[:119]),
        ({">ID": 99, "<=ID": 250}, ROWS[99:250]),
        ({">ID": 300}, []),
    ],
)
def test_a_list_between_two_ids(address, b24, condition, wanted, pages):
    """The portal reads a range of ids by cursor, upper bound and all, in single pages and in batches."""
    ask(address, "reset?rows=300")
    assert ids(b24.call_list("crm.deal.list", {"filter": condition}, pages_per_request=pages)) == wanted


def test_a_list_backwards_and_by_start(address, b24):
    """It reads backwards by cursor, and by `start` with a total, as other clients do."""
    ask(address, "reset?rows=300")
    assert ids(b24.call_list("crm.deal.list", descending=True)) == ROWS[::-1]
    assert ids(b24.call_list("crm.deal.list", paging="start")) == ROWS
    page = b24.call("crm.deal.list", {"filter": {">=ID": 11, "<=ID": 130}, "start": 100})
    assert (ids(page.data), page.total, page.next) == (ROWS[110:130], 120, None)


def test_a_list_of_which_ids_were_deleted(address, b24):
    """Of every three ids the first is missing, and nothing else: not in a page, between bounds, nor in a count."""
    ask(address, "reset?rows=300&kept=2&of=3")
    there = [str(number) for number in range(1, 451) if number % 3 != 1]
    assert ids(b24.call_list("crm.deal.list")) == there
    assert ids(b24.call_list("crm.deal.list", concurrency=4, descending=True)) == there[::-1]
    page = b24.call("crm.deal.list", {"filter": {">ID": 10, "<ID": 240}, "start": 100})
    assert (ids(page.data), page.total) == (there[106:156], 153)


def test_requests_queue_for_a_worker(monkeypatch):
    """A worker takes the time of all commands of a request; what finds none free waits for the first that is."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    from workers import Workers

    workers = Workers(2, 0.02)
    assert [round(workers.take(0.0, commands), 2) for commands in (50, 25, 1, 50)] == [1.0, 0.5, 0.52, 1.52]
    assert round(workers.take(10.0, 50), 2) == 11.0
    assert Workers(2, 0.0).take(3.0, 50) == 3.0


@pytest.mark.parametrize(("failure", "added"), [("lost", 200), ("error", 150)])
def test_every_so_many_requests_one_fails(address, b24, failure, added):
    """A lost answer was executed, one with 500 was not; the client cannot tell, and the portal counts both."""
    ask(address, f"reset?fail_every=3&failure={failure}")
    result = b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": str(number)}}) for number in range(200)])
    assert [row.status for row in result] == ["ok"] * 100 + ["unknown"] * 50 + ["ok"] * 50
    counts = ask(address, "counts")
    assert (counts["failures"], counts["added"], counts["doubled"]) == (1, added, 0)


def test_it_counts_what_is_stored_twice(address, b24):
    """The same command a second time is a doubled write, as a client that repeats after a lost answer makes it."""
    ask(address, "reset")
    b24.batch([("crm.deal.add", {"fields": {"TITLE": "A"}}), ("crm.deal.add", {"fields": {"TITLE": "B"}})])
    b24.batch([("crm.deal.add", {"fields": {"TITLE": "A"}})])
    assert ask(address, "counts")["doubled"] == 1


@pytest.mark.slow
def test_a_strict_portal_refuses(address, b24):
    """Under 5 and hardly any a second the sixth request is refused and not executed; within its bucket none is."""
    ask(address, "reset?capacity=5&rate=0.001")
    told = [b24.batch_by_chunk([("server.time",)]).rows[0].status for _ in range(6)]
    counts = ask(address, "counts")
    assert (told, counts["refusals"], counts["commands"]) == (["ok"] * 5 + ["failed"], 1, 5)
    ask(address, "reset?capacity=5&rate=50")
    paced = b24.with_options(limits=LeakyBucket(5, 50.0))
    assert paced.batch_by_chunk([("server.time",)] * 20, chunk_size=1).is_success


@pytest.mark.slow
def test_the_chart(tmp_path):
    """The chart is one SVG, the same from the same figures, and its text can be searched."""
    lines = [{"title": "1,000 writes", "points": [[1, 20.0], [8, 3.0]], "fast_bitrix24": 3.0}]
    (tmp_path / "chart.json").write_text(json.dumps(lines))
    drawn = []
    for name in ("one.svg", "two.svg"):
        command = [sys.executable, str(BENCHMARKS / "draw.py"), str(tmp_path / "chart.json"), str(tmp_path / name)]
        subprocess.run(command, check=True, timeout=60)
        drawn.append((tmp_path / name).read_text())
    assert drawn[0] == drawn[1]
    assert "1,000 writes</text>" in drawn[0]


@pytest.mark.slow
def test_a_few_interrupts():
    """Ctrl-C at ten random moments: no outcome contradicts the journal."""
    command = [sys.executable, str(BENCHMARKS / "soak.py"), "--interrupts", "10"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 doubled, 0 contradict the journal, 0 lost" in ended.stdout
