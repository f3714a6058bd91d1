"""Runs of many chunks: what each failure means for its commands and for the rest."""

import os
import signal
import threading
import time

import pytest

from b24batch import (
    AjaxError,
    AnswerLost,
    AuthError,
    Command,
    NotSent,
    OperatingLimitExceeded,
    PortalMoved,
    RateLimited,
)
from b24batch.sandbox import Answer, PortalError

CALLS = [("crm.deal.add", {"fields": {"TITLE": f"Deal {n}"}}) for n in range(6)]
WITH_ERROR = [*CALLS[:2], ("no.such.method",), *CALLS[3:]]


def statuses(result):
    return [row.status for row in result]


def titles(portal):
    return [command.params["fields"]["TITLE"] for command in portal.executed]


@pytest.mark.parametrize(
    ("halt", "outcome"),
    [
        (True, ["ok", "ok", "failed", "skipped", "skipped", "skipped"]),
        (False, ["ok", "ok", "failed", "ok", "ok", "ok"]),
    ],
)
def test_halt_in_a_batch(portal, b24, halt, outcome):
    """With halt the portal skips what follows an error; without, it goes on."""
    assert statuses(b24.batch(WITH_ERROR, halt_on_error=halt)) == outcome
    assert len(portal.executed) == outcome.count("ok")


@pytest.mark.parametrize(
    ("halt", "outcome"),
    [(True, ["ok", "ok", "failed", "skipped", "ok", "ok"]), (False, ["ok", "ok", "failed", "ok", "ok", "ok"])],
)
def test_halt_across_chunks(portal, b24, halt, outcome):
    """With halt an error skips the rest of its own chunk, not the next one."""
    assert statuses(b24.batch_by_chunk(WITH_ERROR, halt_on_error=halt, chunk_size=4)) == outcome
    assert len(portal.executed) == outcome.count("ok")


@pytest.mark.parametrize("halt", [True, False])
def test_stop_on_error(portal, b24, halt):
    """With stop_on_error the run ends after the chunk in which something failed; the rest is skipped."""
    result = b24.batch_by_chunk(WITH_ERROR, halt_on_error=halt, stop_on_error=True, chunk_size=3)
    assert statuses(result) == ["ok", "ok", "failed", "skipped", "skipped", "skipped"]
    assert len(portal.requests) == 1
    assert [command.params for command in result.remaining()] == [params for _, params in CALLS[3:]]


def test_stop_on_error_after_an_unknown_chunk(portal, b24):
    """An unknown outcome ends such a run as well."""
    portal.fail_next("lost_after")
    result = b24.batch_by_chunk(CALLS, stop_on_error=True, chunk_size=2)
    assert statuses(result) == ["unknown"] * 2 + ["skipped"] * 4
    assert len(portal.executed) == 2


def test_a_lost_answer_in_the_middle(portal, b24):
    """The answer to chunk 2 is lost: its commands are unknown, chunk 1 keeps its results, chunk 3 is sent."""
    portal.fail_next("lost_after", after=1)
    result = b24.batch_by_chunk(CALLS, chunk_size=2)
    assert statuses(result) == ["ok", "ok", "unknown", "unknown", "ok", "ok"]
    assert [type(error) for error in result.errors.values()] == [AnswerLost] * 2
    assert result.data == [1, 2, 5, 6]
    assert titles(portal) == [f"Deal {n}" for n in range(6)]
    assert result.remaining() == []


def test_a_refused_chunk_in_the_middle(portal, b24):
    """Chunk 2 is refused as a whole: its commands carry that error and were not executed, chunk 3 is sent."""
    portal.fail_next(PortalError("SOME_CODE", "not today", http_status=403), after=1)
    result = b24.batch_by_chunk(CALLS, chunk_size=2)
    assert statuses(result) == ["ok", "ok", "failed", "failed", "ok", "ok"]
    assert {(type(error), error.code, error.method) for error in result.errors.values()} == {
        (AjaxError, "SOME_CODE", "batch")
    }
    assert titles(portal) == ["Deal 0", "Deal 1", "Deal 4", "Deal 5"]


