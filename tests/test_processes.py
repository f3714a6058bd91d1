"""Forked processes: a session that was used before a fork serves parent and children, and mixes nothing up."""

import json
import multiprocessing
import os
import threading
import warnings

import pytest
from drawing import ALL

from b24batch import LeakyBucket
from b24batch.locks import ProcessLock
from b24batch.sandbox import Portal

CHILDREN, CALLS = 4, 200 if ALL else 10


def wrong_answers(b24, child):
    """Call many times, and return how many answers were not the caller's own."""
    asked = [{"child": str(child), "n": str(n)} for n in range(CALLS)]
    return sum(b24.call("echo", params).data != params for params in asked)


@pytest.fixture(scope="module")
def served():
    """A portal in a process of its own, so that the children share it with nobody's threads."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    yield ours.recv()
    ours.send("end")
    process.join(10)


def serve(connection):
    with Portal(record=False) as portal:
        portal.method("echo")(lambda params: params)
        connection.send(portal.url)
        connection.recv()


@pytest.mark.slow
def test_fork_after_use(served):
    """4 children forked from a session in use call often: each answer is the caller's own."""
    from b24batch import Session

    b24 = Session(served, limits=None)
    b24.call("echo")
    read, write = os.pipe()
    children = []
    for child in range(CHILDREN):
        children.append(forked(lambda child=child: wrong_answers(b24, child), write))
    assert wrong_answers(b24, "parent") == 0
    assert {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children} == {0}
    os.close(write)
    with os.fdopen(read) as reports:
        assert [json.loads(line) for line in reports] == [0] * CHILDREN


def forked(work, write):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks beside threads
        child = os.fork()
    if child:
        return child
    try:
        os.write(write, f"{work()}\n".encode())
        os._exit(0)
    finally:
        os._exit(1)


def work(url_and_child):
    url, child = url_and_child
    return wrong_answers(SESSIONS[url], child)


SESSIONS = {}


def test_multiprocessing_after_use(served):
    """A pool of forked workers uses the parent's session by its global name, and mixes nothing up."""
    from b24batch import Session

    SESSIONS[served] = Session(served, limits=None)
    SESSIONS[served].call("echo")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context("fork").Pool(CHILDREN) as pool:
            assert pool.map(work, [(served, child) for child in range(CHILDREN)]) == [0] * CHILDREN


def test_the_bucket_after_a_fork(clock):
    """A child goes on with the bucket as it was; each process keeps the rate for itself."""
    bucket = LeakyBucket(3, 1.0, clock=clock)
    bucket.acquire()
    read, write = os.pipe()
    child = forked(lambda: json.dumps([bucket.acquire(), bucket.acquire()]), write)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as reports:
        assert json.loads(reports.read()) == [0.0, 1.0]
    assert bucket.acquire() == 0.0


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_lock_that_is_held_during_a_fork(reentrant):
    """A lock that a thread holds while the process forks is free in the child, and still held in the parent."""
    kept = ProcessLock(reentrant=reentrant)
    read, write = os.pipe()
    held, done = threading.Event(), threading.Event()

    def hold():
        with kept.lock:
            held.set()
            done.wait(20)

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    assert held.wait(20)
    child = forked(lambda: json.dumps(kept.lock.acquire(blocking=False)), write)
    os.waitpid(child, 0)
    assert not kept.lock.acquire(blocking=False)
    done.set()
    holder.join()
    os.close(write)
    with os.fdopen(read) as reports:
        assert reports.read() == "true\n"


@pytest.mark.parametrize(("kept", "again"), [(ProcessLock(), False), (ProcessLock(reentrant=True), True)])
def test_a_lock_that_is_taken_twice(kept, again):
    """A thread takes a lock once, unless it is reentrant."""
    with kept.lock:
        assert kept.lock.acquire(blocking=False) is again


@pytest.mark.slow
def test_threads_that_begin_right_after_a_fork(served):
    """Threads that a forked child starts at once find its locks released, and sockets of its own."""
    import sys
    import threading

    from b24batch import LeakyBucket, Session

    b24 = Session(served, limits=LeakyBucket(10_000, 10_000.0))
    b24.call("echo")

    def wrong_of_threads():
        sys.setswitchinterval(1e-5)
        wrong = []
        threads = [
            threading.Thread(target=lambda n=n: wrong.append(wrong_answers(b24, n)), daemon=True) for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return sum(wrong) if len(wrong) == len(threads) else -1

    read, write = os.pipe()
    children = [forked(wrong_of_threads, write) for _ in range(CHILDREN)]
    assert {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children} == {0}
    os.close(write)
    with os.fdopen(read) as reports:
        assert [json.loads(line) for line in reports] == [0] * CHILDREN
