"""Journals and processes: two of them on one journal, forks, and what a killed one leaves behind."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing, suppress
from datetime import datetime
from textwrap import dedent

import pytest
from forks import exit_code_of_a_fork

from b24batch import Command, JournalError, RetryPolicy, RunBusy
from b24batch.journal import Journal
from b24batch.journal.file import JournalFile
from b24batch.journal.lock import FileLock

ADD = "crm.deal.add"

STREAM = """
    import json, sys
    from b24batch import Command, RunBusy, Session
    calls = [Command("crm.deal.add", {"fields": {"TITLE": f"Deal {n}"}}, name=f"order-{n}") for n in range(40)]
    told = {}
    try:
        with Session(sys.argv[1], limits=None) as b24:
            options = {"journal": sys.argv[2], "concurrency": int(sys.argv[3]), "chunk_size": 4}
            for row in b24.stream_batch(calls, **options):
                told[row.name] = row.status
                if len(told) == 4:
                    print("four", flush=True)
                    sys.stdin.readline()
    except RunBusy as error:
        print(error)
        told |= {row.name: row.status for row in error.result}
    print(json.dumps(told))
"""


def adds(count):
    return [Command(ADD, {"fields": {"TITLE": f"Deal {n}"}}, name=f"order-{n}") for n in range(count)]


def executions(portal):
    return Counter(command.params["fields"]["TITLE"].replace("Deal ", "order-") for command in portal.executed)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "import.journal"


def is_true(status, times):
    return times in {"ok": {1}, "unknown": {0, 1}}.get(status, {0})


@pytest.mark.parametrize("concurrency", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_two_processes_without_the_lock(portal, path, concurrency):
    """Without the lock, two processes send each command once; the one that comes late is told, and stops."""
    argv = [sys.executable, "-c", dedent(STREAM), portal.url, str(path), str(concurrency)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as late:
        assert late.stdout.readline() == "four\n"
        path.with_name("import.journal-lock").unlink()
        other = subprocess.run(argv, input="\n", capture_output=True, text=True, timeout=60, check=True)
        words, _ = late.communicate("\n", timeout=60)
    assert "import.journal: another run has sent some of these commands meanwhile" in words
    told, lost = json.loads(other.stdout.splitlines()[-1]), json.loads(words.splitlines()[-1])
    counts = executions(portal)
    assert set(counts.values()) == {1}
    assert [name for name, status in told.items() if not is_true(status, counts[name])] == []
    with Journal(path) as journal:
        assert [noted.key for noted in journal.rows() if not is_true(noted.status, counts[noted.key])] == []
    # What the late process was not told to be sent, the other one sent.
    assert {name for name, status in lost.items() if status == "ok"} <= counts.keys()
    assert len(told) == 40
    assert sum(status == "ok" for status in told.values()) + 4 * concurrency >= 40


def test_a_fork(portal, path):
    """A forked process cannot use a journal that is open, and takes neither the lock nor the file from its parent."""
    with portal.session() as b24, Journal(path) as journal:
        stream = b24.stream_batch(adds(20), journal=journal, chunk_size=4)
        assert next(stream).status == "ok"
        assert exit_code_of_a_fork(journal, stream) == 0
        assert path.with_name("import.journal-lock").exists()
        assert len([row for row in stream if row.status == "ok"]) == 19
        assert journal.summary().startswith("20 commands: 20 ok; 1 life")
    assert set(executions(portal).values()) == {1}


def test_a_fork_during_a_write(path):
    """A process that is forked while a thread writes to the journal does not wait for that thread."""
    with Journal(path) as journal:
        journal.begin("portal", bool)
        writes, may_end = threading.Event(), threading.Event()

        def write(database):
            writes.set()
            may_end.wait(30)

        thread = threading.Thread(target=journal._file.write, args=(write,))
        thread.start()
        writes.wait(30)
        if not (child := os.fork()):
            signal.alarm(10)  # ends a child that waits
            journal.close()
            os._exit(0)
        ended = os.waitpid(child, 0)[1]
        may_end.set()
        thread.join()
    assert os.waitstatus_to_exitcode(ended) == 0
    assert [file.name for file in path.parent.iterdir()] == [path.name]


KILLED = """
    import os, sys
    from b24batch import Command, Session
    calls = [Command("crm.deal.add", {"fields": {"TITLE": f"Deal {n}"}}, name=f"order-{n}") for n in range(40)]
    with Session(sys.argv[1], limits=None) as b24:
        for number, row in enumerate(b24.stream_batch(calls, journal=sys.argv[2], chunk_size=4)):
            if number == 9:
                os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
