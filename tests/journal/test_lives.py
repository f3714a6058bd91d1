"""Journals across lives of a run: retries, references, blocked commands, names, and the errors that are told again."""

import gc
import inspect
import sqlite3
import threading
from collections import Counter
from contextlib import closing

import pytest

from b24batch import (
    AjaxError,
    AnswerLost,
    Command,
    JournalError,
    LeakyBucket,
    NotSent,
    RetryPolicy,
    RunBusy,
    SdkError,
    UsageError,
    errors,
    outcomes_of,
    ref,
)
from b24batch.calls.encoded import encode_calls
from b24batch.journal import Journal
from b24batch.journal.asked import Asked
from b24batch.journal.claims import Claimed
from b24batch.journal.noted import CUT_OFF, digest_of, dump, dump_error, load_error
from b24batch.results import AjaxResult
from b24batch.sandbox import FakeClock, Page, Portal

ONCE = RetryPolicy(attempts=1)
AT_ONCE = RetryPolicy(wait_initial=0.0)
ADD, LIST = "crm.deal.add", "crm.deal.list"


def adds(count):
    return [Command(ADD, {"fields": {"TITLE": f"Deal {n}"}}, name=f"order-{n}") for n in range(count)]


def reads(count):
    return [Command(LIST, {"filter": {"ID": n}}, name=f"n{n}") for n in range(count)]


