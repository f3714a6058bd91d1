"""Journals in the project's database: a run that is started again goes on, whoever starts it, and doubles nothing."""

import subprocess
import sys
import threading
from collections import Counter
from datetime import timedelta

import django_setup  # noqa: F401
import pytest
from forks import exit_code_of_a_fork

pytest_plugins = ["django_fixtures"]

from django.db import connections, transaction  # noqa: E402
from django.db.models import F  # noqa: E402
from django_server import PROJECT, environment  # noqa: E402
from drawing import drawn  # noqa: E402
from hypothesis import HealthCheck, given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from b24batch import (  # noqa: E402
    AjaxError,
    AnswerLost,
    Command,
    JournalError,
    RetryPolicy,
    RunBusy,
    UsageError,
    outcomes_of,
    ref,
)
from b24batch.calls.encoded import encode_calls  # noqa: E402
from b24batch.django import DjangoJournal, JournalCommand, JournalRun, command_rows  # noqa: E402
from b24batch.journal import RunJournal  # noqa: E402
from b24batch.results import AjaxResult  # noqa: E402
from b24batch.sandbox import FakeClock, Portal  # noqa: E402

ONCE = RetryPolicy(attempts=1)
LEASE = 180.0


@pytest.fixture(params=["sqlite", "postgres"])
def alias(request, second):
    """The database that has the journals."""
    alias = second if request.param == "sqlite" else request.getfixturevalue("postgres_alias")
    JournalRun.objects.using(alias).all().delete()
    yield alias
    connections[alias].close()


@pytest.fixture(params=[1, pytest.param(4, marks=pytest.mark.slow)])
def concurrency(request):
    return request.param


@pytest.fixture
def journal(alias):
    return DjangoJournal("import", using=alias)


@pytest.fixture
def run(portal, alias, concurrency):
    """Starts a run, each time with a journal as another process has it."""
    session = portal.session(retries=ONCE)

    def start(calls, **options):
        given = {"journal": DjangoJournal("import", using=alias), "concurrency": concurrency, "chunk_size": 4}
        return session.batch_by_chunk(calls, **given | options)

    return start


def adds(count, **fields):
    """Writes with names of their own."""
    return [
        Command("crm.deal.add", {"fields": {"TITLE": f"Deal {n}", **fields}}, name=f"order-{n}") for n in range(count)
    ]


def titles(portal):
    return Counter(command.params["fields"]["TITLE"] for command in portal.executed if "fields" in command.params)


def pass_by(alias, leases=3):
    """Let so many leases pass by the clock of the database: the end of the lease moves, and not the clock."""
    JournalRun.objects.using(alias).update(until=F("until") - timedelta(seconds=leases * LEASE))


def test_a_finished_run_is_told_again(portal, run, journal):
    """A run that is started again with the same calls returns the same outcomes, and sends nothing."""
    calls = [*adds(13), Command("no.such.method", name="bad")]
    first = run(calls)
    requests = len(portal.requests)
    again = run(calls)
    assert [row.to_dict() | {"time": None} for row in first] == [row.to_dict() for row in again]
    assert type(again["bad"].error) is AjaxError
    assert vars(again["bad"].error) == vars(first["bad"].error)
    assert len(portal.requests) == requests
    assert journal.summary().startswith("14 commands: 13 ok, 1 failed; 2 lives, the last request ")


def test_what_was_not_executed_or_corrected_is_sent(portal, run):
    """What was skipped, not executed or refused and corrected is sent when the run is started again."""
    calls = [adds(4)[0], Command("no.such.method", name="bad"), *adds(4)[1:]]
    assert [row.status for row in run(calls)] == ["ok", "failed", "skipped", "skipped", "ok"]
    assert [row.status for row in run(calls)] == ["ok", "failed", "ok", "ok", "ok"]
    calls[1] = Command("crm.deal.add", {"fields": {"TITLE": "good"}}, name="bad")
    portal.fail_next("unauthorized")
    assert run(calls)["bad"].error.not_executed
    assert run(calls).is_success
    assert set(titles(portal).values()) == {1}