def test_what_a_killed_process_leaves(portal, path):
    """The parts of a journal that a killed process left behind belong to its owner, and the next run goes on."""
    before = os.umask(0)
    try:
        ended = subprocess.run([sys.executable, "-c", dedent(KILLED), portal.url, str(path)], check=False)
    finally:
        os.umask(before)
    assert ended.returncode == -signal.SIGKILL
    left = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert left.keys() >= {"import.journal", "import.journal-wal", "import.journal-lock"}
    assert set(left.values()) == {0o600}
    result = portal.session(retries=RetryPolicy(attempts=1)).batch_by_chunk(adds(40), journal=path)
    assert result.is_success
    assert set(executions(portal).values()) == {1}
    assert [file.name for file in path.parent.iterdir()] == ["import.journal"]


OPENING = """
    import sys
    from b24batch.journal import Journal
    print("ready", flush=True)
    sys.stdin.readline()
    with Journal(sys.argv[1]) as journal:
        print(journal.summary())
"""


@pytest.mark.slow
def test_many_open_a_new_file_at_once(path):
    """Processes that create the same journal at the same moment all get one."""
    argv = [sys.executable, "-c", dedent(OPENING), str(path)]
    openers = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for opener in openers:
        opener.stdout.readline()
    for opener in openers:
        opener.stdin.write("\n")
        opener.stdin.flush()
    assert [opener.communicate(timeout=60)[0] for opener in openers] == ["0 commands: none; 0 lives\n"] * 4


def test_created_by_another_at_every_instant(tmp_path):
    """Whenever another process creates the same journal while this one opens it, both get it."""
    instants = 0
    while _open_beside(tmp_path / f"{instants}.journal", instants):
        instants += 1
    assert instants > 1


def _open_beside(path, instant):
    """Open a journal, and another one at this call of SQLite; return whether there were so many calls."""
    left = instant

    def open_other(_frame, event, function):
        nonlocal left
        if event == "c_call" and function.__name__ == "execute" and not function.__self__.in_transaction:
            left -= 1
            if left < 0:
                sys.setprofile(None)
                Journal(path).close()

    before = sys.getprofile()
    sys.setprofile(open_other)
    try:
        with Journal(path) as journal:
            sys.setprofile(before)
            assert str(journal.summary()) == "0 commands: none; 0 lives"
    finally:
        sys.setprofile(before)
    return left < 0


STEPS = {"execute", "connect", "open", "stat", "unlink", "close"}


@pytest.mark.slow
@pytest.mark.parametrize("stays", [False, True])
def test_another_run_at_every_instant(tmp_path, monkeypatch, stays):
    """Whenever another run begins while one begins or ends, one of the two has the journal, and the other is told."""
    monkeypatch.setattr("b24batch.journal.file._PATIENCE", 0.001)
    instants = 0
    while _run_beside(tmp_path / f"{instants}.journal", instants, stays=stays):
        instants += 1
    assert instants > 20


def _run_beside(path, instant, *, stays):
    """Begin and end a run, and at this instant begin another; return whether there were so many instants."""
    left, has, had = instant, [], []

    def begin(journal):
        with suppress(JournalError):
            journal.begin("portal", bool)
            assert not has
            has.append(journal)
            had.append(journal)

    def end(journal):
        if journal in has:
            has.remove(journal)
            journal.end()

    def come_in(_frame, event, function):
        nonlocal left
        if event == "c_call" and function.__name__ in STEPS:
            left -= 1
            if left < 0:
                sys.setprofile(None)
                begin(other)
                if not stays:
                    end(other)

    before = sys.getprofile()
    with Journal(path) as mine, Journal(path) as other, Journal(path) as third:
        sys.setprofile(come_in)
        try:
            begin(mine)
            end(mine)
        finally:
            sys.setprofile(before)
        assert mine in had or (stays and other in has)
        for journal in has[:]:
            with pytest.raises(RunBusy, match=rf"{path.name} is in use by process {os.getpid()} on "):
                third.begin("portal", bool)
            end(journal)
        third.begin("portal", bool)
    return left < 0