REFUSALS = [
    ("INVALID_CREDENTIALS", 401, AuthError),
    ("NO_AUTH_FOUND", 401, AuthError),
    ("OVERLOAD_LIMIT", 503, AuthError),
    ("PORTAL_DELETED", 500, AuthError),
    ("insufficient_scope", 401, AuthError),
    ("ACCESS_DENIED", 401, AuthError),
]


@pytest.mark.parametrize(("code", "status", "kind"), REFUSALS)
def test_refused_credentials_end_the_run(portal, b24, code, status, kind):
    """When the credentials are refused nothing more is sent: the chunk failed, the rest is skipped."""
    portal.fail_next(PortalError(code, "no", http_status=status), after=1, times=9)
    result = b24.batch_by_chunk(CALLS, chunk_size=2)
    assert statuses(result) == ["ok", "ok", "failed", "failed", "skipped", "skipped"]
    assert type(result[2].error) is kind
    assert len(portal.requests) == 2
    assert len(result.remaining()) == 4


def test_a_moved_portal_ends_the_run(portal, b24):
    """A redirect is not followed; it ends the run and names the new host."""
    moved = Answer("", 302, {"Location": "https://new.example.com:8443/rest/1/secret/batch"})
    portal.fail_next(moved, after=1)
    result = b24.batch_by_chunk(CALLS, chunk_size=2)
    assert statuses(result) == ["ok", "ok", "failed", "failed", "skipped", "skipped"]
    assert (type(result[2].error), result[2].error.host) == (PortalMoved, "new.example.com:8443")
    assert "secret" not in str(result[2].error)


def test_an_unreachable_portal_ends_the_run(portal, b24):
    """After two requests running that could not be sent the rest is skipped; what was done stays."""
    rows = []
    for row in b24.stream_batch([*CALLS, *CALLS], chunk_size=2):
        rows.append(row)
        portal.close()
    assert statuses(rows) == ["ok"] * 2 + ["failed"] * 4 + ["skipped"] * 6
    assert {type(row.error) for row in rows if row.error} == {NotSent}
    assert titles(portal) == ["Deal 0", "Deal 1"]


def test_an_unreachable_portal_leaves_everything_to_do(portal, b24):
    """When nothing could be sent, everything remains, ready to be passed again."""
    portal.close()
    result = b24.batch_by_chunk(CALLS, chunk_size=2)
    assert statuses(result) == ["failed"] * 4 + ["skipped"] * 2
    portal.start()
    assert b24.batch_by_chunk(result.remaining()).data == [1, 2, 3, 4, 5, 6]


def test_one_request_that_could_not_be_sent_does_not_end_the_run(portal, b24):
    """A portal that comes back in time is asked again."""
    portal.close()
    rows = []
    for row in b24.stream_batch(CALLS, chunk_size=2):
        rows.append(row)
        portal.start()
    assert statuses(rows) == ["failed", "failed", "ok", "ok", "ok", "ok"]


@pytest.mark.parametrize("code", ["OPERATION_TIME_LIMIT", "operation_time_limit"])
def test_an_operating_limit_inside_a_batch(portal, b24, code):
    """A command that is blocked for its operating time was not executed and remains to be done."""

    @portal.method("blocked")
    def blocked(params):
        raise PortalError(code, "Method is blocked due to operation time limit.", http_status=429)

    result = b24.batch([("echo",), ("blocked", {"n": 1}), ("echo",)], halt_on_error=False)
    assert statuses(result) == ["ok", "failed", "ok"]
    assert type(result[1].error) is OperatingLimitExceeded
    assert result.remaining() == [Command("blocked", {"n": 1})]


@pytest.mark.parametrize("code", ["INVALID_REQUEST", "insufficient_scope", "ACCESS_DENIED", "expired_token"])
def test_an_authorisation_code_inside_a_batch(portal, b24, code):
    """The portal has accepted the credentials of a batch; such a code in it speaks of that command only."""

    @portal.method("refused")
    def refused(params):
        raise PortalError(code, "", http_status=401)

    result = b24.batch_by_chunk([("refused",), ("echo",)], chunk_size=1)
    assert statuses(result) == ["failed", "ok"]
    assert type(result[0].error) is AjaxError