def test_a_lost_write_stays_unknown(portal, run):
    """A write whose answer was lost is never sent again, a read is."""
    calls = [*adds(3), Command("crm.deal.list", name="read")]
    portal.fail_next("reset_after")
    assert {row.status for row in run(calls)} == {"unknown"}
    again = run(calls)
    assert [row.status for row in again] == ["unknown"] * 3 + ["ok"], again
    assert {type(row.error) for row in again[:3]} == {AnswerLost}
    assert set(titles(portal).values()) == {1}


@pytest.mark.parametrize("outcome", ["ok", "unknown"])
def test_another_command_of_the_name(portal, run, outcome):
    """A name that stands for another command in the journal, which ran or may have run, is refused at the start."""
    if outcome == "unknown":
        portal.fail_next("reset_after")
    run(adds(1))
    requests = len(portal.requests)
    with pytest.raises(UsageError, match=rf"call 0 'order-0' \(crm.deal.add\): import has another.*{outcome}"):
        run([*adds(1, OPENED="Y"), *adds(8)[1:]])
    assert len(portal.requests) == requests


def test_references_to_an_earlier_life(portal, run):
    """A reference to a command of an earlier life of the run has the value from the journal."""
    deal = Command("crm.deal.add", {"fields": {"TITLE": "d", "COMPANY_ID": ref("company")}}, name="deal")
    company = Command("crm.company.add", {"fields": {"TITLE": "c"}}, name="company")
    run([company])
    result = run([company, deal])
    assert portal.executed[-1].params["fields"]["COMPANY_ID"] == str(result["company"].data)


READS = [Command("crm.deal.list", name=name) for name in ("read", "again")]


@pytest.mark.parametrize(
    ("fault", "calls"),
    [("rate_limited", adds(2)), ("rate_limited", READS), ("rate_limited", [*adds(2), *READS]), ("reset_after", READS)],
    ids=["writes", "reads", "both", "lost reads"],
)
def test_a_retry_claims_again(portal, alias, concurrency, fault, calls):
    """A request that is retried within a run is claimed again, whether it reads, writes or does both."""
    portal.fail_next(fault)
    session = portal.session(retries=RetryPolicy(wait_initial=0.0))
    journal = DjangoJournal("import", using=alias)
    assert session.batch_by_chunk(calls, journal=journal, concurrency=concurrency, chunk_size=4).is_success
    assert set(titles(portal).values()) <= {1}
    assert {noted.status for noted in journal.rows()} == {"ok"}


def test_the_claim_is_committed_first(portal, run, alias):
    """While the portal executes a command, another connection sees its claim, also when the caller is in atomic()."""
    seen = []

    @portal.method("crm.deal.add")
    def add(params):
        try:
            key = f"order-{params['fields']['TITLE'][5:]}"
            seen.append(JournalCommand.objects.using(alias).get(key=key).status)
        finally:
            connections[alias].close()
        return 1

    with transaction.atomic(using=alias):
        assert run(adds(10)).is_success
        transaction.set_rollback(True, using=alias)
    assert seen == ["sent"] * 10
    assert JournalCommand.objects.using(alias).filter(status="ok").count() == 10


def test_a_transaction_that_locks_the_file(portal, second, monkeypatch):
    """On SQLite a run in a transaction that has used the same file is refused, with the way out; nothing is sent."""
    monkeypatch.setattr("b24batch.django.database._PATIENCE_IN_TRANSACTION", 0)
    journal = DjangoJournal("locked", using=second)
    with transaction.atomic(using=second):
        JournalRun.objects.using(second).create(name="of the caller", portal="")
        with pytest.raises(JournalError, match=r"locked.*pass using= with the alias of a separate database"):
            portal.session().batch_by_chunk(adds(1), journal=journal)
        transaction.set_rollback(True, using=second)
    assert not portal.requests


def test_two_databases(portal, run, alias, database):
    """The journal is in the database that it was given, and the caller's own transaction elsewhere is its own."""
    with transaction.atomic():
        JournalRun.objects.create(name="of the caller", portal="")
        assert run(adds(4)).is_success
        transaction.set_rollback(True)
    assert not JournalRun.objects.exists()
    assert JournalRun.objects.using(alias).get().name == "import"


