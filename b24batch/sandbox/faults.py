"""What can go wrong with a request on purpose, and when."""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs

from b24batch.sandbox import php_json
from b24batch.sandbox.answers import Answer, PortalError


@attrs.frozen
class Exchange:
    """A request in the hands of a fault: it may execute it, wait, or neither."""

    execute: Callable[[], Answer]
    sleep: Callable[[float], None]
    seconds: float


#: Turns a request into the answer that is sent; None closes the connection without one.
Fault = Callable[[Exchange], Answer | None]


def refusal(error: PortalError) -> Answer:
    """Return the answer that says a request was refused."""
    return Answer(php_json.dumps(error.envelope()), error.http_status)


#: The answer to a request over the rate: the documented status and code.
TOO_MANY = refusal(PortalError("QUERY_LIMIT_EXCEEDED", "Too many requests", http_status=503))

_HTML = {"Content-Type": "text/html"}


def _rate_limited(exchange: Exchange) -> Answer | None:
    del exchange
    return TOO_MANY


def _lost_after(exchange: Exchange) -> Answer | None:
    exchange.execute()
    return None


def _lost_before(exchange: Exchange) -> Answer | None:
    del exchange
    return None


def _html_502(exchange: Exchange) -> Answer | None:
    exchange.execute()
    return Answer("<html><body><h1>502 Bad Gateway</h1></body></html>", 502, _HTML)


def _slow(exchange: Exchange) -> Answer | None:
    answer = exchange.execute()
    exchange.sleep(exchange.seconds)
    return answer


#: Every fault by its name.
FAULTS: dict[str, Fault] = {
    "rate_limited": _rate_limited,
    "lost_after": _lost_after,
    "lost_before": _lost_before,
    "html_502": _html_502,
    "slow": _slow,
}


def fault_of(fault: str | PortalError | Answer) -> Fault:
    """Return the fault of a name; an error is answered unexecuted, an `Answer` replaces the real one.

    Raises:
        ValueError: No fault has this name; the message lists those there are.

    """
    if isinstance(fault, PortalError):
        refused = refusal(fault)
        return lambda _exchange: refused
    if isinstance(fault, Answer):
        return _replacing(fault)
    if fault not in FAULTS:
        raise ValueError(f"no fault is called {fault!r}; there are: {', '.join(FAULTS)}")
    return FAULTS[fault]


def _replacing(answer: Answer) -> Fault:
    def replaced(exchange: Exchange) -> Answer | None:
        exchange.execute()
        return answer

    return replaced


@attrs.define
class _Planned:
    fault: Fault
    times: int
    after: int
    seconds: float


@attrs.define
class Plan:
    """The faults to come; each counts the requests it lets pass by itself, the first one due is taken."""

    _planned: list[_Planned] = attrs.field(factory=list, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def add(self, fault: Fault, *, times: int, after: int, seconds: float) -> None:
        """Plan a fault for ``times`` requests, once ``after`` requests have passed."""
        with self._lock:
            self._planned.append(_Planned(fault, times, after, seconds))

    def take(self) -> tuple[Fault, float] | None:
        """Count a request and return the fault it meets, with its seconds, or None."""
        if not self._planned:
            return None
        with self._lock:
            due = next((planned for planned in self._planned if not planned.after and planned.times), None)
            for planned in self._planned:
                planned.after = max(0, planned.after - 1)
            if due is None:
                return None
            due.times -= 1
            self._planned = [planned for planned in self._planned if planned.times]
            return due.fault, due.seconds
