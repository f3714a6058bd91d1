"""Interrupts at any instant: no outcome contradicts the portal's journal, and the session is usable afterwards."""

from __future__ import annotations

import contextlib
import dis
import functools
import gc
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from itertools import count
from pathlib import Path

import attrs
import pytest

import b24batch
from b24batch import RetryPolicy, SdkError
from b24batch.journal import Journal
from b24batch.sandbox import Portal

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs the signals of Unix"),
    # An interrupted request leaves its socket to the garbage collection.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PACKAGE = str(Path(b24batch.__file__).parent)
SANDBOX = str(Path(PACKAGE) / "sandbox")
#: Whether every instant is tried; otherwise some of each scenario, drawn anew each time. Of scenarios with lanes or a
#: journal, whose instants are many and slow, some are drawn in any case.
EVERY = bool(os.environ.get("B24BATCH_EVERY_INSTANT"))
DRAWN = 3
MANY_DRAWN = 150 if EVERY else DRAWN
SIGNALS = 300 if EVERY else DRAWN
AT_ONCE = RetryPolicy(wait_initial=0.0)
#: Seconds after which a session is taken to hang.
PATIENCE = 60
PATHS = "<frozen genericpath>"
#: Functions whose callers drop what comes out of them: what Python asks a file that nobody holds any more, what
#: `weakref` calls, and what looks for a file, for which any OSError is an answer. A codec makes a new one of it,
#: and a handler of the log prints it.
DROPPING = {"closed": "response.py", "__call__": "weakref.py", "encode": "idna.py", "emit": "logging/__init__.py"}
DROPPING |= dict.fromkeys(("exists", "isdir", "isfile"), PATHS)
#: More calls than faults can be left over.
MANY = 30


class SoftLimit(TimeoutError):
    """What a handler of the caller raises, of a class that faults of the network have, too."""


class Hang(BaseException):
    """Nothing went on for `PATIENCE` seconds."""


def is_dropped(frame):
    """Whether Python would drop an exception that came here, so that no program ever sees it."""
    while frame is not None:
        name = DROPPING.get(frame.f_code.co_name)
        if name and frame.f_code.co_filename.endswith(name):
            return True
        frame = frame.f_back
    return False


