"""The file of a journal: which paths it takes, and what happens when the file cannot be used."""

import errno
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest
from open_files import needs_proc, opened_in
from system_calls import failing_at

from b24batch import Command, JournalError, RetryPolicy, UsageError
from b24batch.journal import Journal
from b24batch.journal.paths import create, find, remove
from b24batch.sandbox import Portal
from b24batch.sqlite_errors import explain

ADD = "crm.deal.add"


def adds(count):
    return [Command(ADD, {"fields": {"TITLE": f"Deal {n}"}}, name=f"order-{n}") for n in range(count)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "import.journal"


@pytest.fixture
def run(portal, path, request):
    """Starts a run with the journal."""
    b24, concurrency = portal.session(retries=RetryPolicy(attempts=1)), getattr(request, "param", 1)

    def start(calls, **options):
        return b24.batch_by_chunk(calls, **{"journal": path, "concurrency": concurrency, "chunk_size": 2} | options)

    return start


in_any_order = pytest.mark.parametrize("run", [1, 4], indirect=True)


class BytesPath(os.PathLike):
    """A path that is bytes inside."""

    def __init__(self, path):
        self.path = os.fsencode(path)

    def __fspath__(self):
        return self.path


NAMES = ["a b%20?#&.journal", "é", "'\"", "journal-lock", "💥", os.fsdecode(b"\xff.journal")]


@pytest.mark.parametrize(("kind", "name"), [(str, name) for name in NAMES] + [(Path, "é"), (BytesPath, NAMES[-1])])
def test_paths(portal, run, tmp_path, kind, name):
    """Any path of a file will do."""
    for _ in range(2):
        assert run(adds(3), journal=kind(tmp_path / name)).is_success
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert len(portal.executed) == 3


def test_a_symbolic_link(portal, run, tmp_path, path):
    """A file that is reached through a link has the same lock and the same parts."""
    link = tmp_path / "link"
    link.symlink_to(path)
    assert run(adds(3), journal=link).is_success
    with Journal(path) as journal:
        assert journal.summary().startswith("3 commands: 3 ok")
    assert run(adds(4)).is_success
    assert len(portal.executed) == 4


SECRET = "https://example.bitrix24.com/rest/1/s3cr3tc0de/"


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (SECRET, "got a URL"),
        ("file:import.journal", "got a URL"),
        (":memory:", "got ':memory:'"),
        ("", "got ''"),
        ("a\0b", "got 'a"),
        (5, "got 5"),
        (b"x", "got b'x'"),
        ("/dev/null", "null is not a regular file"),
    ],
)
def test_what_is_no_file(portal, run, tmp_path, monkeypatch, bad, match):
    """What is not the path of a file is refused before anything is sent, without showing a secret."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=match) as caught:
        run(adds(1), journal=bad)
    assert "s3cr3t" not in str(caught.value)
    with pytest.raises(UsageError, match=match):
        Journal(bad)
    assert not portal.requests
    assert list(tmp_path.iterdir()) == []


def test_a_directory(portal, run, tmp_path):
    """A directory, or a pipe, is not a journal."""
    os.mkfifo(tmp_path / "pipe")
    for bad in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UsageError, match=f"{bad.name} is not a regular file; nothing was sent"):
            run(adds(1), journal=bad)
    assert not portal.requests


def test_a_missing_folder(portal, run, tmp_path):
    """A file whose folder does not exist cannot be created, and the message says so."""
    with pytest.raises(JournalError, match=r"x cannot be created \(No such file or directory\); nothing was sent"):
        run(adds(1), journal=tmp_path / "missing" / "x")
    assert not portal.requests


def test_foreign_files(portal, tmp_path, run):
    """A file that is something else is refused, and stays as it is."""
    text, other = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("not a database, but long enough to look like one" * 30)
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE mine (x)")
    for file in (text, other):
        before = file.read_bytes()
        with pytest.raises(UsageError, match=f"{file.name} is not a journal of b24batch"):
            run(adds(1), journal=file)
        assert file.read_bytes() == before
    assert not portal.requests


def test_a_newer_format(portal, path, run):
    """A journal of a newer version is refused."""
    run(adds(1))
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 2")
    with pytest.raises(UsageError, match=r"import.journal was written by a newer b24batch \(format 2\)"):
        run(adds(2))
    assert len(portal.executed) == 1


def test_another_portal(portal, path, run):
    """A journal belongs to the runs on one portal; the file is closed when another run is refused."""
    run(adds(1))
    with Portal() as other, pytest.raises(UsageError, match=r"import.journal is of a run on .*, not on ") as refused:
        other.session().batch_by_chunk(adds(1), journal=path)
    assert list(path.parent.iterdir()) == [path]
    del refused  # its frames would keep an open file


@pytest.mark.parametrize("bad", [1, b"x", Journal, {}], ids=str)
def test_invalid_journals(portal, run, bad):
    """Anything but a path or a journal is refused."""
    with pytest.raises(UsageError, match="journal: expected a path"):
        run(adds(1), journal=bad)
    assert not portal.requests


READ_ONLY = """
    import os, sys
    from b24batch import Command, Session, JournalError
    from b24batch.journal import Journal
    b24 = Session(sys.argv[1], limits=None)
    b24.batch_by_chunk([], journal=sys.argv[3])  # imports everything
    if os.geteuid() == 0:
        os.setuid(65534)
    try:
        b24.batch_by_chunk([("crm.deal.add", {})], journal=sys.argv[2])
    except JournalError as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "match"), [("file", "cannot be opened|is read-only"), ("folder", "lock cannot be created")]
)
def test_read_only(portal, what, match):
    """A journal that may not be written is refused before anything is sent."""
    with tempfile.TemporaryDirectory() as folder:  # which another user can read, unlike `tmp_path`
        path = Path(folder) / "import.journal"
        portal.session().batch_by_chunk(adds(1), journal=path)
        requests = len(portal.requests)
        path.chmod(0o444 if what == "file" else 0o666)
        path.parent.chmod(0o777 if what == "file" else 0o555)
        argv = [sys.executable, "-c", dedent(READ_ONLY), portal.url, str(path), f"{folder}-other"]
        settings = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        printed = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=settings)
        path.parent.chmod(0o755)
        Path(f"{folder}-other").unlink()
    assert "JOURNAL: import.journal" in printed.stdout, printed.stderr
    assert any(words in printed.stdout for words in match.split("|")), printed.stdout
    assert "nothing" in printed.stdout
    assert len(portal.requests) == requests


