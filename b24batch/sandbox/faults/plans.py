"""The faults that are planned for coming requests."""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs

from b24batch.sandbox.faults.acts import Exchange, instead, preceded, refused
from b24batch.sandbox.faults.table import FAULTS, Fault
from b24batch.sandbox.server.answers import Answer, PortalError


def fault_of(fault: str | PortalError | Answer | Callable[[], object]) -> Fault:
    """Return the fault of a name; an error is answered unexecuted, an `Answer` replaces the real one.

    A function is called before the request is executed.

    Raises:
        ValueError: No fault has this name; the message lists those there are.

    """
    if isinstance(fault, PortalError):
        return Fault(fault.code, "no", True, refused(fault))
    if isinstance(fault, Answer):
        return Fault("answer", "yes", True, instead(fault))
    if callable(fault):
        return Fault("function", "yes", True, preceded(fault))
    if fault not in FAULTS:
        raise ValueError(f"no fault is called {fault!r}; there are: {', '.join(FAULTS)}")
    return FAULTS[fault]


@attrs.define
class Planned:
    """A fault, whom it meets, and what it needs to know."""

    fault: Fault
    times: int = attrs.field(validator=attrs.validators.ge(0))
    after: int = attrs.field(validator=attrs.validators.ge(0))
    seconds: float = attrs.field(validator=attrs.validators.ge(0))
    commands: int = attrs.field(validator=attrs.validators.ge(0))


@attrs.define
class Plan:
    """The faults to come; each counts the requests it lets pass by itself, the first one due is taken.

    Attributes:
        pause: Lets seconds of the portal's clock pass.

    """

    pause: Callable[[float], object]
    _planned: list[Planned] = attrs.field(factory=list, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def add(self, planned: Planned) -> None:
        """Plan a fault for ``times`` requests, once ``after`` requests have passed."""
        with self._lock:
            self._planned.append(planned)

    def take(self) -> Planned | None:
        """Count a request and return the fault it meets, or None."""
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
        """Count a request and return its answer, as the fault that it meets has it.

        Args:
            execute: Executes so many commands of the request, None for all, and returns the answer.
            target: The path and query of the request.

        """
        planned = self.take()
        if planned is None:
            return execute(None)
        return planned.fault.act(Exchange(execute, self.pause, target, planned.seconds, planned.commands))