def test_rate_refusals_are_waited_for_and_repeated(portal, b24):
    """A write that the portal refused for its rate is sent again: it was not executed."""
    portal.fail_next("rate_limited", after=1, times=4)
    result = b24.batch_by_chunk(CALLS, chunk_size=2)
    assert result.is_success
    assert titles(portal) == [f"Deal {n}" for n in range(6)]


def test_a_rate_refusal_to_the_end(portal, b24):
    """When the portal refuses every attempt, the chunk failed, remains to be done, and the run goes on."""
    portal.fail_next("rate_limited", after=1, times=5)
    result = b24.batch_by_chunk(CALLS, chunk_size=2)
    assert statuses(result) == ["ok", "ok", "failed", "failed", "ok", "ok"]
    assert type(result[2].error) is RateLimited
    assert len(result.remaining()) == 2


def interrupting(portal, gate):
    """Register a method that presses Ctrl-C, as a user does while an answer is on its way."""

    @portal.method("press")
    def press(params):
        os.kill(os.getpid(), signal.SIGINT)
        gate.wait(10)


def test_ctrl_c_in_the_middle(portal, b24):
    """Ctrl-C carries what is known: done, in flight and so unknown, never sent; the session stays usable."""
    gate = threading.Event()
    interrupting(portal, gate)
    calls = [*CALLS[:2], ("press",), CALLS[3], *CALLS[4:]]
    with pytest.raises(KeyboardInterrupt) as caught:
        b24.batch_by_chunk(calls, chunk_size=2, request_id="run")
    gate.set()
    result = caught.value.result
    assert statuses(result) == ["ok", "ok", "unknown", "unknown", "skipped", "skipped"]
    assert (type(result[2].error), result[2].request_id) == (AnswerLost, "run/2")
    assert len(result.remaining()) == 2
    assert b24.call("echo", {"still": "there"}).data == {"still": "there"}
    assert portal.requests[-1].connection > portal.requests[-2].connection


class Interrupted:
    """A clock whose sleep is interrupted, or is where a worker's soft time limit strikes."""

    def __init__(self, error):
        self.error = error

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    def sleep(self, seconds):
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), TimeoutError("soft limit")], ids=repr)
def test_an_interrupt_while_waiting(portal, error):
    """An interrupt in a wait finds nothing in flight: what was not sent is skipped, and the error is the same."""
    portal.fail_next("rate_limited", after=1)
    b24 = portal.session(clock=Interrupted(error))
    with pytest.raises(type(error)) as caught:
        b24.batch_by_chunk(CALLS, chunk_size=2)
    assert caught.value is error
    assert statuses(error.result) == ["ok", "ok", "skipped", "skipped", "skipped", "skipped"]


class InterruptedAfterwards(Interrupted):
    """A clock that interrupts when it is asked for the date: after an answer was read, before it is understood."""

    def time(self):
        raise self.error