def test_a_writer_at_the_beginning(path):
    """If another process writes when a run changes the file's mode, the run waits until it has the file itself."""
    with Journal(path) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        seen = []

        def trace(statement):
            if "WAL" in statement and not seen:
                other.execute("BEGIN IMMEDIATE")
                seen.append(statement)
            elif other.in_transaction and "WAL" not in statement:
                other.execute("ROLLBACK")

        journal._file._database.set_trace_callback(trace)
        journal.begin("portal", bool)
        assert seen
        assert not other.in_transaction
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_lock_of_another_run(path):
    """A run whose lock was deleted does not remove the one of the run that took its place."""
    with Journal(path) as mine, Journal(path) as other, Journal(path) as third:
        mine.begin("portal", bool)
        path.with_name("import.journal-lock").unlink()
        other.begin("portal", bool)
        mine.end()
        with pytest.raises(RunBusy, match=r"import\.journal is in use by process"):
            third.begin("portal", bool)
        other.end()
        third.begin("portal", bool)


def test_a_lock_that_was_left(path):
    """Who has the lock is the run that has it now, not one that died with it before."""
    file = path.with_name(f"{path.name}-lock")
    with closing(JournalFile(path)) as journal, closing(JournalFile(path)) as other_journal:
        lock, other = FileLock(journal), FileLock(other_journal)
        lock.take(0.0)
        left = file.read_bytes()
        lock.release()
        file.write_bytes(left)
        lock.take(3600.0)
        with pytest.raises(RunBusy, match=f" since {datetime.fromtimestamp(3600.0):%H:%M}$"):
            other.take(7200.0)
        other.release()
        lock.release()


def test_a_lock_whose_file_stays(path, monkeypatch):
    """A run that ends does not wait for another program that writes: the file of the lock stays, for the next run."""
    monkeypatch.setattr("b24batch.journal.file._PATIENCE", 3600.0)
    file = path.with_name(f"{path.name}-lock")
    with closing(JournalFile(path)) as journal, closing(sqlite3.connect(path, isolation_level=None)) as writer:
        lock, other = FileLock(journal), FileLock(journal)
        lock.take(0.0)
        writer.execute("BEGIN IMMEDIATE")
        lock.release()
        writer.execute("ROLLBACK")
        assert file.exists()
        other.take(0.0)
        lock.release()  # which changes nothing
        with pytest.raises(RunBusy):
            lock.take(0.0)
        lock.release()
        other.release()
        assert not file.exists()


def test_in_use_by_a_run_that_writes(path, monkeypatch):
    """A run that writes all the time is named to others, although it keeps the file locked."""
    monkeypatch.setattr("b24batch.journal.file._PATIENCE", 0.01)
    with Journal(path) as mine, Journal(path) as other:
        mine.begin("portal", bool)

        def begin(_database):
            with pytest.raises(RunBusy, match=rf"import\.journal is in use by process {os.getpid()} on "):
                other.begin("portal", bool)

        mine._file.write(begin)


def test_a_reader_that_stays_at_the_beginning(path, monkeypatch):
    """If another program reads all the time when a run changes the file's mode, the run ends after a few seconds."""
    monkeypatch.setattr("b24batch.journal.file._PATIENCE", 0.01)
    with Journal(path) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM outcomes").fetchall()
        with pytest.raises(JournalError, match=r"import\.journal was locked by another process for over 0\.01 s"):
            journal.begin("portal", bool)
        other.execute("COMMIT")
        journal.begin("portal", bool)
