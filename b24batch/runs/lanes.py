"""Lanes: the threads on which several requests of a run are on their way at once."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import attrs

from b24batch.clock import Clock, Wait
from b24batch.results import AjaxResult
from b24batch.runs.gate import Stopped
from b24batch.wire.claim import Claim
from b24batch.wire.reports import FinishedRequest

#: Seconds that a stopped run waits for the requests on their way.
GRACE = 5.0
#: Seconds between two looks at the clock; some systems deliver Ctrl-C to a waiting thread only then.
_LOOK = 0.1


@attrs.define(eq=False)
class Sending:
    """A request on a lane; also its `Claim`.

    Attributes:
        lanes: The lanes.
        send: Sends the request and returns its outcomes.
        is_begun: Whether it was ever about to be sent.
        is_sent: Whether it may have been executed. False while it waits to be sent, or to be sent again; once its
            lanes are stopped, False is certain.
        is_done: Whether `rows` or `error` is set.
        rows: The outcomes of its commands.
        error: The exception that `send` raised.
    """

    lanes: Lanes
    send: Callable[[Claim], list[AjaxResult]]
    is_begun: bool = attrs.field(default=False, init=False)
    is_sent: bool = attrs.field(default=False, init=False)
    is_done: bool = attrs.field(default=False, init=False)
    rows: list[AjaxResult] = attrs.field(factory=list, init=False)
    error: BaseException | None = attrs.field(default=None, init=False)

    def run(self) -> None:
        """Send the request, on a lane's thread."""
        try:
            self.rows = self.send(self)
        except BaseException as error:
            self.error = error
        self.is_done = True

    def take(self) -> None:
        """Raise `Stopped` if nothing more may be sent."""
        with self.lanes.lock:
            if self.lanes.is_stopped or (self.lanes.is_closing and not self.is_begun):
                raise Stopped
            self.is_begun = self.is_sent = True

    def release(self) -> None:
        """Record that the request was not executed so far."""
        self.is_sent = False


#: What lanes tell the thread that waits for them.
_Event: TypeAlias = Sending | Wait | FinishedRequest


class Lanes:
    """Threads that send requests. They start when they are needed, and never keep a program from ending.

    Args:
        most: Maximum number of threads.
        clock: Measures the grace of `stop`.
        on_wait: Called with each wait of a lane, on the thread that calls `finish_next`; or None.
        on_request: Called in the same way with each HTTP request that has ended; or None.
    """

    def __init__(
        self,
        most: int,
        clock: Clock,
        on_wait: Callable[[Wait], None] | None,
        on_request: Callable[[FinishedRequest], None] | None = None,
    ) -> None:
        self.most = most
        self.lock = threading.RLock()  # a garbage collection inside it may close an abandoned stream
        self.is_closing = self.is_stopped = False
        self._clock = clock
        self._on_wait, self._on_request = on_wait, on_request
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        # Looked up now: gevent and eventlet replace the class when they patch the process.
        self._waiting: queue.SimpleQueue[Sending | None] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()

    def reserve(self, on_way: int) -> None:
        """Start one more thread if all of them have a request.

        Args:
            on_way: The number of requests that are on their way already, fewer than `most`.
        """
        if on_way == len(self._threads):
            name, queues = f"b24batch-{on_way + 1}", (self._waiting, self._events)
            thread = threading.Thread(target=_work, args=queues, name=name, daemon=True)
            self._threads.append(thread)
            _start(thread)

    def start(self, send: Callable[[Claim], list[AjaxResult]]) -> Sending:
        """Send a request on a thread that `reserve` has reserved; `send` is called with the request's claim."""
        sending = Sending(self, send)
        self._unfinished += 1
        self._waiting.put(sending)
        return sending

    def finish_next(self, until: float) -> Sending | None:
        """Wait for the next request to finish and return it, or None at the time `until`.

        Meanwhile call `on_wait` and `on_request`.
        """
        while not isinstance(event := self._look(until), Sending):
            if event is not None:
                self._tell(event)
            if self._clock.monotonic() >= until:
                return None
        return event

    def announce(self, event: Wait | FinishedRequest) -> None:
        """Have `on_wait` or `on_request` called on the thread of the caller."""
        if threading.current_thread() in self._threads:
            self._events.put(event)
        else:
            self._tell(event)

    def _tell(self, event: Wait | FinishedRequest) -> None:
        if isinstance(event, FinishedRequest):
            if self._on_request is not None:
                self._on_request(event)
        elif self._on_wait is not None:
            self._on_wait(event)

    def close(self) -> None:
        """Let no further request begin, and the threads end once they are idle."""
        with self.lock:
            self.is_closing = True
        self._waiting.put(None)

    def join(self) -> None:
        """Close, and wait for the threads to end, unless a request that was given up still waits on one."""
        self.close()
        for thread in () if self._unfinished else self._threads:
            thread.join()

    def stop(self, on_way: list[Sending]) -> None:
        """Let no request be sent any more, and wait up to 5 seconds for those that were sent."""
        with self.lock:
            self.is_stopped = True
        self.close()
        ends = self._clock.monotonic() + GRACE
        while self._are_awaited(on_way) and self._clock.monotonic() < ends:
            self._look(ends)

    def _are_awaited(self, on_way: list[Sending]) -> bool:
        """Return whether any of these requests was sent and may still be answered."""
        is_awaited = any(sending.is_sent and not sending.is_done for sending in on_way)
        # The threads do not run any more when the interpreter ends, nor in a forked process.
        return is_awaited and not sys.is_finalizing() and any(thread.is_alive() for thread in self._threads)

    def _look(self, until: float) -> _Event | None:
        """Return the next event; None if none comes within a moment."""
        event: _Event | None = None
        with suppress(queue.Empty):
            event = self._events.get(timeout=max(0.0, min(_LOOK, until - self._clock.monotonic())))
        self._unfinished -= isinstance(event, Sending)
        return event


def _start(thread: threading.Thread) -> None:
    outer, raised = sys.exception(), None
    try:
        thread.start()
    except (RuntimeError, KeyError) as error:
        raised = error
    # An exception of a signal, raised while `start` notes that the thread starts, comes out behind "release unlocked
    # lock" or, once the thread runs, behind a `KeyError`.
    interrupt = raised and raised.__context__
    if raised is not None:
        raise raised if interrupt is None or interrupt is outer else interrupt


def _work(waiting: queue.SimpleQueue[Sending | None], events: queue.SimpleQueue[_Event]) -> None:
    while (sending := waiting.get()) is not None:
        sending.run()
        events.put(sending)
        del sending  # its answer may be large
    waiting.put(None)  # for the next thread