def test_an_interrupt_after_the_answer_was_read(portal):
    """What ran is never called skipped, even when the interrupt comes while its answer is being decoded."""
    b24 = portal.session(clock=InterruptedAfterwards(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt) as caught:
        b24.batch_by_chunk(CALLS, chunk_size=2)
    assert statuses(caught.value.result) == ["unknown", "unknown", "skipped", "skipped", "skipped", "skipped"]
    assert len(portal.executed) == 2


def test_two_that_could_not_be_sent_but_not_running(portal, b24):
    """An answer in between, or a lost one, and the count of requests that could not be sent begins anew."""
    rows, wanted = [], ["ok", "failed", "ok", "failed", "unknown", "failed", "ok", "unknown", "failed", "failed"]
    for row in b24.stream_batch([*CALLS, *CALLS], chunk_size=1):
        rows.append(row)
        following = wanted[len(rows)] if len(rows) < len(wanted) else "ok"
        (portal.close if following == "failed" else portal.start)()
        if following == "unknown":
            portal.fail_next("lost_after")
    assert statuses(rows) == [*wanted, "skipped", "skipped"]


def test_a_portal_without_its_oauth_server_leaves_the_commands_to_do(portal, b24):
    """CONNECTION_ERROR says that nothing ran: the commands remain to be done."""
    portal.fail_next(PortalError("CONNECTION_ERROR", "no OAuth server", http_status=401), times=9)
    assert len(b24.batch_by_chunk(CALLS).remaining()) == 6


def test_an_interrupt_before_a_read_is_repeated(portal):
    """An interrupt between two attempts of a read leaves it unknown: the first one had left."""
    portal.fail_next("lost_after")
    b24 = portal.session(clock=Interrupted(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt) as caught:
        b24.batch_by_chunk([("crm.deal.list",), *CALLS], chunk_size=1)
    assert statuses(caught.value.result) == ["unknown"] + ["skipped"] * 6


def test_a_lost_answer_outweighs_a_later_refusal(portal, b24):
    """A read that was lost and then refused may have run: its outcome is unknown."""
    portal.fail_next("lost_after")
    portal.fail_next(PortalError("SOME_CODE", "no"), after=1, times=9)
    result = b24.batch_by_chunk([("crm.deal.list",)])
    assert statuses(result) == ["unknown"]
    assert "when the request was sent again: batch: SOME_CODE: no" in str(result[0].error)


def test_reads_are_sent_again(portal, b24):
    """A lost answer is asked for again when every command only reads."""
    portal.fail_next("lost_after", times=2)
    result = b24.batch([("crm.deal.list",), ("user.current",), ("crm.item.fields", {"entityTypeId": 2})])
    assert result.is_success
    assert len(portal.requests) == 3


def test_a_write_among_reads_is_not_sent_again(portal, b24):
    """One write in a request is enough not to repeat it."""
    portal.fail_next("lost_after", times=2)
    with pytest.raises(AnswerLost):
        b24.batch([("crm.deal.list",), CALLS[0]])
    assert len(portal.requests) == 1


def test_declared_idempotent_writes_are_sent_again(portal, b24):
    """Writes are repeated only when each is declared idempotent: by Command, by call or by method."""
    portal.fail_next("lost_after")
    b24.batch([Command(*CALLS[0], idempotent=True), ("crm.deal.list",)]).raise_for_errors()
    portal.fail_next("lost_after")
    b24.call(*CALLS[0], idempotent=True)
    portal.fail_next("lost_after")
    b24.with_options(idempotent_methods=("CRM.Deal.Add",)).batch_by_chunk(CALLS[:1]).raise_for_errors()
    assert len(portal.executed) == 2 + 2 + 2 + 2


def test_a_read_declared_not_idempotent(portal, b24):
    """A caller who knows better keeps a read from being repeated."""
    portal.fail_next("lost_after")
    with pytest.raises(AnswerLost):
        b24.call("crm.deal.list", idempotent=False)
    assert len(portal.requests) == 1


class Bar:
    """A progress bar that is interrupted when it is closed: after the last answer, before the run returns."""

    def __init__(self, error):
        self.error = error

    def __call__(self, **options):
        return self

    def update(self, n, /):
        pass

    set_postfix_str = update

    def close(self):
        raise self.error


def test_an_interrupt_behind_the_last_answer(b24):
    """What ends a run after its last answer has the outcomes of all, and what ends a list so has all its rows."""
    error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt) as caught:
        b24.batch_by_chunk(CALLS, chunk_size=2, progress=Bar(error))
    assert caught.value is error
    assert error.result.data == [1, 2, 3, 4, 5, 6]
    with pytest.raises(KeyboardInterrupt):
        b24.call_list("crm.deal.list", progress=Bar(error))
    assert [row["ID"] for row in error.result] == ["1", "2", "3", "4", "5", "6"]