def test_two_runs_at_once(portal, run, alias):
    """A second run on the same journal is told who has it, and sends nothing."""
    errors = []

    @portal.method("crm.deal.add")
    def add(params):
        if not errors:
            errors.append(1)
            try:
                portal.session().batch_by_chunk(adds(12), journal=DjangoJournal("import", using=alias))
            except RunBusy as error:
                errors.append(error)
        return 1

    assert run(adds(12)).is_success
    assert errors[1].not_executed
    assert "import is in use by process " in str(errors[1])
    assert len(portal.executed) == 12


def test_the_lease_ends_mid_run(portal, run, alias, concurrency):
    """A run that is suspended for longer than its lease loses the run to another: it is told, and nothing doubles."""
    others = []

    @portal.method("crm.deal.add")
    def add(params):
        if not others:
            others.append(taken_over(alias))
            connections[alias].close()
        return 1

    with pytest.raises(RunBusy, match="import: another run took over after the lease ended; nothing more was sent"):
        run(adds(40))
    others[0].end()
    counts = Counter(row.status for row in run(adds(40)))
    assert counts["ok"] + counts["unknown"] == 40
    assert set(titles(portal).values()) == {1}
    # A late answer to a claim of the first is the truth about it.
    assert counts["ok"] >= 40 - 4 * (concurrency - 1)


def taken_over(alias):
    """Another owner of the run, after the lease has ended; with lanes, another request may extend it meanwhile."""
    journal = DjangoJournal("import", using=alias)
    while True:
        pass_by(alias)
        try:
            journal.begin(JournalRun.objects.using(alias).get().portal, lambda command: False)
        except RunBusy:
            continue
        return journal


def _encoded(count):
    return list(encode_calls(adds(count), halt=True))


def test_a_claim_takes_only_what_may_be_sent(alias, journal):
    """Whoever has the run: what was claimed or executed is not claimed again, and its row stays."""
    commands = _encoded(2)
    journal.begin("portal", lambda command: False)
    for number, outcome in enumerate(["sent", "ok"]):
        if outcome == "ok":
            journal.note("id", commands, [_ok(encoded) for encoded in commands])
        else:
            journal.claim("id", commands)
        with pytest.raises(RunBusy):
            journal.claim(f"other/{number}", [*_encoded(3)[2:], *commands])
        rows = JournalCommand.objects.using(alias).values_list("key", "status", "request_id")
        assert sorted(rows) == [("order-0", outcome, "id"), ("order-1", outcome, "id")]
    journal.end()


def test_a_late_outcome(alias, journal):
    """An outcome that comes after another run has sent a read again does not replace the newer outcome."""
    other, commands = DjangoJournal("import", using=alias), _encoded(2)
    journal.begin("portal", lambda command: True)
    journal.claim("id", commands)
    pass_by(alias)
    other.begin("portal", lambda command: True)
    other.claim("newer", commands[:1])
    journal.note("id", commands, [_ok(encoded) for encoded in commands])
    journal.end()
    rows = JournalCommand.objects.using(alias).values_list("key", "status", "request_id")
    assert sorted(rows) == [("order-0", "sent", "newer"), ("order-1", "ok", "id")]
    other.end()


def test_hold(alias, journal):
    """A long wait is within the lease, and a claim during the wait does not shorten it."""
    journal.begin("portal", lambda command: False)
    since, until = JournalRun.objects.using(alias).values_list("since", "until").get()
    assert timedelta(seconds=179) < until - since < timedelta(seconds=181)
    journal.hold(660)
    journal.claim("id", _encoded(2))
    until = JournalRun.objects.using(alias).get().until
    assert until - since >= timedelta(seconds=839)
    journal.end()
    assert JournalRun.objects.using(alias).get().until is None


def test_a_lost_run_cannot_be_held(alias, journal):
    """A process that lost the run is told before a long wait."""
    journal.begin("portal", lambda command: False)
    pass_by(alias)
    other = DjangoJournal("import", using=alias)
    other.begin("portal", lambda command: False)
    with pytest.raises(RunBusy):
        journal.hold(10)
    journal.end()
    assert JournalRun.objects.using(alias).get().until is not None
    other.end()


