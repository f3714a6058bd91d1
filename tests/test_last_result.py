"""What an exception that stops a run leaves behind: a note, and the outcomes in `Session.last_result`."""

import gc
import signal
import threading
import weakref

import pytest

from b24batch import AjaxError, AnswerLost, BatchError, LeakyBucket, UsageError, look_up, outcomes_of
from b24batch.lists.hand import Hand
from b24batch.sandbox import PortalError
from b24batch.statuses import count_outcomes
from b24batch.streams import give_rows

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
    assert caught.__notes__ == [
        f"{count_outcomes(row.status for row in caught.result)}; their outcomes: b24.last_result"
    ]
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


def test_a_look_up_is_no_run(b24, portal):
    """The outcomes that somebody looks up are still there afterwards, also if the look-up is stopped."""
    portal.fail_next("lost_after", after=1)
    lost = b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": str(n)}}) for n in range(120)])
    assert look_up(b24, "crm.deal.list", "ORIGIN_ID", ["a"]) == {}
    assert b24.last_result is lost
    over, main = threading.Event(), threading.main_thread().ident

    @portal.method("crm.deal.list")
    def slow(params):
        signal.pthread_kill(main, signal.SIGINT)
        over.wait(10)
        return []

    interrupt = stopped(lambda: look_up(b24, "crm.deal.list", "ORIGIN_ID", ["a"]))
    over.set()
    assert b24.last_result is lost
    assert not hasattr(interrupt, "__notes__")


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


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("paging", ["cursor", "start"])
def test_a_list_page_by_page(b24, portal, paging, concurrency):
    """The exception that stops `fetch_list` has one note, which counts the rows that were yielded and the others."""
    b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": str(n)}}) for n in range(420)])

    def interrupt(_wait):
        raise KeyboardInterrupt

    portal.fail_next("rate_limited", after=4)
    options = {"pages_per_request": 1, "paging": paging, "concurrency": concurrency}
    pages = b24.with_options(on_wait=interrupt).fetch_list("crm.deal.list", **options)
    read = []
    error = stopped(lambda: read.extend(row for page in pages for row in page))
    assert [int(row["ID"]) for row in read + error.result] == list(range(1, len(read + error.result) + 1))
    rest = f"{len(error.result)} more are in the `result` of this exception"
    assert error.__notes__ == [f"{len(read)} rows were yielded; {rest}"]


def test_rows_in_hand():
    """Rows that arrived and were not yielded are counted apart from those that were."""
    hand = Hand().then([[{"ID": 1}, {"ID": 2}], [{"ID": 3}]])
    assert (hand.yielded, len(hand.unread)) == (0, 3)
    next(hand.left)
    assert (hand.yielded, hand.unread) == (2, [{"ID": 3}])
    list(hand.left)
    later = hand.then([[{"ID": 4}]])
    assert (later.yielded, later.unread) == (3, [{"ID": 4}])


def test_a_list_that_is_refused(b24):
    """An exception before the first row has no note, and the note of an exception that is raised again is replaced."""
    assert not hasattr(stopped(lambda: list(b24.fetch_list("no.such.method", paging="whole")), AjaxError), "__notes__")
    error = ValueError("mine")
    error.add_note("a note of mine")
    for rows in ([{"ID": 1}] * 9, [{"ID": 1}] * 7):
        give_rows(error, rows)
    assert error.__notes__ == ["a note of mine", "7 rows were read; they are in the `result` of this exception"]


def test_no_secret_in_a_note(b24, portal):
    """A note has counts only: neither a value nor what the portal said."""

    @portal.method("refused")
    def refused(params):
        raise PortalError("SECRET", "see https://example.com/rest/1/k7secretcode/x")

    error = stopped(lambda: b24.batch_by_chunk([("refused",)], progress=Bar(KeyboardInterrupt())))
    assert error.__notes__ == ["1 command: 1 failed; their outcomes: b24.last_result"]


def test_a_batch_that_is_lost(b24, portal):
    """One request is no run: its error says what became of all its commands."""
    portal.fail_next("lost_after")
    error = stopped(lambda: b24.batch([("crm.deal.add", {"fields": {"TITLE": "x"}})]), AnswerLost)
    assert not hasattr(error, "__notes__")
    assert b24.last_result is None


@pytest.mark.parametrize("end", ["close", "throw"])
def test_a_stream_that_is_ended(b24, portal, end):
    """`close` ends a stream and `throw` raises an exception besides: nothing more is sent, and `result` remains."""
    stream, error = b24.stream_batch(CALLS[:6], chunk_size=3), KeyError("mine")
    next(stream)
    if end == "close":
        stream.close()
    else:
        assert stopped(lambda: stream.throw(error), KeyError) is error
        assert list(error.result) == list(stream.result)
    assert len(stream.result) == 2
    assert list(stream) == []
    assert len(portal.requests) == 1


@pytest.mark.parametrize(
    ("send", "note"),
    [
        (lambda b24: b24.call("press"), "the request was sent: it may have been executed"),
        (lambda b24: b24.batch([("press",)]), "the request was sent: it may have been executed"),
        (lambda b24: b24.batch({"a": ("echo",), "b": ("press",)}), "the request was sent: its 2 commands may have"),
    ],
)
def test_ctrl_c_in_one_request(b24, press, send, note):
    """Ctrl-C in a single call or a batch says whether its commands may have been executed."""
    press(1)
    error = stopped(lambda: send(b24))
    assert len(error.__notes__) == 1
    assert error.__notes__[0].startswith(note)


@pytest.mark.parametrize("send", [lambda b24: b24.call("echo"), lambda b24: b24.batch([("echo",)] * 9)])
def test_ctrl_c_before_the_request(b24, portal, send):
    """An exception in the wait before the first attempt says that nothing was sent."""

    def on_wait(wait):
        raise KeyboardInterrupt

    busy = b24.with_options(limits=LeakyBucket(2, 0.001), on_wait=on_wait)
    busy.call("echo")
    sent = len(portal.requests)
    assert stopped(lambda: send(busy)).__notes__ == ["nothing was sent"]
    assert len(portal.requests) == sent
