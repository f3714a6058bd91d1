"""Journals: a run that is started again goes on, and nothing is sent twice."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from textwrap import dedent

import pytest

from b24batch import (
    AjaxError,
    AnswerLost,
    Command,
    JournalError,
    LeakyBucket,
    RetryPolicy,
    RunBusy,
    UsageError,
    outcomes_of,
    ref,
)
from b24batch.journal import Journal, RunJournal
from b24batch.sandbox import FakeClock, Portal, PortalError

pytestmark = pytest.mark.parametrize("concurrency", [1, 4])
ONCE = RetryPolicy(attempts=1)


def adds(count, **fields):
    """Writes with names of their own."""
    return [
        Command("crm.deal.add", {"fields": {"TITLE": f"Deal {n}", **fields}}, name=f"order-{n}") for n in range(count)
    ]


def titles(portal):
    return Counter(command.params["fields"]["TITLE"] for command in portal.executed)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "import.journal"


@pytest.fixture
def run(portal, path, concurrency):
    """Starts a run with the journal."""
    session = portal.session(retries=ONCE)

    def start(calls, **options):
        return session.batch_by_chunk(calls, **{"journal": path, "concurrency": concurrency, "chunk_size": 4} | options)

    return start


def test_a_finished_run_is_told_again(portal, run, path):
    """A run that is started again with the same calls returns the same outcomes, and sends nothing."""
    first = run(adds(30))
    requests = len(portal.requests)
    again = run(adds(30))
    assert again.data == first.data
    assert [row.to_dict() | {"time": None} for row in first] == [row.to_dict() for row in again]
    assert len(portal.requests) == requests
    assert list(path.parent.iterdir()) == [path]


def test_a_refusal_is_told_again(portal, run):
    """A command that the portal refused is not sent again, and keeps its error."""
    calls = [*adds(2), Command("no.such.method", name="bad")]
    error = run(calls)["bad"].error
    requests = len(portal.requests)
    told = run(calls)["bad"].error
    assert type(told) is AjaxError
    assert vars(told) == vars(error)
    assert len(portal.requests) == requests


def test_a_corrected_command_is_sent(run):
    """A command that the portal refused is sent again with other params."""
    assert run([Command("no.such.method", name="bad")])["bad"].status == "failed"
    assert run([Command("crm.deal.add", {"fields": {"TITLE": "x"}}, name="bad")])["bad"].status == "ok"


def test_what_was_skipped_is_sent(portal, run):
    """What an error skipped is sent when the run is started again."""
    calls = [adds(4)[0], Command("no.such.method", name="bad"), *adds(4)[1:]]
    assert [row.status for row in run(calls)] == ["ok", "failed", "skipped", "skipped", "ok"]
    assert [row.status for row in run(calls)] == ["ok", "failed", "ok", "ok", "ok"]
    assert set(titles(portal).values()) == {1}


def test_what_was_not_executed_is_sent(portal, run):
    """A request that was refused for the credentials was not executed, so it is sent again."""
    portal.fail_next("unauthorized")
    assert "failed" in {row.status for row in run(adds(3))}
    assert run(adds(3)).is_success
    assert set(titles(portal).values()) == {1}


def test_a_lost_write_stays_unknown(portal, run):
    """A write whose answer was lost is never sent again, and is unknown in each later run."""
    portal.fail_next("reset_after")
    assert {row.status for row in run(adds(4))} == {"unknown"}
    again = run(adds(4))
    assert {row.status for row in again} == {"unknown"}
    assert {type(row.error) for row in again} == {AnswerLost}
    assert set(titles(portal).values()) == {1}


@pytest.mark.parametrize(
    "calls",
    [
        [Command("crm.deal.list", {"filter": {"ID": n}}, name=f"n{n}") for n in range(4)],
        [
            Command("crm.deal.update", {"id": 1, "fields": {"TITLE": f"{n}"}}, name=f"n{n}", idempotent=True)
            for n in range(4)
        ],
    ],
    ids=["reads", "idempotent writes"],
)
def test_a_lost_read_is_sent_again(portal, run, calls):
    """A command that may run twice is sent again if its answer was lost."""
    run(adds(1))
    portal.fail_next("reset_after")
    assert {row.status for row in run(calls)} == {"unknown"}
    assert run(calls).is_success


@pytest.mark.parametrize("outcome", ["ok", "unknown"])
def test_another_command_of_the_name(portal, run, outcome):
    """A name that stands for another command in the journal, which ran or may have run, is refused at the start."""
    if outcome == "unknown":
        portal.fail_next("reset_after")
    run(adds(1))
    requests = len(portal.requests)
    with pytest.raises(UsageError, match=rf"call 0 'order-0' \(crm.deal.add\): import.journal has another.*{outcome}"):
        run([*adds(1, OPENED="Y"), *adds(8)[1:]])
    assert len(portal.requests) == requests


def test_positions_are_names(portal, run):
    """Commands without a name are recognised by their position."""
    calls = [("crm.deal.add", {"fields": {"TITLE": f"Deal {n}"}}) for n in range(9)]
    run(calls[:5])
    assert len(run(calls).data) == 9
    assert set(titles(portal).values()) == {1}


@pytest.mark.parametrize("title", ["d", "$result[none] d"])
def test_a_call_before_the_target_of_a_reference(portal, run, title):
    """A reference by position is to the same command if calls were added before it, also in one that goes alone."""
    company = Command("crm.company.add", {"fields": {"TITLE": "c"}}, name="company")

    def deal(target):
        return Command("crm.deal.add", {"fields": {"TITLE": title, "COMPANY_ID": ref(target)}}, name="deal")

    assert run([company, deal(0)]).is_success
    assert run([Command("crm.deal.list", name="new"), company, deal(1)]).is_success
    assert run([company, deal("company")]).is_success
    assert sum("add" in command.method for command in portal.executed) == 2
    with pytest.raises(UsageError, match="has another command as 'deal'"):
        run([company, Command("crm.company.add", {"fields": {"TITLE": "x"}}, name="other"), deal(1)])


def test_references_to_an_earlier_life(portal, run):
    """A reference to a command of an earlier life of the run has the value from the journal."""
    deal = Command("crm.deal.add", {"fields": {"TITLE": "d", "COMPANY_ID": ref("company")}}, name="deal")
    company = Command("crm.company.add", {"fields": {"TITLE": "c"}}, name="company")
    run([company])
    result = run([company, deal])
    assert result.is_success
    assert portal.executed[-1].params["fields"]["COMPANY_ID"] == str(result["company"].data)


def test_stream(portal, path, concurrency):
    """A stream goes on like a run, and needs names that are unique in the whole run."""
    b24 = portal.session(retries=ONCE)
    options = {"journal": path, "concurrency": concurrency, "chunk_size": 2}
    stream = b24.stream_batch(adds(20), **options)
    assert [next(stream).status for _ in range(5)] == ["ok"] * 5
    stream.close()
    assert [row.status for row in b24.stream_batch(adds(20), **options)] == ["ok"] * 20
    assert set(titles(portal).values()) == {1}
    with pytest.raises(UsageError, match="two calls have the same name"):
        list(b24.stream_batch([*adds(4), *adds(30)[21:], *adds(30)[21:]], **options))


KILLED = """
    import os, sys
    from b24batch import Command, RetryPolicy, Session
    calls = [Command("crm.deal.add", {"fields": {"TITLE": f"Deal {n}"}}, name=f"order-{n}") for n in range(40)]
    b24 = Session(sys.argv[1], limits=None)
    b24.batch_by_chunk(calls, journal=sys.argv[2], chunk_size=4, concurrency=int(sys.argv[3]))