#: What an owner does next, and how many leases pass before.
STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 0, 3])), min_size=4, max_size=40)


@drawn(60, unchecked=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_four_owners(alias, steps):
    """Four owners that pause for three leases anywhere, also between claim and request, send no write twice."""
    JournalRun.objects.using(alias).all().delete()
    sent = Counter()
    owners = [_owner(alias, sent) for _ in range(4)]
    for number, leases in steps:
        if leases:
            pass_by(alias, leases)
        next(owners[number], None)
    for owner in owners:
        owner.close()
    connections[alias].close()
    assert set(sent.values()) <= {1}
    known = dict(JournalCommand.objects.using(alias).values_list("key", "status"))
    assert all(known[key] in {"ok", "unknown", "sent"} for key in sent)
    assert {key for key, status in known.items() if status == "ok"} <= set(sent)


def _owner(alias, sent):
    """A run, step by step: it stops before and after each claim, each request and each outcome."""
    commands, session = _encoded(4), DjangoJournal("four", using=alias)
    while True:
        try:
            session.begin("portal", lambda command: False)
            for n, encoded in enumerate(commands):
                yield
                if session.fates([encoded])[0] is None:
                    yield
                    session.claim(f"id/{n}", [encoded])
                    yield
                    sent[encoded.name] += 1
                    yield
                    session.note(f"id/{n}", [encoded], [_ok(encoded)])
            yield
        except RunBusy:
            yield
        finally:
            session.end()


def _ok(encoded):
    return AjaxResult(encoded.command, "ok", 1, http_status=200)


def _die(alias, commands, repeatable=True):
    """A life of the run that is killed while these commands are on their way."""
    dead = DjangoJournal("import", using=alias)
    dead.begin("portal", lambda command: repeatable)
    dead.claim("id", commands)
    dead._connection.close()
    pass_by(alias)


def test_a_poison_request(alias):
    """A run that dies three times running at the same request is not started again until somebody looked."""
    for _ in range(3):
        _die(alias, _encoded(3))
    journal = DjangoJournal("import", using=alias)
    with pytest.raises(JournalError, match=r"import: the run died 3 times running at the same request \(0 to 2\)"):
        journal.begin("portal", lambda command: True)
    assert journal.settle(["order-0"], executed=False) == 1
    with pytest.raises(JournalError, match=r"\(1 to 2\): look at it, then settle them; nothing was sent"):
        journal.begin("portal", lambda command: True)
    assert journal.settle(["order-1", "order-2"], executed=False) == 2
    _die(alias, _encoded(3))  # the first death since somebody looked
    journal.begin("portal", lambda command: True)
    journal.end()


def test_kills_at_different_requests_are_no_poison(alias):
    """A run may be killed often; only a command that was on its way in three deaths stops it."""
    for number in range(5):
        _die(alias, _encoded(20)[2 * number : 2 * number + 2], repeatable=False)
    for _ in range(2):
        _die(alias, _encoded(20)[4:6])
    with pytest.raises(JournalError, match=r"at the same request \(4 to 5\)"):
        DjangoJournal("import", using=alias).begin("portal", lambda command: True)


@pytest.mark.parametrize("way", ["answered", "ended"])
def test_what_ends_a_row_of_deaths(alias, journal, way):
    """An answer ends the count of deaths; a life that gave the run back adds nothing to it."""
    for _ in range(2):
        _die(alias, _encoded(3))
    journal.begin("portal", lambda command: True)
    journal.claim("id", _encoded(3))
    if way == "answered":
        journal.note("id", _encoded(3), [_ok(encoded) for encoded in _encoded(3)])
    journal.end()
    counts = set(JournalCommand.objects.using(alias).values_list("deaths", flat=True))
    assert counts == ({0} if way == "answered" else {2})
    journal.begin("portal", lambda command: True)
    journal.end()


@pytest.mark.parametrize("fault", ["rate_limited", "refused", "unauthorized"])
def test_perhaps_stays_perhaps(portal, run, journal, fault):
    """A repeatable write that an earlier life may have run is unknown in the journal until it is answered."""
    calls = [Command("crm.deal.add", {"fields": {"TITLE": "x"}}, name="x", idempotent=True)]
    portal.fail_next("reset_after")
    assert run(calls)["x"].status == "unknown"
    portal.fail_next(fault)
    run(calls)
    assert [(noted.status, type(noted.error)) for noted in journal.rows()] == [("unknown", AnswerLost)]
    assert run(calls).is_success


@pytest.mark.parametrize("perhaps", [True, False])
def test_a_released_request(alias, journal, perhaps):
    """A request that is proven not executed leaves its commands skipped; unknown if an earlier life sent them."""
    if perhaps:
        _die(alias, _encoded(2))
    journal.begin("portal", lambda command: True)
    journal.claim("id", _encoded(2))
    journal.release("id")
    assert {noted.status for noted in journal.rows()} == {"unknown" if perhaps else "skipped"}
    journal.claim("id", _encoded(2))
    journal.note("id", _encoded(2), [_ok(encoded) for encoded in _encoded(2)])
    assert {noted.status for noted in journal.rows()} == {"ok"}
    journal.end()


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("gap", [4, 12])
def test_a_name_twice_in_a_stream(portal, run, alias, concurrency, told, gap):
    """A stream refuses a name that it had before, also if both would be told from an earlier life."""
    if told:
        run(adds(gap))
    options = {"journal": DjangoJournal("import", using=alias), "concurrency": concurrency, "chunk_size": 4}
    with pytest.raises(UsageError, match="two calls have the same name, 'order-1'; with a journal"):
        list(portal.session().stream_batch([*adds(gap), adds(2)[1]], **options))
    assert set(titles(portal).values()) == {1}
    assert run(adds(gap)).is_success


def test_nothing_is_claimed_of_commands_that_are_not_known_yet(portal, run, alias, journal):
    """An exception before the journal was read has no result: one would call what earlier lives did `skipped`."""
    run(adds(4))
    journal.begin(JournalRun.objects.using(alias).get().portal, bool)
    with pytest.raises(RunBusy) as caught:
        run(adds(4))
    journal.end()
    assert outcomes_of(caught.value) is None


@pytest.mark.parametrize("data", ["\0", 10**400, -0.0, {"": {"\n": [None, True, 1.0, "1"]}}, [], {}, ""])
def test_data_is_told_again(portal, run, data):
    """Whatever JSON a method returns, the next life has the same."""
    portal.method("crm.deal.list")(lambda params: data)
    first = run(READS)
    assert repr(run(READS).data) == repr(first.data)
    assert first.is_success


def test_data_that_is_too_deep_for_json(journal):
    """What cannot be kept is told as an error of its own, never as another value; odd attributes do not matter."""
    deep, commands = [], _encoded(2)
    for _ in range(100_000):
        deep = [deep]
    odd = AjaxError("x", extra={1j: 2})
    journal.begin("portal", bool)
    journal.claim("id", commands)
    outcomes = [AjaxResult(commands[0].command, "ok", deep), AjaxResult(commands[1].command, "failed", error=odd)]
    journal.note("id", commands, outcomes)
    journal.end()
    first, second = journal.rows()
    assert (first.status, first.data) == ("ok", None)
    assert "nested too deep" in str(first.error)
    assert (second.status, second.error.description) == ("failed", "x")


def test_settle(portal, run, journal):
    """What somebody found out about unknown commands is what the next run goes by."""
    portal.fail_next("reset_after", times=9)
    assert {row.status for row in run(adds(3))} == {"unknown"}
    portal.clear()
    assert journal.summary().startswith("3 commands: 3 unknown; 1 life, the last request ")
    assert [noted.key for noted in journal.rows("unknown")] == ["order-0", "order-1", "order-2"]
    assert journal.settle(["order-0"], executed=True) == 1
    assert journal.settle(["order-1", "order-0"], executed=False) == 1
    with pytest.raises(UsageError, match="import has no command with the key 'x'"):
        journal.settle(["x"], executed=True)
    assert [row.status for row in run(adds(3))] == ["ok", "ok", "unknown"]
    assert titles(portal) == {"Deal 1": 1}
    assert {noted.status for noted in journal.rows()} == {"ok", "unknown"}


def test_invalid_questions(journal):
    """What is asked of a journal is checked."""
    with pytest.raises(UsageError, match="status: expected one of"):
        journal.rows("sent")
    with pytest.raises(UsageError, match="keys: expected names"):
        journal.settle([7], executed=True)
    with pytest.raises(UsageError, match="executed: expected True or False"):
        journal.settle(["7"], executed="yes")


def test_settle_a_run_in_use(portal, run, alias, journal):
    """While a run goes on, nobody decides about its commands."""
    errors = []

    @portal.method("crm.deal.add")
    def add(params):
        with pytest.raises(RunBusy) as caught:
            DjangoJournal("import", using=alias).settle(["order-0"], executed=False)
        errors.append(caught)
        return 1

    assert run(adds(1)).is_success
    assert len(errors) == 1


def test_another_portal(portal, run, alias):
    """A journal belongs to the runs on one portal."""
    run(adds(1))
    with Portal() as other, pytest.raises(UsageError, match=r"import is of a run on .*, not on "):
        other.session().batch_by_chunk(adds(1), journal=DjangoJournal("import", using=alias))
    assert JournalRun.objects.using(alias).get().until is None


def test_stop_after(portal, alias, concurrency):
    """A run in slices: each ends by itself, and the next goes on."""
    clock = FakeClock()
    b24 = portal.session(clock=clock)

    @portal.method("crm.deal.add")
    def add(params):
        clock.advance(1.0)
        return 1

    options = {"journal": DjangoJournal("import", using=alias), "chunk_size": 4, "concurrency": concurrency}
    slices = 1
    while b24.batch_by_chunk(adds(40), stop_after=10, **options).remaining():
        slices += 1
    assert slices >= 2
    assert len(portal.executed) == 40
    assert set(titles(portal).values()) == {1}


def test_no_secret_in_the_rows(portal, run, alias):
    """The rows have neither the portal's address nor params."""
    secrets = [portal.url.split("/")[5], "/rest/", "a very private title"]
    run([Command("crm.deal.add", {"fields": {"TITLE": "a very private title"}}, name="x"), Command("no.such.method")])
    stored = [*JournalRun.objects.using(alias).values(), *JournalCommand.objects.using(alias).values()]
    assert len(stored) == 3
    assert not [secret for secret in secrets if secret in repr(stored)]


def test_a_database_that_fails(portal, run, alias):
    """If the journal can no longer be written, the run ends; its result has the truth."""
    tables = [JournalCommand._meta.db_table]
    renamed = threading.Event()

    @portal.method("crm.deal.add")
    def add(params):
        if not renamed.is_set():
            renamed.set()
            with connections[alias].cursor() as cursor:
                cursor.execute(f"ALTER TABLE {tables[0]} RENAME TO elsewhere")
            connections[alias].close()
        return 1

    try:
        with pytest.raises(
            JournalError, match=r"import cannot be read or written \(.*\); nothing more was sent"
        ) as caught:
            run(adds(40))
    finally:
        with connections[alias].cursor() as cursor:
            cursor.execute(f"ALTER TABLE elsewhere RENAME TO {tables[0]}")
    result = caught.value.result
    sent = {row.name for row in result if row.status == "ok"}
    assert len(result) == 40
    assert sent == {f"order-{title[5:]}" for title in titles(portal)}


@pytest.mark.parametrize("name", ["x" * 256, "nul\0"], ids=["long", "nul"])
def test_names_that_a_database_cannot_store(portal, run, name):
    """A name that some database cannot store is refused before anything is sent."""
    with pytest.raises(UsageError, match="at most 255 characters"):
        run([*adds(9), Command("crm.deal.list", name=name)])
    assert not portal.requests


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"using": "nowhere"}, "using"),
        ({"lease": 0}, "lease"),
        ({"lease": True}, "lease"),
        ({"lease": float("inf")}, "lease"),
        ({"lease": float("nan")}, "lease"),
    ],
)
def test_invalid_arguments(values, named):
    """Each argument is checked when the journal is made."""
    with pytest.raises(UsageError, match=named):
        DjangoJournal(**{"name": "import"} | values)


