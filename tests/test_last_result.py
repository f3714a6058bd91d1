"""What an exception that stops a run leaves behind: a note, and the outcomes in `Session.last_result`."""

import gc
import signal
import threading
import weakref

import pytest

from b24batch import AjaxError, AnswerLost, BatchError, UsageError, outcomes_of
from b24batch.sandbox import PortalError

CALLS = [("echo", {"n": n}) for n in range(120)]


class Bar:
    """A progress bar that raises an exception when the n-th chunk is shown."""

    def __init__(self, error, chunks=1):
        self.error, self.left = error, chunks

    def __call__(self, *, total, unit):
        return self

    def update(self, n):
        self.left -= 1
        if self.left == 0:
            raise self.error

    def set_postfix_str(self, text, refresh=True):
        pass

    def close(self):
        pass


def stopped(run, kind=KeyboardInterrupt):
    """The exception that stops a run."""
    with pytest.raises(kind) as caught:
        run()
    return caught.value


@pytest.fixture
def press(portal):
    """A method of the portal that presses Ctrl-C at its n-th call, and answers when the test is over."""
    over, main, called = threading.Event(), threading.main_thread().ident, []

    def press(n):
        @portal.method("press")
        def slow(params):
            called.append(params)
            if len(called) == n:
                signal.pthread_kill(main, signal.SIGINT)
                over.wait(10)
            return {}

    yield press
    over.set()


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, ValueError, TimeoutError, AjaxError])
def test_the_note_of_a_run(b24, kind, concurrency):
    """Whatever stops a run has one note with the counts, and the session keeps the outcomes that the exception has."""
    error = kind("stop")
    caught = stopped(lambda: b24.batch_by_chunk(CALLS, progress=Bar(error), concurrency=concurrency), kind)
    assert caught is error
    assert caught.__notes__ == [f"{b24.last_result._counts()}; their outcomes: b24.last_result"]
    assert b24.last_result is outcomes_of(caught)
    assert len(b24.last_result) == 120
    assert len(b24.last_result.by_status("ok")) >= 50


def test_ctrl_c_while_a_request_is_on_its_way(b24, press):
    """The commands on their way are unknown, those after them skipped, and the note counts both."""
    press(70)
    error = stopped(lambda: b24.batch_by_chunk([("press",)] * 1000))
    assert error.__notes__ == ["1000 commands: 50 ok, 900 skipped, 50 unknown; their outcomes: b24.last_result"]


def test_other_errors_leave_the_outcomes(b24):
    """Calls, batches, lists and invalid calls do not touch the outcomes of the last run."""
    stopped(lambda: b24.batch_by_chunk(CALLS, progress=Bar(KeyboardInterrupt())))
    kept = b24.last_result
    for failing in (lambda: b24.call("no.such.method"), lambda: b24.batch_by_chunk([("a b",)])):
        stopped(failing, (AjaxError, UsageError))
    stopped(lambda: list(b24.stream_batch([("a b",)])), UsageError)
    b24.batch([("echo",)])
    b24.call_list("crm.deal.list")
    assert b24.last_result is kept


def test_a_run_that_ends_well(b24):
    """The outcomes of a run that returns are kept too, until the next run ends; before the first there are none."""
    assert b24.last_result is None
    first = b24.batch_by_chunk([("echo",)])
    assert b24.last_result is first
    second = b24.batch_by_chunk([("no.such.method",)])
    assert b24.last_result is second
    stopped(second.raise_for_errors, BatchError)
    assert b24.last_result is second


def test_only_the_last_run_is_kept(b24):
    """A session holds the memory of one run; what came before can go."""
    gone = weakref.ref(b24.batch_by_chunk([("echo",)]).rows[0].command.params or Bar(None))
    error = stopped(lambda: b24.batch_by_chunk(CALLS, progress=Bar(KeyboardInterrupt())))
    first = weakref.ref(b24.last_result)
    del error
    b24.batch_by_chunk([("echo",)])
    gc.collect()
    assert gone() is None
    assert first() is None


def test_siblings_share(b24):
    """A session made by `with_options` keeps its outcomes for the one it was made from, which the note names."""
    stopped(lambda: b24.with_options(timeout=5).batch_by_chunk(CALLS, progress=Bar(KeyboardInterrupt())))
    assert len(b24.last_result) == 120
    assert b24.with_options(max_wait=1).last_result is b24.last_result


def test_threads_share(b24):
    """With several threads the run that ended last is kept, whole."""
    threads = [threading.Thread(target=b24.batch_by_chunk, args=([("echo",)] * (n + 1),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(b24.last_result) in range(1, 5)
    assert b24.last_result.is_success


def test_a_stream(b24, press):
    """An exception that stops a stream leaves the outcomes that were not yielded, and counts them."""
    press(101)
    stream = b24.stream_batch([("press",)] * 150)
    error = stopped(lambda: list(stream))
    assert b24.last_result is outcomes_of(error)
    assert error.__notes__ == ["50 commands: 50 unknown; their outcomes: b24.last_result"]


def test_a_stream_that_is_left(b24):
    """A loop that is left early keeps what the last run left: the stream may be closed at any later time."""
    kept = b24.batch_by_chunk([("echo",)])
    stream = b24.stream_batch(CALLS)
    next(stream)
    stream.close()
    assert len(stream.result) == 49
    assert b24.last_result is kept


def test_a_list(b24, portal):
    """The exception that stops a list counts the rows in its `result`; one without rows has no note."""
    b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": str(n)}}) for n in range(70)])
    error = stopped(lambda: b24.call_list("crm.deal.list", pages_per_request=1, progress=Bar(KeyboardInterrupt())))
    assert error.__notes__ == ["50 rows were read; they are in the `result` of this exception"]
    assert len(error.result) == 50
    assert not hasattr(stopped(lambda: b24.call_list("no.such.method", paging="whole"), AjaxError), "__notes__")


def test_no_secret_in_a_note(b24, portal):
    """A note has counts only: neither a value nor what the portal said."""

    @portal.method("refused")
    def refused(params):
        raise PortalError("SECRET", "see https://example.com/rest/1/k7secretcode/x")

    error = stopped(lambda: b24.batch_by_chunk([("refused",)], progress=Bar(KeyboardInterrupt())))
    assert error.__notes__ == ["1 commands: 1 failed; their outcomes: b24.last_result"]


def test_a_batch_that_is_lost(b24, portal):
    """One request is no run: its error says what became of all its commands."""
    portal.fail_next("lost_after")
    error = stopped(lambda: b24.batch([("crm.deal.add", {"fields": {"TITLE": "x"}})]), AnswerLost)
    assert not hasattr(error, "__notes__")
    assert b24.last_result is None