"""


def test_a_killed_process(portal, path, concurrency, run):
    """A process that is killed leaves the requests on their way unknown; what it had not sent is sent by the next."""
    started = threading.Event()
    processes = []

    @portal.method("crm.deal.add")
    def add(params):
        if params["fields"]["TITLE"] == "Deal 22" and not started.is_set():
            started.set()
            processes[0].kill()
            processes[0].wait()
        return len(portal.executed)

    argv = [sys.executable, "-c", dedent(KILLED), portal.url, str(path), str(concurrency)]
    processes.append(subprocess.Popen(argv))
    assert processes[0].wait() == -signal.SIGKILL
    result = run(adds(40))
    counts = Counter(row.status for row in result)
    assert counts["unknown"] <= 4 * concurrency
    assert counts["ok"] + counts["unknown"] == 40
    assert set(titles(portal).values()) == {1}
    assert len(result["order-22"].error.description) > 10
    assert {titles(portal)[f"Deal {row.name[6:]}"] for row in result if row.status == "ok"} == {1}


def test_the_claim_is_on_the_disk_first(portal, path, run):
    """While the portal executes a command, another connection sees that it may have been sent."""
    seen = []

    @portal.method("crm.deal.add")
    def add(params):
        with closing(sqlite3.connect(path)) as database:
            key = f"order-{params['fields']['TITLE'][5:]}"
            seen.append(database.execute("SELECT status FROM outcomes WHERE key = ?", (key,)).fetchone())
        return 1

    run(adds(10))
    assert seen == [("unknown",)] * 10
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT DISTINCT status FROM outcomes").fetchall() == [("ok",)]


def test_two_runs_at_once(portal, path, run):
    """A second run on the same journal is told who uses it, and sends nothing."""
    errors = []

    @portal.method("crm.deal.add")
    def add(params):
        if not errors:
            errors.append(1)
            try:
                portal.session().batch_by_chunk(adds(12), journal=path)
            except RunBusy as error:
                errors.append(error)
        return 1

    assert run(adds(12)).is_success
    assert f"import.journal is in use by process {os.getpid()} on " in str(errors[1])
    assert len(portal.executed) == 12


def test_two_runs_without_the_lock(portal, path, run, concurrency):
    """Without the lock each command is still sent once: the one that comes second is told, and ends."""
    with Journal(path) as first, Journal(path) as second:
        for journal in (first, second):
            journal.begin(portal.session().auth.host, lambda command: False)
            path.with_name("import.journal-lock").unlink()
        outcomes = []

        def work(journal):
            try:
                b24 = portal.session(retries=ONCE)
                outcomes.append(
                    b24.batch_by_chunk(adds(40), journal=_Begun(journal), chunk_size=4, concurrency=concurrency)
                )
            except RunBusy as error:
                outcomes.append(outcomes_of(error) or ())

        threads = [threading.Thread(target=work, args=(journal,)) for journal in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(titles(portal).values()) == {1}
    assert sum(row.status == "ok" for result in outcomes for row in result) == len(portal.executed)


class _Begun:
    """A journal that was begun already."""

    def __init__(self, journal):
        self.journal = journal

    def __getattr__(self, name):
        return getattr(self.journal, name)

    def begin(self, portal, repeatable):
        pass

    def end(self):
        pass

    def fates(self, commands):
        return self.journal.fates(commands)

    def claim(self, request_id, commands):
        return self.journal.claim(request_id, commands)

    def release(self, request_id):
        return self.journal.release(request_id)

    def note(self, request_id, commands, rows):
        return self.journal.note(request_id, commands, rows)

    def hold(self, seconds):
        return self.journal.hold(seconds)


def test_a_journal_that_disappears(portal, path, run):
    """If the journal can no longer be written, the run ends; its result has the truth."""

    @portal.method("crm.deal.add")
    def add(params):
        path.unlink(missing_ok=True)
        return 1

    with pytest.raises(JournalError, match=r"import\.journal .*deleted meanwhile.*nothing more was sent") as caught:
        run(adds(40))
    result = caught.value.result
    sent = {row.name for row in result if row.status == "ok"}
    assert len(result) == 40
    assert sent == {f"order-{title[5:]}" for title in titles(portal)}
    assert {row.status for row in result} == {"ok", "skipped"}


@pytest.mark.parametrize("bad", ["1", -1, float("nan"), True], ids=str)
def test_invalid_stop_after(portal, run, bad):
    """A time to stop is a number of seconds."""
    with pytest.raises(UsageError, match="stop_after"):
        run(adds(1), stop_after=bad)
    assert not portal.requests


def test_settle(portal, run, path):
    """What somebody found out about unknown commands is what the next run goes by."""
    portal.fail_next("reset_after", times=9)
    assert {row.status for row in run(adds(3))} == {"unknown"}
    portal.clear()
    with Journal(path) as journal:
        assert journal.summary().startswith("3 commands: 3 unknown; 1 life, the last request ")
        assert [noted.key for noted in journal.rows("unknown")] == ["order-0", "order-1", "order-2"]
        assert journal.settle(["order-0"], executed=True) == 1
        assert journal.settle(["order-1", "order-0"], executed=False) == 1
        assert [journal.settle(keys, executed=False) for keys in (["order-1"], [])] == [0, 0]
        with pytest.raises(UsageError, match="has no command with the key 'x'") as refused:
            journal.settle(["x"], executed=True)
        assert [file.name for file in path.parent.iterdir()] == [path.name]
    del refused
    assert [row.status for row in run(adds(3))] == ["ok", "ok", "unknown"]
    assert titles(portal) == {"Deal 1": 1}


def test_an_interrupt_before_the_next_attempt(portal, path, concurrency):
    """A request that was certainly not executed is sent by the next run, also if Ctrl-C came before its repetition."""

    def press(wait):
        raise KeyboardInterrupt

    portal.fail_next("rate_limited")
    options = {"journal": path, "concurrency": concurrency}
    with portal.session(on_wait=press) as b24, pytest.raises(KeyboardInterrupt):
        b24.batch_by_chunk(adds(3), **options)
    with Journal(path) as journal:
        assert [noted.status for noted in journal.rows()] == ["skipped"] * 3
    with portal.session() as b24:
        assert b24.batch_by_chunk(adds(3), **options).is_success
    assert titles(portal) == Counter(f"Deal {n}" for n in range(3))


def test_the_errors_in_a_journal(run, path):
    """A row of a journal has the error of its command, and none if there was none."""
    result = run([adds(1)[0], Command("no.such.method", name="bad")])
    with Journal(path) as journal:
        good, bad = sorted(journal.rows(), key=lambda noted: noted.position)
    assert good.error is None
    assert vars(bad.error) == vars(result["bad"].error)


POISON = """
    import os, sys
    from b24batch import Command, Session
    b24 = Session(sys.argv[1], limits=None)
    calls = [Command("crm.deal.list", {"filter": {"ID": n}}, name=f"n{n}") for n in range(12)]
    b24.batch_by_chunk(calls, journal=sys.argv[2], chunk_size=4, concurrency=int(sys.argv[3]))
