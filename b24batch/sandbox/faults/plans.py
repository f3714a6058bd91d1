"""The faults that are planned for upcoming requests."""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs

from b24batch.sandbox.faults.acts import Exchange, answer, call_first, refuse
from b24batch.sandbox.faults.table import FAULTS, Fault
from b24batch.sandbox.server.answers import Answer, PortalError


def to_fault(fault: str | PortalError | Answer | Callable[[], object]) -> Fault:
    """Return the fault for a name, an error, an answer or a function.

    A `PortalError` is answered and nothing is executed. An `Answer` replaces the real one after execution. A function
    is called before the request is executed.

    Raises:
        ValueError: The name is unknown; the message lists the valid names.

    """
    if isinstance(fault, PortalError):
        return Fault(fault.code, "no", True, refuse(fault))
    if isinstance(fault, Answer):
        return Fault("answer", "yes", True, answer(fault))
    if callable(fault):
        return Fault("function", "yes", True, call_first(fault))
    if fault not in FAULTS:
        raise ValueError(f"unknown fault {fault!r}: expected one of {', '.join(FAULTS)}")
    return FAULTS[fault]


@attrs.define
class Planned:
    """A fault, the requests that it affects, and its parameters."""

    fault: Fault
    times: int = attrs.field(validator=attrs.validators.ge(0))
    after: int = attrs.field(validator=attrs.validators.ge(0))
    seconds: float = attrs.field(validator=attrs.validators.ge(0))
    commands: int = attrs.field(validator=attrs.validators.ge(0))


@attrs.define
class Plan:
    """The planned faults. Each counts the requests that it lets pass; the first one that is due is used.

    Attributes:
        pause: Waits for a number of seconds by the portal's clock.

    """

    pause: Callable[[float], object]
    _planned: list[Planned] = attrs.field(factory=list, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def add(self, planned: Planned) -> None:
        """Plan a fault for ``times`` requests, after ``after`` requests have passed."""
        with self._lock:
            self._planned.append(planned)

    def take(self) -> Planned | None:
        """Count a request and return the fault that affects it, or None."""
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
            return due

    def carry_out(self, execute: Callable[[int | None], Answer], target: str) -> Answer:
        """Count a request and return its answer, changed by the fault that affects it.

        Args:
            execute: Executes the first n commands of the request, None for all, and returns the answer.
            target: The path and query of the request.

        """
        planned = self.take()
        if planned is None:
            return execute(None)
        return planned.fault.act(Exchange(execute, self.pause, target, planned.seconds, planned.commands))