def most_executions(portal):
    return max(
        Counter(command.params["fields"]["TITLE"] for command in portal.executed if command.method == ADD).values()
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "import.journal"


@pytest.fixture(params=[1, 4])
def options(path, request):
    return {"journal": path, "concurrency": request.param, "chunk_size": 4}


@pytest.mark.parametrize("calls", [adds(8), reads(8), [*adds(4), *reads(8)]], ids=["writes", "reads", "both"])
def test_retries(portal, options, calls):
    """A request that was not executed is claimed again for its retry, whether it writes or reads."""
    portal.fail_next("rate_limited", times=2)
    assert portal.session(retries=AT_ONCE).batch_by_chunk(calls, **options).is_success
    with Journal(options["journal"]) as journal:
        assert {noted.status for noted in journal.rows()} == {"ok"}


def test_a_lost_read_is_retried(portal, options):
    """A read whose answer was lost is sent again under the same claim."""
    portal.fail_next("reset_after", times=2)
    assert portal.session(retries=AT_ONCE).batch_by_chunk(reads(8), **options).is_success


def test_an_expired_token(portal, options):
    """A request whose token was refused is claimed again with the new one."""
    b24 = portal.session(portal.oauth(), retries=ONCE)
    portal.fail_next("expired_token", after=1)
    assert b24.batch_by_chunk(adds(8), **options).is_success
    assert most_executions(portal) == 1


@pytest.mark.parametrize("fault", ["rate_limited", "refused", "unauthorized"])
def test_perhaps_stays_perhaps(portal, options, fault):
    """A repeatable write that an earlier life may have run is unknown in the journal until it is answered."""
    calls = [Command(ADD, {"fields": {"TITLE": "x"}}, name="x", idempotent=True)]
    b24 = portal.session(retries=ONCE)
    portal.fail_next("reset_after")
    assert b24.batch_by_chunk(calls, **options)["x"].status == "unknown"
    portal.fail_next(fault)
    b24.batch_by_chunk(calls, **options)
    with Journal(options["journal"]) as journal:
        assert [noted.status for noted in journal.rows()] == ["unknown"]
    assert b24.batch_by_chunk(calls, **options).is_success


SURE = AjaxError("it was refused", code="X")
LOST = AnswerLost("it was lost")
AWAY = NotSent("it was not sent")


@pytest.mark.parametrize(
    ("status", "error", "perhaps", "noted"),
    [
        ("ok", None, True, "ok"),
        ("failed", SURE, True, "failed"),
        ("unknown", LOST, True, "unknown"),
        ("skipped", None, True, "unknown"),
        ("failed", AWAY, True, "unknown"),
        ("skipped", None, False, "skipped"),
        ("failed", AWAY, False, "failed"),
    ],
)
def test_what_an_earlier_life_may_have_run(status, error, perhaps, noted):
    """It is unknown until this life has run it, or is told that it may have."""
    kept, _data, why, *_ = dump(AjaxResult(Command("x"), status, error=error), perhaps=perhaps)
    assert kept == noted
    assert why == (dump_error(error) if status == noted else dump_error(AnswerLost(CUT_OFF)))


@pytest.mark.parametrize("first", [True, False])
def test_the_digest_does_not_depend_on_halt(portal, options, first):
    """A run may be started again with another `halt_on_error`: its commands are the same."""
    texts = ["$foo[bar]", "plain", "$result[x]y", "Ж", "$x[a] y"]
    calls = [Command(ADD, {"fields": {"TITLE": text}}, name=f"c{n}") for n, text in enumerate(texts)]
    b24 = portal.session()
    b24.batch_by_chunk(calls, halt_on_error=first, **options)
    assert b24.batch_by_chunk(calls, halt_on_error=not first, **options).is_success
    assert most_executions(portal) == 1


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("gap", [4, 40])
def test_a_name_twice_in_a_stream(portal, options, told, gap):
    """A stream refuses a name that it had before, also if both would be told from an earlier life."""
    b24 = portal.session()
    if told:
        b24.batch_by_chunk(adds(gap), **options)
    with pytest.raises(UsageError, match="two calls have the same name, 'order-1'; with a journal"):
        list(b24.stream_batch([*adds(gap), adds(2)[1]], **options))
    assert most_executions(portal) == 1


def test_names_are_asked_for_once_in_a_life():
    """A name is refused the second time, with nothing added of its chunk, until a new life begins."""
    asked = Asked()
    asked.add(["a", "b"])
    with pytest.raises(UsageError, match="two calls have the same name, 'b'"):
        asked.add(["c", "b"])
    asked.add(["c"])
    asked.forget()
    asked.add(["a"])
    asked.forget()


def test_names_that_cannot_be_stored():
    """A temporary database that fails ends the run with an error of the journal, as the file itself does."""
    asked = Asked()
    asked.add(["a"])
    asked._database.close()
    with pytest.raises(JournalError, match=r"the temporary database of a journal cannot be used: .*; nothing more was"):
        asked.add(["b"])


def test_another_run_meanwhile(path):
    """Without the lock, what another run sends meanwhile is not told as if an earlier life had sent it."""
    with Journal(path) as first, Journal(path) as second:
        for journal in (first, second):
            journal.begin("p.test", lambda command: False)
            path.with_name("import.journal-lock").unlink()
        commands = list(encode_calls(adds(2), halt=True))
        first.claim("one", commands[:1])
        assert second.fates(commands[1:]) == [None]
        with pytest.raises(RunBusy, match="another run has sent some of these commands meanwhile"):
            second.fates(commands[:1])


def test_a_request_that_is_sent_again(path):
    """A request that was not executed is on the disk again as sent before it leaves once more."""
    commands = list(encode_calls(adds(1), halt=True))
    with Journal(path) as journal, Journal(path) as other:
        journal.begin("portal", bool)
        for _ in range(2):
            journal.claim("r", commands)
            (noted,) = other.rows()
            assert (noted.status, type(noted.error), noted.error.request_id) == ("unknown", AnswerLost, "r")
            journal.release("r")
            (noted,) = other.rows()
            assert (noted.status, noted.error) == ("skipped", None)


def test_the_same_request_id_in_the_next_life(path):
    """A request that was cut off has nothing to do with one that has the same id in the next life."""
    with Journal(path) as journal:
        for command in encode_calls(adds(2), halt=True):
            journal.begin("portal", bool)
            journal.claim("r", [command])
            journal.end()
        assert [(noted.key, noted.status) for noted in journal.rows()] == [
            ("order-0", "unknown"),
            ("order-1", "unknown"),
        ]


def test_what_stays_the_same_in_each_version(path):
    """A run goes on with the journal of an earlier version: the marks of a file and the digests do not change."""
    with Journal(path) as journal, closing(sqlite3.connect(path)) as database:
        assert repr(journal) == "<Journal import.journal>"
        assert database.execute("SELECT * FROM pragma_application_id, pragma_user_version").fetchone() == (
            0x62323462,
            1,
        )
    texts = ["Ж", "$x[a]", "$result[x]y"]  # in a batch, alone, and alone only without halt
    calls = [(ADD, {"fields": {"TITLE": text}}) for text in texts]
    assert [digest_of(encoded) for encoded in encode_calls(calls, halt=False)] == [
        "6640bf00ca8f56184f0daa76",
        "3898d6983e509a6a1750a9ca",
        "ff4c87887e3101f97339597e",
    ]


def claimed():
    """The claims that anything holds."""
    return [each for each in gc.get_objects() if type(each) is Claimed]


def test_requests_are_forgotten(portal, path):
    """A journal keeps nothing in memory of a request that was answered: a stream may be long."""
    before = claimed()
    with Journal(path) as journal:
        assert len(list(portal.session().stream_batch(adds(20), journal=journal, chunk_size=2))) == 20
        assert len(claimed()) == len(before)


def test_references_into_told_commands(portal, options):
    """References to told commands, into the same chunk and with `total`, have their values; chains go on."""
    portal.method(LIST)(lambda params: Page([{"ID": "7"}], total=3, next=50))
    found = Command(LIST, name="found")
    company = Command("crm.company.add", {"fields": {"TITLE": "c"}}, name="company")
    bad = Command("no.such.method", name="bad")
    b24, options = portal.session(), {**options, "halt_on_error": False}
    b24.batch_by_chunk([found, company, bad], **options)
    one = Command(ADD, {"fields": {"TITLE": "1", "A": ref("found").total, "B": ref("found").next}}, name="one")
    two = Command(ADD, {"fields": {"TITLE": "2", "A": ref("company"), "B": ref("one")}}, name="two")
    three = Command(ADD, {"fields": {"TITLE": "3", "A": ref("bad")}}, name="three")
    result = b24.batch_by_chunk([found, company, bad, one, two, three], **options)
    assert [row.status for row in result] == ["ok", "ok", "failed", "ok", "ok", "skipped"]
    sent = {command.params["fields"]["TITLE"]: command.params["fields"] for command in portal.executed[-2:]}
    assert (sent["1"]["A"], sent["1"]["B"]) == ("3", "50")
    assert (sent["2"]["A"], sent["2"]["B"]) == (str(result["company"].data), str(result["one"].data))


@pytest.mark.parametrize("halt", [True, False])
def test_blocked_commands(path, options, halt):
    """Before a long wait for operating time all outcomes are in the journal; the next life sends what was blocked."""
    clock, seen = FakeClock(), []

    def on_wait(wait):
        if wait.reason == "operating" and not seen:
            with Journal(path) as journal:
                seen.extend(noted.status for noted in journal.rows())
            raise KeyboardInterrupt

    with Portal(clock, operating_limit=3.0) as portal:
        portal.cost(ADD, 0.6)
        b24 = portal.session(clock=clock, on_wait=on_wait)
        with pytest.raises(KeyboardInterrupt):
            b24.batch_by_chunk(adds(12), halt_on_error=halt, **options)
        if options["concurrency"] == 1:  # otherwise others are on their way
            assert set(seen) == {"ok", "failed", "skipped"} if halt else {"ok", "failed"}
            assert seen.count("ok") == len(portal.executed)
        clock.advance(700)
        result = b24.batch_by_chunk(adds(12), halt_on_error=halt, **options)
        assert result.is_success
        assert most_executions(portal) == 1


def test_stop_on_error_of_an_earlier_life(portal, options):
    """What failed in an earlier life does not end a run that stops on errors."""
    calls = [Command("no.such.method", name="bad"), *adds(12)]
    b24, options = portal.session(), {**options, "stop_on_error": True}
    first = b24.batch_by_chunk(calls, **options)
    assert "skipped" in {row.status for row in first}
    assert Counter(row.status for row in b24.batch_by_chunk(calls, **options)) == {"failed": 1, "ok": 12}
    assert most_executions(portal) == 1


def test_nothing_is_claimed_of_commands_that_are_not_known_yet(portal, path, options):
    """An exception before the journal was read has no result: one would call what earlier lives did `skipped`."""
    b24 = portal.session()
    b24.batch_by_chunk(adds(4), **options)
    with Journal(path) as journal:
        journal.begin(b24.auth.host, bool)
        with pytest.raises(RunBusy) as caught:
            b24.batch_by_chunk(adds(4), **options)
        journal.end()
    assert outcomes_of(caught.value) is None
    with Portal() as other, pytest.raises(UsageError) as refused:
        other.session().batch_by_chunk(adds(4), **options)
    assert outcomes_of(refused.value) is None


def test_one_journal_in_two_runs(portal, path):
    """One `Journal` object is used by one run at a time, and by the next when that ended."""
    errors, b24 = [], portal.session()
    with Journal(path) as journal:

        @portal.method(ADD)
        def deal(params):
            if not errors:
                errors.append(1)
                try:
                    portal.session().batch_by_chunk(adds(12), journal=journal)
                except RunBusy as error:
                    errors.append(str(error))
            return 1

        assert b24.batch_by_chunk(adds(12), journal=journal).is_success
        assert "in use by process" in errors[1]
        assert b24.batch_by_chunk(adds(14), journal=journal).is_success
        thread = threading.Thread(target=lambda: errors.append(b24.batch_by_chunk(adds(15), journal=journal)))
        thread.start()
        thread.join()
        assert errors[2].is_success
        assert [file.name for file in path.parent.iterdir()] == [path.name]  # complete while it is open


def test_settling_during_a_run(path):
    """What a run may be sending just now is not settled."""
    with Journal(path) as journal, Journal(path) as other:
        journal.begin("portal", bool)
        with pytest.raises(RunBusy, match=r"import\.journal is in use by process"):
            other.settle([], executed=True)


def test_an_interrupted_begin(path):
    """A `Journal` whose run was interrupted before it began is given back when it is closed."""
    with Journal(path) as journal:
        journal.begin("portal", bool)
    with Journal(path) as journal:
        journal.begin("portal", bool)
        journal.end()


KINDS = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, SdkError)]
EVIDENCE = {
    "code": "Some_Code", "http_status": 418, "request_id": "r", "method": "x", "extra": {"a": [1, None, "\ud800"]},
    "retry_after": 1.5, "reset_at": 1e9, "host": "b.example", "temporary": True, "data": {"deep": [{"\0": 10**30}]},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("proven", [True, False])
def test_errors_are_told_again(kind, proven):
    """Every error comes back from a journal with its class and all its attributes."""
    error = kind("what\ud800 happened\0", **EVIDENCE)
    if proven != error.not_executed:
        error.not_executed = proven
    told = load_error(dump_error(error), None)
    assert type(told) is kind
    assert vars(told) == vars(error)
    assert told.args == error.args


@pytest.mark.parametrize("name", ["Own", "Any", "annotations", "Evidence", "ErrorCode", "to_message"])
def test_errors_of_the_callers_own(name):
    """An error that is not one of the library's comes back as an `SdkError`; odd attributes do not matter."""
    kind = type(name, (SdkError,), {})
    told = load_error(dump_error(kind("x", http_status=object(), extra={1j: 2})), None)
    assert type(told) is SdkError
    assert told.description == "x"


def test_data_that_is_too_deep_for_json():
    """What cannot be kept is told as an error of its own, never as another value."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    status, data, error, _total, _next = dump(AjaxResult(Command("x"), "ok", deep), perhaps=False)
    assert (status, data) == ("ok", None)
    assert "nested too deep" in str(load_error(error, None))


@pytest.mark.parametrize("data", ["\0", 10**400, -0.0, 1e308, {"": {"\n": [None, True, 1.0, "1"]}}, [], {}, ""])
def test_data_is_told_again(portal, options, data):
    """Whatever JSON a method returns, the next life has the same."""
    portal.method(LIST)(lambda params: data)
    b24 = portal.session()
    first = b24.batch_by_chunk(reads(2), **options)
    assert repr(b24.batch_by_chunk(reads(2), **options).data) == repr(first.data)
    assert first.is_success


@pytest.mark.parametrize("name", ["a b", "'; DROP TABLE commands; --", "%_?", "é", "💥" * 50, "\t", "0001"])
def test_odd_names(portal, options, name):
    """Any name that a command may have is a key of the journal."""
    calls = [Command(ADD, {"fields": {"TITLE": "x"}}, name=name)]
    b24 = portal.session()
    for _ in range(2):
        assert b24.batch_by_chunk(calls, **options)[name].status == "ok"
    with Journal(options["journal"]) as journal:
        assert [noted.key for noted in journal.rows("ok")] == [name]
    assert len(portal.executed) == 1


@pytest.mark.parametrize(
    ("act", "match"),
    [
        (lambda journal: journal.settle(["order-0"], executed="no"), "executed: expected True or False, got 'no'"),
        (lambda journal: journal.settle([0], executed=True), "keys: expected names, or positions as text, got 0"),
        (lambda journal: journal.settle(["order-0", "order-9"], executed=True), "no command with the key 'order-9'"),
        (lambda journal: journal.rows("sent"), "status: expected one of ok, failed, skipped, unknown, got 'sent'"),
    ],
)
def test_invalid_questions(portal, path, act, match):
    """Invalid arguments are refused, and change nothing."""
    portal.fail_next("reset_after")
    portal.session(retries=ONCE).batch_by_chunk(adds(2), journal=path)
    with Journal(path) as journal:
        with pytest.raises(UsageError, match=match):
            act(journal)
        assert [noted.status for noted in journal.rows()] == ["unknown", "unknown"]


def test_a_sibling_session(portal, options):
    """A session made by `with_options` goes on with the journal; what it calls idempotent is sent again."""
    b24 = portal.session(retries=ONCE)
    portal.fail_next("reset_after")
    b24.batch_by_chunk(adds(2), **options)
    assert b24.with_options(idempotent_methods=[ADD]).batch_by_chunk(adds(2), **options).is_success


def test_kills_at_different_requests_are_no_poison(path):
    """A run may be killed often; only a command that was on its way in three deaths stops it."""
    for number in range(5):
        journal = Journal(path)
        journal.begin("portal", lambda command: False)
        commands = list(encode_calls(adds(20), halt=True))
        journal.claim("r", commands[2 * number : 2 * number + 2])
        journal.close()  # as if it was killed
    for _ in range(2):
        journal = Journal(path)
        for end in (journal.end, journal.close):  # one that was interrupted did not die
            journal.begin("portal", lambda command: True)
            journal.claim("r", commands[4:6])
            end()
    with Journal(path) as journal, pytest.raises(JournalError, match=r"at the same request \(4 to 5\)"):
        journal.begin("portal", lambda command: True)


def test_a_stream_that_winds_down(portal, clock, tmp_path):
    """A stream that winds down begins no further request, not even one that waits for the rate."""
    limits = LeakyBucket(2, 0.1, clock=clock)
    b24 = portal.session(clock=clock, limits=limits, on_wait=lambda wait: stream.wind_down())
    stream = b24.stream_batch([("server.time",)] * 6, chunk_size=2, journal=tmp_path / "journal")
    assert [row.status for row in stream] == ["ok"] * 2 + ["skipped"] * 4
    assert len(portal.requests) == 1