@pytest.mark.slow
def test_nothing_of_it_is_loaded(portal):
    """A project that uses no journal loads no code of it."""
    names = "{'b24batch.journal', 'b24batch.django.journals'}"
    code = f"import sys, django; django.setup(); print({names} & {{*sys.modules}})"
    env = environment(portal, ":memory:", DJANGO_SETTINGS_MODULE="settings")
    ended = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=env, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("set()\n", "")


def test_a_run_journal():
    """The class offers what a run needs of a journal, and shows its name."""
    journal = DjangoJournal("import")
    assert isinstance(journal, RunJournal)
    assert repr(journal) == "<DjangoJournal import>"


def test_another_database(second):
    """A journal is refused on a database that would take different keys for equal, before anything is sent."""
    connections.settings["other"] = {**connections.settings["default"], "ENGINE": "django.db.backends.dummy"}
    try:
        with pytest.raises(
            UsageError, match="using: expected a database of postgresql or sqlite, got 'other', which is"
        ):
            DjangoJournal("import", using="other")
    finally:
        del connections["other"], connections.settings["other"]


def finish(act):
    """Call a function on a thread of its own, and return whether it came to an end."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(30)
    return not thread.is_alive()


def test_a_stream_that_is_collected_in_a_transaction(portal, alias, journal, monkeypatch):
    """An abandoned stream whose end falls into a query of the same journal does not lock up, and the query counts."""
    stream, words, count = portal.session().stream_batch(adds(8), journal=journal, chunk_size=4), [], command_rows.count
    next(stream)
    monkeypatch.setattr(command_rows, "count", lambda commands: (stream.close(), count(commands))[1])
    assert finish(lambda: words.append(journal.summary()))
    assert words[0].startswith("4 commands: 4 ok; 1 life")
    with pytest.raises(RunBusy):
        DjangoJournal("import", using=alias).begin(portal.url.split("/")[2], bool)
    pass_by(alias)
    assert portal.session().batch_by_chunk(adds(8), journal=DjangoJournal("import", using=alias)).is_success
    assert set(titles(portal).values()) == {1}


@pytest.mark.slow
def test_ctrl_c_at_every_instant(second):
    """Wherever Ctrl-C interrupts a claim, the run can be given back at once, and another one can take it."""
    journal, commands = DjangoJournal("interrupted", using=second), list(encode_calls(adds(2), halt=True))
    instants = 0
    while _interrupt_claim(journal, commands, instants):
        instants += 1
    assert instants > 20


def _interrupt_claim(journal, commands, instant):
    """Press Ctrl-C at this instant of a claim, and return whether it has so many."""
    left = instant

    def press(frame, event, _function):
        nonlocal left
        name = frame.f_code.co_filename
        left -= event in {"call", "return", "c_return"} and name.endswith(("contextlib.py", "django/connection.py"))
        if left < 0:
            sys.setprofile(None)
            raise KeyboardInterrupt

    journal.begin("portal", bool)
    before = sys.getprofile()
    kept = []  # the traceback keeps the frames
    try:
        sys.setprofile(press)
        journal.claim(f"id/{instant}", commands)
    except KeyboardInterrupt as interrupt:
        kept.append(interrupt)
    finally:
        sys.setprofile(before)
    assert finish(journal.end), left
    journal.settle([command.name for command in commands if next(journal.rows(), None)], executed=False)
    return left < 0


def test_a_fork(portal, alias, journal):
    """A forked process cannot use a journal that has the run, and does not give the run of its parent back."""
    stream = portal.session().stream_batch(adds(20), journal=journal, chunk_size=4)
    assert next(stream).status == "ok"
    assert exit_code_of_a_fork(journal, stream) == 0
    with pytest.raises(RunBusy):
        DjangoJournal("import", using=alias).begin(portal.url.split("/")[2], bool)
    assert [row.status for row in stream] == ["ok"] * 19
    assert journal.summary().startswith("20 commands: 20 ok; 1 life")
    assert set(titles(portal).values()) == {1}