"""


@pytest.mark.slow
def test_a_poison_request(portal, path, run, concurrency):
    """A run that dies three times running at the same request is not started again until somebody looked."""
    processes = []

    @portal.method("crm.deal.list")
    def read(params):
        if params["filter"]["ID"] == "0":
            process = processes[-1]  # the next one may have been started before this one was waited for
            process.kill()
            process.wait()
        return []

    argv = [sys.executable, "-c", dedent(POISON), portal.url, str(path), str(concurrency)]
    code = -signal.SIGKILL
    while code == -signal.SIGKILL:
        processes.append(subprocess.Popen(argv, stderr=subprocess.DEVNULL))
        code = processes[-1].wait()
    assert 4 <= len(processes) <= 4 + concurrency
    requests = len(portal.requests)
    calls = [Command("crm.deal.list", {"filter": {"ID": n}}, name=f"n{n}") for n in range(12)]
    with pytest.raises(JournalError, match=r"died 3 times running at the same request \(0 to \d+\)"):
        run(calls)
    assert len(portal.requests) == requests
    portal.method("crm.deal.list")(lambda params: [])
    with Journal(path) as journal:
        assert journal.settle([noted.key for noted in journal.rows("unknown")], executed=False)
    assert run(calls).is_success


def test_stop_after(portal, path, concurrency):
    """After so many seconds no further request begins; the rest is skipped, and the next run goes on."""
    clock = FakeClock()
    b24 = portal.session(clock=clock)

    @portal.method("crm.deal.add")
    def add(params):
        clock.advance(1.0)
        return 1

    result = b24.batch_by_chunk(adds(40), journal=path, chunk_size=5, stop_after=10, concurrency=concurrency)
    counts = Counter(row.status for row in result)
    assert 10 <= counts["ok"] <= 10 + 5 * concurrency * (concurrency > 1)
    assert counts["ok"] + counts["skipped"] == 40
    assert b24.batch_by_chunk(adds(40), journal=path, concurrency=concurrency).is_success
    assert set(titles(portal).values()) == {1}


@pytest.mark.parametrize("has_journal", [False, True])
def test_a_stop_during_a_wait_for_the_rate(portal, path, clock, concurrency, has_journal):
    """A request that waits for the rate until the time to stop is not sent; its commands are skipped."""
    b24 = portal.session(clock=clock, limits=LeakyBucket(2, 0.1, clock=clock))
    options = {"journal": path if has_journal else None, "concurrency": concurrency}
    result = b24.batch_by_chunk(adds(8), chunk_size=2, stop_after=5, **options)
    # With lanes, one may wait before the first request of another begins.
    assert [row.status for row in result].count("ok") == len(portal.executed) in ({2} if concurrency == 1 else {0, 2})
    assert len(result.remaining()) == 8 - len(portal.executed)


def test_a_stop_between_two_attempts(portal, path, clock, concurrency):
    """A request that was sent before the time to stop, and refused for the rate, is sent again after it."""
    portal.fail_next("rate_limited")
    b24 = portal.session(clock=clock, retries=RetryPolicy(wait_initial=30.0, random=lambda: 1.0))
    result = b24.batch_by_chunk(adds(2), chunk_size=2, stop_after=10, journal=path, concurrency=concurrency)
    assert (result.is_success, clock.monotonic(), len(portal.requests)) == (True, 30.0, 2)


def test_a_stop_does_not_wait_for_operating_time(clock, concurrency, path):
    """A blocked method is not waited for beyond the time to stop."""
    with Portal(clock, operating_limit=1.0) as portal:
        portal.cost("crm.deal.add", 10.0)
        b24 = portal.session(clock=clock)
        result = b24.batch_by_chunk(adds(8), chunk_size=2, stop_after=30, journal=path, concurrency=concurrency)
        assert not clock.slept
        assert {row.status for row in result} <= {"ok", "failed", "skipped"}
        assert len(result.remaining()) == 8 - len(portal.executed)


def test_interrupted_runs_are_not_stuck(portal, path, run):
    """A run that ends with an exception did not die: it may be started again as often as one likes."""

    @portal.method("crm.deal.list")
    def read(params):
        os.kill(os.getpid(), signal.SIGINT)
        return []

    for place in range(5):
        with pytest.raises(KeyboardInterrupt):
            run([Command("crm.deal.list", name=f"n{place}")])
    portal.method("crm.deal.list")(lambda params: [])
    assert run([Command("crm.deal.list", name="n")]).is_success


class Telling:
    """A journal that keeps nothing, and tells what it was asked; `busy` is the exception with which it begins."""

    def __init__(self, busy=None):
        self.busy, self.told = busy, []

    def begin(self, portal, repeatable):
        self.told.append("begin")
        if self.busy is not None:
            raise self.busy

    def fates(self, commands):
        return [None] * len(commands)

    def note(self, request_id, *_commands_and_rows):
        pass

    claim = release = note

    def hold(self, seconds):
        self.told.append(seconds)

    def end(self):
        self.told.append("end")


def both_ways(b24, calls, **options):
    """Runs that begin when they are called: all at once, and as a stream."""
    yield lambda: b24.batch_by_chunk(calls, **options)
    yield lambda: list(b24.stream_batch(calls, **options))


def test_a_journal_of_your_own(portal, clock, concurrency):
    """A run takes its journal, tells it of each wait for operating time, and gives it back."""
    blocked = iter([True, False] * 2)

    @portal.method("blocked")
    def block(params):
        if next(blocked):
            raise PortalError("OPERATION_TIME_LIMIT", "blocked", http_status=429)

    journal = Telling()
    for start in both_ways(portal.session(clock=clock), [("blocked",)], journal=journal, concurrency=concurrency):
        start()
        assert journal.told == ["begin", 60.0, "end"]
        journal.told.clear()


def test_a_journal_that_is_in_use(portal, concurrency):
    """A run that could not take its journal does not give it back, and sends nothing."""
    journal = Telling(RunBusy("in use"))
    for start in both_ways(portal.session(), adds(2), journal=journal, concurrency=concurrency):
        with pytest.raises(RunBusy):
            start()
        assert (journal.told, portal.requests) == (["begin"], [])
        journal.told.clear()


@pytest.mark.parametrize("broken", ["claim", "end"])
def test_a_journal_that_fails(portal, concurrency, broken):
    """A run ends with the error of its journal; what the journal did not let go is skipped, and it is ended once."""
    error = JournalError("the disk is full")

    class Failing(Telling):
        pass

    def fail(self, *_arguments):
        self.told.append(broken)
        raise error

    setattr(Failing, broken, fail)
    for way, statuses in (
        ("batch_by_chunk", {"claim": "skipped", "end": "ok"}),
        ("stream_batch", {"claim": "skipped"}),
    ):
        journal, known = Failing(), []
        with pytest.raises(JournalError) as caught:
            known += getattr(portal.session(), way)(adds(2), journal=journal, concurrency=concurrency)
        assert caught.value is error
        assert {row.status for row in error.result} == set(filter(None, [statuses.get(broken)]))
        assert journal.told == ["begin", broken, *(["end"] if broken == "claim" else [])]


def test_a_journal_with_too_few_outcomes(portal, concurrency):
    """A journal must answer for every command; if it does not, nothing is sent."""
    journal = Telling()
    journal.fates = lambda commands: [None]
    for start in both_ways(portal.session(), adds(2), journal=journal, concurrency=concurrency):
        with pytest.raises(ValueError, match="shorter"):
            start()
        assert (journal.told, portal.requests) == (["begin", "end"], [])
        journal.told.clear()


def test_a_journal_is_a_run_journal(path, concurrency):
    """The class offers what a run needs of a journal."""
    with Journal(path) as journal:
        assert isinstance(journal, RunJournal)
        assert repr(journal) == "<Journal import.journal>"