FULL = """
    import json, resource, signal, sys
    from b24batch import Command, Session, JournalError
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    calls = [Command("crm.deal.add", {"fields": {"TITLE": f"Deal {n}"}}, name=f"order-{n}") for n in range(3000)]
    try:
        Session(sys.argv[1], limits=None).batch_by_chunk(calls, journal=sys.argv[2], concurrency=int(sys.argv[3]))
    except JournalError as error:
        print(error)
        print(json.dumps({row.name: row.status for row in error.result}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_a_full_disk(portal, path, concurrency):
    """When the disk is full the run ends; its result has the truth, and the journal says unknown at most."""
    argv = [sys.executable, "-c", dedent(FULL), portal.url, str(path), str(concurrency)]
    printed = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    assert "nothing more was sent; " in printed[0]
    told, counts = json.loads(printed[1]), executions(portal)
    assert set(counts.values()) == {1}
    assert [name for name, status in told.items() if (status == "ok") != (name in counts)] == []
    with Journal(path) as journal:
        noted = {row.key: row.status for row in journal.rows()}
    assert [name for name, status in noted.items() if status != told[name] and status != "unknown"] == []
    assert [name for name in counts if noted[name] not in {"ok", "unknown"}] == []
    result = portal.session().batch_by_chunk(adds(3000), journal=path)
    assert {row.status for row in result} <= {"ok", "unknown"}
    assert set(executions(portal).values()) == {1}


@pytest.mark.parametrize(("act", "step"), [(create, "open"), (create, "stat"), (find, "stat"), (remove, "unlink")])
def test_a_time_limit_while_a_path_is_looked_at(path, act, step):
    """What a signal handler raises meanwhile is not from the file system, so it leaves as it is."""
    with pytest.raises(TimeoutError, match="time is up"), failing_at(step, TimeoutError("time is up")):
        act(path)


def test_a_folder_that_is_closed_meanwhile(path):
    """If the file of the lock cannot be looked at or removed, the run ends as usual."""
    with Journal(path) as journal:
        for step in ("stat", "unlink"):
            journal.begin("portal", bool)
            with failing_at(step, PermissionError(errno.EACCES, "Permission denied")):
                journal.end()
    with failing_at("stat", FileNotFoundError(errno.ENOENT, "No such file")):
        create(path)  # as another run removes its lock just now


def test_a_damaged_lock(path):
    """A file of the lock that cannot be used is named, and nothing is kept open: without it the run begins."""
    lock = path.with_name("import.journal-lock")
    lock.write_bytes(b"no database" * 100)
    with Journal(path) as journal:
        with pytest.raises(JournalError) as refused:
            journal.begin("portal", bool)
        assert refused.value.description == "import.journal-lock is not a SQLite database; nothing was sent"
        assert type(refused.value) is JournalError
        lock.unlink()
        journal.begin("portal", bool)


def test_a_refused_file_is_closed(path):
    """A file that is not a journal is closed, also while somebody keeps the error."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE mine (x)")
        with pytest.raises(UsageError, match="is not a journal") as refused:
            Journal(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # SQLite merges it when the last one closes it
    del refused


@needs_proc
def test_a_run_that_ended_has_closed_its_file(portal, path):
    """The file that was passed as a path is closed at the end of a run, also while its results are kept."""
    stream = portal.session().stream_batch(adds(3), journal=path)
    result = portal.session().batch_by_chunk(adds(3), journal=path.with_suffix(".other"))
    assert len(list(stream)) == len(result) == 3
    assert opened_in(path.parent) == []


def test_the_settings_of_a_file(path):
    """It waits 5 seconds for another program, also after a run; each commit is flushed; only its owner can read it."""
    with Journal(path) as journal:
        assert path.stat().st_mode & 0o777 == 0o600
        for _ in range(2):
            journal.begin("portal", bool)
            settings = ("busy_timeout", "synchronous", "fullfsync")
            read = [
                journal._file.read(lambda database, name=name: database.execute(f"PRAGMA {name}").fetchone())
                for name in settings
            ]
            assert read == [(5000,), (2,), (1,)]
            journal.end()


def test_the_words_for_a_full_disk():
    """A full disk is named as such."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as raised:
            database.execute("CREATE TABLE one (two)")
    assert explain(raised.value, 5.0) == "cannot be written (disk full)"


def executions(portal):
    return Counter(command.params["fields"]["TITLE"].replace("Deal ", "order-") for command in portal.executed)


@in_any_order
def test_a_replaced_file(portal, run, path):
    """A file that is replaced during the run ends it."""

    @portal.method(ADD)
    def add(params):
        path.rename(path.with_suffix(".old"))
        path.touch()
        portal.method(ADD)(lambda params: 2)
        return 1

    with pytest.raises(
        JournalError, match=r"import.journal was replaced or deleted meanwhile; nothing more was sent; "
    ):
        run(adds(40))


@in_any_order
@pytest.mark.parametrize(("count", "said"), [(1, "1 command has its outcome"), (2, "2 commands have their outcome")])
def test_the_count_of_outcomes(portal, run, path, count, said):
    """The error that ends a run tells how many commands have their outcome."""
    run(adds(count))

    @portal.method(ADD)
    def add(params):
        path.rename(path.with_suffix(".old"))
        return 1

    with pytest.raises(JournalError, match=rf"nothing more was sent; {said}(\n|$)"):
        run(adds(count + 1))


@pytest.mark.slow
@pytest.mark.parametrize("when", ["begin", "claim", "note"])
def test_a_locked_file(portal, run, path, monkeypatch, when):
    """If another program keeps the file locked, the run ends after a few seconds; nothing more is sent."""
    monkeypatch.setattr("b24batch.journal.file._PATIENCE", 0.05)
    run(adds(2))
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:

        @portal.method(ADD)
        def add(params):
            if when == "note" and params["fields"]["TITLE"] == "Deal 2":
                other.execute("BEGIN IMMEDIATE")
            return len(portal.executed)

        def on_wait(wait):
            other.execute("BEGIN IMMEDIATE")

        if when == "begin":
            other.execute("BEGIN IMMEDIATE")
        if when == "claim":
            portal.fail_next("rate_limited")
        with pytest.raises(
            JournalError, match=r"import.journal was locked by another process for over 0.05 s"
        ) as caught:
            portal.session(on_wait=on_wait, retries=RetryPolicy(wait_initial=0.0)).batch_by_chunk(
                adds(40), journal=path, chunk_size=2
            )
        other.execute("ROLLBACK")
    executed = executions(portal)
    assert set(executed.values()) == {1}
    assert len(executed) == {"begin": 2, "claim": 2, "note": 4}[when]
    if when != "begin":
        assert {row.name for row in caught.value.result if row.status == "ok"} == executed.keys()
    assert {row.status for row in run(adds(40))} <= {"ok", "unknown"}
    assert set(executions(portal).values()) == {1}


@in_any_order
def test_a_reader_does_not_delay_the_end(portal, run, path, monkeypatch):
    """A program that has the journal open, for its view, neither stops a run nor delays its end."""
    monkeypatch.setattr("b24batch.journal.file._PATIENCE", 3600.0)
    run(adds(2))
    with closing(sqlite3.connect(path, check_same_thread=False)) as reader:
        reader.execute("SELECT * FROM outcomes").fetchone()

        @portal.method(ADD)
        def add(params):
            assert reader.execute("SELECT count(*) FROM outcomes").fetchone()[0] >= 2
            return 1

        assert run(adds(8)).is_success
    assert len(portal.executed) == 8


def test_no_secret_and_no_params(portal, path):
    """No part of a journal, at any moment, has the portal's address, a secret or a parameter."""
    found, private = [], "a very private title"
    code = portal.url.split("/")[5]

    @portal.method(ADD)
    def add(params):
        found.extend((file.name, file.read_bytes()) for file in path.parent.iterdir())
        return 1

    calls = [Command(ADD, {"fields": {"TITLE": f"{private} {n}"}}, name=f"n{n}") for n in range(8)]
    calls += [Command(ADD, {"fields": {"TITLE": private, "$x[a]": "$result[x]y"}}, name="alone")]
    portal.fail_next("html_502", after=2)
    for bad in ("lost_after", "moved", "overload"):
        portal.fail_next(bad, after=1)
        portal.session(retries=RetryPolicy(attempts=1)).batch_by_chunk(calls, journal=path, chunk_size=2)
    found.append((path.name, path.read_bytes()))
    assert {name for name, _content in found} >= {"import.journal", "import.journal-wal", "import.journal-lock"}
    for secret in (code, "/rest/", private, "TITLE"):
        assert [name for name, content in found if secret.encode() in content] == []


def test_a_write_in_a_write(path):
    """A signal handler that uses the journal in the middle of a write is told so, and the write takes place."""
    with Journal(path) as journal:
        journal.begin("portal", bool)

        def write(database):
            database.execute("UPDATE run SET lives = 7")
            with pytest.raises(JournalError, match=r"import\.journal is in use by this thread; nothing more was sent"):
                journal.claim("r", [])
            journal.close()

        journal._file.write(write)
        assert journal.summary() == "0 commands: none; 7 lives"


def test_ctrl_c_in_a_write(path):
    """An exception inside a write leaves no transaction and no lock behind, in whatever thread."""
    with Journal(path) as journal:
        journal.begin("portal", bool)

        ended = []

        def press(database):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            journal._file.write(press)
        thread = threading.Thread(target=lambda: ended.append(journal.end()))
        thread.start()
        thread.join(10)
        assert ended == [None]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