@functools.cache
def ends_of_with(code):
    """Where the code leaves a ``with`` block: a tracer sees a line there, and no signal can come before `__exit__`."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in {"CACHE", "NOP"}]
    nones = [step.opname == "LOAD_CONST" and step.argval is None for step in steps]
    return {step.offset for place, step in enumerate(steps) if all(nones[place : place + 3])}


@attrs.define
class Pressed:
    """An exception that a signal raises: at the n-th line that the package runs in this thread, or after a time.

    The lines of the sandbox do not count. `place` says where it was raised, and is empty when it was not; `dropped`
    whether Python itself did, as it does in a finalizer: garbage is not collected meanwhile.
    """

    error: BaseException
    at: int = 0
    seconds: float = 0.0
    lines: int = 0
    place: str = ""
    armed: bool = True
    dropped: bool = False

    def during(self, act):
        """Do something, and return the exception that ended it; None when nothing did."""
        before, tracing, hook = signal.signal(signal.SIGUSR1, self.press), sys.gettrace(), sys.unraisablehook
        sys.unraisablehook = self.drop
        timer = signal.signal(signal.SIGALRM, self.press if self.seconds else hang)
        signal.setitimer(signal.ITIMER_REAL, self.seconds or PATIENCE, PATIENCE)
        gc.disable()
        if not self.seconds:
            sys.settrace(self.trace)
        try:
            act()
            self.armed = False
        except BaseException as error:
            self.armed = False
            return error
        finally:
            sys.settrace(tracing)
            gc.enable()
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, timer)
            signal.signal(signal.SIGUSR1, before)
            sys.unraisablehook = hook
        return None

    def drop(self, unraisable):
        self.dropped |= unraisable.exc_value is self.error

    def trace(self, frame, event, _argument):
        path = frame.f_code.co_filename
        if event == "call" and (not path.startswith(PACKAGE) or path.startswith(SANDBOX) or is_dropped(frame)):
            return None
        if event == "line" and frame.f_lasti not in ends_of_with(frame.f_code):
            self.lines += 1
            if self.lines == self.at:
                signal.raise_signal(signal.SIGUSR1)
        return self.trace

    def press(self, number, frame):
        if self.armed and not self.place:
            if number == signal.SIGUSR1:
                frame = frame.f_back
            if is_dropped(frame):
                return
            self.place = "".join(traceback.format_stack(frame, 6))
            raise self.error


def hang(_number, _frame):
    raise Hang


@attrs.define
class World:
    """A portal, a session on it, and what was told of each command: by its key the status, and where it was pressed."""

    portal: Portal
    session: b24batch.Session
    told: dict[str, tuple[str, str]] = attrs.field(factory=dict)
    keys: count = attrs.field(factory=lambda: count(1))

    def run(self, scenario, fault, pressed):
        """Run a scenario, keep what is told of its commands, and use the session once more."""
        rows, key = [], next(self.keys)
        if fault:
            self.portal.fail_next(fault)
        error = pressed.during(lambda: scenario(self.session, key, rows))
        assert error is (pressed.error if pressed.place and not pressed.dropped else None), pressed
        self.tell([*rows, *getattr(error, "result", ())], pressed)
        if scenario is call and not rows:
            self.told[f"{key}/0"] = ("unknown" if getattr(error, "request_sent", True) else "skipped", str(pressed))
        assert Pressed(Hang()).during(lambda: self.use(key)) is None, f"not usable: {pressed}"

    def use(self, key):
        """Call once more, behind the faults that were planned and did not come about."""
        for _ in range(MANY):
            with contextlib.suppress(SdkError):
                assert self.session.call("echo.get", {"n": key}).data == {"n": key}
                return

    def tell(self, rows, pressed):
        told = {row.command.params["KEY"]: (row.status, str(pressed)) for row in rows}
        assert len(told) == len(rows), f"told twice: {pressed}"
        self.told |= told

    def contradictions(self):
        """Close the portal, and return what was told of commands that its journal does not bear out."""
        self.portal.close()
        executed = Counter(command.params.get("KEY") for command in self.portal.executed)
        written = Counter(command.params.get("KEY") for command in self.portal.executed if command.method == "put.add")
        del executed[None]
        return [
            f"{key} was executed {executed[key]} times and told {status}; {place}"
            for key in executed.keys() | self.told.keys()
            for status, place in [self.told.get(key, ("nothing", ""))]
            if not is_true(status, executed[key]) or written[key] > 1
        ]


def is_true(status, times):
    return {"ok": times > 0, "unknown": True}.get(status, times == 0)


@pytest.fixture
def world():
    with Portal() as portal:
        for name in ("put.add", "look.get", "echo.get"):
            portal.method(name)(lambda params: params)
        with portal.session(retries=AT_ONCE) as session:
            world = World(portal, session)
            world.use("begun")
            yield world
    del world, session
    gc.collect()  # the sockets of interrupted requests: here, where their warnings are expected


def commands(method, key, number):
    return [(method, {"KEY": f"{key}/{n}"}) for n in range(number)]


def chunk(b24, key, rows):
    rows.extend(b24.batch_by_chunk(commands("put.add", key, 3)).rows)


def chunks(b24, key, rows):
    rows.extend(b24.batch_by_chunk(commands("put.add", key, 4), chunk_size=2, progress=Bar).rows)


def look(b24, key, rows):
    rows.extend(b24.batch_by_chunk(commands("look.get", key, 3)).rows)


def stream(b24, key, rows):
    rows.extend(b24.stream_batch(commands("put.add", key, 4), chunk_size=2))


def at_once(b24, key, rows):
    rows.extend(b24.batch_by_chunk(commands("put.add", key, 6), chunk_size=2, concurrency=3, progress=Bar).rows)


def streamed_at_once(b24, key, rows):
    rows.extend(b24.stream_batch(commands("put.add", key, 6), chunk_size=2, concurrency=3))


def journaled(b24, key, rows):
    again(b24, key, rows, commands("put.add", key, 4))


def journaled_at_once(b24, key, rows):
    again(b24, key, rows, commands("put.add", key, 6), concurrency=3)


def again(b24, key, rows, calls, **options):
    """Start a run with a journal. After an exception start it again, and hold the journal against both results."""
    with tempfile.TemporaryDirectory() as folder, Journal(f"{folder}/x.journal") as journal:
        options |= {"journal": journal, "chunk_size": 2}
        try:
            rows.extend(b24.batch_by_chunk(calls, **options).rows)
        except BaseException as error:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)
            known = {row.name: row.status for row in getattr(error, "result", ())}
            noted = {row.key: row.status for row in journal.rows()}
            wrong = [name for name in noted if name in known and noted[name] not in {known[name], "unknown"}]
            assert wrong == [], (noted, known)
            journal.close()  # which gives it back, if the exception came before the run had begun
            rows.extend(b24.batch_by_chunk(calls, **options | {"journal": f"{folder}/x.journal"}).rows)
            vars(error).pop("result", None)  # the later outcomes are the ones to hold against the portal
            raise


def call(b24, key, rows):
    rows.append(b24.call(*commands("put.add", key, 1)[0]))


class Bar:
    """A progress bar that shows nothing."""

    def __init__(self, **_options):
        pass

    def update(self, n, /):
        pass

    def set_postfix_str(self, s, /):
        pass

    def close(self):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SoftLimit])
@pytest.mark.parametrize(
    ("scenario", "fault"),
    [
        (chunk, None),
        (chunk, "lost_after"),
        (chunk, "lost_before"),
        (chunks, "rate_limited"),
        (look, "half_body"),
        (stream, "json_500"),
        (at_once, None),
        (at_once, "lost_after"),
        (streamed_at_once, "rate_limited"),
        (journaled, None),
        (journaled, "rate_limited"),
        (journaled_at_once, None),
        (journaled_at_once, "lost_after"),
        (call, None),
        (call, "rate_limited"),
    ],
)
def test_interrupted_at_an_instant(world, scenario, fault, kind):
    """An exception at any line that a request runs leaves as it is, with outcomes that the journal bears out."""
    whole = Pressed(kind())
    world.run(scenario, fault, whole)
    instants = range(1, whole.lines + 1)
    is_slow = scenario in {at_once, streamed_at_once, journaled, journaled_at_once}
    for at in instants if EVERY and not is_slow else random.sample(instants, min(MANY_DRAWN, len(instants))):
        world.run(scenario, fault, Pressed(kind(), at))
    assert world.contradictions() == []


def long(b24, key, rows):
    rows.extend(b24.batch_by_chunk(commands("put.add", key, 60), chunk_size=4).rows)


def long_at_once(b24, key, rows):
    rows.extend(b24.batch_by_chunk(commands("put.add", key, 60), chunk_size=4, concurrency=8).rows)


def stream_at_once(b24, key, rows):
    rows.extend(b24.stream_batch(commands("put.add", key, 60), chunk_size=4, concurrency=8))


FAULTS = ["lost_after", "lost_before", "rate_limited", "half_body", "html_502", "refused", "closes"]


def press_before_the_lock_is_back(frame, event, _argument):
    """Press Ctrl-C while `Thread.start` waits, before it has its lock back."""
    if event == "call" and frame.f_code.co_name == "_acquire_restore":
        signal.raise_signal(signal.SIGUSR1)


def press_once_the_thread_runs(frame, event, function):
    """Press Ctrl-C in `Thread.start`, when the new thread has already noted that it runs."""
    if event == "c_return" and frame.f_code.co_name == "start" and function.__name__.startswith(("_start", "start")):
        while frame.f_locals["self"] in threading._limbo:
            pass
        signal.raise_signal(signal.SIGUSR1)


@pytest.mark.parametrize("press", [press_before_the_lock_is_back, press_once_the_thread_runs])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SoftLimit])
def test_interrupted_while_a_thread_starts(world, kind, press):
    """An exception that comes inside Python's own start of a thread leaves as it is."""
    pressed, rows = Pressed(kind(), at=-1), []

    def run():
        sys.setprofile(press)
        try:
            raise LookupError
        except LookupError:
            at_once(world.session, "1", rows)

    try:
        error = pressed.during(run)
    finally:
        sys.setprofile(None)
    assert error is pressed.error, pressed
    world.tell(error.result, pressed)
    assert world.contradictions() == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SoftLimit])
@pytest.mark.parametrize("scenario", [long, long_at_once, stream_at_once])
def test_interrupted_at_random(world, scenario, kind):
    """A real signal at a random moment of a long run with faults leaves outcomes that the journal bears out."""
    began = time.perf_counter()
    world.run(scenario, None, Pressed(kind()))
    lasted = time.perf_counter() - began
    for _ in range(SIGNALS):
        for place in range(0, 12, 3):
            world.portal.fail_next(random.choice(FAULTS), after=place and 2)
        world.run(scenario, None, Pressed(kind(), seconds=random.uniform(lasted / 100, lasted)))
    assert world.contradictions() == []
